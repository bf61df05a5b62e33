"""Closing one's portal account: asked for, taken back, and carried out. The contracts and their money stay."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, or_, update
from sqlmodel import Session, col, select

import clock
from actions.consents import own_person
from actions.letters import put
from actions.passwords import end_sessions, require_confirmed
from actions.performing import action
from db import reading, transaction
from models import (
    AttachCode,
    Attachment,
    AuditEntry,
    AutopayRule,
    Credential,
    Customer,
    DataExport,
    DemoPersona,
    ExternalIdentity,
    LoginSession,
    Message,
    Notice,
    NoticeChoice,
    Proof,
    RecoveryCode,
    Region,
    Registration,
    SavedCard,
    SecondFactor,
)
from rules.refusals import NotAllowed
from rules.terms import AutopayState, Channel, Outcome, Role
from rules.visitor import Visitor
from settings import operator, settings
from texts import day, speaking

BATCH = 50


# --- the person -------------------------------------------------------------------------------------
@action("close_account")
def close_account(db: Session, *, visitor: Visitor, confirmed: str) -> date:
    """Close one's portal account: on the day returned it is erased, until then `keep_account` takes it back.

    `confirmed` is what `confirm_password()` gave. A letter names the day. Closed already: the day stays. Raises
    PasswordWrong, NotAllowed (staff: the operator decides on those).
    """
    person = require_confirmed(db, visitor, confirmed)
    if person.role is not Role.CUSTOMER or person.erased_at is not None:
        raise NotAllowed()
    if person.closing_on is not None:
        return person.closing_on
    person.closing_on = clock.today(visitor.time_zone) + timedelta(days=settings().closing_days)
    db.add(person)
    _tell(db, person, person.closing_on)
    return person.closing_on


@action("keep_account")
def keep_account(db: Session, *, visitor: Visitor) -> None:
    """Take the closing back. Nothing was lost; an account that was not being closed stays as it is. Raises NotAllowed."""
    person = own_person(db, visitor)
    person.closing_on = None
    db.add(person)


def _tell(db: Session, person: Customer, closing_on: date) -> None:
    recipient = person.email or person.phone
    if recipient is None:
        return
    with speaking(person.language):
        said = day(closing_on)
    put(
        db,
        channel=Channel.EMAIL if person.email else Channel.SMS,
        recipient=recipient,
        about="account_closing",
        language=person.language,
        requested_by_id=person.id,
        day=said,
        phone=operator().phone,
    )


# --- the background ---------------------------------------------------------------------------------
def erase_due_accounts(now: datetime) -> int:
    """Erase the portal accounts whose day has come in the person's region; returns how many.

    Each in a transaction of its own, after a second look under a lock: it may have been taken back, or done by another
    process.
    """
    latest = (now + timedelta(hours=14)).date()  # no clock of the world is further on
    with reading() as db:
        found = db.exec(
            select(Customer.id)
            .where(col(Customer.closing_on) <= latest, col(Customer.erased_at).is_(None))
            .order_by(col(Customer.closing_on))
            .limit(BATCH)
        ).all()
    return sum(_erase_when_due(customer_id, now) for customer_id in found)


def _erase_when_due(customer_id: int, now: datetime) -> bool:
    with transaction() as db:
        person = db.exec(select(Customer).where(col(Customer.id) == customer_id).with_for_update()).one()
        if person.closing_on is None or person.erased_at is not None:
            return False
        zone = db.get_one(Region, person.region_code).time_zone
        if now.astimezone(ZoneInfo(zone)).date() < person.closing_on:
            return False
        _erase(db, person, now)
        db.add(AuditEntry(at=now, customer_id=person.id, action="erase_account", outcome=Outcome.DONE))
    return True


def _erase(db: Session, person: Customer, now: datetime) -> None:
    """Take out what tells who the person is. Ledger, bills, payments, consents and the journal stay: the law keeps them."""
    mine = person.id
    contacts = [contact for contact in (person.email, person.phone) if contact]
    end_sessions(db, mine)
    db.flush()
    db.execute(
        update(LoginSession)
        .where(col(LoginSession.customer_id) == mine)
        .values(token_hash=None, ticket_hash=None, ticket_expires_at=None, address="", browser="")
    )
    for table in (
        Credential,
        SecondFactor,
        RecoveryCode,
        ExternalIdentity,
        Proof,
        AttachCode,
        DataExport,
        DemoPersona,
        Notice,
        NoticeChoice,
    ):
        db.execute(delete(table).where(col(table.customer_id) == mine))  # type: ignore[attr-defined]
    db.execute(delete(Message).where(col(Message.recipient).in_(contacts)))
    db.execute(delete(Registration).where(or_(col(Registration.email).in_(contacts), col(Registration.phone).in_(contacts))))
    db.execute(
        update(AutopayRule)
        .where(col(AutopayRule.customer_id) == mine, col(AutopayRule.state) != AutopayState.DELETED)
        .values(state=AutopayState.DELETED, changed_at=now)
    )
    db.execute(
        update(Attachment)
        .where(col(Attachment.customer_id) == mine, col(Attachment.detached_at).is_(None))
        .values(detached_at=now)
    )
    db.execute(update(Attachment).where(col(Attachment.customer_id) == mine).values(label=""))
    for card in db.exec(select(SavedCard).where(col(SavedCard.customer_id) == mine)):
        # Payments refer to it, so the row stays: of no use for paying, and no longer a card that somebody has.
        card.token, card.last_four, card.label, card.is_default = f"erased-{card.id}", "0000", "", False
        card.removed_at = card.removed_at or now
        db.add(card)
    person.last_name, person.first_name, person.patronymic = f"№ {mine}", "Клиент", ""
    person.birth_on = person.email = person.phone = None
    person.email_confirmed_at = person.phone_confirmed_at = None
    person.erased_at = now
    db.add(person)
