"""What each month cost, what of it is left to pay, and why it is not what it was the month before."""

from collections.abc import Sequence

import streamlit as st

import clock
from db import reading
from queries.accounts import AttachedAccount, attached_accounts
from queries.bill_lines import BillContents, bill_contents
from queries.bills import list_bills
from rules.bill_changes import explain
from rules.papers import BillRow
from rules.periods import next_month
from rules.terms import AccountStatus, BillingMode, Right
from texts import day, money, month, t
from ui.charts.bills import bills_by_month
from ui.widgets import bills as words
from ui.widgets.account_picker import pick_account
from ui.widgets.chart import drawn, show_chart
from ui.widgets.session import signed_in

MOST = 60
"""Five years of bills are listed."""


def head(account: AttachedAccount, bill: BillRow, mode: BillingMode) -> None:
    """The bill, how much of it is left, and what can be done about it."""
    prepaid = mode is BillingMode.PREPAID
    with st.container(border=True, gap="small", key="bills_head"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            said = t("bills.report_of" if prepaid else "bills.of", month=month(bill.month_on))
            st.subheader(said, anchor=False, width="content")
            text, colour, icon = words.state(bill, mode)
            st.badge(text, color=colour, icon=icon)
        about = [t("bills.number", number=bill.number), t("bills.issued", day=day(bill.issued_on, this_year=today.year))]
        if not prepaid:
            about.append(t("bills.due", day=day(bill.due_on, this_year=today.year)))
        st.caption(" · ".join(about))
        with st.container(horizontal=True, gap="large"):
            st.metric(t("bills.total"), money(bill.total_kopecks), width="content")
            if bill.left_kopecks:
                st.metric(t("bills.left"), money(bill.left_kopecks), width="content")
        if prepaid:
            st.caption(t("bills.prepaid_owes" if bill.left_kopecks else "bills.prepaid"))
        may_pay = account.right.covers(Right.PAY) and account.status is not AccountStatus.CLOSED
        with st.container(horizontal=True, gap="small"):
            if (
                bill.left_kopecks
                and may_pay
                and st.button(t("bills.pay"), type="primary", icon=":material/account_balance_wallet:", key="bills_pay")
            ):
                about_it = {"account": str(account.account_id), "bill": str(bill.bill_id)}
                st.switch_page("pages/account/pay.py", query_params=about_it)
            st.link_button(t("bills.pdf"), f"/documents/bill/{bill.bill_id}.pdf", icon=":material/download:", key="bills_pdf")
        if bill.left_kopecks and not account.right.covers(Right.PAY):
            st.caption(t("bills.view_only"))


def one(bills: Sequence[BillRow], chosen: BillRow, contents: BillContents, account: AttachedAccount) -> None:
    """The chosen bill: why it is what it is, its lines, and the year around it."""
    head(account, chosen, contents.mode)
    now = contents.lines.get(chosen.bill_id, ())
    before = next((bill for bill in bills if bill.month_on < chosen.month_on), None)
    then = contents.lines.get(before.bill_id, ()) if before else ()
    seen = explain(now=words.billed(chosen.month_on, now), before=words.billed(before.month_on, then)) if before else None
    words.show_changes(seen, words.names_of((*then, *now)), today)
    words.show_last_change(bills, chosen)
    st.subheader(t("bills.lines"), anchor=False)
    words.show_lines(now, chosen.total_kopecks, today)
    if len(bills) > 1:
        st.space("small")
        newest = bills[: words.SHOWN]
        frame = words.by_parts(newest, contents.lines)
        show_chart(drawn(bills_by_month, frame, service=account.service.value), key="bills_by_month")


visitor = signed_in()
today = clock.today(visitor.time_zone)
st.title(t("bills.title"), anchor=False)
with reading() as db:
    accounts = attached_accounts(db, visitor=visitor)
if not accounts:
    st.info(t("bills.no_accounts"), icon=":material/request_quote:")
    if st.button(t("accounts.attach_title"), type="primary", icon=":material/add:", key="bills_to_accounts"):
        st.switch_page("pages/account/accounts.py")
    st.stop()
account = pick_account(accounts)
with reading() as db:
    bills = list_bills(db, visitor=visitor, account_id=account.account_id, limit=MOST)
    if bills:
        chosen = words.asked_for(bills)
        place = bills.index(chosen)
        shown = {bill.bill_id for bill in (*bills[: words.SHOWN], *bills[place : place + 2])}
        contents = bill_contents(db, visitor=visitor, account_id=account.account_id, bill_ids=shown)
if not bills:
    works = account.status is AccountStatus.ACTIVE
    comes = t("bills.first_comes", day=day(next_month(today), this_year=today.year))
    st.info(comes if works else t("bills.none"), icon=":material/hourglass_empty:")
    st.stop()
left, right = st.columns([2, 3], gap="medium")
with left:
    words.choose(bills, chosen, contents.mode, today)
    by_email = t("notices.bill_by_email")
    st.page_link("pages/account/notices.py", label=by_email, icon=":material/mail:", query_params={"show": "choices"})
with right:
    one(bills, chosen, contents, account)
