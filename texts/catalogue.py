"""The catalogues: gettext `.po` files, one per area and language, merged into one table per language."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import c2py
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

from rules.terms import Language

HERE = Path(__file__).parent
_log = logging.getLogger(__name__)
_spoken: ContextVar[Language | None] = ContextVar("spoken", default=None)
_source: Callable[[], Language | None] = lambda: None  # noqa: E731


def set_language_source(source: Callable[[], Language | None]) -> None:
    """Tell where the reader's language comes from when `speaking()` does not say; None means the default."""
    global _source
    _source = source


@contextmanager
def speaking(chosen: Language) -> Iterator[None]:
    """Within this block, texts are in the chosen language (letters to somebody else, jobs, tests)."""
    token = _spoken.set(chosen)
    try:
        yield
    finally:
        _spoken.reset(token)


def language() -> Language:
    """The reader's language; Russian when nobody says."""
    return _spoken.get() or _source() or Language.RU


@lru_cache
def _table(of: Language) -> tuple[dict[str, tuple[str, ...]], Callable[[int], int]]:
    table: dict[str, tuple[str, ...]] = {}
    plural: Callable[[int], int] = lambda n: int(n != 1)  # noqa: E731
    for file in sorted((HERE / of.value).glob("*.po")):
        with file.open("rb") as stream:
            catalogue = read_po(stream, locale=of.value)
        plural = c2py(catalogue.plural_expr)
        for message in catalogue:
            if not message.id:
                continue
            key = str(message.id[0] if isinstance(message.id, tuple) else message.id)
            said = message.string if isinstance(message.string, tuple) else (message.string,)
            if key in table:
                raise ValueError(f"{file.name}: {key} is defined twice")
            table[key] = tuple(str(form) for form in said)
    return table, plural


def keys(of: Language) -> dict[str, tuple[str, ...]]:
    """All keys of a language with their texts (one, or one per plural form)."""
    return dict(_table(of)[0])


def has_text(key: str) -> bool:
    return key in _table(language())[0]


def _say(key: str, form: int, facts: dict[str, Any]) -> str:
    said = _table(language())[0].get(key)
    if said is None:
        # A person is better off with a bare key than with a broken page; the tests find missing keys.
        _log.error("missing text %s in %s", key, language().value)
        return key
    chosen = said[form] if form < len(said) else said[-1]
    return chosen.format_map(facts) if facts else chosen.replace("{{", "{").replace("}}", "}")


def t(key: str, /, **facts: Any) -> str:
    """The text of `key` in the reader's language, with `{name}` replaced by the facts."""
    return _say(key, 0, facts)


def tn(key: str, n: int, /, **facts: Any) -> str:
    """Like `t()`, in the plural form that `n` asks for; `{n}` is the number as the language writes it."""
    from texts.formats import number  # formats need the language from here

    return _say(key, _table(language())[1](abs(n)), {"n": number(n), **facts})
