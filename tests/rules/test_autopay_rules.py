"""Autopay: which rules may stand, what each pays and when."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.autopay import (
    AmountToPay,
    AutopayTerms,
    RuleDraft,
    amount_to_pay,
    check_draft,
    conflicts,
    is_period_of,
    next_retry_on,
    next_run_on,
    period_key,
)
from rules.periods import days_in_month
from rules.refusals import (
    AmountKindMismatch,
    AmountOutOfRange,
    CeilingTooLow,
    DayOutOfRange,
    Refusal,
    ThresholdOutOfRange,
    UpToNotAboveThreshold,
)
from rules.terms import AutopayAmount, AutopayTrigger

TERMS = AutopayTerms()
THRESHOLD, MONTHLY, BILL = AutopayTrigger.THRESHOLD, AutopayTrigger.MONTHLY, AutopayTrigger.BILL
FIXED, UP_TO, DUE = AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE
BY_THRESHOLD = RuleDraft(THRESHOLD, FIXED, threshold_kopecks=10_000, amount_kopecks=50_000)
UP_TO_RULE = RuleDraft(THRESHOLD, UP_TO, threshold_kopecks=10_000, amount_kopecks=50_000)
BY_DAY = RuleDraft(MONTHLY, FIXED, day_of_month=31, amount_kopecks=50_000)
BY_BILL = RuleDraft(BILL, DUE)
DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize(
    "draft",
    [
        BY_THRESHOLD,
        UP_TO_RULE,
        BY_DAY,
        BY_BILL,
        RuleDraft(MONTHLY, DUE, day_of_month=1),
        RuleDraft(BILL, UP_TO, amount_kopecks=5_000),
        replace(BY_THRESHOLD, threshold_kopecks=3_000),
        replace(BY_THRESHOLD, threshold_kopecks=1_000_000),
        replace(BY_THRESHOLD, amount_kopecks=1_000_000),
        replace(BY_THRESHOLD, monthly_ceiling_kopecks=50_000),
        replace(UP_TO_RULE, amount_kopecks=10_001),
        replace(UP_TO_RULE, monthly_ceiling_kopecks=40_000),
        replace(BY_BILL, monthly_ceiling_kopecks=5_000),
    ],
)
def test_a_rule_within_bounds_may_stand(draft: RuleDraft) -> None:
    check_draft(draft=draft, terms=TERMS)


@pytest.mark.parametrize(
    ("draft", "refusal", "facts"),
    [
        (
            replace(BY_THRESHOLD, threshold_kopecks=2_999),
            ThresholdOutOfRange,
            {"least_kopecks": 3_000, "most_kopecks": 1_000_000},
        ),
        (replace(BY_THRESHOLD, threshold_kopecks=1_000_001), ThresholdOutOfRange, None),
        (replace(BY_THRESHOLD, threshold_kopecks=None), ThresholdOutOfRange, None),
        (replace(BY_THRESHOLD, amount_kopecks=4_999), AmountOutOfRange, {"least_kopecks": 5_000, "most_kopecks": 1_000_000}),
        (replace(BY_DAY, amount_kopecks=1_000_001), AmountOutOfRange, None),
        (replace(BY_DAY, amount_kopecks=None), AmountOutOfRange, None),
        (replace(BY_DAY, day_of_month=0), DayOutOfRange, {}),
        (replace(BY_DAY, day_of_month=32), DayOutOfRange, {}),
        (replace(BY_DAY, day_of_month=None), DayOutOfRange, {}),
        (replace(BY_THRESHOLD, monthly_ceiling_kopecks=49_999), CeilingTooLow, {"amount_kopecks": 50_000}),
        (replace(UP_TO_RULE, monthly_ceiling_kopecks=39_999), CeilingTooLow, {"amount_kopecks": 40_000}),
        (replace(BY_BILL, monthly_ceiling_kopecks=4_999), CeilingTooLow, {"amount_kopecks": 5_000}),
        (replace(BY_BILL, monthly_ceiling_kopecks=0), CeilingTooLow, {"amount_kopecks": 5_000}),
        (replace(UP_TO_RULE, amount_kopecks=10_000), UpToNotAboveThreshold, {}),
        (RuleDraft(THRESHOLD, DUE, threshold_kopecks=10_000), AmountKindMismatch, {}),
    ],
)
def test_a_rule_out_of_bounds_is_refused_with_the_bounds(
    draft: RuleDraft, refusal: type[Refusal], facts: dict[str, int] | None
) -> None:
    with pytest.raises(Refusal) as refused:
        check_draft(draft=draft, terms=TERMS)
    assert type(refused.value) is refusal
    assert facts is None or refused.value.facts == facts


@pytest.mark.parametrize(
    ("trigger", "existing", "other"),
    [
        (THRESHOLD, [], None),
        (THRESHOLD, [MONTHLY], None),
        (THRESHOLD, [MONTHLY, THRESHOLD], THRESHOLD),
        (MONTHLY, [BILL], BILL),
        (BILL, [THRESHOLD, MONTHLY], MONTHLY),
        (BILL, [THRESHOLD], None),
    ],
)
def test_an_account_has_one_threshold_rule_and_one_calendar_rule(
    trigger: AutopayTrigger, existing: list[AutopayTrigger], other: AutopayTrigger | None
) -> None:
    assert conflicts(trigger=trigger, existing=existing) is other


@pytest.mark.parametrize("one", list(AutopayTrigger))
@pytest.mark.parametrize("other", list(AutopayTrigger))
def test_a_conflict_does_not_depend_on_who_came_first(one: AutopayTrigger, other: AutopayTrigger) -> None:
    assert (conflicts(trigger=one, existing=[other]) is None) == (conflicts(trigger=other, existing=[one]) is None)


def _pay(draft: RuleDraft, *, balance: int = 0, due: int = 0, paid: int = 0) -> AmountToPay:
    return amount_to_pay(draft=draft, balance_kopecks=balance, due_kopecks=due, paid_this_month_kopecks=paid, terms=TERMS)


@pytest.mark.parametrize(
    ("draft", "balance", "due", "paid", "amount", "reason"),
    [
        (BY_THRESHOLD, 9_999, 0, 0, 50_000, "pay"),
        (BY_THRESHOLD, 10_000, 0, 0, 0, "above_threshold"),
        (UP_TO_RULE, 2_000, 0, 0, 48_000, "pay"),
        (UP_TO_RULE, -7_000, 0, 0, 57_000, "pay"),
        (replace(UP_TO_RULE, amount_kopecks=12_000), 9_000, 0, 0, 0, "under_minimum"),
        (BY_DAY, 900_000, 0, 0, 50_000, "pay"),
        (RuleDraft(BILL, UP_TO, amount_kopecks=50_000), 50_000, 0, 0, 0, "nothing_due"),
        (BY_BILL, -65_000, 65_000, 0, 65_000, "pay"),
        (BY_BILL, 100, 0, 0, 0, "nothing_due"),
        (BY_BILL, -4_999, 4_999, 0, 0, "under_minimum"),
        (BY_BILL, -5_000, 5_000, 0, 5_000, "pay"),
        (BY_BILL, -1_200_000, 1_200_000, 0, 1_000_000, "pay"),
        (BY_DAY, 0, 0, 2_980_000, 20_000, "pay"),
        (BY_DAY, 0, 0, 2_995_001, 0, "ceiling_reached"),
        (BY_DAY, 0, 0, 3_100_000, 0, "ceiling_reached"),
        (replace(BY_DAY, monthly_ceiling_kopecks=70_000), 0, 0, 50_000, 20_000, "pay"),
        (replace(BY_DAY, monthly_ceiling_kopecks=70_000), 0, 0, 70_000, 0, "ceiling_reached"),
    ],
)
def test_what_a_rule_pays_and_why(draft: RuleDraft, balance: int, due: int, paid: int, amount: int, reason: str) -> None:
    assert _pay(draft, balance=balance, due=due, paid=paid) == AmountToPay(amount, reason)


@st.composite
def drafts(draw: st.DrawFn) -> RuleDraft:
    """Rules that may stand."""
    trigger = draw(st.sampled_from(AutopayTrigger))
    kind = draw(st.sampled_from([FIXED, UP_TO] if trigger is THRESHOLD else list(AutopayAmount)))
    threshold = draw(st.integers(3_000, 200_000)) if trigger is THRESHOLD else None
    lowest = (threshold or 0) + 1 if kind is UP_TO else 0
    amount = None if kind is DUE else draw(st.integers(max(5_000, lowest), 1_000_000))
    ceiling = draw(st.none() | st.integers(1_000_000, 3_000_000))
    day = draw(st.integers(1, 31)) if trigger is MONTHLY else None
    draft = RuleDraft(trigger, kind, threshold, day, amount, ceiling)
    check_draft(draft=draft, terms=TERMS)
    return draft


@settings(max_examples=150)
@given(draft=drafts(), balance=st.integers(-2_000_000, 2_000_000), due=st.integers(0, 2_000_000), paid=st.integers(0, 3_500_000))
def test_a_payment_is_within_bounds_and_never_over_the_ceiling(draft: RuleDraft, balance: int, due: int, paid: int) -> None:
    pay = _pay(draft, balance=balance, due=due, paid=paid)
    assert (pay.amount_kopecks > 0) == (pay.reason == "pay")
    if pay.reason == "pay":
        assert TERMS.amount_least_kopecks <= pay.amount_kopecks <= TERMS.amount_most_kopecks
        assert paid + pay.amount_kopecks <= (draft.monthly_ceiling_kopecks or TERMS.default_ceiling_kopecks)
        if draft.amount_kind is DUE:
            assert pay.amount_kopecks <= due
        if draft.amount_kind is UP_TO:
            assert balance + pay.amount_kopecks <= (draft.amount_kopecks or 0)


@pytest.mark.parametrize(
    ("trigger", "day", "today", "runs"),
    [
        (THRESHOLD, None, date(2025, 2, 10), None),
        (MONTHLY, 31, date(2025, 2, 10), date(2025, 2, 28)),
        (MONTHLY, 31, date(2025, 2, 28), date(2025, 2, 28)),
        (MONTHLY, 30, date(2025, 3, 31), date(2025, 4, 30)),
        (MONTHLY, 10, date(2025, 12, 11), date(2026, 1, 10)),
        (BILL, 20, date(2025, 2, 6), date(2025, 3, 5)),
        (BILL, None, date(2025, 2, 5), date(2025, 2, 5)),
    ],
)
def test_the_next_run_counts_today_and_clamps_to_short_months(
    trigger: AutopayTrigger, day: int | None, today: date, runs: date | None
) -> None:
    assert next_run_on(trigger=trigger, day_of_month=day, billing_day=5, today=today) == runs


def test_a_monthly_rule_without_a_day_is_an_error() -> None:
    with pytest.raises(ValueError):
        next_run_on(trigger=MONTHLY, day_of_month=None, billing_day=1, today=date(2025, 2, 1))


@settings(max_examples=100)
@given(day=st.integers(1, 31), today=DAYS)
def test_a_monthly_rule_runs_once_in_every_month(day: int, today: date) -> None:
    first = next_run_on(trigger=MONTHLY, day_of_month=day, billing_day=1, today=today)
    assert first is not None
    assert today <= first
    assert first.day == min(day, days_in_month(first))
    second = next_run_on(trigger=MONTHLY, day_of_month=day, billing_day=1, today=first + timedelta(days=1))
    assert second is not None
    assert (second.year * 12 + second.month) - (first.year * 12 + first.month) == 1
    assert period_key(trigger=MONTHLY, on=first) != period_key(trigger=MONTHLY, on=second)


def test_a_calendar_rule_pays_once_a_month_and_a_threshold_rule_once_a_day() -> None:
    on = date(2025, 3, 4)
    assert period_key(trigger=MONTHLY, on=on) == period_key(trigger=BILL, on=date(2025, 3, 31)) == "2025-03"
    assert period_key(trigger=THRESHOLD, on=on) == "2025-03-04"


@pytest.mark.parametrize(("attempt", "days"), [(1, 1), (2, 3), (3, 5), (4, None), (9, None)])
def test_a_decline_is_retried_after_one_three_and_five_days_and_then_no_more(attempt: int, days: int | None) -> None:
    failed = date(2025, 2, 27)
    expected = None if days is None else failed + timedelta(days=days)
    assert next_retry_on(failed_on=failed, attempt=attempt, terms=TERMS) == expected


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError):
        next_retry_on(failed_on=date(2025, 1, 1), attempt=0, terms=TERMS)


@pytest.mark.parametrize("trigger", AutopayTrigger)
@pytest.mark.parametrize("other", AutopayTrigger)
def test_a_period_belongs_to_the_kind_of_rule_that_ran_for_it(trigger: AutopayTrigger, other: AutopayTrigger) -> None:
    period = period_key(trigger=other, on=date(2025, 3, 14))
    both_by_calendar = AutopayTrigger.THRESHOLD not in (trigger, other)
    assert is_period_of(trigger=trigger, period=period) is (trigger is other or both_by_calendar)
