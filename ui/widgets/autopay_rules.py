"""One autopay rule as a card with what may be done to it, the questions that are asked first, and the saved cards."""

from collections.abc import Sequence
from datetime import date

import streamlit as st

from actions.autopay import change_autopay_card, delete_autopay_rule, pause_autopay_rule, resume_autopay_rule
from queries.autopay import Outlook, Rule
from queries.cards import Card
from rules.terms import AutopayState
from texts import day, md, t
from ui.widgets import autopay as words
from ui.widgets.account import account_name, account_title
from ui.widgets.feedback import act, refused_here

RUNS = 3


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
    """What stands in the way of the next payment."""
    card = words.card_name(rule.card)
    if not rule.may_pay:
        st.warning(t("autopay.right_lost"), icon=":material/block:")
    elif rule.state is AutopayState.PAUSED:
        reason = rule.pause_reason if rule.pause_reason in ("by_person", "declined") else "other"
        (st.warning if reason == "declined" else st.info)(t(f"autopay.paused.{reason}"), icon=":material/pause_circle:")
    elif rule.card_removed:
        st.warning(t("autopay.card_removed", card=card), icon=":material/credit_card_off:")
    elif rule.card.is_expired(today):
        st.warning(t("autopay.card_expired", card=card), icon=":material/credit_card_off:")
    elif rule.card.expires_soon(today):
        until = day(rule.card.expires_on, this_year=today.year)
        st.warning(t("autopay.card_soon", card=card, day=until), icon=":material/schedule:")


def show_rule(rule: Rule, known: Outlook | None, *, can_change_card: bool, today: date) -> None:
    """A rule: what it does, when it charges next, what it did, and what may be done to it."""
    runs_on = rule.state is AutopayState.ACTIVE and rule.may_pay
    with st.container(border=True, key=f"autopay_rule_{rule.rule_id}", gap="small", height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(account_title(rule.label, rule.service), width="content")
            icon = ":material/check_circle:" if runs_on else ":material/pause_circle:"
            st.badge(t(f"autopay.state.{'active' if runs_on else 'paused'}"), color="green" if runs_on else "orange", icon=icon)
        name = account_name(rule.label, rule.service)
        st.markdown(words.summary(rule.draft, account=name, card=words.card_name(rule.card)))
        if runs_on:
            st.markdown(f":material/event: **{words.what_next(rule, known, today)}**")
        warnings(rule, today)
        told = [words.what_happened(run, today) for run in rule.runs[:RUNS]] or [t("autopay.no_runs")]
        again = words.retry_on(rule, today)
        if again is not None:
            told.insert(0, f":material/replay: {t('autopay.retry', day=day(again, this_year=today.year))}")
        st.caption("  \n".join(told))
        refused_here(f"rule_{rule.rule_id}")
        st.space("stretch")
        buttons(rule, can_change_card=can_change_card, today=today)


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
            st.button(edit, type="tertiary", key=f"autopay_edit_{number}", on_click=words.open_form, args=(str(number),))
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
