"""Every type of docs/types.md with its hardest values: bulk, online and oracle make the same item or reject of it, and
so does an RDS export, but for the losses of docs/rds-export.md."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.rows import TupleRow
from pyspark.sql import SparkSession

from pipelines.warehouse.place import Place
from tests.oracle.typed_rows import open_as_is
from tests.oracle.typed_values import Refused, attribute
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.write import write_export
from tests.rds_export_page import losses_of
from tests.type_samples import samples
from tests.typed_table import (
    TypedColumn,
    columns_for,
    compare,
    compare_export,
    create_table,
    create_types,
    literal,
    text_of,
)
from tests.types_page import answers

pytestmark = [pytest.mark.property, pytest.mark.integration]

HUNT = "CROSSOVER_TYPE_HUNT"
"""How many tables a longer search makes, at random; 0 searches a few, always the same."""
TABLES = int(os.environ.get(HUNT, "0"))
LONG = 2000
"""Characters of a text; longer ones get rows of their own, for rows must stay under 400 KB."""

SAMPLES = samples()
ANSWERS = answers()


@pytest.fixture
def typed_url(database_url: str) -> str:
    create_types(database_url)
    return database_url


def refused(column: TypedColumn, text: bytes) -> str | None:
    try:
        attribute(column.sample.family, column.encoding, text)
    except Refused as reason:
        return str(reason)
    return None


def rows_of(
    connection: psycopg.Connection[TupleRow], columns: list[TypedColumn]
) -> Iterator[dict[str, sql.Composable]]:
    """Values that are no problem side by side; each that is one, and each that is long, in a row of its own."""
    connection.execute("SET search_path = public")
    queues: dict[str, list[sql.Composable]] = {column.name: [] for column in columns}
    for column in columns:
        for value in column.sample.hard:
            text = text_of(connection, column.sample.type, value)
            if text is None:
                continue
            if len(text) > LONG or refused(column, text):
                yield {column.name: literal(value)}
            else:
                queues[column.name].append(literal(value))
    for n in range(max(map(len, queues.values()))):
        yield {name: queue[n % len(queue)] for name, queue in queues.items() if queue}


def test_every_type_in_every_form(typed_url: str, tmp_path: Path, spark: SparkSession) -> None:
    columns = columns_for(SAMPLES.values(), ANSWERS)
    tables = {f"typed{n}": columns[n::4] for n in range(4)}
    with open_as_is(typed_url) as connection:
        for table, some in tables.items():
            create_table(connection, table, some, list(rows_of(connection, some)))
    agreed = compare(typed_url, tables, tmp_path, spark)
    assert sum(found.item is not None for found in agreed) > 100
    assert {found.reason for found in agreed if found.reason} == REASONS


REASONS = {
    "number_out_of_range",
    "not_a_number",
    "unrepresentable_date",
    "set_null_or_duplicate",
    "nested_too_deep",
    "attribute_name",
    "invalid_json",
    "invalid_text",
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[TypedColumn], list[dict[str, str]]]:
    """Columns of any types, and rows of any values of theirs."""
    every = columns_for(SAMPLES.values(), ANSWERS)
    columns = draw(st.lists(st.sampled_from(every), min_size=1, max_size=30, unique_by=lambda column: column.name))
    rows = draw(st.lists(st.fixed_dictionaries({}, optional=values_of(columns)), min_size=1, max_size=30))
    return columns, rows


def values_of(columns: list[TypedColumn]) -> dict[str, st.SearchStrategy[str]]:
    return {column.name: column.sample.literals for column in columns}


sessions = st.builds(
    ExportOptions,
    batches=st.integers(0, 3),
    parts_per_batch=st.integers(1, 2),
    time_zone=st.sampled_from(["UTC", "Asia/Kolkata", "Europe/London", "America/St_Johns"]),
    settings=st.fixed_dictionaries({}, optional={"IntervalStyle": st.just("sql_standard")}),
)


@settings(
    max_examples=TABLES or 2,
    derandomize=not TABLES,
    deadline=None,
    phases=(Phase.generate,) if not TABLES else (Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(tables(), sessions)
def test_any_table(
    typed_url: str, spark: SparkSession, drawn: tuple[list[TypedColumn], list[dict[str, str]]], session: ExportOptions
) -> None:
    """By way of a live snapshot, online, and by way of an RDS export, but for what docs/rds-export.md says is lost."""
    columns, rows = drawn
    folder = Path(tempfile.mkdtemp())
    try:
        with open_as_is(typed_url) as connection:
            connection.execute("SET search_path = public; DROP TABLE IF EXISTS public.typed")
            create_table(connection, "typed", columns, [readable(connection, columns, row) for row in rows])
        compare(typed_url, {"typed": columns}, folder, spark)
        export = Place.of(write_export(typed_url, folder, session).folder)
        lost = compare_export(typed_url, "typed", columns, export, folder / "exported", spark)
        assert {column.sample.type for column in lost} <= losses_of(session)
    finally:
        shutil.rmtree(folder)


def readable(
    connection: psycopg.Connection[TupleRow], columns: list[TypedColumn], row: dict[str, str]
) -> dict[str, sql.Composable]:
    """Without what the server does not take, and what is too long to stand beside others."""
    types = {column.name: column.sample.type for column in columns}
    return {
        name: literal(value)
        for name, value in row.items()
        if (text := text_of(connection, types[name], value)) is not None and len(text) <= LONG
    }
