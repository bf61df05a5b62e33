"""Bonus points: their own ledger, in lots that expire."""

from datetime import date, datetime

import sqlalchemy as sa

from models.base import Table, key, ref, term, text
from rules.terms import BonusKind, BonusSource


class BonusLot(Table, table=True):
    """Points granted at once. `remaining` is a cache of granted plus all entries against the lot; the check compares."""

    __tablename__ = "bonus_lot"
    __table_args__ = (
        sa.CheckConstraint("granted > 0", name="positive"),
        sa.CheckConstraint("remaining BETWEEN 0 AND granted", name="remaining"),
        sa.Index(
            "ix_bonus_lot_open",
            "customer_id",
            "expires_on",
            sqlite_where=sa.text("remaining > 0"),
            postgresql_where=sa.text("remaining > 0"),
        ),
    )

    id: int = key()
    customer_id: int = ref("customer.id")
    source: BonusSource = term(BonusSource)
    granted: int
    remaining: int
    granted_on: date
    expires_on: date
    """The first day the points are gone."""


class BonusEntry(Table, table=True):
    """One movement of points against one lot; EARNED opens it. Append-only, once per key of its customer."""

    __tablename__ = "bonus_entry"
    __table_args__ = (
        sa.CheckConstraint("points <> 0", name="not_zero"),
        sa.CheckConstraint("(kind = 'earned') = (points > 0)", name="only_earned_adds"),
        sa.UniqueConstraint("customer_id", "key"),
        sa.Index("ix_bonus_entry_customer_id_occurred_at", "customer_id", "occurred_at"),
    )

    id: int = key()
    customer_id: int = ref("customer.id")
    lot_id: int = ref("bonus_lot.id", index=True)
    kind: BonusKind = term(BonusKind)
    points: int
    key: str = text(64)
    occurred_at: datetime
    payment_id: int | None = ref("payment.id", nullable=True)
    billing_account_id: int | None = ref("billing_account.id", nullable=True)
