"""Attaching an account in two steps: its number, then the code that went to the contact on file."""

import math
from datetime import timedelta

import streamlit as st

import clock
from actions.accounts import CodeSent, attach_account, request_attach_code
from rules.visitor import Visitor
from settings import settings
from texts import md, moment, t, tn
from ui.widgets.feedback import act, refused_here, toast

OPEN, SENT, TOO_SOON = "_attach_open", "_attach_sent", "_attach_too_soon"
RESEND_SECONDS = 30
"""A letter takes a moment; asking again sooner only makes two codes of which one is dead."""


def is_open() -> bool:
    """Whether the person is about to attach an account."""
    return bool(st.session_state.get(OPEN)) or SENT in st.session_state


def begin() -> None:
    st.session_state[OPEN] = True


def leave() -> None:
    st.session_state.pop(OPEN, None)
    st.session_state.pop(SENT, None)


def _ask() -> None:
    number = st.session_state.get("attach_number", "")
    sent = act(request_attach_code, place="attach", number=number)
    if sent is not None:
        st.session_state[SENT] = (number, sent, clock.now())


def _again() -> None:
    number, _, at = st.session_state[SENT]
    wait = math.ceil((at + timedelta(seconds=RESEND_SECONDS) - clock.now()).total_seconds())
    if wait > 0:
        st.session_state[TOO_SOON] = wait
        return
    sent = act(request_attach_code, place="attach", number=number)
    if sent is not None:
        st.session_state[SENT] = (number, sent, clock.now())
        toast("accounts.sent_again")


def _enter() -> None:
    sent: CodeSent = st.session_state[SENT][1]
    code = st.session_state.get("attach_code", "")
    given = {"attach_code_id": sent.attach_code_id, "code": code}
    if act(attach_account, place="attach", done="accounts.attached", **given) is not None:
        leave()


def _other_number() -> None:
    st.session_state.pop(SENT, None)
    begin()


def panel(visitor: Visitor, *, may_leave: bool) -> None:
    """The step that is due."""
    with st.container(border=True, key="attach"):
        st.subheader(t("accounts.attach_title"), anchor=False)
        if SENT in st.session_state:
            _second(visitor)
            return
        st.caption(t("accounts.attach_how"))
        with st.form("attach_form", border=False):
            st.text_input(t("accounts.number"), key="attach_number", max_chars=20, placeholder="000 000 000 0", width=360)
            refused_here("attach")
            st.form_submit_button(t("accounts.send_code"), type="primary", on_click=_ask, key="send_code")
        if may_leave:
            st.button(t("common.cancel"), type="tertiary", key="attach_leave", on_click=leave)


def _second(visitor: Visitor) -> None:
    _, sent, _ = st.session_state[SENT]
    until = moment(sent.expires_at, visitor.time_zone, pattern="HH:mm")
    st.markdown(t("accounts.code_sent", contact=md(sent.sent_to), until=until))
    with st.form("code_form", border=False):
        st.text_input(t("accounts.code"), key="attach_code", max_chars=12, autocomplete="one-time-code", width=360)
        refused_here("attach")
        st.form_submit_button(t("accounts.attach"), type="primary", on_click=_enter, key="attach_confirm")
    wait = st.session_state.pop(TOO_SOON, 0)
    if wait:
        st.info(tn("accounts.resend_in", wait), icon=":material/schedule:")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(t("accounts.resend"), type="tertiary", key="resend", on_click=_again)
        st.button(t("accounts.other_number"), type="tertiary", key="other_number", on_click=_other_number)
        if settings().is_demo:
            st.page_link("pages/account/mailbox.py", label=t("accounts.to_mailbox"), icon=":material/mail:")
