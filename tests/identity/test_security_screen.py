"""The security screen: what is done there is done, what is refused is said in place, in both languages."""

import re

import bcrypt
import pyotp
import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions.sessions import sign_in
from db import reading
from models import Credential, Customer, LoginSession, Message
from queries.visitors import by_session
from rules.refusals import SecondStepNeeded
from rules.terms import Language
from seed.personas import PASSWORD
from tests.driver import Screen, cookie_of, customer_of, open_screen
from texts import md
from ui.widgets.security import device_name

NEW = "тихая пристань 9"
NEW_EMAIL = "anna.new@kabinet.example"


def fill(screen: Screen, **fields: str) -> Screen:
    for key, value in fields.items():
        screen.text_input(key=f"sec_{key}").input(value)
    return screen


def keys(screen: Screen) -> set[str]:
    return {field.key for field in screen.app.text_input}


def stored_hash() -> str:
    with reading() as db:
        return db.get_one(Credential, customer_of("family")).password_hash


def last_code(recipient: str) -> str:
    with reading() as db:
        body = db.exec(select(Message.body).where(Message.recipient == recipient).order_by(col(Message.id).desc())).first()
    found = re.search(r"\b\d{6}\b", body or "")
    assert found is not None
    return found[0]


def enter(password: str) -> object:
    return sign_in(
        name="family@kabinet.example",
        password=password,
        address="203.0.113.9",
        browser="test browser",
        check=lambda typed, kept: bcrypt.checkpw(typed.encode(), kept.encode()),
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (Language.RU, ("Безопасность", "Двухэтапный вход", "Где вы вошли", "Журнал входов", "Это устройство")),
        (Language.EN, ("Security", "Two-step sign-in", "Where you are signed in", "Sign-in journal", "This device")),
    ],
)
@pytest.mark.parametrize("persona", ["family", "analyst"])
def test_everybody_has_the_screen_in_their_language(
    seeded_db: sa.Engine, language: Language, words: tuple[str, ...], persona: str
):
    said = open_screen("security", persona=persona, language=language).says
    assert all(word in said for word in words)
    assert "security." not in said, "a text without words"


@pytest.mark.parametrize("language", list(Language))
def test_a_changed_password_is_the_one_to_sign_in_with(seeded_db: sa.Engine, language: Language):
    cookie_of(customer_of("family"))
    screen = open_screen("security", language=language).click("sec_open_password")
    fill(screen, present=PASSWORD, new=NEW).click("sec_do_password")
    assert not screen.app.error
    assert len(screen.app.toast) == 1
    assert keys(screen) == set(), "the form is closed"
    assert enter(NEW)
    assert not [button for button in screen.app.button if (button.key or "").startswith("sec_end_")], "the others have ended"


def test_a_wrong_present_password_or_a_weak_new_one_is_said_in_the_form_and_changes_nothing(seeded_db: sa.Engine):
    before = stored_hash()
    screen = open_screen("security").click("sec_open_password")
    fill(screen, present="не тот", new=NEW).click("sec_do_password")
    assert "Пароль не подошёл" in screen.app.error[0].value
    fill(screen, present=PASSWORD, new="12345678").click("sec_do_password")
    assert len(screen.app.error) == 1
    assert stored_hash() == before
    assert keys(screen) == {"sec_present", "sec_new"}


@pytest.mark.parametrize("language", list(Language))
def test_a_new_e_mail_is_shown_once_its_code_is_entered(seeded_db: sa.Engine, language: Language):
    screen = open_screen("security", language=language).click("sec_open_email")
    fill(screen, contact=NEW_EMAIL, present=PASSWORD).click("sec_do_email")
    code = last_code(NEW_EMAIL)
    fill(screen, code="111111" if code != "111111" else "222222").click("sec_do_email")
    assert len(screen.app.error) == 1
    fill(screen, code=code).click("sec_do_email")
    assert not screen.app.error
    with reading() as db:
        assert db.get_one(Customer, customer_of("family")).email == NEW_EMAIL
    assert md(NEW_EMAIL) in screen.says


def test_a_new_phone_is_shown_once_its_code_is_entered(seeded_db: sa.Engine):
    screen = open_screen("security").click("sec_open_phone")
    fill(screen, contact="8 900 111-22-33", present=PASSWORD).click("sec_do_phone")
    fill(screen, code=last_code("+79001112233")).click("sec_do_phone")
    assert not screen.app.error
    assert "+7 900 111-22-33" in screen.says.replace("\u00a0", " ").replace("\\", "")


@pytest.mark.parametrize("language", list(Language))
def test_the_second_factor_is_turned_on_used_and_turned_off(seeded_db: sa.Engine, language: Language):
    screen = open_screen("security", language=language).click("sec_open_factor_on")
    fill(screen, present=PASSWORD).click("sec_do_factor_on")
    secret = screen.app.code[0].value.replace(" ", "")
    pictures = [element.proto.body for element in screen.app.main if getattr(element, "type", "") == "html"]
    assert any("data:image/svg+xml" in body and 'alt="' in body for body in pictures)
    fill(screen, app_code=pyotp.TOTP(secret).now()).click("sec_do_factor_on")
    codes = screen.app.code[0].value.split()
    assert len(codes) == 10
    screen.click("sec_codes_kept")
    assert codes[0] not in screen.says
    assert "10" in screen.says
    with pytest.raises(SecondStepNeeded):
        enter(PASSWORD)
    screen.click("sec_open_factor_off")
    fill(screen, present=PASSWORD).click("sec_do_factor_off")
    assert enter(PASSWORD)


def test_new_recovery_codes_are_shown_once(seeded_db: sa.Engine):
    screen = open_screen("security").click("sec_open_factor_on")
    fill(screen, present=PASSWORD).click("sec_do_factor_on")
    fill(screen, app_code=pyotp.TOTP(screen.app.code[0].value.replace(" ", "")).now()).click("sec_do_factor_on")
    old = screen.app.code[0].value
    screen.click("sec_codes_kept").click("sec_open_codes")
    fill(screen, present=PASSWORD).click("sec_do_codes")
    assert not set(old.split()) & set(screen.app.code[0].value.split())
    screen.click("sec_codes_kept")
    assert not screen.app.code


def test_a_wrong_code_of_the_app_is_said_and_may_be_tried_again(seeded_db: sa.Engine):
    screen = open_screen("security").click("sec_open_factor_on")
    fill(screen, present=PASSWORD).click("sec_do_factor_on")
    secret = screen.app.code[0].value
    fill(screen, app_code="12345").click("sec_do_factor_on")
    assert "Код не подошёл" in screen.app.error[0].value
    assert screen.app.code[0].value == secret


def test_a_session_elsewhere_is_ended_from_here(seeded_db: sa.Engine):
    who = customer_of("family")
    cookie_of(who)
    with reading() as db:
        other = db.exec(
            select(LoginSession.id).where(LoginSession.customer_id == who).order_by(col(LoginSession.id).desc())
        ).first()
    assert other is not None
    screen = open_screen("security").click(f"sec_end_{other}")
    assert not screen.app.error
    with reading() as db:
        assert by_session(db, session_id=other, now=clock.now()) is None


def test_a_cancelled_form_leaves_nothing(seeded_db: sa.Engine):
    before = stored_hash()
    screen = open_screen("security").click("sec_open_password")
    fill(screen, present=PASSWORD, new=NEW).click("sec_cancel_password")
    assert keys(screen) == set()
    assert stored_hash() == before


def test_the_journal_has_what_was_just_done(seeded_db: sa.Engine):
    screen = open_screen("security").click("sec_open_password")
    fill(screen, present=PASSWORD, new=NEW).click("sec_do_password")
    assert screen.app.table[0].value.iloc[0, 1] == "Смена пароля"


@pytest.mark.parametrize(
    ("browser", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 YaBrowser/25.8 Safari/537.36", "Яндекс Браузер, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("curl/8", "Неизвестный браузер"),
    ],
)
def test_a_device_is_called_what_its_owner_calls_it(browser: str, name: str):
    assert device_name(browser) == name
