"""What goes out by e-mail of what people are told: letters of notices, several in one, and the letter of the month.

The claim (`mailed_at`, or the notice itself) and the letter are one transaction: none is lost, and two processes do not write
the same. The letters leave through the outbox (`actions.letters`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from actions.by_now import by_now
from actions.letters import row_of
from actions.unsubscribing import unsubscribe_path
from db import reading, transaction
from documents.letters import BULLET, Written
from documents.pdf import account_name
from models import Attachment, BillingAccount, Customer, Message, Notice, Region
from queries.ahead import zones
from queries.figures import ACCOUNTING_TIME
from queries.monthly import Held, Reader, months, readers
from rules.monthly import LAST_DAY, MonthOfPerson, as_facts, document_of, key_of
from rules.notices import (
    GATHER,
    GATHER_URGENT,
    UNSUBSCRIBED,
    URGENT,
    in_letters,
    is_awake,
    place_of,
)
from rules.periods import month_start, previous_month
from rules.terms import BillingMode, Channel, Language, NoticeEvent, ServiceKind
from texts import day, money, month, points, speaking, t, tn
from texts.notices import Said, notice_said

PEOPLE = 200
"""How many people are written to in one transaction."""
LISTED = 20
"""So many accounts stand in the letter of a month; all are in the summary that goes with it."""
Names = dict[tuple[int, int], tuple[str, ServiceKind, BillingMode]]
"""(person, account) → their label for it, "" for none; its service; how it is charged."""


# --- notices -------------------------------------------------------------------------------------------
def mail_due(now: datetime, *, most: int = PEOPLE) -> int:
    """Write letters of what up to `most` people are to be told by e-mail; returns how many notices they took.

    A letter waits a little for what else there may be to say, and at night for the morning, unless it is urgent.
    """
    asleep = _asleep(now)
    with transaction() as db:
        people = db.scalars(
            sa.select(col(Notice.customer_id))
            .join(Customer, col(Customer.id) == col(Notice.customer_id))
            .join(Region, col(Region.code) == col(Customer.region_code))
            .where(
                *_waiting(),
                sa.or_(
                    sa.and_(col(Notice.event).in_(URGENT), col(Notice.created_at) <= now - GATHER_URGENT),
                    sa.and_(col(Region.time_zone).not_in(asleep), col(Notice.created_at) <= now - GATHER),
                ),
            )
            .group_by(col(Notice.customer_id))
            .order_by(sa.func.min(col(Notice.created_at)), col(Notice.customer_id))
            .limit(most)
        ).all()
        rows = db.execute(
            sa.select(Notice, Customer)
            .join(Customer, col(Customer.id) == col(Notice.customer_id))
            .join(Region, col(Region.code) == col(Customer.region_code))
            .where(
                col(Notice.customer_id).in_(people),
                *_waiting(),
                sa.or_(col(Notice.event).in_(URGENT), col(Region.time_zone).not_in(asleep)),
            )
            .order_by(col(Notice.customer_id), col(Notice.created_at), col(Notice.id))
            .with_for_update(of=Notice, skip_locked=True)
        ).all()
        _write(db, [(notice, person) for notice, person in rows], now)
        db.execute(
            sa.update(Notice)
            .where(col(Notice.id).in_([notice.id for notice, _ in rows]))
            .values(mailed_at=now)
            .execution_options(synchronize_session=False)
        )
        return len(rows)


def _waiting() -> tuple["sa.ColumnElement[bool]", ...]:
    """In the words of the partial index."""
    return sa.text("notice.by_email"), col(Notice.mailed_at).is_(None)  # type: ignore[return-value]


def _asleep(now: datetime) -> list[str]:
    """The time zones in which no letter comes at this hour."""
    with reading() as db:
        return [zone for zone in zones(db) if not is_awake(now.astimezone(ZoneInfo(zone)).hour)]


def _write(db: Session, told: Sequence[tuple[Notice, Customer]], now: datetime) -> None:
    """A letter for each person, or as many as they need; none for who has no e-mail any more, or of what is over."""
    names, facts = _names(db, [notice for notice, _ in told]), by_now(db, [notice for notice, _ in told], now)
    people: dict[int, Customer] = {}
    notices: dict[int, list[Notice]] = defaultdict(list)
    for notice, person in told:
        if person.email and person.email_confirmed_at is not None and notice.id in facts:
            people[person.id] = person
            notices[person.id].append(notice)
    letters = []
    for customer_id, person in people.items():
        urgent_first = sorted(notices[customer_id], key=lambda notice: notice.event not in URGENT)
        for letter in in_letters((notice, _document(notice)) for notice in urgent_first):
            letters.append(
                _letter(person, [notice for notice, _ in letter], " ".join(filter(None, (d for _, d in letter))), names, facts)
            )
    if letters:
        db.execute(sa.insert(Message), letters)


def _letter(
    person: Customer, notices: Sequence[Notice], document: str, names: Names, facts: Mapping[int, dict[str, Any]]
) -> dict[str, Any]:
    with speaking(person.language):
        said = [_said(notice, facts[notice.id], names) for notice in notices]
        events = {notice.event for notice in notices}
        written = _one(notices[0], said[0]) if len(said) == 1 else _digest(said)
        about = f"notice_{notices[0].event.value}" if len(said) == 1 else "digest"
    if events & set(UNSUBSCRIBED):
        only = notices[0].event if len(events) == 1 else None
        written = Written(written.subject, f"{written.body}\n{unsubscribe_path(customer_id=person.id, event=only)}")
    return _row(person.email or "", person.id, person.language, about, written, document)


def _row(email: str, customer_id: int, language: Language, about: str, written: Written, document: str) -> dict[str, Any]:
    return row_of(
        channel=Channel.EMAIL,
        recipient=email,
        about=about,
        language=language,
        requested_by_id=customer_id,
        document=document,
        written=written,
    )


def _one(notice: Notice, said: Said) -> Written:
    """A letter of one thing, with the way to do something about it."""
    screen, query = place_of(notice.event, facts=notice.facts, account_id=notice.billing_account_id)
    path = f"/{screen or 'notices'}"
    if query:
        path += "?" + "&".join(f"{name}={value}" for name, value in query.items())
    return Written(_line(said.title), f"{_line(said.body)}\n{path}")


def _digest(said: Sequence[Said]) -> Written:
    """A letter of several."""
    lines = [line for each in said for line in (f"{BULLET}{_line(each.title)}", _line(each.body))]
    subject = tn("letter.digest.subject", len(said) - 1, first=_line(said[0].title))
    return Written(subject, "\n".join([*lines, "/notices"]))


def _line(text: str) -> str:
    """On one line, whatever somebody called their account."""
    return " ".join(text.splitlines())


def _said(notice: Notice, facts: dict[str, Any], names: Names) -> Said:
    known = names.get((notice.customer_id, notice.billing_account_id or 0))
    if known is None:
        return notice_said(notice.event, facts)
    label, service, mode = known
    return notice_said(notice.event, facts, account=label or t(f"service.{service.value}"), prepaid=mode is BillingMode.PREPAID)


def _document(notice: Notice) -> str:
    return f"bill/{notice.facts['bill_id']}" if notice.event is NoticeEvent.BILL else ""


def _names(db: Session, notices: Iterable[Notice]) -> Names:
    pairs = {(notice.customer_id, notice.billing_account_id) for notice in notices if notice.billing_account_id is not None}
    accounts = {
        account_id: (service, mode)
        for account_id, service, mode in db.execute(
            sa.select(col(BillingAccount.id), col(BillingAccount.service), col(BillingAccount.mode)).where(
                col(BillingAccount.id).in_({account_id for _, account_id in pairs})
            )
        ).tuples()
    }
    labels = {
        (customer_id, account_id): label
        for customer_id, account_id, label in db.execute(
            sa.select(col(Attachment.customer_id), col(Attachment.billing_account_id), col(Attachment.label)).where(
                col(Attachment.customer_id).in_({customer_id for customer_id, _ in pairs}),
                col(Attachment.billing_account_id).in_(accounts),
                col(Attachment.detached_at).is_(None),
            )
        ).tuples()
    }
    return {
        (customer_id, account_id): (labels.get((customer_id, account_id), ""), *accounts[account_id])
        for customer_id, account_id in pairs
        if account_id is not None
    }


# --- the letter of the month ----------------------------------------------------------------------------
def write_monthly(now: datetime, *, most: int = PEOPLE) -> int:
    """Tell up to `most` people how all their accounts stand after billing day, once each; returns how many.

    In the first days of a month, in the daytime of each person's region. What is said is kept with the notice: whoever opens
    the summary later reads what the letter said.
    """
    today = now.astimezone(ACCOUNTING_TIME).date()
    if today.day > LAST_DAY:
        return 0
    month_on = previous_month(month_start(today))
    asleep = set(_asleep(now))
    with transaction() as db:
        awake = [zone for zone in zones(db) if zone not in asleep]
        found = {reader.customer_id: reader for reader in readers(db, month_on=month_on, zones=awake, most=most)}
        if not found:
            return 0
        told = months(db, customer_ids=found, month_on=month_on, now=now)
        people = {customer_id: found[customer_id] for customer_id in told}
        claimed = _claim_month(db, people.values(), told, month_on, now)
        letters = [
            _monthly_letter(people[customer_id], *told[customer_id], today)
            for customer_id in claimed
            if people[customer_id].email is not None
        ]
        if letters:
            db.execute(sa.insert(Message), letters)
        return len(people)


def _claim_month(
    db: Session,
    people: Collection[Reader],
    told: dict[int, tuple[MonthOfPerson, dict[int, Held]]],
    month_on: date,
    now: datetime,
) -> list[int]:
    """Write the notices; returns whose were not there yet."""
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [
        {
            "customer_id": reader.customer_id,
            "event": NoticeEvent.MONTHLY,
            "key": key_of(month_on),
            "facts": as_facts(told[reader.customer_id][0]),
            "in_cabinet": reader.in_cabinet,
            "by_email": reader.email is not None,
            "created_at": now,
            "mailed_at": now,
        }
        for reader in people
    ]
    return list(db.scalars(insert(Notice).on_conflict_do_nothing().returning(col(Notice.customer_id)), rows))


def _monthly_letter(reader: Reader, summary: MonthOfPerson, held: dict[int, Held], today: date) -> dict[str, Any]:
    with speaking(reader.language):
        lines = [t("letter.monthly.greeting", name=_line(reader.first_name), day=day(today, this_year=today.year))]
        if summary.due_kopecks and summary.due_on is not None:
            owing = [account for account in summary.accounts if account.due_on]
            if all(account.pays_itself for account in owing):
                by = t("letter.monthly.autopay")
            else:
                by = _by(summary.due_on, today) if len({each.due_on for each in owing}) == 1 else t("letter.monthly.each")
            lines.append(t("letter.monthly.due", sum=money(summary.due_kopecks), by=by))
        else:
            lines.append(t("letter.monthly.nothing_due"))
        for account in summary.accounts[:LISTED]:
            each = held[account.account_id]
            lines.append(f"{BULLET}{account_name(each.label, each.account.service)}")
            sums = {
                "balance": money(account.balance_kopecks),
                "charged": money(account.charged_kopecks),
                "paid": money(account.paid_kopecks),
            }
            if account.due_on is None:
                lines.append(t("letter.monthly.sums", **sums))
            else:
                by = t("letter.monthly.autopay") if account.pays_itself else _by(account.due_on, today)
                lines.append(t("letter.monthly.sums_due", due=money(account.due_kopecks), by=by, **sums))
        if len(summary.accounts) > LISTED:
            lines.append(tn("letter.monthly.more", len(summary.accounts) - LISTED))
        if summary.points_earned:
            lines.append(t("letter.monthly.points_earned", points=points(summary.points), earned=points(summary.points_earned)))
        elif summary.points:
            lines.append(t("letter.monthly.points", points=points(summary.points)))
        lines += [
            t("letter.monthly.attached"),
            "/",
            unsubscribe_path(customer_id=reader.customer_id, event=NoticeEvent.MONTHLY),
        ]
        written = Written(t("letter.monthly.subject", month=month(summary.month_on)), "\n".join(lines))
    return _row(reader.email or "", reader.customer_id, reader.language, "monthly", written, document_of(summary.month_on))


def _by(due_on: date, today: date) -> str:
    """By when something is to be paid, within a sentence."""
    if due_on == today:
        return t("letter.monthly.now")
    return t("letter.monthly.by" if due_on > today else "letter.monthly.late", day=day(due_on, this_year=due_on.year))
