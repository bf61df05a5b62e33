"""One payment of a person, as its page shows it."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models import (
    Attachment,
    Biller,
    BillingAccount,
    BonusEntry,
    Customer,
    LedgerAccount,
    Payment,
    PaymentPart,
    Refund,
    SavedCard,
    UtilityPayment,
)
from rules.refusals import NotAllowed
from rules.terms import (
    BonusKind,
    CardBrand,
    DeclineReason,
    Language,
    PaymentMethod,
    PaymentState,
    ServiceKind,
)
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class PaidPart:
    """What went to one account. `balance_kopecks` is today's, None when the account is not attached any more."""

    account_id: int
    number: str
    service: ServiceKind
    label: str
    amount_kopecks: int
    balance_kopecks: int | None


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment and what came of it. `biller` names a payment that was for somebody else; `card` is brand and last four."""

    payment_id: int
    state: PaymentState
    amount_kopecks: int
    method: PaymentMethod
    card: tuple[CardBrand, str] | None
    reason: DeclineReason | None
    created_at: datetime
    settled_at: datetime | None
    parts: tuple[PaidPart, ...]
    biller: str
    points: int
    refunded_kopecks: int
    receipt_to: str
    """The e-mail to which the receipt went, empty without one."""
    saved_card_id: int | None
    """The saved card that was chosen; None: one that was typed at the bank, which was to be kept if `keeps_card`."""
    keeps_card: bool


def payment_view(db: Session, *, visitor: Visitor, payment_id: int) -> PaymentView:
    """The visitor's own payment. Raises NotAllowed for anybody else's, and for what does not exist."""
    payment = db.exec(select(Payment).where(col(Payment.id) == payment_id, col(Payment.payer_id) == visitor.customer_id)).first()
    if payment is None:
        raise NotAllowed()
    card = db.get(SavedCard, payment.card_id) if payment.card_id is not None else None
    rows = db.execute(
        sa.select(PaymentPart, BillingAccount, Attachment, col(LedgerAccount.balance_kopecks))
        .join(BillingAccount, col(BillingAccount.id) == col(PaymentPart.billing_account_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(BillingAccount.id),
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .where(col(PaymentPart.payment_id) == payment_id)
        .order_by(col(Attachment.position), col(BillingAccount.id))
    ).all()
    biller = db.exec(
        select(Biller)
        .join(UtilityPayment, col(UtilityPayment.biller_id) == col(Biller.id))
        .where(col(UtilityPayment.payment_id) == payment_id)
    ).first()
    points = db.exec(
        select(func.sum(BonusEntry.points)).where(
            col(BonusEntry.customer_id) == visitor.customer_id,
            col(BonusEntry.occurred_at) >= payment.created_at,
            col(BonusEntry.payment_id) == payment_id,
            col(BonusEntry.kind).in_([BonusKind.EARNED, BonusKind.REVERSED]),
            col(BonusEntry.key).not_like("owed:%"),  # what an earlier payment owed
        )
    ).one()
    refunded = db.exec(
        select(func.sum(Refund.amount_kopecks)).where(
            col(Refund.payment_id) == payment_id, col(Refund.state) == PaymentState.SUCCEEDED
        )
    ).one()
    email = db.exec(
        select(Customer.email).where(col(Customer.id) == visitor.customer_id, col(Customer.email_confirmed_at).is_not(None))
    ).first()
    return PaymentView(
        payment_id=payment.id,
        state=payment.state,
        amount_kopecks=payment.amount_kopecks,
        method=payment.method,
        card=(card.brand, card.last_four) if card is not None else None,
        reason=payment.decline_reason,
        created_at=payment.created_at,
        settled_at=payment.settled_at,
        parts=tuple(
            PaidPart(
                account_id=account.id,
                number=account.number,
                service=account.service,
                label=attachment.label if attachment is not None else "",
                amount_kopecks=part.amount_kopecks,
                balance_kopecks=balance if attachment is not None else None,
            )
            for part, account, attachment, balance in rows
        ),
        biller="" if biller is None else biller.name_en if visitor.language is Language.EN else biller.name_ru,
        points=int(points or 0),
        refunded_kopecks=int(refunded or 0),
        receipt_to=email or "",
        saved_card_id=payment.card_id if payment.method is PaymentMethod.SAVED_CARD else None,
        keeps_card=payment.keeps_card,
    )
