"""An account's balance in the months ahead, one line for each way of paying it."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import plotly.graph_objects as go

from texts import money as written
from ui.charts.style import CHARGED, PAID, QUIET, Drawn, canvas, colour, month_tick, rouble_ticks

LOOKS = {
    "now": (PAID, "solid", 3),
    "other": (CHARGED, "dash", 2),
    "second": ("service.internet", "dashdot", 2),
    "none": (QUIET, "dot", 2),
}
"""Of each way its colour, its dash, so that colour is never alone, and its width."""
BELOW_ZERO = "rgba(214, 40, 57, 0.09)"
HEIGHT = 260


def rehearsal(
    frame: pd.DataFrame,
    *,
    palette: Sequence[str],
    today: date,
    days: int,
    ways: tuple[tuple[str, str], ...],
    title: str,
    alt: str,
) -> Drawn:
    """The balance at the end of each day as steps, the payments as marks on them; below zero the ground is red.

    Whoever shows it says beside what each line is (`swatch`). `ways`: look → name, the most important first. `frame`: way (a
    look), on, balance (at the day's end) and paid (that day), in kopecks; a row per way and day.
    """
    until = today + timedelta(days=days)
    traces: list[go.Scatter] = []
    for place, (look, name) in enumerate(ways):  # the first is drawn on top
        rows = frame[frame["way"] == look]
        thing, dash, width = LOOKS[look]
        shade = colour(palette, thing)
        paid = rows[rows["paid"] > 0]
        traces.append(
            go.Scatter(
                x=[each.isoformat() for each in paid["on"]],
                y=[int(kopecks) / 100 for kopecks in paid["balance"]],
                mode="markers",
                zorder=-place,
                marker={"size": 10, "color": shade, "symbol": "triangle-up"},
                hoverinfo="skip",
                showlegend=False,
            )
        )
        traces.append(
            go.Scatter(
                name=name,
                x=[each.isoformat() for each in rows["on"]],
                y=[int(kopecks) / 100 for kopecks in rows["balance"]],
                customdata=[
                    _at_the_pointer(int(balance), int(sum_)) for balance, sum_ in zip(rows["balance"], rows["paid"], strict=True)
                ],
                hovertemplate="%{customdata}",
                mode="lines",
                zorder=-place,
                line={"shape": "hv", "width": width, "dash": dash, "color": shade},
            )
        )
    figure = canvas(traces, height=HEIGHT, legend=False)
    sums = [int(kopecks) for kopecks in frame["balance"]]
    rouble_ticks(figure, sums)
    if min(sums, default=0) < 0:
        figure.add_hrect(y0=min(sums) / 100 * 2 - 1000, y1=0, fillcolor=BELOW_ZERO, line_width=0, layer="below")
    months = [each for step in range(days + 1) if (each := today + timedelta(days=step)).day == 1]
    figure.update_xaxes(
        type="date",
        range=[(today - timedelta(days=2)).isoformat(), (until + timedelta(days=2)).isoformat()],
        tickvals=[each.isoformat() for each in months],
        ticktext=[f"1 {month_tick(each)}" for each in months],
        hoverformat="%-d %b",
    )
    figure.update_yaxes(zeroline=True, zerolinewidth=1)
    return Drawn(figure, title, alt)


def swatch(look: str, palette: Sequence[str]) -> tuple[str, str, int]:
    """How the line of a way looks, to be shown beside its words: colour, CSS style of a border, width in pixels."""
    thing, dash, width = LOOKS[look]
    return colour(palette, thing), {"solid": "solid", "dot": "dotted"}.get(dash, "dashed"), width


def _at_the_pointer(balance: int, paid: int) -> str:
    return written(balance) + (f" ({written(paid, signed=True)})" if paid else "")
