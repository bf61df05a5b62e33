"""What the services screen is made of: the plan, a card for each option, the confirmation, the orders."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import streamlit as st

from actions.orders import Quote
from queries.options import AccountServices, CatalogueOption, OrderRow
from rules.bonus import KOPECKS_OF_A_POINT, points_for_price
from rules.terms import OrderKind, OrderState, Recurrence, Right
from texts import day, md, moment, money, number, points, t, tn
from ui.widgets.account import STATUS_MARKS, Colour

ORDER_MARKS: dict[OrderState, tuple[Colour, str]] = {
    OrderState.ACCEPTED: ("orange", ":material/schedule:"),
    OrderState.IN_PROGRESS: ("orange", ":material/autorenew:"),
    OrderState.DONE: ("green", ":material/check_circle:"),
    OrderState.REFUSED: ("red", ":material/error:"),
    OrderState.CANCELLED: ("gray", ":material/cancel:"),
}
_ROUND = "_services_round"


def price(option: CatalogueOption) -> str:
    """What an option costs, in words."""
    if option.facts.monthly_kopecks == 0:
        return t("common.free")
    sum_ = money(option.facts.monthly_kopecks, exact=False)
    return t("services.once", sum=sum_) if option.facts.recurrence is Recurrence.ONCE else t("common.per_month", sum=sum_)


def allowances(services: AccountServices) -> str:
    """What the plan holds, in words."""
    plan = services.plan
    if plan is None:
        return ""
    parts = [t("common.per_month", sum=money(plan.monthly_kopecks, exact=False))]
    if plan.megabits:
        parts.append(t("services.megabits", n=number(plan.megabits)))
    if plan.gigabytes is not None:
        parts.append(t("services.gigabytes", n=number(plan.gigabytes)) if plan.gigabytes else t("services.gigabytes_unlimited"))
    if plan.minutes is not None:
        parts.append(tn("services.minutes", plan.minutes) if plan.minutes else t("services.minutes_unlimited"))
    if plan.messages is not None:
        parts.append(t("services.messages", n=number(plan.messages)) if plan.messages else t("services.messages_unlimited"))
    if plan.channels:
        parts.append(tn("services.channels", plan.channels))
    return " · ".join(parts)


def plan_header(services: AccountServices) -> None:
    """The plan, and what a month costs with all that is connected."""
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            with st.container(gap=None, width="content"):
                st.markdown(f"**{md(services.plan.name)}**" if services.plan else t("services.no_plan"))
                st.caption(allowances(services))
            colour, icon = STATUS_MARKS[services.status]
            st.badge(t(f"status.{services.status.value}"), color=colour, icon=icon)
        with st.grid(4, min_column_width=150, gap="small"):
            st.metric(t("services.total"), money(services.monthly_kopecks))
            st.metric(t("services.balance"), money(services.balance_kopecks))


def show_truth() -> None:
    """Draw all toggles anew: whatever was pressed, they show what is connected."""
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def option_card(
    services: AccountServices,
    code: str,
    *,
    may_change: bool,
    on_toggle: Callable[[int, str, OrderKind], None],
    on_cancel: Callable[[OrderRow], None],
) -> None:
    """One option: what it is and costs, whether it works, and what is on its way."""
    option, order, connected = services.catalogue[code], services.pending.get(code), code in services.connected
    with st.container(border=True, height="stretch", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", wrap=False):
            st.markdown(f"**{md(option.name)}**", width="stretch")
            st.toggle(
                option.name,
                value=connected,
                key=f"option_{code}_{st.session_state.get(_ROUND, 0)}_{int(connected)}",
                label_visibility="collapsed",
                disabled=not may_change or order is not None,
                on_change=on_toggle,
                args=(services.account_id, code, OrderKind.DISCONNECT if connected else OrderKind.CONNECT),
            )
        st.caption(f"{price(option)} · {md(option.summary)}" if option.summary else price(option))
        if code in services.ends_on:
            st.caption(t("services.works_to", day=day(services.ends_on[code] - timedelta(days=1))))
        if order is None:
            return
        st.space("stretch")
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            word = "services.connects_on" if order.kind is OrderKind.CONNECT else "services.disconnects_on"
            st.badge(t(word, day=day(order.effective_on)), color="orange", icon=":material/schedule:")
            st.button(
                t("services.take_back"),
                key=f"cancel_{order.order_id}",
                type="tertiary",
                on_click=on_cancel,
                args=(order,),
                disabled=not services.right.covers(Right.MANAGE),
            )


def terms(services: AccountServices, option: CatalogueOption, kind: OrderKind, agreed: Quote) -> None:
    """What will happen, exactly: sums, days, and what goes with what."""
    if kind is OrderKind.DISCONNECT:
        facts = {t("services.works_until"): day(agreed.effective_on)}
        if option.facts.monthly_kopecks and option.facts.recurrence is Recurrence.MONTHLY:
            facts[t("services.saves")] = money(option.facts.monthly_kopecks)
        st.table(facts, border="horizontal")
        return
    facts = {t("services.now"): money(agreed.now_kopecks)}
    if agreed.on_bill_kopecks:
        facts[t("services.on_bill")] = money(agreed.on_bill_kopecks)
    if agreed.monthly_kopecks:
        facts[t("services.a_month")] = money(agreed.monthly_kopecks)
    facts[t("services.from")] = tn("services.in_minutes", agreed.minutes) if agreed.minutes else t("services.at_once")
    if agreed.ends_on:
        facts[t("services.until")] = day(agreed.ends_on - timedelta(days=1))
    if agreed.now_kopecks:
        facts[t("services.balance_after")] = money(services.balance_kopecks - agreed.now_kopecks)
    st.table(facts, border="horizontal")
    names = services.catalogue
    excluded = {*option.facts.excludes, *(code for code, other in names.items() if option.facts.code in other.facts.excludes)}
    for word, codes in (("services.excludes", excluded), ("services.needs", option.facts.needs)):
        said = ", ".join(sorted(f"«{md(names[code].name)}»" for code in codes if code in names))
        if said:
            st.caption(t(word, options=said))


def points_note(services: AccountServices, option: CatalogueOption, agreed: Quote, have: int, *, only: bool) -> None:
    """What paying with points would do; `only`: the balance does not suffice, so it is all that is said."""
    needed = points_for_price(agreed.now_kopecks)
    worth = needed * KOPECKS_OF_A_POINT
    if only:
        terms(replace(services, balance_kopecks=services.balance_kopecks + worth), option, OrderKind.CONNECT, agreed)
    st.caption(t("bonus.option.note", points=points(needed), sum=money(worth, exact=False), left=points(have - needed)))


def points_button(agreed: Quote, *, only: bool, on_click: Callable[..., None], args: tuple[object, ...]) -> bool:
    """The choice to pay with points; the primary one when it is the only one."""
    label = t("bonus.option.button", n=number(points_for_price(agreed.now_kopecks)))
    kind: Literal["primary", "secondary"] = "primary" if only else "secondary"
    return st.button(label, type=kind, icon=":material/loyalty:", key="confirm_with_points", on_click=on_click, args=args)


def history(services: AccountServices, time_zone: str) -> None:
    """The newest orders with their states, and why the refused ones were."""
    st.subheader(t("services.orders"), anchor=False)
    with st.container(border=True, gap="small"):
        for order in services.orders:
            colour, icon = ORDER_MARKS[order.state]
            with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
                with st.container(gap=None):
                    said = t(f"services.{order.kind.value}_order", option=md(order.option_name))
                    st.markdown(f"{said} — {t(f'services.reason.{order.reason}')}" if order.reason else said)
                    st.caption(moment(order.placed_at, time_zone))
                st.badge(t(f"orderstate.{order.state.value}"), color=colour, icon=icon)
