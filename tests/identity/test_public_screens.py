"""The pages before signing in, in both languages: what is asked, what is said at a field, and that nothing is disclosed."""

import pytest
from sqlmodel import col, select

from actions import passwords
from actions.registration import Applicant
from db import reading
from models import Message, Registration
from tests.driver import Screen, open_door

LANGUAGES = ["ru-RU", "en-GB"]
pytestmark = pytest.mark.usefixtures("seeded_db")


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)


def _at(page: str, locale: str = "ru-RU", cookies: dict[str, str] | None = None) -> Screen:
    return open_door(page, locale=locale, cookies=cookies)


def _plain(screen: Screen) -> str:
    """What it says, without the marks that keep what a person typed from being read as Markdown."""
    return screen.says.replace("\\", "").replace("\u2060", "")


def _filled(screen: Screen, **change: str) -> Screen:
    from datetime import date

    given = {
        "email": "ivan@street.example",
        "phone": "8 (901) 555-22-11",
        "password": "кот на крыше спит 77",
        "last_name": "Уличный",
        "first_name": "Иван",
    } | change
    for field, value in given.items():
        screen.app.text_input(key=f"register_{field}").set_value(value)
    screen.app.date_input(key="register_birth_on").set_value(date(1990, 3, 5))
    screen.app.selectbox(key="register_region").set_value("RU-NIZ")
    return screen.run()


@pytest.mark.parametrize("locale", LANGUAGES)
def test_an_empty_form_names_every_field_that_is_needed(locale: str):
    screen = _at("register", locale).click("register_submit")
    said = screen.says
    wanted = {
        "ru-RU": ("Укажите почту", "Укажите мобильный телефон", "Придумайте пароль", "Укажите фамилию", "Выберите регион"),
        "en-GB": (
            "Enter your e-mail",
            "Enter your mobile phone",
            "Choose a password",
            "Enter your last name",
            "Choose a region from",
        ),
    }[locale]
    assert [words for words in wanted if words not in said] == []
    with reading() as db:
        assert db.exec(select(Registration)).all() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"email": "ivan"}, "name@example.ru"),
        ({"phone": "12"}, "десять цифр"),
        ({"password": "qwerty123"}, "самых частых"),
        ({"password": "short"}, "не меньше 8"),
        ({"first_name": "Иван\r\nBcc: x"}, "только буквы"),
    ],
)
def test_what_is_wrong_with_a_field_is_said_before_anything_is_sent(change: dict[str, str], words: str):
    assert words in _filled(_at("register"), **change).says


@pytest.mark.parametrize("locale", LANGUAGES)
def test_registering_says_where_the_letter_went(locale: str):
    screen = _filled(_at("register", locale)).click("register_submit")
    assert not screen.app.exception
    assert "ivan@street.example" in _plain(screen)
    with reading() as db:
        letter = db.exec(select(Message).where(col(Message.about) == "confirm_email")).one()
    assert letter.language == locale[:2]


def test_the_page_is_the_same_for_an_e_mail_that_is_taken():
    free = _filled(_at("register")).click("register_submit")
    taken = _filled(_at("register"), email="family@kabinet.example").click("register_submit")
    said = [_plain(screen).split("В демонстрации")[0] for screen in (free, taken)]
    assert said[0].replace("ivan@street.example", "X") == said[1].replace("family@kabinet.example", "X")


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("page", ["confirm", "reset"])
def test_a_letters_page_without_a_link_says_what_to_do(page: str, locale: str):
    screen = _at(page, locale)
    assert not screen.app.exception
    assert {"ru-RU": "Ссылка не сработала", "en-GB": "This link does not work"}[locale] in screen.says


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("name", ["family@kabinet.example", "nobody@kabinet.example"])
def test_recovery_says_the_same_of_anybody(name: str, locale: str):
    screen = _at("recover", locale)
    screen.app.text_input(key="recover_name").set_value(name)
    screen.run().click("recover_submit")
    assert not screen.app.exception
    said = screen.says.replace(name.split("@")[0], "X")
    assert {"ru-RU": "Если на", "en-GB": "If"}[locale] in said


def test_what_is_no_contact_is_said_at_once():
    screen = _at("recover")
    screen.app.text_input(key="recover_name").set_value("anna")
    assert "ни на почту, ни на телефон" in screen.run().click("recover_submit").says


def test_what_a_stranger_typed_is_kept_nowhere_but_in_the_application():
    assert set(Applicant.__dataclass_fields__) == {
        "email", "phone", "last_name", "first_name", "patronymic", "birth_on", "region_code", "language"
    }  # fmt: skip
