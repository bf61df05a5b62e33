"""What people do with their accounts, cards and rules on a day of the simulation."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

import clock
from actions import perform
from actions.accounts import detach_account
from actions.autopay import (
    change_autopay_card,
    delete_autopay_rule,
    pause_autopay_rule,
    resume_autopay_rule,
    save_autopay_rule,
)
from actions.bonus import spend_points
from actions.cards import remove_card
from actions.orders import cancel_order, place_order, quote
from actions.payments import advance, begin_payment
from actions.refunds import advance_refund, begin_refund
from db import reading, transaction
from models import (
    Attachment,
    BillingAccount,
    BonusLot,
    LedgerAccount,
    NoticeChoice,
    OptionPrice,
    Order,
    Payment,
    PaymentPart,
    PlanPrice,
    SavedCard,
    Subscription,
)
from queries.options import account_services
from rules.refusals import Refusal
from rules.terms import (
    AccountStatus,
    AutopayAmount,
    AutopayState,
    AutopayTrigger,
    NoticeEvent,
    OrderKind,
    PaymentState,
    Right,
)
from tests.simulation.crowd import Crowd

AMOUNTS = (5_000, 10_000, 30_000, 50_000, 70_000, 100_000, 150_000)


class People(Crowd):
    """Everybody, with all that they may do. A method that returns False found nobody to do it."""

    def settle_in(self) -> None:
        """The world as it is on the first day: cards of every kind, and far more rules than a year of the demo has."""
        with reading() as db:
            cards = db.exec(select(SavedCard).order_by(col(SavedCard.id))).all()
        for card in cards:
            self._know(card.token, card.expires_on)
        self._look_around()
        for _ in range(self.accounts // 2):
            with suppress(Refusal):  # somebody has set one already
                self.sets_a_rule()
        people = sorted(self.visitors)
        with transaction() as db:
            for person in self.rng.sample(people, len(people) // 20):  # some want no letters, some nothing at all
                for event in (NoticeEvent.AUTOPAY_DONE, NoticeEvent.AUTOPAY_FAILED):
                    db.add(NoticeChoice(customer_id=person, event=event, in_cabinet=self.rng.random() < 0.6,
                                        by_email=self.rng.random() < 0.3, changed_at=clock.now()))  # fmt: skip

    # --- money ----------------------------------------------------------------------------------------
    def pays(self) -> bool:
        only_low = self.rng.random() < 0.6
        chosen = self._seen(Right.PAY, lambda each: each.balance_kopecks < 0 or not only_low)
        if chosen is None:
            return False
        person, account_id = chosen.person, chosen.account_id
        with reading() as db:
            owes = -db.exec(
                select(LedgerAccount.balance_kopecks).where(col(LedgerAccount.billing_account_id) == account_id)
            ).one()
        parts = {account_id: owes if owes >= 5_000 and self.rng.random() < 0.7 else self.rng.choice(AMOUNTS)}
        other = self._seen(Right.PAY, lambda each: each.person == person and each.account_id != account_id)
        if other is not None and self.rng.random() < 0.1:
            parts[other.account_id] = self.rng.choice(AMOUNTS)
        cards = self._cards(person)
        card_id = self.rng.choice(cards) if cards and self.rng.random() < 0.8 else None
        keeps = self.rng.random() < 0.2
        wish = {"parts": parts, "card_id": card_id, "keep_card": keeps, "return_url": "/back", "again": True}
        begun = perform(begin_payment, visitor=self.visitors[person], key=self._key(), **wish)
        if self.rng.random() < 0.08:
            return True  # closed the window before anything was sent
        standing = advance(begun.payment_id)
        if standing.page_url is not None and self.rng.random() < 0.85:
            with reading() as db:
                key = db.get_one(Payment, begun.payment_id).gateway_key
            self.bank.typed(key or "", good=self.rng.random() < 0.93)
            if self.rng.random() < 0.8:
                advance(begun.payment_id)
        return True

    def is_given_money_back(self) -> bool:
        with reading() as db:
            found = db.execute(
                sa.select(col(PaymentPart.payment_id), col(PaymentPart.billing_account_id), col(PaymentPart.amount_kopecks))
                .join(Payment, col(Payment.id) == col(PaymentPart.payment_id))
                .where(col(Payment.state) == PaymentState.SUCCEEDED, col(Payment.gateway_ref).is_not(None))
                .order_by(col(Payment.id).desc())
                .limit(100)
            ).all()
        chosen = self._one([row for row in found if row.amount_kopecks >= 200])
        if chosen is None:
            return False
        back = chosen.amount_kopecks if self.rng.random() < 0.5 else chosen.amount_kopecks // 2
        given = {"payment_id": chosen.payment_id, "account_id": chosen.billing_account_id, "amount_kopecks": back}
        advance_refund(perform(begin_refund, visitor=self.staff, reason="so it was agreed", key=self._key(), **given))
        return True

    def spends_points(self) -> bool:
        with reading() as db:
            rich = select(BonusLot.customer_id).where(col(BonusLot.remaining) > 20).distinct()
            have = set(db.exec(rich))
        chosen = self._seen(Right.PAY, lambda each: each.person in have)
        if chosen is None:
            return False
        points = self.rng.choice((1, 5, 20))
        perform(spend_points, visitor=self.visitors[chosen.person], account_id=chosen.account_id, points=points, key=self._key())
        return True

    # --- options --------------------------------------------------------------------------------------
    def orders(self) -> bool:
        chosen = self._seen(Right.MANAGE, lambda each: each.status is AccountStatus.ACTIVE)
        if chosen is None:
            return False
        person, account_id = chosen.person, chosen.account_id
        visitor, kind = self.visitors[person], self.rng.choice((OrderKind.CONNECT, OrderKind.CONNECT, OrderKind.DISCONNECT))
        with reading() as db:
            today = self._today(db.get_one(BillingAccount, account_id))
            services = account_services(db, visitor=visitor, account_id=account_id, today=today)
            fitting = []
            for option in services.catalogue.values():
                try:
                    fitting.append((option.option_id, quote(services, option, kind, today).first_kopecks))
                except Refusal:
                    continue
        option = self._one(fitting)
        if option is None:
            return False
        given = {"account_id": account_id, "option_id": option[0], "confirmed_kopecks": option[1]}
        perform(place_order, visitor=visitor, kind=kind, key=self._key(), **given)
        return True

    def takes_an_order_back(self) -> bool:
        with reading() as db:
            order = self._one(db.exec(select(Order).where(col(Order.closed_at).is_(None)).order_by(col(Order.id))).all())
        if order is None or order.placed_by_id is None:
            return False
        perform(cancel_order, visitor=self.visitors[order.placed_by_id], order_id=order.id)
        return True

    # --- rules ----------------------------------------------------------------------------------------
    def sets_a_rule(self, *, change: bool = False) -> bool:
        rule = self._rule(AutopayState.ACTIVE, AutopayState.PAUSED) if change else None
        if change and rule is None:
            return False
        if rule is not None:
            person, account_id = rule.customer_id, rule.billing_account_id
        else:
            chosen = self._seen(Right.PAY)
            if chosen is None:
                return False
            person, account_id = chosen.person, chosen.account_id
        cards = self._cards(person)
        card_id = self.rng.choice(cards) if cards and self.rng.random() < 0.8 else self._new_card(person)
        perform(
            save_autopay_rule,
            visitor=self.visitors[person],
            account_id=account_id,
            card_id=card_id,
            consent=True,
            rule_id=None if rule is None else rule.id,
            **self._draft(),
        )
        return True

    def _draft(self) -> dict[str, Any]:
        rng = self.rng
        trigger = rng.choice((AutopayTrigger.THRESHOLD, AutopayTrigger.MONTHLY, AutopayTrigger.MONTHLY, AutopayTrigger.BILL))
        by_threshold = trigger is AutopayTrigger.THRESHOLD
        kind = rng.choice([AutopayAmount.FIXED, AutopayAmount.UP_TO] + ([] if by_threshold else [AutopayAmount.DUE]))
        draft: dict[str, Any] = {"trigger": trigger, "amount_kind": kind}
        if by_threshold:
            draft["threshold_kopecks"] = rng.choice((3_000, 10_000, 30_000, 60_000))
        if trigger is AutopayTrigger.MONTHLY:
            draft["day_of_month"] = rng.choice((1, 29, 30, 31, rng.randint(1, 31), rng.randint(1, 31)))
        if kind is not AutopayAmount.DUE:
            draft["amount_kopecks"] = rng.choice(AMOUNTS[1:]) + (draft.get("threshold_kopecks", 0) if by_threshold else 0)
        if rng.random() < 0.5:
            draft["monthly_ceiling_kopecks"] = max(draft.get("amount_kopecks", 0), rng.choice((50_000, 120_000, 300_000)))
        return draft

    def changes_a_rule(self) -> bool:
        return self.sets_a_rule(change=True)

    def pauses_a_rule(self) -> bool:
        return self._with_rule(pause_autopay_rule, AutopayState.ACTIVE)

    def deletes_a_rule(self) -> bool:
        return self._with_rule(delete_autopay_rule, AutopayState.ACTIVE, AutopayState.PAUSED)

    def resumes_a_rule(self) -> bool:
        """Mostly with another card: the old one was refused."""
        rule = self._rule(AutopayState.PAUSED)
        if rule is None:
            return False
        if self.rng.random() < 0.7:
            card_id = self._new_card(rule.customer_id)
            perform(change_autopay_card, visitor=self.visitors[rule.customer_id], rule_id=rule.id, card_id=card_id)
        perform(resume_autopay_rule, visitor=self.visitors[rule.customer_id], rule_id=rule.id)
        return True

    def _with_rule(self, act: Callable[..., None], *states: AutopayState) -> bool:
        rule = self._rule(*states)
        if rule is None:
            return False
        perform(act, visitor=self.visitors[rule.customer_id], rule_id=rule.id)
        return True

    def changes_the_card(self) -> bool:
        rule = self._rule(AutopayState.ACTIVE)
        if rule is None:
            return False
        cards = self._cards(rule.customer_id)
        card_id = self.rng.choice(cards) if cards else self._new_card(rule.customer_id)
        perform(change_autopay_card, visitor=self.visitors[rule.customer_id], rule_id=rule.id, card_id=card_id)
        return True

    # --- cards ----------------------------------------------------------------------------------------
    def adds_a_card(self) -> bool:
        chosen = self._seen(Right.VIEW)
        return chosen is not None and self._new_card(chosen.person) > 0

    def removes_a_card(self) -> bool:
        """Through the portal, where rules move to another card; or the bank takes it away, and rules are left behind."""
        with reading() as db:
            card = self._one(db.exec(select(SavedCard).where(col(SavedCard.removed_at).is_(None)).order_by(SavedCard.id)).all())
        if card is None:
            return False
        if self.rng.random() < 0.3:
            with transaction() as db:
                db.get_one(SavedCard, card.id).removed_at = self.bank.now
            return True
        others = [each for each in self._cards(card.customer_id) if each != card.id]
        move_to = self.rng.choice(others) if others else None
        perform(remove_card, visitor=self.visitors[card.customer_id], card_id=card.id, move_to_card_id=move_to)
        return True

    def finds_a_card_poor(self) -> bool:
        token = self._one(sorted(self.bank.cards))
        if token is None:
            return False
        self.bank.cards[token] = self.rng.choice(("good", "good", "poor", "empty", "stolen"))
        return True

    # --- accounts -------------------------------------------------------------------------------------
    def detaches(self) -> bool:
        chosen = self._seen(Right.VIEW)
        if chosen is None:
            return False
        perform(detach_account, visitor=self.visitors[chosen.person], attachment_id=chosen.attachment_id)
        return True

    def is_attached(self) -> bool:
        """A relative who may pay, or a holder who came back."""
        account = self._account(AccountStatus.ACTIVE, AccountStatus.BLOCKED, AccountStatus.SUSPENDED)
        if account is None:
            return False
        person = account.holder_id if self.rng.random() < 0.5 else self.rng.choice(self.customers)
        with transaction() as db:
            live = (col(Attachment.billing_account_id) == account.id, col(Attachment.detached_at).is_(None))
            if db.exec(select(Attachment.id).where(*live, col(Attachment.customer_id) == person)).first() is not None:
                return False
            right = Right.MANAGE if person == account.holder_id else Right.PAY
            db.add(Attachment(customer_id=person, billing_account_id=account.id, right=right, attached_at=self.bank.now))
        return True

    def has_another_right(self) -> bool:
        chosen = self._seen(Right.VIEW)
        if chosen is None:
            return False
        with transaction() as db:
            db.get_one(Attachment, chosen.attachment_id).right = self.rng.choice((Right.VIEW, Right.PAY, Right.MANAGE))
        return True

    def suspends(self) -> bool:
        return self._becomes(AccountStatus.SUSPENDED, AccountStatus.ACTIVE)

    def works_again(self) -> bool:
        return self._becomes(AccountStatus.ACTIVE, AccountStatus.SUSPENDED)

    def closes(self) -> bool:
        return self._becomes(AccountStatus.CLOSED, AccountStatus.ACTIVE, AccountStatus.SUSPENDED, AccountStatus.BLOCKED)

    def _becomes(self, status: AccountStatus, *before: AccountStatus) -> bool:
        chosen = self._account(*before)
        if chosen is None:
            return False
        with transaction() as db:
            account, today = db.get_one(BillingAccount, chosen.id), self._today(chosen)
            account.status, account.status_since_on = status, today
            if status is AccountStatus.CLOSED:
                account.closed_on = today
                for live in db.exec(select(Subscription).where(Subscription.billing_account_id == chosen.id,
                                                               col(Subscription.ended_on).is_(None))):  # fmt: skip
                    live.ended_on = max(today, live.started_on)
        return True

    def another_price(self) -> bool:
        """Of a plan or an option, from a day of the next weeks on."""
        since, dearer = self.bank.now.date() + timedelta(days=self.rng.randint(1, 40)), self.rng.choice((0.9, 1.05, 1.1))
        with transaction() as db:
            if self.rng.random() < 0.6:
                plans = db.exec(select(PlanPrice).order_by(col(PlanPrice.plan_id), col(PlanPrice.valid_from_on))).all()
                plan = self.rng.choice(plans)
                db.merge(PlanPrice(plan_id=plan.plan_id, valid_from_on=since, monthly_kopecks=int(plan.monthly_kopecks * dearer)))
            else:
                prices = db.exec(select(OptionPrice).order_by(col(OptionPrice.option_id), col(OptionPrice.valid_from_on))).all()
                old = self.rng.choice(prices)
                new = int(old.price_kopecks * dearer)
                db.merge(OptionPrice(option_id=old.option_id, valid_from_on=since, price_kopecks=new))
        return True
