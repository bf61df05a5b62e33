"""What Kabinet asks of whoever takes the cards. Two adapters: `integrations.test_bank` (built in) and `integrations.yookassa`.

A card number is typed on the gateway's page and never comes here: what comes back of a card is a token, its brand, last four
digits and expiry. Every request that moves money carries a key of ours; the same key is the same request, however often it is
sent, and the same key with another request is refused.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState


class NoAnswer(Exception):
    """Nobody knows whether it happened: no answer in time, or one that makes no sense. Ask again under the same key.

    The text is for the log and for staff; it carries no token, no key of ours to the gateway, no card.
    """


class GatewayRefused(Exception):
    """The gateway will never accept this request (its 4xx), and nothing was moved by it. The text is for the log and staff."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A wish to take money. With a `token`: from that card, with nobody at the screen. Without: on the gateway's page.

    `keep_card`: ask the gateway to keep the card that is typed. `amount_kopecks` is above 0.
    """

    key: str
    amount_kopecks: int
    description: str
    return_url: str
    token: str | None = None
    keep_card: bool = False


@dataclass(frozen=True, slots=True)
class CardCheck:
    """A wish to keep a card without charging it: the gateway checks it for 0 ₽ on its page."""

    key: str
    description: str
    return_url: str


@dataclass(frozen=True, slots=True)
class KeptCard:
    """A card that the gateway keeps. `expires_on` is the last day it works."""

    token: str
    brand: CardBrand
    last_four: str
    expires_on: date


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a charge or a check of a card is now.

    PENDING with a `page_url`: the payer has something to do there (type a card, confirm by 3-D Secure). DECLINED has a
    `reason`. `card` only when it was kept. `amount_kopecks` is what the gateway says it is about (0 for a check of a card).
    """

    ref: str
    key: str
    state: PaymentState
    amount_kopecks: int
    page_url: str | None = None
    reason: DeclineReason | None = None
    card: KeptCard | None = None


@dataclass(frozen=True, slots=True)
class RefundStanding:
    """Where a refund is now."""

    ref: str
    key: str
    state: PaymentState
    amount_kopecks: int


class Gateway(Protocol):
    """All methods raise NoAnswer or GatewayRefused and nothing else; each has ended within PATIENCE."""

    name: GatewayName

    def charge(self, charge: Charge) -> Standing:
        """Take money, or open the page where it is taken. Once per key."""
        ...

    def check_card(self, check: CardCheck) -> Standing:
        """Open the page where a card is kept without charging it. Once per key."""
        ...

    def ask(self, ref: str) -> Standing:
        """Where a charge is. Raises GatewayRefused for a reference that the gateway does not know."""
        ...

    def ask_check(self, ref: str) -> Standing:
        """Where a check of a card is."""
        ...

    def find(self, key: str, *, since: datetime) -> Standing | None:
        """The charge under our key, sent at `since` (aware) or up to REPEAT_FOR later; None when it never arrived.

        NoAnswer when there was more to look through than there is time for: a later call goes on with the rest.
        """
        ...

    def refund(self, *, key: str, ref: str, amount_kopecks: int, reason: str) -> RefundStanding:
        """Give back so much of the charge `ref`. Once per key. Raises GatewayRefused for more than is left of it."""
        ...

    def ask_refund(self, ref: str) -> RefundStanding:
        """Where a refund is."""
        ...

    def find_refund(self, key: str, *, payment_ref: str) -> RefundStanding | None:
        """The refund under our key; None when it never arrived."""
        ...


PATIENCE = 20.0
"""Seconds in which every call to a gateway has ended, one way or the other."""
