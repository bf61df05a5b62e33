"""What every stored noun has in common: one metadata, named constraints, column types that mean the same on both databases."""

from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Table(SQLModel, registry=registry(metadata=sa.MetaData(naming_convention=NAMING))):
    """Parent of all stored nouns. An own registry, so that a reload of an edited model does not crash.

    `table=True` models do not validate what they are given: actions validate, constraints have the last word.
    """


def key() -> Any:
    """A 64-bit surrogate key, given by the database."""
    return Field(default=None, primary_key=True, sa_type=BIG)


def ref(target: str, *, index: bool = False, nullable: bool = False, **more: Any) -> Any:
    """A foreign key to `table.column`; integer unless `sa_type` says otherwise."""
    more.setdefault("sa_type", BIG)
    if nullable:
        more.setdefault("default", None)
    return Field(foreign_key=target, index=index, nullable=nullable, **more)


def code_ref(target: str, *, length: int = 40, index: bool = False, nullable: bool = False, **more: Any) -> Any:
    """A foreign key to a text code."""
    return ref(target, index=index, nullable=nullable, sa_type=sa.String(length), **more)


def text(length: int, **more: Any) -> Any:
    """Text of at most `length` characters."""
    return Field(sa_type=sa.String(length), **more)


def kopecks(**more: Any) -> Any:
    """A sum of money in integer kopecks."""
    return Field(sa_type=BIG, **more)


def term(of: type[StrEnum], *, name: str | None = None, **more: Any) -> Any:
    """One word of a closed list, stored as text with a CHECK on both databases.

    `name` is the constraint's name; it defaults to the enum's and must differ within a table.
    """
    kind = sa.Enum(
        of,
        native_enum=False,
        create_constraint=True,
        length=24,
        name=name or of.__name__.lower(),
        values_callable=lambda e: [member.value for member in e],
    )
    return Field(sa_type=kind, **more)
