"""The link of a letter by which its reader wants no more of its kind: one click, no sign-in, good for ever.

It names a person by number and what it switches off, and is signed with the portal's key; nobody can make one for somebody else.
All that it can do is to stop letters, and never those that a person must get.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from sqlmodel import Session

from actions.notices import choices, keep_choices
from actions.performing import action
from models import Customer
from rules.notices import UNSUBSCRIBED
from rules.refusals import NotAllowed
from rules.terms import NoticeEvent
from rules.visitor import Visitor
from settings import secret_key

PATH = "/unsubscribe/"
ALL = "all"
_TOKEN = re.compile(r"(\d{1,18})\.([a-z_]{1,20})\.([A-Za-z0-9_-]{24})")


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """Whom a link is for, and what it switches off; no event: everything that a link can."""

    customer_id: int
    event: NoticeEvent | None


def unsubscribe_path(*, customer_id: int, event: NoticeEvent | None) -> str:
    """The address, on the portal, of the link for a person; None: of all that can be switched off."""
    what = ALL if event is None else event.value
    return f"{PATH}{customer_id}.{what}.{_signed(customer_id, what)}"


def link_of(token: str) -> Unsubscribing | None:
    """What a link of ours is good for; None for any other."""
    found = _TOKEN.fullmatch(token)
    if found is None or not hmac.compare_digest(found[3], _signed(int(found[1]), found[2])):
        return None
    if found[2] == ALL:
        return Unsubscribing(int(found[1]), None)
    event = next((event for event in UNSUBSCRIBED if event.value == found[2]), None)
    return None if event is None else Unsubscribing(int(found[1]), event)


def _signed(customer_id: int, what: str) -> str:
    mac = hmac.new(secret_key().encode(), f"unsubscribe:{customer_id}:{what}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:18]).decode()


@action("unsubscribe")
def unsubscribe(db: Session, *, visitor: Visitor | None, token: str) -> Unsubscribing:
    """Send the person of the link no more letters of what it names. The link is the proof, whoever is signed in.

    A second time changes nothing. Raises NotAllowed for a link that is not ours.
    """
    link = link_of(token)
    if link is None or db.get(Customer, link.customer_id) is None:
        raise NotAllowed()
    events = UNSUBSCRIBED if link.event is None else (link.event,)
    now = {event: choices(db, customer_ids=[link.customer_id], event=event)[link.customer_id] for event in events}
    keep_choices(db, link.customer_id, {event: (in_cabinet, False) for event, (in_cabinet, _) in now.items()})
    return link
