"""Posting to the ledger: the only way money moves in live operation."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

import clock
from actions.autopay_runs import mark_low
from models import LedgerAccount, Transfer
from rules.refusals import KeyReused, NotEnoughMoney
from rules.terms import LedgerKind, TransferCode

OTHER_SIDE = {
    TransferCode.TOP_UP: LedgerKind.GATEWAY,
    TransferCode.REFUND: LedgerKind.GATEWAY,
    TransferCode.BONUS_SPENT: LedgerKind.BONUS,
    TransferCode.PLAN_FEE: LedgerKind.REVENUE,
    TransferCode.OPTION_FEE: LedgerKind.REVENUE,
    TransferCode.ONE_OFF: LedgerKind.REVENUE,
    TransferCode.LATE_FEE: LedgerKind.REVENUE,
}
"""Which account of the operator's own stands against the customer's. (BILLER_PAYMENT has no customer's: `post_to_biller`.)"""

RAISES = {TransferCode.TOP_UP, TransferCode.BONUS_SPENT}
"""What raises the customer's balance; all else lowers it."""


def post(
    db: Session,
    *,
    account_id: int,
    code: TransferCode,
    amount_kopecks: int,
    key: str,
    occurred_at: datetime,
    payment_id: int | None = None,
    plan_id: int | None = None,
    option_id: int | None = None,
    floor_kopecks: int | None = None,
) -> Transfer:
    """Move money between a customer's account and the operator's, once per key, and keep the balance beside it.

    `floor_kopecks`: the balance may not end below it (None: it may). The same key with the same content returns the
    transfer that is there and moves nothing. Raises KeyReused for the same key with other content, NotEnoughMoney
    for the floor, ValueError for an amount that is not above zero.
    """
    if amount_kopecks <= 0:
        raise ValueError("a transfer moves more than nothing")
    # The account first: of two with the same key the later waits here, and then finds the earlier one's transfer.
    own = db.exec(select(LedgerAccount.id).where(col(LedgerAccount.billing_account_id) == account_id).with_for_update()).one()
    earlier = db.exec(select(Transfer).where(col(Transfer.billing_account_id) == account_id, col(Transfer.key) == key)).first()
    if earlier is not None:
        same = (earlier.code, earlier.amount_kopecks, earlier.payment_id, earlier.plan_id, earlier.option_id)
        if same != (code, amount_kopecks, payment_id, plan_id, option_id):
            raise KeyReused()
        return earlier

    change = amount_kopecks if code in RAISES else -amount_kopecks
    enough = [] if floor_kopecks is None else [col(LedgerAccount.balance_kopecks) + change >= floor_kopecks]
    moved = db.execute(
        update(LedgerAccount)
        .where(col(LedgerAccount.id) == own, *enough)
        .values(balance_kopecks=LedgerAccount.balance_kopecks + change)
    )
    if moved.rowcount == 0:  # type: ignore[attr-defined]
        balance = db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.id) == own)).one()
        missing = (floor_kopecks or 0) + amount_kopecks - balance
        raise NotEnoughMoney(price_kopecks=amount_kopecks, balance_kopecks=balance, missing_kopecks=missing)
    other = operators_account(db, OTHER_SIDE[code])
    debit, credit = (other, own) if change > 0 else (own, other)
    posted = Transfer(
        billing_account_id=account_id,
        debit_id=debit,
        credit_id=credit,
        amount_kopecks=amount_kopecks,
        code=code,
        key=key,
        occurred_at=occurred_at,
        payment_id=payment_id,
        plan_id=plan_id,
        option_id=option_id,
    )
    db.add(posted)
    db.flush()
    if change < 0:
        mark_low(db, account_ids=[account_id], now=clock.now())
    return posted


def post_to_biller(db: Session, *, amount_kopecks: int, key: str, occurred_at: datetime, payment_id: int) -> Transfer:
    """Note that money came in which is a biller's, once per key; it touches no billing account and no kept balance.

    Raises KeyReused for the same key with other content, ValueError for an amount that is not above zero. The caller holds
    the lock of the payment, whose id is part of the key.
    """
    if amount_kopecks <= 0:
        raise ValueError("a transfer moves more than nothing")
    earlier = db.exec(select(Transfer).where(col(Transfer.billing_account_id).is_(None), col(Transfer.key) == key)).first()
    if earlier is not None:
        if (earlier.amount_kopecks, earlier.payment_id) != (amount_kopecks, payment_id):
            raise KeyReused()
        return earlier
    posted = Transfer(
        debit_id=operators_account(db, LedgerKind.GATEWAY),
        credit_id=operators_account(db, LedgerKind.BILLERS),
        amount_kopecks=amount_kopecks,
        code=TransferCode.BILLER_PAYMENT,
        key=key,
        occurred_at=occurred_at,
        payment_id=payment_id,
    )
    db.add(posted)
    db.flush()
    return posted


def operators_account(db: Session, kind: LedgerKind) -> int:
    """The id of the operator's own ledger account of a kind; made when it is not there yet."""
    wanted = select(LedgerAccount.id).where(col(LedgerAccount.kind) == kind, col(LedgerAccount.billing_account_id).is_(None))
    found = db.exec(wanted).first()
    if found is None:
        insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
        db.execute(insert(LedgerAccount).values(kind=kind, balance_kopecks=0).on_conflict_do_nothing())
        found = db.exec(wanted).one()
    return found
