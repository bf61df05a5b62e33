"""Months are whole, follow each other without gaps, and short ones clamp."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.periods import (
    add_months,
    clamp_day,
    days_in_month,
    month_end,
    month_start,
    months_between,
    next_month,
    previous_month,
)

DAYS = st.dates(min_value=date(1950, 1, 1), max_value=date(2150, 12, 31))


@pytest.mark.parametrize(
    ("month", "day", "result"),
    [
        (date(2025, 2, 1), 31, date(2025, 2, 28)),
        (date(2024, 2, 1), 30, date(2024, 2, 29)),
        (date(2025, 4, 1), 31, date(2025, 4, 30)),
        (date(2025, 1, 1), 31, date(2025, 1, 31)),
        (date(2025, 2, 1), 28, date(2025, 2, 28)),
        (date(2025, 2, 14), 1, date(2025, 2, 1)),
    ],
)
def test_the_29th_to_31st_fall_on_the_last_day_of_a_short_month(month: date, day: int, result: date) -> None:
    assert clamp_day(month, day) == result


@pytest.mark.parametrize("day", [0, 32, -1])
def test_a_day_outside_1_to_31_is_no_day_of_a_month(day: int) -> None:
    with pytest.raises(ValueError):
        clamp_day(date(2025, 1, 1), day)


@pytest.mark.parametrize(
    ("day", "months", "result"),
    [
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2025, 1, 31), 1, date(2025, 2, 28)),
        (date(2025, 1, 15), -1, date(2024, 12, 15)),
        (date(2025, 12, 1), 1, date(2026, 1, 1)),
        (date(2025, 5, 5), 0, date(2025, 5, 5)),
    ],
)
def test_months_are_added_with_the_day_clamped(day: date, months: int, result: date) -> None:
    assert add_months(day, months) == result


@settings(max_examples=100)
@given(day=DAYS)
def test_months_touch_without_gap_or_overlap(day: date) -> None:
    assert month_start(day) <= day <= month_end(day)
    assert month_end(day) + timedelta(days=1) == next_month(day)
    assert previous_month(next_month(day)) == month_start(day)
    assert month_end(previous_month(day)) + timedelta(days=1) == month_start(day)
    assert days_in_month(day) == (next_month(day) - month_start(day)).days


@settings(max_examples=60)
@given(first=DAYS, last=DAYS)
def test_the_months_between_two_days_are_all_of_them_once(first: date, last: date) -> None:
    months = months_between(first, last)
    if month_start(last) < month_start(first):
        assert months == []
        return
    assert (months[0], months[-1]) == (month_start(first), month_start(last))
    assert all(next_month(one) == other for one, other in pairwise(months))


def test_a_moment_given_for_a_day_comes_back_as_a_day() -> None:
    moment = datetime(2025, 3, 14, 15, 9, tzinfo=UTC)
    assert type(month_start(moment)) is date
    assert next_month(moment) == date(2025, 4, 1)
