"""Coming in from the street: registering, and showing that the e-mail is one's own.

Nobody learns here whether an e-mail is known: the screen says the same, and who has an account already gets a letter
that says so. A customer exists from the moment the link in the letter is used.
"""

import secrets
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

import clock
from actions.letters import put
from actions.passwords import hash_password, set_password
from actions.performing import action, perform
from actions.proofs import hashed
from actions.throttle import count_try, throttle_key
from models import Customer, Region, Registration
from rules.attempts import ThrottleTerms
from rules.numbers import normalise_email, normalise_phone
from rules.refusals import EmailTaken, FieldWrong, LinkSpent
from rules.registration import registration_problems
from rules.terms import Channel, Language
from rules.visitor import Visitor
from settings import operator, settings


@dataclass(frozen=True, slots=True)
class Applicant:
    """What a person typed to register, as typed. Days are dates, the region is its ISO code."""

    email: str
    phone: str
    last_name: str
    first_name: str
    patronymic: str
    birth_on: date | None
    region_code: str
    language: Language


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A new customer. `phone_kept` is False when somebody else has shown before that the phone is theirs."""

    customer_id: int
    email: str
    phone_kept: bool


def limit_letters(db: Session, kind: str, contact: str, address: str) -> None:
    """Count one asked-for letter for the contact and for the network address. Raises TooManyAttempts."""
    limit = settings().letters_per_hour
    for key, most in ((throttle_key(f"{kind}-address", address), limit * 10), (throttle_key(kind, contact), limit)):
        count_try(db, key=key, terms=ThrottleTerms(limit=most, window_minutes=60, lock_minutes=60), now=clock.now())


def _email(typed: str) -> str:
    try:
        return normalise_email(typed)
    except ValueError:
        raise FieldWrong(field="email", problem="malformed") from None


def register(applicant: Applicant, *, password: str, site: str, address: str) -> None:
    """Register; a letter goes to the e-mail, whoever it belongs to. `site` is the portal's own address.

    Hashing the password takes a third of a second, whatever comes of it, and no transaction is open meanwhile.
    Raises FieldWrong with the first field that cannot be used, TooManyAttempts.
    """
    problems = registration_problems(
        email=applicant.email,
        phone=applicant.phone,
        password=password,
        last_name=applicant.last_name,
        first_name=applicant.first_name,
        patronymic=applicant.patronymic,
        birth_on=applicant.birth_on,
        region_known=bool(applicant.region_code),
        today=clock.today("Europe/Moscow"),
        least_years=settings().least_age_years,
    )
    for field, problem in problems.items():
        raise FieldWrong(field=field, problem=problem)
    perform(
        apply,
        visitor=None,
        applicant=applicant,
        password_hash=hash_password(password),
        site=site,
        address=address,
    )


def _count_application(db: Session, *, applicant: Applicant, address: str, **_: object) -> None:
    limit_letters(db, "register", _email(applicant.email), address)


@action("register", beforehand=_count_application)
def apply(db: Session, *, visitor: Visitor | None, applicant: Applicant, password_hash: str, site: str, address: str) -> None:
    """Keep the application and send the link; to somebody who has an account already, a letter that says so.

    `register()` has looked at the fields and hashed the password. Raises FieldWrong, TooManyAttempts.
    """
    email, now = _email(applicant.email), clock.now()
    if db.get(Region, applicant.region_code) is None:
        raise FieldWrong(field="region", problem="missing")
    assert applicant.birth_on is not None
    known = db.exec(select(Customer).where(col(Customer.email) == email, col(Customer.registered_at).is_not(None))).first()
    if known is not None:
        put(
            db,
            channel=Channel.EMAIL,
            recipient=email,
            about="already_registered",
            language=known.language,
            link=f"{site}/recover",
            phone=operator().phone,
        )
        return
    token = secrets.token_urlsafe(32)
    db.add(
        Registration(
            email=email,
            phone=normalise_phone(applicant.phone),
            last_name=_tidy(applicant.last_name),
            first_name=_tidy(applicant.first_name),
            patronymic=_tidy(applicant.patronymic),
            birth_on=applicant.birth_on,
            region_code=applicant.region_code,
            language=applicant.language,
            password_hash=password_hash,
            token_hash=hashed(token),
            created_at=now,
            expires_at=now + timedelta(hours=settings().registration_hours),
        )
    )
    _send_link(db, email, applicant.language, site, token)


def _tidy(name: str) -> str:
    return " ".join(name.split())


def _send_link(db: Session, email: str, language: Language, site: str, token: str) -> None:
    put(
        db,
        channel=Channel.EMAIL,
        recipient=email,
        about="confirm_email",
        language=language,
        link=f"{site}/go/confirm/{token}",
        hours=settings().registration_hours,
    )


def _count_resend(db: Session, *, email: str, address: str, **_: object) -> None:
    limit_letters(db, "register", _email(email), address)


@action("resend_confirmation", beforehand=_count_resend)
def resend_confirmation(db: Session, *, visitor: Visitor | None, email: str, site: str, address: str) -> None:
    """Send the link anew; the earlier one ends. Says nothing of whether there is an application. Raises TooManyAttempts."""
    waiting = db.exec(
        select(Registration)
        .where(
            col(Registration.email) == _email(email),
            col(Registration.used_at).is_(None),
            col(Registration.expires_at) > clock.now(),
        )
        .order_by(col(Registration.id).desc())
        .with_for_update()
    ).first()
    if waiting is None:
        return
    token = secrets.token_urlsafe(32)
    waiting.token_hash = hashed(token)
    waiting.expires_at = clock.now() + timedelta(hours=settings().registration_hours)
    db.add(waiting)
    _send_link(db, waiting.email, waiting.language, site, token)


@action("confirm_registration")
def confirm_registration(db: Session, *, visitor: Visitor | None, token: str) -> Confirmed:
    """Make the customer of an application whose link came back. Of several with one e-mail the first wins.

    Raises LinkSpent (unknown, used, too old), EmailTaken.
    """
    now = clock.now()
    waiting = db.exec(
        select(Registration)
        .where(
            col(Registration.token_hash) == hashed(token),
            col(Registration.used_at).is_(None),
            col(Registration.expires_at) > now,
        )
        .with_for_update()
    ).first()
    if waiting is None:
        raise LinkSpent()
    waiting.used_at = now
    db.add(waiting)
    if db.exec(select(Customer.id).where(col(Customer.email) == waiting.email)).first() is not None:
        raise EmailTaken()
    phone_taken = db.exec(select(Customer.id).where(col(Customer.phone) == waiting.phone)).first() is not None
    person = Customer(
        last_name=waiting.last_name,
        first_name=waiting.first_name,
        patronymic=waiting.patronymic,
        birth_on=waiting.birth_on,
        email=waiting.email,
        phone=None if phone_taken else waiting.phone,
        region_code=waiting.region_code,
        language=waiting.language,
        registered_at=now,
        email_confirmed_at=now,
    )
    db.add(person)
    try:
        db.flush()
    except IntegrityError as error:  # two links of one e-mail at the same moment
        raise EmailTaken() from error
    set_password(db, person.id, waiting.password_hash)
    waiting.password_hash = ""
    return Confirmed(person.id, waiting.email, phone_kept=not phone_taken)
