"""Money, dates and numbers as the reader's language writes them.

Money comes as integer kopecks: `1 234,56 ₽` in Russian (no-break spaces: the portal's
typeface has no narrow one, and another's is too thin to see), `₽1,234.56` in English; a minus is U+2212.
"""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from rules.numbers import format_account_number
from rules.terms import Language
from texts.catalogue import language, t, tn

MINUS, NO_BREAK = "\u2212", "\u00a0"


def _grouped(whole: int) -> str:
    grouped = f"{whole:,}"
    return grouped if language() is Language.EN else grouped.replace(",", NO_BREAK)


def number(value: int | float, decimals: int = 0) -> str:
    """A number with the language's separators; a real minus sign."""
    sign = MINUS if value < 0 else ""
    if not decimals:
        return f"{sign}{_grouped(abs(round(value)))}"
    whole, part = f"{abs(value):.{decimals}f}".split(".")
    return f"{sign}{_grouped(int(whole))}{'.' if language() is Language.EN else ','}{part}"


def money(kopecks: int, *, exact: bool = True, signed: bool = False) -> str:
    """A sum. `exact=False` drops the kopecks when there are none (hints, buttons); `signed` writes a plus too."""
    whole, rest = divmod(abs(kopecks), 100)
    english = language() is Language.EN
    figure = _grouped(whole)
    if exact or rest:
        figure += f"{'.' if english else ','}{rest:02d}"
    sign = MINUS if kopecks < 0 else "+" if signed and kopecks > 0 else ""
    return f"{sign}₽{figure}" if english else f"{sign}{figure}{NO_BREAK}₽"


def as_typed(kopecks: int) -> str:
    """A sum as a person would type it into a field: `490`, `490,50`; nothing for nothing."""
    whole, rest = divmod(kopecks, 100)
    return "" if not kopecks else f"{whole}{'.' if language() is Language.EN else ','}{rest:02d}" if rest else str(whole)


def percent(share: float, decimals: int = 0, *, signed: bool = False) -> str:
    """A share (0.08) as a percentage (8 %)."""
    figure = number(share * 100, decimals)
    if signed and round(share * 100, decimals) > 0:
        figure = f"+{figure}"
    return f"{figure}%" if language() is Language.EN else f"{figure}{NO_BREAK}%"


def points(value: int) -> str:
    """Bonus points in words: 1 point, 2 points."""
    return tn("common.points", value)


@lru_cache(maxsize=4096)
def _date(value: date, pattern: str, spoken: Language) -> str:
    return format_date(value, pattern, locale="ru_RU" if spoken is Language.RU else "en_GB")


def day(value: date, *, this_year: int | None = None, short: bool = False) -> str:
    """A day as people say it: «30 ноября», with the year when it is not `this_year` (or none is given: with the year)."""
    pattern = "d MMM" if short else "d MMMM"
    if value.year != this_year:
        pattern += " y"
    return _date(value, pattern, language()).replace(" ", NO_BREAK)


def month(value: date, *, year: bool = True, short: bool = False) -> str:
    """A month standing alone: «ноябрь 2026»."""
    pattern = ("LLL" if short else "LLLL") + (" y" if year else "")
    return _date(value, pattern, language())


def moment(value: datetime, time_zone: str, *, pattern: str = "d MMM y, HH:mm") -> str:
    """A moment (aware UTC) in the reader's time zone."""
    local = value.astimezone(ZoneInfo(time_zone))
    return format_datetime(local, pattern, locale="ru_RU" if language() is Language.RU else "en_GB")


def days_between(days: int) -> str:
    """A span of days in words: «2 дня»."""
    return tn("common.days", days)


def phone(e164: str) -> str:
    """+79001234567 as +7 900 123-45-67."""
    digits = e164.removeprefix("+7")
    return f"+7{NO_BREAK}{digits[:3]}{NO_BREAK}{digits[3:6]}-{digits[6:8]}-{digits[8:]}" if len(digits) == 10 else e164


def account_number(number: str) -> str:
    """A stored number of an account for reading aloud, not to be broken: «123 456 789 0»."""
    return format_account_number(number).replace(" ", NO_BREAK)


def card_number(brand: str, last_four: str) -> str:
    """A card as people know it, not to be broken: «МИР ·· 4417». There is nothing in it to escape."""
    return f"{t(f'brand.{brand}')} ·· {last_four}".replace(" ", NO_BREAK)


def account_title(service: str) -> str:
    """What the portal calls an account that its person did not name."""
    return t(f"service.{service}")
