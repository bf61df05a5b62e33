"""Payments, cards and refunds that nobody is looking at: the gateway is asked until it has said the last word."""

from datetime import datetime

from actions.cards import settle_setups
from actions.payments import reconcile


def settle_payments(now: datetime) -> int:
    """Returns how many payments came to an end."""
    return reconcile(now)


def settle_cards(now: datetime) -> int:
    """Returns how many attempts to attach a card came to an end."""
    return settle_setups(now)
