"""What a person changes about how they come in: the password, the e-mail, the phone, and the sessions on other devices.

Each change of the three is told to a contact that was theirs before it, so that a thief cannot do it in silence.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

import clock
from actions.letters import put
from actions.passwords import end_sessions, require_confirmed, set_password
from actions.performing import action
from actions.proofs import count_code_try, issue_code, use_code
from actions.throttle import count_try, throttle_key
from models import Customer, LoginSession, Proof
from rules.attempts import ThrottleTerms
from rules.numbers import normalise_email, normalise_phone
from rules.refusals import EmailTaken, FieldWrong, NotAllowed
from rules.terms import Channel, ProofKind
from rules.visitor import Visitor
from settings import operator, settings


@dataclass(frozen=True, slots=True)
class ContactCode:
    """Where a code went and until when it works (aware UTC). The same whether or not somebody else has the contact."""

    proof_id: int
    contact: str
    expires_at: datetime


# --- sessions ---------------------------------------------------------------------------------------
@action("end_other_session")
def end_other_session(db: Session, *, visitor: Visitor, login_session_id: int) -> None:
    """End a session of the visitor's on another device; one that has ended already stays so.

    Raises NotAllowed for somebody else's and for the one that asks.
    """
    found = db.exec(
        select(LoginSession)
        .where(col(LoginSession.id) == login_session_id, col(LoginSession.customer_id) == visitor.customer_id)
        .with_for_update()
    ).first()
    if found is None or found.id == visitor.session_id:
        raise NotAllowed()
    if found.revoked_at is None:
        found.revoked_at = clock.now()
        db.add(found)


@action("end_all_other_sessions")
def end_all_other_sessions(db: Session, *, visitor: Visitor) -> int:
    """End all sessions of the visitor's but this one; returns how many."""
    return end_sessions(db, visitor.customer_id, but=visitor.session_id)


# --- the password -----------------------------------------------------------------------------------
@action("change_password")
def change_password(db: Session, *, visitor: Visitor, confirmed: str, password_hash: str) -> int:
    """Set a new password; sessions on other devices end (returns how many), and whatever was begun under the old one.

    `confirmed` comes from `confirm_password()`, `password_hash` from `hash_password()` of one that is good.
    Raises PasswordWrong.
    """
    person = require_confirmed(db, visitor, confirmed)
    set_password(db, person.id, password_hash)
    ended = end_sessions(db, person.id, but=visitor.session_id)
    _end_proofs(db, person.id, ProofKind.RESET, ProofKind.SECOND_STEP)
    if person.email:
        _tell(db, person, Channel.EMAIL, person.email, "password_changed")
    elif person.phone:
        _tell(db, person, Channel.SMS, person.phone, "password_changed")
    return ended


def _end_proofs(db: Session, customer_id: int, *kinds: ProofKind) -> None:
    """Links and codes of these kinds that are under way are of no use any more."""
    now = clock.now()
    db.execute(
        update(Proof)
        .where(
            col(Proof.customer_id) == customer_id,
            col(Proof.kind).in_(kinds),
            col(Proof.used_at).is_(None),
            col(Proof.expires_at) > now,
        )
        .values(expires_at=now)
    )


def _tell(db: Session, person: Customer, channel: Channel, recipient: str, about: str, **facts: str) -> None:
    put(
        db,
        channel=channel,
        recipient=recipient,
        about=about,
        language=person.language,
        requested_by_id=person.id,
        phone=operator().phone,
        **facts,
    )


# --- e-mail and phone -------------------------------------------------------------------------------
def _count_request(db: Session, visitor: Visitor) -> None:
    """Nobody sends letters and messages to strangers in bulk from here."""
    terms = ThrottleTerms(limit=settings().letters_per_hour, window_minutes=60, lock_minutes=60)
    count_try(db, key=throttle_key("contact-change", str(visitor.customer_id)), terms=terms, now=clock.now())


def _count_email_request(db: Session, *, visitor: Visitor, confirmed: str, email: str) -> None:
    _count_request(db, visitor)


def _count_phone_request(db: Session, *, visitor: Visitor, confirmed: str, phone: str) -> None:
    _count_request(db, visitor)


@action("request_email_change", beforehand=_count_email_request)
def request_email_change(db: Session, *, visitor: Visitor, confirmed: str, email: str) -> ContactCode:
    """Send a code to a new e-mail, taken as typed. When somebody else has it, the answer is the same and nothing is sent.

    Raises PasswordWrong, FieldWrong (not an e-mail, or the present one), TooManyAttempts.
    """
    person = require_confirmed(db, visitor, confirmed)
    try:
        target = normalise_email(email)
    except ValueError:
        raise FieldWrong(field="new_email", problem="malformed" if email.strip() else "missing") from None
    if target == person.email:
        raise FieldWrong(field="new_email", problem="same")
    taken = db.exec(select(Customer.id).where(col(Customer.email) == target)).first() is not None
    return _send_code(db, person, ProofKind.CHANGE_EMAIL, Channel.EMAIL, target, silent=taken)


@action("request_phone_change", beforehand=_count_phone_request)
def request_phone_change(db: Session, *, visitor: Visitor, confirmed: str, phone: str) -> ContactCode:
    """Send a code to a new phone by SMS; otherwise like `request_email_change()`.

    Raises PasswordWrong, FieldWrong (not a phone, or the present one), TooManyAttempts.
    """
    person = require_confirmed(db, visitor, confirmed)
    try:
        target = normalise_phone(phone)
    except ValueError:
        raise FieldWrong(field="new_phone", problem="malformed" if phone.strip() else "missing") from None
    if target == person.phone:
        raise FieldWrong(field="new_phone", problem="same")
    taken = db.exec(select(Customer.id).where(col(Customer.phone) == target)).first() is not None
    return _send_code(db, person, ProofKind.CHANGE_PHONE, Channel.SMS, target, silent=taken)


def _send_code(db: Session, person: Customer, kind: ProofKind, channel: Channel, target: str, *, silent: bool) -> ContactCode:
    proof_id, code = issue_code(db, kind=kind, customer_id=person.id, target=target)
    minutes = settings().code_minutes
    if not silent:
        put(
            db,
            channel=channel,
            recipient=target,
            about=f"{kind.value}_code",
            language=person.language,
            requested_by_id=person.id,
            code=code,
            minutes=minutes,
        )
    return ContactCode(proof_id, target, clock.now() + timedelta(minutes=minutes))


def _count_code(db: Session, visitor: Visitor, kind: ProofKind, proof_id: int) -> None:
    """Take one try off the visitor's own code; it stays used up whatever comes of it."""
    _require_own(db, visitor, proof_id)
    count_code_try(db, kind=kind, proof_id=proof_id)


def _require_own(db: Session, visitor: Visitor, proof_id: int) -> None:
    owner = select(Proof.id).where(col(Proof.id) == proof_id, col(Proof.customer_id) == visitor.customer_id)
    if db.exec(owner).first() is None:
        raise NotAllowed()


def _count_email_code(db: Session, *, visitor: Visitor, proof_id: int, code: str) -> None:
    _count_code(db, visitor, ProofKind.CHANGE_EMAIL, proof_id)


def _count_phone_code(db: Session, *, visitor: Visitor, proof_id: int, code: str) -> None:
    _count_code(db, visitor, ProofKind.CHANGE_PHONE, proof_id)


@action("confirm_email_change", beforehand=_count_email_code)
def confirm_email_change(db: Session, *, visitor: Visitor, proof_id: int, code: str) -> str:
    """Take the code and the new e-mail; the old one is told. Returns the new e-mail.

    Links to a new password that went to the old one stop working. Raises CodeWrong, CodeSpent, CodeExpired,
    EmailTaken (somebody was quicker), NotAllowed (somebody else's code).
    """
    _require_own(db, visitor, proof_id)
    target = use_code(db, kind=ProofKind.CHANGE_EMAIL, proof_id=proof_id, code=code).target
    person = db.exec(select(Customer).where(col(Customer.id) == visitor.customer_id).with_for_update()).one()
    old = person.email
    person.email, person.email_confirmed_at = target, clock.now()
    db.add(person)
    try:
        db.flush()
    except IntegrityError:
        raise EmailTaken() from None
    _end_proofs(db, person.id, ProofKind.RESET)
    if old:
        _tell(db, person, Channel.EMAIL, old, "email_changed", email=target)
    elif person.phone:
        _tell(db, person, Channel.SMS, person.phone, "email_changed", email=target)
    return target


@action("confirm_phone_change", beforehand=_count_phone_code)
def confirm_phone_change(db: Session, *, visitor: Visitor, proof_id: int, code: str) -> str:
    """Take the code and the new phone (returned in E.164); the old one is told by SMS, else the e-mail.

    Raises CodeWrong, CodeSpent, CodeExpired, FieldWrong (somebody was quicker), NotAllowed (somebody else's code).
    """
    _require_own(db, visitor, proof_id)
    target = use_code(db, kind=ProofKind.CHANGE_PHONE, proof_id=proof_id, code=code).target
    person = db.exec(select(Customer).where(col(Customer.id) == visitor.customer_id).with_for_update()).one()
    old = person.phone
    person.phone, person.phone_confirmed_at = target, clock.now()
    db.add(person)
    try:
        db.flush()
    except IntegrityError:
        raise FieldWrong(field="new_phone", problem="taken") from None
    _end_proofs(db, person.id, ProofKind.RESET)
    if old:
        _tell(db, person, Channel.SMS, old, "phone_changed", new_phone=target)
    elif person.email:
        _tell(db, person, Channel.EMAIL, person.email, "phone_changed", new_phone=target)
    return target
