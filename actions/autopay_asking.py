"""Asking the gateway about many payments at once, outside any transaction; answers come in pieces to be settled together."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, Queue

from actions.payments import ask
from actions.settlement import Answer
from rules.terms import GatewayName, Language

AT_ONCE = 16
"""How many charges are asked for at the same time."""
PIECE = 200
"""How many answers are settled in one transaction: on SQLite others wait for it meanwhile."""
WAITS_SECONDS = 1.0
"""How long an answer waits for others to be settled with."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A payment that waits for its answer, with what the gateway is told."""

    id: int
    amount_kopecks: int
    created_at: datetime
    gateway: GatewayName | None
    gateway_key: str | None
    gateway_ref: str | None
    keeps_card: bool
    return_url: str
    token: str
    language: Language


def answers(waiting: Iterable[Pending], *, enough: Callable[[], bool] = lambda: False) -> Generator[list[Answer]]:
    """What the gateway says of each, in pieces as it comes: a slow answer holds up no other. When it is `enough`, the rest is not
    asked for.

    No more than a piece is asked ahead of what is settled: when settling fails, no more money is taken.
    """
    left, said = deque(waiting), Queue[Answer | None](PIECE)

    def ask_on() -> None:
        try:
            while not enough():
                try:
                    payment = left.popleft()
                except IndexError:
                    return  # that was the last one
                said.put(ask(payment, token=payment.token, language=payment.language))
        finally:
            said.put(None)

    if not left:
        return
    threads = min(AT_ONCE, len(left))
    with ThreadPoolExecutor(threads, thread_name_prefix="autopay") as pool:
        asking = [pool.submit(ask_on) for _ in range(threads)]
        try:
            yield from _pieces(said, threads)
        finally:
            left.clear()
            while not all(each.done() for each in asking):
                with suppress(Empty):
                    said.get(timeout=0.1)
    for each in asking:
        each.result()


def _pieces(said: "Queue[Answer | None]", threads: int) -> Generator[list[Answer]]:
    """Pieces of what comes, until each thread has said that it is done: when one is full, or its first answer waits long."""
    piece: list[Answer] = []
    began = time.monotonic()
    while threads:
        answer = None
        try:
            answer = said.get(timeout=WAITS_SECONDS)
            threads -= answer is None
        except Empty:
            pass
        if answer is not None:
            began = time.monotonic() if not piece else began
            piece.append(answer)
        if piece and (len(piece) >= PIECE or not threads or time.monotonic() - began >= WAITS_SECONDS):
            yield piece
            piece = []
