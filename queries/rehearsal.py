"""What is known today of the months ahead of an account: its charges, what falls due, and the rules that pay it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from db import access
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    LedgerAccount,
    Option,
    OptionPrice,
    Order,
    Region,
)
from queries.billing_day import Charged, billed_months, charged, connected, newest_bills
from queries.dues import due_on_accounts
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.autopay import draft_of
from rules.billing import RUN_AFTER, Connected, Price, ServiceDays, charged_month, month_behind
from rules.periods import month_start, next_month, previous_month
from rules.rehearsal import DAYS, AccountAhead, StandingRule
from rules.terms import AccountStatus, AutopayResult, AutopayState, OrderKind, Recurrence
from rules.visitor import Visitor
from settings import operator


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an account's future depends on, as it is known today; sums in kopecks.

    `monthly` is what the next month costs. `rules` are all rules that run, the visitor's and those of others who pay the
    account, by their id. `time_zone` is the account's: its days and hours are the rules', and `today` is its day.
    """

    account: AccountAhead
    monthly_kopecks: int
    rules: tuple[StandingRule, ...]
    time_zone: str
    today: date


def outlooks(db: Session, *, visitor: Visitor, now: datetime, account_id: int | None = None) -> dict[int, Outlook]:
    """What is known of each of the visitor's accounts that are not closed (or of one of them), by its id."""
    mine = access.reachable(visitor)
    if account_id is not None:
        mine = mine.where(col(Attachment.billing_account_id) == account_id)
    rows = db.execute(
        sa.select(BillingAccount, col(LedgerAccount.balance_kopecks), col(Region.time_zone))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(BillingAccount.id).in_(mine), col(BillingAccount.status) != AccountStatus.CLOSED)
    ).all()
    accounts = [account for account, *_ in rows]
    ids = [account.id for account in accounts]
    owed = due_on_accounts(db, accounts=[account for account, balance, _ in rows if balance < 0], now=now)
    rules = _standing(db, visitor, accounts, {account.id: zone for account, _, zone in rows}, now)
    month = month_start(now.astimezone(ACCOUNTING_TIME).date())
    has = _connected(db, ids, now)
    next_on = {account.id: next_month(account.billed_on or account.opened_on) for account in accounts}
    oldest = previous_month(min(next_on.values(), default=month))
    before, bills = charged(db, account_ids=ids, month_on=oldest), billed_months(db, account_ids=ids)
    newest = newest_bills(db, account_ids=ids)
    known = {}
    for account, balance, zone in rows:
        charges = before.get(account.id, [])
        of_next = month_behind(
            month_on=next_month(month), connected=[item for item in has[account.id] if not item.once], service=_ALWAYS
        )
        ahead = AccountAhead(
            balance_kopecks=balance,
            due_kopecks=owed.get(account.id, 0),
            mode=account.mode,
            next_billing_on=next_on[account.id],
            connected=tuple(has[account.id]),
            status=account.status,
            status_since_on=account.status_since_on,
            bills=tuple(bills.get(account.id, ())),
            unbilled=tuple((_month_of(charge), charge.amount_kopecks) for charge in charges if not charge.billed),
            charged_for=frozenset(_product(charge) for charge in charges if _month_of(charge) == month),
            due_days=newest[account.id][1] if account.id in newest else operator().billing.due_days,
            billed_after_hour=_hour_on(next_on[account.id], zone) < month_begins_at(next_on[account.id]) + RUN_AFTER,
        )
        is_served = account.status is AccountStatus.ACTIVE
        known[account.id] = Outlook(
            account=ahead,
            monthly_kopecks=sum(charge.amount_kopecks for charge in of_next) if is_served else 0,
            rules=tuple(rules[account.id]),
            time_zone=zone,
            today=now.astimezone(ZoneInfo(zone)).date(),
        )
    return known


_ALWAYS = ServiceDays(None, None)


def _hour_on(day: date, time_zone: str) -> datetime:
    """When autopay runs on that day in that region."""
    return datetime.combine(day, time(operator().autopay.hour), ZoneInfo(time_zone))


def _month_of(charge: Charged) -> date:
    """The month that a charge is for: as its key says, else that of its moment."""
    return charged_month(charge.key) or month_start(charge.occurred_at.astimezone(ACCOUNTING_TIME).date())


def _product(charge: Charged) -> tuple[str, int]:
    return ("plan", charge.plan_id) if charge.plan_id is not None else ("option", charge.option_id or 0)


def _connected(db: Session, account_ids: Sequence[int], now: datetime) -> dict[int, list[Connected]]:
    """What billing will find connected: what works, to the day on which it ends, and what is ordered, from the day on which it
    begins; at the prices that are known and announced."""
    today = now.astimezone(ACCOUNTING_TIME).date()
    has: dict[int, list[Connected]] = defaultdict(list)
    found = connected(db, account_ids=account_ids, since=previous_month(today), day=today + timedelta(days=DAYS + 1))
    for account_id, items in found.items():
        has[account_id] += items
    coming = db.execute(
        sa.select(Order, Option)
        .join(Option, col(Option.id) == col(Order.option_id))
        .where(
            col(Order.billing_account_id).in_(account_ids),
            col(Order.closed_at).is_(None),
            col(Order.kind) == OrderKind.CONNECT,
            col(Option.recurrence) == Recurrence.MONTHLY,
        )
    ).all()
    if coming:
        prices: dict[int, list[Price]] = defaultdict(list)
        for option_id, since, kopecks in db.execute(
            sa.select(col(OptionPrice.option_id), col(OptionPrice.valid_from_on), col(OptionPrice.price_kopecks))
            .where(col(OptionPrice.option_id).in_([option.id for _, option in coming]))
            .order_by(col(OptionPrice.valid_from_on))
        ):
            prices[option_id].append((since, kopecks))
        for order, option in coming:
            has[order.billing_account_id].append(
                Connected(
                    kind="option",
                    product_id=option.id,
                    product_code=option.code,
                    prices=prices[option.id],
                    started_on=order.effective_on,
                )
            )
    return has


def _standing(
    db: Session, visitor: Visitor, accounts: Sequence[BillingAccount], zones: dict[int, str], now: datetime
) -> dict[int, list[StandingRule]]:
    rules = list(
        db.exec(
            select(AutopayRule)
            .where(
                col(AutopayRule.billing_account_id).in_([account.id for account in accounts]),
                col(AutopayRule.state) == AutopayState.ACTIVE,
            )
            .order_by(col(AutopayRule.id))
        )
    )
    ids = [rule.id for rule in rules]
    month = month_start(now.astimezone(ACCOUNTING_TIME).date())
    paid = {(rule_id, result): int(total) for rule_id, result, total in db.execute(_paid(ids, month))}
    periods: dict[int, set[str]] = defaultdict(set)
    # A calendar rule's period is a month, a threshold's a day of it: written so that they sort as they follow.
    since = f"{previous_month(month):%Y-%m}"
    for rule_id, period in db.execute(
        sa.select(col(AutopayRun.rule_id), col(AutopayRun.period)).where(
            col(AutopayRun.rule_id).in_(ids), col(AutopayRun.period) >= since
        )
    ):
        periods[rule_id].add(period)
    standing: dict[int, list[StandingRule]] = defaultdict(list)
    for rule in rules:
        pending = paid.get((rule.id, AutopayResult.PENDING), 0)
        zone = ZoneInfo(zones[rule.billing_account_id])
        planned_on = None if rule.due_at is None or pending else rule.due_at.astimezone(zone).date()
        standing[rule.billing_account_id].append(
            StandingRule(
                draft=draft_of(rule),
                rule_id=rule.id,
                is_own=rule.customer_id == visitor.customer_id,
                paid_this_month_kopecks=paid.get((rule.id, AutopayResult.SUCCEEDED), 0),
                periods=frozenset(periods[rule.id]),
                planned_on=planned_on,
                retry_period="" if pending else rule.due_period,
                pending_kopecks=pending,
            )
        )
    return standing


def _paid(rule_ids: Sequence[int], month: date) -> "sa.Select[int, AutopayResult, int]":
    return (
        sa.select(col(AutopayRun.rule_id), col(AutopayRun.result), func.sum(col(AutopayRun.amount_kopecks)))
        .where(
            col(AutopayRun.rule_id).in_(rule_ids),
            col(AutopayRun.ran_at) >= month_begins_at(month),
            col(AutopayRun.result).in_([AutopayResult.SUCCEEDED, AutopayResult.PENDING]),
        )
        .group_by(col(AutopayRun.rule_id), col(AutopayRun.result))
    )
