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
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from actions import autopay_runs as runs
from actions.autopay_settling import settle_answers
from actions.notices import notify
from actions.payments import ask
from db import reading, transaction
from db.bulk import update_many
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
from rules.autopay import RuleDraft, amount_to_pay, period_key
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
AT_ONCE = 16
"""How many charges are asked for at the same time."""
PIECE = 100
"""How many answers are settled in one transaction."""
LATER = timedelta(minutes=10)
"""A rule whose account another run is busy with is looked at again after so long."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A rule that is due, with what is known of it."""

    rule: AutopayRule
    account: BillingAccount
    balance_kopecks: int
    zone: str
    right: Right | None
    card_gone: bool


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

    Under the name of a batch that was taken before nothing more is taken. One rule per account at a time: of two the
    second sees the balance that the first has left.
    """
    with transaction() as db:
        taken = db.exec(select(sa.func.count()).where(col(AutopayRun.batch) == batch)).one()
        if taken:
            return int(taken)
        due = _due(db, now, most)
        if due:
            _take(db, due, batch, now)
        return len(due)


def _due(db: Session, now: datetime, most: int) -> list[_Due]:
    enough = [right for right in Right if right.covers(Right.PAY)]
    rows = db.execute(
        sa.select(
            AutopayRule,
            BillingAccount,
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
    ).all()
    return [
        _Due(rule, account, balance, zone, right, removed is not None) for rule, account, balance, zone, right, removed in rows
    ]


def _take(db: Session, due: Sequence[_Due], batch: str, now: datetime) -> None:
    terms = operator().autopay
    busy = _busy_accounts(db, [each.account.id for each in due])
    known = runs.periods_run(db, [each.rule.id for each in due], now)
    paid = _paid_this_month(db, [each.rule.id for each in due], now)
    asks = [each.account for each in due if each.rule.amount_kind is AutopayAmount.DUE and each.balance_kopecks < 0]
    owed = due_on_accounts(db, accounts=asks, now=now)
    made: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for each in due:
        rule, today = each.rule, now.astimezone(ZoneInfo(each.zone)).date()
        if each.account.id in busy:
            changed.append(_plan(rule, due_at=now + LATER))
            continue
        on = _planned_day(rule, each.zone, today)
        period = rule.due_period or period_key(trigger=rule.trigger, on=on)
        if known.get(rule.id, {}).get(period, 0) >= rule.due_attempt:
            changed.append(_plan(rule, due_at=runs.next_after(rule, on, each.zone), fresh=True))
            continue
        run: dict[str, Any] = {
            "rule_id": rule.id,
            "billing_account_id": each.account.id,
            "period": period,
            "attempt": rule.due_attempt,
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
            changed.append(_plan(rule, due_at=None, fresh=True, paused=lost, now=now))
            _tell_skipped(db, each, run, lost, paused=True)
            continue
        pay = amount_to_pay(
            draft=_draft(rule),
            balance_kopecks=each.balance_kopecks,
            due_kopecks=owed.get(each.account.id, max(0, -each.balance_kopecks)),
            paid_this_month_kopecks=paid.get(rule.id, 0),
            terms=terms,
        )
        by_threshold = rule.trigger is AutopayTrigger.THRESHOLD
        if each.account.status is AccountStatus.SUSPENDED and pay.reason == "pay":
            made.append(run | {"reason": "account_suspended"})
            changed.append(_plan(rule, due_at=None if by_threshold else runs.next_after(rule, on, each.zone), fresh=True))
            continue
        if pay.reason != "pay":
            if pay.reason != "above_threshold":  # a threshold rule that waits has not run
                made.append(run | {"reason": pay.reason})
            if pay.reason == "ceiling_reached":
                _tell_skipped(db, each, run, pay.reason, paused=False)
            changed.append(_plan(rule, due_at=_after_skip(rule, pay.reason, on, each.zone), fresh=True))
            continue
        gateway_key = uuid.uuid4().hex
        busy.add(each.account.id)
        made.append(run | {"result": AutopayResult.PENDING, "amount_kopecks": pay.amount_kopecks, "gateway_key": gateway_key})
        payments.append(
            {
                "payer_id": rule.customer_id,
                "amount_kopecks": pay.amount_kopecks,
                "method": PaymentMethod.AUTOPAY,
                "state": PaymentState.PENDING,
                "card_id": rule.card_id,
                "key": f"autopay:{rule.id}:{period}:{rule.due_attempt}",
                "created_at": now,
                "gateway": settings().payment_gateway,
                "gateway_key": gateway_key,
                "keeps_card": False,
                "return_url": (settings().public_url or "") + "/payments",  # nobody is at the screen; the bank wants to know
                "trouble": "",
            }
        )
        # Should nobody come back to it, the rule is looked at again; until its run is over nothing is taken for it.
        changed.append(_plan(rule, due_at=now + timedelta(hours=1)))
    _write(db, made, payments, changed)


def _write(db: Session, made: list[dict[str, Any]], payments: list[dict[str, Any]], changed: list[dict[str, Any]]) -> None:
    ids: dict[str | None, int] = {}
    if payments:
        written = db.execute(sa.insert(Payment).returning(col(Payment.gateway_key), col(Payment.id)), payments)
        ids = dict(written.tuples().all())
    accounts = {run["gateway_key"]: run for run in made if run["gateway_key"]}
    if ids:
        db.execute(
            sa.insert(PaymentPart),
            [
                {
                    "payment_id": ids[key],
                    "billing_account_id": run["billing_account_id"],
                    "amount_kopecks": run["amount_kopecks"],
                }
                for key, run in accounts.items()
            ],
        )
    if made:
        rows = [{**run, "payment_id": ids.get(run["gateway_key"])} for run in made]
        for row in rows:
            del row["gateway_key"]
        db.execute(sa.insert(AutopayRun), rows)
    update_many(db, AutopayRule, changed)


def _plan(
    rule: AutopayRule, *, due_at: datetime | None, fresh: bool = False, paused: str = "", now: datetime | None = None
) -> dict[str, Any]:
    """What a rule is to become. `fresh`: nothing is being tried again."""
    return {
        "id": rule.id,
        "due_at": due_at,
        "due_period": "" if fresh else rule.due_period,
        "due_attempt": 1 if fresh else rule.due_attempt,
        "first_failed_on": None if fresh else rule.first_failed_on,
        "state": AutopayState.PAUSED if paused else rule.state,
        "pause_reason": paused or rule.pause_reason,
        "changed_at": now or rule.changed_at,
    }


def _planned_day(rule: AutopayRule, zone: str, today: date) -> date:
    """The day a run is for: that of the first try; of a calendar rule the day planned, however late it is looked at."""
    if rule.due_attempt > 1 and rule.first_failed_on is not None:
        return rule.first_failed_on
    if rule.trigger is AutopayTrigger.THRESHOLD or rule.due_at is None:
        return today
    return rule.due_at.astimezone(ZoneInfo(zone)).date()


def _lost(each: _Due) -> str:
    """Why a rule can run no more, if so."""
    if each.account.status is AccountStatus.CLOSED:
        return "account_closed"
    if each.right is None:
        return "right_lost"
    return "card_removed" if each.card_gone else ""


def _after_skip(rule: AutopayRule, reason: str, on: date, zone: str) -> datetime | None:
    """When to look again after nothing was paid. A threshold rule waits for the next change; at its ceiling, for the month."""
    if rule.trigger is not AutopayTrigger.THRESHOLD:
        return runs.next_after(rule, on, zone)
    if reason != "ceiling_reached":
        return None
    return runs.moment_on(next_month(on), zone)


def _draft(rule: AutopayRule) -> RuleDraft:
    return RuleDraft(
        trigger=rule.trigger,
        amount_kind=rule.amount_kind,
        threshold_kopecks=rule.threshold_kopecks,
        day_of_month=rule.day_of_month,
        amount_kopecks=rule.amount_kopecks,
        monthly_ceiling_kopecks=rule.monthly_ceiling_kopecks,
    )


def _busy_accounts(db: Session, account_ids: Iterable[int]) -> set[int]:
    """Accounts that an autopayment is under way for."""
    return set(
        db.exec(
            select(AutopayRun.billing_account_id).where(
                col(AutopayRun.billing_account_id).in_(list(account_ids)),
                col(AutopayRun.result) == sa.literal_column("'pending'"),
            )
        )
    )


def _paid_this_month(db: Session, rule_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """What each rule has paid this month, or is about to; kopecks."""
    since = month_begins_at(month_start(now.astimezone(ACCOUNTING_TIME).date()))
    rows = db.execute(
        sa.select(col(AutopayRun.rule_id), sa.func.sum(col(AutopayRun.amount_kopecks)))
        .where(
            col(AutopayRun.rule_id).in_(list(rule_ids)),
            col(AutopayRun.ran_at) >= since,
            col(AutopayRun.result).in_([AutopayResult.SUCCEEDED, AutopayResult.PENDING]),
        )
        .group_by(col(AutopayRun.rule_id))
    )
    return {rule_id: int(total) for rule_id, total in rows}


def _tell_skipped(db: Session, each: _Due, run: dict[str, Any], reason: str, *, paused: bool) -> None:
    notify(
        db,
        customer_id=each.rule.customer_id,
        event=NoticeEvent.AUTOPAY_FAILED,
        key=f"autopay:{run['rule_id']}:{run['period']}:{run['attempt']}:skipped",
        account_id=run["billing_account_id"],
        amount_kopecks=0,
        reason=reason,
        next_try_on=None,
        paused=paused,
    )


# --- charging ---------------------------------------------------------------------------------------
def charge(batch: str) -> int:
    """Ask the gateway for every payment of a batch that has no answer yet, and settle what it says; returns how many are over."""
    with reading() as db:
        waiting = db.execute(
            sa.select(Payment, col(SavedCard.token), col(Customer.language))
            .join(AutopayRun, col(AutopayRun.payment_id) == col(Payment.id))
            .join(SavedCard, col(SavedCard.id) == col(Payment.card_id))
            .join(Customer, col(Customer.id) == col(Payment.payer_id))
            .where(
                col(AutopayRun.batch) == batch,
                col(AutopayRun.result) == sa.literal_column("'pending'"),
                col(Payment.state) == PaymentState.PENDING,
            )
            .order_by(col(Payment.id))
        ).all()
    over = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="autopay") as pool:
        for start in range(0, len(waiting), PIECE):
            piece = waiting[start : start + PIECE]
            over += settle_answers(list(pool.map(lambda row: ask(row[0], token=row[1], language=row[2]), piece)))
    return over
