"""A table of arbitrary columns, the mapping that reads it, and all three opinions on its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import yaml
from psycopg import sql
from psycopg.rows import TupleRow
from pyspark.sql import SparkSession

from pipelines.mapping.outcome import Assembled, Outcome, Rejected
from pipelines.migration import Migration
from tests.both_ways import bulk_outcomes, online_outcomes
from tests.oracle.typed_rows import Expected, Typed, expected_rows, open_as_is
from tests.type_samples import SCRIPT, Sample
from tests.types_page import Answer

Literal = sql.Composable
"""A value as the server shall read it."""


@dataclass(frozen=True)
class TypedColumn:
    name: str
    sample: Sample
    encoding: str
    default: bool  # what the column becomes without a word

    @property
    def typed(self) -> Typed:
        return Typed(self.name, self.sample.family, self.encoding)


def columns_for(samples: Iterable[Sample], answers: Mapping[str, Answer]) -> list[TypedColumn]:
    """One for each encoding that each type can have."""
    pairs = [(sample, encoding) for sample in samples for encoding in sorted(answers[sample.type].encodings)]
    return [
        TypedColumn(f"c{n:04}", sample, encoding, encoding == answers[sample.type].default)
        for n, (sample, encoding) in enumerate(pairs)
    ]


def literal(text: str) -> Literal:
    return sql.Literal(text)


def create_types(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCRIPT.encode())


def create_table(
    connection: psycopg.Connection[TupleRow],
    table: str,
    columns: Sequence[TypedColumn],
    rows: Iterable[dict[str, Literal]],
) -> None:
    """`rows`: a value for some columns each, NULL for the others; `id` counts them."""
    declared = [sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.sample.type)) for c in columns]
    name = sql.Identifier("public", table)
    connection.execute("SET search_path = public")
    connection.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, {})").format(name, sql.SQL(", ").join(declared)))
    types = {column.name: column.sample.type for column in columns}
    for n, row in enumerate(rows):
        names = [sql.Identifier(column) for column in ("id", *row)]
        values = [
            sql.Literal(n),
            *(sql.SQL("{}::{}").format(value, sql.SQL(types[column])) for column, value in row.items()),
        ]
        connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                name, sql.SQL(", ").join(names), sql.SQL(", ").join(values)
            )
        )


def mapping_of(tables: Mapping[str, Sequence[TypedColumn]]) -> str:
    items = {
        table: {
            "table": table,
            "from": table,
            "key": {"id": "{id}"},
            "exclude": ["id"],
            "types": {column.name: column.encoding for column in columns if not column.default},
        }
        for table, columns in tables.items()
    }
    targets = {table: {"partition_key": {"name": "id", "type": "N"}} for table in tables}
    return yaml.safe_dump({"migration": "types", "target": {"tables": targets}, "items": items})


def compare(url: str, tables: Mapping[str, Sequence[TypedColumn]], folder: Path, spark: SparkSession) -> list[Expected]:
    """Asserts that bulk, online and the oracle agree on every row; returns what they agree on."""
    path = folder / "types.yaml"
    path.write_text(mapping_of(tables))
    migration = Migration.open(path, folder / "warehouse")
    bulk = bulk_outcomes(migration, spark, url)
    online = online_outcomes(migration, url)
    assert {key: (bulk.get(key), online.get(key)) for key in bulk | online if bulk.get(key) != online.get(key)} == {}
    agreed: list[Expected] = []
    with open_as_is(url) as connection:
        for table, columns in tables.items():
            wanted = expected_rows(connection, table, [column.typed for column in columns])
            found = {_id(key): _plain(outcome) for (item, key), outcome in bulk.items() if item == table}
            assert {
                id: (wanted.get(id), found.get(id)) for id in wanted | found if wanted.get(id) != found.get(id)
            } == {}
            agreed += wanted.values()
    return agreed


def _id(source_key: str) -> str:
    return source_key.removeprefix('{"id":"').removesuffix('"}')


def _plain(outcome: Outcome) -> Expected:
    match outcome:
        case Assembled():
            return Expected(outcome.item, outcome.digest, outcome.size)
        case Rejected():
            return Expected(size=outcome.size, reason=str(outcome.reason), attribute=outcome.attribute)
    raise TypeError(type(outcome))
