"""Who is blocked for debt: whoever let two billing days pass over a debt, and nobody who did not."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.billing import BillingTerms
from rules.blocking import BilledMonth, debt_beyond_grace, due_since
from rules.periods import add_months
from rules.terms import BillingMode

PREPAID, POSTPAID = BillingMode.PREPAID, BillingMode.POSTPAID
TERMS = BillingTerms()
MONTHS = st.dates(min_value=date(2023, 1, 1), max_value=date(2029, 12, 1)).map(lambda day: day.replace(day=1))
SUMS = st.integers(1, 500_000)


def _bill(month_on: date, total: int, due_day: int = 20) -> BilledMonth:
    issued_on = add_months(month_on, 1)
    return BilledMonth(month_on, issued_on, issued_on.replace(day=due_day), total)


def _beyond(balance: int, bills: list[BilledMonth], day: date, mode: BillingMode = POSTPAID, **more: int) -> int:
    return debt_beyond_grace(balance_kopecks=balance, mode=mode, bills=bills, billing_day=day, terms=TERMS, **more)


DECEMBER, JANUARY, FEBRUARY = (_bill(date(2025 + (m < 12), m, 1), 50_000) for m in (12, 1, 2))


@pytest.mark.parametrize(
    ("balance", "day", "blocked_for"),
    [
        (-50_000, date(2026, 2, 1), 0),  # twelve days late
        (-100_000, date(2026, 2, 1), 0),
        (-150_000, date(2026, 3, 1), 50_000),  # forty days
        (-100_000, date(2026, 3, 1), 0),  # December was paid
        (-100_001, date(2026, 3, 1), 1),
        (0, date(2026, 3, 1), 0),
    ],
)
def test_a_bill_of_december_is_borne_until_the_first_of_march(balance: int, day: date, blocked_for: int) -> None:
    bills = [bill for bill in (DECEMBER, JANUARY, FEBRUARY) if bill.month_on < day]
    assert _beyond(balance, bills, day) == blocked_for


def test_a_prepaid_month_had_to_be_paid_on_its_first_day_and_is_borne_for_one_billing_day() -> None:
    assert due_since(mode=PREPAID, bill=JANUARY) == date(2026, 1, 1)
    assert _beyond(-50_000, [DECEMBER, JANUARY], date(2026, 2, 1), PREPAID) == 0
    assert _beyond(-100_000, [DECEMBER, JANUARY, FEBRUARY], date(2026, 3, 1), PREPAID) == 50_000


def test_what_was_charged_late_by_our_fault_had_to_be_paid_late() -> None:
    late = BilledMonth(date(2026, 1, 1), date(2026, 2, 17), date(2026, 3, 8), 50_000)
    assert due_since(mode=PREPAID, bill=late) == date(2026, 2, 17)
    assert [_beyond(-90_000, [late], day, PREPAID) > 0 for day in (date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1))] == [
        False,
        False,
        True,
    ]


def test_charges_that_no_bill_has_yet_are_the_newest() -> None:
    bills, day = [DECEMBER, JANUARY, FEBRUARY], date(2026, 3, 1)
    assert _beyond(-150_000, bills, day, unbilled_kopecks=50_000) == 0
    assert _beyond(-150_001, bills, day, unbilled_kopecks=50_000) == 1


def test_debt_that_no_bill_explains_blocks_nobody_before_there_is_an_old_bill() -> None:
    assert _beyond(-900_000, [], date(2026, 3, 1)) == 0
    assert _beyond(-900_000, [FEBRUARY], date(2026, 3, 1)) == 0


@settings(max_examples=300, deadline=None)
@given(mode=st.sampled_from(BillingMode), first=MONTHS, fees=st.lists(SUMS, min_size=3, max_size=9), data=st.data())
def test_blocked_is_who_ended_two_months_in_a_row_in_debt_as_in_a_seeded_history(
    mode: BillingMode, first: date, fees: list[int], data: st.DataObject
) -> None:
    """Month by month a fee is charged, and now and then somebody pays all they owe."""
    balance, in_debt, bills = 0, 0, []
    for place, fee in enumerate(fees):
        day = add_months(first, place)
        if place:
            bills.append(_bill(add_months(day, -1), fees[place - 1]))
            balance -= fees[place - 1] if mode is POSTPAID else 0
        blocked = _beyond(balance, bills, day, mode) > 0
        assert blocked == (in_debt >= 2)
        if blocked:
            return
        balance -= fee if mode is PREPAID else 0
        balance = 0 if data.draw(st.booleans(), "pays") else balance
        in_debt = in_debt + 1 if balance < 0 else 0


@settings(max_examples=200, deadline=None)
@given(
    mode=st.sampled_from(BillingMode),
    totals=st.lists(SUMS, max_size=8),
    first=MONTHS,
    balance=st.integers(-3_000_000, 100_000),
    more=st.integers(0, 500_000),
    grace=st.integers(0, 200),
)
def test_a_payment_or_a_longer_grace_never_blocks_and_never_more_than_the_debt_is_old(
    mode: BillingMode, totals: list[int], first: date, balance: int, more: int, grace: int
) -> None:
    bills = [_bill(add_months(first, place), total) for place, total in enumerate(totals)]
    day = add_months(first, len(totals))

    def beyond(balance: int, days: int) -> int:
        terms = BillingTerms(grace_days=days)
        return debt_beyond_grace(balance_kopecks=balance, mode=mode, bills=bills, billing_day=day, terms=terms)

    assert 0 <= beyond(balance, grace) <= max(0, -balance)
    assert beyond(balance + more, grace) <= beyond(balance, grace)
    assert beyond(balance, grace + 31) <= beyond(balance, grace)
    assert beyond(max(0, balance), grace) == 0
