"""Putting letters and text messages into the outbox, in the transaction of what they tell of; and sending them."""

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

import clock
from actions.printing import document_for
from db import reading, transaction
from documents.letters import as_html, write
from integrations.mail import Attached, MailServer, Refused, TryLater, compose, send
from models import Message
from rules.terms import Channel, Language, MessageState
from settings import operator, settings

_log = logging.getLogger("kabinet.letters")

LEASE = timedelta(minutes=5)
"""How long a letter belongs to who began to send it."""
RETRY_MINUTES = (1, 5, 15, 60, 240, 720, 1440)
BATCH = 50


def put(
    db: Session,
    *,
    channel: Channel,
    recipient: str,
    about: str,
    language: Language,
    requested_by_id: int | None = None,
    document: str = "",
    **facts: Any,
) -> None:
    """Write the letter or SMS about `about` and leave it in the outbox; it goes out after the commit. `document` goes with it.

    Without a mail server it is kept in the built-in mailbox; so are text messages. Raises ValueError for a recipient
    with a line break.
    """
    if "\n" in recipient or "\r" in recipient:
        raise ValueError("an address is one line")
    db.add(
        Message(
            **row_of(
                channel=channel,
                recipient=recipient,
                about=about,
                language=language,
                requested_by_id=requested_by_id,
                document=document,
                **facts,
            )
        )
    )


def row_of(
    *,
    channel: Channel,
    recipient: str,
    about: str,
    language: Language,
    requested_by_id: int | None = None,
    document: str = "",
    **facts: Any,
) -> dict[str, Any]:
    """The columns of a letter as it goes into the outbox, for whoever writes many at once."""
    written = write(about, language=language, **facts)
    now = clock.now()
    goes_out = channel is Channel.EMAIL and bool(settings().smtp_host)
    return {
        "channel": channel,
        "recipient": recipient,
        "about": about,
        "subject": written.subject[:200],
        "body": written.body[:8000],
        "language": language,
        "requested_by_id": requested_by_id,
        "document": document,
        "created_at": now,
        "state": MessageState.QUEUED if goes_out else MessageState.KEPT,
        "next_try_at": now if goes_out else None,
    }


def mail_server() -> MailServer | None:
    """The configured mail server; None when there is none."""
    chosen, we = settings(), operator()
    if not chosen.smtp_host:
        return None
    return MailServer(
        host=chosen.smtp_host,
        port=chosen.smtp_port,
        security=chosen.smtp_security,
        user=chosen.smtp_user,
        password=chosen.smtp_password,
        sender_name=we.name_ru,
        sender=chosen.smtp_sender or we.email,
    )


def send_due(now: datetime) -> int:
    """Send what waits in the outbox; returns how many letters left. Safe to run in several processes.

    Each letter is claimed first, in a transaction of its own: a crash after that costs a wait of LEASE, not the letter.
    """
    server = mail_server()
    if server is None:
        return 0
    with reading() as db:
        due = db.exec(
            select(Message.id)
            .where(col(Message.state) == MessageState.QUEUED, col(Message.next_try_at) <= now)
            .order_by(col(Message.next_try_at))
            .limit(BATCH)
        ).all()
    return sum(_send_one(message_id, server, now) for message_id in due)


def _send_one(message_id: int, server: MailServer, now: datetime) -> bool:
    with transaction() as db:
        message = db.exec(
            select(Message)
            .where(
                col(Message.id) == message_id,
                col(Message.state) == MessageState.QUEUED,
                col(Message.next_try_at) <= now,
            )
            .with_for_update()
        ).first()
        if message is None:
            return False  # another process has it
        message.attempts += 1
        message.next_try_at = now + LEASE
        db.add(message)
    trouble, state = "", MessageState.SENT
    try:
        send(server, _composed(server, message))
    except TryLater as error:
        trouble, state = str(error), MessageState.QUEUED
    except (Refused, ValueError) as error:
        trouble, state = str(error), MessageState.FAILED
    if state is MessageState.QUEUED and message.attempts > len(RETRY_MINUTES):
        state = MessageState.FAILED
    with transaction() as db:
        held = db.get_one(Message, message_id)
        held.state, held.trouble = state, trouble[:200]
        if state is MessageState.QUEUED:
            held.next_try_at = now + timedelta(minutes=RETRY_MINUTES[held.attempts - 1])
        else:
            held.next_try_at, held.body = None, ""
            held.sent_at = now if state is MessageState.SENT else None
        db.add(held)
    if trouble:
        _log.warning("letter %s (%s) not sent: %s", message_id, state.value, trouble)
    return state is MessageState.SENT


def _composed(server: MailServer, message: Message) -> Any:
    we = operator()
    html = as_html(
        message.about,
        subject=message.subject,
        body=message.body,
        language=message.language,
        operator=we.name(message.language.value),
        colour=we.colour,
    )
    return compose(
        server,
        to=message.recipient,
        subject=message.subject,
        text=message.body,
        html=html,
        at=message.created_at,
        number=message.id,
        attached=_attached(message),
    )


def _attached(message: Message) -> Attached | None:
    """The document that goes with a letter, as its reader would get it now. One that cannot be drawn holds no letter up."""
    if not message.document:
        return None
    try:
        printed = document_for(document=message.document, recipient=message.recipient, language=message.language)
    except Exception:
        _log.exception("letter %s leaves without %s", message.id, message.document)
        return None
    return Attached(printed.content, printed.name, printed.media_type)
