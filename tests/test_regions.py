"""The regions people live in are those of ISO 3166-2:RU, each with a clock of its own."""

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

FILE = Path(__file__).parents[1] / "db" / "reference" / "regions.csv"
SUBDIVISIONS = """
AD AL BA BU CE CU DA IN KB KC KK KL KO KR ME MO SA SE TA TY UD
ALT KAM KDA KHA KYA PER PRI STA ZAB
AMU ARK AST BEL BRY CHE IRK IVA KEM KGD KGN KIR KLU KOS KRS LEN LIP MAG MOS MUR NGR NIZ NVS OMS ORE ORL PNZ PSK ROS RYA
SAK SAM SAR SMO SVE TAM TOM TUL TVE TYU ULY VGG VLA VLG VOR YAR
MOW SPE YEV CHU KHM NEN YAN
"""
"""Republics; territories; regions; cities, the autonomous region and autonomous districts."""


def regions() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_subdivision_of_the_standard_is_there_once_and_nothing_else_is():
    codes = [region["code"] for region in regions()]
    assert len(codes) == len(set(codes)) == 83
    assert set(codes) == {f"RU-{name}" for name in SUBDIVISIONS.split()}


def test_every_region_has_a_name_of_its_own_in_both_languages():
    for language in ("ru", "en"):
        names = [region[f"name_{language}"] for region in regions()]
        assert all(name and name == name.strip() for name in names)
        assert len(set(names)) == 83


def test_every_region_has_a_clock_that_exists_and_the_country_spans_eleven_hours():
    from datetime import datetime

    noon = datetime(2026, 1, 1, 12)  # noqa: DTZ001
    offsets = {ZoneInfo(region["time_zone"]).utcoffset(noon) for region in regions()}
    assert len(offsets) == 11


def test_regions_that_do_not_keep_their_neighbours_time_keep_their_own():
    zones = {region["code"]: region["time_zone"] for region in regions()}
    assert zones["RU-MOW"] == "Europe/Moscow"
    assert zones["RU-KGD"] == "Europe/Kaliningrad"
    assert zones["RU-SAR"] == "Europe/Saratov"
    assert zones["RU-SA"] == "Asia/Yakutsk"
    assert zones["RU-CHU"] == "Asia/Anadyr"
