"""The receipt of a payment as a PDF of half a sheet."""

from datetime import date, datetime

from documents.pdf import account_name, card_said, draw, number_said, sheet, stamp
from rules.papers import Receipt
from rules.terms import BillerFieldKind, Language, PaymentMethod, ServiceKind
from settings import Operator
from texts import language, moment, money, month, t


def receipt_pdf(receipt: Receipt, *, operator: Operator, made_at: datetime) -> bytes:
    """The PDF, in the reader's language."""
    return draw("receipt", receipt_paper(receipt, operator=operator), at=made_at)


def receipt_paper(receipt: Receipt, *, operator: Operator) -> dict[str, object]:
    """Everything on it, as strings."""
    return sheet(
        operator,
        title=t("documents.receipt.title", number=str(receipt.payment_id)),
        under=stamp(receipt.at, receipt.time_zone),
        facts=_facts(receipt),
        header=[t("documents.receipt.what"), t("documents.receipt.sum")],
        rows=_rows(receipt),
        total=[[t("documents.receipt.paid"), money(receipt.amount_kopecks)]],
        refunds_title=t("documents.receipt.refunds"),
        refunds_header=[t("documents.date"), t("documents.receipt.reason"), t("documents.receipt.sum")],
        refunds=[
            [
                moment(refund.at, receipt.time_zone, pattern=t("documents.day_pattern")),
                f"{refund.reason} ({_account(refund.label, refund.service, refund.number)})",
                money(refund.amount_kopecks),
            ]
            for refund in receipt.refunds
        ],
        refunds_total=[["", t("documents.receipt.stayed"), money(receipt.amount_kopecks - receipt.refunded_kopecks)]],
    )


def _account(label: str, service: ServiceKind, number: str) -> str:
    said = t("documents.receipt.number", number=number_said(number)).replace(" ", "\u00a0")
    return f"{account_name(label, service)}, {said}"


def _facts(receipt: Receipt) -> list[list[str]]:
    return [
        [t("documents.receipt.payer"), receipt.payer],
        [t("documents.receipt.method"), _method(receipt)],
        [t("documents.receipt.fee"), money(0, exact=False)],
        *([[t("documents.receipt.reference"), receipt.gateway_ref]] if receipt.gateway_ref else []),
    ]


def _method(receipt: Receipt) -> str:
    said = t("documents.receipt.autopay" if receipt.method is PaymentMethod.AUTOPAY else "documents.receipt.card")
    return said if receipt.card is None else f"{said} {card_said(receipt.card)}"


def _rows(receipt: Receipt) -> list[list[str]]:
    """What was paid: accounts with their sums, or a biller with what it was told."""
    rows = [[_account(part.label, part.service, part.number), money(part.amount_kopecks)] for part in receipt.parts]
    if receipt.biller is not None:
        told = [f"{name}: {_typed(kind, value)}" for name, kind, value in receipt.biller.fields]
        payee = [receipt.biller.name, t("documents.receipt.inn", inn=receipt.biller.inn), *told]
        rows.append(["\n".join(payee), money(receipt.amount_kopecks)])
    return rows


def _typed(kind: BillerFieldKind, value: str) -> str:
    """A month in words, a reading with the language's decimal mark, all else as it was typed."""
    if kind is BillerFieldKind.PERIOD:
        return month(date.fromisoformat(f"{value}-01"))
    return value.replace(".", ",") if kind is BillerFieldKind.READING and language() is Language.RU else value
