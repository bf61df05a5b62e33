"""A person's saved cards: attaching one without paying, naming, choosing the default, deleting.

Only what the gateway tells is kept: its token, brand, last four digits and expiry. A card number never comes here.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

import clock
from actions.performing import action
from db import reading, transaction
from integrations.gateway import CardCheck, GatewayRefused, KeptCard, NoAnswer, Standing
from integrations.gateways import gateway_called
from models import AutopayRule, CardSetup, Customer, SavedCard
from rules.payments import may_repeat
from rules.refusals import CardInUse, CardUnusable, LabelMalformed, LooksLikeCard, NotAllowed, TooManyAttempts
from rules.terms import AutopayState, DeclineReason, PaymentState
from rules.utilities import looks_like_card
from rules.visitor import Visitor
from settings import settings
from texts import t

LONGEST_LABEL = 40
SETUPS_PER_HOUR = 10
BLAMES_CARD = ("declined", "declined_hard", "card_removed")
"""Why a rule may be paused that is its card's fault."""
ASKED_FOR = timedelta(days=1)
"""So long an attempt to attach a card is asked about: nobody is at the bank's page any more, and no money is in it."""
BATCH = 20
SILENT = 3
"""After so many questions in a row without an answer the rest wait for the next round: each may have taken PATIENCE."""
_log = logging.getLogger("kabinet.cards")


@dataclass(frozen=True, slots=True)
class SetupProgress:
    """How attaching a card stands; PENDING with a `page_url`: the card is typed there. `known` as in `payments.Progress`."""

    setup_id: int
    state: PaymentState
    page_url: str | None = None
    reason: DeclineReason | None = None
    card_id: int | None = None
    known: bool = True


def usable(db: Session, visitor: Visitor, card_id: int) -> SavedCard:
    """The visitor's own card that works today. Raises CardUnusable for any other, whatever the reason."""
    card = _own(db, visitor, card_id)
    if card is None or card.expires_on < clock.today(visitor.time_zone):
        raise CardUnusable()
    return card


def put_on_card(rule: AutopayRule, card_id: int) -> None:
    """Let a rule charge this card. One that was paused because of another card stays so, but no longer blames this one."""
    if card_id != rule.card_id and rule.pause_reason in BLAMES_CARD:
        rule.pause_reason = "card_changed"
    rule.card_id = card_id


def _own(db: Session, visitor: Visitor, card_id: int) -> SavedCard | None:
    return db.exec(
        select(SavedCard).where(
            col(SavedCard.id) == card_id,
            col(SavedCard.customer_id) == visitor.customer_id,
            col(SavedCard.removed_at).is_(None),
        )
    ).first()


def keep(db: Session, *, customer_id: int, card: KeptCard, now: datetime) -> SavedCard | None:
    """Save a card that the gateway keeps for this person; the same card again only gets its new token. The first is the default.

    None for somebody who was erased since the card was typed: nobody has it. Rows of one person are made one after the other:
    their own row is locked.
    """
    person = select(Customer.erased_at).where(col(Customer.id) == customer_id).with_for_update(key_share=True)
    if db.exec(person).one() is not None:
        return None
    mine = db.exec(select(SavedCard).where(col(SavedCard.customer_id) == customer_id, col(SavedCard.removed_at).is_(None))).all()
    same = (card.brand, card.last_four, card.expires_on)
    for saved in mine:
        if saved.token == card.token or (saved.brand, saved.last_four, saved.expires_on) == same:
            saved.token = card.token
            db.add(saved)
            db.flush()
            return saved
    saved = SavedCard(
        customer_id=customer_id,
        token=card.token,
        brand=card.brand,
        last_four=card.last_four,
        expires_on=card.expires_on,
        is_default=not mine,
        added_at=now,
    )
    db.add(saved)
    db.flush()
    return saved


@action("begin_card_setup")
def begin_card_setup(db: Session, *, visitor: Visitor, key: str, return_url: str) -> int:
    """Write down that the visitor attaches a card without paying; returns the id of the attempt. The same key is the same one.

    Raises TooManyAttempts.
    """
    db.exec(select(Customer.id).where(col(Customer.id) == visitor.customer_id).with_for_update(key_share=True)).one()
    mine = select(CardSetup).where(col(CardSetup.customer_id) == visitor.customer_id)
    earlier = db.exec(mine.where(col(CardSetup.key) == key)).first()
    if earlier is not None:
        return earlier.id
    now = clock.now()
    if len(db.exec(mine.where(col(CardSetup.created_at) >= now - timedelta(hours=1))).all()) >= SETUPS_PER_HOUR:
        raise TooManyAttempts(minutes=60)
    setup = CardSetup(
        customer_id=visitor.customer_id,
        state=PaymentState.PENDING,
        key=key,
        created_at=now,
        gateway=settings().payment_gateway,
        gateway_key=uuid.uuid4().hex,
    )
    db.add(setup)
    db.flush()
    setup.return_url = return_url.replace("{setup}", str(setup.id))
    db.add(setup)
    return setup.id


def setup_progress(*, visitor: Visitor, setup_id: int) -> SetupProgress:
    """Take the visitor's own attempt as far as it goes now, and say where it is. Raises NotAllowed."""
    with reading() as db:
        setup = db.get(CardSetup, setup_id)
        if setup is None or setup.customer_id != visitor.customer_id:
            raise NotAllowed()
    return advance_setup(setup_id)


def advance_setup(setup_id: int) -> SetupProgress:
    """Ask the gateway how the check of a card stands, and keep the card once it is done. Safe to repeat."""
    with reading() as db:
        setup = db.get_one(CardSetup, setup_id)
    if setup.state is not PaymentState.PENDING:
        return SetupProgress(setup_id, setup.state, reason=setup.decline_reason, card_id=setup.card_id)
    gateway, now = gateway_called(setup.gateway), clock.now()
    standing: Standing | None = None
    try:
        if setup.gateway_ref:
            standing = gateway.ask_check(setup.gateway_ref)
        elif may_repeat(created_at=setup.created_at, now=now):
            wish = CardCheck(key=setup.gateway_key, description=t("cards.description"), return_url=setup.return_url)
            standing = gateway.check_card(wish)
    except NoAnswer as error:
        _log.warning("card setup %s: no answer from the gateway: %s", setup_id, error)
        _was_asked(setup_id, now)
        return SetupProgress(setup_id, PaymentState.PENDING, known=False)
    except GatewayRefused as error:
        _log.error("card setup %s: refused by the gateway: %s", setup_id, error)
    with transaction() as db:
        return _settle(db, setup_id, standing, now)


def _settle(db: Session, setup_id: int, standing: Standing | None, now: datetime) -> SetupProgress:
    """No standing: the gateway does not know it, or will not have it; no money is in it, so it is over."""
    setup = db.exec(select(CardSetup).where(col(CardSetup.id) == setup_id).with_for_update()).one()
    if setup.state is PaymentState.PENDING:
        setup.asked_at = now
        if standing is None:
            setup.state, setup.decline_reason = PaymentState.DECLINED, DeclineReason.GATEWAY_REFUSED
        else:
            setup.gateway_ref = standing.ref
            if standing.state is PaymentState.DECLINED or (standing.state is PaymentState.SUCCEEDED and not standing.card):
                setup.state, setup.decline_reason = PaymentState.DECLINED, standing.reason or DeclineReason.BANK_REFUSED
            elif standing.card is not None:
                kept = keep(db, customer_id=setup.customer_id, card=standing.card, now=now)
                if kept is None:
                    setup.state, setup.decline_reason = PaymentState.DECLINED, DeclineReason.NOT_FINISHED
                else:
                    setup.state, setup.card_id = PaymentState.SUCCEEDED, kept.id
        if setup.state is not PaymentState.PENDING:
            setup.settled_at = now
        db.add(setup)
    page_url = standing.page_url if standing is not None and setup.state is PaymentState.PENDING else None
    return SetupProgress(setup_id, setup.state, page_url, setup.decline_reason, setup.card_id)


def _was_asked(setup_id: int, now: datetime) -> None:
    """Nobody knows more than before: others come first now."""
    with transaction() as db:
        db.execute(sa.update(CardSetup).where(col(CardSetup.id) == setup_id).values(asked_at=now))


def settle_setups(now: datetime) -> int:
    """Ask about attempts of the last day that nobody came back from, and give up older ones; returns how many came to an end.

    The longest unasked come first, a batch a round. One that cannot be settled, or a silent gateway, holds up no other work.
    """
    ended = _give_up_old(now)
    with reading() as db:
        due = db.exec(
            select(CardSetup.id)
            .where(
                col(CardSetup.state) == PaymentState.PENDING,
                col(CardSetup.created_at) <= now - timedelta(minutes=1),
                sa.or_(col(CardSetup.asked_at).is_(None), col(CardSetup.asked_at) <= now - timedelta(minutes=5)),
            )
            .order_by(col(CardSetup.asked_at).asc().nulls_first(), col(CardSetup.id))
            .limit(BATCH)
        ).all()
    silent = 0
    for setup_id in due:
        try:
            progress = advance_setup(setup_id)
        except Exception:
            _log.exception("card setup %s could not be settled", setup_id)
            _was_asked(setup_id, now)
            continue
        ended += progress.state is not PaymentState.PENDING
        silent = 0 if progress.known else silent + 1
        if silent == SILENT:
            break
    return ended


def _give_up_old(now: datetime) -> int:
    """Attempts that are too old to be asked about are over; returns how many."""
    old = sa.and_(col(CardSetup.state) == PaymentState.PENDING, col(CardSetup.created_at) < now - ASKED_FOR)
    with reading() as db:
        if db.exec(select(CardSetup.id).where(old).limit(1)).first() is None:
            return 0  # the usual case, and the database's turn to write is not taken for it
    with transaction() as db:
        over = (
            sa.update(CardSetup)
            .where(old)
            .values(state=PaymentState.DECLINED, decline_reason=DeclineReason.NOT_FINISHED, settled_at=now)
        )
        return int(db.execute(over).rowcount)  # type: ignore[attr-defined]


@action("choose_default_card")
def choose_default_card(db: Session, *, visitor: Visitor, card_id: int) -> None:
    """Make one of one's own cards the one that is offered first. Raises CardUnusable."""
    chosen = usable(db, visitor, card_id)
    db.exec(select(Customer.id).where(col(Customer.id) == visitor.customer_id).with_for_update(key_share=True)).one()
    for card in db.exec(
        select(SavedCard).where(col(SavedCard.customer_id) == visitor.customer_id, col(SavedCard.removed_at).is_(None))
    ):
        card.is_default = card.id == chosen.id
        db.add(card)


@action("rename_card")
def rename_card(db: Session, *, visitor: Visitor, card_id: int, label: str) -> None:
    """Give one's own card a name; an empty one takes it away. Raises CardUnusable, LabelMalformed, LooksLikeCard."""
    card = _own(db, visitor, card_id)
    if card is None:
        raise CardUnusable()
    label = " ".join(label.split())
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise LabelMalformed(longest=LONGEST_LABEL)
    if looks_like_card(label):
        raise LooksLikeCard()
    card.label = label
    db.add(card)


@action("remove_card")
def remove_card(db: Session, *, visitor: Visitor, card_id: int, move_to_card_id: int | None = None) -> None:
    """Delete one's own card. Autopay rules that charge it move to another card of theirs, or the deletion is refused.

    Raises CardUnusable (not theirs, or the other one will not do), CardInUse.
    """
    db.exec(select(Customer.id).where(col(Customer.id) == visitor.customer_id).with_for_update(key_share=True)).one()
    card = _own(db, visitor, card_id)
    if card is None:
        raise CardUnusable()
    rules = db.exec(
        select(AutopayRule)
        .where(col(AutopayRule.card_id) == card_id, col(AutopayRule.state) != AutopayState.DELETED)
        .with_for_update()
    ).all()
    if rules:
        if move_to_card_id is None:
            raise CardInUse(rules=len(rules))
        other = usable(db, visitor, move_to_card_id)
        if other.id == card.id:
            raise CardUnusable()
        for rule in rules:
            put_on_card(rule, other.id)
            rule.changed_at = clock.now()
            db.add(rule)
    card.removed_at = clock.now()
    if card.is_default:
        card.is_default = False
        heir = db.exec(
            select(SavedCard)
            .where(
                col(SavedCard.customer_id) == visitor.customer_id,
                col(SavedCard.removed_at).is_(None),
                col(SavedCard.id) != card.id,
            )
            .order_by(col(SavedCard.expires_on) < clock.today(visitor.time_zone), col(SavedCard.id))
        ).first()
        if heir is not None:
            heir.is_default = True
            db.add(heir)
    db.add(card)
