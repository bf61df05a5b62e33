"""Made-up people: names, contacts, addresses, ages. Pools come from Faker once; numpy combines them.

Nothing here may reach a real person:
* mobile numbers are in +7 974, a DEF code that the numbering plan of the Russian Federation gives to no operator;
* city numbers begin with 0 after the area code, which no subscriber's number does (0… are the special services);
* e-mail addresses are in example.com, .org and .net and under .example, reserved by RFC 2606 for exactly this.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from faker.providers.address.ru_RU import Provider as RussianAddresses
from faker.providers.person.ru_RU import Provider as RussianNames

MOBILE_CODE = "974"
DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True)
class City:
    """The main city of a region: its ISO 3166-2 code, name, area code of city telephones, share of customers."""

    region: str
    name: str
    area_code: str
    weight: int


# Where the fictional operator works. The weights go with the number of people there, roughly.
CITIES = (
    City("RU-MOW", "Москва", "495", 170),
    City("RU-SPE", "Санкт-Петербург", "812", 80),
    City("RU-MOS", "Подольск", "496", 60),
    City("RU-LEN", "Гатчина", "813", 22),
    City("RU-NIZ", "Нижний Новгород", "831", 46),
    City("RU-TA", "Казань", "843", 46),
    City("RU-SVE", "Екатеринбург", "343", 48),
    City("RU-SAM", "Самара", "846", 38),
    City("RU-NVS", "Новосибирск", "383", 44),
    City("RU-KDA", "Краснодар", "861", 42),
    City("RU-PER", "Пермь", "342", 28),
    City("RU-VOR", "Воронеж", "473", 28),
    City("RU-KYA", "Красноярск", "391", 30),
    City("RU-OMS", "Омск", "381", 22),
    City("RU-IRK", "Иркутск", "395", 20),
    City("RU-PRI", "Владивосток", "423", 20),
    City("RU-KHA", "Хабаровск", "421", 15),
    City("RU-KAM", "Петропавловск-Камчатский", "415", 5),
    City("RU-SAK", "Южно-Сахалинск", "424", 6),
    City("RU-KGD", "Калининград", "401", 16),
    City("RU-TUL", "Тула", "487", 18),
    City("RU-YAR", "Ярославль", "485", 16),
)

# Faker lists names of a thousand years with equal weight. These are the ones people under ninety bear, commonest
# first; only those that Faker knows are used.
_MEN = """Александр Сергей Дмитрий Андрей Алексей Максим Евгений Иван Михаил Артем Николай Владимир Денис Павел Роман Игорь
    Олег Юрий Никита Кирилл Виктор Илья Егор Константин Анатолий Вадим Матвей Виталий Валерий Станислав Тимофей Руслан
    Вячеслав Борис Арсений Петр Глеб Федор Степан Леонид Григорий Георгий Геннадий Тимур Семен Эдуард Богдан Лев Захар Марк
    Ярослав Герман"""
_WOMEN = """Елена Ольга Татьяна Наталья Анна Ирина Светлана Мария Екатерина Анастасия Юлия Дарья Марина Людмила Галина
    Виктория Валентина Ксения Надежда Вера Полина Александра Любовь Алина Оксана Лариса Нина Елизавета Тамара Вероника Валерия
    Маргарита Евгения Варвара Кира Ульяна Лидия Зоя Раиса Антонина Алла Таисия Регина Жанна Василиса Ангелина Майя Эмилия"""
_FATHERS = """Александр Серге Владимир Алексе Дмитри Андре Никола Анатоль Иван Виктор Михайл Васил Юрь Павл Петр Геннад
    Борис Леонид Валери Георги Константин Евгень Вячеслав Эдуард Олег Вадим Роман Федор Тимур Григорь Степан Семен Матве Егор
    Яковл Игор Денис Станислав Владислав Виталь Герман Глеб"""

_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh sch _ y _ e yu ya".replace("_", "").split(" "),
        strict=True,
    )
)


def latin(name: str) -> str:
    """A name in Latin letters for an e-mail address: lower case, without soft and hard signs."""
    return "".join(_LATIN.get(letter, "") for letter in name.lower())


@dataclass(frozen=True, slots=True)
class Pools:
    """Names to combine, index 0 for men and 1 for women, each with how often it is met."""

    first: tuple[list[str], list[str]]
    first_weights: tuple[np.ndarray, np.ndarray]
    patronymic: tuple[list[str], list[str]]
    last: tuple[list[str], list[str]]
    last_weights: np.ndarray
    streets: list[str]


def _rank_weights(count: int, power: float) -> np.ndarray:
    weights = 1.0 / (np.arange(count) + 6.0) ** power
    return weights / weights.sum()


@lru_cache
def pools() -> Pools:
    """The pools, drawn once from Faker's Russian lists. The two lists of last names go in pairs, men's and women's."""
    men = [name for name in _MEN.split() if name in RussianNames.first_names_male]
    women = [name for name in _WOMEN.split() if name in RussianNames.first_names_female]
    daughters = sorted(name for name in set(RussianNames.middle_names_female) if name.startswith(tuple(_FATHERS.split())))
    return Pools(
        first=(men, women),
        first_weights=(_rank_weights(len(men), 0.9), _rank_weights(len(women), 0.9)),
        # Faker's men lack Иванович and Сергеевич; its women have both, and the two forms differ in the ending only.
        patronymic=([name.removesuffix("на") + "ич" for name in daughters], daughters),
        last=(list(RussianNames.last_names_male), list(RussianNames.last_names_female)),
        last_weights=_rank_weights(len(RussianNames.last_names_male), 0.6),
        streets=[title for title in RussianAddresses.street_titles if not title.startswith(("Безымянн", "Тупик", "Болотн"))],
    )


@dataclass(slots=True)
class People:
    """Drawn people, as columns: `woman` 0/1, `region` an index into the cities, `birth_day` days since 1970."""

    woman: np.ndarray
    last: list[str]
    first: list[str]
    patronymic: list[str]
    region: np.ndarray
    birth_day: np.ndarray
    email: list[str]
    phone: list[str]
    address: list[str]


def mobile_number(serial: int) -> str:
    """The mobile number of a made-up person, E.164; serials 0 to 9 999 999."""
    return f"+7{MOBILE_CODE}{serial:07d}"


def city_number(area_code: str, serial: int) -> str:
    """A city telephone that cannot exist, E.164; serials 0 to 999 999."""
    return f"+7{area_code}0{serial % 1_000_000:06d}"


def draw(rng: np.random.Generator, *, count: int, first_id: int, families: np.ndarray, today: int, cities: list[City]) -> People:
    """Draw `count` people with ids from `first_id`.

    `families` marks places whose person shares last name, region and address with the one before. The ids go into
    e-mails and phones, so that these differ between all people ever drawn.
    """
    p = pools()
    woman = (rng.random(count) < 0.54).astype(np.int64)
    family = rng.choice(len(p.last[0]), size=count, p=p.last_weights)
    weights = np.array([city.weight for city in cities], dtype=float)
    region = rng.choice(len(cities), size=count, p=weights / weights.sum())
    street = rng.integers(0, len(p.streets), size=count)
    house = rng.integers(1, 140, size=count)
    flat = rng.integers(1, 220, size=count)
    for place in np.flatnonzero(families):  # rare: a few in a hundred
        for column in (family, region, street, house, flat):
            column[place] = column[place - 1]
    first = np.where(
        woman == 1,
        rng.choice(len(p.first[1]), size=count, p=p.first_weights[1]),
        rng.choice(len(p.first[0]), size=count, p=p.first_weights[0]),
    )
    father = rng.random(count)
    # Adults of 18 to 88; most between 28 and 62.
    age_days = ((18 + 70 * rng.beta(1.9, 2.6, size=count)) * 365.25).astype(np.int64)
    domain = rng.integers(0, len(DOMAINS), size=count)
    sexes, last_names, first_names = woman.tolist(), family.tolist(), first.tolist()
    ids = range(first_id, first_id + count)
    last_text = [p.last[s][name] for s, name in zip(sexes, last_names, strict=True)]
    first_text = [p.first[s][name] for s, name in zip(sexes, first_names, strict=True)]
    latin_last: tuple[list[str], ...] = tuple([latin(name) for name in names] for names in p.last)
    latin_first: tuple[list[str], ...] = tuple([latin(name) for name in names] for names in p.first)
    return People(
        woman=woman,
        last=last_text,
        first=first_text,
        patronymic=[p.patronymic[s][int(share * len(p.patronymic[s]))] for s, share in zip(sexes, father.tolist(), strict=True)],
        region=region,
        birth_day=today - age_days,
        email=[
            f"{latin_first[s][f]}.{latin_last[s][n]}{i}@{DOMAINS[d]}"
            for s, f, n, i, d in zip(sexes, first_names, last_names, ids, domain.tolist(), strict=True)
        ],
        phone=[mobile_number(scrambled(i, 8_999_993) + 1_000_000) for i in ids],
        address=[
            f"г. {cities[r].name}, ул. {p.streets[s]}, д. {h}, кв. {f}"
            for r, s, h, f in zip(region.tolist(), street.tolist(), house.tolist(), flat.tolist(), strict=True)
        ],
    )


def scrambled(number: int, prime: int) -> int:
    """A number below `prime` that looks random; different for different numbers below it."""
    return number * 2_654_435_761 % prime


def pick(rng: np.random.Generator, options: Any, size: int, weights: Any) -> np.ndarray:
    """Indices into `options`, by weight."""
    share = np.asarray(weights, dtype=float)
    return rng.choice(len(options), size=size, p=share / share.sum())
