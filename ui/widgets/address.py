"""Filters that live in the address: a link means the same to whoever opens it."""

from collections.abc import Mapping

import streamlit as st


def number_in(name: str) -> int | None:
    """The number that the address gives under a name; None for none, and for what is none."""
    said = st.query_params.get(name, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None


def keep(said: Mapping[str, str | None]) -> None:
    """Write what is chosen into the address; what is empty is left out of it."""
    for key, value in said.items():
        if (value or "") == st.query_params.get(key, ""):
            continue
        if value:
            st.query_params[key] = value
        else:
            del st.query_params[key]
