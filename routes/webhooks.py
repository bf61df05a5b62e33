"""What gateways tell of their own accord. They sign nothing, so nothing is believed: what they speak of is asked for."""

import json
import logging
import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actions.payments import hear
from integrations.gateway import NoAnswer
from rules.refusals import Unavailable
from rules.terms import GatewayName
from settings import settings

_LARGEST_BODY = 20_000
_REF = re.compile(r"[A-Za-z0-9-]{1,64}")
_log = logging.getLogger("kabinet.webhooks")


async def yookassa(request: Request) -> Response:
    """POST {event, object: {id}}. 200: heard, or nothing to us; 400: not a notice; 503: call again."""
    if settings().payment_gateway is not GatewayName.YOOKASSA:
        return Response(status_code=404)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_BODY:
            return Response(status_code=413)
    try:
        notice = json.loads(body)
        event, ref = str(notice["event"]), str(notice["object"]["id"])
    except (ValueError, TypeError, KeyError):
        return Response(status_code=400)
    if not _REF.fullmatch(ref):
        return Response(status_code=400)
    if not event.startswith("payment."):
        return Response(status_code=200)  # refunds and cards are asked about by the background
    try:
        ours = await run_in_threadpool(hear, GatewayName.YOOKASSA, ref)
    except (NoAnswer, Unavailable):
        return Response(status_code=503)
    if not ours:
        _log.warning("a notice about a payment that is not ours")
    return Response(status_code=200)


WEBHOOK_ROUTES = [Route("/webhooks/yookassa", yookassa, methods=["POST"])]
