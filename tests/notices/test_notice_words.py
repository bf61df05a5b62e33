"""Every notice has words in both languages for whatever facts it is raised with."""

from datetime import date
from typing import Any

import pytest

from documents.pdf import card_said
from queries.cards import Card
from rules.terms import CardBrand, DeclineReason, Language, NoticeEvent
from texts import keys, speaking
from texts.notices import notice_said
from ui.widgets.autopay import card_name

CARD = {"card_brand": "mir", "last_four": "4417"}
LOW = {"balance_kopecks": 12_000, "charge_kopecks": 55_000, "charge_on": "2026-12-01", "days": 9}
FAILED = {"amount_kopecks": 50_000, "reason": "insufficient_funds", "next_try_on": "2026-11-23", "paused": False}
BILL = {"bill_id": 1, "number": "2610-00000001", "amount_kopecks": 55_000, "due_on": "2026-11-20"}
KEPT = {"id": 1, "charged": 100, "paid": 50, "balance": -50, "due": 50, "due_on": "2026-12-20", "autopay": None}
MONTH = {"month": "2026-10-01", "points": 1, "points_earned": 0, "accounts": [KEPT]}

CASES: list[tuple[NoticeEvent, dict[str, Any]]] = [
    (NoticeEvent.LOW_BALANCE, LOW),
    (NoticeEvent.LOW_BALANCE, LOW | {"balance_kopecks": -100}),
    (NoticeEvent.DAYS_LEFT, LOW | {"days": 3}),
    *((NoticeEvent.AUTOPAY_AHEAD, CARD | {"on": "2026-11-10", "amount_kind": kind, "amount_kopecks": kopecks})
      for kind, kopecks in (("fixed", 100), ("up_to", 100), ("due", None))),
    (NoticeEvent.AUTOPAY_DONE, {"amount_kopecks": 50_000, "payment_id": 1, "points": 26}),
    (NoticeEvent.AUTOPAY_DONE, {"amount_kopecks": 50_000, "payment_id": 1, "points": 0}),
    *((NoticeEvent.AUTOPAY_FAILED, FAILED | {"reason": reason.value}) for reason in DeclineReason),
    *((NoticeEvent.AUTOPAY_FAILED, {"amount_kopecks": 0, "reason": reason, "next_try_on": None, "paused": paused})
      for reason in ("right_lost", "card_removed", "account_closed", "ceiling_reached", "account_suspended", "", "new")
      for paused in (True, False)),
    (NoticeEvent.CARD_EXPIRES, CARD | {"expires_on": "2026-12-31"}),
    *((NoticeEvent.ORDER_DONE, {"kind": kind, "name_ru": "Секретарь", "name_en": "Secretary", "reason": reason})
      for kind, reason in (("connect", ""), ("disconnect", ""), ("connect", "not_enough_money"), ("connect", "new"))),
    (NoticeEvent.SIGN_IN, {"address": "203.0.113.7", "browser": "x"}),
    (NoticeEvent.SIGN_IN, {}),
    (NoticeEvent.PROMISED_ENDS, {"amount_kopecks": 30_000, "on": "2026-11-25"}),
    (NoticeEvent.BLOCKED, {"debt_kopecks": 30_000, "on": "2026-11-01"}),
    (NoticeEvent.RESUMED, {"on": "2026-11-01"}),
    (NoticeEvent.BILL, BILL),
    *((NoticeEvent.BILL, BILL | {"balance_kopecks": balance, "autopay": autopay, "autopay_on": on, "autopaid": autopaid})
      for balance in (-55_000, 0) for autopay, on in ((False, None), (True, None), (True, "2026-11-05"))
      for autopaid in (False, True)),
    (NoticeEvent.MONTHLY, MONTH),
    (NoticeEvent.MONTHLY, MONTH | {"accounts": [KEPT | {"due": 0, "due_on": None}]}),
]  # fmt: skip


def test_every_event_has_a_case():
    assert {event for event, _ in CASES} == set(NoticeEvent)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("prepaid", [False, True])
@pytest.mark.parametrize(("event", "facts"), CASES)
def test_a_notice_is_said_in_words(event: NoticeEvent, facts: dict[str, Any], prepaid: bool, language: Language):
    with speaking(language):
        said = notice_said(event, facts, account="Дача", prepaid=prepaid)
    known = set(keys(language))
    for text in (said.title, said.body):
        assert text.strip()
        assert "\n" not in text
        assert "{" not in text
        assert not {text} & known
        assert "notices." not in text


def test_a_person_reads_why_autopay_failed_and_what_comes_next():
    with speaking(Language.RU):
        said = notice_said(NoticeEvent.AUTOPAY_FAILED, FAILED, account="Мамин интернет")
    assert said.title == "Мамин интернет: автоплатёж не прошёл"
    assert said.body == ("Списать 500\u00a0₽ не удалось. На карте не хватило денег. Попробуем ещё раз 23\u00a0ноября.")


def test_a_notice_writes_a_card_as_every_screen_and_paper_does():
    with speaking(Language.RU):
        said = notice_said(NoticeEvent.CARD_EXPIRES, CARD | {"expires_on": "2026-12-31"})
        shown = card_name(Card(1, CardBrand.MIR, "4417", date(2026, 12, 31), "", False))
        printed = card_said((CardBrand.MIR, "4417"))
    assert shown == printed == "МИР\u00a0··\u00a04417"
    assert shown in said.title


def test_a_prepaid_month_asks_for_no_money():
    facts = BILL
    with speaking(Language.RU):
        assert "Оплатите" in notice_said(NoticeEvent.BILL, facts, account="Дом").body
        assert "Счёта к оплате нет." in notice_said(NoticeEvent.BILL, facts, account="Дом", prepaid=True).body
        short = notice_said(NoticeEvent.BILL, facts | {"balance_kopecks": -90_000}, account="Дом", prepaid=True).body
    assert short.endswith("Счёта к оплате нет, но баланс ниже нуля: пополните его на 900\u00a0₽.")


def test_every_event_has_a_name_in_both_languages():
    for language in Language:
        assert {f"noticeevent.{event.value}" for event in NoticeEvent} <= set(keys(language))
