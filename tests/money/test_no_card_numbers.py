"""A card number and its code stay on the bank's page: they reach no table and no log; what stands for a card reaches no log."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.testclient import TestClient
from stdnum import luhn

import clock
from actions import perform
from actions.cards import SetupProgress, begin_card_setup, setup_progress
from actions.payments import begin_payment, progress
from actions.settlement import Progress
from db import reading, transaction
from integrations.test_bank import CARDS, CODE, Behaviour
from models import BankCard, SavedCard
from routes.test_bank import BANK_ROUTES
from rules.terms import DeclineReason, PaymentState
from settings import settings
from tests.money.world import World

CVC, TOO_LONG_A_CVC = "837", "60913"
UNKNOWN = "4111111111111111"
"""A number the bank does not take: what a person may type by mistake, their own."""
SECRET = "test_ThisOpensTheGateway"
_DIGITS = re.compile(r"(?<![\w-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-])")
"""Not within letters: keys and references are hex and base64, with a row of digits in them by chance."""


def card_number(behaviour: Behaviour = Behaviour.SUCCESS) -> str:
    return next(card.number for card in CARDS if card.behaviour is behaviour)


def numbers_in(text: str) -> list[str]:
    """What could be a card number: 13 to 19 digits, in groups or not, that pass Luhn's check."""
    return [found for found in _DIGITS.findall(text) if luhn.is_valid(re.sub(r"[ -]", "", found))]


def typed_in(text: str, typed: set[str]) -> list[str]:
    """Which of the typed numbers stand there however they are grouped, and which codes as a word of their own."""
    joined = re.sub(r"(?<=[0-9])[ -](?=[0-9])", "", text)
    return [one for one in typed if re.search(rf"(?<![\w.-]){one}(?![\w.-])", joined) or (len(one) > 5 and one in joined)]


def test_the_scan_finds_what_it_looks_for():
    for shown in ("4242424242424242", "paid by 4242 4242 4242 4242.", "4242-4242-4242-4242"):
        assert numbers_in(shown)
        assert typed_in(shown, {"4242424242424242", CVC}) == ["4242424242424242"]
    assert typed_in(f"cvc={CVC}&", {CVC}) == [CVC]
    assert numbers_in("4242424242424243") == []
    assert typed_in("0.8370 18370", {CVC}) == []
    assert typed_in(f"Rk{CVC}q-{CVC}_x", {CVC}) == [], "three digits within a random reference are nobody's code"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Everything that any logger says from DEBUG up, each with its name before it."""
    file = tmp_path / "everything.log"
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in list(root.manager.loggerDict))]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    root.addHandler(handler)
    yield file
    root.removeHandler(handler)
    handler.close()
    for logger, level, propagates in before:
        logger.setLevel(level)
        logger.propagate = propagates


class AtTheBank:
    """A person with a contract, and what they type on the bank's page."""

    def __init__(self) -> None:
        with transaction() as db:
            world = World(db)
            person = world.person()
            person.email, person.email_confirmed_at = "payer@kabinet.example", clock.now()
            self.visitor, self.account_id = world.visitor(person), world.account(person).id
        self.browser = TestClient(Starlette(routes=BANK_ROUTES), follow_redirects=False)
        self.typed: set[str] = set()
        self._sum = 10_000

    def begins(self, **given: object) -> tuple[int, Progress]:
        self._sum += 1
        payment_id = perform(
            begin_payment,
            visitor=self.visitor,
            parts={self.account_id: self._sum},
            key=str(self._sum),
            return_url="/back/payment/{payment}",
            **given,
        ).payment_id
        return payment_id, progress(visitor=self.visitor, payment_id=payment_id)

    def types(self, page_url: str | None, number: str, *, expiry: str = "09/40", cvc: str = CVC) -> tuple[int, str]:
        """Status of the answer and where it leads; no page of it repeats what was typed."""
        assert page_url is not None
        assert self.browser.get(page_url).status_code == 200
        self.typed |= {number, cvc}
        grouped = " ".join(re.findall("....", number))
        answer = self.browser.post(page_url, data={"number": grouped, "expiry": expiry, "cvc": cvc})
        assert f'value="{grouped}' not in answer.text
        assert f'value="{cvc}' not in answer.text
        return answer.status_code, answer.headers.get("location", "")

    def stands(self, payment_id: int) -> Progress:
        return progress(visitor=self.visitor, payment_id=payment_id)


def test_what_is_typed_at_the_bank_is_in_no_table_and_no_log_and_tokens_are_in_no_log(
    db: sa.Engine, log: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("YOOKASSA_SECRET_KEY", SECRET)
    settings.cache_clear()
    payer = AtTheBank()

    paid, first = payer.begins(keep_card=True)
    assert payer.types(first.page_url, UNKNOWN)[0] == 422
    assert payer.types(first.page_url, card_number(), cvc=TOO_LONG_A_CVC)[0] == 422
    assert payer.types(first.page_url, card_number(), expiry=UNKNOWN)[0] == 422, "in the wrong field"
    assert payer.types(first.page_url, card_number()) == (303, f"/back/payment/{paid}")
    assert payer.stands(paid).state is PaymentState.SUCCEEDED

    confirmed, second = payer.begins(keep_card=True)
    status, code_page = payer.types(second.page_url, card_number(Behaviour.THREE_D_SECURE))
    assert (status, code_page) == (303, f"{second.page_url}/confirm")
    assert payer.browser.post(code_page, data={"code": CODE}).status_code == 303
    assert payer.stands(confirmed).state is PaymentState.SUCCEEDED

    declined, third = payer.begins()
    assert payer.types(third.page_url, card_number(Behaviour.BANK_REFUSED))[0] == 303
    assert payer.stands(declined).reason is DeclineReason.BANK_REFUSED

    lost, fourth = payer.begins()
    payer.types(fourth.page_url, card_number(Behaviour.LOST))
    assert payer.stands(lost).known is False

    setup_id = perform(begin_card_setup, visitor=payer.visitor, key="attach", return_url="/back/card/{setup}")
    before: SetupProgress = setup_progress(visitor=payer.visitor, setup_id=setup_id)
    assert payer.types(before.page_url, card_number(Behaviour.INSUFFICIENT_FUNDS))[0] == 303
    assert setup_progress(visitor=payer.visitor, setup_id=setup_id).state is PaymentState.SUCCEEDED

    with reading() as session:
        cards = session.exec(select(SavedCard).order_by(col(SavedCard.id))).all()
        tokens = {card.token for card in cards} | set(session.exec(select(BankCard.token)))
    by_token, at_once = payer.begins(card_id=cards[0].id)
    assert at_once.state is PaymentState.SUCCEEDED
    assert (len(cards), len(payer.typed)) == (3, 8)

    # Every column of every table.
    schema = sa.MetaData()
    schema.reflect(db)
    left = []
    with reading() as session:
        for table in schema.sorted_tables:
            for row in session.execute(sa.text(f'SELECT * FROM "{table.name}"')).mappings():
                for column, value in row.items():
                    said = str(value)
                    if not isinstance(value, int):  # ids and sums are counted, nobody types them
                        left += [(table.name, column, one) for one in typed_in(said, payer.typed)]
                    left += [(table.name, column, one) for one in numbers_in(said)]
    assert left == []

    # The log: no number even in the SQL it shows; a token is in the SQL of a debug log, and nowhere else.
    everything = log.read_text(encoding="utf-8")
    assert "sqlalchemy.engine.Engine: INSERT INTO saved_card" in everything, "the log is not empty"
    assert "kabinet.payments: payment" in everything, "nor are we missing in it"
    assert numbers_in(everything) == []
    assert typed_in(everything, payer.typed) == []
    ours = re.sub(r"(?ms)^sqlalchemy\.\S+: .*?(?=^[\w.]+: |\Z)", "", everything)
    assert "kabinet.payments: payment" in ours
    assert [secret for secret in (*tokens, SECRET) if secret in ours] == []
    assert SECRET not in everything
    assert len(tokens) == 3
    assert by_token
