"""How a person comes in: what is set up, where they are signed in, and the journal of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

import clock
from models import AuditEntry, Credential, Customer, LoginSession, RecoveryCode, SecondFactor
from rules.terms import Outcome
from rules.visitor import Visitor
from settings import settings

JOURNAL = (
    "sign_in",
    "second_step",
    "enter_as_persona",
    "enter_with_identity",
    "sign_out",
    "change_password",
    "reset_by_link",
    "reset_by_code",
    "confirm_email_change",
    "confirm_phone_change",
    "confirm_second_factor",
    "stop_second_factor",
    "renew_recovery_codes",
    "bind_identity",
    "unbind_identity",
    "end_other_session",
    "end_all_other_sessions",
)
"""The actions that the journal tells of; what each is called is `security.did.<action>`."""


@dataclass(frozen=True, slots=True)
class Security:
    """What is set up. `password_changed_at` (aware UTC) is None for who has no password; codes are those left unused."""

    email: str | None
    phone: str | None
    password_changed_at: datetime | None
    second_factor_since: datetime | None
    recovery_codes: int


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A live session of one's own. `browser` is what the browser calls itself; moments are aware UTC."""

    login_session_id: int
    browser: str
    address: str
    opened_at: datetime
    last_seen_at: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One attempt: what, when (aware UTC), from which address, and whether it was let through."""

    at: datetime
    action: str
    done: bool
    address: str


@dataclass(frozen=True, slots=True)
class Journal:
    """The newest attempts first, and whether there are older ones."""

    entries: list[JournalEntry]
    has_more: bool


def own_security(db: Session, *, visitor: Visitor) -> Security:
    """What the visitor has set up."""
    email, phone, changed_at, since = db.execute(
        select(  # type: ignore[call-overload]
            Customer.email, Customer.phone, Credential.changed_at, SecondFactor.confirmed_at
        )
        .outerjoin(Credential, col(Credential.customer_id) == col(Customer.id))
        .outerjoin(SecondFactor, col(SecondFactor.customer_id) == col(Customer.id))
        .where(col(Customer.id) == visitor.customer_id)
    ).one()
    left = db.exec(
        select(func.count())
        .select_from(RecoveryCode)
        .where(col(RecoveryCode.customer_id) == visitor.customer_id, col(RecoveryCode.used_at).is_(None))
    ).one()
    return Security(email, phone, changed_at, since, left)


def own_sessions(db: Session, *, visitor: Visitor, limit: int = 30) -> list[OwnSession]:
    """Where the visitor is signed in: this session first, then by last use.

    Sessions that never reached a browser and those left alone too long are not live.
    """
    now = clock.now()
    seen = func.coalesce(col(LoginSession.last_seen_at), col(LoginSession.opened_at))
    rows = db.exec(
        select(LoginSession)
        .where(
            col(LoginSession.customer_id) == visitor.customer_id,
            col(LoginSession.revoked_at).is_(None),
            col(LoginSession.expires_at) > now,
            or_(
                col(LoginSession.id) == visitor.session_id,
                col(LoginSession.token_hash).is_not(None)
                & or_(col(LoginSession.remembered), seen > now - timedelta(minutes=settings().session_idle_minutes)),
            ),
        )
        .order_by((col(LoginSession.id) == visitor.session_id).desc(), seen.desc(), col(LoginSession.id).desc())
        .limit(limit)
    )
    return [
        OwnSession(
            login_session_id=row.id,
            browser=row.browser,
            address=row.address,
            opened_at=row.opened_at,
            last_seen_at=row.last_seen_at or row.opened_at,
            is_this=row.id == visitor.session_id,
        )
        for row in rows
    ]


def sign_in_journal(db: Session, *, visitor: Visitor, limit: int = 10) -> Journal:
    """The visitor's own `limit` newest attempts to come in or to change how they do."""
    rows = db.exec(
        select(AuditEntry)
        .where(col(AuditEntry.customer_id) == visitor.customer_id, col(AuditEntry.action).in_(JOURNAL))
        .order_by(col(AuditEntry.at).desc(), col(AuditEntry.id).desc())
        .limit(limit + 1)
    ).all()
    entries = [JournalEntry(row.at, row.action, row.outcome is Outcome.DONE, row.address) for row in rows[:limit]]
    return Journal(entries, has_more=len(rows) > limit)
