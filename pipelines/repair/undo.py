"""Takes a repair back (rule 14): an old image is put only where the repair's own write still stands, of a row that has
not changed since. It is the one write by which a version goes down.

The rows stay touched and delivered, so that no relay does again what was taken back; their next change is delivered as
ever, and the next repair starts from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.repair.apply import LOCK
from pipelines.repair.folder import RepairFolder
from pipelines.repair.image import Image
from pipelines.repair.opened import Tools, opened_tools, run_to_repair
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.version import read_versions
from pipelines.target.exact_write import Exact, ExactWrite, same_item
from pipelines.target.scan import WireItem
from pipelines.warehouse.lock import stage_lock

Row = tuple[str, str]
"""Item type and source key."""

UNDONE = "undone"
_SOURCE_MOVED = "the source row has changed since"
_TARGET_MOVED = "the target's item is not what the repair wrote"
_WHY = {
    Exact.CHANGED: _TARGET_MOVED,
    Exact.UNSAYABLE: Exact.UNSAYABLE.value,
    Exact.IMPOSSIBLE: Exact.IMPOSSIBLE.value,
}


@dataclass(frozen=True)
class Undone:
    """`left`: why some old images were not put, and how many."""

    repair_id: str
    undone: int
    left: Mapping[str, int]


def undo_repair(migration: Migration, run_id: str) -> Undone:
    """The newest repair of the run that is not undone yet, finished or not; one that was interrupted goes on. Raises
    StageError where there is none, or another repair is under way; SourceError, TargetError, WarehouseError."""
    diff = run_to_repair(migration, run_id)
    folder = _newest(migration, run_id)
    with stage_lock(migration.folder.root, LOCK, folder.id):
        folder.begin_undo()
        names = folder.batches_with_images()
        counts: Counter[str] = Counter()
        with (
            opened_tools(migration, diff, writes=True) as tools,
            Progress("undo", len(names), "batches") as progress,
        ):
            wrote = _latest(folder, names)
            for name in reversed(names):
                rows = folder.undone(name)
                if rows is None:
                    rows = list(_undone(tools, list(folder.images(name).values()), wrote))
                    folder.finish_undoing(name, rows)
                counts.update(str(one) for one in rows)
                progress.advance(1)
        folder.finish_undo(dict(counts))
    return Undone(folder.id, counts.pop(UNDONE, 0), dict(counts.most_common()))


def _newest(migration: Migration, run_id: str) -> RepairFolder:
    for folder in reversed(RepairFolder.all(migration)):
        plan = folder.plan()
        if plan is not None and plan.run_id == run_id and not folder.is_undone:
            return folder
    raise StageError(f"run {run_id}: no repair of it that could be undone")


def _latest(folder: RepairFolder, names: Sequence[str]) -> dict[Row, int]:
    """The version that the repair has raised each row to in the end: it delivers a row at all its keys."""
    latest: dict[Row, int] = {}
    for name in names:
        for image in folder.images(name).values():
            if image.way.by_ledger:
                latest[image.row] = max(latest.get(image.row, 0), image.wrote or 0)
    return latest


def _undone(tools: Tools, images: Sequence[Image], wrote: Mapping[Row, int]) -> Iterator[str]:
    """Of each image UNDONE, or why not."""
    versions = _versions(tools, images)
    items = tools.items(image.at for image in images)
    problems: list[str] = []
    restored: list[ExactWrite] = []
    for image in images:
        now, last = items.get(image.at), wrote.get(image.row)
        problem = _problem(image, now, last, versions)
        problems.append(problem)
        if not problem:
            restored.append(ExactWrite(image.table, image.key, now, image.old))
    answers = iter(tools.write(restored))
    for problem in problems:
        yield problem or _WHY.get(next(answers), UNDONE)


def _problem(image: Image, now: WireItem | None, wrote: int | None, versions: Mapping[Row, int]) -> str:
    """Empty where the old image may be put, or is there already."""
    if same_item(image.key_names, now, image.old):
        return ""
    if image.way.by_ledger and versions.get(image.row) != wrote:
        return _SOURCE_MOVED
    return "" if image.is_done(now, wrote) else _TARGET_MOVED


def _versions(tools: Tools, images: Sequence[Image]) -> dict[Row, int]:
    """Of their rows, once what of them is undelivered is delivered: else a relay would do the repair again."""
    versions: dict[Row, int] = {}
    for item_type in dict.fromkeys(image.item_type for image in images if image.way.by_ledger):
        rows = sorted({one.source_key or "" for one in images if one.way.by_ledger and one.item_type == item_type})
        if tools.deliverer is None:
            continue
        tools.deliverer.deliver(item_type, rows, undelivered_only=True)
        found = _read(tools.deliverer.session, item_type, rows)
        versions.update(((item_type, source_key), version) for source_key, version in found.items())
    return versions


def _read(session: LedgerSession, item_type: str, rows: Sequence[str]) -> dict[str, int]:
    with session.snapshot(()) as connection:
        return read_versions(connection, session.migration, item_type, rows)
