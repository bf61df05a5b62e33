"""Payments, cards and refunds that nobody is looking at: the gateway is asked until it has said the last word."""

from datetime import datetime

from actions.cards import settle_setups
from actions.payments import reconcile
from actions.refunds import settle_refunds


def settle_payments(now: datetime) -> int:
    """Returns how many payments came to an end."""
    return reconcile(now)


def settle_cards(now: datetime) -> int:
    """Returns how many attempts to attach a card came to an end."""
    return settle_setups(now)


def settle_money_back(now: datetime) -> int:
    """Returns how many refunds came to an end."""
    return settle_refunds(now)
