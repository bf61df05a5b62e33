"""Contracts for tests of billing day: plans and options with prices over time, connected on days, and what was booked of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, select

from actions.ledger import post
from db import reading, transaction
from models import (
    Bill,
    BillingAccount,
    BillLine,
    LedgerAccount,
    Notice,
    Option,
    OptionPrice,
    Plan,
    PlanPrice,
    Subscription,
    Transfer,
)
from rules.billing import Price
from rules.terms import (
    AccountStatus,
    BillingMode,
    NoticeEvent,
    OptionGroup,
    PaymentMethod,
    Recurrence,
    ServiceKind,
    TransferCode,
)
from tests.money.world import World

PREPAID, POSTPAID = BillingMode.PREPAID, BillingMode.POSTPAID
LONG_AGO = date(2024, 1, 10)
_worlds = count(1)


def run_at(day: date) -> datetime:
    """A moment on a billing day, when the run has begun."""
    return datetime(day.year, day.month, day.day, 0, 10, tzinfo=UTC)


class Line(NamedTuple):
    """A line of a bill; the first and the last day of the month it is for."""

    code: TransferCode
    product_id: int
    amount_kopecks: int
    from_on: date
    to_on: date


class Contracts(World):
    """A world whose accounts have been through billing day up to a day."""

    def __init__(self, db: Session) -> None:
        super().__init__(db)
        self.number = next(_worlds) * 1000  # several worlds may share a database

    def contract(
        self,
        mode: BillingMode = PREPAID,
        *,
        fee: int | Sequence[Price] = 30_000,
        billed_on: date | None = date(2026, 5, 1),
        region: str = "RU-MOW",
        started_on: date = LONG_AGO,
        status: AccountStatus = AccountStatus.ACTIVE,
        since_on: date = LONG_AGO,
    ) -> BillingAccount:
        """An account with a plan, whose holder sees it."""
        account = self.account(self.person(), service=ServiceKind.INTERNET, mode=mode)
        account.region_code, account.billed_on, account.opened_on = region, billed_on, started_on
        account.status, account.status_since_on = status, since_on
        code = f"plan-{self.next()}"
        plan = self.save(Plan(code=code, service=account.service, name_ru=code, name_en=code))
        for since, kopecks in [(LONG_AGO, fee)] if isinstance(fee, int) else fee:
            self.save(PlanPrice(plan_id=plan.id, valid_from_on=since, monthly_kopecks=kopecks))
        self.save(Subscription(billing_account_id=account.id, plan_id=plan.id, started_on=started_on))
        return self.save(account)

    def option(self, price: int | Sequence[Price], *, once: bool = False) -> Option:
        code = f"option-{self.next()}"
        option = self.save(
            Option(
                code=code,
                service=ServiceKind.INTERNET,
                group=OptionGroup.INTERNET,
                recurrence=Recurrence.ONCE if once else Recurrence.MONTHLY,
                name_ru=code,
                name_en=code,
            )
        )
        for since, kopecks in [(LONG_AGO, price)] if isinstance(price, int) else price:
            self.save(OptionPrice(option_id=option.id, valid_from_on=since, price_kopecks=kopecks))
        return option

    def adds(self, account: BillingAccount, option: Option, started_on: date, ended_on: date | None = None, **more: Any) -> None:
        self.save(
            Subscription(billing_account_id=account.id, option_id=option.id, started_on=started_on, ended_on=ended_on, **more)
        )

    def owes(self, account: BillingAccount, kopecks: int, *, month_on: date, due_on: date) -> Bill:
        """A bill of that month, of one charge."""
        when = datetime(month_on.year, month_on.month, month_on.day, 1, tzinfo=UTC)
        transfer = post(
            self.db,
            account_id=account.id,
            code=TransferCode.PLAN_FEE,
            amount_kopecks=kopecks,
            key=f"plan:{month_on:%Y-%m}",
            occurred_at=when,
        )
        bill = self.save(
            Bill(
                billing_account_id=account.id,
                number=f"{month_on:%y%m}-{account.id:08d}",
                month_on=month_on,
                issued_on=due_on - timedelta(days=19),
                due_on=due_on,
                total_kopecks=kopecks,
            )
        )
        self.save(
            BillLine(
                bill_id=bill.id, transfer_id=transfer.id, code=TransferCode.PLAN_FEE, from_on=month_on, to_on=month_on,
                amount_kopecks=kopecks,
            )
        )  # fmt: skip
        return bill


def pay_cash(account_id: int, kopecks: int, when: datetime) -> None:
    with transaction() as db:
        world = Contracts(db)
        world.pay(db.get_one(BillingAccount, account_id), kopecks, when, payer=None, method=PaymentMethod.CASH)


def account_of(account_id: int) -> BillingAccount:
    with reading() as db:
        return db.get_one(BillingAccount, account_id)


def status_of(account_id: int) -> AccountStatus:
    return account_of(account_id).status


def balance_of(account_id: int) -> int:
    with reading() as db:
        held = select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)
        return db.exec(held).one()


def bills_of(account_id: int) -> list[Bill]:
    with reading() as db:
        return list(db.exec(select(Bill).where(col(Bill.billing_account_id) == account_id).order_by(col(Bill.month_on))))


def lines_of(account_id: int) -> dict[date, list[Line]]:
    """Month → the lines of its bill."""
    with reading() as db:
        rows = db.execute(
            sa.select(Bill, BillLine)
            .join(BillLine, col(BillLine.bill_id) == col(Bill.id))
            .where(col(Bill.billing_account_id) == account_id)
            .order_by(col(BillLine.id))
        )
        found: dict[date, list[Line]] = {}
        for bill, line in rows:
            product = line.plan_id or line.option_id or 0
            found.setdefault(bill.month_on, []).append(Line(line.code, product, line.amount_kopecks, line.from_on, line.to_on))
        return found


def keys_of(account_id: int) -> list[str]:
    """The keys of its charges, in the order of the ledger."""
    with reading() as db:
        return list(
            db.exec(
                select(Transfer.key)
                .where(col(Transfer.billing_account_id) == account_id, col(Transfer.code) != TransferCode.TOP_UP)
                .order_by(col(Transfer.id))
            )
        )


def told(event: NoticeEvent) -> list[Notice]:
    with reading() as db:
        return list(db.exec(select(Notice).where(col(Notice.event) == event).order_by(col(Notice.id))))


def everything() -> list[Any]:
    """All that billing day may change, to be compared."""
    with reading() as db:
        return [
            db.execute(sa.select(sa.inspect(noun).local_table).order_by(sa.text("1"))).all()
            for noun in (BillingAccount, LedgerAccount, Transfer, Bill, BillLine, Notice)
        ]
