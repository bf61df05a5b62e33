"""Options: what may be connected beside what, and the price before anybody confirms."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.options import (
    ConnectQuote,
    DisconnectQuote,
    OptionFacts,
    check_connect,
    check_disconnect,
    quote_connect,
    quote_disconnect,
)
from rules.proration import prorate
from rules.refusals import (
    OptionAlreadyConnected,
    OptionExcluded,
    OptionNeededBy,
    OptionNeeds,
    OptionNotConnected,
    OptionUnavailable,
    OrderPending,
    Refusal,
)
from rules.terms import BillingMode, OptionGroup, Recurrence, ServiceKind

PREPAID, POSTPAID = BillingMode.PREPAID, BillingMode.POSTPAID


def _option(code: str, **more: object) -> OptionFacts:
    plain = OptionFacts(code=code, group=OptionGroup.INTERNET, monthly_kopecks=30_000, recurrence=Recurrence.MONTHLY)
    return replace(plain, **more)


TURBO = _option("turbo", excludes=frozenset({"eco"}), services=frozenset({ServiceKind.INTERNET}), regions=frozenset({"RU-MOW"}))
ECO = _option("eco")
ROUTER = _option("router")
MESH = _option("mesh", needs=frozenset({"router"}))
CATALOGUE = {option.code: option for option in (TURBO, ECO, ROUTER, MESH)}


def _connect(
    option: OptionFacts,
    *,
    on: tuple[OptionFacts, ...] = (),
    pending: tuple[str, ...] = (),
    service: ServiceKind = ServiceKind.INTERNET,
    region: str = "RU-MOW",
) -> None:
    check_connect(
        option=option,
        service=service,
        region_code=region,
        connected={facts.code: facts for facts in on},
        pending=pending,
        catalogue=CATALOGUE,
    )


def _disconnect(option: OptionFacts, *, on: tuple[OptionFacts, ...], pending: tuple[str, ...] = ()) -> None:
    check_disconnect(option=option, connected={facts.code: facts for facts in on}, pending=pending, catalogue=CATALOGUE)


def test_an_option_on_offer_with_nothing_against_it_may_be_connected() -> None:
    assert _connect(TURBO) is None  # a refusal would be raised
    assert _connect(ECO, region="RU-SPE", service=ServiceKind.TV) is None
    assert _connect(MESH, on=(ROUTER,)) is None
    assert _connect(TURBO, on=(ROUTER,), pending=("mesh",)) is None


@pytest.mark.parametrize(
    ("option", "case", "refusal", "facts"),
    [
        (TURBO, {"region": "RU-SPE"}, OptionUnavailable, {"option": "turbo"}),
        (TURBO, {"service": ServiceKind.MOBILE}, OptionUnavailable, {"option": "turbo"}),
        (_option("withdrawn"), {}, OptionUnavailable, {"option": "withdrawn"}),
        (TURBO, {"on": (TURBO,)}, OptionAlreadyConnected, {"option": "turbo"}),
        (TURBO, {"on": (TURBO,), "region": "RU-SPE"}, OptionAlreadyConnected, {"option": "turbo"}),
        (TURBO, {"pending": ("turbo",)}, OrderPending, {"option": "turbo"}),
        (TURBO, {"on": (TURBO,), "pending": ("turbo",)}, OrderPending, {"option": "turbo"}),
        (TURBO, {"on": (ECO,)}, OptionExcluded, {"option": "turbo", "other": "eco"}),
        (ECO, {"on": (TURBO,)}, OptionExcluded, {"option": "eco", "other": "turbo"}),
        (ECO, {"pending": ("turbo",)}, OptionExcluded, {"option": "eco", "other": "turbo"}),
        (ECO, {"on": (TURBO,), "pending": ("turbo",)}, OptionExcluded, {"option": "eco", "other": "turbo"}),
        (MESH, {}, OptionNeeds, {"option": "mesh", "other": "router"}),
        (MESH, {"pending": ("router",)}, OptionNeeds, {"option": "mesh", "other": "router"}),
        (MESH, {"on": (ROUTER,), "pending": ("router",)}, OptionNeeds, {"option": "mesh", "other": "router"}),
    ],
)
def test_a_connection_is_refused_with_the_option_in_the_way(
    option: OptionFacts, case: dict[str, object], refusal: type[Refusal], facts: dict[str, str]
) -> None:
    with pytest.raises(Refusal) as refused:
        _connect(option, **case)
    assert type(refused.value) is refusal
    assert refused.value.facts == facts


@pytest.mark.parametrize(
    ("option", "on", "pending", "refusal", "facts"),
    [
        (ROUTER, (), (), OptionNotConnected, {"option": "router"}),
        (ROUTER, (ROUTER,), ("router",), OrderPending, {"option": "router"}),
        (ROUTER, (), ("router",), OrderPending, {"option": "router"}),
        (ROUTER, (ROUTER, MESH), (), OptionNeededBy, {"option": "router", "other": "mesh"}),
        (ROUTER, (ROUTER,), ("mesh",), OptionNeededBy, {"option": "router", "other": "mesh"}),
    ],
)
def test_a_disconnection_is_refused_while_ordered_absent_or_needed(
    option: OptionFacts, on: tuple[OptionFacts, ...], pending: tuple[str, ...], refusal: type[Refusal], facts: dict[str, str]
) -> None:
    with pytest.raises(Refusal) as refused:
        _disconnect(option, on=on, pending=pending)
    assert type(refused.value) is refusal
    assert refused.value.facts == facts


def test_what_needs_another_may_go_and_then_the_other_too() -> None:
    assert _disconnect(MESH, on=(ROUTER, MESH)) is None  # a refusal would be raised
    assert _disconnect(ROUTER, on=(ROUTER,)) is None


CODES = ("a", "b", "c", "d")
SOME_OPTIONS = st.fixed_dictionaries(
    {code: st.frozensets(st.sampled_from([other for other in CODES if other != code])) for code in CODES}
).map(lambda excludes: {code: _option(code, excludes=others) for code, others in excludes.items()})


def _may(option: OptionFacts, on: dict[str, OptionFacts], catalogue: dict[str, OptionFacts]) -> bool:
    try:
        check_connect(option=option, service=ServiceKind.TV, region_code="RU-MOW", connected=on, pending=(), catalogue=catalogue)
    except Refusal:
        return False
    return True


@settings(max_examples=100)
@given(options=SOME_OPTIONS, order=st.permutations(CODES))
def test_options_connected_one_by_one_never_exclude_each_other_and_exclusion_is_mutual(
    options: dict[str, OptionFacts], order: list[str]
) -> None:
    one, other = options[order[0]], options[order[1]]
    assert _may(one, {other.code: other}, options) == _may(other, {one.code: one}, options)
    on: dict[str, OptionFacts] = {}
    for code in order:
        if _may(options[code], on, options):
            on[code] = options[code]
    assert all(other not in option.excludes for option in on.values() for other in on)


MID_APRIL = date(2025, 4, 16)
MAY = date(2025, 5, 1)
ONCE = _option("pass", recurrence=Recurrence.ONCE)


@pytest.mark.parametrize(
    ("option", "mode", "quote"),
    [
        (ECO, PREPAID, ConnectQuote(15_000, 30_000, MID_APRIL, None, 0)),
        (ECO, POSTPAID, ConnectQuote(0, 30_000, MID_APRIL, None, 15_000)),
        (ONCE, PREPAID, ConnectQuote(30_000, 0, MID_APRIL, MAY, 0)),
        (ONCE, POSTPAID, ConnectQuote(0, 0, MID_APRIL, MAY, 30_000)),
        (_option("free", monthly_kopecks=0), PREPAID, ConnectQuote(0, 0, MID_APRIL, None, 0)),
    ],
)
def test_the_quote_shows_what_is_paid_now_each_month_and_on_the_bill(
    option: OptionFacts, mode: BillingMode, quote: ConnectQuote
) -> None:
    assert quote_connect(option=option, mode=mode, today=MID_APRIL) == quote


@settings(max_examples=60)
@given(price=st.integers(0, 10**6), today=st.dates(date(2024, 1, 1), date(2027, 12, 31)), once=st.booleans())
def test_both_ways_of_billing_cost_the_same_in_the_end(price: int, today: date, once: bool) -> None:
    option = _option("x", monthly_kopecks=price, recurrence=Recurrence.ONCE if once else Recurrence.MONTHLY)
    now = quote_connect(option=option, mode=PREPAID, today=today)
    later = quote_connect(option=option, mode=POSTPAID, today=today)
    assert now.now_kopecks == later.on_bill_kopecks
    assert now.on_bill_kopecks == later.now_kopecks == 0
    assert now.now_kopecks == (price if once else prorate(monthly_kopecks=price, from_on=today).amount_kopecks)


@pytest.mark.parametrize("mode", list(BillingMode))
@pytest.mark.parametrize(
    ("price", "today", "effective"),
    [
        (30_000, MID_APRIL, MAY),
        (30_000, date(2025, 12, 31), date(2026, 1, 1)),
        (30_000, date(2025, 4, 1), MAY),
        (0, MID_APRIL, MID_APRIL),
    ],
)
def test_a_paid_option_works_to_the_end_of_its_month_and_a_free_one_ends_today(
    mode: BillingMode, price: int, today: date, effective: date
) -> None:
    option = _option("x", monthly_kopecks=price)
    assert quote_disconnect(option=option, mode=mode, today=today) == DisconnectQuote(effective, 0)
