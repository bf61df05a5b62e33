"""Utilities on the screen: templates as cards, billers by category, the history of what was paid to them."""

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from actions.utilities import LONGEST_NAME, remove_template, rename_template
from queries.utilities import BillerRow, Template, UtilityRow
from rules.terms import BillerCategory, PaymentState
from rules.utilities import due_period
from rules.visitor import Visitor
from texts import card_number, day, md, moment, money, month, t
from ui.widgets.account import Colour
from ui.widgets.feedback import act, refused_here

ICONS: dict[BillerCategory, str] = {
    BillerCategory.HOUSING: ":material/apartment:",
    BillerCategory.POWER: ":material/bolt:",
    BillerCategory.GAS: ":material/local_fire_department:",
    BillerCategory.WATER: ":material/water_drop:",
    BillerCategory.HEAT: ":material/thermostat:",
    BillerCategory.KINDERGARTEN: ":material/child_care:",
    BillerCategory.EDUCATION: ":material/school:",
    BillerCategory.PARKING: ":material/local_parking:",
    BillerCategory.SECURITY: ":material/doorbell:",
}
STATE_MARKS: dict[PaymentState, tuple[Colour, str]] = {
    PaymentState.SUCCEEDED: ("green", ":material/check_circle:"),
    PaymentState.PENDING: ("orange", ":material/schedule:"),
    PaymentState.DECLINED: ("red", ":material/error:"),
}
OPENINGS = ("template", "biller", "repeat")
"""What the address names when the form is open, with an id."""
LINKS_WIDTH = 240
_ASKED = "_utilities_asked"


def category_name(category: BillerCategory) -> str:
    return t(f"billercategory.{category.value}")


def open_form(what: str, id_: int) -> None:
    """Show the form for a template, a biller or a payment to repeat; a callback."""
    close_form()
    st.query_params[what] = str(id_)


def close_form() -> None:
    """Back to the list; a callback."""
    for name in OPENINGS:
        st.query_params.pop(name, None)


def asked_for() -> tuple[str, int] | None:
    """What the address asks to pay: which of OPENINGS, and its id."""
    for name in OPENINGS:
        said = st.query_params.get(name, "")
        if said.isascii() and said.isdecimal() and len(said) < 19:
            return name, int(said)
    return None


# --- templates --------------------------------------------------------------------------------------
def show_templates(templates: Sequence[Template], today: date) -> None:
    """A card for each, with what is due and one click to the filled-in form."""
    st.subheader(t("utilities.templates"), anchor=False)
    with st.grid(3, min_column_width=300, gap="small"):
        for template in sorted(templates, key=lambda each: not _is_due(each, today)):
            _template_card(template, today)


def _template_card(template: Template, today: date) -> None:
    id_, last = template.template_id, template.last
    with st.container(border=True, height="stretch", gap="xsmall", key=f"utilities_template_{id_}"):
        st.markdown(f"{ICONS[template.category]} **{md(template.name)}**")
        st.caption(f"{md(template.biller)} · {template.payer_code}")
        _standing(template, today)
        if last is not None:
            st.caption(t("utilities.last", sum=money(last.amount_kopecks), day=day(last.at.date(), this_year=today.year)))
        refused_here(f"utilities_{id_}")
        st.space("stretch")
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.button(t("utilities.pay"), key=f"utilities_pay_{id_}", disabled=not template.is_offered, on_click=open_form,
                      args=("template", id_), icon=":material/arrow_forward:", icon_position="right")  # fmt: skip
            st.menu_button(
                t("utilities.more"),
                ["rename", "remove"],
                format_func={name: t(f"utilities.{name}") for name in ("rename", "remove")}.__getitem__,
                key=f"utilities_more_{id_}",
                type="tertiary",
                on_click=_ask,
                args=(id_,),
            )


def _is_due(template: Template, today: date) -> bool:
    """Whether the last month that is over has not been paid, for a biller that is paid by the month."""
    last = template.last
    if not template.is_offered or template.is_pending or last is None or last.period_on is None:
        return False
    return last.period_on < due_period(today=today, last_paid=None)


def _standing(template: Template, today: date) -> None:
    """Whether the month that is due has been paid."""
    last = template.last
    if not template.is_offered:
        st.badge(t("utilities.gone"), color="gray", icon=":material/block:")
    elif template.is_pending:
        st.badge(t("utilities.under_way"), color="orange", icon=":material/schedule:")
    elif last is None:
        st.badge(t("utilities.never"), color="gray")
    elif _is_due(template, today):
        st.badge(t("utilities.due", month=_month(due_period(today=today, last_paid=None), today)), color="orange",
                 icon=":material/schedule:")  # fmt: skip
    elif last.period_on is not None:
        paid = t("utilities.paid_for", month=_month(last.period_on, today))
        st.badge(paid, color="green", icon=":material/check_circle:")


def _month(on: date, today: date) -> str:
    return month(on, year=on.year != today.year)


def _ask(template_id: int) -> None:
    st.session_state[_ASKED] = (st.session_state[f"utilities_more_{template_id}"], template_id)


def _answered() -> None:
    st.session_state.pop(_ASKED, None)


def _rename(template_id: int) -> None:
    _answered()
    name = st.session_state.utilities_new_name
    act(rename_template, place=f"utilities_{template_id}", done="utilities.renamed", template_id=template_id, name=name)


def _remove(template_id: int) -> None:
    _answered()
    act(remove_template, place=f"utilities_{template_id}", done="utilities.removed", template_id=template_id)


def dialogs(templates: Sequence[Template]) -> None:
    """The question that was asked last, until it is answered."""
    what, template_id = st.session_state.get(_ASKED, ("", 0))
    template = next((each for each in templates if each.template_id == template_id), None)
    if template is None:
        return
    rename = what == "rename"

    @st.dialog(t("utilities.rename_title" if rename else "utilities.remove_title"), on_dismiss=_answered)
    def ask() -> None:
        if rename:
            st.text_input(t("utilities.name"), template.name, max_chars=LONGEST_NAME, key="utilities_new_name",
                          autocomplete="off")  # fmt: skip
        else:
            st.markdown(t("utilities.remove_text", name=md(template.name)))
        with st.container(horizontal=True, horizontal_alignment="right"):
            no = st.button(t("common.cancel"), key="utilities_no", on_click=_answered)
            yes = st.button(t("common.save" if rename else "utilities.remove_yes"), type="primary", key="utilities_yes",
                            on_click=_rename if rename else _remove, args=(template_id,))  # fmt: skip
        if yes or no:
            st.rerun()

    ask()


# --- billers ----------------------------------------------------------------------------------------
def show_billers(billers: Sequence[BillerRow], region: str) -> None:
    """Everybody who can be paid in the person's region: a category is chosen, or a name is looked for."""
    st.subheader(t("utilities.whom"), anchor=False)
    if not billers:
        st.info(t("utilities.none"), icon=":material/home_work:")
        return
    st.caption(t("utilities.region", region=region))
    names = {category: f"{ICONS[category]} {category_name(category)}" for category in dict.fromkeys(b.category for b in billers)}
    chosen = st.pills(t("utilities.category"), list(names), format_func=names.__getitem__, key="utilities_category",
                      label_visibility="collapsed")  # fmt: skip
    wanted = st.text_input(
        t("utilities.search"),
        key="utilities_search",
        placeholder=t("utilities.search_hint"),
        label_visibility="collapsed",
        icon=":material/search:",
        autocomplete="off",
        live=True,
        max_chars=60,
        width=420,
    )
    if chosen is None and not wanted.strip():
        return
    found = [biller for biller in billers if chosen in (None, biller.category) and _matches(biller, wanted)]
    if not found:
        st.info(t("utilities.not_found"), icon=":material/search_off:")
        return
    with st.grid(3, min_column_width=300, gap="small"):
        for biller in found:
            st.button(md(biller.name), icon=ICONS[biller.category], key=f"utilities_biller_{biller.biller_id}", width="stretch",
                      wrap=True, on_click=open_form, args=("biller", biller.biller_id))  # fmt: skip


def _matches(biller: BillerRow, wanted: str) -> bool:
    """Whether a biller is looked for: every word is in its name, its category or at the beginning of its number."""
    said = f"{biller.name} {category_name(biller.category)}".casefold().replace("ё", "е")
    return all(
        word in said or (word.isdecimal() and biller.inn.startswith(word)) for word in wanted.casefold().replace("ё", "е").split()
    )


# --- history ----------------------------------------------------------------------------------------
def show_history(rows: Sequence[UtilityRow], offered: Mapping[int, BillerRow], visitor: Visitor, this_year: int) -> None:
    """What was paid to billers, the latest first, with receipts."""
    for row in rows:
        # At a desk the links stand beside, on a phone there is no room and they go below.
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"utilities_paid_{row.payment_id}"):
            with st.container(horizontal=True, wrap=False, vertical_alignment="top", gap="small"):
                about = f":gray[:small[{_about(row, visitor, this_year)}]]"
                st.markdown(f"{ICONS[row.category]} {md(row.biller)}  \n{about}", width="stretch")
                sum_ = f"**{money(row.amount_kopecks)}**  \n:small[{_state(row)}]"
                st.markdown(sum_, width="content", text_alignment="right")
            with st.container(horizontal=True, gap="small", width=LINKS_WIDTH):
                if row.biller_id in offered:
                    st.button(t("utilities.repeat"), type="tertiary", icon=":material/replay:", on_click=open_form,
                              key=f"utilities_repeat_{row.payment_id}", args=("repeat", row.payment_id))  # fmt: skip
                if row.receipt_path is not None:
                    st.link_button(t("utilities.receipt"), row.receipt_path, type="tertiary", icon=":material/receipt_long:",
                                   key=f"utilities_receipt_{row.payment_id}")  # fmt: skip


def _about(row: UtilityRow, visitor: Visitor, this_year: int) -> str:
    said = [moment(row.at, visitor.time_zone, pattern="d MMMM, HH:mm" if row.at.year == this_year else "d MMM y, HH:mm")]
    if row.period_on is not None:
        said.append(t("utilities.for_month", month=month(row.period_on, year=row.period_on.year != this_year)))
    said.append(row.payer_code)
    if row.card_brand is not None:
        said.append(card_number(row.card_brand.value, row.card_last_four or ""))
    if row.decline_reason is not None:
        said.append(t(f"declinereason.{row.decline_reason.value}"))
    return " · ".join(said)


def _state(row: UtilityRow) -> str:
    colour, icon = STATE_MARKS[row.state]
    return f":{colour}[{icon} {t(f'utilities.state.{row.state.value}')}]"
