"""How money is taken from a card, the same on every screen: which card, off to the bank and back, how it went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from queries.cards import Card
from queries.paying import PaymentView
from texts import t
from ui.widgets.autopay import card_names
from ui.widgets.session import site

ANOTHER = 0
"""The choice of a card that is typed at the bank."""
_LEAVING = "_leaving_for_the_bank"

_LEAVE = """
export default function({ data }) {
  if (!data || window.kabinetLeft === data.nonce) return
  window.kabinetLeft = data.nonce
  window.location.assign(data.url)
}
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """The card to charge: a saved one, or (None) one that is typed at the bank and perhaps kept."""

    card_id: int | None
    keep_card: bool


def method_field(cards: Sequence[Card], today: date, key: str) -> Choice:
    """A saved card that works today, the default first, or another one. Without saved cards there is nothing to choose."""
    usable = [card for card in cards if not card.is_expired(today)]
    chosen = ANOTHER
    if usable:
        names = {**card_names(usable), ANOTHER: t("pay.another_card")}
        chosen = st.radio(t("pay.method"), list(names), format_func=names.__getitem__, key=f"{key}_card")
    if chosen != ANOTHER:
        return Choice(chosen, keep_card=False)
    return Choice(None, keep_card=st.checkbox(t("pay.keep_card"), key=f"{key}_keep", help=t("pay.keep_card_help")))


def fields(*keys: str) -> dict[str, Any]:
    """What stands in these fields now: kept with a button when it is drawn, compared when it is pressed.

    A click comes with what was typed a moment before it, and the button still shows the sum before that.
    """
    return {key: st.session_state.get(key) for key in keys}


def card_fields(key: str) -> tuple[str, str]:
    """The fields that `method_field` draws."""
    return f"{key}_card", f"{key}_keep"


def choose(choice: Choice | None, cards: Sequence[Card], today: date, key: str) -> None:
    """Let a form that is opened begin with this choice, if it can still be made, else with the default; before `method_field`."""
    usable = [card.card_id for card in cards if not card.is_expired(today)]
    st.session_state[f"{key}_keep"] = choice is not None and choice.keep_card
    st.session_state.pop(f"{key}_card", None)
    if choice is not None and usable and (choice.card_id is None or choice.card_id in usable):
        st.session_state[f"{key}_card"] = choice.card_id or ANOTHER


def choice_of(payment: PaymentView) -> Choice:
    """The card that a payment was begun with."""
    return Choice(payment.saved_card_id, payment.keeps_card)


def return_url() -> str:
    """Where the bank sends a payer back; the payment's number is put in when it has one."""
    return f"{site()}/back/payment/{{payment}}"


def setup_return_url() -> str:
    """Where the bank sends somebody back who attached a card."""
    return f"{site()}/back/card/{{setup}}"


def go(payment_id: int) -> None:
    """On to the payment's page, and from there to the bank if it wants the payer; for callbacks and scripts."""
    will_leave(f"payment-{payment_id}")
    st.switch_page("pages/account/pay.py", query_params={"payment": str(payment_id)})


def will_leave(what: str) -> None:
    """Mark that whoever is here just asked for this: only then does the page send them to the bank by itself.

    Somebody who comes back by the browser's button, or reloads, must not be thrown at the bank again.
    """
    st.session_state[_LEAVING] = what


def leaves(what: str) -> bool:
    """Whether to send the person to the bank now; true once."""
    if st.session_state.get(_LEAVING) != what:
        return False
    del st.session_state[_LEAVING]
    return True


def to_the_bank(url: str, *, what: str) -> None:
    """Leave for the bank's page in this tab."""
    component = st.components.v2.component("kabinet_leave", js=_LEAVE)
    component(data={"url": url, "nonce": what}, key=f"leave-{what}", height=0)
