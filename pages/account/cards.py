"""Here a person keeps their cards: attaches one at the bank's page, names it, chooses the first one, deletes it."""

import streamlit as st

import clock
from db import reading
from queries.cards import rules_by_card, saved_cards
from rules.refusals import NotAllowed
from texts import t
from ui.widgets.address import number_in
from ui.widgets.cards import attach_button, dialogs, show_card, show_setup
from ui.widgets.feedback import refused_here
from ui.widgets.session import signed_in

visitor = signed_in()
today = clock.today(visitor.time_zone)
title = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
title.title(t("cards.title"), anchor=False, width="content")
asked, under_way = number_in("setup"), False
if asked is not None:
    try:
        under_way = show_setup(visitor, asked)
    except NotAllowed:
        st.query_params.pop("setup", None)  # somebody else's, or none: as if nothing was asked
with reading() as db:
    cards, rules = saved_cards(db, visitor=visitor), rules_by_card(db, visitor=visitor)
refused_here("cards")
if cards:
    if not under_way:
        with title:
            attach_button()
    with st.grid(3, min_column_width=300, gap="small"):
        for card in cards:
            show_card(card, rules.get(card.card_id, 0), several=len(cards) > 1, today=today)
elif not under_way:
    st.info(t("cards.empty"), icon=":material/credit_card:")
    attach_button()
st.caption(t("cards.note"))
dialogs(cards, rules, today)
