"""The session cookie over HTTP: who may ask for it, and how it is set."""

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.testclient import TestClient

from actions.sessions import open_for
from db import transaction
from models import Customer
from routes.health import HEALTH_ROUTES
from routes.session import SESSION_ROUTES

OURS = {"X-Kabinet": "1", "Origin": "http://testserver"}


@pytest.fixture
def client(db: sa.Engine) -> TestClient:
    return TestClient(Starlette(routes=[*SESSION_ROUTES, *HEALTH_ROUTES]))


@pytest.fixture
def ticket(db: sa.Engine) -> str:
    with transaction() as session:
        person = Customer(last_name="Ким", first_name="Анна", region_code="RU-MOW")
        session.add(person)
        session.flush()
        return open_for(session, person.id, address="", browser="", remembered=True).ticket


def test_a_ticket_becomes_a_cookie_that_no_script_can_read(client: TestClient, ticket: str):
    answer = client.post("/session", json={"ticket": ticket}, headers=OURS)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("kabinet=")
    for wanted in ("HttpOnly", "SameSite=lax", "Path=/"):
        assert wanted in cookie
    assert answer.headers["cache-control"] == "no-store"


def test_over_https_the_cookie_is_bound_to_the_host(db: sa.Engine, ticket: str):
    client = TestClient(Starlette(routes=SESSION_ROUTES), base_url="https://testserver")
    answer = client.post("/session", json={"ticket": ticket}, headers={"X-Kabinet": "1", "Origin": "https://testserver"})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-kabinet=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_behind_a_proxy_that_ends_https_the_browser_says_what_the_page_is_on(client: TestClient, ticket: str):
    headers = {"X-Kabinet": "1", "Origin": "https://testserver"}
    cookie = client.post("/session", json={"ticket": ticket}, headers=headers).headers["set-cookie"]
    assert cookie.startswith("__Host-kabinet=")
    assert "Secure" in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Kabinet": "1", "Origin": "http://evil.example"},
        {"Origin": "http://testserver"},
        {"X-Kabinet": "1", "Origin": "null"},
    ],
    ids=["another site", "a plain form", "a sandboxed page"],
)
@pytest.mark.parametrize("path", ["/session", "/session/end", "/language"])
def test_another_site_cannot_ask(client: TestClient, ticket: str, path: str, headers: dict[str, str]):
    answer = client.post(path, json={"ticket": ticket, "language": "en"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/session", "/session/end", "/language"])
def test_reading_a_page_changes_nothing(client: TestClient, path: str):
    assert client.get(path, headers=OURS).status_code == 405


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"ticket": 5}', b'{"ticket": "' + b"x" * 5000 + b'"}'])
def test_rubbish_instead_of_a_ticket_is_refused(client: TestClient, body: bytes):
    answer = client.post("/session", content=body, headers=OURS)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_a_ticket_works_once(client: TestClient, ticket: str):
    assert client.post("/session", json={"ticket": ticket}, headers=OURS).status_code == 200
    assert client.post("/session", json={"ticket": ticket}, headers=OURS).status_code == 400


def test_leaving_clears_the_cookie(client: TestClient):
    answer = client.post("/session/end", headers=OURS)
    assert 'kabinet=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_a_language_is_kept_and_another_word_is_not(client: TestClient):
    assert client.post("/language", json={"language": "en"}, headers=OURS).headers["set-cookie"].startswith("kabinet_language=en")
    assert client.post("/language", json={"language": "fr\r\nX: y"}, headers=OURS).status_code == 400


def test_health_says_ok_and_says_what_is_missing(client: TestClient):
    assert client.get("/healthz").json() == {"status": "ok"}
    with transaction() as session:
        head = session.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    answer = client.get("/healthz")
    with transaction() as session:  # the database is used by other tests, too
        session.execute(sa.text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    assert (answer.status_code, answer.json()) == (503, {"status": "schema"})
