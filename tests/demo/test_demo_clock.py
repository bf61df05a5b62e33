"""The demo's clock: where a move leads, that the days are lived through the real background, and what production says to it."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

import clock
from actions import demo_clock, perform
from actions.demo_clock import catch_up, catch_up_at_start, follow, missed_since, move_clock, moving
from db import reading, transaction
from db.check import faults
from jobs.living import live
from models import AutopayRun, Bill, ClockMove, Customer, DemoClock, LoginSession
from queries.demo_clock import latest_move, what_happened
from rules.demo_clock import MOMENTS, TIME_ZONE, moments, target
from rules.refusals import ClockIsMoving, DemoOnly
from rules.terms import AutopayResult, ClockStep, MoveState
from seed.reset import reset
from settings import settings
from tests.conftest import as_in_production
from tests.money.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clock_runs_as_usual_afterwards():
    yield
    clock.shift(timedelta())
    demo_clock._left_alone = timedelta()


def at(text: str) -> datetime:
    """A moment in Moscow, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=TIME_ZONE).astimezone(UTC)


# --- where a move leads ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("step", "now", "leads_to"),
    [
        (ClockStep.DAY, "2026-02-28 15:30", "2026-03-01 15:30"),
        (ClockStep.WEEK, "2028-02-25 15:30", "2028-03-03 15:30"),
        (ClockStep.MONTH, "2026-01-31 15:30", "2026-02-28 15:30"),
        (ClockStep.MONTH, "2028-01-31 15:30", "2028-02-29 15:30"),
        (ClockStep.MONTH, "2026-12-10 00:05", "2027-01-10 00:05"),
        (ClockStep.BILLING, "2026-11-22 15:30", "2026-12-01 12:00"),
        (ClockStep.BILLING, "2026-12-01 09:00", "2027-01-01 12:00"),
    ],
)
def test_a_step_leads_to_the_same_time_of_day(step: ClockStep, now: str, leads_to: str):
    assert target(step=step, now=at(now)) == at(leads_to)


@given(
    after=st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    length=st.timedeltas(timedelta(minutes=1), timedelta(days=40)),
)
def test_the_moments_of_a_move_go_forward_only_and_miss_no_day(after: datetime, length: timedelta):
    lived = list(moments(after=after, until=after + length))
    assert lived == sorted(set(lived))
    assert (lived[0] > after, lived[-1]) == (True, after + length)
    whole_days = {each.astimezone(TIME_ZONE).date() for each in lived}
    first, last = (each.astimezone(TIME_ZONE).date() for each in (after, after + length))
    between = [first + timedelta(days=n) for n in range(1, (last - first).days)]
    assert whole_days.issuperset(between)
    assert all(sum(each.astimezone(TIME_ZONE).date() == day for each in lived) == len(MOMENTS) for day in between)


# --- living ---------------------------------------------------------------------------------------------
@pytest.fixture
def demo(seeded_db: sa.Engine) -> sa.Engine:
    with transaction() as db:
        db.add(DemoClock(ahead_seconds=0, lived_until_at=clock.now()))
    return seeded_db


def moves(step: ClockStep) -> ClockMove:
    perform(move_clock, visitor=None, step=step)
    with reading() as db:
        move = latest_move(db)
    assert move is not None
    live(move)
    with reading() as db:
        return db.get_one(ClockMove, move.id)


def test_to_the_next_billing_day_bills_come_and_autopay_runs_and_the_books_agree(demo: sa.Engine):
    before = clock.now()
    move = moves(ClockStep.BILLING)
    first = move.to_at.astimezone(TIME_ZONE).date()
    assert (move.state, move.lived_until_at, first.day) == (MoveState.DONE, move.to_at, 1)
    assert timedelta() <= clock.now() - move.to_at < timedelta(seconds=30), "the clock stands where the move led to"
    with reading() as db:
        issued = db.exec(select(sa.func.count()).where(col(Bill.issued_on) == first)).one()
        ran = db.exec(select(sa.func.count()).where(col(AutopayRun.ran_at) > before)).one()
        assert faults(db.connection()) == []
    assert issued > 50
    assert ran > 0
    assert move.report["bills"] == issued
    assert sum(move.report[name] for name in ("autopay_done", "autopay_declined", "autopay_unneeded", "autopay_skipped")) == ran
    assert move.report["letters"] > 0


def test_two_moves_of_a_day_are_as_one_of_two(demo: sa.Engine):
    start = clock.now()
    moves(ClockStep.DAY)
    move = moves(ClockStep.DAY)
    assert timedelta(days=2) <= move.to_at - start < timedelta(days=2, seconds=30)


def test_who_is_signed_in_stays_so_and_who_was_not_does_not_come_back(demo: sa.Engine):
    now = clock.now()
    with transaction() as db:
        person = db.exec(select(Customer.id)).first()
        assert person is not None
        alive = LoginSession(customer_id=person, opened_at=now, last_seen_at=now, expires_at=now + timedelta(hours=2))
        over = LoginSession(customer_id=person, opened_at=now, last_seen_at=now, expires_at=now - timedelta(hours=2))
        db.add(alive)
        db.add(over)
        db.flush()
        ids = alive.id, over.id
    moves(ClockStep.WEEK)
    with reading() as db:
        here, gone = (db.get_one(LoginSession, id_) for id_ in ids)
    assert here.expires_at > clock.now() + timedelta(hours=1)
    assert here.last_seen_at is not None
    assert clock.now() - here.last_seen_at < timedelta(minutes=1)
    assert gone.expires_at == now - timedelta(hours=2)


def test_the_clock_is_not_moved_twice_at_once(demo: sa.Engine):
    perform(move_clock, visitor=None, step=ClockStep.DAY)
    assert moving()
    with pytest.raises(ClockIsMoving):
        perform(move_clock, visitor=None, step=ClockStep.MONTH)
    with pytest.raises(ClockIsMoving):
        perform(catch_up, visitor=None)


def test_another_process_is_where_the_clock_is(demo: sa.Engine):
    moves(ClockStep.WEEK)
    clock.shift(timedelta())
    follow()
    assert timedelta(days=6, hours=23) < clock.ahead() < timedelta(days=7, minutes=1)


def test_a_demo_left_alone_for_ten_days_lives_them_and_is_at_the_real_time_again(demo: sa.Engine):
    since = clock.now() - timedelta(days=10)
    with transaction() as db:
        db.get_one(DemoClock, 1).lived_until_at = since
    assert timedelta(days=9, hours=23) < catch_up_at_start() < timedelta(days=10, hours=1)
    with reading() as db:
        move = latest_move(db)
        assert move is not None
        assert (move.state, move.from_at) == (MoveState.RUNNING, since)
    demo_clock.stand_at(move.id, since)
    assert clock.ahead() < timedelta(days=-9), "the past is lived as the past"
    live(move)
    assert abs(clock.ahead()) < timedelta(seconds=30)
    with reading() as db:
        assert missed_since(db) is None
        assert what_happened(db, since=since, until=clock.now())["autopay_done"] >= 0


def test_a_demo_left_alone_for_half_a_year_is_not_caught_up_with_unasked(demo: sa.Engine):
    with transaction() as db:
        db.get_one(DemoClock, 1).lived_until_at = clock.now() - timedelta(days=180)
    assert catch_up_at_start() > timedelta(days=179)
    assert not moving()


def test_a_demo_seeded_weeks_ago_has_missed_the_days_since(seeded_db: sa.Engine):
    with transaction() as db:
        db.execute(sa.text("UPDATE seed_run SET as_of_on = :day").bindparams(day=(date.today() - timedelta(days=21)).isoformat()))  # noqa: DTZ011
    with reading() as db:
        since = missed_since(db)
    assert since is not None
    assert timedelta(days=20) < clock.now() - since < timedelta(days=23)


def test_production_has_no_such_clock(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    as_in_production(monkeypatch)
    settings.cache_clear()
    with pytest.raises(DemoOnly):
        perform(move_clock, visitor=None, step=ClockStep.DAY)
    with pytest.raises(DemoOnly):
        reset()
    assert not moving()
    with reading() as session:
        assert session.exec(select(ClockMove)).first() is None


def test_reset_brings_the_seeded_state_back(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    for name, value in (("DEMO_CUSTOMERS", "20"), ("DEMO_MONTHS", "2")):
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    first = reset()
    assert first is not None
    clock.shift(timedelta(days=40))
    with transaction() as session:
        session.execute(sa.text("UPDATE customer SET first_name = 'Никто'"))
    again = reset()
    assert again is not None
    assert again.rows == first.rows
    assert clock.ahead() == timedelta()
    with reading() as session:
        assert session.exec(select(sa.func.count()).where(col(Customer.first_name) == "Никто")).one() == 0
        assert session.exec(select(DemoClock)).first() is None
        assert faults(session.connection()) == []


# --- kill -9 --------------------------------------------------------------------------------------------
WATCHER = """
import threading
from jobs.living import watch
print("ready", flush=True)
watch(threading.Event())
"""


def test_a_move_that_was_killed_in_the_middle_is_gone_on_with(demo: sa.Engine):
    perform(move_clock, visitor=None, step=ClockStep.WEEK)
    environment = os.environ | {"DATABASE_URL": settings().database_url}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WATCHER], cwd=ROOT, env=environment)

    def standing() -> ClockMove:
        with reading() as db:
            move = latest_move(db)
        assert move is not None
        return move

    begun = standing()
    watcher = start()
    try:
        until = time.monotonic() + 60
        while standing().lived_until_at == begun.from_at and time.monotonic() < until:
            time.sleep(0.05)
        watcher.send_signal(signal.SIGKILL)
        watcher.wait()
        killed = standing()
        assert begun.from_at < killed.lived_until_at < begun.to_at
        assert killed.state is MoveState.RUNNING
        watcher = start()
        while standing().state is MoveState.RUNNING and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        watcher.kill()
        watcher.wait()
    assert (standing().state, standing().lived_until_at) == (MoveState.DONE, begun.to_at)
    with reading() as db:
        assert faults(db.connection()) == []


def test_autopay_that_was_held_up_is_told_apart_from_autopay_that_was_not_needed(db: sa.Engine):
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with transaction() as session:
        world = World(session)
        person = world.person()
        account = world.account(person)
        rule = world.rule(person, account, world.card(person))
        for attempt, reason in enumerate(("nothing_due", "ceiling_reached", "account_suspended"), start=1):
            session.add(
                AutopayRun(
                    rule_id=rule.id, billing_account_id=account.id, period="2026-11", attempt=attempt, due_on=now.date(),
                    ran_at=now, result=AutopayResult.SKIPPED, reason=reason,
                )
            )  # fmt: skip
    with reading() as session:
        happened = what_happened(session, since=now - timedelta(days=1), until=now)
    assert (happened["autopay_unneeded"], happened["autopay_skipped"]) == (1, 2)
