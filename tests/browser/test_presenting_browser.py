"""A presenter's story: a person with autopay by threshold, a month goes by in front of everybody, and everything shows it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Tab, served
from tests.browser.test_paying_browser import asked

WHO = "(SELECT customer_id FROM demo_persona WHERE key = 'vip')"
POINTS = f"SELECT coalesce(sum(points), 0) FROM bonus_entry WHERE customer_id = {WHO} AND kind = 'earned'"
RULE = f"SELECT id, billing_account_id FROM autopay_rule WHERE customer_id = {WHO} AND pay_when = 'threshold'"
RUNS = "SELECT amount_kopecks, payment_id FROM autopay_run WHERE rule_id = ? AND batch <> '' AND result = 'succeeded'"
CREDITED = "SELECT count(*) FROM transfer WHERE payment_id = ? AND billing_account_id = ?"


@pytest.fixture
def stage(seeded_template: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A demo of its own, whose clock may be moved: its address and its database."""
    file = tmp_path / "stage.db"
    shutil.copyfile(seeded_template, file)
    log = tmp_path / "server.log"
    with served(f"sqlite:///{file}", log) as url:
        yield url, file
    assert "Traceback" not in log.read_text(), "the server logged a stack trace"


def test_a_month_goes_by_and_autopay_letters_points_and_charts_show_it(browser: Browser, stage: tuple[str, Path]):
    site, database = stage
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="ru-RU", timezone_id="Europe/Moscow")
    context.set_default_timeout(90_000)
    tab = Tab(context, site)
    page = tab.enter("vip", "payments")
    rule_id, account_id = asked(database, RULE)[0]
    points = asked(database, POINTS)[0][0]
    assert asked(database, RUNS, rule_id) == []

    page.locator(".st-key-demo_clock button").first.click()
    page.locator(".st-key-clock_month button").click()
    page.get_by_text("Прожито").first.wait_for()
    page.locator(".st-key-clock_month button").wait_for()  # it is there again when the month is over
    tab.settle()
    report = page.locator("[data-testid=stPopoverBody]").inner_text()
    assert "счетов выставлено" in report or "счёт" in report
    assert "автоплат" in report

    paid = asked(database, RUNS, rule_id)
    assert paid, "the threshold rule has paid by itself"
    kopecks, payment_id = paid[0]
    assert asked(database, POINTS)[0][0] > points
    assert asked(database, CREDITED, payment_id, account_id) == [(1,)]

    page.keyboard.press("Escape")
    tab.open("autopay")
    page.locator(".st-key-person_menu").wait_for()  # who was signed in still is
    tab.settle()
    roubles = f"{kopecks // 100:,}".replace(",", "\u00a0")
    assert roubles in page.locator("[data-testid=stMain]").inner_text().replace("\u202f", "\u00a0")
    tab.open("mailbox")
    tab.settle()
    assert "Автоплатёж прошёл" in page.locator("[data-testid=stMain]").inner_text()
    tab.open("payments")
    tab.settle()
    page.locator(".js-plotly-plot").first.wait_for()
    assert "втоплат" in page.locator("[data-testid=stMain]").inner_text()
    assert tab.complaints == []
    context.close()
