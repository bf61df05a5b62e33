"""What falls due on many accounts at once, for work that nobody asked for."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models import Bill, BillingAccount, LedgerAccount, Transfer
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.due import OpenBill, what_is_due
from rules.periods import month_start
from rules.terms import CHARGE_CODES, BillingMode

BILLS_LOOKED_AT = 24


def due_on_accounts(db: Session, *, accounts: Sequence[BillingAccount], now: datetime) -> dict[int, int]:
    """What each account has to pay now, in kopecks: all of a prepaid debt; of a postpaid one what was billed."""
    ids = [account.id for account in accounts]
    if not ids:
        return {}
    place = func.row_number().over(partition_by=col(Bill.billing_account_id), order_by=col(Bill.month_on).desc())
    ranked = sa.select(col(Bill.id), place.label("place")).where(col(Bill.billing_account_id).in_(ids)).subquery()
    bills: dict[int, list[Bill]] = defaultdict(list)
    newest = select(Bill).join(ranked, ranked.c.id == col(Bill.id)).where(ranked.c.place <= BILLS_LOOKED_AT)
    for bill in db.exec(newest.order_by(col(Bill.month_on))):
        bills[bill.billing_account_id].append(bill)
    held = balances(db, account_ids=ids)
    today = now.astimezone(ACCOUNTING_TIME).date()
    return {
        account.id: what_is_due(
            balance_kopecks=held[account.id],
            mode=account.mode,
            bills=[OpenBill(bill.id, bill.number, bill.total_kopecks, bill.due_on) for bill in bills[account.id]],
            today=today,
            unbilled_kopecks=_charged_since(db, account, bills[account.id]),
        ).amount_kopecks
        for account in accounts
    }


def balances(db: Session, *, account_ids: Collection[int]) -> dict[int, int]:
    """Account → what is on it now, kopecks."""
    held = sa.select(col(LedgerAccount.billing_account_id), col(LedgerAccount.balance_kopecks))
    rows = db.execute(held.where(col(LedgerAccount.billing_account_id).in_(account_ids))).tuples()
    return {account_id: balance for account_id, balance in rows if account_id is not None}


def _charged_since(db: Session, account: BillingAccount, bills: Sequence[Bill]) -> int:
    """Charges of a postpaid account that no bill has yet: those from the day after its newest bill on."""
    if account.mode is BillingMode.PREPAID or not bills:
        return 0
    issued_on = bills[-1].issued_on
    since = month_begins_at(month_start(issued_on)) + timedelta(days=issued_on.day)
    found = db.exec(
        select(func.sum(Transfer.amount_kopecks)).where(
            col(Transfer.billing_account_id) == account.id,
            col(Transfer.occurred_at) >= since,
            col(Transfer.code).in_(CHARGE_CODES),
        )
    ).one()
    return int(found or 0)
