"""Money as people move it, in a real browser: to the bank and back, and on paper."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from integrations.test_bank import CARDS, CODE, Behaviour

PERSON = "SELECT customer_id FROM demo_persona WHERE key = ?"
PAID = f"SELECT state, amount_kopecks, decline_reason FROM payment WHERE payer_id = ({PERSON}) ORDER BY id DESC LIMIT 1"
COUNT = f"SELECT count(*) FROM payment WHERE payer_id = ({PERSON})"
BALANCES = """SELECT l.billing_account_id, l.balance_kopecks FROM ledger_account l
    JOIN attachment t ON t.billing_account_id = l.billing_account_id AND t.detached_at IS NULL
    JOIN demo_persona p ON p.customer_id = t.customer_id AND p.key = ?"""


def asked(database: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30) as connection:
        return connection.execute(query, values).fetchall()


def number_of(behaviour: Behaviour) -> str:
    return next(card.number for card in CARDS if card.behaviour is behaviour)


def only(tab: Any, database: Path, persona: str, kopecks: dict[int, int]) -> None:
    """Tick these accounts and no others, with these sums."""
    for account_id, _ in asked(database, BALANCES, persona):
        box = tab.page.locator(f".st-key-pay_on_{account_id}")
        if box.count() and box.locator("input").is_checked() is not (account_id in kopecks):
            box.locator("label").click()
            tab.settle()
    for account_id, sum_ in kopecks.items():
        tab.page.locator(f".st-key-pay_sum_{account_id} input").fill(f"{sum_ // 100},{sum_ % 100:02d}")
        tab.settle()


def at_the_bank(tab: Any, behaviour: Behaviour) -> None:
    page = tab.page
    page.wait_for_url("**/bank/**")
    for name, value in (("number", number_of(behaviour)), ("expiry", "12/40"), ("cvc", "123")):
        page.locator(f"input[name={name}]").fill(value)
    page.locator("form button").first.click()


@pytest.mark.parametrize("width", [1440, 390])
def test_a_new_card_with_3d_secure_pays_and_the_way_back_shows_it(tab_of, site_database: Path, width: int):
    tab = tab_of(width=width)
    page = tab.enter("family", "pay")
    account_id, before = asked(site_database, BALANCES, "family")[0]
    sum_ = 51_000 + width
    only(tab, site_database, "family", {account_id: sum_})
    page.get_by_text("Другая карта").click()
    tab.settle()
    page.locator(".st-key-pay_now button").click()
    at_the_bank(tab, Behaviour.THREE_D_SECURE)
    page.wait_for_url("**/confirm")
    page.locator("input[name=code]").fill(CODE)
    page.locator("form button").first.click()
    page.locator(".st-key-pay_receipt").wait_for()
    assert "Оплачено" in page.locator("h1").first.inner_text()
    assert asked(site_database, PAID, "family") == [("succeeded", sum_, None)]
    assert dict(asked(site_database, BALANCES, "family"))[account_id] == before + sum_
    # Reloading, going back and coming again charge nothing and say the same.
    many = asked(site_database, COUNT, "family")
    page.reload()
    page.locator(".st-key-pay_receipt").wait_for()
    page.go_back()
    page.go_forward()
    page.locator(".st-key-pay_receipt").wait_for()
    assert asked(site_database, COUNT, "family") == many
    # The receipt is a document, for its payer alone.
    receipt = page.locator(".st-key-pay_receipt_link a").get_attribute("href") or ""
    answer = tab.context.request.get(f"{tab.site}{receipt}" if receipt.startswith("/") else receipt)
    assert (answer.status, answer.body()[:5]) == (200, b"%PDF-")
    stranger = tab_of()
    stranger.enter("pensioner")
    assert stranger.context.request.get(f"{tab.site}{receipt}" if receipt.startswith("/") else receipt).status == 403
    assert tab.hosts == {tab.site.split("/")[2]}
    assert [text for text in tab.complaints if "Content Security Policy" in text] == []


def test_a_declined_card_says_why_and_lets_one_try_again(tab_of, site_database: Path):
    tab = tab_of()
    page = tab.enter("debtor", "pay")
    before = asked(site_database, BALANCES, "debtor")
    if page.get_by_text("Другая карта").count():
        page.get_by_text("Другая карта").click()
        tab.settle()
    page.locator(".st-key-pay_now button").click()
    at_the_bank(tab, Behaviour.INSUFFICIENT_FUNDS)
    page.locator(".st-key-pay_try_again button").wait_for()
    assert "На карте не хватило денег" in page.locator("[data-testid=stMain]").inner_text()
    assert asked(site_database, PAID, "debtor")[0][::2] == ("declined", "insufficient_funds")
    assert asked(site_database, BALANCES, "debtor") == before
    page.locator(".st-key-pay_try_again button").click()
    page.locator(".st-key-pay_now").wait_for()


def test_three_accounts_are_paid_at_once_with_a_saved_card(tab_of, site_database: Path):
    tab = tab_of()
    page = tab.enter("family", "pay")
    before = dict(asked(site_database, BALANCES, "family"))
    sums = {account_id: 10_000 + place for place, account_id in enumerate(sorted(before)[:3])}
    only(tab, site_database, "family", sums)
    page.locator(".st-key-pay_card label").first.click()
    tab.settle()
    page.locator(".st-key-pay_now button").dblclick()
    page.locator(".st-key-pay_receipt").wait_for()
    after = dict(asked(site_database, BALANCES, "family"))
    assert {account_id: after[account_id] - before[account_id] for account_id in sums} == sums, "a double click is one payment"
    assert asked(site_database, PAID, "family") == [("succeeded", sum(sums.values()), None)]


def test_points_are_spent_on_an_account(tab_of, site_database: Path):
    tab = tab_of()
    page = tab.enter("vip", "bonus")
    points = f"SELECT coalesce(sum(remaining), 0) FROM bonus_lot WHERE customer_id = ({PERSON})"
    before, money = (
        asked(site_database, points, "vip")[0][0],
        sum(kopecks for _, kopecks in asked(site_database, BALANCES, "vip")),
    )
    field = page.locator(".st-key-bonus_spend input[type=text]").last
    field.fill("40")
    tab.settle()
    page.locator(".st-key-bonus_spend_now button").click()
    tab.settle()
    page.wait_for_timeout(500)
    assert asked(site_database, points, "vip")[0][0] == before - 40
    assert sum(kopecks for _, kopecks in asked(site_database, BALANCES, "vip")) == money + 4_000


def test_a_statement_is_downloaded_as_it_was_asked_for(tab_of, tmp_path: Path):
    tab = tab_of()
    page = tab.enter("family", "payments")
    page.locator(".st-key-printout_open button").click()
    link = page.locator(".st-key-printout_link a")
    link.wait_for()
    address = link.get_attribute("href") or ""
    answer = tab.context.request.get(f"{tab.site}{address}" if address.startswith("/") else address)
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.body()[:5] == b"%PDF-"
