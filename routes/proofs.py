"""Links from letters. A GET changes nothing: it takes the token out of the address, so that it is in no history and in no
Referer, and shows the page whose button uses it."""

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from settings import settings

COOKIE = "kabinet_proof"
_SECONDS = 900
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")
_PAGES = {"confirm": "/confirm", "reset": "/reset"}


async def follow(request: Request) -> Response:
    """GET /go/confirm/<token>, /go/reset/<token>: to the page, the token in a short-lived cookie no script can read."""
    page = _PAGES.get(request.path_params["what"])
    if page is None:
        return Response(status_code=404)
    answer = RedirectResponse(page, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    token = request.path_params["token"]
    if _TOKEN.fullmatch(token):
        # The last stretch behind a proxy may be plain http; the portal's own address says what the browser is on.
        secure = request.url.scheme == "https" or (settings().public_url or "").startswith("https://")
        answer.set_cookie(COOKIE, token, max_age=_SECONDS, path="/", httponly=True, samesite="lax", secure=secure)
    else:
        answer.delete_cookie(COOKIE, path="/")
    return answer


PROOF_ROUTES = [Route("/go/{what}/{token}", follow, methods=["GET"])]
