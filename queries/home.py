"""The home screen: every account with what it costs, what falls due, how long the money lasts, and what needs attention."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import and_, case
from sqlmodel import Session, col, func, select

from db import access
from models import (
    Attachment,
    AutopayRule,
    Bill,
    BillingAccount,
    BonusLot,
    Customer,
    LedgerAccount,
    Option,
    OptionPrice,
    Plan,
    PlanPrice,
    Subscription,
    Transfer,
)
from queries.figures import accounting_month, month_begins_at
from rules.due import Due, OpenBill, Runway, runway, what_is_due
from rules.periods import previous_month
from rules.terms import CHARGE_CODES, AccountStatus, AutopayState, BillingMode, Language, Recurrence, Right, ServiceKind
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class AccountCard:
    """One account on the home screen. Sums in kopecks; a month's cost is plan and monthly options at today's prices."""

    account_id: int
    label: str
    service: ServiceKind
    holder: str
    is_own: bool
    right: Right
    status: AccountStatus
    status_since_on: date
    mode: BillingMode
    address: str
    service_phone: str | None
    plan: str
    monthly_kopecks: int
    balance_kopecks: int
    due: Due
    runway: Runway
    autopay: AutopayState | None
    """The state of the autopay rules for it: active if one is, else paused; None without any."""


@dataclass(frozen=True, slots=True)
class HomeSummary:
    """Totals over the visitor's accounts, and their points."""

    accounts: tuple[AccountCard, ...]
    due_kopecks: int
    due_on: date | None
    overdue_kopecks: int
    balance_kopecks: int
    """What stands on accounts that are above zero."""
    points: int
    points_expiring: int
    points_expire_on: date | None
    spent_kopecks: int
    """Charged this accounting month."""
    spent_before_kopecks: int
    """Charged in the same part of the month before."""


def home(db: Session, *, visitor: Visitor, today: date, now: datetime) -> HomeSummary:
    """Everything on the home screen; `today` in the visitor's region, `now` aware UTC."""
    rows = db.execute(
        select(Attachment, BillingAccount, Customer, LedgerAccount.balance_kopecks)
        .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
        .join(Customer, col(Customer.id) == col(BillingAccount.holder_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .where(col(Attachment.customer_id) == visitor.customer_id, col(Attachment.detached_at).is_(None))
        .order_by(col(Attachment.position), col(Attachment.id))
    ).all()
    ids = [account.id for _, account, _, _ in rows]
    monthly, plans = _monthly_costs(db, visitor, ids, today)
    bills = _bills(db, ids)
    autopay = _autopay(db, ids)
    cards = tuple(
        AccountCard(
            account_id=account.id,
            label=attachment.label,
            service=account.service,
            holder=f"{holder.first_name} {holder.last_name}",
            is_own=holder.id == visitor.customer_id,
            right=attachment.right,
            status=account.status,
            status_since_on=account.status_since_on,
            mode=account.mode,
            address=account.address,
            service_phone=account.service_phone,
            plan=plans.get(account.id, ""),
            monthly_kopecks=monthly.get(account.id, 0),
            balance_kopecks=balance,
            due=what_is_due(
                balance_kopecks=balance,
                mode=account.mode,
                bills=bills[account.id],
                today=today,
            ),
            runway=runway(
                balance_kopecks=balance,
                monthly_kopecks=monthly.get(account.id, 0) if account.mode is BillingMode.PREPAID else 0,
                today=today,
            ),
            autopay=autopay.get(account.id),
        )
        for attachment, account, holder, balance in rows
    )
    points, expiring, expire_on = _points(db, visitor, today)
    spent, before = _spent(db, visitor, now)
    return HomeSummary(
        accounts=cards,
        due_kopecks=sum(card.due.amount_kopecks for card in cards),
        due_on=min((card.due.due_on for card in cards if card.due.due_on), default=None),
        overdue_kopecks=sum(card.due.overdue_kopecks for card in cards),
        balance_kopecks=sum(max(0, card.balance_kopecks) for card in cards),
        points=points,
        points_expiring=expiring,
        points_expire_on=expire_on,
        spent_kopecks=spent,
        spent_before_kopecks=before,
    )


def _monthly_costs(db: Session, visitor: Visitor, ids: list[int], today: date) -> tuple[dict[int, int], dict[int, str]]:
    """Account → what a month costs today; account → the name of its plan."""
    english = visitor.language is Language.EN
    plan_day = select(func.max(PlanPrice.valid_from_on)).where(
        col(PlanPrice.plan_id) == col(Subscription.plan_id), col(PlanPrice.valid_from_on) <= today
    )
    option_day = select(func.max(OptionPrice.valid_from_on)).where(
        col(OptionPrice.option_id) == col(Subscription.option_id), col(OptionPrice.valid_from_on) <= today
    )
    rows = db.execute(
        select(
            Subscription.billing_account_id,
            Plan.name_en if english else Plan.name_ru,
            PlanPrice.monthly_kopecks,
            OptionPrice.price_kopecks,
        )
        .outerjoin(Plan, col(Plan.id) == col(Subscription.plan_id))
        .outerjoin(
            PlanPrice,
            and_(
                col(PlanPrice.plan_id) == col(Subscription.plan_id),
                col(PlanPrice.valid_from_on) == plan_day.correlate(Subscription).scalar_subquery(),
            ),
        )
        .outerjoin(Option, and_(col(Option.id) == col(Subscription.option_id), col(Option.recurrence) == Recurrence.MONTHLY))
        .outerjoin(
            OptionPrice,
            and_(
                col(OptionPrice.option_id) == col(Option.id),
                col(OptionPrice.valid_from_on) == option_day.correlate(Subscription).scalar_subquery(),
            ),
        )
        .where(
            col(Subscription.billing_account_id).in_(ids),
            col(Subscription.billing_account_id).in_(access.reachable(visitor)),
            col(Subscription.ended_on).is_(None),
        )
    )
    costs: dict[int, int] = defaultdict(int)
    plans: dict[int, str] = {}
    for account_id, plan, fee, price in rows:
        costs[account_id] += (fee or 0) + (price or 0)
        if plan is not None:
            plans[account_id] = plan
    return costs, plans


def _bills(db: Session, ids: list[int]) -> dict[int, list[OpenBill]]:
    """Account → its newest twelve bills, oldest first. Postpaid charges are posted with their bill, so none is unbilled."""
    ranked = (
        select(
            col(Bill.id),
            func.row_number().over(partition_by=col(Bill.billing_account_id), order_by=col(Bill.month_on).desc()).label("place"),
        )
        .where(col(Bill.billing_account_id).in_(ids))
        .subquery()
    )
    bills: dict[int, list[OpenBill]] = defaultdict(list)
    newest = select(Bill).join(ranked, ranked.c.id == col(Bill.id)).where(ranked.c.place <= 12).order_by(col(Bill.month_on))
    for bill in db.exec(newest):
        bills[bill.billing_account_id].append(OpenBill(bill.id, bill.number, bill.total_kopecks, bill.due_on))
    return bills


def _autopay(db: Session, ids: list[int]) -> dict[int, AutopayState]:
    is_active = case((col(AutopayRule.state) == AutopayState.ACTIVE, 1), else_=0)
    rows = db.execute(
        select(col(AutopayRule.billing_account_id), func.max(is_active))
        .where(col(AutopayRule.billing_account_id).in_(ids), col(AutopayRule.state) != AutopayState.DELETED)
        .group_by(col(AutopayRule.billing_account_id))
    )
    return {account_id: AutopayState.ACTIVE if active else AutopayState.PAUSED for account_id, active in rows}


def _points(db: Session, visitor: Visitor, today: date) -> tuple[int, int, date | None]:
    """Points now; how many go first, and when."""
    rows = db.execute(
        select(col(BonusLot.expires_on), func.sum(col(BonusLot.remaining)))
        .where(col(BonusLot.customer_id) == visitor.customer_id, col(BonusLot.remaining) > 0, col(BonusLot.expires_on) > today)
        .group_by(col(BonusLot.expires_on))
        .order_by(col(BonusLot.expires_on))
    ).all()
    total = sum(points for _, points in rows)
    soon = [(points, on) for on, points in rows if on <= today + timedelta(days=60)]
    return total, sum(points for points, _ in soon), soon[-1][1] if soon else None


def _spent(db: Session, visitor: Visitor, now: datetime) -> tuple[int, int]:
    """Charged since the month began, and in as long a part of the month before."""
    month = accounting_month(now)
    began, began_before = month_begins_at(month), month_begins_at(previous_month(month))
    until_before = min(began, began_before + (now - began))
    charged = select(
        func.sum(case((col(Transfer.occurred_at) >= began, col(Transfer.amount_kopecks)), else_=0)),
        func.sum(case((col(Transfer.occurred_at) < until_before, col(Transfer.amount_kopecks)), else_=0)),
    ).where(
        col(Transfer.billing_account_id).in_(access.reachable(visitor)),
        col(Transfer.occurred_at) >= began_before,
        col(Transfer.code).in_(CHARGE_CODES),
    )
    this, before = db.execute(charged).one()
    return this or 0, before or 0
