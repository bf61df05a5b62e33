"""The statement says what the ledger says, to the kopeck, for whoever may see the accounts."""

import io
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from db import reading, transaction
from documents.pdf import figure
from documents.sheets import statement_csv, statement_xlsx
from documents.statement import statement_paper, statement_pdf, what
from models import BillingAccount, LedgerAccount, Transfer
from queries.statements import statement
from rules.papers import Statement, StatementAccount, StatementEntry, running, statement_period
from rules.refusals import FieldWrong, NotAllowed
from rules.terms import CardBrand, Language, PaymentMethod, Right, ServiceKind, TransferCode
from settings import operator
from tests.documents.readers import all_lines, pages, said
from tests.money.world import World, at
from texts import moment, speaking, t

MADE = datetime(2026, 11, 22, 12, tzinfo=UTC)
LABELS = (
    "#panic()",
    "*жирно* _курсив_",
    "$x^2$",
    "[ссылка](x)",
    '"кавычки" и «ёлочки»',
    "Дача 🏡👍",
    "חשבון של אמא",
    '#{ read("/etc/passwd") }',
    "<script>alert(1)</script>",
    "\\ @ref ~ -- ---",
    "=1+1",
)


def account_of(*entries: StatementEntry, label: str = "Дача", opening: int = 10_000) -> StatementAccount:
    return StatementAccount(
        account_id=1,
        number="9000000018",
        service=ServiceKind.INTERNET,
        label=label,
        holder="Ким Анна Петровна",
        address="г. Москва, ул. Садовая, д. 12",
        time_zone="Europe/Moscow",
        opening_kopecks=opening,
        entries=entries,
    )


def entries_of(count: int, *, opening: int = 10_000) -> tuple[StatementEntry, ...]:
    """Charges and payments of irregular sums, hour by hour."""
    rng = random.Random(7)
    changes = [rng.randint(1, 9_999_999) * rng.choice((-1, 1)) for _ in range(count)]
    return tuple(
        StatementEntry(
            at=at("2026-01-01") + timedelta(hours=place),
            code=TransferCode.TOP_UP if change > 0 else TransferCode.PLAN_FEE,
            kopecks=change,
            balance_kopecks=balance,
            method=PaymentMethod.CARD if change > 0 else None,
            card=(CardBrand.MIR, "4417") if change > 0 else None,
            product="" if change > 0 else "Дом 600",
        )
        for place, (change, balance) in enumerate(zip(changes, running(opening, changes), strict=True))
    )


def statement_of(*accounts: StatementAccount) -> Statement:
    return Statement(customer="Ким Анна Петровна", first=date(2026, 1, 1), last=date(2026, 11, 22), accounts=accounts)


def pdf(paper: Statement, language: Language = Language.RU) -> bytes:
    with speaking(language):
        return statement_pdf(paper, operator=operator(), made_at=MADE, time_zone="Europe/Moscow")


# --- what the ledger says -------------------------------------------------------------------------------
@pytest.fixture
def family(db: sa.Engine) -> tuple[World, list[BillingAccount]]:
    """Two accounts with a year of operations of every kind, among them at the edges of days."""
    rng = random.Random(11)
    with transaction() as session:
        world = World(session)
        anna = world.person()
        accounts = [world.account(anna), world.account(anna, service=ServiceKind.INTERNET)]
        card = world.card(anna)
        for account in accounts:
            for day in range(0, 330, 3):
                when = at("2026-01-01") + timedelta(days=day, minutes=rng.randint(-200, 200))
                if rng.random() < 0.4:
                    world.pay(account, rng.randint(1, 500_000), when, payer=anna, card=card, method=PaymentMethod.SAVED_CARD)
                else:
                    codes = [TransferCode.PLAN_FEE, TransferCode.ONE_OFF, TransferCode.LATE_FEE, TransferCode.BONUS_SPENT]
                    world.charge(account, rng.randint(1, 90_000), when, rng.choice([*codes, TransferCode.REFUND]))
        world.anna, world.visitor_ = anna, world.visitor(anna)
    return world, accounts


def _in_ledger(db: Session, account_id: int, until: datetime, since: datetime | None = None) -> tuple[int, int]:
    """What came to an account and what left it, added up from both sides of the journal."""
    ledger = db.exec(select(LedgerAccount.id).where(col(LedgerAccount.billing_account_id) == account_id)).one()
    moved = []
    for side in (Transfer.credit_id, Transfer.debit_id):
        rows = db.exec(select(Transfer.amount_kopecks, Transfer.occurred_at).where(col(side) == ledger))
        moved.append(sum(amount for amount, when in rows if when < until and (since is None or when >= since)))
    return moved[0], moved[1]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 1, 1), date(2026, 11, 30)),
        (date(2026, 3, 15), date(2026, 4, 2)),
        (date(2026, 5, 1), date(2026, 5, 1)),
        (date(2025, 1, 1), date(2025, 12, 1)),
    ],
)
def test_every_sum_on_it_is_the_ledgers(family: tuple[World, list[BillingAccount]], first: date, last: date):
    world, accounts = family
    zone = clock.zone("Europe/Moscow")
    begin = datetime(first.year, first.month, first.day, tzinfo=zone)
    end = datetime(last.year, last.month, last.day, tzinfo=zone) + timedelta(days=1)
    with reading() as db:
        told = statement(db, visitor=world.visitor_, first=first, last=last)
        for account, of in zip(accounts, told.accounts, strict=True):
            came, left = _in_ledger(db, account.id, begin)
            assert of.opening_kopecks == came - left
            assert (of.in_kopecks, of.out_kopecks) == _in_ledger(db, account.id, end, begin)
            came, left = _in_ledger(db, account.id, end)
            assert of.closing_kopecks == came - left
            assert not of.entries or of.entries[-1].balance_kopecks == of.closing_kopecks
    assert told.closing_kopecks == told.opening_kopecks + told.in_kopecks - told.out_kopecks


def test_what_it_ends_with_is_the_balance_of_today(family: tuple[World, list[BillingAccount]]):
    world, accounts = family
    with reading() as db:
        told = statement(db, visitor=world.visitor_, first=date(2026, 6, 1), last=date(2027, 1, 1))
        kept = [
            db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account.id)).one()
            for account in accounts
        ]
    assert [account.closing_kopecks for account in told.accounts] == kept


def test_a_day_is_a_day_in_the_region_of_the_account(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        account = world.account(anna)
        account.region_code = "RU-KAM"
        session.add(account)
        # Half past noon on the 31st in Greenwich is the 1st in Kamchatka.
        world.pay(account, 10_000, at("2026-08-31 12:30"), payer=anna)
        visitor = world.visitor(anna)
    with reading() as session:
        august = statement(session, visitor=visitor, first=date(2026, 8, 1), last=date(2026, 8, 31))
        september = statement(session, visitor=visitor, first=date(2026, 9, 1), last=date(2026, 9, 30))
    assert (august.operations, september.operations) == (0, 1)
    lines = all_lines(pdf(september))
    assert "01.09.2026 00:30 Пополнение картой 100,00 100,00" in lines


def test_whose_account_it_is_not_gets_nothing_and_whose_card_it_was_not_sees_no_card(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna, peter, former = world.person(), world.person("Пётр"), world.person("Вера")
        account, other = world.account(anna), world.account(anna)
        world.pay(account, 10_000, at("2026-08-31"), payer=anna, card=world.card(anna), method=PaymentMethod.SAVED_CARD)
        world.attach(peter, account, right=Right.VIEW, label="Аня")
        ended = world.attach(former, account, right=Right.MANAGE)
        ended.detached_at = at("2026-09-01")
        session.add(ended)
        visitors = [world.visitor(each) for each in (anna, peter, former)]
    period = {"first": date(2026, 8, 1), "last": date(2026, 9, 30)}
    with reading() as session:
        mine, relatives, former_ones = (statement(session, visitor=visitor, **period) for visitor in visitors)
        assert [account.account_id for account in mine.accounts] == [account.id, other.id]
        assert [(each.account_id, each.label) for each in relatives.accounts] == [(account.id, "Аня")]
        assert former_ones.accounts == ()
        for visitor, ids in ((visitors[1], [other.id]), (visitors[1], [account.id, other.id]), (visitors[2], [account.id])):
            with pytest.raises(NotAllowed):
                statement(session, visitor=visitor, account_ids=ids, **period)
    assert mine.accounts[0].entries[0].card == (CardBrand.MIR, "4417")
    assert relatives.accounts[0].entries[0].card is None
    assert relatives.accounts[0].entries[0].kopecks == 10_000


def test_more_than_fits_is_refused_before_it_is_read(family: tuple[World, list[BillingAccount]]):
    world, _ = family
    with reading() as db, pytest.raises(FieldWrong) as refused:
        statement(db, visitor=world.visitor_, first=date(2026, 1, 1), last=date(2026, 11, 30), most=100)
    assert refused.value.facts == {"field": "period", "problem": "too_much"}


TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        (date(2026, 2, 2), date(2026, 2, 1), "swapped"),
        (date(2026, 11, 23), date(2026, 12, 1), "not_yet"),
        (date(2023, 11, 22), TODAY, "too_long"),
        (date(1, 1, 1), date(1, 2, 1), "too_early"),
        (date(2026, 1, 1), date(9999, 12, 31), None),
        (date(2023, 11, 23), TODAY, None),
        (TODAY, TODAY, None),
    ],
)
def test_a_statement_is_of_days_that_were_and_of_three_years_at_most(first: date, last: date, problem: str | None):
    if problem is None:
        assert statement_period(first=first, last=last, today=TODAY) == (first, min(last, TODAY))
        return
    with pytest.raises(FieldWrong) as refused:
        statement_period(first=first, last=last, today=TODAY)
    assert refused.value.facts["problem"] == problem


# --- on paper -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_every_operation_stands_on_the_pdf_with_its_sum_and_balance_and_so_do_the_totals(language: Language):
    account = account_of(*entries_of(120))
    paper = statement_of(account, replace(account_of(*entries_of(3, opening=-5), opening=-5), number="9000000026", label=""))
    found = pages(pdf(paper, language))
    lines = [line for page in found for line in page]
    with speaking(language):
        for each in paper.accounts:
            for entry in each.entries:
                moved = figure(abs(entry.kopecks))
                when = moment(entry.at, "Europe/Moscow", pattern=t("documents.moment_pattern"))
                assert said(f"{when} {what(entry)} {moved} {figure(entry.balance_kopecks)}") in lines
            total = [figure(kopecks) for kopecks in (each.in_kopecks, each.out_kopecks, each.closing_kopecks)]
            assert said(f"{t('documents.total_of_period')} {' '.join(total)}") in lines
        sums = (paper.opening_kopecks, paper.in_kopecks, paper.out_kopecks, paper.closing_kopecks)
        assert said(f"{t('documents.total')} {' '.join(map(figure, sums))}") in lines
        header = said(" ".join(t(f"documents.{name}") for name in ("date", "operation", "in", "out", "balance")))
        for place, page in enumerate(found, start=1):
            assert page[-1].endswith(t("documents.page", page=place, pages=len(found)))
            assert header in page, f"page {place} has no header"
    assert len(found) > 3
    we = operator()
    assert we.legal_name in found[0][0]
    for detail in (we.inn, we.kpp, we.address, we.phone):
        assert any(detail in line for line in found[0][:5])


def test_an_account_without_operations_says_so():
    assert "За эти дни операций не было." in all_lines(pdf(statement_of(account_of())))
    assert "ИНН 7700000004, КПП 770001001" in "\n".join(all_lines(pdf(statement_of())))


@pytest.mark.parametrize("label", LABELS)
def test_a_name_that_looks_like_markup_is_shown_as_it_was_typed(label: str):
    found = pdf(statement_of(account_of(*entries_of(2), label=label)))
    lines = all_lines(found)
    if label.isascii() or all(sign < "\u0500" or sign in "«»" for sign in label):
        assert said(label) in lines
    # Whatever stands in it, the sums beside it are where and what they were.
    assert any(line.endswith(said(figure(account_of(*entries_of(2)).closing_kopecks))) for line in lines)
    assert "root:" not in "\n".join(lines)


def test_the_pdf_is_tagged_named_and_in_its_language():
    content = pdf(statement_of(account_of(*entries_of(2))), Language.EN)
    assert b"/MarkInfo" in content
    assert b"/StructTreeRoot" in content
    assert b"/Lang" in content
    with speaking(Language.EN):
        for zone, made in (("Asia/Vladivostok", "22:00 (UTC+10)"), ("Europe/Moscow", "15:00 (UTC+3)")):
            paper = statement_paper(statement_of(), operator=operator(), made_at=MADE, time_zone=zone)
            assert ["Made on", f"22 November 2026, {made}"] in paper["facts"]


# --- for spreadsheets -----------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_the_workbook_has_numbers_for_sums_text_for_names_and_the_ledgers_totals(language: Language):
    paper = statement_of(account_of(*entries_of(40), label="=1+1"), account_of(label="+7 900", opening=-77))
    with speaking(language):
        content = statement_xlsx(paper, operator=operator(), made_at=MADE, time_zone="Europe/Moscow")
    book = openpyxl.load_workbook(io.BytesIO(content))
    page, about = book.worksheets
    assert not [cell for sheet in book for row in sheet for cell in row if cell.data_type in ("f", "e")]
    rows = list(page.iter_rows(min_row=2, values_only=True))
    assert [row[1] for row in rows[:-1]] == ["=1+1"] * 40
    for row, entry in zip(rows, paper.accounts[0].entries, strict=False):
        assert row[0] == entry.at.astimezone(clock.zone("Europe/Moscow")).replace(tzinfo=None)
        assert round(100 * ((row[4] or 0) - (row[5] or 0))) == entry.kopecks
        assert round(100 * row[6]) == entry.balance_kopecks
    assert [round(100 * value) for value in rows[-1][4:]] == [paper.in_kopecks, paper.out_kopecks, paper.closing_kopecks]
    assert page.freeze_panes == "A2"
    assert page["G2"].number_format.startswith("#,##0.00")
    last = [cell for cell in list(about.iter_rows(values_only=True))[-1] if cell is not None]
    assert round(100 * last[-1]) == paper.closing_kopecks
    assert any(operator().inn in str(value) for row in about.iter_rows(values_only=True) for value in row)


def test_a_csv_opens_in_the_spreadsheet_of_its_language_and_runs_nothing():
    paper = statement_of(
        account_of(*entries_of(5), label="=HYPERLINK(1)", opening=-12_34), account_of(label="@SUM(A1)", opening=0)
    )
    for language, between, mark in ((Language.RU, ";", ","), (Language.EN, ",", ".")):
        with speaking(language):
            content = statement_csv(paper)
        assert content.startswith(b"\xef\xbb\xbf")
        rows = [line.split(between) for line in content.decode("utf-8-sig").splitlines()]
        assert rows[1][-1] == f"-12{mark}34", "sums stay numbers"
        assert {row[1] for row in rows[1:-1]} == {"'=HYPERLINK(1)", "'@SUM(A1)"}
        assert rows[-1][-1] == f"{paper.closing_kopecks / 100:.2f}".replace(".", mark)
        assert len(rows) == 1 + 2 + 5 + 1
