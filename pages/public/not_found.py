"""Here a person lands who followed an address that leads nowhere, or to what is not theirs to see."""

import streamlit as st

from texts import t

with st.container(horizontal_alignment="center"):
    st.space("large")
    st.title(t("shell.not_found_title"), anchor=False, text_alignment="center")
    st.markdown(t("shell.not_found_text"), text_alignment="center")
    st.link_button(t("shell.to_start"), "/", type="primary", icon=":material/home:")
