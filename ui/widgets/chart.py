"""Showing a chart: its answer above, the theme's colours, the reader's separators and months, a text alternative.

A figure is made once for the same content, colours and language, whoever looks: a rerun costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pandas as pd
import streamlit as st
from babel import Locale

from rules.terms import Language
from texts import language, md
from ui.charts.style import SEVENTH, Drawn, Finished


@dataclass(frozen=True)
class _Content:
    """A frame with its facts, equal when they are."""

    key: tuple[Any, ...]
    frame: pd.DataFrame = field(compare=False)
    facts: dict[str, Any] = field(compare=False)


def palette() -> tuple[str, ...]:
    """The colours for charts of the theme in use, seven at least."""
    mode = st.context.theme.type or "light"
    colours = tuple(st.get_option(f"theme.{mode}.chartCategoricalColors") or ())
    return colours if len(colours) > 6 else (*colours, SEVENTH[mode])


def drawn(draw: Callable[..., Drawn], frame: pd.DataFrame, **facts: Any) -> Drawn:
    """What `draw(frame, palette=…, **facts)` makes, from the cache when the content was seen before."""
    rows = tuple(map(tuple, frame.to_numpy().tolist()))
    content = _Content((tuple(frame.columns), rows, tuple(sorted(facts.items()))), frame, facts)
    return _drawn(draw, content, palette(), language())


@lru_cache(maxsize=256)
def _drawn(draw: Callable[..., Drawn], content: _Content, colours: tuple[str, ...], _spoken: Language) -> Drawn:
    seen = draw(content.frame, palette=colours, **content.facts)
    return replace(seen, figure=Finished(seen.figure))


def show_chart(seen: Drawn, *, key: str, title: bool = True) -> None:
    """Show a chart under its answer, without the mode bar."""
    if title:
        st.markdown(f"**{md(seen.title)}**")
    st.plotly_chart(seen.figure, config=plotly_config(language()), key=key, alt=seen.alt)


@lru_cache
def plotly_config(spoken: Language) -> dict[str, Any]:
    """What Plotly is told of the language: names of months and days, marks in numbers. No mode bar."""
    locale = Locale.parse("ru_RU" if spoken is Language.RU else "en_GB")
    months, short = (locale.months["stand-alone"][width] for width in ("wide", "abbreviated"))
    days, short_days = (locale.days["stand-alone"][width] for width in ("wide", "abbreviated"))
    week = [6, *range(6)]  # Sunday first
    return {
        "displayModeBar": False,
        "locale": spoken.value,
        "locales": {
            spoken.value: {
                "dictionary": {},
                "format": {
                    "months": [months[place] for place in range(1, 13)],
                    "shortMonths": [short[place] for place in range(1, 13)],
                    "days": [days[place] for place in week],
                    "shortDays": [short_days[place] for place in week],
                    "date": "%d.%m.%Y" if spoken is Language.RU else "%d/%m/%Y",
                    "decimal": "," if spoken is Language.RU else ".",
                    "thousands": "\u00a0" if spoken is Language.RU else ",",
                    "grouping": [3],
                },
            }
        },
    }
