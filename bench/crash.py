"""Money survives: `python -m bench crash [--kills 100] [--database sqlite|postgresql|both] [--seed N]`.

A process pays on several threads (saved cards that pay, decline, think and fall silent; cards typed at the bank; one account
and several; money given back by staff) and looks after what is pending as the background does. It is killed by SIGKILL at
random moments and started again; half of the people come back with the same key, the others never do. Every result that a
person was shown is on disk before the next one begins. At the end the bank's books, the ledger, the receipts and what was
acknowledged are compared: nothing may be lost, doubled or pending.

The clock runs SPEED times as fast for everybody, so that the waits of the bank and of the background pass.
"""

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.payments import begin_payment, hear, progress
from actions.refunds import advance_refund, begin_refund
from db import reading, transaction
from integrations.test_bank import CARDS, CODE, Behaviour, TestBank
from jobs.money import settle_money_back, settle_payments
from rules.refusals import Refusal, Unavailable
from rules.terms import GatewayName, Language, PaymentState, Role
from rules.visitor import Visitor

SPEED = 20.0
PEOPLE, PAYING_THREADS = 200, 6
LONGEST_LIFE = 2.0
"""Seconds at most from the moment a process pays until it is killed."""
SAVED = (Behaviour.SUCCESS, Behaviour.INSUFFICIENT_FUNDS, Behaviour.LOST, Behaviour.SLOW)
TYPED = (Behaviour.SUCCESS, Behaviour.THREE_D_SECURE, Behaviour.BANK_REFUSED)
ROOT = Path(__file__).parent.parent
FAR = date(2099, 1, 31)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=100, help="how often the paying process is killed (100)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and of who pays what (1)")


def measure(kills: int = 100, database: str = "both", seed: int = 1) -> list[dict[str, Any]]:
    """Rows for the bench table."""
    kinds = ("sqlite", "postgresql") if database == "both" else (database,)
    print(f"seed {seed}")
    return [row for kind in kinds for row in _crashed(kind, kills, seed)]


def run_fast(began: float) -> None:
    """Let this process's clock run SPEED times as fast since `began` (seconds of the epoch)."""
    clock.now = lambda: datetime.fromtimestamp(began + (time.time() - began) * SPEED, UTC)


# --- the process that is killed ---------------------------------------------------------------------------
def _written(file: int, **facts: Any) -> None:
    """One line, in one piece, on the disk before this returns."""
    os.write(file, json.dumps(facts).encode() + b"\n")
    os.fsync(file)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """What was written; the last line may have been cut off by a kill."""
    text = file.read_text() if file.exists() else ""
    return (json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))


class Worker:
    """One life of the paying process."""

    def __init__(self, folder: Path, life: int, seed: int) -> None:
        known = json.loads((folder / "people.json").read_text())
        self.people, self.administrator = known["people"], _visitor(known["administrator"], Role.ADMINISTRATOR)
        self.life, self.seed = life, seed
        appends = os.O_APPEND | os.O_CREAT | os.O_WRONLY
        self.wishes, self.said, self.troubles = (
            os.open(folder / name, appends, 0o600) for name in ("wishes", "acknowledged", "troubles")
        )
        shown = {line["key"] for line in _lines(folder / "acknowledged")}
        left = [wish for wish in _lines(folder / "wishes") if wish["life"] == life - 1 and wish["key"] not in shown]
        self.come_back: dict[int, list[dict[str, Any]]] = {
            number: [wish for wish in left if wish["thread"] == number and comes_back(wish["key"])]
            for number in range(PAYING_THREADS)
        }
        self.paid: deque[tuple[int, int, int]] = deque(maxlen=50)

    def start(self) -> None:
        for number in range(PAYING_THREADS):
            threading.Thread(
                target=self._for_ever, args=(self._pay, random.Random(f"{self.seed}.{self.life}.{number}"), number)
            ).start()
        threading.Thread(target=self._for_ever, args=(self._give_back, random.Random(f"{self.seed}.{self.life}.back"), 0)).start()
        threading.Thread(target=self._for_ever, args=(self._look_after, random.Random(0), 0)).start()

    def _for_ever(self, work: Any, rng: random.Random, number: int) -> None:
        turn = 0
        while True:
            turn += 1
            try:
                work(rng, number, turn)
            except Unavailable:
                continue  # the database was busy: the screen says so, and the person is none the wiser
            except Exception as error:
                _written(self.troubles, life=self.life, work=work.__name__, error=repr(error)[:300])

    # --- a person
    def _pay(self, rng: random.Random, number: int, turn: int) -> None:
        if self.come_back[number]:
            wish = self.come_back[number].pop()
        else:
            wish = self._wish(rng, number, turn)
            _written(self.wishes, **wish)
        person = self.people[wish["person"]]
        visitor = _visitor(person, Role.CUSTOMER)
        payment_id = perform(
            begin_payment,
            visitor=visitor,
            parts={int(account_id): amount for account_id, amount in wish["parts"].items()},
            key=wish["key"],
            card_id=person["cards"][wish["behaviour"]] if wish["saved"] else None,
            return_url="/back/payment/{payment}",
            again=True,
        ).payment_id
        for _ in range(1 + wish["patience"]):
            stands = progress(visitor=visitor, payment_id=payment_id)
            if stands.page_url is not None:
                self._at_the_bank(stands.page_url, wish, rng)
                stands = progress(visitor=visitor, payment_id=payment_id)
            if stands.state is not PaymentState.PENDING:
                _written(self.said, key=wish["key"], payment=payment_id, state=stands.state.value)
                if stands.state is PaymentState.SUCCEEDED:
                    self.paid.extend((payment_id, int(account_id), amount) for account_id, amount in wish["parts"].items())
                return
            if wish["leaves"]:
                return  # the tab was closed; nobody was told anything
            time.sleep(0.2)

    def _wish(self, rng: random.Random, number: int, turn: int) -> dict[str, Any]:
        person = rng.randrange(len(self.people))
        accounts = self.people[person]["accounts"]
        saved = rng.random() < 0.8
        behaviour = rng.choices(SAVED, (70, 12, 9, 9))[0] if saved else rng.choices(TYPED, (70, 20, 10))[0]
        return {
            "life": self.life,
            "thread": number,
            "key": f"{self.life}-{number}-{turn}",
            "person": person,
            "parts": {account_id: rng.randint(5_000, 400_000) for account_id in accounts[: rng.choice((1, 1, 2))]},
            "saved": saved,
            "behaviour": behaviour.value,
            "patience": 8 if rng.random() < 0.3 else 0,
            "leaves": not saved and rng.random() < 0.1,
        }

    def _at_the_bank(self, page_url: str, wish: dict[str, Any], rng: random.Random) -> None:
        ref = page_url.split("/")[2]
        if wish["leaves"]:
            return
        bank = TestBank()
        bank.pay(ref, next(card for card in CARDS if card.behaviour == wish["behaviour"]), expires_on=FAR)
        if wish["behaviour"] == Behaviour.THREE_D_SECURE:
            bank.confirm(ref, CODE)
        if rng.random() < 0.3:
            hear(GatewayName.TEST_BANK, ref)  # the bank's notice is here before the payer is

    # --- staff, and nobody
    def _give_back(self, rng: random.Random, _number: int, turn: int) -> None:
        time.sleep(rng.uniform(0, 0.1))
        if not self.paid:
            return
        payment_id, account_id, amount = self.paid.popleft()
        key = f"back-{self.life}-{turn}"
        try:
            refund_id = perform(
                begin_refund,
                visitor=self.administrator,
                payment_id=payment_id,
                account_id=account_id,
                amount_kopecks=amount if rng.random() < 0.5 else rng.randint(1, amount),
                reason="bench",
                key=key,
            )
        except Refusal:
            return  # a payment that was replayed stands in the list twice: more cannot be given back than came
        stands = advance_refund(refund_id)
        if stands.state is not PaymentState.PENDING:
            _written(self.said, key=key, refund=refund_id, state=stands.state.value)

    def _look_after(self, _rng: random.Random, _number: int, _turn: int) -> None:
        settle_payments(clock.now())
        settle_money_back(clock.now())
        time.sleep(5 / SPEED)


def comes_back(key: str) -> bool:
    """Whether the person whose payment was cut off tries again under the same key; the others leave it to the background."""
    return int(key.split("-")[1]) % 2 == 0


def _visitor(person: dict[str, Any], role: Role) -> Visitor:
    return Visitor(person["id"], person["session"], role, "", Language.RU, "RU-MOW", "Europe/Moscow")


def work(folder: Path, life: int, seed: int, began: float) -> None:
    """Pay until killed."""
    logging.disable(logging.ERROR)  # what the bank's silence writes; what goes wrong is in `troubles`
    run_fast(began)
    Worker(folder, life, seed).start()
    print("ready", flush=True)
    threading.Event().wait()  # not the end of the interpreter: it would let no thread begin another


# --- the process that kills -------------------------------------------------------------------------------
@dataclass
class Found:
    """What one run came to."""

    kills: int = 0
    seconds: float = 0.0
    begun: int = 0
    succeeded: int = 0
    declined: int = 0
    refunds: int = 0
    acknowledged: int = 0
    between: int = 0
    """Payments that the bank had charged and the portal had not settled when a kill came."""
    only_looked_after: int = 0
    """Those of them whose person never came back: `reconcile` had to settle them."""
    refunds_between: int = 0
    lost: list[Any] = field(default_factory=list)
    doubled: list[Any] = field(default_factory=list)
    pending: int = 0
    apart: int = 0
    """Charges and refunds of which the bank's books and the ledger say different things."""
    faults: list[str] = field(default_factory=list)
    troubles: list[Any] = field(default_factory=list)


def _crashed(kind: str, kills: int, seed: int) -> list[dict[str, Any]]:
    from bench import databases  # what only the parent needs: a worker starts in half the time without

    ticks, found, rng = clock.now, Found(kills=kills), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made, databases.server(kind, Path(made)) as where:
        folder, url = Path(made), databases.make(kind, where)
        try:
            databases.use(url)
            began = time.time()
            run_fast(began)
            (folder / "people.json").write_text(json.dumps(_people()))
            before = time.perf_counter()
            between: dict[int, str] = {}
            refunds_between: set[int] = set()
            for life in range(1, kills + 1):
                _live(folder, url, life, seed, began, rng.uniform(0, LONGEST_LIFE))
                now_between, refunds = _left_between(kind)
                between |= now_between
                refunds_between |= refunds
                if life % 10 == 0:
                    print(f"{databases.KINDS[kind]}: {life} kills, {len(between)} between charge and settlement", file=sys.stderr)
            found.between, found.refunds_between = len(between), len(refunds_between)
            found.only_looked_after = sum(not comes_back(key) for key in between.values())
            _finish()
            found.seconds = time.perf_counter() - before
            _compare(folder, found)
        finally:
            clock.now = ticks
            databases.drop(kind, where, url)
    return _rows(databases.KINDS[kind], found)


def _people() -> dict[str, Any]:
    """Everybody has an account, may pay the next one's, and has a card of each behaviour; two of three have an e-mail."""
    from actions.cards import keep
    from models import Customer
    from rules.terms import Right
    from tests.money.world import World

    bank, people = TestBank(), []
    with transaction() as db:
        world = World(db)
        accounts = []
        for number in range(PEOPLE):
            person = world.person()
            if number % 3:
                person.email, person.email_confirmed_at = f"payer-{number}@kabinet.example", clock.now()
                db.add(person)
            accounts.append(world.account(person))
            people.append({"id": person.id, "session": world.visitor(person).session_id, "cards": {}})
        for number, one in enumerate(people):
            other = accounts[(number + 1) % PEOPLE]
            world.attach(db.get_one(Customer, one["id"]), other, right=Right.PAY)
            one["accounts"] = [accounts[number].id, other.id]
        staff = world.person("Ольга")
        administrator = {"id": staff.id, "session": world.visitor(staff).session_id}
    for one in people:
        kept = {behaviour: bank.hand_out(behaviour, expires_on=FAR) for behaviour in SAVED}
        with transaction() as db:
            for behaviour, card in kept.items():
                one["cards"][behaviour.value] = keep(db, customer_id=one["id"], card=card, now=clock.now()).id
    return {"people": people, "administrator": administrator}


def _live(folder: Path, url: str, life: int, seed: int, began: float, seconds: float) -> None:
    """Start a paying process, and kill it so many seconds after it began to pay."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.crash", str(folder), str(life), str(seed), repr(began)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "KABINET_MODE": "demo"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the paying process did not start")
        time.sleep(seconds)
        process.kill()


def _left_between(kind: str) -> tuple[dict[int, str], set[int]]:
    """Payments (id → key) and refunds (ids) that the bank has carried out and the portal knows nothing of yet.

    A bank that is silent or thinks is not among them: there the portal has asked and got no answer.
    """
    while kind == "postgresql" and _servers_at_work():
        time.sleep(0.01)  # the server is still finishing what the dead client had sent
    with reading() as db:
        payments = db.execute(
            sa.text(
                "SELECT p.id, p.key FROM payment p JOIN test_bank_payment b ON b.key = p.gateway_key"
                " WHERE p.state = 'pending' AND b.state = 'succeeded' AND b.silent_until IS NULL"
            )
        )
        refunds = db.scalars(
            sa.text("SELECT r.id FROM refund r JOIN test_bank_refund b ON b.key = r.gateway_key WHERE r.state = 'pending'")
        )
        return {row.id: row.key for row in payments}, set(refunds)


def _servers_at_work() -> int:
    """Connections of others that are not idle; asked anew each time: within a transaction the answer would stay the same."""
    with reading() as db:
        others = "datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
        return int(db.scalar(sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE {others}")) or 0)


def _finish() -> None:
    """Hours pass and nobody is killed any more, until nothing is pending or it is clear that it never ends."""
    logging.disable(logging.ERROR)
    at = clock.now()
    for _ in range(300):
        at += timedelta(minutes=1)
        clock.now = lambda at=at: at
        settle_payments(at)
        settle_money_back(at)
        if not any(_pending()):
            break
    logging.disable(logging.NOTSET)


def _pending() -> tuple[int, int]:
    with reading() as db:
        return tuple(
            db.scalar(sa.text(f"SELECT count(*) FROM {table} WHERE state = 'pending'")) or 0 for table in ("payment", "refund")
        )  # type: ignore[return-value]


def _compare(folder: Path, found: Found) -> None:
    """The bank's books, the ledger, the receipts and what people were told: each against the others."""
    from db.check import faults
    from models import Customer, Message, Payment, PaymentPart, Refund, Transfer
    from rules.terms import TransferCode

    bank = TestBank()
    with reading() as db:
        payments = {payment.id: payment for payment in db.exec(select(Payment))}
        refunds = {refund.id: refund for refund in db.exec(select(Refund))}
        reachable = set(db.exec(select(Customer.id).where(col(Customer.email_confirmed_at).is_not(None))))
        due = Counter((part.payment_id, part.billing_account_id, part.amount_kopecks) for part in db.exec(select(PaymentPart)))
        moved = list(db.exec(select(Transfer)))
        letters = Counter(db.exec(select(Message.document).where(col(Message.about) == "receipt")))
        found.faults = [f"{fault.what}: {fault.rows}" for fault in faults(db.connection())]
    of_state = Counter(payment.state for payment in payments.values())
    found.begun, found.pending = len(payments), sum(_pending())
    found.succeeded, found.declined = of_state[PaymentState.SUCCEEDED], of_state[PaymentState.DECLINED]
    found.troubles = list(_lines(folder / "troubles"))

    came = Counter((t.payment_id, t.billing_account_id, t.amount_kopecks) for t in moved if t.code is TransferCode.TOP_UP)
    back = Counter(t.key for t in moved if t.code is TransferCode.REFUND)
    succeeded = {payment_id for payment_id, payment in payments.items() if payment.state is PaymentState.SUCCEEDED}
    given = {refund_id for refund_id, refund in refunds.items() if refund.state is PaymentState.SUCCEEDED}
    found.refunds = len(given)

    # What the bank did and what the ledger holds.
    ours = Counter((payments[payment_id].gateway_key, payments[payment_id].amount_kopecks) for payment_id in succeeded)
    ours_back = Counter((refunds[refund_id].gateway_key, refunds[refund_id].amount_kopecks) for refund_id in given)
    books, books_back = Counter(bank.charges()), Counter(bank.refunds())
    found.lost += [("taken and not credited", *each) for each in (books - ours).elements()]
    found.apart = sum(counted.total() for counted in (books - ours, ours - books, books_back - ours_back, ours_back - books_back))
    # What the ledger holds and what it should.
    should = Counter({part: times for part, times in due.items() if part[0] in succeeded})
    found.lost += [("not credited", *part) for part in (should - came).elements()]
    found.doubled += [("credited too often", *part) for part in (came - should).elements()]
    found.lost += [("refund not posted", refund_id) for refund_id in given if not back[f"refund:{refund_id}"]]
    found.doubled += [("refund", key) for key, times in back.items() if times > 1 or int(key.split(":")[1]) not in given]
    # One letter each.
    wanted = Counter(f"receipt/{payment_id}" for payment_id in succeeded if payments[payment_id].payer_id in reachable)
    found.lost += [("no receipt", document) for document in (wanted - letters).elements()]
    found.doubled += [("receipt", document) for document in (letters - wanted).elements()]
    # What people were told, and under which payment.
    told = list(_lines(folder / "acknowledged"))
    found.acknowledged = len(told)
    for line in told:
        row = refunds.get(line["refund"]) if "refund" in line else payments.get(line["payment"])
        if row is None or row.state != line["state"]:
            found.lost.append(("told otherwise", line))
    of_key = Counter(payment.key for payment in payments.values())  # a key of the bench is one wish of one person
    found.doubled += [("two payments for one wish", key) for key, times in of_key.items() if times > 1]


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

    def none(figure: str, what: int | list[Any]) -> dict[str, Any]:
        for example in what[:5] if isinstance(what, list) else ():
            print(f"{kind}: {figure}: {example}", file=sys.stderr)
        count = len(what) if isinstance(what, list) else what
        return row(figure, count, target="0", holds=count == 0)

    return [
        row("kills", found.kills),
        row("payments begun", found.begun),
        row("of them succeeded", found.succeeded),
        row("of them declined", found.declined),
        row("refunds", found.refunds),
        row("results that somebody was shown", found.acknowledged),
        row("killed between charge and settlement", found.between, "payments", "> 0, else nothing is proved", found.between > 0),
        row("of them nobody came back for", found.only_looked_after, "payments", "> 0", found.only_looked_after > 0),
        row("killed between refund and settlement", found.refunds_between, "refunds"),
        none("lost", found.lost),
        none("doubled", found.doubled),
        none("pending at the end", found.pending),
        none("bank's books and ledger apart", found.apart),
        none("disagreements of python -m db check", found.faults),
        none("unexpected errors", found.troubles),
        row("the whole run", round(found.seconds, 1), "s"),
    ]


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
