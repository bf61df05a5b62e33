"""The stored shape is the same on both databases, and what must never happen cannot."""

import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import select

from db import reading, schema, transaction
from db.check import faults
from db.engine import make_engine
from models import AuditEntry, BillingAccount, Customer, LedgerAccount, Order, Region, Table, Transfer
from rules.refusals import Unavailable
from rules.terms import BillingMode, LedgerKind, Outcome, ServiceKind, TransferCode

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _account_with_money(kopecks: int = 50_000) -> tuple[int, int, int]:
    """One account with one top-up in the ledger. Returns its id, its ledger account's and the gateway's."""
    with transaction() as db:
        holder = Customer(last_name="Ким", first_name="Анна", region_code="RU-MOW")
        db.add(holder)
        db.flush()
        account = BillingAccount(
            number="9000000018",
            holder_id=holder.id,
            service=ServiceKind.MOBILE,
            mode=BillingMode.PREPAID,
            status_since_on=date(2026, 1, 1),
            region_code="RU-MOW",
            opened_on=date(2026, 1, 1),
        )
        gateway = LedgerAccount(kind=LedgerKind.GATEWAY)
        db.add(account)
        db.add(gateway)
        db.flush()
        own = LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=account.id, balance_kopecks=kopecks)
        db.add(own)
        db.flush()
        db.add(
            Transfer(
                billing_account_id=account.id,
                debit_id=gateway.id,
                credit_id=own.id,
                amount_kopecks=kopecks,
                code=TransferCode.REFUND,
                key="first",
                occurred_at=NOW,
            )
        )
        return account.id, own.id, gateway.id


def test_an_empty_database_upgrades_to_exactly_the_models(db: sa.Engine):
    with db.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    schema.require_current(db)


def test_every_check_of_the_models_is_in_the_database(db: sa.Engine):
    """Alembic does not see a missing CHECK; this does."""
    inspector = sa.inspect(db)
    for table in Table.metadata.sorted_tables:
        wanted = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
        stored = {c["name"] for c in inspector.get_check_constraints(table.name)}
        assert {f"ck_{table.name}_{n.removeprefix(f'ck_{table.name}_')}" for n in wanted} <= stored, table.name


def test_upgrading_again_changes_nothing(db: sa.Engine):
    schema.upgrade(db)
    with reading() as session:
        assert len(session.exec(select(Region)).all()) == 83


@pytest.mark.parametrize("table", ["transfer", "bonus_entry", "order_event", "audit_entry", "consent"])
def test_append_only_tables_have_their_guards(db: sa.Engine, table: str):
    query = (
        f"SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"
        if db.dialect.name == "sqlite"
        else f"SELECT count(*) FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal"
    )
    with db.connect() as connection:
        assert connection.execute(sa.text(query)).scalar_one() >= 1


def test_a_transfer_can_be_neither_changed_nor_deleted(db: sa.Engine):
    _account_with_money()
    for statement in ("UPDATE transfer SET amount_kopecks = 1", "DELETE FROM transfer"):
        with pytest.raises(DBAPIError, match="append-only"), transaction() as session:
            session.execute(sa.text(statement))
    with reading() as session:
        assert session.exec(select(Transfer)).one().amount_kopecks == 50_000


def test_the_audit_journal_can_be_neither_changed_nor_deleted(db: sa.Engine):
    with transaction() as session:
        session.add(AuditEntry(at=NOW, action="pay", outcome=Outcome.DONE))
    for statement in ("UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry"):
        with pytest.raises(DBAPIError, match="append-only"), transaction() as session:
            session.execute(sa.text(statement))


@pytest.mark.parametrize(
    "change",
    [
        {"amount_kopecks": 0},
        {"amount_kopecks": -5},
        {"key": "first"},
        {"same": True},
    ],
    ids=["nothing moves", "less than nothing", "the same key twice", "to itself"],
)
def test_a_transfer_that_cannot_be_is_refused_by_the_database(db: sa.Engine, change: dict):
    account_id, own, gateway = _account_with_money()
    with pytest.raises(IntegrityError), transaction() as session:
        session.add(
            Transfer(
                billing_account_id=account_id,
                debit_id=own if change.get("same") else gateway,
                credit_id=own,
                amount_kopecks=change.get("amount_kopecks", 100),
                code=TransferCode.TOP_UP,
                key=change.get("key", "second"),
                occurred_at=NOW,
            )
        )


def test_a_word_outside_its_list_is_refused_by_the_database(db: sa.Engine):
    _account_with_money()
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(sa.text("UPDATE billing_account SET status = 'frozen'"))


def test_a_naive_moment_is_refused(db: sa.Engine):
    with pytest.raises(Exception, match=r"(?i)naive|timezone|aware"), transaction() as session:
        session.add(AuditEntry(at=datetime(2026, 1, 1), action="pay", outcome=Outcome.DONE))  # noqa: DTZ001


def test_what_is_raised_inside_a_transaction_undoes_it_all(db: sa.Engine):
    class Crash(Exception): ...

    with pytest.raises(Crash), transaction() as session:
        session.add(AuditEntry(at=NOW, action="pay", outcome=Outcome.DONE))
        session.flush()
        raise Crash
    with reading() as session:
        assert session.exec(select(AuditEntry)).all() == []


# --- the check --------------------------------------------------------------------------------------
def test_a_sound_database_has_no_faults(db: sa.Engine):
    _account_with_money()
    with db.connect() as connection:
        assert faults(connection) == []


FAULTS = {
    "a kept balance differs": "UPDATE ledger_account SET balance_kopecks = 1 WHERE kind = 'customer'",
    "no ledger account": "UPDATE ledger_account SET balance_kopecks = 0, kind = 'revenue', billing_account_id = NULL "
    "WHERE kind = 'customer'",
    "a bill differs": "INSERT INTO bill (billing_account_id, number, month_on, issued_on, due_on, total_kopecks) "
    "SELECT id, 'B1', '2026-10-01', '2026-11-01', '2026-11-20', 100 FROM billing_account",
    "a payment differs from its parts": "INSERT INTO payment (amount_kopecks, method, state, key, created_at) "
    "VALUES (100, 'cash', 'pending', 'k', '2026-11-01 00:00:00')",
    "not credited in full": "INSERT INTO payment (amount_kopecks, method, state, key, created_at, settled_at) "
    "VALUES (100, 'cash', 'succeeded', 'k', '2026-11-01 00:00:00', '2026-11-01 00:00:00')",
    "a bonus lot differs": "INSERT INTO bonus_lot (customer_id, source, granted, remaining, granted_on, expires_on) "
    "SELECT id, 'payment', 10, 7, '2026-01-01', '2027-01-01' FROM customer",
}


@pytest.mark.parametrize(("what", "statement"), FAULTS.items(), ids=FAULTS)
def test_the_check_finds_what_does_not_agree(db: sa.Engine, what: str, statement: str):
    _account_with_money()
    with transaction() as session:
        session.execute(sa.text(statement))
    with db.connect() as connection:
        assert any(what in fault.what for fault in faults(connection))


def _python(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", *arguments], env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, check=False
    )


def test_the_check_command_exits_non_zero_when_a_balance_is_wrong(db: sa.Engine, database_url: str):
    _account_with_money()
    assert _python("db", "check", url=database_url).returncode == 0
    with transaction() as session:
        session.execute(sa.text("UPDATE ledger_account SET balance_kopecks = 1 WHERE kind = 'customer'"))
    run = _python("db", "check", url=database_url)
    assert run.returncode == 1
    assert "balance differs" in run.stderr


# --- what goes wrong outside ------------------------------------------------------------------------
def test_a_database_without_the_schema_is_named_in_a_sentence(tmp_path):
    run = _python("db", "check", url=f"sqlite:///{tmp_path / 'new.db'}")
    assert run.returncode == 2
    assert run.stderr.strip() == "The database is empty. Run: python -m db upgrade"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("not a url", "DATABASE_URL"),
        ("mysql://localhost/x", "only sqlite and postgresql"),
        ("sqlite://", "needs a SQLite file"),
        ("postgresql+psycopg://127.0.0.1:1/none", "cannot be reached"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_in_a_sentence(url: str, says: str):
    run = _python("db", "upgrade", url=url)
    assert run.returncode == 2
    assert says in run.stderr
    assert "Traceback" not in run.stderr


def test_a_locked_database_is_a_refusal_and_changes_nothing(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    if db.dialect.name != "sqlite":
        pytest.skip("PostgreSQL locks rows, not the file")
    with db.connect() as blocker:
        blocker.execution_options(writes=True)
        blocker.exec_driver_sql("SELECT 1")
        monkeypatch.setattr("db.engine.BUSY_MILLISECONDS", 50)
        with db.connect() as quick:
            quick.exec_driver_sql("PRAGMA busy_timeout=50")
        with pytest.raises(Unavailable), transaction() as session:
            session.connection().exec_driver_sql("PRAGMA busy_timeout=50")
            session.add(AuditEntry(at=NOW, action="pay", outcome=Outcome.DONE))
    with reading() as session:
        assert session.exec(select(AuditEntry)).all() == []


def test_an_order_cannot_be_closed_without_a_moment(db: sa.Engine):
    assert "closed_has_moment" in {str(c.name).removeprefix("ck_product_order_") for c in Order.__table__.constraints}
    _account_with_money()
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(
            sa.text(
                "INSERT INTO option (code, service, option_group, recurrence, name_ru, name_en, summary_ru, summary_en, "
                "provisioning_minutes, position) "
                "VALUES ('o', 'mobile', 'calls', 'monthly', 'о', 'o', '', '', 0, 0)"
            )
        )
        session.execute(
            sa.text(
                "INSERT INTO product_order (billing_account_id, option_id, kind, state, key, now_kopecks, monthly_kopecks, "
                "effective_on, placed_at, due_at, reason) "
                "SELECT a.id, o.id, 'connect', 'done', 'k', 0, 0, '2026-11-01', '2026-11-01 00:00:00', '2026-11-01 00:00:00', '' "
                "FROM billing_account a, option o"
            )
        )


def test_a_database_with_money_in_it_goes_from_the_second_schema_to_the_newest_and_loses_nothing(database_url: str):
    """Rewording a table in place must leave its rows, its triggers and its indexes as they were."""
    made = make_engine(database_url)
    with made.execution_options(writes=True).begin() as connection:
        meta = sa.MetaData()
        meta.reflect(connection)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            for name in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all():
                connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
            for table in [table.name for table in reversed(meta.sorted_tables)]:
                connection.exec_driver_sql(f'DROP TABLE "{table}"')
        else:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    with made.execution_options(writes=True).begin() as connection:
        command.upgrade(schema._config(connection), "0002")
        schema.load_regions(connection)
        for statement in (
            "INSERT INTO customer (id, last_name, first_name, patronymic, region_code, language, role)"
            " VALUES (1, 'Ким', 'Анна', '', 'RU-MOW', 'ru', 'customer')",
            "INSERT INTO billing_account (id, number, holder_id, service, mode, status, status_since_on, region_code, address,"
            " opened_on) VALUES (1, '9000000018', 1, 'mobile', 'prepaid', 'active', '2026-01-01', 'RU-MOW', '', '2026-01-01')",
            "INSERT INTO ledger_account (id, kind, billing_account_id, balance_kopecks)"
            " VALUES (1, 'cash', NULL, 0), (2, 'customer', 1, 700)",
            "INSERT INTO payment (id, payer_id, amount_kopecks, method, state, key, created_at, settled_at)"
            " VALUES (1, NULL, 700, 'cash', 'succeeded', 'k', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
            "INSERT INTO payment_part (payment_id, billing_account_id, amount_kopecks) VALUES (1, 1, 700)",
            "INSERT INTO transfer (id, billing_account_id, debit_id, credit_id, amount_kopecks, code, key, occurred_at,"
            " payment_id) VALUES (1, 1, 1, 2, 700, 'top_up', 'payment:1', '2026-01-01 00:00:00', 1)",
        ):
            connection.exec_driver_sql(statement)
    schema.upgrade(made)
    with made.connect() as connection:
        assert faults(connection) == []
        assert connection.exec_driver_sql("SELECT id, amount_kopecks, code FROM transfer").all() == [(1, 700, "top_up")]
        assert connection.exec_driver_sql("SELECT gateway, keeps_card, trouble FROM payment").all() in (
            [(None, 0, "")],
            [(None, False, "")],
        )
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    biller = "INSERT INTO transfer (id, billing_account_id, debit_id, credit_id, amount_kopecks, code, key, occurred_at) VALUES"
    for wrong in (
        "UPDATE transfer SET amount_kopecks = 1",
        f"{biller} (2, NULL, 1, 2, 5, 'top_up', 'a', '2026-01-01 00:00:00')",
        f"{biller} (2, 1, 1, 2, 5, 'biller_payment', 'a', '2026-01-01 00:00:00')",
        f"{biller} (2, 1, 1, 2, 5, 'nonsense', 'a', '2026-01-01 00:00:00')",
    ):
        with pytest.raises(DBAPIError), made.execution_options(writes=True).begin() as connection:
            connection.exec_driver_sql(wrong)
    with made.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(f"{biller} (2, NULL, 1, 2, 5, 'biller_payment', 'a', '2026-01-01 00:00:00')")
    made.dispose()
