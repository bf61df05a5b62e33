"""The form that pays accounts: which ones, how much each, from which card."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from actions import perform
from actions.payments import begin_payment
from queries.cards import Card
from queries.home import AccountCard
from queries.paying import PaymentView
from rules.payments import check_amount, read_amount, suggested
from rules.refusals import AmountOutOfRange, ChangedAtTheClick, NothingToPay, PaidJustNow, PaymentUnderWay, Refusal
from rules.terms import AccountStatus, BillingMode, Right
from settings import operator
from texts import as_typed, day, md, money, t
from ui.widgets.account import account_name, account_title
from ui.widgets.feedback import refuse, refused_here, wrong_here
from ui.widgets.paying import Choice, card_fields, choice_of, choose, fields, method_field, return_url, will_leave
from ui.widgets.session import signed_in

_NONCE, _AGAIN, _TRIED = "_pay_nonce", "_pay_again", "_pay_tried"


def payable(accounts: Sequence[AccountCard]) -> list[AccountCard]:
    """The accounts that the person may pay."""
    return [card for card in accounts if card.right.covers(Right.PAY) and card.status is not AccountStatus.CLOSED]


def wanted(card: AccountCard) -> int:
    """What is suggested for an account, in kopecks; 0: nothing."""
    return suggested(due=card.due, runway=card.runway, balance_kopecks=card.balance_kopecks)


def begin(
    accounts: Sequence[AccountCard], cards: Sequence[Card], asked: int | None, repeated: PaymentView | None, today: date
) -> None:
    """Fill the form when it is opened: as the payment that is made again was, else the account it was opened for, else those
    that owe, else the first."""
    opened_for = (asked, repeated.payment_id if repeated is not None else None)
    is_shown = f"pay_sum_{accounts[0].account_id}" in st.session_state
    if st.session_state.get(_NONCE) and st.session_state.get("pay_opened_for") == opened_for and is_shown:
        return
    st.session_state[_NONCE], st.session_state["pay_opened_for"] = uuid.uuid4().hex, opened_for
    for name in (_AGAIN, _TRIED):
        st.session_state.pop(name, None)
    choose(choice_of(repeated) if repeated is not None else None, cards, today, "pay")
    sums = {part.account_id: part.amount_kopecks for part in repeated.parts} if repeated is not None else {}
    if repeated is not None and sums.keys() & {card.account_id for card in accounts}:
        for card in accounts:
            sum_ = sums.get(card.account_id, 0)
            st.session_state[f"pay_on_{card.account_id}"] = sum_ > 0
            st.session_state[f"pay_sum_{card.account_id}"] = as_typed(sum_ or wanted(card))
        return
    owing = {card.account_id for card in accounts if card.due.amount_kopecks}
    chosen = {asked} if asked is not None else owing or {accounts[0].account_id}
    for card in accounts:
        st.session_state[f"pay_on_{card.account_id}"] = card.account_id in chosen
        st.session_state[f"pay_sum_{card.account_id}"] = as_typed(_first_sum(card, alone=len(chosen) == 1))


def forget() -> None:
    """The next form begins anew; called when a payment is over."""
    for name in (_NONCE, _AGAIN, _TRIED):
        st.session_state.pop(name, None)


def _first_sum(card: AccountCard, *, alone: bool) -> int:
    """A sum that can be paid as it stands: alone, at least the least of a payment."""
    sum_ = wanted(card)
    return max(sum_, operator().payments.least_kopecks) if sum_ and alone else sum_


def form(accounts: Sequence[AccountCard], cards: Sequence[Card], today: date) -> None:
    """The whole form, ending in the one button."""
    several = len(accounts) > 1
    if several:
        st.caption(t("pay.choose"))
    parts: dict[int, int] = {}
    wrong: list[Refusal] = []
    empty: set[int] = set()
    alone = not several or sum(bool(st.session_state[f"pay_on_{card.account_id}"]) for card in accounts) == 1
    left, right = st.columns([3, 2], gap="large")
    with left, st.container(gap="small"):
        for card in accounts:
            with st.container(border=True, gap="xsmall", key=f"pay_row_{card.account_id}"):
                _row(card, several, alone, today, parts, wrong, empty)
    with right:
        choice = method_field(cards, today, "pay")
        st.space("small")
        total = sum(parts.values())
        st.metric(t("pay.total"), money(total))
        if total and not wrong:
            try:
                check_amount(total, terms=operator().payments)
            except AmountOutOfRange as refusal:
                wrong.append(refusal)
                wrong_here(refusal)
        refused_here("pay")
        again = st.session_state.get(_AGAIN, False)
        said = money(total, exact=False)
        label = t("pay.again" if again else "pay.button", sum=said) if total else t("pay.button_empty")
        st.button(label, type="primary", icon=":material/lock:", key="pay_now", width="stretch", on_click=_pay,
                  args=(parts, tuple(wrong), frozenset(empty), choice, again, _fields(accounts)))  # fmt: skip
        st.caption(t("pay.no_commission"))


def _row(
    card: AccountCard,
    several: bool,
    alone: bool,
    today: date,
    parts: dict[int, int],
    wrong: list[Refusal],
    empty: set[int],
) -> None:
    """One account: chosen or not, what falls due, how much to pay. Fills in `parts`, or `wrong`, or `empty`.

    `alone`: it is the only one chosen, so its sum is the payment's, and what is wrong with that is said here.
    """
    id_ = card.account_id
    what, how_much = st.columns([3, 2], vertical_alignment="center", gap="small")
    with what, st.container(gap=None):
        if several:
            chosen = st.checkbox(account_title(card.label, card.service), key=f"pay_on_{id_}")
        else:
            chosen = True
            st.markdown(account_title(card.label, card.service))
        st.caption(_standing(card, today))
    with how_much:
        typed = st.text_input(
            t("pay.sum_for", account=account_name(card.label, card.service)),
            key=f"pay_sum_{id_}",
            placeholder=t("pay.sum_placeholder"),
            label_visibility="collapsed",
            disabled=not chosen,
            icon=":material/currency_ruble:",
            autocomplete="off",
            live=True,
        )
        if chosen and not typed:
            empty.add(id_)
            if st.session_state.get(_TRIED):
                wrong_here(t("pay.sum_missing"))
        elif chosen:
            try:
                parts[id_] = read_amount(typed)
                if alone:
                    check_amount(parts[id_], terms=operator().payments)
            except Refusal as refusal:
                wrong.append(refusal)
                wrong_here(refusal)


def _standing(card: AccountCard, today: date) -> str:
    said = [] if card.is_own else [md(card.holder)]
    if card.due.overdue_kopecks:
        said.append(t("pay.overdue", sum=money(card.due.amount_kopecks)))
    elif card.due.amount_kopecks and card.mode is BillingMode.PREPAID:
        said.append(t("pay.below_zero", sum=money(card.due.amount_kopecks)))
    elif card.due.amount_kopecks and card.due.due_on:
        said.append(t("pay.due", sum=money(card.due.amount_kopecks), day=day(card.due.due_on, this_year=today.year)))
    elif wanted(card):
        on = day(card.runway.next_charge_on, this_year=today.year)
        said.append(t("pay.lacks", sum=money(wanted(card)), day=on))
    else:
        said.append(t("pay.nothing_due", balance=money(card.balance_kopecks)))
    return " · ".join(said)


def _fields(accounts: Sequence[AccountCard]) -> dict[str, Any]:
    """All that decides what is charged, and from where, as it stands."""
    return fields(*(f"pay_{what}_{card.account_id}" for what in ("on", "sum") for card in accounts), *card_fields("pay"))


def _pay(
    parts: Mapping[int, int],
    wrong: Sequence[Refusal],
    empty: frozenset[int],
    choice: Choice,
    again: bool,
    shown: Mapping[str, Any],
) -> None:
    """Begin the payment; a callback. The key belongs to this form and this content: a second click is the same payment.

    `shown`: the fields as they stood when the button was drawn. What was typed since is shown first, then charged.
    """
    st.session_state.pop(_AGAIN, None)
    st.session_state[_TRIED] = bool(empty)
    if fields(*shown) != shown:
        refuse("pay", ChangedAtTheClick())
        return
    if wrong:
        refuse("pay", wrong[0])
        return
    if not parts:
        refuse("pay", NothingToPay())
        return
    if empty:
        return  # said at each field
    content = f"{sorted(parts.items())} {choice} {again}"
    key = uuid.uuid5(uuid.UUID(st.session_state[_NONCE]), content).hex
    try:
        begun = perform(
            begin_payment,
            visitor=signed_in(),
            parts=dict(parts),
            key=key,
            card_id=choice.card_id,
            keep_card=choice.keep_card,
            return_url=return_url(),
            again=again,
        )
    except (PaidJustNow, PaymentUnderWay) as refusal:
        st.session_state[_AGAIN] = True
        refuse("pay", refusal)
    except Refusal as refusal:
        refuse("pay", refusal)
    else:
        will_leave(f"payment-{begun.payment_id}")
        st.query_params.clear()
        st.query_params["payment"] = str(begun.payment_id)
