"""The second factor: one-time codes of an app (TOTP, RFC 6238) and ten recovery codes for when the phone is lost.

The secret has to be read again at each sign-in, so it cannot be hashed: it is encrypted under a key made from the secret
key of the settings, which is not in the database. Recovery codes are stored as an HMAC under the same secret key.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import delete
from sqlmodel import Session, col, select

import clock
from actions.letters import put
from actions.passwords import require_confirmed
from actions.performing import action
from actions.throttle import count_try, forget_tries, throttle_key
from models import Customer, RecoveryCode, SecondFactor
from rules.attempts import ThrottleTerms
from rules.refusals import CodeSpent, FieldWrong
from rules.terms import Channel
from rules.visitor import Visitor
from settings import operator, secret_key, settings

STEP_SECONDS = 30
"""The time step of RFC 6238, 5.2; apps take no other for granted."""
NEIGHBOURS = 1
"""Steps before and after the present one that are accepted: clocks of phones differ (RFC 6238, 6)."""
CODES = 10
# Without 0 and o, 1, i and l: these codes are copied by hand. Ten of 31 signs are 49 bits.
_SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Provisioning:
    """What an app needs: the secret in base32, and the address (otpauth://…) that a QR code carries."""

    secret: str
    uri: str


# --- keeping and reading ----------------------------------------------------------------------------
def _vault() -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kabinet second factor").derive(secret_key().encode())
    return Fernet(base64.urlsafe_b64encode(key))


def _open(sealed: str) -> str | None:
    """The secret, or None when it was sealed under another secret key."""
    try:
        return _vault().decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _tidy(code: str) -> str:
    return "".join(sign for sign in code.lower() if sign.isalnum())


def _sealed_code(customer_id: int, code: str) -> str:
    return hmac.new(secret_key().encode(), f"recovery:{customer_id}:{_tidy(code)}".encode(), hashlib.sha256).hexdigest()


def _held(db: Session, customer_id: int) -> SecondFactor | None:
    return db.exec(select(SecondFactor).where(col(SecondFactor.customer_id) == customer_id).with_for_update()).first()


def has_second_factor(db: Session, customer_id: int) -> bool:
    """Whether a code is asked for after the person's password."""
    held = select(SecondFactor.customer_id).where(
        col(SecondFactor.customer_id) == customer_id, col(SecondFactor.confirmed_at).is_not(None)
    )
    return db.exec(held).first() is not None


def check_second_factor(db: Session, customer_id: int, code: str) -> bool:
    """Whether this is a code of the person's app that was not used yet, or an unused recovery code; it is used up then.

    The caller counts the tries. False also for who has no second factor in force.
    """
    held = _held(db, customer_id)
    if held is None or held.confirmed_at is None:
        return False
    return _take_app_code(db, held, code) or _take_recovery_code(db, customer_id, code)


def _take_app_code(db: Session, held: SecondFactor, code: str) -> bool:
    """Take a code of the present step or of a neighbour, later than the last one taken."""
    secret, tidy = _open(held.sealed_secret), _tidy(code)
    if secret is None or len(tidy) != 6 or not tidy.isascii():
        return False
    app = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = int(clock.now().timestamp()) // STEP_SECONDS
    for step in range(present - NEIGHBOURS, present + NEIGHBOURS + 1):
        if step > held.last_step and hmac.compare_digest(app.generate_otp(step), tidy):
            held.last_step = step
            db.add(held)
            return True
    return False


def _take_recovery_code(db: Session, customer_id: int, code: str) -> bool:
    found = db.exec(
        select(RecoveryCode)
        .where(
            col(RecoveryCode.customer_id) == customer_id,
            col(RecoveryCode.code_hash) == _sealed_code(customer_id, code),
            col(RecoveryCode.used_at).is_(None),
        )
        .with_for_update()
    ).first()
    if found is None:
        return False
    found.used_at = clock.now()
    db.add(found)
    return True


def _new_recovery_codes(db: Session, customer_id: int) -> list[str]:
    """Ten new codes; the earlier ones are of no use any more."""
    _drop_recovery_codes(db, customer_id)
    drawn = ["".join(secrets.choice(_SIGNS) for _ in range(10)) for _ in range(CODES)]
    codes = [f"{code[:5]}-{code[5:]}" for code in drawn]
    db.add_all(RecoveryCode(customer_id=customer_id, code_hash=_sealed_code(customer_id, code)) for code in codes)
    return codes


def _drop_recovery_codes(db: Session, customer_id: int) -> None:
    db.execute(delete(RecoveryCode).where(col(RecoveryCode.customer_id) == customer_id))


def _tell(db: Session, person: Customer, about: str) -> None:
    if person.email:
        put(
            db,
            channel=Channel.EMAIL,
            recipient=person.email,
            about=about,
            language=person.language,
            requested_by_id=person.id,
            phone=operator().phone,
        )


# --- turning on and off -----------------------------------------------------------------------------
@action("begin_second_factor")
def begin_second_factor(db: Session, *, visitor: Visitor, confirmed: str) -> Provisioning:
    """Make a secret for the visitor's app. It is in force only after `confirm_second_factor()`; a second call makes a new one.

    `confirmed` comes from `confirm_password()`. Raises PasswordWrong, FieldWrong (it is on already).
    """
    person = require_confirmed(db, visitor, confirmed)
    held = _held(db, visitor.customer_id)
    if held is not None and held.confirmed_at is not None:
        raise FieldWrong(field="second_factor", problem="already_on")
    secret = pyotp.random_base32()
    held = held or SecondFactor(customer_id=visitor.customer_id, sealed_secret="", created_at=clock.now())
    held.sealed_secret, held.created_at = _vault().encrypt(secret.encode()).decode(), clock.now()
    db.add(held)
    name = person.email or person.phone or person.first_name
    uri = pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=name, issuer_name=operator().name(visitor.language))
    return Provisioning(secret, uri)


def _throttled(visitor: Visitor) -> str:
    return throttle_key("second-factor-begin", str(visitor.customer_id))


def _count_confirm(db: Session, *, visitor: Visitor, code: str) -> None:
    chosen = settings()
    window = chosen.sign_in_window_minutes
    terms = ThrottleTerms(limit=chosen.code_tries, window_minutes=window, lock_minutes=window)
    count_try(db, key=_throttled(visitor), terms=terms, now=clock.now())


@action("confirm_second_factor", beforehand=_count_confirm)
def confirm_second_factor(db: Session, *, visitor: Visitor, code: str) -> list[str]:
    """Turn the second factor on: a code of the app shows that it has the secret. Returns ten recovery codes, never again.

    Raises FieldWrong (a wrong code), CodeSpent (nothing was begun, or it is on already), TooManyAttempts.
    """
    held = _held(db, visitor.customer_id)
    if held is None or held.confirmed_at is not None:
        raise CodeSpent()
    if not _take_app_code(db, held, code):
        raise FieldWrong(field="second_factor", problem="wrong")
    held.confirmed_at = clock.now()
    db.add(held)
    forget_tries(db, key=_throttled(visitor))
    _tell(db, db.get_one(Customer, visitor.customer_id), "second_factor_on")
    return _new_recovery_codes(db, visitor.customer_id)


@action("stop_second_factor")
def stop_second_factor(db: Session, *, visitor: Visitor, confirmed: str) -> bool:
    """Turn it off; the secret and the recovery codes are deleted. Returns whether it was on. Raises PasswordWrong."""
    person = require_confirmed(db, visitor, confirmed)
    held = _held(db, visitor.customer_id)
    if held is None:
        return False
    was_on = held.confirmed_at is not None
    db.delete(held)
    _drop_recovery_codes(db, visitor.customer_id)
    if was_on:
        _tell(db, person, "second_factor_off")
    return was_on


@action("renew_recovery_codes")
def renew_recovery_codes(db: Session, *, visitor: Visitor, confirmed: str) -> list[str]:
    """Ten new recovery codes in place of the old ones. Raises PasswordWrong, FieldWrong (the second factor is off)."""
    require_confirmed(db, visitor, confirmed)
    held = _held(db, visitor.customer_id)
    if held is None or held.confirmed_at is None:
        raise FieldWrong(field="second_factor", problem="off")
    return _new_recovery_codes(db, visitor.customer_id)
