"""Paying billers: who is on offer where, what is checked before a payment is begun, templates, readings, history."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

import clock
from actions import perform
from actions.ledger import post_to_biller
from actions.payments import progress
from actions.utilities import begin_utility_payment, remove_template, rename_template, save_template
from db import reading, transaction
from db.check import faults
from models import (
    AuditEntry,
    Biller,
    BillerField,
    BillerRegion,
    BonusEntry,
    Customer,
    LedgerAccount,
    Payment,
    UtilityPayment,
    UtilityTemplate,
)
from queries.bonus import paid_last_year
from queries.my_data import nouns
from queries.utilities import (
    biller_form,
    billers,
    last_readings,
    own_templates,
    utility_payments,
    utility_payments_count,
)
from rules.periods import add_months, month_start
from rules.refusals import (
    AmountOutOfRange,
    BillerFieldWrong,
    BillerUnavailable,
    CardUnusable,
    KeyReused,
    LooksLikeCard,
    NotAllowed,
    PaidJustNow,
    Refusal,
    TemplateNameMissing,
)
from rules.terms import (
    BillerCategory,
    BillerFieldKind,
    DeclineReason,
    Language,
    LedgerKind,
    PaymentMethod,
    PaymentState,
    TransferCode,
)
from rules.visitor import Visitor
from tests.money import bank
from tests.money.world import World

PAYER, OTHER = "12345678", "87654321"
LAST_MONTH = f"{add_months(month_start(clock.today()), -1):%Y-%m}"
FIELDS = {"account": PAYER, "period": LAST_MONTH, "day": "120", "flat": "кв. 4"}
BACK = "https://kabinet.example/back/payment/{payment}"
CARD_NUMBER = "4111 1111 1111 1111"


def biller(world: World, *regions: str, category: BillerCategory = BillerCategory.POWER, **more: Any) -> Biller:
    """A biller with one field of each kind: payer code of 8 digits, month, a reading, and a text that may be left out."""
    code = f"b{world.next()}"
    made = world.save(
        Biller(
            **{
                "code": code,
                "category": category,
                "name_ru": f"Энергосбыт {code}",
                "name_en": f"Energy {code}",
                "inn": "7700000000",
                "least_kopecks": 1_000,
                "most_kopecks": 500_000,
            }
            | more
        )
    )
    for region in regions:
        world.save(BillerRegion(biller_id=made.id, region_code=region))
    for position, (name, kind, label, rest) in enumerate(
        (
            ("account", BillerFieldKind.PAYER_CODE, ("Лицевой счёт", "Account"), {"shortest": 8, "longest": 8}),
            ("period", BillerFieldKind.PERIOD, ("За какой месяц", "Month"), {}),
            ("day", BillerFieldKind.READING, ("Счётчик, день", "Meter, day"), {"required": False, "decimals": 1}),
            ("flat", BillerFieldKind.TEXT, ("Квартира", "Flat"), {"required": False, "longest": 10}),
        )
    ):
        world.save(
            BillerField(biller_id=made.id, code=name, kind=kind, label_ru=label[0], label_en=label[1], position=position, **rest)
        )
    return made


def paid(
    world: World,
    payer: Customer,
    to: Biller,
    fields: Mapping[str, str],
    kopecks: int,
    when: datetime,
    *,
    state: PaymentState = PaymentState.SUCCEEDED,
    template_id: int | None = None,
) -> Payment:
    """A payment to a biller as it stands in the books."""
    payment = world.save(
        Payment(
            payer_id=payer.id,
            amount_kopecks=kopecks,
            method=PaymentMethod.CARD,
            state=state,
            key=f"u{world.next()}",
            created_at=when,
            settled_at=None if state is PaymentState.PENDING else when,
            decline_reason=DeclineReason.BANK_REFUSED if state is PaymentState.DECLINED else None,
        )
    )
    world.save(UtilityPayment(payment_id=payment.id, biller_id=to.id, template_id=template_id, fields=dict(fields)))
    if state is PaymentState.SUCCEEDED:
        post_to_biller(world.db, amount_kopecks=kopecks, key=f"payment:{payment.id}", occurred_at=when, payment_id=payment.id)
    return payment


class Town:
    """Anna and Oleg in Moscow, a biller there, one in Tula, one everywhere, and one that has ended."""

    def __init__(self) -> None:
        with transaction() as db:
            world = World(db)
            self.anna, self.oleg = world.person("Анна"), world.person("Олег")
            self.visitor, self.stranger = world.visitor(self.anna), world.visitor(self.oleg)
            self.here, self.there = biller(world, "RU-SPE", "RU-MOW"), biller(world, "RU-TUL")
            self.everywhere = biller(world, category=BillerCategory.HOUSING)
            self.ended = biller(world, "RU-MOW", is_active=False)
            self.card, self.foreign_card = world.card(self.anna), world.card(self.oleg, last_four="2208")

    def begin(self, visitor: Visitor | None = None, **more: Any) -> int:
        wish = {"biller_id": self.here.id, "fields": FIELDS, "amount_kopecks": 150_000, "key": "k", "return_url": BACK} | more
        return perform(begin_utility_payment, visitor=visitor or self.visitor, **wish).payment_id

    def paid(self, fields: Mapping[str, str] = FIELDS, kopecks: int = 100_000, days_ago: int = 40, **more: Any) -> int:
        with transaction() as db:
            world = World(db)
            world.number = int(clock.now().timestamp() * 1e6)
            who, to = more.pop("payer", self.anna), more.pop("to", self.here)
            return paid(world, who, to, fields, kopecks, clock.now() - timedelta(days=days_ago), **more).id


@pytest.fixture
def town(db: sa.Engine) -> Town:
    return Town()


def all_of(table: Any) -> list[Any]:
    with reading() as db:
        return list(db.exec(select(table)))


# --- on offer ---------------------------------------------------------------------------------------
def test_a_person_sees_the_billers_of_their_region_and_those_that_work_everywhere(town: Town):
    with reading() as db:
        seen = billers(db, visitor=town.visitor, language=Language.EN)
        assert [row.biller_id for row in seen] == [town.everywhere.id, town.here.id], "housing comes before power"
        assert seen[1].name.startswith("Energy")
        for gone in (town.there, town.ended):
            with pytest.raises(BillerUnavailable):
                biller_form(db, visitor=town.visitor, biller_id=gone.id, language=Language.RU)
        form = biller_form(db, visitor=town.visitor, biller_id=town.here.id, language=Language.RU)
    assert [field.label for field in form.fields] == ["Лицевой счёт", "За какой месяц", "Счётчик, день", "Квартира"]
    assert [field.terms.decimals for field in form.fields] == [0, 0, 1, 0]


# --- paying -----------------------------------------------------------------------------------------
def test_a_payment_to_a_biller_is_begun_with_what_was_typed_in_one_spelling(town: Town):
    payment_id = town.begin(
        fields={"account": "1234-56 78", "period": LAST_MONTH, "day": " 0120,50 ", "flat": " кв.  4 ", "else": "x"},
        card_id=town.card.id,
    )
    (payment,), (about,) = all_of(Payment), all_of(UtilityPayment)
    assert (payment.id, payment.payer_id, payment.state) == (payment_id, town.anna.id, PaymentState.PENDING)
    assert (payment.amount_kopecks, payment.method, payment.card_id) == (150_000, PaymentMethod.SAVED_CARD, town.card.id)
    assert (about.payment_id, about.biller_id, about.template_id) == (payment_id, town.here.id, None)
    assert about.fields == {"account": PAYER, "period": LAST_MONTH, "day": "120.5", "flat": "кв. 4"}


def test_a_double_click_is_one_payment_and_its_key_pays_for_nothing_else(town: Town):
    assert town.begin() == town.begin(fields={**FIELDS, "account": "1234 5678"})
    assert len(all_of(Payment)) == len(all_of(UtilityPayment)) == 1
    for other in ({"fields": {**FIELDS, "account": OTHER}}, {"biller_id": town.everywhere.id}, {"amount_kopecks": 150_001}):
        with pytest.raises(KeyReused):
            town.begin(**other)


def test_the_same_bill_paid_twice_within_minutes_is_asked_about(town: Town):
    town.paid(kopecks=150_000, days_ago=0)
    with pytest.raises(PaidJustNow):
        town.begin()
    town.begin(fields={**FIELDS, "account": OTHER}, key="other")
    town.begin(again=True)
    assert len(all_of(Payment)) == 3


@pytest.mark.parametrize(
    ("wrong", "label", "problem"),
    [
        ({"account": ""}, "Лицевой счёт", "missing"),
        ({"account": "1234567"}, "Лицевой счёт", "digits"),
        ({"period": "2099-01"}, "За какой месяц", "period_ahead"),
        ({"day": "119,9"}, "Счётчик, день", "below_last"),
        ({"day": "120,55"}, "Счётчик, день", "decimals"),
        ({"flat": "кв. 4, подъезд 2"}, "Квартира", "too_long"),
    ],
)
def test_what_a_biller_cannot_use_is_refused_with_the_name_of_the_field(
    town: Town, wrong: dict[str, str], label: str, problem: str
):
    town.paid()
    with pytest.raises(BillerFieldWrong) as refused:
        town.begin(fields=FIELDS | wrong)
    assert (refused.value.facts["field"], refused.value.facts["problem"]) == (label, problem)
    assert len(all_of(Payment)) == 1


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"fields": FIELDS | {"flat": CARD_NUMBER}}, LooksLikeCard),
        ({"fields": FIELDS | {"account": CARD_NUMBER}}, LooksLikeCard),
        ({"template_name": f"карта {CARD_NUMBER}"}, LooksLikeCard),
        ({"template_name": "   "}, TemplateNameMissing),
        ({"template_name": "д" * 41}, TemplateNameMissing),
        ({"amount_kopecks": 4_999}, AmountOutOfRange),
        ({"amount_kopecks": 500_001}, AmountOutOfRange),
        ({"amount_kopecks": -1}, AmountOutOfRange),
    ],
)
def test_nothing_is_begun_of_what_is_refused(town: Town, wrong: dict[str, Any], refusal: type[Refusal]):
    with pytest.raises(refusal):
        town.begin(**wrong)
    assert all_of(Payment) == all_of(UtilityPayment) == all_of(UtilityTemplate) == []
    assert CARD_NUMBER not in "".join(f"{row.action}{row.reason}" for row in all_of(AuditEntry))


def test_a_biller_of_another_region_or_one_that_ended_is_not_paid_nor_with_a_foreign_card(town: Town):
    for gone in (town.there, town.ended):
        with pytest.raises(BillerUnavailable):
            town.begin(biller_id=gone.id)
        with pytest.raises(BillerUnavailable):
            perform(save_template, visitor=town.visitor, biller_id=gone.id, name="Свет", fields=FIELDS)
    with pytest.raises(CardUnusable):
        town.begin(card_id=town.foreign_card.id)
    assert all_of(Payment) == []


def test_what_the_bank_took_is_the_billers_and_earns_no_points(town: Town):
    kept = perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields=FIELDS)
    payment_id = town.begin(card_id=bank.saved(town.anna.id), template_id=kept)
    assert progress(visitor=town.visitor, payment_id=payment_id).state is PaymentState.SUCCEEDED
    (template,) = templates(town)
    assert template.last.payment_id == payment_id
    assert not template.is_pending
    with reading() as db:
        (transfer,) = bank.transfers(db)
        assert (transfer.billing_account_id, transfer.code) == (None, TransferCode.BILLER_PAYMENT)
        assert db.get_one(LedgerAccount, transfer.credit_id).kind is LedgerKind.BILLERS
        assert transfer.amount_kopecks == 150_000
        assert faults(db.connection()) == []
    assert all_of(BonusEntry) == []
    assert town.begin(key="k", card_id=all_of(Payment)[0].card_id, template_id=kept) == payment_id, "after it is over, too"


# --- readings ---------------------------------------------------------------------------------------
def test_a_reading_is_compared_with_ones_own_last_paid_one_for_the_same_payer_code(town: Town):
    town.paid({**FIELDS, "day": "100"}, days_ago=70)
    town.paid({**FIELDS, "day": "130.5"}, days_ago=40)
    town.paid({**FIELDS, "day": "900"}, days_ago=9, state=PaymentState.DECLINED)
    town.paid({**FIELDS, "day": "800", "account": OTHER}, days_ago=8)
    town.paid({**FIELDS, "day": "700"}, days_ago=7, payer=town.oleg)
    town.paid({**FIELDS, "day": "600"}, days_ago=6, to=town.everywhere)
    with reading() as db:
        known = last_readings(db, visitor=town.visitor, biller_id=town.here.id, payer_code=PAYER)
        assert {code: each.value for code, each in known.items()} == {"day": "130.5"}
        assert f"{known['day'].period_on:%Y-%m}" == LAST_MONTH
        assert last_readings(db, visitor=town.visitor, biller_id=town.here.id, payer_code="") == {}
    with pytest.raises(BillerFieldWrong):
        town.begin(fields={**FIELDS, "day": "130,4"})
    town.begin(fields={**FIELDS, "day": "130,5"})


# --- templates --------------------------------------------------------------------------------------
def templates(town: Town, visitor: Visitor | None = None) -> list[Any]:
    with reading() as db:
        return own_templates(db, visitor=visitor or town.visitor, language=Language.RU)


def test_a_template_keeps_what_stays_the_same_from_month_to_month(town: Town):
    town.begin(template_name=" Свет  дома ")
    (template,) = templates(town)
    assert (template.name, template.fields, template.amount_kopecks) == (
        "Свет дома", {"account": PAYER, "flat": "кв. 4"}, 150_000,
    )  # fmt: skip
    assert template.is_pending
    assert template.last is None
    assert all_of(UtilityPayment)[0].template_id == template.template_id
    town.begin(template_name="Свет дома")
    assert len(templates(town)) == 1, "the same click again"


def test_a_template_knows_what_was_paid_for_it_last_by_it_or_without(town: Town):
    kept = perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields={"account": PAYER})
    town.paid(kopecks=90_000, days_ago=70, template_id=kept)
    newest = town.paid(kopecks=110_000, days_ago=40)
    town.paid({**FIELDS, "account": OTHER}, days_ago=20)
    town.paid(days_ago=10, state=PaymentState.DECLINED)
    (template,) = templates(town)
    assert (template.last.payment_id, template.last.amount_kopecks) == (newest, 110_000)
    assert f"{template.last.period_on:%Y-%m}" == LAST_MONTH
    assert not template.is_pending
    town.begin(template_id=kept)
    assert templates(town)[0].is_pending


def test_the_same_payer_saved_again_is_the_same_template_with_its_new_name_and_sum(town: Town):
    def save(name: str, account: str, kopecks: int) -> int:
        fields = {"account": account, "day": "5"}
        return perform(
            save_template, visitor=town.visitor, biller_id=town.here.id, name=name, fields=fields, amount_kopecks=kopecks
        )

    first, again, other = save("Свет", PAYER, 5_000), save("Дом", "1234-5678", 6_000), save("Свет", OTHER, 5_000)
    assert first == again != other
    assert [(each.name, each.amount_kopecks) for each in templates(town)] == [("Дом", 6_000), ("Свет", 5_000)]
    with pytest.raises(BillerFieldWrong):
        save("Свет", "1", 5_000)
    with pytest.raises(AmountOutOfRange):
        save("Свет", PAYER, 1)


def test_a_template_is_renamed_and_removed_and_what_was_paid_by_it_stays(town: Town):
    kept = perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields=FIELDS)
    town.paid(template_id=kept)
    perform(rename_template, visitor=town.visitor, template_id=kept, name="Дача")
    assert templates(town)[0].name == "Дача"
    for name in ("", "д" * 41, "\u202eачаД"):
        with pytest.raises(TemplateNameMissing):
            perform(rename_template, visitor=town.visitor, template_id=kept, name=name)
    perform(remove_template, visitor=town.visitor, template_id=kept)
    assert templates(town) == []
    assert len(all_of(UtilityTemplate)) == len(all_of(UtilityPayment)) == 1
    with pytest.raises(NotAllowed):
        perform(rename_template, visitor=town.visitor, template_id=kept, name="Свет")
    new = perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields=FIELDS)
    assert new != kept


def test_templates_are_ones_own(town: Town):
    kept = perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields=FIELDS)
    assert templates(town, town.stranger) == []
    for wish in (
        lambda: perform(rename_template, visitor=town.stranger, template_id=kept, name="Моё"),
        lambda: perform(remove_template, visitor=town.stranger, template_id=kept),
        lambda: town.begin(visitor=town.stranger, template_id=kept),
        lambda: town.begin(biller_id=town.everywhere.id, template_id=kept),
    ):
        with pytest.raises(NotAllowed):
            wish()
    assert [each.name for each in templates(town)] == ["Свет"]


def test_a_template_whose_biller_is_gone_is_still_there_but_cannot_be_paid(town: Town):
    perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields=FIELDS)
    assert templates(town)[0].is_offered
    with transaction() as db:
        gone = db.get_one(Biller, town.here.id)
        gone.is_active = False
        db.add(gone)
    assert not templates(town)[0].is_offered


# --- history ----------------------------------------------------------------------------------------
def test_the_history_is_ones_own_in_pages_with_a_receipt_for_what_was_paid(town: Town):
    states = [PaymentState.SUCCEEDED, PaymentState.DECLINED, PaymentState.SUCCEEDED]
    made = [town.paid(kopecks=10_000 + day, days_ago=day, state=state) for day, state in enumerate(states, 1)]
    town.paid(payer=town.oleg)
    pending = town.begin()
    with reading() as db:
        assert utility_payments_count(db, visitor=town.visitor) == 4
        pages = [utility_payments(db, visitor=town.visitor, language=Language.RU, page=page, size=3) for page in (1, 2)]
    rows = [row for page in pages for row in page]
    assert [len(page) for page in pages] == [3, 1]
    assert [row.payment_id for row in rows] == [pending, *made]
    assert [row.receipt_path for row in rows] == [
        None,
        f"/documents/receipt/{made[0]}.pdf",
        None,
        f"/documents/receipt/{made[2]}.pdf",
    ]
    assert (rows[1].payer_code, rows[1].biller, rows[1].amount_kopecks) == (PAYER, town.here.name_ru, 10_001)
    assert rows[2].decline_reason is DeclineReason.BANK_REFUSED


# --- what it means elsewhere ------------------------------------------------------------------------
def test_what_goes_to_billers_does_not_raise_the_level_and_the_books_agree(town: Town):
    with transaction() as db:
        world = World(db)
        world.number = 900
        world.pay(world.account(town.anna), 70_000, clock.now() - timedelta(days=3), payer=town.anna)
    town.paid(days_ago=2)
    with reading() as db:
        assert paid_last_year(db, visitor=town.visitor, today=clock.today() + timedelta(days=1)) == 70_000
        assert faults(db.connection()) == []


def test_ones_archive_has_templates_and_payments_to_billers_and_nobody_elses(town: Town):
    kept = perform(save_template, visitor=town.visitor, biller_id=town.here.id, name="Свет", fields=FIELDS)
    payment_id = town.paid(template_id=kept)
    town.paid({**FIELDS, "account": OTHER}, payer=town.oleg)
    with reading() as db:
        found = {noun.name: db.execute(noun.rows).mappings().all() for noun in nouns(town.anna.id)}
    (template,), (payment,) = found["utility_templates"], found["utility_payments"]
    assert (template["name"], template["biller_ru"]) == ("Свет", town.here.name_ru)
    assert template["fields"] == {"account": PAYER, "flat": "кв. 4"}
    assert (payment["payment"], payment["template"], payment["fields"]) == (payment_id, kept, FIELDS)
