"""Bringing a database to the current schema, and telling whether it is there."""

import csv
import shutil
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from db.engine import database
from models import Customer, Region

HERE = Path(__file__).parent

DatabaseError = SQLAlchemyError
"""Whatever a database says when it cannot be reached or worked with."""


class SchemaError(Exception):
    """The database is not at the schema this code needs. The text says what to run."""


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision this code was written for."""
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return head


def current(engine: sa.Engine) -> str | None:
    """The revision the database is at; None when it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: sa.Engine) -> None:
    """Bring the database to the newest revision and load the reference data. Safe to repeat.

    SQLite cannot undo a half-done schema change, so its file is copied beside itself first (`….before-<revision>`).
    """
    at = current(engine)
    file = engine.url.database
    if at not in (None, newest()) and engine.dialect.name == "sqlite" and file:
        shutil.copyfile(file, f"{file}.before-{newest()}")
    with engine.execution_options(writes=True).begin() as connection:
        command.upgrade(_config(connection), "head")
        load_regions(connection)


def load_regions(connection: sa.Connection) -> None:
    """Insert or refresh the regions of `reference/regions.csv`."""
    with (HERE / "reference" / "regions.csv").open(encoding="utf-8", newline="") as file:
        rows = [dict(row, position=position) for position, row in enumerate(csv.DictReader(file))]
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(Region.__table__).values(rows)  # type: ignore[attr-defined]
    fresh = {name: statement.excluded[name] for name in ("name_ru", "name_en", "time_zone", "position")}
    connection.execute(statement.on_conflict_do_update(index_elements=["code"], set_=fresh))


def is_empty(engine: sa.Engine) -> bool:
    """Whether nothing lives in the database yet: no schema, or the current one with nobody in it."""
    at = current(engine)
    if at is None:
        return True
    with engine.connect() as connection:
        return at == newest() and connection.execute(sa.select(sa.literal(1)).select_from(Customer).limit(1)).first() is None


def require_current(engine: sa.Engine) -> None:
    """Raise SchemaError unless the database is at the newest revision."""
    at = current(engine)
    if at == newest():
        return
    state = "is empty" if at is None else f"is at revision {at}, this version needs {newest()}"
    raise SchemaError(f"The database {state}. Run: python -m db upgrade")


def state() -> str:
    """Whether the process's database can be worked with: "ok", "schema" (not the newest), or "database" (no answer)."""
    try:
        require_current(database())
    except SchemaError:
        return "schema"
    except DatabaseError:
        return "database"
    return "ok"
