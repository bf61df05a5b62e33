"""Here a person sees what they pay for on an account, and switches options on and off."""

import secrets
from collections import defaultdict

import streamlit as st

import clock
from actions.orders import Quote, cancel_order, place_order, quote
from db import reading
from queries.accounts import AttachedAccount, attached_accounts
from queries.options import AccountServices, CatalogueOption, OrderRow, account_services
from rules.refusals import Refusal
from rules.terms import OrderKind, OrderState, Recurrence, Right
from texts import day, md, moment, money, number, sentence, t, tn
from ui.widgets.account import STATUS_MARKS, Colour, account_name
from ui.widgets.feedback import act, refused_here, toast
from ui.widgets.session import signed_in

ASKED = "_services_asked"
ORDER_MARKS: dict[OrderState, tuple[Colour, str]] = {
    OrderState.ACCEPTED: ("orange", ":material/schedule:"),
    OrderState.IN_PROGRESS: ("orange", ":material/autorenew:"),
    OrderState.DONE: ("green", ":material/check_circle:"),
    OrderState.REFUSED: ("red", ":material/error:"),
    OrderState.CANCELLED: ("gray", ":material/cancel:"),
}


def ask(code: str, kind: OrderKind) -> None:
    """Open the confirmation; the toggle goes back to the truth until an order is done."""
    st.session_state[ASKED] = (code, kind, secrets.token_hex(16))


def forget_asked() -> None:
    st.session_state.pop(ASKED, None)


def confirm(account_id: int, option: CatalogueOption, kind: OrderKind, agreed: Quote, key: str) -> None:
    placed = act(
        place_order,
        place="services",
        account_id=account_id,
        option_id=option.option_id,
        kind=kind,
        confirmed_kopecks=agreed.now_kopecks,
        key=key,
    )
    forget_asked()
    if placed is not None:
        done = placed.state is OrderState.DONE
        toast(f"services.{kind.value}_{'done' if done else 'accepted'}", option=option.name)


def cancel(order: OrderRow) -> None:
    act(cancel_order, place="services", done="services.cancelled", order_id=order.order_id)


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
    if plan.messages:
        parts.append(t("services.messages", n=number(plan.messages)))
    if plan.channels:
        parts.append(tn("services.channels", plan.channels))
    return " · ".join(parts)


def plan_header(services: AccountServices) -> None:
    options = sum(services.catalogue[code].facts.monthly_kopecks for code in services.connected if code in services.catalogue)
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            with st.container(gap=None, width="content"):
                st.markdown(f"**{md(services.plan.name)}**" if services.plan else t("services.no_plan"))
                st.caption(allowances(services))
            colour, icon = STATUS_MARKS[services.status]
            st.badge(t(f"status.{services.status.value}"), color=colour, icon=icon)
        fee = services.plan.monthly_kopecks if services.plan else 0
        st.markdown(t("services.total", sum=money(fee + options), balance=money(services.balance_kopecks)))


def option_card(services: AccountServices, code: str, option: CatalogueOption, may_manage: bool) -> None:
    connected, order = code in services.connected, services.pending.get(code)
    with st.container(border=True, height="stretch", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{md(option.name)}**", width="stretch")
            kind = OrderKind.DISCONNECT if connected else OrderKind.CONNECT
            # A key with the state in it: after a cancelled confirmation the toggle shows the truth again.
            st.toggle(
                option.name,
                value=connected,
                key=f"option_{code}_{connected}_{st.session_state.get('_services_round', 0)}",
                label_visibility="collapsed",
                disabled=not may_manage or order is not None,
                on_change=ask,
                args=(code, kind),
            )
        st.caption(f"{price(option)} · {md(option.summary)}" if option.summary else price(option))
        if order is not None:
            st.space("stretch")
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                word = "services.connects_on" if order.kind is OrderKind.CONNECT else "services.disconnects_on"
                st.badge(t(word, day=day(order.effective_on)), color="orange", icon=":material/schedule:")
                st.button(
                    t("common.cancel"),
                    key=f"cancel_{order.order_id}",
                    type="tertiary",
                    on_click=cancel,
                    args=(order,),
                    disabled=not may_manage,
                )


def confirmation(services: AccountServices, code: str, kind: OrderKind, key: str) -> None:
    """What will happen, exactly, before it does."""
    option = services.catalogue[code]

    @st.dialog(t(f"services.{kind.value}_title", option=md(option.name)), on_dismiss=closed)
    def show() -> None:
        today = clock.today(services.time_zone)
        try:
            agreed = quote(services, option, kind, today)
        except Refusal as refusal:
            st.error(md(sentence(refusal)), icon=":material/error:")
            if st.button(t("common.close"), key="close_order", on_click=closed):
                st.rerun()
            return
        if kind is OrderKind.CONNECT:
            facts = {t("services.now"): money(agreed.now_kopecks)}
            if agreed.on_bill_kopecks:
                facts[t("services.on_bill")] = money(agreed.on_bill_kopecks)
            if agreed.monthly_kopecks:
                facts[t("services.a_month")] = money(agreed.monthly_kopecks)
            facts[t("services.from")] = tn("services.in_minutes", agreed.minutes) if agreed.minutes else t("services.at_once")
            if agreed.ends_on:
                facts[t("services.until")] = day(agreed.ends_on)
            if agreed.now_kopecks:
                facts[t("services.balance_after")] = money(services.balance_kopecks - agreed.now_kopecks)
        else:
            at_once = agreed.effective_on <= today
            facts = {t("services.works_until"): t("services.at_once") if at_once else day(agreed.effective_on)}
            if option.facts.monthly_kopecks and option.facts.recurrence is Recurrence.MONTHLY:
                facts[t("services.saves")] = money(option.facts.monthly_kopecks)
        st.table(facts, border="horizontal")
        names = services.catalogue
        for word, codes in (("services.excludes", option.facts.excludes), ("services.needs", option.facts.needs)):
            if codes and kind is OrderKind.CONNECT:
                st.caption(t(word, options=", ".join(sorted(md(names[c].name) for c in codes if c in names))))
        with st.container(horizontal=True, gap="small"):
            given = (services.account_id, option, kind, agreed, key)
            if st.button(t(f"services.{kind.value}"), type="primary", key="confirm_order", on_click=confirm, args=given):
                st.rerun()
            if st.button(t("common.cancel"), key="close_order", on_click=closed):
                st.rerun()

    show()


def closed() -> None:
    forget_asked()
    st.session_state["_services_round"] = st.session_state.get("_services_round", 0) + 1


def history(services: AccountServices, time_zone: str) -> None:
    """The newest orders with their states."""
    st.subheader(t("services.orders"), anchor=False)
    for order in services.orders:
        colour, icon = ORDER_MARKS[order.state]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(t(f"orderstate.{order.state.value}"), color=colour, icon=icon)
            said = t(f"services.{order.kind.value}_order", option=md(order.option_name))
            why = f" — {md(t(f'services.reason.{order.reason}'))}" if order.reason else ""
            st.markdown(said + why, width="content")
            st.caption(moment(order.placed_at, time_zone), width="content")


visitor = signed_in()
with reading() as db:
    accounts = attached_accounts(db, visitor=visitor)

st.title(t("screen.services"), anchor=False)
if not accounts:
    st.markdown(t("services.empty"))
    st.page_link("pages/account/accounts.py", label=t("accounts.attach_title"), icon=":material/add:")
    st.stop()

by_id: dict[str, AttachedAccount] = {str(account.account_id): account for account in accounts}
chosen = st.selectbox(
    t("common.account"),
    list(by_id),
    format_func=lambda id_: f"{account_name(by_id[id_].label, by_id[id_].service)} · {by_id[id_].holder}",
    key="account",
    bind="query-params",
    width=420,
)
account = by_id.get(chosen or "", accounts[0])
with reading() as db:
    services = account_services(db, visitor=visitor, account_id=account.account_id, today=clock.today(visitor.time_zone))
may_manage = services.right.covers(Right.MANAGE)

plan_header(services)
refused_here("services")
if not may_manage:
    st.info(t("services.view_only", right=t(f"right.{services.right.value}")), icon=":material/visibility:")
groups: dict[str, list[tuple[str, CatalogueOption]]] = defaultdict(list)
for code, option in services.catalogue.items():
    if not option.facts.regions or services.region_code in option.facts.regions or code in services.connected:
        groups[option.facts.group.value].append((code, option))
for group, options in groups.items():
    st.subheader(t(f"optiongroup.{group}"), anchor=False)
    with st.grid(3, min_column_width=300, gap="small"):
        for code, option in options:
            option_card(services, code, option, may_manage)
if services.orders:
    history(services, visitor.time_zone)
asked = st.session_state.get(ASKED)
if asked is not None and asked[0] in services.catalogue:
    confirmation(services, *asked)
