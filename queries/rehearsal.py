"""What is known today of the months ahead of an account: its charges, what falls due, and the rules that pay it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
    Plan,
    PlanPrice,
    Region,
    Subscription,
)
from queries.dues import due_on_accounts
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.autopay import RuleDraft
from rules.billing import PricedItem, monthly_charges
from rules.periods import month_start, next_month, previous_month
from rules.rehearsal import DAYS, OneOff, PlannedCharge, StandingRule, charges_ahead
from rules.terms import AccountStatus, AutopayResult, AutopayState, BillingMode, OrderKind, Recurrence
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an account's future depends on, as it is known today; sums in kopecks.

    `monthly` is what the next month costs. `rules` are all rules that run, the visitor's and those of others who pay the
    account, by their id. `time_zone` is the account's: its days and hours are the rules'.
    """

    balance_kopecks: int
    monthly_kopecks: int
    due_kopecks: int
    mode: BillingMode
    status: AccountStatus
    time_zone: str
    today: date
    """The account's day."""
    charges: tuple[PlannedCharge, ...]
    rules: tuple[StandingRule, ...]

    @property
    def is_suspended(self) -> bool:
        return self.status is AccountStatus.SUSPENDED


def outlooks(db: Session, *, visitor: Visitor, now: datetime, account_id: int | None = None) -> dict[int, Outlook]:
    """What is known of each of the visitor's accounts (or of one of them), by its id."""
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
    owed = due_on_accounts(db, accounts=[account for account, balance, _ in rows if balance < 0], now=now)
    items, once = connected_items(db, account_ids=[account.id for account in accounts], now=now)
    rules = _standing(db, visitor, accounts, {account.id: zone for account, _, zone in rows}, now)
    billing_day = now.astimezone(ACCOUNTING_TIME).date()
    known = {}
    for account, balance, zone in rows:
        is_served = account.status is AccountStatus.ACTIVE
        of_next = monthly_charges(month_on=next_month(billing_day), items=items[account.id])
        known[account.id] = Outlook(
            balance_kopecks=balance,
            monthly_kopecks=sum(charge.amount_kopecks for charge in of_next) if is_served else 0,
            due_kopecks=owed.get(account.id, 0),
            mode=account.mode,
            status=account.status,
            time_zone=zone,
            today=now.astimezone(ZoneInfo(zone)).date(),
            charges=tuple(
                charges_ahead(
                    mode=account.mode,
                    items=items[account.id],
                    once=once[account.id],
                    today=billing_day,
                    days=DAYS + 1,  # somewhere it is tomorrow already
                    billed_on=account.billed_on,
                )
            )
            if is_served
            else (),
            rules=tuple(rules[account.id]),
        )
    return known


def connected_items(
    db: Session, *, account_ids: Sequence[int], now: datetime
) -> tuple[dict[int, list[PricedItem]], dict[int, list[OneOff]]]:
    """What is connected on each account from the month before on, at every price that is known, to the day on which it ends.

    An open order to disconnect ends its option on its day; one to connect begins it. Options that are paid once come apart.
    """
    begins = previous_month(now.astimezone(ACCOUNTING_TIME).date())
    rows = db.execute(
        sa.select(Subscription, col(Plan.code), Option)
        .outerjoin(Plan, col(Plan.id) == col(Subscription.plan_id))
        .outerjoin(Option, col(Option.id) == col(Subscription.option_id))
        .where(
            col(Subscription.billing_account_id).in_(account_ids),
            sa.or_(col(Subscription.ended_on).is_(None), col(Subscription.ended_on) > begins),
        )
        .order_by(col(Subscription.id))
    ).all()
    orders = list(db.exec(select(Order).where(col(Order.billing_account_id).in_(account_ids), col(Order.closed_at).is_(None))))
    coming = {order.option_id for order in orders if order.kind is OrderKind.CONNECT}
    options = {option.id: option for _, _, option in rows if option is not None}
    if coming - set(options):
        options |= {option.id: option for option in db.exec(select(Option).where(col(Option.id).in_(coming)))}
    plan_prices = _prices(db, PlanPrice.plan_id, PlanPrice.monthly_kopecks, {each.plan_id for each, *_ in rows if each.plan_id})
    option_prices = _prices(db, OptionPrice.option_id, OptionPrice.price_kopecks, set(options))
    leaving = {
        (order.billing_account_id, order.option_id): order.effective_on for order in orders if order.kind is OrderKind.DISCONNECT
    }
    items: dict[int, list[PricedItem]] = defaultdict(list)
    once: dict[int, list[OneOff]] = defaultdict(list)
    for subscription, plan_code, option in rows:
        account_id = subscription.billing_account_id
        ends = [subscription.ended_on, subscription.ends_on]
        if option is None:
            items[account_id] += _priced(plan_code, "plan", plan_prices[subscription.plan_id or 0], subscription.started_on, ends)
        elif option.recurrence is Recurrence.ONCE:
            price = _price_on(option_prices[option.id], subscription.started_on)
            once[account_id].append(OneOff(subscription.started_on, price))
        else:
            ends.append(leaving.get((account_id, option.id)))
            items[account_id] += _priced(option.code, "option", option_prices[option.id], subscription.started_on, ends)
    for order in orders:
        option = options.get(order.option_id)
        if order.kind is OrderKind.CONNECT and option is not None and option.recurrence is Recurrence.MONTHLY:
            begins_on, prices = order.effective_on, option_prices[option.id]
            items[order.billing_account_id] += _priced(option.code, "option", prices, begins_on, [])
    return items, once


def _prices(db: Session, of: int, price: int, ids: Iterable[int]) -> dict[int, list[tuple[date, int]]]:
    """Every price of these, known for the past and announced for the future, the oldest first."""
    table = PlanPrice if of is PlanPrice.plan_id else OptionPrice
    found: dict[int, list[tuple[date, int]]] = defaultdict(list)
    for id_, valid_from, kopecks in db.execute(
        sa.select(col(of), col(table.valid_from_on), col(price)).where(col(of).in_(list(ids))).order_by(col(table.valid_from_on))
    ):
        found[id_].append((valid_from, kopecks))
    return found


def _price_on(prices: Sequence[tuple[date, int]], on: date) -> int:
    return next((kopecks for valid_from, kopecks in reversed(prices) if valid_from <= on), 0)


def _priced(
    code: str, kind: str, prices: Sequence[tuple[date, int]], begins: date, ends: Sequence[date | None]
) -> Iterable[PricedItem]:
    """The item at each of its prices, one after the other."""
    end = min((each for each in ends if each is not None), default=None)
    for place, (valid_from, kopecks) in enumerate(prices):
        until = prices[place + 1][0] if place + 1 < len(prices) else None
        last = min((each for each in (end, until) if each is not None), default=None)
        first = max(begins, valid_from)
        if last is None or last > first:
            to_on = None if last is None else last - timedelta(days=1)
            yield PricedItem(code, "plan" if kind == "plan" else "option", kopecks, first, to_on)


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


def draft_of(rule: AutopayRule) -> RuleDraft:
    """A rule as its person set it up."""
    return RuleDraft(
        trigger=rule.trigger,
        amount_kind=rule.amount_kind,
        threshold_kopecks=rule.threshold_kopecks,
        day_of_month=rule.day_of_month,
        amount_kopecks=rule.amount_kopecks,
        monthly_ceiling_kopecks=rule.monthly_ceiling_kopecks,
    )
