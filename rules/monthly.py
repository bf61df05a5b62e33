"""The letter of the month: how all accounts of a person stand, as it is kept with the notice and printed from there.

Sums are kopecks. What was charged is the bill of the month; what was paid is what came in within it; the balance, what is due
and the points are those of the moment at which the letter was written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rules.terms import AutopayAmount, AutopayTrigger

LAST_DAY = 10
"""The letters of a month are written from its billing day to this day: who was not reached by then is not written late."""


@dataclass(frozen=True, slots=True)
class NextAutopay:
    """What pays an account next: on a day, or, without one, as soon as the balance falls under the threshold."""

    trigger: AutopayTrigger
    amount_kind: AutopayAmount
    amount_kopecks: int | None
    threshold_kopecks: int | None
    on: date | None


@dataclass(frozen=True, slots=True)
class MonthOfAccount:
    """One account of the summary. `due_on` is the last day to pay what is due, when anything is. `pays_itself`: autopay pays all
    of it in time; the letter alone says so, it is not kept."""

    account_id: int
    charged_kopecks: int
    paid_kopecks: int
    balance_kopecks: int
    due_kopecks: int
    due_on: date | None
    autopay: NextAutopay | None
    pays_itself: bool = False


@dataclass(frozen=True, slots=True)
class MonthOfPerson:
    """What one person is written of a month (its first day)."""

    month_on: date
    accounts: tuple[MonthOfAccount, ...]
    points: int
    points_earned: int

    @property
    def charged_kopecks(self) -> int:
        return sum(account.charged_kopecks for account in self.accounts)

    @property
    def paid_kopecks(self) -> int:
        return sum(account.paid_kopecks for account in self.accounts)

    @property
    def balance_kopecks(self) -> int:
        return sum(account.balance_kopecks for account in self.accounts)

    @property
    def due_kopecks(self) -> int:
        return sum(account.due_kopecks for account in self.accounts)

    @property
    def due_on(self) -> date | None:
        """The first day by which something is due."""
        return min((account.due_on for account in self.accounts if account.due_on), default=None)


def key_of(month_on: date) -> str:
    """The key under which a person is written to of a month, once."""
    return f"monthly:{month_on:%Y-%m}"


def document_of(month_on: date) -> str:
    """The address of the summary under /documents/: `monthly/202610`."""
    return f"monthly/{month_on:%Y%m}"


def month_of_document(number: str) -> date:
    """The month of `202610`. Raises ValueError for what is none."""
    if len(number) != 6:
        raise ValueError(f"no month: {number!r}")
    return date(int(number[:4]), int(number[4:]), 1)


# --- as facts of a notice -------------------------------------------------------------------------------
def as_facts(month: MonthOfPerson) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "month": month.month_on.isoformat(),
        "points": month.points,
        "points_earned": month.points_earned,
        "accounts": [_account_facts(account) for account in month.accounts],
    }


def _account_facts(account: MonthOfAccount) -> dict[str, Any]:
    autopay = account.autopay
    return {
        "id": account.account_id,
        "charged": account.charged_kopecks,
        "paid": account.paid_kopecks,
        "balance": account.balance_kopecks,
        "due": account.due_kopecks,
        "due_on": account.due_on and account.due_on.isoformat(),
        "autopay": autopay
        and {
            "trigger": autopay.trigger.value,
            "kind": autopay.amount_kind.value,
            "amount": autopay.amount_kopecks,
            "threshold": autopay.threshold_kopecks,
            "on": autopay.on and autopay.on.isoformat(),
        },
    }


def from_facts(facts: Mapping[str, Any], *, among: Sequence[int] | None = None) -> MonthOfPerson:
    """What was kept; of the accounts those `among` these ids, all when none are named."""
    return MonthOfPerson(
        month_on=date.fromisoformat(facts["month"]),
        accounts=tuple(_account(kept) for kept in facts["accounts"] if among is None or kept["id"] in among),
        points=facts["points"],
        points_earned=facts["points_earned"],
    )


def _account(kept: Mapping[str, Any]) -> MonthOfAccount:
    autopay = kept["autopay"]
    return MonthOfAccount(
        account_id=kept["id"],
        charged_kopecks=kept["charged"],
        paid_kopecks=kept["paid"],
        balance_kopecks=kept["balance"],
        due_kopecks=kept["due"],
        due_on=kept["due_on"] and date.fromisoformat(kept["due_on"]),
        autopay=autopay
        and NextAutopay(
            trigger=AutopayTrigger(autopay["trigger"]),
            amount_kind=AutopayAmount(autopay["kind"]),
            amount_kopecks=autopay["amount"],
            threshold_kopecks=autopay["threshold"],
            on=autopay["on"] and date.fromisoformat(autopay["on"]),
        ),
    )
