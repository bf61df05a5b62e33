"""Nobody in the demo is a real person, and nobody but the personas can sign in."""

import re
import sqlite3
from datetime import date

import bcrypt
import numpy as np
import pytest

from db.engine import make_engine
from rules.numbers import normalise_email, normalise_phone
from rules.passwords import password_problems, prehash
from seed import run
from seed.people import CITIES, draw
from seed.personas import KEYS, PASSWORD


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    file = tmp_path_factory.mktemp("people") / "kabinet.db"
    run(engine=make_engine(f"sqlite:///{file}"), customers=200, months=3, seed=3, as_of=date(2026, 11, 22))
    return sqlite3.connect(file)


def is_woman(patronymic: str) -> bool:
    assert re.search(r"(вна|чна|вич|ич)$", patronymic), patronymic
    return patronymic.endswith("на")


def test_last_names_and_patronymics_agree_in_gender(rows: sqlite3.Connection) -> None:
    for last, first, patronymic in rows.execute("SELECT last_name, first_name, patronymic FROM customer"):
        woman = is_woman(patronymic)
        assert last.endswith(("ова", "ева", "ёва", "ина", "ына", "ая")) == woman, (last, patronymic)
        assert last.endswith(("ов", "ев", "ёв", "ин", "ын", "ий")) != woman, (last, patronymic)
        if first not in ("Никита", "Илья", "Данила", "Савва", "Лука", "Фома", "Кузьма"):
            assert first.endswith(("а", "я", "ь")) >= woman or first in ("Любовь",), (first, patronymic)


def test_first_names_of_women_go_with_womens_last_names() -> None:
    people = draw(
        np.random.default_rng(1), count=3000, first_id=1, families=np.zeros(3000, dtype=bool), today=20_000, cities=list(CITIES)
    )
    for woman, first, patronymic in zip(people.woman, people.first, people.patronymic, strict=True):
        assert is_woman(patronymic) == bool(woman)
        assert (first[-1] in "ая" or first == "Любовь") == bool(woman) or first in ("Никита", "Илья")


def test_phones_belong_to_nobody(rows: sqlite3.Connection) -> None:
    mobile = [row[0] for row in rows.execute("SELECT phone FROM customer WHERE phone IS NOT NULL")]
    mobile += [row[0] for row in rows.execute("SELECT service_phone FROM billing_account WHERE service = 'mobile'")]
    mobile += [row[0] for row in rows.execute("SELECT contact_phone FROM billing_account")]
    assert len(mobile) > 300
    assert all(re.fullmatch(r"\+7974\d{7}", number) for number in mobile)
    city = [row[0] for row in rows.execute("SELECT service_phone FROM billing_account WHERE service = 'phone'")]
    codes = {place.area_code for place in CITIES}
    assert city
    assert all(number[2:5] in codes and number[5] == "0" for number in city)
    assert all(normalise_phone(number) == number for number in mobile + city)
    assert len(set(city)) == len(city)


def test_mail_addresses_are_reserved_ones(rows: sqlite3.Connection) -> None:
    mails = [row[0] for row in rows.execute("SELECT email FROM customer WHERE email IS NOT NULL")]
    mails += [row[0] for row in rows.execute("SELECT contact_email FROM billing_account")]
    assert all(re.search(r"@(example\.(com|org|net)|kabinet\.example)$", mail) for mail in mails)
    assert all(normalise_email(mail) == mail for mail in mails)


def test_only_personas_can_sign_in(rows: sqlite3.Connection) -> None:
    assert [row[0] for row in rows.execute("SELECT key FROM demo_persona ORDER BY position")] == list(KEYS)
    found = rows.execute(
        "SELECT c.customer_id, c.password_hash, p.key FROM credential c LEFT JOIN demo_persona p USING (customer_id)"
    )
    credentials = found.fetchall()
    assert len(credentials) == len(KEYS)
    assert all(key is not None for _, _, key in credentials)
    assert {hashed[:7] for _, hashed, _ in credentials} == {"$2b$12$"}
    assert len({hashed for _, hashed, _ in credentials}) == 1
    assert bcrypt.checkpw(prehash(PASSWORD).encode(), credentials[0][1].encode())
    assert not bcrypt.checkpw(prehash(PASSWORD + " ").encode(), credentials[0][1].encode())
    assert password_problems(PASSWORD) == []


def test_staff_have_their_roles_and_no_accounts(rows: sqlite3.Connection) -> None:
    roles = dict(rows.execute("SELECT key, role FROM demo_persona JOIN customer ON customer.id = customer_id").fetchall())
    assert (roles["analyst"], roles["administrator"]) == ("analyst", "administrator")
    assert [role for role in roles.values() if role == "customer"] == ["customer"] * 7
    assert rows.execute("SELECT COUNT(*) FROM customer WHERE role <> 'customer'").fetchone()[0] == 2
    assert not rows.execute(
        "SELECT 1 FROM customer c WHERE role <> 'customer' AND (c.id IN (SELECT holder_id FROM billing_account) "
        "OR c.id IN (SELECT customer_id FROM attachment) OR c.id IN (SELECT customer_id FROM portal_visit))"
    ).fetchall()


def test_no_card_number_is_stored_whole(rows: sqlite3.Connection) -> None:
    for token, last_four in rows.execute("SELECT token, last_four FROM saved_card"):
        assert re.fullmatch(r"tok_[0-9a-f]{32}", token)
        assert re.fullmatch(r"\d{4}", last_four)


def test_a_second_copy_of_the_letters_reads_plainly(rows: sqlite3.Connection) -> None:
    known = {row[0] for row in rows.execute("SELECT email FROM customer WHERE email IS NOT NULL")}
    letters = rows.execute("SELECT recipient, subject, body FROM message").fetchall()
    assert letters
    for recipient, subject, body in letters:
        assert recipient in known
        assert subject
        assert "!" not in body
