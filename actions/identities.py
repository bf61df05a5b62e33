"""Signing in with an identity of an outside provider. Its key is issuer and subject; an e-mail links nothing."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

import clock
from actions.performing import action, perform
from actions.proofs import begin_step
from actions.second_factor import has_second_factor
from actions.sessions import OpenedSession, open_for
from db import reading
from models import Credential, Customer, ExternalIdentity
from rules.refusals import IdentityTaken, IdentityUnknown, LastWayIn, NotAllowed, SecondStepNeeded
from rules.visitor import Visitor

_ISSUER, _SUBJECT = 200, 255
"""The longest issuer we store, and the longest subject that OpenID Connect Core 1.0, 2 allows."""


# --- entering ---------------------------------------------------------------------------------------
def sign_in_with_identity(*, issuer: str, subject: str, address: str, browser: str, remembered: bool = True) -> OpenedSession:
    """Sign in who has shown, on a trip begun in this browser, that the outside identity is theirs.

    Raises IdentityUnknown, and SecondStepNeeded (its `proof_id` goes to `second_step`) when the person has a second factor.
    """
    with reading() as db:
        held = _held(db, issuer, subject)
        customer_id = held.customer_id if held is not None else None
    entered = perform(
        enter_with_identity,
        visitor=None,
        customer_id=customer_id,
        issuer=issuer,
        subject=subject,
        address=address,
        browser=browser,
        remembered=remembered,
    )
    if isinstance(entered, int):
        needed = SecondStepNeeded()
        needed.proof_id = entered
        raise needed
    return entered


@action("enter_with_identity")
def enter_with_identity(
    db: Session,
    *,
    visitor: Visitor | None,
    issuer: str,
    subject: str,
    address: str,
    browser: str,
    customer_id: int | None = None,
    remembered: bool = True,
) -> OpenedSession | int:
    """Open a session for whoever has bound this identity; with a second factor, return the id of its proof instead.

    `customer_id` is for the journal only. Raises IdentityUnknown, for a person who was erased as well.
    """
    held = _held(db, issuer, subject)
    person = db.get_one(Customer, held.customer_id) if held is not None else None
    if person is None or person.erased_at is not None:
        raise IdentityUnknown()
    if has_second_factor(db, person.id):
        return begin_step(db, person.id)
    return open_for(db, person.id, address=address, browser=browser, remembered=remembered)


def _held(db: Session, issuer: str, subject: str) -> ExternalIdentity | None:
    return db.exec(
        select(ExternalIdentity).where(col(ExternalIdentity.issuer) == issuer, col(ExternalIdentity.subject) == subject)
    ).first()


# --- binding ----------------------------------------------------------------------------------------
@action("bind_identity")
def bind_identity(db: Session, *, visitor: Visitor, provider: str, issuer: str, subject: str, shown_as: str) -> int:
    """Let this identity sign the visitor in, and return its id; the caller has seen it proven. Again changes nothing.

    Raises IdentityTaken when somebody has it, or the visitor has another one of the provider.
    """
    if not issuer or not subject or len(issuer) > _ISSUER or len(subject) > _SUBJECT or len(provider) > 40:
        raise NotAllowed()
    held = _held(db, issuer, subject)
    if held is not None and held.customer_id == visitor.customer_id:
        return held.id
    if held is not None:
        raise IdentityTaken()
    made = ExternalIdentity(
        customer_id=visitor.customer_id,
        provider=provider,
        issuer=issuer,
        subject=subject,
        shown_as=" ".join(shown_as.split())[:254],
        bound_at=clock.now(),
    )
    db.add(made)
    try:
        db.flush()
    except IntegrityError as error:  # one of this provider is there, or somebody was quicker
        raise IdentityTaken() from error
    return made.id


@action("unbind_identity")
def unbind_identity(db: Session, *, visitor: Visitor, external_identity_id: int) -> None:
    """Let one of the visitor's own identities sign them in no more.

    Raises NotAllowed for another's, LastWayIn when they have neither a password nor another identity.
    """
    # Two at the same moment must not take one another's last way in.
    db.exec(select(Customer.id).where(col(Customer.id) == visitor.customer_id).with_for_update(key_share=True)).one()
    own = db.exec(select(ExternalIdentity).where(col(ExternalIdentity.customer_id) == visitor.customer_id)).all()
    leaving = next((identity for identity in own if identity.id == external_identity_id), None)
    if leaving is None:
        raise NotAllowed()
    if len(own) == 1 and db.get(Credential, visitor.customer_id) is None:
        raise LastWayIn()
    db.delete(leaving)
