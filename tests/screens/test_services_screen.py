"""Switching options on and off, as a person does it: exact terms first, the toggle shows the truth, orders can be taken back."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions.ledger import post
from actions.orders import quote
from actions.provisioning import carry_out_due
from db import reading, transaction
from models import (
    Attachment,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    Option,
    OptionPrice,
    Order,
    Subscription,
)
from queries.bonus import open_lots
from queries.options import AccountServices, CatalogueOption, account_services
from rules.periods import add_months
from rules.refusals import Refusal
from rules.terms import (
    AccountStatus,
    BillingMode,
    BonusKind,
    Language,
    OrderKind,
    OrderState,
    Recurrence,
    Right,
    ServiceKind,
    TransferCode,
)
from tests.driver import Screen, customer_of, open_screen, visitor_of
from tests.money.world import World
from texts import money, speaking

CONNECT, DISCONNECT = OrderKind.CONNECT, OrderKind.DISCONNECT


@pytest.fixture
def mobile(seeded_db: sa.Engine) -> int:
    """The family's own mobile account, with money on it."""
    with transaction() as db:
        account_id = db.exec(
            select(BillingAccount.id)
            .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
            .where(
                Attachment.customer_id == customer_of("family"),
                Attachment.right == Right.MANAGE,
                BillingAccount.service == ServiceKind.MOBILE,
                BillingAccount.mode == BillingMode.PREPAID,
            )
            .order_by(col(BillingAccount.id))
        ).first()
        assert account_id is not None
        return account_id


def services_of(account_id: int, persona: str = "family") -> AccountServices:
    with reading() as db:
        return account_services(db, visitor=visitor_of(customer_of(persona)), account_id=account_id, today=clock.today())


def allowed(services: AccountServices, kind: OrderKind, *, paid: bool = True, minutes: bool = False) -> CatalogueOption:
    """An option of which an order of this kind would be accepted now."""
    for option in services.catalogue.values():
        if bool(option.facts.monthly_kopecks) != paid or option.facts.recurrence is not Recurrence.MONTHLY:
            continue
        if bool(option.provisioning_minutes) != minutes and kind is CONNECT:
            continue
        try:
            quote(services, option, kind, clock.today())
        except Refusal:
            continue
        return option
    pytest.fail("the small demo has no such option")


def on_services(account_id: int, *, persona: str = "family", language: Language = Language.RU) -> Screen:
    return open_screen("services", persona=persona, language=language, query={"account": str(account_id)})


def toggle(screen: Screen, code: str):
    return next(one for one in screen.app.toggle if one.key.startswith(f"option_{code}_"))


def press(screen: Screen, code: str) -> Screen:
    one = toggle(screen, code)
    one.set_value(not one.value)
    return screen.run()


@pytest.mark.parametrize("language", list(Language))
def test_an_option_is_connected_after_its_exact_price_was_confirmed(mobile: int, language: Language):
    before = services_of(mobile)
    option = allowed(before, CONNECT)
    agreed = quote(before, option, CONNECT, clock.today())
    screen = press(on_services(mobile, language=language), option.facts.code)
    with speaking(language):
        facts = screen.table[0].value.to_string()
        for sum_ in (agreed.now_kopecks, agreed.monthly_kopecks, before.balance_kopecks - agreed.now_kopecks):
            assert money(sum_) in facts
    assert toggle(screen, option.facts.code).value is False, "shown connected before it is"
    assert option.facts.code not in services_of(mobile).connected
    screen.click("confirm_order")
    assert not screen.error
    assert toggle(screen, option.facts.code).value is True
    after = services_of(mobile)
    assert option.facts.code in after.connected
    assert after.balance_kopecks == before.balance_kopecks - agreed.now_kopecks
    word = "Подключено" if language is Language.RU else "Connected"
    assert screen.toast[0].value.startswith(word)


def test_thinking_better_of_it_leaves_the_toggle_where_the_truth_is(mobile: int):
    option = allowed(services_of(mobile), CONNECT)
    screen = press(on_services(mobile), option.facts.code)
    screen.click("close_order")
    assert toggle(screen, option.facts.code).value is False
    assert not screen.table
    with reading() as db:
        assert db.exec(select(Order).where(Order.billing_account_id == mobile, col(Order.closed_at).is_(None))).first() is None


def test_a_second_click_on_the_same_confirmation_is_the_same_order(mobile: int):
    option = allowed(services_of(mobile), CONNECT)
    screen = press(on_services(mobile), option.facts.code)
    key = screen.app.session_state["_services_asked"][3]
    screen.click("confirm_order")
    with reading() as db:
        assert len(db.exec(select(Order).where(Order.billing_account_id == mobile, Order.key == key)).all()) == 1


def test_what_takes_work_is_shown_as_on_its_way_and_can_be_taken_back(mobile: int):
    option = allowed(services_of(mobile), CONNECT, paid=False)
    with transaction() as db:
        row = db.get_one(Option, option.option_id)
        row.provisioning_minutes = 60
        db.add(row)
    code = option.facts.code
    screen = press(on_services(mobile), code)
    screen.click("confirm_order")
    assert toggle(screen, code).value is False
    assert toggle(screen, code).disabled
    order = services_of(mobile).pending[code]
    assert "Подключится" in screen.says
    screen.click(f"cancel_{order.order_id}")
    assert services_of(mobile).pending == {}
    assert not toggle(screen, code).disabled
    assert "Отменён" in screen.says


def test_an_order_that_is_done_meanwhile_cannot_be_taken_back(mobile: int):
    option = allowed(services_of(mobile), CONNECT, paid=False)
    with transaction() as db:
        row = db.get_one(Option, option.option_id)
        row.provisioning_minutes = 60
        db.add(row)
    screen = press(on_services(mobile), option.facts.code)
    screen.click("confirm_order")
    order = services_of(mobile).pending[option.facts.code]
    assert carry_out_due(clock.now() + timedelta(hours=2)) == 1
    screen.click(f"cancel_{order.order_id}")
    assert "уже не отменить" in screen.error[0].value
    assert toggle(screen, option.facts.code).value is True


def test_a_paid_option_works_to_the_end_of_its_month_after_it_was_switched_off(mobile: int):
    services = services_of(mobile)
    option = next(services.catalogue[code] for code in services.connected if services.catalogue[code].facts.monthly_kopecks)
    screen = press(on_services(mobile), option.facts.code)
    assert money(option.facts.monthly_kopecks) in screen.table[0].value.to_string()
    screen.click("confirm_order")
    assert toggle(screen, option.facts.code).value is True
    assert toggle(screen, option.facts.code).disabled
    assert "Отключится" in screen.says


def test_a_price_that_changed_under_the_dialog_is_shown_anew_and_nothing_is_charged(mobile: int):
    before = services_of(mobile)
    option = allowed(before, CONNECT)
    screen = press(on_services(mobile), option.facts.code)
    dearer = option.facts.monthly_kopecks * 2
    with transaction() as db:
        for price in db.exec(select(OptionPrice).where(OptionPrice.option_id == option.option_id)):
            db.delete(price)
        db.add(OptionPrice(option_id=option.option_id, valid_from_on=date(2020, 1, 1), price_kopecks=dearer))
    screen.click("confirm_order")
    assert "Цена изменилась" in screen.error[0].value
    with speaking(Language.RU):
        assert money(dearer) in screen.table[0].value.to_string()
    assert services_of(mobile).balance_kopecks == before.balance_kopecks
    screen.click("confirm_order")
    assert option.facts.code in services_of(mobile).connected


def test_a_price_that_goes_on_the_bill_is_confirmed_too(seeded_db: sa.Engine):
    with reading() as db:
        account_id = db.exec(
            select(BillingAccount.id)
            .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
            .where(
                Attachment.customer_id == customer_of("family"),
                Attachment.right == Right.MANAGE,
                BillingAccount.mode == BillingMode.POSTPAID,
            )
        ).first()
    assert account_id is not None
    option = allowed(services_of(account_id), CONNECT)
    screen = press(on_services(account_id), option.facts.code)
    with transaction() as db:
        for price in db.exec(select(OptionPrice).where(OptionPrice.option_id == option.option_id)):
            db.delete(price)
        dearer = option.facts.monthly_kopecks * 40
        db.add(OptionPrice(option_id=option.option_id, valid_from_on=date(2020, 1, 1), price_kopecks=dearer))
    screen.click("confirm_order")
    assert "Цена изменилась" in screen.error[0].value
    assert option.facts.code not in services_of(account_id).connected


def test_too_little_money_is_told_with_what_is_missing_instead_of_a_button(mobile: int):
    option = allowed(services_of(mobile), CONNECT)
    with transaction() as db:
        ledger = db.exec(select(LedgerAccount).where(LedgerAccount.billing_account_id == mobile)).one()
        ledger.balance_kopecks = 0
        db.add(ledger)
    screen = press(on_services(mobile), option.facts.code)
    assert "Пополните счёт на" in screen.error[0].value
    assert "confirm_order" not in [button.key for button in screen.app.button]
    screen.click("close_order")
    assert option.facts.code not in services_of(mobile).connected


def test_what_does_not_go_together_is_told_before_and_refused_by_name(mobile: int):
    services = services_of(mobile)
    names = services.catalogue
    one, other = next(
        (option, names[code])
        for option in names.values()
        for code in option.facts.excludes
        if code in names and not {code, option.facts.code} & set(services.connected)
    )
    screen = press(on_services(mobile), one.facts.code)
    assert f"Не сочетается с «{other.name}»" in [text.value for text in screen.app.caption]
    screen.click("close_order")
    with transaction() as db:
        db.add(Subscription(billing_account_id=mobile, option_id=other.option_id, started_on=clock.today()))
    press(screen, one.facts.code)
    assert f"«{other.name}»" in screen.error[0].value
    assert "confirm_order" not in [button.key for button in screen.app.button]


def test_who_may_only_pay_sees_the_services_and_cannot_switch_them(seeded_db: sa.Engine):
    with reading() as db:
        account_id = db.exec(
            select(Attachment.billing_account_id).where(
                Attachment.customer_id == customer_of("family"), Attachment.right == Right.PAY
            )
        ).one()
    screen = on_services(account_id)
    assert screen.app.toggle
    assert all(one.disabled for one in screen.app.toggle)
    assert "оплата" in screen.info[0].value


def test_a_blocked_account_cannot_change_its_services(seeded_db: sa.Engine):
    with reading() as db:
        account_id = db.exec(
            select(BillingAccount.id)
            .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
            .where(Attachment.customer_id == customer_of("debtor"), BillingAccount.status == AccountStatus.BLOCKED)
        ).first()
    assert account_id is not None
    screen = on_services(account_id, persona="debtor")
    assert all(one.disabled for one in screen.app.toggle)
    assert "Счёт сейчас не работает" in screen.info[0].value


@pytest.mark.parametrize("language", list(Language))
def test_the_account_in_the_address_is_the_one_that_is_shown(mobile: int, language: Language):
    screen = on_services(mobile, language=language)
    assert screen.selectbox(key="account_picker").value == str(mobile)
    services = services_of(mobile)
    with speaking(language):
        assert money(services.balance_kopecks) in [metric.value for metric in screen.metric]


def test_choosing_an_account_puts_its_id_and_nothing_else_into_the_address(mobile: int):
    screen = open_screen("services", persona="family")
    screen.selectbox(key="account_picker").set_value(str(mobile))
    screen.run()
    assert screen.app.query_params["account"] == str(mobile)


def test_somebody_elses_account_in_the_address_shows_ones_own(seeded_db: sa.Engine):
    with reading() as db:
        mine = db.exec(select(Attachment.billing_account_id).where(Attachment.customer_id == customer_of("family"))).all()
        foreign = db.exec(select(BillingAccount.id).where(col(BillingAccount.id).not_in(mine))).first()
    assert foreign is not None
    screen = on_services(foreign)
    assert int(screen.selectbox(key="account_picker").value) in mine


def test_the_month_with_options_leaves_out_what_was_paid_once(mobile: int):
    before = services_of(mobile)
    once = next(option for option in before.catalogue.values() if option.facts.recurrence is Recurrence.ONCE)
    with transaction() as db:
        db.add(
            Subscription(
                billing_account_id=mobile,
                option_id=once.option_id,
                started_on=clock.today(),
                ends_on=clock.today() + timedelta(days=9),
            )
        )
    after = services_of(mobile)
    assert once.facts.code in after.connected
    assert after.monthly_kopecks == before.monthly_kopecks
    assert "Действует до" in on_services(mobile).says


@pytest.mark.parametrize("language", list(Language))
def test_without_accounts_the_screen_says_what_will_be_here(seeded_db: sa.Engine, language: Language):
    screen = open_screen("services", persona="newcomer", language=language)
    assert screen.button("attach_first")
    assert not screen.app.toggle


def test_a_refused_order_says_why_in_the_list(mobile: int):
    option = allowed(services_of(mobile), CONNECT)
    now = datetime.now(UTC)
    with transaction() as db:
        db.add(
            Order(
                billing_account_id=mobile,
                option_id=option.option_id,
                kind=CONNECT,
                state=OrderState.REFUSED,
                key="refused",
                now_kopecks=100,
                monthly_kopecks=0,
                effective_on=now.date(),
                placed_at=now,
                due_at=now,
                closed_at=now,
                reason="not_enough_money",
            )
        )
    assert "не хватило денег" in on_services(mobile).says


# --- for points -------------------------------------------------------------------------------------
def give_points(points: int) -> None:
    """The family's only points."""
    person, today = customer_of("family"), clock.today()
    with transaction() as db:
        world = World(db)
        for lot in db.exec(select(BonusLot).where(col(BonusLot.customer_id) == person, col(BonusLot.remaining) > 0)).all():
            world.save(BonusEntry(customer_id=person, lot_id=lot.id, kind=BonusKind.SPENT, points=-lot.remaining,
                                  key=f"away:{lot.id}", occurred_at=clock.now()))  # fmt: skip
            lot.remaining = 0
        world.number = 10 * points
        world.lot(db.get_one(Customer, person), points, today, add_months(today, 12))


def with_points(screen: Screen) -> bool:
    return any(one.key == "confirm_with_points" for one in screen.app.button)


@pytest.mark.parametrize(
    ("language", "label", "note"),
    [(Language.RU, "Баллами:", "Можно баллами: спишем"), (Language.EN, "With points:", "Or with points: we take")],
)
def test_an_option_is_paid_with_points_when_there_are_enough(mobile: int, language: Language, label: str, note: str):
    services = services_of(mobile)
    option = allowed(services, CONNECT)
    needed = -(-quote(services, option, CONNECT, clock.today()).now_kopecks // 100)
    give_points(needed - 1)
    screen = on_services(mobile, language=language)
    toggle(screen, option.facts.code).set_value(True)
    assert not with_points(screen.run())
    give_points(needed)
    screen = on_services(mobile, language=language)
    toggle(screen, option.facts.code).set_value(True)
    screen.run()
    assert screen.button("confirm_with_points").label == f"{label} {needed}"
    assert any(note in said.value for said in screen.caption)
    screen.click("confirm_with_points")
    after = services_of(mobile)
    assert option.facts.code in after.connected
    assert after.balance_kopecks == services.balance_kopecks + needed * 100 - after.orders[0].now_kopecks
    with reading() as db:
        assert open_lots(db, visitor=visitor_of(customer_of("family")), today=clock.today()) == []


def test_without_money_points_are_the_one_way_and_the_terms_are_told_all_the_same(mobile: int):
    option = allowed(services_of(mobile), CONNECT)
    give_points(5_000)
    everything = services_of(mobile).balance_kopecks
    with transaction() as db:
        post(db, account_id=mobile, code=TransferCode.ONE_OFF, amount_kopecks=everything, key="all", occurred_at=clock.now())
    screen = on_services(mobile)
    toggle(screen, option.facts.code).set_value(True)
    screen.run()
    assert not [one for one in screen.app.button if one.key == "confirm_order"]
    assert "Пополните счёт" in screen.error[0].value
    assert any("Спишется сейчас" in str(table.value) for table in screen.table)
    screen.click("confirm_with_points")
    assert option.facts.code in services_of(mobile).connected


def test_points_are_not_offered_for_what_costs_nothing_now(mobile: int):
    give_points(5_000)
    services = services_of(mobile)
    screen = on_services(mobile)
    toggle(screen, allowed(services, CONNECT, paid=False).facts.code).set_value(True)
    assert not with_points(screen.run())
    with transaction() as db:
        db.execute(sa.update(BillingAccount).where(col(BillingAccount.id) == mobile).values(mode=BillingMode.POSTPAID))
    screen = on_services(mobile)
    toggle(screen, allowed(services_of(mobile), CONNECT).facts.code).set_value(True)
    assert not with_points(screen.run())
