"""The people that a demo's sign-in page offers."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from models import Customer, DemoPersona


@dataclass(frozen=True, slots=True)
class Persona:
    """One card: its key names the texts, the person's name is shown as it is stored."""

    key: str
    name: str


def personas(db: Session) -> list[Persona]:
    """All personas in the order of the page; empty where the demo's data are missing."""
    rows = db.exec(
        select(DemoPersona.key, Customer.first_name, Customer.last_name)
        .join(Customer, col(Customer.id) == col(DemoPersona.customer_id))
        .order_by(col(DemoPersona.position))
    ).all()
    return [Persona(key, f"{first} {last}") for key, first, last in rows]
