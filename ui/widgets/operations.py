"""The history of operations: filters that live in the address, and a table that is a list on a phone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

import clock
from db import reading
from queries.accounts import AttachedAccount
from queries.payments import MoneyReport, Narrowing, Operation, OperationKind, money_report
from rules.numbers import format_account_number
from rules.periods import add_months, months_between
from rules.terms import Language, PaymentState, TransferCode
from rules.visitor import Visitor
from texts import card_number, language, md, moment, money, month, speaking, t
from ui.widgets import address
from ui.widgets.account import account_name
from ui.widgets.names import told_apart

PERIODS = ("3", "12", "24", "own")
ALL = 0
"""Chosen where others would be the id of an account."""
MOST = 1_000_000
"""Roubles; a larger bound is not asked for."""

# A table at a desk, a list on a phone: both are in the page, the width decides. Constants only.
_STYLE = """<style>
.st-key-operations_list { display: none }
.st-key-operations_table td:last-child, .st-key-operations_table th:last-child, .st-key-operations_list td:last-child {
  text-align: right !important; font-variant-numeric: tabular-nums;
}
.st-key-operations_table td:first-child p, .st-key-operations_table td:last-child p, .st-key-operations_list td:last-child p {
  white-space: nowrap;
}
@media (max-width: 640px) {
  .st-key-operations_list { display: flex }
  .st-key-operations_table { display: none }
}
</style>"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the person looks at: months (both included), kinds, one account or all, sums."""

    first: date
    last: date
    kinds: tuple[OperationKind, ...]
    narrowing: Narrowing
    was_swapped: bool = False


@lru_cache(maxsize=256)
def report(
    visitor: Visitor, first: date, last: date, narrowing: Narrowing, today: date, spoken: Language, _version: tuple[object, ...]
) -> MoneyReport:
    """The visitor's money as of a version of their history (`queries.payments.standing`): turning a page reckons nothing."""
    with reading() as db:
        return money_report(db, visitor=visitor, first=first, last=last, today=today, narrowing=narrowing, language=spoken)


# --- filters ------------------------------------------------------------------------------------------------
def filters(accounts: Sequence[AttachedAccount], *, since: date, until: date) -> Filters:
    """The line of filters over the months from `since` to `until`. What is chosen is in the address, in codes: a link means
    the same in both languages."""
    _from_address({account.account_id for account in accounts}, since, until)
    names = {ALL: t("common.all_accounts")} | told_apart(
        {each.account_id: account_name(each.label, each.service) for each in accounts},
        {each.account_id: format_account_number(each.number) for each in accounts},
    )
    periods = {each: t(f"payments.period.{each}") for each in PERIODS}
    kinds = {kind: t(f"payments.kind.{kind.value}") for kind in OperationKind}
    months = months_between(since, until)[::-1]
    chosen = st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="payments_filters"):
        period = st.segmented_control(
            t("payments.period"),
            PERIODS,
            format_func=periods.__getitem__,
            required=True,
            key="payments_period",
            on_change=_other_list,
        )
        if period == "own":
            chosen.setdefault("payments_since", max(since, add_months(until, -11)))
            chosen.setdefault("payments_until", until)
            for key in ("payments_since", "payments_until"):
                st.selectbox(t(key.replace("_", ".")), months, format_func=month, key=key, width=170, on_change=_other_list)
        st.selectbox(
            t("payments.account"),
            list(names),
            format_func=names.__getitem__,
            key="payments_account",
            width=230,
            on_change=_other_list,
        )
        st.pills(
            t("payments.kinds"),
            list(OperationKind),
            selection_mode="multi",
            format_func=kinds.__getitem__,
            key="payments_kinds",
            on_change=_other_list,
        )
        with st.popover(_sum_said(chosen.payments_least, chosen.payments_most), icon=":material/tune:"):
            for key in ("payments_least", "payments_most"):
                st.number_input(
                    t(key.replace("_", ".")), 0, MOST, value=None, step=100, key=key, width=180, on_change=_other_list
                )
    if period == "own":
        first, last = chosen.payments_since, chosen.payments_until
    else:
        first, last = add_months(until, 1 - int(period or PERIODS[1])), until
    return Filters(
        first=min(first, last),
        last=max(first, last),
        kinds=tuple(kind for kind in OperationKind if kind in chosen.payments_kinds) or tuple(OperationKind),
        narrowing=Narrowing(chosen.payments_account or None, *_bounds(chosen.payments_least, chosen.payments_most)),
        was_swapped=first > last,
    )


def _bounds(least: int | None, most: int | None) -> tuple[int | None, int | None]:
    """The kopecks between two sums in roubles, whichever was given first; up to 150 ₽ are 150 ₽ and any kopecks."""
    if least is not None and most is not None:
        least, most = min(least, most), max(least, most)
    return None if least is None else least * 100, None if most is None else most * 100 + 99


def _sum_said(least: int | None, most: int | None) -> str:
    """The name of the filter by sum, with what is set."""
    said = [
        t(f"payments.sum.{'from' if name == 'least' else 'to'}", **{name: money(value * 100, exact=False)})
        for name, value in (("least", least), ("most", most))
        if value is not None
    ]
    return " ".join([t("payments.sum"), *said])


def _other_list(opens_at: int = 1) -> None:
    """Other filters, another list, open on its first page."""
    number, _ = st.session_state.get("payments_list", (0, 1))
    st.session_state.payments_list = (number + 1, opens_at)


def reset() -> None:
    """Show everything of the last twelve months again; a callback."""
    _choose({}, set(), st.session_state.payments_span)


def _from_address(account_ids: set[int], since: date, until: date) -> None:
    """Set the filters by the address when it was opened or went back."""
    said = {key: st.query_params.get(key, "") for key in ("period", "since", "until", "account", "kinds", "from", "to", "page")}
    st.session_state.payments_span = (since, until)
    if st.session_state.get("payments_address") != said or not st.session_state.get("payments_period"):
        st.session_state.payments_address = said
        _choose(said, account_ids, (since, until))


def _choose(said: Mapping[str, str], account_ids: set[int], span: tuple[date, date]) -> None:
    chosen, months = st.session_state, {each.strftime("%Y-%m"): each for each in months_between(*span)}
    account, kinds = _number(said.get("account", "")), said.get("kinds", "").split(".")
    chosen.payments_period = said["period"] if said.get("period") in PERIODS else "12"
    chosen.payments_since = months.get(said.get("since", ""), max(span[0], add_months(span[1], -11)))
    chosen.payments_until = months.get(said.get("until", ""), span[1])
    chosen.payments_account = account if account in account_ids else ALL
    chosen.payments_kinds = [kind for kind in OperationKind if kind.value in kinds] or list(OperationKind)
    chosen.payments_least, chosen.payments_most = _number(said.get("from", "")), _number(said.get("to", ""))
    _other_list(_number(said.get("page", "")) or 1)


def _number(said: str) -> int | None:
    return min(int(said), MOST) if said.isascii() and said.isdecimal() and len(said) < 19 else None


def to_address(page: int) -> None:
    """Write the filters and the page into the address; what is as it comes is left out."""
    chosen = st.session_state
    own, kinds = chosen.payments_period == "own", chosen.payments_kinds
    said = {
        "period": "" if chosen.payments_period in (None, "12") else chosen.payments_period,
        "since": f"{chosen.payments_since:%Y-%m}" if own else "",
        "until": f"{chosen.payments_until:%Y-%m}" if own else "",
        "account": str(chosen.payments_account or ""),
        "kinds": "" if len(kinds) in (0, len(OperationKind)) else ".".join(sorted(kind.value for kind in kinds)),
        "from": "" if chosen.payments_least is None else str(chosen.payments_least),
        "to": "" if chosen.payments_most is None else str(chosen.payments_most),
        "page": "" if page == 1 else str(page),
    }
    address.keep(said)
    chosen.payments_address = said


# --- the history --------------------------------------------------------------------------------------------
def page_of(total: int, size: int) -> int:
    """The page that is open, within what there is."""
    number, opens_at = st.session_state.payments_list
    page = st.session_state.get(f"payments_page_{number}", opens_at)
    return int(min(max(1, page), max(1, -(-total // size))))


def pages(total: int, size: int) -> None:
    """The numbers of the pages, when there is more than one."""
    number, _ = st.session_state.payments_list
    if total > size:
        with st.container(horizontal_alignment="center"):
            st.pagination(-(-total // size), default=page_of(total, size), key=f"payments_page_{number}")


def operations_table(rows: Sequence[Operation], *, visitor: Visitor, alt: str) -> None:
    """The rows as a table at a desk, as a list on a phone."""
    st.html(_STYLE)
    wide, narrow = _frames(tuple(rows), visitor.time_zone, clock.today(visitor.time_zone).year, language())
    with st.container(key="operations_table"):
        st.table(wide, border="horizontal", hide_index=True, alt=alt)
    with st.container(key="operations_list"):
        st.table(narrow, border="horizontal", hide_index=True, hide_header=True, alt=alt)


@lru_cache(maxsize=256)
def _frames(rows: tuple[Operation, ...], time_zone: str, this_year: int, spoken: Language) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table and the list, made once for the same rows: most runs of the page change neither."""
    with speaking(spoken):
        headings = [t(f"payments.{name}") for name in ("date", "what", "of_account", "state", "amount")]
        told = [
            (
                _at(row.at, time_zone, this_year),
                md(what(row)),
                md(account_name(row.label, row.service)),
                _state(row),
                _sum(row),
            )
            for row in rows
        ]
    short = [
        (
            f"**{name}**  \n:gray[{account} · {at}]" + ("" if row.state is PaymentState.SUCCEEDED else f"  \n{state}"),
            f"**{amount}**" if row.state is PaymentState.SUCCEEDED else amount,
        )
        for row, (at, name, account, state, amount) in zip(rows, told, strict=True)
    ]
    return (
        pd.DataFrame(told, columns=headings, dtype=object),
        pd.DataFrame(short, columns=headings[1::3], dtype=object),
    )


def _at(at: datetime, time_zone: str, this_year: int) -> str:
    """The moment in the person's time, the year where it is not this one."""
    is_this_year = at.astimezone(ZoneInfo(time_zone)).year == this_year
    return moment(at, time_zone, pattern="d MMMM, HH:mm" if is_this_year else "d MMM y, HH:mm")


def what(row: Operation) -> str:
    """What an operation was, in words; plain text."""
    if row.code is TransferCode.TOP_UP:
        said = t(f"payments.top_up.{row.method.value if row.method else 'other'}")
        if row.card_brand is None or row.card_last_four is None:
            return said
        return f"{said} {card_number(row.card_brand, row.card_last_four)}"
    if row.product:
        return t(f"payments.{row.code.value}", product=row.product)
    if row.code is TransferCode.REFUND and row.reason:
        return t("payments.refund_of", number=row.payment_id, reason=row.reason)
    has_no_product = row.code in (TransferCode.BONUS_SPENT, TransferCode.REFUND)
    return t(f"payments.{row.code.value}" if has_no_product else f"payments.code.{row.code.value}")


def _state(row: Operation) -> str:
    if row.state is PaymentState.SUCCEEDED:
        return f":gray[{t('payments.state.succeeded')}]"
    if row.state is PaymentState.PENDING:
        return f":orange[:material/schedule: {t('payments.state.pending')}]"
    reason = t(f"declinereason.{row.decline_reason}")
    return f":red[:material/error: {t('payments.state.declined', reason=reason)}]"


def _sum(row: Operation) -> str:
    """The sum with its sign; struck out when no money moved."""
    if row.state is not PaymentState.SUCCEEDED:
        return f":gray[~~{money(row.kopecks)}~~]"
    return f":green[{money(row.kopecks, signed=True)}]" if row.kopecks > 0 else money(row.kopecks)
