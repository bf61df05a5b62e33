"""What a bill, a statement and a receipt say: frozen, with the arithmetic that has to hold on paper.

Sums are integer kopecks. Names of plans, options and billers are in the reader's language; `label` is the reader's own name
for an account, empty when they gave none. A person's own text is in here as it was typed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import accumulate

from rules.periods import add_months, days_in_month
from rules.refusals import FieldWrong
from rules.terms import BillerFieldKind, BillingMode, CardBrand, PaymentMethod, ServiceKind, TransferCode

LONGEST_YEARS = 3
EARLIEST = date(2000, 1, 1)
"""No statement goes further back."""


class PaperKind(StrEnum):
    """What a statement is handed out as."""

    PDF = "pdf"
    XLSX = "xlsx"
    CSV = "csv"


MOST_OPERATIONS = {PaperKind.PDF: 5_000, PaperKind.XLSX: 100_000, PaperKind.CSV: 100_000}
"""More would be a hundred pages of paper and a gigabyte of memory."""


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


# --- statements -----------------------------------------------------------------------------------------
def statement_period(*, first: date, last: date, today: date) -> tuple[date, date]:
    """The days of a statement, both included; what has not come yet is left off.

    Raises FieldWrong("period", …): swapped, not_yet (begins after today), too_long (over LONGEST_YEARS), too_early.
    """
    if first > last:
        raise FieldWrong(field="period", problem="swapped")
    if first < EARLIEST:
        raise FieldWrong(field="period", problem="too_early")
    if first > today:
        raise FieldWrong(field="period", problem="not_yet")
    last = min(last, today)
    if last >= add_months(first, 12 * LONGEST_YEARS):
        raise FieldWrong(field="period", problem="too_long")
    return first, last


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One transfer. `kopecks` is what the balance changed by, signed, `balance_kopecks` what it was then.

    The card is there when the reader's own was charged; `at` is aware UTC.
    """

    at: datetime
    code: TransferCode
    kopecks: int
    balance_kopecks: int
    method: PaymentMethod | None
    card: tuple[CardBrand, str] | None
    product: str


@dataclass(frozen=True, slots=True)
class StatementAccount:
    """One account in the period, operations oldest first. Days and times are those of `time_zone` (IANA), its region's."""

    account_id: int
    number: str
    service: ServiceKind
    label: str
    holder: str
    address: str
    time_zone: str
    opening_kopecks: int
    entries: tuple[StatementEntry, ...]

    @property
    def in_kopecks(self) -> int:
        return sum(entry.kopecks for entry in self.entries if entry.kopecks > 0)

    @property
    def out_kopecks(self) -> int:
        """What was taken, above 0."""
        return -sum(entry.kopecks for entry in self.entries if entry.kopecks < 0)

    @property
    def closing_kopecks(self) -> int:
        return self.opening_kopecks + self.in_kopecks - self.out_kopecks


@dataclass(frozen=True, slots=True)
class Statement:
    """All operations of some accounts from the first day to the last, both included. `customer` is whoever asked."""

    customer: str
    first: date
    last: date
    accounts: tuple[StatementAccount, ...]

    @property
    def opening_kopecks(self) -> int:
        return sum(account.opening_kopecks for account in self.accounts)

    @property
    def in_kopecks(self) -> int:
        return sum(account.in_kopecks for account in self.accounts)

    @property
    def out_kopecks(self) -> int:
        return sum(account.out_kopecks for account in self.accounts)

    @property
    def closing_kopecks(self) -> int:
        return sum(account.closing_kopecks for account in self.accounts)

    @property
    def operations(self) -> int:
        return sum(len(account.entries) for account in self.accounts)


def running(opening_kopecks: int, changes: Iterable[int]) -> Iterator[int]:
    """The balance after each change of it, in kopecks."""
    balances = accumulate(changes, initial=opening_kopecks)
    next(balances)
    return balances


# --- receipts -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ReceiptPart:
    """What went to one account. `label` is empty also when the account is not attached any more."""

    number: str
    service: ServiceKind
    label: str
    amount_kopecks: int


@dataclass(frozen=True, slots=True)
class ReceiptBiller:
    """Whom a payment to somebody else went to, and what they were told: names of fields, their kinds, what was typed."""

    name: str
    inn: str
    fields: tuple[tuple[str, BillerFieldKind, str], ...]


@dataclass(frozen=True, slots=True)
class ReceiptRefund:
    """What was given back of a payment, and why."""

    at: datetime
    number: str
    service: ServiceKind
    label: str
    amount_kopecks: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment that succeeded, `at` (aware UTC) in the payer's `time_zone`. It has parts, or a biller.

    `card` is a kept one's brand and last four; of a card that was typed at the bank nothing is known here.
    """

    payment_id: int
    at: datetime
    time_zone: str
    payer: str
    amount_kopecks: int
    method: PaymentMethod
    card: tuple[CardBrand, str] | None
    parts: tuple[ReceiptPart, ...]
    biller: ReceiptBiller | None
    gateway_ref: str
    refunds: tuple[ReceiptRefund, ...]

    @property
    def refunded_kopecks(self) -> int:
        return sum(refund.amount_kopecks for refund in self.refunds)
