"""Many rows at once: written, numbered, changed and found by both databases alike."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from db import reading, transaction
from db.bulk import among, insert_for_ids, insert_many, update_many
from models import Notice
from rules.terms import NoticeEvent
from tests.money.world import World

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def notices(person_id: int, keys: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "customer_id": person_id,
            "event": NoticeEvent.AUTOPAY_DONE,
            "billing_account_id": None,
            "key": key,
            "facts": {"said": f"«{key}» \"'\\", "kopecks": ord(key)},
            "by_email": key in "aeiou",
            "created_at": NOON,
            **more,
        }
        for key in keys
    ]


def person() -> int:
    with transaction() as db:
        return World(db).person().id


def kept() -> dict[str, Notice]:
    with reading() as db:
        return {notice.key: notice for notice in db.exec(select(Notice))}


def test_rows_are_written_as_they_are_with_the_defaults_of_what_is_not_said(db: sa.Engine):
    anna = person()
    with transaction() as session:
        insert_many(session, Notice, notices(anna, "abc"))
        insert_many(session, Notice, [])
    found = kept()
    assert sorted(found) == ["a", "b", "c"]
    assert (found["b"].event, found["b"].created_at) == (NoticeEvent.AUTOPAY_DONE, NOON)
    assert found["b"].facts == {"said": "«b» \"'\\", "kopecks": 98}
    assert [found[key].by_email for key in "abc"] == [True, False, False]
    assert all(notice.in_cabinet for notice in found.values()), "the default"


def test_ids_come_back_in_the_order_of_the_rows_and_go_on_where_others_end(db: sa.Engine):
    anna = person()
    with transaction() as session:
        insert_many(session, Notice, notices(anna, "a"))
        ids = insert_for_ids(session, Notice, notices(anna, "zyxb"))
        assert insert_for_ids(session, Notice, []) == []
        session.add(Notice(**notices(anna, "c")[0]))
    found = kept()
    assert ids == [found[key].id for key in "zyxb"]
    assert len({notice.id for notice in found.values()}) == 6


def test_each_row_gets_its_own_values_and_the_others_stay(db: sa.Engine):
    anna = person()
    with transaction() as session:
        ids = insert_for_ids(session, Notice, notices(anna, "abc"))
        update_many(
            session,
            Notice,
            [
                {"id": ids[2], "event": NoticeEvent.LOW_BALANCE, "read_at": NOON},
                {"id": ids[0], "event": NoticeEvent.AUTOPAY_FAILED, "read_at": None},
            ],
        )
        update_many(session, Notice, [])
    found = kept()
    assert [(found[key].event, found[key].read_at) for key in "abc"] == [
        (NoticeEvent.AUTOPAY_FAILED, None),
        (NoticeEvent.AUTOPAY_DONE, None),
        (NoticeEvent.LOW_BALANCE, NOON),
    ]


def test_rows_are_found_by_many_numbers_and_none_by_none(db: sa.Engine):
    anna = person()
    with transaction() as session:
        ids = insert_for_ids(session, Notice, notices(anna, "abc"))
        wanted = select(Notice.key).where(among(session, col(Notice.id), [*ids[1:], 10**12])).order_by(col(Notice.key))
        assert session.exec(wanted).all() == ["b", "c"]
        assert session.exec(select(Notice.key).where(among(session, col(Notice.id), []))).all() == []
