"""Where the money goes: by month, by service, against the year before."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import plotly.graph_objects as go

from rules.terms import ServiceKind
from texts import has_text, month, percent, t
from texts import money as written
from ui.charts.style import (
    BONUS,
    CHARGED,
    PAID,
    QUIET,
    Drawn,
    bars,
    by_months,
    canvas,
    colour,
    in_roubles,
    line,
    month_names,
)

SHOWN = ("paid", "charged", "bonus")
MEANINGLESS = 9.0
"""Growth, as a share, from which a comparison with before says nothing."""
PARTS = 8
"""How many services, plans and options are drawn; the rest is one bar."""


def monthly_money(
    frame: pd.DataFrame, *, palette: Sequence[str], shown: tuple[str, ...] = SHOWN, before_kopecks: int | None = None
) -> Drawn:
    """Paid (and points spent) as bars, charged as a line. `frame`: month_on, paid, charged, bonus, in kopecks.

    The answer is how the first of `shown` compares with `before_kopecks`, the same of the period before (None: unknown).
    """
    months = list(frame["month_on"])
    names, traces = month_names(months), []
    if "paid" in shown:
        traces.append(bars(t("payments.paid"), names, frame["paid"], colour(palette, PAID)))
    if "bonus" in shown and frame["bonus"].any():
        traces.append(bars(t("payments.bonus"), names, frame["bonus"], colour(palette, BONUS)))
    if "charged" in shown:
        traces.append(line(t("payments.charged"), names, frame["charged"], colour(palette, CHARGED)))
    figure = canvas(traces)
    figure.update_layout(barmode="stack")
    in_roubles(figure)
    by_months(figure, months)
    first = next((name for name in SHOWN if name in shown), "paid")
    total = int(frame[first].sum())
    told = [f"{t(f'payments.{name}')} {written(int(frame[name].sum()))}" for name in SHOWN if name in shown]
    return Drawn(figure, change_title(f"payments.chart.{first}", total, before_kopecks), f"{_span(months)}: {'; '.join(told)}.")


def change_title(key: str, now: int, before: int | None) -> str:
    """The answer to "is it more than before": `<key>_up`, `_down`, `_same`; `_only` when that says nothing.

    It says nothing without money before, or when there was so little that the growth is only a large number.
    """
    share = now / before - 1 if before else MEANINGLESS
    if share >= MEANINGLESS:
        return t(f"{key}_only", sum=written(now, exact=False))
    if abs(share) < 0.005:
        return t(f"{key}_same")
    return t(f"{key}_up" if share > 0 else f"{key}_down", share=percent(abs(share)))


def _span(months: Sequence[date]) -> str:
    first, last = month(months[0]), month(months[-1])
    return first if first == last else f"{first} — {last}"


def part_name(part: str) -> str:
    """A service by its name, a code without a product by what it is, a plan or option as it is called."""
    for key in (f"service.{part}", f"payments.code.{part}"):
        if has_text(key):
            return t(key)
    return part


def by_service(frame: pd.DataFrame, *, palette: Sequence[str], service: str = "") -> Drawn:
    """Charges by what they are for, as lying bars with the sum beside. `frame`: part, kopecks, the largest first.

    Parts are services, each in its colour; or plans and options of one account, all in the colour of its `service`.
    """
    rows = [(part_name(str(part)), str(part), int(kopecks)) for part, kopecks in frame.itertuples(index=False)]
    if len(rows) > PARTS:
        rest = sum(kopecks for _, _, kopecks in rows[PARTS - 1 :])
        rows = [*rows[: PARTS - 1], (t("payments.other"), "", rest)]
    total = sum(kopecks for _, _, kopecks in rows) or 1
    services = set(ServiceKind)
    shades = [
        colour(palette, f"service.{part if part in services else service}")
        if part in services or service
        else colour(palette, QUIET)
        for _, part, _ in rows
    ]
    told = [f"{written(round(kopecks / 100) * 100, exact=False)} · {percent(kopecks / total)}" for _, _, kopecks in rows]
    figure = canvas(
        [
            go.Bar(
                orientation="h",
                y=list(range(len(rows))),
                x=[kopecks / 100 for _, _, kopecks in rows],
                marker={"color": shades, "cornerradius": 5},
                hoverinfo="skip",
                width=0.3,
            )
        ],
        height=64 * len(rows) + 16,
        legend=False,
    )
    # Name and sum stand above their bar: beside it they would squeeze it to nothing on a phone.
    for place, ((name, _, _), said) in enumerate(zip(rows, told, strict=True)):
        for text, x, side in ((name if len(name) < 27 else f"{name[:25].rstrip()}…", 0, "left"), (said, 1, "right")):
            figure.add_annotation(
                text=text, x=x, xref="paper", xanchor=side, y=place, yshift=20, showarrow=False, font={"size": 13}
            )
    figure.update_layout(hovermode=False)
    figure.update_xaxes(visible=False, range=[0, max(kopecks for _, _, kopecks in rows) / 100])
    figure.update_yaxes(visible=False, range=[len(rows) - 0.6, -0.8], rangemode="normal")
    title = (
        t("payments.chart.parts", part=rows[0][0], share=percent(rows[0][2] / total))
        if len(rows) > 1
        else t("payments.chart.part", part=rows[0][0])
    )
    alt = "; ".join(f"{name} — {written(kopecks)}" for name, _, kopecks in rows)
    return Drawn(figure, title, f"{alt}.")


def year_against_year(frame: pd.DataFrame, *, palette: Sequence[str]) -> Drawn:
    """Charges of twelve months as bars, of the same months a year before as a line. `frame`: month_on, now, before.

    The title compares the months that have something in both years: the rest is not dearer, it was not there.
    """
    months = list(frame["month_on"])
    names = month_names(months)
    figure = canvas(
        [
            bars(t("payments.this_year"), names, frame["now"], colour(palette, CHARGED)),
            line(
                t("payments.year_before"),
                names,
                frame["before"],
                colour(palette, QUIET),
                line={"width": 2.5, "color": colour(palette, QUIET), "dash": "dot"},
            ),
        ]
    )
    figure.data[1].y = [roubles or None for roubles in figure.data[1].y]  # nothing was charged: it is no cheap month
    in_roubles(figure)
    by_months(figure, months)
    both = frame[frame["before"] > 0]
    now, before = int(both["now"].sum()), int(both["before"].sum())
    alt = f"{_span(months)}: {written(now)}; {t('payments.year_before').lower()}: {written(before)}."
    return Drawn(figure, change_title("payments.chart.year", now, before), alt)
