"""Keeping the monthly figures fresh: the current month, and the previous one, whose last payments still settle."""

from datetime import datetime

from db import database
from queries.figures import ACCOUNTING_TIME, count, store
from rules.periods import month_start, previous_month


def refresh(now: datetime) -> int:
    """Recount both months as of `now` (aware); returns 0: there is never more to do. Counting takes no lock, storing does."""
    today = now.astimezone(ACCOUNTING_TIME).date()
    engine = database()
    with engine.connect() as reading:
        figures = count(reading, months=[previous_month(today), month_start(today)], today=today)
    with engine.execution_options(writes=True).begin() as writing:
        store(writing, figures, today=today)
    return 0
