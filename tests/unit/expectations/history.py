"""A warehouse of several migrations with runs of many nights: manifests, and the report of a run without its docs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from expectations.gather import gather_report
from expectations.render_html import render_html
from expectations.render_json import render_json
from pipelines.warehouse.layout import MigrationFolder, write_manifest
from pipelines.warehouse.manifest import DiffManifest, Verdicts
from pipelines.warehouse.place import Place
from tests.on_disk import on_disk
from tests.unit.expectations.finished_diff import BEGIN, RUN, FinishedDiff

MADE_AT = BEGIN + timedelta(hours=22)
NOTHING = Verdicts()


def night(number: int) -> datetime:
    """The end of the run so many nights before RUN."""
    return BEGIN - timedelta(days=number)


def earlier_run(number: int) -> str:
    return f"{night(number):%Y%m%dT%H%M%S}-{number:07}"


@dataclass(frozen=True)
class Nights:
    """The warehouse `root`."""

    root: Path

    @property
    def place(self) -> Place:
        return Place.of(self.root)

    def migration(self, name: str, diff: FinishedDiff, *, reported: bool = True) -> MigrationFolder:
        """One with the run RUN; `reported`: with its page and its JSON, and a file that stands for the data docs."""
        draft = self.root.with_name(f"draft-{name}")
        draft.mkdir()
        migration = diff.write(draft)
        if reported:
            data = gather_report(migration, RUN)
            folder = migration.folder.report(RUN)
            (folder / "report.json").write_atomically(render_json(data))
            (folder / "index.html").write_atomically(render_html(data))
            (folder / "data_docs" / "index.html").write_atomically("stands for them")
        shutil.move(on_disk(migration.folder.root), self.root / name)
        return MigrationFolder(self.place / name)

    def runs(self, name: str, *verdicts: Verdicts) -> MigrationFolder:
        """Earlier ones, the last of them one night before RUN, each with one item type, `order`."""
        folder = MigrationFolder(self.place / name)
        for number, counts in zip(range(len(verdicts), 0, -1), verdicts, strict=True):
            write_manifest(folder.diff(earlier_run(number)), run_of(name, number, counts))
        return folder


def run_of(name: str, number: int, verdicts: Verdicts) -> DiffManifest:
    consistent = verdicts.match == verdicts.total()
    return DiffManifest(
        migration=name,
        mapping_hash="0",
        id=earlier_run(number),
        started_at=night(number) - timedelta(minutes=4),
        finished_at=night(number),
        snapshot_id="s",
        dump_id="d",
        mode="ledger",
        buckets=2,
        coverage=1.0,
        source_records=verdicts.total(),
        source_rejects=0,
        target_items=verdicts.total(),
        union=verdicts.total(),
        verdicts=verdicts,
        item_types={"order": verdicts},
        differences=verdicts.total() - verdicts.match,
        consistent=consistent,
        reasons=() if consistent else ("something",),
    )
