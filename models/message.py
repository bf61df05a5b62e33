"""Letters and text messages that leave the portal."""

from datetime import datetime

from sqlmodel import Field

from models.base import Table, key, ref, term, text
from rules.terms import Channel


class Message(Table, table=True):
    """One letter or SMS. Without a mail server it stays here, and the demo's mailbox shows it.

    `about` names what it is (a key of the catalogues); `requested_by_id` is the person whose action caused it.
    """

    __tablename__ = "message"

    id: int = key()
    channel: Channel = term(Channel)
    recipient: str = text(254, index=True)
    about: str = text(40)
    subject: str = text(200)
    body: str = text(8000)
    requested_by_id: int | None = ref("customer.id", nullable=True, index=True)
    created_at: datetime
    read_at: datetime | None = Field(default=None)
