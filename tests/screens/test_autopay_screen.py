"""The autopay screen: what will be taken, when and why, and how to stop it."""

from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from sqlmodel import select

import clock
from actions import perform
from actions.cards import remove_card
from db import reading, transaction
from models import Attachment, AutopayRule, AutopayRun, BillingAccount, Region
from rules.autopay import PayReason
from rules.periods import month_start
from rules.terms import AutopayAmount, AutopayResult, AutopayState, AutopayTrigger, BillingMode, DeclineReason, Language, Right
from tests.driver import Screen, open_screen, visitor_of
from tests.money.world import World
from texts import has_text, speaking
from ui.widgets.autopay import PAUSED, SKIPPED
from ui.widgets.autopay_form import KINDS


class Home:
    """Anna with a prepaid and a postpaid account and two cards."""

    def __init__(self) -> None:
        with transaction() as db:
            self.world = world = World(db)
            self.anna = world.person()
            self.mobile, self.internet = world.account(self.anna), world.account(self.anna, mode=BillingMode.POSTPAID)
            for account in (self.mobile, self.internet):
                world.connect(account, 60_000)
                account.billed_on = month_start(clock.today())
                db.add(account)
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
    assert ("09:00: спишем 500\u00a0₽" if language is Language.RU else "09:00: ₽500 is charged") in screen.says


@pytest.mark.parametrize("language", list(Language))
def test_setting_a_rule_up_from_the_list(home: Home, language: Language):
    screen = home.screen(language)
    screen.click("autopay_new")
    assert screen.app.query_params["rule"] == "new"
    screen.app.selectbox(key="autopay_account").set_value(home.mobile.id)
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.MONTHLY)
    screen.run()
    screen.app.selectbox(key="autopay_day").set_value(31)
    screen.app.text_input(key="autopay_amount").set_value("700")
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
    screen.app.text_input(key="autopay_threshold").set_value("250")
    screen.run()
    screen.click("autopay_save")
    assert rules() == []
    assert "Подтвердите согласие" in screen.says.replace("\\", "")
    assert screen.app.text_input(key="autopay_threshold").value == "250"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("amount", "20", "Сумма — от 50\u00a0₽ до 10\u00a0000\u00a0₽"),
        ("amount", "", "Сумма — от 50\u00a0₽ до 10\u00a0000\u00a0₽"),
        ("threshold", "29", "Порог — от 30\u00a0₽ до 10\u00a0000\u00a0₽"),
        ("ceiling", "100", "Предел в месяц меньше одного платежа"),
        ("amount", "49,999", "не больше двух цифр"),
        ("threshold", "1e3", "Введите сумму цифрами"),
        ("ceiling", "-5", "больше нуля"),
        ("amount", "10000,01", "Сумма — от 50\u00a0₽ до 10\u00a0000\u00a0₽"),
    ],
)
def test_what_is_wrong_is_said_at_the_field_as_soon_as_it_is_typed(home: Home, field: str, value: str, said: str):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.THRESHOLD)
    screen.run()
    assert said not in screen.says.replace("\\", "")
    screen.app.text_input(key=f"autopay_{field}").set_value(value)
    screen.run()
    assert said in screen.says.replace("\\", "")
    assert not screen.get("plotly_chart"), "nothing is promised of a rule that cannot stand"
    screen.app.checkbox(key="autopay_consent").check()
    screen.click("autopay_save")
    assert rules() == []
    assert said in screen.says.replace("\\", "")
    assert screen.app.text_input(key=f"autopay_{field}").value == value, "what is typed stays, and is read as no other sum"


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


def test_kopecks_are_kopecks(home: Home):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    screen.app.segmented_control(key="autopay_trigger").set_value(AutopayTrigger.THRESHOLD)
    screen.run()
    for field, typed in {"amount": "499,90", "threshold": "30.5", "ceiling": "10000,01"}.items():
        screen.app.text_input(key=f"autopay_{field}").set_value(typed)
    screen.app.checkbox(key="autopay_consent").check()
    screen.run()
    screen.click("autopay_save")
    (made,) = rules()
    assert (made.amount_kopecks, made.threshold_kopecks, made.monthly_ceiling_kopecks) == (49_990, 3_050, 1_000_001)


def test_a_control_that_the_browser_does_not_tell_of_yet_changes_no_terms(home: Home):
    rule_id = home.rule(day_of_month=17, amount_kind=AutopayAmount.UP_TO, amount_kopecks=110_000)
    screen = home.screen(rule=str(rule_id))
    for _ in range(2):
        screen.app.session_state["autopay_trigger"] = screen.app.session_state["autopay_kind"] = None
        screen.app.checkbox(key="autopay_consent").check()
        screen.run()
        assert screen.app.segmented_control(key="autopay_trigger").value is AutopayTrigger.MONTHLY
    screen.click("autopay_save")
    (rule,) = rules()
    kept = (rule.trigger, rule.amount_kind, rule.amount_kopecks, rule.day_of_month)
    assert kept == (AutopayTrigger.MONTHLY, AutopayAmount.UP_TO, 110_000, 17)


def test_the_other_window_has_changed_the_rule_and_nothing_is_lost_without_a_word(home: Home):
    rule_id = home.rule(day_of_month=17)
    here, there = home.screen(rule=str(rule_id)), home.screen(rule=str(rule_id))
    there.app.text_input(key="autopay_amount").set_value("900")
    there.app.checkbox(key="autopay_consent").check()
    there.run().click("autopay_save")
    here.app.selectbox(key="autopay_day").set_value(5)
    here.app.checkbox(key="autopay_consent").check()
    here.run().click("autopay_save")
    assert [(rule.day_of_month, rule.amount_kopecks) for rule in rules()] == [(17, 90_000)]
    assert "изменили в другом окне" in here.says
    assert "Каждое 17-е число — 900\u00a0₽" in here.says.replace("\\", "")
    assert here.app.selectbox(key="autopay_day").value == 5
    here.click("autopay_save")
    assert [(rule.day_of_month, rule.amount_kopecks) for rule in rules()] == [(5, 50_000)]


def test_the_other_window_has_deleted_the_rule(home: Home):
    rule_id = home.rule()
    here, there = home.screen(rule=str(rule_id)), home.screen()
    there.click(f"autopay_delete_{rule_id}").click("autopay_delete_yes")
    here.app.checkbox(key="autopay_consent").check()
    here.run()
    assert "Этого автоплатежа больше нет" in here.says
    assert "rule" not in here.app.query_params
    assert "больше нет" not in here.run().says


def test_the_other_window_has_removed_the_card_and_no_other_is_taken_without_a_word(home: Home):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    first = screen.app.selectbox(key="autopay_card").value
    screen.app.checkbox(key="autopay_consent").check()
    screen.run()
    perform(remove_card, visitor=visitor_of(home.anna.id), card_id=first)
    screen.click("autopay_save")
    assert rules() == []
    assert "Выбранную карту удалили" in screen.says
    assert not screen.app.checkbox(key="autopay_consent").value
    screen.app.checkbox(key="autopay_consent").check()
    screen.run().click("autopay_save")
    assert [rule.card_id for rule in rules()] == [({home.card.id, home.second.id} - {first}).pop()]


def test_a_reload_keeps_the_account_that_was_chosen(home: Home):
    screen = home.screen(rule="new")
    screen.app.selectbox(key="autopay_account").set_value(home.internet.id)
    screen.run()
    assert screen.app.query_params["account"] == str(home.internet.id)


@pytest.mark.parametrize("reason", ["declined", "declined_hard", "card_removed"])
def test_another_card_is_not_blamed_for_what_the_former_did_and_the_pause_stays(home: Home, reason: str):
    rule_id = home.rule(state=AutopayState.PAUSED, pause_reason=reason)
    screen = home.screen()
    assert "Карта теперь" not in screen.says
    screen.click(f"autopay_card_{rule_id}")
    screen.app.selectbox(key="autopay_other_card").set_value(home.second.id)
    screen.click("autopay_card_yes")
    assert "Карта теперь МИР\u00a0··\u00a02208. Включите автоплатёж" in screen.says
    assert rules()[0].state is AutopayState.PAUSED
    screen.click(f"autopay_resume_{rule_id}")
    assert (rules()[0].state, rules()[0].pause_reason) == (AutopayState.ACTIVE, "")


def test_the_same_card_chosen_again_is_still_the_one_that_was_declined(home: Home):
    rule_id = home.rule(state=AutopayState.PAUSED, pause_reason="declined")
    screen = home.screen().click(f"autopay_card_{rule_id}")
    screen.click("autopay_card_yes")
    assert "отклонили несколько раз" in screen.says


def test_leaving_the_form_forgets_it(home: Home):
    screen = home.screen(rule="new", account=str(home.mobile.id))
    screen.app.text_input(key="autopay_amount").set_value("900")
    screen.run()
    screen.click("autopay_back")
    screen.click("autopay_new")
    assert screen.app.selectbox(key="autopay_account").value == home.mobile.id
    assert screen.app.text_input(key="autopay_ceiling").value == "30000"
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


def run(rule_id: int, home: Home, **more: Any) -> None:
    on = clock.today("Europe/Moscow") - timedelta(days=more.pop("ago", 1))
    given = {
        "period": f"{on}",
        "due_on": on,
        "ran_at": clock.now() - (clock.today("Europe/Moscow") - on),
        "amount_kopecks": 50_000,
    }
    with transaction() as db:
        db.add(AutopayRun(rule_id=rule_id, billing_account_id=home.mobile.id, **{**given, **more}))


def test_the_last_run_is_told_with_its_reason_and_when_it_is_tried_again(home: Home):
    rule_id = home.rule()
    run(rule_id, home, result=AutopayResult.DECLINED, decline_reason=DeclineReason.INSUFFICIENT_FUNDS)
    again = clock.today("Europe/Moscow") + timedelta(days=2)
    with transaction() as db:
        rule = db.get_one(AutopayRule, rule_id)
        rule.due_at, rule.due_attempt = datetime.combine(again, time(6), UTC), 2
        rule.due_period, rule.first_failed_on = f"{again - timedelta(days=3)}", again - timedelta(days=3)
        db.add(rule)
    said = home.screen().says
    assert "500\u00a0₽ не списали: на карте не хватило денег" in said
    assert f"Попробуем ещё раз {again.day}" in said
    assert "09:00: 2-я попытка из 4" in said


@pytest.mark.parametrize("language", list(Language))
def test_a_run_that_waits_for_the_bank_says_that_nothing_is_charged_twice(home: Home, language: Language):
    run(home.rule(), home, result=AutopayResult.PENDING, ago=0)
    assert ("банк ещё не ответил" if language is Language.RU else "has not answered yet") in home.screen(language).says


@pytest.mark.parametrize("language", list(Language))
def test_every_reason_has_its_words(language: Language):
    with speaking(language):
        for reason in (*SKIPPED, "other", "ceiling_then"):
            assert has_text(f"autopay.run.skipped.{reason}")
        for reason in (*PAUSED, "other"):
            assert has_text(f"autopay.paused.{reason}")
        for reason in (*get_args(PayReason), "account_suspended"):
            if reason not in ("pay", "above_threshold"):
                assert has_text(f"autopay.ahead.{reason}")
                assert has_text(f"autopay.rehearsal.skipped.{reason}")
        for kind in DeclineReason:
            assert has_text(f"declinereason.{kind.value}")
        for trigger, kinds in KINDS.items():
            assert has_text(f"autopay.way.short.{trigger.value}")
            assert all(has_text(f"autopay.way.{trigger.value}.{kind.value}") for kind in kinds)
    assert set(get_args(PayReason)) - {"pay"} <= set(SKIPPED)


def test_every_time_zone_of_the_country_has_a_name(db: sa.Engine):
    with reading() as session:
        zones = set(session.exec(select(Region.time_zone)))
    assert zones
    assert all(has_text(f"autopay.zone.{zone}") for zone in zones)


def test_the_hour_is_the_accounts_and_its_place_is_named_to_who_lives_elsewhere(home: Home):
    home.rule()
    with transaction() as db:
        account = db.get_one(BillingAccount, home.mobile.id)
        account.region_code = "RU-NVS"
        db.add(account)
    assert "09:00 по Новосибирску: спишем" in home.screen().says


def test_a_balance_that_is_low_already_is_not_said_to_become_so(home: Home):
    """It paid today and was not enough; the next turn is tomorrow."""
    with transaction() as db:
        world = World(db)
        world.number = 300
        quiet = world.account(home.anna)
        quiet.billed_on = month_start(clock.today())
        world.pay(quiet, 8_000, clock.now(), payer=None)
        tomorrow = clock.today("Europe/Moscow") + timedelta(days=1)
        due_at = datetime.combine(tomorrow, time(6), UTC)
        world.rule(home.anna, quiet, home.card, trigger=AutopayTrigger.THRESHOLD, due_at=due_at, due_period=f"{tomorrow}")
    assert "баланс 80\u00a0₽, меньше 300\u00a0₽, поэтому спишем 500\u00a0₽" in home.screen().says


def test_all_runs_are_there_page_by_page(home: Home):
    rule_id = home.rule()
    for ago in range(1, 24):
        run(rule_id, home, result=AutopayResult.SKIPPED, reason="nothing_due", amount_kopecks=0, ago=ago)
    screen = home.screen()

    def told() -> int:
        return len([said for said in screen.app.markdown if "платить было нечего" in said.value])

    assert len([said for said in screen.app.caption if "платить было нечего" in said.value]) == 1
    screen.click(f"autopay_history_{rule_id}")
    assert told() == 20
    screen.app.session_state["autopay_history_page"] = 2
    screen.run()
    assert told() == 3
    screen.click("autopay_back")
    assert "autopay_new" in {button.key for button in screen.app.button}


def test_the_history_of_another_persons_rule_is_not_shown(home: Home):
    with transaction() as db:
        world = World(db)
        world.number = 300
        other = world.person("Пётр")
        account = world.account(other)
        theirs = world.rule(other, account, world.card(other))
    run(theirs.id, home, result=AutopayResult.SKIPPED, reason="nothing_due")
    screen = home.screen(history=str(theirs.id))
    assert "платить было нечего" not in screen.says


def test_a_rule_on_an_account_that_is_gone_can_still_be_stopped(home: Home):
    rule_id = home.rule()
    with transaction() as db:
        attached = db.exec(select(Attachment).where(Attachment.billing_account_id == home.mobile.id)).one()
        attached.detached_at = clock.now()
        db.add(attached)
    screen = home.screen()
    assert "больше не подключён" in screen.says
    keys = {button.key for button in screen.app.button}
    assert not {f"autopay_edit_{rule_id}", f"autopay_rehearse_{rule_id}", f"autopay_resume_{rule_id}"} & keys
    screen.click(f"autopay_delete_{rule_id}")
    screen.click("autopay_delete_yes")
    assert rules()[0].state is AutopayState.DELETED


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
    assert "отклонили несколько раз подряд" in screen.says
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
