"""The background as staff see it: every queue by its rows, the last run of each job, failures taken together, letters by day."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from db import reading, transaction
from models import AutopayRun, BillingAccount, CardSetup, DataExport, JobRun, Message, Notice, Payment
from queries.background import dead_letters, failures, last_runs, letters_by_day, troubles, waiting
from rules.refusals import NotAllowed
from rules.terms import (
    AutopayResult,
    Channel,
    ExportState,
    GatewayName,
    Language,
    MessageState,
    NoticeEvent,
    PaymentMethod,
    PaymentState,
    Role,
)
from rules.visitor import Visitor
from tests.money.world import World

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def visitor(role: Role) -> Visitor:
    return Visitor(
        customer_id=1,
        session_id=1,
        role=role,
        first_name="Ольга",
        language=Language.RU,
        region_code="RU-MOW",
        time_zone="Europe/Moscow",
    )


BOSS, ANALYST = visitor(Role.ADMINISTRATOR), visitor(Role.ANALYST)


def letter(**more: Any) -> Message:
    values: dict[str, Any] = {
        "channel": Channel.EMAIL,
        "recipient": "ivan@street.example",
        "about": "receipt",
        "subject": "Чек",
        "body": "Оплачено",
        "language": Language.RU,
        "created_at": NOW,
        **more,
    }
    return Message(**values)


def run(job: str, ago: timedelta, **more: Any) -> JobRun:
    values: dict[str, Any] = {"items": 1, **more}
    at = NOW - ago
    return JobRun(job=job, key=f"{job}{at.isoformat()}", started_at=at, finished_at=at, **values)


def counted() -> dict[str, tuple[int, datetime | None]]:
    with reading() as db:
        return {queue.name: (queue.count, queue.since) for queue in waiting(db, visitor=ANALYST, now=NOW)}


def test_nothing_waits_where_nothing_is(db: sa.Engine):
    assert set(counted().values()) == {(0, None)}


def test_each_queue_counts_what_waits_and_says_since_when(db: sa.Engine):
    with transaction() as session:
        world = World(session)
        anna = world.person("Анна")
        account = world.account(anna)
        session.add(account)
        account.billed_on = date(2026, 11, 1)
        card = world.card(anna)
        rule = world.rule(anna, account, card, due_at=NOW - HOUR, due_attempt=2)
        again = world.rule(anna, world.account(anna), card, due_at=NOW + HOUR, due_attempt=2)
        world.rule(anna, world.account(anna), card, due_at=NOW + HOUR)
        payment = world.save(
            Payment(
                payer_id=anna.id,
                amount_kopecks=100,
                method=PaymentMethod.CARD,
                state=PaymentState.PENDING,
                key="k",
                created_at=NOW - 2 * HOUR,
            )
        )
        world.pay(account, 100, NOW - 9 * HOUR, payer=anna)
        for number, result in enumerate((AutopayResult.PENDING, AutopayResult.SUCCEEDED)):
            session.add(
                AutopayRun(
                    rule_id=again.id if number else rule.id,
                    billing_account_id=account.id,
                    period="2026-11",
                    due_on=NOW.date(),
                    ran_at=NOW - 3 * HOUR,
                    result=result,
                    payment_id=None if number else payment.id,
                )
            )
        session.add(
            CardSetup(
                customer_id=anna.id,
                state=PaymentState.PENDING,
                key="k",
                created_at=NOW - 4 * HOUR,
                gateway=GatewayName.TEST_BANK,
                gateway_key="g",
            )
        )
        for number, by_email in enumerate((True, False)):
            session.add(
                Notice(
                    customer_id=anna.id,
                    event=NoticeEvent.BILL,
                    key=str(number),
                    by_email=by_email,
                    created_at=NOW - 5 * HOUR,
                )
            )
        session.add(letter(state=MessageState.QUEUED, next_try_at=NOW, created_at=NOW - 6 * HOUR))
        session.add(letter(state=MessageState.SENT, created_at=NOW - 7 * HOUR))
        session.add(letter(state=MessageState.FAILED, dead_at=NOW - 8 * HOUR))
        session.add(letter(state=MessageState.FAILED))
        for state in (ExportState.RUNNING, ExportState.READY):
            session.add(DataExport(customer_id=anna.id, state=state, requested_at=NOW - HOUR))
    seen = counted()
    assert seen | {"bills": None} == {
        "orders": (0, None),
        "payments": (1, NOW - 2 * HOUR),
        "refunds": (0, None),
        "cards": (1, NOW - 4 * HOUR),
        "autopay": (1, NOW - HOUR),
        "bills": None,
        "autopay_asked": (1, NOW - 3 * HOUR),
        "autopay_again": (1, NOW + HOUR),
        "notices": (1, NOW - 5 * HOUR),
        "letters": (1, NOW - 6 * HOUR),
        "letters_dead": (1, NOW - 8 * HOUR),
        "exports": (1, NOW - HOUR),
    }


@pytest.mark.parametrize(
    ("billed_on", "opened_on", "waits"),
    [
        (date(2026, 11, 1), date(2025, 1, 1), 0),
        (date(2026, 10, 1), date(2025, 1, 1), 1),
        (None, date(2026, 10, 31), 1),
        (None, date(2026, 11, 1), 0),
    ],
)
def test_bills_wait_until_the_account_has_been_through_this_months_billing_day(
    db: sa.Engine, billed_on: date | None, opened_on: date, waits: int
):
    with transaction() as session:
        world = World(session)
        account: BillingAccount = world.account(world.person("Анна"))
        account.billed_on, account.opened_on = billed_on, opened_on
        session.add(account)
    count, since = counted()["bills"]
    assert count == waits
    assert since == (datetime(2026, 10, 31, 21, tzinfo=UTC) if waits else None), "since midnight of Moscow"


def test_the_last_run_of_each_job_is_told_and_of_one_that_never_ran_nothing(db: sa.Engine):
    with transaction() as session:
        session.add_all(
            [run("letters", 2 * HOUR, items=5), run("letters", HOUR, items=7), run("figures", HOUR, items=0, trouble="locked")]
        )
    with reading() as session:
        seen = last_runs(session, visitor=ANALYST, jobs=["letters", "figures", "billing"])
    assert {job: (last.items, last.trouble) for job, last in seen.items()} == {"letters": (7, ""), "figures": (0, "locked")}


def test_the_same_failure_is_told_once_with_how_often_and_one_of_last_month_not_at_all(db: sa.Engine):
    with transaction() as session:
        session.add_all([run("letters", hours * HOUR, trouble="locked") for hours in (1, 2, 3)])
        session.add_all(
            [run("letters", 4 * HOUR), run("figures", HOUR / 2, trouble="gone"), run("x", 8 * 24 * HOUR, trouble="old")]
        )
    with reading() as session:
        seen = failures(session, visitor=ANALYST, now=NOW)
    assert [(each.job, each.trouble, each.times, each.last_at) for each in seen] == [
        ("figures", "gone", 1, NOW - HOUR / 2),
        ("letters", "locked", 3, NOW - HOUR),
    ]


def test_letters_are_counted_by_the_day_of_moscow_and_by_what_became_of_them(db: sa.Engine):
    midnight = datetime(2026, 11, 21, 21, tzinfo=UTC)
    with transaction() as session:
        session.add_all(
            [
                letter(created_at=midnight, state=MessageState.SENT),
                letter(created_at=midnight, state=MessageState.QUEUED, next_try_at=NOW),
                letter(created_at=midnight - timedelta(seconds=1), state=MessageState.SENT),
                letter(created_at=NOW - timedelta(days=30), state=MessageState.SENT),
            ]
        )
    with reading() as session:
        days = letters_by_day(session, visitor=ANALYST, now=NOW)
    assert len(days) == 14
    assert (days[0].day, days[0].by_state) == (date(2026, 11, 22), {MessageState.SENT: 1, MessageState.QUEUED: 1})
    assert (days[1].day, days[1].by_state) == (date(2026, 11, 21), {MessageState.SENT: 1})
    assert {bool(day.by_state) for day in days[2:]} == {False}


def test_dead_letters_show_no_whole_address_and_are_narrowed_by_what_the_server_said(db: sa.Engine):
    with transaction() as session:
        session.add(letter(state=MessageState.FAILED, dead_at=NOW, trouble="451 busy"))
        session.add(letter(state=MessageState.FAILED, dead_at=NOW - HOUR, trouble="451 busy", body=""))
        session.add(letter(state=MessageState.FAILED, dead_at=NOW, trouble="550 unknown"))
        session.add(letter(state=MessageState.FAILED, trouble="550 unknown"))
    with reading() as session:
        reasons = troubles(session, visitor=BOSS)
        busy = dead_letters(session, visitor=BOSS, trouble="451 busy")
        everything = dead_letters(session, visitor=BOSS)
    assert [(each.trouble, each.count, each.with_words, each.since) for each in reasons] == [
        ("451 busy", 2, 1, NOW - HOUR),
        ("550 unknown", 1, 1, NOW),
    ]
    assert [(each.has_words, each.recipient) for each in busy] == [
        (True, "iv•••@street.example"),
        (False, "iv•••@street.example"),
    ]
    assert len(everything) == 3


@pytest.mark.parametrize("query", [troubles, dead_letters], ids=lambda query: query.__name__)
def test_an_analyst_is_not_shown_letters(db: sa.Engine, query: Callable[..., Any]):
    with reading() as session, pytest.raises(NotAllowed):
        query(session, visitor=ANALYST)
