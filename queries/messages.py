"""The built-in mailbox: what was sent to a person, or because of them, where there is no real mail server."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, select

from models import Customer, Message
from rules.refusals import DemoOnly
from rules.terms import Channel, Language
from rules.visitor import Visitor
from settings import settings


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter or SMS as it was sent; `at` aware UTC."""

    message_id: int
    channel: Channel
    recipient: str
    about: str
    subject: str
    body: str
    language: Language
    at: datetime
    document: str = ""
    """What goes with it, by addresses under /documents/ without `.pdf`, spaces between."""


def mailbox(db: Session, *, visitor: Visitor, limit: int = 50) -> list[Letter]:
    """Letters to the visitor's own e-mail and phone, and those that their actions caused; newest first.

    Raises DemoOnly in production: there the letter with a code is proof of being its reader.
    """
    if not settings().is_demo:
        raise DemoOnly()
    person = db.get_one(Customer, visitor.customer_id)
    own = [contact for contact in (person.email, person.phone) if contact]
    rows = db.exec(
        select(Message)
        .where(or_(col(Message.recipient).in_(own), col(Message.requested_by_id) == visitor.customer_id))
        .order_by(col(Message.created_at).desc(), col(Message.id).desc())
        .limit(limit)
    )
    return [as_letter(row) for row in rows]


def as_letter(row: Message) -> Letter:
    """A stored message as it is shown."""
    return Letter(
        row.id, row.channel, row.recipient, row.about, row.subject, row.body, row.language, row.created_at, row.document
    )
