"""A person's cards: attached at the bank without paying, named, the first one chosen, deleted; never a number."""

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.cards import (
    BATCH,
    SETUPS_PER_HOUR,
    SILENT,
    SetupProgress,
    begin_card_setup,
    choose_default_card,
    remove_card,
    rename_card,
    settle_setups,
    setup_progress,
)
from db import reading, transaction
from integrations.gateway import NoAnswer, Standing
from integrations.test_bank import Behaviour
from models import AutopayRule, CardSetup, SavedCard, Transfer
from queries.cards import rules_by_card, saved_cards
from rules.refusals import CardInUse, CardUnusable, LabelMalformed, LooksLikeCard, NotAllowed, TooManyAttempts
from rules.terms import DeclineReason, GatewayName, PaymentState
from rules.visitor import Visitor
from tests.money.bank import bank, erased, later, leaves, pays, saved
from tests.money.world import World


class Holder:
    def __init__(self) -> None:
        with transaction() as db:
            world = World(db)
            person = world.person()
            self.person_id, self.visitor = person.id, world.visitor(person)

    def begin(self, key: str = "k") -> int:
        return perform(begin_card_setup, visitor=self.visitor, key=key, return_url="/back/card/{setup}")

    def goes(self, setup_id: int) -> SetupProgress:
        return setup_progress(visitor=self.visitor, setup_id=setup_id)

    def attaches(self, behaviour: Behaviour = Behaviour.SUCCESS, key: str = "k") -> SetupProgress:
        setup_id = self.begin(key)
        pays(self.goes(setup_id).page_url, behaviour)
        return self.goes(setup_id)

    def cards(self) -> list[tuple[int, bool]]:
        with reading() as db:
            return [(card.card_id, card.is_default) for card in saved_cards(db, visitor=self.visitor)]


@pytest.fixture
def holder(db: sa.Engine) -> Holder:
    return Holder()


def test_a_card_is_attached_at_the_bank_and_nothing_is_charged(holder: Holder):
    went = holder.attaches()
    assert (went.state, went.card_id) == (PaymentState.SUCCEEDED, holder.cards()[0][0])
    assert bank().charges() == []
    with reading() as db:
        assert db.exec(select(Transfer)).all() == []
        card = db.exec(select(SavedCard)).one()
    assert (card.last_four, card.expires_on, card.is_default) == ("0004", date(2099, 1, 31), True)


def test_a_card_that_wants_3d_secure_is_attached_after_the_code(holder: Holder):
    assert holder.attaches(Behaviour.THREE_D_SECURE).state is PaymentState.SUCCEEDED


def test_a_blocked_card_is_not_attached_and_the_reason_is_told(holder: Holder):
    went = holder.attaches(Behaviour.BLOCKED)
    assert (went.state, went.reason, holder.cards()) == (PaymentState.DECLINED, DeclineReason.CARD_BLOCKED, [])


def test_whoever_leaves_the_bank_has_attached_nothing(holder: Holder):
    setup_id = holder.begin()
    leaves(holder.goes(setup_id).page_url)
    assert holder.goes(setup_id).reason is DeclineReason.NOT_FINISHED


def test_a_double_click_is_one_attempt_and_looking_again_attaches_no_second_card(holder: Holder):
    setup_id = holder.begin()
    assert holder.begin() == setup_id
    pays(holder.goes(setup_id).page_url)
    for _ in range(3):
        assert holder.goes(setup_id).state is PaymentState.SUCCEEDED
    assert len(holder.cards()) == 1


def test_the_same_card_attached_again_is_the_same_card_under_its_new_token(holder: Holder):
    holder.attaches(key="one")
    with reading() as db:
        before = db.exec(select(SavedCard.token)).one()
    holder.attaches(key="two")
    with reading() as db:
        assert db.exec(select(SavedCard.token)).one() != before


def test_a_card_is_attached_although_nobody_came_back_from_the_bank(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    pays(holder.goes(holder.begin()).page_url)
    assert holder.cards() == []
    later(monkeypatch, timedelta(minutes=6))
    assert settle_setups(clock.now()) == 1
    assert len(holder.cards()) == 1


class Asked:
    """A gateway that is asked about attempts: it fails at one, is silent at some (or all) and declines the others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: str = "", silent: set[str] | None = None) -> None:
        self.refs: list[str] = []
        self._fails, self._silent = fails, silent
        monkeypatch.setattr("actions.cards.gateway_called", lambda _name: self)

    def ask_check(self, ref: str) -> Standing:
        self.refs.append(ref)
        if ref == self._fails:
            raise ZeroDivisionError
        if self._silent is None or ref in self._silent:
            raise NoAnswer("not in time")
        return Standing(ref, f"key of {ref}", PaymentState.DECLINED, 0, reason=DeclineReason.BANK_REFUSED)


def attempts(holder: Holder, number: int, *, age: timedelta = timedelta(hours=2)) -> list[str]:
    """So many attempts that nobody came back from, the eldest first; the gateway's names for them."""
    refs = [f"ref-{each}" for each in range(number)]
    with transaction() as db:
        for ref in refs:
            db.add(
                CardSetup(
                    customer_id=holder.person_id,
                    state=PaymentState.PENDING,
                    key=ref,
                    created_at=clock.now() - age,
                    gateway=GatewayName.TEST_BANK,
                    gateway_key=f"key of {ref}",
                    gateway_ref=ref,
                )
            )
    return refs


def test_a_round_asks_about_some_attempts_and_the_next_about_those_that_wait_longest(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
):
    refs, now = attempts(holder, BATCH + 5), clock.now()
    bank_ = Asked(monkeypatch, silent={refs[0]})
    assert settle_setups(now) == BATCH - 1
    assert settle_setups(now) == 5, "what was asked about without an answer waits for its turn"
    assert bank_.refs == refs
    assert settle_setups(now + timedelta(minutes=6)) == 0
    assert bank_.refs == [*refs, refs[0]]


def test_a_silent_gateway_is_left_alone_after_some_questions_and_others_are_asked_about_next(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
):
    refs, bank_ = attempts(holder, 2 * SILENT), Asked(monkeypatch)
    for rounds in (1, 2):
        assert settle_setups(clock.now()) == 0
        assert bank_.refs == refs[: rounds * SILENT]


def test_one_attempt_that_cannot_be_settled_does_not_stop_the_others(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    refs = attempts(holder, 3)
    bank_ = Asked(monkeypatch, fails=refs[0], silent=set())
    assert settle_setups(clock.now()) == 2
    assert settle_setups(clock.now()) == 0
    assert bank_.refs == refs, "and is not the first of every round"


def test_an_attempt_of_yesterday_is_over_and_the_bank_is_not_asked_about_it(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    bank_ = Asked(monkeypatch)
    attempts(holder, 2, age=timedelta(days=1, minutes=1))
    assert settle_setups(clock.now()) == 2
    assert settle_setups(clock.now()) == 0
    assert bank_.refs == []
    with reading() as db:
        assert set(db.exec(select(CardSetup.state, CardSetup.decline_reason))) == {
            (PaymentState.DECLINED, DeclineReason.NOT_FINISHED)
        }


def test_a_card_that_was_checked_after_its_person_was_erased_is_kept_for_nobody(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    setup_id = holder.begin()
    pays(holder.goes(setup_id).page_url)
    erased(holder.person_id)
    later(monkeypatch, timedelta(minutes=6))
    assert settle_setups(clock.now()) == 1
    with reading() as db:
        assert db.get_one(CardSetup, setup_id).state is PaymentState.DECLINED
        assert db.exec(select(SavedCard)).all() == []


def test_somebody_elses_attempt_is_not_there(holder: Holder):
    with pytest.raises(NotAllowed):
        setup_progress(visitor=Holder().visitor, setup_id=holder.begin())


def test_nobody_tries_out_a_long_row_of_cards(holder: Holder):
    for number in range(SETUPS_PER_HOUR):
        holder.begin(f"k{number}")
    with pytest.raises(TooManyAttempts):
        holder.begin("one more")


def test_the_first_card_is_the_default_until_another_is_chosen(holder: Holder):
    first, second = saved(holder.person_id), saved(holder.person_id, Behaviour.THREE_D_SECURE)
    assert dict(holder.cards()) == {first: True, second: False}
    perform(choose_default_card, visitor=holder.visitor, card_id=second)
    assert dict(holder.cards()) == {first: False, second: True}


def test_when_the_default_is_deleted_another_takes_its_place_one_that_works_first(holder: Holder):
    first = saved(holder.person_id)
    expired = saved(holder.person_id, Behaviour.BLOCKED, date(2020, 1, 31))
    good = saved(holder.person_id, Behaviour.THREE_D_SECURE)
    perform(remove_card, visitor=holder.visitor, card_id=first)
    assert dict(holder.cards()) == {expired: False, good: True}


def test_a_card_gets_a_name_and_loses_it_again(holder: Holder):
    card_id = saved(holder.person_id)
    for label, kept in (("  Зарплатная   карта ", "Зарплатная карта"), ("", "")):
        perform(rename_card, visitor=holder.visitor, card_id=card_id, label=label)
        with reading() as db:
            assert db.get_one(SavedCard, card_id).label == kept


@pytest.mark.parametrize(
    ("label", "refusal"),
    [
        ("4242 4242 4242 4242", LooksLikeCard),
        ("моя 2200000000000004", LooksLikeCard),
        ("я" * 41, LabelMalformed),
        ("a\x00b", LabelMalformed),
    ],
)
def test_a_name_that_is_a_card_number_or_none_at_all_is_refused(holder: Holder, label: str, refusal: type[Exception]):
    card_id = saved(holder.person_id)
    with pytest.raises(refusal):
        perform(rename_card, visitor=holder.visitor, card_id=card_id, label=label)
    with reading() as db:
        assert db.get_one(SavedCard, card_id).label == ""


class TestAutopayChargesIt:
    @pytest.fixture
    def ruled(self, holder: Holder) -> tuple[Holder, int, int]:
        card_id = saved(holder.person_id)
        with transaction() as db:
            world = World(db)
            person = db.get_one(type(world.person("Вера")), holder.person_id)
            rule = world.rule(person, world.account(person), db.get_one(SavedCard, card_id))
            return holder, card_id, rule.id

    def rule(self, rule_id: int) -> AutopayRule:
        with reading() as db:
            return db.get_one(AutopayRule, rule_id)

    def test_it_is_not_deleted_from_under_the_rule(self, ruled: tuple[Holder, int, int]):
        holder, card_id, _ = ruled
        with pytest.raises(CardInUse) as refused:
            perform(remove_card, visitor=holder.visitor, card_id=card_id)
        assert refused.value.facts == {"rules": 1}
        assert dict(holder.cards()) == {card_id: True}

    def test_the_rule_moves_to_another_card_and_then_it_goes(self, ruled: tuple[Holder, int, int]):
        holder, card_id, rule_id = ruled
        other = saved(holder.person_id, Behaviour.THREE_D_SECURE)
        perform(remove_card, visitor=holder.visitor, card_id=card_id, move_to_card_id=other)
        assert (self.rule(rule_id).card_id, dict(holder.cards())) == (other, {other: True})
        with reading() as db:
            assert rules_by_card(db, visitor=holder.visitor) == {other: 1}

    @pytest.mark.parametrize("which", ["itself", "expired", "somebody else's"])
    def test_it_moves_to_no_card_that_will_not_do(self, ruled: tuple[Holder, int, int], which: str):
        holder, card_id, rule_id = ruled
        others: dict[str, Any] = {
            "itself": lambda: card_id,
            "expired": lambda: saved(holder.person_id, Behaviour.SLOW, date(2020, 1, 31)),
            "somebody else's": lambda: saved(Holder().person_id),
        }
        with pytest.raises(CardUnusable):
            perform(remove_card, visitor=holder.visitor, card_id=card_id, move_to_card_id=others[which]())
        assert self.rule(rule_id).card_id == card_id


@pytest.mark.parametrize("act", [choose_default_card, remove_card])
def test_somebody_elses_card_is_not_there(holder: Holder, act: Any):
    stranger: Visitor = Holder().visitor
    card_id = saved(holder.person_id)
    with pytest.raises(CardUnusable):
        perform(act, visitor=stranger, card_id=card_id)
    with reading() as db:
        assert db.exec(select(SavedCard.removed_at).where(col(SavedCard.id) == card_id)).one() is None
        assert db.exec(select(CardSetup)).all() == []
