"""Paying by card, exactly once.

A payment is three steps, and the process may die between any two of them:
1. the intent is written, with a key of its own (`begin_payment`; the person is done when this has committed);
2. the gateway is asked to charge under that key, or asked how it stands (`advance`, outside any transaction);
3. what it said is settled in one transaction: state, transfers, points, a kept card, the receipt letter (`_settle`).
Whoever comes by repeats 2 and 3 until the gateway has said the last word: the screen, the return from the bank, a webhook,
`reconcile`. The same key at the gateway is one charge; the payment's row lock and the ledger's keys make it one settlement.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from actions import letters
from actions.bonus import grant_for_payment
from actions.cards import keep, usable
from actions.ledger import post, post_to_biller
from actions.performing import action
from db import access, reading, transaction
from integrations.gateway import Charge, Gateway, GatewayRefused, NoAnswer, Standing
from integrations.gateways import gateway_called
from models import Attachment, Biller, BillingAccount, Customer, Payment, PaymentPart, SavedCard, UtilityPayment
from rules.payments import check_amount, may_repeat
from rules.refusals import (
    AccountClosed,
    KeyReused,
    NotAllowed,
    NothingToPay,
    PaidJustNow,
    PaymentUnderWay,
    TooManyAttempts,
)
from rules.terms import (
    AccountStatus,
    Channel,
    DeclineReason,
    GatewayName,
    Language,
    PaymentMethod,
    PaymentState,
    Right,
    TransferCode,
)
from rules.visitor import Visitor
from settings import operator, settings
from texts import money, speaking, t

_log = logging.getLogger("kabinet.payments")

FIRST_LOOK = timedelta(seconds=15)
"""How long a payment is left to the person's own screen before the background asks, too."""
ASK_EVERY = ((timedelta(minutes=10), timedelta(seconds=10)), (timedelta(days=3650), timedelta(minutes=5)))
"""Up to such an age it is asked about again after so long."""
BATCH, AT_ONCE = 100, 8


@dataclass(frozen=True, slots=True)
class Begun:
    """The payment that a wish to pay became, or had become before."""

    payment_id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How a payment stands. PENDING with a `page_url`: the payer has something to do at the bank. `known`: whether the gateway
    has answered; when it has not, nobody may say yet whether money was taken."""

    payment_id: int
    state: PaymentState
    page_url: str | None = None
    reason: DeclineReason | None = None
    known: bool = True


@action("begin_payment")
def begin_payment(
    db: Session,
    *,
    visitor: Visitor,
    parts: Mapping[int, int],
    key: str,
    card_id: int | None = None,
    keep_card: bool = False,
    return_url: str = "",
    again: bool = False,
) -> Begun:
    """Write down that the visitor pays so much (kopecks) for each of these accounts, in one payment; nothing is charged here.

    With `card_id` one of their saved cards is charged, without it the card is typed on the bank's page (and kept, if
    `keep_card`). The same key is the same payment. `again`: although an equal one was made or begun minutes ago.
    Raises NothingToPay, NotAllowed, RightTooLow, AccountClosed and what `open_intent` raises.
    """
    wanted = {account_id: parts[account_id] for account_id in sorted(parts) if parts[account_id]}
    if not wanted or min(wanted.values()) < 0:
        raise NothingToPay()
    for account_id in wanted:
        account = access.account(db, visitor, account_id, Right.PAY)
        if account.status is AccountStatus.CLOSED:
            raise AccountClosed(label=_names(db, visitor.customer_id, [account_id])[account_id])
    payment, was_there = open_intent(
        db,
        visitor=visitor,
        amount_kopecks=sum(wanted.values()),
        key=key,
        card_id=card_id,
        keep_card=keep_card,
        return_url=return_url,
        again=again,
        content=_content_of_accounts(wanted),
    )
    if not was_there:
        for account_id, amount_kopecks in wanted.items():
            db.add(PaymentPart(payment_id=payment.id, billing_account_id=account_id, amount_kopecks=amount_kopecks))
        db.flush()
    return Begun(payment.id)


def open_intent(
    db: Session,
    *,
    visitor: Visitor,
    amount_kopecks: int,
    key: str,
    card_id: int | None,
    keep_card: bool,
    return_url: str,
    again: bool,
    content: str,
) -> tuple[Payment, bool]:
    """The pending payment under the visitor's key, new or (True) as it was there; the caller adds what it is for.

    `content` says what is paid for (`content_of_biller`, or accounts and sums). Raises AmountOutOfRange, CardUnusable,
    KeyReused (the key came with something else), PaidJustNow and PaymentUnderWay (unless `again`), TooManyAttempts.
    """
    # Of two tabs at the same moment the second waits here, and then sees what the first has begun.
    db.exec(select(Customer.id).where(col(Customer.id) == visitor.customer_id).with_for_update(key_share=True)).one()
    method = PaymentMethod.CARD if card_id is None else PaymentMethod.SAVED_CARD
    wish = (amount_kopecks, method, card_id, keep_card and card_id is None, content)
    earlier = db.exec(select(Payment).where(col(Payment.payer_id) == visitor.customer_id, col(Payment.key) == key)).first()
    if earlier is not None:
        if _wish(db, earlier) != wish:
            raise KeyReused()
        return earlier, True
    terms = operator().payments
    check_amount(amount_kopecks, terms=terms)
    if card_id is not None:
        usable(db, visitor, card_id)
    now = clock.now()
    since = now - timedelta(hours=1)
    mine = list(
        db.exec(
            select(Payment)
            .where(
                col(Payment.payer_id) == visitor.customer_id,
                col(Payment.created_at) >= since,
                col(Payment.method) != PaymentMethod.AUTOPAY,
            )
            .order_by(col(Payment.created_at).desc(), col(Payment.id).desc())
        )
    )
    for payment in mine:
        if payment.created_at < now - timedelta(minutes=terms.again_minutes) or payment.amount_kopecks != amount_kopecks:
            continue
        its = _wish(db, payment)
        if its[-1] != content:
            continue
        if payment.state is PaymentState.PENDING and its == wish:
            return payment, True  # the same wish in another tab, or after a reload
        if again or payment.state is PaymentState.DECLINED:
            continue
        if payment.state is PaymentState.PENDING:
            raise PaymentUnderWay(amount_kopecks=amount_kopecks)
        raise PaidJustNow(amount_kopecks=amount_kopecks, minutes=terms.again_minutes)
    if len(mine) >= terms.tries_per_hour:
        raise TooManyAttempts(minutes=60)
    payment = Payment(
        payer_id=visitor.customer_id,
        amount_kopecks=amount_kopecks,
        method=method,
        state=PaymentState.PENDING,
        card_id=card_id,
        key=key,
        created_at=now,
        gateway=settings().payment_gateway,
        gateway_key=uuid.uuid4().hex,
        keeps_card=keep_card and card_id is None,
        return_url=return_url,
    )
    db.add(payment)
    db.flush()
    payment.return_url = return_url.replace("{payment}", str(payment.id))
    db.add(payment)
    return payment, False


def content_of_biller(biller_id: int, fields: Mapping[str, Any]) -> str:
    """What a payment to a biller is for, as `open_intent` compares it."""
    return f"biller:{biller_id}:{json.dumps(dict(fields), sort_keys=True, ensure_ascii=False)}"


def _content_of_accounts(parts: Mapping[int, int]) -> str:
    return "accounts:" + ",".join(f"{account_id}={parts[account_id]}" for account_id in sorted(parts))


def _wish(db: Session, payment: Payment) -> tuple[int, PaymentMethod, int | None, bool, str]:
    """What was wanted when a payment was begun, to compare with a wish that comes now."""
    utility = db.get(UtilityPayment, payment.id)
    if utility is not None:
        content = content_of_biller(utility.biller_id, utility.fields)
    else:
        parts = db.exec(select(PaymentPart).where(col(PaymentPart.payment_id) == payment.id))
        content = _content_of_accounts({part.billing_account_id: part.amount_kopecks for part in parts})
    # A card that was typed and then kept is not what was chosen.
    card_id = payment.card_id if payment.method is PaymentMethod.SAVED_CARD else None
    return payment.amount_kopecks, payment.method, card_id, payment.keeps_card, content


# --- the gateway ------------------------------------------------------------------------------------
def progress(*, visitor: Visitor, payment_id: int) -> Progress:
    """Take the visitor's own payment as far as it goes now, and say where it is. Raises NotAllowed."""
    with reading() as db:
        payment = db.get(Payment, payment_id)
        if payment is None or payment.payer_id is None or payment.payer_id != visitor.customer_id:
            raise NotAllowed()
    return advance(payment_id)


def advance(payment_id: int) -> Progress:
    """Begin the charge or ask how it stands, and settle what is known. Safe to repeat, from anywhere, at any time.

    Talks to the gateway outside of any transaction, and ends within its patience.
    """
    with reading() as db:
        payment = db.get_one(Payment, payment_id)
        token = db.get_one(SavedCard, payment.card_id).token if payment.card_id is not None else None
        payer = db.get(Customer, payment.payer_id) if payment.payer_id is not None else None
    if payment.state is not PaymentState.PENDING or payment.gateway is None:
        return Progress(payment_id, payment.state, reason=payment.decline_reason)
    now = clock.now()
    try:
        with speaking(payer.language if payer is not None else Language.RU):
            standing = _standing(gateway_called(payment.gateway), payment, token, now)
    except NoAnswer as error:
        _log.warning("payment %s: no answer from the gateway: %s", payment_id, error)
        return _note(payment_id, now, f"no answer: {error}")
    except GatewayRefused as error:
        _log.error("payment %s: refused by the gateway: %s", payment_id, error)
        with transaction() as db:
            return _decline(db, payment_id, DeclineReason.GATEWAY_REFUSED, trouble=str(error))
    if standing is None:
        with transaction() as db:
            return _decline(db, payment_id, DeclineReason.NOT_FINISHED, trouble="never reached the gateway")
    with transaction() as db:
        return _settle(db, payment_id, standing)


def _standing(gateway: Gateway, payment: Payment, token: str | None, now: datetime) -> Standing | None:
    """What the gateway says about a pending payment; None when it never heard of it and it is too late to begin."""
    if payment.gateway_ref:
        try:
            return gateway.ask(payment.gateway_ref)
        except GatewayRefused as error:
            # It had told us of this payment itself: what it will not speak of now is unknown, and may have been charged.
            raise NoAnswer(f"refused to say: {error}") from None
    key = payment.gateway_key or ""
    if not may_repeat(created_at=payment.created_at, now=now):
        return gateway.find(key, since=payment.created_at)
    wish = Charge(
        key=key,
        amount_kopecks=payment.amount_kopecks,
        description=t("pay.description", number=str(payment.id)),
        return_url=payment.return_url,
        token=token,
        keep_card=payment.keeps_card,
    )
    try:
        return gateway.charge(wish)
    except GatewayRefused:
        # Refused may be this request, or its repetition after the first one was carried out.
        known = gateway.find(key, since=payment.created_at)
        if known is None:
            raise
        return known


def hear(name: GatewayName, ref: str) -> bool:
    """A gateway, or somebody who says so, spoke of its charge `ref`: ask it, and settle what it says. Returns whether it is ours.

    Nothing is believed but that it may be worth asking, and it is not asked about what is over or cannot be ours. A payment
    that was given up here and charged there after all is settled, too. Raises NoAnswer: let them call again.
    """
    with reading() as db:
        known = db.exec(select(Payment).where(col(Payment.gateway_ref) == ref)).first()
        lost = select(Payment.id).where(
            col(Payment.gateway) == name,
            col(Payment.gateway_ref).is_(None),
            col(Payment.state) != PaymentState.SUCCEEDED,
            col(Payment.created_at) >= clock.now() - timedelta(days=7),
        )
        if known is None and db.exec(lost.limit(1)).first() is None:
            return False
    if known is not None and known.state is PaymentState.SUCCEEDED:
        return True
    try:
        standing = gateway_called(name).ask(ref)
    except GatewayRefused:
        return False
    with reading() as db:
        payment_id = db.exec(select(Payment.id).where(col(Payment.gateway_key) == standing.key)).first()
    if payment_id is None:
        return False
    with transaction() as db:
        _settle(db, payment_id, standing)
    return True


def reconcile(now: datetime) -> int:
    """Ask about payments that nobody has settled yet; returns how many came to an end. Safe to run in several processes."""
    with reading() as db:
        pending = db.execute(
            sa.select(col(Payment.id), col(Payment.created_at), col(Payment.asked_at))
            .where(
                # Written out, so that SQLite sees that the partial index serves.
                col(Payment.state) == sa.literal_column("'pending'"),
                col(Payment.gateway).is_not(None),
                col(Payment.created_at) <= now - FIRST_LOOK,
            )
            .order_by(func.coalesce(col(Payment.asked_at), col(Payment.created_at)), col(Payment.id))
            .limit(BATCH)
        ).all()
    due = [payment_id for payment_id, created_at, asked_at in pending if _is_due(created_at, asked_at, now)]
    if not due:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(due)), thread_name_prefix="reconcile") as pool:
        return sum(pool.map(_looked_after, due))


def _is_due(created_at: datetime, asked_at: datetime | None, now: datetime) -> bool:
    if asked_at is None:
        return True
    wait = next(wait for age, wait in ASK_EVERY if now - created_at < age or age == ASK_EVERY[-1][0])
    return now - asked_at >= wait


def _looked_after(payment_id: int) -> bool:
    try:
        return advance(payment_id).state is not PaymentState.PENDING
    except Exception:
        _log.exception("payment %s could not be settled", payment_id)
        return False


# --- settling ---------------------------------------------------------------------------------------
def _locked(db: Session, payment_id: int) -> Payment:
    return db.exec(select(Payment).where(col(Payment.id) == payment_id).with_for_update()).one()


def _note(payment_id: int, now: datetime, trouble: str) -> Progress:
    """Nobody knows more than before; staff see why. Somebody else may have settled it meanwhile."""
    with transaction() as db:
        payment = _locked(db, payment_id)
        if payment.state is not PaymentState.PENDING:
            return Progress(payment_id, payment.state, reason=payment.decline_reason)
        payment.asked_at, payment.trouble = now, trouble[:200]
        db.add(payment)
        return Progress(payment_id, payment.state, known=False)


def _settle(db: Session, payment_id: int, standing: Standing) -> Progress:
    """Make what the gateway said true here, once."""
    payment, now = _locked(db, payment_id), clock.now()
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
        return _decline(db, payment_id, standing.reason or DeclineReason.BANK_REFUSED)
    # A payment that was given up here and charged there after all: money that was taken is credited.
    payment.state, payment.settled_at, payment.decline_reason = PaymentState.SUCCEEDED, now, None
    if standing.card is not None and payment.keeps_card and payment.payer_id is not None:
        payment.card_id = keep(db, customer_id=payment.payer_id, card=standing.card, now=now).id
    db.add(payment)
    db.flush()
    utility = db.get(UtilityPayment, payment_id)
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
        grant_for_payment(db, payment=payment, by_autopay=payment.method is PaymentMethod.AUTOPAY, now=now)
    _write_receipt(db, payment, utility)
    return Progress(payment_id, payment.state)


def _decline(db: Session, payment_id: int, reason: DeclineReason, *, trouble: str = "") -> Progress:
    payment, now = _locked(db, payment_id), clock.now()
    if payment.state is PaymentState.PENDING:
        payment.state, payment.settled_at, payment.decline_reason = PaymentState.DECLINED, now, reason
        payment.asked_at, payment.trouble = now, trouble[:200]
        db.add(payment)
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
    if utility is not None:
        biller = db.get_one(Biller, utility.biller_id)
        what = biller.name_en if payer.language is Language.EN else biller.name_ru
    else:
        parts = _parts(db, payment.id)
        with speaking(payer.language):
            names = _names(db, payer.id, [part.billing_account_id for part in parts])
            what = "\n".join(f"{names[part.billing_account_id]}: {money(part.amount_kopecks)}" for part in parts)
    with speaking(payer.language):
        said = money(payment.amount_kopecks)
    letters.put(
        db,
        channel=Channel.EMAIL,
        recipient=payer.email,
        about="receipt",
        language=payer.language,
        requested_by_id=payer.id,
        document=f"receipt/{payment.id}",
        sum=said,
        what=what,
        number=str(payment.id),
    )


def _names(db: Session, customer_id: int, account_ids: Sequence[int]) -> dict[int, str]:
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
    return {id_: f"{label or t(f'service.{service.value}')} ({number_})" for id_, service, number_, label in rows}
