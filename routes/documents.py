"""Files for the person who is signed in: known by the session cookie alone, since a download has no script behind it."""

from collections.abc import Callable
from datetime import date
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import clock
from actions import perform
from actions.my_data import Handed, download_export
from actions.printing import (
    Printed,
    bill_file,
    month_file,
    print_bill,
    print_month,
    print_receipt,
    print_statement,
    receipt_file,
    statement_file,
)
from actions.sessions import unseal
from db import reading
from queries import visitors
from routes.hardening import language_of
from routes.session import cookie_name
from rules.monthly import month_of_document
from rules.papers import PaperKind
from rules.refusals import FieldWrong, NotAllowed, NotReadyYet, NotSignedIn, Refusal, Unavailable
from rules.terms import Language
from rules.visitor import Visitor
from settings import settings
from texts import sentence, speaking, t

_LARGEST_ID = 2**63 - 1
_MOST_ACCOUNTS = 100


def cookie_of(request: Request) -> str:
    """The session cookie of a request. Where the page is on https only the one that is bound to this host counts.

    The last stretch behind a proxy may be plain http, and a plain request names no origin: then our own address tells.
    """
    bound = request.cookies.get(cookie_name(secure=True), "")
    ours = urlsplit(settings().public_url or "")
    on_https = request.url.scheme == "https" or (ours.scheme == "https" and ours.netloc == request.headers.get("host"))
    return bound if bound or on_https else request.cookies.get(cookie_name(secure=False), "")


def visitor_of(request: Request) -> Visitor | None:
    """Who asks, by the cookie's live session; None when nobody is signed in."""
    carried = unseal(cookie_of(request))
    if carried is None:
        return None
    address = request.client.host if request.client else ""
    with reading() as db:
        found = visitors.by_token(db, token_hash=carried, now=clock.now(), address=address)
    return found[0] if found is not None else None


def attachment(name: str, plain_name: str) -> str:
    """A Content-Disposition by RFC 6266: `plain_name` in ASCII for old programs, `name` in UTF-8 for all others.

    Nothing but letters, digits, dots, dashes and underscores is left of `plain_name`, so no name can end the header.
    """
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-._") else "_" for sign in plain_name)
    return f"attachment; filename=\"{safe}\"; filename*=UTF-8''{quote(name, safe='')}"


def _my_data(request: Request) -> tuple[Visitor, Handed]:
    visitor = visitor_of(request)
    if visitor is None:
        raise NotSignedIn()
    return visitor, perform(download_export, visitor=visitor, export_id=_id(request.path_params["export_id"]))


def _id(asked: str) -> int:
    """The id of an address. Raises NotAllowed for what cannot be one."""
    if not (asked.isascii() and asked.isdigit()) or len(asked) > len(str(_LARGEST_ID)) or int(asked) > _LARGEST_ID:
        raise NotAllowed()
    return int(asked)


def _said(status: int, key: str, request: Request) -> Response:
    """A sentence for who followed a link in vain, in their browser's language."""
    with speaking(Language(language_of(request.headers))):
        return PlainTextResponse(t(key), status, headers={"Cache-Control": "no-store"})


async def my_data(request: Request) -> Response:
    """GET: the archive of one's own data. 403 for whoever is not its person, 404 when it is not there yet or any more."""
    headers = {"Cache-Control": "no-store"}
    try:
        visitor, handed = await run_in_threadpool(_my_data, request)
    except Unavailable:
        return Response(status_code=503, headers=headers)
    except NotReadyYet:
        return _said(404, "my_data.not_there", request)
    except Refusal:
        return _said(403, "my_data.not_yours", request)
    day = handed.made_at.date().isoformat()
    with speaking(visitor.language):
        name = t("my_data.file_name", day=day)
    headers["Content-Disposition"] = attachment(name, f"kabinet-my-data-{day}.zip")
    return Response(handed.content, media_type="application/zip", headers=headers)


# --- papers ---------------------------------------------------------------------------------------------
def _statement(request: Request, visitor: Visitor) -> Printed:
    kind = PaperKind(request.path_params["kind"])
    query = request.query_params
    try:
        first, last = (date.fromisoformat(query.get(name, "")) for name in ("from", "to"))
    except ValueError:
        raise FieldWrong(field="period", problem="malformed") from None
    account_ids = tuple(dict.fromkeys(_id(asked) for asked in query.getlist("account")))
    if len(account_ids) > _MOST_ACCOUNTS:
        raise NotAllowed()
    paper = perform(print_statement, visitor=visitor, first=first, last=last, account_ids=account_ids, kind=kind)
    return statement_file(paper, kind, visitor=visitor)


def _bill(request: Request, visitor: Visitor) -> Printed:
    paper = perform(print_bill, visitor=visitor, bill_id=_id(request.path_params["bill_id"]))
    return bill_file(paper, visitor=visitor)


def _receipt(request: Request, visitor: Visitor) -> Printed:
    paper = perform(print_receipt, visitor=visitor, payment_id=_id(request.path_params["payment_id"]))
    return receipt_file(paper, visitor=visitor)


def _month(request: Request, visitor: Visitor) -> Printed:
    try:
        month_on = month_of_document(str(_id(request.path_params["month"])))
    except ValueError:
        raise NotAllowed() from None
    return month_file(perform(print_month, visitor=visitor, month_on=month_on), visitor=visitor)


async def _handed(request: Request, make: Callable[[Request, Visitor], Printed]) -> Response:
    """The file, or a sentence: 403 for what is not theirs, 400 for days that make no statement, 503 when too many ask."""
    try:
        visitor = await run_in_threadpool(visitor_of, request)
        if visitor is None:
            raise NotSignedIn()
        printed = await run_in_threadpool(make, request, visitor)
    except Unavailable:
        return _said(503, "documents.busy", request)
    except FieldWrong as refusal:
        with speaking(visitor.language if visitor else Language(language_of(request.headers))):
            return PlainTextResponse(sentence(refusal), 400, headers={"Cache-Control": "no-store"})
    except Refusal:
        return _said(403, "documents.not_yours", request)
    headers = {"Cache-Control": "no-store", "Content-Disposition": attachment(printed.name, printed.plain_name)}
    return Response(printed.content, media_type=printed.media_type, headers=headers)


async def statement(request: Request) -> Response:
    """GET ?from=2026-09-01&to=2026-11-22&account=1&account=2: all operations of these days; without accounts, of all."""
    if request.path_params["kind"] not in set(PaperKind):
        return await nothing(request)
    return await _handed(request, _statement)


async def bill(request: Request) -> Response:
    """GET: a bill of an account that is attached."""
    return await _handed(request, _bill)


async def receipt(request: Request) -> Response:
    """GET: the receipt of a payment of one's own."""
    return await _handed(request, _receipt)


async def month(request: Request) -> Response:
    """GET /documents/monthly/202610.pdf: the summary of a month that one was written of."""
    return await _handed(request, _month)


async def nothing(request: Request) -> Response:
    """Any other address under /documents/."""
    return _said(404, "documents.not_there", request)


DOCUMENT_ROUTES = [
    Route("/documents/my-data/{export_id}", my_data, methods=["GET"]),
    Route("/documents/statement.{kind}", statement, methods=["GET"]),
    Route("/documents/bill/{bill_id}.pdf", bill, methods=["GET"]),
    Route("/documents/receipt/{payment_id}.pdf", receipt, methods=["GET"]),
    Route("/documents/monthly/{month}.pdf", month, methods=["GET"]),
    Route("/documents/{rest:path}", nothing, methods=["GET"]),
]
