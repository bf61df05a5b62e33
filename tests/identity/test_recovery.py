"""Getting back in: the answer tells nothing, nothing changes before the proof, everything else ends after it."""

import re
import statistics
import time
from datetime import timedelta

import pytest
from sqlmodel import col, select
from streamlit_authenticator.utilities import Hasher

import clock
from actions import passwords
from actions.passwords import hash_password
from actions.recovery import ask_to_reset, reset_by_code, reset_by_link
from actions.sessions import open_for, sign_in
from db import reading, transaction
from models import Credential, Customer, LoginSession, Message, Proof
from rules.refusals import FieldWrong, LinkSpent, ResetCodeWrong, SignInRefused, TooManyAttempts
from settings import settings

SITE, OLD, NEW = "https://my.example", "прежний пароль 17", "совсем новый пароль 18"
EMAIL, PHONE = "anna@kabinet.example", "+79000001234"
pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def anna(db: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(passwords, "COST", 4)
    now, hashed = clock.now(), hash_password(OLD)
    with transaction() as session:
        person = Customer(last_name="Ким", first_name="Анна", email=EMAIL, phone=PHONE, region_code="RU-MOW", registered_at=now)
        session.add(person)
        session.flush()
        session.add(Credential(customer_id=person.id, password_hash=hashed, changed_at=now))
        for browser in ("phone", "laptop"):
            open_for(session, person.id, address="", browser=browser, remembered=True, tell=False)
        return person.id


def _ask(name: str = EMAIL, address: str = "198.51.100.3"):
    return ask_to_reset(name=name, site=SITE, address=address)


def _letters(to: str) -> list[Message]:
    with reading() as db:
        return list(db.exec(select(Message).where(col(Message.recipient) == to).order_by(col(Message.id))))


def _link() -> str:
    found = re.search(rf"{SITE}/go/reset/(\S+)", _letters(EMAIL)[-1].body)
    assert found is not None
    return found[1]


def _code() -> str:
    found = re.search(r"\b\d{6}\b", _letters(PHONE)[-1].body)
    assert found is not None
    return found[0]


def _signs_in(password: str) -> bool:
    try:
        sign_in(name=EMAIL, password=password, address="", browser="phone", check=Hasher.check_pw)
    except SignInRefused:
        return False
    return True


def _live() -> int:
    with reading() as db:
        return len(db.exec(select(LoginSession).where(col(LoginSession.revoked_at).is_(None))).all())


def test_asking_changes_nothing():
    _ask()
    assert _signs_in(OLD)
    assert _live() == 3


def test_the_link_sets_the_password_ends_every_session_and_tells_the_owner():
    _ask()
    assert reset_by_link(token=_link(), password=NEW) == EMAIL
    assert _live() == 0
    assert _signs_in(NEW)
    assert not _signs_in(OLD)
    assert "password_reset" in [letter.about for letter in _letters(EMAIL)]


def test_the_code_on_the_phone_does_the_same():
    _ask("8 900 000-12-34")
    assert reset_by_code(contact=PHONE, code=_code(), password=NEW) == EMAIL
    assert _live() == 0
    assert _signs_in(NEW)


def test_a_link_works_once_and_the_latest_only():
    _ask()
    first = _link()
    _ask()
    with pytest.raises(LinkSpent):
        reset_by_link(token=first, password=NEW)
    latest = _link()
    reset_by_link(token=latest, password=NEW)
    with pytest.raises(LinkSpent):
        reset_by_link(token=latest, password=OLD)
    assert _signs_in(NEW)


def test_a_link_ends_within_the_hour(monkeypatch: pytest.MonkeyPatch):
    _ask()
    token, now = _link(), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=60))
    with pytest.raises(LinkSpent):
        reset_by_link(token=token, password=NEW)


def test_a_bad_new_password_does_not_spend_the_link():
    _ask()
    with pytest.raises(FieldWrong):
        reset_by_link(token=_link(), password="qwerty123")
    assert reset_by_link(token=_link(), password=NEW) == EMAIL


@pytest.mark.parametrize("name", ["nobody@kabinet.example", "+79000009999"])
def test_an_unknown_contact_gets_the_same_answer_and_no_letter(name: str):
    assert type(_ask(name)) is type(_ask(EMAIL))
    assert _letters(name) == []


def test_a_code_for_an_unknown_phone_is_refused_in_the_words_for_a_wrong_one():
    _ask(PHONE)
    _ask("+79000009999")
    refusals = []
    for contact in (PHONE, "+79000009999"):
        wrong = "000000" if _code() != "000000" else "111111"
        for _ in range(settings().code_tries + 1):
            with pytest.raises((ResetCodeWrong, TooManyAttempts)) as refused:
                reset_by_code(contact=contact, code=wrong, password=NEW)
            refusals.append((contact, refused.value.code, str(refused.value.facts)))
    half = len(refusals) // 2
    assert [rest for _, *rest in refusals[:half]] == [rest for _, *rest in refusals[half:]]


def test_after_five_wrong_codes_the_right_one_is_refused_too():
    _ask(PHONE)
    code = _code()
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(settings().code_tries):
        with pytest.raises(ResetCodeWrong):
            reset_by_code(contact=PHONE, code=wrong, password=NEW)
    with pytest.raises(TooManyAttempts):
        reset_by_code(contact=PHONE, code=code, password=NEW)
    assert _signs_in(OLD)


def test_a_code_ends_after_its_minutes(monkeypatch: pytest.MonkeyPatch):
    _ask(PHONE)
    code, now = _code(), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=settings().code_minutes))
    with pytest.raises(ResetCodeWrong):
        reset_by_code(contact=PHONE, code=code, password=NEW)


def test_neither_link_nor_code_is_stored():
    _ask()
    token = _link()
    _ask(PHONE)
    code = _code()
    with reading() as db:
        stored = " ".join(str(proof.model_dump()) for proof in db.exec(select(Proof)))
    assert token not in stored
    assert f"'{code}'" not in stored


def test_asking_is_limited_by_the_hour():
    for _ in range(settings().letters_per_hour):
        _ask()
    with pytest.raises(TooManyAttempts):
        _ask()


def test_known_and_unknown_take_the_same_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LETTERS_PER_HOUR", "100")
    settings.cache_clear()

    def seconds(name: str) -> float:
        began = time.perf_counter()
        _ask(name)
        return time.perf_counter() - began

    known, unknown = ([seconds(name) for _ in range(7)] for name in (EMAIL, "nobody@kabinet.example"))
    assert abs(statistics.median(known) - statistics.median(unknown)) < 0.2 * statistics.median(unknown)


@pytest.mark.parametrize("name", ["", "anna", "+1 202 555 0100", "a@b\r\nBcc: c@d.example"])
def test_what_is_no_contact_is_said_at_the_field(name: str):
    with pytest.raises(FieldWrong):
        _ask(name)
