"""The subdivisions of the country, to choose from."""

from sqlmodel import Session, select

from models import Region
from rules.terms import Language


def regions(db: Session, *, language: Language) -> dict[str, str]:
    """ISO 3166-2:RU code → name in the language, in its alphabet's order."""
    name = Region.name_en if language is Language.EN else Region.name_ru
    rows = db.exec(select(Region.code, name)).all()
    return dict(sorted(rows, key=lambda row: row[1].replace("Ё", "Е").replace("ё", "е")))
