"""When autopay rules are due, and how their runs end. Taking what is due and charging it is `actions.autopaying`.

A rule is looked at when `due_at` has come. A calendar rule is planned for its day at the terms' hour in the account's region; a
threshold rule becomes due by the very change that takes the balance under its threshold (`mark_low`), and a sweep finds what
no change announced. A declined run is tried again on the terms' days under the same period; then, or at once for a
card that will not do tomorrow either, the rule is paused. Each end is told to its person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from actions.notices import notify
from db import reading, transaction
from db.bulk import among
from models import AutopayRule, AutopayRun, BillingAccount, LedgerAccount, Payment, Region, SavedCard
from rules.autopay import is_period_of, next_retry_on, next_run_on, period_key
from rules.periods import clamp_day, next_month
from rules.terms import AutopayResult, AutopayState, AutopayTrigger, DeclineReason, NoticeEvent, PaymentState
from settings import operator

BILLING_DAY = 1
PAYS = (AutopayResult.SUCCEEDED, AutopayResult.PENDING)
BATCH = 1000
NOT_SENT = "not_sent"
"""Why a run paid nothing whose charge the gateway never heard of."""
SENT_AGAIN = timedelta(minutes=5)
"""After so long such a run is taken again: well above the time that a call may be under way (`integrations.gateway.PATIENCE`)."""
MOST_NOT_SENT = 3
"""So often in a period; then it is declined like any other, and told: nothing arrives there, and somebody should know."""


class Timed(Protocol):
    """What says on which days a rule runs: the rule, or whoever has read it."""

    @property
    def trigger(self) -> AutopayTrigger: ...

    @property
    def day_of_month(self) -> int | None: ...


def moment_on(day: date, time_zone: str) -> datetime:
    """When rules run on that day in that region; aware, UTC."""
    return datetime.combine(day, time(operator().autopay.hour), ZoneInfo(time_zone)).astimezone(ZoneInfo("UTC"))


def next_due(rule: Timed, *, time_zone: str, after: date) -> datetime | None:
    """When a calendar rule runs for the first time after that day (of its region); None for a threshold rule."""
    day = next_run_on(
        trigger=rule.trigger, day_of_month=rule.day_of_month, billing_day=BILLING_DAY, today=after + timedelta(days=1)
    )
    return None if day is None else moment_on(day, time_zone)


def planned_on(rule: Timed, period: str) -> date:
    """The day that the runs of a period are for, however late they are."""
    if len(period) > len("2025-03"):
        return date.fromisoformat(period)
    return clamp_day(date.fromisoformat(f"{period}-01"), rule.day_of_month or BILLING_DAY)


def mark_low(db: Session, *, account_ids: Sequence[int], now: datetime) -> None:
    """Make threshold rules due whose account has just fallen under the threshold; in the transaction of the change."""
    balance = (
        sa.select(col(LedgerAccount.balance_kopecks))
        .where(col(LedgerAccount.billing_account_id) == col(AutopayRule.billing_account_id))
        .scalar_subquery()
    )
    db.execute(
        sa.update(AutopayRule)
        .where(
            col(AutopayRule.billing_account_id).in_(account_ids),
            *_waiting(threshold=True),
            col(AutopayRule.threshold_kopecks) > balance,
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )


def _waiting(*, threshold: bool) -> tuple["sa.ColumnElement[bool]", ...]:
    """Active rules that are not planned. Written out, so that SQLite sees that the partial indexes serve."""
    kind: sa.ColumnElement[str] = sa.literal_column("'threshold'")
    trigger = col(AutopayRule.trigger)
    return (
        col(AutopayRule.state) == sa.literal_column("'active'"),
        col(AutopayRule.due_at).is_(None),
        trigger == kind if threshold else trigger != kind,
    )


PLANNED_WITHIN = timedelta(days=20)
"""A rule is planned within seconds of its change. So late, should nobody have been there, days that were missed still count."""


def plan(now: datetime) -> int:
    """Plan calendar rules that are not planned yet, a batch of them; returns how many.

    A rule runs on its day today, too; and on a day that has passed since it was made or changed, should nobody have been there to
    plan it. A period that a calendar rule of the account has paid is over, also for a rule made in its place. What another rule
    is paying just now may be declined yet: the account is busy until then, and who takes the rule asks again (`months_paid`).
    """
    with transaction() as db:
        rows = db.execute(
            sa.select(AutopayRule, col(Region.time_zone))
            .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
            .join(Region, col(Region.code) == col(BillingAccount.region_code))
            .where(*_waiting(threshold=False))
            .limit(BATCH)
            .with_for_update(of=AutopayRule, skip_locked=True)
        ).all()
        known = periods_run(db, [rule.id for rule, _ in rows], now)
        paid = months_paid(db, {rule.billing_account_id for rule, _ in rows}, now)
        for rule, zone in rows:
            today, changed_on = _day(now, zone), _day(rule.changed_at, zone)
            is_fresh = changed_on > today - PLANNED_WITHIN
            due_at = next_due(rule, time_zone=zone, after=(changed_on if is_fresh else today) - timedelta(days=1))
            attempt = 1
            if due_at is not None:
                period = period_key(trigger=rule.trigger, on=_day(due_at, zone))
                had = known.get(rule.id, {}).get(period)
                is_paid = period in paid.get(rule.billing_account_id, ()) or (had is not None and had.is_paid)
                if is_paid or (had is not None and not (is_fresh and due_at > rule.changed_at)):
                    due_at = next_due(rule, time_zone=zone, after=next_month(_day(due_at, zone)) - timedelta(days=1))
                elif had is not None:
                    attempt = had.attempt + 1  # it paid nothing then, and the person has moved its day
            rule.due_at, rule.due_period, rule.due_attempt, rule.first_failed_on = due_at, "", attempt, None
            db.add(rule)
        return len(rows)


@dataclass(frozen=True, slots=True)
class Had:
    """What a rule has had of a period: its last attempt, and whether one of them has paid or is about to."""

    attempt: int
    is_paid: bool


def periods_run(db: Session, rule_ids: Sequence[int], now: datetime) -> dict[int, dict[str, Had]]:
    """Of each rule the periods of the last months that it ran in. What was never sent is no run, unless it turned out paid."""
    known: dict[int, dict[str, Had]] = {}
    for rule_id, period, attempt, is_paid in db.execute(
        sa.select(
            col(AutopayRun.rule_id),
            col(AutopayRun.period),
            sa.func.max(sa.case((col(AutopayRun.attempt) > 0, col(AutopayRun.attempt)), else_=0)),
            sa.func.max(sa.case((col(AutopayRun.result).in_(PAYS), 1), else_=0)),
        )
        .where(among(db, col(AutopayRun.rule_id), rule_ids), col(AutopayRun.due_on) >= now.date() - timedelta(days=100))
        .group_by(col(AutopayRun.rule_id), col(AutopayRun.period))
    ):
        if attempt or is_paid:
            known.setdefault(rule_id, {})[period] = Had(attempt, bool(is_paid))
    return known


def months_paid(db: Session, account_ids: Iterable[int], now: datetime) -> dict[int, set[str]]:
    """Of each account the months that a calendar rule has paid, whichever rule it was."""
    paid: dict[int, set[str]] = {}
    for account_id, period in db.execute(
        sa.select(col(AutopayRun.billing_account_id), col(AutopayRun.period)).where(
            among(db, col(AutopayRun.billing_account_id), account_ids),
            col(AutopayRun.result) == AutopayResult.SUCCEEDED,
            col(AutopayRun.due_on) >= now.date() - timedelta(days=100),
            sa.func.length(col(AutopayRun.period)) == len("2025-03"),
        )
    ):
        paid.setdefault(account_id, set()).add(period)
    return paid


def sweep(now: datetime) -> int:
    """Find threshold rules whose balance is low although nothing announced it; returns how many became due."""
    low = (
        sa.select(col(AutopayRule.id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(AutopayRule.billing_account_id))
        .where(*_waiting(threshold=True), col(LedgerAccount.balance_kopecks) < col(AutopayRule.threshold_kopecks))
        .limit(BATCH)
    )
    with transaction() as db:
        found = db.execute(
            sa.update(AutopayRule)
            .where(col(AutopayRule.id).in_(low.with_for_update(of=AutopayRule, skip_locked=True)), *_waiting(threshold=True))
            .values(due_at=now)
            .execution_options(synchronize_session=False)
        )
        return int(found.rowcount)  # type: ignore[attr-defined]


def close(db: Session, payment: Payment, *, points: int, now: datetime) -> None:
    """End the run whose payment has just been settled, plan the rule's next one, and tell its person.

    The caller holds the lock of the payment. A payment that was given up and charged after all closes its run again. One that the
    gateway never heard of is told to nobody.
    """
    row = db.execute(
        sa.select(AutopayRun, AutopayRule, col(Region.time_zone))
        .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRun.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(AutopayRun.payment_id) == payment.id)
        .with_for_update(of=[AutopayRun, AutopayRule])
    ).first()
    if row is None:
        return
    run, rule, zone = row
    if _was_never_sent(payment) and (before := _never_sent(db, run)) < MOST_NOT_SENT:
        _set_aside(payment, run, rule, place=-before - 1, now=now, time_zone=zone)
        db.add_all([payment, run, rule])
        return
    if payment.state is PaymentState.SUCCEEDED:
        run.result, run.reason, run.decline_reason = AutopayResult.SUCCEEDED, "", None
        go_on(rule, run, zone)
        told: dict[str, object] = {"points": points}
        event = NoticeEvent.AUTOPAY_DONE
    else:
        run.result, run.decline_reason = AutopayResult.DECLINED, payment.decline_reason
        again = _after_decline(db, rule, run, payment.decline_reason, now, zone)
        told = {
            "reason": payment.decline_reason.value if payment.decline_reason else "",
            "next_try_on": again.isoformat() if again else None,
            "paused": rule.state is AutopayState.PAUSED,
        }
        event = NoticeEvent.AUTOPAY_FAILED
    db.add(run)
    db.add(rule)
    notify(
        db,
        customer_id=rule.customer_id,
        event=event,
        key=f"autopay:{run.rule_id}:{run.period}:{run.attempt}:{run.result.value}",
        account_id=run.billing_account_id,
        has_letter=event is NoticeEvent.AUTOPAY_DONE,  # the receipt
        amount_kopecks=payment.amount_kopecks,
        payment_id=payment.id,
        **told,
    )


def go_on(rule: AutopayRule, run: AutopayRun, time_zone: str) -> None:
    """Plan the run after one that is over: the next day of a calendar rule; tomorrow for a threshold, should it be low still.

    A rule that was moved to another ground while it ran (`is_period_of`) has been planned by that since: its plan stays.
    """
    if not is_period_of(trigger=rule.trigger, period=run.period):
        return
    rule.due_period, rule.due_attempt, rule.first_failed_on = "", 1, None
    rule.due_at = next_after(rule, run.due_on, time_zone)


def next_after(rule: Timed, due_on: date, time_zone: str) -> datetime:
    """When a rule is looked at after its run of that day."""
    return next_due(rule, time_zone=time_zone, after=due_on) or moment_on(due_on + timedelta(days=1), time_zone)


def _after_decline(
    db: Session, rule: AutopayRule, run: AutopayRun, reason: DeclineReason | None, now: datetime, time_zone: str
) -> date | None:
    """The day of the next try; None when there is none and the rule is paused.

    A rule stopped meanwhile stays as it is. So does one moved to another ground (`is_period_of`): it has been planned by that,
    and the try of a day would pay a month's sum there, besides the month.

    The days are counted from the one on which the first decline became known: after its try the bank may have been away for
    days. What is tried late is tried again on the day after at the earliest.
    """
    if rule.state is not AutopayState.ACTIVE or not is_period_of(trigger=rule.trigger, period=run.period):
        return None
    if _is_paid(db, run):  # a try that had been given up was charged after all
        go_on(rule, run, time_zone)
        return None
    today = _day(now, time_zone)
    first = rule.first_failed_on or today
    again = None
    if reason is None or not reason.is_hard:
        again = next_retry_on(failed_on=first, attempt=run.attempt, terms=operator().autopay)
    if again is None:
        pause(rule, "declined_hard" if reason is not None and reason.is_hard else "declined", now)
        return None
    again = max(again, today + timedelta(days=1))
    rule.due_at, rule.due_period = moment_on(again, time_zone), run.period
    rule.due_attempt, rule.first_failed_on = run.attempt + 1, first
    return again


def run_key(rule_id: int, period: str, attempt: int) -> str:
    """The key of the payment of a run: whatever happens, a run has one."""
    return f"autopay:{rule_id}:{period}:{attempt}"


def _was_never_sent(payment: Payment) -> bool:
    """Whether a payment ended because the gateway, asked for it when it could no longer be on its way, did not know it."""
    return payment.decline_reason is DeclineReason.NOT_FINISHED and payment.gateway_ref is None


def _never_sent(db: Session, run: AutopayRun) -> int:
    """How many charges of the run's period were never sent."""
    same = (col(AutopayRun.rule_id) == run.rule_id, col(AutopayRun.period) == run.period)
    return db.exec(select(sa.func.count()).where(*same, col(AutopayRun.attempt) < 0)).one()


def is_off() -> "sa.ColumnElement[bool]":
    """Of runs with their rules and cards: whether a charge that was not sent yet is no longer wanted.

    The rule was changed, stopped or given another card since the run was written, or the period turned out to be paid.
    """
    run, other = AutopayRun, sa.alias(sa.inspect(AutopayRun).local_table)
    is_paid = (
        sa.select(sa.literal(1))
        .where(
            other.c.rule_id == col(run.rule_id),
            other.c.period == col(run.period),
            other.c.result == AutopayResult.SUCCEEDED,
        )
        .exists()
    )
    return sa.or_(
        col(AutopayRule.state) != AutopayState.ACTIVE,
        col(AutopayRule.changed_at) > col(run.ran_at),
        col(SavedCard.removed_at).is_not(None),
        is_paid,
    )


def may_begin(payment_id: int) -> bool:
    """Whether the charge of a payment that the gateway may not know yet may be begun; of other payments than autopay's always."""
    with reading() as db:
        off = db.execute(
            sa.select(is_off())
            .select_from(AutopayRun)
            .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
            .join(Payment, col(Payment.id) == col(AutopayRun.payment_id))
            .join(SavedCard, col(SavedCard.id) == col(Payment.card_id))
            .where(col(AutopayRun.payment_id) == payment_id)
        ).scalar()
    return not off


def _set_aside(payment: Payment, run: AutopayRun, rule: AutopayRule, *, place: int, now: datetime, time_zone: str) -> None:
    """Make room for the same attempt: this run's charge was never sent (the process died before it, or the line was dead).

    No bank has said no, so it is no try: the run is numbered below zero, where no attempt is counted, and its payment's key
    with it, so that the next run of this attempt, and its payment, are the only ones under their keys. It is taken as any due
    rule is: who paid by hand meanwhile, or lost the right, is not charged.

    Exactly once: no charge is begun later than REPEAT_FOR after its payment was written, and one that began just then has
    ended long before SENT_AGAIN is over. Should it have succeeded, it closes this run, still found by its payment, as paid;
    then the period is over, for a run that is not taken yet as for one that is not sent yet (`may_begin`).
    """
    attempt = run.attempt
    run.result, run.reason, run.attempt = AutopayResult.SKIPPED, NOT_SENT, place
    payment.key = run_key(run.rule_id, run.period, place)
    if rule.state is AutopayState.ACTIVE and is_period_of(trigger=rule.trigger, period=run.period):
        rule.due_at, rule.due_period, rule.due_attempt = now + SENT_AGAIN, run.period, attempt
        if rule.trigger is not AutopayTrigger.THRESHOLD:  # its day may have been moved to a later one
            rule.due_at = max(rule.due_at, moment_on(planned_on(rule, run.period), time_zone))
        elif attempt == 1:  # the first of the day on which it is made, be it the next one
            rule.due_period = ""


def _is_paid(db: Session, run: AutopayRun) -> bool:
    same = (col(AutopayRun.rule_id) == run.rule_id, col(AutopayRun.period) == run.period)
    return db.exec(select(AutopayRun.id).where(*same, col(AutopayRun.result) == AutopayResult.SUCCEEDED)).first() is not None


def pause(rule: AutopayRule, reason: str, now: datetime) -> None:
    """Let a rule stand still; `reason` says why."""
    rule.state, rule.pause_reason, rule.changed_at = AutopayState.PAUSED, reason, now
    forget_plan(rule)


def forget_plan(rule: AutopayRule) -> None:
    """What was planned no longer holds: the rule was changed, stopped or resumed, and is planned anew."""
    rule.due_at, rule.due_period, rule.due_attempt, rule.first_failed_on = None, "", 1, None


def _day(moment: datetime, time_zone: str) -> date:
    return moment.astimezone(ZoneInfo(time_zone)).date()


def waiting_rules(db: Session, now: datetime) -> int:
    """How many rules are due by `now`."""
    return int(
        db.exec(
            select(sa.func.count()).where(col(AutopayRule.state) == sa.literal_column("'active'"), col(AutopayRule.due_at) <= now)
        ).one()
    )
