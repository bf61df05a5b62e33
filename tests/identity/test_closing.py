"""Closing the portal account: thirty days to think, then the person is erased and the books are not."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import bcrypt
import pytest
import sqlalchemy as sa
from sqlmodel import col, func, select
from streamlit_authenticator.utilities import Hasher

import clock
from actions import perform
from actions.closing import close_account, erase_due_accounts, keep_account
from actions.consents import answer_questions
from actions.my_data import order_export
from actions.passwords import confirm_password
from actions.sessions import sign_in
from db import reading, transaction
from db.check import faults
from jobs.exports import make_due
from models import (
    Attachment,
    AuditEntry,
    AutopayRule,
    Bill,
    BillingAccount,
    Consent,
    Credential,
    Customer,
    DataExport,
    DemoPersona,
    ExternalIdentity,
    LoginSession,
    Message,
    Payment,
    Proof,
    RecoveryCode,
    SavedCard,
    SecondFactor,
    Table,
    Transfer,
)
from queries import visitors
from queries.profile import own_data
from rules.passwords import prehash
from rules.refusals import NotAllowed, PasswordWrong, SignInRefused
from rules.terms import AutopayState, Channel, ConsentKind, Outcome, ProofKind, Role
from rules.visitor import Visitor
from seed.personas import PASSWORD
from settings import ROOT, settings
from tests.driver import customer_of, visitor_of

SECRET = "Мой пароль 2026"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def person(
    name: str = "Анна", *, region: str = "RU-MOW", role: Role = Role.CUSTOMER, email: str | None = "anna@kabinet.example"
) -> int:
    with transaction() as db:
        made = Customer(last_name="Ким", first_name=name, email=email, region_code=region, role=role)
        db.add(made)
        db.flush()
        hashed = bcrypt.hashpw(prehash(SECRET).encode(), bcrypt.gensalt(4)).decode()
        db.add(Credential(customer_id=made.id, password_hash=hashed, changed_at=NOW))
        return made.id


@pytest.fixture
def anna(db: sa.Engine) -> Visitor:
    return visitor_of(person())


def close(visitor: Visitor, password: str = SECRET) -> date:
    return perform(close_account, visitor=visitor, confirmed=confirm_password(visitor=visitor, password=password))


def stored(visitor: Visitor) -> Customer:
    with reading() as db:
        return db.get_one(Customer, visitor.customer_id)


def noon_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


# --- asking for it ----------------------------------------------------------------------------------
def test_the_day_is_thirty_days_on_and_a_letter_names_it(anna: Visitor):
    day = close(anna)
    assert day == clock.today(anna.time_zone) + timedelta(days=30) == stored(anna).closing_on
    with reading() as db:
        letter = db.exec(select(Message).where(col(Message.about) == "account_closing")).one()
    assert letter.recipient == "anna@kabinet.example"
    for said in (letter.subject, letter.body):
        assert f"{day.day}\u00a0" in said
        assert str(day.year) in said


def test_asked_for_again_the_day_stays_and_no_second_letter_goes(anna: Visitor, monkeypatch: pytest.MonkeyPatch):
    day = close(anna)
    later = clock.now() + timedelta(days=5)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert close(anna) == day
    with reading() as db:
        assert db.exec(select(func.count(col(Message.id)))).one() == 1


def test_without_the_password_nothing_is_closed(anna: Visitor):
    with pytest.raises(PasswordWrong):
        confirm_password(visitor=anna, password="not it")
    for forged in ("", "x" * 60):
        with pytest.raises(PasswordWrong):
            perform(close_account, visitor=anna, confirmed=forged)
    assert stored(anna).closing_on is None


def test_staff_cannot_close_the_account_their_work_is_done_with(db: sa.Engine):
    clerk = visitor_of(person("Ольга", role=Role.ADMINISTRATOR))
    with pytest.raises(NotAllowed):
        close(clerk)
    assert stored(clerk).closing_on is None


def test_taken_back_nothing_happens_on_the_day(anna: Visitor):
    day = close(anna)
    perform(keep_account, visitor=anna)
    assert stored(anna).closing_on is None
    assert erase_due_accounts(noon_of(day)) == 0
    assert stored(anna).first_name == "Анна"


def test_until_the_day_everything_works_as_before(anna: Visitor):
    day = close(anna)
    assert erase_due_accounts(noon_of(day - timedelta(days=1))) == 0
    opened = sign_in(name="anna@kabinet.example", password=SECRET, address="", browser="", check=Hasher.check_pw)
    assert opened.session_id


@pytest.mark.parametrize(("region", "hour"), [("RU-KAM", 12), ("RU-KGD", 22)])
def test_the_day_begins_by_the_clock_of_the_persons_region(db: sa.Engine, region: str, hour: int):
    """Kamchatka is twelve hours ahead of UTC, Kaliningrad two."""
    far = visitor_of(person(region=region))
    eve = close(far) - timedelta(days=1)
    begins = datetime(eve.year, eve.month, eve.day, hour, tzinfo=UTC)
    assert erase_due_accounts(begins - timedelta(minutes=1)) == 0
    assert erase_due_accounts(begins) == 1
    assert erase_due_accounts(begins) == 0


# --- what is erased ---------------------------------------------------------------------------------
def test_nothing_that_tells_who_it_was_is_left_in_any_table(anna: Visitor):
    with transaction() as db:
        held = db.get_one(Customer, anna.customer_id)
        held.patronymic, held.phone, held.birth_on = "Сокровенновна", "+79005556677", date(1990, 2, 1)
        db.add(held)
        db.add(ExternalIdentity(customer_id=held.id, provider="x", issuer="i", subject="сокровенное", shown_as="a", bound_at=NOW))
        db.add(SecondFactor(customer_id=held.id, sealed_secret="сокровенное", created_at=NOW))
        db.add(RecoveryCode(customer_id=held.id, code_hash="0" * 64))
        db.add(
            Proof(
                kind=ProofKind.RESET,
                customer_id=held.id,
                target="anna@kabinet.example",
                secret_hash="1" * 64,
                created_at=NOW,
                expires_at=NOW,
            )
        )
        for contact in ("anna@kabinet.example", "+79005556677", "other@kabinet.example"):
            db.add(Message(channel=Channel.SMS, recipient=contact, about="x", subject="x", body="x", created_at=NOW))
    perform(order_export, visitor=anna)
    make_due(clock.now())
    assert erase_due_accounts(noon_of(close(anna))) == 1
    with reading() as db:
        everything = {
            table.name: repr([tuple(row) for row in db.execute(sa.select(table))]) for table in Table.metadata.sorted_tables
        }
        for name, rows in everything.items():
            for told in ("Анна", "Ким", "anna@", "79005556677", "окровенн", "1990, 2, 1", "203.0.113.7", "test browser"):
                assert told not in rows, f"{told} in {name}"
        assert db.exec(select(Message.recipient)).all() == ["other@kabinet.example"]
        for table in (Credential, SecondFactor, RecoveryCode, Proof, ExternalIdentity, DataExport):
            assert db.exec(select(func.count()).select_from(table)).one() == 0
        entry = db.exec(select(AuditEntry).where(col(AuditEntry.action) == "erase_account")).one()
        assert (entry.customer_id, entry.outcome) == (anna.customer_id, Outcome.DONE)


def test_afterwards_neither_the_password_nor_an_open_session_lets_in_and_the_e_mail_is_free(anna: Visitor):
    erase_due_accounts(noon_of(close(anna)))
    with reading() as db:
        assert visitors.by_session(db, session_id=anna.session_id, now=clock.now()) is None
    with pytest.raises(SignInRefused):
        sign_in(name="anna@kabinet.example", password=SECRET, address="", browser="", check=Hasher.check_pw)
    for act, given in (
        (keep_account, {}),
        (order_export, {}),
        (
            answer_questions,
            {"answers": dict.fromkeys(ConsentKind, True), "wordings": dict.fromkeys(ConsentKind, "?"), "region_code": "RU-MOW"},
        ),
    ):
        with pytest.raises(NotAllowed):
            perform(act, visitor=anna, **given)
    assert person("Новая Анна")  # registers with the same e-mail


@pytest.mark.usefixtures("seeded_db")
def test_of_a_whole_history_the_person_goes_and_the_books_stay():
    anna = visitor_of(customer_of("family"))
    perform(
        answer_questions,
        visitor=anna,
        answers=dict.fromkeys(ConsentKind, True),
        wordings=dict.fromkeys(ConsentKind, "?"),
        region_code="RU-MOW",
    )

    def books() -> list[list[tuple[object, ...]]]:
        with reading() as db:
            return [
                sorted(map(tuple, db.execute(sa.select(table.__table__)).all()), key=repr)  # type: ignore[attr-defined]
                for table in (Transfer, Bill, Payment, Consent, BillingAccount)
            ]

    before = books()
    with reading() as db:
        relatives = db.exec(
            select(func.count(col(Attachment.id))).where(
                col(Attachment.customer_id) != anna.customer_id, col(Attachment.detached_at).is_(None)
            )
        ).one()
    assert erase_due_accounts(noon_of(close(anna, PASSWORD))) == 1
    assert books() == before
    with reading() as db:
        mine = col(Attachment.customer_id) == anna.customer_id
        assert not db.exec(select(Attachment).where(mine, col(Attachment.detached_at).is_(None))).all()
        assert set(db.exec(select(Attachment.label).where(mine))) == {""}
        assert (
            db.exec(
                select(func.count(col(Attachment.id))).where(
                    col(Attachment.customer_id) != anna.customer_id, col(Attachment.detached_at).is_(None)
                )
            ).one()
            == relatives
        )
        rules = db.exec(select(AutopayRule.state).where(col(AutopayRule.customer_id) == anna.customer_id)).all()
        assert rules
        assert set(rules) == {AutopayState.DELETED}
        cards = db.exec(select(SavedCard).where(col(SavedCard.customer_id) == anna.customer_id)).all()
        assert cards
        assert all(card.removed_at and card.last_four == "0000" and not card.label and not card.is_default for card in cards)
        assert not db.exec(select(DemoPersona).where(col(DemoPersona.customer_id) == anna.customer_id)).all()
        live = col(LoginSession.revoked_at).is_(None)
        assert not db.exec(
            select(LoginSession.id).where(
                col(LoginSession.customer_id) == anna.customer_id, live, col(LoginSession.expires_at) > clock.now()
            )
        ).all()
        assert own_data(db, visitor=anna).email is None
        assert faults(db.connection()) == []
    checked = subprocess.run([sys.executable, "-m", "db", "check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert settings().closing_days == 30
