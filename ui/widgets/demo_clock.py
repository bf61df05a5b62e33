"""The demo's clock, for whoever presents it: what day it is, moving it on, beginning anew. Never there in production."""

from contextlib import suppress
from datetime import datetime, timedelta

import streamlit as st

import clock
from actions import perform
from actions.demo_clock import catch_up, catching_up, left_alone, move_clock
from db import reading
from models import ClockMove
from queries.demo_clock import HAPPENINGS, latest_move
from rules.demo_clock import TIME_ZONE
from rules.refusals import Refusal
from rules.terms import ClockStep, MoveState
from rules.visitor import Visitor
from seed.reset import begin_reset, failed, resetting
from settings import settings
from texts import day, number, t, tn
from texts.refusals import sentence

EVERY = "1s"


def clock_menu(visitor: Visitor | None) -> None:
    """The mark of a demo in the header; behind it the clock."""
    today = clock.today()
    label = t("demo.mark", day=day(today, this_year=today.year, short=True))
    with st.popover(label, key="demo_clock", type="tertiary", icon=":material/schedule:"):
        _clock(visitor)


def _clock(visitor: Visitor | None) -> None:
    with reading() as db:
        move = latest_move(db)
    st.markdown(f"**{t('demo.title')}**")
    ahead = clock.ahead()
    if ahead >= timedelta(hours=1):
        st.caption(t("demo.ahead", day=day(clock.today()), days=tn("demo.days", max(1, round(ahead / timedelta(days=1))))))
    else:
        st.caption(t("demo.real", day=day(clock.today())))
    said = st.session_state.pop("_clock_said", "")  # a refused second click: while the clock moves, that is to be seen
    if move is not None and move.state is MoveState.RUNNING:
        _watched()
        return
    with st.container(horizontal=True, gap="small"):
        for step in (ClockStep.DAY, ClockStep.WEEK, ClockStep.MONTH):
            _step(visitor, step)
    _step(visitor, ClockStep.BILLING, icon=":material/receipt_long:")
    if said:
        st.error(said, icon=":material/error:")
    if move is not None and move.state is MoveState.FAILED:
        st.warning(t("demo.failed", until=_day(move.lived_until_at)), icon=":material/warning:")
    elif move is not None:
        st.caption(t("demo.happened", since=_day(move.from_at), until=_day(move.to_at)))
        st.caption(_report(move))
    if st.session_state.get("_reset_asked"):
        st.markdown(t("demo.reset_sure"))
        with st.container(horizontal=True):
            st.button(t("demo.reset_yes"), key="clock_reset_yes", type="primary", on_click=_reset)
            st.button(t("demo.reset_no"), key="clock_reset_no", on_click=_ask_reset, args=(False,))
    else:
        st.button(
            t("demo.reset"), key="clock_reset", type="tertiary", icon=":material/restart_alt:", on_click=_ask_reset, args=(True,)
        )


def _step(visitor: Visitor | None, step: ClockStep, icon: str | None = None) -> None:
    key, label = f"clock_{step.value}", t(f"demo.step_{step.value}")
    st.button(label, key=key, icon=icon, width="stretch", on_click=_move, args=(visitor, step))


@st.fragment(run_every=EVERY)
def _watched() -> None:
    with reading() as db:
        move = latest_move(db)
    if move is None or move.state is not MoveState.RUNNING:
        st.rerun()
    _progress(move)


def _progress(move: ClockMove) -> None:
    whole = max(1, round((move.to_at - move.from_at) / timedelta(days=1)))
    done = (move.lived_until_at - move.from_at) / timedelta(days=1)
    text = t("demo.living", done=number(min(whole, int(done))), whole=tn("demo.of_days", whole))
    st.progress(min(1.0, done / whole), text=text)
    if move.report:
        st.caption(_report(move))


def _report(move: ClockMove) -> str:
    """What happened, one thing a line; only what did."""
    lines = [f"- {tn(f'demo.{name}', move.report[name])}" for name in HAPPENINGS if move.report.get(name)]
    return "\n".join(lines) or t("demo.nothing")


def _day(moment: datetime) -> str:
    return day(moment.astimezone(TIME_ZONE).date())


def _move(visitor: Visitor | None, step: ClockStep) -> None:
    try:
        perform(move_clock, visitor=visitor, step=step)
    except Refusal as refusal:
        st.session_state["_clock_said"] = sentence(refusal)


def _ask_reset(asked: bool) -> None:
    st.session_state["_reset_asked"] = asked


def _reset() -> None:
    st.session_state["_reset_asked"] = False
    begin_reset()


def _catch_up() -> None:
    with suppress(Refusal):  # somebody else chose the same
        perform(catch_up, visitor=None)


def is_made_anew() -> bool:
    """Whether a reset is under way, and nothing there to be read."""
    return settings().is_demo and resetting()


def is_closed() -> bool:
    """Whether nothing can be shown just now: the demo is being made anew, lives what it missed, or waits for a choice."""
    if not settings().is_demo:
        return False
    if resetting() or left_alone():
        return True
    with reading() as db:
        return catching_up(latest_move(db))


@st.fragment(run_every=EVERY)
def curtain() -> None:
    """In front of every screen meanwhile; it goes by itself."""
    if not is_closed():
        st.rerun()
    with st.container(horizontal_alignment="center"):
        st.space("large")
        if failed():
            _title(t("demo.reset_failed"))
            st.button(t("shell.try_again"), type="primary", icon=":material/refresh:", key="clock_reset_again", on_click=_reset)
        elif resetting():
            _title(t("demo.resetting"))
            st.markdown(t("demo.wait"), text_alignment="center")
        elif left_alone():
            _choice()
        else:
            _title(t("demo.catching_up"))
            st.markdown(t("demo.wait"), text_alignment="center")
            with reading() as db:
                move = latest_move(db)
            if move is not None:
                with st.container(width=420):
                    _progress(move)


def _choice() -> None:
    _title(t("demo.left_alone", days=tn("demo.days", left_alone().days)))
    st.markdown(t("demo.left_alone_text"), text_alignment="center")
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.button(t("demo.reset_yes"), type="primary", icon=":material/restart_alt:", key="clock_reset_now", on_click=_reset)
        st.button(t("demo.live_them"), key="clock_live", on_click=_catch_up)


def _title(text: str) -> None:
    st.title(text, anchor=False, text_alignment="center")
