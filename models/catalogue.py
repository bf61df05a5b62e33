"""What the operator sells: plans and options, their prices over time, and what goes with what."""

from datetime import date

import sqlalchemy as sa
from sqlmodel import Field

from models.base import Table, code_ref, key, kopecks, ref, term, text
from rules.terms import OptionGroup, OptionRelationKind, Recurrence, ServiceKind


class Plan(Table, table=True):
    """A tariff of one service. Allowances are a month's; empty means the plan has none of it, zero unlimited."""

    __tablename__ = "plan"

    id: int = key()
    code: str = text(40, unique=True)
    service: ServiceKind = term(ServiceKind)
    name_ru: str = text(60)
    name_en: str = text(60)
    gigabytes: int | None = Field(default=None)
    minutes: int | None = Field(default=None)
    messages: int | None = Field(default=None)
    megabits: int | None = Field(default=None)
    channels: int | None = Field(default=None)
    position: int = Field(default=0)


class PlanPrice(Table, table=True):
    """The monthly fee of a plan from a day on, until the next row."""

    __tablename__ = "plan_price"
    __table_args__ = (sa.CheckConstraint("monthly_kopecks >= 0", name="not_negative"),)

    plan_id: int = ref("plan.id", primary_key=True)
    valid_from_on: date = Field(primary_key=True)
    monthly_kopecks: int = kopecks()


class Option(Table, table=True):
    """Something that can be added to a plan and dropped again."""

    __tablename__ = "option"

    id: int = key()
    code: str = text(40, unique=True)
    service: ServiceKind = term(ServiceKind)
    group: OptionGroup = term(OptionGroup, sa_column_kwargs={"name": "option_group"})
    recurrence: Recurrence = term(Recurrence, default=Recurrence.MONTHLY)
    name_ru: str = text(60)
    name_en: str = text(60)
    summary_ru: str = text(200, default="")
    summary_en: str = text(200, default="")
    provisioning_minutes: int = Field(default=0)
    """How long connecting takes; until then the order is pending and can be taken back."""
    position: int = Field(default=0)


class OptionPrice(Table, table=True):
    """The price of an option from a day on: a month's for monthly ones, the whole for one-off ones."""

    __tablename__ = "option_price"
    __table_args__ = (sa.CheckConstraint("price_kopecks >= 0", name="not_negative"),)

    option_id: int = ref("option.id", primary_key=True)
    valid_from_on: date = Field(primary_key=True)
    price_kopecks: int = kopecks()


class OptionRegion(Table, table=True):
    """An option with rows here is offered in these regions only; without rows, everywhere."""

    __tablename__ = "option_region"

    option_id: int = ref("option.id", primary_key=True)
    region_code: str = code_ref("region.code", length=6, primary_key=True)


class OptionRelation(Table, table=True):
    """EXCLUDES holds both ways and is stored once; NEEDS points from the option to what it needs."""

    __tablename__ = "option_relation"
    __table_args__ = (sa.CheckConstraint("option_id <> other_id", name="not_itself"),)

    option_id: int = ref("option.id", primary_key=True)
    other_id: int = ref("option.id", primary_key=True)
    kind: OptionRelationKind = term(OptionRelationKind)
