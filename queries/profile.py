"""What the portal holds about its visitor, for the visitor."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from models import Consent, Customer
from rules.terms import ConsentKind, Language
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class OwnData:
    """The person as stored. `closing_on` is the day their portal account is erased, empty when it is not closed."""

    last_name: str
    first_name: str
    patronymic: str
    birth_on: date | None
    email: str | None
    phone: str | None
    region_code: str
    language: Language
    closing_on: date | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The latest answer to a question: what, when (aware UTC), and the words it was asked in."""

    given: bool
    at: datetime
    wording: str


def own_data(db: Session, *, visitor: Visitor) -> OwnData:
    """The visitor's own data."""
    person = db.get_one(Customer, visitor.customer_id)
    return OwnData(
        last_name=person.last_name,
        first_name=person.first_name,
        patronymic=person.patronymic,
        birth_on=person.birth_on,
        email=person.email,
        phone=person.phone,
        region_code=person.region_code,
        language=Language(person.language),
        closing_on=person.closing_on,
    )


def answers(db: Session, *, visitor: Visitor) -> dict[ConsentKind, Answer]:
    """The visitor's latest answer to each question; a question never answered is not in it."""
    rows = db.exec(
        select(Consent).where(col(Consent.customer_id) == visitor.customer_id).order_by(col(Consent.at), col(Consent.id))
    )
    return {ConsentKind(row.kind): Answer(given=row.given, at=row.at, wording=row.wording) for row in rows}
