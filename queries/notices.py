"""A person's notices, and what they have chosen to be told of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from db import access
from models import Attachment, BillingAccount, Consent, Customer, Notice, NoticeChoice
from rules.notices import NOT_YET, default_choice, wants_monthly
from rules.terms import AccountStatus, BillingMode, ConsentKind, NoticeEvent, Right, ServiceKind
from rules.visitor import Visitor


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice. `service` is empty when it is about no account; `attached`: the reader may see that account still."""

    notice_id: int
    event: NoticeEvent
    facts: Mapping[str, Any]
    at: datetime
    read_at: datetime | None
    account_id: int | None
    label: str
    service: ServiceKind | None
    prepaid: bool
    attached: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person is told of: event → (in the cabinet, by e-mail). `email` is where letters go, empty when nowhere."""

    email: str
    by_event: Mapping[NoticeEvent, tuple[bool, bool]]


@dataclass(frozen=True, slots=True)
class BillDelivery:
    """Whether the bills of one account come by e-mail; only who may pay for it can choose so."""

    account_id: int
    label: str
    service: ServiceKind
    number: str
    right: Right
    on: bool


def _own(visitor: Visitor) -> "sa.ColumnElement[bool]":
    return sa.and_(col(Notice.customer_id) == visitor.customer_id, col(Notice.in_cabinet))


def count_notices(db: Session, *, visitor: Visitor) -> int:
    """How many notices the visitor has."""
    return int(db.exec(select(sa.func.count()).select_from(Notice).where(_own(visitor))).one())


def count_unread(db: Session, *, visitor: Visitor, most: int = 100) -> int:
    """How many of the visitor's notices nobody has looked at; more than `most` are not counted."""
    unread = sa.select(sa.literal(1)).where(_own(visitor), col(Notice.read_at).is_(None)).limit(most).subquery()
    return int(db.execute(sa.select(sa.func.count()).select_from(unread)).scalar_one())


def list_notices(db: Session, *, visitor: Visitor, page: int = 1, size: int = 20) -> list[NoticeRow]:
    """A page (from 1) of the visitor's notices, the newest first."""
    rows = db.execute(
        sa.select(Notice, col(Attachment.label), col(Attachment.id), col(BillingAccount.service), col(BillingAccount.mode))
        .outerjoin(BillingAccount, col(BillingAccount.id) == col(Notice.billing_account_id))
        .outerjoin(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == col(Notice.billing_account_id),
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .where(_own(visitor))
        .order_by(col(Notice.created_at).desc(), col(Notice.id).desc())
        .offset((page - 1) * size)
        .limit(size)
    )
    return [
        NoticeRow(
            notice_id=notice.id,
            event=NoticeEvent(notice.event),
            facts=notice.facts,
            at=notice.created_at,
            read_at=notice.read_at,
            account_id=notice.billing_account_id,
            label=label or "",
            service=service,
            prepaid=mode is BillingMode.PREPAID,
            attached=attached is not None,
        )
        for notice, label, attached, service, mode in rows
    ]


def notice_choices(db: Session, *, visitor: Visitor) -> Choices:
    """What the visitor is told of, by their choice or by default."""
    person = db.get_one(Customer, visitor.customer_id)
    chosen = {
        NoticeEvent(row.event): row
        for row in db.exec(select(NoticeChoice).where(col(NoticeChoice.customer_id) == visitor.customer_id))
    }
    by_event = {event: default_choice(event) for event in NoticeEvent if event not in NOT_YET}
    by_event |= {event: (row.in_cabinet, row.by_email) for event, row in chosen.items() if event in by_event}
    month = chosen.get(NoticeEvent.MONTHLY)
    answer = db.execute(
        sa.select(col(Consent.given), col(Consent.at))
        .where(col(Consent.customer_id) == visitor.customer_id, col(Consent.kind) == ConsentKind.E_STATEMENTS)
        .order_by(col(Consent.at).desc(), col(Consent.id).desc())
        .limit(1)
    ).first()
    by_event[NoticeEvent.MONTHLY] = (
        by_event[NoticeEvent.MONTHLY][0],
        wants_monthly(
            chosen=month.by_email if month else None,
            chosen_at=month.changed_at if month else None,
            consented=answer.given if answer else None,
            consented_at=answer.at if answer else None,
        ),
    )
    return Choices(person.email or "" if person.email_confirmed_at else "", by_event)


def bill_deliveries(db: Session, *, visitor: Visitor) -> list[BillDelivery]:
    """The visitor's accounts that bills are made for, in their own order."""
    rows = db.execute(
        sa.select(Attachment, BillingAccount)
        .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
        .where(
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.detached_at).is_(None),
            col(BillingAccount.id).in_(access.reachable(visitor)),
            col(BillingAccount.status) != AccountStatus.CLOSED,
        )
        .order_by(col(Attachment.position), col(Attachment.id))
    )
    return [
        BillDelivery(account.id, own.label, account.service, account.number, own.right, own.bill_by_email)
        for own, account in rows
    ]
