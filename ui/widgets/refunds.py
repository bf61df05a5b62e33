"""Giving money back: a payment is found and opened, a form for each of its accounts, a question, and how it goes."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from actions import perform
from actions.refunds import LONGEST_REASON, begin_refund, look_up_payments, payment_asked_about, refund_progress
from queries.refunds import MOST_FOUND, FoundPayment, OpenedPayment, PartRow, RefundRow, Stuck
from rules.numbers import format_account_number
from rules.payments import read_amount
from rules.refusals import (
    FieldWrong,
    LooksLikeCard,
    ReasonMissing,
    RefundTooMuch,
    Refusal,
)
from rules.terms import Language, PaymentMethod, PaymentState
from rules.visitor import Visitor
from settings import operator
from texts import as_typed, card_number, md, moment, money, points, speaking, t, tn
from ui.widgets.account import ICONS, Colour
from ui.widgets.address import number_in
from ui.widgets.feedback import refuse, refused_here, toast, wrong_here
from ui.widgets.session import signed_in

ASK_SECONDS = 2.0
A_PAGE = 10
QUICK = ("wrong_account", "twice", "not_rendered", "asked_for")
"""Reasons that are given again and again; written in the payer's language."""
STATES: dict[str, PaymentState | None] = {"all": None, **{state.value: state for state in PaymentState}}
MARKS: dict[PaymentState, tuple[Colour, str]] = {
    PaymentState.SUCCEEDED: ("green", ":material/check_circle:"),
    PaymentState.PENDING: ("orange", ":material/schedule:"),
    PaymentState.DECLINED: ("red", ":material/error:"),
}
TROUBLES = {
    "no answer": "refunds.trouble.no_answer",
    "the gateway speaks of another sum or key": "refunds.trouble.other",
    "refused by the gateway": "refunds.trouble.refused",
    "never reached the gateway": "refunds.trouble.never",
    "declined by the bank": "refunds.trouble.declined",
}
_SOUGHT, _FOUND, _PAGE, _OPENED = "_refunds_sought", "_refunds_found", "_refunds_page", "_refunds_opened"
_FORM, _ASKED, _WRONG = "_refund_form", "_refund_asked", "_refund_wrong"


@dataclass(frozen=True, slots=True)
class Form:
    """The one form that is open. Its nonce makes the keys: a second click on it is the same refund."""

    payment_id: int
    account_id: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form was sent with, and is asked about."""

    kopecks: int
    reason: str


# --- finding ------------------------------------------------------------------------------------------
def search() -> None:
    """The field that finds payments, and the state they are in."""
    with st.form("refunds_search", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.text_input(
                t("refunds.wanted"), key="refunds_wanted", placeholder=t("refunds.wanted_example"), autocomplete="off", width=520
            )
            st.form_submit_button(
                t("refunds.find"),
                type="secondary" if _FORM in st.session_state else "primary",  # then giving back is what the page is for
                icon=":material/search:",
                key="refunds_find",
                on_click=_look_up,
            )
        _wrong_here("wanted")


def found_ids() -> tuple[int, ...] | None:
    """What the last look-up found; None before the first."""
    found: tuple[int, ...] | None = st.session_state.get(_FOUND)
    return found


def _look_up() -> None:
    """Look for what is in the field; a callback."""
    _find(st.session_state.get("refunds_wanted", ""), st.session_state.get("refunds_state", "all"))


def _narrow() -> None:
    """Look for the same in another state; a callback."""
    _find(st.session_state[_SOUGHT][0], st.session_state.get("refunds_state", "all"))


def _find(wanted: str, state: str = "all") -> None:
    close()
    for key in (_FOUND, _PAGE):
        st.session_state.pop(key, None)
    st.session_state[_SOUGHT] = (wanted, state)
    try:
        found = perform(look_up_payments, visitor=signed_in(), wanted=wanted, state=STATES[state])
    except FieldWrong as refusal:
        st.session_state[_WRONG] = {"wanted": refusal}
        return
    st.session_state[_FOUND] = found
    st.session_state["refunds_round"] = st.session_state.get("refunds_round", 0) + 1
    if len(found) == 1 and state == "all":
        _open(found[0])


def open_from_address() -> int | None:
    """The payment that is open. A link to one looks it up, once; what the address does not say is closed."""
    wanted = number_in("payment")
    if wanted != st.session_state.get(_OPENED):
        if wanted is None:
            close()
        else:
            _find(str(wanted))
    shown: int | None = st.session_state.get(_OPENED)
    return shown


def _open(payment_id: int) -> None:
    _leave_form()
    st.session_state[_OPENED] = payment_id
    st.query_params["payment"] = str(payment_id)


def close() -> None:
    """Back to what was found; also a callback."""
    _leave_form()
    st.session_state.pop(_OPENED, None)
    st.query_params.pop("payment", None)


def page_of_found(found: Sequence[int]) -> Sequence[int]:
    """The ids on the page that is open, with the filter above and the page numbers to come below them."""
    names = {each: t(f"refunds.state.{each}") for each in STATES}
    st.session_state.setdefault("refunds_state", st.session_state[_SOUGHT][1])  # it was not shown while a payment was open
    st.segmented_control(
        t("refunds.state"), list(names), format_func=names.__getitem__, required=True, key="refunds_state", on_change=_narrow,
        label_visibility="collapsed",
    )  # fmt: skip
    if not found:
        st.info(t("refunds.nothing_found"), icon=":material/search_off:")
        return ()
    st.caption(t("refunds.most_found", n=MOST_FOUND) if len(found) == MOST_FOUND else tn("refunds.found", len(found)))
    page = st.session_state[_PAGE] = st.session_state.get(_page_key(), st.session_state.get(_PAGE, 1))
    return found[(page - 1) * A_PAGE : page * A_PAGE]


def _page_key() -> str:
    return f"refunds_page_{st.session_state.get('refunds_round', 0)}"


def show_found(rows: Sequence[FoundPayment], total: int, visitor: Visitor) -> None:
    """One page of payments, each to be opened."""
    for row in rows:
        what, do = _line(f"refunds_found_{row.payment_id}")
        with what:
            st.markdown(f"**{money(row.amount_kopecks)}** · {md(row.payer) or t('refunds.nobody')}")
            st.caption(_about(row, visitor))
        with do:
            _state(row)
            st.button(t("refunds.open"), key=f"refunds_open_{row.payment_id}", on_click=_open, args=(row.payment_id,))
    if total > A_PAGE:
        with st.container(horizontal_alignment="center"):
            st.pagination(-(-total // A_PAGE), default=st.session_state[_PAGE], key=_page_key())


def _line(key: str) -> "tuple[DeltaGenerator, DeltaGenerator]":
    """A card of one line: what it is, and what to do with it; on a phone one under the other."""
    with st.container(border=True, key=key):
        left, right = st.columns([3, 2], vertical_alignment="center", gap="small")
    return (
        left.container(gap=None),
        right.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"),
    )


def _about(row: FoundPayment, visitor: Visitor) -> str:
    return " · ".join((t("refunds.number", number=row.payment_id), moment(row.created_at, visitor.time_zone), _method(row)))


def _method(row: FoundPayment) -> str:
    said = t(f"refunds.method.{row.method.value}")
    return said if row.card is None else f"{said} {_card(row)}"


def _card(row: FoundPayment) -> str:
    brand, last_four = row.card or (None, "")
    return "" if brand is None else card_number(brand.value, last_four)


def _state(row: FoundPayment) -> None:
    colour, icon = MARKS[row.state]
    said = t(f"refunds.state_of.{row.state.value}")
    if row.pending_kopecks:
        colour, icon, said = "orange", ":material/schedule:", t("refunds.going_back", sum=money(row.pending_kopecks, exact=False))
    elif row.refunded_kopecks:
        whole = row.refunded_kopecks == row.amount_kopecks
        said = t("refunds.gone_back_whole" if whole else "refunds.gone_back", sum=money(row.refunded_kopecks, exact=False))
        colour, icon = "gray", ":material/undo:"
    st.badge(said, color=colour, icon=icon)


# --- one payment --------------------------------------------------------------------------------------
def show_payment(visitor: Visitor, seen: OpenedPayment) -> None:
    """The opened payment: who, how, for which accounts, what went back, and the form that gives back more."""
    row = seen.payment
    several = len(found_ids() or ()) > 1
    st.button(
        t("refunds.to_list" if several else "common.close"), type="tertiary", icon=":material/arrow_back:", key="refunds_close",
        on_click=close,
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(t("refunds.payment", number=row.payment_id, sum=money(row.amount_kopecks)), anchor=False, width="content")
        _state(row)
    who = md(row.payer) or t("refunds.nobody")
    st.markdown(" · ".join((who, moment(seen.settled_at or row.created_at, visitor.time_zone), _method(row))))
    if seen.trouble:
        st.caption(f":material/report: {md(trouble_said(seen.trouble))}")
    refused_here("refund")
    if not seen.can_go_back:
        st.info(md(_why_not(seen)), icon=":material/info:")
    if seen.biller:
        st.markdown(f"**{md(seen.biller)}** · {money(row.amount_kopecks)}")
    for part in seen.parts:
        with st.container(border=True, gap="small", key=f"refund_part_{part.account_id}"):
            _part(visitor, seen, part)
    _question(seen)


def _why_not(seen: OpenedPayment) -> str:
    if seen.payment.state is PaymentState.DECLINED:
        reason = "bank_refused" if seen.decline_reason is None else seen.decline_reason.value
        return t("refunds.declined", reason=t(f"declinereason.{reason}"))
    if seen.payment.state is PaymentState.PENDING:
        return t("refunds.not_over")
    if seen.biller:
        return t("refunds.not_back.biller")
    return t("refunds.not_back.cash" if seen.payment.method is PaymentMethod.CASH else "refunds.not_back.elsewhere")


def trouble_said(trouble: str) -> str:
    """What keeps a payment or refund from its end, in the reader's language; the gateway's own words as they came."""
    head, _, words = trouble.partition(": ")
    said = t(TROUBLES[head]) if head in TROUBLES else head
    return f"{said}: {words}" if words else said


def _part(visitor: Visitor, seen: OpenedPayment, part: PartRow) -> None:
    what, do = st.columns([4, 1], vertical_alignment="center", gap="small")
    with what, st.container(gap=None):
        st.markdown(f"{ICONS[part.service]} **{format_account_number(part.number)}** · {md(part.holder)}")
        told = [t(f"service.{part.service.value}"), money(part.amount_kopecks)]
        if seen.payment.state is PaymentState.SUCCEEDED:
            told[1] = t("refunds.part.paid", sum=told[1])
        if seen.can_go_back:
            told.append(t("refunds.part.left", sum=money(part.left_kopecks)))
        told.append(t("refunds.part.balance", sum=money(part.balance_kopecks)))
        st.caption(" · ".join(told))
    form: Form | None = st.session_state.get(_FORM)
    is_open = form is not None and (form.payment_id, form.account_id) == (seen.payment.payment_id, part.account_id)
    if seen.can_go_back and part.left_kopecks and not is_open:
        with do, st.container(horizontal_alignment="right"):
            st.button(
                t("refunds.begin"), icon=":material/undo:", key=f"refund_begin_{part.account_id}", on_click=_begin,
                args=(seen.payment.payment_id, part),
            )  # fmt: skip
    for refund in part.refunds:
        _refund_row(visitor, refund)
    if seen.can_go_back and is_open and part.left_kopecks:
        _form(seen, part)


def _refund_row(visitor: Visitor, refund: RefundRow) -> None:
    """One refund: how much, why, by whom and where it is. While it is under way it asks for itself."""
    colour, icon = MARKS[refund.state]
    with st.container(gap=None, key=f"refund_{refund.refund_id}"):
        said = t(f"refunds.refund.{refund.state.value}", sum=money(refund.amount_kopecks))
        st.markdown(f":{colour}[{icon} {said}] · {md(refund.reason)}")
        when = moment(refund.settled_at or refund.created_at, visitor.time_zone)
        details = [t("refunds.by", name=md(refund.by)), when]
        if refund.trouble:
            details.append(md(trouble_said(refund.trouble)))
        st.caption(" · ".join(details))
        if refund.state is PaymentState.PENDING:
            _keep_asking(refund.refund_id, refund.amount_kopecks)


@st.fragment(run_every=ASK_SECONDS)
def _keep_asking(refund_id: int, kopecks: int) -> None:
    """Ask the bank by itself, until it has said the last word; then the page changes."""
    with st.spinner(t("pay.asking")):
        now = refund_progress(visitor=signed_in(), refund_id=refund_id)
    if now.state is PaymentState.SUCCEEDED:
        toast("refunds.done", sum=money(kopecks, exact=False))
    if now.state is not PaymentState.PENDING:
        st.rerun()
    st.caption(t("refunds.waiting" if now.known else "refunds.unknown"))


# --- the form -----------------------------------------------------------------------------------------
def _begin(payment_id: int, part: PartRow) -> None:
    _leave_form()
    st.session_state[_FORM] = Form(payment_id, part.account_id, uuid.uuid4().hex)
    st.session_state["refund_sum"] = as_typed(part.left_kopecks)
    st.session_state["refund_reason"] = ""


def _leave_form() -> None:
    for key in (_FORM, _ASKED, _WRONG, "refund_quick"):
        st.session_state.pop(key, None)


def _read_sum(said: str, left_kopecks: int) -> int:
    """Kopecks from what was typed. Raises what `read_amount` raises, and RefundTooMuch."""
    kopecks = read_amount(said)
    if kopecks > left_kopecks:
        raise RefundTooMuch(left_kopecks=left_kopecks)
    return kopecks


def _form(seen: OpenedPayment, part: PartRow) -> None:
    """How much and why; what will happen is said while it is typed."""
    kopecks = None
    how_much, why = st.columns([1, 2], gap="small")
    with how_much, st.container(gap="xsmall"):
        said = st.text_input(
            t("refunds.sum"), key="refund_sum", icon=":material/currency_ruble:", autocomplete="off", live=True,
            help=t("refunds.sum_help", sum=money(part.left_kopecks)),
        )  # fmt: skip
        try:
            kopecks = _read_sum(said, part.left_kopecks)
        except Refusal as refusal:
            wrong_here(refusal)
    with why, st.container(gap="xsmall"):
        st.text_input(
            t("refunds.reason"), key="refund_reason", max_chars=LONGEST_REASON, autocomplete="off", live=True,
            placeholder=t("refunds.reason_example"), help=t("refunds.reason_help"), on_change=_rewritten,
        )  # fmt: skip
        _wrong_here("reason")
        names = {each: t(f"refunds.quick.{each}") for each in QUICK}
        st.pills(
            t("refunds.quick"), list(names), format_func=names.__getitem__, key="refund_quick", label_visibility="collapsed",
            on_change=_quick, args=(seen.language,), wrap=True,
        )  # fmt: skip
    if kopecks is not None:
        st.markdown("\n".join(f"- {fact}" for fact in facts(seen, part, kopecks)))
    with st.container(horizontal=True, gap="small"):
        label = t("refunds.give", sum=money(kopecks, exact=False)) if kopecks else t("refunds.begin")
        st.button(label, type="primary", icon=":material/undo:", key="refund_send", on_click=_ask, args=(part.left_kopecks,))
        st.button(t("common.cancel"), type="tertiary", key="refund_cancel", on_click=_leave_form)


def facts(seen: OpenedPayment, part: PartRow, kopecks: int) -> list[str]:
    """What giving so much back will do, a sentence each; Markdown."""
    after = part.balance_kopecks - kopecks
    card = _card(seen.payment)
    told = [t("refunds.fact.card", card=card) if card else t("refunds.fact.some_card")]
    balance = t("refunds.fact.balance", after=money(after), now=money(part.balance_kopecks))
    told.append(f":orange[:material/warning: {balance} {t('refunds.fact.debt')}]" if after < 0 else balance)
    gone = seen.points.taken_for(kopecks, terms=operator().bonus)
    if gone:
        said = t("refunds.fact.points", points=points(gone))
        missing = gone - seen.points.held
        told.append(f"{said} {t('refunds.fact.owed', points=points(missing))}" if missing > 0 else said)
    elif seen.points.granted:
        told.append(t("refunds.fact.no_points"))
    told.append(t("refunds.fact.letter", email=md(seen.letter_to)) if seen.letter_to else t("refunds.fact.no_letter"))
    return told


def _rewritten() -> None:
    """Own words: no quick reason is chosen any more."""
    st.session_state["refund_quick"] = None


def _quick(spoken: Language) -> None:
    chosen = st.session_state.get("refund_quick")
    if chosen:
        with speaking(spoken):
            st.session_state["refund_reason"] = t(f"refunds.quick.{chosen}.said")


def _wrong_here(field: str) -> None:
    """What is wrong with a field, once."""
    refusal = st.session_state.get(_WRONG, {}).pop(field, None)
    if refusal is not None:
        wrong_here(refusal)


# --- the question -------------------------------------------------------------------------------------
def _ask(left_kopecks: int) -> None:
    """Ask whether to do it, when there is a sum and a reason; a callback."""
    reason = " ".join(st.session_state.get("refund_reason", "").split())
    if not reason:
        st.session_state[_WRONG] = {"reason": ReasonMissing()}
        return
    try:
        kopecks = _read_sum(st.session_state.get("refund_sum", ""), left_kopecks)
    except Refusal:
        return  # said at the field
    st.session_state[_ASKED] = Wish(kopecks, reason)


def _answered() -> None:
    st.session_state.pop(_ASKED, None)


def _question(seen: OpenedPayment) -> None:
    """What will happen, once more, and the answer."""
    form: Form | None = st.session_state.get(_FORM)
    wish: Wish | None = st.session_state.get(_ASKED)
    part = next((part for part in seen.parts if form is not None and part.account_id == form.account_id), None)
    if form is None or wish is None or part is None:
        return

    @st.dialog(t("refunds.question", sum=money(wish.kopecks)), on_dismiss=_answered)
    def ask() -> None:
        st.markdown(
            t(
                "refunds.question_text",
                number=seen.payment.payment_id,
                account=format_account_number(part.number),
                holder=md(part.holder),
            )
        )
        st.markdown("\n".join(f"- {fact}" for fact in facts(seen, part, wish.kopecks)))
        st.markdown(t("refunds.question_reason", reason=md(wish.reason)))
        with st.container(horizontal=True, horizontal_alignment="right"):
            no = st.button(t("common.cancel"), key="refund_no", on_click=_answered)
            yes = st.button(
                t("refunds.give", sum=money(wish.kopecks, exact=False)), type="primary", key="refund_yes", on_click=_give,
                args=(form, wish),
            )  # fmt: skip
        if no or yes:
            st.rerun()

    ask()


def _give(form: Form, wish: Wish) -> None:
    """Begin the refund; the page that shows it asks the bank. The key belongs to this form and this wish."""
    _answered()
    key = uuid.uuid5(uuid.UUID(form.nonce), f"{form.payment_id} {form.account_id} {wish.kopecks} {wish.reason}").hex
    try:
        perform(
            begin_refund,
            visitor=signed_in(),
            payment_id=form.payment_id,
            account_id=form.account_id,
            amount_kopecks=wish.kopecks,
            reason=wish.reason,
            key=key,
        )
    except (ReasonMissing, LooksLikeCard) as refusal:
        st.session_state[_WRONG] = {"reason": refusal}
    except Refusal as refusal:
        refuse("refund", refusal)
    else:
        _leave_form()


# --- what waits ---------------------------------------------------------------------------------------
def show_stuck(stuck: Sequence[Stuck], visitor: Visitor) -> None:
    """Payments and refunds that somebody should look at."""
    st.subheader(t("refunds.stuck"), anchor=False)
    refused_here("stuck")
    if not stuck:
        st.markdown(f":green[:material/check_circle:] {t('refunds.nothing_stuck')}")
        return
    for each in stuck:
        name = f"{each.payment_id}_{each.refund_id or 0}"
        what = "payment" if each.refund_id is None else "refund"
        said, do = _line(f"stuck_{name}")
        with said:
            colour, icon = MARKS[each.state]
            told = t(f"refunds.stuck.{what}.{each.state.value}", sum=money(each.amount_kopecks), number=each.payment_id)
            st.markdown(f":{colour}[{icon}] {told}")
            since = t("refunds.since", moment=moment(each.since, visitor.time_zone))
            st.caption(" · ".join(filter(None, (since, md(trouble_said(each.trouble)) if each.trouble else ""))))
        with do:
            if each.state is PaymentState.PENDING:
                st.button(t("refunds.ask_now"), type="tertiary", key=f"stuck_ask_{name}", on_click=_ask_now, args=(each,))
            st.button(t("refunds.open"), key=f"stuck_open_{name}", on_click=_find, args=(str(each.payment_id),))


def _ask_now(each: Stuck) -> None:
    try:
        if each.refund_id is None:
            over = payment_asked_about(visitor=signed_in(), payment_id=each.payment_id) is not PaymentState.PENDING
        else:
            over = refund_progress(visitor=signed_in(), refund_id=each.refund_id).state is not PaymentState.PENDING
    except Refusal as refusal:
        refuse("stuck", refusal)
    else:
        toast("refunds.over" if over else "refunds.not_yet")
