"""A chunk from beginning to end; what can only be written when its history is over."""

from datetime import date
from typing import NamedTuple

import numpy as np

from integrations.test_bank import Behaviour
from rules.bonus import Lot, expires_on, spend
from rules.numbers import account_number, format_account_number, mask_email, mask_phone
from rules.periods import clamp_day
from rules.terms import (
    AutopayState,
    BillingMode,
    BonusKind,
    BonusSource,
    ConsentKind,
    Language,
    LedgerKind,
    NoticeEvent,
    OrderKind,
    OrderState,
    Outcome,
    Right,
    Role,
)
from seed import personas
from seed.codes import (
    ACTIVE,
    BRAND,
    CLOSED,
    LATER,
    LEDGER_OF,
    MOBILE,
    OPTION_IDS,
    PHONE,
    PREPAID,
    PROVISIONING,
    SCREEN,
    SCREEN_WEIGHTS,
    SCREENS,
    SERVICES,
    STATUS,
    words_of,
)
from seed.load import NEVER, day_number, day_of
from seed.months import Months
from seed.people import city_number, mobile_number, pick, scrambled
from seed.world import BILLING_SECOND, DAY, DAYS, OPTION_SERVICE, SEASON
from texts import speaking, t

SOURCES = (BonusSource.PAYMENT, BonusSource.AUTOPAY, BonusSource.PROFILE, BonusSource.E_BILL, BonusSource.BIRTHDAY)


class SpentLot(NamedTuple):
    """Points taken from the lot in one place of the list of lots."""

    lot: int
    points: int
    moment: int
    key: str
    account_id: int


class Chunk(Months):
    """Live, then write people, accounts, orders, rules, points and traces."""

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
        registered = np.where(self.registered < LATER, self.registered, -1)
        t.add(
            "customer",
            self.ids,
            p.last,
            p.first,
            p.patronymic,
            p.birth_day,
            emails,
            phones,
            [regions[r] for r in p.region.tolist()],
            language,
            roles,
            *[registered] * 4,  # whoever has come in has shown their contacts and answered the questions
        )
        self._write_consents(roles)
        self._write_choices()

        total, holder = len(self.holder), self.holder.tolist()
        numbers = [
            account_number(
                100_000_000 + (i + 1) * 54_719_933 % 99_999_989
                if i < self.cast_count
                else 200_000_000 + scrambled(account, 699_999_953)
            )
            for i, account in enumerate(self.account_ids.tolist())
        ]
        self.numbers = numbers
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
              STATUS[self.status].tolist(), self.status_since, [regions[r] for r in self.city_of.tolist()],
              ["" if s == MOBILE else p.address[h] for s, h in zip(self.service.tolist(), holder, strict=True)],
              service_phones, [p.email[h] for h in holder], [p.phone[h] for h in holder], self.opened,
              np.where(self.status == CLOSED, self.closed, NEVER), np.full(total, w.first[w.last]))  # fmt: skip
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
              words_of(Right)[right].tolist(), labels, position, self._by_email(who, right), at, left)  # fmt: skip
        self._audit("attach_account", at, who, account)
        # Proof that was asked for: the codes of the last 90 days are kept, all used.
        recent = np.flatnonzero((at > w.end - 90 * DAY) & (at < w.end))
        mails = [mask_email(p.email[holder[a]]) if a % 2 else mask_phone(p.phone[holder[a]]) for a in account[recent].tolist()]
        hashes = [one + other for one, other in zip(self._keys(len(recent)), self._keys(len(recent)), strict=True)]
        t.add(
            "attach_code",
            t.ids("attach_code", len(recent)),
            self.ids[who[recent]],
            self.account_ids[account[recent]],
            hashes,
            mails,
            at[recent] - 95,
            at[recent] + 505,
            np.full(len(recent), 5),
            at[recent],
        )
        wrong = recent[rng.random(len(recent)) < 0.15]
        self._audit("attach_account", at[wrong] - 40, who[wrong], account[wrong], refused="code_wrong")

        person, slot = np.nonzero(self.card_ids >= 0)
        labels = [self.card_label[i][s] if self.card_label else "" for i, s in zip(person.tolist(), slot.tolist(), strict=True)]
        tokens = [f"tok_{key}" for key in self._keys(len(person))]
        brands = BRAND[self.card_brand[person, slot]].tolist()
        digits = [f"{d:04d}" for d in self.card_digits[person, slot].tolist()]
        t.add("saved_card", self.card_ids[person, slot], self.ids[person], tokens, brands, digits, self.card_until[person, slot],
              labels, (slot == 0).astype(np.int64), self.card_from[person, slot], np.full(len(person), -1))  # fmt: skip
        # The built-in bank knows them too, and charges them: they pay until they expire.
        t.add("test_bank_card", tokens, brands, digits, self.card_until[person, slot], [Behaviour.SUCCESS.value] * len(person))
        if self.cast:
            places = [i for i, actor in enumerate(self._actors()) if actor.key]
            t.add("demo_persona", [self._actors()[i].key for i in places], self.ids[places], np.arange(len(places)))

    def _by_email(self, who: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Whose bills go by e-mail: the cast's, as they have answered, and every third other's; to those who may pay."""
        asked = (who < len(self._actors())) | (self.ids[who] % 3 == 0)
        return (asked & (right >= list(Right).index(Right.PAY))).astype(np.int64)

    def _audit(self, action: str, at: np.ndarray, who: np.ndarray, account: np.ndarray, refused: str = "") -> None:
        """Attempts in the portal. Addresses are of a range that is kept for documentation."""
        count = len(at)
        self.tables.add(
            "audit_entry",
            self.tables.ids("audit_entry", count),
            at,
            np.where(who >= 0, self.ids[who], -1),
            self.account_ids[account],
            [action] * count,
            [(Outcome.REFUSED if refused else Outcome.DONE).value] * count,
            [refused] * count,
            [f"203.0.113.{1 + person * 7 % 250}" for person in who.tolist()],
        )

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
        t.add(
            "product_order",
            ids,
            self.account_ids[account],
            OPTION_IDS[option],
            by_ids,
            [kind.value] * count,
            [state.value] * count,
            keys,
            now,
            monthly,
            on,
            placed,
            due,
            closed,
            [reason] * count,
        )
        steps = [(OrderState.ACCEPTED, placed, by_ids)]
        if state is OrderState.IN_PROGRESS:
            steps.append((OrderState.IN_PROGRESS, np.minimum(placed + 60, due), nobody))
        elif state is OrderState.DONE:
            steps += [(OrderState.IN_PROGRESS, (closed - 1), nobody), (OrderState.DONE, closed, nobody)]
        elif state is OrderState.CANCELLED:
            steps.append((OrderState.CANCELLED, closed, by_ids))
        elif state is OrderState.REFUSED:
            steps += [(OrderState.IN_PROGRESS, closed, nobody), (OrderState.REFUSED, closed, nobody)]
        for reached, at, who in steps:
            t.add("order_event", t.ids("order_event", count), ids, [reached.value] * count, at, who)
        online = by >= 0
        self._audit("place_order", placed[online], by[online], account[online], refused=reason)
        if state is OrderState.CANCELLED:
            self._audit("cancel_order", closed[online], by[online], account[online])

    def _write_consents(self, roles: list[str]) -> None:
        """What the cast said to the questions of their first sign-in; of the others only that they answered."""
        asked = [
            (place, kind, given)
            for place in range(len(self._actors()))
            if roles[place] == Role.CUSTOMER.value and self.registered[place] < LATER
            for kind, given in (
                (ConsentKind.E_STATEMENTS, 1),
                (ConsentKind.E_BILL, 1),
                (ConsentKind.OFFERS, int(place % 3 != 1)),
                (ConsentKind.USAGE_ADVICE, int(place % 2 == 0)),
            )
        ]
        with speaking(Language.RU):
            said = {kind: f"{t(f'consent.{kind.value}.question')} {t(f'consent.{kind.value}.means')}" for kind in ConsentKind}
        self.tables.add(
            "consent",
            self.tables.ids("consent", len(asked)),
            [int(self.ids[place]) for place, _, _ in asked],
            [kind.value for _, kind, _ in asked],
            [given for _, _, given in asked],
            [said[kind] for _, kind, _ in asked],
            [Language.RU.value] * len(asked),
            [int(self.registered[place]) for place, _, _ in asked],
        )

    def _write_choices(self) -> None:
        """Some of the cast want to hear of autopay beforehand by e-mail, too."""
        asked = [place for place, actor in enumerate(self._actors()) if actor.key in ("family", "vip")]
        self.tables.add(
            "notice_choice",
            [int(self.ids[place]) for place in asked],
            [NoticeEvent.AUTOPAY_AHEAD.value] * len(asked),
            [1] * len(asked),
            [1] * len(asked),
            [int(self.registered[place]) for place in asked],
        )

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
        due = np.where(paid, w.local(end, np.zeros(len(rows), dtype=np.int64), self.city_of[account]), placed + 2)
        in_time = (placed < w.end - 60) & (end >= w.start)
        never = rows[~in_time & (placed >= w.end - 60)]
        self.o_end[never] = NEVER
        by = np.where(self.attached[account] <= placed, self.holder[account], -1)
        closed = np.where(paid, due + self.account_ids[account] * 7 % 540, placed + 2)
        for state, at_state in (
            (OrderState.DONE, in_time & (end <= w.today)),
            (OrderState.ACCEPTED, in_time & (end > w.today)),
        ):
            which = np.flatnonzero(at_state)
            these = rows[which]
            if len(these):
                self._orders(
                    ids=t.ids("product_order", len(these)),
                    account=account[which],
                    option=self.o_option[these],
                    by=by[which],
                    kind=OrderKind.DISCONNECT,
                    state=state,
                    keys=self._keys(len(these)),
                    now=np.zeros(len(these), dtype=np.int64),
                    monthly=np.zeros(len(these), dtype=np.int64),
                    on=end[which],
                    placed=placed[which],
                    due=due[which],
                    closed=closed[which] if state is OrderState.DONE else np.full(len(these), -1),
                    reason="",
                )
        ended = np.where(self.o_end <= w.today, self.o_end, NEVER)
        kept = np.flatnonzero(self.o_alive)
        self._write_pending()
        t.add(
            "subscription",
            t.ids("subscription", len(kept)),
            self.account_ids[self.o_account[kept]],
            np.full(len(kept), -1),
            OPTION_IDS[self.o_option[kept]],
            self.o_start[kept],
            np.where(self.o_once[kept], self.o_end[kept], NEVER),
            ended[kept],
        )

    def _write_pending(self) -> None:
        """Orders for options that take time: a few still on their way, and a few taken back on theirs."""
        w, rng, t = self.w, self.rng, self.tables
        for kind in np.flatnonzero(PROVISIONING > 0).tolist():
            minutes = int(PROVISIONING[kind])
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
            if rule.state is AutopayState.ACTIVE and rule.until < self.w.end:
                rule.state, rule.changed = AutopayState.DELETED, rule.until
            if rule.state is AutopayState.ACTIVE and self.status[rule.account] == CLOSED:
                rule.state, rule.changed = AutopayState.DELETED, int(self.closed[rule.account]) * DAY + BILLING_SECOND
            rows.append(
                (
                    rule.rule_id,
                    int(self.ids[rule.customer]),
                    int(self.account_ids[rule.account]),
                    int(self.card_ids[rule.customer, 1 if rule.second_card else 0]),
                    draft.trigger.value,
                    draft.threshold_kopecks,
                    draft.day_of_month,
                    draft.amount_kind.value,
                    draft.amount_kopecks,
                    draft.monthly_ceiling_kopecks,
                    rule.state.value,
                    rule.pause_reason,
                    rule.created,
                    rule.created,
                    rule.changed,
                )
            )
        if rows:
            self.tables.add("autopay_rule", *(list(column) for column in zip(*rows, strict=True)))
            created = np.array([rule.created for rule in self.rules])
            self._audit("save_autopay_rule", created, np.array([rule.customer for rule in self.rules]),
                        np.array([rule.account for rule in self.rules]))  # fmt: skip

    def _write_bonus(self) -> None:
        """Lots and what became of them: granted, spent oldest first, expired."""
        w, t = self.w, self.tables
        who, points, at, payment, account, source, keys = self._granted()
        count = len(who)
        if not count:
            return
        ids = t.ids("bonus_lot", count)
        granted_on = np.where(payment < 0, at // DAY, w.local_day(at, self.city[who]))
        days, place = np.unique(granted_on, return_inverse=True)
        until = np.array([day_number(expires_on(day_of(day), w.bonus)) for day in days.tolist()])[place]
        left = points.copy()
        spent = self._spend_lots(ids=ids, who=who, at=at, granted_on=granted_on, until=until, left=left)
        over = np.flatnonzero((until <= w.today) & (left > 0))
        gone = left[over].copy()
        left[over] = 0
        t.add("bonus_lot", ids, self.ids[who], words_of(SOURCES)[source].tolist(), points, left, granted_on, until)

        # All movements, in the order in which they happened.
        lot = np.concatenate([np.arange(count), np.array([use.lot for use in spent], dtype=np.int64), over])
        moved = np.concatenate([points, np.array([-use.points for use in spent], dtype=np.int64), -gone])
        moments = np.concatenate(
            [at, np.array([use.moment for use in spent], dtype=np.int64), until[over] * DAY + BILLING_SECOND]
        )
        for_account = np.concatenate(
            [account, np.array([use.account_id for use in spent], dtype=np.int64), np.full(len(over), -1)]
        )
        by_payment = np.concatenate([payment, np.full(len(spent) + len(over), -1)])
        kinds = [BonusKind.EARNED.value] * count + [BonusKind.SPENT.value] * len(spent) + [BonusKind.EXPIRED.value] * len(over)
        names = [*keys, *(use.key for use in spent), *(f"expired:{number}" for number in ids[over].tolist())]
        order = np.argsort(moments, kind="stable")
        in_order = order.tolist()
        t.add(
            "bonus_entry",
            t.ids("bonus_entry", len(order)),
            self.ids[who[lot[order]]],
            ids[lot[order]],
            [kinds[row] for row in in_order],
            moved[order],
            [names[row] for row in in_order],
            moments[order],
            by_payment[order],
            for_account[order],
        )

    def _granted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
        """Everything granted, oldest first: person, points, moment, payment, billing account, place in SOURCES; keys."""
        w, rng, acting = self.w, self.rng, len(self._actors())
        parts: list[tuple[np.ndarray, ...]] = []
        keys: list[str] = []
        for payer, points, at, by_autopay, payment, account in self.paid:
            parts.append((payer, points, at, payment, account, by_autopay))
            keys += [f"payment:{number}" for number in payment.tolist()]

        def grant(who: np.ndarray, points: int, at: np.ndarray, source: BonusSource, name: str) -> None:
            none = np.full(len(who), -1)
            parts.append((who, np.full(len(who), points), at, none, none, np.full(len(who), SOURCES.index(source))))
            keys.extend([name] * len(who))

        here = np.flatnonzero((self.registered < LATER) & (self.registered >= w.start * DAY))
        here = here[here >= acting]
        filled = here[rng.random(len(here)) < 0.55]
        at = self.registered[filled] + 700
        grant(filled[at < w.end], w.bonus.profile_points, at[at < w.end], BonusSource.PROFILE, "profile")
        paperless = here[rng.random(len(here)) < 0.35]
        at = self.registered[paperless] + rng.integers(1, 30, len(paperless)) * DAY
        grant(paperless[at < w.end], w.bonus.e_bill_points, at[at < w.end], BonusSource.E_BILL, "e_bill")
        greeted = np.flatnonzero((self.registered < LATER) & (rng.random(self.n) < 0.5))
        greeted = greeted[greeted >= acting]
        birthdays = [day_of(day) for day in self.people.birth_day[greeted].tolist()]
        for year in range(w.month_on[0].year, w.as_of.year + 1):
            days = [day_number(clamp_day(date(year, day.month, 1), day.day)) for day in birthdays]
            at = np.array(days, dtype=np.int64) * DAY + 7 * 3600
            now = (at >= w.start * DAY) & (at < w.end) & (at > self.registered[greeted])
            grant(greeted[now], w.bonus.birthday_points, at[now], BonusSource.BIRTHDAY, f"birthday:{year}")
        if self.cast:
            day = personas.points_granted_on(w.as_of)
            at = np.array([day_number(day) * DAY + BILLING_SECOND])
            one = np.array([personas.FAMILY])
            grant(one, w.bonus.profile_points, at, BonusSource.PROFILE, "profile")
            grant(one, w.bonus.e_bill_points, at, BonusSource.E_BILL, "e_bill")
            grant(one, w.bonus.birthday_points, at, BonusSource.BIRTHDAY, f"birthday:{day.year}")
        who, points, at, payment, account, source = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(at, kind="stable")
        names = [keys[row] for row in order.tolist()]
        return who[order], points[order], at[order], payment[order], account[order], source[order], names

    def _spend_lots(
        self,
        *,
        ids: np.ndarray,
        who: np.ndarray,
        at: np.ndarray,
        granted_on: np.ndarray,
        until: np.ndarray,
        left: np.ndarray,
    ) -> list[SpentLot]:
        """Which lots the spendings of the history took from, by the rule; `left` is lowered."""
        spenders = {person for person, *_ in self.spendings}
        if not spenders:
            return []
        lots_of: dict[int, list[int]] = {}
        for row in np.flatnonzero(np.isin(who, list(spenders))).tolist():
            lots_of.setdefault(int(who[row]), []).append(row)
        spent = []
        for person, moment, wanted, account in sorted(self.spendings, key=lambda spending: spending[1]):
            day = day_of((moment + self.offset_of(person)) // DAY)
            lots = [
                Lot(row, day_of(int(granted_on[row])), day_of(int(until[row])), int(left[row]))
                for row in lots_of[person]
                if at[row] < moment and left[row] > 0
            ]
            for use in spend(lots=lots, points=wanted, today=day):
                left[use.lot_id] -= use.points
                key = f"spent:{day:%Y-%m}:{ids[use.lot_id]}"
                spent.append(SpentLot(use.lot_id, use.points, moment, key, int(self.account_ids[account])))
        return spent

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
        screens = SCREEN[pick(rng, SCREENS, len(order), SCREEN_WEIGHTS)].tolist()
        self.tables.add("portal_visit", self.tables.ids("portal_visit", len(order)), self.ids[person[order]], screens, at[order])

    def _contract_letters(self, subjects: dict[str, str], bodies: dict[str, str]) -> list[tuple[int, int, str, str, str]]:
        """The newcomer has a contract that is not attached yet; its number is in a letter, as in life."""
        person = personas.KEYS.index("newcomer")
        place = self.holder.tolist().index(person)
        number = format_account_number(self.numbers[place])
        subjects["contract.opened"] = "Ваш договор на связь"
        bodies["contract.opened"] = (
            f"Договор подписан, номер вашего лицевого счёта: {number}.\n"
            "Подключите его в личном кабинете в разделе «Счета»: код подтверждения придёт на эту почту."
        )
        return [(person, self.w.end - 2 * DAY + 12 * 3600, "contract.opened", "", "")]

    def _write_letters(self) -> None:
        """What people were told about their autopay lately."""
        w, p = self.w, self.people
        subjects = {"autopay.declined": "Автоплатёж не прошёл", "autopay.paused": "Автоплатёж приостановлен"}
        bodies = {
            "autopay.declined": "Банк отклонил автоплатёж. Мы попробуем ещё раз; вы можете заплатить сами или сменить карту.",
            "autopay.paused": "Банк отклонил автоплатёж, и мы его приостановили. Смените карту и включите его снова.",
        }
        recent = [letter for letter in self.letters if letter[1] > w.end - 60 * DAY]
        if self.cast:
            recent += self._contract_letters(subjects, bodies)
        if not recent:
            return
        recent.sort(key=lambda letter: letter[1])
        people = [letter[0] for letter in recent]
        about = [letter[2] for letter in recent]
        read = [letter[1] + 7200 if letter[1] % 3 and letter[1] + 7200 < w.end else -1 for letter in recent]
        self.tables.add(
            "message",
            self.tables.ids("message", len(recent)),
            ["email"] * len(recent),
            [p.email[i] for i in people],
            about,
            [subjects[key] for key in about],
            [bodies[key] for key in about],
            np.full(len(recent), -1),
            np.array([letter[1] for letter in recent]),
            np.array(read),
        )
