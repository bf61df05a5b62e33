"""Many autopay rules that are due, for benches: each with its person, account, card and e-mail, written in bulk."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    SavedCard,
)
from rules.numbers import account_number
from rules.terms import (
    AutopayAmount,
    AutopayResult,
    AutopayTrigger,
    BillingMode,
    CardBrand,
    LedgerKind,
    Right,
    ServiceKind,
)

FIRST_ID = 50_000_000
"""Beyond what a seeded database has; sequences stay where they are."""
FIRST_SERIAL = 700_000_000
FAR = date(2099, 1, 31)
AMOUNT = 50_000
REGION, ZONE_HOURS = "RU-MOW", 3
PIECE = 5000


def fill(db: Session, count: int, *, now: datetime, token: Callable[[int], str] = "card-{}".format) -> None:
    """Write `count` people with an e-mail, an account, a card (`token` of its number) and a rule by day that is due at `now`."""
    for start in range(0, count, PIECE):
        numbers = range(start, min(count, start + PIECE))
        for noun, row_of in _NOUNS:
            db.execute(sa.insert(noun), [row_of(number, now, token) for number in numbers])


def _ids(number: int, *names: str) -> dict[str, int]:
    return dict.fromkeys(names, FIRST_ID + number)


def _customer(number: int, now: datetime, _token: Any) -> dict[str, Any]:
    return _ids(number, "id") | {
        "last_name": "Ли",
        "first_name": "Анна",
        "email": f"payer-{number}@kabinet.example",
        "email_confirmed_at": now,
        "region_code": REGION,
        "registered_at": now,
    }


def _account(number: int, now: datetime, _token: Any) -> dict[str, Any]:
    return _ids(number, "id", "holder_id") | {
        "number": account_number(FIRST_SERIAL + number),
        "service": ServiceKind.MOBILE,
        "mode": BillingMode.PREPAID,
        "status_since_on": now.date(),
        "region_code": REGION,
        "opened_on": now.date(),
        "billed_on": now.date(),
    }


def _ledger(number: int, _now: datetime, _token: Any) -> dict[str, Any]:
    return _ids(number, "id", "billing_account_id") | {"kind": LedgerKind.CUSTOMER}


def _attachment(number: int, now: datetime, _token: Any) -> dict[str, Any]:
    return _ids(number, "id", "customer_id", "billing_account_id") | {"right": Right.MANAGE, "attached_at": now}


def _card(number: int, now: datetime, token: Callable[[int], str]) -> dict[str, Any]:
    return _ids(number, "id", "customer_id") | {
        "token": token(number),
        "brand": CardBrand.MIR,
        "last_four": "0004",
        "expires_on": FAR,
        "added_at": now,
    }


def _rule(number: int, now: datetime, _token: Any) -> dict[str, Any]:
    due_at = now - timedelta(minutes=1)
    return _ids(number, "id", "customer_id", "billing_account_id", "card_id") | {
        "trigger": AutopayTrigger.MONTHLY,
        "day_of_month": (due_at + timedelta(hours=ZONE_HOURS)).day,
        "amount_kind": AutopayAmount.FIXED,
        "amount_kopecks": AMOUNT,
        "consent_at": now,
        "created_at": now,
        "changed_at": now,
        "due_at": due_at,
    }


_NOUNS: tuple[tuple[Any, Callable[..., dict[str, Any]]], ...] = (
    (Customer, _customer),
    (BillingAccount, _account),
    (LedgerAccount, _ledger),
    (Attachment, _attachment),
    (SavedCard, _card),
    (AutopayRule, _rule),
)


def left(db: Session) -> int:
    """How many rules of `fill` have not been charged yet."""
    charged = sa.select(col(AutopayRun.rule_id)).where(col(AutopayRun.result) == AutopayResult.SUCCEEDED)
    ours = sa.select(sa.func.count()).where(col(AutopayRule.id) >= FIRST_ID, col(AutopayRule.id).not_in(charged))
    return int(db.execute(ours).scalar_one())
