"""Telling people what happened: a notice in the cabinet, and by e-mail, as each of them has chosen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

import clock
from models import Customer, Notice, NoticeChoice
from rules.notices import default_choice
from rules.terms import NoticeEvent


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


def notify_many(db: Session, *, event: NoticeEvent, told: Sequence[Told]) -> None:
    """What `notify` does, for many people at once."""
    if not told:
        return
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
    if wanted:
        insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
        db.execute(insert(Notice).on_conflict_do_nothing(), wanted)
