"""Letters: what they say, from the catalogues, and the HTML part made from the same words.

A letter `about` something takes its texts from `letter.<about>.subject` and `letter.<about>.body` in the reader's language.
A body is paragraphs on lines of their own; a line that is an address alone becomes the button `letter.<about>.button`.
"""

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


def as_html(about: str, *, subject: str, body: str, language: Language, operator: str, colour: str) -> str:
    """The HTML part of a letter: the same words, everything escaped; only http(s) addresses become links."""
    with speaking(language):
        button = t(f"letter.{about}.button") if has_text(f"letter.{about}.button") else ""
    paragraphs = []
    for line in filter(None, (each.strip() for each in body.split("\n"))):
        if line.startswith(("https://", "http://")) and " " not in line:
            paragraphs.append(_BUTTON.format(url=escape(line, quote=True), text=escape(button or line), colour=colour))
        else:
            paragraphs.append(_PARAGRAPH.format(text=escape(line)))
    return _PAGE.format(
        language=language.value,
        subject=escape(subject),
        operator=escape(operator),
        colour=colour,
        paragraphs="\n".join(paragraphs),
    )
