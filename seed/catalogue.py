"""What the fictional operator sells: plans, options, what goes with what. Data, and its rows.

Prices are roubles a month at the start of the history; `RISES` are the price rises after it. They always begin on the
1st, so that within a month a price does not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rules.periods import add_months
from rules.terms import OptionGroup, OptionRelationKind, Recurrence, ServiceKind

INTERNET, MOBILE, TV, PHONE = ServiceKind.INTERNET, ServiceKind.MOBILE, ServiceKind.TV, ServiceKind.PHONE

RISE_EVERY_MONTHS = 12
"""Plans rise this often: twice in a history of 24 months; options once, with the second rise."""

PLAN_RISE_PERCENT = 7
OPTION_RISE_PERCENT = 10

FAR_EAST = ("RU-PRI", "RU-KHA", "RU-SAK", "RU-KAM", "RU-IRK")
BIG_CITIES = ("RU-MOW", "RU-SPE", "RU-MOS", "RU-LEN", "RU-TA", "RU-SVE", "RU-NVS", "RU-KDA", "RU-NIZ", "RU-SAM")


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """A plan, its first price in roubles, and how often people choose it among those of its service."""

    code: str
    service: ServiceKind
    name_ru: str
    name_en: str
    roubles: int
    weight: int
    gigabytes: int | None = None
    minutes: int | None = None
    messages: int | None = None
    megabits: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """An option, its first price in roubles, and the share of accounts that have had it (of those with what it needs)."""

    code: str
    service: ServiceKind
    group: OptionGroup
    name_ru: str
    name_en: str
    roubles: int
    take_up: float
    summary_ru: str
    summary_en: str
    recurrence: Recurrence = Recurrence.MONTHLY
    provisioning_minutes: int = 0
    regions: tuple[str, ...] = ()


PLANS = (
    PlanFacts("home-100", INTERNET, "Дом 100", "Home 100", 490, 34, megabits=100),
    PlanFacts("home-300", INTERNET, "Дом 300", "Home 300", 650, 38, megabits=300),
    PlanFacts("home-600", INTERNET, "Дом 600", "Home 600", 850, 19, megabits=600),
    PlanFacts("home-1000", INTERNET, "Дом Гигабит", "Home Gigabit", 1190, 9, megabits=1000),
    PlanFacts("mobile-calls", MOBILE, "Только звонки", "Just calls", 250, 14, gigabytes=1, minutes=200, messages=50),
    PlanFacts("mobile-school", MOBILE, "Школьный", "School", 290, 10, gigabytes=5, minutes=150, messages=100),
    PlanFacts("mobile-start", MOBILE, "На каждый день", "Everyday", 390, 36, gigabytes=15, minutes=400, messages=100),
    PlanFacts("mobile-more", MOBILE, "Больше", "More", 590, 28, gigabytes=40, minutes=1000, messages=200),
    PlanFacts("mobile-free", MOBILE, "Без границ", "No limits", 990, 12, gigabytes=0, minutes=2000, messages=500),
    PlanFacts("tv-basic", TV, "ТВ Базовый", "TV Basic", 240, 52, channels=120),
    PlanFacts("tv-family", TV, "ТВ Семейный", "TV Family", 390, 34, channels=190),
    PlanFacts("tv-premium", TV, "ТВ Премиум", "TV Premium", 690, 14, channels=260),
    PlanFacts("phone-minutes", PHONE, "Городской 300", "City 300", 320, 44, minutes=300),
    PlanFacts("phone-unlimited", PHONE, "Городской без счёта", "City Unlimited", 560, 56, minutes=0),
)

_INT, _CALLS, _CH, _SEC, _FUN = (
    OptionGroup.INTERNET, OptionGroup.CALLS, OptionGroup.CHANNELS, OptionGroup.SECURITY, OptionGroup.ENTERTAINMENT,
)  # fmt: skip

OPTIONS = (
    OptionFacts(
        "antivirus", INTERNET, _SEC, "Антивирус", "Antivirus", 99, 0.16,
        "Защита для трёх компьютеров и телефонов. Обновляется сама.",
        "Protection for three computers and phones. Updates by itself.",
    ),
    OptionFacts(
        "parental-control", INTERNET, _SEC, "Детский интернет", "Kids online", 0, 0.12,
        "Закрывает сайты для взрослых и отключает сеть на ночь. Бесплатно.",
        "Blocks adult sites and turns the network off at night. Free.",
    ),
    OptionFacts(
        "static-ip", INTERNET, _INT, "Постоянный адрес", "Static address", 150, 0.07,
        "Один и тот же IP-адрес: для камер, домашнего сервера и работы из дома.",
        "The same IP address every day: for cameras, a home server and work from home.",
        provisioning_minutes=120,
    ),
    OptionFacts(
        "night-boost", INTERNET, _INT, "Ночное ускорение", "Night boost", 79, 0.08,
        "С полуночи до восьми утра скорость вдвое выше.",
        "Twice the speed from midnight to eight in the morning.",
    ),
    OptionFacts(
        "router-rent", INTERNET, _INT, "Роутер в аренду", "Router rental", 120, 0.24,
        "Wi-Fi 6 на всю квартиру. Привезём, настроим и заменим, если сломается.",
        "Wi-Fi 6 for the whole flat. We bring it, set it up and replace it if it breaks.",
        provisioning_minutes=2880,
    ),
    OptionFacts(
        "game-route", INTERNET, _FUN, "Игровой канал", "Gaming route", 140, 0.05,
        "Короткий путь до игровых серверов: задержка меньше.",
        "A shorter way to game servers: less delay.", regions=BIG_CITIES,
    ),
    OptionFacts(
        "extra-10gb", MOBILE, _INT, "Ещё 10 ГБ", "10 GB more", 150, 0.34,
        "Гигабайты до конца месяца. Списание один раз.",
        "Gigabytes until the end of the month. Charged once.", recurrence=Recurrence.ONCE,
    ),
    OptionFacts(
        "social-unlimited", MOBILE, _INT, "Соцсети без счёта", "Unlimited social", 90, 0.17,
        "Соцсети и мессенджеры не тратят ваши гигабайты.",
        "Social networks and messengers do not use up your gigabytes.",
    ),
    OptionFacts(
        "all-unlimited", MOBILE, _INT, "Безлимитный интернет", "Unlimited internet", 300, 0.07,
        "Весь интернет без счёта гигабайтов. Соцсети уже внутри.",
        "All of the internet with no gigabytes counted. Social networks included.",
    ),
    OptionFacts(
        "who-called", MOBILE, _CALLS, "Кто звонил", "Who called", 0, 0.28,
        "Сообщение о звонках, которые вы пропустили. Бесплатно.",
        "A message about the calls you missed. Free.",
    ),
    OptionFacts(
        "ringback", MOBILE, _FUN, "Мелодия вместо гудка", "Ringback tone", 60, 0.09,
        "Тот, кто звонит вам, слышит музыку, которую выбрали вы.",
        "Whoever calls you hears the music you chose.",
    ),
    OptionFacts(
        "spam-shield", MOBILE, _SEC, "Защита от спама", "Spam shield", 0, 0.31,
        "Предупреждает о нежелательных звонках до того, как вы ответите. Бесплатно.",
        "Warns about unwanted calls before you answer. Free.",
    ),
    OptionFacts(
        "roaming-pack", MOBILE, _CALLS, "Поездки по стране", "Travel pack", 120, 0.06,
        "В любой области звонки и интернет стоят как дома.",
        "Calls and data cost the same as at home, in every region.", regions=FAR_EAST + BIG_CITIES,
    ),
    OptionFacts(
        "cinema", TV, _FUN, "Кинозал", "Cinema", 249, 0.22,
        "Четыре тысячи фильмов и сериалов, без рекламы.",
        "Four thousand films and series, no advertising.",
    ),
    OptionFacts(
        "cinema-4k", TV, _FUN, "Кинозал в 4K", "Cinema in 4K", 119, 0.3,
        "Фильмы Кинозала в самом высоком качестве и на двух экранах сразу.",
        "Cinema films in the best quality, on two screens at once.",
    ),
    OptionFacts(
        "sport", TV, _CH, "Спорт", "Sport", 199, 0.13,
        "Футбол, хоккей, бокс и автоспорт: четырнадцать каналов.",
        "Football, ice hockey, boxing and motor racing: fourteen channels.",
    ),
    OptionFacts(
        "kids-tv", TV, _CH, "Детям", "For children", 99, 0.15,
        "Двенадцать детских каналов без взрослой рекламы.",
        "Twelve children's channels with no adult advertising.",
    ),
    OptionFacts(
        "rewind", TV, _CH, "Перемотка эфира", "Rewind", 0, 0.36,
        "Смотрите передачи за последние трое суток. Бесплатно.",
        "Watch what was on in the last three days. Free.",
    ),
    OptionFacts(
        "caller-id", PHONE, _CALLS, "Определитель номера", "Caller ID", 70, 0.33,
        "Показывает, кто звонит, на экране вашего аппарата.",
        "Shows who is calling on the screen of your telephone.",
    ),
    OptionFacts(
        "long-distance", PHONE, _CALLS, "Межгород выгодно", "Long distance", 110, 0.14,
        "Триста минут на городские телефоны всей страны.",
        "Three hundred minutes to city telephones all over the country.",
    ),
    OptionFacts(
        "forwarding", PHONE, _CALLS, "Переадресация", "Call forwarding", 45, 0.10,
        "Звонок с городского придёт на ваш мобильный.",
        "A call to the city number reaches your mobile.",
    ),
)  # fmt: skip

EXCLUDES = (("social-unlimited", "all-unlimited"), ("night-boost", "game-route"))
NEEDS = (("cinema-4k", "cinema"),)

PLAN_ID = {plan.code: place + 1 for place, plan in enumerate(PLANS)}
OPTION_ID = {option.code: place + 1 for place, option in enumerate(OPTIONS)}


def _risen(kopecks: int, percent: int) -> int:
    """The price after a rise, in whole tens of roubles: nobody advertises 524,30 ₽. What is free stays free."""
    return -(-kopecks * (100 + percent) // 100_000) * 1000


def rises(first: date, as_of: date) -> list[date]:
    """The days of the rises of plan prices: the middle of every year of the history, counted from its first month."""
    day = add_months(first, RISE_EVERY_MONTHS // 2)
    days = []
    while day <= as_of:
        days.append(day)
        day = add_months(day, RISE_EVERY_MONTHS)
    return days


def prices(*, first: date, as_of: date) -> tuple[list[list[tuple[date, int]]], list[list[tuple[date, int]]]]:
    """Prices in kopecks of every plan and of every option: (day it is valid from, price), oldest first."""
    since = date(first.year - 10, 1, 1)  # contracts older than the history had a price too
    days = rises(first, as_of)
    plans = []
    for plan in PLANS:
        steps = [(since, plan.roubles * 100)]
        for day in days:
            steps.append((day, _risen(steps[-1][1], PLAN_RISE_PERCENT)))
        plans.append(steps)
    options = []
    for option in OPTIONS:
        steps = [(since, option.roubles * 100)]
        for day in days[1::2]:
            if option.roubles:
                steps.append((day, _risen(steps[-1][1], OPTION_RISE_PERCENT)))
        options.append(steps)
    return plans, options


def rows(*, first: date, as_of: date, regions: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the catalogue's tables, in the order of their columns in `seed.load.COLUMNS`."""
    plan_prices, option_prices = prices(first=first, as_of=as_of)
    return {
        "plan": [
            (PLAN_ID[p.code], p.code, p.service.value, p.name_ru, p.name_en, p.gigabytes, p.minutes, p.messages,
             p.megabits, p.channels, place)
            for place, p in enumerate(PLANS)
        ],
        "plan_price": [
            (PLAN_ID[p.code], day.isoformat(), kopecks)
            for p, steps in zip(PLANS, plan_prices, strict=True)
            for day, kopecks in steps
        ],
        "option": [
            (OPTION_ID[o.code], o.code, o.service.value, o.group.value, o.recurrence.value, o.name_ru, o.name_en,
             o.summary_ru, o.summary_en, o.provisioning_minutes, place)
            for place, o in enumerate(OPTIONS)
        ],
        "option_price": [
            (OPTION_ID[o.code], day.isoformat(), kopecks)
            for o, steps in zip(OPTIONS, option_prices, strict=True)
            for day, kopecks in steps
        ],
        "option_region": [
            (OPTION_ID[o.code], region) for o in OPTIONS for region in o.regions if region in regions
        ],
        "option_relation": [
            (OPTION_ID[one], OPTION_ID[other], kind.value)
            for kind, pairs in ((OptionRelationKind.EXCLUDES, EXCLUDES), (OptionRelationKind.NEEDS, NEEDS))
            for one, other in pairs
        ],
    }  # fmt: skip
