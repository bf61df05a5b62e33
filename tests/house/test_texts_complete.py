"""Every text is there, in both languages, with the same facts in it."""

import ast
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

from rules import refusals, terms
from rules.refusals import Refusal
from rules.terms import Language
from texts import keys, sentence, speaking

ROOT = Path(__file__).parents[2]
RU, EN = keys(Language.RU), keys(Language.EN)
ROOMS = ("portal.py", "app.py", "pages", "ui", "routes", "actions", "queries", "jobs", "texts", "documents")
FACT = re.compile(r"\{(\w+)\}")


def _files(room: str) -> list[Path]:
    place = ROOT / room
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def _said_in_code() -> set[tuple[str, str]]:
    """Keys written out in calls, with the file they are in."""
    found = set()
    for room in ROOMS:
        for file in _files(room):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"t", "tn", "toast"}:
                    first = node.args[0] if node.args else None
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        found.add((first.value, file.relative_to(ROOT).as_posix()))
                if (
                    isinstance(node, ast.keyword)
                    and node.arg in {"done", "title_key"}
                    and isinstance(node.value, ast.Constant)
                    and node.value.value
                ):
                    found.add((node.value.value, file.relative_to(ROOT).as_posix()))
    return found


def _said_of_terms() -> set[tuple[str, str]]:
    """Keys made from each word of a term, as `t(f"right.{right.value}") for right in Right`, with the file they are in."""
    found = set()
    for file in (file for room in ROOMS for file in _files(room)):
        for loop in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(loop, ast.For):
                sources = [(loop.target, loop.iter)]
            elif isinstance(loop, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                sources = [(source.target, source.iter) for source in loop.generators if not source.ifs]
            else:
                continue
            for target, over in sources:
                term = getattr(terms, over.id, None) if isinstance(over, ast.Name) else None
                if isinstance(term, type) and issubclass(term, Enum):
                    keys_of_it = {key for word in term for key in _made_of(loop, f"{ast.unparse(target)}.value", word.value)}
                    found |= {(key, file.relative_to(ROOT).as_posix()) for key in keys_of_it}
    return found


def _made_of(loop: ast.AST, name: str, word: str) -> Iterator[str]:
    """The keys in calls within a loop that are made of `name` and of nothing else that changes, with the word in its place."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"t", "tn"} and node.args:
            parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else []
            said = [
                part.value if isinstance(part, ast.Constant) else word if ast.unparse(part.value) == name else None
                for part in parts
                if isinstance(part, ast.Constant | ast.FormattedValue)
            ]
            if said and None not in said:
                yield "".join(str(piece) for piece in said)


def _all_refusals(of: type[Refusal] = Refusal) -> list[type[Refusal]]:
    return [kind for sub in of.__subclasses__() for kind in (sub, *_all_refusals(sub))]


def test_both_catalogues_have_the_same_keys():
    assert set(RU) == set(EN)


@pytest.mark.parametrize(("key", "file"), sorted(_said_in_code()))
def test_every_text_the_code_says_is_in_the_catalogues(key: str, file: str):
    assert key in RU, f"{file} says {key}"


@pytest.mark.parametrize(("key", "file"), sorted(_said_of_terms()))
def test_every_word_of_a_term_that_the_code_goes_through_is_in_the_catalogues(key: str, file: str):
    assert key in RU, f"{file} says {key}"


@pytest.mark.parametrize("key", sorted(RU))
def test_a_text_carries_the_same_facts_in_both_languages(key: str):
    assert all(text.strip() for text in (*RU[key], *EN.get(key, ()))), "an empty text"
    assert {fact for text in RU[key] for fact in FACT.findall(text)} == {fact for text in EN[key] for fact in FACT.findall(text)}


@pytest.mark.parametrize("key", sorted(key for key in RU if len(RU[key]) > 1))
def test_plurals_are_complete(key: str):
    assert len(RU[key]) == 3
    assert len(EN[key]) == 2


@pytest.mark.parametrize("kind", _all_refusals(), ids=lambda kind: kind.__name__)
def test_every_refusal_has_a_sentence(kind: type[Refusal]):
    assert kind.code, "a refusal without a code"
    assert f"refusal.{kind.code}" in RU


def test_refusal_codes_differ():
    codes = [kind.code for kind in _all_refusals()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("language", list(Language))
def test_money_in_a_refusal_is_written_as_the_language_writes_it(language: Language):
    with speaking(language):
        said = sentence(refusals.NotEnoughMoney(price_kopecks=9900, balance_kopecks=-1050, missing_kopecks=10950))
    assert ("99\u00a0₽" in said) is (language is Language.RU)
    assert ("₽99" in said) is (language is Language.EN)


@pytest.mark.parametrize("language", list(Language))
def test_no_exclamation_marks_and_no_emoji(language: Language):
    for key, said in keys(language).items():
        for text in said:
            assert "!" not in text, key
            assert not re.search("[\U0001f300-\U0001faff\u2600-\u27bf]", text), key


def test_terms_that_people_see_have_names():
    for prefix, term in {
        "service": terms.ServiceKind,
        "status": terms.AccountStatus,
        "right": terms.Right,
        "brand": terms.CardBrand,
        "level": terms.BonusLevel,
        "orderstate": terms.OrderState,
        "optiongroup": terms.OptionGroup,
        "autopaytrigger": terms.AutopayTrigger,
    }.items():
        for word in term:
            assert f"{prefix}.{word.value}" in RU
