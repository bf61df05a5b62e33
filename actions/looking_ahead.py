"""Telling people beforehand: that the balance will not do, that autopay comes tomorrow, that its card ends.

People are told in the day of their own region. Each thing is told once, under a key of what it is, so that looking again, or
in two processes, tells nothing twice.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from actions.notices import Told, notify_many
from db import reading, transaction
from queries import ahead
from rules.notices import CARD_DAYS, LOW_DAYS, foresee, is_awake, step_of
from rules.periods import next_month
from rules.terms import NoticeEvent

BATCH = 500
Page = Callable[[Session, int], tuple[dict[NoticeEvent, list[Told]], int]]
"""Whom to tell of the next batch after an id, and the last id of it; 0: there is no more."""


def look_ahead(now: datetime) -> int:
    """Tell everybody whose day it is of what lies ahead of them; returns how many notices are new.

    Goes through the candidates of every region once, batch by batch, each batch in a transaction of its own.
    """
    with reading() as db:
        zones = ahead.zones(db)
    told = 0
    for zone, regions in zones.items():
        here = now.astimezone(ZoneInfo(zone))
        if is_awake(here.hour):
            for page in (
                _balances(regions, zone, here.date()),
                _autopay(regions, zone, here.date()),
                _cards(regions, here.date()),
            ):
                told += _tell(page)
    return told


def _tell(page: Page) -> int:
    new, after = 0, 0
    while True:
        with reading() as db:
            told, after = page(db, after)
        if any(told.values()):
            with transaction() as db:
                new += sum(notify_many(db, event=event, told=each) for event, each in told.items())
        if not after:
            return new


def _last(rows: Sequence[object], id_: Callable[[], int]) -> int:
    return id_() if len(rows) == BATCH else 0


def _balances(regions: Sequence[str], zone: str, today: date) -> Page:
    """Prepaid accounts that will not last over their next charge, and will not be paid by themselves before it."""
    charge_on = next_month(today)
    until = datetime.combine(charge_on, time(), ZoneInfo(zone))
    only_debts = (charge_on - today).days > LOW_DAYS

    def page(db: Session, after: int) -> tuple[dict[NoticeEvent, list[Told]], int]:
        low = ahead.low_accounts(
            db,
            regions=regions,
            costs=ahead.prices(db, today=today),
            until=until,
            below_zero_only=only_debts,
            after=after,
            most=BATCH,
        )
        by_id = {each.account_id: each for each in low}
        told: dict[NoticeEvent, list[Told]] = {}
        for customer_id, account_id in ahead.payers(db, account_ids=by_id):
            each = by_id[account_id]
            seen = foresee(
                account_id=account_id,
                balance_kopecks=each.balance_kopecks,
                charge_kopecks=each.charge_kopecks,
                charge_on=charge_on,
                today=today,
            )
            if seen is not None:
                facts = {
                    "balance_kopecks": each.balance_kopecks,
                    "charge_kopecks": each.charge_kopecks,
                    "charge_on": charge_on.isoformat(),
                    "days": seen.days,
                }
                told.setdefault(seen.event, []).append(Told(customer_id, seen.key, account_id, facts))
        return told, _last(low, lambda: low[-1].account_id)

    return page


def _autopay(regions: Sequence[str], zone: str, today: date) -> Page:
    """Calendar rules that run tomorrow."""
    begins = datetime.combine(today + timedelta(days=1), time(), ZoneInfo(zone))

    def page(db: Session, after: int) -> tuple[dict[NoticeEvent, list[Told]], int]:
        due = ahead.rules_due(db, regions=regions, begins=begins, ends=begins + timedelta(days=1), after=after, most=BATCH)
        on = begins.date().isoformat()
        told = [
            Told(
                rule.customer_id,
                f"ahead:{rule.id}:{on}",
                rule.billing_account_id,
                {
                    "on": on,
                    "amount_kind": rule.amount_kind.value,
                    "amount_kopecks": rule.amount_kopecks,
                    "card_brand": card.brand.value,
                    "last_four": card.last_four,
                },
            )
            for rule, card in due
        ]
        return {NoticeEvent.AUTOPAY_AHEAD: told}, _last(due, lambda: due[-1][0].id)

    return page


def _cards(regions: Sequence[str], today: date) -> Page:
    """Cards that autopay is charged to and that end soon."""

    def page(db: Session, after: int) -> tuple[dict[NoticeEvent, list[Told]], int]:
        last = today + timedelta(days=CARD_DAYS[-1])
        cards = ahead.cards_ending(db, regions=regions, first=today, last=last, after=after, most=BATCH)
        told = [
            Told(
                card.customer_id,
                f"card:{card.id}:{step_of((card.expires_on - today).days, CARD_DAYS)}",
                None,
                {"card_brand": card.brand.value, "last_four": card.last_four, "expires_on": card.expires_on.isoformat()},
            )
            for card in cards
        ]
        return {NoticeEvent.CARD_EXPIRES: told}, _last(cards, lambda: cards[-1].id)

    return page
