"""Many at once: processes that do not know of each other pay under the same keys, and money that crosses on its way."""

import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.ledger import post
from actions.orders import place_order
from actions.payments import advance, begin_payment
from actions.refunds import advance_refund, begin_refund
from db import reading, transaction
from db.check import faults
from models import BillingAccount, Option, OptionPrice, Order, Payment, Refund, Transfer
from rules.refusals import Unavailable
from rules.terms import OptionGroup, OrderKind, OrderState, PaymentState, Recurrence, Right, Role, TransferCode
from rules.visitor import Visitor
from settings import ROOT, operator, settings
from tests.money.bank import balance, bank, receipts, saved
from tests.money.world import World

PROCESSES, KEYS, PAYERS = 16, 50, 5

Wish = tuple[Visitor, int, int, int, str]
"""Who pays, with which card, which account, how much, under which key."""


@pytest.fixture
def nothing_is_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An operator who asks about no equal payment and continues none: only the key can make two wishes one payment."""
    text = (ROOT / "operator.toml").read_text(encoding="utf-8")
    assert "again_minutes = 10\n" in text
    file = tmp_path / "operator.toml"
    file.write_text(text.replace("again_minutes = 10\n", "again_minutes = 0\n"), encoding="utf-8")
    monkeypatch.setenv("OPERATOR_FILE", str(file))
    settings.cache_clear()
    operator.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
    operator.cache_clear()


def made_people(count: int) -> list[tuple[Visitor, int]]:
    """People with an e-mail; each with an account of their own."""
    people = []
    with transaction() as db:
        world = World(db)
        for number in range(count):
            person = world.person()
            person.email, person.email_confirmed_at = f"payer-{number}@kabinet.example", clock.now()
            people.append((world.visitor(person), world.account(person).id))
    return people


def begun(wish: Wish, key: str | None = None) -> int:
    visitor, card_id, account_id, kopecks, its_key = wish
    parts = {account_id: kopecks}
    return perform(begin_payment, visitor=visitor, parts=parts, key=key or its_key, card_id=card_id, return_url="/").payment_id


def settled(wish: Wish) -> tuple[str, int]:
    """The payment under the key of a wish, taken to its end; who finds the database busy tries again, as a person would."""
    for _ in range(100):
        try:
            payment_id = begun(wish)
            if advance(payment_id).state is PaymentState.SUCCEEDED:
                return wish[-1], payment_id
        except Unavailable:
            pass
        time.sleep(0.01)
    raise AssertionError(f"{wish[-1]} never came to an end")


def test_sixteen_processes_with_the_same_fifty_keys_make_fifty_payments(db: sa.Engine, nothing_is_alike: None):
    people = [(visitor, saved(visitor.customer_id), account_id) for visitor, account_id in made_people(PAYERS)]
    wishes: list[Wish] = [(*people[number % PAYERS], 10_000 + number, f"key-{number}") for number in range(KEYS)]
    forked = multiprocessing.get_context("fork")
    at_once = forked.Barrier(PROCESSES)
    db.dispose()  # a connection must not be shared with a child

    global _pay_all

    def _pay_all(seed: int) -> list[tuple[str, int]]:
        at_once.wait(60)
        try:
            return [settled(wish) for wish in random.Random(seed).sample(wishes, KEYS)]
        except Exception as error:
            raise AssertionError(repr(error)) from None  # a refusal could not be handed to the parent, which would wait for ever

    with forked.Pool(PROCESSES) as pool:
        everybody = pool.map(_pay_all, range(PROCESSES), chunksize=1)

    assert {len(one) for one in everybody} == {KEYS}
    ids = {answer for one in everybody for answer in one}
    assert len(ids) == KEYS, "every process was told the same payment for a key"
    with reading() as session:
        payments = session.exec(select(Payment)).all()
        assert [payment.state for payment in payments] == [PaymentState.SUCCEEDED] * KEYS
        assert Counter(bank().charges()) == Counter((payment.gateway_key, payment.amount_kopecks) for payment in payments)
        moved = session.exec(select(Transfer.payment_id, Transfer.amount_kopecks)).all()
        assert sorted(moved) == sorted((payment.id, payment.amount_kopecks) for payment in payments)
        assert sorted(moved) == sorted((dict(ids)[wish[-1]], wish[3]) for wish in wishes)
        assert sorted(receipts(session)) == sorted(f"receipt/{payment.id}" for payment in payments)
        assert faults(session.connection()) == []
    assert begun(wishes[0], key="another") not in dict(ids).values(), "and it was the keys, not that the wishes were alike"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time: nobody can cross
def test_payments_orders_charges_and_refunds_that_cross_on_two_accounts_all_come_to_an_end(db: sa.Engine):
    rounds = 9
    (anna, one), (boris, other) = made_people(2)
    with transaction() as session:
        world = World(session)
        staff = world.person("Ольга")
        administrator = Visitor(staff.id, 1, Role.ADMINISTRATOR, "Ольга", anna.language, "RU-MOW", "Europe/Moscow")
        for visitor, account_id in ((anna, other), (boris, one)):
            account = session.get_one(BillingAccount, account_id)
            person = session.get_one(type(staff), visitor.customer_id)
            world.attach(person, account, right=Right.PAY)
        options = []
        for number in range(rounds):
            option = world.save(
                Option(
                    code=f"pack-{number}",
                    service=session.get_one(BillingAccount, one).service,
                    group=OptionGroup.INTERNET,
                    name_ru=f"Пакет {number}",
                    name_en=f"Pack {number}",
                    recurrence=Recurrence.ONCE,
                )
            )
            world.save(OptionPrice(option_id=option.id, valid_from_on=date(2024, 1, 1), price_kopecks=100))
            options.append(option.id)
        for account_id in (one, other):
            post(
                session,
                account_id=account_id,
                code=TransferCode.BONUS_SPENT,
                amount_kopecks=1_000_000,
                key="start",
                occurred_at=clock.now(),
            )
    cards = {visitor.customer_id: saved(visitor.customer_id) for visitor in (anna, boris)}
    at_once = threading.Barrier(8)

    def pays(visitor: Visitor, first: int, second: int, kopecks: int) -> None:
        payment_id = perform(
            begin_payment,
            visitor=visitor,
            parts={first: kopecks, second: kopecks},
            key=f"k-{kopecks}",
            card_id=cards[visitor.customer_id],
            return_url="/",
        ).payment_id
        assert advance(payment_id).state is PaymentState.SUCCEEDED
        if kopecks % 3 == 0:
            refund_id = perform(
                begin_refund,
                visitor=administrator,
                payment_id=payment_id,
                account_id=second,
                amount_kopecks=kopecks,
                reason="Ошибка",
                key="back",
            )
            assert advance_refund(refund_id).state is PaymentState.SUCCEEDED

    def orders(visitor: Visitor, account_id: int, turn: int) -> None:
        given = {"option_id": options[turn], "kind": OrderKind.CONNECT, "confirmed_kopecks": 100, "key": f"order-{turn}"}
        assert perform(place_order, visitor=visitor, account_id=account_id, **given).state is OrderState.DONE

    def charges(turn: int) -> None:
        with transaction() as session:
            for account_id in sorted((one, other)):
                given = {"code": TransferCode.PLAN_FEE, "amount_kopecks": 100, "occurred_at": clock.now()}
                post(session, account_id=account_id, key=f"fee-{turn}", **given)

    work: list[Callable[[int], None]] = [
        lambda turn: pays(anna, one, other, 10_000 + turn),
        lambda turn: pays(boris, other, one, 20_000 + turn),
        lambda turn: pays(anna, other, one, 30_000 + turn),
        lambda turn: pays(boris, one, other, 40_000 + turn),
        lambda turn: orders(anna, one, turn),
        lambda turn: orders(boris, other, turn),
        charges,
        lambda turn: charges(turn + rounds),
    ]

    def runs(task: Callable[[int], None]) -> list[str]:
        at_once.wait(60)
        troubles = []
        for turn in range(rounds):
            try:
                task(turn)
            except Exception as error:
                troubles.append(repr(error.__cause__ or error))
        return troubles

    with ThreadPoolExecutor(8) as pool:
        assert [trouble for troubles in pool.map(runs, work) for trouble in troubles] == []
    with reading() as session:
        states = [*session.exec(select(Payment.state)), *session.exec(select(Refund.state))]
        assert states == [PaymentState.SUCCEEDED] * (4 * rounds + 4 * rounds // 3)
        assert session.exec(select(Order.state)).all() == [OrderState.DONE] * (2 * rounds)
        paid = session.exec(select(sa.func.sum(col(Payment.amount_kopecks)))).one()
        back = session.exec(select(sa.func.sum(col(Refund.amount_kopecks)))).one()
        spent = 2 * rounds * 100 + 2 * 2 * rounds * 100
        assert balance(session, one) + balance(session, other) == 2_000_000 + paid - back - spent
        assert faults(session.connection()) == []
