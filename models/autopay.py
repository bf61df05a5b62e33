"""Autopay: the rules people set and what each run of them did."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import AutopayAmount, AutopayResult, AutopayState, AutopayTrigger, DeclineReason

_KEPT = "state <> 'deleted'"


class AutopayRule(Table, table=True):
    """A person pays an account by themselves from now on.

    An account has at most one threshold rule and one calendar rule (by day or by bill), whoever set them. Deleted
    rules stay, for history.
    """

    __tablename__ = "autopay_rule"
    __table_args__ = (
        sa.CheckConstraint("(pay_when = 'threshold') = (threshold_kopecks IS NOT NULL)", name="threshold_has_sum"),
        sa.CheckConstraint("(pay_when = 'monthly') = (day_of_month IS NOT NULL)", name="monthly_has_day"),
        sa.CheckConstraint("day_of_month BETWEEN 1 AND 31", name="day_of_month"),
        sa.CheckConstraint("(amount_kind = 'due') = (amount_kopecks IS NULL)", name="sum_unless_due"),
        sa.CheckConstraint("amount_kopecks > 0", name="positive"),
        sa.CheckConstraint("due_attempt >= 1", name="attempts_from_one"),
        sa.Index(
            "ix_autopay_rule_due",
            "due_at",
            "id",
            sqlite_where=sa.text("state = 'active' AND due_at IS NOT NULL"),
            postgresql_where=sa.text("state = 'active' AND due_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_autopay_rule_unplanned",
            "pay_when",
            sqlite_where=sa.text("state = 'active' AND due_at IS NULL"),
            postgresql_where=sa.text("state = 'active' AND due_at IS NULL"),
        ),
        sa.Index(
            "uq_autopay_rule_threshold",
            "billing_account_id",
            unique=True,
            sqlite_where=sa.text(f"{_KEPT} AND pay_when = 'threshold'"),
            postgresql_where=sa.text(f"{_KEPT} AND pay_when = 'threshold'"),
        ),
        sa.Index(
            "uq_autopay_rule_calendar",
            "billing_account_id",
            unique=True,
            sqlite_where=sa.text(f"{_KEPT} AND pay_when <> 'threshold'"),
            postgresql_where=sa.text(f"{_KEPT} AND pay_when <> 'threshold'"),
        ),
    )

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    billing_account_id: int = ref("billing_account.id")
    card_id: int = ref("saved_card.id")
    trigger: AutopayTrigger = term(AutopayTrigger, sa_column_kwargs={"name": "pay_when"})
    threshold_kopecks: int | None = kopecks(default=None, nullable=True)
    day_of_month: int | None = Field(default=None)
    amount_kind: AutopayAmount = term(AutopayAmount)
    amount_kopecks: int | None = kopecks(default=None, nullable=True)
    monthly_ceiling_kopecks: int | None = kopecks(default=None, nullable=True)
    state: AutopayState = term(AutopayState, default=AutopayState.ACTIVE)
    pause_reason: str = text(40, default="")
    consent_at: datetime
    created_at: datetime
    changed_at: datetime
    due_at: datetime | None = Field(default=None)
    """When to look at it next; empty: not planned yet, or a threshold rule whose balance is high enough. While a run waits for
    its answer nothing else is tried."""
    due_period: str = text(10, default="")
    """The period that the next try belongs to, where `due_at` does not say so: a declined one is tried again, or the rule was put
    off. Else empty."""
    due_attempt: int = Field(default=1)
    first_failed_on: date | None = Field(default=None)
    """The day of the first decline of that period, from which the tries are counted."""


class AutopayRun(Table, table=True):
    """One attempt of one rule in one period, with its result. Exactly one per rule, period and attempt.

    It is written with its payment before the gateway is asked, PENDING; what the gateway says closes both. `batch` is the
    piece of background work that took it, so that the same piece, begun again after a crash, finds what it took.
    Attempts count from 1; below zero stands what never reached the gateway, which is no attempt.
    """

    __tablename__ = "autopay_run"
    __table_args__ = (
        sa.UniqueConstraint("rule_id", "period", "attempt"),
        sa.Index("uq_autopay_run_payment_id", "payment_id", unique=True),
        sa.Index(
            "ix_autopay_run_pending",
            "batch",
            sqlite_where=sa.text("result = 'pending'"),
            postgresql_where=sa.text("result = 'pending'"),
        ),
    )

    id: int = key()
    rule_id: int = ref("autopay_rule.id", index=True)
    billing_account_id: int = ref("billing_account.id", index=True)
    period: str = text(10)
    attempt: int = Field(default=1)
    due_on: date
    ran_at: datetime
    result: AutopayResult = term(AutopayResult)
    reason: str = text(40, default="")
    amount_kopecks: int = kopecks(default=0)
    payment_id: int | None = ref("payment.id", nullable=True)
    decline_reason: DeclineReason | None = term(DeclineReason, default=None, nullable=True)
    batch: str = text(40, default="")
