"""The background of one process: a thread that carries out what is due and refreshes the figures. Never dies of an exception."""

import logging
import threading

import clock
from actions.provisioning import carry_out_due
from jobs import figures

EVERY_SECONDS = 5
FIGURES_EVERY = 60
"""In rounds: the figures are recounted every five minutes."""

_log = logging.getLogger("kabinet.jobs")


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
            try:
                carry_out_due(clock.now())
                if rounds % FIGURES_EVERY == 0:
                    figures.refresh(clock.now())
            except Exception:
                _log.exception("background round failed")
