"""Putting a demo back to how it was seeded: the same people and history, ending today."""

import threading

import clock
from actions.demo_clock import forget_clock
from db import database
from rules.refusals import DemoOnly
from seed.run import SeedReport, drop_everything, run
from settings import settings

_under_way = threading.Lock()


def resetting() -> bool:
    """Whether it is being done just now, in this process."""
    return _under_way.locked()


def reset() -> SeedReport | None:
    """Throw everything away and seed anew, ending on the real today; None when somebody else is doing it. Raises DemoOnly."""
    if not settings().is_demo:
        raise DemoOnly()
    if not _under_way.acquire(blocking=False):
        return None
    try:
        engine, chosen = database(), settings()
        forget_clock()
        drop_everything(engine)
        return run(
            engine=engine,
            customers=chosen.demo_customers,
            months=chosen.demo_months,
            seed=chosen.demo_seed,
            as_of=clock.today(),
        )
    finally:
        _under_way.release()
