"""Where the durable engine keeps its own tables: a file beside SQLite's, and in PostgreSQL a schema of its own in our database.

They are apart from ours: other migrations look after them, and losing them loses no work (jobs/engine.py).
"""

import sqlite3
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

import clock
from db.engine import make_engine


def make_workflow_engine(ours: sa.Engine) -> sa.Engine:
    """An engine for the tables of the workflows, set up with the same care as ours."""
    if ours.dialect.name != "sqlite":
        return make_engine(ours.url.render_as_string(hide_password=False))
    file = Path(str(ours.url.database))
    made = sa.create_engine(f"sqlite:///{file.with_name(file.stem + '-jobs' + (file.suffix or '.db'))}", pool_size=20)

    @event.listens_for(made, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # it says BEGIN itself where it must, and never begins by reading
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        # It asks for unixepoch('subsec') by the version of Python, not of SQLite: 3.42 brought it.
        if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
            connection.create_function("unixepoch", 1, lambda how: clock.real_now().timestamp() if how == "subsec" else None)

    return made
