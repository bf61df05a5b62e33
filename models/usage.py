"""How the portal itself is used, and what staff see of it."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import BIG, Table, key, ref, term, text
from rules.terms import Outcome


class PortalVisit(Table, table=True):
    """A person opened a screen of the portal."""

    __tablename__ = "portal_visit"
    __table_args__ = (sa.Index("ix_portal_visit_at", "at"),)

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    screen: str = text(24)
    at: datetime


class AuditEntry(Table, table=True):
    """Somebody tried to do something: done, or refused and why. Append-only (triggers)."""

    __tablename__ = "audit_entry"
    __table_args__ = (sa.Index("ix_audit_entry_at", "at"),)

    id: int = key()
    at: datetime
    customer_id: int | None = ref("customer.id", nullable=True, index=True)
    billing_account_id: int | None = ref("billing_account.id", nullable=True)
    action: str = text(40)
    outcome: Outcome = term(Outcome)
    reason: str = text(40, default="")
    address: str = text(45, default="")


class MonthlyFigure(Table, table=True):
    """A figure of one month and region, counted beforehand so that dashboards need not read the ledger.

    Rebuilt by a job from the ledger and the other tables; never a source of truth. `measure` is a name of
    `queries.figures.Measure`; `part` splits it (service, option code, …) or is empty.
    """

    __tablename__ = "monthly_figure"

    month_on: date = Field(primary_key=True)
    region_code: str = text(6, primary_key=True)
    measure: str = text(24, primary_key=True)
    part: str = text(40, primary_key=True, default="")
    value: int = Field(sa_type=BIG)


class SeedRun(Table, table=True):
    """How the demo's data were made; its presence keeps a second run from doubling them."""

    __tablename__ = "seed_run"

    id: int = key()
    customers: int
    months: int
    seed: int
    as_of_on: date
    finished_at: datetime
