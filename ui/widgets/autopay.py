"""Autopay in words, and the form that sets a rule up: what it says will happen is what the rules make of it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
import streamlit as st

import clock
from actions import perform
from actions.autopay import save_autopay_rule
from queries.autopay import Outlook, PayableAccount, Rule, Run
from queries.cards import Card
from rules.autopay import ForecastEvent, RuleDraft, check_draft, conflicts, forecast, next_retry_on, next_run_on
from rules.numbers import format_account_number
from rules.refusals import Refusal, RulesConflict
from rules.terms import AutopayAmount, AutopayResult, AutopayState, AutopayTrigger, BillingMode
from settings import operator
from texts import day, md, money, sentence, t, tn
from texts.formats import NO_BREAK
from ui.charts import forecast as forecast_chart
from ui.widgets.account import account_name
from ui.widgets.chart import drawn, show_chart
from ui.widgets.feedback import toast
from ui.widgets.names import told_apart
from ui.widgets.session import signed_in

TERMS = operator().autopay
BILLING_DAY = 1
AHEAD_DAYS = 90
UPCOMING = 6
"""How many of the charges to come are listed."""
_STYLE = """<style>
.st-key-autopay_upcoming td:last-child, .st-key-autopay_upcoming th:last-child {
  text-align: right !important; font-variant-numeric: tabular-nums;
}
.st-key-autopay_upcoming td:first-child p, .st-key-autopay_upcoming td:last-child p { white-space: nowrap }
</style>"""
KINDS: dict[AutopayTrigger, tuple[AutopayAmount, ...]] = {
    AutopayTrigger.THRESHOLD: (AutopayAmount.FIXED, AutopayAmount.UP_TO),
    AutopayTrigger.MONTHLY: (AutopayAmount.FIXED, AutopayAmount.UP_TO, AutopayAmount.DUE),
    AutopayTrigger.BILL: (AutopayAmount.DUE, AutopayAmount.FIXED, AutopayAmount.UP_TO),
}
"""The kinds of sum of each trigger; the first is the one that suits most people."""


# --- in words -----------------------------------------------------------------------------------------------
def card_name(card: Card) -> str:
    """A card as people know it, in one piece; there is nothing in it to escape."""
    return f"{t(f'brand.{card.brand.value}')} ·· {card.last_four}".replace(" ", NO_BREAK)


def card_names(cards: Sequence[Card]) -> dict[int, str]:
    """The cards by id, to choose from."""
    return told_apart(
        {card.card_id: card_name(card) for card in cards}, {card.card_id: day(card.expires_on, short=True) for card in cards}
    )


def summary(draft: RuleDraft, *, account: str, card: str) -> str:
    """What a rule does, in a sentence or two; Markdown (the account's name is a person's own text)."""
    said = [
        t(
            f"autopay.summary.{draft.trigger.value}.{draft.amount_kind.value}",
            account=md(account),
            card=card,
            threshold=money(draft.threshold_kopecks or 0, exact=False),
            amount=money(draft.amount_kopecks or 0, exact=False),
            day=draft.day_of_month,
        )
    ]
    if draft.trigger is AutopayTrigger.MONTHLY and (draft.day_of_month or 0) > 28:
        said.append(t("autopay.short_months"))
    ceiling = TERMS.default_ceiling_kopecks if draft.monthly_ceiling_kopecks is None else draft.monthly_ceiling_kopecks
    said.append(t("autopay.at_most", ceiling=money(ceiling, exact=False)))
    return " ".join(said)


def events(draft: RuleDraft, known: Outlook, today: date) -> list[ForecastEvent]:
    """Charges and payments of the next 90 days with the rule."""
    return forecast(
        draft=draft,
        balance_kopecks=known.balance_kopecks,
        monthly_kopecks=known.monthly_kopecks,
        due_kopecks=known.due_kopecks,
        today=today,
        days=AHEAD_DAYS,
        billing_day=BILLING_DAY,
        terms=TERMS,
        paid_this_month_kopecks=known.paid_this_month_kopecks,
    )


def what_next(rule: Rule, known: Outlook | None, today: date) -> str:
    """When a running rule charges next, and how much, as far as that is known."""
    ahead = [] if known is None else [event for event in events(rule.draft, known, today) if event.kind == "autopay"]
    first = ahead[0] if ahead else None
    if rule.draft.trigger is AutopayTrigger.THRESHOLD:
        if first is None:
            return t("autopay.threshold_quiet")
        return t("autopay.threshold_next", day=_day(first.on, today), amount=money(first.amount_kopecks, exact=False))
    begins = today + timedelta(days=1) if any(run.due_on == today for run in rule.runs) else today
    on = next_run_on(trigger=rule.draft.trigger, day_of_month=rule.draft.day_of_month, billing_day=BILLING_DAY, today=begins)
    if on is None or on == today or known is None:
        return t("autopay.next", day=_day(on or today, today))
    planned = next((event for event in ahead if event.on == on), None)
    if planned is None:
        return t("autopay.next_nothing", day=_day(on, today))
    is_exact = rule.draft.amount_kind is AutopayAmount.FIXED
    key = "autopay.next_sum" if is_exact else "autopay.next_about"
    return t(key, day=_day(on, today), amount=money(planned.amount_kopecks, exact=False))


def upcoming(rules: Sequence[Rule], known: Mapping[int, Outlook], today: date) -> list[tuple[ForecastEvent, Rule]]:
    """What the running rules will charge in the next 90 days, as far as that is known, the next first."""
    ahead = [
        (event, rule)
        for rule in rules
        if rule.state is AutopayState.ACTIVE and rule.may_pay and rule.account_id in known
        for event in events(rule.draft, known[rule.account_id], today)
        if event.kind == "autopay"
    ]
    return sorted(ahead, key=lambda each: (each[0].on, each[1].rule_id))


def show_upcoming(ahead: Sequence[tuple[ForecastEvent, Rule]], today: date) -> None:
    """The next charges of all rules together."""
    total = sum(event.amount_kopecks for event, _ in ahead)
    st.subheader(tn("autopay.forecast.title", len(ahead), sum=money(total, exact=False)), anchor=False)
    rows = [
        (
            _day(event.on, today),
            f"{md(account_name(rule.label, rule.service))}  \n:gray[{card_name(rule.card)}]",
            money(event.amount_kopecks, exact=False),
        )
        for event, rule in ahead[:UPCOMING]
    ]
    st.html(_STYLE)
    columns = [t(f"autopay.upcoming.{name}") for name in ("day", "account", "sum")]
    with st.container(key="autopay_upcoming"):
        st.table(pd.DataFrame(rows, columns=columns), border="horizontal", hide_index=True, alt=t("autopay.upcoming"))
    st.caption(t("autopay.upcoming_note"))


def what_happened(run: Run, today: date) -> str:
    """One attempt with its result and the reason; Markdown."""
    facts = {"day": _day(run.ran_at.date(), today), "amount": money(run.amount_kopecks, exact=False)}
    if run.result is AutopayResult.SUCCEEDED:
        return f":green[:material/check_circle:] {t('autopay.run.succeeded', **facts)}"
    if run.result is AutopayResult.DECLINED:
        reason = t(f"declinereason.{run.decline_reason}")
        return f":red[:material/error:] {t('autopay.run.declined', reason=reason, **facts)}"
    reason = run.reason if run.reason in ("nothing_due", "above_threshold", "ceiling_reached", "under_minimum") else "other"
    return f":material/remove: {t(f'autopay.run.skipped.{reason}', day=facts['day'])}"


def retry_on(rule: Rule, today: date) -> date | None:
    """The day on which a declined payment is tried again, when it is still to come."""
    if not rule.runs or rule.runs[0].result is not AutopayResult.DECLINED or rule.state is not AutopayState.ACTIVE:
        return None
    again = next_retry_on(failed_on=rule.runs[0].due_on, attempt=rule.runs[0].attempt, terms=TERMS)
    return again if again is not None and again >= today else None


def _day(on: date, today: date) -> str:
    return day(on, this_year=today.year)


# --- the form -----------------------------------------------------------------------------------------------
def open_form(which: str) -> None:
    """Show the form for a new rule ("new") or for one by its id, as from the next run; a callback."""
    st.query_params["rule"] = which


def close_form() -> None:
    """Back to the list; a callback."""
    for name in ("rule", "account"):
        if name in st.query_params:
            del st.query_params[name]
    st.session_state.pop("autopay_form", None)


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


def preview(account: PayableAccount, cards: Sequence[Card], known: Outlook, *, today: date) -> None:
    """What the rule in the form will do, when, and what that does to the balance."""
    st.subheader(t("autopay.preview"), anchor=False)
    draft = drafted()
    if _fault(draft) is not None:
        st.caption(t("autopay.preview_missing"))
        return
    card = next(card for card in cards if card.card_id == st.session_state.autopay_card)
    st.markdown(summary(draft, account=account_name(account.label, account.service), card=card_name(card)))
    ahead = events(draft, known, today)
    for event in [event for event in ahead if event.kind == "autopay"][:3]:
        st.markdown(f":material/event: **{_day(event.on, today)}** — {money(event.amount_kopecks, exact=False)}")
    frame = pd.DataFrame(
        [(event.on, event.kind, event.amount_kopecks, event.balance_after_kopecks) for event in ahead],
        columns=["on", "kind", "kopecks", "balance"],
    )
    facts: dict[str, Any] = {"today": today, "days": AHEAD_DAYS, "balance_kopecks": known.balance_kopecks}
    show_chart(drawn(forecast_chart.forecast, frame, **facts), key="autopay_forecast")
    st.caption(
        t("autopay.forecast_note", balance=money(known.balance_kopecks), monthly=money(known.monthly_kopecks, exact=False))
    )


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
    draft = rule.draft if rule is not None else _suggested(account)
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


def _suggested(account: PayableAccount) -> RuleDraft:
    """Where most people begin: the bill where there is one, else a threshold."""
    if account.mode is BillingMode.POSTPAID:
        return RuleDraft(trigger=AutopayTrigger.BILL, amount_kind=AutopayAmount.DUE)
    return RuleDraft(trigger=AutopayTrigger.THRESHOLD, amount_kind=AutopayAmount.FIXED)


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
    close_form()


def usable(cards: Sequence[Card], today: date | None = None) -> list[Card]:
    """The cards that can still be charged."""
    on = today or clock.today()
    return [card for card in cards if not card.is_expired(on)]
