"""The background of one process: a thread that carries out what is due and refreshes the figures. Never dies of an exception."""

import logging
import threading

import clock

from jobs import figures

EVERY_SECONDS = 5
FIGURES_EVERY = 60
"""In rounds: the figures are recounted every five minutes."""

_log = logging.getLogger("kabinet.jobs")
_stopping = threading.Event()


def _round(number: int) -> None:
    if number % FIGURES_EVERY == 0:
        figures.refresh(clock.now())


def _work() -> None:
    number = 0
    while not _stopping.wait(EVERY_SECONDS):
        number += 1
        try:
            _round(number)
        except Exception:
            _log.exception("background round failed")


def start() -> None:
    """Begin; once per process."""
    _stopping.clear()
    threading.Thread(target=_work, name="kabinet-jobs", daemon=True).start()


def stop() -> None:
    """Let the round under way finish and begin no other."""
    _stopping.set()
