"""Who there is in a chunk, before anything happens: people, contracts, attachments, cards, autopay rules, options.

Everything is drawn as columns for the whole chunk; the cast, when there is one, stands in the first places.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from rules.autopay import RuleDraft
from rules.terms import (
    AutopayAmount,
    AutopayState,
    AutopayTrigger,
    BillingMode,
    CardBrand,
    Right,
)
from seed import personas
from seed.catalogue import EXCLUDES, OPTIONS, PLAN_ID, PLANS
from seed.codes import (
    AHEAD,
    BY_SERVICE,
    INTERNET,
    LATER,
    MOBILE,
    NEEDED_BY,
    ON_TIME,
    ONCE,
    OPTION_PLACE,
    PHONE,
    PLANS_OF,
    POSTPAID,
    PREPAID,
    SERVICES,
    TV,
)
from seed.load import NEVER, Tables, day_number
from seed.people import draw, mobile_number, pick
from seed.world import DAY, HOURS, OPTION_SERVICE, World


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
    until: int = int(LATER)
    """When the person deletes it."""


class Population:
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
        before = rng.random(n) < 0.55
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
            plans = PLANS_OF[kind]
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
        debtors = rng.random(count) < 0.045
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
                day = 1 + int(31 * (a * 17 % 1))
                draft = RuleDraft(AutopayTrigger.MONTHLY, kind, day_of_month=day, amount_kopecks=round_up + 10_000 * int(2 * c))
            self._keep_rule(i, int(self.holder[i]), draft, created, switches=d < 0.8)
            if (a * 31) % 1 < 0.1:
                self.rules[-1].until = created + int((b * 17) % 1 * (w.end - created))

    def _keep_rule(self, account: int, customer: int, draft: RuleDraft, created: int, *, switches: bool) -> None:
        rule_id = int(self.tables.ids("autopay_rule", 1)[0])
        self.rules.append(Rule(rule_id, account, customer, draft, created, switches, changed=created))

    def _draw_options(self) -> None:
        w, rng, cast = self.w, self.rng, self.cast_count
        account, option, start, end = [], [], [], []
        codes = np.array([city.region for city in w.cities])
        for service in range(4):
            mine = np.flatnonzero(self.service == service)
            mine = mine[mine >= cast]
            kinds = BY_SERVICE[service]
            shape = (len(mine), len(kinds))
            take = rng.random(shape) < np.array([0.0 if ONCE[k] else OPTIONS[k].take_up for k in kinds])
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
                if OPTION_PLACE[one] in column:
                    take[:, column[OPTION_PLACE[other]]] &= ~take[:, column[OPTION_PLACE[one]]]
            for child, parent in NEEDED_BY.items():
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
        for kind in np.flatnonzero(ONCE):
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
                option.append(np.array([OPTION_PLACE[code]]))
                later = place == len(contract.options) - 1 and len(contract.options) > 1
                # The last one named was connected in the portal, in the sight of the demo; its needs were there before.
                start.append(np.array([max(w.today - 70 - 9 * i, w.start + 5) if later else int(self.opened[i])]))
                end.append(np.array([NEVER]))
        self.o_account, self.o_option = np.concatenate(account), np.concatenate(option)
        self.o_start = np.concatenate(start)
        self.o_end = np.minimum(np.concatenate(end), self.closed[self.o_account])
        self.o_end[self.o_end > w.first[-1]] = NEVER
        self.o_once = ONCE[self.o_option]
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
        for child, parent in NEEDED_BY.items():
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

    def offset_of(self, person: int) -> int:
        """Seconds that a person's local time is ahead of UTC."""
        return int(self.w.offset[self.city[person]])
