"""Whether the source still has the schema that a snapshot was taken from: asked before its rows are put to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from pipelines.errors import MappingError, SourceError, StageError
from pipelines.items.source_type import MONEY, Kind, SourceType
from pipelines.mapping.catalog import Catalog, Column, Table
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.model import Mapping
from pipelines.progress import tell
from pipelines.settings import optional
from pipelines.source.connect import connect, source_url
from pipelines.source.introspect import read_catalog
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.manifest import SnapshotManifest
from pipelines.warehouse.snapshots import open_snapshot

_NAMED = frozenset({Kind.CHAR, Kind.ENUM, Kind.ARRAY, Kind.OTHER})
"""Kinds in which types of another name print the same value otherwise. For the rest, `varchar(20)` is `text`."""

SHOWN = 5


def require_same_schema(mapping: Mapping, folder: MigrationFolder, snapshot_id: str) -> None:
    """Raises StageError, with what has changed, where a row of the snapshot could mean something else today.

    Harmless is what changes no item: columns that the mapping does not take, NOT NULL, a wider integer or text. Where
    the source's URL is not set nothing is asked, for the snapshot is all that is needed then; where the source cannot
    be reached the user is told so. Raises UsageError where the URL is none, and what `open_snapshot` raises.
    """
    if optional(mapping.source.url_env) is None:
        return
    snapshot = open_snapshot(folder, snapshot_id, mapping.meaning_hash())
    failed = ""
    try:
        with closing(connect(source_url(mapping))) as connection:
            now = read_catalog(connection, [table.ref for table in snapshot.catalog.tables])
    except SourceError as error:
        failed = str(error)
    if failed:
        tell(f"whether the schema has changed since snapshot {snapshot.id} is not known ({failed}); going on")
        return
    changes = list(_changes(snapshot, now)) or list(_additions(mapping, snapshot, now))
    if changes:
        more = f" and {len(changes) - SHOWN} changes more" if len(changes) > SHOWN else ""
        raise StageError(
            f"the source's schema has changed since snapshot {snapshot.id}: {'; '.join(changes[:SHOWN])}{more}; "
            "take a new snapshot"
        )


def _changes(snapshot: SnapshotManifest, now: Catalog) -> Iterator[str]:
    tables = {table.ref: table for table in now.tables}
    for then in snapshot.catalog.tables:
        table = tables.get(then.ref)
        if table is None:
            yield f"{then.ref} does not exist any more"
        else:
            yield from _column_changes(then, table, snapshot.columns.get(str(then.ref), ()))


def _column_changes(then: Table, now: Table, taken: tuple[str, ...]) -> Iterator[str]:
    if then.primary_key != now.primary_key:
        yield f"{then.ref} had the primary key {_list(then.primary_key)}, now {_list(now.primary_key)}"
    before, after = _by_name(then), _by_name(now)
    for name in taken:
        if name not in after:
            yield f"{then.ref} has no column {name} any more"
        elif _meaning(before[name].type) != _meaning(after[name].type):
            yield f"{then.ref}.{name} was {before[name].type.name}, now {after[name].type.name}"


def _additions(mapping: Mapping, snapshot: SnapshotManifest, now: Catalog) -> Iterator[str]:
    """Columns that the mapping takes without naming them. None where it does not fit the source any more by what it
    leaves out: that is for the next snapshot to say."""
    try:
        taken = compile_mapping(mapping, now).columns_by_table()
    except MappingError:
        return
    for table, columns in taken.items():
        for name in columns:
            if name not in snapshot.columns.get(str(table.ref), ()):
                yield f"{table.ref} has a new column {name}, which the mapping takes"


def _meaning(type: SourceType) -> tuple[object, ...]:
    """What decides how a value is written into an item."""
    name = type.name if type.kind in _NAMED or type.name == MONEY else ""
    element = None if type.element is None else _meaning(type.element)
    return (type.kind, "" if element else name, type.known, type.exact, type.utf8, element)


def _by_name(table: Table) -> dict[str, Column]:
    return {column.name: column for column in table.columns}


def _list(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)})"
