"""The background of one process: a thread that carries out what is due and refreshes the figures. Never dies of an exception."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

import clock
from actions.letters import send_due
from actions.provisioning import carry_out_due, end_what_ran_out
from jobs import closing, exports, figures

EVERY_SECONDS = 5
_log = logging.getLogger("kabinet.jobs")

WORK: tuple[tuple[int, Callable[[datetime], object]], ...] = (
    (1, send_due),
    (1, carry_out_due),
    (1, exports.make_due),
    (60, exports.drop_due),
    (60, closing.erase_due),
    (60, end_what_ran_out),
    (60, figures.refresh),
)
"""What is done, and every how many rounds: those with 60 every five minutes."""


class Loop:
    """The thread of one process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, name="kabinet-jobs", daemon=True).start()

    def stop(self) -> None:
        """Let the round under way finish and begin no other."""
        self._stopping.set()

    def _work(self) -> None:
        rounds = 0
        while not self._stopping.wait(EVERY_SECONDS):
            rounds += 1
            for every, job in WORK:
                if rounds % every == 0:
                    run_safely(job)


def run_safely(job: Callable[[datetime], object]) -> None:
    """Do it now; a failure is logged, and the next round comes all the same."""
    try:
        job(clock.now())
    except Exception:
        _log.exception("background work failed: %s", job.__name__)
