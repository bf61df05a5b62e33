"""What an autopay rule will do: the balance of the next weeks, with the days on which money moves."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import plotly.graph_objects as go

from texts import day, t, tn
from texts import money as written
from ui.charts.style import CHARGED, PAID, QUIET, Drawn, canvas, colour, month_tick, rouble_ticks


def forecast(frame: pd.DataFrame, *, palette: Sequence[str], today: date, days: int, balance_kopecks: int) -> Drawn:
    """The balance as a line of steps, charges and payments as marks on it. `frame`: on, kind, kopecks, balance (after it)."""
    until = today + timedelta(days=days)
    steps = [(today, balance_kopecks), *zip(frame["on"], frame["balance"], strict=True)]
    steps.append((until, int(steps[-1][1])))
    figure = canvas(
        [
            go.Scatter(
                x=[each.isoformat() for each, _ in steps],
                y=[int(kopecks) / 100 for _, kopecks in steps],
                mode="lines",
                line={"shape": "hv", "width": 2.5, "color": colour(palette, QUIET)},
                name=t("autopay.balance"),
                hoverinfo="skip",
            ),
            *(_marks(frame, kind, name, colour(palette, thing)) for kind, name, thing in _KINDS if (frame["kind"] == kind).any()),
        ],
        height=240,
        legend=True,
    )
    rouble_ticks(figure, [int(kopecks) for _, kopecks in steps])
    months = [each for step in range(days + 1) if (each := today + timedelta(days=step)).day == 1]
    figure.update_xaxes(
        type="date",
        range=[(today - timedelta(days=2)).isoformat(), (until + timedelta(days=2)).isoformat()],
        tickvals=[each.isoformat() for each in months],
        ticktext=[f"1 {month_tick(each)}" for each in months],
    )
    figure.update_yaxes(zeroline=True, zerolinewidth=1)
    figure.update_layout(hovermode="closest")
    paid = frame[frame["kind"] == "autopay"]
    total = int(paid["kopecks"].sum())
    title = tn("autopay.forecast.title", len(paid), sum=written(total, exact=False)) if len(paid) else t("autopay.forecast.none")
    told = [
        t(f"autopay.forecast.{kind}", day=day(on), sum=written(int(kopecks), exact=False))
        for on, kind, kopecks, _ in frame.itertuples(index=False)
    ]
    return Drawn(figure, title, "; ".join(told) or title)


_KINDS = (("autopay", "autopay.payment", PAID), ("charge", "autopay.charge", CHARGED))


def _marks(frame: pd.DataFrame, kind: str, name: str, shade: str) -> go.Scatter:
    rows = frame[frame["kind"] == kind]
    return go.Scatter(
        name=t(name),
        x=[each.isoformat() for each in rows["on"]],
        y=[int(kopecks) / 100 for kopecks in rows["balance"]],
        customdata=[
            f"{day(on)}: {written(int(kopecks) if kind == 'autopay' else -int(kopecks), signed=True)}"
            for on, kopecks in zip(rows["on"], rows["kopecks"], strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        mode="markers",
        marker={"size": 11, "color": shade, "symbol": "triangle-up" if kind == "autopay" else "triangle-down"},
    )
