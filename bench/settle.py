"""What settling a payment costs without the bank's time: `python -m bench settle [--payments N] [--database …]`.

Payments are begun beforehand; then `advance` takes them to their end with a gateway that answers at once: one read, one
transaction with state, transfer, points and receipt letter. The reference is the very statements of the same settlements, with
their values, executed by the driver alone on a copy of the same database, commit for commit, on one connection.
"""

import argparse
import logging
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import clock
from actions import payments, perform
from bench import at_once, databases, replay
from db import reading, transaction
from db.check import faults
from rules.terms import PaymentState
from tests.money.world import World

PEOPLE = 100


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--payments", type=int, default=600, help="payments settled in each turn (600)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")


def measure(payments: int = 600, database: str = "both") -> list[dict[str, Any]]:
    """Rows for the bench table."""
    logging.disable(logging.ERROR)
    kinds = ("sqlite", "postgresql") if database == "both" else (database,)
    return [row for kind in kinds for row in _measured(kind, payments)]


def _measured(kind: str, count: int) -> list[dict[str, Any]]:
    found: dict[str, float] = {}
    with (
        at_once.answering_at_once(),
        tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made,
        databases.server(kind, Path(made)) as where,
    ):
        begun = databases.make(kind, where)
        databases.use(begun)
        ids = _begin(count)
        databases.leave()
        turn = partial(databases.on_a_copy, kind, where, begun)
        steps: list[replay.Step] = []
        turn(lambda engine: _recorded(engine, ids, steps))
        for threads in (1, 4):
            found[f"{threads}"] = count / min(turn(lambda _: _settled(ids, threads)) for _ in range(2))  # noqa: B023
        found["driver"] = count / min(turn(lambda engine: replay.replay(engine, steps)) for _ in range(2))
        databases.drop(kind, where, begun)
    name, statements = databases.KINDS[kind], len([text for text, _, _ in steps if text not in ("COMMIT", "ROLLBACK")]) / count
    return [
        {
            "figure": f"{name}, {threads} thread{'s' * (threads > 1)}",
            "value": round(found[str(threads)], 1),
            "unit": "payments/s",
            "reference": f"driver {found['driver']:.0f}/s, {statements:.0f} statements each",
            "ratio": round(found[str(threads)] / found["driver"], 3),
            "target": None,
            "holds": None,
        }
        for threads in (1, 4)
    ]


def _begin(count: int) -> list[int]:
    """The ids of so many pending payments, of people with an e-mail, in turn."""
    with transaction() as db:
        world = World(db)
        people = []
        for number in range(PEOPLE):
            person = world.person()
            person.email, person.email_confirmed_at = f"payer-{number}@kabinet.example", clock.now()
            people.append((world.visitor(person), world.account(person).id))
    ids = []
    for number in range(count):
        visitor, account_id = people[number % PEOPLE]
        given = {"parts": {account_id: 10_000 + number}, "key": str(number), "return_url": "/"}
        ids.append(perform(payments.begin_payment, visitor=visitor, **given).payment_id)
    return ids


def _settled(ids: list[int], threads: int) -> float:
    payments.advance(ids[0])  # the first one also prepares statements and connections
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        states = {one.state for one in pool.map(payments.advance, ids[1:])}
    seconds = (time.perf_counter() - began) * len(ids) / (len(ids) - 1)
    if states != {PaymentState.SUCCEEDED}:
        raise RuntimeError(f"not all payments were settled: {states}")
    with reading() as db:
        if faults(db.connection()):
            raise RuntimeError("the database does not agree with itself")
    return seconds


def _recorded(engine: sa.Engine, ids: list[int], steps: list[replay.Step]) -> float:
    """Settle them all and write down what the driver is told."""
    replay.record(engine, steps)
    for payment_id in ids:
        payments.advance(payment_id)
    return 0.0
