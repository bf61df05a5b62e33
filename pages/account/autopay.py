"""What autopay will take, when and why, and how to stop it: a person's rules, their runs, the form, the rehearsal, the cards."""

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

import clock
from db import reading
from queries.autopay import PayableAccount, Rule, autopay_rules, payable_accounts, rule_runs, rule_runs_count
from queries.cards import Card, saved_cards
from queries.rehearsal import Outlook, outlooks
from texts import md, t
from ui.widgets import autopay as words
from ui.widgets.account import account_name
from ui.widgets.autopay_form import consent_and_save, form, preview
from ui.widgets.autopay_rehearsal import show_account_rehearsal, show_balance, ways_of
from ui.widgets.autopay_rules import dialogs, show_cards, show_history, show_rule
from ui.widgets.session import signed_in

PAGE = 20


def show_list(
    rules: Sequence[Rule], accounts: Sequence[PayableAccount], cards: Sequence[Card], known: Mapping[int, Outlook], today: date
) -> None:
    usable = words.usable(cards, today)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.title(t("autopay.title"), anchor=False, width="content")
        if accounts and usable:
            st.button(t("autopay.set_up"), type="primary", icon=":material/add:", key="autopay_new", on_click=words.open_view,
                      args=("rule", "new"))  # fmt: skip
    if not accounts and not rules:
        st.info(t("autopay.no_accounts"), icon=":material/autorenew:")
        if st.button(t("autopay.to_accounts"), type="primary", key="autopay_to_accounts"):
            st.switch_page("pages/account/accounts.py")
        return
    if not rules:
        st.info(t("autopay.empty"), icon=":material/autorenew:")
        st.button(t("autopay.rehearsal_first"), icon=":material/timeline:", key="autopay_rehearse", on_click=words.open_view,
                  args=("rehearsal", str(accounts[0].account_id)))  # fmt: skip
    if not usable:
        st.info(t("autopay.no_usable_cards" if cards else "autopay.no_cards"), icon=":material/credit_card:")
        if st.button(t("cards.attach"), type="primary", icon=":material/add_card:", key="autopay_attach_card"):
            st.switch_page("pages/account/cards.py")
    ahead = words.upcoming(rules, known)

    def rule_card(rule: Rule, *, in_a_row: bool) -> None:
        show_rule(rule, known.get(rule.account_id), can_change_card=bool(usable), today=today, time_zone=visitor.time_zone,
                  in_a_row=in_a_row)  # fmt: skip

    if len(rules) == 1 and words.runs(rules[0]) and rules[0].account_id in known:  # there is room for what it leads to
        outlook = known[rules[0].account_id]
        left, right = st.columns(2, gap="large")
        with left:
            rule_card(rules[0], in_a_row=False)
        with right, st.container(gap="small"):
            show_balance(outlook, ways_of(outlook))
    else:
        with st.grid(2, min_column_width=330, gap="small"):
            for rule in rules:
                rule_card(rule, in_a_row=True)
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
) -> None:
    words.back()
    named = "" if rule is None else account_name(rule.label, rule.service)
    st.title(t("autopay.new_title") if rule is None else t("autopay.edit_title", account=md(named)), anchor=False)
    left, right = st.columns([2, 3], gap="large")
    with left:
        account = form(rule, accounts, cards, rules)
    with right, st.container(border=True):
        preview(account, cards, known[account.account_id], rule)
    consent_and_save(rule)


visitor = signed_in()
now, today = clock.now(), clock.today(visitor.time_zone)
with reading() as db:
    accounts = payable_accounts(db, visitor=visitor)
    rules, cards = autopay_rules(db, visitor=visitor), saved_cards(db, visitor=visitor)
    known = outlooks(db, visitor=visitor, now=now)
asked = st.query_params.get("rule", "")
payable = {account.account_id for account in accounts}
edited = next((rule for rule in rules if str(rule.rule_id) == asked and rule.account_id in payable), None)
told = next((rule for rule in rules if str(rule.rule_id) == st.query_params.get("history", "")), None)
usable = words.usable(cards, today)
if (asked == "new" or edited is not None) and accounts and usable:
    show_form(edited, rules, accounts, usable, known)
elif told is not None:
    words.back()
    st.title(t("autopay.history_title", account=md(account_name(told.label, told.service))), anchor=False)
    with reading() as db:
        count = rule_runs_count(db, visitor=visitor, rule_id=told.rule_id)
        page = min(st.session_state.get("autopay_history_page", 1), max(1, -(-count // PAGE)))
        runs = rule_runs(db, visitor=visitor, rule_id=told.rule_id, page=page, size=PAGE)
    show_history(told, runs, count=count, size=PAGE, today=today)
elif "rehearsal" in st.query_params and accounts:
    words.back()
    st.title(t("autopay.rehearsal_title"), anchor=False)
    show_account_rehearsal(accounts, rules, st.query_params["rehearsal"], known, can_set_up=bool(usable))
else:
    if asked not in ("", "new") and all(str(rule.rule_id) != asked for rule in rules):
        st.warning(t("autopay.rule_gone"), icon=":material/link_off:")
        del st.query_params["rule"]
    show_list(rules, accounts, cards, known, today)
    dialogs(rules, usable)
