"""What a month costs: every plan and option for the days it worked in that month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rules.periods import month_end, month_start
from rules.proration import prorate_range
from rules.terms import TransferCode

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
