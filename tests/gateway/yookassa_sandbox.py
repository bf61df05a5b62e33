"""A small YooKassa of our own on loopback: it keeps books like API v3, hosts the payer's page, and breaks when it is told to.

Written from YooKassa's published API; it knows nothing of the adapter. Every exchange that reached it is in `exchanges`, as it
went over the line, for a test that holds them against the published document.
"""

import asyncio
import base64
import json
import re
import socket
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import clock

CARDS: dict[str, dict[str, str]] = {
    "good": {"first6": "220000", "last4": "0004", "card_type": "Mir"},
    "insufficient_funds": {"first6": "555555", "last4": "4444", "card_type": "MasterCard"},
    "blocked": {"first6": "411111", "last4": "1111", "card_type": "Visa"},
    "three_d_secure": {"first6": "220138", "last4": "0013", "card_type": "Mir"},
}
WHY_NOT = {
    "insufficient_funds": ("payment_network", "insufficient_funds"),
    "blocked": ("payment_network", "payment_method_restricted"),
    "three_d_secure_failed": ("payment_network", "3d_secure_failed"),
    "leave": ("yoo_money", "expired_on_confirmation"),
}
RUBBISH = (
    (200, b"<html><body>Welcome to nginx</body></html>"),
    (200, b"{}"),
    (200, b'{"id": "2d1e7b5c-000f-5000-9000-1b6cbd2b2d4f", "status": "succ'),
    (502, b"<html><body>Bad Gateway</body></html>"),
    (400, b"<html><body>Bad Request</body></html>"),
    (200, b""),
    (500, b'{"type": "error", "id": "ecf255db-cce8-4f15-8fc2-3d7a4678c867", "code": "internal_server_error"}'),
    (200, b'{"status": "succeeded", "amount": {"value": 500.0, "currency": "RUB"}}'),
    (200, b"[]"),
    (202, b'{"type": "processing", "retry_after": 1800}'),
)
"""What a broken gateway, or what stands before it, may say. The next one each time."""

ASKED = {
    "/payments": {
        "amount",
        "capture",
        "description",
        "confirmation",
        "metadata",
        "payment_method_id",
        "payment_method_data",
        "save_payment_method",
    },
    "/payment_methods": {"type", "confirmation", "metadata", "holder", "client_ip"},
    "/refunds": {"payment_id", "amount", "description", "metadata"},
}
"""What may be asked for here: a part of what YooKassa knows."""


class _Refused(Exception):
    def __init__(self, status: int, code: str, description: str, parameter: str = "") -> None:
        self.status = status
        self.body = {"type": "error", "id": str(uuid.uuid4()), "code": code, "description": description}
        if parameter:
            self.body["parameter"] = parameter


def _wrong(parameter: str, description: str = "Unacceptable value") -> _Refused:
    return _Refused(400, "invalid_request", description, parameter)


@dataclass(slots=True)
class Exchange:
    """One request and what was answered. `key` is its Idempotence-Key."""

    method: str
    path: str
    query: dict[str, str]
    key: str | None
    body: Any
    status: int
    answer: Any


@dataclass(slots=True)
class _Used:
    """What a key stands for."""

    request: tuple[str, str]
    at: datetime
    thing: dict[str, Any]


@dataclass
class Sandbox:
    """One shop at YooKassa."""

    shop_id: str = "100500"
    secret_key: str = "test_Fh8hUAVVBGUGbjmlzba6TB0iyUbos_lueTHE-axOwM0"
    address: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunded: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: deque[tuple[str, Any]] = field(default_factory=deque)
    connections: int = 0
    """How many requests to the API have come in all, those that were dropped among them."""

    _does: dict[str, str] = field(default_factory=dict)
    _wishes_to_keep: set[str] = field(default_factory=set)
    _used: dict[str, _Used] = field(default_factory=dict)
    _turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _rubbish: int = 0

    @property
    def api_url(self) -> str:
        return f"{self.address}/v3"

    # --- the world in a test's hand -----------------------------------------------------------------------
    def token(self, how: str) -> str:
        """A kept card that does this when it is charged."""
        method = self._method(how, saved=True)
        self.methods[method["id"]] = method
        self._does[method["id"]] = how
        return method["id"]

    def charges(self) -> list[tuple[str, int]]:
        """(key, kopecks) of the payments that went through, in order."""
        return [_entry(payment) for payment in self.payments.values() if payment["status"] == "succeeded"]

    def refunds(self) -> list[tuple[str, int]]:
        return [_entry(refund) for refund in self.refunded.values() if refund["status"] == "succeeded"]

    def lose_next(self, n: int) -> None:
        self.faults.extend([("lose", None)] * n)

    def unreachable_next(self, n: int) -> None:
        self.faults.extend([("unreachable", None)] * n)

    def rubbish_next(self, n: int) -> None:
        for _ in range(n):
            self.faults.append(("answer", (*RUBBISH[self._rubbish % len(RUBBISH)], {})))
            self._rubbish += 1

    def answer_next(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """The next request is not carried out, and answered like this."""
        self.faults.append(("answer", (status, body, headers or {})))

    def slow_next(self, seconds: float) -> None:
        """The next request is carried out and answered so much later."""
        self.faults.append(("slow", seconds))

    def forget(self) -> None:
        """A day has passed: YooKassa no longer knows which keys were used."""
        for used in self._used.values():
            used.at -= timedelta(hours=24)

    # --- requests -----------------------------------------------------------------------------------------
    async def api(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/v3")
        content = await request.body()
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = None
        key = request.headers.get("Idempotence-Key")
        query = dict(request.query_params)
        try:
            self._let_in(request)
            if request.method == "POST":
                answer = await self._once(request, path, key, body)
            else:
                answer = self._read(path, query)
            status = 200
        except _Refused as refused:
            status, answer = refused.status, refused.body
        said = json.loads(json.dumps(answer))
        self.exchanges.append(Exchange(request.method, path, query, key, body, status, said))
        return JSONResponse(said, status)

    def _let_in(self, request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = base64.b64encode(f"{self.shop_id}:{self.secret_key}".encode()).decode()
        if scheme != "Basic" or given != wanted:
            raise _Refused(401, "invalid_credentials", "Error in shopId or secret key. Check their validity.")

    async def _once(self, request: Request, path: str, key: str | None, body: Any) -> dict[str, Any]:
        if request.headers.get("Content-Type") != "application/json":
            raise _Refused(415, "unsupported_media_type", "Unsupported content type")
        if not key or not re.fullmatch(r"[0-9a-zA-Z+_.-]{1,64}", key):
            raise _wrong("Idempotence-Key", "Idempotence key is missing or illegal")
        if not isinstance(body, dict):
            raise _Refused(400, "invalid_request", "Request body is not JSON")
        this = (path, json.dumps(body, sort_keys=True))
        async with self._turns[key]:
            used = self._used.get(key)
            if used is not None and clock.now() - used.at < timedelta(hours=24):
                if used.request != this:
                    raise _wrong("Idempotence-Key", "Idempotence key duplicated")
                return used.thing
            await asyncio.sleep(0)  # whoever comes with the same key now has to wait for this one
            makers = {"/payments": self._pay, "/payment_methods": self._keep, "/refunds": self._give_back}
            if path not in makers:
                raise _Refused(404, "not_found", "There is no such thing")
            for name in body:
                if name not in ASKED[path]:
                    raise _wrong(name, "Unknown parameter")
            thing = makers[path](body)
            self._used[key] = _Used(this, clock.now(), thing)
            return thing

    def _read(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        kinds = {"payments": self.payments, "payment_methods": self.methods, "refunds": self.refunded}
        _, kind, *rest = path.split("/")
        things = kinds.get(kind)
        if things is None or (kind == "payment_methods" and not rest):
            raise _Refused(404, "not_found", "There is no such thing")
        if not rest:
            return self._list(things, query)
        if rest[0] not in things:
            raise _Refused(404, "not_found", "Incorrect id. The thing doesn't exist or you can't see it", f"{kind}_id")
        return things[rest[0]]

    def _list(self, things: dict[str, dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        limit = int(query.get("limit", "10"))
        if not 1 <= limit <= 100:
            raise _wrong("limit")
        bounds = {
            "created_at.gte": lambda at, bound: at >= bound,
            "created_at.gt": lambda at, bound: at > bound,
            "created_at.lte": lambda at, bound: at <= bound,
            "created_at.lt": lambda at, bound: at < bound,
        }
        # The newest first; of one moment, what was written down last.
        latest = reversed(list(things.values()))
        found = sorted(latest, key=lambda thing: datetime.fromisoformat(thing["created_at"]), reverse=True)
        for name, value in query.items():
            if name in bounds:
                try:
                    bound = datetime.fromisoformat(value)
                except ValueError:
                    raise _wrong(name) from None
                found = [thing for thing in found if bounds[name](datetime.fromisoformat(thing["created_at"]), bound)]
            elif name == "payment_id":
                found = [thing for thing in found if thing.get("payment_id") == value]
            elif name not in ("limit", "cursor"):
                raise _wrong(name)
        ids = [thing["id"] for thing in found]
        if "cursor" in query:
            if query["cursor"] not in ids:
                raise _wrong("cursor")
            found = found[ids.index(query["cursor"]) :]
        listed: dict[str, Any] = {"type": "list", "items": found[:limit]}
        if len(found) > limit:
            listed["next_cursor"] = found[limit]["id"]
        return listed

    # --- what is made -------------------------------------------------------------------------------------
    def _pay(self, body: dict[str, Any]) -> dict[str, Any]:
        token, typed = body.get("payment_method_id"), body.get("payment_method_data")
        if len(body.get("description", "")) > 128:
            raise _wrong("description")
        if body.get("capture") is not True:
            raise _wrong("capture", "Payments in two steps are not agreed on")
        if token is not None and (typed is not None or token not in self.methods or not self.methods[token]["saved"]):
            raise _wrong("payment_method_id", "Payment method doesn't exist or is not saved")
        if typed is not None and typed != {"type": "bank_card"}:
            raise _wrong("payment_method_data")
        payment: dict[str, Any] = {
            "id": _ref(),
            "status": "pending",
            "amount": _amount(body),
            "description": body.get("description", ""),
            "recipient": {"account_id": self.shop_id, "gateway_id": "100700"},
            "created_at": _now(),
            "test": True,
            "paid": False,
            "refundable": False,
            "metadata": _metadata(body),
        }
        if token is None:
            payment["confirmation"] = self._confirmation(body, payment["id"])
            if body.get("save_payment_method"):
                self._wishes_to_keep.add(payment["id"])
        elif self._does[token] == "three_d_secure":
            payment |= {"confirmation": self._confirmation(body, payment["id"]), "payment_method": self.methods[token]}
        else:
            self._decide(payment, self._does[token], self.methods[token])
        self.payments[payment["id"]] = payment
        return payment

    def _keep(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("type") != "bank_card":
            raise _wrong("type")
        ref = _ref()
        self.methods[ref] = {
            "id": ref,
            "type": "bank_card",
            "saved": False,
            "status": "pending",
            "holder": {"account_id": self.shop_id, "gateway_id": "100700"},
            "confirmation": self._confirmation(body, ref),
            "metadata": _metadata(body),
        }
        return self.methods[ref]

    def _give_back(self, body: dict[str, Any]) -> dict[str, Any]:
        payment = self.payments.get(body.get("payment_id", ""))
        if payment is None:
            raise _Refused(404, "not_found", "Payment doesn't exist", "payment_id")
        if payment["status"] != "succeeded":
            raise _wrong("payment_id", "Payment is not paid")
        amount = _amount(body)
        before = [refund for refund in self.refunded.values() if refund["payment_id"] == payment["id"]]
        back = sum((Decimal(refund["amount"]["value"]) for refund in before), Decimal(amount["value"]))
        if back > Decimal(payment["amount"]["value"]):
            raise _wrong("amount.value", "The refund is larger than what is left of the payment")
        if len(body.get("description", "")) > 250:
            raise _wrong("description")
        refund = {
            "id": _ref(),
            "payment_id": payment["id"],
            "status": "succeeded",
            "created_at": _now(),
            "amount": amount,
            "metadata": _metadata(body),
        }
        if body.get("description"):
            refund["description"] = body["description"]
        self.refunded[refund["id"]] = refund
        payment["refunded_amount"] = {"value": str(back), "currency": "RUB"}
        payment["refundable"] = back < Decimal(payment["amount"]["value"])
        return refund

    def _confirmation(self, body: dict[str, Any], ref: str) -> dict[str, str]:
        wanted = body.get("confirmation")
        if not isinstance(wanted, dict) or wanted.get("type") != "redirect":
            raise _wrong("confirmation")
        return_url = wanted.get("return_url", "")
        if not return_url or len(return_url) > 2048:
            raise _wrong("confirmation.return_url")
        return {"type": "redirect", "confirmation_url": f"{self.address}/page/{ref}", "return_url": return_url}

    def _method(self, how: str, *, saved: bool, ref: str = "") -> dict[str, Any]:
        card = CARDS.get(how, CARDS["three_d_secure"])
        return {
            "type": "bank_card",
            "id": ref or _ref(),
            "saved": saved,
            "status": "active" if saved else "inactive",
            "title": f"Bank card *{card['last4']}",
            "holder": {"account_id": self.shop_id, "gateway_id": "100700"},
            "card": {**card, "expiry_year": str(clock.today().year + 3), "expiry_month": "02", "issuer_country": "RU"},
        }

    def _decide(self, payment: dict[str, Any], how: str, method: dict[str, Any]) -> None:
        """The bank's word on a payment, and the end of it."""
        payment.pop("confirmation", None)
        payment["payment_method"] = {name: value for name, value in method.items() if name != "holder"}
        if how in WHY_NOT:
            party, reason = WHY_NOT[how]
            payment |= {"status": "canceled", "cancellation_details": {"party": party, "reason": reason}}
            return
        payment |= {"status": "succeeded", "paid": True, "refundable": True, "captured_at": _now()}

    # --- the payer's page ---------------------------------------------------------------------------------
    async def page(self, request: Request) -> Response:
        """A form with one field, `how`; a card that asks for a code gets one more, `code`, that is 123."""
        ref = request.path_params["ref"]
        thing = self.payments.get(ref) or self.methods.get(ref)
        if thing is None or "confirmation" not in thing:
            return HTMLResponse("<p>Nothing to do here", 404)
        typed = await request.form() if request.method == "POST" else {}
        how, code = str(typed.get("how", "")), str(typed.get("code", ""))
        if not how:
            return HTMLResponse('<form method="post"><input name="how"></form>')
        if how.startswith("three_d_secure") and not code:
            return HTMLResponse(f'<form method="post"><input name="how" value="{escape(how)}"><input name="code"></form>')
        if how.startswith("three_d_secure"):
            how = "three_d_secure" if code == "123" else "three_d_secure_failed"
        back = thing["confirmation"]["return_url"]
        good = how not in WHY_NOT
        if ref in self.payments:
            token = thing.get("payment_method", {}).get("id", "")
            keeps = good and (ref in self._wishes_to_keep or token in self.methods)
            method = self.methods.get(token) or self._method(how, saved=keeps)
            self._decide(thing, how, method)
            if keeps:
                self.methods.setdefault(method["id"], method)
                self._does.setdefault(method["id"], "good")
        else:
            del thing["confirmation"]
            thing["status"] = "inactive"
            if good:
                thing |= self._method(how, saved=True, ref=ref)
                self._does[ref] = "good"
        return RedirectResponse(back, 303)


def _ref() -> str:
    return str(uuid.uuid4())


def _now() -> str:
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entry(thing: dict[str, Any]) -> tuple[str, int]:
    return next(iter(thing["metadata"].values()), ""), int(Decimal(thing["amount"]["value"]) * 100)


def _amount(body: dict[str, Any]) -> dict[str, str]:
    amount = body.get("amount")
    if not isinstance(amount, dict) or set(amount) != {"value", "currency"} or amount["currency"] != "RUB":
        raise _wrong("amount")
    value = amount["value"]
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]+\.[0-9]{2}", value) or Decimal(value) < Decimal("1.00"):
        raise _wrong("amount.value")
    return amount


def _metadata(body: dict[str, Any]) -> dict[str, str]:
    metadata = body.get("metadata", {})
    if len(metadata) > 16 or any(len(name) > 32 or len(value) > 512 for name, value in metadata.items()):
        raise _wrong("metadata")
    return metadata


class _Line:
    """The line to the API, that breaks as it is told to."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self.app, self.sandbox = app, sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v3"):
            await self.app(scope, receive, send)
            return
        self.sandbox.connections += 1
        fault, what = self.sandbox.faults.popleft() if self.sandbox.faults else ("", None)
        if fault == "unreachable":
            _cut(send)
        elif fault == "lose":

            async def swallow(_message: Message) -> None: ...

            await self.app(scope, receive, swallow)
            _cut(send)
        elif fault == "answer":
            status, body, headers = what
            await Response(body, status, headers, media_type="application/json")(scope, receive, send)
        else:
            if fault == "slow":
                await asyncio.sleep(what)
            await self.app(scope, receive, send)


def _cut(send: Send) -> None:
    """Hang up. ASGI has no word for it; in uvicorn `send` belongs to what holds the connection."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]


@contextmanager
def yookassa_sandbox(**shop: str) -> Iterator[Sandbox]:
    """A running shop: `Sandbox(**shop)` on a free port of loopback."""
    sandbox = Sandbox(**shop)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    sandbox.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = Starlette(
        routes=[
            Route("/v3/{rest:path}", sandbox.api, methods=["GET", "POST"]),
            Route("/page/{ref}", sandbox.page, methods=["GET", "POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(_Line(app, sandbox), lifespan="off", log_config=None, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the sandbox did not start"
        threading.Event().wait(0.005)
    try:
        yield sandbox
    finally:
        # It ends with its next look at this, 0.1 s from now; nobody has to wait for that.
        server.should_exit = server.force_exit = True
