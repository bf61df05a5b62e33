"""Numbers, addresses and names that people type: one spelling to store, and masks for showing."""

import re
import unicodedata

from rules.refusals import AccountNumberMalformed, LabelMalformed

ACCOUNT_DIGITS = 10
LONGEST_EMAIL = 254
"""RFC 5321: a path is at most 256 octets with its angle brackets."""

# H. M. Damm, «Total anti-symmetrische Quasigruppen», Marburg 2004: catches every single wrong digit and every swap
# of two neighbours, which Luhn does not (09 and 90).
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)

_SPACES_AND_DASHES = re.compile(r"[\s\-‐‑‒–—−]")
_PHONE_MARKS = re.compile(r"[\s\-‐‑‒–—−().]")
_PHONE = re.compile(r"(?:\+?7|8)?(?P<national>[3-9][0-9]{9})")
_EMAIL_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_HOST_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL_DOMAIN = re.compile(rf"(?:{_HOST_LABEL}\.)+(?=[a-z])[a-z0-9-]*[a-z0-9]")


def _damm(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim


def account_number(serial: int) -> str:
    """The number of an account: nine digits of its serial and a check digit (Damm).

    Raises ValueError unless the serial is 1 to 999 999 999. Serials from 100 000 000 give no leading zero.
    """
    if not 1 <= serial <= 999_999_999:
        raise ValueError("a serial is 1 to 999999999")
    body = f"{serial:09d}"
    return f"{body}{_damm(body)}"


def check_account_number(text: str) -> str:
    """The ten digits of a number as a person typed it, spaces and dashes tolerated.

    Raises AccountNumberMalformed(digits=10) for anything else, and where the check digit shows a slip.
    """
    number = _SPACES_AND_DASHES.sub("", text)
    if not re.fullmatch(r"[0-9]{10}", number) or int(number) == 0 or _damm(number) != 0:
        raise AccountNumberMalformed(digits=ACCOUNT_DIGITS)
    return number


def format_account_number(number: str) -> str:
    """A stored number for reading aloud: `123 456 789 0`."""
    return " ".join(number[start : start + 3] for start in range(0, len(number), 3))


def normalise_phone(text: str) -> str:
    """A Russian number in E.164, `+7XXXXXXXXXX`, from `8 (900) …`, `+7 900 …`, `7900…` or ten digits.

    Raises ValueError for other countries, letters, a wrong length, and area codes that begin with 0, 1 or 2.
    """
    found = _PHONE.fullmatch(_PHONE_MARKS.sub("", text))
    if found is None:
        raise ValueError("not a Russian phone number")
    return f"+7{found['national']}"


def normalise_email(text: str) -> str:
    """An address in lower case, as it is stored and compared; a domain in other letters in its ASCII form.

    Sanity only, a letter proves the rest: an ASCII local part up to 64 long, a domain with a dot, 254 in all.
    Raises ValueError otherwise, and for a line break anywhere (it could add headers to a letter).
    """
    if "\r" in text or "\n" in text:
        raise ValueError("a line break in an e-mail address")
    local, at, domain = text.strip().rpartition("@")
    local = local.lower() if local.isascii() else ""
    if not at or not domain or len(local) > 64 or not _EMAIL_LOCAL.fullmatch(local):
        raise ValueError("not an e-mail address")
    # IDNA raises UnicodeError, a ValueError, for empty and overlong labels.
    domain = domain.lower().encode("idna").decode("ascii").lower()
    address = f"{local}@{domain}"
    if not _EMAIL_DOMAIN.fullmatch(domain) or len(address) > LONGEST_EMAIL:
        raise ValueError("not an e-mail address")
    return address


def mask_email(email: str) -> str:
    """`an•••@x.ru`: at most two letters, never the whole name, and the domain."""
    local, _, domain = email.rpartition("@")
    return f"{local[: min(2, len(local) - 1)] if local else ''}•••@{domain}"


def mask_phone(phone: str) -> str:
    """`+7 900 •••-••-67` of a number in E.164. Raises ValueError for anything that is not a Russian number."""
    number = normalise_phone(phone)
    return f"+7 {number[2:5]} •••-••-{number[-2:]}"


def normalise_label(text: str, longest: int = 40) -> str:
    """A name that a person gives, trimmed, with single spaces, in Unicode's composed form.

    Raises LabelMalformed(longest=…) when nothing is left, it is too long, or it has control characters or invisible
    marks of direction, with which one name can be made to look like another.
    """
    label = " ".join(re.split(r"[ \t\r\n\u00a0\u2000-\u200a\u202f\u205f\u3000]+", text)).strip()
    label = unicodedata.normalize("NFC", label)
    hidden = any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in label)
    if not label or len(label) > longest or hidden:
        raise LabelMalformed(longest=longest)
    return label
