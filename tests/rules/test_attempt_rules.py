"""Wrong tries: so many within a window lock for a while, no fewer and no longer."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.attempts import ThrottleState, ThrottleTerms, after_failure, is_locked

NOON = datetime(2025, 4, 15, 12, 0, tzinfo=UTC)
TERMS = ThrottleTerms(limit=3, window_minutes=10, lock_minutes=20)


def _at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_the_first_failure_opens_a_window() -> None:
    assert after_failure(failures=0, window_started_at=None, now=NOON, terms=TERMS) == ThrottleState(1, NOON, None)


@pytest.mark.parametrize(
    ("failures", "minutes", "state"),
    [
        (1, 9, ThrottleState(2, NOON, None)),
        (2, 9, ThrottleState(3, NOON, _at(29))),
        (3, 9, ThrottleState(4, NOON, _at(29))),
        (2, 10, ThrottleState(1, _at(10), None)),
        (7, 300, ThrottleState(1, _at(300), None)),
    ],
)
def test_the_failure_that_reaches_the_limit_within_the_window_locks(failures: int, minutes: int, state: ThrottleState) -> None:
    assert after_failure(failures=failures, window_started_at=NOON, now=_at(minutes), terms=TERMS) == state


def test_a_limit_of_one_locks_at_once() -> None:
    state = after_failure(failures=0, window_started_at=None, now=NOON, terms=ThrottleTerms(1, 10, 20))
    assert state.locked_until == _at(20)


@pytest.mark.parametrize(("minutes", "locked"), [(19.99, True), (20, False), (21, False)])
def test_the_lock_ends_at_its_moment(minutes: float, locked: bool) -> None:
    assert is_locked(locked_until=_at(20), now=_at(minutes)) is locked


def test_without_a_lock_nobody_is_locked() -> None:
    assert not is_locked(locked_until=None, now=NOON)


@settings(max_examples=150)
@given(gaps=st.lists(st.integers(0, 15), max_size=40), limit=st.integers(1, 6))
def test_never_more_failures_than_the_limit_get_through_in_a_window(gaps: list[int], limit: int) -> None:
    terms = ThrottleTerms(limit=limit, window_minutes=10, lock_minutes=20)
    now, state, let_through = NOON, None, []
    for gap in gaps:
        now += timedelta(minutes=gap)
        if state is not None and is_locked(locked_until=state.locked_until, now=now):
            continue
        state = after_failure(
            failures=state.failures if state else 0,
            window_started_at=state.window_started_at if state else None,
            now=now,
            terms=terms,
        )
        let_through.append((now, state.window_started_at))
    for _, opened in let_through:
        assert sum(1 for _, window in let_through if window == opened) <= limit
