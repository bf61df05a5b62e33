"""The background of one process: threads that carry out what is due and refresh the figures. They never die of an exception."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

import clock
from actions.letters import send_due
from actions.provisioning import carry_out_due, end_what_ran_out
from jobs import bonus, closing, exports, figures, money

EVERY_SECONDS = 5
_log = logging.getLogger("kabinet.jobs")

WORK: tuple[tuple[int, Callable[[datetime], object]], ...] = (
    (1, send_due),
    (1, carry_out_due),
    (1, exports.make_due),
    (60, exports.drop_due),
    (60, closing.erase_due),
    (60, end_what_ran_out),
    (60, bonus.expire_due),
    (60, bonus.greet_due),
    (60, figures.refresh),
)
"""What is done, and every how many rounds: those with 60 every five minutes."""

AT_THE_GATEWAY: tuple[tuple[int, Callable[[datetime], object]], ...] = (
    (1, money.settle_payments),
    (1, money.settle_money_back),
    (12, money.settle_cards),
)
"""What waits for somebody else's answer, on a thread of its own: a bank that is slow holds up nothing else."""

Work = tuple[tuple[int, Callable[[datetime], object]], ...]


class Loop:
    """The threads of one process."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def start(self) -> None:
        for name, work in (("kabinet-jobs", WORK), ("kabinet-gateway", AT_THE_GATEWAY)):
            threading.Thread(target=self._work, args=(work,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Let the round under way finish and begin no other."""
        self._stopping.set()

    def _work(self, work: Work) -> None:
        rounds = 0
        while not self._stopping.wait(EVERY_SECONDS):
            rounds += 1
            for every, job in work:
                if rounds % every == 0:
                    run_safely(job)


def run_safely(job: Callable[[datetime], object]) -> None:
    """Do it now; a failure is logged, and the next round comes all the same."""
    try:
        job(clock.now())
    except Exception:
        _log.exception("background work failed: %s", job.__name__)
