"""Sums of money: integer kopecks only, splits that add up, and reading a sum that a person typed."""

import re
from collections.abc import Sequence
from fractions import Fraction

Kopecks = int
"""A sum in kopecks, 1/100 of a rouble. Negative where a balance may be."""

LONGEST_ROUBLES = 15
"""Digits of roubles accepted from a person: what still fits a 64-bit column in kopecks, with room for sums."""

_TOO_FINE = re.compile(r"[0-9 ]+[.,][0-9]{3,}")
_CURRENCY = r"(?:₽|руб\.?|р\.?|rub)"
_AMOUNT = re.compile(
    rf"(?P<sign>[-−+]?)\s*(?:{_CURRENCY}\s*)?(?P<sign_inside>[-−+]?)\s*(?P<number>[0-9][0-9 .,]*?)\s*(?:{_CURRENCY})?",
    re.IGNORECASE,
)
_NUMBERS = (
    # 1234,5 · 1 234.56 · 1234
    re.compile(r"(?P<roubles>[0-9]+|[0-9]{1,3}(?: [0-9]{3})+)(?:[.,](?P<kopecks>[0-9]{1,2}))?"),
    # 1,234.56, as English writes it. A lone «1,234» is refused: it may mean one rouble and a slip.
    re.compile(r"(?P<roubles>[0-9]{1,3}(?:,[0-9]{3})+)\.(?P<kopecks>[0-9]{1,2})"),
    re.compile(r"(?P<roubles>[0-9]{1,3}(?:\.[0-9]{3})+),(?P<kopecks>[0-9]{1,2})"),
    re.compile(r"(?P<roubles>[0-9]{1,3}(?:,[0-9]{3}){2,})(?P<kopecks>)"),
)


class TooFine(ValueError):
    """More digits after the decimal mark than a sum has."""


def split(total_kopecks: int, weights: Sequence[int]) -> list[int]:
    """Divide a sum by weights so that the parts add up to it exactly, to the kopeck.

    Largest remainder: everyone gets the share rounded towards zero, then the kopecks left over go one by one to
    the largest remainders, the earlier part first where they are equal. A part of weight 0 gets nothing, unless
    all weights are 0: then the parts are equal. A negative sum is split as its opposite.

    Raises ValueError for a negative weight, and for a sum that is not 0 with nobody to take it.
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight is negative")
    if not weights:
        if total_kopecks:
            raise ValueError("nothing to split the sum between")
        return []
    if not any(weights):
        weights = [1] * len(weights)
    sign = -1 if total_kopecks < 0 else 1
    whole = sum(weights)
    shares = [divmod(abs(total_kopecks) * weight, whole) for weight in weights]
    parts = [share for share, _ in shares]
    left_over = abs(total_kopecks) - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda place: (-shares[place][1], place))
    for place in by_remainder[:left_over]:
        parts[place] += 1
    return [sign * part for part in parts]


def percent_of(kopecks: int, percent: Fraction | int) -> int:
    """So many percent of a sum, in kopecks, rounded half to even («банковское округление»)."""
    return round(Fraction(kopecks) * percent / 100)


def parse_amount(text: str) -> int:
    """Kopecks from a sum as a person types or pastes it: `1 234,56`, `1234.5`, `₽1,234.56`, `−100 руб.`

    Spaces of any kind group thousands (by three, or it may be two numbers); the decimal mark is a comma or a point.
    Raises TooFine for more than two decimals, ValueError for anything else: no digits, words, `nan`, over 15 digits of roubles.
    """
    found = _AMOUNT.fullmatch(" ".join(text.split()))
    if found is None or (found["sign"] and found["sign_inside"]):
        raise ValueError("not a sum of money")
    for shape in _NUMBERS:
        number = shape.fullmatch(found["number"].strip())
        if number is not None:
            break
    else:
        raise TooFine() if _TOO_FINE.fullmatch(found["number"].strip()) else ValueError("not a sum of money")
    roubles = re.sub(r"[ .,]", "", number["roubles"])
    if len(roubles) > LONGEST_ROUBLES:
        raise ValueError("the sum is too long")
    kopecks = int(roubles) * 100 + int((number["kopecks"] or "").ljust(2, "0"))
    return -kopecks if (found["sign"] or found["sign_inside"]) in ("-", "−") else kopecks
