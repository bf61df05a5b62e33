"""Points: granted for money that came, taken back with money that went, spent as money, gone on their day.

Who locks: the money first (payment, then ledger accounts), then refunds that owe points, then lots in the order of their ids.
Everybody keeps this order, so that two who meet wait for each other and never both.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from models import BonusEntry, BonusLot, Customer, Payment, PaymentPart, Refund, Region
from rules.bonus import expires_on, points_for_payment, points_kept
from rules.terms import BonusKind, BonusSource, PaymentMethod, PaymentState
from settings import operator


def grant_for_payment(db: Session, *, payment: Payment, by_autopay: bool, now: datetime) -> int:
    """Grant the payer the points of a payment that has just succeeded, once; returns how many it earned (0 for cash).

    The caller holds the lock of the payment and of the ledger accounts it touched. A payment to a biller earns none: do not
    call. What earlier refunds left owing is taken from the new lot at once.
    """
    if payment.payer_id is None:
        return 0
    key = f"payment:{payment.id}"
    earlier = db.exec(
        select(BonusEntry.points).where(col(BonusEntry.customer_id) == payment.payer_id, col(BonusEntry.key) == key)
    ).first()
    if earlier is not None:
        return earlier
    terms = operator().bonus
    points = points_for_payment(amount_kopecks=payment.amount_kopecks, by_autopay=by_autopay, terms=terms).total
    accounts = db.exec(select(PaymentPart.billing_account_id).where(col(PaymentPart.payment_id) == payment.id)).all()
    _open_lot(
        db,
        customer_id=payment.payer_id,
        source=BonusSource.AUTOPAY if by_autopay else BonusSource.PAYMENT,
        points=points,
        key=key,
        now=now,
        payment_id=payment.id,
        account_id=accounts[0] if len(accounts) == 1 else None,
    )
    return points


def take_back(db: Session, *, refund: Refund, payment: Payment, now: datetime) -> int:
    """Take back the points that the money which stays paid would not have earned; returns how many were taken now.

    The caller holds the lock of the payment and of the ledger account, and the refund has succeeded. The payment's own lot
    goes first, then what expires first. What was spent already is written to `refund.points_owed`. Points of the payment
    that have expired are gone by themselves and are not asked for again. Safe to repeat: nothing is taken twice.
    """
    own = _of_payment(db, payment)
    if payment.payer_id is None or own is None:
        return 0
    lot_id, granted = own
    others = select(func.sum(Refund.amount_kopecks)).where(
        col(Refund.payment_id) == payment.id, col(Refund.state) == PaymentState.SUCCEEDED, col(Refund.id) != refund.id
    )
    kept = points_kept(
        granted=granted,
        paid_kopecks=payment.amount_kopecks,
        back_kopecks=int(db.exec(others).one() or 0) + refund.amount_kopecks,
        by_autopay=payment.method is PaymentMethod.AUTOPAY,
        terms=operator().bonus,
    )
    lots = _locked_lots(db, payment.payer_id)
    gone = select(func.sum(BonusEntry.points)).where(
        col(BonusEntry.customer_id) == payment.payer_id,
        ((col(BonusEntry.kind) == BonusKind.REVERSED) & (col(BonusEntry.payment_id) == payment.id))
        | ((col(BonusEntry.kind) == BonusKind.EXPIRED) & (col(BonusEntry.lot_id) == lot_id)),
    )
    owed = select(func.sum(Refund.points_owed)).where(col(Refund.payment_id) == payment.id)
    wanted = granted - kept + int(db.exec(gone).one() or 0) - int(db.exec(owed).one() or 0)
    taken = 0
    today = _day(db, payment.payer_id, now)
    alive = [lot for lot in lots if lot.id == lot_id or lot.expires_on > today]
    for lot in sorted(alive, key=lambda lot: (lot.id != lot_id, lot.expires_on, lot.id)):
        part = min(wanted - taken, lot.remaining)
        if part <= 0:
            break
        _take(
            db, lot, part, kind=BonusKind.REVERSED, key=f"refund:{refund.id}:{lot.id}", now=now, payment_id=payment.id,
            account_id=refund.billing_account_id,
        )  # fmt: skip
        taken += part
    if wanted > taken:
        refund.points_owed += wanted - taken
        db.add(refund)
    db.flush()
    return taken


def grant_once(db: Session, customer_id: int, source: BonusSource, points: int, key: str, now: datetime) -> int:
    """Grant a person points that come once per key; returns how many (0 when they came before, or the operator gives none).

    The caller holds the lock of the person.
    """
    earlier = select(BonusEntry.id).where(col(BonusEntry.customer_id) == customer_id, col(BonusEntry.key) == key)
    if points <= 0 or db.exec(earlier).first() is not None:
        return 0
    _open_lot(db, customer_id=customer_id, source=source, points=points, key=key, now=now)
    return points


def _open_lot(
    db: Session,
    *,
    customer_id: int,
    source: BonusSource,
    points: int,
    key: str,
    now: datetime,
    payment_id: int | None = None,
    account_id: int | None = None,
) -> None:
    """A lot in full, and out of it at once what refunds left owing, oldest first."""
    if points <= 0:
        return
    granted_on = _day(db, customer_id, now)
    lot = BonusLot(
        customer_id=customer_id,
        source=source,
        granted=points,
        remaining=points,
        granted_on=granted_on,
        expires_on=expires_on(granted_on, operator().bonus),
    )
    db.add(lot)
    db.flush()
    db.add(
        BonusEntry(
            customer_id=customer_id,
            lot_id=lot.id,
            kind=BonusKind.EARNED,
            points=points,
            key=key,
            occurred_at=now,
            payment_id=payment_id,
            billing_account_id=account_id,
        )
    )
    owing = db.exec(
        select(Refund)
        .join(Payment, col(Payment.id) == col(Refund.payment_id))
        .where(col(Payment.payer_id) == customer_id, col(Refund.points_owed) > 0)
        .order_by(col(Refund.id))
        .with_for_update(of=Refund)
        .execution_options(populate_existing=True)
    ).all()
    for refund in owing:
        part = min(refund.points_owed, lot.remaining)
        if part <= 0:
            break
        _take(
            db, lot, part, kind=BonusKind.REVERSED, key=f"owed:{refund.id}:{payment_id or key}", now=now,
            payment_id=refund.payment_id, account_id=refund.billing_account_id,
        )  # fmt: skip
        refund.points_owed -= part
        db.add(refund)
    db.flush()


def _take(
    db: Session,
    lot: BonusLot,
    points: int,
    *,
    kind: BonusKind,
    key: str,
    now: datetime,
    payment_id: int | None = None,
    account_id: int | None = None,
) -> None:
    """Take points from a lot that is locked (or new), and note it."""
    lot.remaining -= points
    db.add(lot)
    db.add(
        BonusEntry(
            customer_id=lot.customer_id,
            lot_id=lot.id,
            kind=kind,
            points=-points,
            key=key,
            occurred_at=now,
            payment_id=payment_id,
            billing_account_id=account_id,
        )
    )


def _locked_lots(db: Session, customer_id: int) -> list[BonusLot]:
    """A person's lots that still hold points, as they are now, locked."""
    return list(
        db.exec(
            select(BonusLot)
            .where(col(BonusLot.customer_id) == customer_id, col(BonusLot.remaining) > 0)
            .order_by(col(BonusLot.id))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def _of_payment(db: Session, payment: Payment) -> tuple[int, int] | None:
    """The lot that a payment opened, and how many points it was granted."""
    found = db.exec(
        select(BonusEntry.lot_id, BonusEntry.points).where(
            col(BonusEntry.customer_id) == payment.payer_id, col(BonusEntry.key) == f"payment:{payment.id}"
        )
    ).first()
    return None if found is None else (found[0], found[1])


def _day(db: Session, customer_id: int, now: datetime) -> date:
    """The calendar day it is in a person's region."""
    zone = db.exec(
        select(Region.time_zone)
        .join(Customer, col(Customer.region_code) == col(Region.code))
        .where(col(Customer.id) == customer_id)
    ).one()
    return now.astimezone(ZoneInfo(zone)).date()
