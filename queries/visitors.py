"""Who is here: from a live session to the visitor that actions and queries are given."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, or_
from sqlmodel import Session, col, select

from models import Customer, LoginSession, Region
from rules.terms import Role
from rules.visitor import Visitor
from settings import settings


def _live(condition: ColumnElement[bool]) -> Any:
    return (
        select(LoginSession, Customer, Region.time_zone)
        .join(Customer, col(Customer.id) == col(LoginSession.customer_id))
        .join(Region, col(Region.code) == col(Customer.region_code))
        .where(
            condition,
            col(LoginSession.revoked_at).is_(None),
            col(LoginSession.expires_at) > bindparam("now"),
            or_(
                col(LoginSession.remembered),
                func.coalesce(col(LoginSession.last_seen_at), col(LoginSession.opened_at)) > bindparam("seen_after"),
            ),
        )
    )


# Built once: every run of every screen asks one of them.
_BY_SESSION = _live(col(LoginSession.id) == bindparam("session_id"))
_BY_TOKEN = _live(col(LoginSession.token_hash) == bindparam("token_hash"))


def _moments(now: datetime) -> dict[str, datetime]:
    return {"now": now, "seen_after": now - timedelta(minutes=settings().session_idle_minutes)}


def by_session(db: Session, *, session_id: int, now: datetime, address: str = "") -> tuple[Visitor, str | None] | None:
    """The visitor of a session that is neither ended nor expired nor left alone too long, and the hash of its
    cookie's token; one indexed query."""
    return _visitor(db.execute(_BY_SESSION, {"session_id": session_id, **_moments(now)}).first(), address)


def by_token(db: Session, *, token_hash: str, now: datetime, address: str = "") -> tuple[Visitor, str | None] | None:
    """Like `by_session()`, for what a browser's cookie carries."""
    return _visitor(db.execute(_BY_TOKEN, {"token_hash": token_hash, **_moments(now)}).first(), address)


def _visitor(row: Any, address: str) -> tuple[Visitor, str | None] | None:
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
            welcomed=customer.welcomed_at is not None or customer.role is not Role.CUSTOMER,
            address=address,
        ),
        session.token_hash,
    )
