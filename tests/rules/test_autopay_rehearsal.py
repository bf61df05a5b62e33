"""Autopay rehearsed: the walk through the months ahead, by the rules that hold when they come."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.autopay import AutopayTerms, RuleDraft, check_draft, period_key
from rules.billing import PricedItem
from rules.rehearsal import (
    DAYS,
    ForecastEvent,
    OneOff,
    PlannedCharge,
    Rehearsal,
    StandingRule,
    charges_ahead,
    forecast,
    other_kind,
    rehearse,
)
from rules.terms import AutopayAmount, AutopayTrigger, BillingMode

TERMS = AutopayTerms()
THRESHOLD, MONTHLY, BILL = AutopayTrigger.THRESHOLD, AutopayTrigger.MONTHLY, AutopayTrigger.BILL
FIXED, UP_TO, DUE = AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE
BY_THRESHOLD = RuleDraft(THRESHOLD, FIXED, threshold_kopecks=10_000, amount_kopecks=50_000)
BY_DAY = RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000)
BY_BILL = RuleDraft(BILL, DUE)
TODAY = date(2025, 1, 30)
PLAN = PricedItem("home", "plan", 60_000, date(2024, 1, 1))


def walk(
    *rules: RuleDraft | StandingRule,
    balance: int = 0,
    due: int = 0,
    items: tuple[PricedItem, ...] = (PLAN,),
    mode: BillingMode = BillingMode.PREPAID,
    today: date = TODAY,
    days: int = DAYS,
    is_suspended: bool = False,
) -> list[ForecastEvent]:
    return forecast(
        rules=[rule if isinstance(rule, StandingRule) else StandingRule(rule) for rule in rules],
        balance_kopecks=balance,
        due_kopecks=due,
        charges=charges_ahead(mode=mode, items=items, today=today, days=days),
        today=today,
        days=days,
        terms=TERMS,
        is_suspended=is_suspended,
    )


def paid(events: list[ForecastEvent]) -> list[tuple[date, int]]:
    return [(event.on, event.amount_kopecks) for event in events if event.kind == "autopay"]


# --- what is charged ----------------------------------------------------------------------------------------
def test_prepaid_pays_the_month_that_begins_and_postpaid_gets_the_bill_of_the_one_that_ended():
    joined = PricedItem("home", "plan", 62_000, date(2025, 1, 17))
    ahead = charges_ahead(mode=BillingMode.PREPAID, items=[joined], today=TODAY, days=40)
    behind = charges_ahead(mode=BillingMode.POSTPAID, items=[joined], today=TODAY, days=40)
    assert [(each.on, each.month_on, each.amount_kopecks) for each in ahead] == [
        (date(2025, 2, 1), date(2025, 2, 1), 62_000),
        (date(2025, 3, 1), date(2025, 3, 1), 62_000),
    ]
    assert [(each.on, each.month_on, each.amount_kopecks) for each in behind] == [
        (date(2025, 2, 1), date(2025, 1, 1), 30_000),
        (date(2025, 3, 1), date(2025, 2, 1), 62_000),
    ]


def test_what_ends_is_charged_no_longer_and_a_price_that_was_announced_holds_from_its_month():
    items = [
        PricedItem("home", "plan", 60_000, date(2024, 1, 1), date(2025, 2, 28)),
        PricedItem("home", "plan", 70_000, date(2025, 3, 1)),
        PricedItem("antivirus", "option", 9_900, date(2024, 5, 1), date(2025, 1, 31)),
    ]
    sums = [each.amount_kopecks for each in charges_ahead(mode=BillingMode.PREPAID, items=items, today=TODAY, days=61)]
    assert sums == [60_000, 70_000, 70_000]
    sums = [each.amount_kopecks for each in charges_ahead(mode=BillingMode.POSTPAID, items=items, today=TODAY, days=61)]
    assert sums == [69_900, 60_000, 70_000]


def test_what_was_connected_once_is_on_the_bill_of_its_month_only_and_prepaid_paid_it_at_once():
    once = [OneOff(date(2025, 1, 12), 25_000)]
    behind = charges_ahead(mode=BillingMode.POSTPAID, items=[], once=once, today=TODAY)
    assert behind == [PlannedCharge(date(2025, 2, 1), date(2025, 1, 1), 25_000)]
    assert charges_ahead(mode=BillingMode.PREPAID, items=[], once=once, today=TODAY) == []


def test_a_billing_day_that_was_missed_is_made_up_for_today():
    charges = charges_ahead(mode=BillingMode.PREPAID, items=[PLAN], today=TODAY, days=3, billed_on=date(2024, 12, 1))
    assert [(each.on, each.month_on) for each in charges] == [
        (TODAY, date(2025, 1, 1)),
        (date(2025, 2, 1), date(2025, 2, 1)),
    ]


# --- what autopay makes of it -------------------------------------------------------------------------------
def test_a_threshold_rule_pays_on_the_day_the_charge_takes_the_balance_under_it():
    assert walk(BY_THRESHOLD, balance=100_000, days=60) == [
        ForecastEvent(date(2025, 2, 1), "charge", 60_000, 40_000),
        ForecastEvent(date(2025, 3, 1), "charge", 60_000, -20_000),
        ForecastEvent(date(2025, 3, 1), "autopay", 50_000, 30_000, 0),
    ]


def test_a_balance_that_is_low_already_is_paid_today_and_again_each_day_until_it_is_enough():
    assert paid(walk(BY_THRESHOLD, balance=-70_000, items=(), days=9)) == [(TODAY, 50_000), (TODAY + timedelta(days=1), 50_000)]


def test_a_rule_for_the_31st_pays_on_the_last_day_of_each_month():
    days = [on for on, _ in paid(walk(BY_DAY))]
    assert days == [date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30)]


def test_the_bill_is_paid_on_billing_day_after_the_charge():
    events = walk(BY_BILL, balance=10_000, mode=BillingMode.POSTPAID, days=20)
    assert events == [
        ForecastEvent(date(2025, 2, 1), "charge", 60_000, -50_000),
        ForecastEvent(date(2025, 2, 1), "autopay", 50_000, 0, 0),
    ]


def test_up_to_ends_at_the_level_and_pays_nothing_when_it_is_there():
    draft = RuleDraft(MONTHLY, UP_TO, day_of_month=31, amount_kopecks=60_000)
    events = walk(draft, balance=20_000, days=32)
    assert [(event.kind, event.amount_kopecks, event.balance_after_kopecks) for event in events] == [
        ("autopay", 40_000, 60_000),
        ("charge", 60_000, 0),
        ("autopay", 60_000, 60_000),
        ("charge", 60_000, 0),
    ]
    (skipped,) = walk(draft, balance=60_000, items=(), days=2)
    assert (skipped.kind, skipped.amount_kopecks, skipped.reason) == ("skipped", 0, "nothing_due")


def test_a_debt_of_today_is_paid_by_the_first_run_and_only_once():
    events = walk(RuleDraft(MONTHLY, DUE, day_of_month=31), balance=-20_000, due=20_000, items=())
    assert paid(events) == [(date(2025, 1, 31), 20_000)]


def test_the_ceiling_holds_for_a_month_and_opens_with_the_next():
    draft = RuleDraft(THRESHOLD, FIXED, threshold_kopecks=100_000, amount_kopecks=20_000, monthly_ceiling_kopecks=30_000)
    events = walk(StandingRule(draft, paid_this_month_kopecks=10_000), balance=0, items=(), days=4)
    assert paid(events) == [(date(2025, 1, 30), 20_000), (date(2025, 2, 1), 20_000), (date(2025, 2, 2), 10_000)]
    assert [(event.on, event.reason) for event in events if event.kind == "skipped"] == [
        (date(2025, 1, 31), "ceiling_reached"),
        (date(2025, 2, 3), "ceiling_reached"),
    ], "once a month, not every day"


def test_two_rules_on_one_day_pay_one_after_the_other_the_threshold_as_soon_as_it_is_charged():
    calendar = RuleDraft(MONTHLY, UP_TO, day_of_month=1, amount_kopecks=70_000)
    events = walk(calendar, BY_THRESHOLD, balance=60_000, days=3)
    assert [(event.on, event.kind, event.rule, event.balance_after_kopecks) for event in events] == [
        (date(2025, 2, 1), "charge", None, 0),
        (date(2025, 2, 1), "autopay", 1, 50_000),
        (date(2025, 2, 1), "autopay", 0, 70_000),
    ]


def test_a_period_that_had_its_run_has_no_other():
    draft = RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000)
    days = [on for on, _ in paid(walk(StandingRule(draft, periods=frozenset({"2025-01"})), days=30))]
    assert days == [date(2025, 2, 28)]


def test_a_declined_run_is_tried_again_on_its_day_and_the_calendar_goes_on_after_it():
    draft = RuleDraft(MONTHLY, FIXED, day_of_month=29, amount_kopecks=50_000)
    again = StandingRule(draft, periods=frozenset({"2025-01"}), planned_on=date(2025, 2, 1), retry_period="2025-01")
    assert [on for on, _ in paid(walk(again, days=40))] == [date(2025, 2, 1), date(2025, 2, 28)]
    low = StandingRule(BY_THRESHOLD, periods=frozenset({"2025-01-29"}), planned_on=date(2025, 2, 1), retry_period="2025-01-29")
    assert paid(walk(low, items=(), days=9)) == [(date(2025, 2, 1), 50_000)], "nothing is tried in between"


def test_a_run_that_was_missed_is_made_up_for_today():
    late = StandingRule(RuleDraft(MONTHLY, FIXED, day_of_month=28, amount_kopecks=50_000), planned_on=date(2025, 1, 28))
    assert [on for on, _ in paid(walk(late, items=(), days=30))] == [TODAY, date(2025, 2, 28)]


def test_what_waits_for_the_bank_comes_first_and_once():
    waiting = StandingRule(BY_THRESHOLD, periods=frozenset({TODAY.isoformat()}), pending_kopecks=50_000)
    assert paid(walk(waiting, balance=-10_000, items=(), days=9)) == [(TODAY, 50_000)]


def test_while_the_account_is_suspended_no_rule_pays():
    events = walk(BY_THRESHOLD, BY_DAY, items=(), is_suspended=True, days=5)
    assert {(event.kind, event.reason) for event in events} == {("skipped", "account_suspended")}


def test_without_a_rule_there_are_only_charges():
    assert {event.kind for event in walk()} == {"charge"}
    assert walk(items=()) == []


def test_the_sum_of_it_says_how_often_how_much_how_low_and_since_when_below_zero():
    charges = charges_ahead(mode=BillingMode.PREPAID, items=[PLAN], today=TODAY)
    common = {"balance_kopecks": 70_000, "due_kopecks": 0, "charges": charges, "today": TODAY, "terms": TERMS}
    none, one = rehearse(rules=(), **common), rehearse(rules=[StandingRule(BY_THRESHOLD)], **common)
    assert (none.payments, none.charged_kopecks, none.below_zero_from) == (0, 180_000, date(2025, 3, 1))
    assert (none.lowest_kopecks, none.lowest_on, none.ends_with_kopecks) == (-110_000, date(2025, 4, 1), -110_000)
    assert (one.payments, one.paid_kopecks, one.below_zero_from) == (3, 150_000, None)
    assert one.lowest_kopecks == 0, "how days end counts: the charge took it to −500 ₽ on the 1st of March, the payment back"
    assert isinstance(one, Rehearsal)


@pytest.mark.parametrize("mode", list(BillingMode))
@pytest.mark.parametrize("monthly", [0, 100, 65_000, 5_000_000])
def test_the_other_kind_may_stand_and_keeps_the_account_out_of_debt(mode: BillingMode, monthly: int):
    for draft in (BY_THRESHOLD, BY_DAY, BY_BILL):
        other = other_kind(draft=draft, mode=mode, monthly_kopecks=monthly, terms=TERMS)
        check_draft(draft=other, terms=TERMS)
        assert (other.trigger is THRESHOLD) != (draft.trigger is THRESHOLD)
    if monthly == 65_000:
        item = PricedItem("home", "plan", monthly, date(2024, 1, 1))
        for draft in (BY_THRESHOLD, BY_DAY):
            other = other_kind(draft=draft, mode=mode, monthly_kopecks=monthly, terms=TERMS)
            ends = {event.on: event.balance_after_kopecks for event in walk(other, balance=65_000, items=(item,), mode=mode)}
            assert min(ends.values()) >= 0


# --- what always holds --------------------------------------------------------------------------------------
@st.composite
def drafts(draw: st.DrawFn) -> RuleDraft:
    trigger = draw(st.sampled_from(list(AutopayTrigger)))
    kind = draw(st.sampled_from([FIXED, UP_TO] if trigger is THRESHOLD else [FIXED, UP_TO, DUE]))
    return RuleDraft(
        trigger=trigger,
        amount_kind=kind,
        threshold_kopecks=draw(st.integers(3_000, 400_000)) if trigger is THRESHOLD else None,
        day_of_month=draw(st.integers(1, 31)) if trigger is MONTHLY else None,
        amount_kopecks=None if kind is DUE else draw(st.integers(5_000, 600_000)),
        monthly_ceiling_kopecks=draw(st.none() | st.integers(5_000, 900_000)),
    )


@settings(max_examples=150, deadline=None)
@given(
    rules=st.lists(drafts(), max_size=2),
    balance=st.integers(-500_000, 500_000),
    monthly=st.integers(0, 300_000),
    today=st.dates(date(2024, 1, 1), date(2027, 12, 31)),
    days=st.integers(0, 100),
    mode=st.sampled_from(BillingMode),
    paid_kopecks=st.integers(0, 50_000),
)
def test_a_forecast_neither_makes_nor_loses_money_and_keeps_every_rules_word(
    rules: list[RuleDraft], balance: int, monthly: int, today: date, days: int, mode: BillingMode, paid_kopecks: int
):
    item = PricedItem("home", "plan", monthly, date(2023, 1, 1))
    standing = [StandingRule(draft, paid_this_month_kopecks=paid_kopecks) for draft in rules]
    charges = charges_ahead(mode=mode, items=[item], today=today, days=days)
    events = forecast(
        rules=standing,
        balance_kopecks=balance,
        due_kopecks=max(0, -balance),
        charges=charges,
        today=today,
        days=days,
        terms=TERMS,
    )
    held, by_month = balance, {(place, f"{today:%Y-%m}"): paid_kopecks for place in range(len(rules))}
    for event in events:
        assert today <= event.on <= today + timedelta(days=days)
        before, held = held, held + {"charge": -1, "autopay": 1, "skipped": 0}[event.kind] * event.amount_kopecks
        assert event.balance_after_kopecks == held
        assert event.balance_before_kopecks == before
        assert (event.amount_kopecks > 0) == (event.kind != "skipped")
        if event.kind == "autopay" and event.rule is not None:
            draft, month = rules[event.rule], (event.rule, f"{event.on:%Y-%m}")
            by_month[month] = by_month.get(month, 0) + event.amount_kopecks
            ceiling = draft.monthly_ceiling_kopecks or TERMS.default_ceiling_kopecks
            assert by_month[month] <= max(ceiling, paid_kopecks)
            if draft.trigger is THRESHOLD:
                assert before < (draft.threshold_kopecks or 0)
            if draft.amount_kind is UP_TO:
                assert held <= (draft.amount_kopecks or 0)
            if draft.amount_kind is DUE:
                assert held <= 0
    assert held == balance - sum(charge.amount_kopecks for charge in charges) + sum(sum_ for _, sum_ in paid(events))
    assert all(one.on <= other.on for one, other in pairwise(events))
    runs = [
        (event.rule, period_key(trigger=rules[event.rule].trigger, on=event.on)) for event in events if event.rule is not None
    ]
    assert len(runs) == len(set(runs)), "once per rule and period; so once a day by threshold"
