"""Autopay rehearsed: the walk through the months ahead, by the rules that hold when they come."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.autopay import AutopayTerms, RuleDraft, check_draft, period_key
from rules.billing import BillingTerms, Connected
from rules.periods import next_month
from rules.rehearsal import DAYS, AccountAhead, ForecastEvent, StandingRule, forecast, other_kind, rehearse
from rules.terms import AccountStatus, AutopayAmount, AutopayTrigger, BillingMode

TERMS = AutopayTerms()
THRESHOLD, MONTHLY, BILL = AutopayTrigger.THRESHOLD, AutopayTrigger.MONTHLY, AutopayTrigger.BILL
FIXED, UP_TO, DUE = AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE
BY_THRESHOLD = RuleDraft(THRESHOLD, FIXED, threshold_kopecks=10_000, amount_kopecks=50_000)
BY_DAY = RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000)
BY_BILL = RuleDraft(BILL, DUE)
TODAY = date(2025, 1, 30)
START = date(2024, 1, 1)
BILLING = BillingTerms()


def product(kopecks: int, *, since: date = START, until: date | None = None, number: int = 1, **more: Any) -> Connected:
    prices = more.pop("prices", ((START, kopecks),))
    kind = "plan" if number == 1 else "option"
    return Connected(
        kind=kind, product_id=number, product_code=f"p{number}", prices=prices, started_on=since, ends_on=until, **more
    )


PLAN = product(60_000)


def account(
    balance: int = 0,
    *connected: Connected,
    mode: BillingMode = BillingMode.PREPAID,
    today: date = TODAY,
    **more: Any,
) -> AccountAhead:
    more.setdefault("due_kopecks", 0)
    more.setdefault("next_billing_on", next_month(today))
    return AccountAhead(balance_kopecks=balance, mode=mode, connected=connected, **more)


def walk(*rules: RuleDraft | StandingRule, of: AccountAhead, today: date = TODAY, days: int = DAYS) -> list[ForecastEvent]:
    return forecast(
        rules=[rule if isinstance(rule, StandingRule) else StandingRule(rule) for rule in rules],
        account=of,
        today=today,
        days=days,
        terms=TERMS,
        billing=BILLING,
    )


def charged(of: AccountAhead, days: int = DAYS) -> list[tuple[date, int]]:
    return [(event.on, event.amount_kopecks) for event in walk(of=of, days=days) if event.kind == "charge"]


def paid(events: list[ForecastEvent]) -> list[tuple[date, int]]:
    return [(event.on, event.amount_kopecks) for event in events if event.kind == "autopay"]


# --- what is charged ----------------------------------------------------------------------------------------
def test_prepaid_pays_the_month_that_begins_and_postpaid_gets_the_bill_of_the_one_that_ended():
    joined = product(62_000, since=date(2025, 1, 17))
    assert charged(account(200_000, joined), 40) == [(date(2025, 2, 1), 62_000), (date(2025, 3, 1), 62_000)]
    assert charged(account(200_000, joined, mode=BillingMode.POSTPAID), 40) == [
        (date(2025, 2, 1), 30_000),
        (date(2025, 3, 1), 62_000),
    ]


def test_what_ends_is_charged_no_longer_and_a_price_that_was_announced_holds_from_its_month():
    plan = product(0, prices=((START, 60_000), (date(2025, 3, 1), 70_000)))
    option = product(9_900, number=2, until=date(2025, 2, 1))
    assert [sum_ for _, sum_ in charged(account(300_000, plan, option), 61)] == [60_000, 70_000, 70_000]
    behind = account(300_000, plan, option, mode=BillingMode.POSTPAID)
    assert [sum_ for _, sum_ in charged(behind, 61)] == [69_900, 60_000, 70_000]


def test_what_was_connected_once_is_on_the_bill_of_its_month_only_and_prepaid_paid_it_at_once():
    once = product(25_000, number=3, since=date(2025, 1, 12), until=date(2025, 2, 1), once=True)
    assert charged(account(0, once, mode=BillingMode.POSTPAID)) == [(date(2025, 2, 1), 25_000)]
    assert charged(account(0, once)) == []


def test_a_billing_day_that_was_missed_is_made_up_for_today():
    late = account(200_000, PLAN, next_billing_on=date(2025, 1, 1))
    assert charged(late, 3) == [(TODAY, 60_000), (date(2025, 2, 1), 60_000)]


def test_who_owes_beyond_the_grace_is_blocked_and_charged_no_more():
    for mode in BillingMode:  # what is charged on the 1st was due then; the bill of that day, on the 20th
        events = walk(of=account(0, PLAN, mode=mode), days=180)
        prepaid = mode is BillingMode.PREPAID
        assert [(event.on, event.kind, event.balance_after_kopecks) for event in events] == [
            (date(2025, 2, 1), "charge", -60_000),
            (date(2025, 3, 1), "charge", -120_000),
            *([] if prepaid else [(date(2025, 4, 1), "charge", -180_000)]),
            (date(2025, 4, 1), "blocked", -120_000 if prepaid else -180_000),
        ]


def test_who_is_blocked_and_pays_works_again_and_is_charged_the_rest_of_the_month():
    blocked = account(-30_000, PLAN, status=AccountStatus.BLOCKED, status_since_on=date(2025, 1, 1), due_kopecks=30_000)
    events = walk(RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000), of=blocked, days=3)
    assert [(event.on, event.kind, event.amount_kopecks) for event in events] == [
        (date(2025, 1, 31), "autopay", 50_000),
        (date(2025, 1, 31), "resumed", 0),
        (date(2025, 1, 31), "charge", 60_000 // 31),
        (date(2025, 2, 1), "charge", 60_000),
    ]
    assert walk(of=blocked, days=3) == []
    charged_already = replace(blocked, charged_for=frozenset({("plan", 1)}))
    events = walk(RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000), of=charged_already, days=1)
    assert [event.kind for event in events] == ["autopay", "resumed"], "nobody pays twice for the same days"


# --- what autopay makes of it -------------------------------------------------------------------------------
def test_a_threshold_rule_pays_on_the_day_the_charge_takes_the_balance_under_it():
    assert walk(BY_THRESHOLD, of=account(100_000, PLAN), days=60) == [
        ForecastEvent(date(2025, 2, 1), "charge", 60_000, 40_000),
        ForecastEvent(date(2025, 3, 1), "charge", 60_000, -20_000),
        ForecastEvent(date(2025, 3, 1), "autopay", 50_000, 30_000, 0),
    ]


def test_a_balance_that_is_low_already_is_paid_today_and_again_each_day_until_it_is_enough():
    assert paid(walk(BY_THRESHOLD, of=account(-70_000), days=9)) == [(TODAY, 50_000), (TODAY + timedelta(days=1), 50_000)]


def test_a_rule_for_the_31st_pays_on_the_last_day_of_each_month():
    days = [on for on, _ in paid(walk(BY_DAY, of=account(0, PLAN)))]
    assert days == [date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30)]


def test_the_bill_is_paid_on_billing_day_after_the_charge():
    events = walk(BY_BILL, of=account(10_000, PLAN, mode=BillingMode.POSTPAID), days=20)
    assert events == [
        ForecastEvent(date(2025, 2, 1), "charge", 60_000, -50_000),
        ForecastEvent(date(2025, 2, 1), "autopay", 50_000, 0, 0),
    ]


def test_up_to_ends_at_the_level_and_pays_nothing_when_it_is_there():
    draft = RuleDraft(MONTHLY, UP_TO, day_of_month=31, amount_kopecks=60_000)
    events = walk(draft, of=account(20_000, PLAN), days=32)
    assert [(event.kind, event.amount_kopecks, event.balance_after_kopecks) for event in events] == [
        ("autopay", 40_000, 60_000),
        ("charge", 60_000, 0),
        ("autopay", 60_000, 60_000),
        ("charge", 60_000, 0),
    ]
    (skipped,) = walk(draft, of=account(60_000), days=2)
    assert (skipped.kind, skipped.amount_kopecks, skipped.reason) == ("skipped", 0, "nothing_due")


def test_a_debt_of_today_is_paid_by_the_first_run_and_only_once():
    events = walk(RuleDraft(MONTHLY, DUE, day_of_month=31), of=account(-20_000, due_kopecks=20_000))
    assert paid(events) == [(date(2025, 1, 31), 20_000)]
    events = walk(RuleDraft(MONTHLY, DUE, day_of_month=5), of=account(10_000, PLAN), days=20)
    assert paid(events) == [(date(2025, 2, 5), 50_000)], "what the charge of the 1st left to pay"


def test_the_ceiling_holds_for_a_month_and_opens_with_the_next():
    draft = RuleDraft(THRESHOLD, FIXED, threshold_kopecks=100_000, amount_kopecks=20_000, monthly_ceiling_kopecks=30_000)
    events = walk(StandingRule(draft, paid_this_month_kopecks=10_000), of=account(), days=9)
    assert paid(events) == [(date(2025, 1, 30), 20_000), (date(2025, 2, 1), 20_000), (date(2025, 2, 2), 10_000)]
    assert [(event.on, event.reason) for event in events if event.kind == "skipped"] == [
        (date(2025, 1, 31), "ceiling_reached"),
        (date(2025, 2, 3), "ceiling_reached"),
    ], "once a month, not every day"


def test_two_rules_on_one_day_pay_one_after_the_other_the_threshold_as_soon_as_it_is_charged():
    calendar = RuleDraft(MONTHLY, UP_TO, day_of_month=1, amount_kopecks=70_000)
    events = walk(calendar, BY_THRESHOLD, of=account(60_000, PLAN), days=3)
    assert [(event.on, event.kind, event.rule, event.balance_after_kopecks) for event in events] == [
        (date(2025, 2, 1), "charge", None, 0),
        (date(2025, 2, 1), "autopay", 1, 50_000),
        (date(2025, 2, 1), "autopay", 0, 70_000),
    ]


def test_a_period_that_had_its_run_has_no_other():
    draft = RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000)
    days = [on for on, _ in paid(walk(StandingRule(draft, periods=frozenset({"2025-01"})), of=account(), days=30))]
    assert days == [date(2025, 2, 28)]


def test_a_declined_run_is_tried_again_on_its_day_and_the_calendar_goes_on_after_it():
    draft = RuleDraft(MONTHLY, FIXED, day_of_month=29, amount_kopecks=50_000)
    again = StandingRule(draft, periods=frozenset({"2025-01"}), planned_on=date(2025, 2, 1), retry_period="2025-01")
    assert [on for on, _ in paid(walk(again, of=account(), days=40))] == [date(2025, 2, 1), date(2025, 2, 28)]
    low = StandingRule(BY_THRESHOLD, periods=frozenset({"2025-01-29"}), planned_on=date(2025, 2, 1), retry_period="2025-01-29")
    assert paid(walk(low, of=account(), days=9)) == [(date(2025, 2, 1), 50_000)], "nothing is tried in between"


def test_a_run_that_was_missed_is_made_up_for_today():
    late = StandingRule(RuleDraft(MONTHLY, FIXED, day_of_month=28, amount_kopecks=50_000), planned_on=date(2025, 1, 28))
    assert [on for on, _ in paid(walk(late, of=account(), days=30))] == [TODAY, date(2025, 2, 28)]


def test_what_waits_for_the_bank_comes_first_and_once():
    waiting = StandingRule(BY_THRESHOLD, periods=frozenset({TODAY.isoformat()}), pending_kopecks=50_000)
    assert paid(walk(waiting, of=account(-10_000), days=9)) == [(TODAY, 50_000)]


def test_while_the_account_is_suspended_no_rule_pays():
    events = walk(BY_THRESHOLD, BY_DAY, of=account(status=AccountStatus.SUSPENDED, status_since_on=START), days=5)
    assert {(event.kind, event.reason) for event in events} == {("skipped", "account_suspended")}


def test_without_a_rule_there_are_only_charges():
    assert {event.kind for event in walk(of=account(180_000, PLAN))} == {"charge"}
    assert walk(of=account()) == []


def test_the_sum_of_it_says_how_often_how_much_how_low_and_since_when_below_zero():
    common = {"account": account(10_000, PLAN), "today": TODAY, "terms": TERMS, "billing": BILLING}
    none, one = rehearse(rules=(), **common), rehearse(rules=[StandingRule(BY_THRESHOLD)], **common)
    assert (none.payments, none.charged_kopecks, none.below_zero_from) == (0, 120_000, date(2025, 2, 1))
    assert (none.blocked_on, none.lowest_kopecks, none.lowest_on) == (date(2025, 4, 1), -110_000, date(2025, 3, 1))
    assert (one.payments, one.paid_kopecks, one.charged_kopecks, one.blocked_on) == (4, 200_000, 180_000, None)
    assert (one.below_zero_from, one.ends_with_kopecks) == (None, 30_000)
    owing = rehearse(rules=[StandingRule(BY_DAY)], **{**common, "account": account(-10_000)})
    assert (owing.below_zero_from, owing.below_zero_until) == (TODAY, date(2025, 1, 31))
    assert (none.below_zero_until, one.below_zero_until) == (None, None)
    assert one.lowest_kopecks == 0, "how days end counts: the charge took it to −500 ₽ on the 1st, the payment back to 0"


@pytest.mark.parametrize("mode", list(BillingMode))
@pytest.mark.parametrize("monthly", [0, 100, 65_000, 5_000_000])
def test_the_other_kind_may_stand_and_keeps_the_account_out_of_debt(mode: BillingMode, monthly: int):
    for draft in (BY_THRESHOLD, BY_DAY, BY_BILL):
        other = other_kind(draft=draft, mode=mode, monthly_kopecks=monthly, terms=TERMS)
        check_draft(draft=other, terms=TERMS)
        assert (other.trigger is THRESHOLD) != (draft.trigger is THRESHOLD)
    if monthly == 65_000:
        of = account(65_000, product(monthly), mode=mode)
        for draft in (BY_THRESHOLD, BY_DAY):
            other = other_kind(draft=draft, mode=mode, monthly_kopecks=monthly, terms=TERMS)
            ends = {event.on: event.balance_after_kopecks for event in walk(other, of=of)}
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
    of = account(balance, product(monthly), mode=mode, today=today, due_kopecks=max(0, -balance))
    standing = [StandingRule(draft, paid_this_month_kopecks=paid_kopecks) for draft in rules]
    events = forecast(rules=standing, account=of, today=today, days=days, terms=TERMS, billing=BILLING)
    held, by_month = balance, {(place, f"{today:%Y-%m}"): paid_kopecks for place in range(len(rules))}
    for event in events:
        assert today <= event.on <= today + timedelta(days=days)
        before, held = held, held + {"charge": -1, "autopay": 1}.get(event.kind, 0) * event.amount_kopecks
        assert event.balance_after_kopecks == held
        assert event.balance_before_kopecks == before
        assert (event.amount_kopecks > 0) == (event.kind in ("charge", "autopay"))
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
    charges = sum(event.amount_kopecks for event in events if event.kind == "charge")
    assert held == balance - charges + sum(sum_ for _, sum_ in paid(events))
    assert all(one.on <= other.on for one, other in pairwise(events))
    runs = [
        (event.rule, period_key(trigger=rules[event.rule].trigger, on=event.on)) for event in events if event.rule is not None
    ]
    assert len(runs) == len(set(runs)), "once per rule and period; so once a day by threshold"
