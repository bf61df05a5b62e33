"""Staff's part of the outbox: letters that nobody would take are sent again, or put aside."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

import clock
from actions.performing import action
from db import access, transaction
from models import Message
from rules.outbox import KEPT_DEAD
from rules.refusals import NotAllowed
from rules.terms import MessageState, Role
from rules.visitor import Visitor

BATCH = 500


@action("send_letter_again")
def send_again(db: Session, *, visitor: Visitor, message_id: int) -> bool:
    """Put a dead letter back into the outbox, as if it had never been tried; False when it has no words any more, or is not dead.

    For administrators. Raises NotAllowed, also for a letter that does not exist.
    """
    _known(db, visitor, message_id)
    return bool(_again(db, col(Message.id) == message_id))


@action("send_letters_again")
def send_all_again(db: Session, *, visitor: Visitor, since: datetime, trouble: str | None = None) -> int:
    """Put back all letters that died at `since` or later, those with this `trouble` when one is named; returns how many.

    For administrators. Raises NotAllowed.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    return _again(db, *_since(since, trouble))


@action("put_letter_aside")
def put_aside(db: Session, *, visitor: Visitor, message_id: int) -> bool:
    """Let a dead letter be: its words go, nobody is shown it any more. False when it was not dead. For administrators.

    Raises NotAllowed, also for a letter that does not exist.
    """
    _known(db, visitor, message_id)
    return bool(_aside(db, col(Message.id) == message_id))


@action("put_letters_aside")
def put_all_aside(db: Session, *, visitor: Visitor, since: datetime, trouble: str | None = None) -> int:
    """Put aside all letters that died at `since` or later, those with this `trouble` when one is named; returns how many.

    For administrators. Raises NotAllowed.
    """
    access.staff(visitor, Role.ADMINISTRATOR)
    return _aside(db, *_since(since, trouble))


def drop_dead(now: datetime) -> int:
    """Put aside letters that nobody looked after for so long, a batch of them; returns how many."""
    with transaction() as db:
        old = sa.select(col(Message.id)).where(col(Message.dead_at) < now - KEPT_DEAD).limit(BATCH)
        return _aside(db, col(Message.id).in_(old))


def _known(db: Session, visitor: Visitor, message_id: int) -> None:
    access.staff(visitor, Role.ADMINISTRATOR)
    if db.get(Message, message_id) is None:
        raise NotAllowed()


def _since(since: datetime, trouble: str | None) -> list["sa.ColumnElement[bool]"]:
    which = [col(Message.dead_at) >= since]
    return which if trouble is None else [*which, col(Message.trouble) == trouble]


def _again(db: Session, *which: "sa.ColumnElement[bool]") -> int:
    return _change(
        db, *which, col(Message.body) != "",
        state=MessageState.QUEUED, attempts=0, next_try_at=clock.now(), dead_at=None,
    )  # fmt: skip


def _aside(db: Session, *which: "sa.ColumnElement[bool]") -> int:
    return _change(db, *which, body="", dead_at=None)


def _change(db: Session, *which: "sa.ColumnElement[bool]", **values: Any) -> int:
    """Change dead letters; returns how many there were. Of two who want the same the second finds none."""
    done = db.execute(
        sa.update(Message)
        .where(col(Message.dead_at).is_not(None), *which)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
