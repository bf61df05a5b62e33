"""What the personas were told lately: bills, autopayments, an account that was blocked. Nobody else can sign in and read any.

The keys are those of the live code (`actions.billing`, `actions.autopay_runs`, `actions.blocking`), so nothing is told twice.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import col

from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    Bill,
    BillingAccount,
    BonusEntry,
    DemoPersona,
    LedgerAccount,
    Notice,
)
from rules.autopay import next_retry_on
from rules.terms import AccountStatus, AutopayAmount, AutopayResult, AutopayState, NoticeEvent, Right
from seed.world import World

LATELY = timedelta(days=62)
READ_AFTER, STILL_NEW = timedelta(hours=5), timedelta(days=4)
BILLED_AT = time(1)
"""In Moscow."""
_PERSONAS = sa.select(col(DemoPersona.customer_id))


def write(connection: sa.Connection, world: World) -> int:
    """Write them, most of them read; returns how many."""
    now = datetime.fromtimestamp(world.end, UTC)
    since = now - LATELY
    told = [*_bills(connection, since.date()), *_autopay(connection, world, since), *_blocked(connection, since.date())]
    rows = [
        {
            "customer_id": customer_id,
            "event": event,
            "billing_account_id": account_id,
            "key": key,
            "facts": facts,
            "in_cabinet": True,
            "by_email": False,
            "created_at": at,
            "read_at": at + READ_AFTER if now - at > STILL_NEW else None,
        }
        for customer_id, event, account_id, key, facts, at in sorted(told, key=lambda each: each[-1])
    ]
    if rows:
        connection.execute(sa.insert(Notice), rows)
    return len(rows)


Told = tuple[int, NoticeEvent, int, str, dict[str, Any], datetime]


def _bills(connection: sa.Connection, since: date) -> list[Told]:
    paid_on = (  # by whatever pays all that is due
        sa.select(sa.func.min(col(AutopayRun.due_on)))
        .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
        .where(
            col(AutopayRun.billing_account_id) == col(Bill.billing_account_id),
            col(AutopayRun.due_on).between(col(Bill.issued_on), col(Bill.due_on)),
            col(AutopayRun.result) == AutopayResult.SUCCEEDED,
            col(AutopayRule.amount_kind) == AutopayAmount.DUE,
        )
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            col(Attachment.customer_id),
            col(Bill.billing_account_id),
            col(Bill.id),
            col(Bill.number),
            col(Bill.total_kopecks),
            col(Bill.issued_on),
            col(Bill.due_on),
            paid_on,
        )
        .join(Attachment, col(Attachment.billing_account_id) == col(Bill.billing_account_id))
        .where(
            col(Attachment.customer_id).in_(_PERSONAS),
            col(Attachment.detached_at).is_(None),
            col(Attachment.bill_by_email),
            col(Bill.issued_on) >= since,
        )
    ).tuples()
    return [
        (
            customer_id,
            NoticeEvent.BILL,
            account_id,
            f"bill:{bill_id}",
            {"bill_id": bill_id, "number": number, "amount_kopecks": total, "due_on": due_on.isoformat()}
            | ({"autopay": True, "autopay_on": autopay_on.isoformat()} if autopay_on else {}),
            _at(issued_on),
        )
        for customer_id, account_id, bill_id, number, total, issued_on, due_on, autopay_on in rows
    ]


def _autopay(connection: sa.Connection, world: World, since: datetime) -> list[Told]:
    points = (
        sa.select(sa.func.coalesce(sa.func.sum(col(BonusEntry.points)), 0))
        .where(col(BonusEntry.payment_id) == col(AutopayRun.payment_id))
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            *sa.inspect(AutopayRun).local_table.c, col(AutopayRule.customer_id), col(AutopayRule.state), points.label("points")
        )
        .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
        .where(
            col(AutopayRule.customer_id).in_(_PERSONAS),
            col(AutopayRun.ran_at) >= since,
            col(AutopayRun.result).in_([AutopayResult.SUCCEEDED, AutopayResult.DECLINED]),
        )
    )
    told: list[Told] = []
    for run in rows:
        done = run.result is AutopayResult.SUCCEEDED
        facts: dict[str, Any] = {"amount_kopecks": run.amount_kopecks, "payment_id": run.payment_id}
        if done:
            facts["points"] = int(run.points)
        else:
            again = None
            if run.decline_reason is None or not run.decline_reason.is_hard:
                again = next_retry_on(failed_on=run.due_on, attempt=run.attempt, terms=world.autopay)
            paused = again is None and run.state is AutopayState.PAUSED
            facts |= {"reason": run.decline_reason.value if run.decline_reason else "", "paused": paused}
            facts["next_try_on"] = again.isoformat() if again else None
        event = NoticeEvent.AUTOPAY_DONE if done else NoticeEvent.AUTOPAY_FAILED
        key = f"autopay:{run.rule_id}:{run.period}:{run.attempt}:{run.result.value}"
        told.append((run.customer_id, event, run.billing_account_id, key, facts, run.ran_at))
    return told


def _blocked(connection: sa.Connection, since: date) -> list[Told]:
    enough = [right for right in Right if right.covers(Right.PAY)]
    rows = connection.execute(
        sa.select(
            col(Attachment.customer_id),
            col(BillingAccount.id),
            col(BillingAccount.status_since_on),
            col(LedgerAccount.balance_kopecks),
        )
        .join(Attachment, col(Attachment.billing_account_id) == col(BillingAccount.id))
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .where(
            col(Attachment.customer_id).in_(_PERSONAS),
            col(Attachment.detached_at).is_(None),
            col(Attachment.right).in_(enough),
            col(BillingAccount.status) == AccountStatus.BLOCKED,
            col(BillingAccount.status_since_on) >= since,
        )
    ).tuples()
    return [
        (
            customer_id,
            NoticeEvent.BLOCKED,
            account_id,
            f"{NoticeEvent.BLOCKED.value}:{account_id}:{on.isoformat()}",
            {"debt_kopecks": max(0, -balance), "on": on.isoformat()},
            _at(on),
        )
        for customer_id, account_id, on, balance in rows
    ]


def _at(day: date) -> datetime:
    return datetime.combine(day, BILLED_AT, ZoneInfo("Europe/Moscow")).astimezone(UTC)
