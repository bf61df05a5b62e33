"""Papers drawn by typst: what is on them comes from Python as JSON, how it looks is in `documents/typst/`.

A string of the data is shown as it is; nothing that a person typed is ever read as markup. Only the fonts that come along are
used, so a paper looks the same on every machine. Two papers are not drawn at once: a long one takes a core and half a gigabyte.
"""

import json
import logging
import threading
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from rules.refusals import Unavailable
from rules.terms import CardBrand, ServiceKind
from settings import ROOT, Operator
from texts import account_number, card_number, day, language, moment, money, t

HERE = Path(__file__).parent / "typst"
PATIENCE_SECONDS = 30
"""How long a paper waits for others that are being drawn."""
FORGETS_OVER = 100_000
"""Characters of data. typst keeps what it worked out for ten papers, for the case that they are drawn again: of long ones
that is gigabytes."""
_KEPT = 10

_log = logging.getLogger("kabinet.documents")
_drawing = threading.Lock()


@lru_cache
def _compiler(template: str) -> typst.Compiler:
    """Warm: the fonts are read once. One compiler takes one paper at a time."""
    return typst.Compiler(
        str(HERE / f"{template}.typ"), root=str(HERE), font_paths=[str(HERE / "fonts")], ignore_system_fonts=True
    )


def draw(template: str, paper: Mapping[str, Any], *, at: datetime) -> bytes:
    """A tagged PDF of `template` with the strings of `paper`, made `at` (aware).

    Raises Unavailable when others keep the pen for longer than PATIENCE_SECONDS.
    """
    drawn = _drawn(template, paper, format="pdf", timestamp=int(at.timestamp()))
    return b"".join(drawn)


def pictures(template: str, paper: Mapping[str, Any], *, ppi: int = 144) -> list[bytes]:
    """The pages of the same as PNG, to be looked at."""
    return _drawn(template, paper, format="png", ppi=ppi)


def _drawn(template: str, paper: Mapping[str, Any], **how: Any) -> list[bytes]:
    content = json.dumps(paper, ensure_ascii=False)
    if not _drawing.acquire(timeout=PATIENCE_SECONDS):
        raise Unavailable()
    try:
        drawn = _compiler(template).compile(sys_inputs={"paper": content}, **how)
        if len(content) > FORGETS_OVER:
            for _ in range(_KEPT):
                _compiler("nothing").compile(format="pdf")
    finally:
        _drawing.release()
    return drawn if isinstance(drawn, list) else [drawn or b""]


def sheet(operator: Operator, *, title: str, **rest: Any) -> dict[str, Any]:
    """The data of a paper: what all have, in the reader's language, and the rest."""
    return {
        "language": language().value,
        "title": title,
        "page": t("documents.page", page="{page}", pages="{pages}"),
        "operator": {
            "name": operator.name(language().value),
            "legal_name": operator.legal_name,
            "colour": operator.colour,
            "logo": _logo(operator.logo),
            "details": [
                operator.legal_name,
                t("documents.legal", inn=operator.inn, kpp=operator.kpp),
                operator.address,
                f"{operator.phone}, {operator.email}",
            ],
        },
        **rest,
    }


@lru_cache
def _logo(path: str) -> str:
    """The operator's logo when it is an SVG that can be drawn, else nothing: then its name stands there."""
    file = ROOT / path
    if file.suffix.lower() != ".svg" or not file.is_file():
        return ""
    try:
        content = file.read_text(encoding="utf-8")
        typst.compile(b'#image(bytes(sys.inputs.logo), format: "svg")', format="pdf", sys_inputs={"logo": content})
    except (typst.TypstError, ValueError):
        _log.warning("%s cannot be drawn on documents", path)
        return ""
    return content


# --- how things are written on paper --------------------------------------------------------------------
def figure(kopecks: int) -> str:
    """A sum for a column of sums: without the sign of the rouble."""
    return money(kopecks).replace("₽", "").strip("\u00a0")


def account_name(label: str, service: ServiceKind) -> str:
    """The reader's own name for an account, else its service's. What paper has no letters for (emoji) is left off."""
    drawable = (sign for sign in label if sign < "\U0001f000" and not "\ufe00" <= sign <= "\ufe0f")
    return " ".join("".join(drawable).split()) or t(f"service.{service.value}")


def card_said(card: tuple[CardBrand, str]) -> str:
    """As `texts.card_number`."""
    brand, last_four = card
    return card_number(brand.value, last_four)


def number_said(number: str) -> str:
    """As `texts.account_number`."""
    return account_number(number)


def account_said(number: str) -> str:
    """«Лицевой счёт 123 456 789 0», not to be broken inside the number."""
    return t("documents.account", number=number_said(number))


def span(first: date, last: date) -> str:
    """Days, both included: «1–31 октября 2026», «5 сентября — 22 ноября 2026»."""
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{day(last)}"
    return t("documents.period", first=day(first, this_year=last.year), last=day(last))


def stamp(at: datetime, time_zone: str) -> str:
    """A moment as it must be understood years later: with the year and the distance from UTC."""
    return moment(at, time_zone, pattern="d MMMM y, HH:mm '(UTC'X')'").replace("UTC+0", "UTC+")
