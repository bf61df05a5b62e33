"""Where a person's money goes, whether it is more than before, and the operations that prove it."""

from typing import Literal

import streamlit as st

import clock
from db import reading
from queries.accounts import attached_accounts
from queries.figures import accounting_month
from queries.payments import MoneyReport, OperationKind, Sums, operations, standing
from rules.periods import add_months
from settings import settings
from texts import day, language, money, month, number, percent, t, tn
from texts.formats import MINUS
from ui.charts.money import by_service, monthly_money, year_against_year
from ui.widgets import operations as history
from ui.widgets.chart import drawn, show_chart
from ui.widgets.printout import printout_button, printout_dialog
from ui.widgets.session import signed_in

PAGE = 25
SHOWN = {OperationKind.TOP_UP: "paid", OperationKind.CHARGE: "charged", OperationKind.BONUS: "bonus"}


def change(now: int, before: int | None) -> str | None:
    """How much more than before, in percent; nothing where that would say nothing."""
    # Rounded here: less than half a percent less is "0 %", not "−0 %".
    return percent(round(now / before - 1, 2), signed=True) if before and now / before < 10 else None


def arrow(said: str | None) -> Literal["up", "down", "off"]:
    """Which way a change points, by the sign it is written with: Streamlit itself does not know the minus sign of texts."""
    return "up" if said and said.startswith("+") else "down" if said and said.startswith(MINUS) else "off"


def tile(name: str, value: str, delta: str | None, *, help: str) -> None:
    label = t(f"payments.{name}")
    way = arrow(delta)
    st.metric(label, value, delta, delta_color="off", delta_arrow=way, border=True, height="stretch", help=help)


def tiles(seen: MoneyReport, *, compared: bool) -> None:
    now, before = seen.now, seen.before if compared else Sums()
    with st.grid(4, min_column_width=158, gap="small"):
        refunded = t("payments.help.paid", refunded=money(now.refunded_kopecks))
        tile("paid", money(now.paid_kopecks), change(now.paid_kopecks, before.paid_kopecks), help=refunded)
        charged = change(now.charged_kopecks, before.charged_kopecks)
        tile("charged", money(now.charged_kopecks), charged, help=t("payments.help.charged"))
        average = change(seen.average_kopecks, seen.average_before_kopecks if compared else None)
        mean = money(seen.average_kopecks) if seen.full_months else "—"
        tile("average", mean, average, help=t("payments.help.average"))
        share = now.by_autopay_kopecks / now.paid_kopecks if now.paid_kopecks else None
        share_before = before.by_autopay_kopecks / before.paid_kopecks if before.paid_kopecks else None
        points = None if share is None or share_before is None else round(100 * (share - share_before))
        grown = None if points is None else t("payments.points_up", points=f"+{points}" if points > 0 else number(points))
        tile("by_autopay", "—" if share is None else percent(share), grown, help=t("payments.help.by_autopay"))


visitor = signed_in()
head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
head.title(t("payments.title"), anchor=False, width="content")
with reading() as db:
    accounts = attached_accounts(db, visitor=visitor)
    history_now = standing(db, visitor=visitor)
since = history_now.first_month
if not accounts:
    st.info(t("payments.no_accounts"), icon=":material/receipt_long:")
    if st.button(t("payments.to_accounts"), type="primary", icon=":material/add:", key="payments_to_accounts"):
        st.switch_page("pages/account/accounts.py")
    st.stop()
if since is None:
    st.info(t("payments.nothing_yet"), icon=":material/hourglass_empty:")
    st.stop()

today = clock.today("Europe/Moscow")
chosen = history.filters(accounts, since=since, until=max(since, accounting_month(clock.now())))
with head:
    printout_button(chosen, accounts, today)
printout_dialog(accounts, today)
# The database is part of the version: a demo that is pointed at another one has another history.
version = (settings().database_url, *history_now.version)
seen = history.report(visitor, chosen.first, chosen.last, chosen.narrowing, today, language(), version)
with reading() as db:
    total = sum(seen.counts[kind] for kind in chosen.kinds)
    page = history.page_of(total, PAGE)
    rows = operations(
        db,
        visitor=visitor,
        first=chosen.first,
        last=chosen.last,
        kinds=chosen.kinds,
        narrowing=chosen.narrowing,
        language=language(),
        total=total,
        page=page,
        size=PAGE,
    )
history.to_address(page)
if not total:
    st.info(t("payments.nothing_found"), icon=":material/search_off:")
    st.button(t("payments.reset"), on_click=history.reset, key="payments_reset")
    st.stop()

length = len(seen.months)
# With a time in which services were not there yet, or in their first month only in part, nothing is compared.
is_compared = bool(seen.before.operations) and add_months(chosen.first, -length) > since
tiles(seen, compared=is_compared)
if is_compared:
    until = (
        day(add_months(today, -length))
        if chosen.last == accounting_month(clock.now())
        else month(add_months(chosen.last, -length))
    )
    st.caption(t("payments.compared", span=f"{month(add_months(chosen.first, -length))} — {until}"))

shown = tuple(SHOWN[kind] for kind in chosen.kinds)
earlier = seen.before if is_compared else Sums()
before = {"paid": earlier.paid_kopecks, "charged": earlier.charged_kopecks, "bonus": earlier.bonus_kopecks}
leading = next(name for name in ("paid", "charged", "bonus") if name in shown)
wide, narrow = st.columns([2, 1], gap="large") if "charged" in shown and len(seen.parts) else (st.container(), None)
with wide:
    show_chart(
        drawn(monthly_money, seen.months, shown=shown, before_kopecks=before[leading]),
        key="payments_by_month",
    )
if narrow is not None:
    service = next((a.service.value for a in accounts if a.account_id == chosen.narrowing.account_id), "")
    with narrow:
        show_chart(drawn(by_service, seen.parts, service=service), key="payments_by_part")
years = seen.years.copy()
years.loc[years["month_on"] <= add_months(since, 12), "before"] = 0
if "charged" in shown and years["before"].any():
    show_chart(drawn(year_against_year, years), key="payments_by_year")

st.space("small")
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    st.subheader(t("payments.operations"), anchor=False, width="content")
    st.caption(tn("payments.count", total), width="content")
history.operations_table(rows, visitor=visitor, alt=t("payments.title"))
history.pages(total, PAGE)
