"""The streams that are followed: those of tables with items whose master DynamoDB is, each from where it was left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipelines.reverse.checkpoints import (
    Move,
    add_shards,
    forget_shards,
    forget_stream,
    forget_streams,
    other_streams,
    positions,
)
from pipelines.reverse.opened import Opened, applied_masters
from pipelines.reverse.shard_reader import ShardReader
from pipelines.reverse.shards import Change, Position, change, readable
from pipelines.reverse.standing import caught_up_seconds, note_resync
from pipelines.reverse.streams import Stream, describe_stream, enable_stream
from pipelines.source.ledger.clock import now
from pipelines.source.ledger.masters import Master

KEPT = timedelta(hours=23)
"""DynamoDB keeps a stream's records for 24 hours; who has not read one by now may have missed it."""


@dataclass(frozen=True)
class Unread:
    """A shard that is not read far enough yet. `sequence`, `until`: how far it is."""

    table: str
    shard: str
    sequence: str | None
    until: datetime | None
    throttled: bool


@dataclass
class Followed:
    """By shard: `at`; `idle`: how many pages in a row were empty; `until`: all that was written before is applied.
    `throttled`: shards whose last page was refused for now."""

    table: str
    arn: str
    key_names: tuple[str, ...]
    reader: ShardReader
    at: dict[str, Position] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)
    until: dict[str, datetime] = field(default_factory=dict)
    throttled: set[str] = field(default_factory=set)

    def readable(self) -> list[Position]:
        return readable(list(self.at.values()))

    def moved(self, moves: Sequence[Move]) -> None:
        """As the ledger has it now."""
        for one in moves:
            was = self.at[one.shard]
            self.at[one.shard] = replace(was, sequence=one.sequence or was.sequence, done=was.done or one.ended)
            if one.created_at is not None:  # in whole seconds
                self._is_applied_until(one.shard, one.created_at)

    def rests(self, since: datetime, idle_pages: int) -> None:
        """`since`: before the last page of each shard was asked for."""
        for shard, count in self.idle.items():
            if count >= idle_pages:
                self._is_applied_until(shard, since)

    def unread(self, moment: datetime) -> list[Unread]:
        """Shards of which not all that was written before is applied."""
        return [
            Unread(self.table, one.shard, one.sequence, until, one.shard in self.throttled)
            for one in self.readable()
            if (until := self.until.get(one.shard)) is None or until < moment
        ]

    def _is_applied_until(self, shard: str, moment: datetime) -> None:
        self.until[shard] = max(moment, self.until.get(shard, moment))


class Following:
    """For one thread. `refresh` first."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._streams: dict[str, Followed] = {}
        self._is_late = False

    def __iter__(self) -> Iterator[Followed]:
        return iter(list(self._streams.values()))

    def refresh(self) -> None:
        """Looks at which tables are to be followed, and at their shards. Raises StageError, SourceError, TargetError,
        PassingError."""
        opened = self._opened
        wanted = self._wanted(applied_masters(opened.connection, opened.migration))
        others = [table for table in opened.key_names if table not in wanted]
        if others:
            with opened.session.writing() as connection:
                forget_streams(connection, opened.migration, others)
        for table in others:
            self._streams.pop(table, None)
        for table, since in wanted.items():
            self._refresh(table, since)

    def _wanted(self, masters: Sequence[Master]) -> dict[str, datetime | None]:
        """Tables, and since when DynamoDB has been the master of some of their items."""
        found: dict[str, datetime | None] = {}
        for master in masters:
            for table in filter(None, map(self._opened.table_of, master.item_types)):
                before = found.get(table, master.changed_at)
                earliest = min((one for one in (before, master.changed_at) if one is not None), default=None)
                found[table] = earliest
        return found

    def _refresh(self, table: str, since: datetime | None) -> None:
        opened = self._opened
        arn = enable_stream(opened.dynamodb, table)
        followed = self._streams.get(table)
        if followed is None or followed.arn != arn:
            followed = Followed(table, arn, opened.key_names[table], ShardReader(opened.streams, table, arn))
            self._streams[table] = followed
        stream = describe_stream(opened.streams, table, arn)
        with opened.session.writing() as connection:
            others = other_streams(connection, opened.migration, table, arn)
            known = positions(connection, opened.migration, arn)
            changed = change(stream.shards, known)
            problem = self._gap(stream, since, others, known, changed)
            if problem is not None:
                note_resync(connection, opened.migration, problem)
            for other in others:
                forget_stream(connection, opened.migration, other)
            add_shards(connection, opened.migration, table, arn, changed.new)
            forget_shards(connection, opened.migration, arn, changed.forgotten)
        followed.at = {one.shard: one for one in known if one.shard not in changed.forgotten}
        followed.at |= {one.id: Position(one.id, one.parent) for one in changed.new}

    def _gap(
        self, stream: Stream, since: datetime | None, others: Sequence[str], known: Sequence[Position], changed: Change
    ) -> str | None:
        """Why records may be gone that were never read."""
        what = f"the stream of table {stream.table}"
        if others:
            return f"{what} was made anew"
        if changed.lost:
            return f"{what} lost {len(changed.lost)} shards before they were read to their end"
        if known:
            return f"{what} was not read to its end for over {_hours(KEPT)} hours" if self._has_become_late() else None
        opened = self._opened
        if since is not None and now(opened.connection) - since > KEPT:
            return f"{what} is read for the first time, over {_hours(KEPT)} hours after DynamoDB became the master"
        if since is not None and stream.created is not None and stream.created > since:
            return f"{what} was made after DynamoDB had become the master"
        return None

    def _has_become_late(self) -> bool:
        """Once, until it has caught up again."""
        behind = caught_up_seconds(self._opened.connection, self._opened.migration)
        was, self._is_late = self._is_late, behind is not None and behind > KEPT.total_seconds()
        return self._is_late and not was


def _hours(span: timedelta) -> int:
    return int(span.total_seconds() // 3600)
