"""The seeded history agrees with itself and with the rules, and repeats."""

import hashlib
import json
import sqlite3
import sys
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.check import faults
from db.engine import make_engine
from models import Table
from rules.billing import PricedItem, monthly_charges
from rules.bonus import BonusTerms, points_for_payment
from rules.numbers import check_account_number
from rules.periods import clamp_day, next_month
from rules.terms import BillerCategory, BillerFieldKind
from rules.utilities import FieldTerms, check_fields
from seed import SeedRefused, SeedReport, run

AS_OF = date(2026, 11, 22)
CUSTOMERS, MONTHS = 60, 12
MANY = 1500
NOT_REPEATED = {"credential": "password_hash", "seed_run": "finished_at"}
LAST_MOMENT = datetime(2026, 11, 21, 21, tzinfo=UTC)
"""Midnight in Moscow."""


def seeded(file: Path, **given: Any) -> tuple[sa.Engine, SeedReport]:
    engine = make_engine(f"sqlite:///{file}")
    chosen = {"customers": CUSTOMERS, "months": MONTHS, "seed": 7, "as_of": AS_OF} | given
    return engine, run(engine=engine, **chosen)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("seeded") / "kabinet.db"
    seeded(made)[0].dispose()
    return made


@pytest.fixture(scope="module")
def rows(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    return connection


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    """Enough people for what is rare."""
    made = tmp_path_factory.mktemp("many") / "kabinet.db"
    seeded(made, customers=MANY, months=14)[0].dispose()
    connection = sqlite3.connect(made)
    connection.row_factory = sqlite3.Row
    return connection


def fingerprints(file: Path) -> dict[str, str]:
    """A hash of every table, but for salts and the moments when it was made."""
    connection = sqlite3.connect(file)
    found = {}
    for table in Table.metadata.sorted_tables:
        columns = [f'"{column.name}"' for column in table.columns if column.name != NOT_REPEATED.get(table.name)]
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
        content = connection.execute(f'SELECT {", ".join(columns)} FROM "{table.name}" ORDER BY {keys}').fetchall()
        if table.name == "monthly_figure":
            content = [row for row in content if "counted_at" not in row]
        found[table.name] = hashlib.sha256(repr(content).encode()).hexdigest()
    connection.close()
    return found


def test_the_same_seed_and_day_give_the_same_rows_in_every_table(file: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.db"
    seeded(again)[0].dispose()
    assert fingerprints(file) == fingerprints(again)


def test_another_seed_gives_other_people(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    seeded(other, seed=8)[0].dispose()
    mine, theirs = fingerprints(file), fingerprints(other)
    assert mine["customer"] != theirs["customer"]
    assert mine["transfer"] != theirs["transfer"]
    assert mine["plan_price"] == theirs["plan_price"]


def test_balances_bills_payments_and_points_agree(file: Path) -> None:
    with make_engine(f"sqlite:///{file}").connect() as connection:
        assert faults(connection) == []


def test_every_reference_leads_to_a_row(rows: sqlite3.Connection) -> None:
    assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
    assert rows.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_every_table_of_the_history_has_rows(rows: sqlite3.Connection) -> None:
    lives_later = {"login_session", "throttle", "registration", "proof", "second_factor", "recovery_code", "external_identity"}
    lives_later |= {"data_export", "card_setup", "refund", "test_bank_payment", "test_bank_refund"}
    lives_later |= {"notice", "job_run", "demo_clock", "clock_move"}
    empty = {t.name for t in Table.metadata.sorted_tables if not rows.execute(f'SELECT 1 FROM "{t.name}" LIMIT 1').fetchone()}
    assert empty - lives_later == set()


def test_the_test_bank_knows_every_saved_card_as_the_portal_does(many: sqlite3.Connection) -> None:
    card = "token, brand, last_four, expires_on"
    ours = many.execute(f"SELECT {card} FROM saved_card ORDER BY token").fetchall()
    assert len(ours) > 10
    assert many.execute(f"SELECT {card} FROM test_bank_card ORDER BY token").fetchall() == ours


def test_nothing_is_in_the_future(rows: sqlite3.Connection) -> None:
    planned = {("attach_code", "expires_at"), ("product_order", "due_at"), ("saved_card", "expires_on"), ("bill", "due_on"),
               ("bonus_lot", "expires_on"), ("product_order", "effective_on"), ("subscription", "ends_on"),
               ("test_bank_card", "expires_on"), ("seed_run", "finished_at")}  # fmt: skip
    seen = 0
    for table in Table.metadata.sorted_tables:
        for column in table.columns:
            if (table.name, column.name) in planned or not column.name.endswith(("_at", "_on", "at")):
                continue
            if not isinstance(column.type, (sa.Date, sa.DateTime)) and "DateTime" not in repr(column.type):
                continue
            latest = rows.execute(f'SELECT MAX("{column.name}") FROM "{table.name}"').fetchone()[0]
            if latest is None:
                continue
            seen += 1
            if isinstance(column.type, sa.Date):
                allowed = next_month(AS_OF) if (table.name, column.name) == ("bill_line", "to_on") else AS_OF
                assert date.fromisoformat(latest) <= allowed, (table.name, column.name)
            else:
                assert datetime.fromisoformat(latest).replace(tzinfo=UTC) < LAST_MOMENT, (table.name, column.name)
    assert seen > 25


def test_what_needs_another_thing_comes_after_it(many: sqlite3.Connection) -> None:
    assert not many.execute("SELECT 1 FROM attachment WHERE detached_at < attached_at").fetchall()
    assert not many.execute("SELECT 1 FROM billing_account WHERE status_since_on < opened_on").fetchall()
    assert not many.execute(
        "SELECT 1 FROM payment p JOIN saved_card c ON c.id = p.card_id WHERE p.created_at < c.added_at"
    ).fetchall()
    assert not many.execute(
        "SELECT 1 FROM transfer t JOIN billing_account b ON b.id = t.billing_account_id "
        "WHERE datetime(t.occurred_at, '+12 hours') < b.opened_on"  # the day began in Kamchatka twelve hours before
    ).fetchall()
    assert not many.execute(
        "SELECT p.id FROM payment p JOIN customer c ON c.id = p.payer_id WHERE p.created_at < c.registered_at"
    ).fetchall()


def test_a_bill_is_the_plan_and_its_options_for_the_days_they_worked(rows: sqlite3.Connection) -> None:
    prices: dict[tuple[str, int], list[tuple[date, int]]] = defaultdict(list)
    for kind, table in (("plan", "plan_price"), ("option", "option_price")):
        money = "monthly_kopecks" if kind == "plan" else "price_kopecks"
        for row in rows.execute(f"SELECT {kind}_id AS id, valid_from_on, {money} AS price FROM {table} ORDER BY 2"):
            prices[kind, row["id"]].append((date.fromisoformat(row["valid_from_on"]), row["price"]))
    once = {row[0] for row in rows.execute("SELECT id FROM option WHERE recurrence = 'once'")}
    had: dict[int, list[sqlite3.Row]] = defaultdict(list)
    for row in rows.execute("SELECT * FROM subscription"):
        had[row["billing_account_id"]].append(row)

    compared = prorated = 0
    for bill in rows.execute("SELECT * FROM bill"):
        month = date.fromisoformat(bill["month_on"])
        items, extra = [], 0
        for sub in had[bill["billing_account_id"]]:
            kind = "plan" if sub["plan_id"] else "option"
            product = sub["plan_id"] or sub["option_id"]
            began = date.fromisoformat(sub["started_on"])
            end = sub["ended_on"] or sub["ends_on"]
            if began >= next_month(month) or (end and date.fromisoformat(end) <= month):
                continue
            price = [price for since, price in prices[kind, product] if since <= month][-1]
            if kind == "option" and product in once:
                extra += price if began >= month else 0
            else:
                items.append(PricedItem(f"{kind}:{product}", "plan" if kind == "plan" else "option", price, began))
        charges = monthly_charges(month_on=month, items=items)
        compared += 1
        prorated += any(charge.prorated for charge in charges)
        assert bill["total_kopecks"] == sum(charge.amount_kopecks for charge in charges) + extra, bill["number"]
        assert date.fromisoformat(bill["issued_on"]) == next_month(month)
    assert compared > 500
    assert prorated > 20


def test_a_bill_has_exactly_the_charges_of_its_month(rows: sqlite3.Connection) -> None:
    """Prepaid: those posted in the month. Postpaid: those posted when it was issued. No charge is on no bill but this month's."""
    odd = rows.execute(
        """SELECT t.id FROM bill_line l JOIN bill b ON b.id = l.bill_id JOIN transfer t ON t.id = l.transfer_id
           JOIN billing_account a ON a.id = b.billing_account_id
           WHERE substr(t.occurred_at, 1, 7) <> substr(CASE a.mode WHEN 'prepaid' THEN b.month_on ELSE b.issued_on END, 1, 7)"""
    ).fetchall()
    assert odd == []
    unbilled = rows.execute(
        """SELECT DISTINCT a.mode, substr(t.occurred_at, 1, 7) FROM transfer t
           JOIN billing_account a ON a.id = t.billing_account_id
           LEFT JOIN bill_line l ON l.transfer_id = t.id
           WHERE t.code IN ('plan_fee', 'option_fee', 'one_off') AND l.id IS NULL"""
    ).fetchall()
    assert [tuple(row) for row in unbilled] == [("prepaid", "2026-11")]


def test_points_are_what_the_rule_gives_for_each_payment_and_cash_gives_none(rows: sqlite3.Connection) -> None:
    found = rows.execute(
        """SELECT p.amount_kopecks, p.method, SUM(e.points) AS points FROM payment p
           LEFT JOIN bonus_entry e ON e.payment_id = p.id AND e.kind = 'earned'
           WHERE p.state = 'succeeded' AND p.id NOT IN (SELECT payment_id FROM utility_payment) GROUP BY p.id"""
    ).fetchall()
    for row in found:
        by_rule = points_for_payment(
            amount_kopecks=row["amount_kopecks"], by_autopay=row["method"] == "autopay", terms=BonusTerms()
        ).total
        assert (row["points"] or 0) == (0 if row["method"] == "cash" else by_rule)
    assert not rows.execute(
        "SELECT 1 FROM bonus_entry e JOIN payment p ON p.id = e.payment_id WHERE p.state <> 'succeeded'"
    ).fetchall()
    assert not rows.execute("SELECT 1 FROM bonus_entry WHERE payment_id IN (SELECT payment_id FROM utility_payment)").fetchall()
    kinds = {row[0] for row in rows.execute("SELECT DISTINCT kind FROM bonus_entry")}
    assert kinds >= {"earned", "spent"}
    assert not rows.execute("SELECT 1 FROM bonus_lot WHERE expires_on <= ? AND remaining > 0", [AS_OF.isoformat()]).fetchall()


def test_spent_points_are_money_on_the_account(rows: sqlite3.Connection) -> None:
    points = -rows.execute("SELECT SUM(points) FROM bonus_entry WHERE kind = 'spent'").fetchone()[0]
    money = rows.execute("SELECT SUM(amount_kopecks) FROM transfer WHERE code = 'bonus_spent'").fetchone()[0]
    assert money == points * 100 > 0


def test_only_who_may_pay_pays(many: sqlite3.Connection) -> None:
    strangers = many.execute(
        """SELECT p.id FROM payment p JOIN payment_part x ON x.payment_id = p.id
           WHERE p.payer_id IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM attachment a WHERE a.customer_id = p.payer_id AND a.billing_account_id = x.billing_account_id
             AND a.right <> 'view' AND a.attached_at <= p.created_at)"""
    ).fetchall()
    assert strangers == []


def test_billers_are_on_offer_where_people_pay_them_and_get_what_was_paid(rows: sqlite3.Connection) -> None:
    everywhere = "SELECT id FROM biller WHERE id NOT IN (SELECT biller_id FROM biller_region)"
    for category in ("housing", "power", "water"):
        without = rows.execute(
            f"""SELECT code FROM region WHERE NOT EXISTS (SELECT 1 FROM biller b WHERE b.category = ? AND b.is_active AND (
                b.id IN ({everywhere})
                OR EXISTS (SELECT 1 FROM biller_region g WHERE g.biller_id = b.id AND g.region_code = region.code)))""",
            [category],
        ).fetchall()
        assert without == [], category
    assert {row[0] for row in rows.execute("SELECT DISTINCT category FROM biller")} == set(BillerCategory)
    elsewhere = rows.execute(
        f"""SELECT 1 FROM utility_payment u JOIN payment p ON p.id = u.payment_id JOIN customer c ON c.id = p.payer_id
            WHERE u.biller_id NOT IN ({everywhere}) AND NOT EXISTS (
            SELECT 1 FROM biller_region g WHERE g.biller_id = u.biller_id AND g.region_code = c.region_code)"""
    ).fetchall()
    assert elsewhere == []
    paid, passed_on = (
        rows.execute(query).fetchone()[0]
        for query in (
            "SELECT SUM(amount_kopecks) FROM payment JOIN utility_payment ON payment_id = id WHERE state = 'succeeded'",
            "SELECT SUM(t.amount_kopecks) FROM transfer t JOIN ledger_account l ON l.id = t.credit_id WHERE l.kind = 'billers'",
        )
    )
    assert paid == passed_on > 0


def test_what_was_paid_to_billers_is_what_their_fields_take(rows: sqlite3.Connection) -> None:
    fields: dict[int, list[FieldTerms]] = defaultdict(list)
    for f in rows.execute("SELECT * FROM biller_field ORDER BY position"):
        terms = FieldTerms(f["code"], BillerFieldKind(f["kind"]), bool(f["required"]), f["shortest"], f["longest"], f["decimals"])
        fields[f["biller_id"]].append(terms)
    assert all([f.kind for f in each].count(BillerFieldKind.PAYER_CODE) == 1 for each in fields.values())
    last: dict[tuple[int, str], dict[str, str]] = {}
    for row in rows.execute(
        "SELECT u.*, p.created_at FROM utility_payment u JOIN payment p ON p.id = u.payment_id ORDER BY 5, 1"
    ):
        typed, day = json.loads(row["fields"]), date.fromisoformat(row["created_at"][:10])
        before = last.get((row["biller_id"], typed["account"]), {})
        checked = check_fields(fields=fields[row["biller_id"]], typed=typed, today=day, last=before)
        assert (checked.values, checked.problems) == (typed, {})
        last[row["biller_id"], typed["account"]] = typed
    for row in rows.execute("SELECT * FROM utility_template"):
        typed = json.loads(row["fields"])
        assert typed
        assert not {f.code for f in fields[row["biller_id"]] if f.kind in ("period", "reading")} & set(typed)


def test_each_order_tells_how_it_came_to_its_state(rows: sqlite3.Connection) -> None:
    for order in rows.execute("SELECT * FROM product_order"):
        events = rows.execute("SELECT * FROM order_event WHERE order_id = ? ORDER BY id", [order["id"]]).fetchall()
        assert events[0]["state"] == "accepted"
        assert events[0]["at"] == order["placed_at"]
        assert events[-1]["state"] == order["state"]
        assert [event["at"] for event in events] == sorted(event["at"] for event in events)
        assert order["closed_at"] in (None, events[-1]["at"])
    states = {row[0] for row in rows.execute("SELECT DISTINCT state FROM product_order")}
    assert states >= {"done", "refused"}


def test_a_declined_autopay_is_tried_again_after_one_three_and_five_days_and_then_paused(rows: sqlite3.Connection) -> None:
    tries: dict[tuple[int, str], list[sqlite3.Row]] = defaultdict(list)
    for run_row in rows.execute("SELECT * FROM autopay_run ORDER BY id"):
        tries[run_row["rule_id"], run_row["period"]].append(run_row)
    declined = [runs for runs in tries.values() if runs[0]["result"] == "declined"]
    assert declined
    for runs in declined:
        first = date.fromisoformat(runs[0]["due_on"])
        days = [(date.fromisoformat(r["ran_at"][:10]) - first).days for r in runs]
        assert days == [0, 1, 3, 5][: len(runs)]
        if len(runs) == 4 and runs[-1]["result"] == "declined":
            rule = rows.execute("SELECT state, pause_reason FROM autopay_rule WHERE id = ?", [runs[0]["rule_id"]]).fetchone()
            assert tuple(rule) == ("paused", "declined")
    for run_row in rows.execute("SELECT r.*, p.state FROM autopay_run r LEFT JOIN payment p ON p.id = r.payment_id"):
        assert run_row["state"] == {"succeeded": "succeeded", "declined": "declined", "skipped": None}[run_row["result"]]


def test_calendar_rules_run_on_their_day(many: sqlite3.Connection) -> None:
    found = many.execute(
        "SELECT r.due_on, u.day_of_month FROM autopay_run r JOIN autopay_rule u ON u.id = r.rule_id WHERE u.pay_when = 'monthly'"
    ).fetchall()
    assert found
    for row in found:
        day = date.fromisoformat(row["due_on"])
        assert day == clamp_day(day.replace(day=1), row["day_of_month"])


def test_connected_options_go_together_and_are_on_offer(many: sqlite3.Connection) -> None:
    """At no moment does an account have two that exclude each other, one without what it needs, or one of another region."""
    overlap = """SELECT 1 FROM subscription a JOIN subscription b ON b.billing_account_id = a.billing_account_id
                 JOIN option_relation r ON r.option_id = a.option_id AND r.other_id = b.option_id AND r.kind = 'excludes'
                 WHERE a.started_on < COALESCE(b.ended_on, '9999') AND b.started_on < COALESCE(a.ended_on, '9999')"""
    assert not many.execute(overlap).fetchall()
    needing = many.execute(
        "SELECT a.* FROM subscription a JOIN option_relation r ON r.option_id = a.option_id AND r.kind = 'needs'"
    )
    assert needing.fetchall()
    lacking = """SELECT a.* FROM subscription a JOIN option_relation r ON r.option_id = a.option_id AND r.kind = 'needs'
                 WHERE NOT EXISTS (SELECT 1 FROM subscription b WHERE b.billing_account_id = a.billing_account_id
                 AND b.option_id = r.other_id AND b.started_on <= a.started_on
                 AND COALESCE(b.ended_on, '9999') >= COALESCE(a.ended_on, '9999'))"""
    assert not many.execute(lacking).fetchall()
    elsewhere = """SELECT 1 FROM subscription s
                   JOIN billing_account b ON b.id = s.billing_account_id JOIN option o ON o.id = s.option_id
                   WHERE o.service <> b.service OR (s.option_id IN (SELECT option_id FROM option_region) AND NOT EXISTS (
                   SELECT 1 FROM option_region g WHERE g.option_id = s.option_id AND g.region_code = b.region_code))"""
    assert not many.execute(elsewhere).fetchall()


def test_account_numbers_have_their_check_digit(rows: sqlite3.Connection) -> None:
    for (number,) in rows.execute("SELECT number FROM billing_account"):
        assert check_account_number(number) == number


def test_the_money_looks_like_a_telecom_operators(many: sqlite3.Connection) -> None:
    charged, paid = many.execute(
        "SELECT SUM(CASE WHEN code IN ('plan_fee','option_fee','one_off') THEN amount_kopecks END), "
        "SUM(CASE WHEN code = 'top_up' THEN amount_kopecks END) FROM transfer"
    ).fetchone()
    assert 0.9 < paid / charged < 1.2
    in_debt, everyone = many.execute(
        "SELECT SUM(l.balance_kopecks < 0), COUNT(*) FROM ledger_account l JOIN billing_account b ON b.id = l.billing_account_id"
    ).fetchone()
    assert 0.02 < in_debt / everyone < 0.15
    accounts = everyone / MANY
    assert 1.3 < accounts < 1.9
    vips = many.execute(
        """SELECT COUNT(*) FROM (SELECT payer_id FROM payment WHERE state = 'succeeded' AND created_at > '2025-11-22'
           GROUP BY payer_id HAVING payer_id IS NOT NULL AND SUM(amount_kopecks) >= 4000000)"""
    ).fetchone()[0]
    assert 1 <= vips <= MANY * 0.03
    evening, night = (
        many.execute("SELECT COUNT(*) FROM portal_visit WHERE CAST(substr(at, 12, 2) AS INT) BETWEEN ? AND ?", span).fetchone()[0]
        for span in ((15, 18), (22, 23))
    )
    assert evening > 5 * night


def test_a_second_run_refuses_and_changes_nothing(file: Path) -> None:
    before = fingerprints(file)
    with pytest.raises(SeedRefused, match=r"seeded already .* --reset"):
        seeded(file)
    assert fingerprints(file) == before


def test_a_database_with_somebody_elses_customers_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "live.db"
    seeded(file)[0].dispose()
    connection = sqlite3.connect(file)
    connection.execute("DELETE FROM seed_run")
    connection.commit()
    connection.close()
    with pytest.raises(SeedRefused, match="did not make"):
        seeded(file)


def test_a_reset_throws_everything_away_and_seeds_anew(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "reset.db"
    engine, first = seeded(mine, seed=9, customers=80)
    engine.dispose()
    _, second = seeded(mine, reset=True)
    assert first.rows["customer"] == 80
    assert second.rows["customer"] == CUSTOMERS
    assert fingerprints(mine) == fingerprints(file)
    triggers = sqlite3.connect(mine).execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()[0]
    assert (
        triggers == sqlite3.connect(file).execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()[0] > 0
    )


def test_a_failure_in_the_middle_leaves_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "broken.db"

    def stop(_share: float, stage: str) -> None:
        if stage == "customers":
            raise KeyboardInterrupt

    engine = make_engine(f"sqlite:///{file}")
    with pytest.raises(KeyboardInterrupt):
        run(engine=engine, customers=20, months=3, seed=1, as_of=AS_OF, report=stop)
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM plan").fetchone()[0] == 0
    run(engine=engine, customers=20, months=3, seed=1, as_of=AS_OF)
    indexes = {row[0] for row in sqlite3.connect(file).execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert "ix_transfer_occurred_at" in indexes


@pytest.mark.parametrize("given", [{"customers": 9}, {"months": 0}])
def test_too_few_customers_or_months_are_refused_before_anything_is_touched(tmp_path: Path, given: dict[str, int]) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(SeedRefused):
        seeded(file, **given)
    assert not file.exists()


@pytest.mark.parametrize(("customers", "months"), [(10, 1), (11, 2), (60, 40)])
def test_small_and_long_histories_agree_too(tmp_path: Path, customers: int, months: int) -> None:
    engine, _ = seeded(tmp_path / "odd.db", customers=customers, months=months)
    with engine.connect() as connection:
        assert faults(connection) == []
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []


def test_customers_beyond_one_chunk_keep_their_ids_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["seed.run"], "CHUNK", 40)  # `seed.run` by name is the function
    engine, report = seeded(tmp_path / "chunks.db", customers=130)
    assert report.rows["customer"] == 130
    with engine.connect() as connection:
        assert faults(connection) == []
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM demo_persona").scalar() == 9


def test_postgresql_gets_the_same_rows(postgres_server: str, postgres_template: str, file: Path) -> None:
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS seeded")
        connection.exec_driver_sql(f'CREATE DATABASE seeded TEMPLATE "{postgres_template}"')
    engine = make_engine(sa.make_url(postgres_server).set(database="seeded").render_as_string(hide_password=False))
    for reset in (False, True):
        run(engine=engine, customers=CUSTOMERS, months=MONTHS, seed=7, as_of=AS_OF, reset=reset)
        with engine.connect() as theirs:
            assert faults(theirs) == []
            mine = make_engine(f"sqlite:///{file}").connect()
            for table in Table.metadata.sorted_tables:
                skipped = NOT_REPEATED.get(table.name)
                columns = [column for column in table.columns if column.name != skipped]
                statement = sa.select(*columns).order_by(*table.primary_key.columns)
                if table.name != "monthly_figure":  # it says when it was counted; its values have tests of their own
                    assert theirs.execute(statement).all() == mine.execute(statement).all(), table.name
            # Ids given from now on follow those that were loaded.
            following = theirs.exec_driver_sql("SELECT nextval(pg_get_serial_sequence('transfer', 'id'))").scalar()
            assert following == theirs.exec_driver_sql("SELECT MAX(id) + 1 FROM transfer").scalar()
            mine.close()
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE seeded")
    admin.dispose()
