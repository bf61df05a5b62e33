"""The few questions of the first sign-in, and the same questions on the profile, where each can be answered anew."""

from typing import Any

import streamlit as st

from actions.consents import PRESELECTED, answer_questions, change_consent
from actions.profile import change_region
from db import reading
from queries.profile import Answer, answers
from queries.regions import regions
from rules.terms import ConsentKind
from rules.visitor import Visitor
from texts import md, moment, t
from ui.widgets.feedback import act, refused_here

YES, NO = "yes", "no"


def wording(kind: ConsentKind) -> str:
    """What the person is asked, word for word: the question and what it means. Kept with the answer."""
    return f"{t(f'consent.{kind.value}.question')} {t(f'consent.{kind.value}.means')}"


def _words() -> dict[str, str]:
    return {answer: t(f"consent.{answer}") for answer in (YES, NO)}


# --- the first sign-in ------------------------------------------------------------------------------
def _answer(wordings: dict[ConsentKind, str]) -> None:
    """The words are those that were on the page, so they come with the button."""
    chosen = {kind: st.session_state.get(f"welcome_{kind.value}") for kind in ConsentKind}
    act(
        answer_questions,
        place="welcome",
        done="welcome.done",
        answers={kind: answer == YES for kind, answer in chosen.items() if answer is not None},
        wordings=wordings,
        region_code=st.session_state.get("welcome_region") or "",
    )


def questionnaire(visitor: Visitor) -> None:
    """The whole screen of a person who has not answered yet; once answered, the next run shows the portal."""
    with reading() as db:
        known = regions(db, language=visitor.language)
    with (
        st.container(horizontal_alignment="center"),
        st.container(width=640, key="welcome"),
    ):
        st.title(t("welcome.title", name=md(visitor.first_name)), anchor=False)
        st.markdown(t("welcome.how"))
        with st.form("welcome_form"):
            for kind in ConsentKind:
                st.selectbox(
                    t(f"consent.{kind.value}.question"),
                    (YES, NO),
                    index=0 if kind in PRESELECTED else None,
                    format_func=_words().__getitem__,
                    placeholder=t("consent.choose"),
                    key=f"welcome_{kind.value}",
                )
                st.caption(t(f"consent.{kind.value}.means"))
            st.space("small")
            _region(known, visitor.region_code, key="welcome_region")
            st.caption(t("profile.region_means"))
            refused_here("welcome")
            st.form_submit_button(
                t("welcome.go"),
                type="primary",
                key="welcome_go",
                on_click=_answer,
                args=({kind: wording(kind) for kind in ConsentKind},),
            )


# --- the profile ------------------------------------------------------------------------------------
def _change(kind: ConsentKind, asked: str) -> None:
    key = f"consent_{kind.value}"
    chosen = st.session_state.get(key)
    if chosen is not None:
        act(change_consent, place=key, done="consent.kept", kind=kind, given=chosen == YES, wording=asked)
    st.session_state.pop(key, None)  # what is stored is shown, also after a refusal


def consents(visitor: Visitor) -> None:
    """Every question with its answer: what and when; changing the answer keeps it at once."""
    with reading() as db:
        given = answers(db, visitor=visitor)
    with st.container(border=True, key="consents"):
        st.subheader(t("consent.title"), anchor=False)
        st.caption(t("consent.how"))
        for kind in ConsentKind:
            _consent(kind, given.get(kind), visitor)


def _consent(kind: ConsentKind, answer: Answer | None, visitor: Visitor) -> None:
    key = f"consent_{kind.value}"
    with st.container(gap="xsmall"):
        st.selectbox(
            t(f"consent.{kind.value}.question"),
            (YES, NO),
            index=None if answer is None else (YES, NO).index(YES if answer.given else NO),
            format_func=_words().__getitem__,
            placeholder=t("consent.choose"),
            key=key,
            on_change=_change,
            args=(kind, wording(kind)),
        )
        st.caption(t(f"consent.{kind.value}.means"))
        if answer is None:
            st.caption(t("consent.never"))
        else:
            at = moment(answer.at, visitor.time_zone)
            st.caption(t("consent.given_at" if answer.given else "consent.refused_at", at=at))
        refused_here(key)


def _move() -> None:
    act(change_region, place="region", done="profile.region_kept", region_code=st.session_state.get("profile_region") or "")
    st.session_state.pop("profile_region", None)


def region(visitor: Visitor) -> None:
    """The person's region, to be changed."""
    with reading() as db:
        known = regions(db, language=visitor.language)
    _region(known, visitor.region_code, key="profile_region", on_change=_move)
    st.caption(t("profile.region_means"))
    refused_here("region")


def _region(names: dict[str, str], chosen: str, **more: Any) -> None:
    st.selectbox(
        t("profile.region"),
        list(names),
        index=list(names).index(chosen) if chosen in names else None,
        format_func=lambda code: names[code],
        placeholder=t("common.choose"),
        **more,
    )
