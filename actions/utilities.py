"""Paying billers, and the templates a person keeps for it."""

from collections.abc import Mapping

from sqlmodel import Session, col, select

import clock
from actions.payments import Begun, content_of_biller, open_intent
from actions.performing import action
from models import Customer, UtilityPayment, UtilityTemplate
from queries.utilities import MONTHLY, BillerForm, biller_form, last_readings
from rules.numbers import normalise_label
from rules.refusals import BillerFieldWrong, LabelMalformed, LooksLikeCard, NotAllowed, TemplateNameMissing
from rules.terms import BillerFieldKind
from rules.utilities import FieldTerms, check_amount_for_biller, check_fields, looks_like_card
from rules.visitor import Visitor
from settings import operator

LONGEST_NAME = 40


@action("begin_utility_payment")
def begin_utility_payment(
    db: Session,
    *,
    visitor: Visitor,
    biller_id: int,
    fields: Mapping[str, str],
    amount_kopecks: int,
    key: str,
    card_id: int | None = None,
    keep_card: bool = False,
    return_url: str = "",
    again: bool = False,
    template_id: int | None = None,
    template_name: str = "",
) -> Begun:
    """Write down that the visitor pays a biller; nothing is charged here. The same key is the same payment.

    `fields`: field code to what was typed. `template_id` is the own template it was begun from; with `template_name` what does
    not change from month to month is kept under it. Raises BillerUnavailable, NotAllowed (not their template), BillerFieldWrong,
    LooksLikeCard, AmountOutOfRange, TemplateNameMissing and what `actions.payments.open_intent` raises.
    """
    form = biller_form(db, visitor=visitor, biller_id=biller_id, language=visitor.language)
    if template_id is not None and _mine(db, visitor, template_id).biller_id != biller_id:
        raise NotAllowed()
    values = _checked(db, visitor, form, fields)
    _check_amount(form, amount_kopecks)
    payment, was_there = open_intent(
        db,
        visitor=visitor,
        amount_kopecks=amount_kopecks,
        key=key,
        card_id=card_id,
        keep_card=keep_card,
        return_url=return_url,
        again=again,
        content=content_of_biller(biller_id, values),
    )
    if not was_there:
        if template_name:
            template_id = _keep(db, visitor, form, template_name, values, amount_kopecks)
        db.add(UtilityPayment(payment_id=payment.id, biller_id=biller_id, template_id=template_id, fields=values))
        db.flush()
    return Begun(payment.id)


@action("save_template")
def save_template(
    db: Session,
    *,
    visitor: Visitor,
    biller_id: int,
    name: str,
    fields: Mapping[str, str],
    amount_kopecks: int | None = None,
) -> int:
    """Keep what does not change from month to month (payer code, texts) under a name, with a sum to suggest; returns its id.

    The same biller and fields are one template: saved again, it has the new name and sum. Raises BillerUnavailable,
    BillerFieldWrong, AmountOutOfRange, TemplateNameMissing, LooksLikeCard.
    """
    form = biller_form(db, visitor=visitor, biller_id=biller_id, language=visitor.language)
    if amount_kopecks is not None:
        _check_amount(form, amount_kopecks)
    lasting = [each for each in form.terms if each.kind not in MONTHLY]
    return _keep(db, visitor, form, name, _sound(form, lasting, fields, visitor, {}), amount_kopecks)


@action("rename_template")
def rename_template(db: Session, *, visitor: Visitor, template_id: int, name: str) -> None:
    """Give one's own template another name. Raises NotAllowed, TemplateNameMissing, LooksLikeCard."""
    template = _mine(db, visitor, template_id)
    template.name = _name(name)
    db.add(template)


@action("remove_template")
def remove_template(db: Session, *, visitor: Visitor, template_id: int) -> None:
    """Take away one's own template; what was paid by it stays in the history. Raises NotAllowed."""
    template = _mine(db, visitor, template_id)
    template.removed_at = clock.now()
    db.add(template)


def _mine(db: Session, visitor: Visitor, template_id: int) -> UtilityTemplate:
    template = db.exec(
        select(UtilityTemplate)
        .where(
            col(UtilityTemplate.id) == template_id,
            col(UtilityTemplate.customer_id) == visitor.customer_id,
            col(UtilityTemplate.removed_at).is_(None),
        )
        .with_for_update()
    ).first()
    if template is None:
        raise NotAllowed()
    return template


def _checked(db: Session, visitor: Visitor, form: BillerForm, typed: Mapping[str, str]) -> dict[str, str]:
    """What was typed, as it is stored; readings are compared with those paid last under the same payer code."""
    codes = [each for each in form.terms if each.kind is BillerFieldKind.PAYER_CODE]
    payer_code = next(iter(_sound(form, codes, typed, visitor, {}).values()), "")
    known = last_readings(db, visitor=visitor, biller_id=form.biller_id, payer_code=payer_code)
    return _sound(form, form.terms, typed, visitor, {code: reading.value for code, reading in known.items()})


def _sound(
    form: BillerForm, fields: list[FieldTerms], typed: Mapping[str, str], visitor: Visitor, last: Mapping[str, str]
) -> dict[str, str]:
    checked = check_fields(fields=fields, typed=typed, today=clock.today(visitor.time_zone), last=last)
    for field in form.fields:
        problem = checked.problems.get(field.terms.code)
        if problem is not None and problem.code == "card":
            raise LooksLikeCard()
        if problem is not None:
            raise BillerFieldWrong(field=field.label, problem=problem.code)
    return checked.values


def _check_amount(form: BillerForm, amount_kopecks: int) -> None:
    check_amount_for_biller(
        amount_kopecks, least_kopecks=form.least_kopecks, most_kopecks=form.most_kopecks, terms=operator().payments
    )


def _keep(
    db: Session, visitor: Visitor, form: BillerForm, name: str, values: Mapping[str, str], amount_kopecks: int | None
) -> int:
    """The template of these lasting values: the one that is there, renamed, or a new one. One tab after the other."""
    said = _name(name)
    db.exec(select(Customer.id).where(col(Customer.id) == visitor.customer_id).with_for_update(key_share=True)).one()
    lasting = {each.code for each in form.terms if each.kind not in MONTHLY}
    kept = {code: value for code, value in values.items() if code in lasting}
    mine = db.exec(
        select(UtilityTemplate).where(
            col(UtilityTemplate.customer_id) == visitor.customer_id,
            col(UtilityTemplate.biller_id) == form.biller_id,
            col(UtilityTemplate.removed_at).is_(None),
        )
    ).all()
    template = next((each for each in mine if each.fields == kept), None)
    if template is None:
        template = UtilityTemplate(
            customer_id=visitor.customer_id, biller_id=form.biller_id, name=said, fields=kept, created_at=clock.now()
        )
    template.name, template.amount_kopecks = said, amount_kopecks
    db.add(template)
    db.flush()
    return template.id


def _name(typed: str) -> str:
    try:
        said = normalise_label(typed, LONGEST_NAME)
    except LabelMalformed:
        raise TemplateNameMissing(longest=LONGEST_NAME) from None
    if looks_like_card(said):
        raise LooksLikeCard()
    return said
