"""What PostgreSQL holds is what a snapshot says, for values nobody thought of."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import closing
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json

from pipelines.mapping.catalog import TableRef
from pipelines.source.live import export_live

pytestmark = [pytest.mark.property, pytest.mark.integration]

TABLE = """
CREATE TABLE t (n int, t text, c char(300), b bytea, i bigint, d numeric, f float8, day date, at timestamptz,
                local timestamp, u uuid, j json, flag boolean)
"""

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
moments = st.datetimes()

rows = st.lists(
    st.tuples(
        st.none() | texts,
        st.none() | texts,
        st.none() | st.binary(max_size=40),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.decimals(allow_nan=False, allow_infinity=False),
        st.none() | st.floats(),
        st.none() | st.dates(),
        st.none() | moments.map(lambda moment: moment.replace(tzinfo=UTC)),
        st.none() | moments,
        st.none() | st.uuids(),
        st.none() | st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=5),
        st.none() | st.booleans(),
    ),
    max_size=8,
)


@pytest.fixture
def table_url(database_url: str) -> str:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(TABLE.encode())
    return database_url


@given(rows)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_snapshot_has_the_values_that_were_written(table_url: str, written: list[tuple[object, ...]]) -> None:
    with closing(psycopg.connect(table_url, autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE t")
        cursor.executemany(
            f"INSERT INTO t VALUES ({', '.join(['%s'] * 13)})",
            [(n, *row[:10], None if row[10] is None else Json(row[10]), row[11]) for n, row in enumerate(written)],
        )
    folder = Path(tempfile.mkdtemp())
    try:
        export = export_live(
            table_url,
            [TableRef(schema_name="public", table="t")],
            lambda catalog: {one: tuple(column.name for column in one.columns) for one in catalog.tables},
            folder,
        )
        found = sorted(pq.read_table(folder / export.tables["public.t"].files[0]).to_pylist(), key=lambda row: row["n"])
    finally:
        shutil.rmtree(folder)
    assert len(found) == len(written)
    for row, (text, padded, binary, integer, number, real, day, at, local, identifier, document, flag) in zip(
        found, written, strict=True
    ):
        assert row["t"] == text
        assert row["c"] == (None if padded is None else str(padded).ljust(300))
        assert (row["b"], row["i"], row["flag"]) == (binary, integer, flag)
        assert row["d"] == number if number is None else Decimal(row["d"]) == number
        assert row["f"] is None if real is None else repr(float(row["f"])) == repr(real)
        assert (row["day"], row["day::raw"]) == (day, None)
        assert (row["at"], row["at::raw"]) == (at, None)
        assert (row["local"], row["local::raw"]) == (local, None)
        assert row["u"] == (None if identifier is None else str(identifier))
        assert row["j"] is None if document is None else json.loads(row["j"]) == document
