"""Living through days in a hurry: the demo's clock is moved through them, and all background work is done at each moment."""

import logging
import threading
from datetime import time

import clock
from actions import demo_clock
from actions.habits import pay_by_hand
from db import reading, slots
from jobs.running import run
from jobs.schedule import JOBS, Job
from models import ClockMove
from queries.demo_clock import latest_move, what_happened
from rules.demo_clock import DAYTIME, MOMENTS, TIME_ZONE, moments
from rules.terms import MoveState
from seed.reset import look_elsewhere, resetting

_log = logging.getLogger("kabinet.demo")
LOOK_SECONDS, AGAIN_SECONDS = 0.3, 3.0
BY_DAYS = ("look_ahead", "blocking", "history")
TRIES = 3
"""A move that fails so often at one place is given up."""


def watch(stopping: threading.Event) -> None:
    """Live through every move that somebody begins, until told to stop; what a process left unfinished is gone on with."""
    failures = 0
    while not stopping.wait(LOOK_SECONDS):
        try:
            look_elsewhere()
            if resetting():
                continue
            if demo_clock.follow():
                demo_clock.catch_up_at_start()
            with reading() as db:
                move = latest_move(db)
            if move is None or move.state is not MoveState.RUNNING:
                continue
            alone = slots.alone("clock")
            if alone is None:
                continue  # another process lives it
            try:
                live(move, stopping)
                failures = 0
            except demo_clock.MoveIsOver:
                failures = 0  # it is over: the demo begins anew
            except Exception:
                if resetting():
                    continue
                failures += 1
                if failures >= TRIES:
                    demo_clock.finish(move.id, MoveState.FAILED)
                    failures = 0
                raise
            finally:
                alone.close()
        except Exception:
            _log.exception("the demo's clock could not be moved")
            stopping.wait(AGAIN_SECONDS)


def _is_time_for(job: Job, at: time, is_new_month: bool) -> bool:
    """What takes long and only goes by days is done once a day; the figures, which nobody sees on the way, once a month."""
    if job.name == "figures":
        return is_new_month
    return at == DAYTIME or job.name not in BY_DAYS


def live(move: ClockMove, stopping: threading.Event | None = None) -> None:
    """Live through what is left of a move, moment by moment; when told to stop, the rest is left to the next process."""
    behind = demo_clock.catching_up(move)
    month = move.lived_until_at.astimezone(TIME_ZONE).month
    for moment in moments(after=move.lived_until_at, until=move.to_at):
        demo_clock.stand_at(move.id, moment)
        here = moment.astimezone(TIME_ZONE)
        is_new_month, month = here.month != month, here.month
        for job in JOBS:
            if resetting() or (stopping is not None and stopping.is_set()):
                return
            if moment == move.to_at or _is_time_for(job, here.time(), is_new_month):
                run(job, worker="clock")
        if here.time() == DAYTIME:
            pay_by_hand(moment, personas_too=behind)
        if behind and here.weekday() == 0 and here.time() == MOMENTS[0]:
            _log.info("the demo catches up: lived until %s", here.date())
        with reading() as db:
            report = what_happened(db, since=move.from_at, until=clock.now())
        demo_clock.lived(move.id, moment, report)
    demo_clock.finish(move.id, MoveState.DONE)
