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
from ui.widgets.social import social_buttons

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
    """One person of the demo, who they are; the whole card is the way in."""
    who = t(f"persona.{persona.key}")
    with st.container(border=True, height="stretch", key=f"card_{persona.key}"):
        with st.container(horizontal=True, gap="small", vertical_alignment="top"):
            with st.container(width="content", key=f"face_{persona.key}"):
                st.markdown(ICONS.get(persona.key, ":material/person:"), width="content")
            with st.container(gap=None):
                st.markdown(f"**{who}**")
                st.caption(f"{md(persona.name)} · {t(f'persona.{persona.key}.about')}")
        st.button(t("sign_in.enter_as", who=who), key=f"enter_{persona.key}", on_click=enter, args=(persona.key,))


def door() -> None:
    """What the portal is, the form, and whom to ask when it does not open."""
    with st.container(key="door"):
        st.title(t("sign_in.headline", operator=operator().name(language())), anchor=False)
        st.markdown(t("sign_in.promise"))
        sign_in_form()
        social_buttons()
        if shown:
            st.caption(t("sign_in.demo_password"))
        st.caption(t("sign_in.help", phone=operator().phone, email=operator().email))


shown: list[Persona] = []
if settings().is_demo:
    with reading() as db:
        shown = personas(db)

if not shown:
    with st.container(horizontal_alignment="center"), st.container(width=440):
        door()
else:
    left, right = st.columns([4, 7], gap="large")
    with left:
        door()
    with right, st.container(key="personas"):
        st.subheader(t("sign_in.personas"), anchor=False)
        with st.grid(3, min_column_width=230, gap="small"):
            for persona in shown:
                card(persona)
