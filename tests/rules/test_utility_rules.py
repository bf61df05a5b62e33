"""What a person types for a biller is read as it was meant, or the field says what is wrong."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from rules.payments import PaymentTerms
from rules.periods import add_months, next_month, previous_month
from rules.refusals import AmountOutOfRange
from rules.terms import BillerFieldKind
from rules.utilities import (
    FieldTerms,
    Problem,
    bounds,
    check_amount_for_biller,
    check_fields,
    due_period,
    looks_like_card,
    periods,
)

TODAY = date(2026, 11, 22)
CODE = FieldTerms("account", BillerFieldKind.PAYER_CODE, shortest=8, longest=10)
PERIOD = FieldTerms("period", BillerFieldKind.PERIOD)
METER = FieldTerms("day", BillerFieldKind.READING, required=False, decimals=3)
TEXT = FieldTerms("flat", BillerFieldKind.TEXT, shortest=2, longest=24)

DAYS = st.dates(date(2005, 1, 1), date(2060, 12, 31))
DIGITS = st.text("0123456789", min_size=1, max_size=14)


def check(terms: FieldTerms, typed: str, *, last: str | None = None, today: date = TODAY) -> str | Problem:
    """The stored value, or what is wrong with it."""
    found = check_fields(fields=[terms], typed={terms.code: typed}, today=today, last={} if last is None else {terms.code: last})
    assert len(found.problems) <= 1
    return found.problems.get(terms.code) or found.values.get(terms.code, "")


def wrong(code: str, **facts: object) -> Problem:
    return Problem(code, facts)


# --- all fields at once -----------------------------------------------------------------------------
def test_all_that_is_wrong_is_said_at_once_and_what_nobody_asked_for_is_dropped():
    found = check_fields(
        fields=[CODE, PERIOD, METER, TEXT],
        typed={"account": "12", "period": "2026-10", "day": "x", "flat": "", "admin": "1"},
        today=TODAY,
    )
    assert found.values == {"period": "2026-10"}
    assert found.problems == {
        "account": wrong("digits", shortest=8, longest=10),
        "day": wrong("not_number"),
        "flat": wrong("missing"),
    }


@pytest.mark.parametrize("terms", [CODE, PERIOD, METER, TEXT])
@pytest.mark.parametrize("typed", ["", "  ", "\t"])
def test_only_what_is_required_may_not_be_left_empty(terms: FieldTerms, typed: str):
    assert check(terms, typed) == (wrong("missing") if terms.required else "")


@given(terms=st.sampled_from([CODE, PERIOD, METER, TEXT]), typed=st.text(max_size=40))
def test_whatever_is_typed_gets_an_answer_and_what_is_stored_is_stored_again_as_it_is(terms: FieldTerms, typed: str):
    answer = check(terms, typed)
    if isinstance(answer, str) and answer:
        assert check(terms, answer) == answer


# --- payer codes ------------------------------------------------------------------------------------
@given(digits=DIGITS, gaps=st.lists(st.sampled_from(["", " ", "-", "\u00a0", "–", "  "]), min_size=14, max_size=14))
def test_a_payer_code_is_its_digits_however_they_are_grouped(digits: str, gaps: list[str]):
    typed = "".join(gap + digit for gap, digit in zip(gaps, digits, strict=False))
    if 8 <= len(digits) <= 10:
        assert check(CODE, typed) == digits
    else:
        assert check(CODE, typed) in (wrong("digits", shortest=8, longest=10), wrong("card"))


@pytest.mark.parametrize("typed", ["12345678a", "лицевой 12345678", "№ 12345678", "1234.5678", "١٢٣٤٥٦٧٨"])
def test_a_payer_code_has_digits_only(typed: str):
    assert check(CODE, typed) == wrong("not_digits")


def test_a_card_number_in_place_of_a_payer_code_is_called_what_it_is():
    assert check(CODE, "4111 1111 1111 1111") == wrong("card")
    assert check(CODE, "4111 1111 1111 1112") == wrong("digits", shortest=8, longest=10)


# --- periods ----------------------------------------------------------------------------------------
@given(today=DAYS, months=st.integers(-60, 12))
def test_a_period_is_at_most_next_month_and_at_most_three_years_back(today: date, months: int):
    on = add_months(today.replace(day=1), months)
    answer = check(PERIOD, f"{on:%Y-%m}", today=today)
    if months > 1:
        assert answer == wrong("period_ahead")
    elif months < -36:
        assert answer == wrong("period_old", years=3)
    else:
        assert answer == f"{on:%Y-%m}"
        assert on in periods(today=today)


@pytest.mark.parametrize("typed", ["2026-13", "2026-00", "0000-05", "11.2026", "ноябрь", "2026-1", "202611", "2026-11-01"])
def test_a_period_is_a_year_and_a_month(typed: str):
    assert check(PERIOD, typed) == wrong("period_malformed")


@given(today=DAYS, months=st.one_of(st.none(), st.integers(-30, 1)))
def test_the_month_that_is_due_is_the_last_one_over_or_the_one_after_the_last_paid(today: date, months: int | None):
    paid = None if months is None else add_months(today.replace(day=1), months)
    due = due_period(today=today, last_paid=paid)
    assert due in periods(today=today)
    assert due >= previous_month(today)
    if paid is None or paid < previous_month(today):
        assert due == previous_month(today)
    else:
        assert due == min(next_month(paid), next_month(today))


# --- readings ---------------------------------------------------------------------------------------
@given(value=st.decimals(0, 999_999_999, places=3), comma=st.booleans(), zeros=st.integers(0, 3))
def test_a_reading_is_the_number_that_was_typed(value: Decimal, comma: bool, zeros: int):
    typed = "0" * zeros + f"{value:f}"
    stored = check(METER, typed.replace(".", ",") if comma else typed)
    assert isinstance(stored, str)
    assert Decimal(stored) == value
    assert "," not in stored
    assert not stored.startswith("00")


@given(value=st.decimals(0, 999_999, places=3), last=st.decimals(0, 999_999, places=3))
def test_a_reading_is_not_below_the_last_one(value: Decimal, last: Decimal):
    answer = check(METER, f"{value:f}", last=f"{last:f}")
    assert (answer == wrong("below_last", last=f"{last:f}")) is (value < last)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("12 345,6", "12345.6"),
        ("12\u00a0345.600", "12345.6"),
        ("+5", "5"),
        ("-0", "0"),
        ("-5", wrong("negative")),
        ("−0,5", wrong("negative")),
        ("1,2345", wrong("decimals", most=3)),
        ("1,2340", "1.234"),
        ("1,234.5", wrong("not_number")),
        ("5.", wrong("not_number")),
        (".5", wrong("not_number")),
        ("1e3", wrong("not_number")),
        ("nan", wrong("not_number")),
        ("1234567890", wrong("too_large")),
    ],
)
def test_a_reading_is_read_with_comma_or_point(typed: str, answer: str | Problem):
    assert check(METER, typed) == answer


def test_a_meter_without_decimals_takes_whole_numbers():
    whole = FieldTerms("day", BillerFieldKind.READING)
    assert check(whole, "120,0") == "120"
    assert check(whole, "120,5") == wrong("decimals", most=0)


# --- texts ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("  Иванов   Пётр ", "Иванов Пётр"),
        ("к", wrong("too_short", shortest=2, longest=24)),
        ("к" * 25, wrong("too_long", shortest=2, longest=24)),
        ("кв\u202e4", wrong("characters")),
        ("кв\x004", wrong("characters")),
        ("4111-1111-1111-1111", wrong("card")),
        ("2202 2026 0722 0000", "2202 2026 0722 0000"),
    ],
)
def test_a_text_is_short_and_plain(typed: str, answer: str | Problem):
    assert check(TEXT, typed) == answer


@given(body=st.text("0123456789", min_size=12, max_size=18), cut=st.integers(1, 8), gap=st.sampled_from(["", " ", "-"]))
def test_a_card_number_is_seen_in_any_grouping_among_other_words(body: str, cut: int, gap: str):
    number = body + luhn.calc_check_digit(body)
    grouped = gap.join(number[start : start + cut] for start in range(0, len(number), cut))
    assert looks_like_card(number)
    assert looks_like_card(f"карта {grouped} до 12/26")
    assert not looks_like_card(body[:12])


def test_other_numbers_are_no_cards():
    assert not looks_like_card("8 900 123-45-67, кв. 12")
    assert not looks_like_card("41111111111111112222222222")
    assert not looks_like_card("4111111111111112")


# --- sums -------------------------------------------------------------------------------------------
@given(amount=st.integers(-1, 3_000_000), least=st.integers(1, 100_000), most=st.integers(100_000, 2_000_000))
def test_a_sum_is_within_what_the_biller_and_the_operator_take(amount: int, least: int, most: int):
    terms = PaymentTerms(least_kopecks=5_000, most_kopecks=1_000_000)
    low, high = bounds(least_kopecks=least, most_kopecks=most, terms=terms)
    assert (low, high) == (max(least, 5_000), min(most, 1_000_000))
    if low <= amount <= high:
        check_amount_for_biller(amount, least_kopecks=least, most_kopecks=most, terms=terms)
        return
    with pytest.raises(AmountOutOfRange) as refused:
        check_amount_for_biller(amount, least_kopecks=least, most_kopecks=most, terms=terms)
    assert refused.value.facts == {"least_kopecks": low, "most_kopecks": high}
