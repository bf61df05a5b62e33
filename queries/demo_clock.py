"""Moves of the demo's clock, and what happened on the way."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models import AutopayRun, Bill, BillingAccount, BonusEntry, ClockMove, Message, Notice, Order, Payment
from rules.autopay import UNNEEDED
from rules.terms import AccountStatus, AutopayResult, BonusKind, OrderState, PaymentMethod, PaymentState

HAPPENINGS = (
    "bills",
    "by_hand",
    "autopay_done",
    "autopay_declined",
    "autopay_unneeded",
    "autopay_skipped",
    "blocked",
    "orders",
    "points_earned",
    "points_expired",
    "notices",
    "letters",
)
"""What is told of a move, in this order."""


def latest_move(db: Session) -> ClockMove | None:
    """The move that runs, or the last one."""
    return db.exec(select(ClockMove).order_by(col(ClockMove.id).desc())).first()


def what_happened(db: Session, *, since: datetime, until: datetime) -> dict[str, int]:
    """How many of what happened after `since`, up to `until`; points are points."""
    zone = ZoneInfo("Europe/Moscow")

    def within(moment: Any, *where: Any, of: Any = None) -> int:
        wanted = func.count() if of is None else func.coalesce(func.sum(of), 0)
        return int(db.execute(sa.select(wanted).where(moment > since, moment <= until, *where)).scalar_one())

    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    bills = sa.select(func.count()).where(col(Bill.issued_on) > first, col(Bill.issued_on) <= last)
    blocked = sa.select(func.count()).where(
        col(BillingAccount.status) == AccountStatus.BLOCKED,
        col(BillingAccount.status_since_on) > first,
        col(BillingAccount.status_since_on) <= last,
    )
    by_hand = (col(Payment.method) != PaymentMethod.AUTOPAY, col(Payment.state) == PaymentState.SUCCEEDED)
    skipped = col(AutopayRun.result) == AutopayResult.SKIPPED
    ran, granted = col(AutopayRun.ran_at), col(BonusEntry.occurred_at)
    return {
        "bills": int(db.execute(bills).scalar_one()),
        "by_hand": within(col(Payment.settled_at), *by_hand),
        "autopay_done": within(ran, col(AutopayRun.result) == AutopayResult.SUCCEEDED),
        "autopay_declined": within(ran, col(AutopayRun.result) == AutopayResult.DECLINED),
        "autopay_unneeded": within(ran, skipped, col(AutopayRun.reason) == UNNEEDED),
        "autopay_skipped": within(ran, skipped, col(AutopayRun.reason) != UNNEEDED),
        "blocked": int(db.execute(blocked).scalar_one()),
        "orders": within(col(Order.closed_at), col(Order.state) == OrderState.DONE),
        "points_earned": within(granted, col(BonusEntry.kind) == BonusKind.EARNED, of=col(BonusEntry.points)),
        "points_expired": -within(granted, col(BonusEntry.kind) == BonusKind.EXPIRED, of=col(BonusEntry.points)),
        "notices": within(col(Notice.created_at)),
        "letters": within(col(Message.created_at)),
    }
