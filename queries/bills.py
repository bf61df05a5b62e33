"""Monthly bills of a person's accounts: how much of each is paid, and everything that is printed on one.

Sums are kopecks. A balance below zero is debt, and it belongs to the newest charges first (`rules.due`): to those that no
bill has yet, then to the newest bill, and so on.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from db import access
from models import (
    Attachment,
    Bill,
    BillingAccount,
    BillLine,
    Customer,
    LedgerAccount,
    Option,
    Plan,
    Transfer,
)
from queries.figures import month_begins_at
from rules.due import OpenBill, what_is_due
from rules.papers import BillDetails, BillLineRow, BillRow
from rules.periods import next_month
from rules.refusals import NotAllowed
from rules.terms import CHARGE_CODES, BillingMode, Language, TransferCode
from rules.visitor import Visitor

__all__ = ["BillDetails", "BillLineRow", "BillRow", "bill_details", "bills_count", "list_bills"]

_RAISES = (TransferCode.TOP_UP, TransferCode.BONUS_SPENT)


def bills_count(db: Session, *, visitor: Visitor, account_id: int | None = None) -> int:
    """How many bills there are, of one account or of all that the visitor may see."""
    return int(db.execute(sa.select(func.count()).select_from(_of(visitor, account_id).subquery())).scalar_one())


def list_bills(
    db: Session, *, visitor: Visitor, account_id: int | None = None, limit: int = 24, offset: int = 0, today: date | None = None
) -> list[BillRow]:
    """Bills of one account or of all that the visitor may see, the newest first. `today`: by default in the visitor's region."""
    rows = db.execute(
        _of(visitor, account_id)
        .order_by(col(Bill.month_on).desc(), col(Attachment.position), col(Bill.billing_account_id))
        .limit(limit)
        .offset(offset)
    ).all()
    today = today or clock.today(visitor.time_zone)
    left = _left(db, {account.id for _, account, _ in rows}, today)
    return [_row(bill, account, label, left, today) for bill, account, label in rows]


def bill_details(db: Session, *, visitor: Visitor, bill_id: int, today: date | None = None) -> BillDetails:
    """A bill with its lines and balances. Raises NotAllowed when its account is not attached (or there is no such bill)."""
    found = db.execute(_of(visitor, None).where(col(Bill.id) == bill_id)).first()
    if found is None:
        raise NotAllowed()
    bill, account, label = found
    today = today or clock.today(visitor.time_zone)
    holder = db.get_one(Customer, account.holder_id)
    before, paid, returned = _movements(db, bill)
    return BillDetails(
        row=_row(bill, account, label, _left(db, {account.id}, today), today),
        lines=_lines(db, bill.id, visitor.language),
        account_number=account.number,
        mode=account.mode,
        holder=" ".join(filter(None, (holder.last_name, holder.first_name, holder.patronymic))),
        address=account.address,
        before_kopecks=before,
        paid_in_month_kopecks=paid,
        returned_in_month_kopecks=returned,
    )


def _of(visitor: Visitor, account_id: int | None) -> "sa.Select[Bill, BillingAccount, str]":
    """Bills of the visitor's accounts, or of one of them, each with the visitor's own name for the account."""
    mine = access.reachable(visitor)
    if account_id is not None:
        mine = mine.where(col(Attachment.billing_account_id) == account_id)
    return (
        sa.select(Bill, BillingAccount, col(Attachment.label))
        .join(BillingAccount, col(BillingAccount.id) == col(Bill.billing_account_id))
        .join(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(Bill.billing_account_id),
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .where(col(Bill.billing_account_id).in_(mine))
    )


def _row(bill: Bill, account: BillingAccount, label: str, left: dict[int, int], today: date) -> BillRow:
    unpaid = left.get(bill.id, 0)
    return BillRow(
        bill_id=bill.id,
        number=bill.number,
        account_id=account.id,
        label=label,
        service=account.service,
        month_on=bill.month_on,
        issued_on=bill.issued_on,
        due_on=bill.due_on,
        total_kopecks=bill.total_kopecks,
        left_kopecks=unpaid,
        is_overdue=bool(unpaid) and bill.due_on < today and account.mode is BillingMode.POSTPAID,
    )


def _left(db: Session, account_ids: Collection[int], today: date) -> dict[int, int]:
    """Bill → what is left to pay of it, for the unpaid bills of these accounts."""
    owing = db.execute(
        sa.select(BillingAccount, col(LedgerAccount.balance_kopecks))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .where(col(BillingAccount.id).in_(account_ids), col(LedgerAccount.balance_kopecks) < 0)
    ).all()
    ids = [account.id for account, _ in owing]
    bills: dict[int, list[Bill]] = defaultdict(list)
    for bill in db.exec(select(Bill).where(col(Bill.billing_account_id).in_(ids)).order_by(col(Bill.month_on))):
        bills[bill.billing_account_id].append(bill)
    left: dict[int, int] = {}
    for account, balance in owing:
        due = what_is_due(
            balance_kopecks=balance,
            mode=account.mode,
            bills=[OpenBill(bill.id, bill.number, bill.total_kopecks, bill.due_on) for bill in bills[account.id]],
            today=today,
            unbilled_kopecks=_unbilled(db, account.id, bills[account.id]),
        )
        left |= {bill.bill_id: bill.left_kopecks for bill in due.unpaid}
    return left


def _unbilled(db: Session, account_id: int, bills: list[Bill]) -> int:
    """Charges that no bill has yet. Those of earlier months than the newest bill's all have one."""
    if not bills:
        return 0
    charged = db.exec(
        select(func.sum(Transfer.amount_kopecks)).where(
            col(Transfer.billing_account_id) == account_id,
            col(Transfer.occurred_at) >= month_begins_at(bills[-1].month_on),
            col(Transfer.code).in_(CHARGE_CODES),
            ~select(BillLine.id).where(col(BillLine.transfer_id) == col(Transfer.id)).exists(),
        )
    ).one()
    return int(charged or 0)


def _lines(db: Session, bill_id: int, language: Language) -> tuple[BillLineRow, ...]:
    english = language is Language.EN
    rows = db.execute(
        sa.select(BillLine, *(col(of.name_en if english else of.name_ru) for of in (Plan, Option)))
        .outerjoin(Plan, col(Plan.id) == col(BillLine.plan_id))
        .outerjoin(Option, col(Option.id) == col(BillLine.option_id))
        .where(col(BillLine.bill_id) == bill_id)
        .order_by(col(BillLine.id))
    )
    codes = list(CHARGE_CODES)
    lines = [
        BillLineRow(line.code, line.plan_id, line.option_id, plan or option or "", line.from_on, line.to_on, line.amount_kopecks)
        for line, plan, option in rows
    ]
    return tuple(sorted(lines, key=lambda line: (codes.index(line.code), line.from_on)))


def _movements(db: Session, bill: Bill) -> tuple[int, int, int]:
    """The balance before the month of a bill, what was paid in it, and what was given back.

    A charge belongs to the month of its bill: a postpaid one is posted when the next month has begun.
    """
    begins, ends = month_begins_at(bill.month_on), month_begins_at(next_month(bill.month_on))
    amount, at, code = col(Transfer.amount_kopecks), col(Transfer.occurred_at), col(Transfer.code)
    is_charge, raises = code.in_(CHARGE_CODES), code.in_(_RAISES)
    charged_before = sa.or_(col(Bill.month_on) < bill.month_on, sa.and_(col(Bill.id).is_(None), at < begins))
    in_month = sa.and_(at >= begins, at < ends)

    def total(*when: "sa.ColumnElement[bool]") -> "sa.ColumnElement[int]":
        return func.coalesce(func.sum(sa.case((sa.and_(*when), amount), else_=0)), 0)

    raised, charged, lowered, paid, returned = db.execute(
        sa.select(
            total(raises, at < begins),
            total(is_charge, charged_before),
            total(~is_charge, ~raises, at < begins),
            total(raises, in_month),
            total(~is_charge, ~raises, in_month),
        )
        .select_from(Transfer)
        .outerjoin(BillLine, col(BillLine.transfer_id) == col(Transfer.id))
        .outerjoin(Bill, col(Bill.id) == col(BillLine.bill_id))
        .where(col(Transfer.billing_account_id) == bill.billing_account_id)
    ).one()
    return int(raised) - int(charged) - int(lowered), int(paid), int(returned)
