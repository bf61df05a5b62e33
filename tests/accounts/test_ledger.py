"""Money moves in one way only: once per key, never below its floor, and the kept balance is what the journal says."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from actions.ledger import post
from db import reading, transaction
from db.check import faults
from models import BillingAccount, Customer, LedgerAccount, Payment, PaymentPart, Transfer
from rules.refusals import KeyReused, NotEnoughMoney
from rules.terms import BillingMode, LedgerKind, PaymentMethod, PaymentState, ServiceKind, TransferCode

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def _payment(db: Session, account_id: int, amount_kopecks: int, key: str) -> int:
    """A succeeded payment to stand behind a top-up; cash, so that it needs no payer."""
    payment = Payment(
        amount_kopecks=amount_kopecks,
        method=PaymentMethod.CASH,
        state=PaymentState.SUCCEEDED,
        key=key,
        created_at=NOW,
        settled_at=NOW,
    )
    db.add(payment)
    db.flush()
    db.add(PaymentPart(payment_id=payment.id, billing_account_id=account_id, amount_kopecks=amount_kopecks))
    db.flush()
    return payment.id


@pytest.fixture
def account_id(db: sa.Engine) -> int:
    """A prepaid account with nothing on it; the operator has no ledger accounts of its own yet."""
    with transaction() as session:
        holder = Customer(last_name="Ким", first_name="Анна", region_code="RU-MOW")
        session.add(holder)
        session.flush()
        account = BillingAccount(
            number="9000000018",
            holder_id=holder.id,
            service=ServiceKind.MOBILE,
            mode=BillingMode.PREPAID,
            status_since_on=date(2025, 1, 1),
            region_code="RU-MOW",
            opened_on=date(2025, 1, 1),
        )
        session.add(account)
        session.flush()
        session.add(LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=account.id))
        return account.id


def _top_up(account_id: int, amount_kopecks: int, key: str = "in") -> None:
    with transaction() as db:
        payment_id = _payment(db, account_id, amount_kopecks, f"cash-{key}")
        post(
            db,
            account_id=account_id,
            code=TransferCode.TOP_UP,
            amount_kopecks=amount_kopecks,
            key=key,
            occurred_at=NOW,
            payment_id=payment_id,
        )


def _charge(account_id: int, amount_kopecks: int, key: str, **more: Any) -> Transfer:
    with transaction() as db:
        given = {"code": TransferCode.ONE_OFF, "occurred_at": NOW, **more}
        return post(db, account_id=account_id, amount_kopecks=amount_kopecks, key=key, **given)


def _balance(account_id: int) -> int:
    with reading() as db:
        return db.exec(select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)).one()


def _agrees() -> bool:
    with reading() as db:
        return faults(db.connection()) == []


SIDES = [
    (TransferCode.TOP_UP, LedgerKind.GATEWAY, +1),
    (TransferCode.BONUS_SPENT, LedgerKind.BONUS, +1),
    (TransferCode.REFUND, LedgerKind.GATEWAY, -1),
    (TransferCode.PLAN_FEE, LedgerKind.REVENUE, -1),
    (TransferCode.OPTION_FEE, LedgerKind.REVENUE, -1),
    (TransferCode.ONE_OFF, LedgerKind.REVENUE, -1),
    (TransferCode.LATE_FEE, LedgerKind.REVENUE, -1),
]


def test_every_reason_for_money_to_move_has_its_sides():
    assert {code for code, _, _ in SIDES} == set(TransferCode) - {TransferCode.BILLER_PAYMENT}


@pytest.mark.parametrize(("code", "kind", "sign"), SIDES, ids=[code.value for code, _, _ in SIDES])
def test_money_moves_between_the_right_accounts_and_in_the_right_direction(
    account_id: int, code: TransferCode, kind: LedgerKind, sign: int
):
    with transaction() as db:
        payment_id = _payment(db, account_id, 700, "cash") if code is TransferCode.TOP_UP else None
        posted = post(db, account_id=account_id, code=code, amount_kopecks=700, key="k", occurred_at=NOW, payment_id=payment_id)
    assert _balance(account_id) == sign * 700
    with reading() as db:
        other = db.get_one(LedgerAccount, posted.debit_id if sign > 0 else posted.credit_id)
        own = db.get_one(LedgerAccount, posted.credit_id if sign > 0 else posted.debit_id)
        assert (other.kind, other.billing_account_id, other.balance_kopecks) == (kind, None, 0)
        assert own.billing_account_id == account_id
    assert _agrees()


def test_the_operators_own_accounts_are_made_once(account_id: int):
    for key in ("a", "b", "c"):
        _charge(account_id, 100, key)
    with reading() as db:
        own = db.exec(select(LedgerAccount.kind).where(col(LedgerAccount.billing_account_id).is_(None))).all()
    assert own == [LedgerKind.REVENUE]


def test_the_same_key_with_the_same_content_moves_money_once(account_id: int):
    first, again = _charge(account_id, 300, "order:1"), _charge(account_id, 300, "order:1")
    assert again.id == first.id
    assert _balance(account_id) == -300
    assert _agrees()


@pytest.mark.parametrize("other", [{"amount_kopecks": 301}, {"code": TransferCode.LATE_FEE}], ids=["sum", "reason"])
def test_the_same_key_with_other_content_is_refused_and_moves_nothing(account_id: int, other: dict[str, Any]):
    _charge(account_id, 300, "order:1")
    with pytest.raises(KeyReused):
        _charge(account_id, **{"amount_kopecks": 300, "key": "order:1", **other})
    assert _balance(account_id) == -300


def test_the_last_kopeck_may_go_but_not_one_more(account_id: int):
    _top_up(account_id, 500)
    with pytest.raises(NotEnoughMoney) as refused:
        _charge(account_id, 501, "more", floor_kopecks=0)
    assert refused.value.facts == {"price_kopecks": 501, "balance_kopecks": 500, "missing_kopecks": 1}
    assert _balance(account_id) == 500
    _charge(account_id, 500, "all", floor_kopecks=0)
    assert _balance(account_id) == 0
    assert _agrees()


def test_what_is_missing_counts_up_to_the_floor(account_id: int):
    _top_up(account_id, 500)
    with pytest.raises(NotEnoughMoney) as refused:
        _charge(account_id, 450, "x", floor_kopecks=100)
    assert refused.value.facts["missing_kopecks"] == 50


def test_without_a_floor_a_charge_leads_into_debt(account_id: int):
    _charge(account_id, 900, "bill")
    assert _balance(account_id) == -900


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_than_nothing_cannot_be_moved(account_id: int, amount: int):
    with pytest.raises(ValueError, match="more than nothing"):
        _charge(account_id, amount, "k")


def test_a_transaction_that_fails_leaves_neither_transfer_nor_balance(account_id: int):
    def fail() -> None:
        with transaction() as db:
            post(db, account_id=account_id, code=TransferCode.ONE_OFF, amount_kopecks=100, key="k", occurred_at=NOW)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert _balance(account_id) == 0
    with reading() as db:
        assert db.exec(select(func.count()).select_from(Transfer)).one() == 0


def test_of_four_hundred_charges_at_once_on_two_hundred_kopecks_exactly_two_hundred_pass(account_id: int):
    _top_up(account_id, 200)

    def one(number: int) -> bool:
        try:
            _charge(account_id, 1, f"charge:{number}", floor_kopecks=0)
        except NotEnoughMoney:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        passed = list(pool.map(one, range(400)))
    assert sum(passed) == 200
    assert _balance(account_id) == 0
    assert _agrees()


def test_the_same_charge_sent_twenty_times_at_once_is_taken_once(account_id: int):
    _top_up(account_id, 10_000)
    with ThreadPoolExecutor(10) as pool:
        posted = list(pool.map(lambda _: _charge(account_id, 100, "double click", floor_kopecks=0).id, range(20)))
    assert len(set(posted)) == 1
    assert _balance(account_id) == 9_900
    assert _agrees()
