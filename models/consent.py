"""What people agreed to, with the words they were asked in."""

from datetime import datetime

from models.base import Table, key, ref, term, text
from rules.terms import ConsentKind, Language


class Consent(Table, table=True):
    """One answer to one question, as it was worded then. Append-only: the latest answer counts, all stay as proof."""

    __tablename__ = "consent"

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    kind: ConsentKind = term(ConsentKind)
    given: bool
    wording: str = text(500)
    language: Language = term(Language)
    at: datetime
