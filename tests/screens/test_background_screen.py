"""The screen of the background: what is late stands out, a letter is sent again from it, an analyst only looks."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from db import reading, transaction
from jobs.schedule import JOBS
from models import JobRun, Message
from pages import SCREENS, screens_for
from rules.terms import Channel, Language, MessageState, Role
from tests.driver import Screen, open_screen
from texts import has_text, md, speaking, t
from texts import keys as texts_of
from ui.widgets.background import job_name


@pytest.fixture
def letters(seeded_db: sa.Engine) -> list[int]:
    """Two letters that nobody would take, and one with a code."""
    now = clock.now()
    with transaction() as db:
        rows = [
            Message(
                channel=Channel.EMAIL,
                recipient=f"person{n}@street.example",
                about="receipt" if body else "reset_code",
                subject=f"Чек {n}",
                body=body,
                language=Language.RU,
                created_at=now - timedelta(days=8),
                state=MessageState.FAILED,
                attempts=20,
                trouble=trouble,
                dead_at=now - timedelta(hours=1),
            )
            for n, (body, trouble) in enumerate((("Оплачено", "451 busy"), ("Оплачено", "550 *unknown*"), ("", "451 busy")))
        ]
        db.add_all(rows)
        db.flush()
        return [row.id for row in rows]


def stored(message_id: int) -> Message:
    with reading() as db:
        return db.exec(select(Message).where(col(Message.id) == message_id)).one()


def keys(screen: Screen) -> set[str]:
    return {button.key for button in screen.app.button if button.key}


def test_staff_have_the_screen_and_customers_have_not():
    background = next(screen for screen in SCREENS if screen.name == "background")
    for role in Role:
        assert (background in screens_for(role, demo=True)) is (role is not Role.CUSTOMER)


@pytest.mark.parametrize("language", list(Language))
def test_every_job_has_a_name_that_people_understand(language: Language):
    with speaking(language):
        assert [job.name for job in JOBS if not has_text(f"background.job.{job.name}")] == []
        assert job_name("gone_since") == "gone\\_since"


@pytest.mark.parametrize("language", list(Language))
def test_what_is_done_along_with_other_work_or_leaves_no_record_is_not_said_to_have_had_nothing_to_do(
    seeded_db: sa.Engine, language: Language
):
    now = clock.now()
    with transaction() as db:
        db.add(JobRun(job="billing", key="x", started_at=now, finished_at=now, items=501))
    screen = open_screen("background", persona="administrator", language=language)
    with speaking(language):
        told = {
            said.value.split("**")[1]: said.value
            for said in screen.app.markdown
            if said.value.startswith("**") and "  \n" in said.value
        }
        nothing = t("background.nothing_yet")
        assert nothing in told[job_name("closing")]
        for job in ("blocking", "resuming", "figures", "lived"):
            assert nothing not in told[job_name(job)]
    counted = "рассчитан 501 лицевой счёт" if language is Language.RU else "501 accounts gone through"
    assert counted in screen.says, "accounts, of which some have no bill"


@pytest.mark.parametrize("language", list(Language))
def test_the_own_words_of_a_job_belong_to_a_job_that_there_is(language: Language):
    jobs = {job.name for job in JOBS}
    own = {key.split(".")[-1] for key in texts_of(language) if key.startswith(("background.nothing_yet.", "background.done."))}
    assert own <= jobs


@pytest.mark.parametrize("language", list(Language))
def test_a_quiet_background_says_so(seeded_db: sa.Engine, language: Language):
    screen = open_screen("background", persona="administrator", language=language)
    with speaking(language):
        assert t("background.no_dead") in screen.says
        assert t("background.nothing_yet") in screen.says
        assert t("background.failures") not in screen.says


def test_a_failure_is_told_with_its_job_and_its_words(seeded_db: sa.Engine):
    with transaction() as db:
        at = clock.now() - timedelta(hours=1)
        db.add(JobRun(job="figures", key="k", started_at=at, finished_at=at, trouble="Unavailable: "))
    screen = open_screen("background", persona="analyst")
    assert "Сбои за неделю" in screen.says
    assert "**Показатели для обзора** · 1 раз" in screen.says
    assert "сбой" in screen.says


def test_an_administrator_sends_a_letter_again_and_puts_another_aside(letters: list[int]):
    screen = open_screen("background", persona="administrator")
    assert md("pe•••@street.example") in screen.says
    assert "person0" not in screen.says
    assert md("550 *unknown*") in screen.says
    assert f"dead_send_{letters[2]}" not in keys(screen), "its words are gone"
    screen.click(f"dead_send_{letters[0]}")
    assert (stored(letters[0]).state, stored(letters[0]).dead_at) == (MessageState.QUEUED, None)
    assert f"dead_send_{letters[0]}" not in keys(screen)
    screen.click(f"dead_aside_{letters[2]}")
    assert stored(letters[2]).dead_at is None
    assert {"Письмо убрано"} <= {toast.value for toast in screen.app.toast}


def test_all_of_one_trouble_are_sent_again_at_once(letters: list[int]):
    screen = open_screen("background", persona="administrator")
    screen.app.selectbox(key="background_trouble").set_value("451 busy")
    screen.run().click("background_send_all")
    assert stored(letters[0]).state is MessageState.QUEUED
    assert stored(letters[1]).state is MessageState.FAILED


def test_putting_all_aside_asks_first(letters: list[int]):
    screen = open_screen("background", persona="administrator").click("background_aside_all")
    assert stored(letters[0]).body
    screen.click("background_aside_yes")
    assert {stored(each).dead_at for each in letters} == {None}
    assert "Таких писем нет" in screen.says


def test_an_analyst_sees_how_many_letters_are_dead_and_neither_whose_nor_what_about(letters: list[int]):
    screen = open_screen("background", persona="analyst")
    assert ("Не ушли", "3") in {(metric.label, metric.value) for metric in screen.app.metric}
    assert "street.example" not in screen.says
    assert not any(key.startswith(("dead_", "background_")) for key in keys(screen))
