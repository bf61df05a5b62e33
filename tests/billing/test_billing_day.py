"""Billing day: who is charged what on the 1st, and which bill comes of it; once, whatever happens on the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, func, select

import clock
from actions.billing import bill_due
from actions.ledger import post
from db import reading, transaction
from db.check import faults
from models import Attachment, AutopayRule, Bill, BillingAccount, Customer, NoticeChoice, Order, Plan, Transfer
from rules.terms import (
    AccountStatus,
    AutopayTrigger,
    NoticeEvent,
    OrderKind,
    OrderState,
    Right,
    TransferCode,
)
from tests.billing.world import (
    LONG_AGO,
    POSTPAID,
    PREPAID,
    Contracts,
    account_of,
    balance_of,
    bills_of,
    everything,
    keys_of,
    lines_of,
    run_at,
    status_of,
    told,
)
from tests.money.planting import planted

APRIL, MAY, JUNE, JULY = (date(2026, month, 1) for month in (4, 5, 6, 7))
END_OF_MAY, END_OF_JUNE = date(2026, 5, 31), date(2026, 6, 30)
ON_THE_FIRST = run_at(JUNE)


def agrees() -> bool:
    with reading() as db:
        return faults(db.connection()) == []


# --- what is charged ------------------------------------------------------------------------------------
def test_a_postpaid_account_is_charged_for_the_month_that_ended_and_billed_at_once(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account = world.contract(POSTPAID, fee=31_000).id
        monthly, once = world.option(6_200), world.option(9_900, once=True)
        held = session.get_one(BillingAccount, account)
        world.adds(held, monthly, date(2026, 5, 11))
        world.adds(held, once, date(2026, 5, 20), ends_on=JUNE)
        options = (monthly.id, once.id)
    assert bill_due(ON_THE_FIRST) == 1
    months = lines_of(account)
    assert [(line.code, line.amount_kopecks, line.from_on, line.to_on) for line in months[MAY]] == [
        (TransferCode.PLAN_FEE, 31_000, MAY, END_OF_MAY),
        (TransferCode.OPTION_FEE, 4_200, date(2026, 5, 11), END_OF_MAY),
        (TransferCode.ONE_OFF, 9_900, date(2026, 5, 20), END_OF_MAY),
    ]
    assert tuple(line.product_id for line in months[MAY][1:]) == options
    (bill,) = bills_of(account)
    assert (bill.number, bill.issued_on, bill.due_on) == (f"2605-{account:08d}", JUNE, date(2026, 6, 20))
    assert bill.total_kopecks == -balance_of(account) == 45_100
    assert account_of(account).billed_on == JUNE
    assert agrees()


def test_a_prepaid_account_is_charged_the_month_ahead_and_billed_for_the_one_behind(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account, option = world.contract(PREPAID), world.option(10_000)
        post(
            session,
            account_id=account.id,
            code=TransferCode.OPTION_FEE,
            amount_kopecks=5_806,
            key="order:1",
            occurred_at=datetime(2026, 5, 14, 9, tzinfo=UTC),
            option_id=option.id,
        )
        world.adds(account, option, date(2026, 5, 14))
        account_id = account.id
    bill_due(ON_THE_FIRST)
    assert [(line.amount_kopecks, line.from_on, line.to_on) for line in lines_of(account_id)[MAY]] == [
        (5_806, date(2026, 5, 14), END_OF_MAY)
    ]
    assert keys_of(account_id)[1:] == ["plan:2026-06", f"option:{_code(option.id)}:2026-06"]
    assert balance_of(account_id) == -5_806 - 30_000 - 10_000, "below zero: how long that is borne is the grace's to say"
    bill_due(run_at(JULY))
    assert [(line.amount_kopecks, line.from_on, line.to_on) for line in lines_of(account_id)[JUNE]] == [
        (30_000, JUNE, END_OF_JUNE),
        (10_000, JUNE, END_OF_JUNE),
    ]
    assert agrees()


def _code(option_id: int) -> str:
    with reading() as session:
        return session.execute(sa.text("SELECT code FROM option WHERE id = :id"), {"id": option_id}).scalar_one()


@pytest.mark.parametrize("status", [AccountStatus.SUSPENDED, AccountStatus.BLOCKED])
@pytest.mark.parametrize("mode", [PREPAID, POSTPAID])
def test_who_does_not_work_is_charged_nothing_and_gets_no_bill(db: sa.Engine, mode, status):
    with transaction() as session:
        account = Contracts(session).contract(mode, status=status, since_on=MAY).id
    assert bill_due(ON_THE_FIRST) == 1
    assert (keys_of(account), bills_of(account), account_of(account).billed_on) == ([], [], JUNE)


def test_an_option_whose_end_was_ordered_is_not_charged_though_nobody_has_carried_that_out(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account, option = world.contract(PREPAID), world.option(10_000)
        world.adds(account, option, LONG_AGO)
        world.save(
            Order(
                billing_account_id=account.id,
                option_id=option.id,
                kind=OrderKind.DISCONNECT,
                state=OrderState.ACCEPTED,
                key="off",
                now_kopecks=0,
                monthly_kopecks=0,
                effective_on=JUNE,
                placed_at=datetime(2026, 5, 20, tzinfo=UTC),
                due_at=datetime(2026, 5, 31, 21, tzinfo=UTC),
            )
        )
        account_id = account.id
    bill_due(ON_THE_FIRST)
    assert keys_of(account_id) == ["plan:2026-06"]


def test_nothing_happens_before_the_month_has_begun_everywhere(db: sa.Engine):
    with transaction() as session:
        Contracts(session).contract()
    before = everything()
    assert bill_due(datetime(2026, 6, 1, 0, 4, tzinfo=UTC)) == 0
    assert everything() == before


def test_a_contract_opened_lately_has_its_first_billing_day_on_the_next_first(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        since = date(2026, 5, 22)
        old = world.contract(POSTPAID, fee=31_000, billed_on=None, started_on=since, since_on=since).id
        new = world.contract(POSTPAID, billed_on=None, started_on=JUNE, since_on=JUNE).id
    assert bill_due(ON_THE_FIRST) == 1
    assert [(line.amount_kopecks, line.from_on) for line in lines_of(old)[MAY]] == [(10_000, since)]
    assert account_of(new).billed_on is None


def test_a_prepaid_contract_that_began_in_the_month_is_billed_from_its_first_day(db: sa.Engine):
    since = date(2026, 5, 22)
    with transaction() as session:
        account = Contracts(session).contract(PREPAID, billed_on=None, started_on=since, since_on=since).id
        post(session, account_id=account, code=TransferCode.PLAN_FEE, amount_kopecks=9_677, key="plan:2026-05",
             occurred_at=datetime(2026, 5, 22, 9, tzinfo=UTC), plan_id=session.exec(select(func.max(Plan.id))).one())  # fmt: skip
    bill_due(ON_THE_FIRST)
    assert [(line.amount_kopecks, line.from_on, line.to_on) for line in lines_of(account)[MAY]] == [(9_677, since, END_OF_MAY)]
    assert keys_of(account) == ["plan:2026-05", "plan:2026-06"]


def test_a_contract_keeps_the_days_to_pay_that_it_has_had(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account = world.contract(POSTPAID)
        bill = world.owes(account, 30_000, month_on=APRIL, due_on=date(2026, 5, 11))
        bill.issued_on = MAY
        account_id = account.id
    bill_due(ON_THE_FIRST)
    assert bills_of(account_id)[-1].due_on == date(2026, 6, 11)


# --- once, whatever happens -------------------------------------------------------------------------------
def test_a_second_run_changes_nothing(db: sa.Engine):
    with transaction() as session:
        for mode in (PREPAID, POSTPAID):
            Contracts(session).contract(mode)
    assert bill_due(ON_THE_FIRST) == 2
    before = everything()
    for moment in (ON_THE_FIRST, ON_THE_FIRST + timedelta(days=13), run_at(date(2026, 6, 30))):
        assert bill_due(moment) == 0
    assert everything() == before


def test_months_that_were_missed_are_caught_up_with_one_after_the_other(db: sa.Engine):
    late = datetime(2026, 8, 13, 12, tzinfo=UTC)
    with transaction() as session:
        prepaid, postpaid = (Contracts(session).contract(mode).id for mode in (PREPAID, POSTPAID))
    while bill_due(late, most=2):
        pass
    months = [JUNE, JULY, date(2026, 8, 1)]
    assert keys_of(prepaid) == [f"plan:{month:%Y-%m}" for month in months]
    assert [bill.month_on for bill in bills_of(prepaid)] == months[:2]
    assert keys_of(postpaid) == [f"plan:{month:%Y-%m}" for month in (MAY, *months[:2])]
    assert [bill.month_on for bill in bills_of(postpaid)] == [MAY, *months[:2]]
    assert {(bill.issued_on, bill.due_on) for bill in bills_of(postpaid)} == {(late.date(), date(2026, 9, 1))}
    assert status_of(prepaid) is status_of(postpaid) is AccountStatus.ACTIVE
    assert agrees()


def test_what_was_connected_after_a_missed_billing_day_is_not_on_its_bill(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account, option = world.contract(PREPAID), world.option(10_000)
        for key, when in (("order:1", "2026-05-20"), ("order:2", "2026-06-03")):
            moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
            post(session, account_id=account.id, code=TransferCode.OPTION_FEE, amount_kopecks=100, key=key, occurred_at=moment,
                 option_id=option.id)  # fmt: skip
        account_id = account.id
    bill_due(datetime(2026, 6, 5, tzinfo=UTC))
    assert [bill.total_kopecks for bill in bills_of(account_id)] == [100]
    bill_due(run_at(JULY))
    assert [line.from_on for line in lines_of(account_id)[JUNE]] == [date(2026, 6, 3), JUNE]


def test_a_crash_in_the_middle_loses_nothing_and_doubles_nothing(db: sa.Engine):
    with transaction() as session:
        ids = [Contracts(session).contract(mode).id for mode in (PREPAID, POSTPAID) * 5]
    assert bill_due(ON_THE_FIRST, most=4) == 4
    done = everything()
    for line in ("block(db, owing=owing, ", "post_charges(db, charges=ahead, ", "issued = _issue(db, [visit for"):
        with planted("actions.billing", line, f"raise KeyboardInterrupt; {line}"), pytest.raises(KeyboardInterrupt):
            bill_due(ON_THE_FIRST, most=4)
        assert everything() == done, "a batch is done or not begun"
    assert [bill_due(ON_THE_FIRST, most=4) for _ in range(3)] == [4, 2, 0]
    assert all(len(keys_of(account)) == 1 for account in ids)
    assert agrees()


def test_workers_that_run_at_once_bill_every_account_once(db: sa.Engine):
    with transaction() as session:
        ids = [Contracts(session).contract(mode).id for mode in (PREPAID, POSTPAID) * 20]

    def work(_: int) -> int:
        done = 0
        while count := bill_due(ON_THE_FIRST, most=3):
            done += count
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == len(ids)
    assert all(len(keys_of(account)) == 1 for account in ids)
    with reading() as session:
        assert session.exec(select(func.count()).select_from(Bill)).one() == len(ids) / 2
        assert session.exec(select(func.count()).select_from(Transfer)).one() == len(ids)
    assert agrees()


def test_an_account_that_somebody_holds_is_billed_a_moment_later_and_keeps_nobody_waiting(db: sa.Engine):
    if db.dialect.name == "sqlite":
        return  # one writer at a time: nobody is held up by a row
    with transaction() as session:
        held, other = (Contracts(session).contract().id for _ in range(2))
    with ThreadPoolExecutor(1) as worker, transaction() as session:
        session.exec(select(BillingAccount).where(col(BillingAccount.id) == held).with_for_update()).one()
        assert worker.submit(bill_due, ON_THE_FIRST).result(timeout=10) == 1
    assert (keys_of(held), keys_of(other)) == ([], ["plan:2026-06"])
    assert bill_due(ON_THE_FIRST) == 1
    assert keys_of(held) == ["plan:2026-06"]


def test_a_charge_that_is_there_already_is_not_made_again(db: sa.Engine):
    """The account was through this day before, and what says so was lost."""
    with transaction() as session:
        account = Contracts(session).contract(PREPAID).id
    bill_due(ON_THE_FIRST)
    with transaction() as session:
        session.execute(sa.update(BillingAccount).values(billed_on=MAY))
    assert bill_due(ON_THE_FIRST) == 1
    assert keys_of(account) == ["plan:2026-06"]


def test_what_was_charged_after_a_month_had_its_bill_is_on_the_next_one(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account = world.contract(PREPAID)
        world.owes(account, 30_000, month_on=MAY, due_on=date(2026, 6, 20))
        post(session, account_id=account.id, code=TransferCode.LATE_FEE, amount_kopecks=500, key="late",
             occurred_at=datetime(2026, 5, 30, tzinfo=UTC))  # fmt: skip
        account_id = account.id
    for day in (JUNE, JULY):
        bill_due(run_at(day))
    assert [bill.total_kopecks for bill in bills_of(account_id)] == [30_000, 30_500]
    late = lines_of(account_id)[JUNE][0]
    assert (late.code, late.from_on, late.to_on) == (TransferCode.LATE_FEE, JUNE, END_OF_JUNE)
    assert agrees()


# --- who hears of it --------------------------------------------------------------------------------------
def test_a_bill_is_told_to_those_who_asked_for_it_and_to_nobody_else(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        account = world.contract(POSTPAID)
        people = [world.person(name) for name in ("Вера", "Олег", "Зоя", "Инна")]
        for person, wants in zip(people, (True, False, True, True), strict=True):
            person.email, person.email_confirmed_at = f"{person.id}@kabinet.example", clock.now()
            world.attach(person, account, right=Right.VIEW).bill_by_email = wants
        left = session.exec(select(Attachment).where(col(Attachment.customer_id) == people[2].id)).one()
        left.detached_at = clock.now()
        world.save(NoticeChoice(customer_id=people[3].id, event=NoticeEvent.BILL, in_cabinet=False, by_email=False,
                                changed_at=clock.now()))  # fmt: skip
        account_id, wanted = account.id, people[0].id
    bill_due(ON_THE_FIRST)
    (notice,) = told(NoticeEvent.BILL)
    (bill,) = bills_of(account_id)
    assert (notice.customer_id, notice.billing_account_id, notice.key) == (wanted, account_id, f"bill:{bill.id}")
    assert (notice.in_cabinet, notice.by_email) == (True, True)
    of_bill = {"bill_id": bill.id, "number": bill.number, "amount_kopecks": 30_000, "due_on": "2026-06-20"}
    assert notice.facts == of_bill | {"balance_kopecks": -30_000, "autopay": False, "autopay_on": None}


def test_a_charge_that_takes_a_balance_under_a_threshold_makes_its_autopay_rule_due(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        rules = {}
        for balance in (35_000, 80_000):
            account = world.contract(PREPAID)
            person = session.get_one(Customer, account.holder_id)
            rule = world.rule(person, account, world.card(person), trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=10_000)
            world.pay(account, balance, datetime(2026, 5, 20, tzinfo=UTC), payer=None)
            rules[balance] = rule.id
    bill_due(ON_THE_FIRST)
    with reading() as session:
        assert session.get_one(AutopayRule, rules[35_000]).due_at == ON_THE_FIRST
        assert session.get_one(AutopayRule, rules[80_000]).due_at is None


def test_a_plan_without_a_price_holds_nobody_up(db: sa.Engine):
    with transaction() as session:
        world = Contracts(session)
        unpriced = world.contract(fee=[]).id
        other = world.contract().id
        assert session.exec(select(func.count()).select_from(Plan)).one() >= 2
    assert bill_due(ON_THE_FIRST) == 2
    assert (keys_of(unpriced), keys_of(other)) == ([], ["plan:2026-06"])
