"""The letter of the month: once, after billing, to who wants it, of all their accounts, and its PDF says what it said."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from actions import perform
from actions.mailings import write_monthly
from actions.notices import keep_choices
from actions.printing import document_for, print_month
from db import transaction
from models import Attachment, Bill, BillingAccount, Customer, Notice
from rules.monthly import from_facts
from rules.refusals import NotAllowed
from rules.terms import AutopayTrigger, BillingMode, ConsentKind, Language, NoticeEvent, Right
from tests.documents.readers import all_lines
from tests.money.world import LONG_AGO
from tests.notices.world import Readers, letters, moscow, notices

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
MORNING = moscow(NOVEMBER)


def in_october(day: int) -> datetime:
    return datetime(2026, 10, day, 12, tzinfo=UTC)


class Month(Readers):
    """People whose October was billed."""

    def billed(self, holder: Customer, *, total: int, mode: BillingMode = BillingMode.POSTPAID) -> BillingAccount:
        account = self.account(holder, mode=mode)
        account.billed_on = NOVEMBER
        self.charge(account, total, datetime(2026, 10, 31, 21, 10, tzinfo=UTC))
        for month_on, kopecks in ((date(2026, 9, 1), 0), (OCTOBER, total)):
            self.save(
                Bill(
                    billing_account_id=account.id,
                    number=f"{month_on:%y%m}-{account.id}",
                    month_on=month_on,
                    issued_on=NOVEMBER,
                    due_on=date(2026, 11, 20),
                    total_kopecks=kopecks,
                )
            )
        return self.save(account)

    def subscriber(self, **more: Any) -> Customer:
        """Somebody who answered yes to statements by e-mail."""
        person = self.reader(**more)
        self.answers(person, ConsentKind.E_STATEMENTS, True)
        return person


def one_reader(**more: Any) -> int:
    with transaction() as db:
        world = Month(db)
        person = world.subscriber(**more)
        world.billed(person, total=55_000)
        return person.id


def test_everything_is_in_it_and_it_is_written_once(db: sa.Engine):
    with transaction() as session:
        world = Month(session)
        person = world.subscriber()
        home, phone = world.billed(person, total=55_000), world.billed(person, total=30_000, mode=BillingMode.PREPAID)
        world.pay(home, 20_000, in_october(3), payer=person)
        world.refund(home, 5_000, in_october(4))
        world.pay(home, 7_000, datetime(2026, 11, 1, 5, tzinfo=UTC), payer=person)
        world.pay(phone, 40_000, in_october(31), payer=None)
        card = world.card(person)
        world.rule(person, home, card, day_of_month=25, due_at=moscow(date(2026, 11, 25), 9))
        world.rule(person, phone, card, trigger=AutopayTrigger.THRESHOLD)
        world.lot(person, 120, date(2026, 10, 5), date(2027, 10, 5), spent=20)
        person_id, home_id, phone_id = person.id, home.id, phone.id
    assert write_monthly(MORNING) == 1
    assert write_monthly(MORNING) == 0
    (told,) = notices()
    month = from_facts(told.facts)
    first, second = month.accounts
    assert (first.account_id, first.charged_kopecks, first.paid_kopecks) == (home_id, 55_000, 15_000)
    assert (first.balance_kopecks, first.due_kopecks, first.due_on) == (-33_000, 33_000, date(2026, 11, 20))
    assert first.autopay is not None
    assert first.autopay.on == date(2026, 11, 25)
    assert (second.account_id, second.charged_kopecks, second.paid_kopecks) == (phone_id, 30_000, 40_000)
    assert (second.balance_kopecks, second.due_kopecks, second.due_on) == (10_000, 0, None)
    assert second.autopay is not None
    assert (second.autopay.on, second.autopay.threshold_kopecks) == (None, 30_000)
    assert (month.points, month.points_earned) == (100, 120)
    (letter,) = letters()
    assert (letter.about, letter.document) == ("monthly", "monthly/202610")
    assert letter.subject == "Сводка за октябрь 2026"
    assert "К оплате 330,00\u00a0₽ до 20\u00a0ноября." in letter.body
    assert letter.body.split("\n")[-1].startswith(f"/unsubscribe/{person_id}.monthly.")
    assert told.mailed_at == MORNING


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (moscow(NOVEMBER, 8), 0),
        (moscow(NOVEMBER, 9), 1),
        (moscow(date(2026, 11, 10), 20), 1),
        (moscow(date(2026, 11, 11), 10), 0),
    ],
)
def test_it_comes_in_the_daytime_of_the_first_days(db: sa.Engine, moment: datetime, written: int):
    one_reader()
    assert write_monthly(moment) == written


def test_it_waits_until_the_last_account_is_billed(db: sa.Engine):
    person_id = one_reader()
    with transaction() as session:
        world = Month(session)
        late = world.account(session.get_one(Customer, person_id))
        late_id = late.id
    assert write_monthly(MORNING) == 0
    with transaction() as session:
        session.execute(sa.update(BillingAccount).where(col(BillingAccount.id) == late_id).values(billed_on=NOVEMBER))
    assert write_monthly(MORNING) == 1


@pytest.mark.parametrize("why_not", ["came in November", "erased", "nothing attached"])
def test_who_had_no_october_here_is_told_nothing(db: sa.Engine, why_not: str):
    person_id = one_reader(registered_at=MORNING if why_not == "came in November" else LONG_AGO)
    with transaction() as session:
        if why_not == "erased":
            session.execute(sa.update(Customer).where(col(Customer.id) == person_id).values(erased_at=LONG_AGO))
        if why_not == "nothing attached":
            session.execute(sa.update(Attachment).values(detached_at=LONG_AGO))
    assert write_monthly(MORNING) == 0


@pytest.mark.parametrize(
    ("answered", "chosen", "letter", "in_cabinet"),
    [
        (None, None, False, True),
        (True, None, True, True),
        (False, None, False, True),
        (True, (True, False), False, True),
        (False, (False, True), True, False),
        (True, (False, False), False, None),
    ],
)
def test_it_goes_where_its_reader_wants_it(
    db: sa.Engine, answered: bool | None, chosen: tuple[bool, bool] | None, letter: bool, in_cabinet: bool | None
):
    with transaction() as session:
        world = Month(session)
        person = world.reader()
        world.billed(person, total=100)
        if answered is not None:
            world.answers(person, ConsentKind.E_STATEMENTS, answered)
        if chosen is not None:
            keep_choices(session, person.id, {NoticeEvent.MONTHLY: chosen})
    assert write_monthly(MORNING) == (in_cabinet is not None)
    assert bool(letters()) is letter
    assert [told.in_cabinet for told in notices()] == ([] if in_cabinet is None else [in_cabinet])


def test_an_answer_given_later_than_the_choice_counts(db: sa.Engine):
    with transaction() as session:
        world = Month(session)
        person = world.reader()
        world.billed(person, total=100)
        keep_choices(session, person.id, {NoticeEvent.MONTHLY: (True, True)})
        world.answers(person, ConsentKind.E_STATEMENTS, True, LONG_AGO)
        world.answers(person, ConsentKind.E_STATEMENTS, False, datetime(2099, 1, 1, tzinfo=UTC))
    assert write_monthly(MORNING) == 1
    assert letters() == []


def test_without_a_confirmed_e_mail_the_cabinet_tells_of_it(db: sa.Engine):
    one_reader(confirmed=False)
    assert write_monthly(MORNING) == 1
    assert letters() == []
    assert notices()[0].in_cabinet


def test_a_batch_takes_as_many_as_it_is_told_and_the_next_goes_on(db: sa.Engine):
    for _ in range(5):
        one_reader()
    assert [write_monthly(MORNING, most=2) for _ in range(4)] == [2, 2, 1, 0]
    assert len({letter.recipient for letter in letters()}) == 5


def test_a_relatives_account_is_in_it_under_the_readers_name_for_it(db: sa.Engine):
    with transaction() as session:
        world = Month(session)
        holder, reader = world.reader(), world.subscriber(language=Language.EN)
        account = world.billed(holder, total=100)
        world.attach(reader, account, right=Right.VIEW, label="Mum")
    assert write_monthly(MORNING) == 2
    (letter,) = letters()
    assert "• Mum\n" in letter.body
    assert letter.subject == "Summary for October 2026"


# --- its paper ------------------------------------------------------------------------------------------
def paper_of(person_id: int, language: Language = Language.RU) -> list[str]:
    printed = document_for(document="monthly/202610", recipient=f"reader{person_id}@kabinet.example", language=language)
    assert printed.name == ("сводка-2026-10.pdf" if language is Language.RU else "summary-2026-10.pdf")
    return all_lines(printed.content)


@pytest.mark.parametrize("language", list(Language))
def test_the_summary_is_printed_as_it_was_written(db: sa.Engine, language: Language):
    person_id = one_reader()
    write_monthly(MORNING)
    with transaction() as session:
        world = Month(session)
        world.pay(session.exec(select(BillingAccount)).one(), 99_900, MORNING + timedelta(days=1), payer=None)
    said = "\n".join(paper_of(person_id, language))
    assert ("Сводка за октябрь 2026" if language is Language.RU else "Summary for October 2026") in said
    assert ("550,00" if language is Language.RU else "550.00") in said
    assert "999" not in said


def test_an_account_that_is_theirs_no_more_is_not_on_it(db: sa.Engine):
    with transaction() as session:
        world = Month(session)
        person = world.subscriber()
        for label, total in (("Дом", 100), ("Чужое", 77_700)):
            account = world.billed(person, total=total)
            own = session.exec(select(Attachment).where(col(Attachment.billing_account_id) == account.id)).one()
            own.label = label
            session.add(own)
        person_id = person.id
    write_monthly(MORNING)
    with transaction() as session:
        session.execute(sa.update(Attachment).where(col(Attachment.label) == "Чужое").values(detached_at=MORNING))
    said = "\n".join(paper_of(person_id))
    assert "Дом" in said
    assert "Чужое" not in said
    assert "777" not in said


def test_nobody_gets_somebody_elses_summary_nor_one_that_was_never_written(db: sa.Engine):
    one_reader()
    write_monthly(MORNING)
    with transaction() as session:
        world = Month(session)
        stranger = world.visitor(world.reader())
        owner = world.visitor(session.get_one(Customer, session.exec(select(Notice.customer_id)).one()))
    assert perform(print_month, visitor=owner, month_on=OCTOBER).month.charged_kopecks == 55_000
    for visitor, month_on in ((stranger, OCTOBER), (owner, NOVEMBER)):
        with pytest.raises(NotAllowed):
            perform(print_month, visitor=visitor, month_on=month_on)
