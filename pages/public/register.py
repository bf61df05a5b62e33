"""Here a stranger becomes a customer of the portal: what is needed, then a letter with a link."""

from datetime import date

import streamlit as st

import clock
from actions import perform
from actions.registration import Applicant, register, resend_confirmation
from db import reading
from queries.regions import regions
from rules.numbers import normalise_email
from rules.refusals import Refusal
from rules.registration import registration_problems
from settings import settings
from texts import language, md, t
from ui.widgets.public import column, demo_letters, new_password, problem_here, refuse, refused, to_sign_in
from ui.widgets.session import address, site

SENT, PRESSED = "_registration_sent", "_registration_pressed"
FIELDS = ("email", "phone", "last_name", "first_name", "patronymic")
HINTS = {"email": "name@example.ru", "phone": "+7 900 000-00-00", "last_name": "", "first_name": "", "patronymic": ""}
FILL = {"email": "email", "phone": "tel", "last_name": "family-name", "first_name": "given-name", "patronymic": "additional-name"}


def typed() -> Applicant:
    state = st.session_state
    return Applicant(
        **{field: state.get(f"register_{field}") or "" for field in FIELDS},
        birth_on=state.get("register_birth_on"),
        region_code=state.get("register_region") or "",
        language=language(),
    )


def problems_of(applicant: Applicant, password: str) -> dict[str, str]:
    return registration_problems(
        email=applicant.email,
        phone=applicant.phone,
        password=password,
        last_name=applicant.last_name,
        first_name=applicant.first_name,
        patronymic=applicant.patronymic,
        birth_on=applicant.birth_on,
        region_known=bool(applicant.region_code),
        today=clock.today("Europe/Moscow"),
        least_years=settings().least_age_years,
    )


def send() -> None:
    applicant, password = typed(), st.session_state.get("register_password") or ""
    st.session_state[PRESSED] = True
    if problems_of(applicant, password):
        return
    try:
        register(applicant, password=password, site=site(), address=address())
    except Refusal as refusal:
        refuse(refusal)
        return
    st.session_state[SENT] = normalise_email(applicant.email)
    st.session_state["register_password"] = ""


def again() -> None:
    try:
        perform(resend_confirmation, visitor=None, email=st.session_state[SENT], site=site(), address=address())
        st.session_state["_registration_again"] = True
    except Refusal as refusal:
        refuse(refusal)


def other() -> None:
    st.session_state.pop(SENT, None)
    st.session_state.pop(PRESSED, None)


def waiting(email: str) -> None:
    """The letter is on its way."""
    with column(t("register.sent_title"), t("register.sent", email=md(email), hours=settings().registration_hours)):
        if st.session_state.pop("_registration_again", False):
            st.success(t("register.sent_again"), icon=":material/check_circle:")
        refused()
        demo_letters(email)
        with st.container(horizontal=True, gap="small"):
            st.button(t("register.again"), key="register_again", on_click=again, icon=":material/refresh:")
            st.button(t("register.other"), key="register_other", on_click=other, type="tertiary")
        st.caption(t("register.not_there"))
        to_sign_in(t("public.to_sign_in"))


def form() -> None:
    """The fields; what is wrong with one stands under it, from when it was left or the button was pressed."""
    state = st.session_state
    known = state.get("_from_identity") or {}
    for field in ("email", "last_name", "first_name"):
        if known.get(field):
            state.setdefault(f"register_{field}", known[field])
    pressed = bool(state.get(PRESSED))
    with reading() as db:
        names = regions(db, language=language())
    problems = problems_of(typed(), state.get("register_password") or "")

    def said(field: str) -> None:
        problem = problems.get(field)
        if problem and (pressed or (problem != "missing" and state.get(f"register_{field}"))):
            problem_here(field, problem)

    with column(t("register.title"), t("register.about")):
        for field in ("email", "phone"):
            st.text_input(t(f"register.{field}"), key=f"register_{field}", placeholder=HINTS[field], autocomplete=FILL[field])
            said(field)
        new_password(
            "register_password",
            email=state.get("register_email") or "",
            phone=state.get("register_phone") or "",
            pressed=pressed,
        )
        for field in ("last_name", "first_name", "patronymic"):
            st.text_input(t(f"register.{field}"), key=f"register_{field}", autocomplete=FILL[field])
            said(field)
        today = clock.today("Europe/Moscow")
        st.date_input(
            t("register.birth_on"),
            value=None,
            min_value=date(today.year - 120, 1, 1),
            max_value=today,
            format="DD.MM.YYYY" if language() == "ru" else "DD/MM/YYYY",
            key="register_birth_on",
        )
        said("birth_on")
        st.selectbox(
            t("register.region"),
            list(names),
            index=None,
            format_func=names.__getitem__,
            key="register_region",
            placeholder=t("register.region_hint"),
        )
        said("region")
        st.caption(t("register.consent"))
        if pressed and problems:
            st.error(t("refusal.field_wrong"), icon=":material/edit:")
        refused()
        st.button(t("register.submit"), type="primary", key="register_submit", on_click=send, width="stretch")
        to_sign_in(t("public.have_account"))


if SENT in st.session_state:
    waiting(st.session_state[SENT])
else:
    form()
