"""Payments, ledger, refunds and points against a model of them: whatever people, the bank and the weather do, in any order.

After every step: what an account holds is what its journal says and what the model says; the journal only grows, and in order;
what succeeded was charged once and credited in full, and nothing else was; points are for money that stayed paid. In the end
nothing is left pending and the bank's books are ours. The faults at the end are planted one by one, to see that each is caught.
"""

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import clock
from actions import payments as payments_module
from actions import perform
from actions import refunds as refunds_module
from actions.bonus import spend_points
from actions.ledger import post
from actions.payments import advance, begin_payment, hear, reconcile
from actions.refunds import advance_refund, begin_refund, settle_refunds
from db import database, transaction
from db import engine as engine_module
from db.check import faults
from integrations.gateway import Charge, GatewayRefused, KeptCard, NoAnswer, RefundStanding, Standing
from models import SavedCard
from rules.refusals import KeyReused, NotEnoughMoney, NotEnoughPoints, RefundImpossible, RefundTooMuch, Refusal
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState, Role, TransferCode
from settings import settings as operators
from tests.conftest import use_database
from tests.money.planting import planted
from tests.money.world import World

EXAMPLES = int(os.environ.get("KABINET_MODEL_EXAMPLES", "200"))
STEPS = 50
PER_POINT = 2_000


@dataclass
class Line:
    """One charge in the double's books."""

    charge: Charge
    ref: str
    state: PaymentState
    reason: DeclineReason | None = None


@dataclass
class Bank:
    """A gateway at the edge, in memory: the double of a world that charges once per key and whose answers get lost."""

    name: GatewayName = GatewayName.TEST_BANK
    lines: dict[str, Line] = field(default_factory=dict)
    back: dict[str, tuple[str, int]] = field(default_factory=dict)
    trouble: str = ""
    meanwhile: Callable[[], Any] | None = None

    def _others_work(self) -> None:
        """What somebody else does before this answer has arrived."""
        work, self.meanwhile = self.meanwhile, None
        if work is not None:
            work()

    def _weather(self, *, after: bool) -> None:
        if self.trouble == ("lost" if after else "unreachable"):
            self.trouble = ""
            raise NoAnswer("the line is down")

    def charge(self, charge: Charge) -> Standing:
        self._weather(after=False)
        line = self.lines.get(charge.key)
        if line is None:
            line = Line(charge, uuid.uuid4().hex, PaymentState.PENDING)
            if charge.token is not None:
                self._decide(line, good="good" in charge.token)
            self.lines[charge.key] = line
        elif line.charge != charge:
            raise GatewayRefused("the key came with something else")
        self._weather(after=True)
        self._others_work()
        return self._standing(line)

    def _decide(self, line: Line, *, good: bool) -> None:
        line.state = PaymentState.SUCCEEDED if good else PaymentState.DECLINED
        line.reason = None if good else DeclineReason.INSUFFICIENT_FUNDS

    def typed(self, key: str, *, good: bool) -> None:
        """The payer at the bank's page."""
        line = self.lines.get(key)
        if line is not None and line.state is PaymentState.PENDING:
            self._decide(line, good=good)

    def _standing(self, line: Line) -> Standing:
        kept = None
        if line.charge.keep_card and line.state is PaymentState.SUCCEEDED:
            kept = KeptCard(f"good-{line.ref}", CardBrand.MIR, "0004", date(2099, 1, 31))
        page = f"/bank/{line.ref}" if line.state is PaymentState.PENDING else None
        return Standing(line.ref, line.charge.key, line.state, line.charge.amount_kopecks, page, line.reason, kept)

    def ask(self, ref: str) -> Standing:
        self._weather(after=False)
        found = next((line for line in self.lines.values() if line.ref == ref), None)
        if found is None:
            raise GatewayRefused("unknown")
        self._weather(after=True)
        self._others_work()
        return self._standing(found)

    def find(self, key: str, *, since: datetime) -> Standing | None:  # noqa: ARG002
        self._weather(after=False)
        line = self.lines.get(key)
        return None if line is None else self._standing(line)

    def refund(self, *, key: str, ref: str, amount_kopecks: int, reason: str) -> RefundStanding:  # noqa: ARG002
        self._weather(after=False)
        if key not in self.back:
            line = next(line for line in self.lines.values() if line.ref == ref)
            given = sum(kopecks for of, kopecks in self.back.values() if of == ref)
            if given + amount_kopecks > line.charge.amount_kopecks:
                raise GatewayRefused("more than is left")
            self.back[key] = (ref, amount_kopecks)
        self._weather(after=True)
        self._others_work()
        return RefundStanding(f"r-{key}", key, PaymentState.SUCCEEDED, self.back[key][1])

    def ask_refund(self, ref: str) -> RefundStanding:
        key = ref.removeprefix("r-")
        return RefundStanding(ref, key, PaymentState.SUCCEEDED, self.back[key][1])

    def find_refund(self, key: str, *, payment_ref: str) -> RefundStanding | None:  # noqa: ARG002
        self._weather(after=False)
        return RefundStanding(f"r-{key}", key, PaymentState.SUCCEEDED, self.back[key][1]) if key in self.back else None


SUMS = st.integers(5_000, 60_000)
PLACES = st.integers(0, 2)
LUCK = st.sampled_from(["", "lost", "two look"])
"""What happens to an answer of the bank while somebody waits for it."""


class Money(RuleBasedStateMachine):
    """Two people, three accounts, good and bad cards; and what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self._real = (clock.now, payments_module.gateway_called, refunds_module.gateway_called)
        clock.now = lambda: self.now  # type: ignore[assignment]
        payments_module.AT_ONCE = 1  # one after the other, so that the same steps do the same again
        self.bank = Bank()
        payments_module.gateway_called = refunds_module.gateway_called = lambda _name: self.bank  # type: ignore[assignment]
        with transaction() as db:
            world = World(db)
            world.number = int(uuid.uuid4()) % 70_000_000
            people = [world.person(name) for name in ("Анна", "Пётр")]
            for person in people:
                person.email, person.email_confirmed_at = f"{uuid.uuid4().hex}@kabinet.example", self.now
            self.visitors = [world.visitor(person) for person in people]
            self.accounts = [world.account(people[0]).id, world.account(people[0]).id, world.account(people[1]).id]
            self.cards = [[self._card(world, p, "good"), self._card(world, p, "bad")] for p in people]
            staff = world.person("Ольга")
            staff.role = Role.ADMINISTRATOR
            self.staff = world.visitor(staff).__class__(**{**_facts(world.visitor(staff)), "role": Role.ADMINISTRATOR})
        self.pooled = database().raw_connection()
        self.look: Any = self.pooled.driver_connection
        if not database().url.drivername.startswith("sqlite"):
            self.look.autocommit = True
        self.payments: dict[int, tuple[int, dict[int, int]]] = {}
        self.wishes: dict[tuple[int, str], tuple[int, Any]] = {}
        self.refunds: dict[int, tuple[int, int, int]] = {}
        self.moved: Counter[int] = Counter()
        self.spent: Counter[int] = Counter()
        self.journal: list[tuple[Any, ...]] = []

    def _card(self, world: World, person: Any, kind: str) -> int:
        card: SavedCard = world.card(person)
        card.token = f"{kind}-{uuid.uuid4().hex}"
        world.db.add(card)
        return card.id

    def teardown(self) -> None:
        try:
            self.bank.trouble = ""
            self.now += timedelta(hours=2)
            for line in self.bank.lines.values():
                if line.state is PaymentState.PENDING:
                    line.state, line.reason = PaymentState.DECLINED, DeclineReason.NOT_FINISHED
            for _ in range(3):
                reconcile(self.now)
                settle_refunds(self.now)
                self.now += timedelta(hours=1)
            states = self._states("payment")
            assert PaymentState.PENDING not in states.values(), "a payment stays pending for ever"
            assert PaymentState.PENDING not in self._states("refund").values(), "a refund stays pending for ever"
            self.it_all_agrees()
            charged = sorted(line.charge.amount_kopecks for line in self.bank.lines.values() if line.state == "succeeded")
            paid = sorted(sum(self.payments[id_][1].values()) for id_, state in states.items() if state == "succeeded")
            assert charged == paid, "the bank's books are not ours"
            given = sorted(kopecks for _, kopecks in self.bank.back.values())
            back = sorted(self.refunds[id_][2] for id_, state in self._states("refund").items() if state == "succeeded")
            assert given == back, "what the bank gave back is not what we booked"
        finally:
            clock.now, payments_module.gateway_called, refunds_module.gateway_called = self._real  # type: ignore[assignment]
            payments_module.AT_ONCE = 8
            self.pooled.invalidate()

    # --- what happens -----------------------------------------------------------------------------------
    @rule(
        who=st.integers(0, 1),
        sums=st.dictionaries(PLACES, SUMS, min_size=1, max_size=2),
        how=st.sampled_from(["good", "bad", "page"]),
        keep=st.booleans(),
        key=st.integers(0, 15),
    )
    def begins_a_payment(self, who: int, sums: dict[int, int], how: str, keep: bool, key: int) -> None:
        mine = {self.accounts[place]: kopecks for place, kopecks in sums.items() if (place == 2) == (who == 1)}
        if not mine:
            return
        card_id = None if how == "page" else self.cards[who][how == "bad"]
        wish = (mine, card_id, keep and card_id is None)
        known = self.wishes.get((who, f"k{key}"))
        try:
            id_ = perform(
                begin_payment, visitor=self.visitors[who], parts=mine, key=f"k{key}", card_id=card_id, keep_card=keep, again=True,
                return_url="/back/payment/{payment}",
            ).payment_id  # fmt: skip
        except KeyReused:
            assert known is not None
            assert known[1] != wish, "the same key with the same content is the same payment"
            return
        except Refusal:
            return
        if known is not None:
            assert known == (id_, wish), "a key is one payment and no other"
            return
        if id_ in self.payments:
            return  # an equal one was under way: this wish is that one, and its key stays free
        self.wishes[who, f"k{key}"] = (id_, wish)
        self.payments[id_] = (who, mine)

    @rule(
        who=st.integers(0, 1),
        kopecks=st.sampled_from([5_000, 20_000, 60_000]),
        key=st.integers(100, 110),
        luck=LUCK,
    )
    def pays_at_once(self, who: int, kopecks: int, key: int, luck: str) -> None:
        """What happens most: a saved card, and the screen that looks after it. The answer may be lost or come to two at once."""
        sums = {2: kopecks} if who else {0: kopecks, 1: kopecks // 2}
        self.begins_a_payment(who=who, sums=sums, how="good", keep=False, key=key)
        known = self.wishes.get((who, f"k{key}"))
        if known is not None:
            self._looked_at(luck, lambda: advance(known[0]))

    def _looked_at(self, luck: str, look: Callable[[], Any]) -> None:
        if luck == "lost":
            self.bank.trouble = "lost"
        elif luck == "two look":
            self.bank.meanwhile = look
        look()
        self.bank.trouble, self.bank.meanwhile = "", None

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def looks_after_a_payment(self, data: st.DataObject) -> None:
        advance(data.draw(st.sampled_from(sorted(self.payments))))

    @precondition(lambda self: self.bank.lines)
    @rule(data=st.data(), good=st.booleans())
    def types_a_card_at_the_bank(self, data: st.DataObject, good: bool) -> None:
        self.bank.typed(data.draw(st.sampled_from(list(self.bank.lines))), good=good)

    @precondition(lambda self: self.bank.lines)
    @rule(data=st.data())
    def hears_from_the_bank(self, data: st.DataObject) -> None:
        with suppress(NoAnswer):
            hear(GatewayName.TEST_BANK, self.bank.lines[data.draw(st.sampled_from(list(self.bank.lines)))].ref)

    @rule(kind=st.sampled_from(["lost", "unreachable"]))
    def the_line_breaks(self, kind: str) -> None:
        self.bank.trouble = kind

    @rule(minutes=st.sampled_from([1, 5, 20, 90, 1_500]))
    def time_passes_and_the_background_works(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        reconcile(self.now)
        settle_refunds(self.now)

    @rule(place=PLACES, kopecks=st.one_of(st.just(0), st.integers(1, 40_000)), floor=st.booleans())
    def something_is_charged(self, place: int, kopecks: int, floor: bool) -> None:
        """A fee that must be paid, or an option that must be covered by what is there; so much, or (0) one kopeck more."""
        account_id, there = self.accounts[place], self._balance(self.accounts[place])
        kopecks = kopecks or max(there, 0) + 1
        code = TransferCode.OPTION_FEE if floor else TransferCode.PLAN_FEE
        try:
            with transaction() as db:
                post(db, account_id=account_id, code=code, amount_kopecks=kopecks, key=uuid.uuid4().hex, occurred_at=self.now,
                     floor_kopecks=0 if floor else None)  # fmt: skip
        except NotEnoughMoney:
            assert floor, "only what has a floor is refused"
            assert there < kopecks, "what is covered is not refused"
            return
        assert not floor or there >= kopecks, "an option was sold for money that is not there"
        self.moved[account_id] -= kopecks

    @rule(who=st.integers(0, 1), points=st.one_of(st.just(0), st.integers(1, 40)), key=st.integers(0, 20), place=PLACES)
    def spends_points(self, who: int, points: int, key: int, place: int) -> None:
        """So many, or (0) all there are; mostly on an account of one's own."""
        place = 2 if who and place else place % 2
        there = self._points(who)
        points = points or there
        lots = self._lots(who)
        before = self._entries(who)
        try:
            spent = perform(
                spend_points, visitor=self.visitors[who], account_id=self.accounts[place], points=points, key=f"s{key}"
            )
        except NotEnoughPoints:
            assert there < points
            return
        except Refusal:
            return
        if self._entries(who) == before:
            return  # the same key: done before
        assert there >= points, "points were spent that are not there"
        assert there - self._points(who) == spent.points == points
        left = points
        for lot_id, remaining in lots:  # what expires first goes first
            took = min(left, remaining)
            assert dict(self._lots(who)).get(lot_id, 0) == remaining - took, "the oldest points go first"
            left -= took
        self.spent[self.accounts[place]] += points * 100

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), kopecks=st.one_of(st.just(0), st.integers(1, 70_000)), key=st.integers(0, 20), settle=st.booleans(),
          luck=LUCK)  # fmt: skip
    def staff_give_money_back(self, data: st.DataObject, kopecks: int, key: int, settle: bool, luck: str) -> None:
        """So much, or (0) the whole; and perhaps they wait for the end of it."""
        paid = [id_ for id_, state in sorted(self._states("payment").items()) if state == "succeeded" or not settle]
        id_ = data.draw(st.sampled_from(paid or sorted(self.payments)))
        account_id = data.draw(st.sampled_from(sorted(self.payments[id_][1])))
        self._given_back(id_, account_id, kopecks, key=f"r{key}", settle=settle, luck=luck)

    @rule(who=st.integers(0, 1), key=st.integers(200, 240), luck=LUCK)
    def pays_spends_the_points_and_gets_the_money_back(self, who: int, key: int, luck: str) -> None:
        self.pays_at_once(who=who, kopecks=60_000, key=key, luck="")
        known = self.wishes.get((who, f"k{key}"))
        if known is not None:
            self.spends_points(who=who, points=0, key=key, place=who * 2)
            self._given_back(known[0], self.accounts[who * 2], 0, key=f"r{who}:{key}", settle=True, luck=luck)

    @rule(who=st.integers(0, 1), key=st.integers(300, 320), points=st.integers(1, 40))
    def pays_on_two_days_and_spends_some_points(self, who: int, key: int, points: int) -> None:
        for day in (0, 1):
            self.pays_at_once(who=who, kopecks=60_000, key=key + 100 * day, luck="")
            self.time_passes_and_the_background_works(minutes=1_500)
        self.spends_points(who=who, points=points, key=key, place=who * 2)

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), key=st.integers(0, 20))
    def staff_ask_twice_for_the_whole(self, data: st.DataObject, key: int) -> None:
        """A refund that is still under way, and another of the same money."""
        id_ = data.draw(st.sampled_from(sorted(self.payments)))
        account_id = data.draw(st.sampled_from(sorted(self.payments[id_][1])))
        for again in ("", " again"):
            self._given_back(id_, account_id, 0, key=f"w{key}{again}", settle=False, luck="")

    def _given_back(self, id_: int, account_id: int, kopecks: int, *, key: str, settle: bool, luck: str) -> None:
        kopecks = kopecks or self.payments[id_][1][account_id]
        taken = sum(
            of[2] for rid, of in self.refunds.items() if of[:2] == (id_, account_id) and self._states("refund")[rid] != "declined"
        )
        try:
            refund_id = perform(begin_refund, visitor=self.staff, payment_id=id_, account_id=account_id, amount_kopecks=kopecks,
                                reason="Ошибка", key=key)  # fmt: skip
        except RefundImpossible:
            assert self._states("payment")[id_] != "succeeded", "what was paid by card can be given back"
            return
        except RefundTooMuch:
            assert taken + kopecks > self.payments[id_][1][account_id]
            return
        except KeyReused:
            return
        if refund_id not in self.refunds:
            assert taken + kopecks <= self.payments[id_][1][account_id], "more would go back than was paid"
            self.refunds[refund_id] = (id_, account_id, kopecks)
        if settle:
            self._looked_at(luck, lambda: advance_refund(refund_id))

    @precondition(lambda self: self.refunds)
    @rule(data=st.data())
    def looks_after_a_refund(self, data: st.DataObject) -> None:
        advance_refund(data.draw(st.sampled_from(sorted(self.refunds))))

    # --- what must hold ---------------------------------------------------------------------------------
    @invariant()
    def it_all_agrees(self) -> None:
        ids, states, backs = self.accounts, self._states("payment"), self._states("refund")
        journal = self._all(
            "SELECT t.id, t.billing_account_id, t.code, t.amount_kopecks, t.key, t.payment_id, t.occurred_at,"
            " c.billing_account_id FROM transfer t JOIN ledger_account c ON c.id = t.credit_id"
            f" WHERE t.billing_account_id IN {_in(ids)} ORDER BY t.id"
        )
        assert journal[: len(self.journal)] == self.journal, "the journal was changed"
        self.journal = journal
        moments = [str(line[6]) for line in journal]
        assert moments == sorted(moments), "the journal is out of order"
        top_ups = Counter((line[5], line[1]) for line in journal if line[2] == "top_up")
        parts = {(id_, a): k for id_, (_, mine) in self.payments.items() if states[id_] == "succeeded" for a, k in mine.items()}
        assert top_ups == Counter(parts.keys()), "each part of each payment that succeeded is credited once, and nothing else"
        assert all(line[3] == parts[line[5], line[1]] for line in journal if line[2] == "top_up")
        for account_id in ids:
            own = sum(line[3] if line[7] == account_id else -line[3] for line in journal if line[1] == account_id)
            came = sum(k for (_, a), k in parts.items() if a == account_id)
            went = sum(of[2] for rid, of in self.refunds.items() if of[1] == account_id and backs[rid] == "succeeded")
            assert own == came - went + self.moved[account_id] + self.spent[account_id], "the journal is not the model"
            assert own == self._balance(account_id), "the kept balance is not the journal"
        for id_, state in states.items():
            line = self.bank.lines.get(self._one(f"SELECT gateway_key FROM payment WHERE id = {id_}"))
            charged = line is not None and line.state is PaymentState.SUCCEEDED
            assert charged or state != "succeeded", "credited without a charge"
            assert not (charged and state == "declined"), "charged, and called declined"
        assert len(self.bank.lines) <= len(states), "charged more often than there are payments"
        people = _in([visitor.customer_id for visitor in self.visitors])
        receipts = [
            line[0] for line in self._all(f"SELECT document FROM message WHERE requested_by_id IN {people} AND about = 'receipt'")
        ]
        assert sorted(receipts) == sorted(f"receipt/{id_}" for id_, state in states.items() if state == "succeeded"), (
            "one receipt each"
        )
        told = self._one(f"SELECT COUNT(*) FROM message WHERE requested_by_id IN {people} AND about = 'refund'")
        assert told == sum(state == "succeeded" for state in backs.values()), "one letter for each refund"
        for who in (0, 1):
            self._points_are_right(who, states, backs)

    def _points_are_right(self, who: int, states: dict[int, str], backs: dict[int, str]) -> None:
        person = self.visitors[who].customer_id
        rows = self._all(f"SELECT kind, payment_id, points, key FROM bonus_entry WHERE customer_id = {person}")
        earned = Counter({payment_id: int(points) for kind, payment_id, points, _ in rows if kind == "earned"})
        reversed_: Counter[int] = Counter()
        for kind, payment_id, points, key in rows:
            if kind == "reversed":  # what was owed is taken later, from another payment's points
                of = self.refunds[int(key.split(":")[1])][0] if key.startswith("owed:") else payment_id
                reversed_[of] -= int(points)
        due = {}
        for id_, (payer, mine) in self.payments.items():
            if payer == who and states[id_] == "succeeded" and sum(mine.values()) >= PER_POINT:
                due[id_] = sum(mine.values()) // PER_POINT
        assert earned == due, "points are granted for money that was paid, once"
        for id_, points in due.items():
            back = sum(of[2] for rid, of in self.refunds.items() if of[0] == id_ and backs[rid] == "succeeded")
            owes = int(self._one(f"SELECT COALESCE(SUM(points_owed), 0) FROM refund WHERE payment_id = {id_}"))
            kept = (sum(self.payments[id_][1].values()) - back) // PER_POINT
            assert reversed_[id_] + owes == points - kept, "points stay only for money that stayed paid"
        left = sum(remaining for _, remaining in self._lots(who))
        assert left == sum(int(points) for _, _, points, _ in rows), "what is left of the points is not what their entries say"
        assert left >= 0

    # --- looking ----------------------------------------------------------------------------------------
    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.look.execute(query).fetchall()]

    def _one(self, query: str) -> Any:
        return self._all(query)[0][0]

    def _states(self, table: str) -> dict[int, str]:
        ids = self.payments if table == "payment" else self.refunds
        return dict(self._all(f"SELECT id, state FROM {table} WHERE id IN {_in(ids)}")) if ids else {}  # type: ignore[arg-type]

    def _balance(self, account_id: int) -> int:
        return int(self._one(f"SELECT balance_kopecks FROM ledger_account WHERE billing_account_id = {account_id}"))

    def _lots(self, who: int) -> list[tuple[int, int]]:
        person = self.visitors[who].customer_id
        order = "ORDER BY expires_on, granted_on, id"
        query = f"SELECT id, remaining FROM bonus_lot WHERE customer_id = {person} AND remaining > 0 {order}"
        return [(int(id_), int(left)) for id_, left in self._all(query)]

    def _points(self, who: int) -> int:
        return sum(left for _, left in self._lots(who))

    def _entries(self, who: int) -> int:
        return int(self._one(f"SELECT COUNT(*) FROM bonus_entry WHERE customer_id = {self.visitors[who].customer_id}"))


def _in(ids: Any) -> str:
    return f"({', '.join(map(str, ids))})"


def _facts(visitor: Any) -> dict[str, Any]:
    return {name: getattr(visitor, name) for name in visitor.__dataclass_fields__}


def model(examples: int, **more: Any) -> settings:
    return settings(max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck),
                    derandomize=True, database=None, report_multiple_bugs=False, **more)  # fmt: skip


def test_money_agrees_whatever_happens_in_whatever_order(db: sa.Engine):
    run_state_machine_as_test(Money, settings=model(EXAMPLES))
    with db.connect() as connection:
        assert faults(connection) == []


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One database is enough to see that a fault is seen."""
    file = tmp_path / "kabinet.db"
    shutil.copyfile(sqlite_template, file)
    made = use_database(f"sqlite:///{file}", monkeypatch)
    yield
    made.dispose()
    engine_module._engine_for.cache_clear()
    operators.cache_clear()


FAULTS = {
    "a payment that succeeded is settled again": (
        "actions.settlement",
        "    if payment.state is PaymentState.SUCCEEDED:\n        return Progress(payment_id, payment.state)\n    if (standing",
        "    if (standing",
    ),
    "only the first account of a payment is credited": (
        "actions.settlement",
        "        for part in _parts(db, payment_id):",
        "        for part in _parts(db, payment_id)[:1]:",
    ),
    "every try has a key of its own": (
        "actions.payments",
        '    key = payment.gateway_key or ""',
        "    key = uuid.uuid4().hex",
    ),
    "no answer is taken for a refusal": (
        "actions.settlement",
        "        return note(answer.payment_id, answer.asked_at, answer.trouble)",
        "        answer = Answer(answer.payment_id, answer.asked_at, declined=DeclineReason.BANK_REFUSED)",
    ),
    "the same key with another sum is the same payment": (
        "actions.payments",
        "        if _wish(db, earlier) != wish:\n            raise KeyReused()\n",
        "",
    ),
    "what is pending too long is forgotten": (
        "actions.payments",
        "        return gateway.find(key, since=payment.created_at)\n    wish",
        "        return None\n    wish",
    ),
    "the kept balance is not kept": (
        "actions.ledger",
        "        .values(balance_kopecks=LedgerAccount.balance_kopecks + change)",
        "        .values(balance_kopecks=LedgerAccount.balance_kopecks + change * (amount_kopecks != 5_000))",
    ),
    "the floor is not looked at": (
        "actions.ledger",
        "    enough = [] if floor_kopecks is None else",
        "    enough = [] if floor_kopecks is None or amount_kopecks > 5_000 else",
    ),
    "pending refunds do not count": (
        "actions.refunds",
        "            col(Refund.state) != PaymentState.DECLINED,",
        "            col(Refund.state) == PaymentState.SUCCEEDED,",
    ),
    "a refund that succeeded is settled again": (
        "actions.refunds",
        "    if refund.state is PaymentState.SUCCEEDED:\n        return",
        "    if False:\n        return",
    ),
    "points stay when the money goes": (
        "actions.refunds",
        "        take_back(db, refund=refund, payment=payment, now=now)\n",
        "",
    ),
    "the youngest points go first": (
        "rules.bonus",
        "        key=lambda lot: (lot.expires_on, lot.granted_on, lot.lot_id),",
        "        key=lambda lot: (lot.expires_on, lot.granted_on, lot.lot_id), reverse=True,",
    ),
    "points that were spent already are not owed": (
        "actions.bonus",
        "        refund.points_owed += wanted - taken\n",
        "        pass\n",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_model_catches_a_planted_fault(sqlite_db: None, fault: str):
    with planted(*FAULTS[fault]), pytest.raises((AssertionError, sa.exc.SQLAlchemyError, GatewayRefused)):
        run_state_machine_as_test(Money, settings=model(300, phases=[Phase.generate]))
