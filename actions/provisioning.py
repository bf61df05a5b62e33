"""Carrying out orders that are due, and ending one-off options that have run out."""

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from actions.orders import carry_out
from db import reading, transaction
from models import BillingAccount, Order, Region, Subscription

_log = logging.getLogger("kabinet.provisioning")


def carry_out_due(now: datetime, *, most: int = 200) -> int:
    """Carry out up to `most` due orders, each in a transaction of its own; returns how many.

    Two workers never take the same. An order that cannot be carried out by a fault of ours is logged and left open; it
    does not keep the others waiting.
    """
    with reading() as db:
        due = db.exec(
            select(Order.id)
            .where(col(Order.closed_at).is_(None), col(Order.due_at) <= now)
            .order_by(col(Order.due_at), col(Order.id))
            .limit(most)
        ).all()
    done = 0
    for order_id in due:
        try:
            with transaction() as db:
                done += _carry_out(db, order_id, now)
        except Exception:
            _log.exception("order %s could not be carried out", order_id)
    return done


def _carry_out(db: Session, order_id: int, now: datetime) -> bool:
    """Carry the order out, unless it was closed meanwhile or another worker has it."""
    row = db.execute(
        select(Order, Region.time_zone)
        .join(BillingAccount, col(BillingAccount.id) == col(Order.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(Order.id) == order_id, col(Order.closed_at).is_(None))
        .with_for_update(of=Order, skip_locked=True)
    ).first()
    if row is None:
        return False
    order, time_zone = row
    carry_out(db, order, now=now, today=now.astimezone(ZoneInfo(time_zone)).date())
    return True


def end_what_ran_out(now: datetime) -> int:
    """End one-off options whose last day is over; days are the account's. Returns how many.

    Nothing waits for it: an option that ran out is not shown as connected from its day on, ended here or not.
    """
    earliest = (now + timedelta(hours=14)).date()  # it is this day already in the first time zone of the world
    over = (
        select(Subscription, Region.time_zone)
        .join(BillingAccount, col(BillingAccount.id) == col(Subscription.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(Subscription.ended_on).is_(None), col(Subscription.ends_on) <= earliest)
    )
    with reading() as db:
        rows = db.execute(over).all()
    ids = [row.id for row, zone in rows if row.ends_on <= now.astimezone(ZoneInfo(zone)).date()]
    ended = 0
    for start in range(0, len(ids), 500):
        with transaction() as db:
            for subscription in db.exec(
                select(Subscription)
                .where(col(Subscription.id).in_(ids[start : start + 500]), col(Subscription.ended_on).is_(None))
                .with_for_update(skip_locked=True)
            ):
                subscription.ended_on = subscription.ends_on
                db.add(subscription)
                ended += 1
    return ended
