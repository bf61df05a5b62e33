"""Months: billing goes by calendar months, and a month is named by its first day.

All functions take and return `datetime.date`; a `datetime` given by mistake comes back as a plain date.
"""

from calendar import monthrange
from datetime import date


def month_start(day: date) -> date:
    """The first day of the month that `day` is in."""
    return date(day.year, day.month, 1)


def next_month(day: date) -> date:
    """The first day of the month after the one that `day` is in."""
    return add_months(month_start(day), 1)


def previous_month(day: date) -> date:
    """The first day of the month before the one that `day` is in."""
    return add_months(month_start(day), -1)


def month_end(day: date) -> date:
    """The last day of the month that `day` is in."""
    return date(day.year, day.month, days_in_month(day))


def days_in_month(day: date) -> int:
    """28 to 31."""
    return monthrange(day.year, day.month)[1]


def months_between(first: date, last: date) -> list[date]:
    """First days of all months from that of `first` to that of `last`, both included; empty when they are swapped."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    return [add_months(month_start(first), step) for step in range(count)]


def clamp_day(month_start: date, day_of_month: int) -> date:
    """That day of the month; 29, 30 and 31 fall on the last day of a shorter month.

    Raises ValueError unless `day_of_month` is 1 to 31.
    """
    if not 1 <= day_of_month <= 31:
        raise ValueError("a day of the month is 1 to 31")
    return date(month_start.year, month_start.month, min(day_of_month, days_in_month(month_start)))


def add_months(day: date, months: int) -> date:
    """The same day so many months on (or back, when negative); clamped to the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return clamp_day(date(year, month + 1, 1), day.day)
