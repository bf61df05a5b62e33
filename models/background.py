"""What happened with nobody looking, and the demo's clock."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from models.base import BIG, Table, key, ref, term, text
from rules.terms import MoveState


class JobRun(Table, table=True):
    """One piece of background work: begun, ended, how many things it did, and what was wrong. Once per job and key."""

    __tablename__ = "job_run"
    __table_args__ = (
        sa.UniqueConstraint("job", "key"),
        sa.Index("ix_job_run_job_started_at", "job", "started_at"),
        sa.Index(
            "ix_job_run_trouble", "started_at", sqlite_where=sa.text("trouble <> ''"), postgresql_where=sa.text("trouble <> ''")
        ),
    )

    id: int = key()
    job: str = text(40)
    key: str = text(80)
    worker: str = text(80, default="")
    started_at: datetime
    finished_at: datetime | None = Field(default=None)
    items: int = Field(default=0)
    trouble: str = text(200, default="")


class DemoClock(Table, table=True):
    """How far the demo's clock is ahead of the real one (below zero: behind it, while it catches up); at most one row."""

    __tablename__ = "demo_clock"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one"),)

    id: int = Field(default=1, primary_key=True)
    ahead_seconds: int = Field(default=0, sa_type=BIG)
    lived_until_at: datetime
    """Until when the background was there and did what was due; where catching up begins."""


class ClockMove(Table, table=True):
    """One move of the demo's clock, day by day. Only one runs at a time."""

    __tablename__ = "clock_move"
    __table_args__ = (
        sa.Index(
            "uq_clock_move_running",
            "state",
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        ),
        sa.CheckConstraint("to_at > from_at", name="forward"),
    )

    id: int = key()
    state: MoveState = term(MoveState)
    customer_id: int | None = ref("customer.id", nullable=True)
    from_at: datetime
    to_at: datetime
    lived_until_at: datetime
    """How far it has come."""
    report: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    """What happened on the way: how many of what, by name."""
