"""What the home screen is made of: what needs attention, the totals, a card for each account."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import streamlit as st

from queries.home import AccountCard, HomeSummary
from rules.terms import AccountStatus, AutopayState, BillingMode, Right
from texts import day, days_between, md, money, number, percent, phone, t, tn
from ui.widgets.account import STATUS_MARKS, Colour, account_name, account_title

SOON_DAYS = 5
"""What falls due or runs out within so many days, and does not get paid by itself, is worth a warning."""

DOORS = (("pay", ":material/account_balance_wallet:"), ("services", ":material/tune:"), ("autopay", ":material/autorenew:"))
LOOKING = (("payments", ":material/receipt_long:"), *DOORS[1:])
"""Whoever may only look is not sent to pay."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs attention: how urgent, what, and where it is helped."""

    urgent: bool
    text: str
    icon: str
    script: str
    action: str
    account_id: int


def door(script: str, account_id: int, label: str, icon: str, *, onward: bool = False) -> None:
    """A link to another screen, about this account; `onward`: the icon points there, so it stands at the end."""
    page, about = f"pages/account/{script}.py", {"account": str(account_id)}
    st.page_link(page, label=label, icon=icon, icon_position="right" if onward else "left", query_params=about)


def is_short(card: AccountCard) -> bool:
    """The money ends soon, and no autopay comes before."""
    last = card.runway
    if card.status is not AccountStatus.ACTIVE or last.days_left is None or last.until_on is None:
        return False
    return last.days_left <= SOON_DAYS and not (card.autopay and card.autopay.covers(last.until_on))


def is_below(card: AccountCard) -> bool:
    """The balance of a prepaid account is below zero: nothing is late, but it will not go on like that."""
    return card.mode is BillingMode.PREPAID and card.due.amount_kopecks > 0


def concerns(summary: HomeSummary, today: date) -> Iterator[Concern]:
    """What needs attention, of each account the worst."""
    horizon = today + timedelta(days=SOON_DAYS)
    for card in summary.accounts:
        name, due = md(account_name(card.label, card.service)), card.due
        sum_ = money(due.overdue_kopecks or due.amount_kopecks, exact=False)
        help_ = ("pay", "home.pay") if card.right.covers(Right.PAY) else ("payments", "home.see_why")
        if card.status is AccountStatus.BLOCKED:
            text = t("home.is_blocked", name=name, sum=money(due.amount_kopecks, exact=False))
            yield Concern(True, text, ":material/block:", *help_, card.account_id)
        elif due.overdue_kopecks:
            text = tn("home.is_overdue", due.overdue_days, name=name, sum=sum_)
            yield Concern(True, text, ":material/error:", *help_, card.account_id)
        elif is_below(card):
            if not (card.autopay and card.autopay.covers(horizon)):
                yield Concern(True, t("home.is_below", name=name, sum=sum_), ":material/error:", *help_, card.account_id)
        elif card.autopay is not None and card.autopay.state is AutopayState.PAUSED:
            text = t("home.autopay_paused", name=name)
            yield Concern(False, text, ":material/sync_problem:", "autopay", "home.look_at_autopay", card.account_id)
        elif due.due_on is not None and due.due_on <= horizon and not (card.autopay and card.autopay.covers(due.due_on)):
            text = t("home.is_due", name=name, sum=sum_, day=day(due.due_on, this_year=today.year))
            yield Concern(False, text, ":material/schedule:", *help_, card.account_id)
        elif is_short(card) and card.runway.days_left is not None:
            missing = money(card.runway.next_charge_kopecks - card.balance_kopecks, exact=False)
            text = tn("home.runs_out", card.runway.days_left, name=name, sum=missing)
            yield Concern(False, text, ":material/battery_alert:", *help_, card.account_id)


def attention(summary: HomeSummary, today: date) -> None:
    """The concerns, the urgent ones first, each with a way to help it."""
    found = sorted(concerns(summary, today), key=lambda concern: not concern.urgent)
    if not found:
        return
    with st.container(border=True, gap="xsmall", key="attention"):
        for concern in found:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
                st.markdown(f":{'red' if concern.urgent else 'orange'}[{concern.icon}] {concern.text}", width="stretch")
                door(concern.script, concern.account_id, t(concern.action), ":material/chevron_right:", onward=True)


def totals(summary: HomeSummary, today: date) -> None:
    """Four figures with what they mean today; the small print wraps, so that a phone cuts nothing."""
    with st.grid(4, min_column_width=158, gap="small"):
        note = f":green[{t('home.nothing_due')}]"
        if summary.overdue_kopecks:
            note = f":red[:material/error: {t('home.of_it_overdue', sum=money(summary.overdue_kopecks, exact=False))}]"
        elif summary.due_kopecks and all(is_below(card) for card in summary.accounts if card.due.amount_kopecks):
            note = f":red[:material/error: {t('home.below')}]"
        elif summary.due_on:
            note = f":orange[:material/schedule: {t('home.until', day=day(summary.due_on, this_year=today.year))}]"
        figure(t("home.due"), money(summary.due_kopecks), note)
        figure(t("home.on_accounts"), money(summary.balance_kopecks), tn("common.accounts", len(summary.accounts)))
        note = t("home.no_expiry")
        if summary.points_expire_on:
            until = day(summary.points_expire_on, this_year=today.year)
            note = f":orange[{tn('home.points_expire', summary.points_expiring, day=until)}]"
        figure(t("screen.bonus"), number(summary.points), note)
        note = t("home.no_change")
        if summary.spent_before_kopecks:
            share = summary.spent_kopecks / summary.spent_before_kopecks - 1
            same = round(share * 100) == 0
            note = t("home.same_as_last") if same else t("home.against_last", change=percent(share, signed=True))
        figure(t("home.spent"), money(summary.spent_kopecks), note)


def figure(label: str, value: str, note: str) -> None:
    with st.container(border=True, height="stretch", gap=None):
        st.metric(label, value)
        st.markdown(f":small[{note if note.startswith(':') else f':gray[{note}]'}]")


def badge(card: AccountCard) -> tuple[str, Colour, str]:
    """The one word about an account: text, colour, icon."""
    colour, icon = STATUS_MARKS[card.status]
    if card.status is AccountStatus.ACTIVE:
        if card.due.overdue_kopecks:
            return t("home.badge_overdue"), "red", ":material/error:"
        if is_below(card):
            return t("home.badge_below"), "red", ":material/error:"
        if card.due.amount_kopecks:
            return t("home.badge_due"), "orange", ":material/schedule:"
        if is_short(card):
            return t("home.badge_low"), "orange", ":material/battery_alert:"
    return t(f"status.{card.status.value}"), colour, icon


def outlook(card: AccountCard, today: date) -> str:
    """When it falls due, or how long the money lasts; and whether that takes care of itself."""
    if card.status is AccountStatus.SUSPENDED:
        return t("home.suspended_since", day=day(card.status_since_on, this_year=today.year))
    if card.due.overdue_kopecks:
        said = t("home.overdue_for", days=days_between(card.due.overdue_days))
    elif is_below(card):
        said = t("home.lacks", sum=money(card.due.amount_kopecks, exact=False))
    elif card.due.amount_kopecks and card.due.due_on:
        said = t("home.pay_until", day=day(card.due.due_on, this_year=today.year))
    elif card.mode is BillingMode.PREPAID and card.runway.days_left is not None:
        said = t("home.lasts", days=days_between(card.runway.days_left))
    else:
        said = t("home.nothing_due")
    if card.autopay is None or card.autopay.state is AutopayState.PAUSED:
        return said
    if card.autopay.watches or card.autopay.next_on is None:
        return f"{said} · {t('home.autopay_on')}"
    return f"{said} · {t('home.autopay_next', day=day(card.autopay.next_on, this_year=today.year))}"


def account_card(card: AccountCard, today: date) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(account_title(card.label, card.service), width="content")
            text, colour, icon = badge(card)
            st.badge(text, color=colour, icon=icon)
        place = phone(card.service_phone) if card.service_phone else md(card.address)
        st.caption(place if card.is_own else f"{md(card.holder)} · {place}")
        plan = md(card.plan) if card.plan else t("services.no_plan")
        st.metric(f"{plan} · {t('common.per_month', sum=money(card.monthly_kopecks, exact=False))}", money(card.balance_kopecks))
        with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
            st.caption(outlook(card, today), width="stretch")
            door("bills", card.account_id, t("bills.door"), ":material/chevron_right:", onward=True)
        st.space("stretch")
        with st.container(horizontal=True, gap=None):
            for script, icon in DOORS if card.right.covers(Right.PAY) else LOOKING:
                door(script, card.account_id, t(f"screen.{script}"), icon)
