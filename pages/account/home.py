"""Here a person sees in three seconds whether they owe anything, whether anything is about to stop, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import streamlit as st

import clock
from db import reading
from queries.home import AccountCard, HomeSummary, home
from rules.terms import AccountStatus, AutopayState, BillingMode
from rules.visitor import Visitor
from texts import day, days_between, md, money, percent, phone, points, t, tn
from ui.widgets.account import STATUS_MARKS, Colour, account_name, account_title
from ui.widgets.session import signed_in

SOON_DAYS = 10
"""Money that runs out within so many days is worth a warning."""


DOORS = (("services", ":material/tune:"), ("autopay", ":material/autorenew:"), ("payments", ":material/receipt_long:"))


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs attention: how urgent, what, and where it is helped."""

    urgent: bool
    text: str
    icon: str
    script: str
    action: str
    account_id: int


def go(script: str, account_id: int) -> None:
    st.switch_page(f"pages/account/{script}.py", query_params={"account": str(account_id)})


def greeting(visitor: Visitor) -> str:
    hour = clock.now().astimezone(clock.zone(visitor.time_zone)).hour
    part = "night" if hour < 5 else "morning" if hour < 12 else "day" if hour < 18 else "evening"
    return t(f"home.good_{part}", name=md(visitor.first_name))


def concerns(summary: HomeSummary, this_year: int) -> Iterator[Concern]:
    """What needs attention, of each account the worst."""
    for card in summary.accounts:
        name = md(account_name(card.label, card.service))
        due, last = card.due, card.runway
        if card.status is AccountStatus.BLOCKED:
            text = t("home.is_blocked", name=name, sum=money(due.amount_kopecks))
            yield Concern(True, text, ":material/block:", "payments", "home.see_why", card.account_id)
        elif due.overdue_kopecks:
            text = tn("home.is_overdue", due.overdue_days, name=name, sum=money(due.overdue_kopecks))
            yield Concern(True, text, ":material/error:", "payments", "home.see_why", card.account_id)
        elif card.autopay is AutopayState.PAUSED:
            text = t("home.autopay_paused", name=name)
            yield Concern(False, text, ":material/autorenew:", "autopay", "home.look_at_autopay", card.account_id)
        elif due.amount_kopecks and due.due_on is not None:
            text = t("home.is_due", name=name, sum=money(due.amount_kopecks), day=day(due.due_on, this_year=this_year))
            yield Concern(False, text, ":material/schedule:", *helps(card), card.account_id)
        elif last.days_left is not None and last.days_left <= SOON_DAYS and card.status is AccountStatus.ACTIVE:
            missing = money(last.next_charge_kopecks - card.balance_kopecks, exact=False)
            text = tn("home.runs_out", last.days_left, name=name, sum=missing)
            yield Concern(False, text, ":material/battery_alert:", *helps(card), card.account_id)


def helps(card: AccountCard) -> tuple[str, str]:
    """Where what is due can be helped: a rule that pays by itself, or, where there is one, what it is for."""
    return ("autopay", "home.set_autopay") if card.autopay is None else ("payments", "home.see_why")


def attention(summary: HomeSummary, this_year: int) -> None:
    """The concerns, the urgent ones first, each with a way to help it."""
    for concern in sorted(concerns(summary, this_year), key=lambda c: not c.urgent):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            (st.error if concern.urgent else st.warning)(concern.text, icon=concern.icon)
            st.button(t(concern.action), key=f"help_{concern.account_id}", on_click=go, args=(concern.script, concern.account_id))


def totals(summary: HomeSummary, this_year: int) -> None:
    colour: Literal["green", "orange", "red", "off"]
    with st.grid(4, min_column_width=158, gap="small"):
        label = t("home.due_until", day=day(summary.due_on, this_year=this_year)) if summary.due_on else t("home.due")
        note, colour = t("home.nothing_due"), "green"
        if summary.overdue_kopecks:
            note, colour = t("home.of_it_overdue", sum=money(summary.overdue_kopecks, exact=False)), "red"
        elif summary.due_kopecks:
            note, colour = tn("common.accounts", sum(1 for card in summary.accounts if card.due.amount_kopecks)), "orange"
        figure(label, money(summary.due_kopecks), note, colour)
        figure(t("home.on_accounts"), money(summary.balance_kopecks), tn("common.accounts", len(summary.accounts)), "off")
        expires = t("home.no_expiry")
        if summary.points_expire_on:
            until = day(summary.points_expire_on, this_year=this_year)
            expires = t("home.points_expire", points=summary.points_expiring, day=until)
        figure(t("screen.bonus"), points(summary.points), expires, "orange" if summary.points_expiring else "off")
        change, colour = t("home.no_change"), "off"
        if summary.spent_before_kopecks:
            share = summary.spent_kopecks / summary.spent_before_kopecks - 1
            change = t("home.against_last", change=percent(share, signed=True))
            colour = "green" if share < 0 else "off"
        figure(t("home.spent"), money(summary.spent_kopecks), change, colour)


def figure(label: str, value: str, note: str, colour: Literal["green", "orange", "red", "off"]) -> None:
    st.metric(label, value, note, delta_color=colour, delta_arrow="off", border=True, height="stretch")


def badge(card: AccountCard) -> tuple[str, Colour, str]:
    """The one word about an account: text, colour, icon."""
    colour, icon = STATUS_MARKS[card.status]
    if card.status is AccountStatus.ACTIVE:
        if card.due.overdue_kopecks:
            return t("home.badge_overdue"), "red", ":material/error:"
        if card.due.amount_kopecks:
            return t("home.badge_due"), "orange", ":material/schedule:"
        if card.runway.days_left is not None and card.runway.days_left <= SOON_DAYS:
            return t("home.badge_low"), "orange", ":material/battery_alert:"
    return t(f"status.{card.status.value}"), colour, icon


def outlook(card: AccountCard, this_year: int) -> str:
    """When it falls due, or how long the money lasts."""
    if card.status is AccountStatus.SUSPENDED:
        return t("home.suspended_since", day=day(card.status_since_on, this_year=this_year))
    if card.due.overdue_kopecks:
        return t("home.overdue_for", days=days_between(card.due.overdue_days))
    if card.due.amount_kopecks and card.due.due_on:
        return t("home.pay_until", day=day(card.due.due_on, this_year=this_year))
    if card.mode is BillingMode.PREPAID and card.runway.days_left is not None:
        return t("home.lasts", days=days_between(card.runway.days_left))
    return t("home.nothing_due")


def account_card(card: AccountCard, this_year: int) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(account_title(card.label, card.service), width="content")
            text, colour, icon = badge(card)
            st.badge(text, color=colour, icon=icon)
        place = phone(card.service_phone) if card.service_phone else md(card.address)
        st.caption(place if card.is_own else f"{md(card.holder)} · {place}")
        st.metric(md(card.plan) or t("services.no_plan"), money(card.balance_kopecks))
        st.caption(f"{outlook(card, this_year)} · {t('common.per_month', sum=money(card.monthly_kopecks, exact=False))}")
        st.space("stretch")
        with st.container(horizontal=True, gap="small"):
            for script, icon in (
                ("services", ":material/tune:"),
                ("autopay", ":material/autorenew:"),
                ("payments", ":material/receipt_long:"),
            ):
                st.button(
                    t(f"screen.{script}"),
                    key=f"{script}_{card.account_id}",
                    type="tertiary",
                    icon=icon,
                    on_click=go,
                    args=(script, card.account_id),
                )


visitor = signed_in()
now, today = clock.now(), clock.today(visitor.time_zone)
with reading() as db:
    summary = home(db, visitor=visitor, today=today, now=now)

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    with st.container(gap=None, width="content"):
        st.title(greeting(visitor), anchor=False)
        if summary.accounts:
            st.caption(t("home.as_of", accounts=tn("common.accounts", len(summary.accounts)), day=day(today)))
    if summary.accounts:
        st.page_link("pages/account/accounts.py", label=t("home.attach_another"), icon=":material/add:")
if not summary.accounts:
    st.markdown(t("home.empty"))
    st.button(
        t("accounts.attach_title"), type="primary", icon=":material/add:", key="attach_first",
        on_click=lambda: st.switch_page("pages/account/accounts.py"),
    )  # fmt: skip
    st.stop()
attention(summary, today.year)
totals(summary, today.year)
st.header(t("home.my_accounts"), anchor=False)
with st.grid(3, min_column_width=300, gap="small"):
    for card in summary.accounts:
        account_card(card, today.year)
