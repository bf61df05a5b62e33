"""Driving screens in tests: the portal in-process, as a real person with a real session and cookie."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from sqlmodel import col, select
from streamlit.runtime import context
from streamlit.testing.v1 import AppTest

import actions.sessions as sessions
import clock
from actions import perform
from db import reading, transaction
from models import Customer, DemoPersona, LoginSession
from pages import SCREENS
from rules.terms import Language
from settings import ROOT


class Browser:
    """What a browser sends on connecting: cookies, and a handshake that differs with each connection."""

    def __init__(
        self,
        cookies: Mapping[str, str] | None = None,
        *,
        connection: str = "first",
        address: str = "203.0.113.7",
        origin: str = "http://localhost:8501",
    ):
        self.cookies = dict(cookies or {})
        self.connection, self.address, self.origin = connection, address, origin

    def _context(self) -> SimpleNamespace:
        pairs = [("Sec-Websocket-Key", self.connection), ("User-Agent", "test browser"), ("Origin", self.origin)]
        return SimpleNamespace(headers=pairs, cookies=self.cookies, remote_ip=self.address)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Within this block, scripts see this browser's connection."""
        original = context._get_client_context
        context._get_client_context = self._context  # type: ignore[assignment]
        try:
            yield
        finally:
            context._get_client_context = original


class Screen:
    """One open tab: an AppTest whose every run happens on the browser's connection."""

    def __init__(self, app: AppTest, browser: Browser) -> None:
        self.app, self.browser = app, browser

    def run(self) -> "Screen":
        with self.browser.connected():
            self.app.run(timeout=30)
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)

    @property
    def says(self) -> str:
        """Everything the screen says, in one text."""
        return "\n".join(_words(self.app.main))

    def button(self, key: str) -> Any:
        return self.app.button(key=key)

    def click(self, key: str) -> "Screen":
        """Press a button by its key and run."""
        self.app.button(key=key).click()
        return self.run()


def _words(block: Any) -> Iterator[str]:
    for child in getattr(block, "children", {}).values():
        for name in ("label", "value", "placeholder", "help"):
            said = getattr(child, name, None)
            if isinstance(said, str) and said:
                yield said
        proto = getattr(child, "proto", None)
        if proto is not None:
            for name in ("body", "delta", "title", "text"):
                said = getattr(proto, name, None)
                if isinstance(said, str) and said:
                    yield said
            yield from (option for option in getattr(proto, "options", []) if isinstance(option, str))
        yield from _words(child)


def customer_of(persona: str) -> int:
    """The id of one of the demo's people."""
    with reading() as db:
        return db.exec(select(DemoPersona.customer_id).where(col(DemoPersona.key) == persona)).one()


def cookie_of(customer_id: int, *, language: Language | None = None) -> dict[str, str]:
    """Open a real session for a person and return the cookie that their browser would hold."""
    with transaction() as db:
        if language is not None:
            person = db.get(Customer, customer_id)
            assert person is not None
            person.language = language
            db.add(person)
        opened = sessions.open_for(db, customer_id, address="203.0.113.7", browser="test browser", remembered=True)
    cookie = perform(sessions.redeem_ticket, visitor=None, ticket=opened.ticket)
    return {"kabinet": cookie.value}


def visitor_of(customer_id: int) -> Any:
    """The visitor that a person's newest session gives, opening one when there is none."""
    from queries import visitors

    cookie_of(customer_id)
    with reading() as db:
        session_id = db.exec(
            select(LoginSession.id).where(col(LoginSession.customer_id) == customer_id).order_by(col(LoginSession.id).desc())
        ).first()
        assert session_id is not None
        found = visitors.by_session(db, session_id=session_id, now=clock.now())
        assert found is not None
        return found[0]


def open_screen(
    name: str = "home",
    *,
    persona: str = "family",
    customer_id: int | None = None,
    language: Language = Language.RU,
    query: Mapping[str, str] | None = None,
) -> Screen:
    """A screen as a person sees it on arriving: signed in by cookie, in a language, with a query in the address."""
    who = customer_id if customer_id is not None else customer_of(persona)
    browser = Browser(cookie_of(who, language=language))
    app = AppTest.from_file(str(ROOT / "portal.py"), default_timeout=30)
    screen = Screen(app, browser)
    for key, value in (query or {}).items():
        app.query_params[key] = value
    screen.run()
    wanted = next(known for known in SCREENS if known.name == name)
    if wanted.path:
        app.switch_page(f"pages/{wanted.file}")
        for key, value in (query or {}).items():
            app.query_params[key] = value
        screen.run()
    assert not app.exception, [element.value for element in app.exception]
    return screen


def open_door(page: str = "", *, cookies: Mapping[str, str] | None = None, locale: str = "ru-RU") -> Screen:
    """The portal as somebody sees it who may not be signed in; `page` is one of pages/public."""
    app = AppTest.from_file(str(ROOT / "portal.py"), default_timeout=30)
    app.context = {"locale": locale}
    screen = Screen(app, Browser(cookies)).run()
    if page:
        app.switch_page(f"pages/public/{page}.py")
        screen.run()
    return screen
