"""What leaves the process over HTTP: headers, closed doors, compression, the head of the page."""

import gzip
import re

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from routes.hardening import Hardening, content_security_policy, language_of
from routes.pwa import pwa_routes

INDEX = (
    '<!DOCTYPE html><html lang="en"><head><link rel="service-desc" href="./_stcore/agent/openapi.json" />'
    "<title>Streamlit</title><script>window.x = 1</script></head><body>" + "x" * 2000 + "</body></html>"
)


async def _page(_: Request) -> Response:
    return HTMLResponse(INDEX)


async def _script(_: Request) -> Response:
    return Response("let a = 1\n" * 500, media_type="application/javascript")


async def _font(_: Request) -> Response:
    return Response(b"\x00" * 3000, media_type="font/woff2")


async def _broken(_: Request) -> Response:
    return PlainTextResponse("gone wrong", 500)


async def _part(_: Request) -> Response:
    return Response(b"12345", 206, {"Content-Range": "bytes 0-4/10"}, media_type="audio/mpeg")


async def _inner(_: Request) -> Response:
    return PlainTextResponse("inner figures")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


ROUTES = [
    Route("/", _page),
    Route("/payments", _page),
    Route("/static/js/index.abc.js", _script),
    Route("/app/static/fonts/onest.woff2", _font),
    Route("/app/static/kabinet.js", _script),
    Route("/media/a.mp3", _part),
    Route("/broken", _broken),
    Route("/_stcore/metrics", _inner),
    Route("/_stcore/agent/openapi.json", _inner),
    Route("/_stcore/health", _inner),
    WebSocketRoute("/_stcore/stream", _socket),
    *pwa_routes(name="Линия", short_name="Линия", colour="#5b34e0"),
]
APP = Starlette(routes=ROUTES, middleware=[Middleware(Hardening, title='Линия "К"', description="Кабинет")])


@pytest.fixture
def client() -> TestClient:
    return TestClient(APP)


EVERYWHERE = [
    "/",
    "/payments",
    "/static/js/index.abc.js",
    "/app/static/fonts/onest.woff2",
    "/media/a.mp3",
    "/broken",
    "/nothing",
    "/offline",
]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_carries_the_security_headers(client: TestClient, path: str):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    policy = headers["content-security-policy"]
    for wanted in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'self'", "form-action 'self'"):
        assert wanted in policy
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts is not None
    assert "unsafe-inline" not in scripts[1]
    assert "'unsafe-eval'" not in scripts[1]
    assert "access-control-allow-origin" not in headers


def test_the_pages_own_inline_script_is_allowed_by_its_hash_and_no_other(client: TestClient):
    policy = client.get("/").headers["content-security-policy"]
    assert policy == content_security_policy(b"<script>window.x = 1</script>")
    assert policy != content_security_policy(b"<script>window.x = 2</script>")


def test_transport_security_is_promised_on_https_only():
    assert "strict-transport-security" not in TestClient(APP).get("/").headers
    promised = TestClient(APP, base_url="https://testserver").get("/").headers["strict-transport-security"]
    assert promised == "max-age=31536000; includeSubDomains"


def test_a_forwarded_scheme_is_not_believed(client: TestClient):
    assert "strict-transport-security" not in client.get("/", headers={"X-Forwarded-Proto": "https"}).headers


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/payments/_stcore/metrics"])
def test_doors_that_answer_strangers_are_closed(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "figures" not in answer.text


def test_a_deep_link_finds_what_is_at_the_root(client: TestClient):
    assert client.get("/payments/_stcore/health").text == "inner figures"


def test_static_files_are_compressed_and_kept_for_good(client: TestClient):
    answer = client.get("/static/js/index.abc.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 500
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.text == "let a = 1\n" * 500


def test_who_cannot_unpack_gets_it_unpacked(client: TestClient):
    answer = client.get("/static/js/index.abc.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.text == "let a = 1\n" * 500


def test_fonts_are_kept_for_good_and_not_packed_twice(client: TestClient):
    answer = client.get("/app/static/fonts/onest.woff2")
    assert "immutable" in answer.headers["cache-control"]
    assert "content-encoding" not in answer.headers


def test_our_own_script_is_looked_for_again_after_an_hour(client: TestClient):
    assert client.get("/app/static/kabinet.js").headers["cache-control"] == "public, max-age=3600"


def test_a_part_of_a_file_stays_that_part(client: TestClient):
    answer = client.get("/media/a.mp3", headers={"Range": "bytes=0-4", "Accept-Encoding": "gzip"})
    assert answer.status_code == 206
    assert answer.content == b"12345"
    assert answer.headers["content-range"] == "bytes 0-4/10"


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "ru"),
        ({"Accept-Language": "en-GB,en;q=0.9"}, "en"),
        ({"Accept-Language": "de"}, "ru"),
        ({"Accept-Language": "ru", "Cookie": "kabinet_language=en"}, "en"),
        ({"Accept-Language": "en", "Cookie": "kabinet_language=ru"}, "ru"),
        ({"Cookie": 'kabinet_language="><script>'}, "ru"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/payments"])
def test_the_page_names_its_language(client: TestClient, path: str, headers: dict[str, str], language: str):
    assert f'<html lang="{language}">' in client.get(path, headers=headers).text
    assert language_of(Headers(headers)) == language


def test_the_page_is_ours_before_its_script_runs(client: TestClient):
    page = client.get("/").text
    assert "<title>Линия &quot;К&quot;</title>" in page
    assert "Streamlit" not in page
    assert 'rel="manifest"' in page
    assert "service-desc" not in page


def test_the_compressed_page_is_the_page(client: TestClient):
    raw = client.build_request("GET", "/", headers={"Accept-Encoding": "gzip"})
    answer = client.send(raw, stream=True)
    assert answer.headers["content-encoding"] == "gzip"
    assert "Линия" in gzip.decompress(b"".join(answer.iter_raw())).decode()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://testserver.evil.example", "http://testserver:81"])
def test_a_socket_from_another_site_is_refused(client: TestClient, origin: str):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream", headers={"Origin": origin}):
        pass


def test_a_socket_from_our_own_page_is_opened(client: TestClient):
    with client.websocket_connect("/_stcore/stream", headers={"Origin": "http://testserver"}) as socket:
        assert socket.receive_text() == "hello"


# --- the installable app ----------------------------------------------------------------------------
def test_the_manifest_makes_the_portal_installable(client: TestClient):
    answer = client.get("/manifest.webmanifest")
    manifest = answer.json()
    assert answer.headers["content-type"].startswith("application/manifest+json")
    assert (manifest["name"], manifest["display"], manifest["start_url"]) == ("Линия", "standalone", "/")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])


def test_the_icons_of_the_manifest_exist_in_the_size_it_says(client: TestClient):
    import struct

    from settings import ROOT

    for icon in client.get("/manifest.webmanifest").json()["icons"]:
        content = (ROOT / icon["src"].removeprefix("/app/")).read_bytes()
        assert f"{struct.unpack('>II', content[16:24])[0]}x{struct.unpack('>II', content[16:24])[1]}" == icon["sizes"]


def test_the_service_worker_may_serve_the_whole_portal_and_keeps_nothing_of_a_person(client: TestClient):
    answer = client.get("/sw.js")
    assert answer.headers["service-worker-allowed"] == "/"
    assert "cache.put" not in answer.text
    kept = re.search(r"KEPT = \[(.*?)\]", answer.text, re.S)
    assert kept is not None
    assert all(path.startswith(("/offline", "/app/static/")) for path in re.findall(r'"([^"]+)"', kept[1]))


def test_the_offline_page_needs_nothing_from_outside(client: TestClient):
    page = client.get("/offline").text
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_search_engines_are_asked_to_stay_out(client: TestClient):
    assert "Disallow: /" in client.get("/robots.txt").text
