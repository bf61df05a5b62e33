"""The bills screen says what the ledger says and why it changed; the form of printouts leads to what was asked for."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count, pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlmodel import col, select

import clock
from db import reading, transaction
from db.engine import make_engine
from models import Attachment, Bill, BillLine, Transfer
from rules.money import parse_amount
from rules.periods import add_months, month_end, month_start
from rules.terms import BillingMode, Language, Right
from seed.run import run
from tests.conftest import use_database
from tests.driver import Screen, customer_of, open_screen
from tests.money.test_bills import Billing
from texts import day, money, speaking
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


def accounts_of(persona: str) -> list[int]:
    with reading() as db:
        order = select(Attachment.billing_account_id).where(col(Attachment.customer_id) == customer_of(persona))
        return list(db.exec(order.order_by(col(Attachment.position), col(Attachment.id))))


def bills_of(account_id: int) -> list[Bill]:
    """All bills of an account, the newest first."""
    with reading() as db:
        return list(db.exec(select(Bill).where(col(Bill.billing_account_id) == account_id).order_by(col(Bill.month_on).desc())))


def opened(account_id: int, bill_id: int | str = "", **more: Any) -> Screen:
    return open_screen("bills", query={"account": str(account_id)} | ({"bill": str(bill_id)} if bill_id else {}), **more)


def chosen(screen: Screen) -> int:
    return int(screen.app.radio(key="bills_list").value)


# --- bills --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_the_newest_bill_is_shown_with_its_lines_which_add_up_to_what_the_ledger_took(demo: sa.Engine, language: Language):
    account_id = accounts_of("family")[0]
    newest, *older = bills_of(account_id)
    screen = open_screen("bills", language=language)
    assert screen.title[0].value == ("Счета за месяц" if language is Language.RU else "Bills")
    assert chosen(screen) == newest.id
    with reading() as db:
        sums = list(
            db.exec(
                select(Transfer.amount_kopecks)
                .join(BillLine, col(BillLine.transfer_id) == col(Transfer.id))
                .where(col(BillLine.bill_id) == newest.id)
            )
        )
    lines = list(screen.table[-1].value["sum"])
    with speaking(language):
        assert sorted(lines[:-1]) == sorted(money(kopecks) for kopecks in sums)
        assert lines[-1] == f"**{money(sum(sums))}**" == f"**{money(newest.total_kopecks)}**"
        options = screen.app.radio(key="bills_list").options
        assert len(options) == min(12, 1 + len(older))
        assert all(money(bill.total_kopecks) in said for bill, said in zip([newest, *older], options, strict=False))
    assert links(screen)[0].url == f"/documents/bill/{newest.id}.pdf"
    assert len(screen.get("plotly_chart")) == 1


@pytest.mark.parametrize("language", list(Language))
def test_what_is_left_of_a_bill_is_paid_with_one_button(demo: sa.Engine, language: Language):
    account_id = accounts_of("family")[0]
    newest, paid, *_ = bills_of(account_id)
    screen = opened(account_id, newest.id, language=language)
    with speaking(language):
        assert [tile.value for tile in screen.metric] == [money(newest.total_kopecks)] * 2
    assert screen.button("bills_pay").label == ("Оплатить" if language is Language.RU else "Pay")
    earlier = opened(account_id, paid.id, language=language)
    assert chosen(earlier) == paid.id
    assert len(earlier.metric) == 1
    assert "bills_pay" not in [button.key for button in earlier.app.button]
    assert ("Оплачен" if language is Language.RU else "Paid") in earlier.says


def test_paying_goes_to_the_pay_screen_of_that_account(demo: sa.Engine):
    account_id = accounts_of("family")[0]
    screen = opened(account_id)
    screen.click("bills_pay")
    assert screen.app.query_params["account"] == str(account_id)
    assert not screen.app.radio or "bills_list" not in [radio.key for radio in screen.app.radio]


@pytest.mark.parametrize("language", list(Language))
def test_a_bill_that_rose_says_why_in_parts_that_add_up(demo: sa.Engine, language: Language):
    for account_id in accounts_of("family"):
        bills = bills_of(account_id)
        rose = next(((now, then) for now, then in pairwise(bills) if now.total_kopecks != then.total_kopecks), None)
        if rose is not None:
            break
    assert rose is not None
    now, then = rose
    screen = opened(account_id, now.id, language=language)
    by = now.total_kopecks - then.total_kopecks
    with speaking(language):
        said = next(heading.value for heading in screen.subheader if money(abs(by), exact=False) in heading.value)
        assert ("больше" if by > 0 else "меньше") in said or ("more" if by > 0 else "less") in said
        parts = [cell.split("[")[1].rstrip("]") for cell in screen.table[0].value["sum"]]
        assert sum(parse_amount(part.replace("+", "")) for part in parts) == by


def test_from_a_bill_like_the_one_before_one_click_leads_to_the_last_that_changed(demo: sa.Engine):
    account_id = accounts_of("pensioner")[0]
    bills = bills_of(account_id)
    changed = next(now for now, then in pairwise(bills) if now.total_kopecks != then.total_kopecks)
    assert changed is not bills[0]
    screen = opened(account_id, persona="pensioner")
    assert "Столько же, сколько" in screen.says
    screen.click("bills_last_change")
    assert chosen(screen) == changed.id
    assert screen.app.query_params["bill"] == str(changed.id)


def test_choosing_a_month_in_either_list_puts_it_into_the_address(demo: sa.Engine):
    account_id = accounts_of("family")[0]
    bills = bills_of(account_id)
    screen = opened(account_id)
    for place, (key, choose) in enumerate((("radio", "bills_list"), ("selectbox", "bills_pick")), start=1):
        getattr(screen.app, key)(key=choose).set_value(bills[place].id)
        screen.run()
        assert screen.app.query_params["bill"] == str(bills[place].id)
        assert chosen(screen) == screen.app.selectbox(key="bills_pick").value == bills[place].id
        assert links(screen)[0].url == f"/documents/bill/{bills[place].id}.pdf"


def test_the_first_bill_has_nothing_to_be_compared_with(demo: sa.Engine):
    account_id = accounts_of("family")[0]
    *later, first = bills_of(account_id)
    assert len(later) >= 12
    screen = opened(account_id, first.id)
    assert "Это первый счёт" in screen.says
    with speaking(Language.RU):
        lines = list(screen.table[-1].value["sum"])
        assert sum(parse_amount(sum_) for sum_ in lines[:-1]) == first.total_kopecks
        assert lines[-1] == f"**{money(first.total_kopecks)}**"
    assert len(screen.app.radio(key="bills_list").options) == len(later) + 1


@pytest.mark.parametrize("language", list(Language))
def test_a_prepaid_account_has_a_statement_and_nothing_to_pay(demo: sa.Engine, language: Language):
    screen = opened(accounts_of("family")[1], language=language)
    assert "bills_pay" not in [button.key for button in screen.app.button]
    russian = language is Language.RU
    assert ("Счёт-отчёт" if russian else "Statement of charges") in screen.says
    assert ("счёта к оплате нет" if russian else "no bill to pay") in screen.says


def test_others_bills_and_accounts_in_the_address_are_ignored(demo: sa.Engine):
    account_id = accounts_of("family")[0]
    newest, foreign_account = bills_of(account_id)[0], accounts_of("vip")[0]
    foreign = bills_of(foreign_account)[0]
    for query in ({"bill": str(foreign.id)}, {"account": str(foreign_account), "bill": str(foreign.id)}, {"bill": "1 OR 1=1"},
                  {"account": "x", "bill": "99999999999999999999"}):  # fmt: skip
        screen = open_screen("bills", query=query)
        assert chosen(screen) == newest.id
        assert foreign.number not in screen.says
        assert "bill" not in screen.app.query_params
        assert [link.url for link in links(screen)] == [f"/documents/bill/{newest.id}.pdf"]


def test_a_bill_of_ones_other_account_is_not_shown_under_this_one(demo: sa.Engine):
    first, second = accounts_of("family")[:2]
    screen = opened(first, bills_of(second)[0].id)
    assert chosen(screen) == bills_of(first)[0].id


@pytest.mark.parametrize("language", list(Language))
def test_the_person_without_accounts_is_shown_the_first_step(demo: sa.Engine, language: Language):
    screen = open_screen("bills", persona="newcomer", language=language)
    assert screen.button("bills_to_accounts")
    assert not screen.app.radio


# --- in a small world ---------------------------------------------------------------------------------------
@pytest.fixture
def person_with(db: sa.Engine) -> Callable[..., tuple[int, int]]:
    """Makes a person with an account and so many bills up to last month; their id and the account's."""
    worlds = count(0, 1_000)

    def make(bills: int, *, right: Right = Right.MANAGE) -> tuple[int, int]:
        with transaction() as session:
            made = Billing(session)
            made.world.number = next(worlds)
            person = made.world.person()
            account = made.world.account(person, mode=BillingMode.POSTPAID, right=right)
            plan = made.plan("Дом 300")
            for back in range(bills):
                made.bill(account, add_months(month_start(clock.today()), -1 - back), **{f"plan_{plan}": 60_000})
            return person.id, account.id

    return make


@pytest.mark.parametrize("right", list(Right))
def test_who_may_only_look_sees_the_bill_and_no_way_to_pay(person_with: Callable[..., tuple[int, int]], right: Right):
    customer_id, _ = person_with(2, right=right)
    screen = open_screen("bills", customer_id=customer_id)
    with speaking(Language.RU):
        assert money(60_000) in [tile.value for tile in screen.metric]
    may_pay = right.covers(Right.PAY)
    assert ("bills_pay" in [button.key for button in screen.app.button]) is may_pay
    assert ("Вы можете смотреть счета" in screen.says) is not may_pay
    assert len(links(screen)) == 1


@pytest.mark.parametrize("language", list(Language))
def test_before_the_first_bill_its_day_is_told(person_with: Callable[..., tuple[int, int]], language: Language):
    customer_id, _ = person_with(0)
    screen = open_screen("bills", customer_id=customer_id, language=language)
    with speaking(language):
        comes = day(add_months(month_start(clock.today("Europe/Moscow")), 1), this_year=clock.today("Europe/Moscow").year)
    assert comes in screen.says
    assert not screen.app.radio


def test_a_screen_of_many_bills_asks_the_database_as_little_as_one_of_a_single(
    db: sa.Engine, person_with: Callable[..., tuple[int, int]]
):
    asked: list[str] = []
    event.listen(db, "before_cursor_execute", lambda *given: asked.append(given[2]))
    counts = []
    for bills in (2, 14):
        screen = open_screen("bills", customer_id=person_with(bills)[0])
        asked.clear()
        screen.run()
        counts.append(len([one for one in asked if one.lstrip().upper().startswith("SELECT")]))
        assert len(screen.app.selectbox(key="bills_pick").options) == bills
    assert counts[0] == counts[1]


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
    screen.app.date_input(key="printout_until").set_value(today + timedelta(days=40))
    screen.run()
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
