"""Bonus points on the screen: key figures, spending, the way to the next level, what expires when, history, how to earn."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import pandas as pd
import streamlit as st

from actions.bonus import spend_points
from queries.bonus import BonusLotRow, BonusMovement
from queries.home import AccountCard
from rules.bonus import KOPECKS_OF_A_POINT, LevelStanding, expiring, points_for_price
from rules.periods import month_start
from rules.refusals import ChangedAtTheClick, NotEnoughPoints, PointsMalformed, Refusal
from rules.terms import BonusKind, Language
from rules.visitor import Visitor
from settings import operator
from texts import day, language, md, moment, money, month, number, percent, phone, points, speaking, t, tn
from ui.widgets.account import account_name
from ui.widgets.feedback import act, refuse, refused_here, toast, wrong_here
from ui.widgets.pay_form import payable, wanted
from ui.widgets.paying import fields

SOON_DAYS = 30
MOST_DIGITS = 18
_NONCE, _OPENED_FOR, _SPENT = "_bonus_nonce", "_bonus_opened_for", "_bonus_spent"
_ACCOUNT, _POINTS = "bonus_account", "bonus_points"

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


# --- spending ---------------------------------------------------------------------------------------
def begin_spending(accounts: Sequence[AccountCard], have: int, asked: str) -> None:
    """Fill the form when it is opened: the account it was opened for, else the one that needs most, and how much."""
    cards = {card.account_id: card for card in payable(accounts)}
    if st.session_state.get(_OPENED_FOR) == asked and st.session_state.get(_ACCOUNT) in cards:
        return
    st.session_state[_OPENED_FOR], st.session_state[_NONCE] = asked, uuid.uuid4().hex
    if cards:
        first = next((card for card in cards.values() if str(card.account_id) == asked), None)
        first = first or max(cards.values(), key=wanted)
        st.session_state[_ACCOUNT] = first.account_id
        _suggest(cards, have)


def spend_form(accounts: Sequence[AccountCard], have: int) -> None:
    """Points that become money on an account: which, how many, what is left then; ends in the one button."""
    cards = {card.account_id: card for card in payable(accounts)}
    _tell_spent(cards)
    with st.container(border=True, gap="small", key="bonus_spend"):
        st.subheader(t("bonus.spend"), anchor=False)
        if not have:
            st.markdown(t("bonus.spend.none"))
            return
        if not cards:
            st.markdown(t("bonus.spend.no_accounts"))
            if st.button(t("accounts.attach_title"), type="primary", icon=":material/add:", key="bonus_to_accounts"):
                st.switch_page("pages/account/accounts.py")
            return
        chosen = st.selectbox(
            t("bonus.spend.account"),
            list(cards),
            format_func=lambda id_: _described(cards[id_]),
            key=_ACCOUNT,
            on_change=_suggest,
            args=(cards, have),
        )
        st.caption(_needs(cards[chosen]))
        hint = t("bonus.spend.placeholder")
        typed = st.text_input(t("bonus.spend.points"), key=_POINTS, placeholder=hint, autocomplete="off", live=True)
        asked = _read(typed, have)
        if asked:
            st.caption(t("bonus.spend.will", points=points(asked), sum=_roubles(asked), left=points(have - asked)))
            beyond = asked * KOPECKS_OF_A_POINT - max(wanted(cards[chosen]), 0)
            if beyond >= KOPECKS_OF_A_POINT:
                st.caption(f":orange[:material/info: {t('bonus.spend.beyond', sum=money(beyond, exact=False))}]")
        refused_here("bonus_spend")
        label = t("bonus.spend.button", points=points(asked)) if asked else t("bonus.spend")
        with st.container(horizontal=True, gap="small"):
            # The key belongs to this form and this content, from the moment it is drawn: a second click is the same spending.
            key = uuid.uuid5(uuid.UUID(st.session_state[_NONCE]), f"{chosen} {asked}").hex
            given = (chosen, asked or 0, key, fields(_ACCOUNT, _POINTS))
            st.button(label, type="primary", key="bonus_spend_now", disabled=not asked, on_click=_spend, args=given)
            if asked != have:
                every = t("bonus.spend.all", points=points(have))
                st.button(every, type="tertiary", key="bonus_spend_all", on_click=_fill, args=(have,))


def _read(typed: str, have: int) -> int | None:
    """How many points were typed; None for nothing, and for what cannot be spent, which is said here at the field."""
    figure = "".join(typed.split())
    if not figure:
        return None
    refusal: Refusal
    if not (figure.isascii() and figure.isdigit() and len(figure) <= MOST_DIGITS and int(figure)):
        refusal = PointsMalformed()
    elif int(figure) > have:
        refusal = NotEnoughPoints(points=have, wanted=int(figure))
    else:
        return int(figure)
    wrong_here(refusal)
    return None


def _described(card: AccountCard) -> str:
    """An account in the list. No sum: the list keeps what was chosen by these very words, and sums change."""
    place = phone(card.service_phone) if card.service_phone else card.address
    said = (account_name(card.label, card.service), "" if card.is_own else card.holder, place)
    return " · ".join(part for part in said if part)


def _needs(card: AccountCard) -> str:
    """What an account lacks, or holds when it lacks nothing."""
    needed = wanted(card)
    sum_ = money(needed or card.balance_kopecks, exact=False)
    return t("bonus.spend.due", sum=sum_) if needed else t("bonus.spend.holds", sum=sum_)


def _roubles(count: int) -> str:
    return money(count * KOPECKS_OF_A_POINT, exact=False)


def _suggest(cards: dict[int, AccountCard], have: int) -> None:
    """What the chosen account needs, or all there is of it; nothing when it needs nothing."""
    _fill(min(have, points_for_price(wanted(cards[st.session_state[_ACCOUNT]]))))


def _fill(count: int) -> None:
    st.session_state[_POINTS] = str(count) if count else ""


def _spend(account_id: int, count: int, key: str, shown: Mapping[str, Any]) -> None:
    """Spend; a callback. What was typed after the button was drawn (`shown` are the fields then) is shown first."""
    if fields(*shown) != shown:
        refuse("bonus_spend", ChangedAtTheClick())
        return
    spent = act(spend_points, place="bonus_spend", account_id=account_id, points=count, key=key)
    if spent is not None:
        st.session_state[_SPENT], st.session_state[_NONCE] = spent, uuid.uuid4().hex
        _fill(0)


def _tell_spent(cards: dict[int, AccountCard]) -> None:
    """What has just been spent, with the balance that the account has now."""
    spent = st.session_state.pop(_SPENT, None)
    if spent is not None and spent.account_id in cards:
        card = cards[spent.account_id]
        name = account_name(card.label, card.service)
        toast("bonus.spend.done", points=points(spent.points), account=name, balance=money(card.balance_kopecks))


# --- what there is ----------------------------------------------------------------------------------
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
    terms = operator().bonus
    said = [t("bonus.how.payment", step=money(terms.kopecks_per_point, exact=False))]
    if terms.autopay_extra_percent:
        said.append(t("bonus.how.autopay", extra=percent(terms.autopay_extra_percent / 100)))
    once = (("profile", terms.profile_points), ("e_bill", terms.e_bill_points), ("birthday", terms.birthday_points))
    said += [t(f"bonus.how.{name}", points=points(granted)) for name, granted in once if granted]
    said += [
        t("bonus.how.lifetime", months=tn("bonus.months", terms.lifetime_months)),
        t("bonus.how.refund"),
        t("bonus.how.cash"),
        t(
            "bonus.how.levels",
            privilege=t("level.privilege"),
            privilege_from=money(terms.privilege_from_kopecks, exact=False),
            vip=t("level.vip"),
            vip_from=money(terms.vip_from_kopecks, exact=False),
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
