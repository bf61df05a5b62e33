"""Asking for a code too often, and guessing it, end where they must on the screen too."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

import clock
from db import reading
from models import Attachment, BillingAccount, Message
from rules.terms import AccountStatus
from tests.driver import Screen, customer_of, open_screen


def with_code_asked() -> Screen:
    with reading() as db:
        number = db.exec(
            select(BillingAccount.number)
            .where(col(BillingAccount.contact_email).is_not(None), BillingAccount.status == AccountStatus.ACTIVE)
            .order_by(col(BillingAccount.id).desc())
        ).first()
    screen = open_screen("accounts", persona="newcomer")
    screen.text_input(key="attach_number").input(number)
    return screen.click("send_code")


def test_a_code_that_may_not_be_sent_again_is_not_announced(seeded_db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    screen, began = with_code_asked(), clock.now()
    for step in range(1, 11):
        monkeypatch.setattr(clock, "now", lambda step=step: began + timedelta(seconds=31 * step))
        screen.click("resend")
    assert "Слишком много попыток" in screen.error[0].value
    assert not screen.toast


def test_after_the_fifth_wrong_code_even_the_right_one_is_of_no_use(seeded_db: sa.Engine):
    screen = with_code_asked()
    with reading() as db:
        body = db.exec(select(Message.body).where(Message.about == "attach_code").order_by(col(Message.id).desc())).first()
    found = re.search(r"\b\d{6}\b", body or "")
    assert found is not None
    wrong = "000000" if found[0] != "000000" else "111111"
    for code in [wrong] * 5 + [found[0]]:
        screen.text_input(key="attach_code").input(code)
        screen.click("attach_confirm")
    assert "больше не действует" in screen.error[0].value.replace("\\", "")
    with reading() as db:
        mine = select(Attachment).where(Attachment.customer_id == customer_of("newcomer"), col(Attachment.detached_at).is_(None))
        assert db.exec(mine).first() is None
