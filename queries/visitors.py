"""Who is here: from a live session to the visitor that actions and queries are given."""

from datetime import datetime

from sqlalchemy import Select
from sqlmodel import Session, col, select

from models import Customer, LoginSession, Region
from rules.terms import Role
from rules.visitor import Visitor


def by_session(db: Session, *, session_id: int, now: datetime, address: str = "") -> tuple[Visitor, str | None] | None:
    """The visitor of a session that is neither ended nor expired, and the hash of its cookie's token; one indexed query."""
    return _visitor(db, _live(now).where(col(LoginSession.id) == session_id), address)


def by_token(db: Session, *, token_hash: str, now: datetime, address: str = "") -> tuple[Visitor, str | None] | None:
    """Like `by_session()`, for what a browser's cookie carries."""
    return _visitor(db, _live(now).where(col(LoginSession.token_hash) == token_hash), address)


def _live(now: datetime) -> Select[tuple[LoginSession, Customer, str]]:
    statement: Select[tuple[LoginSession, Customer, str]] = (
        select(LoginSession, Customer, Region.time_zone)  # type: ignore[assignment]
        .join(Customer, col(Customer.id) == col(LoginSession.customer_id))
        .join(Region, col(Region.code) == col(Customer.region_code))
        .where(col(LoginSession.revoked_at).is_(None), col(LoginSession.expires_at) > now)
    )
    return statement


def _visitor(
    db: Session, statement: Select[tuple[LoginSession, Customer, str]], address: str
) -> tuple[Visitor, str | None] | None:
    row = db.execute(statement).first()
    if row is None:
        return None
    session, customer, time_zone = row
    return (
        Visitor(
            customer_id=customer.id,
            session_id=session.id,
            role=Role(customer.role),
            first_name=customer.first_name,
            language=customer.language,
            region_code=customer.region_code,
            time_zone=time_zone,
            address=address,
        ),
        session.token_hash,
    )
