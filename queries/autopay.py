"""A person's autopay rules with what they did, and what is known of an account to say what a rule will do."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from db import access
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    Bill,
    BillingAccount,
    LedgerAccount,
    Option,
    OptionPrice,
    PlanPrice,
    SavedCard,
    Subscription,
    Transfer,
)
from queries.cards import Card
from queries.figures import month_begins_at
from rules.autopay import RuleDraft
from rules.due import OpenBill, what_is_due
from rules.periods import month_start, next_month
from rules.terms import (
    CHARGE_CODES,
    AccountStatus,
    AutopayResult,
    AutopayState,
    BillingMode,
    DeclineReason,
    Recurrence,
    Right,
    ServiceKind,
)
from rules.visitor import Visitor

RUNS_SHOWN = 5
BILLS_LOOKED_AT = 24


@dataclass(frozen=True, slots=True)
class PayableAccount:
    """An account that the visitor may pay. `label` is their own name for it, empty when they gave none."""

    account_id: int
    number: str
    service: ServiceKind
    label: str
    mode: BillingMode
    status: AccountStatus
    is_own: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a rule. `reason` says why it was skipped, `decline_reason` why it was declined."""

    rule_id: int
    due_on: date
    ran_at: datetime
    attempt: int
    result: AutopayResult
    reason: str
    amount_kopecks: int
    decline_reason: DeclineReason | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the visitor's own rules. `pause_reason`: why it stands still, empty when it does not or nobody said.

    `may_pay` is false when the right on the account has been lowered since: then the rule only can be stopped.
    """

    rule_id: int
    account_id: int
    service: ServiceKind
    label: str
    mode: BillingMode
    may_pay: bool
    card: Card
    card_removed: bool
    draft: RuleDraft
    state: AutopayState
    pause_reason: str
    runs: tuple[Run, ...]
    """The latest first, `RUNS_SHOWN` at most."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a rule's future depends on, now: kopecks. `paid_this_month` is what the visitor's rules paid this month already."""

    balance_kopecks: int
    monthly_kopecks: int
    due_kopecks: int
    paid_this_month_kopecks: int


def payable_accounts(db: Session, *, visitor: Visitor) -> list[PayableAccount]:
    """The accounts that the visitor may pay and that are not closed, in the visitor's own order."""
    rows = db.execute(
        sa.select(Attachment, BillingAccount)
        .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
        .where(
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.detached_at).is_(None),
            col(Attachment.right).in_([right for right in Right if right.covers(Right.PAY)]),
            col(BillingAccount.status) != AccountStatus.CLOSED,
        )
        .order_by(col(Attachment.position), col(Attachment.id))
    )
    return [
        PayableAccount(
            account_id=account.id,
            number=account.number,
            service=account.service,
            label=attachment.label,
            mode=account.mode,
            status=account.status,
            is_own=account.holder_id == visitor.customer_id,
        )
        for attachment, account in rows
    ]


def autopay_rules(db: Session, *, visitor: Visitor) -> list[Rule]:
    """The visitor's own rules that are not deleted, in the order of their accounts, each with its latest runs."""
    rows = db.execute(
        sa.select(AutopayRule, BillingAccount, Attachment, SavedCard)
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
        .join(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(AutopayRule.billing_account_id),
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .where(col(AutopayRule.customer_id) == visitor.customer_id, col(AutopayRule.state) != AutopayState.DELETED)
        .order_by(col(Attachment.position), col(Attachment.id), col(AutopayRule.id))
    ).all()
    runs = _latest_runs(db, [rule.id for rule, *_ in rows])
    return [
        Rule(
            rule_id=rule.id,
            account_id=account.id,
            service=account.service,
            label=attachment.label,
            mode=account.mode,
            may_pay=attachment.right.covers(Right.PAY),
            card=Card(card.id, card.brand, card.last_four, card.expires_on, card.label, card.is_default),
            card_removed=card.removed_at is not None,
            draft=RuleDraft(
                trigger=rule.trigger,
                amount_kind=rule.amount_kind,
                threshold_kopecks=rule.threshold_kopecks,
                day_of_month=rule.day_of_month,
                amount_kopecks=rule.amount_kopecks,
                monthly_ceiling_kopecks=rule.monthly_ceiling_kopecks,
            ),
            state=rule.state,
            pause_reason=rule.pause_reason,
            runs=tuple(runs[rule.id]),
        )
        for rule, account, attachment, card in rows
    ]


def _latest_runs(db: Session, rule_ids: Sequence[int]) -> dict[int, list[Run]]:
    place = func.row_number().over(partition_by=col(AutopayRun.rule_id), order_by=col(AutopayRun.ran_at).desc())
    ranked = sa.select(col(AutopayRun.id), place.label("place")).where(col(AutopayRun.rule_id).in_(rule_ids)).subquery()
    found = db.exec(
        select(AutopayRun)
        .join(ranked, ranked.c.id == col(AutopayRun.id))
        .where(ranked.c.place <= RUNS_SHOWN)
        .order_by(col(AutopayRun.ran_at).desc(), col(AutopayRun.id).desc())
    )
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in found:
        runs[run.rule_id].append(
            Run(run.rule_id, run.due_on, run.ran_at, run.attempt, run.result, run.reason, run.amount_kopecks, run.decline_reason)
        )
    return runs


def outlooks(db: Session, *, visitor: Visitor, today: date, account_id: int | None = None) -> dict[int, Outlook]:
    """What is known now of each of the visitor's accounts (or of one of them), by its id, to say what a rule will do."""
    mine = access.reachable(visitor)
    if account_id is not None:
        mine = mine.where(col(Attachment.billing_account_id) == account_id)
    accounts = db.execute(
        sa.select(BillingAccount, col(LedgerAccount.balance_kopecks))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .where(col(BillingAccount.id).in_(mine))
    ).all()
    in_debt = [account.id for account, balance in accounts if balance < 0]
    bills, monthly, paid = _latest_bills(db, in_debt), _monthly(db, mine, today), _paid_by_rules(db, visitor, today)
    known = {}
    for account, balance in accounts:
        issued = bills[account.id]
        due = what_is_due(
            balance_kopecks=balance,
            mode=account.mode,
            bills=[OpenBill(bill.id, bill.number, bill.total_kopecks, bill.due_on) for bill in issued],
            today=today,
            unbilled_kopecks=_charged_since(db, account.id, issued[-1].issued_on) if issued else 0,
        )
        is_served = account.status is AccountStatus.ACTIVE
        known[account.id] = Outlook(
            balance_kopecks=balance,
            monthly_kopecks=monthly.get(account.id, 0) if is_served else 0,
            due_kopecks=due.amount_kopecks,
            paid_this_month_kopecks=paid.get(account.id, 0),
        )
    return known


def _latest_bills(db: Session, account_ids: Sequence[int]) -> dict[int, list[Bill]]:
    """The newest bills of each account, oldest first."""
    bills: dict[int, list[Bill]] = defaultdict(list)
    for account_id in account_ids:
        newest = select(Bill).where(col(Bill.billing_account_id) == account_id).order_by(col(Bill.month_on).desc())
        bills[account_id] = list(db.exec(newest.limit(BILLS_LOOKED_AT)))[::-1]
    return bills


def _charged_since(db: Session, account_id: int, issued_on: date) -> int:
    """Charges that no bill has yet: those from the day after the newest bill on."""
    since = month_begins_at(month_start(issued_on)) + timedelta(days=issued_on.day)
    found = db.exec(
        select(func.sum(Transfer.amount_kopecks)).where(
            col(Transfer.billing_account_id) == account_id,
            col(Transfer.occurred_at) >= since,
            col(Transfer.code).in_(CHARGE_CODES),
        )
    ).one()
    return int(found or 0)


def _monthly(db: Session, mine: "sa.Select[int]", today: date) -> dict[int, int]:
    """What the next month costs with all that is connected, by account."""
    begins, plan, option = next_month(today), col(Subscription.plan_id), col(Subscription.option_id)
    plan_price = (
        sa.select(col(PlanPrice.monthly_kopecks))
        .where(col(PlanPrice.plan_id) == plan, col(PlanPrice.valid_from_on) <= begins)
        .order_by(col(PlanPrice.valid_from_on).desc())
        .limit(1)
        .scalar_subquery()
    )
    option_price = (
        sa.select(col(OptionPrice.price_kopecks))
        .where(col(OptionPrice.option_id) == option, col(OptionPrice.valid_from_on) <= begins)
        .order_by(col(OptionPrice.valid_from_on).desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = db.execute(
        sa.select(col(Subscription.billing_account_id), func.sum(func.coalesce(plan_price, option_price, 0)))
        .select_from(Subscription)
        .outerjoin(Option, col(Option.id) == option)
        .where(
            col(Subscription.billing_account_id).in_(mine),
            col(Subscription.ended_on).is_(None),
            sa.or_(col(Subscription.ends_on).is_(None), col(Subscription.ends_on) > begins),
            sa.or_(col(Option.id).is_(None), col(Option.recurrence) == Recurrence.MONTHLY),
        )
        .group_by(col(Subscription.billing_account_id))
    )
    return {account_id: int(total) for account_id, total in rows}


def _paid_by_rules(db: Session, visitor: Visitor, today: date) -> dict[int, int]:
    rows = db.execute(
        sa.select(col(AutopayRule.billing_account_id), func.sum(col(AutopayRun.amount_kopecks)))
        .join(AutopayRun, col(AutopayRun.rule_id) == col(AutopayRule.id))
        .where(
            col(AutopayRule.customer_id) == visitor.customer_id,
            col(AutopayRun.ran_at) >= month_begins_at(month_start(today)),
            col(AutopayRun.result) == AutopayResult.SUCCEEDED,
        )
        .group_by(col(AutopayRule.billing_account_id))
    )
    return {account_id: int(total) for account_id, total in rows}
