"""In a demo people go on paying by hand, as they did in the months that were seeded: nobody else would do it for them.

Who has paid an account by hand of late pays what it owes a few days after billing, in the way of the last time, through the code
that settles every payment. Who had stopped paying has stopped. For those who are shown in the demo, its visitors act themselves;
only the days that a demo catches up with, seen by nobody, are lived for them, too.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from actions.settlement import settle
from db import reading, transaction
from integrations.gateway import Standing
from models import Attachment, AutopayRule, BillingAccount, DemoPersona, LedgerAccount, Payment, PaymentPart
from queries.figures import ACCOUNTING_TIME
from rules.terms import AccountStatus, AutopayState, BillingMode, PaymentMethod, PaymentState
from settings import operator

LATELY = timedelta(days=95)
FIRST_DAY, DAYS = 2, 17
"""They pay from the second to the eighteenth, each account on a day of its own."""
STEP_KOPECKS = 5_000
"""Ahead people pay round sums."""
TOGETHER = 50


@dataclass(frozen=True, slots=True)
class _Habit:
    """An account that owes, and how it was paid by hand the last time."""

    account_id: int
    mode: BillingMode
    owes_kopecks: int
    payer_id: int | None
    method: PaymentMethod
    card_id: int | None


def pay_by_hand(now: datetime, *, personas_too: bool) -> int:
    """Pay what those owe whose day is today; returns how many payments."""
    with reading() as db:
        habits = _habits(db, now, personas_too=personas_too)
    for start in range(0, len(habits), TOGETHER):
        with transaction() as db:
            for habit in habits[start : start + TOGETHER]:
                _pay(db, habit, now)
    return len(habits)


def _habits(db: Session, now: datetime, *, personas_too: bool) -> list[_Habit]:
    here = now.astimezone(ACCOUNTING_TIME)

    def is_its_day(account_id: Any) -> Any:
        return (account_id * 7 + here.month) % DAYS == here.day - FIRST_DAY

    last = (
        sa.select(col(PaymentPart.billing_account_id).label("account_id"), sa.func.max(col(Payment.id)).label("payment_id"))
        .join(Payment, col(Payment.id) == col(PaymentPart.payment_id))
        .where(
            col(Payment.state) == PaymentState.SUCCEEDED,
            col(Payment.method) != PaymentMethod.AUTOPAY,
            col(Payment.created_at) >= now - LATELY,
            is_its_day(col(PaymentPart.billing_account_id)),
        )
        .group_by(col(PaymentPart.billing_account_id))
        .subquery()
    )
    relies = sa.select(col(AutopayRule.billing_account_id)).where(col(AutopayRule.state) == AutopayState.ACTIVE)
    still_may = sa.and_(
        col(Attachment.billing_account_id) == col(BillingAccount.id),
        col(Attachment.customer_id) == col(Payment.payer_id),
        col(Attachment.detached_at).is_(None),
    )
    asked = (
        sa.select(
            col(BillingAccount.id),
            col(BillingAccount.mode),
            -col(LedgerAccount.balance_kopecks),
            col(Attachment.customer_id),
            col(Payment.method),
            col(Payment.card_id),
        )
        .join(last, last.c.account_id == col(BillingAccount.id))
        .join(Payment, col(Payment.id) == last.c.payment_id)
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .outerjoin(Attachment, still_may)
        .where(
            col(LedgerAccount.balance_kopecks) < 0,
            col(BillingAccount.status) != AccountStatus.CLOSED,
            col(BillingAccount.id).not_in(relies),
        )
        .order_by(col(BillingAccount.id))
    )
    if not personas_too:
        theirs = sa.select(col(Attachment.billing_account_id)).join(
            DemoPersona, col(DemoPersona.customer_id) == col(Attachment.customer_id)
        )
        asked = asked.where(col(BillingAccount.id).not_in(theirs))
    return [_Habit(*row) for row in db.execute(asked)]


def _pay(db: Session, habit: _Habit, now: datetime) -> None:
    key = f"by-hand:{habit.account_id}:{now:%Y-%m-%d}"
    its_payer = col(Payment.payer_id).is_(None) if habit.payer_id is None else col(Payment.payer_id) == habit.payer_id
    if db.exec(select(Payment.id).where(its_payer, col(Payment.key) == key)).first() is not None:
        return  # the moment is lived again: somebody was cut off in it
    terms, owes = operator().payments, habit.owes_kopecks
    if habit.mode is BillingMode.PREPAID:
        owes = -(-owes // STEP_KOPECKS) * STEP_KOPECKS
    amount = min(max(owes, terms.least_kopecks), terms.most_kopecks)
    in_portal = habit.payer_id is not None
    payment = Payment(
        payer_id=habit.payer_id,
        amount_kopecks=amount,
        method=habit.method if in_portal else PaymentMethod.CASH,
        state=PaymentState.PENDING,
        card_id=habit.card_id if in_portal else None,
        key=key,
        created_at=now,
        gateway_key=uuid.uuid4().hex,
    )
    db.add(payment)
    db.flush()
    db.add(PaymentPart(payment_id=payment.id, billing_account_id=habit.account_id, amount_kopecks=amount))
    db.flush()
    settle(db, payment.id, Standing(f"by-hand-{payment.id}", payment.gateway_key or "", PaymentState.SUCCEEDED, amount))
