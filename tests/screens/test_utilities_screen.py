"""The utilities screen: templates with what is due, billers of one's region, a form that loses nothing, the history."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

import clock
from actions import perform
from actions.utilities import save_template
from db import reading, transaction
from models import Customer, Payment, SavedCard, UtilityPayment, UtilityTemplate
from rules.periods import add_months, month_start
from rules.terms import BillerCategory, Language, PaymentState
from tests.driver import Screen, open_screen, visitor_of
from tests.money.test_utilities import FIELDS, LAST_MONTH, OTHER, PAYER, biller, paid
from tests.money.world import World
from texts import md, month, speaking
from ui.widgets.paying import ANOTHER

BEFORE_THAT = f"{add_months(month_start(clock.today()), -2):%Y-%m}"


class Home:
    """Anna in Moscow with a card, one biller of power here and one of housing everywhere."""

    def __init__(self) -> None:
        with transaction() as db:
            self.world = world = World(db)
            self.anna = world.person()
            self.power = biller(world, "RU-MOW")
            self.tula = biller(world, "RU-TUL")
            self.housing = biller(world, category=BillerCategory.HOUSING)
            self.card = world.card(self.anna)

    def screen(self, language: Language = Language.RU, **query: Any) -> Screen:
        return open_screen(
            "utilities", customer_id=self.anna.id, language=language, query={name: str(value) for name, value in query.items()}
        )

    def template(self, name: str = "Свет") -> int:
        visitor = visitor_of(self.anna.id)
        return perform(save_template, visitor=visitor, biller_id=self.power.id, name=name, fields={"account": PAYER})

    def paid(self, fields: Mapping[str, str] = FIELDS, days_ago: int = 20, **more: Any) -> int:
        with transaction() as db:
            world = World(db)
            world.number = int(clock.now().timestamp() * 1e6)
            return paid(world, self.anna, self.power, fields, 123_456, clock.now() - timedelta(days=days_ago), **more).id

    def field(self, screen: Screen, code: str) -> Any:
        key = f"utilities_{self.power.id}_{code}"
        return screen.app.selectbox(key=key) if code == "period" else screen.app.text_input(key=key)


@pytest.fixture
def home(db: sa.Engine) -> Home:
    return Home()


def all_of(table: Any) -> list[Any]:
    with reading() as db:
        return list(db.exec(select(table)))


def keys(screen: Screen) -> set[str]:
    return {button.key for button in screen.app.button}


def said(screen: Screen) -> str:
    return screen.says.replace("\\", "")


# --- the list ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            Language.RU,
            ["Коммунальные и другие платежи", "Электричество", "Квартплата и дом", "Здесь появятся ваши платежи с чеками"],
        ),
        (
            Language.EN,
            ["Utilities and other payments", "Electricity", "Housing", "Your payments with their receipts will be here"],
        ),
    ],
)
def test_whoever_has_paid_nothing_yet_is_told_what_will_be_here(home: Home, language: Language, words: list[str]):
    screen = home.screen(language)
    there = f"{said(screen)} {screen.app.pills(key='utilities_category').options}"
    assert [word for word in words if word not in there] == []


def test_a_category_shows_its_billers_and_people_of_another_region_see_others(home: Home):
    screen = home.screen()
    screen.app.pills(key="utilities_category").set_value(BillerCategory.POWER)
    screen.run()
    assert f"utilities_biller_{home.power.id}" in keys(screen)
    assert not {f"utilities_biller_{home.housing.id}", f"utilities_biller_{home.tula.id}"} & keys(screen)
    with transaction() as db:
        person = db.get_one(Customer, home.anna.id)
        person.region_code = "RU-TUL"
        db.add(person)
    screen = home.screen()
    screen.app.pills(key="utilities_category").set_value(BillerCategory.POWER)
    screen.run()
    assert f"utilities_biller_{home.tula.id}" in keys(screen)
    assert f"utilities_biller_{home.power.id}" not in keys(screen)
    assert "Тульская область" in said(screen)


def test_a_biller_is_found_by_its_name_or_number(home: Home):
    screen = home.screen()
    for typed, found in (
        (home.housing.name_ru.upper(), {home.housing.id}),
        ("7700", {home.housing.id, home.power.id}),
        ("ёж", set()),
    ):
        screen.app.text_input(key="utilities_search").set_value(typed)
        screen.run()
        assert {key for key in keys(screen) if key.startswith("utilities_biller_")} == {
            f"utilities_biller_{id_}" for id_ in found
        }
    assert "Такого получателя в вашем регионе нет" in said(screen)


@pytest.mark.parametrize("language", list(Language))
def test_a_template_says_whether_the_month_that_is_over_was_paid(home: Home, language: Language):
    home.template()
    home.paid({**FIELDS, "period": BEFORE_THAT}, days_ago=35)
    due = add_months(month_start(clock.today()), -1)
    with speaking(language):
        name = month(due, year=due.year != clock.today().year)
    assert (f"За {name} не оплачено" if language is Language.RU else f"{name} not paid") in said(home.screen(language))
    home.paid()
    assert (f"Оплачено за {name}" if language is Language.RU else f"{name} paid") in said(home.screen(language))


def test_a_template_is_renamed_and_removed_after_a_question(home: Home):
    kept = home.template("Свет [дома](x)")
    screen = home.screen()
    assert md("Свет [дома](x)") in screen.says
    screen.app.session_state["_utilities_asked"] = ("rename", kept)
    screen.run()
    screen.app.text_input(key="utilities_new_name").set_value("Дача")
    screen.click("utilities_yes")
    assert [each.name for each in all_of(UtilityTemplate)] == ["Дача"]
    screen.app.session_state["_utilities_asked"] = ("remove", kept)
    screen.run()
    assert any("Шаблон «Дача» исчезнет" in each.value for each in screen.app.markdown)
    screen.click("utilities_yes")
    assert all_of(UtilityTemplate)[0].removed_at is not None
    assert f"utilities_pay_{kept}" not in keys(screen)


def test_the_history_has_receipts_for_what_was_paid_and_reasons_for_what_was_not(home: Home):
    done, refused = home.paid(), home.paid(days_ago=3, state=PaymentState.DECLINED)
    screen = home.screen()
    assert "1\u00a0234,56\u00a0₽" in said(screen)
    assert "банк отказал" in said(screen)
    links = {link.proto.url for link in screen.get("link_button")}
    assert links == {f"/documents/receipt/{done}.pdf"}
    screen.click(f"utilities_repeat_{refused}")
    assert home.field(screen, "day").value == "120", "what was typed for a payment that failed is not typed again"
    screen = home.screen(repeat=done)
    assert (home.field(screen, "account").value, home.field(screen, "day").value) == (PAYER, "")


# --- the form ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_one_click_on_a_template_fills_the_form(home: Home, language: Language):
    kept = home.template()
    home.paid({**FIELDS, "period": BEFORE_THAT, "day": "1205.5"}, days_ago=35)
    screen = home.screen(language)
    screen.click(f"utilities_pay_{kept}")
    assert (home.field(screen, "account").value, home.field(screen, "period").value) == (PAYER, LAST_MONTH)
    russian = language is Language.RU
    assert screen.app.text_input(key="utilities_amount").value == ("1234,56" if russian else "1234.56")
    assert ("В прошлый раз: 1\u00a0205,5" if russian else "Last time: 1,205.5") in said(screen)
    assert screen.app.button(key="utilities_pay").label == ("Оплатить 1\u00a0234,56\u00a0₽" if russian else "Pay ₽1,234.56")
    assert ("Комиссия 0" if russian else "Fee ₽0") in said(screen)


def test_paying_begins_one_payment_with_what_was_typed_and_goes_on_to_it(home: Home):
    screen = home.screen(biller=home.power.id)
    home.field(screen, "account").set_value("1234 5678")
    home.field(screen, "day").set_value("7,5")
    screen.app.text_input(key="utilities_amount").set_value("1 234,56")
    screen.app.checkbox(key="utilities_as_template").check()
    screen.run()
    screen.app.text_input(key="utilities_name").set_value("Свет")
    screen.run()
    screen.click("utilities_pay")
    (payment,), (about,), (template,) = all_of(Payment), all_of(UtilityPayment), all_of(UtilityTemplate)
    assert (payment.amount_kopecks, payment.card_id, payment.payer_id) == (123_456, home.card.id, home.anna.id)
    assert about.fields == {"account": PAYER, "period": LAST_MONTH, "day": "7.5"}
    assert (template.name, template.fields, about.template_id) == ("Свет", {"account": PAYER}, template.id)
    assert screen.app.query_params["payment"] in (str(payment.id), [str(payment.id)])


def test_another_card_and_no_card_at_all_pay_as_well_and_a_template_is_not_a_card_that_is_kept(home: Home):
    screen = home.screen(biller=home.power.id)
    screen.app.checkbox(key="utilities_as_template").check()
    screen.app.radio(key="utilities_card").set_value(ANOTHER)
    screen.run()
    assert screen.app.checkbox(key="utilities_keep").value is False, "nobody has agreed to that"
    assert screen.app.checkbox(key="utilities_as_template").value is True
    with transaction() as db:
        db.get_one(SavedCard, home.card.id).removed_at = clock.now()
    screen = home.screen(biller=home.power.id)
    assert len(screen.app.radio) == 0
    home.field(screen, "account").set_value(PAYER)
    screen.app.text_input(key="utilities_amount").set_value("500")
    screen.run()
    screen.click("utilities_pay")
    assert [(each.amount_kopecks, each.card_id) for each in all_of(Payment)] == [(50_000, None)]


def test_what_was_paid_for_a_month_is_said_where_the_month_is_chosen_and_only_that_is_called_paid(home: Home):
    home.paid(days_ago=2)
    declined = home.paid({**FIELDS, "day": "130"}, days_ago=1, state=PaymentState.DECLINED)
    with transaction() as db:
        db.get_one(Payment, declined).amount_kopecks = 6_000
    screen = home.screen(repeat=declined)
    assert screen.app.text_input(key="utilities_amount").value == "60"
    there = said(screen)
    assert "уже заплатили 1\u00a0234,56\u00a0₽" in there
    assert "В прошлый раз заплатили 1\u00a0234,56\u00a0₽" in there


def filled(home: Home) -> Screen:
    """The form of the power company, with all that it asks for and 500 ₽."""
    home.paid()
    screen = home.screen(biller=home.power.id)
    for code, value in {"account": PAYER, "day": "130"}.items():
        home.field(screen, code).set_value(value)
    screen.app.text_input(key="utilities_amount").set_value("500")
    return screen.run()


def test_a_sum_typed_as_the_button_is_pressed_is_shown_first_and_no_other_is_charged(home: Home):
    screen = filled(home)
    before = len(all_of(Payment))
    screen.app.text_input(key="utilities_amount").set_value("5000")
    screen.click("utilities_pay")
    assert len(all_of(Payment)) == before
    assert "Проверьте, что написано на кнопке" in said(screen)
    screen.click("utilities_pay")
    assert [payment.amount_kopecks for payment in all_of(Payment)[before:]] == [500_000]


def test_what_else_is_typed_as_the_button_is_pressed_goes_with_the_payment(home: Home):
    screen = filled(home)
    before = len(all_of(Payment))
    screen.app.checkbox(key="utilities_as_template").check()
    screen.run()
    screen.app.text_input(key="utilities_name").set_value("Свет на даче")
    home.field(screen, "day").set_value("140")
    screen.click("utilities_pay")
    assert len(all_of(Payment)) == before + 1
    assert max(all_of(UtilityPayment), key=lambda row: row.payment_id).fields["day"] == "140"


@pytest.mark.parametrize(
    ("language", "missing", "digits", "below"),
    [
        (Language.RU, "Введите сумму из квитанции", "Нужно ровно 8 цифр", "Меньше прошлого показания, 120"),
        (Language.EN, "Enter the sum from the bill", "It has exactly 8 digits", "Below the last reading, 120"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    home: Home, language: Language, missing: str, digits: str, below: str
):
    home.paid()
    screen = home.screen(language, biller=home.power.id)
    screen.click("utilities_pay")
    assert missing in said(screen)
    home.field(screen, "account").set_value("1234")
    home.field(screen, "flat").set_value("кв. 4")
    screen.app.text_input(key="utilities_amount").set_value("500")
    screen.run()
    screen.click("utilities_pay")
    assert digits in said(screen)
    home.field(screen, "account").set_value(PAYER)
    home.field(screen, "day").set_value("119")
    screen.run()
    screen.click("utilities_pay")
    assert below in said(screen)
    values = [home.field(screen, code).value for code in ("account", "day", "flat")]
    assert (values, screen.app.text_input(key="utilities_amount").value) == ([PAYER, "119", "кв. 4"], "500")
    assert len(all_of(Payment)) == 1


def test_the_same_bill_again_within_minutes_is_asked_about_and_then_paid(home: Home):
    home.paid({"account": PAYER, "period": LAST_MONTH}, days_ago=0)
    screen = home.screen(biller=home.power.id)
    home.field(screen, "account").set_value(PAYER)
    home.field(screen, "period").set_value(LAST_MONTH)
    screen.app.text_input(key="utilities_amount").set_value("1234,56")
    screen.run()
    screen.click("utilities_pay")
    assert "Вы только что заплатили столько же" in said(screen)
    assert len(all_of(Payment)) == 1
    assert screen.app.button(key="utilities_pay").label == "Всё равно оплатить 1\u00a0234,56\u00a0₽"
    screen.click("utilities_pay")
    assert len(all_of(Payment)) == 2


def test_another_payer_code_shows_the_readings_of_that_one(home: Home):
    home.paid({**FIELDS, "day": "120"})
    home.paid({**FIELDS, "account": OTHER, "day": "77"}, days_ago=30)
    screen = home.screen(biller=home.power.id)
    assert "В прошлый раз" not in said(screen)
    for code, last in ((PAYER, "120"), (OTHER, "77")):
        home.field(screen, "account").set_value(code)
        screen.run()
        assert f"В прошлый раз: {last}" in said(screen)


def test_an_address_that_names_what_is_not_there_leads_to_the_list(home: Home):
    with transaction() as db:
        stranger = World(db).person("Олег")
    foreign = perform(
        save_template, visitor=visitor_of(stranger.id), biller_id=home.power.id, name="Чужой", fields={"account": OTHER}
    )
    for query, words in (
        ({"template": foreign}, "Этого шаблона или платежа больше нет"),
        ({"repeat": 999}, "Этого шаблона или платежа больше нет"),
        ({"biller": home.tula.id}, "Этот получатель сейчас недоступен"),
        ({"biller": "x"}, "Кому заплатить"),
    ):
        screen = home.screen(**query)
        assert words in said(screen)
        assert "Кому заплатить" in said(screen)
        assert OTHER not in said(screen)
