"""What a person wants to be told of: two switches for each event, and the bills of each account by e-mail."""

from collections.abc import Sequence

import streamlit as st

from actions.notices import choose_bill_delivery, choose_notice
from queries.notices import BillDelivery, Choices
from rules.notices import ALWAYS_TOLD
from rules.numbers import format_account_number
from rules.terms import NoticeEvent, Right
from texts import md, t
from ui.widgets.account import ICONS, account_name
from ui.widgets.feedback import act, refused_here

_GROUPS: dict[str, tuple[NoticeEvent, ...]] = {
    "balance": (NoticeEvent.LOW_BALANCE, NoticeEvent.DAYS_LEFT),
    "autopay": (
        NoticeEvent.AUTOPAY_AHEAD,
        NoticeEvent.AUTOPAY_DONE,
        NoticeEvent.AUTOPAY_FAILED,
        NoticeEvent.CARD_EXPIRES,
    ),
    "services": (NoticeEvent.ORDER_DONE, NoticeEvent.BLOCKED, NoticeEvent.RESUMED),
    "security": (NoticeEvent.SIGN_IN,),
    "bills": (NoticeEvent.MONTHLY, NoticeEvent.BILL),
}

# Two columns of switches under one another at a desk; on a phone they stand under their text. Constants only.
_STYLE = """<style>
[class*="st-key-choice_"] { row-gap: .35rem }
[class*="st-key-choice_"] > div:first-child { flex: 1 1 15rem; min-width: min(100%, 15rem) }
[class*="st-key-choice_"] [data-testid="stCheckbox"] { width: 8.5rem }
[class*="st-key-choice_"] [data-testid="stCheckbox"] p { white-space: nowrap }
</style>"""


def show(chosen: Choices, bills: Sequence[BillDelivery]) -> None:
    """Everything that can be chosen; each switch is kept at once."""
    st.html(_STYLE)
    where = f" {t('notices.goes_to', email=md(chosen.email))}" if chosen.email else ""
    st.caption(t("notices.choices_what") + where)
    if not chosen.email:
        st.warning(t("notices.no_email"), icon=":material/mail_off:")
    left, right = st.columns(2, gap="medium")
    with left:
        for group in ("balance", "autopay"):
            _group(group, chosen)
    with right:
        for group in ("services", "security", "bills"):
            _group(group, chosen)
    if bills:
        _bills(bills, by_email=chosen.by_event[NoticeEvent.BILL][1])


def _group(group: str, chosen: Choices) -> None:
    with st.container(border=True, key=f"choices_{group}"):
        st.subheader(t(f"notices.group.{group}"), anchor=False)
        for event in _GROUPS[group]:
            _event(event, *chosen.by_event[event])


def _event(event: NoticeEvent, in_cabinet: bool, by_email: bool) -> None:
    """One event. Of what a person must learn the last switch stays on, and says why."""
    needed = event in ALWAYS_TOLD
    with st.container(horizontal=True, gap="medium", vertical_alignment="center", key=f"choice_{event.value}"):
        with st.container(gap=None):
            st.markdown(t(f"noticeevent.{event.value}"))
            st.caption(t(f"notices.means.{event.value}"))
        for way, on, other in (("in_cabinet", in_cabinet, by_email), ("by_email", by_email, in_cabinet)):
            key = f"notice_{way}_{event.value}"
            st.session_state[key] = on
            last = needed and on and not other
            st.toggle(
                t(f"notices.{way}"),
                key=key,
                disabled=last,
                help=t("notices.needed") if last else None,
                on_change=_choose,
                args=(event,),
            )
    refused_here(f"choice_{event.value}")


def _choose(event: NoticeEvent) -> None:
    ways = {way: st.session_state[f"notice_{way}_{event.value}"] for way in ("in_cabinet", "by_email")}
    act(choose_notice, place=f"choice_{event.value}", done="notices.kept", event=event, **ways)


def _bills(bills: Sequence[BillDelivery], *, by_email: bool) -> None:
    """One switch an account; all are off where no letter of a bill comes at all."""
    with st.container(border=True, key="choices_delivery"):
        st.subheader(t("notices.bills_title"), anchor=False)
        st.caption(t("notices.bills_what"))
        with st.grid(3, min_column_width=240, gap="small"):
            for bill in bills:
                _delivery(bill, on=bill.on and by_email)


def _delivery(bill: BillDelivery, *, on: bool) -> None:
    may = bill.right.covers(Right.PAY)
    with st.container(gap=None):
        key = f"bill_by_email_{bill.account_id}"
        st.session_state[key] = on
        label = f"{ICONS[bill.service]} {md(account_name(bill.label, bill.service))}"
        st.toggle(label, key=key, disabled=not may, on_change=_deliver, args=(bill.account_id,))
        number = t("accounts.number_is", number=format_account_number(bill.number))
        st.caption(number if may else f"{number}. {t('notices.bills_view_only')}")
        refused_here(f"bill_delivery_{bill.account_id}")


def _deliver(account_id: int) -> None:
    on = st.session_state[f"bill_by_email_{account_id}"]
    done = "notices.bills_on" if on else "notices.bills_off"
    act(choose_bill_delivery, place=f"bill_delivery_{account_id}", done=done, account_id=account_id, on=on)
