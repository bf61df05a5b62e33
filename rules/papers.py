"""What a bill, a statement and a receipt say: frozen, with the arithmetic that has to hold on paper.

Sums are integer kopecks. Names of plans, options and billers are in the reader's language; `label` is the reader's own name
for an account, empty when they gave none. A person's own text is in here as it was typed.
"""

from dataclasses import dataclass
from datetime import date

from rules.periods import days_in_month
from rules.terms import BillingMode, ServiceKind, TransferCode


# --- bills ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class BillRow:
    """One bill. `paid` and `left` add up to the total: debt belongs to the newest bills (`rules.due`).

    `is_overdue`: something is left and the last day to pay in time is over.
    """

    bill_id: int
    number: str
    account_id: int
    label: str
    service: ServiceKind
    month_on: date
    issued_on: date
    due_on: date
    total_kopecks: int
    left_kopecks: int
    is_overdue: bool

    @property
    def paid_kopecks(self) -> int:
        return self.total_kopecks - self.left_kopecks


@dataclass(frozen=True, slots=True)
class BillLineRow:
    """One charge of a bill, above 0. `to_on` is the last day charged. `name` is empty where there is no product (a late fee)."""

    code: TransferCode
    plan_id: int | None
    option_id: int | None
    name: str
    from_on: date
    to_on: date
    amount_kopecks: int

    @property
    def days(self) -> int:
        """How many days were charged, both ends included."""
        return (self.to_on - self.from_on).days + 1

    @property
    def prorated(self) -> bool:
        """Whether a monthly fee was charged for a part of its month."""
        return self.code in (TransferCode.PLAN_FEE, TransferCode.OPTION_FEE) and self.days < days_in_month(self.from_on)


@dataclass(frozen=True, slots=True)
class BillDetails:
    """A bill with everything that is printed on it.

    The balance before is that at the beginning of the month, after all earlier bills; `paid_in_month` are top-ups and points,
    `returned` is what went back to a card. A postpaid month is charged when its bill is issued, so the balance after is
    that of the bill, not of a moment.
    """

    row: BillRow
    lines: tuple[BillLineRow, ...]
    account_number: str
    mode: BillingMode
    holder: str
    address: str
    before_kopecks: int
    paid_in_month_kopecks: int
    returned_in_month_kopecks: int

    @property
    def after_kopecks(self) -> int:
        return self.before_kopecks + self.paid_in_month_kopecks - self.returned_in_month_kopecks - self.row.total_kopecks
