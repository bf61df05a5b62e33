"""Autopay in words: what a rule does, what it did last, when it runs next and why."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

import clock
from queries.autopay import Rule, Run
from queries.cards import Card
from queries.rehearsal import Outlook
from rules.autopay import RuleDraft
from rules.rehearsal import DAYS, ForecastEvent, Rehearsal, StandingRule, rehearse
from rules.terms import AccountStatus, AutopayAmount, AutopayResult, AutopayState, AutopayTrigger
from settings import operator
from texts import card_number, day, md, money, t, tn
from ui.widgets.account import account_name
from ui.widgets.names import told_apart

TERMS, BILLING = operator().autopay, operator().billing
TRIES = 1 + len(TERMS.retry_days)
UPCOMING = 6
"""How many of the charges to come are listed."""
SKIPPED = (
    "nothing_due",
    "under_minimum",
    "ceiling_reached",
    "account_suspended",
    "right_lost",
    "card_removed",
    "account_closed",
    "above_threshold",
)
"""Why a run may have paid nothing."""
PAUSED = ("by_person", "declined", "declined_hard", "card_changed", "right_lost", "card_removed", "account_closed")
"""Why a rule may stand still."""
VIEWS = ("rule", "rehearsal", "history", "account")
_STYLE = """<style>
.st-key-autopay_upcoming td:last-child, .st-key-autopay_upcoming th:last-child {
  text-align: right !important; font-variant-numeric: tabular-nums;
}
.st-key-autopay_upcoming td:first-child p, .st-key-autopay_upcoming td:last-child p { white-space: nowrap }
</style>"""


# --- where one is -------------------------------------------------------------------------------------------
def open_view(name: str, which: str) -> None:
    """Show the form of a rule ("new" or its id), the rehearsal of an account or the history of a rule; a callback."""
    to_list()
    st.query_params[name] = which


def to_list() -> None:
    """Back to the list; a callback."""
    for name in VIEWS:
        if name in st.query_params:
            del st.query_params[name]
    st.session_state.pop("autopay_form", None)


def back() -> None:
    """The way back to the list."""
    st.button(t("autopay.back"), type="tertiary", icon=":material/arrow_back:", key="autopay_back", on_click=to_list)


# --- what a rule is -----------------------------------------------------------------------------------------
def card_name(card: Card) -> str:
    """A card as people know it."""
    return card_number(card.brand.value, card.last_four)


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


def usable(cards: Sequence[Card], today: date | None = None) -> list[Card]:
    """The cards that can still be charged."""
    on = today or clock.today()
    return [card for card in cards if not card.is_expired(on)]


# --- what it will do ----------------------------------------------------------------------------------------
def runs(rule: Rule) -> bool:
    """Whether a rule will be looked at again by itself."""
    return rule.state is AutopayState.ACTIVE and rule.may_pay


def rehearsed(known: Outlook, rules: Sequence[StandingRule] | None = None) -> Rehearsal:
    """The next 90 days of an account with the rules that stand, or with these."""
    return rehearse(
        rules=known.rules if rules is None else rules, account=known.account, today=known.today, terms=TERMS, billing=BILLING
    )


def runs_ahead(rule: Rule, known: Outlook) -> list[ForecastEvent]:
    """The runs of one rule in the next 90 days, those that will pay nothing too. What waits for the bank is not among them."""
    place = next((place for place, each in enumerate(known.rules) if each.rule_id == rule.rule_id), None)
    ahead = [event for event in rehearsed(known).events if event.rule == place and place is not None]
    return ahead[1:] if ahead and known.rules[place or 0].pending_kopecks else ahead


def what_next(rule: Rule, known: Outlook, time_zone: str) -> str:
    """When a running rule charges next, how much and why, as far as that is known. `time_zone`: the reader's."""
    ahead = runs_ahead(rule, known)
    if known.account.status is AccountStatus.SUSPENDED:
        return t("autopay.ahead.account_suspended")
    if rule.attempt > 1 and rule.due_at is not None and rule.runs and rule.runs[0].result is AutopayResult.DECLINED:
        when = _when(rule, rule.due_at.astimezone(ZoneInfo(rule.time_zone)).date(), known.today, time_zone)
        return t("autopay.ahead.retry", when=when, attempt=rule.attempt, tries=TRIES)
    if not ahead:
        threshold = money(rule.draft.threshold_kopecks or 0, exact=False)
        return tn("autopay.ahead.quiet", DAYS, threshold=threshold) if _by_threshold(rule) else t("autopay.ahead.nothing")
    event = ahead[0]
    when = _when(rule, event.on, known.today, time_zone)
    is_now = event.on == known.today or event.balance_before_kopecks == known.account.balance_kopecks
    return f"{_capital(when)}: {_why(rule.draft, event, is_now=is_now)}"


def _why(draft: RuleDraft, event: ForecastEvent, *, is_now: bool) -> str:
    """What a run will pay, and why so much; or why nothing."""
    facts = {
        "amount": money(event.amount_kopecks, exact=False),
        "balance": money(event.balance_before_kopecks, exact=False),
        "level": money(draft.amount_kopecks or 0, exact=False),
        "threshold": money(draft.threshold_kopecks or 0, exact=False),
        "least": money(TERMS.amount_least_kopecks, exact=False),
        "ceiling": money(ceiling_of(draft), exact=False),
    }
    if event.kind == "skipped":
        return t(f"autopay.ahead.{event.reason}", **facts)
    kind = draft.trigger.value if draft.trigger is AutopayTrigger.THRESHOLD else draft.amount_kind.value
    said = t(f"autopay.ahead.{kind}{'_now' if is_now and kind == 'threshold' else ''}", **facts)
    wanted = {
        AutopayAmount.FIXED: draft.amount_kopecks or 0,
        AutopayAmount.UP_TO: (draft.amount_kopecks or 0) - event.balance_before_kopecks,
    }.get(draft.amount_kind, 0)
    return f"{said} {t('autopay.ahead.cut', **facts)}" if event.amount_kopecks < wanted else said


def ceiling_of(draft: RuleDraft) -> int:
    """The most that the rule may charge a month, kopecks."""
    return TERMS.default_ceiling_kopecks if draft.monthly_ceiling_kopecks is None else draft.monthly_ceiling_kopecks


def _by_threshold(rule: Rule) -> bool:
    return rule.draft.trigger is AutopayTrigger.THRESHOLD


def _when(rule: Rule, on: date, today: date, time_zone: str) -> str:
    """The day, with the hour of the account's region when one is planned; the region is named to who lives by another time."""
    if on <= today and (rule.due_at is None or rule.due_at <= clock.now()):
        return t("autopay.when.soon")
    written = day(on, this_year=today.year)
    at = rule.due_at
    is_planned = at is not None and at.astimezone(ZoneInfo(rule.time_zone)).date() == on
    if _by_threshold(rule) and not is_planned:
        return written
    hour = at.astimezone(ZoneInfo(rule.time_zone)).time() if at is not None and is_planned else None
    moment = datetime.combine(on, hour or time(TERMS.hour), ZoneInfo(rule.time_zone))
    said = t("autopay.when.hour", day=written, time=f"{moment:%H:%M}")
    if moment.utcoffset() == moment.astimezone(ZoneInfo(time_zone)).utcoffset():
        return said
    return f"{said} {t(f'autopay.zone.{rule.time_zone}')}"


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def upcoming(rules: Sequence[Rule], known: Mapping[int, Outlook]) -> list[tuple[ForecastEvent, Rule]]:
    """What the person's running rules will charge in the next 90 days, as far as that is known, the next first."""
    ahead = [
        (event, rule)
        for rule in rules
        if runs(rule) and rule.account_id in known
        for event in runs_ahead(rule, known[rule.account_id])
        if event.kind == "autopay"
    ]
    return sorted(ahead, key=lambda each: (each[0].on, each[1].rule_id))


def show_upcoming(ahead: Sequence[tuple[ForecastEvent, Rule]], today: date) -> None:
    """The next charges of all rules together."""
    total = sum(event.amount_kopecks for event, _ in ahead)
    with st.container(horizontal=True):  # as that of the cards beside it, so that both stand on one line
        st.subheader(t("autopay.upcoming"), anchor=False)
    rows = [
        (
            day(event.on, this_year=today.year),
            f"{md(account_name(rule.label, rule.service))}  \n:gray[{card_name(rule.card)}]",
            money(event.amount_kopecks, exact=False),
        )
        for event, rule in ahead[:UPCOMING]
    ]
    st.html(_STYLE)
    columns = [t(f"autopay.upcoming.{name}") for name in ("day", "account", "sum")]
    with st.container(key="autopay_upcoming"):
        st.table(pd.DataFrame(rows, columns=columns), border="horizontal", hide_index=True, alt=t("autopay.upcoming"))
    told = tn("autopay.forecast.title", len(ahead), sum=money(total, exact=False))
    st.caption(f"{told}. {t('autopay.upcoming_note')}")


# --- what it did --------------------------------------------------------------------------------------------
def what_happened(run: Run, rule: Rule, today: date) -> str:
    """One run with its day, sum, result and the reason; Markdown."""
    facts = {
        "day": day(run.ran_at.astimezone(ZoneInfo(rule.time_zone)).date(), this_year=today.year),
        "amount": money(run.amount_kopecks, exact=False),
    }
    if run.result is AutopayResult.SUCCEEDED:
        return f":green[:material/check_circle:] {t('autopay.run.succeeded', **facts)}"
    if run.result is AutopayResult.PENDING:
        return f":orange[:material/hourglass_top:] {t('autopay.run.pending', **facts)}"
    if run.result is AutopayResult.DECLINED:
        reason = t(f"declinereason.{run.decline_reason.value}" if run.decline_reason else "autopay.run.no_reason")
        said = t("autopay.run.declined", reason=reason, **facts)
        if run.attempt > 1:
            said += f" ({t('autopay.run.attempt', attempt=run.attempt, tries=TRIES)})"
        return f":red[:material/error:] {said}"
    reason = run.reason if run.reason in SKIPPED else "other"
    if reason == "ceiling_reached" and rule.changed_at > run.ran_at:
        reason = "ceiling_then"  # it may have been another sum
    said = t(
        f"autopay.run.skipped.{reason}",
        day=facts["day"],
        ceiling=money(ceiling_of(rule.draft), exact=False),
        least=money(TERMS.amount_least_kopecks, exact=False),
    )
    return f":material/remove: {said}"


def why_paused(rule: Rule, today: date) -> str:
    """Why a rule stands still, and what to do."""
    reason = rule.pause_reason if rule.pause_reason in PAUSED else "other"
    if reason == "declined_hard" and rule.card.is_expired(today):
        reason = "card_expired"
    return t(f"autopay.paused.{reason}", card=card_name(rule.card))
