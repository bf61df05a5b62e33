"""What is charged on billing day: days that worked and no others, each month once, at the price of the first day."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.billing import (
    BillingTerms,
    Connected,
    MonthCharge,
    ServiceDays,
    billing_day,
    charged_from,
    charged_month,
    month_ahead,
    month_behind,
    price_on,
    rest_of_month,
    service_days,
)
from rules.periods import add_months, days_in_month, month_end
from rules.terms import AccountStatus, TransferCode

LONG_AGO, MAY, JUNE = date(2024, 1, 10), date(2026, 5, 1), date(2026, 6, 1)
ALWAYS = ServiceDays(None, None)
PLAN = Connected(kind="plan", product_id=7, product_code="", prices=[(LONG_AGO, 31_000)], started_on=LONG_AGO)


def _option(
    started_on: date, ends_on: date | None = None, *, price: int = 6_200, once: bool = False, number: int = 3
) -> Connected:
    return Connected(
        kind="option",
        product_id=number,
        product_code=f"extra-{number}",
        prices=[(LONG_AGO, price)],
        started_on=started_on,
        ends_on=ends_on,
        once=once,
    )


def _told(charges: list[MonthCharge]) -> list[tuple[str, int, int, int]]:
    return [(charge.key, charge.amount_kopecks, charge.from_on.day, charge.to_on.day) for charge in charges]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 6, 1, 3, 4, 59), MAY),  # noqa: DTZ001  # a wall clock in Moscow
        (datetime(2026, 6, 1, 3, 5), JUNE),  # noqa: DTZ001
        (datetime(2026, 6, 30, 23, 59), JUNE),  # noqa: DTZ001
    ],
)
def test_billing_day_begins_when_the_month_has_begun_everywhere(moment: datetime, day: date) -> None:
    assert billing_day(moment) == day


def test_a_postpaid_month_is_charged_by_the_days_that_worked() -> None:
    connected = [_option(date(2026, 5, 11), date(2026, 5, 21)), PLAN, _option(date(2026, 5, 30), once=True, price=990, number=4)]
    charges = month_behind(month_on=MAY, connected=connected, service=ALWAYS)
    assert _told(charges) == [
        ("plan:2026-05", 31_000, 1, 31),
        ("option:extra-3:2026-05", 2_000, 11, 20),
        ("option:extra-4:2026-05", 990, 30, 31),
    ]
    assert [charge.code for charge in charges] == [TransferCode.PLAN_FEE, TransferCode.OPTION_FEE, TransferCode.ONE_OFF]
    assert [(charge.plan_id, charge.option_id) for charge in charges] == [(7, None), (None, 3), (None, 4)]


def test_nothing_is_charged_before_it_began_after_it_ended_or_when_it_was_taken_back() -> None:
    gone = [_option(date(2026, 4, 1), MAY), _option(JUNE), _option(date(2026, 5, 9), date(2026, 5, 9), once=True)]
    assert month_behind(month_on=MAY, connected=gone, service=ALWAYS) == []
    assert month_behind(month_on=MAY, connected=[_option(date(2026, 4, 20), MAY, once=True)], service=ALWAYS) == []


def test_days_without_service_cost_nothing() -> None:
    active_since_11th = service_days(status=AccountStatus.ACTIVE, since_on=date(2026, 5, 11))
    assert _told(month_behind(month_on=MAY, connected=[PLAN], service=active_since_11th)) == [("plan:2026-05", 21_000, 11, 31)]
    for status in (AccountStatus.SUSPENDED, AccountStatus.BLOCKED, AccountStatus.CLOSED):
        until_11th = service_days(status=status, since_on=date(2026, 5, 11))
        assert _told(month_behind(month_on=MAY, connected=[PLAN], service=until_11th)) == [("plan:2026-05", 10_000, 1, 10)]
        all_may = service_days(status=status, since_on=MAY)
        assert month_behind(month_on=MAY, connected=[PLAN], service=all_may) == []
        assert month_ahead(month_on=MAY, connected=[PLAN], service=all_may) == []


def test_a_prepaid_month_is_charged_in_full_for_what_worked_before_and_goes_on() -> None:
    connected = [PLAN, _option(date(2026, 4, 30)), _option(MAY, number=4), _option(LONG_AGO, MAY, number=5)]
    connected.append(_option(LONG_AGO, JUNE, once=True, number=6))
    assert _told(month_ahead(month_on=MAY, connected=connected, service=ALWAYS)) == [
        ("plan:2026-05", 31_000, 1, 31),
        ("option:extra-3:2026-05", 6_200, 1, 31),
    ]


def test_who_works_again_on_billing_day_itself_was_charged_then() -> None:
    for since, charges in ((date(2026, 4, 30), 1), (MAY, 0), (date(2026, 5, 2), 0)):
        service = service_days(status=AccountStatus.ACTIVE, since_on=since)
        assert len(month_ahead(month_on=MAY, connected=[PLAN], service=service)) == charges


def test_the_rest_of_a_month_is_charged_from_today_under_a_key_of_its_own() -> None:
    charges = rest_of_month(today=date(2026, 5, 11), connected=[PLAN, _option(LONG_AGO, date(2026, 5, 11))])
    assert _told(charges) == [("plan:2026-05:from-11", 21_000, 11, 31)]
    assert (charged_month(charges[0].key), charged_from(charges[0].key)) == (MAY, date(2026, 5, 11))


def test_an_option_connected_twice_in_a_month_is_charged_twice_under_two_keys() -> None:
    twice = [_option(date(2026, 5, 1), date(2026, 5, 6)), _option(date(2026, 5, 27))]
    assert _told(month_behind(month_on=MAY, connected=twice, service=ALWAYS)) == [
        ("option:extra-3:2026-05", 1_000, 1, 5),
        ("option:extra-3:2026-05:2", 1_000, 27, 31),
    ]


def test_a_price_holds_from_its_day_and_a_month_has_the_price_of_its_first_day() -> None:
    prices = [(date(2026, 1, 1), 30_000), (date(2026, 5, 15), 60_000)]
    assert [price_on(prices, day) for day in (date(2025, 12, 31), date(2026, 5, 14), date(2026, 5, 15))] == [None, 30_000, 60_000]
    old = Connected(kind="plan", product_id=1, product_code="", prices=prices, started_on=date(2026, 2, 1))
    new = Connected(kind="plan", product_id=1, product_code="", prices=prices, started_on=date(2026, 5, 17))
    charged = [month_behind(month_on=month, connected=[item], service=ALWAYS)[0].amount_kopecks
               for month, item in ((MAY, old), (JUNE, old), (MAY, new))]  # fmt: skip
    assert charged == [30_000, 60_000, 60_000 * 15 // 31]


def test_what_has_no_price_yet_or_costs_nothing_leaves_no_charge() -> None:
    unpriced = Connected(kind="plan", product_id=1, product_code="", prices=[], started_on=LONG_AGO)
    free = [unpriced, _option(LONG_AGO, price=0), _option(date(2026, 5, 3), price=0, once=True)]
    assert month_behind(month_on=MAY, connected=free, service=ALWAYS) == []
    assert month_ahead(month_on=MAY, connected=free, service=ALWAYS) == []


@pytest.mark.parametrize(
    ("key", "month"),
    [
        ("plan:2026-05", MAY),
        ("option:a-b-2025:2026-05", MAY),
        ("plan:2026-05:2", MAY),
        ("option:x:2026-05:from-07:2", MAY),
        ("order:2026", None),
        ("payment:12", None),
        ("plan:2026-055", None),
    ],
)
def test_a_key_names_the_month_it_was_charged_for(key: str, month: date | None) -> None:
    assert charged_month(key) == month


@pytest.mark.parametrize("wrong", [{"due_days": -1}, {"grace_days": -1}, {"due_days": 400}, {"grace_days": 400}])
def test_terms_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="0 to 365"):
        BillingTerms(**wrong)


@settings(max_examples=200, deadline=None)
@given(
    month=st.dates(min_value=date(2023, 1, 1), max_value=date(2029, 12, 1)).map(lambda day: day.replace(day=1)),
    began=st.integers(-60, 40),
    lasts=st.none() | st.integers(0, 90),
    active_since=st.none() | st.integers(-60, 40),
    price=st.integers(0, 1_000_000),
)
def test_a_postpaid_month_costs_its_share_of_worked_days_and_never_more_than_the_fee(
    month: date, began: int, lasts: int | None, active_since: int | None, price: int
) -> None:
    start = month + timedelta(days=began)
    end = None if lasts is None else start + timedelta(days=lasts)
    since = None if active_since is None else month + timedelta(days=active_since)
    days = [month + timedelta(days=place) for place in range(days_in_month(month))]
    worked = [day for day in days if start <= day and (end is None or day < end) and (since is None or since <= day)]
    connected = [Connected(kind="plan", product_id=1, product_code="", prices=[(date(2000, 1, 1), price)], started_on=start,
                           ends_on=end)]  # fmt: skip
    charges = month_behind(month_on=month, connected=connected, service=ServiceDays(since, None))
    expected = price * len(worked) // len(days)
    assert sum(charge.amount_kopecks for charge in charges) == expected <= price
    for charge in charges:
        assert (charge.from_on, charge.to_on) == (worked[0], worked[-1])
    ahead = month_ahead(month_on=add_months(month, 1), connected=connected, service=ServiceDays(since, None))
    goes_on = bool(worked) and worked[-1] == month_end(month) and (end is None or end > add_months(month, 1))
    assert [charge.amount_kopecks for charge in ahead] == ([price] if goes_on and price else [])
