"""What is kept for a while, and then dropped: records of background work, letters that nobody would take."""

from datetime import datetime

from actions.job_runs import forget_old_runs
from actions.outbox import drop_dead


def forget(now: datetime) -> int:
    """Drop what is old; returns how many rows were touched."""
    return forget_old_runs(now) + drop_dead(now)
