"""Autopay: which rules may stand, when each runs, and what it pays. What the next months look like is `rules.rehearsal`.

The bounds are what operators publish for card payments: a threshold of 30–10,000 ₽, a sum of 50–10,000 ₽.
All sums are kopecks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Literal

from rules.periods import clamp_day, month_start, next_month
from rules.refusals import (
    AmountKindMismatch,
    AmountOutOfRange,
    CeilingTooLow,
    DayOutOfRange,
    ThresholdOutOfRange,
    UpToNotAboveThreshold,
)
from rules.terms import AutopayAmount, AutopayTrigger

PayReason = Literal["pay", "nothing_due", "above_threshold", "ceiling_reached", "under_minimum"]
UNNEEDED = "nothing_due"
"""Why a run paid nothing because there was nothing to pay; for any other reason something stood in its way."""


@dataclass(frozen=True, slots=True)
class AutopayTerms:
    """Bounds of autopay, both ends included, in kopecks; days after a decline on which it is tried again."""

    threshold_least_kopecks: int = 3_000
    threshold_most_kopecks: int = 1_000_000
    amount_least_kopecks: int = 5_000
    amount_most_kopecks: int = 1_000_000
    default_ceiling_kopecks: int = 3_000_000
    retry_days: tuple[int, ...] = (1, 3, 5)
    hour: int = 9
    """When rules run on their day, in the account's region."""


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as a person sets it up. Fields that its trigger or kind of sum does not use are not looked at.

    `amount_kopecks` is the sum of FIXED or the level of UP_TO; no ceiling means the default one.
    """

    trigger: AutopayTrigger
    amount_kind: AutopayAmount
    threshold_kopecks: int | None = None
    day_of_month: int | None = None
    amount_kopecks: int | None = None
    monthly_ceiling_kopecks: int | None = None


_terms = attrgetter(*(field.name for field in fields(RuleDraft)))


def draft_of(rule: object) -> RuleDraft:
    """The terms of a stored rule, or of a row with its columns, as its person set them up."""
    return RuleDraft(*_terms(rule))


@dataclass(frozen=True, slots=True)
class AmountToPay:
    """What a rule pays now, and why. The amount is above 0 only when the reason is `pay`."""

    amount_kopecks: int
    reason: PayReason


def check_draft(*, draft: RuleDraft, terms: AutopayTerms) -> None:
    """Whether a rule may stand.

    Raises ThresholdOutOfRange or DayOutOfRange (missing counts as outside), AmountKindMismatch for the sum due by
    threshold, AmountOutOfRange, UpToNotAboveThreshold, and CeilingTooLow when not even one payment fits.
    """
    threshold, amount = draft.threshold_kopecks, draft.amount_kopecks
    by_threshold = draft.trigger is AutopayTrigger.THRESHOLD
    if by_threshold and draft.amount_kind is AutopayAmount.DUE:
        raise AmountKindMismatch()
    if by_threshold and not _within(threshold, terms.threshold_least_kopecks, terms.threshold_most_kopecks):
        raise ThresholdOutOfRange(least_kopecks=terms.threshold_least_kopecks, most_kopecks=terms.threshold_most_kopecks)
    if draft.trigger is AutopayTrigger.MONTHLY and not _within(draft.day_of_month, 1, 31):
        raise DayOutOfRange()
    if draft.amount_kind is not AutopayAmount.DUE and not _within(amount, terms.amount_least_kopecks, terms.amount_most_kopecks):
        raise AmountOutOfRange(least_kopecks=terms.amount_least_kopecks, most_kopecks=terms.amount_most_kopecks)
    if by_threshold and draft.amount_kind is AutopayAmount.UP_TO and (amount or 0) <= (threshold or 0):
        raise UpToNotAboveThreshold()
    least = _least_payment(draft, terms)
    if draft.monthly_ceiling_kopecks is not None and draft.monthly_ceiling_kopecks < least:
        raise CeilingTooLow(amount_kopecks=least)


def _within(value: int | None, least: int, most: int) -> bool:
    return value is not None and least <= value <= most


def _least_payment(draft: RuleDraft, terms: AutopayTerms) -> int:
    """The smallest sum that one run of the rule pays: all of a FIXED sum, or what UP_TO lacks at the threshold."""
    if draft.amount_kind is AutopayAmount.FIXED:
        return draft.amount_kopecks or 0
    if draft.amount_kind is AutopayAmount.UP_TO and draft.trigger is AutopayTrigger.THRESHOLD:
        missing = (draft.amount_kopecks or 0) - (draft.threshold_kopecks or 0)
        return max(missing, terms.amount_least_kopecks)
    return terms.amount_least_kopecks


def conflicts(*, trigger: AutopayTrigger, existing: Sequence[AutopayTrigger]) -> AutopayTrigger | None:
    """The rule of the account that stands in the way of a new one, or None.

    An account may have one rule by threshold and one by calendar (MONTHLY or BILL); two of a sort would pay twice.
    """
    for other in existing:
        if _by_calendar(other) == _by_calendar(trigger):
            return other
    return None


def _by_calendar(trigger: AutopayTrigger) -> bool:
    return trigger is not AutopayTrigger.THRESHOLD


def amount_to_pay(
    *,
    draft: RuleDraft,
    balance_kopecks: int,
    due_kopecks: int,
    paid_this_month_kopecks: int,
    terms: AutopayTerms,
) -> AmountToPay:
    """What a rule pays when it runs now. Whether its day has come is `next_run_on`'s to say.

    The sum wanted is cut to the largest single payment and to what the monthly ceiling has left; a sum under the
    smallest payment is not paid. THRESHOLD pays only while the balance is under it, not at it.
    """
    threshold = draft.threshold_kopecks or 0
    if draft.trigger is AutopayTrigger.THRESHOLD and balance_kopecks >= threshold:
        return AmountToPay(0, "above_threshold")
    if draft.amount_kind is AutopayAmount.DUE:
        wanted = due_kopecks
    elif draft.amount_kind is AutopayAmount.UP_TO:
        wanted = (draft.amount_kopecks or 0) - balance_kopecks
    else:
        wanted = draft.amount_kopecks or 0
    if wanted <= 0:
        return AmountToPay(0, "nothing_due")
    if wanted < terms.amount_least_kopecks:
        return AmountToPay(0, "under_minimum")
    ceiling = draft.monthly_ceiling_kopecks
    if ceiling is None:
        ceiling = terms.default_ceiling_kopecks
    allowed = min(ceiling - paid_this_month_kopecks, terms.amount_most_kopecks)
    if allowed < terms.amount_least_kopecks:
        return AmountToPay(0, "ceiling_reached")
    return AmountToPay(min(wanted, allowed), "pay")


def pays_off(*, draft: RuleDraft, debt_kopecks: int, terms: AutopayTerms) -> bool:
    """Whether one run of a rule pays all of such a debt, where nothing was paid by it this month yet."""
    found = amount_to_pay(
        draft=draft, balance_kopecks=-debt_kopecks, due_kopecks=debt_kopecks, paid_this_month_kopecks=0, terms=terms
    )
    return found.amount_kopecks >= debt_kopecks


@lru_cache(maxsize=4096)
def next_run_on(*, trigger: AutopayTrigger, day_of_month: int | None, billing_day: int, today: date) -> date | None:
    """The next day on which a calendar rule runs, today included; None for THRESHOLD, which may run any day.

    Days 29 to 31 fall on the last day of a shorter month. Raises ValueError for a MONTHLY rule without its day. Kept in mind:
    many rules share their day.
    """
    if trigger is AutopayTrigger.THRESHOLD:
        return None
    day = billing_day if trigger is AutopayTrigger.BILL else day_of_month
    if day is None:
        raise ValueError("a monthly rule has a day")
    this_month = clamp_day(month_start(today), day)
    return this_month if this_month >= today else clamp_day(next_month(today), day)


def period_key(*, trigger: AutopayTrigger, on: date) -> str:
    """The period within which one rule pays once: the month of a calendar rule, the day of a threshold.

    `2025-03` or `2025-03-14`. MONTHLY and BILL share keys, so a rule moved from one to the other does not pay a
    month twice. A retry keeps the key of the first try, whichever day it falls on.
    """
    return f"{on:%Y-%m}" if _by_calendar(trigger) else on.isoformat()


def is_period_of(*, trigger: AutopayTrigger, period: str) -> bool:
    """Whether a rule with that trigger runs for periods of this kind: a rule may have been changed since it ran."""
    return _by_calendar(trigger) == (len(period) == len("2025-03"))


def next_retry_on(*, failed_on: date, attempt: int, terms: AutopayTerms) -> date | None:
    """When to try again after a decline; None when the tries are used up and the rule is to be paused.

    `attempt` counts the declines so far, from 1; the days count from `failed_on`, the day of the first decline, so
    by default the tries are on the 1st, 3rd and 5th day after it. Raises ValueError for an attempt under 1.
    """
    if attempt < 1:
        raise ValueError("attempts count from 1")
    if attempt > len(terms.retry_days):
        return None
    return failed_on + timedelta(days=terms.retry_days[attempt - 1])
