"""Pages of several shards, applied in batches together with how far each shard is by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.reverse.apply.image import Image
from pipelines.reverse.checkpoints import Move, advance, begin_again
from pipelines.reverse.follow import Followed, Following
from pipelines.reverse.opened import Opened, applied_item_types
from pipelines.reverse.record import Skipped, Told, told
from pipelines.reverse.shard_reader import Page
from pipelines.reverse.shards import Position
from pipelines.reverse.standing import note_resync
from pipelines.reverse.tally import Tally

BATCH = 250
"""Images in one transaction."""


@dataclass
class _Batch:
    """`moves`: by stream."""

    images: list[Image] = field(default_factory=list)
    moves: dict[str, list[Move]] = field(default_factory=dict)


class Pages:
    """For one thread. `shards_change`: of a page at least a shard has ended, or has lost something; look at them again
    before the next pages."""

    def __init__(self, opened: Opened, following: Following, tally: Tally) -> None:
        self._opened = opened
        self._following = following
        self._tally = tally
        self.shards_change = False

    def apply(self, pages: Sequence[tuple[Followed, Page]]) -> None:
        """Raises StageError, SourceError, TargetError; then some may be applied, and readers are to be made anew."""
        for followed, page in pages:
            self._mind(followed, page)
        # Read after the records: who was not yet the master when they were written is not told from who is.
        item_types = applied_item_types(self._opened.connection, self._opened.migration)
        batch = _Batch()
        for followed, page in pages:
            for record in page.records:
                one = told(record, followed.table, followed.key_names)
                self._take(batch, followed, page.position, one, item_types)
                if len(batch.images) >= BATCH:
                    self._write(batch)
                    batch = _Batch()
            if page.ended:
                batch.moves.setdefault(followed.arn, []).append(Move(page.position.shard, None, None, ended=True))
                self.shards_change = True  # its children are to be found
        self._write(batch)

    def _take(
        self, batch: _Batch, followed: Followed, position: Position, one: Told, item_types: frozenset[str]
    ) -> None:
        batch.moves.setdefault(followed.arn, []).append(Move(position.shard, one.sequence, one.created_at))
        skipped = one.skipped
        if one.image is not None and self._opened.item_type(one.image.table, one.image.key) not in item_types:
            skipped = Skipped.ELSEWHERE
        if skipped is not None or one.image is None:
            self._tally.counts[(skipped or Skipped.FOREIGN).value] += 1
            return
        batch.images.append(one.image)
        if one.removed:
            self._tally.counts["removed"] += 1

    def _write(self, batch: _Batch) -> None:
        migration = self._opened.migration

        def also(connection: Connection[TupleRow]) -> None:
            for arn, moves in batch.moves.items():
                advance(connection, migration, arn, moves)

        if batch.images:
            self._tally.add(self._opened.applier.apply(batch.images, also))
        elif batch.moves:
            with self._opened.session.writing() as connection:
                also(connection)
        for followed in self._following:
            followed.moved(batch.moves.get(followed.arn, ()))

    def _mind(self, followed: Followed, page: Page) -> None:
        """How often a shard had nothing, and whether it has lost something."""
        shard = page.position.shard
        (followed.throttled.add if page.throttled else followed.throttled.discard)(shard)
        if page.records or page.throttled or page.trimmed or page.gone:
            followed.idle[shard] = 0
        else:
            followed.idle[shard] = followed.idle.get(shard, 0) + 1
        if not page.trimmed and not page.gone:
            return
        with self._opened.session.writing() as connection:
            why = f"the stream of table {followed.table} was trimmed before it was read"
            note_resync(connection, self._opened.migration, why)
            if page.trimmed:
                begin_again(connection, self._opened.migration, followed.arn, shard)
        self.shards_change = True  # positions are read again, too
