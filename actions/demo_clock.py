"""The demo's clock: how far it is ahead, and moving it. Production refuses all of it.

A move is a row first (only one can be running), then somebody in the background lives through its days (`jobs.living`). While it
runs, the ordinary background rests: half-moved time is nobody's business.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions.performing import action
from db import reading, transaction
from models import ClockMove, DemoClock, LoginSession, SeedRun
from queries.demo_clock import latest_move
from rules.demo_clock import MOST_TO_CATCH_UP, TIME_ZONE, target
from rules.refusals import ClockIsMoving, DemoOnly
from rules.terms import ClockStep, MoveState
from rules.visitor import Visitor
from settings import settings

BEHIND = timedelta(hours=20)
"""A demo that nobody ran for so long has missed a day."""
_left_alone = timedelta()


class MoveIsOver(Exception):
    """There is no such move any more: the demo begins anew."""


@action("move_clock")
def move_clock(db: Session, *, visitor: Visitor | None, step: ClockStep) -> int:
    """Begin to move the demo's clock; returns the move. Anybody at the demo may. Raises DemoOnly, ClockIsMoving."""
    now = clock.now()
    return _begin(db, from_at=now, to_at=target(step=step, now=now), customer_id=visitor.customer_id if visitor else None)


@action("catch_up")
def catch_up(db: Session, *, visitor: Visitor | None) -> int:
    """Begin to live the days that a demo has missed while nobody ran it; returns the move. Raises DemoOnly, ClockIsMoving."""
    global _left_alone
    since = missed_since(db) or clock.now() - timedelta(minutes=1)
    begun = _begin(db, from_at=since, to_at=clock.now(), customer_id=visitor.customer_id if visitor else None)
    _left_alone = timedelta()
    return begun


def _begin(db: Session, *, from_at: datetime, to_at: datetime, customer_id: int | None) -> int:
    if not settings().is_demo:
        raise DemoOnly()
    move = ClockMove(state=MoveState.RUNNING, customer_id=customer_id, from_at=from_at, to_at=to_at, lived_until_at=from_at)
    try:
        with db.begin_nested():
            db.add(move)
            db.flush()
    except sa.exc.IntegrityError:
        raise ClockIsMoving() from None
    return move.id


def missed_since(db: Session) -> datetime | None:
    """Since when nobody has lived this demo, when that is a day or more; None when it is up to date (or is no demo)."""
    kept = db.get(DemoClock, 1)
    if kept is not None:
        since = kept.lived_until_at
    else:
        seeded = db.exec(select(SeedRun).order_by(col(SeedRun.id).desc())).first()
        if seeded is None:
            return None
        since = datetime.combine(seeded.as_of_on, time(), TIME_ZONE).astimezone(UTC)  # what was seeded ends at that midnight
        if seeded.finished_at - since < timedelta(days=1):
            since = seeded.finished_at  # until then nobody could have looked
    return since if clock.now() - since >= BEHIND and settings().is_demo else None


def catch_up_at_start() -> timedelta:
    """Begin to catch up, unless too much was missed; returns how much was missed (nothing: up to date)."""
    with reading() as db:
        since = missed_since(db)
    missed = timedelta() if since is None else clock.now() - since
    if timedelta() < missed <= MOST_TO_CATCH_UP:
        try:
            with transaction() as db:
                catch_up(db, visitor=None)
        except ClockIsMoving:
            pass  # it was under way when the process ended, and goes on
    return missed


def follow() -> timedelta:
    """Be where the demo's clock is: whoever moved it may be another process. Returns how much nobody has lived.

    That is nothing but at a start, and where a computer has slept.
    """
    global _left_alone
    if not settings().is_demo:
        return timedelta()
    with reading() as db:
        kept = db.get(DemoClock, 1)
        wanted = timedelta(seconds=kept.ahead_seconds) if kept is not None else timedelta()
        if abs(clock.ahead() - wanted) >= timedelta(seconds=2):
            clock.shift(wanted)
        since = missed_since(db)
        move = latest_move(db) if since is not None else None
    if since is None or (move is not None and move.state is MoveState.RUNNING):
        _left_alone = timedelta()
        return timedelta()
    missed = clock.now() - since
    _left_alone = missed if missed > MOST_TO_CATCH_UP else timedelta()
    return missed


def catching_up(move: ClockMove | None) -> bool:
    """Whether a move lives what was missed: until it is over, there is no present to be shown."""
    if move is None or move.state is not MoveState.RUNNING:
        return False
    return move.to_at <= clock.real_now() or clock.ahead() < -timedelta(hours=1)


def left_alone() -> timedelta:
    """How long nobody has lived this demo, when that is too long to catch up with unasked: somebody has to choose."""
    return _left_alone


def mark_lived(now: datetime) -> int:
    """Note that the background was there; returns 0, there is never more to do. Missed days are not passed over."""
    if settings().is_demo:
        with transaction() as db:
            if missed_since(db) is None:
                _keep(db, clock.ahead(), now)
    return 0


def stand_at(move_id: int, moment: datetime) -> None:
    """Put the clock of everybody to the moment that a move has come to. Who is signed in stays so: sessions travel along.

    Raises MoveIsOver.
    """
    with transaction() as db:
        move = db.get(ClockMove, move_id)
        if move is None or move.state is not MoveState.RUNNING:
            raise MoveIsOver()
        before, ahead = clock.now(), moment - clock.real_now()
        _keep(db, ahead, moment)
        by = moment - before
        for session in db.exec(
            select(LoginSession).where(col(LoginSession.revoked_at).is_(None), col(LoginSession.expires_at) > min(before, moment))
        ):
            session.expires_at += by
            if session.last_seen_at is not None:
                session.last_seen_at += by
            db.add(session)
    clock.shift(ahead)


def lived(move_id: int, until: datetime, report: Mapping[str, int]) -> None:
    """Note how far a move has come, and what has happened on the way."""
    with transaction() as db:
        move = db.get(ClockMove, move_id)
        if move is None:
            raise MoveIsOver()
        move.lived_until_at, move.report = until, dict(report)
        db.add(move)


def finish(move_id: int, state: MoveState) -> None:
    """End a move. One that led to the real present leaves the clock at it."""
    with transaction() as db:
        move = db.get(ClockMove, move_id)
        if move is None or move.state is not MoveState.RUNNING:
            return
        move.state = state
        db.add(move)
        ahead = max(clock.ahead(), timedelta())
        _keep(db, ahead, clock.real_now() + ahead)
    clock.shift(ahead)


def give_up() -> None:
    """End the move that runs, whoever lives it: it notices at its next moment."""
    with transaction() as db:
        for move in db.exec(select(ClockMove).where(col(ClockMove.state) == MoveState.RUNNING)):
            move.state = MoveState.FAILED
            db.add(move)


def forget_clock() -> None:
    """Be at the real time again: the demo begins anew."""
    clock.shift(timedelta())


def moving() -> bool:
    """Whether the demo's clock is being moved just now, or somebody has yet to say what becomes of a demo left alone."""
    if not settings().is_demo:
        return False
    if _left_alone:
        return True
    with reading() as db:
        move = latest_move(db)
    return move is not None and move.state is MoveState.RUNNING


def _keep(db: Session, ahead: timedelta, lived_until: datetime) -> None:
    kept = db.get(DemoClock, 1) or DemoClock(id=1, lived_until_at=lived_until)
    kept.ahead_seconds, kept.lived_until_at = round(ahead.total_seconds()), lived_until
    db.add(kept)
