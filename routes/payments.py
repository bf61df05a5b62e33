"""Coming back from the bank: whatever it sends along is dropped, the page asks the gateway itself."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

_PAGES = {"payment": "/pay?payment=", "card": "/cards?setup="}


async def back(request: Request) -> Response:
    """GET or POST /back/payment/17, /back/card/5: to the page that shows how it went."""
    page, id_ = _PAGES.get(request.path_params["what"]), request.path_params["id_"]
    if page is None or not (id_.isascii() and id_.isdigit() and len(id_) < 19):
        return Response(status_code=404)
    return RedirectResponse(f"{page}{id_}", 303, headers={"Cache-Control": "no-store"})


PAYMENT_ROUTES = [Route("/back/{what}/{id_}", back, methods=["GET", "POST"])]
