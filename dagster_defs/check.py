"""What an asset check is here: one property, looked up in what is written already, and told in one line."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dagster as dg

from dagster_defs.step import Metadata, failing_in_one_line, group_of
from pipelines.errors import CrossoverError
from pipelines.migration import Migration
from pipelines.warehouse.layout import read_manifest
from pipelines.warehouse.manifest import DiffManifest, DumpManifest, RecordsManifest, SnapshotManifest
from pipelines.warehouse.snapshots import open_snapshot

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


class Newest:
    """The newest finished run of each stage, each read once. All raise StageError where there is none, or where the
    mapping has changed since, and WarehouseError where it cannot be read."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration

    @cached_property
    def snapshot(self) -> SnapshotManifest:
        return open_snapshot(self.migration.folder, None, self.migration.mapping_hash)

    @cached_property
    def records(self) -> RecordsManifest:
        return self.records_of(self._latest("records"))

    @cached_property
    def dump(self) -> DumpManifest:
        return self.dump_of(self._latest("dumps"))

    @cached_property
    def diff(self) -> DiffManifest:
        folder = self.migration.folder.diff(self._latest("diffs"))
        return read_manifest(folder, DiffManifest, self.migration.mapping_hash)

    def records_of(self, snapshot_id: str) -> RecordsManifest:
        return read_manifest(self.migration.folder.records(snapshot_id), RecordsManifest, self.migration.mapping_hash)

    def dump_of(self, dump_id: str) -> DumpManifest:
        return read_manifest(self.migration.folder.dump(dump_id), DumpManifest, self.migration.mapping_hash)

    def _latest(self, stage: str) -> str:
        return self.migration.folder.latest(stage, f"launch the job {job_name(self.migration, 'verify')}")


@dataclass(frozen=True)
class Finding:
    """`said`: what was found, in one line. `remedy`: what to do next where that is wrong. `numbers`: to be charted.
    `severity`: where it is another than the check's."""

    passed: bool
    said: str
    remedy: str = ""
    numbers: Metadata = field(default_factory=dict)
    severity: dg.AssetCheckSeverity | None = None

    @property
    def description(self) -> str:
        return self.said if self.passed or not self.remedy else f"{self.said}. Next: {self.remedy}"


@dataclass(frozen=True)
class Check:
    """`look` raises CrossoverError where it could not look; then the check has failed, too."""

    name: str
    description: str
    look: Callable[[Newest], Finding]
    severity: dg.AssetCheckSeverity = ERROR

    def result(self, asset: dg.AssetKey, newest: Newest) -> dg.AssetCheckResult:
        try:
            finding = self.look(newest)
        except CrossoverError as error:
            finding = Finding(False, f"could not be checked: {str(error).splitlines()[0]}")
        return dg.AssetCheckResult(
            asset_key=asset,
            check_name=self.name,
            passed=finding.passed,
            severity=finding.severity or self.severity,
            description=finding.description,
            metadata=finding.numbers,
        )


def asset_checks(asset: dg.AssetKey, checks: Sequence[Check], path: Path) -> dg.AssetChecksDefinition:
    """All checks of one asset of a migration. They run as one step, and each can be run alone."""
    by_name = {check.name: check for check in checks}
    assert len(by_name) == len(checks)

    @dg.multi_asset_check(
        name="_".join([*map(group_of, asset.path), "checks"]),
        specs=[dg.AssetCheckSpec(check.name, asset=asset, description=check.description) for check in checks],
        can_subset=True,
    )
    def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with failing_in_one_line():
            newest = Newest(Migration.open(path))
        selected = {key.name for key in context.selected_asset_check_keys}
        yield from (check.result(asset, newest) for check in checks if check.name in selected)

    return look


def job_name(migration: Migration, job: str) -> str:
    return f"{group_of(migration.mapping.migration)}_{job}"
