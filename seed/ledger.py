"""Money of a chunk: transfers, charges that become lines of bills, payments with their parts."""

import numpy as np

from rules.terms import (
    DeclineReason,
    TransferCode,
)
from seed import personas
from seed.codes import (
    ACTIVE,
    AUTOPAY,
    BLOCKED,
    CARD,
    CASH,
    CASH_DESK,
    CHARGE_CODES,
    DECLINE,
    DECLINED,
    GATEWAY,
    LEDGER_OF,
    METHOD,
    OPTION_IDS,
    REVENUE,
    SAVED,
    STATE,
    SUCCEEDED,
)
from seed.load import Tables
from seed.people import pick
from seed.population import Population
from seed.world import DAY, World


class Ledger(Population):
    """The balances of a chunk and everything that moves them."""

    def __init__(
        self, world: World, tables: Tables, *, number: int, first_id: int, count: int, cast: personas.Cast | None = None
    ) -> None:
        super().__init__(world, tables, number=number, first_id=first_id, count=count, cast=cast)
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
        option_ids = none if option is None else OPTION_IDS[option]
        ids = self._post(account, amount, code, moments, keys, other=REVENUE, plan=plan_ids, option=option_ids)
        codes = np.full(len(account), CHARGE_CODES.index(code))
        last = np.full(len(account), self.w.first[month + 1] - 1)
        self.lines.append((account, ids, codes, plan_ids, option_ids, from_day, last, amount))

    def _month(self, month: int) -> str:
        return f"{self.w.month_on[month]:%Y-%m}"

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
        why = 1 + pick(rng, DeclineReason, payments, (0.62, 0.0, 0.24, 0.14, 0.0, 0.0, 0.0, 0.0))
        self._record(created, payer, total, method, card, np.where(dropped, DECLINED, SUCCEEDED), np.where(dropped, why, 0),
                     self._keys(payments), group, account, amount)  # fmt: skip
        again = np.flatnonzero(declined & ~dropped)
        if len(again):
            parts = np.flatnonzero(np.isin(group, again))
            mine = payer[group] == self.holder[account]
            since = np.zeros(payments, dtype=np.int64)  # nobody pays before all of it is attached
            np.maximum.at(since, group, np.where(mine, self.attached[account], self.relative_at[account]))
            self._record(
                np.maximum(created[again] - rng.integers(70, 700, len(again)), since[again]),
                payer[again],
                total[again],
                method[again],
                card[again],
                np.full(len(again), DECLINED),
                why[again],
                self._keys(len(again)),
                np.searchsorted(again, group[parts]),
                account[parts],
                amount[parts],
            )

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
        self.tables.add("payment", ids, payer_ids, total, METHOD[method].tolist(), STATE[state].tolist(), card, keys, created,
                        settled, DECLINE[why].tolist())  # fmt: skip
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
