"""The bills of one account, month by month, by what they are made of."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from texts import money as written
from texts import month, t, tn
from ui.charts.style import CHARGED, Drawn, bars, by_months, canvas, colour, in_roubles, month_names

PARTS = ("plan", "option", "once")


def bills_by_month(frame: pd.DataFrame, *, palette: Sequence[str], service: str) -> Drawn:
    """Stacked bars. `frame`: month_on, plan, option, once (one-offs and late fees), in kopecks; a row per month.

    Plan and options are of one `service`, so they share its colour, the options paler. A month without a bill is empty and
    does not count in the average.
    """
    months = list(frame["month_on"])
    names, traces = month_names(months), []
    for part in PARTS:
        if frame[part].any():
            shade = colour(palette, CHARGED if part == "once" else f"service.{service}")
            traces.append(bars(t(f"bills.chart.{part}"), names, frame[part], shade, opacity=0.5 if part == "option" else 1.0))
    figure = canvas(traces, height=260)
    figure.update_layout(barmode="stack")
    in_roubles(figure)
    by_months(figure, months)
    totals = [int(total) for total in frame[list(PARTS)].sum(axis=1)]
    billed = [(on, total) for on, total in zip(months, totals, strict=True) if total]
    alt = "; ".join(t("bills.chart.alt", month=month(on), sum=written(total)) for on, total in billed)
    return Drawn(figure, _title([total for _, total in billed], totals, months), f"{alt}.")


def _title(billed: Sequence[int], totals: Sequence[int], months: Sequence[date]) -> str:
    """What a month costs, and which cost the most."""
    if not billed:
        return t("bills.none")
    most = max(billed)
    if most == min(billed):
        return tn("bills.chart.steady", len(billed), sum=written(most, exact=False))
    # To the rouble: an average says no more.
    mean = written(round(sum(billed) / len(billed) / 100) * 100, exact=False)
    if billed.count(most) > 1:
        least = written(min(billed), exact=False)
        return t("bills.chart.range", mean=mean, least=least, most=written(most, exact=False))
    return t("bills.chart.title", mean=mean, month=month(months[totals.index(most)]), most=written(most, exact=False))
