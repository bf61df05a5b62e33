"""The rehearsal on the autopay screen: both kinds of trigger and none, for rules that run, stand still or are being set up."""

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

import clock
from db import transaction
from rules.periods import month_start
from rules.rehearsal import Rehearsal
from rules.terms import AutopayState, AutopayTrigger, Language, Right
from tests.driver import Screen, open_screen
from tests.money.world import World
from texts import speaking
from ui.widgets.autopay_rehearsal import Way, difference


class Home:
    """Anna with a prepaid account that costs 600 ₽ a month, and a card."""

    def __init__(self) -> None:
        with transaction() as db:
            world = World(db)
            self.anna = world.person()
            self.mobile, self.card = world.account(self.anna), world.card(self.anna)
            world.connect(self.mobile, 60_000)
            self.mobile.billed_on = month_start(clock.today())
            db.add(self.mobile)

    def screen(self, language: Language = Language.RU, **query: str) -> Screen:
        return open_screen("autopay", customer_id=self.anna.id, language=language, query=query)

    def rule(self, **more: Any) -> int:
        with transaction() as db:
            return int(World(db).rule(self.anna, self.mobile, self.card, **more).id)


@pytest.fixture
def home(db: sa.Engine) -> Home:
    return Home()


@pytest.mark.parametrize("language", list(Language))
def test_the_rehearsal_compares_both_kinds_with_none_and_says_the_difference(home: Home, language: Language):
    with transaction() as db:
        world = World(db)
        world.number = 400
        world.pay(home.mobile, 70_000, clock.now() - timedelta(days=2), payer=home.anna)
    rule_id = home.rule(trigger=AutopayTrigger.THRESHOLD)
    screen = home.screen(language)
    screen.click(f"autopay_rehearse_{rule_id}")
    assert screen.app.query_params["rehearsal"] == str(home.mobile.id)
    said = screen.says
    for words in (
        ("(как сейчас)", "25-го числа — до 650\u00a0₽", "Без автоплатежа", "баланс ниже нуля", "Начислят в любом случае")
        if language is Language.RU
        else ("(as now)", "On day 25: up to ₽650", "No autopay", "below zero from", "will be charged either way")
    ):
        assert words in said
    assert len(screen.get("plotly_chart")) == 1
    payment = "Автоплатёж" if language is Language.RU else "Autopay"
    assert payment in " ".join(screen.app.table[0].value.iloc[:, 1])
    screen.app.segmented_control(key="autopay_rehearsal_way").set_value("none")
    screen.run()
    assert payment not in " ".join(screen.app.table[0].value.iloc[:, 1])


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (
            (AutopayTrigger.THRESHOLD, AutopayTrigger.MONTHLY),
            ("Оба автоплатежа", "При балансе меньше 300", "10-го числа — по 500"),
        ),
        ((), ("При балансе меньше 300", "25-го числа — до 650", "Настроить автоплатёж")),
    ],
)
def test_of_two_rules_each_is_rehearsed_alone_and_without_any_the_usual_ones(
    home: Home, kinds: tuple[AutopayTrigger, ...], said: tuple[str, ...]
):
    for trigger in kinds:
        home.rule(trigger=trigger)
    screen = home.screen(rehearsal=str(home.mobile.id))
    assert all(words in screen.says for words in (*said, "Без автоплатежа"))


def test_a_rule_that_stands_still_is_rehearsed_as_if_it_was_resumed(home: Home):
    home.rule(state=AutopayState.PAUSED, pause_reason="by_person")
    assert "10-го числа — по 500\u00a0₽ (если включить)" in home.screen(rehearsal=str(home.mobile.id)).says


def test_another_payers_rule_is_part_of_the_rehearsal_without_its_terms(home: Home):
    with transaction() as db:
        world = World(db)
        world.number = 300
        peter = world.person("Пётр")
        world.attach(peter, home.mobile, right=Right.PAY)
        world.rule(peter, home.mobile, world.card(peter), trigger=AutopayTrigger.THRESHOLD, threshold_kopecks=12_300)
    screen = home.screen(rehearsal=str(home.mobile.id))
    events = " ".join(screen.app.table[0].value.iloc[:, 1])
    assert "кто-то из близких" in screen.says
    assert "Без вашего автоплатежа" in screen.says
    assert "Автоплатёж близкого" in events
    assert "123" not in screen.says + events
    assert "При балансе меньше" not in screen.says, "a second one of the sort may not be set up, so it is not shown either"


def test_the_form_rehearses_what_is_being_set_up_while_the_fields_change(home: Home):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    assert "При балансе меньше 300\u00a0₽ — по 500\u00a0₽" in screen.says
    screen.app.text_input(key="autopay_amount").set_value("900")
    screen.run()
    assert "При балансе меньше 300\u00a0₽ — по 900\u00a0₽" in screen.says


@pytest.mark.parametrize("language", list(Language))
def test_the_form_says_that_the_first_payment_is_today(home: Home, language: Language):
    screen = home.screen(language, rule="new", account=str(home.mobile.id))
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.MONTHLY)
    screen.run()
    today = clock.today("Europe/Moscow")
    screen.app.selectbox(key="autopay_day").set_value(today.day)
    screen.run()
    assert ("Первый платёж — сегодня: " if language is Language.RU else "First payment: today, ") in screen.says
    screen.app.selectbox(key="autopay_day").set_value(today.day - 1 or 2)
    screen.run()
    assert ("сегодня: " if language is Language.RU else "payment: today, ") not in screen.says
    rule_id = home.rule(day_of_month=today.day)
    said = home.screen(language, rule=str(rule_id)).says
    assert ("Ближайший платёж — " if language is Language.RU else "Next payment: ") in said


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0, 37_000), "но эти деньги останутся на счёте"),
        ((-37_000, 0), "на столько же меньше останется долг"),
        ((-60_000, -23_000), "на столько же меньше останется долг"),
        ((-20_000, 17_000), "часть закроет долг, остальное будет на счёте"),
    ],
)
@pytest.mark.parametrize("dearer_first", [True, False])
def test_what_one_way_takes_more_stays_on_the_account_or_has_paid_a_debt(ends: tuple[int, int], said: str, dearer_first: bool):
    def way(name: str, ends_with: int) -> Way:
        on = date(2026, 12, 1)
        seen = Rehearsal(
            events=(), payments=1, paid_kopecks=300_000 + ends_with, charged_kopecks=200_000, lowest_kopecks=-123_000,
            lowest_on=on, below_zero_from=on, below_zero_until=None, blocked_on=None, ends_with_kopecks=ends_with,
        )  # fmt: skip
        return Way("now", name, name, (), seen)

    ways = [way("Дешевле", ends[0]), way("Дороже", ends[1])]
    with speaking(Language.RU):
        told = difference(ways[::-1] if dearer_first else ways)
    assert "Способ «Дороже» возьмёт с карты на 370\u00a0₽ больше" in told
    assert said in told
