"""Payments as an administrator sees them who gives money back: found, looked into, waiting for somebody.

For administrators only. Sums are kopecks, points are whole.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from db import access
from models import (
    Biller,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    Payment,
    PaymentPart,
    Refund,
    SavedCard,
    UtilityPayment,
)
from rules.bonus import BonusTerms, points_kept
from rules.numbers import check_account_number, normalise_email, normalise_phone
from rules.payments import REPEAT_FOR
from rules.refusals import AccountNumberMalformed, FieldWrong, NotAllowed
from rules.terms import (
    BonusKind,
    CardBrand,
    DeclineReason,
    Language,
    PaymentMethod,
    PaymentState,
    Role,
    ServiceKind,
)
from rules.visitor import Visitor

MOST_FOUND = 200
PAGE_WAITS = timedelta(minutes=65)
"""How long a payer may take at the bank's page (an hour), and a little more: longer is a matter for somebody."""
LOOK_BACK = timedelta(days=7)
"""So long what the bank refused stands among what needs a look."""
MOST_REFUSED = 50
_PAYMENT_NUMBER = re.compile(r"[№#N]?\s*([0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundPayment:
    """A payment in a list. `payer` is empty for cash, and for a person who was erased; `card` is brand and last four."""

    payment_id: int
    created_at: datetime
    state: PaymentState
    method: PaymentMethod
    amount_kopecks: int
    payer: str
    card: tuple[CardBrand, str] | None
    refunded_kopecks: int
    """Given back already."""
    pending_kopecks: int
    """On its way back: the bank has not said the last word."""


@dataclass(frozen=True, slots=True)
class RefundRow:
    """Money given back, or on its way, or refused. `by` is who asked for it; `trouble` is for staff."""

    refund_id: int
    amount_kopecks: int
    reason: str
    state: PaymentState
    by: str
    created_at: datetime
    settled_at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """What a payment brought to one account. `left_kopecks` can still be given back, as far as the payment can at all."""

    account_id: int
    number: str
    service: ServiceKind
    holder: str
    amount_kopecks: int
    left_kopecks: int
    balance_kopecks: int
    refunds: tuple[RefundRow, ...]


@dataclass(frozen=True, slots=True)
class PointsOfPayment:
    """The points of a payment. `gone`: taken back, expired or owed already. `held`: all that the payer has to take from."""

    granted: int
    paid_kopecks: int
    back_kopecks: int
    gone: int
    held: int
    by_autopay: bool

    def taken_for(self, amount_kopecks: int, *, terms: BonusTerms) -> int:
        """How many points go when so much more is given back (`actions.bonus.take_back` will take as many)."""
        return self._wanted(self.back_kopecks + amount_kopecks, terms) - self._wanted(self.back_kopecks, terms)

    def _wanted(self, back_kopecks: int, terms: BonusTerms) -> int:
        kept = points_kept(
            granted=self.granted,
            paid_kopecks=self.paid_kopecks,
            back_kopecks=back_kopecks,
            by_autopay=self.by_autopay,
            terms=terms,
        )
        return max(0, self.granted - kept - self.gone)


@dataclass(frozen=True, slots=True)
class OpenedPayment:
    """One payment with all that a decision needs. `can_go_back`: by card, succeeded, for accounts. `language` is the payer's.

    `letter_to`: the e-mail that is told of a refund, empty when there is none.
    """

    payment: FoundPayment
    settled_at: datetime | None
    decline_reason: DeclineReason | None
    trouble: str
    language: Language
    letter_to: str
    biller: str
    can_go_back: bool
    parts: tuple[PartRow, ...]
    points: PointsOfPayment


@dataclass(frozen=True, slots=True)
class Stuck:
    """A payment (`refund_id` None) or a refund that somebody should look at."""

    payment_id: int
    refund_id: int | None
    amount_kopecks: int
    state: PaymentState
    since: datetime
    trouble: str


# --- finding ------------------------------------------------------------------------------------------
def matching(db: Session, *, visitor: Visitor, wanted: str, state: PaymentState | None = None) -> tuple[int, ...]:
    """The ids of the payments that `wanted` may mean, the latest first, at most MOST_FOUND.

    An account's number, a payer's e-mail or phone, a payment's number; ten digits may be two of them, then both are meant.
    Raises NotAllowed, FieldWrong for what is none of these.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    meant = _meant(wanted)
    if not meant:
        raise FieldWrong(field="wanted_payment", problem="unclear" if wanted.strip() else "empty")
    narrowed = [] if state is None else [col(Payment.state) == state]
    found: dict[int, datetime] = {}
    for condition in meant:  # one by one: each has its index, together they have none
        rows = db.execute(
            sa.select(col(Payment.id), col(Payment.created_at))
            .where(condition, *narrowed)
            .order_by(col(Payment.created_at).desc(), col(Payment.id).desc())
            .limit(MOST_FOUND)
        )
        found.update((payment_id, created_at) for payment_id, created_at in rows)
    return tuple(sorted(found, key=lambda payment_id: (found[payment_id], payment_id), reverse=True)[:MOST_FOUND])


def _meant(wanted: str) -> "list[sa.ColumnElement[bool]]":
    meant: list[sa.ColumnElement[bool]] = []
    typed = wanted.strip()
    try:
        of_account = (
            sa.select(col(PaymentPart.payment_id))
            .join(BillingAccount, col(BillingAccount.id) == col(PaymentPart.billing_account_id))
            .where(col(BillingAccount.number) == check_account_number(typed))
        )
        meant.append(col(Payment.id).in_(of_account))
    except AccountNumberMalformed:
        pass
    for read, column in ((normalise_email, col(Customer.email)), (normalise_phone, col(Customer.phone))):
        try:
            meant.append(col(Payment.payer_id).in_(sa.select(col(Customer.id)).where(column == read(typed))))
        except ValueError:
            continue
    number = _PAYMENT_NUMBER.fullmatch(typed)
    if number is not None:
        meant.append(col(Payment.id) == int(number[1]))
    return meant


def listed(db: Session, *, visitor: Visitor, payment_ids: Sequence[int]) -> list[FoundPayment]:
    """These payments as they are now, in the order of the ids. Raises NotAllowed."""
    access.staff(visitor, Role.ADMINISTRATOR)
    back = {
        state: sa.select(func.coalesce(func.sum(col(Refund.amount_kopecks)), 0))
        .where(col(Refund.payment_id) == col(Payment.id), col(Refund.state) == state)
        .scalar_subquery()
        for state in (PaymentState.SUCCEEDED, PaymentState.PENDING)
    }
    rows = db.execute(
        sa.select(Payment, Customer, SavedCard, back[PaymentState.SUCCEEDED], back[PaymentState.PENDING])
        .outerjoin(Customer, col(Customer.id) == col(Payment.payer_id))
        .outerjoin(SavedCard, col(SavedCard.id) == col(Payment.card_id))
        .where(col(Payment.id).in_(payment_ids))
    )
    found = {
        payment.id: FoundPayment(
            payment_id=payment.id,
            created_at=payment.created_at,
            state=payment.state,
            method=payment.method,
            amount_kopecks=payment.amount_kopecks,
            payer=_name(payer),
            card=None if card is None else (card.brand, card.last_four),
            refunded_kopecks=int(refunded),
            pending_kopecks=int(pending),
        )
        for payment, payer, card, refunded, pending in rows
    }
    return [found[payment_id] for payment_id in payment_ids if payment_id in found]


# --- one of them --------------------------------------------------------------------------------------
def opened(db: Session, *, visitor: Visitor, payment_id: int) -> OpenedPayment:
    """One payment. Raises NotAllowed, also for one that does not exist."""
    access.staff(visitor, Role.ADMINISTRATOR)
    payment = db.get(Payment, payment_id)
    if payment is None:
        raise NotAllowed()
    payer = db.get(Customer, payment.payer_id) if payment.payer_id is not None else None
    biller = db.exec(
        select(Biller)
        .join(UtilityPayment, col(UtilityPayment.biller_id) == col(Biller.id))
        .where(col(UtilityPayment.payment_id) == payment_id)
    ).first()
    parts = _parts(db, payment_id)
    succeeded = payment.state is PaymentState.SUCCEEDED
    return OpenedPayment(
        payment=listed(db, visitor=visitor, payment_ids=(payment_id,))[0],
        settled_at=payment.settled_at,
        decline_reason=payment.decline_reason,
        trouble=payment.trouble,
        language=Language.RU if payer is None else payer.language,
        letter_to=payer.email if payer is not None and payer.email and payer.email_confirmed_at is not None else "",
        biller="" if biller is None else biller.name_en if visitor.language is Language.EN else biller.name_ru,
        can_go_back=bool(succeeded and payment.gateway is not None and payment.gateway_ref and parts),
        parts=parts,
        points=_points(db, payment),
    )


def _parts(db: Session, payment_id: int) -> tuple[PartRow, ...]:
    rows = db.execute(
        sa.select(PaymentPart, BillingAccount, Customer, col(LedgerAccount.balance_kopecks))
        .join(BillingAccount, col(BillingAccount.id) == col(PaymentPart.billing_account_id))
        .join(Customer, col(Customer.id) == col(BillingAccount.holder_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .where(col(PaymentPart.payment_id) == payment_id)
        .order_by(col(BillingAccount.id))
    ).all()
    refunds = db.execute(
        sa.select(Refund, Customer)
        .join(Customer, col(Customer.id) == col(Refund.requested_by_id))
        .where(col(Refund.payment_id) == payment_id)
        .order_by(col(Refund.id))
    ).all()
    parts = []
    for part, account, holder, balance in rows:
        mine = [(refund, by) for refund, by in refunds if refund.billing_account_id == account.id]
        gone = sum(refund.amount_kopecks for refund, _ in mine if refund.state is not PaymentState.DECLINED)
        parts.append(
            PartRow(
                account_id=account.id,
                number=account.number,
                service=account.service,
                holder=_name(holder),
                amount_kopecks=part.amount_kopecks,
                left_kopecks=part.amount_kopecks - gone,
                balance_kopecks=balance,
                refunds=tuple(
                    RefundRow(
                        refund_id=refund.id,
                        amount_kopecks=refund.amount_kopecks,
                        reason=refund.reason,
                        state=refund.state,
                        by=_name(by),
                        created_at=refund.created_at,
                        settled_at=refund.settled_at,
                        trouble=refund.trouble,
                    )
                    for refund, by in mine
                ),
            )
        )
    return tuple(parts)


def _points(db: Session, payment: Payment) -> PointsOfPayment:
    none = PointsOfPayment(0, payment.amount_kopecks, 0, 0, 0, payment.method is PaymentMethod.AUTOPAY)
    if payment.payer_id is None:
        return none
    own = db.exec(
        select(BonusEntry).where(col(BonusEntry.customer_id) == payment.payer_id, col(BonusEntry.key) == f"payment:{payment.id}")
    ).first()
    if own is None:
        return none
    gone = db.exec(
        select(func.sum(BonusEntry.points)).where(
            col(BonusEntry.customer_id) == payment.payer_id,
            sa.or_(
                sa.and_(col(BonusEntry.kind) == BonusKind.REVERSED, col(BonusEntry.payment_id) == payment.id),
                sa.and_(col(BonusEntry.kind) == BonusKind.EXPIRED, col(BonusEntry.lot_id) == own.lot_id),
            ),
        )
    ).one()
    held = db.exec(
        select(func.sum(BonusLot.remaining)).where(col(BonusLot.customer_id) == payment.payer_id, col(BonusLot.remaining) > 0)
    ).one()
    of_refunds = db.exec(
        select(func.sum(Refund.amount_kopecks), func.sum(Refund.points_owed)).where(
            col(Refund.payment_id) == payment.id, col(Refund.state) != PaymentState.DECLINED
        )
    ).one()
    return replace(
        none,
        granted=own.points,
        back_kopecks=int(of_refunds[0] or 0),
        gone=int(of_refunds[1] or 0) - int(gone or 0),
        held=int(held or 0),
    )


def _name(person: Customer | None) -> str:
    return "" if person is None else " ".join(filter(None, (person.last_name, person.first_name, person.patronymic)))


# --- what waits ---------------------------------------------------------------------------------------
def needs_a_look(db: Session, *, visitor: Visitor, now: datetime) -> list[Stuck]:
    """What is pending for long or has trouble, and what was lately refused: refunds, and payments for a reason that is no
    fault of the payer's (at most MOST_REFUSED); what waits longest first. Raises NotAllowed.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    payments = db.exec(
        select(Payment).where(
            # Written out, so that SQLite sees that the partial index serves.
            col(Payment.state) == sa.literal_column("'pending'"),
            sa.or_(col(Payment.created_at) <= now - PAGE_WAITS, col(Payment.trouble) != ""),
        )
    ).all()
    refused = db.exec(
        select(Payment)
        .where(
            sa.text("trouble <> ''"),  # as the partial index has it
            col(Payment.created_at) > now - LOOK_BACK,
            col(Payment.state) == PaymentState.DECLINED,
        )
        .order_by(col(Payment.created_at).desc())
        .limit(MOST_REFUSED)
    ).all()
    refunds = db.exec(
        select(Refund).where(
            sa.or_(
                sa.and_(
                    col(Refund.state) == PaymentState.PENDING,
                    sa.or_(col(Refund.created_at) <= now - REPEAT_FOR, col(Refund.trouble) != ""),
                ),
                sa.and_(col(Refund.state) == PaymentState.DECLINED, col(Refund.settled_at) > now - LOOK_BACK),
            )
        )
    ).all()
    stuck = [
        Stuck(each.id, None, each.amount_kopecks, each.state, each.created_at, each.trouble) for each in (*payments, *refused)
    ] + [Stuck(each.payment_id, each.id, each.amount_kopecks, each.state, each.created_at, each.trouble) for each in refunds]
    return sorted(stuck, key=lambda each: each.since)
