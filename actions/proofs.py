"""Links and codes that are sent to a contact, and what they are worth when they come back."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from sqlmodel import Session, col, select

import clock
from models import Proof
from rules.refusals import CodeExpired, CodeSpent, CodeWrong, LinkSpent
from rules.terms import ProofKind
from settings import secret_key, settings


def hashed(token: str) -> str:
    """The SHA-256 of a token of 256 random bits: what is stored of a link."""
    return hashlib.sha256(token.encode()).hexdigest()


def _sealed(proof_id: int, code: str) -> str:
    """What is stored of a code: it has a million values only, so a bare hash could be looked up."""
    return hmac.new(secret_key().encode(), f"proof:{proof_id}:{code}".encode(), hashlib.sha256).hexdigest()


def _new(db: Session, kind: ProofKind, customer_id: int, target: str, minutes: int) -> Proof:
    """A proof; earlier ones of the kind end: only what was sent last is good."""
    now = clock.now()
    for earlier in db.exec(
        select(Proof).where(
            col(Proof.customer_id) == customer_id,
            col(Proof.kind) == kind,
            col(Proof.used_at).is_(None),
            col(Proof.expires_at) > now,
        )
    ):
        earlier.expires_at = now
        db.add(earlier)
    proof = Proof(
        kind=kind,
        customer_id=customer_id,
        target=target,
        secret_hash="",
        created_at=now,
        expires_at=now + timedelta(minutes=minutes),
    )
    db.add(proof)
    db.flush()
    return proof


def issue_link(db: Session, *, kind: ProofKind, customer_id: int, target: str, minutes: int) -> str:
    """A new token for a link, good once and for `minutes`."""
    token = secrets.token_urlsafe(32)
    proof = _new(db, kind, customer_id, target, minutes)
    proof.secret_hash = hashed(token)
    db.add(proof)
    db.flush()
    return token


def issue_code(db: Session, *, kind: ProofKind, customer_id: int, target: str) -> tuple[int, str]:
    """The id of a new proof and its six digits, good once and for `code_minutes` of the settings."""
    code = f"{secrets.randbelow(1_000_000):06d}"
    proof = _new(db, kind, customer_id, target, settings().code_minutes)
    proof.secret_hash = _sealed(proof.id, code)
    db.add(proof)
    db.flush()
    return proof.id, code


def begin_step(db: Session, customer_id: int) -> int:
    """A sign-in whose password was right and whose second step is awaited; returns the proof's id."""
    return _new(db, ProofKind.SECOND_STEP, customer_id, "", settings().code_minutes).id


def use_link(db: Session, *, kind: ProofKind, token: str) -> Proof:
    """Take a link's token; it is spent with the commit. Raises LinkSpent, the same for unknown, used and too old."""
    proof = db.exec(
        select(Proof)
        .where(
            col(Proof.secret_hash) == hashed(token),
            col(Proof.kind) == kind,
            col(Proof.used_at).is_(None),
            col(Proof.expires_at) > clock.now(),
        )
        .with_for_update()
    ).first()
    if proof is None:
        raise LinkSpent()
    proof.used_at = clock.now()
    db.add(proof)
    return proof


def count_code_try(db: Session, *, kind: ProofKind, proof_id: int) -> None:
    """Count a try of a code; call it in a transaction of its own before `use_code()`.

    Raises CodeSpent (unknown, used, tried too often) and CodeExpired.
    """
    proof = db.exec(select(Proof).where(col(Proof.id) == proof_id, col(Proof.kind) == kind).with_for_update()).first()
    if proof is None or proof.used_at is not None or proof.tries >= settings().code_tries:
        raise CodeSpent()
    if proof.expires_at <= clock.now():
        raise CodeExpired()
    proof.tries += 1
    db.add(proof)


def open_proof(db: Session, *, kind: ProofKind, proof_id: int) -> Proof:
    """A proof that still can be used, locked. Raises CodeSpent, CodeExpired."""
    proof = db.exec(select(Proof).where(col(Proof.id) == proof_id, col(Proof.kind) == kind).with_for_update()).first()
    if proof is None or proof.used_at is not None:
        raise CodeSpent()
    if proof.expires_at <= clock.now():
        raise CodeExpired()
    return proof


def use_code(db: Session, *, kind: ProofKind, proof_id: int, code: str) -> Proof:
    """Take a code whose try was counted. Raises CodeWrong, CodeSpent, CodeExpired."""
    proof = open_proof(db, kind=kind, proof_id=proof_id)
    if not hmac.compare_digest(proof.secret_hash, _sealed(proof.id, "".join(code.split()))):
        raise CodeWrong(tries_left=max(0, settings().code_tries - proof.tries))
    proof.used_at = clock.now()
    db.add(proof)
    return proof
