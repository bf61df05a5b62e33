"""Getting back in: a link by e-mail or a code by SMS. The answer never tells whether there is such a person.

Nothing changes until the link or code is used; then the password does, all sessions end, and a letter says so.
"""

import time
from dataclasses import dataclass

from sqlmodel import Session, col, select

import clock
from actions.letters import put
from actions.passwords import end_sessions, hash_password, require_good, set_password
from actions.performing import action, perform
from actions.proofs import issue_code, issue_link, use_code, use_link
from actions.registration import limit_letters
from actions.throttle import count_try, forget_tries, throttle_key
from models import Customer, Proof
from rules.attempts import ThrottleTerms
from rules.numbers import normalise_email, normalise_phone
from rules.refusals import CodeExpired, CodeSpent, CodeWrong, FieldWrong, ResetCodeWrong
from rules.terms import Channel, ProofKind
from rules.visitor import Visitor
from settings import operator, settings

LEAST_SECONDS = 0.25
"""Every request takes at least so long: finding a person and writing their letter takes a few milliseconds more than not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a link or code was asked for: a contact as it is stored."""

    contact: str

    @property
    def by_phone(self) -> bool:
        return self.contact.startswith("+")


def contact_of(name: str) -> Asked:
    """An e-mail or phone as typed. Raises FieldWrong when it is neither."""
    for tidy in (normalise_phone, normalise_email):
        try:
            return Asked(tidy(name))
        except ValueError:
            continue
    raise FieldWrong(field="contact", problem="malformed" if name.strip() else "missing")


def ask_to_reset(*, name: str, site: str, address: str) -> Asked:
    """Ask for a link (e-mail) or code (phone); the same answer in the same time for anybody.

    Raises FieldWrong, TooManyAttempts.
    """
    began = time.monotonic()
    asked = contact_of(name)
    try:
        perform(request_reset, visitor=None, contact=asked.contact, site=site, address=address)
    finally:
        time.sleep(max(0.0, LEAST_SECONDS - (time.monotonic() - began)))
    return asked


def _count_request(db: Session, *, contact: str, address: str, **_: object) -> None:
    limit_letters(db, "reset", contact, address)


@action("request_reset", beforehand=_count_request)
def request_reset(db: Session, *, visitor: Visitor | None, contact: str, site: str, address: str) -> None:
    """Send a link or code to the contact if a registered person has it. Raises TooManyAttempts."""
    forget_tries(db, key=_tries_key(contact))  # a new code has tries of its own, whether or not there is one
    column = Customer.phone if contact.startswith("+") else Customer.email
    person = db.exec(
        select(Customer).where(
            col(column) == contact, col(Customer.registered_at).is_not(None), col(Customer.erased_at).is_(None)
        )
    ).first()
    if person is None:
        return
    if contact.startswith("+"):
        _, code = issue_code(db, kind=ProofKind.RESET, customer_id=person.id, target=contact)
        put(
            db,
            channel=Channel.SMS,
            recipient=contact,
            about="reset_code",
            language=person.language,
            code=code,
            minutes=settings().code_minutes,
        )
        return
    minutes = settings().reset_minutes
    token = issue_link(db, kind=ProofKind.RESET, customer_id=person.id, target=contact, minutes=minutes)
    put(
        db,
        channel=Channel.EMAIL,
        recipient=contact,
        about="reset_link",
        language=person.language,
        link=f"{site}/go/reset/{token}",
        minutes=minutes,
    )


def _tries_key(contact: str) -> str:
    return throttle_key("reset-code", contact)


def reset_by_link(*, token: str, password: str) -> str:
    """Set a new password by the link; returns the e-mail to sign in with. Raises FieldWrong, LinkSpent."""
    require_good(password)
    return perform(use_reset_link, visitor=None, token=token, password_hash=hash_password(password))


def reset_by_code(*, contact: str, code: str, password: str) -> str:
    """Set a new password by the code sent to the phone. Raises FieldWrong, ResetCodeWrong, TooManyAttempts."""
    require_good(password, phone=contact)
    return perform(use_reset_code, visitor=None, contact=contact, code=code, password_hash=hash_password(password))


@action("reset_by_link")
def use_reset_link(db: Session, *, visitor: Visitor | None, token: str, password_hash: str) -> str:
    """Set the password of whoever the link was sent to; it also shows that the e-mail is theirs. Raises LinkSpent."""
    proof = use_link(db, kind=ProofKind.RESET, token=token)
    person = db.get_one(Customer, proof.customer_id)
    if person.email == proof.target and person.email_confirmed_at is None:
        person.email_confirmed_at = clock.now()
        db.add(person)
    return _reset(db, person, password_hash)


def _count_code(db: Session, *, contact: str, **_: object) -> None:
    minutes = settings().code_minutes
    terms = ThrottleTerms(limit=settings().code_tries, window_minutes=minutes, lock_minutes=minutes)
    count_try(db, key=_tries_key(contact), terms=terms, now=clock.now())


@action("reset_by_code", beforehand=_count_code)
def use_reset_code(db: Session, *, visitor: Visitor | None, contact: str, code: str, password_hash: str) -> str:
    """Set the password of whoever has the phone, by its code.

    Tries are counted by phone, not by code: a phone that nobody has answers in the same way.
    Raises ResetCodeWrong, TooManyAttempts.
    """
    sent = db.exec(
        select(Proof.id)
        .where(
            col(Proof.kind) == ProofKind.RESET,
            col(Proof.target) == contact,
            col(Proof.used_at).is_(None),
            col(Proof.expires_at) > clock.now(),
        )
        .order_by(col(Proof.id).desc())
    ).first()
    if sent is None:
        raise ResetCodeWrong()
    try:
        proof = use_code(db, kind=ProofKind.RESET, proof_id=sent, code=code)
    except (CodeWrong, CodeSpent, CodeExpired) as wrong:
        raise ResetCodeWrong() from wrong
    person = db.get_one(Customer, proof.customer_id)
    if person.phone_confirmed_at is None:
        person.phone_confirmed_at = clock.now()
        db.add(person)
    return _reset(db, person, password_hash)


def _reset(db: Session, person: Customer, password_hash: str) -> str:
    set_password(db, person.id, password_hash)
    end_sessions(db, person.id)
    if person.email:
        put(
            db,
            channel=Channel.EMAIL,
            recipient=person.email,
            about="password_reset",
            language=person.language,
            requested_by_id=person.id,
            phone=operator().phone,
        )
    return person.email or person.phone or ""
