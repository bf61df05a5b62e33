"""Live billing goes on where a seeded history ends: the same bills, and nobody is in another state than before."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from actions.billing import bill_due
from actions.blocking import block_overdue, resume_paid
from db import database, reading
from db.check import faults
from db.engine import make_engine
from seed.run import run
from tests.billing.world import run_at
from tests.conftest import use_database

AS_OF, BILLING_DAY, AFTER = date(2026, 11, 20), date(2026, 12, 1), date(2027, 1, 1)
SEEDED, LIVE = date(2026, 10, 1), date(2026, 11, 1)
"""The last month that the seeder billed, and the first that is billed live."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("history") / "kabinet.db"
    made = make_engine(f"sqlite:///{file}")
    run(engine=made, customers=400, months=8, seed=7, as_of=AS_OF)
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.dispose()
    return file


@pytest.fixture
def seeded(history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    file = tmp_path / "kabinet.db"
    shutil.copyfile(history, file)
    made = use_database(f"sqlite:///{file}", monkeypatch)
    yield made
    made.dispose()


def rows(query: str, **given: object) -> list[tuple[object, ...]]:
    with database().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), given)]


def states() -> dict[object, object]:
    return dict(rows("SELECT id, status || status_since_on FROM billing_account"))  # type: ignore[arg-type]


STEADY = """SELECT id FROM billing_account a WHERE status = 'active' AND status_since_on < '2026-10-01' AND NOT EXISTS (
    SELECT 1 FROM subscription s WHERE s.billing_account_id = a.id
    AND (s.started_on >= '2026-10-01' OR s.ended_on > '2026-10-01'))"""
"""Accounts with which nothing happened since the last seeded bill."""

LINES = """SELECT b.billing_account_id, l.code, l.plan_id, l.option_id, l.amount_kopecks, l.from_on = b.month_on,
    l.to_on = date(b.month_on, '+1 month', '-1 day'), t.key, t.debit_id, t.credit_id
    FROM bill b JOIN bill_line l ON l.bill_id = b.id JOIN transfer t ON t.id = l.transfer_id
    WHERE b.month_on = :month ORDER BY b.billing_account_id, l.id"""


def bill_all(day: date) -> None:
    while bill_due(run_at(day)):
        pass


def test_a_bill_of_a_month_in_which_nothing_changed_is_the_bill_of_the_month_before(seeded: sa.Engine):
    bill_all(BILLING_DAY)
    steady = {row[0] for row in rows(STEADY)}
    before, after = (
        [
            (*row[:7], re.sub(r"\d{4}-\d{2}$", "", str(row[7])), *row[8:])
            for row in rows(LINES, month=str(month))
            if row[0] in steady
        ]
        for month in (SEEDED, LIVE)
    )
    assert len(steady) > 300
    assert before == after
    for months in rows("SELECT DISTINCT substr(t.key, -7) FROM bill b JOIN bill_line l ON l.bill_id = b.id"
                       " JOIN transfer t ON t.id = l.transfer_id WHERE b.month_on = :month AND t.key LIKE 'plan:%'",
                       month=str(LIVE)):  # fmt: skip
        assert months == ("2026-11",)


def test_numbers_and_days_of_bills_go_on_in_the_same_form(seeded: sa.Engine):
    bill_all(BILLING_DAY)
    # (family and their parents: their bills fall due when the presenter needs it)
    heads = "SELECT billing_account_id, number, issued_on, due_on FROM bill WHERE month_on = :month AND billing_account_id > 20"
    for month, issued in ((SEEDED, "2026-11-01"), (LIVE, "2026-12-01")):
        found = rows(heads, month=str(month))
        assert len(found) > 300
        assert {row[1:] for row in found} == {(f"{month:%y%m}-{row[0]:08d}", issued, issued[:8] + "20") for row in found}


def test_everybody_who_was_billed_before_and_works_still_is_billed_again(seeded: sa.Engine):
    bill_all(BILLING_DAY)
    left_out = rows(
        """SELECT a.id FROM billing_account a WHERE a.status = 'active' AND a.status_since_on < '2026-10-01'
           AND EXISTS (SELECT 1 FROM bill WHERE billing_account_id = a.id AND month_on = '2026-10-01')
           AND NOT EXISTS (SELECT 1 FROM bill WHERE billing_account_id = a.id AND month_on = '2026-11-01')"""
    )
    assert left_out == []
    gone = rows("SELECT COUNT(*) FROM bill b JOIN billing_account a ON a.id = b.billing_account_id WHERE b.month_on = :month"
                " AND a.closed_on <= '2026-11-01'", month=str(LIVE))  # fmt: skip
    assert gone == [(0,)]
    bill_all(AFTER)
    with reading() as session:
        assert faults(session.connection()) == []
    assert rows("SELECT DISTINCT billed_on FROM billing_account") == [(str(AFTER),)]
    assert rows("SELECT COUNT(*) FROM transfer t LEFT JOIN bill_line l ON l.transfer_id = t.id WHERE l.id IS NULL AND"
                " t.code IN ('plan_fee', 'option_fee', 'one_off') AND t.occurred_at < '2027-01-01'") == [(0,)]  # fmt: skip


def test_right_after_seeding_nothing_is_due_and_nobody_changes_state(seeded: sa.Engine):
    before, noon = states(), datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert (bill_due(noon), block_overdue(noon), resume_paid(noon)) == (0, 0, 0)
    assert states() == before
    assert {str(state)[:7] for state in before.values()} >= {"blocked", "suspend", "active2"}


@pytest.mark.parametrize("as_of", [date(2026, 12, 1), date(2027, 1, 31), date(2027, 3, 12)])
def test_personas_stay_what_they_are_there_to_show(as_of: date, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = use_database(f"sqlite:///{tmp_path / 'cast.db'}", monkeypatch)
    run(engine=made, customers=60, months=8, seed=7, as_of=as_of)
    before, noon = states(), datetime(as_of.year, as_of.month, as_of.day, 9, tzinfo=UTC)
    assert (bill_due(noon), block_overdue(noon), resume_paid(noon)) == (0, 0, 0)
    assert states() == before
    made.dispose()


def test_who_is_blocked_in_a_seeded_history_is_whom_the_rule_names(seeded: sa.Engine):
    """All blocked accounts are taken for active ones: the rule blocks them again, and nobody else."""
    blocked = {row[0] for row in rows("SELECT id FROM billing_account WHERE status = 'blocked'")}
    cast = {row[0] for row in rows("SELECT id FROM billing_account WHERE id <= 18")}
    with seeded.execution_options(writes=True).begin() as connection:
        connection.execute(sa.text("UPDATE billing_account SET status = 'active' WHERE status = 'blocked'"))
    block_overdue(datetime(2026, 11, 20, 9, tzinfo=UTC))
    again = {row[0] for row in rows("SELECT id FROM billing_account WHERE status = 'blocked'")}
    assert again - cast == blocked - cast
    assert len(again) > 3


def test_the_pause_of_a_holder_goes_on_over_billing_days(seeded: sa.Engine):
    paused = rows("SELECT id FROM billing_account WHERE status = 'suspended'")
    assert paused
    bill_all(BILLING_DAY)
    bill_all(AFTER)
    assert rows("SELECT id FROM billing_account WHERE status = 'suspended'") == paused
    since = str(datetime.combine(AS_OF, datetime.min.time()) + timedelta(days=1))
    charged = rows("SELECT t.billing_account_id FROM transfer t JOIN billing_account a ON a.id = t.billing_account_id"
                   " WHERE a.status = 'suspended' AND t.occurred_at > :since", since=since)  # fmt: skip
    assert charged == []
