"""Payments and the cards they are made with."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentMethod, PaymentState


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
    """One attempt to pay, for accounts (parts) or for one biller (UtilityPayment). Only a succeeded one has transfers.

    Cash has no payer (whoever stood at the terminal). The key makes a double click one payment; under `gateway_key` the
    gateway knows it, `gateway_ref` is its own name for it. While it is pending nobody knows whether money was taken: the
    gateway is asked, under the same key, until it says so.
    """

    __tablename__ = "payment"
    __table_args__ = (
        sa.CheckConstraint("amount_kopecks > 0", name="positive"),
        sa.CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name="decline_has_reason"),
        sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_has_moment"),
        sa.CheckConstraint("(method = 'cash') = (payer_id IS NULL)", name="cash_has_no_payer"),
        sa.UniqueConstraint("payer_id", "key"),
        sa.Index("ix_payment_payer_id_created_at", "payer_id", "created_at"),
        sa.Index("uq_payment_gateway_key", "gateway_key", unique=True),
        sa.Index("uq_payment_gateway_ref", "gateway_ref", unique=True),
        sa.Index(
            "ix_payment_pending",
            "created_at",
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        ),
        sa.Index(
            "ix_payment_trouble", "created_at", sqlite_where=sa.text("trouble <> ''"), postgresql_where=sa.text("trouble <> ''")
        ),
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
    gateway: GatewayName | None = term(GatewayName, default=None, nullable=True)
    gateway_key: str | None = text(64, default=None, nullable=True)
    gateway_ref: str | None = text(64, default=None, nullable=True)
    keeps_card: bool = Field(default=False)
    """The payer asked to keep the card that is typed at the bank."""
    return_url: str = text(300, default="")
    """Where the bank sends the payer back; kept, because a repeated request must be the same to the letter."""
    asked_at: datetime | None = Field(default=None)
    """When the gateway was asked last."""
    trouble: str = text(200, default="")
    """What keeps it from being settled, for staff; never a card number, never a token."""


class PaymentPart(Table, table=True):
    """How much of a payment goes to one account. The parts add up to the payment."""

    __tablename__ = "payment_part"
    __table_args__ = (sa.CheckConstraint("amount_kopecks > 0", name="positive"),)

    payment_id: int = ref("payment.id", primary_key=True)
    billing_account_id: int = ref("billing_account.id", primary_key=True, index=True)
    amount_kopecks: int = kopecks()


class CardSetup(Table, table=True):
    """One attempt to attach a card without paying: the bank checks it for 0 ₽. Only a succeeded one has a card."""

    __tablename__ = "card_setup"
    __table_args__ = (
        sa.CheckConstraint("(state = 'declined') = (decline_reason IS NOT NULL)", name="decline_has_reason"),
        sa.CheckConstraint("(state = 'pending') = (settled_at IS NULL)", name="settled_has_moment"),
        sa.CheckConstraint("(state = 'succeeded') = (card_id IS NOT NULL)", name="succeeded_has_card"),
        sa.UniqueConstraint("customer_id", "key"),
    )

    id: int = key()
    customer_id: int = ref("customer.id")
    state: PaymentState = term(PaymentState)
    key: str = text(64)
    card_id: int | None = ref("saved_card.id", nullable=True)
    created_at: datetime
    settled_at: datetime | None = Field(default=None)
    decline_reason: DeclineReason | None = term(DeclineReason, default=None, nullable=True)
    gateway: GatewayName = term(GatewayName)
    gateway_key: str = text(64, unique=True)
    gateway_ref: str | None = text(64, default=None, nullable=True, unique=True)
    return_url: str = text(300, default="")
    asked_at: datetime | None = Field(default=None)
