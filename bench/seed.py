"""What the seeder costs, against what it replaces and against the least it could cost, measured in the same run.

Of two tries each, ours and theirs, the best counts: other work on the machine only ever slows down. Both references are
about rows like the seeder's: its very rows by plain `sqlite3.executemany` into an empty database of the same schema with
its indexes (nothing is drawn), and the usual way of seeding, Faker and an ORM object for each row with `session.add`.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from faker import Faker
from sqlmodel import Session

from db.engine import make_engine
from db.schema import upgrade
from models import Customer, Payment
from rules.terms import PaymentMethod, PaymentState
from seed import run
from seed.load import COLUMNS

CUSTOMERS, MONTHS, AS_OF = 300, 24, date(2026, 11, 22)
RATIO_CUSTOMERS = 2000
SECONDS_TARGET = 5.0
ROOT = Path(__file__).parent.parent


def _whole_process(folder: Path) -> float:
    """Seconds of `python -m seed` for 300 × 24, imports and migration included."""
    began = time.perf_counter()
    subprocess.run(
        [
            sys.executable, "-m", "seed", "--customers", str(CUSTOMERS), "--months", str(MONTHS),
            "--as-of", AS_OF.isoformat(), "--database-url", f"sqlite:///{folder / 'process.db'}",
        ],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"KABINET_MODE": "demo"},
    )  # fmt: skip
    return time.perf_counter() - began


def _empty(file: Path) -> Any:
    engine = make_engine(f"sqlite:///{file}")
    upgrade(engine)
    return engine


def _seeder_and_floor(folder: Path) -> tuple[float, float, int]:
    """Rows a second of the seeder and of executemany over the same rows, without migration and figures."""
    spans: dict[str, float] = {}

    def note(_share: float, stage: str) -> None:
        spans.setdefault(stage, time.perf_counter())

    seeded = folder / "seeded.db"
    made = run(
        engine=make_engine(f"sqlite:///{seeded}"), customers=RATIO_CUSTOMERS, months=MONTHS, seed=1, as_of=AS_OF, report=note
    )
    ours = made.total / (spans["figures"] - spans["customers"])

    source = sqlite3.connect(seeded)
    names = {table: ", ".join(f'"{column}"' for column in columns) for table, columns in COLUMNS.items()}
    rows = {table: source.execute(f'SELECT {names[table]} FROM "{table}"').fetchall() for table in COLUMNS}
    source.close()
    floor = folder / "floor.db"
    _empty(floor).dispose()
    raw = sqlite3.connect(floor, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=OFF", "cache_size=-400000"):
        raw.execute(f"PRAGMA {pragma}")
    began = time.perf_counter()
    raw.execute("BEGIN IMMEDIATE")
    for table, content in rows.items():
        marks = ", ".join("?" * len(COLUMNS[table]))
        raw.executemany(f'INSERT INTO "{table}" ({names[table]}) VALUES ({marks})', content)
    raw.execute("COMMIT")
    plain = sum(len(content) for content in rows.values()) / (time.perf_counter() - began)
    raw.close()
    return ours, plain, made.total


def _faker_and_add(folder: Path) -> float:
    """Rows a second of Faker and `session.add` row by row: customers with a payment each."""
    engine = _empty(folder / "faker.db")
    fake = Faker("ru_RU")
    Faker.seed(1)
    count = 1500
    began = time.perf_counter()
    with Session(engine) as db:
        for number in range(count):
            db.add(
                Customer(
                    last_name=fake.last_name(),
                    first_name=fake.first_name(),
                    patronymic=fake.middle_name(),
                    birth_on=fake.date_of_birth(minimum_age=18, maximum_age=88),
                    email=f"{number}.{fake.user_name()}@example.com".lower(),
                    phone=f"+7974{number:07d}",
                    region_code="RU-MOW",
                    registered_at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
                )
            )
            db.flush()
            created = fake.date_time_between(start_date="-2y", tzinfo=UTC)
            db.add(
                Payment(
                    payer_id=None,
                    amount_kopecks=fake.random_int(5_000, 200_000),
                    method=PaymentMethod.CASH,
                    state=PaymentState.SUCCEEDED,
                    key=fake.uuid4(),
                    created_at=created,
                    settled_at=created,
                )
            )
            db.flush()
        db.commit()
    seconds = time.perf_counter() - began
    engine.dispose()
    return 2 * count / seconds


def measure() -> list[dict[str, Any]]:
    """Figures as {figure, value, unit, reference, ratio, target, holds}."""
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made:
        folder = Path(made)
        whole = min(_whole_process(_sub(folder, f"process{number}")) for number in range(2))
        tries = [_seeder_and_floor(_sub(folder, f"rows{number}")) for number in range(2)]
        ours, plain, total = max(one for one, _, _ in tries), max(one for _, one, _ in tries), tries[0][2]
        faker = max(_faker_and_add(_sub(folder, f"faker{number}")) for number in range(2))
    rate = f"rows/s, {total:,} rows"
    return [
        _figure("300 customers × 24 months, whole process", whole, "s", SECONDS_TARGET, "≤ 1", whole <= SECONDS_TARGET),
        _figure("against Faker and session.add row by row", ours, rate, faker, "≥ 40", ours >= 40 * faker),
        _figure("against sqlite3.executemany of the same rows", ours, rate, plain, "≥ 0.4", ours >= 0.4 * plain),
    ]


def _sub(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _figure(figure: str, value: float, unit: str, reference: float, target: str, holds: bool) -> dict[str, Any]:
    return {
        "figure": figure,
        "value": round(value, 2),
        "unit": unit,
        "reference": round(reference, 2),
        "ratio": round(value / reference, 3),
        "target": target,
        "holds": holds,
    }
