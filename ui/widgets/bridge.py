"""Lets the browser itself call one of our routes: a script's answer cannot carry a cookie, an HTTP answer can."""

import secrets
from typing import Any

import streamlit as st

_JOBS = "_bridge"

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


def send(url: str, body: dict[str, Any]) -> None:
    """Have the browser POST `body` as JSON to `url` after this run."""
    st.session_state.setdefault(_JOBS, []).append({"url": url, "body": body, "nonce": secrets.token_hex(8)})


def waiting(url: str) -> bool:
    """Whether something for this route has not been answered yet."""
    return any(job["url"] == url for job in st.session_state.get(_JOBS, []))


def _finished(key: str) -> None:
    done = getattr(st.session_state.get(key), "done", None)
    st.session_state[_JOBS] = [job for job in st.session_state.get(_JOBS, []) if job["nonce"] != done]


def mount_bridge() -> None:
    """Put what waits on the page, invisibly; the portal calls it once a run, last."""
    for job in st.session_state.get(_JOBS, []):
        component = st.components.v2.component("kabinet_bridge", js=_SCRIPT)
        key = f"bridge-{job['nonce']}"
        component(data=job, key=key, on_done_change=lambda key=key: _finished(key), height=0)
