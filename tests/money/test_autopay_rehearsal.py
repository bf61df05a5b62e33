"""What the rehearsal foretells is what happens then: day by day, kopeck by kopeck, through the real billing and autopay."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions.autopaying import run_due
from actions.billing import bill_due
from actions.blocking import block_overdue, resume_paid
from actions.provisioning import carry_out_due
from db import reading, transaction
from models import (
    AutopayRule,
    BillingAccount,
    Customer,
    Option,
    OptionPrice,
    Order,
    PlanPrice,
    SavedCard,
    Subscription,
    Transfer,
)
from queries.rehearsal import outlooks
from rules.rehearsal import forecast
from rules.terms import (
    CHARGE_CODES,
    AccountStatus,
    AutopayAmount,
    AutopayTrigger,
    BillingMode,
    OptionGroup,
    OrderKind,
    OrderState,
    TransferCode,
)
from settings import operator
from tests.money.bank import saved
from tests.money.world import World

BEGINS = datetime(2026, 1, 28, 12, tzinfo=UTC)
DAYS = 35
MOSCOW = ZoneInfo("Europe/Moscow")
MONTHLY, THRESHOLD, BILL = AutopayTrigger.MONTHLY, AutopayTrigger.THRESHOLD, AutopayTrigger.BILL
FIXED, UP_TO, DUE = AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE


class Life:
    """Anna's account with a plan whose price rises, an option on its way out and one on its way in; and time."""

    def __init__(
        self, patch: pytest.MonkeyPatch, mode: BillingMode, balance: int, status: AccountStatus, region: str = "RU-MOW"
    ) -> None:
        self.patch, self.region = patch, region
        self.is_now(BEGINS)
        with transaction() as db:
            self.world = world = World(db)
            anna = world.person()
            self.anna_id, self.visitor = anna.id, world.visitor(anna)
            account = world.account(anna, mode=mode)
            self.account_id = account.id
            account.region_code = region
            account.billed_on, account.status, account.status_since_on = date(2026, 1, 1), status, date(2026, 1, 1)
            db.add(account)
            world.connect(account, 61_000)
            plan_id = db.exec(select(Subscription.plan_id)).one()
            world.save(PlanPrice(plan_id=plan_id, valid_from_on=date(2026, 3, 1), monthly_kopecks=68_000))
            for code, price, kind, on in (
                ("leaving", 9_900, OrderKind.DISCONNECT, date(2026, 3, 1)),
                ("coming", 15_500, OrderKind.CONNECT, date(2026, 1, 29)),
            ):
                option = world.save(
                    Option(code=code, service=account.service, group=OptionGroup.CALLS, name_ru=code, name_en=code)
                )
                world.save(OptionPrice(option_id=option.id, valid_from_on=date(2024, 1, 1), price_kopecks=price))
                if kind is OrderKind.DISCONNECT:
                    world.save(Subscription(billing_account_id=account.id, option_id=option.id, started_on=date(2025, 5, 7)))
                elif status is not AccountStatus.ACTIVE:
                    continue
                world.save(
                    Order(
                        billing_account_id=account.id,
                        option_id=option.id,
                        placed_by_id=anna.id,
                        kind=kind,
                        state=OrderState.ACCEPTED,
                        key=code,
                        now_kopecks=0,
                        monthly_kopecks=price,
                        effective_on=on,
                        placed_at=BEGINS,
                        due_at=datetime.combine(on, datetime.min.time(), MOSCOW),
                    )
                )
            if balance > 0:
                world.pay(account, balance, BEGINS, payer=anna)
            elif balance < 0:
                world.charge(account, -balance, BEGINS - timedelta(days=27))
        self.card_id = saved(self.anna_id)

    def is_now(self, moment: datetime) -> None:
        self.patch.setattr(clock, "now", lambda: moment)
        self.now = moment

    def rule(self, trigger: AutopayTrigger, kind: AutopayAmount, amount: int | None, **more: Any) -> None:
        with transaction() as db:
            made = World(db).rule(
                db.get_one(Customer, self.anna_id),
                db.get_one(BillingAccount, self.account_id),
                db.get_one(SavedCard, self.card_id),
                trigger=trigger,
                **more,
            )
            made.amount_kind, made.amount_kopecks = kind, amount
            db.add(made)

    def foretold(self) -> list[tuple[date, str, int]]:
        with reading() as db:
            known = outlooks(db, visitor=self.visitor, now=self.now)[self.account_id]
        terms = operator()
        events = forecast(
            rules=known.rules,
            account=known.account,
            today=known.today,
            days=DAYS,
            terms=terms.autopay,
            billing=terms.billing,
        )
        return [(event.on, event.kind, event.amount_kopecks) for event in events if event.amount_kopecks]

    def rounds(self) -> list[datetime]:
        """Today's and tomorrow's: when billing has begun, and when the hour of autopay has come."""
        hours = (time(0, 30), time(23, 30) if self.region == "RU-PRI" else time(7))
        return [datetime.combine(self.now.date() + timedelta(days=day), hour, UTC) for day in (0, 1) for hour in sorted(hours)]

    def lived(self) -> list[tuple[date, str, int]]:
        """Rounds of the background, day by day; what moved."""
        works: tuple[Callable[[datetime], int], ...] = (
            carry_out_due, bill_due, block_overdue, run_due, resume_paid,
        )  # fmt: skip
        with reading() as db:
            before = db.exec(select(sa.func.coalesce(sa.func.max(col(Transfer.id)), 0))).one()
        last = BEGINS.date() + timedelta(days=DAYS)
        while self.now.astimezone(MOSCOW).date() <= last:
            for work in works:
                while work(self.now):
                    pass
            self.is_now(next(at for at in self.rounds() if at > self.now))
        with reading() as db:
            rows = db.execute(
                select(Transfer.occurred_at, Transfer.code, Transfer.amount_kopecks)
                .where(col(Transfer.id) > before, col(Transfer.code).in_([*CHARGE_CODES, TransferCode.TOP_UP]))
                .order_by(col(Transfer.id))
            ).all()
        moved: list[tuple[date, str, int]] = []
        for at, code, kopecks in rows:
            on, kind = at.astimezone(MOSCOW).date(), "autopay" if code is TransferCode.TOP_UP else "charge"
            if moved and moved[-1][:2] == (on, kind) == (on, "charge"):
                moved[-1] = (on, kind, moved[-1][2] + kopecks)
            else:
                moved.append((on, kind, kopecks))
        return moved


@pytest.mark.parametrize(
    ("mode", "balance", "rules"),
    [
        (BillingMode.PREPAID, 95_000, [(THRESHOLD, FIXED, 50_000, {"threshold_kopecks": 30_000})]),
        (BillingMode.PREPAID, 12_345, [(THRESHOLD, FIXED, 20_000, {"threshold_kopecks": 70_000})]),
        (BillingMode.PREPAID, 50_000, [(MONTHLY, UP_TO, 90_000, {"day_of_month": 31})]),
        (
            BillingMode.PREPAID,
            20_000,
            [
                (THRESHOLD, UP_TO, 60_000, {"threshold_kopecks": 25_000}),
                (MONTHLY, FIXED, 30_000, {"day_of_month": 1, "monthly_ceiling_kopecks": 40_000}),
            ],
        ),
        (
            BillingMode.PREPAID,
            -30_000,
            [(THRESHOLD, FIXED, 60_000, {"threshold_kopecks": 10_000, "monthly_ceiling_kopecks": 70_000})],
        ),
        (BillingMode.POSTPAID, 0, [(BILL, DUE, None, {})]),
        (BillingMode.POSTPAID, 5_000, [(MONTHLY, DUE, None, {"day_of_month": 20})]),
        (BillingMode.PREPAID, -61_000, []),
    ],
)
def test_what_is_foretold_is_what_happens(
    db: sa.Engine, monkeypatch: pytest.MonkeyPatch, mode: BillingMode, balance: int, rules: list[tuple[Any, ...]]
):
    life = Life(monkeypatch, mode, balance, AccountStatus.ACTIVE)
    for trigger, kind, amount, more in rules:
        life.rule(trigger, kind, amount, **more)
    foretold = life.foretold()
    assert {kind for _, kind, _ in foretold} == ({"charge", "autopay"} if rules else {"charge"})
    assert life.lived() == foretold
    with reading() as session:
        status = session.exec(select(BillingAccount.status)).one()
    assert status is (AccountStatus.ACTIVE if rules else AccountStatus.BLOCKED)


@pytest.mark.parametrize(
    ("kind", "amount", "happens"),
    [
        (FIXED, 20_000, [("autopay", 20_000), ("charge", 86_400), ("autopay", 10_000)]),
        (UP_TO, 100_000, [("charge", 86_400), ("autopay", 106_400)]),
    ],
)
def test_in_the_east_the_hour_of_autopay_comes_before_billing_and_what_depends_on_it_waits(
    db: sa.Engine, monkeypatch: pytest.MonkeyPatch, kind: AutopayAmount, amount: int, happens: list[tuple[str, int]]
):
    life = Life(monkeypatch, BillingMode.PREPAID, 80_000, AccountStatus.ACTIVE, "RU-PRI")
    life.rule(MONTHLY, kind, amount, day_of_month=1)
    if kind is FIXED:
        life.rule(THRESHOLD, FIXED, 10_000, threshold_kopecks=20_000)
    foretold = life.foretold()
    assert foretold[: len(happens)] == [(date(2026, 2, 1), *each) for each in happens]
    assert life.lived() == foretold


def test_who_was_blocked_and_pays_by_autopay_works_again_as_foretold(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    life = Life(monkeypatch, BillingMode.PREPAID, -40_000, AccountStatus.BLOCKED)
    life.rule(MONTHLY, UP_TO, 80_000, day_of_month=25)
    foretold = life.foretold()
    assert foretold[:2] == [(date(2026, 2, 25), "autopay", 120_000), (date(2026, 2, 25), "charge", foretold[1][2])]
    assert life.lived() == foretold
    with reading() as session:
        assert session.exec(select(BillingAccount.status)).one() is AccountStatus.ACTIVE
        assert session.exec(select(AutopayRule.state)).one().value == "active"
