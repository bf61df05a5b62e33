"""How a payment goes: asked of the gateway until it is over, never guessed."""

import streamlit as st

from actions.payments import progress
from actions.settlement import Progress
from db import reading
from queries.paying import PaymentView, payment_view
from rules.terms import PaymentState
from rules.visitor import Visitor
from texts import card_number, md, moment, money, t, tn
from ui.widgets.account import account_title
from ui.widgets.pay_form import forget
from ui.widgets.paying import leaves, to_the_bank

ASK_SECONDS = 2.0


def show_payment(visitor: Visitor, payment_id: int) -> None:
    """The page of one payment. Raises NotAllowed for anybody else's."""
    with st.spinner(t("pay.asking")):
        now = progress(visitor=visitor, payment_id=payment_id)
    with reading() as db:
        seen = payment_view(db, visitor=visitor, payment_id=payment_id)
    if now.state is PaymentState.PENDING:
        _pending(visitor, seen, now)
        return
    forget()
    if now.state is PaymentState.SUCCEEDED:
        _succeeded(visitor, seen)
    else:
        _declined(seen)


def _pending(visitor: Visitor, seen: PaymentView, now: Progress) -> None:
    what = f"payment-{seen.payment_id}"
    sum_ = money(seen.amount_kopecks)
    if now.page_url is not None:
        going = leaves(what)
        st.title(t("pay.going_title" if going else "pay.unfinished_title", sum=sum_), anchor=False)
        st.markdown(t("pay.going_text" if going else "pay.unfinished_text"))
        with st.container(horizontal=True):
            if st.button(t("pay.to_the_bank"), type="primary", icon=":material/arrow_forward:", key="pay_to_the_bank"):
                going = True
            if seen.biller:
                page, about = "pages/account/utilities.py", {"repeat": str(seen.payment_id)}
                st.page_link(page, label=t("pay.change"), query_params=about)
            else:
                st.button(t("pay.change"), key="pay_change", on_click=_anew, args=(seen,))
        if going:
            to_the_bank(now.page_url, what=what)
    else:
        st.title(t("pay.waiting_title" if now.known else "pay.unknown_title"), anchor=False)
        st.markdown(t("pay.waiting_text" if now.known else "refusal.gateway_down"))
        st.caption(t("pay.waiting_note", sum=sum_))
    _keep_asking(visitor, seen.payment_id, now.page_url)


@st.fragment(run_every=ASK_SECONDS)
def _keep_asking(visitor: Visitor, payment_id: int, page_url: str | None) -> None:
    """Ask again by itself; the page changes as soon as there is news."""
    if st.session_state.get("pay_asked_for") != payment_id:
        st.session_state["pay_asked_for"] = payment_id  # the page has asked just now
        return
    now = progress(visitor=visitor, payment_id=payment_id)
    if now.state is not PaymentState.PENDING or now.page_url != page_url:
        st.session_state.pop("pay_asked_for", None)
        st.rerun()


def _succeeded(visitor: Visitor, seen: PaymentView) -> None:
    st.title(f":green[:material/check_circle:] {t('pay.paid_title', sum=money(seen.amount_kopecks))}", anchor=False)
    with st.container(border=True, gap="small", width=640, key="pay_receipt"):
        if seen.biller:
            st.markdown(f"**{md(seen.biller)}**")
        for part in seen.parts:
            with st.container(gap=None):
                with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                    st.markdown(account_title(part.label, part.service), width="content")
                    st.markdown(money(part.amount_kopecks), width="content")
                if part.balance_kopecks is not None:
                    st.caption(t("pay.balance_now", balance=money(part.balance_kopecks)))
        if seen.points:
            st.markdown(f":violet[:material/loyalty: {tn('pay.points', seen.points)}]")
        if seen.refunded_kopecks:
            st.markdown(f":orange[:material/undo: {t('pay.refunded', sum=money(seen.refunded_kopecks))}]")
        said = [moment(seen.settled_at or seen.created_at, visitor.time_zone), _method(seen), t("pay.commission_zero")]
        st.caption(" · ".join(filter(None, said)))
    if seen.receipt_to:
        st.markdown(t("pay.receipt_sent", email=md(seen.receipt_to)))
    with st.container(horizontal=True, vertical_alignment="center"):
        receipt = f"/documents/receipt/{seen.payment_id}.pdf"
        st.link_button(t("pay.receipt"), receipt, icon=":material/download:", key="pay_receipt_link")
        st.page_link("pages/account/home.py", label=t("pay.to_home"), icon=":material/home:", width="content")
        if seen.biller:
            st.page_link("pages/account/utilities.py", label=t("pay.to_utilities"), icon=":material/home_work:", width="content")
        if seen.parts:
            about = {"account": str(seen.parts[0].account_id)}
            label = t("pay.set_autopay")
            st.page_link(
                "pages/account/autopay.py", label=label, icon=":material/autorenew:", width="content", query_params=about
            )


def _declined(seen: PaymentView) -> None:
    st.title(f":red[:material/cancel:] {t('pay.declined_title')}", anchor=False)
    reason = seen.reason.value if seen.reason is not None else "bank_refused"
    st.markdown(t(f"pay.declined.{reason}"))
    st.caption(" · ".join(filter(None, (t("pay.not_charged", sum=money(seen.amount_kopecks)), _method(seen)))))
    if seen.biller:
        page, about = "pages/account/utilities.py", {"repeat": str(seen.payment_id)}
        st.page_link(page, label=t("pay.try_again"), icon=":material/replay:", query_params=about)
    else:
        st.button(t("pay.try_again"), type="primary", icon=":material/replay:", key="pay_try_again", on_click=_anew, args=(seen,))


def _method(seen: PaymentView) -> str:
    if seen.card is None:
        return ""
    brand, last_four = seen.card
    return card_number(brand.value, last_four)


def _anew(seen: PaymentView) -> None:
    """Back to the form as it was: the same accounts, sums and card; a callback."""
    forget()
    st.query_params.clear()
    st.query_params["again"] = str(seen.payment_id)
