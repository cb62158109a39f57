"""The physical forms, exactly, of hostile values: the same in a snapshot's Parquet and in an online read."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from pipelines.mapping.catalog import TableRef
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.live import export_live
from pipelines.source.select import physical_names, physical_schema, select_list

pytestmark = pytest.mark.integration

SCHEMA = """
CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('ok', '''q" ');
CREATE TYPE pair AS (a int, b text);
CREATE FUNCTION loud(mood) RETURNS text LANGUAGE sql AS 'SELECT ''wrong''::text';
CREATE CAST (mood AS text) WITH FUNCTION loud(mood);
CREATE FUNCTION never(date, date) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR public.>= (LEFTARG = date, RIGHTARG = date, FUNCTION = never);
CREATE DOMAIN price AS numeric(7,2);
"""

CASES: list[tuple[str, str, object]] = [
    ("smallint", "-32768", -32768),
    ("integer", "-2147483648", -2147483648),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("oid", "4294967295", 4294967295),
    ("numeric", "'NaN'", "NaN"),
    ("numeric", "'-Infinity'", "-Infinity"),
    ("numeric", "1.500", "1.500"),
    ("numeric", "1e-40", "0.0000000000000000000000000000000000000001"),
    (
        "numeric",
        "12345678901234567890123456789012345678901234567890",
        "12345678901234567890123456789012345678901234567890",
    ),
    ("numeric(12,2)", "-0.5", "-0.50"),
    ("price", "3.14159", "3.14"),
    ("real", "0.1", "0.1"),
    ("real", "'-Infinity'", "-Infinity"),
    ("double precision", "1e20", "1e+20"),
    ("double precision", "0.1::float8 + 0.2", "0.30000000000000004"),
    ("double precision", "'NaN'", "NaN"),
    ("double precision", "'-0'", "-0"),
    ("boolean", "false", False),
    ("bytea", r"'\x00ff27'", b"\x00\xff'"),
    ("bytea", "''", b""),
    ("text", r"E'\u0001\t\n\r\\\'\"\U0001F600\u2028'", "\x01\t\n\r\\'\"\U0001f600\u2028"),
    ("text", "''", ""),
    ("character varying(4)", "'é  '", "é  "),
    ("name", "'nam'", "nam"),
    ('"char"', "'q'", "q"),
    ("character(5)", "'ab '", "ab   "),
    ("citext", "'CiTe'", "CiTe"),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("mood", "'''q\" '", "'q\" "),
    ("json", """'{"a": 1.50 , "a":null}'""", '{"a": 1.50 , "a":null}'),
    ("jsonb", """'{"b":1e2, "a":1.50}'""", '{"a": 1.50, "b": 100}'),
    ("integer[]", "'[2:3]={1,NULL}'", "[2:3]={1,NULL}"),
    ("integer[]", "'{}'", "{}"),
    ("text[]", """ARRAY['a,b', 'NULL', NULL, '"\\', '']""", r'{"a,b","NULL",NULL,"\"\\",""}'),
    ("mood[]", "ARRAY['ok']::mood[]", "{ok}"),
    ("bytea[]", r"ARRAY['\xff'::bytea]", r'{"\\xff"}'),
    ("timestamptz[]", "ARRAY['2026-01-01 00:00+02'::timestamptz]", '{"2025-12-31 22:00:00+00"}'),
    ("interval", "'1 year 2 mons -3 days 04:05:06.7'", "1 year 2 mons -3 days +04:05:06.7"),
    ("inet", "'10.0.0.1'", "10.0.0.1"),
    ("time with time zone", "'10:00+02'", "10:00:00+02"),
    ("bit(3)", "B'101'", "101"),
    ("int2vector", "'1 2'", "1 2"),
    ("tstzrange", "'[2024-01-01,)'", '["2024-01-01 00:00:00+00",)'),
    ("hstore", "'a=>1'", '"a"=>"1"'),
    ("pair", "ROW(1, NULL)", "(1,)"),
    ("pair", "ROW(NULL, NULL)", "(,)"),
]

TEMPORAL: list[tuple[str, str, object, str | None]] = [
    ("date", "'0001-01-01'", date(1, 1, 1), None),
    ("date", "'9999-12-31'", date(9999, 12, 31), None),
    ("date", "'0001-12-31 BC'", None, "0001-12-31 BC"),
    ("date", "'10000-01-01'", None, "10000-01-01"),
    ("date", "'infinity'", None, "infinity"),
    ("timestamp", "'0001-01-01'", datetime(1, 1, 1), None),
    ("timestamp", "'9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999999), None),
    ("timestamp", "'10000-01-01'", None, "10000-01-01 00:00:00"),
    ("timestamp", "'294276-12-31 23:59:59.999999'", None, "294276-12-31 23:59:59.999999"),
    ("timestamp", "'-infinity'", None, "-infinity"),
    ("timestamptz", "'0001-01-01 00:00+00'", datetime(1, 1, 1, tzinfo=UTC), None),
    ("timestamptz", "'0001-01-01 00:00+01'", None, "0001-12-31 23:00:00+00 BC"),
    ("timestamptz", "'10000-01-01 00:00+01'", datetime(9999, 12, 31, 23, tzinfo=UTC), None),
    ("timestamptz", "'10000-01-01 00:00+00'", None, "10000-01-01 00:00:00+00"),
    ("timestamptz", "'infinity'", None, "infinity"),
    ("timestamptz", "'4714-11-24 00:00+00 BC'", None, "4714-11-24 00:00:00+00 BC"),
    ("timestamptz", "NULL", None, None),
]


def test_every_physical_value(database_url: str, tmp_path: Path) -> None:
    declarations = [*(case[0] for case in CASES), *(case[0] for case in TEMPORAL)]
    values = [*(case[1] for case in CASES), *(case[1] for case in TEMPORAL)]
    columns = ", ".join(f'"c%s {n}" {declared}' for n, declared in enumerate(declarations))
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(f"CREATE TABLE t ({columns})".encode())
        connection.execute(f"INSERT INTO t VALUES ({', '.join(values)})".encode())
        connection.execute("INSERT INTO t DEFAULT VALUES")
    expected: list[object] = [case[2] for case in CASES]
    for _, _, value, raw in TEMPORAL:
        expected += [value, raw]
    ref = TableRef(schema_name="public", table="t")

    with closing(connect(database_url)) as online:
        table = read_catalog(online, [ref]).tables[0]
        names = [column.name for column in table.columns]
        query = sql.SQL("SELECT {} FROM public.t").format(select_list(table, names))
        first, second = online.execute(query).fetchall()
    assert list(first) == expected
    assert set(second) == {None}

    exported = export_live(database_url, [ref], lambda catalog: {catalog.tables[0]: tuple(names)}, tmp_path)
    written = pq.read_table(tmp_path / exported.tables["public.t"].files[0])
    assert written.schema.equals(physical_schema(table, names))
    assert tuple(written.column_names) == physical_names(table, names)
    assert [written.column(n)[0].as_py() for n in range(written.num_columns)] == expected
    assert {written.column(n)[1].as_py() for n in range(written.num_columns)} == {None}


def test_names_of_63_bytes_keep_their_raw_column(database_url: str, tmp_path: Path) -> None:
    name = "d" * 63
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT 'infinity'::date AS {name}".encode())
    ref = TableRef(schema_name="public", table="t")
    exported = export_live(database_url, [ref], lambda catalog: {catalog.tables[0]: (name,)}, tmp_path)
    written = pq.read_table(tmp_path / exported.tables["public.t"].files[0])
    assert written.to_pylist() == [{name: None, f"{name}::raw": "infinity"}]
