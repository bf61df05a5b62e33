"""Every text a person sees, in Russian and English, and how money, dates and numbers are written.

`t("area.key", name=…)` says it in the reader's language; `tn(…, n)` picks the plural. The catalogues are gettext files
under `texts/<language>/<area>.po`, read once. Whose language it is comes from a source that the portal sets; jobs and
tests use `speaking()`.
"""

from texts.catalogue import has_text, keys, language, set_language_source, speaking, t, tn
from texts.formats import (
    account_number,
    as_typed,
    card_number,
    day,
    days_between,
    moment,
    money,
    month,
    number,
    percent,
    phone,
    points,
)
from texts.refusals import sentence
from texts.safe import md

__all__ = [
    "account_number",
    "as_typed",
    "card_number",
    "day",
    "days_between",
    "has_text",
    "keys",
    "language",
    "md",
    "moment",
    "money",
    "month",
    "number",
    "percent",
    "phone",
    "points",
    "sentence",
    "set_language_source",
    "speaking",
    "t",
    "tn",
]
