"""The texts, numbers, dates and documents that the example shop is filled with: plain ones, and the awkward ones
that a migration must carry over letter for letter.

Everything is drawn from a `random.Random` with integer arithmetic only, so that a seed gives the same shop on
every machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

HOSTILE_TEXTS: Final = (
    "Ελένη Παπαδοπούλου",
    "王小明",
    "João 🎉 São Paulo 👩‍👩‍👧‍👦",
    "e\u0301 is not é, and n\u0303 is not ñ",  # combining marks: DynamoDB and PostgreSQL keep them apart
    "مرحبا بالعالم",
    "\u202eright to left\u202c",
    "İstanbul ẞtraße ǆ ﬁn",  # case mappings that change the length or have a title form
    'O\'Brien "the quote"',
    "C:\\temp\\new\\u0041",
    "tab\there",
    "two\nlines\r\nthree",
    "bell\x07 start\x01 unit\x1f delete\x7f",
    "\x08\x0c\x0b\x1b[31m",
    "line\u2028separator\u2029\u0085",
    "\ufeffbom \u00a0nbsp\u200b",
    "\ud7ff\ue000\uffff\U0010ffff",
    "'; DROP TABLE customers; --",
    "{customer_id} {{literal}} %s %25 #hash/slash",
    '<script>alert("x")</script>&amp;',
    '{"json": "in text"}',
    "NULL",
    "-0",
    " leading and trailing ",
)

EMPTY: Final = ""

GIVEN_NAMES: Final = (
    "Ada",
    "Bruno",
    "Chloé",
    "Dmitri",
    "Eva",
    "Farid",
    "Grace",
    "Hiro",
    "Ines",
    "Jürgen",
    "Kofi",
    "Lena",
)
FAMILY_NAMES: Final = (
    "Adams",
    "Baker",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
)
CITIES: Final = ("Athens", "Berlin", "Córdoba", "Dublin", "Évora", "Fès", "Göteborg", "香港", "İzmir", "Łódź")
COUNTRIES: Final = ("DE", "ES", "FR", "GR", "IE", "JP", "MA", "PL", "PT", "SE", "TR")
THINGS: Final = ("Lamp", "Chair", "Kettle", "Bicycle", "Notebook", "Headphones", "Jacket", "Backpack", "Knife", "Plant")
LOOKS: Final = ("blue", "wooden", "folding", "large", "tiny", "vintage", "silent", "striped", "waterproof", "rare")
WORDS: Final = (
    "fast",
    "gift",
    "Αθήνα",
    "sale",
    "new",
    "b2b",
    "fragile",
    "eco",
    "prime",
    "重要",
    "o'clock",
    'quo"te',
    "a b",
    "ÄÖÜ",
)

TIMESTAMPS: Final = (
    "2024-03-31 01:30:00+00",  # the hour that Berlin's clocks leave out
    "2024-10-27 02:30:00+02",  # … and the one they show twice
    "2024-10-27 02:30:00+01",
    "2023-12-31 23:59:59.999999+00",
    "2024-01-01 00:00:00.000001+00",
    "2024-02-29 12:00:00.5+05:45",
    "2021-06-30 23:30:00-11",
    "1969-12-31 23:59:59.999999+00",
)
DATES: Final = ("0001-01-01", "1582-10-10", "1600-02-29", "1900-01-01", "1969-12-31", "2000-02-29", "9999-12-31")
NUMBERS: Final = (
    "12345678901234567890123456789012345678",
    "-99999999999999999999.999999999999999999",
    "0.00000000000000000001",
    "1e-120",
    "9.9e125",
    "-1.500000",
    "0.000",
    "100.00",
)

_FIRST_MOMENT: Final = datetime(2019, 1, 1)
_SECONDS: Final = 7 * 365 * 86_400


def one_in(rng: Random, times: int) -> bool:
    return rng.randrange(times) == 0


def free_text(rng: Random, plain: str) -> str:
    """`plain` mostly; one time in eight an awkward text, one in forty an empty one."""
    drawn = rng.randrange(40)
    if drawn == 0:
        return EMPTY
    return rng.choice(HOSTILE_TEXTS) if drawn <= 5 else plain


def person(rng: Random) -> str:
    return f"{rng.choice(GIVEN_NAMES)} {rng.choice(FAMILY_NAMES)}"


def sentence(rng: Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, 12)))


def distinct_words(rng: Random, most: int) -> list[str]:
    """Between none and `most` words, none of them twice."""
    return rng.sample(WORDS, rng.randrange(most + 1))


def money(rng: Random, most: int) -> str:
    """A price with two digits after the point, `12.50`; `most` in whole units."""
    cents = rng.randrange(most * 100)
    return f"{cents // 100}.{cents % 100:02}"


def moment(rng: Random) -> str:
    """A timestamptz of the years 2019 to 2025, to the microsecond; one in 30 an awkward one."""
    return rng.choice(TIMESTAMPS) if one_in(rng, 30) else f"{_plain_moment(rng)}+00"


def local_moment(rng: Random) -> str:
    """A timestamp without time zone."""
    return rng.choice(TIMESTAMPS)[:19] + ".987654" if one_in(rng, 30) else _plain_moment(rng)


def day(rng: Random) -> str:
    if one_in(rng, 12):
        return rng.choice(DATES)
    return (_FIRST_MOMENT - timedelta(days=rng.randrange(1, 25_000))).date().isoformat()


def blob(rng: Random) -> bytes:
    """0 to 24 bytes, every value possible."""
    return rng.randbytes(rng.choice((0, 1, 2, 3, 16, 24)))


def document(rng: Random) -> str:
    """A JSON document, as an application writes it: any shape, any text, numbers of up to 38 digits."""
    drawn = rng.randrange(12)
    if drawn == 0:
        return rng.choice(("null", "true", '"text"', "[]", "{}", "-0", "1.50", "[null, [], {}]"))
    if drawn == 1:
        return _deep(rng)
    texts = _json_texts(rng.choices(HOSTILE_TEXTS, k=2))
    return (
        f'{{ "channel": "{rng.choice(("web", "app", "phone"))}", "attempt": {rng.randrange(9)}, '
        f'"total": {money(rng, 900)}, "exact": {_json_number(rng)}, {texts[0]}: {texts[1]}, '
        f'"flags": [true, false, null, {{"deep": [1, [2.50, []]]}}], "empty": "", "none": null, "nothing": {{}} }}'
    )


def literal_document(rng: Random) -> str:
    """A document for a `json` or text column, which keep what jsonb would normalise: escapes, 1E+2, even \\u0000."""
    if one_in(rng, 10):
        return '{"escaped":"\\u00e9\\ud83d\\ude00\\/\\t","zero":"a\\u0000b","big":1E+2,"small":-1.50e-3,"minus":-0.0}'
    return f"\n\t{document(rng)} "


def _plain_moment(rng: Random) -> str:
    shown = _FIRST_MOMENT + timedelta(seconds=rng.randrange(_SECONDS), microseconds=rng.randrange(1_000_000))
    return shown.isoformat(sep=" ", timespec="microseconds")


def _deep(rng: Random) -> str:
    levels = rng.randrange(10, 24)
    return '{"a":[' * (levels // 2) + _json_number(rng) + "]}" * (levels // 2)


def _json_number(rng: Random) -> str:
    return rng.choice((*NUMBERS, "1E+2", "-2.50e-7"))


def _json_texts(texts: Sequence[str]) -> list[str]:
    return [json.dumps(text, ensure_ascii=False) for text in texts]
