"""Handing out papers: statements, bills, receipts. Whether the visitor may have one is checked and noted in a transaction;
drawing it takes longer and happens after that.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date

import sqlalchemy as sa
from sqlmodel import Session, col

import clock
from actions.performing import action
from db import reading
from documents.bill import bill_pdf
from documents.monthly import monthly_pdf
from documents.receipt import receipt_pdf
from documents.sheets import statement_csv, statement_xlsx
from documents.statement import statement_pdf
from models import Customer, Region
from queries.bills import bill_details
from queries.monthly import OwnMonth, own_month
from queries.receipts import receipt
from queries.statements import statement
from rules.monthly import month_of_document
from rules.papers import MOST_OPERATIONS, BillDetails, PaperKind, Receipt, Statement, statement_period
from rules.refusals import NotAllowed
from rules.terms import Language, Role
from rules.visitor import Visitor
from settings import operator
from texts import speaking, t

MEDIA_TYPES = {
    PaperKind.PDF: "application/pdf",
    PaperKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    PaperKind.CSV: "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Printed:
    """A file: what is in it, what it is called in the reader's language, and in ASCII for old programs."""

    content: bytes
    name: str
    plain_name: str
    media_type: str


# --- may they have it -----------------------------------------------------------------------------------
@action("print_statement")
def print_statement(
    db: Session, *, visitor: Visitor, first: date, last: date, account_ids: Collection[int], kind: PaperKind
) -> Statement:
    """All operations from the first day to the last, both included, of these accounts; no ids: of all attached.

    Raises NotAllowed for an account that is not attached, FieldWrong("period", …) for days that make no statement.
    """
    first, last = statement_period(first=first, last=last, today=clock.today(visitor.time_zone))
    return statement(db, visitor=visitor, first=first, last=last, account_ids=account_ids, most=MOST_OPERATIONS[kind])


@action("print_bill")
def print_bill(db: Session, *, visitor: Visitor, bill_id: int) -> BillDetails:
    """A bill of an account that is attached. Raises NotAllowed."""
    return bill_details(db, visitor=visitor, bill_id=bill_id)


@action("print_receipt")
def print_receipt(db: Session, *, visitor: Visitor, payment_id: int) -> Receipt:
    """The receipt of a payment of one's own that succeeded. Raises NotAllowed."""
    return receipt(db, visitor=visitor, payment_id=payment_id)


@action("print_month")
def print_month(db: Session, *, visitor: Visitor, month_on: date) -> OwnMonth:
    """The summary of a month that the visitor was written of. Raises NotAllowed."""
    return own_month(db, visitor=visitor, month_on=month_on)


# --- drawing --------------------------------------------------------------------------------------------
def statement_file(paper: Statement, kind: PaperKind, *, visitor: Visitor) -> Printed:
    """The statement as a file, in the visitor's language and time. Raises Unavailable when too many are being drawn."""
    now, first, last = clock.now(), paper.first.isoformat(), paper.last.isoformat()
    with speaking(visitor.language):
        if kind is PaperKind.PDF:
            content = statement_pdf(paper, operator=operator(), made_at=now, time_zone=visitor.time_zone)
        elif kind is PaperKind.XLSX:
            content = statement_xlsx(paper, operator=operator(), made_at=now, time_zone=visitor.time_zone)
        else:
            content = statement_csv(paper)
        name = t("documents.statement.file", first=first, last=last, kind=kind.value)
    return Printed(content, name, f"statement-{first}-{last}.{kind.value}", MEDIA_TYPES[kind])


def bill_file(paper: BillDetails, *, visitor: Visitor) -> Printed:
    """The bill as a PDF. Raises Unavailable."""
    with speaking(visitor.language):
        content = bill_pdf(paper, operator=operator(), made_at=clock.now(), today=clock.today(visitor.time_zone))
        name = t("documents.bill.file", number=paper.row.number)
    return Printed(content, name, f"bill-{paper.row.number}.pdf", MEDIA_TYPES[PaperKind.PDF])


def receipt_file(paper: Receipt, *, visitor: Visitor) -> Printed:
    """The receipt as a PDF. Raises Unavailable."""
    with speaking(visitor.language):
        content = receipt_pdf(paper, operator=operator(), made_at=clock.now())
        name = t("documents.receipt.file", number=str(paper.payment_id))
    return Printed(content, name, f"receipt-{paper.payment_id}.pdf", MEDIA_TYPES[PaperKind.PDF])


def month_file(paper: OwnMonth, *, visitor: Visitor) -> Printed:
    """The summary of a month as a PDF. Raises Unavailable."""
    month = f"{paper.month.month_on:%Y-%m}"
    with speaking(visitor.language):
        content = monthly_pdf(
            paper.month,
            names=paper.names,
            customer=paper.customer,
            operator=operator(),
            at=paper.at,
            time_zone=paper.time_zone,
        )
        name = t("documents.monthly.file", number=month)
    return Printed(content, name, f"summary-{month}.pdf", MEDIA_TYPES[PaperKind.PDF])


# --- with a letter --------------------------------------------------------------------------------------
def document_for(*, document: str, recipient: str, language: Language) -> Printed:
    """The document of a letter (`receipt/17`, `bill/5`), as its reader would get it in the portal.

    The reader is whoever's e-mail the letter goes to: what they may not see any more does not go. Raises NotAllowed for
    that, ValueError for a document that is none, Unavailable.
    """
    kind, _, number = document.partition("/")
    if kind not in _OF_LETTERS or not (number.isascii() and number.isdigit()):
        raise ValueError(f"no such document: {document!r}")
    with reading() as db:
        visitor = replace(_reader(db, recipient), language=language)
        drawn = _OF_LETTERS[kind](db, visitor, int(number))
    return drawn()


def _reader(db: Session, email: str) -> Visitor:
    found = db.execute(
        sa.select(Customer, col(Region.time_zone))
        .join(Region, col(Region.code) == col(Customer.region_code))
        .where(col(Customer.email) == email)
    ).first()
    if found is None:
        raise NotAllowed()
    person, time_zone = found
    return Visitor(
        customer_id=person.id,
        session_id=0,  # nobody is signed in
        role=Role(person.role),
        first_name=person.first_name,
        language=person.language,
        region_code=person.region_code,
        time_zone=time_zone,
    )


def _bill_of_letter(db: Session, visitor: Visitor, bill_id: int) -> Callable[[], Printed]:
    paper = bill_details(db, visitor=visitor, bill_id=bill_id)
    return lambda: bill_file(paper, visitor=visitor)


def _receipt_of_letter(db: Session, visitor: Visitor, payment_id: int) -> Callable[[], Printed]:
    paper = receipt(db, visitor=visitor, payment_id=payment_id)
    return lambda: receipt_file(paper, visitor=visitor)


def _month_of_letter(db: Session, visitor: Visitor, number: int) -> Callable[[], Printed]:
    paper = own_month(db, visitor=visitor, month_on=month_of_document(str(number)))
    return lambda: month_file(paper, visitor=visitor)


_OF_LETTERS: dict[str, Callable[[Session, Visitor, int], Callable[[], Printed]]] = {
    "bill": _bill_of_letter,
    "monthly": _month_of_letter,
    "receipt": _receipt_of_letter,
}
