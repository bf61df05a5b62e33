"""What a day of autopay costs: `python -m bench autopay [--rules 100000] [--database sqlite|postgresql|both]`.

So many rules are due, and the gateway answers at once. They are charged by the engine in this process, in its errands through its
queue; by the same claiming and charging in a plain loop without it; by the very statements of these, with their values, executed
by the driver alone on one connection (of the first 10,000); and one rule at a time with ORM objects, in the same steps, so that
it is as safe (`--rows`). Each turn is on a copy of the same database. While the engine works, a person changes something ten
times a second.
"""

import argparse
import logging
import os
import statistics
import tempfile
import threading
import time
import uuid
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS
from sqlmodel import col, select

import clock
from actions import autopaying, payments
from actions.autopay_runs import waiting_rules
from bench import databases, due_rules, replay
from bench.at_once import answering_at_once
from db import reading, transaction
from db.check import faults
from jobs import engine as engines
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    Payment,
    PaymentPart,
    SavedCard,
)
from rules.autopay import period_key
from rules.terms import (
    AutopayResult,
    GatewayName,
    PaymentMethod,
    PaymentState,
)

OF_ENGINE, OF_ROWS = 0.3, 20.0
RECORDED = 10_000
WRITES_EVERY = 0.1
LISTENS_WITHIN = 3.0
"""Seconds until an engine that was just started listens to all its queues; the start of a process is not measured."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rules", type=int, default=100_000, help="how many are due (100000)")
    parser.add_argument("--rows", type=int, default=2000, help="how many are charged one at a time (2000)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")


def measure(rules: int = 100_000, rows: int = 2000, database: str = "both") -> list[dict[str, Any]]:
    """Rows for the bench table."""
    logging.disable(logging.ERROR)
    kinds = ("sqlite", "postgresql") if database == "both" else (database,)
    with answering_at_once():
        return [row for kind in kinds for row in _measured(kind, rules, min(rows, rules))]


def _measured(kind: str, count: int, rows: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made, databases.server(kind, Path(made)) as where:
        begun = databases.make(kind, where)
        fill(databases.use(begun), count)
        databases.leave()

        turn = partial(databases.on_a_copy, kind, where, begun)
        steps: list[replay.Step] = []
        waits: list[float] = []
        recorded = min(RECORDED, count)
        by_rows = rows / turn(lambda _: _one_by_one(rows))
        by_engine = count / turn(lambda _: _with_engine(count, waits))
        by_loop = count / turn(lambda _: _without_engine(count))
        turn(lambda engine: _recorded(engine, recorded, steps))
        by_driver = recorded / turn(lambda engine: replay.replay(engine, steps))
        databases.drop(kind, where, begun)
    name = databases.KINDS[kind]
    print(f"{name}: load {os.getloadavg()[0]:.1f}")
    waits.sort()

    def against(what: str, reference: float, target: float | None) -> dict[str, Any]:
        return {
            "figure": f"{name}: {count:,} due rules, with the engine",
            "value": round(by_engine),
            "unit": "accounts/s",
            "reference": f"{what} {reference:.0f}/s",
            "ratio": round(by_engine / reference, 2),
            "target": None if target is None else f"≥ {target:g}",
            "holds": None if target is None else by_engine / reference >= target,
        }

    return [
        against("the same without the engine", by_loop, OF_ENGINE),
        against("its statements by the driver alone", by_driver, OF_ENGINE),
        against("one rule at a time", by_rows, OF_ROWS),
        {
            "figure": f"{name}: a person's write meanwhile, p95 of {len(waits)}",
            "value": round(1000 * waits[int(len(waits) * 0.95)], 1),
            "unit": "ms",
            "reference": f"median {1000 * statistics.median(waits):.1f} ms, longest {1000 * waits[-1]:.0f} ms",
            "ratio": None,
            "target": "≤ 100 ms",
            "holds": waits[int(len(waits) * 0.95)] <= 0.1,
        },
    ]


def fill(engine: sa.Engine, count: int) -> None:
    """Make so many rules due; PostgreSQL is told how much there is, as its autovacuum would have."""
    with transaction() as db:
        due_rules.fill(db, count, now=clock.now())
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for noun in (Customer, BillingAccount, LedgerAccount, Attachment, SavedCard, AutopayRule):
                connection.exec_driver_sql(f"VACUUM ANALYZE {sa.inspect(noun).local_table.name}")


def _checked(count: int) -> None:
    with reading() as db:
        left = due_rules.left(db)
        if left or faults(db.connection()):
            raise RuntimeError(f"{left} of {count} rules were not charged, or the database does not agree with itself")


# --- with the engine ----------------------------------------------------------------------------------------
def _with_engine(count: int, waits: list[float]) -> float:
    scheduled = engines.scheduled
    engines.scheduled = lambda: ()  # nothing fires by itself
    engine = engines.Engine()
    engine.start()
    over = threading.Event()
    person = threading.Thread(target=_write_now_and_then, args=(over, waits))
    person.start()
    try:
        time.sleep(LISTENS_WITHIN)
        began = time.perf_counter()
        DBOS.enqueue_workflow(engines.QUEUE, engines.fire, clock.now(), engines.AUTOPAY)
        while under_way():
            time.sleep(0.2)
        took = time.perf_counter() - began
    finally:
        over.set()
        person.join()
        engine.stop()
        engines.scheduled = scheduled
    _checked(count)
    return took


def under_way() -> bool:
    """Whether a rule is due, or a charge waits for its answer."""
    with reading() as db:
        pending = select(AutopayRun.id).where(col(AutopayRun.result) == sa.literal_column("'pending'")).limit(1)
        return db.exec(pending).first() is not None or waiting_rules(db, clock.now()) > 0


def _write_now_and_then(over: threading.Event, waits: list[float]) -> None:
    """Somebody renames an account; how long each time takes is noted down."""
    turn = 0
    while not over.wait(WRITES_EVERY):
        turn += 1
        began = time.perf_counter()
        with transaction() as db:
            attachment = db.get_one(Attachment, due_rules.FIRST_ID + turn % 100)
            attachment.label = f"Дача {turn}"
            db.add(attachment)
        waits.append(time.perf_counter() - began)


# --- without it ---------------------------------------------------------------------------------------------
def _without_engine(count: int) -> float:
    began = time.perf_counter()
    while autopaying.claim(batch := uuid.uuid4().hex, clock.now()):
        autopaying.charge(batch)
    took = time.perf_counter() - began
    _checked(count)
    return took


def _recorded(engine: sa.Engine, count: int, steps: list[replay.Step]) -> float:
    """Charge so many and write down what the driver is told."""
    replay.record(engine, steps)
    for _ in range(-(-count // autopaying.BATCH)):
        autopaying.claim(batch := uuid.uuid4().hex, clock.now())
        autopaying.charge(batch)
    return 0.0


# --- one at a time ------------------------------------------------------------------------------------------
def _one_by_one(count: int) -> float:
    now = clock.now()
    with reading() as db:
        ids = db.exec(select(AutopayRule.id).where(col(AutopayRule.due_at) <= now).limit(count)).all()
    began = time.perf_counter()
    for rule_id in ids:
        _one(rule_id, now)
    took = time.perf_counter() - began
    with reading() as db:
        if faults(db.connection()):
            raise RuntimeError("the database does not agree with itself")
    return took


def _one(rule_id: int, now: datetime) -> None:
    """One rule in the same three steps, which promise the same after a crash: the intent, the charge, and what came of it."""
    with transaction() as db:
        rule = db.exec(select(AutopayRule).where(col(AutopayRule.id) == rule_id).with_for_update()).one()
        account, payer = db.get_one(BillingAccount, rule.billing_account_id), db.get_one(Customer, rule.customer_id)
        card, amount = db.get_one(SavedCard, rule.card_id), rule.amount_kopecks or 0
        assert rule.due_at is not None
        due_on = rule.due_at.date()
        period = period_key(trigger=rule.trigger, on=due_on)
        payment = Payment(
            payer_id=payer.id,
            amount_kopecks=amount,
            method=PaymentMethod.AUTOPAY,
            state=PaymentState.PENDING,
            card_id=card.id,
            key=f"autopay:{rule.id}:{period}:1",
            created_at=now,
            gateway=GatewayName.TEST_BANK,
            gateway_key=uuid.uuid4().hex,
            return_url="/payments",
        )
        db.add(payment)
        db.flush()
        db.add(PaymentPart(payment_id=payment.id, billing_account_id=account.id, amount_kopecks=amount))
        db.add(
            AutopayRun(
                rule_id=rule.id,
                billing_account_id=account.id,
                period=period,
                due_on=due_on,
                ran_at=now,
                result=AutopayResult.PENDING,
                amount_kopecks=amount,
                payment_id=payment.id,
            )
        )
        rule.due_at = now + autopaying.UNTIL_OVER
        db.add(rule)
    if payments.advance(payment.id).state is not PaymentState.SUCCEEDED:
        raise RuntimeError("a rule was not charged")
