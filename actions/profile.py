"""Changing what the portal holds about oneself."""

from sqlmodel import Session

from actions.consents import known_region, own_person
from actions.performing import action
from rules.visitor import Visitor


@action("change_region")
def change_region(db: Session, *, visitor: Visitor, region_code: str) -> None:
    """Live in another region from now on: it decides what is on offer and by which clock times are shown.

    Accounts keep the region of their contract. Raises FieldWrong for an unknown region.
    """
    person = own_person(db, visitor)
    person.region_code = known_region(db, region_code)
    db.add(person)
