"""Why a bill differs from an earlier one of the same account: told by line, in parts that add up to the difference exactly.

A bill keeps what was charged and for which days, not the monthly price. A part of a month is charged rounded down
(`rules.proration`), so its price is known to within a few kopecks; of the prices that fit, the roundest is told. Whatever
rounding leaves stays inside the part of the price, so nothing is ever unexplained.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain
from typing import Any

from rules.periods import month_end, month_start, next_month
from rules.terms import TransferCode


class ChangeKind(StrEnum):
    """PLAN: another plan. PRICE: another monthly price. DAYS: charged for more or fewer days. ROUNDING: a kopeck or so between
    the same days charged at once and in pieces. ONE_OFF and LATE_FEE are there, gone, or of another size. SAME: as before."""

    ADDED = "added"
    REMOVED = "removed"
    PLAN = "plan"
    PRICE = "price"
    DAYS = "days"
    ROUNDING = "rounding"
    ONE_OFF = "one_off"
    LATE_FEE = "late_fee"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One line of a bill: the first and the last day charged, kopecks above 0. `product` is any key of the plan or option."""

    code: TransferCode
    product: str
    from_on: date
    to_on: date
    amount_kopecks: int


@dataclass(frozen=True, slots=True)
class BilledMonth:
    """A bill: the first day of its month, and its lines. Its total is theirs."""

    month_on: date
    lines: tuple[BilledLine, ...]

    @property
    def total_kopecks(self) -> int:
        return sum(line.amount_kopecks for line in self.lines)


@dataclass(frozen=True, slots=True)
class Days:
    """So many days of a month."""

    charged: int
    in_month: int

    @property
    def are_all(self) -> bool:
        return self.charged == self.in_month


@dataclass(frozen=True, slots=True)
class Change:
    """One part of the difference, signed kopecks: above 0 made the bill larger.

    `before_kopecks` and `now_kopecks` are all that was charged for the product; of a change of both price and days each part
    carries them. `product_before` is the plan that was there before, PLAN only. Monthly prices are of plans and options.
    `on`: the day it begins or the other plan or price holds from; of what was removed the last day charged; None elsewhere.
    """

    kind: ChangeKind
    code: TransferCode
    product: str
    kopecks: int
    before_kopecks: int = 0
    now_kopecks: int = 0
    product_before: str = ""
    monthly_before_kopecks: int | None = None
    monthly_now_kopecks: int | None = None
    days_before: Days | None = None
    days_now: Days | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True)
class BillDifference:
    """The difference of two bills, the largest part first, what is the same last. Kopecks.

    `skips_months`: there is no bill for the month in between, and `before_on` is the latest month that has one.
    """

    month_on: date
    before_on: date
    total_kopecks: int
    before_kopecks: int
    changes: tuple[Change, ...]

    @property
    def kopecks(self) -> int:
        return self.total_kopecks - self.before_kopecks

    @property
    def skips_months(self) -> bool:
        return next_month(self.before_on) != self.month_on


def explain(*, now: BilledMonth, before: BilledMonth) -> BillDifference:
    """What makes `now` differ from an earlier bill. The kopecks of the changes add up to the difference of the totals.

    Full months of different length do not differ by that. Raises ValueError unless `before` is of an earlier month.
    """
    if before.month_on >= now.month_on:
        raise ValueError("the other bill is not an earlier one")
    groups = dict.fromkeys(_group(line) for line in (*now.lines, *before.lines))
    changes = chain.from_iterable(
        _changes(
            group[0],
            _Side(before.month_on, [line for line in before.lines if _group(line) == group]),
            _Side(now.month_on, [line for line in now.lines if _group(line) == group]),
        )
        for group in groups
    )
    return BillDifference(
        month_on=now.month_on,
        before_on=before.month_on,
        total_kopecks=now.total_kopecks,
        before_kopecks=before.total_kopecks,
        changes=tuple(sorted(changes, key=lambda change: -abs(change.kopecks))),
    )


def _group(line: BilledLine) -> tuple[TransferCode, str]:
    """Lines that are one thing. All plans are: there is one at a time."""
    alone = line.code in (TransferCode.PLAN_FEE, TransferCode.LATE_FEE)
    return line.code, "" if alone else line.product


class _Side:
    """The lines of one thing on one bill, by day, each with its monthly price in kopecks."""

    def __init__(self, month_on: date, lines: Iterable[BilledLine]) -> None:
        self.first, self.last = month_start(month_on), month_end(month_on)
        self.lines = sorted(lines, key=lambda line: (line.from_on, line.to_on))
        self.kopecks = sum(line.amount_kopecks for line in self.lines)
        self.days = Days(len({day for line in self.lines for day in self._days(line)}), self.last.day)
        self.spans = [self._prices(line) for line in self.lines]
        common = _common(self.spans)
        self.monthly = [_roundest(*(common or span)) for span in self.spans]

    def _days(self, line: BilledLine) -> range:
        """Its days of this month; a line that has none counts as the first."""
        first, last = max(line.from_on, self.first), min(line.to_on, self.last)
        return range(first.day, last.day + 1) if first <= last else range(1, 2)

    def _prices(self, line: BilledLine) -> tuple[int, int]:
        """The least and the most that a month may cost for the line to be what it is."""
        days, length = len(self._days(line)), self.last.day
        return -(-line.amount_kopecks * length // days), -(-(line.amount_kopecks + 1) * length // days) - 1

    def would_cost(self, days: Days) -> int:
        """What as many days as those would have cost, rounded down; at the average price when there were several."""
        price, of = self.monthly[0], 1
        if len(set(self.monthly)) > 1:
            price, of = self.kopecks * self.days.in_month, self.days.charged
        return price * days.charged // (of * days.in_month)


def _common(spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The prices that fit all lines, from the least to the most."""
    low, high = max((low for low, _ in spans), default=0), min((high for _, high in spans), default=0)
    return (low, high) if low <= high else None


def _roundest(low: int, high: int) -> int:
    """Prices are whole roubles, seldom tens of kopecks. No span is as wide as a rouble, so one such fits at most."""
    return next(high // step * step for step in (100, 50, 10, 5, 1) if high // step * step >= low)


def _changes(code: TransferCode, before: _Side, now: _Side) -> Iterator[Change]:
    """The change of one thing; two of them where both price and days are other."""
    kopecks = now.kopecks - before.kopecks
    newest, sums = (now.lines or before.lines)[-1].product, (before.kopecks, now.kopecks)
    if code in (TransferCode.ONE_OFF, TransferCode.LATE_FEE):
        kind = ChangeKind.LATE_FEE if code is TransferCode.LATE_FEE else ChangeKind.ONE_OFF
        yield Change(kind if kopecks else ChangeKind.SAME, code, newest, kopecks, *sums)
    elif not before.lines:
        yield Change(ChangeKind.ADDED, code, newest, kopecks, *sums, on=now.lines[0].from_on, days_now=now.days,
                     monthly_now_kopecks=now.monthly[-1])  # fmt: skip
    elif not now.lines:
        yield Change(ChangeKind.REMOVED, code, newest, kopecks, *sums, on=before.lines[-1].to_on, days_before=before.days,
                     monthly_before_kopecks=before.monthly[-1])  # fmt: skip
    else:
        yield from _of_both(code, before, now)


def _of_both(code: TransferCode, before: _Side, now: _Side) -> Iterator[Change]:
    """The change of something that both bills have."""
    products = [[line.product for line in side.lines] for side in (before, now)]
    old, new = _differing(*products)
    other_plan = products[0][old] != products[1][new]
    values = products if other_plan else [before.monthly, now.monthly]
    old, new = _differing(*values)
    other_price = other_plan or _common([*before.spans, *now.spans]) is None
    as_many_days = before.days.charged * now.days.in_month == now.days.charged * before.days.in_month

    def change(kind: ChangeKind, kopecks: int, *, on: date | None = None, product_before: str = "") -> Change:
        return Change(
            kind=kind,
            code=code,
            product=products[1][new],
            kopecks=kopecks,
            before_kopecks=before.kopecks,
            now_kopecks=now.kopecks,
            product_before=product_before,
            monthly_before_kopecks=before.monthly[old],
            monthly_now_kopecks=now.monthly[new],
            days_before=before.days,
            days_now=now.days,
            on=on,
        )

    whole = now.kopecks - before.kopecks
    by_days = 0
    if not as_many_days:
        # The days at the old price, the price on the new days: what rounding leaves falls to the price.
        by_days = before.would_cost(now.days) - before.kopecks if other_price else whole
    rest = whole - by_days
    if by_days:
        yield change(ChangeKind.DAYS, by_days)
    if other_plan:
        begun = _since(before, now, values, new)
        yield change(ChangeKind.PLAN, rest, on=begun, product_before=products[0][old])
    elif rest and other_price:
        yield change(ChangeKind.PRICE, rest, on=_since(before, now, values, new))
    elif rest:
        yield change(ChangeKind.ROUNDING, rest)
    elif not by_days:
        yield change(ChangeKind.SAME, 0)


def _differing(before: Sequence[Any], now: Sequence[Any]) -> tuple[int, int]:
    """Where two runs differ: what was there first and what is there last, else the next best; the ends where they do not."""
    pairs = ((0, -1), (-1, -1), *((0, place) for place in range(len(now))), *((place, -1) for place in range(len(before))))
    old, new = next((pair for pair in pairs if before[pair[0]] != now[pair[1]]), (0, -1))
    return old, new % len(now)


def _since(before: _Side, now: _Side, values: Sequence[Sequence[Any]], place: int) -> date:
    """The day from which it has been as in that line of `now`."""
    lines, run, at = [*before.lines, *now.lines], [*values[0], *values[1]], len(before.lines) + place
    while at and run[at - 1] == run[at]:
        at -= 1
    return lines[at].from_on
