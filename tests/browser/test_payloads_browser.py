"""What a person typed is text, whatever it looks like: no element of it, no script, no request to anybody."""

import sqlite3
from pathlib import Path

import pytest

PAYLOADS = [
    "<img src=x onerror=hacked=1>",
    "<script>hacked=1</script>",
    "<svg onload=hacked=1>",
    "<iframe srcdoc='<b>x'></iframe>",
    "[x](javascript:hacked=1)",
    "![x](http://evil.example/a.png)",
    "<a href='javascript:hacked=1'>x</a>",
    "<form action=//evil.example>",
    "<style>*{display:none}</style>",
    "<details open ontoggle=hacked=1>",
    "<meta http-equiv=refresh content=0>",
    ":material/home: **x** $x$ `x` https://evil.example www.evil.example a@evil.example",
]


AT_ONCE = 6
"""So many accounts does the persona have."""


@pytest.mark.parametrize("payloads", [PAYLOADS[:AT_ONCE], PAYLOADS[AT_ONCE:]])
def test_labels_are_shown_as_they_were_typed_and_do_nothing(tab_of, site_database: Path, payloads: list[str]):
    with sqlite3.connect(site_database, timeout=30) as connection:
        mine = (
            "SELECT id FROM attachment WHERE customer_id = (SELECT customer_id FROM demo_persona WHERE key = 'vip') ORDER BY id"
        )
        for (attachment,), payload in zip(connection.execute(mine).fetchall(), payloads, strict=True):
            connection.execute("UPDATE attachment SET label = ? WHERE id = ?", (payload, attachment))
    tab = tab_of()
    page = tab.enter("vip")
    for path in ("", "accounts", "services", "payments", "autopay"):
        page.goto(f"{tab.site}/{path}")
        tab.settle()
        assert page.evaluate("typeof window.hacked") == "undefined"
        found = page.evaluate(
            """() => [...document.querySelectorAll("[data-testid=stMain] *")].filter(element =>
                ["SCRIPT", "IFRAME", "FORM", "META", "STYLE"].includes(element.tagName) && element.textContent.includes("hacked")
                || element.getAttribute("onerror") || element.getAttribute("onload") || element.getAttribute("ontoggle")
                || (element.getAttribute("href") || "").match(/^(javascript|data):|evil/)
                || (element.getAttribute("src") || "").includes("evil")).map(element => element.outerHTML)"""
        )
        assert found == []
    assert tab.hosts == {tab.site.split("/")[2]}
