"""Here a person sees in three seconds whether they owe anything, whether anything is about to stop, and what to do about it."""

import streamlit as st

import clock
from db import reading
from queries.home import home
from rules.visitor import Visitor
from texts import day, md, t, tn
from ui.widgets.home import account_card, attention, totals
from ui.widgets.session import signed_in


def greeting(visitor: Visitor) -> str:
    hour = clock.now().astimezone(clock.zone(visitor.time_zone)).hour
    part = "night" if hour < 5 else "morning" if hour < 12 else "day" if hour < 18 else "evening"
    return t(f"home.good_{part}", name=md(visitor.first_name))


visitor = signed_in()
now, today = clock.now(), clock.today(visitor.time_zone)
with reading() as db:
    summary = home(db, visitor=visitor, today=today, now=now)

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(gap=None, width="content"):
        st.title(greeting(visitor), anchor=False)
        if summary.accounts:
            st.caption(
                t("home.as_of", accounts=tn("common.accounts", len(summary.accounts)), day=day(today, this_year=today.year))
            )
    if summary.accounts:
        st.page_link(
            "pages/account/accounts.py", label=t("home.attach_another"), icon=":material/add:", query_params={"attach": "1"}
        )
if summary.accounts:
    attention(summary, today)
    totals(summary, today)
    st.header(t("home.my_accounts"), anchor=False)
    with st.grid(3, min_column_width=300, gap="small"):
        for card in summary.accounts:
            account_card(card, today)
else:
    st.markdown(t("home.empty"))
    if st.button(t("accounts.attach_title"), type="primary", icon=":material/add:", key="attach_first"):
        st.switch_page("pages/account/accounts.py")
