"""What must hold while the simulated days go by. Each check says in words what is wrong, and raises Broken."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from actions.autopay_runs import NOT_SENT
from actions.autopaying import LATER
from db import reading
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    LedgerAccount,
    Payment,
    Region,
    SavedCard,
)
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.billing import RUN_AFTER
from rules.periods import clamp_day, month_start, previous_month
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    DeclineReason,
    Right,
)
from settings import operator

BILLING_DAY = 1
PAID = (AutopayResult.SUCCEEDED, AutopayResult.PENDING)


class Broken(AssertionError):
    """An invariant does not hold."""


def check(holds: Any, what: str) -> None:
    if not holds:
        raise Broken(what)


def moment_on(day: date, zone: str) -> datetime:
    """When rules run on a day, as the terms say: at their hour where the account is."""
    return datetime.combine(day, time(operator().autopay.hour), ZoneInfo(zone)).astimezone(UTC)


@dataclass(slots=True)
class Run:
    """One attempt as the database has it."""

    id: int
    rule_id: int
    account_id: int
    period: str
    attempt: int
    due_on: date
    ran_at: datetime
    result: AutopayResult
    reason: str
    amount_kopecks: int
    payment_id: int | None
    decline_reason: DeclineReason | None
    settled_at: datetime | None

    @property
    def said(self) -> str:
        return f"run {self.id} of rule {self.rule_id} ({self.period}, try {self.attempt}, {self.result.value} {self.reason})"

    def is_under_way(self, begins: datetime, ends: datetime) -> bool:
        """Whether it waited for its answer at any time between the two moments, or got it just before."""
        if self.payment_id is None or self.ran_at > ends:
            return False
        return self.settled_at is None or self.settled_at >= begins - LATER


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule at one moment, with what decides whether it may run."""

    rule: AutopayRule
    may_pay: bool
    card_gone: bool
    status: AccountStatus
    opened_on: date
    billed_on: date | None
    zone: str
    balance_kopecks: int

    def moment(self, month: date) -> tuple[date, datetime]:
        """The day of a calendar rule in that month, and the moment from which it is due. A bill is paid once it is there, and
        so is whatever depends on it on that day."""
        day = clamp_day(month, BILLING_DAY if self.rule.trigger is AutopayTrigger.BILL else self.rule.day_of_month or 1)
        due = moment_on(day, self.zone)
        depends = self.rule.amount_kind is not AutopayAmount.FIXED and day == month
        if self.rule.trigger is AutopayTrigger.BILL or depends:
            due = max(due, month_begins_at(month) + RUN_AFTER)
        return day, due

    @property
    def wants_money(self) -> bool:
        by_threshold = self.rule.trigger is AutopayTrigger.THRESHOLD
        return not by_threshold or self.balance_kopecks < (self.rule.threshold_kopecks or 0)

    def is_billed(self, month: date) -> bool:
        return self.opened_on >= month or (self.billed_on is not None and self.billed_on >= month)


def standings(db: Session) -> dict[int, Standing]:
    """Rules that are not deleted, by id."""
    enough = [right for right in Right if right.covers(Right.PAY)]
    rows = db.execute(
        sa.select(
            AutopayRule,
            col(Attachment.id),
            col(SavedCard.removed_at),
            col(BillingAccount.status),
            col(BillingAccount.opened_on),
            col(BillingAccount.billed_on),
            col(Region.time_zone),
            col(LedgerAccount.balance_kopecks),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(AutopayRule.billing_account_id),
                col(Attachment.customer_id) == col(AutopayRule.customer_id),
                col(Attachment.detached_at).is_(None),
                col(Attachment.right).in_(enough),
            ),
        )
        .where(col(AutopayRule.state) != AutopayState.DELETED)
        .order_by(col(AutopayRule.id))
    )
    return {rule.id: Standing(rule, attached is not None, removed is not None, *rest) for rule, attached, removed, *rest in rows}


@dataclass
class RunsWatch:
    """Follows every run of every rule from the first day on."""

    began_at: datetime
    runs: dict[int, Run] = field(default_factory=dict)
    series: dict[tuple[int, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    newest: dict[int, Run] = field(default_factory=dict)
    of_account: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    paid: Counter[tuple[int, date]] = field(default_factory=Counter)
    before: dict[int, Standing] = field(default_factory=dict)
    last_id: int = 0
    pending: set[int] = field(default_factory=set)
    ended: list[Run] = field(default_factory=list)
    """Runs that came to their end since somebody asked."""
    clean: list[datetime] = field(default_factory=list)
    """When the background had done all it had to do, and nobody died."""
    figures: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Know the history."""
        for run in self._news():
            self._keep(run)
        self.ended.clear()
        self.figures.clear()

    def look_before(self) -> None:
        """Remember every rule as it is before the background works."""
        with reading() as db:
            self.before = standings(db)

    def look_after(self) -> None:
        """Check what the background has done since `look_before`."""
        news = self._news()
        ended: list[Run] = []
        with reading() as db:
            after = standings(db) if news else {}
        for run in news:
            known = self.runs.get(run.id)
            if known is None:
                self._may_run(run, after)
            elif known.result is not AutopayResult.PENDING:
                raise Broken(f"{run.said} changed after its end")
            self._keep(run)
            if run.result is not AutopayResult.PENDING:
                ended.append(run)
        for run in ended:
            self._went_on(run, after.get(run.rule_id))
        self.ended += ended

    def _news(self) -> list[Run]:
        with reading() as db:
            rows = db.execute(
                sa.select(
                    col(AutopayRun.id), col(AutopayRun.rule_id), col(AutopayRun.billing_account_id), col(AutopayRun.period),
                    col(AutopayRun.attempt), col(AutopayRun.due_on), col(AutopayRun.ran_at), col(AutopayRun.result),
                    col(AutopayRun.reason), col(AutopayRun.amount_kopecks), col(AutopayRun.payment_id),
                    col(AutopayRun.decline_reason), col(Payment.settled_at),
                )
                .outerjoin(Payment, col(Payment.id) == col(AutopayRun.payment_id))
                .where(sa.or_(col(AutopayRun.id) > self.last_id, col(AutopayRun.id).in_(sorted(self.pending))))
                .order_by(col(AutopayRun.id))
            ).tuples()  # fmt: skip
            found = [Run(*row) for row in rows]
        return [run for run in found if run.id not in self.pending or run.result is not AutopayResult.PENDING]

    def _keep(self, run: Run) -> None:
        month = month_start(run.ran_at.astimezone(ACCOUNTING_TIME).date())
        known = self.runs.get(run.id)
        if known is None:
            self.runs[run.id] = run
            self.series[run.rule_id, run.period].append(run)
            self.newest[run.rule_id] = run
            self.of_account[run.account_id].append(run)
            self.last_id = max(self.last_id, run.id)
            self.figures["runs"] += 1
            if run.result in PAID:
                self.paid[run.rule_id, month] += run.amount_kopecks
        else:
            known.result, known.reason = run.result, run.reason
            known.decline_reason, known.settled_at = run.decline_reason, run.settled_at
            if run.result not in PAID:
                self.paid[run.rule_id, month] -= run.amount_kopecks
            if run.reason == NOT_SENT:  # no try: the same one is taken again
                self.series[run.rule_id, run.period].remove(known)
        self.pending.discard(run.id)
        if run.result is AutopayResult.PENDING:
            self.pending.add(run.id)
        else:
            self.figures[run.result.value + (f": {run.reason}" if run.reason else "")] += 1
        paid = sum(each.result in PAID for each in self.series[run.rule_id, run.period])
        check(paid <= 1, f"rule {run.rule_id} paid {paid} times in {run.period}")

    # --- a run that has just been written --------------------------------------------------------------
    def _may_run(self, run: Run, after: dict[int, Standing]) -> None:
        was = self.before.get(run.rule_id)
        check(was is not None, f"{run.said}: the rule was deleted before")
        assert was is not None
        rule = was.rule
        check(rule.state is AutopayState.ACTIVE, f"{run.said}: the rule stood still ({rule.pause_reason}) before")
        if run.payment_id is not None:
            check(was.may_pay, f"{run.said}: its person had no right to pay this account any more")
            check(not was.card_gone, f"{run.said}: its card was removed before")
            check(was.status is not AccountStatus.CLOSED, f"{run.said}: the account was closed before")
            check(was.status is not AccountStatus.SUSPENDED, f"{run.said}: the account was paused by its holder")
            self._sum_is_right(run, rule)
        for other in self.of_account[run.account_id]:
            check(
                run.payment_id is None
                or other.payment_id is None
                or (other.settled_at is not None and other.settled_at <= run.ran_at),
                f"{run.said}: {other.said} had no answer yet, and pays the same account",
            )
        now = run.ran_at.astimezone(ZoneInfo(was.zone))
        earlier = self.series[run.rule_id, run.period]
        check(run.attempt == len(earlier) + 1, f"{run.said}: there were {len(earlier)} tries before")
        if earlier and was.rule.changed_at < (earlier[-1].settled_at or earlier[-1].ran_at):
            self._retry_is_right(run, earlier, was, now)
        elif earlier:
            self._tried_again_as_changed(run, earlier, was)
        elif rule.trigger is AutopayTrigger.THRESHOLD:
            last = self.newest.get(run.rule_id)
            twice = (
                last is not None
                and last.result in PAID
                and last.ran_at.astimezone(now.tzinfo).date() == now.date()
                and rule.changed_at < last.ran_at
            )
            check(not twice, f"{run.said}: {last.said if last else ''} has paid on the same day")
            check(run.period == now.date().isoformat(), f"{run.said}: its period is not {now:%Y-%m-%d}, the day of its region")
        else:
            check(len(run.period) == 7, f"{run.said}: a calendar rule pays once a month")
            month = date.fromisoformat(f"{run.period}-01")
            day, due = was.moment(month)
            check(run.ran_at >= due, f"{run.said}: it was due on {day} only, at {due:%d %B %H:%M} UTC; it ran at {run.ran_at}")
            if rule.trigger is AutopayTrigger.BILL:
                held = after.get(run.rule_id, was)
                check(held.is_billed(month), f"{run.said}: the bill it pays was not issued yet")

    def _sum_is_right(self, run: Run, rule: AutopayRule) -> None:
        terms = operator().autopay
        month = month_start(run.ran_at.astimezone(ACCOUNTING_TIME).date())
        ceiling = terms.default_ceiling_kopecks if rule.monthly_ceiling_kopecks is None else rule.monthly_ceiling_kopecks
        together = self.paid[run.rule_id, month] + run.amount_kopecks
        check(together <= ceiling, f"{run.said}: {together} kopecks in a month, over the ceiling of {ceiling}")
        least, most = terms.amount_least_kopecks, terms.amount_most_kopecks
        check(least <= run.amount_kopecks <= most, f"{run.said}: a payment of {run.amount_kopecks} kopecks")
        if rule.amount_kind is AutopayAmount.FIXED:
            wanted = min(rule.amount_kopecks or 0, ceiling - self.paid[run.rule_id, month], most)
            check(run.amount_kopecks == wanted, f"{run.said}: paid {run.amount_kopecks} kopecks instead of {wanted}")

    def _retry_is_right(self, run: Run, earlier: list[Run], was: Standing, now: datetime) -> None:
        last = earlier[-1]
        soft = last.decline_reason is None or not last.decline_reason.is_hard
        check(last.result is AutopayResult.DECLINED and soft, f"{run.said}: after {last.said} nothing is tried again")
        days = operator().autopay.retry_days
        check(len(earlier) <= len(days), f"{run.said}: one try too many")
        due, at_the_latest = self._retry_due(earlier, was)
        check(run.ran_at >= due, f"{run.said}: this try is for {due}; the first decline was on {earlier[0].settled_at}")
        late = [moment for moment in self.clean if at_the_latest + LATER <= moment < run.ran_at]
        check(
            not late or self._is_busy(run.account_id, due, run.ran_at, run.id),
            f"{run.said}: this try was for {due}, and nothing was in its way at {late[:1]}; it ran at {run.ran_at}",
        )
        del now

    def _tried_again_as_changed(self, run: Run, earlier: list[Run], was: "Standing") -> None:
        """The person has changed the rule since: it is tried again as it would have been, or on the new day."""
        check(all(each.result not in PAID for each in earlier), f"{run.said}: {earlier[-1].said} was enough")
        due = []
        if len(earlier) <= len(operator().autopay.retry_days):
            due.append(self._retry_due(earlier, was)[0])
        if len(run.period) == len("2025-03"):
            due.append(was.moment(date.fromisoformat(f"{run.period}-01"))[1])
        check(bool(due) and run.ran_at >= min(due), f"{run.said}: nothing was due before {due}")

    def _retry_due(self, earlier: list[Run], held: "Standing") -> tuple[datetime, datetime]:
        """When the next try after these declines is due: so many days after the first, and not on the day of the last one.

        Twice the same, unless the person has changed the rule meanwhile. Most changes have it planned anew, and the decline of a
        try that was under way is the first then; another card is no reason to wait longer.
        """
        zone, known_at = ZoneInfo(held.zone), [each.settled_at or each.ran_at for each in earlier]
        since_change = next((moment for moment in known_at if moment >= held.rule.changed_at), known_at[0])
        days, last = operator().autopay.retry_days[len(earlier) - 1], known_at[-1].astimezone(zone).date()
        by_first, by_change = (
            moment_on(max(first.astimezone(zone).date() + timedelta(days=days), last + timedelta(days=1)), held.zone)
            for first in (known_at[0], since_change)
        )
        return by_first, by_change

    def _is_busy(self, account_id: int, begins: datetime, ends: datetime, but: int = 0) -> bool:
        return any(other.id != but and other.is_under_way(begins, ends) for other in self.of_account[account_id])

    # --- a run that has just ended -----------------------------------------------------------------------
    def _went_on(self, run: Run, held: Standing | None) -> None:
        if held is None or run.result is AutopayResult.SKIPPED or run.settled_at is None:
            return
        rule, untouched = held.rule, held.rule.changed_at <= max(run.ran_at, run.settled_at)
        if run.result is not AutopayResult.DECLINED or not untouched:
            return
        hard = run.decline_reason is not None and run.decline_reason.is_hard
        if hard or run.attempt > len(operator().autopay.retry_days):
            check(rule.state is AutopayState.PAUSED, f"{run.said}: the rule goes on although it was declined for good")
        else:
            was = self.before.get(run.rule_id)
            active = was is not None and was.rule.state is AutopayState.ACTIVE
            check(not active or rule.state is AutopayState.ACTIVE, f"{run.said}: the rule stands still after a soft decline")

    # --- the end of a day --------------------------------------------------------------------------------
    def day_ends(self, now: datetime) -> None:
        """Nothing was forgotten. The background has just done all it had to do."""
        with reading() as db:
            rules = standings(db)
        for held in rules.values():
            if held.rule.state is not AutopayState.ACTIVE or self._is_busy(held.rule.billing_account_id, now, now):
                continue
            newest = self.newest.get(held.rule.id)
            if newest is not None and newest.result is AutopayResult.DECLINED and newest.settled_at is not None:
                earlier = self.series[newest.rule_id, newest.period]
                goes_on = held.rule.changed_at <= newest.settled_at and len(earlier) <= len(operator().autopay.retry_days)
                goes_on = goes_on and all(each.result not in PAID for each in earlier)
                if goes_on and held.wants_money:
                    due = self._retry_due(earlier, held)[1]
                    check(due + LATER > now, f"rule {held.rule.id}: the try that was due at {due} was forgotten")
            if held.rule.trigger is AutopayTrigger.THRESHOLD:
                self._low_was_seen(held, now)
            else:
                self._its_day_was_kept(held, now)

    def _its_day_was_kept(self, held: Standing, now: datetime) -> None:
        rule, month = held.rule, month_start(now.astimezone(ZoneInfo(held.zone)).date())
        day, due = held.moment(month)
        if due + LATER > now:
            month = previous_month(month)
            day, due = held.moment(month)
        zone = ZoneInfo(held.zone)
        if due < self.began_at or rule.changed_at.astimezone(zone).date() >= day:
            return
        of_month = [run for run in self.of_account[rule.billing_account_id] if run.period == f"{month:%Y-%m}"]
        check(
            (rule.id, f"{month:%Y-%m}") in self.series or any(run.result in PAID for run in of_month),
            f"rule {rule.id} ({rule.trigger.value}, day {rule.day_of_month}): {day} has passed, and it did not run",
        )
        self.figures["days of rules that were kept"] += 1

    def _low_was_seen(self, held: Standing, now: datetime) -> None:
        rule, local = held.rule, now.astimezone(ZoneInfo(held.zone))
        if not held.wants_money:
            return
        newest = self.newest.get(rule.id)
        # What was done for yesterday, or for the month before, stands until this morning's hour.
        day = (local - timedelta(hours=operator().autopay.hour) - LATER).date()
        days = {local.date(), day}
        if newest is not None and (
            newest.ran_at.astimezone(local.tzinfo).date() in days
            or (newest.reason == "ceiling_reached" and month_start(newest.due_on) == month_start(day))
            or (rule.due_period and rule.due_at is not None and rule.due_at > now)
        ):
            self.figures["low balances with a reason"] += 1
            return
        raise Broken(
            f"rule {rule.id}: {held.balance_kopecks} kopecks are under its {rule.threshold_kopecks}, and it did not run today "
            f"(due {rule.due_at}, newest {newest.said if newest else 'none'})"
        )

    def nothing_pending_since(self, moment: datetime) -> None:
        old = [self.runs[id_].said for id_ in sorted(self.pending) if self.runs[id_].ran_at < moment]
        check(not old, f"pending although the bank is well: {old}")


def listed(rows: Iterable[Any]) -> str:
    return ", ".join(str(tuple(row)) for row in list(rows)[:5])
