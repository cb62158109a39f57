"""An export gives the dataset that a live snapshot of the same rows gives, value by value, or says where it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from pipelines.errors import SourceError
from pipelines.source.live import export_live
from tests.chosen_columns import everything, ref
from tests.exported_tables import content, from_export
from tests.rds_export_fixture.options import ExportOptions
from tests.rds_export_fixture.write import write_export
from tests.scripted_source import run

pytestmark = pytest.mark.integration

SCHEMA = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok', 'Happy "day"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN whole AS int;
CREATE DOMAIN ratio AS float8;
CREATE DOMAIN small_ratio AS float4;
CREATE DOMAIN flag AS boolean;
CREATE DOMAIN blob AS bytea;
CREATE DOMAIN born AS date;
CREATE DOMAIN seen AS timestamptz;
CREATE DOMAIN code AS char(5);
CREATE TABLE everything (
    id int PRIMARY KEY, i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(12,2), f4 float4, f8 float8, flag boolean,
    data bytea, t text, v varchar(40), c char(8), c1 "char", bp bpchar, na name, u uuid, e mood, d date, ts timestamp,
    tz timestamptz, ti time, tt timetz, span interval, j json, jb jsonb, bits bit(5), vb bit varying, cash money,
    ip inet, net cidr, mac macaddr, mac8 macaddr8, p point, li line, seg lseg, bo box, pth path, poly polygon,
    ci circle,
    tsv tsvector, tsq tsquery, r4 int4range, rn numrange, rd daterange, rts tsrange, rtz tstzrange, mr int4multirange,
    co pair, ai int[], at text[], an numeric[], af float8[], atz timestamptz[], ad date[], ab bytea[], am mood[],
    aj jsonb[], abo box[], a2 int[][], lsn pg_lsn,
    d_whole whole, d_ratio ratio, d_small small_ratio, d_flag flag, d_blob blob, d_born born, d_seen seen, d_code code,
    "odd-Name.é%" text
);
"""

VALUES: Mapping[str, tuple[str, ...]] = {
    "i2": ("-32768", "32767", "0"),
    "i4": ("-2147483648", "2147483647"),
    "i8": ("-9223372036854775808", "9223372036854775807"),
    "n": ("1.50", "-0.00", "NaN", "Infinity", "-Infinity", "12345678901234567890123456789012345678.9", "1e-40", "0",
          "100"),
    "n2": ("1.5", "-9999999999.99", "NaN", "0"),
    "f4": ("0.1", "1e6", "999999", "1234567", "1e-5", "0.0001", "16777216", "NaN", "-Infinity", "-0",
           "3.4028235e38", "1e-45"),
    "f8": ("0.1", "1e15", "999999999999999", "1e14", "123456789012345680", "1e-5", "0.0001", "0.00012345", "NaN",
           "Infinity",
           "-0", "5e-324", "1.7976931348623157e308", "1e22", "1e21", "100", "10", "123456.789", "1.5"),
    "flag": ("true", "false"),
    "data": (r"\x", r"\x00ff", r"\x5c78", "plain"),
    "t": ("", "a'b\"c\\d", "Zoë 漢😀", "\n\t\x01", "NULL", "  blanks  ", r"\xff"),
    "v": ("", "x"),
    "c": ("", "ab", "漢字"),
    "c1": ("a", ""),
    "bp": ("a  ", ""),
    "na": ("a name",),
    "u": ("0B7F0F0E-0000-4000-8000-00000000000A",),
    "e": ("sad", 'Happy "day"'),
    "d": ("2024-02-29", "0001-01-01", "9999-12-31", "10000-01-01", "0001-12-31 BC", "4713-01-01 BC", "5874897-12-31",
          "infinity", "-infinity", "0044-03-15 BC"),
    "ts": ("2024-02-29 23:59:59.999999", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00",
           "294276-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC", "0001-12-31 23:59:59.5 BC", "infinity",
           "-infinity",
           "1969-12-31 23:59:59.999999", "2024-01-01 00:00:00.1"),
    "tz": ("2024-02-29 23:59:59.999999+00", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00",
           "10000-01-01 00:00:00+00", "294276-12-31 23:59:59.999999+00", "4713-01-01 00:00:00+00 BC", "infinity",
           "-infinity", "0001-12-31 23:30:00+00 BC", "9999-12-31 23:30:00-01",
           "0001-01-01 00:10:00+01", "1883-01-01 12:00:00+00"),
    "ti": ("00:00:00", "24:00:00", "12:34:56.789"),
    "tt": ("12:34:56.789+05:30", "00:00:00-15:59"),
    "span": ("1 year 2 mons -3 days +04:05:06.789", "0", "-1 mon", "100 days", "-04:05:06", "1 year"),
    "j": ('{"a": 1.50, "a": [null]}', " [1,  2]", "null"),
    "jb": ('{"b": 1.50, "a": 123456789012345678901234567890.123}', '"x"', "null"),
    "bits": ("10101",),
    "vb": ("", "1"),
    "cash": ("1234567.89", "-0.05", "0", "-12.30"),
    "ip": ("10.0.0.1", "10.0.0.1/8", "::1"),
    "net": ("10.0.0.0/8",),
    "mac": ("08:00:2b:01:02:03",),
    "mac8": ("08:00:2b:01:02:03:04:05",),
    "p": ("(1.5,-2)",),
    "li": ("{1,2,3}",),
    "seg": ("[(0,0),(1,1)]",),
    "bo": ("(1,1),(0,0)",),
    "pth": ("((0,0),(1,1))", "[(0,0),(1,1)]"),
    "poly": ("((0,0),(1,1),(1,0))",),
    "ci": ("<(0,0),1.5>",),
    "tsv": ("'a':1 'b''c':2",),
    "tsq": ("'a' & 'b'",),
    "r4": ("[1,5)", "empty", "(,)"),
    "rn": ("[1.50,2]",),
    "rd": ("[2024-01-01,infinity)",),
    "rts": ("[2024-01-01 00:00:00,)",),
    "rtz": ("[2024-01-01 00:00:00+00,2024-06-01 12:00:00.5+00)",),
    "mr": ("{[1,3),[5,9)}",),
    "co": ('(1,"a ""b"", c")', "(,)"),
    "ai": ("{1,NULL,3}", "{}", "[0:1]={7,8}"),
    "at": ('{a,"b \\"c\\"",NULL,"NULL",""}',),
    "an": ("{1.50,NaN}",),
    "af": ("{0.1,1e20,-0,NaN}",),
    "atz": ('{"2024-01-01 00:00:00+00",infinity}',),
    "ad": ("{2024-01-01,infinity}",),
    "ab": (r'{"\\x00ff","\\x"}',),
    "am": ('{sad,"Happy \\"day\\""}',),
    "aj": ('{"{\\"a\\": 1.50}"}',),
    "abo": ("{(1,1),(0,0);(3,3),(2,2)}",),
    "a2": ("{{1,2},{3,4}}",),
    "lsn": ("16/B374D848",),
    "d_whole": ("42", "-1"),
    "d_ratio": ("0.1", "1e20", "NaN", "-0", "1e-7", "-Infinity"),
    "d_small": ("0.1", "1e10", "1234567"),
    "d_flag": ("true", "false"),
    "d_blob": (r"\x00ff", r"\x"),
    "d_born": ("2024-02-29", "infinity", "0001-12-31 BC"),
    "d_seen": ("2024-02-29 12:00:00+00", "infinity", "10000-01-01 00:00:00+00"),
    "d_code": ("ab", "abcde"),
    "odd-Name.é%": ("x",),
}  # fmt: skip


def fill(url: str) -> None:
    """Row 0 is all NULL; row k has the k-th value of each column, and NULL where there is none."""
    run(url, SCHEMA)
    columns = ", ".join(f'"{name}"' for name in VALUES).replace("%", "%%")
    types = {"c1": '"char"', "bp": "bpchar"}
    with closing(psycopg.connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        kinds: dict[str, str] = dict(
            cursor.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = 'everything'::regclass AND attnum > 0"
            ).fetchall()
        )
        marks = ", ".join(f"%s::text::{types.get(name, kinds[name])}" for name in VALUES)
        for number in range(max(map(len, VALUES.values())) + 1):
            row = [values[number - 1] if 0 < number <= len(values) else None for values in VALUES.values()]
            cursor.execute(f"INSERT INTO everything (id, {columns}) VALUES (%s, {marks})".encode(), [number, *row])


def both(url: str, tmp_path: Path, options: ExportOptions | None = None) -> tuple[pa.Table, pa.Table]:
    """`everything`, live and from an export."""
    live = export_live(url, [ref("everything")], everything, tmp_path / "live")
    exported = write_export(url, tmp_path / "exports", options)
    found = from_export(url, exported.folder, tmp_path / "found", ref("everything"))
    assert found.catalog == live.catalog
    assert found.columns == live.columns
    return content(live, tmp_path / "live"), content(found, tmp_path / "found")


def test_every_type_is_as_live(database_url: str, tmp_path: Path) -> None:
    fill(database_url)
    (tmp_path / "live").mkdir()
    live, found = both(database_url, tmp_path)
    assert found.schema == live.schema
    assert {name: found[name].to_pylist() for name in found.column_names} == {
        name: live[name].to_pylist() for name in live.column_names
    }


def test_what_other_sessions_print_comes_to_the_same(database_url: str, tmp_path: Path) -> None:
    """Another time zone than UTC, and types that are not those AWS documents but are as exact."""
    run(
        database_url,
        "CREATE TABLE everything (id int PRIMARY KEY, tz timestamptz, ts timestamp, d date, n numeric(12,2), f4 float4,"
        " u uuid, i8 int8, i2 int2, b bytea, t text); INSERT INTO everything VALUES"
        " (1, '2024-07-01 12:00:00.5+00', '2024-07-01 12:00:00.25', '2024-07-01', 1.50, 0.5,"
        "  '0b7f0f0e-0000-4000-8000-00000000000a', 7, 8, '\\x00ff', 'Zoë'),"
        " (2, '1883-01-01 00:00:00+00', '0001-01-01', '9999-12-31', 0.00000, 1e10, NULL, -7, -8, '', ''),"
        " (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    stored = {
        "n": pa.decimal128(12, 2),
        "f4": pa.float64(),
        "u": pa.binary(16),
        "i2": pa.int64(),
        "i8": pa.int32(),
        "t": pa.large_string(),
        "d": pa.date32(),
        "ts": pa.timestamp("us"),
    }
    (tmp_path / "live").mkdir()
    options = ExportOptions(
        time_zone="Asia/Kolkata", stored_as={("public.everything", name): form for name, form in stored.items()}
    )
    live, found = both(database_url, tmp_path, options)
    assert found.to_pylist() == live.to_pylist()


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("n numeric", "1.5", pa.float64()),
        ("n numeric", "1.5", pa.decimal128(12, 4)),
        ("n numeric(12,2)", "1.5", pa.decimal128(12, 4)),
        ("n float4", "0.1", pa.float64()),
        ("n float8", "0.1", pa.float32()),
        ("n int", "1", pa.float64()),
        ("n text", "1", pa.int32()),
        ("n timestamptz", "2024-01-01 00:00:00+00", pa.timestamp("us")),
        ("n timestamp", "2024-01-01 00:00:00", pa.timestamp("us", "UTC")),
        ("n date", "2024-01-01", pa.timestamp("us")),
    ],
)  # fmt: skip
def test_a_form_that_is_not_exact_is_refused(
    database_url: str, tmp_path: Path, column: str, value: str, stored: pa.DataType
) -> None:
    run(database_url, f"CREATE TABLE everything (id int, {column}); INSERT INTO everything VALUES (1, '{value}')")
    options = ExportOptions(stored_as={("public.everything", "n"): stored})
    location = write_export(database_url, tmp_path, options).folder
    with pytest.raises(
        SourceError, match=r"^public\.everything: column 'n': the export has it as .*, which is no exact"
    ):
        from_export(database_url, location, tmp_path / "found", ref("everything"))


@pytest.mark.parametrize(
    ("before", "value", "after", "told"),
    [
        ("text", "ten", "bigint", r"'n' was text when the RDS snapshot was taken and is bigint now"),
        ("timestamptz", "2024-01-01 00:00:00+00", "timestamp", r"'n' was timestamp with time zone when"),
        ("money", "$1.00", "numeric", r"'n' was money when"),
        ("int", "1", "text", r"'n' was integer when"),
    ],
)
def test_a_type_that_changed_since_is_told(
    database_url: str, tmp_path: Path, before: str, value: str, after: str, told: str
) -> None:
    run(database_url, f"CREATE TABLE everything (id int, n {before}); INSERT INTO everything VALUES (1, '{value}')")
    location = write_export(database_url, tmp_path).folder
    run(database_url, f"ALTER TABLE everything DROP COLUMN n; ALTER TABLE everything ADD COLUMN n {after}")
    with pytest.raises(SourceError, match=rf"^public\.everything: column {told}") as caught:
        from_export(database_url, location, tmp_path / "found", ref("everything"))
    assert value not in str(caught.value)
