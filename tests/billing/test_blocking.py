"""Who owes for too long is blocked; who pays works again at once. The worst there is: to be suspended after having paid."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.billing import bill_due
from actions.blocking import block_overdue, resume_if_paid, resume_paid
from actions.bonus import spend_points
from actions.ledger import post
from actions.payments import begin_payment, progress
from db import reading, transaction
from db.check import faults
from models import AutopayRule, BillingAccount, Customer
from rules.terms import (
    AccountStatus,
    AutopayTrigger,
    BillingMode,
    NoticeEvent,
    PaymentState,
    Right,
    TransferCode,
)
from rules.visitor import Visitor
from tests.billing.world import (
    LONG_AGO,
    POSTPAID,
    PREPAID,
    Contracts,
    account_of,
    balance_of,
    bills_of,
    keys_of,
    lines_of,
    pay_cash,
    run_at,
    status_of,
    told,
)
from tests.money.bank import pays

APRIL, MAY, JUNE, JULY = (date(2026, month, 1) for month in (4, 5, 6, 7))
ACTIVE, BLOCKED = AccountStatus.ACTIVE, AccountStatus.BLOCKED
NOON = timedelta(hours=12)


def debtor(mode: BillingMode, *, status: AccountStatus = ACTIVE, billed_on: date = JUNE) -> int:
    """An account that has paid neither April nor May."""
    with transaction() as session:
        world = Contracts(session)
        since = JUNE if status is BLOCKED else LONG_AGO
        account = world.contract(mode, billed_on=billed_on, status=status, since_on=since)
        world.owes(account, 30_000, month_on=date(2026, 3, 1), due_on=date(2026, 4, 20))
        world.owes(account, 30_000, month_on=APRIL, due_on=date(2026, 5, 20))
        return account.id


def agrees() -> bool:
    with reading() as session:
        return faults(session.connection()) == []


# --- blocked ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", [PREPAID, POSTPAID])
def test_billing_day_blocks_before_the_month_ahead_is_charged_and_after_the_one_behind_is(db: sa.Engine, mode: BillingMode):
    account = debtor(mode, billed_on=MAY)
    bill_due(run_at(JUNE))
    assert (status_of(account), account_of(account).status_since_on) == (BLOCKED, JUNE)
    behind = ["plan:2026-05"] if mode is POSTPAID else []
    assert keys_of(account) == ["plan:2026-03", "plan:2026-04", *behind]
    bill_due(run_at(JULY))
    assert keys_of(account)[2:] == behind, "who is blocked is not charged"
    assert len(bills_of(account)) == 2 + len(behind)
    assert agrees()


def test_debt_is_borne_for_one_billing_day(db: sa.Engine):
    with transaction() as session:
        ids = [Contracts(session).contract(mode, billed_on=APRIL).id for mode in (PREPAID, POSTPAID)]
    for day in (MAY, JUNE):
        bill_due(run_at(day))
        assert {status_of(account) for account in ids} == {ACTIVE}
    bill_due(run_at(JULY))
    assert {status_of(account) for account in ids} == {BLOCKED}


def test_whoever_may_pay_is_told_of_the_blocking_once(db: sa.Engine):
    account = debtor(PREPAID)
    with transaction() as session:
        world = Contracts(session)
        held = session.get_one(BillingAccount, account)
        payer, viewer = world.person("Вера"), world.person("Олег")
        world.attach(payer, held, right=Right.PAY)
        world.attach(viewer, held, right=Right.VIEW)
        expected = {held.holder_id, payer.id}
    noon = run_at(JUNE) + NOON
    assert [block_overdue(noon), block_overdue(noon)] == [1, 0]
    notices = told(NoticeEvent.BLOCKED)
    assert {notice.customer_id for notice in notices} == expected
    assert len(notices) == 2
    assert notices[0].facts == {"debt_kopecks": 60_000, "on": "2026-06-01"}
    assert status_of(account) is BLOCKED


@pytest.mark.parametrize("mode", [PREPAID, POSTPAID])
def test_money_that_was_given_back_later_in_the_month_makes_the_debt_old_again(db: sa.Engine, mode: BillingMode):
    account = debtor(mode)
    moment = datetime(2026, 6, 11, 9, tzinfo=UTC)
    pay_cash(account, 60_000, datetime(2026, 5, 30, tzinfo=UTC))
    assert block_overdue(moment) == 0
    with transaction() as session:
        post(session, account_id=account, code=TransferCode.REFUND, amount_kopecks=60_000, key="back", occurred_at=moment)
    assert block_overdue(moment) == 1
    assert account_of(account).status_since_on == date(2026, 6, 11)
    bill_due(run_at(JULY))
    line = [(1, 10)] if mode is POSTPAID else []
    assert [(line.from_on.day, line.to_on.day) for line in lines_of(account).get(JUNE, [])] == line, "it worked until then"


def test_only_accounts_that_have_been_through_the_billing_day_are_looked_at(db: sa.Engine):
    """Else a month would be blocked before it was charged."""
    account = debtor(POSTPAID, billed_on=MAY)
    assert block_overdue(run_at(JUNE)) == 0
    assert status_of(account) is ACTIVE


@pytest.mark.parametrize("block", [block_overdue, bill_due])
def test_a_payment_that_is_being_booked_while_the_account_is_looked_at_wins(db: sa.Engine, block):
    account = debtor(PREPAID, billed_on=JUNE if block is block_overdue else MAY)
    with ThreadPoolExecutor(1) as other:
        with transaction() as session:
            world = Contracts(session)
            world.pay(session.get_one(BillingAccount, account), 60_000, run_at(JUNE), payer=None)
            session.flush()
            looking = other.submit(block, run_at(JUNE))
            time.sleep(0.4)  # it has seen the debt by now, and waits for the money
        looking.result(timeout=20)
    assert status_of(account) is ACTIVE


# --- works again ------------------------------------------------------------------------------------------
class Payer:
    """The holder of a blocked account, at the portal."""

    def __init__(self, mode: BillingMode) -> None:
        self.account_id = debtor(mode, status=BLOCKED)
        with transaction() as session:
            world = Contracts(session)
            person = session.get_one(Customer, account_of(self.account_id).holder_id)
            person.email, person.email_confirmed_at = "payer@kabinet.example", clock.now()
            session.add(person)
            self.visitor: Visitor = world.visitor(person)
            self.person_id = person.id

    def pays(self, kopecks: int, key: str = "once") -> None:
        payment = perform(begin_payment, visitor=self.visitor, parts={self.account_id: kopecks}, key=key,
                          return_url="/back/payment/{payment}")  # fmt: skip
        pays(progress(visitor=self.visitor, payment_id=payment.payment_id).page_url)
        assert progress(visitor=self.visitor, payment_id=payment.payment_id).state is PaymentState.SUCCEEDED


@pytest.fixture
def on_the_16th(monkeypatch: pytest.MonkeyPatch) -> datetime:
    moment = datetime(2026, 6, 16, 9, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    return moment


def test_a_payment_of_the_debt_lets_a_prepaid_account_work_again_at_once_and_charges_the_rest_of_the_month(
    db: sa.Engine, on_the_16th: datetime
):
    payer = Payer(PREPAID)
    payer.pays(60_000)
    account = account_of(payer.account_id)
    assert (account.status, account.status_since_on) == (ACTIVE, on_the_16th.date())
    assert keys_of(payer.account_id)[-1] == "plan:2026-06:from-16"
    assert balance_of(payer.account_id) == -15_000, "the debt that was shown is paid: the rest is not waited for"
    assert [(notice.customer_id, notice.facts) for notice in told(NoticeEvent.RESUMED)] == [
        (payer.person_id, {"on": "2026-06-16"})
    ]
    assert block_overdue(on_the_16th) == 0
    bill_due(run_at(JULY))
    (line,) = lines_of(payer.account_id)[JUNE]
    assert (line.amount_kopecks, line.from_on, line.to_on) == (15_000, date(2026, 6, 16), date(2026, 6, 30))
    assert keys_of(payer.account_id)[-1] == "plan:2026-07"
    assert status_of(payer.account_id) is ACTIVE
    assert agrees()


def test_a_postpaid_account_that_works_again_is_charged_for_the_days_it_works(db: sa.Engine, on_the_16th: datetime):
    payer = Payer(POSTPAID)
    payer.pays(60_000)
    assert (status_of(payer.account_id), balance_of(payer.account_id)) == (ACTIVE, 0)
    bill_due(run_at(JULY))
    (line,) = lines_of(payer.account_id)[JUNE]
    assert (line.amount_kopecks, line.from_on) == (15_000, date(2026, 6, 16))
    assert agrees()


def test_a_payment_of_a_part_of_the_debt_does_not(db: sa.Engine, on_the_16th: datetime):
    payer = Payer(POSTPAID)
    payer.pays(59_000)
    assert status_of(payer.account_id) is BLOCKED
    payer.pays(5_000, key="again")
    assert status_of(payer.account_id) is ACTIVE


def test_cash_points_and_whatever_else_covers_the_debt_are_found_by_the_sweep(db: sa.Engine, on_the_16th: datetime):
    by_cash, others = debtor(POSTPAID, status=BLOCKED), debtor(POSTPAID, status=BLOCKED)
    payer = Payer(POSTPAID)
    with transaction() as session:
        Contracts(session).lot(session.get_one(Customer, payer.person_id), 600, date(2026, 1, 1), date(2027, 1, 1))
    pay_cash(by_cash, 60_000, on_the_16th)
    perform(spend_points, visitor=payer.visitor, account_id=payer.account_id, points=600, key="p")
    assert resume_paid(on_the_16th) == 2
    assert resume_paid(on_the_16th) == 0
    assert [status_of(account) for account in (by_cash, payer.account_id, others)] == [ACTIVE, ACTIVE, BLOCKED]


def test_who_works_again_is_not_charged_twice_for_what_was_paid_for_this_month(db: sa.Engine, on_the_16th: datetime):
    """It was charged on the 1st, worked, and was blocked in the middle of the month."""
    account = debtor(PREPAID, status=BLOCKED)
    with transaction() as session:
        world = Contracts(session)
        option = world.option(3_000)
        world.adds(session.get_one(BillingAccount, account), option, LONG_AGO)
        post(session, account_id=account, code=TransferCode.PLAN_FEE, amount_kopecks=30_000, key="plan:2026-06",
             occurred_at=run_at(JUNE), plan_id=_plan_of(session, account))  # fmt: skip
        code = option.code
    pay_cash(account, 90_000, on_the_16th)
    assert resume_paid(on_the_16th) == 1
    assert keys_of(account)[-2:] == ["plan:2026-06", f"option:{code}:2026-06:from-16"]


def _plan_of(session, account_id: int) -> int:
    return session.execute(
        sa.text("SELECT plan_id FROM subscription WHERE billing_account_id = :id AND plan_id IS NOT NULL"), {"id": account_id}
    ).scalar_one()


def test_days_are_those_of_the_accounts_region(db: sa.Engine):
    """In Vladivostok it is July already: the whole of it is charged, and billing day does not charge it again."""
    account = debtor(PREPAID, status=BLOCKED)
    with transaction() as session:
        session.get_one(BillingAccount, account).region_code = "RU-PRI"
    last_evening = datetime(2026, 6, 30, 18, tzinfo=UTC)
    pay_cash(account, 60_000, last_evening)
    assert resume_paid(last_evening) == 1
    assert keys_of(account)[-1] == "plan:2026-07:from-01"
    bill_due(run_at(JULY))
    assert keys_of(account)[-1] == "plan:2026-07:from-01"
    assert JUNE not in lines_of(account)
    bill_due(run_at(date(2026, 8, 1)))
    assert [line.amount_kopecks for line in lines_of(account)[JULY]] == [30_000]


def test_an_account_that_is_suspended_or_closed_is_not_woken_by_money(db: sa.Engine, on_the_16th: datetime):
    with transaction() as session:
        account = Contracts(session).contract(PREPAID, status=AccountStatus.SUSPENDED, since_on=MAY).id
    pay_cash(account, 60_000, on_the_16th)
    with transaction() as session:
        assert resume_if_paid(session, account_ids=[account], now=on_the_16th) == []
    assert resume_paid(on_the_16th) == 0
    assert status_of(account) is AccountStatus.SUSPENDED


def test_the_charge_for_the_rest_of_the_month_wakes_the_autopay_by_threshold(db: sa.Engine, on_the_16th: datetime):
    payer = Payer(PREPAID)
    with transaction() as session:
        world = Contracts(session)
        person = session.get_one(Customer, payer.person_id)
        rule = world.rule(person, session.get_one(BillingAccount, payer.account_id), world.card(person),
                          trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=10_000)  # fmt: skip
        rule_id = rule.id
    payer.pays(60_000)
    with reading() as session:
        assert session.exec(select(AutopayRule.due_at).where(col(AutopayRule.id) == rule_id)).one() == on_the_16th
