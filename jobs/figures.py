"""Keeping the monthly figures fresh: the current month, and the previous one, whose last payments still settle."""

from datetime import datetime

from db import database
from queries.figures import ACCOUNTING_TIME, count, store
from rules.periods import month_start, previous_month


def refresh(now: datetime) -> None:
    """Recount both months as of `now` (aware). Counting reads without a lock; only storing is a transaction."""
    today = now.astimezone(ACCOUNTING_TIME).date()
    engine = database()
    with engine.connect() as reading:
        figures = count(reading, months=[previous_month(today), month_start(today)], today=today)
    with engine.execution_options(writes=True).begin() as writing:
        store(writing, figures, today=today)
