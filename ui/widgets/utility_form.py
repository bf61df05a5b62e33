"""The form that pays a biller: its fields with what is wrong at each, the sum, the card, and the one button."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

import clock
from actions import perform
from actions.utilities import LONGEST_NAME, begin_utility_payment
from queries.cards import Card
from queries.utilities import BillerForm, FormField, LastPaid, LastReading
from rules.payments import read_amount
from rules.refusals import (
    AmountMalformed,
    AmountNotAboveZero,
    AmountTooFine,
    ChangedAtTheClick,
    PaidJustNow,
    PaymentUnderWay,
    Refusal,
)
from rules.terms import BillerFieldKind
from rules.utilities import Problem, bounds, check_amount_for_biller, check_fields, due_period, looks_like_card, periods
from settings import operator
from texts import as_typed, day, md, money, month, number, t, tn
from ui.widgets.feedback import refuse, refused_here, wrong_here
from ui.widgets.paying import Choice, card_fields, choose, fields, method_field, return_url
from ui.widgets.session import signed_in

PLACE = "utilities"
_DECIDES = ("utilities_amount", *card_fields("utilities"))
"""The fields that decide what is charged, and from where; the biller's own are read when the button is pressed."""
_OPENED, _NONCE, _TRIED, _AGAIN, _BEGUN = (
    "_utilities_opened", "_utilities_nonce", "_utilities_tried", "_utilities_again", "_utilities_begun",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Start:
    """What the form is opened with: `name` tells one opening from another; values as stored; the sum to suggest in kopecks.

    With `template_id` it pays by a template of one's own; with `card` it is charged to that one unless another is chosen.
    """

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    amount_kopecks: int | None = None
    template_id: int | None = None
    card: Choice | None = None


def payer_code(form: BillerForm, start: Start) -> str:
    """The payer code as it stands in the form, or as it is opened."""
    for each in form.of_kind(BillerFieldKind.PAYER_CODE):
        typed = st.session_state.get(_key(form, each)) if _is_open(form, start) else start.fields.get(each.terms.code)
        checked = check_fields(fields=[each.terms], typed={each.terms.code: typed or ""}, today=clock.today())
        return checked.values.get(each.terms.code, "")
    return ""


def begun() -> int | None:
    """The payment that the button has just begun, once."""
    found: int | None = st.session_state.pop(_BEGUN, None)
    return found


def show_form(
    form: BillerForm,
    start: Start,
    cards: Sequence[Card],
    readings: Mapping[str, LastReading],
    *,
    paid: LastPaid | None,
    template_name: str,
    today: date,
) -> None:
    """The whole form; `readings` and `paid` are what was paid last for the payer code that stands in it."""
    if not _is_open(form, start):  # afterwards what is in it is the person's
        _fill(form, start, due_period(today=today, last_paid=paid.period_on if paid is not None else None), template_name)
        choose(start.card, cards, today, "utilities")
    last = {code: reading.value for code, reading in readings.items()}
    typed = _typed(form)
    problems = check_fields(fields=form.terms, typed=typed, today=today, last=last).problems
    shown = {code: problem for code, problem in problems.items() if _is_tried() or problem.code != "missing"}
    left, right = st.columns([3, 2], gap="large")
    with left:
        meters = form.of_kind(BillerFieldKind.READING)
        for each in form.fields:
            if each not in meters:
                _field(form, each, shown.get(each.terms.code), None, today)
                if each.terms.kind is BillerFieldKind.PERIOD and paid is not None and paid.period_on is not None:
                    st.caption(_paid_for(paid.period_on, paid, today))
            elif each is meters[0]:
                with st.grid(min(2, len(meters)), min_column_width=220, gap="small"):
                    for meter in meters:
                        with st.container(gap="xsmall"):
                            _field(form, meter, shown.get(meter.terms.code), readings.get(meter.terms.code), today)
        amount = _amount(form, paid)
        choice = method_field(cards, today, "utilities")
        _template(start)
    with right, st.container(border=True, gap="small", key="utilities_total"):
        _total(form, start, amount, choice, last, today, bool(problems))


# --- the fields -------------------------------------------------------------------------------------
def _field(form: BillerForm, each: FormField, problem: Problem | None, last: LastReading | None, today: date) -> None:
    terms, key = each.terms, _key(form, each)
    label = each.label if terms.required else t("utilities.optional", label=each.label)
    if terms.kind is BillerFieldKind.PERIOD:
        months = {f"{on:%Y-%m}": month(on).capitalize() for on in periods(today=today)}
        st.selectbox(md(label), list(months), format_func=months.__getitem__, key=key, width=300)
    else:
        st.text_input(md(label), key=key, placeholder=each.hint or None, autocomplete="off", max_chars=60, width=420)
    if last is not None:
        value = reading(last.value)
        said = t("utilities.last_reading", value=value)
        if last.period_on is not None:
            year = last.period_on.year != today.year
            said = t("utilities.last_reading_for", value=value, month=month(last.period_on, year=year))
        st.caption(said)
    if problem is not None:
        wrong_here(said_problem(problem))


def _paid_for(month_on: date, paid: LastPaid, today: date) -> str:
    when = day(paid.at.astimezone(ZoneInfo(signed_in().time_zone)).date(), this_year=today.year)
    of = month(month_on, year=month_on.year != today.year)
    return t("utilities.last_period", month=of, sum=money(paid.amount_kopecks), day=when)


def _amount(form: BillerForm, paid: LastPaid | None) -> int | None:
    """The sum in kopecks, None while it is none that can be paid."""
    typed = st.text_input(
        t("utilities.amount"),
        key="utilities_amount",
        icon=":material/currency_ruble:",
        autocomplete="off",
        live=True,
        width=300,
    )
    least, most = bounds(least_kopecks=form.least_kopecks, most_kopecks=form.most_kopecks, terms=operator().payments)
    said = [t("utilities.between", least=money(least, exact=False), most=money(most, exact=False))]
    if paid is not None:
        said.insert(0, t("utilities.last_sum", sum=money(paid.amount_kopecks)))
    st.caption("  \n".join(said))
    if not typed.strip():
        if _is_tried():
            wrong_here(t("utilities.amount_missing"))
        return None
    try:
        kopecks = read_amount(typed)
        check_amount_for_biller(
            kopecks, least_kopecks=form.least_kopecks, most_kopecks=form.most_kopecks, terms=operator().payments
        )
    except (AmountMalformed, AmountTooFine, AmountNotAboveZero) as refusal:
        wrong_here(refusal)
        return None
    except Refusal as refusal:
        # While somebody is typing 1500 it is 1 for a moment: too little is said when they are done.
        if _is_tried() or kopecks > most:
            wrong_here(refusal)
        return None
    return kopecks


def _template(start: Start) -> None:
    """Whether to keep a template, and under which name."""
    if start.template_id is not None or not st.checkbox(t("utilities.keep"), key="utilities_as_template"):
        return
    typed = st.text_input(t("utilities.name"), key="utilities_name", autocomplete="off", max_chars=LONGEST_NAME, width=300)
    if looks_like_card(typed):
        wrong_here(t("biller_field.card"))
    elif _name(start) is None and _is_tried():
        wrong_here(t("refusal.template_name_missing", longest=LONGEST_NAME))


def _name(start: Start) -> str | None:
    """The name under which to keep a template, as it stands; empty when none is wanted, None when it will not do."""
    if start.template_id is not None or not st.session_state.get("utilities_as_template"):
        return ""
    name = " ".join(st.session_state.get("utilities_name", "").split())
    return name if name and name.isprintable() and not looks_like_card(name) else None


def _total(
    form: BillerForm,
    start: Start,
    amount: int | None,
    choice: Choice,
    last: Mapping[str, str],
    today: date,
    has_problems: bool,
) -> None:
    st.markdown(f"**{md(form.name)}**")
    st.caption(t("utilities.inn", inn=form.inn))
    st.metric(t("utilities.to_pay"), money(amount or 0))
    st.caption(t("utilities.fee"))
    if _is_tried() and (has_problems or amount is None or _name(start) is None):
        wrong_here(t("utilities.check_fields"))
    refused_here(PLACE)
    content = _content(form, amount, choice)
    again = st.session_state.get(_AGAIN) == content
    label = t("utilities.again" if again else "utilities.pay_sum", sum=money(amount)) if amount else t("utilities.pay")
    st.button(label, type="primary", icon=":material/lock:", key="utilities_pay", width="stretch", on_click=_pay,
              args=(form, start, amount, choice, last, today, again, content, fields(*_DECIDES)))  # fmt: skip
    st.caption(t("utilities.at_the_bank"))


# --- in words ---------------------------------------------------------------------------------------
def reading(value: str) -> str:
    """A reading as it is stored, as the language writes it."""
    return number(float(value), len(value.partition(".")[2]))


def said_problem(problem: Problem) -> str:
    """What is wrong with a field, and what would be right."""
    facts, code = problem.facts, problem.code
    if code == "digits" and facts["shortest"] == facts["longest"]:
        return tn("biller_field.digits_exactly", facts["longest"])
    if code == "digits":
        return tn("biller_field.digits", facts["longest"], shortest=number(facts["shortest"]))
    if code == "decimals":
        return tn("biller_field.decimals", facts["most"]) if facts["most"] else t("biller_field.whole")
    if code in ("too_short", "too_long"):
        return tn(f"biller_field.{code}", facts["shortest" if code == "too_short" else "longest"])
    if code == "below_last":
        return t("biller_field.below_last", last=reading(facts["last"]))
    return t(f"biller_field.{code}", **facts)


# --- what is in it ----------------------------------------------------------------------------------
def _key(form: BillerForm, each: FormField) -> str:
    return f"utilities_{form.biller_id}_{each.terms.code}"


def _is_open(form: BillerForm, start: Start) -> bool:
    chosen = st.session_state
    return chosen.get(_OPENED) == (start.name, form.biller_id) and "utilities_amount" in chosen


def _is_tried() -> bool:
    return bool(st.session_state.get(_TRIED))


def _typed(form: BillerForm) -> dict[str, str]:
    return {each.terms.code: st.session_state.get(_key(form, each)) or "" for each in form.fields}


def _content(form: BillerForm, amount: int | None, choice: Choice) -> str:
    """The payment as it stands: the same once more is asked about."""
    return f"{sorted(_typed(form).items())} {amount} {choice}"


def _fill(form: BillerForm, start: Start, due: date, template_name: str) -> None:
    chosen = st.session_state
    chosen[_OPENED], chosen[_NONCE], chosen[_TRIED] = (start.name, form.biller_id), uuid.uuid4().hex, False
    chosen.pop(_AGAIN, None)
    for each in form.fields:
        first = f"{due:%Y-%m}" if each.terms.kind is BillerFieldKind.PERIOD else ""
        chosen[_key(form, each)] = start.fields.get(each.terms.code, first)
    chosen.utilities_amount = as_typed(start.amount_kopecks or 0)
    chosen.utilities_as_template, chosen.utilities_name = False, template_name


def _pay(
    form: BillerForm,
    start: Start,
    amount: int | None,
    choice: Choice,
    last: Mapping[str, str],
    today: date,
    again: bool,
    content: str,
    shown: Mapping[str, Any],
) -> None:
    """Begin the payment; a callback. The key belongs to this form and this content: a second click is the same payment.

    `shown`: the sum and the card as they stood when the button was drawn. What was typed since is shown first, then charged.
    """
    chosen, typed, name = st.session_state, _typed(form), _name(start)
    chosen[_TRIED] = True
    chosen.pop(_AGAIN, None)
    if fields(*shown) != shown:
        refuse(PLACE, ChangedAtTheClick())
        return
    if amount is None or name is None or check_fields(fields=form.terms, typed=typed, today=today, last=last).problems:
        return  # said at each field
    now = _content(form, amount, choice)
    again = again and now == content
    try:
        done = perform(
            begin_utility_payment,
            visitor=signed_in(),
            biller_id=form.biller_id,
            fields=typed,
            amount_kopecks=amount,
            key=uuid.uuid5(uuid.UUID(chosen[_NONCE]), f"{now} {again}").hex,
            card_id=choice.card_id,
            keep_card=choice.keep_card,
            return_url=return_url(),
            again=again,
            template_id=start.template_id,
            template_name=name,
        )
    except (PaidJustNow, PaymentUnderWay) as refusal:
        chosen[_AGAIN] = now
        refuse(PLACE, refusal)
    except Refusal as refusal:
        refuse(PLACE, refusal)
    else:
        chosen[_BEGUN] = done.payment_id
