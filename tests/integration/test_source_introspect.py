from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Catalog, Relation, TableRef
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog

pytestmark = pytest.mark.integration


def ref(table: str, schema: str = "public") -> TableRef:
    return TableRef(schema_name=schema, table=table)


def catalog_after(url: str, script: str, *refs: TableRef) -> Catalog:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(script.encode())
    with closing(connect(url)) as connection:
        return read_catalog(connection, refs)


def type_of(url: str, declaration: str, script: str = "") -> SourceType:
    catalog = catalog_after(url, f"{script}; CREATE TABLE t (c {declaration})", ref("t"))
    return catalog.tables[0].columns[0].type


PLAIN = {
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "oid": Kind.INTEGER,
    "real": Kind.FLOAT4,
    "double precision": Kind.FLOAT8,
    "boolean": Kind.BOOLEAN,
    "bytea": Kind.BYTES,
    "text": Kind.TEXT,
    "character varying(10)": Kind.TEXT,
    "name": Kind.TEXT,
    '"char"': Kind.TEXT,
    "character(3)": Kind.CHAR,
    "uuid": Kind.UUID,
    "date": Kind.DATE,
    "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp(3) with time zone": Kind.TIMESTAMPTZ,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "interval": Kind.OTHER,
    "time without time zone": Kind.OTHER,
    "time with time zone": Kind.OTHER,
    "money": Kind.NUMERIC,
    "inet": Kind.OTHER,
    "int4range": Kind.OTHER,
    "datemultirange": Kind.OTHER,
    "bit varying(5)": Kind.OTHER,
    "point": Kind.OTHER,
    "tsvector": Kind.OTHER,
    "int2vector": Kind.OTHER,
    "xid8": Kind.OTHER,
    "regclass": Kind.OTHER,
}


@pytest.mark.parametrize("name", PLAIN)
def test_built_in_types(database_url: str, name: str) -> None:
    assert type_of(database_url, name) == SourceType(name=name, kind=PLAIN[name])


@pytest.mark.parametrize(
    ("declaration", "precision", "scale"),
    [("numeric", None, None), ("numeric(12,2)", 12, 2), ("numeric(3,-2)", 3, -2), ("numeric(1000,1000)", 1000, 1000)],
)
def test_numeric_limits(database_url: str, declaration: str, precision: int | None, scale: int | None) -> None:
    expected = SourceType(name=declaration, kind=Kind.NUMERIC, precision=precision, scale=scale)
    assert type_of(database_url, declaration) == expected


def test_domains_are_their_base_type(database_url: str) -> None:
    script = "CREATE DOMAIN price AS numeric(7,2); CREATE DOMAIN low_price AS price CHECK (value < 10)"
    expected = SourceType(name="numeric(7,2)", kind=Kind.NUMERIC, precision=7, scale=2)
    assert type_of(database_url, "low_price", script) == expected


def test_arrays_name_their_element(database_url: str) -> None:
    script = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN moods AS mood[]"
    found = type_of(database_url, "moods", script)
    assert (found.kind, found.element) == (Kind.ARRAY, SourceType(name="public.mood", kind=Kind.ENUM))


def test_arrays_pass_their_modifier_on(database_url: str) -> None:
    found = type_of(database_url, "numeric(5,1)[][]")
    assert found.element == SourceType(name="numeric(5,1)", kind=Kind.NUMERIC, precision=5, scale=1)


def test_types_that_others_defined(database_url: str) -> None:
    script = (
        "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE TYPE pair AS (a int, b text);"
        "CREATE TYPE floats AS RANGE (subtype = float8)"
    )
    catalog = catalog_after(
        database_url, f"{script}; CREATE TABLE t (a citext, b hstore, c hstore[], d pair, e floats)", ref("t")
    )
    assert [(column.type.kind, column.type.known) for column in catalog.tables[0].columns] == [
        (Kind.TEXT, True),
        (Kind.OTHER, False),
        (Kind.ARRAY, False),
        (Kind.OTHER, True),
        (Kind.OTHER, True),
    ]


def test_texts_that_are_equal_without_being_the_same(database_url: str) -> None:
    script = (
        "CREATE EXTENSION citext; CREATE DOMAIN handle AS citext;"
        "CREATE COLLATION strict (provider = libc, locale = 'C');"
        "CREATE COLLATION loose (provider = libc, locale = 'C');"
        # Only ICU makes such a collation, and the embedded PostgreSQL is built without it.
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'"
    )
    columns = "a citext, b handle, c text COLLATE loose, d text COLLATE strict, e text, f int, g citext[]"
    catalog = catalog_after(database_url, f"{script}; CREATE TABLE t ({columns})", ref("t"))
    exact = {column.name: column.type.exact for column in catalog.tables[0].columns}
    assert exact == {"a": False, "b": False, "c": False, "d": True, "e": True, "f": True, "g": True}


def test_columns_keys_and_what_is_gone(database_url: str) -> None:
    catalog = catalog_after(
        database_url,
        'CREATE TABLE t (z int NOT NULL, gone int, "odd ""%s" text, a int GENERATED ALWAYS AS IDENTITY,'
        " twice int GENERATED ALWAYS AS (z * 2) STORED, PRIMARY KEY (a, z) INCLUDE (twice));"
        "ALTER TABLE t DROP COLUMN gone; CREATE TABLE keyless (a int UNIQUE)",
        ref("t"),
        ref("missing"),
        ref("keyless"),
    )
    table, keyless = catalog.tables
    assert [(column.name, column.nullable) for column in table.columns] == [
        ("z", False),
        ('odd "%s', True),
        ("a", False),
        ("twice", True),
    ]
    assert table.primary_key == ("a", "z")
    assert keyless.primary_key == ()
    assert catalog.table(ref("missing")) is None
    assert catalog.server_version >= 150000


def test_relations(database_url: str) -> None:
    catalog = catalog_after(
        database_url,
        "CREATE SCHEMA s; CREATE TABLE s.p (a int PRIMARY KEY) PARTITION BY RANGE (a);"
        "CREATE VIEW s.v AS SELECT * FROM s.p; CREATE MATERIALIZED VIEW s.m AS SELECT * FROM s.p;"
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE s.f (a int) SERVER far; CREATE TABLE p (other int); CREATE SEQUENCE s.q",
        *(ref(name, "s") for name in ("f", "m", "v", "p", "q")),
    )
    assert [(table.ref.table, table.relation) for table in catalog.tables] == [
        ("f", Relation.FOREIGN),
        ("m", Relation.MATERIALIZED_VIEW),
        ("v", Relation.VIEW),
        ("p", Relation.PARTITIONED),
    ]
    assert catalog.tables[3].primary_key == ("a",)
