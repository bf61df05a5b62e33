"""The form of a printout: for which days, of which accounts, in which format; its end is a link that downloads it."""

from collections.abc import Sequence
from datetime import date, timedelta
from urllib.parse import urlencode

import streamlit as st

from queries.accounts import AttachedAccount
from rules.numbers import format_account_number
from rules.periods import add_months, month_end, month_start, previous_month
from texts import day, t
from ui.widgets.account import account_name
from ui.widgets.names import told_apart
from ui.widgets.operations import Filters

PERIODS = ("month", "last", "quarter", "year", "own")
FORMATS = ("pdf", "xlsx", "csv")
_LIKE_FILTER = {"3": "quarter", "12": "year"}
ASKED = "_printout_asked"


def span(period: str, today: date) -> tuple[date, date]:
    """The first and the last day of a quick choice; the month that goes on ends today, as on the screen of payments."""
    month = month_start(today)
    if period == "last":
        return previous_month(month), month - timedelta(days=1)
    return add_months(month, {"month": 0, "quarter": -2}.get(period, -11)), today


def problem(since: date | None, until: date | None, today: date) -> str:
    """The key of what is wrong with one's own dates; empty when nothing is."""
    if since is None or until is None:
        return "printout.no_date"
    if since > today:
        return "printout.not_yet"
    return "printout.swapped" if since > until else ""


def address(since: date, until: date, accounts: Sequence[int], format_: str) -> str:
    """Where the printout is downloaded from. No accounts: all of them."""
    asked = [("from", since.isoformat()), ("to", until.isoformat()), *(("account", account) for account in accounts)]
    return f"/documents/statement.{format_}?{urlencode(asked)}"


def ask(filters: Filters, account_ids: Sequence[int], today: date) -> None:
    """Open the form, filled in like the filters of the screen; a callback."""
    chosen, one = st.session_state, filters.narrowing.account_id
    chosen[ASKED] = (filters.first, min(month_end(filters.last), today))
    chosen.printout_period = _LIKE_FILTER.get(chosen.payments_period, "own")
    chosen.printout_since, chosen.printout_until = chosen[ASKED]
    chosen.printout_accounts = [one] if one else list(account_ids)
    chosen.setdefault("printout_format", FORMATS[0])


def forget() -> None:
    """Close the form; a callback."""
    st.session_state.pop(ASKED, None)


def printout_button(filters: Filters, accounts: Sequence[AttachedAccount], today: date) -> None:
    """The button that opens the form."""
    given = (filters, [account.account_id for account in accounts], today)
    st.button(t("printout.open"), icon=":material/print:", key="printout_open", on_click=ask, args=given)


def printout_dialog(accounts: Sequence[AttachedAccount], today: date) -> None:
    """The form, while it is open."""
    if ASKED not in st.session_state:
        return

    @st.dialog(t("printout.title"), on_dismiss=forget)
    def show() -> None:
        span_ = _period(today)
        of = _accounts(accounts)
        formats = {each: each.upper() for each in FORMATS}
        format_ = st.segmented_control(
            t("printout.format"), FORMATS, format_func=formats.__getitem__, required=True, key="printout_format"
        )
        format_ = format_ or FORMATS[0]
        st.caption(t(f"printout.format.{format_}"))
        where = "#" if span_ is None or of is None else address(*span_, of, format_)
        st.link_button(
            t("printout.download", format=format_.upper()),
            where,
            type="primary",
            icon=":material/download:",
            disabled=where == "#",
            width="stretch",
            key="printout_link",
        )

    show()


def _period(today: date) -> tuple[date, date] | None:
    """The days that are chosen, both included; None when they are wrong, which is said."""
    chosen, periods = st.session_state, {each: t(f"printout.period.{each}") for each in PERIODS}
    # Pills wrap where a row is too short for them.
    period = st.pills(t("printout.period"), PERIODS, format_func=periods.__getitem__, required=True, key="printout_period")
    if period != "own":
        since, until = span(period or PERIODS[0], today)
    else:
        for key, filled_in in zip(("printout_since", "printout_until"), chosen[ASKED], strict=True):
            chosen.setdefault(key, filled_in)
        with st.container(horizontal=True, gap="small"):
            since, until = (
                st.date_input(t(key.replace("_", ".")), format="DD.MM.YYYY", key=key, width=145)
                for key in ("printout_since", "printout_until")
            )
        wrong = problem(since, until, today)
        if wrong:
            st.error(t(wrong, today=day(today, this_year=today.year)), icon=":material/error:")
            return None
    until = min(until, today)
    st.caption(t("printout.span", since=day(since), until=day(until)))
    return since, until


def _accounts(accounts: Sequence[AttachedAccount]) -> list[int] | None:
    """The accounts that are chosen, none when it is all of them; None when there is none, which is said."""
    if len(accounts) < 2:
        return []
    names = told_apart(
        {each.account_id: account_name(each.label, each.service) for each in accounts},
        {each.account_id: format_account_number(each.number) for each in accounts},
    )
    st.session_state.setdefault("printout_accounts", list(names))
    of = st.pills(
        t("printout.accounts"),
        list(names),
        selection_mode="multi",
        format_func=names.__getitem__,
        key="printout_accounts",
    )
    if not of:
        st.error(t("printout.no_account"), icon=":material/error:")
        return None
    return [] if len(of) == len(names) else list(of)
