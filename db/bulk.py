"""Many rows in few statements."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session


def update_many(db: Session, noun: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Set the same columns of many rows of a noun, each row by its `id`; names are those of the columns."""
    if not rows:
        return
    table: sa.Table = sa.inspect(noun).local_table
    names = [name for name in rows[0] if name != "id"]
    statement = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("its_id"))
        .values({name: sa.bindparam(f"its_new_{name}", type_=table.c[name].type) for name in names})
    )
    db.connection().execute(statement, [{"its_id": row["id"], **{f"its_new_{n}": row[n] for n in names}} for row in rows])
