"""Doing something for a person and telling how it went: a toast for what is done, a sentence in place for a refusal."""

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from actions import perform
from rules.refusals import Refusal
from texts import md, sentence, t
from ui.widgets.session import signed_in

T = TypeVar("T")
_REFUSALS, _TOASTS = "_refusals", "_toasts"


def act(verb: Callable[..., T], *, place: str, done: str = "", facts: dict[str, Any] | None = None, **given: Any) -> T | None:
    """Call an action for the signed-in person; meant for callbacks.

    Done: the text `done` (a key, with `facts`) becomes a toast. Refused: the refusal waits for `refused_here(place)`.
    Returns the action's result, None when refused. Texts are made when they are shown, never in the callback.
    """
    try:
        result = perform(verb, visitor=signed_in(), **given)
    except Refusal as refusal:
        refuse(place, refusal)
        return None
    if done:
        toast(done, **(facts or {}))
    return result


def refuse(place: str, refusal: Refusal) -> None:
    """Let a refusal wait for `refused_here(place)`; for what a callback does beside its action."""
    st.session_state.setdefault(_REFUSALS, {})[place] = refusal


def toast(key: str, **facts: Any) -> None:
    """Show a short text at the end of this run or the next."""
    st.session_state.setdefault(_TOASTS, []).append((key, facts))


def refused_here(place: str) -> bool:
    """Show the refusal that belongs here, once. True when there was one."""
    refusal = st.session_state.get(_REFUSALS, {}).pop(place, None)
    if refusal is None:
        return False
    st.error(md(sentence(refusal)), icon=":material/error:")
    return True


def wrong_here(what: Refusal | str) -> None:
    """A small red line under the field that was just drawn: a refusal, or a text already made."""
    said = sentence(what) if isinstance(what, Refusal) else what
    st.markdown(f":red[:small[:material/error: {md(said)}]]")


def show_toasts() -> None:
    """Show what waits; the portal calls it once a run, after the screen."""
    for key, facts in st.session_state.pop(_TOASTS, []):
        st.toast(md(t(key, **facts)), icon=":material/check_circle:")
