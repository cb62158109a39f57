"""The last copy of the source: every column of the mapped tables as Parquet, with a checksum of each file.

    <migration>/decommission/<id>/source/<schema>.<table>/part-NNNNN.parquet   SHA256SUMS   manifest.json

All columns, those too that the mapping leaves out or calls sensitive: what is not here is lost once the source is
deleted. Folders are readable by their owner only; in S3 the bucket's encryption, or CROSSOVER_S3_KMS_KEY, applies.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from pipelines.errors import AccountsError, WarehouseError
from pipelines.mapping.catalog import Catalog, Table
from pipelines.mapping.compile import tables_used
from pipelines.migration import Migration
from pipelines.source.connect import identity
from pipelines.source.live import export_live
from pipelines.warehouse.layout import MANIFEST, discard, read_manifest, write_manifest
from pipelines.warehouse.manifest import Manifest
from pipelines.warehouse.place import Place

SUMS = "SHA256SUMS"
_READ_BYTES = 8 << 20


class ArchivedFile(BaseModel):
    """`file`: relative to the archive's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    bytes: int
    rows: int
    sha256: str


class ArchivedTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    columns: tuple[str, ...]
    files: tuple[ArchivedFile, ...]


class ArchiveManifest(Manifest):
    """`source`: host, port and database; `tables`: per "schema.table"."""

    stage: str = "archive"
    source: str
    catalog: Catalog
    tables: dict[str, ArchivedTable]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    @property
    def files(self) -> tuple[ArchivedFile, ...]:
        return tuple(file for table in self.tables.values() for file in table.files)


def archive_source(migration: Migration, url: str, folder: Place, id: str) -> ArchiveManifest:
    """One consistent cut, each file read back before its checksum is noted; a whole one that is there is given back as
    it is, of an unfinished one nothing is kept. Raises SourceError, WarehouseError, AccountsError."""
    if (folder / MANIFEST).is_file():
        return read_manifest(folder, ArchiveManifest)
    discard(folder)
    folder.make_folder()
    started_at = datetime.now(UTC)
    taken = export_live(url, tables_used(migration.mapping), _all_columns, folder)
    tables = {
        name: _read_back(folder, name, counts.rows, taken.columns[name], counts.files)
        for name, counts in taken.tables.items()
    }
    manifest = ArchiveManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=id,
        started_at=started_at,
        source=identity(url),
        catalog=taken.catalog,
        tables=tables,
    )
    (folder / SUMS).write_atomically("".join(f"{file.sha256}  {file.file}\n" for file in manifest.files))
    write_manifest(folder, manifest)
    return manifest


def check_archive(folder: Place) -> ArchiveManifest:
    """Reads every file again. Raises AccountsError where one is another than it was, WarehouseError."""
    manifest = read_manifest(folder, ArchiveManifest)
    for file in manifest.files:
        found = _file(folder, file.file)
        if found != file:
            raise AccountsError(
                f"{folder / file.file}: {found.bytes:,} bytes, SHA-256 {found.sha256[:12]}…; its manifest says "
                f"{file.bytes:,} and {file.sha256[:12]}…: it was changed since; take it back from a copy"
            )
    return manifest


def _all_columns(catalog: Catalog) -> dict[Table, tuple[str, ...]]:
    return {table: tuple(column.name for column in table.columns) for table in catalog.tables}


def _read_back(folder: Place, table: str, rows: int, columns: tuple[str, ...], files: tuple[str, ...]) -> ArchivedTable:
    found = tuple(_file(folder, name) for name in files)
    if sum(file.rows for file in found) != rows:
        raise AccountsError(
            f"{folder / table}: {sum(file.rows for file in found):,} rows read back, {rows:,} came from the source"
        )
    return ArchivedTable(rows=rows, columns=columns, files=found)


def _file(folder: Place, name: str) -> ArchivedFile:
    """Every row is decoded, not the footer's count believed."""
    place = folder / name
    digest, size = hashlib.sha256(), 0
    try:
        with place.open_input() as source:
            while chunk := source.read(_READ_BYTES):
                digest.update(chunk)
                size += len(chunk)
        with place.open_input() as source:
            rows = sum(batch.num_rows for batch in pq.ParquetFile(source).iter_batches())
    except (OSError, pa.ArrowException) as error:
        raise WarehouseError(f"{place}: cannot be read back ({type(error).__name__})") from error
    return ArchivedFile(file=name, bytes=size, rows=rows, sha256=digest.hexdigest())
