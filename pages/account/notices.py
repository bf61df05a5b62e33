"""Here a person reads what happened, and says what they want to be told of, and where."""

import streamlit as st

import clock
from db import reading
from queries.notices import bill_deliveries, count_notices, list_notices, notice_choices
from texts import t
from ui.widgets import notice_choices as choices
from ui.widgets import notices as feed
from ui.widgets.session import signed_in

SIZE = 20
"""So many notices a page."""

visitor = signed_in()
now = clock.now()
st.title(t("screen.notices"), anchor=False)
if feed.shown_view() == feed.CHOICES:
    with reading() as db:
        chosen = notice_choices(db, visitor=visitor)
        bills = bill_deliveries(db, visitor=visitor)
    choices.show(chosen, bills)
else:
    with reading() as db:
        total = count_notices(db, visitor=visitor)
        pages = -(-total // SIZE)
        page = feed.asked_page(pages)
        rows = list_notices(db, visitor=visitor, page=page, size=SIZE)
    if rows:
        feed.show(rows, visitor, now)
        feed.turn(pages)
        feed.seen(rows, visitor, now)
    else:
        feed.nothing()
