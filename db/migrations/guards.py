"""Triggers that hold what a constraint cannot."""

from alembic import op


def forbid_changes(table: str) -> None:
    """Rows of `table` may be added, never changed or deleted: triggers say no on both databases."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
    )


def reword(table: str, *changes: tuple[str, str]) -> None:
    """Change the wording of a table of SQLite where no row has to change: a wider CHECK, a NOT NULL taken away.

    SQLite has no ALTER for that, and copying a ledger of millions of rows is not worth one word. This is the way its
    documentation gives (https://www.sqlite.org/lang_altertable.html, 7.2): the text of the schema is edited, its version
    raised. Raises RuntimeError when a wording is not there.
    """
    connection = op.get_bind()
    sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).scalar_one()
    for old, new in changes:
        if sql.count(old) != 1:
            raise RuntimeError(f"{table}: {old!r} is there {sql.count(old)} times")
        sql = sql.replace(old, new)
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (sql, table))
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def widen(table: str, column: str, check: str, before: list[str], added: list[str]) -> None:
    """Let a closed list of words have more: its CHECK is made anew on PostgreSQL, reworded on SQLite."""
    name = f"ck_{table}_{check}"
    old, new = (f"{column} IN ({', '.join(repr(word) for word in words)})" for words in (before, [*before, *added]))
    if op.get_bind().dialect.name == "sqlite":
        reword(table, (f"CONSTRAINT {name} CHECK ({old})", f"CONSTRAINT {name} CHECK ({new})"))
        return
    op.drop_constraint(name, table)
    op.create_check_constraint(op.f(name), table, new)
