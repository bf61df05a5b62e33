"""The form that sets an autopay rule up, with what is wrong beside each field, and what the rule will do."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import streamlit as st

from actions import perform
from actions.autopay import save_autopay_rule
from queries.autopay import PayableAccount, Rule
from queries.cards import Card
from queries.rehearsal import Outlook
from rules.autopay import RuleDraft, check_draft, conflicts
from rules.numbers import format_account_number
from rules.refusals import Refusal, RulesConflict
from rules.terms import AutopayAmount, AutopayTrigger, BillingMode
from texts import md, money, sentence, t
from ui.widgets.account import account_name
from ui.widgets.autopay import TERMS, card_name, card_names, summary, to_list
from ui.widgets.autopay_rehearsal import show_rehearsal, suggested
from ui.widgets.feedback import toast
from ui.widgets.names import told_apart
from ui.widgets.session import signed_in

KINDS: dict[AutopayTrigger, tuple[AutopayAmount, ...]] = {
    AutopayTrigger.THRESHOLD: (AutopayAmount.FIXED, AutopayAmount.UP_TO),
    AutopayTrigger.MONTHLY: (AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE),
    AutopayTrigger.BILL: (AutopayAmount.DUE, AutopayAmount.FIXED, AutopayAmount.UP_TO),
}
"""The kinds of sum of each trigger; the first is the one that suits most people."""


def form(
    rule: Rule | None, accounts: Sequence[PayableAccount], cards: Sequence[Card], rules: Sequence[Rule], *, today: date
) -> PayableAccount:
    """The fields, with what is wrong beside each. Returns the account that is chosen."""
    _fill(rule, accounts, cards, today)
    chosen, by_id = st.session_state, {account.account_id: account for account in accounts}
    names = told_apart(
        {each.account_id: account_name(each.label, each.service) for each in accounts},
        {each.account_id: format_account_number(each.number) for each in accounts},
    )
    if rule is None:
        st.selectbox(t("autopay.account"), list(names), format_func=names.__getitem__, key="autopay_account")
    else:
        st.text_input(t("autopay.account"), names[rule.account_id], disabled=True)
        chosen.autopay_account = rule.account_id
    account = by_id[chosen.autopay_account]
    _problem("not_allowed", "right_too_low")

    triggers = [each for each in AutopayTrigger if each is not AutopayTrigger.BILL or account.mode is BillingMode.POSTPAID]
    if chosen.autopay_trigger not in triggers:
        chosen.autopay_trigger = triggers[0]
    st.segmented_control(
        t("autopay.trigger"),
        triggers,
        format_func={each: t(f"autopay.trigger.{each.value}") for each in triggers}.__getitem__,
        required=True,
        key="autopay_trigger",
        wrap=True,
    )
    trigger: AutopayTrigger = chosen.autopay_trigger
    st.caption(t(f"autopay.trigger_help.{trigger.value}"))
    own = [other.draft.trigger for other in rules if other.account_id == account.account_id and other is not rule]
    standing = conflicts(trigger=trigger, existing=own)
    if standing is not None:
        _say(RulesConflict(trigger=standing))
    else:
        _problem("rules_conflict")

    if trigger is AutopayTrigger.THRESHOLD:
        _roubles("threshold", TERMS.threshold_least_kopecks, TERMS.threshold_most_kopecks)
        _problem("threshold_out_of_range")
    if trigger is AutopayTrigger.MONTHLY:
        st.selectbox(t("autopay.day"), range(1, 32), key="autopay_day", persist_state="page", width=180)
        if chosen.autopay_day > 28:
            st.caption(t("autopay.short_months"))
        _problem("day_out_of_range")

    if chosen.autopay_kind not in KINDS[trigger]:
        chosen.autopay_kind = KINDS[trigger][0]
    st.segmented_control(
        t("autopay.kind"),
        KINDS[trigger],
        format_func={each: t(f"autopay.kind.{each.value}") for each in KINDS[trigger]}.__getitem__,
        required=True,
        key="autopay_kind",
        wrap=True,
    )
    _problem("amount_kind_mismatch")
    if chosen.autopay_kind is not AutopayAmount.DUE:
        name = t(f"autopay.amount.{chosen.autopay_kind.value}")
        _roubles("amount", TERMS.amount_least_kopecks, TERMS.amount_most_kopecks, label=name)
        _problem("amount_out_of_range", "up_to_not_above_threshold")
    _roubles("ceiling", help=t("autopay.ceiling_help"))
    _problem("ceiling_too_low")

    numbers = card_names(cards)
    st.selectbox(t("autopay.card"), list(numbers), format_func=numbers.__getitem__, key="autopay_card")
    _problem("card_unusable")
    return account


def preview(account: PayableAccount, cards: Sequence[Card], known: Outlook, rule: Rule | None) -> None:
    """What the rule in the form will do, when, and what that does to the balance; as the fields stand."""
    st.subheader(t("autopay.preview"), anchor=False)
    draft = drafted()
    if _fault(draft) is not None:
        st.caption(t("autopay.preview_missing"))
        return
    card = next(card for card in cards if card.card_id == st.session_state.autopay_card)
    st.markdown(summary(draft, account=account_name(account.label, account.service), card=card_name(card)))
    show_rehearsal(known, draft=draft, rule_id=0 if rule is None else rule.rule_id)


def consent_and_save(rule: Rule | None) -> None:
    """The last step: consent, and the button that saves."""
    st.checkbox(t("autopay.consent"), key="autopay_consent")
    _problem("consent_missing")
    _problem("unavailable", "key_reused")
    label = t("autopay.start" if rule is None else "autopay.save")
    st.button(label, type="primary", key="autopay_save", on_click=_save, args=(None if rule is None else rule.rule_id,))


def drafted() -> RuleDraft:
    """The rule as the fields stand."""
    chosen = st.session_state
    return RuleDraft(
        trigger=chosen.autopay_trigger,
        amount_kind=chosen.autopay_kind,
        threshold_kopecks=_kopecks("threshold"),
        day_of_month=chosen.get("autopay_day"),
        amount_kopecks=_kopecks("amount"),
        monthly_ceiling_kopecks=_kopecks("ceiling"),
    )


def _kopecks(name: str) -> int | None:
    roubles = st.session_state.get(f"autopay_{name}")
    return None if roubles is None else round(roubles * 100)


def _roubles(name: str, least: int = 0, most: int = 0, *, label: str = "", help: str | None = None) -> None:
    """A field for whole roubles. What may be in it is said beside, not forced: nothing a person typed is taken away."""
    st.number_input(
        label or t(f"autopay.{name}"),
        value=None,
        step=50,
        key=f"autopay_{name}",
        persist_state="page",
        width=240,
        help=help,
    )
    if most:
        st.caption(t("autopay.between", least=money(least, exact=False), most=money(most, exact=False)))


def _fill(rule: Rule | None, accounts: Sequence[PayableAccount], cards: Sequence[Card], today: date) -> None:
    """Fill the fields when the form is opened; afterwards they are the person's."""
    chosen, which = st.session_state, 0 if rule is None else rule.rule_id
    if chosen.get("autopay_form") == which and "autopay_trigger" in chosen:
        return
    chosen.autopay_form = which
    chosen.pop("autopay_refused", None)
    wanted = st.query_params.get("account", "")
    account = next((each for each in accounts if str(each.account_id) == wanted), accounts[0])
    draft = rule.draft if rule is not None else suggested(account.mode)
    chosen.autopay_account = rule.account_id if rule is not None else account.account_id
    chosen.autopay_trigger, chosen.autopay_kind = draft.trigger, draft.amount_kind
    chosen.autopay_threshold = (draft.threshold_kopecks or 30_000) // 100
    chosen.autopay_day = draft.day_of_month or min(today.day, 28)
    chosen.autopay_amount = (draft.amount_kopecks or 50_000) // 100
    ceiling = TERMS.default_ceiling_kopecks if draft.monthly_ceiling_kopecks is None else draft.monthly_ceiling_kopecks
    chosen.autopay_ceiling = ceiling // 100
    ids = [card.card_id for card in cards]
    chosen.autopay_card = rule.card.card_id if rule is not None and rule.card.card_id in ids else ids[0]
    chosen.autopay_consent = False


def _fault(draft: RuleDraft) -> Refusal | None:
    try:
        check_draft(draft=draft, terms=TERMS)
    except Refusal as refusal:
        return refusal
    return None


def _state() -> tuple[Any, ...]:
    chosen = st.session_state
    return (drafted(), chosen.autopay_account, chosen.autopay_card, chosen.autopay_consent)


def _problem(*codes: str) -> None:
    """Say here what is wrong with the field above: what the rules find as it stands, or what saving it was refused for."""
    found = [_fault(drafted())]
    refused, state = st.session_state.get("autopay_refused", (None, None))
    if refused is not None and state == _state():
        found.append(refused)
    for refusal in found:
        if refusal is not None and refusal.code in codes:
            _say(refusal)
            return


def _say(refusal: Refusal) -> None:
    st.markdown(f":red[:material/error: {md(sentence(refusal))}]")


def _save(rule_id: int | None) -> None:
    chosen, draft = st.session_state, drafted()
    chosen.pop("autopay_refused", None)
    try:
        perform(
            save_autopay_rule,
            visitor=signed_in(),
            account_id=chosen.autopay_account,
            rule_id=rule_id,
            trigger=draft.trigger,
            amount_kind=draft.amount_kind,
            threshold_kopecks=draft.threshold_kopecks,
            day_of_month=draft.day_of_month,
            amount_kopecks=draft.amount_kopecks,
            monthly_ceiling_kopecks=draft.monthly_ceiling_kopecks,
            card_id=chosen.autopay_card,
            consent=chosen.autopay_consent,
        )
    except Refusal as refusal:
        chosen.autopay_refused = (refusal, _state())
        return
    toast("autopay.saved")
    to_list()
