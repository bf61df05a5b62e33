"""Work of a dead process is taken over, that of a living one is not; nothing is fired or charged twice, nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOSClient
from sqlmodel import col, select

import clock
from actions.payments import reconcile
from db import reading, slots, transaction
from db.check import faults
from db.workflows import make_workflow_engine
from integrations.test_bank import Behaviour
from jobs.engine import AUTOPAY
from models import AutopayRule, AutopayRun, BankCard, ClockMove, Customer, JobRun, Notice
from rules.terms import AutopayResult, CardBrand, MoveState
from tests.money.bank import FAR, bank
from tests.money.world import World

ROOT = Path(__file__).parent.parent.parent
RULES = 12
PATIENCE = 40.0


class Workers:
    """Processes at work on the test's database."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self.ticks = url, folder / "ticks"
        self._alive: list[subprocess.Popen[str]] = []

    def start(self, *, at_the_bank: float = 0.0, long_work: float = 0.0, in_a_batch: int = 1000) -> subprocess.Popen[str]:
        how = (at_the_bank, self.ticks, long_work, in_a_batch)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.worker", *map(str, how)],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": self._url, "KABINET_MODE": "demo"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._alive.append(process)
        return process

    def ready(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def kill(self) -> None:
        for process in self._alive:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def workers(engine_db: sa.Engine, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(engine_db.url.render_as_string(hide_password=False), tmp_path)
    yield made
    made.kill()


def due_rules() -> None:
    """People whose rules are due now, with good cards."""
    with transaction() as db:
        world = World(db)
        for number in range(RULES):
            person = world.person()
            person.email, person.email_confirmed_at = f"payer-{number}@kabinet.example", clock.now()
            card = world.card(person)
            card.token = f"tok_{number}"
            db.add(
                BankCard(
                    token=card.token,
                    brand=CardBrand.MIR.value,
                    last_four=card.last_four,
                    expires_on=FAR,
                    behaviour=Behaviour.SUCCESS.value,
                )
            )
            rule = world.rule(person, world.account(person), card)
            rule.due_at = clock.now()
            db.add(rule)


def wait_until(come: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def settled() -> int:
    with reading() as db:
        return db.exec(select(sa.func.count()).where(col(AutopayRun.result) == AutopayResult.SUCCEEDED)).one()


def pending() -> int:
    with reading() as db:
        return db.exec(select(sa.func.count()).where(col(AutopayRun.result) == AutopayResult.PENDING)).one()


def each_was_charged_once() -> bool:
    with reading() as db:
        runs = sorted(db.exec(select(AutopayRun.rule_id)))
        rules = sorted(db.exec(select(AutopayRule.id)))
        told = sorted(db.exec(select(Notice.customer_id)))
        people = sorted(db.exec(select(Customer.id)))
        return runs == rules and told == people and len(bank().charges()) == RULES and faults(db.connection()) == []


def test_a_batch_that_a_killed_worker_left_is_taken_over_by_another_and_charged_once(workers: Workers):
    due_rules()
    first = workers.ready(workers.start(at_the_bank=0.25))
    wait_until(pending)
    second = workers.start()  # it finds the first at work, and leaves it alone
    wait_until(lambda: len(bank().charges()) >= 2)
    first.kill()
    assert settled() < RULES
    workers.ready(second)
    wait_until(lambda: settled() == RULES)
    assert each_was_charged_once()


def test_a_schedule_fires_once_with_two_workers_running(workers: Workers):
    both = [workers.start(), workers.start()]
    for process in both:
        workers.ready(process)
    with transaction() as db:
        db.execute(sa.delete(JobRun))
    workers.ticks.write_text("")
    time.sleep(3.2)
    workers.kill()
    with reading() as db:
        moments = db.exec(select(JobRun.key).where(col(JobRun.job) == "tick")).all()
    fired = workers.ticks.read_text().count("tick")
    assert 2 <= len(moments) <= fired <= len(moments) + 2  # a worker may have been killed before it kept its record
    assert fired <= 5  # two of each would be six and more


def test_stopping_lets_what_is_under_way_finish_and_the_next_start_goes_on(workers: Workers):
    due_rules()
    first = workers.ready(workers.start(at_the_bank=0.1))
    wait_until(lambda: bank().charges())
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    assert settled() == RULES
    with transaction() as db:
        for rule in db.exec(select(AutopayRule)):
            rule.due_at, rule.due_period = clock.now(), f"{clock.now() + timedelta(days=40):%Y-%m}"  # as if it were that month
            db.add(rule)
    workers.ready(workers.start())
    wait_until(lambda: settled() == 2 * RULES)


def test_a_worker_that_is_told_to_end_does_so_soon_however_much_is_left_and_another_goes_on(workers: Workers):
    def is_all_settled() -> bool:
        reconcile(clock.now() + timedelta(minutes=2))  # what a batch that was cut short has left is a payment like any other
        return settled() == RULES

    due_rules()
    first = workers.ready(workers.start(at_the_bank=1.3))  # two at a time, 2.6 seconds each: sixteen for all
    wait_until(lambda: bank().charges())
    first.send_signal(signal.SIGTERM)
    assert first.wait(15) == 0
    assert 0 < settled() < RULES
    workers.ready(workers.start())
    wait_until(is_all_settled)
    assert each_was_charged_once()


def test_work_that_takes_long_keeps_nothing_waiting_that_is_due_every_minute(workers: Workers):
    due_rules()
    workers.ready(workers.start(long_work=3.0))
    wait_until(lambda: settled() == RULES)
    workers.ticks.write_text("")
    time.sleep(5)
    assert workers.ticks.read_text().count("tick") >= 2


def test_nothing_is_charged_while_a_demo_is_moved_through_time_and_all_is_afterwards(workers: Workers):
    with transaction() as db:
        now = clock.now()
        db.add(ClockMove(state=MoveState.RUNNING, from_at=now, to_at=now + timedelta(days=1), lived_until_at=now))
    due_rules()
    workers.ready(workers.start())
    time.sleep(3)
    assert bank().charges() == []
    assert not workers.ticks.exists()
    with transaction() as db:
        db.execute(sa.update(ClockMove).values(state=MoveState.DONE))
    wait_until(lambda: settled() == RULES)
    assert each_was_charged_once()


def test_an_errand_under_way_rests_when_a_demo_begins_to_be_moved(workers: Workers):
    due_rules()
    workers.ready(workers.start(at_the_bank=0.2, in_a_batch=4))
    wait_until(lambda: bank().charges())
    with transaction() as db:
        now = clock.now()
        db.add(ClockMove(state=MoveState.RUNNING, from_at=now, to_at=now + timedelta(days=1), lived_until_at=now))
    wait_until(lambda: not pending())
    done = settled()
    time.sleep(1.5)
    assert settled() == done < RULES, "what was claimed is finished, and no more is claimed"


def test_a_restart_of_the_database_in_mid_run_loses_nothing_and_the_worker_goes_on(workers: Workers, db: sa.Engine):
    if db.dialect.name == "sqlite":
        pytest.skip("a file is not restarted")
    due_rules()
    workers.ready(workers.start(at_the_bank=0.2))
    wait_until(lambda: len(bank().charges()) >= 2)
    with db.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    db.dispose()
    wait_until(lambda: settled() == RULES)
    assert each_was_charged_once()
    wait_until(lambda: not slots.is_dead("slot-1"))  # its place is its own again


# --- versions -------------------------------------------------------------------------------------------
@pytest.fixture
def engines_books(engine_db: sa.Engine) -> Iterator[Callable[[], DBOSClient]]:
    """What looks into the engine's own tables, once a worker has made them."""
    own, made = make_workflow_engine(engine_db), []

    def look() -> DBOSClient:
        made.append(DBOSClient(system_database_engine=own, system_database_url=own.url.render_as_string(hide_password=False)))
        return made[-1]

    yield look
    for client in made:
        client.destroy()
    own.dispose()


def leave_an_errand(books: DBOSClient, *, version: str) -> None:
    books.enqueue(
        {"queue_name": AUTOPAY, "workflow_name": "autopay errand", "workflow_id": "left", "app_version": version}, "autopay:left"
    )


def test_an_errand_that_another_version_gave_out_does_not_stand_for_what_is_due(
    workers: Workers, engines_books: Callable[[], DBOSClient]
):
    workers.ready(workers.start())
    books = engines_books()
    leave_an_errand(books, version="0")
    due_rules()
    wait_until(lambda: settled() == RULES)
    assert each_was_charged_once()
    assert [work.status for work in books.list_workflows(workflow_ids=["left"])] == ["ENQUEUED"], "a living one may take it"


def test_what_another_version_left_waiting_is_dropped_at_the_start_and_what_it_was_for_is_done(
    workers: Workers, engines_books: Callable[[], DBOSClient]
):
    workers.ready(workers.start())
    workers.kill()
    books = engines_books()
    leave_an_errand(books, version="0")
    due_rules()
    workers.ready(workers.start())
    assert [work.status for work in books.list_workflows(workflow_ids=["left"])] == ["CANCELLED"]
    wait_until(lambda: settled() == RULES)
    assert each_was_charged_once()


# --- places ---------------------------------------------------------------------------------------------
TAKES_ONE = "from db import slots; slot = slots.take(); print(slot.name, flush=True); input()"


def test_the_place_of_a_dead_process_is_free_at_once_and_that_of_a_living_one_is_not(db: sa.Engine):
    with subprocess.Popen(
        [sys.executable, "-c", TAKES_ONE],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": db.url.render_as_string(hide_password=False)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "slot-1\n"
        assert not slots.is_dead("slot-1")
        mine = slots.take()
        assert mine.name == "slot-2"
        other.kill()
        other.wait()
        wait_until(lambda: slots.is_dead("slot-1"))
    assert not slots.is_dead("slot-2")
    mine.let_go()
    assert slots.is_dead("slot-2")


def test_a_place_whose_session_the_database_ended_is_taken_again_unless_another_was_quicker(db: sa.Engine):
    if db.dialect.name == "sqlite":
        pytest.skip("a file's lock ends with the process only")
    mine = slots.take()
    for another_was_quicker in (False, True):
        with db.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        wait_until(lambda: slots.is_dead(mine.name))
        other = slots.take() if another_was_quicker else None
        assert mine.keep() is not another_was_quicker
        if other is not None:
            assert other.name == mine.name
            other.let_go()
            assert mine.keep()
    mine.let_go()
