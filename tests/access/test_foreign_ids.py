"""Nobody reaches what is not theirs: every action and every query, called by a stranger with another person's ids.

New actions and queries join by themselves: the ids are found by the names of their parameters (`account_id`, `rule_id` …),
the rest is filled in by type. A parameter that this file cannot fill fails the test, so that it is taught, not skipped.
"""

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

import actions
import queries
from actions import ACTIONS, perform
from db import reading, transaction
from models import (
    AttachCode,
    Attachment,
    AuditEntry,
    AutopayRule,
    Bill,
    Biller,
    BillerField,
    BillingAccount,
    Customer,
    DataExport,
    ExternalIdentity,
    LedgerAccount,
    LoginSession,
    Option,
    OptionPrice,
    Order,
    Payment,
    PaymentPart,
    Proof,
    SavedCard,
    Subscription,
    Table,
    UtilityTemplate,
)
from rules.refusals import Refusal
from rules.terms import (
    AutopayAmount,
    AutopayTrigger,
    BillerCategory,
    BillerFieldKind,
    BillingMode,
    CardBrand,
    ExportState,
    GatewayName,
    Language,
    LedgerKind,
    OptionGroup,
    OrderKind,
    OrderState,
    Outcome,
    PaymentMethod,
    PaymentState,
    ProofKind,
    Recurrence,
    Right,
    Role,
    ServiceKind,
)
from rules.visitor import Visitor

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)
SECRET = "Сокровенное"
"""In every text of the owner's rows: it must not turn up in anything a stranger gets."""

for package in (actions, queries):
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")

FREE_ACTIONS = {
    "enter_as_persona": "before anybody is signed in",
    "sign_in": "before anybody is signed in",
    "redeem_ticket": "the ticket is the proof",
    "enter_with_identity": "before anybody is signed in; the identity was proven",
    "second_step": "the proof's id never leaves the server, and a code is needed",
    "register": "before anybody is signed in",
    "resend_confirmation": "before anybody is signed in; goes to the typed e-mail only",
    "confirm_registration": "the token is the proof",
    "request_reset": "before anybody is signed in; goes to the typed contact only",
    "reset_by_link": "the token is the proof",
    "reset_by_code": "the code is the proof",
    "sign_out": "ends one's own session, whoever asks",
    "end_all_other_sessions": "one's own sessions",
    "choose_language": "one's own language",
    "answer_questions": "one's own answers and region",
    "change_consent": "one's own answer",
    "change_region": "one's own region",
    "order_export": "one's own data",
    "keep_account": "one's own portal account",
    "move_clock": "a demo only; anybody at it may",
    "catch_up": "a demo only; anybody at it may",
    "begin_card_setup": "one's own card, typed at the bank",
    "choose_notice": "what one is told of oneself",
    "read_notices": "one's own notices",
    "unsubscribe": "the signed link is the proof",
    "request_attach_code": "names an account by number and discloses nothing; its own tests say so",
}


def _visitor(customer: Customer, session_id: int, role: Role = Role.CUSTOMER) -> Visitor:
    return Visitor(
        customer_id=customer.id,
        session_id=session_id,
        role=role,
        first_name=customer.first_name,
        language=Language.RU,
        region_code="RU-MOW",
        time_zone="Europe/Moscow",
    )


class World:
    """An owner with one of everything, a relative who may only look, and a stranger with nothing."""

    def __init__(self, db: Session) -> None:
        def save(row: Any) -> Any:
            db.add(row)
            db.flush()
            return row

        def person(name: str) -> Customer:
            return save(Customer(last_name=SECRET, first_name=name, region_code="RU-MOW", registered_at=NOW))

        def session(customer: Customer) -> LoginSession:
            return save(LoginSession(customer_id=customer.id, opened_at=NOW, expires_at=datetime(2030, 1, 1, tzinfo=UTC)))

        self.owner, self.relative, self.stranger, self.former = (person(n) for n in ("Анна", "Пётр", "Олег", "Вера"))
        account = save(
            BillingAccount(
                number="9000000018",
                holder_id=self.owner.id,
                service=ServiceKind.MOBILE,
                mode=BillingMode.POSTPAID,
                status_since_on=TODAY,
                region_code="RU-MOW",
                address=SECRET,
                contact_email="secret@kabinet.example",
                opened_on=date(2025, 1, 1),
            )
        )
        save(LedgerAccount(kind=LedgerKind.CUSTOMER, billing_account_id=account.id))
        attachment = save(
            Attachment(
                customer_id=self.owner.id, billing_account_id=account.id, right=Right.MANAGE, label=SECRET, attached_at=NOW
            )
        )
        save(Attachment(customer_id=self.relative.id, billing_account_id=account.id, right=Right.VIEW, attached_at=NOW))
        save(
            Attachment(
                customer_id=self.former.id, billing_account_id=account.id, right=Right.MANAGE, attached_at=NOW, detached_at=NOW
            )
        )
        option = save(
            Option(
                code="extra",
                service=ServiceKind.MOBILE,
                group=OptionGroup.CALLS,
                recurrence=Recurrence.MONTHLY,
                name_ru="О",
                name_en="O",
            )
        )
        save(OptionPrice(option_id=option.id, valid_from_on=date(2024, 1, 1), price_kopecks=0))
        save(Subscription(billing_account_id=account.id, option_id=option.id, started_on=date(2025, 1, 1)))
        order = save(
            Order(
                billing_account_id=account.id,
                option_id=option.id,
                placed_by_id=self.owner.id,
                kind=OrderKind.DISCONNECT,
                state=OrderState.ACCEPTED,
                key="k",
                now_kopecks=0,
                monthly_kopecks=0,
                effective_on=date(2030, 1, 1),
                placed_at=NOW,
                due_at=datetime(2030, 1, 1, tzinfo=UTC),
            )
        )
        card = save(
            SavedCard(
                customer_id=self.owner.id,
                token="t",
                brand=CardBrand.MIR,
                last_four="4417",
                expires_on=date(2030, 1, 31),
                label=SECRET,
                added_at=NOW,
            )
        )
        rule = save(
            AutopayRule(
                customer_id=self.owner.id,
                billing_account_id=account.id,
                card_id=card.id,
                trigger=AutopayTrigger.MONTHLY,
                day_of_month=5,
                amount_kind=AutopayAmount.FIXED,
                amount_kopecks=50_000,
                consent_at=NOW,
                created_at=NOW,
                changed_at=NOW,
            )
        )
        code = save(
            AttachCode(
                customer_id=self.owner.id,
                billing_account_id=account.id,
                code_hash="0" * 64,
                sent_to="a•••@x",
                sent_at=NOW,
                expires_at=datetime(2030, 1, 1, tzinfo=UTC),
                tries_left=5,
            )
        )
        export = save(
            DataExport(
                customer_id=self.owner.id,
                state=ExportState.READY,
                percent=100,
                archive=SECRET.encode(),
                requested_at=NOW,
                finished_at=NOW,
                expires_at=datetime(2030, 1, 1, tzinfo=UTC),
            )
        )
        identity = save(
            ExternalIdentity(
                customer_id=self.owner.id, provider="id", issuer="000000", subject="000000", shown_as=SECRET, bound_at=NOW
            )
        )
        proof = save(
            Proof(
                kind=ProofKind.CHANGE_EMAIL,
                customer_id=self.owner.id,
                target="secret@kabinet.example",
                secret_hash="0" * 64,
                created_at=NOW,
                expires_at=datetime(2030, 1, 1, tzinfo=UTC),
            )
        )
        biller = save(
            Biller(
                code="b", category=BillerCategory.POWER, name_ru="Э", name_en="E", inn="1", least_kopecks=100, most_kopecks=10**6
            )
        )
        asked = {"kind": BillerFieldKind.PAYER_CODE, "label_ru": "Счёт", "label_en": "Account", "longest": 12}
        save(BillerField(biller_id=biller.id, code="account", **asked))
        template = save(
            UtilityTemplate(
                customer_id=self.owner.id, biller_id=biller.id, name=SECRET, fields={"account": SECRET}, created_at=NOW
            )
        )
        bill = save(
            Bill(
                billing_account_id=account.id,
                number=SECRET,
                month_on=date(2026, 10, 1),
                issued_on=date(2026, 11, 1),
                due_on=TODAY,
                total_kopecks=0,
            )
        )
        payment = save(
            Payment(
                payer_id=self.owner.id,
                amount_kopecks=50_000,
                method=PaymentMethod.SAVED_CARD,
                state=PaymentState.SUCCEEDED,
                card_id=card.id,
                key="k",
                created_at=NOW,
                settled_at=NOW,
                gateway=GatewayName.TEST_BANK,
                gateway_ref=SECRET,
            )
        )
        save(PaymentPart(payment_id=payment.id, billing_account_id=account.id, amount_kopecks=50_000))
        self.ids = {
            "bill_id": bill.id,
            "payment_id": payment.id,
            "biller_id": biller.id,
            "template_id": template.id,
            "external_identity_id": identity.id,
            "export_id": export.id,
            "account_id": account.id,
            "attachment_id": attachment.id,
            "order_id": order.id,
            "option_id": option.id,
            "card_id": card.id,
            "rule_id": rule.id,
            "attach_code_id": code.id,
            "proof_id": proof.id,
            "login_session_id": session(self.owner).id,
            "session_id": session(self.owner).id,
            "customer_id": self.owner.id,
        }
        self.visitors = {
            "stranger": _visitor(self.stranger, session(self.stranger).id),
            "former relative": _visitor(self.former, session(self.former).id),
            "relative who may look": _visitor(self.relative, session(self.relative).id),
            "analyst": _visitor(self.stranger, session(self.stranger).id, Role.ANALYST),
        }


@pytest.fixture
def world(db: sa.Engine) -> World:
    with transaction() as session:
        return World(session)


def _fill(name: str, annotation: Any, world: World) -> Any:
    """Something believable for a parameter: somebody else's row for an id, else by type."""
    if name in world.ids:
        return world.ids[name]
    if name in ("account_ids", "billing_account_ids"):
        return (world.ids["account_id"],)
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
        origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return typing.get_args(annotation)[0]
    base = origin or annotation
    if inspect.isclass(base) and issubclass(base, enum.Enum):
        return next(iter(base))
    if dataclasses.is_dataclass(base):
        fields = typing.get_type_hints(base)
        return base(**{field.name: _fill(field.name, fields[field.name], world) for field in dataclasses.fields(base)})
    if inspect.isclass(base) and issubclass(base, Mapping):
        return {world.ids["account_id"]: 10_000} if name == "parts" else {}
    if base is bool:
        return True
    if base is int:
        return 1 if "month" in name or "day" in name or "page" in name else 10_000
    if base is str:
        return "Europe/Moscow" if "zone" in name else "000000"
    if base is date:
        return TODAY
    if base is datetime:
        return NOW
    if (
        (inspect.isclass(base) and issubclass(base, (tuple, list, set, frozenset)))
        or "Sequence" in str(base)
        or "Collection" in str(base)
    ):
        return ()
    pytest.fail(f"teach _fill() about {name}: {annotation}")


def _arguments(function: Callable[..., Any], world: World) -> dict[str, Any]:
    hints = typing.get_type_hints(function)
    given = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ("db", "visitor"):
            continue
        required = parameter.default is inspect.Parameter.empty
        if required or name in world.ids:
            given[name] = _fill(name, hints.get(name, str), world)
    return given


def _everything(db: Session) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but the traces that a refusal leaves."""
    left_out = {AuditEntry.__tablename__, "throttle", "portal_visit"}
    return {
        table.name: sorted(map(tuple, db.execute(sa.select(table)).all()), key=repr)
        for table in Table.metadata.sorted_tables
        if table.name not in left_out
    }


GUARDED = sorted(name for name in ACTIONS if name not in FREE_ACTIONS)


def test_the_matrix_is_not_empty():
    assert len(GUARDED) >= 8


@pytest.mark.parametrize("who", ["stranger", "former relative", "analyst"])
@pytest.mark.parametrize("name", GUARDED)
def test_an_action_on_what_is_not_theirs_is_refused_and_changes_nothing(world: World, name: str, who: str):
    act = ACTIONS[name]
    with reading() as db:
        before = _everything(db)
    with pytest.raises(Refusal):
        perform(act, visitor=world.visitors[who], **_arguments(act, world))
    with reading() as db:
        assert _everything(db) == before
        entry = db.exec(select(AuditEntry)).one()
        assert (entry.action, entry.outcome) == (name, Outcome.REFUSED)


@pytest.mark.parametrize("name", [n for n in GUARDED if "account_id" in inspect.signature(ACTIONS[n]).parameters])
def test_who_may_only_look_changes_nothing(world: World, name: str):
    act = ACTIONS[name]
    with reading() as db:
        before = _everything(db)
    with pytest.raises(Refusal):
        perform(act, visitor=world.visitors["relative who may look"], **_arguments(act, world))
    with reading() as db:
        assert _everything(db) == before


def _public_queries() -> Iterator[tuple[str, Callable[..., Any]]]:
    for found in pkgutil.iter_modules(queries.__path__):
        module = importlib.import_module(f"queries.{found.name}")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                parameters = inspect.signature(function).parameters
                if "db" in parameters and "visitor" in parameters:
                    yield f"{found.name}.{name}", function


def _spelled(answer: Any) -> str:
    """Everything in an answer, as text."""
    if isinstance(answer, pd.DataFrame):
        return answer.to_csv()
    if isinstance(answer, dict):
        return " ".join(f"{key} {_spelled(value)}" for key, value in answer.items())
    if isinstance(answer, (list, tuple, set, frozenset)):
        return " ".join(_spelled(part) for part in answer)
    if hasattr(answer, "__dataclass_fields__"):
        return " ".join(_spelled(getattr(answer, field)) for field in answer.__dataclass_fields__)
    return str(answer)


def test_there_are_queries_to_check():
    assert len(list(_public_queries())) >= 8


@pytest.mark.parametrize("who", ["stranger", "former relative"])
@pytest.mark.parametrize(("name", "query"), list(_public_queries()), ids=[name for name, _ in _public_queries()])
def test_a_query_shows_a_stranger_nothing_of_the_owner(world: World, name: str, query: Callable[..., Any], who: str):
    with reading() as db:
        try:
            answer = query(db, visitor=world.visitors[who], **_arguments(query, world))
        except Refusal:
            return
        spelled = _spelled(answer)
    assert "9000000018" not in spelled
    assert "4417" not in spelled
    assert "secret@" not in spelled
    own_name = world.visitors[who].first_name
    assert SECRET not in spelled.replace(f"{SECRET} {own_name}", "")
