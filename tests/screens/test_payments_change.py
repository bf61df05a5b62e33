"""The tiles of the payments screen point the way the money went."""

from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.proto.Metric_pb2 import Metric

import clock
from db import transaction
from queries.figures import accounting_month, month_begins_at
from rules.periods import add_months
from rules.terms import Language
from tests.driver import open_screen
from tests.money.world import World

UP, DOWN, NONE = (Metric.MetricDirection.Value(name) for name in ("UP", "DOWN", "NONE"))


def charged_tile(before: int, now: int, language: Language = Language.RU, *, customer_for: int = 24) -> Any:
    """The tile of a person who was charged so much a year and a half ago, and so much half a year ago."""
    with transaction() as db:
        world = World(db)
        person = world.person()
        account = world.account(person)
        for months, kopecks in ((customer_for, 100), (18, before), (6, now)):
            world.charge(account, kopecks, month_begins_at(add_months(accounting_month(clock.now()), -months)))
    screen = open_screen("payments", customer_id=person.id, language=language)
    return next(tile for tile in screen.metric if tile.label in ("Начислено", "Charged")).proto


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    ("now", "way", "said"), [(900_000, DOWN, "\u221210"), (1_100_000, UP, "+10"), (999_900, NONE, "0"), (1_000_100, NONE, "0")]
)
def test_less_points_down_more_points_up_and_as_much_nowhere(db: sa.Engine, language: Language, now: int, way: int, said: str):
    tile = charged_tile(1_000_000, now, language)
    assert tile.delta.rstrip("%\u00a0") == said
    assert tile.direction == way


def test_ten_times_as_much_is_not_told_in_percent(db: sa.Engine):
    assert charged_tile(1_000, 1_000_000, Language.RU).delta == ""


@pytest.mark.parametrize("months", [19, 23])
def test_who_was_no_customer_for_all_of_the_time_before_is_compared_with_nothing(db: sa.Engine, months: int):
    assert charged_tile(500_000, 1_000_000, customer_for=months).delta == ""
