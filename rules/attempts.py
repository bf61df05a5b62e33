"""How many wrong tries are let through: the same decision for passwords, codes and resent letters."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class ThrottleTerms:
    """So many failures within a window lock for a while; minutes."""

    limit: int = 5
    window_minutes: int = 15
    lock_minutes: int = 15


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """What to remember after a failure. Moments are aware, as they came in."""

    failures: int
    window_started_at: datetime
    locked_until: datetime | None


def after_failure(*, failures: int, window_started_at: datetime | None, now: datetime, terms: ThrottleTerms) -> ThrottleState:
    """The state after one more failure. The first failure opens a window; one after its end opens the next.

    From the failure that reaches the limit on, each one locks anew, until the window ends. A success is not
    counted here: the caller forgets the state.
    """
    window = timedelta(minutes=terms.window_minutes)
    if window_started_at is None or now >= window_started_at + window:
        failures, window_started_at = 0, now
    failures += 1
    locked_until = now + timedelta(minutes=terms.lock_minutes) if failures >= terms.limit else None
    return ThrottleState(failures=failures, window_started_at=window_started_at, locked_until=locked_until)


def is_locked(*, locked_until: datetime | None, now: datetime) -> bool:
    """Whether tries are refused now; the moment of the end itself is free."""
    return locked_until is not None and now < locked_until
