"""The database: `transaction()` to change something, `reading()` to look."""

from db.engine import database, reading, transaction

__all__ = ["database", "reading", "transaction"]
