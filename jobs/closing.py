"""Erasing the portal accounts that people closed, when their day has come."""

from datetime import datetime

from actions.closing import erase_due_accounts


def erase_due(now: datetime) -> int:
    """Erase what is due; returns how many accounts."""
    return erase_due_accounts(now)
