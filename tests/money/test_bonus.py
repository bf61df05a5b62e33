"""What the bonus screen is told."""

from datetime import date

import pytest
import sqlalchemy as sa

from db import reading, transaction
from queries.bonus import movements, movements_count, open_lots, paid_last_year, points_by_month
from rules.terms import BonusKind, DeclineReason, Right, TransferCode
from tests.money.world import World, at

TODAY = date(2026, 11, 22)


@pytest.fixture
def world(db: sa.Engine):
    with transaction() as session:
        made = World(session)
        yield made


def test_lots_that_still_can_be_spent_come_in_the_order_in_which_they_expire(world: World):
    anna, olga = world.person("Анна"), world.person("Ольга")
    late = world.lot(anna, 50, date(2026, 5, 1), date(2027, 5, 1))
    soon = world.lot(anna, 30, date(2026, 2, 1), date(2026, 11, 23), spent=10)
    world.lot(anna, 40, date(2025, 11, 22), TODAY)
    world.lot(anna, 20, date(2026, 1, 1), date(2027, 1, 1), spent=20)
    visitors = [world.visitor(anna), world.visitor(olga)]
    found = open_lots(world.db, visitor=visitors[0], today=TODAY)
    assert [(lot.lot_id, lot.remaining) for lot in found] == [(soon.id, 20), (late.id, 50)]
    assert open_lots(world.db, visitor=visitors[1], today=TODAY) == []


def test_points_add_up_by_month(world: World):
    anna = world.person()
    world.lot(anna, 50, date(2026, 9, 30), date(2027, 9, 30))
    world.lot(anna, 30, date(2026, 11, 2), date(2027, 11, 2), spent=10)
    seen = points_by_month(world.db, visitor=world.visitor(anna), first=date(2026, 9, 1), last=TODAY)
    assert list(seen.itertuples(index=False, name=None)) == [
        (date(2026, 9, 1), 50, 0, 0),
        (date(2026, 10, 1), 0, 0, 0),
        (date(2026, 11, 1), 30, 10, 0),
    ]


def test_points_spent_from_several_lots_at_once_are_one_event(world: World):
    anna = world.person()
    for points in (20, 30):
        world.lot(anna, points, date(2026, 10, 1), date(2027, 10, 1), spent=points)
    visitor = world.visitor(anna)
    assert movements_count(world.db, visitor=visitor) == 2
    rows = movements(world.db, visitor=visitor)
    assert {(row.kind, row.points) for row in rows} == {(BonusKind.EARNED, 50), (BonusKind.SPENT, -50)}


def test_history_comes_in_pages_the_latest_first(world: World):
    anna = world.person()
    for day in range(1, 13):
        world.lot(anna, day, date(2026, 10, day), date(2027, 10, day))
    visitor = world.visitor(anna)
    pages = [movements(world.db, visitor=visitor, page=page, size=5) for page in (1, 2, 3)]
    assert [row.points for page in pages for row in page] == list(range(12, 0, -1))


def test_the_level_counts_what_one_paid_oneself_in_twelve_months_and_did_not_get_back(world: World):
    anna, peter = world.person("Анна"), world.person("Пётр")
    account = world.account(anna)
    world.attach(peter, account, right=Right.PAY)
    world.pay(account, 100, at("2025-11-21 20:59"), payer=anna)
    world.pay(account, 20, at("2025-11-21 21:00"), payer=anna)
    paid = world.pay(account, 3, at("2026-10-05"), payer=anna)
    world.pay(account, 5_000, at("2026-10-05"), payer=peter)
    world.pay(account, 7_000, at("2026-10-06"), payer=anna, declined=DeclineReason.BANK_REFUSED)
    assert paid_last_year(world.db, visitor=world.visitor(anna), today=TODAY) == 23
    from actions.ledger import post

    post(world.db, account_id=account.id, code=TransferCode.REFUND, amount_kopecks=3, key="back", occurred_at=at("2026-10-07"),
         payment_id=paid.id)  # fmt: skip
    assert paid_last_year(world.db, visitor=world.visitor(anna), today=TODAY) == 20
    assert paid_last_year(world.db, visitor=world.visitor(peter), today=TODAY) == 5_000


def test_a_stranger_sees_no_points(world: World):
    anna, olga = world.person("Анна"), world.person("Ольга")
    world.lot(anna, 50, date(2026, 10, 1), date(2027, 10, 1))
    visitor = world.visitor(olga)
    world.db.commit()
    with reading() as db:
        assert movements(db, visitor=visitor) == []
        assert movements_count(db, visitor=visitor) == 0
        assert not points_by_month(db, visitor=visitor, first=TODAY, last=TODAY)[["earned", "spent"]].to_numpy().any()
