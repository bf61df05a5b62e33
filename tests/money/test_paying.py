"""A person pays: exactly what they confirmed, exactly once, whatever happens on the way; and it is there to be seen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.cards import remove_card
from actions.payments import (
    BATCH,
    FIRST_LOOK,
    STRANGERS,
    STRANGERS_WITHIN,
    _Strangers,
    advance,
    begin_payment,
    hear,
    progress,
    reconcile,
)
from actions.settlement import Progress
from db import reading, transaction
from db.check import faults
from integrations.gateway import Charge, GatewayRefused, NoAnswer
from integrations.test_bank import THINKS, Behaviour, TestBank
from models import Attachment, AuditEntry, BillingAccount, BonusLot, Customer, Message, Payment, SavedCard, Transfer
from rules.payments import GIVEN_UP_AFTER, REPEAT_FOR
from rules.refusals import (
    AccountClosed,
    AmountOutOfRange,
    CardUnusable,
    KeyReused,
    NotAllowed,
    NothingToPay,
    PaidJustNow,
    PaymentUnderWay,
    Refusal,
    RightTooLow,
    TooManyAttempts,
)
from rules.terms import AccountStatus, DeclineReason, GatewayName, PaymentMethod, PaymentState, Right, TransferCode
from rules.visitor import Visitor
from settings import operator
from tests.money.bank import balance, bank, erased, later, leaves, pays, receipts, saved, transfers
from tests.money.world import World
from texts import account_number

_worlds = count(1)


class Payer:
    """Somebody with two accounts, and what they do."""

    def __init__(self) -> None:
        with transaction() as db:
            world = World(db)
            world.number = next(_worlds) * 100  # so that two of them have different accounts
            person = world.person()
            person.email, person.email_confirmed_at = f"payer-{person.id}@kabinet.example", clock.now()
            db.add(person)
            self.person_id, self.visitor = person.id, world.visitor(person)
            self.one, self.other = (world.account(person).id for _ in range(2))
            world.charge(world.db.get_one(BillingAccount, self.one), 70_000, clock.now() - timedelta(days=1))
        self._keys = 0

    def begin(self, parts: dict[int, int] | None = None, *, by: Visitor | None = None, **given: Any) -> int:
        self._keys += 1
        given.setdefault("key", f"key-{self._keys}")
        given.setdefault("return_url", "/back/payment/{payment}")
        parts = {self.one: 50_000} if parts is None else parts
        return perform(begin_payment, visitor=by or self.visitor, parts=parts, **given).payment_id

    def goes(self, payment_id: int) -> Progress:
        return progress(visitor=self.visitor, payment_id=payment_id)

    def pays(self, parts: dict[int, int] | None = None, behaviour: Behaviour = Behaviour.SUCCESS, **given: Any) -> Progress:
        """By a card that is typed at the bank, to the end."""
        payment_id = self.begin(parts, **given)
        pays(self.goes(payment_id).page_url, behaviour)
        return self.goes(payment_id)


@pytest.fixture
def payer(db: sa.Engine) -> Payer:
    return Payer()


def row(payment_id: int) -> Payment:
    with reading() as db:
        return db.get_one(Payment, payment_id)


def of_account(account_id: int) -> int:
    with reading() as db:
        return balance(db, account_id)


def agrees() -> bool:
    with reading() as db:
        mine = db.exec(select(Payment.gateway_key, Payment.amount_kopecks).where(col(Payment.state) == PaymentState.SUCCEEDED))
        return faults(db.connection()) == [] and sorted(map(tuple, mine)) == sorted(bank().charges())


def moved() -> list[tuple[int | None, TransferCode, int]]:
    with reading() as db:
        return [(t.billing_account_id, t.code, t.amount_kopecks) for t in transfers(db) if t.code is TransferCode.TOP_UP]


# --- what people come for -----------------------------------------------------------------------------
def test_a_card_typed_at_the_bank_pays_and_everything_that_belongs_to_it_happens_together(payer: Payer):
    payment_id = payer.begin({payer.one: 50_000})
    first = payer.goes(payment_id)
    assert (first.state, first.known) == (PaymentState.PENDING, True)
    assert of_account(payer.one) == -70_000, "nothing moves before the bank says so"
    pays(first.page_url)
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert of_account(payer.one) == -20_000
    assert moved() == [(payer.one, TransferCode.TOP_UP, 50_000)]
    with reading() as db:
        assert receipts(db) == [f"receipt/{payment_id}"]
        number = db.get_one(BillingAccount, payer.one).number
        assert f"({account_number(number)})" in db.exec(select(Message.body)).one(), "as every screen writes it"
        assert [lot.granted for lot in db.exec(select(BonusLot))] == [50_000 // operator().bonus.kopecks_per_point]
        assert db.exec(select(SavedCard)).all() == [], "a card is kept only where that was asked for"
    assert agrees()


def test_several_accounts_in_one_payment_are_one_charge_and_each_gets_its_part(payer: Payer):
    assert payer.pays({payer.one: 70_000, payer.other: 12_345}).state is PaymentState.SUCCEEDED
    assert (of_account(payer.one), of_account(payer.other)) == (0, 12_345)
    assert [amount for _, amount in bank().charges()] == [82_345]
    assert agrees()


def test_a_relative_with_the_right_to_pay_pays_and_gets_the_points_and_the_receipt(payer: Payer):
    with transaction() as db:
        world = World(db)
        aunt = world.person("Вера")
        aunt.email, aunt.email_confirmed_at = "vera@kabinet.example", clock.now()
        world.attach(aunt, db.get_one(BillingAccount, payer.other), right=Right.PAY)
        visitor = world.visitor(aunt)
        aunt_id = aunt.id
    payment_id = payer.begin({payer.other: 10_000}, by=visitor)
    pays(progress(visitor=visitor, payment_id=payment_id).page_url)
    assert progress(visitor=visitor, payment_id=payment_id).state is PaymentState.SUCCEEDED
    with reading() as db:
        assert db.exec(select(BonusLot.customer_id)).all() == [aunt_id]
        assert db.exec(select(Message.recipient)).all() == ["vera@kabinet.example"]


def test_a_card_that_is_to_be_kept_is_kept_as_token_brand_last_four_and_expiry(payer: Payer):
    payer.pays(keep_card=True)
    with reading() as db:
        card = db.exec(select(SavedCard)).one()
    assert (card.customer_id, card.last_four, card.expires_on, card.is_default) == (
        payer.person_id,
        "0004",
        date(2099, 1, 31),
        True,
    )
    again = payer.begin({payer.other: 20_000}, card_id=card.id)
    assert payer.goes(again).state is PaymentState.SUCCEEDED, "and pays the next time with nothing typed"


def test_a_saved_card_pays_at_once(payer: Payer):
    payment_id = payer.begin(card_id=saved(payer.person_id))
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert of_account(payer.one) == -20_000


def test_a_saved_card_that_wants_3d_secure_leads_to_the_bank_first(payer: Payer):
    payment_id = payer.begin(card_id=saved(payer.person_id, Behaviour.THREE_D_SECURE))
    page = payer.goes(payment_id).page_url
    assert page is not None
    assert of_account(payer.one) == -70_000
    bank().confirm(page.split("/")[2], "1234")
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED


# --- what does not go through ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour.INSUFFICIENT_FUNDS, DeclineReason.INSUFFICIENT_FUNDS),
        (Behaviour.BLOCKED, DeclineReason.CARD_BLOCKED),
        (Behaviour.LIMIT_EXCEEDED, DeclineReason.LIMIT_EXCEEDED),
        (Behaviour.BANK_REFUSED, DeclineReason.BANK_REFUSED),
        (Behaviour.EXPIRED, DeclineReason.CARD_EXPIRED),
    ],
)
def test_a_declined_card_moves_nothing_and_says_why(payer: Payer, behaviour: Behaviour, reason: DeclineReason):
    went = payer.pays(behaviour=behaviour)
    assert (went.state, went.reason) == (PaymentState.DECLINED, reason)
    assert moved() == []
    with reading() as db:
        assert receipts(db) == []
        assert db.exec(select(BonusLot)).all() == []
    assert agrees()


def test_whoever_leaves_the_bank_has_not_paid_and_may_try_again(payer: Payer):
    payment_id = payer.begin()
    leaves(payer.goes(payment_id).page_url)
    assert payer.goes(payment_id).reason is DeclineReason.NOT_FINISHED
    assert payer.pays().state is PaymentState.SUCCEEDED, "what was given up is no reason to ask"


@pytest.mark.parametrize("kopecks", [4_999, 1_000_001, 10**15])
def test_a_sum_outside_the_operators_bounds_is_refused(payer: Payer, kopecks: int):
    with pytest.raises(AmountOutOfRange) as refused:
        payer.begin({payer.one: kopecks})
    assert refused.value.facts == {"least_kopecks": 5_000, "most_kopecks": 1_000_000}


@pytest.mark.parametrize("kopecks", [5_000, 1_000_000])
def test_the_bounds_themselves_may_be_paid(payer: Payer, kopecks: int):
    assert payer.pays({payer.one: kopecks}).state is PaymentState.SUCCEEDED


@pytest.mark.parametrize("parts", [{}, {"one": 0}, {"one": -10_000}, {"one": 20_000, "other": -10_000}])
def test_nothing_and_less_than_nothing_cannot_be_paid(payer: Payer, parts: dict[str, int]):
    with pytest.raises(NothingToPay):
        payer.begin({getattr(payer, name): kopecks for name, kopecks in parts.items()})


def test_an_account_that_is_not_ones_own_cannot_be_paid_even_beside_one_that_is(payer: Payer):
    stranger = Payer()
    with pytest.raises(NotAllowed):
        payer.begin({payer.one: 50_000, stranger.one: 50_000})
    with reading() as db:
        assert db.exec(select(Payment)).all() == []


def test_who_may_only_look_cannot_pay(payer: Payer):
    with transaction() as db:
        world = World(db)
        aunt = world.person("Вера")
        world.attach(aunt, db.get_one(BillingAccount, payer.one), right=Right.VIEW)
        visitor = world.visitor(aunt)
    with pytest.raises(RightTooLow):
        payer.begin(by=visitor)


def test_a_closed_contract_takes_no_money_and_is_named(payer: Payer):
    with transaction() as db:
        account = db.get_one(BillingAccount, payer.one)
        account.status, account.closed_on = AccountStatus.CLOSED, date(2026, 1, 1)
    with pytest.raises(AccountClosed) as refused:
        payer.begin()
    assert "Мобильная связь" in refused.value.facts["label"]


def test_a_card_that_expired_or_was_deleted_meanwhile_or_is_somebody_elses_is_refused(payer: Payer):
    expired = saved(payer.person_id, expires_on=date(2020, 1, 31))
    deleted = saved(payer.person_id, expires_on=date(2098, 1, 31))
    perform(remove_card, visitor=payer.visitor, card_id=deleted)
    foreign = saved(Payer().person_id)
    for card_id in (expired, deleted, foreign, 10**6):
        with pytest.raises(CardUnusable):
            payer.begin(card_id=card_id)


def test_an_account_that_is_detached_while_the_payer_is_at_the_bank_still_gets_the_money(payer: Payer):
    payment_id = payer.begin()
    page = payer.goes(payment_id).page_url
    with transaction() as db:
        attachment = db.exec(select(Attachment).where(col(Attachment.billing_account_id) == payer.one)).one()
        attachment.detached_at = clock.now()
    pays(page)
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert of_account(payer.one) == -20_000


def test_nobody_tries_out_a_long_row_of_cards(payer: Payer):
    for each in range(operator().payments.tries_per_hour):
        payer.begin({payer.one: 10_000 + each})
    with pytest.raises(TooManyAttempts):
        payer.begin({payer.one: 20_000})


def test_somebody_elses_payment_is_not_there(payer: Payer):
    payment_id = payer.begin()
    with pytest.raises(NotAllowed):
        progress(visitor=Payer().visitor, payment_id=payment_id)
    with pytest.raises(NotAllowed):
        progress(visitor=payer.visitor, payment_id=10**9)


# --- once -----------------------------------------------------------------------------------------------
def test_a_double_click_is_one_payment(payer: Payer):
    card_id = saved(payer.person_id)
    ids = {payer.begin(key="same", card_id=card_id) for _ in range(3)}
    assert len(ids) == 1
    for payment_id in [*ids, *ids]:
        payer.goes(payment_id)
    assert payer.begin(key="same", card_id=card_id) in ids, "also after it is over"
    assert len(bank().charges()) == len(moved()) == 1
    assert agrees()


@pytest.mark.parametrize("other", ["sum", "account", "card", "keep"])
def test_the_same_key_with_something_else_is_refused(payer: Payer, other: str):
    card_id = saved(payer.person_id)
    payer.begin(key="same")
    wish: dict[str, Any] = {
        "sum": {"parts": {payer.one: 50_001}},
        "account": {"parts": {payer.other: 50_000}},
        "card": {"card_id": card_id},
        "keep": {"keep_card": True},
    }[other]
    with pytest.raises(KeyReused):
        payer.begin(key="same", **wish)


def test_a_second_tab_continues_the_same_payment(payer: Payer):
    first, second = payer.begin(), payer.begin()
    assert first == second
    page = payer.goes(first).page_url
    assert payer.goes(second).page_url == page, "both tabs are at the same page of the bank"


def test_paying_the_same_again_at_once_is_asked_about_first(payer: Payer):
    card_id = saved(payer.person_id)
    assert payer.goes(payer.begin(card_id=card_id)).state is PaymentState.SUCCEEDED
    with pytest.raises(PaidJustNow) as refused:
        payer.begin(card_id=card_id)
    assert refused.value.facts == {"amount_kopecks": 50_000, "minutes": 10}
    assert payer.goes(payer.begin(card_id=card_id, again=True)).state is PaymentState.SUCCEEDED
    assert len(bank().charges()) == 2


def test_after_a_while_the_same_sum_is_nothing_special(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    card_id = saved(payer.person_id)
    payer.goes(payer.begin(card_id=card_id))
    later(monkeypatch, timedelta(minutes=11))
    assert payer.goes(payer.begin(card_id=card_id)).state is PaymentState.SUCCEEDED


def test_an_equal_payment_by_another_card_while_one_is_under_way_is_asked_about_first(payer: Payer):
    payer.goes(payer.begin())
    card_id = saved(payer.person_id)
    with pytest.raises(PaymentUnderWay):
        payer.begin(card_id=card_id)
    assert payer.goes(payer.begin(card_id=card_id, again=True)).state is PaymentState.SUCCEEDED


def test_two_tabs_at_the_same_moment_begin_one_payment(payer: Payer):
    card_id = saved(payer.person_id)
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda n: payer.begin(key=f"tab-{n}", card_id=card_id), range(8)))
    assert len(ids) == 1


def test_however_many_look_after_a_payment_at_once_it_is_charged_and_settled_once(payer: Payer):
    payment_id = payer.begin(card_id=saved(payer.person_id))
    with ThreadPoolExecutor(8) as pool:
        states = {each.state for each in pool.map(lambda _: advance(payment_id), range(16))}
    assert states == {PaymentState.SUCCEEDED}
    assert len(bank().charges()) == len(moved()) == 1
    with reading() as db:
        assert len(receipts(db)) == 1
    assert agrees()


# --- in between -----------------------------------------------------------------------------------------
def wish_of(payment: Payment, token: str | None) -> Charge:
    """What a process that died had already asked the bank for."""
    return Charge(
        key=payment.gateway_key or "",
        amount_kopecks=payment.amount_kopecks,
        description=f"Оплата, платёж № {payment.id}",
        return_url=payment.return_url,
        token=token,
        keep_card=payment.keeps_card,
    )


def test_a_process_that_died_between_the_charge_and_its_settlement_loses_nothing(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    card_id = saved(payer.person_id)
    payment_id = payer.begin(card_id=card_id)
    with reading() as db:
        token = db.get_one(SavedCard, card_id).token
    bank().charge(wish_of(row(payment_id), token))  # charged, and then nothing more was heard of that process
    assert (len(bank().charges()), of_account(payer.one)) == (1, -70_000)
    later(monkeypatch, timedelta(minutes=1))
    assert reconcile(clock.now()) == 1
    assert (len(bank().charges()), of_account(payer.one)) == (1, -20_000)
    assert agrees()


def test_a_payment_that_never_reached_the_bank_is_made_good_while_it_is_fresh(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payer.begin(card_id=saved(payer.person_id))
    assert reconcile(clock.now()) == 0, "the person's own screen is given a moment"
    later(monkeypatch, timedelta(seconds=20))
    assert reconcile(clock.now()) == 1
    assert of_account(payer.one) == -20_000
    assert agrees()


def test_a_payment_that_never_reached_the_bank_is_given_up_once_it_is_old_and_never_charged(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
):
    payment_id = payer.begin(card_id=saved(payer.person_id))
    later(monkeypatch, REPEAT_FOR + timedelta(seconds=1))
    assert reconcile(clock.now()) == 0
    assert row(payment_id).state is PaymentState.PENDING, "a request of the last moment may still be on its way"
    later(monkeypatch, GIVEN_UP_AFTER - REPEAT_FOR)
    assert reconcile(clock.now()) == 1
    assert row(payment_id).decline_reason is DeclineReason.NOT_FINISHED
    assert bank().charges() == []
    later(monkeypatch, timedelta(days=2))
    assert reconcile(clock.now()) == 0


def test_a_lost_answer_is_unknown_and_not_failed_and_is_settled_when_the_bank_speaks(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
):
    payment_id = payer.begin(card_id=saved(payer.person_id, Behaviour.LOST))
    for _ in range(3):
        went = payer.goes(payment_id)
        assert (went.state, went.known) == (PaymentState.PENDING, False)
    assert of_account(payer.one) == -70_000
    assert "no answer" in row(payment_id).trouble
    with pytest.raises(PaymentUnderWay):  # and nobody is talked into paying twice
        payer.begin()
    later(monkeypatch, timedelta(seconds=21))
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert (row(payment_id).trouble, len(bank().charges())) == ("", 1)
    assert agrees()


def test_a_lost_answer_is_found_by_its_key_even_when_it_is_too_late_to_repeat(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payment_id = payer.begin(card_id=saved(payer.person_id, Behaviour.LOST))
    payer.goes(payment_id)
    later(monkeypatch, REPEAT_FOR * 2)
    assert reconcile(clock.now()) == 1
    assert row(payment_id).state is PaymentState.SUCCEEDED
    assert agrees()


def test_a_bank_that_thinks_is_asked_again_until_it_has_decided(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payment_id = payer.begin(card_id=saved(payer.person_id, Behaviour.SLOW))
    went = payer.goes(payment_id)
    assert (went.state, went.known, went.page_url) == (PaymentState.PENDING, True, None)
    later(monkeypatch, THINKS + timedelta(seconds=1))
    assert reconcile(clock.now()) == 1
    assert of_account(payer.one) == -20_000


def test_the_bank_is_not_asked_all_the_time(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payment_id = payer.begin()
    payer.goes(payment_id)
    later(monkeypatch, timedelta(minutes=20))
    reconcile(clock.now())
    asked = row(payment_id).asked_at
    later(monkeypatch, timedelta(minutes=4))
    reconcile(clock.now())
    assert row(payment_id).asked_at == asked
    later(monkeypatch, timedelta(minutes=2))
    reconcile(clock.now())
    assert row(payment_id).asked_at != asked


def waiting(payer: Payer, number: int, *, asked_ago: timedelta | None) -> None:
    """So many payments of an hour ago that the bank was last asked about so long ago."""
    now = clock.now()
    with transaction() as db:
        for each in range(number):
            db.add(
                Payment(
                    payer_id=payer.person_id,
                    amount_kopecks=50_000,
                    method=PaymentMethod.CARD,
                    state=PaymentState.PENDING,
                    key=f"waits-{each}",
                    created_at=now - timedelta(hours=1),
                    asked_at=asked_ago and now - asked_ago,
                    gateway=GatewayName.TEST_BANK,
                    gateway_key=f"waits-{each}",
                )
            )


def test_however_many_wait_for_their_next_turn_a_fresh_payment_has_its_own(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payment_id = payer.begin()
    pays(payer.goes(payment_id).page_url)
    with transaction() as db:
        db.execute(sa.update(Payment).values(asked_at=None))
    waiting(payer, BATCH, asked_ago=timedelta(minutes=1))
    later(monkeypatch, FIRST_LOOK)
    assert reconcile(clock.now()) == 1
    assert row(payment_id).state is PaymentState.SUCCEEDED


def test_payments_that_cannot_be_settled_do_not_take_the_turns_of_others(
    payer: Payer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    class Fails:
        def find(self, _key: str, **_given: object) -> None:
            raise ZeroDivisionError

    waiting(payer, BATCH, asked_ago=None)
    later(monkeypatch, FIRST_LOOK)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("actions.payments.gateway_called", lambda _name: Fails())
        assert reconcile(clock.now()) == 0
    assert "could not be settled" in caplog.text
    payment_id = payer.begin(card_id=saved(payer.person_id))
    later(monkeypatch, FIRST_LOOK)
    assert reconcile(clock.now()) == 1
    assert row(payment_id).state is PaymentState.SUCCEEDED
    with reading() as db:
        assert set(db.exec(select(Payment.trouble))) == {"", "could not be settled here: ZeroDivisionError"}


def test_a_payment_of_somebody_who_was_erased_meanwhile_is_credited_and_its_card_is_kept_for_nobody(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
):
    payment_id = payer.begin(keep_card=True)
    pays(payer.goes(payment_id).page_url)
    erased(payer.person_id)
    later(monkeypatch, FIRST_LOOK)
    assert reconcile(clock.now()) == 1
    assert (row(payment_id).state, row(payment_id).card_id) == (PaymentState.SUCCEEDED, None)
    assert of_account(payer.one) == -20_000
    with reading() as db:
        assert db.exec(select(SavedCard)).all() == []


# --- notices --------------------------------------------------------------------------------------------
def test_a_notice_about_a_payment_that_is_not_ours_does_nothing(payer: Payer):
    payer.goes(payer.begin())
    assert hear(GatewayName.TEST_BANK, "0" * 30) is False
    stray = bank().charge(Charge(key="not-ours", amount_kopecks=50_000, description="x", return_url="/x"))
    pays(stray.page_url)
    assert hear(GatewayName.TEST_BANK, stray.ref) is False
    assert moved() == []


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_notice_settles_however_often_it_comes_and_the_return_finds_it_done(payer: Payer, times: int):
    payment_id = payer.begin()
    pays(payer.goes(payment_id).page_url)
    for _ in range(times):
        assert hear(GatewayName.TEST_BANK, row(payment_id).gateway_ref or "") is True
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert len(moved()) == 1
    assert agrees()


def test_a_notice_that_comes_before_we_know_the_banks_name_for_the_payment_settles_it(payer: Payer):
    payment_id = payer.begin()
    standing = bank().charge(wish_of(row(payment_id), None))
    pays(standing.page_url)
    assert row(payment_id).gateway_ref is None
    assert hear(GatewayName.TEST_BANK, standing.ref) is True
    assert row(payment_id).state is PaymentState.SUCCEEDED


def test_money_that_was_taken_after_all_is_credited_although_the_payment_was_given_up(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
):
    payment_id = payer.begin(card_id=(card_id := saved(payer.person_id)))
    later(monkeypatch, REPEAT_FOR * 2)
    reconcile(clock.now())
    assert row(payment_id).state is PaymentState.DECLINED
    with reading() as db:
        token = db.get_one(SavedCard, card_id).token
    standing = bank().charge(wish_of(row(payment_id), token))  # the request had been held up all that time
    assert hear(GatewayName.TEST_BANK, standing.ref) is True
    assert (row(payment_id).state, of_account(payer.one)) == (PaymentState.SUCCEEDED, -20_000)
    assert agrees()


def test_made_up_notices_are_not_each_a_question_to_the_bank_and_a_true_one_still_is(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
):
    now, asked, real = [0.0], [], bank().ask
    monkeypatch.setattr("actions.payments._strangers", _Strangers())
    monkeypatch.setattr("actions.payments.monotonic", lambda: now[0])
    monkeypatch.setattr(TestBank, "ask", lambda _bank, ref: asked.append(ref) or real(ref))
    payer.goes(known := payer.begin({payer.one: 50_000}))
    # Their answers were lost; for their sake references that nobody knows are asked about.
    lost = [payer.begin({payer.one: 60_000 + number}) for number in range(STRANGERS + 1)]
    refs = [bank().charge(wish_of(row(payment_id), None)).ref for payment_id in lost]
    for number in range(STRANGERS):
        assert hear(GatewayName.TEST_BANK, f"made-up-{number}") is False
    for ref in ("made-up-at-last", refs[0]):
        with pytest.raises(NoAnswer):
            hear(GatewayName.TEST_BANK, ref)
    assert len(asked) == STRANGERS
    assert hear(GatewayName.TEST_BANK, row(known).gateway_ref or "") is True, "what is known is always asked about"
    now[0] += STRANGERS_WITHIN
    for payment_id, ref in zip(lost, refs, strict=True):
        assert hear(GatewayName.TEST_BANK, ref) is True, "the gateway calls again, and what is ours does not count"
        assert row(payment_id).gateway_ref == ref


class Liar:
    """The bank, but what it says is twisted on the way."""

    name = GatewayName.TEST_BANK

    def __init__(self, twist: Callable[[Any], Any]) -> None:
        self._twist = twist

    def charge(self, charge: Charge) -> Any:
        return self._twist(bank().charge(charge))

    def ask(self, ref: str) -> Any:
        return self._twist(bank().ask(ref))


@pytest.mark.parametrize("wrong", ["sum", "key"])
def test_a_bank_that_speaks_of_another_sum_or_key_is_not_believed_and_staff_see_it(
    payer: Payer, monkeypatch: pytest.MonkeyPatch, wrong: str
):
    payment_id = payer.begin(card_id=saved(payer.person_id))
    twist: dict[str, Any] = {"amount_kopecks": 50_001} if wrong == "sum" else {"key": "another"}
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: Liar(lambda standing: replace(standing, **twist)))
    assert payer.goes(payment_id).known is False
    assert (moved(), row(payment_id).trouble) == ([], "the gateway speaks of another sum or key")
    monkeypatch.undo()


def test_a_bank_that_is_down_leaves_the_payment_open_and_it_is_made_good_later(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payment_id = payer.begin(card_id=saved(payer.person_id))

    def down(_standing: Any) -> Any:
        raise NoAnswer("connection refused")

    with monkeypatch.context() as broken:
        broken.setattr("actions.payments.gateway_called", lambda _name: Liar(down))
        assert payer.goes(payment_id).known is False
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert len(bank().charges()) == len(moved()) == 1


def test_an_answer_that_was_lost_leaves_no_trouble_on_a_payment_that_somebody_else_settled_meanwhile(
    payer: Payer, monkeypatch: pytest.MonkeyPatch
):
    payment_id = payer.begin(card_id=saved(payer.person_id))

    def settled_by_another(_standing: Any) -> Any:
        monkeypatch.undo()
        advance(payment_id)
        raise NoAnswer("the line is down")

    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: Liar(settled_by_another))
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED
    assert row(payment_id).trouble == ""


def test_a_bank_that_no_longer_speaks_of_a_payment_leaves_it_open_for_staff(payer: Payer, monkeypatch: pytest.MonkeyPatch):
    payment_id = payer.begin()
    page = payer.goes(payment_id).page_url

    def unknown(_standing: Any) -> Any:
        raise GatewayRefused("no such payment")  # another shop's keys are configured now

    with monkeypatch.context() as broken:
        broken.setattr("actions.payments.gateway_called", lambda _name: Liar(unknown))
        assert (payer.goes(payment_id).state, payer.goes(payment_id).known) == (PaymentState.PENDING, False)
    assert "refused to say" in row(payment_id).trouble
    pays(page)
    assert payer.goes(payment_id).state is PaymentState.SUCCEEDED


# --- traces ---------------------------------------------------------------------------------------------
def test_every_attempt_leaves_a_row_refused_ones_with_the_reason(payer: Payer):
    payer.begin()
    with pytest.raises(Refusal):
        payer.begin({payer.one: 1})
    with reading() as db:
        assert [(e.action, e.reason) for e in db.exec(select(AuditEntry).order_by(col(AuditEntry.id)))] == [
            ("begin_payment", ""),
            ("begin_payment", "amount_out_of_range"),
        ]


def test_a_payer_without_a_confirmed_e_mail_pays_all_the_same(payer: Payer):
    with transaction() as db:
        db.get_one(Customer, payer.person_id).email_confirmed_at = None
    assert payer.pays().state is PaymentState.SUCCEEDED
    with reading() as db:
        assert db.exec(select(Message)).all() == []
        assert len(db.exec(select(Transfer).where(col(Transfer.code) == TransferCode.TOP_UP)).all()) == 1
