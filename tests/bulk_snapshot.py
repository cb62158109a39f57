"""A snapshot made by hand, without a database, and the items that the online form makes of the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, Kind, SourceType
from pipelines.mapping.assemble import EmbeddedRows, Node, embedded_rows, enclosing_columns
from pipelines.mapping.catalog import Catalog, Column, Relation, Table, TableRef
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.online import ItemAssembler, source_key_of
from pipelines.mapping.outcome import Outcome
from pipelines.mapping.plan import MigrationPlan, RowPlan
from pipelines.mapping.source_row import SourceRow
from pipelines.migration import Migration
from pipelines.warehouse.layout import write_manifest
from pipelines.warehouse.manifest import SnapshotManifest, TableCounts
from tests.on_disk import on_disk
from tests.oracle.where_meaning import evaluate

Row = dict[str, Any]

_STORED = {
    Kind.INTEGER: pa.int64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.BYTES: pa.binary(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
}


def plain(kind: Kind) -> SourceType:
    return SourceType(name=kind, kind=kind)


def source_table(name: str, columns: Mapping[str, SourceType], primary_key: Sequence[str]) -> Table:
    return Table(
        ref=TableRef(schema_name="public", table=name),
        relation=Relation.TABLE,
        columns=tuple(Column(name=n, type=t, nullable=n not in primary_key) for n, t in columns.items()),
        primary_key=tuple(primary_key),
    )


@dataclass(frozen=True)
class HandMade:
    """Tables with their rows; temporal columns may also be given as `<name>::raw`."""

    rows: Mapping[Table, Sequence[Row]]

    @property
    def catalog(self) -> Catalog:
        return Catalog(server_version=180006, tables=tuple(self.rows))

    def plan(self, migration: Migration) -> MigrationPlan:
        return compile_mapping(migration.mapping, self.catalog)

    def write(self, migration: Migration, snapshot_id: str, files_per_table: int = 2) -> SnapshotManifest:
        folder = migration.folder.snapshot(snapshot_id)
        columns = {str(t.ref): names for t, names in self.plan(migration).columns_by_table().items()}
        counts = {
            str(table.ref): _write(table, columns[str(table.ref)], rows, on_disk(folder), files_per_table)
            for table, rows in self.rows.items()
            if str(table.ref) in columns
        }
        manifest = SnapshotManifest(
            migration=migration.mapping.migration,
            mapping_hash=migration.mapping_hash,
            id=snapshot_id,
            started_at=datetime.now(UTC),
            taken="live",
            source="by hand",
            captured=False,
            catalog=self.catalog,
            columns=columns,
            tables=counts,
        )
        write_manifest(folder, manifest)
        return manifest

    def online(self, migration: Migration) -> Iterator[tuple[str, str | None, Outcome]]:
        """(item type, source key, outcome) of every root row that passes `where`, by the online form."""
        for item in self.plan(migration).items:
            assembler = ItemAssembler(item)
            embeds = self._embeds(item.root)
            for row in self._passing(item.root):
                yield item.name, source_key_of(item, row), assembler.assemble(Node(row, embeds))

    def _embeds(self, row: RowPlan) -> dict[str, EmbeddedRows]:
        return {
            embed.name: EmbeddedRows(
                enclosing_columns(embed, row),
                embedded_rows(embed, self._passing(embed.row)),
                self._embeds(embed.row),
            )
            for embed in row.embeds
        }

    def _passing(self, row: RowPlan) -> list[SourceRow]:
        where = row.where
        rows = [SourceRow(_physical(row.table, found)) for found in self.rows[row.table]]
        if where is None:
            return rows
        return [found for found in rows if evaluate(where, _lookup(found, row.table)) is True]


def _lookup(row: SourceRow, table: Table) -> Any:
    def lookup(name: str) -> tuple[object | None, str | None]:
        column = table.column(name)
        assert column is not None
        return row.value(name), row.raw(name, column.type)

    return lookup


def _physical(table: Table, row: Row) -> Row:
    raws = {c.name + RAW_SUFFIX: None for c in table.columns if c.type.kind in TEMPORAL}
    return {column.name: None for column in table.columns} | raws | row


def _write(table: Table, columns: Sequence[str], rows: Sequence[Row], folder: Path, parts: int) -> TableCounts:
    fields = []
    for column in table.columns:
        if column.name in columns:
            fields.append(pa.field(column.name, _STORED.get(column.type.kind, pa.string())))
            if column.type.kind in TEMPORAL:
                fields.append(pa.field(column.name + RAW_SUFFIX, pa.string()))
    schema = pa.schema(fields)
    (folder / table.ref.table).mkdir(parents=True)
    files = []
    for part in range(parts):
        file = folder / table.ref.table / f"part-{part}.parquet"
        chosen = [{n: _physical(table, row)[n] for n in schema.names} for row in rows[part::parts]]
        pq.write_table(pa.Table.from_pylist(chosen, schema), file)
        files.append(file)
    return TableCounts(
        rows=len(rows),
        bytes=sum(file.stat().st_size for file in files),
        files=tuple(str(file.relative_to(folder)) for file in files),
    )
