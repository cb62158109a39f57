"""One state of everything: the source, the ledger, the target, and whoever is at work between them."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.source import Content, Tables, replaced

EPOCH = 100
"""Stands for 2^40: more than any version within an epoch here."""


class Log(NamedTuple):
    """Log rows of one source row that are not folded yet: how many, and the keys that the row left."""

    appended: int = 0
    old_keys: frozenset[int] = frozenset()


class LeftKey(NamedTuple):
    """`version`: no put of the row at this key has this version or a later one, unless the row came back."""

    key: int
    version: int


class Item(NamedTuple):
    """A row of `item`. `keys`: left keys, still to be tombstoned."""

    base: int = 0
    delivered: int = 0
    keys: frozenset[LeftKey] = frozenset()


class Stored(NamedTuple):
    """An item of the target. `content` None: a tombstone. `owner`: the source row it was made from."""

    version: int
    content: Content | None
    owner: int


FOREIGN = Stored(-1, (), -1)


class Request(NamedTuple):
    """A conditional write: a put, or with `content` None a tombstone, of a key left at version `left`."""

    key: int
    version: int
    content: Content | None
    owner: int
    left: int = 0


class Delivery(NamedTuple):
    """A relay at work on one source row. `clean`: nothing was refused so far. `half`: read the rows, not the version.
    `left`: the left keys that were read."""

    row: int
    epoch: int
    version: int
    left: frozenset[LeftKey]
    writes: tuple[Request, ...]
    clean: bool = True
    half: bool = False


class Captured(NamedTuple):
    """What a transaction's triggers will have left at its commit: for each log row its subject and the key that the
    row left."""

    log: tuple[tuple[int, int | None], ...] = ()
    marks: tuple[int, ...] = ()
    locks: frozenset[str] = frozenset()


PENDING = Captured(locks=frozenset({"pending"}))
DONE = Captured(locks=frozenset({"done"}))


class Control(NamedTuple):
    epoch: int = 1
    shape: int = 0
    capture: bool = True
    sweeps: int = 0


class Backfill(NamedTuple):
    """`begun`: registered in the source, so that sweeps see it. `remaining`: records not put yet."""

    epoch: int
    sweeps: int
    remaining: tuple[Request, ...]
    begun: bool = False


class View(NamedTuple):
    """What the verifier reads of the source in one snapshot, for each source row."""

    tables: Tables
    versions: tuple[int, ...]
    undelivered: tuple[bool, ...]
    marked: tuple[bool, ...]


class Verification(NamedTuple):
    """`first` and `target` are None until they were read."""

    first: View | None
    target: tuple[Stored | None, ...] | None


class State(NamedTuple):
    tables: Tables
    log: tuple[Log, ...]
    items: tuple[Item | None, ...]
    target: tuple[Stored | None, ...]
    transactions: tuple[Captured, ...]
    relays: tuple[Delivery | None, ...]
    marks: tuple[int, ...] = ()
    half_expanded: tuple[int, ...] = ()
    half_folded: tuple[tuple[int, Log], ...] = ()
    control: Control = Control()
    net: tuple[Request, ...] = ()
    backfill: Backfill | None = None
    backfilled: int = 0
    sweeping: tuple[int, int] | None = None
    verification: Verification | None = None
    touching: tuple[int, int] | None = None
    late: int = 0
    crashes: int = 0
    verifications: int = 0
    upgrades: int = 0
    touches: int = 0
    alarm: str = ""


def version_of(state: State, subject: int) -> int:
    """Version = epoch · 2^40 + base + log rows that the snapshot sees."""
    item = state.items[subject]
    return state.control.epoch * EPOCH + (item.base if item else 0) + state.log[subject].appended


def is_undelivered(state: State, subject: int) -> bool:
    """What a relay claims, and what rule 11j calls undelivered: one predicate. A row without an `item` row and without
    log rows is nobody's to deliver but a backfill's."""
    item = state.items[subject]
    if item is None:
        return state.log[subject].appended > 0
    return item.delivered < version_of(state, subject)


def is_marked(state: State, subject: int) -> bool:
    """Whether an open mark reaches the item."""
    row = state.tables.rows[subject] if subject < len(state.tables.rows) else None
    return row is not None and row.parent in state.marks


def with_item(state: State, subject: int, item: Item) -> State:
    return state._replace(items=replaced(state.items, subject, item))


def with_log(state: State, subject: int, log: Log) -> State:
    return state._replace(log=replaced(state.log, subject, log))


def with_stored(state: State, key: int, stored: Stored | None) -> State:
    return state._replace(target=replaced(state.target, key, stored))


def with_relay(state: State, relay: int, delivery: Delivery | None) -> State:
    return state._replace(relays=replaced(state.relays, relay, delivery))
