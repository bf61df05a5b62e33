"""One engine for both databases, and the two ways to use it.

SQLite runs in WAL mode; a `transaction()` takes the write lock at its start (BEGIN IMMEDIATE), so that what an action
has read cannot change before it writes. PostgreSQL does the same by row: actions lock what they decide on
(`with_for_update()`, which SQLite ignores).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from sqlmodel import Session

from db.turns import Turns
from rules.refusals import Unavailable
from settings import settings

BUSY_MILLISECONDS = 5000


def make_engine(url: str) -> sa.Engine:
    """An engine for a SQLite file or PostgreSQL, set up the way Kabinet needs it.

    Values of statements stay out of error messages, and so out of the log: tokens and e-mails are among them.
    """
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url, pool_size=20, max_overflow=20, pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": 5}
        )
    file = sa.make_url(url).database
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    made = sa.create_engine(url, pool_size=20, max_overflow=20, hide_parameters=True)

    @event.listens_for(made, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"busy_timeout={BUSY_MILLISECONDS}",
            "foreign_keys=ON",
            "mmap_size=268435456",  # 256 MiB read without copying: counting the figures is a tenth quicker
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(made, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


@lru_cache
def _engine_for(url: str) -> sa.Engine:
    return make_engine(url)


def database() -> sa.Engine:
    """The engine of this process, for the `DATABASE_URL` of the settings."""
    return _engine_for(settings().database_url)


@contextmanager
def _session(engine: sa.Engine, *, commit: bool) -> Iterator[Session]:
    try:
        with Session(engine, expire_on_commit=False) as db:
            yield db
            if commit:
                db.commit()
    except (OperationalError, InterfaceError, TimeoutError) as error:
        raise Unavailable() from error


_turns = Turns()


@contextmanager
def transaction() -> Iterator[Session]:
    """A session that commits at the end, or changes nothing when anything is raised.

    Raises rules.refusals.Unavailable when the database is locked or down.
    """
    engine = database()
    with _turn(engine), _session(engine.execution_options(writes=True), commit=True) as db:
        yield db


@contextmanager
def _turn(engine: sa.Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    if not _turns.wait(BUSY_MILLISECONDS / 1000):
        raise Unavailable()
    try:
        yield
    finally:
        _turns.done()


@contextmanager
def reading() -> Iterator[Session]:
    """A session for reading; nothing it changes is kept. Raises Unavailable like `transaction()`."""
    with _session(database(), commit=False) as db:
        yield db
