"""A stranger comes in on a phone: register → letter → confirm in another browser → sign in → questions → home."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tab, served
from tests.mail_server import Mailbox, mail_server

PASSWORD = "кот на крыше спит 77"


@pytest.fixture(scope="module")
def post(seeded_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Mailbox]]:
    """The portal with a real mail server, and what arrives there."""
    file = tmp_path_factory.mktemp("post") / "kabinet.db"
    shutil.copyfile(seeded_template, file)
    log = file.with_name("server.log")
    with mail_server() as (mailbox, leads_there), served(f"sqlite:///{file}", log, **leads_there) as site:
        yield site, mailbox
    written = log.read_text()
    assert "Traceback" not in written
    assert "/go/" not in written, "a link's token is in the log"
    assert PASSWORD not in written


@pytest.fixture
def phone(browser: Browser, post: tuple[str, Mailbox]) -> Iterator[object]:
    contexts = []

    def make(language: str) -> Tab:
        context = browser.new_context(viewport={"width": 390, "height": 844}, locale=language, timezone_id="Europe/Moscow")
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Tab(context, post[0])

    yield make
    for context in contexts:
        context.close()


def _fill(page: Page, field: str, value: str) -> None:
    place = page.locator(f".st-key-register_{field} input")
    place.fill(value)
    place.press("Enter")


def _letter(mailbox: Mailbox, to: str) -> str:
    """The link in the newest letter to somebody; the sender's round comes every five seconds."""
    for _ in range(300):
        for letter in reversed(mailbox.received):
            body = letter.get_body(("plain",))
            found = re.search(r"https?://\S+", body.get_content()) if letter["To"] == to and body is not None else None
            if found:
                return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no letter to {to}")


@pytest.mark.parametrize(
    ("language", "region", "done", "empty"),
    [("ru-RU", "Нижегород", "Почта подтверждена", "пуст"), ("en-GB", "Nizhny", "E-mail confirmed", "empty")],
)
def test_a_stranger_becomes_a_customer_on_a_phone(phone, post, language: str, region: str, done: str, empty: str):
    site, mailbox = post
    email = f"ivan.{language[:2]}@street.example"
    tab = phone(language)
    page = tab.open("register")
    page.locator(".st-key-register_submit").wait_for()
    tab.settle()
    for field, value in (
        ("email", email),
        ("phone", "8 (901) 555-22-1" + ("1" if language == "ru-RU" else "2")),
        ("password", PASSWORD),
        ("last_name", "Уличный"),
        ("first_name", "Иван"),
    ):
        _fill(page, field, value)
        tab.settle()
    page.locator(".st-key-register_birth_on [data-testid=stDateInputField], .st-key-register_birth_on input").first.click()
    page.keyboard.type("05.03.1990" if language == "ru-RU" else "05/03/1990")
    page.keyboard.press("Escape")
    place = page.locator(".st-key-register_region input")
    place.click()
    place.fill(region)
    page.get_by_role("option").first.wait_for()
    place.press("Enter")
    tab.settle()
    page.locator(".st-key-register_submit button").click()
    page.locator(".st-key-register_again").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    link = _letter(mailbox, email)
    assert link.startswith(f"{site}/go/confirm/")
    other = phone(language)
    other.page.goto(link)
    other.page.locator(".st-key-confirm_submit button").wait_for()
    assert other.page.url == f"{site}/confirm", "the token stays in the address"
    other.settle()
    other.page.locator(".st-key-confirm_submit button").click()
    expect(other.page.locator("h1")).to_contain_text(done)

    page = other.open()
    page.locator(".st-key-door input").first.fill(email)
    page.locator(".st-key-door input").nth(1).fill(PASSWORD)
    page.locator(".st-key-door input").nth(1).press("Enter")
    page.locator(".st-key-welcome_go button").wait_for()
    other.settle()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for question in ("offers", "usage_advice"):
        answer = page.locator(f".st-key-welcome_{question} input")
        answer.click()
        answer.press("ArrowDown")
        answer.press("Enter")
    page.locator(".st-key-welcome_go button").click()
    expect(page.locator("[data-testid=stMain]")).to_contain_text(empty)
    assert not tab.complaints
    assert not other.complaints

    again = phone(language)
    again.page.goto(link)
    again.page.locator(".st-key-confirm_submit button").click()
    again.page.locator("[data-testid=stAlert]").wait_for()


def test_a_lost_password_is_set_anew_by_the_link_and_the_other_browser_is_out(phone, post):
    _, mailbox = post
    inside = phone("ru-RU")
    inside.enter("student")
    outside = phone("ru-RU")
    page = outside.open("recover")
    place = page.locator(".st-key-recover_name input")
    place.fill("student@kabinet.example")
    place.press("Enter")
    outside.settle()
    page.locator(".st-key-recover_submit button").click()
    page.locator(".st-key-recover_again").wait_for()
    page.goto(_letter(mailbox, "student@kabinet.example"))
    place = page.locator(".st-key-reset_password input")
    place.fill("совсем новый пароль 18")
    place.press("Enter")
    outside.settle()
    page.locator(".st-key-reset_submit button").click()
    page.get_by_text("Пароль изменён").wait_for()
    inside.open()
    inside.page.locator(".st-key-door").wait_for()
    assert inside.page.locator(".st-key-person_menu").count() == 0, "the other browser is still in"
    outside.open()
    page.locator(".st-key-door input").first.fill("student@kabinet.example")
    page.locator(".st-key-door input").nth(1).fill("совсем новый пароль 18")
    page.locator(".st-key-door input").nth(1).press("Enter")
    expect(page.locator(".st-key-person_menu")).to_be_visible()
