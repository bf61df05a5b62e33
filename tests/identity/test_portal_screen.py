"""The portal's door and shell, as people see them."""

from datetime import UTC, datetime

import pytest
from sqlmodel import col, select
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from actions.sessions import seal
from db import reading, transaction
from models import Attachment, Customer, LoginSession, PortalVisit
from rules.terms import Language
from settings import ROOT, settings
from tests.conftest import as_in_production
from tests.driver import Browser, Screen, cookie_of, customer_of, open_door, open_screen

PERSONAS = ["family", "pensioner", "debtor", "student", "vip", "cottage", "newcomer", "analyst", "administrator"]
pytestmark = pytest.mark.usefixtures("seeded_db")


def test_a_demo_offers_nine_people_by_one_click_each():
    door = open_door()
    assert [button.key for button in door.app.button if button.key and button.key.startswith("enter_")] == [
        f"enter_{key}" for key in PERSONAS
    ]


def test_production_offers_none(monkeypatch: pytest.MonkeyPatch):
    as_in_production(monkeypatch)
    settings.cache_clear()
    door = open_door()
    assert not [button for button in door.app.button if button.key and button.key.startswith("enter_")]
    assert "Демо" not in door.says


@pytest.mark.parametrize("persona", PERSONAS)
def test_one_click_brings_a_persona_to_their_first_screen(persona: str):
    door = open_door().click(f"enter_{persona}")
    assert not door.app.exception
    with reading() as db:
        name = db.get_one(Customer, customer_of(persona)).first_name
    assert name in door.says
    assert "sign_in" not in [button.key for button in door.app.button]


def _submit(door: Screen, name: str, password: str) -> Screen:
    door.app.text_input[0].set_value(name)
    door.app.text_input[1].set_value(password)
    next(
        button for button in door.app.button if button.label in ("Войти", "Sign in") and not button.key.startswith("enter_")
    ).click()
    return door.run()


@pytest.mark.parametrize("language", ["ru-RU", "en-GB"])
def test_the_form_takes_the_demo_password_and_refuses_another_in_the_readers_language(language: str):
    door = _submit(open_door(locale=language), "family@kabinet.example", "not it")
    said = door.app.error[0].value
    assert said.startswith("Неверный логин" if language == "ru-RU" else "That sign-in name")
    assert not door.app.exception
    inside = _submit(door, "family@kabinet.example", "Kabinet-2026")
    assert said not in [error.value for error in inside.app.error]
    assert "Анна" in inside.says


def test_the_browsers_language_decides_at_first_and_russian_when_it_speaks_neither():
    assert "Вход" in open_door(locale="ru-RU").says
    assert "Sign in" in open_door(locale="en-US").says
    assert "Вход" in open_door(locale="de-DE").says


def test_the_persons_own_choice_wins_over_the_browser():
    assert "Sign in" in open_door(cookies={"kabinet_language": "en"}, locale="ru-RU").says
    assert "Demo" in open_screen("home", language=Language.EN).says


def test_switching_the_language_before_signing_in_changes_the_page():
    assert "Sign in" in open_door().click("switch_language").says


def test_a_reload_stays_signed_in():
    browser_cookie = cookie_of(customer_of("family"))
    first, second = open_door(cookies=browser_cookie), open_door(cookies=browser_cookie)
    assert "Анна" in first.says
    assert "Анна" in second.says


def test_a_session_that_was_ended_elsewhere_ends_here_at_the_next_step():
    screen = open_screen("home")
    with transaction() as db:
        for session in db.exec(select(LoginSession).where(col(LoginSession.customer_id) == customer_of("family"))):
            session.revoked_at = session.opened_at
            db.add(session)
    assert "Вход" in screen.run().says


def test_a_resumed_script_session_without_its_cookie_shows_nothing_of_the_person():
    """Streamlit resumes a session for anyone who knows its id; on another connection the cookie must name it."""
    screen = open_screen("home")
    screen.browser = Browser({}, connection="second")
    stolen = screen.run()
    assert "Вход" in stolen.says
    assert "Анна Соколова" not in stolen.app.session_state.to_dict().values()


def test_a_resumed_script_session_with_its_cookie_goes_on():
    screen = open_screen("home")
    screen.browser = Browser(screen.browser.cookies, connection="second")
    assert "Анна" in screen.run().says


def test_a_press_of_a_button_after_the_session_was_ended_elsewhere_does_nothing_and_asks_to_sign_in():
    screen = open_screen("accounts")
    button = next(button for button in screen.app.button if button.key and button.key.startswith("move") and not button.disabled)
    with transaction() as db:
        before = db.exec(select(Attachment.id, Attachment.position)).all()
        for session in db.exec(select(LoginSession)):
            session.revoked_at = session.opened_at
            db.add(session)
    button.click()
    assert "Вход" in screen.run().says
    assert not screen.app.exception
    with reading() as db:
        assert db.exec(select(Attachment.id, Attachment.position)).all() == before


def test_on_https_only_the_cookie_that_is_bound_to_the_host_counts():
    value = cookie_of(customer_of("family"))["kabinet"]
    secure = "https://kabinet.example"
    for name, says in {"__Host-kabinet": "Анна", "kabinet": "Вход"}.items():
        app = AppTest.from_file(str(ROOT / "portal.py"), default_timeout=30)
        assert says in Screen(app, Browser({name: value}, origin=secure)).run().says


def test_an_empty_form_says_what_is_missing():
    door = _submit(open_door(), "", "")
    assert [warning.value for warning in door.app.warning] == ["Введите почту или телефон и пароль."]


def test_a_deep_link_leads_to_the_sign_in_page_and_afterwards_where_it_points():
    app = AppTest.from_file(str(ROOT / "portal.py"), default_timeout=30)
    door = Screen(app, Browser()).run()
    app._page_hash = calc_hash("services")
    assert "Вход" in door.run().says
    assert "Услуги" in [title.value for title in door.click("enter_family").app.title]


@pytest.mark.parametrize(("persona", "path"), [("family", "overview"), ("family", "nowhere"), ("analyst", "payments")])
def test_what_is_not_there_or_not_for_this_person_is_a_page_that_leads_on(persona: str, path: str):
    app = AppTest.from_file(str(ROOT / "portal.py"), default_timeout=30)
    app.context = {"url": f"http://localhost:8501/{path}", "locale": "ru-RU"}
    screen = Screen(app, Browser(cookie_of(customer_of(persona), language=Language.RU)))
    app._page_hash = calc_hash(path)
    screen.run()
    if persona == "family" and path == "overview":
        assert "Оплачено" not in screen.says
    assert [title.value for title in app.title] == ["Такой страницы нет"]
    app.context = {"url": "http://localhost:8501/", "locale": "ru-RU"}
    assert "Такой страницы нет" not in screen.click("to_start").says


def test_a_database_that_is_down_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    door = open_door(cookies={"kabinet": seal("x", datetime(2100, 1, 1, tzinfo=UTC))})
    assert "Кабинет перегружен" in door.says
    assert not door.app.exception


def test_another_persons_cookie_does_not_take_over_a_script_session():
    screen = open_screen("home")
    screen.browser = Browser(cookie_of(customer_of("vip")), connection="second")
    said = screen.run().says
    assert "Анна" not in said
    assert "Павел" in said, "whose cookie it is, is who is here"


def test_a_visit_is_counted_once_per_change_of_screen():
    screen = open_screen("home", persona="pensioner")
    screen.run()
    screen.run()
    with reading() as db:
        visits = db.exec(
            select(PortalVisit.screen)
            .where(col(PortalVisit.customer_id) == customer_of("pensioner"))
            .order_by(col(PortalVisit.id).desc())
            .limit(2)
        ).all()
    assert visits[0] == "home"
    screen.app.switch_page("pages/account/services.py")
    screen.run()
    with reading() as db:
        newest = db.exec(select(PortalVisit.screen).order_by(col(PortalVisit.id).desc()).limit(2)).all()
    assert list(newest) == ["services", "home"]


def test_a_failing_screen_shows_a_reference_and_nothing_of_the_error(monkeypatch: pytest.MonkeyPatch, caplog):
    import queries.home as home

    def broken(*_, **__):
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(
        home,
        next(
            name
            for name in vars(home)
            if not name.startswith("_")
            and callable(vars(home)[name])
            and getattr(vars(home)[name], "__module__", "") == "queries.home"
            and not isinstance(vars(home)[name], type)
        ),
        broken,
    )
    screen = open_screen("home")
    assert "Номер обращения" in screen.says
    assert "the secret inside" not in screen.says
    assert "Traceback" not in screen.says
