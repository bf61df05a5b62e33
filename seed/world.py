"""What is the same for all customers of one run: the calendar, the prices, the shares of a month, the hours of a day."""

from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from rules.autopay import AutopayTerms
from rules.bonus import BonusTerms, points_for_payment
from rules.periods import add_months, days_in_month, month_start
from rules.proration import prorate
from seed.catalogue import OPTIONS, PLANS, prices
from seed.load import NEVER, day_number
from seed.people import City
from settings import operator

DAY = 86_400

# The billing run starts at 03:05 in Moscow: 00:05 UTC, when the new month has begun in every region and in UTC, so
# that everybody who groups by month puts a charge into the same one.
BILLING_SECOND = 300
AUTOPAY_SECOND = 6 * 3600
MOSCOW_SECONDS = 3 * 3600

# Visits by local hour, and by day of the month: evenings; the days around the charge and before the bill falls due.
HOURS = np.array(
    [1, 0.4, 0.2, 0.2, 0.2, 0.5, 1.4, 2.6, 3.6, 4.2, 4.4, 4.4, 4.8, 4.6, 4.2, 4.2, 4.6, 5.6, 7, 8.4, 8.8, 7.6, 5, 2.4]
)
DAYS = np.ones(31)
DAYS[[0, 1, 2, 3]] = 2.6, 2.2, 1.7, 1.3
DAYS[[16, 17, 18, 19, 20]] = 1.3, 1.6, 2.0, 2.2, 1.4
DAYS[[27, 28, 29, 30]] = 1.3, 1.4, 1.5, 1.4
SEASON = (1.04, 0.98, 1.0, 0.98, 0.94, 0.9, 0.86, 0.9, 1.02, 1.05, 1.06, 1.14)
"""How much people use the portal and pay ahead, January to December."""


@dataclass(slots=True)
class World:
    """Calendar and prices of one run. Months are numbered from 0; the last one is that of `as_of` and is partial."""

    seed: int
    as_of: date
    months: int
    cities: list[City]
    offset: np.ndarray
    """Seconds that local time is ahead of UTC, by city."""
    month_on: list[date]
    first: np.ndarray
    """First day of each month and of the one after the last, as days since 1970."""
    plan_price: np.ndarray
    option_price: np.ndarray
    """Kopecks, [product, month], one month more than the history has."""
    bonus: BonusTerms = field(default_factory=lambda: operator().bonus)
    autopay: AutopayTerms = field(default_factory=AutopayTerms)
    _shares: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    _points: dict[tuple[int, bool], int] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The number of the last, partial month."""
        return len(self.month_on) - 1

    @property
    def today(self) -> int:
        return day_number(self.as_of)

    @property
    def start(self) -> int:
        return int(self.first[0])

    @property
    def end(self) -> int:
        """Nothing but the billing run of this very day happens at this second or later: midnight in Moscow."""
        return self.today * DAY - MOSCOW_SECONDS

    def part_of(self, prices_kopecks: np.ndarray, month: int, days: np.ndarray) -> np.ndarray:
        """What is charged for the rest of the month from each day on; the rule is asked once per price and day."""
        month_on = self.month_on[month]
        length = days_in_month(month_on)
        ahead = np.clip(days - self.first[month], 0, length - 1)
        result = np.zeros(len(days), dtype=np.int64)
        for price in np.unique(prices_kopecks).tolist():
            shares = self._shares.get((price, month))
            if shares is None:
                shares = [
                    prorate(monthly_kopecks=price, from_on=month_on.replace(day=day)).amount_kopecks
                    for day in range(1, length + 1)
                ]
                self._shares[price, month] = shares
            mine = prices_kopecks == price
            result[mine] = np.array(shares)[ahead[mine]]
        return result

    def points(self, amounts: np.ndarray, *, by_autopay: np.ndarray) -> np.ndarray:
        """Bonus points of payments; the rule is asked once per sum."""
        if not len(amounts):
            return np.zeros(0, dtype=np.int64)
        known = self._points
        result = []
        for sum_and_way in zip(amounts.tolist(), by_autopay.tolist(), strict=True):
            points = known.get(sum_and_way)
            if points is None:
                earned = points_for_payment(amount_kopecks=sum_and_way[0], by_autopay=sum_and_way[1], terms=self.bonus)
                points = known[sum_and_way] = earned.total
            result.append(points)
        if len(known) > 2_000_000:
            known.clear()
        return np.array(result, dtype=np.int64)

    def local(self, days: np.ndarray, seconds: np.ndarray, city: np.ndarray) -> np.ndarray:
        """The moments of local days and seconds of the day."""
        return days * DAY + seconds - self.offset[city]

    def local_day(self, moments: np.ndarray, city: np.ndarray) -> np.ndarray:
        """The local days of moments."""
        return (moments + self.offset[city]) // DAY

    def last_local_day(self, city: np.ndarray) -> np.ndarray:
        """The last local day that has ended, or is so far on that it counts: yesterday."""
        return np.full(len(city), self.today - 1)


def make_world(*, seed: int, as_of: date, months: int, cities: list[City], time_zones: dict[str, str]) -> World:
    """The world of a run whose history has `months` full months and the days of the current one before `as_of`."""
    first_on = add_months(month_start(as_of), -months)
    month_on = [add_months(first_on, step) for step in range(months + 1)]
    ahead = [*month_on, add_months(first_on, months + 1)]
    plan_steps, option_steps = prices(first=first_on, as_of=as_of)

    def grid(steps: list[list[tuple[date, int]]]) -> np.ndarray:
        return np.array([[max(step for step in product if step[0] <= month)[1] for month in ahead] for product in steps])

    # Russia has kept one time all year round since 2014, so one offset serves a whole history.
    noon = datetime(as_of.year, as_of.month, as_of.day, 12)  # noqa: DTZ001  # a wall-clock noon in each zone
    offsets = [noon.replace(tzinfo=ZoneInfo(time_zones[city.region])).utcoffset() for city in cities]
    return World(
        seed=seed,
        as_of=as_of,
        months=months,
        cities=cities,
        offset=np.array([int(offset.total_seconds()) for offset in offsets if offset is not None]),
        month_on=month_on,
        first=np.array([day_number(day) for day in ahead]),
        plan_price=grid(plan_steps),
        option_price=grid(option_steps),
    )


PLAN_SERVICE = np.array([list(type(PLANS[0].service)).index(plan.service) for plan in PLANS])
OPTION_SERVICE = np.array([list(type(PLANS[0].service)).index(option.service) for option in OPTIONS])
__all__ = ["NEVER", "World", "make_world"]
