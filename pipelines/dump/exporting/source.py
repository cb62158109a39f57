"""A dump's source that is exports: given ones, or ones that it asks for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.dump.exporting.asked import AskedExports
from pipelines.dump.exporting.given import given_exports
from pipelines.dump.exporting.options import ExportOptions
from pipelines.dump.exporting.usable import require_usable, surely_after
from pipelines.dump.plan import EXPORT, DumpPlan
from pipelines.dump.segment import Segment
from pipelines.dump.source import Pieces, Planned, key_names
from pipelines.migration import Migration
from pipelines.target.describe import identity
from pipelines.target.export_manifest import Export, read_export
from pipelines.warehouse.manifest import ExportOrigin, SnapshotManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


@dataclass
class ExportSource:
    migration: Migration
    client: DynamoDBClient
    tables: Mapping[str, TableDescriptionTypeDef]
    snapshot: SnapshotManifest
    options: ExportOptions

    def planned(self) -> Planned:
        if self.options.exports:
            targets = {table: export.summary.export_arn for table, export in self._given.items()}
        else:
            targets = {name: identity(table) for name, table in self.tables.items()}
        return Planned(EXPORT, dict.fromkeys(self.tables, 0), targets, self.options.s3)

    def pieces(self, folder: Place, plan: DumpPlan) -> Pieces:  # noqa: ARG002
        exports = self._given if self.options.exports else self._asked(folder)
        return Pieces(
            [piece for table, export in exports.items() for piece in self._files(table, export)],
            min(surely_after(export) for export in exports.values()),
            {table: _origin(export) for table, export in exports.items()},
        )

    @cached_property
    def _given(self) -> dict[str, Export]:
        exports = given_exports(self.client, self.options.exports, self.tables)
        require_usable(exports, self.tables, self.snapshot)
        return exports

    def _asked(self, folder: Place) -> dict[str, Export]:
        arns = {name: table["TableArn"] for name, table in self.tables.items()}
        target = self.options.target(self.migration, folder.name)
        places = AskedExports(self.client, folder, target, arns, self.snapshot.finished_at).carry_out()
        exports = {table: read_export(place) for table, place in places.items()}
        require_usable(exports, self.tables, self.snapshot)
        return exports

    def _files(self, table: str, export: Export) -> list[Segment]:
        keys = key_names(self.migration.mapping, table)
        return [Segment(table, keys, number, len(export.files), file) for number, file in enumerate(export.files)]


def _origin(export: Export) -> ExportOrigin:
    summary = export.summary
    return ExportOrigin(
        arn=summary.export_arn,
        location=str(export.place),
        export_time=summary.export_time,
        items=summary.item_count,
    )
