"""Bonus points, live: granted in the transaction of what earned them."""

from datetime import datetime

from sqlmodel import Session

from models import Payment


def grant_for_payment(db: Session, *, payment: Payment, by_autopay: bool, now: datetime) -> int:
    """Points for a payment that has just settled; returns how many."""
    raise NotImplementedError
