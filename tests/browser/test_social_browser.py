"""Signing in through other services, against two real OpenID Connect providers on this machine."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from oidc_provider_mock import run_server_in_thread
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Tab, free_port, served

KEEP_COOKIES = """
const real = window.fetch
window.fetch = (url, given) => String(url).includes("/identity/end") ? Promise.resolve(new Response()) : real(url, given)
"""
"""For a browser that does not take the cookies of the trip away, so that they can be copied."""
LABELS = {"yandex": "Яндекс ID", "google": "Google"}


@pytest.fixture(scope="module")
def provider_ports() -> Iterator[dict[str, int]]:
    """Two providers, each an issuer of its own."""
    ports = {name: free_port() for name in LABELS}
    with run_server_in_thread(ports["yandex"]), run_server_in_thread(ports["google"]):
        yield ports


def _secrets(folder: Path, port: int, providers: dict[str, int]) -> Path:
    lines = [
        "[auth]",
        f'redirect_uri = "http://localhost:{port}/oauth2callback"',
        'cookie_secret = "of this test only, and long enough for it"',
    ]
    for name, at in providers.items():
        lines += [
            f"[auth.{name}]",
            f'label = "{LABELS.get(name, name)}"',
            'client_id = "kabinet"',
            'client_secret = "secret"',
            f'server_metadata_url = "http://localhost:{at}/.well-known/openid-configuration"',
        ]
    file = folder / "secrets.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def database_file(seeded_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("social") / "kabinet.db"
    shutil.copyfile(seeded_template, file)
    return file


@pytest.fixture(scope="module")
def social_site(browser: Browser, database_file: Path, provider_ports: dict[str, int]) -> Iterator[str]:
    """The portal with both providers, and a third at an address where nobody answers."""
    port = free_port()
    secrets = _secrets(database_file.parent, port, {**provider_ports, "silent": free_port()})
    log = database_file.with_name("server.log")
    with served(f"sqlite:///{database_file}", log, port=port, STREAMLIT_SECRETS_FILES=str(secrets)) as url:
        yield url


@pytest.fixture
def tab(browser: Browser, social_site: str, database_file: Path) -> Iterator[Tab]:
    """A tab of a fresh browser; afterwards nobody has bound anything."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="ru-RU", timezone_id="Europe/Moscow")
    context.set_default_timeout(30_000)
    yield Tab(context, social_site)
    context.close()
    made = sa.create_engine(f"sqlite:///{database_file}")
    with made.begin() as connection:
        connection.exec_driver_sql("DELETE FROM external_identity")
    made.dispose()


def _agree(page: Page, subject: str) -> None:
    """What a person does at the provider."""
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def _through(page: Page, provider: str, subject: str) -> None:
    page.locator(f".st-key-identity_enter_{provider} button").click()
    _agree(page, subject)


def _bind(tab: Tab, provider: str, subject: str) -> None:
    tab.open("security").locator(f".st-key-identity_bind_{provider} button").click()
    _agree(tab.page, subject)
    tab.page.locator("[class*=st-key-identity_unbind_]").first.wait_for()
    tab.settle()


def _enter(tab: Tab, persona: str = "family") -> None:
    tab.enter(persona)
    tab.page.wait_for_timeout(700)


def _sign_out(tab: Tab) -> None:
    tab.choose("person_menu", "Выйти")
    tab.page.locator("input[type=password]").wait_for()
    tab.page.wait_for_timeout(700)


def _cookies(context: BrowserContext) -> set[str]:
    return {str(cookie["name"]) for cookie in context.cookies()}


def _within(page: Page, places: str, width: int) -> None:
    """The page hides what sticks out, so its own width tells nothing."""
    boxes = [place.bounding_box() for place in page.locator(places).all()]
    assert boxes
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes), boxes


def _user(port: int, subject: str, claims: dict[str, object]) -> None:
    asked = urllib.request.Request(
        f"http://localhost:{port}/users/{subject}",
        json.dumps(claims).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(asked).close()


def test_bound_while_signed_in_each_provider_signs_the_person_in(tab: Tab):
    _enter(tab)
    _bind(tab, "yandex", "anna-at-yandex")
    assert tab.page.url.endswith("/security"), "back where it began"
    _bind(tab, "google", "anna-at-google")
    for provider, subject in (("yandex", "anna-at-yandex"), ("google", "anna-at-google")):
        _sign_out(tab)
        _through(tab.page, provider, subject)
        tab.page.locator(".st-key-person_menu").wait_for()
        tab.settle()
    tab.page.wait_for_timeout(700)
    assert {"kabinet"} <= _cookies(tab.context)
    assert not {name for name in _cookies(tab.context) if name.startswith(("_streamlit_user", "kabinet_identity"))}
    tab.page.reload()
    tab.page.locator(".st-key-person_menu").wait_for()


def test_a_guest_comes_back_to_the_page_they_had_asked_for(tab: Tab):
    _enter(tab)
    _bind(tab, "yandex", "deep")
    _sign_out(tab)
    tab.open("payments")
    _through(tab.page, "yandex", "deep")
    tab.page.locator(".st-key-person_menu").wait_for()
    assert tab.page.url == f"{tab.site}/payments"


def test_an_identity_nobody_has_bound_is_told_so_and_opens_nothing(tab: Tab, provider_ports: dict[str, int]):
    """Not even when it brings the e-mail of a customer, verified."""
    claims = {"email": "family@kabinet.example", "email_verified": True, "given_name": "Анна", "family_name": "Ким"}
    _user(provider_ports["google"], "stranger", claims)
    page = tab.open()
    _through(page, "google", "stranger")
    page.get_by_text("ещё не привязан ни к одному кабинету").wait_for()
    page.wait_for_timeout(1000)
    expect(page.get_by_text("ещё не привязан ни к одному кабинету")).to_be_visible()
    assert page.locator(".st-key-person_menu").count() == 0
    assert not {name for name in _cookies(tab.context) if name.startswith(("_streamlit_user", "kabinet_identity"))}
    page.reload()
    page.locator("input[type=password]").wait_for()
    assert page.locator(".st-key-person_menu").count() == 0


def test_unbound_it_signs_in_no_more(tab: Tab):
    _enter(tab)
    _bind(tab, "yandex", "fickle")
    tab.page.locator("[class*=st-key-identity_unbind_] button").click()
    tab.page.locator(".st-key-identity_bind_yandex").wait_for()
    tab.settle()
    _sign_out(tab)
    _through(tab.page, "yandex", "fickle")
    tab.page.get_by_text("ещё не привязан ни к одному кабинету").wait_for()
    assert tab.page.locator(".st-key-person_menu").count() == 0


def test_what_signs_somebody_else_in_is_not_bound(tab: Tab):
    _enter(tab)
    _bind(tab, "yandex", "shared")
    _sign_out(tab)
    _enter(tab, "student")
    page = tab.open("security")
    page.locator(".st-key-identity_bind_yandex button").click()
    _agree(page, "shared")
    page.get_by_text("уже привязан к другому кабинету").wait_for()
    assert page.locator("[class*=st-key-identity_unbind_]").count() == 0


def test_a_callback_or_cookies_used_again_sign_nobody_in(tab: Tab, browser: Browser):
    _enter(tab)
    _bind(tab, "yandex", "replayed")
    _sign_out(tab)
    callbacks: list[str] = []
    tab.page.on("response", lambda response: "/oauth2callback" in response.url and callbacks.append(response.url))
    tab.page.add_init_script(KEEP_COOKIES)
    _through(tab.page, "yandex", "replayed")
    tab.page.locator(".st-key-person_menu").wait_for()
    tab.settle()
    kept = [cookie for cookie in tab.context.cookies() if cookie["name"] in ("_streamlit_user", "kabinet_identity")]
    assert len(kept) == 2
    assert len(callbacks) == 1

    for cookies, path in (
        ([], callbacks[0].removeprefix(tab.site)),
        ([cookie for cookie in kept if cookie["name"] == "_streamlit_user"], "/"),
        (kept, "/"),
    ):
        thief = browser.new_context(locale="ru-RU")
        thief.add_cookies(cookies)
        page = thief.new_page()
        page.goto(f"{tab.site}{path}")
        page.locator("input[type=password]").wait_for()
        page.wait_for_timeout(1500)
        assert page.locator(".st-key-person_menu").count() == 0
        thief.close()


def test_who_says_no_at_the_provider_reads_a_sentence(tab: Tab):
    page = tab.open()
    page.locator(".st-key-identity_enter_google button").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("Войти через Google не получилось")).to_be_visible()
    expect(page.locator("input[type=password]")).to_be_visible()
    assert page.locator(".st-key-person_menu").count() == 0


def test_a_provider_that_is_down_is_a_sentence_on_the_page_of_ours(tab: Tab):
    page = tab.open()
    page.locator(".st-key-identity_enter_silent button").click()
    page.get_by_text("Войти через silent не получилось").wait_for()
    page.wait_for_timeout(1000)
    expect(page.get_by_text("Войти через silent не получилось")).to_be_visible()
    assert page.url == f"{tab.site}/"


def test_the_ways_in_fit_a_phone_and_break_no_policy(tab: Tab):
    tab.page.set_viewport_size({"width": 390, "height": 844})
    page = tab.open()
    page.get_by_role("button", name="Войти через Яндекс ID").wait_for()
    page.wait_for_timeout(500)
    _within(page, "[class*=st-key-identity_enter_] button", 390)
    _enter(tab)
    _bind(tab, "yandex", "on-a-phone")
    _within(page, "[class*=st-key-identity_unbind_] button, [class*=st-key-identity_bind_] button", 390)
    assert [said for said in tab.complaints if "Content Security Policy" in said] == []


def test_without_a_configuration_there_is_nothing_of_it(tab_of):
    page = tab_of().open()
    page.locator("input[type=password]").wait_for()
    assert page.locator(".st-key-social").count() == 0
    assert page.locator("[class*=st-key-identity_]").count() == 0
