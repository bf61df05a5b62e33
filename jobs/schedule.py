"""All background work as data: what is done, how often, and in which order.

Each piece is a function of the moment that does what is due by then and returns how many things it did; it does no more than one
round holds, so it is called again until it returns 0. Everything is derived from rows: what a crash or a night without a
server left undone is due still, and whoever comes next does it. The order below is the order of a day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from actions.autopaying import run_due
from actions.billing import bill_due
from actions.blocking import block_overdue, resume_paid
from actions.bonus import expire_lots, grant_birthdays
from actions.closing import erase_due_accounts
from actions.demo_clock import mark_lived
from actions.letters import send_due
from actions.looking_ahead import look_ahead
from actions.mailings import mail_due, write_monthly
from actions.provisioning import carry_out_due, end_what_ran_out
from jobs import exports, figures, history, money

Work = Callable[[datetime], int]


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work; its name is also that of its texts.

    `cron` in Moscow time: with five fields the engine fires it, once in all processes; with six, seconds first, every process
    does it every few seconds.
    """

    name: str
    cron: str
    work: Work


JOBS: tuple[Job, ...] = (
    Job("provisioning", "*/5 * * * * *", carry_out_due),
    Job("options_end", "*/5 * * * *", end_what_ran_out),
    Job("bonus_expiry", "*/5 * * * *", expire_lots),
    Job("birthdays", "*/5 * * * *", grant_birthdays),
    Job("billing", "*/5 * * * *", bill_due),
    Job("blocking", "*/10 * * * *", block_overdue),
    Job("autopay", "* * * * *", run_due),
    Job("look_ahead", "*/30 * * * *", look_ahead),
    Job("payments", "*/5 * * * * *", money.settle_payments),
    Job("refunds", "*/5 * * * * *", money.settle_money_back),
    Job("resuming", "*/5 * * * * *", resume_paid),
    Job("cards", "*/5 * * * * *", money.settle_cards),
    Job("exports", "*/5 * * * * *", exports.make_due),
    Job("exports_end", "*/5 * * * *", exports.drop_due),
    Job("closing", "*/5 * * * *", erase_due_accounts),
    Job("figures", "*/5 * * * *", figures.refresh),
    Job("monthly", "*/30 * * * *", write_monthly),
    Job("notices", "* * * * *", mail_due),
    Job("letters", "*/5 * * * * *", send_due),
    Job("lived", "* * * * *", mark_lived),
    Job("history", "30 4 * * *", history.forget),
)

AT_THE_GATEWAY, BY_MAIL = ("payments", "refunds", "cards"), ("letters",)
"""What waits for somebody else's answers."""
