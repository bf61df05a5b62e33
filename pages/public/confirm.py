"""Here the link of the registration letter leads: one button, and the e-mail is confirmed."""

import streamlit as st

from actions import perform
from actions.registration import Confirmed, confirm_registration
from rules.refusals import EmailTaken, Refusal
from texts import md, t
from ui.widgets.public import column, refuse, refused, to_sign_in
from ui.widgets.session import proof_token

DONE, FAILED = "_confirmed", "_confirm_failed"


def confirm() -> None:
    try:
        st.session_state[DONE] = perform(confirm_registration, visitor=None, token=proof_token())
    except Refusal as refusal:
        st.session_state[FAILED] = isinstance(refusal, EmailTaken)
        refuse(refusal)


done: Confirmed | None = st.session_state.get(DONE)
if done is not None:
    with column(t("confirm.done_title"), t("confirm.done", email=md(done.email))):
        if not done.phone_kept:
            st.info(t("confirm.phone_taken"), icon=":material/call:")
        to_sign_in(t("public.sign_in"))
elif FAILED in st.session_state or not proof_token():
    with column(t("confirm.failed_title")):
        refused()
        st.markdown(t("confirm.failed"))
        st.page_link("pages/public/register.py", label=t("public.to_register"), icon=":material/person_add:")
        to_sign_in(t("public.to_sign_in"))
else:
    with column(t("confirm.title"), t("confirm.about")):
        st.button(t("confirm.submit"), type="primary", key="confirm_submit", on_click=confirm, width="stretch")
