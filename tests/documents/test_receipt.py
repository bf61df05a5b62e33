"""A receipt says what was paid, with what, for what, and what of it came back; to the payer alone."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from db import reading, transaction
from documents.receipt import receipt_pdf
from models import Biller, BillerField, Payment, PaymentPart, Refund, UtilityPayment
from queries.receipts import receipt
from rules.papers import Receipt
from rules.refusals import NotAllowed
from rules.terms import (
    BillerCategory,
    BillerFieldKind,
    DeclineReason,
    GatewayName,
    Language,
    PaymentMethod,
    PaymentState,
    Right,
)
from rules.visitor import Visitor
from settings import operator
from tests.documents.readers import all_lines, said
from tests.money.world import World, at
from texts import money, speaking, t

MADE = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Payer(World):
    """Anna in Vladivostok, with a card and two accounts; one is Peter's, who named it for himself."""

    def __init__(self, db: Session) -> None:
        super().__init__(db)
        self.anna, self.peter = self.person(), self.person("Пётр")
        self.anna.region_code = "RU-PRI"
        self.own, self.peters = self.account(self.anna), self.account(self.peter)
        self.attach(self.anna, self.peters, right=Right.PAY, label="Петя [#1]")
        self.card_ = self.card(self.anna)

    def paid(self, **more: object) -> Payment:
        given = {
            "payer_id": self.anna.id,
            "amount_kopecks": 123_456,
            "method": PaymentMethod.SAVED_CARD,
            "state": PaymentState.SUCCEEDED,
            "card_id": self.card_.id,
            "key": f"k{self.next()}",
            "created_at": at("2026-11-01 20:00"),
            "settled_at": at("2026-11-01 20:05"),
            "gateway": GatewayName.TEST_BANK,
            "gateway_ref": f"ref-{self.next()}",
        }
        return self.save(Payment(**given | more))

    def part(self, payment: Payment, account: object, kopecks: int) -> None:
        self.save(PaymentPart(payment_id=payment.id, billing_account_id=account.id, amount_kopecks=kopecks))


def read(visitor: Visitor, payment_id: int) -> Receipt:
    with reading() as db:
        return receipt(db, visitor=visitor, payment_id=payment_id)


def lines_of(paper: Receipt, language: Language = Language.RU) -> list[str]:
    with speaking(language):
        return all_lines(receipt_pdf(paper, operator=operator(), made_at=MADE))


@pytest.mark.parametrize("language", list(Language))
def test_a_receipt_has_each_sum_the_card_and_the_moment_where_the_payer_lives(db: sa.Engine, language: Language):
    with transaction() as session:
        world = Payer(session)
        payment = world.paid(gateway_ref="2f1d-77")
        world.part(payment, world.own, 23_456)
        world.part(payment, world.peters, 100_000)
        anna = world.visitor(world.anna)
    lines = lines_of(read(anna, payment.id), language)
    text = "\n".join(lines)
    with speaking(language):
        assert t("documents.receipt.title", number=payment.id) in lines
        assert any(line.startswith("Петя [#1]") and line.endswith(said(money(100_000))) for line in lines)
        assert any(line.endswith(said(money(23_456))) for line in lines)
        assert said(f"{t('documents.receipt.paid')} {money(123_456)}") in lines
        assert said(f"{t('documents.receipt.fee')} {money(0, exact=False)}") in lines
    # Six in the morning of the next day in Vladivostok.
    assert any("2026, 06:05 (UTC+10)" in line and line.startswith("2 ") for line in lines)
    assert "·· 4417" in text
    assert "2f1d-77" in text
    assert operator().legal_name in text
    assert f"{operator().inn}" in text


def test_a_receipt_of_a_biller_names_it_and_what_it_was_told(db: sa.Engine):
    with transaction() as session:
        world = Payer(session)
        biller = world.save(
            Biller(
                code="power",
                category=BillerCategory.POWER,
                name_ru="Энергосбыт",
                name_en="Power sales",
                inn="7700000011",
                least_kopecks=100,
                most_kopecks=10_000_000,
            )
        )
        kinds = (BillerFieldKind.PAYER_CODE, BillerFieldKind.PERIOD, BillerFieldKind.READING, BillerFieldKind.TEXT)
        for place, kind in enumerate(kinds):
            world.save(
                BillerField(
                    biller_id=biller.id,
                    code=kind.value,
                    kind=kind,
                    label_ru=f"Поле {place}",
                    label_en=f"Field {place}",
                    position=place,
                )
            )
        payment = world.paid()
        fields = {"payer_code": "00012345", "period": "2026-10", "reading": "123.4", "text": "#eval(1) *кв. 5*"}
        world.save(UtilityPayment(payment_id=payment.id, biller_id=biller.id, fields=fields))
        anna = world.visitor(world.anna)
    paper = read(anna, payment.id)
    assert paper.parts == ()
    lines = lines_of(paper)
    assert said(f"Энергосбыт {money(123_456)}") in lines
    for line in ("ИНН 7700000011", "Поле 0: 00012345", "Поле 1: октябрь 2026", "Поле 2: 123,4", "Поле 3: #eval(1) *кв. 5*"):
        assert line in lines


def test_what_was_given_back_since_stands_on_it_and_what_is_on_its_way_does_not(db: sa.Engine):
    with transaction() as session:
        world = Payer(session)
        payment = world.paid()
        world.part(payment, world.own, 123_456)
        for state, kopecks in ((PaymentState.SUCCEEDED, 23_456), (PaymentState.PENDING, 777), (PaymentState.DECLINED, 888)):
            world.save(
                Refund(
                    payment_id=payment.id,
                    billing_account_id=world.own.id,
                    amount_kopecks=kopecks,
                    reason="Ошиблись *номером*",
                    state=state,
                    key=state.value,
                    requested_by_id=world.peter.id,
                    gateway_key=f"g{world.next()}",
                    created_at=at("2026-11-02"),
                    settled_at=None if state is PaymentState.PENDING else at("2026-11-03 20:00"),
                )
            )
        anna = world.visitor(world.anna)
    paper = read(anna, payment.id)
    assert paper.refunded_kopecks == 23_456
    lines = lines_of(paper)
    assert any(line.startswith("04.11.2026 Ошиблись *номером*") and line.endswith("234,56 ₽") for line in lines)
    assert "Оплачено с учётом возвратов 1 000,00 ₽" in lines


def test_only_the_payer_has_a_receipt_and_only_of_what_succeeded(db: sa.Engine):
    with transaction() as session:
        world = Payer(session)
        payment = world.paid()
        world.part(payment, world.peters, 123_456)
        declined = world.paid(state=PaymentState.DECLINED, decline_reason=DeclineReason.BANK_REFUSED)
        pending = world.paid(state=PaymentState.PENDING, settled_at=None)
        cash = world.paid(payer_id=None, method=PaymentMethod.CASH, card_id=None)
        anna, peter = world.visitor(world.anna), world.visitor(world.peter)
    assert read(anna, payment.id).parts[0].label == "Петя [#1]"
    # Whose account was paid sees it in the history, but has no receipt of another's card.
    with pytest.raises(NotAllowed):
        read(peter, payment.id)
    for other in (declined.id, pending.id, cash.id, 10**12):
        with pytest.raises(NotAllowed):
            read(anna, other)


def test_after_detaching_the_receipt_stays_without_the_name_that_was_given(db: sa.Engine):
    with transaction() as session:
        world = Payer(session)
        payment = world.paid()
        world.part(payment, world.own, 123_456)
        attachment = session.exec(sa.text("UPDATE attachment SET detached_at = attached_at RETURNING id")).first()
        assert attachment is not None
        anna = world.visitor(world.anna)
    (part,) = read(anna, payment.id).parts
    assert (part.label, part.number, part.amount_kopecks) == ("", world.own.number, 123_456)
