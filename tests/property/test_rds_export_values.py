"""Values nobody thought of come out of an export as they come out of the live database."""

from __future__ import annotations

import shutil
import struct
import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import TableRef
from pipelines.source.calendar import instant_of, text_of
from pipelines.source.live import export_live
from pipelines.source.rds_export.live_schema import live_schema
from pipelines.source.rds_export.numbers import floats
from pipelines.source.rds_export.read import read_export
from pipelines.source.taken import Taken
from pipelines.warehouse.place import Place
from tests.chosen_columns import everything
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.write import write_export

pytestmark = [pytest.mark.property, pytest.mark.integration]

TABLE = """
CREATE DOMAIN real_text AS float8;
CREATE TABLE t (id int, n numeric, f8 float8, f4 float4, r real_text, d date, ts timestamp, tz timestamptz, t text,
                c char(40), b bytea, a text[], j jsonb)
"""
COLUMNS = ("n", "f8", "f4", "r", "d", "ts", "tz", "t", "c", "b", "a", "j")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
days = st.builds(
    lambda year, month, day, era: f"{year:04d}-{month:02d}-{day:02d}{era}",
    st.integers(1, 4000) | st.sampled_from([1, 9999, 10000, 294276]),
    st.integers(1, 12),
    st.integers(1, 28),
    st.sampled_from(["", "", " BC"]),
).filter(lambda text: not text.endswith("BC") or int(text.split("-")[0]) < 4713)
clocks = st.times().map(str)


def moment(day: str, clock: str, zone: str) -> str:
    return f"{day.removesuffix(' BC')} {clock}{zone}{' BC' if day.endswith('BC') else ''}"


zones = st.sampled_from(["+00", "+14", "-15:59", "+05:30"])
infinities = st.sampled_from(["infinity", "-infinity"])
rows = st.lists(
    st.tuples(
        st.none() | st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.just("NaN"),
        st.none() | st.floats().map(repr),
        st.none() | st.floats(width=32).map(repr),
        st.none() | st.floats().map(repr),
        st.none() | days | infinities,
        st.none() | st.builds(moment, days, clocks, st.just("")) | infinities,
        st.none() | st.builds(moment, days, clocks, zones) | infinities,
        st.none() | texts,
        st.none() | texts,
        st.none() | st.binary(max_size=20),
        st.none() | st.lists(st.none() | texts, max_size=3),
        st.none() | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    ),
    max_size=6,
)


@pytest.fixture
def table_url(database_url: str) -> str:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(TABLE.encode())
    return database_url


def content(export: Taken, folder: Path) -> list[dict[str, object]]:
    found = [row for file in export.tables["public.t"].files for row in pq.read_table(folder / file).to_pylist()]
    return sorted(found, key=lambda row: row["id"])


@given(rows, st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]), st.integers(0, 3), st.integers(1, 2))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_export_has_what_a_live_snapshot_has(
    table_url: str, written: list[tuple[object, ...]], zone: str, batches: int, parts: int
) -> None:
    with closing(psycopg.connect(table_url, autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE t")
        marks = ", ".join("%s" if name in ("b", "a") else f"%s::text::{kind(name)}" for name in COLUMNS)
        statement = f"INSERT INTO t (id, {', '.join(COLUMNS)}) VALUES (%s, {marks})"
        cursor.executemany(statement.encode(), [(number, *row) for number, row in enumerate(written)])
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "live").mkdir()
        refs = [TableRef(schema_name="public", table="t")]
        live = export_live(table_url, refs, everything, folder / "live")
        options = ExportOptions(time_zone=zone, batches=batches, parts_per_batch=parts)
        location = Place.of(write_export(table_url, folder, options).folder)
        found, _ = read_export(location, live_schema(table_url, refs, everything), folder / "found")
        assert content(found, folder / "found") == content(live, folder / "live")
    finally:
        shutil.rmtree(folder)


def kind(column: str) -> str:
    kinds = {"n": "numeric", "f8": "float8", "f4": "float4", "r": "float8", "d": "date", "ts": "timestamp"}
    return {**kinds, "tz": "timestamptz", "t": "text", "c": "char(40)", "j": "jsonb"}[column]


MIDDLES = [6.21629211700823e16, 9007199254740993e3, 2.0**53, 2.0**63, 2.0**77, 1.7976931348623157e308, 1e23, 33554432.0]
MIDDLES_OF_FLOAT4 = [47853310.0, 16777217e3, 33554430.0, -47853310.0]


bit_patterns = st.integers(0, 2**64 - 1).map(lambda bits: float(struct.unpack("d", struct.pack("Q", bits))[0]))
whole = st.integers(2**20, 2**80).map(float)


@given(st.lists(bit_patterns | whole, max_size=100))
@example(MIDDLES)
@example(MIDDLES_OF_FLOAT4)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_floats_are_printed_as_postgresql_prints_them(table_url: str, values: list[float]) -> None:
    for kind, name, arrow in ((Kind.FLOAT8, "float8", pa.float64()), (Kind.FLOAT4, "float4", pa.float32())):
        array = pa.array(values, pa.float64()).cast(arrow, safe=False)
        with closing(psycopg.connect(table_url)) as connection:
            query = f"SELECT v::text FROM unnest(%s::{name}[]) WITH ORDINALITY AS u(v, n) ORDER BY n"
            printed = connection.execute(query.encode(), ([repr(one) for one in array.to_pylist()],)).fetchall()
        found = floats(array, SourceType(name=name, kind=kind))
        assert found.to_pylist() == [text for (text,) in printed]


@given(st.integers(-300_000 * 366 * 86_400 * 10**6, 300_000 * 366 * 86_400 * 10**6))
def test_a_time_of_any_year_is_read_as_it_is_printed(instant: int) -> None:
    assert instant_of(text_of(instant, Kind.TIMESTAMP), Kind.TIMESTAMP) == instant
    assert instant_of(text_of(instant, Kind.TIMESTAMPTZ), Kind.TIMESTAMPTZ) == instant


@given(st.datetimes(), st.sampled_from(["Asia/Kolkata", "America/St_Johns", "Europe/Berlin", "UTC"]))
def test_a_time_of_any_zone_is_the_instant_that_python_makes_of_it(local: datetime, zone: str) -> None:
    there = local.replace(tzinfo=ZoneInfo(zone))
    expected = local - datetime(1970, 1, 1) - (there.utcoffset() or timedelta())  # in this order: no year below 1
    assert instant_of(there.isoformat(sep=" "), Kind.TIMESTAMPTZ) == expected // timedelta(microseconds=1)
