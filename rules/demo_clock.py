"""Where a move of the demo's clock leads, and at which moments a day is lived."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from rules.periods import add_months, next_month
from rules.terms import ClockStep

TIME_ZONE = ZoneInfo("Europe/Moscow")
DAYTIME = time(10, 5)
MOMENTS = (time(0, 10), time(6, 5), DAYTIME, time(18, 5))
"""When the background works on a day that is lived in a hurry; Moscow time. At DAYTIME nobody sleeps, from west to east."""
BILLING_HOUR = time(12)
MOST_TO_CATCH_UP = timedelta(days=92)
"""A demo that was left alone for longer is not caught up with unasked: beginning anew is quicker."""


def target(*, step: ClockStep, now: datetime) -> datetime:
    """The moment that a step leads to; aware, UTC. The time of day stays, but for BILLING, which is at noon."""
    here = now.astimezone(TIME_ZONE)
    if step is ClockStep.BILLING:
        to = datetime.combine(next_month(here.date()), BILLING_HOUR, TIME_ZONE)
    elif step is ClockStep.MONTH:
        to = datetime.combine(add_months(here.date(), 1), here.time(), TIME_ZONE)
    else:
        to = here + timedelta(days=7 if step is ClockStep.WEEK else 1)
    return to.astimezone(now.tzinfo)


def moments(*, after: datetime, until: datetime) -> Iterator[datetime]:
    """The moments at which the background works between the two, in order; the last is `until` itself. Aware, UTC."""
    day = after.astimezone(TIME_ZONE).date()
    while day <= until.astimezone(TIME_ZONE).date():
        for hour in MOMENTS:
            moment = datetime.combine(day, hour, TIME_ZONE).astimezone(after.tzinfo)
            if after < moment < until:
                yield moment
        day += timedelta(days=1)
    yield until
