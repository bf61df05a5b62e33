"""Letters that nobody would take: staff send them again or put them aside; what proves something is never kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.letters import has_secret, send_due
from actions.outbox import put_all_aside, put_aside, send_again, send_all_again
from db import reading, transaction
from jobs import history
from models import AuditEntry, JobRun, Message
from rules.outbox import KEPT_DEAD
from rules.refusals import NotAllowed
from rules.terms import Channel, Language, MessageState, Outcome, Role
from rules.visitor import Visitor
from settings import settings
from tests.mail_server import Mailbox, mail_server
from tests.money.world import World
from texts import keys

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BUSY, UNKNOWN = "451 busy", "550 no such person"


@pytest.fixture
def server(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as (mailbox, leads_there):
        for name, value in leads_there.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield mailbox


def staff(role: Role = Role.ADMINISTRATOR) -> Visitor:
    with transaction() as db:
        person = World(db).person("Ольга")
    return Visitor(
        customer_id=person.id,
        session_id=1,
        role=role,
        first_name="Ольга",
        language=Language.RU,
        region_code="RU-MOW",
        time_zone="Europe/Moscow",
    )


def dead(to: str = "ivan@street.example", **more: Any) -> int:
    values = {"trouble": BUSY, "dead_at": NOW, "body": "Оплачено", "attempts": 20, **more}
    with transaction() as db:
        row = Message(
            channel=Channel.EMAIL,
            recipient=to,
            about="receipt",
            subject="Чек",
            language=Language.RU,
            created_at=NOW - timedelta(days=8),
            state=MessageState.FAILED,
            **values,
        )
        db.add(row)
        db.flush()
        return row.id


def stored(message_id: int) -> Message:
    with reading() as db:
        return db.get_one(Message, message_id)


def test_a_dead_letter_that_is_sent_again_arrives_once_and_is_tried_as_long_as_a_new_one(server: Mailbox):
    letter, boss = dead(), staff()
    assert perform(send_again, visitor=boss, message_id=letter) is True
    assert perform(send_again, visitor=boss, message_id=letter) is False, "it is on its way already"
    assert stored(letter).attempts == 0
    assert send_due(clock.now()) == 1
    (arrived,) = server.received
    assert "Оплачено" in arrived.get_body(("plain",)).get_content()
    assert (stored(letter).state, stored(letter).body, stored(letter).dead_at) == (MessageState.SENT, "", None)
    with reading() as db:
        rows = db.exec(select(AuditEntry.action, AuditEntry.customer_id, AuditEntry.outcome)).all()
    assert set(rows) == {("send_letter_again", boss.customer_id, Outcome.DONE)}


def test_all_that_died_of_the_same_trouble_since_then_are_sent_again_and_no_others(server: Mailbox):
    same = [dead(f"person{n}@street.example") for n in range(3)]
    other = dead("nobody@street.example", trouble=UNKNOWN)
    earlier = dead("earlier@street.example", dead_at=NOW - timedelta(days=1))
    assert perform(send_all_again, visitor=staff(), since=NOW, trouble=BUSY) == 3
    assert send_due(clock.now()) == 3
    assert {stored(each).state for each in same} == {MessageState.SENT}
    assert {stored(each).state for each in (other, earlier)} == {MessageState.FAILED}
    assert perform(send_all_again, visitor=staff(), since=NOW - timedelta(days=2)) == 2


def test_a_letter_whose_words_are_gone_is_not_sent_again(server: Mailbox):
    letter = dead(body="")
    assert perform(send_again, visitor=staff(), message_id=letter) is False
    assert perform(send_all_again, visitor=staff(), since=NOW) == 0
    assert stored(letter).state is MessageState.FAILED


def test_a_letter_put_aside_loses_its_words_and_nobody_is_shown_it(db: sa.Engine):
    one, boss = dead(), staff()
    rest = [dead(trouble=UNKNOWN) for _ in range(2)]
    assert perform(put_aside, visitor=boss, message_id=one) is True
    assert perform(put_aside, visitor=boss, message_id=one) is False
    assert (stored(one).body, stored(one).dead_at, stored(one).state) == ("", None, MessageState.FAILED)
    assert perform(put_all_aside, visitor=boss, since=NOW, trouble=UNKNOWN) == 2
    assert {stored(each).body for each in rest} == {""}


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.ANALYST])
def test_only_an_administrator_decides_over_letters(db: sa.Engine, role: Role):
    letter, who = dead(), staff(role)
    for act, given in (
        (send_again, {"message_id": letter}),
        (put_aside, {"message_id": letter}),
        (send_all_again, {"since": NOW}),
        (put_all_aside, {"since": NOW}),
    ):
        with pytest.raises(NotAllowed):
            perform(act, visitor=who, **given)
    assert (stored(letter).state, stored(letter).body) == (MessageState.FAILED, "Оплачено")


def test_a_letter_that_does_not_exist_is_refused_like_one_that_is_foreign(db: sa.Engine):
    with pytest.raises(NotAllowed):
        perform(send_again, visitor=staff(), message_id=10**9)


@pytest.mark.parametrize("about", ["reset_code", "reset_link", "confirm_email", "attach_code", "change_email_code"])
def test_whatever_carries_a_code_or_a_link_of_proof_is_told_by_its_words(about: str):
    assert has_secret(about)


@pytest.mark.parametrize("about", ["receipt", "autopay_receipt", "refund", "password_reset", "new_sign_in", "account_closing"])
def test_what_only_tells_something_may_be_kept(about: str):
    assert f"letter.{about}.body" in keys(Language.RU)
    assert not has_secret(about)


def test_what_staff_never_looked_after_is_dropped_after_its_month_and_records_after_three(
    db: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    old, young = dead(dead_at=NOW - KEPT_DEAD - timedelta(seconds=1)), dead(dead_at=NOW - KEPT_DEAD + timedelta(seconds=1))
    with transaction() as session:
        for days in (89, 91):
            session.add(JobRun(job="letters", key=str(days), started_at=NOW - timedelta(days=days), items=1))
    assert history.forget(NOW) == 2
    assert history.forget(NOW) == 0
    assert (stored(old).body, stored(old).dead_at) == ("", None)
    assert stored(young).body == "Оплачено"
    with reading() as session:
        assert session.exec(select(col(JobRun.key))).all() == ["89"]
