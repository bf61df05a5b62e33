"""The analysts' overview on the screen: filters in the address, tables on request, both languages; customers never see it."""

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from db import reading
from db.engine import make_engine
from models import BillingAccount, MonthlyFigure, Transfer
from queries.figures import accounting_month, month_begins_at
from rules.periods import add_months
from rules.terms import Language, TransferCode
from seed.run import run
from tests.conftest import use_database
from tests.driver import Screen, open_screen
from texts import money, speaking


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small demo, made once for all tests here: they only read."""
    url = f"sqlite:///{tmp_path_factory.mktemp('overview') / 'demo.db'}"
    engine = make_engine(url)
    run(engine=engine, customers=60, months=14, seed=7, as_of=clock.today())
    engine.dispose()
    return url


@pytest.fixture(autouse=True)
def demo(seeded: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    made = use_database(seeded, monkeypatch)
    yield made
    made.dispose()


def this_month() -> date:
    return accounting_month(clock.now())


def paid(first: date, *regions: str) -> int:
    """What the ledger says was paid since the beginning of a month."""
    with reading() as db:
        query = (
            select(sa.func.sum(col(Transfer.amount_kopecks)))
            .join(BillingAccount, col(BillingAccount.id) == col(Transfer.billing_account_id))
            .where(Transfer.code == TransferCode.TOP_UP, Transfer.occurred_at >= month_begins_at(first))
        )
        if regions:
            query = query.where(col(BillingAccount.region_code).in_(regions))
        return int(db.exec(query).one() or 0)


def tile(screen: Screen, label: str) -> str:
    return next(metric.value for metric in screen.metric if metric.label == label)


def charts(screen: Screen) -> list[str]:
    return [chart.key for chart in screen.get("plotly_chart")]


@pytest.mark.parametrize(("language", "label", "title"), [(Language.RU, "Оплачено", "Обзор"), (Language.EN, "Paid", "Overview")])
def test_an_analyst_sees_what_the_ledger_says_in_their_language(language: Language, label: str, title: str) -> None:
    screen = open_screen("overview", persona="analyst", language=language)
    assert screen.title[0].value == title
    with speaking(language):
        whole = paid(add_months(this_month(), -11))
        assert tile(screen, label) == money(round(whole / 100) * 100, exact=False)
    said = "начисленного" if language is Language.RU else "of what was charged"
    assert any(said in element.value for element in screen.markdown)
    assert len(charts(screen)) >= 7
    assert len(screen.metric) == 8


@pytest.mark.parametrize("language", list(Language))
def test_choosing_a_period_and_a_region_changes_the_figures_and_the_address(language: Language) -> None:
    screen = open_screen("overview", persona="analyst", language=language)
    label = "Оплачено" if language is Language.RU else "Paid"
    with reading() as db:
        region = db.exec(select(MonthlyFigure.region_code).where(MonthlyFigure.measure == "paid").limit(1)).one()
    with speaking(language):  # AppTest labels the choice itself, outside the run
        screen.button_group(key="overview_period").set_value("24")
        screen.run()
    screen.multiselect(key="overview_region").set_value([region])
    screen.run()
    assert not screen.exception
    with speaking(language):
        assert tile(screen, label) == money(round(paid(date(2000, 1, 1), region) / 100) * 100, exact=False)
    assert screen.query_params["period"] == "24"
    assert screen.query_params["region"] == region


@pytest.mark.parametrize("language", list(Language))
def test_a_link_opens_the_same_view_in_either_language(language: Language) -> None:
    first = add_months(this_month(), -1)
    link = {"period": "own", "since": first.strftime("%Y-%m"), "until": this_month().strftime("%Y-%m")}
    screen = open_screen("overview", persona="analyst", language=language, query=link)
    with speaking(language):
        whole = money(round(paid(first) / 100) * 100, exact=False)
    assert tile(screen, "Оплачено" if language is Language.RU else "Paid") == whole
    assert screen.selectbox(key="overview_since").value == first


def test_nonsense_in_the_address_shows_the_usual_view() -> None:
    usual = open_screen("overview", persona="analyst")
    screen = open_screen(
        "overview", persona="analyst", query={"period": "13", "since": "yesterday", "until": "2026-99", "region": "XX,'; --"}
    )
    assert tile(screen, "Оплачено") == tile(usual, "Оплачено")


def test_a_period_that_starts_after_its_end_says_so_and_shows_one_month() -> None:
    link = {"period": "own", "since": this_month().strftime("%Y-%m"), "until": add_months(this_month(), -3).strftime("%Y-%m")}
    screen = open_screen("overview", persona="analyst", query=link)
    assert len(screen.warning) == 1
    assert len(screen.metric) == 8


def test_a_table_is_only_sent_when_its_expander_is_open() -> None:
    screen = open_screen("overview", persona="analyst")
    assert len(screen.dataframe) == 0
    expander = next(block for block in screen.get("expander") if block.key == "overview_table_money")
    screen.app.session_state["overview_table_money"] = True
    screen.run()
    assert expander is not None
    assert len(screen.dataframe) == 1
    table = screen.dataframe[0].value
    assert round(table["Оплачено"].sum() * 100) == paid(add_months(this_month(), -11))


def test_a_region_where_nothing_happened_offers_the_way_back() -> None:
    with reading() as db:
        busy = set(db.exec(select(MonthlyFigure.region_code).distinct()))
    quiet = next(code for code in ("RU-CHU", "RU-NEN", "RU-MAG", "RU-TY") if code not in busy)
    screen = open_screen("overview", persona="analyst", query={"region": quiet})
    assert not charts(screen)
    assert "ничего не было" in screen.says
    screen.button("overview_everywhere").click()
    screen.run()
    assert charts(screen)


def test_before_the_first_count_the_screen_says_what_will_be_here(
    tmp_path: Path, seeded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "uncounted.db"
    with sqlite3.connect(seeded.removeprefix("sqlite:///")) as from_, sqlite3.connect(copy) as to:
        from_.backup(to)
    engine = use_database(f"sqlite:///{copy}", monkeypatch)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(sa.delete(MonthlyFigure))
    screen = open_screen("overview", persona="analyst")
    assert "после первого подсчёта" in screen.says
    assert not screen.metric


@pytest.mark.parametrize("persona", ["family", "vip"])
def test_a_customer_cannot_open_it(persona: str) -> None:
    try:
        screen = open_screen("overview", persona=persona)
    except ValueError:
        return  # the screen is not among theirs at all
    assert not charts(screen)
    assert not any("overview" in (element.key or "") for element in screen.get("multiselect"))
    assert "Обзор" not in [title.value for title in screen.title]


def test_a_customer_who_gets_hold_of_the_script_is_still_refused() -> None:
    from streamlit.testing.v1 import AppTest

    from settings import ROOT
    from tests.driver import Browser, cookie_of, customer_of

    app = AppTest.from_file(str(ROOT / "pages" / "staff" / "overview.py"), default_timeout=30)
    screen = Screen(app, Browser(cookie_of(customer_of("family")))).run()
    assert screen.exception
    assert not screen.metric
    assert not charts(screen)
