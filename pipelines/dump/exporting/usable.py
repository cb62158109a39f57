"""Whether exports are of the tables that are to be compared, and of a time when they can be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.errors import StageError, TargetError
from pipelines.target.export_manifest import FUZZY, Export
from pipelines.warehouse.manifest import SnapshotManifest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def require_usable(
    exports: Mapping[str, Export], tables: Mapping[str, TableDescriptionTypeDef], snapshot: SnapshotManifest
) -> None:
    """Raises TargetError where one is of another table, also of one that had its name before, and StageError where one
    is not later than the snapshot: the target must be read after the source, or what was written between the two
    looks wrong."""
    for table, export in exports.items():
        summary, there = export.summary, tables[table]
        if there.get("TableArn", summary.table_arn) != summary.table_arn:
            raise TargetError(f"{export.place}: of {summary.table_arn}; table {table} is {there.get('TableArn')}")
        if summary.table_id and there.get("TableId", summary.table_id) != summary.table_id:
            raise TargetError(
                f"{export.place}: of a table {table} that was there before the one that is there now; export that one"
            )
        if surely_after(export) < snapshot.finished_at:
            raise StageError(
                f"{export.place}: of {_time(summary.export_time)}, and fuzzy by a minute; snapshot {snapshot.id} was "
                f"taken until {_time(snapshot.finished_at)}: they cannot be compared; export again, or name an older "
                "snapshot"
            )


def surely_after(export: Export) -> datetime:
    """Nothing of the export is older."""
    return export.summary.export_time - FUZZY


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname()}"
