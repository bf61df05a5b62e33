"""What lies ahead of people, for those who are to be told of it: many at a time, candidates only.

No visitor asks here: the background goes by time zones, and each row is told to nobody but the person it names.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    Option,
    OptionPrice,
    PlanPrice,
    Region,
    SavedCard,
    Subscription,
)
from rules.autopay import draft_of, next_run_on, pays_off
from rules.rehearsal import BILLING_DAY
from rules.terms import AccountStatus, AutopayResult, AutopayState, AutopayTrigger, BillingMode, Recurrence, Right
from settings import operator

PAYERS = [right for right in Right if right.covers(Right.PAY)]


@dataclass(frozen=True, slots=True)
class LowAccount:
    """A prepaid account whose balance does not cover its next month. Kopecks."""

    account_id: int
    balance_kopecks: int
    charge_kopecks: int


def zones(db: Session) -> dict[str, list[str]]:
    """IANA time zone → the codes of its regions."""
    found: dict[str, list[str]] = {}
    for code, zone in db.execute(sa.select(col(Region.code), col(Region.time_zone)).order_by(col(Region.code))).tuples():
        found.setdefault(zone, []).append(code)
    return found


def prices(db: Session, *, today: date) -> tuple[dict[int, int], dict[int, int]]:
    """What plans and monthly options cost today: id → kopecks."""
    plans = sa.select(col(PlanPrice.plan_id), col(PlanPrice.monthly_kopecks)).where(col(PlanPrice.valid_from_on) <= today)
    options = (
        sa.select(col(OptionPrice.option_id), col(OptionPrice.price_kopecks))
        .join(Option, col(Option.id) == col(OptionPrice.option_id))
        .where(col(OptionPrice.valid_from_on) <= today, col(Option.recurrence) == Recurrence.MONTHLY)
    )
    return (  # in the order of their days: the last one of each is the price of today
        dict(db.execute(plans.order_by(col(PlanPrice.valid_from_on))).tuples().all()),
        dict(db.execute(options.order_by(col(OptionPrice.valid_from_on))).tuples().all()),
    )


def low_accounts(
    db: Session,
    *,
    regions: Collection[str],
    costs: tuple[dict[int, int], dict[int, int]],
    until: datetime,
    below_zero_only: bool,
) -> list[LowAccount]:
    """Active prepaid accounts that will not last over their next charge, by their ids; `costs` are those of `prices()`.

    Those that an autopay rule pays before the moment `until` are left out: they will. All of a region at once: what a page
    of them costs is what all of them cost.
    """
    plans, options = costs
    cost: sa.ColumnElement[int] = sa.func.coalesce(
        sa.func.sum(_priced(col(Subscription.plan_id), plans) + _priced(col(Subscription.option_id), options)), 0
    )
    paid = sa.select(
        col(AutopayRule.billing_account_id)
    ).where(  # once for all accounts: no index leads to active rules by account
        col(AutopayRule.state) == sa.literal_column("'active'"),
        sa.or_(
            col(AutopayRule.trigger) == AutopayTrigger.THRESHOLD,
            col(AutopayRule.due_at).is_(None),
            col(AutopayRule.due_at) < until,
        ),
    )
    balance = col(LedgerAccount.balance_kopecks)
    found = (
        sa.select(col(BillingAccount.id), balance, cost.label("cost"))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .outerjoin(
            Subscription,
            sa.and_(col(Subscription.billing_account_id) == col(BillingAccount.id), col(Subscription.ended_on).is_(None)),
        )
        .where(
            col(BillingAccount.mode) == BillingMode.PREPAID,
            col(BillingAccount.status) == AccountStatus.ACTIVE,
            col(BillingAccount.region_code).in_(regions),
            col(BillingAccount.id).not_in(paid),
        )
        .group_by(col(BillingAccount.id), balance)
        .order_by(col(BillingAccount.id))
    )
    found = found.where(balance < 0) if below_zero_only else found.having(balance < cost)
    return [LowAccount(account_id, held, int(charged)) for account_id, held, charged in db.execute(found).tuples()]


def _priced(product: Any, prices: dict[int, int]) -> "sa.ColumnElement[int]":
    return sa.case(prices, value=product, else_=0) if prices else sa.literal(0)


def payers(db: Session, *, account_ids: Collection[int]) -> list[tuple[int, int]]:
    """(person, account) for everybody who may pay for these accounts."""
    rows = db.execute(
        sa.select(col(Attachment.customer_id), col(Attachment.billing_account_id))
        .where(
            col(Attachment.billing_account_id).in_(account_ids),
            col(Attachment.detached_at).is_(None),
            col(Attachment.right).in_(PAYERS),
        )
        .order_by(col(Attachment.customer_id), col(Attachment.billing_account_id))
    )
    return [(customer_id, account_id) for customer_id, account_id in rows.tuples()]


def pay_themselves(db: Session, *, debts: Mapping[int, tuple[int, date]], now: datetime) -> dict[int, date | None]:
    """Of these debts (account → kopecks, the last day to pay) those that one run of an active rule pays in time and in full, each
    with the day of it; None: as soon as the rule sees the balance. A rule whose card or right is gone pays nothing.
    """
    # In the words of the two partial indexes: none leads to active rules by account.
    threshold: sa.ColumnElement[str] = sa.literal_column("'threshold'")
    found: dict[int, date | None] = {}
    for which in (col(AutopayRule.trigger) != threshold, col(AutopayRule.trigger) == threshold):
        rows = db.execute(
            sa.select(AutopayRule, col(Region.time_zone), col(BillingAccount.status), col(SavedCard.expires_on))
            .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
            .join(Region, col(Region.code) == col(BillingAccount.region_code))
            .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
            .join(
                Attachment,
                sa.and_(
                    col(Attachment.customer_id) == col(AutopayRule.customer_id),
                    col(Attachment.billing_account_id) == col(AutopayRule.billing_account_id),
                ),
            )
            .where(
                col(AutopayRule.billing_account_id).in_(debts),
                col(AutopayRule.state) != sa.literal_column("'deleted'"),
                which,
                col(SavedCard.removed_at).is_(None),
                col(Attachment.detached_at).is_(None),
                col(Attachment.right).in_(PAYERS),
            )
        ).tuples()
        for rule, zone, status, expires_on in rows:
            debt, until = debts[rule.billing_account_id]
            is_idle = rule.state is not AutopayState.ACTIVE or status is AccountStatus.SUSPENDED
            if is_idle or not pays_off(draft=draft_of(rule), debt_kopecks=debt, terms=operator().autopay):
                continue
            today = now.astimezone(ZoneInfo(zone)).date()
            on = _runs_on(rule, today, zone)
            if (on or today) <= min(until, expires_on):
                found[rule.billing_account_id] = on
    return found


def autopaid_since(db: Session, *, account_ids: Collection[int | None], since: datetime) -> dict[int, datetime]:
    """Account → the last time that autopay paid it since that moment."""
    rows = db.execute(
        sa.select(col(AutopayRun.billing_account_id), sa.func.max(col(AutopayRun.ran_at)))
        .where(
            col(AutopayRun.billing_account_id).in_(account_ids),
            col(AutopayRun.result) == AutopayResult.SUCCEEDED,
            col(AutopayRun.ran_at) >= since,
        )
        .group_by(col(AutopayRun.billing_account_id))
    )
    return dict(rows.tuples().all())


def _runs_on(rule: AutopayRule, today: date, zone: str) -> date | None:
    """The day on which a calendar rule is looked at next; a threshold rule has none."""
    if rule.trigger is AutopayTrigger.THRESHOLD:
        return None
    if rule.due_at is not None:
        return max(today, rule.due_at.astimezone(ZoneInfo(zone)).date())
    return next_run_on(trigger=rule.trigger, day_of_month=rule.day_of_month, billing_day=BILLING_DAY, today=today)


def rules_due(
    db: Session, *, regions: Collection[str], begins: datetime, ends: datetime, after: int, most: int
) -> list[tuple[AutopayRule, SavedCard]]:
    """Active calendar rules that run for the first time in their period within these moments, with their cards, by their ids."""
    rows = db.execute(
        sa.select(AutopayRule, SavedCard)
        .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .where(
            col(AutopayRule.id) > after,
            col(AutopayRule.state) == sa.literal_column("'active'"),
            col(AutopayRule.due_at) >= begins,
            col(AutopayRule.due_at) < ends,
            col(AutopayRule.trigger) != AutopayTrigger.THRESHOLD,
            col(AutopayRule.due_attempt) == 1,
            col(BillingAccount.region_code).in_(regions),
        )
        .order_by(col(AutopayRule.id))
        .limit(most)
    )
    return [(rule, card) for rule, card in rows.tuples()]


def cards_ending(db: Session, *, regions: Collection[str], first: date, last: date, after: int, most: int) -> list[SavedCard]:
    """Cards whose last day is within these days, both included, and that an active autopay rule charges, by their ids."""
    charged = sa.select(col(AutopayRule.card_id)).where(col(AutopayRule.state) == sa.literal_column("'active'"))
    rows = db.scalars(
        sa.select(SavedCard)
        .join(Customer, col(Customer.id) == col(SavedCard.customer_id))
        .where(
            col(SavedCard.id) > after,
            col(SavedCard.removed_at).is_(None),
            col(SavedCard.expires_on).between(first, last),
            col(Customer.region_code).in_(regions),
            col(SavedCard.id).in_(charged),
        )
        .order_by(col(SavedCard.id))
        .limit(most)
    )
    return list(rows)
