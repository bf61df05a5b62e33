"""Points: granted for money that came, taken back with money that went, spent as money, gone on their day.

Who locks: the money first (payment, then ledger accounts), then refunds that owe points, then lots in the order of their ids.
Everybody keeps this order, so that two who meet wait for each other and never both.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from actions.ledger import post
from actions.orders import Placed, Quote, place_order, quote
from actions.performing import action
from db import access, reading, transaction
from models import (
    Attachment,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    Order,
    Payment,
    PaymentPart,
    Refund,
    Region,
)
from queries.options import AccountServices, CatalogueOption
from rules.bonus import KOPECKS_OF_A_POINT, Lot, expires_on, points_for_payment, points_for_price, points_kept, spend
from rules.periods import clamp_day
from rules.refusals import AccountClosed, KeyReused, NotAllowed, NotEnoughMoney, OptionAlreadyConnected, PointsMalformed
from rules.terms import (
    AccountStatus,
    BillingMode,
    BonusKind,
    BonusSource,
    OrderKind,
    OrderState,
    PaymentMethod,
    PaymentState,
    Right,
    Role,
    TransferCode,
)
from rules.visitor import Visitor
from settings import operator
from texts import t

BATCH, GREETED = 500, 50
"""How many lots are written off, and how many people greeted, in one transaction: on SQLite others wait for it meanwhile."""
LATE_DAYS = 7
"""How long after a birthday its points are still granted, when nobody was there to do it on the day."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent: so many points became so many kopecks on the balance of the account."""

    account_id: int
    points: int
    amount_kopecks: int


# --- money that came and went -----------------------------------------------------------------------


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
    # All of them, locked: somebody may be covering what one of them owes just now.
    refunds = db.exec(
        select(Refund)
        .where(col(Refund.payment_id) == payment.id)
        .order_by(col(Refund.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    kept = points_kept(
        granted=granted,
        paid_kopecks=payment.amount_kopecks,
        back_kopecks=sum(r.amount_kopecks for r in refunds if r.state is PaymentState.SUCCEEDED or r.id == refund.id),
        by_autopay=payment.method is PaymentMethod.AUTOPAY,
        terms=operator().bonus,
    )
    lots = _locked_lots(db, payment.payer_id)
    gone = db.exec(
        select(func.sum(BonusEntry.points)).where(
            col(BonusEntry.customer_id) == payment.payer_id,
            sa.or_(
                sa.and_(col(BonusEntry.kind) == BonusKind.REVERSED, col(BonusEntry.payment_id) == payment.id),
                sa.and_(col(BonusEntry.kind) == BonusKind.EXPIRED, col(BonusEntry.lot_id) == lot_id),
                *(col(BonusEntry.key).startswith(f"owed:{r.id}:", autoescape=True) for r in refunds),
            ),
        )
    ).one()
    wanted = granted - kept + int(gone or 0) - sum(r.points_owed for r in refunds)
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


# --- spending ---------------------------------------------------------------------------------------
@action("spend_points")
def spend_points(db: Session, *, visitor: Visitor, account_id: int, points: int, key: str) -> Spent:
    """Turn the visitor's points into money on an account that they may pay, 1 point = 1 ₽. The same key is spent once.

    Raises PointsMalformed, NotAllowed, RightTooLow, AccountClosed, NotEnoughPoints, KeyReused.
    """
    account = access.account(db, visitor, account_id, Right.PAY)
    if points < 1:
        raise PointsMalformed()
    now = clock.now()
    db.exec(select(LedgerAccount.id).where(col(LedgerAccount.billing_account_id) == account_id).with_for_update()).one()
    lots = _locked_lots(db, visitor.customer_id)
    wish = Spent(account_id, points, points * KOPECKS_OF_A_POINT)
    # Only now: of two with the same key the later has waited above, and finds what the earlier did.
    earlier = _spent_under(db, visitor.customer_id, key)
    if earlier is not None:
        if earlier != wish:
            raise KeyReused()
        return earlier
    if account.status is AccountStatus.CLOSED:
        raise AccountClosed(label=_label(db, visitor, account_id) or t(f"service.{account.service.value}"))
    held = [Lot(lot.id, lot.granted_on, lot.expires_on, lot.remaining) for lot in lots]
    by_id = {lot.id: lot for lot in lots}
    for use in spend(lots=held, points=points, today=_day(db, visitor.customer_id, now)):
        lot, its_key = by_id[use.lot_id], f"spent:{key}:{use.lot_id}"
        _take(db, lot, use.points, kind=BonusKind.SPENT, key=its_key, now=now, account_id=account_id)
    post(
        db,
        account_id=account_id,
        code=TransferCode.BONUS_SPENT,
        amount_kopecks=wish.amount_kopecks,
        key=f"spent:{visitor.customer_id}:{key}",
        occurred_at=now,
    )
    return wish


def quote_with_points(services: AccountServices, option: CatalogueOption, *, points: int, today: date) -> Quote | None:
    """What connecting costs a person who has so many points; None when there is nothing to pay now, or they do not suffice.

    Raises what `quote` raises, but for the money.
    """
    if services.mode is not BillingMode.PREPAID:
        return None
    try:
        with_all = replace(services, balance_kopecks=services.balance_kopecks + points * KOPECKS_OF_A_POINT)
        agreed = quote(with_all, option, OrderKind.CONNECT, today)
    except NotEnoughMoney:
        return None
    needed = points_for_price(agreed.now_kopecks)
    covered = services.balance_kopecks + needed * KOPECKS_OF_A_POINT >= agreed.now_kopecks
    return agreed if 0 < needed <= points and covered else None


@action("connect_with_points")
def connect_with_points(
    db: Session, *, visitor: Visitor, account_id: int, option_id: int, confirmed_kopecks: int, key: str
) -> Placed:
    """Connect an option of a prepaid account and pay what it costs now with points: both, or neither.

    `confirmed_kopecks` is the `first_kopecks` of the quote that the person agreed to; a started rouble takes a whole point,
    what is over stays on the balance. When the work takes a while, so does the money, as with any order. The same key is one
    order. Raises what `spend_points` and `place_order` raise; NotAllowed where nothing is paid now.
    """
    account = access.account(db, visitor, account_id, Right.MANAGE, lock=True)
    if account.mode is not BillingMode.PREPAID or confirmed_kopecks <= 0:
        raise NotAllowed()
    ordered = select(Order.id).where(col(Order.billing_account_id) == account_id, col(Order.key) == key)
    if db.exec(ordered).first() is None:
        spend_points(db, visitor=visitor, account_id=account_id, points=points_for_price(confirmed_kopecks), key=f"order:{key}")
    placed = place_order(
        db,
        visitor=visitor,
        account_id=account_id,
        option_id=option_id,
        kind=OrderKind.CONNECT,
        confirmed_kopecks=confirmed_kopecks,
        key=key,
    )
    if placed.state is OrderState.REFUSED:
        raise OptionAlreadyConnected()  # nothing else can have come between, the account is locked
    return placed


def _spent_under(db: Session, customer_id: int, key: str) -> Spent | None:
    """What was spent under a key."""
    found = db.execute(
        sa.select(col(BonusEntry.billing_account_id), func.sum(col(BonusEntry.points)))
        .where(
            col(BonusEntry.customer_id) == customer_id,
            col(BonusEntry.kind) == BonusKind.SPENT,
            col(BonusEntry.key).startswith(f"spent:{key}:", autoescape=True),
        )
        .group_by(col(BonusEntry.billing_account_id))
    ).first()
    return None if found is None else Spent(found[0], -int(found[1]), -int(found[1]) * KOPECKS_OF_A_POINT)


def _label(db: Session, visitor: Visitor, account_id: int) -> str:
    """The visitor's own name for an account; empty when they gave none."""
    return db.exec(
        select(Attachment.label).where(
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.billing_account_id) == account_id,
            col(Attachment.detached_at).is_(None),
        )
    ).one()


# --- what happens on a day --------------------------------------------------------------------------
def expire_lots(now: datetime) -> int:
    """Write off the rest of every lot whose day has come in its person's region; returns how many lots. Safe in several workers.

    Nothing waits for it: points cannot be spent from their day on, written off or not.
    """
    with reading() as db:
        rows = db.execute(
            sa.select(col(BonusLot.id), col(BonusLot.expires_on), col(Region.time_zone))
            .join(Customer, col(Customer.id) == col(BonusLot.customer_id))
            .join(Region, col(Region.code) == col(Customer.region_code))
            .where(col(BonusLot.remaining) > 0, col(BonusLot.expires_on) <= _latest_day(now))
            .order_by(col(BonusLot.id))
        ).all()
    ids = [lot_id for lot_id, expires, zone in rows if expires <= now.astimezone(ZoneInfo(zone)).date()]
    gone = 0
    for start in range(0, len(ids), BATCH):
        with transaction() as db:
            for lot in db.exec(
                select(BonusLot)
                .where(col(BonusLot.id).in_(ids[start : start + BATCH]), col(BonusLot.remaining) > 0)
                .order_by(col(BonusLot.id))
                .with_for_update(skip_locked=True)
            ).all():
                _take(db, lot, lot.remaining, kind=BonusKind.EXPIRED, key=f"expired:{lot.id}", now=now)
                gone += 1
    return gone


def grant_birthdays(now: datetime) -> int:
    """Grant points to those whose birthday it is in their region; returns to how many. Safe in several workers.

    Whoever was born on 29 February is given them on the 28th in other years. Who registered after the day waits a year.
    """
    points = operator().bonus.birthday_points
    if not points:
        return 0
    last = _latest_day(now)
    days = [last - timedelta(days=back) for back in range(LATE_DAYS + 3)]
    due: dict[int, str] = {}
    for year in {day.year for day in days}:
        of_year = {(day.month, day.day) for day in days if day.year == year}
        if (2, 28) in of_year and clamp_day(date(year, 2, 1), 29).day == 28:
            of_year.add((2, 29))
        with reading() as db:
            for customer_id, born, registered_at, zone in _born_on(db, of_year, key=f"birthday:{year}"):
                here = ZoneInfo(zone)
                today, birthday = now.astimezone(here).date(), clamp_day(date(year, born.month, 1), born.day)
                late = (today - birthday).days
                if 0 <= late <= LATE_DAYS and registered_at.astimezone(here).date() <= birthday:
                    due[customer_id] = f"birthday:{year}"
    granted, ids = 0, sorted(due)
    for start in range(0, len(ids), GREETED):
        with transaction() as db:
            for customer_id in db.exec(
                select(Customer.id)
                .where(col(Customer.id).in_(ids[start : start + GREETED]))
                .order_by(col(Customer.id))
                .with_for_update(skip_locked=True, key_share=True)
            ).all():
                granted += grant_once(db, customer_id, BonusSource.BIRTHDAY, points, due[customer_id], now) > 0
    return granted


def _born_on(db: Session, days: set[tuple[int, int]], *, key: str) -> "list[tuple[int, date, datetime, str]]":
    """Registered customers born on one of these months and days who have no points under the key: id, day, moment, zone."""
    month, day = sa.extract("month", col(Customer.birth_on)), sa.extract("day", col(Customer.birth_on))
    has = sa.exists().where(col(BonusEntry.customer_id) == col(Customer.id), col(BonusEntry.key) == key)
    rows = db.execute(
        sa.select(col(Customer.id), col(Customer.birth_on), col(Customer.registered_at), col(Region.time_zone))
        .join(Region, col(Region.code) == col(Customer.region_code))
        .where(
            sa.or_(*(sa.and_(month == m, day == d) for m, d in sorted(days))),
            col(Customer.registered_at).is_not(None),
            col(Customer.erased_at).is_(None),
            col(Customer.role) == Role.CUSTOMER,
            ~has,
        )
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _latest_day(now: datetime) -> date:
    """The day that it is already in the first time zone of the world."""
    return (now + timedelta(hours=14)).date()


# --- lots -------------------------------------------------------------------------------------------
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
            # Without the refunded payment: to name it would wait for its lock, whose holder may be waiting for us.
            db, lot, part, kind=BonusKind.REVERSED, key=f"owed:{refund.id}:{payment_id or key}", now=now,
            account_id=refund.billing_account_id,
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
