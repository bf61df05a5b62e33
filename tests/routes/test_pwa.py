"""The installable app, and the page with everything that Streamlit draws: on a real server, in a real browser."""

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]

APP = """
import streamlit as st
from starlette.middleware import Middleware
from routes.hardening import Hardening
from routes.pwa import pwa_routes

app = st.App(
    "screens.py",
    routes=pwa_routes(name="Линия — кабинет", short_name="Линия", colour="#5b34e0"),
    middleware=[Middleware(Hardening, title="Линия — кабинет", description="Все услуги связи")],
)
"""

SCREENS = """
import io
import wave

import pandas as pd
import plotly.graph_objects as go
import streamlit as st


def sound():
    kept = io.BytesIO()
    with wave.open(kept, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    return kept.getvalue()


def home():
    st.title("Главная")
    st.metric("К оплате", "1 890,00 ₽")
    st.dataframe(pd.DataFrame({"a": range(50), "b": ["x"] * 50}))
    st.plotly_chart(go.Figure(go.Bar(x=["a", "b"], y=[1, 2])))
    with st.form("f"):
        st.text_input("Имя")
        st.text_input("Пароль", type="password")
        st.selectbox("Выбор", ["a", "b"], index=None)
        st.form_submit_button("Отправить")
    st.components.v2.component(
        "probe",
        html="<p id=p>…</p>",
        js="export default c => { c.parentElement.querySelector('#p').textContent = 'component ran' }",
    )()
    st.audio(sound())
    if st.button("Тост"):
        st.toast("Готово")
    if st.button("Окно"):
        st.dialog("Диалог")(lambda: st.write("В окне"))()


def payments():
    st.title("Платежи")


st.navigation([st.Page(home, title="Главная", default=True), st.Page(payments, title="Платежи", url_path="payments")]).run()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small app with our routes, middleware, static files and configuration, run as the portal is run."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "app.py").write_text(APP, encoding="utf-8")
    (folder / "screens.py").write_text(SCREENS, encoding="utf-8")
    shutil.copytree(ROOT / "static", folder / "static")
    shutil.copytree(ROOT / ".streamlit", folder / ".streamlit", ignore=shutil.ignore_patterns("secrets.toml"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            assert process.poll() is None, "the server did not start"
            try:
                if httpx.get(f"{url}/_stcore/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


class Visit:
    """A page in a fresh profile, with the hosts it asked and whatever it complained of."""

    def __init__(self, browser: Browser, *, width: int = 1440, scheme: str = "light", language: str = "ru-RU") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            locale=language,
        )
        # Not every violation is written to the console: listen for the event itself.
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('blocked', e.violatedDirective, e.blockedURI))"
        )
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda opened: self.asked.append(opened.url))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def hosts(self) -> set[str]:
        return {url.split("/")[2] for url in self.asked if not url.startswith(("data:", "blob:"))}


# --- what the server says ---------------------------------------------------------------------------
def test_the_manifest_makes_the_portal_installable(site: str):
    answer = httpx.get(f"{site}/manifest.webmanifest")
    manifest = answer.json()
    assert answer.headers["content-type"].startswith("application/manifest+json")
    assert (manifest["name"], manifest["short_name"]) == ("Линия — кабинет", "Линия")
    assert (manifest["display"], manifest["start_url"], manifest["theme_color"]) == ("standalone", "/", "#5b34e0")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])


def test_the_icons_of_the_manifest_are_served_in_the_size_it_says(site: str):
    for icon in httpx.get(f"{site}/manifest.webmanifest").json()["icons"]:
        answer = httpx.get(f"{site}{icon['src']}")
        assert answer.headers["content-type"] == icon["type"]
        width, height = struct.unpack(">II", answer.content[16:24])
        assert f"{width}x{height}" == icon["sizes"]


def test_the_service_worker_may_serve_the_whole_portal_and_keeps_nothing_of_a_person(site: str):
    answer = httpx.get(f"{site}/sw.js")
    assert answer.headers["service-worker-allowed"] == "/"
    assert answer.headers["cache-control"] == "no-cache"
    assert "cache.put" not in answer.text
    kept = re.search(r"KEPT = \[(.*?)\]", answer.text, re.S)
    assert kept is not None
    for path in re.findall(r'"([^"]+)"', kept[1]):
        assert path.startswith(("/offline", "/app/static/"))
        assert httpx.get(f"{site}{path}").status_code == 200


def test_the_service_workers_text_names_the_version_of_what_it_keeps(site: str):
    assert re.search(r'CACHE = "kabinet-[0-9a-f]{12}"', httpx.get(f"{site}/sw.js").text)


def test_the_offline_page_needs_nothing_from_outside_and_runs_nothing(site: str):
    answer = httpx.get(f"{site}/offline")
    assert not re.search(r"https?://|<script|\son\w+=", answer.text)
    assert "sha256" not in answer.headers["content-security-policy"]


def test_search_engines_are_asked_to_stay_out(site: str):
    assert "Disallow: /" in httpx.get(f"{site}/robots.txt").text.splitlines()


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp", "/static/js/gone.js"])
def test_streamlits_open_doors_are_closed(site: str, path: str):
    assert httpx.get(f"{site}{path}").status_code == 404


def test_streamlits_own_files_arrive_compressed_kept_for_good_and_for_no_other_site(site: str):
    script = re.search(r"\./(static/js/index\.[^\"]+\.js)", httpx.get(site).text)
    assert script is not None
    for path in (script[1], "app/static/fonts/onest-cyrillic.woff2"):
        headers = httpx.get(f"{site}/{path}", headers={"Origin": "http://evil.example"}).headers
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert (headers.get("content-encoding") == "gzip") is path.endswith(".js")


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_socket_from_another_site_is_refused_with_403(site: str, origin: str):
    with pytest.raises(InvalidStatus, match="403"), connect(f"{site.replace('http', 'ws')}/_stcore/stream", origin=origin):  # type: ignore[arg-type]
        pass
    with connect(f"{site.replace('http', 'ws')}/_stcore/stream", origin=site):  # type: ignore[arg-type]
        pass


# --- what a browser makes of it ---------------------------------------------------------------------
@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_everything_streamlit_draws_works_under_the_policy_and_asks_no_other_host(
    site: str, browser: Browser, width: int, scheme: str
):
    visit = Visit(browser, width=width, scheme=scheme)
    page = visit.page
    page.goto(site)
    page.get_by_text("component ran").wait_for()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    page.get_by_role("button", name="Тост").click()
    page.get_by_text("Готово").wait_for()
    page.get_by_role("button", name="Окно").click()
    page.get_by_text("В окне").wait_for()
    assert page.evaluate("document.fonts.check('16px Onest', '₽')")
    assert visit.complaints == []
    assert visit.hosts == {site.split("/")[2]}

    source = page.locator("audio").get_attribute("src")
    assert source is not None
    part = httpx.get(source if source.startswith("http") else f"{site}{source}", headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert part.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in part.headers["content-security-policy"]
    visit.context.close()


@pytest.mark.browser
def test_a_deep_link_opens_its_screen_without_looking_anywhere_else_first(site: str, browser: Browser):
    visit = Visit(browser)
    visit.page.goto(f"{site}/payments")
    visit.page.get_by_role("heading", name="Платежи").wait_for()
    assert visit.complaints == []
    assert not [url for url in visit.asked if "/payments/" in url]
    visit.context.close()


@pytest.mark.browser
def test_a_page_opened_again_is_under_its_policy_still(site: str, browser: Browser):
    visit = Visit(browser)
    for _ in range(2):
        visit.page.goto(site)
        visit.page.get_by_text("component ran").wait_for()
    assert visit.complaints == []
    visit.context.close()


@pytest.mark.browser
def test_what_streamlit_says_in_english_only_is_said_in_the_readers_language(site: str, browser: Browser):
    visit = Visit(browser)
    page = visit.page
    page.goto(site)
    page.get_by_role("button", name="Показать пароль").wait_for()
    page.get_by_label("Имя").fill("Анна")
    hint = page.locator("[data-testid=InputInstructions]")
    hint.filter(has_text="Enter — отправить").wait_for()

    page.evaluate("dispatchEvent(new CustomEvent('kabinet:language', { detail: 'en' }))")
    page.get_by_role("button", name="Show password").wait_for()
    hint.filter(has_text="Press Enter to submit form").wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"
    visit.context.close()


@pytest.mark.browser
def test_without_a_network_the_offline_page_appears_with_its_font_and_icon(site: str, browser: Browser):
    visit = Visit(browser)
    page = visit.page
    page.goto(site)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    # Else the browser's own cache would lend the font and the icon, as it will not after some days.
    visit.context.new_cdp_session(page).send("Network.clearBrowserCache")
    visit.context.set_offline(True)
    page.goto(f"{site}/payments")
    page.get_by_role("heading", name="Нет сети").wait_for()
    assert page.evaluate("document.fonts.ready.then(() => [...document.fonts].map(font => font.status))") == ["loaded", "loaded"]
    assert page.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    kept = page.evaluate(
        "caches.keys().then(names => Promise.all(names.map(name => caches.open(name).then(cache => cache.keys()))))"
        ".then(found => found.flat().map(request => new URL(request.url).pathname))"
    )
    assert set(kept) == {"/offline", *(path for path in kept if path.startswith("/app/static/"))}
    visit.context.close()
