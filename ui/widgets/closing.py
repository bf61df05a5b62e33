"""Closing one's portal account: what will happen, the password, and the way back."""

from datetime import date, timedelta

import streamlit as st

import clock
from actions.closing import close_account, keep_account
from actions.passwords import confirm_password
from rules.refusals import Refusal
from rules.visitor import Visitor
from settings import settings
from texts import day, t
from ui.widgets.feedback import act, refuse, refused_here
from ui.widgets.session import signed_in

ASKING = "_closing"


def _keep() -> None:
    act(keep_account, place="closing", done="closing.kept")


def _close() -> None:
    """The password is asked again here; where the answer is wrong, the dialog stays."""
    try:
        confirmed = confirm_password(visitor=signed_in(), password=st.session_state.get("closing_password", ""))
    except Refusal as refusal:
        refuse("closing", refusal)
        return
    if act(close_account, place="closing", done="closing.closed", confirmed=confirmed) is not None:
        st.session_state.pop(ASKING, None)


def notice(closing_on: date) -> None:
    """For who has closed their account: until when it is there, and the button that takes it back."""
    with st.container(key="closing_notice"):
        st.warning(t("closing.notice", day=day(closing_on)), icon=":material/event_busy:")
        refused_here("closing")
        st.button(t("closing.keep"), type="primary", key="keep_account", on_click=_keep)


def panel(visitor: Visitor) -> None:
    """The way out, with all it means said before the password is asked for."""
    with st.container(border=True, key="closing"):
        st.subheader(t("closing.title"), anchor=False)
        st.markdown(t("closing.what"))
        st.button(
            t("closing.begin"),
            key="close_begin",
            icon=":material/person_off:",
            on_click=st.session_state.__setitem__,
            args=(ASKING, True),
        )
    if st.session_state.get(ASKING):
        _ask(visitor)


def _ask(visitor: Visitor) -> None:
    erased = day(clock.today(visitor.time_zone) + timedelta(days=settings().closing_days))

    @st.dialog(t("closing.dialog_title"), on_dismiss=lambda: st.session_state.pop(ASKING, None))
    def ask() -> None:
        st.markdown(t("closing.will_happen", day=erased))
        with st.form("closing_form", border=False):
            st.text_input(t("closing.password"), type="password", key="closing_password", autocomplete="current-password")
            refused_here("closing")
            with st.container(horizontal=True, gap="small"):
                # Who thinks better of it presses the other one: a dialog closes when its run ends without it.
                done = st.form_submit_button(t("closing.confirm"), type="primary", key="close_confirm", on_click=_close)
                left = st.form_submit_button(
                    t("common.cancel"), key="close_cancel", on_click=st.session_state.pop, args=(ASKING, None)
                )
        if (done or left) and ASKING not in st.session_state:
            st.rerun()

    ask()
