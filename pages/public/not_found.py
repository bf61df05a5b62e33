"""Here a person lands who followed an address that leads nowhere, or to what is not theirs to see."""

import streamlit as st

from pages import screens_for
from settings import settings
from texts import t
from ui.widgets.session import signed_in


def to_start() -> None:
    """Open the person's first screen."""
    st.switch_page(screens_for(signed_in().role, demo=settings().is_demo)[0].script)


with st.container(horizontal_alignment="center"):
    st.space("large")
    st.title(t("shell.not_found_title"), anchor=False, text_alignment="center")
    st.markdown(t("shell.not_found_text"), text_alignment="center")
    st.button(t("shell.to_start"), type="primary", icon=":material/home:", on_click=to_start, key="to_start")
