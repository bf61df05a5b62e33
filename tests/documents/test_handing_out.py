"""Papers over HTTP: to whoever may see them, by the session cookie alone, kept by no cache; a plain sentence to all others."""

import io
from datetime import date, timedelta
from urllib.parse import unquote

import openpyxl
import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

import clock
from db import reading, transaction
from documents import pdf as pens
from models import AuditEntry, Bill, Customer
from routes.documents import DOCUMENT_ROUTES
from rules.terms import Language, Outcome, Right
from tests.documents.readers import all_lines
from tests.driver import cookie_of
from tests.money.world import World, at
from texts import keys

RU, EN = keys(Language.RU), keys(Language.EN)


def get(address: str, customer_id: int | None):
    cookies = cookie_of(customer_id) if customer_id else {}
    client = TestClient(Starlette(routes=DOCUMENT_ROUTES), raise_server_exceptions=True)
    return client.get(address, headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})


class Town:
    """Anna has an account with a payment and a bill; Vera's right to it has ended, Oleg has nothing to do with it."""

    def __init__(self) -> None:
        with transaction() as session:
            world = World(session)
            anna, vera, oleg = world.person(), world.person("Вера"), world.person("Олег")
            account = world.account(anna)
            ended = world.attach(vera, account, right=Right.MANAGE)
            ended.detached_at = at("2026-01-01")
            when = clock.now() - timedelta(days=3)
            payment = world.pay(account, 123_456, when, payer=anna)
            bill = world.save(
                Bill(
                    billing_account_id=account.id,
                    number="2610-00000001",
                    month_on=date(2026, 10, 1),
                    issued_on=date(2026, 11, 1),
                    due_on=date(2026, 11, 20),
                    total_kopecks=0,
                )
            )
            self.anna, self.vera, self.oleg, self.account = anna.id, vera.id, oleg.id, account.id
            day = clock.today() - timedelta(days=30)
            self.statement = f"/documents/statement.pdf?from={day}&to={clock.today()}"
            self.bill = f"/documents/bill/{bill.id}.pdf"
            self.receipt = f"/documents/receipt/{payment.id}.pdf"

    @property
    def papers(self) -> tuple[str, ...]:
        return f"{self.statement}&account={self.account}", self.bill, self.receipt


@pytest.fixture
def town(db: sa.Engine) -> Town:
    return Town()


@pytest.mark.parametrize(
    ("which", "name", "plain"),
    [(0, "выписка-", "statement-"), (1, "счёт-2610-00000001.pdf", "bill-2610"), (2, "чек-", "receipt-")],
)
def test_ones_own_paper_comes_as_a_file_that_no_cache_keeps(town: Town, which: int, name: str, plain: str):
    answer = get(town.papers[which], town.anna)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["cache-control"] == "no-store"
    said = answer.headers["content-disposition"]
    assert said.startswith(f'attachment; filename="{plain}')
    assert unquote(said.split("filename*=UTF-8''")[1]).startswith(name)
    assert all_lines(answer.content)


def test_the_same_operations_come_as_pdf_workbook_and_csv(town: Town):
    as_pdf, as_xlsx, as_csv = (get(town.statement.replace(".pdf", f".{kind}"), town.anna) for kind in ("pdf", "xlsx", "csv"))
    assert "Итого за период 1 234,56 0,00 1 234,56" in all_lines(as_pdf.content)
    page = openpyxl.load_workbook(io.BytesIO(as_xlsx.content)).worksheets[0]
    assert [page.cell(page.max_row, place).value for place in (5, 6, 7)] == [1234.56, 0, 1234.56]
    assert as_csv.content.decode("utf-8-sig").splitlines()[-1] == "Итого;;;;1234,56;0,00;1234,56"
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"


def test_in_the_language_of_its_person(town: Town):
    with transaction() as session:
        anna = session.get_one(Customer, town.anna)
        anna.language = Language.EN
        session.add(anna)
    answer = get(town.statement, town.anna)
    assert "Statement of operations" in all_lines(answer.content)
    assert unquote(answer.headers["content-disposition"].split("''")[1]).startswith("statement-")


@pytest.mark.parametrize("which", range(3))
def test_a_stranger_a_former_relative_and_nobody_get_a_sentence(town: Town, which: int):
    for who in (town.oleg, town.vera, None):
        answer = get(town.papers[which], who)
        assert (answer.status_code, answer.text) == (403, RU["documents.not_yours"][0])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"].startswith("text/plain")


def test_without_accounts_named_a_statement_is_of_ones_own_alone(town: Town):
    lines = "\n".join(all_lines(get(town.statement, town.vera).content))
    assert "1 234,56" not in lines


@pytest.mark.parametrize("wrong", ["0", "-1", "9" * 19, "9" * 5000, "abc", "١", "1;DROP", "%00", "1%0d%0aX:y"])
def test_an_address_that_names_nothing_of_ones_own_is_refused_alike(town: Town, wrong: str):
    for address in (f"/documents/bill/{wrong}.pdf", f"/documents/receipt/{wrong}.pdf", f"{town.statement}&account={wrong}"):
        assert get(address, town.anna).status_code == 403


TODAY = clock.today()


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", "malformed"),
        ("from=2026-01-01", "malformed"),
        ("from=2026-02-30&to=2026-03-01", "malformed"),
        ("from=вчера&to=сегодня", "malformed"),
        (f"from={'9' * 4000}&to=2026-01-01", "malformed"),
        ("from=2026-03-02&to=2026-03-01", "swapped"),
        ("from=0001-01-01&to=0001-02-01", "too_early"),
        ("from=9999-12-30&to=9999-12-31", "not_yet"),
        (f"from={TODAY - timedelta(days=3 * 366)}&to={TODAY}", "too_long"),
    ],
)
def test_days_that_make_no_statement_are_told_in_a_sentence(town: Town, query: str, problem: str):
    for kind in ("pdf", "xlsx", "csv"):
        answer = get(f"/documents/statement.{kind}?{query}", town.anna)
        assert (answer.status_code, answer.text) == (400, RU[f"field.period.{problem}"][0])
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("address", ["/documents/statement.exe", "/documents/", "/documents/bill/1", "/documents/a/b/c.pdf"])
def test_what_is_no_document_is_not_there(town: Town, address: str):
    answer = get(address, town.anna)
    assert (answer.status_code, answer.text) == (404, RU["documents.not_there"][0])


def test_every_paper_handed_out_is_in_the_journal_and_every_refused_one_too(town: Town):
    for address in town.papers:
        get(address, town.anna)
        get(address, town.oleg)
    with reading() as db:
        told = db.exec(
            select(AuditEntry.action, AuditEntry.outcome)
            .where(col(AuditEntry.action).startswith("print_"))
            .order_by(col(AuditEntry.id))
        ).all()
    names = ("print_statement", "print_bill", "print_receipt")
    assert told == [(name, outcome) for name in names for outcome in (Outcome.DONE, Outcome.REFUSED)]


def test_who_asks_while_others_are_drawn_for_too_long_is_asked_to_come_back(town: Town, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pens, "PATIENCE_SECONDS", 0.01)
    with pens._drawing:
        answer = get(town.receipt, town.anna)
    assert (answer.status_code, answer.text) == (503, RU["documents.busy"][0])
    assert get(town.receipt, town.anna).status_code == 200
