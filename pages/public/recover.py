"""Here somebody who cannot sign in asks for a link by e-mail or a code by SMS."""

import streamlit as st

from actions.recovery import Asked, ask_to_reset, reset_by_code
from rules.refusals import Refusal
from settings import settings
from texts import md, phone, t
from ui.widgets.public import column, demo_letters, new_password, refuse, refused, to_sign_in
from ui.widgets.session import address, site

ASKED, DONE, PRESSED = "_recovery_asked", "_recovery_done", "_recovery_pressed"


def ask() -> None:
    try:
        st.session_state[ASKED] = ask_to_reset(name=st.session_state.get("recover_name") or "", site=site(), address=address())
        st.session_state.pop(PRESSED, None)
    except Refusal as refusal:
        refuse(refusal)


def again() -> None:
    try:
        ask_to_reset(name=st.session_state[ASKED].contact, site=site(), address=address())
        st.session_state["_recovery_again"] = True
    except Refusal as refusal:
        refuse(refusal)


def other() -> None:
    st.session_state.pop(ASKED, None)


def by_code() -> None:
    state = st.session_state
    state[PRESSED] = True
    if not state.get("recover_password"):
        return
    try:
        reset_by_code(contact=state[ASKED].contact, code=state.get("recover_code") or "", password=state["recover_password"])
        state[DONE], state["recover_password"] = True, ""
        state.pop(ASKED)
    except Refusal as refusal:
        refuse(refusal)


def sent(asked: Asked) -> None:
    """The same words whether or not anybody has the contact."""
    chosen = settings()
    if asked.by_phone:
        about = t("recover.sent_code", phone=phone(asked.contact), minutes=chosen.code_minutes)
    else:
        about = t("recover.sent_link", email=md(asked.contact), minutes=chosen.reset_minutes)
    with column(t("recover.sent_title"), about):
        if st.session_state.pop("_recovery_again", False):
            st.success(t("recover.sent_again"), icon=":material/check_circle:")
        demo_letters(asked.contact)
        if asked.by_phone:
            st.text_input(t("recover.code"), key="recover_code", max_chars=12, autocomplete="one-time-code", width=200)
            new_password("recover_password", phone=asked.contact, pressed=bool(st.session_state.get(PRESSED)))
            refused()
            st.button(t("recover.set"), type="primary", key="recover_set", on_click=by_code, width="stretch")
        else:
            refused()
        with st.container(horizontal=True, gap="small"):
            st.button(t("register.again"), key="recover_again", on_click=again, icon=":material/refresh:")
            st.button(t("recover.other"), key="recover_other", on_click=other, type="tertiary")
        to_sign_in(t("public.to_sign_in"))


if st.session_state.pop(DONE, False):
    with column(t("reset.done_title"), t("reset.done")):
        to_sign_in(t("public.sign_in"))
elif ASKED in st.session_state:
    sent(st.session_state[ASKED])
else:
    with column(t("recover.title"), t("recover.about")):
        st.text_input(t("recover.name"), key="recover_name", autocomplete="username", placeholder="name@example.ru")
        refused()
        st.button(t("recover.submit"), type="primary", key="recover_submit", on_click=ask, width="stretch")
        to_sign_in(t("public.to_sign_in"))
