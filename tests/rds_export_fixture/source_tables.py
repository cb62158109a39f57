"""What there is to export in a database, read with psycopg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

Rows = list[list[bytes | None]]

# "Tables with the following characters in column names are skipped during export"; "Tables with slashes (/) in their
# names are skipped"; "temporary and unlogged tables are skipped":
# https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html
FORBIDDEN_IN_COLUMNS = ",;{}()\n\t= "

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', c.relpersistence = 'u'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname
"""
_COLUMNS = """
SELECT a.attname, t.typname, i.data_type
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN information_schema.columns i
  ON i.table_schema = n.nspname AND i.table_name = c.relname AND i.column_name = a.attname
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_LEAVES = "SELECT relid::regclass::text FROM pg_partition_tree(%s::oid::regclass) WHERE isleaf ORDER BY 1"


@dataclass(frozen=True)
class SourceColumn:
    name: str
    type_name: str
    data_type: str  # information_schema's


@dataclass(frozen=True)
class SourceTable:
    oid: int
    schema: str
    name: str
    partitioned: bool
    unlogged: bool
    columns: tuple[SourceColumn, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def why_skipped(self) -> str | None:
        if self.unlogged:
            return "UNLOGGED_TABLE"
        if "/" in self.name:
            return "UNSUPPORTED_TABLE_NAME"
        if any(letter in column.name for column in self.columns for letter in FORBIDDEN_IN_COLUMNS):
            return "UNSUPPORTED_COLUMN_NAME"
        return None


def tables_of(connection: Connection) -> list[SourceTable]:
    found = connection.execute(_TABLES.encode()).fetchall()
    return [
        SourceTable(oid, schema, name, partitioned, unlogged, _columns(connection, oid))
        for oid, schema, name, partitioned, unlogged in found
    ]


def batches_of(connection: Connection, table: SourceTable, columns: Sequence[str], batches: int) -> Iterator[Rows]:
    """The rows as PostgreSQL's texts. "There will be multiple batch indexes, one for each of the table partitions":
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.FileNames.html
    """
    chosen = sql.SQL(", ").join(map(sql.Identifier, columns))
    if table.partitioned:
        for (leaf,) in connection.execute(_LEAVES.encode(), (table.oid,)).fetchall():
            yield _texts(connection, sql.SQL("SELECT {} FROM {}").format(chosen, sql.SQL(leaf)))
        return
    rows = _texts(connection, sql.SQL("SELECT {} FROM {}").format(chosen, sql.Identifier(table.schema, table.name)))
    size = max(1, -(-len(rows) // max(batches, 1)))
    for number in range(max(batches, 1)):
        yield rows[number * size : (number + 1) * size]


def _columns(connection: Connection, oid: int) -> tuple[SourceColumn, ...]:
    return tuple(SourceColumn(*row) for row in connection.execute(_COLUMNS.encode(), (oid,)).fetchall())


def _texts(connection: Connection, query: sql.Composed) -> Rows:
    """psycopg asks for text, and libpq hands over what the output functions printed; of a database without an encoding
    the bytes that are stored."""
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        connection.execute("SET client_encoding = 'SQL_ASCII'")
    with psycopg.Cursor(connection) as cursor:
        cursor.execute(query)
        result = cursor.pgresult
        assert result is not None
        connection.execute("RESET client_encoding")
        return [[result.get_value(row, field) for field in range(result.nfields)] for row in range(result.ntuples)]
