"""The analysts' overview: key figures against the period before, and small charts with a table behind each.

The period and the regions are in the address, so that a view can be sent to a colleague.
"""

import streamlit as st

import clock
from db import reading
from queries.figures import accounting_month
from queries.overview import counted_at, counted_months
from texts import moment, month, t
from ui.charts.staff import tiles
from ui.widgets.overview import drawn, everywhere, filters, show_cards, show_tiles
from ui.widgets.session import signed_in

visitor = signed_in()
with reading() as db:
    span = counted_months(db, visitor=visitor)
    counted = counted_at(db, visitor=visitor, first=span[0], last=span[1]) if span else None

st.title(t("overview.title"), anchor=False)
if span is None:
    st.info(t("overview.empty.never"), icon=":material/hourglass:")
    st.stop()

first, last, codes = filters(visitor, span)
if first > last:
    st.warning(t("overview.swapped", month=month(last)), icon=":material/info:")
    first = last

seen, cards = drawn(visitor, first=first, last=last, codes=codes, counted=counted)
if seen.counted_at is not None:
    as_of = "overview.as_of_open" if last == accounting_month(clock.now()) else "overview.as_of"
    said = moment(seen.counted_at, visitor.time_zone)
    st.caption(t(as_of, moment=said, month=month(last, year=False).capitalize()))

if seen.is_empty:
    st.info(t("overview.empty.region"), icon=":material/search_off:")
    st.button(t("overview.show_everywhere"), on_click=everywhere, key="overview_everywhere")
    st.stop()

show_tiles(tiles(seen))
show_cards(cards)
