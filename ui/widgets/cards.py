"""A person's cards: attaching one at the bank, naming it, choosing the default, deleting it."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from actions import perform
from actions.cards import begin_card_setup, choose_default_card, remove_card, rename_card, setup_progress
from queries.cards import Card
from rules.refusals import Refusal
from rules.terms import PaymentState
from rules.visitor import Visitor
from texts import day, md, t, tn
from ui.widgets.autopay import card_name, card_names
from ui.widgets.feedback import act, refuse, refused_here, toast
from ui.widgets.paying import leaves, setup_return_url, to_the_bank, will_leave
from ui.widgets.session import signed_in

ASK_SECONDS = 2.0
_ASKED = "_card_asked"


def attach_button(*, primary: bool = True) -> None:
    """The button that leads to the bank, where the card is typed."""
    st.button(
        t("cards.attach"),
        type="primary" if primary else "secondary",
        icon=":material/add_card:",
        key="card_attach",
        on_click=_attach,
    )


def _attach() -> None:
    # One key for one stay on the page: a double click is one attempt.
    key = st.session_state.setdefault("_card_key", uuid.uuid4().hex)
    try:
        setup_id = perform(begin_card_setup, visitor=signed_in(), key=key, return_url=setup_return_url())
    except Refusal as refusal:
        refuse("cards", refusal)
        return
    will_leave(f"card-{setup_id}")
    st.query_params["setup"] = str(setup_id)


def show_setup(visitor: Visitor, setup_id: int) -> bool:
    """How attaching a card goes; true while it is not over. Raises NotAllowed for anybody else's."""
    with st.spinner(t("pay.asking")):
        now = setup_progress(visitor=visitor, setup_id=setup_id)
    if now.state is PaymentState.PENDING:
        going = leaves(f"card-{setup_id}")
        if now.page_url is None:
            st.info(t("cards.waiting"), icon=":material/hourglass_empty:")
        else:
            with st.container(border=True, key="card_setup"):
                st.markdown(t("cards.going" if going else "cards.unfinished"))
                with st.container(horizontal=True):
                    if st.button(t("pay.to_the_bank"), type="primary", icon=":material/arrow_forward:", key="card_to_the_bank"):
                        going = True
                    st.button(t("common.cancel"), key="card_setup_leave", on_click=_over)
            if going:
                to_the_bank(now.page_url, what=f"card-{setup_id}")
        _keep_asking(visitor, setup_id)
        return True
    _over()
    if now.state is PaymentState.SUCCEEDED:
        toast("cards.attached")
    else:
        reason = now.reason.value if now.reason is not None else "bank_refused"
        st.warning(t("cards.not_attached", reason=t(f"declinereason.{reason}")), icon=":material/credit_card_off:")
    return False


def _over() -> None:
    st.session_state.pop("_card_key", None)
    st.query_params.pop("setup", None)


@st.fragment(run_every=ASK_SECONDS)
def _keep_asking(visitor: Visitor, setup_id: int) -> None:
    if st.session_state.get("card_asked_for") != setup_id:
        st.session_state["card_asked_for"] = setup_id  # the page has asked just now
        return
    if setup_progress(visitor=visitor, setup_id=setup_id).state is not PaymentState.PENDING:
        st.session_state.pop("card_asked_for", None)
        st.rerun()


def show_card(card: Card, rules: int, *, several: bool, today: date) -> None:
    """One card with what may be done to it. `rules`: how many autopay rules charge it."""
    with st.container(border=True, height="stretch", gap="small", key=f"saved_card_{card.card_id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f":material/credit_card: **{card_name(card)}**", width="content")
            if card.is_expired(today):
                st.badge(t("autopay.card.expired"), color="red", icon=":material/error:")
            elif card.expires_soon(today):
                st.badge(t("autopay.card.soon"), color="orange", icon=":material/schedule:")
            elif card.is_default and several:
                st.badge(t("autopay.card.default"), color="gray", icon=":material/check:")
        said = [md(card.label)] if card.label else []
        said.append(t("autopay.card_until", day=day(card.expires_on)))
        if rules:
            said.append(tn("cards.rules", rules))
        st.caption(" · ".join(said))
        refused_here(f"card_{card.card_id}")
        st.space("stretch")
        with st.container(horizontal=True, gap="small"):
            place = f"card_{card.card_id}"
            if several and not card.is_default and not card.is_expired(today):
                st.button(t("cards.make_default"), type="tertiary", key=f"card_default_{card.card_id}", on_click=act,
                          args=(choose_default_card,),
                          kwargs={"place": place, "done": "cards.is_default", "card_id": card.card_id})  # fmt: skip
            for what in ("rename", "remove"):
                st.button(t(f"cards.{what}"), type="tertiary", key=f"card_{what}_{card.card_id}", on_click=_ask,
                          args=(what, card.card_id))  # fmt: skip


def _ask(what: str, card_id: int) -> None:
    st.session_state[_ASKED] = (what, card_id)


def _answered() -> None:
    st.session_state.pop(_ASKED, None)


def dialogs(cards: Sequence[Card], rules: Mapping[int, int], today: date) -> None:
    """The question that was asked last, until it is answered."""
    what, card_id = st.session_state.get(_ASKED, ("", 0))
    card = next((card for card in cards if card.card_id == card_id), None)
    if card is None:
        return
    others = [other for other in cards if other.card_id != card_id and not other.is_expired(today)]
    if what == "rename":

        @st.dialog(t("cards.rename_title", card=card_name(card)), on_dismiss=_answered)
        def rename() -> None:
            st.text_input(
                t("cards.label"),
                value=card.label,
                max_chars=40,
                key="card_label",
                placeholder=t("cards.label_example"),
                autocomplete="off",
                live=True,
            )
            if _answer("cards.save", _rename, card_id):
                st.rerun()

        rename()
    elif what == "remove":

        @st.dialog(t("cards.remove_title", card=card_name(card)), on_dismiss=_answered)
        def remove() -> None:
            used = rules.get(card_id, 0)
            st.markdown(tn("cards.remove_used", used) if used else t("cards.remove_text"))
            if used and not others:
                st.markdown(t("cards.remove_no_other"))
            elif used:
                names = card_names(others)
                st.selectbox(t("cards.move_to"), list(names), format_func=names.__getitem__, key="card_move_to")
            if _answer("cards.remove_yes", _remove, card_id, can=bool(not used or others)):
                st.rerun()

        remove()


def _answer(yes: str, do: object, card_id: int, *, can: bool = True) -> bool:
    """The two buttons of a question; whether one was pressed."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        no = st.button(t("common.cancel"), key="card_no", on_click=_answered)
        done = can and st.button(t(yes), type="primary", key="card_yes", on_click=do, args=(card_id,))  # type: ignore[arg-type]
    return bool(no or done)


def _rename(card_id: int) -> None:
    _answered()
    act(rename_card, place=f"card_{card_id}", done="cards.renamed", card_id=card_id, label=st.session_state.card_label)


def _remove(card_id: int) -> None:
    _answered()
    other = st.session_state.get("card_move_to")
    act(remove_card, place=f"card_{card_id}", done="cards.removed", card_id=card_id, move_to_card_id=other)
