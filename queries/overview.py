"""The analysts' overview: figures of whole months over any regions, and how they changed. Reads the monthly figures only.

What a figure means is said at `queries.figures.Measure`. Money is in kopecks, shares are 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pandas as pd
import sqlalchemy as sa
from sqlmodel import Session, col, select

from db import access
from models import MonthlyFigure, Option, Region
from queries.figures import NOWHERE, Measure
from rules.periods import add_months, month_start, months_between
from rules.terms import AutopayResult, Language, PaymentMethod, ServiceKind
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of the period, and of the equal period before it; None where it was not counted or has nothing to divide by."""

    now: float | None
    before: float | None = None

    @property
    def share(self) -> float | None:
        """How much more it is than before: 0.08 is 8 % more."""
        return None if self.now is None or not self.before else self.now / self.before - 1


@dataclass(frozen=True, eq=False)
class Overview:
    """Everything the overview shows. Frames by month have a row for every month of the period, in order, zeros included."""

    first: date
    last: date
    counted_at: datetime | None
    """When the latest of its months was last counted; None: never."""
    is_empty: bool
    """Nothing at all was counted in these months and regions."""
    paid: Change = field(default=Change(None))
    charged: Change = field(default=Change(None))
    arpu: Change = field(default=Change(None))
    """Charged per open contract and month."""
    accounts: Change = field(default=Change(None))
    autopay_accounts: Change = field(default=Change(None))
    """Share of open contracts that have a working rule, at the end."""
    autopay_money: Change = field(default=Change(None))
    """Share of what was paid."""
    visitors: Change = field(default=Change(None))
    """People who opened the portal, in an average month."""
    owed: Change = field(default=Change(None))
    """What accounts below zero owe, when last counted."""
    months: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By month: paid, charged, customers, new_customers, accounts, autopay_accounts, visitors, payments, declined;
    autopay_share (of contracts), autopay_success (of attempts that reached the bank; empty without any)."""
    methods: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By month, a column per payment method: kopecks paid."""
    services: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By month, a column per service: contracts open at its end."""
    options: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By code, most taken up first: name_ru, name_en, active, share (of contracts of its service), connected, disconnected."""
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By month, a column per result of an autopay attempt."""
    visits: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By screen, most opened first: visits."""
    refusals: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By reason, most frequent first: refusals."""


_COMPARED = (Measure.PAID, Measure.CHARGED, Measure.ACCOUNTS, Measure.AUTOPAY_ACCOUNTS, Measure.VISITORS, Measure.OVERDUE)


def counted_at(db: Session, *, visitor: Visitor, first: date, last: date) -> datetime | None:
    """When the latest of these months was last counted. Cheap: what was read for the same answer is still right.

    Raises NotAllowed unless the visitor is staff.
    """
    access.staff(visitor)
    newest = db.exec(
        select(sa.func.max(col(MonthlyFigure.value))).where(
            col(MonthlyFigure.month_on).in_(months_between(first, last)),
            MonthlyFigure.region_code == NOWHERE,
            MonthlyFigure.measure == Measure.COUNTED_AT,
            MonthlyFigure.part == "",
        )
    ).one()
    return None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)


def counted_months(db: Session, *, visitor: Visitor) -> tuple[date, date] | None:
    """The first and the last month there are figures of; None before the first count.

    Raises NotAllowed unless the visitor is staff.
    """
    access.staff(visitor)
    # Each by itself is the end of the index; both in one SELECT would be a scan on SQLite.
    ends = [sa.select(end(col(MonthlyFigure.month_on))).scalar_subquery() for end in (sa.func.min, sa.func.max)]
    first, last = db.execute(sa.select(*ends)).one()
    return None if first is None else (first, last)


def regions(db: Session, *, visitor: Visitor, language: Language) -> dict[str, str]:
    """Names of all regions by code, in alphabetical order of the language. Raises NotAllowed unless the visitor is staff."""
    access.staff(visitor)
    name = col(Region.name_en if language is Language.EN else Region.name_ru)
    return dict(sorted(db.exec(select(Region.code, name)).all(), key=lambda row: row[1]))


def overview(db: Session, *, visitor: Visitor, first: date, last: date, region_codes: Sequence[str] = ()) -> Overview:
    """Figures of the months from `first` to `last`; of the given regions, or of everywhere when none is given.

    Raises NotAllowed unless the visitor is staff.
    """
    access.staff(visitor)
    first, last = month_start(first), month_start(last)
    months = months_between(first, last)
    counted = counted_at(db, visitor=visitor, first=first, last=last)
    now = _read(db, first, last, region_codes)
    if not len(now):
        return Overview(first, last, counted, is_empty=True)
    before_first, before_last = add_months(first, -len(months)), add_months(first, -1)
    was_counted = counted_at(db, visitor=visitor, first=before_first, last=before_first) is not None
    before = _read(db, before_first, before_last, region_codes, _COMPARED) if was_counted else now.iloc[:0]
    told, told_before = _keys(now, months), _keys(before, months_between(before_first, before_last)) if was_counted else {}
    by_month = _by_month(now, months)
    return Overview(
        first,
        last,
        counted,
        is_empty=False,
        **{name: Change(value, told_before.get(name)) for name, value in told.items()},
        months=by_month,
        methods=_split(now, Measure.PAID, months, [method.value for method in PaymentMethod]),
        services=_split(now, Measure.ACCOUNTS, months, [service.value for service in ServiceKind]),
        options=_options(db, now, last),
        runs=_split(now, Measure.AUTOPAY_RUNS, months, [result.value for result in AutopayResult]),
        visits=_ranked(now, Measure.VISITS, "visits"),
        refusals=_ranked(now, Measure.REFUSALS, "refusals"),
    )


def _read(db: Session, first: date, last: date, region_codes: Sequence[str], measures: Sequence[Measure] = ()) -> pd.DataFrame:
    """month_on, measure, part, value: summed up over the regions."""
    query = (
        sa.select(
            col(MonthlyFigure.month_on),
            col(MonthlyFigure.measure),
            col(MonthlyFigure.part),
            sa.func.sum(col(MonthlyFigure.value)),
        )
        .where(
            col(MonthlyFigure.month_on).between(first, last),
            col(MonthlyFigure.measure) != Measure.COUNTED_AT,
        )
        .group_by(col(MonthlyFigure.month_on), col(MonthlyFigure.measure), col(MonthlyFigure.part))
    )
    if region_codes:
        query = query.where(col(MonthlyFigure.region_code).in_(region_codes))
    if measures:
        query = query.where(col(MonthlyFigure.measure).in_(measures))
    rows = [(month, measure, part, int(value)) for month, measure, part, value in db.execute(query)]
    return pd.DataFrame(rows, columns=["month_on", "measure", "part", "value"])


def _of(figures: pd.DataFrame, measure: Measure, months: list[date], part: str | None = None) -> pd.Series:
    """One measure by month; zero where there is none."""
    found = figures[figures["measure"] == measure.value]
    if part is not None:
        found = found[found["part"] == part]
    return found.groupby("month_on")["value"].sum().reindex(months, fill_value=0)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _keys(figures: pd.DataFrame, months: list[date]) -> dict[str, float | None]:
    """The key figures of a period, by the name of their field in `Overview`."""
    total = {measure: _of(figures, measure, months) for measure in _COMPARED}
    paid, charged, accounts = (int(total[of].sum()) for of in (Measure.PAID, Measure.CHARGED, Measure.ACCOUNTS))
    at_end = int(total[Measure.ACCOUNTS].iloc[-1])
    by_autopay = int(_of(figures, Measure.PAID, months, PaymentMethod.AUTOPAY.value).sum())
    owed = total[Measure.OVERDUE]
    return {
        "paid": paid,
        "charged": charged,
        "arpu": _ratio(charged, accounts),
        "accounts": at_end,
        "autopay_accounts": _ratio(int(total[Measure.AUTOPAY_ACCOUNTS].iloc[-1]), at_end),
        "autopay_money": _ratio(by_autopay, paid),
        "visitors": int(total[Measure.VISITORS].sum()) / len(months),
        "owed": int(owed.iloc[-1]) if (figures["measure"] == Measure.OVERDUE.value).any() else None,
    }


def _by_month(figures: pd.DataFrame, months: list[date]) -> pd.DataFrame:
    shown = (
        Measure.PAID,
        Measure.CHARGED,
        Measure.CUSTOMERS,
        Measure.NEW_CUSTOMERS,
        Measure.ACCOUNTS,
        Measure.AUTOPAY_ACCOUNTS,
        Measure.VISITORS,
        Measure.PAYMENTS,
        Measure.DECLINED,
    )
    frame = pd.DataFrame({measure.value: _of(figures, measure, months) for measure in shown})
    frame["autopay_share"] = frame["autopay_accounts"] / frame["accounts"].where(frame["accounts"] > 0)
    succeeded = _of(figures, Measure.AUTOPAY_RUNS, months, AutopayResult.SUCCEEDED.value)
    tried = succeeded + _of(figures, Measure.AUTOPAY_RUNS, months, AutopayResult.DECLINED.value)
    frame["autopay_success"] = succeeded / tried.where(tried > 0)
    return frame


def _split(figures: pd.DataFrame, measure: Measure, months: list[date], parts: Sequence[str]) -> pd.DataFrame:
    """One measure by month with a column per part, in the order given."""
    found = figures[figures["measure"] == measure.value]
    wide = found.pivot_table(index="month_on", columns="part", values="value", aggfunc="sum", fill_value=0)
    return wide.reindex(index=months, columns=list(parts), fill_value=0).astype("int64")


def _ranked(figures: pd.DataFrame, measure: Measure, name: str) -> pd.DataFrame:
    found = figures[figures["measure"] == measure.value].groupby("part")["value"].sum()
    return found.sort_values(ascending=False, kind="stable").rename(name).to_frame()


def _options(db: Session, figures: pd.DataFrame, last: date) -> pd.DataFrame:
    """Options that were held or changed in the period."""
    catalogue = db.exec(select(Option.code, Option.name_ru, Option.name_en, Option.service).order_by(col(Option.position)))
    frame = pd.DataFrame(catalogue.all(), columns=["code", "name_ru", "name_en", "service"]).set_index("code")
    at_end = figures[figures["month_on"] == last]

    def by_part(rows: pd.DataFrame, measure: Measure) -> pd.Series:
        return rows[rows["measure"] == measure.value].groupby("part")["value"].sum()

    contracts = by_part(at_end, Measure.ACCOUNTS)
    frame["active"] = by_part(at_end, Measure.OPTION_ACTIVE)
    frame["connected"] = by_part(figures, Measure.OPTION_CONNECTED)
    frame["disconnected"] = by_part(figures, Measure.OPTION_DISCONNECTED)
    counts = ["active", "connected", "disconnected"]
    frame[counts] = frame[counts].fillna(0).astype("int64")
    frame["share"] = frame["active"] / frame["service"].map(contracts)
    return (
        frame[frame[counts].any(axis=1)]
        .drop(columns="service")
        .sort_values(["share", "connected"], ascending=False, kind="stable")
    )
