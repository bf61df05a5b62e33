"""Changing how one comes in: asked for the present password, told to the contact that was there before."""

import importlib
import pkgutil
import re
from datetime import UTC, datetime, timedelta

import bcrypt
import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import actions
import clock
from actions import ACTIONS, perform
from actions.passwords import confirm_password
from actions.proofs import issue_link, use_link
from actions.security import (
    change_password,
    confirm_email_change,
    confirm_phone_change,
    end_all_other_sessions,
    end_other_session,
    request_email_change,
    request_phone_change,
)
from db import reading, transaction
from models import AuditEntry, Credential, Customer, LoginSession, Message, Proof
from queries.security import JOURNAL, own_security, own_sessions, sign_in_journal
from rules.passwords import prehash
from rules.refusals import (
    CodeExpired,
    CodeSpent,
    CodeWrong,
    EmailTaken,
    FieldWrong,
    LinkSpent,
    NotAllowed,
    PasswordWrong,
    TooManyAttempts,
)
from rules.terms import Channel, Language, Outcome, ProofKind, Role
from rules.visitor import Visitor
from settings import settings
from texts import has_text

PASSWORD = "лодка у причала 7"
OLD, NEW, PHONE, NEW_PHONE = "anna@kabinet.example", "anna.new@kabinet.example", "+79000001234", "+79000005678"


def cheap(password: str) -> str:
    return bcrypt.hashpw(prehash(password).encode(), bcrypt.gensalt(4)).decode()


def person(name: str, **contacts: str) -> int:
    with transaction() as db:
        made = Customer(last_name="Ким", first_name=name, region_code="RU-MOW", **contacts)
        db.add(made)
        db.flush()
        db.add(Credential(customer_id=made.id, password_hash=cheap(PASSWORD), changed_at=datetime(2026, 1, 1, tzinfo=UTC)))
        return made.id


def session_of(customer_id: int, *, token: str, minutes_ago: int = 0, remembered: bool = True, browser: str = "") -> int:
    seen = clock.now() - timedelta(minutes=minutes_ago)
    with transaction() as db:
        made = LoginSession(
            customer_id=customer_id,
            token_hash=token,
            opened_at=seen,
            last_seen_at=seen,
            expires_at=clock.now() + timedelta(days=1),
            remembered=remembered,
            browser=browser,
        )
        db.add(made)
        db.flush()
        return made.id


def visitor(customer_id: int, session_id: int) -> Visitor:
    return Visitor(
        customer_id=customer_id,
        session_id=session_id,
        role=Role.CUSTOMER,
        first_name="Анна",
        language=Language.RU,
        region_code="RU-MOW",
        time_zone="Europe/Moscow",
    )


@pytest.fixture
def anna(db: sa.Engine) -> Visitor:
    who = person("Анна", email=OLD, phone=PHONE)
    return visitor(who, session_of(who, token="this"))


@pytest.fixture
def oleg(db: sa.Engine) -> Visitor:
    who = person("Олег", email="oleg@kabinet.example", phone="+79000009999")
    return visitor(who, session_of(who, token="oleg"))


def confirmed(who: Visitor) -> str:
    return confirm_password(visitor=who, password=PASSWORD)


def live(who: Visitor) -> list[int]:
    with reading() as db:
        return [session.login_session_id for session in own_sessions(db, visitor=who)]


def letters(recipient: str) -> list[Message]:
    with reading() as db:
        return list(db.exec(select(Message).where(Message.recipient == recipient).order_by(col(Message.id))))


def code_in(letter: Message) -> str:
    found = re.search(r"\b\d{6}\b", letter.body)
    assert found is not None
    return found[0]


def wrong(code: str) -> str:
    return "111111" if code != "111111" else "222222"


# --- the password -----------------------------------------------------------------------------------
def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(anna: Visitor, oleg: Visitor):
    session_of(anna.customer_id, token="phone")
    session_of(anna.customer_id, token="work")
    hashed = cheap("другой пароль 42")
    assert perform(change_password, visitor=anna, confirmed=confirmed(anna), password_hash=hashed) == 2
    assert live(anna) == [anna.session_id]
    assert live(oleg) == [oleg.session_id]
    with reading() as db:
        assert db.get_one(Credential, anna.customer_id).password_hash == hashed


def test_a_new_password_is_told_by_letter_in_the_persons_language(anna: Visitor):
    with transaction() as db:
        db.get_one(Customer, anna.customer_id).language = Language.EN
    perform(change_password, visitor=anna, confirmed=confirmed(anna), password_hash=cheap("x"))
    (told,) = letters(OLD)
    assert (told.about, told.channel) == ("password_changed", Channel.EMAIL)
    assert "password was changed" in told.subject


def test_without_the_present_password_nothing_changes(anna: Visitor):
    other = session_of(anna.customer_id, token="other")
    with pytest.raises(PasswordWrong):
        confirm_password(visitor=anna, password=PASSWORD + " ")
    for verb, given in (
        (change_password, {"password_hash": cheap("x")}),
        (request_email_change, {"email": NEW}),
        (request_phone_change, {"phone": NEW_PHONE}),
    ):
        with pytest.raises(PasswordWrong):
            perform(verb, visitor=anna, confirmed="", **given)
    assert set(live(anna)) == {anna.session_id, other}
    assert not letters(NEW)


def test_what_the_password_confirmed_is_of_no_use_under_the_next_password(anna: Visitor):
    before = confirmed(anna)
    perform(change_password, visitor=anna, confirmed=before, password_hash=cheap("x"))
    with pytest.raises(PasswordWrong):
        perform(request_email_change, visitor=anna, confirmed=before, email=NEW)


def test_a_link_to_a_new_password_dies_with_the_old_password(anna: Visitor):
    with transaction() as db:
        token = issue_link(db, kind=ProofKind.RESET, customer_id=anna.customer_id, target=OLD, minutes=60)
    perform(change_password, visitor=anna, confirmed=confirmed(anna), password_hash=cheap("x"))
    with pytest.raises(LinkSpent), transaction() as db:
        use_link(db, kind=ProofKind.RESET, token=token)


# --- e-mail and phone -------------------------------------------------------------------------------
def ask_email(who: Visitor, email: str = NEW) -> tuple[int, str]:
    sent = perform(request_email_change, visitor=who, confirmed=confirmed(who), email=email)
    found = letters(sent.contact)
    return sent.proof_id, code_in(found[-1]) if found else ""


def test_a_new_e_mail_is_proven_by_a_code_and_the_old_address_is_told(anna: Visitor):
    proof_id, code = ask_email(anna, " Anna.New@Kabinet.example ")
    with reading() as db:
        assert db.get_one(Customer, anna.customer_id).email == OLD
    assert perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code) == NEW
    with reading() as db:
        person = db.get_one(Customer, anna.customer_id)
    assert person.email == NEW
    assert person.email_confirmed_at is not None
    (told,) = letters(OLD)
    assert told.about == "email_changed"
    assert NEW in told.body


def test_a_new_phone_is_proven_by_sms_and_the_old_number_is_told(anna: Visitor):
    sent = perform(request_phone_change, visitor=anna, confirmed=confirmed(anna), phone="8 (900) 000-56-78")
    (message,) = letters(NEW_PHONE)
    assert message.channel is Channel.SMS
    perform(confirm_phone_change, visitor=anna, proof_id=sent.proof_id, code=code_in(message))
    with reading() as db:
        person = db.get_one(Customer, anna.customer_id)
    assert (person.phone, person.phone_confirmed_at is not None) == (NEW_PHONE, True)
    (told,) = letters(PHONE)
    assert (told.about, told.channel) == ("phone_changed", Channel.SMS)


def test_a_code_works_once(anna: Visitor):
    proof_id, code = ask_email(anna)
    perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code)
    with pytest.raises(CodeSpent):
        perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code)


def test_after_five_wrong_codes_even_the_right_one_is_refused(anna: Visitor):
    proof_id, code = ask_email(anna)
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(CodeWrong) as refused:
            perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=wrong(code))
        assert refused.value.facts == {"tries_left": left}
    with pytest.raises(CodeSpent):
        perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code)


def test_a_code_is_good_for_ten_minutes(anna: Visitor, monkeypatch: pytest.MonkeyPatch):
    proof_id, code = ask_email(anna)
    later = clock.now() + timedelta(minutes=settings().code_minutes)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(CodeExpired):
        perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code)


def test_only_the_last_code_is_good(anna: Visitor):
    first, code = ask_email(anna)
    ask_email(anna, "another@kabinet.example")
    with pytest.raises(CodeExpired):
        perform(confirm_email_change, visitor=anna, proof_id=first, code=code)


def test_a_code_for_a_phone_does_not_change_the_e_mail(anna: Visitor):
    sent = perform(request_phone_change, visitor=anna, confirmed=confirmed(anna), phone=NEW_PHONE)
    with pytest.raises(CodeSpent):
        perform(confirm_email_change, visitor=anna, proof_id=sent.proof_id, code=code_in(letters(NEW_PHONE)[0]))


def test_whether_somebody_has_an_address_is_not_told(anna: Visitor, oleg: Visitor):
    free = perform(request_email_change, visitor=anna, confirmed=confirmed(anna), email=NEW)
    taken = perform(request_email_change, visitor=anna, confirmed=confirmed(anna), email="oleg@kabinet.example")
    assert type(free) is type(taken)
    assert taken.proof_id
    assert not letters("oleg@kabinet.example")
    with pytest.raises(CodeWrong):
        perform(confirm_email_change, visitor=anna, proof_id=taken.proof_id, code="000000")
    taken = perform(request_phone_change, visitor=anna, confirmed=confirmed(anna), phone="+79000009999")
    assert taken.proof_id
    assert not letters("+79000009999")


def test_who_was_quicker_keeps_the_contact(anna: Visitor, oleg: Visitor):
    proof_id, code = ask_email(anna)
    sent = perform(request_phone_change, visitor=anna, confirmed=confirmed(anna), phone=NEW_PHONE)
    with transaction() as db:
        other = db.get_one(Customer, oleg.customer_id)
        other.email, other.phone = NEW, NEW_PHONE
    with pytest.raises(EmailTaken):
        perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code)
    with pytest.raises(FieldWrong):
        perform(confirm_phone_change, visitor=anna, proof_id=sent.proof_id, code=code_in(letters(NEW_PHONE)[0]))
    with reading() as db:
        person = db.get_one(Customer, anna.customer_id)
        assert (person.email, person.phone) == (OLD, PHONE)


def test_somebody_elses_code_is_refused_and_keeps_its_tries(anna: Visitor, oleg: Visitor):
    proof_id, code = ask_email(anna)
    with pytest.raises(NotAllowed):
        perform(confirm_email_change, visitor=oleg, proof_id=proof_id, code=code)
    with reading() as db:
        assert db.get_one(Proof, proof_id).tries == 0
        assert db.get_one(Customer, oleg.customer_id).email == "oleg@kabinet.example"


@pytest.mark.parametrize(("typed", "problem"), [("", "missing"), ("anna@", "malformed"), (OLD.upper(), "same")])
def test_an_address_that_cannot_be_used_is_named(anna: Visitor, typed: str, problem: str):
    with pytest.raises(FieldWrong) as refused:
        perform(request_email_change, visitor=anna, confirmed=confirmed(anna), email=typed)
    assert refused.value.facts["problem"] == problem


def test_letters_to_others_cannot_be_sent_in_bulk(anna: Visitor):
    for number in range(settings().letters_per_hour):
        ask_email(anna, f"someone{number}@kabinet.example")
    with pytest.raises(TooManyAttempts):
        perform(request_email_change, visitor=anna, confirmed=confirmed(anna), email=NEW)
    assert not letters(NEW)


def test_a_link_that_went_to_the_old_address_dies_with_it(anna: Visitor):
    with transaction() as db:
        token = issue_link(db, kind=ProofKind.RESET, customer_id=anna.customer_id, target=OLD, minutes=60)
    proof_id, code = ask_email(anna)
    perform(confirm_email_change, visitor=anna, proof_id=proof_id, code=code)
    with pytest.raises(LinkSpent), transaction() as db:
        use_link(db, kind=ProofKind.RESET, token=token)


# --- sessions ---------------------------------------------------------------------------------------
def test_a_session_on_another_device_is_ended_and_others_stay(anna: Visitor):
    lost, kept = session_of(anna.customer_id, token="lost"), session_of(anna.customer_id, token="kept")
    perform(end_other_session, visitor=anna, login_session_id=lost)
    assert set(live(anna)) == {anna.session_id, kept}


def test_somebody_elses_session_and_ones_own_cannot_be_ended_this_way(anna: Visitor, oleg: Visitor):
    for session_id in (oleg.session_id, anna.session_id, 10**9):
        with pytest.raises(NotAllowed):
            perform(end_other_session, visitor=anna, login_session_id=session_id)
    assert live(oleg) == [oleg.session_id]
    assert live(anna) == [anna.session_id]


def test_all_other_sessions_end_at_once(anna: Visitor, oleg: Visitor):
    for token in ("a", "b", "c"):
        session_of(anna.customer_id, token=token)
    assert perform(end_all_other_sessions, visitor=anna) == 3
    assert live(anna) == [anna.session_id]
    assert live(oleg) == [oleg.session_id]


def test_this_session_comes_first_then_the_last_used_and_dead_ones_not_at_all(anna: Visitor):
    older = session_of(anna.customer_id, token="older", minutes_ago=60)
    newer = session_of(anna.customer_id, token="newer", minutes_ago=5)
    session_of(anna.customer_id, token="left alone", minutes_ago=settings().session_idle_minutes + 1, remembered=False)
    with transaction() as db:
        db.add(LoginSession(customer_id=anna.customer_id, opened_at=clock.now(), expires_at=clock.now() + timedelta(days=1)))
    assert live(anna) == [anna.session_id, newer, older]


# --- what one sees ----------------------------------------------------------------------------------
def test_the_journal_tells_ones_own_attempts_newest_first_refused_ones_too(anna: Visitor, oleg: Visitor):
    with pytest.raises(PasswordWrong):
        perform(change_password, visitor=anna, confirmed="", password_hash="x")
    perform(end_all_other_sessions, visitor=anna)
    perform(end_all_other_sessions, visitor=oleg)
    with reading() as db:
        told = sign_in_journal(db, visitor=anna)
        assert [(entry.action, entry.done) for entry in told.entries] == [
            ("end_all_other_sessions", True),
            ("change_password", False),
        ]
        assert not told.has_more
        assert sign_in_journal(db, visitor=anna, limit=1).has_more


def test_the_journal_keeps_to_coming_in(anna: Visitor):
    with transaction() as db:
        db.add(AuditEntry(at=clock.now(), customer_id=anna.customer_id, action="place_order", outcome=Outcome.DONE))
    with reading() as db:
        assert sign_in_journal(db, visitor=anna).entries == []


def test_every_action_of_the_journal_exists_and_has_a_name():
    for found in pkgutil.iter_modules(actions.__path__):
        importlib.import_module(f"actions.{found.name}")
    assert set(JOURNAL) <= set(ACTIONS)
    assert all(has_text(f"security.did.{name}") for name in JOURNAL)


def test_what_is_set_up_is_ones_own(anna: Visitor, oleg: Visitor):
    with reading() as db:
        mine = own_security(db, visitor=anna)
    assert (mine.email, mine.phone, mine.second_factor_since, mine.recovery_codes) == (OLD, PHONE, None, 0)
    assert mine.password_changed_at == datetime(2026, 1, 1, tzinfo=UTC)
