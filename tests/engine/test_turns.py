"""Whoever writes to a SQLite file waits for those before them, and no longer."""

import threading
import time

import pytest
import sqlalchemy as sa

from db import engine as engine_module
from db import transaction
from db.turns import Turns
from rules.refusals import Unavailable


def test_turns_are_taken_in_the_order_in_which_people_came():
    turns, came = Turns(), []
    assert turns.wait(0)

    def writer(number: int) -> None:
        assert turns.wait(10)
        came.append(number)
        turns.done()

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=writer, args=(number,)))
        threads[-1].start()
        while len(turns._waiting) <= number:
            time.sleep(0.001)
    turns.done()
    for thread in threads:
        thread.join(10)
    assert came == list(range(20))


def test_who_has_waited_too_long_goes_away_and_holds_nobody_up():
    turns = Turns()
    assert turns.wait(0)
    assert not turns.wait(0.01)
    turns.done()
    assert turns.wait(0), "the one who went away is not waited for"


def test_a_person_does_not_wait_in_vain_beside_a_background_that_writes_all_the_time(db: sa.Engine):
    """Without turns SQLite has whoever comes second try again at longer and longer intervals, and the first is always quicker."""
    over, waits = threading.Event(), []

    def background() -> None:
        while not over.is_set():
            with transaction() as session:
                session.execute(sa.text("UPDATE region SET time_zone = time_zone"))
                time.sleep(0.02)

    busy = threading.Thread(target=background)
    busy.start()
    for _ in range(10):
        time.sleep(0.01)
        began = time.perf_counter()
        with transaction() as session:
            session.execute(sa.text("UPDATE region SET name_en = name_en WHERE code = 'RU-MOW'"))
        waits.append(time.perf_counter() - began)
    over.set()
    busy.join()
    assert sorted(waits)[5] < 0.15, waits


def test_a_person_is_told_that_it_does_not_work_just_now_when_others_write_for_too_long(
    db: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    if db.dialect.name != "sqlite":
        pytest.skip("PostgreSQL has many writers")
    monkeypatch.setattr(engine_module, "BUSY_MILLISECONDS", 20)
    refused = []

    def second() -> None:
        try:
            with transaction():
                pass
        except Unavailable as error:
            refused.append(error)

    with transaction():
        other = threading.Thread(target=second)
        other.start()
        other.join(10)
    assert len(refused) == 1
    with transaction() as session:
        session.execute(sa.text("UPDATE region SET name_en = name_en WHERE code = 'RU-MOW'"))
