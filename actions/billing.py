"""Billing day, for many accounts at once.

On the 1st, for each account in this order: a postpaid one is charged for the month that ended; the bill of that month takes all
charges that no bill has yet; who owes for too long is blocked; a prepaid one that works is charged for the month that begins.
The same rules made the history of a demo, and this continues it: the same keys, the same numbers of bills.

Exactly once per account and month: `BillingAccount.billed_on` is read and moved behind the lock of the account, in the
transaction of everything it stands for; the keys of transfers and the month of a bill are unique besides. A crash leaves a batch
done or not begun, two workers take different accounts, and months that were missed are caught up with one after the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from actions.blocking import block, overdue
from actions.charging import ALL_COLUMNS, Held, hold, post_charges
from actions.notices import Told, notify_many
from db import transaction
from models import Attachment, Bill, BillingAccount, BillLine
from queries.ahead import pay_themselves
from queries.billing_day import BillingCase, Charged, charged, connected, due_accounts, newest_bills
from queries.figures import ACCOUNTING_TIME
from rules.billing import (
    Connected,
    MonthCharge,
    ServiceDays,
    billing_day,
    charged_from,
    charged_month,
    month_ahead,
    month_behind,
    service_days,
)
from rules.notices import payer_facts
from rules.periods import month_end, previous_month
from rules.terms import BillingMode, NoticeEvent, TransferCode
from settings import operator


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a bill that is to be issued."""

    transfer_id: int
    code: TransferCode
    plan_id: int | None
    option_id: int | None
    from_on: date
    to_on: date
    amount_kopecks: int


@dataclass(slots=True)
class Visit:
    """One account on one billing day: what it has connected, what it was charged before, and the lines of its bill."""

    case: BillingCase
    connected: Sequence[Connected]
    charged: Sequence[Charged]
    newest_bill_on: date | None
    due_days: int
    lines: list[Line] = field(default_factory=list)

    @property
    def service(self) -> ServiceDays:
        return service_days(status=self.case.status, since_on=self.case.status_since_on)

    def new(self, charges: Iterable[MonthCharge]) -> list[tuple[int, MonthCharge]]:
        """Those of the charges that were not posted before, each with the account."""
        known = {charge.key for charge in self.charged}
        return [(self.case.account_id, charge) for charge in charges if charge.key not in known]


def bill_due(now: datetime, *, most: int = 500) -> int:
    """Take up to `most` accounts through the billing day that is next for them, in one transaction; returns how many.

    Who has missed several comes again for the next. The moment of all charges is `now`; a bill that comes late is dated by the
    day on which it comes, and gives as many days to pay.
    """
    day = billing_day(now.astimezone(ACCOUNTING_TIME))
    with transaction() as db:
        cases = due_accounts(db, day=day, most=most)
        by_day: dict[date, list[BillingCase]] = defaultdict(list)
        for case in cases:
            by_day[case.next_on].append(case)
        for each, at_once in sorted(by_day.items()):
            _go_through(db, at_once, day=each, now=now)
        return len(cases)


def _go_through(db: Session, cases: Sequence[BillingCase], *, day: date, now: datetime) -> None:
    ids = sorted(case.account_id for case in cases)
    held = hold(db, account_ids=ids)
    visits = _visits(db, cases, ids, day)
    postpaid = [visit for visit in visits if visit.case.mode is BillingMode.POSTPAID]
    prepaid = [visit for visit in visits if visit.case.mode is BillingMode.PREPAID]

    month = previous_month(day)
    behind = [
        charge
        for visit in postpaid
        for charge in visit.new(month_behind(month_on=month, connected=visit.connected, service=visit.service))
    ]
    posted = post_charges(db, charges=behind, held=held, occurred_at=now)
    _gather_lines(visits, posted, behind, month)
    issued_on = max(day, now.astimezone(ACCOUNTING_TIME).date())
    issued = _issue(db, [visit for visit in visits if visit.lines], month, issued_on=issued_on)

    balances = {account_id: each.balance_kopecks for account_id, each in held.items()}
    # Whatever was charged before this day is on a bill by now.
    owing = overdue(db, cases=cases, balances=balances, unbilled={}, day=day)
    block(db, owing=owing, since_on=dict.fromkeys(owing, day))

    ahead = [
        charge
        for visit in prepaid
        if visit.case.account_id not in owing
        for charge in visit.new(month_ahead(month_on=day, connected=visit.connected, service=visit.service))
    ]
    post_charges(db, charges=ahead, held=held, occurred_at=now)
    _tell_of_bills(db, issued, held=held, now=now)
    db.execute(
        sa.update(BillingAccount)
        .where(col(BillingAccount.id).in_(ids))
        .values(billed_on=day)
        .execution_options(synchronize_session=False)
    )


def _visits(db: Session, cases: Sequence[BillingCase], ids: Sequence[int], day: date) -> list[Visit]:
    month = previous_month(day)
    has = connected(db, account_ids=ids, since=month, day=day)
    before = charged(db, account_ids=ids, month_on=month)
    newest, usual = newest_bills(db, account_ids=ids), operator().billing.due_days
    visits = []
    for case in sorted(cases, key=lambda case: case.account_id):
        # A contract keeps the days to pay that it has had.
        newest_on, due_days = newest.get(case.account_id, (None, usual))
        visits.append(Visit(case, has.get(case.account_id, ()), before.get(case.account_id, ()), newest_on, due_days))
    return visits


def _gather_lines(visits: Sequence[Visit], posted: Sequence[int], behind: Sequence[tuple[int, MonthCharge]], month: date) -> None:
    """What goes on the bills of the month: charges that waited for one, and those posted just now, in the ledger's order."""
    just_now: dict[int, list[Line]] = defaultdict(list)
    for transfer_id, (account_id, charge) in zip(posted, behind, strict=True):
        just_now[account_id].append(
            Line(transfer_id, charge.code, charge.plan_id, charge.option_id, charge.from_on, charge.to_on, charge.amount_kopecks)
        )
    for visit in visits:
        if visit.newest_bill_on is not None and visit.newest_bill_on >= month:
            continue  # the month has its bill already; what came after it goes on the next
        waiting = [charge for charge in visit.charged if not charge.billed and charge.belongs_by(month)]
        visit.lines = [_line(visit, charge, month) for charge in waiting] + just_now[visit.case.account_id]


def _line(visit: Visit, charge: Charged, month: date) -> Line:
    """A charge that was posted in the month, for the days since what it pays for began to work."""
    first, last = month, month_end(month)
    if charged_month(charge.key) is None:
        if charge.plan_id is not None or charge.option_id is not None:  # connected on the day it was charged
            first = charge.occurred_at.astimezone(ZoneInfo(visit.case.time_zone)).date()
    else:
        product = (charge.plan_id, charge.option_id)
        begun = [
            item.started_on
            for item in visit.connected
            if product == ((item.product_id, None) if item.kind == "plan" else (None, item.product_id))
        ]
        first = charged_from(charge.key) or min(begun, default=month)
    first = min(max(first, month), last)
    return Line(charge.transfer_id, charge.code, charge.plan_id, charge.option_id, first, last, charge.amount_kopecks)


def _issue(db: Session, visits: Sequence[Visit], month: date, *, issued_on: date) -> dict[int, dict[str, Any]]:
    """One bill for each, with a line for each charge; returns account → its bill."""
    if not visits:
        return {}
    bills: list[dict[str, Any]] = [
        {
            "billing_account_id": visit.case.account_id,
            "number": f"{month:%y%m}-{visit.case.account_id:08d}",
            "month_on": month,
            "issued_on": issued_on,
            "due_on": issued_on + timedelta(days=visit.due_days),
            "total_kopecks": sum(line.amount_kopecks for line in visit.lines),
        }
        for visit in visits
    ]
    ids = db.scalars(sa.insert(Bill).returning(col(Bill.id), sort_by_parameter_order=True), bills).all()
    lines = [
        {
            "bill_id": bill_id,
            "transfer_id": line.transfer_id,
            "code": line.code,
            "plan_id": line.plan_id,
            "option_id": line.option_id,
            "from_on": line.from_on,
            "to_on": line.to_on,
            "amount_kopecks": line.amount_kopecks,
        }
        for visit, bill_id in zip(visits, ids, strict=True)
        for line in visit.lines
    ]
    db.execute(sa.insert(BillLine), lines, execution_options=ALL_COLUMNS)
    return {bill["billing_account_id"]: bill | {"id": bill_id} for bill_id, bill in zip(ids, bills, strict=True)}


def _tell_of_bills(db: Session, by_account: dict[int, dict[str, Any]], *, held: Mapping[int, Held], now: datetime) -> None:
    """Everybody who asked for the bills of an account by e-mail. Others see them in the cabinet. What autopay will pay is not
    asked for."""
    owing = {
        account_id: (-held[account_id].balance_kopecks, bill["due_on"])
        for account_id, bill in by_account.items()
        if held[account_id].balance_kopecks < 0
    }
    by_autopay = pay_themselves(db, debts=owing, now=now) if owing else {}
    wanted = db.execute(
        sa.select(col(Attachment.customer_id), col(Attachment.billing_account_id)).where(
            col(Attachment.billing_account_id).in_(by_account),
            col(Attachment.detached_at).is_(None),
            col(Attachment.bill_by_email),
        )
    ).tuples()
    told = []
    for customer_id, account_id in wanted:
        bill = by_account[account_id]
        facts = {
            "bill_id": bill["id"],
            "number": bill["number"],
            "amount_kopecks": bill["total_kopecks"],
            "due_on": bill["due_on"].isoformat(),
        } | payer_facts(account_id, held[account_id].balance_kopecks, by_autopay)
        told.append(Told(customer_id, f"bill:{bill['id']}", account_id, facts))
    notify_many(db, event=NoticeEvent.BILL, told=told)
