"""Somebody who wants a portal account and has not yet shown that the e-mail is theirs."""

from datetime import date, datetime

from sqlmodel import Field

from models.base import Table, code_ref, key, term, text
from rules.terms import Language


class Registration(Table, table=True):
    """What was typed at registration, until the link in the letter is used or runs out.

    A customer exists only from then on: whoever types a foreign e-mail takes it from nobody. Of several registrations
    with one e-mail the first confirmed wins. Only hashes of the password and of the link's token are here.
    """

    __tablename__ = "registration"

    id: int = key()
    email: str = text(254, index=True)
    phone: str = text(12)
    last_name: str = text(60)
    first_name: str = text(60)
    patronymic: str = text(60, default="")
    birth_on: date
    region_code: str = code_ref("region.code", length=6)
    language: Language = term(Language, default=Language.RU)
    password_hash: str = text(72)
    token_hash: str = text(64, unique=True)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = Field(default=None)
