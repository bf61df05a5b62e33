"""Money. Double entry, append-only.

A `Transfer` moves an amount from one ledger account (debit) to another (credit). What an account holds is
the sum of its credits minus the sum of its debits; over all accounts the sum is always zero. A customer's ledger
account holds what the operator owes them: a top-up raises it, a charge lowers it, below zero they owe.
`LedgerAccount.balance_kopecks` is a cache of that sum, kept for customers' accounts only (the operator's own are
hot: every payment touches them, and a row that all payments must lock would queue them); `python -m db check` compares.
"""

from datetime import datetime

import sqlalchemy as sa

from models.base import Table, key, kopecks, ref, term, text
from rules.terms import LedgerKind, TransferCode


class LedgerAccount(Table, table=True):
    """Where money is. One per billing account, one per other kind."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        sa.CheckConstraint("(kind = 'customer') = (billing_account_id IS NOT NULL)", name="customer_has_account"),
        sa.CheckConstraint("kind = 'customer' OR balance_kopecks = 0", name="cache_for_customers_only"),
        sa.Index(
            "uq_ledger_account_own",
            "kind",
            unique=True,
            sqlite_where=sa.text("billing_account_id IS NULL"),
            postgresql_where=sa.text("billing_account_id IS NULL"),
        ),
    )

    id: int = key()
    kind: LedgerKind = term(LedgerKind)
    billing_account_id: int | None = ref("billing_account.id", nullable=True, unique=True)
    balance_kopecks: int = kopecks(default=0)


class Transfer(Table, table=True):
    """One movement of money, once per idempotency key of its billing account. Rows are never changed or deleted (triggers).

    Only what is taken for a biller has no billing account: it passes through the operator's own accounts.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        sa.CheckConstraint("amount_kopecks > 0", name="positive"),
        sa.CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        sa.CheckConstraint("(code = 'biller_payment') = (billing_account_id IS NULL)", name="own_account"),
        sa.UniqueConstraint("billing_account_id", "key"),
        sa.Index(
            "uq_transfer_key_of_billers",
            "key",
            unique=True,
            sqlite_where=sa.text("billing_account_id IS NULL"),
            postgresql_where=sa.text("billing_account_id IS NULL"),
        ),
        sa.Index("ix_transfer_billing_account_id_occurred_at", "billing_account_id", "occurred_at"),
        sa.Index("ix_transfer_occurred_at", "occurred_at"),
    )

    id: int = key()
    billing_account_id: int | None = ref("billing_account.id", nullable=True)
    debit_id: int = ref("ledger_account.id")
    credit_id: int = ref("ledger_account.id")
    amount_kopecks: int = kopecks()
    code: TransferCode = term(TransferCode)
    key: str = text(64)
    occurred_at: datetime
    payment_id: int | None = ref("payment.id", nullable=True)
    plan_id: int | None = ref("plan.id", nullable=True)
    option_id: int | None = ref("option.id", nullable=True)
