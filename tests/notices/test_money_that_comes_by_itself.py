"""Nobody is asked to pay what autopay pays, or what was paid while the letter waited."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col

from actions.billing import bill_due
from actions.looking_ahead import look_ahead
from actions.mailings import mail_due, write_monthly
from db import transaction
from models import Attachment, AutopayRule, AutopayRun, Bill, BillingAccount, Customer, Notice, SavedCard
from rules.notices import GATHER
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    BillingMode,
    ConsentKind,
    Language,
    NoticeEvent,
    Right,
)
from tests.notices.world import Readers, letters, moscow, notices
from texts import speaking
from texts.notices import notice_said

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
BILLED = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
MORNING = moscow(DECEMBER, 9, 30)
PREPAID, POSTPAID = BillingMode.PREPAID, BillingMode.POSTPAID
DUE: dict[str, Any] = {"amount_kind": AutopayAmount.DUE, "amount_kopecks": None}
TO_900: dict[str, Any] = {"trigger": AutopayTrigger.THRESHOLD, "amount_kopecks": 90_000}
BY_BILL: dict[str, Any] = {"trigger": AutopayTrigger.BILL, **DUE}


def with_a_rule(terms: dict[str, Any] | None, mode: BillingMode = POSTPAID, balance: int = 0, **of_account: Any) -> int:
    """An account of 550 ₽ a month, whose holder gets its bills by e-mail, with a rule of these terms."""
    with transaction() as db:
        world = Readers(db)
        person = world.reader()
        account = world.prepaid(person, fee=55_000, balance=balance, mode=mode)
        account.billed_on = NOVEMBER
        for column, value in of_account.items():
            setattr(account, column, value)
        world.save(account)
        db.execute(sa.update(Attachment).values(bill_by_email=True))
        if terms is not None:
            rule = world.rule(person, account, world.card(person), trigger=terms.get("trigger", AutopayTrigger.MONTHLY))
            for column, value in terms.items():
                setattr(rule, column, value)
            world.save(rule)
        return account.id


def told_of_the_bill(mode: BillingMode = POSTPAID) -> str:
    """What the notice of the bill says in the cabinet, after its number."""
    bill_due(BILLED)
    (notice,) = notices(NoticeEvent.BILL)
    with speaking(Language.RU):
        body = notice_said(notice.event, notice.facts, account="Дом", prepaid=mode is PREPAID).body
    return body.split(". ", 1)[1].replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (None, "Оплатите его до 20 декабря."),
        (BY_BILL, "Его оплатит автоплатёж 1 декабря."),
        (BY_BILL | {"state": AutopayState.PAUSED}, "Оплатите его до 20 декабря."),
        (BY_BILL | {"monthly_ceiling_kopecks": 50_000}, "Оплатите его до 20 декабря."),
        ({"day_of_month": 10, **DUE}, "Его оплатит автоплатёж 10 декабря."),
        ({"day_of_month": 21, **DUE}, "Оплатите его до 20 декабря."),
        ({"day_of_month": 10, "due_at": datetime(2027, 1, 10, 6, tzinfo=UTC), **DUE}, "Оплатите его до 20 декабря."),
        ({"day_of_month": 10}, "Оплатите его до 20 декабря."),
        ({"trigger": AutopayTrigger.THRESHOLD, "amount_kind": AutopayAmount.UP_TO}, "Его оплатит автоплатёж."),
    ],
    ids=["no rule", "by bill", "paused", "ceiling", "a day in time", "a day too late", "paid already", "too little", "threshold"],
)
def test_a_bill_that_autopay_will_pay_in_full_and_in_time_is_not_asked_for(
    db: sa.Engine, terms: dict[str, Any] | None, said: str
):
    with_a_rule(terms)
    assert told_of_the_bill() == said


@pytest.mark.parametrize(
    "gone",
    [
        sa.update(SavedCard).values(removed_at=BILLED),
        sa.update(SavedCard).values(expires_on=date(2026, 11, 30)),
        sa.update(Attachment).values(right=Right.VIEW),
    ],
    ids=["card removed", "card expired", "right lost"],
)
def test_nothing_is_promised_of_a_rule_that_can_no_longer_pay(db: sa.Engine, gone: Any):
    with_a_rule(BY_BILL)
    with transaction() as session:
        session.execute(gone)
    assert told_of_the_bill() == "Оплатите его до 20 декабря."


def test_a_bill_that_the_balance_has_covered_is_not_asked_for(db: sa.Engine):
    with_a_rule(None, balance=55_000)
    assert told_of_the_bill() == "Уже оплачен."


@pytest.mark.parametrize(
    ("balance", "terms", "said"),
    [
        (110_000, None, "Счёта к оплате нет."),
        (-35_000, None, "Счёта к оплате нет, но баланс ниже нуля: пополните его на 900 ₽."),
        (-35_000, TO_900, "Счёта к оплате нет, баланс пополнит автоплатёж."),
    ],
)  # fmt: skip
def test_a_report_of_charges_asks_for_what_is_missing_on_the_balance_and_for_no_more(
    db: sa.Engine, balance: int, terms: dict[str, Any] | None, said: str
):
    """The report tells of the month that ended; the balance is that after the charge of the month that begins."""
    account = with_a_rule(terms, PREPAID, balance)
    with transaction() as session:
        world = Readers(session)
        world.charge(session.get_one(BillingAccount, account), 100, datetime(2026, 11, 20, tzinfo=UTC))
        if balance < 0:
            world.pay(session.get_one(BillingAccount, account), 100, datetime(2026, 11, 20, tzinfo=UTC), payer=None)
    assert told_of_the_bill(PREPAID) == said


def letter_after(account: int, *, pays: int = 0, by_autopay: bool = False, **rule: Any) -> str:
    with transaction() as session:
        world = Readers(session)
        if pays:
            world.pay(session.get_one(BillingAccount, account), pays, MORNING, payer=None)
        if by_autopay:
            (own,) = session.scalars(sa.select(AutopayRule)).all()
            world.save(
                AutopayRun(
                    rule_id=own.id, billing_account_id=account, period="2026-12", due_on=DECEMBER, ran_at=MORNING,
                    result=AutopayResult.SUCCEEDED, amount_kopecks=pays,
                )
            )  # fmt: skip
        if rule:
            session.execute(sa.update(AutopayRule).values(**rule))
        session.execute(sa.update(Notice).values(created_at=BILLED))
    mail_due(MORNING + GATHER)
    (letter,) = letters()
    return letter.body.split("\n")[0].split(". ", 1)[1].replace("\u00a0", " ")


def test_a_letter_says_that_autopay_has_paid_the_bill_while_it_waited_for_the_morning(db: sa.Engine):
    account = with_a_rule(BY_BILL)
    bill_due(BILLED)
    assert letter_after(account, pays=55_000, by_autopay=True) == "Оплачен автоплатежом."


def test_a_letter_says_that_the_bill_is_paid_by_whomever(db: sa.Engine):
    account = with_a_rule(None)
    bill_due(BILLED)
    assert letter_after(account, pays=55_000) == "Уже оплачен."


def test_a_letter_asks_for_a_bill_whose_autopay_was_stopped_while_it_waited(db: sa.Engine):
    account = with_a_rule(BY_BILL)
    bill_due(BILLED)
    assert letter_after(account, state=AutopayState.PAUSED) == "Оплатите его до 20 декабря."


def test_who_owes_a_bill_and_whom_autopay_frees_of_it_is_read_in_as_many_statements_for_many(db: sa.Engine):
    with_a_rule(BY_BILL)
    counts = []
    for more in (0, 6):
        for _ in range(more):
            with_a_rule(BY_BILL)
        with transaction() as session:
            session.execute(sa.update(BillingAccount).values(billed_on=NOVEMBER))
        seen: list[str] = []

        def note(*args: Any, seen: list[str] = seen) -> None:
            seen.append(args[2])

        sa.event.listen(db, "before_cursor_execute", note)
        bill_due(BILLED)
        sa.event.remove(db, "before_cursor_execute", note)
        counts.append(sum("autopay_rule" in each and each.lstrip().startswith("SELECT") for each in seen))
    assert counts[0] == counts[1]


# --- a balance that was low -------------------------------------------------------------------------------
EVENING = moscow(date(2026, 11, 24), 12)


def low_and_then(*, paid: int) -> list[str]:
    """The letters of a balance of 30 ₽ that is to bear 350 ₽, when so much came before they left."""
    with transaction() as db:
        world = Readers(db)
        person = world.reader()
        account = world.prepaid(person, fee=35_000, balance=3_000).id
    look_ahead(EVENING)
    with transaction() as db:
        world = Readers(db)
        if paid:
            world.pay(db.get_one(BillingAccount, account), paid, EVENING, payer=None)
        db.execute(sa.update(Notice).values(created_at=EVENING))
    assert mail_due(EVENING + GATHER) == 1
    return [letter.body.split("\n")[0].replace("\u00a0", " ") for letter in letters()]


def test_a_letter_says_what_is_on_the_account_when_it_leaves(db: sa.Engine):
    (said,) = low_and_then(paid=5_000)
    assert said == "На счёте 80 ₽, а 1 декабря спишем 350 ₽. Пополните хотя бы на 270 ₽."


def test_no_letter_leaves_of_a_balance_that_was_raised(db: sa.Engine):
    assert low_and_then(paid=32_000) == []
    assert len(notices(NoticeEvent.DAYS_LEFT)) == 1, "in the cabinet it says when it was so"


# --- the letter of the month ------------------------------------------------------------------------------
@pytest.mark.parametrize(("state", "said"), [("active", "— оплатит автоплатёж"), ("paused", "до 20 декабря")])
def test_the_letter_of_the_month_says_what_autopay_will_pay(db: sa.Engine, state: str, said: str):
    account = with_a_rule(BY_BILL | {"state": AutopayState(state)}, status=AccountStatus.ACTIVE)
    with transaction() as session:
        person = session.get_one(Customer, session.get_one(BillingAccount, account).holder_id)
        Readers(session).answers(person, ConsentKind.E_STATEMENTS, True)
    bill_due(BILLED)
    with transaction() as session:
        assert session.scalars(sa.select(col(Bill.total_kopecks))).all() == [55_000]
    write_monthly(BILLED + timedelta(hours=7))
    body = letters()[0].body.replace("\u00a0", " ")
    assert f"К оплате 550,00 ₽ {said}." in body
    assert f"к оплате 550,00 ₽ {said}" in body
