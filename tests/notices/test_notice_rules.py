"""When people are told of what lies ahead, what cannot be switched off, and how much goes into one letter."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.monthly import MonthOfAccount, MonthOfPerson, NextAutopay, as_facts, from_facts, month_of_document
from rules.notices import (
    ALWAYS_TOLD,
    LONGEST_DOCUMENTS,
    MOST_IN_LETTER,
    UNSUBSCRIBED,
    check_choice,
    foresee,
    in_letters,
    is_awake,
    step_of,
    wants_monthly,
)
from rules.refusals import NoticeNeeded
from rules.terms import AutopayAmount, AutopayTrigger, NoticeEvent

DECEMBER = date(2026, 12, 1)


def told(days: int, *, balance: int = 100, charge: int = 200) -> tuple[NoticeEvent, str] | None:
    seen = foresee(
        account_id=7,
        balance_kopecks=balance,
        charge_kopecks=charge,
        charge_on=DECEMBER,
        today=DECEMBER - timedelta(days=days),
    )
    return None if seen is None else (seen.event, seen.key)


def test_a_balance_that_will_not_do_is_told_once_a_fortnight_before_and_then_on_the_seventh_third_and_last_day():
    keys = [told(days) for days in range(20, 0, -1)]
    first_time = [(20 - place, each[1]) for place, each in enumerate(keys) if each and each not in keys[:place]]
    assert [days for days, _ in first_time] == [14, 7, 3, 1]
    assert len({key for _, key in first_time}) == 4


def test_a_balance_that_covers_the_charge_is_nothing_to_tell_of():
    assert told(5, balance=200) is None
    assert told(5, balance=199) is not None


def test_below_zero_is_told_once_a_month_whatever_the_day():
    assert {told(days, balance=-1) for days in range(1, 30)} == {(NoticeEvent.LOW_BALANCE, "low:7:2026-11:debt")}


@pytest.mark.parametrize(("days", "step"), [(8, None), (7, 7), (6, 7), (4, 7), (3, 3), (2, 3), (1, 1), (0, 1)])
def test_a_day_on_which_nobody_looked_is_made_up_for(days: int, step: int | None):
    assert step_of(days, (1, 3, 7)) == step


@pytest.mark.parametrize("event", list(NoticeEvent))
def test_sign_ins_and_failed_autopayments_stay_on_one_way_at_least(event: NoticeEvent):
    check_choice(event=event, in_cabinet=True, by_email=False)
    check_choice(event=event, in_cabinet=False, by_email=True)
    if event in (NoticeEvent.SIGN_IN, NoticeEvent.AUTOPAY_FAILED):
        with pytest.raises(NoticeNeeded):
            check_choice(event=event, in_cabinet=False, by_email=False)
    else:
        check_choice(event=event, in_cabinet=False, by_email=False)


def test_no_link_of_a_letter_switches_off_what_must_be_known_nor_receipts():
    assert set(UNSUBSCRIBED).isdisjoint({*ALWAYS_TOLD, NoticeEvent.AUTOPAY_DONE})


EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("chosen", "chosen_at", "consented", "consented_at", "wants"),
    [
        (None, None, None, None, False),
        (None, None, True, EARLY, True),
        (None, None, False, EARLY, False),
        (False, LATE, True, EARLY, False),
        (True, LATE, False, EARLY, True),
        (True, EARLY, False, LATE, False),
        (False, EARLY, True, LATE, True),
        (True, LATE, None, None, True),
    ],
)
def test_the_letter_of_the_month_goes_by_the_switch_or_the_answer_whichever_is_later(
    chosen: bool | None, chosen_at: datetime | None, consented: bool | None, consented_at: datetime | None, wants: bool
):
    given_ = {"chosen": chosen, "chosen_at": chosen_at, "consented": consented, "consented_at": consented_at}
    assert wants_monthly(**given_) is wants


def test_letters_come_from_nine_to_nine():
    assert [hour for hour in range(24) if is_awake(hour)] == list(range(9, 21))


@given(st.lists(st.integers(0, 10**9), max_size=120), st.integers(0, 3))
def test_letters_hold_everything_once_in_order_and_no_more_than_fits(ids: list[int], without: int):
    told = [(number, f"bill/{number}" if number % 4 > without else "") for number in ids]
    written = in_letters(told)
    assert [each for letter in written for each in letter] == told
    for letter in written:
        assert 0 < len(letter) <= MOST_IN_LETTER
        assert len(" ".join(document for _, document in letter if document)) <= LONGEST_DOCUMENTS


def test_a_month_reads_the_same_after_it_was_kept():
    rule = NextAutopay(AutopayTrigger.THRESHOLD, AutopayAmount.FIXED, 50_000, 30_000, None)
    by_day = NextAutopay(AutopayTrigger.MONTHLY, AutopayAmount.DUE, None, None, DECEMBER)
    month = MonthOfPerson(
        date(2026, 10, 1),
        (
            MonthOfAccount(1, 10, 20, -30, 30, DECEMBER, rule),
            MonthOfAccount(2, 1, 2, 3, 0, None, by_day),
            MonthOfAccount(3, 0, 0, 0, 0, None, None),
        ),
        points=5,
        points_earned=1,
    )
    assert from_facts(as_facts(month)) == month
    assert [account.account_id for account in from_facts(as_facts(month), among=[2, 9]).accounts] == [2]


@pytest.mark.parametrize("number", ["2026", "202600", "202613", "20261000"])
def test_what_is_no_month_is_none(number: str):
    with pytest.raises(ValueError, match="month"):
        month_of_document(number)
