"""Utilities and other payments: who can be paid, what they ask for, and what was paid to them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, code_ref, key, kopecks, ref, term, text
from rules.terms import BillerCategory, BillerFieldKind


class Biller(Table, table=True):
    """Somebody else whose bills can be paid here. Without regions, everywhere."""

    __tablename__ = "biller"
    __table_args__ = (
        sa.CheckConstraint("least_kopecks > 0", name="least"),
        sa.CheckConstraint("most_kopecks >= least_kopecks", name="most"),
    )

    id: int = key()
    code: str = text(40, unique=True)
    category: BillerCategory = term(BillerCategory)
    name_ru: str = text(80)
    name_en: str = text(80)
    inn: str = text(12)
    least_kopecks: int = kopecks()
    most_kopecks: int = kopecks()
    is_active: bool = Field(default=True)
    position: int = Field(default=0)


class BillerRegion(Table, table=True):
    """A region in which a biller works."""

    __tablename__ = "biller_region"

    biller_id: int = ref("biller.id", primary_key=True)
    region_code: str = code_ref("region.code", length=6, primary_key=True, index=True)


class BillerField(Table, table=True):
    """One thing that a biller has to be told. Lengths in characters; a reading is a number with `decimals` places at most."""

    __tablename__ = "biller_field"
    __table_args__ = (
        sa.UniqueConstraint("biller_id", "code"),
        sa.CheckConstraint("shortest >= 0 AND longest >= shortest AND longest <= 60", name="lengths"),
        sa.CheckConstraint("decimals BETWEEN 0 AND 3", name="decimals"),
    )

    id: int = key()
    biller_id: int = ref("biller.id")
    code: str = text(24)
    kind: BillerFieldKind = term(BillerFieldKind)
    label_ru: str = text(60)
    label_en: str = text(60)
    hint_ru: str = text(120, default="")
    hint_en: str = text(120, default="")
    required: bool = Field(default=True)
    shortest: int = Field(default=0)
    longest: int = Field(default=30)
    decimals: int = Field(default=0)
    position: int = Field(default=0)


class UtilityTemplate(Table, table=True):
    """What a person fills in again every month, under a name of their own. Removed ones stay, for history."""

    __tablename__ = "utility_template"
    __table_args__ = (sa.CheckConstraint("amount_kopecks > 0", name="positive"),)

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    biller_id: int = ref("biller.id")
    name: str = text(40)
    fields: dict[str, Any] = Field(sa_type=sa.JSON)
    amount_kopecks: int | None = kopecks(default=None, nullable=True)
    created_at: datetime
    removed_at: datetime | None = Field(default=None)


class UtilityPayment(Table, table=True):
    """What a payment is for, when it is for a biller: it then has no parts, and its money goes to the billers' ledger account."""

    __tablename__ = "utility_payment"

    payment_id: int = ref("payment.id", primary_key=True)
    biller_id: int = ref("biller.id", index=True)
    template_id: int | None = ref("utility_template.id", nullable=True)
    fields: dict[str, Any] = Field(sa_type=sa.JSON)
    """Field code to what was typed, checked."""
