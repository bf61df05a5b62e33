"""A person's points: how many, spent on which account, what expires when, where they came from, how to earn more."""

import streamlit as st

import clock
from db import reading
from queries.bonus import movements, movements_count, open_lots, paid_last_year, points_by_month
from queries.figures import accounting_month
from queries.home import home
from rules.bonus import level_for
from rules.periods import add_months
from settings import operator
from texts import t
from ui.charts.points import points_by_month as points_chart
from ui.widgets.bonus import begin_spending, show_expiry, show_history, show_how, show_level, spend_form, tiles
from ui.widgets.chart import drawn, show_chart
from ui.widgets.session import signed_in

PAGE = 15

visitor = signed_in()
st.title(t("bonus.title"), anchor=False)
now = clock.now()
today, this_month = clock.today(visitor.time_zone), accounting_month(now)
with reading() as db:
    count = movements_count(db, visitor=visitor)
    lots = open_lots(db, visitor=visitor, today=today)
    paid = paid_last_year(db, visitor=visitor, today=today)
    by_month = points_by_month(db, visitor=visitor, first=add_months(this_month, -11), last=this_month)
    accounts = home(db, visitor=visitor, today=today, now=now).accounts
if not count:
    st.info(t("bonus.empty"), icon=":material/loyalty:")
    if st.button(t("bonus.earn_first"), type="primary", key="earn_first"):
        st.switch_page("pages/account/pay.py")
    show_how()
    st.stop()

have = sum(lot.remaining for lot in lots)
standing = level_for(paid_last_year_kopecks=max(0, paid), terms=operator().bonus)
tiles(lots, standing, paid, int(by_month["earned"].sum()), today)
show_level(standing, paid)
st.space("small")
left, right = st.columns([1, 2], gap="large")
with left:
    begin_spending(accounts, have, st.query_params.get("account", ""))
    spend_form(accounts, have)
with right:
    show_chart(drawn(points_chart, by_month), key="bonus_by_month")
left, right = st.columns([2, 1], gap="large")
with left:
    st.subheader(t("bonus.history"), anchor=False)
    number_of_pages = -(-count // PAGE)
    page = min(st.session_state.get("bonus_page", 1), number_of_pages)
    with reading() as db:
        show_history(movements(db, visitor=visitor, page=page, size=PAGE), visitor)
    if number_of_pages > 1:
        st.pagination(number_of_pages, key="bonus_page")
with right:
    if lots:
        show_expiry(lots)
    show_how()
