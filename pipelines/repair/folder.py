"""A repair's folder, written in this order: the plan; of each batch its images, then what became of them; the manifest.
Whoever takes a repair back adds `undo.json`, of each batch what became of it, and the summary.

    repairs/<repair_id>/plan.json   images/<batch>.<attempt>.jsonl   results/<batch>.json   manifest.json
                        undo.json   undone/<batch>.json   undone.json
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.errors import WarehouseError
from pipelines.migration import Migration
from pipelines.repair.image import Image, Key, as_lines, from_lines
from pipelines.warehouse.hold import require_hold
from pipelines.warehouse.layout import MANIFEST
from pipelines.warehouse.manifest import Manifest
from pipelines.warehouse.place import MissingError, Place

_PLAN, _UNDO, _UNDONE = "plan.json", "undo.json", "undone.json"
_IMAGES, _RESULTS, _BATCHES_UNDONE = "images", "results", "undone"


class RepairPlan(BaseModel):
    """What a repair was begun with. `verdicts`: those asked for; none: the usual ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    verdicts: tuple[str, ...]
    mapping_hash: str
    started_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class RepairManifest(Manifest):
    """judged = repaired + no longer different + pending + not repairable + failed. `item_types`: by item type, verdict
    and standing, unmapped items under ""; `reasons`: why something was not repaired."""

    stage: str = "repair"
    run_id: str
    verdicts: tuple[str, ...]
    judged: int
    repaired: int
    no_longer_different: int
    pending: int
    not_repairable: int
    failed: int
    item_types: dict[str, dict[str, dict[str, int]]]
    reasons: dict[str, int]


@dataclass(frozen=True)
class RepairFolder:
    place: Place

    @classmethod
    def all(cls, migration: Migration) -> list[RepairFolder]:
        """Oldest first."""
        return [cls(entry) for entry in (migration.folder.root / "repairs").children()]

    @classmethod
    def new(cls, migration: Migration, repair_id: str) -> RepairFolder:
        return cls(migration.folder.root / "repairs" / repair_id)

    @property
    def id(self) -> str:
        return self.place.name

    @property
    def is_finished(self) -> bool:
        return (self.place / MANIFEST).is_file()

    @property
    def is_undo_begun(self) -> bool:
        return (self.place / _UNDO).is_file()

    @property
    def is_undone(self) -> bool:
        return (self.place / _UNDONE).is_file()

    def plan(self) -> RepairPlan | None:
        try:
            return RepairPlan.model_validate_json((self.place / _PLAN).read_text())
        except (MissingError, ValidationError):
            return None

    def begin(self, plan: RepairPlan) -> None:
        _write(self.place / _PLAN, plan.model_dump_json(indent=2) + "\n")

    def begin_undo(self) -> None:
        _write(self.place / _UNDO, json.dumps({"started_at": datetime.now(UTC).isoformat()}) + "\n")

    def finish_undo(self, counts: dict[str, int]) -> None:
        _write(self.place / _UNDONE, json.dumps(counts) + "\n")

    def images(self, batch: str) -> dict[Key, Image]:
        """Of all attempts; of two images of one key the first: later ones can show what the repair has written."""
        found: dict[Key, Image] = {}
        for file in self._image_files(batch):
            for image in from_lines(file.read_text(), str(file)):
                found.setdefault(image.at, image)
        return found

    def keep_images(self, batch: str, images: Sequence[Image]) -> None:
        attempt = len(self._image_files(batch)) + 1
        _write(self.place / _IMAGES / f"{batch}.{attempt:04}.jsonl", as_lines(images))

    def _image_files(self, batch: str) -> list[Place]:
        return [file for file in (self.place / _IMAGES).files(".jsonl") if file.name.startswith(f"{batch}.")]

    def batches_with_images(self) -> list[str]:
        names = (file.name.partition(".")[0] for file in (self.place / _IMAGES).files(".jsonl"))
        return list(dict.fromkeys(names))

    def result(self, batch: str) -> list[Any] | None:
        return _read_json(self.place / _RESULTS / f"{batch}.json")

    def finish_batch(self, batch: str, rows: Iterable[object]) -> None:
        _write(self.place / _RESULTS / f"{batch}.json", json.dumps(list(rows)) + "\n")

    def undone(self, batch: str) -> list[Any] | None:
        return _read_json(self.place / _BATCHES_UNDONE / f"{batch}.json")

    def finish_undoing(self, batch: str, rows: Iterable[object]) -> None:
        _write(self.place / _BATCHES_UNDONE / f"{batch}.json", json.dumps(list(rows)) + "\n")


def _write(place: Place, text: str) -> None:
    """Raises LostLockError where another repair may be under way."""
    require_hold()
    place.write_atomically(text)


def _read_json(place: Place) -> list[Any] | None:
    try:
        found = json.loads(place.read_text())
    except MissingError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise WarehouseError(f"{place}: damaged; what the repair has done so far cannot be told from it")
    return found
