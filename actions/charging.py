"""Charging many accounts at once: what `actions.ledger.post` does for one charge, set-based."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from actions.autopay_runs import mark_low
from actions.ledger import operators_account
from db.bulk import update_many
from models import LedgerAccount, Transfer
from rules.billing import MonthCharge
from rules.terms import LedgerKind

ALL_COLUMNS = {"render_nulls": True}
"""Rows that leave different columns empty go in one statement all the same, not in one each."""


@dataclass(slots=True)
class Held:
    """The locked ledger account of a billing account, and what is on it after the charges posted so far."""

    ledger_id: int
    balance_kopecks: int


def hold(db: Session, *, account_ids: Collection[int]) -> dict[int, Held]:
    """Lock the ledger accounts of these billing accounts, in the order in which everybody does: ascending."""
    rows = db.execute(
        sa.select(
            col(LedgerAccount.billing_account_id).label("account_id"),
            col(LedgerAccount.id),
            col(LedgerAccount.balance_kopecks),
        )
        .where(col(LedgerAccount.billing_account_id).in_(account_ids))
        .order_by(col(LedgerAccount.billing_account_id))
        .with_for_update()
    )
    return {row.account_id: Held(row.id, row.balance_kopecks) for row in rows}


def post_charges(
    db: Session, *, charges: Sequence[tuple[int, MonthCharge]], held: dict[int, Held], occurred_at: datetime
) -> list[int]:
    """Post charges (account, charge) to accounts that are held, lower their balances; returns the transfers' ids in that order.

    The caller has left out what was posted before under the same key; the unique key of the journal has the last word.
    Balances may go below zero. Autopay rules that wait for a low balance are told.
    """
    if not charges:
        return []
    revenue = operators_account(db, LedgerKind.REVENUE)
    rows = [
        {
            "billing_account_id": account_id,
            "debit_id": held[account_id].ledger_id,
            "credit_id": revenue,
            "amount_kopecks": charge.amount_kopecks,
            "code": charge.code,
            "key": charge.key,
            "occurred_at": occurred_at,
            "plan_id": charge.plan_id,
            "option_id": charge.option_id,
        }
        for account_id, charge in charges
    ]
    posting = sa.insert(Transfer).returning(col(Transfer.id), sort_by_parameter_order=True)
    ids = db.scalars(posting, rows, execution_options=ALL_COLUMNS).all()
    taken: Counter[int] = Counter()
    for account_id, charge in charges:
        taken[account_id] += charge.amount_kopecks
    for account_id, kopecks in taken.items():
        held[account_id].balance_kopecks -= kopecks
    update_many(
        db,
        LedgerAccount,
        [{"id": held[account_id].ledger_id, "balance_kopecks": held[account_id].balance_kopecks} for account_id in taken],
    )
    mark_low(db, account_ids=list(taken), now=occurred_at)
    return list(ids)
