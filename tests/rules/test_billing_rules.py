"""Parts of months and whole months: never more than the fee, the whole month exactly it."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.billing import Charge, PricedItem, monthly_charges
from rules.periods import days_in_month, month_end, month_start, months_between, next_month
from rules.proration import Proration, prorate, prorate_range
from rules.terms import TransferCode

DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 12, 31))
FEES = st.integers(0, 10_000_000)


@pytest.mark.parametrize(
    ("fee", "from_on", "amount", "days", "length"),
    [
        (30_000, date(2025, 4, 1), 30_000, 30, 30),
        (30_000, date(2025, 4, 16), 15_000, 15, 30),
        (30_000, date(2025, 4, 30), 1_000, 1, 30),
        (10_000, date(2025, 3, 12), 6_451, 20, 31),
        (10_000, date(2024, 2, 29), 344, 1, 29),
        (0, date(2025, 4, 16), 0, 15, 30),
    ],
)
def test_the_rest_of_the_month_is_charged_with_its_first_day_and_rounded_down(
    fee: int, from_on: date, amount: int, days: int, length: int
) -> None:
    assert prorate(monthly_kopecks=fee, from_on=from_on) == Proration(amount, days, length, fee)


def test_a_month_that_began_without_it_charges_from_its_day_and_a_later_month_in_full() -> None:
    began = date(2025, 3, 20)
    assert prorate(monthly_kopecks=31_000, from_on=began, month_on=date(2025, 2, 10)).amount_kopecks == 0
    assert prorate(monthly_kopecks=31_000, from_on=began, month_on=date(2025, 3, 1)).amount_kopecks == 12_000
    assert prorate(monthly_kopecks=31_000, from_on=began, month_on=date(2025, 4, 7)).amount_kopecks == 31_000


@settings(max_examples=150)
@given(fee=FEES, day=DAYS)
def test_the_whole_month_costs_the_fee_and_a_part_never_more(fee: int, day: date) -> None:
    assert prorate(monthly_kopecks=fee, from_on=month_start(day)).amount_kopecks == fee
    assert 0 <= prorate(monthly_kopecks=fee, from_on=day).amount_kopecks <= fee


@settings(max_examples=150)
@given(fee=FEES, month=DAYS.map(month_start), cut=st.integers(1, 27))
def test_two_adjacent_parts_of_a_month_lose_less_than_a_kopeck_and_never_exceed_the_fee(fee: int, month: date, cut: int) -> None:
    before = prorate_range(monthly_kopecks=fee, from_on=month, to_on=month + timedelta(days=cut - 1))
    after = prorate_range(monthly_kopecks=fee, from_on=month + timedelta(days=cut), to_on=month_end(month))
    assert before.days_charged + after.days_charged == days_in_month(month)
    assert fee - 1 <= before.amount_kopecks + after.amount_kopecks <= fee


@pytest.mark.parametrize(
    ("fee", "from_on", "to_on"),
    [
        (100, date(2025, 3, 2), date(2025, 3, 1)),
        (100, date(2025, 3, 31), date(2025, 4, 1)),
        (100, date(2024, 3, 1), date(2025, 3, 1)),
        (-1, date(2025, 3, 1), date(2025, 3, 1)),
    ],
)
def test_a_range_that_is_not_within_a_month_or_a_negative_fee_is_an_error(fee: int, from_on: date, to_on: date) -> None:
    with pytest.raises(ValueError):
        prorate_range(monthly_kopecks=fee, from_on=from_on, to_on=to_on)


def test_a_month_lists_the_plan_in_full_and_options_by_their_days() -> None:
    items = [
        PricedItem("home-200", "plan", 60_000, date(2024, 1, 5), None),
        PricedItem("static-ip", "option", 15_000, date(2025, 4, 16), None),
        PricedItem("antivirus", "option", 9_000, date(2025, 1, 1), date(2025, 4, 10)),
        PricedItem("free-tv", "option", 0, date(2025, 1, 1), None),
        PricedItem("ended", "option", 9_000, date(2025, 1, 1), date(2025, 3, 31)),
        PricedItem("to-come", "option", 9_000, date(2025, 5, 1), None),
        PricedItem("taken-back", "option", 9_000, date(2025, 4, 5), date(2025, 4, 4)),
    ]
    april = (date(2025, 4, 1), date(2025, 4, 30))
    assert monthly_charges(month_on=date(2025, 4, 17), items=items) == [
        Charge("home-200", "plan", TransferCode.PLAN_FEE, 60_000, *april, prorated=False),
        Charge("static-ip", "option", TransferCode.OPTION_FEE, 7_500, date(2025, 4, 16), april[1], prorated=True),
        Charge("antivirus", "option", TransferCode.OPTION_FEE, 3_000, april[0], date(2025, 4, 10), prorated=True),
    ]


@settings(max_examples=100)
@given(fee=FEES, from_on=DAYS, length=st.integers(0, 200))
def test_an_item_is_charged_for_each_of_its_days_once_over_all_months(fee: int, from_on: date, length: int) -> None:
    to_on = from_on + timedelta(days=length)
    item = PricedItem("x", "option", fee, from_on, to_on)
    charges = [charge for month in months_between(from_on, to_on) for charge in monthly_charges(month_on=month, items=[item])]
    assert all(0 < charge.amount_kopecks <= fee for charge in charges)
    assert all(charge.prorated == (charge.amount_kopecks < fee) for charge in charges if fee > 31)
    if fee > 31:  # nothing is rounded away to zero
        assert sum((charge.period_to - charge.period_from).days + 1 for charge in charges) == length + 1
    outside = monthly_charges(month_on=next_month(to_on), items=[item])
    assert outside == []


@settings(max_examples=60)
@given(old=FEES, new=FEES, day=DAYS.filter(lambda day: day.day > 1))
def test_a_plan_changed_within_a_month_costs_between_the_two_fees(old: int, new: int, day: date) -> None:
    items = [
        PricedItem("old", "plan", old, date(2019, 1, 1), day - timedelta(days=1)),
        PricedItem("new", "plan", new, day, None),
    ]
    total = sum(charge.amount_kopecks for charge in monthly_charges(month_on=day, items=items))
    assert min(old, new) - 1 <= total <= max(old, new)
