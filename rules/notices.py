"""What people are told of unless they choose otherwise."""

from rules.terms import NoticeEvent

SILENT_BY_EMAIL = frozenset({NoticeEvent.AUTOPAY_AHEAD, NoticeEvent.ORDER_DONE})
"""What is shown in the cabinet only, unless a person wants letters of it, too."""


def default_choice(event: NoticeEvent) -> tuple[bool, bool]:
    """Whether an event is told (in the cabinet, by e-mail) to whoever has chosen nothing."""
    return True, event not in SILENT_BY_EMAIL
