"""Bonus points: earned by payments that stayed paid, kept in lots that expire, spent oldest first. 1 point = 1 ₽.

The defaults are what operators publish for such programmes: a point for every 5 to 30 ₽, 5 % more by autopay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rules.periods import add_months
from rules.refusals import NotEnoughPoints
from rules.terms import BonusLevel

KOPECKS_OF_A_POINT = 100
"""What a point is worth when it is spent."""


@dataclass(frozen=True, slots=True)
class BonusTerms:
    """Terms of the programme. Sums in kopecks, grants in points, levels by payments of the last 12 months."""

    kopecks_per_point: int = 2_000
    autopay_extra_percent: int = 5
    lifetime_months: int = 12
    profile_points: int = 50
    e_bill_points: int = 30
    birthday_points: int = 100
    privilege_from_kopecks: int = 1_500_000
    vip_from_kopecks: int = 4_000_000

    def __post_init__(self) -> None:
        if self.kopecks_per_point < 1 or self.lifetime_months < 1:
            raise ValueError("a point costs at least a kopeck and lives at least a month")
        if min(self.autopay_extra_percent, self.profile_points, self.e_bill_points, self.birthday_points) < 0:
            raise ValueError("points are not granted below zero")
        if not 0 < self.privilege_from_kopecks < self.vip_from_kopecks:
            raise ValueError("vip_from_kopecks is above privilege_from_kopecks, both above zero")


@dataclass(frozen=True, slots=True)
class PointsEarned:
    """Points of one payment: for the sum, more for autopay, together."""

    base: int
    autopay_extra: int
    total: int


@dataclass(frozen=True, slots=True)
class LevelStanding:
    """The level, the one above it (None at the top) and the payments still missing to it, in kopecks."""

    level: BonusLevel
    next_level: BonusLevel | None
    missing_kopecks: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Points granted together. They can be spent before `expires_on`; on that day they are gone."""

    lot_id: int
    granted_on: date
    expires_on: date
    remaining: int


@dataclass(frozen=True, slots=True)
class LotUse:
    """So many points, above 0, to take from a lot."""

    lot_id: int
    points: int


@dataclass(frozen=True, slots=True)
class Expiring:
    """Points that expire soon, and the first day on which some of them do (None when there are none)."""

    points: int
    on: date | None


def points_for_payment(*, amount_kopecks: int, by_autopay: bool, terms: BonusTerms) -> PointsEarned:
    """Points for a payment: one for each full step of money, and a percentage of those more by autopay.

    Both are rounded down to the point. Raises ValueError for a negative payment.
    """
    if amount_kopecks < 0:
        raise ValueError("a payment is not negative")
    base = amount_kopecks // terms.kopecks_per_point
    extra = base * terms.autopay_extra_percent // 100 if by_autopay else 0
    return PointsEarned(base=base, autopay_extra=extra, total=base + extra)


def points_for_price(amount_kopecks: int) -> int:
    """How many points pay a sum: a started rouble takes a whole point. Raises ValueError for a negative sum."""
    if amount_kopecks < 0:
        raise ValueError("a price is not negative")
    return -(-amount_kopecks // KOPECKS_OF_A_POINT)


def points_kept(*, granted: int, paid_kopecks: int, back_kopecks: int, by_autopay: bool, terms: BonusTerms) -> int:
    """How many of the points granted for a payment it keeps when so much of it was given back, at most `granted`.

    Under the terms of the grant that is what the rest would have earned alone. Terms may have changed since: then it is
    what was granted, in the proportion in which today's terms see the rest and the whole, rounded down.
    Raises ValueError unless 0 <= back <= paid.
    """
    if not 0 <= back_kopecks <= paid_kopecks:
        raise ValueError("no less than nothing and no more than was paid goes back")
    rest = points_for_payment(amount_kopecks=paid_kopecks - back_kopecks, by_autopay=by_autopay, terms=terms).total
    whole = points_for_payment(amount_kopecks=paid_kopecks, by_autopay=by_autopay, terms=terms).total
    if whole == 0:
        return granted * (paid_kopecks - back_kopecks) // paid_kopecks if paid_kopecks else granted
    return granted * rest // whole


def level_for(*, paid_last_year_kopecks: int, terms: BonusTerms) -> LevelStanding:
    """The level that the payments of the last 12 months give; the bound itself already gives it."""
    if paid_last_year_kopecks >= terms.vip_from_kopecks:
        return LevelStanding(level=BonusLevel.VIP, next_level=None, missing_kopecks=0)
    if paid_last_year_kopecks >= terms.privilege_from_kopecks:
        missing = terms.vip_from_kopecks - paid_last_year_kopecks
        return LevelStanding(level=BonusLevel.PRIVILEGE, next_level=BonusLevel.VIP, missing_kopecks=missing)
    missing = terms.privilege_from_kopecks - paid_last_year_kopecks
    return LevelStanding(level=BonusLevel.STANDARD, next_level=BonusLevel.PRIVILEGE, missing_kopecks=missing)


def expires_on(granted_on: date, terms: BonusTerms) -> date:
    """The first day on which points granted then are gone: the same day after their lifetime in months."""
    return add_months(granted_on, terms.lifetime_months)


def spend(*, lots: Sequence[Lot], points: int, today: date) -> tuple[LotUse, ...]:
    """From which lots to take `points`: what expires first goes first. The parts add up to `points`.

    Raises NotEnoughPoints when the lots that are alive today hold fewer, ValueError unless `points` is above 0.
    """
    if points <= 0:
        raise ValueError("points to spend are above 0")
    alive = sorted(
        (lot for lot in lots if lot.remaining > 0 and lot.expires_on > today),
        key=lambda lot: (lot.expires_on, lot.granted_on, lot.lot_id),
    )
    available = _held(alive)
    if points > available:
        raise NotEnoughPoints(points=available, wanted=points)
    uses = []
    for lot in alive:
        taken = min(points, lot.remaining)
        if taken == 0:
            break
        uses.append(LotUse(lot_id=lot.lot_id, points=taken))
        points -= taken
    return tuple(uses)


def expire(*, lots: Sequence[Lot], today: date) -> tuple[LotUse, ...]:
    """What to write off today: the rest of every lot whose day has come, in the order given."""
    return tuple(LotUse(lot_id=lot.lot_id, points=lot.remaining) for lot in lots if lot.remaining > 0 and lot.expires_on <= today)


def expiring(*, lots: Sequence[Lot], today: date, within_days: int) -> Expiring:
    """How many points will be gone within so many days after today, and when the first of them are."""
    horizon = today + timedelta(days=within_days)
    soon = [lot for lot in lots if lot.remaining > 0 and today < lot.expires_on <= horizon]
    return Expiring(points=_held(soon), on=min((lot.expires_on for lot in soon), default=None))


def _held(lots: Iterable[Lot]) -> int:
    return sum(lot.remaining for lot in lots)
