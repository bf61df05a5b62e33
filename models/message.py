"""Letters and text messages that leave the portal."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, ref, term, text
from rules.terms import Channel, Language, MessageState


class Message(Table, table=True):
    """One letter or SMS: the outbox. Without a mail server it is kept, and the demo's mailbox shows it.

    With one it is queued; who sends it first counts the attempt and moves `next_try_at` on, so that two senders do not
    both. Once it has left its body is emptied. One that nobody would take keeps it for staff, who may send it again; a
    body with a code or a link that proves something is emptied then, too.
    `about` names what it is (a key of the catalogues); `requested_by_id` is the person whose action caused it.
    """

    __tablename__ = "message"
    __table_args__ = (
        sa.Index("ix_message_created_at_state", "created_at", "state"),
        sa.Index(
            "ix_message_dead_at",
            "dead_at",
            sqlite_where=sa.text("dead_at IS NOT NULL"),
            postgresql_where=sa.text("dead_at IS NOT NULL"),
        ),
    )

    id: int = key()
    channel: Channel = term(Channel)
    recipient: str = text(254, index=True)
    about: str = text(40)
    subject: str = text(200)
    body: str = text(8000)
    language: Language = term(Language, default=Language.RU)
    requested_by_id: int | None = ref("customer.id", nullable=True, index=True)
    document: str = text(80, default="")
    """What goes with it, by addresses under /documents/ (`receipt/17`, `bill/4 bill/5`), drawn when the letter leaves."""
    created_at: datetime
    state: MessageState = term(MessageState, default=MessageState.KEPT)
    attempts: int = Field(default=0)
    next_try_at: datetime | None = Field(default=None, index=True)
    sent_at: datetime | None = Field(default=None)
    trouble: str = text(200, default="")
    """What the mail server said the last time."""
    dead_at: datetime | None = Field(default=None)
    """Since when it waits for staff, given up; empty again once they put it aside, or its time is over."""
    read_at: datetime | None = Field(default=None)
