"""Putting a demo back to how it was seeded: the same people and history, ending today."""

import logging
import threading
import time
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import select

import clock
from actions.demo_clock import forget_clock, give_up
from db import database, reading, schema, slots
from jobs.running import quiet
from models import SeedRun
from rules.refusals import DemoOnly
from seed.run import SeedReport, drop_everything, run
from settings import settings

PATIENCE_SECONDS = 30.0
"""So long a move of the clock may take to notice that it is not wanted any more."""
DEADLOCKS = 5
_log = logging.getLogger("kabinet.demo")
_under_way = threading.Lock()
_failed = False
_elsewhere = False
_seeded_at: datetime | None = None
_life = 0


def resetting() -> bool:
    """Whether it is being done just now, by this process or another, or has failed: there is nothing to be shown."""
    return _under_way.locked() or _elsewhere or _failed


def failed() -> bool:
    """Whether it did not succeed; it can be tried again."""
    return _failed and not _under_way.locked()


def life() -> int:
    """Differs after every reset: whoever was signed in before is nobody now, and numbers begin again."""
    return _life


def reset() -> SeedReport | None:
    """Throw everything away and seed anew, ending on the real today; None when somebody else is doing it. Raises DemoOnly."""
    if not settings().is_demo:
        raise DemoOnly()
    return _anew() if _under_way.acquire(blocking=False) else None


def begin_reset() -> None:
    """The same beside the one who asked for it; a second time meanwhile it does nothing. Raises DemoOnly."""
    if not settings().is_demo:
        raise DemoOnly()
    if _under_way.acquire(blocking=False):
        threading.Thread(target=_anew_or_say, name="kabinet-reset").start()


def _anew_or_say() -> None:
    try:
        _anew()
    except Exception:
        _log.exception("the demo could not be made anew")


def _anew() -> SeedReport | None:
    """What is done with `_under_way` held; it is let go at the end."""
    global _failed, _life, _seeded_at
    held: list[slots.Lock] = []
    try:
        alone = slots.alone("reset")
        if alone is None:
            return None  # another process does it, and everybody sees that
        held.append(alone)
        if not schema.is_empty(database()):
            give_up()
        held.append(_the_clock())
        quiet(PATIENCE_SECONDS)
        engine, (customers, months, seed) = database(), _size()
        forget_clock()
        _failed = True  # until it has succeeded
        _drop(engine)
        done = run(engine=engine, customers=customers, months=months, seed=seed, as_of=clock.today())
        _failed, _seeded_at = False, None
        _life += 1
        return done
    finally:
        for lock in held:
            lock.close()
        _under_way.release()


def _size() -> tuple[int, int, int]:
    """How many customers, months, and which seed: as it was seeded, else as it would be."""
    chosen, seeded = settings(), None
    if not schema.is_empty(database()):
        with reading() as db:
            seeded = db.exec(select(SeedRun)).first()
    if seeded is None:
        return chosen.demo_customers, chosen.demo_months, chosen.demo_seed
    return seeded.customers, seeded.months, seeded.seed


def _the_clock() -> slots.Lock:
    """Nobody lives through a move any more; whoever did has seen that it is over."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        lock = slots.alone("clock")
        if lock is not None:
            return lock
        time.sleep(0.1)
    raise TimeoutError("the clock is still being moved")


def _drop(engine: sa.Engine) -> None:
    """Readers of PostgreSQL may hold what is to be dropped, each other way round; then one of the two begins again."""
    for left in range(DEADLOCKS, 0, -1):
        try:
            drop_everything(engine)
            return
        except sa.exc.OperationalError:
            if left == 1:
                raise
            time.sleep(0.3)


def look_elsewhere() -> None:
    """Notice that another process makes the demo anew: what was seeded is gone, then there are others."""
    global _elsewhere, _seeded_at, _life
    if _under_way.locked() or not settings().is_demo:
        return
    try:
        with reading() as db:
            seeded_at = db.exec(select(SeedRun.finished_at)).first()
    except Exception:
        if _seeded_at is None or not schema.is_empty(database()):
            raise
        _elsewhere = True
        return
    if seeded_at is None:
        _elsewhere = _seeded_at is not None
        return
    if _seeded_at not in (None, seeded_at):
        _life += 1
    _seeded_at, _elsewhere = seeded_at, False
