"""What people are told of, on which of two ways, and when a letter of it goes out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from rules.refusals import NoticeNeeded
from rules.terms import NoticeEvent

SILENT_BY_EMAIL = frozenset({NoticeEvent.AUTOPAY_AHEAD, NoticeEvent.ORDER_DONE})
"""What is shown in the cabinet only, unless a person wants letters of it, too."""
ALWAYS_TOLD = frozenset({NoticeEvent.SIGN_IN, NoticeEvent.AUTOPAY_FAILED})
"""Somebody else in the account, money that did not come: on one way or the other a person learns of it."""
UNSUBSCRIBED = tuple(event for event in NoticeEvent if event not in {*ALWAYS_TOLD, NoticeEvent.AUTOPAY_DONE})
"""What a link of a letter can switch off. The letter of an autopayment that was made is its receipt."""
NOT_YET = frozenset({NoticeEvent.PROMISED_ENDS})
"""Nothing raises these yet, so there is nothing to choose."""

FIRST_HOUR, LAST_HOUR = 9, 21
"""Between these hours of a person's day letters may come, and people are told of what lies ahead."""
URGENT = frozenset({NoticeEvent.AUTOPAY_FAILED, NoticeEvent.BLOCKED, NoticeEvent.SIGN_IN})
"""What does not wait for the morning."""
GATHER, GATHER_URGENT = timedelta(minutes=15), timedelta(minutes=1)
"""So long a letter waits for what else there may be to say: one letter instead of ten."""
MOST_IN_LETTER = 20
LONGEST_DOCUMENTS = 80
"""Characters for the addresses of what goes with a letter."""

LOW_DAYS = 14
"""From so many days before a charge on, people hear that their balance will not do for it."""
DAYS_LEFT = (1, 3, 7)
CARD_DAYS = (7, 30)
"""Days before the end on which people are told, the least first."""


# --- what a person wants ------------------------------------------------------------------------------
def default_choice(event: NoticeEvent) -> tuple[bool, bool]:
    """Whether an event is told (in the cabinet, by e-mail) to whoever has chosen nothing.

    The letter of the month has another default: see `wants_monthly`.
    """
    return True, event not in SILENT_BY_EMAIL


def check_choice(*, event: NoticeEvent, in_cabinet: bool, by_email: bool) -> None:
    """Whether a person may choose so. Raises NoticeNeeded when they would never learn of what they must know."""
    if event in ALWAYS_TOLD and not (in_cabinet or by_email):
        raise NoticeNeeded(event=event)


def wants_monthly(
    *, chosen: bool | None, chosen_at: datetime | None, consented: bool | None, consented_at: datetime | None
) -> bool:
    """Whether the letter of the month goes to a person: by the switch or by the answer of the first sign-in, whichever is later.

    Whoever has neither chosen nor answered is written no letters, as the profile says.
    """
    if chosen is not None and chosen_at is not None and (consented_at is None or chosen_at >= consented_at):
        return chosen
    return bool(consented)


# --- what lies ahead ------------------------------------------------------------------------------------
def step_of(days: int, steps: Sequence[int]) -> int | None:
    """The step of a countdown that so many days belong to; None before the first one.

    `steps` are ascending. A day on which nobody looked is made up for on the next: 6 days left are told as the 7 are.
    """
    return next((step for step in steps if days <= step), None)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What to tell of a prepaid account that will not last, and what makes it be told once."""

    event: NoticeEvent
    key: str
    days: int


def foresee(*, account_id: int, balance_kopecks: int, charge_kopecks: int, charge_on: date, today: date) -> Foreseen | None:
    """What to tell of a prepaid account whose next charge is so much on that day; None: nothing, today.

    Below zero: once a month. Else, where the balance does not cover the charge: once from LOW_DAYS on, and on each step of
    the last days.
    """
    if balance_kopecks < 0:
        return Foreseen(NoticeEvent.LOW_BALANCE, f"low:{account_id}:{today:%Y-%m}:debt", 0)
    days = (charge_on - today).days
    if balance_kopecks >= charge_kopecks or not 0 < days <= LOW_DAYS:
        return None
    step = step_of(days, DAYS_LEFT)
    if step is None:
        return Foreseen(NoticeEvent.LOW_BALANCE, f"low:{account_id}:{charge_on}", days)
    return Foreseen(NoticeEvent.DAYS_LEFT, f"days:{account_id}:{charge_on}:{step}", days)


def payer_facts(account_id: int, balance_kopecks: int, by_autopay: Mapping[int, date | None]) -> dict[str, Any]:
    """What a notice of a bill says of its payment: what is on the account, and whether autopay will pay it, and when."""
    on = by_autopay.get(account_id)
    return {
        "balance_kopecks": balance_kopecks,
        "autopay": account_id in by_autopay,
        "autopay_on": on and on.isoformat(),
    }


# --- where to go ----------------------------------------------------------------------------------------
_SCREENS = {
    NoticeEvent.LOW_BALANCE: "pay",
    NoticeEvent.DAYS_LEFT: "pay",
    NoticeEvent.PROMISED_ENDS: "pay",
    NoticeEvent.BLOCKED: "pay",
    NoticeEvent.AUTOPAY_AHEAD: "autopay",
    NoticeEvent.AUTOPAY_DONE: "autopay",
    NoticeEvent.AUTOPAY_FAILED: "autopay",
    NoticeEvent.CARD_EXPIRES: "cards",
    NoticeEvent.ORDER_DONE: "services",
    NoticeEvent.SIGN_IN: "security",
    NoticeEvent.BILL: "bills",
}
_OF_ACCOUNT = frozenset({"pay", "services", "bills"})


def place_of(event: NoticeEvent, *, facts: Mapping[str, Any], account_id: int | None) -> tuple[str, dict[str, str]]:
    """The screen where a person can do something about it, and what stands in its address; "": there is nothing to do."""
    screen = _SCREENS.get(event, "")
    query = {"account": str(account_id)} if screen in _OF_ACCOUNT and account_id is not None else {}
    if event is NoticeEvent.BILL:
        query["bill"] = str(facts["bill_id"])
    return screen, query


# --- letters ------------------------------------------------------------------------------------------------
def is_awake(hour: int) -> bool:
    """Whether letters may come at that hour of the person's day."""
    return FIRST_HOUR <= hour < LAST_HOUR


T = TypeVar("T")


def in_letters(notices: Iterable[tuple[T, str]]) -> list[list[tuple[T, str]]]:
    """What one person is to be told, each with the address of its document (or ""), in as few letters as hold it."""
    letters: list[list[tuple[T, str]]] = []
    room = 0
    for each in notices:
        needed = len(each[1]) + 1 if each[1] else 0
        if not letters or len(letters[-1]) == MOST_IN_LETTER or needed > room:
            letters.append([])
            room = LONGEST_DOCUMENTS + 1
        letters[-1].append(each)
        room -= needed
    return letters
