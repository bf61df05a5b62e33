"""The payer's side of the test bank, for tests of paying: cards handed out, the bank's page played, its books read."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, select

import clock
from actions.cards import keep
from actions.closing import erase_due_accounts
from db import transaction
from integrations.gateways import gateway_called
from integrations.test_bank import CARDS, CODE, Behaviour, TestBank
from models import Customer, LedgerAccount, Message, Transfer
from rules.terms import GatewayName

FAR = date(2099, 1, 31)


def bank() -> TestBank:
    """The bank that payments go to."""
    known = gateway_called(GatewayName.TEST_BANK)
    assert isinstance(known, TestBank)
    return known


def pays(page_url: str | None, behaviour: Behaviour = Behaviour.SUCCESS) -> None:
    """The payer types such a card on the bank's page, and the right code where one is asked for."""
    assert page_url is not None
    ref = page_url.split("/")[2]
    card = next(card for card in CARDS if card.behaviour is behaviour)
    bank().pay(ref, card, expires_on=FAR)
    if behaviour is Behaviour.THREE_D_SECURE:
        bank().confirm(ref, CODE)


def leaves(page_url: str | None) -> None:
    """The payer goes back to the shop without paying."""
    assert page_url is not None
    bank().leave(page_url.split("/")[2])


def saved(person_id: int, behaviour: Behaviour = Behaviour.SUCCESS, expires_on: date = FAR) -> int:
    """The id of a card of that behaviour, which the person saved before. Not within a transaction: the bank has its own."""
    kept = bank().hand_out(behaviour, expires_on=expires_on)
    with transaction() as db:
        return keep(db, customer_id=person_id, card=kept, now=clock.now()).id


def erased(person_id: int) -> None:
    """The day has come for which the person had closed their portal account."""
    with transaction() as db:
        person = db.get_one(Customer, person_id)
        person.closing_on = clock.today() - timedelta(days=1)
        db.add(person)
    assert erase_due_accounts(clock.now()) == 1


def balance(db: Session, account_id: int) -> int:
    return db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)).one()


def transfers(db: Session) -> list[Transfer]:
    return list(db.exec(select(Transfer).order_by(col(Transfer.id))))


def receipts(db: Session) -> list[str]:
    """The documents of the receipt letters in the outbox."""
    return [letter.document for letter in db.exec(select(Message).where(col(Message.about) == "receipt"))]


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Move the clock on."""
    now = clock.now() + by
    monkeypatch.setattr(clock, "now", lambda: now)
