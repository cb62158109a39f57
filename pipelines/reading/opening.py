"""The compiled mapping without the source database: what the plan needs of it is in a catalog that was saved."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pipelines.errors import UsageError
from pipelines.mapping.catalog import Catalog
from pipelines.mapping.compile import compile_mapping, tables_used
from pipelines.mapping.load import load_mapping
from pipelines.mapping.model import Mapping
from pipelines.mapping.plan import MigrationPlan
from pipelines.migration import Migration
from pipelines.source.connect import connect, source_url
from pipelines.source.introspect import read_catalog
from pipelines.warehouse.snapshots import open_snapshot

Source = Migration | Path | str


def opened_plan(migration: Source, catalog: Catalog | Path | str | None) -> tuple[Mapping, MigrationPlan]:
    """With a catalog, nothing but the mapping file (and the catalog's) is read. Without one, the catalog is that of
    the migration's latest snapshot. Raises MappingError, UsageError, StageError or WarehouseError."""
    if catalog is None:
        opened = migration if isinstance(migration, Migration) else Migration.open(Path(migration))
        known = open_snapshot(opened.folder, None, opened.mapping_hash).catalog
        return opened.mapping, compile_mapping(opened.mapping, known)
    mapping = migration.mapping if isinstance(migration, Migration) else load_mapping(Path(migration))
    return mapping, compile_mapping(mapping, catalog if isinstance(catalog, Catalog) else _read(Path(catalog)))


def save_catalog(migration: Source, path: Path | str) -> None:
    """Reads the mapped tables' columns and types from the source, once, and writes them to `path` as JSON. It holds
    names and types, no rows. Raises MappingError, where the mapping does not fit the source, too; UsageError or
    SourceError."""
    mapping = migration.mapping if isinstance(migration, Migration) else load_mapping(Path(migration))
    with connect(source_url(mapping)) as connection:
        catalog = read_catalog(connection, tables_used(mapping))
    compile_mapping(mapping, catalog)
    try:
        Path(path).write_text(catalog.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def _read(path: Path) -> Catalog:
    try:
        return Catalog.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); `save_catalog` writes it") from None
    except ValidationError:
        raise UsageError(f"{path}: no catalog, or damaged; write it again with `save_catalog`") from None
