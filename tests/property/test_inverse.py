"""Items of the online assembler turned back into rows, judged by PostgreSQL itself: its own reading of each text is the
value that is there, and rows written from the texts become the same item. The judge takes nothing from the inverse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.rows import TupleRow

from pipelines.mapping.catalog import TableRef
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.inverse import ItemInverse, Keep, TableRows, inverse_of
from pipelines.mapping.inverse.kept_sql import kept
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.outcome import Assembled
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.connect import connect
from pipelines.source.introspect import read_catalog
from pipelines.source.online import read_items
from tests.oracle.typed_rows import open_as_is
from tests.oracle.typed_values import Refused, attribute
from tests.type_samples import samples
from tests.typed_table import TypedColumn, columns_for, create_table, create_types, literal, mapping_of, text_of
from tests.types_page import answers

pytestmark = [pytest.mark.property, pytest.mark.integration]

HUNT = int(os.environ.get("CROSSOVER_TYPE_HUNT", "0"))
LONG = 1000
TABLES = 3
IN_PART = {
    *((type, "date") for type in ("timestamp", "timestamp(3)", "timestamptz")),
    ("mood", "N"),
    ("uuid", "N"),
}
"""What tells a value only in part."""
NOT_KEPT = r'u0000|u[dD][89a-fA-F]|[eE]\d{4}|[{,]"?null"?[,}]'
"""Documents that jsonb could refuse, and arrays in which json's null comes back as NULL."""
BY_AREA = {"box", "path", "polygon", "circle", "box[]"}
"""Types whose `=` compares areas, or lengths."""


def planned(connection: psycopg.Connection[TupleRow], text: str) -> MigrationPlan:
    mapping = parse_mapping(text, "m.yaml")
    return compile_mapping(mapping, read_catalog(connection, tables_used(mapping)))


def items_of(url: str, text: str) -> dict[str, dict[str, str]]:
    """By item type and source key, those that are no rejects."""
    with closing(connect(url)) as connection:
        found: dict[str, dict[str, str]] = {}
        for item in planned(connection, text).items:
            outcomes = read_items(connection, item, list(keys_of(connection, item)))
            assembled = [(one.source_key, one.outcome) for one in outcomes if isinstance(one.outcome, Assembled)]
            found[item.name] = {key: outcome.item for key, outcome in assembled}
    return found


def keys_of(connection: psycopg.Connection[TupleRow], item: ItemPlan) -> Iterator[dict[str, str]]:
    names = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in item.source_key]
    table = sql.Identifier("public", item.root.table.ref.table)
    for row in connection.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(names), table)):
        yield dict(zip(item.source_key, row, strict=True))


def inverses_of(url: str, text: str) -> dict[str, ItemInverse]:
    with closing(connect(url)) as connection:
        plan = planned(connection, text)
    return {item.name: inverse_of(item, plan) for item in plan.items}


def insert(connection: psycopg.Connection[TupleRow], table: str, row: Mapping[str, sql.Composable]) -> None:
    connection.execute(
        sql.SQL("INSERT INTO public.{} ({}) VALUES ({})").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(row.values())
        )
    )


# Every type


@pytest.fixture(scope="module")
def typed_server(postgres_server: str) -> Iterator[str]:
    """A database that has all types, for the whole module."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE inverse_types")
    url = postgres_server.rpartition("/")[0] + "/inverse_types"
    create_types(url)
    yield url
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE inverse_types WITH (FORCE)")


def is_attribute(column: TypedColumn, text: bytes) -> bool:
    """Whether the value is no reject, by the oracle."""
    try:
        attribute(column.sample.family, column.encoding, text)
    except Refused:
        return False
    return len(text) <= LONG


def values_of(
    connection: psycopg.Connection[TupleRow], columns: list[TypedColumn], literals: Mapping[str, tuple[str, ...]]
) -> dict[str, list[str]]:
    """By column, those of `literals` (by type) that PostgreSQL takes, reads again, and that are no rejects."""
    connection.execute("SET search_path = public")
    printed = {
        type: [
            (value, text)
            for value in values
            if (text := text_of(connection, type, value)) is not None
            and text_of(connection, type, text.decode()) == text  # not so of 294277-01-01, to which a time is rounded
        ]
        for type, values in literals.items()
    }
    return {
        column.name: [value for value, text in printed[column.sample.type] if is_attribute(column, text)]
        for column in columns
    }


def told(column: TypedColumn, text: str | None) -> sql.Composed:
    """PostgreSQL's reading of a text of the inverse."""
    type, value = column.sample.type, sql.Literal(text)
    if type in ("money", "money[]"):
        value = sql.SQL("{}::{}").format(value, sql.SQL(type.replace("money", "numeric")))  # type: ignore[assignment]
    return sql.SQL("{}::{}").format(value, sql.SQL(type))


def has_equality(connection: psycopg.Connection[TupleRow], type: str) -> bool:
    values = (value for value in SAMPLES[type].hard if text_of(connection, type, value) is not None)
    some = max(values, key=lambda value: value not in ("{}", "{NULL}"))
    query = sql.SQL("SELECT {0}::{1} = {0}::{1}").format(literal(some), sql.SQL(type))
    try:
        connection.execute(query)
    except psycopg.errors.UndefinedFunction:
        return False
    return type not in BY_AREA


def as_told(
    column: TypedColumn, text: str | None, keep: Keep | None, inverse: ItemInverse, unequal: set[str]
) -> sql.Composed | None:
    """A condition that holds where the text is the column's value; None where PostgreSQL cannot say. `unequal`: types
    without an `=` of values."""
    here, there = sql.Identifier("t", column.name), told(column, text)
    type = column.sample.type
    if column.encoding == "L" and type in ("tags[]", "grid"):
        return None  # an array of arrays of arrays: {{NULL}} and {"{NULL}"} make one list
    if keep is not None:
        known = inverse.item.root.type_of(column.name)
        same = sql.SQL("({})::text IS NOT DISTINCT FROM {}::text").format(kept(keep, known, here, there), here)
        if not type.startswith("json"):
            return same
        return sql.SQL("({} OR {}::text ~ {})").format(same, here, sql.Literal(NOT_KEPT))
    if column.encoding == "json":
        return None
    if type in unequal:
        return sql.SQL("{}::text IS NOT DISTINCT FROM ({})::text").format(here, there)
    return sql.SQL("{} IS NOT DISTINCT FROM {}").format(here, there)


def check_types(url: str, columns: list[TypedColumn], rows: list[dict[str, sql.Composable]]) -> int:
    """How many values came back."""
    with open_as_is(url) as connection:
        connection.execute("SET search_path = public; DROP TABLE IF EXISTS typed, again")
        create_table(connection, "typed", columns, rows)
        connection.execute("CREATE TABLE again (LIKE typed INCLUDING ALL)")
    inverse = inverses_of(url, mapping_of({"typed": columns}))["typed"]
    partial = {c.name for c in columns if (c.sample.type, c.encoding) in IN_PART}
    assert {problem.split("`")[1] for problem in inverse.problems} == partial
    items = items_of(url, mapping_of({"typed": columns}))["typed"]
    count = 0
    with open_as_is(url) as connection:
        connection.execute("SET search_path = public")
        types = {column.sample.type for column in columns}
        unequal = {type for type in types if not has_equality(connection, type)}
        for key, item in items.items():
            (back,) = inverse.rows(item)
            count += check_row(connection, columns, inverse, back, unequal)
            assert inverse.source_key(item, None) == key
    again = items_of(url, mapping_of({"again": columns}))["again"]
    assert again.keys() == items.keys()
    types_of = {column.name: (column.sample.type, column.encoding) for column in columns if column.name not in partial}
    for key, item in items.items():
        before, after = json.loads(item), json.loads(again[key])
        assert {
            types_of[name]: (before.get(name), after.get(name))
            for name in types_of
            if before.get(name) != after.get(name)
        } == {}
    return count


def check_row(
    connection: psycopg.Connection[TupleRow],
    columns: list[TypedColumn],
    inverse: ItemInverse,
    back: TableRows,
    unequal: set[str],
) -> int:
    texts, keeps = dict(zip(back.columns, back.rows[0], strict=True)), dict(back.keep)
    known = [column for column in columns if column.name in texts]
    asked = [(c, as_told(c, texts[c.name], keeps.get(c.name), inverse, unequal)) for c in known]
    conditions = [(column, condition) for column, condition in asked if condition is not None]
    (answered,) = connection.execute(
        sql.SQL("SELECT {} FROM typed AS t WHERE id = {}").format(
            sql.SQL(", ").join([condition for _, condition in conditions]), sql.Literal(texts["id"])
        )
    ).fetchall()
    wrong = [
        (c.sample.type, c.encoding, texts[c.name])
        for (c, _), same in zip(conditions, answered, strict=True)
        if same is not True
    ]
    assert wrong == []
    insert(connection, "again", {"id": literal(texts["id"] or ""), **{c.name: told(c, texts[c.name]) for c in known}})
    return sum(texts[column.name] is not None for column in known)


SAMPLES = samples()
COLUMNS = columns_for(SAMPLES.values(), answers())


@pytest.mark.parametrize("part", range(TABLES))
def test_every_type_in_every_form(typed_server: str, part: int) -> None:
    columns = COLUMNS[part::TABLES]
    with open_as_is(typed_server) as connection:
        values = values_of(connection, columns, {type: sample.hard for type, sample in SAMPLES.items()})
    assert {(c.sample.type, c.encoding) for c in columns if not values[c.name]} <= {("uuid", "N")}
    rows = [
        {name: literal(queue[n % len(queue)]) for name, queue in values.items() if queue}
        for n in range(max(map(len, values.values())))
    ]
    assert check_types(typed_server, columns, rows) > 1000


@st.composite
def drawn_tables(draw: st.DrawFn) -> tuple[list[TypedColumn], dict[str, tuple[str, ...]]]:
    """Columns of any types, and values of these."""
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=10, max_size=30, unique_by=lambda column: column.name))
    values = {type: draw(st.lists(SAMPLES[type].literals, min_size=4, max_size=4)) for type in types_of(columns)}
    return columns, {type: tuple(some) for type, some in values.items()}


def types_of(columns: list[TypedColumn]) -> list[str]:
    return sorted({column.sample.type for column in columns})


@settings(
    max_examples=HUNT or 1,
    derandomize=not HUNT,
    deadline=None,
    phases=(Phase.generate,) if not HUNT else (Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(drawn_tables())
def test_any_values(typed_server: str, drawn: tuple[list[TypedColumn], dict[str, tuple[str, ...]]]) -> None:
    columns, literals = drawn
    with open_as_is(typed_server) as connection:
        values = values_of(connection, columns, literals)
    rows = [{name: literal(some[n]) for name, some in values.items() if n < len(some)} for n in range(5)]
    assert check_types(typed_server, columns, rows) > 0


# What stays as it is

STAYS: dict[tuple[Keep, str], list[tuple[str | None, str | None, bool]]] = {
    (Keep.EQUAL, "numeric"): [("1.50", "1.5", True), ("1.5", "1.51", False), (None, "1", False), ("1", None, False)],
    (Keep.EQUAL, "double precision"): [("-0", "0", True), ("-1", "1", False)],
    (Keep.SECONDS, "timestamptz"): [
        ("2026-11-24 08:55:13.5+00", "2026-11-24 08:55:13+00", True),
        ("1969-12-31 23:59:59.5+00", "1969-12-31 23:59:59+00", True),
        ("2026-11-24 08:55:14.5+00", "2026-11-24 08:55:13+00", False),
        ("infinity", "2026-11-24 08:55:13+00", False),
        ("2026-11-24 08:55:13.5+00", None, False),
    ],
    (Keep.MILLISECONDS, "timestamp"): [
        ("2026-11-24 08:55:13.123456", "2026-11-24 08:55:13.123", True),
        ("2026-11-24 08:55:13.124456", "2026-11-24 08:55:13.123", False),
    ],
    (Keep.NUMBER, "text"): [("007", "7", True), ("008", "7", False), ("1e2", "100", True), ("x", "7", False)],
    (Keep.NUMBER, "char(5)"): [("07", "7", True), ("", "7", False)],
    (Keep.DOCUMENT, "json"): [
        ('{"b": 1.50, "a": []}', '{"a":[],"b":1.5}', True),
        ('{"b": 1.51, "a": []}', '{"a":[],"b":1.5}', False),
        (r'"\u0000"', '"x"', False),
        ('"x"', r'"\u0000"', False),
        ("1e9999999", "1", False),
    ],
    (Keep.DOCUMENT, "jsonb"): [("[1.50]", "[1.5]", True), ("[1.50]", "[1]", False)],
    (Keep.LIST, "text[]"): [("[0:1]={a,b}", "{a,b}", True), ("[0:1]={a,b}", "{b,a}", False), ("{NULL}", "{}", False)],
    (Keep.LIST, "numeric[]"): [("[5:5]={1.50}", "{1.5}", True), ("{1.50}", "{1.51}", False), ("{{1}}", "{1}", False)],
    (Keep.LIST, "jsonb[]"): [('[2:2]={"1.0"}', "{1}", True), ('{"1.0"}', "{2}", False)],
    (Keep.MEMBERS, "text[]"): [
        ("{b,a}", "{a,b}", True),
        ("{b,a}", "{a}", False),
        ("{a}", "{a,b}", False),
        ("{{a,b}}", "{a,b}", False),
        ("{a,a,b}", "{a,b}", False),
        ("{}", None, True),
        ("{a}", None, False),
        (None, "{a}", False),
    ],
    (Keep.MEMBERS, "numeric[]"): [("{2,1.0}", "{1,2}", True), ("{2,1.1}", "{1,2}", False)],
    (Keep.MEMBERS, "point[]"): [('{"(1,2)","(0,0)"}', '{"(0,0)","(1,2)"}', True), ('{"(1,2)"}', '{"(0,0)"}', False)],
    (Keep.MEMBERS, "bytea[]"): [(r'{"\\x01","\\x00"}', r'{"\\x00","\\x01"}', True)],
    (Keep.EMPTY, "text"): [("", None, True), ("a", None, False), ("", "b", False), (r"\x", None, False)],
    (Keep.EMPTY, "bytea"): [("", None, True), (r"\x00", None, False)],
}
"""What is there, what the item tells, and whether the former stays."""


def test_what_is_there_stays_where_the_item_would_tell_the_same(database_url: str) -> None:
    wrong: list[tuple[Keep, str, str | None, str | None]] = []
    with open_as_is(database_url) as connection:
        declared = ", ".join(f"c{n} {type}" for n, (_, type) in enumerate(STAYS))
        connection.execute(f"CREATE TABLE public.stays ({declared})".encode())
        (table,) = read_catalog(connection, [TableRef(schema_name="public", table="stays")]).tables
        for column, ((keep, type), cases) in zip(table.columns, STAYS.items(), strict=True):
            for there, told, stays in cases:
                here, text = (sql.SQL("{}::{}").format(sql.Literal(one), sql.SQL(type)) for one in (there, told))
                query = sql.SQL("SELECT ({})::text, ({})::text, ({})::text")
                (row,) = connection.execute(query.format(kept(keep, column.type, here, text), here, text)).fetchall()
                if row[0] != (row[1] if stays else row[2]):
                    wrong.append((keep, type, there, told))
    assert wrong == []


# Whole trees

TREE = """
CREATE TYPE kind AS ENUM ('bill', 'ship', 'it''s "odd"');
CREATE TABLE orders (
    tenant text, id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, note text, total numeric NOT NULL,
    tags text[] NOT NULL DEFAULT '{}', secret text DEFAULT 'kept', PRIMARY KEY (tenant, id)
);
CREATE TABLE lines (
    tenant text, id bigint, n smallint, sku char(4), gone boolean, PRIMARY KEY (tenant, id, n),
    FOREIGN KEY (tenant, id) REFERENCES orders
);
CREATE TABLE notes (note uuid PRIMARY KEY, tenant text NOT NULL, id bigint NOT NULL, n smallint NOT NULL, body jsonb,
    FOREIGN KEY (tenant, id, n) REFERENCES lines);
CREATE TABLE marks (tenant text, id bigint, mark text, PRIMARY KEY (mark, id, tenant));
CREATE TABLE codes (tenant text, id bigint, code numeric(9,3), PRIMARY KEY (tenant, id, code));
CREATE TABLE places (place bytea PRIMARY KEY, tenant text NOT NULL, id bigint NOT NULL, kind kind, city text,
    UNIQUE (tenant, id, kind));
CREATE SCHEMA again;
CREATE TABLE again.orders (LIKE orders INCLUDING ALL); CREATE TABLE again.lines (LIKE lines INCLUDING ALL);
CREATE TABLE again.notes (LIKE notes INCLUDING ALL); CREATE TABLE again.marks (LIKE marks INCLUDING ALL);
CREATE TABLE again.codes (LIKE codes INCLUDING ALL); CREATE TABLE again.places (LIKE places INCLUDING ALL);
"""
TREE_MAPPING = """
migration: tree
target: {tables: {trees: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}}
items:
  order:
    table: trees
    from: orders
    key: {pk: "T#{tenant:esc}#{at:%Y}", sk: "{id:020}#{total}"}
    exclude: [tenant, id, total, secret]
    rename: {note: remark}
    set: {day: "{at:%Y-%m-%d}", low: "{note:lower}", first_city: "{bill.city}"}
    embed:
      lines:
        from: lines
        where: gone IS NULL
        on: {id: id, tenant: tenant}
        as: list
        order_by: [-n]
        exclude: [tenant, id, gone]
        embed:
          notes: {from: notes, on: {tenant: tenant, id: id, n: n}, as: list, include: [note, body]}
      marks: {from: marks, on: {tenant: tenant, id: id}, as: list, value: "[{mark:esc}]"}
      codes: {from: codes, on: {tenant: tenant, id: id}, as: set, value: "{code}"}
      numbers: {from: codes, on: {tenant: tenant, id: id}, as: list, value: "{code}"}
      bill: {from: places, where: "kind = 'bill'", on: {tenant: tenant, id: id}, as: map, include: [place, city]}
      odd:
        from: places
        where: kind = 'it''s "odd"'
        on: {tenant: tenant, id: id}
        as: map
        include: [place, city]
"""
OF_ITEMS = {
    "orders": ("tenant, id, at, note, total, tags", "true"),
    "lines": ("tenant, id, n, sku, gone", "gone IS NULL"),
    "notes": ("note, tenant, id, n, body", "(tenant, id, n) IN (SELECT tenant, id, n FROM lines WHERE gone IS NULL)"),
    "marks": ("tenant, id, mark", "true"),
    "codes": ("tenant, id, code", "true"),
    "places": ("place, tenant, id, kind, city", "kind <> 'ship'"),
}
"""What the items hold of each table: columns, and which rows."""

texts = st.text(st.sampled_from('a#%2[]"\\{},é '), max_size=4)


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, dict[str, str | None]]]:
    """(table, row), parents first."""
    rows: list[tuple[str, dict[str, str | None]]] = []
    for id in range(draw(st.integers(0, 3))):
        order: dict[str, str | None] = {"tenant": draw(texts), "id": str(id)}
        rest = {
            "at": draw(st.datetimes().map(str)),
            "note": draw(st.none() | texts),
            "total": draw(st.decimals(-1000, 1000, places=3).map(str)),
            "tags": "{" + ",".join(f'"{n}"' for n in range(draw(st.integers(0, 2)))) + "}",
        }
        rows.append(("orders", order | rest))
        for n in range(draw(st.integers(0, 3))):
            gone = draw(st.sampled_from([None, None, "true"]))
            rows.append(("lines", order | {"n": str(n), "sku": draw(st.none() | st.just("ab")), "gone": gone}))
            for _ in range(draw(st.integers(0, 2))):
                note = UUID(int=len(rows))
                body = draw(st.sampled_from([None, "null", '{"a":[1.10]}', '"x"']))
                rows.append(("notes", order | {"note": str(note), "n": str(n), "body": body}))
        rows += [("marks", order | {"mark": mark}) for mark in draw(st.lists(texts, max_size=3, unique=True))]
        rows += [("codes", order | {"code": str(code)}) for code in draw(st.sets(st.integers(-3, 3)))]
        for kind in draw(st.sets(st.sampled_from(["bill", "ship", 'it\'s "odd"']))):
            place = bytes([len(rows), draw(st.integers(0, 255))])
            rows.append(
                ("places", order | {"place": rf"\x{place.hex()}", "kind": kind, "city": draw(st.none() | texts)})
            )
    return rows


@pytest.fixture(scope="module")
def tree_server(postgres_server: str) -> Iterator[str]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE inverse_trees")
    url = postgres_server.rpartition("/")[0] + "/inverse_trees"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TREE)
    yield url
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE inverse_trees WITH (FORCE)")


@settings(
    max_examples=HUNT * 5 or 5,
    derandomize=not HUNT,
    deadline=None,
    phases=(Phase.generate,) if not HUNT else (Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(trees())
def test_any_tree(tree_server: str, rows: list[tuple[str, dict[str, str | None]]]) -> None:
    """Items of any rows give back all of those rows that the items hold, by PostgreSQL's own EXCEPT."""
    inverse = inverses_of(tree_server, TREE_MAPPING)["order"]
    assert inverse.problems == ()
    assert inverse.copies == frozenset({("numbers",)})
    with psycopg.connect(tree_server, autocommit=True) as connection:
        for table in reversed(OF_ITEMS):
            connection.execute(f"DELETE FROM {table}; DELETE FROM again.{table}".encode())
        for table, row in rows:
            write(connection, "public", table, row)
        for key, item in items_of(tree_server, TREE_MAPPING)["order"].items():
            assert inverse.source_key(item, None) == key
            for found in inverse.rows(item):
                for texts in found.rows:
                    write(connection, "again", found.table.ref.table, dict(zip(found.columns, texts, strict=True)))
        for table, (columns, where) in OF_ITEMS.items():
            left = f"SELECT {columns} FROM public.{table} WHERE {where}"
            right = f"SELECT {columns} FROM again.{table}"
            query = f"({left} EXCEPT ALL {right}) UNION ALL ({right} EXCEPT ALL {left})"
            assert connection.execute(query.encode()).fetchall() == [], table


def write(connection: psycopg.Connection[TupleRow], schema: str, table: str, row: Mapping[str, str | None]) -> None:
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
            sql.Identifier(schema, table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Literal, row.values())),
        )
    )
