"""Refusals as sentences."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from rules.refusals import FieldWrong, Refusal
from texts.catalogue import t
from texts.formats import day, money, number


def _said(name: str, fact: Any) -> Any:
    """A fact as the reader's language writes it; what it is, its name tells."""
    if name.endswith("_kopecks"):
        return money(fact, exact=False)
    if isinstance(fact, StrEnum):
        return t(f"{type(fact).__name__.lower()}.{fact.value}")
    if isinstance(fact, datetime):
        return fact
    if isinstance(fact, date):
        return day(fact)
    if isinstance(fact, int):
        return number(fact)
    return fact


def sentence(refusal: Refusal) -> str:
    """What happened, why and what now, for the person who was refused. Plain text: escape it where Markdown is read."""
    if isinstance(refusal, FieldWrong):
        return t(f"field.{refusal.facts['field']}.{refusal.facts['problem']}")
    return t(f"refusal.{refusal.code}", **{name: _said(name, fact) for name, fact in refusal.facts.items()})
