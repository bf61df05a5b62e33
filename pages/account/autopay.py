"""What autopay will take, when and why, and how to stop it: a person's rules, their runs, the form and the cards."""

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

import clock
from db import reading
from queries.autopay import Outlook, PayableAccount, Rule, autopay_rules, outlooks, payable_accounts
from queries.cards import Card, saved_cards
from texts import md, t
from ui.widgets import autopay as words
from ui.widgets.account import account_name
from ui.widgets.autopay_rules import dialogs, show_cards, show_rule
from ui.widgets.session import signed_in


def show_list(
    rules: Sequence[Rule], accounts: Sequence[PayableAccount], cards: Sequence[Card], known: Mapping[int, Outlook], today: date
) -> None:
    usable = words.usable(cards, today)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.title(t("autopay.title"), anchor=False, width="content")
        if accounts and usable:
            st.button(t("autopay.set_up"), type="primary", icon=":material/add:", key="autopay_new", on_click=words.open_form,
                      args=("new",))  # fmt: skip
    if not accounts and not rules:
        st.info(t("autopay.no_accounts"), icon=":material/autorenew:")
        if st.button(t("autopay.to_accounts"), type="primary", key="autopay_to_accounts"):
            st.switch_page("pages/account/accounts.py")
        return
    if not rules:
        st.info(t("autopay.empty"), icon=":material/autorenew:")
    if not usable:
        st.info(t("autopay.no_usable_cards" if cards else "autopay.no_cards"), icon=":material/credit_card:")
        if st.button(t("cards.attach"), type="primary", icon=":material/add_card:", key="autopay_attach_card"):
            st.switch_page("pages/account/cards.py")
    with st.grid(2, min_column_width=330, gap="small"):
        for rule in rules:
            show_rule(rule, known.get(rule.account_id), can_change_card=bool(usable), today=today)
    ahead = words.upcoming(rules, known, today)
    left, right = st.columns([3, 2], gap="large") if ahead and cards else (st.container(), st.container())
    if ahead:
        with left:
            words.show_upcoming(ahead, today)
    if cards:
        with right:
            show_cards(cards, today)


def show_form(
    rule: Rule | None,
    rules: Sequence[Rule],
    accounts: Sequence[PayableAccount],
    cards: Sequence[Card],
    known: Mapping[int, Outlook],
    today: date,
) -> None:
    st.button(t("autopay.back"), type="tertiary", icon=":material/arrow_back:", key="autopay_back", on_click=words.close_form)
    named = "" if rule is None else account_name(rule.label, rule.service)
    st.title(t("autopay.new_title") if rule is None else t("autopay.edit_title", account=md(named)), anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        account = words.form(rule, accounts, cards, rules, today=today)
    with right, st.container(border=True):
        words.preview(account, cards, known[account.account_id], today=today)
    words.consent_and_save(rule)


visitor = signed_in()
today = clock.today(visitor.time_zone)
with reading() as db:
    accounts = payable_accounts(db, visitor=visitor)
    rules, cards = autopay_rules(db, visitor=visitor), saved_cards(db, visitor=visitor)
    known = outlooks(db, visitor=visitor, today=today)
asked = st.query_params.get("rule", "")
payable = {account.account_id for account in accounts}
edited = next((rule for rule in rules if str(rule.rule_id) == asked and rule.account_id in payable), None)
if (asked == "new" or edited is not None) and accounts and words.usable(cards, today):
    show_form(edited, rules, accounts, words.usable(cards, today), known, today)
else:
    show_list(rules, accounts, cards, known, today)
    dialogs(rules, words.usable(cards, today))
