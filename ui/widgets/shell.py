"""What is around every screen: logo, the menu under the person's name, the bar at the bottom of a phone."""

from pathlib import Path
from typing import Any

import streamlit as st

from actions import perform
from actions.sessions import end_session
from actions.visits import choose_language
from rules.refusals import Refusal
from rules.terms import Language
from rules.visitor import Visitor
from settings import ROOT, operator, settings
from texts import language, md, t
from ui.widgets.demo_clock import clock_menu, curtain, is_made_anew
from ui.widgets.session import forget, speak

_ICON = "/app/static/icons/favicon.png"

# The one stylesheet: where Streamlit's own options do not reach. Constants and theme colours only, nothing a person typed.
_STYLE = """<style>
[data-testid="stLayoutWrapper"]:has(> .st-key-head_menu, > .st-key-phone_bar) {{ position: absolute }}
.st-key-head_menu {{ position: fixed; top: .55rem; right: 1rem; z-index: 1000000; width: auto !important }}
.st-key-phone_bar {{ display: none }}
.st-key-bell p {{ font-size: 0 !important }}
.st-key-bell strong {{ font-size: .8rem; color: {link} }}
.st-key-bell a {{ min-height: 2.25rem; padding: .25rem .35rem; gap: .15rem; background: transparent !important }}
.st-key-bell a:has(strong) [data-testid="stIconMaterial"] {{ color: {link} }}
[data-testid="stToolbar"] {{ padding-right: 15rem }}
.st-key-demo_clock button, .st-key-demo_clock button:is(:hover, :focus, :active) {{
  color: inherit !important; background: {mark}; border-radius: .5rem; padding: 0 .5rem; min-height: 1.9rem;
}}
.st-key-demo_clock button p {{ font-size: .85rem; white-space: nowrap }}

[data-testid="stCheckbox"] label > div:first-of-type:not(:has(> div)) {{ border-radius: .25rem }}
[data-testid="stButtonGroup"] button {{ min-height: 2.5rem }}
[data-testid="stButtonGroup"] button[data-selected] {{ color: {link} !important }}

.st-key-door [data-testid="stFormSubmitButton"] button {{
  width: 100%; background: {act}; border-color: {act}; color: #fff; font-weight: 600;
}}
.st-key-door [data-testid="stFormSubmitButton"] button:hover {{ filter: brightness(.93) }}
.st-key-door [class*="st-key-FormSubmitter"], .st-key-door [class*="st-key-FormSubmitter"] div {{ width: 100% !important }}
.st-key-door [data-testid="stHeaderActionElements"] {{ display: none }}
.st-key-door code {{ color: inherit; font-size: inherit; white-space: nowrap }}

[class*="st-key-card_"] {{ position: relative }}
[class*="st-key-card_"]:hover {{ border-color: {act} }}
[class*="st-key-card_"]:focus-within {{ outline: 2px solid {act}; outline-offset: 2px }}
[class*="st-key-card_"] [class*="st-key-face_"] p {{ font-size: 1.6rem; line-height: 1; color: {act} }}
[class*="st-key-enter_"] {{ position: absolute; inset: 0; width: 100% !important; height: 100%; opacity: 0 }}
[class*="st-key-enter_"] :is(div:has(button), button) {{ width: 100%; height: 100% }}

@media (max-width: 640px) {{
  .st-key-head_menu {{ right: .5rem; gap: .4rem !important }}
  .st-key-bell a {{ padding: .25rem 0 }}
  .st-key-demo_clock button :is(span:has(> [data-testid="stIconMaterial"]), div[aria-hidden]) {{ display: none }}
  body:has(.st-key-phone_bar) [data-testid="stExpandSidebarButton"] {{ display: none }}
  .st-key-phone_bar {{
    display: flex; position: fixed; inset: auto 0 0 0; z-index: 999999; width: 100% !important; gap: 0; flex-wrap: nowrap;
    background: {back}; border-top: 1px solid {line};
    padding: .3rem .25rem calc(.3rem + env(safe-area-inset-bottom));
  }}
  .st-key-phone_bar > div {{ flex: 1 1 0; min-width: 0; width: auto !important; margin: 0 !important }}
  .st-key-phone_bar :is(a, button) {{ width: 100%; min-height: 3rem; margin: 0; padding: .2rem 0; border: 0 }}
  .st-key-phone_bar :is(a, button, a:hover, button:hover) {{ background: transparent }}
  .st-key-phone_bar :is(a, button span[data-has-shortcut]) {{
    display: flex; flex-direction: column; align-items: center; justify-content: center; gap: .1rem;
  }}
  .st-key-phone_bar button div {{ justify-content: center }}
  .st-key-phone_bar button div[aria-hidden] {{ display: none }}
  .st-key-phone_bar :is([data-testid="stMarkdownContainer"], p) {{
    display: block; font-size: .7rem; line-height: 1.1; text-align: center; white-space: nowrap; font-weight: 500;
  }}
  .st-key-phone_bar span {{ margin: 0 }}
  .st-key-phone_bar [data-testid="stIconMaterial"] {{ font-size: 1.25rem; width: 1.25rem; height: 1.25rem }}
  .st-key-phone_bar > div:nth-child({here}) :is(span, p) {{ color: {link} !important }}
}}
</style>"""


def page_config(title: str) -> None:
    """The browser's tab, before anything else is shown."""
    name = operator().name(language())
    st.set_page_config(page_title=f"{title} — {name}" if title else name, page_icon=_ICON, layout="wide")


def dress(here: int = 0) -> None:
    """The stylesheet and the logo. `here` is the place of the shown screen in the phone's bar, from 1; 0: not in it."""
    mode = st.context.theme.type or "light"
    names = ("backgroundColor", "borderColor", "primaryColor", "linkColor", "secondaryBackgroundColor")
    back, line, act, link, mark = (st.get_option(f"theme.{mode}.{name}") for name in names)
    st.html(_STYLE.format(back=back, line=line, act=act, link=link, mark=mark, here=here))
    st.logo(str(logo()), size="large")


def logo() -> Path:
    """The operator's logo for the theme in use."""
    chosen = operator().logo_dark if st.context.theme.type == "dark" else operator().logo
    return ROOT / chosen


def head_menu(visitor: Visitor | None, screens: dict[str, Any], *, notices: Any = None, unread: int = 0) -> None:
    """At the right end of the header: the menu of whoever is signed in, or the other language for who is not.

    `screens` are pages offered in the menu, by title; `notices` is that of the bell, which says how many are `unread`.
    """
    other = Language.EN if language() is Language.RU else Language.RU
    with st.container(horizontal=True, key="head_menu", gap="small", vertical_alignment="center", width="content"):
        if settings().is_demo:
            clock_menu(visitor)
        if visitor is None:
            st.button(t(f"shell.switch_to_{other.value}"), key="switch_language", type="tertiary", on_click=speak, args=(other,))
            return
        if notices is not None:
            with st.container(key="bell", width="content"):
                # The word is for those who listen: the stylesheet shows the number alone.
                many = f" **{min(unread, 99)}{'+' if unread > 99 else ''}**" if unread else ""
                icon = ":material/notifications_unread:" if unread else ":material/notifications:"
                st.page_link(notices, label=f"{t('notices.bell')}{many}", icon=icon)
        switch, leave = t(f"shell.switch_to_{other.value}"), t("shell.sign_out")
        st.menu_button(
            md(visitor.first_name),
            [*screens, switch, leave],
            icon=":material/account_circle:",
            type="tertiary",
            key="person_menu",
            on_click=_chosen,
            args=(visitor, {switch: other, leave: None, **screens}),
        )


def _chosen(visitor: Visitor, meanings: dict[str, Any]) -> None:
    meaning = meanings.get(st.session_state.get("person_menu") or "", "")
    if meaning is None:
        _sign_out(visitor)
    elif isinstance(meaning, Language):
        try:
            perform(choose_language, visitor=visitor, language=meaning)
        except Refusal:
            return  # the page still changes; the choice is not kept
        speak(meaning)
    elif meaning:
        st.switch_page(meaning)


def _sign_out(visitor: Visitor) -> None:
    try:
        perform(end_session, visitor=visitor)
    finally:
        forget()


def phone_bar(pages: list[tuple[Any, str, str]], rest: dict[str, Any]) -> None:
    """The four commonest screens in reach of a thumb, and the rest behind "more"; shown up to 640 px by the stylesheet."""
    with st.container(horizontal=True, key="phone_bar", gap=None):
        for page, title, icon in pages:
            st.page_link(page, label=title, icon=icon, width="stretch")
        if rest:
            st.menu_button(
                t("shell.more"),
                list(rest),
                icon=":material/more_horiz:",
                type="tertiary",
                key="phone_more",
                width="stretch",
                on_click=lambda: st.switch_page(rest[st.session_state["phone_more"]]),
            )


def something_broke(reference: str) -> None:
    """What a person sees when a screen failed: a sentence, a number to quote, a way on."""
    if is_made_anew():
        curtain()
        return
    with st.container(horizontal_alignment="center"):
        st.space("large")
        st.title(t("shell.broke_title"), anchor=False, text_alignment="center")
        st.markdown(t("shell.broke_text"), text_alignment="center")
        st.caption(t("shell.broke_reference", reference=reference), text_alignment="center")
        st.button(t("shell.try_again"), type="primary", icon=":material/refresh:", key="try_again")


def busy() -> None:
    """What a person sees when the database is locked or down."""
    if is_made_anew():
        curtain()
        return
    with st.container(horizontal_alignment="center"):
        st.space("large")
        st.title(t("shell.busy_title"), anchor=False, text_alignment="center")
        st.markdown(t("refusal.unavailable"), text_alignment="center")
        st.button(t("shell.try_again"), type="primary", icon=":material/refresh:", key="try_again")
