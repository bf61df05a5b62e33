"""Here a person sees what the portal holds about them, changes their answers, takes their data along and closes the account."""

import streamlit as st

from actions.visits import choose_language
from db import reading
from queries.profile import OwnData, own_data
from rules.terms import Language
from texts import day, md, phone, t
from ui.widgets import closing, my_data, questionnaire
from ui.widgets.feedback import act
from ui.widgets.session import signed_in, speak


def switch() -> None:
    chosen = st.session_state.pop("profile_language", None)
    if chosen is not None and chosen is not signed_in().language:
        act(choose_language, place="profile", language=chosen)
        speak(chosen)


def own(person: OwnData) -> None:
    """Name and contacts as they are on file; region and language to be changed."""
    name = " ".join(part for part in (person.last_name, person.first_name, person.patronymic) if part)
    facts = {
        "name": md(name),
        "email": md(person.email) if person.email else t("profile.none"),
        "phone": phone(person.phone) if person.phone else t("profile.none"),
        "birth": day(person.birth_on) if person.birth_on else t("profile.none"),
    }
    with st.container(border=True, key="own_data"):
        st.subheader(t("profile.own"), anchor=False)
        with st.grid(2, min_column_width=200, gap="small"):
            for what, said in facts.items():
                with st.container(gap=None):
                    st.caption(t(f"profile.{what}"))
                    st.markdown(said)
        st.page_link("pages/account/security.py", label=t("profile.to_security"), icon=":material/shield:")
        questionnaire.region(visitor)
        st.selectbox(
            t("profile.language"),
            list(Language),
            index=list(Language).index(person.language),
            format_func={language: t(f"shell.switch_to_{language.value}") for language in Language}.__getitem__,
            key="profile_language",
            on_change=switch,
        )


visitor = signed_in()
with reading() as db:
    person = own_data(db, visitor=visitor)

st.title(t("screen.profile"), anchor=False)
if person.closing_on is not None:
    closing.notice(person.closing_on)
left, right = st.columns(2, gap="medium")
with left:
    own(person)
    my_data.panel(visitor)
if not visitor.is_staff:
    with right:
        questionnaire.consents(visitor)
        if person.closing_on is None:
            closing.panel(visitor)
