"""A charge waits for the bank, and its rule is changed, stopped or made anew: each period is paid once, as wished last."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from actions import perform
from actions.autopay import delete_autopay_rule, pause_autopay_rule, save_autopay_rule
from actions.autopay_runs import plan
from actions.autopaying import charge, claim
from actions.cards import remove_card
from db import reading
from integrations.test_bank import Behaviour
from models import Payment
from rules.terms import AutopayAmount, AutopayResult, AutopayState, AutopayTrigger, NoticeEvent, PaymentState
from tests.money.autopay_home import Home, LosesAnswers, agree, charged, every_run, runs, the_rule, told
from tests.money.bank import saved

DECLINED, SUCCEEDED = AutopayResult.DECLINED, AutopayResult.SUCCEEDED


@pytest.fixture
def home(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(monkeypatch)


@pytest.fixture
def mute(home: Home, monkeypatch: pytest.MonkeyPatch) -> LosesAnswers:
    """A bank that charges, or declines, and is not heard."""
    bank = LosesAnswers()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bank)
    return bank


def saves(home: Home, rule_id: int | None, **more: Any) -> int:
    """What the form does when a rule is saved; by day, unless it has a threshold."""
    by_threshold = more.get("threshold_kopecks") is not None
    return perform(
        save_autopay_rule,
        visitor=home.visitor,
        rule_id=rule_id,
        account_id=home.account_id,
        card_id=home.card_id,
        trigger=AutopayTrigger.THRESHOLD if by_threshold else AutopayTrigger.MONTHLY,
        amount_kind=AutopayAmount.FIXED,
        amount_kopecks=more.pop("amount_kopecks", 50_000),
        consent=True,
        **more,
    )


# --- moved to another ground ------------------------------------------------------------------------
def test_a_threshold_rule_made_monthly_while_its_charge_is_declined_pays_on_its_day_only(home: Home, mute: LosesAnswers):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, trigger=AutopayTrigger.THRESHOLD)
    home.works()
    saves(home, rule_id, day_of_month=10, amount_kopecks=100_000)
    home.works()
    mute.broken = False
    home.live(days=8)
    assert runs() == [("2026-03-05", 1, DECLINED, "", 50_000), ("2026-03", 1, SUCCEEDED, "", 100_000)]
    assert [run.ran_at.day for run in every_run()] == [5, 10]
    assert told() == [(NoticeEvent.AUTOPAY_FAILED, None), (NoticeEvent.AUTOPAY_DONE, None)]
    assert agree()


def test_a_threshold_rule_made_monthly_while_it_pays_begins_with_its_next_day(home: Home, mute: LosesAnswers):
    """The tenth was over when it was made monthly: what the threshold has paid on the 9th is no reason to run for it."""
    rule_id = home.rule(trigger=AutopayTrigger.THRESHOLD)
    home.on(9)
    home.works()
    home.on(12)
    saves(home, rule_id, day_of_month=10, amount_kopecks=100_000)
    home.works()
    mute.broken = False
    home.live(days=8)
    assert runs() == [("2026-03-09", 1, SUCCEEDED, "", 50_000)]
    assert the_rule(rule_id).due_at == datetime(2026, 4, 10, 6, tzinfo=UTC)


def test_a_monthly_rule_made_one_by_threshold_while_its_charge_is_declined_looks_at_the_balance(home: Home, mute: LosesAnswers):
    rule_id = home.rule(behaviour=Behaviour.BLOCKED, day_of_month=10)
    home.on(10)
    home.works()
    saves(home, rule_id, threshold_kopecks=30_000)
    home.moves(60_000)
    mute.broken = False
    home.live(days=2)
    rule = the_rule(rule_id)
    assert runs() == [("2026-03", 1, DECLINED, "", 50_000)]
    assert (rule.state, rule.due_at, rule.due_period) == (AutopayState.ACTIVE, None, "")
    home.moves(-40_000)
    home.works()
    assert runs()[1:] == [("2026-03-12", 1, SUCCEEDED, "", 50_000)]


# --- made anew --------------------------------------------------------------------------------------
def test_a_rule_made_anew_while_the_old_ones_charge_is_declined_pays_the_month(home: Home, mute: LosesAnswers):
    old = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    perform(delete_autopay_rule, visitor=home.visitor, rule_id=old)
    new = saves(home, None, day_of_month=12)
    home.works()
    mute.broken = False
    home.live(days=20)
    assert [(run.rule_id, run.period, run.result, run.due_on) for run in every_run()] == [
        (old, "2026-03", DECLINED, date(2026, 3, 10)),
        (new, "2026-03", SUCCEEDED, date(2026, 3, 12)),
    ]
    assert the_rule(new).due_at == datetime(2026, 4, 12, 6, tzinfo=UTC)
    assert agree()


@pytest.mark.parametrize("day", [10, 12])
def test_a_rule_made_anew_while_the_old_one_pays_waits_for_it_and_leaves_the_month(home: Home, mute: LosesAnswers, day: int):
    """On its day the old charge has no answer yet: it waits; then the month is paid."""
    old = home.rule(day_of_month=10)
    home.on(10)
    home.works()
    perform(delete_autopay_rule, visitor=home.visitor, rule_id=old)
    new = saves(home, None, day_of_month=day)
    home.live(days=3)
    assert [run[:3] for run in runs()] == [("2026-03", 1, AutopayResult.PENDING)]
    mute.broken = False
    home.live(days=2)
    assert [run[:3] for run in runs()] == [("2026-03", 1, SUCCEEDED)]
    assert charged() == 50_000
    assert the_rule(new).due_at == datetime(2026, 4, day, 6, tzinfo=UTC)


def test_a_rule_made_anew_beside_one_that_was_moved_to_a_threshold_pays_the_month_once(home: Home, mute: LosesAnswers):
    old = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    home.moves(90_000)
    saves(home, old, threshold_kopecks=30_000)
    new = saves(home, None, day_of_month=10)
    home.works()
    mute.broken = False
    home.live(days=5)
    assert [(run.rule_id, run.period, run.result) for run in every_run()] == [
        (old, "2026-03", DECLINED),
        (new, "2026-03", SUCCEEDED),
    ]


# --- taken, and not sent yet ----------------------------------------------------------------------------
def taken(home: Home, **more: Any) -> int:
    """A rule whose charge is written and not sent yet, a minute ago."""
    rule_id = home.rule(day_of_month=10, **more)
    home.on(10)
    plan(home.now)
    assert claim("taken", home.now) == 1
    home.is_now(home.now + timedelta(minutes=1))
    return rule_id


def is_sent(home: Home, *, by_batch: bool) -> None:
    """Whoever sends it: the work that took it, or who looks after what is pending; for half an hour."""
    for _ in range(6):
        if by_batch:
            charge("taken")
        home.works()
        home.is_now(home.now + timedelta(minutes=5))


BOTH_WAYS = pytest.mark.parametrize("by_batch", [True, False])


@BOTH_WAYS
@pytest.mark.parametrize("stop", [delete_autopay_rule, pause_autopay_rule])
def test_a_rule_stopped_before_its_charge_was_sent_charges_nothing_and_tells_nothing(home: Home, stop: Any, by_batch: bool):
    rule_id = taken(home)
    perform(stop, visitor=home.visitor, rule_id=rule_id)
    is_sent(home, by_batch=by_batch)
    home.live(days=2)
    assert (charged(), told()) == (0, [])
    assert runs() == [("2026-03", -1, AutopayResult.SKIPPED, "not_sent", 50_000)]
    assert the_rule(rule_id).due_at is None
    assert agree()


@BOTH_WAYS
def test_a_card_removed_before_the_charge_was_sent_is_not_charged_and_the_one_in_its_place_is(home: Home, by_batch: bool):
    other_id = saved(home.anna_id, expires_on=date(2098, 1, 31))
    taken(home)
    perform(remove_card, visitor=home.visitor, card_id=home.card_id, move_to_card_id=other_id)
    is_sent(home, by_batch=by_batch)
    with reading() as db:
        payments = db.exec(select(Payment).order_by(col(Payment.id))).all()
    assert [(each.card_id, each.state) for each in payments] == [
        (home.card_id, PaymentState.DECLINED),
        (other_id, PaymentState.SUCCEEDED),
    ]
    assert told() == [(NoticeEvent.AUTOPAY_DONE, None)]
    assert agree()


def test_another_sum_before_the_charge_was_sent_is_the_one_that_is_charged(home: Home):
    rule_id = taken(home)
    saves(home, rule_id, day_of_month=10, amount_kopecks=70_000)
    is_sent(home, by_batch=True)
    home.live(days=2)
    assert charged() == 70_000
    assert [run[1:3] for run in runs()] == [(-1, AutopayResult.SKIPPED), (1, SUCCEEDED)]


def test_a_day_moved_before_the_charge_was_sent_is_waited_for(home: Home):
    rule_id = taken(home)
    saves(home, rule_id, day_of_month=20)
    is_sent(home, by_batch=True)
    home.live(days=9)
    assert charged() == 0
    home.live(days=2)
    assert [(run.period, run.result, run.ran_at.day) for run in every_run() if run.attempt > 0] == [("2026-03", SUCCEEDED, 20)]


@BOTH_WAYS
def test_a_charge_that_was_on_its_way_when_its_rule_was_deleted_counts(home: Home, mute: LosesAnswers, by_batch: bool):
    rule_id = taken(home)
    charge("taken")
    perform(delete_autopay_rule, visitor=home.visitor, rule_id=rule_id)
    is_sent(home, by_batch=by_batch)
    mute.broken = False
    is_sent(home, by_batch=by_batch)
    assert runs() == [("2026-03", 1, SUCCEEDED, "", 50_000)]
    assert charged() == 50_000
    assert agree()
