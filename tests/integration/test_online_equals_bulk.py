"""The online and the bulk form give one answer for the same rows: every type, every shape, NULLs, hostile values."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow
from pyspark.sql import SparkSession

from pipelines.mapping.outcome import Absent, Assembled, Outcome, Rejected
from pipelines.migration import Migration
from tests.both_ways import bulk_outcomes, bulk_versions, online_outcomes, online_versions

pytestmark = pytest.mark.integration

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'Happy day');
CREATE TABLE things (
    id int8, region char(4), label text, code varchar(20), amount numeric, price numeric(12,4), ratio float8,
    small float4, flag boolean, data bytea, uid uuid, feeling mood, day date, at timestamp, seen timestamptz,
    doc jsonb, doc_text json, tags text[], scores numeric[], blobs bytea[], grid int[], span interval, address inet,
    numeric_text text, owner_id int, "odd ``.name%" text, PRIMARY KEY (id, region)
);
CREATE TABLE owners (owner_id int, name text, boss_id int, at timestamptz);
CREATE TABLE bosses (boss_id int PRIMARY KEY, title text);
CREATE TABLE parts (
    thing_id int8, region char(6), part_no int, label text, price numeric(14,6), amount numeric, day date,
    seen timestamptz, raw bytea, on_sale boolean, tags text[], PRIMARY KEY (thing_id, region, part_no)
);
CREATE TABLE notes (part_no int, region char(6), thing_id int8, n int2 PRIMARY KEY, body text, weight float8);
"""

MAPPING = """
migration: both
target:
  tables:
    things:
      partition_key: {name: pk, type: S}
      sort_key: {name: sk, type: S}
      indexes:
        gsi1: {partition_key: {name: label, type: S}, sort_key: {name: gsi_sk, type: N}}
        gsi2: {partition_key: {name: owner_name, type: S}}
    parts:
      partition_key: {name: number, type: N}
      sort_key: {name: what, type: S}
items:
  thing:
    table: things
    from: things
    where: "flag IS NULL OR flag = true OR id > 10"
    key: {pk: "THING#{id:03}", sk: "{region:esc}#{code:upper}"}
    rename: {code: "kode é"}
    types:
      tags: SS
      scores: NS
      blobs: BS
      day: epoch_seconds
      at: epoch_millis
      numeric_text: N
      small: S
      span: text
      doc_text: text
    set:
      gsi_sk: "{owner_id}"
      owner_name: "{owner.name}"
      boss: "{owner.boss.title:lower}/{seen:%Y-%m-%d %H}"
      month: "{at:%Y/%m}{id:mod7}"
      constant: 2.50
      truth: true
    embed:
      owner:
        from: owners
        on: {owner_id: owner_id}
        as: map
        nulls: null
        embed:
          boss: {from: bosses, on: {boss_id: boss_id}, as: map, hidden: true}
      parts:
        from: parts
        on: {region: region, thing_id: id}
        as: list
        where: "part_no <> 3 AND (price < 100 OR price IS NULL)"
        order_by: [-price, day, -label]
        limit: 3
        exclude: [thing_id, region]
        nulls: null
        types: {tags: SS}
        embed:
          notes:
            from: notes
            on: {part_no: part_no, thing_id: thing_id, region: region}
            as: list
            order_by: [-weight, -body]
            include: [body, weight]
      part_labels: {from: parts, on: {thing_id: id, region: region}, as: set, value: "{label}"}
      part_prices: {from: parts, on: {thing_id: id, region: region}, as: set, value: "{price}"}
      part_blobs: {from: parts, on: {thing_id: id, region: region}, as: set, value: "{raw}"}
      days: {from: parts, on: {thing_id: id, region: region}, as: list, order_by: [-day, seen], value: "{day:%Y}"}
      seen_first:
        from: parts
        on: {thing_id: id, region: region}
        as: list
        order_by: [-seen, raw]
        value: "{amount}"
        limit: 2
      sale:
        from: parts
        on: {thing_id: id, region: region}
        as: list
        order_by: [-on_sale, -amount, -raw]
        value: "{tags}"
        types: {tags: SS}
  part:
    table: parts
    from: parts
    key: {number: "{price}", what: "{thing_id}/{part_no}/{region}"}
    types: {seen: date, day: text, raw: text}
    nulls: null
    exclude: [price]
"""

BENIGN: dict[str, Sequence[str | None]] = {
    "text": ["plain", "", "Zoë 漢😀", 'q"\\uote', "line\nbreak", "\x01\x1f\x7f", "a#b%c", None],
    "varchar(20)": ["ABC", "ß-straße", "İi", "x/y", "a#b"],
    "numeric": ["1.50", "-0.00", "100", "123456789012345678901234567890.12345678", "0.000001", None],
    "numeric(12,4)": ["9.9900", "-5.5", "0", "99.9999", "12345678.0001", None],
    "numeric(14,6)": ["9.99", "9.990000", "5", "-1.25", None],
    "float8": ["0.1", "1e20", "-1.5e-7", "0", "-0", "123456.789", None],
    "float4": ["0.1", "16777216", "1e10", None],
    "boolean": ["true", "false", "true", None],
    "bytea": [r"\x", r"\x00ff10", r"\x7f", r"\x80", None],
    "uuid": ["0b7f0f0e-0000-4000-8000-000000000001", "FFFFFFFF-0000-4000-8000-000000000001", None],
    "mood": ["sad", "Happy day", None],
    "date": ["2026-11-24", "1969-12-31", "0001-01-01", "9999-12-31", None],
    "timestamp": ["2026-11-24 08:55:13.123456", "1969-12-31 23:59:59.9999", "0001-01-01 00:00:00", None],
    "timestamptz": ["2026-11-24 08:55:13.5+02", "9999-12-31 23:59:59.999999+00", "1900-01-01 00:00:00+00", None],
    "jsonb": ['{"b": [1.10, null, {"x": {}}], "a": "é\\u0001"}', "[]", "null", '"text"', "1e3", None],
    "json": ['{"b":1, "a" :  2}', '{"a":1,"a":2}', None],
    "text[]": ["{a,b}", "{}", '{"NULL","",x y}', None],
    "numeric[]": ["{1.5,2,-3}", "{}", None],
    "bytea[]": [r'{"\\x01","\\xff"}', "{}", None],
    "int[]": ["{{1,2},{3,NULL}}", "[5:6]={7,8}", "{}", None],
    "interval": ["1 day 02:03:04", "-3 mons", None],
    "inet": ["10.0.0.1", "::1/64", None],
    "int": ["1", "2", "3", "4", None],
}
HOSTILE: dict[str, Sequence[str]] = {
    "text": ["x" * 3000, "one"],
    "numeric": ["NaN", "Infinity", "-Infinity", "1e-131", "1e126", "1" * 39],
    "numeric(12,4)": ["NaN"],
    "numeric(14,6)": ["NaN"],
    "float8": ["NaN", "-Infinity", "1e200"],
    "float4": ["NaN", "1e-40"],
    "bytea": [r"\x" + "ab" * 2000],
    "date": ["infinity", "-infinity", "0044-03-15 BC", "12000-01-01"],
    "timestamp": ["infinity", "0044-03-15 01:02:03 BC", "0044-03-16 01:02:03 BC", "20000-02-03 04:05:06.7"],
    "timestamptz": ["-infinity", "infinity", "0044-03-15 01:02:03+00 BC", "10000-01-01 00:00:00+00"],
    "jsonb": ['{"": 1}', "1" * 40, "[" * 40 + "]" * 40, "[" * 32 + "1" + "]" * 32, "[" * 31 + "1" + "]" * 31],
    "text[]": ["{a,a}", "{NULL}", "{{a,b},{c,d}}"],
    "numeric[]": ["{1,1.0}", "{NaN}", "{NULL}"],
    "bytea[]": [r'{"\\x01","\\x01"}'],
}
NUMERIC_TEXTS = ["1.50", "+7", "1e3", ".5", None]


class Rows:
    """Random rows, the same for the same seed."""

    def __init__(self, connection: psycopg.Connection[TupleRow], seed: int) -> None:
        self.connection = connection
        self.choose = random.Random(seed)

    def value(self, type: str, hostile: float) -> str | None:
        if type in HOSTILE and self.choose.random() < hostile:
            return self.choose.choice(HOSTILE[type])
        return self.choose.choice(BENIGN[type])

    def insert(self, table: str, columns: dict[str, str], given: dict[str, Any], hostile: float = 0.0) -> None:
        row: dict[str, Any] = {
            name: given[name] if name in given else self.value(type, hostile) for name, type in columns.items()
        }
        query = sql.SQL("INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.SQL("{}::" + type).format(sql.Literal(row[name])) for name, type in columns.items()),
        )
        self.connection.execute(query)


def columns_of(connection: psycopg.Connection[TupleRow], table: str) -> dict[str, str]:
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        (table,),
    )
    short = {
        "character varying(20)": "varchar(20)",
        "double precision": "float8",
        "real": "float4",
        "timestamp without time zone": "timestamp",
        "timestamp with time zone": "timestamptz",
        "integer": "int",
        "integer[]": "int[]",
    }
    return {name: str(short.get(type, type)) for name, type in found}


def fill(connection: psycopg.Connection[TupleRow], seed: int, things: int) -> None:
    rows = Rows(connection, seed)
    choose = rows.choose
    tables = {name: columns_of(connection, name) for name in ("things", "owners", "bosses", "parts", "notes")}
    for boss in (1, 2):
        rows.insert("bosses", tables["bosses"], {"boss_id": boss})
    for owner in (*range(1, 10), 3):  # 3 is ambiguous
        boss_id = choose.choice([1, 2, 9, None])
        rows.insert("owners", tables["owners"], {"owner_id": owner, "boss_id": boss_id}, 0.1)
    for id in [*range(1, things), -5, 1000, 1001]:
        region = choose.choice(["a", "ab", "é", "N#"])
        given = {"id": id, "region": region, "numeric_text": choose.choice(NUMERIC_TEXTS)}
        given["code"] = choose.choice([*BENIGN["varchar(20)"], *([None, ""] if choose.random() < 0.2 else [])])
        given["owner_id"] = choose.choice([3, 99, None] if choose.random() < 0.1 else range(1, 10))
        rows.insert("things", tables["things"], given, 0.02)
        for part_no in choose.sample(range(6), choose.randint(0, 4)):
            insert_part(rows, tables, {"thing_id": id, "region": region, "part_no": part_no})
    connection.commit()


def insert_part(rows: Rows, tables: dict[str, dict[str, str]], key: dict[str, Any]) -> None:
    choose = rows.choose
    part = {**key, "label": f"{choose.random()}" if choose.random() < 0.98 else None}
    part |= {"price": f"{choose.randint(-99, 150)}.{key['part_no']}"} if choose.random() < 0.95 else {}
    part |= {"raw": rf"\x{choose.randbytes(3).hex()}"} if choose.random() < 0.95 else {}
    rows.insert("parts", tables["parts"], part, 0.02)
    for _ in range(choose.choice([0, 0, 1, 3])):
        rows.insert("notes", tables["notes"], {"n": choose.randint(-32768, 32767), **key}, 0.06)


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Migration:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    path = tmp_path / "both.yaml"
    path.write_text(MAPPING)
    return Migration.open(path, tmp_path / "warehouse")


def test_one_answer_for_the_same_rows(migration: Migration, spark: SparkSession, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA)
        fill(connection, seed=4, things=300)
    bulk = bulk_outcomes(migration, spark, database_url)
    online = online_outcomes(migration, database_url)
    present = {key: outcome for key, outcome in online.items() if outcome != Absent()}
    assert set(bulk) == set(present)
    assert len(present) < len(online)
    differing = {key: (bulk[key], present[key]) for key in bulk if bulk[key] != present[key]}
    assert differing == {}
    check_that_the_rows_are_worth_it(list(bulk.values()))


def check_that_the_rows_are_worth_it(outcomes: Sequence[Outcome]) -> None:
    rejects = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    assert len({outcome.reason for outcome in rejects}) >= 8
    assert any(outcome.attribute and "].notes[" in outcome.attribute for outcome in rejects)
    things = [json.loads(o.item) for o in outcomes if isinstance(o, Assembled) and o.table == "things"]
    assert len(things) > 50
    assert any(len(thing["parts"]["L"]) == 3 for thing in things)
    assert {"part_labels", "part_prices", "part_blobs", "boss", "gsi_sk"} <= {name for t in things for name in t}


ODD_SCHEMA = """
CREATE TYPE pair AS (a int, b int);
CREATE TABLE sides (id int8 PRIMARY KEY, big int8, number numeric, label text, padded char(4), score float8, what pair);
CREATE TABLE by_big (big int8 PRIMARY KEY, n int);
CREATE TABLE by_uid (uid uuid PRIMARY KEY, n int);
CREATE TABLE by_label (label text, n int PRIMARY KEY);
CREATE TABLE by_score (score float8, n int PRIMARY KEY);
CREATE TABLE loose (side int8, what text, extra json, more text[], span interval);
INSERT INTO sides VALUES
    (9223372036854775807, 9223372036854775807, '9223372036854775807.00', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a',
     '-0', ROW(NULL, NULL)),
    (-9223372036854775808, -9223372036854775808, '-9223372036854775808', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a ',
     'NaN', NULL),
    (1, 9223000000000000000, '9223372036854775808', 'no uuid', '', 'Infinity', ROW(1, 2)),
    (2, 0, 'NaN', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', NULL, NULL, NULL),
    (3, NULL, '0.5', '', 'a#', '1e22', NULL);
INSERT INTO by_big VALUES (9223372036854775807, 1), (-9223372036854775808, 2), (9223000000000000000, 3), (0, 4);
INSERT INTO by_uid VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 1);
INSERT INTO by_label VALUES ('a', 1), ('a ', 2), ('', 3), ('A', 4), ('a#', 5), (NULL, 6);
INSERT INTO by_score VALUES ('0', 1), ('NaN', 2), ('Infinity', 3), ('10000000000000000000000', 4), (NULL, 5);
INSERT INTO loose VALUES
    (1, 'x', '{"b":1}', NULL, '1 day'), (1, 'x', '{"a":1}', '{b}', '2 days'), (1, 'x', '{"a":1}', '{a}', '1 day'),
    (1, 'x', NULL, '{a}', NULL), (1, 'x', '{"a":1}', '{a}', '1 hour'), (1, NULL, 'null', NULL, NULL);
"""
ODD_MAPPING = """
migration: odd
target: {tables: {sides: {partition_key: {name: id, type: N}}}}
items:
  side:
    table: sides
    from: sides
    where: "NOT what IS NULL OR id < 4"
    key: {id: "{id}"}
    include: []
    embed:
      big: {from: by_big, on: {big: big}, as: list, value: "{n}"}
      number: {from: by_big, on: {big: number}, as: list, value: "{n}"}
      uid: {from: by_uid, on: {uid: label}, as: list, value: "{n}"}
      padded: {from: by_label, on: {label: padded}, as: list, value: "{n}"}
      score: {from: by_score, on: {score: score}, as: list, value: "{n}"}
      loose: {from: loose, on: {side: id}, as: list, order_by: [what], exclude: [side], limit: 5}
      all_loose: {from: loose, on: {side: id}, as: list, order_by: [what], exclude: [side]}
"""


def test_odd_joins(tmp_path: Path, spark: SparkSession, database_url: str) -> None:
    """Numbers at int8's ends, a text that is no uuid, padding, negative zero, rows that only json tells apart."""
    with psycopg.connect(database_url) as connection:
        connection.execute(ODD_SCHEMA)
    path = tmp_path / "odd.yaml"
    path.write_text(ODD_MAPPING)
    migration = Migration.open(path, tmp_path / "warehouse")
    bulk = bulk_outcomes(migration, spark, database_url)
    assert bulk == {key: found for key, found in online_outcomes(migration, database_url).items() if found != Absent()}
    items = [json.loads(found.item) for found in bulk.values() if isinstance(found, Assembled)]
    joined = {
        int(item["id"]["N"]): {
            name: [int(member["N"]) for member in item[name]["L"]]
            for name in ("big", "number", "uid", "padded", "score")
            if item[name]["L"]
        }
        for item in items
    }
    assert joined == {
        2**63 - 1: {"big": [1], "number": [1], "padded": [1], "score": [1]},
        -(2**63): {"big": [2], "number": [2], "uid": [1], "padded": [1], "score": [2]},
        1: {"big": [3], "padded": [3], "score": [3]},
        2: {"big": [4]},
        3: {"padded": [5], "score": [4]},
    }


VERSIONED_SCHEMA = """
CREATE TABLE counted (id int PRIMARY KEY, n int8, at timestamptz, local timestamp, note text);
INSERT INTO counted VALUES
    (1, 0, '1970-01-01 00:00:00+00', '1970-01-01 00:00:00', 'a'), (2, NULL, NULL, NULL, 'b'),
    (3, -1, '1969-12-31 23:59:59.999999+00', '1969-12-31 23:59:59.999999', 'c'),
    (4, 9223372036854775807, '9999-12-31 23:59:59.999999+00', '9999-12-31 23:59:59.999999', 'd'),
    (5, 5, 'infinity', '-infinity', 'e'), (6, 6, '2026-11-24 08:55:13.123457+02', '2026-11-24 08:55:13.123457', 'f'),
    (7, 7, '10000-01-01 00:00:00+00', '0044-03-15 00:00:00 BC', NULL);
"""
VERSIONED_MAPPING = """
migration: versioned
target: {tables: {rows: {partition_key: {name: pk, type: S}}}}
items:
  counter: {table: rows, from: counted, key: {pk: "N{id}"}, include: [note], version: n}
  time: {table: rows, from: counted, key: {pk: "T{id}"}, version: at}
  local: {table: rows, from: counted, key: {pk: "L{id}"}, include: [id], version: local}
  none: {table: rows, from: counted, key: {pk: "X{id}"}, include: [id]}
"""


def test_one_version_for_the_same_rows(tmp_path: Path, spark: SparkSession, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(VERSIONED_SCHEMA)
    path = tmp_path / "versioned.yaml"
    path.write_text(VERSIONED_MAPPING)
    migration = Migration.open(path, tmp_path / "warehouse")
    bulk = bulk_outcomes(migration, spark, database_url)
    assert bulk == online_outcomes(migration, database_url)
    rejected = {f"{name}{json.loads(key)['id']}" for (name, key), one in bulk.items() if isinstance(one, Rejected)}
    assert rejected == {"counter2", "counter3", *(f"{name}{id}" for name in ("time", "local") for id in (2, 3, 5, 7))}
    versions = bulk_versions(migration)
    assert versions == {key: one for key, one in online_versions(migration, database_url).items() if key in versions}
    shown = {f"{name}{json.loads(key)['id']}": version for (name, key), version in versions.items()}
    assert shown == {
        "counter1": 0,
        "counter4": 2**63 - 1,
        "counter5": 5,
        "counter6": 6,
        "counter7": 7,
        "time1": 0,
        "time4": 253_402_300_799_999_999,
        "time6": 1_795_503_313_123_457,
        "local1": 0,
        "local4": 253_402_300_799_999_999,
        "local6": 1_795_510_513_123_457,
        **{f"none{id}": 0 for id in range(1, 8)},
    }
