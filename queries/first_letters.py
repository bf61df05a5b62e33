"""In a demo without a mail server: the letters that somebody who is not signed in waits for."""

from sqlmodel import Session, col, select

from models import Message
from queries.messages import Letter, as_letter
from rules.refusals import DemoOnly
from settings import settings

_BEFORE_SIGNING_IN = ("confirm_email", "already_registered", "reset_link", "reset_code", "password_reset")


def letters_to(db: Session, *, contact: str, limit: int = 1) -> list[Letter]:
    """The newest letters that somebody who is not signed in waits for, to the contact they typed.

    Raises DemoOnly in production: reading them is the proof of having the contact.
    """
    if not settings().is_demo:
        raise DemoOnly()
    rows = db.exec(
        select(Message)
        .where(col(Message.recipient) == contact, col(Message.about).in_(_BEFORE_SIGNING_IN))
        .order_by(col(Message.created_at).desc(), col(Message.id).desc())
        .limit(limit)
    )
    return [as_letter(row, {}) for row in rows]  # no paper goes with them
