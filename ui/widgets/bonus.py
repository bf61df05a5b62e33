"""Bonus points on the screen: key figures, the way to the next level, what expires when, history, how to earn."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import pandas as pd
import streamlit as st

from queries.bonus import BonusLotRow, BonusMovement
from rules.bonus import BonusTerms, LevelStanding, expiring
from rules.periods import month_start
from rules.terms import BonusKind, Language
from rules.visitor import Visitor
from texts import day, language, md, moment, money, month, number, percent, points, speaking, t, tn
from ui.widgets.account import account_name

TERMS = BonusTerms()
SOON_DAYS = 30

# Sums stand under each other; constants only.
_STYLE = """<style>
.st-key-bonus_history td:last-child, .st-key-bonus_history th:last-child,
.st-key-bonus_expiry td:last-child, .st-key-bonus_expiry th:last-child {
  text-align: right !important; font-variant-numeric: tabular-nums;
}
.st-key-bonus_history td:last-child p { white-space: nowrap }
</style>"""


def tiles(lots: Sequence[BonusLotRow], standing: LevelStanding, paid: int, earned: int, today: date) -> None:
    """The key figures: how many, what level, what expires soon, what was earned."""
    soon = expiring(lots=[lot.lot for lot in lots], today=today, within_days=SOON_DAYS)
    with st.grid(4, min_column_width=158, gap="small"):
        balance = number(sum(lot.remaining for lot in lots))
        st.metric(t("bonus.balance"), balance, border=True, height="stretch", help=t("bonus.help.balance"))
        level = t("bonus.help.level", paid=money(paid))
        st.metric(t("bonus.level"), t(f"level.{standing.level.value}"), border=True, height="stretch", help=level)
        first = None if soon.on is None else t("bonus.first_on", day=day(soon.on, this_year=today.year, short=True))
        st.metric(
            t("bonus.soon"),
            number(soon.points),
            first,
            delta_color="orange",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric(t("bonus.earned_year"), number(earned), border=True, height="stretch")


def show_level(standing: LevelStanding, paid: int) -> None:
    """How far it is to the next level."""
    if standing.next_level is None:
        st.caption(t("bonus.top_level"))
        return
    name, missing = t(f"level.{standing.next_level.value}"), money(standing.missing_kopecks, exact=False)
    share = paid / (paid + standing.missing_kopecks) if paid > 0 else 0.0
    st.progress(share, text=t("bonus.to_next", level=name, missing=missing))


def show_expiry(lots: Sequence[BonusLotRow]) -> None:
    """Points by the month they expire in, and every lot on request."""
    st.subheader(t("bonus.expiry"), anchor=False)
    by_month: dict[date, int] = {}
    for lot in lots:
        by_month[month_start(lot.expires_on)] = by_month.get(month_start(lot.expires_on), 0) + lot.remaining
    rows = [(month(each).capitalize(), number(left)) for each, left in sorted(by_month.items())]
    columns = [t("bonus.expiry_month"), t("bonus.expiry_points")]
    with st.container(key="bonus_expiry"):
        st.table(pd.DataFrame(rows, columns=columns), border="horizontal", hide_index=True, alt=t("bonus.expiry"))
    opened = st.expander(t("bonus.lots"), on_change="rerun", key="bonus_lots")
    if opened.open:
        names = {name: t(f"bonus.lot.{name}") for name in ("expires_on", "left", "granted", "source", "granted_on")}
        table = pd.DataFrame(
            [(lot.expires_on, lot.remaining, lot.granted, t(f"bonus.source.{lot.source.value}"), lot.granted_on) for lot in lots],
            columns=list(names.values()),
        )
        shape = "DD.MM.YYYY" if language() is Language.RU else "DD/MM/YYYY"
        dates = {names[name]: st.column_config.DateColumn(format=shape) for name in ("expires_on", "granted_on")}
        opened.dataframe(table, hide_index=True, column_config=dates, height=320, alt=t("bonus.lots"))


def show_how() -> None:
    """How points are earned, by the terms in force."""
    st.subheader(t("bonus.how"), anchor=False)
    said = [
        t("bonus.how.payment", step=money(TERMS.kopecks_per_point, exact=False)),
        t("bonus.how.autopay", extra=percent(TERMS.autopay_extra_percent / 100)),
        t("bonus.how.profile", points=points(TERMS.profile_points)),
        t("bonus.how.e_bill", points=points(TERMS.e_bill_points)),
        t("bonus.how.birthday", points=points(TERMS.birthday_points)),
        t("bonus.how.lifetime", months=tn("bonus.months", TERMS.lifetime_months)),
        t("bonus.how.cash"),
        t(
            "bonus.how.levels",
            privilege=t("level.privilege"),
            privilege_from=money(TERMS.privilege_from_kopecks, exact=False),
            vip=t("level.vip"),
            vip_from=money(TERMS.vip_from_kopecks, exact=False),
        ),
    ]
    st.markdown("\n".join(f"- {line}" for line in said))


def show_history(rows: Sequence[BonusMovement], visitor: Visitor) -> None:
    """What happened to the points, the latest first."""
    st.html(_STYLE)
    history = _history(tuple(rows), visitor.time_zone, language())
    with st.container(key="bonus_history"):
        st.table(history, border="horizontal", hide_index=True, alt=t("bonus.history"))


@lru_cache(maxsize=256)
def _history(rows: tuple[BonusMovement, ...], time_zone: str, spoken: Language) -> pd.DataFrame:
    """The table, made once for the same rows: most runs of the page do not change it."""
    told = []
    with speaking(spoken):
        for row in rows:
            earned = row.kind is BonusKind.EARNED and row.source is not None
            what = t(f"bonus.source.{row.source.value}") if earned and row.source else t(f"bonus.kind.{row.kind.value}")
            where = f" · {md(account_name(row.label, row.service))}" if row.service else ""
            sum_said = f":green[+{number(row.points)}]" if row.points > 0 else number(row.points)
            told.append((f"{what}{where}  \n:gray[{moment(row.at, time_zone, pattern='d MMMM y')}]", sum_said))
        return pd.DataFrame(told, columns=[t("bonus.history.what"), t("bonus.history.points")])
