"""What bills are made of, read in one go, and the words in which their difference is told."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlmodel import Session

from actions.ledger import post
from db import reading, transaction
from models import Bill, BillingAccount, BillLine, Option, Plan
from queries.bill_lines import bill_contents
from queries.bills import list_bills
from rules.bill_changes import BillDifference, BilledLine, BilledMonth, Change, ChangeKind, explain
from rules.papers import BillLineRow, BillRow
from rules.periods import add_months, month_end, next_month
from rules.refusals import NotAllowed
from rules.terms import BillingMode, Language, OptionGroup, Recurrence, ServiceKind, TransferCode
from tests.money.world import World
from texts import has_text, speaking
from ui.charts.bills import bills_by_month
from ui.widgets.bills import answer, billed, by_parts, changed_how, changed_name, last_change, names_of, when

PLAN, OPTION, ONCE, FINE = TransferCode.PLAN_FEE, TransferCode.OPTION_FEE, TransferCode.ONE_OFF, TransferCode.LATE_FEE
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
TODAY = date(2026, 12, 3)
NAMES = {"a": "Дом 300", "b": "Дом 600", "o": "Антивирус", "p": "Роутер"}


class Billing:
    """Bills of a `World`: each line is a transfer, as in the ledger."""

    def __init__(self, db: Session) -> None:
        self.db, self.world = db, World(db)

    def plan(self, name: str) -> int:
        code = f"bill-plan-{self.world.next()}"
        return self.world.save(Plan(code=code, service=ServiceKind.INTERNET, name_ru=name, name_en=f"{name} in English")).id

    def option(self, name: str) -> int:
        made = Option(
            code=f"bill-option-{self.world.next()}",
            service=ServiceKind.INTERNET,
            group=OptionGroup.SECURITY,
            recurrence=Recurrence.MONTHLY,
            name_ru=name,
            name_en=f"{name} in English",
        )
        return self.world.save(made).id

    def bill(self, account: BillingAccount, month_on: date, **lines: int) -> Bill:
        """A bill for whole months of what is named, as `plan_3=60_000`, `option_7=9_900` or `late_fee=500`; kopecks."""
        issued = next_month(month_on)
        bill = self.world.save(
            Bill(
                billing_account_id=account.id,
                number=f"{month_on:%y%m}-{account.id:08d}",
                month_on=month_on,
                issued_on=issued,
                due_on=issued + timedelta(days=19),
                total_kopecks=sum(lines.values()),
            )
        )
        at = datetime(issued.year, issued.month, 1, 3, tzinfo=UTC)
        for name, kopecks in lines.items():
            sort, _, product = name.partition("_")
            code = {"plan": PLAN, "option": OPTION}.get(sort, FINE)
            ids = {f"{sort}_id": int(product)} if code is not FINE else {}
            moved = post(self.db, account_id=account.id, code=code, amount_kopecks=kopecks, occurred_at=at,
                         key=f"bill:{self.world.next()}", **ids)  # fmt: skip
            self.world.save(
                BillLine(bill_id=bill.id, transfer_id=moved.id, code=code, from_on=month_on, to_on=month_end(month_on),
                         amount_kopecks=kopecks, **ids)
            )  # fmt: skip
        return bill


def test_the_lines_of_two_bills_explain_their_difference_to_the_kopeck(db: sa.Engine):
    with transaction() as session:
        made = Billing(session)
        person = made.world.person()
        account = made.world.account(person, mode=BillingMode.POSTPAID)
        plan, option = made.plan("Дом 300"), made.option("Антивирус")
        made.bill(account, OCTOBER, **{f"plan_{plan}": 60_000})
        made.bill(account, NOVEMBER, **{f"plan_{plan}": 65_000, f"option_{option}": 9_990, "late_fee": 17})
        visitor, account_id = made.world.visitor(person), account.id
    with reading() as session:
        now, before = list_bills(session, visitor=visitor, account_id=account_id)
        ids = [now.bill_id, before.bill_id]
        contents = bill_contents(session, visitor=visitor, account_id=account_id, bill_ids=ids)
    assert contents.mode is BillingMode.POSTPAID
    lines = contents.lines
    assert [line.name for line in lines[now.bill_id]] == ["Дом 300", "Антивирус", ""]
    seen = explain(now=billed(NOVEMBER, lines[now.bill_id]), before=billed(OCTOBER, lines[before.bill_id]))
    assert seen.kopecks == now.total_kopecks - before.total_kopecks == sum(change.kopecks for change in seen.changes)
    assert [(change.kind, change.kopecks) for change in seen.changes] == [
        (ChangeKind.ADDED, 9_990),
        (ChangeKind.PRICE, 5_000),
        (ChangeKind.LATE_FEE, 17),
    ]
    with speaking(Language.RU):
        said = answer(seen, names_of(lines[now.bill_id]), TODAY)
    assert said == "На 150,07\u00a0₽ больше, чем в октябре: подключили «Антивирус» и тариф подорожал"


def test_lines_are_named_in_the_readers_language_and_are_of_this_account_only(db: sa.Engine):
    with transaction() as session:
        made = Billing(session)
        person, other = made.world.person(), made.world.person("Олег")
        account, foreign = made.world.account(person), made.world.account(other)
        second = made.world.account(person)
        plan = made.plan("Дом 300")
        bills = [made.bill(each, OCTOBER, **{f"plan_{plan}": 60_000}).id for each in (account, foreign, second)]
        mine, stranger = (made.world.visitor(who) for who in (person, other))
        account_id, foreign_id = account.id, foreign.id
    english = type(mine)(**{name: getattr(mine, name) for name in mine.__slots__} | {"language": Language.EN})
    with reading() as session:
        seen = bill_contents(session, visitor=english, account_id=account_id, bill_ids=bills)
        assert {bill: [line.name for line in lines] for bill, lines in seen.lines.items()} == {bills[0]: ["Дом 300 in English"]}
        for visitor, asked in ((stranger, account_id), (mine, foreign_id), (mine, 10**9)):
            with pytest.raises(NotAllowed):
                bill_contents(session, visitor=visitor, account_id=asked, bill_ids=bills)


def test_a_years_bills_cost_as_many_questions_as_one(db: sa.Engine):
    with transaction() as session:
        made = Billing(session)
        person = made.world.person()
        accounts = [made.world.account(person, mode=BillingMode.POSTPAID) for _ in range(2)]
        plan = made.plan("Дом 300")
        for account, months in zip(accounts, (1, 12), strict=True):
            for back in range(months):
                made.bill(account, add_months(NOVEMBER, -back), **{f"plan_{plan}": 60_000})
        ids, visitor = [account.id for account in accounts], made.world.visitor(person)
    asked: list[str] = []
    event.listen(db, "before_cursor_execute", lambda *given: asked.append(given[2]))
    counts = []
    for account_id in ids:
        asked.clear()
        with reading() as session:
            bills = list_bills(session, visitor=visitor, account_id=account_id)
            bill_contents(session, visitor=visitor, account_id=account_id, bill_ids=[bill.bill_id for bill in bills])
        counts.append(len([one for one in asked if one.lstrip().upper().startswith("SELECT")]))
    assert len(bills) == 12
    assert counts[0] == counts[1] <= 6


# --- in words -----------------------------------------------------------------------------------------------
def line(code: TransferCode, product: str, kopecks: int, month_on: date = NOVEMBER, first: int = 1, last: int = 31) -> BilledLine:
    last = min(last, month_end(month_on).day)
    return BilledLine(code, product, month_on.replace(day=first), month_on.replace(day=last), kopecks)


def was(code: TransferCode, product: str, kopecks: int, first: int = 1, last: int = 31) -> BilledLine:
    return line(code, product, kopecks, OCTOBER, first, last)


def told(before: Sequence[BilledLine], now: Sequence[BilledLine]) -> BillDifference:
    return explain(now=BilledMonth(NOVEMBER, tuple(now)), before=BilledMonth(OCTOBER, tuple(before)))


RU_EN = [
    ([was(PLAN, "a", 60_000)], [line(PLAN, "a", 60_000), line(OPTION, "o", 12_000)],
     "На 120 ₽ больше, чем в октябре: подключили «Антивирус»", "₽120 more than in October: Антивирус was connected"),
    ([was(PLAN, "a", 60_000), was(OPTION, "o", 12_000)], [line(PLAN, "a", 60_000)],
     "На 120 ₽ меньше, чем в октябре: отключили «Антивирус»", "₽120 less than in October: Антивирус was disconnected"),
    ([was(PLAN, "a", 60_000), was(OPTION, "o", 20_000)], [line(PLAN, "a", 65_000)],
     "На 150 ₽ меньше, чем в октябре: отключили «Антивирус»", "₽150 less than in October: Антивирус was disconnected"),
    ([was(PLAN, "a", 60_000)], [line(PLAN, "b", 90_000)],
     "На 300 ₽ больше, чем в октябре: сменился тариф", "₽300 more than in October: the plan is another"),
    ([was(PLAN, "a", 60_000), was(OPTION, "o", 12_000)], [line(PLAN, "a", 55_000), line(OPTION, "o", 11_000)],
     "На 60 ₽ меньше, чем в октябре: тариф подешевел и «Антивирус» стоит дешевле",
     "₽60 less than in October: the plan costs less and Антивирус costs less"),
    ([was(OPTION, "o", 12_000)], [line(OPTION, "p", 12_000)],
     "Столько же, сколько в октябре: подключили «Роутер», но отключили «Антивирус»",
     "Same as in October: Роутер was connected, but Антивирус was disconnected"),
    ([was(PLAN, "a", 60_000)], [line(PLAN, "a", 60_000)], "Столько же, сколько в октябре", "Same as in October"),
    ([was(PLAN, "a", 60_000, 1, 31)], [line(PLAN, "a", 30_000, first=16)],
     "На 300 ₽ меньше, чем в октябре: тариф — за 15 дней из 30", "₽300 less than in October: the plan is for 15 days of 30"),
    ([], [line(PLAN, "a", 60_000), line(FINE, "late_fee", 500)],
     "На 605 ₽ больше, чем в октябре: начислили тариф и пени за просрочку",
     "₽605 more than in October: the plan was charged and a late fee"),
    ([was(ONCE, "p", 30_000), was(FINE, "late_fee", 500)], [],
     "На 305 ₽ меньше, чем в октябре: нет разовой услуги «Роутер» и нет пеней",
     "₽305 less than in October: no one-off Роутер this time and no late fee this time"),
    ([was(ONCE, "p", 30_000), was(FINE, "late_fee", 500)], [line(ONCE, "p", 20_000), line(FINE, "late_fee", 400)],
     "На 101 ₽ меньше, чем в октябре: «Роутер» обошлось дешевле и пени меньше",
     "₽101 less than in October: Роутер cost less and a smaller late fee"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "now", "russian", "english"), RU_EN)
def test_the_answer_names_the_two_reasons_that_count_most(
    before: list[BilledLine], now: list[BilledLine], russian: str, english: str
):
    seen = told(before, now)
    for language, said in ((Language.RU, russian), (Language.EN, english)):
        with speaking(language):
            assert answer(seen, NAMES, TODAY).replace("\u00a0", " ") == said


def test_the_answer_names_the_year_where_it_may_be_mistaken():
    december, january = date(2025, 12, 1), date(2026, 1, 1)
    seen = explain(now=BilledMonth(january, ()), before=BilledMonth(december, (line(PLAN, "a", 60_000, december),)))
    with speaking(Language.RU):
        assert "чем в декабре 2025" in answer(seen, NAMES, TODAY)


@pytest.mark.parametrize(
    ("before", "now", "name", "how"),
    [
        (
            [was(PLAN, "a", 60_000)],
            [line(PLAN, "a", 30_000, last=15), line(PLAN, "b", 45_000, first=16)],
            "Тариф «Дом 300» → «Дом 600»",
            "с 16 ноября: 600 ₽ → 900 ₽ в месяц",
        ),
        ([was(OPTION, "o", 9_900)], [line(OPTION, "o", 12_000)], "«Антивирус»", "с 1 ноября: 99 ₽ → 120 ₽ в месяц"),
        ([], [line(OPTION, "o", 6_800, first=14)], "«Антивирус»", "с 14 ноября: за 17 дней из 30"),
        ([], [line(OPTION, "o", 12_000)], "«Антивирус»", "в прошлом счёте не было"),
        ([was(OPTION, "o", 3_000, last=9)], [], "«Антивирус»", "с 10 октября не начисляется"),
        (
            [was(PLAN, "a", 31_000, 16, 31)],
            [line(PLAN, "a", 60_000)],
            "Тариф «Дом 300»",
            "за весь месяц, в прошлый раз — за 16 дней из 31",
        ),
        ([], [line(FINE, "late_fee", 500)], "Пени за просрочку", "в прошлом счёте пеней не было"),
        ([was(FINE, "late_fee", 500)], [line(FINE, "late_fee", 650)], "Пени за просрочку", "было 5 ₽, стало 6,50 ₽"),
        ([was(ONCE, "p", 500)], [], "«Роутер»", "разовая услуга, была в прошлом счёте"),
    ],
)
def test_each_change_is_told_with_its_facts(before: list[BilledLine], now: list[BilledLine], name: str, how: str):
    change = told(before, now).changes[0]
    with speaking(Language.RU):
        assert changed_name(change, NAMES) == name
        assert changed_how(change, TODAY).replace("\u00a0", " ") == how


@pytest.mark.parametrize("language", list(Language))
def test_every_kind_of_change_has_its_words(language: Language):
    with speaking(language):
        for kind in ChangeKind:
            for kopecks in (-100, 100):
                for code in TransferCode if kind is not ChangeKind.SAME else ():
                    change = Change(kind, code, "o", kopecks, 500, 600, monthly_before_kopecks=500, on=NOVEMBER)
                    seen = BillDifference(NOVEMBER, OCTOBER, 600 + kopecks, 600, (change,))
                    assert "bills." not in answer(seen, NAMES, TODAY) + changed_how(change, TODAY)
        assert all(has_text(f"bills.in_month.{month}") for month in range(1, 13))


@pytest.mark.parametrize(
    ("code", "first", "last", "said"),
    [
        (PLAN, 1, 30, "весь месяц"),
        (OPTION, 14, 30, "14–30 ноября, 17 дней из 30"),
        (OPTION, 30, 30, "30 ноября, 1 день из 30"),
        (ONCE, 14, 30, "14 ноября"),
        (FINE, 21, 21, "21 ноября"),
    ],
)
def test_a_line_says_for_which_days_it_is(code: TransferCode, first: int, last: int, said: str):
    of = BillLineRow(code, None, 1, "Антивирус", NOVEMBER.replace(day=first), NOVEMBER.replace(day=last), 100)
    with speaking(Language.RU):
        assert when(of, TODAY).replace("\u00a0", " ") == said


# --- the list and the chart ---------------------------------------------------------------------------------
def row(bill_id: int, month_on: date, total: int) -> BillRow:
    issued = next_month(month_on)
    return BillRow(bill_id, str(bill_id), 1, "", ServiceKind.INTERNET, month_on, issued, issued, total, 0, False)


def test_the_last_bill_that_changed_is_found_from_where_one_stands():
    months = [add_months(NOVEMBER, -back) for back in range(4)]
    bills = [row(place, on, total) for place, (on, total) in enumerate(zip(months, (700, 700, 700, 600), strict=True))]
    assert last_change(bills, bills[0]) is bills[2]
    assert last_change(bills, bills[2]) is bills[2]
    assert last_change(bills, bills[3]) is None


def test_the_chart_has_a_place_for_a_month_without_a_bill():
    bills = [row(2, NOVEMBER, 700), row(1, date(2026, 9, 1), 500)]
    of = {
        2: (BillLineRow(PLAN, 1, None, "", NOVEMBER, NOVEMBER, 600), BillLineRow(FINE, None, None, "", NOVEMBER, NOVEMBER, 100)),
        1: (BillLineRow(OPTION, None, 1, "", NOVEMBER, NOVEMBER, 500),),
    }
    assert by_parts(bills, of).to_numpy().tolist() == [
        [date(2026, 9, 1), 0, 500, 0],
        [date(2026, 10, 1), 0, 0, 0],
        [date(2026, 11, 1), 600, 0, 100],
    ]


def chart(*totals: int) -> pd.DataFrame:
    first = add_months(NOVEMBER, 1 - len(totals))
    rows = [(add_months(first, step), total, 0, 0) for step, total in enumerate(totals)]
    return pd.DataFrame(rows, columns=["month_on", "plan", "option", "once"])


@pytest.mark.parametrize(
    ("totals", "title"),
    [
        ((50_000, 50_000, 80_000), "В среднем 600 ₽ в месяц, самый большой счёт — за ноябрь 2026, 800 ₽"),
        ((50_000, 0, 80_000), "В среднем 650 ₽ в месяц, самый большой счёт — за ноябрь 2026, 800 ₽"),
        ((50_000, 80_000, 80_000), "В среднем 700 ₽ в месяц, от 500 ₽ до 800 ₽"),
        ((50_000, 50_000), "2 месяца подряд — по 500 ₽"),
    ],
)
def test_the_title_of_the_chart_says_what_a_month_costs(totals: tuple[int, ...], title: str):
    with speaking(Language.RU):
        seen = bills_by_month(chart(*totals), palette=tuple(f"#00000{place}" for place in range(7)), service="internet")
    assert seen.title.replace("\u00a0", " ") == title
    assert [trace.name for trace in seen.figure.data] == ["Тариф"]
    assert "ноябрь 2026" in seen.alt
