"""The questions of the first sign-in: answered once, kept with their words, each to be changed later."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions import perform
from actions.consents import PRESELECTED, answer_questions, change_consent
from actions.profile import change_region
from db import reading, transaction
from models import Consent, Customer
from queries import visitors
from queries.profile import answers, own_data
from queries.regions import regions
from rules.refusals import FieldWrong, NotAllowed
from rules.terms import ConsentKind, Language, Role
from rules.visitor import Visitor
from tests.driver import visitor_of
from texts import keys

ALL_NO = dict.fromkeys(ConsentKind, False)
WORDS = {kind: f"Вопрос {kind.value}?" for kind in ConsentKind}


def needs_welcome(db: Session, *, visitor: Visitor) -> bool:
    """Whether the portal would ask this person now: it reads so with their session."""
    found = visitors.by_session(db, session_id=visitor.session_id, now=clock.now())
    assert found is not None
    return not found[0].welcomed


def person(name: str = "Анна", role: Role = Role.CUSTOMER, language: Language = Language.RU) -> int:
    with transaction() as db:
        made = Customer(last_name="Ким", first_name=name, region_code="RU-MOW", role=role, language=language)
        db.add(made)
        db.flush()
        return made.id


@pytest.fixture
def anna(db: sa.Engine) -> Visitor:
    return visitor_of(person())


def rows(visitor: Visitor) -> list[Consent]:
    with reading() as db:
        return list(db.exec(select(Consent).where(col(Consent.customer_id) == visitor.customer_id).order_by(col(Consent.id))))


def answer(visitor: Visitor, given: dict[ConsentKind, bool], region: str = "RU-SPE", wordings: dict[ConsentKind, str] = WORDS):
    perform(answer_questions, visitor=visitor, answers=given, wordings=wordings, region_code=region)


def test_each_answer_is_one_row_with_its_words_language_and_time_and_the_region_is_kept(
    anna: Visitor, monkeypatch: pytest.MonkeyPatch
):
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    answer(anna, {**ALL_NO, ConsentKind.E_BILL: True})
    kept = {row.kind: row for row in rows(anna)}
    assert set(kept) == set(ConsentKind)
    assert [kind for kind, row in kept.items() if row.given] == [ConsentKind.E_BILL]
    assert all((row.wording, row.language, row.at) == (WORDS[kind], Language.RU, now) for kind, row in kept.items())
    with reading() as db:
        held = db.get_one(Customer, anna.customer_id)
        assert (held.region_code, held.welcomed_at) == ("RU-SPE", now)


def test_who_has_answered_is_asked_no_more_and_a_second_click_changes_nothing(anna: Visitor):
    with reading() as db:
        assert needs_welcome(db, visitor=anna)
    answer(anna, ALL_NO)
    answer(anna, dict.fromkeys(ConsentKind, True), region="RU-TA")
    with reading() as db:
        assert not needs_welcome(db, visitor=anna)
        assert own_data(db, visitor=anna).region_code == "RU-SPE"
    assert [row.given for row in rows(anna)] == [False] * 4


@pytest.mark.parametrize("left_out", list(ConsentKind))
def test_a_question_without_an_answer_is_no_answer(anna: Visitor, left_out: ConsentKind):
    with pytest.raises(FieldWrong):
        answer(anna, {kind: False for kind in ConsentKind if kind is not left_out})
    with pytest.raises(FieldWrong):
        answer(anna, ALL_NO, wordings={**WORDS, left_out: " "})
    assert rows(anna) == []
    with reading() as db:
        assert needs_welcome(db, visitor=anna)


def test_a_region_that_does_not_exist_is_refused_and_nothing_is_kept(anna: Visitor):
    with pytest.raises(FieldWrong):
        answer(anna, ALL_NO, region="RU-XXX")
    assert rows(anna) == []
    with pytest.raises(FieldWrong):
        perform(change_region, visitor=anna, region_code="RU-XXX")
    perform(change_region, visitor=anna, region_code="RU-KGD")
    with reading() as db:
        assert own_data(db, visitor=anna).region_code == "RU-KGD"


def test_yes_stands_beforehand_only_for_how_documents_of_the_contract_are_delivered():
    """Advertising and the use of data need an active choice: 38-FZ art. 18, 152-FZ art. 9."""
    assert {ConsentKind.E_STATEMENTS, ConsentKind.E_BILL} == PRESELECTED


def test_a_changed_answer_counts_from_then_on_and_the_old_one_stays_as_proof(anna: Visitor, monkeypatch: pytest.MonkeyPatch):
    answer(anna, ALL_NO)
    later = clock.now() + timedelta(days=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    for _ in range(2):  # the same answer again is not another
        perform(change_consent, visitor=anna, kind=ConsentKind.OFFERS, given=True, wording="Присылать?")
    with reading() as db:
        latest = answers(db, visitor=anna)
    assert (latest[ConsentKind.OFFERS].given, latest[ConsentKind.OFFERS].at) == (True, later)
    assert latest[ConsentKind.OFFERS].wording == "Присылать?"
    assert [row.given for row in rows(anna) if row.kind is ConsentKind.OFFERS] == [False, True]
    assert not latest[ConsentKind.E_BILL].given


def test_answers_are_ones_own(anna: Visitor):
    other = visitor_of(person("Пётр"))
    answer(anna, dict.fromkeys(ConsentKind, True))
    with reading() as db:
        assert answers(db, visitor=other) == {}
        assert needs_welcome(db, visitor=other)


def test_staff_are_never_asked(db: sa.Engine):
    clerk = visitor_of(person("Ольга", Role.ANALYST))
    with reading() as session:
        assert not needs_welcome(session, visitor=clerk)
    with pytest.raises(NotAllowed):
        answer(clerk, ALL_NO)
    with pytest.raises(NotAllowed):
        perform(change_consent, visitor=clerk, kind=ConsentKind.OFFERS, given=True, wording="?")


@pytest.mark.parametrize(("language", "first"), [(Language.RU, "Адыгея"), (Language.EN, "Adygea")])
def test_all_83_regions_are_offered_by_name_in_the_readers_language(db: sa.Engine, language: Language, first: str):
    with reading() as session:
        names = list(regions(session, language=language).values())
    assert len(names) == 83
    assert any(first in name for name in names)
    assert names == sorted(names)


@pytest.mark.parametrize("language", list(Language))
def test_what_is_asked_fits_into_the_row_it_is_kept_in(language: Language):
    said = keys(language)
    for kind in ConsentKind:
        assert len(said[f"consent.{kind.value}.question"][0]) + len(said[f"consent.{kind.value}.means"][0]) < 500
