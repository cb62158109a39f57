"""Repairs a run's differences, batch by batch: judge, keep the old images, write, keep what came of it.

Killed at any instant and started again, it goes on with the same repair: of a batch that has images but no result, the
images are brought to their end first, and nothing that has one is judged, or its image taken, a second time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipelines.judging.suspect import Judgement
from pipelines.judging.verdict import Verdict
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.repair.decision import Decision, Standing, decide
from pipelines.repair.folder import RepairFolder, RepairManifest, RepairPlan
from pipelines.repair.image import Image, Key, suspect_id
from pipelines.repair.judged import Batch, batches, judged, key_of
from pipelines.repair.opened import Tools, opened_tools, run_to_repair
from pipelines.repair.tally import Tally
from pipelines.repair.writing import written
from pipelines.target.record import target_record
from pipelines.target.scan import WireItem
from pipelines.warehouse.layout import new_id, write_manifest
from pipelines.warehouse.lock import StageLock, stage_lock
from pipelines.warehouse.manifest import DiffManifest

LOCK = "repair"
_CHANGED = "it changed while it was looked at"


def apply_repair(migration: Migration, run_id: str, asked: frozenset[Verdict]) -> RepairManifest:
    """Goes on with an unfinished repair of the same run and the same `asked`. Raises StageError where another repair is
    under way; SourceError, TargetError, WarehouseError, AccountsError."""
    diff = run_to_repair(migration, run_id)
    plan = RepairPlan(
        run_id=run_id, verdicts=tuple(sorted(one.value for one in asked)), mapping_hash=migration.mapping_hash
    )
    repair_id = new_id()
    with stage_lock(migration.folder.root, LOCK, repair_id) as lock:
        folder, plan = _begun(migration, plan, repair_id, lock)
        tally = Tally()
        with (
            opened_tools(migration, diff, writes=True) as tools,
            Progress("repair", diff.differences, "keys") as progress,
        ):
            work = _Work(tools, folder, asked)
            for batch in batches(migration.folder.diff(run_id)):
                tally.add(folder.result(batch.name) or work.repair(batch))
                progress.advance(len(batch.suspects))
        tally.require_total(diff.differences)
        manifest = _manifest(migration, folder, plan, diff, tally)
        write_manifest(folder.place, manifest)
    return manifest


def _begun(migration: Migration, plan: RepairPlan, repair_id: str, lock: StageLock) -> tuple[RepairFolder, RepairPlan]:
    for folder in reversed(RepairFolder.all(migration)):
        earlier = folder.plan()
        if earlier is None or folder.is_finished or folder.is_undo_begun:
            continue
        if earlier == plan.model_copy(update={"started_at": earlier.started_at}):
            lock.rename(folder.id)
            return folder, earlier
    folder = RepairFolder.new(migration, repair_id)
    folder.begin(plan)
    return folder, plan


@dataclass(frozen=True)
class _Work:
    tools: Tools
    folder: RepairFolder
    asked: frozenset[Verdict]

    def repair(self, batch: Batch) -> list[list[object]]:
        """The rows of the batch's result."""
        tally = Tally()
        earlier = self.folder.images(batch.name)
        self._write(tally, earlier.values())
        imaged = {image.suspect for image in earlier.values()}
        left = [one for one in batch.suspects if suspect_id(one) not in imaged]
        images = self._images(tally, list(judged(self.tools.judge, left)), earlier)
        if images:
            self.folder.keep_images(batch.name, images)
            self._write(tally, images)
        rows = tally.rows()
        self.folder.finish_batch(batch.name, rows)
        return rows

    def _write(self, tally: Tally, images: Iterable[Image]) -> None:
        images = list(images)
        for image, ended in zip(images, written(self.tools, images), strict=True):
            tally.count(image.item_type, image.verdict, ended.standing, ended.reason)

    def _images(self, tally: Tally, judgements: list[Judgement], earlier: dict[Key, Image]) -> list[Image]:
        """Of what is to be repaired and still as it was judged; all else is counted. What another suspect of the same
        key has an image for is counted as pending: it is told the next time."""
        decided = [(one, self._decide(one)) for one in judgements]
        wanted = [(one, key_of(one), decision) for one, decision in decided if decision.way is not None]
        found = self.tools.items((one.suspect.table, key) for one, key, _ in wanted if key is not None)
        images: dict[Key, Image] = {}
        for one, decision in decided:
            key, image = key_of(one), None
            at = (one.suspect.table, key or "")
            if decision.way is not None and key is not None and at not in images and at not in earlier:
                old = found.get(at)
                image = Image.of(one, key, decision.way, old) if _is_as_judged(one, key, old) else None
            if image is not None:
                images[at] = image
            elif decision.way is not None:
                tally.count(one.suspect.item_type or "", one.verdict.value, Standing.PENDING, _CHANGED)
            else:
                tally.count(one.suspect.item_type or "", one.verdict.value, decision.standing, decision.reason)
        return _raised_together(list(images.values()))

    def _decide(self, judgement: Judgement) -> Decision:
        return decide(judgement, self.tools.rules(judgement.suspect.item_type, self.asked))


def _is_as_judged(judgement: Judgement, key: str, item: WireItem | None) -> bool:
    target = judgement.target
    if target is None or item is None:
        return target is None and item is None
    record = target_record(item, tuple(json.loads(key)))
    return (record.item, record.version, record.is_tombstone, record.owner) == (
        target.item,
        target.version,
        target.is_tombstone,
        target.owner,
    )


def _raised_together(images: list[Image]) -> list[Image]:
    """A row that is repaired at several keys has one version."""
    highest: dict[tuple[str, str], int] = {}
    for image in images:
        if image.way.by_ledger:
            highest[image.row] = max(highest.get(image.row, 0), image.wrote or 0)
    return [replace(one, wrote=highest[one.row]) if one.way.by_ledger else one for one in images]


def _manifest(
    migration: Migration, folder: RepairFolder, plan: RepairPlan, diff: DiffManifest, tally: Tally
) -> RepairManifest:
    standings = tally.standings()
    return RepairManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=folder.id,
        started_at=plan.started_at,
        run_id=diff.id,
        verdicts=plan.verdicts,
        judged=diff.differences,
        repaired=standings[Standing.REPAIRED.value],
        no_longer_different=standings[Standing.NO_LONGER.value],
        pending=standings[Standing.PENDING.value],
        not_repairable=standings[Standing.NOT.value],
        failed=standings[Standing.FAILED.value],
        item_types=tally.item_types(),
        reasons=tally.reasons(),
    )
