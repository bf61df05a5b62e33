"""Named refusals: why the portal says no, with the facts a person needs to go on.

Each subclass has a `code`; the sentence is in the catalogues under `refusal.<code>` and may use every
fact by name. Money facts are integer kopecks under a name that ends in `_kopecks`, days `…_on` are dates,
moments `…_at` aware UTC; the texts layer formats them for the reader.
"""

from typing import Any, ClassVar


class Refusal(Exception):
    """Base of all named refusals. `facts` are shown to the person, so nothing secret goes in."""

    code: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code)
        self.facts: dict[str, Any] = facts


# --- who is asking ---------------------------------------------------------------------------------
class SignInRefused(Refusal):
    """One neutral answer for a wrong name, a wrong password and a locked account."""

    code = "sign_in"


class TooManyAttempts(Refusal):
    """Facts: minutes."""

    code = "too_many_attempts"


class NotSignedIn(Refusal):
    code = "not_signed_in"


class NotAllowed(Refusal):
    """The person may not do this here; also the answer for what does not exist, so nothing is disclosed."""

    code = "not_allowed"


class RightTooLow(Refusal):
    """The account is attached, but with a lower right. Facts: needed (a Right)."""

    code = "right_too_low"


class DemoOnly(Refusal):
    code = "demo_only"


# --- attaching accounts ----------------------------------------------------------------------------
class AccountNumberMalformed(Refusal):
    """Facts: digits (how many a number has)."""

    code = "account_number_malformed"


class AccountUnknown(Refusal):
    code = "account_unknown"


class AccountAlreadyAttached(Refusal):
    """Facts: label."""

    code = "account_already_attached"


class CodeWrong(Refusal):
    """Facts: tries_left."""

    code = "code_wrong"


class CodeExpired(Refusal):
    code = "code_expired"


class CodeSpent(Refusal):
    """Too many wrong tries, or already used."""

    code = "code_spent"


class LabelMalformed(Refusal):
    """Facts: longest."""

    code = "label_malformed"


# --- identity --------------------------------------------------------------------------------------
class FieldWrong(Refusal):
    """Something typed cannot be used. Facts: field, problem (codes; the sentence is `field.<field>.<problem>`)."""

    code = "field_wrong"


class LinkSpent(Refusal):
    """A link from a letter is unknown, used or too old; the answers are the same."""

    code = "link_spent"


class EmailTaken(Refusal):
    """Somebody was quicker; said only to who has shown that the e-mail is theirs."""

    code = "email_taken"


class ResetCodeWrong(Refusal):
    """The code does not fit, or there is none: the same, so that nobody learns whose phone is known."""

    code = "reset_code_wrong"


class PasswordWrong(Refusal):
    """The present password, asked again before a sensitive change."""

    code = "password_wrong"


class SecondStepNeeded(Refusal):
    """The password was right; a code of the second factor is asked for. `proof` names this sign-in, for the form only."""

    code = "second_step_needed"
    proof_id: int = 0


class IdentityTaken(Refusal):
    """An outside identity signs somebody else in already, or the person has one of that provider."""

    code = "identity_taken"


class IdentityUnknown(Refusal):
    """Nobody has bound this outside identity."""

    code = "identity_unknown"


class LastWayIn(Refusal):
    """Without it the person could not come in any more."""

    code = "last_way_in"


class NotReadyYet(Refusal):
    """The archive is being made, or was dropped."""

    code = "not_ready_yet"


# --- options and orders ----------------------------------------------------------------------------
class OptionUnavailable(Refusal):
    """Not offered for this service or region. Facts: option."""

    code = "option_unavailable"


class OptionExcluded(Refusal):
    """Facts: option, other (names of options)."""

    code = "option_excluded"


class OptionNeeds(Refusal):
    """Facts: option, other."""

    code = "option_needs"


class OptionNeededBy(Refusal):
    """It cannot go while another needs it. Facts: option, other."""

    code = "option_needed_by"


class OptionAlreadyConnected(Refusal):
    code = "option_already_connected"


class OptionNotConnected(Refusal):
    code = "option_not_connected"


class OrderPending(Refusal):
    """An open order for the same option exists. Facts: option."""

    code = "order_pending"


class OrderTooLate(Refusal):
    """The order can no longer be taken back."""

    code = "order_too_late"


class NotEnoughMoney(Refusal):
    """Facts: price_kopecks, balance_kopecks, missing_kopecks."""

    code = "not_enough_money"


class AccountNotActive(Refusal):
    code = "account_not_active"


class PriceChanged(Refusal):
    """What was confirmed is no longer the price. Facts: price_kopecks."""

    code = "price_changed"


# --- autopay ---------------------------------------------------------------------------------------
class AmountOutOfRange(Refusal):
    """Facts: least_kopecks, most_kopecks."""

    code = "amount_out_of_range"


class ThresholdOutOfRange(Refusal):
    """Facts: least_kopecks, most_kopecks."""

    code = "threshold_out_of_range"


class DayOutOfRange(Refusal):
    code = "day_out_of_range"


class CeilingTooLow(Refusal):
    """The monthly ceiling is under one payment. Facts: amount_kopecks."""

    code = "ceiling_too_low"


class UpToNotAboveThreshold(Refusal):
    """Topping up to a sum that is not above the threshold would fire at once again."""

    code = "up_to_not_above_threshold"


class AmountKindMismatch(Refusal):
    """The sum due can be paid by day or by bill, not by threshold."""

    code = "amount_kind_mismatch"


class RulesConflict(Refusal):
    """Another rule already pays this account on the same ground. Facts: trigger (of the other rule)."""

    code = "rules_conflict"


class RuleChanged(Refusal):
    """An autopay rule is no longer what it was when its form was opened."""

    code = "rule_changed"


class CardUnusable(Refusal):
    """Removed, expired or somebody else's."""

    code = "card_unusable"


class ConsentMissing(Refusal):
    code = "consent_missing"


# --- paying ----------------------------------------------------------------------------------------
class AmountMalformed(Refusal):
    """What was typed is not a sum of money."""

    code = "amount_malformed"


class AmountTooFine(Refusal):
    """More than two digits after the decimal mark; `1,234` is one, for it may mean thousands."""

    code = "amount_too_fine"


class AmountNotAboveZero(Refusal):
    code = "amount_not_above_zero"


class ChangedAtTheClick(Refusal):
    """The button still named what stood in the form before: a sum that nobody was shown is not charged."""

    code = "changed_at_the_click"


class NothingToPay(Refusal):
    """No account was chosen, or every sum is empty."""

    code = "nothing_to_pay"


class AccountClosed(Refusal):
    """Facts: label."""

    code = "account_closed"


class PaidJustNow(Refusal):
    """The same payment was made a moment ago; it may be made again by saying so. Facts: amount_kopecks, minutes."""

    code = "paid_just_now"


class PaymentUnderWay(Refusal):
    """The same payment was begun a moment ago and is not over; it may be begun again by saying so. Facts: amount_kopecks."""

    code = "payment_under_way"


class GatewayDown(Refusal):
    """The bank does not answer; nothing is known to have been charged, the payment is looked after."""

    code = "gateway_down"


class CardInUse(Refusal):
    """Autopay charges it: another card has to be named first. Facts: rules (how many)."""

    code = "card_in_use"


class LooksLikeCard(Refusal):
    """A label or text looks like a card number. Nothing of the kind is kept."""

    code = "looks_like_card"


# --- refunds ---------------------------------------------------------------------------------------
class RefundTooMuch(Refusal):
    """Facts: left_kopecks (what of the payment can still be given back)."""

    code = "refund_too_much"


class RefundImpossible(Refusal):
    """Cash, a payment to a biller, or one that did not succeed."""

    code = "refund_impossible"


class ReasonMissing(Refusal):
    code = "reason_missing"


# --- bonus -----------------------------------------------------------------------------------------
class NotEnoughPoints(Refusal):
    """Facts: points (what there is), wanted."""

    code = "not_enough_points"


class PointsMalformed(Refusal):
    """Points are whole and at least one."""

    code = "points_malformed"


# --- billers ---------------------------------------------------------------------------------------
class BillerUnavailable(Refusal):
    """Not offered in the person's region, or no more."""

    code = "biller_unavailable"


class BillerFieldWrong(Refusal):
    """Facts: field (its label in the person's language), problem (a code; the sentence is `biller_field.<problem>`)."""

    code = "biller_field_wrong"


class TemplateNameMissing(Refusal):
    """Facts: longest."""

    code = "template_name_missing"


# --- notices ---------------------------------------------------------------------------------------
class NoticeNeeded(Refusal):
    """A person must learn of this somehow. Facts: event (a NoticeEvent)."""

    code = "notice_needed"


# --- ledger ----------------------------------------------------------------------------------------
class KeyReused(Refusal):
    """The same idempotency key came with other content."""

    code = "key_reused"


# --- the demo ---------------------------------------------------------------------------------------
class ClockIsMoving(Refusal):
    """The demo's clock is being moved already."""

    code = "clock_is_moving"


# --- the machine room ------------------------------------------------------------------------------
class Unavailable(Refusal):
    """The database is locked or down; nothing was changed, it may be tried again."""

    code = "unavailable"
