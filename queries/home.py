"""The home screen: every account with what it costs, what falls due, how long the money lasts, and what needs attention."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, literal_column, union_all
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
from rules.autopay import next_run_on
from rules.due import Due, OpenBill, Runway, runway, what_is_due
from rules.periods import previous_month
from rules.terms import (
    CHARGE_CODES,
    AccountStatus,
    AutopayState,
    AutopayTrigger,
    BillingMode,
    Language,
    Recurrence,
    Right,
    ServiceKind,
)
from rules.visitor import Visitor

BILLING_DAY = 1
"""Bills and advance charges come on this day of the month."""


@dataclass(frozen=True, slots=True)
class AutopayStanding:
    """The autopay rules of an account, whoever set them: ACTIVE if one is, else PAUSED.

    `watches`: one pays as soon as the balance falls; `next_on`: the next day on which one pays by calendar.
    """

    state: AutopayState
    watches: bool = False
    next_on: date | None = None

    def covers(self, day: date) -> bool:
        """Whether a payment will come by itself until that day."""
        return self.watches or (self.next_on is not None and self.next_on <= day)


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
    autopay: AutopayStanding | None
    """None without any rule."""


@dataclass(frozen=True, slots=True)
class HomeSummary:
    """Totals over the visitor's accounts, and their points."""

    accounts: tuple[AccountCard, ...]
    due_kopecks: int
    due_on: date | None
    """The first day to pay a bill by."""
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
    bills = _bills(db, [account.id for _, account, _, balance in rows if balance < 0])
    autopay = _autopay(db, ids, today)
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
        due_on=min((card.due.due_on for card in cards if card.due.due_on and card.mode is BillingMode.POSTPAID), default=None),
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
    """Account → its bills, oldest first. Postpaid charges are posted with their bill, so none is unbilled."""
    bills: dict[int, list[OpenBill]] = defaultdict(list)
    if ids:
        of_these = (
            select(Bill.billing_account_id, Bill.id, Bill.number, Bill.total_kopecks)
            .add_columns(col(Bill.due_on))
            .where(col(Bill.billing_account_id).in_(ids))
            .order_by(col(Bill.month_on))
        )
        for account_id, bill_id, number, total, due_on in db.execute(of_these):
            bills[account_id].append(OpenBill(bill_id, number, total, due_on))
    return bills


def _autopay(db: Session, ids: list[int], today: date) -> dict[int, AutopayStanding]:
    # In the words of the two partial indexes, written out: a bound parameter would hide from SQLite that they serve.
    deleted: ColumnElement[str] = literal_column("'deleted'")
    threshold: ColumnElement[str] = literal_column("'threshold'")
    rules = (
        select(AutopayRule.billing_account_id, AutopayRule.state, AutopayRule.trigger)
        .add_columns(col(AutopayRule.day_of_month))
        .where(col(AutopayRule.billing_account_id).in_(ids), col(AutopayRule.state) != deleted, which)
        for which in (col(AutopayRule.trigger) == threshold, col(AutopayRule.trigger) != threshold)
    )
    standing: dict[int, AutopayStanding] = {}
    for account_id, state, trigger, day_of_month in db.execute(union_all(*rules)):
        other = standing.get(account_id, AutopayStanding(AutopayState.PAUSED))
        if state != AutopayState.ACTIVE:
            standing[account_id] = other
        elif trigger == AutopayTrigger.THRESHOLD:
            standing[account_id] = AutopayStanding(AutopayState.ACTIVE, True, other.next_on)
        else:
            next_on = next_run_on(trigger=trigger, day_of_month=day_of_month, billing_day=BILLING_DAY, today=today)
            standing[account_id] = AutopayStanding(AutopayState.ACTIVE, other.watches, next_on)
    return standing


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
    return int(this or 0), int(before or 0)  # PostgreSQL adds up 64-bit numbers as decimals
