"""Several pieces of news are one letter; night letters wait for the morning; none is lost and none is written twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col

from actions import mailings
from actions.mailings import mail_due
from actions.notices import keep_choices
from db import transaction
from models import Customer, Notice
from rules.notices import GATHER, GATHER_URGENT
from rules.terms import BillingMode, Language, NoticeEvent, Right
from tests.notices.world import Readers, letters, moscow, notices

DAY = date(2026, 11, 24)
NOON, NIGHT = moscow(DAY, 12), moscow(DAY, 22)
MORNING = moscow(DAY + timedelta(days=1), 9)
MINUTE = timedelta(minutes=1)
FAILED = {"amount_kopecks": 50_000, "reason": "insufficient_funds", "next_try_on": "2026-11-25", "paused": False}
LOW = {"balance_kopecks": 100, "charge_kopecks": 900, "charge_on": "2026-12-01", "days": 9}


def note(
    world: Readers,
    person: Customer,
    event: NoticeEvent,
    at: datetime,
    facts: dict[str, Any],
    *,
    account_id: int | None = None,
    by_email: bool = True,
) -> Notice:
    return world.save(
        Notice(
            customer_id=person.id,
            event=event,
            key=f"k{world.next()}",
            facts=facts,
            billing_account_id=account_id,
            by_email=by_email,
            created_at=at,
        )
    )


def a_person_with(*told: tuple[NoticeEvent, datetime, dict[str, Any]], **more: Any) -> int:
    """A person with an account who is to be told these."""
    with transaction() as db:
        world = Readers(db)
        person = world.reader(**more)
        account = world.account(person)
        for event, at, facts in told:
            note(world, person, event, at, facts, account_id=account.id)
        return person.id


def test_one_piece_of_news_is_its_own_letter_after_a_quarter_of_an_hour(db: sa.Engine):
    person_id = a_person_with((NoticeEvent.LOW_BALANCE, NOON, LOW))
    assert mail_due(NOON + GATHER - MINUTE) == 0
    assert mail_due(NOON + GATHER) == 1
    assert mail_due(NOON + GATHER) == 0
    (letter,) = letters()
    assert (letter.about, letter.recipient) == ("notice_low_balance", f"reader{person_id}@kabinet.example")
    assert letter.subject == "Мобильная связь: на следующий месяц денег не хватит"
    assert letter.body.split("\n")[1].startswith("/pay?account=")
    assert letter.body.split("\n")[2].startswith(f"/unsubscribe/{person_id}.low_balance.")
    assert notices()[0].mailed_at == NOON + GATHER


def test_news_of_a_quarter_of_an_hour_is_one_letter(db: sa.Engine):
    person_id = a_person_with(
        (NoticeEvent.LOW_BALANCE, NOON, LOW),
        (NoticeEvent.RESUMED, NOON + 14 * MINUTE, {}),
        (NoticeEvent.AUTOPAY_FAILED, NOON + 14 * MINUTE, FAILED),
    )
    assert mail_due(NOON + GATHER) == 3
    (letter,) = letters()
    assert letter.about == "digest"
    assert letter.subject == "Мобильная связь: автоплатёж не прошёл — и ещё 2 новости", "what is urgent comes first"
    heads = [line for line in letter.body.split("\n") if line.startswith("•")]
    assert len(heads) == 3
    assert letter.body.split("\n")[-2] == "/notices"
    assert letter.body.split("\n")[-1].startswith(f"/unsubscribe/{person_id}.all.")


def test_a_letter_of_one_kind_of_news_stops_that_kind_only(db: sa.Engine):
    person_id = a_person_with((NoticeEvent.LOW_BALANCE, NOON, LOW), (NoticeEvent.LOW_BALANCE, NOON, LOW))
    mail_due(NOON + GATHER)
    assert letters()[0].body.split("\n")[-1].startswith(f"/unsubscribe/{person_id}.low_balance.")


@pytest.mark.parametrize("event", [NoticeEvent.AUTOPAY_FAILED, NoticeEvent.BLOCKED])
def test_what_is_urgent_waits_a_minute_and_for_no_morning(db: sa.Engine, event: NoticeEvent):
    a_person_with((event, NIGHT, FAILED | {"debt_kopecks": 100}), (NoticeEvent.RESUMED, NIGHT, {}))
    assert mail_due(NIGHT + GATHER_URGENT) == 1
    assert [letter.about for letter in letters()] == [f"notice_{event.value}"]


def test_at_night_news_gather_for_the_morning(db: sa.Engine):
    a_person_with(*((NoticeEvent.RESUMED, NIGHT + hour * timedelta(hours=1), {}) for hour in range(9)))
    assert [mail_due(moment) for moment in (NIGHT + timedelta(hours=1), MORNING - 10 * MINUTE, MORNING)] == [0, 0, 9]
    assert len(letters()) == 1


def test_the_morning_is_that_of_the_persons_region(db: sa.Engine):
    a_person_with((NoticeEvent.RESUMED, NIGHT, {}), region="RU-KAM")
    assert mail_due(moscow(DAY, 23)) == 0, "eight in Kamchatka"
    assert mail_due(moscow(DAY + timedelta(days=1), 3)) == 1


def test_a_failed_autopayment_can_be_stopped_by_no_link(db: sa.Engine):
    a_person_with((NoticeEvent.AUTOPAY_FAILED, NOON, FAILED))
    mail_due(NOON + GATHER)
    assert "unsubscribe" not in letters()[0].body


def test_bills_go_with_their_papers_in_as_many_letters_as_they_need(db: sa.Engine):
    facts = [
        {"bill_id": 10**9 + number, "number": str(number), "amount_kopecks": 100, "due_on": "2026-12-20"} for number in range(12)
    ]
    a_person_with(*((NoticeEvent.BILL, NOON, each) for each in facts))
    assert mail_due(NOON + GATHER) == 12
    written = letters()
    sent = [document for letter in written for document in letter.document.split()]
    assert sent == [f"bill/{each['bill_id']}" for each in facts]
    assert len(written) == 3
    assert all(len(letter.document) <= 80 for letter in written)


def test_a_prepaid_bill_asks_for_no_money(db: sa.Engine):
    with transaction() as session:
        world = Readers(session)
        person = world.reader()
        facts = {"bill_id": 1, "number": "1", "amount_kopecks": 100, "due_on": "2026-12-20"}
        for mode in BillingMode:
            note(world, person, NoticeEvent.BILL, NOON, facts, account_id=world.account(person, mode=mode).id)
    mail_due(NOON + GATHER)
    assert letters()[0].body.count("Счёта к оплате нет.") == 1


def test_a_letter_speaks_its_readers_language_and_calls_an_account_as_they_do(db: sa.Engine):
    with transaction() as session:
        world = Readers(session)
        holder, reader = world.reader(), world.reader(language=Language.EN)
        account = world.account(holder)
        own = world.attach(reader, account, right=Right.VIEW)
        own.label = "Mum's\nphone"
        session.add(own)
        note(world, reader, NoticeEvent.RESUMED, NOON, {}, account_id=account.id)
    mail_due(NOON + GATHER)
    assert letters()[0].subject == "Mum's phone: service is back"


def test_who_lost_their_e_mail_gets_no_letter_and_holds_nobody_up(db: sa.Engine):
    lost = a_person_with((NoticeEvent.RESUMED, NOON, {}))
    a_person_with((NoticeEvent.RESUMED, NOON, {}))
    with transaction() as session:
        session.execute(sa.update(Customer).where(col(Customer.id) == lost).values(email=None, email_confirmed_at=None))
    assert mail_due(NOON + GATHER) == 2
    assert mail_due(NOON + GATHER) == 0
    assert len(letters()) == 1


def test_a_choice_made_while_a_letter_waits_holds(db: sa.Engine):
    person_id = a_person_with((NoticeEvent.RESUMED, NOON, {}), (NoticeEvent.BLOCKED, NOON, {}))
    with transaction() as session:
        keep_choices(session, person_id, {NoticeEvent.RESUMED: (True, False)})
    assert mail_due(NOON + GATHER) == 1
    assert [letter.about for letter in letters()] == ["notice_blocked"]


def test_a_crash_while_writing_loses_and_doubles_nothing(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    for _ in range(3):
        a_person_with((NoticeEvent.RESUMED, NOON, {}))

    class Killed(BaseException):
        pass

    original = mailings._write

    def die(db_: Session, *told: Any) -> None:
        original(db_, *told)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mailings, "_write", die)
        with pytest.raises(Killed):
            mail_due(NOON + GATHER)
    assert letters() == []
    assert mail_due(NOON + GATHER) == 3
    assert len(letters()) == 3


def test_two_processes_at_once_write_each_person_once(db: sa.Engine):
    for _ in range(12):
        a_person_with((NoticeEvent.RESUMED, NOON, {}), (NoticeEvent.BLOCKED, NOON, {}))

    def work(_: int) -> None:
        while mail_due(NOON + GATHER, most=3):
            pass

    with ThreadPoolExecutor(3) as at_once:
        list(at_once.map(work, range(3)))
    while mail_due(NOON + GATHER):
        pass
    written = [letter.recipient for letter in letters()]
    assert len(written) == len(set(written)) == 12


def test_what_is_for_the_cabinet_only_is_not_written(db: sa.Engine):
    with transaction() as session:
        world = Readers(session)
        note(world, world.reader(), NoticeEvent.ORDER_DONE, NOON, {}, by_email=False)
    assert mail_due(NOON + timedelta(days=1)) == 0


def test_what_waits_is_found_by_its_own_index(db: sa.Engine):
    if db.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads so few rows without one")
    statement = sa.select(col(Notice.customer_id)).where(*mailings._waiting())
    with db.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.compile(db)}").fetchall()
    assert "ix_notice_to_mail" in str(plan)
