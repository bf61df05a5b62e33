"""Who is there in the simulated world, and who of them does something on a day, drawn from one stream of chance."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import col, select

from actions.cards import keep
from db import reading, transaction
from integrations.gateway import KeptCard
from models import (
    Attachment,
    AutopayRule,
    BillingAccount,
    Customer,
    LedgerAccount,
    Region,
    SavedCard,
)
from rules.refusals import Refusal
from rules.terms import (
    AccountStatus,
    AutopayState,
    CardBrand,
    Right,
    Role,
)
from rules.visitor import Visitor
from tests.simulation.bank import Bank

T = TypeVar("T")
OFTEN = {
    "pays": 18.0, "orders": 4.0, "takes an order back": 0.5, "sets a rule": 2.5, "changes a rule": 1.0, "pauses a rule": 0.5,
    "resumes a rule": 2.5, "deletes a rule": 0.6, "changes the card": 0.5, "adds a card": 0.8, "removes a card": 0.4,
    "finds a card poor": 0.6, "spends points": 0.5, "detaches": 0.25, "is attached": 0.5, "has another right": 0.3,
    "suspends": 0.25, "works again": 0.3, "closes": 0.04, "is given money back": 0.3, "another price": 0.04,
}  # fmt: skip
"""How often a day each happens among 500 accounts."""
PER_ACCOUNTS = 500


class Crowd:
    """Everybody, and the operator's staff, and how somebody is chosen among them."""

    def __init__(self, rng: Random, bank: Bank) -> None:
        self.rng, self.bank, self.done = rng, bank, Counter[str]()
        self._keys = 0
        with reading() as db:
            self.zones = dict(db.execute(sa.select(col(Region.code), col(Region.time_zone))).tuples().all())
            people = db.exec(select(Customer).order_by(col(Customer.id))).all()
            self.accounts = len(
                db.exec(select(BillingAccount.id).where(col(BillingAccount.status) != AccountStatus.CLOSED)).all()
            )
        self.visitors = {
            person.id: Visitor(person.id, 0, person.role, person.first_name, person.language, person.region_code,
                               self.zones[person.region_code])
            for person in people
        }  # fmt: skip
        self.customers = [person.id for person in people if person.role is Role.CUSTOMER]
        self.staff = next(each for each in self.visitors.values() if each.role is Role.ADMINISTRATOR)

    def live(self, share: float) -> None:
        """Let happen what happens in such a share of a day."""
        self._look_around()
        for name, times in OFTEN.items():
            expected = times * share * self.accounts / PER_ACCOUNTS
            count = int(expected) + (self.rng.random() < expected % 1)
            for _ in range(count):
                try:
                    happened = getattr(self, name.replace(" ", "_"))()
                except Refusal as refusal:
                    self.done[f"refused: {refusal.code}"] += 1
                else:
                    self.done[name] += happened is not False

    # --- choosing -------------------------------------------------------------------------------------
    def _one(self, found: Sequence[T]) -> T | None:
        return self.rng.choice(found) if found else None

    def _key(self) -> str:
        self._keys += 1
        return f"sim-{self._keys}"

    def _look_around(self) -> None:
        """Who sees which account that is not closed, for the next hours; what changes meanwhile, actions refuse."""
        with reading() as db:
            self.around = list(
                db.execute(
                    sa.select(
                        col(Attachment.id).label("attachment_id"), col(Attachment.customer_id).label("person"),
                        col(Attachment.billing_account_id).label("account_id"), col(Attachment.right), col(BillingAccount.status),
                        col(LedgerAccount.balance_kopecks),
                    )
                    .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
                    .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
                    .where(col(Attachment.detached_at).is_(None), col(BillingAccount.status) != AccountStatus.CLOSED)
                    .order_by(col(Attachment.id))
                )
            )  # fmt: skip

    def _seen(self, least: Right, fits: Callable[[Any], bool] = lambda _each: True) -> Any:
        """Somebody who may do so much on some account."""
        return self._one([each for each in self.around if each.right.covers(least) and fits(each)])

    def _rule(self, *states: AutopayState) -> AutopayRule | None:
        with reading() as db:
            return self._one(
                db.exec(select(AutopayRule).where(col(AutopayRule.state).in_(states)).order_by(AutopayRule.id)).all()
            )

    def _cards(self, customer_id: int) -> list[int]:
        with reading() as db:
            return list(
                db.exec(
                    select(SavedCard.id)
                    .where(
                        col(SavedCard.customer_id) == customer_id,
                        col(SavedCard.removed_at).is_(None),
                        col(SavedCard.expires_on) > self.bank.now.date(),
                    )
                    .order_by(col(SavedCard.id))
                )
            )

    def _account(self, *statuses: AccountStatus) -> BillingAccount | None:
        with reading() as db:
            found = select(BillingAccount).where(col(BillingAccount.status).in_(statuses)).order_by(col(BillingAccount.id))
            return self._one(db.exec(found).all())

    def _today(self, account: BillingAccount) -> date:
        return self.bank.now.astimezone(ZoneInfo(self.zones[account.region_code])).date()

    def _know(self, token: str, expires_on: date) -> None:
        kinds = ("good",) * 17 + ("poor", "empty", "stolen")
        self.bank.cards[token], self.bank.expiry[token] = self.rng.choice(kinds), expires_on

    def _new_card(self, person: int) -> int:
        months, number = self.rng.randint(2, 48), len(self.bank.cards)
        expires_on = (self.bank.now + timedelta(days=31 * months)).date().replace(day=28)
        card = KeptCard(f"card-{number}", CardBrand.MIR, f"{number % 10_000:04d}", expires_on)
        with transaction() as db:
            saved = keep(db, customer_id=person, card=card, now=self.bank.now)
        self._know(card.token, expires_on)
        return saved.id
