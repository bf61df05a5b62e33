"""The background as staff see it: what waits, what was done when, what failed, which letters nobody would take.

Counted from the domain's own rows, not from the engine's. Every count has an index; times are aware UTC.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from db import access
from models import (
    AutopayRule,
    AutopayRun,
    BillingAccount,
    CardSetup,
    DataExport,
    JobRun,
    Message,
    Notice,
    Order,
    Payment,
    Refund,
)
from queries.figures import ACCOUNTING_TIME
from rules.numbers import mask_email, mask_phone
from rules.periods import month_start
from rules.terms import Channel, ExportState, MessageState, PaymentState, Role
from rules.visitor import Visitor

LOOK_BACK = timedelta(days=7)
MOST_FAILURES = 20
LETTER_DAYS = 14
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Queue:
    """So many things wait; `since` is the moment the first of them was due (`retries`: will be), None when nothing waits."""

    name: str
    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last time that a job did something or failed."""

    job: str
    started_at: datetime
    finished_at: datetime | None
    items: int
    trouble: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A job failed so many times with the same trouble, the last time at `last_at`."""

    job: str
    trouble: str
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class DayOfLetters:
    """Letters and text messages written on a day of Moscow, by what became of them."""

    day: date
    by_state: dict[MessageState, int]


@dataclass(frozen=True, slots=True)
class Trouble:
    """So many dead letters for the same reason; `with_words` of them can be sent again."""

    trouble: str
    count: int
    with_words: int
    since: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A letter that was given up. `recipient` is masked. `has_words`: it can be sent again."""

    message_id: int
    recipient: str
    about: str
    subject: str
    attempts: int
    trouble: str
    written_at: datetime
    dead_at: datetime
    has_words: bool


# --- what waits now -------------------------------------------------------------------------------------
def waiting(db: Session, *, visitor: Visitor, now: datetime) -> list[Queue]:
    """What waits to be done, queue by queue, in the order of a day; for any staff. Raises NotAllowed."""
    access.staff(visitor)
    queues = [(name, *db.execute(counted).one()) for name, counted in _queues(now).items()]
    bills = db.execute(sa.select(sa.func.count()).where(_unbilled(now))).scalar_one()
    queues.insert(5, ("bills", bills, _billing_moment(now) if bills else None))
    return [Queue(name, int(count), since) for name, count, since in queues]


def _queues(now: datetime) -> "dict[str, sa.Select[Any]]":
    # Conditions are as the indexes have them, so that SQLite sees that those serve; by "is not null" it does not go.
    pending: sa.ColumnElement[str] = sa.literal_column("'pending'")
    active: sa.ColumnElement[str] = sa.literal_column("'active'")

    def of(moment: Any, *which: Any) -> "sa.Select[Any]":
        return sa.select(func.count(), func.min(moment)).where(*which)

    rule_due = col(AutopayRule.due_at)
    return {
        "orders": of(col(Order.due_at), col(Order.closed_at).is_(None), col(Order.due_at) <= now),
        "payments": of(col(Payment.created_at), col(Payment.state) == pending),
        "refunds": of(col(Refund.created_at), col(Refund.state) == PaymentState.PENDING),
        "cards": of(col(CardSetup.created_at), col(CardSetup.state) == PaymentState.PENDING),
        "autopay": of(rule_due, col(AutopayRule.state) == active, rule_due <= now),
        "autopay_asked": of(col(AutopayRun.ran_at), col(AutopayRun.result) == pending),
        "autopay_again": of(rule_due, col(AutopayRule.state) == active, rule_due > now, col(AutopayRule.due_attempt) > 1),
        "notices": of(col(Notice.created_at), sa.text("by_email AND mailed_at IS NULL")),
        "letters": of(col(Message.created_at), col(Message.next_try_at) > LONG_AGO, col(Message.state) == MessageState.QUEUED),
        "letters_dead": of(col(Message.dead_at), col(Message.dead_at).is_not(None)),
        "exports": of(col(DataExport.requested_at), col(DataExport.state).in_((ExportState.QUEUED, ExportState.RUNNING))),
    }  # fmt: skip


def _billing_moment(now: datetime) -> datetime:
    """When the billing day of this month began."""
    first = month_start(now.astimezone(ACCOUNTING_TIME).date())
    return datetime.combine(first, time(), ACCOUNTING_TIME)


def _unbilled(now: datetime) -> "sa.ColumnElement[bool]":
    """Accounts that have not been through the latest billing day; who opened since then has none behind them."""
    day, billed = _billing_moment(now).date(), col(BillingAccount.billed_on)
    return sa.or_(billed < day, sa.and_(billed.is_(None), col(BillingAccount.opened_on) < day))


# --- what was done --------------------------------------------------------------------------------------
def last_runs(db: Session, *, visitor: Visitor, jobs: Collection[str]) -> dict[str, LastRun]:
    """Of each of these jobs, by its name, the last run that did something or failed; for any staff. Raises NotAllowed."""
    access.staff(visitor)
    if not jobs:
        return {}
    run = (col(JobRun.job), col(JobRun.started_at), col(JobRun.finished_at), col(JobRun.items), col(JobRun.trouble))
    lasts = [  # one by one: each is a single step down the index, grouped they would be a walk through all of it
        sa.select(*run).where(col(JobRun.job) == job).order_by(col(JobRun.started_at).desc()).limit(1).subquery() for job in jobs
    ]
    return {row.job: LastRun(*row) for row in db.execute(sa.union_all(*(sa.select(last) for last in lasts)))}


def failures(db: Session, *, visitor: Visitor, now: datetime) -> list[Failure]:
    """What failed within LOOK_BACK, the same of the same job taken together, the latest first; for any staff.

    Raises NotAllowed.
    """
    access.staff(visitor)
    last = func.max(col(JobRun.started_at))
    rows = db.execute(
        sa.select(col(JobRun.job), col(JobRun.trouble), func.count(), last)
        .where(sa.text("trouble <> ''"), col(JobRun.started_at) > now - LOOK_BACK)
        .group_by(col(JobRun.job), col(JobRun.trouble))
        .order_by(last.desc())
        .limit(MOST_FAILURES)
    )
    return [Failure(job, trouble, times, last_at) for job, trouble, times, last_at in rows]


# --- letters --------------------------------------------------------------------------------------------
def letters_by_day(db: Session, *, visitor: Visitor, now: datetime) -> list[DayOfLetters]:
    """Letters written on each of the last LETTER_DAYS days, the latest first; for any staff. Raises NotAllowed."""
    access.staff(visitor)
    today = now.astimezone(ACCOUNTING_TIME).date()
    days = [today - timedelta(days=back) for back in range(LETTER_DAYS)]
    written = col(Message.created_at)
    each = [  # a range of the index for each day: on SQLite half of what sorting all into days costs
        sa.select(sa.literal(back), col(Message.state), func.count())
        .where(written >= _begins(day), written < _begins(day + timedelta(days=1)))
        .group_by(col(Message.state))
        for back, day in enumerate(days)
    ]
    counts: dict[int, dict[MessageState, int]] = {}
    for back, state, count in db.execute(sa.union_all(*each)):
        counts.setdefault(back, {})[MessageState(state)] = count
    return [DayOfLetters(day, counts.get(back, {})) for back, day in enumerate(days)]


def _begins(day: date) -> datetime:
    return datetime.combine(day, time(), ACCOUNTING_TIME)


def troubles(db: Session, *, visitor: Visitor, most: int = 8) -> list[Trouble]:
    """Why letters are dead, the commonest first; for administrators. Raises NotAllowed."""
    access.staff(visitor, Role.ADMINISTRATOR)
    rows = db.execute(
        sa.select(
            col(Message.trouble),
            func.count(),
            func.sum(sa.case((col(Message.body) != "", 1), else_=0)),
            func.min(col(Message.dead_at)),
        )
        .where(col(Message.dead_at).is_not(None))
        .group_by(col(Message.trouble))
        .order_by(func.count().desc(), col(Message.trouble))
        .limit(most)
    )
    return [Trouble(trouble, count, int(with_words), since) for trouble, count, with_words, since in rows]


def dead_letters(db: Session, *, visitor: Visitor, trouble: str | None = None, most: int = 20) -> Sequence[DeadLetter]:
    """Letters that wait for staff, the latest first, those with this `trouble` when one is named; for administrators.

    Raises NotAllowed.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    narrowed = [] if trouble is None else [col(Message.trouble) == trouble]
    rows = db.exec(
        select(Message)
        .where(col(Message.dead_at).is_not(None), *narrowed)
        .order_by(col(Message.dead_at).desc(), col(Message.id).desc())
        .limit(most)
    )
    return [
        DeadLetter(
            message_id=row.id,
            recipient=mask_email(row.recipient) if row.channel is Channel.EMAIL else mask_phone(row.recipient),
            about=row.about,
            subject=row.subject,
            attempts=row.attempts,
            trouble=row.trouble,
            written_at=row.created_at,
            dead_at=row.dead_at or row.created_at,
            has_words=bool(row.body),
        )
        for row in rows
    ]
