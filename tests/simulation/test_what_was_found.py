"""What simulated years have found, each in a few lines."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import select

from actions import autopaying
from actions.billing import bill_due
from db import reading, transaction
from integrations.test_bank import Behaviour
from models import AutopayRule, AutopayRun, BillingAccount, Payment
from rules.terms import AutopayAmount, AutopayResult, AutopayTrigger
from tests.money.autopay_home import Closed, Home, LosesAnswers, runs, the_rule, told


@pytest.fixture
def home(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(monkeypatch)


def tried_on() -> list[tuple[int, str]]:
    with reading() as db:
        return [(run.attempt, f"{run.ran_at:%m-%d}") for run in db.exec(select(AutopayRun).order_by(AutopayRun.id))]


def test_the_days_of_the_retries_count_from_when_the_first_decline_became_known(home: Home, monkeypatch: pytest.MonkeyPatch):
    """After days without the bank all tries were overdue at once, and the rule was paused within minutes."""
    bank = LosesAnswers()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bank)
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.live(days=5)
    bank.broken = False
    home.live(days=10)
    assert tried_on() == [(1, "03-10"), (2, "03-16"), (3, "03-18"), (4, "03-20")]
    assert [day for _, day in told()] == ["2026-03-16", "2026-03-18", "2026-03-20", None]
    assert the_rule(rule_id).pause_reason == "declined"


def test_a_try_that_nobody_was_there_for_is_not_followed_by_the_next_within_minutes(home: Home):
    home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, day_of_month=10)
    home.on(10)
    home.works()
    home.on(15)
    home.live(days=3)
    assert tried_on() == [(1, "03-10"), (2, "03-15"), (3, "03-16"), (4, "03-17")]


def test_a_month_is_not_lost_by_tries_that_end_in_it(home: Home, monkeypatch: pytest.MonkeyPatch):
    """What a late try pays is still for the day that was planned, and the next day is the one after that."""
    bank = Closed()
    monkeypatch.setattr("actions.payments.gateway_called", lambda _name: bank)
    home.rule(day_of_month=30)
    home.on(30)
    home.live(days=4)
    bank.away = False
    home.live(days=30)
    assert [run[:3] for run in runs()] == [
        ("2026-03", -1, AutopayResult.SKIPPED),
        ("2026-03", 1, AutopayResult.SUCCEEDED),
        ("2026-04", 1, AutopayResult.SUCCEEDED),
    ]


def test_in_the_east_a_rule_by_bill_waits_for_the_bill(home: Home):
    """Nine in the morning in Kamchatka is midnight in Moscow, three hours before there are bills."""
    with transaction() as db:
        account = db.get_one(BillingAccount, home.account_id)
        account.region_code, account.billed_on = "RU-KAM", home.now.date().replace(day=1)
    rule_id = home.rule(trigger=AutopayTrigger.BILL)
    with transaction() as db:
        rule = db.get_one(AutopayRule, rule_id)
        rule.amount_kind, rule.amount_kopecks = AutopayAmount.DUE, None
    home.moves(-73_400)
    home.is_now(datetime(2026, 3, 31, 21, 1, tzinfo=UTC))
    home.works()
    assert runs() == [], "it is the 1st there, and there is no bill yet"
    home.is_now(datetime(2026, 4, 1, 0, 6, tzinfo=UTC))
    home.works()
    assert runs() == [], "billing is late"
    assert bill_due(home.now) == 2
    home.is_now(home.now + autopaying.LATER + timedelta(seconds=1))
    home.works()
    assert runs() == [("2026-04", 1, AutopayResult.SUCCEEDED, "", 73_400)]
    with reading() as db:
        assert db.exec(select(Payment.amount_kopecks)).one() == 73_400


def test_a_low_balance_is_not_charged_twice_on_the_day_of_a_retry(home: Home):
    """The retry is yesterday's payment; today's would have followed it at once."""
    home.moves(-200_000)
    rule_id = home.rule(behaviour=Behaviour.INSUFFICIENT_FUNDS, trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=30_000)
    home.on(6)
    home.works()
    with transaction() as db:
        db.get_one(AutopayRule, rule_id).card_id = home.card_id
    home.on(7)
    home.live(days=1)
    assert tried_on() == [(1, "03-06"), (2, "03-07"), (1, "03-08")]
