"""In a demo that is moved through time people go on paying as they did: those who paid, and those only."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions.habits import pay_by_hand
from db import reading, transaction
from db.check import faults
from models import Attachment, BillingAccount, Customer, DemoPersona, LedgerAccount, Payment, PaymentPart
from rules.terms import AccountStatus, AutopayState, BillingMode, PaymentMethod
from settings import operator
from tests.money.world import World, at

BILLED = at("2026-03-01 00:30")
DEBT = 51_200
March = Callable[..., list[tuple[int, int | None, PaymentMethod]]]


@pytest.fixture
def lives(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> March:
    def march(*, personas_too: bool = False) -> list[tuple[int, int | None, PaymentMethod]]:
        """Live through March; what was paid by hand: sum, payer, method."""
        for day in range(1, 32):
            now = datetime(2026, 3, day, 7, 5, tzinfo=UTC)
            monkeypatch.setattr(clock, "now", lambda now=now: now)
            pay_by_hand(now, personas_too=personas_too)
        with reading() as db:
            assert faults(db.connection()) == []
            made = db.exec(select(Payment).where(col(Payment.created_at) >= BILLED).order_by(col(Payment.id)))
            return [(each.amount_kopecks, each.payer_id, each.method) for each in made]

    return march


def billed(world: World, *, paid_at: str, mode: BillingMode = BillingMode.POSTPAID) -> tuple[Customer, BillingAccount]:
    """Somebody who paid their February that day, and owes their March."""
    person = world.person()
    account = world.account(person, mode=mode)
    world.charge(account, DEBT, at("2025-02-01"))
    world.pay(account, DEBT, at(paid_at), payer=person, method=PaymentMethod.CARD)
    world.charge(account, DEBT, BILLED)
    return person, account


def test_who_paid_last_month_pays_what_is_owed_once_and_in_the_same_way(lives: March):
    with transaction() as db:
        person_id = billed(World(db), paid_at="2026-02-10")[0].id
    assert lives() == [(DEBT, person_id, PaymentMethod.CARD)]


def test_ahead_people_pay_round_sums(lives: March):
    with transaction() as db:
        billed(World(db), paid_at="2026-02-10", mode=BillingMode.PREPAID)
    assert [kopecks for kopecks, *_ in lives()] == [55_000]


def test_who_stopped_paying_has_stopped(lives: March):
    with transaction() as db:
        billed(World(db), paid_at="2025-10-10")
    assert lives() == []


def test_who_relies_on_autopay_does_not_pay_by_hand_unless_it_stands_still(lives: March):
    with transaction() as db:
        world = World(db)
        for state in (AutopayState.ACTIVE, AutopayState.PAUSED):
            person, account = billed(world, paid_at="2026-02-10")
            world.rule(person, account, world.card(person), state=state)
            kept = account.id
    lives()
    with reading() as db:
        paid = db.exec(select(PaymentPart.billing_account_id).join(Payment).where(col(Payment.created_at) >= BILLED)).all()
    assert paid == [kept]


def test_an_account_that_was_taken_off_is_paid_at_a_desk(lives: March):
    with transaction() as db:
        account = billed(World(db), paid_at="2026-02-10")[1]
        attachment = db.exec(select(Attachment).where(col(Attachment.billing_account_id) == account.id)).one()
        attachment.detached_at = BILLED
        db.add(attachment)
    assert lives() == [(DEBT, None, PaymentMethod.CASH)]


@pytest.mark.parametrize(("unseen", "payments"), [(False, 0), (True, 1)])
def test_nobody_acts_for_those_who_are_shown_but_on_days_that_nobody_saw(lives: March, unseen: bool, payments: int):
    with transaction() as db:
        person = billed(World(db), paid_at="2026-02-10")[0]
        db.add(DemoPersona(key="family", customer_id=person.id, position=1))
    assert len(lives(personas_too=unseen)) == payments


def test_who_was_blocked_and_pays_works_again(lives: March):
    with transaction() as db:
        account = billed(World(db), paid_at="2026-02-10")[1]
        account.status, account.status_since_on = AccountStatus.BLOCKED, BILLED.date()
        db.add(account)
        account_id = account.id
    assert len(lives()) == 1
    with reading() as db:
        assert db.get_one(BillingAccount, account_id).status is AccountStatus.ACTIVE
        assert (
            db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)).one() == 0
        )


def test_a_moment_that_is_lived_again_pays_nobody_twice(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    most = operator().payments.most_kopecks
    with transaction() as session:
        world = World(session)
        account = billed(world, paid_at="2026-02-10")[1]
        world.charge(account, 2 * most, BILLED)  # more than one payment may be: it owes after it, too
    for day in range(1, 32):
        now = datetime(2026, 3, day, 7, 5, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        for _ in range(2):
            pay_by_hand(now, personas_too=False)
    with reading() as session:
        paid = session.exec(select(Payment.amount_kopecks).where(col(Payment.created_at) >= BILLED)).all()
        assert faults(session.connection()) == []
    assert paid == [most]
