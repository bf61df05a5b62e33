"""A small world for tests of money: people, contracts, a ledger that obeys, cards and rules, made row by row."""

from datetime import UTC, date, datetime
from typing import Any

from sqlmodel import Session

from actions.ledger import post
from models import (
    Attachment,
    AutopayRule,
    BillingAccount,
    BonusEntry,
    BonusLot,
    Customer,
    LedgerAccount,
    LoginSession,
    Payment,
    PaymentPart,
    Plan,
    PlanPrice,
    SavedCard,
    Subscription,
)
from rules.numbers import account_number
from rules.terms import (
    AutopayAmount,
    AutopayTrigger,
    BillingMode,
    BonusKind,
    BonusSource,
    CardBrand,
    DeclineReason,
    Language,
    LedgerKind,
    PaymentMethod,
    PaymentState,
    Right,
    Role,
    ServiceKind,
    TransferCode,
)
from rules.visitor import Visitor

LONG_AGO = datetime(2024, 1, 10, 9, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """An aware UTC moment from `2026-03-05` or `2026-03-05 21:30`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class World:
    """Makes rows; everything it returns is saved and has its id."""

    def __init__(self, db: Session) -> None:
        self.db, self.number = db, 0

    def save(self, row: Any) -> Any:
        self.db.add(row)
        self.db.flush()
        return row

    def next(self) -> int:
        self.number += 1
        return self.number

    def person(self, name: str = "Анна") -> Customer:
        return self.save(
            Customer(last_name="Ли", first_name=name, region_code="RU-MOW", registered_at=LONG_AGO, welcomed_at=LONG_AGO)
        )

    def visitor(self, person: Customer) -> Visitor:
        session = self.save(LoginSession(customer_id=person.id, opened_at=LONG_AGO, expires_at=FAR))
        return Visitor(
            customer_id=person.id,
            session_id=session.id,
            role=Role.CUSTOMER,
            first_name=person.first_name,
            language=Language.RU,
            region_code="RU-MOW",
            time_zone="Europe/Moscow",
        )

    def account(
        self,
        holder: Customer,
        *,
        service: ServiceKind = ServiceKind.MOBILE,
        mode: BillingMode = BillingMode.PREPAID,
        right: Right = Right.MANAGE,
    ) -> BillingAccount:
        made = self.save(
            BillingAccount(
                number=account_number(100_000_000 + self.next()),
                holder_id=holder.id,
                service=service,
                mode=mode,
                status_since_on=LONG_AGO.date(),
                region_code="RU-MOW",
                opened_on=LONG_AGO.date(),
            )
        )
        self.save(LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=made.id))
        self.attach(holder, made, right=right)
        return made

    def attach(self, person: Customer, account: BillingAccount, *, right: Right, label: str = "") -> Attachment:
        return self.save(
            Attachment(customer_id=person.id, billing_account_id=account.id, right=right, label=label, attached_at=LONG_AGO)
        )

    def connect(self, account: BillingAccount, monthly_kopecks: int) -> None:
        """A plan of that price."""
        code = f"plan-{self.next()}"
        plan = self.save(Plan(code=code, service=account.service, name_ru=f"Тариф {code}", name_en=f"Plan {code}"))
        self.save(PlanPrice(plan_id=plan.id, valid_from_on=date(2024, 1, 1), monthly_kopecks=monthly_kopecks))
        self.save(Subscription(billing_account_id=account.id, plan_id=plan.id, started_on=LONG_AGO.date()))

    def charge(self, account: BillingAccount, kopecks: int, when: datetime, code: TransferCode = TransferCode.PLAN_FEE) -> None:
        post(self.db, account_id=account.id, code=code, amount_kopecks=kopecks, key=f"k{self.next()}", occurred_at=when)

    def pay(
        self,
        account: BillingAccount,
        kopecks: int,
        when: datetime,
        *,
        payer: Customer | None,
        method: PaymentMethod = PaymentMethod.CARD,
        card: SavedCard | None = None,
        declined: DeclineReason | None = None,
    ) -> Payment:
        payment = self.save(
            Payment(
                payer_id=None if payer is None else payer.id,
                amount_kopecks=kopecks,
                method=method if payer else PaymentMethod.CASH,
                state=PaymentState.DECLINED if declined else PaymentState.SUCCEEDED,
                card_id=card.id if card else None,
                key=f"k{self.next()}",
                created_at=when,
                settled_at=when,
                decline_reason=declined,
            )
        )
        self.save(PaymentPart(payment_id=payment.id, billing_account_id=account.id, amount_kopecks=kopecks))
        if declined is None:
            self.top_up(account, kopecks, when, payment)
        return payment

    def top_up(self, account: BillingAccount, kopecks: int, when: datetime, payment: Payment) -> None:
        post(
            self.db,
            account_id=account.id,
            code=TransferCode.TOP_UP,
            amount_kopecks=kopecks,
            key=f"k{self.next()}",
            occurred_at=when,
            payment_id=payment.id,
        )

    def card(self, person: Customer, *, last_four: str = "4417", expires_on: date = date(2099, 1, 31)) -> SavedCard:
        return self.save(
            SavedCard(
                customer_id=person.id,
                token=f"t{self.next()}",
                brand=CardBrand.MIR,
                last_four=last_four,
                expires_on=expires_on,
                added_at=LONG_AGO,
            )
        )

    def rule(self, person: Customer, account: BillingAccount, card: SavedCard, **more: Any) -> AutopayRule:
        more.setdefault("trigger", AutopayTrigger.MONTHLY)
        if more["trigger"] is AutopayTrigger.MONTHLY:
            more.setdefault("day_of_month", 10)
        if more["trigger"] is AutopayTrigger.THRESHOLD:
            more.setdefault("threshold_kopecks", 30_000)
        more = {"amount_kind": AutopayAmount.FIXED, "amount_kopecks": 50_000, **more}
        return self.save(
            AutopayRule(
                customer_id=person.id,
                billing_account_id=account.id,
                card_id=card.id,
                consent_at=LONG_AGO,
                created_at=LONG_AGO,
                changed_at=LONG_AGO,
                **more,
            )
        )

    def lot(self, person: Customer, points: int, granted_on: date, expires_on: date, *, spent: int = 0) -> BonusLot:
        lot = self.save(
            BonusLot(
                customer_id=person.id,
                source=BonusSource.PAYMENT,
                granted=points,
                remaining=points - spent,
                granted_on=granted_on,
                expires_on=expires_on,
            )
        )
        moment = datetime(granted_on.year, granted_on.month, granted_on.day, 12, tzinfo=UTC)
        for kind, amount in ((BonusKind.EARNED, points), (BonusKind.SPENT, -spent)):
            if amount:
                self.save(
                    BonusEntry(
                        customer_id=person.id,
                        lot_id=lot.id,
                        kind=kind,
                        points=amount,
                        key=f"k{self.next()}",
                        occurred_at=moment,
                    )
                )
        return lot
