"""Here a person sees what they pay for on an account, and switches options on and off."""

import secrets
from collections import defaultdict

import streamlit as st

import clock
from actions.bonus import connect_with_points, quote_with_points
from actions.orders import Placed, Quote, cancel_order, place_order, quote
from db import reading
from queries.accounts import AttachedAccount, attached_accounts
from queries.bonus import open_lots
from queries.options import AccountServices, CatalogueOption, OrderRow, account_services
from rules.refusals import Refusal
from rules.terms import AccountStatus, OrderKind, OrderState, Right
from rules.visitor import Visitor
from texts import md, sentence, t
from ui.widgets.account_picker import pick_account
from ui.widgets.feedback import act, refused_here, toast
from ui.widgets.services import history, option_card, plan_header, points_button, points_note, show_truth, terms
from ui.widgets.session import signed_in

ASKED = "_services_asked"
"""The order being confirmed: account, option's code, kind, and the key that makes a double click one order."""


def ask(account_id: int, code: str, kind: OrderKind) -> None:
    """Open the confirmation; the toggle goes back to the truth at once."""
    st.session_state[ASKED] = (account_id, code, kind, secrets.token_hex(16))
    show_truth()


def forget_asked() -> None:
    st.session_state.pop(ASKED, None)


def confirm(account_id: int, option: CatalogueOption, kind: OrderKind, agreed: Quote, key: str) -> None:
    """Order it. A refusal stays in the dialog, which shows the terms as they are now."""
    placed = act(
        place_order,
        place="order",
        account_id=account_id,
        option_id=option.option_id,
        kind=kind,
        confirmed_kopecks=agreed.first_kopecks,
        key=key,
    )
    _told(placed, option, kind)


def confirm_with_points(account_id: int, option: CatalogueOption, agreed: Quote, key: str) -> None:
    """Connect it and pay with points. A refusal stays in the dialog, as above."""
    placed = act(
        connect_with_points,
        place="order",
        account_id=account_id,
        option_id=option.option_id,
        confirmed_kopecks=agreed.first_kopecks,
        key=key,
    )
    _told(placed, option, OrderKind.CONNECT)


def _told(placed: Placed | None, option: CatalogueOption, kind: OrderKind) -> None:
    if placed is not None:
        forget_asked()
        done = placed.state is OrderState.DONE
        toast(f"services.{kind.value}_{'done' if done else 'accepted'}", option=option.name)


def take_back(order: OrderRow) -> None:
    act(cancel_order, place="services", done="services.cancelled", order_id=order.order_id)


def points_for(services: AccountServices, option: CatalogueOption, kind: OrderKind) -> tuple[int, Quote | None]:
    """The person's points, and the price when they can pay it."""
    visitor = signed_in()
    with reading() as db:
        lots = open_lots(db, visitor=visitor, today=clock.today(visitor.time_zone))
    have = sum(lot.remaining for lot in lots)
    if kind is not OrderKind.CONNECT or not have:
        return have, None
    try:
        return have, quote_with_points(services, option, points=have, today=clock.today(services.time_zone))
    except Refusal:
        return have, None


def confirmation(services: AccountServices, code: str, kind: OrderKind, key: str) -> None:
    """What will happen, exactly, before it does."""
    option = services.catalogue[code]
    today = clock.today(services.time_zone)

    @st.dialog(t(f"services.{kind.value}_title", option=md(option.name)), on_dismiss=forget_asked)
    def show() -> None:
        have, by_points = points_for(services, option, kind)
        agreed = None
        try:
            agreed = quote(services, option, kind, today)
        except Refusal as refusal:
            st.error(md(sentence(refusal)), icon=":material/error:")
        refused_here("order")
        if agreed is not None:
            terms(services, option, kind, agreed)
        if by_points is not None:
            points_note(services, option, by_points, have, only=agreed is None)
        with st.container(horizontal=True, gap="small"):
            pressed = False
            if agreed is not None:
                given = (services.account_id, option, kind, agreed, key)
                pressed = st.button(
                    t(f"services.{kind.value}"), type="primary", key="confirm_order", on_click=confirm, args=given
                )  # fmt: skip
            if by_points is not None:
                given_points = (services.account_id, option, by_points, key)
                pressed |= points_button(by_points, only=agreed is None, on_click=confirm_with_points, args=given_points)
            if pressed and ASKED not in st.session_state:  # a refusal stays here to be read
                st.rerun()
            closing = t("common.close") if agreed is None and by_points is None else t("common.cancel")
            if st.button(closing, key="close_order", on_click=forget_asked):
                st.rerun()

    show()


def shown(account: AttachedAccount, visitor: Visitor) -> None:
    """All of one account: plan, options by group, orders, and the confirmation that is open."""
    with reading() as db:
        services = account_services(db, visitor=visitor, account_id=account.account_id, today=clock.today(account.time_zone))
    plan_header(services)
    refused_here("services")
    may_manage, works = services.right.covers(Right.MANAGE), services.status is AccountStatus.ACTIVE
    if not may_manage:
        st.info(t("services.view_only", right=t(f"right.{services.right.value}")), icon=":material/visibility:")
    elif not works:
        st.info(t("refusal.account_not_active"), icon=":material/info:")
    groups: dict[str, list[str]] = defaultdict(list)
    for code, option in services.catalogue.items():
        if not option.facts.regions or services.region_code in option.facts.regions or code in services.connected:
            groups[option.facts.group.value].append(code)
    for group, codes in groups.items():
        st.subheader(t(f"optiongroup.{group}"), anchor=False)
        with st.grid(3, min_column_width=300, gap="small"):
            for code in codes:
                option_card(services, code, may_change=may_manage and works, on_toggle=ask, on_cancel=take_back)
    if services.orders:
        history(services, visitor.time_zone)
    asked = st.session_state.get(ASKED)
    if asked is not None and asked[0] == account.account_id and asked[1] in services.catalogue:
        confirmation(services, *asked[1:])


visitor = signed_in()
with reading() as db:
    accounts = attached_accounts(db, visitor=visitor)

st.title(t("screen.services"), anchor=False)
if accounts:
    shown(pick_account(accounts), visitor)
else:
    st.markdown(t("services.empty"))
    if st.button(t("accounts.attach_title"), type="primary", icon=":material/add:", key="attach_first"):
        st.switch_page("pages/account/accounts.py")
