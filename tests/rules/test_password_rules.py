"""Passwords: every character counts, and what makes one easy to guess is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.passwords import COMMON, password_problems, prehash


def test_the_form_for_bcrypt_is_base64_of_sha_256() -> None:
    assert prehash("abc") == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


@settings(max_examples=100)
@given(password=st.text(max_size=200))
def test_the_form_for_bcrypt_is_always_within_its_72_bytes_and_has_no_zero_byte(password: str) -> None:
    assert len(prehash(password)) == 44
    assert prehash(password).isascii()
    assert "\0" not in prehash(password)


def test_characters_after_the_72nd_byte_count() -> None:
    assert prehash("я" * 100 + "a") != prehash("я" * 100 + "b")


def test_letters_composed_in_another_way_are_the_same_password() -> None:
    assert prehash("Чай-и-пирог") == prehash("Чаи\u0306-и-пирог")


@pytest.mark.parametrize(
    ("password", "problems"),
    [
        ("tR7!mokva", []),
        ("correct horse battery staple", []),
        ("берёза у пруда", []),
        ("tR7!mok", ["too_short"]),
        ("x1" * 64, []),
        ("x1" * 64 + "y", ["too_long"]),
        ("Password123", ["too_common"]),
        ("ЙЦУКЕН123", ["too_common"]),
        ("zzzzzzzzzzzz", ["too_common"]),
        ("12345", ["too_short"]),
        ("", ["too_short"]),
    ],
)
def test_what_is_wrong_with_a_password_is_named(password: str, problems: list[str]) -> None:
    assert password_problems(password) == problems


@pytest.mark.parametrize(
    ("password", "problems"),
    [
        ("Anna.Petrova!", ["has_email"]),
        ("x9001234567x", ["has_phone"]),
        ("8(900)123-45-67", ["has_phone"]),
        ("anna-likes-tea", []),
        ("x1234567", ["has_phone"]),
    ],
)
def test_a_password_made_of_ones_own_address_or_phone_is_named(password: str, problems: list[str]) -> None:
    assert password_problems(password, email="anna.petrova@x.ru", phone="+79001234567") == problems


def test_a_short_name_in_an_address_forbids_nothing() -> None:
    assert password_problems("tea-and-cake", email="tea@x.ru") == []


def test_a_longer_list_of_common_passwords_may_be_given() -> None:
    assert password_problems("KabinetKabinet", common=frozenset({"kabinetkabinet"})) == ["too_common"]


def test_every_common_password_is_caught_and_none_is_listed_in_vain() -> None:
    assert all("too_common" in password_problems(word) for word in COMMON)
    assert all(len(word) >= 8 for word in COMMON)
    assert all("too_common" in password_problems(word.upper()) for word in COMMON)
