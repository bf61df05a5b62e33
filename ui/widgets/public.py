"""What the pages before signing in are made of: a narrow column, fields that say what is wrong with them, a new password."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from db import reading
from queries.first_letters import letters_to
from rules.passwords import password_problems, strength
from rules.refusals import FieldWrong, Refusal
from settings import settings
from texts import md, sentence, t
from ui.widgets.letter import letter_text

_REFUSED = "_public_refused"


@contextmanager
def column(title: str, about: str = "") -> Iterator[None]:
    """A page of one narrow column with its title."""
    with st.container(horizontal_alignment="center"), st.container(width=480, key="public"):
        st.title(title, anchor=False)
        if about:
            st.markdown(about)
        yield


def problem_here(field: str, problem: str | None) -> None:
    """What is wrong with a field, right under it."""
    if problem:
        st.markdown(f":red[:material/error: {t(f'field.{field}.{problem}')}]", width="stretch")


def refuse(refusal: Refusal) -> None:
    """Keep a refusal for `refused()`; for callbacks."""
    st.session_state[_REFUSED] = refusal


def refused() -> None:
    """Show the refusal of the last press, once."""
    refusal = st.session_state.pop(_REFUSED, None)
    if refusal is None:
        return
    icon = ":material/edit:" if isinstance(refusal, FieldWrong) else ":material/error:"
    st.error(md(sentence(refusal)), icon=icon)


def new_password(key: str, *, email: str = "", phone: str = "", pressed: bool = False) -> str:
    """A field for a new password, what is wrong with it, and how strong it is."""
    # Live: leaving the field by the Tab key goes to its "show" button, and what was typed would not be sent.
    typed = st.text_input(t("public.new_password"), type="password", key=key, autocomplete="new-password", live=True)
    problems = password_problems(typed, email=email, phone=phone) if typed else ["missing"] if pressed else []
    if problems:
        problem_here("password", problems[0])
    elif typed:
        score = strength(typed, known=(email, phone))
        st.progress(0.25 * max(1, score), text=t(f"public.strength.{score}"))
    else:
        st.caption(t("public.password_rule"))
    return typed


def to_sign_in(label: str) -> None:
    """The way to the sign-in page."""
    st.page_link(st.session_state["_door"], label=label, icon=":material/login:")


def demo_letters(contact: str) -> None:
    """In a demo without a mail server: what came to the contact that was just typed here."""
    if not settings().is_demo or settings().smtp_host:
        return
    with reading() as db:
        letters = letters_to(db, contact=contact, limit=1)
    for letter in letters:
        with st.container(border=True, key="demo_letter"):
            st.caption(f":material/mail: {t('public.demo_letter', recipient=md(letter.recipient))}")
            st.markdown(f"**{md(letter.subject)}**")
            letter_text(letter)
