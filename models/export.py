"""A person's own data, packed for them."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, key, ref, term
from rules.terms import ExportState


class DataExport(Table, table=True):
    """One request for everything held about a person. The archive is here until `expires_at`, then dropped."""

    __tablename__ = "data_export"
    __table_args__ = (sa.CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),)

    id: int = key()
    customer_id: int = ref("customer.id", index=True)
    state: ExportState = term(ExportState)
    percent: int = Field(default=0)
    archive: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    requested_at: datetime
    finished_at: datetime | None = Field(default=None)
    expires_at: datetime | None = Field(default=None)
