"""Bonus points: earned by full steps of money, spent oldest first, gone on their day."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.bonus import (
    BonusTerms,
    Expiring,
    LevelStanding,
    Lot,
    LotUse,
    PointsEarned,
    expire,
    expires_on,
    expiring,
    level_for,
    points_for_payment,
    points_for_price,
    points_kept,
    spend,
)
from rules.refusals import NotEnoughPoints
from rules.terms import BonusLevel

TERMS = BonusTerms()
TODAY = date(2025, 4, 15)


@pytest.mark.parametrize(
    ("amount", "by_autopay", "points"),
    [
        (50_000, False, PointsEarned(25, 0, 25)),
        (50_000, True, PointsEarned(25, 1, 26)),
        (200_000, True, PointsEarned(100, 5, 105)),
        (1_999, True, PointsEarned(0, 0, 0)),
        (2_000, False, PointsEarned(1, 0, 1)),
        (39_999, True, PointsEarned(19, 0, 19)),
        (0, True, PointsEarned(0, 0, 0)),
    ],
)
def test_a_point_comes_for_each_full_20_roubles_and_5_percent_more_by_autopay(
    amount: int, by_autopay: bool, points: PointsEarned
) -> None:
    assert points_for_payment(amount_kopecks=amount, by_autopay=by_autopay, terms=TERMS) == points


def test_a_negative_payment_earns_an_error() -> None:
    with pytest.raises(ValueError):
        points_for_payment(amount_kopecks=-1, by_autopay=False, terms=TERMS)


@settings(max_examples=100)
@given(one=st.integers(0, 10**8), other=st.integers(0, 10**8), by_autopay=st.booleans())
def test_paying_in_parts_never_earns_more_than_paying_at_once(one: int, other: int, by_autopay: bool) -> None:
    def total(amount: int) -> int:
        return points_for_payment(amount_kopecks=amount, by_autopay=by_autopay, terms=TERMS).total

    assert total(one) + total(other) <= total(one + other)


@pytest.mark.parametrize(
    ("paid", "standing"),
    [
        (0, LevelStanding(BonusLevel.STANDARD, BonusLevel.PRIVILEGE, 1_500_000)),
        (1_499_999, LevelStanding(BonusLevel.STANDARD, BonusLevel.PRIVILEGE, 1)),
        (1_500_000, LevelStanding(BonusLevel.PRIVILEGE, BonusLevel.VIP, 2_500_000)),
        (3_999_999, LevelStanding(BonusLevel.PRIVILEGE, BonusLevel.VIP, 1)),
        (4_000_000, LevelStanding(BonusLevel.VIP, None, 0)),
    ],
)
def test_a_level_is_reached_at_its_bound_and_shows_what_is_missing_to_the_next(paid: int, standing: LevelStanding) -> None:
    assert level_for(paid_last_year_kopecks=paid, terms=TERMS) == standing


@settings(max_examples=60)
@given(paid=st.integers(0, 3_999_999))
def test_paying_what_is_missing_gives_the_next_level(paid: int) -> None:
    now = level_for(paid_last_year_kopecks=paid, terms=TERMS)
    assert level_for(paid_last_year_kopecks=paid + now.missing_kopecks, terms=TERMS).level is now.next_level


@pytest.mark.parametrize(("granted", "gone"), [(date(2025, 4, 15), date(2026, 4, 15)), (date(2024, 2, 29), date(2025, 2, 28))])
def test_points_live_twelve_months(granted: date, gone: date) -> None:
    assert expires_on(granted, TERMS) == gone


def _lot(lot_id: int, days: int, remaining: int) -> Lot:
    """A lot that is gone so many days after today."""
    gone = TODAY + timedelta(days=days)
    return Lot(lot_id=lot_id, granted_on=gone - timedelta(days=365), expires_on=gone, remaining=remaining)


def test_what_expires_first_is_spent_first_whatever_the_order_of_lots() -> None:
    lots = [_lot(1, 90, 50), _lot(2, 10, 30), _lot(3, 40, 0), _lot(4, 20, 5)]
    assert spend(lots=lots, points=40, today=TODAY) == (LotUse(2, 30), LotUse(4, 5), LotUse(1, 5))


def test_points_are_gone_on_their_day_and_not_before() -> None:
    lots = [_lot(1, 0, 50), _lot(2, 1, 30), _lot(3, -5, 7), _lot(4, -5, 0)]
    assert expire(lots=lots, today=TODAY) == (LotUse(1, 50), LotUse(3, 7))
    assert spend(lots=lots, points=30, today=TODAY) == (LotUse(2, 30),)
    with pytest.raises(NotEnoughPoints) as refused:
        spend(lots=lots, points=31, today=TODAY)
    assert refused.value.facts == {"points": 30, "wanted": 31}


@pytest.mark.parametrize("points", [0, -1])
def test_spending_nothing_is_an_error(points: int) -> None:
    with pytest.raises(ValueError):
        spend(lots=[_lot(1, 5, 10)], points=points, today=TODAY)


def test_what_expires_soon_is_told_with_the_first_day() -> None:
    lots = [_lot(1, 30, 50), _lot(2, 10, 30), _lot(3, 31, 9), _lot(4, 5, 0), _lot(5, 0, 3)]
    assert expiring(lots=lots, today=TODAY, within_days=30) == Expiring(80, TODAY + timedelta(days=10))
    assert expiring(lots=lots, today=TODAY, within_days=9) == Expiring(0, None)


LOTS = st.lists(st.tuples(st.integers(-40, 400), st.integers(0, 500)), max_size=8).map(
    lambda rows: [_lot(number, *row) for number, row in enumerate(rows)]
)


@settings(max_examples=200)
@given(lots=LOTS, points=st.integers(1, 2_000))
def test_spending_takes_exactly_the_points_oldest_first_and_never_below_zero(lots: list[Lot], points: int) -> None:
    alive = {lot.lot_id: lot for lot in lots if lot.expires_on > TODAY}
    available = sum(lot.remaining for lot in alive.values())
    if points > available:
        with pytest.raises(NotEnoughPoints):
            spend(lots=lots, points=points, today=TODAY)
        return
    uses = spend(lots=lots, points=points, today=TODAY)
    taken = {use.lot_id: use.points for use in uses}
    assert len(taken) == len(uses)
    assert sum(taken.values()) == points
    assert all(0 < part <= alive[lot_id].remaining for lot_id, part in taken.items())
    last = max(alive[lot_id].expires_on for lot_id in taken)
    older = [lot for lot in alive.values() if lot.expires_on < last]
    assert all(taken.get(lot.lot_id, 0) == lot.remaining for lot in older)


@settings(max_examples=100)
@given(lots=LOTS)
def test_every_point_is_either_alive_or_expired(lots: list[Lot]) -> None:
    expired = sum(use.points for use in expire(lots=lots, today=TODAY))
    soon_or_later = expiring(lots=lots, today=TODAY, within_days=10_000).points
    assert expired + soon_or_later == sum(lot.remaining for lot in lots)


# --- money that went, and prices in points ----------------------------------------------------------
@pytest.mark.parametrize(
    ("granted", "paid", "back", "by_autopay", "kept"),
    [
        (25, 50_000, 0, False, 25),
        (25, 50_000, 1, False, 24),
        (25, 50_000, 50_000, False, 0),
        (105, 200_000, 100_000, True, 52),  # 50 and two and a half more, rounded down
        (50, 50_000, 25_000, False, 24),  # granted under twice as good terms: in proportion
        (10, 1_500, 500, False, 6),  # today's terms would not give a point for any of it
    ],
)
def test_a_payment_keeps_the_points_that_the_rest_of_it_earns(
    granted: int, paid: int, back: int, by_autopay: bool, kept: int
) -> None:
    assert points_kept(granted=granted, paid_kopecks=paid, back_kopecks=back, by_autopay=by_autopay, terms=TERMS) == kept


@settings(max_examples=200)
@given(
    paid=st.integers(1, 10**7),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    granted=st.integers(0, 10**5),
    by=st.booleans(),
)
def test_the_more_goes_back_the_less_is_kept_and_never_more_than_was_granted(
    paid: int, shares: tuple[float, float], granted: int, by: bool
) -> None:
    less, more = sorted(int(paid * share) for share in shares)
    given_less, given_more = (
        points_kept(granted=granted, paid_kopecks=paid, back_kopecks=back, by_autopay=by, terms=TERMS) for back in (less, more)
    )
    assert 0 <= given_more <= given_less <= granted
    assert points_kept(granted=granted, paid_kopecks=paid, back_kopecks=paid, by_autopay=by, terms=TERMS) == 0


@pytest.mark.parametrize("back", [-1, 101])
def test_giving_back_less_than_nothing_or_more_than_was_paid_is_an_error(back: int) -> None:
    with pytest.raises(ValueError):
        points_kept(granted=1, paid_kopecks=100, back_kopecks=back, by_autopay=False, terms=TERMS)


@pytest.mark.parametrize(("kopecks", "points"), [(0, 0), (1, 1), (100, 1), (101, 2), (4_495, 45)])
def test_a_started_rouble_takes_a_whole_point(kopecks: int, points: int) -> None:
    assert points_for_price(kopecks) == points


def test_a_negative_price_is_an_error() -> None:
    with pytest.raises(ValueError):
        points_for_price(-1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kopecks_per_point": 0},
        {"lifetime_months": 0},
        {"autopay_extra_percent": -1},
        {"profile_points": -1},
        {"e_bill_points": -1},
        {"birthday_points": -1},
        {"privilege_from_kopecks": 0},
        {"vip_from_kopecks": 1_500_000},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_terms_that_make_no_sense_are_not_accepted(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        BonusTerms(**wrong)
