"""Weeks of a small world with everything that goes wrong in it. Two years of 500 accounts: `python -m bench simulate`."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import engine as engine_module
from settings import settings
from tests.conftest import use_database
from tests.money.planting import planted
from tests.simulation.life import Life, Plan
from tests.simulation.watch import Broken

WINTER = date(2028, 1, 25)
"""From here 100 days have a 29 February and months of all lengths."""
SECONDS = {"seconds", "seconds of a processor"}


def test_a_hundred_days_go_by_and_everything_agrees_each_day(sqlite_world: "World"):
    with sqlite_world():
        found = Life(Plan(seed=7, start_on=WINTER, days=100, accounts=40, history_months=3)).run()
    # What did not happen proves nothing.
    for what in ("succeeded", "declined", "skipped: nothing_due", "answers lost", "calls that did not arrive", "deaths",
                 "outages of the bank", "times that no worker was there", "days of rules that were kept",
                 "low balances with a reason"):  # fmt: skip
        assert found[what], what


def test_two_workers_at_once_do_each_thing_once(db: sa.Engine):
    """On SQLite one of them waits for the other; there it is told by the test above."""
    if db.dialect.name == "sqlite":
        pytest.skip("one writer at a time")
    found = Life(Plan(seed=4, start_on=date(2028, 2, 20), days=25, accounts=40, workers=2, history_months=3)).run()
    assert found["succeeded"]
    assert found["deaths"]


World = type(lambda: None)


@pytest.fixture
def sqlite_world(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "World":
    """Makes an empty database that is this process's for as long as the block lasts."""
    made = iter(range(100))

    @contextmanager
    def fresh() -> Iterator[None]:
        file = tmp_path / f"kabinet-{next(made)}.db"
        shutil.copyfile(sqlite_template, file)
        engine = use_database(f"sqlite:///{file}", monkeypatch)
        try:
            yield
        finally:
            engine.dispose()
            engine_module._engine_for.cache_clear()
            settings.cache_clear()

    return fresh


def test_the_same_seed_does_the_same_again(sqlite_world: "World"):
    def lived() -> Counter[str]:
        with sqlite_world():
            found = Life(Plan(seed=5, start_on=date(2028, 2, 25), days=10, accounts=40, history_months=3)).run()
        return Counter({what: times for what, times in found.items() if what not in SECONDS})

    first = lived()
    assert first["deaths"]
    assert lived() == first


FAULTS = {
    "the period of a calendar rule is the year": (
        1,
        "rules.autopay",
        'f"{on:%Y-%m}" if',
        'f"{on:%Y}" if',
        "a calendar rule pays once a month",
    ),
    "retries come every day": (
        4,
        "rules.autopay",
        "timedelta(days=terms.retry_days[attempt - 1])",
        "timedelta(days=attempt)",
        "this try (was|is) for",
    ),
    "two payments of an account do not wait for each other": (
        5,
        "actions.autopaying",
        "        if each.account_id in busy:",
        "        if False:",
        "had no answer yet, and pays the same account",
    ),
    "a lost answer is a decline": (
        2,
        "actions.settlement",
        "        return note(answer.payment_id, answer.asked_at, answer.trouble)",
        "        answer = Answer(answer.payment_id, answer.asked_at, declined=DeclineReason.BANK_REFUSED)",
        "at the bank, declined here",
    ),
    "the month's ceiling is a payment's": (
        4,
        "actions.autopaying",
        "paid_this_month_kopecks=paid.get(each.rule_id, 0)",
        "paid_this_month_kopecks=0",
        "over the ceiling",
    ),
    "nine o'clock is Moscow's everywhere": (
        4,
        "actions.autopay_runs",
        "time(operator().autopay.hour), ZoneInfo(time_zone))",
        'time(operator().autopay.hour), ZoneInfo("Europe/Moscow"))',
        "it was due on|this try was for|it did not run|was forgotten",
    ),
    "a low balance that nothing announced is not found": (
        1,
        "actions.autopay_runs",
        "col(LedgerAccount.balance_kopecks) < col(AutopayRule.threshold_kopecks))\n        .limit",
        "col(LedgerAccount.balance_kopecks) < 0)\n        .limit",
        "it did not run today",
    ),
    "successes are told to nobody": (
        1,
        "actions.autopay_settling",
        "            if (in_cabinet if each.in_cabinet is None else each.in_cabinet)",
        "            if not in_cabinet",
        "told 0 times instead of 1",
    ),
    "an account stays blocked when its debt is paid": (
        1,
        "actions.blocking",
        "    freed = [case for case in cases if held[case.account_id].balance_kopecks >= 0]",
        "    freed = []",
        "blocked, and owing nothing",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_simulation_catches_a_planted_fault(sqlite_world: "World", fault: str):
    """The seeds are those that come to it soon."""
    seed, *change, said = FAULTS[fault]
    with sqlite_world(), planted(*change), pytest.raises(Broken, match=said):
        Life(Plan(seed=seed, start_on=WINTER, days=100, accounts=60, history_months=3)).run()
