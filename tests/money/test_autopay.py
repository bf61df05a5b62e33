"""Setting autopay up, stopping it, and what is said of it beforehand."""

import threading
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.accounts import detach_account
from actions.autopay import (
    change_autopay_card,
    delete_autopay_rule,
    pause_autopay_rule,
    resume_autopay_rule,
    save_autopay_rule,
)
from db import reading, transaction
from models import (
    Attachment,
    AuditEntry,
    AutopayRule,
    AutopayRun,
    SavedCard,
)
from queries.autopay import RUNS_SHOWN, autopay_rules, payable_accounts, rule_runs, rule_runs_count
from queries.cards import saved_cards
from rules.refusals import (
    AmountKindMismatch,
    AmountOutOfRange,
    CardUnusable,
    CeilingTooLow,
    ConsentMissing,
    DayOutOfRange,
    NotAllowed,
    Refusal,
    RightTooLow,
    RulesConflict,
    ThresholdOutOfRange,
    UpToNotAboveThreshold,
)
from rules.terms import (
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    DeclineReason,
    Outcome,
    Right,
)
from tests.money.world import LONG_AGO, World, at


class Home:
    """Anna with an account and a card; Peter, who may pay that account and has a card of his own; Olga, a stranger."""

    def __init__(self) -> None:
        with transaction() as session:
            world = World(session)
            self.anna, self.peter, self.olga = (world.person(name) for name in ("Анна", "Пётр", "Ольга"))
            self.account = world.account(self.anna)
            self.other = world.account(self.anna)
            self.peters = world.attach(self.peter, self.account, right=Right.PAY)
            self.card, self.peters_card = world.card(self.anna), world.card(self.peter, last_four="2208")
            self.a, self.p, self.o = (world.visitor(person) for person in (self.anna, self.peter, self.olga))

    def save(self, visitor: Any = None, **given: Any) -> int:
        wanted: dict[str, Any] = {
            "account_id": self.account.id,
            "trigger": AutopayTrigger.MONTHLY,
            "day_of_month": 10,
            "amount_kind": AutopayAmount.FIXED,
            "amount_kopecks": 50_000,
            "card_id": self.card.id,
            "consent": True,
        }
        return perform(save_autopay_rule, visitor=visitor or self.a, **{**wanted, **given})


@pytest.fixture
def home(db: sa.Engine) -> Home:
    return Home()


def rule(rule_id: int) -> AutopayRule:
    with reading() as session:
        return session.exec(select(AutopayRule).where(col(AutopayRule.id) == rule_id)).one()


def rules_count() -> int:
    with reading() as session:
        return len(session.exec(select(AutopayRule.id)).all())


# --- saving -------------------------------------------------------------------------------------------------
def test_a_rule_is_kept_as_it_was_agreed_and_the_agreement_is_on_record(home: Home):
    made = rule(home.save(monthly_ceiling_kopecks=200_000, threshold_kopecks=7))
    assert (made.customer_id, made.billing_account_id, made.card_id) == (home.anna.id, home.account.id, home.card.id)
    assert (made.trigger, made.day_of_month, made.amount_kopecks) == (AutopayTrigger.MONTHLY, 10, 50_000)
    assert made.threshold_kopecks is None, "what the trigger does not use is not kept"
    assert made.monthly_ceiling_kopecks == 200_000
    assert clock.now() - made.consent_at < timedelta(minutes=1)
    with reading() as session:
        entry = session.exec(select(AuditEntry)).one()
    assert (entry.action, entry.outcome, entry.billing_account_id) == ("save_autopay_rule", Outcome.DONE, home.account.id)


def test_a_rule_is_changed_in_place_and_a_pause_stays(home: Home):
    rule_id = home.save()
    perform(pause_autopay_rule, visitor=home.a, rule_id=rule_id)
    same = home.save(rule_id=rule_id, trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000, day_of_month=None)
    changed = rule(rule_id)
    assert same == rule_id
    assert (changed.trigger, changed.threshold_kopecks, changed.day_of_month) == (AutopayTrigger.THRESHOLD, 30_000, None)
    assert changed.state is AutopayState.PAUSED


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"trigger": AutopayTrigger.THRESHOLD, "threshold_kopecks": 2_999}, ThresholdOutOfRange),
        ({"trigger": AutopayTrigger.THRESHOLD, "threshold_kopecks": 1_000_001}, ThresholdOutOfRange),
        ({"trigger": AutopayTrigger.THRESHOLD}, ThresholdOutOfRange),
        ({"amount_kopecks": 4_999}, AmountOutOfRange),
        ({"amount_kopecks": 1_000_001}, AmountOutOfRange),
        ({"amount_kopecks": None}, AmountOutOfRange),
        ({"day_of_month": 0}, DayOutOfRange),
        ({"day_of_month": 32}, DayOutOfRange),
        ({"monthly_ceiling_kopecks": 49_999}, CeilingTooLow),
        (
            {"trigger": AutopayTrigger.THRESHOLD, "threshold_kopecks": 50_000, "amount_kind": AutopayAmount.UP_TO},
            UpToNotAboveThreshold,
        ),
        (
            {"trigger": AutopayTrigger.THRESHOLD, "threshold_kopecks": 30_000, "amount_kind": AutopayAmount.DUE},
            AmountKindMismatch,
        ),
        ({"consent": False}, ConsentMissing),
    ],
)
def test_what_may_not_stand_is_refused_by_name_and_leaves_nothing(home: Home, given: dict[str, Any], refusal: type[Refusal]):
    with pytest.raises(refusal):
        home.save(**given)
    assert rules_count() == 0


@pytest.mark.parametrize("given", [{"amount_kopecks": 5_000}, {"amount_kopecks": 1_000_000}, {"day_of_month": 31}])
def test_the_bounds_themselves_are_allowed(home: Home, given: dict[str, Any]):
    assert home.save(**given)


def test_a_relative_with_the_right_to_pay_sets_it_up_with_their_own_card(home: Home):
    made = rule(home.save(home.p, card_id=home.peters_card.id))
    assert (made.customer_id, made.card_id) == (home.peter.id, home.peters_card.id)


@pytest.mark.parametrize("right", [Right.VIEW, None])
def test_who_may_not_pay_sets_nothing_up(home: Home, right: Right | None):
    with transaction() as session:
        attached = session.get_one(Attachment, home.peters.id)
        attached.right = right or Right.PAY
        attached.detached_at = None if right else LONG_AGO
        session.add(attached)
    with pytest.raises(RightTooLow if right else NotAllowed):
        home.save(home.p, card_id=home.peters_card.id)
    assert rules_count() == 0


def test_somebody_elses_a_removed_and_an_expired_card_are_refused_alike(home: Home):
    with transaction() as session:
        world = World(session)
        world.number = 500
        expired = world.card(home.anna, expires_on=clock.today() - timedelta(days=1))
        last_day = world.card(home.anna, expires_on=clock.today())
        removed = world.card(home.anna)
        removed.removed_at = LONG_AGO
        session.add(removed)
    for card_id in (home.peters_card.id, expired.id, removed.id, 10**9):
        with pytest.raises(CardUnusable):
            home.save(card_id=card_id)
    assert home.save(card_id=last_day.id)


def test_an_account_has_one_rule_of_a_sort_whoever_set_it_up(home: Home):
    home.save()
    for trigger in (AutopayTrigger.MONTHLY, AutopayTrigger.BILL):
        with pytest.raises(RulesConflict) as refused:
            home.save(home.p, card_id=home.peters_card.id, trigger=trigger)
        assert refused.value.facts == {"trigger": AutopayTrigger.MONTHLY}
    assert home.save(home.p, card_id=home.peters_card.id, trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    assert home.save(account_id=home.other.id)


def test_a_deleted_rule_makes_room(home: Home):
    perform(delete_autopay_rule, visitor=home.a, rule_id=home.save())
    assert home.save(trigger=AutopayTrigger.BILL)


def test_the_same_rule_saved_twice_is_one_rule(home: Home):
    assert home.save() == home.save()
    assert rules_count() == 1


def test_a_rule_cannot_be_moved_to_another_account_or_taken_over(home: Home):
    rule_id = home.save()
    with pytest.raises(NotAllowed):
        home.save(rule_id=rule_id, account_id=home.other.id)
    with pytest.raises(NotAllowed):
        home.save(home.p, rule_id=rule_id, card_id=home.peters_card.id)


def test_of_two_people_at_the_same_moment_one_gets_the_rule_and_the_other_the_reason(home: Home):
    start, results = threading.Barrier(2), []

    def save(visitor: Any, card_id: int) -> None:
        start.wait()
        try:
            results.append(home.save(visitor, card_id=card_id))
        except RulesConflict as refusal:
            results.append(refusal)

    threads = [threading.Thread(target=save, args=pair) for pair in ((home.a, home.card.id), (home.p, home.peters_card.id))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(result).__name__ for result in results) == ["RulesConflict", "int"]
    assert rules_count() == 1


def test_a_rule_that_comes_in_past_the_lock_is_caught_by_the_index(home: Home, db: sa.Engine):
    """Somebody writes without locking the account and has not committed yet: only the unique index knows.

    On PostgreSQL even the foreign key would lock the account, so it is left out; SQLite lets nobody in past its lock.
    """
    ready, refused = threading.Event(), []

    def save() -> None:
        ready.set()
        try:
            home.save()
        except RulesConflict as refusal:
            refused.append(refusal.facts)

    with transaction() as session:
        if db.dialect.name == "postgresql":
            session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        World(session).rule(home.peter, home.account, home.peters_card, trigger=AutopayTrigger.BILL)
        thread = threading.Thread(target=save)
        thread.start()
        ready.wait()
        thread.join(timeout=0.7)  # it waits for us, on either database
        assert thread.is_alive()
    thread.join(timeout=10)
    assert refused == [{"trigger": AutopayTrigger.BILL}]
    assert rules_count() == 1


# --- stopping and going on ----------------------------------------------------------------------------------
def test_a_rule_is_paused_resumed_and_deleted(home: Home):
    rule_id = home.save()
    perform(pause_autopay_rule, visitor=home.a, rule_id=rule_id)
    assert (rule(rule_id).state, rule(rule_id).pause_reason) == (AutopayState.PAUSED, "by_person")
    perform(resume_autopay_rule, visitor=home.a, rule_id=rule_id)
    assert (rule(rule_id).state, rule(rule_id).pause_reason) == (AutopayState.ACTIVE, "")
    perform(delete_autopay_rule, visitor=home.a, rule_id=rule_id)
    assert rule(rule_id).state is AutopayState.DELETED
    for act in (pause_autopay_rule, resume_autopay_rule, delete_autopay_rule):
        with pytest.raises(NotAllowed):
            perform(act, visitor=home.a, rule_id=rule_id)


def test_whoever_is_charged_can_stop_it_even_when_they_may_no_longer_pay(home: Home):
    rule_id = home.save(home.p, card_id=home.peters_card.id)
    with transaction() as session:
        session.get_one(Attachment, home.peters.id).right = Right.VIEW
    perform(pause_autopay_rule, visitor=home.p, rule_id=rule_id)
    with pytest.raises(RightTooLow):
        perform(resume_autopay_rule, visitor=home.p, rule_id=rule_id)
    with pytest.raises(RightTooLow):
        perform(change_autopay_card, visitor=home.p, rule_id=rule_id, card_id=home.peters_card.id)
    perform(delete_autopay_rule, visitor=home.p, rule_id=rule_id)


def test_the_holder_cannot_stop_a_relatives_rule_nor_a_stranger_anybodys(home: Home):
    rule_id = home.save(home.p, card_id=home.peters_card.id)
    for visitor in (home.a, home.o):
        with pytest.raises(NotAllowed):
            perform(delete_autopay_rule, visitor=visitor, rule_id=rule_id)
    assert rule(rule_id).state is AutopayState.ACTIVE


def test_a_rule_is_not_resumed_on_a_card_that_cannot_be_charged(home: Home):
    rule_id = home.save()
    perform(pause_autopay_rule, visitor=home.a, rule_id=rule_id)
    with transaction() as session:
        session.get_one(SavedCard, home.card.id).removed_at = LONG_AGO
    with pytest.raises(CardUnusable):
        perform(resume_autopay_rule, visitor=home.a, rule_id=rule_id)
    with transaction() as session:
        world = World(session)
        world.number = 600
        fresh = world.card(home.anna, last_four="0001")
    perform(change_autopay_card, visitor=home.a, rule_id=rule_id, card_id=fresh.id)
    perform(resume_autopay_rule, visitor=home.a, rule_id=rule_id)
    assert (rule(rule_id).card_id, rule(rule_id).state) == (fresh.id, AutopayState.ACTIVE)


def test_a_rule_charges_ones_own_cards_only(home: Home):
    rule_id = home.save()
    with pytest.raises(CardUnusable):
        perform(change_autopay_card, visitor=home.a, rule_id=rule_id, card_id=home.peters_card.id)


# --- what is said of it -------------------------------------------------------------------------------------
def test_a_person_sees_their_own_rules_with_the_latest_runs_first(home: Home):
    rule_id = home.save()
    home.save(home.p, card_id=home.peters_card.id, trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    with transaction() as session:
        for month in range(1, 9):
            moment = at(f"2026-0{month}-10 09:00")
            session.add(
                AutopayRun(
                    rule_id=rule_id,
                    billing_account_id=home.account.id,
                    period=f"2026-0{month}",
                    due_on=moment.date(),
                    ran_at=moment,
                    result=AutopayResult.DECLINED if month == 8 else AutopayResult.SUCCEEDED,
                    decline_reason=DeclineReason.BANK_REFUSED if month == 8 else None,
                    amount_kopecks=50_000,
                )
            )
    with reading() as session:
        (mine,) = autopay_rules(session, visitor=home.a)
        assert [run.due_on.month for run in mine.runs] == [8, 7, 6, 5, 4][:RUNS_SHOWN]
        assert mine.runs[0].decline_reason is DeclineReason.BANK_REFUSED
        assert autopay_rules(session, visitor=home.o) == []
        assert [card.last_four for card in saved_cards(session, visitor=home.a)] == ["4417"]
        assert [account.account_id for account in payable_accounts(session, visitor=home.p)] == [home.account.id]
        assert payable_accounts(session, visitor=home.o) == []


def test_all_runs_of_ones_own_rule_are_there_page_by_page_and_nobody_elses(home: Home):
    rule_id = home.save()
    with transaction() as session:
        for number in range(7):
            session.add(
                AutopayRun(
                    rule_id=rule_id,
                    billing_account_id=home.account.id,
                    period=f"2026-0{number + 1}",
                    due_on=date(2026, number + 1, 10),
                    ran_at=at(f"2026-0{number + 1}-10"),
                    result=AutopayResult.SKIPPED,
                    reason="nothing_due",
                )
            )
    with reading() as session:
        pages = [rule_runs(session, visitor=home.a, rule_id=rule_id, page=page, size=3) for page in (1, 2, 3, 4)]
        assert [[run.due_on.month for run in page] for page in pages] == [[7, 6, 5], [4, 3, 2], [1], []]
        assert rule_runs_count(session, visitor=home.a, rule_id=rule_id) == 7
        assert rule_runs(session, visitor=home.p, rule_id=rule_id, page=1, size=3) == []
        assert rule_runs_count(session, visitor=home.p, rule_id=rule_id) == 0


def test_a_rule_is_seen_by_whoever_is_charged_even_when_the_account_is_no_longer_attached(home: Home):
    rule_id = home.save(home.p, card_id=home.peters_card.id)
    with transaction() as session:
        attached = session.get_one(Attachment, home.peters.id)
        attached.label, attached.detached_at = "Дача", clock.now()
        session.add(attached)
    with reading() as session:
        (seen,) = autopay_rules(session, visitor=home.p)
    assert (seen.rule_id, seen.label, seen.is_attached, seen.may_pay) == (rule_id, "Дача", False, False)
    perform(delete_autopay_rule, visitor=home.p, rule_id=rule_id)
    with reading() as session:
        assert autopay_rules(session, visitor=home.p) == []


def test_detaching_an_account_ends_ones_own_rules_for_it(home: Home):
    home.save(home.p, card_id=home.peters_card.id)
    home.save(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    perform(detach_account, visitor=home.p, attachment_id=home.peters.id)
    with reading() as session:
        assert autopay_rules(session, visitor=home.p) == []
        assert len(autopay_rules(session, visitor=home.a)) == 1, "the holder's own goes on"
