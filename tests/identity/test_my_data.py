"""One's own data as an archive: everything about the person and nothing else, made once, kept a week."""

import csv
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, func, select

import clock
from actions import perform
from actions.my_data import (
    GIVEN_UP,
    KEPT,
    LEASE,
    ORDERS_A_DAY,
    _progress,
    claim_export,
    download_export,
    make_export,
    order_export,
)
from actions.notices import choose_notice, notify
from db import reading, transaction
from documents.archive import Archive, cell
from jobs.exports import drop_due, make_due
from models import (
    AuditEntry,
    AutopayRule,
    Bill,
    BillingAccount,
    BillLine,
    BonusEntry,
    Credential,
    Customer,
    DataExport,
    LoginSession,
    Message,
    Notice,
    Payment,
    SavedCard,
    Transfer,
)
from queries.my_data import newest_export, nouns
from rules.refusals import NotAllowed, NotReadyYet, TooManyAttempts
from rules.terms import Channel, ExportState, Language, NoticeEvent, Outcome
from rules.visitor import Visitor
from settings import operator, settings
from tests.driver import customer_of, visitor_of
from tests.money.world import World
from texts import keys, speaking, t


def person(name: str = "Анна", **more: Any) -> int:
    with transaction() as db:
        made = Customer(last_name="Ким", first_name=name, region_code="RU-MOW", **more)
        db.add(made)
        db.flush()
        return made.id


def order(visitor: Visitor) -> int:
    return perform(order_export, visitor=visitor)


def archive(visitor: Visitor) -> zipfile.ZipFile:
    """Order, make and fetch."""
    export_id = order(visitor)
    assert make_due(clock.now()) == 1
    return zipfile.ZipFile(io.BytesIO(perform(download_export, visitor=visitor, export_id=export_id).content))


def table(packed: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    """A table of the archive, after seeing that JSON and CSV say the same."""
    as_json = json.loads(packed.read(f"{name}.json"))
    content = packed.read(f"{name}.csv")
    assert content.startswith(b"\xef\xbb\xbf")
    as_csv = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert len(as_csv) == len(as_json) + 1
    for row, line in zip(as_json, as_csv[1:], strict=True):
        assert list(row) == as_csv[0]
        assert [str(cell(value)) for value in row.values()] == line
    return as_json


def state(export_id: int) -> DataExport:
    with reading() as db:
        return db.get_one(DataExport, export_id)


# --- what is in it ----------------------------------------------------------------------------------
@pytest.mark.usefixtures("seeded_db")
def test_a_whole_history_is_in_it_to_the_last_row_and_kopeck():
    anna = visitor_of(customer_of("family"))
    perform(choose_notice, visitor=anna, event=NoticeEvent.BLOCKED, in_cabinet=True, by_email=False)
    with transaction() as db:
        notify(db, customer_id=anna.customer_id, event=NoticeEvent.SIGN_IN, key="a device")
    packed = archive(anna)
    mine = select(BillingAccount.id).where(col(BillingAccount.holder_id) == anna.customer_id)
    with reading() as db:

        def total(what: Any, *where: Any) -> int:
            return db.execute(sa.select(what).where(*where)).scalar_one() or 0

        bills, lines = table(packed, "bills"), table(packed, "bill_lines")
        assert len(bills) == total(func.count(col(Bill.id)), col(Bill.billing_account_id).in_(mine)) > 20
        assert sum(bill["total_kopecks"] for bill in bills) == sum(line["amount_kopecks"] for line in lines)
        assert len(lines) == total(
            func.count(col(BillLine.id)),
            col(BillLine.bill_id).in_(select(Bill.id).where(col(Bill.billing_account_id).in_(mine))),
        )
        payments, parts = table(packed, "payments"), table(packed, "payment_parts")
        assert len(payments) == total(func.count(col(Payment.id)), col(Payment.payer_id) == anna.customer_id) > 20
        to_billers = table(packed, "utility_payments")
        assert to_billers
        assert sum(row["amount_kopecks"] for row in payments) == sum(row["amount_kopecks"] for row in (*parts, *to_billers))
        transfers = table(packed, "transfers")
        assert len(transfers) == total(func.count(col(Transfer.id)), col(Transfer.billing_account_id).in_(mine))
        held = [row for row in table(packed, "accounts") if row["is_holder"]]
        assert sum(row["amount_kopecks"] for row in transfers) == sum(row["balance_kopecks"] for row in held)
        points = table(packed, "bonus_entries")
        assert sum(row["points"] for row in points) == total(
            func.sum(col(BonusEntry.points)), col(BonusEntry.customer_id) == anna.customer_id
        )
        assert sum(lot["remaining"] for lot in table(packed, "bonus_lots")) == sum(row["points"] for row in points)
        rules = total(func.count(col(AutopayRule.id)), col(AutopayRule.customer_id) == anna.customer_id)
        assert len(table(packed, "autopay_rules")) == rules > 0
        sessions = total(func.count(col(LoginSession.id)), col(LoginSession.customer_id) == anna.customer_id)
        assert len(table(packed, "sign_ins")) == sessions
        told = total(func.count(col(Notice.id)), col(Notice.customer_id) == anna.customer_id)
        assert len(table(packed, "notices")) == told > 0
        assert "blocked" in [row["event"] for row in table(packed, "notice_choices")]
    assert table(packed, "person")[0]["email"] == "family@kabinet.example"
    for noun in nouns(anna.customer_id):
        table(packed, noun.name)


@pytest.mark.usefixtures("seeded_db")
def test_of_an_account_of_somebody_else_only_its_number_and_ones_right_are_told():
    anna = visitor_of(customer_of("family"))
    packed = archive(anna)
    foreign = [row for row in table(packed, "accounts") if not row["is_holder"]]
    assert foreign
    for row in foreign:
        assert row["number"]
        assert row["right"]
        for told in ("address", "contact_email", "contact_phone", "balance_kopecks", "service_phone", "status"):
            assert row[told] is None
    numbers = {row["number"] for row in foreign}
    for name in ("bills", "transfers", "subscriptions"):
        assert numbers.isdisjoint(row.get("account") for row in table(packed, name))
    everything = "".join(packed.read(name).decode() for name in packed.namelist())
    with reading() as db:
        others = db.exec(
            select(Customer.email, Customer.phone).where(col(Customer.id) != anna.customer_id, col(Customer.email).is_not(None))
        ).all()
    assert others
    assert not [contact for pair in others for contact in pair if contact and contact in everything]


@pytest.mark.usefixtures("seeded_db")
def test_no_hash_secret_token_or_code_is_in_it():
    anna = visitor_of(customer_of("family"))
    with transaction() as db:
        for about, body in (
            ("attach_code", "Код 123456"),
            ("reset_link", "https://x/reset?token=abcdef"),
            ("unheard_of", "s3cr3t"),
        ):
            db.add(
                Message(
                    channel=Channel.EMAIL,
                    recipient="family@kabinet.example",
                    about=about,
                    subject="Письмо",
                    body=body,
                    created_at=clock.now(),
                )
            )
    packed = archive(anna)
    everything = "".join(packed.read(name).decode() for name in packed.namelist())
    with reading() as db:
        secrets = [
            *db.exec(select(Credential.password_hash).where(col(Credential.customer_id) == anna.customer_id)),
            *db.exec(select(LoginSession.token_hash).where(col(LoginSession.customer_id) == anna.customer_id)),
            *db.exec(select(SavedCard.token).where(col(SavedCard.customer_id) == anna.customer_id)),
        ]
    assert len(secrets) >= 3
    for secret in [*filter(None, secrets), "123456", "token=abcdef", "s3cr3t"]:
        assert secret not in everything
    assert {"attach_code", "reset_link", "unheard_of"} <= {row["about"] for row in table(packed, "letters")}
    columns = {column for noun in nouns(1) for column in noun.columns}
    assert not [column for column in columns if any(word in column for word in ("hash", "token", "secret", "key", "ticket"))]


@pytest.mark.parametrize("language", list(Language))
def test_no_letter_says_a_code_or_link_in_its_subject_which_is_in_the_archive(language: Language):
    for key, said in keys(language).items():
        if key.startswith("letter.") and key.endswith(".subject"):
            assert not {"{code}", "{url}", "{link}", "{token}"} & set(said[0].split()), key


def test_a_letter_one_caused_to_somebody_else_does_not_tell_their_address(db: sa.Engine):
    anna = visitor_of(person(email="anna@kabinet.example"))
    with transaction() as session:
        for recipient in ("holder@kabinet.example", "anna@kabinet.example"):
            session.add(
                Message(
                    channel=Channel.EMAIL,
                    recipient=recipient,
                    about="account_closing",
                    subject="С",
                    body=f"кому: {recipient}",
                    requested_by_id=anna.customer_id,
                    created_at=clock.now(),
                )
            )
    packed = archive(anna)
    assert "holder@" not in packed.read("letters.json").decode()
    assert [(row["recipient"], row["body"]) for row in table(packed, "letters")] == [
        (None, None),
        ("anna@kabinet.example", "кому: anna@kabinet.example"),
    ]


def test_the_journal_does_not_tell_the_number_of_an_account_whose_id_was_tried(db: sa.Engine):
    anna = visitor_of(person())
    with transaction() as session:
        world = World(session)
        held = world.account(world.person("Хозяин"))
        account, number = held.id, held.number
        session.add(
            AuditEntry(
                at=clock.now(), customer_id=anna.customer_id, billing_account_id=account, action="pay", outcome=Outcome.REFUSED
            )
        )
    packed = archive(anna)
    assert "pay" in {row["action"] for row in table(packed, "journal")}
    assert number not in packed.read("journal.json").decode()


def test_a_text_that_a_spreadsheet_would_take_for_a_formula_is_defused_and_a_number_is_not():
    for text in ("=1+1", "+7", "-2", "@SUM(A1)", "\tx", "\rx", "\nx"):
        assert cell(text) == f"'{text}"
    for harmless in ("a=1", "1-2", "", " ", -5, 0, 7):
        assert cell(harmless) == harmless
    assert (cell(None), cell(True), cell(False)) == ("", "true", "false")


def test_a_name_made_to_be_a_formula_and_to_break_the_table_reaches_the_spreadsheet_as_text(db: sa.Engine):
    evil = '=HYPERLINK("http://x";"a")\n;"'
    anna = visitor_of(person(name=evil[:60], phone="+79000001234", birth_on=date(1990, 2, 1)))
    packed = archive(anna)
    row = table(packed, "person")[0]
    assert (row["first_name"], row["birth_on"]) == (evil, "1990-02-01")
    sheet = list(csv.DictReader(io.StringIO(packed.read("person.csv").decode("utf-8-sig"), newline=""), delimiter=";"))
    assert sheet[0]["first_name"] == f"'{evil}"
    assert sheet[0]["phone"] == "'+79000001234"


@pytest.mark.parametrize("language", list(Language))
def test_the_readme_says_in_the_persons_language_what_each_file_is(db: sa.Engine, language: Language):
    anna = visitor_of(person(language=language))
    packed = archive(anna)
    readme = packed.read("readme.txt").decode("utf-8-sig")
    names = {name.split(".")[0] for name in packed.namelist()} - {"readme"}
    assert names == {noun.name for noun in nouns(1)}
    with speaking(language):
        for name in names:
            assert f"{name}.json, {name}.csv — {t(f'my_data.file.{name}')}" in readme


def test_moments_are_written_as_utc():
    file = io.BytesIO()
    with Archive(file, at=datetime(2026, 1, 2, tzinfo=UTC)) as packed:
        packed.table("t", ["at"], [(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),)])
    assert zipfile.ZipFile(file).getinfo("t.json").date_time[:3] == (2026, 1, 2)
    assert json.loads(zipfile.ZipFile(file).read("t.json")) == [{"at": "2026-01-02T03:04:05Z"}]


# --- how it is made ---------------------------------------------------------------------------------
@pytest.fixture
def anna(db: sa.Engine) -> Visitor:
    return visitor_of(person())


def test_asking_twice_at_once_is_one_request(anna: Visitor):
    together = Barrier(8)

    def at_once(_: int) -> int:
        with reading() as db:  # a connection is there before the race begins
            db.execute(sa.text("SELECT 1"))
            together.wait()
        return order(anna)

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(at_once, range(8)))
    assert len(set(asked)) == 1
    with reading() as db:
        assert db.exec(select(func.count(col(DataExport.id)))).one() == 1


def test_after_three_archives_in_a_day_one_waits(anna: Visitor, monkeypatch: pytest.MonkeyPatch):
    for _ in range(ORDERS_A_DAY):
        archive(anna)
    with pytest.raises(TooManyAttempts):
        order(anna)
    archive(visitor_of(person("Пётр")))  # somebody else does not wait
    later = clock.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert order(anna)


def test_of_two_processes_one_makes_it(anna: Visitor):
    order(anna)
    now = clock.now()
    with ThreadPoolExecutor(8) as pool:
        claims = [claim for claim in pool.map(lambda _: claim_export(now), range(8)) if claim]
    assert len(claims) == 1


def test_what_a_dead_process_left_is_made_by_another_and_the_dead_one_changes_nothing_more(
    anna: Visitor, monkeypatch: pytest.MonkeyPatch
):
    export_id = order(anna)
    now = clock.now()
    first = claim_export(now)
    assert first is not None
    assert claim_export(now + LEASE - timedelta(seconds=1)) is None
    second = claim_export(now + LEASE)
    assert second is not None
    assert second.export_id == export_id
    assert not make_export(first)
    assert state(export_id).state is ExportState.RUNNING
    assert make_export(second)
    assert state(export_id).state is ExportState.READY


def test_each_step_is_seen_and_keeps_the_work_with_whoever_does_it(anna: Visitor):
    export_id, now = order(anna), clock.now()
    claim = claim_export(now - LEASE / 2)
    assert claim is not None
    prolonged = _progress(claim, 40)
    assert prolonged is not None
    assert state(export_id).percent == 40
    assert claim_export(claim.until) is None
    assert make_export(prolonged)
    assert state(export_id).percent == 100


def test_what_cannot_be_made_fails_and_may_be_asked_for_again(anna: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    export_id = order(anna)
    monkeypatch.setenv("OPERATOR_FILE", str(tmp_path / "lost.toml"))
    settings.cache_clear()
    operator.cache_clear()
    assert make_due(clock.now()) == 0
    assert state(export_id).state is ExportState.FAILED
    monkeypatch.delenv("OPERATOR_FILE")
    settings.cache_clear()
    operator.cache_clear()
    assert order(anna) != export_id


def test_what_brings_its_makers_down_for_a_day_fails(anna: Visitor):
    export_id, now = order(anna), clock.now()
    assert claim_export(now) is not None
    assert claim_export(now + GIVEN_UP + timedelta(seconds=1)) is None
    assert state(export_id).state is ExportState.FAILED
    assert order(anna) != export_id


def test_it_is_kept_a_week_and_then_dropped(anna: Visitor, monkeypatch: pytest.MonkeyPatch):
    archive(anna)
    with reading() as db:
        export = newest_export(db, visitor=anna)
    assert export is not None
    assert export.expires_at is not None
    assert abs(export.expires_at - clock.now() - KEPT) < timedelta(minutes=1)
    assert drop_due(clock.now()) == 0
    later = export.expires_at
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(NotReadyYet):
        perform(download_export, visitor=anna, export_id=export.export_id)
    assert drop_due(later) == 1
    assert state(export.export_id).archive is None
    with reading() as db:
        export = newest_export(db, visitor=anna)
        assert export is not None
        assert not export.is_there


def test_the_newest_archive_takes_the_place_of_the_one_before(anna: Visitor):
    archive(anna)
    archive(anna)
    with reading() as db:
        kept = db.exec(select(DataExport.archive).order_by(col(DataExport.id))).all()
    assert [content is not None for content in kept] == [False, True]


def test_it_is_handed_to_its_person_only_and_not_before_it_is_ready(anna: Visitor):
    export_id = order(anna)
    with pytest.raises(NotReadyYet):
        perform(download_export, visitor=anna, export_id=export_id)
    make_due(clock.now())
    other = visitor_of(person("Пётр"))
    for wrong in (export_id, export_id + 1000):
        with pytest.raises(NotAllowed):
            perform(download_export, visitor=other, export_id=wrong)
    assert perform(download_export, visitor=anna, export_id=export_id).content[:2] == b"PK"
