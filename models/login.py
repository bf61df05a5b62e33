"""Signing in: sessions that the server can end, and counters that slow guessing down."""

from datetime import datetime

from sqlmodel import Field

from models.base import Table, key, ref, text


class LoginSession(Table, table=True):
    """One sign-in of one person on one browser.

    Only hashes of the cookie's token and of the one-time ticket are stored. A session without a token has not
    reached its browser yet; a revoked or expired one is refused whatever the cookie says.
    """

    __tablename__ = "login_session"

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    ticket_hash: str | None = text(64, default=None, unique=True, nullable=True)
    ticket_expires_at: datetime | None = Field(default=None)
    token_hash: str | None = text(64, default=None, unique=True, nullable=True)
    opened_at: datetime
    expires_at: datetime
    remembered: bool = Field(default=False)
    """Whether it outlives being left alone; others end after a while without use."""
    last_seen_at: datetime | None = Field(default=None)
    revoked_at: datetime | None = Field(default=None)
    address: str = text(45, default="")
    browser: str = text(200, default="")


class Throttle(Table, table=True):
    """Failures counted under one key (a hash of a sign-in name, an address, …) in one window."""

    __tablename__ = "throttle"

    key: str = text(80, primary_key=True)
    failures: int = Field(default=0)
    window_started_at: datetime
    locked_until: datetime | None = Field(default=None)
