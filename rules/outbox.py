"""How long a letter is tried: the wait after each try, and when it is given up."""

from datetime import datetime, timedelta

RETRY_MINUTES = (1, 5, 15, 60, 240, *(720,) * 14)
"""The waits after the first, second … try that came to nothing: a mail server may be away for a week."""
JITTER = 0.2
"""A wait is longer by up to this share, so that what failed together does not come back together."""
SECRETS_LIVE = timedelta(days=1)
"""No code and no link of a letter is good for longer; later it need not arrive."""
KEPT_DEAD = timedelta(days=30)
"""How long staff may send a letter again that nobody would take."""


def next_try(*, tries: int, written_at: datetime, now: datetime, has_secret: bool, share: float) -> datetime | None:
    """When a letter is tried again after its `tries`-th try came to nothing; None: it is given up.

    `share` (0 to 1) is how much of the jitter this wait gets. A letter with a code or a link that proves something is
    given up once that is worth nothing. Raises ValueError for a share outside its bounds.
    """
    if not 0 <= share <= 1:
        raise ValueError("a share is from 0 to 1")
    if tries > len(RETRY_MINUTES) or (has_secret and now - written_at >= SECRETS_LIVE):
        return None
    return now + timedelta(minutes=RETRY_MINUTES[tries - 1]) * (1 + JITTER * share)
