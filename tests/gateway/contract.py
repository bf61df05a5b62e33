"""What every gateway must do, whoever it is. A test file subclasses GatewayContract and gives it a fixture `stage`.

Sums are integer kopecks. The tests know nothing of a gateway but `integrations.gateway`; what they need of the world behind it
(a payer at the bank's page, a broken line, the bank's own books) is the Stage.
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal, Protocol

import pytest

import clock
from integrations.gateway import CardCheck, Charge, Gateway, GatewayRefused, KeptCard, NoAnswer, Standing
from rules.payments import REPEAT_FOR
from rules.terms import CardBrand, DeclineReason, PaymentState

BACK = "http://testserver/back/payment/1"
SUM = 123_456

How = Literal["good", "insufficient_funds", "blocked", "three_d_secure", "three_d_secure_failed", "leave"]


class Stage(Protocol):
    """A gateway with the world behind it in the test's hand."""

    gateway: Gateway

    def pay(self, page_url: str, how: How) -> None:
        """The payer on the gateway's page, until there is nothing more to do there.

        "three_d_secure": a card that asks for a code, and the right code; "three_d_secure_failed": until the bank has had
        enough of wrong ones; "leave": goes away, and the gateway no longer waits for them.
        """

    def token(self, how: Literal["good", "insufficient_funds", "blocked"]) -> str:
        """The token of a kept card that does this when it is charged."""

    def lose_next(self, n: int) -> None:
        """The next `n` requests arrive and are carried out, but their answers are lost."""

    def unreachable_next(self, n: int) -> None:
        """The next `n` requests never arrive."""

    def rubbish_next(self, n: int) -> None:
        """The next `n` requests are not carried out, and what comes back makes no sense."""

    def charges(self) -> list[tuple[str, int]]:
        """(key, kopecks) of everything that was really charged; checks of a card for 0 ₽ are not among them."""

    def refunds(self) -> list[tuple[str, int]]:
        """(key, kopecks) of everything that was really given back."""


_keys = count(1)


def fresh_key() -> str:
    """A key that no test used before."""
    return f"{next(_keys):032x}"


def wish(amount_kopecks: int = SUM, *, key: str = "", token: str | None = None, keep_card: bool = False) -> Charge:
    return Charge(key or fresh_key(), amount_kopecks, "Услуги связи, счёт 123456782", BACK, token, keep_card)


def check() -> CardCheck:
    return CardCheck(fresh_key(), "Привязка карты", BACK)


def minutes_ago() -> datetime:
    """When a charge may have been begun that was sent just now, and no longer is."""
    return clock.now() - REPEAT_FOR


def page_of(standing: Standing) -> str:
    """Where the payer goes now; a standing without it has nothing for them to do."""
    assert standing.state is PaymentState.PENDING
    assert standing.page_url
    return standing.page_url


def declined_for(standing: Standing) -> DeclineReason:
    assert standing.state is PaymentState.DECLINED
    assert standing.page_url is None
    assert standing.card is None
    assert standing.reason is not None
    return standing.reason


class GatewayContract:
    """Subclass it as `class TestMyGateway(GatewayContract)` beside a fixture `stage`."""

    def paid(self, stage: Stage, amount_kopecks: int = SUM) -> Standing:
        """A charge that went through on the page."""
        begun = stage.gateway.charge(wish(amount_kopecks))
        stage.pay(page_of(begun), "good")
        done = stage.gateway.ask(begun.ref)
        assert done.state is PaymentState.SUCCEEDED
        return done

    # --- the page -----------------------------------------------------------------------------------------
    @pytest.mark.parametrize("amount_kopecks", [5_000, 110, 2_929, SUM, 1_000_000])
    def test_a_payer_pays_on_the_gateways_page_to_the_kopeck(self, stage: Stage, amount_kopecks: int):
        asked = wish(amount_kopecks)
        begun = stage.gateway.charge(asked)
        assert (begun.key, begun.amount_kopecks, begun.reason, begun.card) == (asked.key, amount_kopecks, None, None)
        assert stage.charges() == []
        stage.pay(page_of(begun), "good")
        done = stage.gateway.ask(begun.ref)
        assert (done.ref, done.key, done.amount_kopecks) == (begun.ref, asked.key, amount_kopecks)
        assert (done.state, done.page_url, done.reason) == (PaymentState.SUCCEEDED, None, None)
        assert stage.charges() == [(asked.key, amount_kopecks)]

    def test_a_card_that_nobody_asked_to_keep_is_not_told(self, stage: Stage):
        assert self.paid(stage).card is None

    def test_a_card_that_was_kept_can_be_charged_with_nobody_there(self, stage: Stage):
        begun = stage.gateway.charge(wish(keep_card=True))
        stage.pay(page_of(begun), "good")
        card = stage.gateway.ask(begun.ref).card
        assert card is not None
        self._is_a_card(card)
        again = wish(5_050, token=card.token)
        assert stage.gateway.charge(again).state is PaymentState.SUCCEEDED
        assert stage.charges()[1:] == [(again.key, 5_050)]

    @pytest.mark.parametrize(
        ("how", "reason", "hard"),
        [("insufficient_funds", DeclineReason.INSUFFICIENT_FUNDS, False), ("blocked", DeclineReason.CARD_BLOCKED, True)],
    )
    def test_a_declined_card_is_told_with_its_reason(self, stage: Stage, how: How, reason: DeclineReason, hard: bool):
        begun = stage.gateway.charge(wish(keep_card=True))
        stage.pay(page_of(begun), how)
        assert declined_for(stage.gateway.ask(begun.ref)) is reason
        assert reason.is_hard is hard
        assert stage.charges() == []

    def test_a_payment_confirmed_by_3_d_secure_goes_through(self, stage: Stage):
        asked = wish()
        begun = stage.gateway.charge(asked)
        stage.pay(page_of(begun), "three_d_secure")
        assert stage.gateway.ask(begun.ref).state is PaymentState.SUCCEEDED
        assert stage.charges() == [(asked.key, SUM)]

    def test_a_payment_not_confirmed_by_3_d_secure_does_not(self, stage: Stage):
        begun = stage.gateway.charge(wish())
        stage.pay(page_of(begun), "three_d_secure_failed")
        assert declined_for(stage.gateway.ask(begun.ref)) is DeclineReason.NOT_CONFIRMED
        assert stage.charges() == []

    def test_whoever_leaves_the_page_has_not_paid(self, stage: Stage):
        begun = stage.gateway.charge(wish())
        stage.pay(page_of(begun), "leave")
        assert declined_for(stage.gateway.ask(begun.ref)) is DeclineReason.NOT_FINISHED
        assert stage.charges() == []

    # --- kept cards ---------------------------------------------------------------------------------------
    def test_a_kept_card_is_charged_at_once(self, stage: Stage):
        asked = wish(7_777, token=stage.token("good"))
        done = stage.gateway.charge(asked)
        assert (done.state, done.key, done.amount_kopecks) == (PaymentState.SUCCEEDED, asked.key, 7_777)
        assert done.page_url is None
        assert stage.gateway.ask(done.ref) == done
        assert stage.charges() == [(asked.key, 7_777)]

    @pytest.mark.parametrize(
        ("how", "reason"),
        [("insufficient_funds", DeclineReason.INSUFFICIENT_FUNDS), ("blocked", DeclineReason.CARD_BLOCKED)],
    )
    def test_a_kept_card_that_is_declined_is_told_with_its_reason(
        self, stage: Stage, how: Literal["insufficient_funds", "blocked"], reason: DeclineReason
    ):
        done = stage.gateway.charge(wish(token=stage.token(how)))
        assert declined_for(done) is reason
        assert declined_for(stage.gateway.ask(done.ref)) is reason
        assert stage.charges() == []

    def test_a_card_is_kept_without_being_charged(self, stage: Stage):
        asked = check()
        begun = stage.gateway.check_card(asked)
        assert (begun.key, begun.amount_kopecks) == (asked.key, 0)
        stage.pay(page_of(begun), "good")
        done = stage.gateway.ask_check(begun.ref)
        assert (done.ref, done.key, done.state, done.amount_kopecks) == (begun.ref, asked.key, PaymentState.SUCCEEDED, 0)
        assert done.card is not None
        self._is_a_card(done.card)
        assert stage.charges() == []
        assert stage.gateway.charge(wish(token=done.card.token)).state is PaymentState.SUCCEEDED

    def test_a_blocked_card_is_not_kept(self, stage: Stage):
        begun = stage.gateway.check_card(check())
        stage.pay(page_of(begun), "blocked")
        assert declined_for(stage.gateway.ask_check(begun.ref)) is DeclineReason.CARD_BLOCKED

    def test_checking_a_card_twice_under_one_key_opens_one_page(self, stage: Stage):
        asked = check()
        assert stage.gateway.check_card(asked) == stage.gateway.check_card(asked)

    # --- keys ---------------------------------------------------------------------------------------------
    def test_the_same_request_under_one_key_is_one_charge_with_one_answer(self, stage: Stage):
        asked = wish(token=stage.token("good"))
        assert stage.gateway.charge(asked) == stage.gateway.charge(asked)
        assert stage.charges() == [(asked.key, SUM)]

    def test_the_same_request_under_one_key_opens_one_page(self, stage: Stage):
        asked = wish()
        assert stage.gateway.charge(asked) == stage.gateway.charge(asked)

    def test_another_sum_under_a_used_key_is_refused(self, stage: Stage):
        asked = wish(token=stage.token("good"))
        stage.gateway.charge(asked)
        with pytest.raises(GatewayRefused):
            stage.gateway.charge(wish(SUM + 1, key=asked.key, token=asked.token))
        assert stage.charges() == [(asked.key, SUM)]

    # --- a line that breaks -------------------------------------------------------------------------------
    def test_a_charge_whose_answer_was_lost_is_repeated_under_its_key_and_charged_once(self, stage: Stage):
        asked = wish(token=stage.token("good"))
        stage.lose_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.charge(asked)
        assert stage.charges() == [(asked.key, SUM)]
        assert stage.gateway.charge(asked).state is PaymentState.SUCCEEDED
        assert stage.charges() == [(asked.key, SUM)]

    def test_a_charge_whose_answer_was_lost_is_found_by_its_key(self, stage: Stage):
        asked = wish(token=stage.token("good"))
        stage.lose_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.charge(asked)
        found = stage.gateway.find(asked.key, since=minutes_ago())
        assert found is not None
        assert (found.key, found.state, found.amount_kopecks) == (asked.key, PaymentState.SUCCEEDED, SUM)
        assert stage.gateway.ask(found.ref) == found

    def test_a_charge_that_never_arrived_took_nothing_and_is_not_found(self, stage: Stage):
        asked = wish(token=stage.token("good"))
        stage.unreachable_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.charge(asked)
        assert stage.charges() == []
        assert stage.gateway.find(asked.key, since=minutes_ago()) is None

    def test_an_answer_that_makes_no_sense_is_no_answer(self, stage: Stage):
        asked = wish(token=stage.token("good"))
        stage.rubbish_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.charge(asked)
        done = stage.gateway.charge(asked)
        stage.rubbish_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.ask(done.ref)
        assert stage.gateway.ask(done.ref).state is PaymentState.SUCCEEDED
        assert stage.charges() == [(asked.key, SUM)]

    def test_no_answer_to_a_question_is_told_as_such(self, stage: Stage):
        done = self.paid(stage)
        for ask in (
            lambda: stage.gateway.ask(done.ref),
            lambda: stage.gateway.find(done.key, since=minutes_ago()),
            lambda: stage.gateway.find_refund(fresh_key(), payment_ref=done.ref),
        ):
            stage.unreachable_next(1)
            with pytest.raises(NoAnswer):
                ask()

    # --- asking -------------------------------------------------------------------------------------------
    def test_a_reference_nobody_knows_is_refused(self, stage: Stage):
        with pytest.raises(GatewayRefused):
            stage.gateway.ask("00000000-0000-0000-0000-000000000000")

    def test_a_charge_that_waits_for_its_payer_is_found_by_its_key(self, stage: Stage):
        asked = wish()
        begun = stage.gateway.charge(asked)
        stage.gateway.charge(wish())
        assert stage.gateway.find(asked.key, since=minutes_ago()) == begun

    def test_a_key_nobody_used_finds_nothing(self, stage: Stage):
        self.paid(stage)
        assert stage.gateway.find(fresh_key(), since=datetime(2020, 1, 1, tzinfo=UTC)) is None

    # --- refunds ------------------------------------------------------------------------------------------
    def test_a_payment_is_given_back_whole(self, stage: Stage):
        done, key = self.paid(stage), fresh_key()
        back = stage.gateway.refund(key=key, ref=done.ref, amount_kopecks=SUM, reason="Ошибка в счёте")
        assert (back.key, back.state, back.amount_kopecks) == (key, PaymentState.SUCCEEDED, SUM)
        assert stage.gateway.ask_refund(back.ref) == back
        assert stage.refunds() == [(key, SUM)]

    def test_a_payment_is_given_back_in_parts_and_never_more_than_was_paid(self, stage: Stage):
        done, first, second = self.paid(stage), fresh_key(), fresh_key()
        stage.gateway.refund(key=first, ref=done.ref, amount_kopecks=23_456, reason="Часть")
        with pytest.raises(GatewayRefused):
            stage.gateway.refund(key=fresh_key(), ref=done.ref, amount_kopecks=100_001, reason="Больше остатка")
        stage.gateway.refund(key=second, ref=done.ref, amount_kopecks=100_000, reason="Остаток")
        with pytest.raises(GatewayRefused):
            stage.gateway.refund(key=fresh_key(), ref=done.ref, amount_kopecks=100, reason="Ничего не осталось")
        assert stage.refunds() == [(first, 23_456), (second, 100_000)]

    def test_a_refund_repeated_under_its_key_is_one_refund(self, stage: Stage):
        done, key = self.paid(stage), fresh_key()
        first, again = (
            stage.gateway.refund(key=key, ref=done.ref, amount_kopecks=10_000, reason="Ошибка в счёте") for _ in range(2)
        )
        assert first == again
        with pytest.raises(GatewayRefused):
            stage.gateway.refund(key=key, ref=done.ref, amount_kopecks=10_001, reason="Ошибка в счёте")
        assert stage.refunds() == [(key, 10_000)]

    def test_a_refund_whose_answer_was_lost_is_found_by_its_key_and_not_given_twice(self, stage: Stage):
        done, key = self.paid(stage), fresh_key()
        stage.lose_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.refund(key=key, ref=done.ref, amount_kopecks=10_000, reason="Ошибка в счёте")
        found = stage.gateway.find_refund(key, payment_ref=done.ref)
        assert found is not None
        assert (found.key, found.state, found.amount_kopecks) == (key, PaymentState.SUCCEEDED, 10_000)
        assert stage.gateway.refund(key=key, ref=done.ref, amount_kopecks=10_000, reason="Ошибка в счёте") == found
        assert stage.refunds() == [(key, 10_000)]

    def test_a_refund_that_never_arrived_is_not_found(self, stage: Stage):
        done, key = self.paid(stage), fresh_key()
        stage.unreachable_next(1)
        with pytest.raises(NoAnswer):
            stage.gateway.refund(key=key, ref=done.ref, amount_kopecks=10_000, reason="Ошибка в счёте")
        assert stage.gateway.find_refund(key, payment_ref=done.ref) is None
        assert stage.refunds() == []

    def test_what_was_never_paid_is_not_given_back(self, stage: Stage):
        begun = stage.gateway.charge(wish())
        with pytest.raises(GatewayRefused):
            stage.gateway.refund(key=fresh_key(), ref=begun.ref, amount_kopecks=SUM, reason="Ошибка")
        with pytest.raises(GatewayRefused):
            stage.gateway.refund(key=fresh_key(), ref="00000000-0000-0000-0000-000000000000", amount_kopecks=SUM, reason="Ошибка")
        assert stage.refunds() == []

    # --- what every answer is made of ---------------------------------------------------------------------
    def _is_a_card(self, card: KeptCard) -> None:
        assert isinstance(card.brand, CardBrand)
        assert len(card.last_four) == 4
        assert card.last_four.isdigit()
        assert card.expires_on >= clock.today()
        assert (card.expires_on + timedelta(days=1)).day == 1, "a card works to the last day of a month"
        assert card.token
        assert len(card.token) <= 64, "more than a SavedCard has room for"
