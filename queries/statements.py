"""Every operation of a person's accounts in a period, from the ledger: what is printed, and what it must add up to.

A day is a day in the account's region. Whether an operation gave or took, the ledger says: by the side on which the account
stands in it.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func

import clock
from db import access
from models import (
    Attachment,
    BillingAccount,
    Customer,
    LedgerAccount,
    Option,
    Payment,
    Plan,
    Region,
    SavedCard,
    Transfer,
)
from rules.papers import Statement, StatementAccount, StatementEntry, running
from rules.refusals import FieldWrong, NotAllowed
from rules.terms import Language
from rules.visitor import Visitor


def statement(
    db: Session,
    *,
    visitor: Visitor,
    first: date,
    last: date,
    account_ids: Collection[int] = (),
    most: int = 100_000,
) -> Statement:
    """All operations from the first day to the last, both included, of these accounts; of all attached when none is named.

    Raises NotAllowed when one of them is not attached, FieldWrong("period", "too_much") when there are more than `most`.
    """
    wanted = set(account_ids)
    rows = db.execute(
        sa.select(BillingAccount, Customer, LedgerAccount, col(Attachment.label), col(Region.time_zone))
        .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
        .join(Customer, col(Customer.id) == col(BillingAccount.holder_id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .where(
            col(BillingAccount.id).in_(access.reachable(visitor)),
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.detached_at).is_(None),
            *([col(BillingAccount.id).in_(wanted)] if wanted else []),
        )
        .order_by(col(Attachment.position), col(Attachment.id))
    ).all()
    if wanted - {account.id for account, *_ in rows}:
        raise NotAllowed()
    spans = {account.id: _span(first, last, zone) for account, _, _, _, zone in rows}
    # Counted first: a statement that would not be handed out need not be read.
    if sum(_count(db, ledger, spans[account.id]) for account, _, ledger, _, _ in rows) > most:
        raise FieldWrong(field="period", problem="too_much")
    person = db.get_one(Customer, visitor.customer_id)
    return Statement(
        customer=_full_name(person),
        first=first,
        last=last,
        accounts=tuple(
            _account(db, visitor, account, holder, ledger, label, zone, spans[account.id])
            for account, holder, ledger, label, zone in rows
        ),
    )


def _full_name(person: Customer) -> str:
    return " ".join(filter(None, (person.last_name, person.first_name, person.patronymic)))


def _span(first: date, last: date, time_zone: str) -> tuple[datetime, datetime]:
    """When the first day begins and the last one ends, there."""
    midnights = (datetime.combine(day, time(), clock.zone(time_zone)) for day in (first, last + timedelta(days=1)))
    begin, end = (midnight.astimezone(UTC) for midnight in midnights)
    return begin, end


def _of(ledger: LedgerAccount) -> "sa.ColumnElement[bool]":
    return col(Transfer.billing_account_id) == ledger.billing_account_id


def _change(ledger: LedgerAccount) -> "sa.ColumnElement[int]":
    """What a transfer changed the balance of a customer's account by."""
    amount = col(Transfer.amount_kopecks)
    return sa.case(
        (col(Transfer.credit_id) == ledger.id, amount),
        (col(Transfer.debit_id) == ledger.id, -amount),
        else_=0,
    )


def _count(db: Session, ledger: LedgerAccount, span: tuple[datetime, datetime]) -> int:
    at = col(Transfer.occurred_at)
    counted = sa.select(func.count()).where(_of(ledger), at >= span[0], at < span[1])
    return int(db.execute(counted).scalar_one())


def _account(
    db: Session,
    visitor: Visitor,
    account: BillingAccount,
    holder: Customer,
    ledger: LedgerAccount,
    label: str,
    time_zone: str,
    span: tuple[datetime, datetime],
) -> StatementAccount:
    english, at = visitor.language is Language.EN, col(Transfer.occurred_at)
    opening = db.execute(sa.select(func.coalesce(func.sum(_change(ledger)), 0)).where(_of(ledger), at < span[0])).scalar_one()
    product = func.coalesce(*(col(of.name_en if english else of.name_ru) for of in (Plan, Option)), "")
    rows: list[Any] = list(
        db.execute(
            sa.select(
                at,
                col(Transfer.code),
                _change(ledger).label("kopecks"),
                col(Payment.method),
                col(SavedCard.brand),
                col(SavedCard.last_four),
                product.label("product"),
            )
            .outerjoin(Plan, col(Plan.id) == col(Transfer.plan_id))
            .outerjoin(Option, col(Option.id) == col(Transfer.option_id))
            .outerjoin(Payment, col(Payment.id) == col(Transfer.payment_id))
            .outerjoin(
                SavedCard, sa.and_(col(SavedCard.id) == col(Payment.card_id), col(SavedCard.customer_id) == visitor.customer_id)
            )
            .where(_of(ledger), at >= span[0], at < span[1])
            .order_by(at, col(Transfer.id))
        )
    )
    balances = running(int(opening), (row.kopecks for row in rows))
    return StatementAccount(
        account_id=account.id,
        number=account.number,
        service=account.service,
        label=label,
        holder=_full_name(holder),
        address=account.address,
        time_zone=time_zone,
        opening_kopecks=int(opening),
        entries=tuple(
            StatementEntry(
                at=row.occurred_at,
                code=row.code,
                kopecks=row.kopecks,
                balance_kopecks=balance,
                method=row.method,
                card=None if row.brand is None else (row.brand, row.last_four),
                product=row.product,
            )
            for row, balance in zip(rows, balances, strict=True)
        ),
    )
