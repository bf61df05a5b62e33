"""Here a person pays for housing, water, power and more: by a template in two clicks or by choosing whom; history below."""

import streamlit as st

import clock
from db import reading
from queries.cards import saved_cards
from queries.paying import payment_view
from queries.regions import regions
from queries.utilities import (
    Prefill,
    biller_form,
    billers,
    last_paid,
    last_readings,
    own_templates,
    repeat_prefill,
    template_prefill,
    utility_payments,
    utility_payments_count,
)
from rules.refusals import NotAllowed, Refusal
from texts import language, md, sentence, t
from ui.widgets import paying
from ui.widgets import utilities as shown
from ui.widgets.session import signed_in
from ui.widgets.utility_form import Start, begun, payer_code, show_form

PAGE = 10


def show_pay(what: str, id_: int) -> None:
    """The form. Raises BillerUnavailable, and NotAllowed for what is not the person's own."""
    with reading() as db:
        if what == "template":
            begin = template_prefill(db, visitor=visitor, template_id=id_, language=language())
        elif what == "repeat":
            begin = repeat_prefill(db, visitor=visitor, payment_id=id_)
        else:
            begin = Prefill(id_, "", {}, None, None)
        form = biller_form(db, visitor=visitor, biller_id=begin.biller_id, language=language())
        card = None if what != "repeat" else paying.choice_of(payment_view(db, visitor=visitor, payment_id=id_))
        start = Start(f"{what}-{id_}", begin.fields, begin.amount_kopecks, begin.template_id, card)
        code = payer_code(form, start)
        readings = last_readings(db, visitor=visitor, biller_id=form.biller_id, payer_code=code)
        last = last_paid(db, visitor=visitor, biller_id=form.biller_id, payer_code=code)
        cards = saved_cards(db, visitor=visitor)
    st.button(t("utilities.back"), type="tertiary", icon=":material/arrow_back:", key="utilities_back", on_click=shown.close_form)
    category = shown.category_name(form.category)
    st.title(f"{shown.ICONS[form.category]} {md(begin.name or category)}", anchor=False)
    show_form(form, start, cards, readings, paid=last, template_name=category, today=today)


def show_list() -> None:
    """Templates, everybody who can be paid, and what was paid."""
    st.title(t("utilities.title"), anchor=False)
    with reading() as db:
        templates = own_templates(db, visitor=visitor, language=language())
        offered = billers(db, visitor=visitor, language=language())
        region = regions(db, language=language()).get(visitor.region_code, "")
        count = utility_payments_count(db, visitor=visitor)
        pages = max(1, -(-count // PAGE))
        page = min(st.session_state.get("utilities_page", 1), pages)
        rows = utility_payments(db, visitor=visitor, language=language(), page=page, size=PAGE)
    if "_utilities_problem" in st.session_state:
        st.warning(st.session_state.pop("_utilities_problem"), icon=":material/info:")
    if templates:
        shown.show_templates(templates, today)
        shown.dialogs(templates)
    else:
        st.markdown(t("utilities.first"))
    shown.show_billers(offered, md(region))
    st.subheader(t("utilities.history"), anchor=False)
    if not count:
        st.info(t("utilities.history_empty"), icon=":material/receipt_long:")
    shown.show_history(rows, {biller.biller_id: biller for biller in offered}, visitor, today.year)
    if pages > 1:
        st.pagination(pages, key="utilities_page")


visitor = signed_in()
today = clock.today(visitor.time_zone)
payment_id = begun()
if payment_id is not None:
    paying.go(payment_id)
wanted = shown.asked_for()
if wanted is not None:
    try:
        show_pay(*wanted)
        st.stop()
    except Refusal as refusal:
        gone = t("utilities.template_gone") if isinstance(refusal, NotAllowed) else sentence(refusal)
        st.session_state["_utilities_problem"] = md(gone)
        shown.close_form()
show_list()
