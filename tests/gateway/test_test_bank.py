"""The built-in test bank: what every gateway must do, and what its own cards do."""

import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pytest
import sqlalchemy as sa

import clock
from integrations.gateway import CardCheck, GatewayRefused, NoAnswer
from integrations.gateways import gateway_called
from integrations.test_bank import CARDS, CODE, SILENT, THINKS, WAITS, Behaviour, Step, TestBank, TestCard
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState
from tests.gateway.contract import (
    BACK,
    SUM,
    GatewayContract,
    How,
    Stage,
    check,
    declined_for,
    fresh_key,
    minutes_ago,
    page_of,
    wish,
)

FAR = date(2099, 12, 31)


def card_that(behaviour: Behaviour) -> TestCard:
    return next(card for card in CARDS if card.behaviour is behaviour)


class _Line(TestBank):
    """The test bank behind a line that a test can break, for calls that are part of the protocol."""

    faults: list[str]

    def __init__(self) -> None:
        self.faults = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"charge", "check_card", "ask", "ask_check", "find", "refund", "ask_refund", "find_refund"}:
            return found

        def over_the_line(*args: Any, **more: Any) -> Any:
            fault = self.faults.pop(0) if self.faults else ""
            if fault in ("unreachable", "rubbish"):
                raise NoAnswer(fault)
            said = found(*args, **more)
            if fault == "lost":
                raise NoAnswer(fault)
            return said

        return over_the_line


class BankStage:
    """The test bank with a payer and a line in the test's hand."""

    def __init__(self) -> None:
        self.gateway = _Line()

    def pay(self, page_url: str, how: How) -> None:
        ref = page_url.removeprefix("/bank/").removesuffix("/confirm")
        if how == "leave":
            self.gateway.leave(ref)
            return
        secured = how in ("three_d_secure", "three_d_secure_failed")
        behaviour = Behaviour.THREE_D_SECURE if secured else Behaviour.SUCCESS if how == "good" else Behaviour(how)
        self.gateway.pay(ref, card_that(behaviour), expires_on=FAR)
        if how == "three_d_secure":
            self.gateway.confirm(ref, CODE)
        while how == "three_d_secure_failed":
            page = self.gateway.confirm(ref, "0000")
            assert page is not None
            if page.step is not Step.CODE:
                break

    def token(self, how: Literal["good", "insufficient_funds", "blocked"]) -> str:
        behaviour = Behaviour.SUCCESS if how == "good" else Behaviour(how)
        return self.gateway.hand_out(behaviour, expires_on=FAR).token

    def lose_next(self, n: int) -> None:
        self.gateway.faults += ["lost"] * n

    def unreachable_next(self, n: int) -> None:
        self.gateway.faults += ["unreachable"] * n

    def rubbish_next(self, n: int) -> None:
        self.gateway.faults += ["rubbish"] * n

    def charges(self) -> list[tuple[str, int]]:
        return self.gateway.charges()

    def refunds(self) -> list[tuple[str, int]]:
        return self.gateway.refunds()


@pytest.fixture
def stage(db: sa.Engine) -> Stage:
    return BankStage()


@pytest.fixture
def bank(db: sa.Engine) -> TestBank:
    return TestBank()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], datetime]:
    """Moves the clock on."""

    def move(by: timedelta) -> datetime:
        moment = clock.now() + by
        monkeypatch.setattr(clock, "now", lambda: moment)
        return moment

    return move


class TestContract(GatewayContract):
    """The test bank is a gateway."""


# --- the numbers ------------------------------------------------------------------------------------------
def _passes_luhn(number: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(figure - 9 if figure > 9 else figure for figure in doubled) % 10 == 0


def test_every_number_is_one_that_a_form_takes_for_a_card():
    assert all(_passes_luhn(card.number) and len(card.number) == 16 for card in CARDS)
    assert len({card.number for card in CARDS}) == len(CARDS)


def test_every_brand_has_a_card_that_pays_and_every_behaviour_has_a_card():
    assert {card.brand for card in CARDS if card.behaviour is Behaviour.SUCCESS} == set(CardBrand)
    assert {card.behaviour for card in CARDS} == set(Behaviour)


def test_the_process_talks_to_the_test_bank_by_its_name():
    assert isinstance(gateway_called(GatewayName.TEST_BANK), TestBank)


# --- what cards do ----------------------------------------------------------------------------------------
REASONS = [
    (Behaviour.INSUFFICIENT_FUNDS, DeclineReason.INSUFFICIENT_FUNDS),
    (Behaviour.LIMIT_EXCEEDED, DeclineReason.LIMIT_EXCEEDED),
    (Behaviour.BANK_REFUSED, DeclineReason.BANK_REFUSED),
    (Behaviour.BLOCKED, DeclineReason.CARD_BLOCKED),
    (Behaviour.EXPIRED, DeclineReason.CARD_EXPIRED),
]


@pytest.mark.parametrize(("behaviour", "reason"), REASONS)
def test_a_card_is_declined_for_its_reason_on_the_page_and_by_its_token(
    bank: TestBank, behaviour: Behaviour, reason: DeclineReason
):
    begun = bank.charge(wish(keep_card=True))
    bank.pay(begun.ref, card_that(behaviour), expires_on=FAR)
    assert declined_for(bank.ask(begun.ref)) is reason
    assert declined_for(bank.charge(wish(token=bank.hand_out(behaviour, expires_on=FAR).token))) is reason
    assert bank.charges() == []


def test_a_card_without_money_can_be_attached_and_is_declined_when_it_is_charged(bank: TestBank):
    begun = bank.check_card(check())
    bank.pay(begun.ref, card_that(Behaviour.INSUFFICIENT_FUNDS), expires_on=FAR)
    card = bank.ask_check(begun.ref).card
    assert card is not None
    assert declined_for(bank.charge(wish(token=card.token))) is DeclineReason.INSUFFICIENT_FUNDS


def test_a_token_the_bank_never_gave_out_is_refused_by_the_bank(bank: TestBank):
    for token in ("tok_nobody", "", "x" * 200):
        assert declined_for(bank.charge(wish(token=token))) is DeclineReason.BANK_REFUSED


def test_a_card_works_to_the_last_day_of_its_month_and_not_a_day_longer(bank: TestBank, later: Any):
    last_day = bank.hand_out(Behaviour.SUCCESS, expires_on=clock.today())
    assert bank.charge(wish(token=last_day.token)).state is PaymentState.SUCCEEDED
    later(timedelta(days=1))
    assert declined_for(bank.charge(wish(token=last_day.token))) is DeclineReason.CARD_EXPIRED


@pytest.mark.parametrize("by_token", [False, True])
def test_a_bank_that_thinks_is_waited_for(bank: TestBank, later: Any, by_token: bool):
    if by_token:
        begun = bank.charge(wish(token=bank.hand_out(Behaviour.SLOW, expires_on=FAR).token))
    else:
        begun = bank.charge(wish())
        bank.pay(begun.ref, card_that(Behaviour.SLOW), expires_on=FAR)
    waiting = bank.ask(begun.ref)
    assert (waiting.state, waiting.page_url) == (PaymentState.PENDING, None)
    assert bank.charges() == []
    later(THINKS)
    assert bank.ask(begun.ref).state is PaymentState.SUCCEEDED
    assert bank.charges() == [(begun.key, SUM)]


@pytest.mark.parametrize("by_token", [False, True])
def test_a_bank_that_charged_and_fell_silent_tells_it_later(bank: TestBank, later: Any, by_token: bool):
    asked = wish(token=bank.hand_out(Behaviour.LOST, expires_on=FAR).token if by_token else None)
    if by_token:
        with pytest.raises(NoAnswer):
            bank.charge(asked)
    else:
        begun = bank.charge(asked)
        bank.pay(begun.ref, card_that(Behaviour.LOST), expires_on=FAR)
        with pytest.raises(NoAnswer):
            bank.ask(begun.ref)
    for ask in (lambda: bank.charge(asked), lambda: bank.find(asked.key, since=minutes_ago())):
        with pytest.raises(NoAnswer):
            ask()
    assert bank.charges() == [(asked.key, SUM)]
    later(SILENT)
    assert bank.charge(asked).state is PaymentState.SUCCEEDED
    assert bank.charges() == [(asked.key, SUM)]


def test_a_kept_card_may_ask_for_a_code_as_well(bank: TestBank):
    begun = bank.charge(wish(token=bank.hand_out(Behaviour.THREE_D_SECURE, expires_on=FAR).token))
    assert page_of(begun) == f"/bank/{begun.ref}/confirm"
    bank.confirm(begun.ref, CODE)
    assert bank.ask(begun.ref).state is PaymentState.SUCCEEDED


def test_a_card_kept_after_its_code_can_be_charged(bank: TestBank):
    begun = bank.check_card(check())
    bank.pay(begun.ref, card_that(Behaviour.THREE_D_SECURE), expires_on=FAR)
    assert bank.ask_check(begun.ref).card is None
    bank.confirm(begun.ref, CODE)
    card = bank.ask_check(begun.ref).card
    assert card is not None
    assert (card.last_four, card.expires_on) == ("0053", FAR)
    assert bank.charge(wish(token=card.token)).state is PaymentState.PENDING


@pytest.mark.parametrize("end", ["confirmed", "failed", "left"])
def test_of_a_card_that_nobody_kept_nothing_stays_in_the_books(bank: TestBank, db: sa.Engine, end: str):
    begun = bank.charge(wish(keep_card=end != "confirmed"))
    bank.pay(begun.ref, card_that(Behaviour.THREE_D_SECURE), expires_on=FAR)
    for code in {"confirmed": [CODE], "failed": ["1", "2", "3"], "left": []}[end]:
        bank.confirm(begun.ref, code)
    bank.leave(begun.ref)
    with db.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM test_bank_card")) == 0


def test_a_token_between_number_and_code_pays_for_nothing_else(bank: TestBank, db: sa.Engine):
    begun = bank.charge(wish(keep_card=True))
    bank.pay(begun.ref, card_that(Behaviour.THREE_D_SECURE), expires_on=FAR)
    with db.connect() as connection:
        token = connection.scalar(sa.text("SELECT token FROM test_bank_card"))
    assert declined_for(bank.charge(wish(token=token))) is DeclineReason.BANK_REFUSED


def test_the_second_wrong_code_leaves_one_more_try(bank: TestBank):
    begun = bank.charge(wish())
    bank.pay(begun.ref, card_that(Behaviour.THREE_D_SECURE), expires_on=FAR)
    pages = [bank.confirm(begun.ref, "12345") for _ in range(2)]
    assert [page.tries_left for page in pages if page] == [2, 1]
    assert bank.confirm(begun.ref, CODE).step is Step.SUCCEEDED  # type: ignore[union-attr]


def test_cards_of_the_demo_pay_until_they_expire(seeded_db: sa.Engine):
    with seeded_db.connect() as connection:
        cards = connection.execute(sa.text("SELECT token, expires_on < :today FROM saved_card"), {"today": clock.today()}).all()
    bank, told = TestBank(), {}
    for expired in (False, True):
        token = next(token for token, over in cards if bool(over) is expired)
        told[expired] = bank.charge(wish(token=token)).reason
    assert told == {False: None, True: DeclineReason.CARD_EXPIRED}


# --- who does not finish ----------------------------------------------------------------------------------
@pytest.mark.parametrize("typed", [False, True])
def test_a_charge_that_nobody_finishes_in_an_hour_is_over(bank: TestBank, later: Any, typed: bool):
    begun = bank.charge(wish())
    if typed:
        bank.pay(begun.ref, card_that(Behaviour.THREE_D_SECURE), expires_on=FAR)
    later(WAITS - timedelta(seconds=1))
    assert bank.ask(begun.ref).state is PaymentState.PENDING
    later(timedelta(seconds=1))
    assert declined_for(bank.ask(begun.ref)) is DeclineReason.NOT_FINISHED
    bank.pay(begun.ref, card_that(Behaviour.SUCCESS), expires_on=FAR)
    bank.confirm(begun.ref, CODE)
    assert declined_for(bank.ask(begun.ref)) is DeclineReason.NOT_FINISHED
    assert bank.charges() == []


@pytest.mark.parametrize("behaviour", [Behaviour.SUCCESS, Behaviour.SLOW, Behaviour.LOST])
def test_once_the_bank_has_the_card_leaving_undoes_nothing(bank: TestBank, later: Any, behaviour: Behaviour):
    begun = bank.charge(wish())
    bank.pay(begun.ref, card_that(behaviour), expires_on=FAR)
    bank.leave(begun.ref)
    bank.pay(begun.ref, card_that(Behaviour.BANK_REFUSED), expires_on=FAR)
    later(timedelta(minutes=1))
    assert bank.charges() == [(begun.key, SUM)]


# --- keys -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change", [{"amount_kopecks": SUM + 1}, {"token": "tok_other"}, {"return_url": BACK + "2"}, {"keep_card": True}], ids=str
)
def test_a_used_key_with_any_other_request_is_refused(bank: TestBank, change: dict[str, Any]):
    asked = wish()
    first = bank.charge(asked)
    with pytest.raises(GatewayRefused):
        bank.charge(replace(asked, **change))
    with pytest.raises(GatewayRefused):
        bank.check_card(CardCheck(asked.key, asked.description, asked.return_url))
    assert bank.charge(replace(asked, description="другими словами")) == first


def test_a_charge_is_not_a_check_and_a_check_is_not_a_charge(bank: TestBank):
    charge, checked = bank.charge(wish()), bank.check_card(check())
    with pytest.raises(GatewayRefused):
        bank.ask(checked.ref)
    with pytest.raises(GatewayRefused):
        bank.ask_check(charge.ref)
    assert bank.find(checked.key, since=minutes_ago()) is None


def test_a_charge_from_before_is_not_looked_for(bank: TestBank):
    asked = wish()
    bank.charge(asked)
    assert bank.find(asked.key, since=clock.now() + timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"amount_kopecks": 0},
        {"amount_kopecks": -100},
        {"key": "k" * 65},
        {"return_url": "javascript:alert(1)"},
        {"return_url": "//evil.example/"},
        {"return_url": "/\\evil.example/"},
        {"return_url": "/" + "x" * 300},
    ],
    ids=str,
)
def test_a_request_that_cannot_be_meant_is_refused(bank: TestBank, broken: dict[str, Any]):
    with pytest.raises(GatewayRefused):
        bank.charge(replace(wish(), **broken))


@pytest.mark.parametrize("ref", ["", "\x00" * 30, "а" * 30, "x" * 65])
def test_a_reference_that_cannot_be_ours_is_refused_and_has_no_page(bank: TestBank, ref: str):
    for ask in (bank.ask, bank.ask_check, bank.ask_refund):
        with pytest.raises(GatewayRefused):
            ask(ref)
    assert bank.page(ref) is None
    assert bank.leave(ref) is None


def _at_once(work: Callable[[int], Any], times: int = 16) -> list[Any]:
    """What came of it, for each of `times` threads that begin together; the exception where one was raised."""
    gate = threading.Barrier(times)

    def run(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        except (NoAnswer, GatewayRefused) as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_sixteen_at_once_under_one_key_are_one_charge_with_one_answer(bank: TestBank):
    asked = wish(token=bank.hand_out(Behaviour.SUCCESS, expires_on=FAR).token)
    answers = _at_once(lambda _: bank.charge(asked))
    assert len({answer.ref for answer in answers}) == 1
    assert answers == [answers[0]] * 16
    assert bank.charges() == [(asked.key, SUM)]


def test_sixteen_at_once_with_other_sums_under_one_key_are_one_charge_and_fifteen_refusals(bank: TestBank):
    key, token = fresh_key(), bank.hand_out(Behaviour.SUCCESS, expires_on=FAR).token
    answers = _at_once(lambda number: bank.charge(wish(SUM + number, key=key, token=token)))
    assert sum(isinstance(answer, GatewayRefused) for answer in answers) == 15
    assert len(bank.charges()) == 1


def test_sixteen_buttons_pressed_at_once_are_one_card_and_one_charge(bank: TestBank, db: sa.Engine):
    begun = bank.charge(wish(keep_card=True))
    pages = _at_once(lambda _: bank.pay(begun.ref, card_that(Behaviour.SUCCESS), expires_on=FAR))
    assert {page.step for page in pages} == {Step.SUCCEEDED}
    with db.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM test_bank_card")) == 1


def test_sixteen_refunds_at_once_never_give_back_more_than_was_paid(bank: TestBank):
    paid = bank.charge(wish(10_000, token=bank.hand_out(Behaviour.SUCCESS, expires_on=FAR).token))
    answers = _at_once(lambda _: bank.refund(key=fresh_key(), ref=paid.ref, amount_kopecks=3_000, reason="Ошибка"))
    assert sum(isinstance(answer, GatewayRefused) for answer in answers) == 13
    assert sum(kopecks for _, kopecks in bank.refunds()) == 9_000


def test_one_refund_sent_sixteen_times_at_once_is_given_once(bank: TestBank):
    paid, key = bank.charge(wish(token=bank.hand_out(Behaviour.SUCCESS, expires_on=FAR).token)), fresh_key()
    answers = _at_once(lambda _: bank.refund(key=key, ref=paid.ref, amount_kopecks=1_000, reason="Ошибка"))
    assert answers == [answers[0]] * 16
    assert bank.refunds() == [(key, 1_000)]


def test_a_refund_key_of_another_charge_is_refused(bank: TestBank):
    token, key = bank.hand_out(Behaviour.SUCCESS, expires_on=FAR).token, fresh_key()
    first, second = (bank.charge(wish(token=token)) for _ in range(2))
    bank.refund(key=key, ref=first.ref, amount_kopecks=1_000, reason="Ошибка")
    with pytest.raises(GatewayRefused):
        bank.refund(key=key, ref=second.ref, amount_kopecks=1_000, reason="Ошибка")
    assert bank.find_refund(key, payment_ref=second.ref) is None


# --- what is told -----------------------------------------------------------------------------------------
def test_books_that_cannot_be_reached_are_no_answer(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    from tests.conftest import use_database

    with monkeypatch.context() as there:
        engine = use_database(f"sqlite:///{tmp_path}/empty.db", there)
        for ask in (lambda: TestBank().charge(wish()), lambda: TestBank().ask("x" * 32), TestBank().charges):
            with pytest.raises(NoAnswer):
                ask()
        engine.dispose()


def test_references_cannot_be_guessed_and_tokens_are_never_told_to_the_log(bank: TestBank, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    begun = [bank.charge(wish()) for _ in range(3)]
    assert len({standing.ref for standing in begun}) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", standing.ref) for standing in begun)
    kept = bank.hand_out(Behaviour.BLOCKED, expires_on=FAR)
    bank.charge(wish(token=kept.token))
    assert kept.token not in caplog.text
