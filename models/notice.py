"""What people are told, in the cabinet and by e-mail, and what of it they want."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, ref, term, text
from rules.terms import NoticeEvent


class Notice(Table, table=True):
    """One thing that happened and that one person is told of, once per key. Its words are made from `facts` when it is read.

    `by_email`: it goes out by e-mail, too; it is `mailed_at` once a letter (its own or a digest) has taken it.
    """

    __tablename__ = "notice"
    __table_args__ = (
        sa.UniqueConstraint("customer_id", "key"),
        sa.Index("ix_notice_customer_id_created_at", "customer_id", "created_at"),
        sa.Index(
            "ix_notice_to_mail",
            "created_at",
            sqlite_where=sa.text("by_email AND mailed_at IS NULL"),
            postgresql_where=sa.text("by_email AND mailed_at IS NULL"),
        ),
    )

    id: int = key()
    customer_id: int = ref("customer.id")
    event: NoticeEvent = term(NoticeEvent)
    billing_account_id: int | None = ref("billing_account.id", nullable=True)
    key: str = text(80)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    in_cabinet: bool = Field(default=True)
    by_email: bool = Field(default=False)
    created_at: datetime
    read_at: datetime | None = Field(default=None)
    mailed_at: datetime | None = Field(default=None)


class NoticeChoice(Table, table=True):
    """What a person chose for one event; no row: what the event has by default."""

    __tablename__ = "notice_choice"

    customer_id: int = ref("customer.id", primary_key=True)
    event: NoticeEvent = term(NoticeEvent, primary_key=True)
    in_cabinet: bool
    by_email: bool
    changed_at: datetime
