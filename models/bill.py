"""Monthly bills."""

from datetime import date

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import TransferCode


class Bill(Table, table=True):
    """What one account was charged for one calendar month; issued on the 1st of the next. Total = sum of its lines."""

    __tablename__ = "bill"
    __table_args__ = (
        sa.UniqueConstraint("billing_account_id", "month_on"),
        sa.CheckConstraint("total_kopecks >= 0", name="not_negative"),
    )

    id: int = key()
    billing_account_id: int = ref("billing_account.id")
    number: str = text(20, unique=True)
    month_on: date
    issued_on: date
    due_on: date
    total_kopecks: int = kopecks()


class BillLine(Table, table=True):
    """One charge on a bill: exactly one transfer, of the same amount."""

    __tablename__ = "bill_line"
    __table_args__ = (sa.CheckConstraint("amount_kopecks > 0", name="positive"),)

    id: int = key()
    bill_id: int = ref("bill.id", index=True)
    transfer_id: int = ref("transfer.id", unique=True)
    code: TransferCode = term(TransferCode)
    plan_id: int | None = ref("plan.id", nullable=True)
    option_id: int | None = ref("option.id", nullable=True)
    from_on: date
    to_on: date = Field()
    """The last day charged."""
    amount_kopecks: int = kopecks()
