"""Every screen on a phone, in both languages and themes: nothing overflows, nothing complains, nobody else is asked."""

import pytest

PATHS = ("", "accounts", "services", "pay", "payments", "bills", "utilities", "autopay", "bonus", "cards", "mailbox")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("language", ["ru-RU", "en-GB"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_overflows_a_phone_and_nothing_complains(tab_of, path: str, language: str, dark: bool):
    tab = tab_of(width=390, dark=dark, language=language)
    page = tab.enter("vip", path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = page.evaluate(
        """() => {
            const inside = element => element.getBoundingClientRect().right <= 391
            const scrolls = element => getComputedStyle(element).overflowX !== "visible" && inside(element)
            const isHeld = element => element !== null && (scrolls(element) || isHeld(element.parentElement))
            return [...document.querySelectorAll("[data-testid=stMain] *")]
                .filter(element => element.getBoundingClientRect().width > 0)
                .filter(element => !inside(element) && !isHeld(element.parentElement))
                .map(element => element.outerHTML.slice(0, 120))
        }"""
    )
    assert wide == []
    assert tab.complaints == []
    assert tab.hosts == {tab.site.split("/")[2]}
