"""Billers that a person may pay, what they ask for, and what the person paid them: templates, readings, history.

A biller is on offer when it is active and works in the person's region (without regions: everywhere).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from models import Biller, BillerField, BillerRegion, Payment, SavedCard, UtilityPayment, UtilityTemplate
from rules.refusals import BillerUnavailable, NotAllowed
from rules.terms import BillerCategory, BillerFieldKind, CardBrand, DeclineReason, Language, PaymentState
from rules.utilities import FieldTerms
from rules.visitor import Visitor

LOOKED_BACK = 300
"""So many of a person's payments to billers are gone through for what was paid last."""
CATEGORIES = list(BillerCategory)
MONTHLY = (BillerFieldKind.PERIOD, BillerFieldKind.READING)
"""What is told anew every month; all else stays the same and is kept in templates."""


@dataclass(frozen=True, slots=True)
class BillerRow:
    """A biller in a list."""

    biller_id: int
    category: BillerCategory
    name: str
    inn: str


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as it is shown, and what it takes."""

    terms: FieldTerms
    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class BillerForm:
    """A biller with what it asks for, in its order. Sums in kopecks: its own bounds for one payment."""

    biller_id: int
    category: BillerCategory
    name: str
    inn: str
    least_kopecks: int
    most_kopecks: int
    fields: tuple[FormField, ...]

    @property
    def terms(self) -> list[FieldTerms]:
        return [field.terms for field in self.fields]

    def of_kind(self, kind: BillerFieldKind) -> list[FormField]:
        return [field for field in self.fields if field.terms.kind is kind]


@dataclass(frozen=True, slots=True)
class LastPaid:
    """A succeeded payment. `period_on` is the first day of the month that was paid for, when the biller asks for one."""

    payment_id: int
    at: datetime
    amount_kopecks: int
    period_on: date | None


@dataclass(frozen=True, slots=True)
class Template:
    """A template of one's own. `is_offered`: its biller can be paid now. `last` is the newest payment of the same thing,
    by this template or without; `is_pending`: another one is under way."""

    template_id: int
    name: str
    biller_id: int
    biller: str
    category: BillerCategory
    fields: dict[str, str]
    payer_code: str
    amount_kopecks: int | None
    is_offered: bool
    last: LastPaid | None
    is_pending: bool


@dataclass(frozen=True, slots=True)
class LastReading:
    """What a meter showed when it was paid last (a number as stored), and for which month if the biller asks for one."""

    value: str
    at: datetime
    period_on: date | None


@dataclass(frozen=True, slots=True)
class UtilityRow:
    """One payment to a biller, with what was typed for it."""

    payment_id: int
    at: datetime
    biller_id: int
    biller: str
    category: BillerCategory
    payer_code: str
    period_on: date | None
    fields: dict[str, str]
    amount_kopecks: int
    state: PaymentState
    decline_reason: DeclineReason | None
    card_brand: CardBrand | None
    card_last_four: str | None

    @property
    def receipt_path(self) -> str | None:
        """The address of the receipt, for what was paid."""
        return f"/documents/receipt/{self.payment_id}.pdf" if self.state is PaymentState.SUCCEEDED else None


@dataclass(frozen=True, slots=True)
class Prefill:
    """What a form begins with: field code to value as stored, the sum to suggest in kopecks, the template it is paid by."""

    biller_id: int
    name: str
    fields: dict[str, str]
    amount_kopecks: int | None
    template_id: int | None


def _offered(visitor: Visitor) -> Any:
    """The condition under which the visitor may pay a biller."""
    regions = sa.select(col(BillerRegion.region_code)).where(col(BillerRegion.biller_id) == col(Biller.id))
    return sa.and_(
        col(Biller.is_active),
        sa.or_(~regions.exists(), regions.where(col(BillerRegion.region_code) == visitor.region_code).exists()),
    )


def _named(biller: Biller, language: Language) -> str:
    return biller.name_en if language is Language.EN else biller.name_ru


def billers(db: Session, *, visitor: Visitor, language: Language) -> list[BillerRow]:
    """The billers on offer to the visitor, by category in the order of the terms."""
    found = db.exec(select(Biller).where(_offered(visitor)))
    rows = sorted(found, key=lambda biller: (CATEGORIES.index(biller.category), biller.position, biller.id))
    return [BillerRow(biller.id, biller.category, _named(biller, language), biller.inn) for biller in rows]


def biller_form(db: Session, *, visitor: Visitor, biller_id: int, language: Language) -> BillerForm:
    """A biller on offer to the visitor with its fields. Raises BillerUnavailable for any other."""
    biller = db.exec(select(Biller).where(col(Biller.id) == biller_id, _offered(visitor))).first()
    if biller is None:
        raise BillerUnavailable()
    english = language is Language.EN
    fields = db.exec(
        select(BillerField)
        .where(col(BillerField.biller_id) == biller_id)
        .order_by(col(BillerField.position), col(BillerField.id))
    )
    return BillerForm(
        biller_id=biller.id,
        category=biller.category,
        name=_named(biller, language),
        inn=biller.inn,
        least_kopecks=biller.least_kopecks,
        most_kopecks=biller.most_kopecks,
        fields=tuple(
            FormField(
                FieldTerms(each.code, each.kind, each.required, each.shortest, each.longest, each.decimals),
                each.label_en if english else each.label_ru,
                each.hint_en if english else each.hint_ru,
            )
            for each in fields
        ),
    )


def own_templates(db: Session, *, visitor: Visitor, language: Language) -> list[Template]:
    """The visitor's own templates that they have not removed, oldest first, each with its last payment."""
    mine = db.execute(
        sa.select(UtilityTemplate, Biller, _offered(visitor).label("is_offered"))
        .join(Biller, col(Biller.id) == col(UtilityTemplate.biller_id))
        .where(col(UtilityTemplate.customer_id) == visitor.customer_id, col(UtilityTemplate.removed_at).is_(None))
        .order_by(col(UtilityTemplate.id))
    ).all()
    if not mine:
        return []
    codes = _codes(db, {biller.id for _, biller, _ in mine})
    paid = _paid(db, visitor, {biller.id for _, biller, _ in mine})
    result = []
    for template, biller, is_offered in mine:
        own = [
            (payment, about)
            for payment, about in paid
            if about.biller_id == biller.id and template.fields.items() <= about.fields.items()
        ]
        last = next((each for each in own if each[0].state is PaymentState.SUCCEEDED), None)
        known = codes.get(biller.id, {})
        result.append(
            Template(
                template_id=template.id,
                name=template.name,
                biller_id=biller.id,
                biller=_named(biller, language),
                category=biller.category,
                fields=dict(template.fields),
                payer_code=_of_kind(template.fields, known, BillerFieldKind.PAYER_CODE),
                amount_kopecks=template.amount_kopecks,
                is_offered=bool(is_offered),
                last=None if last is None else _last(*last, known),
                is_pending=any(payment.state is PaymentState.PENDING for payment, _ in own),
            )
        )
    return result


def last_readings(db: Session, *, visitor: Visitor, biller_id: int, payer_code: str) -> dict[str, LastReading]:
    """Field code to the reading that the visitor paid last for this payer code; what others paid is not told."""
    known = _codes(db, {biller_id}).get(biller_id, {})
    found: dict[str, LastReading] = {}
    for payment, about in _paid(db, visitor, [biller_id]):
        if payment.state is not PaymentState.SUCCEEDED:
            continue
        if not payer_code or _of_kind(about.fields, known, BillerFieldKind.PAYER_CODE) != payer_code:
            continue
        for code, kind in known.items():
            if kind is BillerFieldKind.READING and code in about.fields and code not in found:
                found[code] = LastReading(about.fields[code], payment.created_at, _period_on(about.fields, known))
    return found


def last_paid(db: Session, *, visitor: Visitor, biller_id: int, payer_code: str) -> LastPaid | None:
    """The newest payment of the visitor to a biller for this payer code."""
    known = _codes(db, {biller_id}).get(biller_id, {})
    for payment, about in _paid(db, visitor, [biller_id]):
        if payment.state is PaymentState.SUCCEEDED and (_of_kind(about.fields, known, BillerFieldKind.PAYER_CODE) == payer_code):
            return _last(payment, about, known)
    return None


def template_prefill(db: Session, *, visitor: Visitor, template_id: int, language: Language) -> Prefill:
    """What the form begins with when one's own template is paid: its fields and the sum paid last. Raises NotAllowed."""
    own = own_templates(db, visitor=visitor, language=language)
    template = next((each for each in own if each.template_id == template_id), None)
    if template is None:
        raise NotAllowed()
    amount = template.last.amount_kopecks if template.last is not None else template.amount_kopecks
    return Prefill(template.biller_id, template.name, template.fields, amount, template_id)


def repeat_prefill(db: Session, *, visitor: Visitor, payment_id: int) -> Prefill:
    """What the form begins with when one's own payment is made again. Raises NotAllowed.

    Of one that went through only what stays the same from month to month is taken, of any other everything that was typed.
    """
    found = db.execute(
        sa.select(Payment, UtilityPayment)
        .join(UtilityPayment, col(UtilityPayment.payment_id) == col(Payment.id))
        .where(col(Payment.id) == payment_id, col(Payment.payer_id) == visitor.customer_id)
    ).first()
    if found is None:
        raise NotAllowed()
    payment, about = found
    known = _codes(db, {about.biller_id}).get(about.biller_id, {})
    is_over = payment.state is PaymentState.SUCCEEDED
    fields = {code: value for code, value in about.fields.items() if not is_over or known.get(code) not in MONTHLY}
    return Prefill(about.biller_id, "", fields, payment.amount_kopecks, None)


def utility_payments_count(db: Session, *, visitor: Visitor) -> int:
    """How many payments to billers the visitor has begun."""
    return int(db.execute(sa.select(sa.func.count()).select_from(_own(visitor).subquery())).scalar_one())


def utility_payments(db: Session, *, visitor: Visitor, language: Language, page: int = 1, size: int = 10) -> list[UtilityRow]:
    """One page of the visitor's payments to billers, the latest first."""
    rows = db.execute(
        sa.select(Payment, UtilityPayment, Biller, SavedCard)
        .join(UtilityPayment, col(UtilityPayment.payment_id) == col(Payment.id))
        .join(Biller, col(Biller.id) == col(UtilityPayment.biller_id))
        .outerjoin(SavedCard, col(SavedCard.id) == col(Payment.card_id))
        .where(col(Payment.payer_id) == visitor.customer_id)
        .order_by(col(Payment.created_at).desc(), col(Payment.id).desc())
        .limit(size)
        .offset((page - 1) * size)
    ).all()
    codes = _codes(db, {biller.id for _, _, biller, _ in rows})
    return [
        UtilityRow(
            payment_id=payment.id,
            at=payment.created_at,
            biller_id=biller.id,
            biller=_named(biller, language),
            category=biller.category,
            payer_code=_of_kind(about.fields, codes.get(biller.id, {}), BillerFieldKind.PAYER_CODE),
            period_on=_period_on(about.fields, codes.get(biller.id, {})),
            fields=dict(about.fields),
            amount_kopecks=payment.amount_kopecks,
            state=payment.state,
            decline_reason=payment.decline_reason,
            card_brand=None if card is None else card.brand,
            card_last_four=None if card is None else card.last_four,
        )
        for payment, about, biller, card in rows
    ]


def _own(visitor: Visitor) -> "sa.Select[int]":
    return (
        sa.select(col(Payment.id))
        .join(UtilityPayment, col(UtilityPayment.payment_id) == col(Payment.id))
        .where(col(Payment.payer_id) == visitor.customer_id)
    )


def _paid(db: Session, visitor: Visitor, biller_ids: Collection[int]) -> list[tuple[Payment, UtilityPayment]]:
    """The visitor's payments to these billers that succeeded or may yet, the latest first."""
    rows = db.execute(
        sa.select(Payment, UtilityPayment)
        .join(UtilityPayment, col(UtilityPayment.payment_id) == col(Payment.id))
        .where(
            col(Payment.payer_id) == visitor.customer_id,
            col(Payment.state) != PaymentState.DECLINED,
            col(UtilityPayment.biller_id).in_(biller_ids),
        )
        .order_by(col(Payment.created_at).desc(), col(Payment.id).desc())
        .limit(LOOKED_BACK)
    )
    return [(payment, about) for payment, about in rows]


def _codes(db: Session, biller_ids: set[int]) -> dict[int, dict[str, BillerFieldKind]]:
    """Biller to its field codes with their kinds."""
    found: dict[int, dict[str, BillerFieldKind]] = {}
    for each in db.exec(
        select(BillerField).where(col(BillerField.biller_id).in_(biller_ids)).order_by(col(BillerField.position))
    ):
        found.setdefault(each.biller_id, {})[each.code] = each.kind
    return found


def _of_kind(fields: Mapping[str, str], codes: Mapping[str, BillerFieldKind], kind: BillerFieldKind) -> str:
    return next((fields[code] for code, its in codes.items() if its is kind and code in fields), "")


def _period_on(fields: Mapping[str, str], codes: Mapping[str, BillerFieldKind]) -> date | None:
    period = _of_kind(fields, codes, BillerFieldKind.PERIOD)
    return date.fromisoformat(f"{period}-01") if period else None


def _last(payment: Payment, about: UtilityPayment, codes: Mapping[str, BillerFieldKind]) -> LastPaid:
    return LastPaid(payment.id, payment.created_at, payment.amount_kopecks, _period_on(about.fields, codes))
