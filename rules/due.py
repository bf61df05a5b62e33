"""What falls due and when, and how long the money lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rules.periods import add_months, next_month
from rules.terms import BillingMode


@dataclass(frozen=True, slots=True)
class OpenBill:
    """A bill that may still be unpaid. Kopecks; the last day to pay it in time."""

    bill_id: int
    number: str
    total_kopecks: int
    due_on: date


@dataclass(frozen=True, slots=True)
class UnpaidBill:
    """What is left to pay of a bill, above 0."""

    bill_id: int
    number: str
    left_kopecks: int
    due_on: date


@dataclass(frozen=True, slots=True)
class Due:
    """What to pay, by when; the part of it that is late, and how late the latest. `unpaid` is oldest first."""

    amount_kopecks: int
    due_on: date | None
    overdue_kopecks: int
    overdue_days: int
    unpaid: tuple[UnpaidBill, ...]


def what_is_due(
    *,
    balance_kopecks: int,
    mode: BillingMode,
    bills: Sequence[OpenBill],
    today: date,
    unbilled_kopecks: int = 0,
) -> Due:
    """Where the debt of an account belongs. `bills` come oldest first; a negative balance is the debt.

    Older bills are paid first (Civil Code art. 319.1 leaves it so where the payer names none), so what is missing
    is missing from the newest. Charges made after the newest bill, `unbilled_kopecks`, are newer still: on a
    postpaid account that part of the debt is not due until it is billed. Debt that no bill explains is due with
    the oldest of the bills, and at once when there are none. On a prepaid account the whole debt is due at once, and none
    of it is late: what it has are reports of charges, not bills with a day to pay.
    """
    debt = max(0, -balance_kopecks)
    left = debt - min(debt, max(0, unbilled_kopecks))
    unpaid = []
    for bill in reversed(bills):
        part = min(left, max(0, bill.total_kopecks))
        if part:
            unpaid.append(UnpaidBill(bill.bill_id, bill.number, part, bill.due_on))
            left -= part
    unpaid.reverse()

    earliest = min((bill.due_on for bill in unpaid), default=today)
    late = sum(bill.left_kopecks for bill in unpaid if bill.due_on < today)
    if earliest < today:
        late += left
    amount = debt if mode is BillingMode.PREPAID else left + sum(bill.left_kopecks for bill in unpaid)
    if not amount:
        return Due(amount_kopecks=0, due_on=None, overdue_kopecks=0, overdue_days=0, unpaid=())
    if mode is BillingMode.PREPAID:
        return Due(amount_kopecks=amount, due_on=today, overdue_kopecks=0, overdue_days=0, unpaid=tuple(unpaid))
    return Due(
        amount_kopecks=amount,
        due_on=earliest,
        overdue_kopecks=late,
        overdue_days=max(0, (today - earliest).days),
        unpaid=tuple(unpaid),
    )


@dataclass(frozen=True, slots=True)
class Runway:
    """How long a prepaid balance lasts.

    `until_on` is the first billing day that it does not cover, `days_left` the days to it. Both None: nothing is
    charged, or it lasts beyond the horizon.
    """

    days_left: int | None
    until_on: date | None
    next_charge_on: date
    next_charge_kopecks: int


def runway(*, balance_kopecks: int, monthly_kopecks: int, today: date, horizon_months: int = 24) -> Runway:
    """Days until the first billing day that the balance does not cover in full.

    The month is charged on the 1st, in advance; today's charge, if today is the 1st, is taken as made. A negative
    balance has run out already: 0 days, today. Only the next `horizon_months` charges are looked at.
    Raises ValueError for a negative fee.
    """
    if monthly_kopecks < 0:
        raise ValueError("a fee is not negative")
    charge_on = next_month(today)
    if monthly_kopecks == 0:
        return Runway(days_left=None, until_on=None, next_charge_on=charge_on, next_charge_kopecks=0)
    covered = balance_kopecks // monthly_kopecks
    until_on: date | None
    if balance_kopecks < 0:
        until_on = today
    elif covered < horizon_months:
        until_on = add_months(charge_on, covered)
    else:
        until_on = None
    return Runway(
        days_left=None if until_on is None else (until_on - today).days,
        until_on=until_on,
        next_charge_on=charge_on,
        next_charge_kopecks=monthly_kopecks,
    )
