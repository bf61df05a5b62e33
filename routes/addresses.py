"""Addresses of screens have one level. Streamlit would answer a deeper one with a page whose files cannot be found."""

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_SERVED = ("_stcore", "app", "component", "media", "static", "go", "documents", "auth", "oauth2callback", "back", "bank",
           "unsubscribe")  # fmt: skip
"""First parts of the addresses of files and of Streamlit's own routes."""


class OneLevel:
    """Middleware: a browser that opens `/a/b` is sent to `/a-b`, where the portal says that there is no such page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            parts = [part for part in scope["path"].split("/") if part]
            if len(parts) > 1 and parts[0] not in _SERVED and "text/html" in Headers(scope=scope).get("accept", ""):
                await RedirectResponse("/" + "-".join(parts), 303)(scope, receive, send)
                return
        await self.app(scope, receive, send)
