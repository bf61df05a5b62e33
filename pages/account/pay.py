"""Here a person pays: one account or several, with a saved card or another, and sees how it went."""

from contextlib import suppress

import streamlit as st

import clock
from db import reading
from queries.cards import saved_cards
from queries.home import home
from queries.paying import payment_view
from rules.refusals import NotAllowed
from texts import t
from ui.widgets import pay_form
from ui.widgets.address import number_in
from ui.widgets.pay_result import show_payment
from ui.widgets.session import signed_in

visitor = signed_in()
asked = number_in("payment")
if asked is not None:
    try:
        show_payment(visitor, asked)
        st.stop()
    except NotAllowed:
        st.query_params.clear()  # somebody else's, or none: as if nothing was asked

now, today = clock.now(), clock.today(visitor.time_zone)
with reading() as db:
    accounts = pay_form.payable(home(db, visitor=visitor, today=today, now=now).accounts)
    cards = saved_cards(db, visitor=visitor)
st.title(t("pay.title"), anchor=False)
if not accounts:
    st.info(t("pay.no_accounts"), icon=":material/account_balance_wallet:")
    if st.button(t("pay.to_accounts"), type="primary", icon=":material/add:", key="pay_to_accounts"):
        st.switch_page("pages/account/accounts.py")
    st.stop()
wanted, again = number_in("account"), number_in("again")
repeated = None
if again is not None:
    with reading() as db, suppress(NotAllowed):
        repeated = payment_view(db, visitor=visitor, payment_id=again)
pay_form.begin(accounts, cards, next((card.account_id for card in accounts if card.account_id == wanted), None), repeated, today)
pay_form.form(accounts, cards, today)
