"""Whoever proves that an account may be theirs attaches it; nobody learns anything about an account that is not."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from actions import perform
from actions.accounts import (
    CodeSent,
    attach_account,
    detach_account,
    move_attachment,
    rename_attachment,
    request_attach_code,
)
from db import reading, transaction
from models import (
    AttachCode,
    Attachment,
    AuditEntry,
    AutopayRule,
    BillingAccount,
    Customer,
    LedgerAccount,
    Message,
    SavedCard,
)
from queries.accounts import AttachedAccount, attached_accounts
from queries.messages import Letter, mailbox
from rules.numbers import account_number
from rules.refusals import (
    AccountAlreadyAttached,
    AccountNumberMalformed,
    AccountUnknown,
    CodeExpired,
    CodeSpent,
    CodeWrong,
    DemoOnly,
    LabelMalformed,
    NotAllowed,
    TooManyAttempts,
)
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayState,
    AutopayTrigger,
    BillingMode,
    CardBrand,
    Channel,
    Language,
    LedgerKind,
    Outcome,
    Right,
    Role,
    ServiceKind,
)
from rules.visitor import Visitor
from settings import settings
from tests.conftest import as_in_production

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
HOME, MOBILE, TV = (account_number(serial) for serial in (900_000_001, 900_000_002, 900_000_003))


def _save(db: Session, row: Any) -> Any:
    db.add(row)
    db.flush()
    return row


def _visitor(customer_id: int, name: str, language: Language = Language.RU) -> Visitor:
    return Visitor(customer_id, 1, Role.CUSTOMER, name, language, "RU-MOW", "Europe/Moscow")


@dataclass
class World:
    """Anna holds three accounts and has none attached; her daughter Olga holds none."""

    anna: Visitor
    olga: Visitor
    accounts: dict[str, int]

    def ask(self, number: str = HOME, visitor: Visitor | None = None) -> CodeSent:
        return perform(request_attach_code, visitor=visitor or self.anna, number=number)

    def enter(self, sent: CodeSent, code: str, visitor: Visitor | None = None) -> int:
        return perform(attach_account, visitor=visitor or self.anna, attach_code_id=sent.attach_code_id, code=code)

    def attach(self, number: str = HOME, visitor: Visitor | None = None) -> int:
        return self.enter(self.ask(number, visitor), newest_code(), visitor)

    def list(self, visitor: Visitor | None = None) -> list[AttachedAccount]:
        with reading() as db:
            return attached_accounts(db, visitor=visitor or self.anna)

    def attachment(self, number: str, visitor: Visitor | None = None) -> int:
        return next(row.attachment_id for row in self.list(visitor) if row.number == number)


def newest_letter() -> Message:
    with reading() as db:
        return db.exec(select(Message).order_by(col(Message.id).desc())).first()


def newest_code() -> str:
    return re.search(r"\b\d{6}\b", newest_letter().body)[0]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def letters(visitor: Visitor) -> list[Letter]:
    with reading() as db:
        return mailbox(db, visitor=visitor)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""

    def move(now: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: now)

    move(NOW)
    return move


@pytest.fixture
def world(db: sa.Engine, at: Callable[[datetime], None]) -> World:
    with transaction() as session:
        anna = _save(
            session,
            Customer(
                last_name="Ким", first_name="Анна", email="anna@kabinet.example", region_code="RU-MOW", language=Language.EN
            ),
        )
        olga = _save(
            session,
            Customer(
                last_name="Ли",
                first_name="Ольга",
                email="olga@kabinet.example",
                phone="+79000000055",
                region_code="RU-MOW",
            ),
        )
        accounts = {}
        for number, service, email, phone in (
            (HOME, ServiceKind.INTERNET, "anna@kabinet.example", "+79000000011"),
            (MOBILE, ServiceKind.MOBILE, None, "+79000000022"),
            (TV, ServiceKind.TV, "olga@kabinet.example", None),
        ):
            account = _save(
                session,
                BillingAccount(
                    number=number,
                    holder_id=anna.id,
                    service=service,
                    mode=BillingMode.PREPAID,
                    status_since_on=date(2025, 1, 1),
                    region_code="RU-MOW",
                    contact_email=email,
                    contact_phone=phone,
                    opened_on=date(2025, 1, 1),
                ),
            )
            _save(session, LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=account.id))
            accounts[number] = account.id
    return World(_visitor(anna.id, "Анна"), _visitor(olga.id, "Ольга"), accounts)


# --- asking for a code ------------------------------------------------------------------------------
def test_the_code_goes_to_the_e_mail_on_file_in_the_holders_language_and_is_shown_masked(world: World):
    sent = world.ask(f"{HOME[:3]} {HOME[3:6]}-{HOME[6:]}", visitor=world.olga)
    letter = newest_letter()
    assert (letter.channel, letter.recipient, letter.requested_by_id) == (
        Channel.EMAIL,
        "anna@kabinet.example",
        world.olga.customer_id,
    )
    assert sent.sent_to == "an•••@kabinet.example"
    assert sent.expires_at == NOW + timedelta(minutes=settings().attach_code_minutes)
    assert not re.search("[А-яЁё]", letter.subject + letter.body), "Anna reads English"
    assert re.search(r"\b\d{6}\b", letter.body)


def test_without_an_e_mail_it_goes_by_sms(world: World):
    sent = world.ask(MOBILE)
    assert (newest_letter().channel, newest_letter().recipient) == (Channel.SMS, "+79000000022")
    assert sent.sent_to == "+7 900 •••-••-22"


def test_what_is_stored_and_returned_does_not_give_the_code_away(world: World):
    sent = world.ask()
    code = newest_code()
    with reading() as db:
        row = db.get_one(AttachCode, sent.attach_code_id)
    assert code not in f"{row.code_hash}{row.sent_to}{sent}"
    assert len(row.code_hash) == 64


@pytest.mark.parametrize("number", ["", "123", "abcdefghij", f"{HOME[:-1]}{(int(HOME[-1]) + 1) % 10}", f"{HOME}0"])
def test_a_slip_in_the_number_is_named(world: World, number: str):
    with pytest.raises(AccountNumberMalformed):
        world.ask(number)


@pytest.mark.parametrize("case", ["nobody's", "closed", "without a contact"])
def test_a_number_that_cannot_be_attached_is_answered_in_one_way(world: World, case: str):
    number = HOME
    with transaction() as db:
        account = db.get_one(BillingAccount, world.accounts[HOME])
        if case == "nobody's":
            number = account_number(900_000_009)
        elif case == "closed":
            account.status, account.closed_on = AccountStatus.CLOSED, date(2026, 1, 1)
        else:
            account.contact_email = account.contact_phone = None
        db.add(account)
    with pytest.raises(AccountUnknown) as refused:
        world.ask(number)
    assert refused.value.facts == {}


def test_what_is_attached_already_is_named_by_ones_own_name_for_it(world: World):
    world.attach()
    perform(rename_attachment, visitor=world.anna, attachment_id=world.attachment(HOME), label="Дом")
    with pytest.raises(AccountAlreadyAttached) as refused:
        world.ask()
    assert refused.value.facts == {"label": "Дом"}


def test_numbers_cannot_be_tried_out_in_bulk(world: World, at: Callable[[datetime], None]):
    limit = settings().attach_requests_per_hour
    for serial in range(limit):
        with pytest.raises(AccountUnknown):
            world.ask(account_number(910_000_000 + serial))
    with pytest.raises(TooManyAttempts):
        world.ask(HOME)
    world.ask(HOME, visitor=world.olga)
    at(NOW + timedelta(hours=1, minutes=1))
    world.ask(HOME)


def test_an_older_code_dies_when_a_newer_one_is_sent(world: World):
    older = world.ask()
    old_code = newest_code()
    newer = world.ask()
    new_code = newest_code()
    with pytest.raises(CodeSpent):
        world.enter(older, old_code)
    world.enter(newer, new_code)
    assert [row.number for row in world.list()] == [HOME]


# --- entering it ------------------------------------------------------------------------------------
def test_the_right_code_attaches_at_once(world: World):
    sent = world.ask()
    assert world.enter(sent, f" {newest_code()[:3]} {newest_code()[3:]} ") == world.accounts[HOME]
    (row,) = world.list()
    assert (row.number, row.right, row.is_own, row.label) == (HOME, Right.MANAGE, True, "")


@pytest.mark.parametrize(("number", "right"), [(HOME, Right.PAY), (MOBILE, Right.PAY), (TV, Right.MANAGE)])
def test_whose_contact_it_is_may_manage_who_was_told_the_code_may_pay(world: World, number: str, right: Right):
    world.attach(number, visitor=world.olga)
    assert [row.right for row in world.list(world.olga)] == [right]


def test_a_phone_of_ones_own_on_file_proves_as_much_as_an_e_mail(world: World):
    with transaction() as db:
        account = db.get_one(BillingAccount, world.accounts[MOBILE])
        account.contact_phone = "+79000000055"
        db.add(account)
    world.attach(MOBILE, visitor=world.olga)
    assert [row.right for row in world.list(world.olga)] == [Right.MANAGE]


def test_each_wrong_try_counts_though_it_is_refused_and_the_sixth_is_not_even_compared(world: World):
    sent = world.ask()
    code = newest_code()
    for left in (4, 3, 2, 1):
        with pytest.raises(CodeWrong) as refused:
            world.enter(sent, wrong(code))
        assert refused.value.facts == {"tries_left": left}
    with pytest.raises(CodeSpent):
        world.enter(sent, wrong(code))
    with pytest.raises(CodeSpent):
        world.enter(sent, code)
    assert world.list() == []
    with reading() as db:
        tries = select(AuditEntry.outcome).where(col(AuditEntry.action) == "attach_account")
        assert list(db.exec(tries).all()) == [Outcome.REFUSED] * 6


def test_the_fifth_try_may_be_the_right_one(world: World):
    sent = world.ask()
    code = newest_code()
    for _ in range(4):
        with pytest.raises(CodeWrong):
            world.enter(sent, wrong(code))
    assert world.enter(sent, code) == world.accounts[HOME]


def test_thirty_guesses_at_once_get_five_tries(world: World):
    sent = world.ask()
    code = newest_code()

    def guess(number: int) -> type[Exception]:
        try:
            world.enter(sent, f"{(int(code) + 1 + number) % 1_000_000:06d}")
        except (CodeWrong, CodeSpent) as refusal:
            return type(refusal)
        return AssertionError

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(guess, range(30)))
    assert set(answers) <= {CodeWrong, CodeSpent}
    assert answers.count(CodeWrong) <= 5
    with pytest.raises(CodeSpent):
        world.enter(sent, code)


def test_a_code_works_until_its_time_is_over(world: World, at: Callable[[datetime], None]):
    sent = world.ask()
    at(sent.expires_at)
    with pytest.raises(CodeExpired):
        world.enter(sent, newest_code())
    at(sent.expires_at - timedelta(seconds=1))
    world.enter(sent, newest_code())


def test_a_code_works_once(world: World):
    sent = world.ask()
    code = newest_code()
    world.enter(sent, code)
    perform(detach_account, visitor=world.anna, attachment_id=world.attachment(HOME))
    with pytest.raises(CodeSpent):
        world.enter(sent, code)


def test_ten_windows_attach_an_account_once(world: World):
    sent = world.ask()
    code = newest_code()

    def one(_: int) -> bool:
        try:
            world.enter(sent, code)
        except (CodeSpent, AccountAlreadyAttached):
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(one, range(5))) == 1
    assert len(world.list()) == 1


def test_somebody_elses_code_is_not_ones_own_even_when_it_is_right(world: World):
    sent = world.ask()
    with pytest.raises(NotAllowed):
        world.enter(sent, newest_code(), visitor=world.olga)
    with reading() as db:
        assert db.get_one(AttachCode, sent.attach_code_id).tries_left == settings().attach_code_tries


# --- one's own list ---------------------------------------------------------------------------------
def test_accounts_stand_in_the_order_of_attaching_and_move_one_place_at_a_time(world: World):
    for number in (HOME, MOBILE, TV):
        world.attach(number)
    numbers: Callable[[], list[str]] = lambda: [row.number for row in world.list()]  # noqa: E731
    assert numbers() == [HOME, MOBILE, TV]
    perform(move_attachment, visitor=world.anna, attachment_id=world.attachment(TV), up=True)
    assert numbers() == [HOME, TV, MOBILE]
    perform(move_attachment, visitor=world.anna, attachment_id=world.attachment(HOME), up=False)
    assert numbers() == [TV, HOME, MOBILE]
    perform(move_attachment, visitor=world.anna, attachment_id=world.attachment(TV), up=True)
    perform(move_attachment, visitor=world.anna, attachment_id=world.attachment(MOBILE), up=False)
    assert numbers() == [TV, HOME, MOBILE]


def test_each_person_has_their_own_names_and_order(world: World):
    for visitor in (world.anna, world.olga):
        world.attach(HOME, visitor)
        world.attach(MOBILE, visitor)
    perform(rename_attachment, visitor=world.olga, attachment_id=world.attachment(HOME, world.olga), label="  У   мамы ")
    perform(move_attachment, visitor=world.olga, attachment_id=world.attachment(MOBILE, world.olga), up=True)
    assert [(row.number, row.label) for row in world.list(world.olga)] == [(MOBILE, ""), (HOME, "У мамы")]
    assert [(row.number, row.label) for row in world.list()] == [(HOME, ""), (MOBILE, "")]


def test_an_empty_name_goes_back_to_the_services(world: World):
    world.attach()
    perform(rename_attachment, visitor=world.anna, attachment_id=world.attachment(HOME), label="Дом")
    assert perform(rename_attachment, visitor=world.anna, attachment_id=world.attachment(HOME), label="  ") == ""


@pytest.mark.parametrize("label", ["x" * 41, "Дом\u202eмод", "Дом\x07"])
def test_a_name_that_misleads_or_is_too_long_is_refused(world: World, label: str):
    world.attach()
    with pytest.raises(LabelMalformed):
        perform(rename_attachment, visitor=world.anna, attachment_id=world.attachment(HOME), label=label)


def _autopay(customer_id: int, account_id: int, trigger: AutopayTrigger) -> None:
    with transaction() as db:
        card = _save(
            db,
            SavedCard(
                customer_id=customer_id,
                token=f"t{customer_id}{trigger}",
                brand=CardBrand.MIR,
                last_four="4417",
                expires_on=date(2030, 1, 31),
                added_at=NOW,
            ),
        )
        by_day = trigger is AutopayTrigger.MONTHLY
        _save(
            db,
            AutopayRule(
                customer_id=customer_id,
                billing_account_id=account_id,
                card_id=card.id,
                trigger=trigger,
                day_of_month=5 if by_day else None,
                threshold_kopecks=None if by_day else 10_000,
                amount_kind=AutopayAmount.FIXED,
                amount_kopecks=50_000,
                consent_at=NOW,
                created_at=NOW,
                changed_at=NOW,
            ),
        )


def test_detaching_ends_ones_own_autopay_keeps_the_relatives_and_all_history(world: World):
    world.attach(HOME)
    world.attach(HOME, world.olga)
    _autopay(world.anna.customer_id, world.accounts[HOME], AutopayTrigger.MONTHLY)
    _autopay(world.olga.customer_id, world.accounts[HOME], AutopayTrigger.THRESHOLD)
    assert [row.autopay_rules for row in world.list()] == [1]

    ended = perform(detach_account, visitor=world.anna, attachment_id=world.attachment(HOME))
    assert ended.autopay_rules == 1
    assert world.list() == []
    assert [row.number for row in world.list(world.olga)] == [HOME]
    with reading() as db:
        states = dict(db.exec(select(AutopayRule.customer_id, AutopayRule.state)).all())
        assert states == {world.anna.customer_id: AutopayState.DELETED, world.olga.customer_id: AutopayState.ACTIVE}
        assert db.exec(select(func.count()).select_from(Attachment)).one() == 2


def test_what_was_detached_can_be_attached_again_at_the_end_and_without_its_old_name(world: World):
    for number in (HOME, MOBILE):
        world.attach(number)
    perform(rename_attachment, visitor=world.anna, attachment_id=world.attachment(HOME), label="Дом")
    perform(detach_account, visitor=world.anna, attachment_id=world.attachment(HOME))
    world.attach(HOME)
    assert [(row.number, row.label) for row in world.list()] == [(MOBILE, ""), (HOME, "")]


def test_what_is_detached_can_neither_be_named_nor_moved_nor_detached(world: World):
    world.attach()
    attachment_id = world.attachment(HOME)
    perform(detach_account, visitor=world.anna, attachment_id=attachment_id)
    for act, given in ((rename_attachment, {"label": "x"}), (move_attachment, {"up": True}), (detach_account, {})):
        with pytest.raises(NotAllowed):
            perform(act, visitor=world.anna, attachment_id=attachment_id, **given)


# --- the demo's mailbox -----------------------------------------------------------------------------
def test_the_mailbox_has_ones_own_letters_and_those_one_caused_newest_first(world: World):
    world.ask(HOME, visitor=world.olga)
    world.ask(MOBILE)
    world.ask(TV)
    assert [letter.recipient for letter in letters(world.olga)] == ["olga@kabinet.example", "anna@kabinet.example"]
    assert [letter.recipient for letter in letters(world.anna)] == [
        "olga@kabinet.example",
        "+79000000022",
        "anna@kabinet.example",
    ]


def test_who_neither_got_nor_caused_a_letter_does_not_read_it(world: World):
    world.ask(HOME)
    assert letters(world.olga) == []


def test_a_person_without_contacts_reads_only_what_they_caused(world: World):
    with transaction() as db:
        nobody = _save(db, Customer(last_name="Но", first_name="Ян", region_code="RU-MOW"))
    world.ask(HOME)
    assert letters(_visitor(nobody.id, "Ян")) == []


def test_production_shows_nobody_any_letter(world: World, monkeypatch: pytest.MonkeyPatch):
    world.ask(HOME)
    as_in_production(monkeypatch)
    settings.cache_clear()
    with pytest.raises(DemoOnly):
        letters(world.anna)
