"""Signing in and out. A session lives on the server; the browser holds a token that names it, in a cookie no script can read.

A Streamlit script cannot set a cookie, so opening a session gives a one-time ticket, which the browser exchanges for the
cookie at an HTTP route within a minute.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from sqlalchemy import update
from sqlmodel import Session, col, select

import clock
from actions.letters import put
from actions.notices import choices, notify
from actions.performing import action, perform
from actions.proofs import begin_step, count_code_try, open_proof
from actions.second_factor import check_second_factor, has_second_factor
from actions.throttle import count_try, forget_tries, take_back, throttle_key
from db import reading, transaction
from models import Credential, Customer, DemoPersona, LoginSession
from rules.attempts import ThrottleTerms
from rules.numbers import normalise_email, normalise_phone
from rules.passwords import LONGEST, prehash
from rules.refusals import CodeWrong, DemoOnly, NotSignedIn, SecondStepNeeded, SignInRefused, TooManyAttempts
from rules.terms import Channel, NoticeEvent, ProofKind
from rules.visitor import Visitor
from settings import operator, secret_key, settings

TICKET_LIFETIME = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session: its id, and the ticket that its browser exchanges for the cookie."""

    session_id: int
    ticket: str
    customer_id: int
    """Whose it is, for the journal."""


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """What goes into the cookie, and until when (aware UTC); an unremembered one ends with the browser."""

    value: str
    expires_at: datetime
    remembered: bool


def fingerprint(secret: str) -> str:
    """The SHA-256 of a token or ticket: what is stored of it."""
    return hashlib.sha256(secret.encode()).hexdigest()


# --- opening ----------------------------------------------------------------------------------------
def sign_in(
    *, name: str, password: str, address: str, browser: str, check: Callable[[str, str], bool], remembered: bool = True
) -> OpenedSession:
    """Sign in with an e-mail or phone and the password; the password is taken as typed, neither trimmed nor folded.

    `check(prehashed, hash)` compares with bcrypt, which is slow on purpose; no transaction is open meanwhile. The try
    is counted before it is checked, so that no burst of guesses gets more of them checked than allowed; a name that
    nobody has costs the same time. Raises SignInRefused, the same for a wrong name, a wrong password and a lock, and
    SecondStepNeeded (its `proof_id` goes to `second_step`) when the person has a second factor.
    """
    allowed = _admit(name, address)
    customer_id, stored = _credential(name)
    right = check(prehash(password[: LONGEST * 4]), stored or _NOBODYS)
    entered = perform(
        first_step,
        visitor=None,
        customer_id=customer_id,
        proven=bool(allowed and right and stored),
        name=name,
        address=address,
        browser=browser,
        remembered=remembered,
    )
    if isinstance(entered, int):
        needed = SecondStepNeeded()
        needed.proof_id = entered
        raise needed
    return entered


_NOBODYS = "$2b$12$" + "R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
"""A hash of nothing we know, at the cost of a real one."""


def _tidy(name: str) -> str:
    """A sign-in name as it is stored: a phone in E.164, else an e-mail in lower case."""
    for tidy in (normalise_phone, normalise_email):
        try:
            return tidy(name)
        except ValueError:
            continue
    return name.strip().casefold()[:254]


def _admit(name: str, address: str) -> bool:
    """Count this try for the person and for the address; False when either has had too many."""
    chosen = settings()
    window = chosen.sign_in_window_minutes
    try:
        with transaction() as db:
            for kind, value, limit in (
                ("sign-in-address", address, chosen.sign_in_tries_address),
                ("sign-in-name", _tidy(name), chosen.sign_in_tries_person),
            ):
                terms = ThrottleTerms(limit=limit, window_minutes=window, lock_minutes=window)
                count_try(db, key=throttle_key(kind, value), terms=terms, now=clock.now())
    except TooManyAttempts:
        return False
    return True


def _credential(name: str) -> tuple[int | None, str | None]:
    tidy = _tidy(name)
    column = Customer.phone if tidy.startswith("+") else Customer.email
    with reading() as db:
        row = db.exec(
            select(Credential.customer_id, Credential.password_hash)
            .join(Customer, col(Customer.id) == col(Credential.customer_id))
            .where(col(column) == tidy)
        ).first()
    return row if row is not None else (None, None)


@action("sign_in")
def first_step(
    db: Session,
    *,
    visitor: Visitor | None,
    customer_id: int | None,
    proven: bool,
    name: str,
    address: str,
    browser: str,
    remembered: bool,
) -> OpenedSession | int:
    """Open a session for the person `customer_id` if they have `proven` who they are; else refuse, on their journal too.

    With a second factor it returns the id of the proof that `second_step` takes instead. Raises SignInRefused.
    """
    if customer_id is None or not proven:
        raise SignInRefused()
    forget_tries(db, key=throttle_key("sign-in-name", _tidy(name)))
    take_back(db, key=throttle_key("sign-in-address", address))
    if has_second_factor(db, customer_id):
        return begin_step(db, customer_id)
    return open_for(db, customer_id, address=address, browser=browser, remembered=remembered)


def _count_step(db: Session, *, proof_id: int, **_: object) -> None:
    count_code_try(db, kind=ProofKind.SECOND_STEP, proof_id=proof_id)


@action("second_step", beforehand=_count_step)
def second_step(
    db: Session, *, visitor: Visitor | None, proof_id: int, code: str, address: str, browser: str, remembered: bool
) -> OpenedSession:
    """Open the session of somebody whose password was right, by a code of the app or a recovery code.

    `proof_id` never leaves the server: it is in the state of the very page that took the password.
    Raises CodeWrong, CodeSpent, CodeExpired.
    """
    proof = open_proof(db, kind=ProofKind.SECOND_STEP, proof_id=proof_id)
    if not check_second_factor(db, proof.customer_id, code):
        raise CodeWrong(tries_left=max(0, settings().code_tries - proof.tries))
    proof.used_at = clock.now()
    db.add(proof)
    return open_for(db, proof.customer_id, address=address, browser=browser, remembered=remembered)


@action("enter_as_persona")
def enter_as_persona(db: Session, *, visitor: Visitor | None, persona: str, address: str, browser: str) -> OpenedSession:
    """Open an ordinary session for one of the demo's people, without a password. Raises DemoOnly in production."""
    if not settings().is_demo:
        raise DemoOnly()
    found = db.get(DemoPersona, persona)
    if found is None:
        raise DemoOnly()
    return open_for(db, found.customer_id, address=address, browser=browser, remembered=True, tell=False)


def open_for(db: Session, customer_id: int, *, address: str, browser: str, remembered: bool, tell: bool = True) -> OpenedSession:
    """Open a session for a person whose proof the caller has checked. A browser not seen before is told of by letter.

    Remembered sessions last `session_days`; others `session_hours`, and end when unused for `session_idle_minutes`.
    """
    person = db.get_one(Customer, customer_id)
    if person.erased_at is not None:
        raise SignInRefused()
    if tell:
        _tell_of_new_browser(db, person, address, browser)
    chosen, now, ticket = settings(), clock.now(), secrets.token_urlsafe(32)
    session = LoginSession(
        customer_id=customer_id,
        ticket_hash=fingerprint(ticket),
        ticket_expires_at=now + TICKET_LIFETIME,
        opened_at=now,
        expires_at=now + (timedelta(days=chosen.session_days) if remembered else timedelta(hours=chosen.session_hours)),
        remembered=remembered,
        last_seen_at=now,
        address=address[:45],
        browser=browser[:200],
    )
    db.add(session)
    db.flush()
    return OpenedSession(session.id, ticket, customer_id)


def _tell_of_new_browser(db: Session, person: Customer, address: str, browser: str) -> None:
    """A notice and a letter, as they have chosen, when the person was here before but never with this browser."""
    seen = db.exec(select(LoginSession.browser).where(col(LoginSession.customer_id) == person.id).distinct()).all()
    if not seen or browser[:200] in seen:
        return
    notify(
        db,
        customer_id=person.id,
        event=NoticeEvent.SIGN_IN,
        key=f"sign_in:{clock.now().isoformat()}",
        has_letter=True,
        address=address,
        browser=browser[:200],
    )
    if not person.email or not choices(db, customer_ids=[person.id], event=NoticeEvent.SIGN_IN)[person.id][1]:
        return
    put(
        db,
        channel=Channel.EMAIL,
        recipient=person.email,
        about="new_sign_in",
        language=person.language,
        requested_by_id=person.id,
        address=address or "—",
        browser=" ".join(browser.split())[:120] or "—",
        phone=operator().phone,
    )


def keep_alive(db: Session, *, visitor: Visitor) -> None:
    """The person is here: an unremembered session is not unused. No attempt at anything, so no row in the journal."""
    db.execute(update(LoginSession).where(col(LoginSession.id) == visitor.session_id).values(last_seen_at=clock.now()))


# --- the cookie -------------------------------------------------------------------------------------
@action("redeem_ticket")
def redeem_ticket(db: Session, *, visitor: Visitor | None, ticket: str) -> SessionCookie:
    """Exchange a one-time ticket for the cookie of its session. Raises NotSignedIn when it is used, late or unknown."""
    now = clock.now()
    session = db.exec(
        select(LoginSession)
        .where(
            col(LoginSession.ticket_hash) == fingerprint(ticket),
            col(LoginSession.ticket_expires_at) > now,
            col(LoginSession.revoked_at).is_(None),
        )
        .with_for_update()
    ).first()
    if session is None:
        raise NotSignedIn()
    token = secrets.token_urlsafe(32)
    session.token_hash, session.ticket_hash, session.ticket_expires_at = fingerprint(token), None, None
    db.add(session)
    return SessionCookie(seal(token, session.expires_at), session.expires_at, session.remembered)


def seal(token: str, expires_at: datetime) -> str:
    """The token in a signed envelope, so that junk never reaches the database. No name is in it."""
    return jwt.encode({"sid": token, "exp": int(expires_at.timestamp())}, secret_key(), algorithm="HS256")


def unseal(cookie: str) -> str | None:
    """The fingerprint of the token in a cookie that we signed and that has not expired; None for any other."""
    try:
        claims = jwt.decode(cookie, secret_key(), algorithms=["HS256"], options={"require": ["sid", "exp"]})
    except jwt.PyJWTError:
        return None
    return fingerprint(str(claims["sid"]))


# --- the end ----------------------------------------------------------------------------------------
@action("sign_out")
def end_session(db: Session, *, visitor: Visitor | None) -> None:
    """End the visitor's own session on the server; whoever copied its cookie is out too."""
    if visitor is None:
        raise NotSignedIn()
    session = db.get(LoginSession, visitor.session_id)
    if session is not None and session.revoked_at is None:
        session.revoked_at = clock.now()
        db.add(session)
