"""The screen of notices: what is new is marked and then read, the bell counts it, each switch is kept, long lists have pages."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from db import reading, transaction
from models import Attachment, Notice, NoticeChoice
from rules.terms import Language, NoticeEvent
from tests.driver import Screen, customer_of, open_screen

LOW = {"balance_kopecks": 12_000, "charge_kopecks": 55_000, "charge_on": "2026-12-01", "days": 9}


def tell(event: NoticeEvent, facts: dict[str, Any], *, times: int = 1, days_ago: int = 0, persona: str = "family") -> int:
    """Note it down about the person's first account; returns that account."""
    person = customer_of(persona)
    with transaction() as db:
        own = select(Attachment).where(col(Attachment.customer_id) == person).order_by(col(Attachment.position))
        account_id = db.exec(own).all()[0].billing_account_id
        for number in range(times):
            db.add(
                Notice(
                    customer_id=person,
                    event=event,
                    key=f"{event.value}{number}",
                    facts=facts,
                    billing_account_id=account_id,
                    created_at=clock.now() - timedelta(days=days_ago),
                )
            )
    return account_id


def bell(screen: Screen) -> str:
    links = [link for link in screen.get("page_link") if link.proto.page == "notices"]
    return str(links[0].proto.label)


@pytest.mark.parametrize(
    ("language", "words", "title"),
    [
        (Language.RU, ("Сегодня", "Вчера", "Новое", "Пополнить"), "Дом: на следующий месяц денег не хватит"),
        (Language.EN, ("Today", "Yesterday", "New", "Top up"), "Дом: not enough for next month"),
    ],
)
def test_what_happened_is_told_by_days_with_a_way_to_do_something(
    seeded_db: sa.Engine, language: Language, words: tuple[str, ...], title: str
):
    account_id = tell(NoticeEvent.LOW_BALANCE, LOW)
    tell(NoticeEvent.RESUMED, {"on": "2026-11-01"}, days_ago=1)
    screen = open_screen("notices", language=language)
    said = screen.says.replace("\\", "").replace("\u2060", "")
    for word in (*words[:3], title):
        assert word in said
    (link,) = [link for link in screen.get("page_link") if link.proto.label == words[3]]
    assert (link.proto.page, link.proto.query_string) == ("pay", f"account={account_id}")


def test_looking_at_the_list_reads_it_and_the_bell_falls_silent(seeded_db: sa.Engine):
    tell(NoticeEvent.LOW_BALANCE, LOW, times=3)
    assert "**3**" in bell(open_screen("home"))
    assert "**3**" in bell(open_screen("notices"))
    assert "**" not in bell(open_screen("home"))
    with reading() as db:
        assert all(notice.read_at is not None for notice in db.exec(select(Notice)))


def test_what_was_read_some_time_ago_is_not_marked_as_new(seeded_db: sa.Engine):
    tell(NoticeEvent.LOW_BALANCE, LOW)
    assert "Новое" in open_screen("notices").says
    assert "Новое" in open_screen("notices").says, "a second look within the minute"
    with transaction() as db:
        db.execute(sa.update(Notice).values(read_at=clock.now() - timedelta(minutes=2)))
    assert "Новое" not in open_screen("notices").says


def test_a_long_list_has_pages(seeded_db: sa.Engine):
    tell(NoticeEvent.LOW_BALANCE, LOW, times=45)
    for page, shown in (("1", 20), ("3", 5), ("99", 5), ("x", 20)):
        screen = open_screen("notices", query={"page": page})
        rows = [text for text in screen.markdown if "на следующий месяц денег не хватит" in text.value]
        assert len(rows) == shown, page


@pytest.mark.parametrize(("language", "words"), [(Language.RU, "Пока тихо"), (Language.EN, "All quiet")])
def test_an_empty_list_says_what_will_be_here(seeded_db: sa.Engine, language: Language, words: str):
    screen = open_screen("notices", persona="newcomer", language=language)
    assert words in screen.says
    screen.click("notices_to_choices")
    assert screen.toggle(key="notice_by_email_resumed")


def test_a_switch_is_kept_at_once(seeded_db: sa.Engine):
    screen = open_screen("notices", query={"show": "choices"})
    assert screen.toggle(key="notice_by_email_resumed").value is True
    screen.toggle(key="notice_by_email_resumed").set_value(False)
    screen.run()
    assert screen.toggle(key="notice_by_email_resumed").value is False
    with reading() as db:
        kept = db.get(NoticeChoice, (customer_of("family"), NoticeEvent.RESUMED))
        assert kept is not None
        assert (kept.in_cabinet, kept.by_email) == (True, False)
    assert open_screen("notices", query={"show": "choices"}).toggle(key="notice_by_email_resumed").value is False


@pytest.mark.parametrize("event", ["sign_in", "autopay_failed"])
def test_the_last_switch_of_what_must_be_known_cannot_be_moved_and_says_why(seeded_db: sa.Engine, event: str):
    screen = open_screen("notices", query={"show": "choices"})
    screen.toggle(key=f"notice_by_email_{event}").set_value(False)
    screen.run()
    last = screen.toggle(key=f"notice_in_cabinet_{event}")
    assert (last.value, last.disabled) == (True, True)
    assert "Совсем выключить нельзя" in last.help


def test_bills_by_e_mail_are_switched_account_by_account(seeded_db: sa.Engine):
    screen = open_screen("notices", query={"show": "choices"})
    person = customer_of("family")
    with reading() as db:
        own = db.exec(select(Attachment).where(col(Attachment.customer_id) == person)).all()
    first = f"bill_by_email_{own[0].billing_account_id}"
    assert screen.toggle(key=first).value is True
    screen.toggle(key=first).set_value(False)
    screen.run()
    with reading() as db:
        assert [each.bill_by_email for each in db.exec(select(Attachment).where(col(Attachment.customer_id) == person))] == [
            each.id != own[0].id for each in own
        ]


def test_a_label_is_no_markup(seeded_db: sa.Engine):
    with transaction() as db:
        own = select(Attachment).where(col(Attachment.customer_id) == customer_of("family"))
        for each in db.exec(own):
            each.label = "![x](https://evil.example/p.png)"
            db.add(each)
    tell(NoticeEvent.LOW_BALANCE, LOW)
    said = [text.value for text in open_screen("notices").markdown if "evil" in text.value]
    assert said
    assert all("](https://" not in text for text in said)
