"""What falls due: never more than the debt, the oldest bills first; and how long the money lasts."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.due import Due, OpenBill, Runway, UnpaidBill, runway, what_is_due
from rules.periods import add_months
from rules.terms import BillingMode

TODAY = date(2025, 4, 15)
FEBRUARY = OpenBill(1, "B-02", 50_000, date(2025, 3, 20))
MARCH = OpenBill(2, "B-03", 60_000, date(2025, 4, 20))
BILLS = [FEBRUARY, MARCH]
POSTPAID, PREPAID = BillingMode.POSTPAID, BillingMode.PREPAID


def _due(balance: int, bills: list[OpenBill] = BILLS, mode: BillingMode = POSTPAID, **more: int) -> Due:
    return what_is_due(balance_kopecks=balance, mode=mode, bills=bills, today=TODAY, **more)


@pytest.mark.parametrize("balance", [0, 1, 100_000])
@pytest.mark.parametrize("mode", list(BillingMode))
def test_without_debt_nothing_is_due(balance: int, mode: BillingMode) -> None:
    assert _due(balance, mode=mode) == Due(0, None, 0, 0, ())


def test_a_small_debt_is_the_newest_bill_partly_paid() -> None:
    assert _due(-20_000) == Due(20_000, date(2025, 4, 20), 0, 0, (UnpaidBill(2, "B-03", 20_000, date(2025, 4, 20)),))


def test_a_larger_debt_reaches_back_to_the_older_bill_and_is_overdue() -> None:
    assert _due(-75_000) == Due(
        amount_kopecks=75_000,
        due_on=date(2025, 3, 20),
        overdue_kopecks=15_000,
        overdue_days=26,
        unpaid=(UnpaidBill(1, "B-02", 15_000, date(2025, 3, 20)), UnpaidBill(2, "B-03", 60_000, date(2025, 4, 20))),
    )


def test_a_bill_is_not_overdue_on_its_own_day() -> None:
    due = what_is_due(balance_kopecks=-1, mode=POSTPAID, bills=BILLS, today=MARCH.due_on)
    assert (due.overdue_kopecks, due.overdue_days) == (0, 0)
    late = what_is_due(balance_kopecks=-1, mode=POSTPAID, bills=BILLS, today=MARCH.due_on + timedelta(days=1))
    assert (late.overdue_kopecks, late.overdue_days) == (1, 1)


def test_debt_older_than_all_bills_is_due_with_the_oldest() -> None:
    due = _due(-130_000)
    assert (due.amount_kopecks, due.due_on, due.overdue_kopecks) == (130_000, date(2025, 3, 20), 70_000)


def test_debt_without_any_bill_is_due_at_once() -> None:
    assert _due(-500, bills=[]) == Due(500, TODAY, 0, 0, ())


def test_charges_not_yet_billed_are_not_due_and_leave_older_bills_paid() -> None:
    due = _due(-70_000, unbilled_kopecks=10_000)
    assert (due.amount_kopecks, due.overdue_kopecks) == (60_000, 0)
    assert [bill.bill_id for bill in due.unpaid] == [2]
    assert _due(-9_000, unbilled_kopecks=10_000) == Due(0, None, 0, 0, ())


def test_a_prepaid_debt_is_due_today_in_full() -> None:
    due = _due(-70_000, mode=PREPAID, unbilled_kopecks=10_000)
    assert (due.amount_kopecks, due.due_on) == (70_000, TODAY)


def test_nothing_of_a_prepaid_debt_is_late() -> None:
    due = _due(-130_000, mode=PREPAID)
    assert (due.amount_kopecks, due.overdue_kopecks, due.overdue_days) == (130_000, 0, 0)


SOME_BILLS = st.lists(st.integers(0, 200_000), max_size=6).map(
    lambda totals: [OpenBill(n, f"B-{n}", total, add_months(date(2025, 1, 20), n)) for n, total in enumerate(totals)]
)


@settings(max_examples=200)
@given(
    balance=st.integers(-1_000_000, 1_000_000),
    mode=st.sampled_from(BillingMode),
    bills=SOME_BILLS,
    unbilled=st.integers(0, 10**5),
)
def test_due_never_exceeds_the_debt_and_no_bill_its_total(
    balance: int, mode: BillingMode, bills: list[OpenBill], unbilled: int
) -> None:
    due = what_is_due(balance_kopecks=balance, mode=mode, bills=bills, today=TODAY, unbilled_kopecks=unbilled)
    debt = max(0, -balance)
    totals = {bill.bill_id: bill.total_kopecks for bill in bills}
    assert 0 <= due.overdue_kopecks <= due.amount_kopecks <= debt
    assert sum(bill.left_kopecks for bill in due.unpaid) <= due.amount_kopecks
    assert all(0 < bill.left_kopecks <= totals[bill.bill_id] for bill in due.unpaid)
    assert (due.due_on is None) == (due.amount_kopecks == 0)
    assert (due.overdue_days > 0) == (due.overdue_kopecks > 0)
    assert [bill.bill_id for bill in due.unpaid] == sorted(bill.bill_id for bill in due.unpaid)
    if unbilled == 0:
        assert due.amount_kopecks == debt


@settings(max_examples=100)
@given(debt=st.integers(1, 10**6), paid=st.integers(1, 10**6), bills=SOME_BILLS)
def test_a_payment_never_makes_more_due_nor_touches_a_newer_bill_first(debt: int, paid: int, bills: list[OpenBill]) -> None:
    before, after = _due(-debt, bills=bills), _due(min(0, paid - debt), bills=bills)
    left = {bill.bill_id: bill.left_kopecks for bill in after.unpaid}
    assert after.amount_kopecks == max(0, debt - paid)
    for older, newer in pairwise(before.unpaid):
        if left.get(newer.bill_id, 0) < newer.left_kopecks:
            assert older.bill_id not in left


@pytest.mark.parametrize(
    ("balance", "monthly", "today", "expected"),
    [
        (100_000, 50_000, date(2025, 4, 15), Runway(77, date(2025, 7, 1), date(2025, 5, 1), 50_000)),
        (99_999, 50_000, date(2025, 4, 15), Runway(47, date(2025, 6, 1), date(2025, 5, 1), 50_000)),
        (0, 50_000, date(2025, 4, 30), Runway(1, date(2025, 5, 1), date(2025, 5, 1), 50_000)),
        (0, 50_000, date(2025, 4, 1), Runway(30, date(2025, 5, 1), date(2025, 5, 1), 50_000)),
        (-1, 50_000, date(2025, 4, 15), Runway(0, date(2025, 4, 15), date(2025, 5, 1), 50_000)),
        (0, 0, date(2025, 12, 15), Runway(None, None, date(2026, 1, 1), 0)),
        (24 * 50_000, 50_000, date(2025, 4, 15), Runway(None, None, date(2025, 5, 1), 50_000)),
        (24 * 50_000 - 1, 50_000, date(2025, 4, 15), Runway(716, date(2027, 4, 1), date(2025, 5, 1), 50_000)),
    ],
)
def test_the_money_lasts_to_the_first_billing_day_it_does_not_cover(
    balance: int, monthly: int, today: date, expected: Runway
) -> None:
    assert runway(balance_kopecks=balance, monthly_kopecks=monthly, today=today) == expected


@settings(max_examples=100)
@given(balance=st.integers(0, 10**6), monthly=st.integers(1, 10**6), today=st.dates(date(2024, 1, 1), date(2026, 12, 31)))
def test_charging_month_by_month_agrees_with_the_days_left(balance: int, monthly: int, today: date) -> None:
    found = runway(balance_kopecks=balance, monthly_kopecks=monthly, today=today, horizon_months=36)
    on, charges = found.next_charge_on, 0
    while balance >= monthly and charges < 36:
        balance, on, charges = balance - monthly, add_months(on, 1), charges + 1
    assert found.until_on == (None if charges == 36 else on)


def test_a_negative_fee_is_an_error() -> None:
    with pytest.raises(ValueError):
        runway(balance_kopecks=0, monthly_kopecks=-1, today=TODAY)
