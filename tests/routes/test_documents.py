"""Files over HTTP: one's own archive, by the session cookie alone, to nobody else and kept by no cache."""

import io
import zipfile
from datetime import timedelta
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

import clock
from actions import perform
from actions.my_data import order_export
from actions.sessions import end_session
from db import reading, transaction
from jobs.exports import make_due
from models import AuditEntry, Customer, DataExport
from routes.documents import DOCUMENT_ROUTES, attachment
from rules.terms import Language, Outcome
from settings import settings
from tests.driver import cookie_of, visitor_of
from texts import keys


def person(name: str, language: Language = Language.RU) -> int:
    with transaction() as db:
        made = Customer(last_name="Ким", first_name=name, region_code="RU-MOW", language=language)
        db.add(made)
        db.flush()
        return made.id


def client(base: str = "http://testserver") -> TestClient:
    return TestClient(Starlette(routes=DOCUMENT_ROUTES), base_url=base)


@pytest.fixture
def anna(db: sa.Engine) -> int:
    return person("Анна")


def archive_of(customer_id: int) -> str:
    """The address of a finished archive."""
    export_id = perform(order_export, visitor=visitor_of(customer_id))
    make_due(clock.now())
    return f"/documents/my-data/{export_id}"


def get(address: str, cookies: dict[str, str], base: str = "http://testserver"):
    return client(base).get(address, headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})


@pytest.mark.parametrize(("language", "name"), [(Language.RU, "мои-данные-"), (Language.EN, "my-data-")])
def test_ones_own_archive_comes_as_a_file_that_no_cache_keeps(db: sa.Engine, language: Language, name: str):
    customer_id = person("Анна", language)
    answer = get(archive_of(customer_id), cookie_of(customer_id))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["cache-control"] == "no-store"
    said = answer.headers["content-disposition"]
    assert said.startswith('attachment; filename="kabinet-my-data-')
    assert unquote(said.split("filename*=UTF-8''")[1]).startswith(name)
    assert "readme.txt" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()


def test_without_a_live_session_of_ones_own_there_is_nothing(anna: int):
    address = archive_of(anna)
    other = cookie_of(person("Пётр"))
    ended = cookie_of(anna)
    perform(end_session, visitor=visitor_of_newest(anna))
    for cookies in ({}, {"kabinet": "junk"}, {"kabinet": "a.b.c"}, other, ended):
        answer = get(address, cookies)
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text == keys(Language.RU)["my_data.not_yours"][0]
        assert answer.headers["cache-control"] == "no-store"


def visitor_of_newest(customer_id: int):
    """The visitor of the newest session, without opening another."""
    from models import LoginSession
    from queries import visitors

    with reading() as db:
        session_id = db.exec(
            select(LoginSession.id).where(col(LoginSession.customer_id) == customer_id).order_by(col(LoginSession.id).desc())
        ).first()
        found = visitors.by_session(db, session_id=session_id or 0, now=clock.now())
    assert found is not None
    return found[0]


@pytest.mark.parametrize("wrong", ["999999", "0", "-1", "9" * 40, "abc", "1%0d%0aX:y", "١", "1.zip"])
def test_an_address_that_names_no_archive_of_ones_own_is_refused_alike(anna: int, wrong: str):
    assert get(f"/documents/my-data/{wrong}", cookie_of(anna)).status_code == 403


def test_what_is_not_made_yet_or_dropped_is_not_there(anna: int, monkeypatch: pytest.MonkeyPatch):
    export_id = perform(order_export, visitor=visitor_of(anna))
    address = f"/documents/my-data/{export_id}"
    assert get(address, cookie_of(anna)).status_code == 404
    make_due(clock.now())
    assert get(address, cookie_of(anna)).status_code == 200
    with transaction() as db:
        export = db.get_one(DataExport, export_id)
        export.expires_at = clock.now() - timedelta(seconds=1)
        db.add(export)
    assert get(address, cookie_of(anna)).status_code == 404


def test_every_download_is_in_the_journal_and_every_refused_one_too(anna: int):
    address = archive_of(anna)
    get(address, cookie_of(anna))
    get(address, cookie_of(person("Пётр")))
    with reading() as db:
        said = db.exec(
            select(AuditEntry.outcome).where(col(AuditEntry.action) == "download_export").order_by(col(AuditEntry.id))
        ).all()
    assert said == [Outcome.DONE, Outcome.REFUSED]


def test_on_https_only_the_cookie_that_is_bound_to_the_host_counts(anna: int, monkeypatch: pytest.MonkeyPatch):
    address, value = archive_of(anna), cookie_of(anna)["kabinet"]
    assert get(address, {"kabinet": value}, "https://testserver").status_code == 403
    assert get(address, {"__Host-kabinet": value}, "https://testserver").status_code == 200
    # Behind a proxy that ends https the last stretch is http.
    assert get(address, {"__Host-kabinet": value}).status_code == 200
    assert get(address, {"__Host-kabinet": "junk", "kabinet": value}).status_code == 403
    monkeypatch.setenv("PUBLIC_URL", "https://testserver")
    settings.cache_clear()
    assert get(address, {"kabinet": value}).status_code == 403


def test_a_form_cannot_fetch_it(anna: int):
    address = archive_of(anna)
    assert client().post(address).status_code == 405


def test_no_name_can_end_the_header():
    said = attachment('мои"\r\nX: y.zip', 'a"\r\nSet-Cookie: b;.zip')
    assert "\r" not in said
    assert "\n" not in said
    assert said == "attachment; filename=\"a___Set-Cookie__b_.zip\"; filename*=UTF-8''%D0%BC%D0%BE%D0%B8%22%0D%0AX%3A%20y.zip"
