"""The background works on: a job that fails keeps nothing else waiting."""

import logging
import threading
from datetime import datetime

import pytest

from jobs import loop


def test_a_job_that_fails_is_logged_and_raises_nothing(caplog: pytest.LogCaptureFixture):
    def job(now: datetime) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        loop.run_safely(job)
    assert "background work failed: job" in caplog.text


def test_the_loop_goes_on_after_a_failure_and_stops_when_told(monkeypatch: pytest.MonkeyPatch):
    rounds, enough = [], threading.Event()

    def job(now: datetime) -> None:
        rounds.append(now)
        if len(rounds) >= 3:
            enough.set()
        raise ZeroDivisionError

    before = set(threading.enumerate())
    monkeypatch.setattr(loop, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(loop, "WORK", ((1, job),))
    monkeypatch.setattr(loop, "AT_THE_GATEWAY", ((1, job),))
    running = loop.Loop()
    running.start()
    try:
        workers = set(threading.enumerate()) - before
        assert len(workers) == 2, "what waits for the bank holds up nothing else"
        assert all(worker.daemon for worker in workers), "they must not keep the process alive"
        assert enough.wait(10)
    finally:
        running.stop()
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)
