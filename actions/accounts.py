"""Attaching billing accounts to a person's portal, naming, ordering and detaching them."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, func, select

import clock
from actions.letters import put
from actions.notices import wants_bills
from actions.performing import action
from actions.throttle import count_try, throttle_key
from models import AttachCode, Attachment, AutopayRule, BillingAccount, Customer
from rules.attempts import ThrottleTerms
from rules.numbers import check_account_number, format_account_number, mask_email, mask_phone, normalise_label
from rules.refusals import AccountAlreadyAttached, AccountUnknown, CodeExpired, CodeSpent, CodeWrong, NotAllowed
from rules.terms import AccountStatus, AutopayState, Channel, Right
from rules.visitor import Visitor
from settings import secret_key, settings
from texts import t


@dataclass(frozen=True, slots=True)
class CodeSent:
    """Where a code went (masked: it must not tell whose account it is) and until when it works (aware UTC)."""

    attach_code_id: int
    sent_to: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Detached:
    """What ended with an attachment."""

    autopay_rules: int


# --- attaching --------------------------------------------------------------------------------------
def _count_request(db: Session, *, visitor: Visitor, number: str) -> None:
    """Numbers cannot be tried out in bulk: each asking counts, also for numbers that nobody has."""
    terms = ThrottleTerms(limit=settings().attach_requests_per_hour, window_minutes=60, lock_minutes=60)
    count_try(db, key=throttle_key("attach", str(visitor.customer_id)), terms=terms, now=clock.now())


@action("request_attach_code", beforehand=_count_request)
def request_attach_code(db: Session, *, visitor: Visitor, number: str) -> CodeSent:
    """Send a one-time code to the contact that the operator holds for an account; older codes of this person for it die.

    `number` is taken as typed. Raises AccountNumberMalformed, AccountUnknown, AccountAlreadyAttached, TooManyAttempts.
    """
    tidy = check_account_number(number)
    account = db.exec(
        select(BillingAccount).where(col(BillingAccount.number) == tidy, col(BillingAccount.status) != AccountStatus.CLOSED)
    ).first()
    if account is None:
        raise AccountUnknown()
    held = _live_attachment(db, visitor.customer_id, account.id)
    if held is not None:
        raise AccountAlreadyAttached(label=held.label or t(f"service.{account.service}"))
    contact = account.contact_email or account.contact_phone
    if contact is None:
        raise AccountUnknown()

    now = clock.now()
    db.execute(
        update(AttachCode)
        .where(
            col(AttachCode.customer_id) == visitor.customer_id,
            col(AttachCode.billing_account_id) == account.id,
            col(AttachCode.used_at).is_(None),
        )
        .values(tries_left=0)
    )
    code = f"{secrets.randbelow(1_000_000):06d}"
    sent = AttachCode(
        customer_id=visitor.customer_id,
        billing_account_id=account.id,
        code_hash="",
        sent_to=mask_email(contact) if account.contact_email else mask_phone(contact),
        sent_at=now,
        expires_at=now + timedelta(minutes=settings().attach_code_minutes),
        tries_left=settings().attach_code_tries,
    )
    db.add(sent)
    db.flush()
    sent.code_hash = _seal(sent.id, code)
    db.add(sent)
    _send_code(db, visitor, account, contact, code)
    return CodeSent(sent.id, sent.sent_to, sent.expires_at)


def _send_code(db: Session, visitor: Visitor, account: BillingAccount, contact: str, code: str) -> None:
    holder = db.get_one(Customer, account.holder_id)
    put(
        db,
        channel=Channel.EMAIL if account.contact_email else Channel.SMS,
        recipient=contact,
        about="attach_code",
        language=holder.language,
        requested_by_id=visitor.customer_id,
        code=code,
        number=format_account_number(account.number),
        minutes=settings().attach_code_minutes,
    )


def _seal(attach_code_id: int, code: str) -> str:
    """What is stored of a code: it has a million values only, so a bare hash could be looked up."""
    return hmac.new(secret_key().encode(), f"attach:{attach_code_id}:{code}".encode(), hashlib.sha256).hexdigest()


def _use_up_try(db: Session, *, visitor: Visitor, attach_code_id: int, code: str) -> None:
    """Take one try off the code; it stays used up whatever comes of it."""
    mine = (col(AttachCode.id) == attach_code_id, col(AttachCode.customer_id) == visitor.customer_id)
    if db.exec(select(AttachCode.id).where(*mine)).first() is None:
        raise NotAllowed()
    taken = db.execute(
        update(AttachCode)
        .where(*mine, col(AttachCode.tries_left) > 0, col(AttachCode.used_at).is_(None))
        .values(tries_left=AttachCode.tries_left - 1)
    )
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        raise CodeSpent()


@action("attach_account", beforehand=_use_up_try)
def attach_account(db: Session, *, visitor: Visitor, attach_code_id: int, code: str) -> int:
    """Attach the account that a code was sent for; returns its id. Everything works at once.

    Whoever proved to be its contact in person (holder, or the same e-mail or phone) may manage it; whoever was told the
    code may pay. Raises CodeWrong(tries_left), CodeExpired, CodeSpent, NotAllowed (somebody else's code).
    """
    sent = db.exec(
        select(AttachCode)
        .where(col(AttachCode.id) == attach_code_id, col(AttachCode.customer_id) == visitor.customer_id)
        .with_for_update()
    ).first()
    if sent is None:
        raise NotAllowed()
    if sent.used_at is not None:
        raise CodeSpent()
    now = clock.now()
    if now >= sent.expires_at:
        raise CodeExpired()
    if not hmac.compare_digest(sent.code_hash, _seal(sent.id, "".join(code.split()))):
        if sent.tries_left == 0:
            raise CodeSpent()
        raise CodeWrong(tries_left=sent.tries_left)
    sent.used_at = now
    db.add(sent)
    account = db.exec(select(BillingAccount).where(col(BillingAccount.id) == sent.billing_account_id).with_for_update()).one()
    held = _live_attachment(db, visitor.customer_id, account.id)
    if held is not None:
        raise AccountAlreadyAttached(label=held.label or t(f"service.{account.service}"))
    last = db.exec(
        select(func.max(Attachment.position)).where(
            col(Attachment.customer_id) == visitor.customer_id, col(Attachment.detached_at).is_(None)
        )
    ).one()
    db.add(
        Attachment(
            customer_id=visitor.customer_id,
            billing_account_id=account.id,
            right=Right.MANAGE if _is_own(db, visitor, account) else Right.PAY,
            position=0 if last is None else last + 1,
            bill_by_email=wants_bills(db, customer_id=visitor.customer_id),
            attached_at=now,
        )
    )
    return account.id


def _is_own(db: Session, visitor: Visitor, account: BillingAccount) -> bool:
    person = db.get_one(Customer, visitor.customer_id)
    same_mail = account.contact_email is not None and account.contact_email == person.email
    same_phone = account.contact_email is None and account.contact_phone is not None and account.contact_phone == person.phone
    return account.holder_id == person.id or same_mail or same_phone


def _live_attachment(db: Session, customer_id: int, account_id: int) -> Attachment | None:
    return db.exec(
        select(Attachment).where(
            col(Attachment.customer_id) == customer_id,
            col(Attachment.billing_account_id) == account_id,
            col(Attachment.detached_at).is_(None),
        )
    ).first()


# --- one's own list ---------------------------------------------------------------------------------
def _mine(db: Session, visitor: Visitor, attachment_id: int) -> Attachment:
    """A live attachment of the visitor. Raises NotAllowed for any other."""
    found = db.exec(
        select(Attachment)
        .where(
            col(Attachment.id) == attachment_id,
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.detached_at).is_(None),
        )
        .with_for_update()
    ).first()
    if found is None:
        raise NotAllowed()
    return found


@action("rename_attachment")
def rename_attachment(db: Session, *, visitor: Visitor, attachment_id: int, label: str) -> str:
    """Give an account one's own name; empty goes back to the service's. Returns the name as kept.

    Raises LabelMalformed, NotAllowed.
    """
    attachment = _mine(db, visitor, attachment_id)
    attachment.label = normalise_label(label) if label.strip() else ""
    db.add(attachment)
    return attachment.label


@action("move_attachment")
def move_attachment(db: Session, *, visitor: Visitor, attachment_id: int, up: bool) -> None:
    """Move an account one place up or down in the person's own order; at the end it stays. Raises NotAllowed."""
    moved = _mine(db, visitor, attachment_id)
    order = list(
        db.exec(
            select(Attachment)
            .where(col(Attachment.customer_id) == visitor.customer_id, col(Attachment.detached_at).is_(None))
            .order_by(col(Attachment.position), col(Attachment.id))
        )
    )
    at = next(place for place, attachment in enumerate(order) if attachment.id == moved.id)
    to = at - 1 if up else at + 1
    if 0 <= to < len(order):
        order[at], order[to] = order[to], order[at]
    for place, attachment in enumerate(order):
        attachment.position = place
        db.add(attachment)


@action("detach_account")
def detach_account(db: Session, *, visitor: Visitor, attachment_id: int) -> Detached:
    """End an attachment. History stays; the person's autopay rules for the account end with it. Raises NotAllowed."""
    attachment, now = _mine(db, visitor, attachment_id), clock.now()
    attachment.detached_at = now
    db.add(attachment)
    ended = db.execute(
        update(AutopayRule)
        .where(
            col(AutopayRule.customer_id) == visitor.customer_id,
            col(AutopayRule.billing_account_id) == attachment.billing_account_id,
            col(AutopayRule.state) != AutopayState.DELETED,
        )
        .values(state=AutopayState.DELETED, changed_at=now)
    )
    return Detached(autopay_rules=ended.rowcount)  # type: ignore[attr-defined]
