"""Passwords: what is wrong with one, and the form in which it goes to bcrypt.

After NIST SP 800-63B, 5.1.1.2: length and a list of common ones count; forced classes of characters do not.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

SHORTEST = 8
LONGEST = 128

COMMONEST = 10_000
# The head of zxcvbn's list of leaked passwords, by how often they were met, and what a Russian keyboard makes of it.
COMMON: frozenset[str] = frozenset(
    word
    for word in FREQUENCY_LISTS["passwords"][:COMMONEST]
    if len(word) >= SHORTEST  # shorter ones are refused anyway
) | frozenset(
    """
    1q2w3e4r5t qazwsxedc asdfghjkl 87654321 1234qwer qwer1234 abc12345 administrator qwerty1234 123qweasd
    йцукен12 йцукенгш йцукен123 qwertyqwerty пароль12 пароль123 gfhjkm123 gfhjkmgfhjkm ghbdtnghbdtn приветпривет
    любовь12 наташа12 marina12 natasha1 spartak1 zenit2008 qwaszx12 1a2b3c4d kabinet1 kabinet123 p@ssw0rd p@ssword
    """.split()  # noqa: SIM905  two score words read better than two score quoted words
)


def prehash(password: str) -> str:
    """44 ASCII characters for bcrypt, which looks at no more than 72 bytes and stops at a zero byte.

    Base64 of SHA-256 of the password in UTF-8, after NFKC, so that a keyboard that composes letters in another way
    gives the same password.
    """
    octets = unicodedata.normalize("NFKC", password).encode("utf-8", errors="surrogatepass")
    return base64.b64encode(hashlib.sha256(octets).digest()).decode("ascii")


def password_problems(password: str, *, email: str = "", phone: str = "", common: frozenset[str] = COMMON) -> list[str]:
    """Codes of what is wrong, empty when nothing is: too_short (under 8), too_long (over 128), too_common,
    has_email (the address or the name before the @, from 4 letters on), has_phone (its last 7 digits or more).

    Lengths are in characters. Letters count as equal in either case.
    """
    folded = unicodedata.normalize("NFKC", password).casefold()
    problems = []
    if len(password) < SHORTEST:
        problems.append("too_short")
    if len(password) > LONGEST:
        problems.append("too_long")
    if folded in common or (folded and len(set(folded)) == 1):
        problems.append("too_common")
    local = email.strip().casefold().rpartition("@")[0]
    if len(local) >= 4 and local in folded:
        problems.append("has_email")
    digits = re.sub(r"[^0-9]", "", phone)[-7:]
    if len(digits) == 7 and digits in re.sub(r"[^0-9]", "", folded):
        problems.append("has_phone")
    return problems


def strength(password: str, *, known: Sequence[str] = ()) -> int:
    """How hard a password is to guess: 0 (at once) to 4 (not in a lifetime), by zxcvbn.

    `known` are words that a guesser would try first, such as the person's own e-mail. What follows the 72nd character
    only makes it harder and is not looked at.
    """
    return int(zxcvbn(password[:72], user_inputs=[word for word in known if word])["score"]) if password else 0
