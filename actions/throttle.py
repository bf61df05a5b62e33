"""Counting tries, so that guessing is slow. Exact under concurrency on both databases."""

import hashlib
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from models import Throttle
from rules.attempts import ThrottleTerms, after_failure, is_locked
from rules.refusals import TooManyAttempts


def throttle_key(kind: str, value: str) -> str:
    """A key that names what is counted without storing it."""
    return f"{kind[:15]}:{hashlib.sha256(f'{kind}:{value}'.encode()).hexdigest()}"


def count_try(db: Session, *, key: str, terms: ThrottleTerms, now: datetime) -> None:
    """Count one try under the key; call it before the try is checked and commit before checking.

    The tries up to the limit pass, all further ones raise TooManyAttempts until the lock ends.
    """
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    db.execute(insert(Throttle).values(key=key, failures=0, window_started_at=now).on_conflict_do_nothing())
    row = db.exec(select(Throttle).where(col(Throttle.key) == key).with_for_update()).one()
    if is_locked(locked_until=row.locked_until, now=now):
        assert row.locked_until is not None
        raise TooManyAttempts(minutes=max(1, -(-int((row.locked_until - now).total_seconds()) // 60)))
    state = after_failure(failures=row.failures, window_started_at=row.window_started_at, now=now, terms=terms)
    row.failures, row.window_started_at, row.locked_until = state.failures, state.window_started_at, state.locked_until
    db.add(row)
    db.flush()


def take_back(db: Session, *, key: str) -> None:
    """Uncount one try, after it was right; for a key that many people share, such as an address."""
    row = db.exec(select(Throttle).where(col(Throttle.key) == key).with_for_update()).first()
    if row is not None and row.failures:
        row.failures, row.locked_until = row.failures - 1, None
        db.add(row)


def forget_tries(db: Session, *, key: str) -> None:
    """Begin anew, after a try that was right."""
    row = db.get(Throttle, key)
    if row is not None:
        db.delete(row)
