"""What the portal remembers of how a person uses it."""

from sqlmodel import Session

import clock
from actions.performing import action
from models import Customer, PortalVisit
from rules.refusals import NotSignedIn
from rules.terms import Language
from rules.visitor import Visitor


def record_visit(db: Session, *, visitor: Visitor, screen: str) -> None:
    """A person opened a screen. No attempt at anything, so it leaves no row in the audit journal."""
    db.add(PortalVisit(customer_id=visitor.customer_id, screen=screen, at=clock.now()))


@action("choose_language")
def choose_language(db: Session, *, visitor: Visitor | None, language: Language) -> None:
    """Keep a person's own choice of language."""
    if visitor is None:
        raise NotSignedIn()
    person = db.get(Customer, visitor.customer_id)
    assert person is not None
    person.language = language
    db.add(person)
