"""The accounts in a person's portal."""

from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from models import Attachment, AutopayRule, BillingAccount, Customer, Region
from rules.terms import AccountStatus, AutopayState, Right, ServiceKind
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class AttachedAccount:
    """One account as its person sees it. `label` is their own name for it, empty when they gave none."""

    attachment_id: int
    account_id: int
    number: str
    service: ServiceKind
    label: str
    holder: str
    is_own: bool
    right: Right
    status: AccountStatus
    address: str
    service_phone: str | None
    time_zone: str
    """IANA name; the account's days begin by it."""
    autopay_rules: int
    """How many of the person's own autopay rules pay it."""


def attached_accounts(db: Session, *, visitor: Visitor) -> list[AttachedAccount]:
    """The visitor's accounts in their own order."""
    rules = (
        select(AutopayRule.billing_account_id, func.count().label("rules"))
        .where(col(AutopayRule.customer_id) == visitor.customer_id, col(AutopayRule.state) != AutopayState.DELETED)
        .group_by(col(AutopayRule.billing_account_id))
        .subquery()
    )
    rows = db.execute(
        select(Attachment, BillingAccount, Customer, Region.time_zone)
        .add_columns(rules.c.rules)
        .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
        .join(Customer, col(Customer.id) == col(BillingAccount.holder_id))
        .join(Region, col(Region.code) == col(BillingAccount.region_code))
        .outerjoin(rules, rules.c.billing_account_id == col(Attachment.billing_account_id))
        .where(col(Attachment.customer_id) == visitor.customer_id, col(Attachment.detached_at).is_(None))
        .order_by(col(Attachment.position), col(Attachment.id))
    )
    return [
        AttachedAccount(
            attachment_id=attachment.id,
            account_id=account.id,
            number=account.number,
            service=account.service,
            label=attachment.label,
            holder=f"{holder.first_name} {holder.last_name}",
            is_own=holder.id == visitor.customer_id,
            right=attachment.right,
            status=account.status,
            address=account.address,
            service_phone=account.service_phone,
            time_zone=time_zone,
            autopay_rules=count or 0,
        )
        for attachment, account, holder, time_zone, count in rows
    ]
