"""The rehearsal: the next 90 days of an account with its autopay, with the other kind of trigger, and with none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pandas as pd
import streamlit as st

from queries.autopay import PayableAccount, Rule
from queries.rehearsal import Outlook
from rules.autopay import RuleDraft, conflicts
from rules.numbers import format_account_number
from rules.rehearsal import DAYS, ForecastEvent, Rehearsal, StandingRule, other_kind
from rules.terms import AccountStatus, AutopayAmount, AutopayState, AutopayTrigger, BillingMode
from texts import day, money, t, tn
from texts.formats import NO_BREAK
from ui.charts.rehearsal import rehearsal as rehearsal_chart
from ui.charts.rehearsal import swatch
from ui.widgets.account import account_name
from ui.widgets.autopay import TERMS, open_view, rehearsed
from ui.widgets.chart import drawn, palette, show_chart
from ui.widgets.names import told_apart

A_ROUBLE = 100
_STYLE = """<style>
.st-key-autopay_events td:last-child, .st-key-autopay_events th:last-child {
  text-align: right !important; font-variant-numeric: tabular-nums;
}
.st-key-autopay_events td:first-child p, .st-key-autopay_events td:last-child p { white-space: nowrap }
</style>"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of paying an account: its look on the chart, its short name, what it is in full, and what becomes of it."""

    look: str
    name: str
    said: str
    rules: tuple[StandingRule, ...]
    seen: Rehearsal


# --- the ways -----------------------------------------------------------------------------------------------
def ways_of(known: Outlook, *, draft: RuleDraft | None = None, rule_id: int = 0, resumed: bool = False) -> list[Way]:
    """The ways to compare: as the reader's rules stand (or would with `draft`, for rule `rule_id` or as a new one), the other
    kind of trigger, and none. Of two rules each is shown alone. Rules of others who pay the account stay as they are.
    `resumed`: the draft is that of a rule that stands still."""
    others = tuple(rule for rule in known.rules if not rule.is_own)
    own = [rule for rule in known.rules if rule.is_own]
    if draft is not None:
        standing = next((rule for rule in own if rule.rule_id == rule_id), StandingRule(draft, rule_id=rule_id))
        changed = replace(standing, draft=draft, planned_on=None, retry_period="")
        own = [*(rule for rule in own if rule.rule_id != rule_id and not _clash(draft, (rule,))), changed]
    if not own:
        usual = suggested(known.account.mode)
        drafts = (each for each in (usual, _other(usual, known)) if not _clash(each, others))
        own = [StandingRule(each) for each in drafts][:1]
    stands = "now" if draft is None and any(rule.rule_id for rule in own) else "resumed" if resumed else ""
    found = []
    if len(own) > 1:
        found.append(_way("now", t("autopay.way.both"), t("autopay.way.both_said"), (*others, *own), known))
        for look, rule in zip(("other", "second"), own, strict=False):
            found.append(_way(look, short(rule.draft), in_full(rule.draft), (*others, rule), known))
    for mine in own if len(own) == 1 else ():
        said = in_full(mine.draft)
        said = t(f"autopay.way.{stands}", way=said) if stands else said
        found.append(_way("now", short(mine.draft), said, (*others, mine), known))
        other = _other(mine.draft, known)
        if not _clash(other, others):
            found.append(_way("other", short(other), in_full(other), (*others, StandingRule(other)), known))
    without = t("autopay.way.none_own" if others else "autopay.way.none")
    found.append(_way("none", t("autopay.way.short.none"), without, others, known))
    return found


def _other(draft: RuleDraft, known: Outlook) -> RuleDraft:
    return other_kind(draft=draft, mode=known.account.mode, monthly_kopecks=known.monthly_kopecks, terms=TERMS)


def _clash(draft: RuleDraft, standing: Sequence[StandingRule]) -> bool:
    """Whether a rule like that may not stand beside these: an account has one of a sort, whoever set it up."""
    return conflicts(trigger=draft.trigger, existing=[rule.draft.trigger for rule in standing]) is not None


def _way(look: str, name: str, said: str, rules: tuple[StandingRule, ...], known: Outlook) -> Way:
    return Way(look, name, said, rules, rehearsed(known, rules))


def suggested(mode: BillingMode) -> RuleDraft:
    """Where most people begin: the bill where there is one, else a threshold."""
    if mode is BillingMode.POSTPAID:
        return RuleDraft(trigger=AutopayTrigger.BILL, amount_kind=AutopayAmount.DUE)
    return RuleDraft(
        trigger=AutopayTrigger.THRESHOLD, amount_kind=AutopayAmount.FIXED, threshold_kopecks=30_000, amount_kopecks=50_000
    )


def short(draft: RuleDraft) -> str:
    """A kind of trigger in two words."""
    return t(f"autopay.way.short.{draft.trigger.value}", day=draft.day_of_month)


def in_full(draft: RuleDraft) -> str:
    """A trigger with its sums, as the beginning of a sentence."""
    return t(
        f"autopay.way.{draft.trigger.value}.{draft.amount_kind.value}",
        threshold=money(draft.threshold_kopecks or 0, exact=False),
        amount=money(draft.amount_kopecks or 0, exact=False),
        day=draft.day_of_month,
    )


# --- in words -----------------------------------------------------------------------------------------------
def what_it_means(way: Way, known: Outlook) -> str:
    """What one way takes and what it leaves."""
    seen = way.seen
    taken = (
        tn("autopay.rehearsal.payments", seen.payments, sum=_about(seen.paid_kopecks))
        if seen.payments
        else t("autopay.rehearsal.no_payments")
    )
    return f"{taken}, {_lowest(seen, known)}"


def _lowest(seen: Rehearsal, known: Outlook) -> str:
    lowest = _about(seen.lowest_kopecks)
    if seen.below_zero_from is None:
        return t("autopay.rehearsal.lowest" if seen.lowest_kopecks >= A_ROUBLE else "autopay.rehearsal.not_below", lowest=lowest)
    facts = {"day": _day(seen.below_zero_from, known), "lowest": lowest, "blocked": ""}
    if seen.blocked_on is not None:
        facts["blocked"] = t("autopay.rehearsal.and_blocked", day=_day(seen.blocked_on, known))
    elif _is_below(seen, known) and seen.below_zero_until is not None:
        return t("autopay.rehearsal.below_until", day=_day(seen.below_zero_until, known), lowest=lowest)
    return t("autopay.rehearsal.below_now" if _is_below(seen, known) else "autopay.rehearsal.below", **facts)


def _is_below(seen: Rehearsal, known: Outlook) -> bool:
    return seen.below_zero_from == known.today and known.account.balance_kopecks < 0


def _about(kopecks: int) -> str:
    """To the rouble, never more than it is: a forecast says no more, and "at least" stays true."""
    return _whole(money(kopecks // 100 * 100, exact=False))


def _whole(sum_: str) -> str:
    """A sum whose minus sign stays on its line."""
    return sum_.replace("−", "−\u2060")


def _day(on: date, known: Outlook) -> str:
    return day(on, this_year=known.today.year)


def first_payment(way: Way, known: Outlook, *, is_new: bool) -> str | None:
    """When the rule that is being set up, the last of the way's, pays first, and how much; None when it has nothing to pay."""
    place = len(way.rules) - 1
    event = next((event for event in way.seen.events if event.kind == "autopay" and event.rule == place), None)
    if event is None:
        return None
    when = t("autopay.first.today") if event.on == known.today else _day(event.on, known)
    return t("autopay.first.new" if is_new else "autopay.first.next", when=when, sum=_about(event.amount_kopecks))


def difference(ways: Sequence[Way]) -> str:
    """What it makes in roubles whether the first or the second way is taken."""
    first, second = ways[0].seen, ways[1].seen
    charged = _about(first.charged_kopecks)
    more = first.paid_kopecks - second.paid_kopecks
    if not first.charged_kopecks and not second.charged_kopecks:
        return t("autopay.rehearsal.no_charges")
    dearer = ways[0] if more > 0 else ways[1]
    if first.charged_kopecks != second.charged_kopecks:  # one of them leaves the account blocked for a while
        return t("autopay.rehearsal.difference_only", way=dearer.name, more=_about(abs(more)))
    if abs(more) < A_ROUBLE:
        return t("autopay.rehearsal.same", charged=charged)
    # What more is taken is on the account at the end, or has paid a debt that the other way leaves.
    cheaper = second if more > 0 else first
    what = "difference"
    if cheaper.ends_with_kopecks <= -A_ROUBLE:
        what = "difference_debt" if dearer.seen.ends_with_kopecks < A_ROUBLE else "difference_part"
    return t(f"autopay.rehearsal.{what}", charged=charged, way=dearer.name, more=_about(abs(more)))


def _title(way: Way, known: Outlook) -> str:
    seen = way.seen
    if seen.blocked_on is not None:
        return t("autopay.rehearsal.title_blocked", day=_day(seen.blocked_on, known))
    if seen.below_zero_from is not None and not (_is_below(seen, known) and seen.below_zero_until is not None):
        if _is_below(seen, known):
            return t("autopay.rehearsal.title_below_now")
        return t("autopay.rehearsal.title_below", day=_day(seen.below_zero_from, known))
    left = _lowest(seen, known)
    if not seen.payments:
        return t("autopay.rehearsal.title_none", left=left)
    return tn("autopay.rehearsal.title", seen.payments, sum=_about(seen.paid_kopecks), left=left)


# --- shown --------------------------------------------------------------------------------------------------
def show_rehearsal(known: Outlook, *, draft: RuleDraft | None = None, rule_id: int = 0, resumed: bool = False) -> None:
    """The chart, what it means in roubles, and the events as a table."""
    ways = ways_of(known, draft=draft, rule_id=rule_id, resumed=resumed)
    if known.account.status is not AccountStatus.ACTIVE:
        st.info(t(f"autopay.rehearsal.{known.account.status.value}"), icon=":material/info:")
    first = None if draft is None or resumed else first_payment(ways[0], known, is_new=not rule_id)
    if first is not None:
        st.markdown(f":material/event: **{first}**")
    show_balance(known, ways)
    if len(ways) > 2:
        st.markdown(difference(ways))
    if any(not rule.is_own for rule in known.rules):
        st.caption(t("autopay.rehearsal.others"))
    with st.expander(t("autopay.rehearsal.table"), icon=":material/table_rows:"):
        _table(ways)
    balance = _whole(money(known.account.balance_kopecks))
    st.caption(t("autopay.rehearsal.note", balance=balance, day=day(known.today)))


def show_balance(known: Outlook, ways: Sequence[Way]) -> None:
    """The chart under its answer, and what each line of it is and comes to."""
    facts = {
        "today": known.today,
        "days": DAYS,
        "ways": tuple((way.look, way.name) for way in ways),
        "title": _title(ways[0], known),
        "alt": " ".join(f"{way.said}: {what_it_means(way, known)}." for way in ways),
    }
    show_chart(drawn(rehearsal_chart, _days(ways, known), **facts), key="autopay_rehearsal")
    colours = palette()
    with st.container(gap="xsmall"):
        for way in ways:
            shade, style, width = swatch(way.look, colours)
            with st.container(horizontal=True, gap="small", vertical_alignment="top", wrap=False):
                st.html(f'<div style="margin-top:11px;border-top:{width}px {style} {shade}"></div>', width=28)
                st.markdown(f"**{way.said}.** {_capital(what_it_means(way, known))}.")


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def _days(ways: Sequence[Way], known: Outlook) -> pd.DataFrame:
    """A row per way and day: the balance that the day ends with, and what was paid."""
    rows = []
    for way in ways:
        balance = known.account.balance_kopecks
        ends = {event.on: event.balance_after_kopecks for event in way.seen.events}
        paid: dict[date, int] = {}
        for event in way.seen.events:
            if event.kind == "autopay":
                paid[event.on] = paid.get(event.on, 0) + event.amount_kopecks
        for ahead in range(DAYS + 1):
            on = known.today + timedelta(days=ahead)
            balance = ends.get(on, balance)
            rows.append((way.look, on, balance, paid.get(on, 0)))
    return pd.DataFrame(rows, columns=["way", "on", "balance", "paid"])


def _table(ways: Sequence[Way]) -> None:
    looks = {way.look: way for way in ways}
    names = {way.look: way.name for way in ways}
    look = st.segmented_control(
        t("autopay.rehearsal.which"),
        list(looks),
        default="now",
        format_func=names.__getitem__,
        required=True,
        label_visibility="collapsed",
        key="autopay_rehearsal_way",
        wrap=True,
    )
    way = looks.get(look or "now", ways[0])
    rows = [_row(event, way) for event in way.seen.events]
    if not rows:
        st.caption(t("autopay.rehearsal.no_events"))
        return
    st.html(_STYLE)
    columns = [t(f"autopay.rehearsal.column.{name}") for name in ("day", "what", "sum")]
    with st.container(key="autopay_events"):
        st.table(pd.DataFrame(rows, columns=columns), border="horizontal", hide_index=True, alt=t("autopay.rehearsal.table"))
    st.caption(t("autopay.rehearsal.same_day"))


def _row(event: ForecastEvent, way: Way) -> tuple[str, str, str]:
    if event.kind == "charge":
        what, sum_ = t("autopay.charge"), money(-event.amount_kopecks, signed=True)
    elif event.kind in ("blocked", "resumed"):
        what, sum_ = t(f"autopay.rehearsal.event.{event.kind}"), "—"
    elif event.kind == "skipped":
        what, sum_ = t(f"autopay.rehearsal.skipped.{event.reason}"), "—"
    else:
        rule = way.rules[event.rule or 0]
        what = t("autopay.payment" if rule.is_own else "autopay.rehearsal.others_payment")
        sum_ = money(event.amount_kopecks, signed=True)
    left = t("autopay.rehearsal.left", balance=_whole(money(event.balance_after_kopecks))).replace(" ", NO_BREAK)
    return (day(event.on, this_year=event.on.year, short=True), f"{what}  \n:gray[{left}]", sum_)


def show_account_rehearsal(
    accounts: Sequence[PayableAccount], rules: Sequence[Rule], asked: str, known: Mapping[int, Outlook], *, can_set_up: bool
) -> None:
    """The rehearsal of the account that the address asks for, with the other accounts to choose from."""
    names = told_apart(
        {each.account_id: account_name(each.label, each.service) for each in accounts},
        {each.account_id: format_account_number(each.number) for each in accounts},
    )
    chosen = next((each for each in accounts if str(each.account_id) == asked), accounts[0])
    if len(accounts) > 1:
        st.selectbox(
            t("autopay.rehearsal.account"),
            list(names),
            index=list(names).index(chosen.account_id),
            format_func=names.__getitem__,
            key="autopay_rehearsal_account",
            on_change=_choose,
            width=360,
        )
    own = [rule for rule in rules if rule.account_id == chosen.account_id]
    if own and not any(rule.state is AutopayState.ACTIVE for rule in own):
        show_rehearsal(known[chosen.account_id], draft=own[0].draft, rule_id=own[0].rule_id, resumed=True)
    else:
        show_rehearsal(known[chosen.account_id])
    if not can_set_up:
        return
    which = str(own[0].rule_id) if own else "new"
    st.button(
        t("autopay.edit_this" if own else "autopay.set_up"),
        type="primary",
        icon=":material/tune:" if own else ":material/add:",
        key="autopay_from_rehearsal",
        on_click=_set_up,
        args=(which, str(chosen.account_id)),
    )


def _choose() -> None:
    st.query_params["rehearsal"] = str(st.session_state.autopay_rehearsal_account)


def _set_up(which: str, account_id: str) -> None:
    open_view("rule", which)
    if which == "new":
        st.query_params["account"] = account_id
