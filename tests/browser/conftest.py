"""The real thing: `streamlit run app.py` on a seeded database of its own, and the Chromium that is installed."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from settings import ROOT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(database_url: str, log: Path, *, port: int = 0, **environment: str) -> Iterator[str]:
    """The app on a free port, or the given one, ready to answer; its output goes to `log`."""
    port = port or free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://localhost:{port}"
    try:
        for _ in range(900):
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.1)
            assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def site_database(seeded_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database file of the running demo."""
    file = tmp_path_factory.mktemp("site") / "kabinet.db"
    shutil.copyfile(seeded_template, file)
    return file


@pytest.fixture(scope="session")
def site(browser: Browser, site_database: Path) -> Iterator[str]:
    """The address of the running demo."""
    log = site_database.with_name("server.log")
    with served(f"sqlite:///{site_database}", log) as url:
        yield url
    assert "Traceback" not in log.read_text(), "the server logged a stack trace"


class Tab:
    """A page of a browser of its own, with what it asked for and what it complained of."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.context, self.site = context, site
        self.page: Page = context.new_page()
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("websocket", lambda socket: self.hosts.add(socket.url.split("/")[2]))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, request: object) -> None:
        url = request.url  # type: ignore[attr-defined]
        if url.startswith("http"):
            self.hosts.add(url.split("/")[2])

    def open(self, path: str = "") -> Page:
        self.page.goto(f"{self.site}/{path}")
        return self.page

    def enter(self, persona: str, path: str = "") -> Page:
        """Sign in as a persona by one click, on the way to a path."""
        self.open(path)
        self.page.locator(f".st-key-enter_{persona} button").click()
        self.page.locator(".st-key-person_menu").wait_for()
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until no script is running."""
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        self.page.wait_for_timeout(300)

    def choose(self, menu: str, option: str) -> None:
        """Pick an entry of a menu button by the menu's key."""
        self.page.locator(f".st-key-{menu} button").click()
        self.page.get_by_role("menuitem", name=option).or_(self.page.get_by_role("option", name=option)).first.click()
        self.settle()


@pytest.fixture
def tab_of(browser: Browser, site: str):
    """Make tabs: `tab_of(width=390, dark=True, language="en-GB")`; each in a fresh browser profile."""
    contexts = []

    def make(*, width: int = 1440, dark: bool = False, language: str = "ru-RU", context: BrowserContext | None = None) -> Tab:
        if context is None:
            context = browser.new_context(
                viewport={"width": width, "height": 900 if width > 640 else 844},
                color_scheme="dark" if dark else "light",
                locale=language,
                timezone_id="Europe/Moscow",
            )
            context.set_default_timeout(60_000)
            contexts.append(context)
        return Tab(context, site)

    yield make
    for context in contexts:
        context.close()
