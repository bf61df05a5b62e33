"""Money given back by staff, with a reason, to the card it came from; never more than was paid, once per key.

The same three steps as a payment: the intent is written, the gateway is asked under its key, what it says is settled.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from actions import letters
from actions.bonus import take_back
from actions.ledger import post
from actions.payments import advance
from actions.performing import action
from db import access, reading, transaction
from integrations.gateway import Gateway, GatewayRefused, NoAnswer, RefundStanding
from integrations.gateways import gateway_called
from models import AuditEntry, Customer, Payment, PaymentPart, Refund
from queries.refunds import matching
from rules.payments import may_repeat
from rules.refusals import KeyReused, LooksLikeCard, NotAllowed, ReasonMissing, RefundImpossible, RefundTooMuch
from rules.terms import Channel, Outcome, PaymentState, Role, TransferCode
from rules.utilities import looks_like_card
from rules.visitor import Visitor
from texts import money, speaking

LONGEST_REASON = 200
FIRST_LOOK = timedelta(seconds=15)
"""How long a refund is left to the screen it was begun on before the background asks, too."""
FRESH, ASK_FRESH, ASK_LATER = timedelta(minutes=10), timedelta(minutes=1), timedelta(minutes=5)
"""While it is fresh it is asked about every minute, later every five."""
BATCH = 50
_log = logging.getLogger("kabinet.refunds")


@dataclass(frozen=True, slots=True)
class RefundProgress:
    """How a refund stands; `known`: whether the gateway has answered."""

    refund_id: int
    state: PaymentState
    known: bool = True


@action("look_up_payments")
def look_up_payments(db: Session, *, visitor: Visitor, wanted: str, state: PaymentState | None = None) -> tuple[int, ...]:
    """The payments behind an account's number, a payer's e-mail or phone, or a payment's number; the latest first.

    For administrators. It changes nothing: it is an action so that looking somebody up leaves rows, of who looked, and of each
    payer who was found. Raises NotAllowed, FieldWrong.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    found = matching(db, visitor=visitor, wanted=wanted, state=state)
    payers = select(Payment.payer_id).where(col(Payment.id).in_(found), col(Payment.payer_id).is_not(None)).distinct()
    for payer_id in db.exec(payers.order_by(col(Payment.payer_id))):
        db.add(
            AuditEntry(
                at=clock.now(),
                customer_id=visitor.customer_id,
                action="payer_shown",
                outcome=Outcome.DONE,
                reason=f"customer {payer_id}",
                address=visitor.address,
            )
        )
    return found


@action("begin_refund")
def begin_refund(
    db: Session, *, visitor: Visitor, payment_id: int, account_id: int, amount_kopecks: int, reason: str, key: str
) -> int:
    """Write down that so much of what a payment brought to an account goes back to its card; returns the refund's id.

    For administrators. The reason is shown to the customer. The same key is the same refund. Raises NotAllowed, ReasonMissing,
    LooksLikeCard, RefundImpossible (cash, a biller's, not succeeded), RefundTooMuch (more than is left of it), KeyReused.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    reason = " ".join(reason.split())
    payment = db.exec(select(Payment).where(col(Payment.id) == payment_id).with_for_update()).first()
    part = db.get(PaymentPart, (payment_id, account_id))
    if payment is None:
        raise NotAllowed()
    earlier = db.exec(select(Refund).where(col(Refund.payment_id) == payment_id, col(Refund.key) == key)).first()
    if earlier is not None:
        if (earlier.billing_account_id, earlier.amount_kopecks, earlier.reason) != (account_id, amount_kopecks, reason):
            raise KeyReused()
        return earlier.id
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise ReasonMissing()
    if looks_like_card(reason):
        raise LooksLikeCard()
    if part is None or payment.state is not PaymentState.SUCCEEDED or payment.gateway is None or not payment.gateway_ref:
        raise RefundImpossible()
    gone = db.exec(
        select(func.sum(Refund.amount_kopecks)).where(
            col(Refund.payment_id) == payment_id,
            col(Refund.billing_account_id) == account_id,
            col(Refund.state) != PaymentState.DECLINED,
        )
    ).one()
    left = part.amount_kopecks - int(gone or 0)
    if not 0 < amount_kopecks <= left:
        raise RefundTooMuch(left_kopecks=left)
    refund = Refund(
        payment_id=payment_id,
        billing_account_id=account_id,
        amount_kopecks=amount_kopecks,
        reason=reason,
        state=PaymentState.PENDING,
        key=key,
        requested_by_id=visitor.customer_id,
        gateway_key=uuid.uuid4().hex,
        created_at=clock.now(),
    )
    db.add(refund)
    db.flush()
    return refund.id


def refund_progress(*, visitor: Visitor, refund_id: int) -> RefundProgress:
    """Take a refund as far as it goes now, for an administrator who looks at it. Raises NotAllowed."""
    access.staff(visitor, Role.ADMINISTRATOR)
    with reading() as db:
        if db.get(Refund, refund_id) is None:
            raise NotAllowed()
    return advance_refund(refund_id)


def payment_asked_about(*, visitor: Visitor, payment_id: int) -> PaymentState:
    """Take anybody's payment as far as it goes now, for an administrator who looks at it. Raises NotAllowed."""
    access.staff(visitor, Role.ADMINISTRATOR)
    with reading() as db:
        if db.get(Payment, payment_id) is None:
            raise NotAllowed()
    return advance(payment_id).state


def advance_refund(refund_id: int) -> RefundProgress:
    """Ask the gateway to give the money back, or how it stands, and settle what is known. Safe to repeat, from anywhere."""
    with reading() as db:
        refund = db.get_one(Refund, refund_id)
        payment = db.get_one(Payment, refund.payment_id)
    if refund.state is not PaymentState.PENDING or payment.gateway is None:
        return RefundProgress(refund_id, refund.state)
    now = clock.now()
    standing, words = None, "never reached the gateway"
    try:
        standing = _standing(gateway_called(payment.gateway), refund, payment, now)
    except NoAnswer as error:
        _log.warning("refund %s: no answer from the gateway: %s", refund_id, error)
        return _note(refund_id, now, f"no answer: {error}")
    except GatewayRefused as error:
        _log.error("refund %s: refused by the gateway: %s", refund_id, error)
        words = f"refused by the gateway: {error}"
        if refund.gateway_ref:
            # It took the refund once: that it will not speak of it now says nothing of the money.
            return _note(refund_id, now, words)
    with transaction() as db:
        return _settle(db, refund_id, standing, words)


def _standing(gateway: Gateway, refund: Refund, payment: Payment, now: datetime) -> RefundStanding | None:
    """What the gateway says; None when it never heard of the refund and it is too late to begin."""
    if refund.gateway_ref:
        return gateway.ask_refund(refund.gateway_ref)
    payment_ref = payment.gateway_ref or ""
    if not may_repeat(created_at=refund.created_at, now=now):
        return gateway.find_refund(refund.gateway_key, payment_ref=payment_ref)
    try:
        return gateway.refund(
            key=refund.gateway_key, ref=payment_ref, amount_kopecks=refund.amount_kopecks, reason=f"refund {refund.id}"
        )
    except GatewayRefused:
        known = gateway.find_refund(refund.gateway_key, payment_ref=payment_ref)
        if known is None:
            raise
        return known


def _locked(db: Session, refund_id: int) -> Refund:
    return db.exec(select(Refund).where(col(Refund.id) == refund_id).with_for_update()).one()


def _note(refund_id: int, now: datetime, trouble: str) -> RefundProgress:
    """Nobody knows more than before; staff see why. Somebody else may have settled it meanwhile."""
    with transaction() as db:
        refund = _locked(db, refund_id)
        if refund.state is PaymentState.PENDING:
            refund.asked_at, refund.trouble = now, trouble[:200]
            db.add(refund)
        return RefundProgress(refund_id, refund.state, known=False)


def _settle(db: Session, refund_id: int, standing: RefundStanding | None, words: str) -> RefundProgress:
    """Make what the gateway said true here, once. No standing: it refused, or never heard of it (`words` say which)."""
    payment_id = db.exec(select(Refund.payment_id).where(col(Refund.id) == refund_id)).one()
    # The payment first: it is what every refund of it waits for.
    payment = db.exec(select(Payment).where(col(Payment.id) == payment_id).with_for_update()).one()
    refund, now = _locked(db, refund_id), clock.now()
    if refund.state is PaymentState.SUCCEEDED:
        return RefundProgress(refund_id, refund.state)
    if standing is not None and (standing.amount_kopecks, standing.key) != (refund.amount_kopecks, refund.gateway_key):
        _log.error("refund %s: the gateway speaks of another sum or key", refund_id)
        refund.asked_at, refund.trouble = now, "the gateway speaks of another sum or key"
        db.add(refund)
        return RefundProgress(refund_id, refund.state, known=False)
    refund.asked_at = now
    if standing is not None:
        refund.gateway_ref, refund.trouble, words = standing.ref, "", "declined by the bank"
    if standing is None or standing.state is PaymentState.DECLINED:
        if refund.state is PaymentState.PENDING:
            refund.state, refund.settled_at, refund.trouble = PaymentState.DECLINED, now, words[:200]
        db.add(refund)
        return RefundProgress(refund_id, refund.state)
    if standing.state is PaymentState.SUCCEEDED:
        refund.state, refund.settled_at = PaymentState.SUCCEEDED, now
        db.add(refund)
        db.flush()
        post(
            db,
            account_id=refund.billing_account_id,
            code=TransferCode.REFUND,
            amount_kopecks=refund.amount_kopecks,
            key=f"refund:{refund.id}",
            occurred_at=now,
            payment_id=payment.id,
        )
        take_back(db, refund=refund, payment=payment, now=now)
        _tell(db, refund, payment)
    db.add(refund)
    return RefundProgress(refund_id, refund.state)


def _tell(db: Session, refund: Refund, payment: Payment) -> None:
    """The letter to the payer, when their e-mail is known."""
    payer = db.get(Customer, payment.payer_id) if payment.payer_id is not None else None
    if payer is None or not payer.email or payer.email_confirmed_at is None:
        return
    with speaking(payer.language):
        said = money(refund.amount_kopecks)
    letters.put(
        db,
        channel=Channel.EMAIL,
        recipient=payer.email,
        about="refund",
        language=payer.language,
        requested_by_id=payer.id,
        document=f"receipt/{payment.id}",
        sum=said,
        reason=refund.reason,
        number=str(payment.id),
    )


def settle_refunds(now: datetime) -> int:
    """Ask about refunds that nobody has settled yet; returns how many came to an end. Safe to run in several processes."""
    with reading() as db:
        due = db.exec(
            select(Refund.id)
            .where(
                col(Refund.state) == PaymentState.PENDING,
                col(Refund.created_at) <= now - FIRST_LOOK,
                sa.or_(
                    col(Refund.asked_at).is_(None),
                    col(Refund.asked_at) <= now - ASK_LATER,
                    sa.and_(col(Refund.created_at) > now - FRESH, col(Refund.asked_at) <= now - ASK_FRESH),
                ),
            )
            .order_by(func.coalesce(col(Refund.asked_at), col(Refund.created_at)))
            .limit(BATCH)
        ).all()
    ended = 0
    for refund_id in due:
        try:
            ended += advance_refund(refund_id).state is not PaymentState.PENDING
        except Exception:
            _log.exception("refund %s could not be settled", refund_id)
    return ended
