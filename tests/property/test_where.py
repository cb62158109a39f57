"""`where` means one thing: Python, Spark and PostgreSQL keep the same rows, also where values are hostile."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.mapping.predicate import Predicate
from pipelines.mapping.where_parse import parse_where
from pipelines.mapping.where_spark import to_column
from pipelines.mapping.where_sql import to_sql
from tests.oracle.where_meaning import evaluate

pytestmark = [pytest.mark.property, pytest.mark.integration]

BIG = "9" * 60 + "." + "1" * 40

COLUMNS = {
    "i": (SourceType(name="integer", kind=Kind.INTEGER), ["-2147483648", "-1", "0", "1", "7"]),
    "o": (SourceType(name="oid", kind=Kind.INTEGER), ["0", "7", "4294967295"]),
    "n": (
        SourceType(name="numeric", kind=Kind.NUMERIC),
        ["0", "-0.10", "0.1", "0.100", BIG, f"-{BIG}", "NaN", "Infinity", "-Infinity", "1e-20"],
    ),
    "d": (
        SourceType(name="numeric(12,2)", kind=Kind.NUMERIC, precision=12, scale=2),
        ["0", "1.10", "-1.10", "9999999999.99", "NaN"],
    ),
    "f": (
        SourceType(name="real", kind=Kind.FLOAT4),
        ["0", "-0", "0.1", "16777216", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity"],
    ),
    "g": (
        SourceType(name="double precision", kind=Kind.FLOAT8),
        ["0", "-0", "0.1", "0.30000000000000004", "1e300", "5e-324", "NaN", "Infinity", "-Infinity"],
    ),
    "b": (SourceType(name="boolean", kind=Kind.BOOLEAN), ["true", "false"]),
    "t": (
        SourceType(name="text", kind=Kind.TEXT),
        ["", " ", "a", "A", "ä", "Z", "a ", "ab", "it's", "50%", "\\n", "\U0001f600", "\uffff", "a\n", "\x01"],
    ),
    "c": (SourceType(name="character(4)", kind=Kind.CHAR), ["", "a", "a b", "ä"]),
    "u": (
        SourceType(name="uuid", kind=Kind.UUID),
        ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    ),
    "e": (SourceType(name="mood", kind=Kind.ENUM), ["sad", "happy", "Glad"]),
    "y": (
        SourceType(name="date", kind=Kind.DATE),
        ["0001-01-01", "2026-11-24", "9999-12-31", "infinity", "-infinity", "0044-03-15 BC", "12026-01-01"],
    ),
    "w": (
        SourceType(name="timestamp", kind=Kind.TIMESTAMP),
        ["0001-01-01 00:00:00", "2026-11-24 08:55:13.123456", "infinity", "-infinity", "0044-03-15 01:00:00 BC"],
    ),
    "z": (
        SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ),
        ["0001-01-01 00:00:00+00", "2026-11-24 08:55:13.123456+00", "infinity", "-infinity", "12026-01-01 00:00:00+00"],
    ),
    "j": (SourceType(name="jsonb", kind=Kind.JSON), ["{}", "null"]),
}
TABLE = Table(
    ref=TableRef(schema_name="public", table="t"),
    relation=Relation.TABLE,
    columns=tuple(Column(name=name, type=type, nullable=True) for name, (type, _) in COLUMNS.items()),
    primary_key=(),
)
LITERALS = {
    "i": ["-1", "0", "1", "1.0", "4e0", "9223372036854775807"],
    "o": ["7", "4294967295", "5000000000"],
    "n": ["0", "0.1", "-0.1", "0.10", BIG, "'NaN'", "'Infinity'", "'-Infinity'", "1e-20", "1e-200"],
    "d": ["0", "1.1", "1.105", "-1.1", "1e30", "1e38", "'NaN'", "'Infinity'"],
    "f": ["0", "0.1", "0.10000000149011612", "16777217", "3.4028235e38", "'NaN'", "'-Infinity'"],
    "g": ["0", "0.1", "0.3", "0.30000000000000004", "1e300", "'NaN'", "'Infinity'"],
    "b": ["true", "false"],
    "t": ["''", "'a'", "'A'", "'ä'", "'it''s'", "'50%'", "'\\n'", "'a '", "'\U0001f600'", "'\uffff'"],
    "c": ["''", "'a'", "'a   '", "'a b'", "'ä'"],
    "u": ["'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-ffff-ffff-ffff-ffffffffffff'"],
    "e": ["'sad'", "'happy'", "'none'"],
    "y": ["'2026-11-24'", "'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'"],
    "w": ["'2026-11-24'", "'2026-11-24 08:55:13.123456'", "'2026-11-24T08:55'", "'infinity'", "'-infinity'"],
    "z": ["'2026-11-24'", "'2026-11-24 08:55:13.123456Z'", "'2026-11-24 10:55:13.123456+02'", "'infinity'"],
}
OPERATORS = ["=", "<>", "!=", "<", "<=", ">", ">="]


def physical(type: SourceType, text: str | None) -> tuple[Any, str | None]:
    """What a snapshot holds of a value that PostgreSQL prints as `text`."""
    if text is None:
        return None, None
    match type.kind:
        case Kind.INTEGER:
            return int(text), None
        case Kind.BOOLEAN:
            return text == "true", None
        case Kind.CHAR:
            return text.ljust(4), None
        case Kind.DATE if len(text) == 10:
            return date.fromisoformat(text), None
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ if text[:1].isdigit() and text[4] == "-" and "BC" not in text:
            zone = UTC if type.kind is Kind.TIMESTAMPTZ else None
            return datetime.fromisoformat(text.removesuffix("+00")).replace(tzinfo=zone), None
    return (None, text) if type.kind in TEMPORAL else (text, None)


def rows() -> list[dict[str, str | None]]:
    chooser = random.Random(7)
    found = [{name: chooser.choice([None, *values]) for name, (_, values) in COLUMNS.items()} for _ in range(60)]
    for name, (_, values) in COLUMNS.items():
        found += [dict.fromkeys(COLUMNS) | {name: value} for value in values]
    return found


ROWS = rows()


def test_dates_of_two_years_are_within_the_calendar() -> None:
    assert physical(COLUMNS["y"][0], "12026-01-01") == (None, "12026-01-01")
    assert physical(COLUMNS["y"][0], "0044-03-15 BC") == (None, "0044-03-15 BC")
    assert physical(COLUMNS["z"][0], "12026-01-01 00:00:00+00") == (None, "12026-01-01 00:00:00+00")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy', 'Glad')")
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type.name)) for name, (type, _) in COLUMNS.items()
        )
        connection.execute(sql.SQL("CREATE TABLE t (row int, {})").format(columns))
        for number, row in enumerate(ROWS):
            values = [sql.Literal(value) if value is not None else sql.NULL for value in row.values()]
            connection.execute(sql.SQL("INSERT INTO t VALUES ({}, {})").format(number, sql.SQL(", ").join(values)))
        yield connection


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    arrow = {
        Kind.INTEGER: pa.int64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.DATE: pa.date32(),
        Kind.TIMESTAMP: pa.timestamp("us"),
        Kind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
    }
    columns: dict[str, pa.Array] = {"row": pa.array(range(len(ROWS)), pa.int32())}
    for name, (type, _) in COLUMNS.items():
        values = [physical(type, row[name]) for row in ROWS]
        columns[name] = pa.array([value for value, _ in values], arrow.get(type.kind, pa.string()))
        if type.kind in TEMPORAL:
            columns[name + RAW_SUFFIX] = pa.array([raw for _, raw in values], pa.string())
    return spark.createDataFrame(pa.table(columns)).cache()


def python_keeps(predicate: Predicate) -> list[int]:
    def of(row: dict[str, str | None]) -> bool | None:
        return evaluate(predicate, lambda name: physical(COLUMNS[name][0], row[name]))

    return [number for number, row in enumerate(ROWS) if of(row) is True]


def postgres_keeps(connection: psycopg.Connection, condition: sql.Composable) -> list[int]:
    query = sql.SQL("SELECT x.row FROM t AS x WHERE ({}) AND 1 = %s ORDER BY x.row").format(condition)
    return [number for (number,) in connection.execute(query, [1]).fetchall()]


def spark_keeps(frame: DataFrame, predicates: list[Predicate]) -> list[list[int]]:
    """One Spark job for all of them."""
    marks = [
        to_column(predicate, lambda name: F.col(f"`{name}`")).alias(f"p{n}") for n, predicate in enumerate(predicates)
    ]
    found = frame.select("row", *marks).collect()
    return [sorted(row["row"] for row in found if row[f"p{n}"] is True) for n in range(len(predicates))]


comparisons = st.sampled_from(sorted(LITERALS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.sampled_from(["=", "<>"] if name == "b" else OPERATORS),
        st.sampled_from(LITERALS[name]),
    )
)
ordered = st.sampled_from(sorted(set(LITERALS) - {"b"})).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(st.sampled_from(LITERALS[name]), min_size=2, max_size=3))
)
leaves = st.one_of(
    comparisons.map(" ".join),
    comparisons.map(lambda parts: f"{parts[2]} {parts[1]} {parts[0]}"),
    ordered.map(lambda found: f"{found[0]} BETWEEN {found[1][0]} AND {found[1][1]}"),
    ordered.map(lambda found: f"{found[0]} NOT BETWEEN {found[1][0]} AND {found[1][1]}"),
    ordered.map(lambda found: f"{found[0]} IN ({', '.join(found[1])})"),
    ordered.map(lambda found: f"{found[0]} NOT IN ({', '.join(found[1])})"),
    st.sampled_from(sorted(COLUMNS)).map(lambda name: f"{name} IS NULL"),
    st.sampled_from(sorted(COLUMNS)).map(lambda name: f'"{name}" IS NOT NULL'),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" AND ".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) OR {two[1]}"),
        inner.map(lambda one: f"NOT ({one})"),
        inner.map(lambda one: f"NOT {one}"),
    ),
    max_leaves=5,
)


def every_single_comparison() -> list[str]:
    return [
        f"{name} {operator} {literal}"
        for name, literals in LITERALS.items()
        for operator, literal in itertools.product(["=", "<>"] if name == "b" else OPERATORS, literals)
    ]


def test_every_operator_with_every_literal(connection: psycopg.Connection, frame: DataFrame) -> None:
    texts = every_single_comparison()
    predicates = [parse_where(text, TABLE) for text in texts]
    for text, predicate, of_spark in zip(texts, predicates, spark_keeps(frame, predicates), strict=True):
        of_postgres = postgres_keeps(connection, to_sql(predicate, "x"))
        assert python_keeps(predicate) == of_postgres, text
        assert of_spark == of_postgres, text


@settings(max_examples=1, deadline=None)
@given(st.lists(conditions, min_size=120, max_size=120))
def test_random_conditions_in_spark(frame: DataFrame, texts: list[str]) -> None:
    predicates = [parse_where(text, TABLE) for text in texts]
    for text, predicate, kept in zip(texts, predicates, spark_keeps(frame, predicates), strict=True):
        assert kept == python_keeps(predicate), text


def test_random_conditions_in_postgresql(connection: psycopg.Connection) -> None:
    @settings(max_examples=300, deadline=None)
    @given(conditions)
    def agree(text: str) -> None:
        predicate = parse_where(text, TABLE)
        assert postgres_keeps(connection, to_sql(predicate, "x")) == python_keeps(predicate)

    agree()


def test_a_long_list(frame: DataFrame) -> None:
    predicate = parse_where(f"i IN ({', '.join(map(str, range(1000)))})", TABLE)
    assert spark_keeps(frame, [predicate]) == [python_keeps(predicate)]


PLAIN = [
    "i = 1 OR b = true AND t = 'a'",
    "NOT i = 1 AND b = false",
    "NOT (i < 0 OR n > 0.1) OR t IS NULL",
    "i NOT IN (0, 1) AND NOT i BETWEEN -5 AND -1",
    "n >= -0.1 AND n <> 'NaN'",
    "z > '2026-11-24 08:00:00+00' OR y = 'infinity'",
    "t = 'it''s' OR t = '50%' OR t = '\\n'",
    "7 >= i AND NOT NOT b = true",
    "c = 'a' OR c = ''",
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_condition_means_what_postgresql_reads_in_it(connection: psycopg.Connection, text: str) -> None:
    """The text itself, unparsed, as the judge: precedence, quoting, three-valued logic."""
    query = sql.SQL("SELECT row FROM t WHERE {} ORDER BY row").format(sql.SQL(text))
    of_postgres = [number for (number,) in connection.execute(query).fetchall()]
    assert python_keeps(parse_where(text, TABLE)) == of_postgres
    assert 0 < len(of_postgres) < len(ROWS)
