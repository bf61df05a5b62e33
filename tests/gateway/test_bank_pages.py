"""The test bank's page: what a payer sees and what becomes of what they type."""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

import clock
from integrations.gateway import Standing
from integrations.test_bank import CARDS, CODE, SILENT, WAITS, Behaviour, TestBank
from models.base import Table
from routes.addresses import OneLevel
from routes.hardening import Hardening
from routes.test_bank import BANK_ROUTES
from rules.terms import DeclineReason, GatewayName, PaymentState
from settings import operator, settings
from tests.gateway.contract import BACK, SUM, check, wish

NUMBER = {card.behaviour: card.number for card in reversed(CARDS)}
CVC = "739"
PAGE = {"Accept": "text/html,application/xhtml+xml", "Origin": "http://testserver"}


@pytest.fixture
def bank(db: sa.Engine) -> TestBank:
    return TestBank()


@pytest.fixture
def client(db: sa.Engine) -> Iterator[TestClient]:
    app = Starlette(routes=BANK_ROUTES, middleware=[Middleware(Hardening, title="Кабинет", description=""), Middleware(OneLevel)])
    with TestClient(app, follow_redirects=False, headers=PAGE) as made:
        yield made


@pytest.fixture
def begun(bank: TestBank) -> Standing:
    return bank.charge(wish())


def soon() -> str:
    """An expiry date that is good for a year."""
    ahead = clock.today() + timedelta(days=366)
    return f"{ahead.month:02d}/{ahead.year % 100:02d}"


def typed(behaviour: Behaviour = Behaviour.SUCCESS, **other: str) -> dict[str, str]:
    return {"number": NUMBER[behaviour], "expiry": soon(), "cvc": CVC, **other}


def shown(page: str) -> str:
    """What is read on a page, with ordinary spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)).strip()


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    moment: datetime = clock.now() + by
    monkeypatch.setattr(clock, "now", lambda: moment)


# --- the way through --------------------------------------------------------------------------------------
def test_a_payer_sees_whom_they_pay_for_what_and_how_much(client: TestClient, begun: Standing):
    answer = client.get(f"/bank/{begun.ref}")
    assert answer.status_code == 200
    seen = shown(answer.text)
    for wanted in (
        operator().name_ru,
        "Услуги связи, счёт 123456782",
        "Оплатить 1 234,56 ₽",
        "Деньги не списываются",
    ):
        assert wanted in seen
    for card in CARDS:
        assert " ".join(re.findall("....", card.number)) in seen
    for attribute in ('autocomplete="cc-number"', 'autocomplete="cc-exp"', 'autocomplete="cc-csc"', 'placeholder="ММ/ГГ"'):
        assert attribute in answer.text
    assert answer.text.count('inputmode="numeric"') == 3
    assert answer.text.count("<label for=") == 3


def test_a_payer_pays_and_is_sent_back_to_the_shop(client: TestClient, bank: TestBank, begun: Standing):
    answer = client.post(f"/bank/{begun.ref}", data=typed())
    assert (answer.status_code, answer.headers["location"]) == (303, BACK)
    assert bank.charges() == [(begun.key, SUM)]


@pytest.mark.parametrize("spelt", ["4242 4242 4242 4242", "4242-4242-4242-4242", " 4242\u00a04242 42424242 "])
@pytest.mark.parametrize("expiry", ["{m}/{y}", "{m}{y}", "{m} / 20{y}", "{m}.{y}"])
def test_a_card_is_taken_however_it_is_spelt(client: TestClient, bank: TestBank, begun: Standing, spelt: str, expiry: str):
    month, year = soon().split("/")
    client.post(f"/bank/{begun.ref}", data=typed(number=spelt, expiry=expiry.format(m=month, y=year)))
    assert bank.ask(begun.ref).state is PaymentState.SUCCEEDED


def test_a_card_is_attached_for_nothing(client: TestClient, bank: TestBank):
    begun = bank.check_card(check())
    seen = shown(client.get(f"/bank/{begun.ref}").text)
    assert "Привязать карту" in seen
    assert "0,00 ₽" in seen
    assert "Оплатить" not in seen
    client.post(f"/bank/{begun.ref}", data=typed())
    card = bank.ask_check(begun.ref).card
    assert card is not None
    assert (card.last_four, card.brand.value) == (NUMBER[Behaviour.SUCCESS][-4:], "mir")
    assert (card.expires_on + timedelta(days=1)).day == 1
    assert f"{card.expires_on:%m/%y}" == soon()


def test_a_declined_payer_is_sent_back_too(client: TestClient, bank: TestBank, begun: Standing):
    answer = client.post(f"/bank/{begun.ref}", data=typed(Behaviour.INSUFFICIENT_FUNDS))
    assert answer.headers["location"] == BACK
    assert bank.ask(begun.ref).reason is DeclineReason.INSUFFICIENT_FUNDS


def test_a_payer_who_gives_up_is_sent_back_and_pays_nothing(client: TestClient, bank: TestBank, begun: Standing):
    answer = client.post(f"/bank/{begun.ref}", data={"leave": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, BACK)
    assert bank.ask(begun.ref).reason is DeclineReason.NOT_FINISHED


def test_the_page_speaks_the_payers_language(client: TestClient, begun: Standing):
    answer = client.get(f"/bank/{begun.ref}", headers={"Accept-Language": "en-GB"})
    assert '<html lang="en">' in answer.text
    seen = shown(answer.text)
    assert "Pay ₽1,234.56" in seen
    assert operator().name_en in seen
    assert not re.search("[а-яА-Я]", seen.replace("Услуги связи, счёт", ""))


# --- wrong fields -----------------------------------------------------------------------------------------
WRONG = [
    ({"number": ""}, "number", "Введите номер карты."),
    ({"number": "4000 0000 0000 0001"}, "number", "только тестовые номера"),
    ({"number": "4276380000000000"}, "number", "только тестовые номера"),
    ({"expiry": ""}, "expiry", "Введите месяц и год"),
    ({"expiry": "13/40"}, "expiry", "Введите месяц и год"),
    ({"expiry": "12/99"}, "expiry", "Введите месяц и год"),
    ({"expiry": "01/20"}, "expiry", "Срок карты истёк"),
    ({"cvc": ""}, "cvc", "три цифры"),
    ({"cvc": "12"}, "cvc", "три цифры"),
    ({"cvc": "12345"}, "cvc", "три цифры"),
    ({"cvc": "١٢٣"}, "cvc", "три цифры"),
]


@pytest.mark.parametrize(("change", "field", "sentence"), WRONG, ids=str)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    client: TestClient, bank: TestBank, db: sa.Engine, begun: Standing, change: dict[str, str], field: str, sentence: str
):
    answer = client.post(f"/bank/{begun.ref}", data=typed(**change))
    assert answer.status_code == 422
    said = re.search(rf'<p class="error" id="{field}-error">(.*?)</p>', answer.text)
    assert said is not None
    assert sentence in said[1]
    assert answer.text.count('class="error"') == 1
    assert re.search(rf'<input id="{field}"[^>]* aria-invalid="true" aria-describedby="{field}-error" autofocus', answer.text)
    assert bank.ask(begun.ref).state is PaymentState.PENDING
    with db.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM test_bank_card")) == 0


def test_the_last_day_of_a_cards_month_is_good(client: TestClient, bank: TestBank, begun: Standing):
    client.post(f"/bank/{begun.ref}", data=typed(expiry=f"{clock.today():%m/%y}"))
    assert bank.ask(begun.ref).state is PaymentState.SUCCEEDED


def test_the_date_comes_back_into_the_form_and_the_number_and_cvc_do_not(client: TestClient, begun: Standing):
    answer = client.post(f"/bank/{begun.ref}", data=typed(number="4111111111111111"))
    assert f'value="{soon()}"' in answer.text
    assert "4111111111111111" not in answer.text
    assert CVC not in answer.text
    assert len(re.findall(r'value=""', answer.text)) == 2


@pytest.mark.parametrize("field", ["number", "expiry", "cvc"])
def test_a_number_in_any_field_is_not_repeated(client: TestClient, begun: Standing, field: str):
    answer = client.post(f"/bank/{begun.ref}", data=typed(**{field: "4111111111111111"}))
    assert answer.status_code == 422
    assert "4111111111111111" not in answer.text


def test_nothing_that_is_typed_becomes_html(client: TestClient, bank: TestBank):
    begun = bank.charge(wish())
    answer = client.post(f"/bank/{begun.ref}", data=dict.fromkeys(("number", "expiry", "cvc"), '"><script>alert(1)</script>'))
    assert answer.status_code == 422
    assert "<script" not in answer.text


# --- 3-D Secure -------------------------------------------------------------------------------------------
def test_a_code_confirms_the_payment(client: TestClient, bank: TestBank, begun: Standing):
    answer = client.post(f"/bank/{begun.ref}", data=typed(Behaviour.THREE_D_SECURE))
    confirm = f"/bank/{begun.ref}/confirm"
    assert (answer.status_code, answer.headers["location"]) == (303, confirm)
    assert client.get(f"/bank/{begun.ref}").headers["location"] == confirm
    seen = shown(client.get(confirm).text)
    for wanted in ("Подтвердите оплату", "•••• 0053", CODE, "1 234,56 ₽"):
        assert wanted in seen
    assert client.post(confirm, data={"code": f" {CODE} "}).headers["location"] == BACK
    assert bank.charges() == [(begun.key, SUM)]


def test_three_wrong_codes_are_enough(client: TestClient, bank: TestBank, begun: Standing):
    client.post(f"/bank/{begun.ref}", data=typed(Behaviour.THREE_D_SECURE))
    confirm = f"/bank/{begun.ref}/confirm"
    assert "Введите код." in client.post(confirm, data={}).text
    assert "Осталось 2 попытки." in client.post(confirm, data={"code": "0000"}).text
    assert "Осталась 1 попытка." in client.post(confirm, data={"code": "кот"}).text
    assert client.post(confirm, data={"code": "9999"}).headers["location"] == BACK
    assert bank.ask(begun.ref).reason is DeclineReason.NOT_CONFIRMED
    client.post(confirm, data={"code": CODE})
    assert bank.charges() == []


def test_whoever_has_no_code_may_leave(client: TestClient, bank: TestBank, begun: Standing):
    client.post(f"/bank/{begun.ref}", data=typed(Behaviour.THREE_D_SECURE))
    assert f'action="/bank/{begun.ref}"><button class="leave"' in client.get(f"/bank/{begun.ref}/confirm").text
    assert client.post(f"/bank/{begun.ref}", data={"leave": "1"}).headers["location"] == BACK
    assert bank.ask(begun.ref).reason is DeclineReason.NOT_FINISHED


def test_the_page_for_a_code_is_not_there_before_the_card(client: TestClient, bank: TestBank, begun: Standing):
    confirm = f"/bank/{begun.ref}/confirm"
    assert client.get(confirm).headers["location"] == f"/bank/{begun.ref}"
    assert client.post(confirm, data={"code": CODE}).headers["location"] == f"/bank/{begun.ref}"
    assert bank.charges() == []


# --- twice, too late, not at all --------------------------------------------------------------------------
def test_a_button_pressed_twice_charges_once_and_leads_to_the_shop_both_times(
    client: TestClient, bank: TestBank, begun: Standing
):
    answers = [client.post(f"/bank/{begun.ref}", data=typed()) for _ in range(3)]
    assert [answer.headers["location"] for answer in answers] == [BACK] * 3
    client.post(f"/bank/{begun.ref}", data={"leave": "1"})
    assert bank.charges() == [(begun.key, SUM)]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [(Behaviour.SUCCESS, "Платить ещё раз не нужно."), (Behaviour.BLOCKED, "Карта заблокирована. Деньги не списаны.")],
)
@pytest.mark.parametrize("page", ["", "/confirm"])
def test_going_back_to_a_finished_payment_shows_how_it_ended_and_no_form(
    client: TestClient, begun: Standing, behaviour: Behaviour, said: str, page: str
):
    client.post(f"/bank/{begun.ref}", data=typed(behaviour))
    answer = client.get(f"/bank/{begun.ref}{page}")
    assert answer.status_code == 410
    assert said in shown(answer.text)
    assert f'href="{BACK}"' in answer.text
    assert "<form" not in answer.text


def test_an_unknown_address_is_said_to_be_unknown(client: TestClient):
    for ref in ("x" * 32, "%00" * 30, "1"):
        answer = client.get(f"/bank/{ref}")
        assert answer.status_code == 404
        assert "Такой оплаты нет" in answer.text
        assert client.post(f"/bank/{ref}", data=typed()).status_code == 404


def test_a_page_left_open_for_an_hour_takes_no_card(
    client: TestClient, bank: TestBank, begun: Standing, monkeypatch: pytest.MonkeyPatch
):
    later(monkeypatch, WAITS)
    assert client.post(f"/bank/{begun.ref}", data=typed()).headers["location"] == BACK
    assert "Платёж не завершён." in client.get(f"/bank/{begun.ref}").text
    assert bank.charges() == []


def test_a_bank_that_thinks_sends_the_payer_back_at_once(client: TestClient, begun: Standing):
    assert client.post(f"/bank/{begun.ref}", data=typed(Behaviour.SLOW)).headers["location"] == BACK
    assert "Банк проверяет карту" in client.get(f"/bank/{begun.ref}").text


def test_a_bank_that_falls_silent_says_so_and_the_payer_does_not_pay_twice(
    client: TestClient, bank: TestBank, begun: Standing, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(2):
        assert client.post(f"/bank/{begun.ref}", data=typed(Behaviour.LOST)).headers["location"] == f"/bank/{begun.ref}"
    answer = client.get(f"/bank/{begun.ref}")
    assert answer.status_code == 503
    assert "Не платите ещё раз" in answer.text
    assert f'href="{BACK}"' in answer.text
    later(monkeypatch, SILENT)
    assert client.get(f"/bank/{begun.ref}").status_code == 410
    assert bank.charges() == [(begun.key, SUM)]


# --- who may ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_form_on_another_site_is_not_taken(client: TestClient, bank: TestBank, begun: Standing, origin: str):
    for page in ("", "/confirm"):
        assert client.post(f"/bank/{begun.ref}{page}", data=typed(), headers={"Origin": origin}).status_code == 403
    assert bank.charges() == []


def test_pages_are_kept_nowhere_and_run_no_script(client: TestClient, begun: Standing):
    answers: list[Any] = [client.get(f"/bank/{begun.ref}"), client.post(f"/bank/{begun.ref}", data={}), client.get("/bank/none")]
    answers.append(client.post(f"/bank/{begun.ref}", data=typed()))
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
    policy = answers[0].headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "form-action 'self' http://testserver;" in policy


def test_a_body_larger_than_any_form_of_ours_is_not_read(client: TestClient, bank: TestBank, begun: Standing):
    assert client.post(f"/bank/{begun.ref}", data=typed(more="x" * 3000)).status_code == 422
    assert bank.ask(begun.ref).state is PaymentState.PENDING


def test_there_is_no_test_bank_where_real_cards_are_taken(
    client: TestClient, bank: TestBank, begun: Standing, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"PAYMENT_GATEWAY": "yookassa", "YOOKASSA_SHOP_ID": "1", "YOOKASSA_SECRET_KEY": "x"}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert settings().payment_gateway is GatewayName.YOOKASSA
    assert client.get(f"/bank/{begun.ref}").status_code == 404
    assert client.post(f"/bank/{begun.ref}", data=typed()).status_code == 404
    assert bank.charges() == []


# --- a number and a CVC stay nowhere ----------------------------------------------------------------------
def _everything_in(db: sa.Engine) -> str:
    with db.connect() as connection:
        return "\n".join(repr(tuple(row)) for table in Table.metadata.sorted_tables for row in connection.execute(table.select()))


def _spellings(number: str) -> Callable[[str], bool]:
    return lambda text: number in re.sub(r"[\s\-]", "", text)


@pytest.mark.parametrize("behaviour", list(Behaviour))
def test_of_a_typed_card_no_number_and_no_cvc_is_left_anywhere(
    client: TestClient, bank: TestBank, db: sa.Engine, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    begun = bank.charge(wish(keep_card=True))
    number, refused, path = NUMBER[behaviour], "4111111111111111", f"/bank/{begun.ref}"
    wrong = client.post(path, data=typed(number=refused))
    client.post(path, data=typed(behaviour, cvc="7x9"))
    done = client.post(path, data=typed(behaviour))
    after = [client.post(path, data=typed(behaviour)), client.get(path), client.get(f"{path}/confirm")]
    client.post(f"{path}/confirm", data={"code": CODE})
    stored, logged = _everything_in(db), caplog.text
    assert begun.ref in stored, "the payment itself is there"
    for place in (stored, logged):
        assert not _spellings(number)(place)
        assert not _spellings(refused)(place)
        assert not re.search(rf"\b{CVC}\b|cvc", place)
    for answer in (wrong, done, *after):
        told = answer.text + str(dict(answer.headers))
        assert refused not in re.sub(r"[\s\-]", "", told)
        assert not re.search(rf"\b{CVC}\b", told)
        assert number not in told, "the list of test numbers spells them in fours"
