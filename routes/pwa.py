"""What makes the portal installable on a phone: manifest, service worker, a page for when there is no network."""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

STATIC = Path(__file__).parent.parent / "static"
ICONS = "/app/static/icons"
KEPT_OFFLINE = ("offline.html", "icons/icon-192.png", "fonts/onest-cyrillic.woff2", "fonts/onest-latin.woff2")
"""Files of `static/` that the service worker keeps; it names them by their addresses."""


def pwa_routes(*, name: str, short_name: str, colour: str) -> list[Route]:
    """Routes of the installable app. `name` is the operator's product, `short_name` goes under the icon."""
    manifest = {
        "name": name,
        "short_name": short_name,
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "lang": "ru",
        "background_color": "#ffffff",
        "theme_color": colour,
        "icons": [
            {"src": f"{ICONS}/icon-192.png", "sizes": "192x192", "type": "image/png"},
            {"src": f"{ICONS}/icon-512.png", "sizes": "512x512", "type": "image/png"},
            {"src": f"{ICONS}/icon-maskable-512.png", "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
        ],
    }

    # A browser fetches the kept files anew when the worker's text changes, so the text names what they are.
    version = hashlib.sha256(b"".join((STATIC / name).read_bytes() for name in KEPT_OFFLINE)).hexdigest()[:12]

    async def show_manifest(_: Request) -> Response:
        return JSONResponse(manifest, media_type="application/manifest+json")

    async def worker(_: Request) -> Response:
        script = (STATIC / "service-worker.js").read_text(encoding="utf-8").replace("VERSION", version, 1)
        return Response(
            script,
            media_type="text/javascript",
            headers={"Cache-Control": "no-cache", "Service-Worker-Allowed": "/"},
        )

    async def offline(_: Request) -> Response:
        return FileResponse(STATIC / "offline.html", media_type="text/html")

    async def robots(_: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    return [
        Route("/manifest.webmanifest", show_manifest),
        Route("/sw.js", worker),
        Route("/offline", offline),
        Route("/robots.txt", robots),
    ]
