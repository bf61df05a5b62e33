"""The session cookie: set by a ticket, cleared on leaving; and the language of somebody who has not signed in."""

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from actions import perform
from actions.sessions import redeem_ticket
from routes.hardening import same_origin
from rules.refusals import Refusal, Unavailable
from rules.terms import Language

COOKIE = "kabinet"
LANGUAGE_COOKIE = "kabinet_language"
_LARGEST_BODY = 2000


def cookie_name(*, secure: bool) -> str:
    """On https the cookie's name binds it to this very host (`__Host-`)."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def _ours(request: Request) -> bool:
    """From a page of this host, by our own script: another site cannot send this header without being asked first."""
    return request.headers.get("x-kabinet") == "1" and same_origin(request.headers)


def _secure(request: Request) -> bool:
    """Whether the page is on https. Its browser says so; the last stretch behind a proxy may be plain http."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


async def _sent(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_BODY:
            return {}
    try:
        sent = json.loads(body)
    except ValueError:
        sent = None
    return sent if isinstance(sent, dict) else {}


def _answer(status: int) -> JSONResponse:
    return JSONResponse({"ok": status == 200}, status, headers={"Cache-Control": "no-store"})


async def open_session(request: Request) -> Response:
    """POST {ticket}: set the cookie of the session that the ticket belongs to."""
    if not _ours(request):
        return _answer(403)
    ticket = str((await _sent(request)).get("ticket", ""))
    try:
        cookie = await run_in_threadpool(perform, redeem_ticket, visitor=None, ticket=ticket)
    except Unavailable:
        return _answer(503)
    except Refusal:
        return _answer(400)
    secure = _secure(request)
    answer = _answer(200)
    answer.set_cookie(
        cookie_name(secure=secure),
        cookie.value,
        expires=cookie.expires_at if cookie.remembered else None,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return answer


async def end_session(request: Request) -> Response:
    """POST: clear the cookie. The session itself was ended by the action; a copy of the cookie is worth nothing."""
    if not _ours(request):
        return _answer(403)
    secure = _secure(request)
    answer = _answer(200)
    answer.delete_cookie(cookie_name(secure=secure), path="/", httponly=True, samesite="lax", secure=secure)
    return answer


async def choose_language(request: Request) -> Response:
    """POST {language}: remember it in this browser."""
    if not _ours(request):
        return _answer(403)
    language = (await _sent(request)).get("language")
    if language not in set(Language):
        return _answer(400)
    answer = _answer(200)
    answer.set_cookie(
        LANGUAGE_COOKIE, language, max_age=31_536_000, path="/", samesite="lax", secure=_secure(request), httponly=True
    )
    return answer


SESSION_ROUTES = [
    Route("/session", open_session, methods=["POST"]),
    Route("/session/end", end_session, methods=["POST"]),
    Route("/language", choose_language, methods=["POST"]),
]
