"""Carrying out orders that are due, and ending one-off options that have run out."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from actions.orders import carry_out
from db import transaction
from models import BillingAccount, Order, Region, Subscription


def carry_out_due(now: datetime, *, most: int = 200) -> int:
    """Carry out up to `most` due orders, each in a transaction of its own; returns how many. Two workers never take the same."""
    done = 0
    while done < most and _carry_out_one(now):
        done += 1
    end_what_ran_out(now)
    return done


def _carry_out_one(now: datetime) -> bool:
    with transaction() as db:
        order = db.exec(
            select(Order)
            .where(col(Order.closed_at).is_(None), col(Order.due_at) <= now)
            .order_by(col(Order.due_at), col(Order.id))
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if order is None:
            return False
        zone = db.exec(
            select(Region.time_zone)
            .join(BillingAccount, col(BillingAccount.region_code) == col(Region.code))
            .where(col(BillingAccount.id) == order.billing_account_id)
        ).one()
        carry_out(db, order, now=now, today=now.astimezone(ZoneInfo(zone)).date())
        return True


def end_what_ran_out(now: datetime) -> int:
    """End one-off options whose last day is over; days are the account's. Returns how many."""
    earliest = (now + timedelta(hours=14)).date()  # it is this day already in the first time zone of the world
    with transaction() as db:
        rows = db.execute(
            select(Subscription, Region.time_zone)
            .join(BillingAccount, col(BillingAccount.id) == col(Subscription.billing_account_id))
            .join(Region, col(Region.code) == col(BillingAccount.region_code))
            .where(col(Subscription.ended_on).is_(None), col(Subscription.ends_on) <= earliest)
            .with_for_update(of=Subscription, skip_locked=True)
        ).all()
        over = [row for row, zone in rows if row.ends_on is not None and now.astimezone(ZoneInfo(zone)).date() >= row.ends_on]
        for subscription in over:
            subscription.ended_on = subscription.ends_on
            db.add(subscription)
        return len(over)
