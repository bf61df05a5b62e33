"""Years of days: `python -m bench simulate [--days 730] [--accounts 500] [--seed N] [--postgres] [--workers 2]`.

People pay, order, set up rules and change their minds; the bank declines, is slow, loses answers and closes for days; workers die
in the middle of anything and others go on. All from one seed, through the real background (`jobs.schedule.JOBS`); what must hold
is checked each day (`tests/simulation/watch.py`, `books.py`). The first thing that does not hold ends it, with the seed, the
day and the command that comes to the same place again; with two workers the threads have a say, and it need not.
"""

import argparse
import logging
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from bench import databases
from tests.simulation.life import START, Life, Plan

SHOWN = (
    "accounts", "days", "runs", "succeeded", "declined", "charges", "declines", "calls that did not arrive", "answers lost",
    "outages of the bank", "times that no worker was there", "deaths", "batches begun again", "payments succeeded",
    "payments declined", "orders", "days of rules that were kept", "low balances with a reason",
)  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--accounts", type=int, default=500, help="about so many (500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=date.fromisoformat, default=START, metavar="DATE", help=f"the first day ({START})")
    parser.add_argument("--workers", type=int, default=1, help="how many work at the same time; more than one on PostgreSQL only")
    parser.add_argument("--postgres", action="store_true")


def measure(
    days: int = 730, accounts: int = 500, seed: int = 1, start: date = START, workers: int = 1, postgres: bool = False
) -> list[dict[str, Any]]:
    """Rows for the bench table; every invariant that was checked held, or Broken is raised."""
    if workers > 1 and not postgres:
        raise SystemExit("On SQLite one worker writes at a time: --workers goes with --postgres.")
    kind = "postgresql" if postgres else "sqlite"
    logging.getLogger("kabinet").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made, databases.server(kind, Path(made)) as where:
        url = databases.make(kind, where)
        databases.use(url)
        try:
            life = Life(Plan(seed, start, days, accounts, workers), lambda line: print(line, flush=True))
            found = life.run()
        finally:
            databases.drop(kind, where, url)
    rows = [(what, found[what], None) for what in SHOWN]
    rows += [(what, times, None) for what, times in sorted(found.items()) if what.startswith("died in ")]
    rows += [("the whole run", found["seconds"], "s"), ("of it this process at work", found["seconds of a processor"], "s")]
    name = f"{databases.KINDS[kind]}, seed {seed}"
    rows.append(("what must hold and did not", 0, None))
    unsaid = {"reference": None, "ratio": None, "target": None, "holds": None}
    table = [{"figure": f"{name}: {what}", "value": value, "unit": unit, **unsaid} for what, value, unit in rows]
    table[-1] |= {"target": "0", "holds": True}
    return table
