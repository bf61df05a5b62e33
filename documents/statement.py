"""The statement as a PDF: operations of each account with the running balance, and what they add up to."""

from datetime import datetime

from documents.pdf import account_name, account_said, card_said, draw, figure, number_said, sheet, span, stamp
from rules.papers import Statement, StatementAccount, StatementEntry
from rules.terms import TransferCode
from settings import Operator
from texts import moment, t


def statement_pdf(statement: Statement, *, operator: Operator, made_at: datetime, time_zone: str) -> bytes:
    """The PDF, in the reader's language; `made_at` (aware) is written in `time_zone`."""
    return draw("statement", statement_paper(statement, operator=operator, made_at=made_at, time_zone=time_zone), at=made_at)


def statement_paper(statement: Statement, *, operator: Operator, made_at: datetime, time_zone: str) -> dict[str, object]:
    """Everything on it, as strings."""
    several = len(statement.accounts) > 1
    return sheet(
        operator,
        title=t("documents.statement.title"),
        period=span(statement.first, statement.last),
        facts=[
            [t("documents.statement.customer"), statement.customer],
            [t("documents.statement.made"), stamp(made_at, time_zone)],
        ],
        summary_header=[t(f"documents.{name}") for name in ("of_account", "opening", "in", "out", "closing")],
        summary=[
            [f"{number_said(account.number)} · {account_name(account.label, account.service)}", *_sums(account)]
            for account in statement.accounts
        ],
        summary_total=[[t("documents.total"), *_sums(statement)]] if several else [],
        header=[t(f"documents.{name}") for name in ("date", "operation", "in", "out", "balance")],
        accounts=[_account(account) for account in statement.accounts],
        note=t("documents.statement.note"),
    )


def what(entry: StatementEntry) -> str:
    """What an operation was, in the words of the screens."""
    if entry.code is TransferCode.TOP_UP:
        said = t(f"payments.top_up.{entry.method.value if entry.method else 'other'}")
        return said if entry.card is None else f"{said} {card_said(entry.card)}"
    if entry.product:
        return t(f"payments.{entry.code.value}", product=entry.product)
    has_no_product = entry.code in (TransferCode.BONUS_SPENT, TransferCode.REFUND)
    return t(f"payments.{entry.code.value}" if has_no_product else f"payments.code.{entry.code.value}")


def _sums(of: Statement | StatementAccount) -> list[str]:
    return [figure(kopecks) for kopecks in (of.opening_kopecks, of.in_kopecks, of.out_kopecks, of.closing_kopecks)]


def _account(account: StatementAccount) -> dict[str, object]:
    opening = ["", t("documents.opening_of_period"), "", "", figure(account.opening_kopecks)]
    pattern = t("documents.moment_pattern")
    rows = [
        [
            moment(entry.at, account.time_zone, pattern=pattern),
            what(entry),
            figure(entry.kopecks) if entry.kopecks > 0 else "",
            figure(-entry.kopecks) if entry.kopecks < 0 else "",
            figure(entry.balance_kopecks),
        ]
        for entry in account.entries
    ]
    nothing = [] if rows else [["", t("documents.statement.nothing"), "", "", ""]]
    sums = [figure(kopecks) for kopecks in (account.in_kopecks, account.out_kopecks, account.closing_kopecks)]
    about = [account_said(account.number), account.holder, account.address]
    return {
        "name": account_name(account.label, account.service),
        "about": ", ".join(filter(None, about)),
        "rows": [opening, *rows, *nothing],
        "last": [["", t("documents.total_of_period"), *sums]],
    }
