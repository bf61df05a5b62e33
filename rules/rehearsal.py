"""Autopay rehearsed: the charges that are known beforehand, and what rules make of them, day by day.

It decides by the same rules as the days themselves when they come: `rules.billing` for what billing day charges, `rules.blocking`
for who is blocked then, `rules.autopay` for what a run pays. All sums are kopecks; a day's balance is the one it ends with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from rules.autopay import AutopayTerms, RuleDraft, amount_to_pay, next_run_on, period_key
from rules.billing import BillingTerms, Connected, MonthCharge, month_ahead, month_behind, rest_of_month, service_days
from rules.blocking import BilledMonth, debt_beyond_grace
from rules.periods import month_start, next_month, previous_month
from rules.terms import AccountStatus, AutopayAmount, AutopayTrigger, BillingMode

DAYS = 90
BILLING_DAY = 1
EARLY_DAY = 25
"""A day on which a month paid ahead is paid in time: all tries after a decline fall before the 1st."""
USUAL_THRESHOLD_KOPECKS = 30_000
USUAL_AMOUNT_KOPECKS = 50_000
ROUND_KOPECKS = 5_000


@dataclass(frozen=True, slots=True)
class AccountAhead:
    """An account as it stands today, with all that billing will go by. Kopecks.

    `unbilled` are charges that no bill has yet, each with its month; `charged_for` what this month was charged for already;
    `next_billing_on` the billing day that it has not been through, in the past when one was missed. `billed_after_hour`: where it
    is, the hour of autopay comes before billing on that day, as in the east of the country.
    """

    balance_kopecks: int
    due_kopecks: int
    mode: BillingMode
    next_billing_on: date
    connected: tuple[Connected, ...] = ()
    status: AccountStatus = AccountStatus.ACTIVE
    status_since_on: date = date.min
    bills: tuple[BilledMonth, ...] = ()
    unbilled: tuple[tuple[date, int], ...] = ()
    charged_for: frozenset[tuple[str, int]] = frozenset()
    due_days: int = 19
    billed_after_hour: bool = False


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
    """A day on which money moves: the sum is above 0, the kind says which way. Or, with 0, a run that pays nothing, and why; or
    that the account is blocked for its debt, or works again.

    `rule` is the place of the rule among those given; None when no rule did it.
    """

    on: date
    kind: Literal["charge", "autopay", "skipped", "blocked", "resumed"]
    amount_kopecks: int
    balance_after_kopecks: int
    rule: int | None = None
    reason: str = "pay"

    @property
    def balance_before_kopecks(self) -> int:
        return self.balance_after_kopecks + (self.amount_kopecks if self.kind == "charge" else -self.amount_kopecks)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the days came to. How days end is what counts; today as it stands counts, too.

    `below_zero_until` is the day on which a balance below zero comes back for good, None when it does not.
    """

    events: tuple[ForecastEvent, ...]
    payments: int
    paid_kopecks: int
    charged_kopecks: int
    lowest_kopecks: int
    lowest_on: date
    below_zero_from: date | None
    below_zero_until: date | None
    blocked_on: date | None
    ends_with_kopecks: int


@dataclass(slots=True)
class _Account:
    """An account on its way through the days: as `actions.billing` charges and `actions.blocking` blocks and frees it."""

    facts: AccountAhead
    terms: BillingTerms
    balance: int
    due: int
    status: AccountStatus
    since_on: date
    next_on: date
    bills: list[BilledMonth]
    unbilled: list[tuple[date, int]]
    charged_for: set[tuple[date, str, int]]
    events: list[ForecastEvent]

    @classmethod
    def of(cls, facts: AccountAhead, terms: BillingTerms, today: date) -> "_Account":
        return cls(
            facts=facts,
            terms=terms,
            balance=facts.balance_kopecks,
            due=facts.due_kopecks,
            status=facts.status,
            since_on=facts.status_since_on,
            next_on=facts.next_billing_on,
            bills=list(facts.bills),
            unbilled=list(facts.unbilled),
            charged_for={(month_start(today), kind, product) for kind, product in facts.charged_for},
            events=[],
        )

    def note(self, on: date, kind: Literal["charge", "autopay", "skipped", "blocked", "resumed"], amount: int = 0) -> None:
        self.events.append(ForecastEvent(on, kind, amount, self.balance))

    def bill(self, on: date) -> None:
        """The billing day that is next: the month that ended (postpaid), its bill, blocking, the month that begins (prepaid)."""
        day, month = self.next_on, previous_month(self.next_on)
        service = service_days(status=self.status, since_on=self.since_on)
        if self.facts.mode is BillingMode.POSTPAID:
            self.charge(month_behind(month_on=month, connected=self.facts.connected, service=service), month, on)
        if not self.bills or self.bills[-1].month_on < month:
            total = sum(kopecks for of, kopecks in self.unbilled if of <= month)
            issued_on = max(day, on)
            if total:
                self.bills.append(BilledMonth(month, issued_on, issued_on + timedelta(days=self.facts.due_days), total))
            self.unbilled = [(of, kopecks) for of, kopecks in self.unbilled if of > month]
        self.due = max(0, -self.balance)
        if self.status is AccountStatus.ACTIVE and debt_beyond_grace(
            balance_kopecks=self.balance, mode=self.facts.mode, bills=self.bills, billing_day=day, terms=self.terms
        ):
            self.status, self.since_on = AccountStatus.BLOCKED, day
            self.note(on, "blocked")
        elif self.facts.mode is BillingMode.PREPAID:
            self.charge(month_ahead(month_on=day, connected=self.facts.connected, service=service), day, on)
        self.next_on = next_month(day)

    def charge(self, charges: Sequence[MonthCharge], month: date, on: date) -> None:
        amount = sum(each.amount_kopecks for each in charges)
        if amount:
            self.balance -= amount
            self.due = max(0, -self.balance)
            self.unbilled.append((month, amount))
            self.charged_for |= {(month, each.kind, each.product_id) for each in charges}
            self.note(on, "charge", amount)

    def receive(self, on: date, amount: int, rule: int) -> None:
        """A payment. Who was blocked and owes nothing now works again, and a prepaid one is charged the rest of the month."""
        self.balance, self.due = self.balance + amount, max(0, self.due - amount)
        self.events.append(ForecastEvent(on, "autopay", amount, self.balance, rule))
        if self.status is AccountStatus.BLOCKED and self.balance >= 0:
            self.status, self.since_on = AccountStatus.ACTIVE, on
            self.note(on, "resumed")
            if self.facts.mode is BillingMode.PREPAID:
                month = month_start(on)
                rest = rest_of_month(today=on, connected=self.facts.connected)
                self.charge([each for each in rest if (month, each.kind, each.product_id) not in self.charged_for], month, on)


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
    account: AccountAhead,
    today: date,
    days: int = DAYS,
    terms: AutopayTerms,
    billing: BillingTerms,
) -> list[ForecastEvent]:
    """Charges and runs from today (what is still to come of it) to `days` later; every payment is taken to succeed.

    A day goes as it does live: billing; threshold rules that wait, which the charge itself sets off; then whatever is planned
    for the day's hour, one after the other. The balance after the last event is the balance now, less the charges, plus the
    payments. A threshold rule that may not pay is said once a month. While the account is suspended no rule pays.
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
    going = _Account.of(account, billing, today)

    def pay(each: _Running, on: date, amount: int) -> None:
        each.paid += amount
        going.receive(on, amount, each.place)

    def run(each: _Running, on: date) -> None:
        period = each.turn(on)
        if period is None:
            return
        found = amount_to_pay(
            draft=each.rule.draft,
            balance_kopecks=going.balance,
            due_kopecks=going.due,
            paid_this_month_kopecks=each.paid,
            terms=terms,
        )
        if found.reason == "above_threshold":
            each.next_on, each.retry_period = None, ""
            return
        is_suspended = going.status is AccountStatus.SUSPENDED and found.reason == "pay"
        reason = "account_suspended" if is_suspended else found.reason
        each.had.add(period)
        if reason == "pay":
            pay(each, on, found.amount_kopecks)
        elif not each.by_threshold or each.told != month_start(on):
            each.told = month_start(on)
            going.events.append(ForecastEvent(on, "skipped", 0, going.balance, each.place, reason))
        each.go_on(on)

    for each in running:
        if each.rule.pending_kopecks:
            pay(each, today, each.rule.pending_kopecks)
    for on in (today + timedelta(days=ahead) for ahead in range(days + 1)):
        if on != today and on.day == 1:
            for each in running:
                each.paid = 0
        if account.billed_after_hour and going.next_on == on:
            for each in _in_turn(running):
                if each.next_on is not None and (each.retry_period or not _waits_for_the_bill(each.rule.draft)):
                    run(each, on)
        while going.next_on <= on:
            going.bill(on)
        # A day that was missed is made up for, and the day's own turn comes after it: hence not once but twice.
        for each in _in_turn(running):
            run(each, on)
            if not each.by_threshold:
                run(each, on)
    return going.events


def _waits_for_the_bill(draft: RuleDraft) -> bool:
    """What a calendar rule pays is not known before billing, but for a fixed sum on a day of the month."""
    if draft.trigger is AutopayTrigger.MONTHLY:
        return draft.amount_kind is not AutopayAmount.FIXED
    return draft.trigger is AutopayTrigger.BILL


def _in_turn(running: Sequence[_Running]) -> list[_Running]:
    """Threshold rules that wait, then what is planned, the longest due first."""
    return sorted(running, key=lambda one: (one.next_on or date.min, one.rule.rule_id, one.place))


def _by_calendar(draft: RuleDraft, first: date) -> date | None:
    return next_run_on(trigger=draft.trigger, day_of_month=draft.day_of_month, billing_day=BILLING_DAY, today=first)


def rehearse(
    *,
    rules: Sequence[StandingRule],
    account: AccountAhead,
    today: date,
    days: int = DAYS,
    terms: AutopayTerms,
    billing: BillingTerms,
) -> Rehearsal:
    """`forecast` with what it comes to."""
    events = forecast(rules=rules, account=account, today=today, days=days, terms=terms, billing=billing)
    balance_kopecks = account.balance_kopecks
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
        below_zero_until=_back_above(ends),
        blocked_on=next((event.on for event in events if event.kind == "blocked"), None),
        ends_with_kopecks=events[-1].balance_after_kopecks if events else balance_kopecks,
    )


def _back_above(ends: dict[date, int]) -> date | None:
    days = sorted(ends)
    last_below = max((on for on in days if ends[on] < 0), default=None)
    return None if last_below is None else next((on for on in days if on > last_below), None)


def other_kind(*, draft: RuleDraft, mode: BillingMode, monthly_kopecks: int, terms: AutopayTerms) -> RuleDraft:
    """The other kind of trigger with what suits most people, to compare a rule with; its ceiling stays.

    A threshold is compared with the calendar: a postpaid account pays its bill, a prepaid one is topped up to the
    coming month on the 25th, and so much more that what is too little for a payment is there, too. The calendar is
    compared with the usual threshold and a payment of about a month.
    """
    about = -(-max(monthly_kopecks + terms.amount_least_kopecks, USUAL_AMOUNT_KOPECKS) // ROUND_KOPECKS) * ROUND_KOPECKS
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
