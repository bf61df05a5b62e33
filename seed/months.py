"""A chunk lives through the history, month by month, all its accounts at once.

Money is decided by `rules`: numpy looks up what a rule answered for a price, a day, a sum. The order within a month:
the billing run on the 1st (bills of the month before, closings, blockings, the month's charges), new contracts,
options connected, autopay, payments by hand, points spent. Ledger rows carry the moments, not this order.
"""

from typing import Any

import numpy as np

from rules.autopay import amount_to_pay, next_retry_on, period_key
from rules.periods import clamp_day
from rules.terms import (
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    DeclineReason,
    TransferCode,
)
from seed import personas
from seed.catalogue import OPTIONS
from seed.codes import (
    ACTIVE,
    AFTER,
    AHEAD,
    AUTOPAY,
    BLOCKED,
    BONUS,
    CASH,
    CHARGE_CODES,
    CLOSED,
    DECLINE,
    DECLINED,
    DECLINES,
    GATEWAY,
    LATE,
    POSTPAID,
    PREPAID,
    PROVISIONING,
    SUCCEEDED,
    SUSPENDED,
    words_of,
)
from seed.ledger import Ledger
from seed.load import day_number
from seed.population import Rule
from seed.world import AUTOPAY_SECOND, BILLING_SECOND, DAY, SEASON


class Months(Ledger):
    """What happens in a month."""

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
                        words_of(CHARGE_CODES)[code[order]].tolist(), plan[order], option[order], from_day[order],
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
        gives_up = short & (now > 0) & (rng.random(len(rows)) < 0.06) & (account >= self.cast_count)
        self._refuse(rows[gives_up], 3)
        # What needed one that was refused just now goes with it.
        orphaned = ~gives_up & (self.o_needs[rows] >= 0) & ~self.o_alive[self.o_needs[rows]]
        self._refuse(rows[orphaned], 2)
        gives_up |= orphaned
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
        return self.o_done[rows] - np.maximum(PROVISIONING[self.o_option[rows]] * 60, 2)

    def _manual(self, month: int) -> None:
        """What people pay by hand this month, after their habits."""
        w, rng, count = self.w, self.rng, len(self.holder)
        first, length = w.first[month], w.first[month + 1] - w.first[month]
        known = self.opened < w.first[month + 1]
        # Whoever has left pays the last bill too.
        next_fee = np.where((self.status == ACTIVE) & (self.closed > w.first[month + 1]), w.plan_price[self.plan, month + 1], 0)
        coming = np.flatnonzero(
            self.o_alive & ~self.o_once & (self.o_start < w.first[month + 1]) & (self.o_end > w.first[month + 1])
        )
        np.add.at(next_fee, self.o_account[coming], w.option_price[self.o_option[coming], month + 1])
        next_fee[(self.status != ACTIVE)] = 0
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
            day = np.where(ahead, rng.integers(2, 7, count), day)
        day = np.where(np.arange(count) < self.cast_count, np.where(ahead & (month > 0), 20 + day % 7, 2 + day % 7), day)
        day = np.minimum(day, length)
        on = first + day - 1
        skips = rng.random(count) < np.where(self.mode == POSTPAID, 0.025, 0.035)
        skips[: self.cast_count] = False
        gone = on >= self.stops
        back = gone & (rng.random(count) < 0.07) & (np.arange(count) >= self.cast_count)
        relies = self.autopay & (self.in_debt < 1)
        pays = known & ~skips & (~gone | back) & ~relies & (need > 0) & (on > self.opened)
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
            if at >= rule.until:
                rule.state, rule.changed = AutopayState.DELETED, rule.until
                self.autopay[account] = False
                continue
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
                hard = DeclineReason(DECLINES[why]).is_hard
                if not hard:
                    self.letters.append((rule.customer, at + 5, "autopay.declined", draft.trigger.value, DECLINES[why] or ""))
                again_on = None if hard else next_retry_on(failed_on=on, attempt=attempt, terms=w.autopay)
                if again_on is None:
                    rule.state, rule.changed = AutopayState.PAUSED, at + 5
                    rule.pause_reason = "declined_hard" if hard else "declined"
                    self.autopay[account] = False
                    self.letters.append((rule.customer, at + 6, "autopay.paused", draft.trigger.value, ""))
                    break
                attempt += 1
                at = day_number(again_on) * DAY + AUTOPAY_SECOND + rule.rule_id * 11 % 900
                if at >= w.end:
                    break
        ids: list[int] = []
        if payments:
            moments, payers, sums, cards, states, reasons, keys, accounts = (
                list(column) for column in zip(*payments, strict=True)
            )
            order = np.arange(len(payments))
            ids = self._record(
                np.array(moments),
                np.array(payers),
                np.array(sums),
                np.full(len(order), AUTOPAY),
                np.array(cards),
                np.array(states),
                np.array(reasons),
                [str(key) for key in keys],
                order,
                np.array(accounts),
                np.array(sums),
            ).tolist()
        if runs:
            columns = [list(column) for column in zip(*runs, strict=True)]
            rule_ids, of_account, periods, attempts, due_on, ran_at, results, words, amounts, places, whys = columns
            self.tables.add(
                "autopay_run",
                self.tables.ids("autopay_run", len(runs)),
                rule_ids,
                self.account_ids[of_account].tolist(),
                periods,
                attempts,
                due_on,
                ran_at,
                [str(result) for result in results],
                words,
                amounts,
                [-1 if place < 0 else ids[place] for place in places],
                DECLINE[whys].tolist(),
            )

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
