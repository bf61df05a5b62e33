"""Everything the portal holds about a person, as one select a noun; and how far their archive is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import clock
from models import (
    Attachment,
    AuditEntry,
    AutopayRule,
    AutopayRun,
    Bill,
    Biller,
    BillingAccount,
    BillLine,
    BonusEntry,
    BonusLot,
    Consent,
    Customer,
    DataExport,
    ExternalIdentity,
    LedgerAccount,
    LoginSession,
    Message,
    Notice,
    NoticeChoice,
    Option,
    Order,
    OrderEvent,
    Payment,
    PaymentPart,
    Plan,
    PortalVisit,
    SavedCard,
    SecondFactor,
    Subscription,
    Transfer,
    UtilityPayment,
    UtilityTemplate,
)
from rules.terms import ExportState
from rules.visitor import Visitor

Rows = sa.Select[*tuple[Any, ...]]

TELLING = ("account_closing", "new_sign_in")
"""Letters whose words are in the archive. All others might carry a code or a link that is good for something: only that they
were sent, when and where to, is told."""


# --- how far it is ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Export:
    """A person's newest request. `size_bytes` is set while the archive is there; `expires_at` (aware UTC) is its end then."""

    export_id: int
    state: ExportState
    percent: int
    requested_at: datetime
    size_bytes: int | None
    expires_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state in (ExportState.QUEUED, ExportState.RUNNING)

    @property
    def is_there(self) -> bool:
        return self.size_bytes is not None


def newest_export(db: Session, *, visitor: Visitor) -> Export | None:
    """The visitor's newest request for their data, None when there was none."""
    row = db.execute(
        sa.select(
            col(DataExport.id),
            col(DataExport.state),
            col(DataExport.percent),
            col(DataExport.requested_at),
            col(DataExport.expires_at),
            sa.func.length(col(DataExport.archive)),
        )
        .where(col(DataExport.customer_id) == visitor.customer_id)
        .order_by(col(DataExport.id).desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    export_id, state, percent, requested_at, expires_at, size = row
    there = state is ExportState.READY and size is not None and expires_at is not None and expires_at > clock.now()
    return Export(
        export_id=export_id,
        state=ExportState(state),
        percent=percent,
        requested_at=requested_at,
        size_bytes=size if there else None,
        expires_at=expires_at if there else None,
    )


# --- everything about a person ----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Noun:
    """One table of the archive: its name (also the name of its files) and the select that reads it, in order."""

    name: str
    rows: Rows

    @property
    def columns(self) -> list[str]:
        return [column.name for column in self.rows.selected_columns]


def nouns(customer_id: int) -> list[Noun]:
    """Everything about one person and nobody else, from the person themselves to their letters.

    Contracts of others that the person was let into are named, but what is in them is about their holders. No hash, secret
    or token is in any of it.
    """
    held = sa.select(col(BillingAccount.id)).where(col(BillingAccount.holder_id) == customer_id)
    seen = sa.select(col(Attachment.billing_account_id)).where(col(Attachment.customer_id) == customer_id)
    return [
        Noun(name, rows)
        for group in (
            _person(customer_id),
            _accounts(customer_id, held),
            _money(customer_id, held),
            _portal(customer_id, held, seen),
        )
        for name, rows in group.items()
    ]


def _person(customer_id: int) -> dict[str, Rows]:
    mine = col(Customer.id) == customer_id
    return {
        "person": sa.select(
            col(Customer.last_name),
            col(Customer.first_name),
            col(Customer.patronymic),
            col(Customer.birth_on),
            col(Customer.email),
            col(Customer.phone),
            col(Customer.region_code),
            col(Customer.language),
            col(Customer.role),
            col(Customer.registered_at),
            col(Customer.email_confirmed_at),
            col(Customer.phone_confirmed_at),
            col(Customer.welcomed_at),
            col(Customer.closing_on),
        ).where(mine),
        "consents": sa.select(col(Consent.kind), col(Consent.given), col(Consent.wording), col(Consent.language), col(Consent.at))
        .where(col(Consent.customer_id) == customer_id)
        .order_by(col(Consent.at), col(Consent.id)),
        "identities": sa.select(
            col(ExternalIdentity.provider),
            col(ExternalIdentity.issuer),
            col(ExternalIdentity.subject),
            col(ExternalIdentity.shown_as),
            col(ExternalIdentity.bound_at),
        )
        .where(col(ExternalIdentity.customer_id) == customer_id)
        .order_by(col(ExternalIdentity.id)),
        "second_factor": sa.select(col(SecondFactor.created_at), col(SecondFactor.confirmed_at)).where(
            col(SecondFactor.customer_id) == customer_id
        ),
    }


def _accounts(customer_id: int, held: "sa.Select[int]") -> dict[str, Rows]:
    is_holder = col(BillingAccount.holder_id) == customer_id

    def own(column: Any) -> Any:
        return sa.case((is_holder, column), else_=None).label(column.name)

    return {
        "accounts": sa.select(
            col(BillingAccount.number),
            col(BillingAccount.service),
            is_holder.label("is_holder"),
            own(col(BillingAccount.mode)),
            own(col(BillingAccount.status)),
            own(LedgerAccount.__table__.c.balance_kopecks),  # type: ignore[attr-defined]
            own(col(BillingAccount.region_code)),
            own(col(BillingAccount.address)),
            own(col(BillingAccount.service_phone)),
            own(col(BillingAccount.contact_email)),
            own(col(BillingAccount.contact_phone)),
            own(col(BillingAccount.opened_on)),
            own(col(BillingAccount.closed_on)),
            col(Attachment.right),
            col(Attachment.label),
            col(Attachment.bill_by_email),
            col(Attachment.attached_at),
            col(Attachment.detached_at),
        )
        .select_from(BillingAccount)
        .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(BillingAccount.id))
        .outerjoin(
            Attachment,
            sa.and_(col(Attachment.billing_account_id) == col(BillingAccount.id), col(Attachment.customer_id) == customer_id),
        )
        .where(sa.or_(is_holder, col(Attachment.id).is_not(None)))
        .order_by(col(BillingAccount.id), col(Attachment.id)),
        "subscriptions": sa.select(
            col(BillingAccount.number).label("account"),
            sa.func.coalesce(col(Plan.code), col(Option.code)).label("code"),
            sa.func.coalesce(col(Plan.name_ru), col(Option.name_ru)).label("name_ru"),
            sa.func.coalesce(col(Plan.name_en), col(Option.name_en)).label("name_en"),
            col(Subscription.started_on),
            col(Subscription.ends_on),
            col(Subscription.ended_on),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(Subscription.billing_account_id))
        .outerjoin(Plan, col(Plan.id) == col(Subscription.plan_id))
        .outerjoin(Option, col(Option.id) == col(Subscription.option_id))
        .where(is_holder)
        .order_by(col(Subscription.id)),
        "orders": sa.select(
            col(Order.id).label("order"),
            col(BillingAccount.number).label("account"),
            col(Option.code).label("option"),
            col(Option.name_ru),
            col(Option.name_en),
            (col(Order.placed_by_id) == customer_id).label("placed_by_you"),
            col(Order.kind),
            col(Order.state),
            col(Order.now_kopecks),
            col(Order.monthly_kopecks),
            col(Order.effective_on),
            col(Order.placed_at),
            col(Order.closed_at),
            col(Order.reason),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(Order.billing_account_id))
        .join(Option, col(Option.id) == col(Order.option_id))
        .where(sa.or_(is_holder, col(Order.placed_by_id) == customer_id))
        .order_by(col(Order.id)),
        "order_events": sa.select(col(OrderEvent.order_id).label("order"), col(OrderEvent.state), col(OrderEvent.at))
        .join(Order, col(Order.id) == col(OrderEvent.order_id))
        .where(sa.or_(col(Order.billing_account_id).in_(held), col(Order.placed_by_id) == customer_id))
        .order_by(col(OrderEvent.order_id), col(OrderEvent.id)),
    }


def _money(customer_id: int, held: "sa.Select[int]") -> dict[str, Rows]:
    credited = aliased(LedgerAccount)
    amount = col(Transfer.amount_kopecks)
    number: Any = col(BillingAccount.number).label("account")
    return {
        "payments": sa.select(
            col(Payment.id).label("payment"),
            col(Payment.amount_kopecks),
            col(Payment.method),
            col(SavedCard.brand).label("card_brand"),
            col(SavedCard.last_four).label("card_last_four"),
            col(Payment.state),
            col(Payment.decline_reason),
            col(Payment.created_at),
            col(Payment.settled_at),
        )
        .outerjoin(SavedCard, col(SavedCard.id) == col(Payment.card_id))
        .where(col(Payment.payer_id) == customer_id)
        .order_by(col(Payment.created_at), col(Payment.id)),
        "payment_parts": sa.select(col(PaymentPart.payment_id).label("payment"), number, col(PaymentPart.amount_kopecks))
        .join(Payment, col(Payment.id) == col(PaymentPart.payment_id))
        .join(BillingAccount, col(BillingAccount.id) == col(PaymentPart.billing_account_id))
        .where(col(Payment.payer_id) == customer_id)
        .order_by(col(PaymentPart.payment_id), col(PaymentPart.billing_account_id)),
        "utility_templates": sa.select(
            col(UtilityTemplate.id).label("template"),
            col(UtilityTemplate.name),
            col(Biller.name_ru).label("biller_ru"),
            col(Biller.name_en).label("biller_en"),
            col(UtilityTemplate.fields),
            col(UtilityTemplate.amount_kopecks),
            col(UtilityTemplate.created_at),
            col(UtilityTemplate.removed_at),
        )
        .join(Biller, col(Biller.id) == col(UtilityTemplate.biller_id))
        .where(col(UtilityTemplate.customer_id) == customer_id)
        .order_by(col(UtilityTemplate.id)),
        "utility_payments": sa.select(
            col(UtilityPayment.payment_id).label("payment"),
            col(Biller.name_ru).label("biller_ru"),
            col(Biller.name_en).label("biller_en"),
            col(UtilityPayment.template_id).label("template"),
            col(UtilityPayment.fields),
            col(Payment.amount_kopecks),
            col(Payment.state),
        )
        .join(Payment, col(Payment.id) == col(UtilityPayment.payment_id))
        .join(Biller, col(Biller.id) == col(UtilityPayment.biller_id))
        .where(col(Payment.payer_id) == customer_id)
        .order_by(col(Payment.created_at), col(Payment.id)),
        "transfers": sa.select(
            number,
            col(Transfer.occurred_at),
            col(Transfer.code),
            sa.case((col(credited.billing_account_id).is_not(None), amount), else_=-amount).label("amount_kopecks"),
            sa.func.coalesce(col(Plan.code), col(Option.code)).label("product"),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(Transfer.billing_account_id))
        .join(credited, col(credited.id) == col(Transfer.credit_id))
        .outerjoin(Plan, col(Plan.id) == col(Transfer.plan_id))
        .outerjoin(Option, col(Option.id) == col(Transfer.option_id))
        .where(col(Transfer.billing_account_id).in_(held))
        .order_by(col(Transfer.billing_account_id), col(Transfer.occurred_at), col(Transfer.id)),
        "bills": sa.select(
            col(Bill.number).label("bill"),
            number,
            col(Bill.month_on),
            col(Bill.issued_on),
            col(Bill.due_on),
            col(Bill.total_kopecks),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(Bill.billing_account_id))
        .where(col(Bill.billing_account_id).in_(held))
        .order_by(col(Bill.billing_account_id), col(Bill.month_on)),
        "bill_lines": sa.select(
            col(Bill.number).label("bill"),
            col(BillLine.code),
            sa.func.coalesce(col(Plan.code), col(Option.code)).label("product"),
            col(BillLine.from_on),
            col(BillLine.to_on),
            col(BillLine.amount_kopecks),
        )
        .join(Bill, col(Bill.id) == col(BillLine.bill_id))
        .outerjoin(Plan, col(Plan.id) == col(BillLine.plan_id))
        .outerjoin(Option, col(Option.id) == col(BillLine.option_id))
        .where(col(Bill.billing_account_id).in_(held))
        .order_by(col(Bill.billing_account_id), col(Bill.month_on), col(BillLine.id)),
        "cards": sa.select(
            col(SavedCard.brand),
            col(SavedCard.last_four),
            col(SavedCard.expires_on),
            col(SavedCard.label),
            col(SavedCard.is_default),
            col(SavedCard.added_at),
            col(SavedCard.removed_at),
        )
        .where(col(SavedCard.customer_id) == customer_id)
        .order_by(col(SavedCard.id)),
        "autopay_rules": sa.select(
            col(AutopayRule.id).label("rule"),
            number,
            col(SavedCard.last_four).label("card_last_four"),
            col(AutopayRule.trigger).label("trigger"),
            col(AutopayRule.threshold_kopecks),
            col(AutopayRule.day_of_month),
            col(AutopayRule.amount_kind),
            col(AutopayRule.amount_kopecks),
            col(AutopayRule.monthly_ceiling_kopecks),
            col(AutopayRule.state),
            col(AutopayRule.pause_reason),
            col(AutopayRule.consent_at),
            col(AutopayRule.created_at),
            col(AutopayRule.changed_at),
        )
        .join(BillingAccount, col(BillingAccount.id) == col(AutopayRule.billing_account_id))
        .join(SavedCard, col(SavedCard.id) == col(AutopayRule.card_id))
        .where(col(AutopayRule.customer_id) == customer_id)
        .order_by(col(AutopayRule.id)),
        "autopay_runs": sa.select(
            col(AutopayRun.rule_id).label("rule"),
            col(AutopayRun.period),
            sa.case((col(AutopayRun.attempt) > 0, col(AutopayRun.attempt))).label("attempt"),  # none, when nothing was sent
            col(AutopayRun.due_on),
            col(AutopayRun.ran_at),
            col(AutopayRun.result),
            col(AutopayRun.reason),
            col(AutopayRun.amount_kopecks),
            col(AutopayRun.payment_id).label("payment"),
            col(AutopayRun.decline_reason),
        )
        .join(AutopayRule, col(AutopayRule.id) == col(AutopayRun.rule_id))
        .where(col(AutopayRule.customer_id) == customer_id)
        .order_by(col(AutopayRun.id)),
        "bonus_lots": sa.select(
            col(BonusLot.id).label("lot"),
            col(BonusLot.source),
            col(BonusLot.granted),
            col(BonusLot.remaining),
            col(BonusLot.granted_on),
            col(BonusLot.expires_on),
        )
        .where(col(BonusLot.customer_id) == customer_id)
        .order_by(col(BonusLot.id)),
        "bonus_entries": sa.select(
            col(BonusEntry.lot_id).label("lot"),
            col(BonusEntry.kind),
            col(BonusEntry.points),
            col(BonusEntry.occurred_at),
            col(BonusEntry.payment_id).label("payment"),
        )
        .where(col(BonusEntry.customer_id) == customer_id)
        .order_by(col(BonusEntry.occurred_at), col(BonusEntry.id)),
    }


def _portal(customer_id: int, held: "sa.Select[int]", seen: "sa.Select[int]") -> dict[str, Rows]:
    contacts = sa.union_all(
        *(
            sa.select(contact).where(col(Customer.id) == customer_id, contact.is_not(None))
            for contact in (col(Customer.email), col(Customer.phone))
        )
    )
    to_me = col(Message.recipient).in_(contacts)
    return {
        "sign_ins": sa.select(
            col(LoginSession.opened_at),
            col(LoginSession.expires_at),
            col(LoginSession.remembered),
            col(LoginSession.last_seen_at),
            col(LoginSession.revoked_at),
            col(LoginSession.address),
            col(LoginSession.browser),
        )
        .where(col(LoginSession.customer_id) == customer_id)
        .order_by(col(LoginSession.id)),
        "visits": sa.select(col(PortalVisit.screen), col(PortalVisit.at))
        .where(col(PortalVisit.customer_id) == customer_id)
        .order_by(col(PortalVisit.at), col(PortalVisit.id)),
        # The number of an account that is not theirs must not be learnt by having tried its id.
        "journal": sa.select(
            col(AuditEntry.at),
            col(AuditEntry.action),
            col(AuditEntry.outcome),
            col(AuditEntry.reason),
            col(AuditEntry.address),
            col(BillingAccount.number).label("account"),
        )
        .outerjoin(
            BillingAccount,
            sa.and_(
                col(BillingAccount.id) == col(AuditEntry.billing_account_id),
                sa.or_(col(BillingAccount.id).in_(held), col(BillingAccount.id).in_(seen)),
            ),
        )
        .where(col(AuditEntry.customer_id) == customer_id)
        .order_by(col(AuditEntry.at), col(AuditEntry.id)),
        # A letter that the person caused may have gone to somebody else, whose address is not theirs to know.
        "letters": sa.select(
            col(Message.created_at),
            col(Message.channel),
            sa.case((to_me, col(Message.recipient)), else_=None).label("recipient"),
            col(Message.about),
            col(Message.subject),
            sa.case((sa.and_(to_me, col(Message.about).in_(TELLING)), col(Message.body)), else_=None).label("body"),
            col(Message.sent_at),
        )
        .where(sa.or_(to_me, col(Message.requested_by_id) == customer_id))
        .order_by(col(Message.created_at), col(Message.id)),
        "notices": sa.select(
            col(Notice.created_at),
            col(Notice.event),
            col(BillingAccount.number).label("account"),
            col(Notice.facts),
            col(Notice.in_cabinet),
            col(Notice.by_email),
            col(Notice.read_at),
            col(Notice.mailed_at),
        )
        .outerjoin(BillingAccount, col(BillingAccount.id) == col(Notice.billing_account_id))
        .where(col(Notice.customer_id) == customer_id)
        .order_by(col(Notice.created_at), col(Notice.id)),
        "notice_choices": sa.select(
            col(NoticeChoice.event), col(NoticeChoice.in_cabinet), col(NoticeChoice.by_email), col(NoticeChoice.changed_at)
        )
        .where(col(NoticeChoice.customer_id) == customer_id)
        .order_by(col(NoticeChoice.event)),
        "archives": sa.select(col(DataExport.requested_at), col(DataExport.state), col(DataExport.finished_at))
        .where(col(DataExport.customer_id) == customer_id)
        .order_by(col(DataExport.id)),
    }
