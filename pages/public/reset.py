"""Here the link of the recovery letter leads: a new password, and it takes effect."""

import streamlit as st

from actions.recovery import reset_by_link
from rules.refusals import LinkSpent, Refusal
from texts import t
from ui.widgets.public import column, new_password, refuse, refused, to_sign_in
from ui.widgets.session import proof_token

DONE, FAILED, PRESSED = "_reset_done", "_reset_failed", "_reset_pressed"


def reset() -> None:
    state = st.session_state
    state[PRESSED] = True
    if not state.get("reset_password"):
        return
    try:
        reset_by_link(token=proof_token(), password=state["reset_password"])
        state[DONE], state["reset_password"] = True, ""
    except LinkSpent as refusal:
        state[FAILED] = True
        refuse(refusal)
    except Refusal as refusal:
        refuse(refusal)


if DONE in st.session_state:
    with column(t("reset.done_title"), t("reset.done")):
        to_sign_in(t("public.sign_in"))
elif FAILED in st.session_state or not proof_token():
    with column(t("reset.failed_title")):
        refused()
        st.markdown(t("reset.failed"))
        st.page_link("pages/public/recover.py", label=t("reset.ask_again"), icon=":material/refresh:")
        to_sign_in(t("public.to_sign_in"))
else:
    with column(t("reset.title"), t("reset.about")):
        new_password("reset_password", pressed=bool(st.session_state.get(PRESSED)))
        refused()
        st.button(t("recover.set"), type="primary", key="reset_submit", on_click=reset, width="stretch")
