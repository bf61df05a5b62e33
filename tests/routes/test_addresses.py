"""Addresses have one level."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from routes.addresses import OneLevel

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def client() -> TestClient:
    async def seen(request):
        return PlainTextResponse("served")

    app = Starlette(routes=[Route("/{rest:path}", seen, methods=["GET", "POST"])], middleware=[Middleware(OneLevel)])
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(
    ("path", "leads"), [("/a/b", "/a-b"), ("/payments/x/", "/payments-x"), ("//evil.example/x", "/evil.example-x")]
)
def test_a_deeper_page_is_looked_for_on_the_first_level_of_this_very_host(client: TestClient, path: str, leads: str):
    answer = client.get(f"http://testserver{path}", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, leads)


@pytest.mark.parametrize(
    "path", ["/", "/payments", "/payments/", "/static/js/a.js", "/app/static/a.css", "/media/a/b", "/_stcore/x/y"]
)
def test_screens_and_files_are_served(client: TestClient, path: str):
    assert client.get(path, headers=PAGE).text == "served"


def test_what_is_no_page_is_left_alone(client: TestClient):
    assert client.get("/a/b", headers={"Accept": "application/json"}).text == "served"
    assert client.post("/a/b", headers=PAGE).text == "served"
