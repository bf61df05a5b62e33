"""A letter carries its paper: as a file through a real mail server, as a link in the built-in mailbox."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import letters
from actions.letters import put, send_due
from db import reading, transaction
from integrations.mail import Attached, MailServer, compose
from models import Bill, Message
from rules.terms import Channel, Language, MessageState
from settings import settings
from tests.documents.readers import all_lines
from tests.driver import open_screen
from tests.mail_server import Mailbox, mail_server
from tests.money.world import World

EMAIL = "anna@street.example"


@pytest.fixture
def server(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server() as (mailbox, leads_there):
        for name, value in leads_there.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield mailbox


def paid(language: Language = Language.RU) -> tuple[int, int]:
    """Somebody with an e-mail pays; their id and the payment's."""
    with transaction() as session:
        world = World(session)
        anna = world.person()
        anna.email, anna.language = EMAIL, language
        payment = world.pay(world.account(anna), 123_456, clock.now() - timedelta(hours=1), payer=anna)
        return anna.id, payment.id


def tell(document: str, *, language: Language = Language.RU, to: str = EMAIL) -> None:
    with transaction() as session:
        put(
            session,
            channel=Channel.EMAIL,
            recipient=to,
            about="receipt",
            language=language,
            document=document,
            sum="1 234,56 ₽",
            what="Мобильная связь",
            number="17",
        )


@pytest.mark.parametrize(("language", "name"), [(Language.RU, "чек-{}.pdf"), (Language.EN, "receipt-{}.pdf")])
def test_the_receipt_arrives_as_a_file_beside_both_texts(server: Mailbox, language: Language, name: str):
    _, payment_id = paid(language)
    tell(f"receipt/{payment_id}", language=language)
    assert send_due(clock.now()) == 1
    (letter,) = server.received
    (file,) = letter.iter_attachments()
    assert (file.get_content_type(), file.get_filename()) == ("application/pdf", name.format(payment_id))
    title = "Чек об оплате №" if language is Language.RU else "Receipt No."
    assert f"{title} {payment_id}" in all_lines(file.get_content())
    for kind in ("plain", "html"):
        body = letter.get_body((kind,))
        assert body is not None
        assert "1 234,56" in body.get_content()


@pytest.mark.parametrize("document", ["receipt/999999", "bill/999999", "receipt/", "passport/1", "receipt/1/../2", "receipt/x"])
def test_a_paper_that_cannot_be_drawn_does_not_lose_the_letter(server: Mailbox, document: str, caplog: pytest.LogCaptureFixture):
    paid()
    tell(document)
    assert send_due(clock.now()) == 1
    (letter,) = server.received
    assert list(letter.iter_attachments()) == []
    assert document in caplog.text
    with reading() as session:
        assert session.exec(select(Message)).one().state is MessageState.SENT


def test_a_pen_that_breaks_does_not_lose_the_letter(server: Mailbox, monkeypatch: pytest.MonkeyPatch):
    def breaks(**_: object) -> None:
        raise MemoryError

    _, payment_id = paid()
    tell(f"receipt/{payment_id}")
    monkeypatch.setattr(letters, "document_for", breaks)
    assert send_due(clock.now()) == 1
    assert list(server.received[0].iter_attachments()) == []


def test_a_paper_goes_to_nobody_who_may_not_have_it(server: Mailbox):
    _, payment_id = paid()
    with transaction() as session:
        other = World(session).person("Олег")
        other.email = "oleg@street.example"
        session.add(other)
    for to in ("oleg@street.example", "nobody@street.example"):
        tell(f"receipt/{payment_id}", to=to)
    assert send_due(clock.now()) == 2
    assert [list(letter.iter_attachments()) for letter in server.received] == [[], []]


def test_a_letter_that_is_sent_again_carries_it_again(server: Mailbox):
    _, payment_id = paid()
    tell(f"receipt/{payment_id}")
    server.says = "451 busy"
    assert send_due(clock.now()) == 0
    server.says = "250 OK"
    assert send_due(clock.now() + timedelta(minutes=10)) == 1
    assert len(list(server.received[0].iter_attachments())) == 1


def test_the_name_of_a_file_cannot_end_its_header():
    server = MailServer("h", 25, "none", "", "", "Линия", "help@liniya.example")
    with pytest.raises(ValueError, match="one line"):
        compose(
            server,
            to=EMAIL,
            subject="s",
            text="t",
            html="h",
            at=clock.now(),
            number=1,
            attached=[Attached(b"", 'a.pdf"\r\nBcc: x@y.example', "application/pdf")],
        )


def test_without_a_mail_server_the_mailbox_links_to_the_papers_by_the_names_that_they_have_in_the_mail(seeded_db: sa.Engine):
    before = open_screen("mailbox").app.get("link_button")
    assert not [link for link in before if "/documents/" in link.proto.url]
    with reading() as session:
        bill = session.exec(select(Bill).order_by(col(Bill.id).desc())).first()
        assert bill is not None
    tell(f"receipt/17 bill/{bill.id} monthly/202610", to="family@kabinet.example")
    links = [link.proto for link in open_screen("mailbox").app.get("link_button")]
    assert [(link.label, link.url) for link in links if "/documents/" in link.url] == [
        ("чек-17.pdf", "/documents/receipt/17.pdf"),
        (f"счёт-{bill.number}.pdf", f"/documents/bill/{bill.id}.pdf"),
        ("сводка-2026-10.pdf", "/documents/monthly/202610.pdf"),
    ]
