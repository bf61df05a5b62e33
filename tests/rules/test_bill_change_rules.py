"""Why a bill changed: every kopeck of the difference is told, and told as what happened."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.bill_changes import BillDifference, BilledLine, BilledMonth, Change, ChangeKind, Days, explain
from rules.periods import add_months, days_in_month, month_end, month_start
from rules.proration import prorate_range
from rules.terms import TransferCode

PLAN, OPTION, ONCE, FINE = TransferCode.PLAN_FEE, TransferCode.OPTION_FEE, TransferCode.ONE_OFF, TransferCode.LATE_FEE
OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)

MONTHS = st.dates(min_value=date(2023, 1, 1), max_value=date(2030, 12, 31)).map(month_start)
ROUBLES = st.integers(30, 3_000).map(lambda roubles: roubles * 100)


def line(
    product: str, kopecks: int, month_on: date, first: int = 1, last: int = 31, *, code: TransferCode = OPTION
) -> BilledLine:
    """What so many kopecks a month cost for the days `first` to `last`."""
    from_on, to_on = month_on.replace(day=first), month_on.replace(day=min(last, days_in_month(month_on)))
    part = prorate_range(monthly_kopecks=kopecks, from_on=from_on, to_on=to_on).amount_kopecks
    return BilledLine(code, product, from_on, to_on, part)


def plan(product: str, kopecks: int, month_on: date, first: int = 1, last: int = 31) -> BilledLine:
    return line(product, kopecks, month_on, first, last, code=PLAN)


def told(
    before: list[BilledLine], now: list[BilledLine], *, before_on: date = OCTOBER, now_on: date = NOVEMBER
) -> BillDifference:
    return explain(now=BilledMonth(now_on, tuple(now)), before=BilledMonth(before_on, tuple(before)))


def only(seen: BillDifference) -> Change:
    (change,) = seen.changes
    assert change.kopecks == seen.kopecks
    return change


@st.composite
def any_lines(draw: st.DrawFn, month_on: date) -> tuple[BilledLine, ...]:
    """Lines as no billing would write them: any days, any sums."""
    days = st.integers(-3, 34).map(lambda offset: month_on + timedelta(days=offset))
    return tuple(
        draw(
            st.lists(
                st.builds(
                    BilledLine, st.sampled_from([PLAN, OPTION, ONCE, FINE]), st.sampled_from("abc"), days, days,
                    st.integers(1, 10**7),
                ),
                max_size=7,
            )
        )
    )  # fmt: skip


@settings(max_examples=400)
@given(st.data(), MONTHS, st.integers(1, 14))
def test_the_parts_always_add_up_to_the_difference_to_the_kopeck(data: st.DataObject, month_on: date, months: int):
    before = BilledMonth(month_on, data.draw(any_lines(month_on)))
    later = add_months(month_on, months)
    now = BilledMonth(later, data.draw(any_lines(later)))
    seen = explain(now=now, before=before)
    assert sum(change.kopecks for change in seen.changes) == now.total_kopecks - before.total_kopecks == seen.kopecks
    sizes = [abs(change.kopecks) for change in seen.changes]
    assert sizes == sorted(sizes, reverse=True)
    assert all(
        (change.kind is ChangeKind.SAME) == (change.kopecks == 0) or change.kind is ChangeKind.PLAN for change in seen.changes
    )
    assert seen.skips_months is (months > 1)


@given(MONTHS, st.integers(1, 14), st.lists(ROUBLES, min_size=1, max_size=4))
def test_full_months_of_any_length_change_nothing(month_on: date, months: int, prices: list[int]):
    later = add_months(month_on, months)
    before, now = ([line(str(place), price, on) for place, price in enumerate(prices)] for on in (month_on, later))
    seen = told(before, now, before_on=month_on, now_on=later)
    assert {change.kind for change in seen.changes} == {ChangeKind.SAME}
    assert seen.kopecks == 0


@given(MONTHS, ROUBLES, st.integers(1, 31), st.integers(1, 31))
def test_the_same_price_for_other_days_is_never_told_as_a_price(month_on: date, price: int, first: int, first_then: int):
    later = add_months(month_on, 1)
    first, first_then = min(first, days_in_month(month_on)), min(first_then, days_in_month(later))
    seen = told([line("a", price, month_on, first)], [line("a", price, later, first_then)], before_on=month_on, now_on=later)
    change = only(seen)
    assert change.kind in (ChangeKind.DAYS, ChangeKind.SAME)
    assert change.monthly_before_kopecks == change.monthly_now_kopecks == price
    assert change.days_now == Days(days_in_month(later) - first_then + 1, days_in_month(later))


@given(MONTHS, ROUBLES, ROUBLES, st.integers(2, 28), st.integers(1, 28))
def test_another_price_for_other_days_is_told_in_two_parts_with_the_real_prices(
    month_on: date, price: int, price_then: int, first: int, first_then: int
):
    later = add_months(month_on, 1)
    seen = told([line("a", price, month_on, first)], [line("a", price_then, later, first_then)], before_on=month_on, now_on=later)
    parts = {change.kind: change for change in seen.changes}
    assert sum(change.kopecks for change in seen.changes) == seen.kopecks
    for change in seen.changes:
        assert (change.monthly_before_kopecks, change.monthly_now_kopecks) == (price, price_then)
    if price == price_then:
        assert ChangeKind.PRICE not in parts
    elif ChangeKind.PRICE in parts:
        assert (parts[ChangeKind.PRICE].kopecks > 0) == (price_then > price)
    if ChangeKind.DAYS in parts:
        share = (days_in_month(month_on) - first + 1) / days_in_month(month_on)
        share_then = (days_in_month(later) - first_then + 1) / days_in_month(later)
        assert (parts[ChangeKind.DAYS].kopecks > 0) == (share_then > share)


def test_a_price_and_its_days_are_split_at_the_old_price_for_the_new_days():
    seen = told([line("a", 30_000, NOVEMBER, 16)], [line("a", 46_500, DECEMBER)], before_on=NOVEMBER, now_on=DECEMBER)
    assert [(change.kind, change.kopecks) for change in seen.changes] == [(ChangeKind.PRICE, 16_500), (ChangeKind.DAYS, 15_000)]
    assert (seen.before_kopecks, seen.total_kopecks) == (15_000, 46_500)


def test_what_was_connected_is_told_with_its_day_and_what_is_gone_with_its_last():
    change = only(told([], [line("a", 30_000, NOVEMBER, 14)]))
    assert (change.kind, change.on, change.days_now) == (ChangeKind.ADDED, date(2026, 11, 14), Days(17, 30))
    assert change.monthly_now_kopecks == 30_000
    change = only(told([line("a", 31_000, OCTOBER, 1, 9)], []))
    assert (change.kind, change.on, change.kopecks) == (ChangeKind.REMOVED, date(2026, 10, 9), -9_000)


def test_a_price_that_rose_within_the_month_is_told_with_both_prices_and_its_day():
    november = [line("a", 50_000, NOVEMBER, 1, 14), line("a", 60_000, NOVEMBER, 15)]
    rising = only(told([line("a", 50_000, OCTOBER)], november))
    assert (rising.kind, rising.monthly_before_kopecks, rising.monthly_now_kopecks) == (ChangeKind.PRICE, 50_000, 60_000)
    assert rising.on == date(2026, 11, 15)
    risen = only(told(november, [line("a", 60_000, DECEMBER)], before_on=NOVEMBER, now_on=DECEMBER))
    assert (risen.kind, risen.monthly_before_kopecks, risen.monthly_now_kopecks) == (ChangeKind.PRICE, 50_000, 60_000)
    assert risen.on == date(2026, 11, 15)


@pytest.mark.parametrize(
    ("before", "now", "begun", "kopecks"),
    [
        ([plan("a", 60_000, OCTOBER)], [plan("b", 90_000, NOVEMBER)], date(2026, 11, 1), 30_000),
        (
            [plan("a", 60_000, OCTOBER)],
            [plan("a", 60_000, NOVEMBER, 1, 15), plan("b", 90_000, NOVEMBER, 16)],
            date(2026, 11, 16),
            15_000,
        ),
        (
            [plan("a", 62_000, OCTOBER, 1, 15), plan("b", 93_000, OCTOBER, 16)],
            [plan("b", 93_000, NOVEMBER)],
            date(2026, 10, 16),
            15_000,
        ),
        ([plan("a", 60_000, OCTOBER), line("o", 9_900, OCTOBER)], [plan("b", 90_000, NOVEMBER), line("o", 9_900, NOVEMBER)],
         date(2026, 11, 1), 30_000),
    ],
)  # fmt: skip
def test_a_change_of_plan_is_one_change(before: list[BilledLine], now: list[BilledLine], begun: date, kopecks: int):
    change, *rest = told(before, now).changes
    assert (change.kind, change.product_before, change.product) == (ChangeKind.PLAN, "a", "b")
    assert (change.on, change.kopecks) == (begun, kopecks)
    assert {other.kind for other in rest} <= {ChangeKind.SAME}


def test_who_tried_another_plan_and_came_back_changed_plans_too():
    tried = [plan("a", 60_000, NOVEMBER, 1, 15), plan("b", 90_000, NOVEMBER, 16)]
    back = only(told(tried, [plan("a", 60_000, DECEMBER)], before_on=NOVEMBER, now_on=DECEMBER))
    assert (back.kind, back.product_before, back.product, back.kopecks) == (ChangeKind.PLAN, "b", "a", -15_000)


def test_another_plan_after_a_first_part_of_a_month_tells_days_apart():
    seen = told([plan("a", 60_000, NOVEMBER, 16)], [plan("b", 90_000, DECEMBER)], before_on=NOVEMBER, now_on=DECEMBER)
    assert {change.kind: change.kopecks for change in seen.changes} == {ChangeKind.PLAN: 30_000, ChangeKind.DAYS: 30_000}


def test_one_offs_and_late_fees_are_there_or_not():
    october, november = (date(2026, month, 3) for month in (10, 11))
    before = [BilledLine(ONCE, "film", october, month_end(october), 29_900), BilledLine(FINE, "", october, october, 1_000)]
    now = [BilledLine(ONCE, "visit", november, november, 50_000), BilledLine(FINE, "", november, november, 1_250)]
    seen = {(change.kind, change.product): change.kopecks for change in told(before, now).changes}
    assert seen == {
        (ChangeKind.ONE_OFF, "visit"): 50_000,
        (ChangeKind.ONE_OFF, "film"): -29_900,
        (ChangeKind.LATE_FEE, ""): 250,
    }


def test_the_same_days_in_two_pieces_may_differ_by_a_kopeck_of_rounding():
    apart = [line("a", 10_000, NOVEMBER, 1, 5), line("a", 10_000, NOVEMBER, 11)]
    change = only(told(apart, [line("a", 10_000, date(2027, 4, 1), 6)], before_on=NOVEMBER, now_on=date(2027, 4, 1)))
    assert (change.kind, change.kopecks) == (ChangeKind.ROUNDING, 1)


def test_a_month_without_a_bill_in_between_is_noticed():
    seen = told([line("a", 30_000, date(2026, 8, 1))], [line("a", 30_000, NOVEMBER)], before_on=date(2026, 8, 1))
    assert seen.skips_months
    assert seen.before_on == date(2026, 8, 1)


@pytest.mark.parametrize("before_on", [NOVEMBER, DECEMBER])
def test_only_an_earlier_bill_is_compared_with(before_on: date):
    with pytest.raises(ValueError):
        told([], [], before_on=before_on)
