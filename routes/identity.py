"""The trip to an outside provider and back: our cookie beside Streamlit's own sign-in routes.

`POST /identity/begin` puts the signed intent into a cookie, `POST /identity/end` takes it and Streamlit's away. Between the
two, `IdentityTrip` stands around Streamlit's `/auth/login` and `/oauth2callback`.
"""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actions.intents import (
    OUTSIDE,
    RETURN_MINUTES,
    TRIP_MINUTES,
    Intent,
    Stage,
    at,
    identity_names,
    returned,
    seal_intent,
    unseal_intent,
)
from routes.session import _answer, _ours, _secure, _sent

COOKIE = "kabinet_identity"
LOGIN, CALLBACK = "/auth/login", "/oauth2callback"


def intent_cookie(*, secure: bool) -> str:
    """On https the cookie's name binds it to this very host (`__Host-`)."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def _keep(answer: Response, intent: Intent, *, secure: bool) -> None:
    minutes = TRIP_MINUTES if intent.stage is Stage.BEGUN else RETURN_MINUTES
    answer.set_cookie(
        intent_cookie(secure=secure),
        seal_intent(intent),
        max_age=minutes * 60,
        path="/",
        httponly=True,
        samesite="lax",  # the way back from the provider begins at another site
        secure=secure,
    )


async def begin(request: Request) -> Response:
    """POST {intent}: the trip that the portal's script asked for begins in this browser."""
    if not _ours(request):
        return _answer(403)
    intent = unseal_intent(str((await _sent(request)).get("intent", "")))
    if intent is None or intent.stage is not Stage.ASKED:
        return _answer(400)
    answer = _answer(200)
    _keep(answer, at(intent, Stage.BEGUN), secure=_secure(request))
    return answer


async def end(request: Request) -> Response:
    """POST: the trip is over. Nothing of it, and nothing of Streamlit's identity, stays in the browser."""
    if not _ours(request):
        return _answer(403)
    secure = _secure(request)
    answer = _answer(200)
    answer.delete_cookie(intent_cookie(secure=secure), path="/", httponly=True, samesite="lax", secure=secure)
    for name in {OUTSIDE, f"{OUTSIDE}_tokens", *(name for name in request.cookies if name.startswith(f"{OUTSIDE}_"))}:
        answer.delete_cookie(name, path="/", httponly=True, samesite="lax")
    return answer


class IdentityTrip:
    """Middleware around Streamlit's two routes of a sign-in outside.

    Without a trip that was begun here nobody is sent to a provider, and no identity comes back. With one, the identity's
    cookie lives minutes instead of thirty days and is tied to the trip; its tokens do not reach the browser; the person
    comes back to where they began; and a provider that does not answer becomes a sentence there, not a bare error page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/") not in (LOGIN, CALLBACK):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        secure = intent_cookie(secure=True) in request.cookies
        intent = unseal_intent(request.cookies.get(intent_cookie(secure=secure), ""))
        if intent is not None and intent.stage is not Stage.BEGUN:
            intent = None
        login = scope["path"].rstrip("/") == LOGIN
        if intent is None and login:
            await RedirectResponse("/", 303)(scope, receive, send)
            return
        swallowed = False

        async def answer(message: Message) -> None:
            nonlocal swallowed
            if message["type"] == "http.response.start":
                if login and message["status"] < 400:
                    await send(message)  # on to the provider
                    return
                swallowed = True
                await _back(message, intent, secure)(scope, receive, send)
            elif not swallowed:
                await send(message)

        await self.app(scope, receive, answer)


def _back(message: Message, intent: Intent | None, secure: bool) -> Response:
    """The way back into the portal, instead of what Streamlit answered."""
    given = [value.decode("latin-1") for name, value in message.get("headers", []) if name.lower() == b"set-cookie"]
    identity: dict[str, str] = {}
    answer = RedirectResponse(intent.back if intent else "/", 303)
    for line in given:
        name, value, ends = _read(line)
        if not name.startswith(OUTSIDE) or ends:
            answer.raw_headers.append((b"set-cookie", line.encode("latin-1")))  # Authlib's state; what is taken away
        elif identity_names([name]) and intent is not None:
            identity[name] = value
            answer.set_cookie(name, value, max_age=RETURN_MINUTES * 60, path="/", httponly=True, samesite="lax", secure=secure)
    MutableHeaders(raw=answer.raw_headers)["cache-control"] = "no-store"
    if intent is not None:
        _keep(answer, returned(intent, identity) if OUTSIDE in identity else at(intent, Stage.FAILED), secure=secure)
    return answer


def _read(line: str) -> tuple[str, str, bool]:
    """Name and value of a Set-Cookie line, and whether it takes the cookie away."""
    try:
        cookie = SimpleCookie(line)
    except CookieError:
        return "", "", False
    for name, morsel in cookie.items():
        return name, morsel.value, morsel["max-age"] == "0" or not morsel.value
    return "", "", False


IDENTITY_ROUTES = [
    Route("/identity/begin", begin, methods=["POST"]),
    Route("/identity/end", end, methods=["POST"]),
]
