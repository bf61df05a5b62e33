"""Letters leave through a real mail server on loopback: at least once, not twice, and never a stopped registration."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

import clock
from actions.letters import LEASE, put, send_due
from db import reading, transaction
from integrations.mail import Conversation
from models import Message
from rules.outbox import JITTER, RETRY_MINUTES
from rules.terms import Channel, Language, MessageState
from settings import settings
from tests.mail_server import Mailbox, mail_server


@pytest.fixture
def server(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as (mailbox, leads_there):
        for name, value in leads_there.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield mailbox


def _put(to: str = "ivan@street.example") -> None:
    with transaction() as session:
        put(
            session,
            channel=Channel.EMAIL,
            recipient=to,
            about="confirm_email",
            language=Language.RU,
            link="https://my.example/go/confirm/secret-token",
            hours=24,
        )


def _stored() -> Message:
    with reading() as session:
        return session.exec(select(Message)).one()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    def move(by: timedelta) -> None:
        moment = clock.now() + by
        monkeypatch.setattr(clock, "now", lambda: moment)

    return move


def test_a_letter_arrives_once_in_text_and_html_and_its_link_is_kept_nowhere(server: Mailbox):
    _put()
    assert send_due(clock.now()) == 1
    assert send_due(clock.now()) == 0
    (letter,) = server.received
    assert (letter["To"], letter["Subject"]) == ("ivan@street.example", "Подтвердите почту")
    text, html = (letter.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "https://my.example/go/confirm/secret-token" in text.get_content()
    assert 'href="https://my.example/go/confirm/secret-token"' in html.get_content()
    stored = _stored()
    assert (stored.state, stored.body) == (MessageState.SENT, "")
    assert stored.sent_at is not None


def test_a_busy_server_is_asked_again_later_and_the_letter_arrives_once(server: Mailbox, later: Callable):
    server.says = "451 busy"
    _put()
    assert send_due(clock.now()) == 0
    assert _stored().state is MessageState.QUEUED
    assert "451" in _stored().trouble
    server.says = "250 OK"
    assert send_due(clock.now()) == 0, "not before its time"
    later(timedelta(minutes=RETRY_MINUTES[0] * (1 + JITTER)))
    assert send_due(clock.now()) == 1
    assert len(server.received) == 1


@pytest.mark.parametrize("where", ["says", "at_recipient"])
def test_a_refused_letter_is_given_up_and_its_body_dropped(server: Mailbox, later: Callable, where: str):
    setattr(server, where, "550 no such person")
    _put()
    send_due(clock.now())
    stored = _stored()
    assert (stored.state, stored.body) == (MessageState.FAILED, "")
    assert "550" in stored.trouble
    later(timedelta(days=3))
    assert send_due(clock.now()) == 0


def test_a_full_mailbox_is_tried_again(server: Mailbox):
    server.at_recipient = "452 mailbox full"
    _put()
    send_due(clock.now())
    assert _stored().state is MessageState.QUEUED


def test_a_server_that_is_down_holds_nothing_up(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SMTP_PORT", "1")
    settings.cache_clear()
    _put()
    assert send_due(clock.now()) == 0
    assert _stored().state is MessageState.QUEUED
    assert _stored().body


def test_a_crash_between_claiming_and_sending_costs_a_wait_and_no_letter(
    server: Mailbox, later: Callable, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    _put()
    with monkeypatch.context() as patch:
        patch.setattr(Conversation, "send", die)
        with pytest.raises(Killed):
            send_due(clock.now())
    assert send_due(clock.now()) == 0
    later(LEASE)
    assert send_due(clock.now()) == 1
    assert len(server.received) == 1


def test_two_senders_at_once_send_each_letter_once(server: Mailbox):
    for number in range(12):
        _put(f"person{number}@street.example")
    now = clock.now()
    with ThreadPoolExecutor(4) as at_once:
        sent = sum(at_once.map(lambda _: send_due(now), range(4)))
    assert sent == 12
    assert sorted(letter["To"] for letter in server.received) == sorted(f"person{n}@street.example" for n in range(12))


def test_without_a_server_letters_are_kept(db: sa.Engine):
    _put()
    assert _stored().state is MessageState.KEPT
    assert send_due(clock.now()) == 0


@pytest.mark.parametrize("to", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
def test_an_address_with_a_line_break_is_refused_before_anything_is_written(db: sa.Engine, to: str):
    with pytest.raises(ValueError, match="one line"):
        _put(to)
    with Session(db) as session:
        assert session.exec(select(Message)).all() == []
