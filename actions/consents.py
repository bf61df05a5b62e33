"""What a person agrees to: the questions of the first sign-in, and changing an answer later."""

from sqlmodel import Session, col, select

import clock
from actions.bonus import grant_once
from actions.notices import deliver_bills
from actions.performing import action
from models import Consent, Customer, Region
from rules.refusals import FieldWrong, NotAllowed
from rules.terms import BonusSource, ConsentKind, Role
from rules.visitor import Visitor
from settings import operator

PRESELECTED = frozenset({ConsentKind.E_STATEMENTS, ConsentKind.E_BILL})
"""The questions whose "yes" may stand in the form beforehand: how documents of an existing contract are delivered.

The other two ask for consents that the law wants to be given, not left in place: advertising over a network needs the
subscriber's prior consent, which the sender must prove (38-FZ, art. 18), and consent to use personal data must be specific,
informed and unambiguous (152-FZ, art. 9). So nothing stands there beforehand: the person says yes or no themselves.
"""

LONGEST_WORDING = 500


@action("answer_questions")
def answer_questions(
    db: Session,
    *,
    visitor: Visitor,
    answers: dict[ConsentKind, bool],
    wordings: dict[ConsentKind, str],
    region_code: str,
) -> None:
    """Keep the answers of the first sign-in, one row a question with the words it was asked in, and the person's region.

    Answered once: a second click changes nothing. Raises NotAllowed (staff), FieldWrong (a question without an answer, an
    unknown region).
    """
    person = own_person(db, visitor)
    if person.role is not Role.CUSTOMER:
        raise NotAllowed()
    if person.welcomed_at is not None:
        return
    if any(kind not in answers or not wordings.get(kind, "").strip() for kind in ConsentKind):
        raise FieldWrong(field="consent", problem="unanswered")
    person.region_code = known_region(db, region_code)
    person.welcomed_at = clock.now()
    db.add(person)
    grant_once(db, person.id, BonusSource.PROFILE, operator().bonus.profile_points, "profile", person.welcomed_at)
    for kind in ConsentKind:
        _keep(db, visitor, kind, answers[kind], wordings[kind])


@action("change_consent")
def change_consent(db: Session, *, visitor: Visitor, kind: ConsentKind, given: bool, wording: str) -> None:
    """Answer one question anew; the earlier answers stay as proof. The same answer again leaves no row.

    Raises NotAllowed (staff), FieldWrong (without the words that were asked).
    """
    person = own_person(db, visitor)
    if person.role is not Role.CUSTOMER:
        raise NotAllowed()
    if not wording.strip():
        raise FieldWrong(field="consent", problem="unanswered")
    before = db.exec(
        select(Consent.given)
        .where(col(Consent.customer_id) == person.id, col(Consent.kind) == kind)
        .order_by(col(Consent.at).desc(), col(Consent.id).desc())
    ).first()
    if before is not given:
        _keep(db, visitor, kind, given, wording)


def own_person(db: Session, visitor: Visitor) -> Customer:
    """The visitor's own row, locked until the commit. Raises NotAllowed after it was erased."""
    person = db.exec(select(Customer).where(col(Customer.id) == visitor.customer_id).with_for_update()).first()
    if person is None or person.erased_at is not None:
        raise NotAllowed()
    return person


def known_region(db: Session, region_code: str) -> str:
    """The code, when there is such a region. Raises FieldWrong."""
    if db.get(Region, region_code) is None:
        raise FieldWrong(field="region", problem="unknown")
    return region_code


def _keep(db: Session, visitor: Visitor, kind: ConsentKind, given: bool, wording: str) -> None:
    db.add(
        Consent(
            customer_id=visitor.customer_id,
            kind=kind,
            given=given,
            wording=wording.strip()[:LONGEST_WORDING],
            language=visitor.language,
            at=clock.now(),
        )
    )
    if kind is ConsentKind.E_BILL:
        deliver_bills(db, customer_id=visitor.customer_id, on=given)
    if kind is ConsentKind.E_BILL and given:
        grant_once(db, visitor.customer_id, BonusSource.E_BILL, operator().bonus.e_bill_points, "e_bill", clock.now())
