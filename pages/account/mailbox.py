"""Here, in a demo, a person reads the letters and text messages that the portal sent to them or because of them."""

import re

import streamlit as st

from db import reading
from queries.messages import Letter, mailbox
from rules.terms import Channel
from texts import md, moment, t
from ui.widgets.session import signed_in

CODE = re.compile(r"\b\d{6}\b")


def letter_card(letter: Letter, time_zone: str) -> None:
    """One letter; a code in it is shown apart, to be copied."""
    icon = ":material/mail:" if letter.channel is Channel.EMAIL else ":material/sms:"
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown(f"{icon} **{md(letter.subject)}**", width="content")
            st.caption(moment(letter.at, time_zone), width="content")
        st.caption(t("mailbox.to", recipient=md(letter.recipient)))
        code = CODE.search(letter.body) if letter.about.endswith("_code") else None
        if code is not None:
            st.code(code[0], language=None, width="content")
        for paragraph in letter.body.split("\n"):
            if paragraph.strip():
                st.markdown(md(paragraph))


visitor = signed_in()
with reading() as db:
    letters = mailbox(db, visitor=visitor)

st.title(t("screen.mailbox"), anchor=False)
st.caption(t("mailbox.what"))
if not letters:
    st.markdown(t("mailbox.empty"))
for letter in letters:
    letter_card(letter, visitor.time_zone)
