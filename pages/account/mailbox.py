"""Here, in a demo, a person reads the letters and text messages that the portal sent to them or because of them."""

import streamlit as st

from db import reading
from queries.messages import mailbox
from texts import t
from ui.widgets.letter import letter_card
from ui.widgets.session import signed_in

visitor = signed_in()
with reading() as db:
    letters = mailbox(db, visitor=visitor)

st.title(t("screen.mailbox"), anchor=False)
st.caption(t("mailbox.what"))
if not letters:
    st.markdown(t("mailbox.empty"))
for letter in letters:
    letter_card(letter, visitor.time_zone)
