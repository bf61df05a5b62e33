"""A mail server that is away, refuses or breaks off: each letter arrives, once where the server says what it took."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import SMTP as ServerSide
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

import clock
from actions.letters import put, send_due
from db import reading, transaction
from integrations import mail
from models import Message
from rules.outbox import JITTER, RETRY_MINUTES, SECRETS_LIVE, next_try
from rules.terms import Channel, Language, MessageState
from settings import settings
from tests.mail_server import Mailbox, mail_server

WEEK = timedelta(days=7)
WRITTEN = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def server(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as (mailbox, leads_there):
        for name, value in leads_there.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield mailbox


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], datetime]:
    """Make it that moment."""

    def move(moment: datetime) -> datetime:
        monkeypatch.setattr(clock, "now", lambda: moment)
        return moment

    return move


def write(*, to: str = "ivan@street.example", secret: bool = False) -> None:
    facts = {"link": "https://my.example/go/reset/token", "minutes": 60} if secret else {"phone": "8 800 000-00-00"}
    with transaction() as db:
        put(
            db,
            channel=Channel.EMAIL,
            recipient=to,
            about="reset_link" if secret else "password_reset",
            language=Language.RU,
            **facts,
        )


def stored() -> Message:
    with reading() as db:
        return db.exec(select(Message)).one()


def live_through(until: datetime) -> datetime | None:
    """Send whenever something is due, as the background does, up to that moment; returns the next moment something is due."""
    while True:
        waiting = stored()
        if waiting.next_try_at is None or waiting.next_try_at > until:
            return waiting.next_try_at
        send_due(waiting.next_try_at)


# --- how long it is tried -------------------------------------------------------------------------------
@given(shares=st.lists(st.floats(0, 1), min_size=40, max_size=40))
def test_a_letter_is_tried_for_a_week_at_least_and_nine_days_at_most(shares: list[float]):
    now, tries = WRITTEN, 1
    while planned := next_try(tries=tries, written_at=WRITTEN, now=now, has_secret=False, share=shares[tries]):
        assert planned - now <= timedelta(minutes=max(RETRY_MINUTES)) * (1 + JITTER)
        now, tries = planned, tries + 1
    assert WEEK <= now - WRITTEN <= timedelta(days=9)


def test_what_failed_together_does_not_come_back_together():
    planned = {next_try(tries=3, written_at=WRITTEN, now=WRITTEN, has_secret=False, share=n / 10) for n in range(11)}
    assert len(planned) == 11


def test_a_code_is_not_sent_when_it_is_long_worth_nothing():
    assert next_try(tries=7, written_at=WRITTEN, now=WRITTEN + SECRETS_LIVE, has_secret=True, share=0) is None
    assert next_try(tries=7, written_at=WRITTEN, now=WRITTEN + SECRETS_LIVE, has_secret=False, share=0) is not None


def test_a_server_that_refuses_for_a_week_and_then_takes_letters_gets_each_once(server: Mailbox, at: Callable):
    began = at(clock.now())
    write()
    server.says = "451 busy"
    due = live_through(began + WEEK)
    assert due is not None, "given up within the week"
    assert stored().attempts > 10
    server.says = "250 OK"
    live_through(due)
    send_due(due + WEEK)
    assert len(server.received) == 1
    assert (stored().state, stored().body) == (MessageState.SENT, "")


def test_a_server_that_never_comes_back_costs_the_letter_which_staff_can_send_again(server: Mailbox, at: Callable):
    began = at(clock.now())
    write()
    server.says = "451 busy"
    live_through(began + timedelta(days=30))
    dead = stored()
    assert (dead.state, dead.attempts) == (MessageState.FAILED, len(RETRY_MINUTES) + 1)
    assert dead.dead_at is not None
    assert dead.dead_at - began >= WEEK
    assert "Пароль от кабинета изменён" in dead.body


def test_a_link_to_a_new_password_is_given_up_within_two_days_and_its_words_are_gone(server: Mailbox, at: Callable):
    began = at(clock.now())
    write(secret=True)
    server.says = "451 busy"
    live_through(began + timedelta(days=30))
    dead = stored()
    assert (dead.state, dead.body) == (MessageState.FAILED, "")
    assert dead.dead_at is not None
    assert dead.dead_at - began < timedelta(days=2)


# --- what the server says -------------------------------------------------------------------------------
@pytest.mark.parametrize("where", ["says", "at_recipient"])
def test_a_letter_refused_for_good_is_dead_at_once_and_keeps_its_words(server: Mailbox, where: str):
    setattr(server, where, "550 <Ivan@street.example>: no such person")
    write()
    assert send_due(clock.now()) == 0
    dead = stored()
    assert (dead.state, dead.attempts) == (MessageState.FAILED, 1)
    assert dead.body
    assert "no such person" in dead.trouble
    assert "ivan@street.example" not in dead.trouble.lower()


def test_a_wrong_password_of_ours_kills_no_letter(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    """The server of the tests knows no passwords at all: signing in to it fails as with a wrong one."""
    monkeypatch.setenv("SMTP_USER", "portal")
    monkeypatch.setenv("SMTP_PASSWORD", "wrong")
    settings.cache_clear()
    write()
    send_due(clock.now())
    assert (stored().state, stored().attempts) == (MessageState.QUEUED, 1)


def test_one_refused_letter_does_not_hold_up_those_behind_it(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    taken = Mailbox.handle_RCPT

    async def refuse_the_first(self, given, session, envelope, address, options) -> str:
        if address.startswith("first"):
            return "550 no such person"
        return await taken(self, given, session, envelope, address, options)

    monkeypatch.setattr(Mailbox, "handle_RCPT", refuse_the_first)
    for name in ("first", "second", "third"):
        write(to=f"{name}@street.example")
    assert send_due(clock.now()) == 2
    assert sorted(letter["To"] for letter in server.received) == ["second@street.example", "third@street.example"]


# --- one connection -------------------------------------------------------------------------------------
def test_many_letters_go_over_one_connection(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    calls = []
    connected = mail._connected
    monkeypatch.setattr(mail, "_connected", lambda to: calls.append(to) or connected(to))
    for number in range(20):
        write(to=f"person{number}@street.example")
    assert send_due(clock.now()) == 20
    assert len(calls) == 1


def test_a_server_that_hangs_up_between_two_letters_still_gets_both_once(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    taken = Mailbox.handle_DATA

    async def hang_up_after(self, given: ServerSide, session, envelope) -> str:
        given.loop.call_soon(given.transport.close)  # after the answer, which is written before anything else runs
        return await taken(self, given, session, envelope)

    monkeypatch.setattr(Mailbox, "handle_DATA", hang_up_after)
    for name in ("first", "second"):
        write(to=f"{name}@street.example")
    assert send_due(clock.now()) == 2
    assert sorted(letter["To"] for letter in server.received) == ["first@street.example", "second@street.example"]


def test_a_line_that_breaks_after_the_letter_was_taken_doubles_it_once_at_most(
    server: Mailbox, at: Callable, monkeypatch: pytest.MonkeyPatch
):
    """At least once: nobody can tell a letter that was taken from one that was lost, when the answer is. Its Message-ID tells
    the reader's mail program that it is the same."""
    taken = Mailbox.handle_DATA

    async def break_off(self, given: ServerSide, session, envelope) -> str:
        said = await taken(self, given, session, envelope)
        if len(self.received) == 1:
            given.transport.abort()
        return said

    monkeypatch.setattr(Mailbox, "handle_DATA", break_off)
    began = at(clock.now())
    write()
    live_through(began + WEEK)
    assert stored().state is MessageState.SENT
    first, second = server.received
    assert first["Message-ID"] == second["Message-ID"]


def test_a_server_that_is_away_is_asked_once_for_all_that_wait(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def nobody_there(to: mail.MailServer) -> None:
        calls.append(to)
        raise OSError("connection refused")

    monkeypatch.setattr(mail, "_connected", nobody_there)
    for number in range(5):
        write(to=f"person{number}@street.example")
    assert send_due(clock.now()) == 0
    assert len(calls) == 1
    with reading() as db:
        rows = db.exec(select(Message).order_by(col(Message.id))).all()
    assert {(row.state, row.attempts) for row in rows} == {(MessageState.QUEUED, 1)}
    assert {row.trouble for row in rows} == {"connection refused"}


def test_letters_that_a_slow_server_left_no_time_for_are_given_back_untried(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    from actions import letters

    monkeypatch.setattr(letters, "HURRY_SECONDS", -1)
    write()
    now = clock.now()
    assert send_due(now) == 0
    assert (stored().attempts, stored().next_try_at) == (0, now)
    monkeypatch.setattr(letters, "HURRY_SECONDS", 120)
    assert send_due(now) == 1
