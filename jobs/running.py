"""Doing one job until nothing is left of it, and keeping what came of it."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import clock
from actions.job_runs import note_run
from jobs.schedule import Job

ROUNDS = 1000
"""So many rounds at most: work that always finds more to do is a fault, and must not hold up the rest."""
_log = logging.getLogger("kabinet.jobs")
_nobody = threading.Condition()
_in_hand = 0


def quiet(seconds: float) -> bool:
    """Wait until nothing is being done in this process, so long at most; whether that has come."""
    with _nobody:
        return _nobody.wait_for(lambda: _in_hand == 0, timeout=seconds)


def run(job: Job, *, worker: str, key: str | None = None, enough: Callable[[], bool] = lambda: False) -> int:
    """Do what is due of a job now; returns how many things were done. A failure is logged and kept, and raised to nobody.

    What did nothing leaves no record: most firings find nothing to do. When it is `enough` no other round is begun.
    """
    with in_hand():
        return _run(job, worker, key or uuid.uuid4().hex, enough)


@contextmanager
def in_hand() -> Iterator[None]:
    """Something is being done in this process, within this block."""
    global _in_hand
    with _nobody:
        _in_hand += 1
    try:
        yield
    finally:
        with _nobody:
            _in_hand -= 1
            _nobody.notify_all()


def _run(job: Job, worker: str, key: str, enough: Callable[[], bool]) -> int:
    started_at, items, trouble = clock.now(), 0, ""
    try:
        for _ in range(ROUNDS):
            if enough():
                break
            done = job.work(clock.now())
            items += done
            if not done:
                break
        else:
            trouble = f"still not done after {ROUNDS} rounds"
    except Exception as error:
        _log.exception("background work failed: %s", job.name)
        trouble = f"{type(error).__name__}: {error}"
    if items or trouble:
        keep(job.name, key=key, worker=worker, started_at=started_at, items=items, trouble=trouble)
    return items


def keep(job: str, *, key: str, worker: str, started_at: datetime, items: int, trouble: str = "") -> None:
    """Keep what came of a piece of work; the work is done whether this can be kept or not."""
    try:
        note_run(job=job, key=key, worker=worker, started_at=started_at, items=items, trouble=trouble)
    except Exception:
        _log.exception("the record of %s could not be kept", job)
