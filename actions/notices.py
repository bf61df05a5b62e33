"""Telling people what happened: a notice in the cabinet, and by e-mail, as each of them has chosen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

import clock
from actions.performing import action
from db import access
from models import Attachment, Consent, Customer, Notice, NoticeChoice
from rules.notices import check_choice, default_choice
from rules.refusals import NotAllowed
from rules.terms import ConsentKind, NoticeEvent, Right
from rules.visitor import Visitor


def choices(db: Session, *, customer_ids: Iterable[int], event: NoticeEvent) -> dict[int, tuple[bool, bool]]:
    """Of each person, whether they want an event told (in the cabinet, by e-mail)."""
    ids = list(customer_ids)
    rows = db.exec(select(NoticeChoice).where(col(NoticeChoice.event) == event, col(NoticeChoice.customer_id).in_(ids)))
    return dict.fromkeys(ids, default_choice(event)) | {row.customer_id: (row.in_cabinet, row.by_email) for row in rows}


def notify(
    db: Session,
    *,
    customer_id: int,
    event: NoticeEvent,
    key: str,
    account_id: int | None = None,
    has_letter: bool = False,
    **facts: Any,
) -> None:
    """Note down that a person is to be told of `event`, once per key, in the transaction of what it tells of.

    `facts` are plain JSON values (sums in kopecks, days as ISO texts) from which the words are made when they are read. Nothing
    is noted down when the person wants neither; an e-mail goes to a confirmed address only. `has_letter`: a letter of its own
    goes out already, and the notice is for the cabinet only.
    """
    chosen = db.get(NoticeChoice, (customer_id, event))
    in_cabinet, by_email = default_choice(event) if chosen is None else (chosen.in_cabinet, chosen.by_email)
    person = db.get_one(Customer, customer_id)
    by_email = by_email and not has_letter and bool(person.email) and person.email_confirmed_at is not None
    if not in_cabinet and not by_email:
        return
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    db.execute(
        insert(Notice)
        .values(
            customer_id=customer_id,
            event=event,
            billing_account_id=account_id,
            key=key,
            facts=facts,
            in_cabinet=in_cabinet,
            by_email=by_email,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing()
    )


@dataclass(frozen=True, slots=True)
class Told:
    """One person who is to be told, under a key, of something about an account; the facts as for `notify`."""

    customer_id: int
    key: str
    account_id: int | None
    facts: dict[str, Any]


def notify_many(db: Session, *, event: NoticeEvent, told: Sequence[Told]) -> int:
    """What `notify` does, for many people at once; returns how many notices there are now that were not there before."""
    if not told:
        return 0
    ids = {each.customer_id for each in told}
    chosen = choices(db, customer_ids=ids, event=event)
    confirmed = select(Customer.id).where(
        col(Customer.id).in_(ids), col(Customer.email).is_not(None), col(Customer.email_confirmed_at).is_not(None)
    )
    reached, now = set(db.exec(confirmed)), clock.now()
    rows = [
        {
            "customer_id": each.customer_id,
            "event": event,
            "billing_account_id": each.account_id,
            "key": each.key,
            "facts": each.facts,
            "in_cabinet": chosen[each.customer_id][0],
            "by_email": chosen[each.customer_id][1] and each.customer_id in reached,
            "created_at": now,
        }
        for each in told
    ]
    wanted = [row for row in rows if row["in_cabinet"] or row["by_email"]]
    if not wanted:
        return 0
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    return len(db.scalars(insert(Notice).on_conflict_do_nothing().returning(col(Notice.id)), wanted).all())


# --- what a person chooses --------------------------------------------------------------------------
@action("choose_notice")
def choose_notice(db: Session, *, visitor: Visitor, event: NoticeEvent, in_cabinet: bool, by_email: bool) -> None:
    """What the visitor wants to be told of an event, and where; letters that wait already follow the choice.

    Raises NotAllowed (staff have no accounts to be told of), NoticeNeeded for what they must learn of somehow.
    """
    if visitor.is_staff:
        raise NotAllowed()
    check_choice(event=event, in_cabinet=in_cabinet, by_email=by_email)
    keep_choices(db, visitor.customer_id, {event: (in_cabinet, by_email)})


def keep_choices(db: Session, customer_id: int, chosen: Mapping[NoticeEvent, tuple[bool, bool]]) -> None:
    """Write down what a person wants (in the cabinet, by e-mail) of each event; no waiting letter tells of what they do not."""
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [
        {
            "customer_id": customer_id,
            "event": event,
            "in_cabinet": in_cabinet,
            "by_email": by_email,
            "changed_at": clock.now(),
        }
        for event, (in_cabinet, by_email) in chosen.items()
    ]
    wanted = insert(NoticeChoice)
    replaced = {name: wanted.excluded[name] for name in ("in_cabinet", "by_email", "changed_at")}
    db.execute(wanted.on_conflict_do_update(index_elements=["customer_id", "event"], set_=replaced), rows)
    quiet = [event for event, (_, by_email) in chosen.items() if not by_email]
    db.execute(
        sa.update(Notice)
        .where(
            col(Notice.customer_id) == customer_id,
            col(Notice.event).in_(quiet),
            col(Notice.by_email),
            col(Notice.mailed_at).is_(None),
        )
        .values(by_email=False)
        .execution_options(synchronize_session=False)
    )


@action("read_notices")
def read_notices(db: Session, *, visitor: Visitor, until: datetime) -> None:
    """The visitor has seen the notices that there were at that moment."""
    db.execute(
        sa.update(Notice)
        .where(col(Notice.customer_id) == visitor.customer_id, col(Notice.read_at).is_(None), col(Notice.created_at) <= until)
        .values(read_at=clock.now())
        .execution_options(synchronize_session=False)
    )


@action("choose_bill_delivery")
def choose_bill_delivery(db: Session, *, visitor: Visitor, account_id: int, on: bool) -> None:
    """Whether the visitor gets the bills of an account by e-mail. Who had switched off letters of bills gets this one's only.

    Raises NotAllowed, RightTooLow: bills are sent to those who may pay them.
    """
    access.account(db, visitor, account_id, Right.PAY)
    in_cabinet, by_email = choices(db, customer_ids=[visitor.customer_id], event=NoticeEvent.BILL)[visitor.customer_id]
    if on and not by_email:  # no bill came by e-mail, so this one is the only one that is to
        deliver_bills(db, customer_id=visitor.customer_id, on=False)
        keep_choices(db, visitor.customer_id, {NoticeEvent.BILL: (in_cabinet, True)})
    db.execute(
        sa.update(Attachment)
        .where(
            col(Attachment.customer_id) == visitor.customer_id,
            col(Attachment.billing_account_id) == account_id,
            col(Attachment.detached_at).is_(None),
        )
        .values(bill_by_email=on)
        .execution_options(synchronize_session=False)
    )


def deliver_bills(db: Session, *, customer_id: int, on: bool) -> None:
    """What a person answered to "an electronic bill instead of a paper one" holds for all accounts that they may pay for."""
    db.execute(
        sa.update(Attachment)
        .where(
            col(Attachment.customer_id) == customer_id,
            col(Attachment.detached_at).is_(None),
            col(Attachment.right).in_([right for right in Right if right.covers(Right.PAY)]),
        )
        .values(bill_by_email=on)
        .execution_options(synchronize_session=False)
    )


def wants_bills(db: Session, *, customer_id: int) -> bool:
    """Whether a person's latest answer was to get electronic bills: so it is for an account that they attach."""
    answers = select(Consent.given).where(col(Consent.customer_id) == customer_id, col(Consent.kind) == ConsentKind.E_BILL)
    return bool(db.exec(answers.order_by(col(Consent.at).desc(), col(Consent.id).desc()).limit(1)).first())
