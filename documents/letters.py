"""Letters: what they say, from the catalogues, and the HTML part made from the same words.

A letter `about` something takes its texts from `letter.<about>.subject` and `letter.<about>.body` in the reader's language.
A body is paragraphs on lines of their own; a line that is an address alone becomes the button `letter.<about>.button`. An
address that begins with / is one of the portal: whoever sends or shows the letter knows where that is. A line that
begins with a bullet heads what follows; the link that stops such letters stands small at the end.
"""

import re
from dataclasses import dataclass
from html import escape
from typing import Any

from rules.terms import Language
from texts import speaking, t
from texts.catalogue import has_text

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>
<body style="margin:0;padding:24px;background:#f6f5fb;font:16px/1.5 system-ui,sans-serif;color:#17142b">
<div style="max-width:520px;margin:0 auto;padding:28px;background:#fff;border-radius:14px">
<p style="margin:0 0 20px;font-weight:700;color:{colour}">{operator}</p>
<h1 style="margin:0 0 16px;font-size:20px">{subject}</h1>
{paragraphs}
</div></body></html>"""
_PARAGRAPH = '<p style="margin:0 0 14px">{text}</p>'
_BUTTON = (
    '<p style="margin:20px 0"><a href="{url}" style="display:inline-block;padding:12px 20px;border-radius:10px;'
    'background:{colour};color:#fff;text-decoration:none;font-weight:600">{text}</a></p>'
)
_HEAD = '<p style="margin:20px 0 2px;font-weight:700">{text}</p>'
_FOOT = '<p style="margin:28px 0 0;font-size:13px"><a href="{url}" style="color:#635f78">{text}</a></p>'
BULLET = "\u2022 "
UNSUBSCRIBE = "/unsubscribe/"
_OUR_ADDRESS = re.compile(r"/[a-z]*(\?[a-z0-9=&_]+)?|/unsubscribe/[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A letter's subject and plain text, both on the reader's language."""

    subject: str
    body: str


def write(about: str, *, language: Language, **facts: Any) -> Written:
    """The letter about `about`, with its facts. Raises ValueError for a line break in the subject's facts."""
    with speaking(language):
        subject = t(f"letter.{about}.subject", **facts)
        if "\n" in subject or "\r" in subject:
            raise ValueError("a subject is one line")
        return Written(subject, t(f"letter.{about}.body", **facts))


def address_in(line: str, *, site: str) -> str:
    """The whole address that a line is, of the portal at `site` or of elsewhere; "" for a line that is none."""
    if _OUR_ADDRESS.fullmatch(line):
        return f"{site}{line}"
    return line if line.startswith(("https://", "http://")) and " " not in line else ""


def unsubscribe_in(body: str, *, site: str) -> str:
    """The whole address of the link that stops such letters; "" where there is none."""
    return next((address_in(line, site=site) for line in body.split("\n") if line.startswith(UNSUBSCRIBE)), "")


def as_text(body: str, *, language: Language, site: str) -> str:
    """The text part: the body with whole addresses."""
    lines = []
    for line in body.split("\n"):
        address = address_in(line.strip(), site=site)
        if line.startswith(UNSUBSCRIBE):
            with speaking(language):
                lines.append(f"\n{t('letter.unsubscribe')}:\n{address}")
        else:
            lines.append(f"\n{line}" if line.startswith(BULLET) else address or line)
    return "\n".join(lines)


def as_html(about: str, *, subject: str, body: str, language: Language, operator: str, colour: str, site: str = "") -> str:
    """The HTML part of a letter: the same words, everything escaped; only addresses that stand alone become links."""
    with speaking(language):
        button = t(f"letter.{about}.button") if has_text(f"letter.{about}.button") else ""
        stop = t("letter.unsubscribe")
    paragraphs = []
    for line in filter(None, (each.strip() for each in body.split("\n"))):
        address = address_in(line, site=site)
        if line.startswith(UNSUBSCRIBE) and address:
            paragraphs.append(_FOOT.format(url=escape(address, quote=True), text=escape(stop)))
        elif address:
            paragraphs.append(_BUTTON.format(url=escape(address, quote=True), text=escape(button or address), colour=colour))
        elif line.startswith(BULLET):
            paragraphs.append(_HEAD.format(text=escape(line.removeprefix(BULLET))))
        else:
            paragraphs.append(_PARAGRAPH.format(text=escape(line)))
    return _PAGE.format(
        language=language.value,
        subject=escape(subject),
        operator=escape(operator),
        colour=colour,
        paragraphs="\n".join(paragraphs),
    )
