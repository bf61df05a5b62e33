"""Middleware around everything the process serves: security headers, closed doors, compression, the page's head.

Pure ASGI: Starlette's BaseHTTPMiddleware would neither see the WebSocket nor leave streams alone.
"""

import base64
import hashlib
import posixpath
import re
import zlib
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED = ("/_stcore/metrics", "/_stcore/agent")
"""Answer strangers with figures and a way to drive the app: not here."""

YEAR = 31_536_000
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.S)
_COMPRESSIBLE = re.compile(r"text/|application/(javascript|json|manifest\+json)|image/svg")
_NOSCRIPT = re.compile(rb"<noscript>.*?</noscript>", re.S)
_UNWANTED = re.compile(rb'\s*<link\s+rel="(?:service-desc|preload)"[^>]*>', re.S)
"""Streamlit's links to what is closed here, and to a font that is wanted only until our theme has arrived: not urgent."""

_FILES = ("/static/", "/app/static/")
_ANSWERED_IN_PARTS = (*_FILES, "/media/", "/component/", "/_stcore/")
"""Where a browser may ask for a part, or whether its copy still holds. Everything else may be a page, which we change."""

_PACKED_FILES = 400
"""How many compressed static files are kept: Streamlit's front end has some 300."""


_WITHOUT_SCRIPT = {
    "ru": "Кабинету нужен JavaScript. Включите его в настройках браузера и обновите страницу.",
    "en": "The portal needs JavaScript. Turn it on in the browser's settings and reload the page.",
}


class Hardening:
    """Wraps the application.

    `title` and `description` are what a page is called before its screen has run (Streamlit would say "Streamlit").
    """

    def __init__(self, app: ASGIApp, *, title: str, description: str) -> None:
        self.app = app
        self.title, self.description = title, description
        self.front_end = front_end_page()
        self._packed: OrderedDict[str, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if not same_origin(Headers(scope=scope)):
                await receive()  # the handshake; closing before accepting answers 403
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        app: ASGIApp = self.app
        if scope["path"].startswith(CLOSED):
            app = PlainTextResponse("Not Found", 404)
        answer = _Answer(self, scope, send)
        try:
            await app(_whole_and_plain(scope), receive, answer)
        except Exception:
            # Starlette would answer this one outside of us, where no header is added any more.
            if not answer.begun:
                await PlainTextResponse("Internal Server Error", 500)(scope, receive, answer)
            raise

    def page(self, body: bytes, language: str) -> bytes:
        """Streamlit's index.html with its language, name, icons and our script."""
        name, about = _attribute(self.title), _attribute(self.description)
        head = (
            f"<title>{name}</title>"
            f'<meta name="description" content="{about}">'
            '<link rel="manifest" href="./manifest.webmanifest">'
            '<meta name="theme-color" media="(prefers-color-scheme: light)" content="#ffffff">'
            '<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#100e1a">'
            '<meta name="mobile-web-app-capable" content="yes">'
            '<meta name="apple-mobile-web-app-capable" content="yes">'
            f'<meta name="apple-mobile-web-app-title" content="{name}">'
            '<link rel="apple-touch-icon" href="./app/static/icons/apple-touch-icon.png">'
            '<script src="./app/static/kabinet.js" defer></script>'
        )
        body = body.replace(b'<html lang="en">', f'<html lang="{language}">'.encode(), 1)
        body = body.replace(b"<title>Streamlit</title>", head.encode(), 1)
        body = body.replace(b'href="./favicon.png"', b'href="./app/static/icons/favicon.png"', 1)
        body = _NOSCRIPT.sub(f"<noscript><p>{_WITHOUT_SCRIPT[language]}</p></noscript>".encode(), body)
        return _UNWANTED.sub(b"", body)

    def packed(self, key: str, body: bytes) -> bytes:
        """Gzip, once per file and version of it (the key names both; empty: do not keep)."""
        kept = self._packed.get(key) if key else None
        if kept is not None:
            return kept
        packer = zlib.compressobj(9 if key else 5, wbits=31)
        packed = packer.compress(body) + packer.flush()
        if key:
            self._packed[key] = packed
            while len(self._packed) > _PACKED_FILES:
                self._packed.popitem(last=False)
        return packed


class _Answer:
    """What leaves for one request. Pages and static files are held until whole, to be changed; all else streams through."""

    def __init__(self, hardening: Hardening, scope: Scope, send: Send) -> None:
        self.hardening, self.scope, self._send = hardening, scope, send
        self.asked = Headers(scope=scope)
        self.start: Message = {}
        self.body = bytearray()
        self.held = False
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self.held and message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish()
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        headers = MutableHeaders(raw=message.setdefault("headers", []))
        self._secure(headers)
        is_page = headers.get("content-type", "").startswith("text/html")
        is_file = self.scope["path"].startswith(_FILES) and not is_page
        self.held = (
            message["status"] == 200
            and self.scope["method"] == "GET"
            and "content-encoding" not in headers
            and (is_page or self.scope["path"].startswith(_FILES))
        )
        if is_file and message["status"] in (200, 206, 304):
            headers["cache-control"] = self._lifetime()
        if is_page and not self.held and "content-length" in headers:
            del headers["content-length"]  # HEAD: the length of what is on disk, not of what we make of it
        self.start, self.body = message, bytearray()
        if not self.held:
            self.begun = True
            await self._send(message)

    async def _finish(self) -> None:
        headers, body = MutableHeaders(raw=self.start["headers"]), bytes(self.body)
        path = self.scope["path"]
        is_page = headers.get("content-type", "").startswith("text/html")
        if is_page and path.startswith(_FILES):
            # Streamlit answers a file that is gone, as after an upgrade, with its page: a browser would keep that as the file.
            self.held = False
            await PlainTextResponse("Not Found", 404)(self.scope, _nothing, self)
            return
        if is_page:
            headers.setdefault("cache-control", "no-cache")
        if body == self.hardening.front_end:
            # Inline script is allowed here only: another page's might be what somebody managed to put there.
            headers["content-security-policy"] = content_security_policy(body)
            body = self.hardening.page(body, language_of(self.asked))
            headers.add_vary_header("Accept-Language")
            headers.add_vary_header("Cookie")
            for name in ("etag", "last-modified", "accept-ranges"):
                if name in headers:
                    del headers[name]  # they speak of the file on disk
        if (
            len(body) > 1000
            and _COMPRESSIBLE.match(headers.get("content-type", ""))
            and "gzip" in self.asked.get("accept-encoding", "")
        ):
            # Normalised, lest more slashes make more copies of the same file.
            key = "" if is_page else f"{posixpath.normpath(path)} {headers.get('etag')}"
            body = await run_in_threadpool(self.hardening.packed, key, body)
            headers["content-encoding"] = "gzip"
            headers.add_vary_header("Accept-Encoding")
        headers["content-length"] = str(len(body))
        self.begun = True
        await self._send(self.start)
        await self._send({"type": "http.response.body", "body": body})

    def _lifetime(self) -> str:
        """Streamlit's files carry a hash in their names and fonts do not change; the rest of ours may."""
        path = self.scope["path"]
        if path.startswith("/static/") or "/fonts/" in path:
            return f"public, max-age={YEAR}, immutable"
        return "public, max-age=3600"

    def _secure(self, headers: MutableHeaders) -> None:
        headers["x-content-type-options"] = "nosniff"
        headers["referrer-policy"] = "same-origin"
        headers["x-frame-options"] = "DENY"
        headers["cross-origin-opener-policy"] = "same-origin"
        headers["cross-origin-resource-policy"] = "same-origin"
        headers["permissions-policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
        headers.setdefault("content-security-policy", content_security_policy(b""))
        if self.scope.get("scheme") == "https":
            headers["strict-transport-security"] = f"max-age={YEAR}; includeSubDomains"
        if headers.get("access-control-allow-origin") == "*":
            del headers["access-control-allow-origin"]  # Streamlit's, on static/: nothing here is for another site's script
        if "server" in headers:
            del headers["server"]


def content_security_policy(page: bytes) -> str:
    """The policy of a page: scripts of our own host, and the inline ones it came with, by hash.

    Each leave was seen to be needed, in a browser that reported what it blocked: 'wasm-unsafe-eval' by the front end's 64-bit
    integers (protobuf), blob: scripts by components, data: fonts by the table, inline styles by the front end everywhere.
    """
    inline = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in _INLINE_SCRIPT.findall(page)
    )
    return (
        f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:{inline}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "media-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


def same_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of this host, or from a program that names no page."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def language_of(headers: Headers) -> str:
    """The reader's language as far as a request tells: the cookie of an own choice, else the browser's, else Russian."""
    chosen = cookie_parser(headers.get("cookie", "")).get("kabinet_language")
    if chosen in ("ru", "en"):
        return chosen
    return "en" if headers.get("accept-language", "").lower().startswith("en") else "ru"


def front_end_page() -> bytes:
    """Streamlit's index.html as it is installed; found without importing Streamlit, which is for screens."""
    package = find_spec("streamlit")
    if package is None or package.origin is None:
        raise RuntimeError("Streamlit is not installed")
    return (Path(package.origin).parent / "static" / "index.html").read_bytes()


def _whole_and_plain(scope: Scope) -> Scope:
    """The request as the application shall see it: uncompressed, since pages and files are compressed here after they
    were changed; and where the answer may be a page, whole: half a page, or "yours still holds", cannot be changed."""
    dropped = {b"accept-encoding"}
    if not scope["path"].startswith(_ANSWERED_IN_PARTS):
        dropped |= {b"range", b"if-range", b"if-none-match", b"if-modified-since"}
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in dropped]}


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
