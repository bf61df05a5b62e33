"""The sign-in form: streamlit-authenticator's form, flow and bcrypt, on our own store of people and sessions.

What the package keeps in dictionaries and a script-readable cookie is replaced: people are one indexed query, tries are
counted in the database, and the session is the server's. Decision 5 says why.
"""

from typing import Any

import streamlit as st
from streamlit_authenticator.controllers import AuthenticationController, CookieController
from streamlit_authenticator.models import AuthenticationModel
from streamlit_authenticator.utilities import Hasher, Validator
from streamlit_authenticator.views import Authenticate

from actions import perform
from actions.sessions import OpenedSession, second_step, sign_in
from rules.refusals import CodeExpired, CodeSpent, Refusal, SecondStepNeeded
from texts import sentence, t
from ui.widgets.session import address, begin, browser

_REFUSED, _INCOMPLETE, _STATUS = "_sign_in_refused", "_sign_in_incomplete", "authentication_status"
_SECOND = "_second_step"

# The package turns filling in off. Password managers (and phone keyboards) are told here what the fields are.
_FIELDS = """
export default function() {
  const kinds = [
    { autocomplete: "username", name: "username", autocapitalize: "none", spellcheck: "false", inputmode: "email" },
    { autocomplete: "current-password", name: "password" },
  ]
  const mark = (left) => {
    const fields = document.querySelectorAll(".st-key-door input")
    if (fields.length < 2) { if (left) requestAnimationFrame(() => mark(left - 1)); return }
    kinds.forEach((kind, i) => Object.entries(kind).forEach(([name, value]) => fields[i].setAttribute(name, value)))
  }
  mark(100)
}
"""


def _remembered() -> bool:
    return bool(st.session_state.get("remember_me", True))


class _Model(AuthenticationModel):
    """The package's model without its dictionary of all users."""

    def __init__(self) -> None:
        super().__init__({"usernames": {}}, auto_hash=False, validator=Validator())

    def login(self, username: str, password: str, *_: Any, **__: Any) -> bool:
        """Check the pair; a success leaves the opened session for the cookie step."""
        st.session_state[_STATUS] = None
        try:
            opened = sign_in(
                name=username,
                password=password,
                address=address(),
                browser=browser(),
                check=Hasher.check_pw,
                remembered=_remembered(),
            )
        except SecondStepNeeded as needed:
            st.session_state[_SECOND] = (needed.proof_id, _remembered())
            return False
        except Refusal as refusal:
            st.session_state[_REFUSED] = refusal
            return False
        st.session_state["_opened"] = opened
        return True


class _Controller(AuthenticationController):
    def __init__(self) -> None:
        self.authentication_model, self.validator = _Model(), self.authentication_validator()

    @staticmethod
    def authentication_validator() -> Validator:
        return Validator()

    def login(self, username: str | None = None, password: str | None = None, *_: Any, **__: Any) -> bool | None:
        """As the package does, but the password goes on exactly as it was typed."""
        if not username or not password:
            st.session_state[_INCOMPLETE] = True
            return None
        return self.authentication_model.login(username, password)


class _Cookies(CookieController):
    """Nothing is read from or written to a cookie here: `ui.widgets.session` and the bridge do."""

    def __init__(self) -> None:
        pass

    def get_cookie(self) -> None:
        return None

    def set_cookie(self) -> None:
        opened: OpenedSession = st.session_state.pop("_opened")
        begin(opened)
        st.rerun()


class _Form(Authenticate):
    def __init__(self) -> None:
        self.path = None
        self.attrs = {"login_sleep_time": 0}
        self.cookie_controller, self.authentication_controller = _Cookies(), _Controller()


def _enter_code() -> None:
    proof_id, remembered = st.session_state[_SECOND]
    code = st.session_state.get("second_code") or ""
    try:
        opened = perform(
            second_step,
            visitor=None,
            proof_id=proof_id,
            code=code,
            address=address(),
            browser=browser(),
            remembered=remembered,
        )
    except (CodeSpent, CodeExpired) as refusal:
        _begin_anew()
        st.session_state[_REFUSED] = refusal
    except Refusal as refusal:
        st.session_state[_REFUSED] = refusal
    else:
        _begin_anew()
        begin(opened)


def _begin_anew() -> None:
    st.session_state.pop(_SECOND, None)


def _second_form() -> None:
    """The second step, for a person who has asked for one."""
    with st.container(border=True):
        st.subheader(t("public.second_title"), anchor=False)
        st.caption(t("public.second_about"))
        with st.form("second_step", border=False):
            st.text_input(t("public.second_code"), key="second_code", max_chars=20, autocomplete="one-time-code")
            _why_refused()
            st.form_submit_button(t("public.second_submit"), type="primary", on_click=_enter_code, key="second_submit")
        st.button(t("public.second_back"), type="tertiary", key="second_back", on_click=_begin_anew)


def _why_refused() -> None:
    refusal = st.session_state.pop(_REFUSED, None)
    if refusal is not None:
        st.error(sentence(refusal), icon=":material/error:")


def sign_in_form() -> None:
    """The form, and under it why the last try was refused. A success reruns into the portal."""
    if _SECOND in st.session_state:
        _second_form()
        return
    labels = {
        "Form name": t("sign_in.title"),
        "Username": t("sign_in.name"),
        "Password": t("sign_in.password"),
        "Login": t("sign_in.submit"),
    }
    _Form().login(fields=labels, key="sign_in")
    if _SECOND in st.session_state:
        st.rerun()
    _why_refused()
    if st.session_state.pop(_INCOMPLETE, False):
        st.warning(t("sign_in.incomplete"), icon=":material/edit:")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.checkbox(t("public.remember"), value=True, key="remember_me")
        st.page_link("pages/public/recover.py", label=t("public.forgot"), width="content")
    st.page_link("pages/public/register.py", label=t("public.to_register"), icon=":material/person_add:", width="stretch")
    st.components.v2.component("kabinet_fields", js=_FIELDS)(key="fields", height=0)
