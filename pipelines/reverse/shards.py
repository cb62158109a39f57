"""The shards of a stream: which can be read now, and whether records are gone that were never read.

A shard is closed after some hours, and its children go on; the records of one item are in one shard and its
descendants, so they are read in order if no child is begun before its parent is read to its end. Different shards may
be read in any order. Records, and shards that have no more of them, are trimmed after 24 hours.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """As DescribeStream tells it."""

    id: str
    parent: str | None


@dataclass(frozen=True)
class Position:
    """How far a shard is applied. `sequence`: of the last record, None before the first. `done`: to its end."""

    shard: str
    parent: str | None
    sequence: str | None = None
    done: bool = False


@dataclass(frozen=True)
class Change:
    """`new`: shards to be read from their beginning. `lost`: shards that were trimmed with records in them that were
    never read. `forgotten`: those that are done with and trimmed."""

    new: tuple[Shard, ...] = ()
    lost: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


def change(listed: Sequence[Shard], known: Sequence[Position]) -> Change:
    """`known`: none where the stream is read for the first time; what was trimmed before that is nobody's loss here."""
    there = {one.id for one in listed}
    ours = {one.shard for one in known}
    new = tuple(one for one in listed if one.id not in ours)
    unread = {one.shard for one in known if one.shard not in there and not one.done}
    unheard = {one.parent for one in new if known and one.parent is not None and one.parent not in there | ours}
    forgotten = tuple(one.shard for one in known if one.shard not in there)
    return Change(new, tuple(sorted(unread | unheard)), forgotten)


def readable(known: Sequence[Position]) -> list[Position]:
    """Those that are not done, and whose parent is, or is not there any more."""
    unread = {one.shard for one in known if not one.done}
    return [one for one in known if not one.done and one.parent not in unread]
