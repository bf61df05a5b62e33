"""Staff give money back: never more than was paid, once whatever happens on the way, with a reason that the customer reads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.bonus import expire_lots, spend_points
from actions.payments import content_of_biller, open_intent
from actions.refunds import (
    RefundProgress,
    advance_refund,
    begin_refund,
    look_up_payments,
    refund_progress,
    settle_refunds,
)
from actions.settlement import decline
from db import reading, transaction
from db.check import faults
from integrations.gateway import GatewayRefused, NoAnswer
from integrations.test_bank import Behaviour
from models import (
    AuditEntry,
    Biller,
    BillingAccount,
    BonusLot,
    Customer,
    Message,
    Payment,
    Refund,
    Transfer,
    UtilityPayment,
)
from queries.bonus import paid_last_year
from queries.payments import Narrowing, Operation, OperationKind, operations
from queries.refunds import OpenedPayment, listed, matching, needs_a_look, opened
from rules.bonus import level_for
from rules.numbers import format_account_number
from rules.payments import REPEAT_FOR
from rules.refusals import (
    FieldWrong,
    KeyReused,
    LooksLikeCard,
    NotAllowed,
    ReasonMissing,
    RefundImpossible,
    RefundTooMuch,
    Refusal,
)
from rules.terms import (
    BillerCategory,
    BonusLevel,
    DeclineReason,
    GatewayName,
    Language,
    Outcome,
    PaymentState,
    Role,
    TransferCode,
)
from rules.visitor import Visitor
from settings import operator
from tests.money.bank import balance, bank, later, pays
from tests.money.test_paying import Payer, of_account
from tests.money.world import World

REASON = "Платёж зачислен не на тот счёт"


class Desk:
    """Somebody who paid, and the administrator who gives money back."""

    def __init__(self) -> None:
        self.payer = Payer()
        with transaction() as db:
            world = World(db)
            person = world.person("Ольга")
            person.role = Role.ADMINISTRATOR
            db.add(person)
            self.visitor = replace(world.visitor(person), role=Role.ADMINISTRATOR)
        self._keys = 0

    def paid(self, parts: dict[int, int] | None = None, **given: Any) -> int:
        """The number of a payment that succeeded: 500 ₽ for the first account, or these sums."""
        went = self.payer.pays({self.payer.one: 50_000} if parts is None else parts, **given)
        assert went.state is PaymentState.SUCCEEDED
        return went.payment_id

    def begins(self, payment_id: int, kopecks: int, *, account_id: int | None = None, **given: Any) -> int:
        self._keys += 1
        given = {"visitor": self.visitor, "reason": REASON, "key": f"refund-{self._keys}", **given}
        account_id = self.payer.one if account_id is None else account_id
        return perform(begin_refund, payment_id=payment_id, account_id=account_id, amount_kopecks=kopecks, **given)

    def refunds(self, payment_id: int, kopecks: int, **given: Any) -> RefundProgress:
        """From the wish to the end."""
        return refund_progress(visitor=self.visitor, refund_id=self.begins(payment_id, kopecks, **given))

    def opens(self, payment_id: int) -> OpenedPayment:
        with reading() as db:
            return opened(db, visitor=self.visitor, payment_id=payment_id)

    def points(self) -> int:
        """What the payer holds."""
        with reading() as db:
            lots = select(sa.func.sum(col(BonusLot.remaining))).where(col(BonusLot.customer_id) == self.payer.person_id)
            return int(db.exec(lots).one() or 0)

    def level(self) -> BonusLevel:
        with reading() as db:
            paid = paid_last_year(db, visitor=self.payer.visitor, today=clock.today())
        return level_for(paid_last_year_kopecks=paid, terms=operator().bonus).level


@pytest.fixture
def desk(db: sa.Engine) -> Iterator[Desk]:
    made = Desk()
    yield made
    assert agrees(), "the books do not agree"


def row(refund_id: int) -> Refund:
    with reading() as db:
        return db.get_one(Refund, refund_id)


def given_back() -> list[tuple[int | None, int]]:
    """Account and kopecks of what the ledger says went back."""
    with reading() as db:
        rows = db.exec(select(Transfer).where(col(Transfer.code) == TransferCode.REFUND).order_by(col(Transfer.id)))
        return [(each.billing_account_id, each.amount_kopecks) for each in rows]


def agrees() -> bool:
    """Whether the ledger holds together, and the bank's books say the same of what came and went."""
    with reading() as db:
        charged = select(Payment.gateway_key, Payment.amount_kopecks).where(
            col(Payment.gateway_ref).is_not(None), col(Payment.state) == PaymentState.SUCCEEDED
        )
        came = db.exec(charged).all()
        went = db.exec(select(Refund.gateway_key, Refund.amount_kopecks).where(col(Refund.state) == PaymentState.SUCCEEDED)).all()
        posted = sum(kopecks for _, kopecks in given_back())
        return (
            faults(db.connection()) == []
            and sorted(map(tuple, came)) == sorted(bank().charges())
            and sorted(map(tuple, went)) == sorted(bank().refunds())
            and posted == sum(kopecks for _, kopecks in went)
        )


class Wire:
    """The bank behind a line that can be cut, before or after it has heard, and whose answers can be twisted."""

    name = GatewayName.TEST_BANK

    def __init__(self, *, loses: str = "", refuses: str = "", **twist: Any) -> None:
        self.loses, self.refuses, self.twist = loses, refuses, twist

    def refund(self, **wish: Any) -> Any:
        if self.loses == "question":
            raise NoAnswer("connection refused")
        if self.refuses:
            raise GatewayRefused(self.refuses)
        return self._answer(bank().refund(**wish))

    def ask_refund(self, ref: str) -> Any:
        if self.refuses:
            raise GatewayRefused(self.refuses)
        return self._answer(bank().ask_refund(ref))

    def find_refund(self, key: str, *, payment_ref: str) -> Any:
        return self._answer(bank().find_refund(key, payment_ref=payment_ref))

    def _answer(self, standing: Any) -> Any:
        if self.loses == "answer":
            raise NoAnswer("not in time")
        return standing if standing is None else replace(standing, **self.twist)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`wire(…)` puts a Wire before the bank, `wire()` mends it."""

    def put(**how: Any) -> None:
        monkeypatch.setattr("actions.refunds.gateway_called", lambda _name: Wire(**how))

    return put


# --- what people come for -----------------------------------------------------------------------------
def test_the_whole_of_a_payment_goes_back_to_the_card_it_came_from(desk: Desk):
    payment_id = desk.paid()
    assert of_account(desk.payer.one) == -20_000
    went = desk.refunds(payment_id, 50_000)
    assert (went.state, went.known) == (PaymentState.SUCCEEDED, True)
    assert (of_account(desk.payer.one), given_back()) == (-70_000, [(desk.payer.one, 50_000)])
    refund = row(went.refund_id)
    assert (refund.reason, refund.requested_by_id, refund.trouble) == (REASON, desk.visitor.customer_id, "")
    assert refund.gateway_ref


def test_a_payment_goes_back_in_parts_until_nothing_is_left_of_it(desk: Desk):
    payment_id = desk.paid()
    for kopecks, left in ((12_345, 37_655), (30_000, 7_655), (7_655, 0)):
        assert desk.refunds(payment_id, kopecks).state is PaymentState.SUCCEEDED
        assert desk.opens(payment_id).parts[0].left_kopecks == left
    with pytest.raises(RefundTooMuch) as refused:
        desk.begins(payment_id, 1)
    assert refused.value.facts == {"left_kopecks": 0}
    assert of_account(desk.payer.one) == -70_000


def test_each_account_gets_back_no_more_than_its_own_part(desk: Desk):
    one, other = desk.payer.one, desk.payer.other
    payment_id = desk.paid({one: 30_000, other: 20_000})
    with pytest.raises(RefundTooMuch) as refused:
        desk.begins(payment_id, 20_001, account_id=other)
    assert refused.value.facts == {"left_kopecks": 20_000}
    desk.refunds(payment_id, 20_000, account_id=other)
    desk.refunds(payment_id, 30_000, account_id=one)
    assert given_back() == [(other, 20_000), (one, 30_000)]
    assert (of_account(one), of_account(other)) == (-70_000, 0)


@pytest.mark.parametrize("kopecks", [0, -1, 50_001, 10**12])
def test_nothing_less_than_nothing_and_more_than_was_paid_are_refused(desk: Desk, kopecks: int):
    payment_id = desk.paid()
    with pytest.raises(RefundTooMuch):
        desk.begins(payment_id, kopecks)
    assert bank().refunds() == []


def test_money_goes_back_although_it_is_spent_and_the_account_owes_then(desk: Desk):
    payment_id = desk.paid({desk.payer.other: 50_000})
    with transaction() as db:
        World(db).charge(db.get_one(BillingAccount, desk.payer.other), 40_000, clock.now())
    desk.refunds(payment_id, 50_000, account_id=desk.payer.other)
    assert of_account(desk.payer.other) == -40_000


# --- at the same moment ---------------------------------------------------------------------------------
def test_of_ten_who_give_the_whole_back_at_once_one_does(desk: Desk):
    payment_id = desk.paid()

    def give(number: int) -> str:
        try:
            return desk.refunds(payment_id, 50_000, key=f"tab-{number}").state.value
        except RefundTooMuch:
            return "too much"

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(give, range(10))) == ["succeeded", *["too much"] * 9]
    assert len(bank().refunds()) == len(given_back()) == 1


def test_of_ten_who_give_parts_back_at_once_as_many_do_as_there_is_money_for(desk: Desk):
    payment_id = desk.paid()

    def give(number: int) -> bool:
        try:
            return desk.refunds(payment_id, 15_000, key=f"tab-{number}").state is PaymentState.SUCCEEDED
        except RefundTooMuch:
            return False

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(give, range(10))) == 3
    assert desk.opens(payment_id).parts[0].left_kopecks == 5_000


def test_however_many_look_after_a_refund_at_once_it_is_given_and_posted_once(desk: Desk):
    refund_id = desk.begins(desk.paid(), 50_000)
    with ThreadPoolExecutor(8) as pool:
        assert {each.state for each in pool.map(lambda _: advance_refund(refund_id), range(16))} == {PaymentState.SUCCEEDED}
    assert len(bank().refunds()) == len(given_back()) == len(letters()) == 1


def test_a_double_click_is_one_refund(desk: Desk):
    payment_id = desk.paid()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: desk.begins(payment_id, 20_000, key="click"), range(8)))) == 1
    assert desk.opens(payment_id).parts[0].left_kopecks == 30_000


@pytest.mark.parametrize("other", [{"kopecks": 20_001}, {"reason": "Другая причина"}])
def test_the_same_key_with_something_else_is_refused(desk: Desk, other: dict[str, Any]):
    payment_id = desk.paid()
    desk.begins(payment_id, 20_000, key="click")
    with pytest.raises(KeyReused):
        desk.begins(payment_id, **{"kopecks": 20_000, "key": "click", **other})


def test_the_same_key_is_the_same_refund_also_when_it_is_over_and_nothing_is_left(desk: Desk):
    payment_id = desk.paid()
    first = desk.refunds(payment_id, 50_000, key="click")
    assert desk.refunds(payment_id, 50_000, key="click") == first
    assert len(given_back()) == 1


# --- what counts against a payment ----------------------------------------------------------------------
def test_what_is_on_its_way_back_counts_and_what_the_bank_refused_does_not(desk: Desk, wire: Any):
    payment_id = desk.paid()
    wire(loses="question")
    assert desk.refunds(payment_id, 40_000).known is False
    with pytest.raises(RefundTooMuch) as refused:
        desk.begins(payment_id, 10_001)
    assert refused.value.facts == {"left_kopecks": 10_000}
    wire(refuses="the shop has no money")
    assert desk.refunds(payment_id, 10_000).state is PaymentState.DECLINED
    assert desk.opens(payment_id).parts[0].left_kopecks == 10_000
    wire()
    assert settle_all() == 1
    assert desk.refunds(payment_id, 10_000).state is PaymentState.SUCCEEDED


def settle_all() -> int:
    return settle_refunds(clock.now() + timedelta(minutes=2))


# --- what cannot go back --------------------------------------------------------------------------------
def planted(desk: Desk, kind: str) -> int:
    """The number of a payment that never went through a gateway, or did not go through."""
    if kind == "pending":
        return desk.payer.begin({desk.payer.one: 50_000})
    if kind == "declined by the bank":
        return desk.payer.pays({desk.payer.one: 50_000}, Behaviour.INSUFFICIENT_FUNDS).payment_id
    with transaction() as db:
        world, payer = World(db), db.get_one(Customer, desk.payer.person_id)
        world.number = 50
        account = db.get_one(BillingAccount, desk.payer.one)
        declined = DeclineReason.BANK_REFUSED if kind == "seeded declined" else None
        by = None if kind == "cash" else payer
        return world.pay(account, 50_000, clock.now(), payer=by, declined=declined).id


@pytest.mark.parametrize("kind", ["pending", "declined by the bank", "cash", "seeded", "seeded declined"])
def test_only_a_card_payment_that_succeeded_goes_back(desk: Desk, kind: str):
    payment_id = planted(desk, kind)
    before = of_account(desk.payer.one)
    assert desk.opens(payment_id).can_go_back is False
    with pytest.raises(RefundImpossible):
        desk.begins(payment_id, 1_000)
    assert (of_account(desk.payer.one), bank().refunds()) == (before, [])


def test_what_a_payment_did_not_bring_to_an_account_does_not_go_back_from_it(desk: Desk):
    payment_id = desk.paid()
    for account_id in (desk.payer.other, 10**6):
        with pytest.raises(RefundImpossible):
            desk.begins(payment_id, 1_000, account_id=account_id)
    with pytest.raises(NotAllowed):
        desk.begins(10**6, 1_000)


def test_what_went_to_a_biller_does_not_go_back(desk: Desk):
    fields = {"account": "12345678"}
    with transaction() as db:
        biller = Biller(
            code="power",
            category=BillerCategory.POWER,
            name_ru="Энергосбыт",
            name_en="Energy",
            inn="7700000000",
            least_kopecks=1_000,
            most_kopecks=500_000,
        )
        db.add(biller)
        db.flush()
        payment, _ = open_intent(
            db,
            visitor=desk.payer.visitor,
            amount_kopecks=50_000,
            key="biller",
            card_id=None,
            keep_card=False,
            return_url="/back",
            again=False,
            content=content_of_biller(biller.id, fields),
        )
        db.add(UtilityPayment(payment_id=payment.id, biller_id=biller.id, fields=fields))
    pays(desk.payer.goes(payment.id).page_url)
    assert desk.payer.goes(payment.id).state is PaymentState.SUCCEEDED
    assert (desk.opens(payment.id).biller, desk.opens(payment.id).can_go_back) == ("Энергосбыт", False)
    with pytest.raises(RefundImpossible):
        desk.begins(payment.id, 1_000)


# --- the reason, and who may ----------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["", "   \n\t", "\u200b", "а" * 201])
def test_without_a_reason_that_can_be_read_nothing_goes_back(desk: Desk, reason: str):
    payment_id = desk.paid()
    with pytest.raises(ReasonMissing):
        desk.begins(payment_id, 1_000, reason=reason)


def test_a_card_number_is_no_reason_and_is_not_kept(desk: Desk):
    payment_id = desk.paid()
    with pytest.raises(LooksLikeCard):
        desk.begins(payment_id, 1_000, reason="Вернуть на 4242 4242 4242 4242")


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.ANALYST])
def test_nobody_but_an_administrator_finds_sees_or_gives_back(desk: Desk, role: Role):
    payment_id = desk.paid()
    refund_id = desk.begins(payment_id, 1_000)
    other: Visitor = replace(desk.payer.visitor, role=role)
    with pytest.raises(NotAllowed):
        desk.begins(payment_id, 1_000, visitor=other)
    with pytest.raises(NotAllowed):
        refund_progress(visitor=other, refund_id=refund_id)
    with pytest.raises(NotAllowed):
        perform(look_up_payments, visitor=other, wanted=str(payment_id))
    with reading() as db:
        for ask in (
            lambda: matching(db, visitor=other, wanted=str(payment_id)),
            lambda: listed(db, visitor=other, payment_ids=(payment_id,)),
            lambda: opened(db, visitor=other, payment_id=payment_id),
            lambda: needs_a_look(db, visitor=other, now=clock.now()),
        ):
            with pytest.raises(NotAllowed):
                ask()


def test_a_refund_and_a_look_up_leave_rows_whom_it_showed_and_refused_ones_with_the_reason(desk: Desk):
    payment_id = desk.paid()
    perform(look_up_payments, visitor=desk.visitor, wanted=str(payment_id))
    desk.begins(payment_id, 1_000)
    with pytest.raises(Refusal):
        desk.begins(payment_id, 50_000)
    with reading() as db:
        mine = db.exec(select(AuditEntry).where(col(AuditEntry.customer_id) == desk.visitor.customer_id))
        assert [(each.action, each.outcome, each.reason, each.billing_account_id) for each in mine] == [
            ("payer_shown", Outcome.DONE, f"customer {desk.payer.visitor.customer_id}", None),
            ("look_up_payments", Outcome.DONE, "", None),
            ("begin_refund", Outcome.DONE, "", desk.payer.one),
            ("begin_refund", Outcome.REFUSED, "refund_too_much", desk.payer.one),
        ]


# --- in between -----------------------------------------------------------------------------------------
def test_a_lost_answer_is_asked_for_again_and_the_bank_gives_back_once(desk: Desk, wire: Any):
    refund_id = desk.begins(desk.paid(), 50_000)
    wire(loses="answer")
    for _ in range(3):
        went = refund_progress(visitor=desk.visitor, refund_id=refund_id)
        assert (went.state, went.known) == (PaymentState.PENDING, False)
    assert (given_back(), "no answer" in row(refund_id).trouble, len(bank().refunds())) == ([], True, 1)
    wire()
    assert refund_progress(visitor=desk.visitor, refund_id=refund_id).state is PaymentState.SUCCEEDED
    assert (row(refund_id).trouble, len(bank().refunds()), len(given_back())) == ("", 1, 1)


def test_a_process_that_died_between_the_bank_and_the_settlement_loses_nothing(desk: Desk):
    refund_id = desk.begins(payment_id := desk.paid(), 50_000)
    with reading() as db:
        ref = db.get_one(Payment, payment_id).gateway_ref or ""
    bank().refund(key=row(refund_id).gateway_key, ref=ref, amount_kopecks=50_000, reason="")  # and then it died
    assert settle_refunds(clock.now()) == 0, "its own screen is given a moment"
    assert settle_all() == 1
    assert settle_all() == 0
    assert (of_account(desk.payer.one), len(bank().refunds()), len(given_back())) == (-70_000, 1, 1)


def test_a_refund_that_never_reached_the_bank_is_begun_while_it_is_fresh_and_given_up_once_it_is_old(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    payment_id = desk.paid()
    fresh = desk.begins(payment_id, 10_000)
    assert settle_all() == 1
    assert row(fresh).state is PaymentState.SUCCEEDED
    old = desk.begins(payment_id, 10_000)
    later(monkeypatch, REPEAT_FOR + timedelta(seconds=1))
    assert settle_refunds(clock.now()) == 1
    assert (row(old).state, row(old).trouble) == (PaymentState.DECLINED, "never reached the gateway")
    assert len(bank().refunds()) == 1


def test_a_lost_answer_is_found_by_its_key_also_when_it_is_too_late_to_repeat(
    desk: Desk, wire: Any, monkeypatch: pytest.MonkeyPatch
):
    refund_id = desk.begins(desk.paid(), 50_000)
    wire(loses="answer")
    advance_refund(refund_id)
    later(monkeypatch, REPEAT_FOR * 2)
    assert settle_refunds(clock.now()) == 0
    wire()
    later(monkeypatch, timedelta(minutes=5))
    assert settle_refunds(clock.now()) == 1
    assert row(refund_id).state is PaymentState.SUCCEEDED


def test_the_bank_is_not_asked_all_the_time(desk: Desk, wire: Any, monkeypatch: pytest.MonkeyPatch):
    refund_id = desk.begins(desk.paid(), 50_000)
    wire(loses="question")

    def asked_after(minutes: float) -> bool:
        before = row(refund_id).asked_at
        later(monkeypatch, timedelta(minutes=minutes))
        settle_refunds(clock.now())
        return row(refund_id).asked_at != before

    assert [asked_after(each) for each in (1, 0.5, 1, 10, 2, 4)] == [True, False, True, True, False, True]


def test_what_the_bank_refuses_is_declined_and_nothing_is_posted(desk: Desk, wire: Any):
    payment_id = desk.paid()
    points = desk.points()
    wire(refuses="the shop has no money")
    went = desk.refunds(payment_id, 50_000)
    assert went.state is PaymentState.DECLINED
    assert row(went.refund_id).trouble == "refused by the gateway: the shop has no money"
    assert (of_account(desk.payer.one), given_back(), letters(), desk.points()) == (-20_000, [], [], points)
    wire()
    assert advance_refund(went.refund_id).state is PaymentState.DECLINED, "a new one has to be begun"
    assert desk.refunds(payment_id, 50_000).state is PaymentState.SUCCEEDED


def test_a_refund_that_the_bank_declines_after_thinking_is_declined(desk: Desk, wire: Any):
    refund_id = desk.begins(desk.paid(), 50_000)
    wire(state=PaymentState.PENDING)
    went = advance_refund(refund_id)
    assert (went.state, went.known, given_back()) == (PaymentState.PENDING, True, [])
    ref = row(refund_id).gateway_ref
    wire(refuses="no such refund")
    assert advance_refund(refund_id).known is False, "what it took once is not forgotten because it will not speak of it"
    assert row(refund_id).state is PaymentState.PENDING
    wire()
    assert advance_refund(refund_id).state is PaymentState.SUCCEEDED
    assert row(refund_id).gateway_ref == ref


@pytest.mark.parametrize("twist", [{"amount_kopecks": 50_001}, {"key": "another"}])
def test_a_bank_that_speaks_of_another_sum_or_key_is_not_believed(desk: Desk, wire: Any, twist: dict[str, Any]):
    refund_id = desk.begins(desk.paid(), 50_000)
    wire(**twist)
    assert advance_refund(refund_id).known is False
    assert (row(refund_id).trouble, given_back()) == ("the gateway speaks of another sum or key", [])
    wire()
    assert advance_refund(refund_id).state is PaymentState.SUCCEEDED


# --- points ---------------------------------------------------------------------------------------------
PER_POINT = operator().bonus.kopecks_per_point


def test_points_go_with_the_money_that_earned_them(desk: Desk):
    desk.paid({desk.payer.other: 100 * PER_POINT})
    payment_id = desk.paid({desk.payer.one: 10 * PER_POINT})
    assert desk.points() == 110
    desk.refunds(payment_id, 4 * PER_POINT)
    assert desk.points() == 106
    desk.refunds(payment_id, 6 * PER_POINT)
    assert desk.points() == 100


def spend(desk: Desk, points: int) -> None:
    perform(spend_points, visitor=desk.payer.visitor, account_id=desk.payer.other, points=points, key=f"spent-{points}")


def test_points_spent_already_come_from_other_lots_and_then_from_the_next_ones(desk: Desk):
    payment_id = desk.paid({desk.payer.one: 40 * PER_POINT})
    desk.paid({desk.payer.other: 10 * PER_POINT})
    spend(desk, 35)
    assert desk.points() == 15
    assert desk.opens(payment_id).points.taken_for(40 * PER_POINT, terms=operator().bonus) == 40
    went = desk.refunds(payment_id, 40 * PER_POINT)
    assert (desk.points(), row(went.refund_id).points_owed) == (0, 25)
    desk.paid({desk.payer.other: 30 * PER_POINT})
    assert (desk.points(), row(went.refund_id).points_owed) == (5, 0)


@pytest.mark.parametrize("kopecks", [1, PER_POINT - 1, PER_POINT, 3 * PER_POINT + 7, 10 * PER_POINT + 5])
def test_what_is_said_beforehand_of_the_points_is_what_is_taken(desk: Desk, kopecks: int):
    payment_id = desk.paid({desk.payer.one: 10 * PER_POINT + 5, desk.payer.other: 3 * PER_POINT})
    desk.refunds(payment_id, PER_POINT, account_id=desk.payer.other)
    said = desk.opens(payment_id).points.taken_for(kopecks, terms=operator().bonus)
    before = desk.points()
    desk.refunds(payment_id, kopecks)
    assert before - desk.points() == said


def test_points_that_expired_are_not_taken_once_more(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    payment_id = desk.paid({desk.payer.one: 10 * PER_POINT})
    later(monkeypatch, timedelta(days=800))
    expire_lots(clock.now())
    assert desk.opens(payment_id).points.taken_for(10 * PER_POINT, terms=operator().bonus) == 0
    went = desk.refunds(payment_id, 10 * PER_POINT)
    assert (desk.points(), row(went.refund_id).points_owed) == (0, 0)


def test_money_given_back_does_not_hold_the_level(desk: Desk):
    terms = operator().bonus
    most, need = operator().payments.most_kopecks, terms.privilege_from_kopecks
    sums = [most] * (need // most) + ([need % most] if need % most else [])
    payments = [desk.paid({desk.payer.other: kopecks}, again=True) for kopecks in sums]
    assert desk.level() is BonusLevel.PRIVILEGE
    desk.refunds(payments[-1], 1, account_id=desk.payer.other)
    assert desk.level() is BonusLevel.STANDARD


# --- what the customer is told --------------------------------------------------------------------------
def letters() -> list[Message]:
    with reading() as db:
        return list(db.exec(select(Message).where(col(Message.about) == "refund")))


@pytest.mark.parametrize(("language", "sum_"), [(Language.RU, "123,45\u00a0₽"), (Language.EN, "₽123.45")], ids=["ru", "en"])
def test_the_payer_is_written_to_with_the_sum_the_payment_and_the_reason(desk: Desk, language: Language, sum_: str):
    with transaction() as db:
        payer = db.get_one(Customer, desk.payer.person_id)
        payer.language = language
        db.add(payer)
    payment_id = desk.paid()
    desk.refunds(payment_id, 12_345, reason="  Платёж  зачислен\nне туда ")
    letter = letters()[0]
    assert (letter.recipient, letter.language) == (f"payer-{desk.payer.person_id}@kabinet.example", language)
    for said in (sum_, str(payment_id), "Платёж зачислен не туда"):
        assert said in letter.body
    assert sum_ in letter.subject


def test_a_payer_without_a_confirmed_e_mail_gets_the_money_all_the_same(desk: Desk):
    payment_id = desk.paid()
    assert desk.opens(payment_id).letter_to
    with transaction() as db:
        db.get_one(Customer, desk.payer.person_id).email_confirmed_at = None
    assert desk.opens(payment_id).letter_to == ""
    assert desk.refunds(payment_id, 50_000).state is PaymentState.SUCCEEDED
    assert letters() == []


def history(desk: Desk) -> list[Operation]:
    today = clock.today()
    with reading() as db:
        return operations(
            db,
            visitor=desk.payer.visitor,
            first=today,
            last=today,
            kinds=[OperationKind.TOP_UP],
            narrowing=Narrowing(),
            language=Language.RU,
            total=10,
        )


def test_the_history_says_which_payment_went_back_and_why(desk: Desk):
    payment_id = desk.paid({desk.payer.one: 30_000, desk.payer.other: 20_000})
    desk.refunds(payment_id, 10_000, reason="Первая причина")
    desk.refunds(payment_id, 20_000, reason="Вторая причина")
    desk.refunds(payment_id, 5_000, account_id=desk.payer.other, reason="Третья причина")
    back = [each for each in history(desk) if each.code is TransferCode.REFUND]
    assert {(each.account_id, each.kopecks, each.payment_id, each.reason) for each in back} == {
        (desk.payer.one, -10_000, payment_id, "Первая причина"),
        (desk.payer.one, -20_000, payment_id, "Вторая причина"),
        (desk.payer.other, -5_000, payment_id, "Третья причина"),
    }
    assert {each.reason for each in history(desk) if each.code is TransferCode.TOP_UP} == {""}


# --- finding --------------------------------------------------------------------------------------------
def test_a_payment_is_found_by_its_account_its_payer_and_its_own_number(desk: Desk):
    with transaction() as db:
        payer = db.get_one(Customer, desk.payer.person_id)
        payer.phone = "+79161234567"
        db.add(payer)
        number = db.get_one(BillingAccount, desk.payer.one).number
    first, second = desk.paid(), desk.paid({desk.payer.one: 10_000, desk.payer.other: 10_000})
    stranger = Payer().pays()
    for wanted in (
        number,
        format_account_number(number),
        f" PAYER-{payer.id}@Kabinet.example ",
        "+7 (916) 123-45-67",
        "8 916 123 45 67",
        "9161234567",
    ):
        assert perform(look_up_payments, visitor=desk.visitor, wanted=wanted) == (second, first), wanted
    for wanted in (str(first), f"№ {first}", f"#{first}"):
        assert perform(look_up_payments, visitor=desk.visitor, wanted=wanted) == (first,), wanted
    assert perform(look_up_payments, visitor=desk.visitor, wanted=str(stranger.payment_id)) == (stranger.payment_id,)
    assert perform(look_up_payments, visitor=desk.visitor, wanted="nobody@kabinet.example") == ()


@pytest.mark.parametrize(("wanted", "problem"), [("", "empty"), ("  ", "empty"), ("Иванов", "unclear"), ("1" * 19, "unclear")])
def test_what_can_mean_nothing_is_said(desk: Desk, wanted: str, problem: str):
    with pytest.raises(FieldWrong) as refused:
        perform(look_up_payments, visitor=desk.visitor, wanted=wanted)
    assert refused.value.facts == {"field": "wanted_payment", "problem": problem}


def test_a_state_narrows_what_is_found(desk: Desk):
    succeeded = desk.paid()
    declined = desk.payer.pays({desk.payer.one: 10_000}, Behaviour.INSUFFICIENT_FUNDS).payment_id
    pending = desk.payer.begin({desk.payer.one: 20_000})
    with reading() as db:
        number = db.get_one(BillingAccount, desk.payer.one).number
    for state, found in (
        (None, (pending, declined, succeeded)),
        (PaymentState.SUCCEEDED, (succeeded,)),
        (PaymentState.DECLINED, (declined,)),
        (PaymentState.PENDING, (pending,)),
    ):
        assert perform(look_up_payments, visitor=desk.visitor, wanted=number, state=state) == found


def test_an_opened_payment_shows_who_paid_by_what_and_what_went_back_so_far(desk: Desk, wire: Any):
    payment_id = desk.paid({desk.payer.one: 30_000, desk.payer.other: 20_000}, keep_card=True)
    desk.refunds(payment_id, 10_000)
    wire(loses="question")
    desk.refunds(payment_id, 5_000)
    seen = desk.opens(payment_id)
    assert (seen.payment.payer, seen.payment.card and seen.payment.card[1]) == ("Ли Анна", "0004")
    assert (seen.payment.refunded_kopecks, seen.payment.pending_kopecks) == (10_000, 5_000)
    one, other = seen.parts
    assert (one.left_kopecks, other.left_kopecks, one.balance_kopecks) == (15_000, 20_000, of_account(desk.payer.one))
    assert [(each.amount_kopecks, each.reason, each.state, each.by) for each in one.refunds] == [
        (10_000, REASON, PaymentState.SUCCEEDED, "Ли Ольга"),
        (5_000, REASON, PaymentState.PENDING, "Ли Ольга"),
    ]
    wire()
    assert settle_all() == 1


# --- what needs a look ----------------------------------------------------------------------------------
def test_a_payment_that_the_gateway_refused_needs_a_look_for_a_week_and_one_that_the_bank_declined_does_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    ours, theirs = (desk.payer.begin({desk.payer.other: 20_000 + n}) for n in range(2))
    with transaction() as db:
        decline(db, ours, DeclineReason.GATEWAY_REFUSED, trouble="the shop is blocked")
        decline(db, theirs, DeclineReason.INSUFFICIENT_FUNDS)

    def stuck() -> list[tuple[int, str]]:
        with reading() as db:
            return [(each.payment_id, each.trouble) for each in needs_a_look(db, visitor=desk.visitor, now=clock.now())]

    assert stuck() == [(ours, "the shop is blocked")]
    later(monkeypatch, timedelta(days=7, minutes=1))
    assert stuck() == []


def test_what_waits_for_long_or_has_trouble_needs_a_look(desk: Desk, wire: Any, monkeypatch: pytest.MonkeyPatch):
    def stuck() -> list[tuple[int, int | None, PaymentState]]:
        with reading() as db:
            return [(e.payment_id, e.refund_id, e.state) for e in needs_a_look(db, visitor=desk.visitor, now=clock.now())]

    payment_id = desk.paid()
    waiting = desk.payer.begin({desk.payer.other: 20_000})
    assert stuck() == [], "somebody is at the bank's page"
    wire(loses="question")
    lost = desk.begins(payment_id, 10_000)
    assert stuck() == []
    advance_refund(lost)
    assert stuck() == [(payment_id, lost, PaymentState.PENDING)]
    wire(refuses="no")
    refused = desk.refunds(payment_id, 20_000).refund_id
    assert stuck() == [(payment_id, lost, PaymentState.PENDING), (payment_id, refused, PaymentState.DECLINED)]
    wire()
    advance_refund(lost)
    later(monkeypatch, timedelta(hours=2))
    assert stuck() == [(waiting, None, PaymentState.PENDING), (payment_id, refused, PaymentState.DECLINED)]
    later(monkeypatch, timedelta(days=7))
    assert stuck() == [(waiting, None, PaymentState.PENDING)]


def test_a_balance_is_the_ledgers_after_all_of_it(desk: Desk):
    payment_id = desk.paid()
    desk.refunds(payment_id, 20_000)
    with reading() as db:
        assert balance(db, desk.payer.one) == -40_000 == desk.opens(payment_id).parts[0].balance_kopecks
