"""When the bank says no, or nothing: an autopayment is tried again, told, given up; and no month is paid twice or lost."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from actions import perform
from actions.autopay import delete_autopay_rule, resume_autopay_rule, save_autopay_rule
from actions.autopay_runs import plan, sweep
from actions.autopaying import charge, claim
from actions.settlement import settle
from db import reading, transaction
from integrations.gateway import Charge
from integrations.test_bank import Behaviour
from models import AutopayRule, AutopayRun, Payment, SavedCard
from rules.terms import (
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    DeclineReason,
    NoticeEvent,
)
from tests.money.autopay_home import Closed, Home, LosesAnswers, agree, balance, charged, every_run, runs, the_rule, told
from tests.money.bank import bank


@pytest.fixture
def home(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(monkeypatch)


def test_a_declined_autopay_is_retried_after_one_three_and_five_days_told_each_time_then_paused(home: Home):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.live(days=10)
    assert runs() == [("2026-03", attempt, AutopayResult.DECLINED, "", 50_000) for attempt in (1, 2, 3, 4)]
    assert told() == [
        (NoticeEvent.AUTOPAY_FAILED, "2026-03-11"),
        (NoticeEvent.AUTOPAY_FAILED, "2026-03-13"),
        (NoticeEvent.AUTOPAY_FAILED, "2026-03-15"),
        (NoticeEvent.AUTOPAY_FAILED, None),
    ]
    rule = the_rule(rule_id)
    assert (rule.state, rule.pause_reason, rule.due_at) == (AutopayState.PAUSED, "declined", None)
    assert balance(home.account_id) == 0
    assert agree()


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(Behaviour.BLOCKED, DeclineReason.CARD_BLOCKED), (Behaviour.EXPIRED, DeclineReason.CARD_EXPIRED)],
)
def test_a_card_that_will_not_do_tomorrow_either_pauses_the_rule_at_once(home: Home, behaviour: Behaviour, reason: DeclineReason):
    rule_id = home.rule(behaviour=behaviour, day_of_month=10)
    home.on(10)
    home.live(days=8)
    with reading() as db:
        run = db.exec(select(AutopayRun)).one()
    assert (run.result, run.decline_reason) == (AutopayResult.DECLINED, reason)
    assert the_rule(rule_id).pause_reason == "declined_hard"


def test_a_try_that_succeeds_ends_the_tries_and_the_next_month_begins_anew(home: Home):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    with transaction() as db:  # the person changes the card in between
        rule = db.get_one(AutopayRule, rule_id)
        rule.card_id = home.card_id
        db.add(rule)
    home.live(days=33)
    assert [run[:3] for run in runs()] == [
        ("2026-03", 1, AutopayResult.DECLINED),
        ("2026-03", 2, AutopayResult.SUCCEEDED),
        ("2026-04", 1, AutopayResult.SUCCEEDED),
    ]


def test_who_paid_by_hand_meanwhile_is_not_charged_by_the_retry(home: Home):
    home.moves(-1)
    home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    home.works()
    home.moves(100_000)
    home.live(days=7)
    assert [run[2] for run in runs()] == [AutopayResult.DECLINED]
    assert charged() == 0


def test_a_rule_resumed_after_its_declines_runs_on_its_next_day(home: Home):
    rule_id = home.rule(behaviour=Behaviour.BLOCKED, day_of_month=10)
    home.on(10)
    home.works()
    home.gives_a_good_card(rule_id)
    perform(resume_autopay_rule, visitor=home.visitor, rule_id=rule_id)
    home.live(days=31)
    assert [run[:3] for run in runs()] == [("2026-03", 1, AutopayResult.DECLINED), ("2026-04", 1, AutopayResult.SUCCEEDED)]


def test_an_unknown_outcome_is_asked_about_again_and_never_charged_again(home: Home, monkeypatch: pytest.MonkeyPatch):
    bad = LosesAnswers()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bad)
    rule_id = home.rule(day_of_month=10)
    home.on(10)
    home.live(days=2)
    assert [run[2] for run in runs()] == [AutopayResult.PENDING]
    assert len(bank().charges()) == 1, "the bank has charged; we do not know"
    assert balance(home.account_id) == 0
    bad.broken = False
    home.live(days=1)
    assert [run[2:] for run in runs()] == [(AutopayResult.SUCCEEDED, "", 50_000)]
    assert (balance(home.account_id), charged()) == (50_000, 50_000)
    due_at = the_rule(rule_id).due_at
    assert due_at is not None
    assert due_at.date() == date(2026, 4, 10)
    assert agree()


@pytest.mark.parametrize("mended_on", [datetime(2026, 3, 31, 20, tzinfo=UTC), datetime(2026, 4, 2, 9, tzinfo=UTC)])
def test_a_month_is_not_lost_to_an_account_that_was_busy_until_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch, mended_on: datetime
):
    bad = LosesAnswers()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bad)
    home.on(30)
    home.moves(-10_000)
    home.rule(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000, day_of_month=None)
    monthly = home.rule(day_of_month=31)
    while home.now < mended_on:
        home.live()
        home.is_now(home.now + timedelta(hours=3))
    bad.broken = False
    home.live(days=3)
    mine = [run.period for run in every_run() if run.rule_id == monthly]
    assert mine == ["2026-03"]
    assert the_rule(monthly).due_at == datetime(2026, 4, 30, 6, tzinfo=UTC)


def saved_again(home: Home, rule_id: int | None, **more: Any) -> int:
    """What the form does when a rule by day is saved."""
    return perform(
        save_autopay_rule,
        visitor=home.visitor,
        rule_id=rule_id,
        account_id=home.account_id,
        card_id=more.pop("card_id", home.card_id),
        trigger=AutopayTrigger.MONTHLY,
        amount_kind=more.pop("amount_kind", AutopayAmount.FIXED),
        amount_kopecks=50_000,
        consent=True,
        **more,
    )


def test_a_rule_that_is_given_another_card_while_it_is_being_tried_again_keeps_its_tries(home: Home):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    assert told() == [(NoticeEvent.AUTOPAY_FAILED, "2026-03-11")]
    home.on(10, hour=9)
    saved_again(home, rule_id, day_of_month=10)
    home.live(days=3)
    assert [run[:3] for run in runs()] == [("2026-03", 1, AutopayResult.DECLINED), ("2026-03", 2, AutopayResult.SUCCEEDED)]


def test_a_rule_that_is_moved_to_a_later_day_while_it_is_being_tried_again_waits_for_that_day(home: Home):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    home.on(10, hour=9)
    saved_again(home, rule_id, day_of_month=25)
    home.live(days=14)
    assert [run[:3] for run in runs()] == [("2026-03", 1, AutopayResult.DECLINED)]
    home.live(days=2)
    assert [run[:3] for run in runs()][1:] == [("2026-03", 2, AutopayResult.SUCCEEDED)]


def test_a_day_on_which_nothing_was_due_is_no_reason_not_to_pay_on_a_later_one(home: Home):
    rule_id = saved_again(home, None, day_of_month=10, amount_kind=AutopayAmount.DUE)
    home.on(10)
    home.works()
    home.on(12)
    home.moves(-40_000)
    saved_again(home, rule_id, day_of_month=20, amount_kind=AutopayAmount.DUE)
    home.live(days=10)
    assert [run[:3] for run in runs()] == [("2026-03", 1, AutopayResult.SKIPPED), ("2026-03", 2, AutopayResult.SUCCEEDED)]


def test_a_rule_set_up_in_the_place_of_one_that_has_paid_does_not_pay_the_month_again(home: Home):
    rule_id = home.rule(day_of_month=10)
    home.on(10)
    home.works()
    home.on(10, hour=12)
    perform(delete_autopay_rule, visitor=home.visitor, rule_id=rule_id)
    again = saved_again(home, None, day_of_month=10)
    home.live(days=5)
    assert charged() == 50_000
    assert the_rule(again).due_at == datetime(2026, 4, 10, 6, tzinfo=UTC)


def test_after_an_outage_of_months_a_try_and_a_later_day_are_not_both_paid(home: Home):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    home.gives_a_good_card(rule_id)
    home.on(12, month=7)
    home.live(days=3)
    assert [run[:3] for run in runs()] == [("2026-03", 1, AutopayResult.DECLINED), ("2026-07", 1, AutopayResult.SUCCEEDED)]
    assert the_rule(rule_id).due_at == datetime(2026, 8, 10, 6, tzinfo=UTC)


def test_a_period_is_over_when_a_try_that_was_given_up_turns_out_to_have_been_charged(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    home.on(11)
    bad = LosesAnswers()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bad)
    home.works()
    with transaction() as db:  # the first was charged after all
        first = db.exec(select(AutopayRun).where(col(AutopayRun.attempt) == 1)).one()
        first.result, first.decline_reason = AutopayResult.SUCCEEDED, None
        db.add(first)
    bad.broken = False
    home.live(days=8)
    assert [run[1:3] for run in runs()] == [(1, AutopayResult.SUCCEEDED), (2, AutopayResult.DECLINED)]
    assert the_rule(rule_id).due_at == datetime(2026, 4, 10, 6, tzinfo=UTC)


# --- what never reached the gateway ---------------------------------------------------------------------
def closes(monkeypatch: pytest.MonkeyPatch) -> Closed:
    bank = Closed()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bank)
    return bank


def taken_and_left(home: Home) -> None:
    """The process dies when it has taken what is due, and is up again after twenty minutes."""
    plan(home.now)
    sweep(home.now)
    assert claim("left", home.now) == 1
    home.is_now(home.now + timedelta(minutes=20))


def test_a_charge_that_was_never_sent_is_sent_the_same_hour_as_the_same_attempt_and_nobody_is_told(home: Home):
    rule_id = home.rule(day_of_month=10)
    home.on(10)
    taken_and_left(home)
    home.works()
    assert (runs(), told(), charged()) == ([("2026-03", -1, AutopayResult.SKIPPED, "not_sent", 50_000)], [], 0)
    assert the_rule(rule_id).due_at == home.now + timedelta(minutes=5), "what may be on its way is waited for"
    home.is_now(home.now + timedelta(minutes=5))
    home.works()
    assert runs()[1:] == [("2026-03", 1, AutopayResult.SUCCEEDED, "", 50_000)]
    assert (told(), charged()) == ([(NoticeEvent.AUTOPAY_DONE, None)], 50_000)
    home.live(days=32)
    assert [run[:3] for run in runs()[2:]] == [("2026-04", 1, AutopayResult.SUCCEEDED)]
    assert agree()


def test_a_retry_that_was_never_sent_keeps_its_number_and_the_days_of_the_others(home: Home):
    home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    home.on(11)
    taken_and_left(home)
    home.live(days=8)
    tries = [(run.attempt, run.ran_at.day) for run in every_run() if run.attempt > 0]
    assert tries == [(1, 10), (2, 11), (3, 13), (4, 15)]
    assert [run[:3] for run in runs() if run[1] < 0] == [("2026-03", -1, AutopayResult.SKIPPED)]
    assert len(told()) == 4


def test_of_a_threshold_that_was_never_sent_nothing_is_charged_when_the_balance_is_high_again(home: Home):
    home.rule(trigger=AutopayTrigger.THRESHOLD)
    taken_and_left(home)
    home.moves(90_000)
    home.live(days=2)
    assert (charged(), told()) == (0, [])
    home.moves(-90_000)
    home.works()
    assert [run[:3] for run in runs()[1:]] == [("2026-03-07", 1, AutopayResult.SUCCEEDED)]


@pytest.mark.parametrize("taken", [False, True])
def test_what_was_never_heard_of_and_was_charged_after_all_is_the_months_only_payment(home: Home, taken: bool):
    """The gateway tells late. It is the month's payment, whether the next one is not yet taken or taken and not yet sent."""
    rule_id = home.rule(day_of_month=10)
    home.on(10)
    taken_and_left(home)
    home.works()
    with reading() as db:
        lost = db.exec(select(Payment)).one()
    if taken:
        home.is_now(home.now + timedelta(minutes=5))
        assert claim("again", home.now) == 1
    bank().charge(Charge(lost.gateway_key or "", lost.amount_kopecks, "Late", lost.return_url, token=the_card(home)))
    standing = bank().find(lost.gateway_key or "", since=lost.created_at)
    assert standing is not None
    with transaction() as db:
        settle(db, lost.id, standing)
    charge("again")
    home.live(days=3)
    assert (charged(), balance(home.account_id)) == (50_000, 50_000)
    paid = [run[:4] for run in runs() if run[2] is AutopayResult.SUCCEEDED]
    assert paid == [("2026-03", -1, AutopayResult.SUCCEEDED, "")]
    assert told() == [(NoticeEvent.AUTOPAY_DONE, None)]
    assert the_rule(rule_id).due_at == datetime(2026, 4, 10, 6, tzinfo=UTC)
    assert agree()


def the_card(home: Home) -> str:
    with reading() as db:
        return db.get_one(SavedCard, home.card_id).token


def test_a_line_that_carries_nothing_for_hours_is_told_as_a_decline_in_the_end(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Questions are answered, charges do not arrive."""
    line = closes(monkeypatch)
    monkeypatch.setattr(line, "find", line.bank.find)
    home.rule(day_of_month=10)
    home.on(10)
    for _ in range(12):
        home.works()
        home.is_now(home.now + timedelta(minutes=20))
    assert [run[1:3] for run in runs()] == [(number, AutopayResult.SKIPPED) for number in (-1, -2, -3)] + [
        (1, AutopayResult.DECLINED)
    ]
    assert told() == [(NoticeEvent.AUTOPAY_FAILED, "2026-03-11")]
    line.away = False
    home.live(days=1)
    assert runs()[-1] == ("2026-03", 2, AutopayResult.SUCCEEDED, "", 50_000)
    assert agree()
