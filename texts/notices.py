"""Notices in words, made when they are read: in the reader's language, from the event and its facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rules.notices import DAYS_LEFT
from rules.terms import AutopayAmount, Language, NoticeEvent
from texts.catalogue import has_text, language, t
from texts.formats import card_number, day, days_between, money, month, points

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A notice in words; plain text, both on one line."""

    title: str
    body: str


def notice_said(event: NoticeEvent, facts: Facts, *, account: str = "", prepaid: bool = False) -> Said:
    """What happened. `account` is how the reader calls the account that it is about; `prepaid`: it is charged in advance."""
    write = _WRITERS.get(event)
    name, more = write(facts, prepaid) if write else (event.value, {})
    return Said(t(f"notices.{name}.title", account=account, **more), t(f"notices.{name}.body", account=account, **more))


Written = tuple[str, dict[str, str]]
"""The key of the words, and what stands in them."""


def _running_out(facts: Facts, _: bool) -> Written:
    """Of a prepaid balance that does not cover the next charge; long before it in other words than in the last days."""
    balance, charge = facts["balance_kopecks"], facts["charge_kopecks"]
    said = {
        "balance": money(balance, exact=False),
        "charge": money(charge, exact=False),
        "missing": money(max(0, charge - balance), exact=False),
        "day": _day(facts["charge_on"]),
        "days": days_between(facts["days"]),
    }
    if balance < 0:
        return "low_balance.debt", said
    return ("low_balance" if facts["days"] > DAYS_LEFT[-1] else "days_left"), said


def _autopay_ahead(facts: Facts, _: bool) -> Written:
    kind = AutopayAmount(facts["amount_kind"])
    more = {"day": _day(facts["on"]), "card": _card(facts), "sum": money(facts["amount_kopecks"] or 0, exact=False)}
    return f"autopay_ahead.{kind.value}", more


def _autopay_done(facts: Facts, _: bool) -> Written:
    earned = facts.get("points") or 0
    said = {"sum": money(facts["amount_kopecks"], exact=False), "points": points(earned)}
    return ("autopay_done.points" if earned else "autopay_done"), said


def _autopay_failed(facts: Facts, _: bool) -> Written:
    reason = f"notices.failed.{facts['reason']}"
    again = facts.get("next_try_on")
    if again:
        then = t("notices.failed_then.again", day=_day(again))
    else:
        then = t("notices.failed_then.paused" if facts.get("paused") else "notices.failed_then.goes_on")
    said = {"reason": t(reason if has_text(reason) else "notices.failed.other"), "then": then}
    amount = facts.get("amount_kopecks") or 0
    return ("autopay_failed.sum" if amount else "autopay_failed"), said | {"sum": money(amount, exact=False)}


def _card_expires(facts: Facts, _: bool) -> Written:
    return "card_expires", {"card": _card(facts), "day": _day(facts["expires_on"])}


def _order_done(facts: Facts, _: bool) -> Written:
    option = facts["name_en" if language() is Language.EN else "name_ru"]
    reason = facts.get("reason")
    if not reason:
        return f"order_done.{facts['kind']}", {"option": option}
    known = f"notices.order_refused.{reason}"
    return "order_refused", {"option": option, "reason": t(known if has_text(known) else "notices.order_refused.other")}


def _bill(facts: Facts, prepaid: bool) -> Written:
    """A bill, and who will pay it or has; what a prepaid account was charged, and whether its balance is to be raised."""
    balance = facts.get("balance_kopecks")
    if facts.get("autopay"):
        then, on = "autopay", facts.get("autopay_on")
    elif prepaid:
        then, on = ("top_up" if (balance or 0) < 0 else "nothing"), None
    elif balance is None or balance < 0:
        then, on = "pay", facts["due_on"]
    else:
        then, on = ("autopaid" if facts.get("autopaid") else "paid"), None
    name = "bill.prepaid" if prepaid else "bill"
    then = t(
        f"notices.{name}.{then}_on" if then == "autopay" and on else f"notices.{name}.{then}",
        day=_day(on) if on else "",
        missing=money(max(0, -(balance or 0)), exact=False),
    )
    return name, {"number": facts["number"], "sum": money(facts["amount_kopecks"], exact=False), "then": then}


def _monthly(facts: Facts, _: bool) -> Written:
    kept = facts["accounts"]
    sums = {name: money(sum(each[name] for each in kept), exact=False) for name in ("charged", "paid", "due")}
    owes = any(each["due"] for each in kept)
    return ("monthly" if owes else "monthly.nothing_due"), {"month": month(date.fromisoformat(facts["month"])), **sums}


def _day(iso: str) -> str:
    """Notices speak of days close by: no year is needed."""
    told = date.fromisoformat(iso)
    return day(told, this_year=told.year)


def _card(facts: Facts) -> str:
    return card_number(facts["card_brand"], facts["last_four"])


_WRITERS = {
    NoticeEvent.LOW_BALANCE: _running_out,
    NoticeEvent.DAYS_LEFT: _running_out,
    NoticeEvent.AUTOPAY_AHEAD: _autopay_ahead,
    NoticeEvent.AUTOPAY_DONE: _autopay_done,
    NoticeEvent.AUTOPAY_FAILED: _autopay_failed,
    NoticeEvent.CARD_EXPIRES: _card_expires,
    NoticeEvent.ORDER_DONE: _order_done,
    NoticeEvent.SIGN_IN: lambda facts, _: ("sign_in", {"address": facts.get("address") or "—"}),
    NoticeEvent.PROMISED_ENDS: lambda facts, _: (
        "promised_ends",
        {"sum": money(facts["amount_kopecks"], exact=False), "day": _day(facts["on"])},
    ),
    NoticeEvent.BLOCKED: lambda facts, _: ("blocked", {"sum": money(facts.get("debt_kopecks", 0), exact=False)}),
    NoticeEvent.RESUMED: lambda *_: ("resumed", {}),
    NoticeEvent.BILL: _bill,
    NoticeEvent.MONTHLY: _monthly,
}
