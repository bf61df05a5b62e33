"""Living through days in a hurry: the demo's clock is moved through them, and all background work is done at each moment."""

import logging
import threading

import clock
from actions import demo_clock
from db import reading, slots
from jobs.running import run
from jobs.schedule import JOBS
from models import ClockMove
from queries.demo_clock import latest_move, what_happened
from rules.demo_clock import TIME_ZONE, moments
from rules.terms import MoveState
from seed.reset import resetting

_log = logging.getLogger("kabinet.demo")
LOOK_SECONDS = 0.3


def watch(stopping: threading.Event) -> None:
    """Live through every move that somebody begins, until told to stop; what a process left unfinished is gone on with."""
    while not stopping.wait(LOOK_SECONDS):
        try:
            if resetting():
                continue
            demo_clock.follow()
            with reading() as db:
                move = latest_move(db)
            if move is None or move.state is not MoveState.RUNNING:
                continue
            alone = slots.alone("clock")
            if alone is None:
                continue  # another process lives it
            try:
                live(move, stopping)
            finally:
                alone.close()
        except Exception:
            _log.exception("the demo's clock could not be moved")
            stopping.wait(5)


def live(move: ClockMove, stopping: threading.Event | None = None) -> None:
    """Live through what is left of a move, moment by moment; when told to stop, the rest is left to the next process."""
    month = move.lived_until_at.astimezone(TIME_ZONE).month
    for moment in moments(after=move.lived_until_at, until=move.to_at):
        if stopping is not None and stopping.is_set():
            return
        demo_clock.stand_at(move.id, moment)
        is_new_month = moment.astimezone(TIME_ZONE).month != month
        month = moment.astimezone(TIME_ZONE).month
        for job in JOBS:
            # The figures take longest and only tell of whole days: once a month, and when all is over.
            if job.name != "figures" or is_new_month or moment == move.to_at:
                run(job, worker="clock")
        with reading() as db:
            report = what_happened(db, since=move.from_at, until=clock.now())
        demo_clock.lived(move.id, moment, report)
    demo_clock.finish(move.id, MoveState.DONE)
