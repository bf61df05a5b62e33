"""Plans and options of one account: what is on offer, what is connected, what is on its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_
from sqlmodel import Session, col, func, select

from db import access
from models import (
    BillingAccount,
    LedgerAccount,
    Option,
    OptionPrice,
    OptionRegion,
    OptionRelation,
    Order,
    Plan,
    PlanPrice,
    Region,
    Subscription,
)
from rules.options import OptionFacts
from rules.terms import (
    AccountStatus,
    BillingMode,
    Language,
    OptionGroup,
    OptionRelationKind,
    OrderKind,
    OrderState,
    Recurrence,
    Right,
    ServiceKind,
)
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class CatalogueOption:
    """An option of the catalogue, priced for a day; names and summary in one language."""

    option_id: int
    name: str
    summary: str
    provisioning_minutes: int
    facts: OptionFacts


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """The plan of an account. Allowances: None not part of it, 0 unlimited."""

    plan_id: int
    name: str
    monthly_kopecks: int
    gigabytes: int | None
    minutes: int | None
    messages: int | None
    megabits: int | None
    channels: int | None


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order; moments aware UTC."""

    order_id: int
    option_id: int
    option_name: str
    kind: OrderKind
    state: OrderState
    placed_at: datetime
    effective_on: date
    now_kopecks: int
    monthly_kopecks: int
    reason: str


@dataclass(frozen=True, slots=True)
class AccountServices:
    """All that the services screen shows of one account. `connected` are codes that work today, `pending` open orders by code."""

    account_id: int
    service: ServiceKind
    mode: BillingMode
    status: AccountStatus
    region_code: str
    time_zone: str
    balance_kopecks: int
    right: Right
    plan: PlanOffer | None
    catalogue: Mapping[str, CatalogueOption]
    connected: Mapping[str, date]
    """Code → the day it was connected."""
    ends_on: Mapping[str, date]
    """Code → the first day without it, of one-off options that work today."""
    pending: Mapping[str, OrderRow]
    orders: tuple[OrderRow, ...]
    """The newest ten, open ones included."""

    @property
    def facts(self) -> dict[str, OptionFacts]:
        return {code: option.facts for code, option in self.catalogue.items()}

    @property
    def monthly_kopecks(self) -> int:
        """What a full month costs now: the plan and the options paid by the month."""
        options = (self.catalogue[code].facts for code in self.connected)
        fee = self.plan.monthly_kopecks if self.plan else 0
        return fee + sum(option.monthly_kopecks for option in options if option.recurrence is Recurrence.MONTHLY)

    @property
    def connected_facts(self) -> dict[str, OptionFacts]:
        return {code: self.catalogue[code].facts for code in self.connected}


def catalogue_options(db: Session, *, visitor: Visitor, service: ServiceKind, today: date) -> dict[str, CatalogueOption]:
    """The options of a service with the prices of `today`, by code, in the order of the catalogue. Nobody's secret."""
    latest = (
        select(OptionPrice.option_id, func.max(OptionPrice.valid_from_on).label("valid_from_on"))
        .where(col(OptionPrice.valid_from_on) <= today)
        .group_by(col(OptionPrice.option_id))
        .subquery()
    )
    rows = db.execute(
        select(Option, OptionPrice.price_kopecks)
        .join(latest, latest.c.option_id == col(Option.id))
        .join(
            OptionPrice,
            and_(col(OptionPrice.option_id) == col(Option.id), col(OptionPrice.valid_from_on) == latest.c.valid_from_on),
        )
        .where(col(Option.service) == service)
        .order_by(col(Option.position), col(Option.id))
    ).all()
    ids = {option.id: option.code for option, _ in rows}
    regions: dict[int, set[str]] = {}
    for limited in db.exec(select(OptionRegion).where(col(OptionRegion.option_id).in_(ids))):
        regions.setdefault(limited.option_id, set()).add(limited.region_code)
    others: dict[tuple[int, OptionRelationKind], set[str]] = {}
    for relation in db.exec(select(OptionRelation).where(col(OptionRelation.option_id).in_(ids))):
        if relation.other_id in ids:
            others.setdefault((relation.option_id, relation.kind), set()).add(ids[relation.other_id])
    english = visitor.language is Language.EN
    return {
        option.code: CatalogueOption(
            option_id=option.id,
            name=option.name_en if english else option.name_ru,
            summary=option.summary_en if english else option.summary_ru,
            provisioning_minutes=option.provisioning_minutes,
            facts=OptionFacts(
                code=option.code,
                name=option.name_en if english else option.name_ru,
                group=OptionGroup(option.group),
                monthly_kopecks=price,
                recurrence=Recurrence(option.recurrence),
                excludes=frozenset(others.get((option.id, OptionRelationKind.EXCLUDES), ())),
                needs=frozenset(others.get((option.id, OptionRelationKind.NEEDS), ())),
                regions=frozenset(regions.get(option.id, ())),
                services=frozenset({ServiceKind(option.service)}),
            ),
        )
        for option, price in rows
    }


def account_services(db: Session, *, visitor: Visitor, account_id: int, today: date) -> AccountServices:
    """Everything about one account's plan, options and orders; `today` in the account's region.

    Raises NotAllowed when the account is not attached.
    """
    account = access.account(db, visitor, account_id, Right.VIEW)
    catalogue = catalogue_options(db, visitor=visitor, service=account.service, today=today)
    codes = {option.option_id: code for code, option in catalogue.items()}
    live = [
        row
        for row in db.exec(
            select(Subscription).where(
                col(Subscription.billing_account_id) == account_id,
                col(Subscription.ended_on).is_(None),
                col(Subscription.option_id).is_not(None),
            )
        )
        if row.option_id in codes and (row.ends_on is None or row.ends_on > today)
    ]
    connected = {codes[row.option_id]: row.started_on for row in live if row.option_id is not None}
    ends_on = {codes[row.option_id]: row.ends_on for row in live if row.option_id is not None and row.ends_on is not None}
    orders = tuple(
        OrderRow(
            order.id,
            order.option_id,
            catalogue[codes[order.option_id]].name,
            order.kind,
            order.state,
            order.placed_at,
            order.effective_on,
            order.now_kopecks,
            order.monthly_kopecks,
            order.reason,
        )
        for order in db.exec(
            select(Order)
            .where(col(Order.billing_account_id) == account_id)
            .order_by(col(Order.closed_at).is_(None).desc(), col(Order.placed_at).desc(), col(Order.id).desc())
            .limit(10 + len(catalogue))
        )
        if order.option_id in codes
    )
    balance, time_zone = db.execute(
        select(LedgerAccount.balance_kopecks, Region.time_zone)
        .join(BillingAccount, col(BillingAccount.id) == col(LedgerAccount.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(LedgerAccount.billing_account_id) == account_id)
    ).one()
    return AccountServices(
        account_id=account_id,
        service=account.service,
        mode=account.mode,
        status=account.status,
        region_code=account.region_code,
        time_zone=time_zone,
        balance_kopecks=balance,
        right=access.right_on(db, visitor, account_id),
        plan=_plan(db, visitor, account_id, today),
        catalogue=catalogue,
        connected=connected,
        ends_on=ends_on,
        pending={codes[order.option_id]: order for order in orders if order.state.is_open},
        orders=orders[:10],
    )


def _plan(db: Session, visitor: Visitor, account_id: int, today: date) -> PlanOffer | None:
    row = db.execute(
        select(Plan, PlanPrice.monthly_kopecks)
        .join(Subscription, col(Subscription.plan_id) == col(Plan.id))
        .join(PlanPrice, col(PlanPrice.plan_id) == col(Plan.id))
        .where(
            col(Subscription.billing_account_id) == account_id,
            col(Subscription.ended_on).is_(None),
            col(PlanPrice.valid_from_on) <= today,
        )
        .order_by(col(PlanPrice.valid_from_on).desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    plan, fee = row
    return PlanOffer(
        plan_id=plan.id,
        name=plan.name_en if visitor.language is Language.EN else plan.name_ru,
        monthly_kopecks=fee,
        gigabytes=plan.gigabytes,
        minutes=plan.minutes,
        messages=plan.messages,
        megabits=plan.megabits,
        channels=plan.channels,
    )
