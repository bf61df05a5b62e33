"""What notices say of money, by the time their letter leaves: a letter waits a little, at night for the morning, and a payment
may have come meanwhile. The list in the cabinet says what was so at the moment that stands there.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from models import Notice
from queries.ahead import autopaid_since, pay_themselves
from queries.dues import balances
from queries.figures import ACCOUNTING_TIME
from rules.notices import payer_facts
from rules.terms import NoticeEvent

RUNNING_OUT = frozenset({NoticeEvent.LOW_BALANCE, NoticeEvent.DAYS_LEFT})


def by_now(db: Session, notices: Sequence[Notice], now: datetime) -> dict[int, dict[str, Any]]:
    """Notice → its facts as they are now; without those that there is nothing to say of any more. A few statements for all."""
    of_money = [notice for notice in notices if notice.event in {*RUNNING_OUT, NoticeEvent.BILL} and notice.billing_account_id]
    held = balances(db, account_ids={notice.billing_account_id for notice in of_money if notice.billing_account_id})
    bills = [notice for notice in of_money if notice.event is NoticeEvent.BILL]
    debts = {
        notice.billing_account_id: (-held[notice.billing_account_id], date.fromisoformat(notice.facts["due_on"]))
        for notice in bills
        if notice.billing_account_id and held[notice.billing_account_id] < 0
    }
    ahead = pay_themselves(db, debts=debts, now=now) if debts else {}
    since = min((notice.created_at for notice in bills), default=now)
    autopaid = autopaid_since(db, account_ids={notice.billing_account_id for notice in bills}, since=since) if bills else {}
    today = now.astimezone(ACCOUNTING_TIME).date()
    said: dict[int, dict[str, Any]] = {}
    for notice in notices:
        account_id, facts = notice.billing_account_id, dict(notice.facts)
        if account_id is not None and notice.event in RUNNING_OUT:
            if not _is_short(facts, held[account_id], today):
                continue
            facts["balance_kopecks"] = held[account_id]
        elif account_id is not None and notice.event is NoticeEvent.BILL:
            facts |= payer_facts(account_id, held[account_id], ahead)
            facts["autopaid"] = autopaid.get(account_id, notice.created_at) > notice.created_at
        said[notice.id] = facts
    return said


def _is_short(facts: dict[str, Any], balance_kopecks: int, today: date) -> bool:
    """Whether a balance that was not enough is not enough still."""
    if balance_kopecks < 0:
        return True
    was_below_zero = facts["balance_kopecks"] < 0
    is_charged = date.fromisoformat(facts["charge_on"]) <= today
    return not was_below_zero and not is_charged and balance_kopecks < int(facts["charge_kopecks"])
