"""Options are connected and disconnected as confirmed: at the price agreed, once, by who may, and nothing in between."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions import perform
from actions.ledger import post
from actions.orders import Placed, cancel_order, place_order
from actions.provisioning import carry_out_due, end_what_ran_out
from db import reading, transaction
from db.check import faults
from models import (
    Attachment,
    BillingAccount,
    Customer,
    LedgerAccount,
    Option,
    OptionPrice,
    OptionRegion,
    OptionRelation,
    Order,
    OrderEvent,
    Subscription,
    Transfer,
)
from queries.options import AccountServices, account_services
from rules.refusals import (
    AccountNotActive,
    KeyReused,
    NotAllowed,
    NotEnoughMoney,
    OptionAlreadyConnected,
    OptionExcluded,
    OptionNeededBy,
    OptionNeeds,
    OptionUnavailable,
    OrderPending,
    OrderTooLate,
    PriceChanged,
    RightTooLow,
)
from rules.terms import (
    AccountStatus,
    BillingMode,
    Language,
    LedgerKind,
    OptionGroup,
    OptionRelationKind,
    OrderKind,
    OrderState,
    Recurrence,
    Right,
    Role,
    ServiceKind,
    TransferCode,
)
from rules.visitor import Visitor

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
TODAY = date(2026, 11, 16)
"""Fifteen of November's thirty days are left, the 16th included: half a month's price."""

CONNECT, DISCONNECT = OrderKind.CONNECT, OrderKind.DISCONNECT


@dataclass
class World:
    """A customer with two mobile accounts, one for each way of paying, and a small catalogue."""

    prepaid: int
    postpaid: int
    owner: Visitor
    options: dict[str, int]

    def order(self, option: str, kind: OrderKind = CONNECT, confirmed: int = 0, **more: Any) -> Placed:
        given: dict[str, Any] = {"visitor": self.owner, "account_id": self.prepaid, "key": f"{option}-{kind}", **more}
        return perform(place_order, option_id=self.options[option], kind=kind, confirmed_kopecks=confirmed, **given)

    def services(self, account_id: int | None = None, day: date | None = None) -> AccountServices:
        with reading() as db:
            return account_services(
                db, visitor=self.owner, account_id=account_id or self.prepaid, today=day or clock.today("Europe/Moscow")
            )

    def balance(self, account_id: int | None = None) -> int:
        return self.services(account_id).balance_kopecks


def _visitor(customer_id: int, language: Language = Language.RU) -> Visitor:
    return Visitor(customer_id, 1, Role.CUSTOMER, "Анна", language, "RU-MOW", "Europe/Moscow")


def _save(db: Session, row: Any) -> Any:
    db.add(row)
    db.flush()
    return row


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""

    def move(now: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: now)

    move(NOW)
    return move


@pytest.fixture
def world(db: sa.Engine, at: Callable[[datetime], None]) -> World:
    with transaction() as session:
        owner = _save(session, Customer(last_name="Ким", first_name="Анна", region_code="RU-MOW"))
        accounts = []
        for number, mode in (("9000000018", BillingMode.PREPAID), ("9000000026", BillingMode.POSTPAID)):
            account = _save(
                session,
                BillingAccount(
                    number=number,
                    holder_id=owner.id,
                    service=ServiceKind.MOBILE,
                    mode=mode,
                    status_since_on=date(2025, 1, 1),
                    region_code="RU-MOW",
                    opened_on=date(2025, 1, 1),
                ),
            )
            _save(session, LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=account.id))
            right = Attachment(
                customer_id=owner.id, billing_account_id=account.id, right=Right.MANAGE, attached_at=NOW, position=len(accounts)
            )
            _save(session, right)
            accounts.append(account.id)
        options = {}
        for code, name, price, more in (
            ("social", "Соцсети", 9_000, {}),
            ("all", "Безлимит", 30_000, {}),
            ("hd", "Видео в HD", 5_000, {}),
            ("free", "Кто звонил", 0, {}),
            ("pack", "Ещё 10 ГБ", 15_000, {"recurrence": Recurrence.ONCE}),
            ("address", "Постоянный адрес", 6_000, {"provisioning_minutes": 120}),
            ("static", "Свой адрес", 6_000, {"provisioning_minutes": 2880}),
            ("far", "Дальний восток", 1_000, {}),
            ("tv", "Кинозал", 1_000, {"service": ServiceKind.TV}),
        ):
            given = {"service": ServiceKind.MOBILE, "group": OptionGroup.INTERNET, "name_en": f"{code} in English", **more}
            options[code] = _save(session, Option(code=code, name_ru=name, **given)).id
            _save(session, OptionPrice(option_id=options[code], valid_from_on=date(2024, 1, 1), price_kopecks=price))
        for one, other, kind in (("social", "all", OptionRelationKind.EXCLUDES), ("hd", "all", OptionRelationKind.NEEDS)):
            _save(session, OptionRelation(option_id=options[one], other_id=options[other], kind=kind))
        _save(session, OptionRegion(option_id=options["far"], region_code="RU-PRI"))
        post(
            session,
            account_id=accounts[0],
            code=TransferCode.BONUS_SPENT,
            amount_kopecks=50_000,
            key="start",
            occurred_at=NOW,
        )
    return World(accounts[0], accounts[1], _visitor(owner.id), options)


def _agrees() -> bool:
    with reading() as db:
        return faults(db.connection()) == []


def _states(order_id: int) -> list[OrderState]:
    with reading() as db:
        wanted = select(OrderEvent.state).where(col(OrderEvent.order_id) == order_id).order_by(col(OrderEvent.id))
        return list(db.exec(wanted).all())


def _set(model: type, where: Any, **values: Any) -> None:
    with transaction() as db:
        db.execute(sa.update(model).where(where).values(**values))


# --- connecting -------------------------------------------------------------------------------------
def test_a_prepaid_connect_takes_the_rest_of_the_month_and_works_at_once(world: World):
    placed = world.order("social", confirmed=4_500)
    assert placed.state is OrderState.DONE
    assert _states(placed.order_id) == [OrderState.ACCEPTED, OrderState.IN_PROGRESS, OrderState.DONE]
    services = world.services()
    assert services.connected == {"social": TODAY}
    assert services.balance_kopecks == 50_000 - 4_500
    with reading() as db:
        charge = db.exec(select(Transfer).where(col(Transfer.option_id) == world.options["social"])).one()
    assert (charge.code, charge.amount_kopecks, charge.billing_account_id) == (TransferCode.OPTION_FEE, 4_500, world.prepaid)
    assert _agrees()


def test_a_postpaid_connect_takes_nothing_now_but_on_the_bill(world: World):
    placed = world.order("social", confirmed=4_500, account_id=world.postpaid)
    assert placed.state is OrderState.DONE
    services = world.services(world.postpaid)
    assert (services.balance_kopecks, set(services.connected)) == (0, {"social"})
    with reading() as db:
        assert db.exec(select(Transfer).where(col(Transfer.billing_account_id) == world.postpaid)).all() == []


def test_a_free_option_moves_no_money(world: World):
    world.order("free")
    assert set(world.services().connected) == {"free"}
    assert world.balance() == 50_000


def test_a_one_off_option_costs_its_whole_price_and_ends_with_the_month(world: World, at: Callable[[datetime], None]):
    world.order("pack", confirmed=15_000)
    services = world.services()
    assert services.ends_on == {"pack": date(2026, 12, 1)}
    assert services.balance_kopecks == 35_000
    with reading() as db:
        assert (
            db.exec(select(Transfer.code).where(col(Transfer.option_id) == world.options["pack"])).one() is TransferCode.ONE_OFF
        )

    before, after = datetime(2026, 11, 30, 20, 59, tzinfo=UTC), datetime(2026, 11, 30, 21, tzinfo=UTC)
    at(before)  # a minute to midnight in Moscow
    assert end_what_ran_out(before) == 0
    assert set(world.services().connected) == {"pack"}
    at(after)
    assert set(world.services().connected) == set()  # not shown, though no job has come yet
    assert end_what_ran_out(after) == 1
    assert end_what_ran_out(after) == 0
    with reading() as db:
        assert db.exec(select(Subscription.ended_on)).one() == date(2026, 12, 1)


def test_a_one_off_option_can_be_taken_again_next_month_though_nobody_closed_the_old_one(
    world: World, at: Callable[[datetime], None]
):
    world.order("pack", confirmed=15_000)
    at(datetime(2026, 12, 2, 9, tzinfo=UTC))
    assert world.order("pack", confirmed=15_000, key="again").state is OrderState.DONE
    with reading() as db:
        rows = db.exec(select(Subscription).order_by(col(Subscription.id))).all()
    assert [(row.started_on, row.ended_on) for row in rows] == [(TODAY, date(2026, 12, 1)), (date(2026, 12, 2), None)]


# --- what is refused --------------------------------------------------------------------------------
def test_a_price_other_than_the_confirmed_one_is_refused_and_named(world: World):
    _set(OptionPrice, col(OptionPrice.option_id) == world.options["social"], price_kopecks=10_000)
    with pytest.raises(PriceChanged) as refused:
        world.order("social", confirmed=4_500)
    assert refused.value.facts == {"price_kopecks": 5_000}
    assert world.services().connected == {}
    assert world.balance() == 50_000


def test_an_order_beyond_the_balance_names_the_shortfall_and_leaves_no_trace(world: World):
    _set(OptionPrice, col(OptionPrice.option_id) == world.options["social"], price_kopecks=100_002)
    with pytest.raises(NotEnoughMoney) as refused:
        world.order("social", confirmed=50_001)
    assert refused.value.facts == {"price_kopecks": 50_001, "balance_kopecks": 50_000, "missing_kopecks": 1}
    assert world.services().orders == ()
    assert world.balance() == 50_000


def test_options_that_exclude_each_other_are_named_in_the_visitors_language(world: World):
    world.order("all", confirmed=15_000)
    with pytest.raises(OptionExcluded) as refused:
        world.order("social", confirmed=4_500)
    assert refused.value.facts == {"option": "Соцсети", "other": "Безлимит"}
    english = _visitor(world.owner.customer_id, Language.EN)
    with pytest.raises(OptionExcluded) as refused:
        world.order("social", confirmed=4_500, visitor=english)
    assert refused.value.facts == {"option": "social in English", "other": "all in English"}


def test_what_an_option_needs_comes_first_and_cannot_go_before_it(world: World):
    with pytest.raises(OptionNeeds) as needs:
        world.order("hd", confirmed=2_500)
    assert needs.value.facts == {"option": "Видео в HD", "other": "Безлимит"}
    world.order("all", confirmed=15_000)
    world.order("hd", confirmed=2_500, key="now")
    with pytest.raises(OptionNeededBy) as needed:
        world.order("all", DISCONNECT)
    assert needed.value.facts == {"option": "Безлимит", "other": "Видео в HD"}


@pytest.mark.parametrize("option", ["far", "tv"], ids=["another region", "another service"])
def test_what_is_not_offered_here_cannot_be_ordered(world: World, option: str):
    with pytest.raises(OptionUnavailable) as refused:
        world.order(option, confirmed=500)
    assert refused.value.facts["option"] in ("Дальний восток", "Кинозал")


@pytest.mark.parametrize("status", [AccountStatus.BLOCKED, AccountStatus.SUSPENDED])
def test_an_account_that_does_not_work_changes_nothing(world: World, status: AccountStatus):
    _set(BillingAccount, col(BillingAccount.id) == world.prepaid, status=status)
    with pytest.raises(AccountNotActive):
        world.order("social", confirmed=4_500)


def test_what_is_connected_cannot_be_connected_again(world: World):
    world.order("social", confirmed=4_500)
    with pytest.raises(OptionAlreadyConnected):
        world.order("social", confirmed=4_500, key="other")


@pytest.mark.parametrize("right", [Right.VIEW, Right.PAY])
def test_only_who_may_manage_orders_and_takes_back(world: World, right: Right):
    pending = world.order("address", confirmed=3_000)
    _set(Attachment, col(Attachment.billing_account_id) == world.prepaid, right=right)
    with pytest.raises(RightTooLow):
        world.order("social", confirmed=4_500)
    with pytest.raises(RightTooLow):
        perform(cancel_order, visitor=world.owner, order_id=pending.order_id)


def test_an_option_that_does_not_exist_is_answered_like_what_is_not_theirs(world: World):
    world.options["none"] = 999_999
    with pytest.raises(NotAllowed):
        world.order("none")


# --- once -------------------------------------------------------------------------------------------
def test_a_double_click_is_one_order(world: World):
    first, again = world.order("social", confirmed=4_500), world.order("social", confirmed=4_500)
    assert again == first
    assert world.balance() == 45_500


def test_a_key_used_for_something_else_is_refused(world: World):
    world.order("social", confirmed=4_500, key="k")
    with pytest.raises(KeyReused):
        world.order("free", key="k")


def test_ten_double_clicks_at_once_are_one_order(world: World):
    with ThreadPoolExecutor(10) as pool:
        placed = list(pool.map(lambda _: world.order("social", confirmed=4_500), range(10)))
    assert len({one.order_id for one in placed}) == 1
    assert world.balance() == 45_500
    assert _agrees()


def test_ten_windows_connect_an_option_once(world: World):
    def one(number: int) -> bool:
        try:
            world.order("social", confirmed=4_500, key=f"window {number}")
        except (OptionAlreadyConnected, OrderPending):
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(one, range(10))) == 1
    assert world.balance() == 45_500
    assert _agrees()


# --- orders that take time --------------------------------------------------------------------------
def test_what_takes_work_waits_shows_as_pending_and_takes_money_only_when_done(world: World, at: Callable[[datetime], None]):
    placed = world.order("address", confirmed=3_000)
    assert placed.state is OrderState.ACCEPTED
    services = world.services()
    assert (set(services.connected), set(services.pending), services.balance_kopecks) == (set(), {"address"}, 50_000)
    with pytest.raises(OrderPending):
        world.order("address", confirmed=3_000, key="other")

    assert carry_out_due(NOW + timedelta(minutes=119)) == 0
    assert carry_out_due(NOW + timedelta(minutes=120)) == 1
    services = world.services()
    assert (set(services.connected), services.pending, services.balance_kopecks) == ({"address"}, {}, 47_000)
    assert _states(placed.order_id) == [OrderState.ACCEPTED, OrderState.IN_PROGRESS, OrderState.DONE]
    assert carry_out_due(NOW + timedelta(days=1)) == 0
    assert _agrees()


def test_an_order_is_refused_with_its_reason_when_the_money_went_meanwhile(world: World):
    placed = world.order("address", confirmed=3_000)
    with transaction() as db:
        given = {"account_id": world.prepaid, "key": "spent", "occurred_at": NOW}
        post(db, code=TransferCode.PLAN_FEE, amount_kopecks=47_001, **given)
    carry_out_due(NOW + timedelta(hours=3))
    services = world.services()
    assert (services.connected, services.balance_kopecks) == ({}, 2_999)
    assert (services.orders[0].state, services.orders[0].reason) == (OrderState.REFUSED, NotEnoughMoney.code)
    assert _states(placed.order_id)[-1] is OrderState.REFUSED
    assert _agrees()


def test_an_order_is_refused_when_the_account_was_stopped_meanwhile(world: World):
    world.order("address", confirmed=3_000)
    _set(BillingAccount, col(BillingAccount.id) == world.prepaid, status=AccountStatus.BLOCKED)
    carry_out_due(NOW + timedelta(hours=3))
    services = world.services()
    assert (services.connected, services.balance_kopecks) == ({}, 50_000)
    assert (services.orders[0].state, services.orders[0].reason) == (OrderState.REFUSED, AccountNotActive.code)


def test_eight_workers_carry_out_each_order_once(world: World):
    world.order("address", confirmed=3_000)
    world.order("address", confirmed=3_000, account_id=world.postpaid)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: carry_out_due(NOW + timedelta(hours=3)), range(8)))
    assert sum(done) == 2
    assert world.balance() == 47_000
    assert _agrees()


def test_an_order_that_breaks_does_not_keep_the_others_waiting(world: World, monkeypatch: pytest.MonkeyPatch):
    broken = world.order("address", confirmed=3_000)
    world.order("address", confirmed=3_000, account_id=world.postpaid)
    from actions import provisioning

    real = provisioning.carry_out

    def sometimes(db: Session, order: Order, **given: Any) -> None:
        if order.id == broken.order_id:
            raise RuntimeError("the switch does not answer")
        real(db, order, **given)

    monkeypatch.setattr(provisioning, "carry_out", sometimes)
    assert carry_out_due(NOW + timedelta(hours=3)) == 1
    assert set(world.services(world.postpaid).connected) == {"address"}
    assert set(world.services().pending) == {"address"}


# --- taking back and disconnecting ------------------------------------------------------------------
def test_a_pending_order_can_be_taken_back_for_nothing(world: World):
    placed = world.order("address", confirmed=3_000)
    perform(cancel_order, visitor=world.owner, order_id=placed.order_id)
    assert carry_out_due(NOW + timedelta(days=1)) == 0
    services = world.services()
    assert (services.connected, services.pending, services.balance_kopecks) == ({}, {}, 50_000)
    assert services.orders[0].state is OrderState.CANCELLED
    assert world.order("address", confirmed=3_000, key="again").state is OrderState.ACCEPTED


def test_what_is_done_cannot_be_taken_back(world: World):
    placed = world.order("social", confirmed=4_500)
    with pytest.raises(OrderTooLate):
        perform(cancel_order, visitor=world.owner, order_id=placed.order_id)


def test_taken_back_and_carried_out_at_once_is_one_or_the_other(world: World):
    placed = world.order("address", confirmed=3_000)

    def take_back(_: int) -> None:
        try:
            perform(cancel_order, visitor=world.owner, order_id=placed.order_id)
        except OrderTooLate:
            return

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(take_back, 0), pool.submit(carry_out_due, NOW + timedelta(hours=3))]
        for one in both:
            one.result()
    services = world.services()
    state = services.orders[0].state
    assert state in (OrderState.DONE, OrderState.CANCELLED)
    assert (services.balance_kopecks == 47_000) is (set(services.connected) == {"address"}) is (state is OrderState.DONE)


def test_a_paid_option_works_to_the_end_of_its_month(world: World, at: Callable[[datetime], None]):
    world.order("social", confirmed=4_500)
    placed = world.order("social", DISCONNECT)
    assert (placed.state, placed.effective_on) == (OrderState.ACCEPTED, date(2026, 12, 1))
    assert set(world.services().connected) == {"social"}
    assert carry_out_due(datetime(2026, 11, 30, 20, 59, tzinfo=UTC)) == 0
    midnight = datetime(2026, 11, 30, 21, tzinfo=UTC)
    at(midnight)
    assert carry_out_due(midnight) == 1
    assert world.services().connected == {}
    with reading() as db:
        assert db.exec(select(Subscription.ended_on)).one() == date(2026, 12, 1)
    assert world.balance() == 45_500


def test_a_disconnect_can_be_taken_back_and_the_option_stays(world: World, at: Callable[[datetime], None]):
    world.order("social", confirmed=4_500)
    placed = world.order("social", DISCONNECT)
    perform(cancel_order, visitor=world.owner, order_id=placed.order_id)
    assert carry_out_due(datetime(2026, 12, 2, tzinfo=UTC)) == 0
    assert set(world.services(day=date(2026, 12, 2)).connected) == {"social"}


def test_a_free_option_goes_at_once(world: World):
    world.order("free")
    assert world.order("free", DISCONNECT).state is OrderState.DONE
    assert world.services().connected == {}


def test_days_are_those_of_the_accounts_region(world: World, at: Callable[[datetime], None]):
    """In Vladivostok it is the 1st already while Moscow still has the 30th."""
    _set(BillingAccount, col(BillingAccount.id) == world.prepaid, region_code="RU-PRI")
    at(datetime(2026, 11, 30, 15, tzinfo=UTC))
    world.order("social", confirmed=9_000)
    with reading() as db:
        assert db.exec(select(Subscription.started_on)).one() == date(2026, 12, 1)


# --- what takes days --------------------------------------------------------------------------------
def test_nobody_pays_for_the_days_before_it_works(world: World, at: Callable[[datetime], None]):
    placed = world.order("static", confirmed=2_600)  # 13 of November's 30 days, from the 18th on
    assert placed.state is OrderState.ACCEPTED
    assert placed.effective_on == date(2026, 11, 18)
    at(NOW + timedelta(days=2, minutes=1))
    carry_out_due(clock.now())
    services = world.services(day=date(2026, 11, 18))
    assert services.connected == {"static": date(2026, 11, 18)}
    assert services.balance_kopecks == 50_000 - 2_600
    assert _agrees()


def test_what_begins_next_month_costs_that_month(world: World, at: Callable[[datetime], None]):
    at(datetime(2026, 11, 30, 9, tzinfo=UTC))
    placed = world.order("static", confirmed=5_806)  # 30 of December's 31 days
    assert placed.effective_on == date(2026, 12, 2)
