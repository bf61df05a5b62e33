"""The payments screen: what it says is what the ledger says, and its filters are in the address."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions.ledger import post
from db import reading, transaction
from db.engine import make_engine
from models import Attachment, Customer, Transfer
from queries.figures import accounting_month, month_begins_at
from queries.payments import OperationKind
from rules.periods import add_months
from rules.terms import CHARGE_CODES, Language, TransferCode
from seed.run import run
from tests.conftest import use_database
from tests.driver import Screen, customer_of, open_screen
from tests.money.world import World
from texts import money, speaking


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('payments') / 'demo.db'}"
    engine = make_engine(url)
    run(engine=engine, customers=14, months=26, seed=7, as_of=clock.today())
    engine.dispose()
    return url


@pytest.fixture(autouse=True)
def demo(seeded: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    made = use_database(seeded, monkeypatch)
    yield made
    made.dispose()


def of_ledger(codes: tuple[TransferCode, ...], *, months: int = 12, account_id: int | None = None) -> int:
    first = add_months(accounting_month(clock.now()), 1 - months)
    with reading() as db:
        query = (
            select(sa.func.sum(col(Transfer.amount_kopecks)))
            .join(Attachment, col(Attachment.billing_account_id) == col(Transfer.billing_account_id))
            .where(
                col(Attachment.customer_id) == customer_of("family"),
                col(Transfer.code).in_(codes),
                col(Transfer.occurred_at) >= month_begins_at(first),
            )
        )
        if account_id is not None:
            query = query.where(col(Transfer.billing_account_id) == account_id)
        return int(db.exec(query).one() or 0)


def accounts() -> list[int]:
    with reading() as db:
        order = select(Attachment.billing_account_id).where(col(Attachment.customer_id) == customer_of("family"))
        return list(db.exec(order.order_by(col(Attachment.position))))


def tile(screen: Screen, label: str) -> str:
    return next(metric.value for metric in screen.metric if metric.label == label)


def rows(screen: Screen) -> int:
    return len(screen.table[0].value)


@pytest.mark.parametrize(
    ("language", "title", "paid", "charged"),
    [(Language.RU, "Платежи и начисления", "Оплачено", "Начислено"), (Language.EN, "Payments and charges", "Paid", "Charged")],
)
def test_the_totals_are_the_ledgers(language: Language, title: str, paid: str, charged: str):
    screen = open_screen("payments", language=language)
    assert screen.title[0].value == title
    with speaking(language):
        assert tile(screen, paid) == money(of_ledger((TransferCode.TOP_UP,)))
        assert tile(screen, charged) == money(of_ledger(CHARGE_CODES))
    assert len(screen.get("plotly_chart")) == 3
    assert rows(screen) == 25


@pytest.mark.parametrize("language", list(Language))
def test_choosing_a_period_and_an_account_changes_the_totals_and_the_address(language: Language):
    screen, account_id = open_screen("payments", language=language), accounts()[1]
    screen.app.segmented_control(key="payments_period").set_value("3")
    screen.run()
    screen.app.selectbox(key="payments_account").set_value(account_id)
    screen.run()
    assert screen.app.query_params == {"period": "3", "account": str(account_id)}
    with speaking(language):
        said = money(of_ledger(CHARGE_CODES, months=3, account_id=account_id))
        assert tile(screen, "Начислено" if language is Language.RU else "Charged") == said


@pytest.mark.parametrize("language", list(Language))
def test_a_link_shows_the_same_in_either_language(language: Language):
    account_id = accounts()[0]
    query = {"period": "24", "account": str(account_id), "kinds": "charge", "from": "100", "page": "2"}
    screen = open_screen("payments", language=language, query=query)
    assert screen.app.segmented_control(key="payments_period").value == "24"
    assert screen.app.selectbox(key="payments_account").value == account_id
    assert screen.app.number_input(key="payments_least").value == 100
    assert screen.app.query_params == query
    first = open_screen("payments", language=language, query={**query, "page": "1"})
    assert not first.table[0].value.equals(screen.table[0].value)


@pytest.mark.parametrize(
    "query",
    [
        {"period": "99", "account": "999999", "kinds": "everything", "from": "-5", "to": "1e9", "page": "0"},
        {"account": "1' OR 1=1", "page": "99999999999999999999", "since": "2026-13", "period": "own"},
        {"page": "100000", "from": "٣"},
    ],
)
def test_an_address_that_means_nothing_is_put_right(query: dict[str, str]):
    screen = open_screen("payments", query=query)
    assert screen.metric
    assert screen.app.selectbox(key="payments_account").value == 0
    assert "from" not in screen.app.query_params


@pytest.mark.parametrize(("query", "stays"), [({}, "12"), ({"period": "24"}, "24")])
def test_no_period_at_all_is_the_one_before(query: dict[str, str], stays: str):
    screen = open_screen("payments", query=query)
    screen.app.segmented_control(key="payments_period").set_value(None)
    screen.run()
    assert screen.metric
    assert screen.app.query_params == query
    assert screen.app.segmented_control(key="payments_period").value == stays


def test_an_own_period_can_be_given_the_wrong_way_round():
    screen = open_screen("payments", query={"period": "own"})
    newest, older = screen.app.selectbox(key="payments_since").options[0], screen.app.selectbox(key="payments_since").options[2]
    screen.app.selectbox(key="payments_since").select(newest)
    screen.app.selectbox(key="payments_until").select(older)
    screen.run()
    assert not screen.exception
    assert screen.metric


def test_another_filter_begins_on_the_first_page():
    screen = open_screen("payments", query={"page": "3"})
    assert screen.app.query_params["page"] == "3"
    screen.app.pills(key="payments_kinds").set_value([OperationKind.CHARGE])
    screen.run()
    assert "page" not in screen.app.query_params
    assert all("−" in said for said in screen.table[0].value.iloc[:, -1])


@pytest.mark.parametrize("language", list(Language))
def test_filters_that_leave_nothing_say_so_and_can_be_dropped(language: Language):
    screen = open_screen("payments", language=language, query={"from": "900000"})
    assert ("нет" if language is Language.RU else "No operations") in screen.info[0].value
    assert not screen.metric
    screen.click("payments_reset")
    assert screen.metric
    assert screen.app.query_params == {}


def test_a_declined_attempt_is_told_with_its_reason_and_moves_no_money():
    screen = open_screen("payments", persona="student")
    said = " ".join(screen.table[0].value.iloc[:, 3])
    assert "Отклонено: срок карты истёк" in said
    declined = screen.table[0].value[screen.table[0].value.iloc[:, 3].str.contains("Отклонено")]
    assert all(sum_said.startswith(":gray[~~") for sum_said in declined.iloc[:, -1])


def test_names_that_people_gave_are_shown_as_typed():
    label = "*Дом* <b> [x](http://y)"
    with transaction() as db:
        attached = db.exec(select(Attachment).where(col(Attachment.customer_id) == customer_of("vip"))).first()
        assert attached is not None
        attached.label = label
        db.add(attached)
    screen = open_screen("payments", persona="vip", query={"account": str(attached.billing_account_id)})
    assert "\\*Дом\\*" in screen.table[0].value.iloc[0, 2]


@pytest.mark.parametrize("language", list(Language))
def test_who_has_no_accounts_is_told_what_will_be_here(language: Language):
    screen = open_screen("payments", persona="newcomer", language=language)
    assert screen.button("payments_to_accounts")
    assert not screen.metric


def test_an_account_without_operations_says_so():
    with transaction() as db:
        world = World(db)
        world.number = 900
        yesterday = clock.now() - timedelta(days=1)
        person = Customer(last_name="Ли", first_name="Ия", region_code="RU-MOW", registered_at=yesterday, welcomed_at=yesterday)
        account = world.account(world.save(person))
        assert account
    screen = open_screen("payments", customer_id=person.id)
    assert "Операций ещё не было" in screen.info[0].value


def test_a_new_operation_shows_at_once():
    account_id = accounts()[1]
    screen = open_screen("payments", query={"account": str(account_id)})
    before, count = tile(screen, "Начислено"), screen.table[0].value.iloc[0, 0]
    with transaction() as db:
        post(db, account_id=account_id, code=TransferCode.ONE_OFF, amount_kopecks=12_345, key="now", occurred_at=clock.now())
    screen.run()
    assert tile(screen, "Начислено") != before
    assert screen.table[0].value.iloc[0, 0] != count
    assert screen.table[0].value.iloc[0, -1].endswith("123,45\u00a0₽")
