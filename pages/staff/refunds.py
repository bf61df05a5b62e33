"""Here an administrator gives money back: finds a payment, sees what happens, says why; and looks after what is stuck."""

import streamlit as st

import clock
from db import reading
from queries.refunds import listed, needs_a_look, opened
from rules.refusals import NotAllowed
from texts import t
from ui.widgets.refunds import close, found_ids, open_from_address, page_of_found, search, show_found, show_payment, show_stuck
from ui.widgets.session import signed_in

visitor = signed_in()
st.title(t("refunds.title"), anchor=False)
search()
payment_id = open_from_address()
if payment_id is not None:
    try:
        with reading() as db:
            seen = opened(db, visitor=visitor, payment_id=payment_id)
    except NotAllowed:
        close()
    else:
        show_payment(visitor, seen)
        st.stop()

found = found_ids()
if found is not None:
    page = page_of_found(found)
    with reading() as db:
        rows = listed(db, visitor=visitor, payment_ids=page)
    show_found(rows, len(found), visitor)
with reading() as db:
    stuck = needs_a_look(db, visitor=visitor, now=clock.now())
show_stuck(stuck, visitor)
