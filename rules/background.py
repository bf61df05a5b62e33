"""When background work happens, and when what waits has waited too long."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

TIME_ZONE = ZoneInfo("Europe/Moscow")
"""Schedules are in this time zone."""

PATIENCE = {
    "orders": timedelta(minutes=5),
    "payments": timedelta(minutes=65),
    "refunds": timedelta(hours=1),
    "cards": timedelta(minutes=65),
    "autopay": timedelta(minutes=15),
    "bills": timedelta(hours=3),
    "autopay_asked": timedelta(minutes=30),
    "autopay_again": timedelta(minutes=15),
    "notices": timedelta(days=2),
    "letters": timedelta(minutes=30),
    "letters_dead": timedelta(),
    "exports": timedelta(minutes=30),
}
"""How long the first of a queue may wait before somebody should look. A payer has an hour at the bank's page."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often something happens: every `every` of a `unit` ("second", "minute"), or at a moment of each "day" or "month".

    `unit` is "other" for a schedule that has no such words.
    """

    unit: str
    every: int = 1


def is_late(queue: str, *, since: datetime | None, now: datetime) -> bool:
    """Whether the first of a queue waits too long. What nothing is known of is never late."""
    return since is not None and queue in PATIENCE and now - since > PATIENCE[queue]


def cadence(cron: str) -> Cadence:
    """How often a schedule of cron fires; with six fields the first is seconds, as the engine has it."""
    fields = cron.split()
    if len(fields) == 6:
        return _stepped(fields[0], "second") if set(fields[1:]) == {"*"} else Cadence("other")
    minute, hour, day, *rest = fields
    if set(rest) != {"*"}:
        return Cadence("other")
    if (hour, day) == ("*", "*"):
        return _stepped(minute, "minute")
    if minute.isdigit() and hour.isdigit():
        return Cadence("day") if day == "*" else Cadence("month") if day.isdigit() else Cadence("other")
    return Cadence("other")


def _stepped(field: str, unit: str) -> Cadence:
    if field == "*":
        return Cadence(unit)
    head, _, step = field.partition("/")
    return Cadence(unit, int(step)) if head == "*" and step.isdigit() else Cadence("other")


def next_firing(cron: str, *, after: datetime) -> datetime | None:
    """The first moment after `after` that a schedule of five fields fires; None for one of seconds, which never rests."""
    if len(cron.split()) == 6:
        return None
    following: datetime = croniter(cron, after.astimezone(TIME_ZONE)).get_next(datetime)
    return following
