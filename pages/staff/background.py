"""Here staff see what happens with nobody looking: what waits, what failed, what was done; administrators look after letters."""

import streamlit as st

from jobs.schedule import JOBS
from rules.terms import Role
from texts import t
from ui.widgets.background import show_dead, show_state, show_work
from ui.widgets.session import signed_in

visitor = signed_in()
st.title(t("background.title"), anchor=False)
show_state()
if visitor.role is Role.ADMINISTRATOR:
    show_dead()
show_work([(job.name, job.cron) for job in JOBS])
