"""The YooKassa adapter against a small YooKassa of our own: what every gateway must do, and what is this one's alone."""

import base64
import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yookassa import Configuration

import clock
from integrations.gateway import PATIENCE, GatewayRefused, NoAnswer, RefundStanding, Standing
from integrations.yookassa import REASONS, YooKassa, amount_of, kopecks_of
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState
from tests.gateway.contract import (
    BACK,
    SUM,
    GatewayContract,
    How,
    check,
    declined_for,
    fresh_key,
    minutes_ago,
    page_of,
    wish,
)
from tests.gateway.contract import Stage as AnyStage
from tests.gateway.yookassa_sandbox import RUBBISH, Sandbox, yookassa_sandbox

SPEC = os.environ.get("YOOKASSA_SPEC", "")
NO_SPEC = "YOOKASSA_SPEC names no copy of YooKassa's OpenAPI document (tests/gateway/yookassa_document.py says where it is)"
REF = "2d1e7b5c-000f-5000-9000-1b6cbd2b2d4f"


@cache
def document() -> Any:
    # Here, not above: what it reads YAML and schemas with comes with other packages, and only this needs it.
    from tests.gateway.yookassa_document import Document

    return Document(Path(SPEC))


def adapter(sandbox: Sandbox, **other: Any) -> YooKassa:
    told = {"shop_id": sandbox.shop_id, "secret_key": sandbox.secret_key, "api_url": sandbox.api_url}
    return YooKassa(**{**told, **other})


class Stage:
    """The sandbox and the adapter, and the payer between them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.gateway = sandbox, adapter(sandbox)
        self.token, self.charges, self.refunds = sandbox.token, sandbox.charges, sandbox.refunds
        self.lose_next, self.unreachable_next, self.rubbish_next = (
            sandbox.lose_next,
            sandbox.unreachable_next,
            sandbox.rubbish_next,
        )

    def pay(self, page_url: str, how: How) -> None:
        typed = {"how": how}
        said = httpx.post(page_url, data=typed)
        if 'name="code"' in said.text:
            said = httpx.post(page_url, data=typed | {"code": "123" if how == "three_d_secure" else "000"})
        assert (said.status_code, said.headers["Location"]) == (303, BACK)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with yookassa_sandbox() as running:
        yield running
        if SPEC:
            assert [fault for exchange in running.exchanges for fault in document().faults(exchange)] == []


@pytest.fixture
def stage(sandbox: Sandbox) -> Stage:
    return Stage(sandbox)


class TestYooKassa(GatewayContract):
    def test_a_blocked_card_is_not_kept(self, stage: AnyStage):
        """YooKassa does not say why a card was not kept."""
        begun = stage.gateway.check_card(check())
        stage.pay(page_of(begun), "blocked")
        assert declined_for(stage.gateway.ask_check(begun.ref)) is DeclineReason.BANK_REFUSED


# --- sums -----------------------------------------------------------------------------------------------
@given(amount_kopecks=st.integers(min_value=1, max_value=10**13))
def test_a_sum_is_written_and_read_to_the_kopeck(amount_kopecks: int):
    written = amount_of(amount_kopecks)
    roubles, kopecks = written["value"].split(".")
    assert (int(roubles) * 100 + int(kopecks), len(kopecks), written["currency"]) == (amount_kopecks, 2, "RUB")
    assert kopecks_of(written) == amount_kopecks


@pytest.mark.parametrize(("value", "kopecks"), [("500.00", 50_000), ("0.07", 7), ("29.29", 2_929), ("12.5", 1_250), ("8", 800)])
def test_sums_are_read_exactly(value: str, kopecks: int):
    assert kopecks_of({"value": value, "currency": "RUB"}) == kopecks


@pytest.mark.parametrize(
    "value", [500, 500.0, None, "", "5e2", "500,00", "-5.00", "5.000", " 5.00", "٥.00", "Infinity", ["5"], "1_0"]
)
def test_what_is_not_an_exact_sum_is_no_answer(value: object):
    with pytest.raises(NoAnswer):
        kopecks_of({"value": value, "currency": "RUB"})


def test_a_sum_in_other_money_is_no_answer():
    with pytest.raises(NoAnswer):
        kopecks_of({"value": "5.00", "currency": "USD"})


# --- what is asked for ----------------------------------------------------------------------------------
def test_a_payment_asks_for_a_card_at_once_and_keeps_it_only_if_it_is_wanted(stage: Stage):
    plain, keeping = wish(), wish(keep_card=True)
    stage.gateway.charge(plain)
    stage.gateway.charge(keeping)
    first, second = (exchange.body for exchange in stage.sandbox.exchanges)
    assert first == {
        "amount": {"value": "1234.56", "currency": "RUB"},
        "capture": True,
        "description": plain.description,
        "confirmation": {"type": "redirect", "return_url": BACK},
        "metadata": {"kabinet_key": plain.key},
        "payment_method_data": {"type": "bank_card"},
    }
    assert second == first | {"metadata": {"kabinet_key": keeping.key}, "save_payment_method": True}
    assert [exchange.key for exchange in stage.sandbox.exchanges] == [plain.key, keeping.key]


def test_long_words_are_cut_to_what_yookassa_takes(stage: Stage):
    begun = stage.gateway.charge(wish().__class__(fresh_key(), SUM, "я" * 500, BACK))
    stage.pay(page_of(begun), "good")
    stage.gateway.refund(key=fresh_key(), ref=begun.ref, amount_kopecks=SUM, reason="ю" * 500)
    assert [len(exchange.body["description"]) for exchange in stage.sandbox.exchanges] == [128, 250]


def test_a_kept_card_may_still_want_to_be_confirmed(stage: Stage):
    asked = wish(token=stage.sandbox.token("three_d_secure"))
    begun = stage.gateway.charge(asked)
    stage.pay(page_of(begun), "three_d_secure")
    assert stage.gateway.ask(begun.ref).state is PaymentState.SUCCEEDED
    assert stage.charges() == [(asked.key, SUM)]


def test_a_key_that_yookassa_would_not_take_is_refused_here(stage: Stage):
    for key in ("", "k" * 65, "key\r\nX-Other: 1", "ключ"):
        with pytest.raises(GatewayRefused):
            stage.gateway.charge(wish().__class__(key, SUM, "", BACK))
    assert stage.sandbox.connections == 0


@pytest.mark.parametrize("ref", ["", "../me", "a/b", "x?y=1", "r" * 65, "строка", "a\n"])
def test_a_reference_that_is_none_is_refused_and_asked_of_nobody(stage: Stage, ref: str):
    for ask in (stage.gateway.ask, stage.gateway.ask_check, stage.gateway.ask_refund):
        with pytest.raises(GatewayRefused):
            ask(ref)
    with pytest.raises(GatewayRefused):
        stage.gateway.refund(key=fresh_key(), ref=ref, amount_kopecks=SUM, reason="")
    assert stage.sandbox.connections == 0


def test_one_key_in_sixteen_threads_is_one_payment(stage: Stage):
    asked = wish(token=stage.token("good"))
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: stage.gateway.charge(asked), range(16)))
    assert len({standing.ref for standing in told}) == 1
    assert stage.charges() == [(asked.key, SUM)]
    assert stage.sandbox.connections == 16


def test_after_a_day_yookassa_forgets_keys_and_only_looking_for_it_finds_the_payment(stage: Stage):
    """Why a payment is not begun again under its key after minutes: here it would be a second one."""
    asked = wish(token=stage.token("good"))
    done = stage.gateway.charge(asked)
    stage.sandbox.forget()
    assert stage.gateway.find(asked.key, since=minutes_ago()) == done
    assert stage.gateway.charge(asked).ref != done.ref


# --- what is answered -----------------------------------------------------------------------------------
def payment(**other: Any) -> dict[str, Any]:
    """A payment as YooKassa tells it, waiting for its payer."""
    return {
        "id": REF,
        "status": "pending",
        "amount": {"value": "1234.56", "currency": "RUB"},
        "recipient": {"account_id": "100500", "gateway_id": "100700"},
        "created_at": "2026-02-27T09:00:00.000Z",
        "confirmation": {"type": "redirect", "confirmation_url": "https://yoomoney.ru/payments/x"},
        "test": True,
        "paid": False,
        "refundable": False,
        "metadata": {"kabinet_key": "k"},
    } | other


def paid_with(card: object, **other: Any) -> dict[str, Any]:
    return payment(status="succeeded", payment_method={"type": "bank_card", "id": "t-1", "saved": True, "card": card} | other)


MIR = {"first6": "220000", "last4": "0004", "card_type": "Mir", "expiry_year": "2028", "expiry_month": "02"}


def told(stage: Stage, answer: object) -> Standing:
    """How the adapter understands this answer about a payment."""
    stage.sandbox.answer_next(200, json.dumps(answer).encode())
    return stage.gateway.ask(REF)


@pytest.mark.parametrize(
    ("reason", "means"),
    [
        ("insufficient_funds", DeclineReason.INSUFFICIENT_FUNDS),
        ("card_expired", DeclineReason.CARD_EXPIRED),
        ("payment_method_limit_exceeded", DeclineReason.LIMIT_EXCEEDED),
        ("payment_method_restricted", DeclineReason.CARD_BLOCKED),
        ("permission_revoked", DeclineReason.CARD_BLOCKED),
        ("invalid_card_number", DeclineReason.CARD_BLOCKED),
        ("3d_secure_failed", DeclineReason.NOT_CONFIRMED),
        ("expired_on_confirmation", DeclineReason.NOT_FINISHED),
        ("expired_on_capture", DeclineReason.NOT_FINISHED),
        ("canceled_by_merchant", DeclineReason.NOT_FINISHED),
        ("call_issuer", DeclineReason.BANK_REFUSED),
        ("country_forbidden", DeclineReason.BANK_REFUSED),
        ("fraud_suspected", DeclineReason.BANK_REFUSED),
        ("general_decline", DeclineReason.BANK_REFUSED),
        ("identification_required", DeclineReason.BANK_REFUSED),
        ("internal_timeout", DeclineReason.BANK_REFUSED),
        ("invalid_csc", DeclineReason.BANK_REFUSED),
        ("issuer_unavailable", DeclineReason.BANK_REFUSED),
        ("a_reason_of_tomorrow", DeclineReason.BANK_REFUSED),
    ],
)
def test_every_reason_of_yookassa_has_a_meaning(stage: Stage, reason: str, means: DeclineReason):
    details = {"party": "payment_network", "reason": reason}
    assert declined_for(told(stage, payment(status="canceled", cancellation_details=details))) is means


@pytest.mark.parametrize("details", [None, "why", {}, {"reason": 7}, {"reason": ["card_expired"]}])
def test_a_cancelled_payment_without_a_reason_was_refused_by_the_bank(stage: Stage, details: object):
    assert declined_for(told(stage, payment(status="canceled", cancellation_details=details))) is DeclineReason.BANK_REFUSED


def test_a_payment_that_waits_to_be_captured_is_not_over(stage: Stage):
    answer = payment(status="waiting_for_capture")
    del answer["confirmation"]
    standing = told(stage, answer)
    assert (standing.state, standing.page_url) == (PaymentState.PENDING, None)


def test_a_payment_of_somebody_else_in_the_shop_has_no_key_of_ours(stage: Stage):
    assert told(stage, payment(metadata={"order": "7"})).key == ""


@pytest.mark.parametrize(
    ("card_type", "first6", "brand"),
    [
        ("Mir", "220000", CardBrand.MIR),
        ("Visa", "411111", CardBrand.VISA),
        ("Visa", "", CardBrand.VISA),
        ("Visa", "402611", CardBrand.VISA_ELECTRON),
        ("Visa", "417500", CardBrand.VISA_ELECTRON),
        ("Visa", "417501", CardBrand.VISA),
        ("Visa", "491761", CardBrand.VISA_ELECTRON),
        ("MasterCard", "555555", CardBrand.MASTERCARD),
        ("MasterCard", "222100", CardBrand.MASTERCARD),
        ("MasterCard", "639002", CardBrand.MAESTRO),
        ("MasterCard", "501800", CardBrand.MAESTRO),
    ],
)
def test_the_brand_of_a_kept_card_is_known(stage: Stage, card_type: str, first6: str, brand: CardBrand):
    card = told(stage, paid_with(MIR | {"card_type": card_type, "first6": first6})).card
    assert card is not None
    assert (card.brand, card.token, card.last_four) == (brand, "t-1", "0004")


@pytest.mark.parametrize(
    ("year", "month", "last"),
    [("2028", "02", date(2028, 2, 29)), ("2027", "2", date(2027, 2, 28)), ("2030", "12", date(2030, 12, 31))],
)
def test_a_card_works_to_the_last_day_of_its_month(stage: Stage, year: str, month: str, last: date):
    card = told(stage, paid_with(MIR | {"expiry_year": year, "expiry_month": month})).card
    assert card is not None
    assert card.expires_on == last


@pytest.mark.parametrize(
    "card",
    [
        *({**MIR, "card_type": brand} for brand in ("UnionPay", "JCB", "AmericanExpress", "Unknown", "", None, ["Mir"])),
        *({**MIR, "last4": last_four} for last_four in ("", "12345", "12a4", 1234, None)),
        *({**MIR, "expiry_month": month} for month in ("00", "13", "", None)),
        {},
        None,
        "Mir",
    ],
)
def test_a_payment_is_a_payment_though_its_card_cannot_be_kept(stage: Stage, card: object):
    standing = told(stage, paid_with(card))
    assert (standing.state, standing.card) == (PaymentState.SUCCEEDED, None)


@pytest.mark.parametrize("saved", [False, None, "true", 1])
def test_a_card_is_kept_only_if_yookassa_says_so_plainly(stage: Stage, saved: object):
    assert told(stage, paid_with(MIR, saved=saved)).card is None


def test_what_is_kept_and_is_no_card_is_not_told_as_one(stage: Stage):
    assert told(stage, paid_with(MIR, type="yoo_money")).card is None


def test_a_card_of_a_brand_that_is_of_no_use_here_is_not_attached(stage: Stage):
    answer = {"id": REF, "type": "bank_card", "saved": True, "status": "active", "card": MIR | {"card_type": "UnionPay"}}
    stage.sandbox.answer_next(200, json.dumps(answer).encode())
    assert declined_for(stage.gateway.ask_check(REF)) is DeclineReason.GATEWAY_REFUSED


def test_a_check_of_a_card_keeps_its_key_though_the_answer_does_not_say_it(stage: Stage):
    asked = check()
    answer = {"id": REF, "type": "bank_card", "saved": False, "status": "pending", "holder": {"account_id": "1"}}
    stage.sandbox.answer_next(200, json.dumps(answer).encode())
    assert stage.gateway.check_card(asked).key == asked.key
    stage.sandbox.answer_next(200, json.dumps(answer).encode())
    assert stage.gateway.ask_check(REF).key == ""


@pytest.mark.parametrize("page_url", ["javascript:alert(1)", "data:text/html,x", "//evil", "", 7, "http://[", "ftp://x/y"])
def test_a_payer_is_sent_only_to_a_page_of_the_web(stage: Stage, page_url: object):
    with pytest.raises(NoAnswer):
        told(stage, payment(confirmation={"type": "redirect", "confirmation_url": page_url}))


def test_a_real_shop_sends_its_payers_to_https_only(sandbox: Sandbox):
    strict = adapter(sandbox)
    strict._page_schemes = {"https"}  # as an `api_url` of https has it
    with pytest.raises(NoAnswer):
        strict.charge(wish())


@pytest.mark.parametrize(
    "other", [{"amount": {"value": "1234.57", "currency": "RUB"}}, {"metadata": {"kabinet_key": "other"}}, {"metadata": {}}]
)
def test_an_answer_about_another_charge_is_no_answer(stage: Stage, other: dict[str, Any]):
    asked = wish()
    stage.sandbox.answer_next(200, json.dumps(payment(metadata={"kabinet_key": asked.key}) | other).encode())
    with pytest.raises(NoAnswer):
        stage.gateway.charge(asked)


def test_an_answer_about_another_card_or_refund_is_no_answer(stage: Stage):
    method = {"id": REF, "type": "bank_card", "saved": False, "status": "pending", "metadata": {"kabinet_key": "other"}}
    stage.sandbox.answer_next(200, json.dumps(method).encode())
    with pytest.raises(NoAnswer):
        stage.gateway.check_card(check())
    for key, amount_kopecks in (("other", SUM), ("k", SUM + 1)):
        stage.sandbox.answer_next(200, json.dumps(payment(payment_id=REF)).encode())
        with pytest.raises(NoAnswer):
            stage.gateway.refund(key=key, ref=REF, amount_kopecks=amount_kopecks, reason="")


def test_an_answer_about_another_reference_is_no_answer(stage: Stage):
    with pytest.raises(NoAnswer):
        told(stage, payment(id="3d1e7b5c-000f-5000-9000-1b6cbd2b2d4f"))


@pytest.mark.parametrize("name", ["id", "status", "amount"])
@pytest.mark.parametrize("instead", [None, 7, "?", {}, []])
def test_an_answer_without_what_it_is_about_is_no_answer(stage: Stage, name: str, instead: object):
    with pytest.raises(NoAnswer):
        told(stage, payment(status="succeeded") | {name: instead})
    stage.sandbox.answer_next(
        200, json.dumps({"type": "list", "items": [payment(metadata={"kabinet_key": "q"}) | {name: instead}]}).encode()
    )
    with pytest.raises(NoAnswer):
        stage.gateway.find("q", since=minutes_ago())


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["succeeded", "canceled", "5.00", REF, "RUB"]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "amount", "value", "currency", "metadata", "payment_method", "card", "confirmation"]
            ),
            inside,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(name=st.sampled_from(sorted(payment(payment_method=0, cancellation_details=0))), instead=_anything)
def test_whatever_is_said_is_a_standing_or_no_answer(name: str, instead: object):
    gateway = YooKassa(shop_id="1", secret_key="s", api_url="https://api.yookassa.ru/v3")
    for status in ("pending", "succeeded", "canceled"):
        for read in (gateway._payment, gateway._kept):
            try:
                standing = read({**paid_with(MIR, saved=True), "status": status, name: instead})
            except NoAnswer:
                continue
            assert isinstance(standing.amount_kopecks, int)


# --- lists ----------------------------------------------------------------------------------------------
class Busy:
    """A shop with `number` payments of others in the half an hour around a moment long gone, each request taking 0.2 seconds."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.sandbox, self.gateway = sandbox, adapter(sandbox)
        self.begun_at = clock.now() - timedelta(hours=5)
        monkeypatch.setattr("integrations.yookassa.monotonic", lambda: sandbox.connections / 5)
        for each in range(number):
            self.pays(self.begun_at + timedelta(minutes=30 * each / number - 5), f"other {each}")

    def pays(self, at: datetime, key: str) -> Standing:
        """A payment of ours that came in then."""
        ref = f"{len(self.sandbox.payments):036d}"
        self.sandbox.payments[ref] = payment(id=ref, created_at=at.isoformat(), status="canceled", metadata={"kabinet_key": key})
        return self.gateway._payment(self.sandbox.payments[ref])

    def find(self, key: str) -> tuple[Standing | None, int]:
        """What a search comes to, called again until it does, and how many calls that took."""
        for calls in range(1, 20):
            try:
                return self.gateway.find(key, since=self.begun_at), calls
            except NoAnswer:
                assert self.sandbox.connections <= 101 * calls, "each within its patience"
        raise AssertionError("it never comes to an end")


def test_in_a_busy_shop_a_search_comes_to_an_end_by_going_on_where_the_last_one_stopped(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    shop = Busy(sandbox, monkeypatch, 12_000)
    assert shop.find("nobody's") == (None, 2)
    minutes, pages = 31, 12_000 // 100
    assert sandbox.connections < pages + 2 * minutes, "each minute was read once"
    read = sandbox.connections
    assert shop.find("nobody else's") == (None, 1)
    assert sandbox.connections == read + 1, "others find what was read"


def test_in_a_busy_shop_a_payment_is_looked_for_first_where_it_was_begun_and_told_as_it_stands_now(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    shop = Busy(sandbox, monkeypatch, 6_000)
    ours = shop.pays(shop.begun_at, "ours")
    assert shop.find("ours") == (ours, 1)
    assert sandbox.connections <= 6, "the newest page of all, the pages of its minute, and the payment itself"
    sandbox.payments[ours.ref]["status"] = "succeeded"
    found, _ = shop.find("ours")
    assert found is not None
    assert found.state is PaymentState.SUCCEEDED
    del sandbox.payments[ours.ref]
    with pytest.raises(NoAnswer):
        shop.gateway.find("ours", since=shop.begun_at)


@pytest.mark.parametrize("others", [0, 300])
@pytest.mark.parametrize(
    ("later", "is_found"),
    [
        (timedelta(minutes=-7), False),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=15), True),
        (timedelta(minutes=25), True),
        (timedelta(minutes=27), False),
    ],
)
def test_a_payment_is_looked_for_while_it_may_have_been_sent_by_clocks_that_differ_by_minutes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, others: int, later: timedelta, is_found: bool
):
    shop = Busy(sandbox, monkeypatch, others)
    ours = shop.pays(shop.begun_at + later, "ours")
    assert shop.find("ours") == (ours if is_found else None, 1)


def test_what_comes_in_while_it_is_looked_for_is_found_by_the_next_search(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    shop = Busy(sandbox, monkeypatch, 0)
    shop.begun_at = clock.now() - timedelta(minutes=10)
    for each in range(150):
        shop.pays(shop.begun_at + timedelta(minutes=each / 20), f"other {each}")
    assert shop.find("ours") == (None, 1)
    ours = shop.pays(shop.begun_at + timedelta(minutes=6), "ours")
    for each in range(150):
        shop.pays(clock.now(), f"one more {each}")
    assert shop.find("ours") == (ours, 1)


def test_those_who_look_at_the_same_time_read_each_minute_once(sandbox: Sandbox):
    gateway, begun_at = adapter(sandbox), clock.now() - timedelta(hours=5)
    for each in range(600):
        ref = f"{each:036d}"
        sandbox.payments[ref] = payment(id=ref, created_at=(begun_at + timedelta(seconds=each)).isoformat())
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: gateway.find(f"ours {number}", since=begun_at), range(8))) == {None}
    assert sandbox.connections <= 8 + 31


def test_the_keys_that_are_kept_do_not_fill_the_memory(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("integrations.yookassa.REMEMBERED", 200)
    shop = Busy(sandbox, monkeypatch, 600)
    assert shop.find("nobody's") == (None, 1)
    assert 100 < sum(len(keys) for keys in shop.gateway._minutes.values()) <= 200


def test_a_refund_is_found_behind_pages_of_others(stage: Stage):
    begun = stage.gateway.charge(wish(1_000_000))
    stage.pay(page_of(begun), "good")
    back = stage.gateway.refund(key=fresh_key(), ref=begun.ref, amount_kopecks=100, reason="")
    for number in range(150):
        ref = f"{number:036d}"
        stage.sandbox.refunded[ref] = {
            **stage.sandbox.refunded[back.ref],
            "id": ref,
            "metadata": {"kabinet_key": f"other{number}"},
        }
    assert stage.gateway.find_refund(back.key, payment_ref=begun.ref) == back


@pytest.mark.parametrize(
    "page",
    [{}, {"items": None}, {"items": [7]}, {"items": [], "next_cursor": 7}, {"items": [], "next_cursor": ""}, [], None],
)
def test_half_a_list_is_no_list(stage: Stage, page: object):
    stage.sandbox.answer_next(200, json.dumps(page).encode())
    with pytest.raises(NoAnswer):
        stage.gateway.find(fresh_key(), since=minutes_ago())


def test_a_list_without_an_end_is_no_list(stage: Stage):
    for _ in range(5):
        stage.sandbox.answer_next(200, json.dumps({"type": "list", "items": [], "next_cursor": "again"}).encode())
    with pytest.raises(NoAnswer):
        stage.gateway.find_refund(fresh_key(), payment_ref=REF)
    assert stage.sandbox.connections == 2
    for _ in range(5):
        stage.sandbox.answer_next(200, json.dumps({"type": "list", "items": [], "next_cursor": "again"}).encode())
    with pytest.raises(NoAnswer):
        stage.gateway.find(fresh_key(), since=minutes_ago())


@pytest.mark.parametrize("state", ["pending", "succeeded", "canceled"])
def test_a_refund_stands_where_yookassa_says(stage: Stage, state: str):
    answer = {
        "id": REF,
        "payment_id": REF,
        "status": state,
        "amount": {"value": "5.00", "currency": "RUB"},
        "metadata": {"kabinet_key": "k"},
    }
    stage.sandbox.answer_next(200, json.dumps(answer).encode())
    means = {"pending": PaymentState.PENDING, "succeeded": PaymentState.SUCCEEDED, "canceled": PaymentState.DECLINED}[state]
    assert stage.gateway.ask_refund(REF) == RefundStanding(REF, "k", means, 500)


# --- refusals -------------------------------------------------------------------------------------------
def error(code: str, **other: str) -> bytes:
    return json.dumps({"type": "error", "id": REF, "code": code, "description": "test_secret"} | other).encode()


ALL: list[Callable[[Stage], object]] = [
    lambda stage: stage.gateway.charge(wish()),
    lambda stage: stage.gateway.check_card(check()),
    lambda stage: stage.gateway.refund(key=fresh_key(), ref=REF, amount_kopecks=SUM, reason=""),
    lambda stage: stage.gateway.ask(REF),
    lambda stage: stage.gateway.ask_check(REF),
    lambda stage: stage.gateway.ask_refund(REF),
    lambda stage: stage.gateway.find(fresh_key(), since=minutes_ago()),
    lambda stage: stage.gateway.find_refund(fresh_key(), payment_ref=REF),
]
BEGINNING, ASKING, LOOKING = ALL[:3], ALL[3:6], ALL[6:]


def outcome(stage: Stage, call: Callable[[Stage], object], status: int, body: bytes) -> type[Exception]:
    before = stage.sandbox.connections
    stage.sandbox.answer_next(status, body, {"Location": f"{stage.sandbox.api_url}/payments"})
    with pytest.raises((NoAnswer, GatewayRefused)) as raised:
        call(stage)
    assert stage.sandbox.connections == before + 1, "neither repeated nor followed"
    return raised.type


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 415])
def test_a_wish_that_yookassa_will_not_grant_is_refused(stage: Stage, status: int):
    assert [outcome(stage, call, status, error("invalid_request")) for call in BEGINNING] == [GatewayRefused] * 3


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_question_about_what_yookassa_does_not_know_is_refused(stage: Stage, status: int):
    assert [outcome(stage, call, status, error("not_found")) for call in ASKING] == [GatewayRefused] * 3


@pytest.mark.parametrize("status", [401, 403, 405, 415])
def test_a_question_that_was_not_let_in_says_nothing_of_the_money(stage: Stage, status: int):
    """With a wrong key every payment would look as if it had never been."""
    assert [outcome(stage, call, status, error("forbidden")) for call in ASKING] == [NoAnswer] * 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_search_that_failed_found_neither_something_nor_nothing(stage: Stage, status: int):
    assert [outcome(stage, call, status, error("not_found")) for call in LOOKING] == [NoAnswer] * 2


@pytest.mark.parametrize("status", [201, 202, 204, 301, 302, 307, 402, 408, 409, 422, 429, 500, 502, 503, 504, 599])
def test_every_other_answer_is_none(stage: Stage, status: int):
    body = b"" if status == 204 else error("internal_server_error")
    assert [outcome(stage, call, status, body) for call in ALL] == [NoAnswer] * 8


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
@pytest.mark.parametrize(
    "body", [b"<html>nginx</html>", b"", b"{}", b'{"message": "no such route"}', b"[" * 100_000, b"\xff\xfe"]
)
def test_a_refusal_that_is_not_yookassas_own_is_no_answer(stage: Stage, status: int, body: bytes):
    assert [outcome(stage, call, status, body) for call in (ALL[0], ALL[3])] == [NoAnswer] * 2


@pytest.mark.parametrize(("status", "body"), RUBBISH)
def test_no_kind_of_rubbish_is_an_answer(stage: Stage, status: int, body: bytes):
    assert [outcome(stage, call, status, body) for call in ALL] == [NoAnswer] * 8


def test_a_refusal_says_what_yookassas_support_asks_for_and_no_more(stage: Stage):
    stage.sandbox.answer_next(400, error("invalid_request", parameter="payment_method_id"))
    with pytest.raises(GatewayRefused) as raised:
        stage.gateway.charge(wish())
    assert str(raised.value) == f"400 invalid_request payment_method_id {REF}"
    stage.sandbox.answer_next(403, error("forbidden\n2026-01-01 INFO all is well", parameter="x" * 1_000))
    with pytest.raises(GatewayRefused) as raised:
        stage.gateway.charge(wish())
    assert str(raised.value) == f"403 {REF}"


def test_a_wrong_secret_key_is_told_loudly(sandbox: Sandbox, caplog: pytest.LogCaptureFixture):
    with pytest.raises(GatewayRefused, match=r"^credentials$"):
        adapter(sandbox, secret_key="another").charge(wish())
    assert [record.levelname for record in caplog.records if record.name == "kabinet.yookassa"] == ["ERROR"]
    assert sandbox.charges() == []


# --- a line that breaks ---------------------------------------------------------------------------------
@contextmanager
def odd_server(does: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """The address of a server that reads what comes and then does this, until the event."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    with suppress(OSError):
                        does(connection, over)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v3"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)


def says_nothing(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(20)


def drips_a_header(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not over.wait(0.05):
        connection.sendall(b"x")


def drips_a_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
    while not over.wait(0.05):
        connection.sendall(b" ")


def never_ends(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        connection.sendall(b" " * 1_000_000)


@pytest.mark.parametrize("does", [says_nothing, drips_a_header, drips_a_body, never_ends])
@pytest.mark.parametrize("call", [ALL[0], ALL[3], ALL[6]], ids=["charge", "ask", "find"])
def test_every_call_ends_within_its_patience(does: Callable, call: Callable):
    with odd_server(does) as api_url:

        class Impatient:
            gateway = YooKassa(shop_id="1", secret_key="s", api_url=api_url, patience=0.4)

        began = time.monotonic()
        with pytest.raises(NoAnswer):
            call(Impatient)
        assert time.monotonic() - began < 2, "with room for a busy machine; none of these servers ever ends"


def test_pages_of_a_list_share_one_patience(sandbox: Sandbox):
    for number in range(150):
        ref = f"{number:036d}"
        sandbox.payments[ref] = payment(id=ref, created_at=clock.now().isoformat())
    for _ in range(3):
        sandbox.slow_next(0.6)
    with pytest.raises(NoAnswer):
        adapter(sandbox, patience=1).find(fresh_key(), since=minutes_ago())
    assert sandbox.connections == 2


def test_a_charge_that_was_answered_too_late_is_one_charge(sandbox: Sandbox):
    asked = wish(token=sandbox.token("good"))
    sandbox.slow_next(0.4)
    with pytest.raises(NoAnswer):
        adapter(sandbox, patience=0.2).charge(asked)
    assert adapter(sandbox).charge(asked).state is PaymentState.SUCCEEDED
    time.sleep(0.4)
    assert sandbox.charges() == [(asked.key, SUM)]


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:1/v3", "http://gateway.invalid/v3", "https://127.0.0.1:1/v3", "nonsense", ""]
)
def test_a_gateway_that_is_not_there_gives_no_answer(where: str):
    dead = YooKassa(shop_id="1", secret_key="s", api_url=where, patience=5)
    with pytest.raises(NoAnswer):
        dead.charge(wish())
    with pytest.raises(NoAnswer):
        dead.ask(REF)


def test_a_connection_that_drops_is_not_tried_again_in_silence(stage: Stage):
    stage.unreachable_next(1)
    with pytest.raises(NoAnswer) as raised:
        stage.gateway.charge(wish())
    assert stage.sandbox.connections == 1
    # What `requests` says of it holds addresses, and the request itself with its headers.
    assert str(raised.value) == "ConnectionError"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_an_answer_without_an_end_is_given_up_long_before_patience_is():
    with odd_server(never_ends) as api_url:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="TimeoutError"):
            YooKassa(shop_id="1", secret_key="s", api_url=api_url).ask(REF)
        assert time.monotonic() - began < PATIENCE / 4


# --- secrets and shops ----------------------------------------------------------------------------------
def test_the_secret_key_stands_in_no_log_and_no_error(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "urllib3.connectionpool", "kabinet.yookassa"):
        caplog.set_level(logging.DEBUG, logger=name)
    monkeypatch.setattr(Configuration, "logger", None)
    Configuration.configure_logger(logging.getLogger("somebody.elses"))
    sandbox, texts = stage.sandbox, [repr(stage.gateway), str(stage.gateway)]
    token = stage.token("good")
    for fault in (
        lambda: None,
        lambda: sandbox.rubbish_next(1),
        lambda: sandbox.unreachable_next(1),
        lambda: sandbox.lose_next(1),
        lambda: sandbox.answer_next(401, error("invalid_credentials")),
        lambda: sandbox.answer_next(403, error("forbidden")),
        lambda: sandbox.answer_next(400, error("invalid_request")),
    ):
        for call in (*ALL, lambda it: it.gateway.charge(wish(token=token))):
            fault()
            try:
                call(stage)
            except (NoAnswer, GatewayRefused):
                texts.append(traceback.format_exc())
    logging.getLogger("kabinet.tests").debug("this test hears what is said quietly")
    texts += [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    everything = "\n".join(texts)
    assert "this test hears" in everything
    assert "/v3/payments" in everything, "urllib3 was heard, too"
    basic = base64.b64encode(f"{sandbox.shop_id}:{sandbox.secret_key}".encode()).decode()
    for secret in (sandbox.secret_key, basic, "Authorization", token, "somebody.elses"):
        assert secret not in everything


def test_two_shops_in_one_process_are_not_mixed_up(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    for name, wrong in (("account_id", "7"), ("secret_key", "of a third"), ("api_url", "http://127.0.0.1:1")):
        monkeypatch.setattr(Configuration, name, wrong)  # what another user of the SDK may have set for the process
    with yookassa_sandbox(shop_id="200600", secret_key="test_other") as another:
        shops = [(sandbox, adapter(sandbox)), (another, adapter(another))]
        wishes = [(books, gateway, wish(token=books.token("good"))) for _ in range(10) for books, gateway in shops]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: one[1].charge(one[2]), wishes))
        for books, _ in shops:
            assert sorted(books.charges()) == sorted((asked.key, SUM) for its, _, asked in wishes if its is books)


def test_a_password_in_netrc_does_not_take_the_place_of_the_shops_key(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert stage.gateway.charge(wish()).state is PaymentState.PENDING


def test_the_adapter_has_its_name():
    assert YooKassa(shop_id="1", secret_key="s", api_url="https://api.yookassa.ru/v3").name is GatewayName.YOOKASSA


# --- the published document -----------------------------------------------------------------------------
@pytest.mark.skipif(not SPEC, reason=NO_SPEC)
def test_what_is_said_both_ways_is_as_yookassa_publishes_it(stage: Stage):
    """Everything the adapter ever sends, and everything the sandbox ever answers; every other test's exchanges are held against
    the document at its end, too."""
    begun = stage.gateway.charge(wish(keep_card=True))
    stage.pay(page_of(begun), "three_d_secure")
    card = stage.gateway.ask(begun.ref).card
    assert card is not None
    stage.gateway.charge(wish(token=card.token))
    for how in ("insufficient_funds", "blocked"):
        stage.gateway.charge(wish(token=stage.token(how)))
    attached = stage.gateway.check_card(check())
    stage.pay(page_of(attached), "good")
    stage.gateway.ask_check(attached.ref)
    back = stage.gateway.refund(key=fresh_key(), ref=begun.ref, amount_kopecks=100, reason="Ошибка")
    stage.gateway.ask_refund(back.ref)
    stage.gateway.find(fresh_key(), since=datetime(2026, 1, 1, tzinfo=UTC))
    stage.gateway.find_refund(back.key, payment_ref=begun.ref)
    with pytest.raises(GatewayRefused):
        stage.gateway.ask("00000000-0000-0000-0000-000000000000")
    with pytest.raises(GatewayRefused):
        adapter(stage.sandbox, secret_key="another").charge(wish())
    with pytest.raises(GatewayRefused):
        stage.gateway.refund(key=fresh_key(), ref=begun.ref, amount_kopecks=SUM, reason="")
    asked = {
        (exchange.method, exchange.path.split("/")[1], exchange.path.count("/"), exchange.status)
        for exchange in stage.sandbox.exchanges
    }
    kinds = {("POST", kind, 1, 200) for kind in ("payments", "payment_methods", "refunds")} | {("POST", "payments", 1, 401)}
    kinds |= {("GET", kind, 2, 200) for kind in ("payments", "payment_methods", "refunds")} | {("GET", "payments", 2, 404)}
    assert asked == kinds | {("GET", "payments", 1, 200), ("GET", "refunds", 1, 200), ("POST", "refunds", 1, 400)}
    assert [fault for exchange in stage.sandbox.exchanges for fault in document().faults(exchange)] == []


@pytest.mark.skipif(not SPEC, reason=NO_SPEC)
def test_every_reason_that_is_mapped_is_one_that_yookassa_publishes():
    published = document()._content["components"]["schemas"]["PaymentCancellationDetails"]["properties"]["reason"]["enum"]
    assert set(REASONS) <= set(published)


@pytest.mark.skipif(not SPEC, reason=NO_SPEC)
def test_the_check_against_the_document_finds_what_is_wrong(stage: Stage):
    stage.gateway.charge(wish())
    (exchange,) = stage.sandbox.exchanges
    spoilt: list[Literal["body", "answer"]] = ["body", "answer"]
    for part in spoilt:
        good = getattr(exchange, part)
        for bad in (
            {"amount": {"value": 500.0, "currency": "RUB"}},
            {"confirmation": {"type": "redirect"}},
            {"confirmation": {"type": "telepathy"}},
            {"unheard_of": 1},
            {"metadata": {"a": 1}},
        ):
            setattr(exchange, part, good | bad)
            assert document().faults(exchange), (part, bad)
        setattr(exchange, part, good)
    assert document().faults(exchange) == []
