"""The refunds screen: an administrator finds a payment, hears what will happen, gives back once, and sees how it went."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

import clock
from actions import perform
from actions.refunds import begin_refund
from db import engine as engine_module
from db import reading, transaction
from integrations.test_bank import Behaviour
from models import AuditEntry, BillingAccount, Customer, Refund
from pages import SCREENS, screens_for
from rules.numbers import format_account_number
from rules.terms import Language, PaymentState, Role
from settings import settings
from tests.conftest import use_database
from tests.driver import Screen, open_screen, visitor_of
from tests.money.bank import bank
from tests.money.test_paying import Payer, of_account
from tests.money.test_refunds import Wire, given_back
from tests.money.world import World
from texts import md


class Office:
    """Somebody who paid 500 ₽ by a card that was kept, and an administrator at the screen."""

    def __init__(self) -> None:
        self.payer = Payer()
        with transaction() as db:
            world = World(db)
            boss = world.person("Ольга")
            boss.role = Role.ADMINISTRATOR
            db.add(boss)
            self.boss_id = boss.id
            self.number = db.get_one(BillingAccount, self.payer.one).number
        self.payment_id = self.payer.pays({self.payer.one: 50_000}, keep_card=True).payment_id

    def screen(self, language: Language = Language.RU, **query: str) -> Screen:
        return open_screen("refunds", customer_id=self.boss_id, language=language, query=query)

    def finds(self, wanted: str, language: Language = Language.RU) -> Screen:
        screen = self.screen(language)
        screen.app.text_input(key="refunds_wanted").set_value(wanted)
        return screen.click("refunds_find")

    def opens_form(self, language: Language = Language.RU) -> Screen:
        return self.finds(str(self.payment_id), language).click(f"refund_begin_{self.payer.one}")

    def refunds(self) -> list[Refund]:
        with reading() as db:
            return list(db.exec(select(Refund).order_by(col(Refund.id))))


@pytest.fixture
def office(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """On SQLite: what the databases have to do with it is told in tests/money."""
    file = tmp_path / "office.db"
    shutil.copyfile(sqlite_template, file)
    made = use_database(f"sqlite:///{file}", monkeypatch)
    yield Office()
    made.dispose()
    engine_module._engine_for.cache_clear()
    settings.cache_clear()


def fills(screen: Screen, kopecks: str | None = None, reason: str | None = "Оплатили дважды") -> Screen:
    if kopecks is not None:
        screen.app.text_input(key="refund_sum").set_value(kopecks)
    if reason is not None:
        screen.app.text_input(key="refund_reason").set_value(reason)
    return screen.run()


def has_button(screen: Screen, key: str) -> bool:
    return any(button.key == key for button in screen.app.button)


# --- whose it is ----------------------------------------------------------------------------------------
def test_only_administrators_have_the_screen():
    refunds = next(screen for screen in SCREENS if screen.name == "refunds")
    for role in Role:
        assert (refunds in screens_for(role, demo=True)) is (role is Role.ADMINISTRATOR)


# --- finding --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_a_payment_that_is_the_only_one_found_is_open_at_once(office: Office, language: Language):
    screen = office.finds(f"№ {office.payment_id}", language)
    assert screen.app.query_params == {"payment": str(office.payment_id)}
    assert "Ли Анна" in screen.says
    assert format_account_number(office.number) in screen.says
    assert ("МИР\u00a0··\u00a00004" if language is Language.RU else "MIR\u00a0··\u00a00004").lower() in screen.says.lower()


def test_several_are_listed_and_one_of_them_is_opened_and_closed(office: Office):
    other = office.payer.pays({office.payer.one: 10_000}).payment_id
    screen = office.finds(format_account_number(office.number))
    assert has_button(screen, f"refunds_open_{other}")
    screen.click(f"refunds_open_{office.payment_id}")
    assert screen.app.query_params == {"payment": str(office.payment_id)}
    assert not has_button(screen, f"refunds_open_{other}")
    screen.click("refunds_close")
    assert has_button(screen, f"refunds_open_{other}")
    assert screen.app.query_params == {}


def test_a_state_narrows_what_is_listed(office: Office):
    pending = office.payer.begin({office.payer.one: 10_000})
    screen = office.finds(office.number)
    screen.app.segmented_control(key="refunds_state").set_value("pending")
    screen.run()
    assert has_button(screen, f"refunds_open_{pending}")
    assert not has_button(screen, f"refunds_open_{office.payment_id}")
    screen.app.segmented_control(key="refunds_state").set_value("declined")
    screen.run()
    assert "Таких платежей нет" in screen.info[0].value


def test_the_list_is_as_it_was_left_after_one_of_it_was_opened(office: Office):
    declined = [office.payer.pays({office.payer.one: 10_000 + n}, Behaviour.INSUFFICIENT_FUNDS).payment_id for n in range(2)]
    screen = office.finds(office.number)
    screen.app.segmented_control(key="refunds_state").set_value("declined")
    screen.run().click(f"refunds_open_{declined[0]}").click("refunds_close")
    assert screen.app.segmented_control(key="refunds_state").value == "declined"
    assert has_button(screen, f"refunds_open_{declined[1]}")
    assert not has_button(screen, f"refunds_open_{office.payment_id}")


@pytest.mark.parametrize(("wanted", "said"), [("", "Введите номер счёта"), ("Иванов", "не похоже")])
def test_what_cannot_be_looked_for_is_said_at_the_field(office: Office, wanted: str, said: str):
    assert said in office.finds(wanted).says


def test_a_link_opens_the_payment_and_leaves_one_row_however_often_the_page_runs(office: Office):
    screen = office.screen(payment=str(office.payment_id))
    assert has_button(screen, f"refund_begin_{office.payer.one}")
    screen.run()
    with reading() as db:
        looked = db.exec(select(AuditEntry).where(col(AuditEntry.action) == "look_up_payments")).all()
    assert len(looked) == 1


@pytest.mark.parametrize("said", ["999999", "x", "-1", "9" * 30, "٣"])
def test_a_link_that_means_nothing_opens_nothing(office: Office, said: str):
    screen = office.screen(payment=said)
    assert not screen.exception
    assert not has_button(screen, "refunds_close")


# --- giving back ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", list(Language))
def test_the_whole_is_given_back_after_a_question_that_says_what_will_happen(office: Office, language: Language):
    screen = office.opens_form(language)
    assert screen.app.text_input(key="refund_sum").value == "500"
    points = 50_000 // 2_000
    for said in ["−700,00\u00a0₽", f"{points}\u00a0баллов"] if language is Language.RU else ["−₽700.00", f"{points}\u00a0points"]:
        assert said in screen.says
    fills(screen).click("refund_send")
    assert office.refunds() == [], "it is asked about first"
    assert "Оплатили дважды" in screen.says
    screen.click("refund_yes")
    assert [(each.amount_kopecks, each.reason, each.state) for each in office.refunds()] == [
        (50_000, "Оплатили дважды", PaymentState.SUCCEEDED)
    ]
    assert of_account(office.payer.one) == -70_000
    assert len(bank().refunds()) == 1
    assert not has_button(screen, f"refund_begin_{office.payer.one}"), "nothing is left"
    assert ("Возвращён целиком" if language is Language.RU else "Refunded in full") in screen.says
    assert "Ли Ольга" in screen.says


def test_a_part_is_given_back_and_the_rest_is_offered_next(office: Office):
    screen = fills(office.opens_form(), "123,45").click("refund_send").click("refund_yes")
    assert [each.amount_kopecks for each in office.refunds()] == [12_345]
    screen.click(f"refund_begin_{office.payer.one}")
    assert screen.app.text_input(key="refund_sum").value == "376,55"


def test_a_question_that_is_answered_with_no_gives_nothing_back(office: Office):
    screen = fills(office.opens_form()).click("refund_send").click("refund_no")
    assert office.refunds() == []
    assert screen.app.text_input(key="refund_reason").value == "Оплатили дважды", "the form is still there"
    screen.click("refund_cancel")
    assert not has_button(screen, "refund_send")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "сумм"),
        ("много", "сумм"),
        ("0", "больше нуля"),
        ("-5", "больше нуля"),
        ("5,001", "двух цифр"),
        ("500,01", "не больше 500"),
    ],
)
def test_a_wrong_sum_is_said_at_the_field_and_nothing_is_asked(office: Office, typed: str, said: str):
    screen = fills(office.opens_form(), typed)
    assert said in screen.says
    screen.click("refund_send")
    assert not has_button(screen, "refund_yes")


def test_a_missing_reason_is_said_at_the_field(office: Office):
    screen = fills(office.opens_form(), reason="   ").click("refund_send")
    assert "Укажите причину" in screen.says
    assert not has_button(screen, "refund_yes")


def test_a_card_number_as_a_reason_is_said_at_the_field(office: Office):
    screen = fills(office.opens_form(), reason="на 4242424242424242").click("refund_send").click("refund_yes")
    assert office.refunds() == []
    assert has_button(screen, "refund_send")
    assert "номер карты" in screen.says


@pytest.mark.parametrize("language", list(Language))
def test_a_quick_reason_is_written_in_the_payers_language_and_can_be_changed(office: Office, language: Language):
    with transaction() as db:
        payer = db.get_one(Customer, office.payer.person_id)
        payer.language = language
        db.add(payer)
    screen = office.opens_form()
    screen.app.pills(key="refund_quick").set_value("twice")
    screen.run()
    reason = screen.app.text_input(key="refund_reason")
    assert reason.value == ("Платёж прошёл дважды" if language is Language.RU else "The payment was made twice")
    fills(screen, reason="Свои слова")
    assert screen.app.pills(key="refund_quick").value is None


def test_a_second_click_on_the_same_form_is_the_same_refund(office: Office):
    screen = fills(office.opens_form(), "100").click("refund_send")
    form: Any = screen.app.session_state["_refund_form"]
    screen.click("refund_yes")
    screen.app.session_state["_refund_form"] = form  # the second click had been on its way already
    fills(screen.run(), "100").click("refund_send").click("refund_yes")
    assert len(office.refunds()) == 1


def test_somebody_elses_refund_a_moment_earlier_is_said(office: Office):
    screen = fills(office.opens_form()).click("refund_send")
    boss = visitor_of(office.boss_id)
    given = {"payment_id": office.payment_id, "account_id": office.payer.one}
    perform(begin_refund, visitor=boss, amount_kopecks=40_000, reason="Другое окно", key="k", **given)
    screen.click("refund_yes")
    assert [each.amount_kopecks for each in office.refunds()] == [40_000]
    assert "не больше 100" in screen.says


# --- how it goes ----------------------------------------------------------------------------------------
def test_a_bank_that_does_not_answer_is_asked_again_until_it_does(office: Office, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as broken:
        broken.setattr("actions.refunds.gateway_called", lambda _name: Wire(loses="question"))
        screen = fills(office.opens_form()).click("refund_send").click("refund_yes")
        assert "Возвращаем 500" in screen.says
        assert "Банк пока не ответил" in screen.says
        assert not has_button(screen, f"refund_begin_{office.payer.one}"), "what is on its way counts"
        screen.click("refunds_close")
        assert f"Возврат 500,00\u00a0₽ по платежу № {office.payment_id} не завершён" in screen.says
    screen.click(f"stuck_ask_{office.payment_id}_{office.refunds()[0].id}")
    assert "Зависших платежей и возвратов нет" in screen.says
    assert given_back() == [(office.payer.one, 50_000)]


def test_a_bank_that_refuses_is_said_and_it_can_be_tried_again(office: Office, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as broken:
        broken.setattr("actions.refunds.gateway_called", lambda _name: Wire(refuses="no money in the shop"))
        screen = fills(office.opens_form()).click("refund_send").click("refund_yes")
    assert "Не возвращено 500" in screen.says
    assert "no money in the shop" in screen.says
    screen.click(f"refund_begin_{office.payer.one}")
    fills(screen).click("refund_send").click("refund_yes")
    assert [each.state for each in office.refunds()] == [PaymentState.DECLINED, PaymentState.SUCCEEDED]


@pytest.mark.parametrize("language", list(Language))
def test_what_cannot_go_back_says_why_and_offers_nothing(office: Office, language: Language):
    with transaction() as db:
        world = World(db)
        world.number = 70
        account, payer = db.get_one(BillingAccount, office.payer.one), db.get_one(Customer, office.payer.person_id)
        cash, elsewhere = (world.pay(account, 10_000, clock.now(), payer=by).id for by in (None, payer))
    pending = office.payer.begin({office.payer.one: 11_000})
    for payment_id, said in (
        (cash, ("наличными", "in cash")),
        (elsewhere, ("не через платёжную систему", "not go through the payment system")),
        (pending, ("ещё не прошёл", "not gone through")),
    ):
        screen = office.finds(str(payment_id), language)
        assert said[language is Language.EN] in screen.info[0].value
        assert not has_button(screen, f"refund_begin_{office.payer.one}")


# --- the customer ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("language", "said"), [(Language.RU, "Возврат платежа № "), (Language.EN, "Refund of payment No. ")])
def test_the_customer_reads_in_the_history_which_payment_went_back_and_why(office: Office, language: Language, said: str):
    given = {"payment_id": office.payment_id, "account_id": office.payer.one, "amount_kopecks": 50_000}
    perform(begin_refund, visitor=visitor_of(office.boss_id), reason="*Оплатили* дважды", key="k", **given)
    office.finds(str(office.payment_id))  # an open payment asks the bank about what is on its way
    history = open_screen("payments", customer_id=office.payer.person_id, language=language)
    cells = [cell for table in history.table for cell in table.value.to_numpy().ravel()]
    assert any(md(f"{said}{office.payment_id}: *Оплатили* дважды") in str(cell) for cell in cells)
    paid = open_screen("pay", customer_id=office.payer.person_id, query={"payment": str(office.payment_id)}, language=language)
    assert ("Возвращено на карту 500" if language is Language.RU else "500.00") in paid.says
