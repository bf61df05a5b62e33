"""A bill on paper: what is owed for it and to whom, and a code that a bank reads field by field."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from db import reading, transaction
from documents.bill import bill_paper, bill_pdf, payment_code
from documents.payment_qr import PaymentCode
from documents.pdf import figure, pictures
from models import Attachment, Bill, BillingAccount, BillLine, Option, Transfer
from queries.bills import bill_details, bills_count, list_bills
from rules.papers import BillDetails
from rules.refusals import NotAllowed
from rules.terms import (
    BillingMode,
    Language,
    OptionGroup,
    Recurrence,
    Right,
    ServiceKind,
    TransferCode,
)
from rules.visitor import Visitor
from settings import operator
from tests.documents.readers import all_lines, code_on, said
from tests.money.world import World, at
from texts import money, speaking, t

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)


class Household(World):
    """An account with bills for September and October: a charge is posted as its mode posts it, then put on a bill."""

    def __init__(self, db: Session, mode: BillingMode = BillingMode.POSTPAID) -> None:
        super().__init__(db)
        self.anna = self.person()
        self.anna.patronymic = "Петровна"
        self.account_ = self.account(self.anna, service=ServiceKind.INTERNET, mode=mode)
        self.account_.address = "г. Москва, ул. Садовая, д. 12, кв. 48"
        self.option = self.save(
            Option(
                code="antivirus",
                service=ServiceKind.INTERNET,
                group=OptionGroup.SECURITY,
                recurrence=Recurrence.MONTHLY,
                name_ru="Антивирус",
                name_en="Antivirus",
            )
        )

    def bill(self, month: date, *lines: tuple[TransferCode, int, int, int], posted: str) -> Bill:
        """A bill for a month; lines are code, first and last day, kopecks."""
        issued = date(month.year, month.month + 1, 1)
        made = self.save(
            Bill(
                billing_account_id=self.account_.id,
                number=f"{month:%y%m}-{self.account_.id:08d}",
                month_on=month,
                issued_on=issued,
                due_on=issued.replace(day=20),
                total_kopecks=sum(kopecks for *_, kopecks in lines),
            )
        )
        for code, first, last, kopecks in lines:
            self.charge(self.account_, kopecks, at(posted), code)
            transfer = self.db.exec(sa.select(sa.func.max(Transfer.id))).scalar_one()
            of = {"option_id": self.option.id} if code is TransferCode.OPTION_FEE else {}
            days = {"from_on": month.replace(day=first), "to_on": month.replace(day=last)}
            self.save(BillLine(bill_id=made.id, transfer_id=transfer, code=code, amount_kopecks=kopecks, **days, **of))
        return made


@pytest.fixture
def household(db: sa.Engine) -> Household:
    """Postpaid: September of 900 ₽ was paid in October, of October's 1 129,50 ₽ 400 ₽ are paid, 729,50 ₽ are left."""
    with transaction() as session:
        made = Household(session)
        made.bill(date(2026, 9, 1), (TransferCode.PLAN_FEE, 1, 30, 90_000), posted="2026-10-01 00:10")
        made.pay(made.account_, 90_000, at("2026-10-05"), payer=made.anna)
        lines = [
            (TransferCode.PLAN_FEE, 1, 31, 91_000),
            (TransferCode.OPTION_FEE, 11, 31, 9_950),
            (TransferCode.LATE_FEE, 31, 31, 12_000),
        ]
        made.october = made.bill(date(2026, 10, 1), *lines, posted="2026-11-01 00:10")
        made.pay(made.account_, 40_000, at("2026-11-03"), payer=made.anna)
        made.eyes = made.visitor(made.anna)
        made.other = made.account(made.anna)
    return made


def details(household: Household, visitor: Visitor | None = None, today: date = TODAY) -> BillDetails:
    with reading() as db:
        return bill_details(db, visitor=visitor or household.eyes, bill_id=household.october.id, today=today)


# --- what it says ---------------------------------------------------------------------------------------
def test_payments_cover_the_oldest_bill_and_what_is_missing_is_missing_from_the_newest(household: Household):
    with reading() as db:
        rows = list_bills(db, visitor=household.eyes, today=TODAY)
        assert bills_count(db, visitor=household.eyes) == len(rows) == 2
        assert list_bills(db, visitor=household.eyes, account_id=household.account_.id, limit=1, offset=1) == rows[1:]
        assert list_bills(db, visitor=household.eyes, account_id=household.other.id) == []
    assert [(row.month_on.month, row.total_kopecks, row.paid_kopecks, row.left_kopecks) for row in rows] == [
        (10, 112_950, 40_000, 72_950),
        (9, 90_000, 90_000, 0),
    ]
    assert [row.is_overdue for row in rows] == [True, False]
    assert not details(household, today=date(2026, 11, 20)).row.is_overdue


def test_the_balance_goes_from_bill_to_bill_without_a_gap(household: Household):
    of_october = details(household)
    with reading() as db:
        september = list_bills(db, visitor=household.eyes, today=TODAY)[1]
        of_september = bill_details(db, visitor=household.eyes, bill_id=september.bill_id, today=TODAY)
    assert (of_september.before_kopecks, of_september.after_kopecks) == (0, -90_000)
    assert of_october.before_kopecks == of_september.after_kopecks
    assert (of_october.paid_in_month_kopecks, of_october.after_kopecks) == (90_000, -112_950)


def test_a_prepaid_charge_that_no_bill_has_yet_is_owed_before_the_bills(db: sa.Engine):
    with transaction() as session:
        made = Household(session, BillingMode.PREPAID)
        made.charge(made.account_, 1_000, at("2026-09-15"))  # long ago, before there were bills
        made.pay(made.account_, 60_000, at("2026-10-01"), payer=made.anna)
        bill = made.bill(date(2026, 10, 1), (TransferCode.PLAN_FEE, 1, 31, 50_000), posted="2026-10-01 00:10")
        made.charge(made.account_, 50_000, at("2026-11-01"))  # November's, on no bill yet
        eyes = made.visitor(made.anna)
    with reading() as session:
        told = bill_details(session, visitor=eyes, bill_id=bill.id, today=TODAY)
    assert told.row.left_kopecks == 0
    assert (told.before_kopecks, told.after_kopecks) == (-1_000, 9_000)


def test_lines_say_their_days_and_which_are_a_part_of_a_month(household: Household):
    fee, option, late = details(household).lines
    assert (fee.days, fee.prorated) == (31, False)
    assert (option.name, option.days, option.prorated) == ("Антивирус", 21, True)
    assert (late.name, late.days, late.prorated) == ("", 1, False)


def test_only_who_the_account_is_attached_to_sees_its_bill(household: Household):
    with transaction() as session:
        world = World(session)
        stranger, relative, former = world.person("Олег"), world.person("Пётр"), world.person("Вера")
        account = session.get_one(BillingAccount, household.account_.id)
        world.attach(relative, account, right=Right.VIEW, label="Родители")
        ended: Attachment = world.attach(former, account, right=Right.MANAGE)
        ended.detached_at = at("2026-11-01")
        session.add(ended)
        eyes = [world.visitor(each) for each in (stranger, former, relative)]
    for visitor in eyes[:2]:
        with pytest.raises(NotAllowed):
            details(household, visitor)
        with reading() as db:
            assert list_bills(db, visitor=visitor) == []
    assert details(household, eyes[2]).row.label == "Родители"


# --- on paper -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_the_pdf_has_every_line_the_sum_to_pay_and_who_to_pay_it_to(household: Household, language: Language):
    bill = details(household)
    with speaking(language):
        lines = all_lines(bill_pdf(bill, operator=operator(), made_at=NOW, today=TODAY))
        text, we = "\n".join(lines), operator()
        for line in bill.lines:
            assert any(each.endswith(f" {line.days} {said(figure(line.amount_kopecks))}") for each in lines)
        assert said(f"{t('documents.bill.charged')} {figure(112_950)}") in lines
        assert said(money(72_950)) in text
        assert said(t("documents.bill.partly", paid=money(40_000), total=money(112_950))) in text
        assert said(f"{t('documents.bill.after')} {figure(-112_950)}") in lines
    bank = we.bank
    for detail in (we.legal_name, we.inn, we.kpp, we.address, bank.name, bank.bic, bank.account, bank.correspondent_account):
        assert detail in text
    assert "Ли Анна Петровна" in text
    assert household.account_.address in text


def _fields(content: str) -> list[tuple[str, str]]:
    head, *fields = content.split("|")
    assert head == "ST00012"
    return [(name, value) for name, _, value in (field.partition("=") for field in fields)]


@pytest.mark.parametrize("language", list(Language))
def test_a_bank_reads_from_the_page_what_is_left_to_pay_and_to_whom(household: Household, language: Language):
    bill = details(household)
    with speaking(language):
        (page,) = pictures("bill", bill_paper(bill, operator=operator(), today=TODAY))
    we, account = operator(), household.account_
    assert _fields(code_on(page)) == [
        ("Name", we.legal_name),
        ("PersonalAcc", we.bank.account),
        ("BankName", we.bank.name),
        ("BIC", we.bank.bic),
        ("CorrespAcc", we.bank.correspondent_account),
        ("PayeeINN", we.inn),
        ("KPP", we.kpp),
        ("Sum", "72950"),
        ("Purpose", f"Оплата услуг связи, л/с {account.number}, счёт 2610-{account.id:08d}"),
        ("PersAcc", account.number),
    ]


def test_the_code_of_a_paid_bill_names_no_sum_so_that_it_is_not_paid_twice(household: Household):
    with transaction() as session:
        world = World(session)
        world.number = 500  # keys that the household has not used
        world.pay(session.get_one(BillingAccount, household.account_.id), 72_950, at("2026-11-10"), payer=household.anna)
    bill = details(household)
    assert bill.row.left_kopecks == 0
    with speaking(Language.RU):
        paper = bill_paper(bill, operator=operator(), today=TODAY)
        (page,) = pictures("bill", paper)
        lines = all_lines(bill_pdf(bill, operator=operator(), made_at=NOW, today=TODAY))
    assert "Sum" not in dict(_fields(code_on(page)))
    assert any("счёт оплачен" in line for line in lines)
    assert any("в коде нет суммы" in line for line in lines)


# --- the code -------------------------------------------------------------------------------------------
CODE = PaymentCode(
    name="ООО «Связь»",
    personal_account="40702810000000000001",
    bank_name="Банк",
    bic="044525000",
    correspondent_account="30101810000000000000",
    payee_inn="7700000004",
    kpp="770001001",
    purpose="Оплата",
    payer_account="9000000018",
    sum_kopecks=1,
)


def _but(**other: object) -> PaymentCode:
    return replace(CODE, **other)  # type: ignore[arg-type]


def test_the_obligatory_requisites_come_first_and_in_their_order():
    assert CODE.text() == (
        "ST00012|Name=ООО «Связь»|PersonalAcc=40702810000000000001|BankName=Банк|BIC=044525000"
        "|CorrespAcc=30101810000000000000|PayeeINN=7700000004|KPP=770001001|Sum=1|Purpose=Оплата|PersAcc=9000000018"
    )


WRONG = [{"name": "А|Б"}, {"purpose": "за связь|Sum=1"}, {"purpose": "две\nстроки"}, {"bic": ""}, {"sum_kopecks": 0}]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_would_break_the_code_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError):
        _but(**wrong).text()


def test_long_names_are_cut_to_what_the_standard_carries():
    fields = dict(_fields(_but(name="Н" * 300, purpose="П" * 300).text()))
    assert (len(fields["Name"]), len(fields["Purpose"])) == (160, 210)


def test_the_code_asks_for_what_is_left(household: Household):
    with speaking(Language.RU):
        assert payment_code(details(household), operator=operator()).sum_kopecks == 72_950
