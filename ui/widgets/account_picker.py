"""Choosing one of the attached accounts; the choice is in the address, so that it can be linked to and survives a reload."""

from collections.abc import Sequence

import streamlit as st

from queries.accounts import AttachedAccount
from texts import phone, t
from ui.widgets.account import account_name

PARAMETER, _KEY = "account", "account_picker"


def described(account: AttachedAccount) -> str:
    """Its name, whose it is when not one's own, and its phone or address; plain text."""
    place = phone(account.service_phone) if account.service_phone else account.address
    said = (account_name(account.label, account.service), "" if account.is_own else account.holder, place)
    return " · ".join(part for part in said if part)


def pick_account(accounts: Sequence[AttachedAccount]) -> AttachedAccount:
    """A select box of the accounts, of which there is one at least; what the address names is chosen, else the first.

    Not `bind=`: that would write the text of the choice, a phone number, into the address instead of the id.
    """
    by_id = {str(account.account_id): account for account in accounts}
    wanted = st.query_params.get(PARAMETER)
    if wanted in by_id:
        st.session_state[_KEY] = wanted
    elif st.session_state.get(_KEY) not in by_id:
        st.session_state[_KEY] = next(iter(by_id))
    chosen = st.selectbox(
        t("common.account"),
        list(by_id),
        format_func=lambda id_: described(by_id[id_]),
        key=_KEY,
        on_change=_to_address,
        width=420,
    )
    return by_id.get(chosen or "", accounts[0])


def _to_address() -> None:
    st.query_params[PARAMETER] = st.session_state[_KEY]
