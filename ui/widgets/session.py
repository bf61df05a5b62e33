"""Who is here, asked of the server's own sessions on every run, callback and dialog."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn
from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

import clock
import texts
from actions.sessions import OpenedSession, unseal
from db import reading
from queries import visitors
from rules.terms import Language
from rules.visitor import Visitor
from seed.reset import life
from settings import settings
from ui.widgets import bridge

_SESSION, _CONNECTION, _LANGUAGE, _LANGUAGE_TOLD = "_session_id", "_connection", "_language", "_language_told"
_LIFE = "_life"
"""Of the demo: after a reset the numbers of sessions begin again."""
LANGUAGE_COOKIE = "kabinet_language"


_known: ContextVar[Visitor | None] = ContextVar("known", default=None)


def address() -> str:
    """The network address of the connection itself; forwarded headers are never believed here."""
    return st.context.ip_address or "local"


def site() -> str:
    """The portal's own address, for links in letters: from the settings, in a demo without one from the browser."""
    given = settings().public_url
    if given is not None:
        return given
    parts = urlsplit(st.context.url or "http://localhost:8501")
    return f"{parts.scheme}://{parts.netloc}"


def proof_token() -> str:
    """The token of the letter's link that led here, see routes.proofs; empty without one."""
    return st.context.cookies.get("kabinet_proof") or ""


def browser() -> str:
    """What the browser calls itself."""
    return st.context.headers.get("User-Agent", "")


def _cookie() -> str:
    """The session cookie of the handshake. On https only the one that is bound to this very host: another could be planted."""
    secure = st.context.headers.get("Origin", "").startswith("https://")
    return st.context.cookies.get("__Host-kabinet" if secure else "kabinet") or ""


def current() -> Visitor | None:
    """The visitor, or None when nobody is signed in or the session was ended; one indexed query.

    Streamlit resumes its own session for anyone who knows its id. So a session is taken over from the script's state
    only on the connection that opened it; on a new one (its handshake differs) the cookie must name it.
    """
    connection = st.context.headers.get("Sec-Websocket-Key", "")
    carried = unseal(_cookie())
    known: int | None = st.session_state.get(_SESSION)
    with reading() as db:
        if known is not None:
            alive = st.session_state.get(_LIFE) == life()
            found = visitors.by_session(db, session_id=known, now=clock.now(), address=address())
            same = connection == st.session_state.get(_CONNECTION)
            if alive and found is not None and (same or (found[1] is not None and found[1] == carried)):
                return _taken(found[0], connection)
            st.session_state.clear()  # nothing of a former visitor may survive
        found = visitors.by_token(db, token_hash=carried, now=clock.now(), address=address()) if carried else None
    return _taken(found[0], connection) if found is not None else None


def _taken(visitor: Visitor, connection: str) -> Visitor:
    st.session_state[_SESSION], st.session_state[_CONNECTION], st.session_state[_LIFE] = visitor.session_id, connection, life()
    told = st.session_state.get(_LANGUAGE_TOLD) or st.context.cookies.get(LANGUAGE_COOKIE)
    if told != visitor.language.value:
        speak(visitor.language)  # the page came in the browser's language, the person may have another
    st.session_state[_LANGUAGE] = visitor.language
    return visitor


@contextmanager
def known(visitor: Visitor) -> Iterator[None]:
    """Within this block of one run `signed_in()` need not ask again. Callbacks and dialogs run outside of it, and do."""
    token = _known.set(visitor)
    try:
        with texts.speaking(visitor.language):  # else every text of the run would look the language up
            yield
    finally:
        _known.reset(token)


def signed_in() -> Visitor:
    """The visitor; every screen of an account begins with it. Without one the run ends and the sign-in page comes."""
    visitor = _known.get() or current()
    return visitor if visitor is not None else _leave()


def _leave() -> NoReturn:
    st.rerun()
    raise AssertionError("st.rerun() does not return")


def begin(opened: OpenedSession) -> None:
    """Take a session that was just opened into this connection, and let the browser fetch its cookie."""
    st.session_state[_SESSION], st.session_state[_LIFE] = opened.session_id, life()
    st.session_state[_CONNECTION] = st.context.headers.get("Sec-Websocket-Key", "")
    bridge.send("/session", {"ticket": opened.ticket})


def forget() -> None:
    """Drop everything of the visitor from this connection, and the cookie from the browser."""
    language = st.session_state.get(_LANGUAGE)
    st.session_state.clear()
    st.session_state[_LANGUAGE] = language
    bridge.send("/session/end", {})


def speak(language: Language) -> None:
    """Speak this language from now on, on the page and in what the front end says itself."""
    st.session_state[_LANGUAGE], st.session_state[_LANGUAGE_TOLD] = language, language.value
    bridge.send("/language", {"language": language.value})


def _language() -> Language | None:
    """The language chosen here, else this browser's own choice from before, else the browser's language."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None  # a route, a job or a start: nobody's page
    chosen = st.session_state.get(_LANGUAGE)
    if chosen is not None:
        return Language(chosen)
    kept = st.context.cookies.get(LANGUAGE_COOKIE)
    if kept in set(Language):
        return Language(kept)
    return Language.EN if (st.context.locale or "").lower().startswith("en") else None


texts.set_language_source(_language)
