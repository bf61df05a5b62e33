"""When an account is blocked for debt: its oldest unpaid charge has been overdue for longer than the grace on a billing day.

Blocking goes by billing days, so that nobody is blocked in the middle of a month that they were charged for in advance, and so
that everybody knows the day beforehand. With the default grace that is the second billing day that passes over a debt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rules.billing import BillingTerms
from rules.periods import next_month
from rules.terms import BillingMode


@dataclass(frozen=True, slots=True)
class BilledMonth:
    """A bill: its month, the day it was issued, the last day to pay it in time, and its sum in kopecks."""

    month_on: date
    issued_on: date
    due_on: date
    total_kopecks: int


def due_since(*, mode: BillingMode, bill: BilledMonth) -> date:
    """The day on which the charges of a bill had to be paid: a prepaid month's on its 1st, a postpaid one's by the bill.

    Where billing itself was late, so is the day: nobody had to pay what was charged afterwards.
    """
    if mode is BillingMode.POSTPAID:
        return bill.due_on
    return bill.month_on if bill.issued_on <= next_month(bill.month_on) else bill.issued_on


def debt_beyond_grace(
    *,
    balance_kopecks: int,
    mode: BillingMode,
    bills: Sequence[BilledMonth],
    billing_day: date,
    unbilled_kopecks: int = 0,
    terms: BillingTerms,
) -> int:
    """How many kopecks of the debt were overdue for more than `grace_days` on that billing day; above 0 the account is blocked.

    As in `rules.due`, payments cover the oldest bills first, so debt belongs to the newest charges: those that no bill has yet
    (`unbilled_kopecks`), then the newest bill, and so on. Debt that only newer bills are there to explain is not old.
    """
    last = billing_day - timedelta(days=terms.grace_days)
    old = [bill for bill in bills if due_since(mode=mode, bill=bill) < last]
    if not old:
        return 0
    newer = sum(max(0, bill.total_kopecks) for bill in bills) - sum(max(0, bill.total_kopecks) for bill in old)
    return max(0, -balance_kopecks - newer - max(0, unbilled_kopecks))
