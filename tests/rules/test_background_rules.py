"""Schedules said in words, and what has waited too long."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.schedule import JOBS
from queries import background
from rules.background import PATIENCE, Cadence, cadence, is_late, next_firing

NOON = datetime(2026, 11, 22, 9, 2, 30, tzinfo=UTC)
"""12:02:30 in Moscow, a Sunday."""


@pytest.mark.parametrize(
    ("cron", "said", "following"),
    [
        ("*/5 * * * * *", Cadence("second", 5), None),
        ("* * * * *", Cadence("minute"), "2026-11-22T09:03"),
        ("*/5 * * * *", Cadence("minute", 5), "2026-11-22T09:05"),
        ("30 4 * * *", Cadence("day"), "2026-11-23T01:30"),
        ("0 1 1 * *", Cadence("month"), "2026-11-30T22:00"),
        ("0 9 * * 1", Cadence("other"), "2026-11-23T06:00"),
        ("5-10 * * * *", Cadence("other"), "2026-11-22T09:05"),
    ],
)
def test_a_schedule_is_said_in_words_and_fires_in_moscow_time(cron: str, said: Cadence, following: str | None):
    assert cadence(cron) == said
    fires = next_firing(cron, after=NOON)
    assert (fires and fires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")) == following


def test_every_schedule_there_is_has_words():
    assert {job.name for job in JOBS if cadence(job.cron).unit == "other"} == set()


def test_what_waits_is_late_after_its_patience_and_not_before():
    assert not is_late("orders", since=NOON, now=NOON + timedelta(minutes=5))
    assert is_late("orders", since=NOON, now=NOON + timedelta(minutes=6))
    assert not is_late("orders", since=None, now=NOON)


def test_every_queue_has_its_patience():
    assert {*background._queues(NOON), "bills"} == set(PATIENCE)
