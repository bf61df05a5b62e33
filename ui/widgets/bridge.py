"""Lets the browser itself call one of our routes: a script's answer cannot carry a cookie, an HTTP answer can."""

import secrets
from typing import Any

import streamlit as st

_JOBS, _RUN = "_bridge", "_bridge_run"

_SCRIPT = """
export default function({ data, setTriggerValue }) {
  window.kabinetDone = window.kabinetDone || new Set()
  if (!data || window.kabinetDone.has(data.nonce)) return
  window.kabinetDone.add(data.nonce)
  if (data.body.language) window.dispatchEvent(new CustomEvent("kabinet:language", { detail: data.body.language }))
  fetch(data.url, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-Kabinet": "1" },
    body: JSON.stringify(data.body),
  }).finally(() => setTriggerValue("done", data.nonce))
}
"""


def send(url: str, body: dict[str, Any], *, then_run: bool = False) -> None:
    """Have the browser POST `body` as JSON to `url` after this run; `then_run`: the page is run again when that is done."""
    job = {"url": url, "body": body, "nonce": secrets.token_hex(8), "then_run": then_run}
    st.session_state.setdefault(_JOBS, []).append(job)


def waiting(url: str) -> bool:
    """Whether something for this route has not been answered yet."""
    return any(job["url"] == url for job in st.session_state.get(_JOBS, []))


def _finished(key: str) -> None:
    done = getattr(st.session_state.get(key), "done", None)
    jobs = st.session_state.get(_JOBS, [])
    st.session_state[_JOBS] = [job for job in jobs if job["nonce"] != done]
    st.session_state[_RUN] = any(job["then_run"] for job in jobs if job["nonce"] == done)


@st.fragment
def mount_bridge() -> None:
    """Put what waits on the page, invisibly; the portal calls it once a run, last.

    A fragment, for the browser's answer must not run the page again: it comes within milliseconds of a screen's first run,
    and a field that the script fills and the browser has not built yet is told its value in that first run only.
    """
    if st.session_state.pop(_RUN, False):
        st.rerun()
    for job in st.session_state.get(_JOBS, []):
        component = st.components.v2.component("kabinet_bridge", js=_SCRIPT)
        key = f"bridge-{job['nonce']}"
        component(data=job, key=key, on_done_change=lambda key=key: _finished(key), height=0)
