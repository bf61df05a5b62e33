"""People with an e-mail and accounts that are about to run out, and what they were told and written."""

from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from sqlmodel import Session, col, select

from actions.ledger import post
from db import reading
from models import BillingAccount, Consent, Customer, Message, Notice, Option
from rules.terms import ConsentKind, Language, NoticeEvent, OptionGroup, Recurrence, ServiceKind, TransferCode
from tests.money.world import LONG_AGO, World

_worlds = count(1)


def moscow(day: date, hour: int = 10, minute: int = 5) -> datetime:
    """A moment of a day in Moscow (UTC+3), aware UTC."""
    return datetime(day.year, day.month, day.day, hour - 3, minute, tzinfo=UTC)


class Readers(World):
    """A world whose people can be written to."""

    def __init__(self, db: Session) -> None:
        super().__init__(db)
        self.number = next(_worlds) * 1000  # several worlds may share a database

    def reader(self, name: str = "Анна", *, confirmed: bool = True, region: str = "RU-MOW", **more: Any) -> Customer:
        person = self.person(name)
        person.email, person.region_code = f"reader{person.id}@kabinet.example", region
        person.email_confirmed_at = LONG_AGO if confirmed else None
        for column, value in more.items():
            setattr(person, column, value)
        return self.save(person)

    def prepaid(self, holder: Customer, *, fee: int, balance: int, **more: Any) -> BillingAccount:
        """An account with a plan of `fee` a month and so much on it (or missing on it)."""
        account = self.account(holder, **more)
        account.region_code = holder.region_code
        self.save(account)
        self.connect(account, fee)
        if balance > 0:
            self.pay(account, balance, LONG_AGO, payer=None)
        elif balance:
            self.charge(account, -balance, LONG_AGO)
        return account

    def answers(self, person: Customer, kind: ConsentKind, given: bool, at: datetime = LONG_AGO) -> None:
        self.save(Consent(customer_id=person.id, kind=kind, given=given, wording="?", language=Language.RU, at=at))

    def slow_option(self) -> Option:
        return self.save(
            Option(
                code=f"slow-{self.next()}",
                service=ServiceKind.MOBILE,
                group=OptionGroup.CALLS,
                recurrence=Recurrence.MONTHLY,
                name_ru="Секретарь",
                name_en="Secretary",
                provisioning_minutes=60,
            )
        )

    def refund(self, account: BillingAccount, kopecks: int, when: datetime) -> None:
        key = f"k{self.next()}"
        post(self.db, account_id=account.id, code=TransferCode.REFUND, amount_kopecks=kopecks, key=key, occurred_at=when)


def notices(*events: NoticeEvent) -> list[Notice]:
    """What was noted down, in order; of these events when any are named."""
    with reading() as db:
        rows = db.exec(select(Notice).order_by(col(Notice.id))).all()
    return [row for row in rows if not events or row.event in events]


def letters() -> list[Message]:
    """What was written, in order."""
    with reading() as db:
        return list(db.exec(select(Message).order_by(col(Message.id))).all())
