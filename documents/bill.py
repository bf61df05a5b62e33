"""The monthly bill as a PDF, with the code by which a bank's application pays it."""

from datetime import date, datetime

from documents.payment_qr import PaymentCode
from documents.pdf import draw, figure, number_said, sheet, span
from rules.papers import BillDetails, BillLineRow
from settings import Operator
from texts import day, money, month, t


def bill_pdf(bill: BillDetails, *, operator: Operator, made_at: datetime, today: date) -> bytes:
    """The PDF, in the reader's language. What is left to pay is as of `today`."""
    return draw("bill", bill_paper(bill, operator=operator, today=today), at=made_at)


def payment_code(bill: BillDetails, *, operator: Operator) -> PaymentCode:
    """What is left of the bill; nothing left: no sum, so that nobody pays it twice by reading the code."""
    bank = operator.bank
    return PaymentCode(
        name=operator.legal_name,
        personal_account=bank.account,
        bank_name=bank.name,
        bic=bank.bic,
        correspondent_account=bank.correspondent_account,
        payee_inn=operator.inn,
        kpp=operator.kpp,
        purpose=t("documents.bill.purpose", account=bill.account_number, number=bill.row.number),
        payer_account=bill.account_number,
        sum_kopecks=bill.row.left_kopecks or None,
    )


def bill_paper(bill: BillDetails, *, operator: Operator, today: date) -> dict[str, object]:
    """Everything on it, as strings."""
    row, code, bank = bill.row, payment_code(bill, operator=operator), operator.bank
    return sheet(
        operator,
        title=t("documents.bill.title", number=row.number),
        under=t("documents.bill.month", month=month(row.month_on)),
        facts=_facts(bill),
        due=_due(bill, today),
        header=[t(f"documents.{name}") for name in ("service", "days_of", "days", "amount")],
        rows=[_line(line) for line in bill.lines],
        total=[[t("documents.bill.charged"), "", "", figure(row.total_kopecks)]],
        balance={
            "title": t("documents.bill.balance"),
            "rows": [
                [t("documents.bill.before", day=day(row.month_on)), figure(bill.before_kopecks)],
                [t("documents.bill.paid_in_month"), figure(bill.paid_in_month_kopecks)],
                *(
                    [[t("documents.bill.returned"), figure(-bill.returned_in_month_kopecks)]]
                    if bill.returned_in_month_kopecks
                    else []
                ),
                [t("documents.bill.charged"), figure(-row.total_kopecks)],
            ],
            "last": [t("documents.bill.after"), figure(bill.after_kopecks)],
        },
        paying={
            "title": t("documents.bill.how_to_pay"),
            "qr": code.svg(),
            "alt": t("documents.bill.qr"),
            "facts": [
                [t("documents.bill.payee"), operator.legal_name],
                [t("documents.bill.inn_kpp"), f"{operator.inn} / {operator.kpp}"],
                [t("documents.bill.payee_account"), bank.account],
                [t("documents.bill.bank"), bank.name],
                [t("documents.bill.bic"), bank.bic],
                [t("documents.bill.correspondent_account"), bank.correspondent_account],
                [t("documents.bill.purpose_name"), code.purpose],
            ],
            "note": t("documents.bill.scan", sum=money(row.left_kopecks))
            if row.left_kopecks
            else t("documents.bill.scan_paid" if row.total_kopecks else "documents.bill.scan_nothing"),
        },
    )


def _facts(bill: BillDetails) -> list[list[str]]:
    row = bill.row
    return [
        [t("documents.of_account"), number_said(bill.account_number)],
        [t("documents.bill.service"), t(f"service.{row.service.value}")],
        [t("documents.bill.holder"), bill.holder],
        *([[t("documents.bill.address"), bill.address]] if bill.address else []),
        [t("documents.bill.issued"), day(row.issued_on)],
    ]


def _due(bill: BillDetails, today: date) -> dict[str, object]:
    """What to pay and by when, as large as it matters."""
    row = bill.row
    if not row.left_kopecks:
        under = [t("documents.bill.paid_as_of" if row.total_kopecks else "documents.bill.nothing_as_of", day=day(today))]
        return {"name": t("documents.bill.to_pay"), "sum": money(0), "under": under}
    key = "documents.bill.was_due" if row.is_overdue else "documents.bill.due"
    under = [t(key, day=day(row.due_on))]
    if row.paid_kopecks:
        under.append(t("documents.bill.partly", paid=money(row.paid_kopecks), total=money(row.total_kopecks)))
    under.append(t("documents.bill.as_of", day=day(today)))
    return {"name": t("documents.bill.to_pay"), "sum": money(row.left_kopecks), "under": under}


def _line(line: BillLineRow) -> list[str]:
    name = t(f"payments.{line.code.value}", product=line.name) if line.name else t(f"payments.code.{line.code.value}")
    return [name, span(line.from_on, line.to_on), str(line.days), figure(line.amount_kopecks)]
