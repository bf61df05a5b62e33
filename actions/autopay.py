"""Setting up autopay rules, pausing, resuming and deleting them, and changing the card they charge."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions.autopay_runs import forget_plan, moment_on, planned_on
from actions.cards import put_on_card, usable
from actions.performing import action
from db import access
from models import AutopayRule, BillingAccount, Region
from rules.autopay import RuleDraft, check_draft, conflicts, draft_of
from rules.refusals import ConsentMissing, NotAllowed, RuleChanged, RulesConflict
from rules.terms import AutopayAmount, AutopayState, AutopayTrigger, Right
from rules.visitor import Visitor
from settings import operator

BY_PERSON = "by_person"
"""Why a rule is paused: its person wished it. (`declined`: the card was refused too often.)"""


@action("save_autopay_rule")
def save_autopay_rule(
    db: Session,
    *,
    visitor: Visitor,
    account_id: int,
    trigger: AutopayTrigger,
    amount_kind: AutopayAmount,
    card_id: int,
    consent: bool,
    rule_id: int | None = None,
    threshold_kopecks: int | None = None,
    day_of_month: int | None = None,
    amount_kopecks: int | None = None,
    monthly_ceiling_kopecks: int | None = None,
    seen: RuleDraft | None = None,
    seen_card_id: int | None = None,
) -> int:
    """Set up a rule for an account that the visitor may pay, or change one's own (`rule_id`); returns its id.

    What the trigger or the kind of sum does not use is not kept. A changed rule keeps its pause. The same new rule saved
    twice is one rule. `seen` and `seen_card_id`: the terms and the card that the rule had when its change was begun; when they
    are others by now, RuleChanged is raised. Raises NotAllowed, RightTooLow, CardUnusable, ConsentMissing, RulesConflict
    (another rule of the account, whoever set it, pays on the same ground) and what `rules.autopay.check_draft` raises.
    """
    access.account(db, visitor, account_id, Right.PAY, lock=True)
    rule = None if rule_id is None else _own(db, visitor, rule_id)
    if rule is not None and rule.billing_account_id != account_id:
        raise NotAllowed()
    if rule is not None and seen is not None and (draft_of(rule), rule.card_id) != (seen, seen_card_id):
        raise RuleChanged()
    card = usable(db, visitor, card_id)
    draft = RuleDraft(
        trigger=trigger,
        amount_kind=amount_kind,
        threshold_kopecks=threshold_kopecks if trigger is AutopayTrigger.THRESHOLD else None,
        day_of_month=day_of_month if trigger is AutopayTrigger.MONTHLY else None,
        amount_kopecks=None if amount_kind is AutopayAmount.DUE else amount_kopecks,
        monthly_ceiling_kopecks=monthly_ceiling_kopecks,
    )
    check_draft(draft=draft, terms=operator().autopay)
    if not consent:
        raise ConsentMissing()

    others = [other for other in _rules_of(db, account_id) if rule is None or other.id != rule.id]
    other = conflicts(trigger=trigger, existing=[each.trigger for each in others])
    if other is not None:
        twin = next(each for each in others if each.trigger is other)
        if rule is None and twin.customer_id == visitor.customer_id and twin.card_id == card.id and draft_of(twin) == draft:
            return twin.id
        raise RulesConflict(trigger=other)

    now = clock.now()
    if rule is None:
        rule = AutopayRule(
            customer_id=visitor.customer_id,
            billing_account_id=account_id,
            card_id=card.id,
            trigger=trigger,
            amount_kind=amount_kind,
            consent_at=now,
            created_at=now,
            changed_at=now,
        )
    put_on_card(rule, card.id)
    rule.trigger, rule.amount_kind = trigger, amount_kind
    rule.threshold_kopecks, rule.day_of_month = draft.threshold_kopecks, draft.day_of_month
    rule.amount_kopecks, rule.monthly_ceiling_kopecks = draft.amount_kopecks, draft.monthly_ceiling_kopecks
    rule.consent_at = rule.changed_at = now
    if not _is_still_due(db, rule, now):
        forget_plan(rule)
    try:
        with db.begin_nested():
            db.add(rule)
            db.flush()
    except sa.exc.IntegrityError:
        # Somebody's rule came in between; the unique index had the last word.
        others = [each for each in _rules_of(db, account_id) if each.id != rule_id]
        standing = conflicts(trigger=trigger, existing=[each.trigger for each in others])
        if standing is None:
            raise
        raise RulesConflict(trigger=standing) from None
    return rule.id


def _is_still_due(db: Session, rule: AutopayRule, now: datetime) -> bool:
    """Whether a changed rule is being tried again, or was put off, for a month whose day has come: another card may well do."""
    if rule.state is not AutopayState.ACTIVE or rule.trigger is AutopayTrigger.THRESHOLD:
        return False
    if len(rule.due_period) != len("2025-03"):
        return False
    of_account = select(Region.time_zone).join(BillingAccount, col(BillingAccount.region_code) == col(Region.code))
    with db.no_autoflush:  # the change is written where its conflicts are looked after
        zone = db.exec(of_account.where(col(BillingAccount.id) == rule.billing_account_id)).one()
    return moment_on(planned_on(rule, rule.due_period), zone) <= now


@action("pause_autopay_rule")
def pause_autopay_rule(db: Session, *, visitor: Visitor, rule_id: int) -> None:
    """Let one's own rule stand still until it is resumed. Raises NotAllowed."""
    rule = _own(db, visitor, rule_id)
    if rule.state is AutopayState.ACTIVE:
        _to(db, rule, AutopayState.PAUSED, BY_PERSON)


@action("resume_autopay_rule")
def resume_autopay_rule(db: Session, *, visitor: Visitor, rule_id: int) -> None:
    """Let one's own paused rule run again from its next day on. Raises NotAllowed, RightTooLow, CardUnusable."""
    rule = _own(db, visitor, rule_id)
    access.account(db, visitor, rule.billing_account_id, Right.PAY)
    usable(db, visitor, rule.card_id)
    if rule.state is AutopayState.PAUSED:
        _to(db, rule, AutopayState.ACTIVE, "")


@action("delete_autopay_rule")
def delete_autopay_rule(db: Session, *, visitor: Visitor, rule_id: int) -> None:
    """End one's own rule for good; what it did stays in the history. Raises NotAllowed."""
    _to(db, _own(db, visitor, rule_id), AutopayState.DELETED, "")


@action("change_autopay_card")
def change_autopay_card(db: Session, *, visitor: Visitor, rule_id: int, card_id: int) -> None:
    """Charge another of one's own cards from now on; a pause stays. Raises NotAllowed, RightTooLow, CardUnusable."""
    rule = _own(db, visitor, rule_id)
    access.account(db, visitor, rule.billing_account_id, Right.PAY)
    put_on_card(rule, usable(db, visitor, card_id).id)
    rule.changed_at = clock.now()
    db.add(rule)


def _own(db: Session, visitor: Visitor, rule_id: int) -> AutopayRule:
    """One of the visitor's own rules that is not deleted, locked. Whoever's card is charged may always stop it, so no right
    on the account is asked for here. Raises NotAllowed."""
    rule = db.exec(
        select(AutopayRule)
        .where(
            col(AutopayRule.id) == rule_id,
            col(AutopayRule.customer_id) == visitor.customer_id,
            col(AutopayRule.state) != AutopayState.DELETED,
        )
        .with_for_update()
    ).first()
    if rule is None:
        raise NotAllowed()
    return rule


def _rules_of(db: Session, account_id: int) -> list[AutopayRule]:
    return list(
        db.exec(
            select(AutopayRule).where(
                col(AutopayRule.billing_account_id) == account_id, col(AutopayRule.state) != AutopayState.DELETED
            )
        )
    )


def _to(db: Session, rule: AutopayRule, state: AutopayState, reason: str) -> None:
    rule.state, rule.pause_reason, rule.changed_at = state, reason, clock.now()
    forget_plan(rule)
    db.add(rule)
