"""What the security screen is made of: one form at a time, each sensitive one asks for the present password."""

import re
from collections.abc import Callable
from html import escape
from typing import Any

import pandas as pd
import segno
import streamlit as st

from actions.passwords import confirm_password, hash_password, require_good
from actions.second_factor import (
    Provisioning,
    begin_second_factor,
    confirm_second_factor,
    renew_recovery_codes,
    stop_second_factor,
)
from actions.security import (
    ContactCode,
    change_password,
    confirm_email_change,
    confirm_phone_change,
    end_all_other_sessions,
    end_other_session,
    request_email_change,
    request_phone_change,
)
from queries.security import Journal, OwnSession, Security
from rules.passwords import LONGEST
from rules.refusals import Refusal
from rules.visitor import Visitor
from settings import settings
from texts import md, moment, phone, t, tn
from ui.widgets.feedback import act, refuse, refused_here
from ui.widgets.session import signed_in

# What the screen remembers: the open form, the code that is awaited, the app's secret, codes not yet put away.
_OPEN, _SENT, _APP, _CODES, _SHOWN = "_sec_open", "_sec_sent", "_sec_app", "_sec_codes", "_sec_journal"
STEP = 10
"""Rows of the journal that are shown at once."""

_REQUESTS = {"email": request_email_change, "phone": request_phone_change}
_CONFIRMS = {"email": confirm_email_change, "phone": confirm_phone_change}

# At a desk a table, on a phone a list of two lines each; both are in the page, the width decides. Constants only.
_STYLE = """<style>
.st-key-sec_journal_list { display: none }
.st-key-sec_qr img { display: block; border-radius: .75rem; background: #fff }
@media (max-width: 640px) {
  .st-key-sec_journal_list { display: flex }
  .st-key-sec_journal_table { display: none }
}
</style>"""


def dress() -> None:
    st.html(_STYLE)


# --- one form at a time -------------------------------------------------------------------------------------
def _open(name: str) -> None:
    st.session_state[_OPEN] = name
    st.session_state.pop(_SENT, None)
    st.session_state.pop(_APP, None)


def _close() -> None:
    for kept in (_OPEN, _SENT, _APP):
        st.session_state.pop(kept, None)


def _heading(title: str, *, badge: str = "") -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(title, anchor=False, width="content")
        if badge:
            st.badge(badge, color="green", icon=":material/check:")


def _typed(key: str) -> str:
    return str(st.session_state.get(key) or "")


def _confirmed(place: str) -> str | None:
    """What an action takes as proof that the present password was asked; None when it was wrong, which is said there."""
    try:
        return confirm_password(visitor=signed_in(), password=_typed("sec_present"))
    except Refusal as refusal:
        refuse(place, refusal)
        return None


def _present_password() -> None:
    st.text_input(
        t("security.present_password"),
        type="password",
        key="sec_present",
        max_chars=LONGEST * 4,
        autocomplete="current-password",
        width=360,
    )


def _opener(name: str, label: str, icon: str) -> None:
    st.button(label, key=f"sec_open_{name}", icon=icon, on_click=_open, args=(name,))


def _submit(place: str, label: str, on_click: Callable[..., None], *given: Any) -> None:
    """Why it was refused, the button that does it, and the way out."""
    refused_here(place)
    with st.container(horizontal=True, gap="small"):
        st.form_submit_button(label, type="primary", key=f"sec_do_{place}", on_click=on_click, args=given)
        st.form_submit_button(t("common.cancel"), type="tertiary", key=f"sec_cancel_{place}", on_click=_close)


def _ask_password(place: str, text: str, label: str, on_click: Callable[[], None]) -> None:
    """A form that asks for nothing but the present password."""
    st.markdown(text)
    with st.form(f"sec_form_{place}", border=False):
        _present_password()
        _submit(place, label, on_click)


# --- password -----------------------------------------------------------------------------------------------
def _change_password(email: str, number: str) -> None:
    new = _typed("sec_new")
    try:
        require_good(new, email=email, phone=number)
    except Refusal as refusal:
        refuse("password", refusal)
        return
    confirmed = _confirmed("password")
    if confirmed is None:
        return
    given: dict[str, Any] = {"confirmed": confirmed, "password_hash": hash_password(new)}
    if act(change_password, place="password", done="security.password_changed", **given) is not None:
        _close()


def password_section(visitor: Visitor, mine: Security) -> None:
    """When the password was changed, and changing it."""
    _heading(t("security.password"))
    if mine.password_changed_at is None:
        st.markdown(t("security.no_password"))
        return
    if st.session_state.get(_OPEN) != "password":
        st.caption(t("security.password_since", at=moment(mine.password_changed_at, visitor.time_zone, pattern="d MMMM y")))
        _opener("password", t("security.change_password"), ":material/key:")
        return
    with st.form("sec_form_password", border=False):
        _present_password()
        st.text_input(
            t("security.new_password"),
            type="password",
            key="sec_new",
            max_chars=LONGEST + 1,
            autocomplete="new-password",
            width=360,
        )
        st.caption(t("security.new_password_how"))
        _submit("password", t("security.change_password"), _change_password, mine.email or "", mine.phone or "")


# --- e-mail and phone ---------------------------------------------------------------------------------------
def _request(kind: str) -> None:
    confirmed = _confirmed(kind)
    if confirmed is None:
        return
    given: dict[str, Any] = {"confirmed": confirmed, kind: _typed("sec_contact")}
    sent = act(_REQUESTS[kind], place=kind, **given)
    if sent is not None:
        st.session_state[_SENT] = sent


def _confirm(kind: str) -> None:
    sent: ContactCode = st.session_state[_SENT]
    if act(_CONFIRMS[kind], place=kind, done=f"security.{kind}_changed", proof_id=sent.proof_id, code=_typed("sec_code")):
        _close()


def contacts_section(visitor: Visitor, mine: Security) -> None:
    """E-mail and phone; a new one is proven by a code that goes to it."""
    _heading(t("security.contacts"))
    shown = {"email": md(mine.email) if mine.email else "", "phone": phone(mine.phone) if mine.phone else ""}
    open_now = st.session_state.get(_OPEN)
    if open_now in shown and mine.password_changed_at is not None:
        sent = st.session_state.get(_SENT)
        if sent is None:
            _contact_form(open_now)
        else:
            _code_form(open_now, sent, visitor)
        return
    icons = {"email": ":material/mail:", "phone": ":material/call:"}
    for kind, contact in shown.items():
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            st.markdown(f"{icons[kind]} {contact or t(f'security.no_{kind}')}", width="content")
            if mine.password_changed_at is not None:
                st.button(
                    t(f"security.change_{kind}") if contact else t(f"security.add_{kind}"),
                    key=f"sec_open_{kind}",
                    type="tertiary",
                    icon=":material/edit:",
                    on_click=_open,
                    args=(kind,),
                )
    st.caption(t("security.contacts_what"))


def _contact_form(kind: str) -> None:
    with st.form(f"sec_form_{kind}", border=False):
        st.text_input(
            t(f"security.new_{kind}"),
            key="sec_contact",
            max_chars=254,
            autocomplete="tel" if kind == "phone" else "email",
            width=360,
        )
        _present_password()
        _submit(kind, t("security.send_code"), _request, kind)


def _code_form(kind: str, sent: ContactCode, visitor: Visitor) -> None:
    until = moment(sent.expires_at, visitor.time_zone, pattern="HH:mm")
    contact = phone(sent.contact) if kind == "phone" else md(sent.contact)
    st.markdown(t("security.code_sent", contact=contact, until=until))
    with st.form(f"sec_form_{kind}_code", border=False):
        st.text_input(t("security.code"), key="sec_code", max_chars=12, autocomplete="one-time-code", width=360)
        _submit(kind, t("security.confirm"), _confirm, kind)
    if settings().is_demo and not visitor.is_staff:
        st.page_link("pages/account/mailbox.py", label=t("accounts.to_mailbox"), icon=":material/mail:")


# --- the second factor --------------------------------------------------------------------------------------
def _begin() -> None:
    confirmed = _confirmed("factor_on")
    begun = act(begin_second_factor, place="factor_on", confirmed=confirmed) if confirmed is not None else None
    if begun is not None:
        st.session_state[_APP] = begun


def _turn_on() -> None:
    codes = act(confirm_second_factor, place="factor_on", done="security.factor_is_on", code=_typed("sec_app_code"))
    if codes is not None:
        _close()
        st.session_state[_CODES] = codes


def _turn_off() -> None:
    confirmed = _confirmed("factor_off")
    if confirmed is not None:
        stopped = act(stop_second_factor, place="factor_off", done="security.factor_is_off", confirmed=confirmed)
        if stopped is not None:
            _close()


def _renew() -> None:
    confirmed = _confirmed("codes")
    codes = act(renew_recovery_codes, place="codes", confirmed=confirmed) if confirmed is not None else None
    if codes is not None:
        _close()
        st.session_state[_CODES] = codes


def factor_section(visitor: Visitor, mine: Security) -> None:
    """Turning codes of an app on and off, and the recovery codes."""
    _heading(t("security.factor"), badge=t("security.on") if mine.second_factor_since is not None else "")
    if _CODES in st.session_state:
        _fresh_codes(st.session_state[_CODES])
    elif mine.second_factor_since is None:
        _factor_off(mine)
    else:
        _factor_on(visitor, mine)


def _fresh_codes(codes: list[str]) -> None:
    st.markdown(t("security.codes_how"))
    st.code("\n".join(codes), language=None, width="content")
    st.button(t("security.codes_kept"), key="sec_codes_kept", type="primary", on_click=st.session_state.pop, args=(_CODES, None))


def _factor_off(mine: Security) -> None:
    if st.session_state.get(_OPEN) != "factor_on":
        st.markdown(t("security.factor_what"))
        if mine.password_changed_at is not None:
            _opener("factor_on", t("security.turn_on"), ":material/phonelink_lock:")
    elif _APP not in st.session_state:
        _ask_password("factor_on", t("security.factor_what"), t("security.next"), _begin)
    else:
        _app_form(st.session_state[_APP])


def _app_form(app: Provisioning) -> None:
    st.markdown(t("security.scan"))
    with st.container(key="sec_qr"):
        # Black on white in the dark theme too: many cameras read no inverted code. Only our own words and a picture.
        picture = segno.make(app.uri, error="m").svg_data_uri(scale=5, border=3, light="#fff")
        st.html(f'<img src="{picture}" width="220" height="220" alt="{escape(t("security.qr"), quote=True)}">')
    st.caption(t("security.by_hand"))
    st.code(" ".join(re.findall(".{1,4}", app.secret)), language=None, width="content", wrap_lines=True)
    with st.form("sec_form_app", border=False):
        st.text_input(t("security.app_code"), key="sec_app_code", max_chars=12, autocomplete="one-time-code", width=360)
        _submit("factor_on", t("security.turn_on"), _turn_on)


def _factor_on(visitor: Visitor, mine: Security) -> None:
    assert mine.second_factor_since is not None
    opened = st.session_state.get(_OPEN)
    if opened == "factor_off":
        _ask_password("factor_off", t("security.turn_off_text"), t("security.turn_off"), _turn_off)
        return
    if opened == "codes":
        _ask_password("codes", t("security.renew_text"), t("security.renew"), _renew)
        return
    since = moment(mine.second_factor_since, visitor.time_zone, pattern="d MMMM y")
    st.markdown(t("security.factor_since", since=since))
    st.caption(tn("security.codes_left", mine.recovery_codes) if mine.recovery_codes else t("security.no_codes_left"))
    with st.container(horizontal=True, gap="small"):
        _opener("codes", t("security.renew"), ":material/refresh:")
        st.button(t("security.turn_off"), key="sec_open_factor_off", type="tertiary", on_click=_open, args=("factor_off",))


# --- sessions -----------------------------------------------------------------------------------------------
# The first that is found names it: Edge and Opera also say Chrome, and Chrome says Safari.
_BROWSERS = (
    ("YaBrowser", "yandex"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_name(browser: str) -> str:
    """What a browser calls itself, in words: `Chrome, Windows`."""
    family = next((name for sign, name in _BROWSERS if sign in browser), "")
    family = t("security.yandex_browser") if family == "yandex" else family
    system = next((name for sign, name in _SYSTEMS if sign in browser), "")
    return ", ".join(filter(None, (family, system))) or t("security.unknown_browser")


def sessions_section(visitor: Visitor, sessions: list[OwnSession]) -> None:
    """Where the person is signed in, and ending it there."""
    _heading(t("security.sessions"))
    refused_here("sessions")
    for session in sessions:
        _session_row(session, visitor)
    if len(sessions) > 1:
        st.button(
            t("security.end_all"),
            key="sec_end_all",
            icon=":material/logout:",
            on_click=act,
            args=(end_all_other_sessions,),
            kwargs={"place": "sessions", "done": "security.ended_all"},
        )


def _session_row(session: OwnSession, visitor: Visitor) -> None:
    by_thumb = any(sign in session.browser for sign in ("Android", "iPhone", "iPad"))
    icon = ":material/smartphone:" if by_thumb else ":material/computer:"
    with st.container(gap=None):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            st.markdown(f"{icon} **{md(device_name(session.browser))}**", width="content")
            if session.is_this:
                st.badge(t("security.this_device"), color="green")
            else:
                st.button(
                    t("security.end"),
                    key=f"sec_end_{session.login_session_id}",
                    type="tertiary",
                    on_click=act,
                    args=(end_other_session,),
                    kwargs={"place": "sessions", "done": "security.ended", "login_session_id": session.login_session_id},
                )
        opened, seen = (moment(at, visitor.time_zone, pattern="d MMM, HH:mm") for at in (session.opened_at, session.last_seen_at))
        st.caption(t("security.session_is", opened=opened, seen=seen, address=_from(session.address)))


def _from(address: str) -> str:
    """A network address; a connection from the server's own machine, such as one of its proxy, tells none."""
    return t("security.no_address") if address in ("", "local") else md(address)


# --- the journal --------------------------------------------------------------------------------------------
def shown_rows() -> int:
    """How many rows of the journal the person has asked for."""
    return int(st.session_state.get(_SHOWN, STEP))


def journal_section(visitor: Visitor, journal: Journal) -> None:
    """Attempts to come in and to change how, newest first; refused ones stand out."""
    _heading(t("security.journal"))
    st.caption(t("security.journal_what"))
    if not journal.entries:
        st.markdown(t("security.journal_empty"))
        return
    rows = []
    for entry in journal.entries:
        outcome = f":green[{t('security.done')}]" if entry.done else f":red[{t('security.refused')}]"
        at = moment(entry.at, visitor.time_zone, pattern="d MMM y, HH:mm")
        rows.append((at, t(f"security.did.{entry.action}"), outcome, _from(entry.address)))
    heads = [t(f"security.journal_{name}") for name in ("at", "action", "outcome", "address")]
    with st.container(key="sec_journal_table"):
        st.table(pd.DataFrame(rows, columns=heads), border="horizontal", hide_index=True, alt=t("security.journal"))
    with st.container(key="sec_journal_list"):
        narrow = [(f"{did}  \n:small[{at} · {address}]", outcome) for at, did, outcome, address in rows]
        frame = pd.DataFrame(narrow, columns=heads[1:3])
        st.table(frame, border="horizontal", hide_index=True, hide_header=True, alt=t("security.journal"))
    if journal.has_more:
        st.button(
            t("security.journal_more"),
            key="sec_more",
            type="tertiary",
            on_click=st.session_state.__setitem__,
            args=(_SHOWN, shown_rows() + STEP),
        )
