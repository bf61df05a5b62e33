"""Beginning a demo anew while others look at it and work in it, and what people see of a demo that has no present just now."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, func, select

import clock
from actions import demo_clock, perform
from actions.demo_clock import MoveIsOver, follow, left_alone, mark_lived, missed_since, move_clock, moving
from db import reading, transaction
from db.check import faults
from jobs import living
from jobs.living import watch
from models import ClockMove, Customer, DemoClock, LoginSession, SeedRun
from queries.demo_clock import latest_move
from rules.demo_clock import TIME_ZONE
from rules.terms import ClockStep, Language, MoveState
from seed import reset as anew
from seed.reset import begin_reset, life, look_elsewhere, reset, resetting
from seed.run import drop_everything
from settings import settings
from tests.driver import open_screen
from texts import speaking, t, tn

ROOT = Path(__file__).parents[2]
WATCHER = "import threading; from jobs.living import watch; watch(threading.Event())"


@pytest.fixture(autouse=True)
def the_process_is_as_before() -> Iterator[None]:
    yield
    clock.shift(timedelta())
    demo_clock._left_alone = timedelta()
    anew._failed = anew._elsewhere = False
    anew._seeded_at = None


@pytest.fixture
def small(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A demo of twenty customers and two months, on each database."""
    for name, value in (("DEMO_CUSTOMERS", "20"), ("DEMO_MONTHS", "2")):
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    reset()
    return db


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def standing() -> ClockMove | None:
    with reading() as db:
        return latest_move(db)


# --- beginning anew -----------------------------------------------------------------------------------------
def test_a_demo_begins_anew_while_another_process_lives_through_a_month_and_others_read(small: sa.Engine):
    perform(move_clock, visitor=None, step=ClockStep.MONTH)
    watcher = subprocess.Popen([sys.executable, "-c", WATCHER], cwd=ROOT)
    enough = threading.Event()

    def look() -> None:
        while not enough.is_set():
            with suppress(Exception), reading() as db:  # for a while nothing is there
                db.exec(select(func.count()).select_from(Customer)).one()
                db.exec(select(func.count()).select_from(LoginSession)).one()
            time.sleep(0.005)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        until(lambda: (move := standing()) is not None and move.lived_until_at > move.from_at)
        assert reset() is not None
        time.sleep(1)  # for the other process to write, if it still would
        assert watcher.poll() is None
    finally:
        enough.set()
        watcher.kill()
        watcher.wait()
        for reader in readers:
            reader.join()
    assert not resetting()
    with reading() as db:
        assert db.exec(select(ClockMove)).first() is None
        assert db.exec(select(DemoClock)).first() is None
        assert db.exec(select(func.count()).select_from(Customer)).one() == 20
        assert faults(db.connection()) == []
    assert clock.ahead() == timedelta()


def test_a_move_that_was_given_up_does_not_go_on(small: sa.Engine):
    perform(move_clock, visitor=None, step=ClockStep.DAY)
    move = standing()
    assert move is not None
    demo_clock.give_up()
    with pytest.raises(MoveIsOver):
        living.live(move)
    demo_clock.finish(move.id, MoveState.DONE)
    ended = standing()
    assert ended is not None
    assert (ended.state, ended.lived_until_at) == (MoveState.FAILED, move.from_at)


def test_a_demo_begins_anew_as_large_as_it_was_seeded(small: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DEMO_CUSTOMERS", "15")
    settings.cache_clear()
    assert reset() is not None
    with reading() as db:
        seeded = db.exec(select(SeedRun)).one()
        assert (seeded.customers, seeded.months, seeded.as_of_on) == (20, 2, clock.today())


def test_a_second_click_begins_no_second_reset(small: sa.Engine):
    before = life()
    begin_reset()
    assert resetting()
    assert reset() is None
    begin_reset()
    until(lambda: not resetting())
    assert life() == before + 1


def test_what_another_process_makes_anew_is_noticed(small: sa.Engine):
    look_elsewhere()
    before = life()
    with transaction() as db:
        seeded = db.exec(select(SeedRun)).one()
        kept = seeded.model_dump()
        db.delete(seeded)
    look_elsewhere()
    assert resetting(), "tables are there, but nobody is in them yet"
    drop_everything(small)
    look_elsewhere()
    assert resetting()
    reset_there = subprocess.run([sys.executable, "-c", "from seed.reset import reset; reset()"], cwd=ROOT, check=True)
    assert reset_there.returncode == 0
    look_elsewhere()
    assert not resetting()
    assert life() == before + 1
    with reading() as db:
        assert db.exec(select(SeedRun)).one().finished_at != kept["finished_at"]


@pytest.mark.parametrize("language", list(Language))
def test_a_screen_says_calmly_that_the_demo_begins_anew(seeded_db: sa.Engine, language: Language):
    screen = open_screen("home", language=language)
    with anew._under_way:
        screen.run()
        drop_everything(seeded_db)
        screen.run()
    with speaking(language):
        assert [title.value for title in screen.title] == [t("demo.resetting")]
    assert not screen.exception


def test_whoever_was_signed_in_before_is_not_taken_for_who_came_after(small: sa.Engine):
    screen = open_screen("home", persona="family")
    assert "Анна" in screen.title[0].value
    reset()
    with transaction() as db:
        pensioner = db.exec(select(Customer.id).where(col(Customer.last_name) == "Орлова")).one()
        now = clock.now()
        db.add(LoginSession(customer_id=pensioner, opened_at=now, last_seen_at=now, expires_at=now + timedelta(hours=1)))
    screen.run()
    assert screen.button("enter_family"), "it is the sign-in page"


# --- left alone ---------------------------------------------------------------------------------------------
def left_for(days: int) -> None:
    with transaction() as db:
        kept = db.get(DemoClock, 1) or DemoClock(lived_until_at=clock.now())
        kept.lived_until_at = clock.now() - timedelta(days=days)
        db.add(kept)
    follow()


@pytest.mark.parametrize("language", list(Language))
def test_a_demo_left_alone_for_long_asks_and_lives_the_days_when_told_to(seeded_db: sa.Engine, language: Language):
    screen = open_screen("home", language=language)
    left_for(150)
    assert moving(), "the ordinary background would do five months at once"
    mark_lived(clock.now())
    follow()
    assert left_alone() >= timedelta(days=150), "missed days are not passed over"
    screen.run()
    with speaking(language):
        assert [title.value for title in screen.title] == [t("demo.left_alone", days=tn("demo.days", 150))]
    screen.click("clock_live")
    with speaking(language):
        assert [title.value for title in screen.title] == [t("demo.catching_up")]
    move = standing()
    assert move is not None
    assert (move.state, (move.to_at - move.from_at).days) == (MoveState.RUNNING, 150)


def test_what_was_seeded_this_morning_has_missed_nothing_in_the_evening(seeded_db: sa.Engine):
    today = clock.today()
    late = datetime(today.year, today.month, today.day, 23, 50, tzinfo=TIME_ZONE)
    with transaction() as db:
        seeded = db.exec(select(SeedRun)).one()
        seeded.as_of_on, seeded.finished_at = today, late.astimezone(UTC) - timedelta(minutes=5)
        db.add(seeded)
    clock.shift(late - clock.real_now())
    with reading() as db:
        assert missed_since(db) is None


def test_a_move_that_cannot_go_on_is_given_up_with_a_sentence(seeded_db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(living, "AGAIN_SECONDS", 0.01)
    screen = open_screen("home")
    mark_lived(clock.now())
    perform(move_clock, visitor=None, step=ClockStep.WEEK)
    with seeded_db.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE autopay_run RENAME TO elsewhere")  # what happened cannot be counted
    stopping = threading.Event()
    watcher = threading.Thread(target=watch, args=(stopping,))
    watcher.start()
    try:
        until(lambda: (move := standing()) is not None and move.state is MoveState.FAILED)
    finally:
        stopping.set()
        watcher.join()
        with seeded_db.execution_options(writes=True).begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO autopay_run")
    assert not moving()
    screen.run()
    assert any("Часы остановились" in warning.value for warning in screen.warning)
    perform(move_clock, visitor=None, step=ClockStep.DAY)
    assert moving(), "it can be tried again"
