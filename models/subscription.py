"""What is connected on an account, and the orders that changed it."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import OrderKind, OrderState

_LIVE = sa.text("ended_on IS NULL")


class Subscription(Table, table=True):
    """A plan or an option that is or was connected. Days are in the account's region; `ended_on` is the first day without it.

    At most one live plan, and one live row of each option, per account.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        sa.CheckConstraint("(plan_id IS NULL) <> (option_id IS NULL)", name="plan_or_option"),
        sa.CheckConstraint("ended_on IS NULL OR ended_on >= started_on", name="ends_after_start"),
        sa.Index(
            "uq_subscription_live_option",
            "billing_account_id",
            "option_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        sa.Index(
            "uq_subscription_live_plan",
            "billing_account_id",
            unique=True,
            sqlite_where=sa.text("ended_on IS NULL AND plan_id IS NOT NULL"),
            postgresql_where=sa.text("ended_on IS NULL AND plan_id IS NOT NULL"),
        ),
        sa.Index("ix_subscription_billing_account_id", "billing_account_id"),
    )

    id: int = key()
    billing_account_id: int = ref("billing_account.id")
    plan_id: int | None = ref("plan.id", nullable=True)
    option_id: int | None = ref("option.id", nullable=True)
    started_on: date
    ends_on: date | None = Field(default=None)
    """Known end of a one-off option: the first day without it."""
    ended_on: date | None = Field(default=None)


class Order(Table, table=True):
    """A wish to connect or disconnect an option: accepted → in progress → done, refused or cancelled.

    The key makes a double click one order. Prices are what the person confirmed.
    """

    __tablename__ = "product_order"
    __table_args__ = (
        sa.UniqueConstraint("billing_account_id", "key"),
        sa.CheckConstraint("(state IN ('accepted', 'in_progress')) = (closed_at IS NULL)", name="closed_has_moment"),
        sa.Index(
            "uq_product_order_open",
            "billing_account_id",
            "option_id",
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
        sa.Index(
            "ix_product_order_due",
            "due_at",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
    )

    id: int = key()
    billing_account_id: int = ref("billing_account.id", index=True)
    option_id: int = ref("option.id")
    placed_by_id: int | None = ref("customer.id", nullable=True)
    kind: OrderKind = term(OrderKind)
    state: OrderState = term(OrderState)
    key: str = text(64)
    now_kopecks: int = kopecks()
    """Charged when the order is done, prepaid accounts only."""
    monthly_kopecks: int = kopecks()
    effective_on: date
    placed_at: datetime
    due_at: datetime
    """When the work may be carried out."""
    closed_at: datetime | None = Field(default=None)
    reason: str = text(40, default="")
    """Code of the refusal, when refused."""


class OrderEvent(Table, table=True):
    """The history of an order: one row per state it reached. Append-only."""

    __tablename__ = "order_event"

    id: int = key()
    order_id: int = ref("product_order.id", index=True)
    state: OrderState = term(OrderState)
    at: datetime
    by_id: int | None = ref("customer.id", nullable=True)
