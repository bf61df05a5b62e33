"""The small numbers that the simulation uses for terms, and the words they become."""

from typing import Any

import numpy as np

from rules.terms import (
    AccountStatus,
    CardBrand,
    DeclineReason,
    LedgerKind,
    PaymentMethod,
    PaymentState,
    Recurrence,
    ServiceKind,
    TransferCode,
)
from seed.catalogue import NEEDS, OPTION_ID, OPTIONS
from seed.world import OPTION_SERVICE, PLAN_SERVICE

LATER = np.int64(2**61)
"""A moment that does not come."""

GATEWAY, CASH_DESK, REVENUE, BONUS, BILLERS = 1, 2, 3, 4, 5
OWN_LEDGERS = (LedgerKind.GATEWAY, LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.BONUS, LedgerKind.BILLERS)
LEDGER_OF = len(OWN_LEDGERS)
"""The ledger account of billing account n is n + this."""

SERVICES = list(ServiceKind)
INTERNET, MOBILE, TV, PHONE = range(4)
PREPAID, POSTPAID = range(2)
ACTIVE, BLOCKED, SUSPENDED, CLOSED = range(4)
AHEAD, AFTER, ON_TIME, LATE = range(4)
CARD, SAVED, AUTOPAY, CASH = range(4)
SUCCEEDED, DECLINED = 1, 2

OPTION_IDS = np.array([OPTION_ID[option.code] for option in OPTIONS])
OPTION_PLACE = {option.code: place for place, option in enumerate(OPTIONS)}
ONCE = np.array([option.recurrence is Recurrence.ONCE for option in OPTIONS])
PROVISIONING = np.array([option.provisioning_minutes for option in OPTIONS])
BY_SERVICE = [np.flatnonzero(np.equal(OPTION_SERVICE, service)) for service in range(4)]
PLANS_OF = [np.flatnonzero(np.equal(PLAN_SERVICE, service)) for service in range(4)]
NEEDED_BY = {OPTION_PLACE[one]: OPTION_PLACE[other] for one, other in NEEDS}

CHARGE_CODES = (TransferCode.PLAN_FEE, TransferCode.OPTION_FEE, TransferCode.ONE_OFF)
SCREENS = ("home", "accounts", "services", "payments", "autopay", "bonus")
SCREEN_WEIGHTS = (0.42, 0.11, 0.13, 0.22, 0.06, 0.06)
DECLINES = (None, *DeclineReason)


def words_of(terms: Any) -> np.ndarray:
    return np.array([None if term is None else str(term) for term in terms], dtype=object)


METHOD, STATE, DECLINE = words_of(PaymentMethod), words_of(PaymentState), words_of(DECLINES)
SCREEN, STATUS, BRAND = words_of(SCREENS), words_of(AccountStatus), words_of(CardBrand)
