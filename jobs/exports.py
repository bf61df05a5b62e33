"""Making the archives that people asked for, and dropping those whose time is over."""

from datetime import datetime

from actions.my_data import claim_export, drop_expired, make_export

AT_ONCE = 5


def make_due(now: datetime) -> int:
    """Make what waits, a few a round so that other work gets its turn; returns how many were finished."""
    finished = 0
    for _ in range(AT_ONCE):
        claim = claim_export(now)
        if claim is None:
            break
        finished += make_export(claim)
    return finished


def drop_due(now: datetime) -> int:
    """Drop expired archives; returns how many."""
    return drop_expired(now)
