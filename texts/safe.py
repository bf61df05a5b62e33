"""A person's own text, made harmless for Markdown."""

import re

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$^=&\"'])")
_JOINER = "\u2060"
"""Word joiner, invisible: breaks what is looked for in finished text (icon and emoji names, addresses of pages and mail)."""


def md(text: str) -> str:
    """The text as a person typed it, with nothing in it taken for Markdown, a link, an icon, maths or HTML."""
    flat = re.sub(r"[ \t\r\n\f\v]+", " ", text).strip()  # no-break spaces stay what they are
    escaped = _PUNCTUATION.sub(r"\\\1", flat)
    broken = escaped.replace(":", f":{_JOINER}").replace("@", f"@{_JOINER}")
    return re.sub(r"(?i)www", f"ww{_JOINER}w", broken)
