"""Home: what is owed, what is about to stop, what to do; in both languages, and in few questions to the database."""

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlmodel import col, select

import clock
from db import reading
from models import Attachment, BillingAccount, LedgerAccount
from queries.home import AccountCard, AutopayStanding, HomeSummary, home
from rules.due import Due, Runway
from rules.terms import AccountStatus, AutopayState, BillingMode, Language, Right, ServiceKind
from tests.driver import Screen, customer_of, open_screen, visitor_of
from texts import money, number, speaking
from ui.widgets.home import Concern, badge, concerns, outlook

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize("language", list(Language))
def test_home_shows_every_account_of_a_family_with_its_balance_and_what_to_do(seeded_db: sa.Engine, language: Language):
    screen = open_screen("home", persona="family", language=language)
    with reading() as db:
        rows = db.execute(
            select(Attachment.label, LedgerAccount.balance_kopecks, Attachment.billing_account_id)
            .join(LedgerAccount, col(LedgerAccount.billing_account_id) == col(Attachment.billing_account_id))
            .where(col(Attachment.customer_id) == customer_of("family"), col(Attachment.detached_at).is_(None))
        ).all()
    assert len(rows) == 5
    with speaking(language):
        for label, balance, account_id in rows:
            assert label in screen.says
            assert money(balance) in screen.says
            assert {"services", "autopay", "pay"} <= {path for path, about in links(screen) if about == f"account={account_id}"}
    assert "Анна" in screen.title[0].value
    assert ("Добр" in screen.title[0].value) is (language is Language.RU)


@pytest.mark.parametrize("language", list(Language))
def test_the_totals_are_what_the_ledger_says(seeded_db: sa.Engine, language: Language):
    screen = open_screen("home", persona="family", language=language)
    with reading() as db:
        balances = db.exec(
            select(LedgerAccount.balance_kopecks)
            .join(Attachment, col(Attachment.billing_account_id) == col(LedgerAccount.billing_account_id))
            .where(col(Attachment.customer_id) == customer_of("family"), col(Attachment.detached_at).is_(None))
        ).all()
    values = [metric.value for metric in screen.metric]
    with speaking(language):
        assert money(sum(balance for balance in balances if balance > 0)) in values
        assert money(-sum(balance for balance in balances if balance < 0)) in values


def test_the_overdue_comes_first_and_leads_to_its_payments(seeded_db: sa.Engine):
    screen = open_screen("home", persona="family")
    first = next(text.value for text in screen.markdown if "просрочено" in text.value)
    assert first.startswith(":red[")
    with reading() as db:
        overdue = next(
            card for card in home_of("family", db).accounts if card.due.overdue_kopecks and card.status is AccountStatus.ACTIVE
        )
    assert links(screen)[1] == ("pay", f"account={overdue.account_id}")  # the first one is "attach", in the head


def test_a_debtor_is_told_what_is_cut_off_and_for_how_much(seeded_db: sa.Engine):
    screen = open_screen("home", persona="debtor")
    assert "отключено за долг" in screen.says
    assert "Отключён за долг" in screen.says


@pytest.mark.parametrize("language", list(Language))
def test_an_empty_cabinet_gives_the_one_step_that_fills_it(seeded_db: sa.Engine, language: Language):
    screen = open_screen("home", persona="newcomer", language=language)
    assert not screen.metric
    assert screen.button("attach_first").label == ("Подключить лицевой счёт" if language is Language.RU else "Attach an account")
    screen.click("attach_first")
    assert screen.text_input(key="attach_number")


def links(screen: Screen) -> list[tuple[str, str]]:
    """Where the screen's own links lead, in their order: path and query."""
    return [(link.proto.page, link.proto.query_string) for link in screen.main.get("page_link") if link.proto.query_string]


def home_of(persona: str, db: Any) -> HomeSummary:
    return home(db, visitor=visitor_of(customer_of(persona)), today=clock.today(), now=clock.now())


def test_five_accounts_cost_as_many_questions_as_one(seeded_db: sa.Engine):
    asked: list[str] = []
    visitors = {persona: visitor_of(customer_of(persona)) for persona in ("family", "pensioner")}
    event.listen(seeded_db, "before_cursor_execute", lambda *given: asked.append(given[2]))
    counts = []
    for visitor in visitors.values():
        asked.clear()
        with reading() as db:
            home(db, visitor=visitor, today=clock.today(), now=clock.now())
        counts.append(len([one for one in asked if not one.startswith("BEGIN")]))
    assert max(counts) <= 6


def test_no_question_of_home_reads_a_whole_table(seeded_db: sa.Engine):
    asked: list[tuple[str, Any]] = []
    visitor = visitor_of(customer_of("family"))
    event.listen(seeded_db, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    with reading() as db:
        home(db, visitor=visitor, today=clock.today(), now=clock.now())
    questions = [(text, facts) for text, facts in asked if text.lstrip().upper().startswith("SELECT")]
    assert questions
    with seeded_db.connect() as connection:
        for text, facts in questions:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", facts)]
            assert not [step for step in plan if step.startswith("SCAN")], (text, plan)


# --- what deserves attention ------------------------------------------------------------------------
def a_card(**more: Any) -> AccountCard:
    given: dict[str, Any] = {
        "account_id": 1,
        "label": "Дом",
        "service": ServiceKind.MOBILE,
        "holder": "Анна Ким",
        "is_own": True,
        "right": Right.MANAGE,
        "status": AccountStatus.ACTIVE,
        "status_since_on": TODAY,
        "mode": BillingMode.PREPAID,
        "address": "",
        "service_phone": None,
        "plan": "Больше",
        "monthly_kopecks": 50_000,
        "balance_kopecks": 0,
        "due": Due(0, None, 0, 0, ()),
        "runway": Runway(None, None, TODAY, 50_000),
        "autopay": None,
    }
    return AccountCard(**(given | more))


def said(*cards: AccountCard, language: Language = Language.RU) -> list[Concern]:
    with speaking(language):
        return list(concerns(HomeSummary(cards, 0, None, 0, 0, 0, 0, None, 0, 0), TODAY))


def runs_out_in(days: int) -> Runway:
    return Runway(days, TODAY + timedelta(days=days), TODAY + timedelta(days=days), 50_000)


def owes(days: int) -> Due:
    return Due(70_000, TODAY + timedelta(days=days), 0, 0, ())


@pytest.mark.parametrize(("days", "words"), [(1, "на 1 день"), (2, "на 2 дня"), (5, "на 5 дней")])
def test_money_that_ends_within_five_days_is_announced_with_what_is_missing(days: int, words: str):
    (concern,) = said(a_card(runway=runs_out_in(days), balance_kopecks=12_000))
    assert words in concern.text
    assert "380\u00a0₽" in concern.text
    assert not concern.urgent


def test_money_for_six_days_is_no_news():
    assert said(a_card(runway=runs_out_in(6))) == []


@pytest.mark.parametrize("days", [0, 5])
def test_what_falls_due_within_five_days_is_announced(days: int):
    (concern,) = said(a_card(due=owes(days), mode=BillingMode.POSTPAID))
    assert "700\u00a0₽" in concern.text
    assert concern.script == "pay"


def test_what_falls_due_later_is_no_news():
    assert said(a_card(due=owes(6), mode=BillingMode.POSTPAID)) == []


@pytest.mark.parametrize(
    ("standing", "quiet"),
    [
        (AutopayStanding(AutopayState.ACTIVE, watches=True), True),
        (AutopayStanding(AutopayState.ACTIVE, next_on=TODAY + timedelta(days=3)), True),
        (AutopayStanding(AutopayState.ACTIVE, next_on=TODAY + timedelta(days=4)), False),
    ],
)
def test_an_autopay_that_comes_in_time_silences_the_warning_a_later_one_does_not(standing: AutopayStanding, quiet: bool):
    assert (said(a_card(due=owes(3), autopay=standing, mode=BillingMode.POSTPAID)) == []) is quiet
    assert (said(a_card(runway=runs_out_in(3), autopay=standing)) == []) is quiet


def test_an_overdue_account_is_urgent_whatever_else():
    late = Due(70_000, TODAY - timedelta(days=4), 70_000, 4, ())
    (concern,) = said(a_card(due=late, autopay=AutopayStanding(AutopayState.PAUSED)))
    assert concern.urgent
    assert "уже 4 дня" in concern.text
    (english,) = said(a_card(due=late), language=Language.EN)
    assert "overdue for 4 days" in english.text


@pytest.mark.parametrize("language", list(Language))
def test_of_a_prepaid_balance_below_zero_it_is_said_what_is_missing_and_not_that_a_bill_is_late(language: Language):
    below = a_card(due=owes(0), balance_kopecks=-70_000)
    (concern,) = said(below, language=language)
    assert concern.urgent
    assert ("не хватает 700\u00a0₽" if language is Language.RU else "₽700 is missing") in concern.text
    with speaking(language):
        assert badge(below)[0] == ("Ниже нуля" if language is Language.RU else "Below zero")
        assert outlook(below, TODAY) == ("Не хватает 700\u00a0₽" if language is Language.RU else "₽700 is missing")
    assert said(a_card(due=owes(0), autopay=AutopayStanding(AutopayState.ACTIVE, watches=True))) == []


def test_a_paused_autopay_is_announced_and_leads_to_autopay():
    (concern,) = said(a_card(autopay=AutopayStanding(AutopayState.PAUSED)))
    assert (concern.urgent, concern.script) == (False, "autopay")


def test_the_name_a_person_gave_is_no_markup():
    (concern,) = said(a_card(label="**x** :material/home:", due=owes(1)))
    assert "**x**" not in concern.text
    assert ":material/home:" not in concern.text


def test_the_outlook_names_the_day_of_the_next_autopay():
    standing = AutopayStanding(AutopayState.ACTIVE, next_on=date(2026, 12, 1))
    with speaking(Language.RU):
        said_ = outlook(a_card(runway=runs_out_in(9), autopay=standing), TODAY)
    assert " ".join(said_.split()) == "Хватит на 9 дней · автоплатёж 1 декабря"


def test_points_are_shown_as_a_number_that_a_phone_does_not_cut(seeded_db: sa.Engine):
    screen = open_screen("home", persona="vip")
    with reading() as db:
        summary = home_of("vip", db)
    assert summary.points > 0
    with speaking(Language.RU):
        assert number(summary.points) in [metric.value for metric in screen.metric]


def test_a_closed_door_stays_closed_for_accounts_of_others(seeded_db: sa.Engine):
    with reading() as db:
        mine = {card.account_id for card in home_of("family", db).accounts}
        attached = set(
            db.exec(
                select(Attachment.billing_account_id).where(
                    col(Attachment.customer_id) == customer_of("family"), col(Attachment.detached_at).is_(None)
                )
            )
        )
        everyone = set(db.exec(select(BillingAccount.id)))
    assert mine == attached
    assert mine < everyone
