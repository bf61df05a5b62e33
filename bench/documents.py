"""What papers take: `python -m bench documents [--runs N]`.

A statement is read from the ledger of a demo's busiest person; then statements of 500 and 5,000 operations are drawn,
each another one, as in life. The references are an empty paper by the same compiler, and the same cells by Python's csv.
Medians.
"""

import argparse
import csv
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from db import engine as engines
from db import reading
from db.engine import make_engine
from documents.sheets import statement_csv, statement_xlsx
from documents.statement import statement_pdf
from models import Customer, DemoPersona, Region
from queries.statements import statement
from rules.papers import Statement, StatementAccount, StatementEntry, running
from rules.terms import CardBrand, PaymentMethod, Role, ServiceKind, TransferCode
from rules.visitor import Visitor
from seed.run import run as seed
from settings import operator, settings

TARGET_SECONDS = 1.0
MADE = datetime(2026, 11, 22, 12, tzinfo=UTC)
ZONE = "Europe/Moscow"
PERSONA = "vip"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=5, help="papers of each kind (5)")


def of(count: int, number: int) -> Statement:
    """A statement of so many operations; each `number` has its own sums, so that nothing is remembered from the last one."""
    changes = [
        (place * 7919 + number * 104_729) % 500_000 + 1 if place % 3 == 0 else -(place % 90_000) - 1 for place in range(count)
    ]
    entries = tuple(
        StatementEntry(
            at=MADE - timedelta(hours=count - place),
            code=TransferCode.TOP_UP if change > 0 else TransferCode.OPTION_FEE,
            kopecks=change,
            balance_kopecks=balance,
            method=PaymentMethod.SAVED_CARD if change > 0 else None,
            card=(CardBrand.MIR, "4417") if change > 0 else None,
            product="" if change > 0 else "Роутер в аренду",
        )
        for place, (change, balance) in enumerate(zip(changes, running(0, changes), strict=True))
    )
    account = StatementAccount(1, "9000000018", ServiceKind.INTERNET, "Дача", "Ким Анна Петровна", "", ZONE, 0, entries)
    return Statement("Ким Анна Петровна", date(2023, 11, 23), MADE.date(), (account,))


def seconds(make: Callable[[Statement], object], papers: list[Statement]) -> float:
    """The median time of one."""
    taken = []
    for paper in papers:
        began = time.perf_counter()
        make(paper)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def as_pdf(paper: Statement) -> bytes:
    return statement_pdf(paper, operator=operator(), made_at=MADE, time_zone=ZONE)


def as_xlsx(paper: Statement) -> bytes:
    return statement_xlsx(paper, operator=operator(), made_at=MADE, time_zone=ZONE)


def raw(paper: Statement) -> str:
    """Python's csv with the same values, nothing formatted."""
    file = io.StringIO()
    writer = csv.writer(file)
    for account in paper.accounts:
        writer.writerows(
            (entry.at, account.label, account.number, entry.kopecks, entry.balance_kopecks) for entry in account.entries
        )
    return file.getvalue()


def _row(figure: str, value: float, reference: str, unit: float, target: float | None = None) -> dict[str, Any]:
    return {
        "figure": figure,
        "value": round(1000 * value, 1),
        "unit": "ms",
        "reference": f"{reference} {1000 * unit:.2g} ms",
        "ratio": round(value / unit, 1),
        "target": "" if target is None else f"≤ {1000 * target:g} ms",
        "holds": None if target is None else value <= target,
    }


def _of_a_person(runs: int) -> tuple[int, float]:
    """Operations in three years of the busiest persona, and seconds to read them."""
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'kabinet.db'}"
        os.environ["DATABASE_URL"] = url
        settings.cache_clear()
        engines._engine_for.cache_clear()
        made = make_engine(url)
        seed(engine=made, customers=300, months=24, seed=1, as_of=MADE.date())
        made.dispose()
        with reading() as db:
            person, zone = db.exec(
                select(Customer, Region.time_zone)
                .join(DemoPersona, col(DemoPersona.customer_id) == col(Customer.id))
                .join(Region, col(Region.code) == col(Customer.region_code))
                .where(col(DemoPersona.key) == PERSONA)
            ).one()
        visitor = Visitor(person.id, 0, Role.CUSTOMER, person.first_name, person.language, person.region_code, zone)

        def read(_: object = None) -> Statement:
            with reading() as db:
                return statement(db, visitor=visitor, first=date(2023, 11, 23), last=MADE.date())

        return read().operations, seconds(read, [of(0, 0)] * runs)


def measure(runs: int = 5) -> list[dict[str, Any]]:
    """Rows for the bench table."""
    as_pdf(of(1, 0))  # the fonts are read once a process
    empty = seconds(as_pdf, [of(0, number) for number in range(runs)])
    count, read = _of_a_person(runs)
    rows = [_row(f"{count} operations of a person read from the ledger", read, "empty PDF", empty)]
    for operations, target in ((500, TARGET_SECONDS), (5000, None)):
        papers = [of(operations, number) for number in range(1, runs + 1)]
        by_hand = seconds(raw, papers)
        rows.append(_row(f"PDF of {operations} operations", seconds(as_pdf, papers), "empty PDF", empty, target))
        rows.append(_row(f"XLSX of {operations} operations", seconds(as_xlsx, papers), "raw csv", by_hand))
        rows.append(_row(f"CSV of {operations} operations", seconds(statement_csv, papers), "raw csv", by_hand))
    return rows
