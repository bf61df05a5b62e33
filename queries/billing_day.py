"""What billing day reads, for many accounts at once; a few statements for a batch, however many accounts it has.

No visitor asks here: the work of the background goes by accounts, and nothing of it is shown to anybody.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from models import (
    Bill,
    BillingAccount,
    BillLine,
    LedgerAccount,
    Option,
    OptionPrice,
    Order,
    PlanPrice,
    Region,
    Subscription,
    Transfer,
)
from queries.figures import month_begins_at
from rules.billing import Connected, Price, charged_month
from rules.blocking import BilledMonth
from rules.periods import add_months, next_month
from rules.terms import CHARGE_CODES, AccountStatus, BillingMode, OrderKind, Recurrence, TransferCode


@dataclass(frozen=True, slots=True)
class BillingCase:
    """An account as billing meets it. `next_on` is the billing day that it has not been through yet."""

    account_id: int
    mode: BillingMode
    status: AccountStatus
    status_since_on: date
    time_zone: str
    next_on: date


@dataclass(frozen=True, slots=True)
class Charged:
    """A charge that was posted before. `billed`: a bill has it already."""

    transfer_id: int
    key: str
    code: TransferCode
    amount_kopecks: int
    occurred_at: datetime
    plan_id: int | None
    option_id: int | None
    billed: bool

    def belongs_by(self, month_on: date) -> bool:
        """Whether it is of that month or an earlier one: as its key says, else by its moment."""
        month = charged_month(self.key)
        return month <= month_on if month is not None else self.occurred_at < month_begins_at(next_month(month_on))


def due_accounts(db: Session, *, day: date, most: int) -> list[BillingCase]:
    """Accounts that have not been through the billing day `day`, the longest waiting first, locked; those that somebody else
    holds are left out. Who opened lately has the first one on the 1st after."""
    billed, opened, own = col(BillingAccount.billed_on), col(BillingAccount.opened_on), col(BillingAccount.id)
    rows: list[Any] = []
    for which, order in (
        (billed < day, (billed, own)),
        (sa.and_(billed.is_(None), opened < day), (opened, own)),
    ):
        if len(rows) < most:
            rows += db.execute(_cases(which).order_by(*order).limit(most - len(rows)).with_for_update(**_HELD)).all()
    return [_case(row) for row in rows]


def locked_accounts(db: Session, *, account_ids: Collection[int], status: AccountStatus) -> list[BillingCase]:
    """Those of the accounts that have this status, locked; without those that somebody else holds."""
    which = (col(BillingAccount.id).in_(account_ids), col(BillingAccount.status) == status)
    rows = db.execute(_cases(*which).order_by(col(BillingAccount.id)).with_for_update(**_HELD))
    return [_case(row) for row in rows]


def debtors(db: Session, *, day: date, after: int, most: int) -> list[tuple[BillingCase, int]]:
    """Active accounts that owe anything and have been through the billing day `day`, each with its balance, by their ids."""
    rows = db.execute(
        _cases(
            col(BillingAccount.id) > after,
            col(BillingAccount.status) == AccountStatus.ACTIVE,
            col(BillingAccount.billed_on) >= day,
            col(LedgerAccount.balance_kopecks) < 0,
        )
        .add_columns(col(LedgerAccount.balance_kopecks))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .order_by(col(BillingAccount.id))
        .limit(most)
    )
    return [(_case(row), row.balance_kopecks) for row in rows]


_HELD: dict[str, Any] = {"of": BillingAccount, "skip_locked": True, "key_share": True}
"""Rows that refer to an account may be written meanwhile; whoever changes the account itself waits."""


def _cases(*which: "sa.ColumnElement[bool]") -> Any:
    return (
        sa.select(
            col(BillingAccount.id),
            col(BillingAccount.mode),
            col(BillingAccount.status),
            col(BillingAccount.status_since_on),
            col(BillingAccount.billed_on),
            col(BillingAccount.opened_on),
            col(Region.time_zone),
        )
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(*which)
    )


def _case(row: Any) -> BillingCase:
    next_on = next_month(row.billed_on or row.opened_on)
    return BillingCase(row.id, row.mode, row.status, row.status_since_on, row.time_zone, next_on)


def connected(db: Session, *, account_ids: Collection[int], since: date, day: date) -> dict[int, list[Connected]]:
    """Account → plans and options that worked on any day from `since` on and began by `day`.

    Where an order to disconnect is due and was not carried out yet, the option counts as ended.
    """
    ended = sa.func.coalesce(col(Subscription.ended_on), col(Subscription.ends_on))
    rows = db.execute(
        sa.select(
            col(Subscription.billing_account_id),
            col(Subscription.plan_id),
            col(Subscription.option_id),
            col(Subscription.started_on),
            col(Subscription.ended_on),
            col(Subscription.ends_on),
        ).where(
            col(Subscription.billing_account_id).in_(account_ids),
            col(Subscription.started_on) <= day,
            sa.or_(ended.is_(None), ended > since),
        )
    ).all()
    going = {
        (account_id, option_id): effective_on
        for account_id, option_id, effective_on in db.execute(
            sa.select(col(Order.billing_account_id), col(Order.option_id), col(Order.effective_on)).where(
                col(Order.billing_account_id).in_(account_ids),
                col(Order.closed_at).is_(None),
                col(Order.kind) == OrderKind.DISCONNECT,
                col(Order.effective_on) <= day,
            )
        ).tuples()
    }
    plans, options = _plan_prices(db), _option_prices(db)
    facts = {
        option_id: (code, recurrence is Recurrence.ONCE)
        for option_id, code, recurrence in db.execute(
            sa.select(col(Option.id), col(Option.code), col(Option.recurrence))
        ).tuples()
    }
    found: dict[int, list[Connected]] = defaultdict(list)
    for account_id, plan_id, option_id, started_on, ended_on, ends_on in rows:
        if plan_id is not None:
            item = Connected(
                kind="plan", product_id=plan_id, product_code="", prices=plans.get(plan_id, ()),
                started_on=started_on, ends_on=ended_on,
            )  # fmt: skip
        else:
            code, once = facts[option_id]
            last = ended_on or ends_on or going.get((account_id, option_id))
            item = Connected(
                kind="option", product_id=option_id, product_code=code, prices=options.get(option_id, ()),
                started_on=started_on, ends_on=last, once=once,
            )  # fmt: skip
        found[account_id].append(item)
    return found


def _plan_prices(db: Session) -> dict[int, list[Price]]:
    rows = sa.select(col(PlanPrice.plan_id), col(PlanPrice.valid_from_on), col(PlanPrice.monthly_kopecks))
    return _steps(db.execute(rows.order_by(col(PlanPrice.valid_from_on))))


def _option_prices(db: Session) -> dict[int, list[Price]]:
    rows = sa.select(col(OptionPrice.option_id), col(OptionPrice.valid_from_on), col(OptionPrice.price_kopecks))
    return _steps(db.execute(rows.order_by(col(OptionPrice.valid_from_on))))


def _steps(rows: "sa.Result[int, date, int]") -> dict[int, list[Price]]:
    steps: dict[int, list[Price]] = defaultdict(list)
    for product_id, since, kopecks in rows:
        steps[product_id].append((since, kopecks))
    return steps


def charged(db: Session, *, account_ids: Collection[int], month_on: date) -> dict[int, list[Charged]]:
    """Account → its charges since the month before `month_on`, in the order of the ledger.

    What was charged earlier is on bills: an account that has been through a billing day has nothing older without one.
    """
    rows = db.execute(
        sa.select(
            col(Transfer.billing_account_id),
            col(Transfer.id),
            col(Transfer.key),
            col(Transfer.code),
            col(Transfer.amount_kopecks),
            col(Transfer.occurred_at),
            col(Transfer.plan_id),
            col(Transfer.option_id),
            col(BillLine.id).label("line_id"),
        )
        .outerjoin(BillLine, col(BillLine.transfer_id) == col(Transfer.id))
        .where(
            col(Transfer.billing_account_id).in_(account_ids),
            col(Transfer.occurred_at) >= month_begins_at(add_months(month_on, -1)),
            col(Transfer.code).in_(CHARGE_CODES),
        )
        .order_by(col(Transfer.id))
    )
    found: dict[int, list[Charged]] = defaultdict(list)
    for row in rows:
        found[row.billing_account_id].append(
            Charged(
                row.id,
                row.key,
                row.code,
                row.amount_kopecks,
                row.occurred_at,
                row.plan_id,
                row.option_id,
                row.line_id is not None,
            )
        )
    return found


def newest_bills(db: Session, *, account_ids: Collection[int]) -> dict[int, tuple[date, int]]:
    """Account → the month of its newest bill, and how many days that gave to pay."""
    newest = (
        sa.select(col(Bill.id))
        .where(col(Bill.billing_account_id) == col(BillingAccount.id))
        .order_by(col(Bill.month_on).desc())
        .limit(1)
        .correlate(BillingAccount)
        .scalar_subquery()
    )
    rows = db.execute(
        sa.select(col(BillingAccount.id), col(Bill.month_on), col(Bill.issued_on), col(Bill.due_on))
        .join(Bill, col(Bill.id) == newest)
        .where(col(BillingAccount.id).in_(account_ids))
    )
    return {account_id: (month_on, (due_on - issued_on).days) for account_id, month_on, issued_on, due_on in rows}


def billed_months(db: Session, *, account_ids: Sequence[int]) -> dict[int, list[BilledMonth]]:
    """Account → its bills, the oldest first."""
    rows = db.execute(
        sa.select(
            col(Bill.billing_account_id), col(Bill.month_on), col(Bill.issued_on), col(Bill.due_on), col(Bill.total_kopecks)
        )
        .where(col(Bill.billing_account_id).in_(account_ids))
        .order_by(col(Bill.billing_account_id), col(Bill.month_on))
    )
    found: dict[int, list[BilledMonth]] = defaultdict(list)
    for account_id, *facts in rows.tuples():
        found[account_id].append(BilledMonth(*facts))
    return found
