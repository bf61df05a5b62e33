"""The background of one process: three threads for what is done every few seconds, and the engine for what runs by the clock.

What is done every few seconds needs no orchestration: each letter, order, payment is claimed by a row of its own, and what a
crash left is found by the next round. The threads never die of an exception.
"""

import logging
import os
import threading
import time

from actions.demo_clock import moving
from jobs.engine import ENDS_WITHIN, Engine
from jobs.living import watch
from jobs.running import run
from jobs.schedule import AT_THE_GATEWAY, BY_MAIL, JOBS, Job
from seed.reset import resetting
from settings import settings

EVERY_SECONDS = 5
_log = logging.getLogger("kabinet.jobs")


def resting() -> bool:
    """Whether a demo is being moved through time, or made anew: then nothing else is done."""
    return resetting() or moving()


def lanes() -> tuple[tuple[str, tuple[Job, ...]], ...]:
    """What is done every few seconds; apart from it what waits for others: a slow bank or mail server holds up nothing else."""
    often = [job for job in JOBS if len(job.cron.split()) == 6]
    return (
        ("kabinet-jobs", tuple(job for job in often if job.name not in (*AT_THE_GATEWAY, *BY_MAIL))),
        ("kabinet-gateway", tuple(job for job in often if job.name in AT_THE_GATEWAY)),
        ("kabinet-mail", tuple(job for job in often if job.name in BY_MAIL)),
    )


class Loop:
    """The background of one process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._engine: Engine | None = None
        self._lanes: list[threading.Thread] = []

    def start(self) -> None:
        self._lanes = [threading.Thread(target=self._work, args=(jobs,), name=name, daemon=True) for name, jobs in lanes()]
        for lane in self._lanes:
            lane.start()
        if settings().is_demo:
            threading.Thread(target=watch, args=(self._stopping,), name="kabinet-clock", daemon=True).start()
        threading.Thread(target=self._start_engine, name="kabinet-engine", daemon=True).start()

    def stop(self) -> None:
        """Let the round under way finish and begin no other: a letter that was handed over is written down as sent."""
        self._stopping.set()
        if self._engine is not None:
            self._engine.stop()
        until = time.monotonic() + ENDS_WITHIN
        for lane in self._lanes:
            lane.join(max(0.0, until - time.monotonic()))

    def _start_engine(self) -> None:
        """Beside the first visitors, and again when the database would not have it yet."""
        while not self._stopping.is_set():
            engine = Engine()
            try:
                engine.start()
                self._engine = engine
                return
            except Exception:
                _log.exception("the engine did not start; trying again")
                engine.stop()
            self._stopping.wait(30)

    def _work(self, jobs: tuple[Job, ...]) -> None:
        worker = f"loop-{os.getpid()}"
        while not self._stopping.wait(EVERY_SECONDS):
            try:
                if not resting():
                    for job in jobs:
                        run(job, worker=worker, enough=self._stopping.is_set)
            except Exception:
                _log.exception("the background could not see whether it should rest; it looks again")
