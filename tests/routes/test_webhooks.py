"""Notices of YooKassa: nothing in them is believed but that it is worth asking; and the whole way through a real gateway."""

import json
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from actions import perform
from actions.payments import begin_payment, progress
from db import reading, transaction
from integrations.gateways import gateway_called
from models import Payment, Transfer
from routes.payments import PAYMENT_ROUTES
from routes.webhooks import WEBHOOK_ROUTES
from rules.terms import PaymentState, TransferCode
from settings import settings
from tests.gateway.yookassa_sandbox import Sandbox, yookassa_sandbox
from tests.money.world import World


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[*WEBHOOK_ROUTES, *PAYMENT_ROUTES]), follow_redirects=False)


class Shop:
    """A portal that takes cards by YooKassa, with one payment at its page."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        with transaction() as db:
            world = World(db)
            person = world.person()
            self.visitor, self.account_id = world.visitor(person), world.account(person).id
        self.payment_id = perform(
            begin_payment,
            visitor=self.visitor,
            parts={self.account_id: 50_000},
            key="k",
            return_url="http://testserver/back/payment/{payment}",
        ).payment_id
        self.page = progress(visitor=self.visitor, payment_id=self.payment_id).page_url or ""

    def pays(self) -> None:
        assert httpx.post(self.page, data={"how": "good"}).status_code == 303

    def payment(self) -> Payment:
        with reading() as db:
            return db.get_one(Payment, self.payment_id)

    def top_ups(self) -> int:
        with reading() as db:
            return len(db.exec(select(Transfer).where(col(Transfer.code) == TransferCode.TOP_UP)).all())

    def notice(self, ref: str | None = None, event: str = "payment.succeeded") -> dict[str, object]:
        return {
            "type": "notification",
            "event": event,
            "object": {"id": ref or self.payment().gateway_ref, "status": "succeeded"},
        }


@pytest.fixture
def shop(db: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with yookassa_sandbox() as sandbox:
        for name, value in (
            ("PAYMENT_GATEWAY", "yookassa"),
            ("YOOKASSA_SHOP_ID", sandbox.shop_id),
            ("YOOKASSA_SECRET_KEY", sandbox.secret_key),
            ("YOOKASSA_API_URL", sandbox.api_url),
        ):
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        gateway_called.cache_clear()
        yield Shop(sandbox)
    gateway_called.cache_clear()


def test_a_notice_settles_the_payment_however_often_it_comes(client: TestClient, shop: Shop):
    shop.pays()
    for _ in range(3):
        assert client.post("/webhooks/yookassa", json=shop.notice()).status_code == 200
    assert (shop.payment().state, shop.top_ups()) == (PaymentState.SUCCEEDED, 1)
    assert progress(visitor=shop.visitor, payment_id=shop.payment_id).state is PaymentState.SUCCEEDED
    assert len(shop.sandbox.charges()) == 1


def test_a_notice_that_says_paid_when_nobody_paid_changes_nothing(client: TestClient, shop: Shop):
    assert client.post("/webhooks/yookassa", json=shop.notice()).status_code == 200
    assert (shop.payment().state, shop.top_ups()) == (PaymentState.PENDING, 0)


def test_a_forged_notice_about_an_unknown_payment_changes_nothing(client: TestClient, shop: Shop):
    asked = len(shop.sandbox.exchanges)
    forged = shop.notice("2d0f1a00-000f-5000-9000-1b68e7b15f3f")
    assert client.post("/webhooks/yookassa", json=forged).status_code == 200
    assert (shop.payment().state, shop.top_ups()) == (PaymentState.PENDING, 0)
    assert len(shop.sandbox.exchanges) == asked, "what cannot be ours is not even asked about"


def test_when_the_gateway_does_not_answer_it_is_asked_to_call_again(client: TestClient, shop: Shop):
    shop.pays()
    shop.sandbox.unreachable_next(1)
    assert client.post("/webhooks/yookassa", json=shop.notice()).status_code == 503
    assert client.post("/webhooks/yookassa", json=shop.notice()).status_code == 200
    assert shop.top_ups() == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"event": "payment.succeeded"}', b'{"event": "x", "object": 5}',
             json.dumps({"event": "payment.succeeded", "object": {"id": "../../etc"}}).encode()],
)  # fmt: skip
def test_what_is_no_notice_is_refused(client: TestClient, shop: Shop, body: bytes):
    assert client.post("/webhooks/yookassa", content=body).status_code == 400


def test_a_notice_of_many_pages_is_not_read(client: TestClient, shop: Shop):
    assert client.post("/webhooks/yookassa", content=b"x" * 30_000).status_code == 413


def test_news_of_refunds_and_cards_is_taken_and_looked_for_in_the_background(client: TestClient, shop: Shop):
    assert client.post("/webhooks/yookassa", json=shop.notice(event="refund.succeeded")).status_code == 200
    assert shop.top_ups() == 0


def test_without_yookassa_there_is_nothing_there(client: TestClient):
    assert client.post("/webhooks/yookassa", json={}).status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("path", "page"), [("payment/17", "/pay?payment=17"), ("card/5", "/cards?setup=5")])
def test_the_way_back_from_the_bank_leads_to_the_page_and_drops_what_the_bank_sent(
    client: TestClient, method: str, path: str, page: str
):
    answer = client.request(method, f"/back/{path}?status=success&secret=1")
    assert (answer.status_code, answer.headers["location"]) == (303, page)


@pytest.mark.parametrize("path", ["payment/x", "payment/-1", "payment/" + "9" * 30, "other/1", "payment/1%0d%0a"])
def test_other_ways_back_lead_nowhere(client: TestClient, path: str):
    assert client.get(f"/back/{path}").status_code == 404
