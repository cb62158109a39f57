"""`where`: what parses to what, and what is refused in which words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.mapping.predicate import And, Compare, Comparison, IsNull, Not, Or, WhereError, columns_of
from pipelines.mapping.where_parse import parse_where
from pipelines.mapping.where_sql import to_sql
from tests.oracle.where_meaning import evaluate

pytestmark = pytest.mark.unit

TYPES = {
    "i": SourceType(name="integer", kind=Kind.INTEGER),
    "n": SourceType(name="numeric", kind=Kind.NUMERIC),
    "f": SourceType(name="real", kind=Kind.FLOAT4),
    "g": SourceType(name="double precision", kind=Kind.FLOAT8),
    "b": SourceType(name="boolean", kind=Kind.BOOLEAN),
    "t": SourceType(name="text", kind=Kind.TEXT),
    "Odd name": SourceType(name="text", kind=Kind.TEXT),
    "c": SourceType(name="character(4)", kind=Kind.CHAR),
    "u": SourceType(name="uuid", kind=Kind.UUID),
    "y": SourceType(name="date", kind=Kind.DATE),
    "w": SourceType(name="timestamp", kind=Kind.TIMESTAMP),
    "z": SourceType(name="timestamptz", kind=Kind.TIMESTAMPTZ),
    "j": SourceType(name="jsonb", kind=Kind.JSON),
}
TABLE = Table(
    ref=TableRef(schema_name="public", table="t"),
    relation=Relation.TABLE,
    columns=tuple(Column(name=name, type=type, nullable=True) for name, type in TYPES.items()),
    primary_key=(),
)


def compare(column: str, comparison: str, literal: str) -> Compare:
    return Compare(column, TYPES[column], Comparison(comparison), literal)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("i = 5.0", "5"),
        ("i = -0", "0"),
        ("n = 1.50e1", "15"),
        ("n = -.5", "-0.5"),
        ("n = 'NaN'", "NaN"),
        ("f = 0.1", "0.10000000149011612"),
        ("f = 16777217", "16777216"),
        ("g = 0.1", "0.1"),
        ("g = 1e22", "10000000000000000000000"),
        ("b = TRUE", "true"),
        ("t = 'it''s'", "it's"),
        ("t = ''", ""),
        ("c = 'a  '", "a"),
        ("u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("y = '2026-11-24'", "2026-11-24"),
        ("y = 'infinity'", "infinity"),
        ("w = '2026-11-24'", "2026-11-24T00:00:00.000000"),
        ("w = '2026-11-24 08:55:13.5'", "2026-11-24T08:55:13.500000"),
        ("z = '2026-11-24 08:55'", "2026-11-24T08:55:00.000000Z"),
        ("z = '2026-11-24 08:55+02'", "2026-11-24T06:55:00.000000Z"),
        ("z = '2026-11-24T08:55:13-03:30'", "2026-11-24T12:25:13.000000Z"),
    ],
)
def test_literals_in_canonical_text(text: str, literal: str) -> None:
    assert parse_where(text, TABLE) == compare(text[0], "=", literal)


def test_the_grammar() -> None:
    assert parse_where("5 < i", TABLE) == compare("i", ">", "5")
    assert parse_where("\"Odd name\" != 'x'", TABLE) == compare("Odd name", "<>", "x")
    assert parse_where("i IN (1, -2)", TABLE) == Or((compare("i", "=", "1"), compare("i", "=", "-2")))
    assert parse_where("i NOT IN (1)", TABLE) == Not(Or((compare("i", "=", "1"),)))
    assert parse_where("i BETWEEN 1 AND 2", TABLE) == And((compare("i", ">=", "1"), compare("i", "<=", "2")))
    assert parse_where("j IS NOT NULL", TABLE) == Not(IsNull("j", TYPES["j"]))
    assert parse_where("i = 1 OR i = 2 AND b = true", TABLE) == Or(
        (compare("i", "=", "1"), And((compare("i", "=", "2"), compare("b", "=", "true"))))
    )
    assert columns_of(parse_where("NOT (i = 1 OR t IS NULL) AND b = true", TABLE)) == {"i", "t", "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a condition"),
        ("i =", "not a condition"),
        ("i = 1)", "not a condition"),
        ("(" * 5000, "not a condition"),
        ("i = 1; DROP TABLE t", "more than a condition"),
        ("i = 1 LIMIT 3", "more than a condition"),
        ("i = 1 UNION SELECT 2", "more than a condition"),
        ("i = 1 GROUP BY i", "more than a condition"),
        ("b", "not allowed"),
        ("b IS TRUE", "write IS NULL, or compare with = true"),
        ("b < true", "= and <> only"),
        ("x = 1", "no column `x` in public.t; columns: i, n"),
        ("Odd = 1", "no column `Odd`"),
        ("T = 'x'", "no column `T`"),
        ("t.i = 1", "not a column's plain name"),
        ("i = n", "not a plain literal"),
        ("lower(t) = 'a'", "not a column's plain name"),
        ("t = lower('a')", "not a plain literal"),
        ("t LIKE 'a%'", "not allowed"),
        ("t = NULL", "write IS NULL"),
        ("i = 1.5", "a fraction"),
        ("i = '1'", "write a whole number"),
        ("i = 9223372036854775808", "bigint's range"),
        ("i = 1 + 1", "not a plain literal"),
        ("i IN (SELECT 1)", "not allowed"),
        ("i IN ()", "an empty list"),
        ("NOT i IN ()", "an empty list"),
        ("i BETWEEN SYMMETRIC 2 AND 1", "not allowed"),
        ("i IS DISTINCT FROM 1", "not allowed"),
        ("n = '5'", "write a number"),
        ("n = 1e999999", "no decimal number"),
        ("f = 1e39", "outside of the column's range"),
        ("g = 1e-400", "outside of the column's range"),
        ("t = 5", "write a quoted text"),
        ("t = E'a\\n'", "not a plain literal"),
        ("t = 'a' || 'b'", "not a plain literal"),
        ("t = 'a\x00'", "U+0000"),
        ("u = 'x'", "no uuid"),
        ("y = '2026-02-30'", "write '2026-11-24'"),
        ("y = '2026-11-24 08:00'", "write '2026-11-24'"),
        ("w = '2026-11-24 08:55+00'", "without a zone"),
        ("w = '2026-11-24 24:00'", "without a zone"),
        ("z = '0001-01-01 00:00+14'", "without a zone it is UTC"),
        ("z = 'now'", "without a zone it is UTC"),
        ("z = current_timestamp", "not a plain literal"),
        ("j = '{}'", "IS [NOT] NULL only"),
        ("i = $1", "not a plain literal"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse_where(text, TABLE)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i = 1", None),
        ("NOT i = 1", None),
        ("i = 1 AND b = true", None),
        ("i = 1 AND b = false", False),
        ("i = 1 OR b = true", True),
        ("i = 1 OR b = false", None),
        ("i IS NULL", True),
        ("z IS NULL", False),
        ("z > '9999-12-31'", True),
        ("z < 'infinity'", True),
        ("w = '2026-11-24 08:55'", True),
    ],
)
def test_three_values(text: str, expected: bool | None) -> None:
    row: dict[str, tuple[object | None, str | None]] = {
        "i": (None, None),
        "b": (True, None),
        "z": (None, "12026-01-01 00:00:00+00"),
        "w": (datetime(2026, 11, 24, 8, 55, tzinfo=UTC).replace(tzinfo=None), None),
    }
    assert evaluate(parse_where(text, TABLE), row.__getitem__) is expected


def test_texts_compare_by_bytes_in_postgresql() -> None:
    """The embedded PostgreSQL has no other collation to tell the difference by."""
    text = to_sql(parse_where("t < 'b' AND i IN (1)", TABLE), "x").as_string()
    assert text == """("x"."t"::text COLLATE "C" < 'b'::text AND ("x"."i" = '1'::bigint))"""
