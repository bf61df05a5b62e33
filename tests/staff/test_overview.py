"""The overview answers analysts with the ledger's own numbers, and nobody else at all."""

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from db import reading, transaction
from models import BillingAccount, Customer, Payment, PortalVisit, Subscription, Transfer
from queries.figures import month_begins_at
from queries.overview import counted_at, counted_months, overview, regions
from rules.periods import add_months, next_month
from rules.refusals import NotAllowed
from rules.terms import CHARGE_CODES, Language, PaymentMethod, Role, TransferCode
from rules.visitor import Visitor
from tests.staff.test_figures import REGIONS, TODAY, a_history, recount

LAST = date(2026, 11, 1)


def somebody(role: Role) -> Visitor:
    return Visitor(
        customer_id=1,
        session_id=1,
        role=role,
        first_name="И",
        language=Language.RU,
        region_code="RU-MOW",
        time_zone="Europe/Moscow",
    )


ANALYST = somebody(Role.ANALYST)


def moved(db: sa.Engine, codes: tuple[TransferCode, ...], first: date, last: date, *where: sa.ColumnElement[bool]) -> int:
    """What the ledger says, asked directly."""
    with reading() as session:
        query = (
            select(sa.func.coalesce(sa.func.sum(Transfer.amount_kopecks), 0))
            .join(BillingAccount, col(BillingAccount.id) == col(Transfer.billing_account_id))
            .outerjoin(Payment, col(Payment.id) == col(Transfer.payment_id))
            .where(
                col(Transfer.code).in_(codes),
                Transfer.occurred_at >= month_begins_at(first),
                Transfer.occurred_at < month_begins_at(next_month(last)),
                *where,
            )
        )
        return int(session.exec(query).one())


@pytest.mark.parametrize(
    ("first", "region_codes"),
    [(date(2026, 9, 1), ()), (date(2026, 9, 1), REGIONS[:1]), (date(2026, 9, 1), REGIONS[1:]), (date(2026, 7, 1), REGIONS)],
)
def test_paid_charged_and_their_parts_agree_with_the_ledger_to_the_kopeck(
    db: sa.Engine, first: date, region_codes: tuple[str, ...]
) -> None:
    a_history()
    recount(db)
    with reading() as session:
        seen = overview(session, visitor=ANALYST, first=first, last=LAST, region_codes=region_codes)
    here = (col(BillingAccount.region_code).in_(region_codes),) if region_codes else ()
    assert seen.paid.now == moved(db, (TransferCode.TOP_UP,), first, LAST, *here) == seen.months["paid"].sum()
    assert seen.charged.now == moved(db, CHARGE_CODES, first, LAST, *here) == seen.months["charged"].sum()
    for method in PaymentMethod:
        assert seen.methods[method.value].sum() == moved(
            db, (TransferCode.TOP_UP,), first, LAST, col(Payment.method) == method, *here
        )
    for month in seen.months.index:
        assert seen.months.loc[month, "paid"] == moved(db, (TransferCode.TOP_UP,), month, month, *here)


def test_change_is_against_the_equal_period_before_and_missing_where_that_was_never_counted(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with reading() as session:
        short = overview(session, visitor=ANALYST, first=date(2026, 9, 1), last=LAST, region_codes=())
        long = overview(session, visitor=ANALYST, first=add_months(LAST, -11), last=LAST, region_codes=())
    assert short.paid.before == moved(db, (TransferCode.TOP_UP,), date(2026, 6, 1), date(2026, 8, 1))
    assert short.paid.share == pytest.approx(short.paid.now / short.paid.before - 1)
    assert short.accounts.before is not None
    assert short.owed.before is None
    assert long.paid.before is None
    assert long.paid.share is None


def test_a_take_up_of_options_is_the_live_subscriptions_and_shares_are_of_open_contracts(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with reading() as session:
        seen = overview(session, visitor=ANALYST, first=date(2026, 9, 1), last=LAST, region_codes=())
        live = session.exec(select(sa.func.count()).where(col(Subscription.ended_on).is_(None))).one()
        started = session.exec(select(sa.func.count()).where(col(Subscription.started_on) >= date(2026, 9, 1))).one()
        mobile = session.exec(
            select(sa.func.count())
            .select_from(BillingAccount)
            .where(BillingAccount.service == "mobile", BillingAccount.status == "active")
        ).one()
    assert seen.options["active"].sum() == live
    assert seen.options["connected"].sum() == started
    assert seen.options["share"].iloc[0] == pytest.approx(seen.options["active"].iloc[0] / mobile)
    assert seen.accounts.now == seen.services.iloc[-1].sum() == seen.months["accounts"].iloc[-1]
    assert seen.arpu.now == pytest.approx(seen.months["charged"].sum() / seen.months["accounts"].sum())


def test_regions_add_up_to_everywhere(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with reading() as session:
        parts = [
            overview(session, visitor=ANALYST, first=date(2026, 9, 1), last=LAST, region_codes=[region]) for region in REGIONS
        ]
        whole = overview(session, visitor=ANALYST, first=date(2026, 9, 1), last=LAST, region_codes=REGIONS)
        everywhere = overview(session, visitor=ANALYST, first=date(2026, 9, 1), last=LAST, region_codes=())
    assert sum(part.months for part in parts)[["paid", "charged", "visitors", "accounts"]].equals(
        whole.months[["paid", "charged", "visitors", "accounts"]]
    )
    assert everywhere.months.equals(whole.months)
    # Strangers' attempts have no region: only the whole country knows them.
    assert everywhere.refusals["refusals"].sum() > whole.refusals["refusals"].sum()


def test_a_region_without_data_is_empty_and_not_an_error(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with reading() as session:
        seen = overview(session, visitor=ANALYST, first=date(2026, 9, 1), last=LAST, region_codes=["RU-CHU"])
    assert seen.is_empty
    assert seen.counted_at is not None


def test_counting_again_is_noticed(db: sa.Engine) -> None:
    with reading() as session:
        assert counted_at(session, visitor=ANALYST, first=LAST, last=LAST) is None
    recount(db)
    with reading() as session:
        once = counted_at(session, visitor=ANALYST, first=add_months(LAST, -11), last=LAST)
    recount(db)
    with reading() as session:
        again = counted_at(session, visitor=ANALYST, first=add_months(LAST, -11), last=LAST)
    assert datetime(2026, 1, 1, tzinfo=UTC) < once < again


def test_a_customer_reaches_nothing_of_it(db: sa.Engine) -> None:
    a_history()
    recount(db)
    customer = somebody(Role.CUSTOMER)
    with reading() as session:
        for ask in (
            lambda: overview(session, visitor=customer, first=LAST, last=LAST),
            lambda: counted_at(session, visitor=customer, first=LAST, last=LAST),
            lambda: counted_months(session, visitor=customer),
            lambda: regions(session, visitor=customer, language=Language.RU),
        ):
            with pytest.raises(NotAllowed):
                ask()


def test_the_overview_never_reads_the_ledger(db: sa.Engine) -> None:
    a_history()
    recount(db)
    asked: list[str] = []
    sa.event.listen(db, "before_cursor_execute", lambda _c, _cur, statement, *_: asked.append(statement.lower().replace('"', "")))
    with reading() as session:
        overview(session, visitor=somebody(Role.ADMINISTRATOR), first=date(2026, 9, 1), last=LAST, region_codes=())
    tables = ("monthly_figure", "option")
    assert asked
    assert all(any(f"from {table}" in statement for table in tables) for statement in asked if "select" in statement)


def test_months_without_anything_are_shown_as_zero_and_keep_their_place(db: sa.Engine) -> None:
    with transaction() as session:
        person = Customer(last_name="Л", first_name="И", region_code="RU-MOW", registered_at=datetime(2026, 9, 5, tzinfo=UTC))
        session.add(person)
        session.flush()
        session.add(PortalVisit(customer_id=person.id, screen="home", at=datetime(2026, 10, 5, tzinfo=UTC)))
    recount(db)
    with reading() as session:
        assert counted_months(session, visitor=ANALYST) == (date(2026, 10, 1), LAST)
        seen = overview(session, visitor=ANALYST, first=date(2026, 8, 15), last=TODAY, region_codes=())
    assert list(seen.months.index) == [date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)]
    assert list(seen.months["visitors"]) == [0, 0, 1, 0]
    assert list(seen.months["customers"]) == [0, 0, 1, 1]
    assert not seen.methods.to_numpy().any()
