"""The one place where wall-clock time is read. Everything else asks here or is given the time.

A demo may be ahead of the real time, and behind it while it catches up: whoever moves its clock says by how much (`shift`).
Production never is.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_ahead = timedelta()


def now() -> datetime:
    """This moment, aware, UTC; in a demo whose clock was moved, the demo's moment."""
    return datetime.now(UTC) + _ahead


def real_now() -> datetime:
    """This moment outside, aware, UTC: for what the world outside measures, and for waiting."""
    return datetime.now(UTC)


def ahead() -> timedelta:
    """How far this process's time is ahead of the real one (below zero: behind it); nothing but in a demo."""
    return _ahead


def shift(ahead: timedelta) -> None:
    """Be so far ahead of the real time from now on, in this process."""
    global _ahead
    _ahead = ahead


def today(time_zone: str = "Europe/Moscow") -> date:
    """The calendar day it is now in an IANA time zone."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def zone(time_zone: str) -> ZoneInfo:
    """The time zone of an IANA name."""
    return ZoneInfo(time_zone)
