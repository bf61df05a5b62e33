"""Points that are gone on their day, and points for a birthday."""

from datetime import datetime

from actions.bonus import expire_lots, grant_birthdays


def expire_due(now: datetime) -> int:
    """Write off what has expired; returns how many lots."""
    return expire_lots(now)


def greet_due(now: datetime) -> int:
    """Grant points for birthdays; returns to how many people."""
    return grant_birthdays(now)
