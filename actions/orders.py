"""Orders: connecting and disconnecting options. What is connected is the subscription; an order only leads there."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

import clock
from actions.ledger import post
from actions.notices import notify
from actions.performing import action
from db import access
from models import BillingAccount, Option, Order, OrderEvent, Region, Subscription
from queries.options import AccountServices, CatalogueOption, account_services
from rules.options import check_connect, check_disconnect, quote_connect, quote_disconnect
from rules.periods import next_month
from rules.refusals import (
    AccountNotActive,
    KeyReused,
    NotAllowed,
    NotEnoughMoney,
    OptionAlreadyConnected,
    OptionUnavailable,
    OrderTooLate,
    PriceChanged,
    Refusal,
)
from rules.terms import (
    AccountStatus,
    BillingMode,
    Language,
    NoticeEvent,
    OrderKind,
    OrderState,
    Recurrence,
    Right,
    TransferCode,
)
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Quote:
    """What a person confirms. Charged now from the balance; a month after that; on this month's bill (postpaid)."""

    now_kopecks: int
    monthly_kopecks: int
    on_bill_kopecks: int
    effective_on: date
    ends_on: date | None
    minutes: int
    """How long the work takes; 0 is at once."""

    @property
    def first_kopecks(self) -> int:
        """What the first month costs, from the balance or on the bill: the sum that a person confirms."""
        return self.now_kopecks + self.on_bill_kopecks


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an order when it was placed."""

    order_id: int
    state: OrderState
    effective_on: date


def quote(services: AccountServices, option: CatalogueOption, kind: OrderKind, today: date) -> Quote:
    """Price and day of an order, or a refusal that names options as the reader knows them.

    Raises AccountNotActive, NotEnoughMoney (prepaid) and the refusals of `rules.options`.
    """
    if services.status is not AccountStatus.ACTIVE:
        raise AccountNotActive()
    try:
        if kind is OrderKind.DISCONNECT:
            check_disconnect(
                option=option.facts, connected=services.connected_facts, pending=services.pending, catalogue=services.facts
            )
            last = quote_disconnect(option=option.facts, mode=services.mode, today=today)
            return Quote(0, 0, 0, last.effective_on, None, 0)
        check_connect(
            option=option.facts,
            service=services.service,
            region_code=services.region_code,
            connected=services.connected_facts,
            pending=services.pending,
            catalogue=services.facts,
        )
    except Refusal as refusal:
        for fact in ("option", "other"):
            if refusal.facts.get(fact) in services.catalogue:
                refusal.facts[fact] = services.catalogue[refusal.facts[fact]].name
        raise
    ready_at = clock.now() + timedelta(minutes=option.provisioning_minutes)
    begins_on = max(today, ready_at.astimezone(ZoneInfo(services.time_zone)).date())
    first = quote_connect(option=option.facts, mode=services.mode, today=begins_on)  # nobody pays for days before it works
    if first.now_kopecks > 0 and services.balance_kopecks < first.now_kopecks:
        raise NotEnoughMoney(
            price_kopecks=first.now_kopecks,
            balance_kopecks=services.balance_kopecks,
            missing_kopecks=first.now_kopecks - services.balance_kopecks,
        )
    return Quote(
        first.now_kopecks,
        first.monthly_kopecks,
        first.on_bill_kopecks,
        first.effective_on,
        first.ends_on,
        option.provisioning_minutes,
    )


@action("place_order")
def place_order(
    db: Session,
    *,
    visitor: Visitor,
    account_id: int,
    option_id: int,
    kind: OrderKind,
    confirmed_kopecks: int,
    key: str,
) -> Placed:
    """Order an option on or off. `confirmed_kopecks` is the `first_kopecks` of the quote that the person agreed to.

    What needs no work and begins today is carried out at once, in the same transaction. The same key again is the same
    order. Raises NotAllowed, RightTooLow, KeyReused, PriceChanged and what `quote()` raises.
    """
    access.account(db, visitor, account_id, Right.MANAGE, lock=True)
    earlier = db.exec(select(Order).where(col(Order.billing_account_id) == account_id, col(Order.key) == key)).first()
    if earlier is not None:
        if (earlier.option_id, earlier.kind) != (option_id, kind):
            raise KeyReused()
        return Placed(earlier.id, earlier.state, earlier.effective_on)
    now = clock.now()
    today = _day(db, account_id, now)
    services = account_services(db, visitor=visitor, account_id=account_id, today=today)
    option = next((known for known in services.catalogue.values() if known.option_id == option_id), None)
    if option is None:
        unknown = db.get(Option, option_id)
        if unknown is None:
            raise NotAllowed()
        raise OptionUnavailable(option=unknown.name_en if visitor.language is Language.EN else unknown.name_ru)
    agreed = quote(services, option, kind, today)
    if agreed.first_kopecks != confirmed_kopecks:
        raise PriceChanged(price_kopecks=agreed.first_kopecks)
    due_at = now + timedelta(minutes=agreed.minutes)
    if kind is OrderKind.DISCONNECT and agreed.effective_on > today:
        due_at = _midnight(agreed.effective_on, services.time_zone)
    order = Order(
        billing_account_id=account_id,
        option_id=option_id,
        placed_by_id=visitor.customer_id,
        kind=kind,
        state=OrderState.ACCEPTED,
        key=key,
        now_kopecks=agreed.now_kopecks,
        monthly_kopecks=agreed.monthly_kopecks,
        effective_on=agreed.effective_on,
        placed_at=now,
        due_at=due_at,
    )
    db.add(order)
    db.flush()
    _note(db, order, OrderState.ACCEPTED, now, visitor.customer_id)
    if order.due_at <= now:
        carry_out(db, order, now=now, today=today)
    return Placed(order.id, order.state, order.effective_on)


@action("cancel_order")
def cancel_order(db: Session, *, visitor: Visitor, order_id: int) -> None:
    """Take an order back while it is open. Raises NotAllowed, RightTooLow, OrderTooLate."""
    order = db.exec(select(Order).where(col(Order.id) == order_id).with_for_update()).first()
    if order is None:
        raise NotAllowed()
    access.account(db, visitor, order.billing_account_id, Right.MANAGE)
    if not order.state.is_open:
        raise OrderTooLate()
    _close(db, order, OrderState.CANCELLED, clock.now(), visitor.customer_id)


def carry_out(db: Session, order: Order, *, now: datetime, today: date) -> None:
    """Do what an open order asks for: charge, connect or disconnect, and close it; or refuse it with the reason.

    The caller holds the order's lock. `today` is the account's day.
    """
    order.state = OrderState.IN_PROGRESS
    _note(db, order, OrderState.IN_PROGRESS, now, None)
    account = db.exec(
        select(BillingAccount).where(col(BillingAccount.id) == order.billing_account_id).with_for_update(key_share=True)
    ).one()
    live = db.exec(
        select(Subscription).where(
            col(Subscription.billing_account_id) == order.billing_account_id,
            col(Subscription.option_id) == order.option_id,
            col(Subscription.ended_on).is_(None),
        )
    ).first()
    if order.kind is OrderKind.DISCONNECT:
        if live is not None:
            live.ended_on = max(live.started_on, order.effective_on)
            db.add(live)
        _close(db, order, OrderState.DONE, now, None)
        return
    if live is not None and live.ends_on is not None and live.ends_on <= today:
        live.ended_on = live.ends_on  # it ran out, and nobody has closed it yet
        db.add(live)
        db.flush()
        live = None
    if live is not None:
        _close(db, order, OrderState.REFUSED, now, None, reason=OptionAlreadyConnected.code)
        return
    if account.status is not AccountStatus.ACTIVE:
        _close(db, order, OrderState.REFUSED, now, None, reason=AccountNotActive.code)
        return
    once = db.get_one(Option, order.option_id).recurrence is Recurrence.ONCE
    if order.now_kopecks:
        try:
            post(
                db,
                account_id=order.billing_account_id,
                code=TransferCode.ONE_OFF if once else TransferCode.OPTION_FEE,
                amount_kopecks=order.now_kopecks,
                key=f"order:{order.id}",
                occurred_at=now,
                option_id=order.option_id,
                floor_kopecks=0 if account.mode is BillingMode.PREPAID else None,
            )
        except NotEnoughMoney:
            _close(db, order, OrderState.REFUSED, now, None, reason=NotEnoughMoney.code)
            return
    ends_on = next_month(today) if once else None
    db.add(
        Subscription(billing_account_id=order.billing_account_id, option_id=order.option_id, started_on=today, ends_on=ends_on)
    )
    _close(db, order, OrderState.DONE, now, None)


def _close(db: Session, order: Order, state: OrderState, now: datetime, by_id: int | None, *, reason: str = "") -> None:
    order.state, order.closed_at, order.reason = state, now, reason
    db.add(order)
    db.flush()
    _note(db, order, state, now, by_id)
    if by_id is None and order.placed_by_id is not None and order.due_at > order.placed_at:
        _tell(db, order, order.placed_by_id)


def _tell(db: Session, order: Order, customer_id: int) -> None:
    """Whoever placed an order that took its time is told how it ended; what is done at once, they see being done."""
    option = db.get_one(Option, order.option_id)
    notify(
        db,
        customer_id=customer_id,
        event=NoticeEvent.ORDER_DONE,
        key=f"order:{order.id}",
        account_id=order.billing_account_id,
        kind=order.kind.value,
        name_ru=option.name_ru,
        name_en=option.name_en,
        reason=order.reason,
    )


def _note(db: Session, order: Order, state: OrderState, at: datetime, by_id: int | None) -> None:
    db.add(OrderEvent(order_id=order.id, state=state, at=at, by_id=by_id))


def _day(db: Session, account_id: int, now: datetime) -> date:
    """The calendar day it is in an account's region."""
    zone = db.exec(
        select(Region.time_zone)
        .join(BillingAccount, col(BillingAccount.region_code) == col(Region.code))
        .where(col(BillingAccount.id) == account_id)
    ).one()
    return now.astimezone(ZoneInfo(zone)).date()


def _midnight(day: date, time_zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
