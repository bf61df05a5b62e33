"""Counting the monthly figures: everything the analysts' overview shows, summed up beforehand by month and region.

A month here is the operator's accounting month: the calendar month of a moment at UTC+3, the operator's business time.
One ledger row then falls into one month whoever looks at it, and the months of all regions add up; payments of a
customer are drawn by the same months. Days (`…_on`) are taken as they are stored.

Counting only reads; storing is short. `jobs.figures` does them apart, so that nobody waits for a write meanwhile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement

import clock
from models import (
    AuditEntry,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    MonthlyFigure,
    Option,
    Payment,
    PaymentPart,
    PortalVisit,
    Subscription,
    Transfer,
)
from rules.periods import month_end, month_start, months_between, next_month
from rules.terms import CHARGE_CODES, AutopayState, LedgerKind, Outcome, PaymentState, Role, TransferCode

ACCOUNTING_TIME = timezone(timedelta(hours=3))
"""UTC+3. Moscow has kept it all year round since 2014, so a fixed offset is exact and the databases can reckon it."""

NOWHERE = ""
"""The region of what has none: an attempt by somebody who was not signed in."""


class Measure(StrEnum):
    """What is counted; sums of money in kopecks. In brackets: what `part` splits it by."""

    PAID = "paid"
    """Top-ups of accounts [payment method], by the moment of the transfer."""
    CHARGED = "charged"
    """Plan, option, one-off and late fees [service]."""
    PAYMENTS = "payments"
    """Succeeded payments [method]; one for several accounts counts once, where its first account is."""
    DECLINED = "declined"
    """Declined payments [method], counted likewise."""
    ACCOUNTS = "accounts"
    """Contracts open at the end of the month [service]; of the current month: today."""
    OPTION_ACTIVE = "option_active"
    """Accounts with the option at the end of the month [option code]."""
    OPTION_CONNECTED = "option_connected"
    OPTION_DISCONNECTED = "option_disconnected"
    """Ends of an option [code]; a one-off option that has run out is an end too, so that active + connected − ended agrees."""
    CUSTOMERS = "customers"
    """People registered in the portal by the end of the month."""
    NEW_CUSTOMERS = "new_customers"
    AUTOPAY_ACCOUNTS = "autopay_accounts"
    """Accounts with a working rule at the end of the month. A rule that is paused or deleted now counts until that change."""
    AUTOPAY_RUNS = "autopay_runs"
    """Attempts [result]."""
    VISITS = "visits"
    """Screens opened by customers [screen]; staff are not counted."""
    VISITORS = "visitors"
    """Different customers who opened any screen. Months cannot be added up: people come again."""
    REFUSALS = "refusals"
    """What the portal refused [reason]; region of the person, else of the account, else none."""
    OVERDUE = "overdue"
    """What accounts below zero owe. Counted for the current month only, as of now; earlier months keep their last count."""
    COUNTED_AT = "counted_at"
    """When the month was last counted: milliseconds since 1970, UTC; without a region."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of `MonthlyFigure`, not stored yet."""

    month_on: date
    region_code: str
    measure: Measure
    part: str
    value: int


def accounting_month(moment: datetime) -> date:
    """The first day of the accounting month of an aware moment."""
    return month_start(moment.astimezone(ACCOUNTING_TIME).date())


def month_begins_at(month_on: date) -> datetime:
    """The first moment (aware, UTC) of an accounting month."""
    return datetime.combine(month_on, time(), ACCOUNTING_TIME).astimezone(UTC)


class _MonthOfMoment(sa.sql.functions.FunctionElement[date]):
    """SQL for `accounting_month()`."""

    type = sa.Date()
    inherit_cache = True


class _MonthOfDay(sa.sql.functions.FunctionElement[date]):
    """SQL for `month_start()`."""

    type = sa.Date()
    inherit_cache = True


@compiles(_MonthOfMoment, "sqlite")
def _moment_on_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    return f"date({compiler.process(element.clauses, **how)}, '+3 hours', 'start of month')"


@compiles(_MonthOfMoment, "postgresql")
def _moment_on_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    return f"CAST(date_trunc('month', timezone('UTC', {compiler.process(element.clauses, **how)}) + interval '3 hours') AS date)"


@compiles(_MonthOfDay, "sqlite")
def _day_on_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    return f"date({compiler.process(element.clauses, **how)}, 'start of month')"


@compiles(_MonthOfDay, "postgresql")
def _day_on_postgresql(element: Any, compiler: Any, **how: Any) -> str:
    return f"CAST(date_trunc('month', {compiler.process(element.clauses, **how)}) AS date)"


def _table(model: type[Any]) -> sa.Table:
    table: sa.Table = model.__table__
    return table


_account, _customer, _transfer = _table(BillingAccount), _table(Customer), _table(Transfer)
_payment, _payment_part, _option = _table(Payment), _table(PaymentPart), _table(Option)
_subscription, _rule, _run = _table(Subscription), _table(AutopayRule), _table(AutopayRun)
_visit, _audit, _ledger, _figure = _table(PortalVisit), _table(AuditEntry), _table(LedgerAccount), _table(MonthlyFigure)

_ONE: ColumnElement[str] = sa.literal_column("''")
_COUNT = sa.func.count()
_SHORT = 6
"""Months: up to so many are looked up by index; more are read in one scan of the table, which is then quicker."""


def _text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A term as the text it is stored as."""
    return sa.type_coerce(column, sa.String)


@dataclass(frozen=True, slots=True)
class _Span:
    """The months from `first` to `last`, and the day it is."""

    first: date
    last: date
    today: date

    def moments(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """A short span is found by the index of the moment; a long one is quicker read through, and `covers()` sifts."""
        if len(months_between(self.first, self.last)) > _SHORT:
            return column.is_not(None)
        return sa.and_(column >= month_begins_at(self.first), column < month_begins_at(next_month(self.last)))

    def days(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        return sa.and_(column >= self.first, column <= min(month_end(self.last), self.today))

    def covers(self, month_on: date) -> bool:
        return self.first <= month_on <= self.last


def _sums(what: ColumnElement[Any], month: Any, region: Any, part: Any, source: Any, *where: Any) -> sa.Select[Any]:
    return (
        sa.select(month.label("month_on"), region.label("region"), part.label("part"), what.label("value"))
        .select_from(source)
        .where(*where)
        .group_by(sa.text("1"), sa.text("2"), sa.text("3"))
    )


def _moved(span: _Span) -> sa.Select[Any]:
    """All money in one pass over the ledger: month, region, is_paid, part (method or service), kopecks, payments.

    A payment for several accounts has a transfer for each; the one of the first account stands for the payment.
    """
    is_paid = _transfer.c.code == TransferCode.TOP_UP
    earlier = sa.exists().where(
        _payment_part.c.payment_id == _transfer.c.payment_id,
        _payment_part.c.billing_account_id < _transfer.c.billing_account_id,
    )
    return (
        sa.select(
            _MonthOfMoment(_transfer.c.occurred_at).label("month_on"),
            _account.c.region_code.label("region"),
            sa.case((is_paid, 1), else_=0).label("is_paid"),
            sa.case((is_paid, _text(_payment.c.method)), else_=_text(_account.c.service)).label("part"),
            sa.func.sum(_transfer.c.amount_kopecks).label("kopecks"),
            sa.func.sum(sa.case((sa.and_(is_paid, ~earlier), 1), else_=0)).label("payments"),
        )
        .select_from(
            _transfer.join(_account, _account.c.id == _transfer.c.billing_account_id).outerjoin(
                _payment, _payment.c.id == _transfer.c.payment_id
            )
        )
        .where(_transfer.c.code.in_((TransferCode.TOP_UP, *CHARGE_CODES)), span.moments(_transfer.c.occurred_at))
        .group_by(*(sa.text(str(place)) for place in range(1, 5)))
    )


def _money(connection: sa.Connection, span: _Span) -> Iterator[Figure]:
    for row in connection.execute(_moved(span)):
        measure = Measure.PAID if row.is_paid else Measure.CHARGED
        yield Figure(row.month_on, row.region, measure, row.part, int(row.kopecks))
        if row.payments:
            yield Figure(row.month_on, row.region, Measure.PAYMENTS, row.part, int(row.payments))


def _shortfalls(span: _Span) -> Iterator[tuple[Measure, sa.Select[Any]]]:
    """Money that did not come: declined payments, and what is owed now."""
    declined = (
        sa.select(
            _payment.c.method,
            _payment.c.settled_at,
            sa.func.min(_payment_part.c.billing_account_id).label("account_id"),
        )
        .join(_payment_part, _payment_part.c.payment_id == _payment.c.id)
        .where(_payment.c.state == PaymentState.DECLINED, span.moments(_payment.c.settled_at))
        .group_by(_payment.c.id)
        .subquery()
    )
    yield (
        Measure.DECLINED,
        _sums(
            _COUNT,
            _MonthOfMoment(declined.c.settled_at),
            _account.c.region_code,
            _text(declined.c.method),
            declined.join(_account, _account.c.id == declined.c.account_id),
        ),
    )
    if span.last == month_start(span.today):
        yield (
            Measure.OVERDUE,
            _sums(
                -sa.func.sum(_ledger.c.balance_kopecks),
                sa.literal(span.last, sa.Date),
                _account.c.region_code,
                _ONE,
                _ledger.join(_account, _account.c.id == _ledger.c.billing_account_id),
                _ledger.c.kind == LedgerKind.CUSTOMER,
                _ledger.c.balance_kopecks < 0,
            ),
        )


def _visited(connection: sa.Connection, span: _Span) -> Iterator[Figure]:
    """Visits and visitors, from one pass over the visits."""
    each = (
        sa.select(_MonthOfMoment(_visit.c.at).label("month_on"), _visit.c.customer_id, _visit.c.screen, _COUNT.label("visits"))
        .where(span.moments(_visit.c.at))
        .group_by(sa.text("1"), sa.text("2"), sa.text("3"))
        .cte("each_person")
    )
    people = each.join(_customer, _customer.c.id == each.c.customer_id)
    is_customer = _customer.c.role == Role.CUSTOMER
    visits, visitors = sa.func.sum(each.c.visits), sa.func.count(each.c.customer_id.distinct())
    both = sa.union_all(
        _sums(visits, each.c.month_on, _customer.c.region_code, each.c.screen, people, is_customer).add_columns(
            sa.literal(1).label("kind")
        ),
        _sums(visitors, each.c.month_on, _customer.c.region_code, _ONE, people, is_customer).add_columns(
            sa.literal(2).label("kind")
        ),
    )
    for row in connection.execute(both):
        yield Figure(row.month_on, row.region, Measure.VISITS if row.kind == 1 else Measure.VISITORS, row.part, int(row.value))


def _happenings(span: _Span) -> Iterator[tuple[Measure, sa.Select[Any]]]:
    """What is counted by the month it happened in."""
    of_option = _subscription.join(_option, _option.c.id == _subscription.c.option_id).join(
        _account, _account.c.id == _subscription.c.billing_account_id
    )
    for measure, day in (
        (Measure.OPTION_CONNECTED, _subscription.c.started_on),
        (Measure.OPTION_DISCONNECTED, _subscription.c.ended_on),
    ):
        yield measure, _sums(_COUNT, _MonthOfDay(day), _account.c.region_code, _option.c.code, of_option, span.days(day))
    yield (
        Measure.NEW_CUSTOMERS,
        _sums(
            _COUNT,
            _MonthOfMoment(_customer.c.registered_at),
            _customer.c.region_code,
            _ONE,
            _customer,
            _customer.c.role == Role.CUSTOMER,
            span.moments(_customer.c.registered_at),
        ),
    )
    yield (
        Measure.AUTOPAY_RUNS,
        _sums(
            _COUNT,
            _MonthOfMoment(_run.c.ran_at),
            _account.c.region_code,
            _text(_run.c.result),
            _run.join(_account, _account.c.id == _run.c.billing_account_id),
            span.moments(_run.c.ran_at),
        ),
    )
    yield (
        Measure.REFUSALS,
        _sums(
            _COUNT,
            _MonthOfMoment(_audit.c.at),
            sa.func.coalesce(_customer.c.region_code, _account.c.region_code, sa.literal_column(f"'{NOWHERE}'")),
            _audit.c.reason,
            _audit.outerjoin(_customer, _customer.c.id == _audit.c.customer_id).outerjoin(
                _account, _account.c.id == _audit.c.billing_account_id
            ),
            _audit.c.outcome == Outcome.REFUSED,
            span.moments(_audit.c.at),
        ),
    )


def _standing(span: _Span) -> Iterator[tuple[Measure, sa.Select[Any]]]:
    """What there is at the end of a month: everything that began by then, less everything that ended by then.

    Begins and ends before the span are brought to its first month: only their sum matters.
    """
    months = _months(span)

    def standing(*changes: sa.Select[Any]) -> sa.Select[Any]:
        change = sa.union_all(*changes).subquery()
        value = sa.func.sum(change.c.value)
        return _sums(
            value, months.c.month_on, change.c.region, change.c.part, months.join(change, change.c.month_on <= months.c.month_on)
        ).having(value != 0)

    def changes(sign: int, column: Any, region: Any, part: Any, source: Any, *where: Any) -> sa.Select[Any]:
        by_day = isinstance(column.type, sa.Date)
        month = (_MonthOfDay if by_day else _MonthOfMoment)(column)
        until = column <= span.today if by_day else column < month_begins_at(next_month(span.last))
        return _sums(_COUNT * sign, month, region, part, source, until, *where)

    service = _text(_account.c.service)
    yield (
        Measure.ACCOUNTS,
        standing(
            changes(1, _account.c.opened_on, _account.c.region_code, service, _account),
            changes(-1, _account.c.closed_on, _account.c.region_code, service, _account),
        ),
    )
    of_option = _subscription.join(_option, _option.c.id == _subscription.c.option_id).join(
        _account, _account.c.id == _subscription.c.billing_account_id
    )
    yield (
        Measure.OPTION_ACTIVE,
        standing(
            changes(1, _subscription.c.started_on, _account.c.region_code, _option.c.code, of_option),
            changes(-1, _subscription.c.ended_on, _account.c.region_code, _option.c.code, of_option),
        ),
    )
    yield (
        Measure.CUSTOMERS,
        standing(
            changes(1, _customer.c.registered_at, _customer.c.region_code, _ONE, _customer, _customer.c.role == Role.CUSTOMER)
        ),
    )
    works = _rule.c.state == AutopayState.ACTIVE
    yield (
        Measure.AUTOPAY_ACCOUNTS,
        _sums(
            sa.func.count(_rule.c.billing_account_id.distinct()),
            months.c.month_on,
            _account.c.region_code,
            _ONE,
            months.join(
                _rule,
                sa.and_(
                    _rule.c.created_at < months.c.ends_at,
                    sa.or_(works, _rule.c.changed_at >= months.c.ends_at),
                ),
            ).join(_account, _account.c.id == _rule.c.billing_account_id),
        ),
    )


def _months(span: _Span) -> sa.Subquery:
    """A row per month of the span: its first day, and the moment after its end."""

    def row(month: date) -> sa.Select[Any]:
        ends_at = sa.literal(month_begins_at(next_month(month)), _rule.c.created_at.type)
        return sa.select(sa.literal(month, sa.Date).label("month_on"), ends_at.label("ends_at"))

    return sa.union_all(*(row(month) for month in months_between(span.first, span.last))).subquery("months")


def _first_month(connection: sa.Connection, today: date) -> date:
    """The accounting month in which the ledger begins; without a ledger, the first visit's, else the current one.

    People, contracts and refusals may be older; what stands is in the figures from then on.
    """
    for column in (_transfer.c.occurred_at, _visit.c.at):
        moment = connection.scalar(sa.select(sa.func.min(column)))
        if moment is not None:
            return min(accounting_month(moment), month_start(today))
    return month_start(today)


def _runs(months: Sequence[date]) -> Iterator[tuple[date, date]]:
    """The months as unbroken runs (first, last): each run is one pass over the tables."""
    wanted = sorted({month_start(month) for month in months})
    first = previous = None
    for month in wanted:
        if previous is not None and month != next_month(previous):
            assert first is not None
            yield first, previous
            first = month
        first, previous = first or month, month
    if first is not None and previous is not None:
        yield first, previous


def count(connection: sa.Connection, *, months: Sequence[date] | None = None, today: date) -> list[Figure]:
    """The figures of the given months (all from the first with data to the current one, when None), from the tables.

    `today` is the accounting day; months after it have no figures. Reads only.
    """
    current = month_start(today)
    if months is None:
        months = months_between(_first_month(connection, today), current)
    found: list[Figure] = []
    for first, last in _runs([month for month in months if month_start(month) <= current]):
        span = _Span(first, last, today)
        found += [figure for figure in _counted(connection, span) if span.covers(figure.month_on)]
        counted_at = round(clock.now().timestamp() * 1000)
        found += [Figure(month, NOWHERE, Measure.COUNTED_AT, "", counted_at) for month in months_between(first, last)]
    return found


def _counted(connection: sa.Connection, span: _Span) -> Iterator[Figure]:
    yield from _money(connection, span)
    yield from _visited(connection, span)
    for source in (_shortfalls, _happenings, _standing):
        for measure, query in source(span):
            for row in connection.execute(query):
                yield Figure(row.month_on, row.region, measure, row.part, int(row.value))


def store(connection: sa.Connection, figures: Sequence[Figure], *, today: date) -> None:
    """Put the figures in place of those of the same months; the caller commits.

    What was owed in a month that is over cannot be counted again, so its last count stays. On PostgreSQL two
    recounts wait for each other.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE monthly_figure IN SHARE ROW EXCLUSIVE MODE"))
    for month in {figure.month_on for figure in figures}:
        replaced = sa.true() if month == month_start(today) else _figure.c.measure != Measure.OVERDUE.value
        connection.execute(sa.delete(_figure).where(_figure.c.month_on == month, replaced))
    rows = [
        {
            "month_on": figure.month_on,
            "region_code": figure.region_code,
            "measure": figure.measure.value,
            "part": figure.part,
            "value": figure.value,
        }
        for figure in figures
    ]
    if rows:
        connection.execute(sa.insert(_figure), rows)


def rebuild(connection: sa.Connection, *, months: Sequence[date] | None = None, today: date) -> int:
    """Recount the months (all when None) and replace their figures, in the caller's transaction. Returns how many there are.

    Counting all months also forgets what an earlier history left behind.
    """
    figures = count(connection, months=months, today=today)
    if months is None:
        connection.execute(sa.delete(_figure))
    store(connection, figures, today=today)
    return len(figures)
