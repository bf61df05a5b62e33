"""A person's own data: ordering the archive, making it in the background, handing it out, dropping it."""

import logging
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, or_, select

import clock
from actions.consents import own_person
from actions.performing import action
from actions.throttle import count_try, throttle_key
from db import reading, transaction
from documents.archive import Archive
from models import Customer, DataExport
from queries.my_data import Noun, nouns
from rules.attempts import ThrottleTerms
from rules.refusals import NotAllowed, NotReadyYet, Unavailable
from rules.terms import ExportState, Language
from rules.visitor import Visitor
from settings import operator
from texts import moment, speaking, t

_log = logging.getLogger("kabinet.my_data")

KEPT = timedelta(days=7)
LEASE = timedelta(minutes=10)
"""How long whoever makes an archive is believed to be alive without a sign; each finished table is one."""
GIVEN_UP = timedelta(days=1)
ORDERS_A_DAY = 3
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """An archive that is ours to make until `until` (aware UTC)."""

    export_id: int
    customer_id: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Handed:
    """A finished archive and the moment it was made (aware UTC)."""

    content: bytes
    made_at: datetime


# --- the person -------------------------------------------------------------------------------------
@action("order_export")
def order_export(db: Session, *, visitor: Visitor) -> int:
    """Ask for everything that is held about oneself; returns the id of the request.

    While one is being made it is that one. Raises TooManyAttempts after ORDERS_A_DAY within a day: it costs work.
    """
    own_person(db, visitor)  # locked: two clicks at once are one request
    open_one = db.exec(
        select(DataExport.id).where(
            col(DataExport.customer_id) == visitor.customer_id,
            col(DataExport.state).in_((ExportState.QUEUED, ExportState.RUNNING)),
        )
    ).first()
    if open_one is not None:
        return open_one
    now, day = clock.now(), 24 * 60
    terms = ThrottleTerms(limit=ORDERS_A_DAY, window_minutes=day, lock_minutes=day)
    count_try(db, key=throttle_key("my-data", str(visitor.customer_id)), terms=terms, now=now)
    asked = DataExport(customer_id=visitor.customer_id, state=ExportState.QUEUED, requested_at=now)
    db.add(asked)
    db.flush()
    return asked.id


@action("download_export")
def download_export(db: Session, *, visitor: Visitor, export_id: int) -> Handed:
    """The visitor's own archive. Raises NotAllowed for anybody else's, NotReadyYet when it is not made yet or dropped."""
    asked = db.exec(
        select(DataExport).where(col(DataExport.id) == export_id, col(DataExport.customer_id) == visitor.customer_id)
    ).first()
    if asked is None:
        raise NotAllowed()
    there = asked.state is ExportState.READY and asked.expires_at is not None and asked.expires_at > clock.now()
    if not there or asked.archive is None or asked.finished_at is None:
        raise NotReadyYet()
    return Handed(asked.archive, asked.finished_at)


# --- the background ---------------------------------------------------------------------------------
def claim_export(now: datetime) -> Claim | None:
    """Take the oldest request that nobody makes, or whose maker fell silent for LEASE; None when there is none.

    While an archive is being made, `expires_at` is the end of its maker's lease. A request that could not be met for
    GIVEN_UP fails: it may be what brings the makers down.
    """
    with transaction() as db:
        asked = db.exec(
            select(DataExport)
            .where(
                or_(
                    col(DataExport.state) == ExportState.QUEUED,
                    (col(DataExport.state) == ExportState.RUNNING) & (col(DataExport.expires_at) <= now),
                )
            )
            .order_by(col(DataExport.id))
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if asked is None:
            return None
        if asked.state is ExportState.RUNNING and asked.requested_at <= now - GIVEN_UP:
            asked.state, asked.finished_at, asked.expires_at = ExportState.FAILED, now, None
            db.add(asked)
            return None
        asked.state, asked.percent, asked.expires_at = ExportState.RUNNING, 0, now + LEASE
        db.add(asked)
        return Claim(asked.id, asked.customer_id, now + LEASE)


def make_export(claim: Claim) -> bool:
    """Build the archive of a claim and keep it for KEPT; False when another process has taken it over meanwhile.

    Each table is read and each step of progress written on its own, so that nobody waits for the whole. A failure makes
    the request fail, and the person may ask again; where only the database is away, the lease runs out and it is tried
    again. Raises Unavailable.
    """
    held = claim
    try:
        with tempfile.SpooledTemporaryFile(8_000_000) as file:
            with reading() as db:
                language = Language(db.get_one(Customer, claim.customer_id).language)
            with Archive(file, at=clock.now()) as archive:
                tables = nouns(claim.customer_id)
                archive.text("readme.txt", _readme(tables, language))
                for done, noun in enumerate(tables, start=1):
                    with reading() as db:
                        found = db.execute(noun.rows, execution_options={"yield_per": _BATCH})
                        archive.table(noun.name, noun.columns, (tuple(row) for row in found))
                    prolonged = _progress(held, 99 * done // len(tables))
                    if prolonged is None:
                        return False
                    held = prolonged
            file.seek(0)
            return _finish(held, file.read())
    except Unavailable:
        raise
    except Exception:
        _log.exception("archive %s could not be made", claim.export_id)
        _change(held, state=ExportState.FAILED, finished_at=clock.now(), expires_at=None)
        return False


def drop_expired(now: datetime) -> int:
    """Drop archives whose time is over; returns how many."""
    with transaction() as db:
        dropped = db.execute(
            update(DataExport)
            .where(
                col(DataExport.state) == ExportState.READY,
                col(DataExport.expires_at) <= now,
                col(DataExport.archive).is_not(None),
            )
            .values(archive=None)
        )
    return dropped.rowcount  # type: ignore[attr-defined,no-any-return]


def _progress(claim: Claim, percent: int) -> Claim | None:
    """Note how far it is and prolong the lease; None when it is no longer ours."""
    until = clock.now() + LEASE
    return Claim(claim.export_id, claim.customer_id, until) if _change(claim, percent=percent, expires_at=until) else None


def _finish(claim: Claim, content: bytes) -> bool:
    now = clock.now()
    ours = _change(claim, state=ExportState.READY, percent=100, archive=content, finished_at=now, expires_at=now + KEPT)
    if ours:
        with transaction() as db:  # the newest one says it all
            db.execute(
                update(DataExport)
                .where(col(DataExport.customer_id) == claim.customer_id, col(DataExport.id) < claim.export_id)
                .values(archive=None)
            )
    return ours


def _change(claim: Claim, **values: object) -> bool:
    """Change a request that is still ours, in a transaction of its own."""
    with transaction() as db:
        changed = db.execute(
            update(DataExport)
            .where(
                col(DataExport.id) == claim.export_id,
                col(DataExport.state) == ExportState.RUNNING,
                col(DataExport.expires_at) == claim.until,
            )
            .values(**values)
        )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def _readme(tables: list[Noun], language: Language) -> str:
    we = operator()
    with speaking(language):
        lines = [
            t("my_data.readme", operator=we.name(language.value), at=moment(clock.now(), "UTC")),
            "",
            *(f"{noun.name}.json, {noun.name}.csv — {t(f'my_data.file.{noun.name}')}" for noun in tables),
            "",
            t("my_data.readme_end", phone=we.phone, email=we.email),
        ]
    return "\n".join(lines) + "\n"
