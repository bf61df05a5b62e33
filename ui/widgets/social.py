"""Signing in through somebody else: any OpenID Connect provider of `.streamlit/secrets.toml`, by Streamlit's own `st.login`.

`st.login` proves who somebody is, no more: the session is ours, as after a password, and Streamlit's identity cookie is
taken away as soon as it was read. See `actions.intents` for why it is believed only once, and only here.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from actions import perform
from actions.identities import bind_identity, sign_in_with_identity, unbind_identity
from actions.intents import Intent, Purpose, Stage, came_with, new_intent, seal_intent, unseal_intent, use_return
from db import reading
from queries.identities import Identity, own_identities
from rules.refusals import IdentityUnknown, Refusal, SecondStepNeeded
from rules.terms import Language
from rules.visitor import Visitor
from texts import language, md, moment, sentence, t
from ui.widgets import bridge
from ui.widgets.feedback import act, refused_here, toast
from ui.widgets.session import address, begin, browser, current, signed_in

FROM_IDENTITY = "_from_identity"
"""State: what an identity that nobody has bound tells of its person, for the registration to begin with."""
_SECOND_STEP, _REMEMBER = "_second_step", "remember_me"
"""State of the sign-in form: the second step that waits, and the wish to stay signed in."""
_GOING, _READ, _NOTICE = "_identity_going", "_identity_read", "_identity_notice"
_BEGIN, _END = "/identity/begin", "/identity/end"
_ADDRESS = re.compile(r"/[\w.~-]*(\?[\w.~=&%-]*)?", re.ASCII)


# --- what is configured -----------------------------------------------------------------------------
def providers() -> dict[str, str]:
    """The configured providers by name, with the label people know them by; empty when none is, without a warning."""
    if not st.secrets.load_if_toml_exists():
        return {}
    auth = st.secrets.get("auth", {})
    named = {name: given for name, given in auth.items() if isinstance(given, Mapping) and "client_id" in given}
    if "client_id" in auth:
        named["default"] = auth
    english = language() is Language.EN
    return {
        name: str((english and given.get("label_en")) or given.get("label") or name)
        for name, given in named.items()
        if "_" not in name  # Streamlit cannot tell such a name from the rest of its state
    }


def _label(provider: str) -> str:
    return providers().get(provider, provider)


# --- going ------------------------------------------------------------------------------------------
def _ask(purpose: Purpose, provider: str) -> None:
    """The trip begins when its cookie is in the browser; `finish_social` then sends the person off."""
    st.session_state.pop(_NOTICE, None)
    st.session_state.pop(FROM_IDENTITY, None)
    session = signed_in().session_id if purpose is Purpose.BIND else 0
    remembered = bool(st.session_state.get(_REMEMBER, True))
    intent = new_intent(purpose=purpose, provider=provider, back=_here(), session=session, remembered=remembered)
    st.session_state[_GOING] = provider
    bridge.send(_BEGIN, {"intent": seal_intent(intent)}, then_run=True)


def _here() -> str:
    """The address of the page within this site, to come back to."""
    parts = urlsplit(st.context.url or "")
    here = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return here if _ADDRESS.fullmatch(here) else "/"


# --- coming back ------------------------------------------------------------------------------------
def finish_social(visitor: Visitor | None) -> Visitor | None:
    """What an identity that just came back is for: enter, or be bound. The portal calls it early in each run.

    Returns who is here now: a guest whose identity is known has been signed in. Shows nothing itself: what there is to say
    waits for `social_buttons()` and `identities_section()`. No rerun: one before the navigation would lose the address.
    """
    going = st.session_state.get(_GOING)
    if going is not None and not bridge.waiting(_BEGIN):
        del st.session_state[_GOING]
        st.login(going)
        return visitor
    cookies = st.context.cookies
    sealed = _intent_cookie(cookies)
    if not sealed or st.session_state.get(_READ) == sealed:
        return visitor
    intent = unseal_intent(sealed)
    if intent is None or intent.stage is Stage.BEGUN:
        return visitor  # on its way in another tab
    st.session_state[_READ] = sealed
    bridge.send(_END, {})
    if not use_return(intent):
        return visitor
    claims = st.user.to_dict()
    right = claims.get("is_logged_in") and claims.get("provider") == intent.provider and came_with(intent, dict(cookies))
    if intent.stage is not Stage.RETURNED or not right:
        _failed(intent)
    elif intent.purpose is Purpose.ENTER:
        return visitor or _enter(intent, claims)
    elif visitor is None or visitor.session_id != intent.session:
        _failed(intent)
    else:
        _bind(intent, claims, visitor)
    return visitor


def _intent_cookie(cookies: Mapping[str, str]) -> str:
    """On https only the one that is bound to this very host: another could be planted."""
    secure = st.context.headers.get("Origin", "").startswith("https://")
    return cookies.get("__Host-kabinet_identity" if secure else "kabinet_identity") or ""


def _bind(intent: Intent, claims: Mapping[str, Any], visitor: Visitor) -> None:
    shown_as = _said(claims, "email") or _said(claims, "name") or _said(claims, "preferred_username")
    try:
        perform(
            bind_identity,
            visitor=visitor,
            provider=intent.provider,
            issuer=_said(claims, "iss"),
            subject=_said(claims, "sub"),
            shown_as=shown_as,
        )
    except Refusal as refusal:
        st.session_state[_NOTICE] = refusal
    else:
        toast("identity.bound", provider=_label(intent.provider))


def _enter(intent: Intent, claims: Mapping[str, Any]) -> Visitor | None:
    issuer, subject = _said(claims, "iss"), _said(claims, "sub")
    try:
        opened = sign_in_with_identity(
            issuer=issuer, subject=subject, address=address(), browser=browser(), remembered=intent.remembered
        )
    except IdentityUnknown:
        first, _, last = _said(claims, "name").partition(" ")
        st.session_state[FROM_IDENTITY] = {
            "email": _said(claims, "email"),
            "first_name": _said(claims, "given_name") or first,
            "last_name": _said(claims, "family_name") or last,
            "provider": intent.provider,
            "issuer": issuer,
            "subject": subject,
        }
        st.session_state[_NOTICE] = ("identity.unknown", intent.provider)
    except SecondStepNeeded as needed:
        st.session_state[_SECOND_STEP] = (needed.proof_id, intent.remembered)
    except Refusal as refusal:
        st.session_state[_NOTICE] = refusal
    else:
        begin(opened)
        return current()
    return None


def _said(claims: Mapping[str, Any], name: str) -> str:
    """A claim as text; providers are free to leave it out, or to send something else."""
    said = claims.get(name)
    return said.strip() if isinstance(said, str) else ""


def _failed(intent: Intent) -> None:
    key = "identity.bind_failed" if intent.purpose is Purpose.BIND else "identity.failed"
    st.session_state[_NOTICE] = (key, intent.provider)


def _notice() -> None:
    """How the last trip went; it stays until the next one, for the run that shows it first is soon followed by another."""
    told = st.session_state.get(_NOTICE)
    if isinstance(told, Refusal):
        st.error(md(sentence(told)), icon=":material/error:")
    elif told is not None:
        key, provider = told
        said = md(t(key, provider=_label(provider)))
        if key == "identity.unknown":
            st.info(said, icon=":material/info:")
        else:
            st.error(said, icon=":material/error:")


# --- what is shown ----------------------------------------------------------------------------------
def social_buttons() -> None:
    """The ways in through other providers, one button each, and how the last try went. Nothing when none is configured."""
    offered = providers()
    if not offered or _SECOND_STEP in st.session_state:
        return
    _notice()
    with st.container(key="social", gap="small"):
        st.caption(t("identity.or"))
        for name, label in offered.items():
            st.button(
                md(t("identity.enter", provider=label)),
                key=f"identity_enter_{name}",
                width="stretch",
                disabled=_GOING in st.session_state,
                on_click=_ask,
                args=(Purpose.ENTER, name),
            )


def _unbind(identity: Identity) -> None:
    st.session_state.pop(_NOTICE, None)
    act(
        unbind_identity,
        place="identities",
        done="identity.unbound",
        facts={"provider": _label(identity.provider)},
        external_identity_id=identity.identity_id,
    )


def identities_section(visitor: Visitor) -> None:
    """The identities that sign the visitor in, to be unbound, and the providers that could. Nothing when there are none."""
    with reading() as db:
        own = own_identities(db, visitor=visitor)
    offered = providers()
    if not own and not offered:
        return
    with st.container(key="identities", gap="small"):
        st.subheader(t("identity.title"), anchor=False)
        st.caption(t("identity.about"))
        _notice()
        refused_here("identities")
        for identity in own:
            with st.container(
                border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"
            ):
                who = f"  \n{md(identity.shown_as)}" if identity.shown_as else ""
                st.markdown(f"**{md(_label(identity.provider))}**{who}", width="content")
                with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
                    st.caption(
                        t("identity.since", day=moment(identity.bound_at, visitor.time_zone, pattern="d MMMM y")), width="content"
                    )
                    st.button(
                        t("identity.unbind"),
                        key=f"identity_unbind_{identity.identity_id}",
                        type="tertiary",
                        icon=":material/link_off:",
                        on_click=_unbind,
                        args=(identity,),
                    )
        bound = {identity.provider for identity in own}
        with st.container(horizontal=True, gap="small"):
            for name, label in offered.items():
                if name not in bound:
                    st.button(
                        md(t("identity.bind", provider=label)),
                        key=f"identity_bind_{name}",
                        icon=":material/add_link:",
                        disabled=_GOING in st.session_state,
                        on_click=_ask,
                        args=(Purpose.BIND, name),
                    )
