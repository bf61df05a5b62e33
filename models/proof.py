"""What a person must show to be believed: a link or code that was sent to a contact of theirs."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, ref, term, text
from rules.terms import ProofKind


class Proof(Table, table=True):
    """One sent token (a link) or code (six digits), good once and for a short while.

    `target` is the contact it was sent to: for a change of e-mail or phone the new one. Only a hash is stored, of a
    code together with the row's id and the secret key. `tries` counts wrong codes.
    """

    __tablename__ = "proof"
    __table_args__ = (sa.CheckConstraint("tries >= 0", name="tries"),)

    id: int = key()
    kind: ProofKind = term(ProofKind)
    customer_id: int = ref("customer.id", index=True)
    target: str = text(254, default="")
    secret_hash: str = text(64, index=True)
    tries: int = Field(default=0)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = Field(default=None)
