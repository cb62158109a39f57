"""docs/types.md is what the code does, on a live server; and no type of that server is without an answer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from pipelines.items.encode import default_encoding, encode, encodings_of
from pipelines.items.reject import RejectReason, Unrepresentable
from pipelines.items.source_type import RAW_SUFFIX, Encoding, SourceType
from pipelines.mapping.catalog import Table, TableRef
from pipelines.mapping.scope import needs_a_type
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.live import export_live
from tests.oracle.typed_rows import open_as_is, printed
from tests.oracle.typed_values import Refused, attribute
from tests.type_samples import Sample, samples
from tests.typed_table import create_types
from tests.types_page import Answer, answers

pytestmark = pytest.mark.integration

REF = TableRef(schema_name="public", table="columns")
SPELLED = {Encoding.LIST: "L"}
NOT_EMBEDDED = {"xml"}
"""Types that the embedded server is built without."""


@pytest.fixture
def typed_url(database_url: str) -> str:
    create_types(database_url)
    return database_url


def table_of(url: str, types: Iterable[str]) -> Table:
    """A table with a column `cN` of each."""
    declared = [sql.SQL("{} {}").format(sql.Identifier(f"c{n}"), sql.SQL(type)) for n, type in enumerate(types)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE TABLE columns ({})").format(sql.SQL(", ").join(declared)))
    with closing(connect(url)) as connection:
        (table,) = read_catalog(connection, [REF]).tables
    return table


def answer_of(type: SourceType) -> tuple[str | None, frozenset[str]]:
    encodings = {SPELLED.get(encoding, str(encoding)) for encoding in encodings_of(type)}
    default = default_encoding(type)
    if needs_a_type(type):
        return None, frozenset(encodings - {"L"})
    return SPELLED.get(default, str(default)), frozenset(encodings)


def test_the_page_says_what_the_code_does(typed_url: str) -> None:
    page = answers()
    types = [type for type in page if type not in NOT_EMBEDDED]
    table = table_of(typed_url, types)
    found = {type: answer_of(column.type) for type, column in zip(types, table.columns, strict=True)}
    assert found == {type: (page[type].default, page[type].encodings) for type in types}


def test_the_page_names_every_reason(typed_url: str) -> None:
    """Each reason that a hard value shows, and no other but for what only SQL_ASCII databases can hold."""
    page = answers()
    by_answer: dict[Answer, set[str]] = {}
    with open_as_is(typed_url) as connection:
        connection.execute("SET search_path = public")
        for sample in samples().values():
            by_answer.setdefault(page[sample.type], set()).update(reasons(connection, sample, page[sample.type]))
    shown = {answer: answer.rejects - found for answer, found in by_answer.items() if answer.rejects != found}
    assert set().union(*shown.values()) <= {"invalid_text"}
    assert {answer: found for answer, found in by_answer.items() if found - answer.rejects} == {}
    assert set().union(*by_answer.values()) <= {str(reason) for reason in RejectReason}


def reasons(connection: psycopg.Connection[TupleRow], sample: Sample, answer: Answer) -> set[str]:
    found: set[str] = set()
    for value in sample.hard:
        try:
            ((text,),) = printed(connection, sql.SQL("SELECT {}::{}").format(sql.Literal(value), sql.SQL(sample.type)))
        except psycopg.Error:
            continue
        for encoding in answer.encodings:
            try:
                attribute(sample.family, encoding, text or b"")
            except Refused as reason:
                found.add(str(reason))
    return found


EVERY_TYPE = """
SELECT pg_catalog.format_type(t.oid, NULL), coalesce(c.relnatts, 0)
FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE t.typtype <> 'p' AND t.typisdefined AND (c.relkind IS NULL OR c.relkind IN ('r', 'c', 'v'))
ORDER BY t.oid
"""
VALUES = ("", "0", "1", "t", "a", "{}", "()", "empty", "2026-11-24", "(1,2)", "[(1,2),(3,4)]", "<(0,0),1>", "{1,2,3}",
          "(,,)", "(,,,,,)",
          "12:00", "10.0.0.1", "08:00:2b:01:02:03", "=r/pg_monitor", "0b7f0f0e-0000-4000-8000-000000000001", "1:1:",
          "0/0", "[1,2]",
          "{1:1}/2", "YES", "0-393-04002-X", "1436-4522", "979-0-060-11561-5", "220356483481")  # fmt: skip
"""One of them is a value of nearly every type."""


def test_every_type_of_the_server_has_an_answer(typed_url: str, tmp_path: Path) -> None:
    """Pseudo-types apart. What cannot be a column (a row with pseudo-types in it) is no type that a user can meet."""
    with psycopg.connect(typed_url, autocommit=True) as connection:
        connection.execute("SET search_path = ''")
        fields: dict[str, int] = dict(connection.execute(EVERY_TYPE).fetchall())
        types = can_be_columns(connection, fields)
        assert len(types) > 300
        table = table_of(typed_url, types)
        filled = filled_columns(connection, fields, types)
    assert len(filled) > 0.97 * len(types)
    names = tuple(column.name for column in table.columns)
    export = export_live(typed_url, [REF], lambda _: {table: names}, tmp_path)
    read = pq.read_table(tmp_path / export.tables[str(REF)].files[0])
    for type, column in zip(types, table.columns, strict=True):
        values = [value for value in read[column.name].to_pylist() if value is not None]
        raws = read[column.name + RAW_SUFFIX].to_pylist() if column.name + RAW_SUFFIX in read.column_names else []
        assert (bool(values), [raw for raw in raws if raw is not None]) == (type in filled, [])
        check_every_encoding(column.type, values[0] if values else None)


def can_be_columns(connection: psycopg.Connection[TupleRow], types: Iterable[str]) -> list[str]:
    """In one round trip: thousands of them, each a turn of both processes, take minutes on a busy machine."""
    connection.execute(
        """CREATE FUNCTION public.can_be_a_column(type text) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE 'CREATE TEMP TABLE probe (c ' || type || ')';
            DROP TABLE probe;
            RETURN true;
        EXCEPTION WHEN OTHERS THEN RETURN false;
        END $$"""
    )
    found = connection.execute(
        "SELECT type FROM unnest(%s::text[]) WITH ORDINALITY AS t (type, place)"
        " WHERE public.can_be_a_column(type) ORDER BY place",
        (list(types),),
    )
    return [type for (type,) in found]


def filled_columns(connection: psycopg.Connection[TupleRow], fields: dict[str, int], types: list[str]) -> list[str]:
    """Those whose column has got a row: the first value that is one."""
    connection.execute(
        """CREATE FUNCTION public.fill(name text, type text, candidates text[]) RETURNS boolean LANGUAGE plpgsql AS $$
        DECLARE candidate text;
        BEGIN
            FOREACH candidate IN ARRAY candidates LOOP
                BEGIN
                    EXECUTE pg_catalog.format('INSERT INTO public.columns (%I) VALUES (%L::%s)', name, candidate, type);
                    RETURN true;
                EXCEPTION WHEN OTHERS THEN NULL;
                END;
            END LOOP;
            RETURN false;
        END $$"""
    )
    found = connection.execute(
        "SELECT type FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS t (type, row, place)"
        " WHERE public.fill('c' || place - 1, type, pg_catalog.array_prepend(row, %s::text[])) ORDER BY place",
        (types, [f"({',' * (fields[type] - 1)})" for type in types], list(VALUES)),
    )
    return [type for (type,) in found]


def check_every_encoding(type: SourceType, value: object | None) -> None:
    for encoding in encodings_of(type):
        try:
            fragment = encode(type, encoding, value, None)
        except Unrepresentable as refusal:
            assert refusal.reason in RejectReason
            continue
        assert (value is None) is (fragment is None) or encoding in (Encoding.SS, Encoding.NS, Encoding.BS)
