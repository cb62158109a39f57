"""Makes right what images were kept of; asked for again, it does what is left of it.

By the ledger: the rows are touched, those alone that are as they were judged; what delivery would take for a conflict
is exchanged for what it would have written; then delivery writes, and marks. Without one: compare and set.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.outcome import Result
from pipelines.deliver.reading import read
from pipelines.deliver.writes import writes
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.plan import ItemPlan
from pipelines.repair.decision import Standing, Way
from pipelines.repair.image import Image, Key
from pipelines.repair.opened import Tools
from pipelines.source.ledger.touch_unmoved import Raise, Touched, touch_unmoved
from pipelines.target.exact_write import Exact, ExactWrite
from pipelines.target.scan import WireItem

_MOST_TRIES = 12
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0


@dataclass(frozen=True)
class Ended:
    """`reason`: unless it is repaired."""

    standing: Standing
    reason: str = ""


_REPAIRED = Ended(Standing.REPAIRED)
_MOVED = Ended(Standing.PENDING, "the source row changed after it was judged; it is the relay's")
_BUSY = Ended(Standing.PENDING, "another relay delivers it")
_CHANGED = Ended(Standing.PENDING, "the target's item changed after it was judged")
_EXACT = {
    Exact.DONE: _REPAIRED,
    Exact.CHANGED: _CHANGED,
    Exact.UNSAYABLE: Ended(Standing.NOT, Exact.UNSAYABLE.value),
    Exact.IMPOSSIBLE: Ended(Standing.FAILED, Exact.IMPOSSIBLE.value),
}


def written(tools: Tools, images: Sequence[Image]) -> list[Ended]:
    """In the order of `images`. Raises StageError, SourceError, TargetError."""
    ended: dict[Key, Ended] = {}
    by_ledger: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        if image.way.by_ledger:
            by_ledger[image.item_type].append(image)
    for item_type, some in by_ledger.items():
        ended.update(_by_ledger(tools, tools.plan.item(item_type), some))
    ended.update(_by_comparing(tools, [one for one in images if not one.way.by_ledger]))
    return [ended[image.at] for image in images]


def _by_comparing(tools: Tools, images: Sequence[Image]) -> dict[Key, Ended]:
    writes = [ExactWrite(one.table, one.key, one.old, _set(tools, one)) for one in images]
    return {one.at: _EXACT[exact] for one, exact in zip(images, tools.write(writes), strict=True)}


def _set(tools: Tools, image: Image) -> WireItem | None:
    return image.set_item(key_names_row(tools.plan.item(image.item_type))) if image.way is Way.SET else None


def _by_ledger(tools: Tools, item: ItemPlan, images: Sequence[Image]) -> dict[Key, Ended]:
    raised = _touch(tools, item, images)
    exchanged = _exchange(tools, item, [one for one in images if one.way is Way.EXCHANGED and one.source_key in raised])
    delivered = _deliver(tools, item.name, sorted(raised))
    return {
        one.at: exchanged.get(one.at) or (delivered[one.source_key or ""] if one.source_key in raised else _MOVED)
        for one in images
    }


def _touch(tools: Tools, item: ItemPlan, images: Sequence[Image]) -> set[str]:
    """Source keys of the rows that have the version by now that the repair writes."""
    wanted = _raises(images)
    touched = _touched(tools, item, list(wanted.values()))
    unfolded = [key for key, one in touched.items() if one is Touched.UNFOLDED]
    if unfolded:
        _deliverer(tools).deliver(item.name, unfolded)  # whose claim folds the log rows
        touched.update(_touched(tools, item, [wanted[key] for key in unfolded]))
    return {key for key, one in touched.items() if one is Touched.RAISED}


def _touched(tools: Tools, item: ItemPlan, wanted: Sequence[Raise]) -> dict[str, Touched]:
    return touch_unmoved(_deliverer(tools).session, item.name, wanted)


def _raises(images: Sequence[Image]) -> dict[str, Raise]:
    """By source key. A key at which the row has no item counts as left: its tombstone is delivered there."""
    rows: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        rows[image.source_key or ""].append(image)
    return {
        source_key: Raise(
            source_key,
            max(one.version or 0 for one in some),
            max(one.wrote or 0 for one in some),
            tuple(one.key for one in some if one.digest is None),
        )
        for source_key, some in rows.items()
    }


def _exchange(tools: Tools, item: ItemPlan, images: Sequence[Image]) -> dict[Key, Ended]:
    """What a delivery would write, by compare-and-set; those that could not be exchanged."""
    if not images:
        return {}
    readings = read(_deliverer(tools).session, item, sorted({one.source_key or "" for one in images}))
    stored = {(reading.source_key, one.write.key): one.write for reading in readings for one in writes(item, reading)}
    ended: dict[Key, Ended] = {}
    wanted: list[tuple[Image, ExactWrite]] = []
    for image in images:
        write = stored.get((image.source_key or "", image.key))
        if write is None or write.version != image.wrote:
            ended[image.at] = _MOVED
        else:
            wanted.append((image, ExactWrite(image.table, image.key, image.old, json.loads(write.stored()))))
    answers = tools.write([one for _, one in wanted])
    ended |= {image.at: _EXACT[exact] for (image, _), exact in zip(wanted, answers, strict=True)}
    return {at: one for at, one in ended.items() if one is not _REPAIRED}


def _deliver(tools: Tools, item_type: str, source_keys: Sequence[str]) -> dict[str, Ended]:
    """Until each is settled, or trying again does not help."""
    ended: dict[str, Ended] = {}
    left = list(source_keys)
    for attempt in range(_MOST_TRIES):
        delivered = _deliverer(tools).deliver(item_type, left)
        ended.update((one.source_key, _ended(one)) for one in delivered.results)
        ended.update((source_key, _BUSY) for source_key in delivered.busy)
        left = [*(one.source_key for one in delivered.results if not one.settled and not one.final), *delivered.busy]
        if not left:
            break
        time.sleep(min(_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS))
    return ended


def _ended(result: Result) -> Ended:
    if not result.settled:
        return Ended(Standing.PENDING if result.waits else Standing.FAILED, result.problem or "")
    return _MOVED if result.rejected else _REPAIRED


def _deliverer(tools: Tools) -> Deliverer:
    assert tools.deliverer is not None  # an image by the ledger was made, or is being finished, with one
    return tools.deliverer
