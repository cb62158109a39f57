"""Every run of a migration that lies in the warehouse, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import ValidationError

from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.layout import MANIFEST, MigrationFolder
from pipelines.warehouse.manifest import Manifest
from pipelines.warehouse.place import MissingError, Place

STAGES = ("snapshots", "records", "backfills", "dumps", "diffs", "repairs")
"""The folders of a migration, in the order of the work."""


@dataclass(frozen=True)
class Run:
    """`manifest`: its header, None where the run is unfinished. `problem`: why a manifest that is there says nothing.
    `changed_at`: when something of it was last written."""

    stage: str
    place: Place
    manifest: Manifest | None
    changed_at: datetime | None
    problem: str = ""

    @property
    def id(self) -> str:
        return self.place.name

    @property
    def is_finished(self) -> bool:
        return self.manifest is not None

    @property
    def at(self) -> datetime | None:
        """When it was finished, or else last written."""
        return self.manifest.finished_at if self.manifest is not None else self.changed_at


def runs_of(folder: MigrationFolder) -> list[Run]:
    """Of each stage the oldest first, those of which nothing is known at the end. Raises WarehouseError."""
    found: list[Run] = []
    for stage in STAGES:
        place = folder.root / stage
        runs = each(partial(_run, stage), place.children(), place)
        found += sorted(runs, key=lambda run: (run.at is None, run.at.timestamp() if run.at else 0.0, run.id))
    return found


def _run(stage: str, place: Place) -> Run:
    try:
        text = (place / MANIFEST).read_text()
    except MissingError:
        return Run(stage, place, None, place.changed_at())
    try:
        manifest = Manifest.model_validate_json(text, extra="ignore")
    except ValidationError:
        return Run(stage, place, None, place.changed_at(), f"its {MANIFEST} is damaged, or not Crossover's")
    return Run(stage, place, manifest, manifest.finished_at)
