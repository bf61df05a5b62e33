"""What tests of the engine share."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa


@pytest.fixture
def engine_db(db: sa.Engine) -> Iterator[sa.Engine]:
    """A database that other processes run engines on; PostgreSQL's is used by the next test, too, and forgets them."""
    yield db
    if db.dialect.name == "postgresql":
        with db.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS dbos CASCADE")
