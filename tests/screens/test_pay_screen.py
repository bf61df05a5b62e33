"""The screen that pays: what is suggested, what is said about a wrong sum and where, and how a payment went."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from db import reading, transaction
from integrations.test_bank import Behaviour
from models import BillingAccount, Payment
from rules.terms import Language, PaymentState, Right
from tests.driver import Screen, open_screen
from tests.money.bank import balance, saved
from tests.money.world import World
from ui.widgets.paying import ANOTHER


class Home:
    """Anna with an account that owes 490 ₽, one that owes nothing, and one that she may only look at."""

    def __init__(self) -> None:
        with transaction() as db:
            world = World(db)
            anna = world.person()
            self.anna_id = anna.id
            self.owing, self.even = (world.account(anna).id for _ in range(2))
            world.charge(db.get_one(BillingAccount, self.owing), 49_000, clock.now())
            other = world.account(world.person("Пётр"))
            world.attach(anna, other, right=Right.VIEW, label="Чужой")
            self.seen = other.id
        self.card_id = saved(self.anna_id)

    def open(self, language: Language = Language.RU, **query: str) -> Screen:
        return open_screen("pay", customer_id=self.anna_id, language=language, query=query)

    def payments(self) -> list[tuple[PaymentState, int]]:
        with reading() as db:
            return [(p.state, p.amount_kopecks) for p in db.exec(select(Payment).order_by(col(Payment.id)))]


@pytest.fixture
def home(seeded_db: sa.Engine) -> Home:
    return Home()


@pytest.fixture
def paid(home: Home) -> Callable[[], list[tuple[PaymentState, int]]]:
    before = len(home.payments())
    return lambda: home.payments()[before:]


def field(screen: Screen, account_id: int):
    return next(box for box in screen.app.text_input if box.key == f"pay_sum_{account_id}")


def pay(screen: Screen) -> Screen:
    next(button for button in screen.app.button if button.key == "pay_now").click()
    return screen.run()


def test_what_is_owed_is_ticked_and_suggested_and_what_may_only_be_seen_is_not_there(home: Home):
    screen = home.open()
    ticked = {box.key: box.value for box in screen.app.checkbox}
    assert ticked[f"pay_on_{home.owing}"] is True
    assert ticked[f"pay_on_{home.even}"] is False
    assert f"pay_on_{home.seen}" not in ticked
    assert field(screen, home.owing).value == "490"
    assert "490\u00a0₽" in next(button.label for button in screen.app.button if button.key == "pay_now")


def test_a_prepaid_balance_below_zero_is_what_is_missing_and_never_late(home: Home):
    said = home.open().says
    assert "баланс ниже нуля, не хватает 490,00\u00a0₽" in said
    assert "просрочено" not in said


def test_opened_for_an_account_it_is_that_account(home: Home):
    screen = home.open(account=str(home.even))
    assert {box.key: box.value for box in screen.app.checkbox}[f"pay_on_{home.even}"] is True
    assert {box.key: box.value for box in screen.app.checkbox}[f"pay_on_{home.owing}"] is False


NO_SUM = (("Введите сумму цифрами", "Enter the sum in digits"), ["абв", "1e5", "9" * 20])
NOT_ABOVE_ZERO = (("Сумма должна быть больше нуля", "The sum must be above zero"), ["0", "-100"])
TOO_FINE = (("не больше двух цифр", "No more than two digits"), ["12,345", "100.001"])


@pytest.mark.parametrize(
    ("said", "typed"), [(said, typed) for said, all_ in (NO_SUM, NOT_ABOVE_ZERO, TOO_FINE) for typed in all_]
)
@pytest.mark.parametrize("language", Language)
def test_what_is_wrong_with_a_sum_is_said_at_its_field_and_nothing_begins(
    home: Home, paid, typed: str, language: Language, said: tuple[str, str]
):
    screen = home.open(language)
    field(screen, home.owing).set_value(typed)
    screen.run()
    words = said[language is Language.EN]
    assert any(words in line.value for line in screen.app.markdown)
    assert words in pay(screen).app.error[0].value, "and by the button, which may be far from the field"
    assert field(screen, home.owing).value == typed, "what was typed stays"
    assert paid() == []


BOUNDS = "Сумма — от 50\u00a0₽ до 10\u00a0000\u00a0₽"


def in_order(screen: Screen) -> list[str]:
    """What the form says, from top to bottom: fields by their keys, the total, sentences by their words."""
    return [getattr(part, "key", None) or str(getattr(part, "value", "")) for part in screen.app.main]


@pytest.mark.parametrize("typed", ["49,99", "10000,01"])
def test_a_sum_out_of_bounds_is_said_at_its_field_before_the_button_is_pressed_and_by_it_after(home: Home, paid, typed: str):
    screen = home.open()
    field(screen, home.owing).set_value(typed)
    said = in_order(screen.run())
    where = next(place for place, words in enumerate(said) if BOUNDS in words)
    assert said[where - 1] == f"pay_sum_{home.owing}"
    assert BOUNDS in pay(screen).app.error[0].value
    assert paid() == []


def test_of_several_accounts_the_total_is_out_of_bounds_and_no_single_sum_is(home: Home, paid):
    screen = home.open()
    next(box for box in screen.app.checkbox if box.key == f"pay_on_{home.even}").check()
    screen.run()
    field(screen, home.owing).set_value("9 990")
    field(screen, home.even).set_value("10,01")
    said = in_order(screen.run())
    assert [said[place - 1] for place, words in enumerate(said) if BOUNDS in words] == ["10\u00a0000,01\u00a0₽"]
    pay(screen)
    assert paid() == []
    field(screen, home.even).set_value("10")
    pay(screen.run())
    assert paid() == [(PaymentState.SUCCEEDED, 1_000_000)]


def test_a_saved_card_pays_and_the_page_says_what_came_of_it(home: Home, paid):
    screen = pay(home.open())
    assert paid() == [(PaymentState.SUCCEEDED, 49_000)]
    assert "Оплачено 490,00\u00a0₽" in screen.title[0].value
    with reading() as db:
        assert balance(db, home.owing) == 0
    assert "24 балла" in screen.says


def test_a_sum_typed_as_the_button_is_pressed_is_shown_first_and_no_other_is_charged(home: Home, paid):
    screen = home.open()
    field(screen, home.owing).set_value("562")
    pay(screen)  # the browser sends both at once: the button still said 490
    assert paid() == []
    assert "Проверьте, что написано на кнопке" in screen.app.error[0].value
    assert "562\u00a0₽" in next(button.label for button in screen.app.button if button.key == "pay_now")
    pay(screen)
    assert paid() == [(PaymentState.SUCCEEDED, 56_200)]


def test_a_card_chosen_or_an_account_ticked_as_the_button_is_pressed_is_not_passed_over(home: Home, paid):
    bad = saved(home.anna_id, Behaviour.INSUFFICIENT_FUNDS)
    screen = home.open()
    screen.app.radio[0].set_value(bad)
    pay(screen)
    next(box for box in screen.app.checkbox if box.key == f"pay_on_{home.owing}").uncheck()
    pay(screen)
    assert paid() == []


def test_the_same_again_is_asked_about_and_then_done(home: Home, paid):
    pay(home.open())
    screen = home.open(account=str(home.owing))
    field(screen, home.owing).set_value("490")
    pay(screen.run())
    assert "только что заплатили" in screen.says
    assert len(paid()) == 1
    pay(screen)
    assert paid() == [(PaymentState.SUCCEEDED, 49_000)] * 2


def test_a_declined_card_says_why_and_leads_back_to_the_form(home: Home, paid):
    home.card_id = saved(home.anna_id, Behaviour.INSUFFICIENT_FUNDS)
    screen = home.open()
    screen.app.radio[0].set_value(home.card_id)
    pay(screen.run())
    assert "На карте не хватило денег" in screen.says
    next(button for button in screen.app.button if button.key == "pay_try_again").click()
    assert field(screen.run(), home.owing).value == "490"


def test_after_a_decline_the_form_is_as_it_was_accounts_sums_and_card(home: Home, paid):
    bad = saved(home.anna_id, Behaviour.INSUFFICIENT_FUNDS)
    screen = home.open()
    screen.app.radio[0].set_value(bad)
    next(box for box in screen.app.checkbox if box.key == f"pay_on_{home.even}").check()
    field(screen, home.owing).set_value("200")
    screen.run()
    field(screen, home.even).set_value("111,11")
    pay(screen.run())
    next(button for button in screen.app.button if button.key == "pay_try_again").click()
    screen.run()
    assert (field(screen, home.owing).value, field(screen, home.even).value) == ("200", "111,11")
    assert all(box.value for box in screen.app.checkbox if box.key and box.key.startswith("pay_on_"))
    assert screen.app.radio[0].value == bad
    assert paid() == [(PaymentState.DECLINED, 31_111)]


def test_who_chose_another_card_and_changes_the_payment_is_not_charged_on_a_saved_one(home: Home, paid):
    screen = home.open()
    screen.app.radio[0].set_value(ANOTHER)
    field(screen, home.owing).set_value("88")
    pay(screen.run())
    assert paid() == [(PaymentState.PENDING, 8_800)]
    next(button for button in screen.app.button if button.key == "pay_change").click()
    screen.run()
    assert (field(screen, home.owing).value, screen.app.radio[0].value) == ("88", ANOTHER)


def test_somebody_elses_payment_fills_no_form(home: Home, paid):
    pay(home.open())
    with reading() as db:
        foreign = db.exec(select(Payment.id).where(col(Payment.payer_id) != home.anna_id)).first()
    screen = home.open(again=str(foreign), account=str(home.even))
    assert {box.key: box.value for box in screen.app.checkbox}[f"pay_on_{home.even}"] is True


def test_an_account_that_is_ticked_without_a_sum_is_not_left_out_silently(home: Home, paid):
    screen = home.open()
    next(box for box in screen.app.checkbox if box.key == f"pay_on_{home.even}").check()
    pay(screen.run())
    assert "Укажите сумму или снимите отметку" in screen.says
    assert paid() == []
    field(screen, home.even).set_value("50")
    pay(screen.run())
    assert paid() == [(PaymentState.SUCCEEDED, 54_000)]


@pytest.mark.parametrize("asked", ["1", "999999999", "x", "-1", "9" * 30, "1; DROP TABLE payment"])
def test_somebody_elses_payment_in_the_address_shows_the_form(home: Home, asked: str):
    screen = home.open(payment=asked)
    assert screen.title[0].value == "Оплата"
