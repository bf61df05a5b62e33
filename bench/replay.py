"""What something costs the database alone: its statements are written down, then executed by the driver by itself."""

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

Step = tuple[str, bool, Any]
"""A statement, whether it is sent once for each of several rows of values, and the values; COMMIT and ROLLBACK have none."""


def record(engine: sa.Engine, steps: list[Step]) -> None:
    """From now on write down all that the driver is told."""

    @event.listens_for(engine, "before_cursor_execute")
    def _statement(_connection: Any, _cursor: Any, text: str, values: Any, _context: Any, many: bool) -> None:
        steps.append((text, many, values))

    event.listen(engine, "commit", lambda _connection: steps.append(("COMMIT", False, None)))
    event.listen(engine, "rollback", lambda _connection: steps.append(("ROLLBACK", False, None)))


def replay(engine: sa.Engine, steps: list[Step]) -> float:
    """Seconds that the same takes by the driver alone, on one connection, commit for commit; it must leave no payment pending."""
    raw = engine.raw_connection()
    connection, cursor = raw.driver_connection, raw.cursor()
    assert connection is not None
    began = time.perf_counter()
    for text, many, values in steps:
        if text == "COMMIT":
            connection.commit()
        elif text == "ROLLBACK":
            connection.rollback()
        elif many:
            cursor.executemany(text, values)
        else:
            cursor.execute(text, values)
            if cursor.description is not None:
                cursor.fetchall()
    took = time.perf_counter() - began
    cursor.execute("SELECT COUNT(*) FROM payment WHERE state <> 'succeeded'")
    if cursor.fetchone()[0]:
        raise RuntimeError("the driver did not do what we did")
    raw.close()
    return took
