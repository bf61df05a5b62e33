"""Where a person's money goes: sums by month and service, and the operations behind them.

Sums are kopecks. Months are the operator's accounting months (see `queries.figures`), so that one ledger row falls into one
month whoever looks at it. A declined attempt moves no money and is shown to whoever made it only; so is the card.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlmodel import Session, col

from db import access
from models import Attachment, BillingAccount, Option, Payment, PaymentPart, Plan, Refund, SavedCard, Transfer
from queries.figures import _MonthOfMoment, accounting_month, month_begins_at
from rules.periods import add_months, month_start, months_between, next_month
from rules.terms import (
    CHARGE_CODES,
    CardBrand,
    DeclineReason,
    Language,
    PaymentMethod,
    PaymentState,
    ServiceKind,
    TransferCode,
)
from rules.visitor import Visitor


class OperationKind(StrEnum):
    """What a person filters by. Money given back stands with the top-ups it came from."""

    TOP_UP = "top_up"
    CHARGE = "charge"
    BONUS = "bonus"


CODES: dict[OperationKind, tuple[TransferCode, ...]] = {
    OperationKind.TOP_UP: (TransferCode.TOP_UP, TransferCode.REFUND),
    OperationKind.CHARGE: CHARGE_CODES,
    OperationKind.BONUS: (TransferCode.BONUS_SPENT,),
}
_RAISES = (TransferCode.TOP_UP, TransferCode.BONUS_SPENT)
_MOMENT = Transfer.__table__.c.occurred_at.type  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What to look at: one account or all (None), sums within both bounds, in kopecks."""

    account_id: int | None = None
    least_kopecks: int | None = None
    most_kopecks: int | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """Money of a span. `paid` are top-ups before anything was given back; `by_autopay` is a part of them."""

    paid_kopecks: int = 0
    charged_kopecks: int = 0
    bonus_kopecks: int = 0
    refunded_kopecks: int = 0
    by_autopay_kopecks: int = 0
    operations: int = 0

    @property
    def balance_change_kopecks(self) -> int:
        """What the balances of the accounts changed by."""
        return self.paid_kopecks + self.bonus_kopecks - self.charged_kopecks - self.refunded_kopecks


@dataclass(frozen=True, slots=True)
class MoneyReport:
    """Sums of a period and of as long a one before it, and what the charts draw.

    While the last month is going on, its counterparts in `before` and `years` end on the same day. The average is charged
    in a whole month with operations; there are `full_months` of them (0: none yet), `average_before_kopecks` is None when
    their counterparts had no operations. `counts` are operations of each kind, attempts included.
    `months`: month_on, paid, charged, bonus, a row per month of the period. `parts`: part (a service, or a plan or option
    of the one account looked at), kopecks, the largest first. `years`: month_on, now, before: charges of the twelve months
    up to the last one, and of the same months a year earlier.
    """

    now: Sums
    before: Sums
    average_kopecks: int
    average_before_kopecks: int | None
    full_months: int
    counts: dict[OperationKind, int]
    months: pd.DataFrame
    parts: pd.DataFrame
    years: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Standing:
    """The month of the earliest operation (None when there is none), and a version of the whole history.

    Ledger rows are only ever added, so while no account has one more, none comes or goes and nothing was paid, every sum
    is what it was.
    """

    first_month: date | None
    version: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the history. `kopecks` is what the balance changed by, signed; of an attempt that failed or is not over
    yet, what was to be paid. The card is there when the person's own was charged. `reason`: why money was given back."""

    at: datetime
    account_id: int
    service: ServiceKind
    label: str
    code: TransferCode
    kopecks: int
    state: PaymentState
    method: PaymentMethod | None
    decline_reason: DeclineReason | None
    card_brand: CardBrand | None
    card_last_four: str | None
    product: str
    transfer_id: int | None
    payment_id: int | None
    reason: str = ""


def standing(db: Session, *, visitor: Visitor) -> Standing:
    """How far the visitor's history goes back, and which state of it this is."""
    latest = sa.select(sa.func.max(col(Payment.created_at))).where(col(Payment.payer_id) == visitor.customer_id).scalar_subquery()
    rows = db.execute(
        sa.select(
            col(Transfer.billing_account_id), sa.func.count(), sa.func.min(col(Transfer.occurred_at), type_=_MOMENT), latest
        )
        .where(col(Transfer.billing_account_id).in_(access.reachable(visitor)))
        .group_by(col(Transfer.billing_account_id))
        .order_by(col(Transfer.billing_account_id))
    ).all()
    earliest = min((first for _, _, first, _ in rows), default=None)
    return Standing(
        first_month=None if earliest is None else accounting_month(earliest),
        version=tuple((account_id, count, str(attempt)) for account_id, count, _, attempt in rows),
    )


def money_report(
    db: Session, *, visitor: Visitor, first: date, last: date, today: date, narrowing: Narrowing, language: Language
) -> MoneyReport:
    """The visitor's money from the month of `first` to that of `last`; nothing of a day after `today` is compared with."""
    months = months_between(first, last)
    if not months:
        raise ValueError("the period ends before it begins")
    year = [add_months(months[-1], -step) for step in range(11, -1, -1)]
    length, period = len(months), (month_begins_at(months[0]), month_begins_at(next_month(months[-1])))
    # The counterparts of a month that is going on end on the same day, a period and a year back.
    going_on = months[-1] == month_start(today)
    left_out = [_rest_of_month(add_months(today, -back)) if going_on else None for back in (length, 12)]
    since = add_months(months[-1], 1 - max(2 * length, 24))
    early, late = _found(db, visitor, (month_begins_at(since), period[1]), [span for span in left_out if span], narrowing)
    whole = {each: early[each] + late[each] for each in months_between(since, months[-1])}

    def back(each: date, by: int) -> _Found:
        other = add_months(each, -by)
        return early[other] if going_on and each == months[-1] else whole[other]

    now = [whole[each] for each in months]
    before = [back(each, length) for each in months]
    year_before = [back(each, 12) for each in year]
    started = next((each for each in months if whole[each].operations), None)
    full = [each for each in months if started and each >= started and next_month(each) <= today]
    full_before = [whole[add_months(each, -length)] for each in full]
    if narrowing.account_id is None:
        parts: Counter[str] = sum((each.by_service for each in now), Counter())
    else:
        parts = _charged_items(db, visitor, period, narrowing, language)
    counts = {kind: sum(each.counts[code] for each in now for code in codes) for kind, codes in CODES.items()}
    counts[OperationKind.TOP_UP] += db.execute(_count(_attempts(visitor, period, narrowing))).scalar_one()
    return MoneyReport(
        now=_together(now),
        before=_together(before),
        average_kopecks=_mean([whole[each] for each in full]) or 0,
        average_before_kopecks=_mean(full_before) if any(each.operations for each in full_before) else None,
        full_months=len(full),
        counts=counts,
        months=pd.DataFrame(
            [(each, of.paid, of.charged, of.by_code[TransferCode.BONUS_SPENT]) for each, of in zip(months, now, strict=True)],
            columns=["month_on", "paid", "charged", "bonus"],
        ),
        parts=pd.DataFrame(parts.most_common(), columns=["part", "kopecks"]),
        years=pd.DataFrame(
            [(each, whole[each].charged, of.charged) for each, of in zip(year, year_before, strict=True)],
            columns=["month_on", "now", "before"],
        ),
    )


def operations(
    db: Session,
    *,
    visitor: Visitor,
    first: date,
    last: date,
    kinds: Collection[OperationKind],
    narrowing: Narrowing,
    language: Language,
    total: int,
    page: int = 1,
    size: int = 25,
) -> list[Operation]:
    """One page of the operations from the month of `first` to that of `last`, the latest first.

    `total` is how many there are in all (`MoneyReport.counts`): what lies beyond the middle is read from the other end.
    """
    skip = (page - 1) * size
    take = min(size, total - skip)
    if not kinds or take <= 0:
        return []
    period = (month_begins_at(month_start(first)), month_begins_at(next_month(last)))
    posted = _transfers(visitor, period, [code for kind in kinds for code in CODES[kind]], narrowing)
    with_attempts = sa.union_all(posted, _attempts(visitor, period, narrowing))
    chosen = (with_attempts if OperationKind.TOP_UP in kinds else posted).subquery()
    order = [chosen.c.at, sa.func.coalesce(chosen.c.transfer_id, -chosen.c.payment_id), chosen.c.account_id]
    backwards = skip > total // 2
    listed = (
        sa.select(chosen)
        .order_by(*(each.asc() if backwards else each.desc() for each in order))
        .limit(take)
        .offset(total - skip - take if backwards else skip)
        .subquery()
    )
    rows = db.execute(
        sa.select(
            listed.c.at,
            listed.c.account_id,
            col(BillingAccount.service),
            col(Attachment.label),
            col(Transfer.code),
            listed.c.kopecks,
            col(Payment.state),
            col(Payment.method),
            col(Payment.decline_reason),
            col(SavedCard.brand),
            col(SavedCard.last_four),
            _product_name(language),
            listed.c.transfer_id,
            listed.c.payment_id,
            sa.func.coalesce(col(Refund.reason), ""),
        )
        .select_from(listed)
        .join(BillingAccount, col(BillingAccount.id) == listed.c.account_id)
        .join(
            Attachment,
            sa.and_(
                col(Attachment.billing_account_id) == listed.c.account_id,
                col(Attachment.customer_id) == visitor.customer_id,
                col(Attachment.detached_at).is_(None),
            ),
        )
        .outerjoin(Transfer, col(Transfer.id) == listed.c.transfer_id)
        .outerjoin(Plan, col(Plan.id) == col(Transfer.plan_id))
        .outerjoin(Option, col(Option.id) == col(Transfer.option_id))
        .outerjoin(Payment, col(Payment.id) == listed.c.payment_id)
        .outerjoin(
            Refund,
            sa.and_(
                col(Transfer.code) == TransferCode.REFUND,
                col(Refund.payment_id) == col(Transfer.payment_id),
                col(Transfer.key) == sa.literal("refund:") + sa.cast(col(Refund.id), sa.String),
            ),
        )
        .outerjoin(
            SavedCard, sa.and_(col(SavedCard.id) == col(Payment.card_id), col(SavedCard.customer_id) == visitor.customer_id)
        )
        .order_by(
            listed.c.at.desc(),
            sa.func.coalesce(listed.c.transfer_id, -listed.c.payment_id).desc(),
            listed.c.account_id.desc(),
        )
    )
    return [_operation(*row) for row in rows]


def _operation(
    at: datetime,
    account_id: int,
    service: ServiceKind,
    label: str,
    code: TransferCode | None,
    kopecks: int,
    state: PaymentState | None,
    method: PaymentMethod | None,
    decline_reason: DeclineReason | None,
    brand: CardBrand | None,
    last_four: str | None,
    product: str,
    transfer_id: int | None,
    payment_id: int | None,
    reason: str,
) -> Operation:
    code = code or TransferCode.TOP_UP
    return Operation(
        at=at,
        account_id=account_id,
        service=service,
        label=label,
        code=code,
        kopecks=kopecks if code in _RAISES else -kopecks,
        state=PaymentState.SUCCEEDED if transfer_id is not None or state is None else state,
        method=method,
        decline_reason=decline_reason if transfer_id is None else None,
        card_brand=brand,
        card_last_four=last_four,
        product=product,
        transfer_id=transfer_id,
        payment_id=payment_id,
        reason=reason,
    )


# --- how the rows are found ---------------------------------------------------------------------------------
Span = tuple[datetime, datetime]


@dataclass(slots=True)
class _Found:
    """What the ledger has of one span: kopecks and rows by code, charges by service, top-ups by autopay."""

    by_code: Counter[TransferCode] = field(default_factory=Counter)
    counts: Counter[TransferCode] = field(default_factory=Counter)
    by_service: Counter[str] = field(default_factory=Counter)
    by_autopay: int = 0

    def __add__(self, other: "_Found") -> "_Found":
        return _Found(
            self.by_code + other.by_code,
            self.counts + other.counts,
            self.by_service + other.by_service,
            self.by_autopay + other.by_autopay,
        )

    @property
    def paid(self) -> int:
        return self.by_code[TransferCode.TOP_UP]

    @property
    def charged(self) -> int:
        return sum(self.by_code[code] for code in CHARGE_CODES)

    @property
    def operations(self) -> int:
        return self.counts.total()


def _together(found: Sequence[_Found]) -> Sums:
    return Sums(
        paid_kopecks=sum(each.paid for each in found),
        charged_kopecks=sum(each.charged for each in found),
        bonus_kopecks=sum(each.by_code[TransferCode.BONUS_SPENT] for each in found),
        refunded_kopecks=sum(each.by_code[TransferCode.REFUND] for each in found),
        by_autopay_kopecks=sum(each.by_autopay for each in found),
        operations=sum(each.operations for each in found),
    )


def _mean(months: Sequence[_Found]) -> int | None:
    return round(sum(each.charged for each in months) / len(months)) if months else None


def _rest_of_month(day: date) -> Span:
    """From the end of that day to the end of its month."""
    begin = month_begins_at(month_start(day))
    return begin + timedelta(days=day.day), month_begins_at(next_month(day))


def _mine(visitor: Visitor, narrowing: Narrowing) -> sa.Subquery:
    """The accounts to look at: the visitor's, or one of them."""
    mine = access.reachable(visitor)
    if narrowing.account_id is not None:
        mine = mine.where(col(Attachment.billing_account_id) == narrowing.account_id)
    return mine.subquery()


def _within(amount: Any, narrowing: Narrowing) -> list[sa.ColumnElement[bool]]:
    bounds = []
    if narrowing.least_kopecks is not None:
        bounds.append(amount >= narrowing.least_kopecks)
    if narrowing.most_kopecks is not None:
        bounds.append(amount <= narrowing.most_kopecks)
    return bounds


def _found(
    db: Session, visitor: Visitor, span: Span, left_out: Sequence[Span], narrowing: Narrowing
) -> tuple[dict[date, _Found], dict[date, _Found]]:
    """What each month of a span holds, apart from what falls into `left_out`, and what falls into that.

    Months without operations are there too. One statement that reads every row once, by index.
    """
    at, mine, autopay = col(Transfer.occurred_at), _mine(visitor, narrowing), col(Payment.method) == PaymentMethod.AUTOPAY
    month = _MonthOfMoment(at)
    is_late = sa.or_(sa.false(), *(sa.and_(at >= begin, at < end) for begin, end in left_out))
    rows = db.execute(
        sa.select(
            month,
            is_late,
            col(BillingAccount.service),
            col(Transfer.code),
            autopay,
            sa.func.sum(col(Transfer.amount_kopecks)),
            sa.func.count(),
        )
        .select_from(mine)
        .join(BillingAccount, col(BillingAccount.id) == mine.c.billing_account_id)
        .join(Transfer, col(Transfer.billing_account_id) == mine.c.billing_account_id)
        .outerjoin(Payment, col(Payment.id) == col(Transfer.payment_id))
        .where(at >= span[0], at < span[1], *_within(col(Transfer.amount_kopecks), narrowing))
        .group_by(sa.literal_column("1"), sa.literal_column("2"), col(BillingAccount.service), col(Transfer.code), autopay)
    )
    early, late = defaultdict[date, _Found](_Found), defaultdict[date, _Found](_Found)
    for month_on, of_rest, service, code, by_autopay, total, count in rows:
        of, kopecks = (late if of_rest else early)[month_on], int(total)
        of.by_code[code] += kopecks
        of.counts[code] += count
        if code in CHARGE_CODES:
            of.by_service[service.value] += kopecks
        if by_autopay and code is TransferCode.TOP_UP:
            of.by_autopay += kopecks
    return early, late


def _charged_items(db: Session, visitor: Visitor, period: Span, narrowing: Narrowing, language: Language) -> Counter[str]:
    """What the charges of a period were for: names of plans and options, or the code where there is no product."""
    name = _product_name(language)
    rows = db.execute(
        sa.select(name, col(Transfer.code), sa.func.sum(col(Transfer.amount_kopecks)))
        .select_from(Transfer)
        .outerjoin(Plan, col(Plan.id) == col(Transfer.plan_id))
        .outerjoin(Option, col(Option.id) == col(Transfer.option_id))
        .where(*_of_transfers(visitor, period, CHARGE_CODES, narrowing))
        .group_by(name, col(Transfer.code))
    )
    items: Counter[str] = Counter()
    for product, code, kopecks in rows:
        items[product or code.value] += int(kopecks)
    return items


def _product_name(language: Language) -> sa.ColumnElement[str]:
    english = language is Language.EN
    return sa.func.coalesce(*(col(of.name_en if english else of.name_ru) for of in (Plan, Option)), "")


def _of_transfers(
    visitor: Visitor, period: Span, codes: Collection[TransferCode], narrowing: Narrowing
) -> list[sa.ColumnElement[bool]]:
    return [
        col(Transfer.billing_account_id).in_(sa.select(_mine(visitor, narrowing).c.billing_account_id)),
        col(Transfer.occurred_at) >= period[0],
        col(Transfer.occurred_at) < period[1],
        col(Transfer.code).in_(codes),
        *_within(col(Transfer.amount_kopecks), narrowing),
    ]


def _transfers(
    visitor: Visitor, period: Span, codes: Collection[TransferCode], narrowing: Narrowing
) -> "sa.Select[*tuple[Any, ...]]":
    return sa.select(
        col(Transfer.occurred_at).label("at"),
        col(Transfer.id).label("transfer_id"),
        col(Transfer.payment_id).label("payment_id"),
        col(Transfer.billing_account_id).label("account_id"),
        col(Transfer.amount_kopecks).label("kopecks"),
    ).where(*_of_transfers(visitor, period, codes, narrowing))


def _attempts(visitor: Visitor, period: Span, narrowing: Narrowing) -> "sa.Select[*tuple[Any, ...]]":
    """The visitor's own payments that have not succeeded, a row per account."""
    return (
        sa.select(
            col(Payment.created_at).label("at"),
            sa.null().label("transfer_id"),
            col(Payment.id).label("payment_id"),
            col(PaymentPart.billing_account_id).label("account_id"),
            col(PaymentPart.amount_kopecks).label("kopecks"),
        )
        .join(PaymentPart, col(PaymentPart.payment_id) == col(Payment.id))
        .where(
            col(Payment.payer_id) == visitor.customer_id,
            col(Payment.created_at) >= period[0],
            col(Payment.created_at) < period[1],
            col(Payment.state) != PaymentState.SUCCEEDED,
            col(PaymentPart.billing_account_id).in_(sa.select(_mine(visitor, narrowing).c.billing_account_id)),
            *_within(col(PaymentPart.amount_kopecks), narrowing),
        )
    )


def _count(of: "sa.Select[*tuple[Any, ...]]") -> "sa.Select[int]":
    return sa.select(sa.func.count()).select_from(of.subquery())
