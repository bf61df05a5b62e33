"""Death of a worker: at a statement, before or after a call to the bank, wherever its hour has come."""

import threading
from collections import Counter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event


class Killed(BaseException):
    """The worker is no more. Not an Exception: nobody catches it on the way, and nothing is tidied up."""


class Fate:
    """Counts the steps of workers; at the last one that is left, the worker dies."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._at_the_bank = False
        self._lock = threading.Lock()
        self.deaths: Counter[str] = Counter()

    def dies_in(self, steps: int | None, *, at_the_bank: bool = False) -> None:
        """After so many steps from now, or so many of those at the bank; None: it lives."""
        self._left, self._at_the_bank = steps, at_the_bank

    def step(self, where: str, *, bank: bool = False) -> None:
        """One more step was made. Raises Killed; in a dead process no thread makes another step."""
        with self._lock:
            if self._left is None or (self._left > 0 and self._at_the_bank and not bank):
                return
            self._left -= 1
            if self._left > 0:
                return
            self.deaths[where] += self._left == 0
        raise Killed(where)

    def watch(self, engine: sa.Engine) -> "Any":
        """Every statement of this engine is a step; returns what ends the watch."""

        def statement(_connection: Any, _cursor: Any, text: str, *_more: Any) -> None:
            verb = text.lstrip("( \n").split(None, 1)[0].lower()
            self.step("before reading" if verb in ("select", "with") else "before writing")

        event.listen(engine, "before_cursor_execute", statement)
        return lambda: event.remove(engine, "before_cursor_execute", statement)
