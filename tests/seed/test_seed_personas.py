"""Each persona is in the state it is there to show, whatever day the demo is given."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.engine import make_engine
from rules.bonus import BonusTerms, level_for
from rules.due import Due, OpenBill, runway, what_is_due
from rules.numbers import check_account_number
from rules.periods import month_start
from rules.terms import BillingMode, BonusLevel
from seed import run

DAYS = (
    date(2026, 11, 22),
    date(2026, 12, 1),
    date(2027, 1, 31),
    date(2028, 2, 29),
    date(2026, 12, 31),
    date(2027, 3, 12),
    date(2027, 8, 5),
)


class Demo:
    """A seeded database, asked in the words of a presenter."""

    def __init__(self, file: Path, as_of: date) -> None:
        self.as_of = as_of
        self.rows = sqlite3.connect(file)
        self.rows.row_factory = sqlite3.Row

    def one(self, query: str, *values: Any) -> Any:
        return self.rows.execute(query, values).fetchone()

    def customer(self, key: str) -> Any:
        return self.one("SELECT c.* FROM customer c JOIN demo_persona p ON p.customer_id = c.id WHERE p.key = ?", key)

    def accounts(self, key: str) -> list[Any]:
        return self.rows.execute(
            """SELECT b.*, a.right AS may, a.label, l.balance_kopecks AS balance FROM attachment a
               JOIN billing_account b ON b.id = a.billing_account_id JOIN ledger_account l ON l.billing_account_id = b.id
               WHERE a.customer_id = ? AND a.detached_at IS NULL ORDER BY a.position""",
            [self.customer(key)["id"]],
        ).fetchall()

    def due(self, account: Any) -> Due:
        bills = self.rows.execute("SELECT * FROM bill WHERE billing_account_id = ? ORDER BY month_on", [account["id"]])
        return what_is_due(
            balance_kopecks=account["balance"],
            mode=BillingMode(account["mode"]),
            bills=[OpenBill(b["id"], b["number"], b["total_kopecks"], date.fromisoformat(b["due_on"])) for b in bills],
            today=self.as_of,
        )

    def fee(self, account: Any) -> int:
        """What a full month of the account costs now."""
        plan, options = (
            self.one(
                f"""SELECT SUM((SELECT {money} FROM {kind}_price p WHERE p.{kind}_id = s.{kind}_id
                                ORDER BY valid_from_on DESC LIMIT 1))
                    FROM subscription s WHERE billing_account_id = ? AND ended_on IS NULL AND {kind}_id IS NOT NULL""",
                account["id"],
            )[0]
            for kind, money in (("plan", "monthly_kopecks"), ("option", "price_kopecks"))
        )
        return int(plan) + int(options or 0)

    def points(self, key: str, expiring_on: date | None = None) -> int:
        query = "SELECT COALESCE(SUM(remaining), 0) FROM bonus_lot WHERE customer_id = ? AND expires_on > ?"
        values = [self.customer(key)["id"], self.as_of.isoformat()]
        if expiring_on:
            query += " AND expires_on = ?"
            values.append(expiring_on.isoformat())
        return int(self.rows.execute(query, values).fetchone()[0])

    def paid_last_year(self, key: str) -> int:
        since = (self.as_of - timedelta(days=365)).isoformat()
        return int(
            self.one(
                "SELECT SUM(amount_kopecks) FROM payment WHERE payer_id = ? AND state = 'succeeded' AND created_at > ?",
                self.customer(key)["id"],
                since,
            )[0]
        )


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Callable[[date], Demo]:
    made: dict[date, Demo] = {}

    def of(day: date) -> Demo:
        if day not in made:
            file = tmp_path_factory.mktemp("personas") / "kabinet.db"
            run(engine=make_engine(f"sqlite:///{file}"), customers=12, months=24, seed=day.day, as_of=day)
            made[day] = Demo(file, day)
        return made[day]

    return of


@pytest.fixture(params=DAYS, ids=str)
def demo(request: pytest.FixtureRequest, demos: Callable[[date], Demo]) -> Demo:
    return demos(request.param)


def test_the_family_has_five_accounts_and_two_cards(demo: Demo) -> None:
    accounts = demo.accounts("family")
    assert [(a["service"], a["mode"], a["may"]) for a in accounts] == [
        ("internet", "postpaid", "manage"),
        ("mobile", "prepaid", "manage"),
        ("mobile", "prepaid", "manage"),
        ("tv", "prepaid", "manage"),
        ("phone", "postpaid", "pay"),
    ]
    assert all(a["status"] == "active" for a in accounts)
    cards = demo.rows.execute("SELECT * FROM saved_card WHERE customer_id = ?", [demo.customer("family")["id"]]).fetchall()
    assert len(cards) == 2
    assert sum(card["is_default"] for card in cards) == 1
    assert all(date.fromisoformat(card["expires_on"]) > demo.as_of for card in cards)


def test_the_familys_internet_has_a_bill_that_is_due_and_not_late(demo: Demo) -> None:
    due = demo.due(demo.accounts("family")[0])
    assert due.amount_kopecks > 0
    assert len(due.unpaid) == 1
    assert due.overdue_days == 0
    assert due.due_on is not None
    assert demo.as_of < due.due_on <= demo.as_of + timedelta(days=20)


def test_mishas_mobile_has_money_for_two_days(demo: Demo) -> None:
    account = demo.accounts("family")[2]
    fee = demo.fee(account)
    assert account["label"] == "Миша, школа"
    assert 0 < account["balance"] <= fee * 3 // 28 + 1000
    assert runway(balance_kopecks=account["balance"], monthly_kopecks=fee, today=demo.as_of).until_on == (
        date(demo.as_of.year + demo.as_of.month // 12, demo.as_of.month % 12 + 1, 1)
    )


def test_the_familys_television_is_paid_by_day(demo: Demo) -> None:
    account = demo.accounts("family")[3]
    rule = demo.one("SELECT * FROM autopay_rule WHERE billing_account_id = ?", account["id"])
    assert (rule["pay_when"], rule["state"], rule["customer_id"]) == ("monthly", "active", demo.customer("family")["id"])
    results = {row[0] for row in demo.rows.execute("SELECT result FROM autopay_run WHERE rule_id = ?", [rule["id"]])}
    assert results == {"succeeded"}
    assert account["balance"] >= 0


def test_the_parents_telephone_is_four_days_late(demo: Demo) -> None:
    account = demo.accounts("family")[4]
    holder = demo.one("SELECT * FROM customer WHERE id = ?", account["holder_id"])
    assert (holder["first_name"], holder["patronymic"], holder["registered_at"]) == ("Пётр", "Ильич", None)
    due = demo.due(account)
    assert due.overdue_days == 4
    assert due.overdue_kopecks > 0


def test_the_family_has_points_and_some_of_them_end_on_new_years_eve(demo: Demo) -> None:
    eve = date(demo.as_of.year, 12, 31)
    if eve == demo.as_of:
        eve = date(demo.as_of.year + 1, 12, 31)
    assert demo.points("family", expiring_on=eve) == 180
    assert 2300 <= demo.points("family") <= 2380


def test_the_pensioner_has_one_telephone(demo: Demo) -> None:
    assert [(a["service"], a["status"]) for a in demo.accounts("pensioner")] == [("phone", "active")]
    assert demo.due(demo.accounts("pensioner")[0]).overdue_days == 0


def test_the_debtor_is_blocked_on_one_account_and_in_minus_on_the_other(demo: Demo) -> None:
    internet, mobile = demo.accounts("debtor")
    assert (internet["service"], internet["status"]) == ("internet", "blocked")
    assert demo.due(internet).overdue_days > 30
    assert (mobile["service"], mobile["status"]) == ("mobile", "active")
    assert mobile["balance"] < 0


def test_the_students_card_expired_and_the_rule_is_paused(demo: Demo) -> None:
    (mobile,) = demo.accounts("student")
    rule = demo.one("SELECT * FROM autopay_rule WHERE billing_account_id = ?", mobile["id"])
    card = demo.one("SELECT * FROM saved_card WHERE id = ?", rule["card_id"])
    assert rule["state"] == "paused"
    assert date.fromisoformat(card["expires_on"]) < demo.as_of
    last = demo.one("SELECT * FROM autopay_run WHERE rule_id = ? ORDER BY id DESC", rule["id"])
    assert (last["attempt"], last["decline_reason"], rule["pause_reason"]) == (1, "card_expired", "declined_hard")
    assert date.fromisoformat(last["due_on"]) == demo.as_of - timedelta(days=8)
    assert demo.one("SELECT COUNT(*) FROM message WHERE recipient = 'student@kabinet.example'")[0] >= 1
    told = demo.one("SELECT * FROM notice WHERE customer_id = ? AND event = 'autopay_failed'", rule["customer_id"])
    assert json.loads(told["facts"])["paused"]


def test_what_the_personas_were_told_is_what_the_live_code_would_have_told_them(demo: Demo) -> None:
    known = {
        "autopay_done": "SELECT 1 FROM autopay_run WHERE result = 'succeeded' AND amount_kopecks = ? AND payment_id = ?",
        "autopay_failed": "SELECT 1 FROM autopay_run WHERE result = 'declined' AND amount_kopecks = ? AND payment_id = ?",
        "bill": "SELECT 1 FROM bill WHERE total_kopecks = ? AND id = ?",
        "blocked": "SELECT 1 FROM ledger_account WHERE balance_kopecks = -? AND billing_account_id = ?",
    }
    seen: Counter[str] = Counter()
    for notice in demo.rows.execute("SELECT * FROM notice").fetchall():
        facts = json.loads(notice["facts"])
        kopecks = facts.get("amount_kopecks", facts.get("debt_kopecks"))
        which = facts.get("payment_id") or facts.get("bill_id") or notice["billing_account_id"]
        assert demo.one(known[notice["event"]], kopecks, which)
        seen[notice["event"]] += 1
    assert seen["autopay_done"] > 3
    assert seen["bill"] > 10
    assert demo.one("SELECT COUNT(*) FROM notice WHERE customer_id NOT IN (SELECT customer_id FROM demo_persona)")[0] == 0


def test_the_vip_pays_much_and_has_many_points(demo: Demo) -> None:
    assert len(demo.accounts("vip")) == 6
    assert demo.paid_last_year("vip") > 4_000_000
    assert level_for(paid_last_year_kopecks=demo.paid_last_year("vip"), terms=BonusTerms()).level is BonusLevel.VIP
    assert demo.points("vip") > 2500
    triggers = {
        row[0]
        for row in demo.rows.execute("SELECT pay_when FROM autopay_rule WHERE customer_id = ?", [demo.customer("vip")["id"]])
    }
    assert triggers == {"bill", "threshold"}


def test_the_cottage_is_suspended_and_costs_nothing_meanwhile(demo: Demo) -> None:
    cottage = demo.accounts("cottage")[0]
    assert (cottage["service"], cottage["status"]) == ("internet", "suspended")
    since = cottage["status_since_on"]
    assert date.fromisoformat(since) < month_start(demo.as_of)
    charges = demo.one(
        "SELECT COUNT(*) FROM transfer WHERE billing_account_id = ? AND code = 'plan_fee' AND occurred_at >= ?",
        cottage["id"],
        since,
    )
    assert charges[0] == 0


def test_the_newcomer_has_nothing_yet_and_one_account_to_attach(demo: Demo) -> None:
    newcomer = demo.customer("newcomer")
    assert demo.accounts("newcomer") == []
    assert demo.as_of - date.fromisoformat(newcomer["registered_at"][:10]) <= timedelta(days=2)
    account = demo.one("SELECT * FROM billing_account WHERE contact_email = ?", newcomer["email"])
    assert account["contact_phone"] == newcomer["phone"]
    assert demo.one("SELECT COUNT(*) FROM attachment WHERE billing_account_id = ?", account["id"])[0] == 0
    assert check_account_number(account["number"]) == account["number"]


def test_numbers_names_and_sign_in_names_of_personas_are_the_same_in_every_demo(demos: Callable[[date], Demo]) -> None:
    told = []
    for day in DAYS[:3]:
        demo = demos(day)
        numbers = demo.rows.execute("SELECT number FROM billing_account WHERE holder_id <= 10 ORDER BY id").fetchall()
        people = demo.rows.execute(
            "SELECT last_name, first_name, email, phone FROM customer WHERE id <= 10 ORDER BY id"
        ).fetchall()
        told.append(([row[0] for row in numbers], [tuple(row) for row in people]))
    assert told[0] == told[1] == told[2]
    assert told[0][1][0] == ("Соколова", "Анна", "family@kabinet.example", "+79740000001")


def test_the_newcomer_finds_the_number_of_the_contract_in_a_letter(demo: Demo) -> None:
    """Otherwise a presenter would not know what to attach."""
    account = demo.one("SELECT * FROM billing_account WHERE holder_id = ?", demo.customer("newcomer")["id"])
    letter = demo.one("SELECT * FROM message WHERE recipient = ? AND about = 'contract.opened'", account["contact_email"])
    assert account["number"] in letter["body"].replace(" ", "")


def test_nobody_was_asked_to_pay_a_bill_that_autopay_has_paid(demo: Demo) -> None:
    paid = demo.rows.execute(
        "SELECT notice.facts, run.due_on FROM notice JOIN autopay_run run USING (billing_account_id)"
        " JOIN autopay_rule rule ON rule.id = run.rule_id"
        " WHERE notice.event = 'bill' AND run.result = 'succeeded' AND rule.amount_kind = 'due'"
    ).fetchall()
    told = [(json.loads(facts), due_on) for facts, due_on in paid]
    told = [(facts, due_on) for facts, due_on in told if facts["number"][:4] == _month_before(due_on)]
    assert told
    assert all(facts["autopay"] and facts["autopay_on"] == due_on for facts, due_on in told)


def _month_before(day: str) -> str:
    """The month of the bill that is paid on that day, as its number begins."""
    return (date.fromisoformat(day).replace(day=1) - timedelta(days=1)).strftime("%y%m")
