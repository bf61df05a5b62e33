"""A bank at the edge of the simulated world: it charges once per key; its line breaks, answers get lost, it closes for days."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from integrations.gateway import CardCheck, Charge, GatewayRefused, KeptCard, NoAnswer, RefundStanding, Standing
from rules.terms import CardBrand, DeclineReason, GatewayName, PaymentState
from tests.simulation.fate import Fate

SOFT = (DeclineReason.INSUFFICIENT_FUNDS, DeclineReason.LIMIT_EXCEEDED, DeclineReason.BANK_REFUSED)
PAGE_OPEN = timedelta(hours=1)
"""Who has not typed a card by then will not."""
THINKS = timedelta(minutes=20)
DECLINES = {"good": 0.01, "poor": 0.55, "empty": 1.0, "stolen": 1.0}
"""What a card is, and the share of charges that its bank declines."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What may happen to one call, as shares: it does not arrive; it is carried out and its answer is lost; the bank thinks."""

    unreachable: float = 0.0
    lost: float = 0.0
    slow: float = 0.0


WELL = Weather(0.002, 0.004, 0.004)
ROUGH = Weather(0.15, 0.25, 0.1)
CLOSED = Weather(1.0)


@dataclass(slots=True)
class Line:
    """One charge in the bank's books."""

    charge: Charge
    ref: str
    began_at: datetime
    state: PaymentState = PaymentState.PENDING
    reason: DeclineReason | None = None
    decides_at: datetime | None = None


@dataclass
class Bank:
    """The double. `now` is moved by whoever simulates; everything random comes from `rng`."""

    rng: Random
    fate: Fate
    now: datetime
    weather: Weather = WELL
    name: GatewayName = GatewayName.TEST_BANK
    lines: dict[str, Line] = field(default_factory=dict)
    by_ref: dict[str, Line] = field(default_factory=dict)
    back: dict[str, tuple[str, int]] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    """Token → what the card is; unknown ones are good."""
    expiry: dict[str, date] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def _arrives(self) -> None:
        if self.rng.random() < self.weather.unreachable:
            self.seen["calls that did not arrive"] += 1
            raise NoAnswer("the line is down")

    def _answers(self) -> None:
        if self.rng.random() < self.weather.lost:
            self.seen["answers lost"] += 1
            raise NoAnswer("no answer in time")

    # --- charging -----------------------------------------------------------------------------------
    def charge(self, charge: Charge) -> Standing:
        self.fate.step("before a charge", bank=True)
        with self._lock:
            self._arrives()
            line = self.lines.get(charge.key)
            if line is None:
                line = Line(charge, f"{len(self.lines) + 1:08d}", self.now)
                self.lines[charge.key] = self.by_ref[line.ref] = line
                if charge.token is not None and self.rng.random() < self.weather.slow:
                    line.decides_at = self.now + THINKS
                elif charge.token is not None:
                    self._decide(line)
            elif line.charge != charge:
                raise GatewayRefused("the key came with something else")
        self.fate.step("after a charge", bank=True)
        with self._lock:
            self._answers()
            return self._standing(line)

    def _decide(self, line: Line) -> None:
        token = line.charge.token or ""
        kind, last_day = self.cards.get(token, "good"), self.expiry.get(token)
        if last_day is not None and last_day < self.now.date():
            reason: DeclineReason | None = DeclineReason.CARD_EXPIRED
        elif self.rng.random() >= DECLINES[kind]:
            reason = None
        else:
            reason = DeclineReason.CARD_BLOCKED if kind == "stolen" else self.rng.choice(SOFT)
        self._over(line, reason)

    def _over(self, line: Line, reason: DeclineReason | None) -> None:
        line.state = PaymentState.SUCCEEDED if reason is None else PaymentState.DECLINED
        line.reason, line.decides_at = reason, None
        self.seen["charges" if reason is None else "declines"] += 1

    def typed(self, key: str, *, good: bool) -> None:
        """The payer types a card on the bank's page."""
        line = self.lines.get(key)
        if line is not None and line.state is PaymentState.PENDING:
            self._over(line, None if good else DeclineReason.NOT_CONFIRMED)

    def _standing(self, line: Line) -> Standing:
        if line.state is PaymentState.PENDING:
            if line.decides_at is not None and line.decides_at <= self.now:
                self._decide(line)
            elif line.charge.token is None and line.began_at + PAGE_OPEN <= self.now:
                self._over(line, DeclineReason.NOT_FINISHED)
        page = f"/bank/{line.ref}" if line.state is PaymentState.PENDING and line.charge.token is None else None
        kept = None
        if line.charge.keep_card and line.state is PaymentState.SUCCEEDED:
            kept = KeptCard(f"kept-{line.ref}", CardBrand.MIR, line.ref[-4:], date(2099, 1, 31))
        return Standing(line.ref, line.charge.key, line.state, line.charge.amount_kopecks, page, line.reason, kept)

    def ask(self, ref: str) -> Standing:
        self.fate.step("before asking", bank=True)
        with self._lock:
            self._arrives()
            line = self.by_ref.get(ref)
            if line is None:
                raise GatewayRefused("unknown")
            standing = self._standing(line)
            self._answers()
            return standing

    def find(self, key: str, *, since: datetime) -> Standing | None:  # noqa: ARG002
        self.fate.step("before asking", bank=True)
        with self._lock:
            self._arrives()
            line = self.lines.get(key)
            standing = None if line is None else self._standing(line)
            self._answers()
            return standing

    # --- giving back --------------------------------------------------------------------------------
    def refund(self, *, key: str, ref: str, amount_kopecks: int, reason: str) -> RefundStanding:  # noqa: ARG002
        with self._lock:
            self._arrives()
            if key not in self.back:
                given = sum(kopecks for of, kopecks in self.back.values() if of == ref)
                if given + amount_kopecks > self.by_ref[ref].charge.amount_kopecks:
                    raise GatewayRefused("more than is left")
                self.back[key] = (ref, amount_kopecks)
            self._answers()
            return self._given(key)

    def ask_refund(self, ref: str) -> RefundStanding:
        with self._lock:
            self._arrives()
            return self._given(ref.removeprefix("r-"))

    def find_refund(self, key: str, *, payment_ref: str) -> RefundStanding | None:  # noqa: ARG002
        with self._lock:
            self._arrives()
            return self._given(key) if key in self.back else None

    def _given(self, key: str) -> RefundStanding:
        return RefundStanding(f"r-{key}", key, PaymentState.SUCCEEDED, self.back[key][1])

    # --- checks of cards: nobody begins one in the simulation ---------------------------------------
    def check_card(self, check: CardCheck) -> Standing:  # noqa: ARG002
        raise NoAnswer("not simulated")

    def ask_check(self, ref: str) -> Standing:  # noqa: ARG002
        raise NoAnswer("not simulated")
