"""More of what must hold: the bank's books are ours, everybody was told once, bills and blocked accounts are right."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from db import reading
from db.check import faults
from models import (
    AutopayRule,
    Bill,
    BillingAccount,
    BillLine,
    Customer,
    LedgerAccount,
    Message,
    Notice,
    NoticeChoice,
    Payment,
    Refund,
    Transfer,
)
from queries.figures import ACCOUNTING_TIME, month_begins_at
from rules.billing import RUN_AFTER
from rules.notices import default_choice
from rules.periods import month_start
from rules.terms import CHARGE_CODES, AccountStatus, AutopayResult, NoticeEvent, PaymentState
from tests.simulation.bank import Bank
from tests.simulation.watch import Run, check, listed

TOLD = {AutopayResult.SUCCEEDED: NoticeEvent.AUTOPAY_DONE, AutopayResult.DECLINED: NoticeEvent.AUTOPAY_FAILED}
TOLD_SKIPS = ("ceiling_reached", "account_closed", "right_lost", "card_removed")


@dataclass
class BankWatch:
    """Compares our payments with the bank's books, by key; what nobody has an answer for yet is left apart."""

    bank: Bank
    last_id: int = 0
    ours: dict[str, tuple[PaymentState, int]] = field(default_factory=dict)
    pending: dict[int, datetime] = field(default_factory=dict)
    """Our payments without an answer, by when they were begun."""

    def day_ends(self, *, everything: bool = False) -> None:
        last, waiting = (0, []) if everything else (self.last_id, sorted(self.pending))
        with reading() as db:
            rows = db.execute(
                sa.select(
                    col(Payment.id), col(Payment.gateway_key), col(Payment.state), col(Payment.amount_kopecks),
                    col(Payment.created_at),
                )
                .where(
                    col(Payment.gateway_key).is_not(None), sa.or_(col(Payment.id) > last, col(Payment.id).in_(waiting))
                )
            ).all()  # fmt: skip
            known = (col(Payment.gateway_key).is_not(None), col(Payment.state) == PaymentState.SUCCEEDED)
            total = db.scalar(sa.select(sa.func.sum(col(Payment.amount_kopecks))).where(*known)) or 0
            back = db.execute(sa.select(col(Refund.gateway_key), col(Refund.state), col(Refund.amount_kopecks))).all()
        for id_, key, state, amount, created_at in rows:
            self.ours[key] = (state, amount)
            self.last_id = max(self.last_id, id_)
            self.pending.pop(id_, None)
            if state is PaymentState.PENDING:
                self.pending[id_] = created_at
        looked_at = {key for _, key, *_ in rows} | set(list(self.bank.lines)[-200:])
        for key in sorted(self.ours.keys() | self.bank.lines.keys()) if everything else looked_at:
            self._agrees(key)
        theirs = sum(
            line.charge.amount_kopecks
            for key, line in self.bank.lines.items()
            if line.state is PaymentState.SUCCEEDED and self.ours[key][0] is not PaymentState.PENDING
        )
        check(theirs == total, f"the bank has taken {theirs} kopecks, and our payments are {total}")
        for key, state, amount in back:
            given = self.bank.back.get(key)
            check(state is PaymentState.PENDING or (given is not None) == (state is PaymentState.SUCCEEDED), f"refund {key}")
            check(given is None or given[1] == amount, f"refund {key}: {given} and {amount} kopecks")

    def _agrees(self, key: str) -> None:
        line, mine = self.bank.lines.get(key), self.ours.get(key)
        check(mine is not None, f"the bank has a charge under {key}, and we know nothing of it")
        assert mine is not None
        state, amount = mine
        if line is None:
            check(state is not PaymentState.SUCCEEDED, f"{key}: credited, and never charged")
            return
        check(line.charge.amount_kopecks == amount, f"{key}: charged {line.charge.amount_kopecks}, booked {amount}")
        if state is not PaymentState.PENDING:
            check(state is line.state, f"{key}: {line.state.value} at the bank, {state.value} here")

    def nothing_pending_since(self, moment: datetime) -> None:
        old = [id_ for id_, begun in self.pending.items() if begun < moment]
        check(not old, f"payments {old[:5]} are pending although the bank is well since {moment}")


@dataclass
class ToldWatch:
    """Each end of an autopayment is told once, as its person wishes."""

    last_notice: int = 0
    last_letter: int = 0
    owners: dict[int, int] = field(default_factory=dict)
    choices: dict[tuple[int, NoticeEvent], tuple[bool, bool]] = field(default_factory=dict)
    reached: set[int] = field(default_factory=set)

    def begin(self) -> None:
        with reading() as db:
            self.last_notice = db.scalar(sa.select(sa.func.max(col(Notice.id)))) or 0
            self.last_letter = db.scalar(sa.select(sa.func.max(col(Message.id)))) or 0
            for row in db.scalars(sa.select(NoticeChoice)):
                self.choices[row.customer_id, row.event] = (row.in_cabinet, row.by_email)
            reached = sa.select(col(Customer.id)).where(
                col(Customer.email).is_not(None), col(Customer.email_confirmed_at).is_not(None)
            )
            self.reached = set(db.scalars(reached))

    def look_after(self, ended: list[Run]) -> None:
        """`ended`: the runs that came to their end since this was asked the last time."""
        with reading() as db:
            notices = db.execute(
                sa.select(col(Notice.id), col(Notice.customer_id), col(Notice.event), col(Notice.key), col(Notice.facts))
                .where(
                    col(Notice.id) > self.last_notice, col(Notice.event).in_([*TOLD.values()]), col(Notice.key).like("autopay:%")
                )
                .order_by(col(Notice.id))
            ).all()  # fmt: skip
            letters = db.execute(
                sa.select(col(Message.id), col(Message.requested_by_id), col(Message.document)).where(
                    col(Message.id) > self.last_letter, col(Message.about) == "autopay_receipt"
                )
            ).all()
            if {run.rule_id for run in ended} - self.owners.keys():
                rows = db.execute(sa.select(col(AutopayRule.id), col(AutopayRule.customer_id)))
                self.owners = dict(rows.tuples().all())
        self.last_notice = max([self.last_notice, *(row.id for row in notices)])
        self.last_letter = max([self.last_letter, *(row.id for row in letters)])
        told = Counter((row.customer_id, row.event, row.key) for row in notices)
        of_payment = Counter((row.event, row.facts["payment_id"]) for row in notices if "payment_id" in row.facts)
        check(all(times == 1 for times in of_payment.values()), f"told twice of one payment: {of_payment.most_common(2)}")
        sent = Counter((row.requested_by_id, row.document) for row in letters)
        for run in ended:
            person, event = self.owners[run.rule_id], TOLD.get(run.result, NoticeEvent.AUTOPAY_FAILED)
            if run.result is AutopayResult.SKIPPED and run.reason not in TOLD_SKIPS:
                continue
            in_cabinet, by_email = self.choices.get((person, event), default_choice(event))
            has_letter = event is NoticeEvent.AUTOPAY_DONE
            wanted = in_cabinet or (by_email and not has_letter and person in self.reached)
            key = (person, event, f"autopay:{run.rule_id}:{run.period}:{run.attempt}:{run.result.value}")
            times = told.pop(key, 0)
            check(times == wanted, f"{run.said}: told {times} times instead of {int(wanted)}")
            if run.result is AutopayResult.SUCCEEDED:
                letter = sent.pop((person, f"receipt/{run.payment_id}"), 0)
                check(letter == (by_email and person in self.reached), f"{run.said}: {letter} receipts")
        check(not told, f"told of what did not happen: {list(told)[:3]}")
        check(not sent, f"receipts of what did not happen: {list(sent)[:3]}")
        for row in notices:
            again = row.facts.get("next_try_on")
            check(not again or not row.facts.get("paused"), f"{row.key}: it is paused, and tried again on {again}")


def nobody_is_blocked_who_owes_nothing() -> None:
    with reading() as db:
        wrong = db.execute(
            sa.select(col(BillingAccount.number), col(LedgerAccount.balance_kopecks))
            .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
            .where(col(BillingAccount.status) == AccountStatus.BLOCKED, col(LedgerAccount.balance_kopecks) >= 0)
        ).all()
    check(not wrong, f"blocked, and owing nothing: {listed(wrong)}")


def bills_are_right(now: datetime, began_at: datetime) -> None:
    """Billing day is over: one bill per account and month, and every charge before it is on exactly one."""
    month = month_start((now - RUN_AFTER).astimezone(ACCOUNTING_TIME).date())
    with reading() as db:
        twice = db.execute(
            sa.select(col(Bill.billing_account_id), col(Bill.month_on))
            .group_by(col(Bill.billing_account_id), col(Bill.month_on))
            .having(sa.func.count() > 1)
        ).all()
        check(not twice, f"two bills for one month: {listed(twice)}")
        doubled = db.execute(sa.select(col(BillLine.transfer_id)).group_by(col(BillLine.transfer_id)).having(sa.func.count() > 1))
        check(not (wrong := doubled.all()), f"charges on two lines: {listed(wrong)}")
        left = db.execute(
            sa.select(col(BillingAccount.number), col(BillingAccount.billed_on)).where(
                col(BillingAccount.opened_on) < month,
                sa.or_(col(BillingAccount.billed_on).is_(None), col(BillingAccount.billed_on) < month),
            )
        ).all()
        check(not left, f"billing day {month} went past accounts: {listed(left)}")
        unbilled = db.execute(
            sa.select(col(Transfer.billing_account_id), col(Transfer.key), col(Transfer.occurred_at))
            .outerjoin(BillLine, col(BillLine.transfer_id) == col(Transfer.id))
            .where(
                col(BillLine.id).is_(None),
                col(Transfer.code).in_(CHARGE_CODES),
                col(Transfer.occurred_at) >= began_at,
                col(Transfer.occurred_at) < month_begins_at(month),
            )
        ).all()
        check(not unbilled, f"charges that no bill has: {listed(unbilled)}")


def it_agrees_with_itself() -> None:
    with reading() as db:
        found = faults(db.connection())
    check(not found, f"python -m db check: {found}")
