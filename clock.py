"""The one place where wall-clock time is read. Everything else asks here or is given the time."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """This moment, aware, UTC."""
    return datetime.now(UTC)


def today(time_zone: str = "Europe/Moscow") -> date:
    """The calendar day it is now in an IANA time zone."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def zone(time_zone: str) -> ZoneInfo:
    """The time zone of an IANA name."""
    return ZoneInfo(time_zone)
