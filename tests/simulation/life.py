"""Two years of days, or fewer: people, bank, weather and workers that die, all from one seed; and what must hold each day."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from queue import Queue
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

import clock
from actions import autopay_asking as asking
from actions import autopay_runs, autopaying, cards, payments, refunds
from db import database, reading
from jobs.schedule import AT_THE_GATEWAY, JOBS, Job
from models import Payment
from rules.terms import PaymentState
from seed.run import run as seed_run
from tests.simulation.bank import CLOSED, ROUGH, WELL, Bank
from tests.simulation.books import (
    BankWatch,
    ToldWatch,
    bills_are_right,
    it_agrees_with_itself,
    nobody_is_blocked_who_owes_nothing,
)
from tests.simulation.fate import Fate, Killed
from tests.simulation.people import People
from tests.simulation.watch import Broken, RunsWatch

START = date(2027, 11, 1)
"""Two years from here have a 29 February, the year's end twice, and all lengths of months."""
MOMENTS = (0.35, 5.0, 9.2, 15.0, 21.4)
"""Hours of the day (UTC) at which the background comes by, more or less: after billing, and after nine in every region."""
ONCE_A_DAY = {"figures", "exports", "exports_end", "closing", "history", "look_ahead"}
NOT_HERE = {"lived"}
"""The clock of a demo: here the simulation moves the time."""
ROUNDS = 200
SMALL_BATCH, SMALL_PIECE = 40, 5
DEADLY = ("autopay", "autopay", "autopay", "payments", "billing", "provisioning", "blocking", "resuming", "refunds")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated. The same plan with one worker does the same again, to the kopeck."""

    seed: int = 1
    start_on: date = START
    days: int = 730
    accounts: int = 500
    workers: int = 1
    history_months: int = 6


class Life:
    """One simulation on the process's database, which is empty or new."""

    def __init__(self, plan: Plan, told: Callable[[str], None] = lambda _line: None) -> None:
        self.plan, self.tell, self.figures = plan, told, Counter[str]()
        self.chance = Random(f"{plan.seed}.fate")
        self.now = datetime(plan.start_on.year, plan.start_on.month, plan.start_on.day, tzinfo=UTC)
        self.day, self.began_at = plan.start_on, self.now
        self.fate = Fate()
        self.bank = Bank(Random(f"{plan.seed}.bank"), self.fate, self.now)
        self.closed_until = self.off_until = self.well_since = self.now
        self.errors: list[str] = []
        self._batches = 0

    def run(self) -> Counter[str]:
        """Live all the days. Raises Broken with the seed, the day and what is wrong."""
        began, cpu = time.perf_counter(), time.process_time()
        people = max(12, round(self.plan.accounts * 0.63))
        seed_run(
            engine=database(), customers=people, months=self.plan.history_months, seed=self.plan.seed, as_of=self.plan.start_on
        )
        with self._world():
            try:
                self._begin()
                for number in range(self.plan.days):
                    self.day = self.plan.start_on + timedelta(days=number)
                    self._day()
                    if self.day.day == 1:
                        self.tell(f"{self.day}: {self.watch.figures['runs']} runs, {time.perf_counter() - began:.0f} s")
                self._end()
            except Exception as error:
                if isinstance(error, Broken):
                    raise Broken(self._where(str(error))) from None
                raise Broken(self._where(f"{type(error).__name__}: {error}")) from error
        found = self.figures + self.people.done + self.watch.figures + self.bank.seen
        found |= Counter({f"died {where}": times for where, times in self.fate.deaths.items()})
        found["deaths"], found["days"] = sum(self.fate.deaths.values()), self.plan.days
        found["accounts"] = self.people.accounts
        found["seconds"], found["seconds of a processor"] = round(time.perf_counter() - began), round(time.process_time() - cpu)
        return found

    def _where(self, what: str) -> str:
        number = (self.day - self.plan.start_on).days + 1
        again = f"--seed {self.plan.seed} --days {number} --accounts {self.plan.accounts} --start {self.plan.start_on}"
        return f"seed {self.plan.seed}, day {number} ({self.day}), {self.now:%d %B %H:%M} UTC: {what}\nagain: {again}"

    @contextmanager
    def _world(self) -> Iterator[None]:
        """The clock, the bank and the sizes of the simulated world instead of the real ones."""
        rooms: list[tuple[Any, str, Any]] = [(clock, "now", lambda: self.now), (asking, "PIECE", SMALL_PIECE)]
        rooms += [(room, "gateway_called", lambda _name: self.bank) for room in (payments, refunds, cards)]
        if self.plan.workers == 1:  # one call to the bank after the other, so that the same seed does the same again
            rooms += [(room, "AT_ONCE", 1) for room in (payments, asking)]
            rooms += [(room, "ThreadPoolExecutor", _InTurn) for room in (payments, asking)]
            rooms += [(asking, "Queue", _Endless), (asking, "WAITS_SECONDS", 3600.0)]
        real = [(room, name, getattr(room, name)) for room, name, _ in rooms]
        for room, name, ours in rooms:
            setattr(room, name, ours)
        log, ears = logging.getLogger("kabinet"), _Ears(self.errors)
        spread, log.propagate = log.propagate, False
        log.addHandler(ears)
        leave = self.fate.watch(database())
        try:
            yield
        finally:
            leave()
            log.removeHandler(ears)
            log.propagate = spread
            for room, name, theirs in real:
                setattr(room, name, theirs)

    def _begin(self) -> None:
        self.people = People(Random(f"{self.plan.seed}.people"), self.bank)
        self.watch, self.told, self.books = RunsWatch(self.began_at), ToldWatch(), BankWatch(self.bank)
        self.watch.begin()
        self.people.settle_in()
        self.told.begin()

    # --- a day ----------------------------------------------------------------------------------------
    def _day(self) -> None:
        self._weather()
        for place, hour in enumerate(MOMENTS):
            jitter = self.chance.uniform(-0.3, 0.3)
            self._is(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC) + timedelta(hours=hour + jitter))
            self.people.live(1 / len(MOMENTS))
            self._come_by(last=place == len(MOMENTS) - 1)
        self.books.day_ends(everything=self.day.day == 15)
        if self.now - timedelta(days=1) > self.well_since:
            self.watch.nothing_pending_since(self.now - timedelta(days=1))
            self.books.nothing_pending_since(self.now - timedelta(days=1))
        if self.day.weekday() == 6:
            it_agrees_with_itself()

    def _is(self, moment: datetime) -> None:
        self.now = self.bank.now = max(moment, self.now)

    def _weather(self) -> None:
        """Whether the bank and the workers are there today. Both are away most often when a month ends."""
        month_ends = 3.0 if self.day.day in (1, 28, 29, 30, 31) else 1.0
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        if start >= self.closed_until and self.chance.random() < month_ends / 40:
            self.closed_until = start + timedelta(hours=self.chance.randint(6, 90))
            self.figures["outages of the bank"] += 1
        if start >= self.off_until and self.chance.random() < month_ends / 60:
            self.off_until = start + timedelta(hours=self.chance.randint(6, 60))
            self.figures["times that no worker was there"] += 1
        self.rough = self.chance.random() < 0.1

    def _come_by(self, *, last: bool) -> None:
        """Everything that the background does at this time of the day."""
        self.bank.weather = CLOSED if self.now < self.closed_until else ROUGH if self.rough else WELL
        if self.bank.weather is not WELL or self.now < self.off_until:  # of a rough day's few rounds each may fail by chance
            self.well_since = self.now
        if self.now < self.off_until:
            return
        self.watch.look_before()
        lived = self._works(may_die=True, daily=last)
        if not lived and self.chance.random() < 0.6:
            self._is(self.now + timedelta(minutes=1))
            lived = self._works()
        if lived and self.bank.weather is not CLOSED and self._somebody_waits():
            self._is(self.now + timedelta(seconds=40))
            lived = self._works(at_once=True)
        if last:
            self._is(self.now + 1.2 * autopaying.LATER)
            self._works()
            self.watch.clean.append(self.now)
            self.watch.day_ends(self.now)
            self.told.look_after(self.watch.ended)
            self.watch.ended.clear()
            nobody_is_blocked_who_owes_nothing()
            if self.day.day == 1:
                bills_are_right(self.now, self.began_at)
        elif lived:
            self.watch.clean.append(self.now)
        del self.watch.clean[:-100]

    def _somebody_waits(self) -> bool:
        with reading() as db:
            found = sa.select(col(Payment.id)).where(col(Payment.state) == sa.literal_column("'pending'")).limit(1)
            return db.execute(found).first() is not None

    # --- workers --------------------------------------------------------------------------------------
    def _works(self, *, may_die: bool = False, daily: bool = False, at_once: bool = False) -> bool:
        """All jobs in their order (`at_once`: those of every minute), by one worker or several; returns whether all lived."""
        doomed = self.chance.choice(DEADLY) if may_die and self.chance.random() < 0.15 else ""
        jobs = [job for job in JOBS if job.name not in NOT_HERE and (daily or job.name not in ONCE_A_DAY)]
        if at_once:
            jobs = [job for job in jobs if len(job.cron.split()) == 6 or job.cron == "* * * * *"]
        lived = self._one_worker(jobs, doomed) if self.plan.workers == 1 else self._together(jobs, doomed)
        self.fate.dies_in(None)
        if self.errors:
            raise Broken(f"the log has an error that nobody expected: {self.errors[0]}")
        self.watch.look_after()
        return lived

    def _one_worker(self, jobs: list[Job], doomed: str) -> bool:
        lived = True
        for job in jobs:
            if job.name == doomed:
                self._doom(job)
            try:
                self._do(job)
            except Killed:
                lived = False
                self.figures[f"died in {job.name}"] += 1
            self.fate.dies_in(None)
        return lived

    def _doom(self, job: Job) -> None:
        if job.name in ("autopay", *AT_THE_GATEWAY) and self.chance.random() < 0.5:
            self.fate.dies_in(self.chance.choice((1, 1, 2, 3, 5, 8)), at_the_bank=True)
        else:
            self.fate.dies_in(self.chance.choice((1, 2, 3, 5, 8, 13, 21, 34, 55)))

    def _together(self, jobs: list[Job], doomed: str) -> bool:
        """Several workers do everything at the same time; then one of them looks again for what one has left to the other."""
        troubles: list[BaseException] = []

        def worker(mine: list[Job]) -> None:
            try:
                for job in mine:
                    self._do(job)
            except BaseException as error:
                troubles.append(error)

        if doomed:
            self.fate.dies_in(self.chance.choice((5, 13, 34, 89, 144)))
        threads = [threading.Thread(target=worker, args=(list(jobs),)) for _ in range(self.plan.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.fate.dies_in(None)
        for trouble in troubles:
            if not isinstance(trouble, Killed):
                raise trouble
        self._is(self.now + 1.1 * autopaying.LATER)
        return self._one_worker(jobs, "") and not troubles

    def _do(self, job: Job) -> None:
        if job.name == "autopay" and self.chance.random() < 0.5:
            self._autopay_in_batches()
            return
        for _ in range(ROUNDS):
            if not job.work(self.now):
                return
        raise Broken(f"{job.name} found something to do {ROUNDS} times")

    def _autopay_in_batches(self) -> None:
        """As the engine does it: batches with names, each of them claimed, then charged; begun again by another after a death."""
        for _ in range(ROUNDS):
            if not (autopay_runs.plan(self.now) or autopay_runs.sweep(self.now)):
                break
        for _ in range(ROUNDS):
            self._batches += 1
            batch = f"simulated:{self._batches}"
            try:
                claimed = autopaying.claim(batch, self.now, most=SMALL_BATCH)
                autopaying.charge(batch)
            except Killed:
                if self.chance.random() < 0.4:
                    raise
                self.figures["batches begun again"] += 1
                self.fate.dies_in(None)
                if self.plan.workers == 1:
                    self._is(self.now + timedelta(seconds=20))
                claimed = autopaying.claim(batch, self.now, most=SMALL_BATCH)
                autopaying.charge(batch)
            if not claimed:
                return
        raise Broken(f"autopay found rules that are due {ROUNDS} times")

    def _end(self) -> None:
        """Two quiet days: nothing is left without an answer, and all books agree."""
        self.closed_until = self.off_until = self.now
        self.rough = False
        for _ in range(8):
            self._is(self.now + timedelta(hours=6))
            self._come_by(last=True)
        self.books.day_ends(everything=True)
        self.watch.nothing_pending_since(self.now - timedelta(hours=12))
        self.books.nothing_pending_since(self.now - timedelta(hours=12))
        it_agrees_with_itself()
        with reading() as db:
            states = db.execute(sa.select(col(Payment.state), sa.func.count()).group_by(col(Payment.state))).tuples()
            self.figures.update(
                {f"payments {state.value}": count for state, count in states if state is not PaymentState.PENDING}
            )


class _Endless(Queue[Any]):
    """A queue in which nobody waits for room."""

    def __init__(self, _most: int = 0) -> None:
        super().__init__()


class _InTurn:
    """Stands for a pool of threads: what is handed over is done at once, in the thread that hands it over."""

    def __init__(self, *_given: Any, **_more: Any) -> None: ...

    def __enter__(self) -> "_InTurn":
        return self

    def __exit__(self, *_error: object) -> None: ...

    def map(self, work: Callable[[Any], Any], items: Any) -> Iterator[Any]:
        return map(work, items)

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)
        return done


class _Ears(logging.Handler):
    """What the work logs as an exception was expected by nobody."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.heard.append(f"{record.getMessage()} {logging.Formatter().formatException(record.exc_info)[-1500:]}")
