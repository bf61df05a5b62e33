"""The second factor: a code of the app or a recovery code, each once; nothing in the database gives either away."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.second_factor import (
    begin_second_factor,
    check_second_factor,
    confirm_second_factor,
    has_second_factor,
    renew_recovery_codes,
    stop_second_factor,
)
from db import reading, transaction
from models import Customer, RecoveryCode, SecondFactor, Table
from queries.security import own_security
from rules.refusals import CodeSpent, FieldWrong, PasswordWrong, TooManyAttempts
from rules.visitor import Visitor
from settings import settings
from tests.identity.test_security import OLD, anna, confirmed, letters, oleg  # noqa: F401  fixtures

NOON = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now

    def steps(self, count: int) -> None:
        self.now += timedelta(seconds=30 * count)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stands = Clock()
    monkeypatch.setattr(clock, "now", stands)
    return stands


@pytest.fixture
def person(time: Clock, anna: Visitor) -> Visitor:  # noqa: F811
    return anna


@pytest.fixture
def other(person: Visitor, oleg: Visitor) -> Visitor:  # noqa: F811
    return oleg


def code_at(secret: str, moment: datetime) -> str:
    return pyotp.TOTP(secret).at(moment)


def wrong(secret: str, moment: datetime) -> str:
    near = {code_at(secret, moment + timedelta(seconds=30 * step)) for step in (-1, 0, 1)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


def turn_on(who: Visitor) -> tuple[str, list[str]]:
    """The secret of the app and the recovery codes."""
    begun = perform(begin_second_factor, visitor=who, confirmed=confirmed(who))
    return begun.secret, perform(confirm_second_factor, visitor=who, code=code_at(begun.secret, clock.now()))


def passes(who: Visitor, code: str) -> bool:
    with transaction() as db:
        return check_second_factor(db, who.customer_id, code)


def is_on(who: Visitor) -> bool:
    with reading() as db:
        return has_second_factor(db, who.customer_id)


# --- turning on and off -----------------------------------------------------------------------------
def test_it_is_on_only_after_the_app_has_shown_a_code(person: Visitor, time: Clock):
    begun = perform(begin_second_factor, visitor=person, confirmed=confirmed(person))
    assert begun.uri.startswith("otpauth://totp/")
    assert begun.secret in begun.uri
    assert not is_on(person)
    assert not passes(person, code_at(begun.secret, time.now))
    with pytest.raises(FieldWrong):
        perform(confirm_second_factor, visitor=person, code=wrong(begun.secret, time.now))
    assert not is_on(person)
    codes = perform(confirm_second_factor, visitor=person, code=code_at(begun.secret, time.now))
    assert is_on(person)
    assert len(set(codes)) == 10


def test_turning_on_and_off_is_told_by_letter(person: Visitor):
    turn_on(person)
    assert perform(stop_second_factor, visitor=person, confirmed=confirmed(person))
    assert [letter.about for letter in letters(OLD)] == ["second_factor_on", "second_factor_off"]


def test_after_turning_off_neither_app_nor_recovery_codes_pass(person: Visitor, time: Clock):
    secret, codes = turn_on(person)
    perform(stop_second_factor, visitor=person, confirmed=confirmed(person))
    time.steps(1)
    assert not is_on(person)
    assert not passes(person, code_at(secret, time.now))
    assert not passes(person, codes[0])
    with reading() as db:
        assert db.exec(select(RecoveryCode)).all() == []


def test_without_the_present_password_nothing_is_turned_on_or_off_or_renewed(person: Visitor):
    with pytest.raises(PasswordWrong):
        perform(begin_second_factor, visitor=person, confirmed="")
    turn_on(person)
    for verb in (stop_second_factor, renew_recovery_codes):
        with pytest.raises(PasswordWrong):
            perform(verb, visitor=person, confirmed="")
    assert is_on(person)


def test_a_secret_in_force_is_not_replaced_unnoticed(person: Visitor, time: Clock):
    secret, _ = turn_on(person)
    with pytest.raises(FieldWrong):
        perform(begin_second_factor, visitor=person, confirmed=confirmed(person))
    with pytest.raises(CodeSpent):
        perform(confirm_second_factor, visitor=person, code="000000")
    time.steps(1)
    assert passes(person, code_at(secret, time.now))


def test_guesses_when_turning_on_are_few(person: Visitor, time: Clock):
    begun = perform(begin_second_factor, visitor=person, confirmed=confirmed(person))
    for _ in range(settings().code_tries):
        with pytest.raises(FieldWrong):
            perform(confirm_second_factor, visitor=person, code=wrong(begun.secret, time.now))
    with pytest.raises(TooManyAttempts):
        perform(confirm_second_factor, visitor=person, code=code_at(begun.secret, time.now))


# --- codes of the app -------------------------------------------------------------------------------
@pytest.mark.parametrize(("off", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_phones_clock_may_differ_by_one_step(person: Visitor, time: Clock, off: int, good: bool):
    secret, _ = turn_on(person)
    time.steps(10)
    assert passes(person, code_at(secret, time.now + timedelta(seconds=30 * off))) is good


def test_a_code_of_the_app_is_not_accepted_twice(person: Visitor, time: Clock):
    secret, _ = turn_on(person)
    assert not passes(person, code_at(secret, time.now)), "it turned the second factor on"
    time.steps(3)
    code = code_at(secret, time.now)
    assert passes(person, code)
    assert not passes(person, code)
    assert not passes(person, code_at(secret, time.now - timedelta(seconds=30))), "an earlier one that was seen"


def test_of_ten_who_show_the_same_code_at_once_one_comes_in(person: Visitor, time: Clock):
    secret, codes = turn_on(person)
    time.steps(3)
    for code in (code_at(secret, time.now), codes[0]):
        with ThreadPoolExecutor(10) as many:
            assert sum(many.map(lambda _, code=code: passes(person, code), range(10))) == 1


def test_a_code_may_be_typed_with_spaces(person: Visitor, time: Clock):
    secret, _ = turn_on(person)
    time.steps(3)
    code = code_at(secret, time.now)
    assert passes(person, f" {code[:3]} {code[3:]} ")


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "' OR 1=1", "\x00" * 6])
def test_rubbish_is_refused(person: Visitor, typed: str):
    turn_on(person)
    assert not passes(person, typed)


def test_the_code_of_somebody_else_does_not_pass(person: Visitor, other: Visitor, time: Clock):
    secret, codes = turn_on(person)
    turn_on(other)
    time.steps(3)
    assert not passes(other, code_at(secret, time.now))
    assert not passes(other, codes[0])


# --- recovery codes ---------------------------------------------------------------------------------
def test_a_recovery_code_works_once_however_it_is_typed(person: Visitor):
    _, codes = turn_on(person)
    assert passes(person, codes[0])
    assert not passes(person, codes[0])
    assert passes(person, f" {codes[1].upper().replace('-', ' ')} ")
    with reading() as db:
        assert own_security(db, visitor=person).recovery_codes == 8


def test_new_recovery_codes_replace_the_old_ones(person: Visitor):
    _, old = turn_on(person)
    new = perform(renew_recovery_codes, visitor=person, confirmed=confirmed(person))
    assert not set(old) & set(new)
    assert not passes(person, old[0])
    assert passes(person, new[0])


# --- what is stored ---------------------------------------------------------------------------------
def test_the_whole_database_holds_neither_the_secret_nor_a_recovery_code(person: Visitor):
    secret, codes = turn_on(person)
    with reading() as db:
        everything = repr([db.execute(sa.select(table)).all() for table in Table.metadata.sorted_tables])
        assert db.exec(select(SecondFactor)).one().sealed_secret in everything
    for hidden in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert hidden not in everything


def test_under_another_secret_key_the_app_does_not_pass_and_nothing_breaks(
    person: Visitor, time: Clock, monkeypatch: pytest.MonkeyPatch
):
    secret, codes = turn_on(person)
    time.steps(3)
    monkeypatch.setenv("SECRET_KEY", "another key of at least thirty-two characters")
    settings.cache_clear()
    assert not passes(person, code_at(secret, time.now))
    assert not passes(person, codes[0])


def test_the_app_shows_whose_code_it_is(person: Visitor):
    begun = perform(begin_second_factor, visitor=person, confirmed=confirmed(person))
    parsed = pyotp.parse_uri(begun.uri)
    with reading() as db:
        assert parsed.name == db.exec(select(Customer.email).where(col(Customer.id) == person.customer_id)).one()
    assert parsed.issuer
