"""Places for processes that do background work: each takes one that is free, and loses it when it dies, however it dies.

The engine must know whose unfinished work may be taken over. A process's name there is its slot; a slot is held by a lock that
ends with the process: of a file beside a SQLite database, of a session of PostgreSQL.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from db.engine import database

MOST = 64
_PREFIX = "slot-"


class Lock(Protocol):
    """What only one process can have, until it closes it or dies."""

    def is_held(self) -> bool: ...

    def close(self) -> None: ...


class Slot:
    """A place that this process holds until it ends or lets it go."""

    def __init__(self, number: int, lock: Lock) -> None:
        self.number = number
        self._lock: Lock | None = lock

    @property
    def name(self) -> str:
        return f"{_PREFIX}{self.number}"

    def keep(self) -> bool:
        """Take the place anew, should its lock have gone with a session of the database; whether it is held."""
        if self._lock is None or not self._lock.is_held():
            self.let_go()
            self._lock = alone(self.name)
        return self._lock is not None

    def let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def take() -> Slot:
    """The first place that is free. Raises RuntimeError when all are taken."""
    for number in range(1, MOST + 1):
        lock = alone(f"{_PREFIX}{number}")
        if lock is not None:
            return Slot(number, lock)
    raise RuntimeError(f"all {MOST} places for background work are taken")


def is_dead(name: str) -> bool:
    """Whether nobody holds the place of that name."""
    number = name.removeprefix(_PREFIX)
    if not name.startswith(_PREFIX) or not number.isdigit():
        return True
    lock = alone(name)
    if lock is None:
        return False
    lock.close()
    return True


def alone(name: str) -> Lock | None:
    """A lock of that name, held as long as it is not closed; None when another has it."""
    engine = database()
    if engine.dialect.name == "sqlite":
        file = Path(f"{engine.url.database}.{name}").open("a")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return _File(file)
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    key = sa.func.hashtextextended(f"kabinet-{name}", 0)
    if connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar():
        return _Session(connection)
    connection.close()
    return None


class _File:
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def is_held(self) -> bool:
        return not self._file.closed

    def close(self) -> None:
        self._file.close()


class _Session:
    """A session of PostgreSQL that holds an advisory lock; the lock ends with it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def is_held(self) -> bool:
        try:
            self._connection.execute(sa.select(1))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        if not self._connection.closed:
            with suppress(SQLAlchemyError):
                self._connection.execute(sa.select(sa.func.pg_advisory_unlock_all()))  # or it goes when the server notices
            self._connection.invalidate()  # back in the pool it would keep what could not be let go
            self._connection.close()
