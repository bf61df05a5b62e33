"""Coming in from the street: what registering does, what it never tells, and when there is a customer."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from streamlit_authenticator.utilities import Hasher

import clock
from actions import passwords, perform
from actions.registration import Applicant, confirm_registration, register, resend_confirmation
from actions.sessions import sign_in
from db import reading, transaction
from models import Customer, Message, Registration
from rules.refusals import EmailTaken, FieldWrong, LinkSpent, Refusal, TooManyAttempts
from rules.terms import Language
from settings import settings

SITE, PASSWORD = "https://my.example", "Длинная фраза из слов 🐈 без правил"
IVAN = Applicant(
    email=" Ivan@Street.Example ",
    phone="8 (901) 555-22-11",
    last_name="Уличный",
    first_name="Иван",
    patronymic="",
    birth_on=date(1990, 3, 5),
    region_code="RU-NIZ",
    language=Language.RU,
)
pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)


def _register(applicant: Applicant = IVAN, *, password: str = PASSWORD, address: str = "198.51.100.9") -> None:
    register(applicant, password=password, site=SITE, address=address)


def _letters(about: str = "confirm_email", to: str = "ivan@street.example") -> list[Message]:
    with reading() as db:
        return list(
            db.exec(select(Message).where(col(Message.about) == about, col(Message.recipient) == to).order_by(col(Message.id)))
        )


def _token(letter: Message) -> str:
    found = re.search(rf"{SITE}/go/confirm/(\S+)", letter.body)
    assert found is not None
    return found[1]


def _people() -> list[Customer]:
    with reading() as db:
        return list(db.exec(select(Customer)))


def test_there_is_no_customer_before_the_link_is_used_and_one_after():
    _register()
    assert _people() == []
    done = perform(confirm_registration, visitor=None, token=_token(_letters()[0]))
    (person,) = _people()
    assert (person.id, person.email, person.phone) == (done.customer_id, "ivan@street.example", "+79015552211")
    assert person.registered_at is not None
    assert person.email_confirmed_at is not None
    assert person.phone_confirmed_at is None
    assert person.welcomed_at is None


@pytest.mark.parametrize("name", ["ivan@street.example", "+7 901 555-22-11"])
def test_the_new_customer_signs_in_with_the_password_exactly_as_typed(name: str):
    _register()
    perform(confirm_registration, visitor=None, token=_token(_letters()[0]))
    given = {"address": "198.51.100.9", "browser": "test", "check": Hasher.check_pw}
    assert sign_in(name=name, password=PASSWORD, **given).session_id
    with pytest.raises(Refusal):
        sign_in(name=name, password=PASSWORD.lower(), **given)


def test_a_link_works_once():
    _register()
    token = _token(_letters()[0])
    perform(confirm_registration, visitor=None, token=token)
    with pytest.raises(LinkSpent):
        perform(confirm_registration, visitor=None, token=token)
    assert len(_people()) == 1


def test_a_link_ends_after_its_hours(monkeypatch: pytest.MonkeyPatch):
    _register()
    token, now = _token(_letters()[0]), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=settings().registration_hours))
    with pytest.raises(LinkSpent):
        perform(confirm_registration, visitor=None, token=token)


def test_a_link_that_was_changed_is_worth_nothing():
    _register()
    token = _token(_letters()[0])
    other = "a" if token[0] != "a" else "b"
    for changed in (token[1:], other + token[1:], token + other, token.swapcase(), ""):
        with pytest.raises(LinkSpent):
            perform(confirm_registration, visitor=None, token=changed)
    assert _people() == []


def test_the_link_has_256_random_bits_and_is_stored_as_a_hash_only():
    _register()
    token = _token(_letters()[0])
    assert len(token) >= 43
    with reading() as db:
        stored = db.exec(select(Registration)).one()
    assert token not in str(stored.model_dump())
    assert PASSWORD not in str(stored.model_dump())


def test_who_has_an_account_gets_a_letter_and_the_stranger_learns_nothing():
    _register()
    perform(confirm_registration, visitor=None, token=_token(_letters()[0]))
    assert _register() is None  # the same answer as for anybody
    assert len(_letters()) == 1
    (told,) = _letters("already_registered")
    assert f"{SITE}/recover" in told.body
    assert "/go/confirm/" not in told.body
    assert len(_people()) == 1


def test_of_two_registrations_with_one_e_mail_the_first_confirmed_wins():
    _register()
    _register(replace(IVAN, first_name="Пётр", phone="+79015552212"))
    first, second = (_token(letter) for letter in _letters())
    perform(confirm_registration, visitor=None, token=second)
    with pytest.raises(EmailTaken):
        perform(confirm_registration, visitor=None, token=first)
    assert [person.first_name for person in _people()] == ["Пётр"]


def test_two_links_of_one_e_mail_at_the_same_moment_make_one_customer():
    for _ in range(4):
        _register()
    tokens = [_token(letter) for letter in _letters()]

    def confirm(token: str) -> str:
        try:
            perform(confirm_registration, visitor=None, token=token)
        except Refusal as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(4) as at_once:
        answers = list(at_once.map(confirm, tokens))
    assert sorted(answers) == ["done", "email_taken", "email_taken", "email_taken"]
    assert len(_people()) == 1


def test_a_phone_that_somebody_has_is_left_with_them_and_told_after_the_proof_only():
    with transaction() as db:
        db.add(Customer(last_name="Первый", first_name="Олег", phone="+79015552211", region_code="RU-MOW"))
    _register()
    done = perform(confirm_registration, visitor=None, token=_token(_letters()[0]))
    assert not done.phone_kept
    assert {person.first_name: person.phone for person in _people()} == {"Олег": "+79015552211", "Иван": None}


def test_a_letter_sent_again_ends_the_earlier_link():
    _register()
    perform(resend_confirmation, visitor=None, email="ivan@street.example", site=SITE, address="198.51.100.9")
    earlier, later = (_token(letter) for letter in _letters())
    with pytest.raises(LinkSpent):
        perform(confirm_registration, visitor=None, token=earlier)
    assert perform(confirm_registration, visitor=None, token=later).email == "ivan@street.example"


def test_asking_again_for_an_unknown_e_mail_is_answered_alike_and_sends_nothing():
    assert perform(resend_confirmation, visitor=None, email="no@street.example", site=SITE, address="198.51.100.9") is None
    assert _letters(to="no@street.example") == []


def test_letters_to_one_e_mail_are_limited_by_the_hour():
    for turn in range(settings().letters_per_hour):
        _register(address=f"198.51.100.{turn}")
    with pytest.raises(TooManyAttempts):
        _register(address="198.51.100.200")
    assert len(_letters()) == settings().letters_per_hour


def test_registrations_from_one_address_are_limited_by_the_hour(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LETTERS_PER_HOUR", "1")
    settings.cache_clear()
    for turn in range(10):
        _register(replace(IVAN, email=f"ivan{turn}@street.example"))
    with pytest.raises(TooManyAttempts):
        _register(replace(IVAN, email="ivan10@street.example"))


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"email": "ivan"}, "email", "malformed"),
        ({"email": "ivan@street.example\r\nBcc: all@street.example"}, "email", "malformed"),
        ({"phone": "+1 202 555 0100"}, "phone", "malformed"),
        ({"first_name": "Иван\r\nBcc: x@y.example"}, "first_name", "malformed"),
        ({"last_name": "<img src=x>"}, "last_name", "malformed"),
        ({"last_name": "я" * 61}, "last_name", "too_long"),
        ({"first_name": " "}, "first_name", "missing"),
        ({"birth_on": None}, "birth_on", "missing"),
        ({"birth_on": date(2999, 1, 1)}, "birth_on", "future"),
        ({"birth_on": date(1850, 1, 1)}, "birth_on", "too_old"),
        ({"region_code": ""}, "region", "missing"),
        ({"region_code": "RU-XXX"}, "region", "missing"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_field_and_nothing_is_sent(change: dict, field: str, problem: str):
    with pytest.raises(FieldWrong) as refused:
        _register(replace(IVAN, **change))
    assert refused.value.facts == {"field": field, "problem": problem}
    with reading() as db:
        assert db.exec(select(Message)).all() == []
        assert db.exec(select(Registration)).all() == []


def test_one_registers_from_the_fourteenth_birthday_on():
    today = clock.today("Europe/Moscow")
    fourteen = date(today.year - 14, today.month, min(today.day, 28))
    with pytest.raises(FieldWrong) as refused:
        _register(replace(IVAN, birth_on=fourteen + timedelta(days=40)))
    assert refused.value.facts["problem"] == "too_young"
    _register(replace(IVAN, birth_on=fourteen))
    assert len(_letters()) == 1


@pytest.mark.parametrize("password", ["qwerty123", "1234567", "ivan@street.example", "79015552211", "я" * 129])
def test_a_password_that_is_short_common_or_ones_own_contact_is_refused(password: str):
    with pytest.raises(FieldWrong) as refused:
        _register(password=password)
    assert refused.value.facts["field"] == "password"


def test_the_letter_is_in_the_language_of_who_registers():
    _register(replace(IVAN, language=Language.EN))
    assert _letters()[0].subject == "Confirm your e-mail"


def test_the_database_holds_the_engine_that_was_asked_for(db: sa.Engine):
    _register()
    with db.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM registration")).scalar_one() == 1
