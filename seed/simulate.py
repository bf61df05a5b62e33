"""One chunk of customers lives through the history, month by month, all accounts of the chunk at once.

Money is decided by `rules`: numpy looks up what a rule answered for a price, a day, a sum. The order within a month:
the billing run on the 1st (bills of the month before, closings, blockings, the month's charges), new contracts,
options connected, autopay, payments by hand, points spent. Ledger rows carry the moments, not this order.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from rules.autopay import RuleDraft, amount_to_pay, next_retry_on, period_key
from rules.bonus import Lot, expires_on, spend
from rules.numbers import account_number, mask_email, mask_phone
from rules.periods import clamp_day
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    BillingMode,
    BonusKind,
    BonusSource,
    CardBrand,
    DeclineReason,
    Language,
    LedgerKind,
    OrderKind,
    OrderState,
    Outcome,
    PaymentMethod,
    PaymentState,
    Recurrence,
    Right,
    Role,
    ServiceKind,
    TransferCode,
)
from seed import personas
from seed.catalogue import EXCLUDES, NEEDS, OPTION_ID, OPTIONS, PLAN_ID, PLANS
from seed.load import NEVER, Tables, day_number, day_of
from seed.people import city_number, draw, mobile_number, pick, scrambled
from seed.world import AUTOPAY_SECOND, BILLING_SECOND, DAY, DAYS, HOURS, OPTION_SERVICE, PLAN_SERVICE, SEASON, World

LATER = np.int64(2**61)
"""A moment that does not come."""

GATEWAY, CASH_DESK, REVENUE, BONUS = 1, 2, 3, 4
OWN_LEDGERS = (LedgerKind.GATEWAY, LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.BONUS)
LEDGER_OF = len(OWN_LEDGERS)
"""The ledger account of billing account n is n + this."""

SERVICES = list(ServiceKind)
INTERNET, MOBILE, TV, PHONE = range(4)
PREPAID, POSTPAID = range(2)
ACTIVE, BLOCKED, SUSPENDED, CLOSED = range(4)
AHEAD, AFTER, ON_TIME, LATE = range(4)
CARD, SAVED, AUTOPAY, CASH = range(4)
SUCCEEDED, DECLINED = 1, 2

_OPTION_IDS = np.array([OPTION_ID[option.code] for option in OPTIONS])
_OPTION_PLACE = {option.code: place for place, option in enumerate(OPTIONS)}
_ONCE = np.array([option.recurrence is Recurrence.ONCE for option in OPTIONS])
_PROVISIONING = np.array([option.provisioning_minutes for option in OPTIONS])
_BY_SERVICE = [np.flatnonzero(np.equal(OPTION_SERVICE, service)) for service in range(4)]
_PLANS_OF = [np.flatnonzero(np.equal(PLAN_SERVICE, service)) for service in range(4)]
_NEEDED_BY = {_OPTION_PLACE[one]: _OPTION_PLACE[other] for one, other in NEEDS}

_CHARGE_CODES = (TransferCode.PLAN_FEE, TransferCode.OPTION_FEE, TransferCode.ONE_OFF)
_SCREENS = ("home", "accounts", "services", "payments", "autopay", "bonus")
_SCREEN_WEIGHTS = (0.42, 0.11, 0.13, 0.22, 0.06, 0.06)
_DECLINES = (None, *DeclineReason)


def _words(terms: Any) -> np.ndarray:
    return np.array([None if term is None else str(term) for term in terms], dtype=object)


_METHOD, _STATE, _DECLINE = _words(PaymentMethod), _words(PaymentState), _words(_DECLINES)
_SCREEN, _STATUS, _BRAND = _words(_SCREENS), _words(AccountStatus), _words(CardBrand)


@dataclass(slots=True)
class Rule:
    """An autopay rule while it is lived through."""

    rule_id: int
    account: int
    customer: int
    draft: RuleDraft
    created: int
    switches_card: bool
    state: AutopayState = AutopayState.ACTIVE
    pause_reason: str = ""
    changed: int = 0
    second_card: bool = False


class Chunk:
    """So many customers from `first_id` on; with a cast, its actors are the first of them."""

    def __init__(
        self, world: World, tables: Tables, *, number: int, first_id: int, count: int, cast: personas.Cast | None = None
    ) -> None:
        self.w = world
        self.tables = tables
        self.cast = cast
        self.rng = np.random.default_rng([world.seed, number])
        self.n = count
        self.ids = tables.ids("customer", count)
        assert int(self.ids[0]) == first_id
        self._draw_customers(first_id)
        self._draw_accounts()
        self._draw_attachments()
        self._draw_cards()
        self._draw_rules()
        self._draw_options()
        accounts = len(self.holder)
        self.balance = np.zeros(accounts, dtype=np.int64)
        self.in_debt = np.zeros(accounts, dtype=np.int64)
        self.status = np.full(accounts, ACTIVE)
        self.status_since = self.opened.copy()
        self.serves = np.zeros(accounts, dtype=bool)
        self.lines: list[tuple[np.ndarray, ...]] = []
        self.paid: list[tuple[np.ndarray, ...]] = []
        self.earned = np.zeros((count, world.last + 1), dtype=np.int64)
        self.spent = np.zeros((count, world.last + 1), dtype=np.int64)
        self.spendings: list[tuple[int, int, int, int]] = []
        self.paid_by_rule: dict[tuple[int, int], int] = {}
        self.letters: list[tuple[int, int, str, str, str]] = []

    # --- who there is ------------------------------------------------------------------------------------------
    def _actors(self) -> tuple[personas.Actor, ...]:
        return self.cast.actors if self.cast else ()

    def _contracts(self) -> tuple[personas.Contract, ...]:
        return self.cast.contracts if self.cast else ()

    def _draw_customers(self, first_id: int) -> None:
        w, rng, n, acting = self.w, self.rng, self.n, len(self._actors())
        family = rng.random(n) < 0.12
        family[: acting + 1] = False
        family[1:] &= ~family[:-1]
        self.family = family
        self.people = draw(rng, count=n, first_id=first_id, families=family, today=w.today, cities=w.cities)
        self.city = self.people.region
        codes = [city.region for city in w.cities]
        p = self.people
        for place, actor in enumerate(self._actors()):
            p.last[place], p.first[place], p.patronymic[place] = actor.last, actor.first, actor.patronymic
            p.woman[place] = int(actor.woman)
            p.birth_day[place] = day_number(actor.birth_on)
            p.region[place] = codes.index(actor.region)
            p.address[place] = actor.address
            p.phone[place] = mobile_number(place + 1)
            p.email[place] = f"{actor.key}@kabinet.example" if actor.key else "father@kabinet.example"

        # When people registered: a third had before the history begins, the rest join faster and faster.
        before = rng.random(n) < 0.38
        growth = np.linspace(1.0, 1.9, w.last + 1)
        month = pick(rng, growth, n, growth)
        day = np.where(before, w.start - rng.integers(1, 1100, n), w.first[month] + rng.integers(0, 28, n))
        self.registered = w.local(day, self._evening(n), self.city)
        # Older parents more often have somebody who pays for them and never come themselves.
        never = rng.random(n) < np.where(family, 0.5, 0.11)
        self.registered[never] = LATER
        recent = ~before & (rng.random(n) < 0.5)
        self.since = day - np.where(recent, rng.integers(0, 20, n), rng.integers(30, 2200, n))
        for place, actor in enumerate(self._actors()):
            days = 1 if actor.newcomer else w.today - w.start + 200 + 31 * place
            self.registered[place] = w.today * DAY - days * DAY + 16 * 3600 + 1234 * place
            if not actor.registered:
                self.registered[place] = LATER
            self.since[place] = w.start - 150 - 40 * place
        late = (self.registered >= w.end) & (self.registered < LATER)
        self.registered[late] = w.end - rng.integers(3600, 20 * DAY, int(late.sum()))
        self.since = np.minimum(self.since, np.minimum(w.today - 2, self.registered // DAY - 1))
        self.elder = (w.today - p.birth_day) > 65 * 365
        self.activity = rng.gamma(2.0, 2.6, n)
        self.spends = rng.random(n) < 0.2
        self.spends[:acting] = False

    def _evening(self, count: int) -> np.ndarray:
        """Seconds of a local day, mostly evenings."""
        return pick(self.rng, HOURS, count, HOURS) * 3600 + self.rng.integers(0, 3600, count)

    def _draw_accounts(self) -> None:
        w, rng, acting = self.w, self.rng, len(self._actors())
        contracts = self._contracts()
        many = 1 + pick(rng, range(4), self.n, (0.57, 0.27, 0.12, 0.04))
        many[:acting] = 0
        holder = np.repeat(np.arange(self.n), many)
        nth = np.arange(len(holder)) - np.repeat(np.cumsum(many) - many, many)
        count = len(holder)
        elder = self.elder[holder]
        first = np.where(elder, pick(rng, SERVICES, count, (24, 26, 8, 42)), pick(rng, SERVICES, count, (46, 39, 6, 9)))
        later = pick(rng, SERVICES, count, (10, 46, 32, 12))
        service = np.where(nth == 0, first, later)
        twice = (nth > 0) & (service == np.roll(service, 1)) & (service != MOBILE)
        service[twice] = MOBILE
        plan = np.zeros(count, dtype=np.int64)
        for kind in range(4):
            mine = np.flatnonzero(service == kind)
            plans = _PLANS_OF[kind]
            plan[mine] = plans[pick(rng, plans, len(mine), [PLANS[place].weight for place in plans])]
        mode = np.where(
            service == PHONE,
            POSTPAID,
            np.where(
                (service == INTERNET) & (rng.random(count) < 0.4) | (service == TV) & (rng.random(count) < 0.2), POSTPAID, PREPAID
            ),
        )
        opened = self.since[holder] + np.where(nth == 0, 0, rng.exponential(260, count).astype(np.int64))
        too_late = opened >= w.today - 1
        opened[too_late] = self.since[holder[too_late]]
        # Some contracts end, with a month.
        closed = np.full(count, NEVER)
        end = w.first[pick(rng, w.month_on, count, np.ones(w.last + 1))]
        ends = (rng.random(count) < 0.07) & (end > opened + 45) & (end <= w.today)
        closed[ends] = end[ends]
        # And some are paused by their holders: from one 1st to another.
        paused_from, paused_to = np.full(count, NEVER), np.full(count, NEVER)
        pauses = (rng.random(count) < 0.035) & (service == INTERNET) & ~ends
        begin = pick(rng, w.month_on, count, np.ones(w.last + 1))
        pauses &= w.first[begin] > opened + 30
        paused_from[pauses] = w.first[begin[pauses]]
        until = np.minimum(begin + rng.integers(1, 4, count), w.last + 1)
        paused_to[pauses] = np.where(until[pauses] > w.last, NEVER, w.first[np.minimum(until[pauses], w.last)])
        habit = np.where(
            mode == PREPAID,
            pick(rng, "ab", count, (0.76, 0.24)) + AHEAD,
            pick(rng, "ab", count, (0.91, 0.09)) + ON_TIME,
        )
        stops = np.full(count, NEVER)
        debtors = rng.random(count) < 0.06
        stops[debtors] = (w.start + rng.random(int(debtors.sum())) * 1.25 * (w.today - w.start)).astype(np.int64)
        stops = np.where(debtors, np.maximum(stops, opened + 60), stops)

        c = len(contracts)

        def cast_of(values: list[int], others: np.ndarray) -> np.ndarray:
            return np.concatenate([np.array(values, dtype=np.int64), others])

        def number_or_never(day: date | None) -> int:
            return NEVER if day is None else day_number(day)

        self.cast_count = c
        self.holder = cast_of([contract.holder for contract in contracts], holder)
        self.service = cast_of([SERVICES.index(contract.service) for contract in contracts], service)
        self.plan = cast_of([PLAN_ID[contract.plan] - 1 for contract in contracts], plan)
        self.mode = cast_of([list(BillingMode).index(contract.mode) for contract in contracts], mode)
        self.opened = cast_of(
            [
                w.today - 12 if contract.recent else int(self.since[contract.holder]) + 7 * i
                for i, contract in enumerate(contracts)
            ],
            opened,
        )
        self.closed = cast_of([NEVER] * c, closed)
        self.paused_from = cast_of([number_or_never(contract.suspended_from) for contract in contracts], paused_from)
        self.paused_to = cast_of([NEVER] * c, paused_to)
        self.habit = cast_of([AHEAD if m is BillingMode.PREPAID else ON_TIME for m in (x.mode for x in contracts)], habit)
        self.stops = cast_of([number_or_never(contract.stops_on) for contract in contracts], stops)
        self.due_days = cast_of([contract.due_days for contract in contracts], np.full(count, 19))
        self.city_of = self.city[self.holder]
        total = len(self.holder)
        self.account_ids = self.tables.ids("billing_account", total)
        self.step = np.where(np.arange(total) < c, 1000, rng.choice([1000, 5000, 10000], size=total, p=[0.3, 0.3, 0.4]))
        self.cash_share = np.where(self.elder[self.holder], 0.4, 0.1)
        self.cash_share[:c] = 0.0

    def _draw_attachments(self) -> None:
        w, rng = self.w, self.rng
        total = len(self.holder)
        own = self.registered[self.holder]
        seen = np.maximum(
            own + rng.integers(120, 900, total), w.local(self.opened, 11 * 3600 + rng.integers(0, 30000, total), self.city_of)
        )
        lazy = rng.random(total) < 0.18
        seen += np.where(lazy, rng.integers(1, 60, total) * DAY, 0)
        seen[(own == LATER) | (seen >= w.end)] = LATER
        self.attached = seen
        # Family: whoever stands before a marked person sees that person's accounts.
        self.relative = np.full(total, -1)
        self.relative_right = np.zeros(total, dtype=np.int64)
        self.relative_at = np.full(total, LATER)
        sees = self.family[self.holder] & (self.registered[self.holder - 1] < LATER)
        mine = np.flatnonzero(sees)
        self.relative[mine] = self.holder[mine] - 1
        self.relative_right[mine] = pick(rng, Right, len(mine), (0.34, 0.6, 0.06))
        at = (
            np.maximum(self.registered[self.holder[mine] - 1], self.opened[mine] * DAY + 12 * 3600)
            + rng.integers(1, 90, len(mine)) * DAY
        )
        self.relative_at[mine] = np.where(at < w.end, at, LATER)
        for i, contract in enumerate(self._contracts()):
            at_once = int(self.registered[contract.holder]) + 400 + 90 * i
            self.attached[i] = LATER
            if contract.payer is None:
                continue
            if contract.payer == contract.holder:
                self.attached[i] = max(at_once, int(self.opened[i]) * DAY + 12 * 3600)
            else:
                self.relative[i] = contract.payer
                self.relative_right[i] = list(Right).index(contract.right)
                self.relative_at[i] = max(
                    int(self.registered[contract.payer]) + 86_400 * 3, int(self.opened[i]) * DAY + 12 * 3600
                )
        self.relative_pays = (self.relative >= 0) & (self.relative_right >= 1)

    def _draw_cards(self) -> None:
        w, rng, n = self.w, self.rng, self.n
        self.card_from = np.full((n, 2), LATER)
        self.card_until = np.full((n, 2), 0)
        has = (rng.random(n) < 0.7) & (self.registered < LATER)
        since = np.maximum(self.registered, w.start * DAY - 200 * DAY) + rng.integers(300, 40 * DAY, n)
        self.card_from[has, 0] = since[has]
        life = rng.integers(6, 58, n)
        second = has & (rng.random(n) < 0.75)
        brand = pick(rng, CardBrand, 2 * n, (0.17, 0.03, 0.17, 0.05, 0.58)).reshape(n, 2)
        digits = rng.integers(0, 10000, (n, 2))
        both = rng.random(n) < 0.2

        def month_end_after(moments: np.ndarray, months: np.ndarray) -> np.ndarray:
            month = (moments * np.int64(1_000_000)).astype("datetime64[us]").astype("datetime64[M]") + months
            return (month + 1).astype("datetime64[D]").astype(np.int64) - 1

        self.card_until[has, 0] = month_end_after(since[has], life[has])
        # The second card comes early for some, and for the others when the first is about to end.
        later = np.where(
            both, since + rng.integers(20, 300, n) * DAY, self.card_until[:, 0] * DAY - rng.integers(-15, 30, n) * DAY
        )
        self.card_from[second, 1] = later[second]
        self.card_until[second, 1] = month_end_after(later[second], rng.integers(20, 58, n)[second])
        self.card_from[self.card_from >= w.end] = LATER
        self.card_brand, self.card_digits = brand, digits
        self.card_label = [["", ""] for _ in range(n)] if self.cast else None
        for place, actor in enumerate(self._actors()):
            self.card_from[place] = LATER
            for slot, card in enumerate(actor.cards):
                self.card_from[place, slot] = self.registered[place] + 5 * DAY + slot * 40 * DAY
                self.card_until[place, slot] = day_number(card.expires_on or date(w.as_of.year + 2, 9, 30))
                self.card_brand[place, slot] = list(CardBrand).index(card.brand)
                self.card_digits[place, slot] = int(card.last_four)
                if self.card_label:
                    self.card_label[place][slot] = card.label
        self.card_ids = np.full((n, 2), -1)
        real = self.card_from < LATER
        self.card_ids[real] = self.tables.ids("saved_card", int(real.sum()))

    def _card_at(self, customer: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """The id of the card that works for each customer at each moment, or -1: the first one if it can."""
        found = np.full(len(customer), -1)
        for slot in (1, 0):
            works = (self.card_from[customer, slot] <= moments) & (moments // DAY < self.card_until[customer, slot])
            found[works] = self.card_ids[customer[works], slot]
        return found

    def _draw_rules(self) -> None:
        w, rng = self.w, self.rng
        self.rules: list[Rule] = []
        self.autopay = np.zeros(len(self.holder), dtype=bool)
        for i, contract in enumerate(self._contracts()):
            if contract.autopay is None or contract.payer is None:
                continue
            plan = contract.autopay
            draft = RuleDraft(
                plan.trigger, plan.amount_kind, plan.threshold_kopecks, plan.day_of_month, plan.amount_kopecks, None
            )
            self._keep_rule(i, contract.payer, draft, int(self.card_from[contract.payer, 0]) + 2 * DAY, switches=False)
        own = self.card_from[self.holder, 0]
        chosen = (rng.random(len(self.holder)) < 0.24) & (own < LATER) & (self.attached < LATER)
        chosen[: self.cast_count] = False
        dice = rng.random((len(self.holder), 4))
        for i in np.flatnonzero(chosen).tolist():
            a, b, c, d = dice[i].tolist()
            created = int(max(own[i], self.attached[i]) + 600 + d * (240 * DAY))
            if created >= w.end or self.closed[i] < NEVER:
                continue
            fee = int(w.plan_price[self.plan[i], -1])
            round_up = max(10_000, -(-fee // 10_000) * 10_000)
            if self.mode[i] == POSTPAID:
                if a < 0.7:
                    draft = RuleDraft(AutopayTrigger.BILL, AutopayAmount.DUE)
                else:
                    draft = RuleDraft(AutopayTrigger.MONTHLY, AutopayAmount.DUE, day_of_month=3 + int(b * 16))
            elif a < 0.45:
                threshold = (5_000, 10_000, 20_000)[int(b * 3)]
                kind = AutopayAmount.FIXED if c < 0.6 else AutopayAmount.UP_TO
                draft = RuleDraft(
                    AutopayTrigger.THRESHOLD, kind, threshold_kopecks=threshold, amount_kopecks=round_up + threshold
                )
            else:
                kind = AutopayAmount.UP_TO if c < 0.7 else AutopayAmount.FIXED
                day = 1 + int(b * 31) if b < 0.5 else 20 + int(b * 9)
                draft = RuleDraft(AutopayTrigger.MONTHLY, kind, day_of_month=day, amount_kopecks=round_up + 10_000 * int(2 * c))
            self._keep_rule(i, int(self.holder[i]), draft, created, switches=d < 0.8)

    def _keep_rule(self, account: int, customer: int, draft: RuleDraft, created: int, *, switches: bool) -> None:
        rule_id = int(self.tables.ids("autopay_rule", 1)[0])
        self.rules.append(Rule(rule_id, account, customer, draft, created, switches, changed=created))

    # --- options -----------------------------------------------------------------------------------------------
    def _draw_options(self) -> None:
        w, rng, cast = self.w, self.rng, self.cast_count
        account, option, start, end = [], [], [], []
        codes = np.array([city.region for city in w.cities])
        for service in range(4):
            mine = np.flatnonzero(self.service == service)
            mine = mine[mine >= cast]
            kinds = _BY_SERVICE[service]
            shape = (len(mine), len(kinds))
            take = rng.random(shape) < np.array([0.0 if _ONCE[k] else OPTIONS[k].take_up for k in kinds])
            opened = np.broadcast_to(self.opened[mine][:, None], shape)
            early = np.maximum(opened + 2, w.start - 300)
            from_day = early + (rng.random(shape) ** 0.8 * (w.today - early)).astype(np.int64)
            from_day = np.where(rng.random(shape) < 0.4, opened, from_day)
            until = np.full(shape, NEVER)
            ends = rng.random(shape) < 0.36
            until[ends] = (from_day + 3 + rng.exponential(170, shape).astype(np.int64))[ends]
            column = {int(kind): place for place, kind in enumerate(kinds)}
            for place, kind in enumerate(kinds):
                regions = OPTIONS[kind].regions
                if regions:
                    take[:, place] &= np.isin(codes[self.city_of[mine]], regions)
                if OPTIONS[kind].roubles:  # a paid option works to the end of its month
                    until[:, place] = self._next_first(until[:, place])
            for one, other in EXCLUDES:
                if _OPTION_PLACE[one] in column:
                    take[:, column[_OPTION_PLACE[other]]] &= ~take[:, column[_OPTION_PLACE[one]]]
            for child, parent in _NEEDED_BY.items():
                if child in column:
                    c, p = column[child], column[parent]
                    take[:, c] &= take[:, p]
                    from_day[:, c] = np.maximum(from_day[:, c], from_day[:, p] + 3)
                    until[:, c] = np.minimum(until[:, c], until[:, p])
            take &= (from_day < w.today) & (from_day < until) & (from_day < self.closed[mine][:, None])
            rows, columns = np.nonzero(take)
            account.append(mine[rows])
            option.append(kinds[columns])
            start.append(from_day[rows, columns])
            end.append(until[rows, columns])
        # One-off options: some people buy them again and again.
        for kind in np.flatnonzero(_ONCE):
            buyers = np.flatnonzero(
                (self.service == OPTION_SERVICE[kind]) & (rng.random(len(self.holder)) < OPTIONS[kind].take_up)
            )
            buyers = buyers[buyers >= cast]
            buys = rng.random((len(buyers), w.last + 1)) < 0.22
            rows, months = np.nonzero(buys)
            day = w.first[months] + rng.integers(4, 28, len(rows))
            good = (day > self.opened[buyers[rows]] + 3) & (day < w.today) & (day < self.closed[buyers[rows]])
            account.append(buyers[rows][good])
            option.append(np.full(int(good.sum()), kind))
            start.append(day[good])
            end.append(w.first[months[good] + 1])
        for i, contract in enumerate(self._contracts()):
            for place, code in enumerate(contract.options):
                account.append(np.array([i]))
                option.append(np.array([_OPTION_PLACE[code]]))
                later = place == len(contract.options) - 1 and len(contract.options) > 1
                # The last one named was connected in the portal, in the sight of the demo; its needs were there before.
                start.append(np.array([max(w.today - 70 - 9 * i, w.start + 5) if later else int(self.opened[i])]))
                end.append(np.array([NEVER]))
        self.o_account, self.o_option = np.concatenate(account), np.concatenate(option)
        self.o_start = np.concatenate(start)
        self.o_end = np.minimum(np.concatenate(end), self.closed[self.o_account])
        self.o_end[self.o_end > w.first[-1]] = NEVER
        self.o_once = _ONCE[self.o_option]
        order = np.lexsort((self.o_option, self.o_start))
        for name in ("o_account", "o_option", "o_start", "o_end", "o_once"):
            setattr(self, name, getattr(self, name)[order])
        count = len(self.o_account)
        self.o_ordered = (self.o_start > self.opened[self.o_account]) & (self.o_start >= w.start)
        self.o_refused = np.zeros(count, dtype=np.int64)
        self.o_alive = np.ones(count, dtype=bool)
        self.o_now = np.zeros(count, dtype=np.int64)
        self.o_key = self._keys(count)
        hour = 10 * 3600 + (rng.random(count) * 9.5 * 3600).astype(np.int64)
        self.o_done = w.local(self.o_start, hour, self.city_of[self.o_account])
        self.o_order = np.full(count, -1)
        self.o_order[self.o_ordered] = self.tables.ids("product_order", int(self.o_ordered.sum()))
        # Which row each one needs.
        self.o_needs = np.full(count, -1)
        for child, parent in _NEEDED_BY.items():
            parents = {int(self.o_account[row]): row for row in np.flatnonzero(self.o_option == parent).tolist()}
            for row in np.flatnonzero(self.o_option == child).tolist():
                self.o_needs[row] = parents.get(int(self.o_account[row]), -1)

    def _next_first(self, days: np.ndarray) -> np.ndarray:
        """The 1st on or after each day."""
        place = np.searchsorted(self.w.first, days)
        reached = self.w.first[np.minimum(place, len(self.w.first) - 1)]
        return np.where((days >= NEVER) | (place >= len(self.w.first)), NEVER, reached)

    def _keys(self, count: int) -> list[str]:
        digits = self.rng.bytes(16 * count).hex()
        return [digits[place : place + 32] for place in range(0, 32 * count, 32)]

    # --- money -------------------------------------------------------------------------------------------------
    def _post(
        self,
        account: np.ndarray,
        amount: np.ndarray,
        code: TransferCode,
        moments: np.ndarray,
        keys: list[str],
        *,
        other: np.ndarray | int,
        payment: np.ndarray | None = None,
        plan: np.ndarray | None = None,
        option: np.ndarray | None = None,
    ) -> np.ndarray:
        """Transfers between customers' accounts and `other`; charges and refunds take, the rest give."""
        count = len(account)
        ids = self.tables.ids("transfer", count)
        ledger = self.account_ids[account] + LEDGER_OF
        others = np.broadcast_to(np.asarray(other), (count,))
        takes = code.is_charge or code is TransferCode.REFUND
        none = np.full(count, -1)
        self.tables.add(
            "transfer",
            ids,
            self.account_ids[account],
            ledger if takes else others,
            others if takes else ledger,
            amount,
            [code.value] * count,
            keys,
            moments,
            none if payment is None else payment,
            none if plan is None else plan,
            none if option is None else option,
        )
        np.add.at(self.balance, account, -amount if takes else amount)
        return ids

    def _charge(
        self,
        month: int,
        account: np.ndarray,
        amount: np.ndarray,
        code: TransferCode,
        moments: np.ndarray,
        keys: list[str],
        *,
        from_day: np.ndarray,
        plan: np.ndarray | None = None,
        option: np.ndarray | None = None,
    ) -> None:
        """Charges of a month, to be lines of its bill. What comes to nothing is left out."""
        real = amount > 0
        if not real.all():
            keys = [key for key, kept in zip(keys, real.tolist(), strict=True) if kept]
            account, amount, moments, from_day = account[real], amount[real], moments[real], from_day[real]
            plan = None if plan is None else plan[real]
            option = None if option is None else option[real]
        if not len(account):
            return
        none = np.full(len(account), -1)
        plan_ids = none if plan is None else plan + 1
        option_ids = none if option is None else _OPTION_IDS[option]
        ids = self._post(account, amount, code, moments, keys, other=REVENUE, plan=plan_ids, option=option_ids)
        codes = np.full(len(account), _CHARGE_CODES.index(code))
        last = np.full(len(account), self.w.first[month + 1] - 1)
        self.lines.append((account, ids, codes, plan_ids, option_ids, from_day, last, amount))

    def _month(self, month: int) -> str:
        return f"{self.w.month_on[month]:%Y-%m}"

    def _billing_moment(self, month: int, account: np.ndarray) -> np.ndarray:
        return self.w.first[month] * DAY + BILLING_SECOND + self.account_ids[account] * 7 % 540

    def _plan_keys(self, month: int, count: int) -> list[str]:
        return [f"plan:{self._month(month)}"] * count

    def _option_keys(self, month: int, option: np.ndarray) -> list[str]:
        names = [f"option:{facts.code}:{self._month(month)}" for facts in OPTIONS]
        return [names[place] for place in option.tolist()]

    def _billing(self, month: int) -> None:
        w, today = self.w, self.w.first[month]
        if month:
            self._bill_postpaid(month)
            self._issue_bills(month - 1)
        closing = np.flatnonzero(self.closed == today)
        if len(closing):
            self.status[closing], self.status_since[closing] = CLOSED, today
            back = closing[self.balance[closing] > 0]
            self._post(back, self.balance[back].copy(), TransferCode.REFUND, self._billing_moment(month, back) + 600,
                       [f"closing:{self._month(month)}"] * len(back), other=GATEWAY)  # fmt: skip
        blocked = (self.in_debt >= 2) & (self.status == ACTIVE)
        pausing = (self.paused_from == today) & (self.status == ACTIVE)
        resuming = (self.paused_to == today) & (self.status == SUSPENDED)
        for which, state in ((blocked, BLOCKED), (pausing & ~blocked, SUSPENDED), (resuming, ACTIVE)):
            self.status[which], self.status_since[which] = state, today
        self.serves = (self.status == ACTIVE) & (self.opened < today)
        mine = np.flatnonzero(self.serves & (self.mode == PREPAID))
        self._charge(month, mine, w.plan_price[self.plan[mine], month], TransferCode.PLAN_FEE, self._billing_moment(month, mine),
                     self._plan_keys(month, len(mine)), from_day=np.full(len(mine), today), plan=self.plan[mine])  # fmt: skip
        rows = np.flatnonzero(
            self.o_alive & ~self.o_once & (self.o_start < today) & (self.o_end > today)
            & self.serves[self.o_account] & (self.mode[self.o_account] == PREPAID)
        )  # fmt: skip
        account, option = self.o_account[rows], self.o_option[rows]
        self._charge(month, account, w.option_price[option, month], TransferCode.OPTION_FEE, self._billing_moment(month, account),
                     self._option_keys(month, option), from_day=np.full(len(rows), today), option=option)  # fmt: skip

    def _bill_postpaid(self, month: int) -> None:
        """The month that has ended is charged to postpaid accounts."""
        w, past = self.w, month - 1
        first = w.first[past]
        mine = np.flatnonzero(self.serves & (self.mode == POSTPAID))
        from_day = np.maximum(self.opened[mine], first)
        amount = w.part_of(w.plan_price[self.plan[mine], past], past, from_day)
        self._charge(past, mine, amount, TransferCode.PLAN_FEE, self._billing_moment(month, mine),
                     self._plan_keys(past, len(mine)), from_day=from_day, plan=self.plan[mine])  # fmt: skip
        working = (
            self.o_alive & (self.o_start < w.first[month]) & (self.o_end > first)
            & self.serves[self.o_account] & (self.mode[self.o_account] == POSTPAID)
        )  # fmt: skip
        for once in (False, True):
            rows = np.flatnonzero(working & (self.o_once == once))
            account, option = self.o_account[rows], self.o_option[rows]
            from_day = np.maximum(self.o_start[rows], first)
            price = w.option_price[option, past]
            self._charge(past, account, price if once else w.part_of(price, past, from_day),
                         TransferCode.ONE_OFF if once else TransferCode.OPTION_FEE, self._billing_moment(month, account),
                         self._option_keys(past, option), from_day=from_day, option=option)  # fmt: skip

    def _issue_bills(self, month: int) -> None:
        if not self.lines:
            return
        account, transfer, code, plan, option, from_day, to_day, amount = (
            np.concatenate(column) for column in zip(*self.lines, strict=True)
        )
        self.lines = []
        order = np.lexsort((transfer, account))
        account = account[order]
        billed, starts = np.unique(account, return_index=True)
        totals = np.add.reduceat(amount[order], starts)
        ids = self.tables.ids("bill", len(billed))
        counts = np.diff(np.append(starts, len(account)))
        issued = np.full(len(billed), self.w.first[month + 1])
        stamp = f"{self.w.month_on[month]:%y%m}"
        numbers = [f"{stamp}-{number:08d}" for number in self.account_ids[billed].tolist()]
        self.tables.add("bill", ids, self.account_ids[billed], numbers, np.full(len(billed), self.w.first[month]), issued,
                        issued + self.due_days[billed], totals)  # fmt: skip
        self.tables.add("bill_line", self.tables.ids("bill_line", len(account)), np.repeat(ids, counts), transfer[order],
                        _words(_CHARGE_CODES)[code[order]].tolist(), plan[order], option[order], from_day[order],
                        to_day[order], amount[order])  # fmt: skip

    def _openings(self, month: int) -> None:
        """New contracts: a prepaid one starts with a top-up at the desk and the rest of its month."""
        w = self.w
        new = np.flatnonzero((self.opened >= w.first[month]) & (self.opened < w.first[month + 1]))
        self.serves[new] = True
        mine = new[self.mode[new] == PREPAID]
        if not len(mine):
            return
        price = w.plan_price[self.plan[mine], month]
        fee = w.part_of(price, month, self.opened[mine])
        moment = w.local(self.opened[mine], 11 * 3600 + self.account_ids[mine] * 37 % 21_600, self.city_of[mine])
        rows = np.flatnonzero(
            self.o_alive & ~self.o_once & (self.o_start == self.opened[self.o_account]) & np.isin(self.o_account, mine)
        )
        account, option = self.o_account[rows], self.o_option[rows]
        extra = w.part_of(w.option_price[option, month], month, self.o_start[rows])
        need = np.zeros(len(self.holder), dtype=np.int64)
        np.add.at(need, mine, fee)
        np.add.at(need, account, extra)
        amount = -(-np.maximum(need[mine] + price // 2, 10_000) // 10_000) * 10_000
        self._pay(mine, amount, moment, method=np.full(len(mine), CASH), payer=np.full(len(mine), -1))
        at = np.zeros(len(self.holder), dtype=np.int64)
        at[mine] = moment + 120
        self._charge(month, mine, fee, TransferCode.PLAN_FEE, at[mine], self._plan_keys(month, len(mine)),
                     from_day=self.opened[mine], plan=self.plan[mine])  # fmt: skip
        self._charge(month, account, extra, TransferCode.OPTION_FEE, at[account], self._option_keys(month, option),
                     from_day=self.o_start[rows], option=option)  # fmt: skip

    def _connects(self, month: int) -> None:
        """Options ordered in the portal or from the operator this month. Some orders are refused."""
        w, rng = self.w, self.rng
        rows = np.flatnonzero(
            self.o_alive & self.o_ordered & (self.o_start >= w.first[month]) & (self.o_start < w.first[month + 1])
        )
        if not len(rows):
            return
        needs = self.o_needs[rows]
        lost = (needs >= 0) & ~self.o_alive[needs]
        not_active = ~self.serves[self.o_account[rows]]
        self._refuse(rows[lost], 2)
        self._refuse(rows[not_active & ~lost], 1)
        rows = rows[~lost & ~not_active]
        account, option = self.o_account[rows], self.o_option[rows]
        price = w.option_price[option, month]
        prepaid = self.mode[account] == PREPAID
        part = np.where(self.o_once[rows], price, w.part_of(price, month, self.o_start[rows]))
        now = np.where(prepaid, part, 0)
        self.o_now[rows] = now
        short = now > self.balance[account]
        gives_up = short & (now > 0) & (rng.random(len(rows)) < 0.3) & (account >= self.cast_count)
        self._refuse(rows[gives_up], 3)
        tops_up = np.flatnonzero(short & (now > 0) & ~gives_up)
        tops_up = tops_up[np.unique(account[tops_up], return_index=True)[1]]
        if len(tops_up):
            lacking = now[tops_up] - self.balance[account[tops_up]]
            amount = -(-np.maximum(lacking, 5_000) // 5_000) * 5_000
            self._pay(account[tops_up], amount, self._placed(rows[tops_up]) - 400)
        rows, account, option, now = rows[~gives_up], account[~gives_up], option[~gives_up], now[~gives_up]
        for once in (False, True):
            mine = np.flatnonzero((self.o_once[rows] == once) & (now > 0))
            keys = [f"order:{order}" for order in self.o_order[rows[mine]].tolist()]
            self._charge(month, account[mine], now[mine], TransferCode.ONE_OFF if once else TransferCode.OPTION_FEE,
                         self.o_done[rows[mine]] + 1, keys, from_day=self.o_start[rows[mine]], option=option[mine])  # fmt: skip

    def _refuse(self, rows: np.ndarray, reason: int) -> None:
        self.o_alive[rows] = False
        self.o_refused[rows] = reason

    def _placed(self, rows: np.ndarray) -> np.ndarray:
        """When the orders were placed, so that provisioning ends at `o_done`."""
        return self.o_done[rows] - np.maximum(_PROVISIONING[self.o_option[rows]] * 60, 2)

    def _payer(self, account: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """Who pays in the portal: a relative with the right to, else the holder, else nobody (-1)."""
        holder = np.where(self.attached[account] <= moments, self.holder[account], -1)
        relative = self.relative_pays[account] & (self.relative_at[account] <= moments)
        return np.where(relative, self.relative[account], holder)

    def _pay(
        self,
        account: np.ndarray,
        amount: np.ndarray,
        moments: np.ndarray,
        *,
        method: np.ndarray | None = None,
        payer: np.ndarray | None = None,
        together: bool = False,
        safely: bool = False,
    ) -> None:
        """Payments by hand; some are declined first and tried again, some people pay several accounts at once."""
        rng, count = self.rng, len(account)
        kept = moments < self.w.end - 60
        if not kept.all():
            account, amount, moments = account[kept], amount[kept], moments[kept]
            method = None if method is None else method[kept]
            payer = None if payer is None else payer[kept]
            count = len(account)
        if not count:
            return
        if payer is None:
            payer = self._payer(account, moments)
        card = np.full(count, -1)
        if method is None:
            by_cash = (payer < 0) | (rng.random(count) < self.cash_share[account])
            payer = np.where(by_cash, -1, payer)
            known = np.flatnonzero(~by_cash)
            card[known] = np.where(rng.random(len(known)) < 0.72, self._card_at(payer[known], moments[known]), -1)
            method = np.where(by_cash, CASH, np.where(card >= 0, SAVED, CARD))
        group = np.arange(count)
        if together:
            joins = (payer >= 0) & (rng.random(self.n) < 0.3)[payer]
            _, group = np.unique(np.where(joins, payer, self.n + group), return_inverse=True)
        payments = int(group.max()) + 1
        # One payment takes its moment, and with it its card, from the latest of its parts.
        latest = np.zeros(payments, dtype=np.int64)
        order = np.argsort(moments, kind="stable")
        latest[group[order]] = order
        total = np.zeros(payments, dtype=np.int64)
        np.add.at(total, group, amount)
        created, payer, method, card = moments[latest], payer[latest], method[latest], card[latest]
        declined = (method != CASH) & (rng.random(payments) < (0.0 if safely else 0.035))
        dropped = declined & (rng.random(payments) < 0.12)
        why = 1 + pick(rng, DeclineReason, payments, (0.62, 0.0, 0.24, 0.14))
        self._record(created, payer, total, method, card, np.where(dropped, DECLINED, SUCCEEDED), np.where(dropped, why, 0),
                     self._keys(payments), group, account, amount)  # fmt: skip
        again = np.flatnonzero(declined & ~dropped)
        if len(again):
            parts = np.flatnonzero(np.isin(group, again))
            self._record(created[again] - rng.integers(70, 700, len(again)), payer[again], total[again], method[again], card[again],
                         np.full(len(again), DECLINED), why[again], self._keys(len(again)),
                         np.searchsorted(again, group[parts]), account[parts], amount[parts])  # fmt: skip

    def _record(
        self,
        created: np.ndarray,
        payer: np.ndarray,
        total: np.ndarray,
        method: np.ndarray,
        card: np.ndarray,
        state: np.ndarray,
        why: np.ndarray,
        keys: list[str],
        part_of: np.ndarray,
        account: np.ndarray,
        amount: np.ndarray,
    ) -> np.ndarray:
        """Payments with their parts (`part_of` are places in the payments); succeeded ones are credited and earn points."""
        count = len(created)
        ids = self.tables.ids("payment", count)
        settled = created + 3 + ids % 13
        payer_ids = np.where(payer >= 0, self.ids[payer], -1)
        self.tables.add("payment", ids, payer_ids, total, _METHOD[method].tolist(), _STATE[state].tolist(), card, keys, created,
                        settled, _DECLINE[why].tolist())  # fmt: skip
        self.tables.add("payment_part", ids[part_of], self.account_ids[account], amount)
        done = np.flatnonzero(state[part_of] == SUCCEEDED)
        if not len(done):
            return ids
        place = part_of[done]
        text = [f"payment:{payment}" for payment in ids[place].tolist()]
        self._post(account[done], amount[done], TransferCode.TOP_UP, settled[place], text,
                   other=np.where(method[place] == CASH, CASH_DESK, GATEWAY), payment=ids[place])  # fmt: skip
        freed = account[done][(self.status[account[done]] == BLOCKED) & (self.balance[account[done]] >= 0)]
        if len(freed):
            when = np.zeros(len(self.holder), dtype=np.int64)
            np.maximum.at(when, account[done], settled[place])
            self.status[freed] = ACTIVE
            self.status_since[freed] = self.w.local_day(when[freed], self.city_of[freed])
            self.in_debt[freed] = 0
        earning = np.flatnonzero((state == SUCCEEDED) & (payer >= 0))
        points = self.w.points(total[earning], by_autopay=method[earning] == AUTOPAY)
        only = np.full(count, -1)
        only[part_of] = self.account_ids[account]
        only[np.bincount(part_of, minlength=count) > 1] = -1
        kept = points > 0
        earning, points = earning[kept], points[kept]
        self.paid.append(
            (payer[earning], points, settled[earning], (method[earning] == AUTOPAY).astype(np.int64), ids[earning], only[earning])
        )
        month = np.clip(np.searchsorted(self.w.first, settled[earning] // DAY, side="right") - 1, 0, self.w.last)
        np.add.at(self.earned, (payer[earning], month), points)
        return ids

    def _manual(self, month: int) -> None:
        """What people pay by hand this month, after their habits."""
        w, rng, count = self.w, self.rng, len(self.holder)
        first, length = w.first[month], w.first[month + 1] - w.first[month]
        known = self.opened < w.first[month + 1]
        living = known & (self.status != CLOSED)
        next_fee = np.where((self.status == ACTIVE) & (self.closed > w.first[month + 1]), w.plan_price[self.plan, month + 1], 0)
        coming = np.flatnonzero(
            self.o_alive & ~self.o_once & (self.o_start < w.first[month + 1]) & (self.o_end > w.first[month + 1])
        )
        np.add.at(next_fee, self.o_account[coming], w.option_price[self.o_option[coming], month + 1])
        next_fee[self.status != ACTIVE] = 0
        next_fee[self.paused_from == w.first[month + 1]] = 0

        ahead = (self.mode == PREPAID) & (self.habit == AHEAD)
        # The history begins with everybody at zero: in its first month those who pay ahead make up for it.
        need = np.where(ahead, next_fee - self.balance, -self.balance)
        more = rng.random(count) < 0.05 * SEASON[w.month_on[month].month - 1] ** 4
        need = np.where(ahead & more & (np.arange(count) >= self.cast_count), need + next_fee * rng.integers(1, 3, count), need)
        day = np.select(
            [ahead, self.habit == AFTER, self.habit == LATE],
            [rng.integers(19, 28, count), 1 + rng.integers(1, 14, count), rng.integers(20, 28, count)],
            np.where(rng.random(count) < 0.55, rng.integers(2, 11, count), rng.integers(12, 20, count)),
        )
        if month == 0:
            day = np.where(ahead, rng.integers(1, 6, count), day)
        day = np.where(np.arange(count) < self.cast_count, np.where(ahead & (month > 0), 20 + day % 7, 2 + day % 7), day)
        day = np.minimum(day, length)
        on = first + day - 1
        skips = rng.random(count) < np.where(self.mode == POSTPAID, 0.025, 0.035)
        skips[: self.cast_count] = False
        gone = on >= self.stops
        back = gone & (rng.random(count) < 0.07) & (np.arange(count) >= self.cast_count)
        relies = self.autopay & (self.in_debt < 1)
        pays = living & ~skips & (~gone | back) & ~relies & (need > 0) & (on > self.opened)
        mine = np.flatnonzero(pays)
        need, on = need[mine], on[mine]
        rounded = -(-need // self.step[mine]) * self.step[mine]
        amount = np.where(self.mode[mine] == PREPAID, rounded, need)
        amount = np.minimum(np.maximum(amount, 5_000), w.autopay.amount_most_kopecks)
        moments = w.local(on, self._evening(len(mine)), self.city_of[mine])
        for cast in (True, False):
            which = (mine < self.cast_count) == cast
            self._pay(mine[which], amount[which], moments[which], together=not cast, safely=cast)

    def _run_autopay(self, month: int) -> None:
        """Runs of all rules in one month, with the tries after a decline."""
        w, rng = self.w, self.rng
        month_on = w.month_on[month]
        runs: list[tuple[Any, ...]] = []
        payments: list[tuple[int, int, int, int, int, int, str, int]] = []
        for rule in self.rules:
            account, draft = rule.account, rule.draft
            if rule.state is not AutopayState.ACTIVE or self.status[account] == CLOSED:
                continue
            calendar = draft.trigger is AutopayTrigger.MONTHLY
            on = clamp_day(month_on, draft.day_of_month or 1) if calendar else month_on
            day = day_number(on)
            at = day * DAY + AUTOPAY_SECOND + rule.rule_id * 11 % 900
            if at < rule.created or at >= w.end or day <= self.opened[account]:
                continue
            self.autopay[account] = True
            balance = int(self.balance[account])
            pay = amount_to_pay(
                draft=draft,
                balance_kopecks=balance,
                due_kopecks=max(0, -balance),
                paid_this_month_kopecks=self.paid_by_rule.get((rule.rule_id, month), 0),
                terms=w.autopay,
            )
            period = period_key(trigger=draft.trigger, on=on)
            if pay.reason == "above_threshold":
                continue  # nothing happened: the rule waits
            if pay.reason != "pay":
                runs.append((rule.rule_id, account, period, 1, day, at, AutopayResult.SKIPPED, pay.reason, 0, -1, 0))
                continue
            unlucky = self.cast is None or account >= self.cast_count
            attempt = 1
            while True:
                card, expired = self._rule_card(rule, at)
                fails = expired or (unlucky and rng.random() < (0.05 if attempt == 1 else 0.3))
                why = 0 if not fails else (2 if expired else (1 if rng.random() < 0.8 else 3))
                place = len(payments)
                payments.append((at, rule.customer, pay.amount_kopecks, card, DECLINED if fails else SUCCEEDED, why,
                                 f"autopay:{rule.rule_id}:{period}:{attempt}", account))  # fmt: skip
                result = AutopayResult.DECLINED if fails else AutopayResult.SUCCEEDED
                runs.append((rule.rule_id, account, period, attempt, day, at, result, "", pay.amount_kopecks, place, why))
                if not fails:
                    break
                self.letters.append((rule.customer, at + 5, "autopay.declined", draft.trigger.value, _DECLINES[why] or ""))
                again_on = next_retry_on(failed_on=on, attempt=attempt, terms=w.autopay)
                if again_on is None:
                    rule.state, rule.pause_reason, rule.changed = AutopayState.PAUSED, "declined", at + 5
                    self.autopay[account] = False
                    self.letters.append((rule.customer, at + 6, "autopay.paused", draft.trigger.value, ""))
                    break
                attempt += 1
                at = day_number(again_on) * DAY + AUTOPAY_SECOND + rule.rule_id * 11 % 900
                if at >= w.end:
                    break
        if payments:
            at, payer, amount, card, state, why, _, account = (list(column) for column in zip(*payments, strict=True))
            keys = [payment[6] for payment in payments]
            order = np.arange(len(payments))
            ids = self._record(np.array(at), np.array(payer), np.array(amount), np.full(len(order), AUTOPAY), np.array(card),
                               np.array(state), np.array(why), keys, order, np.array(account), np.array(amount)).tolist()  # fmt: skip
        else:
            ids = []
        if runs:
            columns = [list(column) for column in zip(*runs, strict=True)]
            rule_id, account, period, attempt, due, at, result, reason, amount, place, why = columns
            self.tables.add("autopay_run", self.tables.ids("autopay_run", len(runs)), rule_id, self.account_ids[account].tolist(), period,
                            attempt, due, at, [str(word) for word in result], reason, amount,
                            [-1 if p < 0 else ids[p] for p in place], _DECLINE[why].tolist())  # fmt: skip

    def _rule_card(self, rule: Rule, moment: int) -> tuple[int, bool]:
        """The card a rule pays with now, and whether it has expired."""
        person, day = rule.customer, moment // DAY
        slot = 1 if rule.second_card else 0
        if day > self.card_until[person, slot] and rule.switches_card and self.card_from[person, 1] < moment:
            rule.second_card, slot = True, 1
        return int(self.card_ids[person, slot]), bool(day > self.card_until[person, slot])

    def _spend(self, month: int) -> None:
        """Points turned into money on an own account. Only points that are surely still there are counted."""
        w, rng = self.w, self.rng
        sure = self.earned[:, max(0, month - 10) : month].sum(axis=1) - self.spent[:, max(0, month - 11) : month + 1].sum(axis=1)
        who = np.flatnonzero(self.spends & (sure >= 50) & (rng.random(self.n) < 0.22))
        place = np.searchsorted(self.holder[self.cast_count :], who) + self.cast_count
        good = (place < len(self.holder)) & (self.holder[np.minimum(place, len(self.holder) - 1)] == who)
        who, place = who[good], place[good]
        moments = w.local(w.first[month] + rng.integers(6, 24, len(who)), self._evening(len(who)), self.city_of[place])
        good = (self.status[place] == ACTIVE) & (self.attached[place] < moments) & (moments < w.end - 60)
        who, place, moments = who[good], place[good], moments[good]
        points = np.minimum(sure[who], w.plan_price[self.plan[place], month] // 100)
        if not len(who):
            return
        self._post(
            place, points * 100, TransferCode.BONUS_SPENT, moments, [f"bonus:{self._month(month)}"] * len(who), other=BONUS
        )
        self.spent[who, month] += points
        self.spendings += zip(who.tolist(), moments.tolist(), points.tolist(), place.tolist(), strict=True)

    def live(self) -> None:
        """The whole history, and everything that can only be written when it is over."""
        for month in range(self.w.last + 1):
            self._billing(month)
            self._openings(month)
            self._connects(month)
            self._run_autopay(month)
            self._manual(month)
            self._spend(month)
            owing = self.balance < 0
            self.in_debt = np.where(owing, self.in_debt + 1, 0)
        self._settle_cast()
        self._write_people()
        self._write_options()
        self._write_rules()
        self._write_bonus()
        self._write_visits()
        self._write_letters()

    # --- what the cast must show ---------------------------------------------------------------------------------
    def _settle_cast(self) -> None:
        w = self.w
        for i, contract in enumerate(self._contracts()):
            if contract.tops_up_to_days is not None and contract.payer is not None:
                month = np.array([w.plan_price[self.plan[i], w.last]])
                target = int(w.part_of(month, w.last, w.first[w.last + 1 : w.last + 2] - contract.tops_up_to_days)[0])
                missing = -(-(target - int(self.balance[i])) // 1000) * 1000
                if missing > 0:
                    at = np.array([(w.today - 3) * DAY + 15 * 3600 + 1260])
                    self._pay(np.array([i]), np.array([missing]), at, safely=True)
            if contract.must_be_blocked and self.status[i] != BLOCKED:
                self.status[i], self.status_since[i] = BLOCKED, max(w.first[w.last], w.today - 5)
        if not self.cast:
            return
        # The family's points come to the promised sum by one payment ahead for the own mobile.
        payer, points, at, *_ = (np.concatenate(column) for column in zip(*self.paid, strict=True))
        alive = (payer == personas.FAMILY) & (at // DAY > w.today - 364)
        missing = personas.FAMILY_POINTS - 180 - int(points[alive].sum())
        if 3 <= missing <= 500:
            amount = missing * w.bonus.kopecks_per_point
            self._pay(np.array([1]), np.array([amount]), np.array([(w.today - 9) * DAY + 17 * 3600 + 600]), safely=True)

    # --- what is written at the end --------------------------------------------------------------------------------
    def _write_people(self) -> None:
        w, p, t, n, rng = self.w, self.people, self.tables, self.n, self.rng
        regions = [city.region for city in w.cities]
        known = (self.registered < LATER).tolist()
        emails = [email if seen else None for email, seen in zip(p.email, known, strict=True)]
        phones = [phone if seen else None for phone, seen in zip(p.phone, known, strict=True)]
        roles = [Role.CUSTOMER.value] * n
        language = [Language.RU.value if x > 0.04 else Language.EN.value for x in rng.random(n).tolist()]
        for place, actor in enumerate(self._actors()):
            roles[place], language[place] = actor.role.value, Language.RU.value
        t.add("customer", self.ids, p.last, p.first, p.patronymic, p.birth_day, emails, phones,
              [regions[r] for r in p.region.tolist()], language, roles, np.where(self.registered < LATER, self.registered, -1))  # fmt: skip

        total, holder = len(self.holder), self.holder.tolist()
        numbers = [
            account_number(100_000_007 + 1_111 * i if i < self.cast_count else 200_000_000 + scrambled(account, 699_999_953))
            for i, account in enumerate(self.account_ids.tolist())
        ]
        first_mobile = np.unique(np.where(self.service == MOBILE, self.holder, self.n), return_index=True)[1].tolist()
        own_phone = set(first_mobile)
        service_phones: list[str | None] = []
        for i, (service, person, account) in enumerate(
            zip(self.service.tolist(), holder, self.account_ids.tolist(), strict=True)
        ):
            if service == MOBILE:
                service_phones.append(p.phone[person] if i in own_phone else mobile_number(100_000 + scrambled(account, 899_981)))
            elif service == PHONE:
                service_phones.append(city_number(w.cities[self.city_of[i]].area_code, scrambled(account, 999_983)))
            else:
                service_phones.append(None)
        t.add("billing_account", self.account_ids, numbers, self.ids[self.holder],
              [SERVICES[s].value for s in self.service.tolist()], [list(BillingMode)[m].value for m in self.mode.tolist()],
              _STATUS[self.status].tolist(), self.status_since, [regions[r] for r in self.city_of.tolist()],
              ["" if s == MOBILE else p.address[h] for s, h in zip(self.service.tolist(), holder, strict=True)],
              service_phones, [p.email[h] for h in holder], [p.phone[h] for h in holder], self.opened,
              np.where(self.status == CLOSED, self.closed, NEVER))  # fmt: skip
        t.add("ledger_account", self.account_ids + LEDGER_OF, [LedgerKind.CUSTOMER.value] * total, self.account_ids, self.balance)
        t.add("subscription", t.ids("subscription", total), self.account_ids, self.plan + 1, np.full(total, -1), self.opened,
              np.full(total, NEVER), np.where(self.status == CLOSED, self.closed, NEVER))  # fmt: skip

        own, other = np.flatnonzero(self.attached < LATER), np.flatnonzero(self.relative_at < LATER)
        who = np.concatenate([self.holder[own], self.relative[other]])
        account = np.concatenate([own, other])
        right = np.concatenate([np.full(len(own), list(Right).index(Right.MANAGE)), self.relative_right[other]])
        at = np.concatenate([self.attached[own], self.relative_at[other]])
        # Places in each person's list: in the order in which the accounts were attached; the cast's as written.
        order = np.lexsort((account, np.where(account < self.cast_count, 0, at), who))
        who, account, right, at = who[order], account[order], right[order], at[order]
        begins = np.unique(who, return_index=True)[1]
        position = np.arange(len(who)) - np.repeat(begins, np.diff(np.append(begins, len(who))))
        labels = ["" if a >= self.cast_count else self._contracts()[a].label for a in account.tolist()]
        gone = (rng.random(len(who)) < 0.1) & (self.closed[account] < w.today) & (account >= self.cast_count)
        left = np.where(gone, self.closed[account] * DAY + 13 * 3600, -1)
        left = np.where(left >= at, left, -1)
        left = np.where(left < w.end, left, -1)
        t.add("attachment", t.ids("attachment", len(who)), self.ids[who], self.account_ids[account],
              _words(Right)[right].tolist(), labels, position, at, left)  # fmt: skip
        self._audit("attach_account", at, who, account)
        # Proof that was asked for: the codes of the last 90 days are kept, all used.
        recent = np.flatnonzero((at > w.end - 90 * DAY) & (at < w.end))
        mails = [mask_email(p.email[holder[a]]) if a % 2 else mask_phone(p.phone[holder[a]]) for a in account[recent].tolist()]
        hashes = [one + other for one, other in zip(self._keys(len(recent)), self._keys(len(recent)), strict=True)]
        t.add("attach_code", t.ids("attach_code", len(recent)), self.ids[who[recent]], self.account_ids[account[recent]], hashes, mails,
              at[recent] - 95, at[recent] + 505, np.full(len(recent), 5), at[recent])  # fmt: skip
        wrong = recent[rng.random(len(recent)) < 0.15]
        self._audit("attach_account", at[wrong] - 40, who[wrong], account[wrong], refused="code_wrong")

        person, slot = np.nonzero(self.card_ids >= 0)
        labels = [self.card_label[i][s] if self.card_label else "" for i, s in zip(person.tolist(), slot.tolist(), strict=True)]
        t.add("saved_card", self.card_ids[person, slot], self.ids[person], [f"tok_{key}" for key in self._keys(len(person))],
              _BRAND[self.card_brand[person, slot]].tolist(), [f"{d:04d}" for d in self.card_digits[person, slot].tolist()],
              self.card_until[person, slot], labels, (slot == 0).astype(np.int64), self.card_from[person, slot],
              np.full(len(person), -1))  # fmt: skip
        if self.cast:
            places = [i for i, actor in enumerate(self._actors()) if actor.key]
            t.add("demo_persona", [self._actors()[i].key for i in places], self.ids[places], np.arange(len(places)))

    def _audit(self, action: str, at: np.ndarray, who: np.ndarray, account: np.ndarray, refused: str = "") -> None:
        """Attempts in the portal. Addresses are of a range that is kept for documentation."""
        count = len(at)
        self.tables.add("audit_entry", self.tables.ids("audit_entry", count), at, np.where(who >= 0, self.ids[who], -1),
                        self.account_ids[account], [action] * count, [(Outcome.REFUSED if refused else Outcome.DONE).value] * count,
                        [refused] * count, [f"203.0.113.{1 + person * 7 % 250}" for person in who.tolist()])  # fmt: skip

    def _orders(
        self, *, ids: np.ndarray, account: np.ndarray, option: np.ndarray, by: np.ndarray, kind: OrderKind, state: OrderState,
        keys: list[str], now: np.ndarray, monthly: np.ndarray, on: np.ndarray, placed: np.ndarray, due: np.ndarray,
        closed: np.ndarray, reason: str,
    ) -> None:  # fmt: skip
        """Orders of one kind that reached one state, and the events on the way there."""
        t, count = self.tables, len(ids)
        if not count:
            return
        by_ids = np.where(by >= 0, self.ids[by], -1)
        nobody = np.full(count, -1)
        t.add("product_order", ids, self.account_ids[account], _OPTION_IDS[option], by_ids, [kind.value] * count, [state.value] * count,
              keys, now, monthly, on, placed, due, closed, [reason] * count)  # fmt: skip
        steps = [(OrderState.ACCEPTED, placed, by_ids)]
        if state is OrderState.IN_PROGRESS:
            steps.append((OrderState.IN_PROGRESS, np.minimum(placed + 60, due), nobody))
        elif state is OrderState.DONE:
            steps += [(OrderState.IN_PROGRESS, (closed - 1), nobody), (OrderState.DONE, closed, nobody)]
        elif state is OrderState.CANCELLED:
            steps.append((OrderState.CANCELLED, closed, by_ids))
        elif state is OrderState.REFUSED:
            steps.append((OrderState.REFUSED, closed, nobody))
        for reached, at, who in steps:
            t.add("order_event", t.ids("order_event", count), ids, [reached.value] * count, at, who)
        online = by >= 0
        self._audit("connect_option" if kind is OrderKind.CONNECT else "disconnect_option", placed[online], by[online], account[online],
                    refused=reason)  # fmt: skip

    def _write_options(self) -> None:
        w, rng, t = self.w, self.rng, self.tables
        month = np.clip(np.searchsorted(w.first, self.o_start, side="right") - 1, 0, w.last)
        price = w.option_price[self.o_option, month]
        monthly = np.where(self.o_once, 0, price)
        rows = np.flatnonzero(self.o_ordered)
        placed = self._placed(rows)
        by = np.where(self.attached[self.o_account[rows]] <= placed, self.holder[self.o_account[rows]], -1)
        for reason, word in enumerate(("", "account_not_active", "option_needs", "not_enough_money")):
            which = self.o_refused[rows] == reason
            these = rows[which]
            self._orders(ids=self.o_order[these], account=self.o_account[these], option=self.o_option[these], by=by[which],
                         kind=OrderKind.CONNECT, state=OrderState.REFUSED if reason else OrderState.DONE,
                         keys=[self.o_key[row] for row in these.tolist()], now=self.o_now[these], monthly=monthly[these],
                         on=self.o_start[these], placed=placed[which], due=self.o_done[these],
                         closed=placed[which] + 1 if reason else self.o_done[these], reason=word)  # fmt: skip

        # Disconnecting: paid options work to the end of the month, so the order waits until the 1st.
        leaves = self.o_alive & ~self.o_once & (self.o_end < NEVER) & (self.o_end != self.closed[self.o_account])
        rows = np.flatnonzero(leaves)
        account, end = self.o_account[rows], self.o_end[rows]
        paid = price[rows] > 0
        floor = np.maximum(self.o_start[rows] + 1, np.where(paid, end - 28, end))
        day = np.where(paid, np.minimum(floor + rng.integers(0, 24, len(rows)), end - 1), end)
        placed = w.local(day, self._evening(len(rows)), self.city_of[account])
        due = np.where(paid, end * DAY + BILLING_SECOND, placed + 2)
        in_time = (placed < w.end - 60) & (end >= w.start)
        never = rows[~in_time & (placed >= w.end - 60)]
        self.o_end[never] = NEVER
        by = np.where(self.attached[account] <= placed, self.holder[account], -1)
        closed = np.where(paid, due + self.account_ids[account] * 7 % 540, placed + 2)
        for state, which in (
            (OrderState.DONE, in_time & (end <= w.today)),
            (OrderState.ACCEPTED, in_time & (end > w.today)),
        ):
            which = np.flatnonzero(which)
            these = rows[which]
            if len(these):
                self._orders(ids=t.ids("product_order", len(these)), account=account[which], option=self.o_option[these], by=by[which],
                             kind=OrderKind.DISCONNECT, state=state, keys=self._keys(len(these)), now=np.zeros(len(these), dtype=np.int64),
                             monthly=np.zeros(len(these), dtype=np.int64), on=end[which], placed=placed[which], due=due[which],
                             closed=closed[which] if state is OrderState.DONE else np.full(len(these), -1), reason="")  # fmt: skip
        ended = np.where(self.o_end <= w.today, self.o_end, NEVER)
        kept = np.flatnonzero(self.o_alive)
        self._write_pending(ended)
        t.add("subscription", t.ids("subscription", len(kept)), self.account_ids[self.o_account[kept]], np.full(len(kept), -1),
              _OPTION_IDS[self.o_option[kept]], self.o_start[kept], np.where(self.o_once[kept], self.o_end[kept], NEVER),
              ended[kept])  # fmt: skip

    def _write_pending(self, ended: np.ndarray) -> None:
        """Orders for options that take time: a few still on their way, and a few taken back on theirs."""
        w, rng, t = self.w, self.rng, self.tables
        for kind in np.flatnonzero(_PROVISIONING > 0).tolist():
            minutes = int(_PROVISIONING[kind])
            has = np.unique(self.o_account[self.o_option == kind])
            able = (
                (self.service == OPTION_SERVICE[kind])
                & (self.status == ACTIVE)
                & (self.attached < w.end - 9 * DAY)
                & (self.closed == NEVER)
            )
            able[has] = False
            able[: self.cast_count] = False
            accounts = np.flatnonzero(able & (rng.random(len(able)) < 0.05))
            if not len(accounts):
                continue
            coming = rng.random(len(accounts)) < 0.4
            for state, which in (
                (OrderState.ACCEPTED, coming & (accounts % 2 == 0)),
                (OrderState.IN_PROGRESS, coming & (accounts % 2 == 1)),
                (OrderState.CANCELLED, ~coming),
            ):
                mine = accounts[which]
                count = len(mine)
                if not count:
                    continue
                is_open = state is not OrderState.CANCELLED
                share = rng.random(count)
                span = (min(minutes, 1440) * 60 - 120) if is_open else 60 * DAY
                placed = w.end - 70 - (share * span).astype(np.int64)
                placed = np.maximum(placed, self.attached[mine] + 60)
                due = placed + minutes * 60
                on = w.local_day(due, self.city_of[mine])
                month = np.clip(np.searchsorted(w.first, on, side="right") - 1, 0, w.last)
                price = w.option_price[kind, month]
                part = np.array([w.part_of(price[i : i + 1], int(m), on[i : i + 1])[0] for i, m in enumerate(month.tolist())])
                now = np.where(self.mode[mine] == PREPAID, part, 0)
                closed = (
                    np.full(count, -1)
                    if is_open
                    else np.minimum(placed + 300 + (share * minutes * 30).astype(np.int64), w.end - 1)
                )
                self._orders(ids=t.ids("product_order", count), account=mine, option=np.full(count, kind), by=self.holder[mine],
                             kind=OrderKind.CONNECT, state=state, keys=self._keys(count), now=now, monthly=price, on=on,
                             placed=placed, due=due, closed=closed, reason="")  # fmt: skip

    def _write_rules(self) -> None:
        rows = []
        for rule in self.rules:
            draft = rule.draft
            if rule.state is AutopayState.ACTIVE and self.status[rule.account] == CLOSED:
                rule.state, rule.changed = AutopayState.DELETED, int(self.closed[rule.account]) * DAY + BILLING_SECOND
            rows.append((rule.rule_id, int(self.ids[rule.customer]), int(self.account_ids[rule.account]),
                         int(self.card_ids[rule.customer, 1 if rule.second_card else 0]), draft.trigger.value, draft.threshold_kopecks,
                         draft.day_of_month, draft.amount_kind.value, draft.amount_kopecks, draft.monthly_ceiling_kopecks,
                         rule.state.value, rule.pause_reason, rule.created, rule.created, rule.changed))  # fmt: skip
        if rows:
            self.tables.add("autopay_rule", *(list(column) for column in zip(*rows, strict=True)))
            created = np.array([rule.created for rule in self.rules])
            self._audit("save_autopay_rule", created, np.array([rule.customer for rule in self.rules]),
                        np.array([rule.account for rule in self.rules]))  # fmt: skip

    def _write_bonus(self) -> None:
        w, rng, t = self.w, self.rng, self.tables
        parts = list(self.paid)
        here = np.flatnonzero((self.registered < LATER) & (self.registered >= w.start * DAY))
        keys: list[str] = []
        sources: list[np.ndarray] = []
        for columns in parts:
            keys += [f"payment:{payment}" for payment in columns[4].tolist()]
            sources.append(columns[3])
        order_of = (BonusSource.PAYMENT, BonusSource.AUTOPAY, BonusSource.PROFILE, BonusSource.E_BILL, BonusSource.BIRTHDAY)

        def grant(who: np.ndarray, points: int, at: np.ndarray, source: BonusSource, names: list[str]) -> None:
            none = np.full(len(who), -1)
            parts.append((who, np.full(len(who), points), at, none, none, none))
            keys.extend(names)
            sources.append(np.full(len(who), order_of.index(source)))

        acting = len(self._actors())
        here = here[here >= acting]
        filled = here[rng.random(len(here)) < 0.55]
        grant(filled, w.bonus.profile_points, self.registered[filled] + 700, BonusSource.PROFILE, ["profile"] * len(filled))
        paperless = here[rng.random(len(here)) < 0.35]
        at = self.registered[paperless] + rng.integers(1, 30, len(paperless)) * DAY
        paperless, at = paperless[at < w.end], at[at < w.end]
        grant(paperless, w.bonus.e_bill_points, at, BonusSource.E_BILL, ["e_bill"] * len(paperless))
        birthdays: dict[int, list[int]] = {}
        greeted = np.flatnonzero((self.registered < LATER) & (np.arange(self.n) >= acting) & (rng.random(self.n) < 0.5))
        month_day = [day_of(day) for day in self.people.birth_day[greeted].tolist()]
        for year in range(w.month_on[0].year, w.as_of.year + 1):
            born = np.array([day_number(clamp_day(date(year, day.month, 1), day.day)) for day in month_day], dtype=np.int64)
            at = born * DAY + 7 * 3600
            now = (born >= w.start) & (at < w.end) & (at > self.registered[greeted])
            grant(greeted[now], w.bonus.birthday_points, at[now], BonusSource.BIRTHDAY, [f"birthday:{year}"] * int(now.sum()))
            birthdays[year] = []
        if self.cast:
            day = personas.points_granted_on(w.as_of)
            at = np.array([day_number(day) * DAY + BILLING_SECOND])
            one = np.array([personas.FAMILY])
            for source, points, name in (
                (BonusSource.PROFILE, w.bonus.profile_points, "profile"),
                (BonusSource.E_BILL, w.bonus.e_bill_points, "e_bill"),
                (BonusSource.BIRTHDAY, w.bonus.birthday_points, f"birthday:{day.year}"),
            ):
                grant(one, points, at, source, [name])
        who, points, at, _, payment, account = (np.concatenate(column) for column in zip(*parts, strict=True))
        source = np.concatenate(sources)
        order = np.argsort(at, kind="stable")
        who, points, at, payment, account, source = (c[order] for c in (who, points, at, payment, account, source))
        keys = [keys[place] for place in order.tolist()]
        count = len(who)
        if not count:
            return
        ids = t.ids("bonus_lot", count)
        granted_on = np.where(payment < 0, at // DAY, w.local_day(at, self.city[who]))
        days, place = np.unique(granted_on, return_inverse=True)
        until = np.array([day_number(expires_on(day_of(day), w.bonus)) for day in days.tolist()])[place]
        remaining = points.copy()
        # Who spent: the oldest lots first, as the rule says.
        spent: list[tuple[int, int, int, str, int, int]] = []
        lots_of: dict[int, list[int]] = {}
        spenders = {person for person, *_ in self.spendings}
        if spenders:
            for row in np.flatnonzero(np.isin(who, list(spenders))).tolist():
                lots_of.setdefault(int(who[row]), []).append(row)
        for person, moment, wanted, place_of in sorted(self.spendings, key=lambda spending: spending[1]):
            day = day_of((moment + int(self.offset_of(person))) // DAY)
            lots = [
                Lot(row, day_of(int(granted_on[row])), day_of(int(until[row])), int(remaining[row]))
                for row in lots_of[person]
                if at[row] < moment and remaining[row] > 0
            ]
            for use in spend(lots=lots, points=wanted, today=day):
                remaining[use.lot_id] -= use.points
                spent.append(
                    (
                        person,
                        use.lot_id,
                        -use.points,
                        f"spent:{day:%Y-%m}:{ids[use.lot_id]}",
                        moment,
                        int(self.account_ids[place_of]),
                    )
                )
        over = np.flatnonzero((until <= w.today) & (remaining > 0))
        gone = remaining[over].copy()
        remaining[over] = 0
        t.add("bonus_lot", ids, self.ids[who], _words(order_of)[source].tolist(), points, remaining, granted_on, until)

        s_who, s_lot, s_points, s_key, s_at, s_account = (
            (list(column) for column in zip(*spent, strict=True)) if spent else ([],) * 6
        )
        kinds = [BonusKind.EARNED.value] * count + [BonusKind.SPENT.value] * len(spent) + [BonusKind.EXPIRED.value] * len(over)
        all_at = np.concatenate([at, np.array(s_at, dtype=np.int64), until[over] * DAY + BILLING_SECOND])
        all_keys = [*keys, *s_key, *(f"expired:{lot}" for lot in ids[over].tolist())]
        order = np.argsort(all_at, kind="stable")
        places = order.tolist()
        total = len(order)
        none = np.full(len(over), -1)

        def in_order(*columns: Any) -> np.ndarray:
            return np.concatenate([np.array(column, dtype=np.int64) for column in columns])[order]

        t.add("bonus_entry", t.ids("bonus_entry", total), self.ids[in_order(who, s_who, who[over])],
              in_order(ids, ids[s_lot] if spent else [], ids[over]), [kinds[i] for i in places], in_order(points, s_points, -gone),
              [all_keys[i] for i in places], all_at[order], in_order(payment, [-1] * len(spent), none),
              in_order(account, s_account, none))  # fmt: skip

    def offset_of(self, person: int) -> int:
        """Seconds that a person's local time is ahead of UTC."""
        return int(self.w.offset[self.city[person]])

    def _write_visits(self) -> None:
        w, rng, n = self.w, self.rng, self.n
        count = w.last + 1
        begin = np.maximum(self.registered[:, None], (w.first[:count] * DAY)[None, :])
        finish = np.minimum(w.first[1 : count + 1] * DAY, w.end)[None, :]
        length = (np.diff(w.first[: count + 1]) * DAY)[None, :]
        share = np.clip((finish - begin) / length, 0, 1)
        season = np.array([SEASON[day.month - 1] for day in w.month_on])
        visits = rng.poisson(self.activity[:, None] * season[None, :] * share)
        person = np.repeat(np.repeat(np.arange(n), count), visits.ravel())
        month = np.repeat(np.tile(np.arange(count), n), visits.ravel())
        day = np.minimum(pick(rng, DAYS, len(person), DAYS), np.diff(w.first[: count + 1])[month] - 1)
        at = w.local(w.first[month] + day, self._evening(len(person)), self.city[person])
        kept = (
            (at > self.registered[person] + 60)
            & (at < w.end)
            & ~np.isin(person, [personas.ANALYST, personas.ADMINISTRATOR] if self.cast else [])
        )
        person, at = person[kept], at[kept]
        order = np.argsort(at, kind="stable")
        screens = _SCREEN[pick(rng, _SCREENS, len(order), _SCREEN_WEIGHTS)].tolist()
        self.tables.add("portal_visit", self.tables.ids("portal_visit", len(order)), self.ids[person[order]], screens, at[order])

    def _write_letters(self) -> None:
        """What people were told about their autopay lately."""
        w, p = self.w, self.people
        subjects = {"autopay.declined": "Автоплатёж не прошёл", "autopay.paused": "Автоплатёж приостановлен"}
        bodies = {
            "autopay.declined": "Банк отклонил автоплатёж. Мы попробуем ещё раз; вы можете заплатить сами или сменить карту.",
            "autopay.paused": "Автоплатёж не прошёл несколько раз, и мы его приостановили. Смените карту и включите его снова.",
        }
        recent = [letter for letter in self.letters if letter[1] > w.end - 60 * DAY]
        if not recent:
            return
        recent.sort(key=lambda letter: letter[1])
        people = [letter[0] for letter in recent]
        about = [letter[2] for letter in recent]
        read = [letter[1] + 7200 if letter[1] % 3 and letter[1] + 7200 < w.end else -1 for letter in recent]
        self.tables.add("message", self.tables.ids("message", len(recent)), ["email"] * len(recent), [p.email[i] for i in people], about,
                        [subjects[key] for key in about], [bodies[key] for key in about], np.full(len(recent), -1),
                        np.array([letter[1] for letter in recent]), np.array(read))  # fmt: skip
