"""What signing in takes besides the password hash: `python -m bench signin [--customers N] [--runs N]`.

Signs a persona in with the right password, again and again on a database of the demo's size, and takes the time that
bcrypt needs away: throttles, the query for the person, the session, the letter of a new browser, the journal, the ticket's
exchange for the cookie. Medians.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from streamlit_authenticator.utilities import Hasher

from actions import perform
from actions.sessions import redeem_ticket, sign_in
from db import engine as engines
from db.engine import make_engine
from seed.personas import PASSWORD
from seed.run import run as seed
from settings import settings

TARGET_MILLISECONDS = 30.0
EMAIL = "family@kabinet.example"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customers", type=int, default=300, help="customers in the database (300)")
    parser.add_argument("--runs", type=int, default=15, help="sign-ins measured (15)")


def measure(customers: int = 300, runs: int = 15) -> list[dict[str, Any]]:
    """Rows for the bench table."""
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'kabinet.db'}"
        os.environ["DATABASE_URL"] = url
        settings.cache_clear()
        engines._engine_for.cache_clear()
        made = make_engine(url)
        seed(engine=made, customers=customers, months=12, seed=1, as_of=date.today())  # noqa: DTZ011
        made.dispose()
        hashing: list[float] = []

        def check(typed: str, stored: str) -> bool:
            began = time.perf_counter()
            right = Hasher.check_pw(typed, stored)
            hashing.append(time.perf_counter() - began)
            return right

        others: list[float] = []
        for turn in range(runs + 2):
            began = time.perf_counter()
            opened = sign_in(name=EMAIL, password=PASSWORD, address="198.51.100.1", browser=f"bench {turn}", check=check)
            perform(redeem_ticket, visitor=None, ticket=opened.ticket)
            others.append(time.perf_counter() - began - hashing[-1])
    rest, hashed = 1000 * statistics.median(others[2:]), 1000 * statistics.median(hashing[2:])
    return [
        {
            "figure": f"signing in without the hash, {customers} customers",
            "value": round(rest, 1),
            "unit": "ms",
            "reference": f"password hash {hashed:.0f} ms",
            "ratio": round(rest / hashed, 3),
            "target": f"≤ {TARGET_MILLISECONDS:g} ms",
            "holds": rest <= TARGET_MILLISECONDS,
        }
    ]
