"""What is wrong with what a person typed to register: a code for each field, so that the screen says it at the field."""

import unicodedata
from datetime import date

from rules.numbers import normalise_email, normalise_phone
from rules.passwords import password_problems

OLDEST_YEARS = 120
LONGEST_NAME = 60


def name_problem(name: str, *, needed: bool = True) -> str | None:
    """missing, too_long or malformed (line breaks, control characters, digits, marks of mark-up)."""
    tidy = " ".join(name.split(" ")).strip()
    if not tidy:
        return "missing" if needed else None
    if len(tidy) > LONGEST_NAME:
        return "too_long"
    # Letters with their marks, and what stands in names: space, hyphen, apostrophe, full stop.
    fine = all(unicodedata.category(sign)[0] in "LM" or sign in " -‑'’." for sign in tidy)
    return None if fine else "malformed"


def years_between(birth_on: date, today: date) -> int:
    """Full years of age."""
    return today.year - birth_on.year - ((today.month, today.day) < (birth_on.month, birth_on.day))


def birth_problem(birth_on: date | None, *, today: date, least_years: int) -> str | None:
    """missing, future, too_young (under `least_years`) or too_old (over 120 years)."""
    if birth_on is None:
        return "missing"
    if birth_on > today:
        return "future"
    age = years_between(birth_on, today)
    if age < least_years:
        return "too_young"
    return "too_old" if age > OLDEST_YEARS else None


def registration_problems(
    *,
    email: str,
    phone: str,
    password: str,
    last_name: str,
    first_name: str,
    patronymic: str,
    birth_on: date | None,
    region_known: bool,
    today: date,
    least_years: int,
) -> dict[str, str]:
    """Field → code of its first problem; empty when everything can be used."""
    problems: dict[str, str] = {}
    for field, typed, tidy in (("email", email, normalise_email), ("phone", phone, normalise_phone)):
        if not typed.strip():
            problems[field] = "missing"
            continue
        try:
            tidy(typed)
        except ValueError:
            problems[field] = "malformed"
    wrong = password_problems(password, email=email, phone=phone)
    if wrong:
        problems["password"] = wrong[0] if password else "missing"
    for field, name, needed in (
        ("last_name", last_name, True),
        ("first_name", first_name, True),
        ("patronymic", patronymic, False),
    ):
        problem = name_problem(name, needed=needed)
        if problem:
            problems[field] = problem
    problem = birth_problem(birth_on, today=today, least_years=least_years)
    if problem:
        problems["birth_on"] = problem
    if not region_known:
        problems["region"] = "missing"
    return problems
