"""Autopay at work: what is due is taken in batches, charged, and settled; each rule once per period and try, whatever crashes.

Three steps, and the process may die between any two of them:
1. `claim` writes the runs of a batch with their payments, in one transaction, under keys made of rule, period and try;
2. `charge` asks the gateway for each payment that has no answer yet, several at a time, outside any transaction;
3. what it answered is settled: a whole batch of successes set-based, anything else one by one (`actions.settlement`).
A piece of work begun again finds by its batch's name what it took. Whatever stays without an answer, `actions.payments.reconcile`
asks about until it is known. Locks are taken as everywhere: payments, ledger accounts, points; rules and runs come last. Claiming
waits for nobody: what another holds is left for the next round.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from actions import autopay_runs as runs
from actions.autopay_asking import Pending, answers
from actions.autopay_settling import settle_answers
from actions.notices import notify
from db import reading, transaction
from db.bulk import among, insert_for_ids, insert_many, update_many
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    Payment,
    PaymentPart,
    Region,
    SavedCard,
)
from queries.dues import due_on_accounts
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.autopay import amount_to_pay, draft_of, period_key
from rules.billing import RUN_AFTER
from rules.periods import month_start, next_month
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    NoticeEvent,
    PaymentMethod,
    PaymentState,
    Right,
)
from settings import operator, settings

BATCH = 1000
CLAIMED = 200
"""How many rules are taken in one transaction: on SQLite others wait for it meanwhile."""
LATER = timedelta(minutes=10)
"""A rule whose account another run is busy with is looked at again after so long."""
LONG_AGO = timedelta(days=27)
"""What was due less than this ago has not been due again since."""
UNTIL_OVER = timedelta(hours=1)
"""So is one that is being charged, should nobody come back to it; until its run is over nothing is taken for it."""


_WAITS = (col(AutopayRun.result) == sa.literal_column("'pending'"),)
"""Written out, so that SQLite sees that the partial index serves."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A rule that is due, with what is known of it."""

    rule_id: int
    customer_id: int
    card_id: int
    trigger: AutopayTrigger
    threshold_kopecks: int | None
    day_of_month: int | None
    amount_kind: AutopayAmount
    amount_kopecks: int | None
    monthly_ceiling_kopecks: int | None
    due_at: datetime | None
    due_period: str
    due_attempt: int
    account_id: int
    account_status: AccountStatus
    opened_on: date
    billed_on: date | None
    balance_kopecks: int
    zone: str
    right: Right | None
    card_removed_at: datetime | None


def run_due(now: datetime) -> int:
    """Plan, take and charge what is due by `now`, one batch; returns how many rules were looked at."""
    runs.plan(now)
    runs.sweep(now)
    batch = uuid.uuid4().hex
    looked_at = claim(batch, now)
    charge(batch)
    return looked_at


# --- taking what is due -----------------------------------------------------------------------------
def claim(batch: str, now: datetime, *, most: int = BATCH) -> int:
    """Look at up to `most` rules that are due and write their runs, with payments that wait to be charged; returns how many.

    While charges of a batch wait, nothing more is taken under its name. One rule per account at a time: of two the
    second sees the balance that the first has left.
    """
    with reading() as db:
        waiting = select(sa.func.count()).where(col(AutopayRun.batch) == batch, *_WAITS)
        looked_at = int(db.exec(waiting).one())
    if looked_at:
        return looked_at
    while looked_at < most:
        with transaction() as db:
            due = _due(db, now, min(CLAIMED, most - looked_at))
            if due:
                _take(db, due, batch, now)
        if not due:
            break
        looked_at += len(due)
    return looked_at


def _due(db: Session, now: datetime, most: int) -> list[_Due]:
    rule = AutopayRule
    enough = [right for right in Right if right.covers(Right.PAY)]
    rows = db.execute(
        sa.select(
            col(rule.id),
            col(rule.customer_id),
            col(rule.card_id),
            col(rule.trigger),
            col(rule.threshold_kopecks),
            col(rule.day_of_month),
            col(rule.amount_kind),
            col(rule.amount_kopecks),
            col(rule.monthly_ceiling_kopecks),
            col(rule.due_at),
            col(rule.due_period),
            col(rule.due_attempt),
            col(BillingAccount.id),
            col(BillingAccount.status),
            col(BillingAccount.opened_on),
            col(BillingAccount.billed_on),
            col(LedgerAccount.balance_kopecks),
            col(Region.time_zone),
            col(Attachment.right),
            col(SavedCard.removed_at),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(AutopayRule.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(AutopayRule.billing_account_id),
                col(Attachment.customer_id) == col(AutopayRule.customer_id),
                col(Attachment.detached_at).is_(None),
                col(Attachment.right).in_(enough),
            ),
        )
        .where(
            # Written out, so that SQLite sees that the partial index serves.
            col(AutopayRule.state) == sa.literal_column("'active'"),
            col(AutopayRule.due_at) <= now,
        )
        .order_by(col(AutopayRule.due_at), col(AutopayRule.id))
        .limit(most)
        .with_for_update(of=[AutopayRule, LedgerAccount], skip_locked=True)
    )
    return [_Due(*row) for row in rows]


def _take(db: Session, due: Sequence[_Due], batch: str, now: datetime) -> None:
    terms = operator().autopay
    busy = _busy_accounts(db, [each.account_id for each in due])
    known = runs.periods_run(db, [each.rule_id for each in due], now)
    # Asked after who is busy: what ended in between is seen by one or the other.
    over = runs.months_paid(db, [each.account_id for each in due if each.trigger is not AutopayTrigger.THRESHOLD], now)
    paid = _paid_this_month(db, [each.rule_id for each in due], now)
    owed = _owed(db, due, now)
    made: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    begun_anew: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    paused: list[dict[str, Any]] = []
    put_off: dict[tuple[datetime, str], list[int]] = defaultdict(list)
    for each in due:
        today = now.astimezone(ZoneInfo(each.zone)).date()
        on, period, attempt = _turn(each, today, now)
        if attempt != each.due_attempt:
            begun_anew.append({"id": each.rule_id, "due_attempt": attempt, "first_failed_on": None})
        # Whenever a calendar rule is looked at again, perhaps in the next month, it is for this period.
        kept = each.due_period if each.trigger is AutopayTrigger.THRESHOLD else period
        if each.account_id in busy:
            put_off[now + LATER, kept].append(each.rule_id)
            continue
        had = known.get(each.rule_id, {}).get(period)
        if period in over.get(each.account_id, ()) or (had is not None and (had.is_paid or had.attempt >= attempt)):
            changed.append(_plan(each, runs.next_after(each, on, each.zone)))
            continue
        run: dict[str, Any] = {
            "rule_id": each.rule_id,
            "billing_account_id": each.account_id,
            "period": period,
            "attempt": attempt,
            "due_on": on,
            "ran_at": now,
            "batch": batch,
            "amount_kopecks": 0,
            "reason": "",
            "result": AutopayResult.SKIPPED,
            "gateway_key": None,
        }
        lost = _lost(each)
        if lost:
            made.append(run | {"reason": lost})
            changed.append(_plan(each, None))
            paused.append({"id": each.rule_id, "state": AutopayState.PAUSED, "pause_reason": lost, "changed_at": now})
            _tell_skipped(db, each, run, lost, paused=True)
            continue
        if not _has_its_bill(each, on):
            put_off[max(now + LATER, month_begins_at(month_start(on)) + RUN_AFTER), kept].append(each.rule_id)
            continue
        pay = amount_to_pay(
            draft=draft_of(each),
            balance_kopecks=each.balance_kopecks,
            due_kopecks=owed.get(each.account_id, max(0, -each.balance_kopecks)),
            paid_this_month_kopecks=paid.get(each.rule_id, 0),
            terms=terms,
        )
        if each.account_status is AccountStatus.SUSPENDED and pay.reason == "pay":
            made.append(run | {"reason": "account_suspended"})
            by_threshold = each.trigger is AutopayTrigger.THRESHOLD
            changed.append(_plan(each, None if by_threshold else runs.next_after(each, on, each.zone)))
            continue
        if pay.reason != "pay":
            if pay.reason != "above_threshold":  # a threshold rule that waits has not run
                made.append(run | {"reason": pay.reason})
            if pay.reason == "ceiling_reached":
                _tell_skipped(db, each, run, pay.reason, paused=False)
            changed.append(_plan(each, _after_skip(each, pay.reason, on)))
            continue
        gateway_key = uuid.uuid4().hex
        busy.add(each.account_id)
        made.append(run | {"result": AutopayResult.PENDING, "amount_kopecks": pay.amount_kopecks, "gateway_key": gateway_key})
        payments.append(
            {
                "payer_id": each.customer_id,
                "amount_kopecks": pay.amount_kopecks,
                "method": PaymentMethod.AUTOPAY,
                "state": PaymentState.PENDING,
                "card_id": each.card_id,
                "key": runs.run_key(each.rule_id, period, attempt),
                "created_at": now,
                "gateway": settings().payment_gateway,
                "gateway_key": gateway_key,
                "keeps_card": False,
                "return_url": (settings().public_url or "") + "/payments",  # nobody is at the screen; the bank wants to know
                "trouble": "",
            }
        )
        put_off[now + UNTIL_OVER, kept].append(each.rule_id)
    _write(db, made, payments)
    update_many(db, AutopayRule, begun_anew)
    update_many(db, AutopayRule, changed)
    update_many(db, AutopayRule, paused)
    for (due_at, kept), rule_ids in put_off.items():
        db.execute(
            sa.update(AutopayRule)
            .where(among(db, col(AutopayRule.id), rule_ids))
            .values(due_at=due_at, due_period=kept)
            .execution_options(synchronize_session=False)
        )


def _write(db: Session, made: list[dict[str, Any]], payments: list[dict[str, Any]]) -> None:
    """Write the runs, those that are to be charged with their payment and its one part."""
    keys = (payment["gateway_key"] for payment in payments)
    ids: dict[str | None, int] = dict(zip(keys, insert_for_ids(db, Payment, payments), strict=True))
    rows = [{**run, "payment_id": ids.get(run["gateway_key"])} for run in made]
    for row in rows:
        del row["gateway_key"]
    part = ("payment_id", "billing_account_id", "amount_kopecks")
    insert_many(db, PaymentPart, [{name: row[name] for name in part} for row in rows if row["payment_id"] is not None])
    insert_many(db, AutopayRun, rows)


def _plan(each: _Due, due_at: datetime | None) -> dict[str, Any]:
    """When a rule is looked at next of which nothing is being tried again."""
    return {"id": each.rule_id, "due_at": due_at, "due_period": "", "due_attempt": 1, "first_failed_on": None}


def _owed(db: Session, due: Sequence[_Due], now: datetime) -> dict[int, int]:
    """What is due on the accounts whose rules pay just that, in kopecks."""
    asked = [each.account_id for each in due if each.amount_kind is AutopayAmount.DUE and each.balance_kopecks < 0]
    accounts = db.exec(select(BillingAccount).where(among(db, col(BillingAccount.id), asked))).all() if asked else []
    return due_on_accounts(db, accounts=accounts, now=now)


def _turn(each: _Due, today: date, now: datetime) -> tuple[date, str, int]:
    """The day a run is for, its period and which attempt it is: of a threshold rule today, of a calendar rule the day planned,
    however late it is looked at.

    When several such days have passed, the last: after a long outage nobody is charged for each month of it at once.
    """
    if each.trigger is AutopayTrigger.THRESHOLD or (each.due_at is None and not each.due_period):
        return today, each.due_period or period_key(trigger=each.trigger, on=today), each.due_attempt
    if each.due_period or each.due_at is None:
        planned = runs.planned_on(each, each.due_period)
    else:
        planned = each.due_at.astimezone(ZoneInfo(each.zone)).date()
    day = planned
    if today - planned >= LONG_AGO:
        while (later := runs.next_after(each, day, each.zone)) <= now:
            day = later.astimezone(ZoneInfo(each.zone)).date()
    if day != planned:
        return day, period_key(trigger=each.trigger, on=day), 1
    return day, each.due_period or period_key(trigger=each.trigger, on=day), each.due_attempt


def _has_its_bill(each: _Due, on: date) -> bool:
    """Whether what a calendar rule pays is known: in the east its hour comes before billing, and billing may be late anywhere."""
    month = month_start(on)
    billed = each.opened_on >= month or (each.billed_on is not None and each.billed_on >= month)
    needs_it = each.trigger is AutopayTrigger.BILL or (
        each.trigger is AutopayTrigger.MONTHLY and each.amount_kind is not AutopayAmount.FIXED and on == month
    )
    return billed or not needs_it


def _lost(each: _Due) -> str:
    """Why a rule can run no more, if so."""
    if each.account_status is AccountStatus.CLOSED:
        return "account_closed"
    if each.right is None:
        return "right_lost"
    return "card_removed" if each.card_removed_at is not None else ""


def _after_skip(each: _Due, reason: str, on: date) -> datetime | None:
    """When to look again after nothing was paid. A threshold rule waits for the next change; at its ceiling, for the month."""
    if each.trigger is not AutopayTrigger.THRESHOLD:
        return runs.next_after(each, on, each.zone)
    if reason != "ceiling_reached":
        return None
    return runs.moment_on(next_month(on), each.zone)


def _busy_accounts(db: Session, account_ids: Iterable[int]) -> set[int]:
    """Accounts that an autopayment is under way for."""
    return set(
        db.exec(
            select(AutopayRun.billing_account_id).where(
                among(db, col(AutopayRun.billing_account_id), account_ids),
                *_WAITS,
            )
        )
    )


def _paid_this_month(db: Session, rule_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """What each rule has paid this month, or is about to; kopecks."""
    since = month_begins_at(month_start(now.astimezone(ACCOUNTING_TIME).date()))
    rows = db.execute(
        sa.select(col(AutopayRun.rule_id), sa.func.sum(col(AutopayRun.amount_kopecks)))
        .where(
            among(db, col(AutopayRun.rule_id), rule_ids),
            col(AutopayRun.ran_at) >= since,
            col(AutopayRun.result).in_([AutopayResult.SUCCEEDED, AutopayResult.PENDING]),
        )
        .group_by(col(AutopayRun.rule_id))
    )
    return {rule_id: int(total) for rule_id, total in rows}


def _tell_skipped(db: Session, each: _Due, run: dict[str, Any], reason: str, *, paused: bool) -> None:
    notify(
        db,
        customer_id=each.customer_id,
        event=NoticeEvent.AUTOPAY_FAILED,
        key=f"autopay:{run['rule_id']}:{run['period']}:{run['attempt']}:skipped",
        account_id=run["billing_account_id"],
        amount_kopecks=0,
        reason=reason,
        next_try_on=None,
        paused=paused,
    )


# --- charging ---------------------------------------------------------------------------------------
def charge(batch: str, *, enough: Callable[[], bool] = lambda: False) -> int:
    """Ask the gateway for every payment of a batch that has no answer yet, and settle what it says; returns how many are over.

    When it is `enough`, no more are asked for; `actions.payments.reconcile` comes to those that are left, and to those whose
    rules were stopped or changed since: they are looked for, not begun.
    """
    with reading() as db:
        waiting = db.execute(
            sa.select(
                col(Payment.id),
                col(Payment.amount_kopecks),
                col(Payment.created_at),
                col(Payment.gateway),
                col(Payment.gateway_key),
                col(Payment.gateway_ref),
                col(Payment.keeps_card),
                col(Payment.return_url),
                col(SavedCard.token),
                col(Customer.language),
            )
            .join(AutopayRun, col(AutopayRun.payment_id) == col(Payment.id))
            .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
            .join(SavedCard, col(SavedCard.id) == col(Payment.card_id))
            .join(Customer, col(Customer.id) == col(Payment.payer_id))
            .where(col(AutopayRun.batch) == batch, *_WAITS, col(Payment.state) == PaymentState.PENDING, ~runs.is_off())
            .order_by(col(Payment.id))
        ).all()
    with closing(answers((Pending(*row) for row in waiting), enough=enough)) as pieces:
        return sum(settle_answers(piece) for piece in pieces)
