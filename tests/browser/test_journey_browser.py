"""One person's evening, from the door to the door: the main job of the portal, in a real browser."""

import sqlite3
from pathlib import Path

import pytest

FREE_OPTION = """
    SELECT o.code, a.id FROM option o
    JOIN billing_account a ON a.service = o.service AND a.status = 'active'
    JOIN attachment t ON t.billing_account_id = a.id AND t."right" = 'manage' AND t.detached_at IS NULL
    JOIN demo_persona p ON p.customer_id = t.customer_id AND p.key = ?
    JOIN option_price r ON r.option_id = o.id
    WHERE o.provisioning_minutes = 0
      AND NOT EXISTS (SELECT 1 FROM option_region g WHERE g.option_id = o.id)
      AND NOT EXISTS (SELECT 1 FROM option_relation n WHERE n.option_id = o.id OR n.other_id = o.id)
      AND NOT EXISTS (SELECT 1 FROM subscription s
                      WHERE s.billing_account_id = a.id AND s.option_id = o.id AND s.ended_on IS NULL)
      AND NOT EXISTS (SELECT 1 FROM product_order d
                      WHERE d.billing_account_id = a.id AND d.option_id = o.id AND d.closed_at IS NULL)
    GROUP BY o.id HAVING max(r.price_kopecks) = 0 LIMIT 1"""


def _asked(database: Path, query: str, *values: object) -> list[tuple]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30) as connection:
        return connection.execute(query, values).fetchall()


@pytest.mark.parametrize("width", [1440, 390])
def test_from_the_door_through_payments_an_option_and_autopay_and_out(tab_of, site_database: Path, width: int):
    tab = tab_of(width=width)
    page = tab.enter("family")
    assert "Анна" in page.locator("h1").first.inner_text()

    # Where does the money go
    page.goto(f"{tab.site}/payments")
    tab.settle()
    page.locator("[data-testid=stPlotlyChart] svg.main-svg").first.wait_for()
    assert page.locator("h1").first.inner_text() == "Платежи и начисления"

    # Switch an option on, and off again; what is shown is what is so
    code, account_id = _asked(site_database, FREE_OPTION, "family")[0]
    connected = """SELECT count(*) FROM subscription s JOIN option o ON o.id = s.option_id
                   WHERE o.code = ? AND s.billing_account_id = ? AND s.ended_on IS NULL"""
    page.goto(f"{tab.site}/services?account={account_id}")
    tab.settle()
    toggle = page.locator(f"[class*='st-key-option_{code}_']")
    for is_on in (True, False):
        assert toggle.locator("input").is_checked() is not is_on
        toggle.locator("label").click()
        page.locator(".st-key-confirm_order button").click()
        page.locator(f"[class*='st-key-option_{code}_'] input{':checked' if is_on else ':not(:checked)'}").wait_for(
            state="attached"
        )
        tab.settle()
        assert _asked(site_database, connected, code, account_id) == [(int(is_on),)]

    # Let an account be paid by itself, and stop it
    rules = "SELECT count(*) FROM autopay_rule WHERE state = 'active'"
    before = _asked(site_database, rules)[0][0]
    page.goto(f"{tab.site}/autopay")
    tab.settle()
    page.locator(".st-key-autopay_new button").click()
    tab.settle()
    page.locator(".st-key-autopay_consent label").click()
    tab.settle()
    page.locator(".st-key-autopay_save button").click()
    tab.settle()
    assert _asked(site_database, rules)[0][0] == before + 1
    newest = _asked(site_database, "SELECT max(id) FROM autopay_rule")[0][0]
    page.locator(f".st-key-autopay_delete_{newest} button").click()
    page.locator(".st-key-autopay_delete_yes button").click()
    tab.settle()
    assert _asked(site_database, rules)[0][0] == before

    # And out
    tab.choose("person_menu", "Выйти")
    page.locator("input[type=password]").wait_for()

    assert tab.hosts == {tab.site.split("/")[2]}, "a request left for another host"
    assert [text for text in tab.complaints if "Content Security Policy" in text or "Refused" in text] == []
