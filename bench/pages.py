"""What a screen costs the server, against a blank Streamlit page: `python -m bench pages [--customers N] [--runs N]`.

Starts the real server on its own database, and a second one with the same settings whose only page is a title. Signs in
as a family and as an analyst by the real cookie, opens every screen they have, and times full runs of each on a warm
server over the WebSocket, turn by turn with the blank page; medians. With `--customers 300` (the demo's size) it also
times the start: from `streamlit run app.py` to the first page. Large databases are kept in var/bench/.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions.sessions import enter_as_persona
from bench.load_client import Page
from db.engine import make_engine
from db.schema import newest, upgrade
from models import Customer, DemoPersona
from pages import screens_for
from queries.figures import rebuild
from rules.periods import month_start
from rules.terms import Language
from seed.run import run as seed
from settings import ROOT
from texts import speaking, t

MONTHS, SEED = 24, 1
PERSONAS = ("family", "analyst")
TARGET_RATIO, HARD_RATIO = 4.0, 8.0
TARGET_START = 8.0
TARGET_REBUILD, TARGET_REFRESH = 60.0, 3.0
KEPT_FROM = 5000
"""Customers from which on a database is kept for the next time."""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customers", type=int, default=300, help="size of the demo (300; 100000 for the large one)")
    parser.add_argument("--runs", type=int, default=40, help="runs of each screen (40)")


def measure(customers: int = 300, runs: int = 40) -> list[dict[str, Any]]:
    """Rows for the bench table."""
    with tempfile.TemporaryDirectory(prefix="kabinet-bench-") as name:
        folder = Path(name)
        database = _database(customers, folder)
        rows = _figures(database) if customers >= KEPT_FROM else []
        rows += asyncio.run(_screens(database, customers, runs, folder))
        if customers < KEPT_FROM:
            rows += _starts(database, folder)
    return rows


# --- the database -------------------------------------------------------------------------------------------


def _database(customers: int, folder: Path) -> Path:
    """A seeded SQLite file. A large one is made once for each schema and kept."""
    if customers < KEPT_FROM:
        return _seeded(customers, folder / "kabinet.db")
    kept = ROOT / "var" / "bench" / f"kabinet-{customers}-{newest()}.db"
    kept.parent.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        unfinished = kept.with_suffix(".part")
        for left in kept.parent.glob(f"{unfinished.name}*"):
            left.unlink()
        _seeded(customers, unfinished).rename(kept)
    return kept


def _seeded(customers: int, file: Path) -> Path:
    engine = make_engine(f"sqlite:///{file}")
    seed(engine=engine, customers=customers, months=MONTHS, seed=SEED, as_of=clock.today())
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return file


def _figures(database: Path) -> list[dict[str, Any]]:
    """What counting the monthly figures takes."""
    engine = make_engine(f"sqlite:///{database}")
    upgrade(engine)
    rows = []
    today = clock.today()
    for figure, months, target in (
        ("figures: all months", None, TARGET_REBUILD),
        ("figures: the current month", [month_start(today)], TARGET_REFRESH),
    ):
        began = time.perf_counter()
        with engine.execution_options(writes=True).begin() as connection:
            rebuild(connection, months=months, today=today)
        rows.append(_seconds(figure, time.perf_counter() - began, target))
    engine.dispose()
    return rows


def _seconds(figure: str, took: float, target: float) -> dict[str, Any]:
    return {
        "figure": figure,
        "value": round(took, 2),
        "unit": "s",
        "reference": None,
        "ratio": None,
        "target": f"≤ {target:g} s",
        "holds": took <= target,
    }


# --- the servers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    url: str
    began: float


@contextmanager
def _serving(folder: Path, script: str, database: Path | None = None) -> Iterator[Server]:
    """`streamlit run` in a process of its own, stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"KABINET_MODE": "demo", "PYTHONDONTWRITEBYTECODE": ""}
    if database is not None:
        environment["DATABASE_URL"] = f"sqlite:///{database}"
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115  the process writes to it as long as it lives
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), "--server.address", "127.0.0.1"],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        _await_port(port, process, log)
        yield Server(f"http://127.0.0.1:{port}", began)
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Any) -> None:
    while True:
        if process.poll() is not None:
            log.seek(0)
            raise RuntimeError(f"the server did not start:\n{log.read()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.02)


def _blank(folder: Path) -> Path:
    """An app with Kabinet's Streamlit settings and one page with a title."""
    place = folder / "blank"
    place.mkdir()
    shutil.copytree(ROOT / ".streamlit", place / ".streamlit")
    (place / "static").symlink_to(ROOT / "static")
    (place / "app.py").write_text("import streamlit as st\n\napp = st.App('page.py')\n", encoding="utf-8")
    (place / "page.py").write_text("import streamlit as st\n\nst.title('Blank')\n", encoding="utf-8")
    return place


# --- screens ------------------------------------------------------------------------------------------------


def entered(server: Server, engine: sa.Engine, persona: str) -> dict[str, str]:
    """A session opened as a persona's is, and its ticket exchanged for the cookie at the server's own route."""
    with Session(engine.execution_options(writes=True)) as db:
        opened = enter_as_persona(db, visitor=None, persona=persona, address="127.0.0.1", browser="bench")
        ticket = opened.ticket
        db.commit()
    request = urllib.request.Request(
        f"{server.url}/session",
        data=json.dumps({"ticket": ticket}).encode(),
        headers={"Content-Type": "application/json", "X-Kabinet": "1"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        name, value = answer.headers["Set-Cookie"].split(";")[0].split("=", 1)
    return {name: value, "kabinet_language": "ru"}  # as a browser that was here before


def _role_screens(engine: sa.Engine, persona: str) -> list[tuple[str, str]]:
    """Names and addresses of the screens that a persona has."""
    with Session(engine) as db:
        person = db.exec(
            select(Customer).join(DemoPersona, col(DemoPersona.customer_id) == col(Customer.id)).where(DemoPersona.key == persona)
        ).one()
        shown = screens_for(person.role, demo=True)
    return [(screen.name, "" if place == 0 else screen.path) for place, screen in enumerate(shown)]


async def _screens(database: Path, customers: int, runs: int, folder: Path) -> list[dict[str, Any]]:
    with _serving(ROOT, "app.py", database) as portal, _serving(_blank(folder), "app.py") as blank:
        pages: dict[str, Page] = {"blank": Page(blank.url)}
        engine = make_engine(f"sqlite:///{database}")
        for persona in PERSONAS:
            cookie = entered(portal, engine, persona)
            for name, path in _role_screens(engine, persona):
                page = pages[f"{name}, {persona}"] = Page(portal.url, path=path, cookies=cookie)
                await page.open()
                _expect(page, name)
        engine.dispose()
        await pages["blank"].open()
        spans: dict[str, list[float]] = {name: [] for name in pages}
        for turn in range(runs + 3):
            for name, page in pages.items():
                took = await page.run()
                if turn >= 3:  # the first ones warm caches
                    spans[name].append(took)
        for name, page in pages.items():
            if name != "blank":
                _expect(page, name.split(",")[0])
        elements = {name: len(page.elements()) for name, page in pages.items()}
        for page in pages.values():
            await page.close()
    base = statistics.median(spans.pop("blank"))
    return [
        {
            "figure": f"{name}, {customers} customers ({elements[name]} elements)",
            "value": round(1000 * statistics.median(taken), 1),
            "unit": "ms",
            "reference": f"blank page {1000 * base:.1f} ms",
            "ratio": round(statistics.median(taken) / base, 2),
            "target": f"≤ {TARGET_RATIO:g}× (never over {HARD_RATIO:g}×)",
            "holds": statistics.median(taken) / base <= TARGET_RATIO,
        }
        for name, taken in spans.items()
    ]


def _expect(page: Page, screen: str) -> None:
    """The page is the screen that was asked for, and not the sign-in page or an apology."""
    titles = [
        message.page_config_changed.title for message in page.received if message.WhichOneof("type") == "page_config_changed"
    ]
    bodies = [
        message.delta.new_element.heading.body
        for message in page.received
        if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "heading"
    ]
    wanted, broken = set(), set()
    for language in Language:
        with speaking(language):
            wanted.add(t(f"screen.{screen}"))
            broken.add(t("shell.broke_title"))
    if not any(title.startswith(name) for title in titles for name in wanted) or broken & set(bodies):
        raise RuntimeError(f"/{page.path} did not show {screen}: titles {titles}, headings {bodies}")


# --- starting -----------------------------------------------------------------------------------------------


def _starts(database: Path, folder: Path) -> list[dict[str, Any]]:
    """Seconds from the command to a finished first page."""
    full = [_start(database) for _ in range(3)]
    empty = [_start(folder / f"empty-{turn}.db") for turn in range(3)]
    return [
        _seconds("first page after start, database there", statistics.median(full), TARGET_START),
        _seconds(f"first page after start, nothing there (seeds 300 × {MONTHS})", statistics.median(empty), TARGET_START),
    ]


def _start(database: Path) -> float:
    with _serving(ROOT, "app.py", database) as server:

        async def first() -> float:
            page = Page(server.url)
            await page.open()
            took = time.perf_counter() - server.began
            await page.close()
            return took

        return asyncio.run(first())
