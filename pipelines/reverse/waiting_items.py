"""Items that could not be applied yet: read afresh, strongly consistent, and tried again.

What is there now is applied. Where another row has the key by now, or nothing is there, a tombstone that waits is
applied all the same: it is all that is left of its row. Of an item that was not one, nothing is left to apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from pipelines.reverse.apply.image import Image
from pipelines.reverse.apply.waiting import Waiting, all_waiting, due_waiting, forget_waiting, owner_of
from pipelines.reverse.opened import Opened
from pipelines.reverse.record import image_of
from pipelines.reverse.tally import Tally
from pipelines.target.batch_get import MOST_KEYS
from pipelines.target.record import TargetRecord


def try_waiting(opened: Opened, item_types: frozenset[str], tally: Tally) -> int:
    """Some of those that are due; how many there were. What is of none of `item_types` waits no more. Raises
    StageError, SourceError, TargetError."""
    with opened.session.writing() as connection:
        due = due_waiting(connection, opened.migration, MOST_KEYS)
    _try(opened, item_types, due, tally)
    return len(due)


def try_all(
    opened: Opened,
    item_types: frozenset[str],
    tally: Tally,
    between: Callable[[], None] = lambda: None,
    *,
    all_is_read: bool,
) -> list[Waiting]:
    """Whatever waits of these item types, set apart or not, until nothing of it helps any more. What waits still.
    `between`: called after every few of them. `all_is_read`: as `Applier.apply` takes it. Raises as `try_waiting`."""
    before: int | None = None
    while True:
        waiting = [
            one
            for one in all_waiting(opened.connection, opened.migration)
            if opened.item_type(one.table, one.key) in item_types
        ]
        if not waiting or (before is not None and len(waiting) >= before):
            return waiting
        before = len(waiting)
        for start in range(0, len(waiting), MOST_KEYS):
            _try(opened, item_types, waiting[start : start + MOST_KEYS], tally, all_is_read=all_is_read)
            between()


def _try(
    opened: Opened, item_types: frozenset[str], waiting: Sequence[Waiting], tally: Tally, all_is_read: bool = False
) -> None:
    for table, some in groupby(sorted(waiting, key=lambda one: one.table), key=lambda one: one.table):
        images = _read(opened, item_types, table, list(some))
        tally.add(opened.applier.apply(images, all_is_read=all_is_read))


def _read(opened: Opened, item_types: frozenset[str], table: str, waiting: Sequence[Waiting]) -> list[Image]:
    """What is to be applied now. What waits without that is forgotten."""
    wanted = [one for one in waiting if opened.item_type(table, one.key) in item_types]
    found = opened.items.read(table, [one.key for one in wanted]) if wanted else {}
    images: dict[Image, None] = {}
    with opened.session.writing() as connection:
        for one in waiting:
            image = _now(one, found.get(one.key)) if one in wanted else None
            if image is None or owner_of(image.owner) != one.owner:
                forget_waiting(connection, opened.migration, one)
            if image is not None:
                images[image] = None
    return list(images)


def _now(one: Waiting, found: TargetRecord | None) -> Image | None:
    if found is not None and (not one.owner or owner_of(found.owner) in ("", one.owner)):
        image = image_of(found, one.table)
        if image is not None:
            return image
    return None if one.removed is None else Image(one.table, one.key, None, one.removed, one.owner or None)
