"""The profile and the first questions, as people use them, in both languages."""

from datetime import timedelta

import pytest
from sqlmodel import col, select
from streamlit.testing.v1 import AppTest

import clock
from db import reading, transaction
from jobs.exports import make_due
from models import Consent, Customer, DataExport
from rules.terms import ConsentKind, Language
from seed.personas import PASSWORD
from tests.driver import Browser, Screen, cookie_of, customer_of, open_screen, visitor_of
from texts import day, speaking, t

pytestmark = pytest.mark.usefixtures("seeded_db")
LANGUAGES = pytest.mark.parametrize("language", list(Language))


def said(key: str, language: Language, **facts: object) -> str:
    with speaking(language):
        return t(key, **facts)


def given(kind: ConsentKind) -> list[bool]:
    """What was answered in this test; the demo's people have answered long ago, too."""
    with reading() as db:
        return list(
            db.exec(
                select(Consent.given)
                .where(
                    col(Consent.customer_id) == customer_of("family"),
                    col(Consent.kind) == kind,
                    col(Consent.at) > clock.now() - timedelta(hours=1),
                )
                .order_by(col(Consent.id))
            )
        )


def keys(screen: Screen) -> set[str]:
    return {button.key for button in screen.app.button if button.key}


def told(screen: Screen) -> str:
    """What is said anywhere, dialogs too."""
    return "\n".join(element.value for element in screen.app.markdown)


# --- the questions ----------------------------------------------------------------------------------
def ask() -> None:
    """The questionnaire alone, until it is answered."""
    import streamlit as st

    from ui.widgets.questionnaire import questionnaire
    from ui.widgets.session import signed_in

    visitor = signed_in()
    if not visitor.welcomed:
        questionnaire(visitor)
    else:
        st.markdown("the portal")


def questions(language: Language) -> Screen:
    who = customer_of("family")
    with transaction() as db:
        person = db.get_one(Customer, who)
        person.welcomed_at = None
        db.add(person)
    return Screen(AppTest.from_function(ask, default_timeout=30), Browser(cookie_of(who, language=language))).run()


@LANGUAGES
def test_yes_stands_at_the_bills_and_nothing_at_advertising_and_at_ones_data(language: Language):
    screen = questions(language)
    assert not screen.app.exception
    stand = {kind: screen.app.selectbox(key=f"welcome_{kind.value}").value for kind in ConsentKind}
    assert stand == {
        ConsentKind.E_STATEMENTS: "yes",
        ConsentKind.E_BILL: "yes",
        ConsentKind.OFFERS: None,
        ConsentKind.USAGE_ADVICE: None,
    }
    assert screen.app.selectbox(key="welcome_region").value == "RU-MOW"
    assert said("welcome.title", language, name="Анна") in screen.says


@LANGUAGES
def test_left_open_a_question_is_asked_for_and_answered_the_portal_opens(language: Language):
    screen = questions(language).click("welcome_go")
    (refused,) = screen.app.error
    assert refused.value.replace("\\", "").replace("\u2060", "") == said("field.consent.unanswered", language)
    screen.app.selectbox(key="welcome_offers").set_value("no")
    screen.app.selectbox(key="welcome_usage_advice").set_value("yes")
    screen.app.selectbox(key="welcome_region").set_value("RU-SPE")
    screen.click("welcome_go")
    assert set(screen.says.split("\n")) == {"the portal"}
    assert {kind: given(kind) for kind in ConsentKind} == {
        ConsentKind.E_STATEMENTS: [True],
        ConsentKind.E_BILL: [True],
        ConsentKind.OFFERS: [False],
        ConsentKind.USAGE_ADVICE: [True],
    }
    with reading() as db:
        wordings = {row.kind: (row.wording, row.language) for row in db.exec(select(Consent).order_by(col(Consent.id)))}
        assert db.get_one(Customer, customer_of("family")).region_code == "RU-SPE"
    assert visitor_of(customer_of("family")).welcomed
    for kind in ConsentKind:
        asked = f"{said(f'consent.{kind.value}.question', language)} {said(f'consent.{kind.value}.means', language)}"
        assert wordings[kind] == (asked, language)


# --- the profile ------------------------------------------------------------------------------------
@LANGUAGES
def test_a_person_sees_their_own_data(language: Language):
    screen = open_screen("profile", language=language)
    says = screen.says.replace("\\", "").replace("\u2060", "")
    for shown in ("Соколова Анна Петровна", "family@kabinet.example", "+7\u00a0974\u00a0000-00-01"):
        assert shown in says
    assert said("profile.own", language) in says


@LANGUAGES
def test_an_answer_is_changed_where_it_is_shown_with_when_it_was_given(language: Language):
    screen = open_screen("profile", language=language)
    assert said("consent.given_at", language, at="").rstrip() in screen.says
    screen.app.selectbox(key="consent_offers").set_value("no")
    screen.run()
    assert given(ConsentKind.OFFERS) == [False]
    assert said("consent.refused_at", language, at="").rstrip() in screen.says
    screen.app.selectbox(key="consent_offers").set_value("yes")
    screen.run()
    assert given(ConsentKind.OFFERS) == [False, True]


def test_region_and_language_are_changed_there_too():
    screen = open_screen("profile")
    screen.app.selectbox(key="profile_region").set_value("RU-KGD")
    screen.run()
    screen.app.selectbox(key="profile_language").set_value(Language.EN)
    screen.run()
    screen.run()
    with reading() as db:
        person = db.get_one(Customer, customer_of("family"))
    assert (person.region_code, person.language) == ("RU-KGD", Language.EN)
    assert said("profile.own", Language.EN) in screen.says


@LANGUAGES
def test_the_archive_is_ordered_watched_and_fetched_in_one_place(language: Language):
    screen = open_screen("profile", language=language).click("order_export")
    assert "order_export" not in keys(screen)
    assert said("my_data.may_leave", language) in screen.says
    assert make_due(clock.now()) == 1
    screen.run()
    with reading() as db:
        export_id = db.exec(select(DataExport.id)).one()
    links = [element.proto.url for element in screen.app.main.get("link_button")]
    assert links == [f"/documents/my-data/{export_id}"]
    assert said("my_data.again", language) in screen.says


@LANGUAGES
def test_closing_says_what_will_happen_asks_the_password_and_can_be_taken_back(language: Language):
    screen = open_screen("profile", language=language).click("close_begin")
    text = said("closing.will_happen", language, day="|").split("|")[1]
    assert text in told(screen)
    screen.app.text_input(key="closing_password").set_value("not it")
    screen.click("close_confirm")
    assert screen.app.error
    assert text in told(screen)  # the dialog stays
    screen.app.text_input(key="closing_password").set_value(PASSWORD)
    screen.click("close_confirm")
    with reading() as db:
        closing_on = db.get_one(Customer, customer_of("family")).closing_on
    assert closing_on is not None
    with speaking(language):
        assert day(closing_on) in screen.says
    assert "close_begin" not in keys(screen)
    screen.click("keep_account")
    with reading() as db:
        assert db.get_one(Customer, customer_of("family")).closing_on is None
    assert "close_begin" in keys(screen)


def test_staff_see_their_data_and_are_offered_neither_consents_nor_closing():
    screen = open_screen("profile", persona="analyst")
    assert "order_export" in keys(screen)
    assert "close_begin" not in keys(screen)
    assert not [box for box in screen.app.selectbox if box.key and box.key.startswith("consent_")]
