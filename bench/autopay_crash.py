"""Autopay survives: `python -m bench autopay_crash [--kills 100] [--rules 2000] [--database …] [--seed N]`.

A day of autopay: rules become due in waves, cards pay, decline, are stolen or expired, think and fall silent. The engine and
the thread that asks about what is pending run in a process of their own, two of them on PostgreSQL. One that is seen at work is
killed by SIGKILL a random moment later, or in the midst of claiming, asking or settling, and started again; now and then all are
killed and the engine's own tables are thrown away. At the end the bank's books, the ledger, the runs, the rules, and what people
were told must agree, each rule charged once and none forgotten.

The clock runs SPEED times as fast for everybody, so that the waits of the bank and of the background pass; the bank is far away
(DISTANCE before and after each charge), and pieces are small, so that a wave is not over before it can be killed.
"""

import argparse
import logging
import mmap
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import autopay_asking, autopaying, payments
from bench.crash import run_fast
from db import database, reading, transaction
from integrations.gateway import Charge, Standing
from integrations.test_bank import Behaviour, TestBank
from jobs import engine as engines
from jobs.money import settle_payments
from jobs.schedule import JOBS, Job
from rules.terms import AutopayResult, AutopayState, CardBrand, NoticeEvent, PaymentState

SPEED = 4.0
DISTANCE = 0.04
"""Seconds to the bank, and back."""
BATCH, CLAIMED, PIECE, AT_ONCE = 15, 5, 4, 4
WORKERS = {"sqlite": 1, "postgresql": 2}
LOOK_AGAIN = 0.5
"""Seconds between two looks at what is pending."""
SEEN_WITHIN, KILLED_WITHIN, IN_THE_MIDST = 15.0, 2.0, 0.01
"""Seconds to wait for a process to be at work; until it is killed then, anywhere, or in the midst of something."""
ENGINE_LOST_EVERY = 20
"""After so many kills the engine's own tables are thrown away."""
MIX = (
    (Behaviour.SUCCESS, 66),
    (Behaviour.INSUFFICIENT_FUNDS, 12),
    (Behaviour.BLOCKED, 5),
    (Behaviour.EXPIRED, 3),
    (Behaviour.SLOW, 7),
    (Behaviour.LOST, 7),
)
PAYS = (Behaviour.SUCCESS, Behaviour.SLOW, Behaviour.LOST)
PHASES = ("claim", "ask", "settle")
ROOT = Path(__file__).parent.parent


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=100, help="how often a process is killed (100)")
    parser.add_argument("--rules", type=int, default=2000, help="how many rules are due (2000)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and of the cards (1)")


def measure(kills: int = 100, rules: int = 2000, database: str = "both", seed: int = 1) -> list[dict[str, Any]]:
    """Rows for the bench table."""
    kinds = ("sqlite", "postgresql") if database == "both" else (database,)
    print(f"seed {seed}")
    return [row for kind in kinds for row in _crashed(kind, kills, rules, seed)]


# --- the process that is killed ---------------------------------------------------------------------------
class Traces:
    """What a process is doing just now, in a file that outlives it: how many threads are in each phase."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), len(PHASES))
        self._mutex = threading.Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._move(name, 1)
        try:
            yield
        finally:
            self._move(name, -1)

    def _move(self, name: str, by: int) -> None:
        with self._mutex:
            self._shared[PHASES.index(name)] += by

    def traced(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*given: Any, **more: Any) -> Any:
            with self.phase(name):
                return work(*given, **more)

        return traced


class FarBank(TestBank):
    """The test bank, some way off: it may have charged, and nobody has heard of it."""

    def charge(self, charge: Charge) -> Standing:
        time.sleep(DISTANCE)
        said = super().charge(charge)
        time.sleep(DISTANCE)
        return said


def work(traces: Path, began: float) -> None:
    """Do what the background does of autopay, until killed."""
    logging.disable(logging.ERROR)
    run_fast(began)
    autopaying.BATCH, autopaying.CLAIMED = BATCH, CLAIMED
    autopay_asking.PIECE, autopay_asking.AT_ONCE = PIECE, AT_ONCE
    engines.REAP_SECONDS = 1
    payments.gateway_called = lambda _name: FarBank()
    doing = Traces(traces)
    autopaying.claim = doing.traced("claim", autopaying.claim)
    autopaying.settle_answers = doing.traced("settle", autopaying.settle_answers)
    autopay_asking.ask = doing.traced("ask", autopay_asking.ask)
    autopay = next(job for job in JOBS if job.name == engines.AUTOPAY)
    engines.scheduled = lambda: (Job(autopay.name, "* * * * * *", autopay.work),)
    engines.Engine().start()
    print("ready", flush=True)
    while True:
        settle_payments(clock.now())
        time.sleep(LOOK_AGAIN)


# --- the process that kills -------------------------------------------------------------------------------
@dataclass
class Found:
    """What one run came to."""

    kills: int = 0
    at_work: int = 0
    engine_lost: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    """In how many kills a thread was there."""
    claimed: set[int] = field(default_factory=set)
    """Payments that were written and unknown to the bank when a kill came."""
    charged: set[int] = field(default_factory=set)
    """Payments that the bank had charged and the portal had not settled then."""
    seconds: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    doubled: list[Any] = field(default_factory=list)
    forgotten: list[Any] = field(default_factory=list)
    apart: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    unplanned: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Workers:
    """The processes at work, each with its traces."""

    def __init__(self, folder: Path, url: str, count: int, began: float) -> None:
        self._folder, self._url, self._began = folder, url, began
        self.files = [folder / f"traces-{number}" for number in range(count)]
        self._alive: list[subprocess.Popen[str] | None] = [None] * count

    def start(self, number: int) -> None:
        self.files[number].write_bytes(bytes(len(PHASES)))
        self._alive[number] = subprocess.Popen(
            [sys.executable, "-m", "bench.autopay_crash", str(self.files[number]), repr(self._began)],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": self._url, "KABINET_MODE": "demo"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def await_ready(self) -> None:
        for process in self._alive:
            if process is not None and process.stdout is not None and not process.stdout.closed:
                if process.stdout.readline() != "ready\n":
                    raise RuntimeError("the working process did not start")
                process.stdout.close()

    def doing(self, number: int) -> tuple[str, ...]:
        return tuple(name for name, count in zip(PHASES, self.files[number].read_bytes(), strict=True) if count)

    def kill(self, number: int) -> None:
        process = self._alive[number]
        if process is not None:
            process.kill()
            process.wait()
            self._alive[number] = None

    def kill_all(self) -> None:
        for number in range(len(self._alive)):
            self.kill(number)


def _crashed(kind: str, kills: int, rules: int, seed: int) -> list[dict[str, Any]]:
    from bench import databases, due_rules  # what only the parent needs: a worker starts sooner without

    ticks, found, rng = clock.now, Found(kills=kills), random.Random(seed)
    cards = [rng.choices([each for each, _ in MIX], [share for _, share in MIX])[0] for _ in range(rules)]
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made, databases.server(kind, Path(made)) as where:
        url = databases.make(kind, where)
        workers = None
        try:
            databases.use(url)
            began = time.time()
            run_fast(began)
            _fill(cards)
            workers = Workers(Path(made), url, WORKERS[kind], began)
            before = time.perf_counter()
            for number in range(WORKERS[kind]):
                workers.start(number)
            for life in range(kills):
                _make_due(due_rules.FIRST_ID, life * rules // kills, (life + 1) * rules // kills)
                workers.await_ready()
                _one_life(kind, workers, found, rng, all_of_them=life % ENGINE_LOST_EVERY == ENGINE_LOST_EVERY - 1)
                if life % 10 == 9:
                    print(
                        f"{databases.KINDS[kind]}: {life + 1} kills, {len(found.charged)} charged and not settled",
                        file=sys.stderr,
                    )
            workers.await_ready()
            _await_the_end()
            found.seconds = time.perf_counter() - before
            workers.kill_all()
            _compare(cards, found)
        finally:
            if workers is not None:
                workers.kill_all()
            clock.now = ticks
            databases.drop(kind, where, url)
    return _rows(databases.KINDS[kind], found)


def _fill(cards: list[Behaviour]) -> None:
    from bench import due_rules
    from models import AutopayRule, BankCard

    token = "tok_crash_{:08d}".format
    with transaction() as db:
        due_rules.fill(db, len(cards), now=clock.now(), token=token)
        rows = [
            {
                "token": token(number),
                "brand": CardBrand.MIR.value,
                "last_four": "0004",
                "expires_on": due_rules.FAR,
                "behaviour": behaviour.value,
            }
            for number, behaviour in enumerate(cards)
        ]
        db.execute(sa.insert(BankCard), rows)
        db.execute(sa.update(AutopayRule).values(due_at=clock.now() + timedelta(days=300)))


def _make_due(first_id: int, since: int, until: int) -> None:
    from models import AutopayRule

    with transaction() as db:
        db.execute(
            sa.update(AutopayRule)
            .where(col(AutopayRule.id).between(first_id + since, first_id + until - 1))
            .values(due_at=clock.now())
        )


def _one_life(kind: str, workers: Workers, found: Found, rng: random.Random, *, all_of_them: bool) -> None:
    """Wait until one of them is at work, kill it (or all of them) a moment later, and start it again."""
    until = time.monotonic() + SEEN_WITHIN
    numbers = list(range(len(workers.files)))
    phase = rng.choice((None, *PHASES))
    busy: list[int] = []
    while not busy and time.monotonic() < until:
        busy = [number for number in numbers if (phase in workers.doing(number) if phase else workers.doing(number))]
        time.sleep(0.0005)
    time.sleep(rng.uniform(0, KILLED_WITHIN if phase is None else IN_THE_MIDST))
    killed = numbers if all_of_them else [rng.choice(busy or numbers)]
    for number in killed:
        workers.kill(number)
    doing = {phase for number in killed for phase in workers.doing(number)}
    found.at_work += bool(doing)
    found.phases.update(doing)
    claimed, charged = _left_between(kind)
    found.claimed |= claimed
    found.charged |= charged
    if all_of_them:
        _lose_the_engine(kind)
        found.engine_lost += 1
    for number in killed:
        workers.start(number)


def _left_between(kind: str) -> tuple[set[int], set[int]]:
    """Payments that the bank has not heard of; and those it has charged, of which the portal knows nothing yet."""
    time.sleep(0.05 if kind == "postgresql" else 0)  # the server is still finishing what the dead client had sent
    with reading() as db:
        claimed = db.scalars(
            sa.text(
                "SELECT p.id FROM payment p LEFT JOIN test_bank_payment b ON b.key = p.gateway_key"
                " WHERE p.state = 'pending' AND b.key IS NULL"
            )
        )
        charged = db.scalars(
            sa.text(
                "SELECT p.id FROM payment p JOIN test_bank_payment b ON b.key = p.gateway_key"
                " WHERE p.state = 'pending' AND b.state = 'succeeded' AND b.silent_until IS NULL"
            )
        )
        return set(claimed), set(charged)


def _lose_the_engine(kind: str) -> None:
    """All that the engine knew is gone; what is due is found again from rows."""
    if kind == "postgresql":
        with database().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("DROP SCHEMA dbos CASCADE")
        return
    file = Path(str(database().url.database))
    for beside in file.parent.glob(f"{file.stem}-jobs{file.suffix}*"):
        beside.unlink()


def _await_the_end() -> None:
    """Nobody is killed any more, until no rule is due and nothing is pending, or it is clear that it never ends."""
    until = time.monotonic() + 300
    while _unfinished() and time.monotonic() < until:
        time.sleep(0.5)


def _unfinished() -> int:
    from actions.autopay_runs import waiting_rules

    with reading() as db:
        return waiting_rules(db, clock.now()) + int(
            db.scalar(sa.text("SELECT count(*) FROM payment WHERE state = 'pending'")) or 0
        )


def _compare(cards: list[Behaviour], found: Found) -> None:
    """Runs, rules, the bank's books, the ledger, notices and letters: each against the others, rule by rule."""
    from bench import due_rules
    from db.check import faults
    from models import AutopayRule, AutopayRun, Message, Notice, Payment, Transfer

    bank = TestBank()
    with reading() as db:
        rules = {rule.id - due_rules.FIRST_ID: rule for rule in db.exec(select(AutopayRule))}
        runs: dict[int, list[AutopayRun]] = {number: [] for number in rules}
        for run in db.exec(select(AutopayRun)):
            if run.attempt > 0:  # not what died before it was sent, and was sent again
                runs[run.rule_id - due_rules.FIRST_ID].append(run)
        payments_ = {payment.id: payment for payment in db.exec(select(Payment))}
        moved = Counter(db.exec(select(Transfer.payment_id)))
        letters = Counter(db.exec(select(Message.document).where(col(Message.about) == "autopay_receipt")))
        events = (NoticeEvent.AUTOPAY_DONE, NoticeEvent.AUTOPAY_FAILED)
        notices = Counter(
            db.execute(sa.select(col(Notice.customer_id), col(Notice.event)).where(col(Notice.event).in_(events))).tuples()
        )
        found.faults = [f"{fault.what}: {fault.rows}" for fault in faults(db.connection())]

    ours = Counter(
        (payment.gateway_key, payment.amount_kopecks) for payment in payments_.values() if payment.state is PaymentState.SUCCEEDED
    )
    books = Counter(bank.charges())
    found.apart += [("at the bank only", *each) for each in (books - ours).elements()]
    found.apart += [("here only", *each) for each in (ours - books).elements()]
    for number, behaviour in enumerate(cards):
        mine, rule = runs[number], rules[number]
        found.results.update(f"{behaviour.value}: {run.result.value}" for run in mine)
        over = [run for run in mine if run.result in (AutopayResult.SUCCEEDED, AutopayResult.DECLINED)]
        if len(over) != 1 or len(mine) != 1:
            (found.doubled if len(mine) > 1 else found.forgotten).append((behaviour.value, mine))
            continue
        run = over[0]
        assert run.payment_id is not None
        done = run.result is AutopayResult.SUCCEEDED
        if done is not (behaviour in PAYS):
            found.forgotten.append((behaviour.value, run))
        if moved[run.payment_id] != done:
            found.doubled.append(("transfers", moved[run.payment_id], run))
        event = NoticeEvent.AUTOPAY_DONE if done else NoticeEvent.AUTOPAY_FAILED
        told = {each: notices[rule.customer_id, each] for each in events}
        if told != dict.fromkeys(events, 0) | {event: 1} or letters[f"receipt/{run.payment_id}"] != done:
            found.told.append((told, letters[f"receipt/{run.payment_id}"], run))
        hard = behaviour in (Behaviour.BLOCKED, Behaviour.EXPIRED)
        later = rule.due_at is not None and rule.due_at > clock.now() + timedelta(hours=1)
        tries = rule.due_attempt == (1 if done else 2)
        well = rule.state is AutopayState.PAUSED if hard else rule.state is AutopayState.ACTIVE and later and tries
        if not well:
            found.unplanned.append((behaviour.value, rule))


def _rows(kind: str, found: Found) -> list[dict[str, Any]]:
    def row(figure: str, value: Any, unit: str = "", target: str | None = None, holds: bool | None = None) -> dict[str, Any]:
        return {
            "figure": f"{kind}: {figure}",
            "value": value,
            "unit": unit,
            "reference": None,
            "ratio": None,
            "target": target,
            "holds": holds,
        }

    def none(figure: str, what: list[Any]) -> dict[str, Any]:
        for example in what[:5]:
            print(f"{kind}: {figure}: {example}", file=sys.stderr)
        return row(figure, len(what), target="0", holds=not what)

    def some(figure: str, count: int, unit: str) -> dict[str, Any]:
        return row(figure, count, unit, "> 0, else nothing is proved", count > 0)

    return [
        row("kills", found.kills),
        row("of them at work", found.at_work),
        *(
            some(f"killed in the midst of {name}", found.phases[phase], "kills")
            for phase, name in zip(PHASES, ("claiming", "asking the bank", "settling"), strict=True)
        ),
        row("the engine's own tables thrown away", found.engine_lost, "times"),
        some("claimed and unknown to the bank at a kill", len(found.claimed), "payments"),
        some("charged and not settled at a kill", len(found.charged), "payments"),
        *(row(f"runs, {what}", count) for what, count in sorted(found.results.items())),
        none("run or credited twice", found.doubled),
        none("forgotten, or ended otherwise than the card would", found.forgotten),
        none("bank's books and ledger apart", found.apart),
        none("not told once", found.told),
        none("rules not planned as they should", found.unplanned),
        none("disagreements of python -m db check", found.faults),
        row("the whole run", round(found.seconds, 1), "s"),
    ]


if __name__ == "__main__":
    work(Path(sys.argv[1]), float(sys.argv[2]))
