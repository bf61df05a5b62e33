"""Bonus points by month."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from texts import number, points, t
from ui.charts.style import BONUS, PAID, QUIET, Drawn, by_months, canvas, colour, month_names


def points_by_month(frame: pd.DataFrame, *, palette: Sequence[str]) -> Drawn:
    """Earned upwards, spent and expired downwards. `frame`: month_on, earned, spent, expired, in points at or above 0."""
    months = list(frame["month_on"])
    names, traces = month_names(months), []
    for name, thing, sign in (("earned", BONUS, 1), ("spent", PAID, -1), ("expired", QUIET, -1)):
        if name == "earned" or frame[name].any():
            values = [int(value) for value in frame[name]]
            traces.append(
                go.Bar(
                    name=t(f"bonus.{name}"),
                    x=names,
                    y=[sign * value for value in values],
                    customdata=[number(sign * value) for value in values],
                    hovertemplate="%{customdata}",
                    marker={"color": colour(palette, thing), "cornerradius": 5},
                )
            )
    figure = canvas(traces, legend=True)
    figure.update_layout(barmode="relative")
    figure.update_yaxes(tickformat=",d", zeroline=True, zerolinewidth=1, title=None)
    by_months(figure, months)
    earned, spent, expired = (int(frame[name].sum()) for name in ("earned", "spent", "expired"))
    title = (
        t("bonus.chart.both", earned=points(earned), spent=number(spent))
        if spent
        else t("bonus.chart.earned", earned=points(earned))
    )
    alt = t("bonus.chart.alt", earned=number(earned), spent=number(spent), expired=number(expired))
    return Drawn(figure, title, alt)
