"""One seeding: the schema, the catalogue, the customers chunk by chunk, the figures."""

import importlib
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import bcrypt
import numpy as np
import sqlalchemy as sa

import clock
from db.schema import upgrade
from models import Table
from rules.passwords import prehash
from rules.periods import add_months
from seed import billers, catalogue, notices, personas
from seed.chunk import Chunk
from seed.codes import OWN_LEDGERS
from seed.load import Loader, Tables, Words, loading
from seed.people import CITIES
from seed.world import DAY, World, make_world

LEAST_CUSTOMERS = 10
"""The personas and their relatives."""

CHUNK = 2000
"""Customers who are lived through and written together; it bounds the memory."""

Report = Callable[[float, str], None]
"""Called with the share that is done, 0 to 1, and what is being done now (a word of `STAGES`)."""

STAGES = ("schema", "customers", "figures", "done")


class SeedRefused(Exception):
    """Nothing was changed. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class SeedReport:
    """How many rows each table got, and how long it took."""

    rows: dict[str, int]
    seconds: float

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def run(
    *,
    engine: sa.Engine,
    customers: int,
    months: int,
    seed: int,
    as_of: date,
    reset: bool = False,
    report: Report | None = None,
) -> SeedReport:
    """Fill an empty database with customers whose history has `months` full months and ends on `as_of`.

    The same arguments give the same rows, the password's salt and the moments of seeding and counting aside. Personas
    are among the customers; their states are promised from six months on, what they pay in a year from twelve.
    Everything before midnight in Moscow of `as_of` has happened, and that day's billing run if it is the 1st.
    Raises SeedRefused when the database has customers already and `reset` is not given, and for impossible numbers.
    """
    began = time.perf_counter()
    tell: Report = report or (lambda _share, _stage: None)
    if customers < LEAST_CUSTOMERS:
        raise SeedRefused(f"At least {LEAST_CUSTOMERS} customers are needed: the personas are that many.")
    if months < 1:
        raise SeedRefused("At least one month of history is needed.")
    tell(0.0, "schema")
    with ThreadPoolExecutor(1) as aside:  # bcrypt takes its time by design; it takes it beside the rest
        password_hash = aside.submit(_password_hash)
        rows = _fill(engine, customers, months, seed, as_of, reset, tell, password_hash)
    tell(1.0, "done")
    return SeedReport(rows=rows, seconds=time.perf_counter() - began)


def _fill(
    engine: sa.Engine,
    customers: int,
    months: int,
    seed: int,
    as_of: date,
    reset: bool,
    tell: Report,
    password_hash: Future[str],
) -> dict[str, int]:
    if reset:
        drop_everything(engine)
    upgrade(engine)
    _require_empty(engine)

    with engine.connect() as connection:
        zones: dict[str, str] = dict(connection.execute(sa.text("SELECT code, time_zone FROM region")).tuples().all())
    cities = [city for city in CITIES if city.region in zones]
    world = make_world(seed=seed, as_of=as_of, months=months, cities=cities, time_zones=zones)
    tables = Tables(Words(add_months(as_of, -12 * 110), add_months(as_of, 12 * 8)))
    rows: Counter[str] = Counter()
    with loading(engine) as loader:
        offered = catalogue.rows(first=world.month_on[0], as_of=as_of, regions=list(zones))
        for table, ready in (offered | billers.rows(regions=list(zones))).items():
            loader.write(table, ready)
            rows[table] += len(ready)
        own = [kind.value for kind in OWN_LEDGERS]
        tables.add("ledger_account", tables.ids("ledger_account", len(own)), own, np.full(len(own), -1), [0] * len(own))
        for number, first in enumerate(range(0, customers, CHUNK)):
            tell(0.05 + 0.85 * first / customers, "customers")
            cast = personas.cast(as_of) if number == 0 else None
            chunk = Chunk(world, tables, number=number, first_id=first + 1, count=min(CHUNK, customers - first), cast=cast)
            chunk.live()
            if cast:
                billers.add_history(chunk, tables)
                _add_credentials(tables, world, len(personas.KEYS), password_hash.result())
            _write(tables, loader, rows)
        tables.add("seed_run", [1], [customers], [months], [seed], [as_of.isoformat()], [f"{clock.now():%Y-%m-%d %H:%M:%S.%f}"])
        _write(tables, loader, rows)
    with engine.execution_options(writes=True).begin() as connection:
        rows["notice"] = notices.write(connection, world)
    tell(0.9, "figures")
    _rebuild_figures(engine, world)
    return dict(rows)


def _write(tables: Tables, loader: Loader, rows: Counter[str]) -> None:
    for table, count, ready in tables.take():
        loader.write(table, ready)
        rows[table] += count


def _password_hash() -> str:
    """One hash of the demo's password, for all personas: hashing it nine times would show nothing more."""
    return bcrypt.hashpw(prehash(personas.PASSWORD).encode(), bcrypt.gensalt(12)).decode()


def _add_credentials(tables: Tables, world: World, count: int, password_hash: str) -> None:
    """The personas, and nobody else, can sign in."""
    at = world.start * DAY + 12 * 3600
    tables.add("credential", list(range(1, count + 1)), [password_hash] * count, [at] * count)


def _require_empty(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        earlier = connection.execute(sa.text("SELECT customers, months, as_of_on FROM seed_run ORDER BY id DESC")).first()
        anybody = connection.execute(sa.text("SELECT 1 FROM customer LIMIT 1")).first()
    if earlier:
        raise SeedRefused(
            f"The database was seeded already ({earlier[0]} customers, {earlier[1]} months up to {earlier[2]}). "
            "To throw it away and seed anew, add --reset."
        )
    if anybody:
        raise SeedRefused("The database has customers that the seeder did not make. To throw them away, add --reset.")


def drop_everything(engine: sa.Engine) -> None:
    """Drop all tables of ours and what goes with them; what others keep in the same database stays."""
    names = [*(table.name for table in Table.metadata.sorted_tables), "alembic_version"]
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            # Neither foreign keys nor triggers are asked: everything goes.
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for name in reversed(names):
                connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{name}"')
            connection.commit()
            connection.invalidate()
        return
    with engine.begin() as connection:
        for name in reversed(names):
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{name}" CASCADE')
        functions = connection.execute(
            sa.text(
                "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                "WHERE n.nspname = current_schema() AND p.proname LIKE '%\\_is\\_append\\_only'"
            )
        ).scalars()
        for function in functions.all():
            connection.exec_driver_sql(f'DROP FUNCTION "{function}"() CASCADE')


def _rebuild_figures(engine: sa.Engine, world: World) -> None:
    try:
        figures = importlib.import_module("queries.figures")
    except ModuleNotFoundError:
        return
    with engine.execution_options(writes=True).begin() as connection:
        figures.rebuild(connection, today=world.as_of)


__all__ = ["SeedRefused", "SeedReport", "drop_everything", "run"]
