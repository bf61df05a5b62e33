"""Here a person looks after how they come in: password, contacts, second factor, devices, and the journal of it all."""

import streamlit as st

from db import reading
from queries.security import own_security, own_sessions, sign_in_journal
from texts import t
from ui.widgets import security
from ui.widgets.session import signed_in
from ui.widgets.social import identities_section

visitor = signed_in()
with reading() as db:
    mine = own_security(db, visitor=visitor)
    sessions = own_sessions(db, visitor=visitor)
    journal = sign_in_journal(db, visitor=visitor, limit=security.shown_rows())

security.dress()
st.title(t("screen.security"), anchor=False)
st.caption(t("security.what"))
with st.grid(2, min_column_width=420, gap="small"):
    with st.container(border=True, height="stretch", key="sec_password"):
        security.password_section(visitor, mine)
    with st.container(border=True, height="stretch", key="sec_contacts"):
        security.contacts_section(visitor, mine)
    with st.container(border=True, height="stretch", key="sec_factor"):
        security.factor_section(visitor, mine)
    with st.container(border=True, height="stretch", key="sec_sessions"):
        security.sessions_section(visitor, sessions)
identities_section(visitor)
with st.container(border=True, key="sec_journal"):
    security.journal_section(visitor, journal)
