"""Signing in and out in a real browser."""

import shutil
import time

import pytest

from tests.browser.conftest import served


def test_a_persona_enters_by_one_click_and_a_reload_stays_in_without_the_form_flashing(tab_of):
    tab = tab_of()
    page = tab.enter("family")
    page.wait_for_timeout(1000)
    assert "kabinet" in {cookie["name"] for cookie in tab.context.cookies()}
    page.add_init_script(
        "window.sawForm = false; const look = () => { window.sawForm ||= !!document.querySelector('input[type=password]') };"
        "new MutationObserver(look).observe(document, {subtree: true, childList: true})"
    )
    page.reload()
    page.locator(".st-key-person_menu").wait_for()
    tab.settle()
    assert page.evaluate("window.sawForm") is False


def test_no_script_can_read_the_session_cookie(tab_of):
    tab = tab_of()
    page = tab.enter("pensioner")
    page.wait_for_timeout(1000)
    cookie = next(cookie for cookie in tab.context.cookies() if cookie["name"] == "kabinet")
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"
    assert "kabinet=" not in page.evaluate("document.cookie")


def test_a_deep_link_lands_where_it_points_after_signing_in(tab_of):
    tab = tab_of()
    page = tab.enter("family", "mailbox?from=letter")
    assert page.url == f"{tab.site}/mailbox?from=letter"
    assert "Почта" in page.locator("h1").first.inner_text()


def test_a_form_that_a_deep_link_opens_is_filled_however_slowly_its_parts_arrive(tab_of):
    tab = tab_of()
    tab.page.route("**/static/js/ButtonGroup.*.js", lambda route: (time.sleep(1.5), route.continue_()))
    page = tab.enter("family", "autopay?rule=new")
    chosen = page.locator(".st-key-autopay_trigger [aria-checked=true], .st-key-autopay_kind [aria-checked=true]")
    chosen.nth(1).wait_for()
    before = chosen.all_inner_texts()
    page.locator(".st-key-autopay_consent label").click()
    tab.settle()
    assert chosen.all_inner_texts() == before == ["По счёту", "Сколько нужно"]


def test_a_second_tab_is_signed_in_too(tab_of):
    tab = tab_of()
    tab.enter("family").wait_for_timeout(1000)
    second = tab_of(context=tab.context)
    page = second.open("services")
    page.locator(".st-key-person_menu").wait_for()
    assert "Услуги" in page.locator("h1").first.inner_text()


def test_after_signing_out_a_copied_cookie_opens_nothing(tab_of, browser):
    tab = tab_of()
    page = tab.enter("debtor")
    page.wait_for_timeout(1000)
    copied = [cookie for cookie in tab.context.cookies() if cookie["name"] == "kabinet"]
    tab.choose("person_menu", "Выйти")
    page.locator("input[type=password]").wait_for()
    page.wait_for_timeout(500)
    assert "kabinet" not in {cookie["name"] for cookie in tab.context.cookies()}
    thief = browser.new_context()
    thief.add_cookies(copied)
    stolen = thief.new_page()
    stolen.goto(tab.site)
    stolen.locator("input[type=password]").wait_for()
    assert stolen.locator(".st-key-person_menu").count() == 0
    thief.close()


def test_enter_submits_the_form_and_a_wrong_password_is_one_neutral_sentence(tab_of):
    page = tab_of().open()
    page.locator(".st-key-door input").nth(0).fill("family@kabinet.example")
    page.locator("input[type=password]").fill("not the password")
    page.locator("input[type=password]").press("Enter")
    page.get_by_text("Неверный логин или пароль").wait_for()
    page.locator("input[type=password]").fill("Kabinet-2026")
    page.locator("input[type=password]").press("Enter")
    page.locator(".st-key-person_menu").wait_for()
    assert page.locator("input[type=password]").count() == 0


@pytest.mark.parametrize(
    ("language", "lang", "word"), [("ru-RU", "ru", "Вход"), ("en-GB", "en", "Sign in"), ("de-DE", "ru", "Вход")]
)
def test_the_page_speaks_the_browsers_language(tab_of, language: str, lang: str, word: str):
    page = tab_of(language=language).open()
    page.get_by_text(word).first.wait_for()
    assert page.evaluate("document.documentElement.lang") == lang


def test_a_persons_own_language_wins_over_the_browsers_on_the_whole_page(tab_of):
    page = tab_of(language="en-GB").enter("family")
    page.locator("html[lang=ru]").wait_for(state="attached")
    page.wait_for_timeout(500)
    page.reload()
    page.locator(".st-key-person_menu").wait_for()
    assert page.evaluate("document.documentElement.lang") == "ru"


def test_a_chosen_language_stays_after_a_reload(tab_of):
    tab = tab_of()
    page = tab.open()
    page.locator(".st-key-switch_language button").click()
    page.get_by_text("Sign in").first.wait_for()
    page.locator("html[lang=en]").wait_for(state="attached")
    page.wait_for_timeout(500)
    page.reload()
    page.get_by_text("Sign in").first.wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("path", ["nowhere", "overview", "a/b", "%D0%B3%D0%B4%D0%B5 %22x"])
def test_an_unknown_address_is_a_page_of_ours_and_leads_on(tab_of, path: str):
    page = tab_of().enter("family", path)
    page.get_by_text("Такой страницы нет").first.wait_for()
    assert page.get_by_role("dialog").count() == 0, "Streamlit says so itself, in English"
    page.locator(".st-key-to_start button").click()
    page.get_by_text("Мои счета").first.wait_for()


def test_the_first_visitor_of_a_fresh_server_may_come_by_a_deep_link(browser, seeded_template, tmp_path):
    """Streamlit would take the folder pages/ for its screens until the portal first ran."""
    shutil.copyfile(seeded_template, tmp_path / "kabinet.db")
    with served(f"sqlite:///{tmp_path / 'kabinet.db'}", tmp_path / "server.log") as site:
        page = browser.new_page(locale="ru-RU")
        page.goto(f"{site}/services")
        page.locator("input[type=password]").wait_for()
        page.wait_for_timeout(500)
        assert page.get_by_role("dialog").count() == 0
        assert page.url == f"{site}/services"
        page.close()


def test_password_managers_know_the_fields(tab_of):
    page = tab_of().open()
    page.locator("input[type=password][autocomplete=current-password]").wait_for()
    page.locator("input[autocomplete=username]").wait_for()
    assert page.locator("input[autocomplete=off]").count() == 0


def test_nothing_is_asked_of_another_host_and_nothing_is_complained_of(tab_of):
    tab = tab_of()
    page = tab.enter("family")
    page.wait_for_timeout(1500)
    assert tab.hosts == {tab.site.removeprefix("http://")}
    assert tab.complaints == []


@pytest.mark.parametrize("language", ["ru-RU", "en-GB"])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_the_door_fits_its_window(tab_of, width: int, dark: bool, language: str):
    page = tab_of(width=width, dark=dark, language=language).open()
    page.locator("input[type=password]").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_every_screen_is_in_reach_of_a_thumb(tab_of):
    tab = tab_of(width=390)
    page = tab.enter("family")
    bar = page.locator(".st-key-phone_bar")
    box = bar.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] >= 840, "at the bottom"
    bar.get_by_text("Услуги").click()
    page.wait_for_url(f"{tab.site}/services")
    tab.choose("phone_more", "Счета")
    page.wait_for_url(f"{tab.site}/accounts")


def test_the_bar_is_only_on_phones(tab_of):
    assert not tab_of().enter("pensioner").locator(".st-key-phone_bar").is_visible()


def test_a_customer_does_not_find_what_is_for_staff_and_staff_do(tab_of):
    staff = tab_of().enter("analyst")
    assert staff.get_by_text("Обзор").count() > 0
    assert tab_of().enter("family").get_by_text("Обзор").count() == 0
