"""Settling many autopayments at once: what `actions.settlement.settle` does for one, set-based for those that simply succeeded.

A success has much to write: the payment, the transfer, the balance, the points, the run, the rule, the notice and the letter.
Row by row that is some hundred a second; here it is a few statements for a piece, and no nouns are built of what is only
read. Whatever is not plain goes the ordinary way: declines, unknown answers, another sum, people whose refunds left points owing,
rules that run on another ground by now.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

import clock
from actions.autopay_runs import next_after
from actions.blocking import resume_if_paid
from actions.ledger import operators_account
from actions.letters import row_of
from actions.settlement import Answer, book, receipt_letter
from db import transaction
from db.bulk import among, insert_for_ids, insert_many, update_many
from models import (
    Attachment,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    Message,
    Notice,
    NoticeChoice,
    Payment,
    Refund,
    Region,
    Transfer,
)
from rules.autopay import is_period_of
from rules.bonus import expires_on, points_for_payment
from rules.notices import default_choice
from rules.terms import (
    AutopayResult,
    AutopayTrigger,
    BonusKind,
    BonusSource,
    Language,
    LedgerKind,
    NoticeEvent,
    PaymentState,
    ServiceKind,
    TransferCode,
)
from settings import operator
from texts import account_number, money, speaking, t


@dataclass(frozen=True, slots=True)
class _Paid:
    """An autopayment, with all that its success touches."""

    payment_id: int
    state: PaymentState
    amount_kopecks: int
    gateway_key: str | None
    run_id: int
    period: str
    attempt: int
    due_on: date
    rule_id: int
    trigger: AutopayTrigger
    day_of_month: int | None
    account_id: int
    account_number: str
    service: ServiceKind
    label: str | None
    account_zone: str
    payer_id: int
    payer_zone: str
    language: Language
    email: str | None
    email_confirmed_at: datetime | None
    in_cabinet: bool | None
    by_email: bool | None
    owes_points: bool


def settle_answers(answers: Sequence[Answer]) -> int:
    """Make the gateway's answers to autopayments true here; returns how many came to an end. Safe to repeat."""
    successes = {
        answer.payment_id: answer
        for answer in answers
        if answer.standing is not None and answer.standing.state is PaymentState.SUCCEEDED
    }
    settled: set[int] = set()
    if successes:
        with transaction() as db:
            settled = _settle_successes(db, successes)
    over = len(settled)
    for answer in answers:
        if answer.payment_id not in settled:
            over += book(answer).state is not PaymentState.PENDING
    return over


def _settle_successes(db: Session, answers: dict[int, Answer]) -> set[int]:
    """Settle those that are plain; returns their payments. Locks payments, then ledger accounts, both ascending; then rules."""
    now = clock.now()
    paid, refs = [], {}
    wanted = _paid().where(among(db, col(Payment.id), answers)).order_by(col(Payment.id)).with_for_update(of=Payment)
    for row in db.execute(wanted):
        each, standing = _Paid(*row), answers[row[0]].standing
        if (
            standing is not None
            and each.state is PaymentState.PENDING
            and (standing.amount_kopecks, standing.key) == (each.amount_kopecks, each.gateway_key)
            and not each.owes_points
            and is_period_of(trigger=each.trigger, period=each.period)
        ):
            paid.append(each)
            refs[each.payment_id] = standing.ref
    if not paid:
        return set()
    _post(db, paid, now)
    resume_if_paid(db, account_ids=[each.account_id for each in paid], now=now)
    done = {"state": PaymentState.SUCCEEDED, "settled_at": now, "asked_at": now, "trouble": ""}
    update_many(db, Payment, [{"id": each.payment_id, "gateway_ref": refs[each.payment_id], **done} for each in paid])
    points = _grant(db, paid, now)
    db.execute(
        sa.update(AutopayRun)
        .where(among(db, col(AutopayRun.id), [each.run_id for each in paid]))
        .values(result=AutopayResult.SUCCEEDED)
        .execution_options(synchronize_session=False)
    )
    _plan_next(db, paid)
    _tell(db, paid, points, now)
    return set(refs)


@cache
def _paid() -> "sa.Select[*tuple[Any, ...]]":
    """What `_Paid` is made of."""
    rule, account, payer = AutopayRule, BillingAccount, Customer
    own, home = sa.alias(sa.inspect(Region).local_table), sa.alias(sa.inspect(Region).local_table)
    refund, refunded = sa.alias(sa.inspect(Refund).local_table), sa.alias(sa.inspect(Payment).local_table)
    owes = (
        sa.select(sa.literal(1))
        .select_from(refund.join(refunded, refunded.c.id == refund.c.payment_id))
        .where(refunded.c.payer_id == col(rule.customer_id), refund.c.points_owed > 0)
        .exists()
    )
    labelled = sa.and_(
        col(Attachment.billing_account_id) == col(account.id),
        col(Attachment.customer_id) == col(payer.id),
        col(Attachment.detached_at).is_(None),
    )
    chosen = sa.and_(
        col(NoticeChoice.customer_id) == col(payer.id), col(NoticeChoice.event) == sa.literal(NoticeEvent.AUTOPAY_DONE)
    )
    return (
        sa.select(
            col(Payment.id),
            col(Payment.state),
            col(Payment.amount_kopecks),
            col(Payment.gateway_key),
            col(AutopayRun.id),
            col(AutopayRun.period),
            col(AutopayRun.attempt),
            col(AutopayRun.due_on),
            col(rule.id),
            col(rule.trigger),
            col(rule.day_of_month),
            col(account.id),
            col(account.number),
            col(account.service),
            col(Attachment.label),
            own.c.time_zone,
            col(payer.id),
            home.c.time_zone,
            col(payer.language),
            col(payer.email),
            col(payer.email_confirmed_at),
            col(NoticeChoice.in_cabinet),
            col(NoticeChoice.by_email),
            owes,
        )
        .join(AutopayRun, col(AutopayRun.payment_id) == col(Payment.id))
        .join(rule, col(rule.id) == col(AutopayRun.rule_id))
        .join(account, col(account.id) == col(AutopayRun.billing_account_id))
        .join(payer, col(payer.id) == col(rule.customer_id))
        .join(own, own.c.code == col(account.region_code))
        .join(home, home.c.code == col(payer.region_code))
        .outerjoin(Attachment, labelled)
        .outerjoin(NoticeChoice, chosen)
    )


def _post(db: Session, paid: list[_Paid], now: datetime) -> None:
    """A top-up each, once per key, and the balances beside them."""
    held = {
        account_id: (ledger_id, balance_kopecks)
        for account_id, ledger_id, balance_kopecks in db.execute(
            sa.select(col(LedgerAccount.billing_account_id), col(LedgerAccount.id), col(LedgerAccount.balance_kopecks))
            .where(among(db, col(LedgerAccount.billing_account_id), {each.account_id for each in paid}))
            .order_by(col(LedgerAccount.billing_account_id))
            .with_for_update()
        ).tuples()
    }
    gateway = operators_account(db, LedgerKind.GATEWAY)
    insert_many(
        db,
        Transfer,
        [
            {
                "billing_account_id": each.account_id,
                "debit_id": gateway,
                "credit_id": held[each.account_id][0],
                "amount_kopecks": each.amount_kopecks,
                "code": TransferCode.TOP_UP,
                "key": f"payment:{each.payment_id}",
                "occurred_at": now,
                "payment_id": each.payment_id,
            }
            for each in paid
        ],
    )
    came: dict[int, int] = defaultdict(int)
    for each in paid:
        came[each.account_id] += each.amount_kopecks
    # What was read under the lock is what is there.
    balances = [(*held[account_id], kopecks) for account_id, kopecks in came.items()]
    update_many(db, LedgerAccount, [{"id": ledger_id, "balance_kopecks": was + more} for ledger_id, was, more in balances])


def _plan_next(db: Session, paid: list[_Paid]) -> None:
    """Plan each rule's next run. Many share their moment, so the rules are changed together by it."""
    planned: dict[datetime, list[int]] = defaultdict(list)
    for each in paid:
        planned[next_after(each, each.due_on, each.account_zone)].append(each.rule_id)
    for due_at, rule_ids in planned.items():
        db.execute(
            sa.update(AutopayRule)
            .where(among(db, col(AutopayRule.id), rule_ids))
            .values(due_at=due_at, due_period="", due_attempt=1, first_failed_on=None)
            .execution_options(synchronize_session=False)
        )


def _grant(db: Session, paid: list[_Paid], now: datetime) -> dict[int, int]:
    """A lot of points for each payment, as `actions.bonus.grant_for_payment` gives them; returns how many, by payment."""
    terms = operator().bonus
    granted = {
        each.payment_id: points_for_payment(amount_kopecks=each.amount_kopecks, by_autopay=True, terms=terms).total
        for each in paid
    }
    earning = [each for each in paid if granted[each.payment_id] > 0]
    days = {zone: now.astimezone(ZoneInfo(zone)).date() for zone in {each.payer_zone for each in earning}}
    lots = [
        {
            "customer_id": each.payer_id,
            "source": BonusSource.AUTOPAY,
            "granted": granted[each.payment_id],
            "remaining": granted[each.payment_id],
            "granted_on": days[each.payer_zone],
            "expires_on": expires_on(days[each.payer_zone], terms),
        }
        for each in earning
    ]
    insert_many(
        db,
        BonusEntry,
        [
            {
                "customer_id": each.payer_id,
                "lot_id": lot_id,
                "kind": BonusKind.EARNED,
                "points": granted[each.payment_id],
                "key": f"payment:{each.payment_id}",
                "occurred_at": now,
                "payment_id": each.payment_id,
                "billing_account_id": each.account_id,
            }
            for each, lot_id in zip(earning, insert_for_ids(db, BonusLot, lots), strict=True)
        ],
    )
    return granted


def _tell(db: Session, paid: list[_Paid], points: dict[int, int], now: datetime) -> None:
    """A notice in the cabinet and the letter with the receipt, for whoever wants them."""
    in_cabinet, by_email = default_choice(NoticeEvent.AUTOPAY_DONE)
    insert_many(
        db,
        Notice,
        [
            {
                "customer_id": each.payer_id,
                "event": NoticeEvent.AUTOPAY_DONE,
                "billing_account_id": each.account_id,
                "key": f"autopay:{each.rule_id}:{each.period}:{each.attempt}:{AutopayResult.SUCCEEDED.value}",
                "facts": {
                    "amount_kopecks": each.amount_kopecks,
                    "payment_id": each.payment_id,
                    "points": points[each.payment_id],
                },
                "in_cabinet": True,
                "by_email": False,
                "created_at": now,
            }
            for each in paid
            if (in_cabinet if each.in_cabinet is None else each.in_cabinet)
        ],
    )
    messages = []
    for each in paid:
        if not (by_email if each.by_email is None else each.by_email) or not each.email or each.email_confirmed_at is None:
            continue
        with speaking(each.language):
            called = each.label or t(f"service.{each.service.value}")
            what = f"{called} ({account_number(each.account_number)}): {money(each.amount_kopecks)}"
        letter = receipt_letter(
            payment_id=each.payment_id,
            amount_kopecks=each.amount_kopecks,
            by_autopay=True,
            payer_id=each.payer_id,
            email=each.email,
            language=each.language,
            what=what,
        )
        messages.append(row_of(**letter))
    insert_many(db, Message, messages)
