"""The summary of a month as a PDF: what was charged and paid, what is due, and what comes next, of all accounts."""

from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from documents.pdf import account_name, draw, figure, number_said, sheet, stamp
from rules.monthly import MonthOfAccount, MonthOfPerson, NextAutopay
from rules.terms import ServiceKind
from settings import Operator
from texts import day, money, month, number, t

Names = Mapping[int, tuple[str, ServiceKind, str]]
"""Account → the reader's label, its service, its number."""


def monthly_pdf(
    summary: MonthOfPerson, *, names: Names, customer: str, operator: Operator, at: datetime, time_zone: str
) -> bytes:
    """The PDF, in the reader's language; `at` (aware), when it was written, is said in `time_zone`."""
    return draw(
        "monthly", monthly_paper(summary, names=names, customer=customer, operator=operator, at=at, time_zone=time_zone), at=at
    )


def monthly_paper(
    summary: MonthOfPerson, *, names: Names, customer: str, operator: Operator, at: datetime, time_zone: str
) -> dict[str, object]:
    """Everything on it, as strings."""
    written, written_on = stamp(at, time_zone), at.astimezone(ZoneInfo(time_zone)).date()
    return sheet(
        operator,
        title=t("documents.monthly.title", month=month(summary.month_on)),
        under=customer,
        facts=[[t("documents.statement.made"), written]],
        due=_due(summary, written_on),
        header=[t("documents.of_account"), *(t(f"documents.monthly.{name}") for name in ("charged", "paid", "due", "balance"))],
        rows=[_row(account, names, written_on) for account in summary.accounts],
        total=[t("documents.total"), *_sums(summary)] if len(summary.accounts) > 1 else [],
        ahead={
            "title": t("documents.monthly.ahead"),
            "rows": [[_name(account, names), _autopay(account.autopay)] for account in summary.accounts],
        },
        points={
            "title": t("documents.monthly.points"),
            "rows": [
                [t("documents.monthly.points_now"), number(summary.points)],
                [t("documents.monthly.points_earned"), number(summary.points_earned)],
            ],
        },
        note=t("documents.monthly.note", moment=written),
    )


def _due(summary: MonthOfPerson, written_on: date) -> dict[str, str]:
    """What to pay and by when, as large as it matters."""
    if not summary.due_kopecks or summary.due_on is None:
        return {"name": t("documents.monthly.due"), "sum": money(0), "under": t("documents.monthly.nothing_due")}
    days = {account.due_on for account in summary.accounts if account.due_on}
    return {
        "name": t("documents.monthly.due"),
        "sum": money(summary.due_kopecks),
        "under": _by(summary.due_on, written_on) if len(days) == 1 else t("documents.monthly.due_each"),
    }


def _name(account: MonthOfAccount, names: Names) -> str:
    label, service, _ = names[account.account_id]
    return account_name(label, service)


def _by(due_on: date, written_on: date) -> str:
    """By when, as of the day it was written."""
    if due_on == written_on:
        return t("documents.monthly.due_now")
    return t("documents.monthly.due_by" if due_on > written_on else "documents.monthly.was_due", day=_day(due_on))


def _row(account: MonthOfAccount, names: Names, written_on: date) -> dict[str, object]:
    by = _by(account.due_on, written_on) if account.due_on else ""
    return {
        "name": _name(account, names),
        "number": number_said(names[account.account_id][2]),
        "sums": _sums(account),
        "by": by,
    }


def _sums(of: MonthOfAccount | MonthOfPerson) -> list[str]:
    return [figure(kopecks) for kopecks in (of.charged_kopecks, of.paid_kopecks, of.due_kopecks, of.balance_kopecks)]


def _autopay(autopay: NextAutopay | None) -> str:
    """What pays the account next, in words."""
    if autopay is None:
        return t("documents.monthly.no_autopay")
    amount = money(autopay.amount_kopecks or 0, exact=False)
    if autopay.on is not None:
        return t(f"documents.monthly.autopay.on.{autopay.amount_kind.value}", day=_day(autopay.on), sum=amount)
    threshold = money(autopay.threshold_kopecks or 0, exact=False)
    return t(f"documents.monthly.autopay.below.{autopay.amount_kind.value}", threshold=threshold, sum=amount)


def _day(value: date) -> str:
    return day(value, this_year=value.year)
