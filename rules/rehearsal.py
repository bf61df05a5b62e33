"""Autopay rehearsed: the charges that are known beforehand, and what rules make of them, day by day.

It decides by the same rules as the days themselves when they come: `rules.billing` for what a month costs, `rules.autopay` for
what a run pays. All sums are kopecks; a day's balance is the one it ends with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from rules.autopay import AutopayTerms, RuleDraft, amount_to_pay, next_run_on, period_key
from rules.billing import PricedItem, monthly_charges
from rules.periods import month_end, month_start, months_between, next_month, previous_month
from rules.terms import AutopayAmount, AutopayTrigger, BillingMode

DAYS = 90
BILLING_DAY = 1
EARLY_DAY = 25
"""A day on which a month paid ahead is paid in time: all tries after a decline fall before the 1st."""
USUAL_THRESHOLD_KOPECKS = 30_000
USUAL_AMOUNT_KOPECKS = 50_000
ROUND_KOPECKS = 5_000


@dataclass(frozen=True, slots=True)
class OneOff:
    """An option that is paid once, connected on that day."""

    on: date
    price_kopecks: int


@dataclass(frozen=True, slots=True)
class PlannedCharge:
    """What billing day takes: the sum, above 0, for the month that begins on `month_on`."""

    on: date
    month_on: date
    amount_kopecks: int


@dataclass(frozen=True, slots=True)
class StandingRule:
    """A rule as it stands on an account today.

    `periods` had their run already. `planned_on` is the day it is planned for, `retry_period` the period it then tries again.
    `pending_kopecks` were asked from the bank, which has not answered. `is_own`: it is the reader's, not a relative's.
    """

    draft: RuleDraft
    rule_id: int = 0
    is_own: bool = True
    paid_this_month_kopecks: int = 0
    periods: frozenset[str] = frozenset()
    planned_on: date | None = None
    retry_period: str = ""
    pending_kopecks: int = 0


@dataclass(frozen=True, slots=True)
class ForecastEvent:
    """A day on which money moves: the sum is above 0, the kind says which way. Or a run that pays nothing, 0, and why.

    `rule` is the place of the rule among those given, None for a charge.
    """

    on: date
    kind: Literal["charge", "autopay", "skipped"]
    amount_kopecks: int
    balance_after_kopecks: int
    rule: int | None = None
    reason: str = "pay"

    @property
    def balance_before_kopecks(self) -> int:
        return self.balance_after_kopecks + (self.amount_kopecks if self.kind == "charge" else -self.amount_kopecks)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the days came to. `lowest` and `below_zero_from` look at how days end; lowest counts today as it stands."""

    events: tuple[ForecastEvent, ...]
    payments: int
    paid_kopecks: int
    charged_kopecks: int
    lowest_kopecks: int
    lowest_on: date
    below_zero_from: date | None
    ends_with_kopecks: int


def charges_ahead(
    *,
    mode: BillingMode,
    items: Sequence[PricedItem],
    once: Sequence[OneOff] = (),
    today: date,
    days: int = DAYS,
    billed_on: date | None = None,
) -> list[PlannedCharge]:
    """What the billing days from today to `days` later take, in their order.

    On the 1st a prepaid account pays the month that begins, a postpaid one gets the bill of the month that ended, with what
    was connected once in it. `billed_on` is the last billing day that has been; one that was missed since is made up for
    today. None: this month's is over.
    """
    last, known = today + timedelta(days=days), billed_on or month_start(today)
    charges = []
    for day in months_between(next_month(known), last):
        month = day if mode is BillingMode.PREPAID else previous_month(day)
        amount = sum(charge.amount_kopecks for charge in monthly_charges(month_on=month, items=items))
        if mode is BillingMode.POSTPAID:
            amount += sum(each.price_kopecks for each in once if month <= each.on <= month_end(month))
        if amount > 0:
            charges.append(PlannedCharge(max(day, today), month, amount))
    return charges


@dataclass(slots=True)
class _Running:
    """A rule on its way through the days. `next_on`: planned for the hour of that day; None: a threshold rule that waits."""

    place: int
    rule: StandingRule
    paid: int
    had: set[str]
    next_on: date | None
    retry_period: str
    told: date | None = None
    """The month in which a threshold rule was said to have paid nothing."""

    @property
    def by_threshold(self) -> bool:
        return self.rule.draft.trigger is AutopayTrigger.THRESHOLD

    def turn(self, on: date) -> str | None:
        """The period that the rule has its turn for now, on that day; None when it has none."""
        if self.next_on is not None and self.next_on > on:
            return None
        day = on if self.by_threshold or self.next_on is None else self.next_on
        period = self.retry_period or period_key(trigger=self.rule.draft.trigger, on=day)
        if period in self.had and not self.retry_period:
            self.go_on(on)
            return None
        return period

    def go_on(self, on: date) -> None:
        """Plan the next turn: the next day of the calendar; tomorrow for a threshold, should the balance be low still."""
        self.retry_period = ""
        after = on if self.by_threshold or self.next_on is None else self.next_on
        self.next_on = _by_calendar(self.rule.draft, after + timedelta(days=1)) or on + timedelta(days=1)


def forecast(
    *,
    rules: Sequence[StandingRule],
    balance_kopecks: int,
    due_kopecks: int,
    charges: Sequence[PlannedCharge],
    today: date,
    days: int = DAYS,
    terms: AutopayTerms,
    is_suspended: bool = False,
) -> list[ForecastEvent]:
    """Charges and runs from today (what is still to come of it) to `days` later; every payment is taken to succeed.

    A day goes as it does live: the charges; threshold rules that wait, which the charge itself sets off; then whatever is
    planned for the day's hour, one after the other. What falls due is `due_kopecks` until the first charge and the debt
    after it. The balance after the last event is the balance now, less the charges, plus the payments. A threshold rule
    that may not pay is said once a month. While the account is suspended no rule pays.
    """
    running = [
        _Running(
            place,
            rule,
            rule.paid_this_month_kopecks,
            set(rule.periods),
            rule.planned_on or _by_calendar(rule.draft, today),
            rule.retry_period,
        )
        for place, rule in enumerate(rules)
    ]
    events: list[ForecastEvent] = []
    balance, due = balance_kopecks, due_kopecks

    def pay(each: _Running, on: date, amount: int) -> None:
        nonlocal balance, due
        balance, due = balance + amount, max(0, due - amount)
        each.paid += amount
        events.append(ForecastEvent(on, "autopay", amount, balance, each.place))

    def run(each: _Running, on: date) -> None:
        period = each.turn(on)
        if period is None:
            return
        found = amount_to_pay(
            draft=each.rule.draft,
            balance_kopecks=balance,
            due_kopecks=due,
            paid_this_month_kopecks=each.paid,
            terms=terms,
        )
        if found.reason == "above_threshold":
            each.next_on, each.retry_period = None, ""
            return
        reason = "account_suspended" if is_suspended and found.reason == "pay" else found.reason
        each.had |= {period, period_key(trigger=each.rule.draft.trigger, on=on)} if each.by_threshold else {period}
        if reason == "pay":
            pay(each, on, found.amount_kopecks)
        elif not each.by_threshold or each.told != month_start(on):
            each.told = month_start(on)
            events.append(ForecastEvent(on, "skipped", 0, balance, each.place, reason))
        each.go_on(on)

    for each in running:
        if each.rule.pending_kopecks:
            pay(each, today, each.rule.pending_kopecks)
    for on in (today + timedelta(days=ahead) for ahead in range(days + 1)):
        for charge in charges:
            if max(charge.on, today) == on:
                balance -= charge.amount_kopecks
                due = max(0, -balance)
                events.append(ForecastEvent(on, "charge", charge.amount_kopecks, balance))
        if on != today and on.day == 1:
            for each in running:
                each.paid = 0
        # A day that was missed is made up for, and the day's own turn comes after it: hence not once but twice.
        for each in sorted(running, key=lambda one: (one.next_on or date.min, one.rule.rule_id, one.place)):
            run(each, on)
            if not each.by_threshold:
                run(each, on)
    return events


def _by_calendar(draft: RuleDraft, first: date) -> date | None:
    return next_run_on(trigger=draft.trigger, day_of_month=draft.day_of_month, billing_day=BILLING_DAY, today=first)


def rehearse(
    *,
    rules: Sequence[StandingRule],
    balance_kopecks: int,
    due_kopecks: int,
    charges: Sequence[PlannedCharge],
    today: date,
    days: int = DAYS,
    terms: AutopayTerms,
    is_suspended: bool = False,
) -> Rehearsal:
    """`forecast` with what it comes to."""
    events = forecast(
        rules=rules,
        balance_kopecks=balance_kopecks,
        due_kopecks=due_kopecks,
        charges=charges,
        today=today,
        days=days,
        terms=terms,
        is_suspended=is_suspended,
    )
    ends = {today: balance_kopecks, **{event.on: event.balance_after_kopecks for event in events}}
    lowest_on = min(ends, key=lambda on: (ends[on], on))
    paid = [event.amount_kopecks for event in events if event.kind == "autopay"]
    return Rehearsal(
        events=tuple(events),
        payments=len(paid),
        paid_kopecks=sum(paid),
        charged_kopecks=sum(event.amount_kopecks for event in events if event.kind == "charge"),
        lowest_kopecks=ends[lowest_on],
        lowest_on=lowest_on,
        below_zero_from=min((on for on, balance in ends.items() if balance < 0), default=None),
        ends_with_kopecks=events[-1].balance_after_kopecks if events else balance_kopecks,
    )


def other_kind(*, draft: RuleDraft, mode: BillingMode, monthly_kopecks: int, terms: AutopayTerms) -> RuleDraft:
    """The other kind of trigger with what suits most people, to compare a rule with; its ceiling stays.

    A threshold is compared with the calendar: a postpaid account pays its bill, a prepaid one is topped up to the
    coming month on the 25th. The calendar is compared with the usual threshold and a payment of about a month.
    """
    about = -(-max(monthly_kopecks, USUAL_AMOUNT_KOPECKS) // ROUND_KOPECKS) * ROUND_KOPECKS
    amount = min(max(about, terms.amount_least_kopecks), terms.amount_most_kopecks)
    if draft.trigger is not AutopayTrigger.THRESHOLD:
        threshold = min(max(USUAL_THRESHOLD_KOPECKS, terms.threshold_least_kopecks), terms.threshold_most_kopecks)
        return replace(
            draft,
            trigger=AutopayTrigger.THRESHOLD,
            amount_kind=AutopayAmount.FIXED,
            threshold_kopecks=threshold,
            day_of_month=None,
            amount_kopecks=amount,
        )
    if mode is BillingMode.POSTPAID:
        return replace(
            draft,
            trigger=AutopayTrigger.BILL,
            amount_kind=AutopayAmount.DUE,
            threshold_kopecks=None,
            day_of_month=None,
            amount_kopecks=None,
        )
    return replace(
        draft,
        trigger=AutopayTrigger.MONTHLY,
        amount_kind=AutopayAmount.UP_TO,
        threshold_kopecks=None,
        day_of_month=EARLY_DAY,
        amount_kopecks=amount,
    )
