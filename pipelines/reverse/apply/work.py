"""What an image asks for: which source row, and which rows are to be there. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.mapping.inverse import ItemInverse, NotInvertible
from pipelines.mapping.key_patterns import KeyMatcher
from pipelines.mapping.online import source_key_text
from pipelines.mapping.plan import MigrationPlan
from pipelines.reverse.apply.image import Applied, Image, Outcome
from pipelines.reverse.apply.row_writer import ItemRows

Place = tuple[str, str]
"""Item type and source key."""


@dataclass(frozen=True)
class Work:
    """`image`: the newest of those of this source row; `older`: the others."""

    image: Image
    item_type: str
    source_key: str
    older: tuple[Image, ...] = ()

    @property
    def place(self) -> Place:
        return self.item_type, self.source_key


class Reader:
    """Of images of one plan; made once."""

    def __init__(self, plan: MigrationPlan, inverses: dict[str, ItemInverse]) -> None:
        self._matcher = KeyMatcher(plan)
        self._inverses = inverses

    def works(self, images: Sequence[Image]) -> tuple[list[Work], list[Applied]]:
        """One for each source row, in the order in which the rows are first told of, and what is decided already."""
        decided: list[Applied] = []
        found: dict[Place, list[Image]] = {}
        for image in images:
            item_type = self._matcher.item_type(image.table, json.loads(image.key))
            if item_type is None:
                decided.append(Applied(image, Outcome.IGNORED, "its key fits no key template of the mapping"))
                continue
            try:
                source_key = self._source_key(item_type, image)
            except NotInvertible as why:
                decided.append(Applied(image, Outcome.WAITS, str(why), final=True))
                continue
            found.setdefault((item_type, source_key), []).append(image)
        return [_newest(place, some) for place, some in found.items()], decided

    def rows(self, work: Work) -> ItemRows:
        """Raises NotInvertible."""
        inverse, image = self._inverses[work.item_type], work.image
        if inverse.problems:
            raise NotInvertible(work.item_type, inverse.problems[0])
        if image.item is None:
            return ItemRows(inverse.gone(work.source_key), is_gone=True)
        rows = inverse.rows(image.item, image.owner)
        if source_key_text(rows[0].owner) != work.source_key:
            raise NotInvertible("_s", "names another row than the item's attributes do")
        return ItemRows(rows, is_gone=False)

    def _source_key(self, item_type: str, image: Image) -> str:
        """By the key where it tells, which is read sooner."""
        inverse = self._inverses[item_type]
        try:
            return inverse.source_key(image.key, image.owner)
        except NotInvertible:
            if image.item is None:
                raise
        return inverse.source_key(image.item, image.owner)


def _newest(place: Place, images: Sequence[Image]) -> Work:
    """Of two of one version the live one: a row that has left a key is a tombstone there."""
    newest = max(images, key=lambda image: (image.version, image.item is not None))
    return Work(newest, *place, older=tuple(image for image in images if image is not newest))
