"""The list of screens agrees with the files, the addresses and the texts."""

import pytest

from pages import HERE, SCREENS, Screen, screens_for
from rules.terms import Language, Role
from texts import has_text, speaking


def test_every_screen_of_an_account_is_listed_and_every_listed_one_exists():
    files = {file for room in ("account", "staff") for file in (HERE / room).glob("*.py")}
    assert files == {screen.script for screen in SCREENS}


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
@pytest.mark.parametrize("language", Language)
def test_every_screen_has_a_title_in_both_languages(screen: Screen, language: Language):
    with speaking(language):
        assert has_text(f"screen.{screen.name}")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("demo", [True, False])
def test_everybody_has_a_first_screen_and_no_address_twice(role: Role, demo: bool):
    shown = screens_for(role, demo=demo)
    assert shown[0].path == ""
    assert not shown[0].in_menu
    assert len({screen.path for screen in shown}) == len(shown)


def test_four_screens_are_at_a_customers_thumb():
    assert [screen.name for screen in SCREENS if screen.in_bar] == ["home", "pay", "services", "autopay"]


def test_what_is_for_a_demo_is_not_in_production():
    assert not [screen for role in Role for screen in screens_for(role, demo=False) if screen.demo_only]
    assert "mailbox" in [screen.name for screen in screens_for(Role.CUSTOMER, demo=True)]


def test_only_what_is_about_oneself_is_for_customers_and_staff_alike():
    assert {screen.name for screen in SCREENS if Role.CUSTOMER in screen.roles and len(screen.roles) > 1} == {
        "profile",
        "security",
    }
