"""The person."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, code_ref, key, ref, term, text
from rules.terms import Language, Role


class Customer(Table, table=True):
    """A person: holds contracts, signs in, or both. Staff are persons with another role and no contracts.

    E-mail (lower case) and phone (E.164) are unique where present. Nothing here is a secret.
    """

    __tablename__ = "customer"
    __table_args__ = (
        sa.CheckConstraint("email = lower(email)", name="email_lower"),
        sa.CheckConstraint("phone LIKE '+7%' AND length(phone) = 12", name="phone_e164"),
    )

    id: int = key()
    last_name: str = text(60)
    first_name: str = text(60)
    patronymic: str = text(60, default="")
    birth_on: date | None = Field(default=None)
    email: str | None = text(254, default=None, unique=True, nullable=True)
    phone: str | None = text(12, default=None, unique=True, nullable=True)
    region_code: str = code_ref("region.code", length=6, index=True)
    language: Language = term(Language, default=Language.RU)
    role: Role = term(Role, default=Role.CUSTOMER)
    registered_at: datetime | None = Field(default=None, index=True)
    """When the person first opened the portal's account; empty for a holder who never did."""
    email_confirmed_at: datetime | None = Field(default=None)
    phone_confirmed_at: datetime | None = Field(default=None)
    welcomed_at: datetime | None = Field(default=None)
    """When the person answered the questions of the first sign-in."""
    closing_on: date | None = Field(default=None, index=True)
    """The day on which the portal account the person has closed is erased; until then it can be taken back."""
    erased_at: datetime | None = Field(default=None)
    """When personal fields were erased; the ledger and its accounts stay."""


class Credential(Table, table=True):
    """The password of a person, as a bcrypt hash of a SHA-256 pre-hash. Apart from Customer, so no list carries it."""

    __tablename__ = "credential"

    customer_id: int = ref("customer.id", primary_key=True)
    password_hash: str = text(72)
    changed_at: datetime


class DemoPersona(Table, table=True):
    """A person the demo's sign-in page offers by one click. Exists in demos only."""

    __tablename__ = "demo_persona"

    key: str = text(24, primary_key=True)
    customer_id: int = ref("customer.id", unique=True)
    position: int
