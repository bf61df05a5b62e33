"""The monthly figures are the ledger, summed up: compared with a plain sum in Python over every stored row."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from db import reading, transaction
from jobs.figures import refresh
from models import (
    AuditEntry,
    AutopayRule,
    AutopayRun,
    BillingAccount,
    Customer,
    LedgerAccount,
    MonthlyFigure,
    Option,
    Payment,
    PaymentPart,
    PortalVisit,
    SavedCard,
    Subscription,
    Transfer,
)
from queries.figures import Measure, accounting_month, month_begins_at, rebuild
from rules.periods import add_months, month_end, month_start, months_between
from rules.terms import (
    CHARGE_CODES,
    AccountStatus,
    AutopayAmount,
    AutopayResult,
    AutopayState,
    AutopayTrigger,
    BillingMode,
    CardBrand,
    DeclineReason,
    LedgerKind,
    OptionGroup,
    Outcome,
    PaymentMethod,
    PaymentState,
    Role,
    ServiceKind,
    TransferCode,
)

TODAY = date(2026, 11, 22)
FIRST = date(2026, 6, 1)
REGIONS = ("RU-MOW", "RU-KAM", "RU-SVE")


def a_history(seed: int = 1) -> None:
    """Half a year of 30 people with everything in it that is counted; moments crowd around the ends of months."""
    rng = Random(seed)

    def moment() -> datetime:
        at = month_begins_at(add_months(FIRST, rng.randrange(6))) + timedelta(
            hours=rng.randrange(-30, 30), minutes=rng.randrange(60)
        )
        return at if rng.random() < 0.5 else at + timedelta(days=rng.randrange(21))

    def day() -> date:
        return (
            TODAY if rng.random() < 0.1 else add_months(FIRST, rng.randrange(-3, 6)) + timedelta(days=rng.choice([0, 0, 10, 20]))
        )

    with transaction() as db:
        gateway, revenue = LedgerAccount(kind=LedgerKind.GATEWAY), LedgerAccount(kind=LedgerKind.REVENUE)
        options = [
            Option(code=code, service=ServiceKind.MOBILE, group=OptionGroup.CALLS, name_ru=code, name_en=code)
            for code in ("more", "less")
        ]
        people = [
            Customer(
                last_name="Л",
                first_name="И",
                region_code=rng.choice(REGIONS),
                registered_at=moment() if number % 3 else None,
                role=Role.ANALYST if number == 29 else Role.CUSTOMER,
            )
            for number in range(30)
        ]
        db.add_all([gateway, revenue, *options, *people])
        db.flush()
        accounts = []
        for number, person in enumerate(people[:28] * 2):
            closed = day() if rng.random() < 0.2 else None
            opened = min(day(), closed or TODAY)
            accounts.append(
                BillingAccount(
                    number=f"{number:010d}",
                    holder_id=person.id,
                    service=rng.choice(list(ServiceKind)),
                    mode=BillingMode.PREPAID,
                    status=AccountStatus.CLOSED if closed else AccountStatus.ACTIVE,
                    status_since_on=opened,
                    region_code=rng.choice(REGIONS),
                    opened_on=opened,
                    closed_on=closed,
                )
            )
        db.add_all(accounts)
        db.flush()
        money = {account.id: LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=account.id) for account in accounts}
        db.add_all(money.values())
        db.flush()

        def transfer(
            account: BillingAccount, amount: int, code: TransferCode, at: datetime, payment_id: int | None = None
        ) -> None:
            mine, other = money[account.id], gateway if code is TransferCode.TOP_UP else revenue
            up = code is TransferCode.TOP_UP
            db.add(
                Transfer(
                    billing_account_id=account.id,
                    debit_id=other.id if up else mine.id,
                    credit_id=mine.id if up else other.id,
                    amount_kopecks=amount,
                    code=code,
                    key=str(rng.random()),
                    occurred_at=at,
                    payment_id=payment_id,
                )
            )
            mine.balance_kopecks += amount if up else -amount

        for number in range(250):
            method, at, declined = rng.choice(list(PaymentMethod)), moment(), rng.random() < 0.2
            parts = rng.sample(accounts, rng.choice([1, 1, 1, 3]))
            sums = [rng.randrange(1, 99999) for _ in parts]
            state = PaymentState.DECLINED if declined else PaymentState.PENDING if number % 40 == 0 else PaymentState.SUCCEEDED
            payment = Payment(
                payer_id=None if method is PaymentMethod.CASH else rng.choice(people).id,
                amount_kopecks=sum(sums),
                method=method,
                state=state,
                key=str(number),
                created_at=at,
                settled_at=None if state is PaymentState.PENDING else at,
                decline_reason=DeclineReason.BANK_REFUSED if declined else None,
            )
            db.add(payment)
            db.flush()
            for account, amount in zip(parts, sums, strict=True):
                db.add(PaymentPart(payment_id=payment.id, billing_account_id=account.id, amount_kopecks=amount))
                if state is PaymentState.SUCCEEDED:
                    transfer(account, amount, TransferCode.TOP_UP, at, payment.id)
        for account in accounts:
            for _ in range(8):
                transfer(
                    account,
                    rng.randrange(1, 99999),
                    rng.choice([*CHARGE_CODES, TransferCode.BONUS_SPENT, TransferCode.REFUND]),
                    moment(),
                )
            for option in options:
                started = day()
                ended = started + timedelta(days=rng.randrange(90)) if rng.random() < 0.6 else None
                ended = None if ended is not None and ended > TODAY else ended
                db.add(Subscription(billing_account_id=account.id, option_id=option.id, started_on=started, ended_on=ended))
        card = SavedCard(
            customer_id=people[0].id,
            token="t",
            brand=CardBrand.MIR,
            last_four="1234",
            expires_on=TODAY,
            added_at=month_begins_at(FIRST),
        )
        db.add(card)
        db.flush()
        for number, account in enumerate(accounts[:30]):
            created = moment()
            state = rng.choice(list(AutopayState))
            rule = AutopayRule(
                customer_id=people[0].id,
                billing_account_id=account.id if number % 2 else accounts[number - 1].id,
                card_id=card.id,
                trigger=AutopayTrigger.BILL if number % 2 else AutopayTrigger.THRESHOLD,
                threshold_kopecks=None if number % 2 else 100,
                amount_kind=AutopayAmount.FIXED,
                amount_kopecks=100,
                state=state,
                consent_at=created,
                created_at=created,
                changed_at=max(created, moment()),
            )
            db.add(rule)
            db.flush()
            for attempt in range(3):
                at = moment()
                db.add(
                    AutopayRun(
                        rule_id=rule.id,
                        billing_account_id=rule.billing_account_id,
                        period="p",
                        attempt=attempt,
                        due_on=at.date(),
                        ran_at=at,
                        result=rng.choice(list(AutopayResult)),
                    )
                )
        for _ in range(300):
            db.add(PortalVisit(customer_id=rng.choice(people).id, screen=rng.choice(["home", "payments"]), at=moment()))
        for number in range(60):
            db.add(
                AuditEntry(
                    at=moment(),
                    customer_id=rng.choice(people).id if number % 2 else None,
                    billing_account_id=rng.choice(accounts).id if number % 4 else None,
                    action="pay",
                    outcome=rng.choice(list(Outcome)),
                    reason=rng.choice(["not_allowed", "card_unusable"]),
                )
            )


def counted_by_hand(db: Session, months: list[date]) -> Counter[tuple[date, str, Measure, str]]:
    """Every figure but COUNTED_AT, by plain loops over all rows."""
    found: Counter[tuple[date, str, Measure, str]] = Counter()
    accounts = {account.id: account for account in db.exec(select(BillingAccount))}
    people = {person.id: person for person in db.exec(select(Customer))}
    options = {option.id: option for option in db.exec(select(Option))}
    payments = {payment.id: payment for payment in db.exec(select(Payment))}
    first_part: dict[int, int] = {}
    for part in db.exec(select(PaymentPart)):
        first_part[part.payment_id] = min(part.billing_account_id, first_part.get(part.payment_id, part.billing_account_id))

    def add(at: datetime | date, region: str, measure: Measure, part: str, value: int = 1) -> None:
        month = accounting_month(at) if isinstance(at, datetime) else month_start(at)
        if month in months:
            found[month, region, measure, part] += value

    for moved in db.exec(select(Transfer)):
        account = accounts[moved.billing_account_id]
        if moved.code is TransferCode.TOP_UP:
            add(
                moved.occurred_at,
                account.region_code,
                Measure.PAID,
                payments[moved.payment_id].method.value,
                moved.amount_kopecks,
            )
        elif moved.code.is_charge:
            add(moved.occurred_at, account.region_code, Measure.CHARGED, account.service.value, moved.amount_kopecks)
    for payment in payments.values():
        region = accounts[first_part[payment.id]].region_code
        if payment.state is not PaymentState.PENDING:
            measure = Measure.PAYMENTS if payment.state is PaymentState.SUCCEEDED else Measure.DECLINED
            add(payment.settled_at, region, measure, payment.method.value)
    for held in db.exec(select(LedgerAccount).where(LedgerAccount.kind == LedgerKind.CUSTOMER)):
        if held.balance_kopecks < 0:
            add(TODAY, accounts[held.billing_account_id].region_code, Measure.OVERDUE, "", -held.balance_kopecks)
    for month in months:
        end = min(month_end(month), TODAY)
        ends_at = month_begins_at(add_months(month, 1))
        for account in accounts.values():
            if account.opened_on <= end and (account.closed_on is None or account.closed_on > end):
                add(month, account.region_code, Measure.ACCOUNTS, account.service.value)
        for person in people.values():
            if person.role is Role.CUSTOMER and person.registered_at and person.registered_at < ends_at:
                add(month, person.region_code, Measure.CUSTOMERS, "")
        working = {
            rule.billing_account_id
            for rule in db.exec(select(AutopayRule))
            if rule.created_at < ends_at and (rule.state is AutopayState.ACTIVE or rule.changed_at >= ends_at)
        }
        for account_id in working:
            add(month, accounts[account_id].region_code, Measure.AUTOPAY_ACCOUNTS, "")
    for held in db.exec(select(Subscription)):
        region, code = accounts[held.billing_account_id].region_code, options[held.option_id].code
        for month in months:
            end = min(month_end(month), TODAY)
            if held.started_on <= end and (held.ended_on is None or held.ended_on > end):
                add(month, region, Measure.OPTION_ACTIVE, code)
        if held.started_on <= TODAY:
            add(held.started_on, region, Measure.OPTION_CONNECTED, code)
        if held.ended_on and held.ended_on <= TODAY:
            add(held.ended_on, region, Measure.OPTION_DISCONNECTED, code)
    for person in people.values():
        if person.role is Role.CUSTOMER and person.registered_at:
            add(person.registered_at, person.region_code, Measure.NEW_CUSTOMERS, "")
    for run in db.exec(select(AutopayRun)):
        add(run.ran_at, accounts[run.billing_account_id].region_code, Measure.AUTOPAY_RUNS, run.result.value)
    seen = set()
    for visit in db.exec(select(PortalVisit)):
        person = people[visit.customer_id]
        if person.role is Role.CUSTOMER:
            add(visit.at, person.region_code, Measure.VISITS, visit.screen)
            seen.add((accounting_month(visit.at), person.id))
    for month, person_id in seen:
        add(month, people[person_id].region_code, Measure.VISITORS, "")
    for entry in db.exec(select(AuditEntry)):
        if entry.outcome is Outcome.REFUSED:
            person, account = people.get(entry.customer_id), accounts.get(entry.billing_account_id)
            region = person.region_code if person else account.region_code if account else ""
            add(entry.at, region, Measure.REFUSALS, entry.reason)
    return +found


def stored(db: Session) -> dict[tuple[date, str, Measure, str], int]:
    rows = db.exec(select(MonthlyFigure).where(MonthlyFigure.measure != Measure.COUNTED_AT))
    return {(row.month_on, row.region_code, Measure(row.measure), row.part): row.value for row in rows}


def recount(engine: sa.Engine, months: list[date] | None = None, today: date = TODAY) -> int:
    with engine.execution_options(writes=True).begin() as connection:
        return rebuild(connection, months=months, today=today)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_of_every_month_equals_the_sum_over_the_ledger_and_the_other_tables(db: sa.Engine, seed: int) -> None:
    a_history(seed)
    recount(db)
    with reading() as session:
        figures = stored(session)
        months = months_between(min(month for month, *_ in figures), TODAY)
        assert figures == dict(counted_by_hand(session, months))
        assert {measure for _, _, measure, _ in figures} == set(Measure) - {Measure.COUNTED_AT}


def test_money_paid_and_charged_adds_up_to_every_transfer_there_is(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with reading() as session:
        figures = stored(session)
        for measure, codes in ((Measure.PAID, [TransferCode.TOP_UP]), (Measure.CHARGED, CHARGE_CODES)):
            ledger = session.exec(select(sa.func.sum(Transfer.amount_kopecks)).where(sa.column("code").in_(codes))).one()
            assert sum(value for (_, _, found, _), value in figures.items() if found is measure) == int(ledger) > 0


def test_an_hour_before_moscow_midnight_belongs_to_the_old_month_and_midnight_to_the_new_one(db: sa.Engine) -> None:
    assert accounting_month(datetime(2026, 10, 31, 20, 59, 59, tzinfo=UTC)) == date(2026, 10, 1)
    assert accounting_month(datetime(2026, 10, 31, 21, 0, tzinfo=UTC)) == date(2026, 11, 1)
    with transaction() as session:
        person = Customer(last_name="Л", first_name="И", region_code="RU-KAM")
        session.add(person)
        session.flush()
        for minute, screen in ((59, "before"), (60, "after")):
            at = datetime(2026, 10, 31, 20, 0, tzinfo=UTC) + timedelta(minutes=minute)
            session.add(PortalVisit(customer_id=person.id, screen=screen, at=at))
    recount(db)
    with reading() as session:
        visits = {part: month for (month, _, measure, part), _ in stored(session).items() if measure is Measure.VISITS}
    assert visits == {"before": date(2026, 10, 1), "after": date(2026, 11, 1)}


def test_counting_twice_or_month_by_month_changes_nothing(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with reading() as session:
        before = stored(session)
    recount(db)
    for month in sorted({month for month, *_ in before}):
        recount(db, [month])
    recount(db, [date(2026, 7, 1), date(2026, 9, 1), date(2026, 10, 1)])
    with reading() as session:
        assert stored(session) == before


def test_a_recount_replaces_what_was_wrong_and_leaves_other_months_alone(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with transaction() as session:
        for month in (date(2026, 9, 1), date(2026, 10, 1)):
            session.add(MonthlyFigure(month_on=month, region_code="RU-AMU", measure=Measure.PAID, part="cash", value=1))
    recount(db, [date(2026, 10, 1)])
    with reading() as session:
        wrong = [month for (month, region, *_), _ in stored(session).items() if region == "RU-AMU"]
    assert wrong == [date(2026, 9, 1)]


def test_the_refresh_recounts_this_month_and_the_last_and_keeps_what_was_owed_when_a_month_ended(db: sa.Engine) -> None:
    a_history()
    recount(db)
    with transaction() as session:
        for month in (date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)):
            session.add(MonthlyFigure(month_on=month, region_code="RU-AMU", measure=Measure.PAID, part="cash", value=1))
    refresh(datetime(2026, 11, 30, 21, 0, tzinfo=UTC))
    with reading() as session:
        figures = stored(session)
    owed = {month for (month, _, measure, _) in figures if measure is Measure.OVERDUE}
    wrong = [month for (month, region, *_) in figures if region == "RU-AMU"]
    assert owed == {date(2026, 11, 1), date(2026, 12, 1)}
    assert wrong == [date(2026, 10, 1)]


def test_months_to_come_have_no_figures_and_an_empty_database_is_counted_without_a_fuss(db: sa.Engine) -> None:
    assert recount(db, [date(2027, 1, 1)]) == 0
    assert recount(db) == 1  # only when it was counted
