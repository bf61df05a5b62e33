"""The billing account («лицевой счёт») and who is attached to it."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, code_ref, key, ref, term, text
from rules.terms import AccountStatus, BillingMode, Right, ServiceKind


class BillingAccount(Table, table=True):
    """One contract for one service, with its own number (nine digits and a check digit).

    The holder is the person the contract is with. `contact_*` is what the operator has on file for the contract
    and where attach codes go; it is not on public view.
    """

    __tablename__ = "billing_account"
    __table_args__ = (
        sa.CheckConstraint("length(number) = 10", name="number_length"),
        sa.CheckConstraint("(status = 'closed') = (closed_on IS NOT NULL)", name="closed_has_day"),
        sa.Index(
            "ix_billing_account_blocked",
            "id",
            sqlite_where=sa.text("status = 'blocked'"),
            postgresql_where=sa.text("status = 'blocked'"),
        ),
    )

    id: int = key()
    number: str = text(10, unique=True)
    holder_id: int = ref("customer.id", index=True)
    service: ServiceKind = term(ServiceKind)
    mode: BillingMode = term(BillingMode)
    status: AccountStatus = term(AccountStatus, default=AccountStatus.ACTIVE)
    status_since_on: date
    region_code: str = code_ref("region.code", length=6, index=True)
    address: str = text(200, default="")
    service_phone: str | None = text(12, default=None, nullable=True)
    contact_email: str | None = text(254, default=None, nullable=True)
    contact_phone: str | None = text(12, default=None, nullable=True)
    opened_on: date
    closed_on: date | None = Field(default=None)
    billed_on: date | None = Field(default=None, index=True)
    """The latest billing day that it has been through; empty: none yet."""


class Attachment(Table, table=True):
    """A person sees an account in the portal, with a right. Ended ones stay: detaching loses no history."""

    __tablename__ = "attachment"
    __table_args__ = (
        sa.Index(
            "uq_attachment_live",
            "customer_id",
            "billing_account_id",
            unique=True,
            sqlite_where=sa.text("detached_at IS NULL"),
            postgresql_where=sa.text("detached_at IS NULL"),
        ),
    )

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    billing_account_id: int = ref("billing_account.id", index=True)
    right: Right = term(Right)
    label: str = text(40, default="")
    """The person's own name for it; empty: the portal names it after its service."""
    position: int = Field(default=0)
    bill_by_email: bool = Field(default=False)
    """The person wants this account's bills by e-mail."""
    attached_at: datetime
    detached_at: datetime | None = Field(default=None)


class AttachCode(Table, table=True):
    """A one-time code sent to the contact on file, to prove that an account may be attached. Only its hash is stored."""

    __tablename__ = "attach_code"
    __table_args__ = (sa.CheckConstraint("tries_left >= 0", name="tries_left"),)

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    billing_account_id: int = ref("billing_account.id")
    code_hash: str = text(64)
    sent_to: str = text(80)
    """The contact as it may be shown: masked."""
    sent_at: datetime
    expires_at: datetime
    tries_left: int
    used_at: datetime | None = Field(default=None)
