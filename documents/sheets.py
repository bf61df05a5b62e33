"""The statement for spreadsheets: XLSX and CSV, an operation a row.

Sums are numbers, also for programs; what a person typed is text, and no program takes it for a formula.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime

import xlsxwriter

import clock
from documents.archive import cell
from documents.pdf import span, stamp
from documents.statement import what
from rules.papers import Statement, StatementAccount, StatementEntry
from rules.terms import Language
from settings import Operator
from texts import language, moment, t

_AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_MONEY = "#,##0.00;\u2212#,##0.00"
COLUMNS = ("date", "of_account", "number", "operation", "in", "out", "balance")
WIDTHS = (18, 30, 16, 42, 14, 14, 14)


def statement_xlsx(statement: Statement, *, operator: Operator, made_at: datetime, time_zone: str) -> bytes:
    """A workbook in the reader's language: operations under a header that stays, and the accounts with their balances."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {**_AS_TEXT, "in_memory": True, "remove_timezone": True}) as book:
        book.set_properties({"title": t("documents.statement.title"), "company": operator.legal_name, "created": made_at})
        bold = book.add_format({"bold": True, "bottom": 1})
        total = book.add_format({"bold": True, "top": 1})
        money = book.add_format({"num_format": _MONEY})
        total_money = book.add_format({"bold": True, "top": 1, "num_format": _MONEY})
        at = book.add_format({"num_format": "dd.mm.yyyy hh:mm", "align": "left"})

        page = book.add_worksheet(t("documents.statement.operations"))
        page.freeze_panes(1, 0)
        for place, (name, width) in enumerate(zip(COLUMNS, WIDTHS, strict=True)):
            page.set_column(place, place, width)
            page.write_string(0, place, t(f"documents.{name}"), bold)
        line = 0
        for account, entry in _entries(statement):
            line += 1
            page.write_datetime(line, 0, entry.at.astimezone(clock.zone(account.time_zone)).replace(tzinfo=None), at)
            page.write_string(line, 1, _name(account))
            page.write_string(line, 2, account.number)
            page.write_string(line, 3, what(entry))
            if entry.kopecks:
                page.write_number(line, 4 if entry.kopecks > 0 else 5, abs(entry.kopecks) / 100, money)
            page.write_number(line, 6, entry.balance_kopecks / 100, money)
        if line:
            page.autofilter(0, 0, line, len(COLUMNS) - 1)
        line += 1
        for place in range(len(COLUMNS)):
            page.write_blank(line, place, None, total)
        page.write_string(line, 0, t("documents.total"), total)
        for place, kopecks in ((4, statement.in_kopecks), (5, statement.out_kopecks), (6, statement.closing_kopecks)):
            page.write_number(line, place, kopecks / 100, total_money)

        about = book.add_worksheet(t("documents.statement.accounts"))
        about.set_column(0, 0, 30)
        about.set_column(1, 5, 18)
        for line, (name, value) in enumerate(_about(statement, operator, made_at, time_zone)):
            about.write_string(line, 0, name)
            about.write_string(line, 1, value)
        line += 2
        for place, name in enumerate(("of_account", "number", "opening", "in", "out", "closing")):
            about.write_string(line, place, t(f"documents.{name}"), bold)
        for account in statement.accounts:
            line += 1
            about.write_string(line, 0, _name(account))
            about.write_string(line, 1, account.number)
            for place, kopecks in enumerate(_sums(account), start=2):
                about.write_number(line, place, kopecks / 100, money)
        line += 1
        about.write_string(line, 0, t("documents.total"), total)
        about.write_blank(line, 1, None, total)
        for place, kopecks in enumerate(_sums(statement), start=2):
            about.write_number(line, place, kopecks / 100, total_money)
    return file.getvalue()


def statement_csv(statement: Statement) -> bytes:
    """UTF-8 with a byte order mark, Windows line ends; `;` and a decimal comma in Russian, `,` and a point in English."""
    russian = language() is Language.RU
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";" if russian else ",")

    def sum_(kopecks: int) -> str:
        said = f"{'-' if kopecks < 0 else ''}{abs(kopecks) // 100}.{abs(kopecks) % 100:02d}"
        return said.replace(".", ",") if russian else said

    writer.writerow([t(f"documents.{name}") for name in COLUMNS])
    pattern = t("documents.moment_pattern")
    for account in statement.accounts:
        named = [cell(_name(account)), account.number]
        writer.writerow(["", *named, t("documents.opening_of_period"), "", "", sum_(account.opening_kopecks)])
        for entry in account.entries:
            writer.writerow(
                [
                    moment(entry.at, account.time_zone, pattern=pattern),
                    *named,
                    cell(what(entry)),
                    sum_(entry.kopecks) if entry.kopecks > 0 else "",
                    sum_(-entry.kopecks) if entry.kopecks < 0 else "",
                    sum_(entry.balance_kopecks),
                ]
            )
    sums = [sum_(kopecks) for kopecks in (statement.in_kopecks, statement.out_kopecks, statement.closing_kopecks)]
    writer.writerow([t("documents.total"), "", "", "", *sums])
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def _name(account: StatementAccount) -> str:
    return account.label or t(f"service.{account.service.value}")


def _entries(statement: Statement) -> Iterator[tuple[StatementAccount, StatementEntry]]:
    return ((account, entry) for account in statement.accounts for entry in account.entries)


def _sums(of: Statement | StatementAccount) -> tuple[int, int, int, int]:
    return of.opening_kopecks, of.in_kopecks, of.out_kopecks, of.closing_kopecks


def _about(statement: Statement, operator: Operator, made_at: datetime, time_zone: str) -> list[tuple[str, str]]:
    legal = f"{operator.legal_name}, {t('documents.legal', inn=operator.inn, kpp=operator.kpp)}, {operator.address}"
    return [
        (t("documents.statement.operator"), legal),
        (t("documents.statement.customer"), statement.customer),
        (t("documents.statement.period"), span(statement.first, statement.last)),
        (t("documents.statement.made"), stamp(made_at, time_zone)),
    ]
