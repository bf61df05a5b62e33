"""One click in a letter stops such letters, for whom it was written to and for nobody else; a forged link does nothing."""

from collections.abc import Iterator
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from actions import perform
from actions.letters import send_due
from actions.mailings import mail_due
from actions.notices import choices, keep_choices, notify
from actions.unsubscribing import PATH, link_of, unsubscribe, unsubscribe_path
from db import reading, transaction
from documents.letters import as_html, as_text, unsubscribe_in
from integrations.mail import MailServer, compose
from models import AuditEntry, Message, NoticeChoice
from routes.unsubscribe import UNSUBSCRIBE_ROUTES
from rules.notices import UNSUBSCRIBED
from rules.refusals import NotAllowed
from rules.terms import Language, MessageState, NoticeEvent
from settings import settings
from tests.mail_server import Mailbox, mail_server
from tests.notices.test_mailings import FAILED, GATHER, LOW, NOON, a_person_with
from tests.notices.world import letters

LOW_BALANCE = NoticeEvent.LOW_BALANCE
SITE = "https://my-account.of-an-operator-with-a-very-long-name.example.com"
"""Longer than a line of a letter: what stands in a header must stay one address."""


@pytest.fixture
def client(db: sa.Engine) -> TestClient:
    return TestClient(Starlette(routes=UNSUBSCRIBE_ROUTES), base_url="https://my.example", follow_redirects=False)


def wants(person_id: int) -> dict[NoticeEvent, bool]:
    with reading() as db:
        return {event: choices(db, customer_ids=[person_id], event=event)[person_id][1] for event in NoticeEvent}


def chosen() -> list[NoticeChoice]:
    with reading() as db:
        return list(db.exec(select(NoticeChoice)).all())


def test_looking_at_the_link_changes_nothing_and_the_button_does(client: TestClient):
    person_id, other_id = a_person_with(), a_person_with()
    path = unsubscribe_path(customer_id=person_id, event=LOW_BALANCE)
    page = client.get(path, headers={"Accept-Language": "ru"})
    assert page.status_code == 200
    assert "Заканчиваются деньги" in page.text
    assert '<form method="post">' in page.text
    assert chosen() == []
    done = client.post(path, headers={"Accept-Language": "ru"})
    assert (done.status_code, "Готово" in done.text) == (200, True)
    assert [event for event, by_email in wants(person_id).items() if not by_email] == [
        LOW_BALANCE,
        NoticeEvent.AUTOPAY_AHEAD,
        NoticeEvent.ORDER_DONE,
    ]
    assert wants(other_id)[LOW_BALANCE]
    assert [row.in_cabinet for row in chosen()] == [True], "the cabinet tells of it still"


def test_a_mail_program_does_it_with_one_click_without_cookies(client: TestClient):
    person_id = a_person_with()
    path = unsubscribe_path(customer_id=person_id, event=LOW_BALANCE)
    for _ in range(2):
        assert client.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not wants(person_id)[LOW_BALANCE]
    assert len(chosen()) == 1
    with reading() as db:
        traces = db.exec(select(AuditEntry)).all()
    assert {(trace.action, trace.customer_id) for trace in traces} == {("unsubscribe", person_id)}


def test_the_link_of_a_digest_stops_all_but_what_a_person_must_know(client: TestClient):
    person_id = a_person_with()
    client.post(unsubscribe_path(customer_id=person_id, event=None))
    still = {event for event, by_email in wants(person_id).items() if by_email}
    assert still == {NoticeEvent.SIGN_IN, NoticeEvent.AUTOPAY_FAILED, NoticeEvent.AUTOPAY_DONE}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("forged", ["other person", "other event", "cut", "empty", "sign_in", "autopay_failed", "not ascii"])
def test_a_forged_link_is_refused_and_leaves_no_trace(client: TestClient, method: str, forged: str):
    person_id, other_id = a_person_with(), a_person_with()
    token = unsubscribe_path(customer_id=person_id, event=LOW_BALANCE).removeprefix(PATH)
    own, _, mac = token.split(".")
    bad = {
        "other person": f"{other_id}.low_balance.{mac}",
        "other event": f"{own}.all.{mac}",
        "cut": token[:-1],
        "empty": "0",
        "not ascii": f"{own}.low_balance.{'я' * 24}",
    }
    with transaction() as db:
        keep_choices(db, person_id, {NoticeEvent.BILL: (True, True)})
    path = PATH + bad[forged] if forged in bad else unsubscribe_path(customer_id=person_id, event=NoticeEvent(forged))
    answer = client.request(method, path, headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert "does not work" in answer.text
    assert [row.event for row in chosen()] == [NoticeEvent.BILL]
    with reading() as db:
        assert db.exec(select(AuditEntry)).all() == []


def test_a_link_that_was_not_ours_is_refused_by_the_action_too(db: sa.Engine):
    person_id = a_person_with()
    with pytest.raises(NotAllowed):
        perform(unsubscribe, visitor=None, token=f"{person_id}.low_balance.{'A' * 24}")


def test_another_key_makes_other_links(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    token = unsubscribe_path(customer_id=1, event=None).removeprefix(PATH)
    assert link_of(token) is not None
    monkeypatch.setenv("SECRET_KEY", "another-key-of-more-than-thirty-two-characters")
    settings.cache_clear()
    assert link_of(token) is None


@pytest.mark.parametrize("event", [None, *UNSUBSCRIBED])
def test_nothing_personal_is_in_the_address_and_it_is_one_address(event: NoticeEvent | None):
    path = unsubscribe_path(customer_id=17, event=event)
    assert unsubscribe_in(f"слова\n{path}", site="https://my.example") == f"https://my.example{path}"
    link = link_of(path.removeprefix(PATH))
    assert link is not None
    assert (link.customer_id, link.event) == (17, event)


# --- what a mail program sees -----------------------------------------------------------------------------
@pytest.fixture
def server(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as (mailbox, leads_there):
        for name, value in (leads_there | {"PUBLIC_URL": SITE}).items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield mailbox


def test_a_letter_of_news_can_be_stopped_by_its_headers_and_its_words(server: Mailbox):
    person_id = a_person_with((LOW_BALANCE, NOON, LOW))
    mail_due(NOON + GATHER)
    assert send_due(_when()) == 1
    (letter,) = server.received
    link = f"{SITE}{unsubscribe_path(customer_id=person_id, event=LOW_BALANCE)}"
    assert letter["List-Unsubscribe"] == f"<{link}>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = (letter.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert f"Отписаться от таких писем:\n{link}" in text.get_content().replace("\r\n", "\n")
    assert f'href="{link}"' in html.get_content()
    assert f'href="{SITE}/pay?account=' in html.get_content()


def test_a_letter_that_must_come_cannot_be_stopped(server: Mailbox):
    a_person_with((NoticeEvent.AUTOPAY_FAILED, NOON, FAILED))
    mail_due(NOON + GATHER)
    assert send_due(_when()) == 1
    assert server.received[0]["List-Unsubscribe"] is None


def test_a_digest_has_all_its_papers_or_leaves_without_those_that_cannot_be_drawn(server: Mailbox):
    bill = {"bill_id": 404, "number": "1", "amount_kopecks": 100, "due_on": "2026-12-20"}
    a_person_with((NoticeEvent.BILL, NOON, bill), (NoticeEvent.BILL, NOON, bill))
    mail_due(NOON + GATHER)
    assert letters()[0].document == "bill/404 bill/404"
    assert send_due(_when()) == 1
    assert list(server.received[0].iter_attachments()) == []


def _when() -> datetime:
    with reading() as db:
        waiting = db.exec(select(Message.next_try_at).where(col(Message.state) == MessageState.QUEUED)).all()
    return max(moment for moment in waiting if moment is not None)


def test_what_somebody_called_their_account_never_becomes_a_link():
    for label in ("/evil", "https://evil.example", "/unsubscribe/1.all.x", "• head"):
        body = f"• {label}: услуги снова работают\n{label} слова"
        html = as_html(
            "digest", subject="x", body=body, language=Language.RU, operator="o", colour="#000", site="https://my.example"
        )
        assert "href" not in html
        assert "https://my.example" not in as_text(body, language=Language.RU, site="https://my.example")


def test_a_person_who_has_unsubscribed_is_written_nothing_that_waited(client: TestClient):
    person_id = a_person_with((LOW_BALANCE, NOON, LOW))
    client.post(unsubscribe_path(customer_id=person_id, event=LOW_BALANCE))
    assert mail_due(NOON + GATHER) == 0
    with transaction() as db:
        notify(db, customer_id=person_id, event=LOW_BALANCE, key="later", **LOW)
    assert mail_due(NOON.replace(year=2099)) == 0


def test_a_long_address_stays_whole_in_its_header():
    """Folded by the library it would be encoded, too, into something that no mail program can follow."""
    link = f"{SITE}{unsubscribe_path(customer_id=10**9, event=NoticeEvent.AUTOPAY_AHEAD)}"
    server = MailServer("localhost", 25, "none", "", "", "Линия", "help@liniya.example")
    letter = compose(
        server, to="a@street.example", subject="Тема", text="Слова", html="<p>Слова</p>", at=NOON, number=1, unsubscribe=link
    )
    assert f"List-Unsubscribe: <{link}>".encode() in letter.as_bytes().splitlines()


def test_no_line_break_gets_into_the_header():
    server = MailServer("localhost", 25, "none", "", "", "Линия", "help@liniya.example")
    with pytest.raises(ValueError, match="one line"):
        compose(server, to="a@b.example", subject="x", text="x", html="x", at=NOON, number=1, unsubscribe="https://x\r\nBcc: y")
