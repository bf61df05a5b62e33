"""Many rows in few statements.

PostgreSQL is told of them column by column, as arrays, in one statement: a statement for each row costs it three times as much.
SQLite is in this process and takes them one by one, from the driver: making parameters of each row alone costs more than
writing it. The texts of the statements do not depend on how many rows there are, so both prepare them once.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Session

_PLACE = "its_place"


def insert_many(db: Session, noun: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of a noun, all with the same columns; names are those of the columns. Defaults must be plain values."""
    if not rows:
        return
    table = _table(noun)
    if _has_arrays(db):
        names = list(rows[0])
        given = _given(table, names, rows)
        db.connection().execute(sa.insert(table).from_select(names, sa.select(*(given.c[name] for name in names))))
    else:
        _write_rows(db, _inserting(table, tuple(rows[0]), db.get_bind().dialect), rows)


def insert_for_ids(db: Session, noun: Any, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Like `insert_many`, in a `transaction()`; returns the ids that the rows were given, in their order."""
    if not rows:
        return []
    table = _table(noun)
    if not _has_arrays(db):
        # Nobody else writes meanwhile, and the next number is what SQLite itself would give.
        first = (db.connection().scalar(sa.select(sa.func.max(table.c.id))) or 0) + 1
        ids = list(range(first, first + len(rows)))
        insert_many(db, noun, [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)])
        return ids
    names = list(rows[0])
    given = _given(table, names, [{**row, _PLACE: place} for place, row in enumerate(rows)], placed=True)
    chosen = sa.select(*(given.c[name] for name in names)).order_by(given.c[_PLACE])
    # They are numbered in the order of the select, whatever the order they come back in.
    return sorted(db.connection().scalars(sa.insert(table).from_select(names, chosen).returning(table.c.id)))


def update_many(db: Session, noun: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Set the same columns of many rows of a noun, each row by its `id`; names are those of the columns."""
    if not rows:
        return
    table = _table(noun)
    names = [name for name in rows[0] if name != "id"]
    if _has_arrays(db):
        given = _given(table, ["id", *names], rows)
        changed = sa.update(table).where(table.c.id == given.c.id).values({name: given.c[name] for name in names})
        db.connection().execute(changed)
        return
    _write_rows(db, _updating(table, tuple(names), db.get_bind().dialect), rows)


def among(db: Session, column: Any, ids: Iterable[int]) -> sa.ColumnElement[bool]:
    """Whether a column is one of many numbers, without a place in the statement for each of them."""
    if _has_arrays(db):
        return column == sa.any_(sa.bindparam(None, list(ids), type_=postgresql.ARRAY(sa.BigInteger)))  # type: ignore[no-any-return]
    each = sa.func.json_each(json.dumps(list(ids))).table_valued("value")
    return column.in_(sa.select(each.c.value))  # type: ignore[no-any-return]


def _table(noun: Any) -> sa.Table:
    table: sa.Table = sa.inspect(noun).local_table
    return table


def _has_arrays(db: Session) -> bool:
    return db.get_bind().dialect.name == "postgresql"


def _given(table: sa.Table, names: Sequence[str], rows: Sequence[dict[str, Any]], *, placed: bool = False) -> Any:
    """The rows as a table of that statement."""
    types: dict[str, Any] = {name: table.c[name].type for name in names}
    if placed:
        types[_PLACE] = sa.Integer()
    arrays = [sa.bindparam(None, [row[name] for row in rows], type_=postgresql.ARRAY(kind)) for name, kind in types.items()]
    columns = [sa.column(name, kind) for name, kind in types.items()]
    return sa.func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


# --- SQLite: row by row, from the driver ------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement's text and, for each place in it, the column it is filled from and how the driver wants it."""

    text: str
    places: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    defaults: dict[str, Any]


def _write_rows(db: Session, made: _Prepared, rows: Sequence[dict[str, Any]]) -> None:
    columns = []
    for name, processed in made.places:
        values = [made.defaults[name]] * len(rows) if name in made.defaults else [row[name] for row in rows]
        columns.append(values if processed is None else _each(processed, values))
    db.connection().exec_driver_sql(made.text, list(zip(*columns, strict=True)))


def _each(processed: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    """Every value as the driver wants it; what all rows have in common is made ready once."""
    last, ready, done = object(), None, []
    for value in values:
        if value is not last:
            last, ready = value, processed(value)
        done.append(ready)
    return done


@cache
def _inserting(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> _Prepared:
    compiled: Any = sa.insert(table).compile(dialect=dialect, column_keys=list(names))
    return _prepared(compiled, {column.name: column.default.arg for column in compiled.insert_prefetch}, "")


@cache
def _updating(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> _Prepared:
    mark = "its_"
    changed = {name: sa.bindparam(f"{mark}{name}", type_=table.c[name].type) for name in names}
    return _prepared(
        sa.update(table).where(table.c.id == sa.bindparam(f"{mark}id")).values(changed).compile(dialect=dialect), {}, mark
    )


def _prepared(compiled: Any, defaults: dict[str, Any], mark: str) -> _Prepared:
    places = []
    for name in compiled.positiontup:
        kind = compiled.binds[name].type.dialect_impl(compiled.dialect)
        places.append((name.removeprefix(mark), kind.bind_processor(compiled.dialect)))
    return _Prepared(str(compiled), tuple(places), defaults)
