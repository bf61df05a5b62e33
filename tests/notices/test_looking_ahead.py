"""People are told beforehand, once, in the day of their own region; nobody is told of what will be paid by itself."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from actions.looking_ahead import look_ahead
from actions.notices import keep_choices
from db import transaction
from models import Attachment, OptionPrice, Subscription
from rules.terms import AccountStatus, AutopayState, AutopayTrigger, BillingMode, NoticeEvent, Recurrence, Right
from tests.money.world import LONG_AGO
from tests.notices.world import Readers, moscow, notices

LOW, DAYS = NoticeEvent.LOW_BALANCE, NoticeEvent.DAYS_LEFT
DECEMBER = date(2026, 12, 1)
DAY = timedelta(days=1)


def days_before(days: int, hour: int = 10) -> datetime:
    return moscow(DECEMBER - timedelta(days=days), hour)


def a_low_account(**more: Any) -> int:
    with transaction() as db:
        world = Readers(db)
        return world.prepaid(world.reader(), fee=55_000, balance=12_000, **more).id


def test_a_balance_that_will_not_do_is_told_with_what_is_missing_and_only_once(db: sa.Engine):
    account_id = a_low_account()
    assert look_ahead(days_before(15)) == 0
    assert look_ahead(days_before(14)) == 1
    assert look_ahead(days_before(14, 15)) == 0
    assert look_ahead(days_before(9)) == 0
    (told,) = notices()
    assert (told.event, told.billing_account_id) == (LOW, account_id)
    assert told.facts == {"balance_kopecks": 12_000, "charge_kopecks": 55_000, "charge_on": "2026-12-01", "days": 14}
    assert (told.in_cabinet, told.by_email, told.mailed_at) == (True, True, None)


def test_the_last_days_are_counted_down(db: sa.Engine):
    a_low_account()
    assert [look_ahead(days_before(days)) for days in (7, 6, 5, 4, 3, 2, 1)] == [1, 0, 0, 0, 1, 0, 1]
    assert [told.facts["days"] for told in notices(DAYS)] == [7, 3, 1]


def test_nobody_is_told_at_night(db: sa.Engine):
    with transaction() as db_:
        world = Readers(db_)
        world.prepaid(world.reader(), fee=55_000, balance=0)
        world.prepaid(world.reader(region="RU-KAM"), fee=55_000, balance=0)  # nine hours ahead of Moscow
    assert look_ahead(days_before(5, 8)) == 1, "it is five in the afternoon in Kamchatka"
    assert look_ahead(days_before(5, 9)) == 1
    assert look_ahead(days_before(3, 13)) == 1, "it is ten at night in Kamchatka"


def test_below_zero_is_told_in_the_middle_of_a_month_too(db: sa.Engine):
    with transaction() as session:
        world = Readers(session)
        world.prepaid(world.reader(), fee=10_000, balance=-500)
        world.prepaid(world.reader(), fee=10_000, balance=1)
    assert look_ahead(days_before(25)) == 1
    assert look_ahead(days_before(20)) == 0
    assert notices(LOW)[0].facts["balance_kopecks"] == -500


@pytest.mark.parametrize(
    ("rule", "alarm"),
    [
        ({"trigger": AutopayTrigger.THRESHOLD}, False),
        ({"day_of_month": 28, "due_at": moscow(date(2026, 11, 28), 9)}, False),
        ({"day_of_month": 10, "due_at": moscow(date(2026, 12, 10), 9)}, True),
        ({"trigger": AutopayTrigger.THRESHOLD, "state": AutopayState.PAUSED}, True),
    ],
)
def test_who_will_be_paid_by_autopay_in_time_is_not_alarmed(db: sa.Engine, rule: dict[str, Any], alarm: bool):
    with transaction() as session:
        world = Readers(session)
        person = world.reader()
        account = world.prepaid(person, fee=55_000, balance=0)
        world.rule(person, account, world.card(person), **rule)
    look_ahead(days_before(5))
    assert bool(notices(DAYS)) is alarm


@pytest.mark.parametrize("why_not", ["postpaid", "blocked", "covered", "looks only", "detached"])
def test_who_is_not_told(db: sa.Engine, why_not: str):
    with transaction() as session:
        world = Readers(session)
        person = world.reader()
        account = world.prepaid(
            person,
            fee=55_000,
            balance=55_000 if why_not == "covered" else 0,
            mode=BillingMode.POSTPAID if why_not == "postpaid" else BillingMode.PREPAID,
            right=Right.VIEW if why_not == "looks only" else Right.MANAGE,
        )
        if why_not == "blocked":
            account.status = AccountStatus.BLOCKED
        if why_not == "detached":
            own = session.exec(select(Attachment).where(col(Attachment.billing_account_id) == account.id)).one()
            own.detached_at = LONG_AGO
            session.add(own)
        session.add(account)
    assert look_ahead(days_before(5)) == 0


def test_everybody_who_may_pay_is_told_each_as_they_have_chosen(db: sa.Engine):
    with transaction() as session:
        world = Readers(session)
        holder, daughter, deaf = world.reader(), world.reader(confirmed=False), world.reader()
        account = world.prepaid(holder, fee=55_000, balance=0)
        for person in (daughter, deaf):
            world.attach(person, account, right=Right.PAY)
        keep_choices(session, holder.id, {DAYS: (True, False)})
        keep_choices(session, deaf.id, {DAYS: (False, False)})
        ids = holder.id, daughter.id
    assert look_ahead(days_before(5)) == 2
    assert [(told.customer_id, told.by_email) for told in notices()] == [(ids[0], False), (ids[1], False)]


def test_candidates_are_gone_through_to_the_last(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("actions.looking_ahead.BATCH", 2)
    with transaction() as session:
        world = Readers(session)
        for _ in range(5):
            world.prepaid(world.reader(), fee=55_000, balance=0)
    assert look_ahead(days_before(5)) == 5


def test_what_options_cost_counts_and_what_is_charged_once_does_not(db: sa.Engine):
    with transaction() as session:
        world = Readers(session)
        account = world.prepaid(world.reader(), fee=50_000, balance=52_000)
        for recurrence, price in ((Recurrence.MONTHLY, 1_000), (Recurrence.ONCE, 90_000)):
            option = world.slow_option()
            option.recurrence = recurrence
            session.add(option)
            world.save(OptionPrice(option_id=option.id, valid_from_on=date(2024, 1, 1), price_kopecks=price * 9))
            world.save(OptionPrice(option_id=option.id, valid_from_on=date(2026, 1, 1), price_kopecks=price))
            world.save(OptionPrice(option_id=option.id, valid_from_on=date(2027, 1, 1), price_kopecks=price * 9))
            world.save(Subscription(billing_account_id=account.id, option_id=option.id, started_on=LONG_AGO.date()))
    assert look_ahead(days_before(5)) == 0
    with transaction() as session:
        session.execute(sa.update(OptionPrice).where(col(OptionPrice.price_kopecks) == 1_000).values(price_kopecks=2_001))
    assert look_ahead(days_before(5)) == 1
    assert notices()[0].facts["charge_kopecks"] == 52_001


# --- autopay and cards --------------------------------------------------------------------------------
def a_rule(**more: Any) -> int:
    with transaction() as db:
        world = Readers(db)
        person = world.reader()
        account = world.account(person, mode=BillingMode.POSTPAID)
        expires_on = more.pop("expires_on", date(2099, 1, 31))
        return world.rule(person, account, world.card(person, expires_on=expires_on), **more).id


def test_autopay_by_the_calendar_is_announced_the_day_before(db: sa.Engine):
    due_at = moscow(date(2026, 11, 10), 9)
    rule_id = a_rule(day_of_month=10, due_at=due_at)
    assert [look_ahead(due_at - 2 * DAY), look_ahead(due_at - DAY), look_ahead(due_at - DAY / 2)] == [0, 1, 0]
    (told,) = notices()
    assert told.event is NoticeEvent.AUTOPAY_AHEAD
    assert told.key == f"ahead:{rule_id}:2026-11-10"
    facts = {"on": "2026-11-10", "amount_kind": "fixed", "amount_kopecks": 50_000, "card_brand": "mir", "last_four": "4417"}
    assert told.facts == facts
    assert (told.in_cabinet, told.by_email) == (True, False)


@pytest.mark.parametrize("change", [{"state": AutopayState.PAUSED}, {"due_attempt": 2}, {"due_at": None}])
def test_a_rule_that_stands_still_or_tries_again_is_not_announced(db: sa.Engine, change: dict[str, Any]):
    due_at = moscow(date(2026, 11, 10), 9)
    a_rule(**({"day_of_month": 10, "due_at": due_at} | change))
    assert look_ahead(due_at - DAY) == 0


def test_a_threshold_rule_has_no_day_to_announce(db: sa.Engine):
    due_at = moscow(date(2026, 11, 10), 9)
    a_rule(trigger=AutopayTrigger.THRESHOLD, due_at=due_at)
    assert look_ahead(due_at - DAY) == 0


def test_a_card_that_autopay_charges_is_told_of_thirty_and_seven_days_before_its_end(db: sa.Engine):
    end = date(2026, 11, 30)
    a_rule(day_of_month=3, expires_on=end)
    days = [days for days in range(32, -2, -1) if look_ahead(moscow(end - timedelta(days=days)))]
    assert days == [30, 7]
    assert {told.event for told in notices()} == {NoticeEvent.CARD_EXPIRES}
    assert notices()[0].facts == {"card_brand": "mir", "last_four": "4417", "expires_on": "2026-11-30"}


@pytest.mark.parametrize("what", ["rule paused", "card removed"])
def test_a_card_that_pays_nothing_by_itself_is_nobodys_worry(db: sa.Engine, what: str):
    with transaction() as session:
        world = Readers(session)
        person = world.reader()
        card = world.card(person, expires_on=date(2026, 11, 30))
        state = AutopayState.PAUSED if what == "rule paused" else AutopayState.ACTIVE
        world.rule(person, world.account(person, mode=BillingMode.POSTPAID), card, state=state)
        card.removed_at = LONG_AGO if what == "card removed" else None
        session.add(card)
    assert look_ahead(moscow(date(2026, 11, 25))) == 0
