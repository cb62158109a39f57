"""The trigger's text of a source key is the one that online and bulk give, for every type, in any session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from pyspark.sql import SparkSession

from pipelines.denormalise import make_records
from pipelines.mapping.online import source_key_of
from pipelines.mapping.plan import ItemPlan
from pipelines.mapping.source_row import SourceRow
from pipelines.snapshot import take_snapshot
from pipelines.source.connect import connect
from pipelines.source.select import physical_names, select_list
from pipelines.warehouse.dataset import RECORDS, read_bucket
from tests.captured_shop import Captured, captured, database
from tests.rejects import read_rejects

pytestmark = pytest.mark.property

TEXTS = [
    "",
    "plain",
    'q"\\uote',
    "a\tb\nc\rd\be\ff",
    "".join(map(chr, range(1, 32))),
    "\x7f\x80\x9f",
    "Zoë 漢😀",
    "\\u000B",
]
NUMBERS = ["0", "1.50", "-0.00", "100", "1e20", "1e-130", "9.99e125", "1e126", "1e-131", "NaN", "Infinity", "-Infinity",
           "1" * 38, "1" * 39, "123456789012345678901234567890.12345678", "-0.000001"]  # fmt: skip
TIMES = ["2026-11-24 08:55:13.123456", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "0044-03-15 01:02:03 BC",
         "10000-01-01 00:00:00", "infinity", "-infinity", "1969-12-31 23:59:59.9"]  # fmt: skip

VALUES: dict[str, Sequence[str]] = {
    "smallint": ["-32768", "0"],
    "bigint": ["9223372036854775807", "-1"],
    "oid": ["4294967295"],
    "numeric": NUMBERS,
    "numeric(12,4)": ["9.9900", "-5", "NaN"],
    "real": ["0.1", "16777216", "1e10", "-0", "NaN", "1e-40", "3.4e38"],
    "double precision": ["0.1", "1e20", "-1.5e-7", "-0", "0.30000000000000004", "Infinity", "1e200", "123456.789"],
    "boolean": ["true", "false"],
    "text": TEXTS,
    "varchar(60)": TEXTS,
    "char(9)": ["a", "a b", 'q"', "漢"],
    "name": ["a", 'q"'],
    '"char"': ["a", '"'],
    "uuid": ["FFFFFFFF-0000-4000-8000-000000000001"],
    "mood": ["sad", 'Happy "day"', "b\\s"],
    "code": TEXTS,
    "date": ["2026-11-24", "0001-01-01", "9999-12-31", "0044-03-15 BC", "10000-01-01", "infinity"],
    "timestamp": TIMES,
    "timestamptz": [f"{time}+00" if time[0].isdigit() and "BC" not in time else time for time in TIMES],
    "jsonb": ['{"b": [1.10, null], "a": "é\\u0001"}', "[]", '"text"'],
    "text[]": ['{a,"b c",NULL}', "{}"],
    "interval": ["1 mon", "1 day 02:03:04", "-3 years"],
    "inet": ["10.0.0.1", "::1/64"],
    "pair": ["(1,)", '(2,"x y")'],
    "int4range": ["[1,5)", "empty"],
}
TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'Happy "day"', E'b\\\\s');
CREATE DOMAIN code AS text;
CREATE TYPE pair AS (a int, b text);
"""
SCHEMA = TYPES + "".join(
    f"CREATE TABLE t{n} (n int, v {type}, w text, PRIMARY KEY (v, w));" for n, type in enumerate(VALUES)
)
MAPPING = "migration: small\ntarget: {tables: {all: {partition_key: {name: pk, type: S}}}}\nitems:\n" + "".join(
    f'  i{n}: {{table: all, from: t{n}, key: {{pk: "{n}#{{n}}"}}, include: [w]}}\n' for n in range(len(VALUES))
)
SESSIONS = [
    {},
    {"TimeZone": "Asia/Kathmandu", "DateStyle": "German, DMY", "IntervalStyle": "iso_8601", "extra_float_digits": "-15",
     "bytea_output": "escape", "standard_conforming_strings": "off", "search_path": "pg_temp"},
]  # fmt: skip


@pytest.fixture(scope="module")
def everything(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    with database(postgres_server, "capture_keys") as url:
        yield captured(url, tmp_path_factory.mktemp("keys"), SCHEMA, MAPPING)


def insert(shop: Captured, rows: Mapping[int, Sequence[str]], settings: dict[str, str]) -> None:
    with shop.session() as connection, connection.transaction():
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        for number, values in rows.items():
            connection.execute(sql.SQL("DELETE FROM public.{}").format(sql.Identifier(f"t{number}")))
            for n, value in enumerate(values):
                query = sql.SQL("INSERT INTO public.{} SELECT %s, %s, %s ON CONFLICT DO NOTHING")
                connection.execute(query.format(sql.Identifier(f"t{number}")), (n, value, "w"))
        connection.execute("DELETE FROM crossover.log WHERE old IS NOT NULL")


def online_keys(shop: Captured, item: ItemPlan) -> set[str]:
    table = item.root.table
    with connect(shop.url) as connection:
        query = sql.SQL("SELECT {} FROM {}").format(
            select_list(table, item.root.columns), sql.Identifier(table.ref.schema_name, table.ref.table)
        )
        names = physical_names(table, item.root.columns)
        rows = [SourceRow(dict(zip(names, row, strict=True))) for row in connection.execute(query)]
    return {key for row in rows if (key := source_key_of(item, row)) is not None}


def logged(shop: Captured) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {f"i{n}": set() for n in range(len(VALUES))}
    for item_type, source_key in shop.ask("SELECT item_type, source_key FROM crossover.log"):
        found[item_type].add(source_key)
    return found


@pytest.mark.parametrize("session", SESSIONS, ids=["plain", "odd"])
def test_the_triggers_text_is_that_of_online_reads(everything: Captured, session: dict[str, str]) -> None:
    everything.forget()
    insert(everything, dict(enumerate(VALUES.values())), session)
    found = logged(everything)
    plan = everything.plan()
    assert {item.name: online_keys(everything, item) for item in plan.items} == found
    assert sum(map(len, found.values())) > 80


def test_the_triggers_text_is_that_of_bulk(database_url: str, tmp_path: Path, spark: SparkSession) -> None:
    """All types in one key, so that Spark has one plan to make; in each row one of them has another value."""
    columns = ", ".join(f"c{n} {type}" for n, type in enumerate(VALUES))
    names = ", ".join(f"c{n}" for n in range(len(VALUES)))
    shop = captured(
        database_url,
        tmp_path,
        TYPES + f"CREATE TABLE wide (n int UNIQUE, {columns}, PRIMARY KEY ({names}))",
        "migration: small\ntarget: {tables: {all: {partition_key: {name: pk, type: S}}}}\n"
        'items: {wide: {table: all, from: wide, key: {pk: "{n}"}, include: [n]}}\n',
    )
    usual = [values[0] for values in VALUES.values()]
    rows = [[*usual[:n], value, *usual[n + 1 :]] for n, values in enumerate(VALUES.values()) for value in values]
    with shop.session() as connection, connection.transaction():
        for name, value in SESSIONS[1].items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        places = sql.SQL(", ").join([sql.Placeholder()] * (len(usual) + 1))
        query = sql.SQL("INSERT INTO public.wide VALUES ({}) ON CONFLICT DO NOTHING").format(places)
        connection.cursor().executemany(query, [(n, *row) for n, row in enumerate(rows)])
    migration = shop.migration
    snapshot = take_snapshot(migration, shop.url)
    make_records(migration, spark, snapshot.id, 1)
    dataset = migration.folder.records(snapshot.id)
    records = read_bucket(dataset / RECORDS, 0, ["source_key"]).to_pylist()
    bulk = {row["source_key"] for row in [*records, *read_rejects(dataset).to_pylist()]} - {None}
    assert bulk == {key for (key,) in shop.ask("SELECT source_key FROM crossover.log")}
    assert len(bulk) > 60


characters = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
floats = st.floats(width=64).map(repr)
GENERATED: dict[str, st.SearchStrategy[str]] = {
    "text": characters,
    "code": characters,
    "numeric": st.one_of(
        st.integers(-(10**40), 10**40).map(str), st.decimals(-(10**9), 10**9, places=6, allow_nan=False).map(str)
    ),
    "double precision": floats,
    "timestamptz": st.datetimes().map(lambda at: f"{at.isoformat()}+05:30"),
    "timestamp": st.datetimes().map(lambda at: at.isoformat()),
    "interval": st.timedeltas().map(lambda span: f"{span.days} days {span.seconds} seconds"),
}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), session=st.sampled_from(SESSIONS))
def test_any_value(everything: Captured, data: st.DataObject, session: dict[str, str]) -> None:
    everything.forget()
    numbered = list(VALUES)
    rows = {
        numbered.index(type): data.draw(st.lists(values, min_size=5, max_size=12)) for type, values in GENERATED.items()
    }
    insert(everything, rows, session)
    found = logged(everything)
    plan = everything.plan()
    for number in rows:
        item = plan.item(f"i{number}")
        assert online_keys(everything, item) == found[item.name]
