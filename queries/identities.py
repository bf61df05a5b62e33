"""The identities at outside providers that sign a person in."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from models import ExternalIdentity
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Identity:
    """One bound identity. `provider` is its name in the configuration, `shown_as` the e-mail or name it came with."""

    identity_id: int
    provider: str
    shown_as: str
    bound_at: datetime


def own_identities(db: Session, *, visitor: Visitor) -> list[Identity]:
    """The visitor's own, the oldest first."""
    rows = db.exec(
        select(ExternalIdentity)
        .where(col(ExternalIdentity.customer_id) == visitor.customer_id)
        .order_by(col(ExternalIdentity.bound_at), col(ExternalIdentity.id))
    )
    return [Identity(row.id, row.provider, row.shown_as, row.bound_at) for row in rows]
