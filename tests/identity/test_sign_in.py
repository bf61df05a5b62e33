"""Signing in: by e-mail or phone, slowly for guessers, on sessions that the server can end."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import bcrypt
import jwt
import pyotp
import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from streamlit_authenticator.utilities import Hasher

import clock
from actions import perform
from actions.second_factor import begin_second_factor, confirm_second_factor
from actions.sessions import (
    end_session,
    enter_as_persona,
    fingerprint,
    keep_alive,
    redeem_ticket,
    seal,
    second_step,
    sign_in,
    unseal,
)
from actions.throttle import count_try, forget_tries
from db import reading, transaction
from models import AuditEntry, Credential, Customer, DemoPersona, LoginSession, Message, Throttle
from queries import visitors
from rules.attempts import ThrottleTerms
from rules.passwords import prehash
from rules.refusals import (
    CodeSpent,
    CodeWrong,
    DemoOnly,
    NotSignedIn,
    Refusal,
    SecondStepNeeded,
    SignInRefused,
    TooManyAttempts,
)
from rules.terms import Outcome
from settings import secret_key, settings
from tests.conftest import as_in_production

PASSWORD = "Пароль из 128 знаков: " + "ж" * 106
EMAIL, PHONE = "anna@kabinet.example", "+79000001234"


@pytest.fixture
def anna(db: sa.Engine) -> int:
    """A person with a password that bcrypt alone would refuse as too long; its hash is cheap, to test many."""
    assert len(PASSWORD) == 128
    with transaction() as session:
        person = Customer(last_name="Ким", first_name="Анна", email=EMAIL, phone=PHONE, region_code="RU-MOW")
        session.add(person)
        session.flush()
        hashed = bcrypt.hashpw(prehash(PASSWORD).encode(), bcrypt.gensalt(4)).decode()
        session.add(Credential(customer_id=person.id, password_hash=hashed, changed_at=datetime(2026, 1, 1, tzinfo=UTC)))
        return person.id


def _try(name: str = EMAIL, password: str = PASSWORD, *, address: str = "198.51.100.1"):
    return sign_in(name=name, password=password, address=address, browser="test", check=Hasher.check_pw)


def _visitor(session_id: int):
    with reading() as db:
        found = visitors.by_session(db, session_id=session_id, now=clock.now())
    return found[0] if found else None


@pytest.mark.parametrize("name", [EMAIL, " Anna@Kabinet.Example ", PHONE, "8 (900) 000-12-34", "9000001234"])
def test_a_person_signs_in_with_e_mail_or_phone_however_it_is_written(anna: int, name: str):
    opened = _try(name)
    visitor = _visitor(opened.session_id)
    assert visitor is not None
    assert visitor.customer_id == anna


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (EMAIL, PASSWORD + " "),
        (EMAIL, PASSWORD.upper()),
        (EMAIL, PASSWORD[:-1]),
        (EMAIL, ""),
        ("nobody@kabinet.example", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("", ""),
    ],
)
def test_a_wrong_pair_is_refused_whatever_is_wrong_with_it(anna: int, name: str, password: str):
    with pytest.raises(SignInRefused) as refused:
        _try(name, password)
    assert refused.value.facts == {}
    with reading() as db:
        assert db.exec(select(LoginSession)).all() == []
        assert db.exec(select(AuditEntry.outcome).where(col(AuditEntry.action) == "sign_in")).all() == [Outcome.REFUSED]


def test_after_five_wrong_passwords_even_the_right_one_waits_and_later_works(anna: int, monkeypatch: pytest.MonkeyPatch):
    for _ in range(5):
        with pytest.raises(SignInRefused):
            _try(password="wrong")
    with pytest.raises(SignInRefused):
        _try()
    later = clock.now() + timedelta(minutes=settings().sign_in_window_minutes, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert _try().session_id


def test_the_right_password_forgets_the_wrong_ones(anna: int):
    for _ in range(4):
        with pytest.raises(SignInRefused):
            _try(password="wrong")
    _try()
    for _ in range(4):
        with pytest.raises(SignInRefused):
            _try(password="wrong")
    assert _try().session_id


def test_fifty_wrong_passwords_at_once_are_counted_up_to_the_limit_and_not_one_more(anna: int):
    def attempt(number: int) -> bool:
        try:
            sign_in(name=EMAIL, password=f"{number}", address="198.51.100.1", browser="", check=lambda *_: False)
        except SignInRefused:
            return False
        return True

    with ThreadPoolExecutor(16) as many:
        let_in = sum(many.map(attempt, range(50)))
    assert let_in == 0
    with reading() as db:
        row = db.exec(select(Throttle).where(col(Throttle.key).like("sign-in-name:%"))).one()
    assert row.failures == settings().sign_in_tries_person
    assert row.locked_until is not None


def test_parallel_tries_let_through_exactly_the_limit(db: sa.Engine):
    terms, now = ThrottleTerms(limit=7), datetime(2026, 11, 22, tzinfo=UTC)

    def attempt(_: int) -> bool:
        try:
            with transaction() as session:
                count_try(session, key="k", terms=terms, now=now)
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(16) as many:
        assert sum(many.map(attempt, range(50))) == 7
    with transaction() as session:
        forget_tries(session, key="k")
    assert attempt(0)


def test_one_address_cannot_try_many_names(anna: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGN_IN_TRIES_ADDRESS", "3")
    settings.cache_clear()
    for number in range(3):
        with pytest.raises(SignInRefused):
            sign_in(name=f"p{number}@kabinet.example", password="x", address="198.51.100.9", browser="", check=lambda *_: False)
    with pytest.raises(SignInRefused):
        _try(address="198.51.100.9")
    assert _try(address="198.51.100.10").session_id


def test_right_passwords_are_not_counted_against_a_shared_address(anna: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGN_IN_TRIES_ADDRESS", "2")
    settings.cache_clear()
    for _ in range(5):
        assert _try().session_id
    with pytest.raises(SignInRefused):
        _try("nobody@kabinet.example")
    assert _try().session_id
    with reading() as db:
        assert db.exec(select(Throttle.failures)).all() == [1, 1]


def test_a_name_that_nobody_has_costs_the_same_time(anna: int):
    hashed = bcrypt.hashpw(prehash(PASSWORD).encode(), bcrypt.gensalt(12)).decode()
    with transaction() as db:
        credential = db.get(Credential, anna)
        assert credential is not None
        credential.password_hash = hashed
        db.add(credential)

    def seconds(name: str) -> float:
        began = time.process_time()
        with pytest.raises(SignInRefused):
            _try(name, "wrong")
        return time.process_time() - began

    known = statistics.median(seconds(EMAIL) for _ in range(3))
    unknown = statistics.median(seconds("nobody@kabinet.example") for _ in range(3))
    assert abs(known - unknown) < 0.5 * max(known, unknown)


# --- the cookie -------------------------------------------------------------------------------------
def test_a_ticket_is_exchanged_once(anna: int):
    opened = _try()
    cookie = perform(redeem_ticket, visitor=None, ticket=opened.ticket)
    hashed = unseal(cookie.value)
    assert hashed is not None
    with reading() as db:
        found = visitors.by_token(db, token_hash=hashed, now=clock.now())
    assert found is not None
    assert found[0].session_id == opened.session_id
    with pytest.raises(NotSignedIn):
        perform(redeem_ticket, visitor=None, ticket=opened.ticket)


def test_a_ticket_is_worth_a_minute(anna: int, monkeypatch: pytest.MonkeyPatch):
    opened = _try()
    later = clock.now() + timedelta(seconds=61)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(NotSignedIn):
        perform(redeem_ticket, visitor=None, ticket=opened.ticket)


def test_neither_ticket_nor_token_is_stored(anna: int):
    opened = _try()
    cookie = perform(redeem_ticket, visitor=None, ticket=opened.ticket)
    token = jwt.decode(cookie.value, secret_key(), algorithms=["HS256"])["sid"]
    with reading() as db:
        stored = db.exec(select(LoginSession)).one()
    assert token not in repr(stored.model_dump())
    assert opened.ticket not in repr(stored.model_dump())
    assert stored.token_hash == fingerprint(token)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "rubbish",
        jwt.encode({"sid": "x", "exp": 9_999_999_999}, "another key of at least thirty-two characters", algorithm="HS256"),
        jwt.encode({"sid": "x", "exp": 9_999_999_999}, "", algorithm="none"),
    ],
)
def test_a_cookie_that_we_did_not_sign_names_nobody(cookie: str):
    assert unseal(cookie) is None


def test_an_expired_cookie_names_nobody():
    assert unseal(seal("token", datetime(2020, 1, 1, tzinfo=UTC))) is None


def test_a_session_that_was_ended_is_refused_though_its_cookie_is_copied(anna: int):
    opened = _try()
    cookie = perform(redeem_ticket, visitor=None, ticket=opened.ticket)
    visitor = _visitor(opened.session_id)
    assert visitor is not None
    perform(end_session, visitor=visitor)
    assert _visitor(opened.session_id) is None
    with reading() as db:
        assert visitors.by_token(db, token_hash=unseal(cookie.value) or "", now=clock.now()) is None


def test_a_session_ends_by_itself(anna: int, monkeypatch: pytest.MonkeyPatch):
    opened = _try()
    later = clock.now() + timedelta(days=settings().session_days, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert _visitor(opened.session_id) is None


def test_each_sign_in_gets_a_session_of_its_own(anna: int):
    assert _try().session_id != _try().session_id


# --- personas ---------------------------------------------------------------------------------------
@pytest.fixture
def persona(anna: int) -> str:
    with transaction() as db:
        db.add(DemoPersona(key="family", customer_id=anna, position=0))
    return "family"


def test_a_demo_lets_in_as_a_persona_by_an_ordinary_session(anna: int, persona: str):
    opened = perform(enter_as_persona, visitor=None, persona=persona, address="", browser="")
    visitor = _visitor(opened.session_id)
    assert visitor is not None
    assert visitor.customer_id == anna


def test_production_refuses_personas(persona: str, monkeypatch: pytest.MonkeyPatch):
    as_in_production(monkeypatch)
    settings.cache_clear()
    with pytest.raises(DemoOnly):
        perform(enter_as_persona, visitor=None, persona=persona, address="", browser="")
    with reading() as db:
        assert db.exec(select(LoginSession)).all() == []


def test_a_persona_that_is_not_there_is_refused(db: sa.Engine):
    with pytest.raises(Refusal):
        perform(enter_as_persona, visitor=None, persona="nobody", address="", browser="")


# --- how long a session lasts -------------------------------------------------------------------------
def _later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    moment = clock.now() + timedelta(**by)
    monkeypatch.setattr(clock, "now", lambda: moment)


def _try_unremembered() -> int:
    given = {"name": EMAIL, "password": PASSWORD, "address": "", "browser": "test", "check": Hasher.check_pw}
    return sign_in(**given, remembered=False).session_id


def test_an_unremembered_session_ends_when_it_is_left_alone(anna: int, monkeypatch: pytest.MonkeyPatch):
    session_id = _try_unremembered()
    _later(monkeypatch, minutes=29)
    assert _visitor(session_id) is not None
    _later(monkeypatch, minutes=1)
    assert _visitor(session_id) is None


def test_using_it_keeps_an_unremembered_session_up_to_its_absolute_end(anna: int, monkeypatch: pytest.MonkeyPatch):
    session_id = _try_unremembered()
    for _ in range(12 * 3 - 1):
        _later(monkeypatch, minutes=20)
        visitor = _visitor(session_id)
        assert visitor is not None
        with transaction() as db:
            keep_alive(db, visitor=visitor)
    _later(monkeypatch, minutes=20)
    assert _visitor(session_id) is None


def test_a_remembered_session_may_be_left_alone_for_its_days(anna: int, monkeypatch: pytest.MonkeyPatch):
    session_id = _try().session_id
    _later(monkeypatch, days=settings().session_days, seconds=-1)
    assert _visitor(session_id) is not None
    _later(monkeypatch, seconds=1)
    assert _visitor(session_id) is None


def test_an_unremembered_cookie_ends_with_the_browser(anna: int):
    given = {"name": EMAIL, "password": PASSWORD, "address": "", "browser": "test", "check": Hasher.check_pw}
    cookies = [
        perform(redeem_ticket, visitor=None, ticket=sign_in(**given, remembered=remembered).ticket)
        for remembered in (True, False)
    ]
    assert [cookie.remembered for cookie in cookies] == [True, False]


# --- telling the owner --------------------------------------------------------------------------------
def test_a_browser_not_seen_before_is_told_of_by_letter_and_a_known_one_is_not(anna: int):
    for browser in ("laptop", "laptop", "phone", "phone"):
        sign_in(name=EMAIL, password=PASSWORD, address="198.51.100.1", browser=browser, check=Hasher.check_pw)
    with reading() as db:
        told = db.exec(select(Message).where(col(Message.about) == "new_sign_in")).all()
    assert [(letter.recipient, "phone" in letter.body) for letter in told] == [(EMAIL, True)]


def test_a_wrong_password_stands_in_the_journal_of_whom_it_was_tried_on(anna: int):
    with pytest.raises(SignInRefused):
        _try(password="wrong")
    with reading() as db:
        entry = db.exec(select(AuditEntry).where(col(AuditEntry.action) == "sign_in")).one()
    assert (entry.customer_id, entry.outcome, entry.address) == (anna, Outcome.REFUSED, "198.51.100.1")


# --- the second step ----------------------------------------------------------------------------------
@pytest.fixture
def with_app(anna: int) -> pyotp.TOTP:
    """Anna's app: from now on the password alone does not let her in."""
    visitor = _visitor(_try().session_id)
    assert visitor is not None
    with reading() as db:
        confirmed = db.exec(select(Credential.password_hash)).one()
    app = pyotp.TOTP(perform(begin_second_factor, visitor=visitor, confirmed=confirmed).secret)
    perform(confirm_second_factor, visitor=visitor, code=app.at(clock.now()))
    with transaction() as db:
        db.execute(sa.delete(LoginSession))
    return app


def _code(app: pyotp.TOTP) -> str:
    """Of the next half minute: the present one has been used to confirm."""
    return app.at(clock.now() + timedelta(seconds=30))


def _first_step() -> int:
    with pytest.raises(SecondStepNeeded) as needed:
        _try()
    return needed.value.proof_id


def _second_step(proof_id: int, code: str) -> int:
    given = {"address": "198.51.100.1", "browser": "test", "remembered": True}
    return perform(second_step, visitor=None, proof_id=proof_id, code=code, **given).session_id


def test_with_a_second_factor_the_password_alone_opens_no_session(anna: int, with_app: pyotp.TOTP):
    proof_id = _first_step()
    with reading() as db:
        assert db.exec(select(LoginSession)).all() == []
    visitor = _visitor(_second_step(proof_id, _code(with_app)))
    assert visitor is not None
    assert visitor.customer_id == anna


def test_a_wrong_password_never_comes_to_the_second_step(anna: int, with_app: pyotp.TOTP):
    with pytest.raises(SignInRefused):
        _try(password="wrong")


def test_a_second_step_is_taken_once_and_not_after_five_wrong_codes(anna: int, with_app: pyotp.TOTP):
    proof_id, right = _first_step(), _code(with_app)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(settings().code_tries):
        with pytest.raises(CodeWrong):
            _second_step(proof_id, wrong)
    with pytest.raises(CodeSpent):
        _second_step(proof_id, right)
    fresh = _first_step()
    assert _second_step(fresh, right)
    with pytest.raises(CodeSpent):
        _second_step(fresh, right)
