"""What a person wants to be told of, whose bills come by e-mail, and who raises what."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import select

import clock
from actions import perform
from actions.closing import erase_due_accounts
from actions.consents import change_consent
from actions.notices import choose_bill_delivery, choose_notice, keep_choices, notify, read_notices
from actions.orders import cancel_order, place_order
from actions.provisioning import carry_out_due
from actions.sessions import open_for
from db import reading, transaction
from models import AuditEntry, BillingAccount, Customer, NoticeChoice, OptionPrice
from queries.notices import bill_deliveries, count_notices, count_unread, list_notices, notice_choices
from rules.refusals import NotAllowed, NoticeNeeded, RightTooLow
from rules.terms import AccountStatus, BillingMode, ConsentKind, NoticeEvent, OrderKind, Outcome, Right
from rules.visitor import Visitor
from tests.money.world import LONG_AGO
from tests.notices.world import Readers, letters, notices


def a_visitor(*, confirmed: bool = True) -> Visitor:
    with transaction() as db:
        world = Readers(db)
        return world.visitor(world.reader(confirmed=confirmed))


def chosen(visitor: Visitor, event: NoticeEvent) -> tuple[bool, bool]:
    with reading() as db:
        return notice_choices(db, visitor=visitor).by_event[event]


def tell(visitor: Visitor, event: NoticeEvent, key: str = "k") -> None:
    with transaction() as db:
        notify(db, customer_id=visitor.customer_id, event=event, key=key, address="203.0.113.7")


# --- choosing ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("choice", [(True, True), (True, False), (False, True), (False, False)])
def test_each_way_of_an_event_is_switched_by_itself(db: sa.Engine, choice: tuple[bool, bool]):
    visitor = a_visitor()
    assert chosen(visitor, NoticeEvent.RESUMED) == (True, True)
    perform(choose_notice, visitor=visitor, event=NoticeEvent.RESUMED, in_cabinet=choice[0], by_email=choice[1])
    assert chosen(visitor, NoticeEvent.RESUMED) == choice
    assert chosen(visitor, NoticeEvent.BLOCKED) == (True, True)
    tell(visitor, NoticeEvent.RESUMED)
    assert [(told.in_cabinet, told.by_email) for told in notices()] == ([choice] if any(choice) else [])


@pytest.mark.parametrize("event", [NoticeEvent.SIGN_IN, NoticeEvent.AUTOPAY_FAILED])
def test_what_must_be_known_stays_on_one_way_and_the_attempt_is_kept(db: sa.Engine, event: NoticeEvent):
    visitor = a_visitor()
    perform(choose_notice, visitor=visitor, event=event, in_cabinet=False, by_email=True)
    with pytest.raises(NoticeNeeded):
        perform(choose_notice, visitor=visitor, event=event, in_cabinet=False, by_email=False)
    assert chosen(visitor, event) == (False, True)
    with reading() as db_:
        assert [entry.outcome for entry in db_.exec(select(AuditEntry))] == [Outcome.DONE, Outcome.REFUSED]


def test_without_a_confirmed_e_mail_nothing_is_to_be_written(db: sa.Engine):
    visitor = a_visitor(confirmed=False)
    tell(visitor, NoticeEvent.RESUMED)
    assert [told.by_email for told in notices()] == [False]
    with reading() as db_:
        assert notice_choices(db_, visitor=visitor).email == ""


def test_the_letter_of_the_month_is_off_until_somebody_says_yes(db: sa.Engine):
    visitor = a_visitor()
    assert chosen(visitor, NoticeEvent.MONTHLY) == (True, False)
    perform(change_consent, visitor=visitor, kind=ConsentKind.E_STATEMENTS, given=True, wording="?")
    assert chosen(visitor, NoticeEvent.MONTHLY) == (True, True)
    perform(choose_notice, visitor=visitor, event=NoticeEvent.MONTHLY, in_cabinet=True, by_email=False)
    assert chosen(visitor, NoticeEvent.MONTHLY) == (True, False)


# --- reading ------------------------------------------------------------------------------------------------
def test_what_was_looked_at_is_read_and_what_came_since_is_not(db: sa.Engine):
    visitor, other = a_visitor(), a_visitor()
    tell(visitor, NoticeEvent.RESUMED, "first")
    tell(other, NoticeEvent.RESUMED)
    until = clock.now()
    tell(visitor, NoticeEvent.RESUMED, "second")
    with reading() as session:
        assert (count_unread(session, visitor=visitor), count_notices(session, visitor=visitor)) == (2, 2)
    perform(read_notices, visitor=visitor, until=until)
    with reading() as session:
        rows = list_notices(session, visitor=visitor)
        assert [row.read_at is None for row in rows] == [True, False], "the newest first"
        assert count_unread(session, visitor=other) == 1


def test_a_long_list_has_pages_and_the_bell_counts_no_further_than_it_shows(db: sa.Engine):
    visitor = a_visitor()
    for number in range(25):
        tell(visitor, NoticeEvent.RESUMED, f"k{number}")
    with reading() as session:
        pages = [list_notices(session, visitor=visitor, page=page, size=10) for page in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert len({row.notice_id for page in pages for row in page}) == 25
        assert count_unread(session, visitor=visitor, most=10) == 10


def test_what_is_for_e_mail_only_is_not_in_the_cabinet(db: sa.Engine):
    visitor = a_visitor()
    with transaction() as session:
        keep_choices(session, visitor.customer_id, {NoticeEvent.RESUMED: (False, True)})
    tell(visitor, NoticeEvent.RESUMED)
    with reading() as session:
        assert list_notices(session, visitor=visitor) == []
        assert count_unread(session, visitor=visitor) == 0


# --- bills by e-mail ------------------------------------------------------------------------------------
def two_accounts(right: Right = Right.MANAGE) -> tuple[Visitor, int, int]:
    with transaction() as db:
        world = Readers(db)
        person = world.reader()
        ids = [world.account(person, mode=BillingMode.POSTPAID, right=right).id for _ in range(2)]
        return world.visitor(person), ids[0], ids[1]


def delivered(visitor: Visitor) -> list[bool]:
    with reading() as db:
        return [bill.on for bill in bill_deliveries(db, visitor=visitor)]


def test_bills_of_an_account_come_by_e_mail_when_asked_for(db: sa.Engine):
    visitor, first, _ = two_accounts()
    perform(choose_bill_delivery, visitor=visitor, account_id=first, on=True)
    assert delivered(visitor) == [True, False]
    perform(choose_bill_delivery, visitor=visitor, account_id=first, on=False)
    assert delivered(visitor) == [False, False]


def test_who_had_stopped_all_bills_gets_those_they_ask_for_again_and_no_others(db: sa.Engine):
    visitor, first, second = two_accounts()
    for account_id in (first, second):
        perform(choose_bill_delivery, visitor=visitor, account_id=account_id, on=True)
    perform(choose_notice, visitor=visitor, event=NoticeEvent.BILL, in_cabinet=False, by_email=False)
    perform(choose_bill_delivery, visitor=visitor, account_id=second, on=True)
    assert delivered(visitor) == [False, True]
    assert chosen(visitor, NoticeEvent.BILL) == (False, True)


def test_who_may_only_look_gets_no_bills_and_strangers_none_at_all(db: sa.Engine):
    viewer, first, _ = two_accounts(Right.VIEW)
    with pytest.raises(RightTooLow):
        perform(choose_bill_delivery, visitor=viewer, account_id=first, on=True)
    with pytest.raises(NotAllowed):
        perform(choose_bill_delivery, visitor=a_visitor(), account_id=first, on=True)


@pytest.mark.parametrize("right", [Right.PAY, Right.VIEW])
def test_the_answer_about_electronic_bills_holds_for_all_accounts_one_may_pay_for(db: sa.Engine, right: Right):
    visitor, _, _ = two_accounts(right)
    perform(change_consent, visitor=visitor, kind=ConsentKind.E_BILL, given=True, wording="?")
    assert delivered(visitor) == [right is Right.PAY] * 2
    perform(change_consent, visitor=visitor, kind=ConsentKind.E_BILL, given=False, wording="?")
    assert delivered(visitor) == [False, False]


# --- who raises what ------------------------------------------------------------------------------------
def ordered(minutes: int) -> tuple[Visitor, int]:
    with transaction() as db:
        world = Readers(db)
        person = world.reader()
        account, option = world.account(person, mode=BillingMode.POSTPAID), world.slow_option()
        option.provisioning_minutes = minutes
        db.add(option)
        world.save(OptionPrice(option_id=option.id, valid_from_on=LONG_AGO.date(), price_kopecks=0))
        visitor, ids = world.visitor(person), (account.id, option.id)
    placed = perform(
        place_order,
        visitor=visitor,
        account_id=ids[0],
        option_id=ids[1],
        kind=OrderKind.CONNECT,
        confirmed_kopecks=0,
        key="k",
    )
    return visitor, placed.order_id


def test_an_order_that_took_time_is_told_of_when_it_is_done(db: sa.Engine):
    visitor, order_id = ordered(60)
    assert notices() == []
    carry_out_due(clock.now() + timedelta(hours=2))
    (told,) = notices()
    assert (told.event, told.customer_id, told.key) == (NoticeEvent.ORDER_DONE, visitor.customer_id, f"order:{order_id}")
    assert (told.facts["kind"], told.facts["name_ru"], told.facts["reason"]) == ("connect", "Секретарь", "")
    assert (told.in_cabinet, told.by_email) == (True, False)


def test_what_is_done_at_once_or_taken_back_needs_no_telling(db: sa.Engine):
    ordered(0)
    visitor, order_id = ordered(60)
    perform(cancel_order, visitor=visitor, order_id=order_id)
    assert notices() == []


def test_an_order_that_came_to_nothing_is_told_of_with_its_reason(db: sa.Engine):
    ordered(60)
    with transaction() as session:
        account = session.exec(select(BillingAccount)).one()
        account.status = AccountStatus.BLOCKED
        session.add(account)
    carry_out_due(clock.now() + timedelta(hours=2))
    assert [told.facts["reason"] for told in notices()] == ["account_not_active"]


@pytest.mark.parametrize(("by_email", "written"), [(True, 1), (False, 0)])
def test_a_new_device_is_told_of_in_the_cabinet_and_by_one_letter(db: sa.Engine, by_email: bool, written: int):
    visitor = a_visitor()
    with transaction() as session:
        keep_choices(session, visitor.customer_id, {NoticeEvent.SIGN_IN: (True, by_email)})
    for browser in ("one", "one", "another"):
        with transaction() as session:
            open_for(session, visitor.customer_id, address="203.0.113.7", browser=browser, remembered=True)
    told = notices()
    assert [(each.event, each.by_email, each.facts["browser"]) for each in told] == [
        (NoticeEvent.SIGN_IN, False, "one"),
        (NoticeEvent.SIGN_IN, False, "another"),
    ]
    assert [letter.about for letter in letters()] == ["new_sign_in"] * (2 * written)


def test_who_leaves_takes_their_notices_and_choices_along(db: sa.Engine):
    visitor, other = a_visitor(), a_visitor()
    for person in (visitor, other):
        perform(choose_notice, visitor=person, event=NoticeEvent.BLOCKED, in_cabinet=True, by_email=False)
        tell(person, NoticeEvent.SIGN_IN)
    with transaction() as session:
        leaving = session.get_one(Customer, visitor.customer_id)
        leaving.closing_on = clock.today()
        session.add(leaving)
    assert erase_due_accounts(clock.now()) == 1
    assert [told.customer_id for told in notices()] == [other.customer_id]
    with reading() as session:
        assert session.exec(select(NoticeChoice.customer_id)).all() == [other.customer_id]
