"""Settling many autopayments at once: what `actions.settlement.settle` does for one, set-based for those that simply succeeded.

A success has much to write: the payment, the transfer, the balance, the points, the run, the rule, the notice and the letter.
Row by row that is some hundred a second; here it is a few statements for a piece. Whatever is not plain goes the
ordinary way: declines, unknown answers, another sum, people whose refunds left points owing, accounts that are blocked.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions.autopay_runs import next_after
from actions.ledger import operators_account
from actions.letters import row_of
from actions.notices import choices
from actions.settlement import Answer, book, names_of_all, receipt_letter
from db import transaction
from db.bulk import update_many
from models import (
    AutopayRule,
    AutopayRun,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    Message,
    Notice,
    Payment,
    Refund,
    Region,
    Transfer,
)
from rules.bonus import expires_on, points_for_payment
from rules.terms import (
    AccountStatus,
    AutopayResult,
    BonusKind,
    BonusSource,
    LedgerKind,
    NoticeEvent,
    PaymentState,
    TransferCode,
)
from settings import operator
from texts import money, speaking


def settle_answers(answers: Sequence[Answer]) -> int:
    """Make the gateway's answers to autopayments true here; returns how many came to an end. Safe to repeat."""
    successes = {
        answer.payment_id: answer
        for answer in answers
        if answer.standing is not None and answer.standing.state is PaymentState.SUCCEEDED
    }
    settled: set[int] = set()
    if successes:
        with transaction() as db:
            settled = _settle_successes(db, successes)
    over = len(settled)
    for answer in answers:
        if answer.payment_id not in settled:
            over += book(answer).state is not PaymentState.PENDING
    return over


def _settle_successes(db: Session, answers: dict[int, Answer]) -> set[int]:
    """Settle those that are plain; returns their payments. Locks payments, then ledger accounts, both ascending; then rules."""
    now, ids = clock.now(), sorted(answers)
    payments = db.exec(select(Payment).where(col(Payment.id).in_(ids)).order_by(col(Payment.id)).with_for_update()).all()
    found = db.execute(
        sa.select(AutopayRun, AutopayRule, BillingAccount, Customer, col(Region.time_zone))
        .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRun.billing_account_id))
        .join(Customer, col(Customer.id) == col(AutopayRule.customer_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(AutopayRun.payment_id).in_(ids))
    ).all()
    by_payment = {run.payment_id: (run, rule, account, payer, zone) for run, rule, account, payer, zone in found}
    owing = set(
        db.exec(
            select(Payment.payer_id)
            .join(Refund, col(Refund.payment_id) == col(Payment.id))
            .where(col(Refund.points_owed) > 0, col(Payment.payer_id).in_({payment.payer_id for payment in payments}))
        )
    )
    plain = []
    for payment in payments:
        standing = answers[payment.id].standing
        row = by_payment.get(payment.id)
        if (
            payment.state is PaymentState.PENDING
            and standing is not None
            and (standing.amount_kopecks, standing.key) == (payment.amount_kopecks, payment.gateway_key)
            and row is not None
            and row[2].status is not AccountStatus.BLOCKED
            and payment.payer_id not in owing
        ):
            plain.append((payment, standing.ref, *row))
    if not plain:
        return set()
    _post(db, [(payment, account.id) for payment, _, _, _, account, _, _ in plain], now)
    update_many(
        db,
        Payment,
        [
            {
                "id": payment.id,
                "state": PaymentState.SUCCEEDED,
                "settled_at": now,
                "asked_at": now,
                "trouble": "",
                "gateway_ref": ref,
            }
            for payment, ref, *_ in plain
        ],
    )
    points = _grant(db, [(payment, account.id, payer) for payment, _, _, _, account, payer, _ in plain], now)
    update_many(db, AutopayRun, [{"id": run.id, "result": AutopayResult.SUCCEEDED} for _, _, run, *_ in plain])
    update_many(
        db,
        AutopayRule,
        [
            {
                "id": rule.id,
                "due_at": next_after(rule, run.due_on, zone),
                "due_period": "",
                "due_attempt": 1,
                "first_failed_on": None,
            }
            for _, _, run, rule, _, _, zone in plain
        ],
    )
    _tell(db, [(payment, run, account, payer) for payment, _, run, _, account, payer, _ in plain], points, now)
    return {payment.id for payment, *_ in plain}


def _post(db: Session, parts: list[tuple[Payment, int]], now: datetime) -> None:
    """A top-up each, once per key, and the balances beside them."""
    locked = db.execute(
        sa.select(col(LedgerAccount.billing_account_id), col(LedgerAccount.id))
        .where(col(LedgerAccount.billing_account_id).in_({account_id for _, account_id in parts}))
        .order_by(col(LedgerAccount.billing_account_id))
        .with_for_update()
    )
    own: dict[int | None, int] = dict(locked.tuples().all())
    gateway = operators_account(db, LedgerKind.GATEWAY)
    db.execute(
        sa.insert(Transfer),
        [
            {
                "billing_account_id": account_id,
                "debit_id": gateway,
                "credit_id": own[account_id],
                "amount_kopecks": payment.amount_kopecks,
                "code": TransferCode.TOP_UP,
                "key": f"payment:{payment.id}",
                "occurred_at": now,
                "payment_id": payment.id,
            }
            for payment, account_id in parts
        ],
    )
    table: Any = sa.inspect(LedgerAccount).local_table
    db.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(balance_kopecks=table.c.balance_kopecks + sa.bindparam("more")),
        [{"row": own[account_id], "more": payment.amount_kopecks} for payment, account_id in parts],
    )


def _grant(db: Session, paid: list[tuple[Payment, int, Customer]], now: datetime) -> dict[int, int]:
    """A lot of points for each payment, as `actions.bonus.grant_for_payment` gives them; returns how many, by payment."""
    terms = operator().bonus
    zones = {code: ZoneInfo(name) for code, name in db.execute(sa.select(col(Region.code), col(Region.time_zone))).tuples()}
    granted = {
        payment.id: points_for_payment(amount_kopecks=payment.amount_kopecks, by_autopay=True, terms=terms).total
        for payment, _, _ in paid
    }
    earning = [each for each in paid if granted[each[0].id] > 0]
    if not earning:
        return granted
    lots = []
    for payment, _, payer in earning:
        day, points = now.astimezone(zones[payer.region_code]).date(), granted[payment.id]
        lots.append(
            {
                "customer_id": payer.id,
                "source": BonusSource.AUTOPAY,
                "granted": points,
                "remaining": points,
                "granted_on": day,
                "expires_on": expires_on(day, terms),
            }
        )
    lot_ids = db.scalars(sa.insert(BonusLot).returning(col(BonusLot.id), sort_by_parameter_order=True), lots).all()
    db.execute(
        sa.insert(BonusEntry),
        [
            {
                "customer_id": payer.id,
                "lot_id": lot_id,
                "kind": BonusKind.EARNED,
                "points": granted[payment.id],
                "key": f"payment:{payment.id}",
                "occurred_at": now,
                "payment_id": payment.id,
                "billing_account_id": account_id,
            }
            for (payment, account_id, payer), lot_id in zip(earning, lot_ids, strict=True)
        ],
    )
    return granted


def _tell(
    db: Session,
    done: list[tuple[Payment, AutopayRun, BillingAccount, Customer]],
    points: dict[int, int],
    now: datetime,
) -> None:
    """A notice in the cabinet and the letter with the receipt, for whoever wants them."""
    chosen = choices(db, customer_ids={payer.id for *_, payer in done}, event=NoticeEvent.AUTOPAY_DONE)
    notices = [
        {
            "customer_id": payer.id,
            "event": NoticeEvent.AUTOPAY_DONE,
            "billing_account_id": account.id,
            "key": f"autopay:{run.rule_id}:{run.period}:{run.attempt}:{AutopayResult.SUCCEEDED.value}",
            "facts": {"amount_kopecks": payment.amount_kopecks, "payment_id": payment.id, "points": points[payment.id]},
            "in_cabinet": True,
            "by_email": False,
            "created_at": now,
        }
        for payment, run, account, payer in done
        if chosen[payer.id][0]
    ]
    if notices:
        db.execute(sa.insert(Notice), notices)
    writing = [
        (payment, account, payer)
        for payment, _, account, payer in done
        if chosen[payer.id][1] and payer.email and payer.email_confirmed_at is not None
    ]
    names = names_of_all(db, [(payer, account) for _, account, payer in writing])
    messages = []
    for payment, account, payer in writing:
        with speaking(payer.language):
            what = f"{names[payer.id, account.id]}: {money(payment.amount_kopecks)}"
        messages.append(row_of(**receipt_letter(payment, payer, what)))
    if messages:
        db.execute(sa.insert(Message), messages)
