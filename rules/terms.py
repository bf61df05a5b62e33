"""The words of the field, as closed lists. Names follow TM Forum where it has one."""

from enum import StrEnum


class ServiceKind(StrEnum):
    """What a contract delivers. One billing account carries one contract of one kind."""

    INTERNET = "internet"
    MOBILE = "mobile"
    TV = "tv"
    PHONE = "phone"


class Role(StrEnum):
    """What a person is to the portal. Only customers have accounts; staff never do."""

    CUSTOMER = "customer"
    ANALYST = "analyst"
    ADMINISTRATOR = "administrator"


class Language(StrEnum):
    RU = "ru"
    EN = "en"


class Right(StrEnum):
    """What an attached person may do on an account; each right includes the ones before it."""

    VIEW = "view"
    PAY = "pay"
    MANAGE = "manage"

    @property
    def rank(self) -> int:
        return list(Right).index(self)

    def covers(self, needed: "Right") -> bool:
        """Whether this right is enough for something that needs `needed`."""
        return self.rank >= needed.rank


class BillingMode(StrEnum):
    """PREPAID: the month is charged in advance on billing day. POSTPAID: in arrears, with a due date."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class AccountStatus(StrEnum):
    """ACTIVE works; BLOCKED was stopped for debt; SUSPENDED was paused by its holder; CLOSED has ended."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Recurrence(StrEnum):
    """MONTHLY is charged every period while connected; ONCE is charged in full and ends with the month."""

    MONTHLY = "monthly"
    ONCE = "once"


class OptionGroup(StrEnum):
    INTERNET = "internet"
    CALLS = "calls"
    CHANNELS = "channels"
    SECURITY = "security"
    ENTERTAINMENT = "entertainment"


class OptionRelationKind(StrEnum):
    EXCLUDES = "excludes"
    NEEDS = "needs"


class OrderKind(StrEnum):
    CONNECT = "connect"
    DISCONNECT = "disconnect"


class OrderState(StrEnum):
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (OrderState.ACCEPTED, OrderState.IN_PROGRESS)


class LedgerKind(StrEnum):
    """CUSTOMER accounts hold what the operator owes a billing account (negative: the account owes).

    BILLERS is what was taken for others (utilities) and has to be passed on to them.
    """

    CUSTOMER = "customer"
    GATEWAY = "gateway"
    CASH = "cash"
    REVENUE = "revenue"
    BONUS = "bonus"
    BILLERS = "billers"


class TransferCode(StrEnum):
    """Why money moved. Top-ups raise the customer's balance, charges lower it; what is for a biller touches none."""

    TOP_UP = "top_up"
    PLAN_FEE = "plan_fee"
    OPTION_FEE = "option_fee"
    ONE_OFF = "one_off"
    LATE_FEE = "late_fee"
    BONUS_SPENT = "bonus_spent"
    REFUND = "refund"
    BILLER_PAYMENT = "biller_payment"

    @property
    def is_charge(self) -> bool:
        return self in CHARGE_CODES


CHARGE_CODES = (TransferCode.PLAN_FEE, TransferCode.OPTION_FEE, TransferCode.ONE_OFF, TransferCode.LATE_FEE)


class PaymentMethod(StrEnum):
    CARD = "card"
    SAVED_CARD = "saved_card"
    AUTOPAY = "autopay"
    CASH = "cash"


class PaymentState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


class DeclineReason(StrEnum):
    """Why a payment did not happen. NOT_CONFIRMED: 3-D Secure failed; NOT_FINISHED: the payer left, or it never began."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    CARD_EXPIRED = "card_expired"
    BANK_REFUSED = "bank_refused"
    LIMIT_EXCEEDED = "limit_exceeded"
    CARD_BLOCKED = "card_blocked"
    NOT_CONFIRMED = "not_confirmed"
    NOT_FINISHED = "not_finished"
    GATEWAY_REFUSED = "gateway_refused"

    @property
    def is_hard(self) -> bool:
        """Whether the same card will not do tomorrow either: it is stolen, closed or expired."""
        return self in (DeclineReason.CARD_BLOCKED, DeclineReason.CARD_EXPIRED)


class CardBrand(StrEnum):
    VISA = "visa"
    VISA_ELECTRON = "visa_electron"
    MASTERCARD = "mastercard"
    MAESTRO = "maestro"
    MIR = "mir"


class GatewayName(StrEnum):
    """Who takes the cards. TEST_BANK is built in, for demos only."""

    TEST_BANK = "test_bank"
    YOOKASSA = "yookassa"


class BillerCategory(StrEnum):
    HOUSING = "housing"
    POWER = "power"
    GAS = "gas"
    WATER = "water"
    HEAT = "heat"
    KINDERGARTEN = "kindergarten"
    EDUCATION = "education"
    PARKING = "parking"
    SECURITY = "security"


class BillerFieldKind(StrEnum):
    """What is typed: PAYER_CODE digits under which the biller knows the payer; PERIOD a month; READING of a meter; TEXT."""

    PAYER_CODE = "payer_code"
    PERIOD = "period"
    READING = "reading"
    TEXT = "text"


class AutopayTrigger(StrEnum):
    """THRESHOLD: the balance fell under a sum. MONTHLY: a day of the month. BILL: the bill on billing day."""

    THRESHOLD = "threshold"
    MONTHLY = "monthly"
    BILL = "bill"


class AutopayAmount(StrEnum):
    """FIXED pays a sum; UP_TO raises the balance to a sum; DUE pays what falls due."""

    FIXED = "fixed"
    UP_TO = "up_to"
    DUE = "due"


class AutopayState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"


class AutopayResult(StrEnum):
    """PENDING: the gateway has not said the last word yet."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    SKIPPED = "skipped"


class BonusKind(StrEnum):
    """Why points moved. EARNED opens a lot; the others take from lots."""

    EARNED = "earned"
    SPENT = "spent"
    EXPIRED = "expired"
    REVERSED = "reversed"


class BonusSource(StrEnum):
    PAYMENT = "payment"
    AUTOPAY = "autopay"
    PROFILE = "profile"
    E_BILL = "e_bill"
    BIRTHDAY = "birthday"


class BonusLevel(StrEnum):
    STANDARD = "standard"
    PRIVILEGE = "privilege"
    VIP = "vip"


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class NoticeEvent(StrEnum):
    """What a person is told of, each on its own switch. SIGN_IN and AUTOPAY_FAILED cannot be switched off altogether."""

    LOW_BALANCE = "low_balance"
    DAYS_LEFT = "days_left"
    AUTOPAY_AHEAD = "autopay_ahead"
    AUTOPAY_DONE = "autopay_done"
    AUTOPAY_FAILED = "autopay_failed"
    CARD_EXPIRES = "card_expires"
    ORDER_DONE = "order_done"
    SIGN_IN = "sign_in"
    PROMISED_ENDS = "promised_ends"
    BLOCKED = "blocked"
    RESUMED = "resumed"
    BILL = "bill"
    MONTHLY = "monthly"


class ClockStep(StrEnum):
    """How far the demo's clock is moved at once. BILLING: to the next billing day."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    BILLING = "billing"


class MoveState(StrEnum):
    """A move of the demo's clock."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class MessageState(StrEnum):
    KEPT = "kept"
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class ProofKind(StrEnum):
    """What a sent link or code is good for."""

    RESET = "reset"
    CHANGE_EMAIL = "change_email"
    CHANGE_PHONE = "change_phone"
    SECOND_STEP = "second_step"


class ConsentKind(StrEnum):
    """The questions of the first sign-in."""

    E_STATEMENTS = "e_statements"
    E_BILL = "e_bill"
    OFFERS = "offers"
    USAGE_ADVICE = "usage_advice"


class ExportState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
