"""How an action is declared, run and recorded."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from sqlmodel import Session

import clock
from db import transaction
from models import AuditEntry, BillingAccount
from rules.refusals import Refusal, Unavailable
from rules.terms import Outcome
from rules.visitor import Visitor

T = TypeVar("T")
_log = logging.getLogger("kabinet.actions")

ACTIONS: dict[str, Callable[..., Any]] = {}
"""All actions by name. A test calls each of them with somebody else's ids and expects a refusal."""


def action(name: str, *, beforehand: Callable[..., None] | None = None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Declare an action: `def verb(db, *, visitor, …)`. The caller owns the transaction; see `perform()`.

    An action checks the visitor's right first (`db.access`), then the rules, then writes; it refuses by raising a
    `rules.refusals.Refusal`. Parameters that name rows end in `_id`. `beforehand`, called with the same arguments, runs
    in a transaction of its own before it: what must stay although the action is refused, such as the count of tries.
    """

    def declare(function: Callable[..., T]) -> Callable[..., T]:
        if name in ACTIONS:
            raise ValueError(f"two actions are called {name}")
        ACTIONS[name] = function
        function.action_name, function.beforehand = name, beforehand  # type: ignore[attr-defined]
        return function

    return declare


def perform(act: Callable[..., T], *, visitor: Visitor | None, **given: Any) -> T:
    """Run an action in one transaction and record the attempt. Returns what it returns.

    A refusal undoes everything the action did, is recorded in a transaction of its own, and is raised on.
    Raises Unavailable when the database is locked or down (nothing is recorded then, there is nowhere to).
    """
    name: str = act.action_name  # type: ignore[attr-defined]
    beforehand: Callable[..., None] | None = act.beforehand  # type: ignore[attr-defined]
    try:
        if beforehand is not None:
            with transaction() as db:
                beforehand(db, visitor=visitor, **given)
        with transaction() as db:
            result = act(db, visitor=visitor, **given)
            _record(db, name, visitor, given, Outcome.DONE, who=getattr(result, "customer_id", None))
        return result
    except Unavailable:
        _log.exception("database unavailable in %s", name)
        raise
    except Refusal as refusal:
        with transaction() as db:
            _record(db, name, visitor, given, Outcome.REFUSED, refusal.code)
        raise


def _record(
    db: Session,
    name: str,
    visitor: Visitor | None,
    given: dict[str, Any],
    outcome: Outcome,
    reason: str = "",
    who: int | None = None,
) -> None:
    """`who` is whom the action made out when nobody was signed in: a sign-in stands in the journal of its person."""
    account_id = given.get("account_id")
    if account_id is not None and db.get(BillingAccount, account_id) is None:
        account_id = None  # an id that names nothing cannot be referred to
    db.add(
        AuditEntry(
            at=clock.now(),
            customer_id=visitor.customer_id if visitor else given.get("customer_id") or who,
            billing_account_id=account_id,
            action=name,
            outcome=outcome,
            reason=reason,
            address=visitor.address if visitor else str(given.get("address", "")),
        )
    )
