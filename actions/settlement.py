"""What a gateway said of a payment becomes true here, once: state, transfers, points, a kept card, the letter with the receipt.

Everything happens in the caller's transaction, behind the lock on the payment's row.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions import letters
from actions.autopay_runs import close
from actions.blocking import resume_if_paid
from actions.bonus import grant_for_payment
from actions.cards import keep
from actions.ledger import post, post_to_biller
from actions.notices import choices
from db import transaction
from integrations.gateway import Standing
from models import Attachment, Biller, BillingAccount, Customer, Payment, PaymentPart, UtilityPayment
from rules.terms import Channel, DeclineReason, Language, NoticeEvent, PaymentMethod, PaymentState, TransferCode
from texts import account_number, money, speaking, t

_log = logging.getLogger("kabinet.payments")


@dataclass(frozen=True, slots=True)
class Progress:
    """How a payment stands. PENDING with a `page_url`: the payer has something to do at the bank. `known`: whether the gateway
    has answered; when it has not, nobody may say yet whether money was taken."""

    payment_id: int
    state: PaymentState
    page_url: str | None = None
    reason: DeclineReason | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said of a payment when it was asked: how it stands; or that it will not be (`declined`); or nothing."""

    payment_id: int
    asked_at: datetime
    standing: Standing | None = None
    declined: DeclineReason | None = None
    trouble: str = ""


def book(answer: Answer) -> Progress:
    """Make an answer true here, in a transaction of its own; safe to repeat."""
    if answer.standing is None and answer.declined is None:
        return note(answer.payment_id, answer.asked_at, answer.trouble)
    with transaction() as db:
        if answer.standing is not None:
            return settle(db, answer.payment_id, answer.standing)
        return decline(db, answer.payment_id, answer.declined or DeclineReason.GATEWAY_REFUSED, trouble=answer.trouble)


def locked(db: Session, payment_id: int) -> Payment:
    return db.exec(select(Payment).where(col(Payment.id) == payment_id).with_for_update()).one()


def note(payment_id: int, now: datetime, trouble: str) -> Progress:
    """Nobody knows more than before; staff see why. Somebody else may have settled it meanwhile."""
    with transaction() as db:
        payment = locked(db, payment_id)
        if payment.state is not PaymentState.PENDING:
            return Progress(payment_id, payment.state, reason=payment.decline_reason)
        payment.asked_at, payment.trouble = now, trouble[:200]
        db.add(payment)
        return Progress(payment_id, payment.state, known=False)


def settle(db: Session, payment_id: int, standing: Standing) -> Progress:
    """Make what the gateway said true here, once."""
    payment, now = locked(db, payment_id), clock.now()
    if payment.state is PaymentState.SUCCEEDED:
        return Progress(payment_id, payment.state)
    if (standing.amount_kopecks, standing.key) != (payment.amount_kopecks, payment.gateway_key):
        # Somebody else's charge, or another sum: not ours to book, and not ours to forget.
        _log.error("payment %s: the gateway speaks of another sum or key", payment_id)
        payment.asked_at, payment.trouble = now, "the gateway speaks of another sum or key"
        db.add(payment)
        return Progress(payment_id, payment.state, known=False)
    payment.gateway_ref, payment.asked_at, payment.trouble = standing.ref, now, ""
    db.add(payment)
    if standing.state is PaymentState.PENDING:
        return Progress(payment_id, payment.state, page_url=standing.page_url, reason=payment.decline_reason)
    if standing.state is PaymentState.DECLINED:
        return decline(db, payment_id, standing.reason or DeclineReason.BANK_REFUSED)
    # A payment that was given up here and charged there after all: money that was taken is credited.
    payment.state, payment.settled_at, payment.decline_reason = PaymentState.SUCCEEDED, now, None
    if standing.card is not None and payment.keeps_card and payment.payer_id is not None:
        kept = keep(db, customer_id=payment.payer_id, card=standing.card, now=now)
        payment.card_id = kept.id if kept is not None else None
    db.add(payment)
    db.flush()
    utility, points = db.get(UtilityPayment, payment_id), 0
    if utility is not None:
        post_to_biller(
            db, amount_kopecks=payment.amount_kopecks, key=f"payment:{payment_id}", occurred_at=now, payment_id=payment_id
        )
    else:
        for part in _parts(db, payment_id):
            post(
                db,
                account_id=part.billing_account_id,
                code=TransferCode.TOP_UP,
                amount_kopecks=part.amount_kopecks,
                key=f"payment:{payment_id}",
                occurred_at=now,
                payment_id=payment_id,
            )
        resume_if_paid(db, account_ids=[part.billing_account_id for part in _parts(db, payment_id)], now=now)
        points = grant_for_payment(db, payment=payment, by_autopay=payment.method is PaymentMethod.AUTOPAY, now=now)
    _write_receipt(db, payment, utility)
    if payment.method is PaymentMethod.AUTOPAY:
        close(db, payment, points=points, now=now)
    return Progress(payment_id, payment.state)


def decline(db: Session, payment_id: int, reason: DeclineReason, *, trouble: str = "") -> Progress:
    payment, now = locked(db, payment_id), clock.now()
    if payment.state is PaymentState.PENDING:
        payment.state, payment.settled_at, payment.decline_reason = PaymentState.DECLINED, now, reason
        payment.asked_at, payment.trouble = now, trouble[:200]
        db.add(payment)
        if payment.method is PaymentMethod.AUTOPAY:
            close(db, payment, points=0, now=now)
    return Progress(payment_id, payment.state, reason=payment.decline_reason)


def _parts(db: Session, payment_id: int) -> Sequence[PaymentPart]:
    """In the order in which ledger accounts are locked everywhere: ascending."""
    return db.exec(
        select(PaymentPart).where(col(PaymentPart.payment_id) == payment_id).order_by(col(PaymentPart.billing_account_id))
    ).all()


def _write_receipt(db: Session, payment: Payment, utility: UtilityPayment | None) -> None:
    """The letter with the receipt, for a payer whose e-mail is known; it leaves after the commit."""
    payer = db.get(Customer, payment.payer_id) if payment.payer_id is not None else None
    if payer is None or not payer.email or payer.email_confirmed_at is None:
        return
    by_autopay = payment.method is PaymentMethod.AUTOPAY
    if by_autopay and not choices(db, customer_ids=[payer.id], event=NoticeEvent.AUTOPAY_DONE)[payer.id][1]:
        return
    if utility is not None:
        biller = db.get_one(Biller, utility.biller_id)
        what = biller.name_en if payer.language is Language.EN else biller.name_ru
    else:
        parts = _parts(db, payment.id)
        with speaking(payer.language):
            names = names_of(db, payer.id, [part.billing_account_id for part in parts])
            what = "\n".join(f"{names[part.billing_account_id]}: {money(part.amount_kopecks)}" for part in parts)
    letter = receipt_letter(
        payment_id=payment.id,
        amount_kopecks=payment.amount_kopecks,
        by_autopay=by_autopay,
        payer_id=payer.id,
        email=payer.email,
        language=payer.language,
        what=what,
    )
    letters.put(db, **letter)


def receipt_letter(
    *, payment_id: int, amount_kopecks: int, by_autopay: bool, payer_id: int, email: str, language: Language, what: str
) -> dict[str, Any]:
    """What `letters.put` is given for a receipt. `what` was paid for, in the payer's language."""
    with speaking(language):
        said = money(amount_kopecks)
    return {
        "channel": Channel.EMAIL,
        "recipient": email,
        "about": "autopay_receipt" if by_autopay else "receipt",
        "language": language,
        "requested_by_id": payer_id,
        "document": f"receipt/{payment_id}",
        "sum": said,
        "what": what,
        "number": str(payment_id),
    }


def names_of(db: Session, customer_id: int, account_ids: Sequence[int]) -> dict[int, str]:
    """Account → how the person calls it, with its number."""
    rows = db.execute(
        sa.select(col(BillingAccount.id), col(BillingAccount.service), col(BillingAccount.number), col(Attachment.label))
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(BillingAccount.id),
                col(Attachment.customer_id) == customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .where(col(BillingAccount.id).in_(account_ids))
    )
    return {id_: f"{label or t(f'service.{service.value}')} ({account_number(number_)})" for id_, service, number_, label in rows}
