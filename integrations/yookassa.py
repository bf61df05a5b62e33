"""YooKassa, API v3: https://yookassa.ru/developers/api.

Of its SDK this takes the client: the address, how a shop is named and let in, what is said of this side. Not the SDK's objects
(they carry sums as floats, round what they read and add to what is sent) and not its way of sending (no timeout; a dead gateway
comes out as an AttributeError; settings and a logger that is told the secret key are one for the whole process).

Whatever is not a plain answer is NoAnswer, never a decline: nobody knows what a gateway did that could not say it.
"""

import json
import logging
import queue
import re
import threading
from calendar import monthrange
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
from yookassa.client import ApiClient
from yookassa.domain.common import UserAgent

import clock
from integrations.gateway import (
    PATIENCE,
    CardCheck,
    Charge,
    GatewayRefused,
    KeptCard,
    NoAnswer,
    RefundStanding,
    Standing,
)
from rules.payments import REPEAT_FOR
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState

_log = logging.getLogger("kabinet.yookassa")

CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0
"""For a connection to open, and for the next byte to come. What is longer in all is ended by the patience."""
LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes; a page of 100 payments has about 0.2 MB."""
PAGE = 100
KEY_NAME = "kabinet_key"
"""Where our key stands in what YooKassa keeps beside a payment, a card or a refund."""
LONGEST_DESCRIPTION, LONGEST_REASON = 128, 250
CLOCKS_APART = timedelta(minutes=5)
"""So far may our clock and theirs differ when something is looked for by its time."""
LATE = timedelta(minutes=10)
"""So much later than REPEAT_FOR may a charge have come in: their clock may be ahead, and the last request was under way."""
MINUTE = timedelta(minutes=1)
REMEMBERED = 100_000
"""So many of our keys are kept in memory, by the minute, for searches to come: about 30 MB. One search needs 31 minutes."""

_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,64}")
_KEY = re.compile(r"[0-9A-Za-z_.+-]{1,64}")
_WORD = re.compile(r"[0-9A-Za-z_.\[\]-]{1,64}")
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?")

PAYMENT_STATES = {
    "pending": PaymentState.PENDING,
    "waiting_for_capture": PaymentState.PENDING,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.DECLINED,
}
CARD_STATES = {"pending": PaymentState.PENDING, "active": PaymentState.SUCCEEDED, "inactive": PaymentState.DECLINED}

REASONS = {
    "insufficient_funds": DeclineReason.INSUFFICIENT_FUNDS,
    "card_expired": DeclineReason.CARD_EXPIRED,
    "payment_method_limit_exceeded": DeclineReason.LIMIT_EXCEEDED,
    # The bank knows no such card, has stopped it, or its holder has forbidden us to charge it.
    "invalid_card_number": DeclineReason.CARD_BLOCKED,
    "payment_method_restricted": DeclineReason.CARD_BLOCKED,
    "permission_revoked": DeclineReason.CARD_BLOCKED,
    "3d_secure_failed": DeclineReason.NOT_CONFIRMED,
    "expired_on_confirmation": DeclineReason.NOT_FINISHED,
    "expired_on_capture": DeclineReason.NOT_FINISHED,
    "canceled_by_merchant": DeclineReason.NOT_FINISHED,
}
"""Reasons of a cancelled payment; every other one is the bank's refusal."""

BRANDS = {
    "Visa": CardBrand.VISA,
    "MasterCard": CardBrand.MASTERCARD,
    "Maestro": CardBrand.MAESTRO,
    "Mir": CardBrand.MIR,
}
_ELECTRON = ("4026", "417500", "4405", "4508", "4844", "4913", "4917")
_MAESTRO = ("50", "56", "57", "58", "6")
"""First digits by which cards are told apart that YooKassa calls Visa and MasterCard alike."""

REFUSED = (400, 401, 403, 404, 405, 410, 415)
UNKNOWN_THING = (400, 404, 410)


def amount_of(amount_kopecks: int) -> dict[str, str]:
    """A sum as YooKassa writes it: 50000 kopecks are {"value": "500.00", "currency": "RUB"}."""
    return {"value": f"{amount_kopecks // 100}.{amount_kopecks % 100:02d}", "currency": "RUB"}


def kopecks_of(amount: Any) -> int:
    """The sum in kopecks. Raises NoAnswer for what is not an exact sum in roubles."""
    if not isinstance(amount, dict) or amount.get("currency") != "RUB":
        raise NoAnswer("the answer has no sum in roubles")
    written = _AMOUNT.fullmatch(amount["value"]) if isinstance(amount.get("value"), str) else None
    if written is None:
        raise NoAnswer("the answer has no exact sum")
    return int(written[1]) * 100 + int((written[2] or "").ljust(2, "0"))


class _Client(ApiClient):
    """The SDK's client for one shop, told everything itself: two shops in one process share nothing."""

    def __init__(self, *, shop_id: str, secret_key: str, api_url: str) -> None:
        # Not the parent's: that one reads the process-wide `Configuration`.
        self.endpoint = api_url.rstrip("/")
        self.shop_id, self.shop_password, self.auth_token = shop_id, secret_key, None
        self.user_agent = UserAgent()

    def send(
        self, method: str, path: str, *, seconds: float, key: str, query: Mapping[str, str | int], body: Any
    ) -> tuple[int, bytes]:
        """One request, sent once; the status and the body of its answer.

        Raises what `requests` raises; between two bytes it does not look at the time, so somebody has to hold the watch.
        """
        until = monotonic() + seconds
        with (
            requests.Session() as session,
            session.request(
                method,
                self.endpoint + path,
                params=query,
                json=body,
                headers=self.prepare_request_headers({"Idempotence-Key": key} if key else {}),
                auth=_as_it_is,
                timeout=(min(CONNECT_SECONDS, seconds), min(READ_SECONDS, seconds)),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            read = bytearray()
            for piece in answer.iter_content(65_536):
                read += piece
                if len(read) > LARGEST_ANSWER or monotonic() > until:
                    raise TimeoutError
            return answer.status_code, bytes(read)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without it `requests` would put a password from ~/.netrc in place of the shop's key."""
    return request


class YooKassa:
    """The adapter for one shop. `api_url` is its API's address up to "/v3"; `patience`: seconds in which every call has ended."""

    name = GatewayName.YOOKASSA

    def __init__(self, *, shop_id: str, secret_key: str, api_url: str, patience: float = PATIENCE) -> None:
        self._client = _Client(shop_id=shop_id, secret_key=secret_key, api_url=api_url)
        self._page_schemes = {"https", urlsplit(api_url).scheme}
        self._patience = patience
        self._minutes: OrderedDict[datetime, dict[str, str]] = OrderedDict()
        self._reading = threading.Lock()

    # --- what moves money ---------------------------------------------------------------------------------
    def charge(self, charge: Charge) -> Standing:
        """See `Gateway`. Only a card is taken: what else YooKassa's page offers is not what the payer was told."""
        wish: dict[str, Any] = {
            "amount": amount_of(charge.amount_kopecks),
            "capture": True,
            "description": _cut(charge.description, LONGEST_DESCRIPTION),
            "confirmation": {"type": "redirect", "return_url": charge.return_url},
            "metadata": {KEY_NAME: charge.key},
        }
        if charge.token is not None:
            wish["payment_method_id"] = charge.token
        else:
            wish["payment_method_data"] = {"type": "bank_card"}
            if charge.keep_card:
                wish["save_payment_method"] = True
        standing = self._payment(self._begin("/payments", charge.key, wish))
        if (standing.key, standing.amount_kopecks) != (charge.key, charge.amount_kopecks):
            raise NoAnswer("the answer is about another charge")
        return standing

    def check_card(self, check: CardCheck) -> Standing:
        """See `Gateway`. YooKassa has no room for the description here."""
        wish = {
            "type": "bank_card",
            "confirmation": {"type": "redirect", "return_url": check.return_url},
            "metadata": {KEY_NAME: check.key},
        }
        standing = self._kept(self._begin("/payment_methods", check.key, wish), check.key)
        if standing.key != check.key:
            raise NoAnswer("the answer is about another card")
        return standing

    def refund(self, *, key: str, ref: str, amount_kopecks: int, reason: str) -> RefundStanding:
        """See `Gateway`."""
        wish: dict[str, Any] = {
            "payment_id": _reference(ref),
            "amount": amount_of(amount_kopecks),
            "metadata": {KEY_NAME: key},
        }
        if reason:
            wish["description"] = _cut(reason, LONGEST_REASON)
        standing = _refund(self._begin("/refunds", key, wish))
        if (standing.key, standing.amount_kopecks) != (key, amount_kopecks):
            raise NoAnswer("the answer is about another refund")
        return standing

    # --- what only asks -----------------------------------------------------------------------------------
    def ask(self, ref: str) -> Standing:
        """See `Gateway`."""
        return self._payment(self._known("/payments/", ref))

    def ask_check(self, ref: str) -> Standing:
        """See `Gateway`. A card that was not kept has no reason here: YooKassa tells none."""
        return self._kept(self._known("/payment_methods/", ref))

    def ask_refund(self, ref: str) -> RefundStanding:
        """See `Gateway`."""
        return _refund(self._known("/refunds/", ref))

    def find(self, key: str, *, since: datetime) -> Standing | None:
        """See `Gateway`. A charge is sent within REPEAT_FOR of its beginning and never later: it is looked for around that only.

        In a busy shop that may be more than can be read in time. So it is read minute by minute, those near `since` first, and
        what was read of minutes that are over is kept: the next search, for this charge or another one, goes on from there.
        """
        until = monotonic() + self._patience
        first, last = _minute(since - CLOCKS_APART), _minute(since + REPEAT_FOR + LATE) + MINUTE
        newest, more = self._page_of("/payments", _between(first, last), "", until)
        found = next((payment for payment in newest if _key(payment) == key), None)
        if found is not None or more is None:
            return self._payment(found) if found is not None else None
        over = min(max(first, _minute(clock.real_now() - CLOCKS_APART)), last)
        spans = [(first + number * MINUTE, first + (number + 1) * MINUTE) for number in range((over - first) // MINUTE)]
        if over < last:
            spans.append((over, last))  # payments may still come into it
        for begin, end in sorted(spans, key=lambda span: max(span[0] - since, since - span[1], timedelta())):
            if begin < over:
                ref = self._of_minute(begin, until).get(key)
                if ref is not None:
                    return self._read_again(ref, until)
                continue
            for payment in self._listed("/payments", _between(begin, end), until):
                if _key(payment) == key:
                    return self._payment(payment)
        return None

    def _of_minute(self, begin: datetime, until: float) -> Mapping[str, str]:
        """Our key → YooKassa's reference, of the payments of a minute that is over. One at a time reads: others mostly want the
        same minutes, and find them there. Raises NoAnswer."""
        if not self._reading.acquire(timeout=max(0.0, until - monotonic())):
            raise NoAnswer("not in time")
        try:
            known = self._minutes.pop(begin, None)
            if known is None:
                payments = self._listed("/payments", _between(begin, begin + MINUTE), until)
                known = {_key(payment): _id(payment) for payment in payments if _key(payment)}
            self._minutes[begin] = known  # the latest used is the last
            while sum(1 + len(each) for each in self._minutes.values()) > REMEMBERED and len(self._minutes) > 1:
                self._minutes.popitem(last=False)
            return known
        finally:
            self._reading.release()

    def _read_again(self, ref: str, until: float) -> Standing:
        """How a payment stands now that was in a list before. Raises NoAnswer, also when it is refused: it was there."""
        try:
            return self._payment(self._known("/payments/", ref, until))
        except GatewayRefused as error:
            raise NoAnswer(f"refused to say: {error}") from None

    def find_refund(self, key: str, *, payment_ref: str) -> RefundStanding | None:
        """See `Gateway`."""
        until = monotonic() + self._patience
        for refund in self._listed("/refunds", {"payment_id": _reference(payment_ref)}, until):
            if _key(refund) == key:
                return _refund(refund)
        return None

    # --- requests -----------------------------------------------------------------------------------------
    def _begin(self, path: str, key: str, wish: dict[str, Any]) -> dict[str, Any]:
        """What came of a wish. Raises GatewayRefused when it will never be granted."""
        if not _KEY.fullmatch(key):
            raise GatewayRefused("a key that YooKassa does not take")
        status, answer = self._call("POST", path, key=key, body=wish)
        if status == 200:
            return _object(answer)
        self._tell(status)
        # These two are said without words; any other refusal is YooKassa's own only in its words, not in a proxy's page.
        if status in REFUSED and (status in (405, 415) or _is_error(answer)):
            raise GatewayRefused("credentials" if status == 401 else _words(status, answer))
        raise NoAnswer(_words(status, answer))

    def _known(self, path: str, ref: str, until: float | None = None) -> dict[str, Any]:
        """The thing of that reference. Raises GatewayRefused when there is none.

        A question that was not let in (a changed key, a missing right) says nothing of the money it asked about: NoAnswer.
        """
        status, answer = self._call("GET", path + _reference(ref), until=until)
        if status == 200:
            found = _object(answer)
            if found.get("id") != ref:
                raise NoAnswer("the answer is about something else")
            return found
        self._tell(status)
        if status in UNKNOWN_THING and _is_error(answer):
            raise GatewayRefused(_words(status, answer))
        raise NoAnswer(_words(status, answer))

    def _listed(self, path: str, query: Mapping[str, str], until: float) -> Iterator[dict[str, Any]]:
        """Everything that fits, page by page, the newest first. Raises NoAnswer only: half a list is none."""
        cursor: str | None = ""
        while cursor is not None:
            items, cursor = self._page_of(path, query, cursor, until)
            yield from items

    def _page_of(self, path: str, query: Mapping[str, str], cursor: str, until: float) -> tuple[list[dict[str, Any]], str | None]:
        """One page of a list, and the cursor of the next one; None: it was the last. Raises NoAnswer only."""
        wanted: dict[str, str | int] = {**query, "limit": PAGE}
        if cursor:
            wanted["cursor"] = cursor
        status, answer = self._call("GET", path, query=wanted, until=until)
        if status != 200:
            self._tell(status)
            raise NoAnswer(_words(status, answer))
        page = _object(answer)
        items, following = page.get("items"), page.get("next_cursor")
        if not isinstance(items, list):
            raise NoAnswer("the answer is not a list")
        if following is not None and (not isinstance(following, str) or not following or following == cursor):
            raise NoAnswer("a list without an end")
        return [_object(item) for item in items], following

    def _call(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        query: Mapping[str, str | int] | None = None,
        body: Any = None,
        until: float | None = None,
    ) -> tuple[int, Any]:
        """The status of an answer and what it says, as JSON (None: not JSON). Raises NoAnswer when none came in time."""
        seconds = self._patience if until is None else until - monotonic()
        if seconds <= 0:
            raise NoAnswer("not in time")
        # Texts of what went wrong may hold addresses and worse; its name is enough, and it is not chained.
        try:
            status, said = _within(
                seconds, lambda: self._client.send(method, path, seconds=seconds, key=key, query=query or {}, body=body)
            )
        except queue.Empty:
            raise NoAnswer("not in time") from None
        except Exception as error:
            raise NoAnswer(type(error).__name__) from None
        try:
            return status, json.loads(said)
        except (ValueError, RecursionError):
            return status, None

    def _tell(self, status: int) -> None:
        if status == 401:
            _log.error("YooKassa does not accept the shop's id and secret key: nobody can pay")
        elif status == 403:
            _log.error("YooKassa forbids the shop what Kabinet asks for (cards are kept only by agreement)")

    # --- reading ------------------------------------------------------------------------------------------
    def _payment(self, payment: dict[str, Any]) -> Standing:
        state = _state(payment, PAYMENT_STATES)
        reason = None
        if state is PaymentState.DECLINED:
            details = payment.get("cancellation_details")
            told = details.get("reason") if isinstance(details, dict) else None
            reason = REASONS.get(told, DeclineReason.BANK_REFUSED) if isinstance(told, str) else DeclineReason.BANK_REFUSED
        return Standing(
            ref=_id(payment),
            key=_key(payment),
            state=state,
            amount_kopecks=kopecks_of(payment.get("amount")),
            page_url=self._page(payment) if state is PaymentState.PENDING else None,
            reason=reason,
            card=_card(payment.get("payment_method")) if state is PaymentState.SUCCEEDED else None,
        )

    def _kept(self, method: dict[str, Any], key: str = "") -> Standing:
        """How the check of a card stands; `key` is what it was asked under, for an answer that does not say it."""
        state = _state(method, CARD_STATES)
        card = _card(method) if state is PaymentState.SUCCEEDED else None
        reason = DeclineReason.BANK_REFUSED if state is PaymentState.DECLINED else None
        if state is PaymentState.SUCCEEDED and card is None:
            # Of a brand that is not taken here, so of no use.
            state, reason = PaymentState.DECLINED, DeclineReason.GATEWAY_REFUSED
        return Standing(
            ref=_id(method),
            key=_key(method) or key,
            state=state,
            amount_kopecks=0,
            page_url=self._page(method) if state is PaymentState.PENDING else None,
            reason=reason,
            card=card,
        )

    def _page(self, thing: dict[str, Any]) -> str | None:
        """Where the payer has something to do. Nobody is sent to what is not an address of the web."""
        confirmation = thing.get("confirmation")
        page_url = confirmation.get("confirmation_url") if isinstance(confirmation, dict) else None
        if page_url is None:
            return None
        try:
            scheme = urlsplit(page_url).scheme if isinstance(page_url, str) else ""
        except ValueError:
            scheme = ""
        if scheme not in self._page_schemes:
            raise NoAnswer("the answer has a page that is none")
        return page_url


def _within(seconds: float, work: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
    """What `work` returns or raises; queue.Empty when it has not ended by then.

    Names are resolved and headers are read without a timeout that could be set, so the watch is held outside. A thread that is
    left behind ends with its connection, and does not keep the process from ending.
    """
    ended: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put(work())
        except Exception as error:
            ended.put(error)

    threading.Thread(target=run, name="yookassa", daemon=True).start()
    outcome = ended.get(timeout=seconds)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _reference(ref: str) -> str:
    """A reference as part of an address. Raises GatewayRefused for one that cannot be YooKassa's."""
    if not _REFERENCE.fullmatch(ref):
        raise GatewayRefused("a reference that YooKassa never gave")
    return ref


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise NoAnswer("the answer is not an object")
    return answer


def _is_error(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("type") == "error"


def _words(status: int, answer: Any) -> str:
    """What went wrong, in words that YooKassa's support understands: status, code, parameter, number of the error.

    Not its description: that may repeat what was sent.
    """
    said = [answer.get(name) for name in ("code", "parameter", "id")] if _is_error(answer) else []
    return " ".join([str(status), *(word for word in said if isinstance(word, str) and _WORD.fullmatch(word))])


def _id(thing: dict[str, Any]) -> str:
    ref = thing.get("id")
    if not isinstance(ref, str) or not _REFERENCE.fullmatch(ref):
        raise NoAnswer("the answer has no id")
    return ref


def _key(thing: dict[str, Any]) -> str:
    """Our key; "" for what was begun by somebody else in the same shop."""
    metadata = thing.get("metadata")
    key = metadata.get(KEY_NAME) if isinstance(metadata, dict) else None
    return key if isinstance(key, str) else ""


def _state(thing: dict[str, Any], states: Mapping[str, PaymentState]) -> PaymentState:
    said = thing.get("status")
    state = states.get(said) if isinstance(said, str) else None
    if state is None:
        raise NoAnswer("the answer has no state")
    return state


def _refund(refund: dict[str, Any]) -> RefundStanding:
    return RefundStanding(
        ref=_id(refund),
        key=_key(refund),
        state=_state(refund, PAYMENT_STATES),
        amount_kopecks=kopecks_of(refund.get("amount")),
    )


def _card(method: Any) -> KeptCard | None:
    """The card that YooKassa keeps; None when it keeps none, or one that Kabinet has no use for.

    A payment is a payment whatever its card looks like, so nothing here is NoAnswer.
    """
    if not isinstance(method, dict) or method.get("saved") is not True or method.get("type") != "bank_card":
        return None
    try:
        card = method["card"]
        brand = _brand(card["card_type"], str(card.get("first6", "")))
        year, month = int(card["expiry_year"]), int(card["expiry_month"])
        expires_on = date(year, month, monthrange(year, month)[1])
        token, last_four = method["id"], card["last4"]
        if brand is not None and _REFERENCE.fullmatch(token) and re.fullmatch(r"[0-9]{4}", last_four):
            return KeptCard(token=token, brand=brand, last_four=last_four, expires_on=expires_on)
        _log.warning("YooKassa keeps a card that is not taken here")
    except (AttributeError, KeyError, TypeError, ValueError):
        _log.warning("YooKassa keeps a card that cannot be read")
    return None


def _brand(card_type: str, first_six: str) -> CardBrand | None:
    brand = BRANDS.get(card_type)
    if brand is CardBrand.VISA and first_six.startswith(_ELECTRON):
        return CardBrand.VISA_ELECTRON
    if brand is CardBrand.MASTERCARD and first_six.startswith(_MAESTRO):
        return CardBrand.MAESTRO
    return brand


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _minute(at: datetime) -> datetime:
    """The beginning of the minute, so that searches for several charges read the same ones."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _between(begin: datetime, end: datetime) -> dict[str, str]:
    """What asks for things of that time, `end` not included."""
    return {"created_at.gte": _moment(begin), "created_at.lt": _moment(end)}


def _moment(at: datetime) -> str:
    """An aware moment as YooKassa writes it, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
