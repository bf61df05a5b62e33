"""Places for processes that do background work: each takes one that is free, and loses it when it dies, however it dies.

The engine must know whose unfinished work may be taken over. A process's name there is its slot; a slot is held by a lock that
ends with the process: of a file beside a SQLite database, of a session of PostgreSQL.
"""

import fcntl
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db import database

MOST = 64
_PREFIX = "slot-"


class Slot:
    """A place that this process holds until it ends or lets it go."""

    def __init__(self, number: int, held: Any) -> None:
        self.number, self._held = number, held

    @property
    def name(self) -> str:
        return f"{_PREFIX}{self.number}"

    def let_go(self) -> None:
        self._held.close()


def take() -> Slot:
    """The first place that is free. Raises RuntimeError when all are taken."""
    for number in range(1, MOST + 1):
        held = _lock(number)
        if held is not None:
            return Slot(number, held)
    raise RuntimeError(f"all {MOST} places for background work are taken")


def is_dead(name: str) -> bool:
    """Whether nobody holds the place of that name."""
    number = name.removeprefix(_PREFIX)
    if not name.startswith(_PREFIX) or not number.isdigit():
        return True
    held = _lock(int(number))
    if held is None:
        return False
    held.close()
    return True


def _lock(number: int) -> Any:
    return alone(f"{_PREFIX}{number}")


def alone(name: str) -> Any:
    """A lock that only one process can have, held as long as it is not closed; None when another has it."""
    engine = database()
    if engine.dialect.name == "sqlite":
        file = Path(f"{engine.url.database}.{name}").open("a")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    key = sa.func.hashtextextended(f"kabinet-{name}", 0)
    if connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar():
        return _Session(connection)
    connection.close()
    return None


class _Session:
    """A session of PostgreSQL that holds an advisory lock; the lock ends with it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.invalidate()  # back in the pool it would keep the lock
        self._connection.close()
