"""The optional second factor: one-time codes of an app, and printed codes for when the phone is lost."""

from datetime import datetime

from sqlmodel import Field

from models.base import BIG, Table, key, ref, text


class SecondFactor(Table, table=True):
    """One person's TOTP secret, encrypted under the secret key. In force from `confirmed_at` on.

    `last_step` is the latest time step a code was accepted for: no code works twice.
    """

    __tablename__ = "second_factor"

    customer_id: int = ref("customer.id", primary_key=True)
    sealed_secret: str = text(200)
    created_at: datetime
    confirmed_at: datetime | None = Field(default=None)
    last_step: int = Field(default=0, sa_type=BIG)


class RecoveryCode(Table, table=True):
    """One of ten codes that stand in for the app, each once."""

    __tablename__ = "recovery_code"

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    code_hash: str = text(64)
    used_at: datetime | None = Field(default=None)
