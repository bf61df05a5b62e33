"""The form that sets an autopay rule up, with what is wrong beside each field, and what the rule will do."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import streamlit as st

from actions import perform
from actions.autopay import save_autopay_rule
from queries.autopay import PayableAccount, Rule
from queries.cards import Card
from queries.rehearsal import Outlook
from rules.autopay import RuleDraft, check_draft, conflicts
from rules.numbers import format_account_number
from rules.payments import read_amount
from rules.refusals import Refusal, RuleChanged, RulesConflict
from rules.terms import AutopayAmount, AutopayTrigger, BillingMode
from texts import as_typed, money, t
from ui.widgets.account import account_name
from ui.widgets.autopay import TERMS, card_name, card_names, summary, to_list
from ui.widgets.autopay_rehearsal import show_rehearsal, suggested
from ui.widgets.feedback import toast, wrong_here
from ui.widgets.names import told_apart
from ui.widgets.session import signed_in

KINDS: dict[AutopayTrigger, tuple[AutopayAmount, ...]] = {
    AutopayTrigger.THRESHOLD: (AutopayAmount.FIXED, AutopayAmount.UP_TO),
    AutopayTrigger.MONTHLY: (AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE),
    AutopayTrigger.BILL: (AutopayAmount.DUE, AutopayAmount.FIXED, AutopayAmount.UP_TO),
}
"""The kinds of sum of each trigger; the first is the one that suits most people."""
DAY = 25
"""The day that is suggested: before the month's charges on the 1st, and by then most people have been paid."""


class Terms(NamedTuple):
    """The terms and the card of a rule as its form was opened."""

    draft: RuleDraft
    card_id: int


def form(rule: Rule | None, accounts: Sequence[PayableAccount], cards: Sequence[Card], rules: Sequence[Rule]) -> PayableAccount:
    """The fields, with what is wrong beside each. Returns the account that is chosen."""
    _fill(rule, accounts, cards)
    chosen, by_id = st.session_state, {account.account_id: account for account in accounts}
    if rule is not None:
        chosen.setdefault("autopay_seen", Terms(rule.draft, rule.card.card_id))
    names = told_apart(
        {each.account_id: account_name(each.label, each.service) for each in accounts},
        {each.account_id: format_account_number(each.number) for each in accounts},
    )
    if rule is None:
        st.selectbox(
            t("autopay.account"), list(names), format_func=names.__getitem__, key="autopay_account", on_change=_account_in_address
        )
    else:
        st.text_input(t("autopay.account"), names[rule.account_id], disabled=True)
        chosen.autopay_account = rule.account_id
    account = by_id[chosen.autopay_account]
    _problem("not_allowed", "right_too_low")

    triggers = [each for each in AutopayTrigger if each is not AutopayTrigger.BILL or account.mode is BillingMode.POSTPAID]
    _hold("autopay_trigger", triggers)
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
        wrong_here(RulesConflict(trigger=standing))
    else:
        _problem("rules_conflict")

    if trigger is AutopayTrigger.THRESHOLD:
        _sum("threshold", "threshold_out_of_range", least=TERMS.threshold_least_kopecks, most=TERMS.threshold_most_kopecks)
    if trigger is AutopayTrigger.MONTHLY:
        st.selectbox(t("autopay.day"), range(1, 32), key="autopay_day", persist_state="page", width=180)
        if chosen.autopay_day > 28:
            st.caption(t("autopay.short_months"))
        _problem("day_out_of_range")

    _hold("autopay_kind", KINDS[trigger])
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
        least, most = TERMS.amount_least_kopecks, TERMS.amount_most_kopecks
        _sum("amount", "amount_out_of_range", "up_to_not_above_threshold", least=least, most=most, label=name)
    _sum("ceiling", "ceiling_too_low", help=t("autopay.ceiling_help"))

    numbers = card_names(cards)
    if chosen.autopay_card not in numbers:  # removed in another window: no other is charged without a word
        chosen.autopay_card = chosen.autopay_instead = next(iter(numbers))
        chosen.autopay_consent = False
    st.selectbox(t("autopay.card"), list(numbers), format_func=numbers.__getitem__, key="autopay_card")
    if chosen.get("autopay_instead") == chosen.autopay_card:
        wrong_here(t("autopay.card_gone"))
    _problem("card_unusable")
    return account


def _hold(key: str, choices: Sequence[StrEnum]) -> None:
    """A choice that is always made: where the browser tells of none, it is what it was, else the first that there is.

    A browser that has not built the control yet tells of none. What a person set must not become another rule by that.
    """
    held = f"_{key}"
    if st.session_state.get(key) not in choices:
        before = st.session_state.get(held)
        st.session_state[key] = before if st.session_state.get(key) is None and before in choices else choices[0]
    st.session_state[held] = st.session_state[key]


def _account_in_address() -> None:
    """So that a reload opens the form for this account; a callback."""
    st.query_params["account"] = str(st.session_state.autopay_account)


def preview(account: PayableAccount, cards: Sequence[Card], known: Outlook, rule: Rule | None) -> None:
    """What the rule in the form will do, when, and what that does to the balance; as the fields stand."""
    st.subheader(t("autopay.preview"), anchor=False)
    draft = drafted()
    if _unreadable() or _fault(draft) is not None:
        st.caption(t("autopay.preview_missing"))
        return
    card = next(card for card in cards if card.card_id == st.session_state.autopay_card)
    st.markdown(summary(draft, account=account_name(account.label, account.service), card=card_name(card)))
    show_rehearsal(known, draft=draft, rule_id=0 if rule is None else rule.rule_id)


def consent_and_save(rule: Rule | None) -> None:
    """The last step: consent, and the button that saves."""
    if rule is not None and isinstance(st.session_state.get("autopay_refused", (None,))[0], RuleChanged):
        name, card = account_name(rule.label, rule.service), card_name(rule.card)
        st.warning(
            f"{t('refusal.rule_changed')}  \n{summary(rule.draft, account=name, card=card)}", icon=":material/sync_problem:"
        )
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
    """The sum in a field, in kopecks; None for an empty one, and for what is no sum."""
    try:
        return read_amount(st.session_state.get(f"autopay_{name}") or "")
    except Refusal:
        return None


def _no_sum(name: str) -> Refusal | None:
    """Why what stands in a field is no sum; None for one, and for an empty field."""
    typed = st.session_state.get(f"autopay_{name}") or ""
    try:
        if typed.strip():
            read_amount(typed)
    except Refusal as refusal:
        return refusal
    return None


def _unreadable() -> list[Refusal]:
    """What stands in the fields that this rule needs and is no sum: an unread ceiling must not become no ceiling."""
    chosen, used = st.session_state, ["ceiling"]
    if chosen.autopay_trigger is AutopayTrigger.THRESHOLD:
        used.append("threshold")
    if chosen.autopay_kind is not AutopayAmount.DUE:
        used.append("amount")
    return [refusal for name in used if (refusal := _no_sum(name))]


def _sum(name: str, *codes: str, least: int = 0, most: int = 0, label: str = "", help: str | None = None) -> None:
    """A field for a sum, and what is wrong with it. What may be in it is said beside, not forced: nothing a person typed is
    taken away or changed, as a field for numbers does, which makes 4999 of 49,99."""
    st.text_input(
        label or t(f"autopay.{name}"),
        key=f"autopay_{name}",
        icon=":material/currency_ruble:",
        autocomplete="off",
        live=True,
        persist_state="page",
        width=240,
        help=help,
    )
    if most:
        st.caption(t("autopay.between", least=money(least, exact=False), most=money(most, exact=False)))
    refusal = _no_sum(name)
    if refusal is not None:
        wrong_here(refusal)
    else:
        _problem(*codes)


def _fill(rule: Rule | None, accounts: Sequence[PayableAccount], cards: Sequence[Card]) -> None:
    """Fill the fields when the form is opened; afterwards they are the person's."""
    chosen, which = st.session_state, 0 if rule is None else rule.rule_id
    if chosen.get("autopay_form") == which and "autopay_trigger" in chosen:
        return
    chosen.autopay_form = which
    for name in ("autopay_refused", "autopay_seen", "autopay_instead", "_autopay_trigger", "_autopay_kind"):
        chosen.pop(name, None)
    wanted = st.query_params.get("account", "")
    account = next((each for each in accounts if str(each.account_id) == wanted), accounts[0])
    draft = rule.draft if rule is not None else suggested(account.mode)
    chosen.autopay_account = rule.account_id if rule is not None else account.account_id
    chosen.autopay_trigger, chosen.autopay_kind = draft.trigger, draft.amount_kind
    chosen.autopay_threshold = as_typed(draft.threshold_kopecks or 30_000)
    chosen.autopay_day = draft.day_of_month or DAY
    chosen.autopay_amount = as_typed(draft.amount_kopecks or 50_000)
    ceiling = TERMS.default_ceiling_kopecks if draft.monthly_ceiling_kopecks is None else draft.monthly_ceiling_kopecks
    chosen.autopay_ceiling = as_typed(ceiling)
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
            wrong_here(refusal)
            return


def _save(rule_id: int | None) -> None:
    chosen, draft = st.session_state, drafted()
    chosen.pop("autopay_refused", None)
    if _unreadable():
        return  # said at the field
    seen: Terms | None = chosen.get("autopay_seen") if rule_id is not None else None
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
            seen=seen.draft if seen is not None else None,
            seen_card_id=seen.card_id if seen is not None else None,
        )
    except Refusal as refusal:
        chosen.autopay_refused = (refusal, _state())
        if isinstance(refusal, RuleChanged):
            chosen.pop("autopay_seen", None)  # what it is now is shown; saved once more, it is replaced
        return
    toast("autopay.saved")
    to_list()
