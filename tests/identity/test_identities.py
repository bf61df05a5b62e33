"""Identities of outside providers: whom they sign in, who may bind and unbind them, and a return that counts once."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

import clock
from actions import perform
from actions.identities import bind_identity, sign_in_with_identity, unbind_identity
from actions.intents import (
    Intent,
    Purpose,
    Stage,
    at,
    came_with,
    identity_names,
    new_intent,
    returned,
    seal_intent,
    unseal_intent,
    use_return,
)
from actions.sessions import open_for, unseal
from db import reading, transaction
from models import AuditEntry, Credential, Customer, ExternalIdentity, LoginSession, SecondFactor
from queries import visitors
from queries.identities import own_identities
from queries.security import sign_in_journal
from routes.identity import IDENTITY_ROUTES, IdentityTrip
from rules.refusals import IdentityTaken, IdentityUnknown, LastWayIn, NotAllowed, SecondStepNeeded
from rules.terms import Outcome

ISSUER, SUBJECT = "https://id.example", "person-1"
OURS = {"X-Kabinet": "1", "Origin": "http://testserver"}


def _person(name: str, *, password: bool = True, email: str | None = None) -> int:
    with transaction() as session:
        person = Customer(last_name="Ким", first_name=name, email=email, region_code="RU-MOW")
        session.add(person)
        session.flush()
        if password:
            session.add(Credential(customer_id=person.id, password_hash="x", changed_at=datetime(2026, 1, 1, tzinfo=UTC)))
        return person.id


def _visitor(customer_id: int):
    with transaction() as db:
        session_id = open_for(db, customer_id, address="", browser="", remembered=True).session_id
    with reading() as db:
        found = visitors.by_session(db, session_id=session_id, now=clock.now())
    assert found is not None
    return found[0]


def _bind(visitor, *, provider: str = "yandex", subject: str = SUBJECT, issuer: str = ISSUER, shown_as: str = "anna@id.example"):
    return perform(bind_identity, visitor=visitor, provider=provider, issuer=issuer, subject=subject, shown_as=shown_as)


def _enter(*, issuer: str = ISSUER, subject: str = SUBJECT):
    return sign_in_with_identity(issuer=issuer, subject=subject, address="198.51.100.1", browser="test")


def _own(visitor):
    with reading() as db:
        return own_identities(db, visitor=visitor)


@pytest.fixture
def anna(db: sa.Engine):
    return _visitor(_person("Анна", email="anna@id.example"))


@pytest.fixture
def oleg(db: sa.Engine):
    return _visitor(_person("Олег"))


# --- entering ---------------------------------------------------------------------------------------
def test_a_bound_identity_signs_its_person_in_and_their_journal_says_so(anna):
    _bind(anna)
    opened = _enter()
    with reading() as db:
        assert db.get_one(LoginSession, opened.session_id).customer_id == anna.customer_id
        said = select(AuditEntry.customer_id, AuditEntry.outcome).where(col(AuditEntry.action) == "enter_with_identity")
        assert db.exec(said).all() == [(anna.customer_id, Outcome.DONE)]
        told = [row.action for row in sign_in_journal(db, visitor=anna, limit=10).entries]
    assert {"bind_identity", "enter_with_identity"} <= set(told)


@pytest.mark.parametrize(("issuer", "subject"), [("https://other.example", SUBJECT), (ISSUER, "person-2"), ("", "")])
def test_only_issuer_and_subject_together_name_a_person(anna, issuer: str, subject: str):
    _bind(anna)
    with pytest.raises(IdentityUnknown):
        _enter(issuer=issuer, subject=subject)
    with reading() as db:
        assert len(db.exec(select(LoginSession)).all()) == 1


def test_the_same_e_mail_links_nothing(anna):
    """The provider may say anna@id.example of anybody; nobody is found by it."""
    with pytest.raises(IdentityUnknown):
        _enter(subject="somebody who says they are anna@id.example")


def test_an_identity_of_somebody_erased_opens_nothing(anna):
    _bind(anna)
    with transaction() as db:
        db.get_one(Customer, anna.customer_id).erased_at = clock.now()
    with pytest.raises(IdentityUnknown):
        _enter()


def test_with_a_second_factor_an_identity_is_the_first_step_only(anna):
    _bind(anna)
    with transaction() as db:
        db.add(SecondFactor(customer_id=anna.customer_id, sealed_secret="x", created_at=clock.now(), confirmed_at=clock.now()))
    with pytest.raises(SecondStepNeeded) as needed:
        _enter()
    assert needed.value.proof_id > 0
    with reading() as db:
        assert len(db.exec(select(LoginSession)).all()) == 1, "no session before the second step"


# --- binding ----------------------------------------------------------------------------------------
def test_a_person_sees_what_they_have_bound(anna):
    _bind(anna, shown_as="  anna@id.example\n")
    _bind(anna, provider="google", issuer="https://accounts.example", shown_as="")
    assert [(identity.provider, identity.shown_as) for identity in _own(anna)] == [("yandex", "anna@id.example"), ("google", "")]


def test_binding_the_same_again_changes_nothing(anna):
    assert _bind(anna) == _bind(anna)
    assert len(_own(anna)) == 1


def test_an_identity_signs_one_person_in_only(anna, oleg):
    _bind(anna)
    with pytest.raises(IdentityTaken):
        _bind(oleg)
    assert _own(oleg) == []


def test_one_identity_of_each_provider(anna):
    _bind(anna)
    with pytest.raises(IdentityTaken):
        _bind(anna, subject="another")
    assert len(_own(anna)) == 1


@pytest.mark.parametrize(("issuer", "subject"), [("", SUBJECT), (ISSUER, ""), ("i" * 201, SUBJECT), (ISSUER, "s" * 256)])
def test_an_identity_without_a_name_or_too_long_is_not_bound(anna, issuer: str, subject: str):
    with pytest.raises(NotAllowed):
        _bind(anna, issuer=issuer, subject=subject)


def test_unbound_it_signs_nobody_in(anna):
    perform(unbind_identity, visitor=anna, external_identity_id=_bind(anna))
    with pytest.raises(IdentityUnknown):
        _enter()


def test_nobody_unbinds_what_is_anothers(anna, oleg):
    bound = _bind(anna)
    with pytest.raises(NotAllowed):
        perform(unbind_identity, visitor=oleg, external_identity_id=bound)
    assert len(_own(anna)) == 1


def test_the_last_way_in_stays(db: sa.Engine):
    vera = _visitor(_person("Вера", password=False))
    first, second = _bind(vera), _bind(vera, provider="google", subject="other")
    perform(unbind_identity, visitor=vera, external_identity_id=first)
    with pytest.raises(LastWayIn):
        perform(unbind_identity, visitor=vera, external_identity_id=second)
    with reading() as session:
        assert session.exec(select(ExternalIdentity.id)).all() == [second]


# --- the trip ---------------------------------------------------------------------------------------
def _intent(**given) -> Intent:
    return new_intent(purpose=Purpose.ENTER, provider="yandex", back="/services", **given)


def test_an_intent_is_signed_and_expires(db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    sealed = seal_intent(_intent())
    assert unseal_intent(sealed) is not None
    head, body, sign = sealed.split(".")
    assert unseal_intent(f"{head}.{body}.{sign[::-1]}") is None
    assert unseal(sealed) is None, "it is no session"
    before = clock.now() - timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: before)
    old = seal_intent(at(_intent(), Stage.BEGUN))
    monkeypatch.undo()
    assert unseal_intent(old) is None


def test_a_return_counts_once(db: sa.Engine):
    one, other = _intent(), _intent()
    assert use_return(one)
    assert not use_return(one)
    assert use_return(other)


def test_a_return_is_tied_to_the_identity_that_came_with_it():
    cookies = {"_streamlit_user": "chunks-2", "_streamlit_user_1": "a", "_streamlit_user_2": "b", "_streamlit_user_tokens": "t"}
    assert identity_names(cookies) == ["_streamlit_user", "_streamlit_user_1", "_streamlit_user_2"]
    back = returned(_intent(), {name: cookies[name] for name in identity_names(cookies)})
    assert came_with(back, {**cookies, "_streamlit_user_3": "of an earlier time"})
    assert not came_with(back, {**cookies, "_streamlit_user_2": "of somebody else"})
    assert not came_with(_intent(), cookies)


def _streamlit_answers(request: Request) -> Response:
    """What Streamlit's own routes answer, as its code does: an identity for thirty days, or nothing."""
    if request.url.path == "/auth/login":
        return Response("Authentication error", 400) if "down" in request.query_params else RedirectResponse("https://id.example")
    answer = RedirectResponse("/", 302)
    if "refused" in request.query_params:
        answer.delete_cookie("_streamlit_user")
    else:
        for name in ("_streamlit_user", "_streamlit_user_tokens"):
            answer.set_cookie(name, "signed", max_age=2_592_000, httponly=True, samesite="lax")
    return answer


@pytest.fixture
def client(db: sa.Engine) -> TestClient:
    routes = [Route(path, _streamlit_answers) for path in ("/auth/login", "/oauth2callback")]
    app = Starlette(routes=[*IDENTITY_ROUTES, *routes], middleware=[Middleware(IdentityTrip)])
    return TestClient(app, follow_redirects=False)


def _begin(client: TestClient) -> None:
    assert client.post("/identity/begin", json={"intent": seal_intent(_intent())}, headers=OURS).status_code == 200


def _held(client: TestClient) -> Intent | None:
    return unseal_intent(client.cookies.get("kabinet_identity") or "")


def test_a_trip_comes_back_to_where_it_began_with_an_identity_for_minutes_and_no_tokens(client: TestClient):
    _begin(client)
    assert client.get("/auth/login").headers["location"] == "https://id.example"
    answer = client.get("/oauth2callback")
    assert answer.headers["location"] == "/services"
    lines = answer.headers.get_list("set-cookie")
    assert not any(line.startswith("_streamlit_user_tokens") for line in lines)
    identity = next(line for line in lines if line.startswith("_streamlit_user="))
    assert "Max-Age=120" in identity
    assert "HttpOnly" in identity
    intent = _held(client)
    assert intent is not None
    assert intent.stage is Stage.RETURNED
    assert came_with(intent, {"_streamlit_user": "signed"})


def test_without_a_trip_nobody_is_sent_out_and_no_identity_comes_in(client: TestClient):
    assert client.get("/auth/login").headers["location"] == "/"
    answer = client.get("/oauth2callback")
    assert answer.headers["location"] == "/"
    assert not any("_streamlit_user" in line for line in answer.headers.get_list("set-cookie"))


def test_a_callback_opened_a_second_time_brings_no_identity(client: TestClient):
    _begin(client)
    client.get("/oauth2callback")
    again = client.get("/oauth2callback")
    assert not any("_streamlit_user" in line for line in again.headers.get_list("set-cookie"))


@pytest.mark.parametrize("address", ["/auth/login?down", "/oauth2callback?refused"])
def test_a_provider_that_is_down_or_says_no_leads_back_with_word_of_it(client: TestClient, address: str):
    _begin(client)
    answer = client.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/services")
    intent = _held(client)
    assert intent is not None
    assert intent.stage is Stage.FAILED


@pytest.mark.parametrize("path", ["begin", "end"])
@pytest.mark.parametrize("headers", [{}, {"X-Kabinet": "1", "Origin": "http://evil.example"}, {"Origin": "http://testserver"}])
def test_another_site_neither_begins_nor_ends_a_trip(client: TestClient, headers: dict[str, str], path: str):
    assert client.post(f"/identity/{path}", json={"intent": seal_intent(_intent())}, headers=headers).status_code == 403


@pytest.mark.parametrize("sent", ["", "junk", None])
def test_only_an_intent_of_the_portal_begins_a_trip(client: TestClient, sent: str | None):
    assert client.post("/identity/begin", json={"intent": sent}, headers=OURS).status_code == 400
    begun = seal_intent(at(_intent(), Stage.RETURNED))
    assert client.post("/identity/begin", json={"intent": begun}, headers=OURS).status_code == 400


def test_at_the_end_nothing_stays_in_the_browser(client: TestClient):
    _begin(client)
    client.get("/oauth2callback")
    client.cookies.set("_streamlit_user_1", "more", domain="testserver.local", path="/")
    client.post("/identity/end", headers=OURS)
    assert {name for name in client.cookies if "streamlit" in name or "identity" in name} == set()


def test_over_https_the_trip_is_bound_to_the_host(db: sa.Engine):
    client = TestClient(Starlette(routes=IDENTITY_ROUTES), base_url="https://testserver")
    headers = {"X-Kabinet": "1", "Origin": "https://testserver"}
    cookie = client.post("/identity/begin", json={"intent": seal_intent(_intent())}, headers=headers).headers["set-cookie"]
    assert cookie.startswith("__Host-kabinet_identity=")
    assert "Secure" in cookie
