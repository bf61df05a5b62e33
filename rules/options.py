"""Connecting and disconnecting options: whether it may be done, what it costs and from when. Sums are kopecks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

from rules.periods import next_month
from rules.proration import prorate
from rules.refusals import (
    OptionAlreadyConnected,
    OptionExcluded,
    OptionNeededBy,
    OptionNeeds,
    OptionNotConnected,
    OptionUnavailable,
    OrderPending,
)
from rules.terms import BillingMode, OptionGroup, Recurrence, ServiceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFacts:
    """An option as the rules see it. Empty `regions` or `services`: offered everywhere, with every service.

    `monthly_kopecks` is the price of a month, or the whole price of an option that is paid ONCE. `excludes` and
    `needs` hold codes of other options; an exclusion named on one side holds on both.
    """

    code: str
    group: OptionGroup
    monthly_kopecks: int
    recurrence: Recurrence
    name: str = ""
    excludes: frozenset[str] = field(default=frozenset())
    needs: frozenset[str] = field(default=frozenset())
    regions: frozenset[str] = field(default=frozenset())
    services: frozenset[ServiceKind] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class ConnectQuote:
    """What connecting costs: now, from the balance; each full month after; on this month's bill (postpaid).

    It works from `effective_on`; `ends_on` is the first day without it, or None when it goes on.
    """

    now_kopecks: int
    monthly_kopecks: int
    effective_on: date
    ends_on: date | None
    on_bill_kopecks: int = 0


@dataclass(frozen=True, slots=True)
class DisconnectQuote:
    """The first day without the option, and what comes back."""

    effective_on: date
    refund_kopecks: int = 0


def exclude_each_other(one: OptionFacts, other: OptionFacts) -> bool:
    """Whether two options cannot work together, whichever of them says so."""
    return one.code != other.code and (other.code in one.excludes or one.code in other.excludes)


def check_connect(
    *,
    option: OptionFacts,
    service: ServiceKind,
    region_code: str,
    connected: Mapping[str, OptionFacts],
    pending: Collection[str],
    catalogue: Mapping[str, OptionFacts],
) -> None:
    """Whether the option may be ordered. `pending` are codes with an open order, `catalogue` what is on offer.

    Checked in this order, so that the first refusal is the one that matters: OptionAlreadyConnected, OrderPending,
    OptionUnavailable, OptionExcluded, OptionNeeds. An open order counts against the new one: what is on its way in
    already excludes, what is on its way out no longer serves a need. Facts are codes of options.
    """
    if option.code in connected and option.code not in pending:
        raise OptionAlreadyConnected(option=option.code)
    if option.code in pending:
        raise OrderPending(option=option.code)
    if not _is_offered(option, service=service, region_code=region_code, catalogue=catalogue):
        raise OptionUnavailable(option=option.code)
    for other in sorted(_on_or_coming(connected, pending, catalogue), key=lambda facts: facts.code):
        if exclude_each_other(option, other):
            raise OptionExcluded(option=option.code, other=other.code)
    for needed in sorted(option.needs):
        if needed not in connected or needed in pending:
            raise OptionNeeds(option=option.code, other=needed)


def check_disconnect(
    *,
    option: OptionFacts,
    connected: Mapping[str, OptionFacts],
    pending: Collection[str],
    catalogue: Mapping[str, OptionFacts] | None = None,
) -> None:
    """Whether the option may be ordered off. With the catalogue, options that are only on their way in count too.

    Raises OrderPending, OptionNotConnected, or OptionNeededBy with the option that needs it; facts are codes.
    """
    if option.code in pending:
        raise OrderPending(option=option.code)
    if option.code not in connected:
        raise OptionNotConnected(option=option.code)
    for other in sorted(_on_or_coming(connected, pending, catalogue or {}), key=lambda facts: facts.code):
        if option.code in other.needs:
            raise OptionNeededBy(option=option.code, other=other.code)


def _is_offered(option: OptionFacts, *, service: ServiceKind, region_code: str, catalogue: Mapping[str, OptionFacts]) -> bool:
    return (
        option.code in catalogue
        and (not option.services or service in option.services)
        and (not option.regions or region_code in option.regions)
    )


def _on_or_coming(
    connected: Mapping[str, OptionFacts], pending: Collection[str], catalogue: Mapping[str, OptionFacts]
) -> list[OptionFacts]:
    """Options that work, and those with an order that is not yet done (an open order for what is not on is to connect)."""
    coming = [catalogue[code] for code in pending if code not in connected and code in catalogue]
    return [*connected.values(), *coming]


def quote_connect(*, option: OptionFacts, mode: BillingMode, today: date) -> ConnectQuote:
    """What the person confirms: it works from today.

    MONTHLY costs the rest of the month by days (rounded down), then the full price on every 1st. ONCE costs its
    full price and ends with the month. Prepaid pays now; postpaid finds the same sum on the bill of the month.
    """
    once = option.recurrence is Recurrence.ONCE
    first = option.monthly_kopecks if once else prorate(monthly_kopecks=option.monthly_kopecks, from_on=today).amount_kopecks
    prepaid = mode is BillingMode.PREPAID
    return ConnectQuote(
        now_kopecks=first if prepaid else 0,
        monthly_kopecks=0 if once else option.monthly_kopecks,
        effective_on=today,
        ends_on=next_month(today) if once else None,
        on_bill_kopecks=0 if prepaid else first,
    )


def quote_disconnect(*, option: OptionFacts, mode: BillingMode, today: date) -> DisconnectQuote:  # noqa: ARG001
    """A paid option works to the end of its month, so nothing comes back; a free one ends today.

    Both billing modes end alike, so that the day shown does not depend on how a person pays.
    """
    if option.monthly_kopecks == 0:
        return DisconnectQuote(effective_on=today)
    return DisconnectQuote(effective_on=next_month(today))
