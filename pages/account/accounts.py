"""Here a person attaches accounts, names and orders them, and takes them off again."""

import streamlit as st

from actions.accounts import detach_account, move_attachment, rename_attachment
from db import reading
from queries.accounts import AttachedAccount, attached_accounts
from rules.numbers import format_account_number
from texts import md, phone, t, tn
from ui.widgets import attaching
from ui.widgets.account import STATUS_MARKS, account_name, account_title
from ui.widgets.feedback import act, refused_here
from ui.widgets.session import signed_in

DETACHING, RENAMING = "_detaching", "_renaming"


def rename(account: AttachedAccount) -> None:
    """A name that is refused stays in its field."""
    label = st.session_state.get(f"label_{account.attachment_id}", "")
    given = {"attachment_id": account.attachment_id, "label": label}
    if act(rename_attachment, place=f"account_{account.attachment_id}", done="accounts.renamed", **given) is not None:
        st.session_state.pop(RENAMING, None)


def move(account: AttachedAccount, up: bool) -> None:
    act(move_attachment, place=f"account_{account.attachment_id}", attachment_id=account.attachment_id, up=up)


def detach(account: AttachedAccount) -> None:
    act(detach_account, place=f"account_{account.attachment_id}", done="accounts.detached", attachment_id=account.attachment_id)
    st.session_state.pop(DETACHING, None)


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
        st.space("stretch")
        if st.session_state.get(RENAMING) == key:
            with st.form(f"rename_form_{key}", border=False):
                st.text_input(t("accounts.label"), value=account.label, key=f"label_{key}", max_chars=40)
                refused_here(f"account_{key}")
                with st.container(horizontal=True, gap="small"):
                    st.form_submit_button(t("common.save"), on_click=rename, args=(account,), key=f"save_label_{key}")
                    st.form_submit_button(
                        t("common.cancel"),
                        type="tertiary",
                        on_click=st.session_state.pop,
                        args=(RENAMING, None),
                        key=f"keep_{key}",
                    )
            return
        refused_here(f"account_{key}")
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

if "attach" in st.query_params:
    del st.query_params["attach"]
    attaching.begin()
attaching_now = not accounts or attaching.is_open()
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(gap=None, width="content"):
        st.title(t("screen.accounts"), anchor=False)
        if accounts:
            st.caption(tn("common.accounts", len(accounts)))
    if not attaching_now:
        st.button(t("home.attach_another"), type="primary", icon=":material/add:", key="attach_begin", on_click=attaching.begin)
if not accounts:
    st.markdown(t("accounts.empty"))
if attaching_now:
    attaching.panel(visitor, may_leave=bool(accounts))
with st.grid(3, min_column_width=300, gap="small"):
    for place, account in enumerate(accounts):
        card(account, place, len(accounts) - 1)
leaving = next((account for account in accounts if account.attachment_id == st.session_state.get(DETACHING)), None)
if leaving is not None:
    confirm_detach(leaving)
