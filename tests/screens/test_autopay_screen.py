"""The autopay screen: what will be taken, when and why, and how to stop it."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

import clock
from db import reading, transaction
from models import AutopayRule, AutopayRun
from rules.terms import AutopayAmount, AutopayResult, AutopayState, AutopayTrigger, BillingMode, DeclineReason, Language, Right
from tests.driver import Screen, open_screen
from tests.money.world import World


class Home:
    """Anna with a prepaid and a postpaid account and two cards."""

    def __init__(self) -> None:
        with transaction() as db:
            self.world = world = World(db)
            self.anna = world.person()
            self.mobile, self.internet = world.account(self.anna), world.account(self.anna, mode=BillingMode.POSTPAID)
            for account in (self.mobile, self.internet):
                world.connect(account, 60_000)
            self.card, self.second = world.card(self.anna), world.card(self.anna, last_four="2208")

    def screen(self, language: Language = Language.RU, **query: str) -> Screen:
        return open_screen("autopay", customer_id=self.anna.id, language=language, query=query)

    def rule(self, **more: Any) -> int:
        with transaction() as db:
            world = World(db)
            return int(world.rule(self.anna, more.pop("account", self.mobile), more.pop("card", self.card), **more).id)


@pytest.fixture
def home(db: sa.Engine) -> Home:
    return Home()


def rules() -> list[AutopayRule]:
    with reading() as db:
        return list(db.exec(select(AutopayRule).order_by(AutopayRule.id)))


@pytest.mark.parametrize(
    ("language", "summary", "state"),
    [
        (Language.RU, "Каждое 10-е число — 500\u00a0₽ с карты МИР\u00a0··\u00a04417 на счёт «Мобильная связь».", "Включён"),
        (Language.EN, "On day 10 of every month ₽500 goes from MIR\u00a0··\u00a04417 to Mobile", "On"),
    ],
)
def test_a_rule_is_told_in_plain_words(home: Home, language: Language, summary: str, state: str):
    home.rule()
    screen = home.screen(language)
    assert summary in screen.says.replace("\\", "")
    assert state in screen.says
    assert ("Следующий раз" if language is Language.RU else "Next on") in screen.says


@pytest.mark.parametrize("language", list(Language))
def test_setting_a_rule_up_from_the_list(home: Home, language: Language):
    screen = home.screen(language)
    screen.click("autopay_new")
    assert screen.app.query_params["rule"] == "new"
    screen.app.selectbox(key="autopay_account").set_value(home.mobile.id)
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.MONTHLY)
    screen.run()
    screen.app.selectbox(key="autopay_day").set_value(31)
    screen.app.number_input(key="autopay_amount").set_value(700)
    screen.run()
    said = screen.says.replace("\\", "")
    assert ("Каждое 31-е число — 700\u00a0₽" if language is Language.RU else "On day 31 of every month ₽700") in said
    assert ("в последний день" if language is Language.RU else "on its last day") in said
    assert len(screen.get("plotly_chart")) == 1
    screen.app.checkbox(key="autopay_consent").check()
    screen.click("autopay_save")
    (made,) = rules()
    assert (made.trigger, made.day_of_month, made.amount_kopecks, made.card_id) == (
        AutopayTrigger.MONTHLY, 31, 70_000, home.card.id,
    )  # fmt: skip
    assert "rule" not in screen.app.query_params
    assert screen.app.toast


def test_without_consent_nothing_is_saved_and_nothing_typed_is_lost(home: Home):
    screen = home.screen(rule="new")
    screen.app.selectbox(key="autopay_account").set_value(home.mobile.id)
    screen.run()
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.THRESHOLD)
    screen.run()
    screen.app.number_input(key="autopay_threshold").set_value(250)
    screen.run()
    screen.click("autopay_save")
    assert rules() == []
    assert "Подтвердите согласие" in screen.says.replace("\\", "")
    assert screen.app.number_input(key="autopay_threshold").value == 250


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("amount", 20, "Сумма — от 50\u00a0₽ до 10\u00a0000\u00a0₽"),
        ("amount", None, "Сумма — от 50\u00a0₽ до 10\u00a0000\u00a0₽"),
        ("threshold", 29, "Порог — от 30\u00a0₽ до 10\u00a0000\u00a0₽"),
        ("ceiling", 100, "Предел в месяц меньше одного платежа"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_as_soon_as_it_is_typed(home: Home, field: str, value: int | None, said: str):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.THRESHOLD)
    screen.run()
    assert said not in screen.says.replace("\\", "")
    screen.app.number_input(key=f"autopay_{field}").set_value(value)
    screen.run()
    assert said in screen.says.replace("\\", "")
    assert not screen.get("plotly_chart"), "nothing is promised of a rule that cannot stand"
    screen.app.checkbox(key="autopay_consent").check()
    screen.click("autopay_save")
    assert rules() == []
    assert said in screen.says.replace("\\", "")


def test_what_does_not_go_together_is_not_offered(home: Home):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    assert "По счёту" not in screen.app.segmented_control(key="autopay_trigger").options, "a prepaid account has no bill"
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.THRESHOLD)
    screen.run()
    assert screen.app.segmented_control(key="autopay_kind").options == ["Сумму", "До суммы"]
    screen.app.selectbox(key="autopay_account").set_value(home.internet.id)
    screen.run()
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.BILL)
    screen.run()
    assert not screen.exception
    assert "Сколько нужно" in screen.app.segmented_control(key="autopay_kind").options


def test_a_conflict_with_another_rule_is_said_before_saving_and_after(home: Home):
    with transaction() as db:
        world = World(db)
        world.number = 400
        peter = world.person("Пётр")
        world.attach(peter, home.internet, right=Right.PAY)
        world.rule(peter, home.internet, world.card(peter))
    home.rule()
    own = home.screen(rule="new", account=str(home.mobile.id))
    own.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.MONTHLY)
    own.run()
    assert "уже есть автоплатёж по дню месяца" in own.says.replace("\\", "")
    relatives = home.screen(rule="new", account=str(home.internet.id))
    assert "уже есть автоплатёж" not in relatives.says
    relatives.app.checkbox(key="autopay_consent").check()
    relatives.click("autopay_save")
    assert "уже есть автоплатёж по дню месяца" in relatives.says.replace("\\", "")
    assert len(rules()) == 2


def test_editing_starts_from_what_is_and_asks_for_consent_again(home: Home):
    rule_id = home.rule(day_of_month=17)
    screen = home.screen()
    screen.click(f"autopay_edit_{rule_id}")
    assert screen.app.selectbox(key="autopay_day").value == 17
    assert screen.app.text_input[0].disabled, "a rule stays with its account"
    assert not screen.app.checkbox(key="autopay_consent").value
    screen.app.selectbox(key="autopay_day").set_value(5)
    screen.app.checkbox(key="autopay_consent").check()
    screen.click("autopay_save")
    assert [(rule.id, rule.day_of_month) for rule in rules()] == [(rule_id, 5)]


def test_leaving_the_form_forgets_it(home: Home):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    screen.app.number_input(key="autopay_amount").set_value(900)
    screen.run()
    screen.click("autopay_back")
    screen.click("autopay_new")
    assert screen.app.selectbox(key="autopay_account").value == home.mobile.id
    assert screen.app.number_input(key="autopay_ceiling").value == 30_000
    assert rules() == []


@pytest.mark.parametrize("language", list(Language))
def test_pausing_and_resuming(home: Home, language: Language):
    rule_id = home.rule()
    screen = home.screen(language)
    screen.click(f"autopay_pause_{rule_id}")
    assert rules()[0].state is AutopayState.PAUSED
    assert ("На паузе" if language is Language.RU else "Paused") in screen.says
    screen.click(f"autopay_resume_{rule_id}")
    assert rules()[0].state is AutopayState.ACTIVE


@pytest.mark.parametrize("language", list(Language))
def test_deleting_asks_first_and_names_what_will_happen(home: Home, language: Language):
    rule_id = home.rule()
    screen = home.screen(language)
    screen.click(f"autopay_delete_{rule_id}")
    said = " ".join(shown.value for shown in screen.app.markdown).replace("\\", "")
    name = "Счёт «Мобильная связь» больше не будет" if language is Language.RU else "will no longer be topped up"
    assert name in said
    assert rules()[0].state is AutopayState.ACTIVE
    screen.click("autopay_cancel")
    assert "autopay_delete_yes" not in {button.key for button in screen.app.button}
    screen.click(f"autopay_delete_{rule_id}")
    screen.click("autopay_delete_yes")
    assert rules()[0].state is AutopayState.DELETED
    assert f"autopay_edit_{rule_id}" not in {button.key for button in screen.app.button}


def test_changing_the_card(home: Home):
    rule_id = home.rule()
    screen = home.screen()
    screen.click(f"autopay_card_{rule_id}")
    screen.app.selectbox(key="autopay_other_card").set_value(home.second.id)
    screen.click("autopay_card_yes")
    assert rules()[0].card_id == home.second.id
    assert "2208" in screen.says


def test_runs_are_told_with_their_reasons_and_when_it_is_tried_again(home: Home):
    rule_id, today = home.rule(), clock.today("Europe/Moscow")
    with transaction() as db:
        common = {"rule_id": rule_id, "billing_account_id": home.mobile.id}
        for days, attempt, result, reason in (
            (31, 1, AutopayResult.SKIPPED, "nothing_due"),
            (1, 1, AutopayResult.DECLINED, ""),
        ):
            on = today - timedelta(days=days)
            db.add(
                AutopayRun(
                    **common,
                    period=str(on),
                    due_on=on,
                    ran_at=clock.now() - timedelta(days=days),
                    attempt=attempt,
                    result=result,
                    reason=reason,
                    amount_kopecks=50_000,
                    decline_reason=DeclineReason.INSUFFICIENT_FUNDS if result is AutopayResult.DECLINED else None,
                )
            )
    said = home.screen().says
    assert "500\u00a0₽ не списали: на карте не хватило денег" in said
    assert "платить было нечего" in said
    assert "Попробуем ещё раз" in said


@pytest.mark.parametrize(("days", "badge"), [(-1, "Срок истёк"), (0, "Скоро истечёт"), (30, "Скоро истечёт"), (31, None)])
def test_cards_that_expire_are_marked(home: Home, days: int, badge: str | None):
    with transaction() as db:
        world = World(db)
        world.number = 300
        world.card(home.anna, last_four="7777", expires_on=clock.today("Europe/Moscow") + timedelta(days=days))
    said = home.screen().says
    assert "7777" in said
    for text in ("Срок истёк", "Скоро истечёт"):
        assert (text in said) is (text == badge)


def test_a_rule_on_an_expired_card_warns_and_offers_another_card_only(home: Home):
    with transaction() as db:
        world = World(db)
        world.number = 300
        old = world.card(home.anna, last_four="7777", expires_on=clock.today() - timedelta(days=2))
    rule_id = home.rule(card=old, state=AutopayState.PAUSED, pause_reason="declined")
    screen = home.screen()
    assert "Карту отклонили несколько раз подряд" in screen.says
    assert f"autopay_resume_{rule_id}" not in {button.key for button in screen.app.button}
    screen.click(f"autopay_card_{rule_id}")
    assert "7777" not in " ".join(screen.app.selectbox(key="autopay_other_card").options)


@pytest.mark.parametrize(("language", "said"), [(Language.RU, "Привяжите карту"), (Language.EN, "Attach one")])
def test_without_a_card_it_says_so_and_shows_no_dead_button(db: sa.Engine, language: Language, said: str):
    with transaction() as session:
        world = World(session)
        anna = world.person()
        world.account(anna)
    screen = open_screen("autopay", customer_id=anna.id, language=language)
    assert said in screen.says
    assert "autopay_new" not in {button.key for button in screen.app.button}


def test_who_may_only_look_at_an_account_is_not_offered_it(home: Home):
    with transaction() as db:
        world = World(db)
        world.number = 300
        holder = world.person("Пётр")
        other = world.account(holder)
        world.attach(home.anna, other, right=Right.VIEW, label="Чужой")
    screen = home.screen(rule="new")
    assert "Чужой" not in " ".join(screen.app.selectbox(key="autopay_account").options)


@pytest.mark.parametrize("wanted", ["999999", "abc", "0"])
def test_a_rule_that_is_not_ones_own_shows_the_list(home: Home, wanted: str):
    screen = home.screen(rule=wanted)
    assert "autopay_new" in {button.key for button in screen.app.button}


def test_amounts_up_to_and_due_are_told_too(home: Home):
    home.rule(trigger=AutopayTrigger.THRESHOLD)
    with transaction() as db:
        world = World(db)
        made = world.rule(home.anna, home.internet, home.card, trigger=AutopayTrigger.BILL)
        made.amount_kind, made.amount_kopecks = AutopayAmount.DUE, None
        db.add(made)
    said = home.screen().says.replace("\\", "")
    assert "станет меньше 300\u00a0₽, спишем 500\u00a0₽" in said
    assert "всё, что нужно заплатить по" in said


def test_two_accounts_and_two_cards_of_one_name_are_told_apart(home: Home):
    """Streamlit takes the choice by its name: of two the same the wrong one would be paid."""
    with transaction() as db:
        world = World(db)
        world.number = 300
        twin = world.account(home.anna)
        same_card = world.card(home.anna)
    screen = home.screen(rule="new")
    for field, options in (("autopay_account", 3), ("autopay_card", 3)):
        shown = screen.app.selectbox(key=field).options
        assert len(set(shown)) == len(shown) == options
        assert sum(" · " in name for name in shown) >= 2, "by its number or its last day, which a person can look up"
    screen.app.selectbox(key="autopay_account").set_value(twin.id)
    screen.app.selectbox(key="autopay_card").set_value(same_card.id)
    screen.run()
    screen.app.checkbox(key="autopay_consent").check()
    screen.click("autopay_save")
    assert [(rule.billing_account_id, rule.card_id) for rule in rules()] == [(twin.id, same_card.id)]
