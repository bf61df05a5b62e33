"""Screens while autopay runs: `python -m bench autopay_screens [--rules 100000] [--database …] [--bank MS]`.

The real server with the demo's data and the engine in its own process; home is opened again and again over Streamlit's WebSocket,
as a browser does. First nothing else happens; then so many rules become due, and it is opened as long as they are being charged.
The gateway answers at once, which leaves the screens least time, or after so many milliseconds.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

import clock
from bench import databases, due_rules, pages
from bench.autopay import fill, under_way
from bench.load_client import Page
from db import database, reading, transaction
from db.check import faults
from models import AutopayRule
from seed.run import run as seed
from settings import ROOT

TARGET = 3.0
THINKS = 0.1
QUIET_RUNS, WARM = 150, 10
LONGEST = 1200.0
"""Seconds to watch at most."""
SERVED = """
import sys, time
sys.path.insert(0, {root!r})
import streamlit as st
from actions import payments
from bench.at_once import AtOnce

class Bank(AtOnce):
    def charge(self, charge):
        time.sleep({seconds})
        return super().charge(charge)

payments.gateway_called = lambda _name: Bank()
import app as kabinet
st.App = lambda _script: kabinet.app  # what starts it looks for this very call
app = st.App("portal.py")
"""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rules", type=int, default=100_000, help="how many are due (100000)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--bank", type=float, default=0.0, help="milliseconds until the gateway answers (0)")


def measure(rules: int = 100_000, database: str = "both", bank: float = 0.0) -> list[dict[str, Any]]:
    """Rows for the bench table."""
    kinds = ("sqlite", "postgresql") if database == "both" else (database,)
    return [_row(kind, rules, bank) for kind in kinds]


def _row(kind: str, count: int, bank: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as made, databases.server(kind, Path(made)) as where:
        url = databases.make(kind, where)
        try:
            engine = databases.use(url)
            seed(engine=engine, customers=300, months=24, seed=1, as_of=clock.today())
            fill(engine, count)
            with transaction() as db:
                db.execute(sa.update(AutopayRule).values(due_at=clock.now() + timedelta(days=300)))
            served = Path(made) / "served.py"
            served.write_text(SERVED.format(root=str(ROOT), seconds=bank / 1000), encoding="utf-8")
            (Path(made) / "static").symlink_to(ROOT / "static")
            with pages._serving(ROOT, str(served)) as server:
                quiet, busy, took = asyncio.run(_watched(server))
            with reading() as db:
                if due_rules.left(db) or faults(db.connection()):
                    raise RuntimeError("not all rules were charged, or the database does not agree with itself")
        finally:
            databases.drop(kind, where, url)
    calm, loaded = _p95(quiet), _p95(busy)
    medians = f"medians {1000 * statistics.median(quiet):.0f} and {1000 * statistics.median(busy):.0f}"
    return {
        "figure": f"{databases.KINDS[kind]}: home, p95 of {len(busy)} while {count:,} rules are charged in {took:.0f} s",
        "value": round(1000 * loaded, 1),
        "unit": "ms",
        "reference": f"quiet {1000 * calm:.1f} ms ({medians})",
        "ratio": round(loaded / calm, 2),
        "target": f"≤ {TARGET:g}×",
        "holds": loaded / calm <= TARGET,
    }


def _p95(spans: list[float]) -> float:
    return sorted(spans)[int(len(spans) * 0.95)]


async def _watched(server: pages.Server) -> tuple[list[float], list[float], float]:
    """Seconds of each run of home while nothing happens, and while autopay does; and how long that took."""
    home = Page(server.url, cookies=pages.entered(server, database(), "family"))
    await home.open()
    pages._expect(home, "home")
    quiet = [await _visit(home) for _ in range(QUIET_RUNS + WARM)][WARM:]
    await asyncio.to_thread(_make_due)
    while not await asyncio.to_thread(_is_begun):
        await asyncio.sleep(0.2)
    began, looked, busy = time.perf_counter(), time.perf_counter(), []
    while time.perf_counter() - began < LONGEST:
        busy.append(await _visit(home))
        if time.perf_counter() - looked > 1:
            if not await asyncio.to_thread(under_way):
                break
            looked = time.perf_counter()
    await home.close()
    return quiet, busy, time.perf_counter() - began


async def _visit(page: Page) -> float:
    took = await page.run()
    await asyncio.sleep(THINKS)
    return took


def _make_due() -> None:
    with transaction() as db:
        db.execute(sa.update(AutopayRule).where(col(AutopayRule.id) >= due_rules.FIRST_ID).values(due_at=clock.now()))


def _is_begun() -> bool:
    with reading() as db:
        return bool(db.scalar(sa.text(f"SELECT COUNT(*) FROM autopay_run WHERE rule_id >= {due_rules.FIRST_ID}")))
