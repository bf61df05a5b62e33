"""Subdivisions of the country: they decide what is on offer and what time it is for a person."""

from sqlmodel import Field

from models.base import Table, text


class Region(Table, table=True):
    """One subdivision by ISO 3166-2:RU, with its main IANA time zone. Reference data, loaded by migration."""

    __tablename__ = "region"

    code: str = text(6, primary_key=True)
    name_ru: str = text(80)
    name_en: str = text(80)
    time_zone: str = text(40)
    position: int = Field(default=0)
