"""Accounts: a person attaches, names, orders and takes off accounts, and is told at the field what went wrong."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

import clock
from db import reading
from models import Attachment, AutopayRule, BillingAccount, Customer, Message
from rules.numbers import account_number, format_account_number
from rules.terms import AutopayState, Language, Right
from tests.driver import Screen, customer_of, open_screen
from texts import speaking, t, tn
from ui.widgets.attaching import RESEND_SECONDS

pytestmark = pytest.mark.usefixtures("seeded_db")
LANGUAGES = pytest.mark.parametrize("language", list(Language))


def mine(persona: str) -> list[tuple[Attachment, BillingAccount]]:
    """What a persona has attached, in their own order."""
    with reading() as db:
        rows = db.exec(
            select(Attachment, BillingAccount)
            .join(BillingAccount, col(BillingAccount.id) == col(Attachment.billing_account_id))
            .where(col(Attachment.customer_id) == customer_of(persona), col(Attachment.detached_at).is_(None))
            .order_by(col(Attachment.position), col(Attachment.id))
        )
        return [(attachment, account) for attachment, account in rows]


def awaiting(persona: str) -> BillingAccount:
    """The account that the newcomer holds and has not attached yet."""
    with reading() as db:
        return db.exec(select(BillingAccount).where(col(BillingAccount.holder_id) == customer_of(persona))).one()


def codes() -> list[str]:
    """Codes sent, oldest first."""
    with reading() as db:
        bodies = db.exec(select(Message.body).where(col(Message.about) == "attach_code").order_by(col(Message.id))).all()
    return [re.search(r"\b\d{6}\b", body)[0] for body in bodies]


def put(screen: Screen, field: str, value: str, button: str) -> Screen:
    """Fill a field and press a button."""
    screen.app.text_input(key=field).set_value(value)
    return screen.click(button)


def errors(screen: Screen) -> list[str]:
    return [error.value.replace("\\", "").replace("\u2060", "") for error in screen.app.error]


def keys(screen: Screen) -> set[str]:
    return {button.key for button in screen.app.button if button.key}


def said(key: str, language: Language, n: int | None = None, **facts: Any) -> str:
    with speaking(language):
        return t(key, **facts) if n is None else tn(key, n, **facts)


@LANGUAGES
def test_every_account_is_shown_with_its_number_holder_and_ones_right(language: Language):
    screen = open_screen("accounts", persona="family", language=language)
    rows = mine("family")
    assert len(rows) == 5
    for attachment, account in rows:
        assert format_account_number(account.number) in screen.says
        assert attachment.label in screen.says
        assert said("accounts.right_is", language, right=said(f"right.{attachment.right.value}", language)) in screen.says
    assert "Пётр Соколов" in screen.says  # somebody else's account says whose
    assert said("common.accounts", language, 5) in screen.says


@LANGUAGES
def test_a_newcomer_is_told_what_comes_here_and_attaches_the_first_account(language: Language):
    account = awaiting("newcomer")
    screen = open_screen("accounts", persona="newcomer", language=language)
    assert said("accounts.empty", language) in screen.says
    before = len(codes())
    put(screen, "attach_number", format_account_number(account.number), "send_code")
    assert len(codes()) == before + 1
    assert "•••" in screen.says
    assert account.contact_email not in screen.says
    put(screen, "attach_code", codes()[-1], "attach_confirm")
    assert not screen.app.error
    ((attachment, attached),) = mine("newcomer")
    assert (attached.id, attachment.right) == (account.id, Right.MANAGE)
    assert format_account_number(account.number) in screen.says
    assert said("accounts.empty", language) not in screen.says
    assert said("accounts.attached", language) in [toast.value for toast in screen.app.toast]


@LANGUAGES
def test_a_wrong_code_is_answered_at_the_field_with_the_tries_left_and_the_right_one_still_works(language: Language):
    screen = open_screen("accounts", persona="newcomer", language=language)
    put(screen, "attach_number", awaiting("newcomer").number, "send_code")
    code = codes()[-1]
    put(screen, "attach_code", f"{(int(code) + 1) % 1_000_000:06d}", "attach_confirm")
    assert errors(screen) == [said("refusal.code_wrong", language, tries_left="4")]
    assert mine("newcomer") == []
    put(screen, "attach_code", code, "attach_confirm")
    assert len(mine("newcomer")) == 1


@LANGUAGES
def test_a_slip_in_the_number_and_a_number_nobody_has_are_answered_at_the_field(language: Language):
    screen = open_screen("accounts", persona="newcomer", language=language)
    put(screen, "attach_number", "123", "send_code")
    assert errors(screen) == [said("refusal.account_number_malformed", language, digits="10")]
    put(screen, "attach_number", account_number(999_999_998), "send_code")
    assert errors(screen) == [said("refusal.account_unknown", language)]
    assert "attach_code" not in {field.key for field in screen.app.text_input}


def test_an_account_that_is_here_already_is_named():
    screen = open_screen("accounts", persona="family").click("attach_begin")
    attachment, account = mine("family")[0]
    put(screen, "attach_number", account.number, "send_code")
    assert errors(screen) == [said("refusal.account_already_attached", Language.RU, label=attachment.label)]


def test_another_number_can_be_taken_and_the_way_back_is_open():
    screen = open_screen("accounts", persona="newcomer")
    put(screen, "attach_number", awaiting("newcomer").number, "send_code").click("other_number")
    assert [field.key for field in screen.app.text_input] == ["attach_number"]
    family = open_screen("accounts", persona="family").click("attach_begin").click("attach_leave")
    assert "attach_begin" in keys(family)
    assert not family.app.text_input


def test_a_relative_who_was_told_the_code_may_pay_only():
    account = mine("pensioner")[0][1]
    screen = open_screen("accounts", persona="newcomer")
    put(screen, "attach_number", account.number, "send_code")
    put(screen, "attach_code", codes()[-1], "attach_confirm")
    assert [(row.right, held.id) for row, held in mine("newcomer")] == [(Right.PAY, account.id)]
    with reading() as db:
        holder = db.get_one(Customer, account.holder_id)
    assert f"{holder.first_name} {holder.last_name}" in screen.says


@LANGUAGES
def test_an_account_is_renamed_in_place(language: Language):
    screen = open_screen("accounts", persona="family", language=language)
    attachment = mine("family")[0][0]
    screen.click(f"rename_{attachment.id}")
    put(screen, f"label_{attachment.id}", "  У   моря ", f"save_label_{attachment.id}")
    assert mine("family")[0][0].label == "У моря"
    assert "У моря" in screen.says
    assert f"label_{attachment.id}" not in {field.key for field in screen.app.text_input}
    assert said("accounts.renamed", language) in [toast.value for toast in screen.app.toast]


def test_a_name_that_is_refused_stays_in_its_field_with_the_reason():
    screen = open_screen("accounts", persona="family")
    attachment = mine("family")[0][0]
    screen.click(f"rename_{attachment.id}")
    put(screen, f"label_{attachment.id}", "Дом\u202eмод", f"save_label_{attachment.id}")
    assert errors(screen) == [said("refusal.label_malformed", Language.RU, longest="40")]
    assert screen.app.text_input(key=f"label_{attachment.id}").value == "Дом\u202eмод"
    screen.click(f"keep_{attachment.id}")
    assert mine("family")[0][0].label == attachment.label


def test_accounts_move_one_place_and_the_ends_do_not():
    screen = open_screen("accounts", persona="family")
    first, second = (row.id for row, _ in mine("family")[:2])
    last = mine("family")[-1][0].id
    assert screen.button(f"move_up_{first}").disabled
    assert screen.button(f"move_down_{last}").disabled
    screen.click(f"move_down_{first}")
    assert [row.id for row, _ in mine("family")[:2]] == [second, first]
    assert screen.button(f"move_up_{second}").disabled


def _with_autopay() -> Attachment:
    with reading() as db:
        paid = db.exec(
            select(AutopayRule.billing_account_id).where(
                col(AutopayRule.customer_id) == customer_of("family"), col(AutopayRule.state) != AutopayState.DELETED
            )
        ).one()
    return next(row for row, account in mine("family") if account.id == paid)


@LANGUAGES
def test_detaching_asks_names_what_goes_with_it_and_does_it(language: Language):
    attachment = _with_autopay()
    screen = open_screen("accounts", persona="family", language=language)
    screen.click(f"detach_{attachment.id}")
    dialog = "\n".join(element.value for element in [*screen.app.markdown, *screen.app.warning])
    assert attachment.label in dialog
    assert said("accounts.detach_autopay", language, 1) in dialog
    assert len(mine("family")) == 5
    screen.click("confirm_detach")
    assert len(mine("family")) == 4
    assert said("common.accounts", language, 4) in screen.says
    with reading() as db:
        rules = db.exec(select(AutopayRule.state).where(col(AutopayRule.billing_account_id) == attachment.billing_account_id))
        assert set(rules) == {AutopayState.DELETED}


def test_detaching_can_be_thought_better_of():
    attachment = mine("family")[0][0]
    screen = open_screen("accounts", persona="family").click(f"detach_{attachment.id}").click("cancel_detach")
    assert len(mine("family")) == 5
    assert "confirm_detach" not in keys(screen.run())


@LANGUAGES
def test_asking_again_at_once_says_how_long_to_wait_and_later_sends_a_new_code_that_ends_the_old(
    language: Language, monkeypatch: pytest.MonkeyPatch
):
    screen = open_screen("accounts", persona="newcomer", language=language)
    put(screen, "attach_number", awaiting("newcomer").number, "send_code")
    sent = len(codes())
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment + timedelta(seconds=RESEND_SECONDS - 20))
    screen.click("resend")
    assert len(codes()) == sent
    assert re.search(r"\b(19|20)\b", screen.app.info[0].value)
    monkeypatch.setattr(clock, "now", lambda: moment + timedelta(seconds=RESEND_SECONDS))
    screen.click("resend")
    assert len(codes()) == sent + 1
    assert said("accounts.sent_again", language) in [toast.value for toast in screen.app.toast]
    older, newer = codes()[-2:]
    if older != newer:
        put(screen, "attach_code", older, "attach_confirm")
        assert mine("newcomer") == []
    put(screen, "attach_code", newer, "attach_confirm")
    assert len(mine("newcomer")) == 1


def test_a_demo_leads_to_the_letter_with_the_code():
    screen = open_screen("accounts", persona="newcomer")
    put(screen, "attach_number", awaiting("newcomer").number, "send_code")
    assert said("accounts.to_mailbox", Language.RU) in screen.says
    letters = open_screen("mailbox", persona="newcomer")
    assert codes()[-1] in [code.value for code in letters.app.code]
