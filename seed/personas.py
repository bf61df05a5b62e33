"""The people whom the demo's sign-in page offers by one click, and those around them.

They live through the same simulation as everybody else. What is said here is who they are, what they have, and where
they stop behaving, so that the state each one is there to show holds whatever the day is.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from rules.periods import add_months, month_end, month_start
from rules.terms import AutopayAmount, AutopayTrigger, BillingMode, CardBrand, Right, Role, ServiceKind

PASSWORD = "Kabinet-2026"  # noqa: S105  # the demo's, shown on its sign-in page

INTERNET, MOBILE, TV, PHONE = ServiceKind.INTERNET, ServiceKind.MOBILE, ServiceKind.TV, ServiceKind.PHONE
PREPAID, POSTPAID = BillingMode.PREPAID, BillingMode.POSTPAID


@dataclass(frozen=True, slots=True)
class Card:
    """A saved card; `expires_on` is its last day (None: it has years to go)."""

    brand: CardBrand
    last_four: str
    expires_on: date | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person of the cast. Without a key: a relative, who has no sign-in."""

    key: str
    last: str
    first: str
    patronymic: str
    woman: bool
    birth_on: date
    region: str
    address: str
    role: Role = Role.CUSTOMER
    registered: bool = True
    newcomer: bool = False
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class AutopayPlan:
    """A rule that the payer set up; by the first card."""

    trigger: AutopayTrigger
    amount_kind: AutopayAmount
    threshold_kopecks: int | None = None
    day_of_month: int | None = None
    amount_kopecks: int | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """An account of the cast. `holder` and `payer` are places in the cast; `right` is what the payer may do.

    Nothing is paid from `stops_on` on; `tops_up_to_days` then puts money for so many days on it three days ago.
    `due_days` is how long after its issue a bill falls due.
    """

    holder: int
    payer: int | None
    service: ServiceKind
    mode: BillingMode
    plan: str
    label: str = ""
    right: Right = Right.MANAGE
    options: tuple[str, ...] = ()
    stops_on: date | None = None
    tops_up_to_days: int | None = None
    due_days: int = 19
    suspended_from: date | None = None
    must_be_blocked: bool = False
    autopay: AutopayPlan | None = None
    recent: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody, and their contracts, for one day."""

    actors: tuple[Actor, ...]
    contracts: tuple[Contract, ...]
    as_of: date


FAMILY, PENSIONER, DEBTOR, STUDENT, VIP, COTTAGE, NEWCOMER, ANALYST, ADMINISTRATOR, FATHER = range(10)

KEYS = ("family", "pensioner", "debtor", "student", "vip", "cottage", "newcomer", "analyst", "administrator")


def _last_new_year_eve(as_of: date) -> date:
    return as_of if (as_of.month, as_of.day) == (12, 31) else date(as_of.year - 1, 12, 31)


def points_granted_on(as_of: date) -> date:
    """When the family's 180 points were granted: on New Year's Eve, so that they expire on the next one."""
    return _last_new_year_eve(as_of)


FAMILY_POINTS = 2340


def cast(as_of: date) -> Cast:
    """The people and contracts, with the days that depend on today."""
    month = month_start(as_of)
    back = [add_months(month, -step) for step in range(6)]

    # The family's own bill falls due on the 20th, or in five days when the 20th is over.
    own_due = max(month + timedelta(days=19), as_of + timedelta(days=3))
    # The parents' bill was due four days ago: this month's, unless that would leave no time to pay it.
    late_since = as_of - timedelta(days=4)
    late_bill = month if (late_since - month).days >= 9 else back[1]
    # The student's card was declined eight days ago, then after 1, 3 and 5 days; it had expired the month before.
    failed_on = as_of - timedelta(days=8)
    card_end = month_end(add_months(month_start(failed_on), -1))

    actors = (
        Actor("family", "Соколова", "Анна", "Петровна", True, date(1986, 12, 31), "RU-MOW",
              "г. Москва, ул. Садовая, д. 12, кв. 48",
              cards=(Card(CardBrand.MIR, "4417", label="Зарплатная"), Card(CardBrand.VISA, "9031", label="Общая"))),
        Actor("pensioner", "Орлова", "Нина", "Фёдоровна", True, date(1951, 3, 14), "RU-TUL",
              "г. Тула, ул. Почтовая, д. 7, кв. 15",
              cards=(Card(CardBrand.MIR, "2208"),)),
        Actor("debtor", "Кравцов", "Игорь", "Львович", False, date(1979, 8, 2), "RU-SAM",
              "г. Самара, ул. Заводская, д. 31, кв. 4"),
        Actor("student", "Тихонов", "Артем", "Денисович", False, date(as_of.year - 20, 4, 9), "RU-TA",
              "г. Казань, ул. Студенческая, д. 3, кв. 512", cards=(Card(CardBrand.MASTERCARD, "6620", expires_on=card_end),)),
        Actor("vip", "Вознесенский", "Павел", "Андреевич", False, date(1971, 10, 25), "RU-SPE",
              "г. Санкт-Петербург, ул. Морская, д. 5, кв. 21",
              cards=(Card(CardBrand.VISA, "1188", label="Личная"), Card(CardBrand.MIR, "7305", label="Запасная"))),
        Actor("cottage", "Лесникова", "Марина", "Олеговна", True, date(1968, 6, 19), "RU-LEN",
              "г. Гатчина, ул. Лесная, д. 88", cards=(Card(CardBrand.MIR, "5546"),)),
        Actor("newcomer", "Зимин", "Тимур", "Романович", False, date(1997, 1, 27), "RU-NIZ",
              "г. Нижний Новгород, ул. Волжская, д. 9, кв. 77", newcomer=True),
        Actor("analyst", "Беляева", "Ксения", "Игоревна", True, date(1990, 9, 5), "RU-MOW", "", role=Role.ANALYST),
        Actor("administrator", "Громов", "Роман", "Сергеевич", False, date(1984, 2, 11), "RU-MOW", "", role=Role.ADMINISTRATOR),
        Actor("", "Соколов", "Пётр", "Ильич", False, date(1954, 5, 9), "RU-YAR", "г. Ярославль, ул. Волжская, д. 24, кв. 6",
              registered=False),
    )  # fmt: skip
    contracts = (
        Contract(FAMILY, FAMILY, INTERNET, POSTPAID, "home-600", "Дом", options=("router-rent", "antivirus", "parental-control"),
                 stops_on=month, due_days=(own_due - month).days),
        Contract(FAMILY, FAMILY, MOBILE, PREPAID, "mobile-more", "Мой мобильный", options=("spam-shield", "roaming-pack")),
        Contract(FAMILY, FAMILY, MOBILE, PREPAID, "mobile-school", "Миша, школа", options=("who-called", "spam-shield"),
                 stops_on=back[1], tops_up_to_days=2),
        Contract(FAMILY, FAMILY, TV, PREPAID, "tv-family", "Телевизор", options=("cinema", "kids-tv", "rewind"),
                 autopay=AutopayPlan(AutopayTrigger.MONTHLY, AutopayAmount.UP_TO, day_of_month=25, amount_kopecks=110_000)),
        Contract(FATHER, FAMILY, PHONE, POSTPAID, "phone-unlimited", "Телефон родителей", Right.PAY, options=("caller-id",),
                 stops_on=late_bill, due_days=(late_since - late_bill).days),
        Contract(PENSIONER, PENSIONER, PHONE, POSTPAID, "phone-minutes", options=("caller-id",)),
        Contract(DEBTOR, DEBTOR, INTERNET, POSTPAID, "home-300", options=("antivirus",), stops_on=back[4], must_be_blocked=True),
        Contract(DEBTOR, DEBTOR, MOBILE, PREPAID, "mobile-start", options=("who-called",), stops_on=back[1]),
        Contract(STUDENT, STUDENT, MOBILE, PREPAID, "mobile-start", options=("who-called",), stops_on=date(1970, 1, 1),
                 autopay=AutopayPlan(AutopayTrigger.MONTHLY, AutopayAmount.UP_TO, day_of_month=failed_on.day,
                                     amount_kopecks=50_000)),
        Contract(VIP, VIP, INTERNET, POSTPAID, "home-1000", "Квартира", options=("static-ip", "router-rent", "game-route"),
                 autopay=AutopayPlan(AutopayTrigger.BILL, AutopayAmount.DUE)),
        Contract(VIP, VIP, MOBILE, PREPAID, "mobile-free", "Мой номер", options=("spam-shield", "ringback", "roaming-pack"),
                 autopay=AutopayPlan(AutopayTrigger.THRESHOLD, AutopayAmount.FIXED, threshold_kopecks=50_000,
                                     amount_kopecks=150_000)),
        Contract(VIP, VIP, MOBILE, PREPAID, "mobile-free", "Ольга", options=("who-called",)),
        Contract(VIP, VIP, TV, PREPAID, "tv-premium", "Телевизор", options=("cinema", "cinema-4k", "sport")),
        Contract(VIP, VIP, PHONE, POSTPAID, "phone-unlimited", "Городской", options=("long-distance", "forwarding")),
        Contract(VIP, VIP, INTERNET, POSTPAID, "home-300", "Дача", options=("router-rent",)),
        Contract(COTTAGE, COTTAGE, INTERNET, PREPAID, "home-100", "Дача", suspended_from=back[1]),
        Contract(COTTAGE, COTTAGE, MOBILE, PREPAID, "mobile-more", "Мой мобильный", options=("spam-shield",)),
        Contract(NEWCOMER, None, INTERNET, PREPAID, "home-300", recent=True),
    )  # fmt: skip
    return Cast(actors=actors, contracts=contracts, as_of=as_of)
