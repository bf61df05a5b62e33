"""The durable engine (DBOS Transact): what runs by the clock, exactly once in all processes, and goes on after a crash.

The engine orchestrates; the work itself is set-based and lives in actions. A schedule fires one workflow per job and moment,
whichever processes are up; a workflow that a dead process left is taken over by whoever notices. Autopay goes in errands of
some batches; each batch is two steps, claim and charge, that may be repeated any number of times (`actions.autopaying`).
The engine's own tables are apart from ours: a file beside SQLite's, a schema of its own in PostgreSQL. Losing them loses no
work: what is due is always found again from rows.
"""

import gc
import logging
import threading
import time
from datetime import datetime, timedelta

from dbos import DBOS, SetWorkflowID

import clock
from actions import autopaying
from actions.autopay_runs import plan, sweep, waiting_rules
from actions.demo_clock import moving
from db import database, reading, slots
from db.workflows import make_workflow_engine
from jobs.running import in_hand, keep, quiet, run
from jobs.schedule import JOBS, Job
from seed.reset import resetting

VERSION = "1"
"""Workflows of another version are taken by processes of that version only; it is raised when a workflow changes its steps."""
TIME_ZONE = "Europe/Moscow"
QUEUE, LONG, AUTOPAY = "background", "long", "autopay"
TAKE_LONG = frozenset({"billing", "blocking", "look_ahead", "monthly", "figures"})
"""Done one after the other in a queue of their own: with many customers they would keep what is due every minute waiting."""
ROUNDS = 25
"""How many batches one errand of autopay takes: the queue is looked at twice a second, and each look may cost half of one."""
REAP_SECONDS = 10
GRACE = 3.0
"""Seconds in which a process that was told to end may finish what it has begun."""
ENDS_WITHIN = 25.0
"""Seconds: a call of the bank that was begun has 20."""
KEPT = timedelta(days=7)
"""How long the engine remembers what it has done."""
_log = logging.getLogger("kabinet.engine")
_stopping = threading.Event()
_told_at = 0.0


def _enough() -> bool:
    """Whether this process was told to end, and has had its time to finish."""
    return _stopping.is_set() and time.monotonic() - _told_at > GRACE


def scheduled() -> tuple[Job, ...]:
    """The jobs that the engine fires: those not done every few seconds."""
    return tuple(job for job in JOBS if len(job.cron.split()) == 5)


@DBOS.workflow(name="job", max_recovery_attempts=1000)
def fire(scheduled_at: datetime, name: str) -> None:
    """One firing of a job."""
    if resetting() or moving():
        return  # a demo is being moved through time or made anew; what is due is found by the next firing
    if name == AUTOPAY:
        _autopay(scheduled_at)
    else:
        _do(name, f"{scheduled_at:%Y-%m-%dT%H:%M:%S}")


@DBOS.step(name="do")
def _do(name: str, key: str) -> int:
    job = next((job for job in JOBS if job.name == name), None)
    return 0 if job is None else run(job, worker=DBOS.executor_id or "", key=key, enough=_enough)


def _autopay(scheduled_at: datetime) -> None:
    """Plan what is due and give it out in errands."""
    moment = f"{scheduled_at:%y%m%d%H%M%S}"
    for number in range(_plan_autopay()):
        name = f"autopay:{moment}:{number}"
        with SetWorkflowID(name):
            DBOS.enqueue_workflow(AUTOPAY, autopay_errand, name)


@DBOS.step(name="plan autopay")
def _plan_autopay() -> int:
    """How many errands are needed for what is due, besides those that wait in the queue already.

    Only those of this version count: nobody here would ever take another one, and it would stand for what nobody does.
    """
    now = clock.now()
    with in_hand():
        while plan(now) or sweep(now):
            pass
        with reading() as db:
            needed = -(-waiting_rules(db, now) // (ROUNDS * autopaying.BATCH))
    waiting = DBOS.list_workflows(
        status="ENQUEUED", queue_name=AUTOPAY, app_version=VERSION, limit=needed or 1, load_input=False, load_output=False
    )
    return max(0, needed - len(waiting))


@DBOS.workflow(name="autopay errand", max_recovery_attempts=1000)
def autopay_errand(name: str) -> int:
    """Take some batches of due rules and charge them; begun again after a crash it goes on where it was."""
    looked_at = 0
    for number in range(ROUNDS):
        batch = f"{name}:{number}"
        claimed = 0 if _stopping.is_set() or resetting() or moving() else _claim(batch)
        if not claimed:
            break
        _charge(batch)
        looked_at += claimed
    return looked_at


@DBOS.step(name="claim", retries_allowed=True, max_attempts=10, interval_seconds=1.0)
def _claim(batch: str) -> int:
    with in_hand():
        return autopaying.claim(batch, clock.now())


@DBOS.step(name="charge", retries_allowed=True, max_attempts=10, interval_seconds=1.0)
def _charge(batch: str) -> int:
    started_at = clock.now()
    with in_hand():
        over = autopaying.charge(batch, enough=_enough)
    keep(AUTOPAY, key=batch, worker=DBOS.executor_id or "", started_at=started_at, items=over)
    return over


class Engine:
    """The engine of this process."""

    def __init__(self) -> None:
        self._slot: slots.Slot | None = None

    def start(self) -> None:
        """Launch it, and keep an eye on work that dead processes left. Raises what the database raises."""
        _stopping.clear()
        self._slot = slots.take()
        own = make_workflow_engine(database())
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS(
            config={
                "name": "kabinet",
                "system_database_url": own.url.render_as_string(hide_password=False),
                "system_database_engine": own,
                "application_version": VERSION,
                "executor_id": self._slot.name,
                "log_level": "ERROR",
            }
        )
        DBOS.launch()
        one_writer = own.dialect.name == "sqlite"
        DBOS.register_queue(QUEUE, worker_concurrency=2 if one_writer else 4)
        DBOS.register_queue(LONG, worker_concurrency=1)
        # One errand at a time: two would take the time from this process's screens and be hardly quicker. More processes are.
        DBOS.register_queue(AUTOPAY, worker_concurrency=1, polling_interval_sec=0.5)
        DBOS.apply_schedules(
            [
                {
                    "schedule_name": job.name,
                    "workflow_fn": fire,
                    "schedule": job.cron,
                    "context": job.name,
                    "cron_timezone": TIME_ZONE,
                    "queue_name": LONG if job.name in TAKE_LONG else QUEUE,
                }
                for job in scheduled()
            ]
        )
        _drop_other_versions()
        gc.freeze()  # what is there by now stays: it need not be looked through again with every thousand rows
        threading.Thread(target=self._reap, name="kabinet-reaper", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more; what is under way comes to an end within the bank's patience, or is taken over by the next."""
        global _told_at
        _told_at = time.monotonic()
        _stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=5)
        # While something is still being done here, the place stays taken: nobody else is to do the same beside it.
        if self._slot is not None and quiet(ENDS_WITHIN):
            self._slot.let_go()

    def _reap(self) -> None:
        """Hand back to the queue what dead processes were working on, and forget what is long done."""
        forgotten = 0.0
        while not _stopping.wait(REAP_SECONDS):
            try:
                if self._slot is not None and not self._slot.keep():
                    _log.error("another process has taken %s, which this one had lost with its session", self._slot.name)
                self._take_over()
                if time.monotonic() - forgotten > 3600:
                    _forget()
                    forgotten = time.monotonic()
            except Exception:
                _log.exception("unfinished work could not be taken over")

    def _take_over(self) -> None:
        mine = self._slot.name if self._slot else ""
        left = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        for name in {work.executor_id for work in left} - {mine, None}:
            if slots.is_dead(str(name)):
                ids = [work.workflow_id for work in left if work.executor_id == name]
                _log.warning("%s died; taking over %s", name, ids)
                DBOS.resume_workflows(ids, queue_name=QUEUE)


def _drop_other_versions() -> None:
    """Cancel what waits in a queue for a process of another version: after an update there may never be one again.

    Nothing is lost, and a process of that version that still lives loses nothing either: what waits has claimed no rule yet,
    or has claimed them before its process died, and then their payments are pending rows like any other.
    """
    waiting = DBOS.list_workflows(status="ENQUEUED", load_input=False, load_output=False)
    others = [work.workflow_id for work in waiting if work.app_version not in (None, VERSION)]
    if others:
        _log.warning("work of another version is dropped, and found again from rows: %s", others)
        DBOS.cancel_workflows(others)


def _forget() -> None:
    before = (clock.real_now() - KEPT).isoformat()
    old = DBOS.list_workflows(
        status=["SUCCESS", "ERROR", "CANCELLED"], completed_before=before, limit=5000, load_input=False, load_output=False
    )
    if old:
        DBOS.delete_workflows([work.workflow_id for work in old])
