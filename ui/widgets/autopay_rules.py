"""One autopay rule as a card with what may be done to it, its history, the questions that are asked first, the saved cards."""

from collections.abc import Sequence
from datetime import date

import streamlit as st

from actions.autopay import change_autopay_card, delete_autopay_rule, pause_autopay_rule, resume_autopay_rule
from queries.autopay import Rule, Run
from queries.cards import Card
from queries.rehearsal import Outlook
from rules.terms import AccountStatus, AutopayState
from texts import day, md, t
from ui.widgets import autopay as words
from ui.widgets.account import account_name, account_title
from ui.widgets.feedback import act, refused_here


def ask(what: str, rule_id: int) -> None:
    """Put a question: it is in the state, so that it stays open until it is answered; a callback."""
    st.session_state.autopay_asked = (what, rule_id)


def answered() -> None:
    """Close the question; a callback."""
    st.session_state.pop("autopay_asked", None)


def delete(rule_id: int) -> None:
    answered()
    act(delete_autopay_rule, place=f"rule_{rule_id}", done="autopay.deleted", rule_id=rule_id)


def change_card(rule_id: int) -> None:
    answered()
    chosen = st.session_state.autopay_other_card
    act(change_autopay_card, place=f"rule_{rule_id}", done="autopay.card_changed", rule_id=rule_id, card_id=chosen)


def dialogs(rules: Sequence[Rule], cards: Sequence[Card]) -> None:
    """The question that was asked last, until it is answered."""
    what, rule_id = st.session_state.get("autopay_asked", ("", 0))
    rule = next((rule for rule in rules if rule.rule_id == rule_id), None)
    if rule is None:
        return
    name = account_name(rule.label, rule.service)
    if what == "delete":

        @st.dialog(t("autopay.delete_title"), on_dismiss=answered)
        def confirm() -> None:
            st.markdown(t("autopay.delete_text", account=md(name)))
            with st.container(horizontal=True, horizontal_alignment="right"):
                no = st.button(t("common.cancel"), key="autopay_cancel", on_click=answered)
                said = t("autopay.delete_yes")
                yes = st.button(said, type="primary", key="autopay_delete_yes", on_click=delete, args=(rule_id,))
            if yes or no:
                st.rerun()  # a dialog runs by itself; it closes when the whole screen runs without it

        confirm()
    elif what == "card" and cards:
        names = words.card_names(cards)

        @st.dialog(t("autopay.change_card"), on_dismiss=answered)
        def choose() -> None:
            at = list(names).index(rule.card.card_id) if rule.card.card_id in names else 0
            said = t("autopay.card_title", account=md(name))
            st.selectbox(said, list(names), index=at, format_func=names.__getitem__, key="autopay_other_card")
            with st.container(horizontal=True, horizontal_alignment="right"):
                no = st.button(t("common.cancel"), key="autopay_cancel", on_click=answered)
                said = t("autopay.card_yes")
                yes = st.button(said, type="primary", key="autopay_card_yes", on_click=change_card, args=(rule_id,))
            if yes or no:
                st.rerun()

        choose()


def warnings(rule: Rule, today: date) -> None:
    """What stands in the way of the next payment, and what to do about it."""
    card = words.card_name(rule.card)
    if not rule.is_attached:
        st.warning(t("autopay.not_attached"), icon=":material/link_off:")
    elif rule.status is AccountStatus.CLOSED:
        st.warning(t("autopay.paused.account_closed"), icon=":material/block:")
    elif not rule.may_pay:
        st.warning(t("autopay.right_lost"), icon=":material/block:")
    elif rule.state is AutopayState.PAUSED:
        (st.info if rule.pause_reason == "by_person" else st.warning)(
            words.why_paused(rule, today), icon=":material/pause_circle:"
        )
    elif rule.card_removed:
        st.warning(t("autopay.card_removed", card=card), icon=":material/credit_card_off:")
    elif rule.card.is_expired(today):
        st.warning(t("autopay.card_expired", card=card), icon=":material/credit_card_off:")
    if not rule.card_removed and rule.card.expires_soon(today):
        until = day(rule.card.expires_on, this_year=today.year)
        st.warning(t("autopay.card_soon", card=card, day=until), icon=":material/schedule:")


def show_rule(rule: Rule, known: Outlook | None, *, can_change_card: bool, today: date, time_zone: str, in_a_row: bool) -> None:
    """A rule: what it does, when it charges next and why, what it did last, and what may be done to it.

    `in_a_row`: as high as its neighbours.
    """
    runs_on = words.runs(rule)
    with st.container(border=True, key=f"autopay_rule_{rule.rule_id}", gap="small", height="stretch" if in_a_row else "content"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(account_title(rule.label, rule.service), width="content")
            icon = ":material/check_circle:" if runs_on else ":material/pause_circle:"
            st.badge(t(f"autopay.state.{'active' if runs_on else 'paused'}"), color="green" if runs_on else "orange", icon=icon)
        name = account_name(rule.label, rule.service)
        st.markdown(words.summary(rule.draft, account=name, card=words.card_name(rule.card)))
        if runs_on and known is not None:
            st.markdown(f":material/event: **{words.what_next(rule, known, time_zone)}**")
        warnings(rule, today)
        st.caption(words.what_happened(rule.runs[0], rule, today) if rule.runs else t("autopay.no_runs"))
        links(rule, known)
        refused_here(f"rule_{rule.rule_id}")
        if in_a_row:
            st.space("stretch")
        buttons(rule, can_change_card=can_change_card, today=today)


def links(rule: Rule, known: Outlook | None) -> None:
    """The ways to what it did before, and to what comes."""
    with st.container(horizontal=True, gap="small"):
        if known is not None and rule.may_pay:
            st.button(t("autopay.rehearsal"), type="tertiary", icon=":material/timeline:", key=f"autopay_rehearse_{rule.rule_id}",
                      on_click=words.open_view, args=("rehearsal", str(rule.account_id)))  # fmt: skip
        if rule.runs:
            st.button(t("autopay.history"), type="tertiary", icon=":material/history:", key=f"autopay_history_{rule.rule_id}",
                      on_click=words.open_view, args=("history", str(rule.rule_id)))  # fmt: skip


def show_history(rule: Rule, runs: Sequence[Run], *, count: int, size: int, today: date) -> None:
    """One page of what a rule did, the latest first, and the numbers of the pages."""
    st.markdown(words.summary(rule.draft, account=account_name(rule.label, rule.service), card=words.card_name(rule.card)))
    for run in runs:
        st.markdown(words.what_happened(run, rule, today))
    pages = -(-count // size)
    if pages > 1:
        st.pagination(pages, key="autopay_history_page")


def buttons(rule: Rule, *, can_change_card: bool, today: date) -> None:
    can_be_charged = not rule.card_removed and not rule.card.is_expired(today)
    number, place = rule.rule_id, {"place": f"rule_{rule.rule_id}", "rule_id": rule.rule_id}
    with st.container(horizontal=True, gap="small"):
        if rule.state is AutopayState.ACTIVE:
            stop = {**place, "done": "autopay.paused_now"}
            st.button(t("autopay.pause"), icon=":material/pause:", key=f"autopay_pause_{number}", on_click=act,
                      args=(pause_autopay_rule,), kwargs=stop)  # fmt: skip
        elif rule.may_pay and can_be_charged:
            go = {**place, "done": "autopay.resumed"}
            st.button(t("autopay.resume"), icon=":material/play_arrow:", key=f"autopay_resume_{number}", on_click=act,
                      args=(resume_autopay_rule,), kwargs=go)  # fmt: skip
        if rule.may_pay and can_change_card:
            edit, card = t("autopay.edit"), t("autopay.change_card")
            st.button(edit, type="tertiary", key=f"autopay_edit_{number}", on_click=words.open_view, args=("rule", str(number)))
            st.button(card, type="tertiary", key=f"autopay_card_{number}", on_click=ask, args=("card", number))
        st.button(t("autopay.delete"), type="tertiary", key=f"autopay_delete_{number}", on_click=ask, args=("delete", number))


def show_cards(cards: Sequence[Card], today: date) -> None:
    """The saved cards, those that expire marked."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader(t("autopay.cards"), anchor=False, width="content")
        st.page_link("pages/account/cards.py", label=t("autopay.to_cards"), icon=":material/settings:", width="content")
    for card in cards:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            name = f":material/credit_card: **{words.card_name(card)}**" + (f" · {md(card.label)}" if card.label else "")
            st.markdown(f"{name} · :gray[{t('autopay.card_until', day=day(card.expires_on))}]", width="content")
            if card.is_expired(today):
                st.badge(t("autopay.card.expired"), color="red", icon=":material/error:")
            elif card.expires_soon(today):
                st.badge(t("autopay.card.soon"), color="orange", icon=":material/schedule:")
            elif card.is_default and len(cards) > 1:
                st.badge(t("autopay.card.default"), color="gray")
    st.caption(t("autopay.cards_note"))
