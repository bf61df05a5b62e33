"""Passwords at work: hashing, and asking for the present one again before a sensitive change."""

import hmac

import bcrypt
from sqlmodel import Session, col, select

import clock
from actions.throttle import count_try, forget_tries, throttle_key
from db import reading, transaction
from models import Credential, Customer, LoginSession
from rules.attempts import ThrottleTerms
from rules.passwords import LONGEST, password_problems, prehash
from rules.refusals import FieldWrong, PasswordWrong
from rules.visitor import Visitor
from settings import settings

COST = 12


def hash_password(password: str) -> str:
    """The bcrypt hash that is stored; a third of a second, so never inside a transaction."""
    return bcrypt.hashpw(prehash(password).encode(), bcrypt.gensalt(COST)).decode()


def require_good(password: str, *, email: str = "", phone: str = "") -> None:
    """Raises FieldWrong with the first problem of a new password."""
    problems = password_problems(password, email=email, phone=phone)
    if problems:
        raise FieldWrong(field="password", problem=problems[0])


def confirm_password(*, visitor: Visitor, password: str) -> str:
    """Ask for the present password; returns what an action takes as `confirmed` to believe that it was asked.

    Tries are counted like those of signing in. Raises PasswordWrong, TooManyAttempts.
    """
    chosen = settings()
    key = throttle_key("password-again", str(visitor.customer_id))
    window = chosen.sign_in_window_minutes
    with transaction() as db:
        terms = ThrottleTerms(limit=chosen.sign_in_tries_person, window_minutes=window, lock_minutes=window)
        count_try(db, key=key, terms=terms, now=clock.now())
    with reading() as db:
        stored = db.exec(select(Credential.password_hash).where(col(Credential.customer_id) == visitor.customer_id)).first()
    if stored is None or not bcrypt.checkpw(prehash(password[: LONGEST * 4]).encode(), stored.encode()):
        raise PasswordWrong()
    with transaction() as db:
        forget_tries(db, key=key)
    return stored


def require_confirmed(db: Session, visitor: Visitor, confirmed: str) -> Customer:
    """The visitor's person, when `confirmed` is what `confirm_password()` gave for the password in force now.

    Raises PasswordWrong.
    """
    stored = db.exec(
        select(Credential.password_hash).where(col(Credential.customer_id) == visitor.customer_id).with_for_update()
    ).first()
    if stored is None or not hmac.compare_digest(stored, confirmed):
        raise PasswordWrong()
    return db.get_one(Customer, visitor.customer_id)


def set_password(db: Session, customer_id: int, password_hash: str) -> None:
    """Store a new hash; the caller has checked that it may."""
    held = db.get(Credential, customer_id) or Credential(customer_id=customer_id, password_hash="", changed_at=clock.now())
    held.password_hash, held.changed_at = password_hash, clock.now()
    db.add(held)


def end_sessions(db: Session, customer_id: int, *, but: int | None = None) -> int:
    """End a person's sessions on the server, all or all but one; returns how many."""
    now, ended = clock.now(), 0
    for session in db.exec(
        select(LoginSession).where(
            col(LoginSession.customer_id) == customer_id,
            col(LoginSession.revoked_at).is_(None),
            col(LoginSession.expires_at) > now,
        )
    ):
        if session.id != but:
            session.revoked_at, ended = now, ended + 1
            db.add(session)
    return ended
