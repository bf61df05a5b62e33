"""Whom one can pay beside the operator: fictional billers as data and rows, and what the demo's people paid them.

No biller exists: their taxpayer numbers (ИНН) begin with 00, which is no region's code.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rules.periods import add_months, month_start
from rules.terms import BillerCategory, BillerFieldKind, DeclineReason, PaymentMethod, PaymentState, TransferCode
from seed import personas
from seed.chunk import Chunk
from seed.codes import BILLERS, GATEWAY, LATER
from seed.load import Tables, day_number
from seed.world import DAY

HOUSING, POWER, GAS, WATER, HEAT = (
    BillerCategory.HOUSING, BillerCategory.POWER, BillerCategory.GAS, BillerCategory.WATER, BillerCategory.HEAT,
)  # fmt: skip
KINDERGARTEN, EDUCATION, PARKING, SECURITY = (
    BillerCategory.KINDERGARTEN, BillerCategory.EDUCATION, BillerCategory.PARKING, BillerCategory.SECURITY,
)  # fmt: skip

# The federal districts, by the second half of the codes of ISO 3166-2:RU; together they are the whole country.
CENTRE = "MOW MOS BEL BRY VLA VOR IVA KLU KOS KRS LIP ORL RYA SMO TAM TVE TUL YAR"
NORTH_WEST = "SPE LEN KGD ARK VLG KR KO MUR NEN NGR PSK"
SOUTH = "AD AST VGG KL KDA ROS DA IN KB KC SE STA CE"
VOLGA = "BA KIR ME MO NIZ ORE PNZ PER SAM SAR TA UD ULY CU"
URAL = "KGN SVE TYU CHE KHM YAN"
SIBERIA = "AL ALT IRK KEM KYA NVS OMS TOM TY KK"
FAR_EAST = "AMU BU YEV ZAB KAM MAG PRI SA SAK KHA CHU"
BIG = "MOW SPE MOS LEN NIZ TA SVE SAM NVS KDA PER VOR KYA"
EAST = f"{URAL} {SIBERIA} {FAR_EAST}"


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What a biller has to be told."""

    code: str
    kind: BillerFieldKind
    label_ru: str
    label_en: str
    hint_ru: str = ""
    hint_en: str = ""
    required: bool = True
    shortest: int = 0
    longest: int = 30
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class BillerFacts:
    """A biller. Without regions it works everywhere; `roubles` is what a month usually costs, `winter` how much more of it in
    January than in July, in shares. Limits in roubles."""

    code: str
    category: BillerCategory
    name_ru: str
    name_en: str
    fields: tuple[FieldFacts, ...]
    regions: str = ""
    roubles: int = 1000
    winter: float = 0.0
    least: int = 50
    most: int = 10_000

    def works_in(self, region: str) -> bool:
        return not self.regions or region in self.region_codes

    @property
    def region_codes(self) -> list[str]:
        return [f"RU-{region}" for region in self.regions.split()]


def _code(shortest: int, longest: int, label_ru: str = "Лицевой счёт", label_en: str = "Account number") -> FieldFacts:
    many = str(longest) if shortest == longest else f"{shortest}–{longest}"
    last = longest % 10 == 1 and longest % 100 != 11
    return FieldFacts(
        "account", BillerFieldKind.PAYER_CODE, label_ru, label_en, f"{many} {'цифра' if last else 'цифр'}, есть в квитанции",
        f"{many} digits, printed on the bill", shortest=shortest, longest=longest,
    )  # fmt: skip


def _meter(code: str, label_ru: str, label_en: str, decimals: int) -> FieldFacts:
    return FieldFacts(code, BillerFieldKind.READING, label_ru, label_en, required=False, decimals=decimals)


def _text(code: str, label_ru: str, label_en: str, longest: int, *, required: bool = True) -> FieldFacts:
    return FieldFacts(code, BillerFieldKind.TEXT, label_ru, label_en, required=required, shortest=1, longest=longest)


MONTH = FieldFacts("period", BillerFieldKind.PERIOD, "За какой месяц", "Month")
DAY_NIGHT = (
    _meter("day", "Счётчик: день, кВт·ч", "Meter: day, kWh", 1),
    _meter("night", "Счётчик: ночь, кВт·ч", "Meter: night, kWh", 1),
)
COLD_HOT = (
    _meter("cold", "Холодная вода, м³", "Cold water, m³", 3),
    _meter("hot", "Горячая вода, м³", "Hot water, m³", 3),
)
GAS_METER = _meter("gas", "Счётчик газа, м³", "Gas meter, m³", 3)
CHILD = _text("child", "Фамилия и имя ребёнка", "Child's name", 40)
FLAT = _text("flat", "Квартира", "Flat", 6)

BILLER_FACTS = (
    BillerFacts("kvartplata", HOUSING, "Расчётный центр «Квартплата»", "Kvartplata Billing Centre", (_code(10, 10), MONTH),
                roubles=4300, winter=0.35),
    BillerFacts("uk-lad", HOUSING, "Управляющая компания «Ладный дом»", "Ladny Dom Housing", (_code(8, 10), MONTH, FLAT),
                CENTRE, 3600, 0.3),
    BillerFacts("uk-prichal", HOUSING, "Управляющая компания «Тихий причал»", "Tikhy Prichal Housing", (_code(9, 9), MONTH),
                NORTH_WEST, 4100, 0.3),
    BillerFacts("tszh-yabloko", HOUSING, "ТСЖ «Яблоневый двор»", "Yablonevy Dvor Owners", (_code(6, 8), MONTH, FLAT),
                f"{SOUTH} {VOLGA}", 3100, 0.3),
    BillerFacts("uk-kedr", HOUSING, "Управляющая компания «Кедровый берег»", "Kedrovy Bereg Housing", (_code(10, 12), MONTH),
                EAST, 3900, 0.4),
    BillerFacts("kapremont", HOUSING, "Фонд капитального ремонта «Крепкие стены»", "Krepkie Steny Repair Fund",
                (_code(12, 12), MONTH), roubles=760),
    BillerFacts("energo-svetly", POWER, "Энергосбыт «Светлый край»", "Svetly Krai Energy", (_code(10, 10), MONTH, *DAY_NIGHT),
                f"{CENTRE} {NORTH_WEST}", 1250, 0.3),
    BillerFacts("energo-zarya", POWER, "Энергосбыт «Ясная заря»", "Yasnaya Zarya Energy",
                (_code(12, 12), MONTH, _meter("day", "Показание счётчика, кВт·ч", "Meter reading, kWh", 1)),
                f"{VOLGA} {SOUTH}", 1050, 0.25),
    BillerFacts("energo-polyus", POWER, "Энергосбыт «Дальний полюс»", "Dalny Polyus Energy", (_code(9, 11), MONTH, *DAY_NIGHT),
                EAST, 1400, 0.4),
    BillerFacts("gaz-sinitsa", GAS, "Газсбыт «Синица»", "Sinitsa Gas", (_code(10, 10), MONTH, GAS_METER),
                f"{CENTRE} {SOUTH}", 900, 0.7),
    BillerFacts("gaz-uyut", GAS, "Газсбыт «Уютный очаг»", "Uyutny Ochag Gas", (_code(8, 12), MONTH, GAS_METER),
                f"{NORTH_WEST} {VOLGA} {URAL}", 880, 0.7),
    BillerFacts("voda-klyuch", WATER, "Водоканал «Чистый ключ»", "Chisty Klyuch Water", (_code(8, 8), MONTH, *COLD_HOT),
                CENTRE, 1150),
    BillerFacts("voda-istok", WATER, "Водоканал «Северный исток»", "Severny Istok Water", (_code(9, 9), MONTH, *COLD_HOT),
                NORTH_WEST, 1200),
    BillerFacts("voda-ivushka", WATER, "Водоканал «Ивушка»", "Ivushka Water", (_code(7, 9), MONTH, COLD_HOT[0]),
                f"{VOLGA} {SOUTH}", 820),
    BillerFacts("voda-taiga", WATER, "Водоканал «Таёжный ручей»", "Tayozhny Ruchey Water", (_code(10, 10), MONTH, *COLD_HOT),
                EAST, 980),
    BillerFacts("teplo-pechka", HEAT, "Теплосеть «Русская печь»", "Russkaya Pech Heating", (_code(10, 10), MONTH),
                f"{CENTRE} {NORTH_WEST}", 2100, 0.9),
    BillerFacts("teplo-samovar", HEAT, "Теплосеть «Самовар»", "Samovar Heating", (_code(9, 9), MONTH),
                f"{VOLGA} {SOUTH}", 1900, 0.9),
    BillerFacts("teplo-valenki", HEAT, "Теплосеть «Тёплый север»", "Tyoply Sever Heating", (_code(8, 10), MONTH),
                EAST, 2600, 0.8),
    BillerFacts("sad-karapuz", KINDERGARTEN, "Детские сады: родительская плата", "Public Kindergartens",
                (_code(10, 10, "Код плательщика", "Payer code"), CHILD, MONTH), roubles=3200),
    BillerFacts("sad-rostok", KINDERGARTEN, "Детский центр «Зелёный росток»", "Zelyony Rostok Children's Centre",
                (_code(6, 6, "Номер договора", "Contract number"), CHILD, MONTH), BIG, 7400),
    BillerFacts("obed", EDUCATION, "Школьное питание «Большая ложка»", "Bolshaya Lozhka School Meals",
                (_code(8, 10, "Номер карты питания", "Meal card number"), CHILD), roubles=1900, most=5_000),
    BillerFacts("palitra", EDUCATION, "Школа искусств «Палитра и скрипка»", "Palitra Art School",
                (_code(6, 8, "Номер договора", "Contract number"), CHILD, MONTH), BIG, 2400),
    BillerFacts("parkovka", PARKING, "Городские парковки «Свободное место»", "Svobodnoye Mesto City Parking",
                (_code(7, 10, "Номер парковочного счёта", "Parking account"),
                 _text("plate", "Номер машины", "Number plate", 12)), BIG, 600, most=5_000),
    BillerFacts("parking", PARKING, "Паркинг «Третий ярус»", "Tretiy Yarus Car Park",
                (_code(6, 6, "Номер договора", "Contract number"), _text("place", "Номер места", "Space number", 8), MONTH),
                f"{CENTRE} {NORTH_WEST}", 3500),
    BillerFacts("domofon", SECURITY, "Домофон «Свой подъезд»", "Svoy Podyezd Intercom", (_code(8, 8), MONTH, FLAT),
                roubles=85, most=3_000),
    BillerFacts("zasov", SECURITY, "Охрана «Железный засов»", "Zhelezny Zasov Security",
                (_code(6, 9, "Номер договора", "Contract number"), MONTH),
                f"{CENTRE} {NORTH_WEST} {VOLGA} {URAL}", 890),
)  # fmt: skip

BILLER_ID = {facts.code: place for place, facts in enumerate(BILLER_FACTS, 1)}


def _inn(number: int) -> str:
    """Ten digits with a right check digit, of a region that does not exist."""
    body = f"00{4_127_000 + number * 37:07d}"
    weights = (2, 4, 10, 3, 5, 9, 4, 6, 8)
    return body + str(sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11 % 10)


def rows(*, regions: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the billers' tables, in the order of their columns in `seed.load.COLUMNS`."""
    fields = [(facts, each, place) for facts in BILLER_FACTS for place, each in enumerate(facts.fields)]
    return {
        "biller": [
            (number, b.code, b.category.value, b.name_ru, b.name_en, _inn(number), b.least * 100, b.most * 100, 1, number)
            for number, b in enumerate(BILLER_FACTS, 1)
        ],
        "biller_region": [
            (BILLER_ID[b.code], region) for b in BILLER_FACTS for region in b.region_codes if region in regions
        ],
        "biller_field": [
            (number, BILLER_ID[b.code], f.code, f.kind.value, f.label_ru, f.label_en, f.hint_ru, f.hint_en, int(f.required),
             f.shortest, f.longest, f.decimals, place)
            for number, (b, f, place) in enumerate(fields, 1)
        ],
    }  # fmt: skip


# --- what people paid -------------------------------------------------------------------------------
MONTHS = 12
OTHERS = 40
"""How many people beside the cast have a history with billers."""


@dataclass(frozen=True, slots=True)
class Habit:
    """A biller that somebody pays every month. With a name: by a template; `owes`: the last month is not paid yet."""

    code: str
    template: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    owes: bool = False
    months: int = MONTHS


HABITS = {
    personas.FAMILY: (
        Habit("kvartplata", "Квартира на Садовой"),
        Habit("energo-svetly", "Свет"),
        Habit("voda-klyuch", "Вода", owes=True),
        Habit("sad-karapuz", "Садик", {"child": "Соколова Варвара"}),
        Habit("obed", "Обеды в школе", {"child": "Соколов Михаил"}),
        Habit("domofon", "", {"flat": "48"}),
    ),
    personas.PENSIONER: (Habit("kvartplata", "Квартплата"), Habit("energo-svetly", "Электричество", owes=True)),
    personas.VIP: (
        Habit("kvartplata", "Квартира на Морской"),
        Habit("parking", "Место в паркинге", {"place": "Б-17"}),
        Habit("zasov", "Охрана дачи"),
    ),
    personas.COTTAGE: (Habit("energo-svetly", "Дача: свет"), Habit("gaz-uyut", "Дача: газ", owes=True)),
}
OTHERS_PAY = (HOUSING, POWER, WATER, GAS, SECURITY)
STEPS = {"day": (130, 45), "night": (60, 25), "cold": (5, 2), "hot": (3, 1.4), "gas": (28, 12)}
"""How much a meter counts in a month: about, and give or take."""


def add_history(chunk: Chunk, tables: Tables) -> None:
    """Put payments of the cast and of some others to billers, with templates, into the tables; a chunk that has been lived.

    Draws from a generator of its own: everything else stays as it is.
    """
    _History(chunk, tables).live()


class _History:
    def __init__(self, chunk: Chunk, tables: Tables) -> None:
        self.chunk, self.tables, self.w = chunk, tables, chunk.w
        self.rng = np.random.default_rng([chunk.w.seed, 4471])
        self.columns: dict[str, list[Any]] = defaultdict(list)
        self.templates: list[tuple[Any, ...]] = []

    def live(self) -> None:
        for person in range(min(self.chunk.n, len(self.chunk._actors()) + 2 * OTHERS)):
            for habit in self._habits(person):
                self._pay_monthly(person, habit)
        self._write()

    def _habits(self, person: int) -> Sequence[Habit]:
        if person in HABITS:
            return HABITS[person]
        if person < len(self.chunk._actors()) or person % 2 or self.chunk.registered[person] >= LATER:
            return ()
        region = _region(self.chunk, person)
        chosen = []
        for category in OTHERS_PAY:
            offered = [b.code for b in BILLER_FACTS if b.category is category and b.works_in(region)]
            if offered and self.rng.random() < 0.4:
                chosen.append(Habit(offered[int(self.rng.integers(len(offered)))], months=int(self.rng.integers(2, MONTHS + 1))))
        return chosen

    def _pay_monthly(self, person: int, habit: Habit) -> None:
        rng, w, facts = self.rng, self.w, BILLER_FACTS[BILLER_ID[habit.code] - 1]
        lasting = {f.code: habit.texts.get(f.code) or self._made_up(f) for f in facts.fields if _lasts(f)}
        meters = {f.code: float(rng.integers(40, 900)) for f in facts.fields if f.kind is BillerFieldKind.READING}
        day_of_month, usual = int(rng.integers(3, 19)), facts.roubles * float(rng.uniform(0.8, 1.25))
        this_month, template_id, amount = month_start(w.as_of), -1, 0
        made_at = None
        for step in range(min(habit.months, w.months), -1, -1):
            on = add_months(this_month, -step)
            day = on.replace(day=max(1, min(28, day_of_month + int(rng.integers(-2, 3)))))
            at = day_number(day) * DAY + int(rng.integers(9, 22)) * 3600 + int(rng.integers(3600)) - self.chunk.offset_of(person)
            for code in meters:
                about, spread = STEPS[code]
                meters[code] += max(0.4, float(rng.normal(about, spread / 2)))
            cold = max(0.0, float(np.cos((on.month - 1) / 6 * np.pi)))
            amount = int(usual * (1 + facts.winter * cold) * float(rng.uniform(0.93, 1.07)) * 100)
            amount = max(facts.least * 100, min(amount, facts.most * 100))
            over = at >= w.end - 600 or at < int(self.chunk.registered[person]) + 600
            if over or (habit.owes and step == 0):
                continue
            if made_at is None:
                made_at = at - 40
                template_id = self._template(person, habit, lasting, amount, made_at)
            fields = {
                **lasting,
                **{f.code: f"{add_months(on, -1):%Y-%m}" for f in facts.fields if f.kind is BillerFieldKind.PERIOD},
                **{f.code: _reading(meters[f.code], f.decimals) for f in facts.fields if f.code in meters},
            }
            if rng.random() < 0.03:
                self._payment(person, facts, fields, amount, at - 200, template_id, declined=True)
            self._payment(person, facts, fields, amount, at, template_id)

    def _made_up(self, facts: FieldFacts) -> str:
        if facts.kind is BillerFieldKind.PAYER_CODE:
            digits = self.rng.integers(0, 10, int(self.rng.integers(facts.shortest, facts.longest + 1)))
            return "".join(str(digit) for digit in [1 + int(digits[0]) % 9, *digits[1:].tolist()])
        return str(int(self.rng.integers(1, 200)))

    def _template(self, person: int, habit: Habit, lasting: dict[str, str], amount: int, at: int) -> int:
        if not habit.template:
            return -1
        number = int(self.tables.ids("utility_template", 1)[0])
        said = json.dumps(lasting, ensure_ascii=False)
        self.templates.append((number, int(self.chunk.ids[person]), BILLER_ID[habit.code], habit.template, said, amount, at, -1))
        return number

    def _payment(
        self, person: int, facts: BillerFacts, fields: dict[str, str], amount: int, at: int, template_id: int,
        *, declined: bool = False,
    ) -> None:  # fmt: skip
        card = int(self.chunk._card_at(np.array([person]), np.array([at]))[0])
        row = {
            "payer": int(self.chunk.ids[person]),
            "amount": amount,
            "method": (PaymentMethod.CARD if card < 0 else PaymentMethod.SAVED_CARD).value,
            "state": (PaymentState.DECLINED if declined else PaymentState.SUCCEEDED).value,
            "card": card,
            "key": self.rng.bytes(16).hex(),
            "at": at,
            "reason": DeclineReason.INSUFFICIENT_FUNDS.value if declined else None,
            "biller": BILLER_ID[facts.code],
            "template": template_id,
            "fields": json.dumps(fields, ensure_ascii=False),
        }
        for name, value in row.items():
            self.columns[name].append(value)

    def _write(self) -> None:
        c, t = self.columns, self.tables
        if self.templates:
            t.add("utility_template", *map(list, zip(*self.templates, strict=True)))
        if not c["at"]:
            return
        order = np.argsort(np.array(c["at"]), kind="stable").tolist()
        for name, values in c.items():
            c[name] = [values[place] for place in order]
        at = np.array(c["at"])
        ids = t.ids("payment", len(at))
        settled = at + 5 + ids % 11
        t.add(
            "payment",
            ids,
            c["payer"],
            c["amount"],
            c["method"],
            c["state"],
            np.array(c["card"]),
            c["key"],
            at,
            settled,
            c["reason"],
        )
        t.add("utility_payment", ids, c["biller"], np.array(c["template"]), c["fields"])
        done = [place for place, state in enumerate(c["state"]) if state == PaymentState.SUCCEEDED.value]
        none = np.full(len(done), -1)
        t.add(
            "transfer",
            t.ids("transfer", len(done)),
            [None] * len(done),  # no billing account: the money only passes through
            [GATEWAY] * len(done),
            [BILLERS] * len(done),
            [c["amount"][place] for place in done],
            [TransferCode.BILLER_PAYMENT.value] * len(done),
            [f"payment:{ids[place]}" for place in done],
            settled[done],
            ids[done],
            none,
            none,
        )


def _region(chunk: Chunk, person: int) -> str:
    return chunk.w.cities[int(chunk.people.region[person])].region


def _lasts(facts: FieldFacts) -> bool:
    return facts.kind in (BillerFieldKind.PAYER_CODE, BillerFieldKind.TEXT)


def _reading(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else str(int(value))
