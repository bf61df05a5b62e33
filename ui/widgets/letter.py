"""A letter or SMS of the built-in mailbox as its reader would see it: a code apart, a link as a button, and the HTML part."""

import re

import streamlit as st

from documents.letters import BULLET, UNSUBSCRIBE, address_in, as_html
from queries.messages import Letter
from rules.terms import Channel
from settings import operator
from texts import has_text, md, moment, speaking, t
from ui.widgets.session import site

CODE = re.compile(r"\b\d{6}\b")


def letter_text(letter: Letter) -> None:
    """The text part. What stands on a line of its own and is an address becomes a button."""
    code = CODE.search(letter.body) if letter.about.endswith("_code") else None
    if code is not None:
        st.code(code[0], language=None, width="content")
    for line in filter(None, (each.strip() for each in letter.body.split("\n"))):
        address = address_in(line, site=site())
        with speaking(letter.language):
            stop, button = t("letter.unsubscribe"), f"letter.{letter.about}.button"
            button = t(button) if has_text(button) else md(line)
        if line.startswith(UNSUBSCRIBE) and address:
            st.caption(f"[{stop}]({address})")
        elif address:
            st.link_button(button, address)
        elif line.startswith(BULLET):
            st.markdown(f"**{md(line.removeprefix(BULLET))}**")
        else:
            st.markdown(md(line))


def letter_card(letter: Letter, time_zone: str) -> None:
    """The whole letter; an e-mail's HTML part on request, as the reader's mail program gets it."""
    icon = ":material/mail:" if letter.channel is Channel.EMAIL else ":material/sms:"
    with st.container(border=True, gap="xsmall", key=f"letter_{letter.message_id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown(f"{icon} **{md(letter.subject)}**", width="content")
            st.caption(moment(letter.at, time_zone), width="content")
        st.caption(t("mailbox.to", recipient=md(letter.recipient)))
        letter_text(letter)
        if letter.enclosed:
            with st.container(horizontal=True, gap="small"):
                for place, paper in enumerate(letter.enclosed):
                    with speaking(letter.language):
                        name = t(f"documents.{paper.kind}.file", number=paper.number)
                    st.link_button(
                        name,
                        f"/documents/{paper.address}.pdf",
                        icon=":material/attach_file:",
                        key=f"letter_document_{letter.message_id}_{place}",
                    )
        if letter.channel is Channel.EMAIL:
            opened = st.expander(t("mailbox.html"), on_change="rerun", key=f"letter_html_{letter.message_id}")
            if opened.open:
                we = operator()
                page = as_html(
                    letter.about,
                    subject=letter.subject,
                    body=letter.body,
                    language=letter.language,
                    operator=we.name(letter.language.value),
                    colour=we.colour,
                    site=site(),
                )
                # Its own words only, everything escaped; what a page has around its body means nothing here.
                opened.html(page[page.index("<div") : page.rindex("</body>")])
