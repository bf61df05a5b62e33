"""Paying by card: how much, how long a payment may be repeated, and what is suggested."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rules.due import Due, Runway
from rules.money import TooFine, parse_amount
from rules.refusals import AmountMalformed, AmountNotAboveZero, AmountOutOfRange, AmountTooFine

REPEAT_FOR = timedelta(minutes=15)
"""A request that got no answer is repeated under its key for so long; afterwards it is only looked for, never begun.

Well above the time a request can be under way, well below the day for which gateways remember keys (YooKassa: 24 hours)."""


GIVEN_UP_AFTER = REPEAT_FOR + timedelta(minutes=5)
"""So old is a payment that may be given up when the gateway does not know it: what was sent at the last moment has arrived."""


@dataclass(frozen=True, slots=True)
class PaymentTerms:
    """What one payment may be, in kopecks; `again_minutes`: an equal payment so soon after another is asked about first;
    `tries_per_hour`: how many attempts one person has (stolen numbers are tried out in long rows)."""

    least_kopecks: int = 5_000
    most_kopecks: int = 1_000_000
    again_minutes: int = 10
    tries_per_hour: int = 30


def read_amount(text: str) -> int:
    """Kopecks from the sum that a person typed, above zero.

    Raises AmountMalformed, AmountTooFine, AmountNotAboveZero: each wrong sum is told what is wrong with it.
    """
    try:
        kopecks = parse_amount(text)
    except TooFine:
        raise AmountTooFine() from None
    except ValueError:
        raise AmountMalformed() from None
    if kopecks <= 0:
        raise AmountNotAboveZero()
    return kopecks


def check_amount(amount_kopecks: int, *, terms: PaymentTerms) -> None:
    """Raises AmountOutOfRange for a payment under the least or over the most; the bounds themselves are allowed."""
    if not terms.least_kopecks <= amount_kopecks <= terms.most_kopecks:
        raise AmountOutOfRange(least_kopecks=terms.least_kopecks, most_kopecks=terms.most_kopecks)


def suggested(*, due: Due, runway: Runway, balance_kopecks: int) -> int:
    """What to pay on one account now, in kopecks: what falls due; with nothing due, what the next charge lacks; else 0."""
    if due.amount_kopecks:
        return due.amount_kopecks
    return max(0, runway.next_charge_kopecks - max(0, balance_kopecks))


def may_repeat(*, created_at: datetime, now: datetime) -> bool:
    """Whether a request without an answer may still be sent again under its key."""
    return now - created_at < REPEAT_FOR


def may_be_under_way(*, created_at: datetime, now: datetime) -> bool:
    """Whether a request that the gateway does not know may still be on its way there."""
    return now - created_at < GIVEN_UP_AFTER
