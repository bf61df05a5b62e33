"""Writers of one process take turns at a SQLite file, first come, first served.

SQLite lets one write at a time and makes the others try again after a while: a background that writes all the time would have a
person try in vain for seconds. In turn, nobody waits longer than for those before them.
"""

import threading
from collections import deque


class Turns:
    """Who has come to write, in that order."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    def wait(self, seconds: float) -> bool:
        """Wait for those before us, so long at most. Whether it is our turn; then `done` must be called."""
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                return True
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(seconds):
            return True
        with self._mutex:
            if called.is_set():
                return True  # just now
            self._waiting.remove(called)
            return False

    def done(self) -> None:
        """Let the next one write."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
