"""The bills screen says what the ledger says and why it changed; the form of printouts leads to what was asked for."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

import clock
from db.engine import make_engine
from rules.periods import add_months, month_end, month_start
from rules.terms import Language
from seed.run import run
from tests.conftest import use_database
from tests.driver import Screen, open_screen
from ui.widgets.printout import address, problem, span

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('bills') / 'demo.db'}"
    engine = make_engine(url)
    run(engine=engine, customers=14, months=14, seed=7, as_of=clock.today())
    engine.dispose()
    return url


@pytest.fixture
def demo(seeded: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    made = use_database(seeded, monkeypatch)
    yield made
    made.dispose()


def links(screen: Screen) -> list[Any]:
    """The plain links of the screen, those of its dialog too."""
    return [link.proto for link in screen.app.get("link_button")]


# --- printouts ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_a_printout_is_filled_in_like_the_filters_and_leads_to_what_was_asked(demo: sa.Engine, language: Language):
    screen = open_screen("payments", language=language, query={"period": "3"})
    mine = screen.app.selectbox(key="payments_account").options
    assert not links(screen)
    screen.click("printout_open")
    today = clock.today("Europe/Moscow")
    (link,) = links(screen)
    asked = urlsplit(link.url)
    assert asked.path == "/documents/statement.pdf"
    assert parse_qs(asked.query) == {
        "from": [add_months(month_start(today), -2).isoformat()],
        "to": [today.isoformat()],
    }
    assert len(screen.app.pills(key="printout_accounts").value) == len(mine) - 1 > 1
    assert "PDF" in link.label
    account_id = screen.app.pills(key="printout_accounts").value[1]
    screen.app.pills(key="printout_accounts").set_value([account_id])
    screen.app.pills(key="printout_period").set_value("last")
    screen.app.segmented_control(key="printout_format").set_value("xlsx")
    screen.run()
    (link,) = links(screen)
    first = add_months(month_start(today), -1)
    assert link.url == (
        f"/documents/statement.xlsx?from={first.isoformat()}&to={month_end(first).isoformat()}&account={account_id}"
    )


def test_a_printout_of_one_account_and_ones_own_months_begins_with_them(demo: sa.Engine):
    listed = open_screen("payments")
    listed.click("printout_open")
    account_id = listed.app.pills(key="printout_accounts").value[0]
    first = add_months(month_start(clock.today("Europe/Moscow")), -4)
    query = {"account": str(account_id), "period": "own", "since": f"{first:%Y-%m}", "until": f"{first:%Y-%m}"}
    screen = open_screen("payments", query=query)
    screen.click("printout_open")
    assert screen.app.pills(key="printout_period").value == "own"
    (link,) = links(screen)
    assert link.url == address(first, month_end(first), [account_id], "pdf")


@pytest.mark.parametrize("language", list(Language))
def test_a_bad_period_is_told_and_nothing_is_downloaded(demo: sa.Engine, language: Language):
    screen = open_screen("payments", language=language)
    screen.click("printout_open")
    today = clock.today("Europe/Moscow")
    screen.app.pills(key="printout_period").set_value("own")
    screen.run()
    screen.app.date_input(key="printout_since").set_value(today)
    screen.app.date_input(key="printout_until").set_value(today - timedelta(days=1))
    screen.run()
    (said,) = screen.app.error
    assert said.value.startswith("Начало периода позже" if language is Language.RU else "The period begins after")
    (link,) = links(screen)
    assert link.disabled
    assert "statement" not in link.url
    screen.app.date_input(key="printout_until").set_value(today)
    screen.run()
    assert not screen.app.error
    assert links(screen)[0].url == address(today, today, [], "pdf")


def test_no_account_at_all_is_no_printout(demo: sa.Engine):
    screen = open_screen("payments")
    screen.click("printout_open")
    screen.app.pills(key="printout_accounts").set_value([])
    screen.run()
    assert screen.app.error[0].value == "Выберите хотя бы один лицевой счёт."
    assert links(screen)[0].disabled


def test_who_has_one_account_is_not_asked_which(demo: sa.Engine):
    screen = open_screen("payments", persona="pensioner")
    screen.click("printout_open")
    assert "printout_accounts" not in [pills.key for pills in screen.app.pills]
    assert "account" not in links(screen)[0].url


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("month", date(2026, 11, 1), TODAY),
        ("last", date(2026, 10, 1), date(2026, 10, 31)),
        ("quarter", date(2026, 9, 1), TODAY),
        ("year", date(2025, 12, 1), TODAY),
    ],
)
def test_quick_choices_are_whole_months_up_to_today(period: str, first: date, last: date):
    assert span(period, TODAY) == (first, last)


@pytest.mark.parametrize(
    ("since", "until", "wrong"),
    [
        (TODAY, TODAY, ""),
        (date(2020, 1, 1), TODAY + timedelta(days=400), ""),
        (None, TODAY, "printout.no_date"),
        (TODAY, None, "printout.no_date"),
        (TODAY + timedelta(days=1), TODAY + timedelta(days=2), "printout.not_yet"),
        (TODAY, TODAY - timedelta(days=1), "printout.swapped"),
    ],
)
def test_what_is_wrong_with_own_dates(since: date | None, until: date | None, wrong: str):
    assert problem(since, until, TODAY) == wrong


def test_several_accounts_are_named_one_by_one():
    assert address(TODAY, TODAY, [3, 5], "csv") == ("/documents/statement.csv?from=2026-11-22&to=2026-11-22&account=3&account=5")
