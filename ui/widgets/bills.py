"""Monthly bills: the list to choose from, one bill with its lines, and in words why it is not what the one before was."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

import pandas as pd
import streamlit as st

from rules.bill_changes import BillDifference, BilledLine, BilledMonth, Change, ChangeKind, Days
from rules.papers import BillLineRow, BillRow
from rules.periods import days_in_month, month_start, months_between
from rules.terms import BillingMode, TransferCode
from texts import day, md, money, month, t, tn
from texts.formats import NO_BREAK
from ui.widgets.account import Colour

PARAMETER = "bill"
_PART = {TransferCode.PLAN_FEE: "plan", TransferCode.OPTION_FEE: "option"}
SHOWN = 12
_LIST, _PICK, _ALL = "bills_list", "bills_pick", "bills_all"

# A list at a desk, one field on a phone: both are in the page, the width decides. Constants only.
_STYLE = """<style>
.st-key-bills_pick { display: none }
.st-key-bills_list :has(> [data-testid="stRadioOption"]) { width: 100% }
.st-key-bills_list [data-testid="stRadioOption"], .st-key-bills_list [data-testid="stRadioOption"] > div { width: 100% }
.st-key-bills_list [data-testid="stRadioOption"] [data-testid="stMarkdownContainer"] { flex: 1 }
.st-key-bills_list [data-testid="stRadioOption"] p {
  display: flex; justify-content: space-between; gap: .5rem; font-variant-numeric: tabular-nums;
}
:is(.st-key-bills_changes, .st-key-bills_lines) td:last-child {
  text-align: right !important; font-variant-numeric: tabular-nums;
}
:is(.st-key-bills_changes, .st-key-bills_lines) td:last-child p { white-space: nowrap }
@media (max-width: 640px) {
  .st-key-bills_pick { display: block }
  .st-key-bills_list, .st-key-bills_more { display: none }
}
</style>"""


# --- the list -----------------------------------------------------------------------------------------------
def state(bill: BillRow, mode: BillingMode) -> tuple[str, Colour, str]:
    """Whether a bill is paid: text, colour, icon."""
    if not bill.left_kopecks:
        return t("bills.state.charged" if mode is BillingMode.PREPAID else "bills.state.paid"), "green", ":material/check_circle:"
    if mode is BillingMode.PREPAID:
        return t("bills.state.owed"), "orange", ":material/schedule:"
    if bill.is_overdue:
        return t("bills.state.overdue"), "red", ":material/error:"
    return t("bills.state.to_pay"), "orange", ":material/schedule:"


def asked_for(bills: Sequence[BillRow]) -> BillRow:
    """The bill that the address names, else the newest; `bills` are the newest first, of which there is one at least."""
    asked = st.query_params.get(PARAMETER, "")
    found = next((bill for bill in bills if str(bill.bill_id) == asked), bills[0])
    if asked and str(found.bill_id) != asked:
        del st.query_params[PARAMETER]  # another account's, or nobody's: as if nothing was asked
    return found


def choose(bills: Sequence[BillRow], chosen: BillRow, mode: BillingMode, today: date) -> None:
    """The list, the newest first, with the one that is shown. Another choice goes to the address."""
    st.html(_STYLE)
    by_id = {bill.bill_id: bill for bill in bills}
    st.session_state[_LIST] = st.session_state[_PICK] = chosen.bill_id
    few = [bill.bill_id for bill in bills[:SHOWN]]
    listed = list(by_id) if st.session_state.get(_ALL) or chosen.bill_id not in few else few
    told = {bill.bill_id: state(bill, mode) for bill in bills}
    st.selectbox(
        t("bills.month"),
        list(by_id),
        format_func=lambda id_: f"{_month(by_id[id_])} · {money(by_id[id_].total_kopecks, exact=False)} · {told[id_][0].lower()}",
        key=_PICK,
        on_change=_to_address,
        args=(_PICK,),
    )
    st.radio(
        t("bills.list"),
        listed,
        format_func=lambda id_: f"**{_month(by_id[id_])}** {money(by_id[id_].total_kopecks)}",
        captions=[f":{told[id_][1]}[{told[id_][2]} {told[id_][0]}] · {_about(by_id[id_], mode, today)}" for id_ in listed],
        key=_LIST,
        on_change=_to_address,
        args=(_LIST,),
        width="stretch",
    )
    if len(listed) < len(bills):
        rest = tn("bills.show_all", len(bills) - len(listed))
        st.button(rest, type="tertiary", icon=":material/expand_more:", key="bills_more", on_click=_show_all)


def _month(bill: BillRow) -> str:
    return month(bill.month_on).capitalize()


def _about(bill: BillRow, mode: BillingMode, today: date) -> str:
    number = t("bills.number", number=bill.number)
    if mode is BillingMode.PREPAID:
        return number
    return f"{number} · {t('bills.until', day=day(bill.due_on, this_year=today.year))}"


def _to_address(key: str) -> None:
    st.query_params[PARAMETER] = str(st.session_state[key])


def _open(bill_id: int) -> None:
    st.query_params[PARAMETER] = str(bill_id)


def _show_all() -> None:
    st.session_state[_ALL] = True


# --- why it changed -----------------------------------------------------------------------------------------
def product(line: BillLineRow) -> str:
    """A key of what was charged, the same on every bill."""
    return f"plan {line.plan_id}" if line.plan_id else f"option {line.option_id}" if line.option_id else line.code.value


def billed(month_on: date, lines: Iterable[BillLineRow]) -> BilledMonth:
    """A bill as the rules compare it."""
    return BilledMonth(
        month_on, tuple(BilledLine(line.code, product(line), line.from_on, line.to_on, line.amount_kopecks) for line in lines)
    )


def names_of(lines: Iterable[BillLineRow]) -> dict[str, str]:
    """What plans and options are called, by their keys; plain text."""
    return {product(line): line.name for line in lines}


def answer(seen: BillDifference, names: Mapping[str, str], today: date) -> str:
    """The difference in a sentence, with the one or two reasons that count most; plain text."""
    than = t(f"bills.in_month.{seen.before_on.month}")
    if seen.before_on.year != seen.month_on.year or seen.month_on.year != today.year:
        than = f"{than} {seen.before_on.year}"
    what = "more" if seen.kopecks > 0 else "less" if seen.kopecks < 0 else "same"
    said = t(f"bills.{what}", sum=money(abs(seen.kopecks), exact=False), than=than)
    up = [reason(change, names) for change in seen.changes if change.kopecks > 0]
    down = [reason(change, names) for change in seen.changes if change.kopecks < 0]
    if not seen.kopecks:
        reasons = t("bills.but", first=up[0], second=down[0]) if up and down else ""
    else:
        first, *rest = up if seen.kopecks > 0 else down
        reasons = t("bills.and", first=first, second=rest[0]) if rest else first
    return t("bills.because", what=said, reasons=reasons) if reasons else said


def reason(change: Change, names: Mapping[str, str]) -> str:
    """What made the difference, in a few words within a sentence."""
    name = names.get(change.product, "")
    sort = "plan" if change.code is TransferCode.PLAN_FEE else "option"
    grew = change.kopecks > 0
    key = change.kind.value
    if change.kind in (ChangeKind.ADDED, ChangeKind.REMOVED):
        key = f"{sort}_{key}"
    elif change.kind is ChangeKind.PRICE:
        key = f"{sort}_{'dearer' if grew else 'cheaper'}"
    elif change.kind is ChangeKind.DAYS:
        return t(f"bills.reason.{sort}_days", product=name, days=days(change.days_now))
    elif change.kind is ChangeKind.ONE_OFF and not grew:
        key = "one_off_gone" if not change.now_kopecks else "one_off_less"
    elif change.kind is ChangeKind.LATE_FEE and not grew:
        key = "late_fee_gone" if not change.now_kopecks else "late_fee_less"
    return t(f"bills.reason.{key}", product=name)


def days(charged: Days | None) -> str:
    """So many days of a month, or the whole of it."""
    if charged is None or charged.are_all:
        return t("bills.whole_month")
    return tn("bills.days_of", charged.charged, length=charged.in_month).replace(" ", NO_BREAK)


def changed_name(change: Change, names: Mapping[str, str]) -> str:
    """What has changed: the plan, an option by its name, late fees; plain text."""
    if change.kind is ChangeKind.PLAN:
        return t("bills.change.plan", before=names.get(change.product_before, ""), product=names.get(change.product, ""))
    return line_name(change.code, names.get(change.product, ""))


def line_name(code: TransferCode, name: str) -> str:
    if code is TransferCode.LATE_FEE or not name:
        return t(f"payments.code.{code.value}")
    return t("bills.plan", product=name) if code is TransferCode.PLAN_FEE else t("bills.option", product=name)


def changed_how(change: Change, today: date) -> str:
    """How it has changed, in facts; plain text."""
    on = "" if change.on is None else day(change.on, this_year=today.year)
    was, now = (money(kopecks, exact=False) for kopecks in (change.before_kopecks, change.now_kopecks))
    if change.kind in (ChangeKind.PLAN, ChangeKind.PRICE):
        old, new = (money(sum_ or 0, exact=False) for sum_ in (change.monthly_before_kopecks, change.monthly_now_kopecks))
        return t("bills.change.since", day=on, before=old, now=new)
    if change.kind is ChangeKind.DAYS:
        return t("bills.change.days", now=days(change.days_now), before=days(change.days_before))
    if change.kind is ChangeKind.ADDED:
        whole = change.days_now is None or change.days_now.are_all
        return t("bills.change.added_whole") if whole else t("bills.change.added", day=on, days=days(change.days_now))
    if change.kind is ChangeKind.REMOVED and change.on is not None:
        return t("bills.change.removed", day=day(change.on + timedelta(days=1), this_year=today.year))
    if change.kind in (ChangeKind.ONE_OFF, ChangeKind.LATE_FEE):
        key = "once" if change.kind is ChangeKind.ONE_OFF else "fee"
        if change.before_kopecks and change.now_kopecks:
            return t("bills.change.were", before=was, now=now)
        return t(f"bills.change.{key}" if change.now_kopecks else f"bills.change.{key}_gone")
    return t("bills.change.rounding")


def show_changes(seen: BillDifference | None, names: Mapping[str, str], today: date) -> None:
    """The answer, and the parts that add up to it, the largest first. None: there is no bill before."""
    if seen is None:
        st.subheader(t("bills.why"), anchor=False)
        st.markdown(t("bills.first"))
        return
    st.subheader(md(answer(seen, names, today)), anchor=False)
    if seen.skips_months:
        st.caption(t("bills.skipped", month=month(seen.before_on)))
    moved = [change for change in seen.changes if change.kopecks]
    if moved:
        rows = [
            (f"{md(changed_name(change, names))}  \n:gray[{md(changed_how(change, today))}]", _signed(change.kopecks))
            for change in moved
        ]
        _table("bills_changes", rows, alt=t("bills.why"))
    still = [md(changed_name(change, names)) for change in seen.changes if change.kind is ChangeKind.SAME]
    if still and moved:
        st.caption(t("bills.unchanged", names=", ".join(still)))


def last_change(bills: Sequence[BillRow], chosen: BillRow) -> BillRow | None:
    """The newest bill up to the chosen one whose total is not that of the bill before; `bills` are the newest first."""
    older = [bill for bill in bills if bill.month_on <= chosen.month_on]
    return next((now for now, before in pairwise(older) if now.total_kopecks != before.total_kopecks), None)


def show_last_change(bills: Sequence[BillRow], chosen: BillRow) -> None:
    """Where a bill is as the one before, the way to the last one that was not."""
    changed = last_change(bills, chosen)
    if changed is not None and changed is not chosen:
        said = t("bills.changed_in", month=month(changed.month_on))
        st.button(said, type="tertiary", icon=":material/history:", key="bills_last_change", on_click=_open,
                  args=(changed.bill_id,))  # fmt: skip


def _signed(kopecks: int) -> str:
    """More costs are orange, less are green, and the sign says the same."""
    return f":{'orange' if kopecks > 0 else 'green'}[{money(kopecks, signed=True)}]"


def _table(key: str, rows: Sequence[tuple[str, str]], *, alt: str) -> None:
    frame = pd.DataFrame(rows, columns=["what", "sum"], dtype=object)
    with st.container(key=key):
        st.table(frame, border="horizontal", hide_index=True, hide_header=True, alt=alt)


# --- what it is made of -------------------------------------------------------------------------------------
def show_lines(lines: Sequence[BillLineRow], total_kopecks: int, today: date) -> None:
    """The lines with their days, and the total."""
    rows = [
        (f"{md(line_name(line.code, line.name))}  \n:gray[{when(line, today)}]", money(line.amount_kopecks)) for line in lines
    ]
    _table("bills_lines", [*rows, (f"**{t('bills.total')}**", f"**{money(total_kopecks)}**")], alt=t("bills.lines"))


def when(line: BillLineRow, today: date) -> str:
    """The days that a line is for."""
    if line.code in (TransferCode.ONE_OFF, TransferCode.LATE_FEE):
        return day(line.from_on, this_year=today.year)
    if not line.prorated or month_start(line.from_on) != month_start(line.to_on):
        return t("bills.whole_month")
    last = day(line.to_on, this_year=today.year)
    said = last if line.days == 1 else f"{line.from_on.day}–{last}"
    return f"{said}, {days(Days(line.days, days_in_month(line.from_on)))}"


def by_parts(bills: Sequence[BillRow], lines: Mapping[int, Sequence[BillLineRow]]) -> pd.DataFrame:
    """What the chart draws: month_on, plan, option, once, in kopecks; a row per month, the oldest first."""
    of = {bill.month_on: lines.get(bill.bill_id, ()) for bill in bills}
    rows = []
    for month_on in months_between(min(of), max(of))[-SHOWN:]:
        sums = dict.fromkeys(("plan", "option", "once"), 0)
        for line in of.get(month_on, ()):
            sums[_PART.get(line.code, "once")] += line.amount_kopecks
        rows.append((month_on, *sums.values()))
    return pd.DataFrame(rows, columns=["month_on", "plan", "option", "once"])
