"""Putting columns into the database fast: `executemany` on SQLite, `COPY` on PostgreSQL.

Columns arrive as numbers (numpy) and leave as the text or integer that the database keeps. Both databases read the
same text: days as 2026-11-22, moments as UTC `2026-11-22 09:30:00.000000`, the way SQLAlchemy writes them.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.engine import BUSY_MILLISECONDS

EPOCH = date(1970, 1, 1)
NEVER = 10_000_000
"""A day that does not come: empty in the database."""

# How a column is given: i integer · r reference, below 0 is empty · d day since 1970, NEVER is empty ·
# t second since 1970 UTC, below 0 is empty · x ready values. Tables in the order in which they may be filled.
COLUMNS: dict[str, dict[str, str]] = {
    table: dict(part.split(":") for part in columns.split())
    for table, columns in {
        "plan": "id:x code:x service:x name_ru:x name_en:x gigabytes:x minutes:x messages:x megabits:x channels:x position:x",
        "plan_price": "plan_id:x valid_from_on:x monthly_kopecks:x",
        "option": "id:x code:x service:x option_group:x recurrence:x name_ru:x name_en:x summary_ru:x summary_en:x"
        " provisioning_minutes:x position:x",
        "option_price": "option_id:x valid_from_on:x price_kopecks:x",
        "option_region": "option_id:x region_code:x",
        "option_relation": "option_id:x other_id:x kind:x",
        "biller": "id:x code:x category:x name_ru:x name_en:x inn:x least_kopecks:x most_kopecks:x is_active:x position:x",
        "biller_region": "biller_id:x region_code:x",
        "biller_field": "id:x biller_id:x code:x kind:x label_ru:x label_en:x hint_ru:x hint_en:x required:x shortest:x longest:x"
        " decimals:x position:x",
        "customer": "id:i last_name:x first_name:x patronymic:x birth_on:d email:x phone:x region_code:x language:x role:x"
        " registered_at:t email_confirmed_at:t phone_confirmed_at:t welcomed_at:t",
        "consent": "id:i customer_id:i kind:x given:x wording:x language:x at:t",
        "notice_choice": "customer_id:i event:x in_cabinet:x by_email:x changed_at:t",
        "credential": "customer_id:i password_hash:x changed_at:t",
        "demo_persona": "key:x customer_id:i position:i",
        "billing_account": "id:i number:x holder_id:i service:x mode:x status:x status_since_on:d region_code:x address:x"
        " service_phone:x contact_email:x contact_phone:x opened_on:d closed_on:d billed_on:d",
        "ledger_account": "id:i kind:x billing_account_id:r balance_kopecks:i",
        "attachment": "id:i customer_id:i billing_account_id:i right:x label:x position:i bill_by_email:i attached_at:t"
        " detached_at:t",
        "attach_code": "id:i customer_id:i billing_account_id:i code_hash:x sent_to:x sent_at:t expires_at:t tries_left:i"
        " used_at:t",
        "saved_card": "id:i customer_id:i token:x brand:x last_four:x expires_on:d label:x is_default:i added_at:t removed_at:t",
        "test_bank_card": "token:x brand:x last_four:x expires_on:d behaviour:x",
        "subscription": "id:i billing_account_id:i plan_id:r option_id:r started_on:d ends_on:d ended_on:d",
        "product_order": "id:i billing_account_id:i option_id:i placed_by_id:r kind:x state:x key:x now_kopecks:i"
        " monthly_kopecks:i effective_on:d placed_at:t due_at:t closed_at:t reason:x",
        "order_event": "id:i order_id:i state:x at:t by_id:r",
        "payment": "id:i payer_id:r amount_kopecks:i method:x state:x card_id:r key:x created_at:t settled_at:t decline_reason:x",
        "utility_template": "id:i customer_id:i biller_id:i name:x fields:x amount_kopecks:i created_at:t removed_at:t",
        "utility_payment": "payment_id:i biller_id:i template_id:r fields:x",
        "payment_part": "payment_id:i billing_account_id:i amount_kopecks:i",
        "transfer": "id:i billing_account_id:i debit_id:i credit_id:i amount_kopecks:i code:x key:x occurred_at:t payment_id:r"
        " plan_id:r option_id:r",
        "bill": "id:i billing_account_id:i number:x month_on:d issued_on:d due_on:d total_kopecks:i",
        "bill_line": "id:i bill_id:i transfer_id:i code:x plan_id:r option_id:r from_on:d to_on:d amount_kopecks:i",
        "autopay_rule": "id:i customer_id:i billing_account_id:i card_id:i pay_when:x threshold_kopecks:x day_of_month:x"
        " amount_kind:x amount_kopecks:x monthly_ceiling_kopecks:x state:x pause_reason:x consent_at:t created_at:t changed_at:t",
        "autopay_run": "id:i rule_id:i billing_account_id:i period:x attempt:i due_on:d ran_at:t result:x reason:x"
        " amount_kopecks:i payment_id:r decline_reason:x",
        "bonus_lot": "id:i customer_id:i source:x granted:i remaining:i granted_on:d expires_on:d",
        "bonus_entry": "id:i customer_id:i lot_id:i kind:x points:i key:x occurred_at:t payment_id:r billing_account_id:r",
        "portal_visit": "id:i customer_id:i screen:x at:t",
        "audit_entry": "id:i at:t customer_id:r billing_account_id:r action:x outcome:x reason:x address:x",
        "message": "id:i channel:x recipient:x about:x subject:x body:x requested_by_id:r created_at:t read_at:t",
        "seed_run": "id:x customers:x months:x seed:x as_of_on:x finished_at:x",
    }.items()
}

Column = Sequence[Any] | np.ndarray


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """The day so many days after 1 January 1970."""
    return EPOCH + timedelta(days=int(number))


class Words:
    """Days and moments as text: each day and each second of a day is spelled once."""

    def __init__(self, first: date, last: date) -> None:
        self._first = day_number(first)
        span = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
        self._days: list[str] = np.datetime_as_string(span).tolist()
        two = [f"{n:02d}" for n in range(60)]
        self._seconds = [f" {h}:{m}:{s}.000000" for h in two[:24] for m in two for s in two]

    def days(self, numbers: np.ndarray) -> list[str | None]:
        names, first = self._days, self._first
        if len(numbers) and int(numbers.max()) >= NEVER:
            return [None if number >= NEVER else names[number - first] for number in numbers.tolist()]
        return [names[number] for number in (numbers - first).tolist()]

    def moments(self, seconds: np.ndarray) -> list[str | None]:
        names, clock = self._days, self._seconds
        day, second = np.divmod(seconds, 86_400)
        day = day - self._first
        if len(seconds) and int(seconds.min()) < 0:
            both = zip(seconds.tolist(), day.tolist(), second.tolist(), strict=True)
            return [None if at < 0 else names[d] + clock[s] for at, d, s in both]
        return [names[d] + clock[s] for d, s in zip(day.tolist(), second.tolist(), strict=True)]

    def column(self, kind: str, values: Column) -> Sequence[Any]:
        if kind == "d":
            return self.days(np.asarray(values, dtype=np.int64))
        if kind == "t":
            return self.moments(np.asarray(values, dtype=np.int64))
        if kind == "r":
            return [None if value < 0 else value for value in np.asarray(values).tolist()]
        return values.tolist() if isinstance(values, np.ndarray) else values


class Tables:
    """Rows on their way, as batches of columns; ids are given here, ascending over the whole run."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._next: dict[str, int] = {}
        self._batches: dict[str, list[tuple[Column, ...]]] = {}

    def ids(self, table: str, count: int) -> np.ndarray:
        """The next so many ids of a table."""
        first = self._next.get(table, 1)
        self._next[table] = first + count
        return np.arange(first, first + count, dtype=np.int64)

    def add(self, table: str, *columns: Column) -> None:
        """A batch of rows, as columns of equal length in the order of COLUMNS."""
        if len(columns) != len(COLUMNS[table]):
            raise ValueError(f"{table} has {len(COLUMNS[table])} columns, not {len(columns)}")
        if len(columns[0]):
            self._batches.setdefault(table, []).append(columns)

    def take(self) -> Iterator[tuple[str, int, Iterator[tuple[Any, ...]]]]:
        """Everything added since the last time: table, how many rows, the rows; tables in an order that may be filled."""
        batches, self._batches = self._batches, {}
        for table, kinds in COLUMNS.items():
            if table in batches:
                count = sum(len(batch[0]) for batch in batches[table])
                yield table, count, self._rows(batches.pop(table), list(kinds.values()))

    def _rows(self, batches: list[tuple[Column, ...]], kinds: list[str]) -> Iterator[tuple[Any, ...]]:
        for batch in batches:
            ready = [self._words.column(kind, column) for kind, column in zip(kinds, batch, strict=True)]
            yield from zip(*ready, strict=True)


def _names(table: str) -> str:
    return ", ".join(f'"{column}"' for column in COLUMNS[table])


class Loader:
    """Writes rows through one raw connection, in one transaction."""

    def __init__(self, raw: Any, *, sqlite: bool) -> None:
        self._raw = raw
        self._sqlite = sqlite

    def write(self, table: str, rows: Iterator[tuple[Any, ...]] | Sequence[tuple[Any, ...]]) -> None:
        if self._sqlite:
            marks = ", ".join("?" * len(COLUMNS[table]))
            # The names are constants of this module, not input.
            self._raw.executemany(f'INSERT INTO "{table}" ({_names(table)}) VALUES ({marks})', rows)  # noqa: S608
            return
        with self._raw.cursor() as cursor, cursor.copy(f'COPY "{table}" ({_names(table)}) FROM STDIN') as copy:
            block: list[str] = []
            for row in rows:
                block.append("\t".join(["\\N" if value is None else _escaped(value) for value in row]))
                if len(block) == 5000:
                    copy.write("\n".join(block) + "\n")
                    block.clear()
            if block:
                copy.write("\n".join(block) + "\n")


def _escaped(value: Any) -> str:
    text = value if type(value) is str else str(value)
    if "\\" in text or "\n" in text or "\t" in text or "\r" in text:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text


@contextmanager
def loading(engine: sa.Engine) -> Iterator[Loader]:
    """A loader whose rows are all there at the end, or none when anything is raised.

    SQLite looks up no foreign keys meanwhile (the tests do, over the whole file). Indexes that are not part of a table
    are dropped first and built at the end, which is faster than keeping them; unique ones find duplicates then.
    """
    sqlite = engine.dialect.name == "sqlite"
    if sqlite:
        engine.dispose()
    pooled = engine.raw_connection()
    raw: Any = pooled.driver_connection
    try:
        if sqlite:
            # Out of the write-ahead log while nobody else is here: new pages are then written once, not twice. When
            # somebody is, SQLite says so and stays in it.
            for pragma in ("foreign_keys=OFF", "cache_size=-400000", "temp_store=MEMORY", "busy_timeout=0"):
                raw.execute(f"PRAGMA {pragma}")
            with suppress(sqlite3.OperationalError):
                raw.execute("PRAGMA journal_mode=TRUNCATE")
            raw.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
            raw.execute("BEGIN IMMEDIATE")
        else:
            raw.execute("SET LOCAL timezone = 'UTC'")
            raw.execute("SET LOCAL synchronous_commit = off")
        indexes = _drop_indexes(raw, sqlite=sqlite)
        yield Loader(raw, sqlite=sqlite)
        for statement in indexes:
            raw.execute(statement)
        if not sqlite:
            _set_sequences(raw)
        raw.commit()
    except BaseException:
        raw.rollback()
        raise
    finally:
        pooled.invalidate()  # the next user gets a connection with the settings of db.engine


def _drop_indexes(raw: Any, *, sqlite: bool) -> list[str]:
    """Drop the indexes of the tables that are filled; returns the statements that build them again."""
    if sqlite:
        found = raw.execute("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    else:
        found = raw.execute(
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        ).fetchall()
    mine = [(name, statement) for table, name, statement in found if table in COLUMNS]
    for name, _ in mine:
        raw.execute(f'DROP INDEX "{name}"')
    return [statement for _, statement in mine]


def _set_sequences(raw: Any) -> None:
    for table, columns in COLUMNS.items():
        if "id" in columns:
            raw.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "  # noqa: S608
                f'GREATEST((SELECT MAX(id) FROM "{table}"), 1))'
            )
