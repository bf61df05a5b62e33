"""What is done every few seconds goes on whatever fails, on threads of its own, and leaves a record of what it did."""

import logging
import threading
import time
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlmodel import select

from db import reading
from jobs import living, loop
from jobs.engine import scheduled
from jobs.running import ROUNDS, run
from jobs.schedule import JOBS, Job
from models import JobRun

OFTEN = "*/5 * * * * *"


def records() -> list[tuple[str, int, str]]:
    with reading() as db:
        return [(made.job, made.items, made.trouble) for made in db.exec(select(JobRun))]


def test_a_job_that_fails_is_logged_and_kept_and_raises_nothing(db: sa.Engine, caplog: pytest.LogCaptureFixture):
    def fails(now: datetime) -> int:
        raise ZeroDivisionError("secret?")

    with caplog.at_level(logging.ERROR):
        assert run(Job("fails", OFTEN, fails), worker="me") == 0
    assert "background work failed: fails" in caplog.text
    assert [(job, items) for job, items, _ in records()] == [("fails", 0)]
    assert records()[0][2].startswith("ZeroDivisionError")


def test_a_job_is_done_until_nothing_is_left_and_idle_rounds_leave_no_record(db: sa.Engine):
    left = [5, 5, 2]

    def work(now: datetime) -> int:
        return left.pop(0) if left else 0

    assert run(Job("letters", OFTEN, work), worker="me") == 12
    assert run(Job("letters", OFTEN, work), worker="me") == 0
    assert records() == [("letters", 12, "")]


def test_a_job_that_never_ends_is_stopped_and_named(db: sa.Engine):
    assert run(Job("endless", OFTEN, lambda _now: 1), worker="me") == ROUNDS
    assert records() == [("endless", ROUNDS, f"still not done after {ROUNDS} rounds")]


def test_the_engine_and_the_lanes_share_all_jobs_between_them_and_a_slow_bank_or_mail_server_holds_up_nothing_else():
    lanes = {name: [job.name for job in jobs] for name, jobs in loop.lanes()}
    by_clock = [job.name for job in scheduled()]
    assert sorted([*by_clock, *(name for names in lanes.values() for name in names)]) == sorted(job.name for job in JOBS)
    assert len({job.name for job in JOBS}) == len(JOBS)
    assert lanes["kabinet-gateway"] == ["payments", "refunds", "cards"]
    assert lanes["kabinet-mail"] == ["letters"]
    assert {"autopay", "billing", "blocking"} <= set(by_clock)
    assert not {"payments", "refunds", "cards"} & set(by_clock), "a silent bank would keep autopay from being planned"


def test_the_loop_goes_on_after_a_failure_and_stops_when_told(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    rounds, enough = [], threading.Event()

    def fails(now: datetime) -> int:
        rounds.append(now)
        if len(rounds) >= 6:
            enough.set()
        raise ZeroDivisionError

    before = set(threading.enumerate())
    monkeypatch.setattr(loop, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(loop, "JOBS", (Job("provisioning", OFTEN, fails), Job("payments", OFTEN, fails)))
    monkeypatch.setattr(loop.Loop, "_start_engine", lambda _self: None)  # it has tests of its own, in processes of its own
    running = loop.Loop()
    running.start()
    try:
        workers = [each for each in set(threading.enumerate()) - before if each.name.startswith("kabinet-")]
        assert {"kabinet-jobs", "kabinet-gateway", "kabinet-mail", "kabinet-clock"} <= {worker.name for worker in workers}
        assert all(worker.daemon for worker in workers), "they must not keep the process alive"
        assert enough.wait(20)
    finally:
        running.stop()
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)


def test_the_loop_and_the_watch_over_the_clock_outlive_an_error_of_the_database(
    db: sa.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    done = threading.Event()

    def work(now: datetime) -> int:
        done.set()
        return 0

    monkeypatch.setattr(loop, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(living, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(loop, "JOBS", (Job("provisioning", OFTEN, work),))
    monkeypatch.setattr(loop.Loop, "_start_engine", lambda _self: None)
    with db.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE clock_move RENAME TO clock_move_away")
        connection.exec_driver_sql("ALTER TABLE demo_clock RENAME TO demo_clock_away")
    running = loop.Loop()
    running.start()
    try:
        for complaint in ("could not see whether it should rest", "the demo's clock could not be moved"):
            until = time.monotonic() + 20
            while complaint not in caplog.text:
                assert time.monotonic() < until, complaint
                time.sleep(0.01)
        assert not done.is_set()
        with db.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE clock_move_away RENAME TO clock_move")
            connection.exec_driver_sql("ALTER TABLE demo_clock_away RENAME TO demo_clock")
        assert done.wait(20)
        assert {"kabinet-jobs", "kabinet-clock"} <= {thread.name for thread in threading.enumerate()}
    finally:
        running.stop()
