"""Letters by day."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from rules.terms import MessageState
from texts import day, number, t, tn
from ui.charts.style import BONUS, CHARGED, PAID, QUIET, Drawn, canvas, colour

STATES = {MessageState.SENT: PAID, MessageState.KEPT: QUIET, MessageState.QUEUED: BONUS, MessageState.FAILED: CHARGED}


def letters_by_day(frame: pd.DataFrame, *, palette: Sequence[str]) -> Drawn:
    """Bars of letters by the day they were written, by what became of them. `frame`: day, and a count for each state."""
    days = [day(each, this_year=each.year) for each in frame["day"]]
    shown = [state for state in STATES if frame[state.value].any()]
    traces = [
        go.Bar(
            name=t(f"background.state.{state.value}"),
            x=days,
            y=[int(value) for value in frame[state.value]],
            customdata=[number(int(value)) for value in frame[state.value]],
            hovertemplate="%{customdata}",
            marker={"color": colour(palette, STATES[state]), "cornerradius": 5},
        )
        for state in shown
    ]
    figure = canvas(traces, height=240, legend=True)
    figure.update_layout(barmode="stack")
    tallest = int(frame[[state.value for state in STATES]].sum(axis=1).max())
    figure.update_yaxes(tickformat=",d", **({"dtick": 1} if tallest < 6 else {}))  # there is no half of a letter
    places = list(range((len(days) - 1) % 3, len(days), 3))
    figure.update_xaxes(
        type="category",
        tickvals=places,
        ticktext=[day(frame["day"][place], this_year=frame["day"][place].year, short=True) for place in places],
        tickangle=0,
        tickfont={"size": 11},
    )
    total = int(frame[[state.value for state in STATES]].to_numpy().sum())
    counts = ", ".join(
        f"{t(f'background.state.{state.value}').lower()} {number(int(frame[state.value].sum()))}" for state in shown
    )
    title = t("background.letters_title", letters=tn("background.letters_n", total), days=tn("common.days", len(days)))
    return Drawn(figure, title, f"{title}: {counts}")
