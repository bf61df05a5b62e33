"""The analysts' charts: small, all of one height and over the same months, each with its answer as a title and its table.

A `Card` is everything a screen needs to show one; nothing here shows anything. Texts are in the reader's language.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from queries.overview import Change, Overview
from rules.terms import AutopayResult, Language, PaymentMethod, ServiceKind
from texts import has_text, language, md, month, number, percent, t, tn
from texts import money as written
from ui.charts.style import CHARGED, PAID, by_months, canvas, colour, month_tick

HEIGHT = 250
TOP = 12
"""How many options or reasons a chart draws; its table has them all."""


@dataclass(frozen=True)
class Card:
    """One chart with its answer and its table. `formats` says of a table's columns: "money" (roubles), "count" or "share"."""

    key: str
    title: str
    """Markdown; names in it are escaped."""
    alt: str
    """The same as plain text."""
    figure: go.Figure
    table: pd.DataFrame
    formats: dict[str, str]


@dataclass(frozen=True)
class Tile:
    """One key figure: what it is, how much, and how much more than in the period before (`change` is empty when unknown)."""

    key: str
    label: str
    value: str
    help: str
    change: str
    grew: bool | None
    """None: it stayed as it was, or there is nothing to compare with."""
    is_good: bool | None


def tiles(seen: Overview) -> list[Tile]:
    """The key figures, in the order they are read."""
    return [
        _tile("paid", seen.paid, _sum),
        _tile("charged", seen.charged, _sum),
        _tile("arpu", seen.arpu, _sum),
        _tile("accounts", seen.accounts, number),
        _tile("autopay_accounts", seen.autopay_accounts, _share, label="autopay_accounts_kpi"),
        _tile("autopay_money", seen.autopay_money, _share),
        _tile("visitors", seen.visitors, number, label="visitors_kpi"),
        _tile("owed", seen.owed, _sum, good=False),
    ]


def _tile(key: str, change: Change, write: Callable[[float], str], *, label: str = "", good: bool = True) -> Tile:
    said, grew = "", None
    if change.now is not None and change.before is not None:
        if write is _share:
            points = round(100 * (change.now - change.before), 1)
            said, grew = t("overview.points_up", points=_signed(points)), None if not points else points > 0
        elif change.share is not None:
            said, grew = percent(change.share, 1, signed=True), None if not round(change.share, 3) else change.share > 0
    return Tile(
        key=key,
        label=t(f"overview.{label or key}"),
        value="—" if change.now is None else write(change.now),
        help=t(f"overview.help.{key}"),
        change=said,
        grew=grew,
        is_good=None if grew is None else grew is good,
    )


def _signed(points: float) -> str:
    return f"+{number(points, 1)}" if points > 0 else number(points, 1)


def _share(value: float) -> str:
    return percent(value, 1)


def _sum(kopecks: float) -> str:
    """A sum that fits a tile: whole roubles, from ten million in millions."""
    for size, unit in ((100_000_000_000, "billion"), (1_000_000_000, "million")):
        if abs(kopecks) >= size:
            return t(f"overview.short.{unit}", figure=number(kopecks * 10 / size if unit == "million" else kopecks / size, 1))
    return written(round(kopecks / 100) * 100, exact=False)


def cards(seen: Overview, *, palette: Sequence[str]) -> list[Card]:
    """All charts of the overview, in the order they are read; those with nothing to draw are left out."""
    draw: tuple[Callable[[Overview, Sequence[str]], Card | None], ...] = (
        money,
        methods,
        contracts,
        take_up,
        changes,
        autopay,
        people,
        screens,
        refusals,
    )
    made = [drawn(seen, palette) for drawn in draw]
    return [card for card in made if card is not None]


def money(seen: Overview, palette: Sequence[str]) -> Card:
    """Paid and charged by month."""
    paid, charged = seen.months["paid"], seen.months["charged"]
    per, before, after = _money_unit(max(paid.max(), charged.max()))
    names = {"paid": t("overview.paid"), "charged": t("overview.charged")}
    months = _labels(seen)
    figure = _figure(
        [
            go.Bar(
                name=names["paid"],
                x=months,
                y=_scaled(paid, per),
                customdata=_roubles(paid),
                **_marker(colour(palette, PAID)),
                **_SUM,
            ),
            go.Scatter(
                name=names["charged"],
                x=months,
                y=_scaled(charged, per),
                customdata=_roubles(charged),
                **_line(colour(palette, CHARGED)),
                **_SUM,
            ),
        ],
        before=before,
        after=after,
        months=list(seen.months.index),
    )
    share = paid.sum() / charged.sum() if charged.sum() else None
    title = t("overview.money.title", share=percent(share)) if share is not None else t("overview.money.none")
    return _by_month("money", title, figure, seen.months[["paid", "charged"]].rename(columns=names), "money")


def methods(seen: Overview, palette: Sequence[str]) -> Card | None:
    """How people pay: shares of the money of each month."""
    total = seen.methods.sum()
    if not total.sum():
        return None
    names = {method.value: t(f"overview.method.{method.value}") for method in PaymentMethod}
    whole = seen.methods.sum(axis=1)
    bars = [
        go.Bar(
            name=names[method],
            x=_labels(seen),
            y=_shares(seen.methods[method], whole),
            customdata=_roubles(seen.methods[method]),
            **_marker(colour(palette, f"method.{method}")),
            **_SUM,
        )
        for method in seen.methods.columns
    ]
    figure = _figure(bars, after=_percent_sign(), months=list(seen.months.index), barmode="stack")
    title = t("overview.methods.title", method=names[str(total.idxmax())].lower(), share=percent(total.max() / total.sum()))
    return _by_month("methods", title, figure, seen.methods.rename(columns=names), "money")


def contracts(seen: Overview, palette: Sequence[str]) -> Card | None:
    """Open contracts by service, and people registered in the portal."""
    if not seen.services.to_numpy().any():
        return None
    names = {service.value: t(f"service.{service.value}") for service in ServiceKind}
    people_name = t("overview.customers")
    bars: list[Any] = [
        go.Bar(
            name=names[service],
            x=_labels(seen),
            y=list(seen.services[service]),
            **_marker(colour(palette, f"service.{service}")),
            **_COUNT,
        )
        for service in seen.services.columns
    ]
    customers = seen.months["customers"]
    bars.append(
        go.Scatter(name=people_name, x=_labels(seen), y=list(customers), **_line(colour(palette, PAID), dash="dot"), **_COUNT)
    )
    figure = _figure(bars, months=list(seen.months.index), barmode="stack")
    title = t(
        "overview.contracts.title",
        contracts=tn("overview.contracts", int(seen.accounts.now or 0)),
        people=tn("overview.people", int(customers.iloc[-1])),
    )
    table = seen.services.rename(columns=names)
    table[people_name] = customers
    table[t("overview.new_customers")] = seen.months["new_customers"]
    return _by_month("contracts", title, figure, table, "count")


def take_up(seen: Overview, palette: Sequence[str]) -> Card | None:
    """Which options people have: share of the contracts of the option's service."""
    held = seen.options[seen.options["active"] > 0]
    if held.empty:
        return None
    names = _option_names(held)
    shown = held.head(TOP)
    figure = _ranking(
        names.head(TOP), shown["share"] * 100, [percent(share, 1) for share in shown["share"]], colour(palette, PAID)
    )
    best, share = names.iloc[0], percent(shown["share"].iloc[0], 1)
    title, plain = (t("overview.take_up.title", option=option, share=share) for option in (md(best), best))
    return Card("take_up", title, plain, figure, *_option_table(seen.options))


def changes(seen: Overview, palette: Sequence[str]) -> Card | None:
    """Connects and ends of the options that moved most."""
    moved = seen.options.assign(moves=seen.options["connected"] + seen.options["disconnected"])
    moved = moved[moved["moves"] > 0].sort_values("moves", ascending=False, kind="stable")
    if moved.empty:
        return None
    shown = moved.head(TOP)
    names = _short(_option_names(shown))
    bars = [
        go.Bar(
            name=t("overview.connected"),
            orientation="h",
            y=names,
            x=list(shown["connected"]),
            **_marker(palette[2 % len(palette)]),
            customdata=[number(value) for value in shown["connected"]],
            hovertemplate="%{customdata}",
        ),
        go.Bar(
            name=t("overview.disconnected"),
            orientation="h",
            y=names,
            x=[-value for value in shown["disconnected"]],
            **_marker(colour(palette, CHARGED)),
            customdata=[number(value) for value in shown["disconnected"]],
            hovertemplate="%{customdata}",
        ),
    ]
    figure = _figure(bars, barmode="relative", lying=True)
    most = int(max(shown["connected"].max(), shown["disconnected"].max()))
    step = _step(most)
    ticks = [step * place for place in range(-(most // step) - 1, most // step + 2)]
    figure.update_xaxes(tickvals=ticks, ticktext=[number(abs(tick)) for tick in ticks])
    title = t(
        "overview.changes.title",
        connected=number(int(moved["connected"].sum())),
        disconnected=number(int(moved["disconnected"].sum())),
    )
    return Card("changes", title, title, figure, *_option_table(moved.drop(columns="moves")))


def autopay(seen: Overview, palette: Sequence[str]) -> Card | None:
    """How many contracts pay by themselves, and how often that succeeds."""
    months = seen.months
    if not months["autopay_accounts"].any() and not seen.runs.to_numpy().any():
        return None
    adopted, success = t("overview.autopay_share"), t("overview.autopay_success")
    figure = _figure(
        [
            go.Scatter(
                name=adopted, x=_labels(seen), y=_percents(months["autopay_share"]), **_line(colour(palette, PAID)), **_PERCENT
            ),
            go.Scatter(
                name=success,
                x=_labels(seen),
                y=_percents(months["autopay_success"]),
                **_line(palette[2 % len(palette)]),
                **_PERCENT,
            ),
        ],
        after=_percent_sign(),
        months=list(months.index),
    )
    figure.update_yaxes(range=[0, 103])
    runs = seen.runs.sum()
    tried = runs[AutopayResult.SUCCEEDED.value] + runs[AutopayResult.DECLINED.value]
    title = t("overview.autopay.title", share=percent(seen.autopay_accounts.now or 0))
    if tried:
        rate = percent(runs[AutopayResult.SUCCEEDED.value] / tried)
        title = t("overview.autopay.title_success", share=percent(seen.autopay_accounts.now or 0), success=rate)
    results = {result.value: t(f"overview.result.{result.value}") for result in AutopayResult}
    table = months[["autopay_accounts", "autopay_share", "autopay_success"]].set_axis(
        [t("overview.autopay_accounts"), adopted, success], axis=1
    )
    table = table.join(seen.runs.rename(columns=results))
    return _by_month("autopay", title, figure, table, "count", {adopted: "share", success: "share"})


def people(seen: Overview, palette: Sequence[str]) -> Card | None:
    """Who opens the portal."""
    visitors = seen.months["visitors"]
    if not visitors.any():
        return None
    name = t("overview.visitors")
    figure = _figure(
        [go.Bar(name=name, x=_labels(seen), y=list(visitors), **_marker(colour(palette, PAID)), **_COUNT)],
        months=list(seen.months.index),
    )
    title = t("overview.people.title", people=tn("overview.people", round(seen.visitors.now or 0)))
    return _by_month("people", title, figure, visitors.rename(name).to_frame(), "count")


def screens(seen: Overview, palette: Sequence[str]) -> Card | None:
    """Which screens are opened."""
    return _ranked_card("screens", seen.visits["visits"], "screen", colour(palette, PAID), t("overview.visits"))


def refusals(seen: Overview, palette: Sequence[str]) -> Card | None:
    """What the portal refused, and why."""
    return _ranked_card("refusals", seen.refusals["refusals"], "reason", colour(palette, CHARGED), t("overview.refusals"))


# --- what the charts share ---------------------------------------------------------------------------------

_SUM: dict[str, Any] = {"hovertemplate": "%{customdata}"}
_COUNT: dict[str, Any] = {"hovertemplate": "%{y:,}"}
_PERCENT: dict[str, Any] = {"hovertemplate": "%{y:.1f} %"}


class _Kept(go.Figure):
    """A finished figure, shown many times: Plotly's walk through all of it, a millisecond each, happens once."""

    _told: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        if self._told is None:
            self._told = super().to_dict()
        return self._told


def _figure(
    traces: list[Any],
    *,
    months: list[date] | None = None,
    before: str = "",
    after: str = "",
    barmode: str = "group",
    lying: bool = False,
) -> go.Figure:
    """A small figure in the house style; `before` and `after` are written at the numbers of its axis."""
    figure = _Kept(canvas(traces, height=HEIGHT))
    figure.update_layout(barmode=barmode, hovermode="y unified" if lying else "x unified", legend_font_size=12)
    numbers = {"tickprefix": before, "ticksuffix": after}
    if lying:
        figure.update_yaxes(autorange="reversed", showgrid=False, nticks=0, dtick=1)
        figure.update_xaxes(**numbers)
    else:
        figure.update_yaxes(**numbers)
    if months is not None:
        # Small charts have room for every third month; the common axis would let two years run into each other.
        by_months(figure, months)
        places = range((len(months) - 1) % 3, len(months), 3) if len(months) > 6 else range(len(months))
        years = [months[place].year for place in places]
        ticks = [
            month_tick(months[place]) + (f"<br>{year}" if not at or years[at - 1] != year else "")
            for at, (place, year) in enumerate(zip(places, years, strict=True))
        ]
        figure.update_xaxes(tickvals=list(places), ticktext=ticks)
    return figure


def _ranking(names: pd.Series, values: pd.Series, told: list[str], shade: str) -> go.Figure:
    """Lying bars, the longest on top, each with its figure beside it."""
    bar = go.Bar(
        orientation="h",
        y=_short(names),
        x=list(values),
        text=told,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{text}<extra></extra>",
        **_marker(shade),
    )
    figure = _figure([bar], lying=True)
    figure.update_xaxes(showticklabels=False, range=[0, 1.18 * float(values.max())])
    figure.update_layout(bargap=0.2, hovermode="closest")
    return figure


def _ranked_card(key: str, counts: pd.Series, kind: str, shade: str, name: str) -> Card | None:
    if counts.empty:
        return None
    labels = pd.Series([_named(kind, part) for part in counts.index])
    shown = counts.head(TOP)
    figure = _ranking(labels.head(TOP), shown, [number(value) for value in shown], shade)
    facts = {"total": number(int(counts.sum())), "share": percent(counts.iloc[0] / counts.sum())}
    title, plain = (t(f"overview.{key}.title", first=first, **facts) for first in (md(labels.iloc[0]), labels.iloc[0]))
    table = pd.DataFrame({t(f"overview.{kind}"): labels, name: counts.to_numpy()})
    return Card(key, title, plain, figure, table, {name: "count"})


def _named(kind: str, part: str) -> str:
    """A screen by its title, a refusal by its short name; what has none (any more) by its code."""
    key = f"screen.{part}" if kind == "screen" else f"overview.reason.{part}"
    return t(key) if has_text(key) else part


def _by_month(
    key: str, title: str, figure: go.Figure, frame: pd.DataFrame, form: str, other: dict[str, str] | None = None
) -> Card:
    """A card whose table has a row per month, the latest on top."""
    formats = {str(column): form for column in frame.columns} | (other or {})
    table = frame.iloc[::-1].reset_index(drop=True)
    for column, kind in formats.items():
        if kind == "money":
            table[column] = table[column] / 100
    table.insert(0, t("overview.month"), [month(each) for each in reversed(list(frame.index))])
    return Card(key, title, title, figure, table, formats)


def _option_names(options: pd.DataFrame) -> pd.Series:
    return options["name_en" if language() is Language.EN else "name_ru"]


def _option_table(options: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    names = {
        "active": t("overview.active"),
        "share": t("overview.share"),
        "connected": t("overview.connected"),
        "disconnected": t("overview.disconnected"),
    }
    table = options[list(names)].rename(columns=names).reset_index(drop=True)
    table.insert(0, t("overview.option"), list(_option_names(options)))
    return table, {name: "share" if column == "share" else "count" for column, name in names.items()}


def _labels(seen: Overview) -> list[str]:
    return [month(each) for each in seen.months.index]


def _short(names: pd.Series, most: int = 26) -> list[str]:
    return [name if len(name) <= most else f"{name[: most - 1].rstrip()}…" for name in names]


def _money_unit(most_kopecks: float) -> tuple[int, str, str]:
    """What an axis of money is divided by, and what is written before and after its numbers."""
    before = "₽" if language() is Language.EN else ""
    for kopecks, unit in ((100_000_000, "million"), (100_000, "thousand")):
        if most_kopecks >= 2 * kopecks:
            return kopecks, before, t(f"overview.unit.{unit}")
    return 100, before, "" if before else "\u00a0₽"


def _percent_sign() -> str:
    return "%" if language() is Language.EN else "\u00a0%"


def _scaled(kopecks: pd.Series, per: int) -> list[float]:
    return [round(value / per, 4) for value in kopecks]


def _roubles(kopecks: pd.Series) -> list[str]:
    return [written(int(value)) for value in kopecks]


def _shares(part: pd.Series, whole: pd.Series) -> list[float]:
    return [round(100 * value / of, 2) if of else 0 for value, of in zip(part, whole, strict=True)]


def _percents(shares: pd.Series) -> list[float | None]:
    return [None if pd.isna(share) else round(100 * share, 2) for share in shares]


def _step(most: int) -> int:
    """A round step that divides an axis into two to five."""
    size = 1
    while most / size > 5:
        size = size * 2 if str(size)[0] in "15" else size * 5 // 2
    return size


def _marker(shade: str) -> dict[str, Any]:
    return {"marker": {"color": shade, "cornerradius": 4}}


def _line(shade: str, **more: Any) -> dict[str, Any]:
    return {"mode": "lines+markers", "line": {"width": 2.5, "color": shade, **more}, "marker": {"size": 5}}
