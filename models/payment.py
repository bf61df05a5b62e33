"""Payments and the cards they are made with."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import CardBrand, DeclineReason, PaymentMethod, PaymentState


class SavedCard(Table, table=True):
    """A card kept by the gateway. Only its token, brand, last four digits and expiry are here: never the number."""

    __tablename__ = "saved_card"
    __table_args__ = (sa.CheckConstraint("length(last_four) = 4", name="last_four"),)

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    token: str = text(64, unique=True)
    brand: CardBrand = term(CardBrand)
    last_four: str = text(4)
    expires_on: date
    """The last day it works."""
    label: str = text(40, default="")
    is_default: bool = Field(default=False)
    added_at: datetime
    removed_at: datetime | None = Field(default=None)


class Payment(Table, table=True):
    """One attempt to pay, for one account or several. Only a succeeded one has transfers, one per part.

    Cash has no payer (whoever stood at the terminal). The key makes a double click one payment.
    """

    __tablename__ = "payment"
    __table_args__ = (
        sa.CheckConstraint("amount_kopecks > 0", name="positive"),
        sa.CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name="decline_has_reason"),
        sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_has_moment"),
        sa.CheckConstraint("(method = 'cash') = (payer_id IS NULL)", name="cash_has_no_payer"),
        sa.UniqueConstraint("payer_id", "key"),
        sa.Index("ix_payment_payer_id_created_at", "payer_id", "created_at"),
    )

    id: int = key()
    payer_id: int | None = ref("customer.id", nullable=True)
    amount_kopecks: int = kopecks()
    method: PaymentMethod = term(PaymentMethod)
    state: PaymentState = term(PaymentState)
    card_id: int | None = ref("saved_card.id", nullable=True)
    key: str = text(64)
    created_at: datetime
    settled_at: datetime | None = Field(default=None)
    decline_reason: DeclineReason | None = term(DeclineReason, default=None, nullable=True)


class PaymentPart(Table, table=True):
    """How much of a payment goes to one account. The parts add up to the payment."""

    __tablename__ = "payment_part"
    __table_args__ = (sa.CheckConstraint("amount_kopecks > 0", name="positive"),)

    payment_id: int = ref("payment.id", primary_key=True)
    billing_account_id: int = ref("billing_account.id", primary_key=True, index=True)
    amount_kopecks: int = kopecks()
