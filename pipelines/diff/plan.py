"""What a diff compares, and which unfinished one it may go on with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import StageError
from pipelines.warehouse.layout import MANIFEST, MigrationFolder
from pipelines.warehouse.place import MissingError, Place

PLAN = "plan.json"


class DiffPlan(BaseModel):
    """What is compared; every attempt at a run follows the plan it began with.

    The times tell records or a dump that were made again under their old id. `compare`: of each item type that has
    any. `sampled`: the buckets, where not all are compared. `judged_at_most`: so many differences are judged again,
    None where there is no source to ask.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: str
    dump_id: str
    mapping_hash: str
    records_finished_at: datetime
    dump_finished_at: datetime
    started_at: datetime
    compare: dict[str, dict[str, Any]] = {}
    sampled: tuple[int, ...] | None = None
    judged_at_most: int | None = None

    @classmethod
    def read(cls, folder: Place) -> DiffPlan | None:
        try:
            return cls.model_validate_json((folder / PLAN).read_text())
        except (MissingError, ValidationError):
            return None

    def same(self, other: DiffPlan) -> bool:
        return self == other.model_copy(update={"started_at": self.started_at})


def unfinished(folder: MigrationFolder, wanted: DiffPlan) -> str | None:
    """The newest unfinished run that compares the same."""
    diffs = folder.root / "diffs"
    for entry in reversed(diffs.children()):
        plan = DiffPlan.read(entry)
        if plan is not None and plan.same(wanted) and not (entry / MANIFEST).is_file():
            return entry.name
    return None


def begin(folder: Place, wanted: DiffPlan) -> DiffPlan:
    """The plan to follow: the one that stands in the folder, or `wanted`, which then stands there. Raises StageError
    where that one is of something else."""
    earlier = DiffPlan.read(folder)
    if earlier is None:
        (folder / PLAN).write_atomically(wanted.model_dump_json(indent=2) + "\n")
    elif not earlier.same(wanted):
        raise StageError(f"diff {folder.name}: was begun with other records, another dump or mapping; start a new run")
    return earlier or wanted
