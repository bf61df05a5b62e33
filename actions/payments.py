"""Paying by card, exactly once.

A payment is three steps, and the process may die between any two of them:
1. the intent is written, with a key of its own (`begin_payment`; the person is done when this has committed);
2. the gateway is asked to charge under that key, or asked how it stands (`advance`, outside any transaction);
3. what it said is settled in one transaction: state, transfers, points, a kept card, the receipt letter (`actions.settlement`).
Whoever comes by repeats 2 and 3 until the gateway has said the last word: the screen, the return from the bank, a webhook,
`reconcile`. The same key at the gateway is one charge; the payment's row lock and the ledger's keys make it one settlement.
"""

import json
import logging
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Protocol

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from actions.autopay_runs import may_begin
from actions.cards import usable
from actions.performing import action
from actions.settlement import Answer, Progress, book, names_of, note, settle
from db import access, reading, transaction
from integrations.gateway import Charge, Gateway, GatewayRefused, NoAnswer, Standing
from integrations.gateways import gateway_called
from models import Customer, Payment, PaymentPart, SavedCard, UtilityPayment
from rules.payments import check_amount, may_be_under_way, may_repeat
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
    DeclineReason,
    GatewayName,
    Language,
    PaymentMethod,
    PaymentState,
    Right,
)
from rules.visitor import Visitor
from settings import operator, settings
from texts import speaking, t

_log = logging.getLogger("kabinet.payments")

FIRST_LOOK = timedelta(seconds=15)
"""How long a payment is left to the person's own screen before the background asks, too."""
FRESH, ASK_FRESH, ASK_LATER = timedelta(minutes=10), timedelta(seconds=10), timedelta(minutes=5)
"""A fresh one is asked about again soon, an older one now and then."""
BATCH, AT_ONCE = 100, 8
LOOKED_AT_AGAIN = timedelta(seconds=5)
"""A charge that is begun so long after it was written down is asked about first: its autopay may have been stopped since."""
STRANGERS, STRANGERS_WITHIN = 20, 60.0
"""So many references that are not ours are asked about in so many seconds, in one process: anybody can make them up."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The payment that a wish to pay became, or had become before."""

    payment_id: int


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
            raise AccountClosed(label=names_of(db, visitor.customer_id, [account_id])[account_id])
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
    return book(ask(payment, token=token, language=payer.language if payer is not None else Language.RU))


class Waiting(Protocol):
    """What is asked about: a pending payment, or what was read of it."""

    @property
    def id(self) -> int: ...
    @property
    def amount_kopecks(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def gateway(self) -> GatewayName | None: ...
    @property
    def gateway_key(self) -> str | None: ...
    @property
    def gateway_ref(self) -> str | None: ...
    @property
    def keeps_card(self) -> bool: ...
    @property
    def return_url(self) -> str: ...


def ask(payment: Waiting, *, token: str | None, language: Language) -> Answer:
    """Begin the charge of a pending payment or ask how it stands; outside of any transaction, within the gateway's patience."""
    if payment.gateway is None:
        raise ValueError("a payment that no gateway knows")
    now = clock.now()
    try:
        with speaking(language):
            standing = _standing(gateway_called(payment.gateway), payment, token, now)
    except NoAnswer as error:
        _log.warning("payment %s: no answer from the gateway: %s", payment.id, error)
        return Answer(payment.id, now, trouble=f"no answer: {error}")
    except GatewayRefused as error:
        _log.error("payment %s: refused by the gateway: %s", payment.id, error)
        return Answer(payment.id, now, declined=DeclineReason.GATEWAY_REFUSED, trouble=str(error))
    if standing is None and may_be_under_way(created_at=payment.created_at, now=now):
        return Answer(payment.id, now)
    if standing is None:
        return Answer(payment.id, now, declined=DeclineReason.NOT_FINISHED, trouble="never reached the gateway")
    return Answer(payment.id, now, standing=standing)


def _standing(gateway: Gateway, payment: Waiting, token: str | None, now: datetime) -> Standing | None:
    """What the gateway says about a pending payment; None when it never heard of it and it is not to be begun: it is too late, or
    its autopay was stopped or changed meanwhile."""
    if payment.gateway_ref:
        try:
            return gateway.ask(payment.gateway_ref)
        except GatewayRefused as error:
            # It had told us of this payment itself: what it will not speak of now is unknown, and may have been charged.
            raise NoAnswer(f"refused to say: {error}") from None
    key = payment.gateway_key or ""
    age = now - payment.created_at
    is_stopped = token is not None and age >= LOOKED_AT_AGAIN and not may_begin(payment.id)
    if is_stopped or not may_repeat(created_at=payment.created_at, now=now):
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
    that was given up here and charged there after all is settled, too. Of references that nobody here knows only some are asked
    about in a minute: while one charge is looked for, made-up notices would each be a question of ours. Raises NoAnswer: let them
    call again.
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
    asked_at = _strangers.let_in() if known is None else None
    try:
        standing = gateway_called(name).ask(ref)
    except GatewayRefused:
        return False
    with reading() as db:
        payment_id = db.exec(select(Payment.id).where(col(Payment.gateway_key) == standing.key)).first()
    if payment_id is None:
        return False
    if asked_at is not None:
        _strangers.was_ours(asked_at)
    with transaction() as db:
        settle(db, payment_id, standing)
    return True


class _Strangers:
    """When references that nobody here knew were asked about in this process; those that turned out to be ours do not count."""

    def __init__(self) -> None:
        self._asked: deque[float] = deque()
        self._turn = threading.Lock()

    def let_in(self) -> float:
        """Count one more question, and say when it was asked (monotonic seconds). Raises NoAnswer when there were enough."""
        with self._turn:
            now = monotonic()
            while self._asked and now - self._asked[0] >= STRANGERS_WITHIN:
                self._asked.popleft()
            if len(self._asked) >= STRANGERS:
                raise NoAnswer("too many references that nobody here knows")
            self._asked.append(now)
            return now

    def was_ours(self, asked_at: float) -> None:
        with self._turn, suppress(ValueError):
            self._asked.remove(asked_at)


_strangers = _Strangers()


def reconcile(now: datetime) -> int:
    """Ask about payments that nobody has settled yet; returns how many came to an end. Safe to run in several processes."""
    with reading() as db:
        due = db.exec(
            select(Payment.id)
            .where(
                # Written out, so that SQLite sees that the partial index serves.
                col(Payment.state) == sa.literal_column("'pending'"),
                col(Payment.gateway).is_not(None),
                col(Payment.created_at) <= now - FIRST_LOOK,
                # Here, not afterwards: those that are not due yet would take the places of the batch.
                sa.or_(
                    col(Payment.asked_at).is_(None),
                    col(Payment.asked_at) <= now - ASK_LATER,
                    sa.and_(col(Payment.created_at) > now - FRESH, col(Payment.asked_at) <= now - ASK_FRESH),
                ),
            )
            .order_by(func.coalesce(col(Payment.asked_at), col(Payment.created_at)), col(Payment.id))
            .limit(BATCH)
        ).all()
    if not due:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(due)), thread_name_prefix="reconcile") as pool:
        return sum(pool.map(_looked_after, due))


def _looked_after(payment_id: int) -> bool:
    try:
        return advance(payment_id).state is not PaymentState.PENDING
    except Exception as error:
        _log.exception("payment %s could not be settled", payment_id)
        # Staff see it; and it counts as asked, or it would be among the first of every round.
        note(payment_id, clock.now(), f"could not be settled here: {type(error).__name__}")
        return False
