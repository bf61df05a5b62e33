"""Part of a month for part of the fee: the share of days, by the real length of that month.

The part is rounded down to the kopeck, in the customer's favour, so the parts of a month never cost more than the
month. Both ends of a range are charged days.
"""

from dataclasses import dataclass
from datetime import date

from rules.periods import days_in_month, month_end, month_start


@dataclass(frozen=True, slots=True)
class Proration:
    """How a part of a monthly fee came about: amount = monthly × days charged ÷ days in month, rounded down."""

    amount_kopecks: int
    days_charged: int
    days_in_month: int
    monthly_kopecks: int


def prorate(*, monthly_kopecks: int, from_on: date, month_on: date | None = None) -> Proration:
    """The fee for the rest of a month, `from_on` included. The whole month costs the whole fee.

    The month is that of `from_on`, or the one `month_on` is in: then what began earlier is charged in full and
    what begins later is charged nothing. Raises ValueError for a negative fee.
    """
    month = month_start(month_on or from_on)
    if from_on > month_end(month):
        return _part(monthly_kopecks, days=0, month=month)
    return prorate_range(monthly_kopecks=monthly_kopecks, from_on=max(from_on, month), to_on=month_end(month))


def prorate_range(*, monthly_kopecks: int, from_on: date, to_on: date) -> Proration:
    """The fee for the days `from_on` to `to_on`, both included.

    Raises ValueError for a negative fee, a range that ends before it begins, or one that leaves its month.
    """
    if to_on < from_on:
        raise ValueError("the range ends before it begins")
    if month_start(from_on) != month_start(to_on):
        raise ValueError("the range is not within one month")
    return _part(monthly_kopecks, days=(to_on - from_on).days + 1, month=from_on)


def _part(monthly_kopecks: int, *, days: int, month: date) -> Proration:
    if monthly_kopecks < 0:
        raise ValueError("a fee is not negative")
    length = days_in_month(month)
    return Proration(
        amount_kopecks=monthly_kopecks * days // length,
        days_charged=days,
        days_in_month=length,
        monthly_kopecks=monthly_kopecks,
    )
