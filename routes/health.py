"""Whether this process can serve: for whoever watches it."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from db.schema import state


async def health(_: Request) -> Response:
    """200 when the database answers and is at the current schema, else 503 and which of the two it is."""
    found = await run_in_threadpool(state)
    return JSONResponse({"status": found}, 200 if found == "ok" else 503, headers={"Cache-Control": "no-store"})


HEALTH_ROUTES = [Route("/healthz", health)]
