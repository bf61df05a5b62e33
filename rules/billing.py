"""What a month costs: every plan and option for the days it worked in that month; and what billing day does with it.

Billing day is the 1st. A postpaid account is charged for the month that has ended, by days; a prepaid one for the month that
begins, in full. The price of a charge is that of its first day: a price that rises in the middle of a month is felt from the
next one on, and what a person confirmed when connecting an option is what the month costs them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from rules.periods import month_end, month_start
from rules.proration import prorate_range
from rules.terms import AccountStatus, TransferCode

ItemKind = Literal["plan", "option"]

_CODES: dict[ItemKind, TransferCode] = {"plan": TransferCode.PLAN_FEE, "option": TransferCode.OPTION_FEE}


@dataclass(frozen=True, slots=True)
class PricedItem:
    """A plan or an option at one monthly price, from its first day to its last, both included.

    `to_on` is the last day charged, as on a bill: the day before the first one without it. No `to_on`: it goes on.
    A `to_on` before `from_on`: it was taken back before it worked, and costs nothing.
    A price that changes is two items, one after the other.
    """

    product_code: str
    kind: ItemKind
    monthly_kopecks: int
    from_on: date
    to_on: date | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a month: what was charged, why, and for which days (both ends included)."""

    product_code: str
    kind: ItemKind
    code: TransferCode
    amount_kopecks: int
    period_from: date
    period_to: date
    prorated: bool


def monthly_charges(*, month_on: date, items: Sequence[PricedItem]) -> list[Charge]:
    """Charges for the month that `month_on` is in, in the order of `items`; amounts in kopecks, above 0.

    A part of the month costs its share of days, rounded down to the kopeck. What comes to 0 is left out.
    Options that are paid ONCE are charged when they are connected and do not belong here.
    Raises ValueError for a negative fee.
    """
    first, last = month_start(month_on), month_end(month_on)
    charges = []
    for item in items:
        period_from = max(item.from_on, first)
        period_to = last if item.to_on is None else min(item.to_on, last)
        if period_to < period_from:
            continue
        part = prorate_range(monthly_kopecks=item.monthly_kopecks, from_on=period_from, to_on=period_to)
        if part.amount_kopecks:
            charges.append(
                Charge(
                    product_code=item.product_code,
                    kind=item.kind,
                    code=_CODES[item.kind],
                    amount_kopecks=part.amount_kopecks,
                    period_from=period_from,
                    period_to=period_to,
                    prorated=part.days_charged < part.days_in_month,
                )
            )
    return charges


# --- billing day --------------------------------------------------------------------------------------
RUN_AFTER = timedelta(hours=3, minutes=5)
"""How far into the 1st, in Moscow, billing begins: the new month has begun in every region and in UTC by then."""

Price = tuple[date, int]
"""The day a price is valid from, and kopecks."""


@dataclass(frozen=True, slots=True)
class BillingTerms:
    """How many days after its issue a bill falls due, and for how many days after that debt is borne (see `rules.blocking`)."""

    due_days: int = 19
    grace_days: int = 35

    def __post_init__(self) -> None:
        if not (0 <= self.due_days <= 365 and 0 <= self.grace_days <= 365):
            raise ValueError("due_days and grace_days are 0 to 365")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A plan or an option on an account, with its prices, oldest first. `ends_on`: the first day without it, if it ends."""

    kind: ItemKind
    product_id: int
    product_code: str
    prices: Sequence[Price]
    started_on: date
    ends_on: date | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class ServiceDays:
    """The days on which an account worked: from `from_on` on, up to and without `until_on`; None where there is no bound."""

    from_on: date | None
    until_on: date | None

    def covers(self, day: date) -> bool:
        return (self.from_on is None or self.from_on <= day) and (self.until_on is None or day < self.until_on)


@dataclass(frozen=True, slots=True)
class MonthCharge:
    """A charge to be posted once under its key. Kopecks above 0; the days it is for, both included."""

    key: str
    code: TransferCode
    product_id: int
    kind: ItemKind
    amount_kopecks: int
    from_on: date
    to_on: date

    @property
    def plan_id(self) -> int | None:
        return self.product_id if self.kind == "plan" else None

    @property
    def option_id(self) -> int | None:
        return self.product_id if self.kind == "option" else None


def billing_day(moment: datetime) -> date:
    """The latest billing day that has begun by a moment in Moscow time."""
    return month_start((moment - RUN_AFTER).date())


def service_days(*, status: AccountStatus, since_on: date) -> ServiceDays:
    """What a status and the day it came tell of the days before: an active account works since then, any other did until then."""
    if status is AccountStatus.ACTIVE:
        return ServiceDays(since_on, None)
    return ServiceDays(None, since_on)


def price_on(prices: Sequence[Price], day: date) -> int | None:
    """The price that holds on a day, in kopecks; None before the first one."""
    return next((kopecks for since, kopecks in reversed(prices) if since <= day), None)


def month_behind(*, month_on: date, connected: Iterable[Connected], service: ServiceDays) -> list[MonthCharge]:
    """What a postpaid account is charged for a month that has ended: plan and options by the days they worked, rounded down;
    what is paid ONCE in full, when it was connected in that month."""
    first, last = month_start(month_on), month_end(month_on)
    charges = []
    for item in _in_order(connected):
        begins = max(item.started_on, first)
        ends = last if item.ends_on is None else min(last, item.ends_on - timedelta(days=1))
        if item.once:
            if item.started_on == begins <= ends:
                charges.append(_once(item, begins, last))
            continue
        begins = begins if service.from_on is None else max(begins, service.from_on)
        ends = ends if service.until_on is None else min(ends, service.until_on - timedelta(days=1))
        charges.append(_by_days(item, begins, ends))
    return _with_keys(charges, first)


def month_ahead(*, month_on: date, connected: Iterable[Connected], service: ServiceDays) -> list[MonthCharge]:
    """What a prepaid account is charged on the 1st: the whole month for what worked before it and goes on.

    What begins on that very day was charged when it was connected, or when the account began to work again.
    """
    first, last = month_start(month_on), month_end(month_on)
    if not (service.covers(first) and service.covers(first - timedelta(days=1))):
        return []
    going_on = [
        item
        for item in _in_order(connected)
        if not item.once and item.started_on < first and (item.ends_on is None or item.ends_on > first)
    ]
    return _with_keys([_by_days(item, first, last) for item in going_on], first)


def rest_of_month(*, today: date, connected: Iterable[Connected]) -> list[MonthCharge]:
    """What a prepaid account is charged that works again from today on: the rest of the month for what is connected, by days."""
    still = [
        item
        for item in _in_order(connected)
        if not item.once and item.started_on <= today and (item.ends_on is None or item.ends_on > today)
    ]
    charges = [_by_days(item, today, month_end(today)) for item in still]
    return _with_keys(charges, month_start(today), part=f"from-{today:%d}")


def charged_month(key: str) -> date | None:
    """The month that the key of a transfer says it was charged for; None when it says none."""
    found = _MONTH.match(key)
    return None if found is None else date(int(found[1]), int(found[2]), 1)


def charged_from(key: str) -> date | None:
    """The first day that the key of a transfer says it was charged for, where an account began to work again; else None."""
    found, month = _FROM.search(key), charged_month(key)
    return None if found is None or month is None else month.replace(day=int(found[1]))


_MONTH = re.compile(r"(?:plan|option:[^:]+):(\d{4})-(\d{2})(?::|$)")
_FROM = re.compile(r":from-(\d{2})(?::|$)")


def _in_order(connected: Iterable[Connected]) -> list[Connected]:
    """As on a bill: the plan, options by the month, what is paid once."""
    return sorted(connected, key=lambda item: (item.kind != "plan", item.once, item.started_on, item.product_id))


_Unkeyed = tuple[Connected, TransferCode, int, date, date]


def _by_days(item: Connected, begins: date, ends: date) -> _Unkeyed | None:
    price = price_on(item.prices, begins)
    if price is None:
        return None
    priced = PricedItem(item.product_code, item.kind, price, begins, ends)
    for charge in monthly_charges(month_on=begins, items=[priced]):
        return item, charge.code, charge.amount_kopecks, charge.period_from, charge.period_to
    return None


def _once(item: Connected, begins: date, last: date) -> _Unkeyed | None:
    price = price_on(item.prices, begins)
    return (item, TransferCode.ONE_OFF, price, begins, last) if price else None


def _with_keys(charges: Iterable[_Unkeyed | None], month_on: date, part: str = "") -> list[MonthCharge]:
    """The key names the product and the month. Of one product that was connected twice in a month the second is numbered."""
    times: Counter[str] = Counter()
    keyed = []
    for charge in charges:
        if charge is None:
            continue
        item, code, amount, begins, ends = charge
        name = f"{'plan' if item.kind == 'plan' else f'option:{item.product_code}'}:{month_on:%Y-%m}"
        times[name] += 1
        number = str(times[name]) if times[name] > 1 else ""
        key = ":".join(filter(None, (name, part, number)))
        keyed.append(MonthCharge(key, code, item.product_id, item.kind, amount, begins, ends))
    return keyed
