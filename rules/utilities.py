"""Paying billers: checking what a person typed into a biller's fields, one spelling to store, and what to suggest next.

Codes of problems, each with its sentence in the catalogues under `biller_field.<code>`, and with the facts it needs:
any field: missing · card; payer codes: not_digits · digits (shortest, longest); periods: period_malformed · period_ahead ·
period_old (years); readings: not_number · negative · decimals (most) · too_large · below_last (last); texts: too_short ·
too_long (shortest, longest) · characters.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from stdnum import luhn

from rules.numbers import normalise_label
from rules.payments import PaymentTerms
from rules.periods import add_months, month_start, months_between, next_month, previous_month
from rules.refusals import AmountOutOfRange, LabelMalformed
from rules.terms import BillerFieldKind

OLDEST_YEARS = 3
"""The general limitation period (Civil Code of the Russian Federation, art. 196): nobody asks for older ones."""
LARGEST_DIGITS = 9
"""Digits before the point of a reading: no meter has more."""

_BETWEEN = re.compile(r"[\s\-‐‑‒–—−]")
_PERIOD = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})")
_READING = re.compile(r"(?P<sign>[-−+]?)(?P<whole>[0-9]+)(?:[.,](?P<part>[0-9]*))?")
_GROUPS = re.compile(r"[0-9]+(?:[ \-‐‑‒–—−]?[0-9]+)*")


@dataclass(frozen=True, slots=True)
class FieldTerms:
    """What a biller's field takes: lengths in characters (digits of a payer code), `decimals` of a reading at most."""

    code: str
    kind: BillerFieldKind
    required: bool = True
    shortest: int = 0
    longest: int = 30
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value cannot be used: a code, and what its sentence needs."""

    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """Field code to value as it is stored (empty ones left out), and field code to what is wrong."""

    values: dict[str, str]
    problems: dict[str, Problem]


class _Wrong(Exception):
    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.problem = Problem(code, facts)


def check_fields(
    *, fields: Sequence[FieldTerms], typed: Mapping[str, str], today: date, last: Mapping[str, str] | None = None
) -> Checked:
    """Everything that was typed, checked at once. What the biller does not ask for is dropped.

    `last` are the readings paid last by field code, as stored; a reading is not below the last one.
    """
    values: dict[str, str] = {}
    problems: dict[str, Problem] = {}
    for terms in fields:
        try:
            value = _checked(terms, typed.get(terms.code, ""), today, (last or {}).get(terms.code))
        except _Wrong as wrong:
            problems[terms.code] = wrong.problem
        else:
            if value:
                values[terms.code] = value
    return Checked(values, problems)


def _checked(terms: FieldTerms, typed: str, today: date, last: str | None) -> str:
    if not typed.strip():
        if terms.required:
            raise _Wrong("missing")
        return ""
    if terms.kind is BillerFieldKind.PAYER_CODE:
        return _payer_code(typed, terms)
    if terms.kind is BillerFieldKind.PERIOD:
        return _period(typed, today)
    if terms.kind is BillerFieldKind.READING:
        return _reading(typed, terms, last)
    return _text(typed, terms)


def _payer_code(typed: str, terms: FieldTerms) -> str:
    code = _BETWEEN.sub("", unicodedata.normalize("NFKC", typed))
    if not re.fullmatch(r"[0-9]+", code):
        raise _Wrong("not_digits")
    if not terms.shortest <= len(code) <= terms.longest:
        if looks_like_card(code):
            raise _Wrong("card")
        raise _Wrong("digits", shortest=terms.shortest, longest=terms.longest)
    return code


def _period(typed: str, today: date) -> str:
    found = _PERIOD.fullmatch(typed.strip())
    if found is None or not 1 <= int(found["month"]) <= 12 or int(found["year"]) < 1:
        raise _Wrong("period_malformed")
    on = date(int(found["year"]), int(found["month"]), 1)
    if on > next_month(today):
        raise _Wrong("period_ahead")
    if on < periods(today=today)[-1]:
        raise _Wrong("period_old", years=OLDEST_YEARS)
    return f"{on:%Y-%m}"


def _reading(typed: str, terms: FieldTerms, last: str | None) -> str:
    found = _READING.fullmatch("".join(unicodedata.normalize("NFKC", typed).split()))
    if found is None or (found["part"] is not None and not found["part"]):
        raise _Wrong("not_number")
    whole, part = found["whole"].lstrip("0") or "0", (found["part"] or "").rstrip("0")
    if found["sign"] in ("-", "−") and (whole != "0" or part):
        raise _Wrong("negative")
    if len(part) > terms.decimals:
        raise _Wrong("decimals", most=terms.decimals)
    if len(whole) > LARGEST_DIGITS:
        raise _Wrong("too_large")
    reading = f"{whole}.{part}" if part else whole
    if last is not None and Decimal(reading) < Decimal(last):
        raise _Wrong("below_last", last=last)
    return reading


def _text(typed: str, terms: FieldTerms) -> str:
    try:
        said = normalise_label(typed, longest=max(len(typed), 1) * 4)  # its length has a sentence of its own
    except LabelMalformed:
        raise _Wrong("characters") from None
    if looks_like_card(said):
        raise _Wrong("card")
    if len(said) < terms.shortest:
        raise _Wrong("too_short", shortest=terms.shortest, longest=terms.longest)
    if len(said) > terms.longest:
        raise _Wrong("too_long", shortest=terms.shortest, longest=terms.longest)
    return said


def looks_like_card(text: str) -> bool:
    """Whether a card number is in it: 13 to 19 digits that pass Luhn's check, in one piece or in groups set apart by single
    spaces or dashes. A longer row of digits is something else."""
    for row in _GROUPS.findall(unicodedata.normalize("NFKC", text)):
        groups = re.findall(r"[0-9]+", row)
        for first in range(len(groups)):
            number = ""
            for group in groups[first:]:
                number += group
                if len(number) > 19:
                    break
                if len(number) >= 13 and luhn.is_valid(number):
                    return True
    return False


def periods(*, today: date) -> list[date]:
    """The months one may pay for, as their first days: the next one first, then back over three years."""
    return months_between(add_months(month_start(today), -12 * OLDEST_YEARS), next_month(today))[::-1]


def due_period(*, today: date, last_paid: date | None) -> date:
    """The month to suggest: bills come for the month that is over; when that is paid, the month after the last one paid.

    Never beyond next month.
    """
    due = previous_month(today)
    if last_paid is not None:
        due = max(due, next_month(last_paid))
    return min(due, next_month(today))


def check_amount_for_biller(amount_kopecks: int, *, least_kopecks: int, most_kopecks: int, terms: PaymentTerms) -> None:
    """A sum within what the biller and what the operator take, in kopecks; the bounds are allowed. Raises AmountOutOfRange."""
    least, most = bounds(least_kopecks=least_kopecks, most_kopecks=most_kopecks, terms=terms)
    if not least <= amount_kopecks <= most:
        raise AmountOutOfRange(least_kopecks=least, most_kopecks=most)


def bounds(*, least_kopecks: int, most_kopecks: int, terms: PaymentTerms) -> tuple[int, int]:
    """The least and the most of one payment to a biller: the narrower of its own limits and the operator's."""
    return max(least_kopecks, terms.least_kopecks), min(most_kopecks, terms.most_kopecks)
