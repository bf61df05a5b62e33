"""Charts say their answer, name their unit and tell the same in words; one thing has one colour everywhere."""

from datetime import date

import pandas as pd
import pytest

from rules.periods import add_months
from rules.terms import Language
from texts import speaking
from ui.charts.money import by_service, monthly_money, year_against_year
from ui.charts.points import points_by_month
from ui.charts.rehearsal import rehearsal
from ui.charts.style import PLACES, Finished, colour

PALETTE = tuple(f"#00000{place}" for place in range(7))
FIRST = date(2025, 12, 1)


def money_frame(months: int = 12, paid: int = 100_000, charged: int = 123_456, bonus: int = 0) -> pd.DataFrame:
    rows = [(add_months(FIRST, step), paid, charged, bonus) for step in range(months)]
    return pd.DataFrame(rows, columns=["month_on", "paid", "charged", "bonus"])


@pytest.mark.parametrize(
    ("before", "ru", "en"),
    [
        (1_111_111, "Платежи выросли на 8\u00a0%", "You paid 8% more"),
        (1_304_348, "Платежи снизились на 8\u00a0%", "You paid 8% less"),
        (1_200_100, "Платежи не изменились", "You paid as much as before"),
        (0, "За период оплачено 12\u00a0000\u00a0₽", "You paid ₽12,000"),
        (100_000, "За период оплачено 12\u00a0000\u00a0₽", "You paid ₽12,000"),
    ],
)
def test_the_title_answers_whether_it_is_more_than_before(before: int, ru: str, en: str):
    for language, title in ((Language.RU, ru), (Language.EN, en)):
        with speaking(language):
            assert monthly_money(money_frame(), palette=PALETTE, before_kopecks=before).title == title


def test_the_answer_is_about_what_is_shown():
    with speaking(Language.EN):
        seen = monthly_money(money_frame(), palette=PALETTE, shown=("charged",), before_kopecks=1_000_000)
    assert seen.title == "Charges grew by 48%"
    assert [trace.name for trace in seen.figure.data] == ["Charged"]
    assert seen.figure.layout.showlegend is False


def test_bars_are_paid_the_line_is_charged_and_the_pointer_tells_kopecks():
    with speaking(Language.RU):
        seen = monthly_money(money_frame(bonus=5_000), palette=PALETTE)
    kinds = [(trace.type, trace.name, trace.marker.color) for trace in seen.figure.data]
    assert kinds == [
        ("bar", "Оплачено", PALETTE[PLACES["paid"]]),
        ("bar", "Баллами", PALETTE[PLACES["bonus"]]),
        ("scatter", "Начислено", PALETTE[PLACES["charged"]]),
    ]
    assert seen.figure.data[2].customdata[0] == "1\u00a0234,56\u00a0₽"
    assert seen.figure.data[2].y[0] == 1234.56
    assert seen.figure.layout.yaxis.ticksuffix == "\u00a0₽"
    assert seen.figure.layout.separators == ",\u00a0"
    assert "14\u00a0814,72\u00a0₽" in seen.alt


def test_english_writes_its_own_separators_and_unit():
    with speaking(Language.EN):
        seen = monthly_money(money_frame(), palette=PALETTE)
    assert (seen.figure.layout.separators, seen.figure.layout.yaxis.tickprefix) == (".,", "₽")
    assert seen.figure.layout.xaxis.ticktext[:2] == ("Dec", "Jan<br>2026")


@pytest.mark.parametrize(("months", "ticks"), [(3, 3), (12, 12), (24, 8), (36, 12)])
def test_months_do_not_crowd_the_axis(months: int, ticks: int):
    layout = monthly_money(money_frame(months), palette=PALETTE).figure.layout.xaxis
    assert len(layout.ticktext) == ticks
    assert layout.tickvals[-1] == months - 1, "the latest month is always named"
    assert len({text[-4:] for text in layout.ticktext if "<br>" in text}) >= 1


def test_a_service_has_its_colour_whatever_its_place():
    frames = ([("tv", 300), ("mobile", 200)], [("mobile", 500), ("tv", 1)])
    for rows in frames:
        figure = by_service(pd.DataFrame(rows, columns=["part", "kopecks"]), palette=PALETTE).figure
        shades = dict(zip([part for part, _ in rows], figure.data[0].marker.color, strict=True))
        assert shades == {"tv": colour(PALETTE, "service.tv"), "mobile": colour(PALETTE, "service.mobile")}
    assert len({colour(PALETTE, f"service.{name}") for name in ("internet", "mobile", "tv", "phone")}) == 4


def test_plans_and_options_of_one_account_are_named_and_the_smallest_are_put_together():
    rows = [(f"Опция {place}", 1000 - place) for place in range(12)]
    with speaking(Language.RU):
        seen = by_service(pd.DataFrame(rows, columns=["part", "kopecks"]), palette=PALETTE, service="tv")
    assert set(seen.figure.data[0].marker.color[:-1]) == {colour(PALETTE, "service.tv")}
    assert len(seen.figure.data[0].x) == 8
    assert sum(seen.figure.data[0].x) == pytest.approx(sum(kopecks for _, kopecks in rows) / 100)
    assert seen.title == "Дороже всего «Опция 0» — 8\u00a0%"
    assert "Остальное — 49,55\u00a0₽" in seen.alt


def test_a_year_is_set_against_the_year_before():
    frame = pd.DataFrame([(add_months(FIRST, step), 110, 100) for step in range(12)], columns=["month_on", "now", "before"])
    with speaking(Language.RU):
        assert year_against_year(frame, palette=PALETTE).title == "Услуги стали дороже на 10\u00a0%, чем год назад"


def test_only_months_that_both_years_have_say_what_became_dearer():
    rows = [(add_months(FIRST, step), 110, 100 if step > 6 else 0) for step in range(12)]
    drawing = year_against_year(pd.DataFrame(rows, columns=["month_on", "now", "before"]), palette=PALETTE)
    with speaking(Language.RU):
        assert drawing.title == "Услуги стали дороже на 10\u00a0%, чем год назад"
    assert [value is None or value != value for value in drawing.figure.data[1].y] == [True] * 7 + [False] * 5


def test_points_earned_go_up_and_points_gone_go_down():
    frame = pd.DataFrame(
        [(FIRST, 50, 20, 0), (add_months(FIRST, 1), 1, 0, 0)], columns=["month_on", "earned", "spent", "expired"]
    )
    with speaking(Language.RU):
        seen = points_by_month(frame, palette=PALETTE)
    assert [(trace.name, trace.y[0]) for trace in seen.figure.data] == [("Начислено", 50), ("Потрачено", -20)]
    assert seen.title == "За год накоплено 51\u00a0балл, потрачено 20"


def test_the_rehearsal_draws_a_line_for_each_way_marks_the_payments_and_reddens_the_ground_below_zero():
    days = [date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 2)]
    rows = [("now", on, balance, paid) for on, balance, paid in zip(days, (50_000, 40_000, 40_000), (0, 50_000, 0), strict=True)]
    rows += [("none", on, balance, 0) for on, balance in zip(days, (50_000, -10_000, -10_000), strict=True)]
    frame = pd.DataFrame(rows, columns=["way", "on", "balance", "paid"])
    facts = {"palette": PALETTE, "today": days[0], "days": 2, "title": "Ответ", "alt": "Словами"}
    with speaking(Language.RU):
        seen = rehearsal(frame, ways=(("now", "По порогу"), ("none", "Без автоплатежа")), **facts)
        quiet = rehearsal(frame[:3], ways=(("now", "По порогу"),), **facts)
    lines = {trace.name: trace for trace in seen.figure.data if trace.name}
    assert list(lines["По порогу"].y) == [500, 400, 400]
    assert list(lines["Без автоплатежа"].y) == [500, -100, -100]
    assert lines["По порогу"].customdata[1] == "400,00\u00a0₽ (+500,00\u00a0₽)"
    assert [list(trace.x) for trace in seen.figure.data if trace.mode == "markers" and len(trace.x)] == [["2026-12-01"]]
    assert len({(trace.line.dash, trace.line.color) for trace in lines.values()}) == 2, "told apart by more than colour"
    assert (len(seen.figure.layout.shapes), len(quiet.figure.layout.shapes)) == (1, 0)
    assert (seen.title, seen.alt) == ("Ответ", "Словами")


def test_a_figure_that_is_finished_is_sent_as_it_was_drawn_and_worked_out_once():
    seen = by_service(pd.DataFrame([("mobile", 100)], columns=["part", "kopecks"]), palette=PALETTE)
    finished = Finished(seen.figure)
    assert finished.to_dict() == seen.figure.to_dict()
    assert finished.to_dict() is finished.to_dict()
