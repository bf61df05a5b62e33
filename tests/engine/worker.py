"""A process that does background work, for tests: the engine alone, with a bank that takes its time, and one job of its own.

`python -m tests.engine.worker SECONDS_AT_THE_BANK TICKS SECONDS_OF_LONG_WORK RULES_IN_A_BATCH`: autopay fires every second; so
does a job that writes a line into the file TICKS; so do, when they take any time, all jobs that take long. It says "ready", and
stops like the real one when it is told to.
"""

import logging
import signal
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path

from actions import autopay_asking, autopaying, payments
from integrations.gateway import Charge, Standing
from integrations.test_bank import TestBank
from jobs import engine
from jobs.schedule import JOBS, Job

EVERY_SECOND = "* * * * * *"


class SlowBank(TestBank):
    """The test bank, which takes its time before and after each charge."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def charge(self, charge: Charge) -> Standing:
        time.sleep(self._seconds)
        said = super().charge(charge)
        time.sleep(self._seconds)
        return said


class Ticks:
    """A job that does one thing each time it is fired, and writes that down."""

    def __init__(self, file: Path) -> None:
        self._file, self._is_done = file, False

    def work(self, _now: datetime) -> int:
        self._is_done = not self._is_done
        if self._is_done:
            with self._file.open("a") as lines:
                lines.write("tick\n")
        return int(self._is_done)


class Long:
    """A job that takes its time whenever it is fired."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def work(self, _now: datetime) -> int:
        time.sleep(self._seconds)
        return 0


def main(seconds: float, ticks: Path, long: float, batch: int) -> None:
    logging.disable(logging.ERROR)
    autopay_asking.AT_ONCE, autopay_asking.PIECE = 2, 2
    autopaying.claim = partial(autopaying.claim, most=batch)
    engine.REAP_SECONDS = 1
    payments.gateway_called = lambda _name: SlowBank(seconds)
    tick = Job("tick", EVERY_SECOND, Ticks(ticks).work)
    autopay = next(job for job in JOBS if job.name == engine.AUTOPAY)
    slow = tuple(Job(name, EVERY_SECOND, Long(long).work) for name in sorted(engine.TAKE_LONG) if long)
    engine.JOBS = (autopay, tick, *slow)
    engine.scheduled = lambda: (Job(autopay.name, EVERY_SECOND, autopay.work), tick, *slow)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    running = engine.Engine()
    running.start()
    print("ready", flush=True)  # noqa: T201
    signal.sigwait({signal.SIGTERM})
    running.stop()


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
