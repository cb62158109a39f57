"""The Spark form of every encoding gives what the Python form gives: fragment, size, reason and detail.

Third opinion for plain values: boto3's TypeSerializer, which shares no code with either.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from pipelines.items import sql_text
from pipelines.items.canonical import canonical_value
from pipelines.items.encode import encode as encode_python
from pipelines.items.encode import encodings_of
from pipelines.items.encode_spark import encode as encode_spark
from pipelines.items.problem_spark import Problem, no_problem
from pipelines.items.reject import Unrepresentable
from pipelines.items.size import value_size
from pipelines.items.source_type import TEMPORAL, Encoding, Kind, SourceType
from pipelines.mapping.plan import Format, Placeholder, Template
from pipelines.mapping.templates import render as render_python
from pipelines.mapping.templates_spark import Physical
from pipelines.mapping.templates_spark import render as render_spark

pytestmark = [pytest.mark.property, pytest.mark.integration]

HOSTILE_TEXTS = [
    None,
    "",
    " ",
    'a"b',
    "back\\slash",
    "\x01\x08\t\n\x0b\x0c\r\x1b\x1f\x7f\x85",
    "line\u2028para\u2029",
    "é 😀 \U0010ffff \ufeff \ufffd",
    "</script>&'",
    "{}[]:,",
    "NaN",
    "1e3",
    "-0.50",
    "NULL",
]
texts = st.one_of(
    st.sampled_from(HOSTILE_TEXTS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)


def plain_numerics(max_digits: int, max_scale: int) -> st.SearchStrategy[str | None]:
    def spell(sign: str, digits: str, scale: int) -> str:
        padded = digits.rjust(scale + 1, "0")
        point = len(padded) - scale
        whole, fraction = padded[:point], padded[point:]
        number = (whole.lstrip("0") or "0") + (f".{fraction}" if scale else "")
        return number if not number.strip("0.") else sign + number

    return st.builds(
        spell,
        st.sampled_from(["", "-"]),
        st.from_regex(rf"[0-9]{{1,{max_digits}}}", fullmatch=True),
        st.integers(0, max_scale),
    )


def postgres_float(value: float, digits: int) -> str:
    """float8out's shortest form: exponent notation outside 1e-4 .. 1e15 (float4: 1e6)."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    mantissa, _, exponent = f"{Decimal(repr(value)):e}".partition("e")
    power = int(exponent)
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    if value and not -4 <= power < digits:
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    plain = f"{Decimal(repr(value)):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


dates = st.dates(date(1, 1, 1), date(9999, 12, 31))
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
RAWS = ["infinity", "-infinity", "0044-03-15 BC", "294276-12-31 23:59:59.999999+00"]


@st.composite
def array_literals(draw: st.DrawFn, members: st.SearchStrategy[str | None]) -> str:
    def spell(member: str | None) -> str:
        return "NULL" if member is None else '"' + member.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(spell(member) for member in draw(st.lists(members, max_size=4))) + "}"


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.just(0.5), st.just(10**40)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
documents = st.one_of(
    json_values.map(json.dumps),
    st.sampled_from(['{"a":1,"a":2}', "[1", "[" * 31 + "]" * 31, "[" * 33 + "]" * 33, "1.50e2", '"\\ud800"', "NaN"]),
)
int64s = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-20, 20), st.sampled_from([100, -1000, 10**18, -(2**63)])
)


def scalar(kind: Kind, name: str = "") -> SourceType:
    return SourceType(name=name or kind, kind=kind)


def array_of(kind: Kind) -> SourceType:
    return SourceType(name=f"{kind}[]", kind=Kind.ARRAY, element=scalar(kind))


CASES: dict[str, tuple[SourceType, pa.DataType, st.SearchStrategy[Any]]] = {
    "integer": (scalar(Kind.INTEGER), pa.int64(), int64s),
    "numeric": (
        scalar(Kind.NUMERIC),
        pa.string(),
        st.one_of(plain_numerics(45, 200), st.sampled_from(["NaN", "Infinity", "-Infinity", "1" + "0" * 126, "0.00"])),
    ),
    "numeric(20,5)": (
        SourceType(name="numeric(20,5)", kind=Kind.NUMERIC, precision=20, scale=5),
        pa.string(),
        st.one_of(plain_numerics(20, 5), st.just("NaN")),
    ),
    "numeric(38,0)": (
        SourceType(name="numeric(38,0)", kind=Kind.NUMERIC, precision=38, scale=0),
        pa.string(),
        st.one_of(plain_numerics(38, 0), st.just("NaN")),
    ),
    "numeric(5,200)": (
        SourceType(name="numeric(5,200)", kind=Kind.NUMERIC, precision=5, scale=200),
        pa.string(),
        plain_numerics(5, 200),
    ),
    "float8": (scalar(Kind.FLOAT8), pa.string(), st.floats().map(lambda value: postgres_float(value, 15))),
    "float4": (scalar(Kind.FLOAT4), pa.string(), st.floats(width=32).map(lambda value: postgres_float(value, 6))),
    "boolean": (scalar(Kind.BOOLEAN), pa.bool_(), st.booleans()),
    "bytes": (scalar(Kind.BYTES), pa.binary(), st.one_of(st.binary(max_size=20), st.binary(min_size=90, max_size=99))),
    "text": (scalar(Kind.TEXT), pa.string(), texts),
    "char": (scalar(Kind.CHAR), pa.string(), texts),
    "uuid": (scalar(Kind.UUID), pa.string(), st.uuids().map(str)),
    "enum": (scalar(Kind.ENUM), pa.string(), texts),
    "other": (scalar(Kind.OTHER, "interval"), pa.string(), texts),
    "date": (scalar(Kind.DATE), pa.date32(), dates),
    "timestamp": (scalar(Kind.TIMESTAMP), pa.timestamp("us"), moments),
    "timestamptz": (
        scalar(Kind.TIMESTAMPTZ),
        pa.timestamp("us", "UTC"),
        moments.map(lambda moment: moment.replace(tzinfo=UTC)),
    ),
    "json": (scalar(Kind.JSON, "jsonb"), pa.string(), documents),
    "text[]": (array_of(Kind.TEXT), pa.string(), array_literals(texts)),
    "integer[]": (array_of(Kind.INTEGER), pa.string(), array_literals(int64s.map(str))),
}


def by_python(type: SourceType, encoding: Encoding, value: object, raw: str | None) -> tuple[Any, ...]:
    """(fragment, size, reason, detail)"""
    try:
        fragment = encode_python(type, encoding, value, raw)
    except Unrepresentable as refusal:
        return None, None, str(refusal.reason), refusal.detail
    return fragment, None if fragment is None else value_size(json.loads(fragment)), None, None


def by_spark(
    spark: SparkSession, type: SourceType, storage: pa.DataType, rows: list[tuple[object, str | None]]
) -> dict[Encoding, list[tuple[Any, ...]]]:
    table = pa.table(
        {
            "n": pa.array(range(len(rows))),
            "v": pa.array([value for value, _ in rows], storage),
            "r": pa.array([raw for _, raw in rows], pa.string()),
        }
    )
    raw = sql_text.col("r") if type.kind in TEMPORAL else None
    columns = []
    for encoding in sorted(encodings_of(type)):
        encoded = encode_spark(type, encoding, sql_text.col("v"), raw)
        columns.append(_together(encoded.problem, encoded.fragment, encoded.size).alias(encoding))
    collected = sql_text.select(spark.createDataFrame(table), "n", *columns).orderBy("n").collect()
    return {encoding: [_judged(row[encoding]) for row in collected] for encoding in encodings_of(type)}


def _together(problem: Problem | None, *columns: sql_text.Column) -> sql_text.Column:
    """With reason and detail behind."""
    found = no_problem() if problem is None else problem.column
    fields = [*columns, found["reason"], found["detail"]]
    return sql_text.struct(*(column.alias(f"f{n}") for n, column in enumerate(fields)))


def _judged(row: Any) -> tuple[Any, ...]:
    """What counts of a value that is refused is why; of an absent one, that it is absent."""
    fragment, size, reason, detail = row
    if reason is not None:
        return None, None, reason, detail
    return fragment, None if fragment is None else size, None, None


@pytest.mark.parametrize("case", CASES)
def test_every_encoding_is_the_same_in_both_forms(spark: SparkSession, case: str) -> None:
    type, storage, values = CASES[case]

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(st.none(), values), min_size=1, max_size=60), st.lists(st.sampled_from(RAWS), max_size=4))
    @example([None, *(HOSTILE_TEXTS if storage == pa.string() and values is texts else [])], RAWS)
    def holds(drawn: list[object], raws: list[str]) -> None:
        rows: list[tuple[object, str | None]] = [(value, None) for value in drawn]
        if type.kind in TEMPORAL:
            rows += [(None, raw) for raw in raws]
        for encoding, found in by_spark(spark, type, storage, rows).items():
            expected = [by_python(type, encoding, value, raw) for value, raw in rows]
            assert found == expected, encoding

    holds()


def test_numbers_at_the_edges(spark: SparkSession) -> None:
    edges = [
        *("0.1", "0.05", "-0.05", "10.50", "100", "-100", "1200.0", "0.000", "123456.7", "-1.0"),
        *("1" * 38, "1" * 39, "1" * 38 + "0" * 10, "1" * 39 + "0", "9" * 38 + "0" * 88),
        *("1" + "0" * 125, "1" + "0" * 126),
        *("0." + "0" * 129 + "1", "0." + "0" * 130 + "1", "-0." + "0" * 100 + "1" * 38, "1." + "0" * 36 + "1"),
    ]
    type = scalar(Kind.NUMERIC)
    found = by_spark(spark, type, pa.string(), [(edge, None) for edge in edges])
    for encoding in encodings_of(type):
        assert found[encoding] == [by_python(type, encoding, edge, None) for edge in edges]


def test_plain_values_agree_with_boto3(spark: SparkSession) -> None:
    serialize = TypeSerializer().serialize
    opinions: list[tuple[str, list[tuple[object, object]]]] = [
        ("integer", [(n, Decimal(n)) for n in (0, 7, -12, 1500, 2**63 - 1)]),
        ("numeric", [(n, Decimal(n)) for n in ("1.50", "-0.001", "100")]),
        ("boolean", [(True, True), (False, False)]),
        ("bytes", [(b"", b""), (b"\0\xff" * 60, b"\0\xff" * 60)]),
        ("text", [(text, text) for text in HOSTILE_TEXTS if text is not None]),
        ("json", [('{"b":[1,null],"a":{"c":true}}', {"b": [1, None], "a": {"c": True}})]),
        ("text[]", [('{x,"y z"}', ["x", "y z"])]),
    ]
    for case, pairs in opinions:
        type, storage, _ = CASES[case]
        encoding = {Kind.BYTES: Encoding.B, Kind.BOOLEAN: Encoding.BOOL, Kind.TEXT: Encoding.S}.get(type.kind)
        encoding = encoding or {Kind.JSON: Encoding.JSON, Kind.ARRAY: Encoding.LIST}.get(type.kind, Encoding.N)
        found = by_spark(spark, type, storage, [(physical, None) for physical, _ in pairs])[encoding]
        assert [row[0] for row in found] == [canonical_value(serialize(meant)) for _, meant in pairs], case


FORMATS: dict[str, list[Format | None]] = {
    "integer": [None, Format(pad=3), Format(pad=19), Format(modulus=7)],
    "numeric": [None],
    "float8": [None],
    "boolean": [None],
    "text": [
        None,
        Format(case="lower"),
        Format(case="upper"),
        Format(escape="#"),
        Format(escape="é"),
        Format(escape=""),
    ],
    "char": [None, Format(escape="%")],
    "uuid": [None],
    "date": [None, Format(strftime="%Y-%m-%dT%H:%M:%S"), Format(strftime="at %d%m")],
    "timestamp": [None, Format(strftime="%H%M%S")],
    "timestamptz": [None, Format(strftime="%Y/%m %H")],
}


@pytest.mark.parametrize("case", FORMATS)
def test_templates_are_the_same_in_both_forms(spark: SparkSession, case: str) -> None:
    type, storage, values = CASES[case]
    templates = [
        Template("", ("a{", Placeholder((), "v", type, format), "#", Placeholder((), "v", type, None)))
        for format in FORMATS[case]
    ]

    @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(st.none(), values), min_size=1, max_size=50))
    @example(["ß İ ς ǅ", "ŉ%#é%", "Σ"] if storage == pa.string() and values is texts else [None])
    def holds(drawn: list[object]) -> None:
        rows: list[tuple[object, str | None]] = [(value, None) for value in drawn]
        rows += [(None, raw) for raw in RAWS] if type.kind in TEMPORAL else []
        for template, found in zip(templates, rendered_by_spark(spark, templates, storage, rows), strict=True):
            assert found == [rendered_by_python(template, row) for row in rows], template

    holds()


def rendered_by_python(template: Template, row: tuple[object, str | None]) -> tuple[str | None, ...]:
    """(text, reason, detail)"""
    try:
        return render_python(template, lambda _: row), None, None
    except Unrepresentable as refusal:
        return None, str(refusal.reason), refusal.detail


def rendered_by_spark(
    spark: SparkSession, templates: list[Template], storage: pa.DataType, rows: list[tuple[object, str | None]]
) -> list[list[tuple[str | None, ...]]]:
    table = pa.table({"v": pa.array([v for v, _ in rows], storage), "r": pa.array([r for _, r in rows], pa.string())})
    frame = spark.createDataFrame(table).withColumn("n", F.monotonically_increasing_id())
    columns: list[sql_text.Column] = []
    for template in templates:
        rendered = render_spark(template, lambda _: Physical(sql_text.col("v"), sql_text.col("r")))
        text = rendered.text if rendered.problem is None else sql_text.when(~rendered.problem.found, rendered.text)
        columns.append(_together(rendered.problem, text).alias(f"t{len(columns)}"))
    collected = sql_text.select(frame, "n", *columns).orderBy("n").collect()
    return [[tuple(row[n + 1]) for row in collected] for n in range(len(templates))]
