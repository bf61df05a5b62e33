"""The background on screen: what waits, what failed, what was done when; and the letters that nobody would take."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

import clock
from actions import perform
from actions.outbox import put_all_aside, put_aside, send_again, send_all_again
from db import reading
from queries.background import (
    DeadLetter,
    Failure,
    LastRun,
    Queue,
    Trouble,
    dead_letters,
    failures,
    last_runs,
    letters_by_day,
    troubles,
    waiting,
)
from rules.background import cadence, is_late, next_firing
from rules.refusals import Refusal
from rules.terms import MessageState
from rules.visitor import Visitor
from texts import has_text, md, moment, number, t, tn
from ui.charts.background import letters_by_day as letters_chart
from ui.widgets.chart import drawn, show_chart
from ui.widgets.feedback import refuse, refused_here, toast
from ui.widgets.session import signed_in

REFRESH_SECONDS = 10.0
_PLACE, _ASKED = "background", "_background_asked"


# --- what waits, what failed ----------------------------------------------------------------------------
@st.fragment(run_every=REFRESH_SECONDS)
def show_state() -> None:
    """What waits now and what failed lately; it looks again by itself."""
    visitor, now = signed_in(), clock.now()
    with reading() as db:
        queues = waiting(db, visitor=visitor, now=now)
        failed = failures(db, visitor=visitor, now=now)
    late = [queue for queue in queues if is_late(queue.name, since=queue.since, now=now)]
    st.caption(t("background.as_of", moment=_time(now, visitor, now, seconds=True)))
    if not late and not failed:
        st.markdown(f":green[:material/check_circle: {t('background.all_well')}]")
    st.subheader(t("background.waits"), anchor=False)
    with st.grid(4, min_column_width=158, gap="small"):
        for queue in queues:
            _tile(queue, queue in late, now)
    if failed:
        st.subheader(t("background.failures"), anchor=False)
        with st.container(gap="xsmall"):
            for failure in failed:
                _failure(failure, visitor, now)


def _tile(queue: Queue, late: bool, now: datetime) -> None:
    told = None
    if queue.count and queue.since is not None:
        key = "background.ahead" if queue.since > now else "background.long" if late else "background.for"
        told = t(key, span=_span(abs(now - queue.since)))
    st.metric(
        t(f"background.queue.{queue.name}"),
        number(queue.count),
        told,
        delta_color="orange" if late else "off",
        delta_arrow="off",
        help=t(f"background.queue.{queue.name}.help"),
        border=True,
        height="stretch",
    )


def _failure(failure: Failure, visitor: Visitor, now: datetime) -> None:
    times = tn("background.times", failure.times)
    last = t("background.last_time", moment=_time(failure.last_at, visitor, now))
    trouble = md(failure.trouble.rstrip(": "))
    st.markdown(f":red[:material/error:] **{job_name(failure.job)}** · {times} · {last}  \n:small[:gray[{trouble}]]")


# --- what was done --------------------------------------------------------------------------------------
@st.fragment(run_every=REFRESH_SECONDS)
def show_work(jobs: Sequence[tuple[str, str]]) -> None:
    """Each job (its name and its schedule): how often, when next, what it did last; and the letters of the last days."""
    visitor, now = signed_in(), clock.now()
    with reading() as db:
        runs = last_runs(db, visitor=visitor, jobs=[name for name, _ in jobs])
        days = letters_by_day(db, visitor=visitor, now=now)
    st.subheader(t("background.jobs"), anchor=False)
    st.caption(t("background.jobs_what"))
    with st.grid(3, min_column_width=290, gap="medium"):
        for name, cron in jobs:
            st.markdown("  \n".join(_job(name, cron, runs.get(name), visitor, now)))
    st.subheader(t("background.letters"), anchor=False)
    if not any(day.by_state for day in days):
        st.markdown(t("background.no_letters"))
        return
    frame = pd.DataFrame(
        [{"day": each.day, **{state.value: each.by_state.get(state, 0) for state in MessageState}} for each in reversed(days)]
    )
    show_chart(drawn(letters_chart, frame), key="background_letters")


def _job(name: str, cron: str, run: LastRun | None, visitor: Visitor, now: datetime) -> list[str]:
    said = [f"**{job_name(name)}**", f":small[:gray[{_schedule(cron, visitor, now)}]]"]
    if run is None:
        said.append(f":small[:gray[{t(_of_job('background.nothing_yet', name))}]]")
    elif run.trouble:
        failed = t("background.failed_at", moment=_time(run.started_at, visitor, now))
        said.append(f":small[:red[:material/error: {failed}]]")
    else:
        done = tn(_of_job("background.done", name), run.items, moment=_time(run.started_at, visitor, now))
        said.append(f":small[{done}]")
    return said


def _of_job(key: str, job: str) -> str:
    """The words of a job where it has its own: what it counts; why there is no record of it."""
    own = f"{key}.{job}"
    return own if has_text(own) else key


def _schedule(cron: str, visitor: Visitor, now: datetime) -> str:
    often = cadence(cron)
    said = f"`{cron}`" if often.unit == "other" else tn(f"background.every.{often.unit}", often.every)
    # Schedules go by the time outside; the screen speaks of the demo's, when that is ahead.
    following = next_firing(cron, after=clock.real_now())
    if following is None:
        return said
    return f"{said}, {t('background.next', moment=_time(following + clock.ahead(), visitor, now))}"


def job_name(job: str) -> str:
    """A job as staff call it; one that is no more, by its own name."""
    key = f"background.job.{job}"
    return t(key) if has_text(key) else md(job)


def _span(length: timedelta) -> str:
    """A length of time, short: minutes, from an hour hours, from two days days."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return t("background.span.minutes", n=number(max(1, minutes)))
    if minutes < 2 * 24 * 60:
        return t("background.span.hours", n=number(minutes // 60))
    return t("background.span.days", n=number(minutes // (24 * 60)))


def _time(at: datetime, visitor: Visitor, now: datetime, *, seconds: bool = False) -> str:
    """A moment: the time alone when it is today."""
    today = moment(at, visitor.time_zone, pattern="yMMdd") == moment(now, visitor.time_zone, pattern="yMMdd")
    clock_time = "HH:mm:ss" if seconds else "HH:mm"
    return moment(at, visitor.time_zone, pattern=clock_time if today else f"d MMM, {clock_time}")


# --- letters that nobody would take ---------------------------------------------------------------------
def show_dead() -> None:
    """Letters that were given up, for an administrator: sent again or put aside, one by one or all of one trouble."""
    visitor = signed_in()
    with reading() as db:
        reasons = troubles(db, visitor=visitor)
    st.subheader(t("background.dead"), anchor=False)
    refused_here(_PLACE)
    if not reasons:
        st.markdown(f":green[:material/check_circle: {t('background.no_dead')}]")
        return
    st.caption(t("background.dead_what"))
    chosen = _narrowed(reasons)
    with reading() as db:
        letters = dead_letters(db, visitor=visitor, trouble=None if chosen is None else chosen.trouble)
    _for_all([chosen] if chosen else reasons, chosen)
    now = clock.now()
    for letter in letters:
        _dead(letter, visitor, now)


def _narrowed(reasons: Sequence[Trouble]) -> Trouble | None:
    """The trouble that was chosen, when there are several; None: all of them."""
    if len(reasons) == 1:
        return None
    by_text = {reason.trouble: reason for reason in reasons}
    if st.session_state.get("background_trouble") not in by_text:
        st.session_state.pop("background_trouble", None)
    chosen = st.selectbox(
        t("background.trouble"),
        list(by_text),
        index=None,
        format_func=lambda text: f"{text} ({number(by_text[text].count)})",
        placeholder=t("background.any_trouble"),
        key="background_trouble",
        width=640,
    )
    return None if chosen is None else by_text[chosen]


def _for_all(reasons: Sequence[Trouble], chosen: Trouble | None) -> None:
    """What is done with all of them at once."""
    total, sendable = (sum(counts) for counts in zip(*((each.count, each.with_words) for each in reasons), strict=True))
    if total < 2:
        return
    since, trouble = min(each.since for each in reasons), None if chosen is None else chosen.trouble
    with st.container(horizontal=True, gap="small"):
        if sendable:
            st.button(
                t("background.send_all", n=number(sendable)), icon=":material/send:", type="primary", key="background_send_all",
                on_click=_send_all, args=(since, trouble),
            )  # fmt: skip
        st.button(
            t("background.aside_all", n=number(total)), type="tertiary", key="background_aside_all",
            on_click=_ask, args=(since, trouble, total),
        )  # fmt: skip
    _question()


def _dead(letter: DeadLetter, visitor: Visitor, now: datetime) -> None:
    with st.container(border=True, key=f"dead_{letter.message_id}"):
        what, do = st.columns([3, 2], vertical_alignment="center", gap="small")
    with what.container(gap=None):
        st.markdown(f"**{md(letter.subject)}** · {md(letter.recipient)}")
        st.markdown(f":small[:red[:material/error:] {md(letter.trouble)}]")
        tries = tn("background.tries", letter.attempts)
        written = t("background.written", moment=_time(letter.written_at, visitor, now))
        died = t("background.died", moment=_time(letter.dead_at, visitor, now))
        st.caption(f"{written} · {tries} · {died}")
        if not letter.has_words:
            st.caption(t("background.no_words"))
    with do.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
        if letter.has_words:
            st.button(
                t("background.send"), icon=":material/send:", key=f"dead_send_{letter.message_id}",
                on_click=_send, args=(letter.message_id,),
            )  # fmt: skip
        st.button(
            t("background.aside"), type="tertiary", key=f"dead_aside_{letter.message_id}",
            on_click=_put_aside, args=(letter.message_id,),
        )  # fmt: skip


def _send(message_id: int) -> None:
    try:
        sent = perform(send_again, visitor=signed_in(), message_id=message_id)
    except Refusal as refusal:
        refuse(_PLACE, refusal)
    else:
        toast("background.sent" if sent else "background.gone")


def _put_aside(message_id: int) -> None:
    try:
        put = perform(put_aside, visitor=signed_in(), message_id=message_id)
    except Refusal as refusal:
        refuse(_PLACE, refusal)
    else:
        toast("background.put_aside" if put else "background.gone")


def _send_all(since: datetime, trouble: str | None) -> None:
    try:
        sent = perform(send_all_again, visitor=signed_in(), since=since, trouble=trouble)
    except Refusal as refusal:
        refuse(_PLACE, refusal)
    else:
        toast("background.sent_all" if sent else "background.gone", n=sent)


def _ask(since: datetime, trouble: str | None, count: int) -> None:
    st.session_state[_ASKED] = (since, trouble, count)


def _answered() -> None:
    st.session_state.pop(_ASKED, None)


def _question() -> None:
    """Whether all of them are to be put aside: their words go with it."""
    asked: tuple[datetime, str | None, int] | None = st.session_state.get(_ASKED)
    if asked is None:
        return
    since, trouble, count = asked

    @st.dialog(tn("background.aside_question", count), on_dismiss=_answered)
    def ask() -> None:
        st.markdown(t("background.aside_what"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            no = st.button(t("common.cancel"), key="background_aside_no", on_click=_answered)
            yes = st.button(
                t("background.aside_yes"), type="primary", key="background_aside_yes",
                on_click=_put_all_aside, args=(since, trouble),
            )  # fmt: skip
        if no or yes:
            st.rerun()

    ask()


def _put_all_aside(since: datetime, trouble: str | None) -> None:
    _answered()
    try:
        put = perform(put_all_aside, visitor=signed_in(), since=since, trouble=trouble)
    except Refusal as refusal:
        refuse(_PLACE, refusal)
    else:
        toast("background.put_all_aside" if put else "background.gone", n=put)
