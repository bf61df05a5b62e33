"""What the letters of a month say of all accounts of many people at once, and what the summary of one's own says again.

The background asks for whole batches and shows nothing of them but to the person each is about; a summary is asked for by its
reader, and says nothing of accounts that they may not see any more.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col, select

from db import access
from models import (
    Attachment,
    AutopayRule,
    Bill,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Consent,
    Customer,
    LedgerAccount,
    Notice,
    NoticeChoice,
    Region,
    Transfer,
)
from queries.ahead import pay_themselves
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.due import OpenBill, what_is_due
from rules.monthly import MonthOfAccount, MonthOfPerson, NextAutopay, from_facts, key_of
from rules.periods import next_month
from rules.refusals import NotAllowed
from rules.terms import (
    AccountStatus,
    AutopayTrigger,
    BonusKind,
    ConsentKind,
    Language,
    NoticeEvent,
    Role,
    ServiceKind,
    TransferCode,
)
from rules.visitor import Visitor

BILLS_LOOKED_AT = 24


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody to be written to of a month: where to (None: in the cabinet only), and whether the cabinet tells of it, too."""

    customer_id: int
    first_name: str
    email: str | None
    language: Language
    in_cabinet: bool


@dataclass(frozen=True, slots=True)
class Held:
    """One account of a person, as they see it."""

    account: BillingAccount
    label: str
    balance_kopecks: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class OwnMonth:
    """A summary that was written, with how its reader calls each account: id → label, service, number. `at` aware UTC."""

    month: MonthOfPerson
    names: Mapping[int, tuple[str, ServiceKind, str]]
    customer: str
    at: datetime
    time_zone: str


# --- whom to write to ---------------------------------------------------------------------------------
def readers(db: Session, *, month_on: date, zones: Collection[str], most: int) -> list[Reader]:
    """People in these time zones who are to be told of the month and were not, by their ids.

    All their accounts have been through the billing day after it, and they were here before that.
    """
    billed_on = next_month(month_on)
    answered = (
        sa.select(col(Consent.id))
        .where(col(Consent.customer_id) == col(Customer.id), col(Consent.kind) == ConsentKind.E_STATEMENTS)
        .order_by(col(Consent.at).desc(), col(Consent.id).desc())
        .limit(1)
        .correlate(Customer)
        .scalar_subquery()
    )
    # As `rules.notices.wants_monthly`: the later of the switch and the answer; neither: no letter.
    by_choice = sa.and_(
        col(NoticeChoice.changed_at).is_not(None),
        sa.or_(col(Consent.at).is_(None), col(NoticeChoice.changed_at) >= col(Consent.at)),
    )
    by_email = sa.case((by_choice, col(NoticeChoice.by_email)), else_=sa.func.coalesce(col(Consent.given), sa.false()))
    in_cabinet = sa.func.coalesce(col(NoticeChoice.in_cabinet), sa.true())
    reached = sa.and_(col(Customer.email).is_not(None), col(Customer.email_confirmed_at).is_not(None))
    own = sa.and_(col(Attachment.customer_id) == col(Customer.id), col(Attachment.detached_at).is_(None))
    unbilled = (
        sa.exists()
        .where(own)
        .where(
            col(BillingAccount.id) == col(Attachment.billing_account_id),
            col(BillingAccount.status) != AccountStatus.CLOSED,
            col(BillingAccount.opened_on) < billed_on,
            sa.or_(col(BillingAccount.billed_on).is_(None), col(BillingAccount.billed_on) < billed_on),
        )
    )
    told = sa.exists().where(col(Notice.customer_id) == col(Customer.id), col(Notice.key) == key_of(month_on))
    rows = db.execute(
        sa.select(
            col(Customer.id),
            col(Customer.first_name),
            sa.case((sa.and_(reached, by_email), col(Customer.email)), else_=None).label("email"),
            col(Customer.language),
            in_cabinet.label("in_cabinet"),
        )
        .join(Region, col(Region.code) == col(Customer.region_code))
        .outerjoin(
            NoticeChoice,
            sa.and_(col(NoticeChoice.customer_id) == col(Customer.id), col(NoticeChoice.event) == NoticeEvent.MONTHLY),
        )
        .outerjoin(Consent, col(Consent.id) == answered)
        .where(
            col(Customer.role) == Role.CUSTOMER,
            col(Customer.registered_at) < month_begins_at(billed_on),
            col(Customer.erased_at).is_(None),
            col(Region.time_zone).in_(zones),
            sa.or_(in_cabinet, sa.and_(reached, by_email)),
            sa.exists().where(own),
            ~unbilled,
            ~told,
        )
        .order_by(col(Customer.id))
        .limit(most)
    )
    return [Reader(row.id, row.first_name, row.email, Language(row.language), bool(row.in_cabinet)) for row in rows]


# --- what to write --------------------------------------------------------------------------------------
def months(
    db: Session, *, customer_ids: Collection[int], month_on: date, now: datetime
) -> dict[int, tuple[MonthOfPerson, dict[int, Held]]]:
    """Person → their month, and their accounts by id, in their own order; a few statements however many people there are."""
    held = _held(db, customer_ids)
    ids = {account_id for accounts in held.values() for account_id in accounts}
    accounts = {account_id: each for of_one in held.values() for account_id, each in of_one.items()}
    bills = _bills(db, ids)
    paid = _paid(db, ids, month_on)
    autopay = _autopay(db, ids, now)
    points, earned = _points(db, customer_ids, month_on, now)
    today = now.astimezone(ACCOUNTING_TIME).date()
    dues = {
        account_id: what_is_due(
            balance_kopecks=each.balance_kopecks,
            mode=each.account.mode,
            bills=[OpenBill(bill.id, bill.number, bill.total_kopecks, bill.due_on) for bill in bills[account_id]],
            today=today,
        )
        for account_id, each in accounts.items()
    }
    owed = {account_id: (due.amount_kopecks, max(due.due_on, today)) for account_id, due in dues.items() if due.due_on}
    by_autopay = pay_themselves(db, debts=owed, now=now) if owed else {}
    by_account = {}
    for account_id, each in accounts.items():
        due = dues[account_id]
        by_account[account_id] = MonthOfAccount(
            account_id=account_id,
            charged_kopecks=sum(bill.total_kopecks for bill in bills[account_id] if bill.month_on == month_on),
            paid_kopecks=paid.get(account_id, 0),
            balance_kopecks=each.balance_kopecks,
            due_kopecks=due.amount_kopecks,
            due_on=due.due_on,
            autopay=autopay.get(account_id),
            pays_itself=account_id in by_autopay,
        )
    return {
        customer_id: (
            MonthOfPerson(
                month_on=month_on,
                accounts=tuple(by_account[account_id] for account_id in own),
                points=points.get(customer_id, 0),
                points_earned=earned.get(customer_id, 0),
            ),
            own,
        )
        for customer_id, own in held.items()
    }


def _held(db: Session, customer_ids: Collection[int]) -> dict[int, dict[int, Held]]:
    rows = db.execute(
        sa.select(Attachment, BillingAccount, col(LedgerAccount.balance_kopecks), col(Region.time_zone))
        .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(Attachment.customer_id).in_(customer_ids), col(Attachment.detached_at).is_(None))
        .order_by(col(Attachment.customer_id), col(Attachment.position), col(Attachment.id))
    )
    held: dict[int, dict[int, Held]] = defaultdict(dict)
    for own, account, balance, zone in rows.tuples():
        held[own.customer_id][account.id] = Held(account, own.label, balance, zone)
    return held


def _bills(db: Session, ids: Collection[int]) -> dict[int, list[Bill]]:
    """Account → its newest bills, the oldest first."""
    place = sa.func.row_number().over(partition_by=col(Bill.billing_account_id), order_by=col(Bill.month_on).desc())
    ranked = sa.select(col(Bill.id), place.label("place")).where(col(Bill.billing_account_id).in_(ids)).subquery()
    bills: dict[int, list[Bill]] = defaultdict(list)
    newest = select(Bill).join(ranked, ranked.c.id == col(Bill.id)).where(ranked.c.place <= BILLS_LOOKED_AT)
    for bill in db.exec(newest.order_by(col(Bill.month_on))):
        bills[bill.billing_account_id].append(bill)
    return bills


def _paid(db: Session, ids: Collection[int], month_on: date) -> dict[int, int]:
    """Account → what came in within the month, less what was given back."""
    amount = col(Transfer.amount_kopecks)
    rows = db.execute(
        sa.select(
            col(Transfer.billing_account_id),
            sa.func.sum(sa.case((col(Transfer.code) == TransferCode.REFUND, -amount), else_=amount)),
        )
        .where(
            col(Transfer.billing_account_id).in_(ids),
            col(Transfer.occurred_at) >= month_begins_at(month_on),
            col(Transfer.occurred_at) < month_begins_at(next_month(month_on)),
            col(Transfer.code).in_([TransferCode.TOP_UP, TransferCode.BONUS_SPENT, TransferCode.REFUND]),
        )
        .group_by(col(Transfer.billing_account_id))
    )
    return {account_id: int(total) for account_id, total in rows.tuples()}


def _autopay(db: Session, ids: Collection[int], now: datetime) -> dict[int, NextAutopay]:
    """Account → the active rule that pays it next: the calendar's day before a threshold, which has none."""
    rows = db.execute(
        sa.select(AutopayRule, col(Region.time_zone))
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(col(AutopayRule.billing_account_id).in_(ids), col(AutopayRule.state) == sa.literal_column("'active'"))
        .order_by(col(AutopayRule.billing_account_id), col(AutopayRule.id))
    )
    found: dict[int, NextAutopay] = {}
    for rule, zone in rows.tuples():
        watches = rule.trigger is AutopayTrigger.THRESHOLD
        if watches and rule.billing_account_id in found:
            continue
        on = None if watches or rule.due_at is None else max(rule.due_at, now).astimezone(ZoneInfo(zone)).date()
        if watches or on is not None:
            found[rule.billing_account_id] = NextAutopay(
                rule.trigger, rule.amount_kind, rule.amount_kopecks, rule.threshold_kopecks, on
            )
    return found


def _points(db: Session, customer_ids: Collection[int], month_on: date, now: datetime) -> tuple[dict[int, int], dict[int, int]]:
    """Person → points now; person → points earned within the month."""
    today = now.astimezone(ACCOUNTING_TIME).date()
    held = db.execute(
        sa.select(col(BonusLot.customer_id), sa.func.sum(col(BonusLot.remaining)))
        .where(col(BonusLot.customer_id).in_(customer_ids), col(BonusLot.remaining) > 0, col(BonusLot.expires_on) > today)
        .group_by(col(BonusLot.customer_id))
    )
    earned = db.execute(
        sa.select(col(BonusEntry.customer_id), sa.func.sum(col(BonusEntry.points)))
        .where(
            col(BonusEntry.customer_id).in_(customer_ids),
            col(BonusEntry.kind) == BonusKind.EARNED,
            col(BonusEntry.occurred_at) >= month_begins_at(month_on),
            col(BonusEntry.occurred_at) < month_begins_at(next_month(month_on)),
        )
        .group_by(col(BonusEntry.customer_id))
    )
    return (
        {customer_id: int(total) for customer_id, total in held.tuples()},
        {customer_id: int(total) for customer_id, total in earned.tuples()},
    )


# --- one's own, again -----------------------------------------------------------------------------------
def own_month(db: Session, *, visitor: Visitor, month_on: date) -> OwnMonth:
    """The summary that the visitor was written, without accounts that they may not see any more.

    Raises NotAllowed when there was none.
    """
    notice = db.exec(
        select(Notice).where(
            col(Notice.customer_id) == visitor.customer_id,
            col(Notice.event) == NoticeEvent.MONTHLY,
            col(Notice.key) == key_of(month_on),
        )
    ).first()
    if notice is None:
        raise NotAllowed()
    person = db.get_one(Customer, visitor.customer_id)
    names = {
        account.id: (label, account.service, account.number)
        for account, label in db.execute(
            sa.select(BillingAccount, col(Attachment.label))
            .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
            .where(
                col(BillingAccount.id).in_(access.reachable(visitor)),
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            )
        ).tuples()
    }
    return OwnMonth(
        month=from_facts(notice.facts, among=list(names)),
        names=names,
        customer=" ".join(filter(None, (person.last_name, person.first_name, person.patronymic))),
        at=notice.created_at,
        time_zone=visitor.time_zone,
    )
