"""What an export's columns become, form by form: exact, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import SourceError
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.catalog import Column, Relation, Table, TableRef
from pipelines.source.rds_export.cast_error import CastError
from pipelines.source.rds_export.column import physical_columns
from pipelines.source.rds_export.convert import Part, convert
from pipelines.source.rds_export.times import Exported
from pipelines.warehouse.place import Place

pytestmark = pytest.mark.unit

KINDS = {
    "integer": (Kind.INTEGER, pa.int64()),
    "numeric": (Kind.NUMERIC, pa.string()),
    "money": (Kind.NUMERIC, pa.string()),
    "real": (Kind.FLOAT4, pa.string()),
    "double precision": (Kind.FLOAT8, pa.string()),
    "boolean": (Kind.BOOLEAN, pa.bool_()),
    "bytea": (Kind.BYTES, pa.binary()),
    "uuid": (Kind.UUID, pa.string()),
    "character(4)": (Kind.CHAR, pa.string()),
    "bpchar": (Kind.CHAR, pa.string()),
    "text": (Kind.TEXT, pa.string()),
    "interval": (Kind.OTHER, pa.string()),
    "date": (Kind.DATE, pa.date32()),
    "timestamp without time zone": (Kind.TIMESTAMP, pa.timestamp("us")),
    "timestamp with time zone": (Kind.TIMESTAMPTZ, pa.timestamp("us", "UTC")),
}


def cast(type: str, exported: pa.Array, *, int96: bool = False) -> list[list[object]]:
    kind, wanted = KINDS[type]
    columns = physical_columns(Exported(exported, int96), SourceType(name=type, kind=kind), [wanted])
    return [column.to_pylist() for column in columns]


def test_null_is_null_in_every_form() -> None:
    for type, (kind, _) in KINDS.items():
        for stored in (pa.string(), pa.large_string()):
            if stored == pa.string() or kind in (Kind.UUID, Kind.CHAR, Kind.TEXT, Kind.OTHER):
                assert all(column == [None] for column in cast(type, pa.array([None], stored))), type


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        ("money", "$1,234,567.89", "1234567.89"),
        ("money", "-$0.05", "-0.05"),
        ("money", "($12.30)", "-12.30"),
        ("money", "€7", "7"),
        ("money", "1.00 kr", None),
        ("money", "$1.234,56", None),
        ("money", "$1,23", None),
        ("money", "$1.234", None),
        ("money", "1 234.56", None),
        ("money", "$", None),
        ("numeric", "1E-7", "0.0000001"),
        ("numeric", "0E-10", "0.0000000000"),
        ("numeric", "1.5e+3", "1500"),
        ("numeric", "1,5", None),
        ("numeric", "0x1F", None),
        ("numeric", "", None),
        ("integer", "-7", -7),
        ("integer", " 7", None),
        ("integer", "7.0", None),
        ("integer", "9223372036854775808", None),
        ("boolean", "t", True),
        ("boolean", "false", False),
        ("boolean", "nein", None),
        ("bytea", r"\x00FF", b"\x00\xff"),
        ("bytea", r"\000", None),
        ("bytea", "plain", None),
        ("uuid", "0B7F0F0E-0000-4000-8000-00000000000A", "0b7f0f0e-0000-4000-8000-00000000000a"),
        ("uuid", "{0b7f0f0e-0000-4000-8000-00000000000a}", None),
        ("real", "1E10", "1e+10"),
        ("double precision", "1e3", "1000"),
        ("double precision", "one", None),
        ("double precision", "0x1p3", None),
        ("character(4)", "ab", "ab  "),
        ("character(4)", "é", "é   "),
        ("character(4)", "abcd", "abcd"),
        ("bpchar", "ab", "ab"),
        ("interval", "1 year 2 mons -3 days +04:05:06.7", "1 year 2 mons -3 days +04:05:06.7"),
        ("interval", "-infinity", "-infinity"),
        ("interval", "P1Y", None),
        ("interval", "1-2", None),
        ("interval", "@ 1 day", None),
        ("interval", "1 2:03:04", None),
    ],
)
def test_a_text_is_the_value_or_refused(type: str, text: str, expected: object) -> None:
    if expected is None:
        with pytest.raises(CastError) as caught:
            cast(type, pa.array([text]))
        assert text == "" or text not in str(caught.value)
    else:
        assert cast(type, pa.array([None, text])) == [[None, expected]]


@pytest.mark.parametrize(
    ("type", "text", "value", "raw"),
    [
        ("timestamp with time zone", "1800-01-01 00:00:00-00:01:15", datetime(1800, 1, 1, 0, 1, 15, tzinfo=UTC), None),
        ("timestamp with time zone", "2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC), None),
        ("timestamp with time zone", "2024-01-01 00:00:00.1+0530", datetime(2023, 12, 31, 18, 30, 0, 10**5, UTC), None),
        ("timestamp with time zone", "0001-01-01 00:10:00+01", None, "0001-12-31 23:10:00+00 BC"),
        ("timestamp with time zone", "9999-12-31 23:59:59-01", None, "10000-01-01 00:59:59+00"),
        ("timestamp with time zone", "-infinity", None, "-infinity"),
        ("timestamp without time zone", "2024-01-01 23:59:59.5", datetime(2024, 1, 1, 23, 59, 59, 500_000), None),
        ("timestamp without time zone", "0044-03-15 00:00:00 BC", None, "0044-03-15 00:00:00 BC"),
        ("date", "0001-12-31 BC", None, "0001-12-31 BC"),
    ],
)  # fmt: skip
def test_a_time_is_an_instant_or_kept_as_text(type: str, text: str, value: object, raw: str | None) -> None:
    assert cast(type, pa.array([text, None])) == [[value, None], [raw, None]]


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("timestamp without time zone", "2024-01-01 24:00:00"),
        ("timestamp without time zone", "2024-01-01 23:60:00"),
        ("timestamp without time zone", "10000-01-01 23:59:60"),
        ("timestamp without time zone", "10000-01-01 24:00:00"),
        ("timestamp without time zone", "10000-01-01 23:60:00"),
        ("timestamp without time zone", "2024-01-01 00:00:00.1234567"),
        ("timestamp without time zone", "2024-01-01 00:00:00+00"),
        ("timestamp without time zone", "10000-01-01"),
        ("timestamp with time zone", "2024-01-01 00:00:00"),
        ("timestamp with time zone", "10000-01-01 00:00:00"),
        ("date", "2024-02-30"),
        ("date", "0000-01-01"),
        ("date", "10000-02-30"),
        ("date", "24.12.2024"),
        ("date", "2024-01-01 00:00:00"),
    ],
)
def test_what_is_no_time_of_the_type_is_refused(type: str, text: str) -> None:
    with pytest.raises(CastError) as caught:
        cast(type, pa.array([text]))
    assert text not in str(caught.value)


NANOSECOND = 1_704_067_200_000_000_001


@pytest.mark.parametrize(
    ("type", "exported", "expected"),
    [
        ("timestamp without time zone", pa.array([NANOSECOND - 1], pa.timestamp("ns")), datetime(2024, 1, 1)),
        ("timestamp without time zone", pa.array([NANOSECOND], pa.timestamp("ns")), None),
        ("timestamp with time zone", pa.array([NANOSECOND], pa.timestamp("ns", "UTC")), None),
        ("timestamp without time zone", pa.array([2**62], pa.timestamp("ms")), None),
        ("timestamp without time zone", pa.array([0], pa.timestamp("us", "UTC")), None),
        ("timestamp with time zone", pa.array([0], pa.timestamp("us")), None),
        ("timestamp without time zone", pa.array([0], pa.date32()), None),
        ("integer", pa.array([2**63], pa.uint64()), None),
        ("integer", pa.array(["7"]).cast(pa.decimal128(20, 0)), 7),
        ("integer", pa.array(["7"]).cast(pa.decimal128(20, 1)), None),
        ("real", pa.array([0.5, float("nan")]), "0.5"),
        ("real", pa.array([0.1]), None),
        ("double precision", pa.array([0.1], pa.float32()), None),
        ("text", pa.array([b"\xff"]), None),
        ("text", pa.array([b"\xff"]).view(pa.string()), None),
        ("text", pa.array(["é"], pa.string_view()), "é"),
        ("text", pa.array([b"\xc3\xa9"]), "é"),
        ("text", pa.array(["1"]).cast(pa.int64()), None),
        ("text", pa.array(["{}"], pa.json_()), "{}"),
    ],
)
def test_a_column_that_is_no_text_is_exact_or_refused(type: str, exported: pa.Array, expected: object) -> None:
    if expected is None:
        with pytest.raises(CastError):
            cast(type, exported)
    else:
        assert cast(type, exported)[0][0] == expected


def test_int96_is_an_instant_and_no_clock_on_a_wall() -> None:
    exported = pa.array([0], pa.timestamp("us"))
    assert cast("timestamp with time zone", exported, int96=True)[0] == [datetime(1970, 1, 1, tzinfo=UTC)]
    with pytest.raises(CastError, match=r"the export has it as timestamp"):
        cast("timestamp without time zone", exported, int96=True)


@pytest.mark.parametrize("days", [-719_163, 2_932_897])
def test_a_typed_date_outside_of_dynamodbs_years_is_kept_as_text(days: int) -> None:
    ((value,), (raw,)) = cast("date", pa.array([days], pa.int32()).cast(pa.date32()))
    assert (value, raw) == (None, "0001-12-31 BC" if days < 0 else "10000-01-01")


def test_one_column_in_int96_says_nothing_of_another(tmp_path: Path) -> None:
    """And a file that has a column twice has it not at all."""
    stamp = SourceType(name="timestamp without time zone", kind=Kind.TIMESTAMP)
    columns = (
        Column(name="at", type=SourceType(name="timestamp with time zone", kind=Kind.TIMESTAMPTZ), nullable=True),
        Column(name="n", type=SourceType(name="integer", kind=Kind.INTEGER), nullable=True),
        Column(name="clock", type=stamp, nullable=True),
    )
    table = Table(
        ref=TableRef(schema_name="public", table="t"), relation=Relation.TABLE, columns=columns, primary_key=()
    )  # fmt: skip
    at = pa.array([0], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"at": at, "n": [1]}), tmp_path / "one", use_deprecated_int96_timestamps=True)
    pq.write_table(pa.Table.from_arrays([at, at, pa.array([1])], ["at", "at", "n"]), tmp_path / "twice")
    origin, destination = Place.of(tmp_path / "one"), Place.of(tmp_path / "found")
    assert convert(Part(table, ("at", "n"), origin, destination), lambda _: None) == 1
    for names, missing in ((("at", "n", "clock"), origin), (("at", "n"), Place.of(tmp_path / "twice"))):
        with pytest.raises(SourceError, match=r"^public\.t: column '(clock|at)' is not in the export: it is younger"):
            convert(Part(table, names, missing, destination), lambda _: None)
