"""The bonus screen: how many points, what expires when, how to earn more."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.bonus import spend_points
from db import reading, transaction
from models import Attachment, BillingAccount, Customer, LedgerAccount
from rules.bonus import BonusTerms
from rules.periods import add_months
from rules.terms import Language, Right, ServiceKind
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
    assert screen.button("earn_first").label == ("Оплатить" if language is Language.RU else "Pay")


# --- spending ---------------------------------------------------------------------------------------
def accounts_of(person: Customer) -> list[int]:
    with reading() as db:
        wanted = select(Attachment.billing_account_id).where(col(Attachment.customer_id) == person.id)
        return list(db.exec(wanted.order_by(col(Attachment.id))).all())


def second_account(person: Customer, *, debt: int, right: Right = Right.MANAGE) -> int:
    """Another account of the person, which owes so much."""
    with transaction() as session:
        world = World(session)
        world.number = 700
        account = world.account(session.get_one(Customer, person.id), service=ServiceKind.INTERNET, right=right)
        world.charge(account, debt, clock.now())
        return account.id


def balance(account_id: int) -> int:
    with reading() as db:
        return db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)).one()


def plain(said: str) -> str:
    """With ordinary spaces and without the marks that keep Markdown from reading it."""
    return said.replace("\u202f", " ").replace("\xa0", " ").replace("\u2060", "").replace("\\", "")


def type_points(screen: Screen, typed: str) -> Screen:
    screen.app.text_input(key="bonus_points").set_value(typed)
    return screen.run()


@pytest.mark.parametrize(
    ("language", "will", "done"),
    [
        (Language.RU, "Спишем 35 баллов, на счёт поступит 35 ₽. Останется 85 баллов.", "Потрачено: 35 баллов."),
        (Language.EN, "We take 35 points and add ₽35 to the account. You keep 85 points.", "Spent: 35 points."),
    ],
)
def test_points_become_money_on_the_chosen_account_and_it_says_so_before_and_after(
    anna: Customer, language: Language, will: str, done: str
):
    (account_id,) = accounts_of(anna)
    before = balance(account_id)
    screen = show(anna, language)
    with speaking(language):  # the driver asks for the names of choices here, too
        type_points(screen, " 35 ")
        assert will in plain(screen.says)
        screen.click("bonus_spend_now")
    assert balance(account_id) == before + 3_500
    assert tile(screen, "Баланс" if language is Language.RU else "Balance") == "85"
    with speaking(language):
        (toast,) = screen.app.toast
        assert done in plain(toast.value)
        assert plain(money(before + 3_500)) in plain(toast.value)
    assert screen.app.text_input(key="bonus_points").value == ""
    assert screen.button("bonus_spend_now").disabled


def test_what_an_account_owes_is_suggested_and_no_more_than_there_is(anna: Customer):
    owing = second_account(anna, debt=4_550)
    screen = show(anna)
    assert screen.app.selectbox(key="bonus_account").value == owing
    assert screen.app.text_input(key="bonus_points").value == "46"  # a started rouble takes a whole point
    with transaction() as session:
        world = World(session)
        world.number = 800
        world.charge(session.get_one(BillingAccount, owing), 50_000, clock.now())
    assert show(anna).app.text_input(key="bonus_points").value == "120"


def test_the_account_of_the_address_is_chosen_and_another_choice_suggests_anew(anna: Customer):
    (first,), owing = accounts_of(anna), second_account(anna, debt=4_550)
    screen = open_screen("bonus", customer_id=anna.id, query={"account": str(first)})
    assert screen.app.selectbox(key="bonus_account").value == first
    assert screen.app.text_input(key="bonus_points").value == ""
    screen.app.selectbox(key="bonus_account").set_value(owing)
    screen.run()
    assert screen.app.text_input(key="bonus_points").value == "46"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("121", "Баллов нужно 121, а у вас 120."),
        ("0", "Введите целое число"),
        ("-5", "Введите целое число"),
        ("1,5", "Введите целое"),
    ],
)
def test_what_cannot_be_spent_is_said_at_the_field_and_cannot_be_pressed(anna: Customer, typed: str, said: str):
    screen = type_points(show(anna), typed)
    assert said in plain(screen.says)
    assert screen.button("bonus_spend_now").disabled


def test_all_points_are_one_click(anna: Customer):
    screen = show(anna).click("bonus_spend_all")
    assert screen.app.text_input(key="bonus_points").value == "120"
    screen.click("bonus_spend_now")
    assert "Баллов сейчас нет" in screen.says
    assert not [one for one in screen.app.button if str(one.key).startswith("bonus_spend")]


def test_points_typed_as_the_button_is_pressed_are_shown_first_and_no_others_are_spent(anna: Customer):
    screen = type_points(show(anna), "10")
    screen.app.text_input(key="bonus_points").set_value("100")
    screen.click("bonus_spend_now")
    assert tile(screen, "Баланс") == "120"
    assert "Проверьте, что написано на кнопке" in screen.says
    screen.click("bonus_spend_now")
    assert tile(screen, "Баланс") == "20"


def test_points_that_went_meanwhile_are_refused_in_place(anna: Customer):
    screen = type_points(show(anna), "100")
    with transaction() as session:
        visitor = World(session).visitor(anna)
    perform(spend_points, visitor=visitor, account_id=accounts_of(anna)[0], points=50, key="elsewhere")
    screen.click("bonus_spend_now")
    assert "Баллов нужно 100, а у вас 70." in plain(screen.says)
    assert tile(screen, "Баланс") == "70"


def test_an_account_that_one_may_only_look_at_is_not_offered(anna: Customer):
    with transaction() as session:
        session.execute(sa.update(Attachment).values(right=Right.VIEW))
    screen = show(anna)
    assert "Подключите счёт" in screen.says
    assert screen.button("bonus_to_accounts")
    assert not screen.app.text_input
