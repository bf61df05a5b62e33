"""A person's notices: the list by days, what is new marked, each with the way to do something about it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Literal

import streamlit as st

import clock
from actions import perform
from actions.notices import read_notices
from queries.notices import NoticeRow
from rules.monthly import document_of
from rules.notices import place_of
from rules.refusals import Refusal
from rules.terms import NoticeEvent
from rules.visitor import Visitor
from texts import day, md, moment, t
from texts.notices import notice_said
from ui.widgets.account import account_name

VIEW, PAGE = "show", "page"
LIST, CHOICES = "list", "choices"
_VIEW, _PAGES = "notices_view", "notices_page"
NEW_FOR = timedelta(minutes=1)
"""What was read so long ago is marked as new still: reading a page is what marks it as read."""

Tone = Literal["red", "orange", "green", "gray"]
_TONES: dict[NoticeEvent, tuple[Tone, str]] = {
    NoticeEvent.LOW_BALANCE: ("orange", "account_balance_wallet"),
    NoticeEvent.DAYS_LEFT: ("orange", "hourglass_bottom"),
    NoticeEvent.AUTOPAY_AHEAD: ("gray", "event"),
    NoticeEvent.AUTOPAY_DONE: ("green", "check_circle"),
    NoticeEvent.AUTOPAY_FAILED: ("red", "error"),
    NoticeEvent.CARD_EXPIRES: ("orange", "credit_card"),
    NoticeEvent.ORDER_DONE: ("green", "task_alt"),
    NoticeEvent.SIGN_IN: ("orange", "shield"),
    NoticeEvent.PROMISED_ENDS: ("orange", "schedule"),
    NoticeEvent.BLOCKED: ("red", "block"),
    NoticeEvent.RESUMED: ("green", "play_circle"),
    NoticeEvent.BILL: ("gray", "request_quote"),
    NoticeEvent.MONTHLY: ("gray", "summarize"),
}

# The number of columns follows the width by itself; what is quiet beside the text goes under it on a phone. Constants only.
_STYLE = """<style>
[class*="st-key-notice_icon_"] { flex: 0 0 2rem !important; width: 2rem !important; min-width: 2rem !important }
[class*="st-key-notice_icon_"] p { font-size: 1.35rem; line-height: 1.35 }
[class*="st-key-notice_row_"] { align-items: flex-start; flex-wrap: nowrap !important }
[class*="st-key-notice_row_"] > div:last-child { flex: 1 1 0; min-width: 0 }
[class*="st-key-notice_row_"] :is([data-testid="stPageLink"], [data-testid="stLinkButton"]) :is(p, span) { color: LINK }
</style>"""


# --- the two views --------------------------------------------------------------------------------------
def shown_view() -> str:
    """The list or the choices, as the address says; the switch between them."""
    asked = CHOICES if st.query_params.get(VIEW) == CHOICES else LIST
    st.session_state[_VIEW] = asked
    st.segmented_control(
        t("notices.view"),
        [LIST, CHOICES],
        format_func={view: t(f"notices.view.{view}") for view in (LIST, CHOICES)}.__getitem__,
        key=_VIEW,
        label_visibility="collapsed",
        required=True,
        on_change=_to_view,
    )
    return asked


def _to_view() -> None:
    st.query_params.clear()
    if st.session_state[_VIEW] == CHOICES:
        st.query_params[VIEW] = CHOICES


def to_choices() -> None:
    """Show what can be chosen."""
    st.query_params[VIEW] = CHOICES


# --- the list -----------------------------------------------------------------------------------------------
def asked_page(pages: int) -> int:
    """The page that the address names, among so many."""
    asked = st.query_params.get(PAGE, "")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    return min(max(page, 1), max(pages, 1))


def turn(pages: int) -> None:
    """The other pages, where there are any."""
    if pages > 1:
        page = asked_page(pages)
        key = f"{_PAGES}_{page}"  # another page is another one of it: it stands where the address says
        with st.container(horizontal_alignment="center"):
            st.pagination(pages, default=page, key=key, on_change=_to_page, args=(key,))


def _to_page(key: str) -> None:
    st.query_params[PAGE] = str(st.session_state[key])


def show(rows: Sequence[NoticeRow], visitor: Visitor, now: datetime) -> None:
    """The notices by the days of the reader's region."""
    st.html(_STYLE.replace("LINK", str(st.get_option(f"theme.{st.context.theme.type or 'light'}.linkColor"))))
    zone = clock.zone(visitor.time_zone)
    today = now.astimezone(zone).date()
    for on, of_day in groupby(rows, key=lambda row: row.at.astimezone(zone).date()):
        st.subheader(_named(on, today), anchor=False)
        for row in of_day:
            _notice(row, visitor, is_new=row.read_at is None or row.read_at > now - NEW_FOR)


def _named(on: date, today: date) -> str:
    if on == today:
        return t("notices.today")
    return t("notices.yesterday") if on == today - timedelta(days=1) else day(on, this_year=today.year)


def _notice(row: NoticeRow, visitor: Visitor, *, is_new: bool) -> None:
    name = account_name(row.label, row.service) if row.service is not None else ""
    said = notice_said(row.event, row.facts, account=name, prepaid=row.prepaid)
    tone, icon = _TONES[row.event]
    with st.container(horizontal=True, gap="small", key=f"notice_row_{row.notice_id}"):
        with st.container(key=f"notice_icon_{row.notice_id}", width="content"):
            st.markdown(f":{tone}[:material/{icon}:]")
        with st.container(gap=None):
            new = f" :violet-badge[{t('notices.new')}]" if is_new else ""
            st.markdown(f"**{md(said.title)}**{new}")
            st.markdown(md(said.body))
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.caption(moment(row.at, visitor.time_zone, pattern="HH:mm"), width="content")
                _way_on(row)


def _way_on(row: NoticeRow) -> None:
    """A link to where something can be done, while the account is still the reader's to see."""
    if row.event is NoticeEvent.MONTHLY:
        month_on = date.fromisoformat(row.facts["month"])
        st.link_button(
            t("notices.go.monthly"),
            f"/documents/{document_of(month_on)}.pdf",
            type="tertiary",
            icon=":material/download:",
            key=f"notice_go_{row.notice_id}",
        )
        return
    screen, query = place_of(row.event, facts=row.facts, account_id=row.account_id)
    if not screen or (row.account_id is not None and not row.attached):
        return
    word = "pay_debt" if row.event is NoticeEvent.BLOCKED else screen
    st.page_link(f"pages/account/{screen}.py", label=t(f"notices.go.{word}"), query_params=query or None)


def seen(rows: Sequence[NoticeRow], visitor: Visitor, now: datetime) -> None:
    """Whoever has looked at the list has seen what was new. Not worth a failure."""
    if any(row.read_at is None for row in rows):
        try:
            perform(read_notices, visitor=visitor, until=now)
        except Refusal:
            return


def nothing() -> None:
    """Nothing has happened yet."""
    st.subheader(t("notices.empty_title"), anchor=False)
    st.markdown(t("notices.empty"))
    st.button(t("notices.to_choices"), type="primary", icon=":material/tune:", key="notices_to_choices", on_click=to_choices)
