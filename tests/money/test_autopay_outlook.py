"""What is known today of the months ahead of an account: what its rehearsal begins with."""

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

from db import reading, transaction
from models import AutopayRun, BillingAccount, Option, OptionPrice, Order, Plan, PlanPrice, Subscription
from queries.rehearsal import Outlook, outlooks
from rules.rehearsal import Rehearsal, rehearse
from rules.terms import AccountStatus, AutopayResult, BillingMode, OptionGroup, OrderKind, OrderState, Right
from settings import operator
from tests.money.world import World, at


class Home:
    """Anna with an account and a card; Peter, who may pay that account; Olga, a stranger."""

    def __init__(self) -> None:
        with transaction() as session:
            world = World(session)
            self.anna, peter, olga = (world.person(name) for name in ("Анна", "Пётр", "Ольга"))
            self.account = world.account(self.anna)
            world.attach(peter, self.account, right=Right.PAY)
            self.card = world.card(self.anna)
            self.a, self.p, self.o = (world.visitor(person) for person in (self.anna, peter, olga))


@pytest.fixture
def home(db: sa.Engine) -> Home:
    return Home()


NOW = at("2026-11-22 10:00")


def rehearsed(known: Outlook) -> Rehearsal:
    terms = operator()
    return rehearse(rules=known.rules, account=known.account, today=known.today, terms=terms.autopay, billing=terms.billing)


def outlook(visitor: Any, account_id: int, billed_on: date = date(2026, 11, 1)) -> Outlook:
    with transaction() as session:
        account = session.get_one(BillingAccount, account_id)
        account.billed_on = billed_on
        session.add(account)
    with reading() as session:
        return outlooks(session, visitor=visitor, now=NOW, account_id=account_id)[account_id]


def test_the_outlook_knows_balance_fee_debt_and_what_each_rule_paid(home: Home):
    with transaction() as session:
        world = World(session)
        world.number = 700
        world.connect(home.account, 60_000)
        owing = world.account(home.anna, mode=BillingMode.POSTPAID)
        world.charge(owing, 30_000, at("2026-11-01 00:05"))
        world.pay(home.account, 80_000, at("2026-11-05"), payer=home.anna)
        made = world.rule(home.anna, home.account, home.card, due_at=at("2026-12-10 06:00"))
        for day, result in ((3, AutopayResult.DECLINED), (5, AutopayResult.SUCCEEDED)):
            session.add(
                AutopayRun(
                    rule_id=made.id,
                    billing_account_id=home.account.id,
                    period="2026-11",
                    attempt=day,
                    due_on=date(2026, 11, day),
                    ran_at=at(f"2026-11-0{day}"),
                    result=result,
                    amount_kopecks=80_000,
                )
            )
    known = outlook(home.a, home.account.id)
    assert (known.account.balance_kopecks, known.monthly_kopecks, known.account.due_kopecks) == (80_000, 60_000, 0)
    (rule_,) = known.rules
    assert (rule_.rule_id, rule_.is_own, rule_.paid_this_month_kopecks) == (made.id, True, 80_000)
    assert (rule_.periods, rule_.planned_on, rule_.pending_kopecks) == ({"2026-11"}, date(2026, 12, 10), 0)
    assert outlook(home.a, owing.id).account.due_kopecks == 30_000
    (theirs,) = outlook(home.p, home.account.id).rules
    assert not theirs.is_own
    with reading() as session:
        assert set(outlooks(session, visitor=home.p, now=NOW)) == {home.account.id}
        assert outlooks(session, visitor=home.o, now=NOW, account_id=home.account.id) == {}


def test_the_months_ahead_know_announced_prices_options_that_end_and_orders_on_their_way(home: Home):
    with transaction() as session:
        world = World(session)
        world.number = 700
        world.pay(home.account, 500_000, NOW, payer=home.anna)
        world.connect(home.account, 60_000)
        (plan,) = session.exec(select(Plan)).all()
        world.save(PlanPrice(plan_id=plan.id, valid_from_on=date(2027, 1, 1), monthly_kopecks=65_000))
        leaving, coming = (
            world.save(Option(code=code, service=plan.service, group=OptionGroup.CALLS, name_ru=code, name_en=code))
            for code in ("leaving", "coming")
        )
        for option, price in ((leaving, 5_000), (coming, 7_000)):
            world.save(OptionPrice(option_id=option.id, valid_from_on=date(2024, 1, 1), price_kopecks=price))
        world.save(Subscription(billing_account_id=home.account.id, option_id=leaving.id, started_on=date(2026, 3, 1)))
        for option, kind, on in (
            (leaving, OrderKind.DISCONNECT, date(2027, 1, 1)),
            (coming, OrderKind.CONNECT, date(2026, 11, 23)),
        ):
            world.save(
                Order(
                    billing_account_id=home.account.id,
                    option_id=option.id,
                    kind=kind,
                    state=OrderState.ACCEPTED,
                    key=option.code,
                    now_kopecks=0,
                    monthly_kopecks=0,
                    effective_on=on,
                    placed_at=NOW,
                    due_at=NOW,
                )
            )
    known = outlook(home.a, home.account.id)
    charges = [(each.on, each.amount_kopecks) for each in rehearsed(known).events if each.kind == "charge"]
    assert known.monthly_kopecks == 60_000 + 5_000 + 7_000
    assert charges == [
        (date(2026, 12, 1), 60_000 + 5_000 + 7_000),
        (date(2027, 1, 1), 65_000 + 7_000),
        (date(2027, 2, 1), 65_000 + 7_000),
    ]


def test_an_account_that_does_not_work_is_charged_nothing_ahead(home: Home):
    with transaction() as session:
        world = World(session)
        world.number = 700
        world.connect(home.account, 60_000)
        account = session.get_one(BillingAccount, home.account.id)
        account.status = AccountStatus.SUSPENDED
        session.add(account)
    known = outlook(home.a, home.account.id)
    assert (rehearsed(known).events, known.monthly_kopecks) == ((), 0)


def test_a_billing_day_that_was_missed_is_known_to_come_today(home: Home):
    with transaction() as session:
        world = World(session)
        world.number = 700
        world.connect(home.account, 60_000)
        world.pay(home.account, 500_000, NOW, payer=home.anna)
    known = outlook(home.a, home.account.id, billed_on=date(2026, 10, 1))
    charges = [(each.on, each.amount_kopecks) for each in rehearsed(known).events if each.kind == "charge"]
    assert charges[:2] == [(NOW.date(), 60_000), (date(2026, 12, 1), 60_000)]


def test_a_try_that_waits_for_the_bank_is_not_tried_again_in_the_rehearsal(home: Home):
    with transaction() as session:
        made = World(session).rule(
            home.anna,
            home.account,
            home.card,
            due_at=NOW,
            due_period="2026-11",
            due_attempt=2,
            first_failed_on=date(2026, 11, 20),
        )
        session.add(
            AutopayRun(
                rule_id=made.id,
                billing_account_id=home.account.id,
                period="2026-11",
                attempt=2,
                due_on=date(2026, 11, 20),
                ran_at=NOW,
                result=AutopayResult.PENDING,
                amount_kopecks=50_000,
            )
        )
    events = rehearsed(outlook(home.a, home.account.id)).events
    assert [(each.on, each.amount_kopecks) for each in events][:2] == [(NOW.date(), 50_000), (date(2026, 12, 10), 50_000)]
