"""Points come with money that stays paid, are spent as money, and are gone on their day: each once, whoever meets whom."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

import clock
from actions import perform
from actions.bonus import Spent, connect_with_points, expire_lots, grant_birthdays, grant_for_payment, spend_points, take_back
from actions.consents import answer_questions, change_consent
from actions.ledger import post
from actions.orders import place_order
from db import reading, transaction
from db.check import faults
from jobs.schedule import JOBS
from models import (
    Attachment,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    Option,
    OptionPrice,
    Order,
    Payment,
    PaymentPart,
    Refund,
    Transfer,
)
from queries.bonus import movements, points_of_payment
from rules.refusals import (
    AccountClosed,
    AccountNotActive,
    KeyReused,
    NotAllowed,
    NotEnoughPoints,
    OptionAlreadyConnected,
    PointsMalformed,
    PriceChanged,
    RightTooLow,
)
from rules.terms import (
    AccountStatus,
    BillingMode,
    BonusKind,
    BonusSource,
    ConsentKind,
    OptionGroup,
    OrderKind,
    OrderState,
    PaymentMethod,
    PaymentState,
    Recurrence,
    Right,
    Role,
    ServiceKind,
    TransferCode,
)
from rules.visitor import Visitor
from settings import operator
from tests.conftest import use_database
from tests.money.world import World, at

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
TODAY = date(2026, 11, 16)
"""Fifteen of November's thirty days are left, the 16th included: half a month's price."""


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""

    def to(now: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: now)

    to(NOW)
    return to


@dataclass
class Home:
    """Anna with a mobile and an internet account, Peter who may pay the first, Olga who may look at it."""

    anna: Visitor
    peter: Visitor
    olga: Visitor
    mobile: int
    internet: int

    def lot(self, points: int, expires_on: date = date(2027, 5, 1), who: Visitor | None = None) -> int:
        with transaction() as db:
            world = World(db)
            world.number = 1_000 + _count(db, BonusEntry) * 10
            owner = db.get_one(Customer, (who or self.anna).customer_id)
            return world.lot(owner, points, expires_on - timedelta(days=365), expires_on).id

    def spend(self, points: int, key: str = "k", who: Visitor | None = None, account_id: int | None = None) -> Spent:
        return perform(
            spend_points, visitor=who or self.anna, account_id=account_id or self.mobile, points=points, key=key
        )  # fmt: skip

    def paid(self, kopecks: int | dict[int, int], *, by_autopay: bool = False, who: Visitor | None = None) -> int:
        """A payment that has just succeeded, settled as live ones are: money first, then points."""
        with transaction() as db:
            return _settled(db, (who or self.anna).customer_id, kopecks if isinstance(kopecks, dict) else {self.mobile: kopecks},
                            by_autopay).id  # fmt: skip

    def back(self, payment_id: int, kopecks: int, now: datetime = NOW) -> tuple[int, int]:
        """A refund that has just succeeded: what was taken, what is owed."""
        with transaction() as db:
            payment = db.exec(select(Payment).where(col(Payment.id) == payment_id).with_for_update()).one()
            account_id = db.exec(
                select(PaymentPart.billing_account_id).where(col(PaymentPart.payment_id) == payment_id).limit(1)
            ).one()
            number = _count(db, Refund)
            refund = Refund(payment_id=payment_id, billing_account_id=account_id, amount_kopecks=kopecks, reason="Ошибка",
                            state=PaymentState.SUCCEEDED, key=f"r{number}", requested_by_id=self.peter.customer_id,
                            gateway_key=f"g{number}", created_at=now, settled_at=now)  # fmt: skip
            db.add(refund)
            db.flush()
            post(db, account_id=account_id, code=TransferCode.REFUND, amount_kopecks=kopecks, key=f"refund:{refund.id}",
                 occurred_at=now, payment_id=payment_id)  # fmt: skip
            taken = take_back(db, refund=refund, payment=payment, now=now)
            assert take_back(db, refund=refund, payment=payment, now=now) == 0, "the same refund takes once"
            return taken, refund.points_owed


def _settled(db: Session, payer_id: int, parts: dict[int, int], by_autopay: bool = False) -> Payment:
    method, now = PaymentMethod.AUTOPAY if by_autopay else PaymentMethod.CARD, clock.now()
    payment = Payment(payer_id=payer_id, amount_kopecks=sum(parts.values()), method=method, state=PaymentState.SUCCEEDED,
                      key=f"p{_count(db, Payment)}", created_at=now, settled_at=now)  # fmt: skip
    db.add(payment)
    db.flush()
    for account_id, kopecks in sorted(parts.items()):
        db.add(PaymentPart(payment_id=payment.id, billing_account_id=account_id, amount_kopecks=kopecks))
        post(db, account_id=account_id, code=TransferCode.TOP_UP, amount_kopecks=kopecks, key=f"payment:{payment.id}",
             occurred_at=now, payment_id=payment.id)  # fmt: skip
    grant_for_payment(db, payment=payment, by_autopay=by_autopay, now=now)
    return payment


def _count(db: Session, noun: type) -> int:
    return int(db.exec(select(func.count()).select_from(noun)).one())


@pytest.fixture
def home(db: sa.Engine, move: Callable[[datetime], None]) -> Home:
    with transaction() as session:
        world = World(session)
        anna, peter, olga = (world.person(name) for name in ("Анна", "Пётр", "Ольга"))
        mobile, internet = world.account(anna), world.account(anna, service=ServiceKind.INTERNET)
        world.attach(peter, mobile, right=Right.PAY)
        world.attach(olga, mobile, right=Right.VIEW)
        return Home(*(world.visitor(person) for person in (anna, peter, olga)), mobile.id, internet.id)


def entries(customer_id: int) -> list[tuple[BonusKind, int, str]]:
    with reading() as db:
        rows = db.exec(select(BonusEntry).where(col(BonusEntry.customer_id) == customer_id).order_by(col(BonusEntry.id)))
        return [(row.kind, row.points, row.key) for row in rows]


def lots(customer_id: int) -> list[int]:
    """What is left in a person's lots, the oldest first."""
    with reading() as db:
        wanted = select(BonusLot.remaining).where(col(BonusLot.customer_id) == customer_id).order_by(col(BonusLot.id))
        return list(db.exec(wanted).all())


def balance(account_id: int) -> int:
    with reading() as db:
        return db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)).one()


def agrees(*, but: str = "") -> bool:
    """Nothing in the database disagrees; what tests of `World` make without a gateway aside."""
    with reading() as db:
        return [fault.what for fault in faults(db.connection()) if fault.what != but] == []


def change(model: type, where: Any, **values: Any) -> None:
    with transaction() as db:
        db.execute(sa.update(model).where(where).values(**values))


# --- money that came --------------------------------------------------------------------------------
def test_a_payment_earns_its_points_once_and_they_live_a_year(home: Home):
    payment_id = home.paid(50_000)
    with transaction() as db:
        assert grant_for_payment(db, payment=db.get_one(Payment, payment_id), by_autopay=False, now=NOW) == 25
    with reading() as db:
        lot, entry = db.exec(select(BonusLot)).one(), db.exec(select(BonusEntry)).one()
    assert (lot.source, lot.granted, lot.remaining) == (BonusSource.PAYMENT, 25, 25)
    assert (lot.granted_on, lot.expires_on) == (TODAY, date(2027, 11, 16))
    assert (entry.kind, entry.points, entry.key) == (BonusKind.EARNED, 25, f"payment:{payment_id}")
    assert (entry.payment_id, entry.billing_account_id) == (payment_id, home.mobile)
    assert agrees()


def test_a_payment_for_several_accounts_earns_on_the_whole_sum_and_names_none_of_them(home: Home):
    home.paid({home.mobile: 3_000, home.internet: 3_000})
    with reading() as db:
        entry = db.exec(select(BonusEntry)).one()
    assert (entry.points, entry.billing_account_id) == (3, None)  # 30 ₽ twice would be a point each


def test_autopay_earns_five_percent_more_and_says_so(home: Home):
    home.paid(200_000, by_autopay=True)
    with reading() as db:
        lot = db.exec(select(BonusLot)).one()
    assert (lot.source, lot.granted) == (BonusSource.AUTOPAY, 105)


def test_points_go_to_who_paid_not_to_whose_account_it_is(home: Home):
    home.paid(50_000, who=home.peter)
    assert (lots(home.anna.customer_id), lots(home.peter.customer_id)) == ([], [25])


def test_less_than_a_step_earns_nothing_and_leaves_nothing(home: Home):
    home.paid(1_999)
    assert entries(home.anna.customer_id) == []


def test_cash_earns_nothing(home: Home):
    with transaction() as db:
        payment = World(db).pay(db.get_one(BillingAccount, home.mobile), 50_000, NOW, payer=None)
        assert grant_for_payment(db, payment=payment, by_autopay=False, now=NOW) == 0
        assert _count(db, BonusLot) == 0


def test_the_day_of_points_is_the_day_in_the_persons_region(home: Home, move: Callable[[datetime], None]):
    change(Customer, col(Customer.id) == home.anna.customer_id, region_code="RU-KAM")
    move(at("2026-11-16 12:30"))  # past midnight on Kamchatka
    home.paid(50_000)
    with reading() as db:
        assert db.exec(select(BonusLot.granted_on)).one() == date(2026, 11, 17)


def test_the_operators_terms_decide(home: Home, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    _terms(
        tmp_path,
        monkeypatch,
        "kopecks_per_point = 2_000",
        "kopecks_per_point = 500",
        "lifetime_months = 12",
        "lifetime_months = 3",
    )
    home.paid(50_000)
    with reading() as db:
        lot = db.exec(select(BonusLot)).one()
    assert (lot.granted, lot.expires_on) == (100, date(2027, 2, 16))


def _terms(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, *changes: str) -> None:
    """Another operator: the same file with some words changed, pairwise."""
    from settings import ROOT, settings

    text = (ROOT / "operator.toml").read_text(encoding="utf-8")
    for before, after in zip(changes[::2], changes[1::2], strict=True):
        assert before in text
        text = text.replace(before, after)
    file = tmp_path / "operator.toml"
    file.write_text(text.replace('"static/', f'"{ROOT}/static/'), encoding="utf-8")
    monkeypatch.setenv("OPERATOR_FILE", str(file))
    settings.cache_clear()
    operator.cache_clear()


@pytest.fixture(autouse=True)
def _own_operator() -> Iterator[None]:
    yield
    operator.cache_clear()


# --- money that went --------------------------------------------------------------------------------
def test_a_refund_takes_back_what_the_rest_would_not_have_earned(home: Home):
    payment_id = home.paid(50_000)
    assert home.back(payment_id, 1_000) == (1, 0)  # 490 ₽ earn 24
    assert home.back(payment_id, 1_000) == (0, 0)  # 480 ₽ earn 24, too
    assert home.back(payment_id, 48_000) == (24, 0)
    assert lots(home.anna.customer_id) == [0]
    assert agrees()


def test_a_refund_takes_from_the_payments_own_lot_first_then_from_what_expires_first(home: Home):
    later, sooner = home.lot(100, date(2027, 9, 1)), home.lot(15, date(2026, 12, 1))
    payment_id = home.paid(100_000)
    home.spend(30)  # 15 of the sooner, 15 of the later: neither touches the payment's own
    assert lots(home.anna.customer_id) == [85, 0, 50]
    home.spend(100, key="more")  # the rest of the later, 15 of its own
    home.lot(12, date(2026, 12, 20))
    home.lot(90, date(2026, 11, 16))  # gone today: nothing of it is to be had
    assert home.back(payment_id, 100_000) == (47, 3)
    assert lots(home.anna.customer_id) == [0, 0, 0, 0, 90]
    keys = {key for kind, _, key in entries(home.anna.customer_id) if kind is BonusKind.REVERSED}
    assert len(keys) == 2
    assert all(key.startswith("refund:") for key in keys)
    assert not keys & {str(later), str(sooner)}
    assert agrees()


def test_while_its_own_points_are_there_a_refund_touches_no_others(home: Home):
    home.lot(40, date(2026, 12, 1))
    payment_id = home.paid(50_000)
    home.lot(40, date(2026, 12, 1))
    assert home.back(payment_id, 30_000) == (15, 0)
    assert lots(home.anna.customer_id) == [40, 10, 40]


def test_points_that_were_spent_are_owed_and_the_next_ones_cover_them_oldest_first(home: Home):
    first, second = home.paid(50_000), home.paid(20_000)
    home.spend(35)
    assert home.back(first, 50_000) == (0, 25)
    assert home.back(second, 20_000) == (0, 10)
    payment_id = home.paid(60_000)
    told = entries(home.anna.customer_id)[-3:]
    assert told[0] == (BonusKind.EARNED, 30, f"payment:{payment_id}")
    assert [(kind, points) for kind, points, _ in told[1:]] == [(BonusKind.REVERSED, -25), (BonusKind.REVERSED, -5)]
    assert [key.split(":")[::2] for _, _, key in told[1:]] == [["owed", str(payment_id)]] * 2
    with reading() as db:
        assert list(db.exec(select(Refund.points_owed).order_by(col(Refund.id)))) == [0, 5]
    home.paid(60_000)
    assert lots(home.anna.customer_id) == [0, 0, 0, 25]
    assert agrees()


def test_what_is_owed_is_not_asked_for_again_by_the_next_refund_of_the_same_payment(home: Home):
    payment_id = home.paid(100_000)
    home.spend(50)
    assert home.back(payment_id, 40_000) == (0, 20)
    home.paid(20_000)  # covers ten of them
    assert home.back(payment_id, 60_000) == (0, 30)
    home.paid(100_000)
    assert lots(home.anna.customer_id) == [0, 0, 10]
    assert agrees()


def test_points_that_expired_are_not_taken_a_second_time(home: Home, move: Callable[[datetime], None]):
    payment_id = home.paid(100_000)
    home.spend(30)
    late = at("2027-11-20")
    assert expire_lots(late) == 1
    move(late)
    home.lot(100, date(2028, 5, 1))
    assert home.back(payment_id, 100_000, late) == (30, 0)  # the thirty that were spent
    assert agrees()


def test_after_a_change_of_terms_a_payment_keeps_its_points_in_proportion(
    home: Home, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    payment_id = home.paid(100_000)
    _terms(tmp_path, monkeypatch, "kopecks_per_point = 2_000", "kopecks_per_point = 1_000")
    assert home.back(payment_id, 50_000) == (25, 0)
    assert home.back(payment_id, 50_000) == (25, 0)


def test_a_refund_of_what_earned_nothing_takes_nothing(home: Home):
    payment_id = home.paid(1_500)
    home.lot(100)
    assert home.back(payment_id, 1_500) == (0, 0)
    assert lots(home.anna.customer_id) == [100]


def test_points_of_other_people_pay_for_nobody(home: Home):
    payment_id = home.paid(50_000, who=home.peter)
    home.spend(25, who=home.peter)
    home.lot(100)
    assert home.back(payment_id, 50_000) == (0, 25)
    home.paid(50_000)
    assert lots(home.anna.customer_id) == [100, 25]


# --- once -------------------------------------------------------------------------------------------
WORDINGS = dict.fromkeys(ConsentKind, "Вопрос")


def _answer(who: Visitor, *, e_bill: bool) -> None:
    answers = {kind: kind is not ConsentKind.E_BILL or e_bill for kind in ConsentKind}
    perform(answer_questions, visitor=who, answers=answers, wordings=WORDINGS, region_code="RU-MOW")


def test_the_first_answers_bring_points_for_the_profile_and_the_e_bill_told_apart(home: Home):
    change(Customer, col(Customer.id) == home.anna.customer_id, welcomed_at=None)
    _answer(home.anna, e_bill=True)
    _answer(home.anna, e_bill=True)
    assert {row[1:] for row in entries(home.anna.customer_id)} == {(50, "profile"), (30, "e_bill")}
    with reading() as db:
        told = movements(db, visitor=home.anna)
    assert {(row.source, row.points) for row in told} == {(BonusSource.PROFILE, 50), (BonusSource.E_BILL, 30)}


def test_the_e_bill_brings_points_once_in_a_lifetime(home: Home):
    change(Customer, col(Customer.id) == home.anna.customer_id, welcomed_at=None)
    _answer(home.anna, e_bill=False)
    assert lots(home.anna.customer_id) == [50]
    for given in (True, False, True):
        perform(change_consent, visitor=home.anna, kind=ConsentKind.E_BILL, given=given, wording="Вопрос")
    perform(change_consent, visitor=home.anna, kind=ConsentKind.OFFERS, given=False, wording="Вопрос")
    assert lots(home.anna.customer_id) == [50, 30]


def test_points_for_answers_cover_what_is_owed_too(home: Home):
    payment_id = home.paid(50_000)
    home.spend(25)
    home.back(payment_id, 50_000)
    perform(change_consent, visitor=home.anna, kind=ConsentKind.E_BILL, given=True, wording="Вопрос")
    assert lots(home.anna.customer_id) == [0, 5]
    assert agrees()


def test_an_operator_who_gives_no_points_for_it_gives_none(home: Home, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    _terms(tmp_path, monkeypatch, "e_bill_points = 30", "e_bill_points = 0", "birthday_points = 100", "birthday_points = 0")
    perform(change_consent, visitor=home.anna, kind=ConsentKind.E_BILL, given=True, wording="Вопрос")
    change(Customer, col(Customer.id) == home.anna.customer_id, birth_on=date(1990, 11, 16))
    assert grant_birthdays(NOW) == 0
    assert entries(home.anna.customer_id) == []


# --- spending ---------------------------------------------------------------------------------------
def test_a_point_is_a_rouble_on_the_balance_and_what_expires_first_is_spent_first(home: Home):
    late, soon = home.lot(100, date(2027, 5, 1)), home.lot(30, date(2026, 11, 17))
    assert home.spend(45) == Spent(home.mobile, 45, 4_500)
    assert lots(home.anna.customer_id) == [85, 0]
    assert balance(home.mobile) == 4_500
    spent = [(points, key) for kind, points, key in entries(home.anna.customer_id) if kind is BonusKind.SPENT]
    assert sorted(spent) == [(-30, f"spent:k:{soon}"), (-15, f"spent:k:{late}")]
    with reading() as db:
        transfer = db.exec(select(Transfer)).one()
        told = movements(db, visitor=home.anna)
    assert (transfer.code, transfer.amount_kopecks) == (TransferCode.BONUS_SPENT, 4_500)
    assert (told[0].kind, told[0].points, told[0].service) == (BonusKind.SPENT, -45, ServiceKind.MOBILE)
    assert agrees()


def test_a_relative_with_the_right_to_pay_spends_their_own_points(home: Home):
    home.lot(50)
    home.lot(20, who=home.peter)
    home.spend(20, who=home.peter)
    assert (lots(home.anna.customer_id), lots(home.peter.customer_id), balance(home.mobile)) == ([50], [0], 2_000)


def test_more_than_there_is_names_what_there_is_and_moves_nothing(home: Home):
    home.lot(30)
    home.lot(40, TODAY)  # gone this very day, written off or not
    home.lot(99, who=home.peter)
    with pytest.raises(NotEnoughPoints) as refused:
        home.spend(31)
    assert refused.value.facts == {"points": 30, "wanted": 31}
    assert (lots(home.anna.customer_id), balance(home.mobile)) == ([30, 40], 0)


@pytest.mark.parametrize("points", [0, -5])
def test_points_are_spent_from_one_on(home: Home, points: int):
    home.lot(30)
    with pytest.raises(PointsMalformed):
        home.spend(points)


def test_who_may_only_look_or_sees_nothing_spends_nothing(home: Home):
    home.lot(30, who=home.olga)
    home.lot(30, who=home.peter)
    with pytest.raises(RightTooLow):
        home.spend(1, who=home.olga)
    with pytest.raises(NotAllowed):
        home.spend(1, who=home.peter, account_id=home.internet)


def test_a_blocked_account_takes_points_a_closed_one_does_not(home: Home):
    home.lot(30)
    change(BillingAccount, col(BillingAccount.id) == home.mobile, status=AccountStatus.BLOCKED)
    home.spend(10)
    change(BillingAccount, col(BillingAccount.id) == home.mobile, status=AccountStatus.CLOSED, closed_on=TODAY)
    change(Attachment, col(Attachment.billing_account_id) == home.mobile, label="Дача")
    with pytest.raises(AccountClosed) as refused:
        home.spend(10, key="other")
    assert refused.value.facts == {"label": "Дача"}
    assert home.spend(10) == Spent(home.mobile, 10, 1_000), "what was done is still the answer to the same key"


def test_the_same_key_is_spent_once_and_with_other_content_refused(home: Home):
    home.lot(20)
    home.lot(40)
    assert home.spend(50) == home.spend(50)
    assert (lots(home.anna.customer_id), balance(home.mobile)) == ([0, 10], 5_000)
    for points, account_id in ((49, home.mobile), (50, home.internet)):
        with pytest.raises(KeyReused):
            home.spend(points, account_id=account_id)
    home.lot(5, who=home.peter)
    home.spend(5, who=home.peter)  # a key is its person's own
    assert balance(home.mobile) == 5_500


def test_of_twenty_who_spend_the_last_points_at_once_one_wins(home: Home):
    home.lot(60)
    home.lot(40)

    def one(number: int) -> bool:
        try:
            home.spend(100, key=f"window {number}", account_id=(home.mobile, home.internet)[number % 2])
        except NotEnoughPoints:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(one, range(20))) == 1
    assert lots(home.anna.customer_id) == [0, 0]
    assert balance(home.mobile) + balance(home.internet) == 10_000
    assert agrees()


def test_of_twenty_clicks_with_one_key_one_moves_points_and_all_are_answered_alike(home: Home):
    home.lot(100)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: home.spend(30), range(20)))
    assert answers == [Spent(home.mobile, 30, 3_000)] * 20
    assert (lots(home.anna.customer_id), balance(home.mobile)) == ([70], 3_000)


def _spend_elsewhere(url: str, home: Home, numbers: range) -> int:
    """In a process of its own: how many of these spendings went through."""
    with pytest.MonkeyPatch.context() as patch:
        use_database(url, patch)
        patch.setattr(clock, "now", lambda: NOW)
        won = 0
        for number in numbers:
            try:
                home.spend(7, key=f"process {number}")
                won += 1
            except NotEnoughPoints:
                pass
        return won


def test_several_processes_never_spend_a_point_twice(home: Home, database_url: str):
    for points in (20, 30, 25):
        home.lot(points)
    started = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=started) as pool:
        told = [pool.submit(_spend_elsewhere, database_url, home, range(start, start + 5)) for start in (0, 5, 10)]
        assert sum(each.result() for each in told) == 10  # of fifteen: 75 points are ten times seven
    assert sum(lots(home.anna.customer_id)) == 5
    assert balance(home.mobile) == 7_000
    assert agrees()


def test_spending_granting_and_taking_back_at_once_wait_for_each_other_and_lose_nothing(home: Home):
    first = home.paid({home.mobile: 100_000, home.internet: 100_000})
    home.lot(40)
    before = balance(home.mobile) + balance(home.internet)

    def spend(number: int) -> int:
        return home.spend(3, key=f"s{number}", account_id=(home.mobile, home.internet)[number % 2]).points

    def pay(number: int) -> int:
        with transaction() as db:
            accounts = {home.mobile: 2_000, home.internet: 2_000} if number % 2 else {home.internet: 4_000}
            payment = Payment(payer_id=home.anna.customer_id, amount_kopecks=4_000, method=PaymentMethod.CARD,
                              state=PaymentState.SUCCEEDED, key=f"at once {number}", created_at=NOW, settled_at=NOW)  # fmt: skip
            db.add(payment)
            db.flush()
            db.exec(select(Payment.id).where(col(Payment.id) == payment.id).with_for_update()).one()
            for account_id, kopecks in sorted(accounts.items()):
                db.add(PaymentPart(payment_id=payment.id, billing_account_id=account_id, amount_kopecks=kopecks))
                post(db, account_id=account_id, code=TransferCode.TOP_UP, amount_kopecks=kopecks, key=f"payment:{payment.id}",
                     occurred_at=NOW, payment_id=payment.id)  # fmt: skip
            grant_for_payment(db, payment=payment, by_autopay=False, now=NOW)
        return 0

    def give_back(_: int) -> int:
        home.back(first, 10_000)
        return 0

    with ThreadPoolExecutor(12) as pool:
        work = [pool.submit(task, number) for number in range(10) for task in (spend, pay)]
        work += [pool.submit(give_back, 0)]
        spent = sum(each.result() for each in work)
    assert spent == 30
    assert sum(lots(home.anna.customer_id)) == 100 + 40 - 30 + 20 - 5
    assert balance(home.mobile) + balance(home.internet) == before + 3_000 + 40_000 - 10_000
    assert agrees()


def test_a_refund_and_the_payment_that_covers_an_earlier_one_never_wait_for_each_other(home: Home):
    first = home.paid(200_000)
    home.spend(100)
    assert home.back(first, 20_000) == (0, 10)

    def once_more(number: int) -> None:
        if number % 2:
            home.back(first, 2_000)
            return
        with transaction() as db:
            payment = Payment(payer_id=home.anna.customer_id, amount_kopecks=2_000, method=PaymentMethod.CARD,
                              state=PaymentState.SUCCEEDED, key=f"covers {number}", created_at=NOW, settled_at=NOW)  # fmt: skip
            db.add(payment)
            db.flush()
            db.add(PaymentPart(payment_id=payment.id, billing_account_id=home.mobile, amount_kopecks=2_000))
            post(db, account_id=home.mobile, code=TransferCode.TOP_UP, amount_kopecks=2_000, key=f"payment:{payment.id}",
                 occurred_at=NOW, payment_id=payment.id)  # fmt: skip
            grant_for_payment(db, payment=payment, by_autopay=False, now=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once_more, range(24)))
    with reading() as db:
        owed = db.exec(select(func.sum(Refund.points_owed))).one()
    # Of a hundred points 78 stay earned and 100 were spent: 22 to bring back, 12 came.
    assert (int(owed or 0) - sum(lots(home.anna.customer_id))) == 10
    assert agrees()


# --- an option for points ---------------------------------------------------------------------------
@dataclass
class Shop:
    """Options of mobile accounts: half of 89.90 ₽ now, one that takes two hours, a free one."""

    home: Home
    social: int
    slow: int

    def connect(self, option_id: int, confirmed: int, key: str = "c", **more: Any) -> Any:
        given = {"visitor": self.home.anna, "account_id": self.home.mobile, **more}
        return perform(connect_with_points, option_id=option_id, confirmed_kopecks=confirmed, key=key, **given)


@pytest.fixture
def shop(home: Home) -> Shop:
    with transaction() as db:
        made = []
        for code, price, minutes in (("social", 8_990, 0), ("slow", 6_000, 120)):
            option = Option(code=code, service=ServiceKind.MOBILE, group=OptionGroup.INTERNET, name_ru=code, name_en=code,
                            recurrence=Recurrence.MONTHLY, provisioning_minutes=minutes)  # fmt: skip
            db.add(option)
            db.flush()
            db.add(OptionPrice(option_id=option.id, valid_from_on=date(2024, 1, 1), price_kopecks=price))
            made.append(option.id)
    return Shop(home, *made)


def test_points_connect_an_option_though_there_is_no_money(shop: Shop):
    shop.home.lot(60)
    assert shop.connect(shop.social, 4_495).state is OrderState.DONE
    assert lots(shop.home.anna.customer_id) == [15]
    assert balance(shop.home.mobile) == 5  # 45 points came, 44.95 ₽ went
    assert shop.connect(shop.social, 4_495).state is OrderState.DONE, "a double click is one order"
    assert lots(shop.home.anna.customer_id) == [15]
    with reading() as db:
        codes = list(db.exec(select(Transfer.code).order_by(col(Transfer.id))))
    assert codes == [TransferCode.BONUS_SPENT, TransferCode.OPTION_FEE]
    assert agrees()


def test_what_takes_a_while_has_its_money_on_the_balance_meanwhile(shop: Shop):
    shop.home.lot(30)
    assert shop.connect(shop.slow, 3_000).state is OrderState.ACCEPTED
    assert (lots(shop.home.anna.customer_id), balance(shop.home.mobile)) == ([0], 3_000)


@pytest.mark.parametrize(
    "refusal", [PriceChanged, AccountNotActive, OptionAlreadyConnected, NotEnoughPoints, RightTooLow, NotAllowed]
)
def test_what_is_not_connected_costs_no_points(shop: Shop, refusal: type[Exception]):
    home, confirmed = shop.home, 4_495
    home.lot(44 if refusal is NotEnoughPoints else 200)
    if refusal is PriceChanged:
        confirmed = 4_494
    elif refusal is AccountNotActive:
        change(BillingAccount, col(BillingAccount.id) == home.mobile, status=AccountStatus.BLOCKED)
    elif refusal is OptionAlreadyConnected:
        shop.connect(shop.social, confirmed, key="before")
    elif refusal is RightTooLow:
        change(Attachment, col(Attachment.customer_id) == home.anna.customer_id, right=Right.PAY)
    elif refusal is NotAllowed:  # on a postpaid account it is the bill that points pay
        change(BillingAccount, col(BillingAccount.id) == home.mobile, mode=BillingMode.POSTPAID)
    before = lots(home.anna.customer_id), balance(home.mobile)
    with pytest.raises(refusal):
        shop.connect(shop.social, confirmed)
    assert (lots(home.anna.customer_id), balance(home.mobile)) == before


def test_a_debt_is_not_jumped_over_by_points(shop: Shop):
    from rules.refusals import NotEnoughMoney

    shop.home.lot(200)
    with transaction() as db:
        post(db, account_id=shop.home.mobile, code=TransferCode.PLAN_FEE, amount_kopecks=100, key="fee", occurred_at=NOW)
    with pytest.raises(NotEnoughMoney):
        shop.connect(shop.social, 4_495)
    assert lots(shop.home.anna.customer_id) == [200]


def test_an_order_that_money_paid_is_not_paid_again_with_points(shop: Shop):
    home = shop.home
    home.lot(60)
    home.paid(10_000)
    placed = perform(place_order, visitor=home.anna, account_id=home.mobile, option_id=shop.social, kind=OrderKind.CONNECT,
                     confirmed_kopecks=4_495, key="c")  # fmt: skip
    assert shop.connect(shop.social, 4_495) == placed
    assert lots(home.anna.customer_id) == [60, 5]
    with reading() as db:
        assert _count(db, Order) == 1


def test_of_ten_windows_that_connect_for_points_one_pays(shop: Shop):
    shop.home.lot(400)

    def one(number: int) -> bool:
        try:
            shop.connect(shop.social, 4_495, key=f"window {number}")
        except OptionAlreadyConnected:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(one, range(10))) == 1
    assert lots(shop.home.anna.customer_id) == [355]
    assert agrees()


# --- their day --------------------------------------------------------------------------------------
def test_points_are_written_off_on_their_day_in_the_persons_region_and_once(home: Home):
    home.lot(30, date(2026, 11, 17))
    home.lot(50, date(2026, 11, 18))
    gone = home.lot(20, date(2026, 11, 17), who=home.peter)
    change(Customer, col(Customer.id) == home.peter.customer_id, region_code="RU-KAM")
    assert expire_lots(at("2026-11-16 12:30")) == 1  # the 17th on Kamchatka, the 16th in Moscow
    assert entries(home.peter.customer_id)[-1] == (BonusKind.EXPIRED, -20, f"expired:{gone}")
    assert expire_lots(at("2026-11-16 20:59")) == 0
    assert expire_lots(at("2026-11-16 21:00")) == 1
    assert expire_lots(at("2026-11-16 21:00")) == 0
    assert lots(home.anna.customer_id) == [0, 50]
    assert agrees()


def test_workers_and_spenders_who_meet_write_off_each_lot_once(home: Home, monkeypatch: pytest.MonkeyPatch):
    from actions import bonus

    monkeypatch.setattr(bonus, "BATCH", 4)
    for number in range(12):
        home.lot(5, TODAY - timedelta(days=number), who=(home.anna, home.peter)[number % 2])
    home.lot(30)
    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(expire_lots, NOW) for _ in range(4)]
        spenders = [pool.submit(home.spend, 5, key=f"s{number}") for number in range(4)]
        assert [each.result().points for each in spenders] == [5] * 4
        written_off = sum(each.result() for each in workers)
    # What a spender had locked was left for the next round.
    assert written_off + expire_lots(NOW) == 12
    assert sum(lots(home.anna.customer_id)) == 10
    assert agrees()


def test_a_birthday_brings_points_on_the_day_once_a_year(home: Home):
    change(Customer, col(Customer.id) == home.anna.customer_id, birth_on=date(1990, 11, 17))
    assert grant_birthdays(at("2026-11-16 20:59")) == 0
    assert grant_birthdays(at("2026-11-16 21:00")) == 1
    assert grant_birthdays(at("2026-11-17 09:00")) == 0
    assert grant_birthdays(at("2027-11-17 09:00")) == 1
    assert entries(home.anna.customer_id) == [
        (BonusKind.EARNED, 100, "birthday:2026"),
        (BonusKind.EARNED, 100, "birthday:2027"),
    ]
    with reading() as db:
        lot = db.exec(select(BonusLot).limit(1)).one()
    assert (lot.source, lot.granted_on, lot.expires_on) == (BonusSource.BIRTHDAY, date(2026, 11, 17), date(2027, 11, 17))


@pytest.mark.parametrize(
    ("born", "now", "greeted"),
    [
        (date(1992, 2, 29), "2027-02-27 12:00", 0),
        (date(1992, 2, 29), "2027-02-28 12:00", 1),
        (date(1992, 2, 29), "2028-02-28 12:00", 0),
        (date(1992, 2, 29), "2028-02-29 12:00", 1),
        (date(1990, 12, 31), "2027-01-03 12:00", 1),
        (date(1990, 11, 9), "2026-11-16 09:00", 1),
        (date(1990, 11, 8), "2026-11-16 09:00", 0),
    ],
    ids=["too early", "no 29th", "not yet", "the 29th", "over New Year", "a week late", "too late"],
)
def test_birthdays_on_odd_days_and_after_days_with_nobody_at_work(home: Home, born: date, now: str, greeted: int):
    change(Customer, col(Customer.id) == home.anna.customer_id, birth_on=born)
    assert grant_birthdays(at(now)) == greeted
    assert grant_birthdays(at(now)) == 0


def test_no_birthday_for_who_came_after_it_works_here_or_has_left(home: Home):
    everybody = col(Customer.id) > 0
    change(Customer, everybody, birth_on=date(1990, 11, 16))
    change(Customer, col(Customer.id) == home.anna.customer_id, birth_on=date(1990, 11, 14), registered_at=at("2026-11-15"))
    change(Customer, col(Customer.id) == home.peter.customer_id, role=Role.ANALYST)
    change(Customer, col(Customer.id) == home.olga.customer_id, erased_at=NOW)
    assert grant_birthdays(NOW) == 0


def test_four_workers_greet_each_once(home: Home):
    change(Customer, col(Customer.id) > 0, birth_on=date(1990, 11, 16))
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: grant_birthdays(NOW), range(4))) == 3
    assert lots(home.anna.customer_id) == [100]


def test_the_background_does_both():
    assert {expire_lots, grant_birthdays} <= {job.work for job in JOBS}


def test_a_payment_tells_its_payer_alone_what_it_earned(home: Home):
    first, second = home.paid(50_000), home.paid({home.mobile: 1_000, home.internet: 500})
    home.back(first, 10_000)
    with reading() as db:
        told = [points_of_payment(db, visitor=home.anna, payment_id=number) for number in (first, second, 999)]
        assert told == [25, 0, 0]
        assert points_of_payment(db, visitor=home.peter, payment_id=first) == 0
