"""What an export loses of a type, which is what docs/rds-export.md says, and told; and all else that is not lost."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.errors import SourceError
from pipelines.mapping.catalog import Catalog, Table
from pipelines.source.live import export_live
from tests.chosen_columns import everything, ref
from tests.exported_tables import content, from_export
from tests.oracle.typed_rows import open_as_is
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.write import write_export
from tests.rds_export_page import ALWAYS, ELSEWHERE, OTHER_INTERVALS, TIMES_INSIDE, losses
from tests.scripted_source import run
from tests.type_samples import Sample, samples
from tests.typed_table import Literal, TypedColumn, create_table, create_types, literal, text_of, without_refused

pytestmark = pytest.mark.integration

WITH_INSTANTS = {"pair", "couple", "pair[]", "couple[]"}
"""The composite types that have a timestamptz inside."""

SESSIONS: tuple[tuple[ExportOptions, frozenset[str]], ...] = (
    (ExportOptions("utc"), losses(ALWAYS)),
    (
        ExportOptions("india", time_zone="Asia/Kolkata"),
        losses(ALWAYS) | losses(ELSEWHERE) | (losses(TIMES_INSIDE) & WITH_INSTANTS),
    ),
    (ExportOptions("iso", settings={"IntervalStyle": "iso_8601"}), losses(ALWAYS) | losses(OTHER_INTERVALS)),
    (ExportOptions("empty", settings={"search_path": ""}), losses(ALWAYS)),
)


def test_the_losses_are_those_of_the_page_and_no_others(database_url: str, tmp_path: Path) -> None:
    """Of every type there is, with its hardest values: as in a live snapshot, or lost as the page says."""
    columns = {f"c{number:03}": sample for number, sample in enumerate(samples().values())}
    create_types(database_url)
    fill_typed(database_url, columns)
    (tmp_path / "live").mkdir()
    live = content(export_live(database_url, [ref("typed")], everything, tmp_path / "live"), tmp_path / "live", "typed")
    for session, expected in SESSIONS:
        location = write_export(database_url, tmp_path, session).folder
        found, refused = without_refused(partial(typed_content, database_url, location, tmp_path / "found"))
        assert {columns[name].type for name in refused} == expected & {sample.type for sample in columns.values()}
        assert found.equals(live.select(found.column_names))


def fill_typed(url: str, columns: Mapping[str, Sample]) -> None:
    """Row k has the k-th value of each column that the server takes, and NULL where there is none."""
    rows: list[dict[str, Literal]] = []
    with open_as_is(url) as connection:
        connection.execute("SET search_path = public")
        for name, sample in columns.items():
            taken = [value for value in sample.hard if text_of(connection, sample.type, value) is not None]
            rows += [{} for _ in taken[len(rows) :]]
            for row, value in zip(rows, taken, strict=False):
                row[name] = literal(value)
        typed = [TypedColumn(name, sample, "", True) for name, sample in columns.items()]
        create_table(connection, "typed", typed, rows)


def typed_content(url: str, location: Path, folder: Path, left_out: Sequence[str]) -> pa.Table:
    def wanted(catalog: Catalog) -> dict[Table, tuple[str, ...]]:
        (table,) = catalog.tables
        return {table: tuple(column.name for column in table.columns if column.name not in left_out)}

    export = from_export(url, location, folder, ref("typed"), columns_of=wanted)
    return content(export, folder, "typed")


def one_value(url: str, folder: Path, type: str, value: str, session: ExportOptions) -> list[object]:
    """What a column of this type and value is like in an export by the session."""
    run(url, f"CREATE TABLE one (id int, value {type}); INSERT INTO one VALUES (1, $v${value}$v$)")
    location = write_export(url, folder, session).folder
    found: list[object] = content(from_export(url, location, folder / "found", ref("one")), folder / "found", "one")[
        "value"
    ].to_pylist()
    return found


OWN_TYPES = """
CREATE DOMAIN stamps AS timestamptz[]; CREATE DOMAIN spans AS interval[]; CREATE DOMAIN cash AS money[];
CREATE TYPE note AS (id int, text text); CREATE TYPE during AS RANGE (subtype = timetz)
"""
INDIA = ExportOptions(time_zone="Asia/Kolkata")
SQL_STANDARD = ExportOptions(settings={"IntervalStyle": "sql_standard"})


@pytest.mark.parametrize(
    ("type", "value", "session", "told"),
    [
        ("stamps[]", '{"{\\"2024-01-01 00:00:00+00\\"}"}', INDIA, "'value': its texts are in another time zone"),
        ("timestamptz[]", "{1800-01-01}", ExportOptions(time_zone="Europe/London"), "in another time zone than UTC"),
        ("note", "(1,at 12:00:00+05:30)", ExportOptions(), "in another time zone than UTC"),
        ("spans[]", '{"{\\"1 day\\"}"}', SQL_STANDARD, "'value': its intervals are in another style than postgres"),
        ("interval", "1 day 2 hours", SQL_STANDARD, "in another style than postgres"),
        ("interval[]", "{00:00:00}", SQL_STANDARD, "in another style than postgres"),
        ("cash[]", '{"{$1.00}"}', ExportOptions(), "'value' is of type .*, whose text depends on the .* currency"),
        ("regtype[]", "{integer}", ExportOptions(), "whose text depends on the exporting session's search path"),
    ],
)
def test_what_depends_on_the_exporting_session_is_refused(
    database_url: str, tmp_path: Path, type: str, value: str, session: ExportOptions, told: str
) -> None:
    run(database_url, OWN_TYPES)
    with pytest.raises(SourceError, match=rf"^public\.one: column .*{told}.*; exclude it") as caught:
        one_value(database_url, tmp_path, type, value, session)
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("type", "value", "session"),
    [
        ("stamps[]", '{"{\\"2024-01-01 00:00:00+00\\",NULL}"}', ExportOptions()),
        ("timestamptz[]", '{"2024-01-01 00:00:00+00"}', ExportOptions(time_zone="Europe/London")),
        ("note", '(1,"at 12:00:00+00")', INDIA),
        ("spans[]", '{"[0:1]={\\"1 day 02:00:00\\",NULL}",NULL}', INDIA),
        ("interval[]", '[2:3]={"-1 years -1 mons +3 days -04:05:06.7",infinity}', INDIA),
        ("oid[]", "{7,NULL}", INDIA),
        ("regrole[]", "{pg_monitor}", INDIA),
        ("int2vector", "1 2", INDIA),
    ],
)
def test_what_does_not_depend_on_it_is_as_it_was(
    database_url: str, tmp_path: Path, type: str, value: str, session: ExportOptions
) -> None:
    run(database_url, OWN_TYPES)
    assert one_value(database_url, tmp_path, type, value, session) == [value]


def test_a_database_that_checks_no_encoding(postgres_server: str, tmp_path: Path) -> None:
    """Its texts are bytes. Those that are UTF-8 come as in a live snapshot; one that is not is told."""
    database = f"unchecked_{secrets.token_hex(6)}"
    run(postgres_server, f"CREATE DATABASE {database} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    url = f"{postgres_server.rpartition('/')[0]}/{database}"
    try:
        run(url, "CREATE TABLE one (id int, t text, c char(4), j json, a text[], d date)")
        run(url, "INSERT INTO one VALUES (1, 'é😀', 'é', '{\"a\": \"é\"}', '{é,NULL}', 'infinity')")
        run(url, "INSERT INTO one (id) VALUES (2)")
        (tmp_path / "live").mkdir()
        live = export_live(url, [ref("one")], everything, tmp_path / "live")
        found = from_export(url, write_export(url, tmp_path).folder, tmp_path / "found", ref("one"))
        rows = content(live, tmp_path / "live", "one").to_pylist()
        assert content(found, tmp_path / "found", "one").to_pylist() == rows
        run(url, "UPDATE one SET t = pg_catalog.convert_from('\\xff', 'SQL_ASCII') WHERE id = 2")
        location = write_export(url, tmp_path, ExportOptions("later")).folder
        with pytest.raises(
            SourceError, match=r"^public\.one: column 't': a text in the export is no UTF-8; exclude it"
        ):
            from_export(url, location, tmp_path / "not-found", ref("one"))
    finally:
        run(postgres_server, f"DROP DATABASE {database} WITH (FORCE)")
