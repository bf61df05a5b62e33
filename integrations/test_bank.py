"""The gateway that is built in: a small bank with books of its own (models/bank.py), for demos and tests. No money moves.

To the portal it is an outside world like any other: it is talked to through `integrations.gateway` only, it reads and writes in
short transactions of its own, never in a caller's, and it knows nothing of customers. Its page (routes/test_bank.py) is where a
payer types a card. It takes the numbers of CARDS and no others; a number and a CVC are never kept, not even here.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar, TypeVar

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlmodel import Session, col, select

import clock
from db import reading, transaction
from integrations.gateway import CardCheck, Charge, GatewayRefused, KeptCard, NoAnswer, RefundStanding, Standing
from models import BankCard, BankPayment, BankRefund
from rules.refusals import Unavailable
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState

WAITS = timedelta(minutes=60)
"""A payer who has not finished by then is not waited for any more."""
THINKS = timedelta(seconds=20)
SILENT = timedelta(seconds=20)
CODE = "1234"
"""What the bank "sends" for 3-D Secure. It is written on the page: there is no telephone behind a test card."""
CODE_TRIES = 3

_ONCE, _KEPT = "once_", "tok_"
"""How tokens begin: of a card between its number and its code, good for nothing else; of a card that was kept."""
_REF = re.compile(r"[A-Za-z0-9_-]{20,64}")
_RETURN_URL = re.compile(r"(https?://|/(?!/))[^\s\\]*")
_DESCRIPTION, _URL, _KEY = 200, 300, 64
"""Characters that the books have room for."""


class Behaviour(StrEnum):
    """What happens when a card is charged."""

    SUCCESS = "success"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    BANK_REFUSED = "bank_refused"
    LIMIT_EXCEEDED = "limit_exceeded"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    THREE_D_SECURE = "three_d_secure"
    SLOW = "slow"
    LOST = "lost"


_DECLINES = {
    Behaviour.INSUFFICIENT_FUNDS: DeclineReason.INSUFFICIENT_FUNDS,
    Behaviour.BANK_REFUSED: DeclineReason.BANK_REFUSED,
    Behaviour.LIMIT_EXCEEDED: DeclineReason.LIMIT_EXCEEDED,
    Behaviour.BLOCKED: DeclineReason.CARD_BLOCKED,
    Behaviour.EXPIRED: DeclineReason.CARD_EXPIRED,
}
_ENOUGH_FOR_NOTHING = (Behaviour.INSUFFICIENT_FUNDS, Behaviour.LIMIT_EXCEEDED)
"""0 ₽ is not too much for them: such a card can be attached, and is declined when it is charged."""


@dataclass(frozen=True, slots=True)
class TestCard:
    """A number that the bank takes, and what it does. It is public, belongs to nobody and passes the Luhn check."""

    __test__: ClassVar[bool] = False

    number: str
    brand: CardBrand
    behaviour: Behaviour


CARDS = (
    TestCard("2200000000000004", CardBrand.MIR, Behaviour.SUCCESS),
    TestCard("4242424242424242", CardBrand.VISA, Behaviour.SUCCESS),
    TestCard("4917300800000000", CardBrand.VISA_ELECTRON, Behaviour.SUCCESS),
    TestCard("5555555555554444", CardBrand.MASTERCARD, Behaviour.SUCCESS),
    TestCard("6759649826438453", CardBrand.MAESTRO, Behaviour.SUCCESS),
    TestCard("2200000000000053", CardBrand.MIR, Behaviour.THREE_D_SECURE),
    TestCard("4000000000009995", CardBrand.VISA, Behaviour.INSUFFICIENT_FUNDS),
    TestCard("4000000000006975", CardBrand.VISA, Behaviour.LIMIT_EXCEEDED),
    TestCard("4000000000000002", CardBrand.VISA, Behaviour.BANK_REFUSED),
    TestCard("4000000000009979", CardBrand.VISA, Behaviour.BLOCKED),
    TestCard("4000000000000069", CardBrand.VISA, Behaviour.EXPIRED),
    TestCard("5105105105105100", CardBrand.MASTERCARD, Behaviour.SLOW),
    TestCard("4000000000000119", CardBrand.VISA, Behaviour.LOST),
)


def card_of(number: str) -> TestCard | None:
    """The test card of a number of digits; None for every other number."""
    return next((card for card in CARDS if card.number == number), None)


class Step(StrEnum):
    """Where a payer stands: CARD and CODE wait for them, all others do not."""

    CARD = "card"
    CODE = "code"
    THINKING = "thinking"
    SILENT = "silent"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Page:
    """What the bank's page shows. `amount_kopecks` is 0 when a card is only attached; `tries_left` is for the code."""

    ref: str
    step: Step
    amount_kopecks: int
    description: str
    return_url: str
    keeps_card: bool
    reason: DeclineReason | None
    last_four: str
    tries_left: int


Done = TypeVar("Done")


def _read(work: Callable[[Session], Done], *, opened: Callable[[], AbstractContextManager[Session]] = reading) -> Done:
    """Look something up. Raises GatewayRefused as `work` does, NoAnswer for whatever breaks."""
    try:
        with opened() as db:
            return work(db)
    except IntegrityError:
        raise
    except (Unavailable, SQLAlchemyError) as error:
        raise NoAnswer(f"the test bank's books cannot be used: {type(error).__name__}") from None


def _write(work: Callable[[Session], Done]) -> Done:
    """Do `work` in one transaction of the bank's own. Raises like `_read`."""
    try:
        return _read(work, opened=transaction)
    except IntegrityError:
        pass  # The same key came twice at once and the other one was written first: now it is there to be read.
    try:
        return _read(work, opened=transaction)
    except IntegrityError:
        raise NoAnswer("the test bank's books do not agree") from None


class TestBank:
    """The gateway of `integrations.gateway`. It has no state of its own: processes and threads share the books."""

    __test__ = False
    name = GatewayName.TEST_BANK

    # --- the protocol -------------------------------------------------------------------------------------
    def charge(self, charge: Charge) -> Standing:
        if charge.amount_kopecks <= 0:
            raise GatewayRefused("a charge is above 0")
        _fits(charge.key, charge.return_url)
        return _told(_write(lambda db: _charge(db, charge, clock.now())))

    def check_card(self, check: CardCheck) -> Standing:
        _fits(check.key, check.return_url)
        return _told(_write(lambda db: _check_card(db, check, clock.now())))

    def ask(self, ref: str) -> Standing:
        return _read(lambda db: _asked(db, ref, is_check=False))

    def ask_check(self, ref: str) -> Standing:
        return _read(lambda db: _asked(db, ref, is_check=True))

    def find(self, key: str, *, since: datetime) -> Standing | None:
        def look(db: Session) -> Standing | None:
            row = db.exec(select(BankPayment).where(col(BankPayment.key) == key, col(BankPayment.amount_kopecks) > 0)).first()
            return _told(_standing(db, row, clock.now())) if row is not None and row.created_at >= since else None

        return _read(look)

    def refund(self, *, key: str, ref: str, amount_kopecks: int, reason: str) -> RefundStanding:  # noqa: ARG002
        if amount_kopecks <= 0:
            raise GatewayRefused("a refund is above 0")
        _fits(key, "/")
        return _write(lambda db: _refund(db, key, ref, amount_kopecks, clock.now()))

    def ask_refund(self, ref: str) -> RefundStanding:
        def look(db: Session) -> RefundStanding:
            row = db.get(BankRefund, ref) if _REF.fullmatch(ref) else None
            if row is None:
                raise GatewayRefused("no such refund")
            return _given_back(row)

        return _read(look)

    def find_refund(self, key: str, *, payment_ref: str) -> RefundStanding | None:
        def look(db: Session) -> RefundStanding | None:
            row = db.exec(
                select(BankRefund).where(col(BankRefund.key) == key, col(BankRefund.payment_ref) == payment_ref)
            ).first()
            return None if row is None else _given_back(row)

        return _read(look)

    # --- the page -----------------------------------------------------------------------------------------
    def page(self, ref: str) -> Page | None:
        """What the page of a reference shows now; None for a reference nobody gave out. Raises NoAnswer."""

        def look(db: Session) -> Page | None:
            row = db.get(BankPayment, ref) if _REF.fullmatch(ref) else None
            return None if row is None else _page(db, row, clock.now())

        return _read(look)

    def pay(self, ref: str, card: TestCard, *, expires_on: date) -> Page | None:
        """The payer typed a card. Once: where no card is waited for, nothing happens. Returns where they stand then."""
        return _at_the_page(ref, Step.CARD, lambda db, row: _typed(db, row, card, expires_on, clock.now()))

    def confirm(self, ref: str, code: str) -> Page | None:
        """The payer typed a code of 3-D Secure; the third wrong one is the last. Nothing happens where none is waited for."""
        return _at_the_page(ref, Step.CODE, lambda db, row: _confirmed(db, row, code, clock.now()))

    def leave(self, ref: str) -> Page | None:
        """The payer gave up. Nothing happens once the bank has the card."""
        return _at_the_page(ref, None, lambda db, row: _decide(db, row, DeclineReason.NOT_FINISHED, clock.now()))

    # --- for tests and demos ------------------------------------------------------------------------------
    def hand_out(self, behaviour: Behaviour, *, expires_on: date) -> KeptCard:
        """A card kept without a page, that behaves like this from now on. `expires_on` may be past."""
        like = next(card for card in CARDS if card.behaviour is behaviour)
        row = _card(like, expires_on, _KEPT)
        kept = _kept(row)
        _write(lambda db: db.add(row))
        return kept

    def charges(self) -> list[tuple[str, int]]:
        """(key, kopecks) of every charge that took money, in the order they were begun."""

        def look(db: Session) -> list[tuple[str, int]]:
            rows = db.exec(select(BankPayment).where(col(BankPayment.amount_kopecks) > 0).order_by(col(BankPayment.created_at)))
            now = clock.now()
            return [(row.key, row.amount_kopecks) for row in rows if _state(row, now)[0] is PaymentState.SUCCEEDED]

        return _read(look)

    def refunds(self) -> list[tuple[str, int]]:
        """(key, kopecks) of every refund, in the order they were given."""
        return _read(
            lambda db: [(row.key, row.amount_kopecks) for row in db.exec(select(BankRefund).order_by(col(BankRefund.created_at)))]
        )


# --- what is asked for ------------------------------------------------------------------------------------
def _fits(key: str, return_url: str) -> None:
    if not key or len(key) > _KEY:
        raise GatewayRefused(f"a key has 1 to {_KEY} characters")
    if len(return_url) > _URL or not _RETURN_URL.fullmatch(return_url):
        raise GatewayRefused("the address to return to cannot be used")


def _fingerprint(kind: str, *facts: object) -> str:
    return hashlib.sha256(json.dumps([kind, *facts]).encode()).hexdigest()


def _known(db: Session, key: str, fingerprint: str) -> BankPayment | None:
    """What is under the key already. Raises GatewayRefused when it is another request."""
    row = db.exec(select(BankPayment).where(col(BankPayment.key) == key)).first()
    if row is not None and row.fingerprint != fingerprint:
        raise GatewayRefused("the key belongs to another request")
    return row


def _charge(db: Session, charge: Charge, now: datetime) -> Standing | None:
    asked = _fingerprint("charge", charge.amount_kopecks, charge.token, charge.return_url, charge.keep_card)
    row = _known(db, charge.key, asked)
    if row is None:
        row = _opened(charge.key, asked, charge.amount_kopecks, charge.description, charge.return_url, now)
        row.keeps_card = charge.keep_card and charge.token is None
        if charge.token is not None:
            _charge_kept(db, row, charge.token, now)
        db.add(row)
        db.flush()
    return _standing(db, row, now)


def _charge_kept(db: Session, row: BankPayment, token: str, now: datetime) -> None:
    card = db.get(BankCard, token) if token.startswith(_KEPT) and len(token) <= _KEY else None
    if card is None:
        _decide(db, row, DeclineReason.BANK_REFUSED, now)
        return
    row.token = token
    if card.expires_on < clock.today():
        _decide(db, row, DeclineReason.CARD_EXPIRED, now)
    elif card.behaviour != Behaviour.THREE_D_SECURE:
        _behave(db, row, Behaviour(card.behaviour), now)


def _check_card(db: Session, check: CardCheck, now: datetime) -> Standing | None:
    asked = _fingerprint("check", check.return_url)
    row = _known(db, check.key, asked)
    if row is None:
        row = _opened(check.key, asked, 0, check.description, check.return_url, now)
        row.keeps_card = True
        db.add(row)
        db.flush()
    return _standing(db, row, now)


def _opened(key: str, fingerprint: str, amount_kopecks: int, description: str, return_url: str, now: datetime) -> BankPayment:
    return BankPayment(
        ref=secrets.token_urlsafe(24),
        key=key,
        fingerprint=fingerprint,
        amount_kopecks=amount_kopecks,
        description=description[:_DESCRIPTION],
        return_url=return_url,
        state=PaymentState.PENDING.value,
        created_at=now,
    )


def _asked(db: Session, ref: str, *, is_check: bool) -> Standing:
    row = db.get(BankPayment, ref) if _REF.fullmatch(ref) else None
    if row is None or (row.amount_kopecks == 0) is not is_check:
        raise GatewayRefused("no such card check" if is_check else "no such charge")
    return _told(_standing(db, row, clock.now()))


# --- what the payer does ----------------------------------------------------------------------------------
def _at_the_page(ref: str, step: Step | None, work: Callable[[Session, BankPayment], None]) -> Page | None:
    """Do what the payer asks for when the bank waits for just that (`step`; None: for anything), one at a time."""

    def turn(db: Session) -> Page | None:
        row = _locked(db, ref)
        if row is None:
            return None
        now = clock.now()
        waits = _step(row, now)
        if waits is step or (step is None and waits in (Step.CARD, Step.CODE)):
            work(db, row)
            db.add(row)
        return _page(db, row, now)

    return _write(turn)


def _locked(db: Session, ref: str) -> BankPayment | None:
    if not _REF.fullmatch(ref):
        return None
    return db.exec(select(BankPayment).where(col(BankPayment.ref) == ref).with_for_update()).first()


def _typed(db: Session, row: BankPayment, card: TestCard, expires_on: date, now: datetime) -> None:
    if card.behaviour is Behaviour.THREE_D_SECURE:
        waiting = _card(card, expires_on, _ONCE)
        db.add(waiting)
        row.token = waiting.token
        return
    if row.keeps_card and _reason(row, card.behaviour) is None:
        kept = _card(card, expires_on, _KEPT)
        db.add(kept)
        row.token = kept.token
    _behave(db, row, card.behaviour, now)


def _confirmed(db: Session, row: BankPayment, code: str, now: datetime) -> None:
    if secrets.compare_digest(code.encode(), CODE.encode()):
        _decide(db, row, None, now)
        return
    row.tries += 1
    if row.tries >= CODE_TRIES:
        _decide(db, row, DeclineReason.NOT_CONFIRMED, now)


def _behave(db: Session, row: BankPayment, behaviour: Behaviour, now: datetime) -> None:
    """A card whose expiry is not past is charged."""
    if behaviour is Behaviour.SLOW:
        row.decides_at = row.settled_at = now + THINKS
        return
    _decide(db, row, _reason(row, behaviour), now)
    if behaviour is Behaviour.LOST:
        row.silent_until = now + SILENT


def _reason(row: BankPayment, behaviour: Behaviour) -> DeclineReason | None:
    if row.amount_kopecks == 0 and behaviour in _ENOUGH_FOR_NOTHING:
        return None
    return _DECLINES.get(behaviour)


def _decide(db: Session, row: BankPayment, reason: DeclineReason | None, now: datetime) -> None:
    """The last word: declined for a reason, or charged. A card that waited for its code is kept now, or forgotten."""
    row.state = (PaymentState.SUCCEEDED if reason is None else PaymentState.DECLINED).value
    row.reason, row.settled_at = "" if reason is None else reason.value, now
    if row.token is None or not row.token.startswith(_ONCE):
        return
    waited = db.get_one(BankCard, row.token)
    row.token = None
    if reason is None and row.keeps_card:
        row.token = _KEPT + secrets.token_urlsafe(24)
        db.add(BankCard(**{**waited.model_dump(), "token": row.token}))
    db.delete(waited)


def _card(card: TestCard, expires_on: date, begins: str) -> BankCard:
    return BankCard(
        token=begins + secrets.token_urlsafe(24),
        brand=card.brand.value,
        last_four=card.number[-4:],
        expires_on=expires_on,
        behaviour=card.behaviour.value,
    )


# --- how it stands ----------------------------------------------------------------------------------------
def _state(row: BankPayment, now: datetime) -> tuple[PaymentState, DeclineReason | None]:
    """The state as of now: time alone ends what is thought about and what nobody finishes."""
    state = PaymentState(row.state)
    if state is PaymentState.PENDING and row.decides_at is not None and now >= row.decides_at:
        return PaymentState.SUCCEEDED, None
    if state is PaymentState.PENDING and row.decides_at is None and now >= row.created_at + WAITS:
        return PaymentState.DECLINED, DeclineReason.NOT_FINISHED
    return state, DeclineReason(row.reason) if row.reason else None


def _step(row: BankPayment, now: datetime) -> Step:
    if row.silent_until is not None and now < row.silent_until:
        return Step.SILENT
    state, _ = _state(row, now)
    if state is not PaymentState.PENDING:
        return Step(state.value)
    if row.decides_at is not None:
        return Step.THINKING
    return Step.CARD if row.token is None else Step.CODE


def address(ref: str, step: Step) -> str | None:
    """Where the payer has something to do, on the portal's own host; None where they have not."""
    return {Step.CARD: f"/bank/{ref}", Step.CODE: f"/bank/{ref}/confirm"}.get(step)


def _standing(db: Session, row: BankPayment, now: datetime) -> Standing | None:
    """What the bank answers; None while it answers nothing. (What it did is kept all the same.)"""
    step = _step(row, now)
    if step is Step.SILENT:
        return None
    state, reason = _state(row, now)
    kept = None
    if state is PaymentState.SUCCEEDED and row.keeps_card and row.token is not None:
        kept = _kept(db.get_one(BankCard, row.token))
    return Standing(row.ref, row.key, state, row.amount_kopecks, address(row.ref, step), reason, kept)


def _told(standing: Standing | None) -> Standing:
    if standing is None:
        raise NoAnswer("the test bank is silent")
    return standing


def _kept(card: BankCard) -> KeptCard:
    return KeptCard(card.token, CardBrand(card.brand), card.last_four, card.expires_on)


def _page(db: Session, row: BankPayment, now: datetime) -> Page:
    card = db.get(BankCard, row.token) if row.token is not None else None
    return Page(
        ref=row.ref,
        step=_step(row, now),
        amount_kopecks=row.amount_kopecks,
        description=row.description,
        return_url=row.return_url,
        keeps_card=row.keeps_card,
        reason=_state(row, now)[1],
        last_four="" if card is None else card.last_four,
        tries_left=CODE_TRIES - row.tries,
    )


# --- giving back ------------------------------------------------------------------------------------------
def _refund(db: Session, key: str, ref: str, amount_kopecks: int, now: datetime) -> RefundStanding:
    paid = _locked(db, ref)  # two refunds of one charge wait for each other here
    if paid is None:
        raise GatewayRefused("no such charge")
    known = db.exec(select(BankRefund).where(col(BankRefund.key) == key)).first()
    if known is not None:
        if (known.payment_ref, known.amount_kopecks) != (ref, amount_kopecks):
            raise GatewayRefused("the key belongs to another refund")
        return _given_back(known)
    if _state(paid, now)[0] is not PaymentState.SUCCEEDED:
        raise GatewayRefused("nothing was charged")
    given = db.exec(select(BankRefund.amount_kopecks).where(col(BankRefund.payment_ref) == ref)).all()
    if amount_kopecks > paid.amount_kopecks - sum(given):
        raise GatewayRefused("more than is left of the charge")
    row = BankRefund(ref=secrets.token_urlsafe(24), key=key, payment_ref=ref, amount_kopecks=amount_kopecks, created_at=now)
    db.add(row)
    db.flush()
    return _given_back(row)


def _given_back(row: BankRefund) -> RefundStanding:
    return RefundStanding(row.ref, row.key, PaymentState.SUCCEEDED, row.amount_kopecks)
