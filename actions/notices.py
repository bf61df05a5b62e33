"""Telling people what happened: a notice in the cabinet, and by e-mail, as each of them has chosen."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

import clock
from models import Customer, Notice, NoticeChoice
from rules.notices import default_choice
from rules.terms import NoticeEvent


def notify(db: Session, *, customer_id: int, event: NoticeEvent, key: str, account_id: int | None = None, **facts: Any) -> None:
    """Note down that a person is to be told of `event`, once per key, in the transaction of what it tells of.

    `facts` are plain JSON values (sums in kopecks, days as ISO texts) from which the words are made when they are read. Nothing
    is noted down when the person wants neither; an e-mail goes to a confirmed address only.
    """
    chosen = db.get(NoticeChoice, (customer_id, event))
    in_cabinet, by_email = default_choice(event) if chosen is None else (chosen.in_cabinet, chosen.by_email)
    person = db.get_one(Customer, customer_id)
    by_email = by_email and bool(person.email) and person.email_confirmed_at is not None
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
