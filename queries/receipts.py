"""The receipt of a payment that succeeded, for whoever paid."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models import (
    Attachment,
    Biller,
    BillerField,
    BillingAccount,
    Customer,
    Payment,
    PaymentPart,
    Refund,
    Region,
    SavedCard,
    UtilityPayment,
)
from rules.papers import Receipt, ReceiptBiller, ReceiptPart, ReceiptRefund
from rules.refusals import NotAllowed
from rules.terms import Language, PaymentState
from rules.visitor import Visitor


def receipt(db: Session, *, visitor: Visitor, payment_id: int) -> Receipt:
    """What the visitor paid. Raises NotAllowed for what somebody else paid, what did not succeed, and what does not exist."""
    payment = db.exec(
        select(Payment).where(
            col(Payment.id) == payment_id,
            col(Payment.payer_id) == visitor.customer_id,
            col(Payment.state) == PaymentState.SUCCEEDED,
        )
    ).first()
    if payment is None:
        raise NotAllowed()
    payer, time_zone = db.execute(
        sa.select(Customer, col(Region.time_zone))
        .join(Region, col(Region.code) == col(Customer.region_code))
        .where(col(Customer.id) == visitor.customer_id)
    ).one()
    card = db.get(SavedCard, payment.card_id) if payment.card_id is not None else None
    return Receipt(
        payment_id=payment.id,
        at=payment.settled_at or payment.created_at,
        time_zone=time_zone,
        payer=" ".join(filter(None, (payer.last_name, payer.first_name, payer.patronymic))),
        amount_kopecks=payment.amount_kopecks,
        method=payment.method,
        card=None if card is None else (card.brand, card.last_four),
        parts=tuple(
            ReceiptPart(account.number, account.service, label or "", part.amount_kopecks)
            for part, account, label in db.execute(_of_accounts(PaymentPart, visitor, payment_id))
        ),
        biller=_biller(db, payment_id, visitor.language),
        gateway_ref=payment.gateway_ref or "",
        refunds=tuple(
            ReceiptRefund(
                refund.settled_at or refund.created_at,
                account.number,
                account.service,
                label or "",
                refund.amount_kopecks,
                refund.reason,
            )
            for refund, account, label in db.execute(
                _of_accounts(Refund, visitor, payment_id)
                .where(col(Refund.state) == PaymentState.SUCCEEDED)
                .order_by(None)
                .order_by(col(Refund.settled_at), col(Refund.id))
            )
        ),
    )


def _of_accounts(what: Any, visitor: Visitor, payment_id: int) -> "sa.Select[*tuple[Any, ...]]":
    """Rows of a payment, each with its account and the visitor's own name for it, if it is attached."""
    return (
        sa.select(what, BillingAccount, col(Attachment.label))
        .join(BillingAccount, col(BillingAccount.id) == what.billing_account_id)
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == what.billing_account_id,
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .where(what.payment_id == payment_id)
        .order_by(col(Attachment.position), col(BillingAccount.id))
    )


def _biller(db: Session, payment_id: int, language: Language) -> ReceiptBiller | None:
    found = db.execute(
        sa.select(UtilityPayment, Biller)
        .join(Biller, col(Biller.id) == col(UtilityPayment.biller_id))
        .where(col(UtilityPayment.payment_id) == payment_id)
    ).first()
    if found is None:
        return None
    paid, biller = found
    english = language is Language.EN
    asked = db.exec(
        select(BillerField)
        .where(col(BillerField.biller_id) == biller.id)
        .order_by(col(BillerField.position), col(BillerField.id))
    ).all()
    return ReceiptBiller(
        name=biller.name_en if english else biller.name_ru,
        inn=biller.inn,
        fields=tuple(
            (each.label_en if english else each.label_ru, each.kind, str(paid.fields[each.code]))
            for each in asked
            if paid.fields.get(each.code)
        ),
    )
