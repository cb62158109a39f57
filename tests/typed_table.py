"""A table of arbitrary columns, the mapping that reads it, and all three opinions on its rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psycopg
import yaml
from psycopg import sql
from psycopg.rows import TupleRow
from pyspark.sql import SparkSession

from pipelines.errors import SourceError
from pipelines.mapping.outcome import Assembled, Outcome, Rejected
from pipelines.migration import Migration
from pipelines.warehouse.place import Place
from tests.both_ways import Outcomes, bulk_outcomes, online_outcomes
from tests.oracle.typed_rows import Expected, Typed, expected_rows, open_as_is, printed
from tests.type_samples import SCRIPT, Sample
from tests.types_page import Answer

T = TypeVar("T")

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


def text_of(connection: psycopg.Connection[TupleRow], type: str, value: str) -> bytes | None:
    """As the server prints it; None where the server does not take it."""
    query = sql.SQL("SELECT {}::{}").format(sql.Literal(value), sql.SQL(type))
    try:
        ((text,),) = printed(connection, query)
    except psycopg.Error:
        return None
    return text


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


def mapping_of(tables: Mapping[str, Sequence[TypedColumn]], left_out: Collection[str] = ()) -> str:
    """Of all tables and their columns, but for those of `left_out`."""
    items = {
        table: {
            "table": table,
            "from": table,
            "key": {"id": "{id}"},
            "exclude": ["id", *left_out],
            "types": {
                column.name: column.encoding for column in columns if not column.default and column.name not in left_out
            },
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
            assert _differences(wanted, bulk, table) == {}
            agreed += wanted.values()
    return agreed


def compare_export(
    url: str, table: str, columns: Sequence[TypedColumn], export: Place, folder: Path, spark: SparkSession
) -> list[TypedColumn]:
    """Asserts that the export's rows become what the oracle makes of them; returns the columns it was refused for,
    which are left out."""
    folder.mkdir()
    path = folder / "types.yaml"

    def bulk(left_out: Sequence[str]) -> Outcomes:
        path.write_text(mapping_of({table: columns}, left_out))
        migration = Migration.open(path, folder / f"warehouse-without-{len(left_out)}")
        return bulk_outcomes(migration, spark, url, export)

    found, names = without_refused(bulk)
    left = [column.typed for column in columns if column.name not in names]
    with open_as_is(url) as connection:
        assert _differences(expected_rows(connection, table, left), found, table) == {}
    return [column for column in columns if column.name in names]


def without_refused(read: Callable[[Sequence[str]], T]) -> tuple[T, list[str]]:
    """What `read` gives that is told which columns to leave out, and those: the ones that it raises for."""
    refused: list[str] = []
    while True:
        try:
            return read(refused), refused
        except SourceError as error:
            column = re.search(r"column '(\w+)'.*exclude it", str(error))
            assert column is not None, error
            refused.append(column[1])


def _differences(wanted: Mapping[str, Expected], bulk: Outcomes, table: str) -> dict[str, object]:
    """By `id`: what is wanted, and what is found."""
    found = {_id(key): _plain(outcome) for (item, key), outcome in bulk.items() if item == table}
    return {id: (wanted.get(id), found.get(id)) for id in {*wanted, *found} if wanted.get(id) != found.get(id)}


def _id(source_key: str) -> str:
    return source_key.removeprefix('{"id":"').removesuffix('"}')


def _plain(outcome: Outcome) -> Expected:
    match outcome:
        case Assembled():
            return Expected(outcome.item, outcome.digest, outcome.size)
        case Rejected():
            return Expected(size=outcome.size, reason=str(outcome.reason), attribute=outcome.attribute)
    raise TypeError(type(outcome))
