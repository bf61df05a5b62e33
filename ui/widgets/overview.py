"""What the analysts' overview is made of: filters that live in the address, tiles, charts with a table behind each.

Everything drawn is kept by what it shows: the months, the regions, when they were counted, the language and the colours.
"""

from datetime import date, datetime
from typing import Any

import streamlit as st

from db import reading
from queries.overview import Overview, overview, regions
from rules.periods import add_months, months_between
from rules.terms import Language
from rules.visitor import Visitor
from texts import language, month, speaking, t
from ui.charts.staff import Card, Tile, cards
from ui.widgets import address
from ui.widgets.chart import palette, plotly_config

PERIODS = ("12", "24", "own")
FORMATS: dict[str, dict[str, Any]] = {
    "money": {"format": "localized", "step": 0.01},
    "count": {"format": "localized"},
    "share": {"format": "percent"},
}


@st.cache_data(show_spinner=False)
def _region_names(_visitor: Visitor, spoken: Language) -> dict[str, str]:
    with reading() as db:
        return regions(db, visitor=_visitor, language=spoken)


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawn(
    _visitor: Visitor,
    first: date,
    last: date,
    codes: tuple[str, ...],
    counted: datetime | None,  # noqa: ARG001
    spoken: Language,
    colours: tuple[str, ...],
) -> tuple[Overview, list[Card]]:
    """What there is to show. `counted` makes it anew when the figures were counted again, `spoken` in each language."""
    with reading() as db:
        seen = overview(db, visitor=_visitor, first=first, last=last, region_codes=codes)
    with speaking(spoken):
        return seen, [] if seen.is_empty else cards(seen, palette=colours)


def _from_address(span: tuple[date, date], names: dict[str, str]) -> None:
    """Set the filters by the address when it was opened or went back. It holds codes: a link means the same in both languages."""
    said = {key: st.query_params.get(key, "") for key in ("period", "since", "until", "region")}
    if st.session_state.get("overview_address") == said and st.session_state.get("overview_period"):
        return
    st.session_state.overview_address = said
    months = {each.strftime("%Y-%m"): each for each in months_between(*span)}
    st.session_state.overview_period = said["period"] if said["period"] in PERIODS else PERIODS[0]
    st.session_state.overview_since = months.get(said["since"], max(span[0], add_months(span[1], -11)))
    st.session_state.overview_until = months.get(said["until"], span[1])
    st.session_state.overview_region = [code for code in said["region"].split(",") if code in names]


def _to_address() -> None:
    """Write the filters into the address; what is as it comes is left out."""
    chosen = st.session_state
    own = chosen.overview_period == "own"
    said = {
        "period": "" if chosen.overview_period in (None, PERIODS[0]) else chosen.overview_period,
        "since": chosen.overview_since.strftime("%Y-%m") if own else "",
        "until": chosen.overview_until.strftime("%Y-%m") if own else "",
        "region": ",".join(chosen.overview_region),
    }
    address.keep(said)
    chosen.overview_address = said


def filters(visitor: Visitor, span: tuple[date, date]) -> tuple[date, date, tuple[str, ...]]:
    """The line of filters over the months of `span`. Returns the first and the last month and the codes of the regions."""
    names = _region_names(visitor, language())
    _from_address(span, names)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="overview_filters"):
        period = st.segmented_control(
            t("overview.period"),
            PERIODS,
            format_func=lambda each: t(f"overview.period.{each}"),
            required=True,
            key="overview_period",
            width="content",
        )
        last = span[1]
        if period != "own":
            first = add_months(last, 1 - int(period or PERIODS[0]))
        else:
            months = months_between(*span)[::-1]
            st.session_state.setdefault("overview_since", max(span[0], add_months(span[1], -11)))
            st.session_state.setdefault("overview_until", span[1])
            first = st.selectbox(t("overview.since"), months, format_func=month, key="overview_since", width=180)
            last = st.selectbox(t("overview.until"), months, format_func=month, key="overview_until", width=180)
        codes = st.multiselect(
            t("overview.regions"),
            list(names),
            format_func=lambda code: names[code],
            placeholder=t("overview.everywhere"),
            key="overview_region",
            width=320,
        )
    _to_address()
    return first, last, tuple(codes)


def everywhere() -> None:
    """Callback: forget the chosen regions."""
    st.session_state.overview_region = []


def drawn(
    visitor: Visitor, *, first: date, last: date, codes: tuple[str, ...], counted: datetime | None
) -> tuple[Overview, list[Card]]:
    """The overview and its charts; `counted` is when any figure was last counted. The caller has made sure of the right."""
    return _drawn(visitor, first, last, codes, counted, language(), palette())


def show_tiles(shown: list[Tile]) -> None:
    """The key figures, four in a row and two on a phone."""
    with st.grid(4, min_column_width=158, gap="small"):
        for tile in shown:
            st.metric(
                tile.label,
                tile.value,
                tile.change or None,
                help=tile.help,
                delta_color="off" if tile.is_good is None else "green" if tile.is_good else "red",
                delta_arrow="off" if tile.grew is None else "up" if tile.grew else "down",
                border=True,
                height="stretch",
            )


def show_cards(shown: list[Card]) -> None:
    """The charts, three in a row and one on a phone; a table is made only when it is opened."""
    with st.grid(3, min_column_width=330, gap="medium") as grid:
        for card in shown:
            with grid.cell():
                _show(card)


def _show(card: Card) -> None:
    st.markdown(f"**{card.title}**")
    st.plotly_chart(card.figure, config=plotly_config(language()), key=f"overview_chart_{card.key}", alt=card.alt)
    table = st.expander(t("overview.table"), on_change="rerun", key=f"overview_table_{card.key}")
    if table.open:
        formats = {name: st.column_config.NumberColumn(name, **FORMATS[kind]) for name, kind in card.formats.items()}
        table.dataframe(card.table, hide_index=True, height=320, column_config=formats, alt=card.alt)
