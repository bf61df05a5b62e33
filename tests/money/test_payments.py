"""What the payments screen is told: to the kopeck what the ledger says, nothing of anybody else's."""

import random
from datetime import date

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from db import reading, transaction
from models import Attachment, DemoPersona, LedgerAccount
from queries.payments import Narrowing, OperationKind, money_report, operations, standing
from rules.terms import DeclineReason, Language, PaymentMethod, PaymentState, Right, ServiceKind, TransferCode
from rules.visitor import Visitor
from seed.run import run
from tests.driver import visitor_of
from tests.money.world import World, at

TODAY = date(2026, 11, 22)
ALL = list(OperationKind)
EVERYTHING = Narrowing()


def report(visitor: Visitor, first: date, last: date, narrowing: Narrowing = EVERYTHING, today: date = TODAY):
    with reading() as db:
        return money_report(db, visitor=visitor, first=first, last=last, today=today, narrowing=narrowing, language=Language.RU)


def listed(visitor: Visitor, first: date, last: date, narrowing: Narrowing = EVERYTHING, kinds=tuple(ALL), size: int = 25):
    counts = report(visitor, first, last, narrowing).counts
    total = sum(counts[kind] for kind in kinds)
    rows = []
    with reading() as db:
        for page in range(1, -(-total // size) + 1):
            rows += operations(
                db,
                visitor=visitor,
                first=first,
                last=last,
                kinds=kinds,
                narrowing=narrowing,
                language=Language.RU,
                total=total,
                page=page,
                size=size,
            )
    return rows


def test_the_totals_of_a_whole_history_are_the_balances_and_its_pages_add_up_to_them(db: sa.Engine):
    run(engine=db, customers=14, months=8, seed=3, as_of=TODAY)
    with reading() as session:
        people = dict(session.exec(select(DemoPersona.key, DemoPersona.customer_id)).all())
    for persona in ("family", "debtor", "student", "vip", "cottage"):
        visitor = visitor_of(people[persona])
        with reading() as session:
            since = standing(session, visitor=visitor).first_month
            balances = session.exec(
                select(sa.func.sum(LedgerAccount.balance_kopecks))
                .join(Attachment, col(Attachment.billing_account_id) == col(LedgerAccount.billing_account_id))
                .where(col(Attachment.customer_id) == visitor.customer_id, col(Attachment.detached_at).is_(None))
            ).one()
        assert since is not None
        seen = report(visitor, since, TODAY)
        assert seen.now.balance_change_kopecks == balances
        assert seen.months["paid"].sum() == seen.now.paid_kopecks
        assert seen.months["charged"].sum() == seen.now.charged_kopecks == seen.parts["kopecks"].sum()
        rows = listed(visitor, since, TODAY)
        assert len(rows) == sum(seen.counts.values()) == len({(row.transfer_id, row.payment_id, row.account_id) for row in rows})
        assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
        assert sum(row.kopecks for row in rows if row.state is PaymentState.SUCCEEDED) == balances


@pytest.mark.parametrize("size", [1, 4, 7])
def test_every_page_size_shows_every_operation_once_from_both_ends(db: sa.Engine, size: int):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        account, visitor = world.account(anna), world.visitor(anna)
        for _ in range(15):  # all of one moment: only the ids tell them apart
            world.charge(account, 1_000, at("2026-10-01 00:05"))
        for day in range(1, 8):
            world.pay(account, 5_000, at(f"2026-10-0{day} 10:00"), payer=anna, declined=DeclineReason.BANK_REFUSED)
    rows = listed(visitor, TODAY, TODAY, size=size) + listed(visitor, date(2026, 10, 1), TODAY, size=size)
    assert len({(row.transfer_id, row.payment_id) for row in rows}) == len(rows) == 22


def test_a_month_is_the_operators_accounting_month(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        account, visitor = world.account(anna), world.visitor(anna)
        world.charge(account, 100, at("2026-09-30 20:59"))
        world.charge(account, 20, at("2026-09-30 21:00"))
        world.charge(account, 3, at("2026-10-31 20:59"))
    seen = report(visitor, date(2026, 9, 1), date(2026, 10, 1))
    assert list(seen.months["charged"]) == [100, 23]
    assert len(listed(visitor, date(2026, 10, 1), date(2026, 10, 1))) == 2


def test_a_month_that_is_going_on_is_compared_with_as_many_days(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        account, visitor = world.account(anna), world.visitor(anna)
        world.charge(account, 100, at("2026-11-10"))
        for when, kopecks in (("2025-11-22 20:59", 40), ("2025-11-22 21:00", 7), ("2025-12-05", 9), ("2024-12-05", 1)):
            world.charge(account, kopecks, at(when))
    going_on = report(visitor, date(2025, 12, 1), TODAY)
    assert (going_on.now.charged_kopecks, going_on.before.charged_kopecks) == (109, 41)
    assert going_on.years.iloc[-1]["before"] == 40
    over = report(visitor, date(2025, 12, 1), TODAY, today=date(2026, 12, 3))
    assert over.before.charged_kopecks == 48
    assert over.years.iloc[-1]["before"] == 47


def test_the_average_is_over_whole_months_since_the_first_operation(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        account, visitor = world.account(anna), world.visitor(anna)
        for when, kopecks in (("2026-08-05", 100), ("2026-10-05", 301), ("2026-11-05", 900)):
            world.charge(account, kopecks, at(when))
    seen = report(visitor, date(2025, 12, 1), TODAY)
    assert (seen.average_kopecks, seen.full_months, seen.average_before_kopecks) == (134, 3, None)


def test_shares_by_service_autopay_points_and_money_given_back_are_told_apart(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        mobile, tv = world.account(anna), world.account(anna, service=ServiceKind.TV)
        visitor = world.visitor(anna)
        world.pay(mobile, 300, at("2026-10-02"), payer=anna, method=PaymentMethod.AUTOPAY)
        world.pay(tv, 500, at("2026-10-02"), payer=anna)
        world.pay(tv, 200, at("2026-10-03"), payer=None)
        world.charge(tv, 50, at("2026-10-04"), TransferCode.BONUS_SPENT)
        world.charge(tv, 70, at("2026-10-04"), TransferCode.REFUND)
        world.charge(tv, 400, at("2026-10-05"))
        world.charge(mobile, 10, at("2026-10-05"), TransferCode.LATE_FEE)
    seen = report(visitor, date(2026, 10, 1), TODAY)
    assert (seen.now.paid_kopecks, seen.now.by_autopay_kopecks, seen.now.bonus_kopecks) == (1000, 300, 50)
    assert (seen.now.charged_kopecks, seen.now.refunded_kopecks, seen.now.balance_change_kopecks) == (410, 70, 570)
    assert list(seen.parts.itertuples(index=False, name=None)) == [("tv", 400), ("mobile", 10)]
    one = report(visitor, date(2026, 10, 1), TODAY, Narrowing(account_id=mobile.id))
    assert list(one.parts.itertuples(index=False, name=None)) == [("late_fee", 10)]
    assert one.counts == {OperationKind.TOP_UP: 1, OperationKind.CHARGE: 1, OperationKind.BONUS: 0}
    assert [row.kopecks for row in listed(visitor, TODAY.replace(month=10), TODAY, kinds=(OperationKind.BONUS,))] == [50]
    assert {row.kopecks for row in listed(visitor, TODAY.replace(month=10), TODAY, kinds=(OperationKind.TOP_UP,))} == {
        300, 500, 200, -70
    }  # fmt: skip


def test_sums_narrow_totals_and_operations_alike(db: sa.Engine):
    chance = random.Random(5)
    with transaction() as session:
        world = World(session)
        anna = world.person()
        account, visitor = world.account(anna), world.visitor(anna)
        sums = [300, 600, *(chance.randrange(100, 900) for _ in range(30))]
        for place, kopecks in enumerate(sums):
            world.charge(account, kopecks, at(f"2026-10-{1 + place % 28:02d} 12:00"))
    within = [kopecks for kopecks in sums if 300 <= kopecks <= 600]
    narrowing = Narrowing(least_kopecks=300, most_kopecks=600)
    assert report(visitor, date(2026, 10, 1), TODAY, narrowing).now.charged_kopecks == sum(within)
    assert sorted(-row.kopecks for row in listed(visitor, date(2026, 10, 1), TODAY, narrowing)) == sorted(within)


def test_attempts_and_cards_are_shown_to_whoever_paid_only(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna, peter, olga = world.person("Анна"), world.person("Пётр"), world.person("Ольга")
        account = world.account(anna)
        world.attach(peter, account, right=Right.VIEW)
        card = world.card(anna)
        world.pay(account, 700, at("2026-10-02"), payer=anna, method=PaymentMethod.SAVED_CARD, card=card)
        world.pay(account, 900, at("2026-10-03"), payer=anna, card=card, declined=DeclineReason.LIMIT_EXCEEDED)
        visitors = [world.visitor(person) for person in (anna, peter, olga)]
    mine, his, hers = (listed(visitor, date(2026, 10, 1), TODAY) for visitor in visitors)
    assert [(row.state, row.decline_reason, row.card_last_four, row.kopecks) for row in mine] == [
        (PaymentState.DECLINED, DeclineReason.LIMIT_EXCEEDED, "4417", 900),
        (PaymentState.SUCCEEDED, None, "4417", 700),
    ]
    assert [(row.state, row.card_last_four) for row in his] == [(PaymentState.SUCCEEDED, None)]
    assert hers == []
    assert report(visitors[0], date(2026, 10, 1), TODAY).now.paid_kopecks == 700


def test_an_account_that_is_not_attached_adds_nothing_even_when_it_is_named(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna, olga = world.person("Анна"), world.person("Ольга")
        account, visitor = world.account(anna), world.visitor(olga)
        world.charge(account, 100, at("2026-10-04"))
    seen = report(visitor, date(2026, 10, 1), TODAY, Narrowing(account_id=account.id))
    assert seen.now.operations == 0
    assert listed(visitor, date(2026, 10, 1), TODAY, Narrowing(account_id=account.id)) == []
    with reading() as session:
        assert standing(session, visitor=visitor).first_month is None


def test_whatever_changes_a_sum_changes_the_version_of_the_history(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna, peter = world.person("Анна"), world.person("Пётр")
        account = world.account(anna)
        visitor = world.visitor(anna)

        def version() -> object:
            return standing(session, visitor=visitor).version

        seen = [version()]
        world.charge(account, 100, at("2026-10-05"))
        seen.append(version())
        world.charge(account, 100, at("2026-10-01"))
        seen.append(version())
        world.pay(account, 200, at("2026-10-06"), payer=peter)
        seen.append(version())
        world.pay(account, 900, at("2026-10-07"), payer=anna, declined=DeclineReason.BANK_REFUSED)
        seen.append(version())
        world.charge(world.account(anna), 5, at("2026-01-01"))
        seen.append(version())
        assert len(set(seen)) == len(seen)
        assert version() == seen[-1]
        assert standing(session, visitor=visitor).first_month == date(2026, 1, 1)
