"""Which accounts a person may reach: the one place that decides, used by every action and query."""

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models import Attachment, BillingAccount
from rules.refusals import NotAllowed, RightTooLow
from rules.terms import Right, Role
from rules.visitor import Visitor


def reachable(visitor: Visitor, needed: Right = Right.VIEW) -> "sa.Select[int]":
    """A subquery of the ids of the billing accounts that the visitor may use with the right `needed`.

    Start every query about accounts from it: `.where(col(X.billing_account_id).in_(reachable(visitor)))`.
    """
    enough = [right for right in Right if right.covers(needed)]
    return sa.select(col(Attachment.billing_account_id)).where(
        col(Attachment.customer_id) == visitor.customer_id,
        col(Attachment.detached_at).is_(None),
        col(Attachment.right).in_(enough),
    )


def account(db: Session, visitor: Visitor, account_id: int, needed: Right, *, lock: bool = False) -> BillingAccount:
    """The account, when the visitor has the right on it now. `lock` keeps others from changing it until the commit.

    Raises NotAllowed when it is not attached (or does not exist: the answers are the same), RightTooLow when the
    right is not enough.
    """
    found = db.exec(
        select(BillingAccount, Attachment)
        .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
        .where(
            col(BillingAccount.id) == account_id,
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.detached_at).is_(None),
        )
    ).first()
    if found is None:
        raise NotAllowed()
    held, attachment = found
    if not attachment.right.covers(needed):
        raise RightTooLow(needed=needed)
    if lock:
        db.exec(select(BillingAccount.id).where(col(BillingAccount.id) == account_id).with_for_update(key_share=True)).one()
    return held


def right_on(db: Session, visitor: Visitor, account_id: int) -> Right:
    """The visitor's right on an account that is attached. Raises NotAllowed when it is not."""
    found = db.exec(
        select(Attachment.right).where(
            col(Attachment.billing_account_id) == account_id,
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.detached_at).is_(None),
        )
    ).first()
    if found is None:
        raise NotAllowed()
    return Right(found)


def staff(visitor: Visitor, *roles: Role) -> None:
    """Pass when the visitor has one of the roles (any staff role when none is named). Raises NotAllowed."""
    allowed = roles or (Role.ANALYST, Role.ADMINISTRATOR)
    if visitor.role not in allowed:
        raise NotAllowed()
