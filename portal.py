"""The Streamlit script behind app.py: who is here → which screens → run one."""

import logging
import secrets
from typing import Any
from urllib.parse import unquote, urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

import clock
from actions.sessions import keep_alive
from actions.visits import record_visit
from db import reading, transaction
from pages import FROM_LETTERS, HERE, PUBLIC, SCREENS, Screen, screens_for
from queries.notices import count_unread
from rules.refusals import Unavailable
from rules.visitor import Visitor
from settings import settings
from texts import t
from ui.widgets import demo_clock, shell
from ui.widgets.bridge import mount_bridge
from ui.widgets.feedback import show_toasts
from ui.widgets.questionnaire import questionnaire
from ui.widgets.session import current, known
from ui.widgets.social import finish_social

_log = logging.getLogger("kabinet.portal")


def page_of(screen: Screen, *, default: bool, hidden: bool = False) -> st.Page:
    """The Streamlit page of a screen."""
    return st.Page(
        screen.script,
        title=t(f"screen.{screen.name}"),
        icon=screen.icon,
        url_path="" if default else screen.path,
        default=default,
        visibility="hidden" if hidden else "visible",
    )


def stand_ins(script: str, paths: list[str], *, title: str) -> list[st.Page]:
    """Pages at addresses that lead elsewhere just now (to sign in first, or to nothing), so that the address stays."""
    file = HERE / "public" / f"{script}.py"
    source = compile(file.read_text(encoding="utf-8"), str(file), "exec")

    def show() -> None:
        exec(source, {"__name__": "__main__", "__file__": str(file)})  # noqa: S102  our own file, under other addresses

    return [
        st.Page(show, title=title, url_path=path, default=not path, visibility="hidden" if path else "visible")
        for path in dict.fromkeys(paths)
    ]


def asked() -> list[str]:
    """The address that the browser asked for, when it is no screen's; at one that is not registered Streamlit opens a dialog.

    Addresses have one level. Streamlit may give one twice, as it is written and decoded: the last is it.
    """
    path = unquote(urlsplit(st.context.url or "").path.strip("/").rsplit("/", 1)[-1]).strip()
    return [path] if path and "/" not in path and path not in {screen.path for screen in (*SCREENS, *PUBLIC)} else []


def remember(visitor: Visitor, screen: Screen) -> None:
    """Count the visit once per change of screen, and that the person is here once a minute.

    What cannot be written is not worth a failure.
    """
    state, minute = st.session_state, int(clock.now().timestamp() // 60)
    is_new, is_later = state.get("_screen") != screen.name, state.get("_minute") != minute
    if not is_new and not is_later:
        return
    state["_screen"], state["_minute"] = screen.name, minute
    try:
        with transaction() as db:
            if is_new:
                record_visit(db, visitor=visitor, screen=screen.name)
            keep_alive(db, visitor=visitor)
    except Unavailable:
        _log.warning("a visit was not recorded: database unavailable")


def unread(visitor: Visitor) -> int:
    """How many notices wait to be read; not worth a failure."""
    try:
        with reading() as db:
            return count_unread(db, visitor=visitor)
    except Unavailable:
        return 0


def run(page: st.Page) -> None:
    """Run a screen; whatever goes wrong in it becomes a designed page with a reference that is also in the log."""
    try:
        page.run()
    except StopException:
        return  # the screen said all it has to say; toasts and the bridge still come
    except Unavailable:
        _log.exception("database unavailable")
        shell.busy()
    except Exception:
        reference = secrets.token_hex(4).upper()
        _log.exception("screen failed, reference %s", reference)
        shell.something_broke(reference)


def guest() -> None:
    """Nobody is signed in: every address shows the sign-in page and keeps itself for afterwards."""
    shell.page_config(t("sign_in.title"))
    paths = ["", *(screen.path for screen in SCREENS), *asked()]
    doors = stand_ins("welcome", paths, title=t("sign_in.title"))
    st.session_state["_door"] = doors[0]
    page = st.navigation([*doors, *(page_of(screen, default=False, hidden=True) for screen in PUBLIC)], position="hidden")
    shell.page_config(page.title)
    shell.dress()
    shell.head_menu(None, {})
    run(page)


def in_sections(shown: list[Screen], pages: dict[str, Any]) -> dict[str, list[Any]]:
    """The pages by the title of their section: those without one first, each by itself."""
    sections: dict[str, list[Any]] = {"": []}
    for screen in shown:
        title = t(f"section.{screen.section}") if screen.section else ""
        sections.setdefault(title, []).append(pages[screen.name])
    return sections


def member(visitor: Visitor) -> None:
    """The portal of a signed-in person."""
    shown = screens_for(visitor.role, demo=settings().is_demo)
    pages = {
        screen.name: page_of(screen, default=screen is shown[0], hidden=screen.in_menu or screen.unlisted) for screen in shown
    }
    from_letters = [page_of(screen, default=False, hidden=True) for screen in FROM_LETTERS]
    st.session_state["_door"] = pages[shown[0].name]
    foreign = [screen.path for screen in (*SCREENS, *PUBLIC[:2]) if screen not in shown and screen.path]
    lost = stand_ins("not_found", [*foreign, *asked()], title=t("shell.not_found_title"))
    shell.page_config("")  # before the navigation: else the front end looks outside for the icon of the page
    page = st.navigation({**in_sections(shown, pages), " ": [*from_letters, *lost]}, position="top")
    screen = next((screen for screen in shown if pages[screen.name] is page), None)
    bar = [s for s in shown if s.in_bar]
    shell.page_config(page.title)
    shell.dress(bar.index(screen) + 1 if screen in bar else 0)
    shell.head_menu(
        visitor,
        {t(f"screen.{s.name}"): pages[s.name] for s in shown if s.in_menu},
        notices=pages.get("notices"),
        unread=unread(visitor) if "notices" in pages else 0,
    )
    if bar:
        shell.phone_bar(
            [(pages[s.name], t(f"screen.{s.name}"), s.icon) for s in bar],
            {t(f"screen.{s.name}"): pages[s.name] for s in shown if s not in bar and not s.unlisted},
        )
    if screen is not None:
        remember(visitor, screen)
    if screen is not None and not visitor.welcomed:
        questionnaire(visitor)
    else:
        run(page)
    show_toasts()


try:
    is_closed = demo_clock.is_closed()
    here = None if is_closed else current()
except Unavailable:
    shell.page_config("")
    shell.dress()
    shell.busy()
else:
    if is_closed:
        shell.page_config("")
        shell.dress()
        demo_clock.curtain()
    else:
        here = finish_social(here)
        if here is None:
            guest()
        else:
            with known(here):
                member(here)
    mount_bridge()
