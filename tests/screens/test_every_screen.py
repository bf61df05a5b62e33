"""Every screen opens for every persona it is for, on the demo's data, on both databases: a sum is a number everywhere."""

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa
from sqlmodel import select

from db import reading
from models import Customer, DemoPersona
from pages import SCREENS
from rules.terms import Language
from seed.run import run
from tests.driver import open_screen
from texts import speaking, t


@pytest.fixture
def demo(db: sa.Engine) -> Iterator[None]:
    """Sixty customers with half a year of history."""
    run(engine=db, customers=60, months=6, seed=3, as_of=date.today())  # noqa: DTZ011
    return


def test_every_screen_opens_for_whom_it_is_for(demo: None):
    with reading() as db:
        cast = db.exec(select(DemoPersona.key, Customer).join(Customer, Customer.id == DemoPersona.customer_id)).all()
    opened = 0
    for key, person in cast:
        for screen in SCREENS:
            if person.role not in screen.roles:
                continue
            language = Language.EN if (opened % 2) else Language.RU
            shown = open_screen(screen.name, customer_id=person.id, language=language)
            with speaking(language):
                broken = t("shell.broke_title")
            assert not shown.app.exception, f"{screen.name} for {key}"
            assert broken not in [title.value for title in shown.title], f"{screen.name} for {key}"
            opened += 1
    assert opened > 80
