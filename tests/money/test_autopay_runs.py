"""Rules run by themselves: when they are due, what they pay, and each charge only once."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from actions.autopay_runs import plan, sweep
from actions.autopaying import charge, claim
from db import reading, transaction
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    BonusEntry,
    Message,
    Notice,
    Payment,
    SavedCard,
)
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayResult,
    AutopayTrigger,
    NoticeEvent,
)
from tests.money.autopay_home import Home, agree, balance, charged, runs, the_rule, told
from tests.money.bank import saved
from texts import account_number


@pytest.fixture
def home(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(monkeypatch)


# --- when a rule runs -----------------------------------------------------------------------------------
def test_a_rule_by_day_pays_at_nine_in_the_morning_where_the_account_is(home: Home):
    home.rule(day_of_month=10)
    home.on(10, hour=5)
    home.works()
    assert runs() == [], "it is eight in Moscow"
    home.on(10, hour=6)
    home.works()
    assert runs() == [("2026-03", 1, AutopayResult.SUCCEEDED, "", 50_000)]
    assert balance(home.account_id) == 50_000
    assert agree()


def test_in_kamchatka_the_tenth_begins_nine_hours_earlier(home: Home):
    with transaction() as db:
        account = db.get_one(BillingAccount, home.account_id)
        account.region_code = "RU-KAM"
        db.add(account)
    home.rule(day_of_month=10)
    home.on(9, hour=20)
    home.works()
    assert runs() == []
    home.on(9, hour=21)
    home.works()
    assert [run[0] for run in runs()] == ["2026-03"]


@pytest.mark.parametrize(("day", "month", "falls_on"), [(31, 4, 30), (29, 2, 28), (30, 2, 28), (31, 3, 31)])
def test_days_29_to_31_fall_on_the_last_day_of_a_shorter_month(home: Home, day: int, month: int, falls_on: int):
    home.is_now(datetime(2026, month, 2, tzinfo=UTC))
    rule_id = home.rule(day_of_month=day)
    plan(home.now)
    due_at = the_rule(rule_id).due_at
    assert due_at is not None
    assert (due_at.month, due_at.day, due_at.hour) == (month, falls_on, 6)


def test_a_rule_pays_once_a_month_however_often_the_background_works(home: Home):
    home.rule(day_of_month=10)
    home.on(9)
    home.live(days=35)
    assert [run[0] for run in runs()] == ["2026-03", "2026-04"]
    assert charged() == 100_000


@pytest.mark.parametrize(("changed_on", "runs_for"), [(9, ["2026-03"]), (11, [])])
def test_a_rule_that_was_changed_while_nobody_was_there_does_not_miss_its_day(home: Home, changed_on: int, runs_for: list[str]):
    rule_id = home.rule(day_of_month=10)
    home.on(changed_on)
    with transaction() as db:
        rule = db.get_one(AutopayRule, rule_id)
        rule.changed_at = home.now
        db.add(rule)
    home.on(12)
    home.live(days=2)
    assert [run[0] for run in runs()] == runs_for


def test_after_an_outage_of_months_the_last_one_is_paid_and_no_other(home: Home):
    rule_id = home.rule(day_of_month=10)
    plan(home.now)
    home.on(9, month=6)  # nothing worked since; the tenth of June has not come
    home.live(days=2)
    assert [run[0] for run in runs()] == ["2026-05", "2026-06"]
    assert the_rule(rule_id).due_at == datetime(2026, 7, 10, 6, tzinfo=UTC)


def test_a_balance_that_falls_under_the_threshold_is_topped_up_at_once(home: Home):
    home.moves(60_000)
    home.rule(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    home.works()
    assert runs() == []
    home.moves(-30_000)
    home.works()
    assert runs() == [], "at the threshold is not under it"
    home.moves(-1)
    home.works()
    assert runs() == [("2026-03-05", 1, AutopayResult.SUCCEEDED, "", 50_000)]
    assert balance(home.account_id) == 79_999


def test_the_sweep_finds_a_low_balance_that_nothing_announced(home: Home):
    rule_id = home.rule(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    assert the_rule(rule_id).due_at is None
    assert sweep(home.now) == 1
    home.works()
    assert [run[2] for run in runs()] == [AutopayResult.SUCCEEDED]


def test_a_threshold_pays_once_a_day_and_again_the_next_day_when_it_is_still_low(home: Home):
    home.moves(-170_000)
    home.rule(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    home.live(days=6)
    assert [run[0] for run in runs()] == ["2026-03-05", "2026-03-06", "2026-03-07", "2026-03-08"]
    assert balance(home.account_id) == 30_000


def test_a_bill_is_paid_in_full_on_billing_day_and_a_month_without_debt_is_noted(home: Home):
    home.rule(trigger=AutopayTrigger.BILL)
    with transaction() as db:
        for rule in db.exec(select(AutopayRule)):
            rule.amount_kind, rule.amount_kopecks = AutopayAmount.DUE, None
            db.add(rule)
        db.get_one(BillingAccount, home.account_id).billed_on = date(2026, 5, 1)
    home.moves(-73_400)
    home.on(31, month=3)
    home.live(days=33)
    assert runs() == [
        ("2026-04", 1, AutopayResult.SUCCEEDED, "", 73_400),
        ("2026-05", 1, AutopayResult.SKIPPED, "nothing_due", 0),
    ]
    assert balance(home.account_id) == 0


def test_two_rules_of_one_account_on_one_day_see_each_other(home: Home):
    """The second finds the balance that the first has left, and has nothing to do."""
    home.moves(-10_000)
    home.rule(day_of_month=10)
    threshold = home.rule(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    home.on(10)
    with transaction() as db:  # both due in the same moment
        for rule in db.exec(select(AutopayRule)):
            rule.due_at = home.now
            db.add(rule)
    assert claim("b1", home.now) == 2
    charge("b1")
    home.live(days=1)
    assert [run[2:] for run in runs()] == [(AutopayResult.SUCCEEDED, "", 50_000)]
    assert the_rule(threshold).due_at is None


# --- what it pays ---------------------------------------------------------------------------------------
def test_the_monthly_ceiling_cuts_a_payment_and_then_stops_them_and_the_person_is_told(home: Home):
    home.moves(-300_000)
    home.rule(trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000, monthly_ceiling_kopecks=80_000)
    home.live(days=5)
    assert [(run[2], run[3], run[4]) for run in runs()] == [
        (AutopayResult.SUCCEEDED, "", 50_000),
        (AutopayResult.SUCCEEDED, "", 30_000),
        (AutopayResult.SKIPPED, "ceiling_reached", 0),
    ]
    assert charged() == 80_000
    assert told()[-1] == (NoticeEvent.AUTOPAY_FAILED, None)
    home.on(1, month=4)
    home.live(days=1)
    assert next(run[4] for run in runs() if run[0].startswith("2026-04")) == 50_000, "the next month it pays again"


def test_a_success_brings_points_a_notice_and_one_letter(home: Home):
    home.rule(day_of_month=10)
    home.on(10)
    home.works()
    with reading() as db:
        points = db.exec(select(sa.func.sum(BonusEntry.points)).where(col(BonusEntry.customer_id) == home.anna_id)).one()
        letters = db.exec(select(Message.about, Message.recipient, Message.document)).all()
        payment = db.exec(select(Payment)).one()
        body = db.exec(select(Message.body)).one()
        assert f"({account_number(db.get_one(BillingAccount, home.account_id).number)})" in body, "as every screen writes it"
    assert points == 26, "a point for 20 ₽, and 5 % more by autopay"
    assert [tuple(letter) for letter in letters] == [("autopay_receipt", "anna@kabinet.example", f"receipt/{payment.id}")]
    assert told() == [(NoticeEvent.AUTOPAY_DONE, None)]


# --- rules that cannot run any more ---------------------------------------------------------------------
def test_a_rule_whose_person_lost_the_account_is_paused_and_told_and_nothing_is_charged(home: Home):
    rule_id = home.rule(day_of_month=10)
    with transaction() as db:
        for attachment in db.exec(select(Attachment).where(col(Attachment.billing_account_id) == home.account_id)):
            attachment.detached_at = home.now
            db.add(attachment)
    home.on(10)
    home.works()
    assert runs() == [("2026-03", 1, AutopayResult.SKIPPED, "right_lost", 0)]
    assert the_rule(rule_id).pause_reason == "right_lost"
    assert told() == [(NoticeEvent.AUTOPAY_FAILED, None)]
    assert charged() == 0


def test_a_closed_account_and_a_removed_card_stop_their_rules_by_name(home: Home):
    first, second = home.rule(day_of_month=10), home.rule(day_of_month=10, account_id=home.other_id)
    other_card = saved(home.anna_id)
    with transaction() as db:
        account = db.get_one(BillingAccount, home.account_id)
        account.status, account.closed_on = AccountStatus.CLOSED, home.now.date()
        db.add(account)
        rule = db.get_one(AutopayRule, second)
        rule.card_id = other_card
        db.add(rule)
        card = db.get_one(SavedCard, other_card)
        card.removed_at = home.now
        db.add(card)
    home.on(10)
    home.works()
    assert {run[3] for run in runs()} == {"account_closed", "card_removed"}
    assert {the_rule(first).pause_reason, the_rule(second).pause_reason} == {"account_closed", "card_removed"}


def test_a_suspended_account_is_passed_over_this_month(home: Home):
    home.rule(day_of_month=10)
    with transaction() as db:
        account = db.get_one(BillingAccount, home.account_id)
        account.status = AccountStatus.SUSPENDED
        db.add(account)
    home.on(10)
    home.works()
    assert runs() == [("2026-03", 1, AutopayResult.SKIPPED, "account_suspended", 0)]
    assert charged() == 0


# --- once, whatever happens -----------------------------------------------------------------------------
def test_a_batch_begun_again_finds_what_it_took_and_takes_nothing_more(home: Home):
    home.rule(day_of_month=10)
    home.on(10)
    plan(home.now)
    assert claim("b1", home.now) == 1
    home.rule(day_of_month=10, account_id=home.other_id)
    plan(home.now)
    assert claim("b1", home.now) == 1, "the same one"
    assert len(runs()) == 1
    assert charge("b1") == 1
    assert charge("b1") == 0
    assert charged() == 50_000


def test_a_server_that_was_down_on_the_day_pays_when_it_is_back_for_that_day(home: Home):
    home.rule(day_of_month=10)
    home.on(5)
    plan(home.now)
    home.on(13)
    home.works()
    with reading() as db:
        run = db.exec(select(AutopayRun)).one()
    assert (run.due_on, run.ran_at.date(), run.result) == (date(2026, 3, 10), date(2026, 3, 13), AutopayResult.SUCCEEDED)


def test_many_at_once_settle_as_one_does(home: Home, monkeypatch: pytest.MonkeyPatch):
    """The set-based way leaves the same rows as the ordinary one."""
    home.rule(day_of_month=10)
    home.rule(day_of_month=10, account_id=home.other_id)
    home.on(10)
    plan(home.now)
    claim("b1", home.now)
    with transaction() as db:
        first = db.exec(select(AutopayRun).order_by(col(AutopayRun.id))).first()
        assert first is not None
        first.batch = "b2"
        db.add(first)
    monkeypatch.setattr("actions.autopay_settling._settle_successes", lambda _db, _answers: set())
    charge("b2")
    monkeypatch.undo()
    home.is_now(home.now)
    charge("b1")
    with reading() as db:
        payments = db.exec(select(Payment).order_by(col(Payment.id))).all()
        rows = [
            [
                _plain(db.exec(sa.text(f"SELECT * FROM {table} WHERE {where}").bindparams(id=payment.id)).mappings().all())  # type: ignore[call-overload]
                for table, where in (
                    ("payment", "id = :id"),
                    ("transfer", "payment_id = :id"),
                    ("bonus_entry", "payment_id = :id"),
                    ("autopay_run", "payment_id = :id"),
                    ("message", "document = 'receipt/' || :id"),
                )
            ]
            for payment in payments
        ]
        rules = [_plain([r.model_dump()]) for r in db.exec(select(AutopayRule).order_by(col(AutopayRule.id)))]
        notices = [_plain([n.model_dump()]) for n in db.exec(select(Notice).order_by(col(Notice.id)))]
    assert len(rows) == len(rules) == len(notices) == 2
    assert rows[0] == rows[1]
    assert rules[0] == rules[1]
    assert notices[0] == notices[1]
    assert (balance(home.account_id), balance(home.other_id)) == (50_000, 50_000)
    assert agree()


_ITS_OWN = {
    "id",
    "key",
    "gateway_key",
    "gateway_ref",
    "billing_account_id",
    "payment_id",
    "credit_id",
    "lot_id",
    "rule_id",
    "batch",
    "document",
    "subject",
    "body",
    "facts",
}


def _plain(rows: Any) -> list[dict[str, Any]]:
    return [{name: str(value) for name, value in dict(row).items() if name not in _ITS_OWN} for row in rows]
