"""Here a person signs in; in a demo they may also become one of its people by one click."""

import streamlit as st

from actions import perform
from actions.sessions import enter_as_persona
from db import reading
from queries.personas import Persona, personas
from rules.refusals import Refusal
from settings import operator, settings
from texts import language, md, t
from ui.widgets.session import address, begin, browser
from ui.widgets.sign_in import sign_in_form

ICONS = {
    "family": ":material/family_restroom:",
    "pensioner": ":material/call:",
    "debtor": ":material/money_off:",
    "student": ":material/school:",
    "vip": ":material/diamond:",
    "cottage": ":material/cottage:",
    "newcomer": ":material/waving_hand:",
    "analyst": ":material/monitoring:",
    "administrator": ":material/admin_panel_settings:",
}


def enter(key: str) -> None:
    """Become this person; refused in production."""
    try:
        begin(perform(enter_as_persona, visitor=None, persona=key, address=address(), browser=browser()))
    except Refusal as refusal:
        st.session_state["_persona_refused"] = refusal


def card(persona: Persona) -> None:
    """One person of the demo: who they are, and the way in."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"{ICONS.get(persona.key, ':material/person:')} **{t(f'persona.{persona.key}')}**")
        st.caption(f"{md(persona.name)} · {t(f'persona.{persona.key}.about')}")
        st.space("stretch")
        st.button(t("sign_in.enter"), key=f"enter_{persona.key}", on_click=enter, args=(persona.key,), width="stretch")


shown: list[Persona] = []
if settings().is_demo:
    with reading() as db:
        shown = personas(db)

st.title(t("sign_in.headline", operator=operator().name(language())), anchor=False)
st.caption(t("sign_in.promise"))
form, people = st.columns([4, 7], gap="large")
with form:
    sign_in_form()
    if shown:
        st.caption(t("sign_in.demo_password"))
if shown:
    with people:
        st.subheader(t("sign_in.personas"), anchor=False)
        with st.grid(3, min_column_width=210, gap="small"):
            for persona in shown:
                card(persona)
