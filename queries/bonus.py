"""A person's bonus points: what they have, what expires, where it came from and went."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models import Attachment, BillingAccount, BonusEntry, BonusLot, Payment, PaymentPart, Transfer, UtilityPayment
from queries.figures import _MonthOfMoment, month_begins_at
from rules.bonus import Lot
from rules.periods import add_months, month_start, months_between, next_month
from rules.terms import BonusKind, BonusSource, PaymentState, ServiceKind, TransferCode
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class BonusLotRow:
    """Points granted at once that are not all gone yet. On `expires_on` the rest is."""

    lot_id: int
    source: BonusSource
    granted: int
    remaining: int
    granted_on: date
    expires_on: date

    @property
    def lot(self) -> Lot:
        return Lot(self.lot_id, self.granted_on, self.expires_on, self.remaining)


@dataclass(frozen=True, slots=True)
class BonusMovement:
    """Points of one event together, signed. `service` and `label` name the account, when the visitor still sees it."""

    at: datetime
    kind: BonusKind
    source: BonusSource | None
    points: int
    service: ServiceKind | None
    label: str


def open_lots(db: Session, *, visitor: Visitor, today: date) -> list[BonusLotRow]:
    """The visitor's lots with points that still can be spent, those that expire first in front."""
    rows = db.exec(
        select(BonusLot)
        .where(col(BonusLot.customer_id) == visitor.customer_id, col(BonusLot.remaining) > 0, col(BonusLot.expires_on) > today)
        .order_by(col(BonusLot.expires_on), col(BonusLot.granted_on), col(BonusLot.id))
    )
    return [BonusLotRow(lot.id, lot.source, lot.granted, lot.remaining, lot.granted_on, lot.expires_on) for lot in rows]


def paid_last_year(db: Session, *, visitor: Visitor, today: date) -> int:
    """What the visitor paid for accounts in the last twelve months and did not get back, in kopecks: it decides the level.

    Money that only passes through to billers does not count.
    """
    a_year_ago = add_months(today, -12)
    since = month_begins_at(month_start(a_year_ago)) + timedelta(days=a_year_ago.day - 1)
    mine = (
        col(Payment.payer_id) == visitor.customer_id,
        col(Payment.created_at) >= since,
        col(Payment.state) == PaymentState.SUCCEEDED,
        ~select(UtilityPayment.payment_id).where(col(UtilityPayment.payment_id) == col(Payment.id)).exists(),
    )
    paid = db.exec(select(func.sum(Payment.amount_kopecks)).where(*mine)).one()
    # Ledger rows are found by account and moment: there is no way from a payment to them by index.
    accounts = select(PaymentPart.billing_account_id).join(Payment, col(Payment.id) == col(PaymentPart.payment_id)).where(*mine)
    back = db.exec(
        select(func.sum(Transfer.amount_kopecks))
        .join(Payment, col(Payment.id) == col(Transfer.payment_id))
        .where(
            col(Transfer.billing_account_id).in_(accounts),
            col(Transfer.occurred_at) >= since,
            col(Transfer.code) == TransferCode.REFUND,
            *mine,
        )
    ).one()
    return int(paid or 0) - int(back or 0)


def points_by_month(db: Session, *, visitor: Visitor, first: date, last: date) -> pd.DataFrame:
    """month_on, earned, spent, expired: points by accounting month, all at or above 0. Taken back counts as expired."""
    at = col(BonusEntry.occurred_at)
    rows = db.execute(
        sa.select(_MonthOfMoment(at), col(BonusEntry.kind), func.sum(col(BonusEntry.points)))
        .where(
            col(BonusEntry.customer_id) == visitor.customer_id,
            at >= month_begins_at(month_start(first)),
            at < month_begins_at(next_month(last)),
        )
        .group_by(sa.literal_column("1"), col(BonusEntry.kind))
    )
    seen: dict[tuple[date, str], int] = defaultdict(int)
    for month_on, kind, points in rows:
        column = {BonusKind.EARNED: "earned", BonusKind.SPENT: "spent"}.get(kind, "expired")
        seen[month_on, column] += abs(int(points))
    columns = ("earned", "spent", "expired")
    return pd.DataFrame(
        [(each, *(seen[each, column] for column in columns)) for each in months_between(first, last)],
        columns=["month_on", *columns],
    )


def points_of_payment(db: Session, *, visitor: Visitor, payment_id: int) -> int:
    """What a payment of the visitor's own earned, in points; 0 for any other, and for one without points."""
    earned = select(BonusEntry.points).where(
        col(BonusEntry.customer_id) == visitor.customer_id, col(BonusEntry.key) == f"payment:{payment_id}"
    )
    return db.exec(earned).first() or 0


def _events(visitor: Visitor) -> "sa.Select[*tuple[object, ...]]":
    """Entries of one moment, kind, account and, when earned, source are one event: spending takes from several lots."""
    source = sa.case((col(BonusEntry.kind) == BonusKind.EARNED, sa.type_coerce(col(BonusLot.source), sa.String)))
    keys = [col(BonusEntry.occurred_at), col(BonusEntry.kind), col(BonusEntry.billing_account_id)]
    return (
        sa.select(*keys, func.sum(col(BonusEntry.points)).label("points"), source.label("source"))
        .join(BonusLot, col(BonusLot.id) == col(BonusEntry.lot_id))
        .where(col(BonusEntry.customer_id) == visitor.customer_id)
        .group_by(*keys, sa.literal_column("5"))
    )


def movements_count(db: Session, *, visitor: Visitor) -> int:
    """How many events the visitor's points have."""
    return int(db.execute(sa.select(func.count()).select_from(_events(visitor).subquery())).scalar_one())


def movements(db: Session, *, visitor: Visitor, page: int = 1, size: int = 15) -> list[BonusMovement]:
    """One page of what happened to the visitor's points, the latest first."""
    events = _events(visitor).order_by(
        col(BonusEntry.occurred_at).desc(), col(BonusEntry.kind), sa.literal_column("4"), sa.literal_column("5")
    )
    listed = events.limit(size).offset((page - 1) * size).subquery()
    rows = db.execute(
        sa.select(listed, col(BillingAccount.service), col(Attachment.label))
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == listed.c.billing_account_id,
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .outerjoin(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
        .order_by(listed.c.occurred_at.desc(), listed.c.kind, listed.c.points, listed.c.source)
    )
    return [
        BonusMovement(
            at=row.occurred_at,
            kind=row.kind,
            source=BonusSource(row.source) if row.source else None,
            points=int(row.points),
            service=row.service,
            label=row.label or "",
        )
        for row in rows
    ]
