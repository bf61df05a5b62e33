"""The one grammar of all charts: bars for sums in a period, a line for a balance or a comparison, a colour for each thing.

Figures here and beside are pure functions of frames: they show nothing, know no visitor and read no clock. Sums come in
kopecks and are drawn in roubles; texts and separators are the reader's language's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go

from rules.terms import Language, PaymentMethod, ServiceKind
from texts import language, month
from texts import money as written
from texts.formats import NO_BREAK

HEIGHT = 300

PAID, CHARGED, BONUS, QUIET = "paid", "charged", "bonus", "quiet"
PLACES: dict[str, int] = {
    PAID: 0,
    CHARGED: 1,
    BONUS: 3,
    QUIET: 4,
    **{f"service.{kind.value}": place for kind, place in zip(ServiceKind, (5, 2, 6, 4), strict=True)},
    **{f"method.{kind.value}": place for kind, place in zip(PaymentMethod, (5, 2, 0, 4), strict=True)},
}
"""Where in the theme's palette the colour of each thing is: the same on every screen."""

SEVENTH = {"light": "#b8327f", "dark": "#f08cc8"}
"""Taken when a theme names six colours only."""


class Finished(go.Figure):
    """A figure that nobody changes any more: what is sent to the browser is worked out once, not each time it is shown."""

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure)
        self._sent = figure.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The same dict each time; not to be changed."""
        return self._sent


@dataclass(frozen=True)
class Drawn:
    """A figure with its answer. `title` and `alt` are plain text; `alt` says in words what the figure shows."""

    figure: go.Figure
    title: str
    alt: str


def colour(palette: Sequence[str], thing: str) -> str:
    """The colour of a thing of `PLACES`."""
    return palette[PLACES[thing] % len(palette)]


def bars(name: str, x: Sequence[Any], kopecks: Iterable[int], shade: str, **more: Any) -> go.Bar:
    """Sums by period, exact to the kopeck where the pointer is."""
    kopecks = list(kopecks)
    return go.Bar(
        name=name,
        x=list(x),
        y=[value / 100 for value in kopecks],
        customdata=[written(int(value)) for value in kopecks],
        hovertemplate="%{customdata}",
        marker={"color": shade, "cornerradius": 5},
        **more,
    )


def line(name: str, x: Sequence[Any], kopecks: Iterable[int], shade: str, **more: Any) -> go.Scatter:
    """A balance, or something to compare bars with."""
    kopecks = list(kopecks)
    more.setdefault("line", {"width": 3, "color": shade})
    return go.Scatter(
        name=name,
        x=list(x),
        y=[value / 100 for value in kopecks],
        customdata=[written(int(value)) for value in kopecks],
        hovertemplate="%{customdata}",
        mode="lines+markers",
        marker={"size": 7, "color": shade},
        **more,
    )


def canvas(traces: Sequence[Any], *, height: int = HEIGHT, legend: bool | None = None) -> go.Figure:
    """A figure in the house style; nothing in it can be dragged, so a finger still scrolls the page.

    It names no template: where Streamlit runs, its own is the default, and the fonts and lines of the theme come from there.
    """
    figure = go.Figure(list(traces))
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 4, "t": 34 if legend or (legend is None and len(traces) > 1) else 8, "b": 0},
        bargap=0.32,
        bargroupgap=0.08,
        separators=separators(),
        hovermode="x unified",
        dragmode=False,
        showlegend=len(traces) > 1 if legend is None else legend,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "yref": "paper", "title": None,
                "font": {"size": 13}, "traceorder": "normal", "itemclick": False, "itemdoubleclick": False},
        xaxis={"showgrid": False, "fixedrange": True, "title": None},
        yaxis={"fixedrange": True, "title": None, "rangemode": "tozero", "automargin": True, "zeroline": False, "nticks": 6},
    )  # fmt: skip
    return figure


def separators() -> str:
    """The decimal mark and the separator of thousands, as Plotly wants them."""
    return ".," if language() is Language.EN else f",{NO_BREAK}"


def in_roubles(figure: go.Figure) -> None:
    """Put the unit on the axis of sums."""
    if language() is Language.EN:
        figure.update_yaxes(tickprefix="₽", tickformat=",d")
    else:
        figure.update_yaxes(ticksuffix="\u00a0₽", tickformat=",d")


def rouble_ticks(figure: go.Figure, kopecks: Iterable[int]) -> None:
    """An axis of sums below zero too, with room above and below: each tick is written as the language writes money."""
    roubles = [value / 100 for value in kopecks]
    low, high = min([0, *roubles]), max([0, *roubles])
    room = max(high - low, 100)
    step = next(size for power in range(2, 12) for size in (10**power, 2 * 10**power, 5 * 10**power) if room / size <= 4)
    ticks = range(int(low // step) * step, int(high) + step, step)
    texts = [written(tick * 100, exact=False) for tick in ticks]
    figure.update_yaxes(tickvals=list(ticks), ticktext=texts, range=[low - room / 9, high + room / 9], rangemode="normal")


def by_months(figure: go.Figure, months: Sequence[date]) -> None:
    """Months along the axis: short names, the year where it begins; every third when there are more than a year's."""
    every = 1 if len(months) <= 13 else 3
    ticks = list(range((len(months) - 1) % every, len(months), every))
    # The year stands under its first tick; under the very first only when the next year is not in its way.
    new_year = next((place for place in ticks[1:] if months[place].year != months[ticks[0]].year), None)
    text = [month_tick(months[place]) for place in ticks]
    for place, tick in enumerate(ticks):
        begins = place > 0 and months[tick].year != months[ticks[place - 1]].year
        if begins or (place == 0 and (new_year is None or ticks.index(new_year) > 2)):
            text[place] += f"<br>{months[tick].year}"
    figure.update_xaxes(type="category", tickvals=ticks, ticktext=text, tickangle=0, tickfont={"size": 11})


@lru_cache(maxsize=512)
def _tick(of: date, spoken: Language) -> str:  # noqa: ARG001  the cache is by language
    return month(of, year=False)[:3]


def month_tick(of: date) -> str:
    """Three letters: they fit under twelve bars on a phone."""
    return _tick(of, language())


def month_names(months: Sequence[date]) -> list[str]:
    """What a month is called where the pointer is."""
    return [month(each) for each in months]
