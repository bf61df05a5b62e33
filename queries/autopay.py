"""A person's autopay rules with what they did, and the accounts that they may pay."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from models import Attachment, AutopayRule, AutopayRun, BillingAccount, Region, SavedCard
from queries.cards import Card
from rules.autopay import RuleDraft, draft_of
from rules.terms import AccountStatus, AutopayResult, AutopayState, BillingMode, DeclineReason, Right, ServiceKind
from rules.visitor import Visitor

RUNS_SHOWN = 3


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

    `may_pay` is false when the right on the account was lowered or has ended since, or the account was closed: then the rule can
    only be stopped. `due_at` is when it is looked at next, where that is planned; `attempt` counts the tries, from 1.
    """

    rule_id: int
    account_id: int
    service: ServiceKind
    label: str
    mode: BillingMode
    status: AccountStatus
    time_zone: str
    is_attached: bool
    may_pay: bool
    card: Card
    card_removed: bool
    draft: RuleDraft
    state: AutopayState
    pause_reason: str
    changed_at: datetime
    due_at: datetime | None
    attempt: int
    runs: tuple[Run, ...]
    """The latest first, `RUNS_SHOWN` at most."""


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
    """The visitor's own rules that are not deleted, in the order of their accounts, each with its latest runs.

    They start from whose card is charged, not from what is attached: a rule outlives the right it was set up with, and
    whoever is charged must see it to stop it.
    """
    latest = (
        sa.select(func.max(col(Attachment.id)))
        .where(
            col(Attachment.billing_account_id) == col(AutopayRule.billing_account_id),
            col(Attachment.customer_id) == visitor.customer_id,
        )
        .correlate(AutopayRule)
        .scalar_subquery()
    )
    found = db.execute(
        sa.select(AutopayRule, BillingAccount, Attachment, SavedCard, col(Region.time_zone))
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
        .outerjoin(Attachment, col(Attachment.id) == latest)
        .where(col(AutopayRule.customer_id) == visitor.customer_id, col(AutopayRule.state) != AutopayState.DELETED)
    ).all()
    rows = sorted(found, key=lambda row: _order(row.Attachment, row.AutopayRule.id))
    runs = _latest_runs(db, [row.AutopayRule.id for row in rows])
    return [
        Rule(
            rule_id=rule.id,
            account_id=account.id,
            service=account.service,
            label=attachment.label if attachment is not None else "",
            mode=account.mode,
            status=account.status,
            time_zone=time_zone,
            is_attached=_is_live(attachment),
            may_pay=_is_live(attachment) and attachment.right.covers(Right.PAY) and account.status is not AccountStatus.CLOSED,
            card=Card(card.id, card.brand, card.last_four, card.expires_on, card.label, card.is_default),
            card_removed=card.removed_at is not None,
            draft=draft_of(rule),
            state=rule.state,
            pause_reason=rule.pause_reason,
            changed_at=rule.changed_at,
            due_at=rule.due_at,
            attempt=rule.due_attempt,
            runs=tuple(runs[rule.id]),
        )
        for rule, account, attachment, card, time_zone in rows
    ]


def _is_live(attachment: Attachment | None) -> bool:
    return attachment is not None and attachment.detached_at is None


def _order(attachment: Attachment | None, rule_id: int) -> tuple[bool, int, int, int]:
    """As the accounts stand in the visitor's own order; what is no longer attached comes last."""
    if attachment is None:
        return (True, 0, 0, rule_id)
    return (attachment.detached_at is not None, attachment.position, attachment.id, rule_id)


def _latest_runs(db: Session, rule_ids: Sequence[int]) -> dict[int, list[Run]]:
    place = func.row_number().over(
        partition_by=col(AutopayRun.rule_id), order_by=(col(AutopayRun.ran_at).desc(), col(AutopayRun.id).desc())
    )
    ranked = sa.select(col(AutopayRun.id), place.label("place")).where(col(AutopayRun.rule_id).in_(rule_ids)).subquery()
    found = db.exec(
        select(AutopayRun)
        .join(ranked, ranked.c.id == col(AutopayRun.id))
        .where(ranked.c.place <= RUNS_SHOWN)
        .order_by(col(AutopayRun.ran_at).desc(), col(AutopayRun.id).desc())
    )
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in found:
        runs[run.rule_id].append(_run(run))
    return runs


def rule_runs(db: Session, *, visitor: Visitor, rule_id: int, page: int, size: int) -> list[Run]:
    """One page of what one of the visitor's own rules did, the latest first; pages count from 1. Nothing for another's."""
    found = db.exec(
        select(AutopayRun)
        .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
        .where(col(AutopayRun.rule_id) == rule_id, col(AutopayRule.customer_id) == visitor.customer_id)
        .order_by(col(AutopayRun.ran_at).desc(), col(AutopayRun.id).desc())
        .limit(size)
        .offset((max(1, page) - 1) * size)
    )
    return [_run(run) for run in found]


def rule_runs_count(db: Session, *, visitor: Visitor, rule_id: int) -> int:
    """How many runs one of the visitor's own rules had; 0 for another's."""
    return int(
        db.exec(
            select(func.count())
            .select_from(AutopayRun)
            .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
            .where(col(AutopayRun.rule_id) == rule_id, col(AutopayRule.customer_id) == visitor.customer_id)
        ).one()
    )


def _run(run: AutopayRun) -> Run:
    return Run(
        rule_id=run.rule_id,
        due_on=run.due_on,
        ran_at=run.ran_at,
        attempt=run.attempt,
        result=run.result,
        reason=run.reason,
        amount_kopecks=run.amount_kopecks,
        decline_reason=run.decline_reason,
    )
