"""All stored nouns, in one import, so that the metadata is complete wherever it is used."""

from models.account import AttachCode, Attachment, BillingAccount
from models.autopay import AutopayRule, AutopayRun
from models.background import ClockMove, DemoClock, JobRun
from models.bank import BankCard, BankPayment, BankRefund
from models.base import Table
from models.bill import Bill, BillLine
from models.biller import Biller, BillerField, BillerRegion, UtilityPayment, UtilityTemplate
from models.bonus import BonusEntry, BonusLot
from models.catalogue import Option, OptionPrice, OptionRegion, OptionRelation, Plan, PlanPrice
from models.consent import Consent
from models.customer import Credential, Customer, DemoPersona
from models.export import DataExport
from models.identity import ExternalIdentity
from models.ledger import LedgerAccount, Transfer
from models.login import LoginSession, Throttle
from models.message import Message
from models.notice import Notice, NoticeChoice
from models.payment import CardSetup, Payment, PaymentPart, SavedCard
from models.proof import Proof
from models.refund import Refund
from models.region import Region
from models.registration import Registration
from models.second_factor import RecoveryCode, SecondFactor
from models.subscription import Order, OrderEvent, Subscription
from models.usage import AuditEntry, MonthlyFigure, PortalVisit, SeedRun

__all__ = [
    "AttachCode",
    "Attachment",
    "AuditEntry",
    "AutopayRule",
    "AutopayRun",
    "BankCard",
    "BankPayment",
    "BankRefund",
    "Bill",
    "BillLine",
    "Biller",
    "BillerField",
    "BillerRegion",
    "BillingAccount",
    "BonusEntry",
    "BonusLot",
    "CardSetup",
    "ClockMove",
    "Consent",
    "Credential",
    "Customer",
    "DataExport",
    "DemoClock",
    "DemoPersona",
    "ExternalIdentity",
    "JobRun",
    "LedgerAccount",
    "LoginSession",
    "Message",
    "MonthlyFigure",
    "Notice",
    "NoticeChoice",
    "Option",
    "OptionPrice",
    "OptionRegion",
    "OptionRelation",
    "Order",
    "OrderEvent",
    "Payment",
    "PaymentPart",
    "Plan",
    "PlanPrice",
    "PortalVisit",
    "Proof",
    "RecoveryCode",
    "Refund",
    "Region",
    "Registration",
    "SavedCard",
    "SecondFactor",
    "SeedRun",
    "Subscription",
    "Table",
    "Throttle",
    "Transfer",
    "UtilityPayment",
    "UtilityTemplate",
]
