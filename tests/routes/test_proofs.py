"""Links from letters: the token leaves the address at once, and looking at a link uses nothing up."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from routes.proofs import PROOF_ROUTES

TOKEN = "aB3-_" * 9


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=PROOF_ROUTES), base_url="https://my.example", follow_redirects=False)


@pytest.mark.parametrize("what", ["confirm", "reset"])
def test_a_link_leads_to_its_page_and_the_token_is_in_a_cookie_no_script_can_read(client: TestClient, what: str):
    answer = client.get(f"/go/{what}/{TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/{what}")
    cookie = answer.headers["set-cookie"].lower()
    assert f"kabinet_proof={TOKEN}".lower() in cookie
    for mark in ("httponly", "samesite=lax", "secure", "max-age=900"):
        assert mark in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("token", ["short", "a" * 101, "a%0d%0aSet-Cookie:x" + "a" * 20, "«ёлка»" * 5])
def test_what_is_no_token_sets_none(client: TestClient, token: str):
    answer = client.get(f"/go/confirm/{token}")
    assert answer.status_code in (303, 404)
    assert token not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("path", ["/go/other/" + TOKEN, "/go/confirm"])
def test_other_addresses_are_not_there(client: TestClient, path: str):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_can_only_be_looked_at(client: TestClient, method: str):
    assert client.request(method, f"/go/confirm/{TOKEN}").status_code == 405
