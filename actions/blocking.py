"""Blocking accounts that owe for too long, and letting them work again as soon as the debt is paid.

Who locks: the account, then its ledger account. `resume_if_paid` is called by whoever holds the ledger account already, so it
does not wait for the account: one that somebody holds just now is left to `resume_paid`, which comes a moment later.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from actions.charging import hold, post_charges
from actions.notices import Told, notify_many
from db import reading, transaction
from db.bulk import update_many
from models import Attachment, BillingAccount, LedgerAccount
from queries.billing_day import BillingCase, billed_months, charged, connected, debtors, locked_accounts
from queries.figures import ACCOUNTING_TIME
from rules.billing import MonthCharge, billing_day, charged_month, rest_of_month
from rules.blocking import debt_beyond_grace
from rules.periods import month_start, previous_month
from rules.terms import AccountStatus, BillingMode, NoticeEvent, Right
from settings import operator

BATCH = 500


def block_overdue(now: datetime) -> int:
    """Block accounts whose debt was overdue beyond the grace on the latest billing day and is still; returns how many.

    Billing day itself blocks those it finds. This is for debt that came back later: a payment that was given back. Whatever is
    paid until the lock of the account's money counts.
    """
    day = billing_day(now.astimezone(ACCOUNTING_TIME))
    blocked, after = 0, 0
    while blocked < BATCH:
        with reading() as db:
            cases = debtors(db, day=day, after=after, most=BATCH)
            looked_at = _owing(db, [case for case, _ in cases], {case.account_id: owes for case, owes in cases}, day)
        if not cases:
            break
        after = cases[-1][0].account_id
        if looked_at:
            with transaction() as db:
                blocked += _block_still_owing(db, looked_at, day=day, now=now)
    return blocked


def _block_still_owing(db: Session, account_ids: Collection[int], *, day: date, now: datetime) -> int:
    cases = locked_accounts(db, account_ids=account_ids, status=AccountStatus.ACTIVE)
    held = hold(db, account_ids=[case.account_id for case in cases])
    owing = _owing(db, cases, {account_id: each.balance_kopecks for account_id, each in held.items()}, day)
    block(db, owing=owing, since_on={case.account_id: _today(case, now) for case in cases})
    return len(owing)


def _owing(db: Session, cases: Sequence[BillingCase], balances: Mapping[int, int], day: date) -> dict[int, int]:
    """`overdue`, where charges may have been posted since that billing day."""
    since = charged(db, account_ids=[case.account_id for case in cases], month_on=day)
    unbilled = {
        account_id: sum(charge.amount_kopecks for charge in charges if not charge.billed) for account_id, charges in since.items()
    }
    return overdue(db, cases=cases, balances=balances, unbilled=unbilled, day=day)


def overdue(
    db: Session, *, cases: Sequence[BillingCase], balances: Mapping[int, int], unbilled: Mapping[int, int], day: date
) -> dict[int, int]:
    """Account → what it owes, of those active ones whose debt was overdue beyond the grace on that billing day. Kopecks."""
    owing = [case for case in cases if case.status is AccountStatus.ACTIVE and balances[case.account_id] < 0]
    if not owing:
        return {}
    bills, terms = billed_months(db, account_ids=[case.account_id for case in owing]), operator().billing
    return {
        case.account_id: -balances[case.account_id]
        for case in owing
        if debt_beyond_grace(
            balance_kopecks=balances[case.account_id],
            mode=case.mode,
            bills=bills.get(case.account_id, ()),
            billing_day=day,
            unbilled_kopecks=unbilled.get(case.account_id, 0),
            terms=terms,
        )
    }


def block(db: Session, *, owing: Mapping[int, int], since_on: Mapping[int, date]) -> None:
    """Block these accounts (account → what it owes) and tell whoever may pay for them. The caller holds them and their money."""
    update_many(
        db,
        BillingAccount,
        [{"id": account_id, "status": AccountStatus.BLOCKED, "status_since_on": since_on[account_id]} for account_id in owing],
    )
    _tell_payers(
        db,
        NoticeEvent.BLOCKED,
        {account_id: {"debt_kopecks": debt, "on": since_on[account_id].isoformat()} for account_id, debt in owing.items()},
    )


def resume_if_paid(db: Session, *, account_ids: Collection[int], now: datetime) -> list[int]:
    """Let those of the accounts work again that are blocked and owe nothing any more; returns which, ascending.

    In the transaction of the payment. Postpaid ones are charged by the bill, from today on. Prepaid ones are charged the rest of
    the month now, for what they were not charged yet; that may take them below zero, as any billing day may: whoever has paid
    the debt that was shown is not kept waiting.
    """
    cases = locked_accounts(db, account_ids=account_ids, status=AccountStatus.BLOCKED)
    held = hold(db, account_ids=[case.account_id for case in cases])
    freed = [case for case in cases if held[case.account_id].balance_kopecks >= 0]
    if not freed:
        return []
    update_many(
        db,
        BillingAccount,
        [{"id": case.account_id, "status": AccountStatus.ACTIVE, "status_since_on": _today(case, now)} for case in freed],
    )
    post_charges(db, charges=_rest_of_month(db, freed, now), held=held, occurred_at=now)
    _tell_payers(db, NoticeEvent.RESUMED, {case.account_id: {"on": _today(case, now).isoformat()} for case in freed})
    return [case.account_id for case in freed]


def _rest_of_month(db: Session, cases: Sequence[BillingCase], now: datetime) -> list[tuple[int, MonthCharge]]:
    """What prepaid accounts that work again have not been charged for this month yet."""
    charges = []
    for today in {_today(case, now) for case in cases}:  # two at most: it is tomorrow somewhere
        ids = [case.account_id for case in cases if case.mode is BillingMode.PREPAID and _today(case, now) == today]
        month = month_start(today)
        has = connected(db, account_ids=ids, since=today, day=today)
        before = charged(db, account_ids=ids, month_on=previous_month(month))
        for account_id in ids:
            paid_for = {
                (charge.plan_id, charge.option_id)
                for charge in before.get(account_id, ())
                if (charged_month(charge.key) or month_start(charge.occurred_at.astimezone(ACCOUNTING_TIME).date())) == month
            }
            charges += [
                (account_id, charge)
                for charge in rest_of_month(today=today, connected=has.get(account_id, ()))
                if (charge.plan_id, charge.option_id) not in paid_for
            ]
    return charges


def resume_paid(now: datetime) -> int:
    """Find blocked accounts that owe nothing any more, however that came, and let them work again; returns how many."""
    blocked: sa.ColumnElement[str] = sa.literal_column("'blocked'")  # written out: SQLite then sees that the partial index serves
    with reading() as db:
        ids = db.scalars(
            sa.select(col(BillingAccount.id))
            .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
            .where(col(BillingAccount.status) == blocked, col(LedgerAccount.balance_kopecks) >= 0)
            .order_by(col(BillingAccount.id))
            .limit(BATCH)
        ).all()
    if not ids:
        return 0
    with transaction() as db:
        return len(resume_if_paid(db, account_ids=ids, now=now))


def _today(case: BillingCase, now: datetime) -> date:
    return now.astimezone(ZoneInfo(case.time_zone)).date()


def _tell_payers(db: Session, event: NoticeEvent, facts: Mapping[int, dict[str, Any]]) -> None:
    """Tell everybody who may pay for these accounts; `facts` has the day, `on`, by which it is told once."""
    if not facts:
        return
    payers = db.execute(
        sa.select(col(Attachment.customer_id), col(Attachment.billing_account_id)).where(
            col(Attachment.billing_account_id).in_(facts),
            col(Attachment.detached_at).is_(None),
            col(Attachment.right).in_([right for right in Right if right.covers(Right.PAY)]),
        )
    ).tuples()
    told = [
        Told(customer_id, f"{event.value}:{account_id}:{facts[account_id]['on']}", account_id, facts[account_id])
        for customer_id, account_id in payers
    ]
    notify_many(db, event=event, told=told)
