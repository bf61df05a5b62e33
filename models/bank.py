"""The books of the built-in test bank: an outside world of its own, kept beside the portal's tables so that a demo is one file.

Nothing but `integrations.test_bank` (and the seeder, which hands out its cards) may read or write them. No card number, no CVC.
"""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, kopecks, text


class BankCard(Table, table=True):
    """A card that the bank keeps for a token. `behaviour` is what happens when it is charged (see integrations.test_bank)."""

    __tablename__ = "test_bank_card"

    token: str = text(64, primary_key=True)
    brand: str = text(24)
    last_four: str = text(4)
    expires_on: date
    behaviour: str = text(24)


class BankPayment(Table, table=True):
    """A charge, or a check of a card (amount 0), under the key of whoever asked for it."""

    __tablename__ = "test_bank_payment"
    __table_args__ = (
        sa.CheckConstraint("amount_kopecks >= 0", name="not_negative"),
        sa.CheckConstraint("state IN ('pending', 'succeeded', 'declined')", name="state"),
    )

    ref: str = text(64, primary_key=True)
    key: str = text(64, unique=True)
    fingerprint: str = text(64)
    """What was asked for, hashed: the same key with another request is refused."""
    amount_kopecks: int = kopecks()
    description: str = text(200)
    return_url: str = text(300)
    keeps_card: bool = Field(default=False)
    state: str = text(24)
    reason: str = text(24, default="")
    token: str | None = text(64, default=None, nullable=True)
    tries: int = Field(default=0)
    silent_until: datetime | None = Field(default=None)
    """Until then the bank gives no answer about it: what it decided nobody else knows."""
    decides_at: datetime | None = Field(default=None)
    """It is still being thought about until then."""
    created_at: datetime
    settled_at: datetime | None = Field(default=None)


class BankRefund(Table, table=True):
    """Money the bank gave back of a charge."""

    __tablename__ = "test_bank_refund"
    __table_args__ = (sa.CheckConstraint("amount_kopecks > 0", name="positive"),)

    ref: str = text(64, primary_key=True)
    key: str = text(64, unique=True)
    payment_ref: str = Field(sa_type=sa.String(64), foreign_key="test_bank_payment.ref", index=True)
    amount_kopecks: int = kopecks()
    created_at: datetime
