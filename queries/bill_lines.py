"""What bills of one account are made of, many at once: for their comparison and their chart."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col

from db import access
from models import Bill, BillLine, Option, Plan
from rules.papers import BillLineRow
from rules.terms import CHARGE_CODES, BillingMode, Language, Right
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class BillContents:
    """How an account is billed, and bill → its lines."""

    mode: BillingMode
    lines: dict[int, tuple[BillLineRow, ...]]


def bill_contents(db: Session, *, visitor: Visitor, account_id: int, bill_ids: Collection[int]) -> BillContents:
    """The lines of bills of an account; other accounts' bills are left out. Raises NotAllowed when it is not attached."""
    mode = access.account(db, visitor, account_id, Right.VIEW).mode
    english = visitor.language is Language.EN
    rows = db.execute(
        sa.select(BillLine, *(col(of.name_en if english else of.name_ru) for of in (Plan, Option)))
        .join(Bill, col(Bill.id) == col(BillLine.bill_id))
        .outerjoin(Plan, col(Plan.id) == col(BillLine.plan_id))
        .outerjoin(Option, col(Option.id) == col(BillLine.option_id))
        .where(col(BillLine.bill_id).in_(bill_ids), col(Bill.billing_account_id) == account_id)
        .order_by(col(BillLine.id))
    )
    lines: dict[int, list[BillLineRow]] = defaultdict(list)
    for line, plan, option in rows:
        name = plan or option or ""
        lines[line.bill_id].append(
            BillLineRow(line.code, line.plan_id, line.option_id, name, line.from_on, line.to_on, line.amount_kopecks)
        )
    codes = list(CHARGE_CODES)
    in_order = {bill: sorted(of, key=lambda line: (codes.index(line.code), line.from_on)) for bill, of in lines.items()}
    return BillContents(mode, {bill: tuple(of) for bill, of in in_order.items()})
