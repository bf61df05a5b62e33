"""Here a person attaches accounts, names and orders them, and takes them off again."""

import streamlit as st

from actions.accounts import attach_account, detach_account, move_attachment, rename_attachment, request_attach_code
from db import reading
from queries.accounts import AttachedAccount, attached_accounts
from rules.numbers import format_account_number
from settings import settings
from texts import md, moment, phone, t, tn
from ui.widgets.account import STATUS_MARKS, account_name, account_title
from ui.widgets.feedback import act, refused_here, toast
from ui.widgets.session import signed_in

SENT, DETACHING, RENAMING = "_attach_sent", "_detaching", "_renaming"


def ask_for_code() -> None:
    number = st.session_state.get("attach_number", "")
    sent = act(request_attach_code, place="attach_number", number=number)
    if sent is not None:
        st.session_state[SENT] = (number, sent)


def enter_code() -> None:
    _, sent = st.session_state[SENT]
    code = st.session_state.get("attach_code", "")
    if act(attach_account, place="attach_code", done="accounts.attached", attach_code_id=sent.attach_code_id, code=code):
        st.session_state.pop(SENT, None)


def resend() -> None:
    st.session_state["attach_number"] = st.session_state[SENT][0]
    ask_for_code()
    toast("accounts.sent_again")


def other_number() -> None:
    st.session_state.pop(SENT, None)


def rename(account: AttachedAccount) -> None:
    act(
        rename_attachment,
        place=f"rename_{account.attachment_id}",
        done="accounts.renamed",
        attachment_id=account.attachment_id,
        label=st.session_state.get(f"label_{account.attachment_id}", ""),
    )
    st.session_state.pop(RENAMING, None)


def move(account: AttachedAccount, up: bool) -> None:
    act(move_attachment, place=f"rename_{account.attachment_id}", attachment_id=account.attachment_id, up=up)


def detach(account: AttachedAccount) -> None:
    act(detach_account, place=f"rename_{account.attachment_id}", done="accounts.detached", attachment_id=account.attachment_id)
    st.session_state.pop(DETACHING, None)


def attach_panel(time_zone: str) -> None:
    """Two steps: the number, then the code that went to the contact on file."""
    with st.container(border=True, key="attach"):
        st.subheader(t("accounts.attach_title"), anchor=False)
        if SENT not in st.session_state:
            st.caption(t("accounts.attach_how"))
            with st.form("attach_form", border=False):
                st.text_input(t("accounts.number"), key="attach_number", max_chars=20, placeholder="000 000 000 0")
                refused_here("attach_number")
                st.form_submit_button(t("accounts.send_code"), type="primary", on_click=ask_for_code, key="send_code")
            return
        _, sent = st.session_state[SENT]
        until = moment(sent.expires_at, time_zone, pattern="HH:mm")
        st.markdown(t("accounts.code_sent", contact=md(sent.sent_to), until=until))
        with st.form("code_form", border=False):
            st.text_input(t("accounts.code"), key="attach_code", max_chars=12, autocomplete="one-time-code")
            refused_here("attach_code")
            refused_here("attach_number")
            st.form_submit_button(t("accounts.attach"), type="primary", on_click=enter_code, key="enter_code")
        with st.container(horizontal=True, gap="small"):
            st.button(t("accounts.resend"), type="tertiary", key="resend", on_click=resend)
            st.button(t("accounts.other_number"), type="tertiary", key="other_number", on_click=other_number)
            if settings().is_demo:
                st.page_link("pages/account/mailbox.py", label=t("accounts.to_mailbox"), icon=":material/mail:")


def card(account: AttachedAccount, place: int, last: int) -> None:
    """One account: what it is, whose, what one may do, and what can be done with it here."""
    key = account.attachment_id
    with st.container(border=True, height="stretch", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(account_title(account.label, account.service), width="content")
            colour, icon = STATUS_MARKS[account.status]
            st.badge(t(f"status.{account.status.value}"), color=colour, icon=icon)
        st.caption(t("accounts.number_is", number=format_account_number(account.number)))
        where = phone(account.service_phone) if account.service_phone else md(account.address)
        holder = t("accounts.own") if account.is_own else t("accounts.holder_is", name=md(account.holder))
        st.markdown(f"{holder}  \n{where}")
        st.caption(t("accounts.right_is", right=t(f"right.{account.right.value}")))
        refused_here(f"rename_{key}")
        st.space("stretch")
        if st.session_state.get(RENAMING) == key:
            with st.form(f"rename_form_{key}", border=False):
                st.text_input(t("accounts.label"), value=account.label, key=f"label_{key}", max_chars=40)
                st.form_submit_button(t("common.save"), on_click=rename, args=(account,), key=f"save_label_{key}")
            return
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.button(
                t("accounts.rename"),
                key=f"rename_{key}",
                type="tertiary",
                icon=":material/edit:",
                on_click=st.session_state.__setitem__,
                args=(RENAMING, key),
            )
            st.button(
                t("accounts.detach"),
                key=f"detach_{key}",
                type="tertiary",
                icon=":material/link_off:",
                on_click=st.session_state.__setitem__,
                args=(DETACHING, key),
            )
            st.space("stretch")
            for up, name, disabled in ((True, "arrow_upward", place == 0), (False, "arrow_downward", place == last)):
                st.button(
                    f":material/{name}:",
                    key=f"move_{'up' if up else 'down'}_{key}",
                    help=t("accounts.move_up" if up else "accounts.move_down"),
                    type="tertiary",
                    disabled=disabled,
                    on_click=move,
                    args=(account, up),
                )


def confirm_detach(account: AttachedAccount) -> None:
    """A dialog that names what will happen."""

    @st.dialog(t("accounts.detach_title"), on_dismiss=lambda: st.session_state.pop(DETACHING, None))
    def ask() -> None:
        name = md(account_name(account.label, account.service))
        st.markdown(t("accounts.detach_text", name=name))
        if account.autopay_rules:
            st.warning(tn("accounts.detach_autopay", account.autopay_rules), icon=":material/autorenew:")
        with st.container(horizontal=True, gap="small"):
            if st.button(t("accounts.detach"), type="primary", key="confirm_detach", on_click=detach, args=(account,)):
                st.rerun()
            if st.button(t("common.cancel"), key="cancel_detach", on_click=st.session_state.pop, args=(DETACHING, None)):
                st.rerun()

    ask()


visitor = signed_in()
with reading() as db:
    accounts = attached_accounts(db, visitor=visitor)

st.title(t("screen.accounts"), anchor=False)
if accounts:
    st.caption(tn("common.accounts", len(accounts)))
    with st.grid(3, min_column_width=300, gap="small"):
        for place, account in enumerate(accounts):
            card(account, place, len(accounts) - 1)
else:
    st.markdown(t("accounts.empty"))
attach_panel(visitor.time_zone)
leaving = next((account for account in accounts if account.attachment_id == st.session_state.get(DETACHING)), None)
if leaving is not None:
    confirm_detach(leaving)
