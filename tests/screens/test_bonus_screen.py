"""The bonus screen: how many points, what expires when, how to earn more."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

import clock
from db import transaction
from models import Customer
from rules.bonus import BonusTerms
from rules.periods import add_months
from rules.terms import Language
from tests.driver import Screen, open_screen
from tests.money.world import World
from texts import money, points, speaking


@pytest.fixture
def anna(db: sa.Engine) -> Customer:
    """120 points left in two lots, 30 of them for ten more days; 400 ₽ paid."""
    today = clock.today("Europe/Moscow")
    with transaction() as session:
        world = World(session)
        person = world.person()
        account = world.account(person)
        world.pay(account, 40_000, clock.now() - timedelta(days=40), payer=person)
        world.lot(person, 50, add_months(today, -12) + timedelta(days=10), today + timedelta(days=10), spent=20)
        world.lot(person, 90, today - timedelta(days=3), add_months(today, 11))
    return person


def show(person: Customer, language: Language = Language.RU) -> Screen:
    return open_screen("bonus", customer_id=person.id, language=language)


def tile(screen: Screen, label: str) -> str:
    return next(metric.value for metric in screen.metric if metric.label == label)


@pytest.mark.parametrize(
    ("language", "balance", "soon", "level"),
    [
        (Language.RU, "Баланс", "Сгорят за 30 дней", "До уровня «Привилегия» осталось заплатить"),
        (Language.EN, "Balance", "Expire in 30 days", "more in payments to reach Privilege"),
    ],
)
def test_balance_what_expires_and_the_way_to_the_next_level(
    anna: Customer, language: Language, balance: str, soon: str, level: str
):
    screen = show(anna, language)
    assert (tile(screen, balance), tile(screen, soon)) == ("120", "30")
    assert level in screen.progress[0].text
    with speaking(language):
        assert money(BonusTerms().privilege_from_kopecks - 40_000, exact=False) in screen.progress[0].text
    assert screen.progress[0].value == 100 * 40_000 // BonusTerms().privilege_from_kopecks
    assert len(screen.get("plotly_chart")) == 1


@pytest.mark.parametrize("language", list(Language))
def test_how_points_are_earned_is_the_terms_in_force(anna: Customer, language: Language):
    said, terms = show(anna, language).says, BonusTerms()
    with speaking(language):
        assert money(terms.kopecks_per_point, exact=False) in said
        for granted in (terms.profile_points, terms.e_bill_points, terms.birthday_points):
            assert f"**{points(granted)}**" in said
        assert money(terms.vip_from_kopecks, exact=False) in said


def test_every_lot_is_there_on_request(anna: Customer):
    screen = show(anna)
    assert not screen.dataframe
    expiry = next(table.value for table in screen.table if "Баллов" in table.value)
    assert list(expiry["Баллов"]) == ["30", "90"]
    screen.app.session_state["bonus_lots"] = True
    screen.run()
    lots = screen.dataframe[0].value
    assert list(lots["Осталось"]) == [30, 90]
    assert list(lots["Начислено"]) == [50, 90]


def test_history_names_reasons_and_turns_pages(anna: Customer):
    with transaction() as session:
        world = World(session)
        world.number = 500
        for days in range(20):
            granted = clock.today() - timedelta(days=60 + days)
            world.lot(anna, 5, granted, add_months(granted, 12))
    screen = show(anna)
    history = screen.table[0].value
    assert len(history) == 15
    assert "Платёж" in history.iloc[0, 0]
    screen.app.get_by_key("bonus_page").set_value(2)
    screen.run()
    assert len(screen.table[0].value) == 8
    assert any("Оплата баллами" in said for said in screen.table[0].value.iloc[:, 0])


@pytest.mark.parametrize("language", list(Language))
def test_without_points_it_says_how_to_get_them_and_offers_nothing_dead(db: sa.Engine, language: Language):
    with transaction() as session:
        person = World(session).person()
    screen = show(person, language)
    assert ("Здесь будут ваши баллы" if language is Language.RU else "Your points will be here") in screen.info[0].value
    assert ("Как накопить" if language is Language.RU else "How to earn") in screen.says
    assert not screen.metric
    assert not [button for button in screen.app.main.get("button") if str(button.key).startswith("bonus")]
