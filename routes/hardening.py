"""Middleware around everything the process serves: security headers, closed doors, compression, the page's head.

Pure ASGI: Starlette's BaseHTTPMiddleware would neither see the WebSocket nor leave streams alone.
"""

import base64
import hashlib
import re
import zlib
from collections import OrderedDict
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED = ("/_stcore/metrics", "/_stcore/agent")
"""Answer strangers with figures and a way to drive the app: not here."""

YEAR = 31_536_000
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.S)
_COMPRESSIBLE = re.compile(r"text/|application/(javascript|json|manifest\+json)|image/svg")
_DEEP = re.compile(r"^/[^/]+(/_stcore/.*)$")
"""The front end at a deep link asks beside the page first, as if it were mounted there; the answer is at the root."""

_PACKED_FILES = 400
"""How many compressed static files are kept: Streamlit's front end has some 300."""


class Hardening:
    """Wraps the application.

    `title` and `description` are what a page is called before its screen has run (Streamlit would say "Streamlit").
    """

    def __init__(self, app: ASGIApp, *, title: str, description: str) -> None:
        self.app = app
        self.title, self.description = title, description
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
        deep = _DEEP.match(scope["path"])
        if deep:
            scope = {**scope, "path": deep[1], "raw_path": deep[1].encode()}
        app: ASGIApp = self.app
        if scope["path"].startswith(CLOSED):
            app = PlainTextResponse("Not Found", 404)
        await app(_uncompressed(scope), receive, _Answer(self, scope, send))

    def page(self, body: bytes, language: str) -> bytes:
        """Streamlit's index.html with its language, name, icons and our script."""
        name, about = _attribute(self.title), _attribute(self.description)
        head = (
            f"<title>{name}</title>"
            f'<meta name="description" content="{about}">'
            '<link rel="manifest" href="./manifest.webmanifest">'
            '<meta name="theme-color" media="(prefers-color-scheme: light)" content="#ffffff">'
            '<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#100e1a">'
            '<meta name="apple-mobile-web-app-capable" content="yes">'
            f'<meta name="apple-mobile-web-app-title" content="{name}">'
            '<link rel="apple-touch-icon" href="./app/static/icons/apple-touch-icon.png">'
            '<script src="./app/static/kabinet.js" defer></script>'
        )
        body = body.replace(b'<html lang="en">', f'<html lang="{language}">'.encode(), 1)
        body = body.replace(b"<title>Streamlit</title>", head.encode(), 1)
        return re.sub(rb'\s*<link rel="service-desc"[^>]*>', b"", body)

    def packed(self, key: str, body: bytes) -> bytes:
        """Gzip, once per static file (the key names it; empty: do not keep)."""
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

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            self._secure(headers)
            kind = headers.get("content-type", "")
            is_page = kind.startswith("text/html")
            is_static = self.scope["path"].startswith(("/static/", "/app/static/"))
            self.held = message["status"] == 200 and "content-encoding" not in headers and (is_page or is_static)
            if is_static and message["status"] in (200, 206):
                headers["cache-control"] = self._lifetime()
            self.start = message
            if not self.held:
                await self._send(message)
            return
        if not self.held or message["type"] != "http.response.body":
            await self._send(message)
            return
        self.body += message.get("body", b"")
        if not message.get("more_body"):
            await self._finish()

    async def _finish(self) -> None:
        headers, body = MutableHeaders(raw=self.start["headers"]), bytes(self.body)
        if headers.get("content-type", "").startswith("text/html"):
            body = self.hardening.page(body, language_of(self.asked))
            headers["content-security-policy"] = content_security_policy(body)
            headers.setdefault("cache-control", "no-cache")
            headers.add_vary_header("Accept-Language")
            headers.add_vary_header("Cookie")
            if "etag" in headers:
                del headers["etag"]  # it named the file on disk, not what we made of it
        path = self.scope["path"]
        if (
            len(body) > 1000
            and _COMPRESSIBLE.match(headers.get("content-type", ""))
            and "gzip" in self.asked.get("accept-encoding", "")
        ):
            body = self.hardening.packed(path if path.startswith("/static/") else "", body)
            headers["content-encoding"] = "gzip"
            headers.add_vary_header("Accept-Encoding")
        headers["content-length"] = str(len(body))
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
        if "server" in headers:
            del headers["server"]


def content_security_policy(page: bytes) -> str:
    """The policy of a page: scripts of our own host, and the inline ones it came with, by hash.

    'wasm-unsafe-eval' is for Streamlit's table (Arrow), blob: workers for its charts and tables. Styles are inline because
    Streamlit's front end writes them so.
    """
    inline = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in _INLINE_SCRIPT.findall(page)
    )
    return (
        f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:{inline}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data:; worker-src 'self' blob:; "
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


def _uncompressed(scope: Scope) -> Scope:
    """The request without Accept-Encoding: pages and static files are compressed here, after they were changed."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]}


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
