"""What leaves the process over HTTP: headers, closed doors, compression, the head of the page."""

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from routes.hardening import Hardening, content_security_policy, front_end_page, language_of

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
FOREIGN = "<html><head><title>Streamlit</title></head><body><script>alert(1)</script></body></html>"


async def _page(_: Request) -> Response:
    return FileResponse(INDEX)


async def _foreign_page(_: Request) -> Response:
    return HTMLResponse(FOREIGN)


async def _script(_: Request) -> Response:
    return Response("let a = 1\n" * 500, media_type="application/javascript")


async def _font(_: Request) -> Response:
    return Response(b"\x00" * 3000, media_type="font/woff2")


async def _broken(_: Request) -> Response:
    return PlainTextResponse("gone wrong", 500)


async def _crashing(_: Request) -> Response:
    raise RuntimeError("not meant")


async def _crashing_midway(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"let a = 1"
        raise RuntimeError("not meant")

    return StreamingResponse(body(), media_type="application/javascript")


async def _for_any_site(_: Request) -> Response:
    return PlainTextResponse("logo", headers={"Access-Control-Allow-Origin": "*"})


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
    Route("/foreign", _foreign_page),
    Route("/crashing", _crashing),
    Route("/static/js/crashing.js", _crashing_midway),
    Route("/static/js/index.abc.js", _script),
    Route("/static/js//index.abc.js", _script),
    Route("/static/js/gone.js", _page),
    Route("/app/static/open.txt", _for_any_site),
    Route("/app/static/fonts/onest.woff2", _font),
    Route("/app/static/kabinet.js", _script),
    Route("/media/a.mp3", _part),
    Route("/broken", _broken),
    Route("/_stcore/metrics", _inner),
    Route("/_stcore/agent/openapi.json", _inner),
    Route("/_stcore/health", _inner),
    WebSocketRoute("/_stcore/stream", _socket),
]
APP = Starlette(routes=ROUTES, middleware=[Middleware(Hardening, title='Линия "К"', description="Кабинет")])


@pytest.fixture
def client() -> TestClient:
    return TestClient(APP, raise_server_exceptions=False)


EVERYWHERE = [
    "/",
    "/payments",
    "/static/js/index.abc.js",
    "/app/static/fonts/onest.woff2",
    "/media/a.mp3",
    "/broken",
    "/crashing",
    "/static/js/crashing.js",
    "/static/js/gone.js",
    "/app/static/open.txt",
    "/_stcore/metrics",
    "/foreign",
    "/nothing",
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


def test_the_front_ends_own_inline_script_is_allowed_by_its_hash(client: TestClient):
    script = re.search(rb"<script>(.*?)</script>", INDEX.read_bytes(), re.S)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1]).digest()).decode()
    assert f"'sha256-{digest}'" in client.get("/").headers["content-security-policy"]
    assert script[1].decode() in client.get("/").text


def test_an_inline_script_on_any_other_page_is_not_allowed(client: TestClient):
    answer = client.get("/foreign")
    assert answer.text == FOREIGN
    assert answer.headers["content-security-policy"] == content_security_policy(b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Modified-Since": "Tue, 01 Jan 2030 00:00:00 GMT"},
        {"If-None-Match": "*"},
        {"Range": "bytes=0-10"},
    ],
)
def test_a_page_is_always_sent_whole_with_the_policy_that_fits_it(client: TestClient, headers: dict[str, str]):
    plain, asked = client.get("/"), client.get("/", headers=headers)
    assert asked.status_code == 200
    assert asked.text == plain.text
    assert asked.headers["content-security-policy"] == plain.headers["content-security-policy"]
    assert "sha256-" in asked.headers["content-security-policy"]
    assert not {"etag", "last-modified"} & set(asked.headers)


@pytest.mark.parametrize("path", ["/crashing", "/static/js/crashing.js"])
def test_a_crash_is_told_without_its_reason_and_never_as_half_a_file(client: TestClient, path: str):
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_transport_security_is_promised_on_https_only():
    assert "strict-transport-security" not in TestClient(APP).get("/").headers
    promised = TestClient(APP, base_url="https://testserver").get("/").headers["strict-transport-security"]
    assert promised == "max-age=31536000; includeSubDomains"


def test_a_forwarded_scheme_is_not_believed(client: TestClient):
    assert "strict-transport-security" not in client.get("/", headers={"X-Forwarded-Proto": "https"}).headers


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp"])
def test_doors_that_answer_strangers_are_closed(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "figures" not in answer.text


def test_a_deep_link_is_not_taken_for_a_second_root(client: TestClient):
    # Were this answered, the front end would believe that the portal is at /payments and look for its socket there.
    assert client.get("/payments/_stcore/health").status_code == 404


def test_a_file_that_is_gone_is_not_the_page_kept_for_good(client: TestClient):
    answer = client.get("/static/js/gone.js")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_static_files_are_compressed_and_kept_for_good(client: TestClient):
    answer = client.get("/static/js/index.abc.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 500
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.text == "let a = 1\n" * 500


def test_a_file_is_compressed_once_however_its_path_is_spelt():
    hardening = Hardening(Starlette(routes=ROUTES), title="", description="")
    client = TestClient(hardening)
    for path in ("/static/js/index.abc.js", "/static/js/index.abc.js?again", "/static/js//index.abc.js"):
        assert client.get(path, headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert len(hardening._packed) == 1


def test_asking_for_the_headers_alone_does_not_say_that_a_file_is_empty(client: TestClient):
    assert client.head("/static/js/index.abc.js").headers["content-length"] == str(len("let a = 1\n" * 500))
    assert client.head("/").headers.get("content-length") != "0"


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
    assert "<title>Streamlit" not in page
    assert 'rel="manifest"' in page
    assert "service-desc" not in page
    assert "SourceSans" not in page
    assert 'href="./app/static/icons/favicon.png"' in page
    assert "Кабинету нужен JavaScript" in page


def test_the_page_that_is_changed_is_the_one_installed():
    assert front_end_page() == INDEX.read_bytes()


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
