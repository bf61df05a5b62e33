"""A process that does background work, for tests: the engine alone, with a bank that takes its time, and one job of its own.

`python -m tests.engine.worker SECONDS_AT_THE_BANK TICKS`: autopay fires every second; so does a job that writes a line into the
file TICKS. It says "ready", and stops like the real one when it is told to.
"""

import logging
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

from actions import autopay_asking, payments
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


def main(seconds: float, ticks: Path) -> None:
    logging.disable(logging.ERROR)
    autopay_asking.AT_ONCE, autopay_asking.PIECE = 2, 2
    engine.REAP_SECONDS = 1
    payments.gateway_called = lambda _name: SlowBank(seconds)
    tick = Job("tick", EVERY_SECOND, Ticks(ticks).work)
    autopay = next(job for job in JOBS if job.name == engine.AUTOPAY)
    engine.JOBS = (autopay, tick)
    engine.scheduled = lambda: (Job(autopay.name, EVERY_SECOND, autopay.work), tick)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    running = engine.Engine()
    running.start()
    print("ready", flush=True)  # noqa: T201
    signal.sigwait({signal.SIGTERM})
    running.stop()


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
