"""Numbers, addresses and labels: one spelling, slips caught, masks that hide."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.numbers import (
    account_number,
    check_account_number,
    format_account_number,
    mask_email,
    mask_phone,
    normalise_email,
    normalise_label,
    normalise_phone,
)
from rules.refusals import AccountNumberMalformed, LabelMalformed

SERIALS = st.integers(1, 999_999_999)


def _is_good(text: str) -> bool:
    try:
        check_account_number(text)
    except AccountNumberMalformed:
        return False
    return True


@pytest.mark.parametrize(("serial", "number"), [(572, "0000005724"), (123_456_789, "1234567894"), (999_999_999, "9999999990")])
def test_a_number_is_nine_digits_and_a_damm_check_digit(serial: int, number: str) -> None:
    assert account_number(serial) == number


@pytest.mark.parametrize("serial", [0, -1, 1_000_000_000])
def test_a_serial_beyond_nine_digits_is_an_error(serial: int) -> None:
    with pytest.raises(ValueError):
        account_number(serial)


@settings(max_examples=60)
@given(serial=SERIALS)
def test_every_single_wrong_digit_is_caught(serial: int) -> None:
    number = account_number(serial)
    for place, right in enumerate(number):
        for wrong in "0123456789":
            if wrong != right:
                assert not _is_good(number[:place] + wrong + number[place + 1 :])


@settings(max_examples=200)
@given(serial=SERIALS)
def test_every_swap_of_two_neighbours_is_caught(serial: int) -> None:
    number = account_number(serial)
    for place in range(9):
        swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        assert swapped == number or not _is_good(swapped)


@settings(max_examples=60)
@given(serial=SERIALS, separator=st.sampled_from([" ", "-", "\u00a0", "–", ""]))
def test_a_number_reads_back_however_it_is_grouped(serial: int, separator: str) -> None:
    number = account_number(serial)
    grouped = format_account_number(number)
    assert [len(part) for part in grouped.split(" ")] == [3, 3, 3, 1]
    assert check_account_number(f" {grouped.replace(' ', separator)}\t") == number


@pytest.mark.parametrize(
    "text", ["", "123", "12345678940", "1234567890", "0000000000", "12345б7894", "١٢٣٤٥٦٧٨٩٤", "1234.567894"]
)
def test_what_is_no_account_number_is_refused_with_its_length(text: str) -> None:
    with pytest.raises(AccountNumberMalformed) as refused:
        check_account_number(text)
    assert refused.value.facts == {"digits": 10}


@pytest.mark.parametrize(
    "text",
    ["8 (900) 123-45-67", "+7 900 123 45 67", "9001234567", "79001234567", "8.900.123.45.67", "+7\u00a0900\u00a0123‑45–67"],
)
def test_a_phone_is_stored_in_one_form_however_it_is_typed(text: str) -> None:
    assert normalise_phone(text) == "+79001234567"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+89001234567",
        "+9001234567",
        "900123456",
        "90012345678",
        "+1 202 555 0100",
        "+70001234567",
        "8 900 CALL ME",
        "++79001234567",
        "+7900123456७",
        "+79001234567\x00",
    ],
)
def test_what_is_no_russian_phone_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        normalise_phone(text)


@settings(max_examples=60)
@given(national=st.from_regex(r"[3-9][0-9]{9}", fullmatch=True))
def test_a_stored_phone_is_left_as_it_is_and_its_mask_hides_five_digits(national: str) -> None:
    phone = f"+7{national}"
    assert normalise_phone(phone) == normalise_phone("8" + national) == phone
    assert mask_phone(phone) == f"+7 {national[:3]} •••-••-{national[-2:]}"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (" Anna@X.ru ", "anna@x.ru"),
        ("anna+tv@mail.example.com", "anna+tv@mail.example.com"),
        ("o'neil@x-y.org", "o'neil@x-y.org"),
        ("anna@Пример.рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("a" * 64 + "@x.ru", "a" * 64 + "@x.ru"),
    ],
)
def test_an_address_is_stored_in_lower_case_and_ascii(text: str, stored: str) -> None:
    assert normalise_email(text) == stored
    assert normalise_email(stored) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "@x.ru",
        "anna@",
        "anna@x",
        "a@b@x.ru",
        "a b@x.ru",
        ".a@x.ru",
        "a.@x.ru",
        "a..b@x.ru",
        "anna@-x.ru",
        "anna@x..ru",
        "anna@x.ru\nBcc: all@x.ru",
        "anna@x.ru\r\n",
        "\nanna@x.ru",
        "анна@x.ru",
        '"a"@x.ru',
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a" * 65 + "@x.ru",
        "a@" + ".".join(["b" * 60] * 5) + ".ru",
        "a@x.ru\x00",
        "a<b>@x.ru",
        "a,b@x.ru",
    ],
)
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        normalise_email(text)


@settings(max_examples=150)
@given(text=st.emails() | st.text(max_size=40) | st.text(alphabet="ab@.\r\n ", max_size=12))
def test_an_accepted_address_is_safe_for_a_letter_and_stays_the_same(text: str) -> None:
    try:
        stored = normalise_email(text)
    except ValueError:
        return
    assert stored == stored.lower() == normalise_email(stored)
    assert stored.isascii()
    assert len(stored) <= 254
    assert not any(sign.isspace() for sign in stored)


@pytest.mark.parametrize(
    ("email", "mask"),
    [("anna@x.ru", "an•••@x.ru"), ("abc@x.ru", "ab•••@x.ru"), ("ab@x.ru", "a•••@x.ru"), ("a@x.ru", "•••@x.ru")],
)
def test_a_masked_address_never_shows_the_whole_name(email: str, mask: str) -> None:
    assert mask_email(email) == mask


def test_a_mask_of_no_phone_is_an_error() -> None:
    with pytest.raises(ValueError):
        mask_phone("12345")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("  Mum's   internet ", "Mum's internet"),
        ("Мамин\u00a0интернет", "Мамин интернет"),
        ("a\tb\r\nc", "a b c"),
        ("и\u0306", "й"),
        ("x" * 40, "x" * 40),
        (" " * 50 + "x", "x"),
    ],
)
def test_a_label_is_trimmed_and_its_spaces_are_single(text: str, label: str) -> None:
    assert normalise_label(text) == label


@pytest.mark.parametrize("text", ["", " \t\n", "x" * 41, "a\x00b", "a\x1bb", "a\u202eb", "a\u200bb", "a\u2028b", "a\ufeff"])
def test_an_empty_long_or_deceptive_label_is_refused(text: str) -> None:
    with pytest.raises(LabelMalformed) as refused:
        normalise_label(text)
    assert refused.value.facts == {"longest": 40}


def test_the_longest_label_is_for_the_caller_to_say() -> None:
    assert normalise_label("abc", longest=3) == "abc"
    with pytest.raises(LabelMalformed) as refused:
        normalise_label("abcd", longest=3)
    assert refused.value.facts == {"longest": 3}


@settings(max_examples=100)
@given(text=st.text(max_size=45))
def test_an_accepted_label_stays_the_same(text: str) -> None:
    try:
        label = normalise_label(text)
    except LabelMalformed:
        return
    assert normalise_label(label) == label
    assert 1 <= len(label) <= 40
