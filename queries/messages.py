"""The built-in mailbox: what was sent to a person, or because of them, where there is no real mail server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, select

from models import Bill, Customer, Message
from rules.monthly import month_of_document
from rules.refusals import DemoOnly
from rules.terms import Channel, Language
from rules.visitor import Visitor
from settings import settings


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A paper that goes with a letter: its address under /documents/ without `.pdf`, what it is, and its number."""

    address: str
    kind: str
    number: str


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
    enclosed: tuple[Enclosed, ...] = ()


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
    letters = list(rows)
    bills = {int(paper.partition("/")[2]) for row in letters for paper in row.document.split() if paper.startswith("bill/")}
    numbers = {f"bill/{id_}": number for id_, number in db.exec(select(Bill.id, Bill.number).where(col(Bill.id).in_(bills)))}
    return [as_letter(row, numbers) for row in letters]


def as_letter(row: Message, numbers: Mapping[str, str]) -> Letter:
    """A stored message as it is shown; `numbers` are those of the bills that go with it, by address."""
    enclosed = []
    for address in row.document.split():
        kind, _, id_ = address.partition("/")
        number = f"{month_of_document(id_):%Y-%m}" if kind == "monthly" else numbers.get(address, id_)
        enclosed.append(Enclosed(address, kind, number))
    sent = (row.id, row.channel, row.recipient, row.about, row.subject, row.body, row.language, row.created_at)
    return Letter(*sent, tuple(enclosed))
