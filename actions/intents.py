"""What a trip to an outside provider was begun for, and its one return.

Streamlit's `st.login()` leaves who came back in a cookie of thirty days, which signs in whoever holds a copy. So a trip is
begun here: its purpose goes, signed, into a short-lived cookie of ours; on the return that cookie is tied to the very
identity that came back (by hash), and is good once. Streamlit's cookie alone is worth nothing.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from enum import StrEnum

import jwt

import clock
from actions.throttle import count_try, throttle_key
from db import transaction
from rules.attempts import ThrottleTerms
from rules.refusals import TooManyAttempts
from settings import secret_key

OUTSIDE = "_streamlit_user"
"""Streamlit's cookie with the identity; a long one goes on in `_streamlit_user_1`, `_2` …"""

TRIP_MINUTES = 10
RETURN_MINUTES = 2


class Purpose(StrEnum):
    ENTER = "enter"
    BIND = "bind"


class Stage(StrEnum):
    """ASKED by the portal's script, BEGUN once the cookie is in the browser, then RETURNED or FAILED."""

    ASKED = "asked"
    BEGUN = "begun"
    RETURNED = "returned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Intent:
    """A trip to a provider. `session` is the login session that binds (0: a guest), `back` the address to come back to,
    `remembered` whether an entered session outlives the browser."""

    purpose: Purpose
    provider: str
    back: str
    session: int
    remembered: bool
    number: str
    stage: Stage = Stage.ASKED
    parts: int = 0
    proof: str = ""
    """On the return: into how many cookies the identity was cut, and the hash of them."""


def new_intent(*, purpose: Purpose, provider: str, back: str, session: int = 0, remembered: bool = True) -> Intent:
    """A trip that nobody has made yet."""
    return Intent(purpose, provider, back, session, remembered, secrets.token_urlsafe(16))


def at(intent: Intent, stage: Stage) -> Intent:
    """The same trip, further on."""
    return replace(intent, stage=stage)


def returned(intent: Intent, cookies: Mapping[str, str]) -> Intent:
    """The same trip, back with the identity in these cookies."""
    parts = len(identity_names(cookies)) - 1
    return replace(intent, stage=Stage.RETURNED, parts=parts, proof=_hash(cookies, parts))


def came_with(intent: Intent, cookies: Mapping[str, str]) -> bool:
    """Whether these cookies hold the identity that this trip brought back."""
    return bool(intent.proof) and secrets.compare_digest(intent.proof, _hash(cookies, intent.parts))


def identity_names(names: Iterable[str]) -> list[str]:
    """The names of Streamlit's identity cookies among `names`; its cookies with tokens are not meant."""
    return [name for name in names if name == OUTSIDE or (name.startswith(f"{OUTSIDE}_") and name[len(OUTSIDE) + 1 :].isdigit())]


def _hash(cookies: Mapping[str, str], parts: int) -> str:
    names = [OUTSIDE, *(f"{OUTSIDE}_{part}" for part in range(1, parts + 1))]
    return hashlib.sha256("\n".join(cookies.get(name, "") for name in names).encode()).hexdigest()


def seal_intent(intent: Intent) -> str:
    """The intent, signed; it expires with the trip, after the return soon."""
    minutes = RETURN_MINUTES if intent.stage in (Stage.ASKED, Stage.RETURNED, Stage.FAILED) else TRIP_MINUTES
    until = clock.now() + timedelta(minutes=minutes)
    return jwt.encode({**asdict(intent), "aud": "identity", "exp": int(until.timestamp())}, secret_key(), algorithm="HS256")


def unseal_intent(sealed: str) -> Intent | None:
    """An intent that we signed and that has not expired; None for anything else."""
    names = [field.name for field in fields(Intent)]
    try:
        claims = jwt.decode(
            sealed, secret_key(), algorithms=["HS256"], audience="identity", options={"require": [*names, "aud", "exp"]}
        )
    except jwt.InvalidTokenError:
        return None
    given = {name: claims[name] for name in names}
    return Intent(**{**given, "purpose": Purpose(given["purpose"]), "stage": Stage(given["stage"])})


def use_return(intent: Intent) -> bool:
    """Take a return; False when it was taken already, in any process and since before any restart."""
    # The cookie itself expires long before this is forgotten.
    once = ThrottleTerms(limit=1, window_minutes=60, lock_minutes=60)
    try:
        with transaction() as db:
            count_try(db, key=throttle_key("identity-return", intent.number), terms=once, now=clock.now())
    except TooManyAttempts:
        return False
    return True
