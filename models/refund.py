"""Money given back by staff."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import PaymentState


class Refund(Table, table=True):
    """So much of what one payment brought to one account goes back to its card. Never more than was paid (the action locks
    the payment). Only a succeeded one has a transfer; while it is pending the gateway is asked.
    """

    __tablename__ = "refund"
    __table_args__ = (
        sa.CheckConstraint("amount_kopecks > 0", name="positive"),
        sa.CheckConstraint("points_owed >= 0", name="points_owed"),
        sa.CheckConstraint("length(reason) > 0", name="has_reason"),
        sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_has_moment"),
        sa.UniqueConstraint("payment_id", "key"),
        sa.ForeignKeyConstraint(
            ["payment_id", "billing_account_id"],
            ["payment_part.payment_id", "payment_part.billing_account_id"],
            name="fk_refund_part",
        ),
    )

    id: int = key()
    payment_id: int = ref("payment.id")
    billing_account_id: int = ref("billing_account.id", index=True)
    amount_kopecks: int = kopecks()
    reason: str = text(200)
    state: PaymentState = term(PaymentState)
    key: str = text(64)
    requested_by_id: int = ref("customer.id")
    gateway_key: str = text(64, unique=True)
    gateway_ref: str | None = text(64, default=None, nullable=True, unique=True)
    created_at: datetime
    settled_at: datetime | None = Field(default=None)
    asked_at: datetime | None = Field(default=None)
    trouble: str = text(200, default="")
    points_owed: int = Field(default=0)
    """Points earned by this money that were spent already: the next ones granted to the payer cover them."""
