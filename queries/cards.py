"""The cards a person saved: brand, last four digits and expiry are all there is."""

from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, func, select

from models import AutopayRule, SavedCard
from rules.terms import AutopayState, CardBrand
from rules.visitor import Visitor

SOON_DAYS = 30
"""A card whose last day is nearer than this is marked."""


@dataclass(frozen=True, slots=True)
class Card:
    """A saved card. `expires_on` is the last day it works."""

    card_id: int
    brand: CardBrand
    last_four: str
    expires_on: date
    label: str
    is_default: bool

    def is_expired(self, today: date) -> bool:
        return self.expires_on < today

    def expires_soon(self, today: date) -> bool:
        return 0 <= (self.expires_on - today).days <= SOON_DAYS


def saved_cards(db: Session, *, visitor: Visitor) -> list[Card]:
    """The visitor's own cards that they have not removed, the one used by default first."""
    rows = db.exec(
        select(SavedCard)
        .where(col(SavedCard.customer_id) == visitor.customer_id, col(SavedCard.removed_at).is_(None))
        .order_by(col(SavedCard.is_default).desc(), col(SavedCard.id))
    )
    return [Card(card.id, card.brand, card.last_four, card.expires_on, card.label, card.is_default) for card in rows]


def rules_by_card(db: Session, *, visitor: Visitor) -> dict[int, int]:
    """Card → how many of the visitor's autopay rules charge it; cards without rules are left out."""
    rows = db.execute(
        select(AutopayRule.card_id, func.count())
        .where(col(AutopayRule.customer_id) == visitor.customer_id, col(AutopayRule.state) != AutopayState.DELETED)
        .group_by(col(AutopayRule.card_id))
    )
    return {row[0]: row[1] for row in rows}
