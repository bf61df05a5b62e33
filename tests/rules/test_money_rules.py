"""Money: splits add up, percentages round half to even, typed sums are read or refused."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.money import TooFine, parse_amount, percent_of, split

SUMS = st.integers(-(10**12), 10**12)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (100, [0, 2, 1], [0, 67, 33]),
        (1, [1, 1], [1, 0]),
        (5, [0, 0], [3, 2]),
        (0, [], []),
        (10, [7, 2, 1], [7, 2, 1]),
        (100, [1, 2, 3], [17, 33, 50]),
    ],
)
def test_a_sum_is_split_by_largest_remainder(total: int, weights: list[int], parts: list[int]) -> None:
    assert split(total, weights) == parts


@settings(max_examples=150)
@given(total=SUMS, weights=WEIGHTS)
def test_parts_always_add_up_and_each_is_within_a_kopeck_of_its_share(total: int, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(parts) == total
    if any(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(total * weight, sum(weights))) < 1


@settings(max_examples=60)
@given(total=SUMS, weights=WEIGHTS.filter(any))
def test_who_weighs_nothing_gets_nothing(total: int, weights: list[int]) -> None:
    assert all(part == 0 for part, weight in zip(split(total, weights), weights, strict=True) if weight == 0)


@settings(max_examples=60)
@given(total=SUMS, weights=WEIGHTS)
def test_a_refund_is_split_as_the_payment_was(total: int, weights: list[int]) -> None:
    assert split(-total, weights) == [-part for part in split(total, weights)]


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [1, -1])])
def test_a_sum_is_not_split_between_nobody_or_by_negative_weights(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError):
        split(total, weights)


@pytest.mark.parametrize(
    ("kopecks", "percent", "result"),
    [(10_000, 5, 500), (50, 5, 2), (150, 1, 2), (250, 1, 2), (-50, 5, -2), (-150, 1, -2), (1000, Fraction(1, 2), 5), (0, 7, 0)],
)
def test_a_percentage_is_rounded_half_to_even(kopecks: int, percent: Fraction | int, result: int) -> None:
    assert percent_of(kopecks, percent) == result


@pytest.mark.parametrize(
    ("text", "kopecks"),
    [
        ("1 234,56", 123456),
        ("1\u00a0234,56\u00a0₽", 123456),
        ("1\u202f234,56\u202f₽", 123456),
        ("1234.5", 123450),
        ("1234", 123400),
        ("0,05", 5),
        ("₽1,234.56", 123456),
        ("-₽1,234.56", -123456),
        ("1.234,56", 123456),
        ("1,234,567", 123456700),
        ("−100 руб.", -10000),
        ("100р", 10000),
        ("  500 RUB ", 50000),
    ],
)
def test_a_sum_is_read_as_people_write_it(text: str, kopecks: int) -> None:
    assert parse_amount(text) == kopecks


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "₽",
        "nan",
        "inf",
        "1e5",
        "сто",
        "1,234",
        "1,2345",
        "12.345",
        "1.2.3",
        "--5",
        "-₽-5",
        "12 34",
        "5,",
        ",5",
        "٣",
        "1_000",
        "1" * 16,
        "0x10",
        "5 ₽ 6",
        "1 234 567,8 9",
    ],
)
def test_what_is_not_surely_one_sum_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_amount(text)


@pytest.mark.parametrize(
    ("text", "too_fine"),
    [("12,345", True), ("1,234", True), ("1 234.5678 ₽", True), ("1.2.345", False), ("5,", False), ("12,34a", False)],
)
def test_too_many_decimals_are_told_from_what_is_no_sum(text: str, too_fine: bool) -> None:
    with pytest.raises(ValueError) as caught:
        parse_amount(text)
    assert isinstance(caught.value, TooFine) is too_fine


def _russian(kopecks: int) -> str:
    roubles, rest = divmod(abs(kopecks), 100)
    return f"{'−' if kopecks < 0 else ''}{roubles:,}".replace(",", "\u00a0") + f",{rest:02d} ₽"


def _english(kopecks: int) -> str:
    roubles, rest = divmod(abs(kopecks), 100)
    return f"{'-' if kopecks < 0 else ''}₽{roubles:,}.{rest:02d}"


@settings(max_examples=150)
@given(kopecks=SUMS)
def test_a_sum_shown_in_either_language_reads_back_the_same(kopecks: int) -> None:
    assert parse_amount(_russian(kopecks)) == kopecks
    assert parse_amount(_english(kopecks)) == kopecks


@settings(max_examples=150)
@given(text=st.text(max_size=30) | st.text(alphabet="0123456789 .,-₽", max_size=14))
def test_reading_a_sum_either_works_or_raises_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_amount(text), int)
