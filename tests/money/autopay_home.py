"""Somebody with an account and autopay rules, the time that a test moves, and what came of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

import clock
from actions.autopaying import run_due
from actions.ledger import post
from actions.payments import reconcile
from db import reading, transaction
from db.check import faults
from integrations.gateway import Charge, NoAnswer, Standing
from integrations.test_bank import Behaviour, TestBank
from models import (
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    Notice,
    Payment,
    SavedCard,
)
from rules.terms import (
    AutopayResult,
    NoticeEvent,
    PaymentState,
    TransferCode,
)
from tests.money.bank import bank, saved
from tests.money.world import World

AUTOPAY = (NoticeEvent.AUTOPAY_DONE, NoticeEvent.AUTOPAY_FAILED)


class Home:
    """Anna, an account with a balance, a good card; and time that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.is_now(datetime(2026, 3, 5, 10, tzinfo=UTC))
        with transaction() as db:
            world = World(db)
            anna = world.person()
            anna.email, anna.email_confirmed_at = "anna@kabinet.example", self.now
            db.add(anna)
            self.anna_id, self.visitor = anna.id, world.visitor(anna)
            self.account_id, self.other_id = (world.account(anna).id for _ in range(2))
        self.card_id = saved(self.anna_id)
        self._keys = 0

    def is_now(self, moment: datetime) -> None:
        self.now = moment
        self._patch.setattr(clock, "now", lambda: self.now)

    def on(self, day: int, hour: int = 6, month: int = 3) -> None:
        self.is_now(datetime(2026, month, day, hour, tzinfo=UTC))

    def rule(self, *, behaviour: Behaviour | None = None, account_id: int | None = None, **more: Any) -> int:
        card_id = self.card_id if behaviour is None else saved(self.anna_id, behaviour)
        with transaction() as db:
            world = World(db)
            made = world.rule(
                db.get_one(Customer, self.anna_id),
                db.get_one(BillingAccount, account_id or self.account_id),
                db.get_one(SavedCard, card_id),
                **more,
            )
            return made.id

    def gives_a_good_card(self, rule_id: int) -> None:
        with transaction() as db:
            rule = db.get_one(AutopayRule, rule_id)
            rule.card_id = self.card_id
            db.add(rule)

    def moves(self, kopecks: int, account_id: int | None = None) -> None:
        """Money that came (or, below zero, was charged)."""
        self._keys += 1
        code = TransferCode.PLAN_FEE if kopecks < 0 else TransferCode.BONUS_SPENT
        with transaction() as db:
            post(db, account_id=account_id or self.account_id, code=code, amount_kopecks=abs(kopecks), key=f"m{self._keys}",
                 occurred_at=self.now)  # fmt: skip

    def live(self, days: int = 0) -> None:
        """The days go by, and the background works every three hours."""
        end = self.now + timedelta(days=days)
        while True:
            self.works()
            if self.now >= end:
                return
            self.is_now(self.now + timedelta(hours=3))

    def works(self) -> None:
        while run_due(self.now):
            pass
        reconcile(self.now)


class LosesAnswers:
    """The bank, whose answers to charges do not arrive until it is mended; it charges all the same."""

    def __init__(self) -> None:
        self.bank, self.broken = TestBank(), True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bank, name)

    def charge(self, charge: Charge) -> Standing:
        standing = self.bank.charge(charge)
        if self.broken:
            raise NoAnswer("the line is down")
        return standing

    def find(self, key: str, *, since: datetime) -> Standing | None:
        if self.broken:
            raise NoAnswer("the line is down")
        return self.bank.find(key, since=since)


class Closed:
    """The bank; while it is away no call arrives."""

    def __init__(self) -> None:
        self.bank, self.away = TestBank(), True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bank, name)

    def charge(self, charge: Charge) -> Standing:
        if self.away:
            raise NoAnswer("the line is down")
        return self.bank.charge(charge)

    def find(self, key: str, *, since: datetime) -> Standing | None:
        if self.away:
            raise NoAnswer("the line is down")
        return self.bank.find(key, since=since)


def runs() -> list[tuple[str, int, AutopayResult, str, int]]:
    with reading() as db:
        return [
            (run.period, run.attempt, run.result, run.reason, run.amount_kopecks)
            for run in db.exec(select(AutopayRun).order_by(col(AutopayRun.id)))
        ]


def every_run() -> list[AutopayRun]:
    with reading() as db:
        return list(db.exec(select(AutopayRun).order_by(col(AutopayRun.id))))


def the_rule(rule_id: int) -> AutopayRule:
    with reading() as db:
        return db.get_one(AutopayRule, rule_id)


def balance(account_id: int) -> int:
    with reading() as db:
        return db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)).one()


def told() -> list[tuple[NoticeEvent, Any]]:
    with reading() as db:
        found = db.exec(select(Notice).order_by(col(Notice.id))).all()
        return [
            (notice.event, notice.facts.get("next_try_on")) for notice in found if notice.event is not NoticeEvent.LOW_BALANCE
        ]


def charged() -> int:
    return sum(kopecks for _, kopecks in bank().charges())


def agree() -> bool:
    with reading() as db:
        mine = db.exec(select(Payment.gateway_key, Payment.amount_kopecks).where(col(Payment.state) == PaymentState.SUCCEEDED))
        return faults(db.connection()) == [] and sorted(map(tuple, mine)) == sorted(bank().charges())
