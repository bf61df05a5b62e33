"""Whatever is connected, ended and repriced: bills hold each charge once, and say day by day what was agreed."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.billing import bill_due
from actions.ledger import post
from db import reading, transaction
from db.check import faults
from models import BillingAccount
from rules.billing import Price
from rules.periods import add_months, days_in_month, month_start
from rules.proration import prorate
from rules.terms import BillingMode, TransferCode
from tests.billing.world import (
    POSTPAID,
    PREPAID,
    Contracts,
    account_of,
    balance_of,
    bills_of,
    everything,
    lines_of,
    run_at,
)

FIRST = date(2026, 1, 1)
"""The billing day that everybody has been through."""
LONG_AGO = date(2024, 1, 10)


@dataclass(frozen=True)
class Wish:
    """An option connected on a day and ended on another, counted from `FIRST`; a paid one ends with its month."""

    price: int
    once: bool
    begins: int
    months: int | None

    @property
    def started_on(self) -> date:
        return FIRST + timedelta(days=self.begins)

    @property
    def ended_on(self) -> date | None:
        months = 1 if self.once else self.months
        return None if months is None else add_months(month_start(self.started_on), months)


PRICES = st.integers(0, 99_999)
RISES = st.lists(st.tuples(st.integers(0, 120), PRICES), max_size=2)
WISHES = st.lists(
    st.builds(
        Wish,
        price=PRICES,
        once=st.booleans(),
        begins=st.integers(-40, 110),
        months=st.none() | st.integers(1, 3),
    ),
    max_size=4,
)


def _prices(first: int, rises: list[tuple[int, int]]) -> list[Price]:
    steps = {LONG_AGO: first} | {FIRST + timedelta(days=days): kopecks for days, kopecks in rises}
    return sorted(steps.items())


def _worked(month: date, started_on: date, ended_on: date | None) -> list[date]:
    days = [month + timedelta(days=place) for place in range(days_in_month(month))]
    return [day for day in days if started_on <= day and (ended_on is None or day < ended_on)]


def _at(prices: list[Price], day: date) -> int:
    return [kopecks for since, kopecks in prices if since <= day][-1]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mode=st.sampled_from([PREPAID, POSTPAID]),
    fee=PRICES,
    rises=RISES,
    wishes=WISHES,
    paid=st.integers(0, 500_000),
    late=st.booleans(),
)
def test_every_month_is_billed_for_the_days_that_worked_and_every_charge_once(
    db: sa.Engine, mode: BillingMode, fee: int, rises: list[tuple[int, int]], wishes: list[Wish], paid: int, late: bool
) -> None:
    fees, expected = _prices(fee, rises), Counter[tuple[date, TransferCode, int, date]]()
    with transaction() as session:
        world = Contracts(session)
        held = world.contract(mode, fee=fees, billed_on=FIRST)
        account, ahead = held.id, []
        if paid:
            world.pay(held, paid, datetime(2025, 12, 30, tzinfo=UTC), payer=None)
        # The history before: what was charged on the 1st, and when it was connected.
        items = [(None, fees, False, LONG_AGO, None)]
        for wish in wishes:
            option = world.option(wish.price, once=wish.once)
            world.adds(held, option, wish.started_on, wish.ended_on)
            items.append((option.id, [(LONG_AGO, wish.price)], wish.once, wish.started_on, wish.ended_on))
        for product, prices, once, started_on, ended_on in items:
            code = TransferCode.PLAN_FEE if product is None else TransferCode.ONE_OFF if once else TransferCode.OPTION_FEE
            for step in range(4):
                month = add_months(FIRST, step)
                days = _worked(month, started_on, ended_on)
                if not days:
                    continue
                price = _at(prices, days[0])
                if once:
                    amount = price if month_start(started_on) == month else 0
                elif mode is PREPAID and started_on < month:
                    amount = price
                else:
                    amount = price * len(days) // days_in_month(month)
                if amount:
                    expected[month, code, amount, days[0]] += 1
                if mode is PREPAID and amount and (step == 0 or started_on >= month):
                    ahead.append((code, amount, product, days[0], started_on >= month))
        for number, (code, amount, product, day, by_order) in enumerate(ahead):
            key = f"order:{number}" if by_order else f"plan:{day:%Y-%m}" if product is None else f"option:c{product}:{day:%Y-%m}"
            plan = session.execute(
                sa.text("SELECT plan_id FROM subscription WHERE billing_account_id = :id AND plan_id > 0"), {"id": account}
            ).scalar_one()
            moment = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            post(session, account_id=account, code=code, amount_kopecks=amount, key=key, occurred_at=moment,
                 plan_id=plan if product is None else None, option_id=product)  # fmt: skip
    # A debt is not what this is about: whoever is blocked is not charged.
    with transaction() as session:
        Contracts(session).pay(session.get_one(BillingAccount, account), 9_000_000, datetime(2026, 1, 2, tzinfo=UTC), payer=None)

    before = balance_of(account)
    for step in [3] if late else range(4):  # one run that has everything to catch up with, or each in its time
        day = add_months(FIRST, step + 1)
        while bill_due(run_at(day)):
            pass
    done = everything()
    assert bill_due(run_at(add_months(FIRST, 4))) == 0
    assert everything() == done

    bills, months = bills_of(account), lines_of(account)
    found = Counter((month, line.code, line.amount_kopecks, line.from_on) for month, lines in months.items() for line in lines)
    assert found == expected
    billed = [bill.month_on for bill in bills]
    assert billed == sorted({month for month, *_ in expected})
    assert all(bill.total_kopecks == sum(line.amount_kopecks for line in months[bill.month_on]) > 0 for bill in bills)
    assert account_of(account).billed_on == add_months(FIRST, 4)
    if mode is POSTPAID:
        assert before - balance_of(account) == sum(bill.total_kopecks for bill in bills)
    with reading() as session:
        assert faults(session.connection()) == []
        loose = session.execute(
            sa.text(
                "SELECT COUNT(*) FROM transfer t LEFT JOIN bill_line l ON l.transfer_id = t.id"
                " WHERE t.billing_account_id = :id AND l.id IS NULL AND t.code IN ('plan_fee', 'option_fee', 'one_off')"
                " AND t.key NOT LIKE :newest AND t.key NOT LIKE 'order:%'"
            ),
            {"id": account, "newest": "%:2026-05"},
        ).scalar_one()
        assert loose == 0


def test_the_price_of_a_part_of_a_month_is_what_a_person_was_told_when_connecting() -> None:
    """The oracle above counts days; the quote that a person confirms asks the rule."""
    for day in range(1, 31):
        told = prorate(monthly_kopecks=9_900, from_on=date(2026, 4, day)).amount_kopecks
        assert told == 9_900 * len(_worked(date(2026, 4, 1), date(2026, 4, day), None)) // 30
