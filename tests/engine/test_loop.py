"""What is done every few seconds goes on whatever fails, on threads of its own, and leaves a record of what it did."""

import logging
import threading
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlmodel import select

from db import reading
from jobs import loop
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
    assert lanes["kabinet-gateway"] == ["payments", "refunds"]
    assert lanes["kabinet-mail"] == ["letters"]
    assert {"autopay", "billing", "blocking"} <= set(by_clock)


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
