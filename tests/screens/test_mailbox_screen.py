"""The demo's mailbox: one's own letters and those one caused, the code easy to copy; in production there is none."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from actions import perform
from actions.accounts import request_attach_code
from db import reading, transaction
from models import BillingAccount, Customer, Message
from queries.messages import mailbox
from rules.refusals import DemoOnly
from rules.terms import AccountStatus, Channel, Language
from settings import settings
from tests.conftest import as_in_production
from tests.driver import customer_of, open_screen, visitor_of

CODE = re.compile(r"\b\d{6}\b")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def send(recipient: str, subject: str, *, minutes: int = 0, by: int | None = None) -> None:
    with transaction() as db:
        db.add(
            Message(
                channel=Channel.EMAIL,
                recipient=recipient,
                about="notice",
                subject=subject,
                body="Текст письма",
                requested_by_id=by,
                created_at=NOW + timedelta(minutes=minutes),
            )
        )


@pytest.mark.parametrize("language", list(Language))
def test_the_code_of_a_letter_stands_apart_to_be_copied(seeded_db: sa.Engine, language: Language):
    person = customer_of("newcomer")
    with reading() as db:
        number = db.exec(
            select(BillingAccount.number).where(
                col(BillingAccount.contact_email).is_not(None),
                BillingAccount.status == AccountStatus.ACTIVE,
                BillingAccount.holder_id != person,
            )
        ).first()
    assert number is not None
    perform(request_attach_code, visitor=visitor_of(person), number=number)
    with reading() as db:
        letter = db.exec(select(Message).where(Message.about == "attach_code", Message.requested_by_id == person)).all()[-1]
    screen = open_screen("mailbox", persona="newcomer", language=language)
    found = CODE.search(letter.body)
    assert found is not None
    assert screen.code[0].value == found[0]


def test_letters_come_newest_first_and_other_peoples_do_not_come(seeded_db: sa.Engine):
    person = customer_of("family")
    with reading() as db:
        own = db.get_one(Customer, person).email
    assert own is not None
    send(own, "Первое")
    send("stranger@kabinet.example", "Чужое", minutes=1)
    send("relative@kabinet.example", "По моей просьбе", minutes=2, by=person)
    send(own, "Последнее", minutes=3)
    screen = open_screen("mailbox", persona="family")
    assert "Чужое" not in screen.says
    said = screen.says
    assert said.index("Последнее") < said.index("По моей просьбе") < said.index("Первое")


@pytest.mark.parametrize(("language", "words"), [(Language.RU, "Писем пока нет"), (Language.EN, "No letters yet")])
def test_an_empty_mailbox_says_what_will_come(seeded_db: sa.Engine, language: Language, words: str):
    assert words in open_screen("mailbox", persona="vip", language=language).says


def test_a_letter_is_no_markup(seeded_db: sa.Engine):
    with reading() as db:
        own = db.get_one(Customer, customer_of("family")).email
    assert own is not None
    send(own, "![x](https://evil.example/p.png) :material/home: **жирно**")
    said = next(text.value for text in open_screen("mailbox", persona="family").markdown if "evil" in text.value)
    assert "](https://" not in said
    assert "**жирно**" not in said


def test_production_has_no_mailbox(seeded_db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    visitor = visitor_of(customer_of("family"))
    as_in_production(monkeypatch)
    settings.cache_clear()
    with reading() as db, pytest.raises(DemoOnly):
        mailbox(db, visitor=visitor)
    settings.cache_clear()
