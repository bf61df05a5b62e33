"""Putting letters and text messages into the outbox, in the transaction of what they tell of; and sending them.

What staff do with letters that nobody would take is `actions.outbox`.
"""

import logging
import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions.printing import document_for
from db import transaction
from documents.letters import Written, as_html, as_text, unsubscribe_in, write
from integrations.mail import Attached, Conversation, MailServer, Refused, TryLater, Unreachable, compose
from models import Message
from rules.numbers import mask_email
from rules.outbox import next_try
from rules.terms import Channel, Language, MessageState
from settings import operator, settings
from texts import keys

_log = logging.getLogger("kabinet.letters")

LEASE = timedelta(minutes=5)
"""How long letters belong to who began to send them."""
HURRY_SECONDS = 120
"""So long letters that were taken together are handed over; what is left then is given back, well before the lease ends."""
BATCH = 50
HERE = "http://localhost:8501"
"""Where a demo is that was not told its address; production always is."""
_SECRETS = re.compile(r"\{(link|code)\}")
_random = SystemRandom()


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
    """Write the letter or SMS about `about` and leave it in the outbox; it goes out after the commit. `document` goes with it
    (several: with spaces between).

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
    written: Written | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """The columns of a letter as it goes into the outbox, for whoever writes many at once.

    `written`: its words, where they are not those of the catalogues about it.
    """
    written = written or write(about, language=language, **facts)
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


def has_secret(about: str) -> bool:
    """Whether a letter has a code, or a link that proves who follows it: such words are kept no longer than needed."""
    return any(_SECRETS.search(text) for text in keys(Language.RU).get(f"letter.{about}.body", ()))


def send_due(now: datetime) -> int:
    """Send what waits in the outbox, over one connection; returns how many letters left. Safe to run in several processes.

    Letters are claimed first, in a transaction of its own: a crash after that costs a wait of LEASE, not the letter. What
    was handed over is written down at once, letter by letter: a crash doubles one letter at most.
    """
    server = mail_server()
    if server is None:
        return 0
    claimed = _claim(now)
    sent, began = 0, time.monotonic()
    with Conversation(server) as conversation:
        for place, message in enumerate(claimed):
            if time.monotonic() - began > HURRY_SECONDS:
                _give_back(claimed[place:], now)
                break
            try:
                conversation.send(_composed(server, message))
            except Unreachable as error:
                _try_later(claimed[place:], now, str(error))
                break
            except TryLater as error:
                _try_later([message], now, str(error))
            except (Refused, ValueError) as error:
                _give_up(message, now, str(error))
            else:
                _change(message, state=MessageState.SENT, trouble="", sent_at=now, next_try_at=None, body="")
                sent += 1
    return sent


def _claim(now: datetime) -> Sequence[Message]:
    """Take up to BATCH letters that are due; nobody else sends them during the lease."""
    with transaction() as db:
        due = db.exec(
            select(Message)
            .where(col(Message.state) == MessageState.QUEUED, col(Message.next_try_at) <= now)
            .order_by(col(Message.next_try_at), col(Message.id))
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        for message in due:
            message.attempts += 1
            message.next_try_at = now + LEASE
            db.add(message)
    return due


def _give_back(messages: Sequence[Message], now: datetime) -> None:
    """These were not tried."""
    with transaction() as db:
        db.execute(
            sa.update(Message)
            .where(col(Message.id).in_([message.id for message in messages]))
            .values(attempts=col(Message.attempts) - 1, next_try_at=now)
            .execution_options(synchronize_session=False)
        )


def _try_later(messages: Sequence[Message], now: datetime, trouble: str) -> None:
    """Plan the next try of each, or give it up after the last one."""
    for message in messages:
        planned = next_try(
            tries=message.attempts,
            written_at=message.created_at,
            now=now,
            has_secret=has_secret(message.about),
            share=_random.random(),
        )
        if planned is None:
            _give_up(message, now, trouble)
        else:
            _log.warning("letter %s waits: %s", message.id, _said(message, trouble))
            _change(message, trouble=_said(message, trouble), next_try_at=planned)


def _give_up(message: Message, now: datetime, trouble: str) -> None:
    """The letter is dead: staff see it. Words that prove something are gone at once."""
    _log.warning("letter %s given up: %s", message.id, _said(message, trouble))
    kept = {"body": ""} if has_secret(message.about) else {}
    _change(message, state=MessageState.FAILED, trouble=_said(message, trouble), dead_at=now, next_try_at=None, **kept)


def _said(message: Message, trouble: str) -> str:
    """What the server said, without the whole address that it repeats."""
    return re.sub(re.escape(message.recipient), mask_email(message.recipient), trouble, flags=re.IGNORECASE)[:200]


def _change(message: Message, **values: Any) -> None:
    """Write down what came of a letter; one that was erased meanwhile, with its person, stays so."""
    with transaction() as db:
        db.execute(
            sa.update(Message).where(col(Message.id) == message.id).values(**values).execution_options(synchronize_session=False)
        )


def _composed(server: MailServer, message: Message) -> Any:
    we, site = operator(), settings().public_url or HERE
    html = as_html(
        message.about,
        subject=message.subject,
        body=message.body,
        language=message.language,
        operator=we.name(message.language.value),
        colour=we.colour,
        site=site,
    )
    return compose(
        server,
        to=message.recipient,
        subject=message.subject,
        text=as_text(message.body, language=message.language, site=site),
        html=html,
        at=message.created_at,
        number=message.id,
        attached=_attached(message),
        unsubscribe=unsubscribe_in(message.body, site=site),
    )


def _attached(message: Message) -> list[Attached]:
    """The documents that go with a letter, as its reader would get them now. One that cannot be drawn holds no letter up."""
    files = []
    for document in message.document.split():
        try:
            printed = document_for(document=document, recipient=message.recipient, language=message.language)
        except Exception:
            _log.exception("letter %s leaves without %s", message.id, document)
        else:
            files.append(Attached(printed.content, printed.name, printed.media_type))
    return files
