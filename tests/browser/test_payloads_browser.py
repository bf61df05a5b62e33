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


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_label_is_shown_as_it_was_typed_and_does_nothing(tab_of, site_database: Path, payload: str):
    with sqlite3.connect(site_database, timeout=30) as connection:
        connection.execute(
            "UPDATE attachment SET label = ? WHERE customer_id = (SELECT customer_id FROM demo_persona WHERE key = 'cottage')",
            (payload,),
        )
    tab = tab_of()
    page = tab.enter("cottage")
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
