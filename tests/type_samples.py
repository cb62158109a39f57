"""A column of every type that PostgreSQL has, with the values that are hardest for it.

Values are texts that the server itself reads, `CAST('…' AS type)`. `family` is the oracle's word for the type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from hypothesis import strategies as st

Literals: TypeAlias = st.SearchStrategy[str]

SCRIPT: Final = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION cube;
CREATE EXTENSION isn; CREATE EXTENSION seg; CREATE EXTENSION vector;
CREATE TYPE mood AS ENUM ('sad', 'Happy "day"', '', 'é😀', '1.5', '-0');
CREATE TYPE pair AS (a int, b text, c float8, d timestamptz, e bytea, f numeric[]);
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE DOMAIN price AS numeric(7,2);
CREATE DOMAIN low_price AS price CHECK (value < 10);
CREATE DOMAIN tags AS text[];
CREATE DOMAIN grid AS tags[];
CREATE DOMAIN couple AS pair;
CREATE DOMAIN handle AS citext;
CREATE DOMAIN born AS date;
CREATE TABLE shelf (id int, label text, gone int, at timestamp);
ALTER TABLE shelf DROP COLUMN gone;
"""


@dataclass(frozen=True)
class Sample:
    """`hard`: fixed values; `arbitrary`: any."""

    type: str
    family: str
    hard: tuple[str, ...]
    arbitrary: Literals | None = None

    @property
    def literals(self) -> Literals:
        fixed = st.sampled_from(self.hard)
        return fixed if self.arbitrary is None else fixed | self.arbitrary


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(LETTERS, max_size=20)
HARD_TEXTS = (
    "", " ", "plain", "two  spaces ", 'q"\\uote\'', "".join(map(chr, range(1, 33))), "\x7f\x80\x85\x9f",
    "\ufeffx\uffff\ufffe\ufffd",
    "line\u2028para\u2029", "é e\u0301 漢 😀 \U0010ffff", "</script>&", "${x}", "%s {0}", "NULL", "\\x00", "[1]",
    '{"a": 1, "a": 2}',
    '{"": 1}', '{"b": [1.50, null, {"x": {}}], "a": "é\\u0001"}',
    "1e400", "nan", "-0.00", "+1.50", " 1", ".5", "5.", "1_000", "0x10", "1e126",
    "1e-130", "1" * 39, "1" * 38, "٣", '"\\ud800"', '"\\u0000"',
    "[" * 33 + "]" * 33, "[" * 32 + "1" + "]" * 32, "[" * 32 + "]" * 32,
)  # fmt: skip
SHORT_TEXTS = ("", " ", "a", "ab ", "é😀", "'\"\\", "1.5", "1e3", "1e200", "\t", "\x01", "\ufeff")
NUMBERS = (
    "0", "-0.00", "1.50", "-1.5", "100", "1e-130", "9.9999999999999999999999999999999999999e125", "-9e125", "NaN",
    "Infinity", "-Infinity",
    "1e-131", "1e126", "1" * 38, "1" * 39, "1" * 38 + "000", "0." + "1" * 38, "1." + "0" * 60 + "1",
    "0." + "0" * 128 + "99", "12345678901234567890.123456789012345678",
    "1" + "0" * 131071, "9" * 131072, "0." + "0" * 16382 + "1", "9" * 131072 + "." + "9" * 16383,
)  # fmt: skip
FLOATS = (
    "0", "-0", "0.1", "-1.5e-7", "1e15", "1e16", "123456789012345680", "0.0001", "0.00001", "5e-324",
    "-2.2250738585072014e-308", "1.7976931348623157e308",
    "1e125", "9.999e125", "1e126", "1e-130", "9e-131", "NaN", "Infinity", "-Infinity", "9007199254740993", "2.5",
    "3.0000000000000004", "1e22", "1e23",
)  # fmt: skip
SINGLES = (
    "0", "-0", "0.1", "16777216", "1e6", "123456.7", "1e-45", "1.1754944e-38", "3.4028235e38", "-3.4028235e38",
    "0.3", "NaN", "Infinity", "-Infinity",
    "33554432", "8388608.5", "1e10", "0.0001", "9.9e-5",
)  # fmt: skip
DAYS = (
    "0001-01-01", "9999-12-31", "10000-01-01", "5874897-12-31", "0001-12-31 BC", "4713-01-01 BC", "infinity",
    "-infinity", "1969-12-31", "1970-01-01",
    "2024-02-29", "1582-10-10", "0044-03-15 BC", "2026-11-24",
)  # fmt: skip
MOMENTS = (
    "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999",
    "4713-01-01 00:00:00 BC", "infinity",
    "-infinity", "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.9", "2026-11-24 08:55:13.5",
    "1900-01-01 00:00:00", "0001-12-31 23:59:59.999999 BC",
    "2026-11-24 24:00:00", "1582-10-10 12:00:00.000001", "99999-01-01 00:00:00.1",
)  # fmt: skip
ZONED = (
    *(f"{moment}+00" for moment in MOMENTS if "BC" not in moment and "infinity" not in moment), "infinity", "-infinity",
    "0001-01-01 00:00:00+15:59", "9999-12-31 23:59:59.999999-15:59", "4713-01-01 00:00:00+00 BC",
    "2026-11-24 08:55:13+05:30:15", "1883-11-18 12:00 America/New_York",
)  # fmt: skip
DOCUMENTS = (
    "null", "true", '"text"', "[]", "{}", "1e3", "1e400", "-0", "-0.0", "1E-130", "1e-131", "0e999999999",
    "1" * 38, "1" * 39, "1.0" + "0" * 60,
    '{"b": [1.10, null, {"x": {}}], "a": "é\\u0001"}', '{"": 1}',
    "[" * 32 + "]" * 32, "[" * 33 + "]" * 33, "[" * 32 + "1" + "]" * 32,
    "[" * 31 + "1" + "]" * 31, "[" * 2000 + "]" * 2000, '{"z":{"y":{"x":[1,"[[[[",{"w":"}}"}]}}}',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"', ' { "a" :  [ 1 , 2 ] } ',
    '{"é😀":"\\u2028", "a.b":1, "A":2}',
)  # fmt: skip
LOOSE_DOCUMENTS = (
    *DOCUMENTS,
    '{"a":1,"a":2}',
    '"\\u0000"',
    '"\\ud800"',
    '{"\\udc00":1}',
    '{"a":{"b":1,"\\u0062":2}}',
    '{"\\u0000":0}',
)
UUIDS = (
    "0b7f0f0e-0000-4000-8000-000000000001",
    "FFFFFFFF-0000-4000-8000-00000000000a",
    "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
)
BYTES = (r"\x", r"\x00ff10", r"\x7f80", r"\x" + "ab" * 300, "plain \\\\ \\001")
INTERVALS = (
    "1 day 02:03:04.5", "-178000000 years", "178000000 years 11 mons 2147483647 days", "infinity", "-infinity", "0",
    "P1Y2M10DT2H30M", "-1 mons +1 day -00:00:00.000001",
    "1-2", "@ 1 year ago", "2562047788:00:54.775807",
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**45), 10**45).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr) | TEXT.map(lambda text: "T" + text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def written(value: object) -> str:
    """A JSON text of `json_values`: numbers are texts there, texts begin with a T."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _json_text(value[1:]) if value.startswith("T") else value
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{" + ",".join(f"{_json_text(name)}: {written(member)}" for name, member in value.items()) + "}"
    raise TypeError(type(value))


def _json_text(text: str) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" if c < " " else "\\" + c if c in '"\\' else c for c in text) + '"'


def array_of(elements: Literals) -> Literals:
    """Of one or two dimensions, with NULLs and any lower bounds."""

    @st.composite
    def literal(draw: st.DrawFn) -> str:
        members = st.none() | elements
        if draw(st.booleans()):
            row = draw(st.lists(members, max_size=3))
            body, sizes = _row(row), [len(row)]
        else:
            width, height = draw(st.integers(1, 2)), draw(st.integers(1, 2))
            rows = [draw(st.lists(members, min_size=width, max_size=width)) for _ in range(height)]
            body, sizes = "{" + ",".join(map(_row, rows)) + "}", [height, width]
        if 0 in sizes or draw(st.booleans()):
            return body
        lowers = [draw(st.integers(-3, 3)) for _ in sizes]
        return "".join(f"[{low}:{low + n - 1}]" for low, n in zip(lowers, sizes, strict=True)) + "=" + body

    return literal()


def _row(members: list[str | None]) -> str:
    return "{" + ",".join("NULL" if m is None else quoted(m) for m in members) + "}"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pair(members: list[str | None]) -> str:
    return "(" + ",".join("" if m is None else quoted(m) for m in members) + ")"


INTEGERS: Final = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
JSON = json_values.map(written)
DECIMALS = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole}.{fraction}e{exponent}",
    st.sampled_from(["", "-"]),
    st.from_regex(r"[0-9]{1,25}", fullmatch=True),
    st.from_regex(r"[0-9]{1,25}", fullmatch=True),
    st.integers(-140, 140) | st.integers(-3, 3),
)
CENTS = st.builds(lambda n, places: f"{n}e-{places}", st.integers(-(10**9), 10**9), st.integers(0, 3))
DATES = st.dates().map(str) | st.builds(lambda y, bc: f"{y}-02-03{bc}", st.integers(1, 4000), st.just(" BC"))
TIMES = st.datetimes().map(lambda moment: moment.isoformat(sep=" "))
ANYWHERE = st.builds(lambda at, zone: f"{at}{zone:+03d}", TIMES, st.integers(-15, 15))
CENT = st.decimals(-(10**9), 10**9, places=2).map(str)
PAIRS = st.tuples(
    st.integers(-9, 9).map(str), TEXT, st.sampled_from(FLOATS), st.sampled_from(ZONED),
    st.sampled_from(BYTES[:3]), st.just("{1.50,NULL}"),
).flatmap(lambda fields: st.lists(st.booleans(), min_size=6, max_size=6).map(
    lambda nulls: _pair([None if null else field for field, null in zip(fields, nulls, strict=True)])))  # fmt: skip
OCTETS = st.binary(max_size=30).map(lambda octets: rf"\x{octets.hex()}")

OTHERS: Final[dict[str, tuple[str, ...]]] = {
    "time": ("24:00:00", "00:00:00", "12:34:56.000001", "23:59:59.999999"),
    "timetz": ("24:00:00+15:59:59", "12:00:00.5-15:59:59", "00:00:00+00", "01:02:03+05:30:15"),
    "interval": INTERVALS,
    "bit(5)": ("10101", "00000"),
    "bit varying": ("", "1", "0" * 70),
    "inet": ("10.0.0.1", "10.0.0.1/8", "::1/64", "::ffff:1.2.3.4", "fe80::1"),
    "cidr": ("10.0.0.0/8", "::/0", "192.168.1.1/32"),
    "macaddr": ("08:00:2b:01:02:03", "FF-FF-FF-FF-FF-FF"),
    "macaddr8": ("08:00:2b:01:02:03:04:05",),
    "point": ("(0.1,-0)", "(1e300,5e-324)", "(NaN,Infinity)"),
    "line": ("{1,2,3}", "{0.1,-1,1e-7}"),
    "lseg": ("[(0,0),(1,1.5)]",),
    "box": ("(1,1),(0,0)", "(0.1,2),(-3,1e20)"),
    "path": ("[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"),
    "polygon": ("((0,0),(1,1),(2,0))",),
    "circle": ("<(0,0),5>", "<(0.1,1),0>"),
    "int4range": ("empty", "[1,5]", "(,)", "(,7)"),
    "int8range": ("[-9223372036854775808,9223372036854775806]", "empty"),
    "numrange": ("[1.50,2.0)", "(,1e40]", "[NaN,NaN]"),
    "tsrange": ('["2020-01-01 00:00:00.5",infinity)', "(-infinity,)", "empty", "[0044-03-15 BC,294276-12-31]"),
    "tstzrange": ("[2020-01-01 00:00+02,2020-01-02 00:00 America/New_York]", "(,)"),
    "daterange": ("[2020-01-01,2020-01-31]", "[2020-01-01,infinity)", "[0044-03-15 BC,5874897-12-31)"),
    "int4multirange": ("{}", "{[1,3),[5,8)}"),
    "int8multirange": ("{[1,3]}",),
    "nummultirange": ("{[1.50,2.0),(5,]}",),
    "tsmultirange": ('{["2020-01-01 00:00","2020-01-02 00:00")}', "{}"),
    "tstzmultirange": ("{[2020-01-01 00:00+02,2020-01-02 00:00+02)}",),
    "datemultirange": ("{[2020-01-01,2020-01-31],[2021-01-01,infinity)}",),
    "tsvector": ("", "a 'b''c':1A,2 'é'", "'\\\\':3"),
    "tsquery": ("a & !b | c <2> d", "'b''c':*AB", ""),
    "jsonpath": ('$.a[*] ? (@ > 1 && @.b == "é")', "strict $"),
    "xid": ("0", "4294967295"),
    "xid8": ("18446744073709551615", "0"),
    "cid": ("4294967295",),
    "tid": ("(4294967295,65535)", "(0,0)"),
    "pg_lsn": ("0/0", "FFFFFFFF/FFFFFFFF"),
    "txid_snapshot": ("10:20:10,14,15",),
    "pg_snapshot": ("10:20:10,14,15", "1:1:"),
    "regclass": ("pg_catalog.pg_class", "4000000000", "public.shelf", "-"),
    "regtype": ("integer", "public.mood", "text[]"),
    "regproc": ("pg_catalog.now", "0"),
    "regprocedure": ("pg_catalog.abs(integer)",),
    "regoper": ("pg_catalog.||/",),
    "regoperator": ("pg_catalog.+(integer,integer)",),
    "regrole": ("pg_monitor", "4294967295"),
    "regnamespace": ("pg_catalog", "public"),
    "regconfig": ("english", "pg_catalog.simple"),
    "regdictionary": ("simple",),
    "regcollation": ('pg_catalog."C"',),
    "int2vector": ("", "1 -2 32767"),
    "oidvector": ("4294967295 0", ""),
    "refcursor": ("", 'a "b\\'),
    "aclitem": ("pg_monitor=r*w/pg_monitor", "=r/pg_monitor"),
    "pair": (
        "(,,,,,)",
        '(1,"a ""b"" (c), \\\\",0.1,"2020-01-01 00:00:00+02","\\\\x00ff","{1.50,NULL}")',
        '(,"",NaN,infinity,,)',
    ),
    "couple": ("(7,é,-0,,,)", "(,,,2020-01-01 00:00:00+00,,)"),
    "shelf": ('(1,"a, b",infinity)', "(,,)"),
    "floats": ("[0.1,1e300)", "empty", "[-Infinity,NaN]"),
    "hstore": ('"a"=>"b, c", "q\\"x"=>NULL', ""),
    "ltree": ("a.b_1.C", ""),
    "cube": ("(1,2,3),(0.1,-0,1e20)", "(0)"),
    "isbn": ("0-393-04002-X",),
    "seg": ("1.50 .. 2", "~5.0"),
    "vector": ("[1,2.5,-3e-7]", "[0]"),
}
OTHER_ELEMENTS: Final = (
    "interval",
    "inet",
    "box",
    "int4range",
    "pair",
    "time",
    "point",
    "tsvector",
    "regclass",
    "shelf",
    "floats",
    "couple",
    "xid8",
)
EXTENSION_TYPES: Final = ("hstore", "ltree", "cube", "isbn", "seg", "vector")


def samples() -> dict[str, Sample]:
    """By type."""
    made = [*_scalars(), *(Sample(type, "box" if type == "box" else "text", hard) for type, hard in OTHERS.items())]
    by_type = {sample.type: sample for sample in made}
    arrays = [type for type in by_type if type not in OTHERS] + [*OTHER_ELEMENTS, *EXTENSION_TYPES]
    plain = [_array(by_type[type]) for type in arrays if type not in ("tags", '"char"')]
    nested = Sample(
        "tags[]",
        "array of array of text",
        ('{"{a,b}","{}",NULL}', '{"{{a,b},{c,NULL}}"}', "{}"),
        array_of(array_of(TEXT)),
    )
    return by_type | {sample.type: sample for sample in [*plain, nested, _array_of_grids(nested)]}


def _array_of_grids(nested: Sample) -> Sample:
    return Sample("grid", nested.family, nested.hard, nested.arbitrary)


def _array(element: Sample) -> Sample:
    if element.family == "text" and element.type in EXTENSION_TYPES:
        hard = tuple("{" + quoted(value) + "}" for value in element.hard)
        return Sample(f"{element.type}[]", "array of text", hard)
    join = ";" if element.type == "box" else ","
    small = [quoted(value) for value in element.hard if len(value) < 2000]
    two = join.join((small * 2)[:2])
    hard = (
        "{}", "{NULL}", *("{" + value + "}" for value in small), "{" + join.join(small[:1] * 2) + "}",
        "[0:1]={" + two + "}",
        "[-2:-1][5:6]={{" + two + "}" + join + "{NULL" + join + small[0] + "}}",
    )  # fmt: skip
    arbitrary = None if element.arbitrary is None else array_of(element.arbitrary)
    return Sample(f"{element.type}[]", f"array of {element.family}", hard, arbitrary)


def _scalars() -> list[Sample]:
    return [
        *(
            Sample(type, "integer", (str(-top), str(top - 1), "0", "-1", "100"), st.integers(-top, top - 1).map(str))
            for type, top in INTEGERS.items()
        ),
        Sample("oid", "integer", ("0", "2147483648", "4294967295")),
        Sample("numeric", "decimal", NUMBERS, DECIMALS),
        Sample("numeric(60,20)", "decimal", ("0", "-1.5", "1" * 19, "9" * 40 + "." + "9" * 20, "NaN", "1e-20"), CENTS),
        Sample("numeric(12,2)", "decimal", ("0", "-0.005", "9999999999.99", "NaN", "1.10"), CENTS),
        Sample("numeric(38,0)", "decimal", ("9" * 38, "-" + "9" * 38, "100", "NaN"), CENTS),
        Sample("numeric(3,-2)", "decimal", ("12345", "-99900", "0", "NaN"), st.integers(-99000, 99000).map(str)),
        Sample("price", "decimal", ("99999.99", "0.00", "NaN"), st.integers(-(10**4), 10**4).map(str)),
        Sample("low_price", "decimal", ("9.99", "-99999.99")),
        Sample("money", "money", ("-92233720368547758.08", "92233720368547758.07", "0", "-0.05", "1234567.891"), CENT),
        Sample("real", "float4", SINGLES, st.floats(width=32).map(str)),
        Sample("double precision", "float8", FLOATS, st.floats().map(repr)),
        Sample("boolean", "boolean", ("true", "false")),
        Sample("bytea", "bytes", BYTES, OCTETS),
        Sample("text", "text", HARD_TEXTS, TEXT),
        Sample("varchar", "text", HARD_TEXTS, TEXT | JSON),
        Sample("varchar(20)", "text", SHORT_TEXTS, TEXT),
        Sample("citext", "text", HARD_TEXTS, TEXT),
        Sample("handle", "text", SHORT_TEXTS, TEXT),
        Sample("name", "text", SHORT_TEXTS, st.text(LETTERS, max_size=15)),
        Sample('"char"', "text", ("", "a", r"\200", r"\377", "\t", "1")),
        Sample("char(4)", "char", tuple(text for text in SHORT_TEXTS if len(text) < 5), st.text(LETTERS, max_size=4)),
        Sample("bpchar", "char", SHORT_TEXTS, TEXT),
        Sample("uuid", "text", UUIDS, st.uuids().map(str)),
        Sample("mood", "text", ("sad", 'Happy "day"', "", "é😀", "1.5", "-0")),
        Sample("date", "date", DAYS, DATES),
        Sample("born", "date", DAYS, DATES),
        Sample("timestamp", "timestamp", MOMENTS, TIMES),
        Sample("timestamp(3)", "timestamp", MOMENTS, TIMES),
        Sample("timestamptz", "timestamptz", ZONED, ANYWHERE),
        Sample("json", "json", LOOSE_DOCUMENTS, JSON),
        Sample("jsonb", "json", DOCUMENTS, JSON),
        Sample("tags", "array of text", ("{}", "{a,b}", "{NULL}", "{a,a}"), array_of(TEXT)),
    ]  # fmt: skip
