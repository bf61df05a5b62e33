"""The record of background work: what was done when, by which process, and what went wrong."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

import clock
from db import transaction
from models import JobRun

KEPT = timedelta(days=90)


def note_run(*, job: str, key: str, worker: str, started_at: datetime, items: int, trouble: str = "") -> None:
    """Keep that a piece of work ended: how many things it did, or what was wrong. Once per job and key."""
    with transaction() as db:
        insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
        db.execute(
            insert(JobRun)
            .values(
                job=job,
                key=key[:80],
                worker=worker[:80],
                started_at=started_at,
                finished_at=clock.now(),
                items=items,
                trouble=trouble[:200],
            )
            .on_conflict_do_nothing()
        )


def forget_old_runs(now: datetime) -> int:
    """Drop records older than three months; returns how many."""
    with transaction() as db:
        gone = db.execute(sa.delete(JobRun).where(col(JobRun.started_at) < now - KEPT))
        return int(gone.rowcount)  # type: ignore[attr-defined]
