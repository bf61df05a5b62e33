"""Telling people beforehand: that the balance will not do, that autopay comes tomorrow, that its card ends.

People are told in the day of their own region. Each thing is told once, under a key of what it is, so that looking again, or
in two processes, tells nothing twice.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from actions.notices import Told, notify_many
from db import reading, transaction
from queries import ahead
from rules.notices import CARD_DAYS, LOW_DAYS, foresee, is_awake, step_of
from rules.periods import next_month
from rules.terms import NoticeEvent

BATCH = 500
Batches = Iterator[dict[NoticeEvent, list[Told]]]
"""Whom to tell of what, batch by batch; each is read when the one before was told."""


def look_ahead(now: datetime) -> int:
    """Tell everybody whose day it is of what lies ahead of them; returns how many notices are new.

    Goes through the candidates of every region once, batch by batch, each batch in a transaction of its own.
    """
    with reading() as db:
        zones = ahead.zones(db)
    new = 0
    for zone, regions in zones.items():
        here = now.astimezone(ZoneInfo(zone))
        if not is_awake(here.hour):
            continue
        today = here.date()
        for told in chain(_balances(regions, zone, today), _autopay(regions, zone, today), _cards(regions, today)):
            if any(told.values()):
                with transaction() as db:
                    new += sum(notify_many(db, event=event, told=each) for event, each in told.items())
    return new


def _balances(regions: Sequence[str], zone: str, today: date) -> Batches:
    """Prepaid accounts that will not last over their next charge, and will not be paid by themselves before it."""
    charge_on = next_month(today)
    with reading() as db:
        low = ahead.low_accounts(
            db,
            regions=regions,
            costs=ahead.prices(db, today=today),
            until=datetime.combine(charge_on, time(), ZoneInfo(zone)),
            below_zero_only=(charge_on - today).days > LOW_DAYS,
        )
    for start in range(0, len(low), BATCH):
        by_id = {each.account_id: each for each in low[start : start + BATCH]}
        with reading() as db:
            payers = ahead.payers(db, account_ids=by_id)
        told: dict[NoticeEvent, list[Told]] = defaultdict(list)
        for customer_id, account_id in payers:
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
                told[seen.event].append(Told(customer_id, seen.key, account_id, facts))
        yield told


def _autopay(regions: Sequence[str], zone: str, today: date) -> Batches:
    """Calendar rules that run tomorrow."""
    begins, after = datetime.combine(today + timedelta(days=1), time(), ZoneInfo(zone)), 0
    on, more = begins.date().isoformat(), True
    while more:
        with reading() as db:
            due = ahead.rules_due(db, regions=regions, begins=begins, ends=begins + timedelta(days=1), after=after, most=BATCH)
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
        yield {NoticeEvent.AUTOPAY_AHEAD: told}
        more = len(due) == BATCH
        after = due[-1][0].id if due else 0


def _cards(regions: Sequence[str], today: date) -> Batches:
    """Cards that autopay is charged to and that end soon."""
    last, after, more = today + timedelta(days=CARD_DAYS[-1]), 0, True
    while more:
        with reading() as db:
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
        yield {NoticeEvent.CARD_EXPIRES: told}
        more = len(cards) == BATCH
        after = cards[-1].id if cards else 0
